//! Which pull request is a task's, and why there may be none.

use std::fmt;

use crate::github::error::RateLimit;
use crate::github::pull_request::PullRequest;
use crate::github::task::{Artifact, Task};

/// Why there is no pull request number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPullRequest {
    /// `create-pull-request` is false.
    NotAskedFor,
    /// The task made none.
    NotMade,
    /// There is one, and its number could not be read.
    Hidden(String),
    /// None of the tokens may read pull requests.
    MayNotRead(String),
    /// A rate limit keeps it from being read for now.
    Limited(RateLimit),
    /// Several fit.
    Undecided(usize),
}

impl NoPullRequest {
    /// Whether there may be a pull request.
    pub fn leaves_it_unknown(&self) -> bool {
        matches!(self, Self::Hidden(_) | Self::MayNotRead(_) | Self::Limited(_) | Self::Undecided(_))
    }
}

impl fmt::Display for NoPullRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAskedFor => write!(f, "no pull request: none was asked for (`create-pull-request: false`)"),
            Self::NotMade => write!(f, "no pull request: the task created none"),
            Self::Hidden(why) | Self::MayNotRead(why) => write!(f, "the pull request's number is not known: {why}"),
            Self::Limited(limit) => write!(f, "the pull request's number is not known: {limit}"),
            Self::Undecided(count) => {
                write!(
                    f,
                    "the pull request's number is not known: {count} come from the task's branch, and the API does not say which is the task's"
                )
            }
        }
    }
}

/// What a task says about its pull request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PullRequestHints {
    /// Ids for the GraphQL API, newest artifact first.
    pub node_ids: Vec<String>,
    /// Rows in GitHub's database, newest artifact first.
    pub database_ids: Vec<u64>,
    /// The branch that it would come from.
    pub head_ref: Option<String>,
    /// The branch that it would be meant for.
    pub base_ref: Option<String>,
}

impl PullRequestHints {
    /// Reads the hints from a task.
    pub fn of(task: &Task) -> Self {
        let mut hints = Self {
            head_ref: task.head_ref().map(str::to_owned),
            base_ref: task.base_ref().map(str::to_owned),
            ..Self::default()
        };
        for artifact in task.artifacts.iter().rev() {
            if let Artifact::Pull { database_id, node_id } = artifact {
                hints.node_ids.extend(node_id.clone());
                hints.database_ids.extend(*database_id);
            }
        }
        hints
    }

    /// Whether an artifact says that there is a pull request, so that not finding one is worth another poll.
    pub fn promise_a_pull(&self) -> bool {
        !self.node_ids.is_empty() || !self.database_ids.is_empty()
    }

    /// The pull request of a list that fits the hints. An id decides. Without any id the branch does, if only one pull
    /// request comes from it: a branch can have had several, one after the other.
    pub fn pick<'a>(&self, listed: &'a [PullRequest]) -> Option<&'a PullRequest> {
        let by_id = |pull: &&PullRequest| {
            pull.database_id.is_some_and(|id| self.database_ids.contains(&id))
                || pull.node_id.as_ref().is_some_and(|id| self.node_ids.contains(id))
        };
        let meant = listed.iter().filter(by_id).collect::<Vec<_>>();
        if !meant.is_empty() {
            return self.best(meant);
        }
        if self.promise_a_pull() {
            return None;
        }
        let from_branch = |pull: &&PullRequest| {
            self.head_ref.as_deref() == Some(pull.head_ref.as_str())
                && self.base_ref.as_deref().is_none_or(|base| base == pull.base_ref)
        };
        let mut candidates = listed.iter().filter(from_branch);
        candidates.next().filter(|_| candidates.next().is_none())
    }

    /// The one to report where a task has several: that of its branch before others, an open one before a closed one,
    /// the newest before older ones.
    pub fn best<'a>(&self, pulls: impl IntoIterator<Item = &'a PullRequest>) -> Option<&'a PullRequest> {
        let of_branch = |pull: &PullRequest| self.head_ref.as_deref() == Some(pull.head_ref.as_str());
        pulls.into_iter().max_by_key(|pull| (of_branch(pull), pull.open, pull.number))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::task::pull_request::PullRequestHints;

    use super::*;

    fn pull(number: u64, database_id: u64, head: &str, base: &str, open: bool) -> PullRequest {
        PullRequest {
            database_id: Some(database_id),
            node_id: Some(format!("PR_{database_id}")),
            head_ref: head.to_owned(),
            base_ref: base.to_owned(),
            open,
            ..PullRequest::sample("octo/app", number)
        }
    }

    fn hints(artifacts: serde_json::Value) -> PullRequestHints {
        let task = json!({"id": "t", "state": "completed", "artifacts": artifacts,
            "sessions": [{"head_ref": "copilot/a", "base_ref": "main"}, {"head_ref": "", "base_ref": ""}]});
        PullRequestHints::of(&serde_json::from_value(task).unwrap())
    }

    #[test]
    fn hints_ignore_placeholders() {
        let read = hints(json!([{"type": "pull", "data": {}}]));
        assert!(!read.promise_a_pull());
        assert_eq!(read.head_ref.as_deref(), Some("copilot/a"));
    }

    #[test]
    fn hints_follow_the_id_to_a_closed_pull_request() {
        let read = hints(json!([{"type": "pull", "data": {"id": 900, "global_id": ""}}]));
        let listed = [pull(7, 800, "copilot/a", "main", true), pull(6, 900, "copilot/a", "main", false)];
        assert_eq!(read.pick(&listed).map(|pull| pull.number), Some(6));
        assert_eq!(read.pick(&listed[..1]), None, "another pull request of the branch is not ours");
    }

    #[test]
    fn hints_without_an_id_need_a_single_pull_request() {
        let read = hints(json!([]));
        let ours = pull(6, 900, "copilot/a", "main", true);
        let other_base = pull(7, 901, "copilot/a", "develop", true);
        let second = pull(8, 902, "copilot/a", "main", false);
        assert_eq!(read.pick(&[ours.clone(), other_base.clone()]).map(|pull| pull.number), Some(6));
        assert_eq!(read.pick(&[ours, second]), None);
        assert_eq!(read.pick(&[other_base]), None);
    }

    #[test]
    fn hints_prefer_the_tasks_branch() {
        let read = hints(json!([{"type": "pull", "data": {"id": 1}}, {"type": "pull", "data": {"id": 2}}]));
        let listed = [pull(9, 2, "other", "main", true), pull(4, 1, "copilot/a", "main", false)];
        assert_eq!(read.pick(&listed).map(|pull| pull.number), Some(4));
    }
}
