//! The state: repositories, tasks, pull requests and people, and how it changes with time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::Value;

use crate::call::Call;
use crate::clock::{Clock, Moment};
use crate::endpoint::{Endpoint, RepositoryRef};
use crate::fault::{Fault, Faults};
use crate::limit::RateLimiter;
use crate::outage::Outage;
use crate::pull::{Pull, PullView, node_id};
use crate::pull_content::PullContent;
use crate::repository::Repository;
use crate::request::Request;
use crate::runs::Run;
use crate::script::{Effect, OpenPull, Script};
use crate::settings::Settings;
use crate::task::{Depth, Due, PullLink, Session, Task, TaskView, Usage, ViewContext, Visibility, timeline};
use crate::token::Token;

/// Pull requests have database ids far from their numbers, and too large for 32 bits.
const FIRST_PULL_ID: u64 = 4_401_770_001;
const FIRST_REPOSITORY_ID: u64 = 812_340_001;

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) tokens: BTreeMap<String, Token>,
    /// By name in lower case.
    pub(crate) repositories: BTreeMap<String, RepositoryRecord>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) pulls: Vec<Pull>,
    pub(crate) scripts: BTreeMap<String, VecDeque<Script>>,
    pub(crate) default_script: Script,
    pub(crate) faults: Faults,
    pub(crate) outages: Vec<Outage>,
    pub(crate) runs: Vec<Run>,
    /// How many runs were ever made.
    pub(crate) runs_made: u64,
    pub(crate) rate_limiter: RateLimiter,
    pub(crate) log: Vec<Call>,
    pub(crate) unexpected: Vec<String>,
    /// How many requests have started a task.
    pub(crate) starts: usize,
    ids: u64,
}

/// A repository with what GitHub knows of it.
#[derive(Clone, Debug)]
pub(crate) struct RepositoryRecord {
    pub(crate) name: String,
    pub(crate) id: u64,
    pub(crate) owner_id: u64,
    pub(crate) spec: Repository,
}

impl RepositoryRecord {
    pub(crate) fn owner(&self) -> &str {
        owner_of(&self.name)
    }
}

/// What a new task is made from.
pub(crate) struct NewTask {
    pub(crate) repository: String,
    pub(crate) creator: Option<u64>,
    pub(crate) creator_type: Option<String>,
    pub(crate) visibility: Visibility,
    pub(crate) body: Value,
    pub(crate) created: Moment,
    pub(crate) script: Script,
}

pub(crate) fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}

impl World {
    pub(crate) fn new(clock: Clock) -> World {
        World {
            clock,
            settings: Settings::default(),
            tokens: BTreeMap::new(),
            repositories: BTreeMap::new(),
            tasks: Vec::new(),
            pulls: Vec::new(),
            scripts: BTreeMap::new(),
            default_script: Script::completes_with_pull(Duration::from_secs(120)),
            faults: Faults::default(),
            outages: Vec::new(),
            runs: Vec::new(),
            runs_made: 0,
            rate_limiter: RateLimiter::default(),
            log: Vec::new(),
            unexpected: Vec::new(),
            starts: 0,
            ids: 0,
        }
    }

    /// Remembers that a client did what none should.
    pub(crate) fn report_unexpected(&mut self, what: impl Into<String>) {
        self.unexpected.push(what.into());
    }

    /// The fault that strikes a request, if one does.
    pub(crate) fn fault_for(&mut self, request: &Request, now: Moment) -> Option<Fault> {
        let (endpoint, repository) = Endpoint::of(request);
        let routes = endpoint.routes();
        let name = match &repository {
            Some(RepositoryRef::Name(name)) => Some(name.as_str()),
            Some(RepositoryRef::Id(id)) => {
                self.repositories.values().find(|record| record.id == *id).map(|record| record.name.as_str())
            }
            None => None,
        };
        let outages = self.outages.iter();
        self.faults.take(&routes).or_else(|| {
            let mut striking = outages.filter(|outage| outage.strikes(&routes, name, now, &self.settings));
            striking.next().map(|outage| outage.fault.clone())
        })
    }

    pub(crate) fn set_repository(&mut self, name: &str, spec: Repository) {
        // A repository with the name ends the redirect from it.
        let others = self.repositories.values_mut();
        others.for_each(|record| record.spec.renamed_from.retain(|old| !old.eq_ignore_ascii_case(name)));
        self.repository_or_new(name).spec = spec;
    }

    /// The repository of this name, made first if there is none.
    pub(crate) fn repository_or_new(&mut self, name: &str) -> &mut RepositoryRecord {
        let id = FIRST_REPOSITORY_ID + self.repositories.len() as u64;
        let owner = name.split('/').next().unwrap_or_default();
        self.repositories.entry(key(name)).or_insert_with(|| RepositoryRecord {
            name: name.to_owned(),
            id,
            owner_id: owner_id(owner),
            spec: Repository::default(),
        })
    }

    pub(crate) fn rename_repository(&mut self, old: &str, new: &str) {
        let Some(mut record) = self.repositories.remove(&key(old)) else { return };
        record.spec.renamed_from.push(std::mem::replace(&mut record.name, new.to_owned()));
        self.repositories.insert(key(new), record);
        self.tasks.iter_mut().filter(|task| task.repository == key(old)).for_each(|task| task.repository = key(new));
        self.pulls.iter_mut().filter(|pull| pull.repository == key(old)).for_each(|pull| pull.repository = key(new));
        if let Some(scripts) = self.scripts.remove(&key(old)) {
            self.scripts.insert(key(new), scripts);
        }
    }

    /// The repository that once had this name.
    pub(crate) fn renamed(&self, name: &str) -> Option<&RepositoryRecord> {
        self.repositories
            .values()
            .find(|record| record.spec.renamed_from.iter().any(|old| old.eq_ignore_ascii_case(name)))
    }

    pub(crate) fn next_script(&mut self, name: &str) -> Script {
        self.scripts.get_mut(&key(name)).and_then(VecDeque::pop_front).unwrap_or_else(|| self.default_script.clone())
    }

    /// An id of the form that GitHub gives to tasks and sessions.
    fn next_id(&mut self) -> String {
        self.ids += 1;
        let (high, low) = (split_mix(self.ids), split_mix(!self.ids));
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }

    /// Brings a task into being and returns its place in the list.
    pub(crate) fn create(&mut self, new: NewTask) -> usize {
        let text = |name: &str| new.body.get(name).and_then(Value::as_str).map(str::to_owned);
        let key = key(&new.repository);
        let spec = self.repository_or_new(&new.repository).spec.clone();
        let base = text("base_ref");
        let prompt = text("prompt").unwrap_or_default();

        let wanted_head = text("head_ref");
        let follows = self.pulls.iter().position(|pull| {
            pull.repository == key
                && pull.is_open()
                && Some(&pull.head) == wanted_head.as_ref()
                && Some(&pull.base) == base.as_ref()
        });
        let takes_head = follows.is_some()
            || (!self.settings.head_ref_needs_pull && wanted_head.as_ref().is_some_and(|head| spec.has_branch(head)));
        let head = match wanted_head {
            Some(head) if takes_head => head,
            _ => self.fresh_branch(&prompt, &key, &spec),
        };
        let wants_pull =
            new.body.get("create_pull_request").and_then(Value::as_bool).unwrap_or(self.settings.pull_anyway);
        let custom_agent = text("custom_agent").filter(|name| spec.custom_agents.contains(name));

        let session = Session {
            id: self.next_id(),
            prompt: prompt.clone(),
            state: "queued".to_owned(),
            created: new.created,
            updated: new.created,
            completed: None,
            error: None,
            usage: None,
        };
        let task = Task {
            ordinal: self.tasks.len(),
            id: self.next_id(),
            repository: key,
            creator: new.creator,
            creator_type: new.creator_type,
            visibility: new.visibility,
            prompt,
            custom_agent,
            created: new.created,
            updated: new.created,
            sessions: vec![session],
            state: "queued".to_owned(),
            base: base.unwrap_or(spec.default_branch),
            head,
            branch_made: false,
            has_run: false,
            wants_pull,
            follows,
            pulls: Vec::new(),
            extra_artifacts: Vec::new(),
            new_name: None,
            question: None,
            archived: None,
            timeline: timeline(new.script, new.created, &self.settings),
            body: new.body,
        };
        self.tasks.push(task);
        self.tasks.len() - 1
    }

    /// A branch name in the agent's manner that is not taken yet.
    fn fresh_branch(&self, prompt: &str, repository: &str, spec: &Repository) -> String {
        let line = prompt.lines().next().unwrap_or_default().to_lowercase();
        let words: Vec<&str> = line
            .split(|letter: char| !letter.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .take(4)
            .collect();
        let stem = if words.is_empty() { "task".to_owned() } else { words.join("-") };
        let here = self.tasks.iter().filter(|task| task.repository == repository).map(|task| &task.head);
        let here = here.collect::<BTreeSet<_>>();
        let taken = |name: &String| spec.has_branch(name) || here.contains(name);
        let plain = format!("copilot/{stem}");
        if !taken(&plain) {
            return plain;
        }
        let mut number = 2;
        loop {
            let numbered = format!("copilot/{stem}-{number}");
            if !taken(&numbered) {
                return numbered;
            }
            number += 1;
        }
    }

    /// Lets everything apply_due that is due by now, in the order it is due.
    pub(crate) fn advance(&mut self, now: Moment) {
        loop {
            let ending = self.runs.iter().enumerate().filter_map(|(index, run)| Some((run.ends?, index))).min();
            let next = self
                .tasks
                .iter()
                .enumerate()
                .filter_map(|(index, task)| Some((task.timeline.front()?.at, index)))
                .filter(|(at, _)| *at <= now)
                .min();
            if let Some((at, index)) = ending
                && at <= now
                && next.is_none_or(|(next, _)| at <= next)
            {
                self.end_cancelled(index, at);
                continue;
            }
            let Some((_, index)) = next else { return };
            let Some(due) = self.tasks.get_mut(index).and_then(|task| task.timeline.pop_front()) else {
                return;
            };
            self.apply_due(index, due);
        }
    }

    fn apply_due(&mut self, index: usize, due: Due) {
        for effect in due.effects {
            self.effect(index, due.at, effect);
        }
        if let (Some(state), Some(task)) = (due.state, self.tasks.get_mut(index)) {
            task.enter(&state, due.at);
        }
        self.follow_task(index, due.at);
    }

    fn effect(&mut self, index: usize, at: Moment, effect: Effect) {
        let session_id = matches!(effect, Effect::Session | Effect::Steer(_)).then(|| self.next_id());
        if let Effect::Pull(how) = &effect {
            self.pull_by_task(index, at, how);
        }
        let steered = if let Effect::Steer(prompt) = &effect { Some(prompt.clone()) } else { None };
        let Some(task) = self.tasks.get_mut(index) else {
            return;
        };
        task.updated = at;
        let first_pull = task.pulls.first().map(|link| link.index);
        let pull = first_pull.and_then(|at| self.pulls.get_mut(at));
        match (effect, pull) {
            (Effect::Branch, _) => {
                task.branch_made = true;
                let (name, head) = (task.repository.clone(), task.head.clone());
                self.add_branch(&name, head);
            }
            (Effect::Ready, Some(pull)) => {
                pull.draft = false;
                pull.ready = Some(at);
                pull.updated = at;
            }
            (Effect::Push(content), Some(pull)) => pull.push(content, at),
            (Effect::Merge, Some(pull)) => pull.merge(at),
            (Effect::Close, Some(pull)) => pull.close(at),
            (Effect::Pull(_) | Effect::Ready | Effect::Push(_) | Effect::Merge | Effect::Close, _) => {}
            (Effect::Error(message), _) => {
                if let Some(session) = task.sessions.last_mut() {
                    session.error = Some(message);
                }
            }
            (Effect::Usage(nano), _) => {
                if let Some(session) = task.sessions.last_mut() {
                    session.usage = Some(Usage::Credits(nano));
                }
            }
            (Effect::PremiumRequests(amount), _) => {
                if let Some(session) = task.sessions.last_mut() {
                    session.usage = Some(Usage::Premium(amount));
                }
            }
            (Effect::Ask(question), _) => {
                task.question = Some(question);
                task.enter("waiting_for_user", at);
            }
            (Effect::Session | Effect::Steer(_), _) => {
                task.sessions.push(Session {
                    id: session_id.unwrap_or_default(),
                    prompt: steered.unwrap_or_else(|| task.prompt.clone()),
                    state: "queued".to_owned(),
                    created: at,
                    updated: at,
                    completed: None,
                    error: None,
                    usage: None,
                });
                task.enter("queued", at);
            }
            (Effect::ForgetSessions, _) => task.sessions.clear(),
            (Effect::Artifact(kind), _) => task.extra_artifacts.push(kind),
            (Effect::Rename(name), _) => task.new_name = Some(name),
            (Effect::Archive, _) => task.archived = Some(at),
        }
    }

    fn pull_by_task(&mut self, index: usize, at: Moment, how: &OpenPull) {
        let Some(task) = self.tasks.get_mut(index) else {
            return;
        };
        task.branch_made = true;
        let (repository, head, base) = (task.repository.clone(), task.head.clone(), task.base.clone());
        let follows = task.follows.take();
        let followed = follows.is_some();
        let title = format!("[WIP] {}", task.first_name());
        let opens = task.wants_pull || how.unasked;
        self.add_branch(&repository, head.clone());
        let pull_index = match follows {
            Some(pull_index) => pull_index,
            None if opens => self.open_pull(&repository, &head, &base, &title, how.draft, at),
            None => return,
        };
        if let (Some(content), Some(pull)) = (how.content.clone(), self.pulls.get_mut(pull_index)) {
            if followed {
                pull.push(content, at);
            } else {
                pull.content = content;
            }
        }
        let lag = how.artifact_lag.unwrap_or(self.settings.artifact_lag);
        let visible = at.plus(self.settings.scaled(lag));
        let global_id = how.global_id.unwrap_or(self.settings.global_id);
        if let Some(task) = self.tasks.get_mut(index) {
            task.pulls.push(PullLink { index: pull_index, visible, global_id });
        }
    }

    fn add_branch(&mut self, repository: &str, branch: String) {
        if let Some(record) = self.repositories.get_mut(repository)
            && !record.spec.has_branch(&branch)
        {
            record.spec.branches.push(branch);
        }
    }

    /// Opens a pull request and returns its place in the list.
    pub(crate) fn open_pull(
        &mut self,
        repository: &str,
        head: &str,
        base: &str,
        title: &str,
        draft: bool,
        at: Moment,
    ) -> usize {
        // The steps are uneven, so that one id cannot be guessed from another.
        let id = FIRST_PULL_ID + 7_919 * self.pulls.len() as u64;
        let record = self.repository_or_new(repository);
        let number = record.spec.next_pull_number;
        record.spec.next_pull_number += 1;
        let node_id = node_id("PR", record.id, id);
        let ordinal = self.pulls.len() as u64;
        self.pulls.push(Pull {
            ordinal,
            repository: key(repository),
            number,
            id,
            node_id,
            title: title.to_owned(),
            author: if draft { "Copilot".to_owned() } else { "octocat".to_owned() },
            head: head.to_owned(),
            base: base.to_owned(),
            draft,
            opened: at,
            updated: at,
            closed: None,
            merged: None,
            ready: (!draft).then_some(at),
            pushed: at,
            pushes: 0,
            content: PullContent::default(),
        });
        self.pulls.len() - 1
    }

    /// What the API shows of a task.
    pub(crate) fn show(&self, task: &Task, depth: Depth, now: Moment, base_url: &str) -> Value {
        let record = self.repositories.get(&task.repository);
        let context = ViewContext {
            now,
            clock: self.clock,
            settings: &self.settings,
            pulls: &self.pulls,
            base_url,
            repository_name: record.map_or(&task.repository, |record| &record.name),
            repository_id: record.map_or(0, |record| record.id),
            owner_id: record.map_or(0, |record| record.owner_id),
        };
        task.show(depth, &context)
    }

    pub(crate) fn task_views(&self) -> Vec<TaskView> {
        self.tasks
            .iter()
            .map(|task| TaskView {
                id: task.id.clone(),
                repository: self.name_of(&task.repository),
                creator: task.creator.unwrap_or_default(),
                prompt: task.prompt.clone(),
                body: task.body.clone(),
                state: task.state.clone(),
                created_at: task.created.elapsed(),
                head: task.branch_made.then(|| task.head.clone()),
                pull: task.pulls.first().and_then(|link| self.pulls.get(link.index)).map(|pull| pull.number),
                question: task.question.clone(),
            })
            .collect()
    }

    pub(crate) fn pull_views(&self) -> Vec<PullView> {
        self.pulls
            .iter()
            .map(|pull| PullView {
                repository: self.name_of(&pull.repository),
                number: pull.number,
                id: pull.id,
                node_id: pull.node_id.clone(),
                head: pull.head.clone(),
                head_sha: pull.head_sha(),
                base: pull.base.clone(),
                open: pull.is_open(),
                merged: pull.merged.is_some(),
                draft: pull.draft,
            })
            .collect()
    }

    /// A repository's name as it was given.
    pub(crate) fn name_of(&self, key: &str) -> String {
        self.repositories.get(key).map_or_else(|| key.to_owned(), |record| record.name.clone())
    }
}

/// The owner in `owner/name`.
pub(crate) fn owner_of(name: &str) -> &str {
    name.split('/').next().unwrap_or_default()
}

/// The same id for all repositories of an owner.
pub(crate) fn owner_id(owner: &str) -> u64 {
    let mixed =
        owner.bytes().map(|byte| u64::from(byte.to_ascii_lowercase())).fold(0, |sum: u64, byte| split_mix(sum ^ byte));
    1_000_000 + mixed % 9_000_000
}

/// The SplitMix64 step: ids that look like chance and are the same in every run.
pub(crate) fn split_mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
