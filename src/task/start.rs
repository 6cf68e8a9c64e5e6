//! Starting exactly one task: what each answer to a start means, what each search of the repository's tasks means, and
//! what is done next. A state machine with no clock and no network.
//!
//! A start is sent again only where the one before cannot have become a task: GitHub refused it, it never left this
//! machine, or the repository's list had nothing new for as long as GitHub's lists may lag. What cannot be decided ends
//! as unconfirmed, with links for a person.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use serde::Deserialize;

use crate::github::error::{Error, RateLimit};
use crate::github::retry::MAX_LIMITED;
use crate::github::task::{Phase, State, Task, TaskId};
use crate::task::event::{Adoption, Event};
use crate::task::marker::{Key, Marker};
use crate::text::spelled;

/// How long starts that never left this machine are tried again. A longer outage of the runner's network needs a person.
const MAX_OUTAGE: Duration = Duration::from_secs(120);

/// The longest that one start waits for rate limits in all. After an exhausted hourly limit it can take longer; then a
/// person should know.
pub const MAX_LIMIT_WAIT: Duration = MAX_LIMITED;

/// The same for a start among many, which should finish without a person: as long as a job may run on GitHub's machines,
/// <https://docs.github.com/en/actions/reference/limits>.
pub const MAX_LIMIT_WAIT_OF_MANY: Duration = Duration::from_secs(6 * 3600);
/// The longest pause between two tries.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// The pause before the first search for a start that was not answered, doubled up to [`MAX_SEARCH_PAUSE`].
const SEARCH_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two such searches.
const MAX_SEARCH_PAUSE: Duration = Duration::from_secs(8);
/// The longest delay of a start of a rollout, as a share of the time for which it searches for an earlier one. A start
/// takes about a second, so that in half a minute two runs seldom meet.
const MAX_DELAY: f64 = 0.5;
/// How much older than the start its task may seem: GitHub's times are whole seconds, and its machines' clocks differ a
/// little.
const MARGIN: Duration = Duration::from_secs(30);

/// How long after the last search tasks are searched for once more before a start. It is as long as GitHub's lists may lag.
const STALE: Duration = Duration::from_secs(60);

/// How far back a task of our key is searched for: "You can re-run a workflow or jobs in a workflow for up to 30 days",
/// <https://docs.github.com/en/actions/how-tos/manage-workflow-runs/re-run-workflows-and-jobs>, and a day more.
pub const MEMORY: Duration = Duration::from_secs(31 * 24 * 3600);

/// What to do if the repository already has an unsettled task in the scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum IfActive {
    /// Start another.
    Start,
    /// Start none, and succeed.
    Skip,
    /// Adopt that task.
    Attach,
    /// Start none, and fail.
    Fail,
}

impl IfActive {
    /// All of them by their words.
    pub const ALL: [(Self, &'static str); 4] =
        [(Self::Start, "start"), (Self::Skip, "skip"), (Self::Attach, "attach"), (Self::Fail, "fail")];
}

/// Which tasks of a repository count as active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ActiveScope {
    /// Those of the same workflow and job, and of the same entry of the list.
    Job,
    /// Those of the same task class.
    Class,
    /// All, by any creator.
    Repository,
}

impl ActiveScope {
    /// All of them by their words.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Job, "job"), (Self::Class, "class"), (Self::Repository, "repository")];

    /// What its tasks have in common, for people.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Job => "the same job",
            Self::Class => "the same class",
            Self::Repository => "the repository",
        }
    }
}

/// How a start is made exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartOptions {
    /// The marker, with the idempotency key and the name that tasks of the same kind share.
    pub marker: Marker,
    /// How long a start that was not answered is searched for.
    pub confirm: Duration,
    /// What is searched for before anything is sent.
    pub first: Precheck,
    /// What to do about an unsettled task in the scope.
    pub if_active: IfActive,
    /// Which unsettled tasks that is about.
    pub active_scope: ActiveScope,
    /// The longest wait for rate limits in all.
    pub max_limit_wait: Duration,
}

/// What is searched for before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precheck {
    /// Nothing: this is the first attempt.
    Nothing,
    /// A task that an earlier attempt of this run started. That attempt may have been killed a moment before this one
    /// began, so lists are given time from there on.
    Attempt,
    /// A task of the same key, which any other run may have started a moment ago.
    Key,
    /// A task of the same key that another run of a rollout may have started a moment before this one began, or may be
    /// starting now. One that has failed counts as well: the next attempt has another key.
    Rollout,
}

/// A task as a search found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The task, with its sessions where they could be read.
    pub task: Task,
    /// Whether it was read by itself, and not only seen in the list.
    pub read: bool,
    /// How long before the search it was created, by GitHub's clock; `None` if the answer does not say.
    pub age: Option<Duration>,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum StartStep {
    /// Send the start, with this model; record the event first, if there is one.
    Send(Option<String>, Option<Event>),
    /// Sleep so long, then search the repository's tasks.
    Search {
        /// How long to sleep first.
        pause: Duration,
        /// What to record first.
        event: Option<Event>,
    },
    /// Sleep so long, then ask for the next step with [`StartMachine::resumed`].
    Sleep(Duration, Event),
    /// The start is over.
    Ended(StartEnd),
}

/// How a start ended.
#[derive(Debug, PartialEq, Eq)]
pub enum StartEnd {
    /// The task was started now.
    Started(Box<Task>),
    /// The task was started earlier, and is adopted.
    Adopted(Box<Task>, Adoption),
    /// Nothing is started, because of this active task; `true` if that is a failure.
    Declined(Box<Task>, bool),
    /// There is no task, and there will not be one.
    Refused(Error),
    /// A start was sent, and it is unknown whether there is a task.
    Unconfirmed(String),
    /// Nothing was sent, because a task that cannot be read may be the start's own.
    Undecided(String),
}

/// What the machine does at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    /// Searching before anything is sent.
    SearchingBefore,
    /// Waiting for the answer to a start.
    Sending,
    /// Searching for the task of a start.
    SearchingAfter,
}

/// The start of one task.
#[derive(Debug)]
pub struct StartMachine {
    options: StartOptions,
    /// For how long a task that is not in the lists yet is searched for before anything is sent.
    lag: Duration,
    models: VecDeque<Option<String>>,
    model: Option<String>,
    user: Option<u64>,
    doing: Activity,
    /// When the searches before the start began.
    searching_since: Duration,
    /// When the present run of starts that never left this machine began.
    away_since: Duration,
    /// When the start was sent last.
    sent: Duration,
    /// When it was known that the last start is not answered.
    lost: Duration,
    /// When the first start was sent that was not answered.
    open_since: Option<Duration>,
    sent_again: bool,
    outages: u32,
    limits: u32,
    limited: Duration,
    searches: u32,
    /// Tasks that are known to be of other starts.
    unrelated: HashSet<TaskId>,
    why: String,
}

impl StartMachine {
    /// A start that has not begun, with the models to try one after the other. `running` is how long the process has
    /// run.
    pub fn new(options: StartOptions, models: &[Option<String>], running: Duration) -> Self {
        let mut models = models.iter().cloned().collect::<VecDeque<_>>();
        let model = models.pop_front().flatten();
        let lag = match options.first {
            Precheck::Nothing => Duration::ZERO,
            Precheck::Attempt | Precheck::Rollout => options.confirm.saturating_sub(running),
            Precheck::Key => options.confirm,
        };
        Self {
            options,
            lag,
            models,
            model,
            user: None,
            doing: Activity::Sending,
            searching_since: Duration::ZERO,
            away_since: Duration::ZERO,
            sent: Duration::ZERO,
            lost: Duration::ZERO,
            open_since: None,
            sent_again: false,
            outages: 0,
            limits: 0,
            limited: Duration::ZERO,
            searches: 0,
            unrelated: HashSet::new(),
            why: String::new(),
        }
    }

    /// Delays a start of a rollout by a part of [`StartOptions::confirm`] that depends on a random number. Two runs that
    /// begin at the same moment then start the same tasks at different moments, and each finds those of the other.
    pub fn delayed_by(mut self, random: u64) -> Self {
        if self.options.first == Precheck::Rollout {
            self.lag += self.options.confirm.mul_f64(MAX_DELAY * (random as f64 / u64::MAX as f64));
        }
        self
    }

    /// The first step. `elapsed` is below the time since the machine was made.
    pub fn begin(&mut self) -> StartStep {
        if !self.searches_before() {
            return self.send(Duration::ZERO, None);
        }
        self.doing = Activity::SearchingBefore;
        let event = Event::SearchingBefore { thoroughly: !self.lag.is_zero(), within: self.lag };
        StartStep::Search { pause: Duration::ZERO, event: Some(event) }
    }

    /// Notes that the start is sent now, later than the step was returned.
    pub fn sending(&mut self, elapsed: Duration) {
        self.sent = elapsed;
    }

    /// Whether tasks are searched for once more when the start can be sent, so long after the last search: another run may
    /// have sent it meanwhile.
    pub fn must_search_again(&self, since: Duration) -> bool {
        let is_stale = self.searches_before() && since > STALE;
        (is_stale || self.options.first == Precheck::Rollout) && !self.is_open()
    }

    /// Searches once more before the start is sent.
    pub fn search_again(&mut self, elapsed: Duration) -> StartStep {
        self.doing = Activity::SearchingBefore;
        self.searching_since = elapsed;
        self.searches = 0;
        StartStep::Search { pause: Duration::ZERO, event: None }
    }

    /// Whether tasks are searched for before the start is sent.
    fn searches_before(&self) -> bool {
        self.options.first != Precheck::Nothing || self.options.if_active != IfActive::Start
    }

    /// Takes the id of the token's owner: only that user's tasks are adopted, whatever marker they have.
    pub fn set_user(&mut self, user: Option<u64>) {
        self.user = user;
    }

    /// Whether a start may have become a task that is not known yet.
    pub fn is_open(&self) -> bool {
        self.open_since.is_some()
    }

    /// Whether a task still has to be read. Those of other users are not ours; they count where an active task prevents
    /// a start.
    pub fn wants(&self, task: &Task) -> bool {
        let is_before = self.doing == Activity::SearchingBefore;
        let unsettled = task.state.phase() != Phase::Settled;
        let in_the_way = is_before && self.options.if_active != IfActive::Start && unsettled;
        // Without a key to search for, only what still runs can matter before a start.
        let settled_matters = !is_before || self.options.first != Precheck::Nothing;
        let ours = !self.is_anothers(task) && (unsettled || settled_matters);
        !self.unrelated.contains(&task.id) && (in_the_way || ours)
    }

    /// Whether archived tasks count as well: a person may have archived what a re-run asks for.
    pub fn wants_archived(&self) -> bool {
        self.doing == Activity::SearchingBefore && self.options.first != Precheck::Nothing
    }

    /// Whether all that is searched for is a task of the very same key.
    pub fn wants_its_own_only(&self) -> bool {
        self.wants_archived() && self.options.if_active == IfActive::Start
    }

    /// For how long a task that is not in the lists yet is searched for before anything is sent.
    pub fn lag(&self) -> Duration {
        self.lag
    }

    /// The idempotency key.
    pub fn key(&self) -> &Key {
        &self.options.marker.key
    }

    /// What follows from an answer to a start.
    pub fn answered(&mut self, elapsed: Duration, answer: Result<Task, Error>) -> StartStep {
        let error = match answer {
            Ok(task) => return StartStep::Ended(StartEnd::Started(Box::new(task))),
            Err(error) => error,
        };
        match error {
            // Nothing was done, so it can be asked for again.
            Error::Unreachable { why } if self.outages == 0 || elapsed < self.away_since + MAX_OUTAGE => {
                if self.outages == 0 {
                    self.away_since = elapsed;
                }
                let wait = Duration::from_secs(1 << self.outages.min(5)).min(MAX_PAUSE);
                self.outages += 1;
                StartStep::Sleep(wait, Event::NotSent { why, wait })
            }
            Error::RateLimited(limit) if self.can_wait_out(&limit) => self.wait_out(&limit),
            Error::Invalid { said } => self.next_model(elapsed, Error::Invalid { said: said.clone() }, said),
            // A model that the license lacks may be refused as a missing permission.
            Error::MissingPermission { ref said, .. } | Error::Denied { ref said, .. }
                if said.to_ascii_lowercase().contains("model") =>
            {
                let said = said.clone();
                self.next_model(elapsed, error, said)
            }
            error @ (Error::Unanswered { .. } | Error::Malformed { .. }) => {
                self.why = error.to_string();
                let asked = error.retry_after();
                self.doing = Activity::SearchingAfter;
                self.open_since.get_or_insert(self.sent);
                self.lost = elapsed;
                self.searches = 0;
                let why = self.why.clone();
                self.search(asked, Some(Event::NotAnswered { why, within: self.options.confirm }))
            }
            refused => self.refused(refused),
        }
    }

    /// No more starts. An earlier one that was not answered leaves open whether there is a task.
    fn refused(&self, error: Error) -> StartStep {
        if self.open_since.is_none() {
            return StartStep::Ended(StartEnd::Refused(error));
        }
        let first = &self.why;
        StartStep::Ended(StartEnd::Unconfirmed(format!(
            "{first}. No task of it appeared, and it was sent once more: {error}"
        )))
    }

    /// What follows after a sleep.
    pub fn resumed(&mut self, elapsed: Duration) -> StartStep {
        match self.doing {
            Activity::Sending => self.send(elapsed, None),
            Activity::SearchingBefore | Activity::SearchingAfter => {
                StartStep::Search { pause: Duration::ZERO, event: None }
            }
        }
    }

    /// What follows from a search of the repository's tasks.
    pub fn searched(&mut self, elapsed: Duration, seen: Result<Vec<Candidate>, Error>) -> StartStep {
        let seen = match seen {
            Ok(seen) => seen,
            Err(Error::RateLimited(limit)) if self.can_wait_out(&limit) => return self.wait_out(&limit),
            Err(error) => return self.search_failed(elapsed, error),
        };
        let mut ours = Vec::new();
        let mut active = Vec::new();
        let mut unread = Vec::new();
        for candidate in seen {
            if self.is_too_old(elapsed, &candidate) || !self.wants(&candidate.task) {
                continue;
            }
            match self.relation(&candidate) {
                Relation::Ours => ours.push(candidate),
                Relation::InScope if self.doing == Activity::SearchingBefore && !is_settled(&candidate) => {
                    active.push(candidate);
                }
                Relation::Unread => unread.push(candidate),
                Relation::InScope | Relation::Unrelated => drop(self.unrelated.insert(candidate.task.id)),
            }
        }
        match self.doing {
            Activity::SearchingAfter => self.found_after(elapsed, ours, &unread),
            Activity::SearchingBefore | Activity::Sending => self.found_before(elapsed, ours, active, &unread),
        }
    }

    /// A search for the start that was not answered.
    fn found_after(&mut self, elapsed: Duration, ours: Vec<Candidate>, unread: &[Candidate]) -> StartStep {
        if let Some(task) = newest(ours) {
            return StartStep::Ended(StartEnd::Adopted(Box::new(task), Adoption::Unanswered));
        }
        match (elapsed < self.lost + self.options.confirm, unread.is_empty(), self.sent_again) {
            (true, _, _) => self.search(None, None),
            (false, true, false) => {
                self.sent_again = true;
                self.send(elapsed, Some(Event::SentAgain))
            }
            (false, true, true) => {
                let why = format!("{}. It was sent twice, and no task of it has appeared since", self.why);
                StartStep::Ended(StartEnd::Unconfirmed(why))
            }
            (false, false, _) => {
                StartStep::Ended(StartEnd::Unconfirmed(format!("{}. {}", self.why, unread_tasks(unread))))
            }
        }
    }

    /// A search before anything is sent.
    fn found_before(
        &mut self,
        elapsed: Duration,
        ours: Vec<Candidate>,
        active: Vec<Candidate>,
        unread: &[Candidate],
    ) -> StartStep {
        let (good, spent): (Vec<_>, Vec<_>) = ours.into_iter().partition(|candidate| self.adopts(candidate));
        self.unrelated.extend(spent.into_iter().map(|candidate| candidate.task.id));
        if self.options.first != Precheck::Nothing
            && let Some(task) = newest(good.clone())
        {
            return StartStep::Ended(StartEnd::Adopted(Box::new(task), Adoption::SameKey));
        }
        let active = active.into_iter().chain(good).filter(|it| !is_settled(it)).collect::<Vec<_>>();
        if let Some(task) = newest(active) {
            match self.options.if_active {
                IfActive::Start => {}
                IfActive::Skip => return StartStep::Ended(StartEnd::Declined(Box::new(task), false)),
                IfActive::Fail => return StartStep::Ended(StartEnd::Declined(Box::new(task), true)),
                // A marker can be copied, and what another user's task makes must not pass for ours.
                IfActive::Attach if self.is_anothers(&task) => {
                    let (place, scope) = (place(&task), self.options.active_scope.noun());
                    return StartStep::Ended(StartEnd::Undecided(format!(
                        "the active task of {scope} is another user's: {place}"
                    )));
                }
                IfActive::Attach => return StartStep::Ended(StartEnd::Adopted(Box::new(task), Adoption::Active)),
            }
        }
        let longest = if unread.is_empty() { self.lag } else { self.lag.max(self.options.confirm) };
        let is_young = |it: &Candidate| it.age.is_some_and(|age| age < self.options.confirm);
        match (elapsed < longest, unread.is_empty()) {
            (true, _) => StartStep::Search { pause: self.search_pause(None).min(longest - elapsed), event: None },
            // A young task has no session to show yet.
            (false, false) if unread.iter().any(is_young) => self.search(None, None),
            (false, true) => self.send(elapsed, None),
            (false, false) => StartStep::Ended(StartEnd::Undecided(unread_tasks(unread))),
        }
    }

    /// A search without an answer.
    fn search_failed(&mut self, elapsed: Duration, error: Error) -> StartStep {
        let passing = matches!(error, Error::Unanswered { .. } | Error::Unreachable { .. } | Error::Malformed { .. });
        // Twice as long as for searches that are answered: what was not seen is not absent.
        let longest = match self.doing {
            Activity::SearchingAfter => self.lost + self.options.confirm * 2,
            Activity::SearchingBefore | Activity::Sending => self.searching_since + self.lag.max(self.options.confirm),
        };
        match (passing && elapsed < longest, self.doing) {
            (true, _) => self.search(error.retry_after(), None),
            (false, Activity::SearchingAfter) => StartStep::Ended(StartEnd::Unconfirmed(format!(
                "{}. Looking for the task failed as well: {error}",
                self.why
            ))),
            (false, Activity::SearchingBefore | Activity::Sending) => StartStep::Ended(StartEnd::Refused(error)),
        }
    }

    fn can_wait_out(&self, limit: &RateLimit) -> bool {
        self.limited.saturating_add(limit.wait) <= self.options.max_limit_wait
    }

    /// Waits for a limit to end: as long as GitHub asks, and longer each time where it asks for next to nothing and
    /// limits again.
    fn wait_out(&mut self, limit: &RateLimit) -> StartStep {
        self.outages = 0;
        let wait = limit.wait.max(Duration::from_secs(1 << self.limits.min(5)));
        self.limits += 1;
        self.limited += wait;
        let why = format!("{}; waiting at most {} in all", limit.name(), spelled(self.options.max_limit_wait));
        StartStep::Sleep(wait, Event::Limited { why, wait })
    }

    fn send(&mut self, elapsed: Duration, event: Option<Event>) -> StartStep {
        self.doing = Activity::Sending;
        self.sent = elapsed;
        StartStep::Send(self.model.clone(), event)
    }

    /// Another search, after a pause.
    fn search(&mut self, at_least: Option<Duration>, event: Option<Event>) -> StartStep {
        StartStep::Search { pause: self.search_pause(at_least), event }
    }

    /// The pause before the next search. It grows, and lasts at least as long as GitHub asks for.
    fn search_pause(&mut self, at_least: Option<Duration>) -> Duration {
        let pause = (SEARCH_PAUSE * 2_u32.pow(self.searches.min(8))).min(MAX_SEARCH_PAUSE);
        self.searches += 1;
        pause.max(at_least.unwrap_or_default().min(self.options.max_limit_wait))
    }

    /// The greatest age of a task that matters at this time: that of the first open start, or that of a run that can
    /// still be repeated.
    pub fn horizon(&self, elapsed: Duration) -> Duration {
        self.open_since.map_or(MEMORY, |since| elapsed.saturating_sub(since) + MARGIN)
    }

    /// The next model, if there is one. GitHub's refusals do not say which field they are about; one about another field
    /// is refused again.
    fn next_model(&mut self, elapsed: Duration, refusal: Error, said: String) -> StartStep {
        self.outages = 0;
        // After a start that was not answered one more is sent, and no more than one.
        match self.models.pop_front().filter(|_| self.open_since.is_none()) {
            None => self.refused(refusal),
            Some(next) => {
                let model = std::mem::replace(&mut self.model, next.clone());
                self.send(elapsed, Some(Event::ModelRefused { model, said, next }))
            }
        }
    }

    /// Whether a task is older than what is searched for.
    fn is_too_old(&self, elapsed: Duration, candidate: &Candidate) -> bool {
        candidate.age.is_some_and(|age| age > self.horizon(elapsed))
    }

    /// Whether the task is known to be of another user.
    fn is_anothers(&self, task: &Task) -> bool {
        self.is_own(task) == Some(false)
    }

    /// Whether the task is of the token's owner; `None` if that is unknown.
    fn is_own(&self, task: &Task) -> Option<bool> {
        task.is_created_by(self.user?)
    }

    /// Whether this task decides, so that nothing older has to be read.
    pub fn is_settled_by(&self, candidate: &Candidate) -> bool {
        let ours = matches!(self.relation(candidate), Relation::Ours);
        ours && (self.doing == Activity::SearchingAfter
            || self.options.first != Precheck::Nothing && self.adopts(candidate))
    }

    /// Whether a task of the same key is adopted. One that failed, timed out or was cancelled is started again by a re-run.
    fn adopts(&self, candidate: &Candidate) -> bool {
        let has_failed = matches!(candidate.task.state, State::Failed | State::TimedOut | State::Cancelled);
        self.options.first == Precheck::Rollout || !has_failed
    }

    fn relation(&self, candidate: &Candidate) -> Relation {
        let task = &candidate.task;
        let scope = self.options.active_scope;
        let is_active = self.doing == Activity::SearchingBefore && !is_settled(candidate);
        let Some(prompt) = task.prompt() else {
            // Every task of the repository counts, unless it can be the one that this start has made.
            let may_be_ours = self.options.first != Precheck::Nothing && !self.is_anothers(task);
            if scope == ActiveScope::Repository && is_active && !may_be_ours {
                return Relation::InScope;
            }
            // A young task has no session to show yet. An old one that has ended is taken for one whose sessions are gone.
            let is_old = candidate.age.is_some_and(|age| age > self.options.confirm + MARGIN);
            let is_over = self.doing == Activity::SearchingBefore && candidate.read && is_old && is_settled(candidate);
            return if is_over { Relation::Unrelated } else { Relation::Unread };
        };
        let (marker, own) = (Marker::find(prompt), &self.options.marker);
        let has_key = marker.as_ref().is_some_and(|marker| marker.key == own.key);
        let in_scope = match scope {
            ActiveScope::Job => {
                marker.is_some_and(|marker| marker.name == own.name && marker.entry.eq_ignore_ascii_case(&own.entry))
            }
            ActiveScope::Class => marker.is_some_and(|marker| marker.class == own.class),
            ActiveScope::Repository => is_active,
        };
        match self.is_own(task) {
            Some(true) if has_key => Relation::Ours,
            // A marker can be copied, so it counts in a task of our own only.
            None if has_key || in_scope && self.options.if_active == IfActive::Attach => Relation::Unread,
            _ if in_scope => Relation::InScope,
            _ => Relation::Unrelated,
        }
    }
}

/// What a task is to a start.
enum Relation {
    /// It carries the start's key.
    Ours,
    /// It carries another key, and is in the scope of active tasks.
    InScope,
    /// It is neither.
    Unrelated,
    /// Its prompt cannot be seen yet.
    Unread,
}

fn is_settled(candidate: &Candidate) -> bool {
    candidate.task.state.phase() == Phase::Settled
}

/// The newest of several tasks, those that are not settled before others.
fn newest(candidates: Vec<Candidate>) -> Option<Task> {
    let rank = |candidate: &Candidate| (is_settled(candidate), candidate.age.unwrap_or(Duration::MAX));
    candidates.into_iter().min_by_key(rank).map(|candidate| candidate.task)
}

/// How a person finds a task.
fn place(task: &Task) -> String {
    if task.link().is_empty() { task.id.to_string() } else { task.link().to_owned() }
}

fn unread_tasks(unread: &[Candidate]) -> String {
    let places = unread.iter().map(|candidate| place(&candidate.task));
    format!(
        "GitHub does not show the prompt of these tasks, or whose they are, and one of them may be it: {}. Check them \
         before starting another",
        places.collect::<Vec<_>>().join(", ")
    )
}

#[cfg(test)]
mod tests;
