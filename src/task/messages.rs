//! Every sentence about a task: the lines of the log, the annotations, and why a task did not go well.

use std::collections::BTreeMap;

use crate::actions::workflow_command::{Annotation, Level};
use crate::github::error::Error;
use crate::github::task::{Phase, State, Task, TaskId};
use crate::task::acceptance::Acceptance;
use crate::task::conclusion::{Conclusion, Trouble};
use crate::task::event::{Adoption, Event};
use crate::task::outcome::{Changes, Outcome, Reason};
use crate::task::pull_request::NoPullRequest;
use crate::task::stop::{StopEnd, StopReason};
use crate::task::wait::WaitEnd;
use crate::task::waves::StoppedWave;
use crate::text::{repositories, spelled};

/// How many repositories a sentence about several names; the table and `results` have them all.
const MAX_NAMED: usize = 3;

/// The advice for a task that continues without this step.
const WAIT_LATER: &str = "wait for it later with `command: wait`";
/// The same if it should perhaps not continue.
const STOP_OR_WAIT_LATER: &str = "stop it with `command: stop`, or wait for it later with `command: wait`";

/// What is wrong with a task that failed without an error.
const GIVES_NO_REASON: &str = "the task failed and gives no reason";

/// A line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The text.
    pub text: String,
    /// Set where the line is also an annotation on the run's page.
    pub level: Option<Level>,
}

impl Line {
    fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), level: None }
    }

    fn warning(text: impl Into<String>) -> Self {
        Self { text: text.into(), level: Some(Level::Warning) }
    }
}

/// What a person needs to know about a task that did not go well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// A few words.
    pub title: &'static str,
    /// What is wrong: a sentence without its full stop.
    pub problem: String,
    /// What to do at `place`; empty if there is nothing to do there.
    pub action: &'static str,
    /// A page, or the name of a task that has none.
    pub place: String,
    /// What else to do; empty if there is nothing.
    pub advice: String,
    /// The task to wait for later, where the advice says so.
    pub resume: Option<TaskId>,
}

impl Explanation {
    fn new(title: &'static str, problem: impl Into<String>) -> Self {
        Self { title, problem: problem.into(), action: "", place: String::new(), advice: String::new(), resume: None }
    }

    fn at(self, action: &'static str, place: impl Into<String>) -> Self {
        Self { action, place: place.into(), ..self }
    }

    fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: advice.into(), ..self }
    }

    fn resume(self, task: Option<&TaskId>) -> Self {
        Self { resume: task.cloned(), ..self }
    }

    /// All of it as plain text.
    pub fn text(&self) -> String {
        let mut sentences = vec![self.problem.clone()];
        if !self.action.is_empty() {
            sentences.push(format!("{}: {}", self.action, self.place));
        }
        if !self.advice.is_empty() {
            let id = self.resume.as_ref().map_or_else(String::new, |id| format!(" and `task-id: {id}`"));
            sentences.push(format!("{}{id}", self.advice));
        }
        sentences.join(". ")
    }
}

/// The lines of the log for an event, after the outcome has taken it in.
pub fn lines(event: &Event, outcome: &Outcome, changes: &Changes) -> Vec<Line> {
    let mut lines = Vec::new();
    match event {
        Event::ModelRefused { model, said, next } => {
            let name = |model: &Option<String>| model.clone().unwrap_or_else(|| "auto".to_owned());
            lines.push(Line::warning(format!(
                "GitHub refuses model `{}` ({said}); trying `{}`",
                name(model),
                name(next)
            )));
        }
        Event::Limited { why, wait } => {
            lines.push(Line::plain(format!("GitHub limits the rate ({why}); retrying in {}", spelled(*wait))));
        }
        Event::NotSent { why, wait } => {
            lines.push(Line::plain(format!("nothing was sent: {why}; trying again in {}", spelled(*wait))));
        }
        Event::SearchingBefore { thoroughly: true, within } => lines.push(Line::plain(format!(
            "looking for a task that an earlier attempt or run started; GitHub's lists lag, so this takes up to {}",
            spelled(*within)
        ))),
        Event::SearchingBefore { .. } => lines.push(Line::plain("looking for a task that was started earlier")),
        Event::NotAnswered { why, within } => {
            lines.push(Line::plain(why));
            lines.push(Line::plain(format!(
                "the start was sent but not confirmed; looking for its task for up to {}",
                spelled(*within)
            )));
        }
        Event::SentAgain => lines.push(Line::plain("the start created no task; sending it once more")),
        Event::Started(task) => lines.push(Line::plain(format!("started task {}", task.id))),
        Event::Adopted(task, why) => {
            let origin = match why {
                Adoption::Unanswered => "the start arrived, and this is its task",
                Adoption::SameKey => "adopting the task that the same start created earlier",
                Adoption::Active => "adopting the task that is active",
            };
            lines.push(Line::plain(format!("{origin}: {}", task.id)));
        }
        Event::Declined { .. } | Event::Refused(_) | Event::Skipped(_) => {
            let why = outcome.error_message().unwrap_or_default();
            lines.push(Line::plain(format!("nothing was started: {why}")));
        }
        Event::PollFailed(why) => lines.push(Line::plain(format!("polling failed: {why}; retrying"))),
        Event::Moved { from, to, .. } => {
            lines.push(Line::warning(format!("{from} was renamed or transferred: it is now {to}. Use that name")));
        }
        Event::PollRecovered => lines.push(Line::plain("GitHub answers again")),
        Event::StillWaiting => {
            let state = outcome.state().map_or("not seen yet", State::as_str);
            lines.push(Line::plain(format!("still waiting, state {state}")));
        }
        Event::PullFound(pull) if changes.pull_request => {
            lines.push(Line::plain(format!("pull request #{}: {}", pull.number, pull.url)));
        }
        Event::AwaitingAcceptance(why) => {
            lines.push(Line::plain(format!("waiting to accept the pull request: {why}")));
        }
        Event::Compared(acceptance) => {
            let result = acceptance.reason().unwrap_or_else(|| "the pull request is accepted".to_owned());
            lines.push(Line::plain(result));
        }
        Event::NoPull(why) => {
            // A person should look into a pull request whose number stays unknown.
            let level = why.leaves_it_unknown().then_some(Level::Warning);
            lines.push(Line { text: why.to_string(), level });
        }
        Event::Stopping(reason) => lines.push(Line::plain(format!("stopping the task: {reason}"))),
        Event::Cancelled { run, by_force, is_accepted } => {
            let answer = if *is_accepted { "accepts" } else { "refuses" };
            let how = if *by_force { " by force" } else { "" };
            lines.push(Line::plain(format!("GitHub {answer} the cancel of run {run}{how}")));
        }
        Event::StopEnded(end) => lines.push(Line::plain(match end {
            StopEnd::Stopped => "the task is stopped".to_owned(),
            StopEnd::EndedBefore => "the task had ended before".to_owned(),
            StopEnd::Failed(problem) => format!("the task was not stopped: {problem}"),
        })),
        Event::Ended(_) => lines.extend(outcome.conclusion.map(|it| Line::plain(format!("concluded: {it}")))),
        Event::Saw(_)
        | Event::PullFound(_)
        | Event::HeldBack(_)
        | Event::Failed(_)
        | Event::Unconfirmed(_)
        | Event::Undecided(_)
        | Event::Interrupted { .. } => {}
    }
    if let Some((before, now)) = &changes.state {
        lines.push(Line::plain(match before {
            None => format!("state {now}"),
            Some(before) => format!("state {before} → {now}"),
        }));
        if let State::Unknown(word) = now {
            lines.push(Line::warning(format!(
                "this version does not know the state `{word}`; the task counts as running"
            )));
        }
    }
    if changes.page {
        lines.push(Line::plain(format!("see {}", outcome.link())));
    }
    if let Some(head) = outcome.task.as_ref().and_then(Task::head_ref).filter(|_| changes.follows) {
        lines.push(Line::plain(format!("the agent commits to {head}, as it was asked to")));
    }
    lines.extend(changes.departures.iter().map(Line::warning));
    lines
}

impl Outcome {
    /// A person's way to the task: its page, or its id as long as GitHub does not name the page.
    pub fn place(&self) -> String {
        match (self.link(), &self.task_id) {
            ("", Some(id)) => format!("task {id} in {}", self.label()),
            ("", None) => self.label(),
            (link, _) => link.to_owned(),
        }
    }

    /// Why it did not go well; absent if it did, or where the task failed without a reason.
    pub fn error_message(&self) -> Option<String> {
        let Some(stop) = &self.stop else { return self.message() };
        Some(match &stop.end {
            Some(StopEnd::Stopped) => {
                let credits = self.task.as_ref().and_then(Task::credits);
                let credits = credits.map_or_else(String::new, |credits| format!(" after {credits} AI credits"));
                let branch = self.task.as_ref().and_then(Task::head_ref);
                let branch = branch.map_or_else(String::new, |branch| format!(" `{branch}`"));
                let because = match stop.reason {
                    StopReason::Asked => String::new(),
                    reason => format!(", because {reason}"),
                };
                let lag = self.lagging_state();
                format!("stopped{credits}{because}{lag}. Commits already pushed are kept on the branch{branch}")
            }
            Some(StopEnd::EndedBefore) => {
                format!("the task had ended before, as {}", self.state().map_or("not seen", State::as_str))
            }
            Some(StopEnd::Failed(problem)) => match (stop.reason, self.message()) {
                (StopReason::Asked, _) => format!("the task was not stopped: {problem}"),
                (StopReason::Timeout, Some(why)) => format!("{why}, and it was not stopped: {problem}"),
                (reason, _) => format!("{reason}, and the task was not stopped: {problem}"),
            },
            None if matches!(self.reason, Some(Reason::Interrupted { .. })) && self.task_id.is_some() => format!(
                "{}, and it is not known whether the task is stopped: this process ended first. See {}, or stop it with \
                 `command: stop`",
                stop.reason,
                self.place()
            ),
            None => return self.message(),
        })
    }

    /// Whether `command: stop` stopped it, and GitHub shows it as ended.
    fn is_stopped_as_asked(&self) -> bool {
        let is_asked = self.stop.as_ref().is_some_and(|stop| stop.reason == StopReason::Asked);
        is_asked && self.lagging_state().is_empty()
    }

    /// Whether GitHub shows it as ended.
    fn has_settled(&self) -> bool {
        self.state().is_some_and(|state| state.phase() == Phase::Settled)
    }

    /// What GitHub still shows of a task that is stopped, for the end of a sentence; empty if it shows that.
    fn lagging_state(&self) -> String {
        match self.state().filter(|_| !self.has_settled()) {
            Some(state) => format!("; GitHub still shows it as {state}, although none of its runs continues"),
            None => String::new(),
        }
    }

    /// The same without regard to a stop.
    fn message(&self) -> Option<String> {
        let state = self.state().map_or("not seen", State::as_str);
        let text = match &self.reason {
            Some(Reason::Task(why) | Reason::Refused(why) | Reason::Skipped(why) | Reason::Rollout(why)) => why.clone(),
            Some(Reason::Findings(why) | Reason::Unconfirmed(why) | Reason::Undecided(why)) => why.clone(),
            Some(Reason::HeldBack(why)) => format!("not started: {why}"),
            Some(Reason::Renamed { from, differs }) => {
                let remedy = if *differs { " with another prompt; remove one of the two entries" } else { "" };
                format!("{from} was renamed or transferred to {}, which the list has already{remedy}", self.repository)
            }
            Some(Reason::Active { scope, state, place }) => {
                format!("a task of {} is still {state}: {place}", scope.noun())
            }
            Some(Reason::GitHub(error @ Error::RateLimited(_))) => {
                format!("{error}, which is longer than this step waits")
            }
            Some(Reason::GitHub(error)) => error.to_string(),
            Some(Reason::Interrupted { in_flight: true }) => format!(
                "interrupted before GitHub answered the start, so a task may exist: check the newest tasks of {} \
                 before starting another",
                self.repository
            ),
            Some(Reason::Interrupted { in_flight: false }) => match &self.task_id {
                None => "interrupted before a task was started".to_owned(),
                Some(id) if self.has_settled() => format!(
                    "interrupted after the task ended as {state}, before its pull request was read. Wait for it later with \
                     `command: wait` and `task-id: {id}`"
                ),
                Some(id) => format!(
                    "interrupted; the task itself continues. Stop it at {} or with `command: stop`, or wait for it later \
                     with `command: wait`, both with `task-id: {id}`",
                    self.place()
                ),
            },
            None => match (self.ending.as_ref()?, self.conclusion?) {
                (WaitEnd::Settled, _) if self.acceptance.is_some() => self.acceptance.as_ref()?.reason()?,
                (WaitEnd::Settled, Conclusion::Failure) if self.state() == Some(&State::Completed) => {
                    self.missing_pull()
                }
                (WaitEnd::Settled, Conclusion::Failure) => GIVES_NO_REASON.to_owned(),
                (WaitEnd::Settled, Conclusion::Cancelled) => "the task was cancelled".to_owned(),
                (WaitEnd::Settled, Conclusion::TimedOut) => "GitHub's own time limit ended the task".to_owned(),
                (WaitEnd::NeedsPerson, _) => format!("the task is {state} and needs a person"),
                (WaitEnd::DeadlinePassed, _) => format!("the task was still {state} when `wait-timeout` passed"),
                (WaitEnd::LimitedPastDeadline(limit), _) => format!("the wait ended early: {limit}"),
                _ => return None,
            },
        };
        Some(text)
    }

    /// What is wrong and what to do; absent if it went well or is still going on.
    pub fn explain(&self) -> Option<Explanation> {
        let why = self.error_message().unwrap_or_default();
        let is_unseen = self.task.is_none() && self.trouble == Some(Trouble::RefusedByGitHub);
        match self.stop.as_ref().map(|stop| &stop.end) {
            Some(Some(StopEnd::Stopped)) => {
                return Some(Explanation::new("Task stopped", capitalized(&why)).at("See what it did", self.place()));
            }
            Some(Some(StopEnd::EndedBefore)) => return None,
            Some(Some(StopEnd::Failed(_))) if !is_unseen => {
                return Some(Explanation::new("Task not stopped", capitalized(&why)).at("Stop it", self.place()));
            }
            _ => {}
        }
        let why = if is_unseen { self.message().unwrap_or_default() } else { why };
        let new = |title, problem: String| Explanation::new(title, problem);
        let lost =
            |title, why| new(title, format!("{why}. The task itself continues")).at("See the task", self.place());
        Some(match (self.trouble, self.conclusion) {
            (Some(Trouble::Unconfirmed), _) => new(
                "Start not confirmed",
                format!("A start was sent, and it is not known whether it made a task: {why}"),
            )
            .advise(
                "Check the newest tasks of the repository. If none is this one, run the job again: it looks \
                         once more before it sends anything",
            ),
            (Some(Trouble::Undecided), _) => new("Nothing was started", format!("Nothing was started: {why}")),
            (Some(Trouble::Refused(rule)), _) => new(rule.title(), format!("Nothing was started: {why}")),
            (_, Some(Conclusion::Skipped)) if self.held_back => new("Not started", capitalized(&why)),
            (Some(Trouble::Declined), _) | (None, Some(Conclusion::Skipped)) => match &self.reason {
                Some(Reason::Active { scope, state, place }) => {
                    let problem = format!("Nothing was started: a task of {} is still {state}", scope.noun());
                    new("Task already active", problem).at("See that task", place)
                }
                _ => new("Nothing was started", format!("Nothing was started: {why}")),
            },
            (Some(Trouble::RefusedByGitHub), _) if self.task_id.is_some() && self.task.is_none() => {
                new("Task not found", why).at("Check `task-id` and `repository`", self.place())
            }
            (Some(Trouble::RateLimited), _) if self.task_id.is_some() => lost("Rate limit exceeded", why),
            (Some(_), _) if self.task_id.is_some() => lost("Lost sight of the task", why),
            (Some(Trouble::RefusedByGitHub), _) => new("GitHub refused", why),
            (Some(Trouble::RateLimited), _) => new("Rate limit exceeded", why),
            (Some(Trouble::Unreachable), _) => new("GitHub not reached", why),
            (None, None) => match &self.reason {
                Some(Reason::Interrupted { in_flight: false }) if self.task_id.is_some() && !self.has_settled() => {
                    let problem = match self.stop {
                        Some(_) => capitalized(&why),
                        None => "Interrupted; the task itself continues".to_owned(),
                    };
                    Explanation::new("Interrupted", problem)
                        .at("Stop it", self.place())
                        .advise(format!("Or {STOP_OR_WAIT_LATER}"))
                        .resume(self.task_id.as_ref())
                }
                Some(Reason::Interrupted { .. }) => new("Interrupted", capitalized(&why)),
                _ => return None,
            },
            (None, Some(Conclusion::Success)) => return None,
            (None, Some(conclusion)) if let Some(acceptance) = &self.acceptance => {
                self.explain_acceptance(conclusion, acceptance)
            }
            (None, Some(Conclusion::Failure)) if self.state() == Some(&State::Completed) => {
                let is_unknown = self.no_pull.as_ref().is_some_and(NoPullRequest::leaves_it_unknown);
                let title = if is_unknown { "Pull request not known" } else { "No pull request" };
                new(title, capitalized(&self.missing_pull())).at("See what it did", self.place())
            }
            (None, Some(Conclusion::Failure)) if self.reason.is_none() => {
                new("Task failed", capitalized(GIVES_NO_REASON)).at("Read its log", self.place())
            }
            (None, Some(Conclusion::Failure)) => {
                new("Task failed", format!("The task failed: {why}")).at("Read its log", self.place())
            }
            (None, Some(Conclusion::Cancelled)) => {
                Explanation::new("Task cancelled", "The task was cancelled").at("See its log", self.place())
            }
            (None, Some(Conclusion::ActionRequired)) => {
                let owner = self.owner.as_ref().map_or_else(String::new, |owner| format!("{owner}: "));
                let problem = match self.state() {
                    Some(State::WaitingForUser) => "The agent waits for an answer, which the API cannot give",
                    _ => "The agent is idle and waits for a person",
                };
                new("Task needs a person", format!("{owner}{problem}"))
                    .at("Answer it", self.place())
                    .advise("Then wait for it again with `command: wait`")
            }
            (None, Some(Conclusion::TimedOut)) => self.explain_timeout(),
        })
    }

    /// What is wrong with a task that completed, where a pull request was asked for.
    fn missing_pull(&self) -> String {
        let input = self.asks_for_pull();
        match self.no_pull.as_ref().filter(|why| why.leaves_it_unknown()) {
            Some(why) => format!("the task completed, `{input}` asks for a pull request, and {why}"),
            None => format!("the task completed without the pull request that `{input}` asks for"),
        }
    }

    /// The input that asks for a pull request.
    fn asks_for_pull(&self) -> &'static str {
        if self.expects { "expect" } else { "require-pull-request" }
    }

    fn explain_acceptance(&self, conclusion: Conclusion, acceptance: &Acceptance) -> Explanation {
        let reason = capitalized(&acceptance.reason().unwrap_or_default());
        let page = self.pull.as_ref().map(|pull| pull.url.as_str()).unwrap_or_default();
        match conclusion {
            Conclusion::ActionRequired => {
                let owner = self.owner.as_ref().map_or_else(String::new, |owner| format!("{owner}: "));
                Explanation::new("Checks need approval", format!("{owner}{reason}"))
                    .at("Approve and run them", acceptance.approval_page().unwrap_or(page))
                    .advise(format!("Everyone with write access can do that. Then {WAIT_LATER}"))
                    .resume(self.task_id.as_ref())
            }
            Conclusion::TimedOut => Explanation::new("Not accepted in time", reason)
                .at("See the pull request", page)
                .advise(format!("Raise `wait-timeout`, or {WAIT_LATER}"))
                .resume(self.task_id.as_ref()),
            _ => Explanation::new("Not accepted", reason).at("See the pull request", page),
        }
    }

    fn explain_timeout(&self) -> Explanation {
        let state = self.state().map_or("running", State::as_str);
        let problem = match &self.ending {
            Some(WaitEnd::LimitedPastDeadline(limit)) => {
                format!("The wait ended early: {limit}, which is longer than `wait-timeout` leaves")
            }
            Some(WaitEnd::DeadlinePassed) => format!("The task was still {state} when `wait-timeout` passed"),
            _ => {
                return Explanation::new("Task timed out", "GitHub's own time limit ended the task")
                    .at("See what it did", self.place())
                    .advise("Give the task less to do at once");
            }
        };
        Explanation::new("Task timed out", format!("{problem}. It continues"))
            .at("See the task", self.place())
            .advise(format!("Raise `wait-timeout`, {STOP_OR_WAIT_LATER}"))
            .resume(self.task_id.as_ref())
    }

    /// The annotation on the run's page; the repository comes first. What was held back is summed up by
    /// [`held_back`].
    pub fn annotation(&self, fail_on: &[Conclusion]) -> Option<Annotation> {
        let explanation = self.explain().filter(|_| !self.held_back)?;
        let mild = self.trouble.is_none() && self.conclusion.is_some_and(|it| !fail_on.contains(&it));
        let level = match (mild, self.conclusion) {
            (true, Some(Conclusion::Skipped)) => Level::Notice,
            // That is what `command: stop` is for.
            (true, Some(Conclusion::Cancelled)) if self.is_stopped_as_asked() => Level::Notice,
            (true, _) => Level::Warning,
            (false, _) => Level::Error,
        };
        let message = format!("{}: {}", self.label(), explanation.text());
        Some(Annotation { level, title: explanation.title.to_owned(), message })
    }
}

/// What was not started because of what went before: one annotation for each reason, with the number of repositories.
pub fn held_back(outcomes: &[Outcome], stopped: Option<&StoppedWave>) -> Vec<Annotation> {
    let mut counts = BTreeMap::<String, usize>::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.held_back) {
        *counts.entry(outcome.error_message().unwrap_or_default()).or_default() += 1;
    }
    let title = if stopped.is_some() { "Wave failed" } else { "Not started" };
    let annotation = |(why, count)| Annotation {
        level: Level::Error,
        title: title.to_owned(),
        message: format!("{} {why}", repositories(count)),
    };
    counts.into_iter().map(annotation).collect()
}

/// Why several tasks together did not go well, in one text; empty if all did.
pub fn sum_up(outcomes: &[Outcome]) -> String {
    let mut groups = Vec::<(String, Vec<String>)>::new();
    let interrupted = |outcome: &Outcome| matches!(outcome.reason, Some(Reason::Interrupted { .. }));
    let failed = outcomes.iter().filter(|it| it.is_failed() || it.held_back || interrupted(it)).collect::<Vec<_>>();
    for outcome in &failed {
        let why = outcome.error_message().or_else(|| outcome.conclusion.map(|it| it.to_string())).unwrap_or_default();
        let name = outcome.label();
        match groups.iter_mut().find(|(other, _)| *other == why) {
            Some((_, names)) => names.push(name),
            None => groups.push((why, vec![name])),
        }
    }
    if failed.is_empty() {
        return String::new();
    }
    let groups = groups.iter().map(|(why, names)| format!("{}: {why}", named(names))).collect::<Vec<_>>();
    format!("{} of {} did not succeed. {}", failed.len(), repositories(outcomes.len()), groups.join("; "))
}

/// A list of names for a sentence, the first few of them and the number of the others.
pub fn named(names: &[String]) -> String {
    let (shown, more) = names.split_at(names.len().min(MAX_NAMED));
    match more.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// One word for how a task fares, as the log counts tasks.
pub fn progress_word(outcome: &Outcome) -> &'static str {
    match (outcome.conclusion, outcome.trouble) {
        (Some(conclusion), _) => conclusion.as_str(),
        (None, Some(_)) => "failed to start or to be followed",
        (None, None) if outcome.task_id.is_some() => "running",
        (None, None) => "not started",
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

impl NoPullRequest {
    /// Whether it matters to a person who reads the summary.
    pub fn is_worth_a_word(&self) -> bool {
        *self != Self::NotAskedFor
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use crate::github::error::RateLimit;
    use crate::github::pull_request::PullRequest;
    use crate::task::conclusion::{Refusal, RefusedBy};
    use crate::task::start::ActiveScope;

    use super::*;

    fn task(state: &str) -> Box<Task> {
        let value = json!({"id": "t-1", "state": state, "html_url": "https://github.com/octo/app/tasks/t-1"});
        Box::new(serde_json::from_value(value).unwrap())
    }

    fn outcome(events: &[Event]) -> Outcome {
        let mut outcome = Outcome::new("octo/app".parse().unwrap());
        for event in events {
            outcome.apply(event);
        }
        outcome
    }

    fn ended(state: &str, ending: WaitEnd) -> Outcome {
        outcome(&[Event::Started(task("queued")), Event::Saw(task(state)), Event::Ended(ending)])
    }

    fn limit() -> Error {
        Error::RateLimited(RateLimit { wait: Duration::from_secs(60), primary: false })
    }

    fn log(outcome: &mut Outcome, event: &Event) -> Vec<String> {
        let changes = outcome.apply(event);
        let shown = lines(event, outcome, &changes).into_iter().map(|line| match line.level {
            Some(level) => format!("{level}: {}", line.text),
            None => line.text,
        });
        shown.collect()
    }

    #[test]
    fn log_has_each_change_once() {
        let mut outcome = outcome(&[]);
        let pull = PullRequest::sample("octo/app", 7);
        let events = [
            Event::SearchingBefore { thoroughly: true, within: Duration::from_secs(60) },
            Event::Limited { why: "too many requests".to_owned(), wait: Duration::from_secs(60) },
            Event::NotSent { why: "no route".to_owned(), wait: Duration::from_secs(2) },
            Event::NotAnswered { why: "GitHub did not answer".to_owned(), within: Duration::from_secs(60) },
            Event::SentAgain,
            Event::Started(task("queued")),
            Event::Saw(task("queued")),
            Event::StillWaiting,
            Event::Saw(task("dreaming")),
            Event::PullFound(pull.clone()),
            Event::PullFound(pull),
            Event::Saw(task("completed")),
            Event::Ended(WaitEnd::Settled),
        ];
        let log = events.iter().flat_map(|event| log(&mut outcome, event)).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(log, @r"
        looking for a task that an earlier attempt or run started; GitHub's lists lag, so this takes up to 1m
        GitHub limits the rate (too many requests); retrying in 1m
        nothing was sent: no route; trying again in 2s
        GitHub did not answer
        the start was sent but not confirmed; looking for its task for up to 1m
        the start created no task; sending it once more
        started task t-1
        state queued
        see https://github.com/octo/app/tasks/t-1
        still waiting, state queued
        state queued → dreaming
        warning: this version does not know the state `dreaming`; the task counts as running
        pull request #7: https://github.com/octo/app/pull/7
        state dreaming → completed
        concluded: success
        ");
    }

    #[test]
    fn task_that_ended_badly_without_an_error_has_a_message() {
        for (state, message) in [
            ("failed", "the task failed and gives no reason"),
            ("cancelled", "the task was cancelled"),
            ("timed_out", "GitHub's own time limit ended the task"),
        ] {
            assert_eq!(ended(state, WaitEnd::Settled).error_message().as_deref(), Some(message));
        }
    }

    #[test]
    fn pull_request_that_cannot_be_read_is_not_called_missing() {
        let mut outcome = ended("completed", WaitEnd::Settled);
        (outcome.conclusion, outcome.expects) = (Some(Conclusion::Failure), true);
        outcome.no_pull = Some(NoPullRequest::MayNotRead("the token lacks a permission".to_owned()));
        let message = "the task completed, `expect` asks for a pull request, and the pull request's number is not known: \
                       the token lacks a permission";
        assert_eq!(outcome.error_message().as_deref(), Some(message));
    }

    #[test]
    fn annotation_names_the_repository_and_the_remedy() {
        let failed = |error| outcome(&[Event::Failed(error)]);
        let refusal = Refusal { gate: RefusedBy::Policy, why: "`base-ref: dev` is not allowed".to_owned() };
        let all = [
            ended("failed", WaitEnd::Settled),
            ended("cancelled", WaitEnd::Settled),
            ended("timed_out", WaitEnd::Settled),
            ended("in_progress", WaitEnd::DeadlinePassed),
            ended("waiting_for_user", WaitEnd::NeedsPerson),
            outcome(&[Event::Declined { task: task("idle"), failing: false, scope: ActiveScope::Job }]),
            outcome(&[Event::Declined { task: task("idle"), failing: true, scope: ActiveScope::Repository }]),
            outcome(&[Event::Refused(refusal)]),
            outcome(&[Event::Unconfirmed("GitHub did not answer".to_owned())]),
            failed(limit()),
            failed(Error::Unreachable { why: "no route".to_owned() }),
            failed(Error::BadToken { said: "Bad credentials".to_owned() }),
            outcome(&[Event::Started(task("queued")), Event::Failed(limit())]),
            outcome(&[Event::Started(task("queued")), Event::Interrupted { in_flight: false }]),
            outcome(&[Event::Started(task("completed")), Event::Interrupted { in_flight: false }]),
            outcome(&[Event::Interrupted { in_flight: true }]),
        ];
        let shown = all
            .iter()
            .filter_map(|outcome| outcome.annotation(&[Conclusion::Failure]))
            .map(|annotation| format!("{} · {} · {}", annotation.level, annotation.title, annotation.message));
        insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"), @"
        error · Task failed · octo/app: The task failed and gives no reason. Read its log: https://github.com/octo/app/tasks/t-1
        warning · Task cancelled · octo/app: The task was cancelled. See its log: https://github.com/octo/app/tasks/t-1
        warning · Task timed out · octo/app: GitHub's own time limit ended the task. See what it did: https://github.com/octo/app/tasks/t-1. Give the task less to do at once
        warning · Task timed out · octo/app: The task was still in_progress when `wait-timeout` passed. It continues. See the task: https://github.com/octo/app/tasks/t-1. Raise `wait-timeout`, stop it with `command: stop`, or wait for it later with `command: wait` and `task-id: t-1`
        warning · Task needs a person · octo/app: The agent waits for an answer, which the API cannot give. Answer it: https://github.com/octo/app/tasks/t-1. Then wait for it again with `command: wait`
        notice · Task already active · octo/app: Nothing was started: a task of the same job is still idle. See that task: https://github.com/octo/app/tasks/t-1
        error · Task already active · octo/app: Nothing was started: a task of the repository is still idle. See that task: https://github.com/octo/app/tasks/t-1
        error · Refused by the policy · octo/app: Nothing was started: `base-ref: dev` is not allowed
        error · Start not confirmed · octo/app: A start was sent, and it is not known whether it made a task: GitHub did not answer. Check the newest tasks of the repository. If none is this one, run the job again: it looks once more before it sends anything
        error · Rate limit exceeded · octo/app: GitHub limits the rate: secondary rate limit exceeded; the next request is allowed in 1m, which is longer than this step waits
        error · GitHub not reached · octo/app: GitHub cannot be reached: no route. Check the runner's network, its proxy settings and https://www.githubstatus.com
        error · GitHub refused · octo/app: GitHub does not accept the token (Bad credentials): it is mistyped, expired or revoked. Make a new one and store it as the secret that `token` is given
        error · Rate limit exceeded · octo/app: GitHub limits the rate: secondary rate limit exceeded; the next request is allowed in 1m, which is longer than this step waits. The task itself continues. See the task: https://github.com/octo/app/tasks/t-1
        error · Interrupted · octo/app: Interrupted; the task itself continues. Stop it: https://github.com/octo/app/tasks/t-1. Or stop it with `command: stop`, or wait for it later with `command: wait` and `task-id: t-1`
        error · Interrupted · octo/app: Interrupted after the task ended as completed, before its pull request was read. Wait for it later with `command: wait` and `task-id: t-1`
        error · Interrupted · octo/app: Interrupted before GitHub answered the start, so a task may exist: check the newest tasks of octo/app before starting another
        ");
    }

    #[test]
    fn annotation_of_a_success_is_absent() {
        assert_eq!(ended("completed", WaitEnd::Settled).annotation(&[Conclusion::Failure]), None);
    }

    #[test]
    fn held_back_starts_are_counted_by_reason() {
        let held = outcome(&[Event::HeldBack("GitHub refuses all starts of this token: x".to_owned())]);
        assert_eq!(held.annotation(&[]), None);
        let annotations = held_back(&[held.clone(), held, ended("completed", WaitEnd::Settled)], None);
        let [annotation] = annotations.as_slice() else { panic!("{annotations:?}") };
        assert_eq!((annotation.level, annotation.title.as_str()), (Level::Error, "Not started"));
        insta::assert_snapshot!(annotation.message, @r"2 repositories not started: GitHub refuses all starts of this token: x");
    }
}
