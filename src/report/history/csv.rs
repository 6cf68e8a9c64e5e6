//! The tasks as a table for spreadsheets, <https://www.rfc-editor.org/rfc/rfc4180>.

use crate::report::history::task::{Place, PullRow, TaskRow, Time, Unreadable};
use crate::text::harmless;

/// The columns. Names of two words are those of `report.json`.
const COLUMNS: [&str; 39] = [
    "id",
    "url",
    "name",
    "repository",
    "state",
    "place",
    "created-at",
    "updated-at",
    "creator",
    "class",
    "prompt-version",
    "template",
    "rollout",
    "run",
    "actor",
    "model",
    "sessions",
    "duration",
    "credits",
    "error",
    "unreadable",
    "pull-request",
    "pull-request-url",
    "title",
    "pull-request-state",
    "draft",
    "opened-at",
    "merged-at",
    "first-review",
    "time-to-merge",
    "lead-time",
    "files",
    "lines",
    "reviews",
    "review-threads",
    "checks",
    "commits",
    "rework-commits",
    "reverted",
];

/// The table, with a head.
pub fn csv(tasks: &[TaskRow]) -> String {
    let mut text = line(COLUMNS.map(str::to_owned));
    for task in tasks {
        text.push_str(&line(cells(task)));
    }
    text
}

fn cells(task: &TaskRow) -> [String; 39] {
    let plain = |text: &Option<String>| text.clone().unwrap_or_default();
    let time = |time: Option<Time>| time.map(|time| time.to_string()).unwrap_or_default();
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let pull = task.pull_request.as_ref();
    let of_pull = |field: fn(&PullRow) -> String| pull.map(field).unwrap_or_default();
    let count = |field: fn(&PullRow) -> Option<u64>| number(pull.and_then(field));
    [
        task.id.clone(),
        plain(&task.url),
        plain(&task.name),
        plain(&task.repository),
        task.state.clone(),
        Place::as_str(task.place).to_owned(),
        time(task.created_at),
        time(task.updated_at),
        number(task.creator),
        plain(&task.class),
        plain(&task.prompt_version),
        plain(&task.template),
        plain(&task.rollout),
        plain(&task.run),
        plain(&task.actor),
        plain(&task.model),
        task.sessions.join(" "),
        number(task.duration),
        task.credits.map(|credits| credits.to_string()).unwrap_or_default(),
        plain(&task.error),
        task.unreadable.iter().map(|part| Unreadable::as_str(*part)).collect::<Vec<_>>().join(" "),
        count(|pull| Some(pull.number)),
        of_pull(|pull| pull.url.clone()),
        of_pull(|pull| pull.title.clone()),
        of_pull(|pull| pull.state.as_str().to_owned()),
        of_pull(|pull| pull.draft.to_string()),
        time(pull.map(|pull| pull.created_at)),
        time(pull.and_then(|pull| pull.merged_at)),
        count(|pull| pull.first_review),
        count(|pull| pull.time_to_merge),
        count(|pull| pull.lead_time),
        count(|pull| Some(pull.files)),
        count(|pull| Some(pull.lines)),
        count(|pull| Some(pull.reviews)),
        count(|pull| Some(pull.review_threads)),
        of_pull(|pull| pull.checks.clone().unwrap_or_default()),
        count(|pull| Some(pull.commits)),
        count(|pull| pull.rework_commits),
        of_pull(|pull| pull.reverted.to_string()),
    ]
}

fn line(cells: [String; 39]) -> String {
    cells.map(|cell| field(&cell)).join(",") + "\r\n"
}

/// A field that no spreadsheet takes for a formula, <https://owasp.org/www-community/attacks/CSV_Injection>.
fn field(text: &str) -> String {
    let text = harmless(text);
    // A reader can leave out white space before the sign.
    let guard = if text.trim_start().starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    if text.contains([',', '"']) || !guard.is_empty() {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_is_no_formula_and_stays_one_field() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a,b \"c\"", "\"a,b \"\"c\"\"\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("\t=1", "\"' =1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@x", "\"'@x\""),
            ("a\r\n=1", "a  =1"),
        ] {
            assert_eq!(field(text), expected);
        }
    }
}
