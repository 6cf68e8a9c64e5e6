//! Stops over loopback. The cases under virtual time are in `tests/it/stop.rs`.

use std::time::Duration;

use simulator::{Effect, ExistingRun, Fault, Permission, Repository, Route, RunSettings, Token};

use crate::support::{TOKEN, side_by_side};

use super::*;

/// The longest that an interrupted process has before the runner signals again.
#[cfg(unix)]
const GRANTED: Duration = Duration::from_millis(7500);
const CREDIT: u64 = 1_000_000_000;

/// A world whose tasks have a branch and a run as soon as they exist, and have used this much.
fn at_work(runs: RunSettings, credits: u64) -> Simulator {
    let simulator = world(script(credits));
    simulator.settings(|it| it.runs = runs);
    simulator
}

fn script(credits: u64) -> Script {
    at_once("in_progress").effect(Effect::Branch).effect(Effect::Usage(credits * CREDIT))
}

/// Runs that end as soon as they are cancelled.
fn quick() -> RunSettings {
    RunSettings { cancel_lag: Duration::ZERO, ..RunSettings::default() }
}

fn stop(simulator: &Simulator, task_id: &str) -> Step {
    Step::stopping(simulator, task_id).with("poll-interval", "20ms")
}

#[test]
fn stop_over_loopback() {
    let simulator = at_work(quick(), 3);
    let started = start(&simulator).run_process();
    let head = simulator.tasks()[0].head.clone().unwrap();
    simulator.add_run(ExistingRun::code_review(head));
    let ran = stop(&simulator, started.output("results")).run_process();
    ran.exits(0).gives("stopped", "true").gives("conclusion", "cancelled").gives("credits", "3.0");
    assert_eq!(simulator.runs().iter().map(|run| run.cancels).collect::<Vec<_>>(), [1, 0]);
    let again = stop(&simulator, started.output("task-id")).run_process();
    again.exits(0).gives("stopped", "true").gives("conclusion", "skipped");
    assert_eq!(simulator.runs()[0].cancels, 1);
}

#[test]
fn wait_stops_by_time_and_by_credits_over_loopback() {
    let cases = [("on-timeout", "stop", "300ms"), ("max-credits", "2", "1m"), ("max-duration", "1s", "1m")];
    side_by_side(cases, |(input, value, timeout)| {
        let simulator = at_work(quick(), 3);
        let ran = start_and_wait(&simulator).with("wait-timeout", timeout).with(input, value).run_process();
        ran.exits(1).gives("stopped", "true").gives("conclusion", "cancelled").gives("state", "cancelled");
    });
    let simulator = at_work(quick(), 3);
    let left = start_and_wait(&simulator).with("wait-timeout", "300ms").run_process();
    left.exits(1).gives("stopped", "").gives("conclusion", "timed_out");
}

#[test]
fn missing_permission_to_stop_is_told_over_loopback() {
    let simulator = at_work(quick(), 3);
    simulator.token(TOKEN, Token::default().without(Permission::ActionsWrite));
    let ran = start_and_wait(&simulator).with("wait-timeout", "300ms").with("on-timeout", "stop").run_process();
    ran.exits(1).gives("stopped", "false").gives("conclusion", "timed_out");
    assert!(ran.message().contains("permissions: actions: write"), "{}", ran.message());
    let asked = stop(&simulator, &simulator.tasks()[0].id).run_process();
    asked.exits(4).gives("stopped", "false").gives("conclusion", "");
}

#[test]
fn fleet_of_fifty_stops_those_above_max_credits_over_loopback() {
    let simulator = at_work(quick(), 0);
    let results = (0..50).map(|at| {
        let repository = format!("octo/r{at}");
        simulator.repository(&repository, Repository::default());
        let id = simulator.add_task(ExistingTask {
            repository: repository.clone(),
            script: script(at),
            ..ExistingTask::default()
        });
        json!({"repository": repository, "task-id": id})
    });
    let results = serde_json::to_string(&results.collect::<Vec<_>>()).unwrap();
    let step = wait_for(&simulator, &results).with("wait-timeout", "3s").with("max-credits", "44");
    let ran = step.run_process();
    ran.exits(1).gives("conclusion", "timed_out").gives("failed", "50");
    for (at, result) in ran.results().iter().enumerate() {
        let expected = if at > 44 { ("cancelled", json!(true)) } else { ("timed_out", json!(null)) };
        assert_eq!((result["conclusion"].as_str().unwrap(), result["stopped"].clone()), expected, "{result}");
    }
    for run in simulator.runs() {
        let number = run.repository.trim_start_matches("octo/r").parse::<usize>().unwrap();
        assert_eq!(run.cancels, usize::from(number > 44), "{run:?}");
    }
}

#[cfg(unix)]
#[test]
fn interrupt_cancels_the_run_and_writes_outputs_first() {
    use std::sync::{Arc, Mutex};

    use simulator::OnCancel;

    let cases =
        [(OnCancel::Ends, "true", "cancelled"), (OnCancel::GoesOn, "false", ""), (OnCancel::Refused, "false", "")];
    let messages = side_by_side(cases, |(on_cancel, stopped, conclusion)| {
        let simulator = at_work(RunSettings { on_cancel, ..quick() }, 3);
        let step = start_and_wait(&simulator).with("on-interrupt", "stop");
        let (folder, seen) = (Arc::clone(&step.folder), Arc::new(Mutex::new(None)));
        let kept = Arc::clone(&seen);
        simulator.observe(move |call| {
            if call.path.ends_with("/cancel") {
                kept.lock().unwrap().get_or_insert_with(|| folder.read("output"));
            }
        });
        let mut running = step.spawn();
        running.until_output("credits", "3.0");
        let ran = running.end_within("INT", GRANTED);
        ran.exits(130).gives("stopped", stopped).gives("conclusion", conclusion).gives("created", "true");
        assert!(simulator.runs()[0].cancels >= 1);
        let written = seen.lock().unwrap().clone().unwrap();
        assert!(written.contains("interrupted; the task itself continues"), "{written}");
        let id = &simulator.tasks()[0].id;
        ran.gives("task-id", id);
        assert_eq!(ran.annotations().lines().count(), 1, "{}", ran.annotations());
        ran.annotations()
    });
    insta::assert_snapshot!(messages.join("\n"), @"
    error [Task stopped] octo/app: Stopped after 3.0 AI credits, because the job was interrupted. Commits already pushed are kept on the branch `copilot/prepare-the-release`. See what it did: https://github.com/octo/app/tasks/[id]
    error [Task not stopped] octo/app: The job was interrupted, and the task was not stopped: run 19700000000 did not end after GitHub accepted the cancel; `force: true` cancels by force. Stop it: https://github.com/octo/app/tasks/[id]
    error [Task not stopped] octo/app: The job was interrupted, and the task was not stopped: GitHub refuses to cancel run 19700000000. Stop it: https://github.com/octo/app/tasks/[id]
    ");
}

#[cfg(unix)]
#[test]
fn rate_limit_during_an_interrupt_is_named() {
    let simulator = at_work(quick(), 3);
    simulator.fault(Route::Cancel, Fault::rate_limit(Duration::from_secs(600)));
    let mut running = start_and_wait(&simulator).with("on-interrupt", "stop").spawn();
    running.until_output("credits", "3.0");
    let ran = running.end_within("INT", GRANTED);
    ran.exits(130).gives("stopped", "false");
    let (before, after) =
        ran.annotations().split_once("; the next request").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    insta::assert_snapshot!(before, @"error [Task not stopped] octo/app: The job was interrupted, and the task was not stopped: GitHub limits the rate: secondary rate limit exceeded");
    assert!(after.contains("Stop it: https://github.com/octo/app/tasks/"), "{after}");
}

#[cfg(unix)]
#[test]
fn interrupt_of_a_fleet_cancels_all_runs() {
    let simulator = at_work(quick(), 3);
    let results = (0..30).map(|at| {
        let repository = format!("octo/r{at}");
        simulator.repository(&repository, Repository::default());
        let id = simulator.add_task(ExistingTask {
            repository: repository.clone(),
            script: script(1),
            ..ExistingTask::default()
        });
        json!({"repository": repository, "task-id": id})
    });
    let results = serde_json::to_string(&results.collect::<Vec<_>>()).unwrap();
    let mut running = wait_for(&simulator, &results).with("on-interrupt", "stop").spawn();
    running.until("all polls", |_| simulator.log().iter().any(|call| call.path == "/agents/tasks"));
    running.until("outputs", |it| it.read("output").contains("audit-log"));
    let ran = running.end_within("INT", GRANTED);
    ran.exits(130).gives("conclusion", "cancelled");
    assert!(simulator.runs().iter().all(|run| run.cancels == 1 && run.status == "completed"), "{}", ran.log);
    assert!(ran.results().iter().all(|result| result["stopped"] == true), "{:?}", ran.results());
}

#[cfg(unix)]
#[test]
fn interrupt_leaves_the_task_by_default() {
    let simulator = at_work(quick(), 3);
    let mut running = start_and_wait(&simulator).spawn();
    running.until_output("state", "in_progress");
    running.end_by("INT").exits(130).gives("stopped", "").gives("conclusion", "");
    assert_eq!(simulator.runs()[0].cancels, 0);
}
