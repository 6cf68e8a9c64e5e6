//! What many repositories in one step cost: `cargo bench --bench fleet`.
//!
//! 1,000 and 10,000 repositories against the simulator in this process, under virtual time and with GitHub's limits
//! enforced; and 200 of them by the built program over loopback, in real time, which takes some four minutes. With an
//! argument (`-- 1000`, `-- loopback`) only that part.
//!
//! Each part runs in a separate process, so that the peak of memory is that part's. In process that peak has the
//! simulator's world in it too; over loopback it is that of the program alone.

#![expect(clippy::disallowed_methods, reason = "a benchmark has its own files and clock")]
#![expect(clippy::print_stdout, reason = "this is what it is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot measure has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use agent_task::actions::context::Environment;
use agent_task::actions::host::Host;
use agent_task::github::client::GitHub;
use agent_task::github::rate_limit::RateLimiter;
use simulator::{Call, Repository, Script, Simulator};

/// How many repositories the parts in virtual time have.
const VIRTUAL: [usize; 2] = [1000, 10_000];
/// How many repositories the part in real time has, where each start takes a second at least.
const REAL: usize = 200;
/// How long a task runs.
const TASK: Duration = Duration::from_secs(120);

fn main() {
    let arguments = std::env::args().skip(1).filter(|it| it != "--bench").collect::<Vec<_>>();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["part", "loopback"] => real(),
        ["part", count] => simulated(count.parse().unwrap()),
        [] => {
            println!(
                "| Repositories | Clock | Time | Least by the limits | Above it | Last start | Requests | Starts and pull requests per task | Lists | Single polls per task | Refused for the rate | Peak memory | Wall time |"
            );
            println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
            for part in VIRTUAL.map(|count| count.to_string()).iter().map(String::as_str).chain(["loopback"]) {
                in_its_own_process(part);
            }
        }
        [part] => in_its_own_process(part),
        other => panic!("one of 1000, 10000, loopback, and not {other:?}"),
    }
}

fn in_its_own_process(part: &str) {
    let status = Command::new(std::env::current_exe().unwrap()).args(["part", part]).status().unwrap();
    assert!(status.success(), "{part}: {status}");
}

/// A step's environment in its own folder.
fn environment(folder: &Path, count: usize, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).unwrap();
    let list = (0..count).map(|at| format!("octo/r{at}")).collect::<Vec<_>>().join("\n");
    std::fs::write(folder.join("repositories.txt"), list).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let base = [
        ("GITHUB_REPOSITORY", "octo/app".to_owned()),
        ("GITHUB_OUTPUT", path("output")),
        ("GITHUB_STEP_SUMMARY", path("summary")),
        ("GITHUB_WORKSPACE", path("")),
        ("RUNNER_TEMP", path("temp")),
        ("INPUT_TOKEN", "github_pat_simulated".to_owned()),
        ("INPUT_REPOSITORIES", "@repositories.txt".to_owned()),
        (
            "INPUT_PROMPT",
            format!("Raise the version of {{{{ target.name }}}}.\n{}", "All that has to be done. ".repeat(40)),
        ),
        ("INPUT_CREATE_PULL_REQUEST", "true".to_owned()),
        ("INPUT_WAIT", "true".to_owned()),
    ];
    let base = base.map(|(name, value)| (name.to_owned(), value));
    base.into_iter().chain(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).collect()
}

fn world(count: usize, script: Script) -> Simulator {
    let simulator = Simulator::new();
    for at in 0..count {
        simulator.repository(&format!("octo/r{at}"), Repository::default());
    }
    simulator.default_script(script);
    simulator
}

/// A part under virtual time.
fn simulated(count: usize) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fleet-{count}"));
    let environment = environment(&folder, count, &[]).into_iter().collect::<Environment>();
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let simulator = world(count, Script::completes_with_pull(TASK));
        let virtually = tokio::time::Instant::now();
        let runner = Host::with_log(&environment, Box::new(std::io::sink()));
        let github = |address: &_, token: &_| Ok(GitHub::over(simulator.clone(), address, token));
        let code = agent_task::run(&environment, &runner, github).await.code();
        assert_eq!((code, simulator.starts(), simulator.unexpected()), (0, count, Vec::new()));
        let peak = peak("self");
        row(
            count,
            "virtual",
            virtually.elapsed(),
            &simulator.log(),
            &format!("{peak} with the simulator"),
            began.elapsed(),
        );
    });
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The part in real time: the built program, and the simulator behind a socket in this process.
fn real() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fleet-loopback");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let simulator = {
        let _inside = runtime.enter();
        world(REAL, Script::completes_with_pull(Duration::from_secs(20)))
    };
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(simulator::serve(listener, simulator.clone()));
    let variables = environment(&folder, REAL, &[("GITHUB_API_URL", &address)]);
    let began = Instant::now();
    let mut program = Command::new(env!("CARGO_BIN_EXE_agent-task"));
    let mut child = program.env_clear().envs(variables).stdout(std::process::Stdio::null()).spawn().unwrap();
    let mut most = String::new();
    let status = loop {
        most = Some(peak(&child.id().to_string())).filter(|peak| !peak.is_empty()).unwrap_or(most);
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(200)),
        }
    };
    assert!(status.success() && simulator.starts() == REAL, "{status}");
    row(REAL, "real", began.elapsed(), &simulator.log(), &most, began.elapsed());
    std::fs::remove_dir_all(&folder).unwrap();
}

fn row(count: usize, clock: &str, took: Duration, calls: &[Call], peak: &str, wall: Duration) {
    let least = RateLimiter::min_duration(count, 1);
    let number = |is: &dyn Fn(&Call) -> bool| calls.iter().filter(|call| is(call)).count();
    let starts = |call: &Call| call.method == "POST" && call.path.ends_with("/tasks");
    let last = calls.iter().filter(|call| starts(call)).map(|call| call.at).max().unwrap_or_default();
    let lists = number(&|call| call.path == "/agents/tasks");
    let single = number(&|call| call.method == "GET" && call.path.contains("/tasks/"));
    let others = calls.len() - lists - single;
    let per = |number: usize| number as f64 / count as f64;
    let above = |time: Duration| (time.as_secs_f64() / least.as_secs_f64() - 1.0) * 100.0;
    println!(
        "| {count} | {clock} | {} s | {} s | {:.1} % | {} s ({:.1} %) | {} | {:.2} | {lists} | {:.2} | {} | {peak} | {:.1} s |",
        took.as_secs(),
        least.as_secs(),
        above(took),
        last.as_secs(),
        above(last),
        calls.len(),
        per(others),
        per(single),
        number(&|call| matches!(call.status, Some(403 | 429))),
        wall.as_secs_f64(),
    );
}

/// The most memory that a process has held at once, as Linux reports it; empty elsewhere and where it is gone.
fn peak(process: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kilobytes =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.map(|kilobytes| format!("{:.1} MB", kilobytes as f64 / 1024.0)).unwrap_or_default()
}
