//! The outputs of the step, and the results of all tasks as JSON.

use serde::Serialize;
use serde_json::Value;

use crate::github::task::{State, Task, TaskId};
use crate::inputs::problem::Problem;
use crate::task::acceptance::{Acceptance, ChecksState};
use crate::task::conclusion::Conclusion;
use crate::task::messages;
use crate::task::outcome::Outcome;
use crate::text::cut;

/// Every output there is, in the order of the reference.
pub const OUTPUTS: [&str; 33] = [
    "task-id",
    "task-url",
    "state",
    "conclusion",
    "created",
    "pull-request-number",
    "pull-request-url",
    "accepted",
    "changed-files",
    "changed-lines",
    "checks",
    "stopped",
    "head-ref",
    "base-ref",
    "model",
    "credits",
    "session-ids",
    "prompt-sha256",
    "error-message",
    "results",
    "results-file",
    "matrix",
    "audit-log",
    "started",
    "succeeded",
    "failed",
    "rollout-state",
    "rollout-waves",
    "report-json",
    "report-csv",
    "report-html",
    "tasks",
    "merged",
];
/// The longest `results`, in bytes. A later step takes it by one variable of its environment, and Linux caps a variable
/// at 131,072 bytes, its name included. The file that `results-file` names is never cut.
const MAX_RESULTS: usize = 130_000;
/// The longest `error-message`, in characters: as long as an annotation can be, and with all its bytes far below the
/// 131,072 that Linux allows for the variable of a later step.
const MAX_ERROR_MESSAGE: usize = 4096;
/// The longest `matrix`, in UTF-16 units. GitHub caps the outputs of a job at 1 MB, "approximated based on UTF-16
/// encoding", two bytes a unit; the other outputs of the job need room too,
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idoutputs>.
const MAX_MATRIX: usize = 450_000;

/// The outputs besides those of the outcomes; empty if there is nothing.
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
    /// The outputs of a report or of a rollout.
    pub own: &'a [(&'static str, String)],
}

/// The outputs as they are now. All keys are there at any time, empty if nothing is known. With several tasks those
/// of a single task are empty, `conclusion` is the gravest of all once all have one, and `error-message` sums up.
pub fn outputs(outcomes: &[Outcome], step: &StepOutputs<'_>) -> Vec<(&'static str, String)> {
    let single = match outcomes {
        [outcome] => serde_json::to_value(Entry::of(outcome, MAX_ERROR_MESSAGE)).ok(),
        _ => None,
    };
    let count = |is: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| is(outcome)).count().to_string();
    OUTPUTS
        .iter()
        .map(|name| {
            let value = match *name {
                "results" => results(outcomes, MAX_RESULTS, MAX_ERROR_MESSAGE),
                "results-file" => step.results_file.to_owned(),
                "matrix" => step.matrix.to_owned(),
                "audit-log" => step.audit_log.to_owned(),
                name if step.own.iter().any(|(other, _)| *other == name) => {
                    step.own.iter().filter(|(other, _)| *other == name).map(|(_, value)| value.clone()).collect()
                }
                "started" => count(&|outcome| outcome.created == Some(true)),
                "succeeded" => count(&|outcome| outcome.conclusion == Some(Conclusion::Success)),
                "failed" => count(&Outcome::is_failed),
                "conclusion" => gravest(outcomes),
                "error-message" if !step.error.is_empty() => cut(step.error, MAX_ERROR_MESSAGE),
                "error-message" if single.is_none() => cut(&messages::sum_up(outcomes), MAX_ERROR_MESSAGE),
                name => single.as_ref().map(|result| text(&result[name])).unwrap_or_default(),
            };
            (*name, value)
        })
        .collect()
}

/// The matrix as an output.
///
/// # Errors
/// If it is longer than GitHub lets a job hand to another, with the remedy.
pub fn matrix(matrix: &Value) -> Result<String, Problem> {
    let text = matrix.to_string();
    let units = text.encode_utf16().count();
    if units <= MAX_MATRIX {
        return Ok(text);
    }
    Err(Problem::new(
        "repositories",
        format!(
            "make a `matrix` of {units} characters, and GitHub takes at most {MAX_MATRIX}: shorten the list or its \
             variables, or leave the plan out and give each job of a fixed matrix the whole list and its `shard`, such \
             as `1/20`"
        ),
    ))
}

fn gravest(outcomes: &[Outcome]) -> String {
    let all = outcomes.iter().map(|outcome| outcome.conclusion).collect::<Option<Vec<_>>>();
    all.and_then(|all| all.into_iter().max()).map(|it| it.to_string()).unwrap_or_default()
}

/// The results of all tasks as a compact JSON array, whole.
pub fn all_results(outcomes: &[Outcome]) -> String {
    results(outcomes, usize::MAX, usize::MAX)
}

/// As many results as fit into `most` bytes, each whole but for its message.
fn results(outcomes: &[Outcome], most: usize, longest_message: usize) -> String {
    let mut text = "[".to_owned();
    for outcome in outcomes {
        let entry = Entry::of(outcome, longest_message);
        let result = serde_json::to_string(&entry).unwrap_or_else(|error| unreachable!("{error}"));
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

/// The result of one task under the names of the outputs; `null` if nothing is known.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Entry<'a> {
    repository: String,
    name: Option<&'a str>,
    task_id: Option<&'a str>,
    task_url: Option<&'a str>,
    state: Option<&'a str>,
    conclusion: Option<&'a str>,
    created: Option<bool>,
    pull_request_number: Option<u64>,
    pull_request_url: Option<&'a str>,
    accepted: Option<bool>,
    changed_files: Option<u64>,
    changed_lines: Option<u64>,
    checks: Option<&'a str>,
    stopped: Option<bool>,
    head_ref: Option<&'a str>,
    base_ref: Option<&'a str>,
    model: Option<&'a str>,
    credits: Option<String>,
    session_ids: Option<Vec<&'a str>>,
    prompt_sha256: Option<&'a str>,
    error_message: Option<String>,
    // These are there in a rollout only.
    #[serde(skip_serializing_if = "Option::is_none")]
    wave: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<usize>,
}

impl<'a> Entry<'a> {
    fn of(outcome: &'a Outcome, longest_message: usize) -> Self {
        let task = outcome.task.as_ref();
        let pull = outcome.pull.as_ref();
        let asked = outcome.asked.as_ref();
        let content = outcome.acceptance.as_ref().and_then(|acceptance| acceptance.content.as_ref());
        Self {
            repository: outcome.repository.to_string(),
            name: outcome.entry.as_deref(),
            task_id: outcome.task_id.as_ref().map(TaskId::as_str),
            task_url: task.and_then(|task| task.html_url.as_deref()),
            state: outcome.state().map(State::as_str),
            conclusion: outcome.conclusion.map(Conclusion::as_str),
            created: outcome.created,
            pull_request_number: pull.map(|pull| pull.number),
            pull_request_url: pull.map(|pull| pull.url.as_str()),
            accepted: outcome.accepted(),
            changed_files: content.map(|content| content.changed_files),
            changed_lines: content.map(|content| content.changed_lines),
            checks: outcome.acceptance.as_ref().and_then(Acceptance::checks).map(ChecksState::as_str),
            stopped: outcome.stopped(),
            head_ref: pull.map(|pull| pull.head_ref.as_str()).or(task.and_then(Task::head_ref)),
            base_ref: pull.map(|pull| pull.base_ref.as_str()).or(task.and_then(Task::base_ref)),
            model: task.and_then(Task::model).or(asked.and_then(|asked| asked.model.as_deref())),
            credits: task.and_then(Task::credits),
            session_ids: task.map(Task::session_ids).filter(|ids| !ids.is_empty()),
            prompt_sha256: outcome.prompt_sha256.as_deref(),
            error_message: outcome.error_message().map(|why| cut(&why, longest_message)),
            wave: outcome.rollout.map(|place| place.wave),
            rollout_status: outcome.rollout.map(|place| place.status.as_str()),
            attempts: outcome.rollout.map(|place| place.attempts),
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
mod tests;
