use insta::assert_snapshot;
use serde_json::json;
use simulator::{Fault, GlobalId, Permission, Route, Script, Token};

use crate::support::{KILLED, TOKEN};

use super::*;

#[test]
fn required_pull_request_that_is_missing_fails_the_step() {
    let step = start_and_wait(&world(at_once("completed"))).with("create-pull-request", "true");
    // There is no time left for polling until one comes late.
    let ran = step.with("require-pull-request", "true").with("wait-timeout", "1s").run_process();
    ran.exits(1).gives("state", "completed").gives("conclusion", "failure").gives("failed", "1");
    assert_snapshot!(ran.annotations(), @r"error [No pull request] octo/app: The task completed without the pull request that `require-pull-request` asks for. See what it did: https://github.com/octo/app/tasks/[id]");
    assert_snapshot!(ran.headline(), @"### ❌ Agent task completed without a pull request");
}

#[test]
fn end_has_its_conclusion_annotation_and_summary() {
    let mut actual = Vec::new();
    for (state, conclusion) in [
        ("failed", "failure"),
        ("timed_out", "timed_out"),
        ("cancelled", "cancelled"),
        ("waiting_for_user", "action_required"),
    ] {
        let ran = start_and_wait(&world(at_once(state))).run_process();
        ran.exits(1).gives("state", state).gives("conclusion", conclusion).gives("failed", "1");
        let mild = start_and_wait(&world(at_once(state))).with("fail-on", "never").run_process();
        mild.exits(0).gives("conclusion", conclusion).gives("failed", "1");
        assert_eq!(mild.annotations().replacen("warning", "error", 1), ran.annotations());
        assert_eq!(mild.headline(), ran.headline());
        actual.push(format!("{}\n{}", ran.headline(), ran.annotations()));
    }
    assert_snapshot!(actual.join("\n"), @r"
    ### ❌ Agent task failed
    error [Task failed] octo/app: The task failed and gives no reason. Read its log: https://github.com/octo/app/tasks/[id]
    ### ⏰ Agent task timed out
    error [Task timed out] octo/app: GitHub's own time limit ended the task. See what it did: https://github.com/octo/app/tasks/[id]. Give the task less to do at once
    ### 🚫 Agent task cancelled
    error [Task cancelled] octo/app: The task was cancelled. See its log: https://github.com/octo/app/tasks/[id]
    ### 🙋 Agent task needs a person
    error [Task needs a person] octo/app: The agent waits for an answer, which the API cannot give. Answer it: https://github.com/octo/app/tasks/[id]. Then wait for it again with `command: wait`
    ");
}

#[test]
fn wait_times_out_and_the_task_goes_on() {
    let mut actual = Vec::new();
    for (state, stop_on) in [("in_progress", "idle"), ("idle", "idle"), ("waiting_for_user", "never")] {
        let step = start_and_wait(&world(at_once(state))).with("stop-on", stop_on);
        let ran = step.with("wait-timeout", "200ms").run_process();
        ran.exits(1).gives("state", state).gives("conclusion", "timed_out");
        let later = format!("`task-id: {}`", ran.output("task-id"));
        assert!(ran.log.contains(&later), "{}", ran.log);
        actual.push(format!("{}\n{}", ran.headline(), ran.annotations()));
    }
    assert_snapshot!(actual.join("\n"), @r"
    ### ⏰ Agent task still running when the wait ended
    error [Task timed out] octo/app: The task was still in_progress when `wait-timeout` passed. It continues. See the task: https://github.com/octo/app/tasks/[id]. Raise `wait-timeout`, stop it with `command: stop`, or wait for it later with `command: wait` and `task-id: [id]`
    ### ⏰ Agent task still running when the wait ended
    error [Task timed out] octo/app: The task was still idle when `wait-timeout` passed. It continues. See the task: https://github.com/octo/app/tasks/[id]. Raise `wait-timeout`, stop it with `command: stop`, or wait for it later with `command: wait` and `task-id: [id]`
    ### ⏰ Agent task still running when the wait ended
    error [Task timed out] octo/app: The task was still waiting_for_user when `wait-timeout` passed. It continues. See the task: https://github.com/octo/app/tasks/[id]. Raise `wait-timeout`, stop it with `command: stop`, or wait for it later with `command: wait` and `task-id: [id]`
    ");
}

#[test]
fn unknown_state_counts_as_running_with_a_warning() {
    let simulator = world(at_once("dreaming"));
    let mut running = start_and_wait(&simulator).spawn();
    running.until_output("state", "dreaming");
    simulator.set_state(&simulator.tasks()[0].id, "completed");
    let ran = running.end();
    ran.exits(0).gives("state", "completed").gives("conclusion", "success");
    assert_snapshot!(ran.annotations(), @r"warning [octo/app] this version does not know the state `dreaming`; the task counts as running");
    assert_snapshot!(ran.log_lines("dreaming →"), @"state dreaming → completed");
}

#[test]
fn wait_takes_up_what_an_earlier_step_started() {
    let simulator = world(with_pull());
    let started = start(&simulator).with("create-pull-request", "true").run_process();
    let id = started.exits(0).output("task-id");
    for given in [id, started.output("results")] {
        let ran = wait_for(&simulator, given).run_process();
        ran.exits(0).posts(1).gives("task-id", id).gives("created", "false").gives("started", "0");
        ran.gives("conclusion", "success").gives("pull-request-number", "12");
        insta::allow_duplicates! {
            assert_snapshot!(ran.log_lines("Plan"), @"::group::Plan: wait for task [id] in octo/app");
            assert_snapshot!(ran.headline(), @r"### ✅ Agent task completed: [#12](https://github.com/octo/app/pull/12)");
        }
    }
}

#[test]
fn wait_for_an_unknown_task_is_refused() {
    let ran = wait_for(&world(with_pull()), "no-such-task").with("wait-timeout", "200ms").run_process();
    ran.exits(4).posts(0).gives("task-id", "no-such-task").gives("state", "").gives("failed", "1");
    assert_snapshot!(ran.annotations(), @"error [Task not found] octo/app: GitHub finds nothing there for this token (Not Found). Either there is no such repository or task, or the token does not reach the repository (a fine-grained token lists the repositories it is for, and an organization may have to approve it), or the Copilot cloud agent is not enabled for it. Check `task-id` and `repository`: task no-such-task in octo/app");
    assert_snapshot!(ran.headline(), @"### ❌ Agent task not found");
}

#[test]
fn wait_for_two_tasks_ends_as_the_gravest() {
    let simulator = world(Script::new());
    let ids = [earlier(&simulator, with_pull()), earlier(&simulator, at_once("failed"))];
    let ran = wait_for(&simulator, &ids.join("\n")).run_process();
    ran.exits(1).posts(0).gives("conclusion", "failure").gives("succeeded", "1").gives("failed", "1");
    for name in ["task-id", "task-url", "state", "created", "pull-request-number"] {
        ran.gives(name, "");
    }
    let actual = ran.results().iter().map(|it| (it["task-id"].clone(), it["conclusion"].clone())).collect::<Vec<_>>();
    assert_eq!(json!(actual), json!([[ids[0], "success"], [ids[1], "failure"]]));
    assert_eq!(ran.results()[0]["pull-request-number"], 12);
    ran.gives("error-message", "1 of 2 repositories did not succeed. octo/app: the task failed and gives no reason");
    assert!(ran.log.contains(&format!("tasks/{}", ids[1])), "{}", ran.log);
    assert_snapshot!(ran.annotations(), @"error [Task failed] octo/app: The task failed and gives no reason. Read its log: https://github.com/octo/app/tasks/[id]");
    assert_snapshot!(ran.headline(), @"### ❌ 2 agent tasks: 1 failed, 1 succeeded");
}

#[test]
fn wait_goes_on_after_failed_requests() {
    let simulator = world(with_pull());
    let faults = [
        Fault::status(502).html(),
        Fault::status(500),
        Fault::status(403),
        Fault::drop(),
        Fault::garbage(),
        Fault::cut_body(),
        Fault::rate_limit(Duration::from_secs(1)),
    ];
    simulator.faults(Route::Task, faults);
    let ran = start_and_wait(&simulator).with("create-pull-request", "true").run_process();
    assert_eq!(simulator.faults_left(), 0);
    ran.exits(0).posts(1).gives("conclusion", "success").gives("pull-request-number", "12");
    ran.gives("error-message", "").annotates_nothing();
}

#[test]
fn wait_that_is_killed_has_written_the_task() {
    let simulator = world(at_once("in_progress"));
    let mut running = start_and_wait(&simulator).spawn();
    running.until_output("state", "in_progress");
    // The summary comes last.
    running.until("the summary", |it| it.read("summary").contains("`in_progress`"));
    running.kill();
    let ran = running.end();
    let id = &simulator.tasks()[0].id;
    ran.exits(KILLED).gives("task-id", id).gives("state", "in_progress").gives("created", "true");
    assert!(ran.summary.contains(id), "{}", ran.summary);
}

#[test]
fn lookup_token_reads_pull_requests() {
    let simulator = world(with_pull());
    simulator.token(TOKEN, Token::default().without(Permission::PullRequestsRead));
    simulator.token("ghs_lookup", Token::default());
    let step = start_and_wait(&simulator).with("create-pull-request", "true");
    let ran = step.with("lookup-token", "ghs_lookup").run_process();
    ran.exits(0).gives("pull-request-number", "12").gives("conclusion", "success").annotates_nothing();
    for call in &ran.calls {
        let about_tasks = call.path.starts_with("/agents/");
        assert_eq!(call.token.as_deref(), Some(if about_tasks { "github_…" } else { "ghs_…" }));
    }
}

#[test]
fn pull_request_that_no_token_may_read_is_not_known() {
    let blind = || Token::default().without(Permission::PullRequestsRead);
    let mut actual = Vec::new();
    for conclusion in ["success", "failure"] {
        let simulator = world(with_pull());
        simulator.token(TOKEN, blind());
        simulator.token("ghs_lookup", blind());
        let step = start_and_wait(&simulator).with("create-pull-request", "true").with("lookup-token", "ghs_lookup");
        let step = step.with("require-pull-request", if conclusion == "failure" { "true" } else { "" });
        // There is no time left for polling until it can be read.
        let ran = step.with("wait-timeout", "1s").run_process();
        ran.exits(i32::from(conclusion == "failure")).gives("conclusion", conclusion);
        ran.gives("state", "completed").gives("pull-request-number", "");
        ran.gives("head-ref", "copilot/prepare-the-release");
        actual.push(format!("{}\n{}", ran.annotations(), ran.summary_lines("| Pull request")));
    }
    assert_snapshot!(actual.join("\n"), @"
    warning [octo/app] the pull request's number is not known: the token lacks a permission (Resource not accessible by integration). Give `lookup-token` a token that may read pull requests: for the workflow's own repository `${{ github.token }}` with `permissions: pull-requests: read` serves

    warning [octo/app] the pull request's number is not known: the token lacks a permission (Resource not accessible by integration). Give `lookup-token` a token that may read pull requests: for the workflow's own repository `${{ github.token }}` with `permissions: pull-requests: read` serves
    error [Pull request not known] octo/app: The task completed, `require-pull-request` asks for a pull request, and the pull request's number is not known: the token lacks a permission (Resource not accessible by integration). Give `lookup-token` a token that may read pull requests: for the workflow's own repository `${{ github.token }}` with `permissions: pull-requests: read` serves. See what it did: https://github.com/octo/app/tasks/[id]
    ");
}

#[test]
fn pull_request_number_is_not_its_id() {
    for (form, graphql) in [(GlobalId::Present, true), (GlobalId::Empty, false), (GlobalId::Absent, false)] {
        let simulator = world(Script::new());
        simulator.settings(|settings| settings.global_id = form);
        let id = earlier(&simulator, with_pull());
        let head = simulator.pulls()[0].head.clone();
        // Another pull request of the same branch, so that the branch alone decides nothing.
        let other = simulator.open_pull("octo/app", &head, "main");
        let ran = wait_for(&simulator, &id).run_process();
        assert_eq!((simulator.pulls()[0].number, other), (12, 13));
        ran.exits(0).gives("pull-request-number", "12").gives("head-ref", &head);
        assert!(!ran.log.contains(&simulator.pulls()[0].id.to_string()), "{}", ran.log);
        assert_eq!(ran.calls.iter().any(|call| call.path == "/graphql"), graphql);
    }
}
