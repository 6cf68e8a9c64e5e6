//! The record of a step: that it answers who, what, where and how, and that each line is a CloudEvent.

use std::path::Path;
use std::time::Duration;

use insta::assert_snapshot;
use serde_json::{Value, json};
use simulator::{Fault, Repository, Route, Script, Simulator};

use crate::support::{Finished, Step};

/// What the specification asks of the attributes of an event in JSON,
/// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#required-attributes>.
fn schema() -> Value {
    let text = json!({"type": "string", "minLength": 1});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["id", "source", "specversion", "type"],
        "propertyNames": {"pattern": "^[a-z0-9]{1,20}$"},
        "properties": {
            "id": text,
            "source": {"type": "string", "minLength": 1, "format": "uri-reference"},
            "specversion": {"const": "1.0"},
            "type": text,
            "time": {"type": "string", "format": "date-time"},
            "subject": text,
            "datacontenttype": {"const": "application/json"},
            "data": {"type": "object"}
        },
        "additionalProperties": false
    })
}

/// The lines of a record. Each is held against the schema.
#[track_caller]
fn lines(ran: &Finished) -> Vec<Value> {
    let schema = jsonschema::options().should_validate_formats(true).build(&schema()).unwrap();
    assert!(ran.record.is_empty() || ran.record.ends_with('\n'));
    let lines = ran.record.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    for line in &lines {
        let faults = schema.iter_errors(line).map(|fault| fault.to_string()).collect::<Vec<_>>();
        assert_eq!(faults, Vec::<String>::new(), "{line}");
    }
    let mut ids = lines.iter().map(|line| line["id"].as_str().unwrap()).collect::<Vec<_>>();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), lines.len(), "an id is there twice");
    lines
}

fn kinds(ran: &Finished) -> Vec<String> {
    let kind = |line: &Value| line["type"].as_str().unwrap().strip_prefix("agent-task.").unwrap().to_owned();
    lines(ran).iter().map(kind).collect()
}

fn step(simulator: &Simulator) -> Step {
    let step = Step::new(simulator).variable("GITHUB_RUN_ID", "17").variable("GITHUB_RUN_ATTEMPT", "1");
    let step = step.variable("GITHUB_EVENT_NAME", "schedule").variable("GITHUB_WORKFLOW", "Weekly");
    step.variable("GITHUB_SERVER_URL", "https://github.com").variable("GITHUB_JOB", "prep")
}

#[tokio::test(start_paused = true)]
async fn audit_answers_who_what_where_and_how() {
    let simulator = Simulator::new();
    let ran = step(&simulator).run().await;
    assert_eq!(kinds(&ran), ["planned", "started", "changed", "changed", "pull-found", "settled"]);
    assert!(Path::new(ran.output("audit-log")).ends_with("temp/agent-task/audit.jsonl"));
    let lines = lines(&ran);
    let (first, last) = (&lines[0], &lines[lines.len() - 1]);
    assert_eq!(
        (&first["source"], &first["subject"]),
        (&json!("https://github.com/octo/app/actions/runs/17"), &json!("octo/app"))
    );
    let request = &first["data"]["request"];
    assert_eq!(
        (&request["promptSha256"], &request["template"]),
        (&json!(ran.output("prompt-sha256")), &json!("prompt"))
    );
    let data = &last["data"];
    for (place, value) in [
        ("/run/actor", json!("mona")),
        ("/run/workflow", json!("Weekly")),
        ("/tokenKind", json!("fine-grained personal access token")),
        ("/task/id", json!(ran.output("task-id"))),
        ("/task/conclusion", json!("success")),
        ("/task/pullRequestNumber", json!(simulator.pulls()[0].number)),
        ("/request/createPullRequest", json!(true)),
    ] {
        assert_eq!(data.pointer(place), Some(&value), "{place} in {data}");
    }
    for place in ["/task/model", "/task/headRef", "/request/key"] {
        assert!(data.pointer(place).is_some_and(Value::is_string), "{place} in {data}");
    }
    assert!(!ran.record.contains("Prepare the release"), "the prompt itself is not on record");
}

#[tokio::test(start_paused = true)]
async fn audit_has_a_refusal() {
    let simulator = Simulator::new();
    let stranger = json!({"action": "created", "comment": {"body": "x"}, "sender": {"login": "stranger", "id": 3, "type": "User"}});
    let ran = Step::new(&simulator).on("issue_comment", &stranger).variable("GITHUB_ACTOR", "stranger").run().await;
    assert_eq!((ran.code, kinds(&ran)), (3, vec!["planned".to_owned(), "refused".to_owned()]), "{}", ran.log);
    assert_eq!(lines(&ran)[1]["data"]["reason"], ran.output("error-message"));
}

#[tokio::test(start_paused = true)]
async fn audit_has_an_adoption_and_a_loss() {
    let simulator = Simulator::new();
    simulator.fault(Route::Start, Fault::status(502).after_accepting());
    let ran = step(&simulator).run().await;
    assert_eq!(kinds(&ran)[..2], ["planned", "adopted"]);
    simulator.fault(Route::Start, Fault::status(401));
    let ran = step(&simulator).variable("GITHUB_RUN_ID", "18").run().await;
    assert_eq!(kinds(&ran), ["planned", "gave-up"]);
    simulator.script("octo/app", Script::waits_for_user());
    let ran = step(&simulator).variable("GITHUB_RUN_ID", "19").run().await;
    assert_eq!(kinds(&ran).last().unwrap(), "gave-up");
}

#[tokio::test(start_paused = true)]
async fn audit_has_lines_for_each_repository() {
    let simulator = Simulator::new();
    for at in 0..12 {
        simulator.repository(&format!("octo/r{at}"), Repository::default());
    }
    simulator.script("octo/r0", Script::fails("boom"));
    let list = (0..12).map(|at| format!("octo/r{at}")).collect::<Vec<_>>().join("\n");
    let many = || step(&simulator).with("repositories", &list).with("waves", "1, *");
    let ran = many().run().await;
    let of = |kind: &str| kinds(&ran).iter().filter(|it| *it == kind).count();
    assert_eq!((of("planned"), of("started"), of("settled"), of("held-back")), (12, 1, 1, 11));
    assert_eq!(many().with("dry-run", "true").run().await.record, "");
}

/// What a process has recorded is there when it is killed, and one that cannot record sends nothing.
#[tokio::test(start_paused = true)]
async fn audit_is_written_before_anything_is_sent() {
    let simulator = Simulator::new();
    let ran = step(&simulator).file("blocked", "").with("audit-log", "blocked/none").run().await;
    assert_eq!((ran.code, ran.starts()), (2, 0), "{}", ran.log);
    assert_snapshot!(ran.annotations(), @"error [Bad input, nothing was sent] cannot write the record `[folder]/workspace/blocked/none`: [error of the system]");
    let ran = step(&simulator).with("wait", "false").run().await;
    assert_eq!((kinds(&ran), ran.took), (vec!["planned".to_owned(), "started".to_owned()], Duration::ZERO));
}
