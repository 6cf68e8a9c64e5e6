//! Answers that were observed of GitHub, and how a step handles them.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use agent_task::task::marker::{Key, Marker};
use serde_json::json;
use simulator::{
    Denial, ExistingTask, Fault, Outage, PlainLimit, Repository, Route, Script, Settings, Simulator, Visibility,
};

use crate::support::{Finished, Step, seconds};

const LIMITS: [PlainLimit; 3] = [PlainLimit::Secondary, PlainLimit::ContentCreation, PlainLimit::Abuse];

fn hours(hours: u64) -> Duration {
    seconds(hours * 3600)
}

fn marker(class: &str) -> Marker {
    Marker { key: Key::over([class]), name: "w/j".to_owned(), class: class.to_owned(), ..Marker::default() }
}

/// A step of the job `w/j`, without a wait.
fn job(simulator: &Simulator) -> Step {
    let step = Step::new(simulator).with("wait", "").variable("GITHUB_WORKFLOW", "w").variable("GITHUB_JOB", "j");
    step.variable("GITHUB_RUN_ID", "17").variable("GITHUB_EVENT_NAME", "schedule")
}

fn fleet(simulator: &Simulator, count: usize) -> Step {
    let names = (0..count).map(|at| format!("octo/r{at}")).collect::<Vec<_>>();
    for name in &names {
        simulator.repository(name, Repository::default());
    }
    Step::new(simulator).with("repositories", &names.join("\n"))
}

#[tokio::test(start_paused = true)]
async fn plain_limit_delays_a_start() {
    for limit in LIMITS {
        let simulator = Simulator::new();
        simulator.fault_times(Route::Start, 2, Fault::plain_limit(limit));
        let ran = Step::new(&simulator).run().await;
        ran.assert(0, "completed", "success");
        assert!(ran.starts() == 3 && ran.took >= seconds(180), "{limit:?} {:?}", ran.took);
        assert!(ran.log.contains("secondary rate limit exceeded"), "{}", ran.log);
    }
}

#[tokio::test(start_paused = true)]
async fn plain_limit_holds_a_fleet_back() {
    let simulator = Simulator::new();
    simulator
        .outage(Outage::new(Fault::plain_limit(PlainLimit::ContentCreation)).on(Route::Start).lasting(seconds(100)));
    let ran = fleet(&simulator, 20).with("wait", "").run().await;
    assert_eq!((ran.code, simulator.tasks().len()), (0, 20), "{}", ran.log);
    let limited = ran.calls.iter().filter(|call| call.status == Some(403)).count();
    assert!(limited <= 3, "{limited}");
}

#[tokio::test(start_paused = true)]
async fn plain_limit_delays_polls_pull_requests_search_and_actor_check() {
    let simulator = Simulator::new();
    simulator.repository(
        "octo/app",
        Repository { collaborators: [("mona".to_owned(), "write".to_owned())].into(), ..Repository::default() },
    );
    for route in [Route::Task, Route::GraphQl, Route::Pulls, Route::Search, Route::CollaboratorPermission] {
        simulator.fault_times(route, 2, Fault::plain_limit(PlainLimit::Secondary));
    }
    let comment = json!({"comment": {"body": "x"}, "sender": {"login": "mona", "type": "User"}});
    let step = Step::new(&simulator).on("issue_comment", &comment);
    let ran = step.with("repositories", "query: org:octo").run().await;
    ran.assert(0, "completed", "success");
    assert!(ran.took > seconds(360), "{:?}", ran.took);
    assert!(ran.log.contains("secondary rate limit exceeded; retrying in 1m"), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn limit_without_end_is_named_in_the_title() {
    let simulator = Simulator::new();
    simulator.outage(Outage::new(Fault::plain_limit(PlainLimit::Secondary)).on(Route::Search).lasting(hours(9)));
    let ran = Step::new(&simulator).with("repositories", "query: org:octo").run().await;
    assert_eq!((ran.code, ran.starts()), (5, 0), "{}", ran.log);
    assert!(ran.log.contains("::error title=Rate limit exceeded%2C nothing was started::"), "{}", ran.log);
}

/// A world in which `octo/old` is `octo/new` today.
fn renamed() -> Simulator {
    let simulator = Simulator::new();
    simulator.repository("octo/new", Repository { renamed_from: vec!["octo/old".to_owned()], ..Repository::default() });
    simulator
}

fn names(ran: &Finished) -> Vec<String> {
    ran.results().iter().map(|result| result["repository"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn renamed_repository_is_started_under_its_real_name() {
    let simulator = renamed();
    let ran = Step::new(&simulator).with("repository", "octo/old").run().await;
    ran.assert(0, "completed", "success");
    assert_eq!((names(&ran), simulator.tasks().len()), (vec!["octo/new".to_owned()], 1));
    assert!(ran.log.contains("octo/old was renamed or transferred: it is now octo/new"), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn rate_limit_behind_a_redirect_is_waited_out() {
    let simulator = renamed();
    simulator.fault(Route::Repository, Fault::plain_limit(PlainLimit::Secondary));
    let ran = Step::new(&simulator).with("repository", "octo/old").run().await;
    ran.assert(0, "completed", "success");
    assert_eq!((names(&ran), simulator.tasks().len()), (vec!["octo/new".to_owned()], 1), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn old_and_new_name_start_one_task() {
    for list in ["octo/old\nocto/new", "octo/new\nocto/old"] {
        let simulator = renamed();
        let ran = Step::new(&simulator).with("repositories", list).run().await;
        assert_eq!((ran.code, simulator.tasks().len()), (0, 1), "{}", ran.log);

        let simulator = renamed();
        let policy = "defaults: {repositories: 'octo/*'}";
        let ran = Step::new(&simulator).with("repositories", list).file(".github/agent-tasks.yml", policy).run().await;
        assert_eq!((names(&ran), simulator.tasks().len()), (vec!["octo/new".to_owned()], 1), "{}", ran.log);
    }
}

#[tokio::test(start_paused = true)]
async fn old_and_new_name_with_other_prompts_are_not_green() {
    let simulator = renamed();
    let step = Step::new(&simulator).with("prompt", "Do {{ vars.a }} in {{ target.full_name }}");
    let ran = step.with("repositories", "octo/old a=1\nocto/new a=2").run().await;
    assert_eq!((ran.code, simulator.tasks().len()), (3, 1), "{}", ran.log);
    insta::assert_snapshot!(ran.annotations(), @"
    warning [octo/new] octo/old was renamed or transferred: it is now octo/new. Use that name
    error [Nothing was started] octo/new: Nothing was started: octo/old was renamed or transferred to octo/new, which the list has already with another prompt; remove one of the two entries
    ");
}

#[tokio::test(start_paused = true)]
async fn renamed_repository_keeps_the_rules_of_its_real_name() {
    for policy in ["{allow: octo/old}", "{allow: 'octo/*', deny: octo/new}"] {
        let simulator = renamed();
        let policy = format!("defaults: {{repositories: {policy}}}");
        let step = Step::new(&simulator).with("repository", "octo/old").file(".github/agent-tasks.yml", &policy);
        let ran = step.run().await;
        assert_eq!((ran.code, ran.starts()), (3, 0), "{}", ran.log);
        assert!(ran.log.contains("octo/new is not allowed by"), "{}", ran.log);
    }
}

#[tokio::test(start_paused = true)]
async fn limits_count_archived_and_old_tasks() {
    let policy = |limits: &str| format!("defaults: {{limits: {{{limits}}}}}");
    for (limits, age, archived, unordered) in [
        ("max-active: 1", hours(24 * 40), false, false),
        ("max-active: 1", hours(2), true, false),
        ("max-active: 1", hours(24 * 40), true, true),
        ("max-starts-per-day: 1", hours(2), true, false),
        ("max-starts-per-day: 1", hours(2), false, true),
    ] {
        let simulator = Simulator::new();
        simulator.settings(|it| it.unordered_lists = unordered);
        let prompt = marker("").put_under("x");
        let script = Script::stays("in_progress");
        let id = simulator.add_task(ExistingTask { prompt, age, script, ..ExistingTask::default() });
        for days in 0..150 {
            let (age, prompt) = (hours(24 * (days + 2)), "other".to_owned());
            simulator.add_task(ExistingTask { prompt, age, ..ExistingTask::default() });
        }
        if archived {
            simulator.archive_task(&id);
        }
        let ran = job(&simulator).file(".github/agent-tasks.yml", policy(limits)).run().await;
        assert_eq!((ran.code, ran.starts()), (3, 0), "{limits} {age:?} {archived} {unordered}\n{}", ran.log);
    }
    let simulator = Simulator::new();
    let visibility = Visibility::WithoutSessions;
    simulator.add_task(ExistingTask { visibility, script: Script::stays("in_progress"), ..ExistingTask::default() });
    let ran = job(&simulator).file(".github/agent-tasks.yml", policy("max-active: 1")).run().await;
    assert_eq!((ran.code, ran.starts()), (3, 0), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn forged_marker_of_another_user_is_not_attached() {
    for creator_type in [Some("User"), Some("Bot"), Some("app"), Some(""), None] {
        let simulator = Simulator::new();
        simulator.add_task(ExistingTask {
            prompt: marker("").put_under("x"),
            creator: 666,
            creator_type: creator_type.map(str::to_owned),
            script: Script::stays("in_progress"),
            ..ExistingTask::default()
        });
        let ran = job(&simulator).with("if-active", "attach").run().await;
        assert_eq!((ran.code, ran.output("task-id"), ran.starts()), (6, "", 0), "{creator_type:?}\n{}", ran.log);
    }
}

#[tokio::test(start_paused = true)]
async fn unanswered_start_is_adopted_below_appended_text_and_later_sessions() {
    let simulator = Simulator::new();
    simulator.settings(|it| {
        it.prompt_suffix = "\n\nCustom instructions of the organization.".to_owned();
        it.sessions_newest_first = true;
        it.creator_type = Some("User".to_owned());
    });
    simulator.fault(Route::Start, Fault::status(502).after_accepting());
    let ran = Step::new(&simulator).run().await;
    ran.assert(0, "completed", "success");
    assert_eq!((ran.starts(), simulator.tasks().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn partial_list_fails_a_search() {
    let simulator = Simulator::new();
    let header = Fault::extra_header("X-GitHub-SSO", "partial-results; organizations=21955855");
    simulator.fault_times(Route::Search, 9, header);
    let ran = Step::new(&simulator).with("repositories", "query: org:octo").run().await;
    assert_eq!((ran.code, ran.starts()), (2, 0), "{}", ran.log);
    assert!(ran.log.contains("21955855"), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn partial_list_fails_a_count() {
    let simulator = Simulator::new();
    let header = Fault::extra_header("X-GitHub-SSO", "partial-results; organizations=21955855");
    simulator.fault_times(Route::List, 9, header);
    let ran = job(&simulator).file(".github/agent-tasks.yml", "defaults: {limits: {max-active: 5}}").run().await;
    assert_eq!((ran.code, ran.starts()), (4, 0), "{}", ran.log);
    assert!(ran.log.contains("21955855"), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn rerun_of_a_fleet_reads_each_repository_where_the_shared_list_is_partial() {
    let simulator = Simulator::new();
    let first = fleet(&simulator, 12).with("idempotency-key", "k").with("wait", "").run().await;
    assert_eq!((first.code, simulator.tasks().len()), (0, 12), "{}", first.log);
    tokio::time::sleep(hours(1)).await;
    let header = Fault::extra_header("X-GitHub-SSO", "partial-results; organizations=21955855");
    // The first list is the shared one.
    simulator.fault_times(Route::List, 1, header);
    let again = fleet(&simulator, 12).with("idempotency-key", "k").with("wait", "").run().await;
    assert_eq!((again.code, simulator.tasks().len()), (0, 12), "{}", again.log);
}

#[tokio::test(start_paused = true)]
async fn fleet_does_not_adopt_a_copied_prompt_in_another_repository() {
    let simulator = Simulator::new();
    let first = fleet(&simulator, 12).with("idempotency-key", "k").with("wait", "").run().await;
    let prompt = simulator.tasks().into_iter().find(|task| task.repository == "octo/r3").unwrap().prompt;
    assert_eq!(first.code, 0);

    let simulator = Simulator::new();
    simulator.add_task(ExistingTask { prompt, ..ExistingTask::default() });
    let ran = fleet(&simulator, 12).with("idempotency-key", "k").with("wait", "").run().await;
    assert_eq!((ran.code, ran.starts(), simulator.tasks().len()), (0, 12, 13), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn credits_may_be_decimal_numbers() {
    let simulator = Simulator::new();
    simulator.settings(|it| it.decimal_usage = true);
    let ran = Step::new(&simulator).run().await;
    assert!(ran.output("credits").parse::<f64>().is_ok(), "{:?}", ran.output("credits"));
}

#[tokio::test(start_paused = true)]
async fn own_task_is_waited_for_through_an_outage_of_hours() {
    let simulator = Simulator::new();
    simulator.outage(Outage::new(Fault::denied(Denial::NotFound)).on(Route::Task).lasting(hours(3)));
    let ran = Step::new(&simulator).with("wait-timeout", "5h").run().await;
    ran.assert(0, "completed", "success");
    assert!(ran.took > hours(3), "{:?}", ran.took);
}

#[tokio::test(start_paused = true)]
async fn debug_log_shows_each_request() {
    let ran = Step::new(&Simulator::new()).variable("RUNNER_DEBUG", "1").without("GITHUB_ACTIONS").run().await;
    let shown = ran.log.lines().filter(|line| line.starts_with("debug: ") && line.contains(" ms, request id ")).count();
    assert_eq!(shown, ran.calls.len(), "{}", ran.log);
    assert!(ran.log.contains("debug: POST /agents/repos/octo/app/tasks: 201 in "), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn plain_limit_does_not_lose_a_pull_request_number() {
    for times in 1..=3 {
        let simulator = Simulator::new();
        simulator.settings(|settings| *settings = Settings::documented());
        let script = Script::new().state("in_progress", seconds(0)).pull().state("completed", seconds(0));
        let body = json!({"create_pull_request": true});
        let id = simulator.add_task(ExistingTask { body, script, ..ExistingTask::default() });
        simulator.fault_times(Route::GraphQl, times, Fault::plain_limit(PlainLimit::Secondary));
        let ran = Step::waiting(&simulator, &id).run().await;
        ran.assert(0, "completed", "success");
        assert_ne!(ran.output("pull-request-number"), "", "{}", ran.log);
        assert_eq!(ran.log.matches("secondary rate limit exceeded); retrying in").count(), times, "{}", ran.log);
    }
}

#[tokio::test(start_paused = true)]
async fn limit_that_outlasts_the_wait_is_named_for_a_pull_request() {
    let simulator = Simulator::new();
    simulator.settings(|settings| *settings = Settings::documented());
    let script = Script::new().state("in_progress", seconds(0)).pull().state("completed", seconds(0));
    let body = json!({"create_pull_request": true});
    let id = simulator.add_task(ExistingTask { body, script, ..ExistingTask::default() });
    simulator.outage(Outage::new(Fault::plain_limit(PlainLimit::Secondary)).on(Route::GraphQl).lasting(hours(9)));
    let ran = Step::waiting(&simulator, &id).with("wait-timeout", "150s").run().await;
    ran.assert(0, "completed", "success");
    insta::assert_snapshot!(ran.annotations(), @"warning [octo/app] the pull request's number is not known: secondary rate limit exceeded; the next request is allowed in 1m");
}

#[tokio::test(start_paused = true)]
async fn limited_question_about_the_user_is_logged() {
    let simulator = Simulator::new();
    simulator.fault(Route::Start, Fault::status(502).after_accepting());
    simulator.fault(Route::User, Fault::plain_limit(PlainLimit::Secondary));
    let ran = Step::new(&simulator).run().await;
    ran.assert(0, "completed", "success");
    assert!(ran.log.contains("GitHub limits the rate (secondary rate limit exceeded); retrying in 1m"), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn list_that_is_empty_gets_a_remedy_that_its_command_takes() {
    let mut actual = Vec::new();
    for command in ["start", "plan", "report", "stop"] {
        let step = Step::new(&Simulator::new()).with("repositories", "query: org:none").with("command", command);
        let step = match command {
            "start" => step,
            "stop" => step.with("task-class", "prep").with("max-duration", "1h").with("prompt", ""),
            _ => step.with("prompt", ""),
        };
        let step = if command == "start" { step } else { step.with("wait", "").with("create-pull-request", "") };
        let ran = step.file(".github/agent-tasks.yml", "task-classes: {prep: {prompt: p.md}}").run().await;
        assert_eq!((ran.code, ran.starts()), (2, 0), "{command}: {}", ran.log);
        actual.push(format!("{command}: {}", ran.message()));
    }
    insta::assert_snapshot!(actual.join("\n"), @"
    start: repositories has no repository; check its queries and files, or write allow-empty: true if that is fine
    plan: repositories has no repository; check its queries and files, or write allow-empty: true if that is fine
    report: repositories has no repository; correct its queries and files
    stop: repositories has no repository; correct its queries and files
    ");
}

/// The address of a proxy that answers every request with this status.
fn proxy(status: &'static str) -> String {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in proxy.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n").as_bytes()).unwrap();
        }
    });
    address
}

/// A step that reaches GitHub through this proxy.
fn behind(proxy: &str) -> Step {
    let step = Step::new(&Simulator::new()).variable("GITHUB_API_URL", "https://api.github.com");
    step.with("wait", "").with("create-pull-request", "").variable("HTTPS_PROXY", proxy)
}

#[test]
fn proxy_that_refuses_is_named_with_its_status_at_once() {
    for status in ["403", "407"] {
        let ran = behind(&proxy(status)).run_process();
        assert_eq!(ran.code, 5, "{}", ran.log);
        assert!(ran.log.contains(&format!("the proxy refuses the connection with status {status}")), "{}", ran.log);
        assert!(ran.took < seconds(30), "{:?}", ran.took);
    }
}

#[test]
fn proxy_that_refuses_is_exit_code_5_for_every_command() {
    let proxy = proxy("403");
    let comment = json!({"comment": {"body": "x"}, "sender": {"login": "mona", "type": "User"}});
    let command = |name: &str| behind(&proxy).with("command", name).with("prompt", "");
    for (case, step) in [
        ("actor check", behind(&proxy).on("issue_comment", &comment)),
        ("follow-up", behind(&proxy).with("follow-up", "3")),
        ("query", behind(&proxy).with("repositories", "query: org:octo")),
        ("rollout", behind(&proxy).with("rollout", "x").with("repositories", "octo/app")),
        ("policy", behind(&proxy).with("policy", "octo/rules:x.yml")),
        ("plan", command("plan").with("repositories", "query: org:octo")),
        ("report", command("report")),
        ("doctor", command("doctor")),
        ("sweep", command("stop").with("repositories", "octo/app").with("task-class", "c").with("max-duration", "1h")),
    ] {
        let step = step.file(".github/agent-tasks.yml", "task-classes: {c: {prompt: p.md}}");
        let ran = step.run_process();
        assert_eq!(ran.code, 5, "{case}: {}", ran.log);
        assert!(
            ran.annotations().starts_with("error [GitHub not reached, nothing was started] "),
            "{case}: {}",
            ran.log
        );
    }
}

#[test]
fn proxy_that_cannot_be_read_is_bad_input_and_not_shown() {
    for command in ["start", "doctor"] {
        let step = behind("ht!tp://user:pa55word@x").with("command", command).with("policy", "octo/rules:x.yml");
        let ran = step.run_process();
        assert_eq!(ran.code, 2, "{}", ran.log);
        assert!(!format!("{}{:?}{}", ran.log, ran.outputs, ran.summary).contains("pa55word"), "{}", ran.log);
        insta::allow_duplicates! {
            insta::assert_snapshot!(ran.message().replace("inputs: ", ""), @"HTTPS_PROXY is not the address of a proxy; write `http://HOST:PORT` or `http://USER:PASSWORD@HOST:PORT`");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn missing_certificates_are_a_warning_where_others_are_found() {
    let closed = || behind(&proxy("403")).variable("SSL_CERT_DIR", "/etc/ssl/certs:/nope/certs");
    let ran = closed().variable("SSL_CERT_FILE", "/nope/ca.pem").run_process();
    let warnings = |ran: &Finished| {
        ran.annotations().lines().filter(|line| line.starts_with("warning")).map(str::to_owned).collect::<Vec<_>>()
    };
    insta::assert_snapshot!(warnings(&ran).join("\n"), @"
    warning [agent-task] `SSL_CERT_FILE` names `/nope/ca.pem`, which cannot be read (No such file or directory (os error 2)) and is ignored; correct the variable or remove it
    warning [agent-task] `SSL_CERT_DIR` names `/nope/certs`, which is not a folder and is ignored; correct the variable or remove it
    ");
    let empty = closed().file("ca.pem", "-----BEGIN");
    let path = empty.folder.path("workspace/ca.pem");
    let ran = empty.variable("SSL_CERT_FILE", &path).run_process();
    assert!(warnings(&ran)[0].contains("which has no certificate and is ignored"), "{}", ran.log);
    let good = behind(&proxy("403")).file("ca.pem", "-----BEGIN CERTIFICATE-----\n");
    let path = good.folder.path("workspace/ca.pem");
    let ran = good.variable("SSL_CERT_FILE", &path).run_process();
    assert_eq!(warnings(&ran), [""; 0], "{}", ran.log);
}

#[cfg(target_os = "linux")]
#[test]
fn missing_file_of_certificates_is_named() {
    let step = behind("").variable("SSL_CERT_FILE", "/nope/ca.pem").run_process();
    assert_eq!(step.code, 5, "{}", step.log);
    insta::assert_snapshot!(step.message(), @"GitHub cannot be reached: `SSL_CERT_FILE` names `/nope/ca.pem`, from which no certificate can be read; correct it: cannot prepare encrypted connections: builder error: unexpected error: No CA certificates were loaded from the system");
}
