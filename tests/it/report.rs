//! `command: report` under virtual time.

use std::time::Duration;

use serde_json::json;
use simulator::{Effect, ExistingTask, Fault, Route, Script, Settings, Simulator, Token};

use crate::support::{Finished, Step};

fn report(simulator: &Simulator) -> Step {
    let step = Step::new(simulator).with("command", "report").with("prompt", "").with("wait", "");
    step.with("create-pull-request", "")
}

/// So many tasks of the token's owner, each with a merged pull request.
fn world(tasks: u32) -> Simulator {
    let simulator = Simulator::new();
    simulator.settings(|settings| *settings = Settings::documented());
    let hour = Duration::from_secs(3600);
    let script = Script::new().state("in_progress", hour).pull().state("completed", hour).effect(Effect::Merge);
    for number in 0..tasks {
        simulator.add_task(ExistingTask {
            creator: Token::default().id,
            prompt: format!("Task {number}"),
            body: json!({"create_pull_request": true}),
            age: hour * 24 + Duration::from_secs(number.into()),
            script: script.clone(),
            ..ExistingTask::default()
        });
    }
    simulator
}

fn requests(ran: &Finished) -> (usize, usize) {
    let single = ran.calls.iter().filter(|call| call.path.starts_with("/agents/tasks/")).count();
    (single, ran.calls.len() - single)
}

#[tokio::test(start_paused = true)]
async fn report_on_a_thousand_tasks_takes_forty_requests_besides_those_for_single_tasks() {
    let ran = report(&world(1000)).run().await;
    ran.exits(0).gives("tasks", "1000").gives("merged", "1000");
    let (single, others) = requests(&ran);
    assert!(single == 1000 && others <= 40, "{single} {others}");
    assert!(ran.took < Duration::from_secs(150), "{:?}", ran.took);
}

#[tokio::test(start_paused = true)]
async fn query_that_is_too_large_is_divided() {
    let simulator = world(40);
    // As for a query that takes more than ten seconds; each is asked three times.
    simulator.fault_times(Route::GraphQl, 3, Fault::status(502));
    let ran = report(&simulator).run().await;
    ran.exits(0).gives("merged", "40");
    assert_eq!(ran.calls.iter().filter(|call| call.path == "/graphql").count(), 5);
}

#[tokio::test(start_paused = true)]
async fn report_with_every_oddity_of_github_is_whole() {
    let simulator = world(12);
    simulator.settings(|settings| *settings = Settings::default());
    let ran = report(&simulator).run().await;
    ran.exits(0).gives("tasks", "12").gives("merged", "12");
}

#[tokio::test(start_paused = true)]
async fn filter_that_no_task_fits_has_a_warning() {
    let ran = report(&world(2)).with("task-class", "perp").run().await;
    ran.exits(0).gives("tasks", "0");
    assert_eq!(ran.annotations(), "warning [agent-task] none of 2 tasks has `task-class: perp`");
}

#[tokio::test(start_paused = true)]
async fn repositories_of_which_none_can_be_read_are_named() {
    let ran = report(&world(1)).with("repositories", "octo/nope\nocto/none").run().await;
    ran.exits(4);
    let annotations = ran.annotations();
    for name in ["octo/nope", "octo/none"] {
        assert!(annotations.contains(&format!("{name} could not be read: ")), "{annotations}");
    }
}
