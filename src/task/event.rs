//! What happens to a task.

use std::time::Duration;

use crate::github::error::Error;
use crate::github::pull_request::PullRequest;
use crate::github::repository::Repository;
use crate::github::task::Task;
use crate::task::acceptance::Acceptance;
use crate::task::conclusion::Refusal;
use crate::task::pull_request::NoPullRequest;
use crate::task::start::ActiveScope;
use crate::task::stop::{StopEnd, StopReason};
use crate::task::wait::WaitEnd;

/// Why a task that exists already is adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adoption {
    /// The start was not answered, and this is the task that it created.
    Unanswered,
    /// An earlier attempt of the run started it, or another run with the same key.
    SameKey,
    /// It is active under the same name, and the user asks to attach.
    Active,
}

/// Something that happens to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// GitHub refused a model, and the next on the list is tried.
    ModelRefused {
        /// The refused model; `None` is GitHub's choice.
        model: Option<String>,
        /// GitHub's words.
        said: String,
        /// The model that is tried next.
        next: Option<String>,
    },
    /// GitHub limits the rate.
    Limited {
        /// GitHub's words.
        why: String,
        /// The time until the next request.
        wait: Duration,
    },
    /// The start did not leave this machine and is tried again.
    NotSent {
        /// The network's error.
        why: String,
        /// The time until the next try.
        wait: Duration,
    },
    /// Before anything is sent, a task that was started earlier is searched for.
    SearchingBefore {
        /// Whether for as long as lists may lag, or with one search.
        thoroughly: bool,
        /// The longest time that it takes.
        within: Duration,
    },
    /// The start was not answered, and its task is searched for.
    NotAnswered {
        /// What came instead of an answer.
        why: String,
        /// The shortest time that it takes.
        within: Duration,
    },
    /// A start that was not answered created no task, and is sent once more.
    SentAgain,
    /// The task exists now.
    Started(Box<Task>),
    /// A task that exists already is adopted.
    Adopted(Box<Task>, Adoption),
    /// Nothing is started because of an active task.
    Declined {
        /// The active task.
        task: Box<Task>,
        /// Whether the step fails.
        failing: bool,
        /// The scope that the task is in.
        scope: ActiveScope,
    },
    /// The repository has another name than the one that was given.
    Moved {
        /// The name that was given.
        from: Repository,
        /// The name that it has today.
        to: Repository,
        /// Whether the step has a task for it already, so that nothing is started.
        is_listed: bool,
        /// Whether that task has another prompt, so that this one is missing.
        differs: bool,
    },
    /// One of the user's own rules refuses the start.
    Refused(Refusal),
    /// Nothing is started, for this reason of the template.
    Skipped(String),
    /// Nothing is started because of other tasks, for this reason.
    HeldBack(String),
    /// The task as it was seen.
    Saw(Box<Task>),
    /// A poll was not answered.
    PollFailed(String),
    /// Polls are answered again.
    PollRecovered,
    /// Nothing new for a while; the wait continues.
    StillWaiting,
    /// The pull request.
    PullFound(PullRequest),
    /// What decides about the pull request is not known yet, for this reason.
    AwaitingAcceptance(String),
    /// The pull request was compared with what was expected.
    Compared(Box<Acceptance>),
    /// No pull request.
    NoPull(NoPullRequest),
    /// The task is to be stopped.
    Stopping(StopReason),
    /// A run of the task was cancelled.
    Cancelled {
        /// The run's id.
        run: u64,
        /// Whether by force.
        by_force: bool,
        /// Whether GitHub accepts that.
        is_accepted: bool,
    },
    /// The stop is over.
    StopEnded(StopEnd),
    /// The wait is over.
    Ended(WaitEnd),
    /// The task cannot be started or followed any further.
    Failed(Error),
    /// A start was sent, and it is not known whether it created a task.
    Unconfirmed(String),
    /// Nothing was sent, because a task that cannot be read may be the start's own.
    Undecided(String),
    /// A signal ends the process.
    Interrupted {
        /// Whether a start was sent that was not answered yet.
        in_flight: bool,
    },
}
