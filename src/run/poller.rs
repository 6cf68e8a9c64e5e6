//! Looking: at one task by itself, and at many together, by lists instead of one request for each.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::actions::host::Host;
use crate::github::answers::TaskAnswer;
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::pull_request::PullRequest;
use crate::github::repository::Repository;
use crate::github::task::{Phase, State, Task, TaskId};
use crate::run::batch::Batcher;
use crate::run::pull_request::PullRequestReader;
use crate::task::marker::{Key, Marker};
use crate::task::pull_request::{NoPullRequest, PullRequestHints};
use crate::task::start::{Candidate, MEMORY};

/// How many tasks are looked at one by one. A look at one task that has not changed is free, and a list never is; from
/// here on lists are cheaper all the same.
const MOST_SINGLE: usize = 10;
/// The states of a task that is not settled. Another state, which may come some day, is not among them, and its task is
/// looked at by itself.
const UNSETTLED: &str = "queued,in_progress,idle,waiting_for_user";

/// How many pages of a hundred tasks are looked through.
pub const MOST_PAGES: u32 = 50;
/// How much of an hour's requests looking at lists may take: half of the 5,000 that GitHub allows,
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.
const PAGES_PER_HOUR: u32 = 2500;
/// How long a task may have no sessions because it is new. They were seen after seconds.
const YOUTH: Duration = Duration::from_secs(120);
/// How many tasks are read at once to find our own.
const READ_AT_ONCE: usize = 16;

/// Whoever looks, for all orders of a step.
pub struct Poller<'a> {
    tasks: &'a LimitedClient,
    readers: Vec<PullRequestReader<'a>>,
    host: &'a Host,
    /// Whether lists are used.
    many: Cell<bool>,
    interval: Duration,
    parts: u32,
    began: Instant,
    pages: Cell<u32>,
    failing: Cell<bool>,
    round: Mutex<Option<ListSnapshot>>,
    keys: HashSet<Key>,
    catalogue: Mutex<TaskIndex>,
}

/// One look at the list of all tasks that are not settled.
struct ListSnapshot {
    taken: Instant,
    tasks: Result<HashMap<TaskId, Task>, Error>,
}

/// The tasks of this user, as far as they were read to find those of our keys.
#[derive(Default)]
struct TaskIndex {
    taken: Option<Instant>,
    ours: HashMap<TaskId, (Key, IndexedTask)>,
    strangers: HashSet<TaskId>,
    unread: HashMap<TaskId, Option<Age>>,
}

struct IndexedTask {
    task: Task,
    age: Option<Age>,
}

/// The tasks with a key, as far as all tasks could be read.
pub struct OwnTasks {
    /// When that was so.
    pub taken: Instant,
    /// The tasks.
    pub candidates: Vec<Candidate>,
    /// Whether every task could be read; one that cannot be read yet may have the key as well.
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

/// What a lookout is set up with.
pub struct PollerConfig<'a> {
    /// How many orders there are.
    pub orders: usize,
    /// The keys of those that are started.
    pub keys: HashSet<Key>,
    /// The longest pause between two looks.
    pub interval: Duration,
    /// How many jobs share GitHub's limits.
    pub parts: usize,
    /// Where to tell what concerns no single order.
    pub host: &'a Host,
}

impl<'a> Poller<'a> {
    /// Looks at tasks through the first door, and at pull requests through the others, in their order.
    pub fn new(tasks: &'a LimitedClient, pulls: &[&'a LimitedClient], watched: PollerConfig<'a>) -> Self {
        let reader =
            |client: &&'a LimitedClient| PullRequestReader { client, by_id: Batcher::new(), by_branch: Batcher::new() };
        Self {
            tasks,
            readers: pulls.iter().map(reader).collect(),
            host: watched.host,
            many: Cell::new(watched.orders > MOST_SINGLE),
            interval: watched.interval,
            parts: u32::try_from(watched.parts).unwrap_or(u32::MAX),
            began: Instant::now(),
            pages: Cell::new(1),
            failing: Cell::new(false),
            round: Mutex::default(),
            keys: watched.keys,
            catalogue: Mutex::default(),
        }
    }

    /// Whether many are looked at together.
    pub fn is_shared(&self) -> bool {
        self.many.get()
    }

    /// How long to sleep for a pause of so long: looks at many happen together, at the same moments.
    pub fn pause(&self, pause: Duration) -> Duration {
        if !self.is_shared() {
            return pause;
        }
        let spacing = self.spacing().as_nanos().max(1);
        let next = (self.began.elapsed() + pause).as_nanos().div_ceil(spacing) * spacing;
        let next = Duration::from_nanos(u64::try_from(next).unwrap_or(u64::MAX));
        next.saturating_sub(self.began.elapsed())
    }

    /// The time between two looks at the list: that of the user, or longer where the list is so long that the hour's
    /// requests would not last.
    fn spacing(&self) -> Duration {
        let each = Duration::from_secs(3600) / PAGES_PER_HOUR;
        self.interval.max(each.saturating_mul(self.pages.get()).saturating_mul(self.parts))
    }

    /// Looks at a task. `etag` is the mark of an earlier look at it, and `state` what that saw.
    ///
    /// # Errors
    /// Those of GitHub. One that concerns all tasks alike has been told already.
    pub async fn look(
        &self,
        repository: &Repository,
        id: &TaskId,
        etag: Option<&str>,
        state: Option<&State>,
    ) -> Result<TaskAnswer, Error> {
        if self.is_shared()
            && let Some(task) = self.listed(id).await?
            && (task.state.phase() == Phase::Running || state == Some(&task.state))
        {
            return Ok(TaskAnswer::Seen(task, None));
        }
        self.tasks.read(self.tasks.github().task(repository, id, etag)).await
    }

    /// The task as the list shows it; `None` where it is not there, as when it has settled.
    async fn listed(&self, id: &TaskId) -> Result<Option<Box<Task>>, Error> {
        let mut round = self.round.lock().await;
        let fresh = round.take().filter(|round| round.taken.elapsed() < self.spacing() / 2);
        let fresh = match fresh {
            Some(round) => round,
            None => {
                let tasks = self.list().await;
                ListSnapshot { taken: Instant::now(), tasks }
            }
        };
        let ListSnapshot { tasks, .. } = round.insert(fresh);
        match tasks {
            Ok(tasks) => Ok(tasks.get(id).cloned().map(Box::new)),
            Err(error) if error.may_pass() => Err(error.clone()),
            // Who may not list may still look at each.
            Err(_) => Ok(None),
        }
    }

    async fn list(&self) -> Result<HashMap<TaskId, Task>, Error> {
        let mut tasks = HashMap::new();
        for page in 1..=MOST_PAGES {
            let listed = self.tasks.read(self.tasks.github().my_tasks(Some(UNSETTLED), false, page)).await;
            let listed = match listed {
                Ok(listed) => listed,
                Err(error) => return Err(self.failed(error)),
            };
            self.pages.set(page);
            tasks.extend(listed.tasks.into_iter().map(|task| (task.id.clone(), task)));
            if !listed.more {
                break;
            }
        }
        if self.failing.replace(false) {
            self.host.log("GitHub answers again");
        }
        Ok(tasks)
    }

    fn failed(&self, error: Error) -> Error {
        if !error.may_pass() {
            self.many.set(false);
            self.host.log(&format!("cannot list the tasks: {error}; looking at each by itself"));
        } else if !self.failing.replace(true) {
            self.host.log(&format!("could not look at the tasks: {error}; looking again"));
        }
        error
    }

    /// The tasks with a key, from a list of this user's tasks that is read once for all orders and after the moment
    /// `since`.
    ///
    /// # Errors
    /// Those of GitHub.
    pub async fn with_key(&self, key: &Key, since: Instant) -> Result<OwnTasks, Error> {
        let mut catalogue = self.catalogue.lock().await;
        let taken = match catalogue.taken.filter(|taken| *taken > since) {
            Some(taken) => taken,
            None => {
                let taken = Instant::now();
                self.read_catalogue(&mut catalogue).await?;
                catalogue.taken = Some(taken);
                taken
            }
        };
        let ours = catalogue.ours.values().filter(|(its, _)| its == key);
        let candidates = ours.map(|(_, known)| Candidate {
            task: known.task.clone(),
            read: true,
            age: known.age.map(|age| age.at(taken)),
        });
        Ok(OwnTasks { taken, candidates: candidates.collect(), is_whole: catalogue.unread.is_empty() })
    }

    /// Reads the tasks that are new since the last time, archived ones as well: a person may have put away what a
    /// re-run asks for.
    async fn read_catalogue(&self, catalogue: &mut TaskIndex) -> Result<(), Error> {
        let mut unread = std::mem::take(&mut catalogue.unread);
        for archived in [false, true] {
            for page in 1..=MOST_PAGES {
                let listed = self.tasks.read(self.tasks.github().my_tasks(None, archived, page)).await?;
                let now = Instant::now();
                let mut new = 0;
                for task in &listed.tasks {
                    let age = listed.age(task);
                    let known = catalogue.ours.contains_key(&task.id) || catalogue.strangers.contains(&task.id);
                    if !known && age.is_none_or(|age| age <= MEMORY) {
                        new += 1;
                        unread.insert(task.id.clone(), age.map(|age| Age(age, now)));
                    }
                }
                if new == 0 || !listed.more {
                    break;
                }
            }
        }
        let ids = unread.into_iter().collect::<Vec<_>>();
        let mut limited = None;
        for ids in ids.chunks(READ_AT_ONCE) {
            let asked = ids.iter().map(|(id, _)| self.tasks.read(self.tasks.github().my_task(id)));
            for ((id, age), answer) in ids.iter().zip(join_all(asked).await) {
                match answer {
                    Ok(task) => self.file(catalogue, task, *age),
                    // It is there, and cannot be read yet.
                    Err(error) => {
                        limited = limited.or(Some(error).filter(|error| matches!(error, Error::RateLimited(_))));
                        catalogue.unread.insert(id.clone(), *age);
                    }
                }
            }
        }
        limited.map_or(Ok(()), Err)
    }

    fn file(&self, catalogue: &mut TaskIndex, task: Task, age: Option<Age>) {
        let mut prompts = task.sessions.iter().filter_map(|session| session.prompt.as_deref()).peekable();
        // One that is young has no sessions to show yet; those of an old one were deleted, and nobody will ever know.
        let young = age.is_none_or(|age| age.at(Instant::now()) < YOUTH);
        if prompts.peek().is_none() && young {
            catalogue.unread.insert(task.id, age);
            return;
        }
        let markers = prompts.filter_map(Marker::find).map(|marker| marker.key);
        let key = markers.into_iter().find(|key| self.keys.contains(key));
        match key {
            Some(key) => drop(catalogue.ours.insert(task.id.clone(), (key, IndexedTask { task, age }))),
            None => drop(catalogue.strangers.insert(task.id)),
        }
    }

    /// The pull request that the clues lead to, by whoever may read it.
    ///
    /// # Errors
    /// Why there is none, or none whose number can be told.
    pub async fn pull(&self, repository: &Repository, hints: &PullRequestHints) -> Result<PullRequest, NoPullRequest> {
        let mut hidden = None;
        for reader in &self.readers {
            match reader.pull(repository, hints, self.is_shared()).await {
                Ok(pull) => return Ok(pull),
                Err(why @ (NoPullRequest::Hidden(_) | NoPullRequest::MayNotRead(_))) => hidden = hidden.or(Some(why)),
                Err(why) => return Err(why),
            }
        }
        Err(hidden.unwrap_or(NoPullRequest::NotMade))
    }
}
