//! The doctor: looks for all that would keep a step from its tasks, and asks GitHub only what changes nothing.

pub mod checks;
pub mod summary;

use futures_util::future::join_all;
use serde_json::{Map, Value};

use crate::actions::context::{Context, Environment};
use crate::actions::host::Host;
use crate::actions::workflow_command::{Annotation, Level};
use crate::commands::doctor::checks::{Check, DoctorReport, Finding, Status, StepSettings};
use crate::commands::load_context;
use crate::commands::load_policy::{ClassPrompt, LoadedPolicy};
use crate::commands::load_prompt::load_prompt;
use crate::commands::resolve_targets::resolve_targets;
use crate::github::client::GitHub;
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::repository::Repository;
use crate::github::retry;
use crate::github::task_list::TaskQuery;
use crate::github::token::Token;
use crate::github::url::ApiUrl;
use crate::inputs::problem::{LoadError, Problem};
use crate::inputs::request::{Inputs, PromptSource, StartRequest};
use crate::inputs::targets::Target;
use crate::plan::permitted;
use crate::policy::actor;
use crate::policy::evaluate::is_template;
use crate::prompt::render::{Scope, Template, render};
use crate::report::ending::Ending;
use crate::report::outputs::{StepOutputs, all_results, outputs};
use crate::run::clients::Clients;
use crate::task::conclusion::Exit;

/// The most bytes of a custom agent's file that are read; its prompt may have 30,000 characters,
/// <https://docs.github.com/en/copilot/reference/custom-agents-configuration>.
const MOST_AGENT_BYTES: usize = 256 * 1024;

/// How many findings of a kind an annotation lists, so that it stays below the runner's limit of 4,096 characters in
/// most cases; the summary has all.
const MAX_LISTED: usize = 20;

/// Looks for everything that would keep the step from its tasks. Nothing is started.
pub async fn run(
    environment: &Environment,
    host: &Host,
    inputs: Result<Inputs, Vec<Problem>>,
    policy: Result<LoadedPolicy, Vec<Problem>>,
    connect: impl Fn(&ApiUrl, &Token) -> anyhow::Result<GitHub>,
) -> Ending {
    let (policy, policy_problems) = match policy {
        Ok(policy) => (policy, Vec::new()),
        Err(problems) => (LoadedPolicy::default(), problems),
    };
    let input_problems = inputs.as_ref().err().into_iter().flatten();
    let step = policy_problems.iter().chain(input_problems).map(checks::problem).collect();
    let mut report = DoctorReport { step, ..DoctorReport::default() };
    let Ok(inputs) = inputs else {
        log_findings(host, "The step", &report.step);
        return ending(host, &report, Exit::BadInput);
    };
    let done = tokio::select! {
        signal = host.interrupted() => {
            let lines = ["not everything was looked at".to_owned()];
            return Ending::error("Interrupted", &lines, Exit::Signalled(signal));
        }
        done = examine(environment, host, &inputs, policy, &mut report, connect) => done,
    };
    if let Err(error) = done {
        return Ending::github_error(&error);
    }
    let exit = match report.repositories.as_slice() {
        [] => Exit::Concluded,
        _ => Exit::of(&report.outcomes(), &inputs.fail_on, inputs.rollout.tolerate),
    };
    ending(host, &report, exit)
}

/// First what is known without GitHub, then the token, then each repository.
async fn examine(
    environment: &Environment,
    host: &Host,
    inputs: &Inputs,
    policy: LoadedPolicy,
    report: &mut DoctorReport,
    connect: impl Fn(&ApiUrl, &Token) -> anyhow::Result<GitHub>,
) -> Result<(), Error> {
    let Some(start) = inputs.request.start() else {
        return Ok(());
    };
    let token = checks::token(inputs.token.as_ref());
    let may_ask = token.verdict == Status::Pass && !inputs.dry_run;
    report.step.push(token);
    let clients = match may_ask {
        true => {
            Clients::connect(host, inputs, connect).map_err(|error| Error::Unreachable { why: format!("{error:#}") })?
        }
        false => None,
    };
    let targets = match resolve_targets(host, inputs, clients.as_ref()).await {
        Ok(resolved) => resolved.targets,
        Err(LoadError::BadInput(problems)) => {
            report.step.extend(problems.iter().map(checks::problem));
            Vec::new()
        }
        Err(LoadError::GitHub(error)) => return Err(error),
    };
    let context = load_context(environment, host, inputs);
    let case = Case { inputs, start, targets: &targets, context: &context, host };
    report.step.extend(case.try_out(&policy.trials));
    if let Some(prompt) = start.prompt.as_ref().filter(|_| !targets.is_empty()) {
        let tried = policy.trials.into_iter().find(|trial| trial.rules.class() == inputs.rules.class());
        let template = match (prompt, tried) {
            (PromptSource::Class(_), Some(tried)) => tried.template.ok(),
            _ => load_prompt(host, inputs, None).unwrap_or_else(|problems| {
                report.step.extend(problems.iter().map(checks::problem));
                None
            }),
        };
        report.step.extend(case.rehearse(template.as_ref()));
    }
    if let (Some(clients), Some(token)) = (&clients, &inputs.token) {
        report.step.extend(case.ask_about(token, &clients.tasks).await?);
    }
    log_findings(host, "The step", &report.step);
    let is_known = report.step.iter().any(|finding| finding.check == Check::Login && finding.verdict == Status::Pass);
    report.repositories = match clients.as_ref().filter(|_| is_known) {
        Some(clients) => case.visit(&clients.tasks, &clients.for_pull_requests()).await,
        None => {
            host.log("GitHub was not asked about the repositories");
            targets.iter().map(|target| (target.repository.clone(), Vec::new())).collect()
        }
    };
    Ok(())
}

fn ending(host: &Host, report: &DoctorReport, exit: Exit) -> Ending {
    let title = report.title();
    let mut annotations = Vec::new();
    for (level, status) in [(Level::Error, Status::Fail), (Level::Warning, Status::Warn)] {
        let mut lines = report.lines(status);
        let more = lines.len().saturating_sub(MAX_LISTED);
        if more > 0 {
            lines.truncate(MAX_LISTED);
            lines.push(format!("and {more} more, which the summary lists"));
        }
        if !lines.is_empty() {
            annotations.push(Annotation { level, title: format!("Doctor: {title}"), message: lines.join("\n") });
        }
    }
    host.log(&title);
    let outcomes = report.outcomes();
    let (results_file, error) = (host.results_file(), report.lines(Status::Fail).join("; "));
    Ending {
        annotations,
        outputs: outputs(
            &outcomes,
            &StepOutputs { results_file: &results_file, error: &error, ..StepOutputs::default() },
        ),
        results: Some(all_results(&outcomes)),
        summary: summary::checkup(report),
        exit,
    }
}

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
    pub async fn ask_about(&self, token: &Token, client: &LimitedClient<'_>) -> Result<Vec<Finding>, Error> {
        let ask = async |client: &&LimitedClient<'_>| last_word(client.user().await);
        let holder =
            retry::ask(&[client], ask, async |error, wait| self.host.pause(error, wait, "asking GitHub").await).await?;
        Ok(checks::holder(&holder, token.kind(), self.host.now()))
    }

    /// Looks at all repositories, and tells of each as soon as all of it is known. `pulls` are those who may read pull
    /// requests.
    pub async fn visit(
        &self,
        tasks: &LimitedClient<'_>,
        pulls: &[&LimitedClient<'_>],
    ) -> Vec<(Repository, Vec<Finding>)> {
        let policy = self.inputs.rules.source();
        let wanted = StepSettings {
            // A template is rendered when a task is started; another run may name another branch.
            base_ref: self.start.base_ref.as_deref().filter(|branch| !is_template(branch)),
            head_ref: self.start.head_ref.as_deref().filter(|branch| !is_template(branch)),
            custom_agent: self.start.custom_agent.as_deref(),
            models: &self.start.models,
            pull_request: self.start.create_pull_request || self.start.head_ref.is_some(),
            cloud_agent: self.inputs.rules.cloud_agent(),
            policy: &policy,
        };
        join_all(self.targets.iter().map(async |target| {
            let repository = &target.repository;
            let look = async |tasks: &&LimitedClient<'_>| look_at(repository, &wanted, tasks, pulls).await;
            let rest = async |error: &Error, wait| self.host.pause(error, wait, "looking at repositories").await;
            let findings = retry::ask(&[tasks], look, rest).await.unwrap_or_else(|error| {
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
    tasks: &LimitedClient<'_>,
    pulls: &[&LimitedClient<'_>],
) -> Result<Vec<Finding>, Error> {
    let home = last_word(tasks.repository(repository).await)?;
    let mut findings = vec![checks::home(repository, &home)];
    let Ok(home) = home else {
        return Ok(findings);
    };
    let base = wanted.base_ref.unwrap_or(&home.default_branch);
    let branch = last_word(tasks.branch(repository, base).await)?;
    findings.push(checks::base_ref(base, wanted.base_ref, &branch));
    // Few pull requests come from a default branch, so that the answer is short.
    let head = wanted.head_ref.unwrap_or(&home.default_branch);
    let list = async |client: &&LimitedClient<'_>| client.pulls(repository, Some(head)).await;
    let listed = last_word(retry::ask_once(pulls, list).await)?;
    findings.extend(checks::pulls(wanted, base, &listed));
    let listed = last_word(tasks.task_page(TaskQuery::Repository(repository), None, false, 1).await)?;
    findings.push(checks::tasks(listed.as_ref().map(drop)));
    if let Some(agent) = wanted.custom_agent {
        let at = if branch.is_ok() { base } else { &home.default_branch };
        let mut file = None;
        for (home, path) in checks::agent_places(repository, agent) {
            let at = if home == *repository { at } else { "HEAD" };
            match last_word(tasks.file(&home, &path, at, MOST_AGENT_BYTES).await)? {
                Err(Error::NotFound { .. }) => continue,
                found => file = Some(found.map(|text| (format!("{home}:{path}"), text))),
            }
            break;
        }
        findings.push(checks::custom_agent(wanted, agent, at, file.as_ref()));
    }
    let told = last_word(tasks.configuration(repository).await)?;
    findings.push(checks::cloud_agent(wanted, &told));
    let told = last_word(tasks.actions(repository).await)?;
    let mut githubs_own = None;
    if told.as_ref().is_ok_and(|told| told.allowed.as_deref() == Some("selected")) {
        githubs_own = last_word(tasks.allows_githubs_actions(repository).await)?.ok();
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
