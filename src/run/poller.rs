//! Polling tasks: few one by one, many by lists that show all of them.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::actions::host::Host;
use crate::github::answers::TaskAnswer;
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::pull_content::{ChangedFile, ContentQuery, PullContent};
use crate::github::pull_request::PullRequest;
use crate::github::repository::Repository;
use crate::github::retry;
use crate::github::task::{Phase, State, Task, TaskId, UNSETTLED};
use crate::github::task_list::TaskQuery;
use crate::join::join_all;
use crate::run::batch::{Batcher, GATHER_TIME};
use crate::run::pull_request::PullRequestReader;
use crate::task::marker::{Key, Marker};
use crate::task::pull_request::{NoPullRequest, PullRequestHints};
use crate::task::start::{Candidate, MEMORY};

/// How many tasks are polled one by one. An answer about one unchanged task does not count against the rate limit, and a
/// list always does; above this number lists are cheaper anyway.
const MAX_SINGLE: usize = 10;
/// How many requests an hour go to lists at most: half of the 5,000 that GitHub allows,
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.
const PAGES_PER_HOUR: u32 = 2500;
/// How many requests an hour go to single tasks at most, where lists are used and do not say what a task costs: with
/// those for lists, 500 are left for everything else.
const DETAILS_PER_HOUR: u32 = 2000;
/// How long a task may have no sessions because it is new. They were seen after seconds.
const NO_SESSIONS_YET: Duration = Duration::from_secs(120);
/// How long pull requests of tasks that have completed are gathered: at least two rounds of the default interval. GitHub
/// lets at most 80 tasks a minute begin, and so about as many end.
const ENDS_GATHER_TIME: Duration = Duration::from_secs(20);
/// How many tasks are read at once to find our own: a quarter of what the client sends at once.
const READ_AT_ONCE: usize = 16;

/// Polls tasks and pull requests for all tasks of a step.
pub struct Poller<'a> {
    tasks: &'a LimitedClient<'a>,
    readers: Vec<PullRequestReader<'a>>,
    host: &'a Host,
    /// Whether lists are used.
    many: Cell<bool>,
    interval: Duration,
    count: u32,
    parts: u32,
    began: Instant,
    pages: Cell<u32>,
    failing: Cell<bool>,
    snapshot: Mutex<Option<ListSnapshot>>,
    keys: HashSet<Key>,
    index: Mutex<TaskIndex>,
}

/// The list of all unsettled tasks at one moment.
struct ListSnapshot {
    taken: Instant,
    tasks: Result<HashMap<TaskId, Task>, Error>,
}

/// The tasks of this user that were read to find those with our keys.
#[derive(Default)]
struct TaskIndex {
    taken: Option<Instant>,
    ours: HashMap<TaskId, (Key, IndexedTask)>,
    unrelated: HashSet<TaskId>,
    unread: HashMap<TaskId, Option<Age>>,
    /// Whether GitHub left something out of the list.
    is_partial: bool,
}

struct IndexedTask {
    task: Task,
    age: Option<Age>,
}

/// The tasks with a key.
pub struct OwnTasks {
    /// When the list was read.
    pub taken: Instant,
    /// The tasks.
    pub candidates: Vec<Candidate>,
    /// Whether every task could be read. One that cannot be read yet may have the key as well.
    pub is_whole: bool,
}

/// How old a task was at a moment.
#[derive(Clone, Copy)]
struct Age(Duration, Instant);

impl Age {
    fn at(self, moment: Instant) -> Duration {
        self.0 + moment.saturating_duration_since(self.1)
    }
}

/// The settings of a [`Poller`].
pub struct PollerConfig<'a> {
    /// How many tasks there are.
    pub tasks: usize,
    /// The idempotency keys of those that are started.
    pub keys: HashSet<Key>,
    /// Tasks that are known to have none of these keys.
    pub unrelated: HashSet<TaskId>,
    /// The longest pause between two polls.
    pub interval: Duration,
    /// How many jobs share GitHub's limits.
    pub parts: usize,
    /// Logs what does not concern a single task.
    pub host: &'a Host,
}

impl<'a> Poller<'a> {
    /// Polls tasks with the client `tasks`, and pull requests with the clients `pulls` in their order.
    pub fn new(tasks: &'a LimitedClient<'a>, pulls: &[&'a LimitedClient<'a>], config: PollerConfig<'a>) -> Self {
        let reader = |client: &&'a LimitedClient<'a>| PullRequestReader {
            client,
            by_id: Batcher::new(GATHER_TIME),
            contents: Batcher::new(ENDS_GATHER_TIME),
            by_branch: Batcher::new(GATHER_TIME),
        };
        Self {
            tasks,
            readers: pulls.iter().map(reader).collect(),
            host: config.host,
            many: Cell::new(config.tasks > MAX_SINGLE),
            interval: config.interval,
            count: u32::try_from(config.tasks).unwrap_or(u32::MAX),
            parts: u32::try_from(config.parts).unwrap_or(u32::MAX),
            began: Instant::now(),
            pages: Cell::new(1),
            failing: Cell::new(false),
            snapshot: Mutex::default(),
            keys: config.keys,
            index: Mutex::new(TaskIndex { unrelated: config.unrelated, ..TaskIndex::default() }),
        }
    }

    /// Whether lists are used.
    pub fn is_shared(&self) -> bool {
        self.many.get()
    }

    /// How long to sleep for a pause of this length. Polls of many tasks happen at the same moments, so that they share
    /// lists.
    pub fn pause(&self, pause: Duration) -> Duration {
        if !self.is_shared() {
            return pause;
        }
        let spacing = self.spacing().as_nanos().max(1);
        let next = (self.began.elapsed() + pause).as_nanos().div_ceil(spacing) * spacing;
        let next = Duration::from_nanos(u64::try_from(next).unwrap_or(u64::MAX));
        next.saturating_sub(self.began.elapsed())
    }

    /// The time between two lists: the user's interval, or longer where the list is so long that the hourly limit would
    /// not last.
    fn spacing(&self) -> Duration {
        let each = Duration::from_secs(3600) / PAGES_PER_HOUR;
        self.interval.max(each.saturating_mul(self.pages.get()).saturating_mul(self.parts))
    }

    /// The time between two polls of one task by itself, for what it costs: lists do not say that.
    pub fn detail_spacing(&self) -> Duration {
        let each = Duration::from_secs(3600) / DETAILS_PER_HOUR;
        self.interval.max(each.saturating_mul(self.count).saturating_mul(self.parts))
    }

    /// How long the first of these polls of this task is put off, so that not all tasks are polled together.
    pub fn detail_offset(&self, index: usize) -> Duration {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        if self.is_shared() {
            self.detail_spacing() / self.count.max(1) * (index % self.count.max(1))
        } else {
            Duration::ZERO
        }
    }

    /// Polls a task. `etag` and `state` are those of an earlier answer. `in_detail`: not by a list.
    ///
    /// # Errors
    /// Those of the request. One that concerns all tasks alike was logged already.
    pub async fn poll(
        &self,
        repository: &Repository,
        id: &TaskId,
        etag: Option<&str>,
        state: Option<&State>,
        in_detail: bool,
    ) -> Result<TaskAnswer, Error> {
        if self.is_shared()
            && !in_detail
            && let Some(task) = self.listed(id).await?
            && (task.state.phase() == Phase::Running || state == Some(&task.state))
        {
            return Ok(TaskAnswer::Seen(task, None));
        }
        self.tasks.task(repository, id, etag).await
    }

    /// The task in the list; `None` if the list does not have it, as when it has settled.
    async fn listed(&self, id: &TaskId) -> Result<Option<Box<Task>>, Error> {
        let mut snapshot = self.snapshot.lock().await;
        let fresh = snapshot.take().filter(|snapshot| snapshot.taken.elapsed() < self.spacing() / 2);
        let fresh = match fresh {
            Some(snapshot) => snapshot,
            None => {
                let tasks = self.list().await;
                ListSnapshot { taken: Instant::now(), tasks }
            }
        };
        let ListSnapshot { tasks, .. } = snapshot.insert(fresh);
        match tasks {
            Ok(tasks) => Ok(tasks.get(id).cloned().map(Box::new)),
            Err(error) if error.may_pass() => Err(error.clone()),
            // A token that may not list may still read each task.
            Err(_) => Ok(None),
        }
    }

    async fn list(&self) -> Result<HashMap<TaskId, Task>, Error> {
        let mut tasks = HashMap::new();
        let mut pages = self.tasks.tasks(TaskQuery::Own, Some(UNSETTLED), false);
        loop {
            match pages.next().await {
                Ok(Some(page)) => tasks.extend(page.tasks.into_iter().map(|task| (task.id.clone(), task))),
                // A task that the list leaves out is polled by itself.
                Ok(None) | Err(Error::Incomplete { .. }) => break,
                Err(error) => return Err(self.failed(error)),
            }
            self.pages.set(pages.pages());
        }
        if self.failing.replace(false) {
            self.host.log("GitHub answers again");
        }
        Ok(tasks)
    }

    fn failed(&self, error: Error) -> Error {
        if !error.may_pass() {
            self.many.set(false);
            self.host.log(&format!("cannot list the tasks: {error}; polling each by itself"));
        } else if !self.failing.replace(true) {
            self.host.log(&format!("could not list the tasks: {error}; trying again"));
        }
        error
    }

    /// The tasks with a key, from a list of this user's tasks that is read once for all starts, after the moment `since`.
    ///
    /// # Errors
    /// Those of the requests.
    pub async fn with_key(&self, key: &Key, since: Instant) -> Result<OwnTasks, Error> {
        let mut index = self.index.lock().await;
        let taken = match index.taken.filter(|taken| *taken > since) {
            Some(taken) => taken,
            None => {
                let taken = Instant::now();
                self.read_index(&mut index).await?;
                index.taken = Some(taken);
                taken
            }
        };
        let ours = index.ours.values().filter(|(its, _)| its == key);
        let candidates = ours.map(|(_, known)| Candidate {
            task: known.task.clone(),
            read: true,
            age: known.age.map(|age| age.at(taken)),
        });
        let is_whole = index.unread.is_empty() && !index.is_partial;
        Ok(OwnTasks { taken, candidates: candidates.collect(), is_whole })
    }

    /// Reads the tasks that are new since the last time, archived ones as well: a person may have archived what a re-run
    /// asks for.
    async fn read_index(&self, index: &mut TaskIndex) -> Result<(), Error> {
        for archived in [false, true] {
            let mut pages = self.tasks.tasks(TaskQuery::Own, None, archived).younger_than(MEMORY);
            loop {
                let page = match pages.next().await {
                    Ok(Some(page)) => page,
                    Ok(None) => break,
                    Err(Error::Incomplete { .. }) => {
                        index.is_partial = true;
                        break;
                    }
                    Err(error) => return Err(error),
                };
                let now = Instant::now();
                let mut is_known = true;
                for task in &page.tasks {
                    let age = page.age(task);
                    let known = index.ours.contains_key(&task.id) || index.unrelated.contains(&task.id);
                    if !known && age.is_none_or(|age| age <= MEMORY) {
                        is_known = false;
                        // It stays there until it is read, even if a later page is not answered.
                        index.unread.insert(task.id.clone(), age.map(|age| Age(age, now)));
                    }
                }
                if is_known && pages.is_ordered() && index.taken.is_some() {
                    break;
                }
            }
        }
        let ids = index.unread.iter().map(|(id, age)| (id.clone(), *age)).collect::<Vec<_>>();
        let mut limited = None;
        for ids in ids.chunks(READ_AT_ONCE) {
            let asked = ids.iter().map(|(id, _)| self.tasks.own_task(id));
            for ((id, age), answer) in ids.iter().zip(join_all(asked).await) {
                match answer {
                    Ok(task) => {
                        index.unread.remove(id);
                        self.file(index, task, *age);
                    }
                    // It exists, and cannot be read yet.
                    Err(error) => {
                        limited = limited.or(Some(error).filter(|error| matches!(error, Error::RateLimited(_))));
                    }
                }
            }
        }
        limited.map_or(Ok(()), Err)
    }

    fn file(&self, index: &mut TaskIndex, task: Task, age: Option<Age>) {
        let is_young = age.is_none_or(|age| age.at(Instant::now()) < NO_SESSIONS_YET);
        // One that has ended without showing a session will never show one.
        if task.prompt().is_none() && (is_young || task.state.phase() != Phase::Settled) {
            index.unread.insert(task.id, age);
            return;
        }
        let key = task.prompt().and_then(Marker::find).map(|marker| marker.key);
        match key.filter(|key| self.keys.contains(key)) {
            Some(key) => drop(index.ours.insert(task.id.clone(), (key, IndexedTask { task, age }))),
            None => drop(index.unrelated.insert(task.id)),
        }
    }

    /// The pull request that the hints lead to, read with the first token that may.
    ///
    /// # Errors
    /// Why there is none, or why its number is unknown.
    pub fn pull<'s>(
        &'s self,
        repository: &'s Repository,
        hints: &'s PullRequestHints,
    ) -> Pin<Box<dyn Future<Output = Result<PullRequest, NoPullRequest>> + 's>> {
        // Boxed, so that its code is there once.
        Box::pin(async move {
            let mut hidden = None;
            for reader in &self.readers {
                match reader.pull(repository, hints, self.is_shared()).await {
                    Ok(pull) => return Ok(pull),
                    Err(why @ NoPullRequest::Limited(_)) => hidden = Some(why),
                    Err(why @ (NoPullRequest::Hidden(_) | NoPullRequest::MayNotRead(_))) => {
                        hidden = hidden.or(Some(why));
                    }
                    Err(why) => return Err(why),
                }
            }
            Err(hidden.unwrap_or(NoPullRequest::NotMade))
        })
    }

    /// The contents of a pull request, read with the first token that may read all of it.
    ///
    /// # Errors
    /// The last error, or one that may pass.
    pub async fn content(
        &self,
        repository: &Repository,
        number: u64,
        query: ContentQuery,
    ) -> Result<PullContent, Error> {
        let mut best = None;
        for reader in &self.readers {
            let content = reader.content(repository, number, query, self.is_shared()).await;
            match (&best, &content) {
                (_, Ok(content)) if !matches!(content.checks, Some(Err(_))) => return Ok(content.clone()),
                (None | Some(Err(_)), Ok(_)) | (None, Err(_)) => best = Some(content),
                (Some(Err(before)), Err(_)) if !before.may_pass() => best = Some(content),
                _ => {}
            }
        }
        best.unwrap_or_else(|| unreachable!("there is a client"))
    }

    /// The files of a pull request that changes `count` of them, as far as GitHub lists them.
    ///
    /// # Errors
    /// The last error, or one that may pass.
    pub async fn files(&self, repository: &Repository, number: u64, count: u64) -> Result<Vec<ChangedFile>, Error> {
        let files = async |reader: &PullRequestReader<'_>| reader.client.pull_files(repository, number, count).await;
        retry::ask_once(&self.readers, files).await
    }
}
