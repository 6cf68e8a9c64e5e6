//! `command: report` over loopback, with a history that the simulator has from the beginning.

use agent_task::task::marker::{Key, Marker};
use serde_json::Value;
use simulator::{
    ChangedFile, CheckRun, CommitContent, Effect, OpenPull, Permission, PullContent, Repository, Review, Token,
};

use crate::support::{Finished, TOKEN};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// A step that reports on the tasks of the token's owner.
fn report(simulator: &Simulator) -> Step {
    let step = Step::new(simulator).with("command", "report").with("prompt", "").with("wait", "");
    step.with("create-pull-request", "")
}

/// A task of the token's owner, some days old.
fn task(simulator: &Simulator, repository: &str, subject: &str, version: &str, days: u32, script: Script) -> String {
    let marker = Marker {
        key: Key::over([subject, version]),
        class: "prep".to_owned(),
        version: version.to_owned(),
        actor: "mona".to_owned(),
        ..Marker::default()
    };
    simulator.add_task(ExistingTask {
        repository: repository.to_owned(),
        creator: Token::default().id,
        prompt: marker.put_under(subject),
        body: json!({"create_pull_request": true, "model": "gpt-5.4"}),
        age: HOUR * 24 * days,
        script,
        ..ExistingTask::default()
    })
}

/// A task that opens a pull request after an hour of work, and completes.
fn delivering(content: PullContent) -> Script {
    let pull = Effect::Pull(OpenPull { content: Some(content), ..OpenPull::default() });
    let begun = Script::new().state("in_progress", HOUR).effect(pull).effect(Effect::Ready);
    begun.effect(Effect::Usage(10_500_000_000)).state("completed", HOUR * 5)
}

#[track_caller]
fn read(ran: &Finished, output: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "a test plays the later step, which reads the report")]
    std::fs::read_to_string(ran.output(output)).unwrap()
}

#[track_caller]
fn json_of(ran: &Finished) -> Value {
    serde_json::from_str(&read(ran, "report-json")).unwrap()
}

fn world_of_reports() -> Simulator {
    let simulator = world(at_once("completed"));
    for name in ["octo/app", "octo/lib"] {
        simulator.repository(name, Repository::default());
    }
    simulator
}

#[test]
fn report_follows_tasks_to_what_became_of_them() {
    let simulator = world_of_reports();
    let repair = CommitContent { message: "Repair".to_owned(), ..CommitContent::default() };
    let commits = vec![CommitContent::by_agent("Do it"), repair];
    let content =
        PullContent { commits, reviews: vec![Review::new("mona", "APPROVED", HOUR * 2)], ..PullContent::default() };
    let content = content.files([ChangedFile::modified("a", 3, 4)]);
    let content = content.check(CheckRun::ending("build", "failure", HOUR));
    task(&simulator, "octo/app", "<script>alert(1)</script>", "7", 20, delivering(content).effect(Effect::Merge));
    let reverts = PullContent { body: "Reverts octo/app#12".to_owned(), ..PullContent::default() };
    task(&simulator, "octo/app", "=HYPERLINK(\"x\")", "8", 9, delivering(reverts).effect(Effect::Merge));
    task(&simulator, "octo/lib", "Tidy up", "8", 2, delivering(PullContent::default()));
    task(&simulator, "octo/lib", "Orphan", "8", 2, Script::branch_only(HOUR));
    task(&simulator, "octo/lib", "Nothing", "8", 2, Script::completes_without_pull(HOUR));
    task(&simulator, "octo/lib", "Too old", "6", 40, Script::completes_without_pull(HOUR));
    let archived = task(&simulator, "octo/lib", "Archived", "8", 3, Script::fails("boom"));
    simulator.archive_task(&archived);
    let ran = report(&simulator).with("report-fail-if", "rework > 90%, credits > 1").run_process();
    ran.exits(1).posts(0).gives("tasks", "6").gives("merged", "2").gives("results", "[]").gives("started", "0");
    assert!(ran.message().contains("credits > 1: it is "), "{}", ran.message());

    let json = json_of(&ran);
    let of = |subject: &str| {
        let all = json["tasks"].as_array().unwrap();
        let named = |task: &&Value| task["name"].as_str().is_some_and(|name| name.contains(subject));
        all.iter().find(named).unwrap_or_else(|| panic!("no {subject}: {json}"))
    };
    let merged = of("alert");
    assert_eq!(
        (&merged["class"], &merged["prompt-version"], &merged["actor"]),
        (&json!("prep"), &json!("7"), &json!("mona"))
    );
    assert_eq!((&merged["place"], &merged["repository"]), (&json!("merged"), &json!("octo/app")));
    let pull = &merged["pull-request"];
    assert_eq!((&pull["lines"], &pull["checks"], &pull["rework-commits"]), (&json!(7), &json!("failure"), &json!(1)));
    assert_eq!((&pull["reverted"], &pull["first-review"]), (&json!(true), &json!(7200)));
    assert_eq!((&pull["time-to-merge"], &pull["lead-time"]), (&json!(5 * 3600), &json!(6 * 3600)));
    assert_eq!(merged["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(of("Tidy up")["place"], "ready-for-review");
    assert_eq!(of("Orphan")["place"], "orphan");
    assert_eq!((&of("Nothing")["place"], &of("Archived")["state"]), (&json!("closed"), &json!("failed")));
    assert_eq!(json["all"]["reverted"]["count"], 1);

    let html = read(&ran, "report-html");
    assert!(html.contains("&lt;script&gt;") && html.matches("<script").count() == 1);
    let csv = read(&ran, "report-csv");
    assert!(csv.contains("\"'=HYPERLINK(") || csv.contains("[WIP] =HYPERLINK("), "{csv}");
    assert!(ran.summary.contains("6 tasks since") && ran.summary.contains("```mermaid"), "{}", ran.summary);
}

#[test]
fn report_on_repositories_has_the_tasks_of_everybody() {
    let simulator = world_of_reports();
    task(&simulator, "octo/lib", "Mine", "8", 2, delivering(PullContent::default()));
    let script = delivering(PullContent::default());
    let theirs = ExistingTask { repository: "octo/lib".to_owned(), creator: 99, script, ..ExistingTask::default() };
    simulator.add_task(theirs.clone());
    simulator.add_task(ExistingTask { repository: "octo/app".to_owned(), ..theirs });
    let ran = report(&simulator).with("repositories", "octo/lib\nocto/gone").run_process();
    ran.exits(0).gives("tasks", "2");
    assert_eq!(json_of(&ran)["scope"]["unreadable-repositories"], json!(["octo/gone"]));
    assert!(ran.annotations().contains("octo/gone could not be read"), "{}", ran.annotations());
    let ran = report(&simulator).with("repositories", "octo/lib").with("task-class", "prep").run_process();
    ran.exits(0).gives("tasks", "1");
    let ran = report(&simulator).with("repositories", "octo/gone").run_process();
    ran.exits(4).gives("tasks", "");
}

#[test]
fn pull_request_that_may_not_be_read_is_marked() {
    let simulator = world_of_reports();
    task(&simulator, "octo/app", "One", "8", 2, delivering(PullContent::default()).effect(Effect::Merge));
    task(&simulator, "octo/lib", "Two", "8", 2, delivering(PullContent::default()).effect(Effect::Merge));
    simulator.token(TOKEN, Token::default().without(Permission::PullRequestsRead));
    let ran = report(&simulator).run_process();
    ran.exits(0).gives("tasks", "2").gives("merged", "");
    assert!(ran.annotations().contains("pull-requests: read"), "{}", ran.annotations());
    let json = json_of(&ran);
    assert_eq!(json["all"]["unreadable"]["pull-request"], 2);
    assert_eq!(json["tasks"][0]["place"], "unreadable");
    // A second token that sees one of the repositories.
    simulator.token("ghs_lookup", Token::default().seeing(&["octo/app"]));
    let ran = report(&simulator).with("lookup-token", "ghs_lookup").run_process();
    ran.exits(0).gives("merged", "1");
    assert_eq!(json_of(&ran)["all"]["unreadable"]["pull-request"], 1);
    let ran = report(&simulator).with("report-fail-if", "merged < 50%").run_process();
    ran.exits(1);
}

#[test]
fn settled_tasks_are_read_once() {
    let simulator = world_of_reports();
    for at in 0..5 {
        task(&simulator, "octo/lib", &format!("Task {at}"), "8", 2, delivering(PullContent::default()));
    }
    let open = task(&simulator, "octo/lib", "Open", "8", 1, Script::stays("in_progress"));
    let read = |ran: &Finished| {
        let calls = ran.calls.iter().filter(|call| call.path.starts_with("/agents/tasks/"));
        calls.map(|call| call.path.clone()).collect::<Vec<_>>()
    };
    let first = report(&simulator).with("report-cache", "kept/report.json").run_process();
    assert_eq!(read(first.exits(0)).len(), 6);
    let again = report(&simulator).with("report-cache", "kept/report.json").after(&first).run_process();
    let read = read(again.exits(0));
    assert_eq!((read.len(), read[6].clone()), (7, format!("/agents/tasks/{open}")));
    let without_time = |ran: &Finished| {
        let mut json = json_of(ran);
        json["scope"] = Value::Null;
        json
    };
    assert_eq!(without_time(&first), without_time(&again));
    let outside = report(&simulator).with("report-cache", "../report.json").run_process();
    outside.exits(2);
}

#[test]
fn report_refuses_what_it_cannot_read() {
    let simulator = world_of_reports();
    let step = report(&simulator).with("since", "soon").with("stale-after", "3").with("report-fail-if", "merged");
    let ran = step.with("model", "x").with("timezone", "Berlin").run_process();
    ran.exits(2).sends_nothing();
    insta::assert_snapshot!(ran.refusal(), @"
    model has no effect with command: report; it is for command: start
    timezone: Berlin is not a time zone of this system; write an IANA name such as Europe/Berlin
    since: expected an age such as 30d, or a day such as 2026-11-01, got soon
    stale-after: expected a duration with a unit such as 3h or 3d, got 3
    report-fail-if: merged is not a condition; write a figure, < or >, and a limit, such as merged < 50%: success, merged, accepted, rework, failed-checks, reverted, credits, credits-per-merged
    ");
}

#[test]
fn since_is_a_day_in_the_time_zone() {
    let simulator = world_of_reports();
    task(&simulator, "octo/app", "One", "8", 2, delivering(PullContent::default()));
    for (since, timezone, expected) in [
        ("2026-01-31", "", "2026-01-31T00:00:00Z"),
        ("2026-01-31", "America/Los_Angeles", "2026-01-31T08:00:00Z"),
        ("2026-07-31", "Europe/Berlin", "2026-07-30T22:00:00Z"),
        // The clock went from 0:00 to 1:00.
        ("2017-10-15", "America/Sao_Paulo", "2017-10-15T03:00:00Z"),
        ("2026-01-31T12:00", "Asia/Kolkata", "2026-01-31T06:30:00Z"),
        ("2026-01-31T12:00:00+01:00", "Asia/Kolkata", "2026-01-31T11:00:00Z"),
    ] {
        let ran = report(&simulator).with("since", since).with("timezone", timezone).run_process();
        ran.exits(0);
        let scope = &json_of(&ran)["scope"];
        assert_eq!(scope["since"], expected, "{since} {timezone}");
        assert_eq!(scope["timezone"], if timezone.is_empty() { "UTC" } else { timezone });
        let day = since.get(..10).unwrap();
        let is_early = expected.ends_with("11:00:00Z");
        assert!(is_early || ran.summary.contains(&format!("1 task since {day}")), "{}", ran.summary);
    }
}

#[test]
fn since_in_the_future_is_refused() {
    let simulator = world_of_reports();
    let ran = report(&simulator).with("since", "2126-11-01").with("timezone", "Europe/Berlin").run_process();
    ran.exits(2).sends_nothing();
    insta::assert_snapshot!(ran.refusal(), @"since: 2126-10-31T23:00:00Z is in the future");
}
