//! How one order goes and how it ended: what happens to it, what is known of it, its conclusion, and the exit code
//! that follows.

use std::time::Duration;

use crate::actions::workflow_command::{Annotation, Level};
use crate::github::error::{Error, ErrorKind};
use crate::github::pull_request::PullRequest;
use crate::github::repository::Repository;
use crate::github::task::{NewTask, State, Task, TaskId};
use crate::task::conclusion::{Conclusion, Trouble};
use crate::task::event::{Adoption, Event};
use crate::task::messages::Line;
use crate::task::pull_request::NoPullRequest;
use crate::task::wait::WaitEnd;
use crate::text::{sha256, spelled};

/// What is known of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Where the task runs.
    pub repository: Repository,
    /// What was asked, where this step starts the task.
    pub asked: Option<NewTask>,
    /// Whether `completed` without a pull request counts as a failure.
    pub pull_required: bool,
    /// SHA-256 of the prompt as it was sent, in hexadecimal.
    pub prompt_sha256: Option<String>,
    /// The task's id.
    pub task_id: Option<TaskId>,
    /// The task, as it was seen last.
    pub task: Option<Task>,
    /// Whether this step started it.
    pub created: Option<bool>,
    /// Its pull request.
    pub pull: Option<PullRequest>,
    /// Why there is no number.
    pub no_pull: Option<NoPullRequest>,
    /// How it ended, once somebody has waited for it.
    pub conclusion: Option<Conclusion>,
    /// How the wait for it ended.
    pub ending: Option<WaitEnd>,
    /// What kept it from going its way.
    pub trouble: Option<Trouble>,
    /// The reason for the trouble, or the task's own error.
    pub error_message: Option<String>,
    /// Whether nothing was started because of what went before.
    pub held_back: bool,
    /// Whom to mention when the agent asks.
    pub owner: Option<String>,
    /// When there was a task, by the time since the process began.
    pub began: Option<Duration>,
    /// When it had ended for us, by the same time.
    pub ended: Option<Duration>,
}

impl Outcome {
    /// An order of which nothing has happened yet.
    pub fn new(repository: Repository) -> Self {
        Self {
            repository,
            asked: None,
            pull_required: false,
            prompt_sha256: None,
            task_id: None,
            task: None,
            created: None,
            pull: None,
            no_pull: None,
            conclusion: None,
            ending: None,
            trouble: None,
            error_message: None,
            held_back: false,
            owner: None,
            began: None,
            ended: None,
        }
    }

    /// The state as it was seen last.
    pub fn state(&self) -> Option<&State> {
        self.task.as_ref().map(|task| &task.state)
    }

    /// The task's page, or nothing.
    pub fn link(&self) -> &str {
        self.task.as_ref().map(Task::link).unwrap_or_default()
    }

    /// How a person finds the task: its page, or its id while GitHub has not told the page.
    pub fn whereabouts(&self) -> String {
        match (self.link(), &self.task_id) {
            ("", Some(id)) => format!("task {id} in {}", self.repository),
            ("", None) => self.repository.to_string(),
            (link, _) => link.to_owned(),
        }
    }

    /// Takes in what happened, and says what the log tells of it.
    pub fn apply(&mut self, event: Event) -> Vec<Line> {
        match event {
            Event::ModelRefused { model, said, next } => {
                let name = |model: &Option<String>| model.clone().unwrap_or_else(|| "auto".to_owned());
                let text = format!("GitHub refuses model `{}` ({said}); trying `{}`", name(&model), name(&next));
                if let Some(asked) = &mut self.asked {
                    asked.model = next;
                }
                vec![Line::warning(text)]
            }
            Event::Limited { why, wait } => {
                vec![Line::plain(format!("GitHub limits the rate ({why}); going on in {}", spelled(wait)))]
            }
            Event::NotSent { why, wait } => {
                vec![Line::plain(format!("nothing was sent: {why}; trying again in {}", spelled(wait)))]
            }
            Event::Started(task) => {
                self.created = Some(true);
                let started = Line::plain(format!("started task {}", task.id));
                let mut lines = vec![started];
                lines.extend(self.see(*task));
                lines
            }
            Event::LookingFirst { thoroughly: true, within } => {
                let text =
                    "looking for a task that an earlier attempt of this run started; GitHub's lists lag, so that";
                vec![Line::plain(format!("{text} takes up to {}", spelled(within)))]
            }
            Event::LookingFirst { .. } => vec![Line::plain("looking for a task that was started earlier")],
            Event::NotAnswered { why, within } => {
                let text = "the start was sent, and whether it took is not known yet: looking for its task for up to";
                vec![Line::plain(why), Line::plain(format!("{text} {}", spelled(within)))]
            }
            Event::SentAgain => {
                vec![Line::plain("no task has come of the start, and nothing new is there: sending it once more")]
            }
            Event::Adopted(task, why) => {
                self.created = Some(why == Adoption::Unanswered);
                // What was sent is what that task was given, which can be something else under a key of the user's own.
                self.prompt_sha256 = task.prompt().map(sha256);
                if why == Adoption::Active {
                    self.asked = None;
                }
                let origin = match why {
                    Adoption::Unanswered => "the start did take: this is its task",
                    Adoption::SameKey => "taking up the task that this start has already made earlier",
                    Adoption::Active => "taking up the active task of the same name",
                };
                let mut lines = vec![Line::plain(format!("{origin}, {}", task.id))];
                lines.extend(self.see(*task));
                lines
            }
            Event::Declined { task, failing } => {
                let place = if task.link().is_empty() { task.id.to_string() } else { task.link().to_owned() };
                let why = format!("a task of the same name is still {}: {place}", task.state);
                let line = Line::plain(format!("nothing is started, {why}"));
                self.prompt_sha256 = None;
                if failing {
                    self.trouble = Some(Trouble::Declined);
                } else {
                    self.conclusion = Some(Conclusion::Skipped);
                }
                self.error_message = Some(why);
                vec![line]
            }
            Event::Moved { to, is_listed } => {
                let text = format!("{} was renamed or transferred: it is now {to}. Use that name", self.repository);
                self.repository = to;
                if is_listed {
                    self.prompt_sha256 = None;
                    self.conclusion = Some(Conclusion::Skipped);
                    self.error_message = Some(format!("{text}; the list has it already"));
                }
                vec![Line::warning(text)]
            }
            Event::Refused(refusal) => {
                let line = Line::plain(format!("nothing is started: {refusal}"));
                self.prompt_sha256 = None;
                self.trouble = Some(Trouble::Refused(refusal.gate));
                self.conclusion = Some(Conclusion::Skipped);
                self.error_message = Some(refusal.why);
                vec![line]
            }
            Event::HeldBack(why) => {
                self.prompt_sha256 = None;
                self.held_back = true;
                self.conclusion = Some(Conclusion::Skipped);
                self.error_message = Some(why);
                Vec::new()
            }
            Event::Saw(task) => self.see(*task),
            Event::LookFailed(why) => vec![Line::plain(format!("could not look at the task: {why}; looking again"))],
            Event::LookRecovered => vec![Line::plain("GitHub answers again")],
            Event::StillWaiting => {
                let state = self.state().map_or("not seen yet", State::as_str);
                vec![Line::plain(format!("still waiting, state {state}"))]
            }
            Event::PullFound(pull) => {
                let line = Line::plain(format!("pull request #{}: {}", pull.number, pull.url));
                let known = self.pull.as_ref().is_some_and(|known| known.number == pull.number);
                self.no_pull = None;
                self.pull = Some(pull);
                if known { Vec::new() } else { vec![line] }
            }
            Event::NoPull(why) => {
                // A pull request whose number stays unknown is what somebody should look into.
                let level = why.leaves_it_unknown().then_some(Level::Warning);
                let line = Line { text: why.to_string(), level };
                self.no_pull = Some(why);
                vec![line]
            }
            Event::Ended(ending) => {
                self.conclusion = Conclusion::of(&ending, self.state(), self.pull_required && self.pull.is_none());
                if self.error_message.is_none() {
                    self.error_message = self.reason(&ending);
                }
                if ending == WaitEnd::LostSight {
                    self.trouble = Some(Trouble::Unreachable);
                }
                self.ending = Some(ending);
                self.conclusion.map(|it| Line::plain(format!("concluded: {it}"))).into_iter().collect()
            }
            Event::Failed(error) => {
                self.trouble = Some(match error.kind() {
                    // A limit that outlasts our patience keeps GitHub from being reached, and refuses nothing.
                    ErrorKind::Unreachable | ErrorKind::RateLimited => Trouble::Unreachable,
                    ErrorKind::Refused => Trouble::RefusedByGitHub,
                });
                self.error_message = Some(match error {
                    Error::RateLimited(_) => format!("{error}, which is longer than this step waits"),
                    error => error.to_string(),
                });
                Vec::new()
            }
            Event::Unconfirmed(why) => {
                self.trouble = Some(Trouble::Unconfirmed);
                self.error_message = Some(why);
                Vec::new()
            }
            Event::Undecided(why) => {
                self.trouble = Some(Trouble::Undecided);
                self.error_message = Some(why);
                Vec::new()
            }
            Event::Interrupted { in_flight } => {
                self.error_message = Some(self.interruption(in_flight));
                Vec::new()
            }
        }
    }

    /// Whether nothing more will happen to it.
    pub fn is_over(&self) -> bool {
        self.conclusion.is_some() || self.trouble.is_some()
    }

    fn see(&mut self, mut task: Task) -> Vec<Line> {
        // What a list or an early answer leaves out is still known from before.
        if let Some(before) = &self.task {
            task.complete_from(before);
        }
        // A prompt is long, there can be a thousand of them, and nobody asks for it again.
        for session in &mut task.sessions {
            session.prompt = None;
        }
        let mut lines = Vec::new();
        if self.state() != Some(&task.state) {
            lines.push(match self.state() {
                None => Line::plain(format!("state {}", task.state)),
                Some(before) => Line::plain(format!("state {before} → {}", task.state)),
            });
            if let State::Unknown(word) = &task.state {
                lines.push(Line::warning(format!(
                    "GitHub names a state that this version does not know: `{word}`. It counts as running"
                )));
            }
        }
        if self.link().is_empty() && !task.link().is_empty() {
            lines.push(Line::plain(format!("see {}", task.link())));
        }
        if let Some(asked) = &self.asked {
            let told = self.task.as_ref().map(|task| task.departures(asked)).unwrap_or_default();
            let new = task.departures(asked).into_iter().filter(|departure| !told.contains(departure));
            lines.extend(new.map(Line::warning));
        }
        self.error_message = task.error_message().map(str::to_owned);
        self.task_id = Some(task.id.clone());
        self.task = Some(task);
        lines
    }

    /// Why an order ended otherwise than well, where neither the task nor GitHub says.
    fn reason(&self, ending: &WaitEnd) -> Option<String> {
        let state = self.state().map_or("not seen", State::as_str);
        match (ending, self.conclusion?) {
            (WaitEnd::Settled, Conclusion::Failure) if self.state() == Some(&State::Completed) => {
                Some("the task completed without the pull request that `require-pull-request` asks for".to_owned())
            }
            (WaitEnd::NeedsPerson, _) => Some(format!("the task is {state} and needs a person")),
            (WaitEnd::DeadlinePassed, _) => Some(format!("the task was still {state} when `wait-timeout` passed")),
            (WaitEnd::LimitedPastDeadline(limit), _) => Some(format!("the wait ended, because {limit}")),
            _ => None,
        }
    }

    fn interruption(&self, in_flight: bool) -> String {
        if in_flight {
            return format!(
                "interrupted while GitHub had not answered the start yet, so a task may exist: look at the newest \
                 tasks of {} before starting another",
                self.repository
            );
        }
        match &self.task_id {
            None => "interrupted before a task was started".to_owned(),
            Some(id) => format!(
                "interrupted; the task itself goes on, for the API cannot stop it. Stop it at {}, or wait for it later \
                 with `command: wait` and `task-id: {id}`",
                self.whereabouts()
            ),
        }
    }

    /// What stands on the run's page about this order: what happened, what it means and what to do.
    pub fn annotation(&self, fail_on: &[Conclusion]) -> Option<Annotation> {
        let place = self.whereabouts();
        let why = self.error_message.clone().unwrap_or_default();
        let (title, message) = match (self.trouble, self.conclusion) {
            (Some(Trouble::Unconfirmed), _) => (
                "Start not confirmed",
                format!(
                    "A start was sent to {}, and nobody can say whether it made a task: {why}. Look at the newest tasks \
                     of the repository; if none is this one, run the job again, which looks once more before it sends",
                    self.repository
                ),
            ),
            (Some(Trouble::Undecided), _) => ("Nothing was started", format!("{}: {why}", self.repository)),
            (Some(Trouble::Declined), _) => ("Task already active", format!("Nothing was started: {why}")),
            (Some(Trouble::Refused(gate)), _) => {
                (gate.title(), format!("{}: nothing was started. {why}", self.repository))
            }
            (Some(Trouble::RefusedByGitHub), _) if self.task_id.is_some() && self.task.is_none() => {
                ("Task not found", format!("{why}. Look at `task-id` and `repository`: {place}"))
            }
            (Some(Trouble::RefusedByGitHub), _) if self.task_id.is_some() => {
                ("Lost sight of the task", format!("{why}. The task itself goes on: {place}"))
            }
            (Some(Trouble::RefusedByGitHub), _) => ("GitHub refused", format!("{}: {why}", self.repository)),
            (Some(Trouble::Unreachable), _) if self.task_id.is_some() => {
                ("Lost sight of the task", format!("{why}. The task itself goes on: {place}"))
            }
            (Some(Trouble::Unreachable), _) => ("GitHub not reached", format!("{}: {why}", self.repository)),
            (None, None | Some(Conclusion::Success)) => return None,
            (None, Some(Conclusion::Skipped)) if self.held_back => return None,
            (None, Some(Conclusion::Skipped)) => ("Task already active", format!("Nothing was started: {why}")),
            (None, Some(Conclusion::Failure)) if self.state() == Some(&State::Completed) => {
                let unknown = self.no_pull.as_ref().filter(|why| why.leaves_it_unknown());
                let unknown = unknown.map_or_else(String::new, |why| format!(" ({why})"));
                let text = "The task completed without the pull request that `require-pull-request` asks for";
                ("No pull request", format!("{text}{unknown}. See what it did: {place}"))
            }
            (None, Some(Conclusion::Failure)) if why.is_empty() => {
                ("Task failed", format!("The task failed and gives no reason. Read its log: {place}"))
            }
            (None, Some(Conclusion::Failure)) => {
                ("Task failed", format!("The task failed: {why}. Read its log: {place}"))
            }
            (None, Some(Conclusion::Cancelled)) => ("Task cancelled", format!("Somebody cancelled the task: {place}")),
            (None, Some(Conclusion::ActionRequired)) => (
                "Task needs a person",
                format!(
                    "{}The task is {}, and the API cannot answer an agent. Answer it at {place}, then wait for it \
                     again with `command: wait`",
                    self.owner.as_ref().map_or_else(String::new, |owner| format!("{owner}: ")),
                    self.state().map_or("waiting", State::as_str)
                ),
            ),
            (None, Some(Conclusion::TimedOut)) => ("Task timed out", self.lateness(&place)),
        };
        let mild = self.trouble.is_none() && !self.conclusion.is_some_and(|it| fail_on.contains(&it));
        let level = match (mild, self.conclusion) {
            (true, Some(Conclusion::Skipped)) => Level::Notice,
            (true, _) => Level::Warning,
            (false, _) => Level::Error,
        };
        Some(Annotation { level, title: title.to_owned(), message })
    }

    /// What stands on the run's page about an order that was not at its end when the process was told to end.
    pub fn interruption_annotation(&self) -> Option<Annotation> {
        let message = self.error_message.clone().filter(|_| self.conclusion.is_none())?;
        Some(Annotation { level: Level::Error, title: "Interrupted".to_owned(), message })
    }

    fn lateness(&self, place: &str) -> String {
        let goes_on = format!(
            "It goes on, for the API cannot stop it: {place}. Raise `wait-timeout`, or wait for it later with \
             `command: wait` and `task-id: {}`",
            self.task_id.as_ref().map(TaskId::as_str).unwrap_or_default()
        );
        match &self.ending {
            Some(WaitEnd::LimitedPastDeadline(limit)) => {
                format!("The wait ended, because {limit}, which is longer than `wait-timeout` leaves. {goes_on}")
            }
            Some(WaitEnd::DeadlinePassed) => format!(
                "The task was still {} when `wait-timeout` passed. {goes_on}",
                self.state().map_or("running", State::as_str)
            ),
            _ => format!("GitHub's own limit of time ended the task: {place}. Give it less to do at once"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::actions::signal::Signal;
    use crate::task::conclusion::{Exit, Refusal, RefusedBy};
    use crate::task::rollout::Share;

    use super::*;

    fn task(state: &str) -> Box<Task> {
        let told = json!({"id": "t-1", "state": state, "html_url": "https://github.com/octo/app/tasks/t-1"});
        Box::new(serde_json::from_value(told).unwrap())
    }

    fn outcome() -> Outcome {
        Outcome::new("octo/app".parse().unwrap())
    }

    fn pull() -> PullRequest {
        PullRequest {
            number: 7,
            url: "https://github.com/octo/app/pull/7".to_owned(),
            database_id: None,
            node_id: None,
            head_ref: "copilot/a".to_owned(),
            base_ref: "main".to_owned(),
            open: true,
        }
    }

    fn ended(state: &str, ending: WaitEnd) -> Outcome {
        let mut outcome = outcome();
        outcome.apply(Event::Started(task("queued")));
        outcome.apply(Event::Saw(task(state)));
        outcome.apply(Event::Ended(ending));
        outcome
    }

    #[test]
    fn each_ending_has_its_conclusion() {
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
    fn completed_without_a_required_pull_request_is_a_failure() {
        let mut bare = Outcome { pull_required: true, ..outcome() };
        bare.apply(Event::Saw(task("completed")));
        bare.apply(Event::NoPull(NoPullRequest::NotMade));
        bare.apply(Event::Ended(WaitEnd::Settled));
        assert_eq!(bare.conclusion, Some(Conclusion::Failure));
        let message = bare.annotation(&[Conclusion::Failure]).unwrap().message;
        assert!(
            message
                .contains("without the pull request that `require-pull-request` asks for. See what it did: https://")
        );

        let mut full = Outcome { pull_required: true, ..outcome() };
        full.apply(Event::Saw(task("completed")));
        full.apply(Event::PullFound(pull()));
        full.apply(Event::Ended(WaitEnd::Settled));
        assert_eq!((full.conclusion, full.annotation(&[])), (Some(Conclusion::Success), None));
    }

    #[test]
    fn the_log_tells_changes_and_not_looks() {
        let mut outcome = outcome();
        let texts = |lines: Vec<Line>| lines.into_iter().map(|line| line.text).collect::<Vec<_>>();
        assert_eq!(
            texts(outcome.apply(Event::Started(task("queued")))),
            ["started task t-1", "state queued", "see https://github.com/octo/app/tasks/t-1"]
        );
        assert!(outcome.apply(Event::Saw(task("queued"))).is_empty());
        assert_eq!(texts(outcome.apply(Event::Saw(task("in_progress")))), ["state queued → in_progress"]);
        let unknown = outcome.apply(Event::Saw(task("dreaming")));
        assert_eq!(unknown.last().unwrap().level, Some(Level::Warning));
        assert!(unknown.last().unwrap().text.contains("`dreaming`"));
        assert_eq!(outcome.apply(Event::PullFound(pull())).len(), 1);
        assert!(outcome.apply(Event::PullFound(pull())).is_empty());
    }

    #[test]
    fn the_exit_code_follows_fail_on_and_trouble_comes_first() {
        let waiting = ended("in_progress", WaitEnd::DeadlinePassed);
        assert_eq!(Exit::of(std::slice::from_ref(&waiting), &[Conclusion::TimedOut], Share::NONE).code(), 1);
        assert_eq!(Exit::of(std::slice::from_ref(&waiting), &[], Share::NONE).code(), 0);
        let lost = ended("in_progress", WaitEnd::LostSight);
        assert_eq!(Exit::of(std::slice::from_ref(&lost), &[], Share::NONE).code(), 5);
        let mut open = outcome();
        open.apply(Event::Unconfirmed("x".to_owned()));
        let mut refused = outcome();
        refused.apply(Event::Failed(Error::BadToken { said: "Bad credentials".to_owned() }));
        assert_eq!(Exit::of(&[refused.clone(), waiting.clone()], &[Conclusion::TimedOut], Share::NONE).code(), 4);
        assert_eq!(Exit::of(&[refused, open, lost], &[], Share::NONE).code(), 6);
        assert_eq!(Exit::Signalled(Signal::Interrupt).code(), 130);
        assert_eq!(Exit::Signalled(Signal::Terminate).code(), 143);
    }

    #[test]
    fn a_tolerated_share_may_fail_and_a_stopped_rollout_is_never_fine() {
        let mut all = vec![ended("completed", WaitEnd::Settled); 9];
        all.push(ended("failed", WaitEnd::Settled));
        let exit = |outcomes: &[Outcome], share: &str| {
            Exit::of(outcomes, &[Conclusion::Failure], share.parse().unwrap()).code()
        };
        assert_eq!((exit(&all, "0%"), exit(&all, "9%"), exit(&all, "10%")), (1, 1, 0));
        let mut refused = outcome();
        refused.apply(Event::Failed(Error::BadToken { said: "Bad credentials".to_owned() }));
        all[0] = refused;
        assert_eq!((exit(&all, "10%"), exit(&all, "20%")), (4, 0));
        all[1].apply(Event::HeldBack("a wave before it failed".to_owned()));
        assert_eq!(exit(&all, "100%"), 4);
        let mut open = outcome();
        open.apply(Event::Unconfirmed("x".to_owned()));
        assert_eq!(exit(&[open], "100%"), 6);
        let mut held = outcome();
        held.apply(Event::HeldBack("x".to_owned()));
        assert_eq!(exit(&[held], "100%"), 1);
    }

    #[test]
    fn what_a_list_leaves_out_is_kept() {
        let mut outcome = outcome();
        let whole = json!({"id": "t-1", "state": "queued", "html_url": "https://x/t",
            "sessions": [{"model": "m", "prompt": "long"}]});
        outcome.apply(Event::Started(Box::new(serde_json::from_value(whole).unwrap())));
        outcome
            .apply(Event::Saw(Box::new(serde_json::from_value(json!({"id": "t-1", "state": "in_progress"})).unwrap())));
        let task = outcome.task.as_ref().unwrap();
        assert_eq!((task.model(), task.link(), &task.sessions[0].prompt), (Some("m"), "https://x/t", &None));
        assert_eq!(outcome.state(), Some(&State::InProgress));
    }

    #[test]
    fn what_a_rule_says_no_to_is_skipped_and_ends_with_the_code_of_a_refusal() {
        let mut refused = Outcome { prompt_sha256: Some("0".repeat(64)), ..outcome() };
        refused.apply(Event::Refused(Refusal {
            gate: RefusedBy::Policy,
            why: "`base-ref: dev` is not allowed".to_owned(),
        }));
        assert_eq!((refused.conclusion, refused.prompt_sha256.as_deref()), (Some(Conclusion::Skipped), None));
        assert_eq!(Exit::of(std::slice::from_ref(&refused), &[], Share::NONE).code(), 3);
        let annotation = refused.annotation(&[]).unwrap();
        assert_eq!((annotation.level, annotation.title.as_str()), (Level::Error, "Refused by the policy"));
        assert!(annotation.message.contains("octo/app: nothing was started. `base-ref: dev` is not allowed"));
    }

    #[test]
    fn annotations_say_what_to_do_and_are_as_grave_as_the_exit() {
        let late = ended("in_progress", WaitEnd::DeadlinePassed);
        let grave = late.annotation(&[Conclusion::TimedOut]).unwrap();
        assert_eq!(grave.level, Level::Error);
        assert!(
            grave.message.contains("task-id: t-1") && grave.message.contains("https://github.com/octo/app/tasks/t-1")
        );
        assert_eq!(late.annotation(&[]).unwrap().level, Level::Warning);
        let own = ended("timed_out", WaitEnd::Settled).annotation(&[]).unwrap();
        assert!(own.message.contains("GitHub's own limit"), "{}", own.message);
    }

    #[test]
    fn an_interruption_says_what_goes_on() {
        let mut running = ended("in_progress", WaitEnd::DeadlinePassed);
        running.apply(Event::Interrupted { in_flight: false });
        assert!(running.error_message.unwrap().contains("the task itself goes on"));
        let mut sent = outcome();
        sent.apply(Event::Interrupted { in_flight: true });
        assert!(sent.error_message.unwrap().contains("a task may exist"));
        let mut quiet = outcome();
        quiet.apply(Event::Interrupted { in_flight: false });
        assert_eq!(quiet.error_message.unwrap(), "interrupted before a task was started");
    }

    #[test]
    fn durations_are_spelled_for_people() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (60, "1m"), (61, "1m 1s"), (3600, "1h"), (5403, "1h 30m 3s")] {
            assert_eq!(spelled(Duration::from_secs(seconds)), text);
        }
        assert_eq!(spelled(Duration::from_millis(20)), "20ms");
    }
}
