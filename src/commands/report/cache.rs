//! What was read of settled tasks, kept for the next report in the form in which GitHub gave it.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::actions::host::Host;
use crate::commands;
use crate::github::task::{Artifact, Phase, Task};
use crate::inputs::problem::Problem;
use crate::task::marker::Marker;

/// The tasks in the file, by id; none if there is no file, or something else in it.
///
/// # Errors
/// If the path leads out of the workspace.
pub(super) fn load(host: &Host, path: &str) -> Result<HashMap<String, Task>, Problem> {
    let kept = commands::kept(host, "report-cache", path)?;
    // Read as an answer is: another way to read a task is 10 kB of the binary.
    let read = |task: &Value| serde_json::from_slice::<Task>(task.to_string().as_bytes()).ok();
    let tasks = kept.as_array().into_iter().flatten().filter_map(read);
    Ok(tasks.map(|task| (task.id.to_string(), task)).collect())
}

/// Writes the settled tasks. Their pull requests are not among what is kept: a person can still merge or revert them.
///
/// # Errors
/// If the file cannot be written.
pub(super) fn save(host: &Host, path: &str, tasks: &[Task]) -> anyhow::Result<()> {
    let settled = tasks.iter().filter(|task| task.state.phase() == Phase::Settled && !task.sessions.is_empty());
    host.keep(path, &Value::from_iter(settled.map(kept)).to_string())
}

/// What a report reads of a task. Of its prompts only the marker is kept.
fn kept(task: &Task) -> Value {
    let time = |time: Option<jiff::Timestamp>| time.map(|time| time.to_string());
    let artifacts = task.artifacts.iter().filter_map(|artifact| match artifact {
        Artifact::Pull { database_id, node_id } => {
            Some(json!({"type": "pull", "data": {"id": database_id, "global_id": node_id}}))
        }
        Artifact::Branch { head_ref, base_ref } => {
            Some(json!({"type": "branch", "data": {"head_ref": head_ref, "base_ref": base_ref}}))
        }
        Artifact::Other => None,
    });
    let sessions = task.sessions.iter().map(|session| {
        let marker = session.prompt.as_deref().and_then(Marker::find).map(|marker| marker.to_string());
        let usage = session.usage.as_ref().map(|usage| json!({"type": usage.unit, "amount": usage.amount}));
        json!({
            "id": session.id,
            "created_at": time(session.created_at),
            "completed_at": time(session.completed_at),
            // An empty prompt is known not to have a marker.
            "prompt": session.prompt.as_ref().map(|_| marker.unwrap_or_default()),
            "head_ref": session.head_ref,
            "base_ref": session.base_ref,
            "model": session.model,
            "error": session.error.as_ref().map(|error| json!({"message": error.message})),
            "usage": usage,
        })
    });
    json!({
        "id": task.id.as_str(),
        "state": task.state.as_str(),
        "created_at": time(task.created_at),
        "updated_at": time(task.updated_at),
        "name": task.name,
        "html_url": task.html_url,
        "repository": task.repository_id,
        "creator": task.user().map(|id| json!({"id": id})),
        "artifacts": artifacts.collect::<Vec<_>>(),
        "sessions": sessions.collect::<Vec<_>>(),
    })
}
