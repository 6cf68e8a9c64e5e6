//! The client that callers get. Every request waits for its turn here, so that GitHub's rate limits are kept.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use crate::github::client::GitHub;
use crate::github::error::{Error, RUN_REMEDIES, RateLimit, Remedies, classify};
use crate::github::rate_limit::{RateLimiter, RequestKind};
use crate::github::transport::{Answer, MAX_REDIRECTS, Sending};

/// Takes a line about each request.
pub trait RequestLog {
    /// Logs a request: method, path, status, duration, request id, requests left in the hour.
    fn log_request(&self, line: &str);
}

/// A client for one token that keeps GitHub's rate limits. Its methods are in `client.rs`, one per endpoint.
pub struct LimitedClient<'a> {
    pub(super) github: GitHub,
    log: Option<&'a dyn RequestLog>,
    limiter: RefCell<RateLimiter>,
    began: Instant,
    /// Starts are sent in the order in which they were asked for.
    queue: Mutex<()>,
    capacity: Semaphore,
    pub(super) user: Cell<Option<u64>>,
}

/// The permission to send one start now, see [`LimitedClient::turn`].
#[derive(Debug)]
pub struct StartTurn(());

impl<'a> LimitedClient<'a> {
    /// A client in one of `parts` jobs that share the limits.
    pub fn new(github: GitHub, parts: usize) -> Self {
        Self {
            github,
            log: None,
            limiter: RefCell::new(RateLimiter::new(parts)),
            began: Instant::now(),
            queue: Mutex::new(()),
            capacity: Semaphore::new(RateLimiter::at_once(parts)),
            user: Cell::new(None),
        }
    }

    /// The same client with a log of its requests.
    #[must_use]
    pub fn logging_to(self, log: &'a dyn RequestLog) -> Self {
        Self { log: Some(log), ..self }
    }

    /// Waits until one more task may be started.
    pub async fn turn(&self) -> StartTurn {
        let _queue = self.queue.lock().await;
        self.wait(RequestKind::Start).await;
        StartTurn(())
    }

    async fn wait(&self, kind: RequestKind) {
        loop {
            let wait = self.limiter.borrow_mut().ask(self.began.elapsed(), kind);
            if wait.is_zero() {
                return;
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Reads from the REST API. Redirects are followed on the same host. `remedies` are those of what is asked for,
    /// where that is not a task.
    pub(super) async fn get(
        &self,
        path: &str,
        etag: Option<&str>,
        remedies: Option<Remedies>,
    ) -> Result<Answer, Error> {
        let mut headers = HeaderMap::new();
        if let Some(value) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            headers.insert(header::IF_NONE_MATCH, value);
        }
        let mut uri = format!("{}{path}", self.github.address.rest);
        for _ in 0..=MAX_REDIRECTS {
            // The semaphore is never closed.
            let _capacity = self.capacity.acquire().await;
            self.wait(RequestKind::Read).await;
            let sending = self.github.api._get_with_headers(uri.as_str(), Some(headers.clone()));
            let answer = self.send(RequestKind::Read, &uri, remedies, Box::pin(sending)).await?;
            if !answer.is_redirect() {
                return Ok(answer);
            }
            uri = self.redirected(&answer).ok_or_else(|| answer.refusal())?;
        }
        Err(Error::Malformed { why: "it redirects again and again".to_owned() })
    }

    /// An answer that is read by its fields.
    pub(super) async fn value(&self, path: &str, remedies: Remedies) -> Result<Value, Error> {
        self.get(path, None, Some(remedies)).await?.read()
    }

    /// Sends a start in its turn. A redirect is not followed: it leads to another repository.
    pub(super) async fn post(
        &self,
        _turn: StartTurn,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<Answer, Error> {
        let uri = format!("{}{path}", self.github.address.rest);
        let sending = self.github.api._post(uri.as_str(), Some(body));
        self.send(RequestKind::Start, &uri, None, Box::pin(sending)).await
    }

    /// Sends a request that cancels. A redirect is not followed.
    pub(super) async fn cancel(&self, path: &str, is_urgent: bool) -> Result<Answer, Error> {
        let _capacity = self.capacity.acquire().await;
        let kind = if is_urgent { RequestKind::UrgentCancel } else { RequestKind::Cancel };
        self.wait(kind).await;
        let uri = format!("{}{path}", self.github.address.rest);
        let sending = self.github.api._post(uri.as_str(), None::<&Value>);
        self.send(kind, &uri, Some(RUN_REMEDIES), Box::pin(sending)).await
    }

    /// Asks the GraphQL API. Its hourly limit is one of its own and is not waited out here, since the REST API knows
    /// the same.
    pub(super) async fn graphql(&self, query: &str, variables: &Value) -> Result<Answer, Error> {
        let _capacity = self.capacity.acquire().await;
        let wait = self.limiter.borrow().graphql_wait(self.began.elapsed());
        if !wait.is_zero() {
            return Err(Error::RateLimited(RateLimit { wait, primary: true }));
        }
        self.wait(RequestKind::GraphQl).await;
        let uri = &self.github.address.graphql;
        let body = serde_json::json!({"query": query, "variables": variables});
        let sending = self.github.api._post(uri.as_str(), Some(&body));
        self.send(RequestKind::GraphQl, uri, None, Box::pin(sending)).await
    }

    /// Sends a request, and learns from its answer. A redirect is an answer.
    async fn send(
        &self,
        kind: RequestKind,
        uri: &str,
        remedies: Option<Remedies>,
        sending: Sending<'_>,
    ) -> Result<Answer, Error> {
        let sent = self.began.elapsed();
        let answer = Answer::of(&self.github.token, sending).await;
        self.log_answer(kind, uri, sent, &answer);
        let answer = answer?;
        match classify(answer.status, &answer.headers, &answer.body, remedies) {
            Some(Error::RateLimited(limit)) => Err(self.limited(kind, sent, &limit)),
            Some(error) if !answer.is_redirect() => Err(error),
            _ => {
                self.limiter.borrow_mut().answered(kind, sent);
                Ok(answer)
            }
        }
    }

    /// Holds everything back after a limit. The wait of the error grows where limits follow each other.
    pub(super) fn limited(&self, kind: RequestKind, sent: Duration, limit: &RateLimit) -> Error {
        let wait = self.limiter.borrow_mut().limited(kind, sent, self.began.elapsed(), limit);
        Error::RateLimited(RateLimit { wait, ..limit.clone() })
    }

    fn log_answer(&self, kind: RequestKind, uri: &str, sent: Duration, answer: &Result<Answer, Error>) {
        let Some(log) = self.log else { return };
        let method = if kind == RequestKind::Read { "GET" } else { "POST" };
        let path = uri.parse::<http::Uri>().ok().and_then(|uri| Some(uri.path_and_query()?.to_string()));
        let took = self.began.elapsed().saturating_sub(sent).as_millis();
        let outcome = match answer {
            Ok(answer) => format!(
                "{} in {took} ms, request id {}, {} requests left",
                answer.status.as_u16(),
                answer.header("x-github-request-id").unwrap_or("none"),
                answer.header("x-ratelimit-remaining").unwrap_or("unknown"),
            ),
            Err(error) => format!("no answer in {took} ms: {error}"),
        };
        log.log_request(&format!("{method} {}: {outcome}", path.unwrap_or_default()));
    }

    /// The rate limit that holds every request back at present.
    pub fn held(&self) -> Option<RateLimit> {
        self.limiter.borrow().held(self.began.elapsed())
    }

    /// How long this client exists.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Where a redirect leads, if that is on the same host: the token is sent to no other.
    fn redirected(&self, answer: &Answer) -> Option<String> {
        let to = answer.header("location")?;
        let here: http::Uri = self.github.address.rest.parse().ok()?;
        let origin = format!("{}://{}", here.scheme_str()?, here.authority()?);
        // A path of this host, and not `//host/path`, which looks like one.
        let path = if to.starts_with("//") { None } else { to.strip_prefix('/') };
        let path = path.or_else(|| to.strip_prefix(&origin)?.strip_prefix('/'))?;
        Some(format!("{origin}/{path}"))
    }
}
