//! The doctor: looks for all that would keep a step from its tasks, and asks GitHub only what changes nothing.

pub mod checks;
pub mod summary;

use futures_util::future::join_all;
use serde_json::{Map, Value};

use crate::actions::context::Context;
use crate::actions::host::Host;
use crate::commands::doctor::checks::{Check, Finding, StepSettings};
use crate::commands::load_policy::ClassPrompt;
use crate::github::error::Error;
use crate::github::limited;
use crate::github::limited::LimitedClient;
use crate::github::repository::Repository;
use crate::github::token::Token;
use crate::inputs::request::{Inputs, StartRequest};
use crate::inputs::targets::Target;
use crate::plan::permitted;
use crate::policy::actor;
use crate::prompt::render::{Scope, Template, render};

/// The most bytes of a custom agent's file that are read; its prompt may have 30,000 characters,
/// <https://docs.github.com/en/copilot/reference/custom-agents-configuration>.
const MOST_AGENT_BYTES: usize = 256 * 1024;

/// What is known of a step before GitHub is asked.
pub struct Case<'a> {
    /// The inputs.
    pub inputs: &'a Inputs,
    /// What of them is about a start.
    pub start: &'a StartRequest,
    /// The repositories.
    pub targets: &'a [Target],
    /// The run.
    pub context: &'a Context,
    /// The machine.
    pub host: &'a Host,
}

impl Case<'_> {
    /// Whether the policy and the gate let the step start its tasks, and whether its prompt can be made.
    pub fn rehearse(&self, template: Option<&Template>) -> Vec<Finding> {
        let mut findings = Vec::new();
        match permitted(self.inputs, self.start, self.targets, self.host.now()) {
            Err(refusals) => {
                findings.extend(refusals.iter().map(|no| Check::Start.fail(no.to_string())));
            }
            Ok(vars) => findings.extend(template.map(|template| {
                let mut orders = self.targets.iter().zip(&vars);
                match orders.find_map(|(target, vars)| self.render(template, &target.repository, Some(vars)).err()) {
                    Some(why) => Check::Prompt.fail(why),
                    None => Check::Prompt.pass(format!("`{}` can be made", template.name)),
                }
            })),
        }
        // What is about the event may be otherwise in another run.
        let mut warn = |why: String| findings.push(Check::Start.warn(format!("as this run is, {why}")));
        self.inputs.rules.forbid_run(self.context).into_iter().for_each(|no| warn(no.why));
        match actor::ActorCheck::of(self.context, &self.start.allowed) {
            actor::ActorCheck::Shut(why) => warn(why),
            actor::ActorCheck::Open(why) => findings.push(Check::Start.pass(why)),
            actor::ActorCheck::Ask(_) => {
                let why = "whoever causes the event needs write access, and is asked about";
                findings.push(Check::Start.pass(why));
            }
        }
        findings
    }

    /// Whether the prompts of the policy's classes can be made.
    pub fn try_out(&self, trials: &[ClassPrompt]) -> Vec<Finding> {
        let Some(target) = self.targets.first() else {
            return Vec::new();
        };
        let tried = trials.iter().map(|trial| {
            let whose = trial.rules.class().map_or("defaults".to_owned(), |class| format!("class `{class}`"));
            let made = trial.template.as_ref().map_err(Clone::clone).and_then(|template| {
                let vars = trial.rules.samples();
                self.render(template, &target.repository, vars.as_ref()).map(|()| template.name.as_str())
            });
            match made {
                Ok(name) => Check::Prompt.pass(format!("{whose}: `{name}` can be made")),
                Err(why) => Check::Prompt.fail(format!("{whose}: {why}")),
            }
        });
        tried.collect()
    }

    fn render(
        &self,
        template: &Template,
        target: &Repository,
        vars: Option<&Map<String, Value>>,
    ) -> Result<(), String> {
        let (now, untrusted) = (self.host.now(), self.start.untrusted);
        render(template, &Scope { context: self.context, vars, target, now, untrusted, samples: true }).map(drop)
    }

    /// What GitHub says of the token.
    ///
    /// # Errors
    /// Where GitHub does not answer.
    pub async fn ask_about(&self, token: &Token, client: &LimitedClient) -> Result<Vec<Finding>, Error> {
        let ask = async |client: &&LimitedClient| last_word(client.read(client.github().me()).await);
        let holder = limited::ask(&[client], ask, async |pause| self.host.sleep(pause, "asking GitHub").await).await?;
        Ok(checks::holder(&holder, token.kind(), self.host.now()))
    }

    /// Looks at all repositories, and tells of each as soon as all of it is known. `pulls` are those who may read pull
    /// requests.
    pub async fn visit(&self, tasks: &LimitedClient, pulls: &[&LimitedClient]) -> Vec<(Repository, Vec<Finding>)> {
        let policy = self.inputs.rules.source();
        let wanted = StepSettings {
            base_ref: self.start.base_ref.as_deref(),
            head_ref: self.start.head_ref.as_deref(),
            custom_agent: self.start.custom_agent.as_deref(),
            models: &self.start.models,
            pull_request: self.start.create_pull_request || self.start.head_ref.is_some(),
            cloud_agent: self.inputs.rules.cloud_agent(),
            policy: &policy,
        };
        join_all(self.targets.iter().map(async |target| {
            let repository = &target.repository;
            let look = async |tasks: &&LimitedClient| look_at(repository, &wanted, tasks, pulls).await;
            let rest = async |pause| self.host.sleep(pause, "looking at repositories").await;
            let findings = limited::ask(&[tasks], look, rest).await.unwrap_or_else(|error| {
                vec![Check::Repository.leave_open(format!("it could not be looked at. {error}"))]
            });
            log_findings(self.host, &repository.to_string(), &findings);
            (repository.clone(), findings)
        }))
        .await
    }
}

/// Looks at a repository, in one go: where GitHub does not answer, all of it is looked at again.
async fn look_at(
    repository: &Repository,
    wanted: &StepSettings<'_>,
    tasks: &LimitedClient,
    pulls: &[&LimitedClient],
) -> Result<Vec<Finding>, Error> {
    let github = tasks.github();
    let home = last_word(tasks.read(github.repository(repository)).await)?;
    let mut findings = vec![checks::home(repository, &home)];
    let Ok(home) = home else {
        return Ok(findings);
    };
    let base = wanted.base_ref.unwrap_or(&home.default_branch);
    let branch = last_word(tasks.read(github.branch(repository, base)).await)?;
    findings.push(checks::base_ref(base, wanted.base_ref, &branch));
    // Few pull requests come from a default branch, so that the answer is short.
    let head = wanted.head_ref.unwrap_or(&home.default_branch);
    let list = async |client: &&LimitedClient| client.read(client.github().pulls(repository, Some(head))).await;
    let listed = last_word(limited::ask_once(pulls, list).await)?;
    findings.extend(checks::pulls(wanted, base, &listed));
    let listed = last_word(tasks.read(github.tasks(repository, false, 1)).await)?;
    findings.push(checks::tasks(listed.as_ref().map(drop)));
    if let Some(agent) = wanted.custom_agent {
        let at = if branch.is_ok() { base } else { &home.default_branch };
        let mut file = None;
        for (home, path) in checks::agent_places(repository, agent) {
            let at = if home == *repository { at } else { "HEAD" };
            match last_word(tasks.read(github.file(&home, &path, at, MOST_AGENT_BYTES)).await)? {
                Err(Error::NotFound { .. }) => continue,
                found => file = Some(found.map(|text| (format!("{home}:{path}"), text))),
            }
            break;
        }
        findings.push(checks::custom_agent(wanted, agent, at, file.as_ref()));
    }
    let told = last_word(tasks.read(github.configuration(repository)).await)?;
    findings.push(checks::cloud_agent(wanted, &told));
    let told = last_word(tasks.read(github.actions(repository)).await)?;
    let mut githubs_own = None;
    if told.as_ref().is_ok_and(|told| told.allowed.as_deref() == Some("selected")) {
        githubs_own = last_word(tasks.read(github.allows_githubs_actions(repository)).await)?.ok();
    }
    findings.push(checks::actions(&told, githubs_own));
    Ok(findings)
}

/// An answer that is good for a finding; the error is one that may pass.
fn last_word<T>(answer: Result<T, Error>) -> Result<Result<T, Error>, Error> {
    match answer {
        Err(error) if error.may_pass() => Err(error),
        answer => Ok(answer),
    }
}

/// Tells what was found.
pub fn log_findings(host: &Host, about: &str, findings: &[Finding]) {
    let lines = findings.iter().map(|it| format!("{} {it}", it.verdict.mark())).collect::<Vec<_>>();
    host.group(about, lines.iter().map(String::as_str));
}
