//! Stopping one task: what [`StopMachine`] decides is sent to GitHub.

use std::time::Duration;

use tokio::time::Instant;

use crate::github::answers::{TaskAnswer, WorkflowRun};
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::repository::Repository;
use crate::github::retry;
use crate::github::task::{Task, TaskId};
use crate::run::executor::Executor;
use crate::task::event::Event;
use crate::task::stop::{StopEnd, StopMachine, StopObservation, StopStep, StopTimes};
use crate::task::wait::Pace;

/// The longest pause between two polls. A cancelled run ends within seconds.
const PAUSE: Duration = Duration::from_secs(5);
/// The same for a process that is about to be killed.
const URGENT_PAUSE: Duration = Duration::from_millis(500);
/// The longest time limit of one poll or one cancel: requests may wait for a rate limit.
const MAX_REQUEST_TIME: Duration = Duration::from_secs(30);
/// The shortest one, however little is left.
const MIN_REQUEST_TIME: Duration = Duration::from_secs(1);

/// A task to be stopped.
pub(super) struct StopRun<'a> {
    pub(super) executor: &'a Executor<'a>,
    pub(super) repository: Repository,
    pub(super) id: TaskId,
    /// The task as it was seen last.
    pub(super) task: Option<Task>,
    /// Whether the process is about to be killed.
    pub(super) is_urgent: bool,
}

impl StopRun<'_> {
    /// Stops the task, or finds out why that cannot be done. `record` takes what happens.
    pub(super) async fn run(mut self, record: &mut dyn FnMut(Event)) -> StopEnd {
        // Its time is not spent in a queue. The semaphore is never closed.
        let _place = if self.is_urgent { None } else { self.executor.stop_permits.acquire().await.ok() };
        let (times, longest) = match self.is_urgent {
            true => (StopTimes::URGENT, URGENT_PAUSE),
            false => (StopTimes::USUAL, PAUSE),
        };
        let rules = &self.executor.plan.stop;
        let mut pace = Pace::new(rules.interval.min(longest), self.executor.host.seed());
        let mut machine = StopMachine::new(times, rules.force);
        let began = Instant::now();
        loop {
            let left = || times.bound.saturating_sub(began.elapsed());
            let runs = tokio::time::timeout(left().clamp(MIN_REQUEST_TIME, MAX_REQUEST_TIME), self.poll(record));
            let runs = runs.await.unwrap_or_else(|_| Err(self.late()));
            let step = match &runs {
                Ok(runs) => {
                    let (state, branch) = (self.task.as_ref().map(|task| &task.state), self.branch());
                    machine.observe(began.elapsed(), StopObservation { state, branch, runs })
                }
                Err(error) => machine.failed(began.elapsed(), error.clone()),
            };
            let step = match step {
                StopStep::Cancel(due) => {
                    self.cancel(&due, &runs.unwrap_or_default(), &mut machine, (times, began), record).await
                }
                step => step,
            };
            match step {
                StopStep::Ended(end) => {
                    record(Event::StopEnded(end.clone()));
                    return end;
                }
                StopStep::Cancel(_) | StopStep::Pause => {
                    let pause = pace.pause().min(left());
                    self.executor.host.sleep(pause, &format!("stopping {}", self.id)).await;
                }
            }
        }
    }

    /// Polls the task, and returns the runs of its branch.
    async fn poll(&mut self, record: &mut dyn FnMut(Event)) -> Result<Vec<WorkflowRun>, Error> {
        match self.executor.clients.tasks.task(&self.repository, &self.id, None).await {
            Ok(TaskAnswer::Seen(mut task, _)) => {
                if let Some(before) = &self.task {
                    task.complete_from(before);
                }
                record(Event::Saw(task.clone()));
                self.task = Some(*task);
            }
            Ok(TaskAnswer::Unchanged) => {}
            // A task that was seen before is stopped by what is known of it.
            Err(error) if self.branch().is_none() => return Err(error),
            Err(_) => {}
        }
        let Some(branch) = self.branch() else {
            return Ok(Vec::new());
        };
        let runs = async |client: &&LimitedClient<'_>| client.dynamic_runs(&self.repository, branch).await;
        retry::ask_once(&self.executor.clients.lookup_first(), runs).await
    }

    /// Cancels the runs that are due, and returns what follows where that fails.
    async fn cancel(
        &self,
        due: &[(u64, bool)],
        runs: &[WorkflowRun],
        machine: &mut StopMachine,
        (times, began): (StopTimes, Instant),
        record: &mut dyn FnMut(Event),
    ) -> StopStep {
        for (id, by_force) in due {
            let Some(run) = runs.iter().find(|run| run.id == *id) else { continue };
            let cancel = async |client: &&LimitedClient<'_>| client.cancel_run(run, *by_force, self.is_urgent).await;
            let clients = self.executor.clients.lookup_first();
            let left = times.bound.saturating_sub(began.elapsed());
            let sent = retry::ask_once(&clients, cancel);
            let sent = tokio::time::timeout(left.clamp(MIN_REQUEST_TIME, MAX_REQUEST_TIME), sent).await;
            match sent.unwrap_or_else(|_| Err(self.late())) {
                Ok(is_accepted) => {
                    machine.answered(began.elapsed(), *id, *by_force, is_accepted);
                    record(Event::Cancelled { run: *id, by_force: *by_force, is_accepted });
                }
                Err(error) => match machine.failed(began.elapsed(), error) {
                    StopStep::Pause => {}
                    step => return step,
                },
            }
        }
        StopStep::Pause
    }

    fn branch(&self) -> Option<&str> {
        self.task.as_ref().and_then(Task::head_ref)
    }

    /// The error of a request that took too long. One that a rate limit holds back was not sent.
    fn late(&self) -> Error {
        let limit = self.executor.clients.lookup_first().into_iter().find_map(LimitedClient::held);
        limit.map_or_else(|| Error::unanswered("GitHub did not answer in time"), Error::RateLimited)
    }
}
