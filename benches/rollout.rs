//! What a run of a rollout costs in which nothing is due: `cargo bench --bench rollout`.
//!
//! 1,000 repositories whose pull requests wait for review, against the simulator in this process, under virtual time and
//! with GitHub's limits enforced: without a cache, and with the one that this run has left. Each part runs in a separate
//! process; the peak of memory has the simulator's world in it too, which the first row shows alone.

#![expect(clippy::disallowed_methods, reason = "a benchmark has its own files and clock")]
#![expect(clippy::print_stdout, reason = "this is what it is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot measure has failed")]

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use agent_task::actions::context::Environment;
use agent_task::actions::host::Host;
use agent_task::github::client::GitHub;
use agent_task::task::marker::{Key, Marker, template_hash};
use simulator::{Call, Effect, ExistingTask, Repository, Script, Settings, Simulator, Token};

/// How many repositories the rollout has.
const REPOSITORIES: usize = 1000;
const HOUR: Duration = Duration::from_secs(3600);
const PROMPT: &str = "Add the security baseline.";

fn main() {
    let arguments = std::env::args().skip(1).filter(|it| it != "--bench").collect::<Vec<_>>();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["part", name] => part(name),
        [] => {
            println!("| Run | Requests | Lists | Single tasks | GraphQL | Virtual time | Wall time | Peak memory |");
            println!("|---|---|---|---|---|---|---|---|");
            for name in ["world alone", "without a cache", "with a cache"] {
                let status = Command::new(std::env::current_exe().unwrap()).args(["part", name]).status().unwrap();
                assert!(status.success(), "{name}: {status}");
            }
        }
        other => panic!("no arguments, and not {other:?}"),
    }
}

fn name(at: usize) -> String {
    format!("octo/r{at}")
}

fn world() -> Simulator {
    let simulator = Simulator::new();
    simulator.settings(|settings| *settings = Settings::documented());
    for at in 0..REPOSITORIES {
        simulator.repository(&name(at), Repository::default());
        let marker = Marker {
            key: Key::over([name(at).as_str()]),
            template: template_hash(PROMPT),
            rollout: "baseline".to_owned(),
            wave: "1".to_owned(),
            origin: "812340001".to_owned(),
            repository: name(at),
            ..Marker::default()
        };
        simulator.add_task(ExistingTask {
            repository: name(at),
            creator: Token::default().id,
            prompt: marker.put_under(PROMPT),
            body: serde_json::json!({"create_pull_request": true}),
            age: HOUR * 24 * 40,
            script: Script::new().state("in_progress", HOUR).pull().effect(Effect::Ready).state("completed", HOUR),
            ..ExistingTask::default()
        });
    }
    simulator
}

fn part(part: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("rollout-bench");
    let kept = folder.with_extension("json");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    if part == "with a cache" {
        std::fs::copy(&kept, folder.join("cache.json")).unwrap();
    }
    let variables = [
        ("GITHUB_REPOSITORY", "octo/app".to_owned()),
        ("GITHUB_REPOSITORY_ID", "812340001".to_owned()),
        ("GITHUB_OUTPUT", path("output")),
        ("GITHUB_STEP_SUMMARY", path("summary")),
        ("GITHUB_WORKSPACE", path("")),
        ("RUNNER_TEMP", path("temp")),
        ("INPUT_TOKEN", "github_pat_simulated".to_owned()),
        ("INPUT_PROMPT", PROMPT.to_owned()),
        ("INPUT_CREATE_PULL_REQUEST", "true".to_owned()),
        ("INPUT_REPOSITORIES", (0..REPOSITORIES).map(name).collect::<Vec<_>>().join("\n")),
        ("INPUT_ROLLOUT", "baseline".to_owned()),
        ("INPUT_ADVANCE_ON", "merged".to_owned()),
        ("INPUT_ROLLOUT_CACHE", "cache.json".to_owned()),
    ];
    let environment = variables.map(|(name, value)| (name.to_owned(), value)).into_iter().collect::<Environment>();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let simulator = world();
        let (began, virtually) = (Instant::now(), tokio::time::Instant::now());
        if part != "world alone" {
            let runner = Host::with_log(&environment, Box::new(std::io::sink()));
            let github = |address: &_, token: &_| Ok(GitHub::over(simulator.clone(), address, token));
            let code = agent_task::run(&environment, &runner, github).await.code();
            let outputs = std::fs::read_to_string(path("output")).unwrap();
            assert_eq!((code, simulator.unexpected()), (0, Vec::new()), "{outputs}");
            assert!(outputs.contains("\nwaiting\n") && simulator.starts() == 0, "{outputs}");
            std::fs::copy(folder.join("cache.json"), &kept).unwrap();
        }
        row(part, virtually.elapsed(), &simulator.log(), began.elapsed());
    });
    std::fs::remove_dir_all(&folder).unwrap();
}

fn row(part: &str, took: Duration, calls: &[Call], wall: Duration) {
    let number = |is: &dyn Fn(&Call) -> bool| calls.iter().filter(|call| is(call)).count();
    println!(
        "| {part} | {} | {} | {} | {} | {:.1} s | {:.2} s | {} |",
        calls.len(),
        number(&|call| call.path == "/agents/tasks"),
        number(&|call| call.path.starts_with("/agents/tasks/")),
        number(&|call| call.path == "/graphql"),
        took.as_secs_f64(),
        wall.as_secs_f64(),
        peak(),
    );
}

/// The most memory that this process has held at once, as Linux reports it; empty elsewhere.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.map(|kilobytes| format!("{:.1} MB", kilobytes as f64 / 1024.0)).unwrap_or_default()
}
