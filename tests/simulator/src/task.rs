//! A task, and what the API shows of it at a moment.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::clock::{Clock, Moment};
use crate::pull::{Pull, node_id};
use crate::script::{Effect, Script};
use crate::settings::{GlobalId, Settings, UsageKey};

/// A task as tests look at it: as it is, whatever the API shows.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskView {
    /// The id.
    pub id: String,
    /// `owner/name`.
    pub repository: String,
    /// The id of the person who started it.
    pub creator: u64,
    /// The prompt.
    pub prompt: String,
    /// The body that was sent.
    pub body: Value,
    /// The state it is in.
    pub state: String,
    /// How long after the simulator was made it was created (nothing, if before).
    pub created_at: Duration,
    /// The branch it works on, once there is one.
    pub head: Option<String>,
    /// The number of its first pull request.
    pub pull: Option<u64>,
    /// What it asked last.
    pub question: Option<String>,
}

/// What the API shows of a task, and to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// It is in lists, and can be read.
    #[default]
    Listed,
    /// It is in no list, and can be read by its id.
    Unlisted,
    /// Only its creator finds it; for others it is in no list, and its address answers 404.
    Private,
    /// It is in lists, and can be read, but without `sessions`.
    WithoutSessions,
    /// It is in lists, but its address answers 404.
    WithoutDetail,
}

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) prompt: String,
    pub(crate) state: String,
    pub(crate) created: Moment,
    pub(crate) updated: Moment,
    pub(crate) completed: Option<Moment>,
    pub(crate) error: Option<String>,
    pub(crate) usage: Option<Usage>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Usage {
    Credits(u64),
    Premium(f64),
}

#[derive(Clone, Debug)]
pub(crate) struct PullLink {
    /// The pull request's place in the world's list.
    pub(crate) index: usize,
    pub(crate) visible: Moment,
    pub(crate) global_id: GlobalId,
}

/// A step of the script, at the moment it is due.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) at: Moment,
    pub(crate) state: Option<String>,
    pub(crate) effects: Vec<Effect>,
}

#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// Counts the tasks of a simulator; the quirks go by it.
    pub(crate) ordinal: usize,
    pub(crate) id: String,
    /// The repository's key.
    pub(crate) repository: String,
    pub(crate) creator: Option<u64>,
    pub(crate) creator_type: Option<String>,
    pub(crate) visibility: Visibility,
    pub(crate) body: Value,
    pub(crate) prompt: String,
    pub(crate) custom_agent: Option<String>,
    pub(crate) created: Moment,
    pub(crate) updated: Moment,
    pub(crate) sessions: Vec<Session>,
    pub(crate) state: String,
    pub(crate) base: String,
    pub(crate) head: String,
    pub(crate) branch_made: bool,
    /// Whether a workflow run was begun since the task was last in progress.
    pub(crate) has_run: bool,
    /// Whether a pull request is to be opened when the script says so.
    pub(crate) wants_pull: bool,
    /// The open pull request whose branch this task works on.
    pub(crate) follows: Option<usize>,
    pub(crate) pulls: Vec<PullLink>,
    pub(crate) extra_artifacts: Vec<String>,
    pub(crate) new_name: Option<String>,
    pub(crate) question: Option<String>,
    pub(crate) archived: Option<Moment>,
    pub(crate) timeline: VecDeque<Due>,
}

/// How much of a task an endpoint shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The answer to a start.
    Stub,
    /// An entry of a list.
    Summary,
    /// All of it.
    Detail,
}

/// What is needed to show a task.
pub(crate) struct ViewContext<'a> {
    pub(crate) now: Moment,
    pub(crate) clock: Clock,
    pub(crate) settings: &'a Settings,
    pub(crate) pulls: &'a [Pull],
    pub(crate) base_url: &'a str,
    pub(crate) repository_name: &'a str,
    pub(crate) repository_id: u64,
    pub(crate) owner_id: u64,
}

/// Turns a script into moments.
pub(crate) fn timeline(script: Script, created: Moment, settings: &Settings) -> VecDeque<Due> {
    let mut last = created;
    script
        .steps
        .into_iter()
        .map(|step| {
            let at = match step.at {
                Some(at) => created.plus(settings.scaled(at)),
                None => last.plus(settings.scaled(step.after)),
            };
            // A step that is written to come before the one above it comes together with it.
            last = last.max(at);
            Due { at: last, state: step.state, effects: step.effects }
        })
        .collect()
}

/// Whether a session in this state has ended.
pub(crate) fn is_terminal(state: &str) -> bool {
    matches!(state, "completed" | "failed" | "timed_out" | "cancelled")
}

impl Task {
    pub(crate) fn enter(&mut self, state: &str, at: Moment) {
        state.clone_into(&mut self.state);
        self.updated = at;
        if let Some(session) = self.sessions.last_mut() {
            state.clone_into(&mut session.state);
            session.updated = at;
            session.completed = is_terminal(state).then_some(at);
        }
    }

    pub(crate) fn first_name(&self) -> String {
        let line = self.prompt.lines().find(|line| !line.trim().is_empty()).unwrap_or("Task");
        line.trim().chars().take(60).collect()
    }

    fn name(&self, now: Moment, settings: &Settings) -> String {
        if let Some(name) = &self.new_name {
            return name.clone();
        }
        let fresh = now < self.shows_sessions(settings);
        if fresh || !settings.renames {
            self.first_name()
        } else {
            format!("Working on: {}", self.first_name().to_lowercase())
        }
    }

    /// Whether this person finds it in lists.
    pub(crate) fn is_listed_for(&self, person: u64) -> bool {
        match self.visibility {
            Visibility::Unlisted => false,
            Visibility::Private => self.creator == Some(person),
            Visibility::Listed | Visibility::WithoutSessions | Visibility::WithoutDetail => true,
        }
    }

    /// Whether this person can read it by its id.
    pub(crate) fn is_readable_for(&self, person: u64) -> bool {
        match self.visibility {
            Visibility::WithoutDetail => false,
            Visibility::Private => self.creator == Some(person),
            Visibility::Listed | Visibility::Unlisted | Visibility::WithoutSessions => true,
        }
    }

    pub(crate) fn shows_in_detail(&self, settings: &Settings) -> Moment {
        self.created.plus(settings.scaled(settings.detail_lag))
    }

    pub(crate) fn shows_in_lists(&self, settings: &Settings) -> Moment {
        self.created.plus(settings.scaled(settings.list_lag))
    }

    fn shows_sessions(&self, settings: &Settings) -> Moment {
        self.created.plus(settings.scaled(settings.sessions_lag))
    }

    pub(crate) fn show(&self, depth: Depth, context: &ViewContext<'_>) -> Value {
        let settings = context.settings;
        let date = |at: Moment| Value::String(context.clock.rfc3339(at));
        let mut shown = Map::new();
        let mut put = |key: &str, value: Value| {
            shown.insert(key.to_owned(), value);
        };
        put("id", json!(self.id));
        put("created_at", date(self.created));
        if depth == Depth::Stub && settings.trimmed_stub {
            put("name", json!(self.first_name()));
            put("state", json!("queued"));
            put("session_count", json!(0));
            put("artifacts", json!([]));
            return Value::Object(shown);
        }

        put("name", json!(self.name(context.now, settings)));
        put("state", if depth == Depth::Stub { json!("queued") } else { json!(self.state) });
        put("updated_at", date(self.updated));
        put("archived_at", self.archived.map_or(Value::Null, date));
        if let Some(id) = self.creator {
            put("creator", json!({"id": id}));
        }
        if let Some(kind) = &self.creator_type {
            put("creator_type", json!(kind));
        }
        put("owner", json!({"id": context.owner_id}));
        put("repository", self.show_repository(context));
        put("session_count", json!(self.sessions.len()));
        put("artifacts", Value::Array(self.artifacts(context)));
        put("url", json!(format!("{}/agents/repos/{}/tasks/{}", context.base_url, context.repository_name, self.id)));
        if context.now >= self.created.plus(settings.scaled(settings.html_url_lag)) {
            let address = format!("https://github.com/{}/tasks/{}", context.repository_name, self.id);
            put("html_url", json!(address));
        }
        if let Some(agent) = &self.custom_agent {
            put("custom_agent", json!({"id": agent}));
        }
        if settings.unknown_fields {
            put("agent_collaborators", json!([{"agent_id": 1, "agent_type": "cloud"}]));
            put("remote_steerable", json!(true));
            put("sharing_status", json!("private"));
            put("automation_id", Value::Null);
        }
        if depth == Depth::Detail && self.visibility != Visibility::WithoutSessions {
            let ready = context.now >= self.shows_sessions(settings);
            let mut sessions: Vec<Value> =
                if ready { self.sessions.iter().map(|it| self.session(it, context)).collect() } else { Vec::new() };
            if settings.sessions_newest_first {
                sessions.reverse();
            }
            put("sessions", Value::Array(sessions));
        }
        Value::Object(shown)
    }

    fn show_repository(&self, context: &ViewContext<'_>) -> Value {
        if context.settings.bare_repository && self.ordinal % 2 == 1 {
            json!(context.repository_id)
        } else {
            json!({"id": context.repository_id})
        }
    }

    fn artifacts(&self, context: &ViewContext<'_>) -> Vec<Value> {
        let settings = context.settings;
        if self.state == "queued" && self.pulls.is_empty() {
            return if settings.placeholder && self.wants_pull {
                vec![json!({"provider": "github", "type": "pull", "data": {}})]
            } else {
                Vec::new()
            };
        }
        let mut artifacts = Vec::new();
        if settings.unknown_artifacts && self.branch_made {
            // Its id is that of no pull request: taking it for one leads nowhere.
            let id = 90_000_000_000 + self.ordinal as u64;
            let data = json!({"id": id, "type": "pull_request"});
            artifacts.push(json!({"provider": "github", "type": "github_resource", "data": data}));
        }
        for link in self.pulls.iter().filter(|link| link.visible <= context.now) {
            let Some(pull) = context.pulls.get(link.index) else {
                continue;
            };
            let mut data = Map::new();
            data.insert("id".to_owned(), json!(pull.id));
            let turn = match link.global_id {
                GlobalId::Alternate => [GlobalId::Present, GlobalId::Empty, GlobalId::Absent][self.ordinal % 3],
                fixed => fixed,
            };
            match turn {
                GlobalId::Empty => data.insert("global_id".to_owned(), json!("")),
                GlobalId::Absent => None,
                _ => data.insert("global_id".to_owned(), json!(pull.node_id)),
            };
            artifacts.push(json!({"provider": "github", "type": "pull", "data": data}));
        }
        if self.branch_made {
            let data = json!({"head_ref": self.head, "base_ref": self.base});
            artifacts.push(json!({"provider": "github", "type": "branch", "data": data}));
        }
        for kind in &self.extra_artifacts {
            let global_id = node_id("XX", context.repository_id, self.ordinal as u64);
            let data = json!({"id": 91_000_000_000_u64, "global_id": global_id});
            artifacts.push(json!({"provider": "github", "type": kind, "data": data}));
        }
        artifacts
    }

    fn session(&self, session: &Session, context: &ViewContext<'_>) -> Value {
        let settings = context.settings;
        let date = |at: Moment| Value::String(context.clock.rfc3339(at));
        let hidden = settings.empty_session_refs && (!self.branch_made || self.ordinal % 3 == 1);
        let mut shown = Map::new();
        let mut put = |key: &str, value: Value| {
            shown.insert(key.to_owned(), value);
        };
        put("id", json!(session.id));
        put("task_id", json!(self.id));
        put("name", json!(self.name(context.now, settings)));
        if let Some(id) = self.creator {
            put("user", json!({"id": id}));
        }
        put("owner", json!({"id": context.owner_id}));
        put("repository", self.show_repository(context));
        put("state", json!(session.state));
        put("created_at", date(session.created));
        put("updated_at", date(session.updated));
        put("prompt", json!(format!("{}{}", session.prompt, settings.prompt_suffix)));
        put("head_ref", json!(if hidden { "" } else { &self.head }));
        put("base_ref", json!(if hidden { "" } else { &self.base }));
        put("model", json!(self.model(settings)));
        if let Some(at) = session.completed
            && !(settings.missing_completed_at && self.ordinal % 3 == 2)
        {
            put("completed_at", date(at));
        }
        if let Some(message) = &session.error {
            put("error", json!({"message": message}));
        }
        match session.usage {
            Some(Usage::Credits(nano)) => {
                let key = match settings.usage_key {
                    UsageKey::Alternate => ["amount", "credits"][self.ordinal % 2],
                    UsageKey::Amount => "amount",
                    UsageKey::Credits => "credits",
                };
                #[expect(clippy::cast_precision_loss, reason = "a double is what the API promises")]
                let amount = if settings.decimal_usage { json!(nano as f64) } else { json!(nano) };
                put("usage", json!({"type": "ai_credits", key: amount}));
            }
            Some(Usage::Premium(amount)) => {
                put("usage", json!({"type": "premium_requests", "amount": amount}));
            }
            None => {}
        }
        if settings.unknown_fields {
            put("workflow_run_id", json!(12_000_000_000_u64 + self.ordinal as u64));
            put("resource_type", json!("pull"));
        }
        Value::Object(shown)
    }

    fn model(&self, settings: &Settings) -> String {
        match (self.body.get("model").and_then(Value::as_str), settings.namespaced_models) {
            (Some(model), true) => format!("sweagent-capi:{model}"),
            (Some(model), false) => model.to_owned(),
            (None, true) => "Auto: GPT-5.4".to_owned(),
            (None, false) => "gpt-5.4".to_owned(),
        }
    }
}
