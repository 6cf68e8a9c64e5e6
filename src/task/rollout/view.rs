//! A rollout with all that a run knows of it.

use std::collections::HashSet;

use jiff::Timestamp;

use crate::github::pull_history::PullReview;
use crate::github::task::TaskId;
use crate::task::conclusion::{Conclusion, Trouble};
use crate::task::outcome::{Outcome, Reason};
use crate::task::rollout::{Decision, Member, RolloutRules, RolloutTask, Standing, Status, decide};

/// Where an entry is in a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolloutPlace {
    /// The number of its wave, counted from one.
    pub wave: usize,
    /// How it fares.
    pub status: Status,
    /// How many tasks it has had.
    pub attempts: usize,
}

/// A rollout with all that a run knows of it.
#[derive(Debug)]
pub struct RolloutView {
    /// Its rules.
    pub rules: RolloutRules,
    /// The entries of the list with their tasks, as they were before this run started any.
    pub members: Vec<Member>,
    /// What is known of each entry's leading task.
    pub outcomes: Vec<Outcome>,
    /// The pull request of each entry's leading task.
    pub pulls: Vec<Option<PullReview>>,
    /// The tasks of repositories that are no longer in the list.
    pub removed: Vec<Outcome>,
    /// How the prompt has changed since the newest task; absent where it has not.
    pub change: Option<String>,
    /// The entry of each task that this run starts, in their order.
    pub started: Vec<usize>,
    /// Why the policy refuses all starts.
    pub refused: Option<String>,
    /// The tasks whose markers are known, none of them one that this run starts.
    pub known: HashSet<TaskId>,
    /// The time by GitHub's clock.
    pub now: Timestamp,
}

impl RolloutView {
    /// What this run does, and where the rollout is before.
    pub fn decide(&self) -> Decision {
        decide(&self.rules, &self.members, self.change.is_some())
    }

    /// Where the rollout is once this run has done so much, and all entries as they are then. `run` has the tasks that it
    /// starts.
    pub fn after(&self, run: &[Outcome]) -> (Decision, Vec<Outcome>) {
        let before = self.decide();
        let mut members = self.members.clone();
        let mut outcomes = self.outcomes.clone();
        for (entry, outcome) in self.started.iter().zip(run) {
            let member = &mut members[*entry];
            let add = |standing| RolloutTask { wave: before.places[*entry].0, standing, since: Some(self.now) };
            match (&outcome.task_id, outcome.trouble) {
                (Some(_), _) => member.tasks.push(add(Standing::Running)),
                (None, Some(Trouble::Unconfirmed | Trouble::Undecided)) => {
                    member
                        .tasks
                        .push(add(Standing::Unknown("it is not known whether its task was started".to_owned())));
                }
                (None, Some(Trouble::RefusedByGitHub)) => {
                    member.refused = Some(outcome.error_message().unwrap_or_default());
                }
                _ => {}
            }
            // What became of an earlier task is still the best answer where nothing was started.
            if outcome.task_id.is_some() || outcome.is_over() || members[*entry].tasks.is_empty() {
                outcomes[*entry] = outcome.clone();
            }
        }
        let decision = decide(&self.rules, &members, self.change.is_some());
        for (at, outcome) in outcomes.iter_mut().enumerate() {
            let (wave, status) = decision.places[at];
            outcome.rollout = Some(RolloutPlace { wave, status, attempts: members[at].tasks.len() });
        }
        (decision, outcomes)
    }
}

/// What is known of an entry whose leading task fares like this.
pub fn concluded(mut outcome: Outcome, standing: &Standing) -> Outcome {
    outcome.conclusion = match standing {
        Standing::Succeeded => Some(Conclusion::Success),
        Standing::Failed(_) => Some(Conclusion::Failure),
        Standing::Running | Standing::Waiting(_) | Standing::Unknown(_) => None,
    };
    outcome.reason = match standing {
        Standing::Failed(why) | Standing::Unknown(why) => Some(Reason::Rollout(why.clone())),
        _ => None,
    };
    outcome
}
