//! Whole steps under virtual time, one promise of the design after the other.

use std::time::Duration;

use insta::assert_snapshot;
use simulator::{Fault, Permission, Repository, Route, Script, Simulator, Token};

use crate::support::{Finished, Step, TOKEN, seconds};

fn scripted(script: Script) -> Simulator {
    let simulator = Simulator::new();
    simulator.script("octo/app", script);
    simulator
}

#[tokio::test(start_paused = true)]
async fn task_completes_and_its_pull_request_is_found() {
    let simulator = Simulator::new();
    let ran = Step::new(&simulator).run().await;
    ran.assert(0, "completed", "success");
    let pull = &simulator.pulls()[0];
    assert_eq!(ran.output("pull-request-number"), pull.number.to_string());
    assert_ne!(ran.output("pull-request-number"), pull.id.to_string());
    assert_eq!(ran.output("pull-request-url"), format!("https://github.com/octo/app/pull/{}", pull.number));
    assert_eq!((ran.output("created"), ran.output("started"), ran.output("succeeded")), ("true", "1", "1"));
    assert_eq!((ran.output("head-ref"), ran.output("base-ref")), (pull.head.as_str(), "main"));
    assert_eq!(ran.starts(), 1);
}

/// The artifact names the pull request in three ways, and each leads to its number.
#[tokio::test(start_paused = true)]
async fn pull_request_is_found_by_every_form_of_the_artifact() {
    let simulator = Simulator::new();
    for _ in 0..3 {
        let ran = Step::new(&simulator).run().await;
        let newest = simulator.pulls().last().unwrap().number;
        assert_eq!(ran.output("pull-request-number"), newest.to_string(), "{}", ran.log);
    }
    assert_eq!(simulator.pulls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn state_has_its_conclusion_and_exit_code() {
    for (script, code, state, conclusion) in [
        (Script::completes_with_pull(seconds(120)), 0, "completed", "success"),
        (Script::completes_without_pull(seconds(79)), 0, "completed", "success"),
        (Script::branch_only(seconds(79)), 0, "completed", "success"),
        (Script::fails("out of credits"), 1, "failed", "failure"),
        (Script::times_out(), 1, "timed_out", "timed_out"),
        (Script::cancelled(), 1, "cancelled", "cancelled"),
        (Script::waits_for_user(), 1, "waiting_for_user", "action_required"),
        (Script::idles_forever(), 1, "idle", "action_required"),
        (Script::idles_then_completes(seconds(60)), 0, "completed", "success"),
        (Script::stays("in_progress"), 1, "in_progress", "timed_out"),
        (Script::stays("queued"), 1, "queued", "timed_out"),
        (Script::unknown_state("pondering", Script::completes_with_pull(seconds(60))), 0, "completed", "success"),
    ] {
        let ran = Step::new(&scripted(script.clone())).run().await;
        ran.assert(code, state, conclusion);
        let lenient = Step::new(&scripted(script)).with("fail-on", "never").run().await;
        lenient.assert(0, state, conclusion);
    }
}

#[tokio::test(start_paused = true)]
async fn required_pull_request_that_is_missing_is_a_failure() {
    let mut actual = Vec::new();
    for script in [Script::completes_without_pull(seconds(79)), Script::branch_only(seconds(79))] {
        let ran = Step::new(&scripted(script)).with("require-pull-request", "true").run().await;
        ran.assert(1, "completed", "failure");
        actual.push(ran.annotations());
    }
    assert_snapshot!(actual.join("\n"), @r"
    error [No pull request] octo/app: The task completed without the pull request that `require-pull-request` asks for. See what it did: https://github.com/octo/app/tasks/[id]
    error [No pull request] octo/app: The task completed without the pull request that `require-pull-request` asks for. See what it did: https://github.com/octo/app/tasks/[id]
    ");
    let ran = Step::new(&Simulator::new()).with("require-pull-request", "true").run().await;
    ran.assert(0, "completed", "success");
}

#[tokio::test(start_paused = true)]
async fn wait_is_off_unless_asked_for() {
    let simulator = Simulator::new();
    let ran = Step::new(&simulator).with("wait", "false").run().await;
    ran.assert(0, "queued", "");
    assert_eq!((ran.took, ran.calls.len()), (Duration::ZERO, 1));
    let waited = Step::waiting(&simulator, ran.output("task-id")).run().await;
    waited.assert(0, "completed", "success");
    assert_eq!((waited.output("created"), waited.output("started")), ("false", "0"));
    assert_eq!(waited.output("pull-request-number"), simulator.pulls()[0].number.to_string());
}

#[tokio::test(start_paused = true)]
async fn wait_takes_ids_and_results() {
    let simulator = scripted(Script::fails("boom"));
    let first = Step::new(&simulator).with("wait", "false").run().await;
    let second = Step::new(&simulator).with("wait", "false").run().await;
    let ids = format!("{}, {}", first.output("task-id"), second.output("task-id"));
    for task_id in [ids.as_str(), &format!("[{},{}]", &result(&first), &result(&second))] {
        let ran = Step::waiting(&simulator, task_id).run().await;
        ran.assert(1, "", "failure");
        assert_eq!((ran.output("succeeded"), ran.output("failed"), ran.output("task-id")), ("1", "1", ""));
        insta::allow_duplicates! {
            assert_snapshot!(ran.headline(), @r"### ❌ 2 agent tasks: 1 failed, 1 succeeded");
        }
    }
}

fn result(ran: &Finished) -> String {
    ran.output("results").trim_start_matches('[').trim_end_matches(']').to_owned()
}

#[tokio::test(start_paused = true)]
async fn wait_of_two_hours_costs_few_requests() {
    let script =
        Script::new().state("queued", seconds(60)).state("in_progress", seconds(7140)).state("completed", seconds(1));
    let simulator = scripted(script);
    let real = std::time::Instant::now();
    let ran = Step::new(&simulator).with("wait-timeout", "3h").with("poll-interval", "30s").run().await;
    ran.assert(0, "completed", "success");
    assert!(ran.took >= seconds(7200) && ran.took < seconds(7300), "{:?}", ran.took);
    // A poll every 27 to 30 seconds at most, and hardly any of them counts.
    assert!((240..=285).contains(&ran.polls()), "{}", ran.polls());
    assert!(ran.calls.iter().filter(|call| call.counted).count() < 20);
    // A line every five minutes says that it still waits, and one that the state has changed.
    let beats = ran.log_lines("in_progress").lines().count() - 1;
    assert!((20..=24).contains(&beats), "{beats}");
    assert!(real.elapsed() < seconds(30), "virtual time is not real time");
}

#[tokio::test(start_paused = true)]
async fn wait_ends_at_its_deadline() {
    let ran = Step::new(&scripted(Script::stays("in_progress"))).with("wait-timeout", "20m").run().await;
    ran.assert(1, "in_progress", "timed_out");
    assert!(ran.took >= seconds(1200) && ran.took <= seconds(1201), "{:?}", ran.took);
    assert_snapshot!(ran.annotations(), @r"error [Task timed out] octo/app: The task was still in_progress when `wait-timeout` passed. It continues. See the task: https://github.com/octo/app/tasks/[id]. Raise `wait-timeout`, stop it with `command: stop`, or wait for it later with `command: wait` and `task-id: [id]`");
}

#[tokio::test(start_paused = true)]
async fn wait_ends_at_a_question() {
    let asks = Step::new(&scripted(Script::waits_for_user())).run().await;
    asks.assert(1, "waiting_for_user", "action_required");
    assert_snapshot!(asks.annotations(), @r"error [Task needs a person] octo/app: The agent waits for an answer, which the API cannot give. Answer it: https://github.com/octo/app/tasks/[id]. Then wait for it again with `command: wait`");
    let patient = Step::new(&scripted(Script::waits_for_user())).with("stop-on", "never").with("wait-timeout", "1h");
    patient.run().await.assert(1, "waiting_for_user", "timed_out");
}

#[tokio::test(start_paused = true)]
async fn wait_idle_needs_two_minutes() {
    let idle = Step::new(&scripted(Script::idles_forever())).run().await;
    assert!(idle.took >= seconds(120) && idle.took < seconds(400), "{:?}", idle.took);
}

#[tokio::test(start_paused = true)]
async fn wait_goes_on_after_failed_requests() {
    let simulator = Simulator::new();
    for fault in [
        Fault::status(502),
        Fault::drop(),
        Fault::garbage(),
        Fault::cut_body(),
        Fault::unreachable(),
        Fault::time_out(seconds(90)),
        Fault::status(500).header("retry-after", "20"),
        Fault::rate_limit(seconds(30)),
        Fault::status(401),
    ] {
        simulator.fault(Route::Task, fault);
    }
    let ran = Step::new(&simulator).run().await;
    ran.assert(0, "completed", "success");
    assert_eq!(simulator.faults_left(), 0);
    assert_snapshot!(ran.progress(), @"
    started task [id]
    state queued
    polling failed: GitHub answered with status 502 Bad Gateway, request id [request]; retrying
    GitHub limits the rate (secondary rate limit exceeded); retrying in 30s, at [time]
    state queued → completed
    see https://github.com/octo/app/tasks/[id]
    GitHub answers again
    pull request #12: https://github.com/octo/app/pull/12
    concluded: success
    ");
}

#[tokio::test(start_paused = true)]
async fn wait_ends_at_a_repeated_refusal() {
    let mut actual = Vec::new();
    for fault in [Fault::status(401), Fault::status(403), Fault::status(410)] {
        let simulator = Simulator::new();
        simulator.fault_times(Route::Task, 1000, fault);
        let ran = Step::new(&simulator).run().await;
        ran.assert(4, "queued", "");
        actual.push(ran.annotations());
        assert!(ran.took < seconds(30), "{:?}", ran.took);
    }
    assert_snapshot!(actual.join("\n"), @r#"
    error [Lost sight of the task] octo/app: GitHub does not accept the token (Unauthorized): it is mistyped, expired or revoked. Make a new one and store it as the secret that `token` is given. The task itself continues. See the task: task [id] in octo/app
    error [Lost sight of the task] octo/app: the token lacks a permission (Forbidden). A fine-grained token needs "Agent tasks: read and write" for this repository, a classic one the scope `repo`; the token can do no more than its owner, and an organization's policy may forbid it. The task itself continues. See the task: task [id] in octo/app
    error [Lost sight of the task] octo/app: GitHub refuses the request with status 410 (Gone). Check `repository` and `github-api-url`. The task itself continues. See the task: task [id] in octo/app
    "#);
}

#[tokio::test(start_paused = true)]
async fn wait_that_never_sees_the_task_fails() {
    let simulator = Simulator::new();
    simulator.fault_times(Route::Task, 10_000, Fault::status(502));
    let ran = Step::new(&simulator).with("wait-timeout", "10m").with("fail-on", "never").run().await;
    // The start itself returned a state, so the wait is over time and not blind; what is not known is not green.
    assert_ne!(ran.code, 0, "{}", ran.log);
    assert!(!ran.output("task-id").is_empty());
}

#[tokio::test(start_paused = true)]
async fn wait_ends_at_a_rate_limit_beyond_its_deadline() {
    let simulator = Simulator::new();
    simulator.fault_times(Route::Task, 100, Fault::primary_limit(seconds(3000)));
    let ran = Step::new(&simulator).with("wait-timeout", "30m").run().await;
    ran.assert(1, "queued", "timed_out");
    assert_snapshot!(ran.annotations(), @"error [Task timed out] octo/app: The wait ended early: hourly rate limit exhausted; the next request is allowed in 50m 2s, which is longer than `wait-timeout` leaves. It continues. See the task: task [id] in octo/app. Raise `wait-timeout`, stop it with `command: stop`, or wait for it later with `command: wait` and `task-id: [id]`");
    assert!(ran.took < seconds(60), "{:?}", ran.took);
}

#[tokio::test(start_paused = true)]
async fn wait_bears_not_found_only_after_a_start() {
    let simulator = Simulator::new();
    simulator.settings(|settings| settings.detail_lag = seconds(45));
    Step::new(&simulator).run().await.assert(0, "completed", "success");
    let ran = Step::waiting(&simulator, "no-such-task").run().await;
    ran.assert(4, "", "");
    assert!(ran.took < seconds(60), "{:?}", ran.took);
    assert_snapshot!(ran.annotations(), @"error [Task not found] octo/app: GitHub finds nothing there for this token (Not Found). Either there is no such repository or task, or the token does not reach the repository (a fine-grained token lists the repositories it is for, and an organization may have to approve it), or the Copilot cloud agent is not enabled for it. Check `task-id` and `repository`: task no-such-task in octo/app");
}

#[tokio::test(start_paused = true)]
async fn start_that_never_left_is_sent_again() {
    let simulator = Simulator::new();
    simulator.fault_times(Route::Start, 3, Fault::unreachable());
    let ran = Step::new(&simulator).run().await;
    ran.assert(0, "completed", "success");
    assert_eq!(simulator.tasks().len(), 1);
    assert_snapshot!(ran.progress().lines().next().unwrap(), @"nothing was sent: connection refused; trying again in 1s, at [time]");

    let away = Simulator::new();
    away.fault_times(Route::Start, 1000, Fault::unreachable());
    let ran = Step::new(&away).run().await;
    assert_eq!((ran.code, ran.output("task-id")), (5, ""), "{}", ran.log);
    assert_eq!(away.tasks().len(), 0);
    assert!(ran.took < seconds(180), "{:?}", ran.took);
}

#[tokio::test(start_paused = true)]
async fn rate_limit_on_a_start_is_waited_out() {
    let simulator = Simulator::new();
    simulator.fault(Route::Start, Fault::rate_limit(seconds(42)));
    simulator.fault(Route::Start, Fault::primary_limit(seconds(300)));
    let ran = Step::new(&simulator).with("wait", "false").run().await;
    ran.assert(0, "queued", "");
    assert!(ran.took >= seconds(342) && ran.took < seconds(346), "{:?}", ran.took);
    assert_eq!(simulator.tasks().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn start_that_is_refused_is_final() {
    for simulator in [
        lacking(Token::default().without(Permission::AgentTasksWrite)),
        lacking(Token::default().without_licence()),
        lacking(Token::default().seeing(&["octo/other"])),
    ] {
        let ran = Step::new(&simulator).run().await;
        assert_eq!((ran.code, ran.starts(), simulator.tasks().len()), (4, 1, 0), "{}", ran.log);
        assert!(ran.annotations().contains(&ran.message()), "{}", ran.annotations());
    }
}

fn lacking(token: Token) -> Simulator {
    let simulator = Simulator::new();
    simulator.token(TOKEN, token);
    simulator
}

#[tokio::test(start_paused = true)]
async fn model_that_is_refused_is_followed_by_the_next() {
    let choosy = || {
        let simulator = Simulator::new();
        let models = Some(vec!["gpt-5.4".to_owned()]);
        simulator.repository("octo/app", Repository { models, ..Repository::default() });
        simulator
    };
    let ran = Step::new(&choosy()).with("model", "claude-opus-9, gpt-5.4").run().await;
    ran.assert(0, "completed", "success");
    assert_eq!((ran.output("model"), ran.starts()), ("gpt-5.4", 2));
    assert_snapshot!(ran.annotations(), @"warning [octo/app] GitHub refuses model `claude-opus-9` (Validation Failed; model `claude-opus-9` is not available); trying `gpt-5.4`");
    let ran = Step::new(&choosy()).with("model", "claude-opus-9").run().await;
    assert_eq!((ran.code, ran.output("task-id")), (4, ""), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn request_that_github_changes_is_warned_of() {
    let step = Step::new(&Simulator::new()).with("head-ref", "feature").with("base-ref", "main");
    let ran = step.with("custom-agent", "nobody").run().await;
    assert_snapshot!(ran.annotations(), @"
    warning [octo/app] asked for custom agent `nobody`, but the task names none: GitHub runs without an agent that it does not find as `.github/agents/nobody.agent.md` on the base ref
    warning [octo/app] asked for head ref `feature`, but GitHub took `copilot/prepare-the-release`: it commits to an existing branch only where that has an open pull request onto the base ref
    ");
}

#[tokio::test(start_paused = true)]
async fn head_ref_that_github_takes_is_not_warned_of() {
    let simulator = Simulator::new();
    let number = simulator.open_pull("octo/app", "feature", "main");
    let step = Step::new(&simulator).with("head-ref", "feature").with("base-ref", "main");
    let ran = step.with("create-pull-request", "false").run().await;
    ran.assert(0, "completed", "success");
    ran.annotates_nothing();
    assert_eq!(ran.output("pull-request-number"), number.to_string(), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn lookup_token_reads_pull_requests() {
    let simulator = lacking(Token::default().without(Permission::PullRequestsRead));
    simulator.token("ghs_lookup", Token::default());
    let ran = Step::new(&simulator).with("lookup-token", "ghs_lookup").run().await;
    assert_eq!(ran.output("pull-request-number"), simulator.pulls()[0].number.to_string(), "{}", ran.log);
    assert!(
        ran.calls.iter().filter(|call| call.path.contains("/tasks")).all(|call| call.token.as_deref() != Some("ghs_…"))
    );
}

#[tokio::test(start_paused = true)]
async fn pull_request_that_may_not_be_read_is_not_known() {
    let ran = Step::new(&lacking(Token::default().without(Permission::PullRequestsRead))).run().await;
    ran.assert(0, "completed", "success");
    assert_eq!(ran.output("pull-request-number"), "");
    assert_snapshot!(ran.annotations(), @"warning [octo/app] the pull request's number is not known: the token lacks a permission (Resource not accessible by personal access token). Give `lookup-token` a token that may read pull requests: for the workflow's own repository `${{ github.token }}` with `permissions: pull-requests: read` serves");
}

#[tokio::test(start_paused = true)]
async fn dry_run_sends_nothing() {
    let simulator = Simulator::new();
    let ran = Step::new(&simulator).with("dry-run", "true").with("model", "gpt-5.4").with("token", "").run().await;
    ran.assert(0, "", "");
    assert_eq!(ran.calls.len(), 0);
    assert_snapshot!(ran.log_lines("{\"prompt\""), @r#"{"prompt":"Prepare the release\n\n<!-- agent-task key=[key] name=agent-task template=[key] actor=mona -->","model":"gpt-5.4","create_pull_request":true}"#);
    assert_eq!(ran.output("prompt-sha256").len(), 64);
    assert_snapshot!(ran.headline(), @r"### 🧪 Dry run, nothing was sent");
}

#[tokio::test(start_paused = true)]
async fn writes_are_starts_only() {
    let simulator = Simulator::new();
    for _ in 0..3 {
        Step::new(&simulator).run().await;
    }
    let writes = simulator.log().into_iter().filter(|call| call.method != "GET" && call.path != "/graphql");
    assert_eq!(writes.map(|call| call.path).collect::<Vec<_>>(), vec!["/agents/repos/octo/app/tasks"; 3]);
    // A GraphQL document that is not a query could write as well.
    let documents = simulator.log().into_iter().filter(|call| call.path == "/graphql");
    assert!(documents.map(|call| call.body["query"].to_string()).all(|text| text.starts_with("\"query")));
}

#[tokio::test(start_paused = true)]
async fn token_that_github_repeats_is_hidden() {
    let simulator = Simulator::new();
    let said = serde_json::json!({"message": format!("{TOKEN} may not do this"), "documentation_url": "x"});
    simulator.fault(Route::Start, Fault::status(422).body(said));
    let ran = Step::new(&simulator).run().await;
    assert_eq!(
        ran.output("error-message"),
        "GitHub refuses the request: *** may not do this. Correct the input that this is about"
    );
}
