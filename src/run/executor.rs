//! Carries out a plan: one wave after the other, the tasks of a wave side by side. What happens is sent to the reporter.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore, SetOnce, watch};

use crate::actions::host::Host;
use crate::actions::signal::Signal;
use crate::github::error::Error;
use crate::github::repository::Repository;
use crate::github::task::{Task, TaskId};
use crate::join::join_all;
use crate::plan::{Action, Plan};
use crate::report::reporter::Update;
use crate::run::clients::Clients;
use crate::run::poller::{Poller, PollerConfig};
use crate::run::stop::StopRun;
use crate::run::task_run::TaskRun;
use crate::task::conclusion::Conclusion;
use crate::task::event::Event;
use crate::task::stop::{StopEnd, StopReason, UnfinishedTask};
use crate::task::wait::WaitEnd;
use crate::task::waves::StoppedWave;

/// How many tasks are being started at once. GitHub allows a hundred requests at once,
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits>.
const START_PERMITS: usize = 64;
/// How many tasks are being stopped at once. GitHub asks for a second between two cancels, and within the two minutes that
/// a stop may take each of so many has its turn.
const STOP_PERMITS: usize = 20;
/// How long an interrupted process waits for the answer to a start that is on its way. The runner sends SIGTERM 7.5
/// seconds after SIGINT, and the reference promises that everything is written within one second.
const LAST_ANSWER: Duration = Duration::from_millis(600);

/// After how many starts that were refused for a missing license, with none accepted, no other is sent, if each owner's
/// repositories had one. One organization may lack a license that another has; a token without any should cost few requests.
const MAX_UNLICENSED_STARTS: usize = 3;

/// Carries out the plan, until it is done or `interrupted` names a signal, which is returned.
pub async fn run(
    plan: &Plan,
    clients: &Clients<'_>,
    host: &Host,
    updates: UnboundedSender<Update>,
    interrupted: impl Future<Output = Signal>,
) -> Option<Signal> {
    let keys = plan.tasks.iter().filter_map(|order| match &order.action {
        Action::Start { options, .. } => Some(options.marker.key.clone()),
        Action::Wait(_) | Action::Skip(_) | Action::Stop(_) | Action::NotListed(_) => None,
    });
    let config = PollerConfig {
        tasks: plan.tasks.len(),
        keys: keys.collect::<HashSet<_>>(),
        unrelated: plan.rollout.as_ref().map(|rollout| rollout.known.clone()).unwrap_or_default(),
        interval: plan.wait.as_ref().map(|rules| rules.interval).unwrap_or_default(),
        parts: plan.sharing_jobs,
        host,
    };
    let pulls = clients.lookup_first();
    let executor = Executor {
        plan,
        clients,
        host,
        poller: Poller::new(&clients.tasks, &pulls, config),
        start_permits: Semaphore::new(START_PERMITS),
        stop_permits: Semaphore::new(STOP_PERMITS),
        waiting: RefCell::default(),
        names: RefCell::new(
            plan.tasks
                .iter()
                .enumerate()
                .map(|(index, task)| ((task.repository.clone(), task.entry.clone()), index))
                .collect(),
        ),
        started: RefCell::default(),
        has_started: Cell::new(false),
        unlicensed: RefCell::default(),
        refused: SetOnce::new(),
        is_interrupted: Cell::new(false),
        unanswered: watch::Sender::default(),
        updates,
    };
    // What is still under way when this block ends is dropped, with its places in the queues.
    let signal = {
        let mut work = pin!(executor.run_waves());
        let signal = tokio::select! {
            signal = interrupted => signal,
            () = &mut work => return None,
        };
        executor.is_interrupted.set(true);
        let mut unanswered = executor.unanswered.subscribe();
        tokio::select! {
            () = work => {}
            _ = tokio::time::timeout(LAST_ANSWER, unanswered.wait_for(BTreeSet::is_empty)) => {}
        }
        signal
    };
    let unanswered = executor.unanswered.borrow().clone();
    executor.send(Update::Interrupted(unanswered));
    if plan.stop.on_interrupt == UnfinishedTask::Stop {
        // The reporter writes all outputs first.
        tokio::task::yield_now().await;
        executor.stop_interrupted().await;
    }
    Some(signal)
}

/// The tasks that this step has started in one repository. GitHub's list lags behind them.
#[derive(Default)]
pub(super) struct StartedTasks {
    pub(super) ids: Vec<TaskId>,
    /// How many starts may have become a task that is not known.
    pub(super) unconfirmed: usize,
}
/// A task that is waited for, as it was seen last.
type WaitingTask = (Repository, TaskId, Option<Task>);

/// What the tasks of a plan share.
pub(super) struct Executor<'a> {
    pub(super) plan: &'a Plan,
    pub(super) clients: &'a Clients<'a>,
    pub(super) host: &'a Host,
    pub(super) poller: Poller<'a>,
    pub(super) start_permits: Semaphore,
    pub(super) stop_permits: Semaphore,
    /// The tasks that are waited for, where an interruption stops them.
    pub(super) waiting: RefCell<BTreeMap<usize, WaitingTask>>,
    /// The repositories and entries that have a task in this step, with the new names of renamed ones, and the task's
    /// index.
    pub(super) names: RefCell<HashMap<(Repository, Option<String>), usize>>,
    /// The tasks that this step has started where the policy limits them, by repository.
    started: RefCell<HashMap<Repository, Arc<Mutex<StartedTasks>>>>,
    /// Whether GitHub accepted a start of this step.
    pub(super) has_started: Cell<bool>,
    /// The tasks whose start was refused because a license is missing, by their index.
    pub(super) unlicensed: RefCell<BTreeSet<usize>>,
    /// Why GitHub would refuse every further start.
    pub(super) refused: SetOnce<String>,
    /// Whether the process was interrupted, so that nothing more is started.
    pub(super) is_interrupted: Cell<bool>,
    /// The tasks whose start was sent and not answered.
    pub(super) unanswered: watch::Sender<BTreeSet<usize>>,
    pub(super) updates: UnboundedSender<Update>,
}

impl Executor<'_> {
    /// Stops the tasks that were waited for, within the seconds that are left.
    async fn stop_interrupted(&self) {
        let waiting = self.waiting.take();
        join_all(waiting.into_iter().map(async |(index, (repository, id, task))| {
            self.record(index, Event::Stopping(StopReason::Interrupt));
            let stop = StopRun { executor: self, repository, id, task, is_urgent: true };
            if stop.run(&mut |event| self.record(index, event)).await == StopEnd::Stopped {
                self.record(index, Event::Ended(WaitEnd::Stopped(StopReason::Interrupt)));
            }
        }))
        .await;
    }

    async fn run_waves(&self) {
        let waves = &self.plan.waves;
        for (index, wave) in waves.iter().enumerate() {
            if waves.len() > 1 {
                self.send(Update::WaveBegins(index + 1, waves.len(), wave.len()));
            }
            let conclusions = self.run_wave(wave.clone()).await;
            let stopped = self.stopped_by(index, &conclusions);
            if let (Some(stopped), Some(next)) = (stopped, waves.get(index + 1)) {
                return self.send(Update::WaveStopped(stopped, next.start..self.plan.tasks.len()));
            }
        }
    }

    /// Carries out one wave, and returns the conclusion of each of its tasks.
    async fn run_wave(&self, wave: Range<usize>) -> Vec<Option<Conclusion>> {
        let permits = Semaphore::new(self.plan.wave_rules.most_at_once.unwrap_or(wave.len()).max(1));
        let permits = &permits;
        join_all(wave.map(|index| async move {
            // The semaphore is never closed.
            let _permit = permits.acquire().await;
            // Boxed, so that ten thousand that wait for their permit need little memory.
            Box::pin(TaskRun::new(index, self).run()).await
        }))
        .await
    }

    /// Why no further wave begins, if this one has too few successes. What was skipped counts neither way.
    fn stopped_by(&self, index: usize, conclusions: &[Option<Conclusion>]) -> Option<StoppedWave> {
        let counted = conclusions.iter().filter(|it| **it != Some(Conclusion::Skipped)).collect::<Vec<_>>();
        let succeeded = counted.iter().filter(|it| ***it == Some(Conclusion::Success)).count();
        let needed = self.plan.wave_rules.success;
        let (wave, waves) = (index + 1, self.plan.waves.len());
        let stopped = StoppedWave { wave, waves, size: counted.len(), succeeded, needed };
        (!needed.is_reached(succeeded, counted.len())).then_some(stopped)
    }

    /// The tasks that were started in a repository. Its entries are counted and started one after the other.
    pub(super) async fn started_in(&self, repository: &Repository) -> OwnedMutexGuard<StartedTasks> {
        let started = Arc::clone(self.started.borrow_mut().entry(repository.clone()).or_default());
        started.lock_owned().await
    }

    /// Notes the answer to a start: after some, GitHub would refuse every other start of the token as well.
    pub(super) fn note_answer<T>(&self, index: usize, answer: &Result<T, Error>) {
        match answer {
            Ok(_) => self.has_started.set(true),
            Err(error @ (Error::BadToken { .. } | Error::NoLicense { .. })) => {
                // A license can be missing in one organization only; a token that has started something has one elsewhere.
                let is_final = match error {
                    Error::NoLicense { .. } => {
                        self.unlicensed.borrow_mut().insert(index);
                        !self.has_started.get() && self.is_unlicensed()
                    }
                    _ => true,
                };
                if is_final {
                    // The first reason remains.
                    let _ = self.refused.set(format!("GitHub refuses all starts of this token: {error}"));
                }
            }
            Err(_) => {}
        }
    }

    /// Whether so many starts were refused because a license is missing that no other is sent.
    fn is_unlicensed(&self) -> bool {
        let unlicensed = self.unlicensed.borrow();
        let owner = |index: &usize| self.plan.tasks[*index].repository.owner().to_lowercase();
        let refused = unlicensed.iter().map(owner).collect::<HashSet<_>>();
        unlicensed.len() >= MAX_UNLICENSED_STARTS
            && (0..self.plan.tasks.len()).all(|index| refused.contains(&owner(&index)))
    }

    pub(super) fn send(&self, update: Update) {
        // The reporter receives until the executor has ended.
        let _ = self.updates.send(update);
    }

    pub(super) fn record(&self, index: usize, event: Event) {
        self.send(Update::Task(index, event));
    }
}
