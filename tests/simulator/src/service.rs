//! The simulator, and the service that answers inside the process.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::answer::Answer;
use crate::call::Call;
use crate::clock::{Clock, Moment};
use crate::fault::{Fault, FaultKind, Route};
use crate::outage::Outage;
use crate::pull::{Pull, PullView};
use crate::pull_content::PullContent;
use crate::repository::Repository;
use crate::request::Request;
use crate::runs::{ExistingRun, RunView};
use crate::scenario::{ExistingTask, Scenario};
use crate::script::Script;
use crate::settings::Settings;
use crate::task::{Task, TaskView, Visibility};
use crate::token::Token;
use crate::world::{NewTask, World, key};

/// GitHub. Clones share one world.
#[derive(Clone)]
pub struct Simulator {
    inner: Arc<Inner>,
}

struct Inner {
    started: Instant,
    /// How far its clock was advanced.
    advanced: Mutex<Duration>,
    world: Mutex<World>,
    concurrent: AtomicUsize,
    observer: Mutex<Option<Observer>>,
}

type Observer = Box<dyn FnMut(&Call) + Send>;

/// Marks an answer whose body is to break off; the loopback server looks for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Truncated;

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("elapsed", &self.elapsed()).finish_non_exhaustive()
    }
}

impl Default for Simulator {
    fn default() -> Simulator {
        Simulator::new()
    }
}

impl Simulator {
    /// A world with one repository, `octo/app`, and one token, `github_pat_simulated`, which may do
    /// everything. Nasty by default.
    pub fn new() -> Simulator {
        let simulator = Simulator::empty(today());
        simulator.repository("octo/app", Repository::default());
        simulator.token("github_pat_simulated", Token::default());
        simulator
    }

    /// A world without repositories and tokens, that begins at this time.
    pub fn empty(now: Timestamp) -> Simulator {
        Simulator {
            inner: Arc::new(Inner {
                started: Instant::now(),
                advanced: Mutex::default(),
                world: Mutex::new(World::new(Clock::new(now))),
                concurrent: AtomicUsize::new(0),
                observer: Mutex::new(None),
            }),
        }
    }

    /// The world that a scenario describes. What it leaves out is as in [`Simulator::new`].
    pub fn from_scenario(scenario: Value) -> Result<Simulator, String> {
        let scenario: Scenario = serde_json::from_value(scenario).map_err(|why| why.to_string())?;
        let settings = scenario.settings()?;
        let now = match &scenario.now {
            Some(text) => text.parse().map_err(|why| format!("`now`: {why}"))?,
            None => today(),
        };
        let simulator = Simulator::empty(now);
        simulator.settings(|it| *it = settings);
        let tokens =
            scenario.tokens.unwrap_or_else(|| BTreeMap::from([("github_pat_simulated".to_owned(), Token::default())]));
        for (secret, token) in tokens {
            simulator.token(secret, token);
        }
        let repositories =
            scenario.repositories.unwrap_or_else(|| BTreeMap::from([("octo/app".to_owned(), Repository::default())]));
        for (name, repository) in repositories {
            if name.split('/').filter(|part| !part.is_empty()).count() != 2 {
                return Err(format!("`repositories`: `{name}` is not of the form owner/name"));
            }
            simulator.repository(&name, repository);
        }
        let known = |name: &str| {
            if simulator.world().repositories.contains_key(&key(name)) {
                Ok(())
            } else {
                Err(format!("`{name}` is not among the `repositories`"))
            }
        };
        for (name, scripts) in scenario.scripts {
            known(&name)?;
            for script in scripts {
                simulator.script(&name, script);
            }
        }
        if let Some(script) = scenario.default_script {
            simulator.default_script(script);
        }
        for pull in scenario.pulls {
            known(&pull.repository)?;
            simulator.open_pull(&pull.repository, &pull.head, &pull.base);
        }
        for task in scenario.tasks {
            known(&task.repository)?;
            simulator.add_task(task);
        }
        for run in scenario.runs {
            known(&run.repository)?;
            simulator.add_run(run);
        }
        for outage in scenario.outages {
            simulator.outage(outage);
        }
        for fault in scenario.faults {
            let (route, times, fault) = fault.parts();
            simulator.fault_times(route, times, fault);
        }
        Ok(simulator)
    }

    /// Makes a token known.
    pub fn token(&self, secret: impl Into<String>, token: Token) {
        self.world().tokens.insert(secret.into(), token);
    }

    /// Makes a repository, or makes it anew: its tasks and pull requests stay.
    pub fn repository(&self, name: &str, repository: Repository) {
        self.world().set_repository(name, repository);
    }

    /// Gives a repository another name. Its old one leads to it.
    pub fn rename_repository(&self, old: &str, new: &str) {
        self.world().rename_repository(old, new);
    }

    /// Queues a script: each start in this repository takes the next one.
    pub fn script(&self, name: &str, script: Script) {
        self.world().scripts.entry(key(name)).or_default().push_back(script);
    }

    /// What becomes of a task when no script is queued.
    pub fn default_script(&self, script: Script) {
        self.world().default_script = script;
    }

    /// Opens a pull request that no task has made, and returns its number.
    pub fn open_pull(&self, name: &str, head: &str, base: &str) -> u64 {
        let now = self.now();
        let mut world = self.world();
        world.advance(now);
        let record = world.repository_or_new(name);
        for branch in [head, base] {
            if !record.spec.has_branch(branch) {
                record.spec.branches.push(branch.to_owned());
            }
        }
        let number = record.spec.next_pull_number;
        world.open_pull(name, head, base, "A change", false, now);
        number
    }

    /// Merges a pull request, as a person would.
    pub fn merge_pull(&self, name: &str, number: u64) {
        self.with_pull(name, number, Pull::merge);
    }

    /// Closes a pull request, as a person would.
    pub fn close_pull(&self, name: &str, number: u64) {
        self.with_pull(name, number, Pull::close);
    }

    /// Opens a pull request again that was closed, as a person would.
    pub fn reopen_pull(&self, name: &str, number: u64) {
        self.with_pull(name, number, Pull::reopen);
    }

    /// Adds a task that exists already and returns its id.
    pub fn add_task(&self, task: ExistingTask) -> String {
        let now = self.now();
        let mut world = self.world();
        let age = world.settings.scaled(task.age);
        let mut body = task.body;
        if !body.is_object() {
            body = json!({});
        }
        body["prompt"] = Value::String(task.prompt);
        let index = world.create(NewTask {
            repository: task.repository,
            creator: (!task.without_creator).then_some(task.creator),
            creator_type: task.creator_type,
            visibility: task.visibility,
            body,
            created: now.minus(age),
            script: task.script,
        });
        world.advance(now);
        world.tasks.get(index).map(|task| task.id.clone()).unwrap_or_default()
    }

    /// Puts a task into this state now and ends its script, as a person on the web would.
    pub fn set_state(&self, id: &str, state: &str) {
        let now = self.now();
        let mut world = self.world();
        world.advance(now);
        if let Some(index) = world.tasks.iter().position(|task| task.id == id) {
            if let Some(task) = world.tasks.get_mut(index) {
                task.timeline.clear();
                task.enter(state, now);
            }
            world.follow_task(index, now);
        }
    }

    /// Adds a workflow run and returns its id.
    pub fn add_run(&self, run: ExistingRun) -> u64 {
        let now = self.now();
        let mut world = self.world();
        world.advance(now);
        world.add_run(run, now)
    }

    /// Ends a run with this conclusion, and leaves its task as it is.
    pub fn end_run(&self, id: u64, conclusion: &str) {
        let now = self.now();
        let mut world = self.world();
        world.advance(now);
        world.end_run(id, conclusion, now);
    }

    /// Deletes a run, and leaves its task as it is.
    pub fn delete_run(&self, id: u64) {
        let now = self.now();
        let mut world = self.world();
        world.advance(now);
        world.runs.retain(|run| run.id != id);
    }

    /// The workflow runs that exist.
    pub fn runs(&self) -> Vec<RunView> {
        let now = self.now();
        let mut world = self.world();
        world.advance(now);
        world.run_views()
    }

    /// Pushes another head commit to a pull request, which then has these contents.
    pub fn push(&self, name: &str, number: u64, content: PullContent) {
        self.with_pull(name, number, |pull, now| pull.push(content, now));
    }

    /// Archives a task, whatever its state.
    pub fn archive_task(&self, id: &str) {
        let now = self.now();
        self.with_task(id, |task| task.archived = Some(now));
    }

    /// Changes what the API shows of a task, and to whom.
    pub fn set_visibility(&self, id: &str, visibility: Visibility) {
        self.with_task(id, |task| task.visibility = visibility);
    }

    /// Queues a fault for the next request of this kind.
    pub fn fault(&self, route: Route, fault: Fault) {
        self.world().faults.push(route, fault);
    }

    /// Queues several faults for the next requests of this kind.
    pub fn faults(&self, route: Route, faults: impl IntoIterator<Item = Fault>) {
        for fault in faults {
            self.fault(route, fault);
        }
    }

    /// Queues the same fault so many times.
    pub fn fault_times(&self, route: Route, times: usize, fault: Fault) {
        self.faults(route, std::iter::repeat_n(fault, times));
    }

    /// Lets a fault strike every matching request for a while. Queued faults come first, then outages in the order
    /// in which they were added.
    pub fn outage(&self, outage: Outage) {
        self.world().outages.push(outage);
    }

    /// Ends all outages.
    pub fn end_outages(&self) {
        self.world().outages.clear();
    }

    /// How many queued faults have not struck yet.
    pub fn faults_left(&self) -> usize {
        self.world().faults.left()
    }

    /// Changes the settings.
    pub fn settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.world().settings);
    }

    /// Calls this with each request, as soon as it is known what is answered to it; with one that
    /// has to wait before it is looked at, at once.
    pub fn observe(&self, observer: impl FnMut(&Call) + Send + 'static) {
        *self.inner.observer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(observer));
    }

    /// Every request so far.
    pub fn log(&self) -> Vec<Call> {
        self.world().log.clone()
    }

    /// How many requests have started a task, whatever was answered to them.
    pub fn starts(&self) -> usize {
        self.world().starts
    }

    /// The tasks that exist, whatever the API shows of them.
    pub fn tasks(&self) -> Vec<TaskView> {
        let now = self.now();
        let mut world = self.world();
        world.advance(now);
        world.task_views()
    }

    /// The pull requests that exist.
    pub fn pulls(&self) -> Vec<PullView> {
        let now = self.now();
        let mut world = self.world();
        world.advance(now);
        world.pull_views()
    }

    /// What a client did that none should: unknown routes, writes other than a start, bodies
    /// against the schema, undocumented parameters, a doubled API version.
    pub fn unexpected(&self) -> Vec<String> {
        self.world().unexpected.clone()
    }

    /// How long this world has been turning.
    pub fn elapsed(&self) -> Duration {
        self.inner.started.elapsed() + *self.inner.advanced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass at once.
    pub fn advance(&self, span: Duration) {
        *self.inner.advanced.lock().unwrap_or_else(PoisonError::into_inner) += span;
    }

    /// What the calendar says in this world.
    pub fn timestamp(&self) -> Timestamp {
        let now = self.now();
        let seconds = self.world().clock.epoch(now);
        Timestamp::from_second(seconds).unwrap_or_default()
    }

    fn with_task(&self, id: &str, change: impl FnOnce(&mut Task)) {
        let now = self.now();
        let mut world = self.world();
        world.advance(now);
        if let Some(task) = world.tasks.iter_mut().find(|task| task.id == id) {
            change(task);
        }
    }

    fn with_pull(&self, name: &str, number: u64, change: impl FnOnce(&mut Pull, Moment)) {
        let now = self.now();
        let mut world = self.world();
        world.advance(now);
        let found = world.pulls.iter_mut().find(|pull| pull.repository == key(name) && pull.number == number);
        if let Some(pull) = found {
            change(pull, now);
        }
    }

    fn now(&self) -> Moment {
        Moment::since_start(self.elapsed())
    }

    /// The world. A test that panicked while it held it has failed already, so what it left behind
    /// may be looked at.
    fn world(&self) -> MutexGuard<'_, World> {
        self.inner.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify_observer(&self, entry: usize) {
        let call = self.world().log.get(entry).cloned();
        let mut observer = self.inner.observer.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(call), Some(observer)) = (call, observer.as_mut()) {
            observer(&call);
        }
    }

    /// Carries out a request and calls the observer.
    fn handle(&self, entry: usize, request: &Request) -> Answer {
        let concurrent = self.inner.concurrent.load(Ordering::Relaxed);
        self.world().handle(self.now(), entry, request, concurrent)
    }

    async fn answer(self, request: Request) -> io::Result<http::Response<Full<Bytes>>> {
        let _in_flight = InFlight::new(&self.inner.concurrent);
        let request = request.below(self.world().settings.host.prefixes());
        let (entry, fault) = self.receive(&request);
        let Some(fault) = fault else {
            let answer = self.handle(entry, &request);
            self.notify_observer(entry);
            return response(answer);
        };

        let scaled = |span: Duration| self.world().settings.scaled(span);
        if let FaultKind::Delay(span) = fault.kind
            && !fault.after_accepting
        {
            self.notify_observer(entry);
            tokio::time::sleep(scaled(span)).await;
            return response(self.handle(entry, &request));
        }

        // A broken answer needs an answer to break.
        let carried_out =
            fault.after_accepting || matches!(fault.kind, FaultKind::CutBody | FaultKind::ExtraHeader { .. });
        let whole = carried_out.then(|| self.handle(entry, &request));
        let instead = self.world().fault_answer(self.now(), entry, &request, &fault.kind);
        let answered = match (instead, &fault.kind, whole) {
            (Some(instead), _, _) => Some(instead),
            (None, FaultKind::CutBody, Some(whole)) => Some(Answer { cut: true, ..whole }),
            (None, FaultKind::ExtraHeader { name, value }, Some(whole)) => Some(whole.header(name, value)),
            (None, FaultKind::Delay(_), whole) => whole,
            _ => None,
        };
        if answered.is_none()
            && let Some(call) = self.world().log.get_mut(entry)
        {
            call.status = None;
        }
        self.notify_observer(entry);

        if let FaultKind::Delay(span) | FaultKind::TimeOut(span) = fault.kind {
            tokio::time::sleep(scaled(span)).await;
        }
        match (answered, fault.kind) {
            (Some(answer), _) => response(answer),
            (None, FaultKind::Unreachable) => Err(io::ErrorKind::ConnectionRefused.into()),
            (None, FaultKind::TimeOut(_)) => Err(io::ErrorKind::TimedOut.into()),
            (None, _) => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    /// Writes a request into the log and looks whether a fault is due.
    fn receive(&self, request: &Request) -> (usize, Option<Fault>) {
        let now = self.now();
        let mut world = self.world();
        let fault = world.fault_for(request, now);
        let mut call = request.call(now);
        call.fault = fault.as_ref().map(Fault::name);
        world.log.push(call);
        (world.log.len() - 1, fault)
    }
}

#[expect(clippy::disallowed_methods, reason = "a world begins at the real time, unless a test sets another")]
fn today() -> Timestamp {
    Timestamp::now()
}

/// A request that is being worked on.
struct InFlight<'a>(&'a AtomicUsize);

impl InFlight<'_> {
    fn new(count: &AtomicUsize) -> InFlight<'_> {
        count.fetch_add(1, Ordering::Relaxed);
        InFlight(count)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn response(answer: Answer) -> io::Result<http::Response<Full<Bytes>>> {
    let mut builder = http::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        builder = builder.header(name, value);
    }
    let mut body = answer.body;
    if answer.status != 304 {
        builder = builder.header("content-length", body.len());
    }
    if answer.cut {
        body.truncate(body.len() / 2);
        builder = builder.extension(Truncated);
    }
    builder.body(Full::new(body)).map_err(io::Error::other)
}

impl<B> tower_service::Service<http::Request<B>> for Simulator
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = http::Response<Full<Bytes>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let simulator = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            simulator.answer(Request::new(parts, body)).await
        })
    }
}
