//! What happens to a task.

use std::time::Duration;

use crate::github::error::Error;
use crate::github::pull_request::PullRequest;
use crate::github::repository::Repository;
use crate::github::task::Task;
use crate::task::conclusion::Refusal;
use crate::task::pull_request::NoPullRequest;
use crate::task::wait::WaitEnd;

/// Why a task that exists already is taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adoption {
    /// The start was not answered, and this is what came of it.
    Unanswered,
    /// An earlier attempt of the run started it, or another run with the same key.
    SameKey,
    /// It is active under the same name, and the user asked to attach.
    Active,
}

/// Something that happens to an order. Each becomes a line in the log and changes what is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// GitHub refused a model, and the next on the list is tried.
    ModelRefused {
        /// What was asked for; `None` is GitHub's choice.
        model: Option<String>,
        /// GitHub's words.
        said: String,
        /// What is tried now.
        next: Option<String>,
    },
    /// GitHub wants us to stay away for a while.
    Limited {
        /// What GitHub said.
        why: String,
        /// How long we stay away.
        wait: Duration,
    },
    /// The start did not leave this machine and is tried again.
    NotSent {
        /// What the network said.
        why: String,
        /// After how long.
        wait: Duration,
    },
    /// Before anything is sent, a task that was started earlier is looked for.
    LookingFirst {
        /// Whether for as long as lists may lag, or with one look.
        thoroughly: bool,
        /// For how long at most.
        within: Duration,
    },
    /// The start was not answered, and what came of it is looked for.
    NotAnswered {
        /// What came instead of an answer.
        why: String,
        /// For how long at least.
        within: Duration,
    },
    /// Nothing came of a start that was not answered, and it is sent once more.
    SentAgain,
    /// The task exists now.
    Started(Box<Task>),
    /// A task that exists already is taken up.
    Adopted(Box<Task>, Adoption),
    /// Nothing is started, because of an active task; `failing` says that this is a failure.
    Declined {
        /// The active task.
        task: Box<Task>,
        /// Whether the step fails.
        failing: bool,
    },
    /// The repository has another name than the one that was given.
    Moved {
        /// The name.
        to: Repository,
        /// Whether the step has a task for it already, so that nothing is started.
        is_listed: bool,
    },
    /// One of the user's own rules says no.
    Refused(Refusal),
    /// Nothing is started, for what went before has not gone well.
    HeldBack(String),
    /// The task as it was seen.
    Saw(Box<Task>),
    /// A look brought no answer.
    LookFailed(String),
    /// Looks bring answers again.
    LookRecovered,
    /// Nothing new for a while; the wait goes on.
    StillWaiting,
    /// The pull request.
    PullFound(PullRequest),
    /// No pull request.
    NoPull(NoPullRequest),
    /// The wait is over.
    Ended(WaitEnd),
    /// The order cannot be carried out or watched any further.
    Failed(Error),
    /// A start was sent, and what became of it is open.
    Unconfirmed(String),
    /// Nothing was sent, for a task that cannot be read may be the start's own.
    Undecided(String),
    /// The process was told to end. `in_flight` says that a start was on its way.
    Interrupted {
        /// Whether a start had been sent that was not answered yet.
        in_flight: bool,
    },
}
