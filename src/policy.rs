//! The policy: which tasks may be started, with which prompt, where, by which event, and how many of them.
//!
//! A policy file has task classes. What a class names is fixed: an input that says something else is refused, and one
//! that says nothing gets the class's value. What it does not name is the user's.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use glob::MatchOptions;
use glob::Pattern;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use regex_lite::Regex;
use serde::Deserialize;
use serde::Deserializer;
use serde::de;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde::de::value::MapAccessDeserializer;
use serde::de::value::SeqAccessDeserializer;
use serde_json::Map;
use serde_json::Value;

use crate::command::cut;
use crate::context::Context;
use crate::key::Stamp;
use crate::outcome::Conclusion;
use crate::outcome::Gate;
use crate::outcome::Refusal;
use crate::repository::Repository;
use crate::repository::branch_name;
use crate::task::Phase;
use crate::task::Task;
use crate::task::agent_name;
use crate::yaml;
use crate::yaml::OneOrMany;
use crate::yaml::Spelled;
use crate::yaml::nearest;

/// Where the policy is if nobody says: a file of the workspace.
pub const USUAL_PLACE: &str = ".github/agent-tasks.yml";
/// The most bytes of a policy that are read. A hundred classes with everything that a class can have take a quarter.
pub const MOST_BYTES: usize = 262_144;
/// The longest change ticket, in characters: the address of one in an issue tracker fits.
const LONGEST_TICKET: usize = 200;
/// The longest name of a class, in characters; it travels in the stamp of every prompt.
const LONGEST_NAME: usize = 100;
/// How long a start counts for `max-starts-per-day`.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long a task may have no sessions because it is new. They were seen after seconds.
const YOUTH: Duration = Duration::from_secs(120);
/// How much of a value a refusal shows, in characters.
const LONGEST_VALUE: usize = 120;
/// How many repositories a refusal names.
const MOST_NAMED: usize = 20;

/// A policy of GitHub Copilot cloud agent tasks: which may be started, with which prompt, where, and how many.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// Whether every start must name a task class, so that nobody starts a task with a prompt of their own.
    pub require_class: bool,
    /// What holds for every class that does not say otherwise, and for a start without a class.
    pub defaults: Class,
    /// The task classes, by the names that the input `task` gives.
    pub tasks: BTreeMap<ClassName, Class>,
}

/// A task class. What it names is fixed: an input that contradicts it is refused.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Class {
    /// What the class is for, in words for people.
    pub description: Option<String>,
    /// The file with the prompt's template, from the top of the repository that the policy file is in.
    pub prompt: Option<PromptFile>,
    /// The version of the prompt, for the record.
    #[cfg_attr(test, schemars(with = "Option<tests::schema::TextOrNumber>"))]
    pub version: Option<Spelled>,
    /// The variables that the template gets, and no others. Each is required unless it has a default.
    #[cfg_attr(test, schemars(with = "Option<BTreeMap<VarName, tests::schema::Var>>"))]
    pub vars: Option<BTreeMap<VarName, Var>>,
    /// The model that is asked for, or several to try one after the other.
    #[cfg_attr(test, schemars(with = "Option<tests::schema::OneOrMany<Model>>"))]
    pub model: Option<OneOrMany<Model>>,
    /// The models that the input may name. If `model` is absent, the first of them is asked for unless it does.
    #[cfg_attr(test, schemars(with = "Option<tests::schema::OneOrMany<Model>>"))]
    pub models: Option<OneOrMany<Model>>,
    /// The custom agent, by its file name in `.github/agents` without the extension.
    pub custom_agent: Option<AgentName>,
    /// The branch to start from, or several, or patterns such as `release/*`. The first is taken if the input is
    /// silent and it is no pattern.
    #[cfg_attr(test, schemars(with = "Option<tests::schema::OneOrMany<BranchPattern>>"))]
    pub base_ref: Option<OneOrMany<BranchPattern>>,
    /// Whether the agent opens a pull request.
    pub create_pull_request: Option<bool>,
    /// Whether a task that completes without a pull request is a failure.
    pub require_pull_request: Option<bool>,
    /// The repositories in which tasks may be started, as patterns such as `acme/*`: a list, or `allow` and `deny`, of
    /// which `deny` wins.
    #[cfg_attr(test, schemars(with = "Option<tests::schema::Repositories>"))]
    pub repositories: Option<Repositories>,
    /// The events of workflow runs that may start a task.
    #[cfg_attr(test, schemars(with = "Option<tests::schema::OneOrMany<EventName>>"))]
    pub events: Option<OneOrMany<EventName>>,
    /// The workflows that may start a task, by their file names such as `release.yml`, or by whole paths such as
    /// `acme/app/.github/workflows/release.yml`. Both may be patterns.
    #[cfg_attr(test, schemars(with = "Option<tests::schema::OneOrMany<WorkflowPattern>>"))]
    pub workflows: Option<OneOrMany<WorkflowPattern>>,
    /// Whether the step waits for the task.
    pub wait: Option<bool>,
    /// The conclusions that fail the step; `never` for none.
    #[cfg_attr(test, schemars(with = "Option<tests::schema::OneOrMany<FailOnWord>>"))]
    pub fail_on: Option<FailOn>,
    /// The states that end the wait; `never` for none.
    #[cfg_attr(test, schemars(with = "Option<tests::schema::OneOrMany<StopOnWord>>"))]
    pub stop_on: Option<StopOn>,
    /// Whom to mention when the agent asks: a login or a team, such as `@acme/release`.
    pub owner: Option<Owner>,
    /// The form of the change ticket that the input `ticket` must give, as a regular expression over all of it.
    pub ticket: Option<TicketPattern>,
    /// How the cloud agent of a repository must be set up. The doctor holds its settings against this.
    pub cloud_agent: CloudAgent,
    /// How many tasks of the class there may be.
    pub limits: Limits,
}

/// How the cloud agent of a repository must be set up: <https://docs.github.com/en/copilot/how-tos/use-copilot-agents/cloud-agent>.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct CloudAgent {
    /// Whether its firewall must be on.
    pub firewall: Option<bool>,
    /// Whether the firewall must let the hosts through that GitHub recommends.
    pub recommended_allowlist: Option<bool>,
    /// Whether the workflows of its pull requests must wait for somebody's approval.
    pub workflow_approval: Option<bool>,
    /// The tools that must be on, by their names in the API, such as `codeql` or `secret_scanning`.
    #[cfg_attr(test, schemars(with = "Option<tests::schema::OneOrMany<ToolName>>"))]
    pub tools: Option<OneOrMany<ToolName>>,
}

/// How many tasks of a class there may be, each counted for every repository by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// The most tasks in one repository that have not settled.
    pub max_active: Option<u32>,
    /// The most tasks that are started in one repository within 24 hours.
    pub max_starts_per_day: Option<u32>,
    /// The last day on which a task may be started, in UTC: `2026-12-31`.
    pub not_after: Option<Day>,
}

/// Where tasks may be started.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct RepositoryTable {
    /// Where tasks may be started; anywhere if absent.
    #[cfg_attr(test, schemars(with = "Option<tests::schema::OneOrMany<RepositoryPattern>>"))]
    allow: Option<OneOrMany<RepositoryPattern>>,
    /// Where no task may be started, whatever `allow` says.
    #[cfg_attr(test, schemars(with = "Option<tests::schema::OneOrMany<RepositoryPattern>>"))]
    deny: Option<OneOrMany<RepositoryPattern>>,
}

/// Where tasks may be started.
#[derive(Debug, Clone, Default)]
pub struct Repositories {
    allow: Option<Vec<RepositoryPattern>>,
    deny: Vec<RepositoryPattern>,
}

impl<'de> Deserialize<'de> for Repositories {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Repositories;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a list or a mapping with `allow` and `deny`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Repositories, E> {
                let one = text.parse().map_err(E::custom)?;
                Ok(Repositories { allow: Some(vec![one]), deny: Vec::new() })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Repositories, A::Error> {
                let allow = OneOrMany::deserialize(SeqAccessDeserializer::new(items))?;
                Ok(Repositories { allow: Some(allow.0), deny: Vec::new() })
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Repositories, A::Error> {
                let table = RepositoryTable::deserialize(MapAccessDeserializer::new(entries))?;
                let deny = table.deny.map_or_else(Vec::new, |deny| deny.0);
                Ok(Repositories { allow: table.allow.map(|allow| allow.0), deny })
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// A variable of a template.
#[derive(Debug, Clone)]
pub struct Var {
    kind: VarKind,
    required: bool,
    default: Option<Value>,
    options: Vec<String>,
}

/// A variable of a template, in full.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct VarTable {
    /// What the variable is for, in words for people.
    #[serde(default)]
    #[expect(dead_code, reason = "it is for those who read the file, and an editor that knows the schema")]
    description: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    kind: VarKind,
    /// Whether it must be given. It must, unless this is `false` or there is a default.
    #[serde(default)]
    required: Option<bool>,
    /// What it is if it is not given.
    #[serde(default)]
    default: Option<Value>,
    /// The values that it may have.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<Vec<tests::schema::TextOrNumber>>"))]
    options: Option<Vec<Spelled>>,
}

/// The type of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum VarKind {
    /// A text. A number counts as one, in its spelling.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of anything.
    List,
    /// A mapping of anything.
    Mapping,
}

impl VarKind {
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::String, "string", "a text"),
        (Self::Number, "number", "a number"),
        (Self::Boolean, "boolean", "`true` or `false`"),
        (Self::List, "list", "a list"),
        (Self::Mapping, "mapping", "a mapping"),
    ];

    /// What it is, for people.
    fn noun(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, _, noun)| noun)
    }

    /// A value as this type has it; nothing where it is of another.
    fn fit(self, value: &Value) -> Option<Value> {
        let fits = match (self, value) {
            (Self::String, Value::Number(number)) => return Some(number.to_string().into()),
            // A number that is spelled in an unusual way, such as `1.10`, has come as a text.
            (Self::Number, Value::String(text)) => text.parse::<f64>().is_ok_and(f64::is_finite),
            (Self::String, Value::String(_))
            | (Self::Number, Value::Number(_))
            | (Self::Boolean, Value::Bool(_))
            | (Self::List, Value::Array(_))
            | (Self::Mapping, Value::Object(_)) => true,
            _ => false,
        };
        fits.then(|| value.clone())
    }
}

impl<'de> Deserialize<'de> for Var {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Var;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text with the type, or a mapping")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Var, E> {
                let words = VarKind::ALL.map(|(_, word, _)| word);
                match VarKind::ALL.iter().find(|(_, word, _)| *word == text) {
                    Some((kind, ..)) => Ok(Var { kind: *kind, required: true, default: None, options: Vec::new() }),
                    None => Err(E::custom(format!("`{text}` is no type{}", nearest(text, &words)))),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Var, A::Error> {
                VarTable::deserialize(MapAccessDeserializer::new(entries))?.try_into().map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl TryFrom<VarTable> for Var {
    type Error = String;

    fn try_from(table: VarTable) -> Result<Self, String> {
        let VarTable { kind, required, default, options, .. } = table;
        let options = options.map(|options| options.into_iter().map(|option| option.0).collect::<Vec<_>>());
        if options.as_ref().is_some_and(Vec::is_empty) {
            return Err("`options` is empty; name some, or leave the key out".to_owned());
        }
        if options.is_some() && !matches!(kind, VarKind::String | VarKind::Number) {
            return Err("`options` are for a `string` or a `number`".to_owned());
        }
        if required == Some(true) && default.is_some() {
            return Err("`required: true` and a `default` contradict each other; keep one".to_owned());
        }
        let required = required.unwrap_or(default.is_none());
        let var = Self { kind, required, default: None, options: options.unwrap_or_default() };
        // A number is no text here: what its spelling was is not known any more.
        let default = default.map(|value| match (kind, &value) {
            (VarKind::String, Value::Number(_)) => {
                Err("`default` is a number, and the type is `string`; write it in quotes".to_owned())
            }
            _ => var.take(&value).map_err(|why| format!("`default` {why}")),
        });
        Ok(Self { default: default.transpose()?, ..var })
    }
}

impl Var {
    /// A value to try a template with; none for one that may be absent.
    fn sample(&self) -> Option<Value> {
        let of_kind = || match self.kind {
            VarKind::String => "sample".into(),
            VarKind::Number => 1.into(),
            VarKind::Boolean => true.into(),
            VarKind::List => vec!["sample"].into(),
            VarKind::Mapping => Value::Object(Map::new()),
        };
        let first = || self.options.first().map(|option| Value::from(option.as_str()));
        self.default.clone().or_else(|| self.required.then(|| first().unwrap_or_else(of_kind)))
    }

    /// A value that was given, as the template gets it.
    fn take(&self, value: &Value) -> Result<Value, String> {
        let Some(value) = self.kind.fit(value) else {
            return Err(format!("is not {}", self.kind.noun()));
        };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match self.options.contains(&text) || self.options.is_empty() {
            true => Ok(value),
            false => Err(format!("is none of `{}`", self.options.join("`, `"))),
        }
    }
}

/// Makes a type of a text that is checked once.
macro_rules! texts {
    ($($(#[doc = $doc:literal])* $name:ident $schema:literal $check:expr;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema), schemars(extend("pattern" = $schema)))]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                let check: fn(&str) -> Result<String, String> = $check;
                check(&text).map(Self).map_err(|why| format!("`{}` {why}", cut(&text, LONGEST_VALUE)))
            }
        }

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

/// Makes a type of a pattern that is compiled once.
macro_rules! patterns {
    ($($(#[doc = $doc:literal])* $name:ident $schema:literal $inner:ty, $compile:expr;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema), schemars(extend("pattern" = $schema)))]
        #[serde(try_from = "String")]
        pub struct $name {
            text: String,
            #[cfg_attr(test, schemars(skip))]
            compiled: $inner,
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let compile: fn(&str) -> Result<$inner, String> = $compile;
                let compiled = compile(text).map_err(|why| format!("`{}` {why}", cut(text, LONGEST_VALUE)))?;
                Ok(Self { text: text.to_owned(), compiled })
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }
    )*};
}

texts! {
    /// The name of a task class.
    ClassName r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$" |text| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        match begins && text.chars().all(fits) && text.len() <= LONGEST_NAME {
            true => Ok(text.to_owned()),
            false => Err(format!("is no name for a class; write letters, digits, `.`, `_` and `-`, at most {LONGEST_NAME}")),
        }
    };
    /// The name of a variable.
    VarName r"^[A-Za-z_][A-Za-z0-9_-]*$" |text| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        match text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(fits) {
            true => Ok(text.to_owned()),
            false => Err("is no name for a variable; write letters, digits and `_`".to_owned()),
        }
    };
    /// The path of a file, from the top of a repository.
    PromptFile r"^[^/]" |text| path(text).map(str::to_owned);
    /// The name of a model; `auto` leaves the choice to GitHub.
    Model r"^[^\s,]+$" |text| match text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',') {
        true => Err("is no model's name; write a list for several".to_owned()),
        false => Ok(text.to_owned()),
    };
    /// The name of a custom agent.
    AgentName r"^[^\s/]+$" |text| agent_name(text);
    /// The name of an event that starts workflows.
    EventName r"^[a-z][a-z_]*$" |text| match !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
        true => Ok(text.to_owned()),
        false => Err("is no event's name; write it as under `on:` in a workflow, such as `workflow_dispatch`".to_owned()),
    };
    /// The name of one of the cloud agent's tools.
    ToolName r"^[a-z][a-z0-9_]*$" |text| match !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        true => Ok(text.to_owned()),
        false => Err("is no tool's name; write it as the API does, such as `secret_scanning`".to_owned()),
    };
    /// A login or a team.
    Owner r"^@?[A-Za-z0-9_-]+(/[A-Za-z0-9._-]+)?$" |text| {
        let bare = text.strip_prefix('@').unwrap_or(text);
        let fits = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        };
        match bare.split('/').count() <= 2 && bare.split('/').all(fits) {
            true => Ok(format!("@{bare}")),
            false => Err("is neither a login nor a team; write for example `@octocat` or `@acme/release`".to_owned()),
        }
    };
}

patterns! {
    /// A pattern for repositories, `owner/name`. `*` stands for anything, `?` for one character and `[ab]` for one of
    /// several.
    RepositoryPattern r"^[^/]+/[^/]+$" Pattern, |text| match text.split('/').collect::<Vec<_>>().as_slice() {
        [owner, name] if !owner.is_empty() && !name.is_empty() => pattern(text),
        _ => Err("is no pattern for a repository; write `owner/name`, such as `acme/*`".to_owned()),
    };
    /// A branch, or a pattern for branches. `*` stands for anything but `/`, and `**` for any number of parts.
    BranchPattern r"^[^\s~^:\\]+$" Option<Pattern>, |text| match text.contains(['*', '?', '[']) {
        true => {
            // What stands around the signs of a pattern must be allowed in a branch's name.
            branch_name(&text.replace(['*', '?', '[', ']', '!'], "x"))?;
            pattern(text).map(Some)
        }
        false if text.starts_with("refs/") => Err("begins with `refs/`; write the branch's bare name".to_owned()),
        false => branch_name(text).map(|_| None),
    };
    /// A workflow by its file's name, or by its path with the repository in front.
    WorkflowPattern r"\.ya?ml$|\*$" Pattern, |text| match text.ends_with(".yml") || text.ends_with(".yaml") || text.ends_with('*') {
        true => pattern(text),
        false => Err("is no workflow; write its file's name, such as `release.yml`".to_owned()),
    };
    /// A regular expression.
    TicketPattern r"." Regex, |text| match text.is_empty() {
        true => Err("is empty; write a regular expression, such as `CHG-[0-9]+`".to_owned()),
        // All of the ticket counts, or `x CHG-1 y` would do. By itself it is read first, for what is put around it could
        // make something right of it.
        false => Regex::new(text)
            .and_then(|_| Regex::new(&format!(r"\A(?:{text})\z")))
            .map_err(|why| format!("is no regular expression: {why}")),
    };
    /// A day, as `2026-12-31`.
    DayText r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$" Date, |text| {
        text.parse().map_err(|_| "is no day; write it as `2026-12-31`".to_owned())
    };
}

/// A day, as `2026-12-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "DayText")]
pub struct Day(#[cfg_attr(test, schemars(with = "DayText"))] Date);

impl From<DayText> for Day {
    fn from(text: DayText) -> Self {
        Self(text.compiled)
    }
}

/// A word of `fail-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum FailOnWord {
    Failure,
    TimedOut,
    Cancelled,
    ActionRequired,
    Skipped,
    Never,
}

/// A word of `stop-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum StopOnWord {
    WaitingForUser,
    Idle,
    Never,
}

/// The conclusions that fail a step.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMany<FailOnWord>")]
pub struct FailOn(Vec<Conclusion>);

/// Whether a question and idleness end a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMany<StopOnWord>")]
pub struct StopOn {
    question: bool,
    idle: bool,
}

const NEVER_ALONE: &str = "`never` stands for none of them, so nothing can stand beside it";

impl TryFrom<OneOrMany<FailOnWord>> for FailOn {
    type Error = &'static str;

    fn try_from(words: OneOrMany<FailOnWord>) -> Result<Self, Self::Error> {
        if words.0 == [FailOnWord::Never] {
            return Ok(Self(Vec::new()));
        }
        let conclusions = words.0.into_iter().map(|word| match word {
            FailOnWord::Failure => Ok(Conclusion::Failure),
            FailOnWord::TimedOut => Ok(Conclusion::TimedOut),
            FailOnWord::Cancelled => Ok(Conclusion::Cancelled),
            FailOnWord::ActionRequired => Ok(Conclusion::ActionRequired),
            FailOnWord::Skipped => Ok(Conclusion::Skipped),
            FailOnWord::Never => Err(NEVER_ALONE),
        });
        conclusions.collect::<Result<_, _>>().map(Self)
    }
}

impl TryFrom<OneOrMany<StopOnWord>> for StopOn {
    type Error = &'static str;

    fn try_from(words: OneOrMany<StopOnWord>) -> Result<Self, Self::Error> {
        let has = |word: StopOnWord| words.0.contains(&word);
        match has(StopOnWord::Never) && words.0.len() > 1 {
            true => Err(NEVER_ALONE),
            false => Ok(Self { question: has(StopOnWord::WaitingForUser), idle: has(StopOnWord::Idle) }),
        }
    }
}

/// A path within a repository or a workspace, which cannot lead out of it.
fn path(text: &str) -> Result<&str, String> {
    let text = text.strip_prefix("./").unwrap_or(text);
    let broken = |part: &str| part.is_empty() || part == "." || part == "..";
    match text.split('/').any(broken) || text.contains(|c: char| c.is_control() || c == '\\') {
        true => Err("is no path within a repository; write for example `.github/prompts/release.md`".to_owned()),
        false => Ok(text),
    }
}

fn pattern(text: &str) -> Result<Pattern, String> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("has white space in it, so that it can fit nothing".to_owned());
    }
    Pattern::new(text).map_err(|error| format!("is no pattern: {} at character {}", error.msg, error.pos + 1))
}

/// GitHub knows repositories without regard to case, and everything else with it.
fn fits(pattern: &Pattern, text: &str, case_sensitive: bool) -> bool {
    let options = MatchOptions { case_sensitive, require_literal_separator: true, require_literal_leading_dot: false };
    pattern.matches_with(text, options)
}

impl BranchPattern {
    fn fits(&self, branch: &str) -> bool {
        self.compiled.as_ref().map_or_else(|| self.text == branch, |pattern| fits(pattern, branch, true))
    }
}

impl WorkflowPattern {
    /// Whether a workflow is meant: `path` has the repository in front.
    fn fits(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        fits(&self.compiled, if self.text.contains('/') { path } else { name }, true)
    }
}

/// Where a policy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file of the workspace.
    Workspace(String),
    /// In a file of a repository, as GitHub has it.
    Repository {
        /// The repository.
        repository: Repository,
        /// The file's path in it.
        path: String,
        /// The branch, tag or commit; the default branch if absent.
        at: Option<String>,
    },
}

impl Place {
    /// The file's path.
    pub fn path(&self) -> &str {
        match self {
            Self::Workspace(path) | Self::Repository { path, .. } => path,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace(path) => f.write_str(path),
            Self::Repository { repository, path, at: None } => write!(f, "{repository}:{path}"),
            Self::Repository { repository, path, at: Some(at) } => write!(f, "{repository}:{path}@{at}"),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    /// Reads `path`, `owner/name:path` or `owner/name:path@ref`.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((repository, rest)) = text.split_once(':') else {
            return path(text).map(|path| Self::Workspace(path.to_owned()));
        };
        let repository = repository.parse().map_err(|why| format!("names no repository before the colon: it {why}"))?;
        let (file, at) = match rest.rsplit_once('@') {
            Some((file, at)) => (file, Some(at)),
            None => (rest, None),
        };
        if at.is_some_and(|at| at.is_empty() || at.contains(|c: char| c.is_whitespace() || c.is_control())) {
            return Err("names no branch, tag or commit behind the `@`".to_owned());
        }
        Ok(Self::Repository { repository, path: path(file)?.to_owned(), at: at.map(str::to_owned) })
    }
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with file, line and column.
    pub fn parse(place: &Place, text: &str) -> Result<Self, Vec<String>> {
        if text.len() > MOST_BYTES {
            return Err(vec![format!("{place}: has {} bytes; at most {MOST_BYTES} are read", text.len())]);
        }
        let told = |fault: yaml::Fault| format!("{place}:{}:{}: {}", fault.place.line, fault.place.column, fault.why);
        let (tree, twice) = yaml::parse(text).map_err(|fault| vec![told(fault)])?;
        let (policy, mut faults) = yaml::read_as::<Self>(tree);
        faults.extend(twice);
        faults.sort();
        match (policy, faults.is_empty()) {
            (Some(policy), true) => Ok(policy),
            _ => Err(faults.into_iter().map(told).collect()),
        }
    }

    /// The names of the task classes.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.tasks.keys().map(ClassName::as_str)
    }

    /// The rules for a start of this class, or of none.
    ///
    /// # Errors
    /// Where there is no such class. That none is named where one must be is told by [`Rules::settle`].
    pub fn rules(&self, place: &Place, commit: Option<String>, class: Option<&str>) -> Result<Rules, String> {
        let named = class.map(|name| {
            let found = self.tasks.iter().find(|(other, _)| other.as_str() == name);
            found.ok_or_else(|| {
                let known = self.tasks.keys().map(ClassName::as_str).collect::<Vec<_>>();
                let remedy = if known.is_empty() { "; it has none at all".to_owned() } else { nearest(name, &known) };
                format!("is no task class of {place}{remedy}")
            })
        });
        let named = named.transpose()?;
        let terms = named.map_or_else(|| self.defaults.clone(), |(_, class)| class.over(&self.defaults));
        let class = named.map(|(name, _)| name.to_string());
        let lacks_class = class.is_none() && self.require_class;
        let known = self.tasks.keys().map(ToString::to_string).collect();
        Ok(Rules { place: Some(place.clone()), commit, class, lacks_class, known, terms })
    }
}

impl Class {
    /// This class, with the defaults for what it does not name. What they deny stays denied.
    fn over(&self, defaults: &Self) -> Self {
        let mut all = self.clone();
        macro_rules! fill {
            ($($field:ident),*) => { $(all.$field = all.$field.or_else(|| defaults.$field.clone());)* };
        }
        fill!(prompt, version, vars, custom_agent, base_ref, create_pull_request, require_pull_request);
        fill!(events, workflows, wait, fail_on, stop_on, owner, ticket);
        if all.model.is_none() && all.models.is_none() {
            all.model.clone_from(&defaults.model);
            all.models.clone_from(&defaults.models);
        }
        if let Some(above) = &defaults.repositories {
            let own = all.repositories.get_or_insert_default();
            own.allow = own.allow.take().or_else(|| above.allow.clone());
            own.deny.extend(above.deny.iter().cloned());
        }
        let (own, above) = (&mut all.cloud_agent, &defaults.cloud_agent);
        own.firewall = own.firewall.or(above.firewall);
        own.recommended_allowlist = own.recommended_allowlist.or(above.recommended_allowlist);
        own.workflow_approval = own.workflow_approval.or(above.workflow_approval);
        own.tools = own.tools.take().or_else(|| above.tools.clone());
        let (own, above) = (&mut all.limits, &defaults.limits);
        own.max_active = own.max_active.or(above.max_active);
        own.max_starts_per_day = own.max_starts_per_day.or(above.max_starts_per_day);
        own.not_after = own.not_after.or(above.not_after);
        all
    }
}

/// What a policy says about one start. Without a policy there are no rules, and everything is the user's.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    place: Option<Place>,
    commit: Option<String>,
    class: Option<String>,
    lacks_class: bool,
    known: Vec<String>,
    terms: Class,
}

/// What the user asked for, as far as a policy has a say. Absent is what was not given, or has its default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// Whether there is a prompt in the workflow itself.
    pub has_prompt: bool,
    /// The file with the prompt's template.
    pub prompt_file: Option<String>,
    /// The models, one to be tried after the other; `None` leaves the choice to GitHub.
    pub models: Option<Vec<Option<String>>>,
    /// The custom agent.
    pub custom_agent: Option<String>,
    /// The branch to start from.
    pub base_ref: Option<String>,
    /// Whether the agent opens a pull request.
    pub create_pull_request: Option<bool>,
    /// Whether a task without a pull request is a failure.
    pub require_pull_request: Option<bool>,
    /// Whether to wait.
    pub wait: Option<bool>,
    /// The conclusions that fail the step.
    pub fail_on: Option<Vec<Conclusion>>,
    /// Whether a question, and whether idleness, ends the wait.
    pub stop_on: Option<(bool, bool)>,
    /// The change ticket.
    pub ticket: Option<String>,
}

/// The facts of a start that a record keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Where the policy is.
    pub policy: Option<String>,
    /// The commit that it was read from, where it came from GitHub.
    pub commit: Option<String>,
    /// The task class.
    pub class: Option<String>,
    /// The file with the prompt that the class names.
    pub prompt: Option<String>,
    /// The version of that prompt.
    pub version: Option<String>,
    /// The change ticket.
    pub ticket: Option<String>,
    /// Whom to mention when the agent asks.
    pub owner: Option<String>,
    /// How many tasks there may be.
    pub limits: Limits,
}

impl Facts {
    /// The facts for people, each with its name.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        if let Some(policy) = &self.policy {
            let at = self.commit.as_ref().map_or_else(String::new, |commit| format!(" (commit {commit})"));
            lines.push(("policy", format!("{policy}{at}")));
        }
        if let Some(class) = &self.class {
            let version =
                self.version.as_ref().map_or_else(String::new, |version| format!(", prompt version {version}"));
            lines.push(("task class", format!("{class}{version}")));
        }
        let told = [("ticket", &self.ticket), ("owner", &self.owner)];
        lines.extend(told.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        let counts = [("tasks at once", self.limits.max_active), ("starts a day", self.limits.max_starts_per_day)];
        for (name, count) in counts {
            lines.extend(count.map(|count| (name, format!("at most {count} of the class in a repository"))));
        }
        lines
    }
}

impl Rules {
    /// Who fixes what a refusal is about.
    pub fn source(&self) -> String {
        let place = self.place.as_ref().map(ToString::to_string).unwrap_or_default();
        match &self.class {
            Some(class) => format!("the task class `{class}` of {place}"),
            None => format!("the `defaults` of {place}"),
        }
    }

    /// Whether the policy, and so its prompts, is read from GitHub rather than from the workspace.
    fn is_elsewhere(&self) -> bool {
        matches!(self.place, Some(Place::Repository { .. }))
    }

    fn judge(&self) -> Judge {
        Judge { source: self.source(), refusals: Vec::new() }
    }

    /// What of the rules is about a wait for tasks that were started before.
    pub fn of_a_wait(self) -> Self {
        let Class { require_pull_request, fail_on, stop_on, owner, .. } = self.terms;
        let terms = Class { require_pull_request, fail_on, stop_on, owner, ..Class::default() };
        Self { lacks_class: false, terms, ..self }
    }

    /// The file with the prompt, and the repository that has it where it is not in the workspace.
    pub fn prompt(&self) -> Option<Place> {
        let file = self.terms.prompt.as_ref()?.0.clone();
        Some(match &self.place {
            Some(Place::Repository { repository, at, .. }) => {
                Place::Repository { repository: repository.clone(), path: file, at: at.clone() }
            }
            Some(Place::Workspace(_)) | None => Place::Workspace(file),
        })
    }

    /// The variables that a template gets in place of these.
    ///
    /// # Errors
    /// Everything about them that the rules say no to.
    pub fn vars(&self, asked: Map<String, Value>) -> Result<Map<String, Value>, Vec<Refusal>> {
        let mut judge = self.judge();
        let vars = judge.vars(asked, self.terms.vars.as_ref());
        if judge.refusals.is_empty() { Ok(vars) } else { Err(judge.refusals) }
    }

    /// What is done in place of what was asked for, and what of it contradicts the rules.
    pub fn settle(&self, asked: Asked) -> (Asked, Vec<Refusal>) {
        let terms = &self.terms;
        let mut judge = self.judge();
        if self.lacks_class {
            let known =
                if self.known.is_empty() { "it has none".to_owned() } else { format!("`{}`", self.known.join("`, `")) };
            let place = self.place.as_ref().map(ToString::to_string).unwrap_or_default();
            judge.refuse(format!(
                "{place} forbids free prompts (`require-class: true`); name one of its task classes by `task`: {known}"
            ));
        }
        let prompt_file = judge.prompt(&asked, terms.prompt.as_ref(), self.is_elsewhere());
        let models = judge.models(asked.models, terms);
        let agent = terms.custom_agent.as_ref().map(|agent| agent.0.clone());
        let stop_on = terms.stop_on.map(|stop_on| (stop_on.question, stop_on.idle));
        let fail_on = terms.fail_on.as_ref().map(|fail_on| fail_on.0.clone());
        let same = |one: &Vec<Conclusion>, other: &Vec<Conclusion>| {
            one.iter().all(|it| other.contains(it)) && other.iter().all(|it| one.contains(it))
        };
        let fail_on = match (asked.fail_on, fail_on) {
            (Some(asked), Some(fixed)) if same(&asked, &fixed) => Some(fixed),
            (asked, fixed) => judge.fixed("fail-on", asked, fixed, |it| words(it.iter().map(|it| it.as_str()))),
        };
        let settled = Asked {
            has_prompt: asked.has_prompt,
            prompt_file,
            models,
            custom_agent: judge.fixed("custom-agent", asked.custom_agent, agent, String::clone),
            base_ref: judge.base_ref(asked.base_ref, terms.base_ref.as_ref()),
            create_pull_request: judge.flag(
                "create-pull-request",
                asked.create_pull_request,
                terms.create_pull_request,
            ),
            require_pull_request: judge.flag(
                "require-pull-request",
                asked.require_pull_request,
                terms.require_pull_request,
            ),
            wait: judge.flag("wait", asked.wait, terms.wait),
            fail_on,
            stop_on: judge.fixed("stop-on", asked.stop_on, stop_on, |(question, idle)| {
                let states = [(*question, "waiting_for_user"), (*idle, "idle")];
                words(states.iter().filter(|(on, _)| *on).map(|(_, word)| *word))
            }),
            ticket: judge.ticket(asked.ticket, terms.ticket.as_ref()),
        };
        (settled, judge.refusals)
    }

    /// What speaks against a start in these repositories at this time.
    pub fn forbid(&self, repositories: &[&Repository], now: Timestamp) -> Vec<Refusal> {
        let mut judge = self.judge();
        if let Some(rule) = &self.terms.repositories {
            judge.repositories(repositories, rule);
        }
        if let Some(Day(last)) = self.terms.limits.not_after {
            let today = now.to_zoned(TimeZone::UTC).date();
            if today > last {
                judge.refuse(format!("today is {today} in UTC, and {} has `not-after: {last}`", judge.source));
            }
        }
        judge.refusals
    }

    /// What speaks against a start in this run.
    pub fn forbid_run(&self, context: &Context) -> Vec<Refusal> {
        let terms = &self.terms;
        let mut judge = self.judge();
        if let Some(events) = &terms.events {
            let event = context.property("event_name").unwrap_or_default();
            if !events.0.iter().any(|allowed| allowed.as_str() == event) {
                let event = match event {
                    "" => "a start outside of any workflow run".to_owned(),
                    event => format!("the event `{}`", cut(event, LONGEST_VALUE)),
                };
                let allowed = words(events.0.iter().map(EventName::as_str));
                judge.refuse(format!("{event} is not allowed by {}, which allows `{allowed}`", judge.source));
            }
        }
        if let Some(workflows) = &terms.workflows {
            // `owner/name/.github/workflows/file.yml@refs/heads/main`
            let workflow = context.property("workflow_ref").unwrap_or_default();
            let path = workflow.split_once('@').map_or(workflow, |(path, _)| path);
            if path.is_empty() || !workflows.0.iter().any(|allowed| allowed.fits(path)) {
                let workflow = match path {
                    "" => "a start outside of any workflow run".to_owned(),
                    path => format!("the workflow `{}`", cut(path, LONGEST_VALUE)),
                };
                let allowed = words(workflows.0.iter().map(|allowed| allowed.text.as_str()));
                judge.refuse(format!("{workflow} is not allowed by {}, which allows `{allowed}`", judge.source));
            }
        }
        judge.refusals
    }

    /// The count that a start has to pass; `None` where nothing is counted.
    pub fn tally(&self) -> Option<Tally> {
        let limits = self.terms.limits;
        let counts = limits.max_active.is_some() || limits.max_starts_per_day.is_some();
        counts.then(|| Tally {
            limits,
            class: self.class.clone().unwrap_or_default(),
            source: self.source(),
            active: 0,
            started: 0,
            hidden_active: 0,
            hidden_started: 0,
        })
    }

    /// How the cloud agent of a repository must be set up.
    pub fn cloud_agent(&self) -> &CloudAgent {
        &self.terms.cloud_agent
    }

    /// A value for each variable that the class declares and that has to be there; `None` where it declares none.
    pub fn samples(&self) -> Option<Map<String, Value>> {
        let declared = self.terms.vars.as_ref()?.iter();
        Some(declared.filter_map(|(name, var)| Some((name.0.clone(), var.sample()?))).collect())
    }

    /// The task class.
    pub fn class(&self) -> Option<&str> {
        self.class.as_deref()
    }

    /// What a record keeps, of a start with this ticket.
    pub fn facts(&self, ticket: Option<String>) -> Facts {
        let prompt = self.terms.prompt.as_ref();
        Facts {
            policy: self.place.as_ref().map(ToString::to_string),
            commit: self.commit.clone(),
            class: self.class.clone(),
            prompt: prompt.map(ToString::to_string),
            version: self.terms.version.as_ref().filter(|_| prompt.is_some()).map(|version| version.0.clone()),
            ticket,
            owner: self.terms.owner.as_ref().map(ToString::to_string),
            limits: self.terms.limits,
        }
    }
}

/// Compares what was asked for with what is fixed, and keeps what contradicts.
struct Judge {
    source: String,
    refusals: Vec<Refusal>,
}

impl Judge {
    fn refuse(&mut self, why: String) {
        self.refusals.push(Refusal { gate: Gate::Policy, why });
    }

    /// Says that an input contradicts the rules, and shows both values.
    fn contradict(&mut self, input: &str, asked: &str, allowed: &str) {
        let asked = cut(asked, LONGEST_VALUE);
        let why = format!("`{input}: {asked}` contradicts {}, which has `{input}: {allowed}`", self.source);
        self.refuse(format!("{why}; leave the input out, or change the policy"));
    }

    fn fixed<T: PartialEq>(
        &mut self,
        input: &str,
        asked: Option<T>,
        fixed: Option<T>,
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        let Some(fixed) = fixed else {
            return asked;
        };
        if let Some(asked) = asked.filter(|asked| *asked != fixed) {
            self.contradict(input, &show(&asked), &show(&fixed));
        }
        Some(fixed)
    }

    fn flag(&mut self, input: &str, asked: Option<bool>, fixed: Option<bool>) -> Option<bool> {
        self.fixed(input, asked, fixed, bool::to_string)
    }

    fn prompt(&mut self, asked: &Asked, fixed: Option<&PromptFile>, elsewhere: bool) -> Option<String> {
        let Some(PromptFile(fixed)) = fixed else {
            return asked.prompt_file.clone();
        };
        let source = &self.source;
        if asked.has_prompt {
            let why = format!("`prompt` contradicts {source}, which has `prompt: {fixed}`; leave the input out");
            self.refuse(why);
        } else if let Some(file) = &asked.prompt_file {
            let same = path(file).is_ok_and(|file| file == fixed);
            if !same || elsewhere {
                let place = if elsewhere { " in the repository of the policy" } else { "" };
                let file = cut(file, LONGEST_VALUE);
                let why = format!("`prompt-file: {file}` contradicts {source}, which has `prompt: {fixed}`{place}");
                self.refuse(format!("{why}; leave the input out"));
            }
        }
        Some(fixed.clone())
    }

    fn vars(&mut self, asked: Map<String, Value>, fixed: Option<&BTreeMap<VarName, Var>>) -> Map<String, Value> {
        let Some(fixed) = fixed else {
            return asked;
        };
        let mut vars = Map::new();
        for (name, value) in &asked {
            let Some((_, var)) = fixed.iter().find(|(known, _)| known.as_str() == name) else {
                let known = fixed.keys().map(VarName::as_str).collect::<Vec<_>>();
                let remedy = if known.is_empty() { "; it has none".to_owned() } else { nearest(name, &known) };
                let name = cut(name, LONGEST_VALUE);
                self.refuse(format!("`vars.{name}` is no variable of {}{remedy}", self.source));
                continue;
            };
            match var.take(value) {
                Ok(value) => drop(vars.insert(name.clone(), value)),
                Err(why) => {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    let value = cut(&value, LONGEST_VALUE);
                    self.refuse(format!("`vars.{name}: {value}` {why}, as {} has it", self.source));
                }
            }
        }
        for (VarName(name), var) in fixed {
            match (&var.default, asked.contains_key(name)) {
                (_, true) => {}
                (Some(default), false) => drop(vars.insert(name.clone(), default.clone())),
                (None, false) if var.required => {
                    let noun = var.kind.noun();
                    self.refuse(format!("`vars` lacks `{name}`, {noun}, which {} requires", self.source));
                }
                (None, false) => {}
            }
        }
        vars
    }

    fn models(&mut self, asked: Option<Vec<Option<String>>>, terms: &Class) -> Option<Vec<Option<String>>> {
        let named = |models: &Option<OneOrMany<Model>>| {
            let models = models.iter().flat_map(|models| &models.0);
            models.map(|model| Some(model.0.clone()).filter(|model| !model.eq_ignore_ascii_case("auto"))).collect()
        };
        let (first, others): (Vec<_>, Vec<_>) = (named(&terms.model), named(&terms.models));
        let allowed = first.iter().chain(&others).collect::<Vec<_>>();
        if allowed.is_empty() {
            return asked;
        }
        let show = |model: &Option<String>| model.clone().unwrap_or_else(|| "auto".to_owned());
        let odd = asked.iter().flatten().filter(|model| !allowed.contains(model)).map(show).collect::<Vec<_>>();
        if !odd.is_empty() {
            let shown = allowed.iter().map(|model| show(model)).collect::<Vec<_>>();
            self.contradict("model", &odd.join(", "), &shown.join(", "));
        }
        let usual = if first.is_empty() { others.into_iter().take(1).collect() } else { first };
        asked.or(Some(usual))
    }

    fn base_ref(&mut self, asked: Option<String>, fixed: Option<&OneOrMany<BranchPattern>>) -> Option<String> {
        let Some(OneOrMany(fixed)) = fixed else {
            return asked;
        };
        let allowed = || fixed.iter().map(|pattern| pattern.text.as_str()).collect::<Vec<_>>().join(", ");
        match (asked, fixed.first()) {
            (Some(branch), _) => {
                if !fixed.iter().any(|pattern| pattern.fits(&branch)) {
                    self.contradict("base-ref", &branch, &allowed());
                }
                Some(branch)
            }
            (None, Some(BranchPattern { text, compiled: None })) => Some(text.clone()),
            (None, _) => {
                let why = format!("`base-ref` is missing, and {} has only patterns for it: ", self.source);
                self.refuse(format!("{why}`{}`; name a branch that fits", allowed()));
                None
            }
        }
    }

    fn ticket(&mut self, asked: Option<String>, fixed: Option<&TicketPattern>) -> Option<String> {
        let Some(TicketPattern { text, compiled }) = fixed else {
            return asked;
        };
        match &asked {
            None => self.refuse(format!("`ticket` is missing, and {} requires one: `{text}`", self.source)),
            Some(ticket) if !compiled.is_match(ticket) => self.contradict("ticket", ticket, text),
            Some(_) => {}
        }
        asked
    }

    fn repositories(&mut self, asked: &[&Repository], rule: &Repositories) {
        let any = |patterns: &[RepositoryPattern], repository: &Repository| {
            let name = repository.to_string();
            patterns.iter().any(|pattern| fits(&pattern.compiled, &name, false))
        };
        let denied = |it: &Repository| any(&rule.deny, it);
        let missed = |it: &Repository| rule.allow.as_ref().is_some_and(|allow| !any(allow, it)) && !denied(it);
        let tell = |found: Vec<String>| {
            let more = found.len().saturating_sub(MOST_NAMED);
            let named = found.into_iter().take(MOST_NAMED).collect::<Vec<_>>().join(", ");
            if more == 0 { named } else { format!("{named} and {more} more") }
        };
        let of = |rule: &dyn Fn(&Repository) -> bool| {
            asked.iter().filter(|it| rule(it)).map(ToString::to_string).collect::<Vec<_>>()
        };
        for (found, verb, patterns) in [
            (of(&denied), "denies", rule.deny.as_slice()),
            (of(&missed), "allows", rule.allow.as_deref().unwrap_or_default()),
        ] {
            if !found.is_empty() {
                let patterns = patterns.iter().map(|pattern| pattern.text.as_str());
                let source = &self.source;
                let why = format!("{} is not allowed by {source}, which {verb} `{}`", tell(found), words(patterns));
                self.refuse(why);
            }
        }
    }
}

/// A count of the tasks in a repository, for the limits of a class.
#[derive(Debug, Clone)]
pub struct Tally {
    limits: Limits,
    class: String,
    source: String,
    active: u32,
    started: u32,
    /// Those whose prompt cannot be seen, so that nobody can say of which class they are.
    hidden_active: u32,
    hidden_started: u32,
}

/// What a count says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Room {
    /// One more may be started.
    Free,
    /// No more may be started.
    Full(Refusal),
    /// It hangs on tasks that cannot be read yet.
    Hidden(Refusal),
}

impl Tally {
    /// From which age on a task does not count. With `max-active` those that have not settled count for longer.
    pub fn horizon(&self, memory: Duration) -> Duration {
        if self.limits.max_active.is_some() { memory } else { DAY }
    }

    /// Whether archived tasks count.
    pub fn wants_archived(&self) -> bool {
        self.limits.max_starts_per_day.is_some()
    }

    /// Whether a task counts if it is of the class.
    pub fn wants(&self, task: &Task, age: Option<Duration>) -> bool {
        self.limits.max_active.is_some() && is_active(task)
            || self.limits.max_starts_per_day.is_some() && is_of_today(age)
    }

    /// Counts a task. `read` says whether its sessions could be read.
    pub fn take(&mut self, task: &Task, age: Option<Duration>, read: bool) {
        let prompts = task.sessions.iter().filter_map(|session| session.prompt.as_deref()).collect::<Vec<_>>();
        // A prompt that is gone, because the sessions were deleted, does not come back.
        let is_hidden = prompts.is_empty() && (!read || age.is_none_or(|age| age < YOUTH));
        let is_ours = prompts.iter().filter_map(|prompt| Stamp::find(prompt)).any(|stamp| stamp.class == self.class);
        let (active, started) = (u32::from(is_active(task)), u32::from(is_of_today(age)));
        if is_ours {
            self.active += active;
            self.started += started;
        } else if is_hidden {
            self.hidden_active += active;
            self.hidden_started += started;
        }
    }

    /// Whether the limits are reached, so that nothing more has to be counted.
    pub fn is_full(&self) -> bool {
        matches!(self.room(), Room::Full(_))
    }

    /// Whether one more may be started.
    pub fn room(&self) -> Room {
        let Limits { max_active, max_starts_per_day, .. } = self.limits;
        let active = (self.active, self.hidden_active);
        let started = (self.started, self.hidden_started);
        let counts = [
            ("max-active", max_active, active, ["has not settled", "have not settled"]),
            ("max-starts-per-day", max_starts_per_day, started, ["was started", "were started"]),
        ];
        let class = if self.class.is_empty() { "no class".to_owned() } else { format!("the class `{}`", self.class) };
        let refusal = |why: String| Refusal { gate: Gate::Policy, why };
        let mut room = Room::Free;
        for (key, limit, (count, hidden), did) in counts {
            let Some(limit) = limit else { continue };
            let source = &self.source;
            let told = if count == 1 {
                format!("1 task of {class} {}", did[0])
            } else {
                format!("{count} tasks of {class} {}", did[1])
            };
            let within = if key == "max-active" { "" } else { " within the last 24 hours" };
            let has = format!("{source} has `{key}: {limit}`");
            if count >= limit {
                return Room::Full(refusal(format!("{told}{within}, and {has}")));
            }
            if count + hidden >= limit && room == Room::Free {
                room = Room::Hidden(refusal(format!(
                    "{told}{within}, and {has}; {hidden} more may be of it, for GitHub does not show their prompts yet. \
                     Run the job again later"
                )));
            }
        }
        room
    }
}

fn is_active(task: &Task) -> bool {
    task.state.phase() != Phase::Settled
}

/// A task whose age nobody knows counts.
fn is_of_today(age: Option<Duration>) -> bool {
    age.is_none_or(|age| age < DAY)
}

/// A list for people; `never` where it is empty.
fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words = words.into_iter().collect::<Vec<_>>();
    if words.is_empty() { "never".to_owned() } else { words.join(", ") }
}

/// Reads a change ticket: one word, for it goes into the prompt.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn ticket(text: &str) -> Result<String, String> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) || text.contains("<!--") {
        return Err("is no ticket; write its number or its address, without white space".to_owned());
    }
    match text.chars().count() > LONGEST_TICKET {
        true => Err(format!("has more than {LONGEST_TICKET} characters; write its number or its address")),
        false => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::context::Environment;

    /// What the types look like in a file where they are read in ways of their own.
    #[expect(dead_code, reason = "they are there for their schema alone")]
    pub(super) mod schema {
        use schemars::JsonSchema;

        use super::super::RepositoryPattern;
        use super::super::RepositoryTable;
        use super::super::VarKind;
        use super::super::VarTable;

        #[derive(JsonSchema)]
        #[schemars(inline)]
        #[serde(untagged)]
        pub(in crate::policy) enum OneOrMany<T> {
            One(T),
            Many(#[schemars(length(min = 1))] Vec<T>),
        }

        #[derive(JsonSchema)]
        #[schemars(inline)]
        #[serde(untagged)]
        pub(in crate::policy) enum TextOrNumber {
            Text(String),
            Number(f64),
        }

        #[derive(JsonSchema)]
        #[serde(untagged)]
        pub(in crate::policy) enum Var {
            Short(VarKind),
            Long(VarTable),
        }

        #[derive(JsonSchema)]
        #[serde(untagged)]
        pub(in crate::policy) enum Repositories {
            One(RepositoryPattern),
            Many(#[schemars(length(min = 1))] Vec<RepositoryPattern>),
            Both(RepositoryTable),
        }
    }

    const FULL: &str = include_str!("../examples/policy/agent-tasks.yml");
    const ORGANISATION: &str = include_str!("../examples/policy/organisation.yml");
    const SMALL: &str = include_str!("../examples/policy/small.yml");

    fn place() -> Place {
        USUAL_PLACE.parse().unwrap()
    }

    #[track_caller]
    fn policy(text: &str) -> Policy {
        Policy::parse(&place(), text).unwrap_or_else(|faults| panic!("{}", faults.join("\n")))
    }

    fn faults(text: &str) -> Vec<String> {
        let faults = Policy::parse(&place(), text).unwrap_err();
        faults.iter().map(|fault| fault.strip_prefix(".github/agent-tasks.yml:").unwrap().to_owned()).collect()
    }

    /// The rules of the one class in a policy.
    fn rules(class: &str) -> Rules {
        let indented = class.lines().map(|line| format!("    {line}\n")).collect::<String>();
        policy(&format!("tasks:\n  it:\n{indented}")).rules(&place(), None, Some("it")).unwrap()
    }

    fn whys(refusals: Vec<Refusal>) -> Vec<String> {
        assert!(refusals.iter().all(|refusal| refusal.gate == Gate::Policy));
        refusals.into_iter().map(|refusal| refusal.why).collect()
    }

    #[track_caller]
    fn settled(rules: &Rules, asked: Asked) -> Asked {
        let (settled, refusals) = rules.settle(asked);
        assert_eq!(refusals, []);
        settled
    }

    #[track_caller]
    fn refused(rules: &Rules, asked: Asked) -> String {
        let whys = whys(rules.settle(asked).1);
        assert_eq!(whys.len(), 1, "{whys:?}");
        whys[0].clone()
    }

    fn forbidden(rules: &Rules, repositories: &[&str], run: &[(&str, &str)], now: &str) -> Vec<String> {
        let repositories = repositories.iter().map(|name| name.parse().unwrap()).collect::<Vec<Repository>>();
        let environment: Environment = run.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let context = Context::new(&environment, None, None);
        whys(
            [rules.forbid_run(&context), rules.forbid(&repositories.iter().collect::<Vec<_>>(), now.parse().unwrap())]
                .concat(),
        )
    }

    const NOON: &str = "2026-11-20T12:00:00Z";

    /// A key that is there has a value: what the types call absent is a key left out.
    fn without_null(schema: &mut Value) {
        match schema {
            Value::Object(fields) => {
                fields.retain(|name, value| name != "default" || !value.is_null());
                if let Some(Value::Array(types)) = fields.get_mut("type") {
                    types.retain(|it| it != "null");
                    fields["type"] = types[0].clone();
                }
                if let Some(Value::Array(choices)) = fields.get_mut("anyOf") {
                    choices.retain(|it| it["type"] != "null");
                    if let [Value::Object(only)] = choices.as_slice() {
                        let only = only.clone();
                        fields.remove("anyOf");
                        for (name, value) in only {
                            fields.entry(name).or_insert(value);
                        }
                    }
                }
                if let Some(Value::String(text)) = fields.get_mut("description") {
                    *text = text.replace('\n', " ");
                }
                fields.values_mut().for_each(without_null);
            }
            Value::Array(items) => items.iter_mut().for_each(without_null),
            _ => {}
        }
    }

    /// The schema, as it is in `dist`.
    fn derived() -> Value {
        let mut schema = serde_json::to_value(schemars::schema_for!(Policy)).unwrap();
        without_null(&mut schema);
        schema
    }

    /// Where this fails, put what it shows into the file.
    #[test]
    fn the_schema_that_is_handed_out_is_that_of_the_types() {
        let text = format!("{}\n", serde_json::to_string_pretty(&derived()).unwrap());
        assert!(text == include_str!("../dist/agent-tasks.schema.json"), "{text}");
    }

    fn as_json(node: yaml::Node) -> Value {
        match node.kind {
            yaml::Kind::Mapping(entries) => {
                Value::Object(entries.into_iter().map(|(key, value)| (key.name, as_json(value))).collect())
            }
            yaml::Kind::List(items) => items.into_iter().map(as_json).collect(),
            yaml::Kind::Scalar(value) => value,
        }
    }

    #[test]
    fn the_schema_and_the_reader_agree() {
        let schema = jsonschema::validator_for(&derived()).unwrap();
        let both = |text: &str| {
            let json = as_json(yaml::parse(text).unwrap().0);
            (schema.is_valid(&json), Policy::parse(&place(), text).is_ok())
        };
        for text in [FULL, ORGANISATION, SMALL] {
            assert_eq!(both(text), (true, true));
        }
        for text in [
            "require-class: maybe",
            "task: {}",
            "tasks: {'a b': {}}",
            "tasks: {a: {modle: x}}",
            "tasks: {a: {model: 'a, b'}}",
            "tasks: {a: {model: []}}",
            "tasks: {a: {model: }}",
            "tasks: {a: {prompt: /etc/passwd}}",
            "tasks: {a: {vars: {x: text}}}",
            "tasks: {a: {vars: {x: {required: true}}}}",
            "tasks: {a: {vars: {x: {type: string, option: [a]}}}}",
            "tasks: {a: {base-ref: 'a b'}}",
            "tasks: {a: {create-pull-request: 'true'}}",
            "tasks: {a: {repositories: acme}}",
            "tasks: {a: {repositories: {allows: acme/*}}}",
            "tasks: {a: {events: Schedule}}",
            "tasks: {a: {workflows: Weekly}}",
            "tasks: {a: {fail-on: success}}",
            "tasks: {a: {stop-on: queued}}",
            "tasks: {a: {owner: 'a/b/c'}}",
            "tasks: {a: {limits: {max-active: -1}}}",
            "tasks: {a: {limits: {not-after: tomorrow}}}",
        ] {
            assert_eq!(both(text), (false, false), "{text}");
        }
    }

    #[test]
    fn every_fault_of_a_file_is_told_at_once_with_its_place() {
        let text = "require-clas: true\ntasks:\n  bump:\n    modle: x\n    base-ref: 'release/[*'\n    repositories: [acme, 'a/**b']\n    \
                    create-pull-request: yes please\n    vars:\n      v: text\n      w: {type: boolean, options: [a]}\n      \
                    x: {type: string, default: 1.10}\n    ticket: CHG-(\n    fail-on: [never, failure]\n    \
                    limits: {max-active: many, not-after: 2026-02-30}\n    version:\n  bump: {}\n";
        assert_eq!(
            faults(text),
            [
                "1:1: `require-clas` is no key here; did you mean `require-class`?",
                "4:5: `modle` is no key here; did you mean `model`?",
                "5:15: `release/[*` is no pattern: invalid range pattern at character 9",
                "6:20: `acme` is no pattern for a repository; write `owner/name`, such as `acme/*`",
                "6:26: `a/**b` is no pattern: recursive wildcards must form a single path component at character 5",
                "7:26: this is a text, and a boolean is wanted",
                "9:10: `text` is no type; there is `string`, `number`, `boolean`, `list`, `mapping`",
                "10:10: `options` are for a `string` or a `number`",
                "11:10: `default` is a number, and the type is `string`; write it in quotes",
                "12:13: `CHG-(` is no regular expression: found open group without closing ')'",
                "13:14: `never` stands for none of them, so nothing can stand beside it",
                "14:26: this is a text, and a whole number is wanted",
                "14:43: `2026-02-30` is no day; write it as `2026-12-31`",
                "15:12: this is empty, and a text or a number is wanted",
                "16:3: this is a duplicate of a name above; keep one",
            ]
        );
    }

    #[test]
    fn what_is_no_policy_at_all_is_told() {
        assert_eq!(faults("a: [\n"), ["1:4: unclosed bracket '['"]);
        assert_eq!(faults("[]"), ["1:1: this is a list, and a mapping is wanted"]);
        let told = Policy::parse(&place(), &" ".repeat(MOST_BYTES + 1)).unwrap_err();
        assert!(told[0].contains("has 262145 bytes; at most 262144 are read"), "{told:?}");
    }

    #[test]
    fn a_place_is_a_file_of_the_workspace_or_of_a_repository() {
        for text in ["ci/agents.yml", "acme/.github:agent-tasks.yml", "acme/.github:policy/agents.yml@release/v1"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        assert_eq!("./a.yml".parse(), Ok(Place::Workspace("a.yml".to_owned())));
        for (text, why) in [
            ("../a.yml", "is no path"),
            ("/a.yml", "is no path"),
            ("acme:a.yml", "names no repository before the colon"),
            ("acme/x:", "is no path"),
            ("acme/x:a/../b", "is no path"),
            ("acme/x:a.yml@", "names no branch, tag or commit"),
            ("https://github.com/acme/x/a.yml", "names no repository before the colon"),
        ] {
            let told = text.parse::<Place>().unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }

    #[test]
    fn a_class_gives_what_the_inputs_do_not() {
        let rules = policy(FULL).rules(&place(), None, Some("release-prep")).unwrap();
        let vars = json!({"version": 12}).as_object().cloned().unwrap();
        let ticket = Some("CHG-0000017".to_owned());
        let filled = json!({"version": "12", "channel": "stable"});
        assert_eq!(rules.vars(vars), Ok(filled.as_object().cloned().unwrap()));
        let settled = settled(&rules, Asked { ticket: ticket.clone(), ..Asked::default() });
        assert_eq!(
            settled,
            Asked {
                prompt_file: Some(".github/prompts/release-prep.md".to_owned()),
                models: Some(vec![Some("claude-sonnet-4.6".to_owned())]),
                base_ref: Some("main".to_owned()),
                create_pull_request: Some(true),
                wait: Some(true),
                fail_on: Some(vec![Conclusion::Failure, Conclusion::TimedOut, Conclusion::Cancelled]),
                stop_on: Some((true, false)),
                ticket: ticket.clone(),
                ..Asked::default()
            }
        );
        let facts = rules.facts(ticket.clone());
        assert_eq!(
            facts,
            Facts {
                policy: Some(USUAL_PLACE.to_owned()),
                commit: None,
                class: Some("release-prep".to_owned()),
                prompt: Some(".github/prompts/release-prep.md".to_owned()),
                version: Some("7".to_owned()),
                ticket,
                owner: Some("@acme/release-managers".to_owned()),
                limits: Limits {
                    max_active: Some(3),
                    max_starts_per_day: Some(10),
                    not_after: Some(Day("2027-06-30".parse().unwrap()))
                },
            }
        );
    }

    #[test]
    fn what_the_inputs_say_as_well_is_no_contradiction() {
        let rules = rules(
            "prompt: a/b.md\nmodel: [a, auto]\nbase-ref: main\ncustom-agent: fixer\ncreate-pull-request: true\n\
             fail-on: [failure, cancelled]\nstop-on: never",
        );
        let asked = Asked {
            prompt_file: Some("./a/b.md".to_owned()),
            models: Some(vec![None, Some("a".to_owned())]),
            base_ref: Some("main".to_owned()),
            custom_agent: Some("fixer".to_owned()),
            create_pull_request: Some(true),
            fail_on: Some(vec![Conclusion::Cancelled, Conclusion::Failure]),
            stop_on: Some((false, false)),
            wait: Some(true),
            ..Asked::default()
        };
        let settled = settled(&rules, asked.clone());
        assert_eq!((settled.models, settled.wait), (asked.models, Some(true)));
    }

    #[test]
    fn everything_that_contradicts_is_refused_at_once_with_both_values() {
        let rules = rules(
            "prompt: a.md\nmodel: m\nmodels: [n]\nbase-ref: [main, 'release/*']\ncustom-agent: fixer\n\
             create-pull-request: false\nrequire-pull-request: false\nwait: false\nfail-on: failure\nstop-on: idle\n\
             vars: {count: number, kind: {type: string, options: [a, b]}, on: boolean}\nticket: 'CHG-[0-9]+'",
        );
        let asked = Asked {
            has_prompt: true,
            prompt_file: None,
            models: Some(vec![Some("n".to_owned()), Some("x".to_owned()), None]),
            base_ref: Some("release/a/b".to_owned()),
            custom_agent: Some("other".to_owned()),
            create_pull_request: Some(true),
            require_pull_request: Some(true),
            wait: Some(true),
            fail_on: Some(Vec::new()),
            stop_on: Some((true, true)),
            ticket: Some("xCHG-1".to_owned()),
        };
        let by = "the task class `it` of .github/agent-tasks.yml";
        let mut told = whys(rules.settle(asked).1);
        let vars = json!({"count": "many", "kind": "c", "knid": 1}).as_object().cloned().unwrap();
        told.extend(whys(rules.vars(vars).unwrap_err()));
        let expected = [
            format!("`prompt` contradicts {by}, which has `prompt: a.md`; leave the input out"),
            format!("`vars.count: many` is not a number, as {by} has it"),
            format!("`vars.kind: c` is none of `a`, `b`, as {by} has it"),
            format!("`vars.knid` is no variable of {by}; did you mean `kind`?"),
            format!("`vars` lacks `on`, `true` or `false`, which {by} requires"),
        ]
        .into_iter()
        .chain(
            [
                ("model", "x, auto", "m, n"),
                ("custom-agent", "other", "fixer"),
                ("base-ref", "release/a/b", "main, release/*"),
                ("create-pull-request", "true", "false"),
                ("require-pull-request", "true", "false"),
                ("wait", "true", "false"),
                ("stop-on", "waiting_for_user, idle", "idle"),
                ("ticket", "xCHG-1", "CHG-[0-9]+"),
                ("fail-on", "never", "failure"),
            ]
            .map(|(input, asked, has)| {
                let why = format!("`{input}: {asked}` contradicts {by}, which has `{input}: {has}`");
                format!("{why}; leave the input out, or change the policy")
            }),
        )
        .collect::<std::collections::BTreeSet<_>>();
        assert_eq!(told.len(), expected.len());
        assert_eq!(told.into_iter().collect::<std::collections::BTreeSet<_>>(), expected);
    }

    #[test]
    fn the_first_of_several_is_taken_where_the_inputs_are_silent() {
        let models = |class: &str| settled(&rules(class), Asked::default()).models.unwrap();
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(models("models: [auto, a]"), [None]);
        assert_eq!(models("models: [a, b]"), [named("a")]);
        assert_eq!(models("model: [a, b]\nmodels: [c]"), [named("a"), named("b")]);
        assert_eq!(settled(&rules("base-ref: [a, 'b/*']"), Asked::default()).base_ref, named("a"));
        let told = refused(&rules("base-ref: ['b/*', a]"), Asked::default());
        assert!(
            told.starts_with("`base-ref` is missing, and ") && told.contains("only patterns for it: `b/*, a`"),
            "{told}"
        );
    }

    #[test]
    fn a_ticket_is_required_where_the_class_says_so() {
        let rules = rules("ticket: 'A|CHG-[0-9]{2}'");
        assert!(refused(&rules, Asked::default()).starts_with("`ticket` is missing, and the task class `it` of"));
        for (text, fits) in [("A", true), ("CHG-12", true), ("CHG-123", false), ("AA", false), ("A\n", false)] {
            let asked = Asked { ticket: Some(text.to_owned()), ..Asked::default() };
            assert_eq!(rules.settle(asked).1.is_empty(), fits, "{text:?}");
        }
        for (text, fits) in
            [("https://acme.example/CHG?id=1&x=2", true), ("a b", false), ("a\nb", false), ("<!--x", false)]
        {
            assert_eq!(ticket(text).is_ok(), fits, "{text:?}");
        }
        assert!(ticket(&"x".repeat(LONGEST_TICKET + 1)).is_err());
    }

    #[test]
    fn a_prompt_file_of_the_workspace_is_not_that_of_the_policys_repository() {
        let elsewhere = "acme/.github:agent-tasks.yml".parse().unwrap();
        let policy = Policy::parse(&elsewhere, "tasks: {it: {prompt: a.md}}").unwrap();
        let rules = policy.rules(&elsewhere, None, Some("it")).unwrap();
        let told = refused(&rules, Asked { prompt_file: Some("a.md".to_owned()), ..Asked::default() });
        assert!(told.contains("which has `prompt: a.md` in the repository of the policy"), "{told}");
    }

    #[test]
    fn a_start_without_a_class_is_held_to_the_defaults_or_forbidden() {
        let free = policy("defaults: {base-ref: main}\ntasks: {a: {base-ref: dev}}");
        let rules = free.rules(&place(), None, None).unwrap();
        assert_eq!(settled(&rules, Asked::default()).base_ref.as_deref(), Some("main"));
        let told = refused(&rules, Asked { base_ref: Some("x".to_owned()), ..Asked::default() });
        assert!(told.contains("contradicts the `defaults` of .github/agent-tasks.yml"), "{told}");
        let rules = free.rules(&place(), None, Some("a")).unwrap();
        assert_eq!(settled(&rules, Asked::default()).base_ref.as_deref(), Some("dev"));

        let rules = policy(FULL).rules(&place(), None, None).unwrap();
        let told = refused(&rules, Asked::default());
        assert!(told.ends_with("name one of its task classes by `task`: `dependency-bump`, `release-prep`"), "{told}");
        let told = policy(FULL).rules(&place(), None, Some("relase-prep")).unwrap_err();
        assert_eq!(told, "is no task class of .github/agent-tasks.yml; did you mean `release-prep`?");
        assert_eq!(settled(&Rules::default(), Asked { has_prompt: true, ..Asked::default() }).models, None);
    }

    #[test]
    fn repositories_are_allowed_by_patterns_and_a_denial_wins() {
        let bump = policy(FULL).rules(&place(), None, Some("dependency-bump")).unwrap();
        let run = [("GITHUB_EVENT_NAME", "schedule")];
        assert_eq!(forbidden(&bump, &["ACME/lib-a", "acme/SDK"], &run, NOON), [""; 0]);
        let told =
            forbidden(&bump, &["acme/lib-archive", "acme/app", "acme/lib-a", "acme/secrets", "other/sdk"], &run, NOON);
        assert_eq!(
            told,
            [
                "acme/lib-archive, acme/secrets is not allowed by the task class `dependency-bump` of \
                 .github/agent-tasks.yml, which denies `acme/secrets, acme/*-archive`",
                "acme/app, other/sdk is not allowed by the task class `dependency-bump` of .github/agent-tasks.yml, which \
                 allows `acme/lib-*, acme/sdk`",
            ]
        );
        let many = (0..25).map(|at| format!("x/y{at}")).collect::<Vec<_>>();
        let told = forbidden(&bump, &many.iter().map(String::as_str).collect::<Vec<_>>(), &run, NOON);
        assert!(told[0].contains("x/y19 and 5 more is not allowed"), "{told:?}");
        let only_deny = rules("repositories: {deny: 'acme/*'}");
        assert_eq!(forbidden(&only_deny, &["acme/a"], &[], NOON).len(), 1);
        assert_eq!(forbidden(&only_deny, &["octo/a"], &[], NOON).len(), 0);
    }

    #[test]
    fn events_workflows_and_dates_are_held_to() {
        let rules = policy(FULL).rules(&place(), None, Some("release-prep")).unwrap();
        let file = |name: &str| format!("acme/app/.github/workflows/{name}@refs/heads/main");
        let at = |event: &str, workflow: &str, now: &str| {
            forbidden(&rules, &["acme/app"], &[("GITHUB_EVENT_NAME", event), ("GITHUB_WORKFLOW_REF", workflow)], now)
        };
        assert_eq!(at("schedule", &file("release.yml"), NOON), [""; 0]);
        assert_eq!(at("schedule", &file("release.yml"), "2027-06-30T23:59:59Z"), [""; 0]);
        let by = "the task class `release-prep` of .github/agent-tasks.yml";
        assert_eq!(
            at("push", &file("other-release.yml"), "2027-07-01T00:00:00Z"),
            [
                format!("the event `push` is not allowed by {by}, which allows `schedule, workflow_dispatch`"),
                format!(
                    "the workflow `acme/app/.github/workflows/other-release.yml` is not allowed by {by}, which allows \
                     `release.yml`"
                ),
                format!("today is 2027-07-01 in UTC, and {by} has `not-after: 2027-06-30`"),
            ]
        );
        let told = forbidden(&rules, &["acme/app"], &[], NOON);
        assert!(told.iter().all(|why| why.starts_with("a start outside of any workflow run")), "{told:?}");
        assert_eq!(told.len(), 2);

        let whole = self::rules("workflows: 'acme/*/.github/workflows/*.yml'");
        let of = |path: &str| forbidden(&whole, &[], &[("GITHUB_WORKFLOW_REF", path)], NOON).len();
        assert_eq!(of(&file("a.yml")), 0);
        assert_eq!(of("evil/app/.github/workflows/a.yml@refs/heads/main"), 1);
    }

    #[test]
    fn what_the_defaults_deny_no_class_allows() {
        let policy = policy(
            "defaults: {repositories: {allow: 'a/*', deny: 'a/x'}, limits: {max-active: 1}}\n\
             tasks: {it: {repositories: '*/*', limits: {max-starts-per-day: 2}}}",
        );
        let rules = policy.rules(&place(), None, Some("it")).unwrap();
        assert_eq!(forbidden(&rules, &["b/y", "a/x"], &[], NOON).len(), 1);
        let limits = rules.facts(None).limits;
        assert_eq!((limits.max_active, limits.max_starts_per_day, limits.not_after), (Some(1), Some(2), None));
    }

    #[test]
    fn a_wait_is_held_to_what_is_about_waiting() {
        let rules = policy(FULL).rules(&place(), None, Some("release-prep")).unwrap().of_a_wait();
        let settled = settled(&rules, Asked::default());
        assert_eq!(
            settled,
            Asked { stop_on: Some((true, false)), fail_on: settled.fail_on.clone(), ..Asked::default() }
        );
        assert_eq!(rules.facts(None).owner.as_deref(), Some("@acme/release-managers"));
        assert_eq!(settled.fail_on.unwrap().len(), 3);
    }

    #[test]
    fn the_prompt_is_where_the_policy_is() {
        let prompt = |place: &str| {
            let place = place.parse().unwrap();
            let policy = Policy::parse(&place, "defaults: {prompt: p/a.md}").unwrap();
            policy.rules(&place, None, None).unwrap().prompt().unwrap().to_string()
        };
        assert_eq!(prompt("ci/x.yml"), "p/a.md");
        assert_eq!(prompt("acme/.github:x.yml@v1"), "acme/.github:p/a.md@v1");
        assert_eq!(Rules::default().prompt(), None);
    }

    fn task(state: &str, class: Option<&str>) -> Task {
        let stamp = |class: &str| Stamp {
            key: crate::key::Key::over(["x"]),
            name: "weekly/prep".to_owned(),
            class: class.to_owned(),
            run: String::new(),
            attempt: String::new(),
            actor: String::new(),
        };
        let sessions = class.map(|class| json!([{"prompt": stamp(class).put_under("x")}])).unwrap_or_default();
        serde_json::from_value(json!({"id": "t", "state": state, "sessions": sessions})).unwrap()
    }

    fn counted(limits: &str, tasks: &[(&str, Option<&str>, u64)]) -> Room {
        let mut tally = rules(&format!("limits: {{{limits}}}")).tally().unwrap();
        for (state, class, age) in tasks {
            let (task, age) = (task(state, *class), Some(Duration::from_secs(*age)));
            if tally.wants(&task, age) {
                tally.take(&task, age, true);
            }
        }
        tally.room()
    }

    #[test]
    fn tasks_of_the_class_are_counted_by_their_stamps() {
        const HOUR: u64 = 3600;
        let running = ("in_progress", Some("it"), 30 * HOUR);
        let done = ("completed", Some("it"), 2 * HOUR);
        assert!(matches!(counted("max-active: 1", &[running]), Room::Full(_)));
        assert_eq!(counted("max-active: 2", &[running]), Room::Free);
        assert_eq!(counted("max-active: 1", &[done, ("idle", Some("other"), 5), ("queued", Some(""), 5)]), Room::Free);
        assert_eq!(counted("max-starts-per-day: 1", &[running, ("completed", Some("it"), 24 * HOUR)]), Room::Free);
        let Room::Full(refusal) = counted("max-active: 9, max-starts-per-day: 2", &[done, running, done]) else {
            panic!("not full")
        };
        assert_eq!(
            refusal.why,
            "2 tasks of the class `it` were started within the last 24 hours, and the task class `it` of \
             .github/agent-tasks.yml has `max-starts-per-day: 2`"
        );
        assert!(matches!(counted("max-active: 0", &[]), Room::Full(_)));
    }

    #[test]
    fn what_cannot_be_read_yet_may_be_of_the_class() {
        let hidden = ("queued", None, 5);
        assert!(matches!(counted("max-active: 1", &[hidden]), Room::Hidden(_)));
        assert_eq!(counted("max-active: 2", &[hidden]), Room::Free);
        assert!(matches!(counted("max-starts-per-day: 2", &[hidden, ("failed", Some("it"), 9)]), Room::Hidden(_)));
        // Its sessions were deleted.
        assert_eq!(counted("max-active: 1", &[("idle", None, 9999)]), Room::Free);
        let mut tally = rules("limits: {max-active: 1}").tally().unwrap();
        tally.take(&task("idle", None), Some(Duration::from_secs(9999)), false);
        assert!(matches!(tally.room(), Room::Hidden(_)));
        assert!(rules("limits: {not-after: 2026-12-31}").tally().is_none());
    }
}
