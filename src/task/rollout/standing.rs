//! How a task of a rollout fares, from its state and its pull request.

use crate::github::pull_history::PullState;
use crate::github::task::{Phase, State};
use crate::task::rollout::{AdvanceOn, Standing};

/// What is known of the pull request of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullFact {
    /// There is none.
    Absent,
    /// It could not be read, for this reason.
    Unreadable(String),
    /// It is there.
    Found {
        /// Its number.
        number: u64,
        /// Whether it is open, and how it ended.
        state: PullState,
    },
}

/// How an open pull request compares with what is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is what was expected.
    Accepted,
    /// That is not known yet, for this reason.
    Pending(String),
    /// It is not, for this reason.
    Rejected(String),
    /// What decides could not be read, for this reason.
    Unreadable(String),
}

/// What decides how a task fares.
#[derive(Debug, Clone, Copy)]
pub struct TaskFacts<'a> {
    /// Its state.
    pub state: &'a State,
    /// Its pull request.
    pub pull: &'a PullFact,
    /// How its open pull request compares; absent where nothing is expected.
    pub verdict: Option<&'a Verdict>,
    /// Whether it ended so short a time ago that its pull request can still appear.
    pub is_fresh: bool,
}

impl TaskFacts<'_> {
    /// How the task fares. `requires_pull`: a task that completed without a pull request has failed.
    pub fn standing(&self, advance_on: AdvanceOn, requires_pull: bool) -> Standing {
        let Self { state, pull, verdict, is_fresh } = *self;
        let is_merged = matches!(pull, PullFact::Found { state: PullState::Merged, .. });
        match (state.phase(), advance_on) {
            (Phase::Running, _) => return Standing::Running,
            // A person has taken the work, whatever became of the task.
            (_, AdvanceOn::Accepted | AdvanceOn::Merged) if is_merged => return Standing::Succeeded,
            (Phase::NeedsPerson, _) => {
                return Standing::Waiting("the agent waits for an answer on GitHub".to_owned());
            }
            (Phase::Settled, _) if *state != State::Completed => {
                return Standing::Failed(format!("the task ended as {state}"));
            }
            (Phase::Settled, _) => {}
        }
        let needs_pull = requires_pull || advance_on != AdvanceOn::Completed;
        match pull {
            _ if !needs_pull => Standing::Succeeded,
            PullFact::Absent if is_fresh => Standing::Waiting("its pull request has not appeared yet".to_owned()),
            PullFact::Absent => Standing::Failed("the task completed without a pull request".to_owned()),
            PullFact::Unreadable(why) => Standing::Unknown(why.clone()),
            PullFact::Found { .. } if advance_on == AdvanceOn::Completed => Standing::Succeeded,
            PullFact::Found { state: PullState::Merged, .. } => Standing::Succeeded,
            PullFact::Found { number, state: PullState::Closed } => {
                Standing::Failed(format!("pull request #{number} was closed without a merge"))
            }
            PullFact::Found { number, state: PullState::Open } => match (advance_on, verdict) {
                (AdvanceOn::Accepted, Some(Verdict::Accepted)) => Standing::Succeeded,
                (AdvanceOn::Accepted, Some(Verdict::Rejected(why))) => Standing::Failed(why.clone()),
                (AdvanceOn::Accepted, Some(Verdict::Unreadable(why))) => Standing::Unknown(why.clone()),
                (_, Some(Verdict::Pending(why) | Verdict::Rejected(why) | Verdict::Unreadable(why))) => {
                    Standing::Waiting(format!("pull request #{number} is open: {why}"))
                }
                (_, Some(Verdict::Accepted) | None) => Standing::Waiting(format!("pull request #{number} is open")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_fares_by_its_state_and_its_pull_request() {
        let found = |state| PullFact::Found { number: 7, state };
        let (open, closed, merged) = (found(PullState::Open), found(PullState::Closed), found(PullState::Merged));
        let (absent, unread) = (PullFact::Absent, PullFact::Unreadable("hidden".to_owned()));
        let (rejected, pending) =
            (Verdict::Rejected("too large".to_owned()), Verdict::Pending("1 still running".to_owned()));
        let unjudged = Verdict::Unreadable("no access".to_owned());
        use AdvanceOn::{Accepted, Completed, Merged};
        for (state, pull, verdict, advance_on, expected) in [
            ("queued", &absent, None, Completed, "running"),
            ("new_state", &merged, None, Merged, "running"),
            ("idle", &open, None, Merged, "waiting the agent waits for an answer on GitHub"),
            ("waiting_for_user", &merged, None, Merged, "succeeded"),
            ("failed", &open, None, Merged, "failed the task ended as failed"),
            ("failed", &merged, None, Merged, "succeeded"),
            ("failed", &merged, None, Completed, "failed the task ended as failed"),
            ("cancelled", &absent, None, Completed, "failed the task ended as cancelled"),
            ("completed", &absent, None, Completed, "succeeded"),
            ("completed", &unread, None, Completed, "succeeded"),
            ("completed", &absent, None, Merged, "failed the task completed without a pull request"),
            ("completed", &unread, None, Merged, "unknown hidden"),
            ("completed", &open, None, Merged, "waiting pull request #7 is open"),
            ("completed", &open, Some(&rejected), Merged, "waiting pull request #7 is open: too large"),
            ("completed", &closed, None, Merged, "failed pull request #7 was closed without a merge"),
            ("completed", &merged, None, Merged, "succeeded"),
            ("completed", &open, Some(&Verdict::Accepted), Accepted, "succeeded"),
            ("completed", &open, Some(&rejected), Accepted, "failed too large"),
            ("completed", &open, Some(&pending), Accepted, "waiting pull request #7 is open: 1 still running"),
            ("completed", &open, Some(&unjudged), Accepted, "unknown no access"),
            (
                "completed",
                &closed,
                Some(&Verdict::Accepted),
                Accepted,
                "failed pull request #7 was closed without a merge",
            ),
            ("completed", &merged, Some(&rejected), Accepted, "succeeded"),
        ] {
            let state = State::from(state);
            let facts = TaskFacts { state: &state, pull, verdict, is_fresh: false };
            let shown = match facts.standing(advance_on, false) {
                Standing::Succeeded => "succeeded".to_owned(),
                Standing::Running => "running".to_owned(),
                Standing::Waiting(why) => format!("waiting {why}"),
                Standing::Failed(why) => format!("failed {why}"),
                Standing::Unknown(why) => format!("unknown {why}"),
            };
            assert_eq!(shown, expected, "{state} {pull:?} {advance_on:?}");
        }
        let facts = TaskFacts { state: &State::Completed, pull: &absent, verdict: None, is_fresh: true };
        assert!(matches!(facts.standing(Merged, false), Standing::Waiting(_)));
        let late = TaskFacts { is_fresh: false, ..facts };
        assert!(matches!(late.standing(Completed, true), Standing::Failed(_)));
    }
}
