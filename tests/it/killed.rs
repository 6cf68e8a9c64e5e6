//! The real binary, killed at random moments and run again as a second attempt: one task in all, each time.
//!
//! Each life has a simulator, a door on the loopback interface and folders of its own. Nothing is asserted about how
//! long anything takes; the kill comes when it comes, and before, within and after the start are all to be met.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use simulator::{Fault, Route, Script, Settings, Simulator};

use crate::support::{Server, Step};

/// How many lives there are, where `AGENT_TASK_KILLS` does not say.
const LIVES: usize = 12;
/// How many run at once. They wait more than they work.
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
        let simulator = Simulator::new();
        simulator.settings(|settings| {
            let (list_lag, sessions_lag) = (self.list_lag, self.sessions_lag);
            *settings = Settings { list_lag, sessions_lag, trimmed_stub: true, ..Settings::documented() };
        });
        simulator.default_script(Script::stays("in_progress"));
        if let Some(fault) = &self.fault {
            simulator.fault(Route::Start, fault.clone());
        }
        let server = Server::start(&simulator);
        let (met, written) = self.kill(attempt(&simulator, &server, 1), &simulator);
        let second = attempt(&simulator, &server, 2).run_process();

        let tasks = simulator.tasks();
        assert_eq!(tasks.len(), 1, "{}: not one task:\n{}", self.actual(), second.log);
        second.exits(0).gives("task-id", &tasks[0].id);
        // The first attempt has written no other task.
        assert!(written.is_empty() || written == tasks[0].id, "{}: {written}", self.actual());
        met
    }

    /// Runs the first attempt and kills it at its moment. Gives the task that it has written.
    fn kill(&self, first: Step, simulator: &Simulator) -> (Met, String) {
        let mut running = first.spawn();
        #[expect(clippy::disallowed_methods, reason = "the moment of the kill is a moment of the real clock")]
        std::thread::sleep(self.kill);
        // SIGKILL where there are signals: the process does nothing more.
        let ended = running.has_ended();
        let started = simulator.log().iter().any(|call| call.method == "POST");
        running.kill();
        let ran = running.end();
        let written = ran.outputs.get("task-id").cloned().unwrap_or_default();
        let met = match (ended, started) {
            (true, _) => Met::NoKill,
            (false, false) => Met::BeforeTheStart,
            (false, true) if written.is_empty() => Met::WithinTheStart,
            (false, true) => Met::AfterTheStart,
        };
        (met, written)
    }

    fn actual(&self) -> String {
        format!("life {}, killed after {:?}, with {:?}", self.number, self.kill, self.fault)
    }
}

/// One attempt of the run, in a folder of its own: the runner gives each a new one.
fn attempt(simulator: &Simulator, server: &Server, attempt: u32) -> Step {
    let step = [
        ("GITHUB_ACTION", "__run"),
        ("GITHUB_API_URL", &server.address),
        ("GITHUB_EVENT_NAME", "schedule"),
        ("GITHUB_JOB", "prep"),
        ("GITHUB_RUN_ID", "17"),
    ];
    let step = step.into_iter().fold(Step::new(simulator), |step, (name, value)| step.variable(name, value));
    let step = step.variable("GITHUB_RUN_ATTEMPT", &attempt.to_string()).with("confirm-timeout", CONFIRM);
    // The first attempt never ends by itself, so that there is always a process to kill.
    let step = step.with("poll-interval", "50ms").with("wait", &(attempt == 1).to_string());
    step.with("create-pull-request", "")
}

#[expect(clippy::disallowed_methods, reason = "the length of a test is set by the environment")]
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|why| panic!("{variable}={text}: {why}")))
}

#[test]
fn kill_at_any_moment_leaves_one_task() {
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
