//! An agent task in the answers of the API.
//!
//! The answers differ from their documentation in many places. So these types hold only what is read, and a field that
//! is missing or has an unexpected type counts as absent. Only `id` and `state` are required, as
//! <https://docs.github.com/en/rest/agent-tasks/agent-tasks> does.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::order::sorted;
use crate::text::cut;

/// How much of a state, a branch's or a model's name is kept, in characters. All known ones are shorter. They go into
/// outputs and the summary, which GitHub drops when they grow too large.
const MAX_WORD: usize = 256;
/// The same for a session's error.
const MAX_ERROR: usize = 8192;
/// The longest address that is taken for a link, in bytes.
const MAX_ADDRESS: usize = 2048;

/// What identifies a task. GitHub gives out UUIDs today; nothing relies on that.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TaskId(String);

/// Why a text cannot be a task's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not a task id; copy the `task-id` output of the step that started the task, for example `a1b2c3d4-e5f6-7890-abcd-ef1234567890`"
)]
pub struct TaskIdError;
/// The longest id that is accepted; a UUID has 36 characters.
const MAX_ID: usize = 128;

impl TaskId {
    /// Reads an id.
    ///
    /// # Errors
    /// If the text is empty or has a character that would lead to another address in a URL.
    pub fn parse(text: &str) -> Result<Self, TaskIdError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '=' | '~');
        if text.is_empty() || text.len() > MAX_ID || !text.chars().all(fits) || text.chars().all(|c| c == '.') {
            return Err(TaskIdError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The id as GitHub writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|why| serde::de::Error::custom(format!("`{text}` {why}")))
    }
}

/// The state of a task or of one of its sessions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum State {
    /// Waiting for a machine.
    Queued,
    /// The agent is at work.
    InProgress,
    /// The agent has ended its work. There may be no commit and no pull request.
    Completed,
    /// The agent gave up, or something failed under it.
    Failed,
    /// The session is open and nothing runs in it.
    Idle,
    /// The agent has asked its user something.
    WaitingForUser,
    /// GitHub's own time limit for a session has passed.
    TimedOut,
    /// It was stopped.
    Cancelled,
    /// A state that this version does not know; it counts as running.
    Unknown(String),
}

/// The states of a task that has not settled, for the API's filter. A state that this version does not know is not among
/// them.
pub const UNSETTLED: &str = "queued,in_progress,idle,waiting_for_user";

/// What a state means for a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It continues by itself.
    Running,
    /// It continues only when a person acts in the browser: the API cannot answer an agent.
    NeedsPerson,
    /// It has ended. A person can still open another session later, which is not waited for.
    Settled,
}

impl State {
    /// What the state means for a wait.
    pub fn phase(&self) -> Phase {
        match self {
            Self::Queued | Self::InProgress | Self::Unknown(_) => Phase::Running,
            Self::Idle | Self::WaitingForUser => Phase::NeedsPerson,
            Self::Completed | Self::Failed | Self::TimedOut | Self::Cancelled => Phase::Settled,
        }
    }

    /// The API's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Idle => "idle",
            Self::WaitingForUser => "waiting_for_user",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Unknown(word) => word,
        }
    }
}

impl From<&str> for State {
    fn from(word: &str) -> Self {
        match word {
            "queued" => Self::Queued,
            "in_progress" => Self::InProgress,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "idle" => Self::Idle,
            "waiting_for_user" => Self::WaitingForUser,
            "timed_out" => Self::TimedOut,
            "cancelled" => Self::Cancelled,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|word| Self::from(cut(&word, MAX_WORD).as_str()))
    }
}

/// One task.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Task {
    /// What identifies it.
    pub id: TaskId,
    /// Its state, which GitHub derives from the newest session.
    pub state: State,
    /// When it was created.
    #[serde(default, deserialize_with = "timestamp")]
    pub created_at: Option<Timestamp>,
    /// When GitHub answered with it, by GitHub's clock.
    #[serde(skip)]
    pub(super) seen_at: Option<Timestamp>,
    /// When it last changed.
    #[serde(default, deserialize_with = "timestamp")]
    pub updated_at: Option<Timestamp>,
    /// What GitHub calls it, made from the prompt.
    #[serde(default, deserialize_with = "text_unless_empty")]
    pub name: Option<String>,
    /// The repository that it runs in.
    #[serde(default, rename = "repository", deserialize_with = "repository_id")]
    pub repository_id: Option<u64>,
    /// Who created it.
    #[serde(default, deserialize_with = "absent_unless_it_fits")]
    creator: Option<Creator>,
    #[serde(default, deserialize_with = "absent_unless_it_fits")]
    creator_type: Option<String>,
    /// The page where a person can see and stop it. It has had several forms, so it is passed on and never built.
    #[serde(default, deserialize_with = "web_address")]
    pub html_url: Option<String>,
    /// What it made so far.
    #[serde(default, deserialize_with = "each_that_fits")]
    pub artifacts: Vec<Artifact>,
    /// Its sessions, oldest first. Lists leave them out, and so does a task that has just been queued.
    #[serde(default, deserialize_with = "oldest_first")]
    pub sessions: Vec<Session>,
    /// The custom agent that works on it.
    #[serde(default, deserialize_with = "absent_unless_it_fits")]
    pub custom_agent: Option<CustomAgent>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Creator {
    id: u64,
}

/// A custom agent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CustomAgent {
    /// The name of its file without the extension.
    pub id: String,
}

/// Something that a task made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Artifact {
    /// A pull request. Neither field is the number that people know it by.
    Pull {
        /// The row in GitHub's database.
        database_id: Option<u64>,
        /// The id in GitHub's GraphQL API.
        node_id: Option<String>,
    },
    /// A branch with the agent's commits.
    Branch {
        /// The branch itself.
        head_ref: Option<String>,
        /// The branch it is meant for.
        base_ref: Option<String>,
    },
    /// A kind that this version does not know; kept so that one new kind does not hide the others.
    Other,
}

impl<'de> Deserialize<'de> for Artifact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let data = &value["data"];
        let text = |key: &str| data[key].as_str().filter(|text| !text.is_empty()).map(|text| cut(text, MAX_WORD));
        Ok(match value["type"].as_str() {
            Some("pull") => Self::Pull { database_id: data["id"].as_u64(), node_id: text("global_id") },
            Some("branch") => Self::Branch { head_ref: text("head_ref"), base_ref: text("base_ref") },
            _ => Self::Other,
        })
    }
}

/// A session of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Session {
    /// What identifies it: `agent_session_id` in the enterprise's audit log.
    #[serde(default, deserialize_with = "text_unless_empty")]
    pub id: Option<String>,
    /// When it was created.
    #[serde(default, deserialize_with = "timestamp")]
    pub created_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, deserialize_with = "timestamp")]
    pub completed_at: Option<Timestamp>,
    /// The prompt as it was sent. Unlike the task's name it is not rewritten.
    #[serde(default, deserialize_with = "absent_unless_it_fits")]
    pub prompt: Option<String>,
    /// The branch that the agent commits to.
    #[serde(default, deserialize_with = "text_unless_empty")]
    pub head_ref: Option<String>,
    /// The branch it started from.
    #[serde(default, deserialize_with = "text_unless_empty")]
    pub base_ref: Option<String>,
    /// The model, in the API's spelling; see [`Session::model_name`].
    #[serde(default, deserialize_with = "text_unless_empty")]
    pub model: Option<String>,
    /// Why it failed.
    #[serde(default, deserialize_with = "absent_unless_it_fits")]
    pub error: Option<SessionError>,
    /// What it cost.
    #[serde(default, deserialize_with = "absent_unless_it_fits")]
    pub usage: Option<Usage>,
}

/// Why a session failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionError {
    /// GitHub's message.
    pub message: String,
}

impl<'de> Deserialize<'de> for SessionError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let message = value["message"].as_str().ok_or_else(|| serde::de::Error::missing_field("message"))?;
        Ok(Self { message: cut(message, MAX_ERROR) })
    }
}

/// What a session cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// `ai_credits`, or `premium_requests` for sessions before June 2026.
    pub unit: String,
    /// For `ai_credits` in billionths of a credit.
    pub amount: Option<u64>,
}

impl<'de> Deserialize<'de> for Usage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let unit = value["type"].as_str().ok_or_else(|| serde::de::Error::missing_field("type"))?;
        // Documented as `amount`; answers have had it as `credits`, and may have both while that changes.
        let amount = whole(&value["amount"]).or_else(|| whole(&value["credits"]));
        Ok(Self { unit: cut(unit, MAX_WORD), amount })
    }
}

/// A count that may be written as a decimal number, or as the text of one: `403451775000.0`.
fn whole(value: &Value) -> Option<u64> {
    let read = || value.as_str()?.trim().parse::<f64>().ok().filter(|amount| amount.is_finite());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number is not negative, and a larger one than fits is as good as the largest"
    )]
    let rounded = || value.as_f64().or_else(read).filter(|amount| *amount >= 0.0).map(|amount| amount.round() as u64);
    value.as_u64().or_else(rounded)
}

impl Session {
    /// The model's name without the namespace that GitHub puts before it: `sweagent-capi:gpt-5.4` is `gpt-5.4`.
    /// `Auto: GPT-5.4` stays: there the first word says who chose.
    pub fn model_name(&self) -> Option<&str> {
        let model = self.model.as_deref()?;
        match model.rsplit_once(':') {
            Some((_, name)) if !name.is_empty() && !name.starts_with(' ') => Some(name),
            _ => Some(model),
        }
    }
}

/// A billionth of an AI credit is the unit of [`Usage::amount`], <https://docs.github.com/en/rest/agent-tasks/agent-tasks>.
const NANO_CREDITS: u64 = 1_000_000_000;

impl Task {
    /// The id of the user who created it; `None` if the answer does not say, or where an organization, an app or a bot
    /// created it.
    pub fn user(&self) -> Option<u64> {
        let kind = self.creator_type.as_deref().unwrap_or_default();
        let is_user = kind.is_empty() || kind.eq_ignore_ascii_case("user");
        self.creator.as_ref().filter(|_| is_user).map(|creator| creator.id)
    }

    /// Fills in what a list or an early answer leaves out, from an earlier answer about the same task.
    pub fn complete_from(&mut self, before: &Self) {
        if self.sessions.is_empty() {
            self.sessions.clone_from(&before.sessions);
        }
        if self.html_url.is_none() {
            self.html_url.clone_from(&before.html_url);
        }
    }

    /// Whether it was created by the user with this id; `None` if the answer does not say who created it. The kind of
    /// creator is spelled in several ways and does not matter: users, organizations and bots share their ids.
    pub fn is_created_by(&self, user: u64) -> Option<bool> {
        self.creator.as_ref().map(|creator| creator.id == user)
    }

    /// The prompt that it was started with: that of the first session. Later ones are from people who steer it. `None`
    /// where GitHub does not show it.
    pub fn prompt(&self) -> Option<&str> {
        self.sessions.first()?.prompt.as_deref()
    }

    /// The page where a person can see it, or an empty text.
    pub fn link(&self) -> &str {
        self.html_url.as_deref().unwrap_or_default()
    }

    /// How old it was when GitHub answered; `None` if the answer does not say.
    pub fn age(&self) -> Option<Duration> {
        let age = self.seen_at?.duration_since(self.created_at?);
        Some(Duration::try_from(age).unwrap_or_default())
    }

    /// Whether its sessions together used more than so many AI credits.
    pub fn has_used_more_than(&self, credits: NonZeroU64) -> bool {
        self.nano_credits().is_some_and(|used| used > credits.get().saturating_mul(NANO_CREDITS))
    }

    /// The AI credits of all sessions together, in billionths; `None` if no session says, which is not zero.
    pub fn nano_credits(&self) -> Option<u64> {
        let usages = self.sessions.iter().filter_map(|session| session.usage.as_ref());
        let amounts = usages.filter(|usage| usage.unit == "ai_credits").filter_map(|usage| usage.amount);
        amounts.reduce(u64::saturating_add)
    }

    /// The AI credits of all sessions together, with one decimal, as GitHub asks clients to round: the sum first.
    /// `None` if no session says, which is not zero.
    pub fn credits(&self) -> Option<String> {
        let tenths = self.nano_credits()?.saturating_add(NANO_CREDITS / 20) / (NANO_CREDITS / 10);
        Some(format!("{}.{}", tenths / 10, tenths % 10))
    }

    /// What identifies its sessions, oldest first.
    pub fn session_ids(&self) -> Vec<&str> {
        self.sessions.iter().filter_map(|session| session.id.as_deref()).collect()
    }

    /// The newest error message that a session carries.
    pub fn error_message(&self) -> Option<&str> {
        self.newest(|session| session.error.as_ref().map(|error| error.message.as_str()))
    }

    /// The model of the newest session that names one.
    pub fn model(&self) -> Option<&str> {
        self.newest(Session::model_name)
    }

    /// The branch that the agent commits to: the branch artifact's, or else the newest session's.
    pub fn head_ref(&self) -> Option<&str> {
        self.branch(|head, _| head).or_else(|| self.newest(|session| session.head_ref.as_deref()))
    }

    /// The branch that the work is meant for, found as [`Task::head_ref`] is.
    pub fn base_ref(&self) -> Option<&str> {
        self.branch(|_, base| base).or_else(|| self.newest(|session| session.base_ref.as_deref()))
    }

    fn branch<'a>(&'a self, choose: impl Fn(Option<&'a str>, Option<&'a str>) -> Option<&'a str>) -> Option<&'a str> {
        self.artifacts.iter().rev().find_map(|artifact| match artifact {
            Artifact::Branch { head_ref, base_ref } => choose(head_ref.as_deref(), base_ref.as_deref()),
            _ => None,
        })
    }

    fn newest<'a, T>(&'a self, field: impl Fn(&'a Session) -> Option<T>) -> Option<T> {
        self.sessions.iter().rev().find_map(field)
    }

    /// Where GitHub did something other than it was asked to, a sentence each. GitHub accepts some fields and ignores
    /// them: a custom agent that it does not find, a head ref without an open pull request. Fields that the answer lacks
    /// are not compared.
    pub fn departures(&self, asked: &NewTask) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, asked: Option<&str>, got: Option<&str>, hint: &str| {
            if let (Some(asked), Some(got)) = (asked, got)
                && asked != got
            {
                found.push(format!("asked for {what} `{asked}`, but GitHub took `{got}`{hint}"));
            }
        };
        // Models are compared by their names alone and without regard to case: the answer is for people to read.
        let same_model = |a: &str, b: &str| b.trim_start_matches("Auto: ").eq_ignore_ascii_case(a);
        if let (Some(asked), Some(got)) = (asked.model.as_deref(), self.model())
            && !same_model(asked, got)
        {
            compare("model", Some(asked), Some(got), "");
        }
        let no_pull = ": it commits to an existing branch only where that has an open pull request onto the base ref";
        compare("head ref", asked.head_ref.as_deref(), self.head_ref(), no_pull);
        compare("base ref", asked.base_ref.as_deref(), self.base_ref(), "");
        let agent = self.custom_agent.as_ref().map(|agent| agent.id.as_str());
        compare("custom agent", asked.custom_agent.as_deref(), agent, "");
        if let (Some(asked), None, false) = (&asked.custom_agent, agent, self.sessions.is_empty()) {
            found.push(format!(
                "asked for custom agent `{asked}`, but the task names none: GitHub runs without an agent that it \
                 does not find as `.github/agents/{asked}.agent.md` on the base ref"
            ));
        }
        found
    }
}

/// The body of the request that starts a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewTask {
    /// The agent's instructions.
    pub prompt: String,
    /// The model; absent lets GitHub choose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The custom agent's file name without its extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_agent: Option<String>,
    /// Whether the agent opens a pull request. Always sent: GitHub was seen to open one where the field was left
    /// out, although its documentation says the default is `false`.
    pub create_pull_request: bool,
    /// The branch to start from; absent means the repository's default branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_ref: Option<String>,
    /// An existing pull request's branch to commit to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_ref: Option<String>,
}

impl NewTask {
    /// The same without its prompt, which can be long and is needed for sending only.
    pub fn without_prompt(&self) -> Self {
        let Self { prompt: _, model, custom_agent, create_pull_request, base_ref, head_ref } = self;
        Self {
            prompt: String::new(),
            model: model.clone(),
            custom_agent: custom_agent.clone(),
            create_pull_request: *create_pull_request,
            base_ref: base_ref.clone(),
            head_ref: head_ref.clone(),
        }
    }
}

fn absent_unless_it_fits<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(T::deserialize(Value::deserialize(deserializer)?).ok())
}

fn text_unless_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = absent_unless_it_fits(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()).map(|text| cut(&text, MAX_WORD)))
}

fn each_that_fits<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let items: Option<Vec<Value>> = absent_unless_it_fits(deserializer)?;
    Ok(items.unwrap_or_default().into_iter().filter_map(|item| T::deserialize(item).ok()).collect())
}

/// A repository is an object with an id, or the bare id.
fn repository_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value["id"].as_u64().or(value.as_u64()))
}

/// The order of sessions is not documented, and both were seen.
fn oldest_first<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Session>, D::Error> {
    let sessions: Vec<Session> = each_that_fits(deserializer)?;
    Ok(match sessions.iter().all(|session| session.created_at.is_some()) {
        true => sorted(sessions, &|a, b| a.created_at.cmp(&b.created_at)),
        false => sessions,
    })
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(absent_unless_it_fits(deserializer)?.and_then(|text: String| text.parse().ok()))
}

/// The address is shown as a link, so it must be one of a web page.
fn web_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let fits = |text: &String| {
        (text.starts_with("https://") || text.starts_with("http://"))
            && text.len() <= MAX_ADDRESS
            && text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"' | '(' | ')' | '`' | '|'))
    };
    Ok(absent_unless_it_fits(deserializer)?.filter(fits))
}

/// A custom agent's name: that of its file in `.github/agents`, without the extension.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn agent_name(text: &str) -> Result<String, String> {
    let bare = text.rsplit('/').next().unwrap_or(text).trim_end_matches(".md").trim_end_matches(".agent");
    if bare != text || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let bare = bare.split_whitespace().collect::<Vec<_>>().join("-");
        return Err(format!(
            "is not the agent's name; write its file's name without folder and extension, such as `{bare}`"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn task(value: Value) -> Task {
        serde_json::from_value(value).unwrap()
    }

    fn asked() -> NewTask {
        NewTask {
            prompt: "x".to_owned(),
            model: None,
            custom_agent: None,
            create_pull_request: false,
            base_ref: None,
            head_ref: None,
        }
    }

    #[test]
    fn task_needs_id_and_state_only() {
        let read = task(json!({"id": "t-1", "state": "queued"}));
        assert_eq!(read.state, State::Queued);
        assert_eq!((read.link(), read.credits(), read.head_ref()), ("", None, None));
        assert!(serde_json::from_value::<Task>(json!({"state": "queued"})).is_err());
        assert!(serde_json::from_value::<Task>(json!({"id": "", "state": "queued"})).is_err());
        assert!(serde_json::from_value::<Task>(json!({"id": "../x", "state": "queued"})).is_err());
    }

    #[test]
    fn task_ignores_fields_of_another_shape() {
        let read = task(json!({
            "id": "t-1", "state": "in_progress", "created_at": 17, "html_url": {"href": "x"},
            "repository": 999, "creator": null, "session_count": "many", "custom_agent": "plain",
            "artifacts": [
                7,
                {"provider": "github", "type": "pull", "data": {}},
                {"provider": "github", "type": "pull", "data": {"id": 4_200_000_001_u64, "global_id": ""}},
                {"provider": "github", "type": "github_resource", "data": {"type": "pull", "id": 3}},
                {"provider": "github", "type": "branch", "data": {"head_ref": "copilot/a", "base_ref": "main"}}
            ],
            "sessions": [{"error": "plain", "usage": {"type": "ai_credits"}, "head_ref": "", "prompt": 1}, "odd"],
            "remote_steerable": true
        }));
        assert_eq!(
            read.artifacts,
            [
                Artifact::Other,
                Artifact::Pull { database_id: None, node_id: None },
                Artifact::Pull { database_id: Some(4_200_000_001), node_id: None },
                Artifact::Other,
                Artifact::Branch { head_ref: Some("copilot/a".to_owned()), base_ref: Some("main".to_owned()) },
            ]
        );
        assert_eq!(read.sessions.len(), 1);
        assert_eq!((read.custom_agent.is_none(), read.error_message(), read.credits()), (true, None, None));
        assert_eq!((read.head_ref(), read.base_ref()), (Some("copilot/a"), Some("main")));
        assert!(task(json!({"id": "t", "state": "idle", "artifacts": null, "sessions": {}})).sessions.is_empty());
    }

    #[test]
    fn state_unknown_counts_as_running() {
        let words = [
            ("queued", Phase::Running),
            ("in_progress", Phase::Running),
            ("idle", Phase::NeedsPerson),
            ("waiting_for_user", Phase::NeedsPerson),
            ("completed", Phase::Settled),
            ("failed", Phase::Settled),
            ("timed_out", Phase::Settled),
            ("cancelled", Phase::Settled),
            ("paused_for_review", Phase::Running),
        ];
        for (word, phase) in words {
            let state = State::from(word);
            assert_eq!((state.as_str(), state.phase()), (word, phase));
        }
    }

    #[test]
    fn credits_are_summed_before_rounding() {
        let read = task(json!({"id": "t", "state": "completed", "sessions": [
            {"usage": {"type": "ai_credits", "amount": 1_240_000_000_u64}},
            {"usage": {"type": "ai_credits", "credits": 2_230_000_000_u64}},
            {"usage": {"type": "premium_requests", "amount": 1}}
        ]}));
        assert_eq!(read.credits().as_deref(), Some("3.5"));
        let decimal = r#"{"id": "t", "state": "completed", "sessions": [
            {"usage": {"type": "ai_credits", "amount": 403451775000.0}},
            {"usage": {"type": "ai_credits", "credits": "1.0e9"}},
            {"usage": {"type": "ai_credits", "amount": -1.0}}
        ]}"#;
        assert_eq!(serde_json::from_str::<Task>(decimal).unwrap().credits().as_deref(), Some("404.5"));
        let old = task(json!({"id": "t", "state": "completed", "sessions": [
            {"usage": {"type": "premium_requests", "amount": 1.5}}
        ]}));
        assert_eq!(old.credits(), None);
    }

    #[test]
    fn model_name_drops_the_namespace() {
        for (actual, name) in [
            ("sweagent-capi:gpt-5.4", "gpt-5.4"),
            ("Auto: GPT-5.4", "Auto: GPT-5.4"),
            ("claude-sonnet-4.6", "claude-sonnet-4.6"),
        ] {
            let session = Session { model: Some(actual.to_owned()), ..Session::default() };
            assert_eq!(session.model_name(), Some(name));
        }
    }

    #[test]
    fn departures_name_each_difference() {
        let read = task(json!({"id": "t", "state": "in_progress", "sessions": [
            {"model": "sweagent-capi:gpt-5.4", "head_ref": "copilot/new", "base_ref": "main"}
        ]}));
        let asked = NewTask {
            model: Some("claude-opus-4.6".to_owned()),
            head_ref: Some("copilot/old".to_owned()),
            base_ref: Some("main".to_owned()),
            custom_agent: Some("releaser".to_owned()),
            ..asked()
        };
        let actual = read.departures(&asked);
        assert_eq!(actual.len(), 3, "{actual:?}");
        assert!(actual[0].contains("asked for model `claude-opus-4.6`, but GitHub took `gpt-5.4`"));
        assert!(actual[1].contains("head ref `copilot/old`"));
        assert!(actual[2].contains("`.github/agents/releaser.agent.md`"));
        let stub = task(json!({"id": "t", "state": "queued"}));
        assert!(stub.departures(&asked).is_empty());
    }

    #[test]
    fn new_task_always_sends_create_pull_request() {
        let body = serde_json::to_string(&asked()).unwrap();
        assert_eq!(body, r#"{"prompt":"x","create_pull_request":false}"#);
    }

    #[test]
    fn link_is_a_web_address() {
        for (address, taken) in [
            ("https://github.com/octo/app/tasks/1", true),
            ("javascript:alert(1)", false),
            ("https://x/ y", false),
            ("https://x/<b>", false),
        ] {
            let read = task(json!({"id": "t", "state": "queued", "html_url": address}));
            assert_eq!(read.html_url.is_some(), taken, "{address}");
        }
    }

    #[test]
    fn task_cuts_long_texts() {
        let huge = "x".repeat(1024 * 1024);
        let read = task(json!({"id": "t", "state": huge, "html_url": format!("https://github.com/{huge}"),
            "artifacts": [{"type": "branch", "data": {"head_ref": huge, "base_ref": huge}}],
            "sessions": [{"error": {"message": huge}, "model": huge, "usage": {"type": "ai_credits", "amount": 1.5, "credits": 2}}]}));
        let long = |text: Option<&str>| text.map(|text| text.chars().count());
        assert_eq!(read.state.as_str().chars().count(), MAX_WORD);
        assert_eq!((long(read.head_ref()), long(read.model())), (Some(MAX_WORD), Some(MAX_WORD)));
        assert_eq!((long(read.error_message()), read.html_url.is_none()), (Some(MAX_ERROR), true));
        assert_eq!(read.credits().as_deref(), Some("0.0"));
    }

    #[test]
    fn creator_is_found_by_id_however_the_kind_is_spelled() {
        for kind in [json!(null), json!("user"), json!("User"), json!(""), json!("Bot"), json!("app"), json!(7)] {
            for (creator, expected) in [
                (json!({"id": 1}), Some(true)),
                (json!({"id": 2}), Some(false)),
                (json!(null), None),
                (json!({"id": "1"}), None),
            ] {
                let read = task(json!({"id": "t", "state": "queued", "creator": creator, "creator_type": kind}));
                assert_eq!(read.is_created_by(1), expected, "{creator} {kind}");
            }
        }
    }

    #[test]
    fn prompt_is_that_of_the_oldest_session() {
        let session = |at: &str, prompt: &str| json!({"created_at": at, "prompt": prompt, "model": prompt});
        let (old, new) = (session("2026-11-01T00:00:00Z", "old"), session("2026-11-02T00:00:00Z", "new"));
        for sessions in [json!([old, new]), json!([new, old])] {
            let read = task(json!({"id": "t", "state": "queued", "sessions": sessions}));
            assert_eq!((read.prompt(), read.model()), (Some("old"), Some("new")));
        }
        let hidden = task(json!({"id": "t", "state": "queued", "sessions": [{"model": "m"}, {"prompt": "steered"}]}));
        assert_eq!(hidden.prompt(), None);
    }
}
