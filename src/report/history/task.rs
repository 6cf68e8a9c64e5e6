//! One task of a report, with its pull request and its place in the list that people work from.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::github::pull_content::CheckResult;
use crate::github::pull_history::{PullHistory, PullState};
use crate::github::task::{Artifact, Phase, State, Task};
use crate::task::marker::Marker;
use crate::text::cut;

/// How much of a session's error is kept, in characters: about two lines.
const MAX_ERROR: usize = 300;
/// A billionth of an AI credit is the unit of the API, <https://docs.github.com/en/rest/agent-tasks/agent-tasks>.
const NANO: f64 = 1e9;

/// A moment, in the spelling of RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Time(#[cfg_attr(test, schemars(with = "String"))] pub Timestamp);

impl Time {
    /// The seconds from an earlier moment; zero where it is a later one.
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.duration_since(earlier.0).as_secs()).unwrap_or_default()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Where a task is in the list that people work from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Place {
    /// The agent waits for a person, or it gave up and left a pull request open.
    NeedsPerson,
    /// The agent has completed, and its pull request is open.
    ReadyForReview,
    /// Task or pull request are open, and nothing has happened to either for a while.
    Stale,
    /// The agent has pushed commits to a branch, and there is no pull request.
    Orphan,
    /// It cannot be said, because the pull request or the branch may not be read.
    Unreadable,
    /// The agent is at work.
    Working,
    /// The pull request was merged.
    Merged,
    /// Nothing is left to do: the pull request was closed and not merged, or the task ended without one.
    Closed,
}

impl Place {
    /// All places; what needs a person comes first.
    pub const ALL: [Self; 8] = [
        Self::NeedsPerson,
        Self::ReadyForReview,
        Self::Stale,
        Self::Orphan,
        Self::Unreadable,
        Self::Working,
        Self::Merged,
        Self::Closed,
    ];

    /// The word in the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeedsPerson => "needs-person",
            Self::ReadyForReview => "ready-for-review",
            Self::Stale => "stale",
            Self::Orphan => "orphan",
            Self::Unreadable => "unreadable",
            Self::Working => "working",
            Self::Merged => "merged",
            Self::Closed => "closed",
        }
    }

    /// The word for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::NeedsPerson => "needs a person",
            Self::ReadyForReview => "ready for review",
            other => other.as_str(),
        }
    }

    /// Whether there is something left to do.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Merged | Self::Closed)
    }
}

/// A part of a task that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Unreadable {
    /// Its sessions: class, versions, model, credits and duration are unknown.
    Sessions,
    /// Its pull request.
    PullRequest,
    /// Its branch: whether it has commits is unknown.
    Branch,
    /// The checks of its pull request.
    Checks,
    /// The authors of the commits of its pull request.
    Commits,
}

impl Unreadable {
    /// The word in the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::PullRequest => "pull-request",
            Self::Branch => "branch",
            Self::Checks => "checks",
            Self::Commits => "commits",
        }
    }
}

/// A task. What is not known is absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TaskRow {
    /// The id.
    pub id: String,
    /// The page.
    pub url: Option<String>,
    /// What GitHub calls it, made from the prompt.
    pub name: Option<String>,
    /// The repository, as `owner/name`.
    pub repository: Option<String>,
    /// The state, in the API's spelling.
    pub state: String,
    /// The place in the list that people work from.
    pub place: Place,
    /// When it was created.
    pub created_at: Option<Time>,
    /// When it last changed.
    pub updated_at: Option<Time>,
    /// The id of the user who created it.
    pub creator: Option<u64>,
    /// The task class.
    pub class: Option<String>,
    /// The version of the prompt.
    pub prompt_version: Option<String>,
    /// The hash of the prompt's template.
    pub template: Option<String>,
    /// The rollout.
    pub rollout: Option<String>,
    /// The page of the workflow run that started it.
    pub run: Option<String>,
    /// The actor of that run.
    pub actor: Option<String>,
    /// The model of the newest session.
    pub model: Option<String>,
    /// The ids of the sessions, oldest first: `agent_session_id` in the enterprise's audit log.
    pub sessions: Vec<String>,
    /// How long the sessions took together, in seconds.
    pub duration: Option<u64>,
    /// The AI credits of all sessions together, not rounded.
    pub credits: Option<f64>,
    /// The newest error of a session.
    pub error: Option<String>,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
    /// The pull request.
    pub pull_request: Option<PullRow>,
}

/// The pull request of a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PullRow {
    /// The number.
    pub number: u64,
    /// The page.
    pub url: String,
    /// The title.
    pub title: String,
    /// `open`, `closed` or `merged`.
    pub state: PullWord,
    /// Whether it is a draft.
    pub draft: bool,
    /// When it was opened.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// When it was merged.
    pub merged_at: Option<Time>,
    /// The time to the first review of a person, in seconds.
    pub first_review: Option<u64>,
    /// The time from opening to merge, in seconds.
    pub time_to_merge: Option<u64>,
    /// The time from the task's creation to the merge, in seconds.
    pub lead_time: Option<u64>,
    /// How many files it changes.
    pub files: u64,
    /// How many lines it adds and deletes.
    pub lines: u64,
    /// How many reviews it has.
    pub reviews: u64,
    /// How many threads its reviews began.
    pub review_threads: u64,
    /// `success`, `failure`, `pending` or `none`.
    pub checks: Option<String>,
    /// How many commits it has.
    pub commits: u64,
    /// How many commits of people follow the agent's first.
    pub rework_commits: Option<u64>,
    /// Whether a merged pull request reverts it.
    pub reverted: bool,
}

/// Whether a pull request is open, and how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum PullWord {
    /// It is open.
    Open,
    /// It was closed and not merged.
    Closed,
    /// It was merged.
    Merged,
}

impl PullWord {
    /// The word in the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Merged => "merged",
        }
    }
}

/// What identifies the pull request of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PullId {
    /// The row in GitHub's database.
    pub database_id: Option<u64>,
    /// The id in the GraphQL API.
    pub node_id: Option<String>,
}

/// A task, and what leads to its pull request.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskFacts {
    /// The task itself.
    pub row: TaskRow,
    /// The id of its repository.
    pub repository_id: Option<u64>,
    /// Its pull request.
    pub pull: Option<PullId>,
    /// The branch that the agent commits to.
    pub head_ref: Option<String>,
    /// The branch that the work is meant for.
    pub base_ref: Option<String>,
    /// How many commits the branch has, where that was asked for.
    pub branch_commits: Option<u64>,
}

impl TaskFacts {
    /// What an answer says about a task. The marker that counts is that of the first prompt: the creator's.
    pub fn of(task: &Task) -> Self {
        let marker = task.prompt().and_then(Marker::find);
        let marked = |field: fn(&Marker) -> &String| marker.as_ref().map(field).filter(|it| !it.is_empty()).cloned();
        let spans = task.sessions.iter().map(|it| Some(Time(it.completed_at?).since(Time(it.created_at?))));
        #[expect(clippy::cast_precision_loss, reason = "a task with a million credits still has six exact digits")]
        let credits = task.nano_credits().map(|nano| nano as f64 / NANO);
        let row = TaskRow {
            id: task.id.to_string(),
            url: task.html_url.clone(),
            name: task.name.clone(),
            repository: None,
            state: task.state.to_string(),
            place: Place::Unreadable,
            created_at: task.created_at.map(Time),
            updated_at: task.updated_at.map(Time),
            creator: task.user(),
            class: marked(|marker| &marker.class),
            prompt_version: marked(|marker| &marker.version),
            template: marked(|marker| &marker.template),
            rollout: marked(|marker| &marker.rollout),
            run: marked(|marker| &marker.run),
            actor: marked(|marker| &marker.actor),
            model: task.model().map(str::to_owned),
            sessions: task.session_ids().into_iter().map(str::to_owned).collect(),
            duration: spans.sum::<Option<u64>>().filter(|_| !task.sessions.is_empty()),
            credits,
            error: task.error_message().map(|error| cut(error, MAX_ERROR)),
            unreadable: Vec::new(),
            pull_request: None,
        };
        // There may be several; the newest is the last.
        let pull = task.artifacts.iter().rev().find_map(|artifact| match artifact {
            Artifact::Pull { database_id, node_id } if database_id.is_some() || node_id.is_some() => {
                Some(PullId { database_id: *database_id, node_id: node_id.clone() })
            }
            _ => None,
        });
        Self {
            row,
            repository_id: task.repository_id,
            pull,
            head_ref: task.head_ref().map(str::to_owned),
            base_ref: task.base_ref().map(str::to_owned),
            branch_commits: None,
        }
    }

    /// What the state means.
    pub fn phase(&self) -> Phase {
        State::from(self.row.state.as_str()).phase()
    }

    /// Notes that a part could not be read.
    pub fn lacks(&mut self, part: Unreadable) {
        let parts = &mut self.row.unreadable;
        if !parts.contains(&part) {
            parts.insert(parts.iter().take_while(|other| **other < part).count(), part);
        }
    }

    /// Adds what happened to the pull request.
    pub fn add_pull(&mut self, pull: &PullHistory) {
        let (created, merged) = (Time(pull.created_at), pull.merged_at.map(Time));
        let asked = Time(pull.ready_at.unwrap_or(pull.created_at));
        let checks = match &pull.checks {
            Ok(Some(CheckResult::Success)) => Some("success"),
            Ok(Some(CheckResult::Failure)) => Some("failure"),
            Ok(Some(CheckResult::Pending | CheckResult::ActionRequired)) => Some("pending"),
            Ok(None) => Some("none"),
            Err(_) => None,
        };
        if checks.is_none() {
            self.lacks(Unreadable::Checks);
        }
        if pull.rework_commits.is_none() {
            self.lacks(Unreadable::Commits);
        }
        self.row.repository.get_or_insert_with(|| pull.repository.clone());
        self.row.pull_request = Some(PullRow {
            number: pull.number,
            url: pull.url.clone(),
            title: pull.title.clone(),
            state: match pull.state {
                PullState::Open => PullWord::Open,
                PullState::Closed => PullWord::Closed,
                PullState::Merged => PullWord::Merged,
            },
            draft: pull.is_draft,
            created_at: created,
            updated_at: Time(pull.updated_at),
            merged_at: merged,
            first_review: pull.first_review_at.map(|review| Time(review).since(asked)),
            time_to_merge: merged.map(|merged| merged.since(created)),
            lead_time: merged.zip(self.row.created_at).map(|(merged, began)| merged.since(began)),
            files: pull.changed_files,
            lines: pull.changed_lines,
            reviews: pull.reviews,
            review_threads: pull.review_threads,
            checks: checks.map(str::to_owned),
            commits: pull.commits,
            rework_commits: pull.rework_commits,
            reverted: pull.is_reverted,
        });
    }

    /// The task with its place in the list.
    pub fn placed(mut self, now: Timestamp, stale_after: Duration) -> TaskRow {
        self.row.place = self.place(Time(now), stale_after);
        self.row
    }

    fn place(&self, now: Time, stale_after: Duration) -> Place {
        let (row, pull) = (&self.row, self.row.pull_request.as_ref());
        let state = pull.map(|pull| pull.state);
        let phase = self.phase();
        let place = match (phase, state) {
            (_, Some(PullWord::Merged)) => return Place::Merged,
            (Phase::Running, _) => Place::Working,
            (_, Some(PullWord::Closed)) => return Place::Closed,
            (Phase::NeedsPerson, _) => Place::NeedsPerson,
            (Phase::Settled, Some(PullWord::Open)) if row.state == State::Completed.as_str() => Place::ReadyForReview,
            (Phase::Settled, Some(PullWord::Open)) => Place::NeedsPerson,
            (Phase::Settled, None) => {
                let unknown = [Unreadable::Sessions, Unreadable::PullRequest, Unreadable::Branch];
                return match self.branch_commits {
                    _ if row.unreadable.iter().any(|part| unknown.contains(part)) => Place::Unreadable,
                    Some(1..) => Place::Orphan,
                    _ => Place::Closed,
                };
            }
        };
        let touched = [row.created_at, row.updated_at, pull.map(|pull| pull.updated_at)].into_iter().flatten().max();
        let is_stale = touched.is_some_and(|touched| now.since(touched) >= stale_after.as_secs());
        if is_stale { Place::Stale } else { place }
    }
}
