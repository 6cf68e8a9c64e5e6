//! Walking through the pages of a list of tasks.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::github::answers::TaskPage;
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::repository::Repository;
use crate::github::task::TaskId;

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

/// The pages of a list of tasks, from the newest task to the oldest.
pub struct TaskPages<'a> {
    client: &'a LimitedClient<'a>,
    query: TaskQuery<'a>,
    states: Option<&'a str>,
    archived: bool,
    horizon: Option<Duration>,
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
    pub(super) fn new(
        client: &'a LimitedClient<'a>,
        query: TaskQuery<'a>,
        states: Option<&'a str>,
        archived: bool,
    ) -> Self {
        Self {
            client,
            query,
            states,
            archived,
            horizon: None,
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

    /// How many pages were read.
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// Whether the tasks came newest first, so that nothing new can follow after old tasks.
    pub fn is_ordered(&self) -> bool {
        self.is_ordered
    }

    /// How many tasks GitHub counts and has not listed, once all pages are read; zero where that cannot be known.
    pub fn unlisted(&self) -> u64 {
        let total = self.total.filter(|_| self.states.is_none() && !self.is_cut).unwrap_or_default();
        total.saturating_sub(self.seen.len() as u64)
    }

    /// The next page, each task once; `None` after the last one.
    ///
    /// # Errors
    /// Those of the request; [`Error::Incomplete`] in place of `None` where the list left something out.
    pub async fn next(&mut self) -> Result<Option<TaskPage>, Error> {
        if self.more && self.pages < MAX_PAGES {
            let mut page = self.client.task_page(self.query, self.states, self.archived, self.pages + 1).await?;
            self.pages += 1;
            for task in &page.tasks {
                if let Some(created) = task.created_at {
                    self.is_ordered &= self.last.is_none_or(|last| created <= last);
                    self.last = Some(created);
                }
            }
            let is_old = |age: Option<Duration>| self.horizon.zip(age).is_some_and(|(horizon, age)| age > horizon);
            let nothing_new = self.is_ordered && page.tasks.iter().all(|task| is_old(page.age(task)));
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
                Err(Error::Incomplete { why: format!("it has more than {MAX_PAGES} pages of a hundred tasks") })
            }
            None => Ok(None),
        }
    }
}
