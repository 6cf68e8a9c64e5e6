//! What a report costs: `cargo bench --bench report`.
//!
//! 1,000 and 10,000 tasks against the simulator in this process, under virtual time and with GitHub's limits enforced:
//! once without a cache, and once more with it. With an argument (`-- 1000`) only that part. Each part runs in a separate
//! process; the peak of memory has the simulator's world in it too.

#![expect(clippy::disallowed_methods, reason = "a benchmark has its own files and clock")]
#![expect(clippy::print_stdout, reason = "this is what it is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot measure has failed")]

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use agent_task::actions::context::Environment;
use agent_task::actions::host::Host;
use agent_task::github::client::GitHub;
use agent_task::task::marker::{Key, Marker};
use simulator::{Call, Effect, ExistingTask, Repository, Script, Settings, Simulator, Token};

/// How many tasks the parts have.
const PARTS: [usize; 2] = [1000, 10_000];
/// How many repositories the tasks are in.
const REPOSITORIES: usize = 50;
const HOUR: Duration = Duration::from_secs(3600);

fn main() {
    let arguments = std::env::args().skip(1).filter(|it| it != "--bench").collect::<Vec<_>>();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["part", count] => part(count.parse().unwrap()),
        [] => {
            println!(
                "| Tasks | Cache | Time | Requests | Lists | Single tasks | GraphQL | Refused for the rate | Page | Peak memory | Wall time |"
            );
            println!("|---|---|---|---|---|---|---|---|---|---|---|");
            PARTS.iter().for_each(|count| in_its_own_process(&count.to_string()));
        }
        [part] => in_its_own_process(part),
        other => panic!("one of 1000 and 10000, and not {other:?}"),
    }
}

fn in_its_own_process(part: &str) {
    let status = Command::new(std::env::current_exe().unwrap()).args(["part", part]).status().unwrap();
    assert!(status.success(), "{part}: {status}");
}

fn world(count: usize) -> Simulator {
    let simulator = Simulator::new();
    simulator.settings(|settings| *settings = Settings::documented());
    for at in 0..REPOSITORIES {
        simulator.repository(&format!("octo/r{at}"), Repository::default());
    }
    for at in 0..count {
        let work = Script::new().state("in_progress", HOUR).pull().effect(Effect::Ready);
        let marker = Marker {
            key: Key::over([at.to_string().as_str()]),
            class: "prep".to_owned(),
            version: (at % 3).to_string(),
            ..Marker::default()
        };
        simulator.add_task(ExistingTask {
            repository: format!("octo/r{}", at % REPOSITORIES),
            creator: Token::default().id,
            prompt: marker.put_under(&format!("Task {at}")),
            body: serde_json::json!({"create_pull_request": true}),
            age: HOUR * 24 * 300 / u32::try_from(count).unwrap() * u32::try_from(count - at).unwrap() + HOUR * 24 * 7,
            script: work.effect(Effect::Usage(10_000_000_000)).state("completed", HOUR * 20).effect(Effect::Merge),
            ..ExistingTask::default()
        });
    }
    simulator
}

fn part(count: usize) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("report-{count}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let variables = [
        ("GITHUB_REPOSITORY", "octo/app".to_owned()),
        ("GITHUB_OUTPUT", path("output")),
        ("GITHUB_STEP_SUMMARY", path("summary")),
        ("GITHUB_WORKSPACE", path("")),
        ("RUNNER_TEMP", path("temp")),
        ("INPUT_COMMAND", "report".to_owned()),
        ("INPUT_TOKEN", "github_pat_simulated".to_owned()),
        ("INPUT_SINCE", "2025-01-01".to_owned()),
        ("INPUT_REPORT_CACHE", "cache.json".to_owned()),
    ];
    let environment = variables.map(|(name, value)| (name.to_owned(), value)).into_iter().collect::<Environment>();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let simulator = world(count);
        for cache in ["empty", "full"] {
            let (began, virtually, before) = (Instant::now(), tokio::time::Instant::now(), simulator.log().len());
            let runner = Host::with_log(&environment, Box::new(std::io::sink()));
            let github = |address: &_, token: &_| Ok(GitHub::over(simulator.clone(), address, token));
            let code = agent_task::run(&environment, &runner, github).await.code();
            let outputs = std::fs::read_to_string(path("output")).unwrap();
            assert_eq!((code, simulator.unexpected()), (0, Vec::new()), "{outputs}");
            let page = outputs.lines().rfind(|line| line.ends_with("report.html")).unwrap();
            let page = std::fs::metadata(page).unwrap().len();
            row(count, cache, virtually.elapsed(), &simulator.log()[before..], page, began.elapsed());
            // The next report is made a week later.
            tokio::time::sleep(HOUR * 24 * 7).await;
        }
    });
    std::fs::remove_dir_all(&folder).unwrap();
}

fn row(count: usize, cache: &str, took: Duration, calls: &[Call], page: u64, wall: Duration) {
    let number = |is: &dyn Fn(&Call) -> bool| calls.iter().filter(|call| is(call)).count();
    println!(
        "| {count} | {cache} | {} s | {} | {} | {} | {} | {} | {} kB | {} | {:.1} s |",
        took.as_secs(),
        calls.len(),
        number(&|call| call.path == "/agents/tasks"),
        number(&|call| call.path.starts_with("/agents/tasks/")),
        number(&|call| call.path == "/graphql"),
        number(&|call| matches!(call.status, Some(403 | 429))),
        page / 1000,
        peak(),
        wall.as_secs_f64(),
    );
}

/// The most memory that this process has held at once, as Linux reports it; empty elsewhere.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.map(|kilobytes| format!("{:.1} MB", kilobytes as f64 / 1024.0)).unwrap_or_default()
}
