//! Running one task: its start, the wait, and the pull request.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::github::answers::TaskAnswer;
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::pull_content::PullContent;
use crate::github::pull_request::PullRequest;
use crate::github::repository::Repository;
use crate::github::task::{NewTask, Phase, State, Task, TaskId, UNSETTLED};
use crate::github::task_list::TaskQuery;
use crate::plan::{Action, PlannedTask};
use crate::policy::limits::Capacity;
use crate::run::executor::{Executor, StartedTasks};
use crate::run::poller::OwnTasks;
use crate::run::stop::StopRun;
use crate::task::acceptance::{AcceptanceMachine, AcceptanceStep};
use crate::task::conclusion::{Conclusion, Refusal, RefusedBy};
use crate::task::event::{Adoption, Event};
use crate::task::follow_up::FollowUps;
use crate::task::marker::Marker;
use crate::task::pull_request::{NoPullRequest, PullRequestHints};
use crate::task::start::{ActiveScope, Candidate, MEMORY, StartEnd, StartMachine, StartOptions, StartStep};
use crate::task::stop::{StopEnd, StopProblem, StopReason, UnfinishedTask};
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
/// The pause before tasks are counted again of which one cannot be read yet.
const RECOUNT: Duration = Duration::from_secs(5);

/// Tasks as they were read last, with their ETags.
type EtagCache = HashMap<TaskId, (String, Box<Task>)>;

/// The error of a poll that `wait-timeout` ended.
fn late() -> Error {
    Error::unanswered("nothing came before `wait-timeout`")
}

/// One task of the plan on its way.
pub(super) struct TaskRun<'a> {
    index: usize,
    planned: &'a PlannedTask,
    executor: &'a Executor<'a>,
    /// The repository's name today, where a start found out that it was renamed.
    moved: Option<Repository>,
    /// The task as it was seen last.
    task: Option<Task>,
    /// The number of its pull request.
    pull: Option<u64>,
    /// The conclusion that its pull request leads to, where something was expected of it.
    acceptance: Option<Conclusion>,
    conclusion: Option<Conclusion>,
}

impl<'a> TaskRun<'a> {
    pub(super) fn new(index: usize, executor: &'a Executor<'a>) -> Self {
        let planned = &executor.plan.tasks[index];
        Self { index, planned, executor, moved: None, task: None, pull: None, acceptance: None, conclusion: None }
    }

    /// Starts the task or takes up the one that the plan names, waits for it if asked, and returns its conclusion.
    pub(super) async fn run(mut self) -> Option<Conclusion> {
        let started = match &self.planned.action {
            Action::Wait(id) => Some((id.clone(), false)),
            Action::Stop(id) => {
                self.stop_as_asked(id).await;
                None
            }
            Action::NotListed(error) => {
                self.record(Event::Failed(error.clone()));
                None
            }
            Action::Start { task, models, options, .. } => self.start(task, models, options).await,
            Action::Skip(reason) => {
                self.record(Event::Skipped(reason.clone()));
                None
            }
        };
        if let (Some((id, new)), Some(rules)) = (started, &self.executor.plan.wait) {
            self.wait(&id, rules, new).await;
        }
        self.conclusion
    }

    /// Starts the task, or adopts the one that this start has already made; returns its ID and whether it is new.
    async fn start(
        &mut self,
        task: &NewTask,
        models: &[Option<String>],
        options: &StartOptions,
    ) -> Option<(TaskId, bool)> {
        // The semaphore is never closed.
        let _place = self.executor.start_permits.acquire().await;
        let (host, plan, refused) = (self.executor.host, self.executor.plan, &self.executor.refused);
        if let Some(reason) = refused.get() {
            self.record(Event::HeldBack(reason.clone()));
            return None;
        }
        let mut machine = StartMachine::new(options.clone(), models, host.elapsed()).delayed_by(host.seed());
        let mut task = task.clone();
        let began = Instant::now();
        let mut etags = EtagCache::new();
        let has_limits = plan.limit_counter.is_some() || plan.follow_up.is_some();
        // What this step has started in the repository, once the limits were checked.
        let mut others = None;
        // The turn of a start for which tasks are searched once more before it is sent.
        let mut kept_turn = None;
        let mut step = machine.begin();
        let end = loop {
            step = match step {
                StartStep::Search { pause, event } => {
                    self.record_if_any(event);
                    self.search(&mut machine, pause, began, &mut etags).await
                }
                StartStep::Sleep(pause, event) => {
                    self.set_unanswered(machine.is_open());
                    self.record(event);
                    host.sleep(pause, "waiting to start the task").await;
                    machine.resumed(began.elapsed())
                }
                StartStep::Send(model, event) => {
                    self.record_if_any(event);
                    let (queued, kept) = (Instant::now(), kept_turn.take());
                    let has_searched = kept.is_some();
                    // What is not started takes no turn.
                    let turn = tokio::select! {
                        biased;
                        reason = refused.wait(), if !machine.is_open() => Err(reason),
                        turn = async { match kept { Some(turn) => turn, None => self.tasks().turn().await } } => Ok(turn),
                    };
                    if self.executor.is_interrupted.get() {
                        return None;
                    }
                    let turn = match turn {
                        Ok(turn) => turn,
                        Err(reason) => {
                            self.record(Event::HeldBack(reason.clone()));
                            break None;
                        }
                    };
                    if !has_searched && machine.must_search_again(queued.elapsed()) {
                        kept_turn = Some(turn);
                        machine.search_again(began.elapsed())
                    } else {
                        // Once: what is sent after this is the same start.
                        if has_limits && others.is_none() {
                            let started = self.executor.started_in(self.repository()).await;
                            let capacity = self.capacity(options, &mut etags, &started).await;
                            others = Some(started);
                            if let Err(event) = capacity {
                                self.record(event);
                                break None;
                            }
                        }
                        task.model = model;
                        self.set_unanswered(true);
                        machine.sending(began.elapsed());
                        let answer = self.tasks().start(turn, self.repository(), &task).await;
                        self.executor.note_answer(self.index, &answer);
                        machine.answered(began.elapsed(), answer)
                    }
                }
                // No rule of a policy is about the repository's name, so the start goes where it would have gone.
                StartStep::Ended(StartEnd::Refused(Error::Moved { to: Some(to) }))
                    if !plan.has_repository_rules && self.moved.is_none() =>
                {
                    if !self.follow_move(to) {
                        break None;
                    }
                    machine.resumed(began.elapsed())
                }
                StartStep::Ended(end) => break Some(end),
            }
        };
        self.set_unanswered(false);
        let found = end.and_then(|end| self.conclude(end, options.active_scope));
        if let Some(mut started) = others {
            started.ids.extend(found.iter().map(|(id, _)| id.clone()));
            started.unconfirmed += usize::from(found.is_none() && machine.is_open());
        }
        found
    }

    /// Searches for the task of a start after a pause, and returns what follows.
    async fn search(
        &mut self,
        machine: &mut StartMachine,
        pause: Duration,
        began: Instant,
        etags: &mut EtagCache,
    ) -> StartStep {
        let since = Instant::now();
        self.executor.host.sleep(pause, "looking for the task").await;
        // Without an answer nothing is adopted.
        let user = self.tasks().user_id().await;
        if let Err(Error::RateLimited(limit)) = &user {
            self.record(Event::Limited { why: limit.name().to_owned(), wait: limit.wait });
        }
        machine.set_user(user.ok());
        // The search shows the moment at which it was asked for, however long the answers take.
        let mut asked = Instant::now();
        let seen = match self.own_tasks(machine, since, began).await {
            Ok(Some(own)) => {
                asked = own.taken;
                Ok(own.candidates)
            }
            Ok(None) => self.candidates(machine, began.elapsed(), etags).await,
            Err(error) => Err(error),
        };
        machine.searched(asked.saturating_duration_since(began), seen)
    }

    /// Takes the new name of the repository; `false` if the plan has a task for it already, so that nothing is started.
    fn follow_move(&mut self, to: Repository) -> bool {
        let name = (to.clone(), self.planned.entry.clone());
        let other = *self.executor.names.borrow_mut().entry(name).or_insert(self.index);
        let is_listed = other != self.index;
        let differs = is_listed && self.differs_from(&self.executor.plan.tasks[other]);
        self.record(Event::Moved { from: self.repository().clone(), to: to.clone(), is_listed, differs });
        if !is_listed {
            self.moved = Some(to);
        }
        !is_listed
    }

    /// Records how the start ended; returns the ID of its task and whether that is new, if there is one.
    fn conclude(&mut self, end: StartEnd, scope: ActiveScope) -> Option<(TaskId, bool)> {
        let (found, event) = match end {
            StartEnd::Started(task) => (Some((task.id.clone(), true)), Event::Started(task)),
            StartEnd::Adopted(task, why) => {
                (Some((task.id.clone(), why == Adoption::Unanswered)), Event::Adopted(task, why))
            }
            StartEnd::Declined(task, failing) => (None, Event::Declined { task, failing, scope }),
            StartEnd::Refused(error) => (None, Event::Failed(error)),
            StartEnd::Unconfirmed(why) => (None, Event::Unconfirmed(why)),
            StartEnd::Undecided(why) => (None, Event::Undecided(why)),
        };
        self.record(event);
        found
    }

    /// Whether another start of the plan has another prompt or other settings, apart from the repository's name.
    fn differs_from(&self, other: &PlannedTask) -> bool {
        let request = |planned: &PlannedTask| match &planned.action {
            Action::Start { task, .. } => {
                let text = Marker::strip(&task.prompt);
                let text = text.replace(&planned.repository.to_string(), "");
                Some((text, task.without_prompt()))
            }
            Action::Wait(_) | Action::Skip(_) | Action::Stop(_) | Action::NotListed(_) => None,
        };
        request(self.planned) != request(other)
    }

    /// Our own task from the list that is read once for all starts, if that is sufficient.
    async fn own_tasks(
        &self,
        machine: &StartMachine,
        since: Instant,
        began: Instant,
    ) -> Result<Option<OwnTasks>, Error> {
        if !self.executor.poller.is_shared() || !machine.wants_its_own_only() {
            return Ok(None);
        }
        let mut own = self.executor.poller.with_key(machine.key(), since).await?;
        // A prompt can be copied to another repository with its marker, so the repository's own answer decides.
        let mut candidates = Vec::new();
        for candidate in std::mem::take(&mut own.candidates) {
            match self.tasks().task(self.repository(), &candidate.task.id, None).await {
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
                Ok(_) => candidates.push(candidate),
            }
        }
        own.candidates = candidates;
        // While there is time for another search, a task that cannot be read yet can wait; then this repository's own list
        // decides whether that task is in it at all.
        let can_wait = own.taken.saturating_duration_since(began) < machine.lag();
        Ok(Some(own).filter(|own| own.is_whole || can_wait))
    }

    /// The repository's tasks that may be ours, with their sessions where those can be read. `elapsed` is the time since
    /// the start began.
    async fn candidates(
        &self,
        machine: &StartMachine,
        elapsed: Duration,
        etags: &mut EtagCache,
    ) -> Result<Vec<Candidate>, Error> {
        let asked = Instant::now();
        let horizon = machine.horizon(elapsed);
        let mut seen = Vec::new();
        let archived_flags: &[bool] = if machine.wants_archived() { &[false, true] } else { &[false] };
        for archived in archived_flags {
            let query = TaskQuery::Repository(self.repository());
            let mut pages = self.tasks().tasks(query, None, *archived).younger_than(horizon);
            while let Some(page) = pages.next().await? {
                // An answer can take long, and the ages are those at the time of the question.
                let since = asked.elapsed();
                for task in &page.tasks {
                    let age = page.age(task).map(|age| age.saturating_sub(since));
                    if age.is_none_or(|age| age <= horizon) && machine.wants(task) {
                        let candidate = self.candidate(task.clone(), age, etags).await?;
                        let settled = machine.is_settled_by(&candidate);
                        seen.push(candidate);
                        if settled {
                            return Ok(seen);
                        }
                    }
                }
            }
        }
        Ok(seen)
    }

    /// Counts the tasks of the class where the policy limits them, and the follow-ups of a pull request, until it is known
    /// whether one more may be started. A rate limit is waited out as for a start, and is no time of the count.
    ///
    /// # Errors
    /// What happens in place of a start.
    async fn capacity(
        &mut self,
        options: &StartOptions,
        etags: &mut EtagCache,
        started: &StartedTasks,
    ) -> Result<(), Event> {
        if let Some(obstacle) = self.executor.plan.follow_up.as_ref().and_then(|pull| pull.obstacle.clone()) {
            return Err(obstacle);
        }
        let began = Instant::now();
        let mut limited = Duration::ZERO;
        loop {
            let (event, pause) = match self.count(etags, started).await {
                Ok(Capacity::Free) => return Ok(()),
                Ok(Capacity::Full(refusal)) => return Err(Event::Refused(refusal)),
                Ok(Capacity::Used(why)) => return Err(Event::Skipped(why)),
                Ok(Capacity::Hidden(refusal)) => (Event::Refused(refusal), RECOUNT),
                Err(Error::RateLimited(limit)) if limited.saturating_add(limit.wait) <= options.max_limit_wait => {
                    let pause = limit.wait.max(RECOUNT);
                    self.record(Event::Limited { why: limit.name().to_owned(), wait: pause });
                    limited += pause;
                    self.executor.host.sleep(pause, "counting the tasks").await;
                    continue;
                }
                Err(error) if error.may_pass() && !matches!(error, Error::RateLimited(_)) => {
                    (Event::Failed(error), RECOUNT)
                }
                Err(error) => return Err(Event::Failed(error)),
            };
            if began.elapsed().saturating_sub(limited) + pause > options.confirm {
                return Err(event);
            }
            self.executor.host.sleep(pause, "counting the tasks").await;
        }
    }

    async fn count(&self, etags: &mut EtagCache, started: &StartedTasks) -> Result<Capacity, Error> {
        let of_class = self.count_class(etags, started).await?;
        let counter = self.executor.plan.follow_up.as_ref().map(|pull| pull.counter.clone());
        let Some(mut counter) = counter.filter(|_| of_class == Capacity::Free) else {
            return Ok(of_class);
        };
        for archived in [false, true] {
            let query = TaskQuery::Repository(self.repository());
            let mut pages = self.tasks().tasks(query, None, archived).younger_than(MEMORY);
            while let Some(page) = pages.next().await? {
                for task in &page.tasks {
                    if !counter.wants(task) {
                        continue;
                    }
                    let age = page.age(task);
                    counter.take(&self.candidate(task.clone(), age, etags).await?.task, age);
                }
            }
        }
        Ok(match counter.result() {
            FollowUps::Free => Capacity::Free,
            FollowUps::Used(why) => Capacity::Used(why),
            FollowUps::Hidden(why) => Capacity::Hidden(Refusal { gate: RefusedBy::PullRequest, why }),
        })
    }

    async fn count_class(&self, etags: &mut EtagCache, started: &StartedTasks) -> Result<Capacity, Error> {
        let Some(mut counter) = self.executor.plan.limit_counter.clone() else {
            return Ok(Capacity::Free);
        };
        let query = TaskQuery::Repository(self.repository());
        let mut counted = HashSet::new();
        let mut listed = HashSet::new();
        for archived in [false, true] {
            // An unsettled task counts however old it is; a state that this version does not know is found by age.
            let by_state = counter.counts_active().then(|| self.tasks().tasks(query, Some(UNSETTLED), archived));
            let by_age = self.tasks().tasks(query, None, archived).younger_than(counter.horizon(MEMORY));
            for mut pages in by_state.into_iter().chain([by_age]) {
                while let Some(page) = pages.next().await? {
                    for task in &page.tasks {
                        listed.insert(task.id.clone());
                        let age = page.age(task);
                        if !counter.wants(task, age) || !counted.insert(task.id.clone()) {
                            continue;
                        }
                        let Candidate { task, .. } = self.candidate(task.clone(), age, etags).await?;
                        counter.take(&task, age);
                        if counter.is_full() {
                            return Ok(counter.capacity());
                        }
                    }
                }
                counter.leave_out(pages.unlisted());
            }
        }
        let missing = started.ids.iter().filter(|id| !listed.contains(*id)).count();
        counter.add_started(missing + started.unconfirmed);
        Ok(counter.capacity())
    }

    async fn candidate(&self, task: Task, age: Option<Duration>, etags: &mut EtagCache) -> Result<Candidate, Error> {
        let before = etags.remove(&task.id);
        let etag = before.as_ref().map(|(etag, _)| etag.as_str());
        match (self.tasks().task(self.repository(), &task.id, etag).await, before) {
            (Ok(TaskAnswer::Seen(task, etag)), _) => {
                if let Some(etag) = etag {
                    etags.insert(task.id.clone(), (etag, task.clone()));
                }
                Ok(Candidate { task: *task, read: true, age })
            }
            (Ok(TaskAnswer::Unchanged), Some((etag, task))) => {
                etags.insert(task.id.clone(), (etag, task.clone()));
                Ok(Candidate { task: *task, read: true, age })
            }
            // It exists, and cannot be read yet.
            (Ok(TaskAnswer::Unchanged), None) => Ok(Candidate { task, read: false, age }),
            (
                Err(
                    Error::NotFound { .. }
                    | Error::Unanswered { .. }
                    | Error::Unreachable { .. }
                    | Error::Malformed { .. },
                ),
                _,
            ) => Ok(Candidate { task, read: false, age }),
            (Err(error), _) => Err(error),
        }
    }

    /// Waits for the task. `new`: this run has just started it.
    async fn wait(&mut self, id: &TaskId, rules: &WaitRules, new: bool) {
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
                    etag = mark.or(etag);
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

    /// Stops the task, and records what happens.
    async fn stop(&mut self, id: &TaskId, reason: StopReason) -> StopEnd {
        self.record(Event::Stopping(reason));
        let (executor, repository, task) = (self.executor, self.repository().clone(), self.task.clone());
        let stop = StopRun { executor, repository, id: id.clone(), task, is_urgent: false };
        stop.run(&mut |event| self.record(event)).await
    }

    /// Stops the task because `command: stop` asks for it.
    async fn stop_as_asked(&mut self, id: &TaskId) {
        match self.stop(id, StopReason::Asked).await {
            StopEnd::Stopped => self.record(Event::Ended(WaitEnd::Stopped(StopReason::Asked))),
            StopEnd::EndedBefore => self.record(Event::Ended(WaitEnd::EndedBefore)),
            StopEnd::Failed(StopProblem::GitHub(error)) => self.record(Event::Failed(error)),
            StopEnd::Failed(_) => self.record(Event::Ended(WaitEnd::NotStopped(StopReason::Asked))),
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

    /// The pull request that the hints lead to, within `longest` or the least time for a request.
    async fn pull(&self, hints: &PullRequestHints, longest: Duration) -> Result<PullRequest, NoPullRequest> {
        let longest = longest.max(self.min_request_time());
        let found = tokio::time::timeout(longest, self.executor.poller.pull(self.repository(), hints)).await;
        let late = || NoPullRequest::Hidden(format!("GitHub did not answer within {}", spelled(longest)));
        found.unwrap_or_else(|_| Err(late()))
    }

    /// Notes what the next steps depend on, and reports the event.
    fn record(&mut self, event: Event) {
        match &event {
            Event::Started(task) | Event::Adopted(task, _) | Event::Saw(task) => {
                let mut task = Task::clone(task);
                if let Some(before) = &self.task {
                    task.complete_from(before);
                }
                // A prompt is long, there can be a thousand of them, and no later step needs it.
                task.sessions.iter_mut().for_each(|session| session.prompt = None);
                if let Some((_, _, waiting)) = self.executor.waiting.borrow_mut().get_mut(&self.index) {
                    *waiting = Some(task.clone());
                }
                self.task = Some(task);
            }
            Event::PullFound(pull) => self.pull = Some(pull.number),
            Event::Compared(acceptance) => self.acceptance = Some(acceptance.conclusion),
            Event::Declined { failing: false, .. } | Event::Refused(_) | Event::Skipped(_) | Event::HeldBack(_) => {
                self.conclusion = Some(Conclusion::Skipped);
            }
            Event::Ended(end) => {
                let plan = self.executor.plan;
                self.executor.waiting.borrow_mut().remove(&self.index);
                let lacks_pull = plan.require_pull_request && self.pull.is_none();
                let delivered = Conclusion::delivered(lacks_pull, !plan.expect.is_empty(), self.acceptance);
                let state = self.task.as_ref().map(|task| &task.state);
                self.conclusion = Conclusion::of(end, state, delivered);
            }
            _ => {}
        }
        self.executor.record(self.index, event);
    }

    fn record_if_any(&mut self, event: Option<Event>) {
        if let Some(event) = event {
            self.record(event);
        }
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

    /// Notes whether the start was sent and not answered.
    fn set_unanswered(&self, is_unanswered: bool) {
        self.executor.unanswered.send_modify(|unanswered| {
            match is_unanswered {
                true => unanswered.insert(self.index),
                false => unanswered.remove(&self.index),
            };
        });
    }

    /// The shortest time limit of a request.
    fn min_request_time(&self) -> Duration {
        if self.executor.poller.is_shared() { MIN_REQUEST_TIME_OF_MANY } else { MIN_REQUEST_TIME }
    }

    fn repository(&self) -> &Repository {
        self.moved.as_ref().unwrap_or(&self.planned.repository)
    }

    fn tasks(&self) -> &'a LimitedClient<'a> {
        &self.executor.clients.tasks
    }
}
