//! Walking through the pages of a list of tasks.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::github::answers::TaskPage;
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::repository::Repository;
use crate::github::task::{Task, TaskId};

/// How many pages of a hundred tasks are read. No user is known to have as many tasks in the time that matters.
pub const MAX_PAGES: u32 = 50;

/// Which tasks a list has.
#[derive(Debug, Clone, Copy)]
pub enum TaskQuery<'a> {
    /// Those of a repository.
    Repository(&'a Repository),
    /// Those of the user whose token this is, in all repositories.
    Own,
}

/// Which of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct TaskFilter<'a> {
    /// Those in these states, separated by commas; in any state without it.
    pub states: Option<&'a str>,
    /// Archived ones, or the others.
    pub archived: bool,
    /// Those that have changed since.
    pub since: Option<Timestamp>,
}

/// The pages of a list of tasks, from the newest task to the oldest.
pub struct TaskPages<'a> {
    client: &'a LimitedClient<'a>,
    query: TaskQuery<'a>,
    filter: TaskFilter<'a>,
    max_pages: u32,
    horizon: Option<Duration>,
    oldest: Option<Timestamp>,
    pages: u32,
    more: bool,
    last: Option<Timestamp>,
    is_ordered: bool,
    seen: HashSet<TaskId>,
    left_out: Option<String>,
    /// The least of the totals that came with the pages: a task can be archived meanwhile.
    total: Option<u64>,
    /// Whether pages of old tasks were left unread.
    is_cut: bool,
}

impl<'a> TaskPages<'a> {
    pub(super) fn new(client: &'a LimitedClient<'a>, query: TaskQuery<'a>, filter: TaskFilter<'a>) -> Self {
        Self {
            client,
            query,
            filter,
            max_pages: MAX_PAGES,
            horizon: None,
            oldest: None,
            pages: 0,
            more: true,
            last: None,
            is_ordered: true,
            seen: HashSet::new(),
            left_out: None,
            total: None,
            is_cut: false,
        }
    }

    /// The same pages up to the first one with nothing younger than `horizon`.
    #[must_use]
    pub fn younger_than(self, horizon: Duration) -> Self {
        Self { horizon: Some(horizon), ..self }
    }

    /// The same pages without tasks that have not changed since, and at most so many of them.
    #[must_use]
    pub fn changed_since(self, since: Timestamp, max_pages: u32) -> Self {
        Self { filter: TaskFilter { since: Some(since), ..self.filter }, max_pages, ..self }
    }

    /// The same pages up to the first one with nothing created since a moment, or to the end of the list without one, and
    /// at most so many of them.
    #[must_use]
    pub fn created_since(self, oldest: Option<Timestamp>, max_pages: u32) -> Self {
        Self { oldest, max_pages, ..self }
    }

    /// How many pages were read.
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// Whether the tasks came newest first, so that nothing new can follow after old tasks.
    pub fn is_ordered(&self) -> bool {
        self.is_ordered
    }

    /// How many tasks GitHub counts and has not listed, once all pages are read; zero if that cannot be known.
    pub fn unlisted(&self) -> u64 {
        let is_whole = self.filter.states.is_none() && self.filter.since.is_none();
        let total = self.total.filter(|_| is_whole && !self.is_cut).unwrap_or_default();
        total.saturating_sub(self.seen.len() as u64)
    }

    /// The next page, each task once; `None` after the last one.
    ///
    /// # Errors
    /// Those of the request; [`Error::Incomplete`] in place of `None` if the list left something out.
    pub async fn next(&mut self) -> Result<Option<TaskPage>, Error> {
        if self.more && self.pages < self.max_pages {
            let mut page = self.client.task_page(self.query, self.filter, self.pages + 1).await?;
            self.pages += 1;
            for task in &page.tasks {
                if let Some(created) = task.created_at {
                    self.is_ordered &= self.last.is_none_or(|last| created <= last);
                    self.last = Some(created);
                }
            }
            let is_old = |age: Option<Duration>| self.horizon.zip(age).is_some_and(|(horizon, age)| age > horizon);
            let is_before = |task: &Task| self.oldest.zip(task.created_at).is_some_and(|(oldest, at)| at < oldest);
            let nothing_new =
                self.is_ordered && page.tasks.iter().all(|task| is_old(page.age(task)) || is_before(task));
            self.more = page.more && !nothing_new;
            self.is_cut = page.more && nothing_new && !page.tasks.is_empty();
            self.total = self.total.into_iter().chain(page.total).min();
            self.left_out = self.left_out.take().or(page.left_out.take());
            // A task that is started meanwhile pushes the others to the next page.
            page.tasks.retain(|task| self.seen.insert(task.id.clone()));
            return Ok(Some(page));
        }
        match self.left_out.take() {
            Some(why) => Err(Error::Incomplete { why }),
            None if self.more => {
                Err(Error::Incomplete { why: format!("it has more than {} pages of a hundred tasks", self.max_pages) })
            }
            None => Ok(None),
        }
    }
}
