//! What was read of settled tasks, kept for the next report.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::actions::host::Host;
use crate::github::task::Phase;
use crate::inputs::problem::Problem;
use crate::report::history::task::{Place, TaskFacts, TaskRow, Unreadable};

/// Changes with what is kept of a task, so that an older file is not taken for a newer one.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    tasks: Vec<TaskFacts>,
}

/// The tasks in the file, by id; none where there is no file, or one of another version.
///
/// # Errors
/// Where the path leads out of the workspace.
pub(super) fn load(host: &Host, path: &str) -> Result<HashMap<String, TaskFacts>, Problem> {
    let text =
        host.kept(path).map_err(|error| Problem::shown("report-cache", path, format!("cannot be used: {error:#}")))?;
    let kept = text.and_then(|text| serde_json::from_str::<Kept>(&text).ok()).filter(|kept| kept.version == VERSION);
    let tasks = kept.map(|kept| kept.tasks).unwrap_or_default();
    Ok(tasks.into_iter().map(|task| (task.row.id.clone(), task)).collect())
}

/// Writes the settled tasks that were read whole. Their pull requests are read anew each time: a person can still merge
/// or revert them.
///
/// # Errors
/// Where the file cannot be written.
pub(super) fn save(host: &Host, path: &str, tasks: &[TaskFacts]) -> anyhow::Result<()> {
    let settled = tasks.iter().filter(|task| {
        task.phase() == Phase::Settled
            && task.row.updated_at.is_some()
            && !task.row.unreadable.contains(&Unreadable::Sessions)
    });
    let bare = settled.map(|task| TaskFacts {
        row: TaskRow { place: Place::Unreadable, unreadable: Vec::new(), pull_request: None, ..task.row.clone() },
        ..task.clone()
    });
    host.keep(path, &serde_json::to_string(&Kept { version: VERSION, tasks: bare.collect() })?)
}
