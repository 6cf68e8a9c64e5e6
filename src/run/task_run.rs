//! One task on its way, from start to end.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::github::answers::Look;
use crate::github::error::Error;
use crate::github::limited::Door;
use crate::github::pull_request::Pull;
use crate::github::repository::Repository;
use crate::github::task::{NewTask, Phase, State, Task, TaskId};
use crate::plan::{Deed, Order};
use crate::policy::limits::Room;
use crate::report::reporter::Board;
use crate::run::executor::Fleet;
use crate::run::poller::{Held, MOST_PAGES};
use crate::task::event::{Adoption, Event};
use crate::task::pull_request::{Clues, NoPull};
use crate::task::start::{Claim, MEMORY, Sighting, Terms};
use crate::task::wait::{Ending, Observation, Rules, Watch};
use crate::task::{start, wait};
use crate::text::spelled;

/// After how long without a line the log says that the wait goes on.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(5 * 60);
/// How long a pull request that must be there is looked for after `completed`: the artifact can come late.
const GRACE: Duration = Duration::from_secs(30);
/// The same where nobody can say whether there is one.
const SHORT_GRACE: Duration = Duration::from_secs(10);
/// The pause between two looks for a pull request.
const GRACE_PAUSE: Duration = Duration::from_secs(3);
/// The least time that one question has, however little is left of the wait.
const LEAST: Duration = Duration::from_secs(5);
/// The same where it is one of many that wait for their turn.
const LEAST_OF_MANY: Duration = Duration::from_secs(60);
/// After how long in the queue a repository is looked at once more before its task is started: another run with the
/// same key may have come first. It is as long as GitHub's lists may lag.
const STALE: Duration = Duration::from_secs(60);
/// The pause before tasks are counted again of which one cannot be read yet.
const RECOUNT: Duration = Duration::from_secs(5);

/// Tasks as they were read last, with the marks by which another look asks for changes only.
type Marked = HashMap<TaskId, (String, Box<Task>)>;

/// One order on its way.
pub(crate) struct Errand<'a> {
    pub(super) at: usize,
    pub(super) order: &'a Order,
    pub(super) fleet: &'a Fleet<'a>,
}

impl Errand<'_> {
    pub(super) async fn run(self) {
        let started = match &self.order.deed {
            Deed::Wait(id) => Some((id.clone(), false)),
            Deed::Start { task, models, terms, .. } => self.start(task, models, terms).await,
        };
        if let (Some((id, new)), Some(rules)) = (started, &self.fleet.plan.wait) {
            self.watch(&id, rules, new).await;
        }
    }

    /// Starts the task, or takes up the one that this start has already made; tells whether it is new.
    async fn start(&self, task: &NewTask, models: &[Option<String>], terms: &Terms) -> Option<(TaskId, bool)> {
        // The semaphore is never closed.
        let _place = self.fleet.lobby.acquire().await;
        if let Some(why) = self.board().closed() {
            self.happened(Event::HeldBack(why));
            return None;
        }
        let mut claim = Claim::new(terms.clone(), models, self.board().runner().elapsed());
        let mut task = task.clone();
        let began = Instant::now();
        let mut marked = Marked::new();
        let mut has_room = self.fleet.plan.tally.is_none();
        let mut step = claim.begin();
        let held = loop {
            step = match step {
                start::Step::Send(model, event) => {
                    self.tell(event);
                    let queued = Instant::now();
                    self.tasks().turn().await;
                    // Who was told to end starts nothing any more.
                    if self.board().is_ending() {
                        return None;
                    }
                    if let Some(why) = self.board().closed().filter(|_| !claim.is_open()) {
                        self.happened(Event::HeldBack(why));
                        break None;
                    }
                    if queued.elapsed() > STALE && claim.looked_first() {
                        claim.begin()
                    } else {
                        if !has_room {
                            // Once, for what is sent after this is the very same start.
                            if let Err(event) = self.room(terms.confirm, &mut marked).await {
                                self.happened(event);
                                break None;
                            }
                            has_room = true;
                        }
                        task.model = model;
                        self.board().set_open(self.at, true);
                        claim.sending(began.elapsed());
                        let answer = self.tasks().start(self.repository(), &task).await;
                        if let Err(error @ (Error::BadToken { .. } | Error::NoLicence { .. })) = &answer {
                            self.board().close(&error.to_string());
                        }
                        claim.answered(began.elapsed(), answer)
                    }
                }
                start::Step::Look { pause, event } => {
                    self.tell(event);
                    let since = Instant::now();
                    self.board().runner().rest(pause, "looking for the task").await;
                    // Without an answer nobody is ruled out; the stamp decides alone.
                    claim.introduce(self.tasks().me().await);
                    // The look tells of the moment at which it was asked for, however long the answers take.
                    let mut asked = Instant::now();
                    let seen = match self.held(&claim, since, began).await {
                        Ok(Some(held)) => {
                            asked = held.taken;
                            Ok(held.sightings)
                        }
                        Ok(None) => self.sightings(&claim, began.elapsed(), &mut marked).await,
                        Err(error) => Err(error),
                    };
                    claim.looked(asked.saturating_duration_since(began), seen)
                }
                start::Step::Sleep(pause, event) => {
                    self.board().set_open(self.at, claim.is_open());
                    self.happened(event);
                    self.board().runner().rest(pause, "waiting to start the task").await;
                    claim.rested(began.elapsed())
                }
                start::Step::Held(task) => break Some((task.id.clone(), true, Event::Started(task))),
                start::Step::Adopted(task, why) => {
                    break Some((task.id.clone(), why == Adoption::Unanswered, Event::Adopted(task, why)));
                }
                start::Step::Declined(task, failing) => {
                    self.happened(Event::Declined { task, failing });
                    break None;
                }
                start::Step::Refused(error) => {
                    self.happened(Event::Failed(error));
                    break None;
                }
                start::Step::Unconfirmed(why) => {
                    self.happened(Event::Unconfirmed(why));
                    break None;
                }
                start::Step::Undecided(why) => {
                    self.happened(Event::Undecided(why));
                    break None;
                }
            }
        };
        self.board().set_open(self.at, false);
        let (id, new, event) = held?;
        self.happened(event);
        Some((id, new))
    }

    /// Our own task from the list that is read once for all orders, where that is all it takes.
    async fn held(&self, claim: &Claim, since: Instant, began: Instant) -> Result<Option<Held>, Error> {
        if !self.fleet.lookout.is_shared() || !claim.wants_its_own_only() {
            return Ok(None);
        }
        let held = self.fleet.lookout.with_key(claim.key(), since).await?;
        // While there is time to look again, a task that cannot be read yet can wait; then this repository's own list
        // has to tell whether that task is one of it at all.
        let patient = held.taken.saturating_duration_since(began) < claim.lag();
        Ok(Some(held).filter(|held| held.is_whole || patient))
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
                let asking = self.tasks().github().tasks(self.repository(), *archived, page);
                let listed = self.tasks().read(asking).await?;
                // An answer can take long, and the ages are those at the time of the answer.
                let since = asked.elapsed();
                let mut reached = false;
                for task in &listed.tasks {
                    let age = listed.age(task).map(|age| age.saturating_sub(since));
                    if age.is_some_and(|age| age > horizon) {
                        reached = true;
                    } else if claim.wants(task) {
                        let sighting = self.sighting(task.clone(), age, marked).await?;
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
                    self.board().runner().tell("looked through the newest tasks only, for there are too many");
                }
            }
        }
        Ok(seen)
    }

    /// Counts the tasks of the class where the policy limits them, until it is known whether one more may be started.
    ///
    /// # Errors
    /// What happened in place of a start.
    async fn room(&self, patience: Duration, marked: &mut Marked) -> Result<(), Event> {
        let began = Instant::now();
        loop {
            let mut pause = RECOUNT;
            let event = match self.count(marked).await {
                Ok(Room::Free) => return Ok(()),
                Ok(Room::Full(refusal)) => return Err(Event::Refused(refusal)),
                Ok(Room::Hidden(refusal)) => Event::Refused(refusal),
                Err(error) if error.may_pass() => {
                    if let Error::RateLimited(limit) = &error {
                        pause = pause.max(limit.wait);
                    }
                    Event::Failed(error)
                }
                Err(error) => return Err(Event::Failed(error)),
            };
            if began.elapsed() + pause > patience {
                return Err(event);
            }
            self.board().runner().rest(pause, "counting the tasks of the class").await;
        }
    }

    async fn count(&self, marked: &mut Marked) -> Result<Room, Error> {
        let Some(mut tally) = self.fleet.plan.tally.clone() else {
            return Ok(Room::Free);
        };
        let horizon = tally.horizon(MEMORY);
        let shelves: &[bool] = if tally.wants_archived() { &[false, true] } else { &[false] };
        for archived in shelves {
            for page in 1..=MOST_PAGES {
                let asking = self.tasks().github().tasks(self.repository(), *archived, page);
                let listed = self.tasks().read(asking).await?;
                let mut reached = false;
                for task in &listed.tasks {
                    let age = listed.age(task);
                    reached |= age.is_some_and(|age| age > horizon);
                    if !reached && tally.wants(task, age) {
                        let Sighting { task, read, .. } = self.sighting(task.clone(), age, marked).await?;
                        tally.take(&task, age, read);
                        if tally.is_full() {
                            return Ok(tally.room());
                        }
                    }
                }
                if reached || !listed.more {
                    break;
                }
            }
        }
        Ok(tally.room())
    }

    async fn sighting(&self, task: Task, age: Option<Duration>, marked: &mut Marked) -> Result<Sighting, Error> {
        let before = marked.remove(&task.id);
        let etag = before.as_ref().map(|(etag, _)| etag.as_str());
        let asking = self.tasks().github().task(self.repository(), &task.id, etag);
        match (self.tasks().read(asking).await, before) {
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
        let mut watch = Watch::new(rules.clone(), self.board().runner().seed());
        let mut etag = None;
        let mut failing = false;
        let mut followed = Clues::default();
        if new {
            self.rest(watch.first_pause(), rules.timeout).await;
        }
        loop {
            let left = rules.timeout.saturating_sub(began.elapsed());
            let state = self.board().know(self.at, |outcome| outcome.state().cloned());
            let looking = self.fleet.lookout.look(self.repository(), id, etag.as_deref(), state.as_ref());
            let look = tokio::time::timeout(left.max(self.least()), looking).await;
            let late =
                || Err(Error::Unanswered { why: "nothing came before `wait-timeout`".to_owned(), retry_after: None });
            let look = look.unwrap_or_else(|_| late());
            let observation = Observation::of(&look);
            let error = match look {
                Ok(Look::Seen(task, mark)) => {
                    etag = mark.or(etag);
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
                Some(Error::RateLimited(_)) => true,
                // What concerns all is told once, by the lookout.
                error => error.is_some() && self.fleet.lookout.is_shared(),
            };
            match &error {
                Some(_) if expected => {}
                Some(error) if !failing => self.happened(Event::LookFailed(error.to_string())),
                None if failing => self.happened(Event::LookRecovered),
                _ => {}
            }
            failing = if expected { failing } else { error.is_some() };
            match watch.observe(began.elapsed(), observation) {
                wait::Step::Sleep(pause) => {
                    if let Some(Error::RateLimited(limit)) = &error {
                        self.happened(Event::Limited { why: limit.to_string(), wait: pause });
                    }
                    self.follow(&mut followed).await;
                    self.rest(pause, rules.timeout.saturating_sub(began.elapsed())).await;
                }
                wait::Step::Ended(ending) => {
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
        let Some(clues) = self.board().know(self.at, |outcome| outcome.task.as_ref().map(Clues::of)) else {
            return;
        };
        let known = self.board().know(self.at, |outcome| outcome.pull.is_some());
        if known || !clues.promise_a_pull() || clues == *followed {
            return;
        }
        match self.pull(&clues).await {
            Ok(pull) => self.happened(Event::PullFound(pull)),
            Err(why) => self.board().runner().debug(&why.to_string()),
        }
        *followed = clues;
    }

    /// Finds the pull request, or says why there is none. The task is looked at again for a while, for the artifact
    /// can come after the state.
    async fn seek_pull(&self, id: &TaskId, left: Duration) {
        if self.board().know(self.at, |outcome| outcome.pull.is_some()) {
            return;
        }
        let began = Instant::now();
        let mut etag = None;
        loop {
            let (clues, asked, state) = self.board().know(self.at, |outcome| {
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
            self.board().runner().rest(GRACE_PAUSE, "looking for the pull request").await;
            // Somebody may open another session meanwhile; what was waited for has ended all the same.
            let asking = self.tasks().github().task(self.repository(), id, etag.as_deref());
            if let Ok(Look::Seen(task, mark)) = self.tasks().read(asking).await
                && Some(&task.state) == state.as_ref()
            {
                etag = mark;
                self.happened(Event::Saw(task));
            }
        }
    }

    async fn pull(&self, clues: &Clues) -> Result<Pull, NoPull> {
        let least = self.least();
        let found = tokio::time::timeout(least, self.fleet.lookout.pull(self.repository(), clues)).await;
        found.unwrap_or_else(|_| Err(NoPull::Hidden(format!("GitHub did not answer within {}", spelled(least)))))
    }

    fn happened(&self, event: Event) {
        self.board().happened(self.at, event);
    }

    fn tell(&self, event: Option<Event>) {
        if let Some(event) = event {
            self.happened(event);
        }
    }

    /// Sleeps until the next look, which comes before so much is over.
    async fn rest(&self, pause: Duration, left: Duration) {
        let pause = self.fleet.lookout.pause(pause).min(left.max(pause));
        let status = self.board().know(self.at, |outcome| {
            let id = outcome.task_id.as_ref().map(TaskId::as_str).unwrap_or_default();
            format!("{id} {}", outcome.state().map_or("not seen yet", State::as_str))
        });
        let until = Instant::now() + pause;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let quiet = HEARTBEAT.saturating_sub(self.board().quiet(self.at));
            // Of many, only all together are told of.
            if quiet >= left || self.fleet.plan.orders.len() > 1 {
                return self.board().runner().rest(left, &status).await;
            }
            self.board().runner().rest(quiet, &status).await;
            self.happened(Event::StillWaiting);
        }
    }

    /// The least time that a question has.
    fn least(&self) -> Duration {
        if self.fleet.lookout.is_shared() { LEAST_OF_MANY } else { LEAST }
    }

    fn repository(&self) -> &Repository {
        &self.order.repository
    }

    fn board(&self) -> &Board<'_> {
        self.fleet.board
    }

    fn tasks(&self) -> &Door {
        self.fleet.speakers.tasks
    }
}
