//! The gate: who caused the event that this run is for, and whether that person may start tasks.
//!
//! A comment, an issue or a pull request from a fork can come from anybody, and a task works with write access. So
//! whoever caused such an event must have write access too, or stand on a list of the user's.

use std::fmt;

use serde_json::Value;

use crate::actions::context::Context;
use crate::github::answers::Access;
use crate::github::repository::Repository;
use crate::text::cut;

/// How much of a name that came with the event a message shows, in characters. GitHub's logins have at most 39.
const LONGEST_NAME: usize = 60;

/// Who can cause an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Nobody without write access, so nobody is asked about.
    Insiders,
    /// Anybody, or whom nobody can say.
    Anybody,
    /// Whoever could cause the run before it.
    RunBefore,
}

/// Every event that GitHub lists, and who can cause it,
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows>. One that is not
/// here counts as [`Cause::Anybody`].
///
/// Who can do what: <https://docs.github.com/en/organizations/managing-user-access-to-your-organizations-repositories/managing-repository-roles/repository-roles-for-an-organization>.
/// Checks, deployments and statuses come from other services, for commits of a fork as well. A wiki can be open to
/// everybody. Labels of a repository are made by people with write access, while the event of an issue that gets one
/// is `issues`. A called workflow sees the event of its caller and never `workflow_call`.
pub const EVENTS: [(&str, Cause); 34] = [
    ("branch_protection_rule", Cause::Insiders),
    ("check_run", Cause::Anybody),
    ("check_suite", Cause::Anybody),
    ("create", Cause::Insiders),
    ("delete", Cause::Insiders),
    ("deployment", Cause::Anybody),
    ("deployment_status", Cause::Anybody),
    ("discussion", Cause::Anybody),
    ("discussion_comment", Cause::Anybody),
    ("fork", Cause::Anybody),
    ("gollum", Cause::Anybody),
    ("image_version", Cause::Insiders),
    ("issue_comment", Cause::Anybody),
    ("issues", Cause::Anybody),
    ("label", Cause::Insiders),
    ("merge_group", Cause::Insiders),
    ("milestone", Cause::Anybody),
    ("page_build", Cause::Insiders),
    ("public", Cause::Insiders),
    ("pull_request", Cause::Anybody),
    ("pull_request_comment", Cause::Anybody),
    ("pull_request_review", Cause::Anybody),
    ("pull_request_review_comment", Cause::Anybody),
    ("pull_request_target", Cause::Anybody),
    ("push", Cause::Insiders),
    ("registry_package", Cause::Anybody),
    ("release", Cause::Insiders),
    ("repository_dispatch", Cause::Insiders),
    ("schedule", Cause::Insiders),
    ("status", Cause::Anybody),
    ("watch", Cause::Anybody),
    ("workflow_call", Cause::Anybody),
    ("workflow_dispatch", Cause::Insiders),
    ("workflow_run", Cause::RunBefore),
];

fn cause(event: &str) -> Cause {
    EVENTS.iter().find(|(name, _)| *name == event).map_or(Cause::Anybody, |(_, cause)| *cause)
}

/// Whom the user lets through without write access.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Logins of people.
    pub users: Vec<String>,
    /// Names of bots, without `[bot]`.
    pub bots: Vec<String>,
}

/// What is known before anybody is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everybody may pass, for this reason.
    Open(String),
    /// GitHub has to be asked about these people, and each must have write access.
    Ask(Question),
    /// Nobody may pass, for this reason and with this remedy.
    Shut(String),
}

/// What GitHub has to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The repository that the event is of.
    pub repository: Repository,
    /// Each must have write access to it.
    pub people: Vec<Person>,
    event: String,
}

/// Somebody who had a part in an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The login.
    pub login: String,
    id: Option<u64>,
    is_bot: bool,
    part: Part,
}

/// Which part somebody had in an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Caused,
    RanAgain,
    CausedBefore,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Caused => "caused by",
            Self::RanAgain => "run again by",
            Self::CausedBefore => "after a run that was caused by",
        })
    }
}

impl Person {
    fn named(login: &str, part: Part) -> Self {
        // Only the name of a bot can have brackets in it.
        Self { login: login.to_owned(), id: None, is_bot: login.ends_with("[bot]"), part }
    }

    /// A user as the payload of an event tells it.
    fn of(user: &Value, part: Part) -> Option<Self> {
        let mut person = Self::named(user["login"].as_str().filter(|login| !login.is_empty())?, part);
        person.id = user["id"].as_u64();
        person.is_bot |= user["type"] == "Bot";
        Some(person)
    }

    fn is_among(&self, names: &[String]) -> bool {
        names.iter().any(|name| name.eq_ignore_ascii_case(bare(&self.login)))
    }
}

/// The name of a bot without the mark that GitHub puts behind it.
pub fn bare(login: &str) -> &str {
    login.strip_suffix("[bot]").unwrap_or(login)
}

impl Verdict {
    /// Decides as far as that can be done without asking.
    pub fn of(context: &Context, allowed: &Allowed) -> Self {
        let name = context.property("event_name").unwrap_or_default();
        if name.is_empty() && context.property("run_id").is_none() {
            return Self::Open("no workflow run, so whoever started this program is trusted".to_owned());
        }
        let nothing = Value::Null;
        let payload = context.github().get("event").unwrap_or(&nothing);
        let before = &payload["workflow_run"];
        let can_cause = match cause(name) {
            // A run that itself came after a run does not tell who was at the beginning.
            Cause::RunBefore => cause(before["event"].as_str().unwrap_or_default()),
            told => told,
        };
        let is_fork = is_fork(payload);
        if can_cause == Cause::Insiders && !is_fork {
            return Self::Open(match cause(name) {
                Cause::RunBefore => {
                    format!(
                        "`{name}` after `{}`, which takes write access",
                        before["event"].as_str().unwrap_or_default()
                    )
                }
                _ => format!("`{name}`, which takes write access"),
            });
        }
        let event = match (name, is_fork) {
            ("", _) => "an event without a name".to_owned(),
            (name, true) => format!("`{}` about a fork", cut(name, LONGEST_NAME)),
            (name, false) => format!("`{}`", cut(name, LONGEST_NAME)),
        };
        let people = people(context, payload);
        if people.is_empty() {
            return Self::Shut(format!("nobody can say who caused {event}: the run names no actor and no sender"));
        }
        let mut unknown = Vec::new();
        for person in people {
            if person.is_bot && is_fork {
                return Self::Shut(shut(&event, &person, "a bot acts for whoever owns the fork", &[]));
            }
            if person.is_bot && payload["issue"]["pull_request"].is_object() {
                let why = "the event of a comment does not tell whether the pull request is from a fork, and there a bot \
                           acts for its owner";
                return Self::Shut(shut(&event, &person, why, &[]));
            }
            if person.is_among(if person.is_bot { &allowed.bots } else { &allowed.users }) {
                continue;
            }
            if person.is_bot {
                let remedy = format!("`allow-bots: {}`", bare(&person.login));
                return Self::Shut(shut(&event, &person, "a bot has no access of its own", &[remedy]));
            }
            unknown.push(person);
        }
        if unknown.is_empty() {
            return Self::Open(format!("{event} by somebody in `allow-users` or `allow-bots`"));
        }
        match context.property("repository").map(str::parse) {
            Some(Ok(repository)) => Self::Ask(Question { repository, people: unknown, event }),
            _ => Self::Shut(format!("{event} cannot be judged, for `GITHUB_REPOSITORY` names no repository")),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(why) => write!(f, "open: {why}"),
            Self::Shut(why) => write!(f, "shut: {why}"),
            Self::Ask(Question { repository, people, event }) => {
                let logins = people.iter().map(|person| cut(&person.login, LONGEST_NAME)).collect::<Vec<_>>();
                write!(f, "{event}: opens if GitHub says that {} can write to {repository}", logins.join(" and "))
            }
        }
    }
}

impl Question {
    /// Whether what GitHub says about a person opens the gate.
    ///
    /// # Errors
    /// Why it does not, and what would.
    pub fn answered(&self, person: &Person, access: &Access) -> Result<(), String> {
        let (event, repository) = (&self.event, &self.repository);
        // A login that was given up can be taken by somebody else; an id cannot.
        if person.id.is_some_and(|id| access.id.is_some_and(|other| other != id)) {
            return Err(shut(event, person, "the login belongs to somebody else by now", &[]));
        }
        if access.may_write() {
            return Ok(());
        }
        let role = if access.role.is_empty() { &access.permission } else { &access.role };
        let role = cut(role, LONGEST_NAME);
        let why = format!("their role in {repository} is `{role}`, which cannot write");
        Err(shut(event, person, &why, &["write access".to_owned(), allow(person)]))
    }

    /// Why the gate stays shut where no token that was given may ask.
    pub fn unanswered(&self, person: &Person, why: &str) -> String {
        let why = format!("what they may do in {} cannot be asked. {why}", self.repository);
        let remedies = ["`lookup-token: ${{ github.token }}`, which may ask".to_owned(), allow(person)];
        shut(&self.event, person, &why, &remedies)
    }
}

fn allow(person: &Person) -> String {
    format!("`allow-users: {}`", person.login)
}

/// A refusal in a sentence: the event, who had which part in it, why not, and what would let it through.
fn shut(event: &str, person: &Person, why: &str, remedies: &[String]) -> String {
    let remedies = match remedies {
        [] => "nothing lets this through but an event that somebody with write access causes".to_owned(),
        remedies => format!("this would let it through: {}", remedies.join(", or ")),
    };
    let login = cut(&person.login, LONGEST_NAME);
    format!("{event} was {} {login}: {}; {remedies}", person.part, why.trim_end_matches('.'))
}

/// Whether an event is about a pull request, or a run, from another repository than the event's own.
fn is_fork(payload: &Value) -> bool {
    let elsewhere = |head: &Value, base: &Value| {
        let same = |key: &str| head[key].is_null() || head[key] == base[key];
        // The repository of a pull request is gone when it was deleted meanwhile, and ours is not.
        head.is_null() || !same("id") || !same("full_name") || head["id"].is_null() && head["full_name"].is_null()
    };
    let pull = &payload["pull_request"];
    let run = &payload["workflow_run"];
    let base = &pull["base"]["repo"];
    let base = if base.is_null() { &payload["repository"] } else { base };
    pull.is_object() && elsewhere(&pull["head"]["repo"], base)
        || run.is_object() && elsewhere(&run["head_repository"], &payload["repository"])
}

/// Everybody who had a part in an event. Each counts: a re-run is somebody else's doing with the first one's event,
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/contexts#github-context>.
fn people(context: &Context, payload: &Value) -> Vec<Person> {
    let actor = context.property("actor").map(|login| {
        let id = context.property("actor_id").and_then(|id| id.parse().ok());
        Person { id, ..Person::named(login, Part::Caused) }
    });
    let again = context.property("triggering_actor").map(|login| Person::named(login, Part::RanAgain));
    let before = &payload["workflow_run"];
    let told = [
        Person::of(&payload["sender"], Part::Caused),
        Person::of(&before["actor"], Part::CausedBefore),
        Person::of(&before["triggering_actor"], Part::CausedBefore),
    ];
    let mut people = Vec::<Person>::new();
    for person in [actor].into_iter().chain(told).chain([again]).flatten() {
        let same = |other: &&mut Person| {
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
