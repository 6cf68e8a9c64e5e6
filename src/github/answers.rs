//! What GitHub answers, cut down to what this program reads.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::github::task::Task;

/// What a look at a task brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskAnswer {
    /// The task, and the mark by which the next look can ask for changes only.
    Seen(Box<Task>, Option<String>),
    /// Nothing has changed since the mark that was sent. Such an answer does not count against the rate limit.
    Unchanged,
}

#[derive(Deserialize)]
pub(crate) struct TaskList {
    pub(super) tasks: Vec<Task>,
}

/// A page of tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskPage {
    /// The tasks, newest first.
    pub tasks: Vec<Task>,
    /// Whether there may be another page.
    pub more: bool,
    /// The time of the answer by GitHub's clock, where it tells.
    pub now: Option<Timestamp>,
}

impl TaskPage {
    /// How old a task was when GitHub answered, where it tells.
    pub fn age(&self, task: &Task) -> Option<Duration> {
        let age = self.now?.duration_since(task.created_at?);
        Some(Duration::try_from(age).unwrap_or_default())
    }
}

/// A page of what the search found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SearchPage {
    /// How many repositories there are in all. No more than a thousand can be read.
    #[serde(rename = "total_count")]
    pub total: u64,
    /// Whether the search gave up before it had looked everywhere.
    #[serde(rename = "incomplete_results", default)]
    pub is_incomplete: bool,
    /// The repositories of this page.
    pub items: Vec<FoundRepository>,
}

/// A repository as the search tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FoundRepository {
    /// Its name, `owner/name`.
    pub full_name: String,
}

/// What somebody may do in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollaboratorAccess {
    /// The id behind the login, where GitHub tells it.
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

/// Somebody as GitHub tells them of themselves, with what it says of the token that they came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatedUser {
    /// The id behind the login.
    pub id: u64,
    /// The login.
    pub login: String,
    /// The scopes of the token, where it is of a kind that has scopes.
    pub scopes: Option<Vec<String>>,
    /// When the token ends, as GitHub spells it; absent where it does not say.
    pub expires: Option<String>,
}

/// A repository as it is asked for by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryInfo {
    /// Its name, `owner/name`; another than was asked for where it was renamed.
    pub full_name: String,
    /// The branch that is meant where none is named.
    pub default_branch: String,
    /// Whether it is archived, so that nothing in it can change.
    pub archived: bool,
    /// Whether GitHub has disabled it.
    pub disabled: bool,
    /// Whether whoever asks may push to it, where GitHub tells.
    pub may_push: Option<bool>,
}

/// The settings of a repository's cloud agent; each is absent where GitHub does not tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentConfiguration {
    /// Whether its firewall is on.
    pub firewall: Option<bool>,
    /// Whether the firewall lets the hosts through that GitHub recommends.
    pub recommended_allowlist: Option<bool>,
    /// Whether the workflows of its pull requests wait for somebody's approval.
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
