//! The built program against the simulator over loopback, in real time: what only a whole process can show.
//!
//! A process has no variable but those that its test gives it, a folder of its own and a simulator of its own, so the
//! tests run side by side and in any order. No test depends on how fast the machine is: where the order of things
//! matters, the test waits for one before it causes the next.

mod acceptance;
mod input;
#[cfg(unix)]
mod interrupt;
mod report;
mod rollout;
mod runner;
mod start;
mod stop;
mod wait;

use std::time::Duration;

use serde_json::json;
use simulator::{ExistingTask, Script, Settings, Simulator};

use crate::support::Step;

/// A step that starts a task in `octo/app` and does not wait.
fn start(simulator: &Simulator) -> Step {
    start_and_wait(simulator).with("wait", "")
}

fn start_and_wait(simulator: &Simulator) -> Step {
    Step::new(simulator).with("create-pull-request", "").with("poll-interval", "20ms")
}

/// A step that waits for tasks that were started earlier.
fn wait_for(simulator: &Simulator, task_id: &str) -> Step {
    Step::waiting(simulator, task_id).with("wait", "").with("poll-interval", "20ms")
}

/// GitHub by the book, where each new task goes this way.
fn world(script: Script) -> Simulator {
    let simulator = Simulator::new();
    simulator.settings(|settings| *settings = Settings::documented());
    simulator.default_script(script);
    simulator
}

/// A task that is in this state as soon as it exists, and stays.
fn at_once(state: &str) -> Script {
    Script::new().state(state, Duration::ZERO)
}

/// A task that has opened a pull request and completed as soon as it exists.
fn with_pull() -> Script {
    Script::new().state("in_progress", Duration::ZERO).pull().state("completed", Duration::ZERO)
}

/// A task of an earlier step, and its id.
fn earlier(simulator: &Simulator, script: Script) -> String {
    simulator.add_task(ExistingTask { body: json!({"create_pull_request": true}), script, ..ExistingTask::default() })
}
