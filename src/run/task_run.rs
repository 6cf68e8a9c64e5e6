//! Running one task: its start and the wait for it, or its stop.

use crate::github::limited::LimitedClient;
use crate::github::repository::Repository;
use crate::github::task::{Task, TaskId};
use crate::plan::{Action, PlannedTask};
use crate::run::executor::Executor;
use crate::run::stop::StopRun;
use crate::task::conclusion::Conclusion;
use crate::task::event::Event;
use crate::task::stop::{StopEnd, StopProblem, StopReason};
use crate::task::wait::WaitEnd;

/// One task of the plan on its way.
pub(super) struct TaskRun<'a> {
    pub(super) index: usize,
    pub(super) planned: &'a PlannedTask,
    pub(super) executor: &'a Executor<'a>,
    /// The repository's name today, where a start found out that it was renamed.
    pub(super) moved: Option<Repository>,
    /// The task as it was seen last.
    pub(super) task: Option<Task>,
    /// The number of its pull request.
    pub(super) pull: Option<u64>,
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

    /// Stops the task, and records what happens.
    pub(super) async fn stop(&mut self, id: &TaskId, reason: StopReason) -> StopEnd {
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

    /// Notes what the next steps depend on, and reports the event.
    pub(super) fn record(&mut self, event: Event) {
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
            Event::Moved { is_listed: true, differs: false, .. }
            | Event::Declined { failing: false, .. }
            | Event::Refused(_)
            | Event::Skipped(_)
            | Event::HeldBack(_) => {
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

    pub(super) fn repository(&self) -> &Repository {
        self.moved.as_ref().unwrap_or(&self.planned.repository)
    }

    pub(super) fn tasks(&self) -> &'a LimitedClient<'a> {
        &self.executor.clients.tasks
    }
}
