//! The real binary, killed at moments nobody chose and run again as a second attempt: one task in all, each time.
//!
//! Each life has a simulator, a door on the loopback interface and folders of its own. Nothing is asserted about how
//! long anything takes; the kill comes when it comes, and before, within and after the start are all to be met.

#![expect(clippy::disallowed_methods, reason = "a test plays the runner, whose files and processes these are")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agent_task::report::outputs::OUTPUTS;
use simulator::{Fault, Route, Script, Settings, Simulator, serve};

use crate::grammar;
use crate::step::TOKEN;

/// How many lives there are, where `AGENT_TASK_KILLS` does not say.
const LIVES: usize = 12;
/// How many go on at once. They wait more than they work.
const AT_ONCE: usize = 12;
/// The latest moment of a kill, in milliseconds. A start is over in a few dozen, or in some hundred where the answer is
/// held back.
const LATEST_KILL: u64 = 450;
/// Longer than the longest lag and the longest delay below together, so that what exists comes to sight in time.
const CONFIRM: &str = "900ms";

/// What a life met: how far the first attempt had come when it was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Met {
    BeforeTheStart,
    WithinTheStart,
    AfterTheStart,
    NoKill,
}

struct Life {
    number: usize,
    kill: Duration,
    fault: Option<Fault>,
    list_lag: Duration,
    sessions_lag: Duration,
}

impl Life {
    fn of(number: usize, seed: u64) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed.wrapping_add(number as u64));
        let mut up_to = |most: u64| Duration::from_millis(chance.u64(0..=most));
        let (kill, delay) = (up_to(LATEST_KILL), up_to(300));
        let (list_lag, sessions_lag) = (up_to(250), up_to(350));
        let fault = match chance.u32(0..8) {
            0 => Some(Fault::status(502).after_accepting()),
            1 => Some(Fault::drop().after_accepting()),
            2 => Some(Fault::status(502)),
            3 | 4 => Some(Fault::delay(delay).after_accepting()),
            5 => Some(Fault::delay(delay)),
            _ => None,
        };
        Self { number, kill, fault, list_lag, sessions_lag }
    }

    fn live(&self) -> Met {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let simulator = Simulator::new();
        simulator.settings(|settings| {
            let (list_lag, sessions_lag) = (self.list_lag, self.sessions_lag);
            *settings = Settings { list_lag, sessions_lag, trimmed_stub: true, ..Settings::documented() };
        });
        simulator.default_script(Script::stays("in_progress"));
        if let Some(fault) = &self.fault {
            simulator.fault(Route::Start, fault.clone());
        }
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(serve(listener, simulator.clone()));

        let first = Attempt::new(self.number, 1, &address);
        let met = self.kill(&first, &simulator);
        let second = Attempt::new(self.number, 2, &address);
        let told = second.run();

        let tasks = simulator.tasks();
        assert_eq!(tasks.len(), 1, "{}: not one task:\n{told}", self.told());
        let outputs = second.outputs();
        assert_eq!(outputs.keys().map(String::as_str).collect::<Vec<_>>(), sorted(), "{}:\n{told}", self.told());
        assert_eq!(outputs["task-id"], tasks[0].id, "{}:\n{told}", self.told());
        let written = first.outputs();
        // What the first attempt has handed on is no other task, and nothing is handed on in part.
        let known = written.get("task-id").is_none_or(|id| id.is_empty() || *id == tasks[0].id);
        assert!(known && (written.is_empty() || written.len() == OUTPUTS.len()), "{}: {written:?}", self.told());
        assert_eq!(simulator.unexpected(), Vec::<String>::new());
        runtime.shutdown_background();
        met
    }

    /// Runs the first attempt and kills it at its moment.
    fn kill(&self, first: &Attempt, simulator: &Simulator) -> Met {
        let mut child = first.command().stdout(Stdio::null()).spawn().unwrap();
        #[expect(clippy::disallowed_methods, reason = "the moment of the kill is a moment of the real clock")]
        std::thread::sleep(self.kill);
        // SIGKILL where there are signals: nothing of the process goes on, and it has no last word.
        let ended = child.try_wait().unwrap().is_some();
        let calls = simulator.log();
        child.kill().unwrap();
        child.wait().unwrap();
        let start = calls.iter().find(|call| call.method == "POST");
        match (ended, start) {
            (true, _) => Met::NoKill,
            (false, None) => Met::BeforeTheStart,
            (false, Some(_)) if first.outputs().get("task-id").is_none_or(String::is_empty) => Met::WithinTheStart,
            (false, Some(_)) => Met::AfterTheStart,
        }
    }

    fn told(&self) -> String {
        format!("life {}, killed after {:?}, with {:?}", self.number, self.kill, self.fault)
    }
}

/// One attempt of the run, in folders of its own: the runner gives each new ones.
struct Attempt {
    folder: PathBuf,
    variables: BTreeMap<&'static str, String>,
}

impl Attempt {
    fn new(life: usize, attempt: u32, address: &str) -> Self {
        let name = format!("killed-{}-{life}-{attempt}", std::process::id());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let path = |name: &str| folder.join(name).display().to_string();
        let variables = [
            ("GITHUB_ACTION", "__run".to_owned()),
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("GITHUB_API_URL", address.to_owned()),
            ("GITHUB_JOB", "prep".to_owned()),
            ("GITHUB_OUTPUT", path("output")),
            ("GITHUB_REPOSITORY", "octo/app".to_owned()),
            ("GITHUB_RUN_ATTEMPT", attempt.to_string()),
            ("GITHUB_RUN_ID", "17".to_owned()),
            ("GITHUB_EVENT_NAME", "schedule".to_owned()),
            ("GITHUB_STEP_SUMMARY", path("summary")),
            ("GITHUB_WORKSPACE", path("")),
            ("RUNNER_TEMP", path("temp")),
            ("INPUT_CONFIRM_TIMEOUT", CONFIRM.to_owned()),
            ("INPUT_POLL_INTERVAL", "50ms".to_owned()),
            ("INPUT_PROMPT", "Prepare the release".to_owned()),
            ("INPUT_TOKEN", TOKEN.to_owned()),
            // The first attempt waits for good, so that there is always somebody to kill.
            ("INPUT_WAIT", (attempt == 1).to_string()),
        ];
        Self { folder, variables: variables.into() }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent-task"));
        command.env_clear().envs(&self.variables).current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    /// Runs to the end, which must be a good one, and gives the log.
    fn run(&self) -> String {
        let output = self.command().output().unwrap();
        let log = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}:\n{log}", output.status);
        log
    }

    /// What was handed on, as the runner reads it.
    fn outputs(&self) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.folder.join("output")).unwrap_or_default();
        grammar::outputs(&text, false).unwrap().into_iter().collect()
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // A folder that stays behind is no reason to hide what the test found.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn sorted() -> Vec<&'static str> {
    let mut names = OUTPUTS.to_vec();
    names.sort_unstable();
    names
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|why| panic!("{variable}={text}: {why}")))
}

#[test]
fn whenever_it_is_killed_the_next_attempt_comes_to_one_task() {
    let lives = number("AGENT_TASK_KILLS").map_or(LIVES, |lives| usize::try_from(lives).unwrap());
    let seed = number("AGENT_TASK_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("{lives} lives; the same moments again with AGENT_TASK_SEED={seed}");
    let next = AtomicUsize::new(0);
    let met = Mutex::new(BTreeMap::<Met, usize>::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(lives) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= lives {
                        break;
                    }
                    let found = Life::of(number, seed).live();
                    *met.lock().unwrap().entry(found).or_default() += 1;
                }
            });
        }
    });
    let met = met.into_inner().unwrap();
    println!("{lives} single tasks; the kill came {met:?}");
    assert_eq!(met.values().sum::<usize>(), lives);
}
