//! The way out: every request of a token passes here, at the pace that GitHub's limits allow.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::github::client::GitHub;
use crate::github::error::Error;
use crate::github::rate_limit::{RateLimiter, RequestKind};
use crate::github::repository::Repository;
use crate::github::task::{NewTask, Task};

/// The pauses before a question to GitHub that brought no answer is put again.
const ASKED_AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// Asks whoever may be answered, one speaker after the other. A question that brought none of them an answer is put
/// again, after a pause that `rest` sleeps through. There must be a speaker.
///
/// # Errors
/// The last answer, or one that may be another at another time.
pub async fn ask<S, T>(
    clients: &[S],
    question: impl AsyncFn(&S) -> Result<T, Error>,
    rest: impl AsyncFn(Duration),
) -> Result<T, Error> {
    let mut tries = ASKED_AGAIN.iter();
    loop {
        match (ask_once(clients, &question).await, tries.next()) {
            (Err(error), Some(pause)) if error.may_pass() => rest(*pause).await,
            (answer, _) => return answer,
        }
    }
}

/// The same without putting it again.
///
/// # Errors
/// As for [`ask`].
pub async fn ask_once<S, T>(clients: &[S], question: impl AsyncFn(&S) -> Result<T, Error>) -> Result<T, Error> {
    let mut last = None::<Error>;
    for speaker in clients {
        match question(speaker).await {
            Ok(answer) => return Ok(answer),
            // One token may not ask, or does not reach GitHub for a moment; what counts most is whether that may pass.
            Err(error) => last = last.filter(Error::may_pass).or(Some(error)),
        }
    }
    Err(last.unwrap_or_else(|| unreachable!("somebody always speaks")))
}

/// A connection to GitHub that keeps to its limits.
pub struct LimitedClient {
    github: GitHub,
    pace: RefCell<RateLimiter>,
    began: Instant,
    /// Starts go out in the order in which they came here.
    queue: Mutex<()>,
    capacity: Semaphore,
    me: Cell<Option<u64>>,
}

impl LimitedClient {
    /// The way out for one token, where this job is one of so many that share the limits.
    pub fn new(github: GitHub, parts: usize) -> Self {
        Self {
            github,
            pace: RefCell::new(RateLimiter::new(parts)),
            began: Instant::now(),
            queue: Mutex::new(()),
            capacity: Semaphore::new(RateLimiter::at_once(parts)),
            me: Cell::new(None),
        }
    }

    /// What asks GitHub. What comes of it has to pass [`LimitedClient::read`] to go out.
    pub fn github(&self) -> &GitHub {
        &self.github
    }

    /// Waits until one more task may be started.
    pub async fn turn(&self) {
        let _turn = self.queue.lock().await;
        self.wait(RequestKind::Start).await;
    }

    /// Starts a task, after [`LimitedClient::turn`].
    ///
    /// # Errors
    /// Those of [`GitHub::start`].
    pub async fn start(&self, repository: &Repository, task: &NewTask) -> Result<Task, Error> {
        self.heed(self.github.start(repository, task).await)
    }

    /// Asks for something once there is room for it.
    ///
    /// # Errors
    /// Those of what is asked.
    pub async fn read<T>(&self, asking: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let _room = self.enter().await;
        self.heed(asking.await)
    }

    /// Waits until there is room. It is the same for all that is asked, and so stands by itself.
    async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        let capacity = self.capacity.acquire().await.ok();
        self.wait(RequestKind::Read).await;
        capacity
    }

    /// Who the token belongs to, asked once; `None` as long as GitHub does not answer that.
    pub async fn me(&self) -> Option<u64> {
        if self.me.get().is_none() {
            self.me.set(self.read(self.github.me()).await.ok().map(|me| me.id));
        }
        self.me.get()
    }

    async fn wait(&self, kind: RequestKind) {
        loop {
            let wait = self.pace.borrow_mut().ask(self.began.elapsed(), kind);
            if wait.is_zero() {
                return;
            }
            tokio::time::sleep(wait).await;
        }
    }

    fn heed<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &answer {
            self.learn(error);
        }
        answer
    }

    fn learn(&self, error: &Error) {
        if let Error::RateLimited(limit) = error {
            self.pace.borrow_mut().limited(self.began.elapsed(), limit);
        }
    }
}
