//! GitHub's answers, reduced to what this program reads.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::github::task::Task;

/// The answer to a request for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskAnswer {
    /// The task, and the ETag with which the next request can ask for changes only.
    Seen(Box<Task>, Option<String>),
    /// Nothing has changed since the ETag that was sent. Such an answer does not count against the rate limit.
    Unchanged,
}

#[derive(Deserialize)]
pub(crate) struct TaskList {
    pub(super) tasks: Vec<Task>,
    pub(super) total_active_count: Option<u64>,
    pub(super) total_archived_count: Option<u64>,
}

/// A page of tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskPage {
    /// The tasks, newest first.
    pub tasks: Vec<Task>,
    /// How many tasks the whole list has, archived ones or the others, whatever their state.
    pub total: Option<u64>,
    /// Whether there may be another page.
    pub more: bool,
    /// The time of the answer by GitHub's clock.
    pub now: Option<Timestamp>,
    /// What GitHub left out of the list, and why.
    pub left_out: Option<String>,
}

impl TaskPage {
    /// How old a task was when GitHub answered; `None` if the answer does not say.
    pub fn age(&self, task: &Task) -> Option<Duration> {
        let age = self.now?.duration_since(task.created_at?);
        Some(Duration::try_from(age).unwrap_or_default())
    }
}

/// A page of what a search found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SearchPage {
    /// How many repositories there are in all. At most a thousand can be read.
    #[serde(rename = "total_count")]
    pub total: u64,
    /// Whether the search gave up before it had looked everywhere.
    #[serde(rename = "incomplete_results", default)]
    pub is_incomplete: bool,
    /// The repositories of this page.
    pub items: Vec<FoundRepository>,
}

/// A repository that a search found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FoundRepository {
    /// Its name, `owner/name`.
    pub full_name: String,
}

/// A run of GitHub Actions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WorkflowRun {
    /// What identifies it.
    pub id: u64,
    /// The path of its workflow, which says what runs: a run's name has changed over time.
    pub path: String,
    /// The branch that it runs for.
    #[serde(rename = "head_branch")]
    pub branch: Option<String>,
    /// `completed` once it has ended.
    pub status: Option<String>,
    /// The repository that it runs in, under its name of today.
    pub repository: RunRepository,
}

/// The repository of a run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RunRepository {
    /// Its name, `owner/name`.
    pub full_name: String,
}

impl WorkflowRun {
    /// Whether it has not ended. A status that this version does not know counts as running.
    pub fn is_live(&self) -> bool {
        self.status.as_deref() != Some("completed")
    }
}

#[derive(Deserialize)]
pub(crate) struct RunPage {
    pub(super) workflow_runs: Vec<WorkflowRun>,
}

/// What a user may do in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollaboratorAccess {
    /// The id behind the login.
    pub id: Option<u64>,
    /// `admin`, `write`, `read` or `none`. Roles in between and custom ones count as the one that they build on.
    pub permission: String,
    /// The role's own name, for people to read.
    pub role: String,
}

impl CollaboratorAccess {
    /// Whether that is enough to push to the repository.
    pub fn may_write(&self) -> bool {
        matches!(self.permission.as_str(), "admin" | "write")
    }
}

/// The user of a token, with what GitHub says about the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatedUser {
    /// The id behind the login.
    pub id: u64,
    /// The login.
    pub login: String,
    /// The scopes of the token, if it is of a kind that has scopes.
    pub scopes: Option<Vec<String>>,
    /// When the token expires, in GitHub's spelling.
    pub expires: Option<String>,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryInfo {
    /// Its id, which stays where the name changes.
    pub id: Option<u64>,
    /// Its name today, `owner/name`. It differs from the one that was asked for if the repository was renamed.
    pub full_name: String,
    /// The default branch.
    pub default_branch: String,
    /// Whether it is archived, so nothing in it can change.
    pub archived: bool,
    /// Whether GitHub has disabled it.
    pub disabled: bool,
    /// Whether the token's owner may push to it.
    pub may_push: Option<bool>,
}

/// The settings of a repository's cloud agent; `None` if GitHub does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentConfiguration {
    /// Whether its firewall is on.
    pub firewall: Option<bool>,
    /// Whether the firewall lets through the hosts that GitHub recommends.
    pub recommended_allowlist: Option<bool>,
    /// Whether the workflows of its pull requests wait for a person's approval.
    pub workflow_approval: Option<bool>,
    /// Its tools by their names, and whether they are on.
    pub tools: Vec<(String, bool)>,
}

/// What GitHub Actions may do in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionsPermissions {
    /// Whether there are workflows at all.
    pub enabled: bool,
    /// Which actions they may use: `all`, `local_only` or `selected`.
    pub allowed: Option<String>,
}
