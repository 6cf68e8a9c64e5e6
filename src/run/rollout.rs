//! Reads from GitHub what a rollout has done: its tasks by the markers in their prompts, and their pull requests.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::actions::host::Host;
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::pull_content::PullContent;
use crate::github::pull_history::PullReview;
use crate::github::repository::Repository;
use crate::github::task::{Phase, State, Task, TaskId};
use crate::github::task_list::TaskQuery;
use crate::github::token::Token;
use crate::join::join_all;
use crate::order::sorted;
use crate::run::clients::Clients;
use crate::run::poller::{Poller, PollerConfig};
use crate::run::questions::Questions;
use crate::task::acceptance::{Acceptance, AcceptanceMachine, AcceptanceStep, Expect};
use crate::task::conclusion::Conclusion;
use crate::task::marker::Marker;
use crate::task::pull_request::{NoPullRequest, PullRequestHints};
use crate::task::rollout::standing::{PullFact, TaskFacts, Verdict};
use crate::task::rollout::{AdvanceOn, RolloutRules, Standing};
use crate::task::wait::Pace;

/// How many pages of a hundred tasks are read. A user may send 5,000 requests an hour, and each task that is not known
/// takes one.
const MAX_PAGES: u32 = 1000;
/// How many tasks are read between two lines of progress.
const PROGRESS: usize = 100;
/// How long a task may show no prompt because it is new. Prompts were seen after seconds.
const NO_PROMPT_YET: Duration = Duration::from_secs(120);
/// The pause before such a task is read again.
const READ_AGAIN: Duration = Duration::from_secs(5);
/// How long after the end of a task its pull request can still appear. It was seen after seconds.
const PULL_MAY_APPEAR: Duration = Duration::from_secs(600);
/// How much further back than the last list of the cache a list is read: a list lags behind the starts by seconds.
const MARGIN: Duration = Duration::from_secs(24 * 3600);

/// The markers of tasks, which never change, so that each task is read once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MarkerCache {
    /// Whose tasks they are.
    user: u64,
    /// When the list of tasks was read, by GitHub's clock.
    read_at: Option<Timestamp>,
    /// When each task was created, and its marker if it has one, by its id.
    markers: Map<String, Value>,
}

impl MarkerCache {
    /// The cache from a file. It says which tasks count, so it must have been written by a run with the same token; `None`
    /// for everything else.
    pub fn of(kept: &Value, token: &Token) -> Option<Self> {
        let cache = Self {
            user: kept["user"].as_u64().unwrap_or_default(),
            read_at: kept["read-at"].as_str().and_then(|time| time.parse().ok()),
            markers: kept["markers"].as_object().cloned().unwrap_or_default(),
        };
        (kept["signature"] == cache.signature(token)).then_some(cache)
    }

    /// What the file keeps.
    pub fn to_json(&self, token: &Token) -> Value {
        let mut kept = self.content();
        kept["signature"] = self.signature(token).into();
        kept
    }

    fn content(&self) -> Value {
        json!({"user": self.user, "read-at": self.read_at.map(|time| time.to_string()), "markers": self.markers})
    }

    fn signature(&self, token: &Token) -> String {
        token.sign(&format!("rollout-cache {}", self.content()))
    }
}

/// A task of the rollout.
#[derive(Debug)]
pub struct FoundTask {
    /// The task, without its sessions.
    pub task: Task,
    /// The marker in its prompt.
    pub marker: Marker,
    /// Its pull request.
    pub pull: Option<PullReview>,
    /// How its pull request compares with what is expected.
    pub acceptance: Option<Acceptance>,
    /// How it fares.
    pub standing: Standing,
}

/// What a rollout has done.
#[derive(Debug)]
pub struct RolloutHistory {
    /// Its tasks, oldest first.
    pub tasks: Vec<FoundTask>,
    /// Tasks of the token's owner whose prompt GitHub does not show, or whose creator it does not name. They may belong to
    /// the rollout.
    pub hidden: Vec<Task>,
    /// The tasks that were read.
    pub known: HashSet<TaskId>,
    /// The time by GitHub's clock.
    pub now: Timestamp,
    /// What is kept for the next run.
    pub cache: MarkerCache,
}

/// Reads what a rollout has done.
pub struct RolloutReader<'a> {
    /// Where progress is logged.
    pub host: &'a Host,
    /// The clients of the step.
    pub clients: &'a Clients<'a>,
    /// The rules of the rollout.
    pub rules: &'a RolloutRules,
    /// What its pull requests must be like.
    pub expect: &'a Expect,
    /// Whether a task without a pull request has failed.
    pub requires_pull: bool,
    /// The task class; empty if there is none.
    pub class: &'a str,
    /// The repository of the workflow, as in a marker.
    pub origin: &'a str,
}

impl<'a> RolloutReader<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// If the list of tasks or one of the tasks cannot be read.
    pub async fn read(&self, cache: MarkerCache) -> Result<RolloutHistory, Error> {
        let tasks = &self.clients.tasks;
        let user = self.questions().ask(tasks, async |client| client.user().await).await?.id;
        let cache = if cache.user == user { cache } else { MarkerCache { user, ..MarkerCache::default() } };
        let (listed, now) = self.list(&cache).await?;
        // A task of another user does not count, whatever marker it has.
        let listed = listed.into_iter().filter(|task| task.is_created_by(user) != Some(false)).collect::<Vec<_>>();
        let mut markers = cache.markers;
        let hidden = self.read_markers(&listed, &mut markers).await?;
        let mut history = self.history(listed, markers, &hidden, user);
        history.now = now.unwrap_or_else(|| self.host.now());
        history.cache.read_at = now;
        self.judge(&mut history).await;
        Ok(history)
    }

    fn questions(&self) -> Questions<'a> {
        Questions { host: self.host, status: "reading the rollout" }
    }

    async fn task(&self, id: &TaskId) -> Result<Task, Error> {
        self.questions().ask(&self.clients.tasks, async |client| client.own_task(id).await).await
    }

    fn is_ours(&self, marker: &Marker) -> bool {
        marker.rollout.eq_ignore_ascii_case(&self.rules.name)
            && marker.class == self.class
            && marker.origin == self.origin
    }

    /// The tasks of the token's owner, archived ones too, as far back as the rollout can reach: to its oldest task that is
    /// known, and over the time since the cache was written. Without a cache it is the whole list.
    async fn list(&self, cache: &MarkerCache) -> Result<(Vec<Task>, Option<Timestamp>), Error> {
        let client = &self.clients.tasks;
        let ours = cache.markers.iter().filter(|(_, kept)| marker(kept).is_some_and(|it| self.is_ours(&it)));
        let ours = ours.map(|(id, kept)| (id, created(kept))).collect::<Vec<_>>();
        let read = cache.read_at.and_then(|read| read.checked_sub(MARGIN).ok());
        // A moment that is not known is that of the first task there is.
        let oldest = ours.iter().map(|(_, created)| *created).chain([read]).min().flatten();
        let (mut listed, mut seen, mut now) = (Vec::new(), HashSet::new(), None);
        for archived in [false, true] {
            let pages = Mutex::new(client.tasks(TaskQuery::Own, None, archived).created_since(oldest, MAX_PAGES));
            let next = async |_: &_| pages.lock().await.next().await;
            while let Some(page) = self.questions().ask(client, next).await? {
                now = page.now.or(now);
                listed.extend(page.tasks.into_iter().filter(|task| seen.insert(task.id.to_string())));
            }
        }
        // A list can be without a task that is there.
        for (id, _) in ours.iter().filter(|(id, _)| !seen.contains(*id)) {
            let Ok(id) = TaskId::parse(id) else { continue };
            match self.task(&id).await {
                Ok(task) => listed.push(task),
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((listed, now))
    }

    /// Reads each task whose marker is not known, and returns those whose prompt GitHub does not show.
    async fn read_markers(&self, listed: &[Task], markers: &mut Map<String, Value>) -> Result<HashSet<TaskId>, Error> {
        let mut open = listed.iter().filter(|task| !markers.contains_key(task.id.as_str())).collect::<Vec<_>>();
        let (total, mut hidden, began) = (open.len(), HashSet::new(), Instant::now());
        while !open.is_empty() {
            let mut again = Vec::new();
            for chunk in open.chunks(PROGRESS) {
                let answers = join_all(chunk.iter().map(|task| self.task(&task.id))).await;
                for (task, answer) in chunk.iter().zip(answers) {
                    let read = match answer {
                        Ok(read) => Some(read),
                        Err(Error::NotFound { .. }) => None,
                        Err(error) => return Err(error),
                    };
                    let is_young = task.age().is_none_or(|age| age + began.elapsed() < NO_PROMPT_YET);
                    match read.as_ref().and_then(Task::prompt) {
                        Some(prompt) => {
                            let marker = Marker::find(prompt).map(|marker| marker.to_string()).unwrap_or_default();
                            let created = task.created_at.map(|time| time.to_string()).unwrap_or_default();
                            markers.insert(task.id.to_string(), format!("{created} {marker}").into());
                        }
                        None if is_young => again.push(*task),
                        // One that has ended without showing a session will never show one.
                        None if read.as_ref().is_some_and(|it| it.state.phase() == Phase::Settled) => {}
                        None => drop(hidden.insert(task.id.clone())),
                    }
                }
                if total > PROGRESS {
                    self.host.log(&format!("read the prompts of {} tasks", markers.len()));
                }
            }
            if !again.is_empty() {
                self.host.sleep(READ_AGAIN, "reading the rollout").await;
            }
            open = again;
        }
        Ok(hidden)
    }

    /// The tasks of the rollout among those that were listed.
    fn history(
        &self,
        listed: Vec<Task>,
        mut markers: Map<String, Value>,
        hidden: &HashSet<TaskId>,
        user: u64,
    ) -> RolloutHistory {
        let mut history = RolloutHistory {
            tasks: Vec::new(),
            hidden: Vec::new(),
            known: HashSet::new(),
            now: Timestamp::default(),
            cache: MarkerCache { user, read_at: None, markers: Map::new() },
        };
        for task in listed {
            if hidden.contains(&task.id) {
                history.hidden.push(task);
                continue;
            }
            history.known.insert(task.id.clone());
            let Some((id, kept)) = markers.remove_entry(task.id.as_str()) else { continue };
            if let Some(marker) = marker(&kept).filter(|marker| self.is_ours(marker)) {
                // The creator decides whether the marker counts.
                match task.is_created_by(user) {
                    Some(_) => {
                        let standing = Standing::Running;
                        history.tasks.push(FoundTask { task, marker, pull: None, acceptance: None, standing });
                    }
                    None => history.hidden.push(task),
                }
            }
            history.cache.markers.insert(id, kept);
        }
        // What the list has no longer shown matters again where it belongs to a rollout.
        let of_rollout = |kept: &Value| marker(kept).is_some_and(|marker| !marker.rollout.is_empty());
        history.cache.markers.extend(markers.into_iter().filter(|(_, kept)| of_rollout(kept)));
        history.tasks = sorted(history.tasks, &|a, b| a.task.created_at.cmp(&b.task.created_at));
        history
    }

    /// Reads where the pull requests are, a hundred at once, and the contents of the open ones.
    async fn judge(&self, history: &mut RolloutHistory) {
        let (tasks, now) = (&mut history.tasks, history.now);
        let clients = self.clients.lookup_first();
        let config = PollerConfig {
            tasks: tasks.len(),
            keys: HashSet::new(),
            unrelated: HashSet::new(),
            interval: Duration::ZERO,
            parts: 1,
            host: self.host,
        };
        let poller = Poller::new(&self.clients.tasks, &clients, config);
        let hints = self.hints(tasks, &poller).await;
        let asked = hints.iter().enumerate().filter_map(|(at, hints)| Some((at, hints.as_ref().ok()?)));
        let asked = asked.flat_map(|(at, hints)| hints.node_ids.iter().map(move |id| (at, id.clone())));
        let (places, ids): (Vec<_>, Vec<_>) = asked.unzip();
        let found = self.questions().each(&clients, &ids, async |client, ids| client.pull_reviews(ids).await).await;
        let unseen = |hints: &Result<_, String>| match hints {
            Ok(_) => PullFact::Absent,
            Err(why) => PullFact::Unreadable(why.clone()),
        };
        let mut facts = hints.iter().map(unseen).collect::<Vec<_>>();
        for (at, review) in places.into_iter().zip(found) {
            match (review, &hints[at]) {
                (Ok(review), Ok(hints)) => {
                    let best = match &tasks[at].pull {
                        Some(before) => hints.best([&before.pull, &review.pull]) == Some(&review.pull),
                        None => true,
                    };
                    if best {
                        facts[at] = PullFact::Found { number: review.pull.number, state: review.state };
                        tasks[at].pull = Some(review);
                    }
                }
                (Err(error), _) if tasks[at].pull.is_none() => facts[at] = PullFact::Unreadable(error.to_string()),
                _ => {}
            }
        }
        let verdicts = self.verdicts(tasks, &poller, now).await;
        for (at, verdict) in verdicts.iter().enumerate() {
            let found = &mut tasks[at];
            let age = age(&found.task, now);
            let verdict = verdict.as_ref().map(|(verdict, _)| verdict);
            let is_fresh = age < PULL_MAY_APPEAR;
            let facts = TaskFacts { state: &found.task.state, pull: &facts[at], verdict, is_fresh };
            found.standing = facts.standing(self.rules.advance_on, self.requires_pull);
        }
        for (found, verdict) in tasks.iter_mut().zip(verdicts) {
            found.acceptance = verdict.and_then(|(_, acceptance)| acceptance).map(|it| *it);
        }
    }

    /// The ids of the pull requests of each task, or why they are not known. Where a task has one without an id, or none
    /// although it needs one, it is looked up by its branch.
    async fn hints(&self, tasks: &[FoundTask], poller: &Poller<'_>) -> Vec<Result<PullRequestHints, String>> {
        let needs_pull = self.requires_pull || self.rules.advance_on != AdvanceOn::Completed;
        join_all(tasks.iter().map(async |found| {
            let mut hints = PullRequestHints::of(&found.task);
            let decides = needs_pull && found.task.state == State::Completed;
            if !hints.node_ids.is_empty() || !decides {
                return Ok(hints);
            }
            let task = self.task(&found.task.id).await.map_err(|error| error.to_string())?;
            let repository = found.marker.repository.parse::<Repository>().map_err(|why| why.to_string())?;
            match poller.pull(&repository, &PullRequestHints::of(&task)).await {
                Ok(pull) => {
                    hints.node_ids.extend(pull.node_id);
                    Ok(hints)
                }
                Err(NoPullRequest::NotMade | NoPullRequest::NotAskedFor) => Ok(hints),
                Err(why) => Err(why.to_string()),
            }
        }))
        .await
    }

    /// How the open pull requests of completed tasks compare with what is expected.
    async fn verdicts(
        &self,
        tasks: &[FoundTask],
        poller: &Poller<'_>,
        now: Timestamp,
    ) -> Vec<Option<(Verdict, Option<Box<Acceptance>>)>> {
        let mut verdicts = tasks.iter().map(|_| None).collect::<Vec<_>>();
        if self.expect.is_empty() {
            return verdicts;
        }
        let open = tasks.iter().enumerate().filter_map(|(at, found)| {
            let pull = found.pull.as_ref().filter(|pull| pull.pull.open && found.task.state == State::Completed)?;
            Some((at, (pull.repository.parse::<Repository>().ok()?, pull.pull.number)))
        });
        let (places, pulls): (Vec<_>, Vec<_>) = open.unzip();
        let query = self.expect.query();
        let clients = self.clients.lookup_first();
        // What one client may not read is asked of the next.
        let whole = |content: PullContent| match content.checks {
            Some(Err(error)) => Err(error),
            _ => Ok(content),
        };
        let question = async |client: &LimitedClient<'a>, pulls: &[(Repository, u64)]| {
            let found = client.pull_contents(pulls, query).await?;
            Ok(found.into_iter().map(|it| it.and_then(whole)).collect())
        };
        let found = self.questions().each(&clients, &pulls, question).await;
        for ((at, (repository, number)), content) in places.into_iter().zip(&pulls).zip(found) {
            let content = match content {
                Ok(mut content) if query.files && content.files.is_none() => {
                    let listed = poller.files(repository, *number, content.changed_files).await;
                    listed.map(|files| {
                        content.files = Some(files);
                        content
                    })
                }
                content => content,
            };
            verdicts[at] = Some(match content {
                Err(error) => (Verdict::Unreadable(error.to_string()), None),
                Ok(content) => verdict(self.expect, age(&tasks[at].task, now), content),
            });
        }
        verdicts
    }
}

/// How a pull request compares with what is expected, so long after its task completed.
fn verdict(expect: &Expect, age: Duration, content: PullContent) -> (Verdict, Option<Box<Acceptance>>) {
    let mut machine = AcceptanceMachine::new(expect, Duration::MAX, Pace::new(Duration::from_secs(1), 0));
    match machine.observe(age, Ok(content)) {
        AcceptanceStep::Sleep(_, why) => (Verdict::Pending(why), None),
        AcceptanceStep::Ended(acceptance) => {
            let why = acceptance.reason().unwrap_or_default();
            let verdict = match acceptance.conclusion {
                Conclusion::Success => Verdict::Accepted,
                Conclusion::ActionRequired => Verdict::Pending("its checks wait for approval".to_owned()),
                _ => Verdict::Rejected(why),
            };
            (verdict, Some(acceptance))
        }
    }
}

/// How long ago a task last changed.
fn age(task: &Task, now: Timestamp) -> Duration {
    task.updated_at
        .or(task.created_at)
        .and_then(|at| Duration::try_from(now.duration_since(at)).ok())
        .unwrap_or_default()
}

/// When a task in the cache was created.
fn created(kept: &Value) -> Option<Timestamp> {
    kept.as_str()?.split_once(' ')?.0.parse().ok()
}

/// The marker of a task in the cache.
fn marker(kept: &Value) -> Option<Marker> {
    Marker::find(kept.as_str()?)
}
