//! The policy: which tasks may be started, with which prompt, where, by which event, and how many of them.
//!
//! A policy file has task classes. What a class names is fixed: an input that says something else is refused, and one
//! that says nothing gets the class's value. What it does not name is the user's.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{IntoDeserializer as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, de};

use crate::actions::pattern::{BranchName, PatternList, RepositoryName, WorkflowPath};
use crate::order::sorted;
use crate::policy::evaluate::Rules;
use crate::policy::location::PolicyLocation;
use crate::policy::values::{
    AgentName, AllowedBots, AllowedUsers, ClassName, Day, EventName, FailOn, Model, Owner, PromptFile, StopOn,
    TicketPattern, ToolName, VarName,
};
use crate::policy::vars::Var;
use crate::prompt::fence::Untrusted;
use crate::task::acceptance::Expect;
use crate::task::start::{ActiveScope, IfActive};
use crate::task::stop::UnfinishedTask;
use crate::task::time_span::TimeSpan;
use crate::text::nearest;
use crate::yaml::compose::{self, Kind};
use crate::yaml::de::{OneOrMany, Spelled, read_as};

/// The most bytes of a policy that are read. A hundred classes with everything that a class can have take a quarter.
pub const MAX_BYTES: usize = 262_144;

/// A policy of GitHub Copilot cloud agent tasks: which may be started, with which prompt, where, and how many.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// Whether every start must name a task class, so that a free prompt cannot start a task.
    pub require_class: bool,
    /// What holds for every class that does not say otherwise, and for a start without a class.
    pub defaults: Class,
    /// The task classes, by the names that the input `task-class` gives.
    pub task_classes: BTreeMap<ClassName, Class>,
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
    /// silent and it is not a pattern.
    #[cfg_attr(test, schemars(with = "Option<crate::policy::tests::schema::Patterns<BranchName>>"))]
    pub base_ref: Option<PatternList<BranchName>>,
    /// The branch of the pull request that the agent commits to, or several, or patterns such as `copilot/*`. The first
    /// is taken if the input is silent and it is not a pattern.
    #[cfg_attr(test, schemars(with = "Option<crate::policy::tests::schema::Patterns<BranchName>>"))]
    pub head_ref: Option<PatternList<BranchName>>,
    /// Whether the agent opens a pull request.
    pub create_pull_request: Option<bool>,
    /// Whether a task that completes without a pull request is a failure.
    pub require_pull_request: Option<bool>,
    /// What the pull request of a task must be like. What it is not is a failure.
    pub expect: Expect,
    /// The repositories in which tasks may be started, as patterns such as `acme/*`: a list, or `allow` and `deny`, of
    /// which `deny` wins.
    #[cfg_attr(test, schemars(with = "Option<crate::policy::tests::schema::Repositories>"))]
    pub repositories: Option<Repositories>,
    /// The events of workflow runs that may start a task.
    #[cfg_attr(test, schemars(with = "Option<crate::policy::tests::schema::OneOrMany<EventName>>"))]
    pub events: Option<OneOrMany<EventName>>,
    /// The workflows that may start a task, by their file names such as `release.yml`, or by whole paths such as
    /// `acme/app/.github/workflows/release.yml`. Both may be patterns.
    #[cfg_attr(test, schemars(with = "Option<crate::policy::tests::schema::Patterns<WorkflowPath>>"))]
    pub workflows: Option<PatternList<WorkflowPath>>,
    /// The people whose events start a task without write access; `never` for none.
    #[cfg_attr(
        test,
        schemars(with = "Option<crate::policy::tests::schema::OneOrMany<crate::policy::values::UserLogin>>")
    )]
    pub allow_users: Option<AllowedUsers>,
    /// The bots whose events start a task; `never` for none.
    #[cfg_attr(
        test,
        schemars(with = "Option<crate::policy::tests::schema::OneOrMany<crate::policy::values::BotLogin>>")
    )]
    pub allow_bots: Option<AllowedBots>,
    /// What happens to text that an outsider can write.
    pub untrusted: Option<Untrusted>,
    /// What to do while a task is active.
    pub if_active: Option<IfActive>,
    /// Which tasks count as active.
    pub active_scope: Option<ActiveScope>,
    /// Whether the step waits for the task.
    pub wait: Option<bool>,
    /// What becomes of a task that is not done when `wait-timeout` passes.
    pub on_timeout: Option<UnfinishedTask>,
    /// What becomes of a task when the job is canceled.
    pub on_interrupt: Option<UnfinishedTask>,
    /// The most AI credits that a task may use. One that has used more is stopped during a wait.
    pub max_credits: Option<NonZeroU64>,
    /// How long a task may run, from its creation, such as `2h`. One that runs longer is stopped during a wait, or by
    /// `command: stop` with the class.
    pub max_duration: Option<TimeSpan>,
    /// Whether a task's run that continues although GitHub accepted its cancel is canceled by force.
    pub force: Option<bool>,
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
    /// Whether the workflows of its pull requests must wait for a person's approval.
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
    #[cfg_attr(test, schemars(with = "Option<crate::policy::tests::schema::Patterns<RepositoryName>>"))]
    allow: Option<PatternList<RepositoryName>>,
    /// Where no task may be started, whatever `allow` says.
    #[cfg_attr(test, schemars(with = "Option<crate::policy::tests::schema::Patterns<RepositoryName>>"))]
    deny: Option<PatternList<RepositoryName>>,
}

/// Where tasks may be started.
#[derive(Debug, Clone, Default)]
pub struct Repositories {
    pub(super) allow: Option<PatternList<RepositoryName>>,
    /// Each list denies by itself, so that a `!` in one takes nothing out of another.
    pub(super) deny: Vec<PatternList<RepositoryName>>,
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
                let allow = PatternList::deserialize(text.into_deserializer())?;
                Ok(Repositories { allow: Some(allow), deny: Vec::new() })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Repositories, A::Error> {
                let allow = PatternList::deserialize(SeqAccessDeserializer::new(items))?;
                Ok(Repositories { allow: Some(allow), deny: Vec::new() })
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Repositories, A::Error> {
                let table = RepositoryTable::deserialize(MapAccessDeserializer::new(entries))?;
                Ok(Repositories { allow: table.allow, deny: table.deny.into_iter().collect() })
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
        if text.len() > MAX_BYTES {
            return Err(vec![format!("{place}: has {} bytes; at most {MAX_BYTES} are read", text.len())]);
        }
        let problem =
            |fault: compose::Fault| format!("{place}:{}:{}: {}", fault.place.line, fault.place.column, fault.why);
        let (mut tree, mut faults) = compose::parse(text).map_err(|fault| vec![problem(fault)])?;
        if let Kind::Mapping(entries) = &mut tree.kind {
            entries.retain(|(key, _)| match key.name.as_str() {
                // The name of an earlier version.
                "tasks" => {
                    let why = "the key `tasks` was renamed; write `task-classes`".to_owned();
                    faults.push(compose::Fault { place: key.place, why });
                    false
                }
                _ => true,
            });
        }
        let (policy, more) = read_as::<Self>(tree);
        faults.extend(more);
        let faults = sorted(faults, &Ord::cmp);
        match (policy, faults.is_empty()) {
            (Some(policy), true) => Ok(policy),
            _ => Err(faults.into_iter().map(problem).collect()),
        }
    }

    /// The names of the task classes.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.task_classes.keys().map(ClassName::as_str)
    }

    /// The rules for a start of this class, or of none.
    ///
    /// # Errors
    /// If there is no such class. [`Rules::settle`] refuses a start without a class where one is required.
    pub fn rules(&self, place: &PolicyLocation, commit: Option<String>, class: Option<&str>) -> Result<Rules, String> {
        let named = class.map(|name| {
            let found = self.task_classes.iter().find(|(other, _)| other.as_str() == name);
            found.ok_or_else(|| {
                let known = self.task_classes.keys().map(ClassName::as_str).collect::<Vec<_>>();
                let remedy = if known.is_empty() { "; it has none at all".to_owned() } else { nearest(name, &known) };
                format!("is not a task class of {place}{remedy}")
            })
        });
        let named = named.transpose()?;
        let terms = named.map_or_else(|| self.defaults.clone(), |(_, class)| class.clone().over(&self.defaults));
        let class = named.map(|(name, _)| name.to_string());
        let lacks_class = class.is_none() && self.require_class;
        let known = self.task_classes.keys().map(ToString::to_string).collect();
        Ok(Rules { place: Some(place.clone()), commit, class, lacks_class, known, terms })
    }
}

impl Class {
    /// This class, with the defaults for every key that it does not have. What they deny stays denied.
    fn over(self, defaults: &Self) -> Self {
        let above = defaults.clone();
        let Self {
            description,
            prompt,
            version,
            vars,
            model,
            models,
            custom_agent,
            base_ref,
            head_ref,
            create_pull_request,
            require_pull_request,
            expect,
            repositories,
            events,
            workflows,
            allow_users,
            allow_bots,
            untrusted,
            if_active,
            active_scope,
            wait,
            on_timeout,
            on_interrupt,
            max_credits,
            max_duration,
            force,
            fail_on,
            stop_on,
            owner,
            ticket,
            cloud_agent,
            limits,
        } = self;
        // Both say which models there are, so either of them replaces both.
        let (model, models) = match (&model, &models) {
            (None, None) => (above.model, above.models),
            _ => (model, models),
        };
        Self {
            description,
            prompt: prompt.or(above.prompt),
            version: version.or(above.version),
            vars: vars.or(above.vars),
            model,
            models,
            custom_agent: custom_agent.or(above.custom_agent),
            base_ref: base_ref.or(above.base_ref),
            head_ref: head_ref.or(above.head_ref),
            create_pull_request: create_pull_request.or(above.create_pull_request),
            require_pull_request: require_pull_request.or(above.require_pull_request),
            expect: expect.over(above.expect),
            repositories: match (repositories, above.repositories) {
                (Some(own), Some(above)) => Some(own.over(above)),
                (own, above) => own.or(above),
            },
            events: events.or(above.events),
            workflows: workflows.or(above.workflows),
            allow_users: allow_users.or(above.allow_users),
            allow_bots: allow_bots.or(above.allow_bots),
            untrusted: untrusted.or(above.untrusted),
            if_active: if_active.or(above.if_active),
            active_scope: active_scope.or(above.active_scope),
            wait: wait.or(above.wait),
            on_timeout: on_timeout.or(above.on_timeout),
            on_interrupt: on_interrupt.or(above.on_interrupt),
            max_credits: max_credits.or(above.max_credits),
            max_duration: max_duration.or(above.max_duration),
            force: force.or(above.force),
            fail_on: fail_on.or(above.fail_on),
            stop_on: stop_on.or(above.stop_on),
            owner: owner.or(above.owner),
            ticket: ticket.or(above.ticket),
            cloud_agent: cloud_agent.over(above.cloud_agent),
            limits: limits.over(above.limits),
        }
    }
}

impl Repositories {
    fn over(self, above: Self) -> Self {
        let Self { allow, mut deny } = self;
        deny.extend(above.deny);
        Self { allow: allow.or(above.allow), deny }
    }
}

impl CloudAgent {
    fn over(self, above: Self) -> Self {
        let Self { firewall, recommended_allowlist, workflow_approval, tools } = self;
        Self {
            firewall: firewall.or(above.firewall),
            recommended_allowlist: recommended_allowlist.or(above.recommended_allowlist),
            workflow_approval: workflow_approval.or(above.workflow_approval),
            tools: tools.or(above.tools),
        }
    }
}

impl Limits {
    fn over(self, above: Self) -> Self {
        let Self { max_active, max_starts_per_day, not_after } = self;
        Self {
            max_active: max_active.or(above.max_active),
            max_starts_per_day: max_starts_per_day.or(above.max_starts_per_day),
            not_after: not_after.or(above.not_after),
        }
    }
}
