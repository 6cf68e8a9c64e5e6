//! How a task ended, and the exit code that follows.

use std::fmt;
use std::str::FromStr;

use crate::actions::signal::Signal;
use crate::github::task::State;
use crate::task::outcome::Outcome;
use crate::task::wait::WaitEnd;
use crate::task::waves::Share;

/// How a task ended, in the words of GitHub's Checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conclusion {
    /// The task completed, with a pull request as it was expected.
    Success,
    /// Nothing was started or stopped, and that is not a fault.
    Skipped,
    /// The task was stopped, by this step or by a person.
    Cancelled,
    /// The agent needs a person.
    ActionRequired,
    /// The task ran out of time, or the wait did.
    TimedOut,
    /// The task failed.
    Failure,
}

impl Conclusion {
    /// All of them, mildest first.
    pub const ALL: [Self; 6] =
        [Self::Success, Self::Skipped, Self::Cancelled, Self::ActionRequired, Self::TimedOut, Self::Failure];

    /// The conclusion of a wait that ended this way, with the task in this state. `delivered` is that of a completed task,
    /// from its pull request. `None` if the end leaves it open.
    pub fn of(end: &WaitEnd, state: Option<&State>, delivered: Self) -> Option<Self> {
        Some(match end {
            WaitEnd::Settled => match state? {
                State::Completed => delivered,
                State::TimedOut => Self::TimedOut,
                State::Cancelled => Self::Cancelled,
                _ => Self::Failure,
            },
            WaitEnd::NeedsPerson => Self::ActionRequired,
            WaitEnd::DeadlinePassed | WaitEnd::LimitedPastDeadline(_) | WaitEnd::LostSight => Self::TimedOut,
            WaitEnd::Stopped(_) => Self::Cancelled,
            WaitEnd::NotStopped(reason) => reason.unstopped(),
            WaitEnd::EndedBefore => Self::Skipped,
            WaitEnd::Refused => return None,
        })
    }

    /// The conclusion that the pull request of a completed task leads to: whether one is required and absent, and
    /// whether it was accepted, where something was expected of it. What was not compared is not accepted.
    pub fn delivered(lacks_pull: bool, expects: bool, acceptance: Option<Self>) -> Self {
        match (lacks_pull, expects) {
            (true, _) => Self::Failure,
            (false, true) => acceptance.unwrap_or(Self::Failure),
            (false, false) => Self::Success,
        }
    }

    /// The word of the outputs and of `fail-on`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::ActionRequired => "action_required",
            Self::TimedOut => "timed_out",
            Self::Failure => "failure",
        }
    }
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Conclusion {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|conclusion| conclusion.as_str() == word).ok_or(())
    }
}

/// How the process ends. The numbers are a promise to the users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Fine,
    /// A conclusion in `fail-on`.
    Concluded,
    /// Bad input; nothing was sent.
    BadInput,
    /// The user's own rules refuse it; nothing was sent.
    Declined,
    /// GitHub refused.
    RefusedByGitHub,
    /// GitHub could not be reached.
    Unreachable,
    /// It is not known whether there is a task: a start was not answered, or a task that cannot be read may be its own.
    Unconfirmed,
    /// Interrupted by a signal of this number.
    Signalled(Signal),
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Concluded => 1,
            Self::BadInput => 2,
            Self::Declined => 3,
            Self::RefusedByGitHub => 4,
            Self::Unreachable => 5,
            Self::Unconfirmed => 6,
            // 128 plus the signal's number, as shells have it.
            Self::Signalled(Signal::Hangup) => 129,
            Self::Signalled(Signal::Interrupt) => 130,
            Self::Signalled(Signal::Terminate) => 143,
        }
    }

    /// The exit of several tasks together: what leaves most open comes first. `tolerate` is the share that may fail.
    pub fn of(outcomes: &[Outcome], fail_on: &[Conclusion], tolerate: Share) -> Self {
        let any = |trouble: Trouble| outcomes.iter().any(|outcome| outcome.trouble == Some(trouble));
        let concluded = |outcome: &Outcome| outcome.conclusion.is_some_and(|it| fail_on.contains(&it));
        let failed = |outcome: &&Outcome| outcome.trouble.is_some() || concluded(outcome);
        // What was held back did not fail, but a stopped rollout is not done either.
        let stopped = outcomes.iter().any(|outcome| outcome.held_back);
        if any(Trouble::Unconfirmed) || any(Trouble::Undecided) {
            Self::Unconfirmed
        } else if !stopped && tolerate.has_room_for(outcomes.iter().filter(failed).count(), outcomes.len()) {
            Self::Fine
        } else if any(Trouble::RefusedByGitHub) {
            Self::RefusedByGitHub
        } else if any(Trouble::Unreachable) || any(Trouble::RateLimited) {
            Self::Unreachable
        } else if outcomes.iter().any(|outcome| outcome.trouble.is_some()) {
            // All that is left is a refusal by the user's own rules.
            Self::Declined
        } else {
            Self::Concluded
        }
    }
}

/// A rule of the user's own that can refuse a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedBy {
    /// The policy file.
    Policy,
    /// The actor check.
    Actor,
    /// The pull request to follow up on.
    PullRequest,
}

impl RefusedBy {
    /// A few words for the head of a message.
    pub fn title(self) -> &'static str {
        match self {
            Self::Policy => "Refused by the policy",
            Self::Actor => "Refused: no write access",
            Self::PullRequest => "Refused: pull request cannot be continued",
        }
    }
}

/// One of the user's own rules refuses a start; nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The rule.
    pub gate: RefusedBy,
    /// What it refuses, and what it would allow.
    pub why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// What kept a task from being started or followed to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// GitHub refused.
    RefusedByGitHub,
    /// GitHub could not be reached.
    Unreachable,
    /// A rate limit of GitHub lasts longer than this step waits.
    RateLimited,
    /// A start was sent, and it is not known whether it created a task.
    Unconfirmed,
    /// Nothing was sent, because a task that cannot be read may be the start's own.
    Undecided,
    /// A task was active, and the user wants that to fail.
    Declined,
    /// One of the user's own rules refused the start.
    Refused(RefusedBy),
}
