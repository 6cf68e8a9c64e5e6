//! Evaluates the policy for a start: what it fixes, and what it refuses.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU64;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::actions::context::Context;
use crate::actions::pattern::{BranchName, PatternList};
use crate::github::repository::Repository;
use crate::order::json_object;
use crate::policy::limits::LimitCounter;
use crate::policy::location::PolicyLocation;
use crate::policy::schema::{Class, CloudAgent, Limits, Repositories};
use crate::policy::values::{Day, EventName, Model, PromptFile, TicketPattern, VarName, path, words};
use crate::policy::vars::Var;
use crate::prompt::fence::Untrusted;
use crate::task::acceptance::Expect;
use crate::task::conclusion::{Conclusion, Refusal, RefusedBy};
use crate::task::start::{ActiveScope, IfActive};
use crate::task::stop::UnfinishedTask;
use crate::task::time_span::TimeSpan;
use crate::text::{MAX_SHOWN_VALUE, cut, nearest, spelled};
use crate::yaml::de::OneOrMany;

/// How many repositories a refusal names.
const MAX_NAMED: usize = 20;
const BASE_REF: &str = "base-ref";
const HEAD_REF: &str = "head-ref";

/// What a policy says about one start. Without a policy there are no rules, and everything is the user's.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub(super) place: Option<PolicyLocation>,
    pub(super) commit: Option<String>,
    pub(super) class: Option<String>,
    pub(super) lacks_class: bool,
    pub(super) known: Vec<String>,
    pub(super) terms: Class,
}

/// What the user asked for, as far as a policy has a say. Absent is what was not given, or has its default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
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
    /// The branch of the pull request to commit to.
    pub head_ref: Option<String>,
    /// The people who need no write access.
    pub allow_users: Option<Vec<String>>,
    /// The bots that need none.
    pub allow_bots: Option<Vec<String>>,
    /// What is done with text that an outsider can write.
    pub untrusted: Option<Untrusted>,
    /// What to do about an active task.
    pub if_active: Option<IfActive>,
    /// Which tasks count as active.
    pub active_scope: Option<ActiveScope>,
    /// Whether the agent opens a pull request.
    pub create_pull_request: Option<bool>,
    /// Whether a task without a pull request is a failure.
    pub require_pull_request: Option<bool>,
    /// What the pull request must be like.
    pub expect: Expect,
    /// Whether to wait.
    pub wait: Option<bool>,
    /// The conclusions that fail the step.
    pub fail_on: Option<Vec<Conclusion>>,
    /// Whether a question, and whether idleness, ends the wait.
    pub stop_on: Option<(bool, bool)>,
    /// What becomes of a task that is not done when the wait ends.
    pub on_timeout: Option<UnfinishedTask>,
    /// What becomes of it when the process is interrupted.
    pub on_interrupt: Option<UnfinishedTask>,
    /// The most AI credits that a task may use.
    pub max_credits: Option<NonZeroU64>,
    /// How long a task may run.
    pub max_duration: Option<Duration>,
    /// Whether a run that continues after a cancel is cancelled by force.
    pub force: Option<bool>,
    /// The change ticket.
    pub ticket: Option<String>,
}

/// What an entry of a list asks for in place of what the step asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntrySettings {
    /// The branch to start from.
    pub base_ref: Option<String>,
    /// The branch of the pull request to commit to.
    pub head_ref: Option<String>,
    /// The models, one to be tried after the other; `None` leaves the choice to GitHub.
    pub models: Option<Vec<Option<String>>>,
    /// The custom agent.
    pub custom_agent: Option<String>,
}

impl Overrides {
    /// Whether a task without a pull request is a failure, which any expectation of it implies.
    pub fn requires_pull_request(&self) -> bool {
        self.require_pull_request == Some(true) || !self.expect.is_empty()
    }
}

/// The facts of a start that a record keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyMetadata {
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

impl PolicyMetadata {
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
        let fields = [("ticket", &self.ticket), ("owner", &self.owner)];
        lines.extend(fields.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        let counts = [("max-active", self.limits.max_active), ("max-starts-per-day", self.limits.max_starts_per_day)];
        for (name, count) in counts {
            lines.extend(count.map(|count| (name, count.to_string())));
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
        matches!(self.place, Some(PolicyLocation::Repository { .. }))
    }

    fn judge(&self) -> Evaluator {
        Evaluator { source: self.source(), refusals: Vec::new() }
    }

    /// What of the rules is about a wait for tasks that were started before.
    pub fn of_a_wait(self) -> Self {
        // Every key is named, so that a new one cannot be forgotten here.
        let Class {
            description: _,
            prompt: _,
            version: _,
            vars: _,
            model: _,
            models: _,
            custom_agent: _,
            base_ref: _,
            head_ref: _,
            create_pull_request: _,
            require_pull_request,
            expect,
            repositories: _,
            events: _,
            workflows: _,
            allow_users: _,
            allow_bots: _,
            untrusted: _,
            if_active: _,
            active_scope: _,
            wait: _,
            on_timeout,
            on_interrupt,
            max_credits,
            max_duration,
            force,
            fail_on,
            stop_on,
            owner,
            ticket: _,
            cloud_agent: _,
            limits: _,
        } = self.terms;
        let terms = Class {
            require_pull_request,
            expect,
            on_timeout,
            on_interrupt,
            max_credits,
            max_duration,
            force,
            fail_on,
            stop_on,
            owner,
            ..Class::default()
        };
        Self { lacks_class: false, terms, ..self }
    }

    /// What of the rules is about a stop of tasks that were started before.
    pub fn of_a_stop(self) -> Self {
        let Class { max_duration, force, owner, .. } = self.terms;
        let terms = Class { max_duration, force, owner, ..Class::default() };
        Self { lacks_class: false, terms, ..self }
    }

    /// The file with the prompt, and the repository that has it where it is not in the workspace.
    pub fn prompt(&self) -> Option<PolicyLocation> {
        let file = self.terms.prompt.as_ref()?.0.clone();
        Some(match &self.place {
            Some(PolicyLocation::Repository { repository, at, .. }) => {
                PolicyLocation::Repository { repository: repository.clone(), path: file, at: at.clone() }
            }
            Some(PolicyLocation::Workspace(_)) | None => PolicyLocation::Workspace(file),
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
    pub fn settle(&self, asked: Overrides) -> (Overrides, Vec<Refusal>) {
        let terms = &self.terms;
        let mut judge = self.judge();
        if self.lacks_class {
            let known =
                if self.known.is_empty() { "it has none".to_owned() } else { format!("`{}`", self.known.join("`, `")) };
            let place = self.place.as_ref().map(ToString::to_string).unwrap_or_default();
            judge.refuse(format!(
                "{place} forbids free prompts (`require-class: true`); name one of its task classes by `task-class`: {known}"
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
        let settled = Overrides {
            has_prompt: asked.has_prompt,
            prompt_file,
            models,
            custom_agent: judge.fixed("custom-agent", asked.custom_agent, agent, String::clone),
            base_ref: judge.branch(BASE_REF, asked.base_ref, terms.base_ref.as_ref()),
            head_ref: judge.branch(HEAD_REF, asked.head_ref, terms.head_ref.as_ref()),
            allow_users: judge.logins(
                "allow-users",
                asked.allow_users,
                terms.allow_users.as_ref().map(|users| users.0.as_slice()),
            ),
            allow_bots: judge.logins(
                "allow-bots",
                asked.allow_bots,
                terms.allow_bots.as_ref().map(|bots| bots.0.as_slice()),
            ),
            untrusted: judge.word("untrusted", &Untrusted::ALL, asked.untrusted, terms.untrusted),
            if_active: judge.word("if-active", &IfActive::ALL, asked.if_active, terms.if_active),
            active_scope: judge.word("active-scope", &ActiveScope::ALL, asked.active_scope, terms.active_scope),
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
            expect: judge.expect(asked.expect, &terms.expect),
            wait: judge.flag("wait", asked.wait, terms.wait),
            fail_on,
            stop_on: judge.fixed("stop-on", asked.stop_on, stop_on, |(question, idle)| {
                let states = [(*question, "waiting_for_user"), (*idle, "idle")];
                words(states.iter().filter(|(on, _)| *on).map(|(_, word)| *word))
            }),
            on_timeout: judge.fixed("on-timeout", asked.on_timeout, terms.on_timeout, ToString::to_string),
            on_interrupt: judge.fixed("on-interrupt", asked.on_interrupt, terms.on_interrupt, ToString::to_string),
            max_credits: judge.fixed("max-credits", asked.max_credits, terms.max_credits, ToString::to_string),
            max_duration: judge.fixed(
                "max-duration",
                asked.max_duration,
                terms.max_duration.map(|TimeSpan(longest)| longest),
                |longest| spelled(*longest),
            ),
            force: judge.flag("force", asked.force, terms.force),
            ticket: judge.ticket(asked.ticket, terms.ticket.as_ref()),
        };
        (settled, judge.refusals)
    }

    /// What contradicts the rules in an entry of a list. `whole` has what the step asks for as well.
    pub fn forbid_entry(&self, own: &EntrySettings, whole: &EntrySettings) -> Vec<Refusal> {
        let terms = &self.terms;
        let mut judge = self.judge();
        judge.models(own.models.clone(), terms);
        let agent = terms.custom_agent.as_ref().map(|agent| agent.0.clone());
        judge.fixed("custom-agent", own.custom_agent.clone(), agent, String::clone);
        for (input, own, whole, fixed) in [
            (BASE_REF, &own.base_ref, &whole.base_ref, &terms.base_ref),
            (HEAD_REF, &own.head_ref, &whole.head_ref, &terms.head_ref),
        ] {
            judge.branch(input, own.clone(), fixed.as_ref());
            if let (None, Some(patterns)) = (whole, fixed) {
                let why = format!("`{input}` is missing, and {} has only patterns for it: ", self.source());
                judge.refuse(format!("{why}`{patterns}`; name a branch that fits"));
            }
        }
        judge.refusals
    }

    /// What contradicts the rules in inputs that were templates and are rendered now.
    pub fn forbid_rendered(
        &self,
        base_ref: Option<&str>,
        head_ref: Option<&str>,
        ticket: Option<&str>,
    ) -> Vec<Refusal> {
        let mut judge = self.judge();
        for (input, branch, fixed) in
            [(BASE_REF, base_ref, &self.terms.base_ref), (HEAD_REF, head_ref, &self.terms.head_ref)]
        {
            if let Some(branch) = branch {
                judge.fitting_branch(input, branch, fixed.as_ref());
            }
        }
        if let Some(ticket) = ticket {
            judge.fitting_ticket(ticket, self.terms.ticket.as_ref());
        }
        judge.refusals
    }

    /// Whether it matters in which repository a task is started, so that each must be known by its present name.
    pub fn has_repository_rules(&self) -> bool {
        self.terms.repositories.is_some()
    }

    /// What forbids a start in these repositories at this time.
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

    /// What forbids a start in this run.
    pub fn forbid_run(&self, context: &Context) -> Vec<Refusal> {
        let terms = &self.terms;
        let mut judge = self.judge();
        if let Some(events) = &terms.events {
            let event = context.property("event_name").unwrap_or_default();
            if !events.0.iter().any(|allowed| allowed.as_str() == event) {
                let event = match event {
                    "" => "a start outside of any workflow run".to_owned(),
                    event => format!("the event `{}`", cut(event, MAX_SHOWN_VALUE)),
                };
                let allowed = words(events.0.iter().map(EventName::as_str));
                judge.refuse(format!("{event} is not allowed by {}, which allows `{allowed}`", judge.source));
            }
        }
        if let Some(workflows) = &terms.workflows {
            // `owner/name/.github/workflows/file.yml@refs/heads/main`
            let workflow = context.property("workflow_ref").unwrap_or_default();
            let path = workflow.split_once('@').map_or(workflow, |(path, _)| path);
            if path.is_empty() || !workflows.matches(path) {
                let workflow = match path {
                    "" => "a start outside of any workflow run".to_owned(),
                    path => format!("the workflow `{}`", cut(path, MAX_SHOWN_VALUE)),
                };
                judge.refuse(format!("{workflow} is not allowed by {}, which allows `{workflows}`", judge.source));
            }
        }
        judge.refusals
    }

    /// The count that a start has to pass; `None` if nothing is counted.
    pub fn counter(&self) -> Option<LimitCounter> {
        let limits = self.terms.limits;
        let counts = limits.max_active.is_some() || limits.max_starts_per_day.is_some();
        counts.then(|| LimitCounter {
            limits,
            class: self.class.clone().unwrap_or_default(),
            source: self.source(),
            active: 0,
            started: 0,
            hidden_active: 0,
            hidden_started: 0,
            unlisted: 0,
            counted: HashSet::new(),
        })
    }

    /// What is done with text that an outsider can write, if that is fixed.
    pub fn untrusted(&self) -> Option<Untrusted> {
        self.terms.untrusted
    }

    /// How the cloud agent of a repository must be set up.
    pub fn cloud_agent(&self) -> &CloudAgent {
        &self.terms.cloud_agent
    }

    /// A value for each variable that the class declares and that has to be there; `None` if it declares none.
    pub fn samples(&self) -> Option<Map<String, Value>> {
        let declared = self.terms.vars.as_ref()?.iter();
        Some(json_object(&mut declared.filter_map(|(name, var)| Some((name.0.clone(), var.sample()?)))))
    }

    /// The task class.
    pub fn class(&self) -> Option<&str> {
        self.class.as_deref()
    }

    /// What a record keeps, of a start with this ticket.
    pub fn facts(&self, ticket: Option<String>) -> PolicyMetadata {
        let prompt = self.terms.prompt.as_ref();
        PolicyMetadata {
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

/// Whether the text of an input is a template, and not the value itself.
pub fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|tag| text.contains(tag))
}

/// Compares what was asked for with what is fixed, and keeps what contradicts.
struct Evaluator {
    source: String,
    refusals: Vec<Refusal>,
}

impl Evaluator {
    fn refuse(&mut self, why: String) {
        self.refusals.push(Refusal { gate: RefusedBy::Policy, why });
    }

    /// Says that an input contradicts the rules, and shows both values.
    fn contradict(&mut self, input: &str, asked: &str, allowed: &str) {
        let asked = cut(asked, MAX_SHOWN_VALUE);
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

    /// The same for one of several words.
    fn word<T: PartialEq>(
        &mut self,
        input: &str,
        all: &[(T, &'static str)],
        asked: Option<T>,
        fixed: Option<T>,
    ) -> Option<T> {
        let show = |value: &T| all.iter().find(|(it, _)| it == value).map(|(_, word)| (*word).to_owned());
        self.fixed(input, asked, fixed, |value| show(value).unwrap_or_default())
    }

    /// The same for logins, in any order and case.
    fn logins(&mut self, input: &str, asked: Option<Vec<String>>, fixed: Option<&[String]>) -> Option<Vec<String>> {
        let Some(fixed) = fixed else {
            return asked;
        };
        let set = |all: &[String]| all.iter().map(|login| login.to_ascii_lowercase()).collect::<HashSet<_>>();
        if let Some(asked) = asked.filter(|asked| set(asked) != set(fixed)) {
            let show = |all: &[String]| words(all.iter().map(String::as_str));
            self.contradict(input, &show(&asked), &show(fixed));
        }
        Some(fixed.to_vec())
    }

    /// The expectations of both. A key that is fixed has that value.
    fn expect(&mut self, asked: Expect, fixed: &Expect) -> Expect {
        let fixed_entries = fixed.entries();
        for (key, value) in asked.entries() {
            if let Some((_, fixed)) = fixed_entries.iter().find(|(it, fixed)| *it == key && *fixed != value) {
                self.contradict(&format!("expect.{key}"), &value, fixed);
            }
        }
        fixed.clone().over(asked)
    }

    fn prompt(&mut self, asked: &Overrides, fixed: Option<&PromptFile>, elsewhere: bool) -> Option<String> {
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
                let file = cut(file, MAX_SHOWN_VALUE);
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
                let name = cut(name, MAX_SHOWN_VALUE);
                self.refuse(format!("`vars.{name}` is not a variable of {}{remedy}", self.source));
                continue;
            };
            match var.take(value) {
                Ok(value) => drop(vars.insert(name.clone(), value)),
                Err(why) => {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    let value = cut(&value, MAX_SHOWN_VALUE);
                    self.refuse(format!("`vars.{name}: {value}` {why}; see {}", self.source));
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

    fn branch(
        &mut self,
        input: &str,
        asked: Option<String>,
        fixed: Option<&PatternList<BranchName>>,
    ) -> Option<String> {
        let Some(fixed) = fixed else {
            return asked;
        };
        match (asked, fixed.first_literal()) {
            (Some(branch), _) => {
                // A template is compared once it is rendered.
                if !is_template(&branch) {
                    self.fitting_branch(input, &branch, Some(fixed));
                }
                Some(branch)
            }
            // An entry of the list may have one.
            (None, branch) => branch.map(str::to_owned),
        }
    }

    fn fitting_branch(&mut self, input: &str, branch: &str, fixed: Option<&PatternList<BranchName>>) {
        if let Some(fixed) = fixed.filter(|fixed| !fixed.matches(branch)) {
            self.contradict(input, branch, &fixed.to_string());
        }
    }

    fn ticket(&mut self, asked: Option<String>, fixed: Option<&TicketPattern>) -> Option<String> {
        match (&asked, fixed) {
            (None, Some(TicketPattern { text, .. })) => {
                self.refuse(format!("`ticket` is missing, and {} requires one: `{text}`", self.source));
            }
            (Some(ticket), fixed) if !is_template(ticket) => self.fitting_ticket(ticket, fixed),
            _ => {}
        }
        asked
    }

    fn fitting_ticket(&mut self, ticket: &str, fixed: Option<&TicketPattern>) {
        if let Some(TicketPattern { text, .. }) = fixed.filter(|fixed| !fixed.compiled.is_match(ticket)) {
            let ticket = cut(ticket, MAX_SHOWN_VALUE);
            self.refuse(format!(
                "`ticket: {ticket}` does not match `{text}`, which {} requires; give a ticket of that form",
                self.source
            ));
        }
    }

    fn repositories(&mut self, asked: &[&Repository], rule: &Repositories) {
        let denies = |name: &str| rule.deny.iter().any(|deny| deny.matches(name));
        let misses = |name: &str| rule.allow.as_ref().is_some_and(|allow| !allow.matches(name)) && !denies(name);
        let deny = words(rule.deny.iter().map(ToString::to_string).collect::<Vec<_>>().iter().map(String::as_str));
        let allow = rule.allow.as_ref().map(ToString::to_string).unwrap_or_default();
        let names = asked.iter().map(ToString::to_string).collect::<Vec<_>>();
        let of = |rule: &dyn Fn(&str) -> bool| names.iter().filter(|name| rule(name)).cloned().collect::<Vec<_>>();
        for (found, verb, patterns) in [(of(&denies), "denies", deny), (of(&misses), "allows", allow)] {
            if !found.is_empty() {
                let more = found.len().saturating_sub(MAX_NAMED);
                let mut named = found.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
                if more > 0 {
                    named += &format!(" and {more} more");
                }
                self.refuse(format!("{named} is not allowed by {}, which {verb} `{patterns}`", self.source));
            }
        }
    }
}

#[cfg(test)]
mod tests;
