//! Whole steps under virtual time, one promise of the design after the other.

use std::time::Duration;

use simulator::{Fault, Permission, Repository, Route, Script, Simulator, Token};

use crate::step::{Ran, Step, TOKEN};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn scripted(script: Script) -> Simulator {
    let simulator = Simulator::new();
    simulator.script("octo/app", script);
    simulator
}

#[tokio::test(start_paused = true)]
async fn the_main_job() {
    let simulator = Simulator::new();
    let ran = Step::new(&simulator).run().await;
    ran.assert(0, "completed", "success");
    let pull = &simulator.pulls()[0];
    assert_eq!(ran.output("pull-request-number"), pull.number.to_string());
    assert_ne!(ran.output("pull-request-number"), pull.id.to_string());
    assert_eq!(ran.output("pull-request-url"), format!("https://github.com/octo/app/pull/{}", pull.number));
    assert_eq!((ran.output("created"), ran.output("started"), ran.output("succeeded")), ("true", "1", "1"));
    assert_eq!((ran.output("head-ref"), ran.output("base-ref")), (pull.head.as_str(), "main"));
    assert!(ran.summary.contains("### ✅ Agent task completed"));
    assert_eq!(ran.starts(), 1);
}

/// The artifact names the pull request in three ways, and each leads to its number.
#[tokio::test(start_paused = true)]
async fn the_pull_requests_number_is_found_however_the_artifact_names_it() {
    let simulator = Simulator::new();
    for _ in 0..3 {
        let ran = Step::new(&simulator).run().await;
        let newest = simulator.pulls().last().unwrap().number;
        assert_eq!(ran.output("pull-request-number"), newest.to_string(), "{}", ran.log);
    }
    assert_eq!(simulator.pulls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn each_state_has_its_conclusion_and_exit_code() {
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
async fn a_required_pull_request_that_is_missing_is_a_failure() {
    for script in [Script::completes_without_pull(seconds(79)), Script::branch_only(seconds(79))] {
        let ran = Step::new(&scripted(script)).with("require-pull-request", "true").run().await;
        ran.assert(1, "completed", "failure");
        ran.assert_log("::error title=No pull request::");
    }
    let ran = Step::new(&Simulator::new()).with("require-pull-request", "true").run().await;
    ran.assert(0, "completed", "success");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_unless_asked_to() {
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
async fn one_job_can_wait_for_the_results_of_another() {
    let simulator = scripted(Script::fails("boom"));
    let first = Step::new(&simulator).with("wait", "false").run().await;
    let second = Step::new(&simulator).with("wait", "false").run().await;
    let ids = format!("{}, {}", first.output("task-id"), second.output("task-id"));
    for task_id in [ids.as_str(), &format!("[{},{}]", &result(&first), &result(&second))] {
        let ran = Step::waiting(&simulator, task_id).run().await;
        ran.assert(1, "", "failure");
        assert_eq!((ran.output("succeeded"), ran.output("failed"), ran.output("task-id")), ("1", "1", ""));
        assert!(ran.summary.contains("### ❌ 2 agent tasks"));
    }
}

fn result(ran: &Ran) -> String {
    ran.output("results").trim_start_matches('[').trim_end_matches(']').to_owned()
}

#[tokio::test(start_paused = true)]
async fn two_hours_of_waiting_cost_little() {
    let script =
        Script::new().state("queued", seconds(60)).state("in_progress", seconds(7140)).state("completed", seconds(1));
    let simulator = scripted(script);
    let real = std::time::Instant::now();
    let ran = Step::new(&simulator).with("wait-timeout", "3h").with("poll-interval", "30s").run().await;
    ran.assert(0, "completed", "success");
    assert!(ran.took >= seconds(7200) && ran.took < seconds(7300), "{:?}", ran.took);
    // A look every 27 to 30 seconds at most, and hardly any of them counts.
    assert!((240..=285).contains(&ran.looks()), "{}", ran.looks());
    assert!(ran.calls.iter().filter(|call| call.counted).count() < 20);
    ran.assert_log("still waiting, state in_progress");
    let beats = ran.log.matches("still waiting").count();
    assert!((20..=24).contains(&beats), "{beats}");
    assert!(real.elapsed() < seconds(30), "virtual time is not real time");
}

#[tokio::test(start_paused = true)]
async fn the_wait_ends_at_its_deadline_and_not_later() {
    let ran = Step::new(&scripted(Script::stays("in_progress"))).with("wait-timeout", "20m").run().await;
    ran.assert(1, "in_progress", "timed_out");
    assert!(ran.took >= seconds(1200) && ran.took <= seconds(1201), "{:?}", ran.took);
    ran.assert_log("::error title=Task timed out::The task was still in_progress when `wait-timeout` passed");
    ran.assert_log("task-id: ");
}

#[tokio::test(start_paused = true)]
async fn a_question_ends_the_wait_at_once_and_an_idle_task_after_two_minutes() {
    let asks = Step::new(&scripted(Script::waits_for_user())).run().await;
    asks.assert_log("::error title=Task needs a person::The task is waiting_for_user");
    let idle = Step::new(&scripted(Script::idles_forever())).run().await;
    assert!(idle.took >= seconds(120) && idle.took < seconds(400), "{:?}", idle.took);
    let patient = Step::new(&scripted(Script::waits_for_user())).with("stop-on", "never").with("wait-timeout", "1h");
    let patient = patient.run().await;
    patient.assert(1, "waiting_for_user", "timed_out");
}

#[tokio::test(start_paused = true)]
async fn failed_looks_do_not_end_the_wait() {
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
    ran.assert_log("could not look at the task");
    ran.assert_log("GitHub answers again");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_repeated_ends_the_wait() {
    for (fault, words) in [
        (Fault::status(401), "does not accept the token"),
        (Fault::status(403), "the token may not do this"),
        (Fault::status(410), "status 410"),
    ] {
        let simulator = Simulator::new();
        simulator.fault_times(Route::Task, 1000, fault);
        let ran = Step::new(&simulator).run().await;
        ran.assert(4, "queued", "");
        ran.assert_log("::error title=Lost sight of the task::");
        ran.assert_log(words);
        assert!(ran.took < seconds(30), "{:?}", ran.took);
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_never_seen_again_is_not_green() {
    let simulator = Simulator::new();
    simulator.fault_times(Route::Task, 10_000, Fault::status(502));
    let ran = Step::new(&simulator).with("wait-timeout", "10m").with("fail-on", "never").run().await;
    // The start itself told a state, so the wait is over time and not blind; what is not known is not green.
    assert_ne!(ran.code, 0, "{}", ran.log);
    assert!(!ran.output("task-id").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_outlasts_the_deadline_ends_the_wait_at_once() {
    let simulator = Simulator::new();
    simulator.fault_times(Route::Task, 100, Fault::primary_limit(seconds(3000)));
    let ran = Step::new(&simulator).with("wait-timeout", "30m").run().await;
    ran.assert(1, "queued", "timed_out");
    ran.assert_log("the token's hourly allowance is used up");
    assert!(ran.took < seconds(60), "{:?}", ran.took);
}

#[tokio::test(start_paused = true)]
async fn not_found_is_patience_after_a_start_and_an_answer_later() {
    let simulator = Simulator::new();
    simulator.settings(|settings| settings.detail_lag = seconds(45));
    Step::new(&simulator).run().await.assert(0, "completed", "success");
    let ran = Step::waiting(&simulator, "no-such-task").run().await;
    ran.assert(4, "", "");
    assert!(ran.took < seconds(60), "{:?}", ran.took);
    ran.assert_log("GitHub finds nothing there");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_never_left_is_sent_again_and_given_up_in_the_end() {
    let simulator = Simulator::new();
    simulator.fault_times(Route::Start, 3, Fault::unreachable());
    let ran = Step::new(&simulator).run().await;
    ran.assert(0, "completed", "success");
    assert_eq!(simulator.tasks().len(), 1);
    ran.assert_log("nothing was sent");

    let away = Simulator::new();
    away.fault_times(Route::Start, 1000, Fault::unreachable());
    let ran = Step::new(&away).run().await;
    assert_eq!((ran.code, ran.output("task-id")), (5, ""), "{}", ran.log);
    assert_eq!(away.tasks().len(), 0);
    assert!(ran.took < seconds(180), "{:?}", ran.took);
}

#[tokio::test(start_paused = true)]
async fn a_limited_start_waits_as_told() {
    let simulator = Simulator::new();
    simulator.fault(Route::Start, Fault::rate_limit(seconds(42)));
    simulator.fault(Route::Start, Fault::primary_limit(seconds(300)));
    let ran = Step::new(&simulator).with("wait", "false").run().await;
    ran.assert(0, "queued", "");
    assert!(ran.took >= seconds(342) && ran.took < seconds(346), "{:?}", ran.took);
    assert_eq!(simulator.tasks().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_start_is_final() {
    for (simulator, words) in [
        (lacking(Token::default().without(Permission::AgentTasksWrite)), "agent_tasks=write"),
        (lacking(Token::default().without_licence()), "no Copilot licence"),
        (lacking(Token::default().seeing(&["octo/other"])), "does not reach the repository"),
    ] {
        let ran = Step::new(&simulator).run().await;
        assert_eq!((ran.code, ran.starts(), simulator.tasks().len()), (4, 1, 0), "{}", ran.log);
        ran.assert_log("::error title=GitHub refused::");
        ran.assert_log(words);
        assert!(ran.output("error-message").contains(words));
    }
}

fn lacking(token: Token) -> Simulator {
    let simulator = Simulator::new();
    simulator.token(TOKEN, token);
    simulator
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_refused_is_followed_by_the_next() {
    let choosy = || {
        let simulator = Simulator::new();
        let models = Some(vec!["gpt-5.4".to_owned()]);
        simulator.repository("octo/app", Repository { models, ..Repository::default() });
        simulator
    };
    let ran = Step::new(&choosy()).with("model", "claude-opus-9, gpt-5.4").run().await;
    ran.assert(0, "completed", "success");
    assert_eq!((ran.output("model"), ran.starts()), ("gpt-5.4", 2));
    ran.assert_log("GitHub refuses model `claude-opus-9`");
    let ran = Step::new(&choosy()).with("model", "claude-opus-9").run().await;
    assert_eq!((ran.code, ran.output("task-id")), (4, ""), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn what_github_did_otherwise_is_warned_of() {
    let step = Step::new(&Simulator::new()).with("head-ref", "feature").with("base-ref", "main");
    let ran = step.with("custom-agent", "nobody").run().await;
    ran.assert_log("::warning title=octo/app::asked for head ref `feature`, but GitHub took `copilot/");
    ran.assert_log("::warning title=octo/app::asked for custom agent `nobody`, but the task names none");
    assert_eq!(ran.log.matches("asked for head ref").count(), 1, "{}", ran.log);

    let simulator = Simulator::new();
    let number = simulator.open_pull("octo/app", "feature", "main");
    let step = Step::new(&simulator).with("head-ref", "feature").with("base-ref", "main");
    let ran = step.with("create-pull-request", "false").run().await;
    ran.assert(0, "completed", "success");
    assert!(!ran.log.contains("::warning"), "{}", ran.log);
    assert_eq!(ran.output("pull-request-number"), number.to_string(), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn another_token_reads_the_pull_requests() {
    let simulator = lacking(Token::default().without(Permission::PullRequestsRead));
    simulator.token("ghs_lookup", Token::default());
    let ran = Step::new(&simulator).with("lookup-token", "ghs_lookup").run().await;
    assert_eq!(ran.output("pull-request-number"), simulator.pulls()[0].number.to_string(), "{}", ran.log);
    assert!(
        ran.calls.iter().filter(|call| call.path.contains("/tasks")).all(|call| call.token.as_deref() != Some("ghs_…"))
    );

    let ran = Step::new(&lacking(Token::default().without(Permission::PullRequestsRead))).run().await;
    ran.assert(0, "completed", "success");
    assert_eq!(ran.output("pull-request-number"), "");
    ran.assert_log("the pull request's number is not known");
    ran.assert_log("pull-requests: read");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_sends_nothing() {
    let simulator = Simulator::new();
    let ran = Step::new(&simulator).with("dry-run", "true").with("model", "gpt-5.4").with("token", "").run().await;
    ran.assert(0, "", "");
    assert_eq!(ran.calls.len(), 0);
    ran.assert_log(r#"{"prompt":"Prepare the release\n\n<!-- agent-task key="#);
    ran.assert_log(r#" -->","model":"gpt-5.4","create_pull_request":true}"#);
    assert!(ran.summary.contains("Dry run") && ran.output("prompt-sha256").len() == 64);
}

#[tokio::test(start_paused = true)]
async fn nothing_but_the_start_changes_anything() {
    let simulator = Simulator::new();
    for _ in 0..3 {
        Step::new(&simulator).run().await;
    }
    let writes = simulator.log().into_iter().filter(|call| call.method != "GET" && call.path != "/graphql");
    assert_eq!(writes.map(|call| call.path).collect::<Vec<_>>(), vec!["/agents/repos/octo/app/tasks"; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_github_repeats_is_hidden() {
    let simulator = Simulator::new();
    let said = serde_json::json!({"message": format!("{TOKEN} may not do this"), "documentation_url": "x"});
    simulator.fault(Route::Start, Fault::status(422).body(said));
    let ran = Step::new(&simulator).run().await;
    assert_eq!(
        ran.output("error-message"),
        "GitHub refuses the request: *** may not do this. Correct the input that this is about"
    );
}
