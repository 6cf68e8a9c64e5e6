use std::time::Duration;

use insta::assert_snapshot;
use serde_json::{Value, json};
use simulator::{Fault, Permission, Repository, Route, Script, Simulator, Token};

use crate::support::{ClosedPort, Server, side_by_side};

use super::*;

#[test]
fn task_completes_with_a_pull_request() {
    let simulator = Simulator::new();
    simulator.settings(|settings| settings.speed = 50.0);
    simulator.default_script(Script::completes_with_pull(Duration::from_secs(10)));
    let ran = start_and_wait(&simulator).with("create-pull-request", "true").run_process();
    let id = &simulator.tasks()[0].id;
    ran.exits(0).posts(1).annotates_nothing();
    ran.gives("task-id", id).gives("state", "completed").gives("conclusion", "success");
    ran.gives("pull-request-number", "12").gives("created", "true").gives("credits", "33.6");
    ran.gives("task-url", &format!("https://github.com/octo/app/tasks/{id}"));
    ran.gives("pull-request-url", "https://github.com/octo/app/pull/12");
    ran.gives("head-ref", "copilot/prepare-the-release").gives("base-ref", "main");
    ran.gives("started", "1").gives("succeeded", "1").gives("failed", "0").gives("error-message", "");
    assert_snapshot!(ran.log_lines("pull request #"), @"pull request #12: https://github.com/octo/app/pull/12");
    assert_snapshot!(ran.log_lines("concluded"), @"concluded: success");
    assert_snapshot!(ran.headline(), @r"### ✅ Agent task completed: [#12](https://github.com/octo/app/pull/12)");
    assert_snapshot!(ran.summary_lines("#12"), @r"### ✅ Agent task completed: [#12](https://github.com/octo/app/pull/12)");
    assert_snapshot!(ran.summary_lines("mona in"), @r"Requested by mona in a workflow");
    assert!(ran.summary.contains("```text\nPrepare the release\n"), "{}", ran.summary);
}

#[test]
fn task_completes_without_a_pull_request() {
    let ran = start_and_wait(&world(at_once("completed"))).run_process();
    ran.exits(0).annotates_nothing();
    ran.gives("conclusion", "success").gives("pull-request-number", "").gives("pull-request-url", "");
    assert_snapshot!(ran.log_lines("pull request"), @"
    pull request   not asked for
    no pull request: none was asked for (`create-pull-request: false`)
    ");
    assert_snapshot!(ran.headline(), @"### ✅ Agent task completed");
}

#[test]
fn start_without_wait_reads_nothing() {
    let ran = start(&world(at_once("in_progress"))).run_process();
    assert_eq!(ran.calls.len(), 1);
    ran.exits(0).posts(1).annotates_nothing();
    ran.gives("state", "queued").gives("conclusion", "").gives("created", "true").gives("started", "1");
    assert_snapshot!(ran.progress(), @"
    started task [id]
    state queued
    see https://github.com/octo/app/tasks/[id]
    ");
    assert_snapshot!(ran.headline(), @"### 🚀 Agent task started");
}

#[test]
fn refusal_has_githubs_words_and_a_remedy() {
    let agent_off = Repository { agent_enabled: false, ..Repository::default() };
    let mut actual = Vec::new();
    for (token, repository) in [
        (None, Repository::default()),
        (Some(Token::default().without_licence()), Repository::default()),
        (Some(Token::default().without(Permission::AgentTasksWrite)), Repository::default()),
        (Some(Token::default().seeing(&["octo/other"])), Repository::default()),
        (Some(Token::default()), agent_off),
    ] {
        let simulator = world(with_pull());
        simulator.repository("octo/app", repository);
        if let Some(token) = token {
            simulator.token("ghp_other", token);
        }
        let ran = start_and_wait(&simulator).with("token", "ghp_other").run_process();
        ran.exits(4).posts(1);
        ran.gives("task-id", "").gives("conclusion", "").gives("failed", "1").gives("started", "0");
        assert_eq!(simulator.starts(), 0);
        assert_eq!(ran.annotations(), format!("error [GitHub refused] octo/app: {}", ran.message()));
        actual.push(format!("{}\n{}", ran.headline(), ran.message()));
    }
    assert_snapshot!(actual.join("\n"), @r#"
    ### ❌ No agent task was started
    GitHub does not accept the token (Bad credentials): it is mistyped, expired or revoked. Make a new one and store it as the secret that `token` is given
    ### ❌ No agent task was started
    the token's owner has no Copilot license that includes the cloud agent (A Copilot licence is needed to use this API). Use a token of a user who has one, or assign a license under the organization's Copilot settings
    ### ❌ No agent task was started
    the token lacks a permission (Resource not accessible by personal access token). GitHub requires the permission `agent_tasks=write`; a fine-grained token needs "Agent tasks: read and write" for this repository, and can do no more than its owner
    ### ❌ No agent task was started
    GitHub finds nothing there for this token (Not Found). Either there is no such repository or task, or the token does not reach the repository (a fine-grained token lists the repositories it is for, and an organization may have to approve it), or the Copilot cloud agent is not enabled for it
    ### ❌ No agent task was started
    GitHub finds nothing there for this token (Not Found). Either there is no such repository or task, or the token does not reach the repository (a fine-grained token lists the repositories it is for, and an organization may have to approve it), or the Copilot cloud agent is not enabled for it
    "#);
}

#[test]
fn bad_base_ref_is_refused_in_githubs_words() {
    let ran = start_and_wait(&world(with_pull())).with("base-ref", "gone").run_process();
    ran.exits(4).posts(1).gives("task-id", "");
    assert_snapshot!(ran.annotations(), @"error [GitHub refused] octo/app: GitHub refuses the request: Validation Failed; base_ref `gone` does not exist. Correct the input that this is about");
    assert_snapshot!(ran.summary_lines("base"), @r#"**GitHub refuses the request: Validation Failed; base\_ref `gone` does not exist. Correct the input that this is about.**"#);
}

#[test]
fn model_that_is_refused_is_followed_by_the_next() {
    let simulator = world(with_pull());
    let models = Some(vec!["b".to_owned()]);
    simulator.repository("octo/app", Repository { models, ..Repository::default() });
    let ran = start_and_wait(&simulator).with("model", "a, b").run_process();
    ran.exits(0).posts(2).gives("model", "b").gives("conclusion", "success");
    let models = ran.start_calls().iter().map(|call| call.body["model"].clone()).collect::<Vec<_>>();
    assert_eq!((models, simulator.starts()), (vec![json!("a"), json!("b")], 1));
    assert_snapshot!(ran.annotations(), @"warning [octo/app] GitHub refuses model `a` (Validation Failed; model `a` is not available); trying `b`");
    let ran = start_and_wait(&simulator).with("model", "a, c").run_process();
    assert_snapshot!(ran.exits(4).annotations(), @"
    warning [octo/app] GitHub refuses model `a` (Validation Failed; model `a` is not available); trying `c`
    error [GitHub refused] octo/app: GitHub refuses the request: Validation Failed; model `c` is not available. Correct the input that this is about
    ");
}

#[test]
fn start_without_a_clear_answer_makes_one_task() {
    let cases = [
        (Fault::status(502).html(), false),
        (Fault::status(502).html().after_accepting(), true),
        (Fault::status(303).after_accepting(), true),
        (Fault::drop(), false),
        (Fault::drop().after_accepting(), true),
        (Fault::time_out(Duration::from_millis(50)).after_accepting(), true),
        (Fault::cut_body(), true),
        (Fault::garbage(), false),
        (Fault::garbage().after_accepting(), true),
    ];
    side_by_side(cases, |(fault, exists)| {
        let actual = format!("{fault:?}");
        let simulator = world(with_pull());
        simulator.fault(Route::Start, fault);
        let ran = start_and_wait(&simulator).with("confirm-timeout", "900ms").run_process();
        assert_eq!(simulator.starts(), 1, "{actual}");
        ran.exits(0).posts(if exists { 1 } else { 2 }).gives("created", "true").gives("conclusion", "success");
    });
}

#[test]
fn start_that_is_never_answered_is_sent_twice() {
    let simulator = world(with_pull());
    simulator.fault_times(Route::Start, 9, Fault::status(502).html());
    let ran = start_and_wait(&simulator).with("confirm-timeout", "900ms").run_process();
    ran.exits(6).posts(2);
    ran.gives("task-id", "").gives("created", "").gives("conclusion", "").gives("failed", "1");
    assert_snapshot!(ran.annotations(), @"error [Start not confirmed] octo/app: A start was sent, and it is not known whether it made a task: GitHub answered with status 502 Bad Gateway, request id [request]. It was sent twice, and no task of it has appeared since. Check the newest tasks of the repository. If none is this one, run the job again: it looks once more before it sends anything");
    assert_snapshot!(ran.headline(), @r"### ❓ It is not known whether the agent task was started");
}

#[test]
fn start_waits_until_github_can_be_reached() {
    let simulator = world(with_pull());
    let closed = ClosedPort::reserve();
    let mut running = start_and_wait(&simulator).variable("GITHUB_API_URL", &closed.address).spawn();
    running.until_progress(1);
    let _server = closed.serve(&simulator);
    let ran = running.end();
    ran.exits(0).posts(1).gives("conclusion", "success");
    assert_eq!(simulator.starts(), 1);
}

#[test]
fn rate_limit_on_a_start_is_waited_out() {
    let simulator = world(with_pull());
    simulator.fault(Route::Start, Fault::rate_limit(Duration::from_secs(1)));
    let ran = start_and_wait(&simulator).run_process();
    ran.exits(0).posts(2).gives("conclusion", "success").gives("error-message", "").annotates_nothing();
    assert_snapshot!(ran.log_lines("1s"), @"GitHub limits the rate (secondary rate limit exceeded; waiting at most 15m in all); retrying in 1s, at [time]");
    let starts = ran.start_calls();
    assert!(starts[1].at - starts[0].at >= Duration::from_secs(1), "{starts:?}");
    assert_eq!(simulator.starts(), 1);
}

#[test]
fn renamed_repository_is_followed() {
    let simulator = world(with_pull());
    let renamed_from = vec!["octo/old".to_owned()];
    simulator.repository("octo/app", Repository { renamed_from, ..Repository::default() });
    let step = start_and_wait(&simulator).with("repository", "octo/old").with("create-pull-request", "true");
    let ran = step.run_process();
    ran.exits(0).posts(2).gives("conclusion", "success").gives("pull-request-number", "12");
    assert_eq!((ran.start_calls()[0].status, ran.start_calls()[1].status), (Some(307), Some(201)));
    assert_eq!(simulator.starts(), 1);
}

#[test]
fn redirect_to_another_host_is_not_followed() {
    let elsewhere = world(with_pull());
    let server = Server::start(&elsewhere);
    let other_name = server.address.replace("127.0.0.1", "localhost");
    for to in [&server.address, &other_name, "https://example.com", "//example.com"] {
        let simulator = world(with_pull());
        let path = "/agents/repos/octo/app/tasks";
        simulator.fault(Route::Start, Fault::redirect(format!("{to}{path}")));
        let ran = start_and_wait(&simulator).run_process();
        ran.exits(4).posts(1).gives("task-id", "");
        assert!(ran.message().contains("307"), "{}", ran.message());
        simulator.fault(Route::Task, Fault::redirect(format!("{to}{path}/x")));
        start_and_wait(&simulator).run_process().exits(0).gives("conclusion", "success");
        assert_eq!(elsewhere.log(), [], "{to}");
    }
}

#[test]
fn dry_run_shows_the_request_and_sends_nothing() {
    let simulator = world(with_pull());
    let step = || {
        let step = start_and_wait(&simulator).with("prompt", "Release {{ vars.version }}\nof {{ target.name }}");
        let step = step.with("vars", "version: '1.10'").with("model", "gpt-5.4").with("custom-agent", "fixer");
        step.with("base-ref", "main").with("create-pull-request", "true")
    };
    let ran = step().with("dry-run", "true").without("INPUT_TOKEN").run_process();
    ran.exits(0).sends_nothing().annotates_nothing();
    ran.gives("task-id", "").gives("started", "0").gives("created", "");
    assert_snapshot!(ran.log_lines("POST "), @"POST [address]/agents/repos/octo/app/tasks");
    assert_snapshot!(ran.progress(), @"dry run: nothing was sent");
    assert_snapshot!(ran.headline(), @r"### 🧪 Dry run, nothing was sent");
    let shown = ran.log.lines().find(|line| line.starts_with("  {")).unwrap().trim_start();
    assert!(ran.summary.contains(shown), "{}", ran.summary);
    let with_token = step().with("dry-run", "true").run_process();
    assert!(with_token.exits(0).sends_nothing().log.contains(shown), "{}", with_token.log);
    let sent = step().run_process();
    let body = &sent.exits(0).gives("prompt-sha256", ran.output("prompt-sha256")).start_calls()[0].body;
    assert_eq!(*body, serde_json::from_str::<Value>(shown).unwrap());
    let rest = json!({"prompt": body["prompt"], "model": "gpt-5.4", "custom_agent": "fixer",
        "create_pull_request": true, "base_ref": "main"});
    assert_eq!(*body, rest);
    assert!(body["prompt"].as_str().unwrap().starts_with("Release 1.10\nof app"), "{body}");
}

#[test]
fn prompt_that_skips_starts_nothing() {
    let prompt = "{{ skip('no release is due') if now.year < 3000 }}Release on {{ now | date('%F', 'UTC') }}";
    let ran =
        start_and_wait(&world(with_pull())).with("timezone", "Europe/Berlin").with("prompt", prompt).run_process();
    ran.exits(0).sends_nothing().gives("conclusion", "skipped").gives("error-message", "no release is due");
    assert_snapshot!(ran.annotations(), @"notice [Nothing was started] octo/app: Nothing was started: no release is due");
}

#[test]
fn active_task_of_anyone_prevents_a_start() {
    let simulator = world(at_once("in_progress"));
    let page = format!("https://github.com/octo/app/tasks/{}", earlier(&simulator, at_once("in_progress")));
    let step = || start(&simulator).with("if-active", "skip");
    let ran = step().with("active-scope", "repository").run_process();
    ran.exits(0).posts(0).gives("conclusion", "skipped");
    ran.gives("error-message", &format!("a task of the repository is still in_progress: {page}"));
    step().run_process().exits(0).posts(1).gives("created", "true");
}

#[test]
fn entries_of_one_repository_have_settings_of_their_own() {
    let simulator = world(with_pull());
    let list = "octo/app name=api model=gpt-5.4 v=1.2\nocto/app name=web";
    let step = start_and_wait(&simulator).with("repositories", list).with("prompt", "Fix {{ target.entry }}");
    let ran = step.run_process();
    ran.exits(0).posts(2).gives("succeeded", "2");
    let mut models = ran.start_calls().iter().map(|call| call.body["model"].clone()).collect::<Vec<_>>();
    models.sort_by_key(Value::to_string);
    assert_eq!(models, [json!("gpt-5.4"), Value::Null]);
    let names = ran.results().iter().map(|result| result["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names, [json!("api"), json!("web")]);
}

#[test]
fn follow_up_commits_to_the_pull_request() {
    let simulator = world(with_pull());
    earlier(&simulator, with_pull());
    let head = simulator.pulls()[0].head.clone();
    let step = || start_and_wait(&simulator).with("follow-up", "12").with("prompt", "Fix {{ pull_request.title }}");
    let ran = step().with("max-follow-ups", "1").run_process();
    ran.exits(0).posts(1).gives("pull-request-number", "12").gives("head-ref", &head).annotates_nothing();
    let ran = step()
        .with("max-follow-ups", "1")
        .variable("GITHUB_RUN_ID", "2")
        .variable("GITHUB_EVENT_NAME", "push")
        .run_process();
    ran.exits(0).posts(1).gives("conclusion", "skipped");
}
