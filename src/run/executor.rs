//! All orders at once: the acting half. What the machines of `claim.rs` and `watch.rs` decide is done here, one wave
//! after the other, and what happens is told to the board.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::github::limited::LimitedClient;
use crate::plan::{Action, Plan};
use crate::report::reporter::Reporter;
use crate::run::poller::{Poller, PollerConfig};
use crate::run::task_run::{HEARTBEAT, TaskRun};
use crate::task::conclusion::Conclusion;
use crate::task::rollout::StoppedWave;
use crate::text::repositories;

/// How many orders are on their way to a task at once. GitHub allows a hundred requests at once,
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits>.
const LOBBY: usize = 64;
/// The pause between two writings of what is known of many orders.
const CATCHING_UP: Duration = Duration::from_secs(10);

/// Those who speak to GitHub.
pub struct Clients<'a> {
    /// Starts and watches tasks.
    pub tasks: &'a LimitedClient,
    /// Reads pull requests, in this order: who may not leaves it to the next.
    pub pulls: &'a [&'a LimitedClient],
}

/// Carries out all orders.
pub async fn run(plan: &Plan, clients: &Clients<'_>, reporter: &Reporter<'_>) {
    let keys = plan.orders.iter().filter_map(|order| match &order.action {
        Action::Start { terms, .. } => Some(terms.marker.key.clone()),
        Action::Wait(_) => None,
    });
    let watched = PollerConfig {
        orders: plan.orders.len(),
        keys: keys.collect::<HashSet<_>>(),
        interval: plan.wait.as_ref().map(|rules| rules.interval).unwrap_or_default(),
        parts: plan.parts,
        host: reporter.host(),
    };
    let poller = Poller::new(clients.tasks, clients.pulls, watched);
    let executor = Executor { plan, clients, reporter, poller, start_permits: Semaphore::new(LOBBY) };
    tokio::select! {
        () = executor.waves() => {}
        () = executor.report() => {}
    }
}

/// All orders on their way.
pub(crate) struct Executor<'a> {
    pub(super) plan: &'a Plan,
    pub(super) clients: &'a Clients<'a>,
    pub(super) reporter: &'a Reporter<'a>,
    pub(super) poller: Poller<'a>,
    pub(super) start_permits: Semaphore,
}

impl Executor<'_> {
    async fn waves(&self) {
        let waves = &self.plan.waves;
        for (at, wave) in waves.iter().enumerate() {
            if waves.len() > 1 {
                let told = format!("wave {} of {}: {}", at + 1, waves.len(), repositories(wave.len()));
                self.reporter.host().log(&told);
            }
            self.wave(wave.clone()).await;
            let stopped = self.verdict(at, wave.clone());
            if let (Some(stopped), Some(next)) = (stopped, waves.get(at + 1)) {
                return self.reporter.stop(stopped, next.start..self.plan.orders.len());
            }
        }
    }

    /// Carries out one wave.
    async fn wave(&self, wave: Range<usize>) {
        let bound = Semaphore::new(self.plan.rollout.most_at_once.unwrap_or(wave.len()).max(1));
        let bound = &bound;
        join_all(wave.map(|at| async move {
            // The semaphore is never closed.
            let _place = bound.acquire().await;
            // In a box, for ten thousand that wait for their place need little room.
            Box::pin(TaskRun { at, order: &self.plan.orders[at], executor: self }.run()).await;
        }))
        .await;
    }

    /// Why no other wave begins, if that is so. What was skipped counts neither way.
    fn verdict(&self, at: usize, wave: Range<usize>) -> Option<StoppedWave> {
        let conclusions = wave.map(|order| self.reporter.know(order, |outcome| outcome.conclusion));
        let counted = conclusions.filter(|it| *it != Some(Conclusion::Skipped)).collect::<Vec<_>>();
        let succeeded = counted.iter().filter(|it| **it == Some(Conclusion::Success)).count();
        let needed = self.plan.rollout.success;
        let stopped =
            StoppedWave { wave: at + 1, waves: self.plan.waves.len(), size: counted.len(), succeeded, needed };
        (!needed.is_reached(succeeded, counted.len())).then_some(stopped)
    }

    /// Tells of many orders together, for as long as they last.
    async fn report(&self) {
        if self.plan.orders.len() == 1 {
            return std::future::pending().await;
        }
        loop {
            let until = Instant::now() + HEARTBEAT;
            while Instant::now() < until {
                tokio::time::sleep(CATCHING_UP).await;
                self.reporter.publish();
            }
            self.reporter.progress();
        }
    }
}
