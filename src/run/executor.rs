//! All orders at once: the acting half. What the machines of `claim.rs` and `watch.rs` decide is done here, one wave
//! after the other, and what happens is told to the board.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::github::limited::Door;
use crate::plan::{Deed, Plan};
use crate::report::reporter::Board;
use crate::run::poller::{Lookout, Watched};
use crate::run::task_run::{Errand, HEARTBEAT};
use crate::task::conclusion::Conclusion;
use crate::task::rollout::Stopped;
use crate::text::repositories;

/// How many orders are on their way to a task at once. GitHub allows a hundred requests at once,
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits>.
const LOBBY: usize = 64;
/// The pause between two writings of what is known of many orders.
const CATCHING_UP: Duration = Duration::from_secs(10);

/// Those who speak to GitHub.
pub struct Speakers<'a> {
    /// Starts and watches tasks.
    pub tasks: &'a Door,
    /// Reads pull requests, in this order: who may not leaves it to the next.
    pub pulls: &'a [&'a Door],
}

/// Carries out all orders.
pub async fn run(plan: &Plan, speakers: &Speakers<'_>, board: &Board<'_>) {
    let keys = plan.orders.iter().filter_map(|order| match &order.deed {
        Deed::Start { terms, .. } => Some(terms.stamp.key.clone()),
        Deed::Wait(_) => None,
    });
    let watched = Watched {
        orders: plan.orders.len(),
        keys: keys.collect::<HashSet<_>>(),
        interval: plan.wait.as_ref().map(|rules| rules.interval).unwrap_or_default(),
        parts: plan.parts,
        runner: board.runner(),
    };
    let lookout = Lookout::new(speakers.tasks, speakers.pulls, watched);
    let fleet = Fleet { plan, speakers, board, lookout, lobby: Semaphore::new(LOBBY) };
    tokio::select! {
        () = fleet.waves() => {}
        () = fleet.report() => {}
    }
}

/// All orders on their way.
pub(crate) struct Fleet<'a> {
    pub(super) plan: &'a Plan,
    pub(super) speakers: &'a Speakers<'a>,
    pub(super) board: &'a Board<'a>,
    pub(super) lookout: Lookout<'a>,
    pub(super) lobby: Semaphore,
}

impl Fleet<'_> {
    async fn waves(&self) {
        let waves = &self.plan.waves;
        for (at, wave) in waves.iter().enumerate() {
            if waves.len() > 1 {
                let told = format!("wave {} of {}: {}", at + 1, waves.len(), repositories(wave.len()));
                self.board.runner().tell(&told);
            }
            self.wave(wave.clone()).await;
            let stopped = self.verdict(at, wave.clone());
            if let (Some(stopped), Some(next)) = (stopped, waves.get(at + 1)) {
                return self.board.stop(stopped, next.start..self.plan.orders.len());
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
            Box::pin(Errand { at, order: &self.plan.orders[at], fleet: self }.run()).await;
        }))
        .await;
    }

    /// Why no other wave begins, if that is so. What was skipped counts neither way.
    fn verdict(&self, at: usize, wave: Range<usize>) -> Option<Stopped> {
        let conclusions = wave.map(|order| self.board.know(order, |outcome| outcome.conclusion));
        let counted = conclusions.filter(|it| *it != Some(Conclusion::Skipped)).collect::<Vec<_>>();
        let succeeded = counted.iter().filter(|it| **it == Some(Conclusion::Success)).count();
        let needed = self.plan.rollout.success;
        let stopped = Stopped { wave: at + 1, waves: self.plan.waves.len(), size: counted.len(), succeeded, needed };
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
                self.board.publish();
            }
            self.board.progress();
        }
    }
}
