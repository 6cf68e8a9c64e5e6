//! Waiting for a task, and then for its pull request and what is expected of that.

use std::time::Duration;

use tokio::time::Instant;

use crate::github::answers::TaskAnswer;
use crate::github::error::Error;
use crate::github::pull_content::PullContent;
use crate::github::pull_request::PullRequest;
use crate::github::task::{Phase, State, TaskId};
use crate::plan::Action;
use crate::run::task_run::TaskRun;
use crate::task::acceptance::{AcceptanceMachine, AcceptanceStep};
use crate::task::event::Event;
use crate::task::pull_request::{NoPullRequest, PullRequestHints};
use crate::task::stop::{StopEnd, StopReason, UnfinishedTask};
use crate::task::wait::{Observation, Pace, WaitEnd, WaitMachine, WaitRules, WaitStep};
use crate::text::spelled;

/// How long the lookup of a pull request that must exist is repeated after `completed`: the artifact can appear late.
const GRACE: Duration = Duration::from_secs(30);
/// The same if it is unknown whether there is one.
const SHORT_GRACE: Duration = Duration::from_secs(10);
/// The pause between two such lookups.
const GRACE_PAUSE: Duration = Duration::from_secs(3);
/// The shortest time limit of one request, however little is left of the wait.
const MIN_REQUEST_TIME: Duration = Duration::from_secs(5);
/// The same if many requests wait for their turn.
const MIN_REQUEST_TIME_OF_MANY: Duration = Duration::from_secs(60);

/// The error of a poll that `wait-timeout` ended.
fn late() -> Error {
    Error::unanswered("nothing came before `wait-timeout`")
}

impl TaskRun<'_> {
    /// Waits for the task. `new`: this run has just started it.
    pub(super) async fn wait(&mut self, id: &TaskId, rules: &WaitRules, new: bool) {
        let began = Instant::now();
        // A task that was started a moment ago exists, so that "not found" is an outage of GitHub, which can take hours.
        let grace = if new { rules.timeout } else { rules.grace };
        let mut machine = WaitMachine::new(WaitRules { grace, ..rules.clone() }, self.executor.host.seed());
        let left = || rules.timeout.saturating_sub(began.elapsed());
        let mut etag = None;
        let mut failing = false;
        let mut followed = PullRequestHints::default();
        let stop = &self.executor.plan.stop;
        let mut aged = (Duration::ZERO, began);
        // A task that was started a moment ago has used nothing yet.
        let mut detail_at = if new { began + self.executor.poller.detail_offset(self.index) } else { began };
        if stop.on_interrupt == UnfinishedTask::Stop {
            let waiting = (self.repository().clone(), id.clone(), self.task.clone());
            self.executor.waiting.borrow_mut().insert(self.index, waiting);
        }
        if new {
            self.rest(machine.first_pause(), rules.timeout).await;
        }
        let (ending, error) = loop {
            let state = self.task.as_ref().map(|task| &task.state);
            let in_detail = stop.max_credits.is_some() && Instant::now() >= detail_at;
            if in_detail {
                detail_at = Instant::now() + self.executor.poller.detail_spacing();
            }
            let answer = self.executor.poller.poll(self.repository(), id, etag.as_deref(), state, in_detail);
            let answer = tokio::time::timeout(left().max(self.min_request_time()), answer).await;
            let answer = answer.unwrap_or_else(|_| Err(late()));
            let observation = Observation::of(&answer);
            let error = match answer {
                Ok(TaskAnswer::Seen(task, mark)) => {
                    // An ETag is that of a state as it was read alone; a list may have shown another one since then.
                    let is_same = self.task.as_ref().is_some_and(|before| before.state == task.state);
                    etag = mark.or(etag.filter(|_| is_same));
                    aged = task.age().map_or(aged, |age| (age, Instant::now()));
                    self.record(Event::Saw(task));
                    None
                }
                Ok(TaskAnswer::Unchanged) => None,
                Err(error) => Some(error),
            };
            failing = self.record_poll(error.as_ref(), new && began.elapsed() < rules.grace, failing);
            let pause = match machine.observe(began.elapsed(), observation) {
                WaitStep::Sleep(pause) => pause,
                WaitStep::Ended(ending) => break (ending, error),
            };
            let age = aged.0 + aged.1.elapsed();
            if let Some(reason) = stop.exceeded(self.task.as_ref(), age) {
                break (WaitEnd::NotStopped(reason), None);
            }
            let pause = stop.max_duration.map_or(pause, |longest| pause.min(longest.saturating_sub(age)));
            if let Some(Error::RateLimited(limit)) = &error {
                self.record(Event::Limited { why: limit.name().to_owned(), wait: pause });
            }
            self.follow(&mut followed).await;
            self.rest(pause, left()).await;
        };
        self.end(id, ending, error, left()).await;
    }

    /// Records that polls begin to fail or succeed again. `may_be_absent`: the task was started a moment ago, and may not be
    /// shown yet. `failing`: whether they failed before; returns whether they fail now.
    fn record_poll(&mut self, error: Option<&Error>, may_be_absent: bool, failing: bool) -> bool {
        let is_expected = match error {
            Some(Error::NotFound { .. }) => may_be_absent,
            // It is recorded with the pause that follows.
            Some(Error::RateLimited(_)) => true,
            // What concerns all tasks is logged once, by the poller.
            error => error.is_some() && self.executor.poller.is_shared(),
        };
        if is_expected {
            return failing;
        }
        match error {
            Some(error) if !failing => self.record(Event::PollFailed(error.to_string())),
            None if failing => self.record(Event::PollRecovered),
            _ => {}
        }
        error.is_some()
    }

    /// Sleeps until the next poll, at most `left`.
    async fn rest(&self, pause: Duration, left: Duration) {
        let pause = self.executor.poller.pause(pause).min(left.max(pause));
        let (id, state) = match &self.task {
            Some(task) => (task.id.as_str(), task.state.as_str()),
            None => ("the task", "not seen yet"),
        };
        self.executor.host.sleep(pause, &format!("{id} {state}")).await;
    }

    /// The end of the wait. `left` is what remains of its time.
    async fn end(&mut self, id: &TaskId, ending: WaitEnd, error: Option<Error>, left: Duration) {
        let on_timeout = self.executor.plan.stop.on_timeout == UnfinishedTask::Stop;
        let reason = match &ending {
            WaitEnd::NotStopped(reason) => Some(*reason),
            WaitEnd::DeadlinePassed | WaitEnd::LimitedPastDeadline(_) | WaitEnd::LostSight if on_timeout => {
                Some(StopReason::Timeout)
            }
            _ => None,
        };
        let ending = match reason {
            Some(reason) => match self.stop(id, reason).await {
                StopEnd::Stopped => WaitEnd::Stopped(reason),
                StopEnd::EndedBefore => WaitEnd::Settled,
                StopEnd::Failed(_) => ending,
            },
            None => ending,
        };
        match ending {
            // A task that was not seen has shown no pull request either.
            WaitEnd::LostSight | WaitEnd::Refused | WaitEnd::EndedBefore => {}
            WaitEnd::Settled => {
                let began = Instant::now();
                self.seek_pull(id, left).await;
                self.compare(left.saturating_sub(began.elapsed())).await;
            }
            WaitEnd::NeedsPerson
            | WaitEnd::DeadlinePassed
            | WaitEnd::LimitedPastDeadline(_)
            | WaitEnd::Stopped(_)
            | WaitEnd::NotStopped(_) => {
                self.seek_pull(id, Duration::ZERO).await;
            }
        }
        let is_failed = matches!(ending, WaitEnd::LostSight | WaitEnd::Refused);
        self.record(Event::Ended(ending));
        if let Some(error) = error.filter(|_| is_failed) {
            self.record(Event::Failed(error));
        }
    }

    /// Finds the pull request as soon as the task has one, so that its number is known during the wait. `followed` are
    /// the hints of an earlier try.
    async fn follow(&mut self, followed: &mut PullRequestHints) {
        let Some(hints) = self.task.as_ref().map(PullRequestHints::of) else {
            return;
        };
        if self.pull.is_some() || !hints.promise_a_pull() || hints == *followed {
            return;
        }
        match self.pull(&hints, Duration::ZERO).await {
            Ok(pull) => self.record(Event::PullFound(pull)),
            Err(why) => self.executor.host.debug(&why.to_string()),
        }
        *followed = hints;
    }

    /// Finds the pull request, or records why there is none. The task is polled again for a while, because the artifact
    /// can appear after the state.
    async fn seek_pull(&mut self, id: &TaskId, left: Duration) {
        if self.pull.is_some() {
            return;
        }
        let requires_pull = self.executor.plan.require_pull_request;
        // Unknown for a task that another step started, unless this one requires it.
        let asked = match &self.planned.action {
            Action::Start { task, .. } => Some(requires_pull || task.create_pull_request || task.head_ref.is_some()),
            Action::Wait(_) | Action::Skip(_) | Action::Stop(_) | Action::NotListed(_) => requires_pull.then_some(true),
        };
        let began = Instant::now();
        let mut limited = Duration::ZERO;
        let mut etag = None;
        loop {
            let hints = self.task.as_ref().map(PullRequestHints::of).unwrap_or_default();
            let state = self.task.as_ref().map(|task| task.state.clone());
            let grace = match (asked, &state) {
                _ if hints.promise_a_pull() => GRACE,
                (Some(true), Some(State::Completed)) => GRACE,
                (None, Some(State::Completed)) => SHORT_GRACE,
                _ => Duration::ZERO,
            };
            let why = match self.pull(&hints, left.saturating_sub(began.elapsed())).await {
                Ok(pull) => return self.record(Event::PullFound(pull)),
                // An agent may open one without being asked to, so this is the reason only when none was found.
                Err(NoPullRequest::NotMade) if asked == Some(false) => NoPullRequest::NotAskedFor,
                Err(why) => why,
            };
            let settled = state.as_ref().is_some_and(|state| state.phase() == Phase::Settled);
            let (pause, last) = match &why {
                // A limit is waited out as long as the wait may take, and does not count as time of the lookup.
                NoPullRequest::Limited(limit) => {
                    limited += limit.wait;
                    (limit.wait, began.elapsed() + limit.wait > left)
                }
                NoPullRequest::MayNotRead(_) => (GRACE_PAUSE, true),
                _ => (GRACE_PAUSE, began.elapsed() + GRACE_PAUSE > (grace + limited).min(left)),
            };
            if last {
                // A task that still runs may make one yet.
                if settled || hints.promise_a_pull() {
                    self.record(Event::NoPull(why));
                }
                return;
            }
            if let NoPullRequest::Limited(limit) = &why {
                self.record(Event::Limited { why: limit.name().to_owned(), wait: pause });
            }
            self.executor.host.sleep(pause, "looking for the pull request").await;
            // A person may open another session meanwhile; what was waited for has ended.
            let answer = self.tasks().task(self.repository(), id, etag.as_deref()).await;
            if let Ok(TaskAnswer::Seen(task, mark)) = answer
                && Some(&task.state) == state.as_ref()
            {
                etag = mark;
                self.record(Event::Saw(task));
            }
        }
    }

    /// The pull request that the hints lead to, within `longest` or the least time for a request.
    async fn pull(&self, hints: &PullRequestHints, longest: Duration) -> Result<PullRequest, NoPullRequest> {
        let longest = longest.max(self.min_request_time());
        let found = tokio::time::timeout(longest, self.executor.poller.pull(self.repository(), hints)).await;
        let late = || NoPullRequest::Hidden(format!("GitHub did not answer within {}", spelled(longest)));
        found.unwrap_or_else(|_| Err(late()))
    }

    /// Compares the pull request of a completed task with what is expected, and waits for its checks. `left` is what
    /// remains of the wait's time.
    async fn compare(&mut self, left: Duration) {
        let plan = self.executor.plan;
        let is_completed = self.task.as_ref().is_some_and(|task| task.state == State::Completed);
        let (Some(rules), Some(number)) = (&plan.wait, self.pull.filter(|_| is_completed && !plan.expect.is_empty()))
        else {
            return;
        };
        let began = Instant::now();
        let pace = Pace::new(rules.interval, self.executor.host.seed());
        let mut machine = AcceptanceMachine::new(&plan.expect, left, pace);
        let mut awaited = String::new();
        loop {
            let remaining = left.saturating_sub(began.elapsed());
            let answer = self.content(number, &machine);
            let answer = tokio::time::timeout(remaining.max(self.min_request_time()), answer)
                .await
                .unwrap_or_else(|_| Err(late()));
            match machine.observe(began.elapsed(), answer) {
                AcceptanceStep::Sleep(pause, why) => {
                    if awaited != why {
                        self.record(Event::AwaitingAcceptance(why.clone()));
                        awaited = why;
                    }
                    self.rest(pause, left.saturating_sub(began.elapsed())).await;
                }
                AcceptanceStep::Ended(acceptance) => return self.record(Event::Compared(acceptance)),
            }
        }
    }

    /// The contents of the pull request.
    async fn content(&self, number: u64, machine: &AcceptanceMachine<'_>) -> Result<PullContent, Error> {
        let (poller, query) = (&self.executor.poller, self.executor.plan.expect.query());
        let mut content = poller.content(self.repository(), number, query).await?;
        if query.files && content.files.is_none() {
            content.files = Some(match machine.known_files(&content.head_sha) {
                Some(files) => files,
                None => poller.files(self.repository(), number, content.changed_files).await?,
            });
        }
        Ok(content)
    }

    /// The shortest time limit of a request.
    fn min_request_time(&self) -> Duration {
        if self.executor.poller.is_shared() { MIN_REQUEST_TIME_OF_MANY } else { MIN_REQUEST_TIME }
    }
}
