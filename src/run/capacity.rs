//! Counting tasks before a start, where a policy or a pull request limits how many there may be.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::github::error::Error;
use crate::github::task::UNSETTLED;
use crate::github::task_list::TaskQuery;
use crate::policy::limits::Capacity;
use crate::run::executor::StartedTasks;
use crate::run::search::EtagCache;
use crate::run::task_run::TaskRun;
use crate::task::conclusion::{Refusal, RefusedBy};
use crate::task::event::Event;
use crate::task::follow_up::FollowUps;
use crate::task::start::{Candidate, MEMORY, StartOptions};

/// The pause before tasks are counted again of which one cannot be read yet.
const RECOUNT: Duration = Duration::from_secs(5);

impl TaskRun<'_> {
    /// Counts the tasks of the class where the policy limits them, and the follow-ups of a pull request, until it is known
    /// whether one more may be started. A rate limit is waited out as before a start, and `confirm-timeout` does not run
    /// meanwhile.
    ///
    /// # Errors
    /// What happens in place of a start.
    pub(super) async fn capacity(
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
}
