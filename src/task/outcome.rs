//! What is known of one task: its state, how it ended, and why it did not go well. All of it is data;
//! [`messages`](crate::task::messages) puts it into words.

use std::time::Duration;

use crate::github::error::{Error, ErrorKind};
use crate::github::pull_request::PullRequest;
use crate::github::repository::Repository;
use crate::github::task::{NewTask, State, Task, TaskId};
use crate::task::acceptance::Acceptance;
use crate::task::conclusion::{Conclusion, Trouble};
use crate::task::event::{Adoption, Event};
use crate::task::pull_request::NoPullRequest;
use crate::task::rollout::view::RolloutPlace;
use crate::task::start::ActiveScope;
use crate::task::stop::{StopEnd, StopReason};
use crate::task::wait::WaitEnd;
use crate::text::sha256;

/// What is known of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The repository of the task.
    pub repository: Repository,
    /// The name of its entry in the list.
    pub entry: Option<String>,
    /// What was asked for, if this step starts the task.
    pub asked: Option<NewTask>,
    /// Whether `completed` without a pull request counts as a failure.
    pub pull_required: bool,
    /// Whether something is expected of its pull request.
    pub expects: bool,
    /// SHA-256 of the prompt as it was sent, in hexadecimal.
    pub prompt_sha256: Option<String>,
    /// The task's id.
    pub task_id: Option<TaskId>,
    /// The task as it was last seen.
    pub task: Option<Task>,
    /// Whether this step started it.
    pub created: Option<bool>,
    /// Its pull request.
    pub pull: Option<PullRequest>,
    /// Why the number of a pull request is missing.
    pub no_pull: Option<NoPullRequest>,
    /// Whether the pull request is what was expected.
    pub acceptance: Option<Acceptance>,
    /// Its stop, if it is to be stopped.
    pub stop: Option<Stop>,
    /// How it ended, after a wait.
    pub conclusion: Option<Conclusion>,
    /// How the wait for it ended.
    pub ending: Option<WaitEnd>,
    /// What kept it from being started or followed.
    pub trouble: Option<Trouble>,
    /// Why it did not go well.
    pub reason: Option<Reason>,
    /// Whether it was not started because of other tasks.
    pub held_back: bool,
    /// The person or team to mention when the agent asks.
    pub owner: Option<String>,
    /// Where it is in a rollout over days.
    pub rollout: Option<RolloutPlace>,
    /// The moment from which there was a task, as time since the process began.
    pub began: Option<Duration>,
    /// The moment from which nothing more happens to it, as time since the process began.
    pub ended: Option<Duration>,
}

/// The stop of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Why it is stopped.
    pub reason: StopReason,
    /// How that ended; absent until then.
    pub end: Option<StopEnd>,
}

/// Why a task did not go well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The task's own error, in GitHub's words.
    Task(String),
    /// A task is active.
    Active {
        /// The scope that it is in.
        scope: ActiveScope,
        /// Its state.
        state: State,
        /// Its page, or its id.
        place: String,
    },
    /// The repository was renamed, and the step has a task for its new name already.
    Renamed {
        /// The name that was given.
        from: Repository,
        /// Whether that task has another prompt.
        differs: bool,
    },
    /// A rule of the user refuses the start.
    Refused(String),
    /// The template asks for none.
    Skipped(String),
    /// Other tasks keep this one from being started.
    HeldBack(String),
    /// GitHub refused, or could not be reached.
    GitHub(Error),
    /// A start was sent and not confirmed.
    Unconfirmed(String),
    /// Nothing was sent, because a task that cannot be read may be the start's own.
    Undecided(String),
    /// A signal ended the process.
    Interrupted {
        /// Whether a start was sent that GitHub had not answered yet.
        in_flight: bool,
    },
    /// The faults that the doctor found.
    Findings(String),
    /// What a rollout knows of an earlier task.
    Rollout(String),
}

/// What an event changed, as far as a reader of the log wants to know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The state before and the state now, where they differ.
    pub state: Option<(Option<State>, State)>,
    /// Whether the task's page is known from now on.
    pub page: bool,
    /// Whether the task now shows that it commits to the branch that it was asked to.
    pub follows: bool,
    /// New differences between the request and the task.
    pub departures: Vec<String>,
    /// Whether this is another pull request than before.
    pub pull_request: bool,
}

impl Outcome {
    /// A task to which nothing has happened yet.
    pub fn new(repository: Repository) -> Self {
        Self {
            repository,
            entry: None,
            asked: None,
            pull_required: false,
            expects: false,
            prompt_sha256: None,
            task_id: None,
            task: None,
            created: None,
            pull: None,
            no_pull: None,
            acceptance: None,
            stop: None,
            conclusion: None,
            ending: None,
            trouble: None,
            reason: None,
            held_back: false,
            owner: None,
            rollout: None,
            began: None,
            ended: None,
        }
    }

    /// What it is called: its repository and the name of its entry.
    pub fn label(&self) -> String {
        self.repository.labeled(self.entry.as_deref())
    }

    /// The state as it was last seen.
    pub fn state(&self) -> Option<&State> {
        self.task.as_ref().map(|task| &task.state)
    }

    /// The task's page, or nothing.
    pub fn link(&self) -> &str {
        self.task.as_ref().map(Task::link).unwrap_or_default()
    }

    /// Takes in an event.
    pub fn apply(&mut self, event: &Event) -> Changes {
        let mut changes = Changes::default();
        match event {
            Event::ModelRefused { next, .. } => {
                if let Some(asked) = &mut self.asked {
                    asked.model.clone_from(next);
                }
            }
            Event::Started(task) => {
                self.created = Some(true);
                changes = self.see(task);
            }
            Event::Adopted(task, why) => {
                self.created = Some(*why == Adoption::Unanswered);
                // The prompt of that task can be another one under a key of the user's own.
                self.prompt_sha256 = task.prompt().map(sha256);
                if *why == Adoption::Active {
                    self.asked = None;
                }
                changes = self.see(task);
            }
            Event::Declined { task, failing, scope } => {
                let place = if task.link().is_empty() { task.id.to_string() } else { task.link().to_owned() };
                self.not_started(Reason::Active { scope: *scope, state: task.state.clone(), place }, *failing);
            }
            Event::Moved { from, to, is_listed, differs } => {
                self.repository = to.clone();
                if *is_listed {
                    self.not_started(Reason::Renamed { from: from.clone(), differs: *differs }, *differs);
                }
            }
            Event::Refused(refusal) => {
                self.trouble = Some(Trouble::Refused(refusal.gate));
                self.not_started(Reason::Refused(refusal.why.clone()), false);
            }
            Event::Skipped(why) => self.not_started(Reason::Skipped(why.clone()), false),
            Event::HeldBack(why) => {
                self.held_back = true;
                self.not_started(Reason::HeldBack(why.clone()), false);
            }
            Event::Saw(task) => changes = self.see(task),
            Event::PullFound(pull) => {
                changes.pull_request = self.pull.as_ref().is_none_or(|known| known.number != pull.number);
                self.no_pull = None;
                self.pull = Some(pull.clone());
            }
            Event::Compared(acceptance) => self.acceptance = Some(Acceptance::clone(acceptance)),
            Event::NoPull(why) => self.no_pull = Some(why.clone()),
            Event::Stopping(reason) => self.stop = Some(Stop { reason: *reason, end: None }),
            Event::StopEnded(end) => match &mut self.stop {
                // There was nothing left to stop, and only `command: stop` wants to know.
                Some(stop) if *end == StopEnd::EndedBefore && stop.reason != StopReason::Asked => self.stop = None,
                Some(stop) => stop.end = Some(end.clone()),
                None => {}
            },
            Event::Ended(ending) => {
                let acceptance = self.acceptance.as_ref().map(|it| it.conclusion);
                let lacks_pull = self.pull_required && self.pull.is_none();
                let delivered = Conclusion::delivered(lacks_pull, self.expects, acceptance);
                self.conclusion = Conclusion::of(ending, self.state(), delivered);
                if *ending == WaitEnd::LostSight {
                    self.trouble = Some(Trouble::Unreachable);
                }
                self.ending = Some(ending.clone());
            }
            Event::Failed(error) => {
                self.trouble = Some(match error.kind() {
                    ErrorKind::RateLimited => Trouble::RateLimited,
                    ErrorKind::Unreachable => Trouble::Unreachable,
                    ErrorKind::Refused => Trouble::RefusedByGitHub,
                });
                self.reason = Some(Reason::GitHub(error.clone()));
            }
            Event::Unconfirmed(why) => {
                self.trouble = Some(Trouble::Unconfirmed);
                self.reason = Some(Reason::Unconfirmed(why.clone()));
            }
            Event::Undecided(why) => {
                self.trouble = Some(Trouble::Undecided);
                self.reason = Some(Reason::Undecided(why.clone()));
            }
            Event::Interrupted { in_flight } => self.reason = Some(Reason::Interrupted { in_flight: *in_flight }),
            Event::Limited { .. }
            | Event::NotSent { .. }
            | Event::SearchingBefore { .. }
            | Event::NotAnswered { .. }
            | Event::SentAgain
            | Event::PollFailed(_)
            | Event::PollRecovered
            | Event::AwaitingAcceptance(_)
            | Event::Cancelled { .. }
            | Event::StillWaiting => {}
        }
        changes
    }

    /// Nothing is started, for this reason.
    fn not_started(&mut self, reason: Reason, failing: bool) {
        self.prompt_sha256 = None;
        self.reason = Some(reason);
        if failing {
            self.trouble = Some(Trouble::Declined);
        } else {
            self.conclusion = Some(Conclusion::Skipped);
        }
    }

    /// Whether its pull request is accepted; absent if nothing was expected, and before that is known. A task that
    /// did not complete has none to accept.
    pub fn accepted(&self) -> Option<bool> {
        let is_known = self.expects && self.is_over() && self.conclusion != Some(Conclusion::Skipped);
        is_known.then(|| self.conclusion == Some(Conclusion::Success))
    }

    /// Whether it is stopped, where that was asked for: nothing of it runs any more.
    pub fn stopped(&self) -> Option<bool> {
        let stop = self.stop.as_ref()?;
        Some(matches!(stop.end, Some(StopEnd::Stopped | StopEnd::EndedBefore)))
    }

    /// Whether nothing more will happen to it.
    pub fn is_over(&self) -> bool {
        self.conclusion.is_some() || self.trouble.is_some()
    }

    /// Whether it counts as failed: it ran into trouble, or did not end well.
    pub fn is_failed(&self) -> bool {
        // A task that `command: stop` has stopped is what was asked for.
        let is_asked = self.stop.as_ref().is_some_and(|stop| stop.reason == StopReason::Asked);
        let ended_well = |it| match it {
            Conclusion::Success | Conclusion::Skipped => true,
            Conclusion::Cancelled => is_asked,
            _ => false,
        };
        self.trouble.is_some() || self.conclusion.is_some_and(|it| !ended_well(it))
    }

    fn see(&mut self, task: &Task) -> Changes {
        let mut task = task.clone();
        // What a list or an early answer leaves out is still known from before.
        if let Some(before) = &self.task {
            task.complete_from(before);
        }
        // A prompt is long, there can be a thousand of them, and none is needed again.
        for session in &mut task.sessions {
            session.prompt = None;
        }
        let mut changes = Changes::default();
        if self.state() != Some(&task.state) {
            changes.state = Some((self.state().cloned(), task.state.clone()));
        }
        changes.page = self.link().is_empty() && !task.link().is_empty();
        if let Some(asked) = &self.asked {
            let known = self.task.as_ref().map(|task| task.departures(asked)).unwrap_or_default();
            changes.departures = task.departures(asked);
            changes.departures.retain(|departure| !known.contains(departure));
            let follows = |task: &Task| asked.head_ref.is_some() && task.head_ref() == asked.head_ref.as_deref();
            changes.follows = follows(&task) && !self.task.as_ref().is_some_and(follows);
        }
        // What a task that is being stopped says of itself does not explain the interruption.
        if !matches!(self.reason, Some(Reason::Interrupted { .. })) {
            let why = task.error_message().filter(|why| !why.trim().is_empty());
            self.reason = why.map(|why| Reason::Task(why.to_owned()));
        }
        self.task_id = Some(task.id.clone());
        self.task = Some(task);
        changes
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::actions::signal::Signal;
    use crate::task::conclusion::{Exit, Refusal, RefusedBy};
    use crate::task::waves::Share;

    use super::*;

    fn task(state: &str) -> Box<Task> {
        let actual = json!({"id": "t-1", "state": state, "html_url": "https://github.com/octo/app/tasks/t-1"});
        Box::new(serde_json::from_value(actual).unwrap())
    }

    fn outcome() -> Outcome {
        Outcome::new("octo/app".parse().unwrap())
    }

    fn pull() -> PullRequest {
        PullRequest::sample("octo/app", 7)
    }

    fn ended(state: &str, ending: WaitEnd) -> Outcome {
        let mut outcome = outcome();
        outcome.apply(&Event::Started(task("queued")));
        outcome.apply(&Event::Saw(task(state)));
        outcome.apply(&Event::Ended(ending));
        outcome
    }

    #[test]
    fn outcome_concludes_from_state_and_ending() {
        for (state, ending, conclusion) in [
            ("completed", WaitEnd::Settled, Some(Conclusion::Success)),
            ("failed", WaitEnd::Settled, Some(Conclusion::Failure)),
            ("timed_out", WaitEnd::Settled, Some(Conclusion::TimedOut)),
            ("cancelled", WaitEnd::Settled, Some(Conclusion::Cancelled)),
            ("idle", WaitEnd::NeedsPerson, Some(Conclusion::ActionRequired)),
            ("waiting_for_user", WaitEnd::NeedsPerson, Some(Conclusion::ActionRequired)),
            ("in_progress", WaitEnd::DeadlinePassed, Some(Conclusion::TimedOut)),
            ("in_progress", WaitEnd::LostSight, Some(Conclusion::TimedOut)),
            ("in_progress", WaitEnd::Refused, None),
        ] {
            assert_eq!(ended(state, ending.clone()).conclusion, conclusion, "{state} {ending:?}");
        }
    }

    #[test]
    fn outcome_without_a_required_pull_request_is_a_failure() {
        let mut bare = Outcome { pull_required: true, ..outcome() };
        bare.apply(&Event::Saw(task("completed")));
        bare.apply(&Event::NoPull(NoPullRequest::NotMade));
        bare.apply(&Event::Ended(WaitEnd::Settled));
        assert_eq!(bare.conclusion, Some(Conclusion::Failure));
        assert!(bare.is_failed());

        let mut full = Outcome { pull_required: true, ..outcome() };
        full.apply(&Event::Saw(task("completed")));
        full.apply(&Event::PullFound(pull()));
        full.apply(&Event::Ended(WaitEnd::Settled));
        assert_eq!((full.conclusion, full.is_failed()), (Some(Conclusion::Success), false));
    }

    #[test]
    fn exit_code_follows_trouble_then_fail_on() {
        let waiting = ended("in_progress", WaitEnd::DeadlinePassed);
        assert_eq!(Exit::of(std::slice::from_ref(&waiting), &[Conclusion::TimedOut], Share::NONE).code(), 1);
        assert_eq!(Exit::of(std::slice::from_ref(&waiting), &[], Share::NONE).code(), 0);
        let lost = ended("in_progress", WaitEnd::LostSight);
        assert_eq!(Exit::of(std::slice::from_ref(&lost), &[], Share::NONE).code(), 5);
        let mut open = outcome();
        open.apply(&Event::Unconfirmed("x".to_owned()));
        let mut refused = outcome();
        refused.apply(&Event::Failed(Error::BadToken { said: "Bad credentials".to_owned() }));
        assert_eq!(Exit::of(&[refused.clone(), waiting.clone()], &[Conclusion::TimedOut], Share::NONE).code(), 4);
        assert_eq!(Exit::of(&[refused, open, lost], &[], Share::NONE).code(), 6);
        assert_eq!(Exit::Signalled(Signal::Hangup).code(), 129);
        assert_eq!(Exit::Signalled(Signal::Interrupt).code(), 130);
        assert_eq!(Exit::Signalled(Signal::Terminate).code(), 143);
    }

    #[test]
    fn exit_code_tolerates_a_share_but_no_stopped_rollout() {
        let mut all = vec![ended("completed", WaitEnd::Settled); 9];
        all.push(ended("failed", WaitEnd::Settled));
        let exit = |outcomes: &[Outcome], share: &str| {
            Exit::of(outcomes, &[Conclusion::Failure], share.parse().unwrap()).code()
        };
        assert_eq!((exit(&all, "0%"), exit(&all, "9%"), exit(&all, "10%")), (1, 1, 0));
        let mut refused = outcome();
        refused.apply(&Event::Failed(Error::BadToken { said: "Bad credentials".to_owned() }));
        all[0] = refused;
        assert_eq!((exit(&all, "10%"), exit(&all, "20%")), (4, 0));
        all[1].apply(&Event::HeldBack("a wave before it failed".to_owned()));
        assert_eq!(exit(&all, "100%"), 4);
        let mut open = outcome();
        open.apply(&Event::Unconfirmed("x".to_owned()));
        assert_eq!(exit(&[open], "100%"), 6);
        let mut held = outcome();
        held.apply(&Event::HeldBack("x".to_owned()));
        assert_eq!(exit(&[held], "100%"), 1);
    }

    #[test]
    fn outcome_keeps_what_a_list_leaves_out() {
        let mut outcome = outcome();
        let whole = json!({"id": "t-1", "state": "queued", "html_url": "https://x/t",
            "sessions": [{"model": "m", "prompt": "long"}]});
        outcome.apply(&Event::Started(Box::new(serde_json::from_value(whole).unwrap())));
        outcome.apply(&Event::Saw(Box::new(
            serde_json::from_value(json!({"id": "t-1", "state": "in_progress"})).unwrap(),
        )));
        let task = outcome.task.as_ref().unwrap();
        assert_eq!((task.model(), task.link(), &task.sessions[0].prompt), (Some("m"), "https://x/t", &None));
        assert_eq!(outcome.state(), Some(&State::InProgress));
    }

    #[test]
    fn refused_start_is_skipped_with_exit_3() {
        let mut refused = Outcome { prompt_sha256: Some("0".repeat(64)), ..outcome() };
        refused.apply(&Event::Refused(Refusal {
            gate: RefusedBy::Policy,
            why: "`base-ref: dev` is not allowed".to_owned(),
        }));
        assert_eq!((refused.conclusion, refused.prompt_sha256.as_deref()), (Some(Conclusion::Skipped), None));
        assert_eq!(Exit::of(std::slice::from_ref(&refused), &[], Share::NONE).code(), 3);
    }
}
