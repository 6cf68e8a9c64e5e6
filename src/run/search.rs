//! Searching for the task that a start may have made already.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::github::answers::TaskAnswer;
use crate::github::error::Error;
use crate::github::task::{Task, TaskId};
use crate::github::task_list::TaskQuery;
use crate::run::poller::OwnTasks;
use crate::run::task_run::TaskRun;
use crate::task::event::Event;
use crate::task::start::{Candidate, StartMachine, StartStep};

/// Tasks as they were read last, with their ETags.
pub(super) type EtagCache = HashMap<TaskId, (String, Box<Task>)>;

impl TaskRun<'_> {
    /// Searches for the task of a start after a pause, and returns what follows.
    pub(super) async fn search(
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
                // It may only not be shown right now, so the repository's own list decides about it.
                Err(Error::NotFound { .. }) => own.is_whole = false,
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

    pub(super) async fn candidate(
        &self,
        task: Task,
        age: Option<Duration>,
        etags: &mut EtagCache,
    ) -> Result<Candidate, Error> {
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
}
