use insta::assert_snapshot;
use simulator::{Fault, Outage, Repository, Route};

use crate::support::{ClosedPort, PATIENCE, side_by_side};

use super::*;

#[test]
fn interrupt_before_a_start_sends_nothing() {
    side_by_side([("HUP", 129), ("TERM", 143)], |(signal, code)| {
        let closed = ClosedPort::reserve();
        let step = start_and_wait(&world(with_pull())).variable("GITHUB_API_URL", &closed.address);
        let mut running = step.spawn();
        running.until_progress(2);
        let ran = running.end_by(signal);
        ran.exits(code).sends_nothing().gives("task-id", "");
        insta::allow_duplicates! {
            assert_snapshot!(ran.message(), @"interrupted before a task was started");
            assert_snapshot!(ran.annotations(), @"error [Interrupted] octo/app: Interrupted before a task was started");
            assert_snapshot!(ran.headline(), @"### ❌ No agent task was started");
        }
    });
}

#[test]
fn interrupt_of_a_start_says_that_a_task_may_exist() {
    for after in [false, true] {
        let simulator = world(with_pull());
        let fault = Fault::delay(2 * PATIENCE);
        simulator.fault(Route::Start, if after { fault.after_accepting() } else { fault });
        let mut running = start_and_wait(&simulator).spawn();
        running.until("the start", |_| !simulator.log().is_empty());
        let ran = running.end_by("INT");
        ran.exits(130).posts(1).gives("task-id", "").gives("conclusion", "");
        insta::allow_duplicates! {
            assert_snapshot!(ran.message(), @"interrupted before GitHub answered the start, so a task may exist: check the newest tasks of octo/app before starting another");
            assert_snapshot!(ran.annotations(), @"error [Interrupted] octo/app: Interrupted before GitHub answered the start, so a task may exist: check the newest tasks of octo/app before starting another");
            assert_snapshot!(ran.headline(), @"### ❌ No agent task was started");
        }
    }
}

/// Of a step whose starts count tasks first, and of which one start is not answered, so that it does not end at once.
#[test]
fn interrupt_while_tasks_are_counted_starts_nothing() {
    let simulator = Simulator::new();
    for name in ["octo/r0", "octo/r1"] {
        simulator.repository(name, Repository::default());
    }
    simulator.fault(Route::Start, Fault::delay(2 * PATIENCE));
    simulator.outage(Outage::new(Fault::delay(Duration::from_secs(2))).on(Route::List).of("octo/r1"));
    let step = Step::new(&simulator).with("repositories", "octo/r0\nocto/r1").with("task-class", "prep");
    let policy = "task-classes:\n  prep: {limits: {max-active: 5}}\n";
    let mut running = step.file(".github/agent-tasks.yml", policy).spawn();
    let counts = || simulator.log().iter().filter(|call| call.method == "GET" && call.path.contains("octo/r1")).count();
    // The lists of active and of other tasks, each with archived ones and without.
    running.until("the last list", |_| counts() == 4);
    let just_before_its_answer = simulator.elapsed() + Duration::from_millis(1700);
    running.until("nearly its answer", |_| simulator.elapsed() >= just_before_its_answer);
    let ran = running.end_by("INT");
    ran.exits(130).posts(1);
}

#[test]
fn interrupt_after_a_refused_model_does_not_speak_of_a_task() {
    let simulator = Simulator::new();
    let names = (0..11).map(|at| format!("octo/r{at}")).collect::<Vec<_>>();
    for name in &names {
        simulator.repository(name, Repository { models: Some(vec!["good".to_owned()]), ..Repository::default() });
    }
    let step = Step::new(&simulator).with("repositories", &names.join("\n")).with("model", "bad, good");
    let mut running = step.spawn();
    running.until("a refusal", |_| simulator.log().iter().any(|call| call.status == Some(422)));
    let read = simulator.elapsed() + Duration::from_millis(200);
    running.until("a moment later", |_| simulator.elapsed() >= read);
    let ran = running.end_by("INT");
    assert_eq!(ran.results()[0]["error-message"], "interrupted before a task was started");
}

#[test]
fn interrupt_of_a_wait_writes_all_that_is_known() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let simulator = world(at_once("in_progress"));
        let mut running = start_and_wait(&simulator).spawn();
        running.until_output("state", "in_progress");
        let ran = running.end_by(signal);
        let id = &simulator.tasks()[0].id;
        ran.exits(code).posts(1).gives("task-id", id).gives("state", "in_progress");
        ran.gives("conclusion", "").gives("created", "true").gives("started", "1");
        assert!(ran.log.contains(&format!("`task-id: {id}`")), "{}", ran.log);
        assert!(ran.summary.contains(id), "{}", ran.summary);
        insta::allow_duplicates! {
            assert_snapshot!(ran.message(), @"interrupted; the task itself continues. Stop it at https://github.com/octo/app/tasks/[id] or with `command: stop`, or wait for it later with `command: wait`, both with `task-id: [id]`");
            assert_snapshot!(ran.annotations(), @"error [Interrupted] octo/app: Interrupted; the task itself continues. Stop it: https://github.com/octo/app/tasks/[id]. Or stop it with `command: stop`, or wait for it later with `command: wait` and `task-id: [id]`");
            assert_snapshot!(ran.headline(), @"### ⚠️ Stopped waiting for the agent task");
        }
    }
}

#[test]
fn interrupt_before_a_command_acts_is_told_like_any_other() {
    let held = |route| {
        let simulator = world(with_pull());
        simulator.repository("octo/app", Repository::default());
        simulator.fault(route, Fault::delay(2 * PATIENCE));
        simulator
    };
    let busy = "{% for i in range(90000) %}{% set x = github.event.issue.body[59999] %}{% endfor %}x";
    let issue = json!({"issue": {"body": "x".repeat(60_000)}});
    let rules = "defaults: {repositories: 'octo/*'}";
    let search = || start(&held(Route::Search)).with("repositories", "query: org:octo");
    for (case, signal, code, step) in [
        ("search", "HUP", 129, search()),
        ("search", "INT", 130, search()),
        ("search", "TERM", 143, search()),
        ("policy", "TERM", 143, start(&held(Route::Contents)).with("policy", "octo/app:x.yml")),
        ("names", "TERM", 143, start(&held(Route::Repository)).file(".github/agent-tasks.yml", rules)),
        ("template", "TERM", 143, start(&world(with_pull())).with("prompt", busy).on("issues", &issue)),
    ] {
        let simulator = step.simulator().clone();
        let mut running = step.spawn();
        match case {
            // The first outputs are written before anything is rendered, which takes seconds.
            "template" => running.until(case, |it| !it.read("output").is_empty()),
            _ => running.until(case, |_| !simulator.log().is_empty()),
        }
        let ran = running.end_by(signal);
        ran.exits(code).posts(0).gives("conclusion", "");
        insta::allow_duplicates! {
            assert_snapshot!(ran.message(), @"interrupted before anything was started or stopped");
            assert_snapshot!(ran.annotations(), @"error [Interrupted] interrupted before anything was started or stopped");
            assert_snapshot!(ran.headline(), @"### ❌ Interrupted");
        }
    }
}

#[test]
fn interrupt_of_a_command_that_reads_says_what_is_missing() {
    let mut actual = Vec::new();
    for (command, route) in [("report", Route::List), ("doctor", Route::User)] {
        let simulator = world(with_pull());
        simulator.fault(route, Fault::delay(2 * PATIENCE));
        let mut running =
            start(&simulator).with("command", command).with("prompt", "").with("poll-interval", "").spawn();
        running.until(command, |_| !simulator.log().is_empty());
        let ran = running.end_by("TERM");
        ran.exits(143);
        actual.push(ran.annotations());
    }
    assert_snapshot!(actual.join("\n"), @"
    error [Interrupted] interrupted before the report was written
    error [Interrupted] interrupted before everything was checked
    ");
}
