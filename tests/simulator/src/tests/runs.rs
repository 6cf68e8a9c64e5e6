//! Workflow runs, and how they are cancelled.

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    AGENT_PATH, Effect, ExistingRun, OnCancel, Permission, REVIEW_PATH, RunSettings, Script, Simulator, Token,
};

use super::{TOKEN, as_token, get, secs, started};

const RUNS: &str = "/repos/octo/app/actions/runs";

/// A simulator with a task at work, and the id of its run.
async fn at_work(runs: RunSettings) -> (Simulator, u64) {
    let simulator = Simulator::new();
    simulator.settings(|it| it.runs = runs);
    simulator.default_script(Script::runs_forever());
    started(&simulator, json!({"prompt": "x"})).await;
    assert_eq!(simulator.runs(), []);
    sleep(secs(5)).await;
    let id = simulator.runs()[0].id;
    (simulator, id)
}

async fn post(simulator: &Simulator, path: String) -> u16 {
    as_token(simulator, TOKEN, "POST", &path).await.status
}

fn run_state(simulator: &Simulator) -> (String, String) {
    (simulator.runs()[0].status.clone(), simulator.tasks()[0].state.clone())
}

#[tokio::test(start_paused = true)]
async fn session_has_a_run_on_its_branch() {
    let (simulator, id) = at_work(RunSettings::default()).await;
    simulator.add_run(ExistingRun::code_review("copilot/x"));
    simulator.add_run(ExistingRun { branch: "copilot/x".to_owned(), ..ExistingRun::default() });
    let list = get(&simulator, &format!("{RUNS}?branch=copilot/x&event=dynamic")).await.body;
    assert_eq!(list["total_count"], 2);
    let paths: Vec<&Value> = list["workflow_runs"].as_array().unwrap().iter().map(|run| &run["path"]).collect();
    assert_eq!(paths, [&json!(AGENT_PATH), &json!(REVIEW_PATH)]);
    let run = get(&simulator, &format!("{RUNS}/{id}")).await.body;
    assert_eq!((&run["status"], &run["pull_requests"]), (&json!("in_progress"), &json!([])));
    assert_eq!(get(&simulator, &format!("{RUNS}?branch=main")).await.body["total_count"], 0);
    assert!(simulator.unexpected().is_empty());
}

#[tokio::test(start_paused = true)]
async fn cancelled_run_ends_and_with_it_its_task() {
    let (simulator, id) = at_work(RunSettings::default()).await;
    assert_eq!(post(&simulator, format!("{RUNS}/{id}/cancel")).await, 202);
    assert_eq!(run_state(&simulator), ("in_progress".to_owned(), "in_progress".to_owned()));
    sleep(secs(5)).await;
    assert_eq!(run_state(&simulator), ("completed".to_owned(), "cancelled".to_owned()));
    assert_eq!(simulator.runs()[0].conclusion.as_deref(), Some("cancelled"));
    assert_eq!(post(&simulator, format!("{RUNS}/{id}/cancel")).await, 409);
    assert_eq!(simulator.runs()[0].cancels, 2);
    assert_eq!(post(&simulator, format!("{RUNS}/1/cancel")).await, 404);
}

#[tokio::test(start_paused = true)]
async fn runs_can_ignore_a_cancel() {
    for (on_cancel, cancelled, forced, ended) in [
        (OnCancel::NeedsForce, 202, 202, true),
        (OnCancel::GoesOn, 202, 202, false),
        (OnCancel::Refused, 409, 409, false),
    ] {
        let (simulator, id) = at_work(RunSettings { on_cancel, ..RunSettings::default() }).await;
        assert_eq!(post(&simulator, format!("{RUNS}/{id}/cancel")).await, cancelled, "{on_cancel:?}");
        sleep(secs(600)).await;
        assert_eq!(run_state(&simulator).0, "in_progress", "{on_cancel:?}");
        assert_eq!(post(&simulator, format!("{RUNS}/{id}/force-cancel")).await, forced, "{on_cancel:?}");
        sleep(secs(600)).await;
        assert_eq!(run_state(&simulator).0 == "completed", ended, "{on_cancel:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn task_can_outlive_its_run() {
    let (simulator, id) = at_work(RunSettings { task_after_cancel: None, ..RunSettings::default() }).await;
    post(&simulator, format!("{RUNS}/{id}/cancel")).await;
    sleep(secs(7200)).await;
    assert_eq!(run_state(&simulator), ("completed".to_owned(), "in_progress".to_owned()));

    let (simulator, id) = at_work(RunSettings::default()).await;
    simulator.end_run(id, "failure");
    sleep(secs(60)).await;
    assert_eq!(run_state(&simulator), ("completed".to_owned(), "in_progress".to_owned()));
    simulator.delete_run(id);
    assert_eq!(get(&simulator, &format!("{RUNS}/{id}")).await.status, 404);
    assert_eq!(simulator.tasks()[0].state, "in_progress");
}

#[tokio::test(start_paused = true)]
async fn task_ends_with_the_last_of_its_runs() {
    let (simulator, id) = at_work(RunSettings::default()).await;
    let task = Some(simulator.tasks()[0].id.clone());
    let second = simulator.add_run(ExistingRun { task, ..ExistingRun::agent("copilot/x") });
    post(&simulator, format!("{RUNS}/{id}/cancel")).await;
    sleep(secs(10)).await;
    assert_eq!(simulator.tasks()[0].state, "in_progress");
    post(&simulator, format!("{RUNS}/{second}/cancel")).await;
    sleep(secs(10)).await;
    assert_eq!(simulator.tasks()[0].state, "cancelled");
}

#[tokio::test(start_paused = true)]
async fn each_session_has_a_run_of_its_own() {
    let simulator = Simulator::new();
    let script = Script::delivers(secs(60), crate::PullContent::default())
        .wait(secs(10))
        .effect(Effect::Steer("more".to_owned()))
        .state("in_progress", secs(60))
        .state("idle", secs(10))
        .state("in_progress", secs(60));
    simulator.script("octo/app", script);
    started(&simulator, json!({"prompt": "x"})).await;
    sleep(secs(145)).await;
    let runs = simulator.runs();
    let ended: Vec<&str> = runs.iter().map(|run| run.status.as_str()).collect();
    assert_eq!(ended, ["completed", "completed", "in_progress"]);
    assert!(runs.iter().all(|run| run.branch == runs[0].branch && run.path == AGENT_PATH));
}

#[tokio::test(start_paused = true)]
async fn cancelling_needs_a_permission() {
    let (simulator, id) = at_work(RunSettings::default()).await;
    simulator.token("github_pat_reads", Token::default().without(Permission::ActionsWrite));
    simulator.token("github_pat_blind", Token::default().without(Permission::ActionsRead));
    simulator.token("ghs_job", Token::default());
    let cancel = format!("{RUNS}/{id}/cancel");
    let reply = as_token(&simulator, "github_pat_reads", "POST", &cancel).await;
    assert_eq!((reply.status, reply.header("x-accepted-github-permissions")), (403, "actions=write"));
    assert_eq!(as_token(&simulator, "github_pat_reads", "GET", RUNS).await.status, 200);
    assert_eq!(as_token(&simulator, "github_pat_blind", "GET", RUNS).await.status, 403);
    assert_eq!(as_token(&simulator, "github_pat_blind", "POST", &cancel).await.status, 403);
    assert_eq!(simulator.runs()[0].cancels, 0);
    assert_eq!(as_token(&simulator, "ghs_job", "POST", &cancel).await.status, 202);
}
