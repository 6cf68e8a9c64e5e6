use serde_json::json;

use crate::actions::output_file::render;
use crate::task::event::Event;
use crate::task::wait::WaitEnd;

use super::*;

fn outcome() -> Outcome {
    Outcome::new("octo/app".parse().unwrap())
}

fn task(id: &str, state: &str) -> Box<Task> {
    Box::new(serde_json::from_value(json!({"id": id, "state": state})).unwrap())
}

fn ended(id: &str, state: &str) -> Outcome {
    let mut outcome = outcome();
    outcome.apply(&Event::Started(task(id, "queued")));
    outcome.apply(&Event::Saw(task(id, state)));
    outcome.apply(&Event::Ended(WaitEnd::Settled));
    outcome
}

fn value(outputs: &[(&'static str, String)], name: &str) -> String {
    outputs.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone()).unwrap()
}

#[test]
fn outputs_are_all_there_from_the_beginning() {
    for outcomes in [vec![], vec![outcome()], vec![outcome(), outcome()]] {
        let outputs = outputs(&outcomes, &StepOutputs { results_file: "", error: "", ..StepOutputs::default() });
        assert_eq!(outputs.iter().map(|(name, _)| *name).collect::<Vec<_>>(), OUTPUTS);
        assert_eq!((value(&outputs, "task-id").as_str(), value(&outputs, "started").as_str()), ("", "0"));
    }
    assert_eq!(
        value(
            &outputs(&[], &StepOutputs { results_file: "", error: "bad input", ..StepOutputs::default() }),
            "error-message"
        ),
        "bad input"
    );
}

#[test]
fn result_keys_are_outputs() {
    let outcome = outcome();
    let result = serde_json::to_value(Entry::of(&outcome, MAX_ERROR_MESSAGE)).unwrap();
    let of_all = ["results", "results-file", "matrix", "audit-log", "started", "succeeded", "failed"];
    let of_all = [&of_all[..], &["rollout-state", "rollout-waves"]].concat();
    let of_all = [&of_all[..], &["report-json", "report-csv", "report-html", "tasks", "merged"]].concat();
    for name in OUTPUTS.iter().filter(|name| !of_all.contains(name)) {
        assert!(result.get(name).is_some(), "{name}");
    }
    // In a list of results each says where it belongs.
    assert_eq!(result.as_object().unwrap().len(), OUTPUTS.len() - of_all.len() + 2);
}

#[test]
fn outputs_of_several_tasks_count_and_take_the_gravest_conclusion() {
    let both = outputs(
        &[ended("t-1", "completed"), ended("t-2", "failed"), ended("t-3", "completed")],
        &StepOutputs { results_file: "r.json", error: "", ..StepOutputs::default() },
    );
    assert_eq!(value(&both, "conclusion"), "failure");
    assert_eq!(
        (value(&both, "started"), value(&both, "succeeded"), value(&both, "failed")),
        ("3".into(), "2".into(), "1".into())
    );
    assert_eq!((value(&both, "task-id"), value(&both, "results-file")), (String::new(), "r.json".into()));
    let open = outputs(
        &[ended("t-1", "completed"), outcome()],
        &StepOutputs { results_file: "", error: "", ..StepOutputs::default() },
    );
    assert_eq!(value(&open, "conclusion"), "");
}

#[test]
fn outputs_of_one_task_and_of_its_step_are_shown() {
    let mut one = outcome();
    let failed = json!({"id": "t-1", "state": "failed", "html_url": "https://github.com/octo/app/tasks/t-1",
        "sessions": [{"id": "s-1", "model": "m", "error": {"message": "no runner"}}]});
    one.apply(&Event::Started(Box::new(serde_json::from_value(failed).unwrap())));
    one.apply(&Event::Ended(WaitEnd::Settled));
    let own = [("rollout-state", "running".to_owned()), ("tasks", "7".to_owned())];
    let all = outputs(&[one], &StepOutputs { results_file: "r.json", own: &own, ..StepOutputs::default() });
    let shown = all.iter().filter(|(name, value)| *name != "results" && !value.is_empty());
    insta::assert_snapshot!(shown.map(|(name, value)| format!("{name}: {value}\n")).collect::<String>(), @r#"
    task-id: t-1
    task-url: https://github.com/octo/app/tasks/t-1
    state: failed
    conclusion: failure
    created: true
    model: m
    session-ids: ["s-1"]
    error-message: no runner
    results-file: r.json
    started: 1
    succeeded: 0
    failed: 1
    rollout-state: running
    tasks: 7
    "#);
}

#[test]
fn results_are_cut_after_a_whole_object() {
    let many = vec![ended("t-1", "completed"); 10];
    let one = all_results(&many[..1]).len();
    let cut: Vec<Value> = serde_json::from_str(&results(&many, one * 5 / 2, usize::MAX)).unwrap();
    assert_eq!(cut.len(), 2);
    // The comma and the last bracket count as well.
    let two = all_results(&many[..2]);
    assert_eq!(results(&many, two.len(), usize::MAX), two);
    assert_eq!(results(&many, two.len() - 1, usize::MAX), all_results(&many[..1]));
    assert_eq!(serde_json::from_str::<Vec<Value>>(&all_results(&many)).unwrap().len(), 10);
}

#[test]
fn error_message_is_capped_and_the_file_is_whole() {
    let mut failed = outcome();
    failed.apply(&Event::Unconfirmed("é".repeat(400_000)));
    let outputs = outputs(std::slice::from_ref(&failed), &StepOutputs::default());
    assert_eq!(value(&outputs, "error-message").chars().count(), MAX_ERROR_MESSAGE);
    assert!(outputs.iter().all(|(_, value)| value.len() < 128 * 1024), "a later step cannot take it");
    assert_eq!(serde_json::from_str::<Vec<Value>>(&value(&outputs, "results")).unwrap().len(), 1);
    assert!(all_results(&[failed]).len() > 800_000);
    let error = "x".repeat(400_000);
    let refused = super::outputs(&[], &StepOutputs { error: &error, ..StepOutputs::default() });
    assert_eq!(value(&refused, "error-message").chars().count(), MAX_ERROR_MESSAGE);
}

#[test]
fn error_message_of_a_fleet_sums_up() {
    let message = |all: &[Outcome]| value(&outputs(all, &StepOutputs::default()), "error-message");
    assert_eq!(message(&[ended("t-1", "completed"), ended("t-2", "completed")]), "");
    let mut held = outcome();
    held.apply(&Event::HeldBack("GitHub refuses all starts of this token: x".to_owned()));
    let all = [ended("t-1", "completed"), ended("t-2", "failed"), held.clone(), held.clone(), held.clone(), held];
    insta::assert_snapshot!(message(&all), @"5 of 6 repositories did not succeed. octo/app: the task failed and gives no reason; octo/app, octo/app, octo/app and 1 more: not started: GitHub refuses all starts of this token: x");
}

#[test]
fn matrix_beyond_githubs_limit_is_refused() {
    assert_eq!(matrix(&json!({"include": []})), Ok("{\"include\":[]}".to_owned()));
    let problem = matrix(&json!({"include": ["x".repeat(MAX_MATRIX)]})).unwrap_err();
    assert!(problem.is_about("repositories") && problem.to_string().contains("`shard`"), "{problem}");
}

#[test]
fn output_value_cannot_write_another_output() {
    let mut words = ["one", "one", "two", "three"].into_iter().map(str::to_owned);
    let nasty = "x\nghadelimiter_one\nstate<<E\nforged\nE".to_owned();
    let text = render(&[("error-message", nasty.clone()), ("state", "failed".to_owned())], || words.next().unwrap());
    assert_eq!(
        text,
        format!(
            "error-message<<ghadelimiter_two\n{nasty}\nghadelimiter_two\nstate<<ghadelimiter_three\nfailed\nghadelimiter_three\n"
        )
    );
}
