//! The actor check: who caused the event of this run, and may that person start tasks?
//!
//! A comment, an issue or a pull request from a fork can come from anyone, and a task works with write access. So the
//! actor of such an event needs write access too, or a place in `allow-users` or `allow-bots`.

use std::fmt;

use serde_json::Value;

use crate::actions::context::Context;
use crate::github::answers::CollaboratorAccess;
use crate::github::repository::Repository;
use crate::text::{MAX_SHOWN_NAME, cut};

/// Who can cause an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Only people with write access, so no access is asked for.
    Insiders,
    /// Anyone, or an unknown group.
    Anybody,
    /// The people who can cause the run before it.
    RunBefore,
}

/// Every event that GitHub lists, and who can cause it,
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows>. One that is not
/// here counts as [`Trigger::Anybody`].
///
/// Who can do what: <https://docs.github.com/en/organizations/managing-user-access-to-your-organizations-repositories/managing-repository-roles/repository-roles-for-an-organization>.
/// Checks, deployments and statuses come from other services, for commits of a fork as well. A wiki can be open to
/// everybody. Labels of a repository are made by people with write access, while the event of an issue that gets one
/// is `issues`. A called workflow sees the event of its caller and never `workflow_call`.
pub const EVENTS: [(&str, Trigger); 34] = [
    ("branch_protection_rule", Trigger::Insiders),
    ("check_run", Trigger::Anybody),
    ("check_suite", Trigger::Anybody),
    ("create", Trigger::Insiders),
    ("delete", Trigger::Insiders),
    ("deployment", Trigger::Anybody),
    ("deployment_status", Trigger::Anybody),
    ("discussion", Trigger::Anybody),
    ("discussion_comment", Trigger::Anybody),
    ("fork", Trigger::Anybody),
    ("gollum", Trigger::Anybody),
    ("image_version", Trigger::Insiders),
    ("issue_comment", Trigger::Anybody),
    ("issues", Trigger::Anybody),
    ("label", Trigger::Insiders),
    ("merge_group", Trigger::Insiders),
    ("milestone", Trigger::Anybody),
    ("page_build", Trigger::Insiders),
    ("public", Trigger::Insiders),
    ("pull_request", Trigger::Anybody),
    ("pull_request_comment", Trigger::Anybody),
    ("pull_request_review", Trigger::Anybody),
    ("pull_request_review_comment", Trigger::Anybody),
    ("pull_request_target", Trigger::Anybody),
    ("push", Trigger::Insiders),
    ("registry_package", Trigger::Anybody),
    ("release", Trigger::Insiders),
    ("repository_dispatch", Trigger::Insiders),
    ("schedule", Trigger::Insiders),
    ("status", Trigger::Anybody),
    ("watch", Trigger::Anybody),
    ("workflow_call", Trigger::Anybody),
    ("workflow_dispatch", Trigger::Insiders),
    ("workflow_run", Trigger::RunBefore),
];

fn cause(event: &str) -> Trigger {
    EVENTS.iter().find(|(name, _)| *name == event).map_or(Trigger::Anybody, |(_, cause)| *cause)
}

/// Whom the user lets through without write access.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActorAllowlist {
    /// Logins of people.
    pub users: Vec<String>,
    /// Names of bots, without `[bot]`.
    pub bots: Vec<String>,
}

/// What is known before GitHub is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActorCheck {
    /// The start is allowed, for this reason.
    Open(String),
    /// GitHub has to be asked about these people, and each must have write access.
    Ask(AccessQuery),
    /// No start is allowed, for this reason and with this remedy.
    Shut(String),
}

/// What GitHub has to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessQuery {
    /// The repository that the event is of.
    pub repository: Repository,
    /// Each must have write access to it.
    pub people: Vec<Actor>,
    event: String,
}

/// A person or bot with a part in an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The login.
    pub login: String,
    id: Option<u64>,
    is_bot: bool,
    part: ActorRole,
}

/// The part that an actor had in an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ActorRole {
    Caused,
    RanAgain,
    CausedBefore,
}

impl fmt::Display for ActorRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Caused => "caused by",
            Self::RanAgain => "run again by",
            Self::CausedBefore => "after a run that was caused by",
        })
    }
}

impl Actor {
    fn named(login: &str, part: ActorRole) -> Self {
        // Only the name of a bot can have brackets in it.
        Self { login: login.to_owned(), id: None, is_bot: login.ends_with("[bot]"), part }
    }

    /// A user from the payload of an event.
    fn of(user: &Value, part: ActorRole) -> Option<Self> {
        let mut person = Self::named(user["login"].as_str().filter(|login| !login.is_empty())?, part);
        person.id = user["id"].as_u64();
        person.is_bot |= user["type"] == "Bot";
        Some(person)
    }

    fn is_among(&self, names: &[String]) -> bool {
        names.iter().any(|name| name.eq_ignore_ascii_case(bare(&self.login)))
    }
}

/// The name of a bot without the mark that GitHub puts after it.
pub fn bare(login: &str) -> &str {
    login.strip_suffix("[bot]").unwrap_or(login)
}

/// Reads the login of a person.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn user_login(text: &str) -> Result<String, String> {
    match text.strip_suffix("[bot]") {
        Some(_) => Err("is a bot; write it in allow-bots".to_owned()),
        None => login(text),
    }
}

/// Reads the name of a bot, with `[bot]` after it or without.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn bot_login(text: &str) -> Result<String, String> {
    login(bare(text))
}

fn login(text: &str) -> Result<String, String> {
    // Logins of managed users have an underscore before the short code of their enterprise.
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match !text.is_empty() && text.chars().all(fits) && !matches!(text, "true" | "false") {
        true => Ok(text.to_owned()),
        false => Err("is not a login; write it as in the address of the profile, without @".to_owned()),
    }
}

impl ActorCheck {
    /// Decides as far as that can be done without asking.
    pub fn of(context: &Context, allowed: &ActorAllowlist) -> Self {
        let name = context.property("event_name").unwrap_or_default();
        if name.is_empty() && context.property("run_id").is_none() {
            return Self::Open("outside a workflow run, the user of this program is trusted".to_owned());
        }
        let nothing = Value::Null;
        let payload = context.github().get("event").filter(|payload| payload.is_object()).unwrap_or(&nothing);
        let before = payload["workflow_run"]["event"].as_str().unwrap_or_default();
        let can_cause = match cause(name) {
            // A run after another `workflow_run` does not name the actor at the beginning.
            Trigger::RunBefore => cause(before),
            answer => answer,
        };
        let origin = origin(name, payload);
        if can_cause == Trigger::Insiders && origin != Origin::Fork {
            return Self::Open(match cause(name) {
                Trigger::RunBefore => format!("`{name}` after `{before}`, which takes write access"),
                _ => format!("`{name}`, which takes write access"),
            });
        }
        let event = match (name, origin) {
            ("", _) => "an event without a name".to_owned(),
            (name, Origin::Fork) => format!("`{}` about a fork", cut(name, MAX_SHOWN_NAME)),
            (name, _) => format!("`{}`", cut(name, MAX_SHOWN_NAME)),
        };
        // Without it nothing says whether a fork is behind the event, and an allowed bot could act for its owner.
        if !payload.is_object() {
            return Self::Shut(format!(
                "{event} has no event payload that can be read, and without it only events that take write access can \
                 start tasks; check the file that `GITHUB_EVENT_PATH` names"
            ));
        }
        let named = named(name, payload);
        if let Some((key, _)) = named.iter().find(|(_, person)| person.is_none()) {
            return Self::Shut(format!(
                "{event} has a payload that names no `{key}`, so the actor is unknown, and only events that take write \
                 access can start tasks; the account may be deleted, or the file that `GITHUB_EVENT_PATH` names is cut"
            ));
        }
        let people = people(context, named.into_iter().filter_map(|(_, person)| person));
        let mut unknown = Vec::new();
        for person in people {
            let why = match origin {
                Origin::Fork => Some("a bot acts for the owner of the fork"),
                Origin::Unknown => Some(
                    "the event does not say whether it is about a fork, where a bot acts for the owner of the fork",
                ),
                Origin::Own => None,
            };
            if let Some(why) = why.filter(|_| person.is_bot) {
                return Self::Shut(shut(&event, &person, why, &[]));
            }
            if person.is_among(if person.is_bot { &allowed.bots } else { &allowed.users }) {
                continue;
            }
            if person.is_bot {
                let remedy = format!("`allow-bots: {}`", bare(&person.login));
                return Self::Shut(shut(&event, &person, "a bot has no role", &[remedy]));
            }
            unknown.push(person);
        }
        if unknown.is_empty() {
            return Self::Open(format!("{event} by an actor in `allow-users` or `allow-bots`"));
        }
        match context.property("repository").map(str::parse) {
            Some(Ok(repository)) => Self::Ask(AccessQuery { repository, people: unknown, event }),
            _ => {
                Self::Shut(format!("{event} cannot be checked, because `GITHUB_REPOSITORY` does not name a repository"))
            }
        }
    }
}

impl fmt::Display for ActorCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(why) => write!(f, "passes: {why}"),
            Self::Shut(why) => write!(f, "refuses: {why}"),
            Self::Ask(AccessQuery { repository, people, event }) => {
                let logins = people.iter().map(|person| cut(&person.login, MAX_SHOWN_NAME)).collect::<Vec<_>>();
                write!(f, "{event}: passes if GitHub says that {} can write to {repository}", logins.join(" and "))
            }
        }
    }
}

impl AccessQuery {
    /// Whether the actor's access in GitHub lets the event start tasks.
    ///
    /// # Errors
    /// Why it does not, and what would.
    pub fn answered(&self, person: &Actor, access: &CollaboratorAccess) -> Result<(), String> {
        let (event, repository) = (&self.event, &self.repository);
        // A login can pass to another account; an id cannot.
        if person.id.is_some_and(|id| access.id.is_some_and(|other| other != id)) {
            return Err(shut(event, person, "the login belongs to another user now", &[]));
        }
        if access.may_write() {
            return Ok(());
        }
        let role = if access.role.is_empty() { &access.permission } else { &access.role };
        let role = cut(role, MAX_SHOWN_NAME);
        let why = format!("the role in {repository} is `{role}`, which cannot write");
        Err(shut(event, person, &why, &["write access".to_owned(), allow(person)]))
    }

    /// The refusal where no given token can read the access.
    pub fn unanswered(&self, person: &Actor, why: &str) -> String {
        let why = format!("the access of this actor to {} cannot be read: {why}", self.repository);
        let remedies = ["`lookup-token: ${{ github.token }}`, which may read it".to_owned(), allow(person)];
        shut(&self.event, person, &why, &remedies)
    }
}

fn allow(person: &Actor) -> String {
    format!("`allow-users: {}`", person.login)
}

/// A refusal in a sentence: the event, its actor and their role in it, the reason, and what would allow it.
fn shut(event: &str, person: &Actor, why: &str, remedies: &[String]) -> String {
    let remedies = match remedies {
        [] => "only an event caused by an actor with write access can start tasks here".to_owned(),
        remedies => format!("allow it with {}", remedies.join(", or ")),
    };
    let login = cut(&person.login, MAX_SHOWN_NAME);
    format!("{event} was {} {login}: {}; {remedies}", person.part, why.trim_end_matches('.'))
}

/// Where the commits of an event are from, as far as its payload says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The event's own repository, or there are none.
    Own,
    /// Another repository.
    Fork,
    /// The payload does not say.
    Unknown,
}

/// Where the pull request, the run or the commit of an event is from.
fn origin(event: &str, payload: &Value) -> Origin {
    let elsewhere = |head: &Value, base: &Value| {
        let same = |key: &str| head[key].is_null() || head[key] == base[key];
        // The repository of a pull request is gone when it was deleted meanwhile, and ours is not.
        head.is_null() || !same("id") || !same("full_name") || head["id"].is_null() && head["full_name"].is_null()
    };
    let pull = &payload["pull_request"];
    let run = &payload["workflow_run"];
    let base = &pull["base"]["repo"];
    let base = if base.is_null() { &payload["repository"] } else { base };
    if pull.is_object() && elsewhere(&pull["head"]["repo"], base)
        || run.is_object() && elsewhere(&run["head_repository"], &payload["repository"])
    {
        return Origin::Fork;
    }
    let has_name = |name: &Value| name.as_str().is_some_and(|name| !name.is_empty());
    let is_own = match event {
        "pull_request" | "pull_request_target" | "pull_request_review" | "pull_request_review_comment" => {
            pull.is_object()
        }
        "issue_comment" | "pull_request_comment" => {
            payload["issue"].is_object() && payload["issue"]["pull_request"].is_null()
        }
        // Of the events about pull requests, only this one surely runs in the head repository of the pull request.
        "workflow_run" => {
            let before = run["event"].as_str().unwrap_or_default();
            run.is_object()
                && (before == "pull_request" || has_no_commits(before) || cause(before) == Trigger::Insiders)
        }
        // A commit of a fork is on no branch of the repository,
        // <https://docs.github.com/en/webhooks/webhook-events-and-payloads#check_suite>.
        "check_suite" => has_name(&payload["check_suite"]["head_branch"]),
        "check_run" => has_name(&payload["check_run"]["check_suite"]["head_branch"]),
        "status" => payload["branches"].as_array().into_iter().flatten().any(|branch| has_name(&branch["name"])),
        event => has_no_commits(event) || cause(event) == Trigger::Insiders,
    };
    if is_own { Origin::Own } else { Origin::Unknown }
}

/// Whether no pull request and no commit is behind an event that outsiders can cause.
fn has_no_commits(event: &str) -> bool {
    matches!(
        event,
        "discussion" | "discussion_comment" | "fork" | "gollum" | "issues" | "milestone" | "registry_package" | "watch"
    )
}

/// All whom the payload of an event must name, by their keys in it.
fn named(event: &str, payload: &Value) -> Vec<(&'static str, Option<Actor>)> {
    let before = &payload["workflow_run"];
    let mut named = vec![("sender", Actor::of(&payload["sender"], ActorRole::Caused))];
    if cause(event) == Trigger::RunBefore || before.is_object() {
        named.push(("workflow_run.actor", Actor::of(&before["actor"], ActorRole::CausedBefore)));
        named.push(("workflow_run.triggering_actor", Actor::of(&before["triggering_actor"], ActorRole::CausedBefore)));
    }
    named
}

/// All who had a part in an event. Each counts: a re-run by another person has the event of the first run,
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/contexts#github-context>.
fn people(context: &Context, named: impl Iterator<Item = Actor>) -> Vec<Actor> {
    let actor = context.property("actor").map(|login| {
        let id = context.property("actor_id").and_then(|id| id.parse().ok());
        Actor { id, ..Actor::named(login, ActorRole::Caused) }
    });
    let again = context.property("triggering_actor").map(|login| Actor::named(login, ActorRole::RanAgain));
    let mut people = Vec::<Actor>::new();
    for person in actor.into_iter().chain(named).chain(again) {
        let same = |other: &&mut Actor| {
            let ids = [other.id, person.id];
            other.login.eq_ignore_ascii_case(&person.login) && (ids.contains(&None) || ids[0] == ids[1])
        };
        match people.iter_mut().find(same) {
            Some(known) => {
                known.id = known.id.or(person.id);
                known.is_bot |= person.is_bot;
            }
            None => people.push(person),
        }
    }
    people
}

#[cfg(test)]
mod tests;
