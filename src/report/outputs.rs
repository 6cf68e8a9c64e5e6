//! What the step hands on: its outputs, and the results of all orders as JSON.

use serde::Serialize;
use serde_json::Value;

use crate::github::task::{State, Task, TaskId};
use crate::task::conclusion::Conclusion;
use crate::task::outcome::Outcome;

/// Every output there is, in the order of the reference.
pub const OUTPUTS: [&str; 20] = [
    "task-id",
    "task-url",
    "state",
    "conclusion",
    "created",
    "pull-request-number",
    "pull-request-url",
    "head-ref",
    "base-ref",
    "model",
    "credits",
    "prompt-sha256",
    "error-message",
    "results",
    "results-file",
    "matrix",
    "audit-log",
    "started",
    "succeeded",
    "failed",
];
/// The longest `results`, in bytes. A later step takes them in by one variable of its environment, and Linux lets none
/// be longer than 131,072 bytes, its name included. All outputs of a job together may have 1 MB,
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idoutputs>. The file
/// that `results-file` names is never cut.
const LONGEST_RESULTS: usize = 130_000;

/// What is handed on besides the outcomes; empty where there is nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct StepOutputs<'a> {
    /// The path of the file with all results.
    pub results_file: &'a str,
    /// The path of the record.
    pub audit_log: &'a str,
    /// What is wrong with the step as a whole.
    pub error: &'a str,
    /// The parts of a list, for the jobs of a matrix.
    pub matrix: &'a str,
}

/// The outputs as they stand. All are there at any time, empty where nothing is known. With several orders those
/// that speak of one task are empty, and `conclusion` is the gravest of all, once all have one.
pub fn outputs(outcomes: &[Outcome], aside: &StepOutputs<'_>) -> Vec<(&'static str, String)> {
    let single = match outcomes {
        [outcome] => serde_json::to_value(Entry::of(outcome)).ok(),
        _ => None,
    };
    let count = |is: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| is(outcome)).count().to_string();
    OUTPUTS
        .iter()
        .map(|name| {
            let value = match *name {
                "results" => results(outcomes, LONGEST_RESULTS),
                "results-file" => aside.results_file.to_owned(),
                "matrix" => aside.matrix.to_owned(),
                "audit-log" => aside.audit_log.to_owned(),
                "started" => count(&|outcome| outcome.created == Some(true)),
                "succeeded" => count(&|outcome| outcome.conclusion == Some(Conclusion::Success)),
                "failed" => count(&failed),
                "conclusion" if single.is_none() => gravest(outcomes),
                "error-message" if !aside.error.is_empty() => aside.error.to_owned(),
                name => single.as_ref().map(|result| text(&result[name])).unwrap_or_default(),
            };
            (*name, value)
        })
        .collect()
}

/// Whether an order counts as failed: it ran into trouble, or ended otherwise than well.
fn failed(outcome: &Outcome) -> bool {
    let ended_well = |it| matches!(it, Conclusion::Success | Conclusion::Skipped);
    outcome.trouble.is_some() || outcome.conclusion.is_some_and(|it| !ended_well(it))
}

fn gravest(outcomes: &[Outcome]) -> String {
    let all = outcomes.iter().map(|outcome| outcome.conclusion).collect::<Option<Vec<_>>>();
    all.and_then(|all| all.into_iter().max()).map(|it| it.to_string()).unwrap_or_default()
}

/// The results of all orders as a compact JSON array, whole.
pub fn all_results(outcomes: &[Outcome]) -> String {
    results(outcomes, usize::MAX)
}

/// As many results as fit into `most` bytes, each whole.
fn results(outcomes: &[Outcome], most: usize) -> String {
    let mut text = "[".to_owned();
    for outcome in outcomes {
        let result = serde_json::to_string(&Entry::of(outcome)).unwrap_or_else(|error| unreachable!("{error}"));
        if text.len() + result.len() + 2 > most {
            break;
        }
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&result);
    }
    text.push(']');
    text
}

/// One order's result under the names of the outputs; `null` where nothing is known.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Entry<'a> {
    repository: String,
    task_id: Option<&'a str>,
    task_url: Option<&'a str>,
    state: Option<&'a str>,
    conclusion: Option<&'a str>,
    created: Option<bool>,
    pull_request_number: Option<u64>,
    pull_request_url: Option<&'a str>,
    head_ref: Option<&'a str>,
    base_ref: Option<&'a str>,
    model: Option<&'a str>,
    credits: Option<String>,
    prompt_sha256: Option<&'a str>,
    error_message: Option<&'a str>,
}

impl<'a> Entry<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        let task = outcome.task.as_ref();
        let pull = outcome.pull.as_ref();
        let asked = outcome.asked.as_ref();
        Self {
            repository: outcome.repository.to_string(),
            task_id: outcome.task_id.as_ref().map(TaskId::as_str),
            task_url: task.and_then(|task| task.html_url.as_deref()),
            state: outcome.state().map(State::as_str),
            conclusion: outcome.conclusion.map(Conclusion::as_str),
            created: outcome.created,
            pull_request_number: pull.map(|pull| pull.number),
            pull_request_url: pull.map(|pull| pull.url.as_str()),
            head_ref: pull.map(|pull| pull.head_ref.as_str()).or(task.and_then(Task::head_ref)),
            base_ref: pull.map(|pull| pull.base_ref.as_str()).or(task.and_then(Task::base_ref)),
            model: task.and_then(Task::model).or(asked.and_then(|asked| asked.model.as_deref())),
            credits: task.and_then(Task::credits),
            prompt_sha256: outcome.prompt_sha256.as_deref(),
            error_message: outcome.error_message.as_deref(),
        }
    }
}

pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
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
        outcome.apply(Event::Started(task(id, "queued")));
        outcome.apply(Event::Saw(task(id, state)));
        outcome.apply(Event::Ended(WaitEnd::Settled));
        outcome
    }

    fn value(outputs: &[(&'static str, String)], name: &str) -> String {
        outputs.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone()).unwrap()
    }

    #[test]
    fn every_output_is_there_from_the_beginning() {
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
    fn every_key_of_a_result_is_an_output_and_the_other_way_round() {
        let outcome = outcome();
        let result = serde_json::to_value(Entry::of(&outcome)).unwrap();
        let of_all = ["results", "results-file", "matrix", "audit-log", "started", "succeeded", "failed"];
        for name in OUTPUTS.iter().filter(|name| !of_all.contains(name)) {
            assert!(result.get(name).is_some(), "{name}");
        }
        // In a list of results each says where it belongs.
        assert_eq!(result.as_object().unwrap().len(), OUTPUTS.len() - of_all.len() + 1);
    }

    #[test]
    fn several_orders_have_counts_and_the_gravest_conclusion() {
        let both = outputs(
            &[ended("t-1", "completed"), ended("t-2", "failed")],
            &StepOutputs { results_file: "r.json", error: "", ..StepOutputs::default() },
        );
        assert_eq!(value(&both, "conclusion"), "failure");
        assert_eq!(
            (value(&both, "started"), value(&both, "succeeded"), value(&both, "failed")),
            ("2".into(), "1".into(), "1".into())
        );
        assert_eq!((value(&both, "task-id"), value(&both, "results-file")), (String::new(), "r.json".into()));
        let open = outputs(
            &[ended("t-1", "completed"), outcome()],
            &StepOutputs { results_file: "", error: "", ..StepOutputs::default() },
        );
        assert_eq!(value(&open, "conclusion"), "");
    }

    #[test]
    fn results_that_do_not_fit_are_left_out_whole() {
        let many = vec![ended("t-1", "completed"); 10];
        let one = all_results(&many[..1]).len();
        let cut: Vec<Value> = serde_json::from_str(&results(&many, one * 5 / 2)).unwrap();
        assert_eq!(cut.len(), 2);
        assert_eq!(serde_json::from_str::<Vec<Value>>(&all_results(&many)).unwrap().len(), 10);
    }

    #[test]
    fn no_value_can_write_an_output_of_its_own() {
        let mut words = ["one", "one", "two", "three"].into_iter().map(str::to_owned);
        let nasty = "x\nghadelimiter_one\nstate<<E\nforged\nE".to_owned();
        let text =
            render(&[("error-message", nasty.clone()), ("state", "failed".to_owned())], || words.next().unwrap());
        assert_eq!(
            text,
            format!(
                "error-message<<ghadelimiter_two\n{nasty}\nghadelimiter_two\nstate<<ghadelimiter_three\nfailed\nghadelimiter_three\n"
            )
        );
    }
}
