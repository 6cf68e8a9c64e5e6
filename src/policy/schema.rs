//! The policy: which tasks may be started, with which prompt, where, by which event, and how many of them.
//!
//! A policy file has task classes. What a class names is fixed: an input that says something else is refused, and one
//! that says nothing gets the class's value. What it does not name is the user's.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, de};

use crate::policy::evaluate::Rules;
use crate::policy::location::PolicyLocation;
use crate::policy::values::{
    AgentName, BranchPattern, ClassName, Day, EventName, FailOn, Model, Owner, PromptFile, RepositoryPattern, StopOn,
    TicketPattern, ToolName, VarName, WorkflowPattern,
};
use crate::policy::vars::Var;
use crate::text::nearest;
use crate::yaml::compose;
use crate::yaml::de::{OneOrMany, Spelled, read_as};

/// The most bytes of a policy that are read. A hundred classes with everything that a class can have take a quarter.
pub const MOST_BYTES: usize = 262_144;

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
    #[cfg_attr(test, schemars(with = "Option<crate::policy::tests::schema::TextOrNumber>"))]
    pub version: Option<Spelled>,
    /// The variables that the template gets, and no others. Each is required unless it has a default.
    #[cfg_attr(test, schemars(with = "Option<BTreeMap<VarName, crate::policy::tests::schema::Var>>"))]
    pub vars: Option<BTreeMap<VarName, Var>>,
    /// The model that is asked for, or several to try one after the other.
    #[cfg_attr(test, schemars(with = "Option<crate::policy::tests::schema::OneOrMany<Model>>"))]
    pub model: Option<OneOrMany<Model>>,
    /// The models that the input may name. If `model` is absent, the first of them is asked for unless it does.
    #[cfg_attr(test, schemars(with = "Option<crate::policy::tests::schema::OneOrMany<Model>>"))]
    pub models: Option<OneOrMany<Model>>,
    /// The custom agent, by its file name in `.github/agents` without the extension.
    pub custom_agent: Option<AgentName>,
    /// The branch to start from, or several, or patterns such as `release/*`. The first is taken if the input is
    /// silent and it is no pattern.
    #[cfg_attr(test, schemars(with = "Option<crate::policy::tests::schema::OneOrMany<BranchPattern>>"))]
    pub base_ref: Option<OneOrMany<BranchPattern>>,
    /// Whether the agent opens a pull request.
    pub create_pull_request: Option<bool>,
    /// Whether a task that completes without a pull request is a failure.
    pub require_pull_request: Option<bool>,
    /// The repositories in which tasks may be started, as patterns such as `acme/*`: a list, or `allow` and `deny`, of
    /// which `deny` wins.
    #[cfg_attr(test, schemars(with = "Option<crate::policy::tests::schema::Repositories>"))]
    pub repositories: Option<Repositories>,
    /// The events of workflow runs that may start a task.
    #[cfg_attr(test, schemars(with = "Option<crate::policy::tests::schema::OneOrMany<EventName>>"))]
    pub events: Option<OneOrMany<EventName>>,
    /// The workflows that may start a task, by their file names such as `release.yml`, or by whole paths such as
    /// `acme/app/.github/workflows/release.yml`. Both may be patterns.
    #[cfg_attr(test, schemars(with = "Option<crate::policy::tests::schema::OneOrMany<WorkflowPattern>>"))]
    pub workflows: Option<OneOrMany<WorkflowPattern>>,
    /// Whether the step waits for the task.
    pub wait: Option<bool>,
    /// The conclusions that fail the step; `never` for none.
    #[cfg_attr(
        test,
        schemars(with = "Option<crate::policy::tests::schema::OneOrMany<crate::policy::values::FailOnWord>>")
    )]
    pub fail_on: Option<FailOn>,
    /// The states that end the wait; `never` for none.
    #[cfg_attr(
        test,
        schemars(with = "Option<crate::policy::tests::schema::OneOrMany<crate::policy::values::StopOnWord>>")
    )]
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
    #[cfg_attr(test, schemars(with = "Option<crate::policy::tests::schema::OneOrMany<ToolName>>"))]
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
pub(crate) struct RepositoryTable {
    /// Where tasks may be started; anywhere if absent.
    #[cfg_attr(test, schemars(with = "Option<crate::policy::tests::schema::OneOrMany<RepositoryPattern>>"))]
    allow: Option<OneOrMany<RepositoryPattern>>,
    /// Where no task may be started, whatever `allow` says.
    #[cfg_attr(test, schemars(with = "Option<crate::policy::tests::schema::OneOrMany<RepositoryPattern>>"))]
    deny: Option<OneOrMany<RepositoryPattern>>,
}

/// Where tasks may be started.
#[derive(Debug, Clone, Default)]
pub struct Repositories {
    pub(super) allow: Option<Vec<RepositoryPattern>>,
    pub(super) deny: Vec<RepositoryPattern>,
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

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with file, line and column.
    pub fn parse(place: &PolicyLocation, text: &str) -> Result<Self, Vec<String>> {
        if text.len() > MOST_BYTES {
            return Err(vec![format!("{place}: has {} bytes; at most {MOST_BYTES} are read", text.len())]);
        }
        let told =
            |fault: compose::Fault| format!("{place}:{}:{}: {}", fault.place.line, fault.place.column, fault.why);
        let (tree, twice) = compose::parse(text).map_err(|fault| vec![told(fault)])?;
        let (policy, mut faults) = read_as::<Self>(tree);
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
    pub fn rules(&self, place: &PolicyLocation, commit: Option<String>, class: Option<&str>) -> Result<Rules, String> {
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
