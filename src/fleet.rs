//! All orders at once: the acting half. What the machines of `claim.rs` and `watch.rs` decide is done here, and what
//! happens is told, written down and handed on when it happens.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::claim;
use crate::claim::Claim;
use crate::claim::Sighting;
use crate::claim::Terms;
use crate::command::Annotation;
use crate::context::Context;
use crate::github::Error;
use crate::github::GitHub;
use crate::github::Look;
use crate::outcome::Adoption;
use crate::outcome::Event;
use crate::outcome::Exit;
use crate::outcome::NoPull;
use crate::outcome::Outcome;
use crate::outcome::spelled;
use crate::output;
use crate::plan::Deed;
use crate::plan::Order;
use crate::plan::Plan;
use crate::pull::Clues;
use crate::pull::Pull;
use crate::repository::Repository;
use crate::runner::Runner;
use crate::summary::summary;
use crate::task::NewTask;
use crate::task::Phase;
use crate::task::State;
use crate::task::Task;
use crate::task::TaskId;
use crate::watch;
use crate::watch::Ending;
use crate::watch::Observation;
use crate::watch::Rules;
use crate::watch::Watch;

/// After how long without a line the log says that the wait goes on.
const HEARTBEAT: Duration = Duration::from_secs(5 * 60);
/// How long a pull request that must be there is looked for after `completed`: the artifact can come late.
const GRACE: Duration = Duration::from_secs(30);
/// The same where nobody can say whether there is one.
const SHORT_GRACE: Duration = Duration::from_secs(10);
/// The pause between two looks for a pull request.
const GRACE_PAUSE: Duration = Duration::from_secs(3);
/// How many pages of a hundred tasks are looked through. A repository with more new tasks than that in a month is
/// looked through as far as this.
const MOST_PAGES: u32 = 50;
/// The least time that one question has, however little is left of the wait.
const LEAST: Duration = Duration::from_secs(5);
/// GitHub shows ten annotations of a kind for a step; one is kept for saying that there are more,
/// <https://github.com/orgs/community/discussions/26680>.
const MOST_ANNOTATIONS: usize = 9;

/// What is known of all orders, and the one place where something that happens becomes log, outputs and summary.
pub struct Board<'a> {
    runner: &'a Runner,
    plan: &'a Plan,
    context: &'a Context,
    outcomes: RefCell<Vec<Outcome>>,
    told: RefCell<Vec<Instant>>,
    published: RefCell<Vec<(&'static str, String)>>,
    /// Whether the process was told to end.
    ending: Cell<bool>,
    /// For each order, whether a start may have become a task of which nothing is known.
    open: RefCell<Vec<bool>>,
    broken: RefCell<Option<anyhow::Error>>,
}

impl<'a> Board<'a> {
    /// A board on which nothing has happened yet.
    pub fn new(runner: &'a Runner, plan: &'a Plan, context: &'a Context) -> Self {
        let outcomes = plan.orders.iter().map(|order| {
            let mut outcome = Outcome::new(order.repository.clone());
            outcome.pull_required = plan.require_pull_request;
            match &order.deed {
                Deed::Start { task, prompt_sha256, .. } => {
                    outcome.asked = Some((**task).clone());
                    outcome.prompt_sha256 = Some(prompt_sha256.clone());
                }
                Deed::Wait(id) => {
                    outcome.task_id = Some(id.clone());
                    outcome.created = Some(false);
                }
            }
            outcome
        });
        Self {
            runner,
            plan,
            context,
            outcomes: RefCell::new(outcomes.collect()),
            told: RefCell::new(vec![Instant::now(); plan.orders.len()]),
            published: RefCell::new(Vec::new()),
            ending: Cell::new(false),
            open: RefCell::new(vec![false; plan.orders.len()]),
            broken: RefCell::new(None),
        }
    }

    /// Takes in that something happened to an order.
    fn happened(&self, order: usize, event: Event) {
        // A person wants to know when, and only the runner has a clock.
        let until = match &event {
            Event::Limited { wait, .. } | Event::NotSent { wait, .. } => self.runner.clock_in(*wait),
            _ => String::new(),
        };
        let (lines, repository) = {
            let mut outcomes = self.outcomes.borrow_mut();
            let outcome = &mut outcomes[order];
            (outcome.hear(event), outcome.repository.to_string())
        };
        for line in lines {
            self.told.borrow_mut()[order] = Instant::now();
            match line.level {
                Some(level) => {
                    self.runner.annotate(&Annotation { level, title: repository.clone(), message: line.text });
                }
                None if self.plan.orders.len() == 1 => self.runner.tell(&format!("{}{until}", line.text)),
                None => self.runner.tell(&format!("{repository}: {}{until}", line.text)),
            }
        }
        self.publish();
    }

    /// Hands on what is known, if it has changed since the last time.
    pub fn publish(&self) {
        let outcomes = self.outcomes.borrow();
        let outputs = output::outputs(&outcomes, &self.runner.results_file(), "");
        if *self.published.borrow() == outputs {
            return;
        }
        // Each is written whatever becomes of the others, and what others build on comes first.
        let mut whole = true;
        for written in [
            self.runner.write_outputs(&outputs),
            self.runner.write_results(&output::all_results(&outcomes)),
            self.summarise(&outcomes, false),
        ] {
            if let Err(error) = written {
                self.broken.borrow_mut().get_or_insert(error);
                whole = false;
            }
        }
        if whole {
            *self.published.borrow_mut() = outputs;
        }
    }

    /// What kept outputs, results or summary from being written, if anything did.
    pub fn broken(&self) -> Option<String> {
        self.broken.borrow().as_ref().map(|error| format!("{error:#}"))
    }

    /// Whether a start may have become a task of which nothing is known.
    pub fn is_open(&self) -> bool {
        self.open.borrow().contains(&true)
    }

    /// Lets no more starts go out.
    pub fn end(&self) {
        self.ending.set(true);
    }

    /// Tells each order that the process ends.
    pub fn interrupted(&self) {
        let open = |outcome: &Outcome| outcome.conclusion.is_none() && outcome.trouble.is_none();
        let orders = self
            .outcomes
            .borrow()
            .iter()
            .enumerate()
            .filter(|(_, outcome)| open(outcome))
            .map(|(at, _)| at)
            .collect::<Vec<_>>();
        for order in orders {
            let in_flight = self.open.borrow()[order];
            self.happened(order, Event::Interrupted { in_flight });
        }
    }

    /// Writes the last summary and the annotations, and says what the process ends with.
    pub fn finish(&self, interrupted: bool) -> Exit {
        self.publish();
        let outcomes = self.outcomes.borrow();
        if let Err(error) = self.summarise(&outcomes, true) {
            self.broken.borrow_mut().get_or_insert(error);
        }
        let annotations = outcomes.iter().filter_map(|outcome| match outcome.annotation(&self.plan.fail_on) {
            None if interrupted => outcome.interruption_annotation(),
            annotation => annotation,
        });
        let annotations = annotations.collect::<Vec<_>>();
        for annotation in annotations.iter().take(MOST_ANNOTATIONS) {
            self.runner.annotate(annotation);
        }
        if let Some(more) = annotations.get(MOST_ANNOTATIONS) {
            let left = annotations.len() - MOST_ANNOTATIONS;
            let message = format!("{left} more tasks need a look; the step summary lists them");
            self.runner.annotate(&Annotation { message, ..more.clone() });
        }
        Exit::of(&outcomes, &self.plan.fail_on)
    }

    fn summarise(&self, outcomes: &[Outcome], ended: bool) -> anyhow::Result<()> {
        self.runner.write_summary(&summary(self.plan, outcomes, self.context, self.runner.elapsed(), ended))
    }

    fn know<T>(&self, order: usize, ask: impl FnOnce(&Outcome) -> T) -> T {
        ask(&self.outcomes.borrow()[order])
    }

    fn quiet(&self, order: usize) -> Duration {
        self.told.borrow()[order].elapsed()
    }
}

/// Tasks as they were read last, with the marks by which another look asks for changes only.
type Marked = HashMap<TaskId, (String, Box<Task>)>;

/// Those who speak to GitHub.
pub struct Speakers<'a> {
    /// Starts and watches tasks.
    pub tasks: &'a GitHub,
    /// Reads pull requests, in this order: who may not leaves it to the next.
    pub pulls: &'a [&'a GitHub],
}

/// Carries out all orders.
pub async fn run(plan: &Plan, speakers: &Speakers<'_>, board: &Board<'_>) {
    let all = plan.orders.iter().enumerate().map(|(at, order)| Errand { at, order, plan, speakers, board }.run());
    join_all(all).await;
}

/// One order on its way.
struct Errand<'a> {
    at: usize,
    order: &'a Order,
    plan: &'a Plan,
    speakers: &'a Speakers<'a>,
    board: &'a Board<'a>,
}

impl Errand<'_> {
    async fn run(self) {
        let started = match &self.order.deed {
            Deed::Wait(id) => Some((id.clone(), false)),
            Deed::Start { task, models, terms, .. } => self.start(task, models, terms).await,
        };
        if let (Some((id, new)), Some(rules)) = (started, &self.plan.wait) {
            self.watch(&id, rules, new).await;
        }
    }

    /// Starts the task, or takes up the one that this start has already made; tells whether it is new.
    async fn start(&self, task: &NewTask, models: &[Option<String>], terms: &Terms) -> Option<(TaskId, bool)> {
        let mut claim = Claim::new(terms.clone(), models);
        let mut task = task.clone();
        let began = Instant::now();
        let mut acquainted = false;
        let mut marked = Marked::new();
        let mut step = claim.begin();
        let held = loop {
            step = match step {
                claim::Step::Send(model, event) => {
                    // Who was told to end starts nothing any more.
                    if self.board.ending.get() {
                        return None;
                    }
                    self.tell(event);
                    task.model = model;
                    self.board.open.borrow_mut()[self.at] = true;
                    let answer = self.speakers.tasks.start(self.repository(), &task).await;
                    claim.answered(began.elapsed(), answer)
                }
                claim::Step::Look { pause, event } => {
                    self.tell(event);
                    self.board.runner.rest(pause, "looking for the task").await;
                    if !acquainted {
                        // Without an answer nobody is ruled out; the stamp decides alone.
                        let me = self.speakers.tasks.me().await.ok();
                        acquainted = me.is_some();
                        claim.introduce(me);
                    }
                    // The look tells of the moment at which it was asked for, however long the answers take.
                    let asked = began.elapsed();
                    let seen = self.sightings(&claim, asked, &mut marked).await;
                    claim.looked(asked, seen)
                }
                claim::Step::Sleep(pause, event) => {
                    self.board.open.borrow_mut()[self.at] = claim.is_open();
                    self.happened(event);
                    self.board.runner.rest(pause, "waiting to start the task").await;
                    claim.rested(began.elapsed())
                }
                claim::Step::Held(task) => break Some((task.id.clone(), true, Event::Started(task))),
                claim::Step::Adopted(task, why) => {
                    break Some((task.id.clone(), why == Adoption::Unanswered, Event::Adopted(task, why)));
                }
                claim::Step::Declined(task, failing) => {
                    self.happened(Event::Declined { task, failing });
                    break None;
                }
                claim::Step::Refused(error) => {
                    self.happened(Event::Failed(error));
                    break None;
                }
                claim::Step::Unconfirmed(why) => {
                    self.happened(Event::Unconfirmed(why));
                    break None;
                }
                claim::Step::Undecided(why) => {
                    self.happened(Event::Undecided(why));
                    break None;
                }
            }
        };
        self.board.open.borrow_mut()[self.at] = false;
        let (id, new, event) = held?;
        self.happened(event);
        Some((id, new))
    }

    /// The repository's tasks that may be ours, with their sessions where those can be read. `elapsed` is the time
    /// since the claim began.
    async fn sightings(&self, claim: &Claim, elapsed: Duration, marked: &mut Marked) -> Result<Vec<Sighting>, Error> {
        let asked = Instant::now();
        let horizon = claim.horizon(elapsed);
        let mut seen = Vec::new();
        let shelves: &[bool] = if claim.wants_archived() { &[false, true] } else { &[false] };
        for archived in shelves {
            for page in 1..=MOST_PAGES {
                let listed = self.speakers.tasks.tasks(self.repository(), *archived, page).await?;
                // An answer can take long, and the ages are those at the time of the answer.
                let since = asked.elapsed();
                let mut reached = false;
                for task in listed.tasks {
                    let age = listed.now.zip(task.created_at).map(|(now, created)| {
                        Duration::try_from(now.duration_since(created)).unwrap_or_default().saturating_sub(since)
                    });
                    if age.is_some_and(|age| age > horizon) {
                        reached = true;
                    } else if claim.wants(&task) {
                        let sighting = self.sighting(task, age, marked).await?;
                        let settled = claim.is_settled_by(&sighting);
                        seen.push(sighting);
                        if settled {
                            return Ok(seen);
                        }
                    }
                }
                if reached || !listed.more {
                    break;
                }
                if page == MOST_PAGES {
                    self.board.runner.tell("looked through the newest tasks only, for there are too many");
                }
            }
        }
        Ok(seen)
    }

    async fn sighting(&self, task: Task, age: Option<Duration>, marked: &mut Marked) -> Result<Sighting, Error> {
        let before = marked.remove(&task.id);
        let etag = before.as_ref().map(|(etag, _)| etag.as_str());
        match (self.speakers.tasks.task(self.repository(), &task.id, etag).await, before) {
            (Ok(Look::Seen(task, etag)), _) => {
                if let Some(etag) = etag {
                    marked.insert(task.id.clone(), (etag, task.clone()));
                }
                Ok(Sighting { task: *task, read: true, age })
            }
            (Ok(Look::Unchanged), Some((etag, task))) => {
                marked.insert(task.id.clone(), (etag, task.clone()));
                Ok(Sighting { task: *task, read: true, age })
            }
            // It is there, and cannot be read yet.
            (Ok(Look::Unchanged), None) => Ok(Sighting { task, read: false, age }),
            (
                Err(
                    Error::NotFound { .. }
                    | Error::Unanswered { .. }
                    | Error::Unreachable { .. }
                    | Error::Malformed { .. },
                ),
                _,
            ) => Ok(Sighting { task, read: false, age }),
            (Err(error), _) => Err(error),
        }
    }

    /// Waits for the task. `new` says that it was started a moment ago.
    async fn watch(&self, id: &TaskId, rules: &Rules, new: bool) {
        let began = Instant::now();
        let mut watch = Watch::new(rules.clone(), self.board.runner.seed());
        let mut etag = None;
        let mut failing = false;
        let mut followed = Clues::default();
        if new {
            self.rest(watch.first_pause()).await;
        }
        loop {
            let left = rules.timeout.saturating_sub(began.elapsed()).max(LEAST);
            let look =
                tokio::time::timeout(left, self.speakers.tasks.task(self.repository(), id, etag.as_deref())).await;
            let late =
                || Err(Error::Unanswered { why: "nothing came before `wait-timeout`".to_owned(), retry_after: None });
            let look = look.unwrap_or_else(|_| late());
            let observation = Observation::of(&look);
            let error = match look {
                Ok(Look::Seen(task, mark)) => {
                    etag = mark;
                    self.happened(Event::Saw(task));
                    None
                }
                Ok(Look::Unchanged) => None,
                Err(error) => Some(error),
            };
            // A task that was started a moment ago may not be shown yet, which is nothing to tell of; a limit is told of
            // below, with its end.
            let expected = match &error {
                Some(Error::NotFound { .. }) => new && began.elapsed() < rules.patience,
                error => matches!(error, Some(Error::RateLimited(_))),
            };
            match &error {
                Some(_) if expected => {}
                Some(error) if !failing => self.happened(Event::LookFailed(error.to_string())),
                None if failing => self.happened(Event::LookRecovered),
                _ => {}
            }
            failing = if expected { failing } else { error.is_some() };
            match watch.observe(began.elapsed(), observation) {
                watch::Step::Sleep(pause) => {
                    if let Some(Error::RateLimited(limit)) = &error {
                        self.happened(Event::Limited { why: limit.to_string(), wait: pause });
                    }
                    self.follow(&mut followed).await;
                    self.rest(pause).await;
                }
                watch::Step::Ended(ending) => {
                    let left = rules.timeout.saturating_sub(began.elapsed());
                    self.end(id, ending, error, left).await;
                    return;
                }
            }
        }
    }

    /// The end of the wait. `left` is what remains of its time.
    async fn end(&self, id: &TaskId, ending: Ending, error: Option<Error>, left: Duration) {
        match ending {
            // A task that could not be seen has told of no pull request either.
            Ending::LostSight | Ending::Refused => {}
            Ending::Settled => self.seek_pull(id, left).await,
            Ending::NeedsPerson | Ending::DeadlinePassed | Ending::LimitedPastDeadline(_) => {
                self.seek_pull(id, Duration::ZERO).await;
            }
        }
        let blind = matches!(ending, Ending::LostSight | Ending::Refused);
        self.happened(Event::Ended(ending));
        if let Some(error) = error.filter(|_| blind) {
            self.happened(Event::Failed(error));
        }
    }

    /// Finds the pull request as soon as the task tells of one, so that its number is known while the wait goes on.
    /// `followed` is what an earlier try went by.
    async fn follow(&self, followed: &mut Clues) {
        let Some(clues) = self.board.know(self.at, |outcome| outcome.task.as_ref().map(Clues::of)) else {
            return;
        };
        let known = self.board.know(self.at, |outcome| outcome.pull.is_some());
        if known || !clues.promise_a_pull() || clues == *followed {
            return;
        }
        match self.pull(&clues).await {
            Ok(pull) => self.happened(Event::PullFound(pull)),
            Err(why) => self.board.runner.debug(&why.to_string()),
        }
        *followed = clues;
    }

    /// Finds the pull request, or says why there is none. The task is looked at again for a while, for the artifact
    /// can come after the state.
    async fn seek_pull(&self, id: &TaskId, left: Duration) {
        if self.board.know(self.at, |outcome| outcome.pull.is_some()) {
            return;
        }
        let began = Instant::now();
        let mut etag = None;
        loop {
            let (clues, asked, state) = self.board.know(self.at, |outcome| {
                let wanted = outcome.pull_required
                    || outcome
                        .asked
                        .as_ref()
                        .is_some_and(|asked| asked.create_pull_request || asked.head_ref.is_some());
                let asked = if outcome.asked.is_some() || outcome.pull_required { Some(wanted) } else { None };
                (outcome.task.as_ref().map(Clues::of).unwrap_or_default(), asked, outcome.state().cloned())
            });
            let grace = match (asked, &state) {
                _ if clues.promise_a_pull() => GRACE,
                (Some(true), Some(State::Completed)) => GRACE,
                (None, Some(State::Completed)) => SHORT_GRACE,
                _ => Duration::ZERO,
            };
            let why = match self.pull(&clues).await {
                Ok(pull) => return self.happened(Event::PullFound(pull)),
                // An agent may open one without being asked to, so this is said only when none was found.
                Err(NoPull::NotMade) if asked == Some(false) => NoPull::NotAskedFor,
                Err(why) => why,
            };
            let settled = state.as_ref().is_some_and(|state| state.phase() == Phase::Settled);
            let last = matches!(why, NoPull::MayNotRead(_)) || began.elapsed() + GRACE_PAUSE > grace.min(left);
            if last {
                // A task that still runs may make one yet, so that there is none is no news.
                if settled || clues.promise_a_pull() {
                    self.happened(Event::NoPull(why));
                }
                return;
            }
            self.rest(GRACE_PAUSE).await;
            // Somebody may open another session meanwhile; what was waited for has ended all the same.
            if let Ok(Look::Seen(task, mark)) = self.speakers.tasks.task(self.repository(), id, etag.as_deref()).await
                && Some(&task.state) == state.as_ref()
            {
                etag = mark;
                self.happened(Event::Saw(task));
            }
        }
    }

    /// The pull request that the clues lead to: by its id in the GraphQL API, else in the list of the branch's pull
    /// requests.
    async fn pull(&self, clues: &Clues) -> Result<Pull, NoPull> {
        let mut hidden = None;
        for reader in self.speakers.pulls {
            let found = tokio::time::timeout(LEAST, pull_by(reader, self.repository(), clues)).await;
            let late = || Err(NoPull::Hidden(format!("GitHub did not answer within {}", spelled(LEAST))));
            match found.unwrap_or_else(|_| late()) {
                Ok(pull) => return Ok(pull),
                Err(why @ (NoPull::Hidden(_) | NoPull::MayNotRead(_))) => hidden = hidden.or(Some(why)),
                Err(why) => return Err(why),
            }
        }
        Err(hidden.unwrap_or(NoPull::NotMade))
    }

    fn happened(&self, event: Event) {
        self.board.happened(self.at, event);
    }

    fn tell(&self, event: Option<Event>) {
        if let Some(event) = event {
            self.happened(event);
        }
    }

    async fn rest(&self, pause: Duration) {
        let status = self.board.know(self.at, |outcome| {
            let id = outcome.task_id.as_ref().map(TaskId::as_str).unwrap_or_default();
            format!("{id} {}", outcome.state().map_or("not seen yet", State::as_str))
        });
        let until = Instant::now() + pause;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let quiet = HEARTBEAT.saturating_sub(self.board.quiet(self.at));
            if quiet >= left {
                return self.board.runner.rest(left, &status).await;
            }
            self.board.runner.rest(quiet, &status).await;
            self.happened(Event::StillWaiting);
        }
    }

    fn repository(&self) -> &Repository {
        &self.order.repository
    }
}

async fn pull_by(reader: &GitHub, repository: &Repository, clues: &Clues) -> Result<Pull, NoPull> {
    let mut hidden = None;
    let mut found = Vec::new();
    for node_id in &clues.node_ids {
        match reader.pull_by_node_id(node_id).await {
            Ok(pull) => found.extend(pull),
            Err(error) => hidden = Some(error),
        }
    }
    if let Some(pull) = clues.best(&found) {
        return Ok(pull.clone());
    }
    if clues.head_ref.is_none() && !clues.promise_a_pull() {
        return Err(NoPull::NotMade);
    }
    let listed = match reader.pulls(repository, clues.head_ref.as_deref()).await {
        Ok(listed) => listed,
        Err(error) => {
            let error = hidden.unwrap_or(error);
            let why = error.to_string();
            return Err(match error {
                Error::MissingPermission { .. } | Error::BadToken { .. } => NoPull::MayNotRead(why),
                _ => NoPull::Hidden(why),
            });
        }
    };
    match clues.pick(&listed) {
        Some(pull) => Ok(pull.clone()),
        None if clues.promise_a_pull() => {
            Err(NoPull::Hidden("no pull request that this token sees has the task's id".to_owned()))
        }
        None if listed.is_empty() => Err(NoPull::NotMade),
        None => Err(NoPull::Undecided(listed.len())),
    }
}
