//! The doctor: checks everything that could keep a step from starting its tasks, and sends only requests that read.

pub mod checks;
mod custom_agent;
mod report;
mod repository;
mod settings;
mod summary;
mod token;

use serde_json::{Map, Value};

use crate::actions::context::{Context, Environment};
use crate::actions::host::Host;
use crate::actions::workflow_command::{Annotation, Level};
use crate::commands::doctor::checks::{Check, Finding, Status, check_problem};
use crate::commands::doctor::report::DoctorReport;
use crate::commands::doctor::repository::{RepositoryChecks, StepSettings};
use crate::commands::load_context;
use crate::commands::load_follow_up::load_follow_up;
use crate::commands::load_policy::{ClassPrompt, LoadedPolicy};
use crate::commands::load_prompt::load_prompt;
use crate::commands::resolve_targets::resolve_targets;
use crate::commands::start::nothing_to_do;
use crate::github::answers::AuthenticatedUser;
use crate::github::client::Connect;
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::retry;
use crate::github::token::Token;
use crate::inputs::problem::{LoadError, Problem};
use crate::inputs::request::{Inputs, PromptSource, StartRequest};
use crate::inputs::targets::Target;
use crate::join::join_all;
use crate::plan::permitted;
use crate::policy::actor;
use crate::policy::evaluate::is_template;
use crate::prompt::fence::Untrusted;
use crate::prompt::render::{Scope, StepBudget, Template};
use crate::report::ending::Ending;
use crate::report::outputs::{StepOutputs, all_results, outputs};
use crate::run::clients::Clients;
use crate::task::conclusion::Exit;
use crate::task::event::Event;

/// How many findings with one status an annotation lists, so that it is usually below the runner's limit of 4,096
/// characters; the summary has all.
const MAX_LISTED: usize = 20;

/// Checks everything that could keep the step from starting its tasks. Nothing is started.
pub async fn run(
    environment: &Environment,
    host: &Host,
    inputs: Result<Inputs, Vec<Problem>>,
    policy: Result<LoadedPolicy, Vec<Problem>>,
    connect: &Connect<'_>,
) -> Ending {
    let (policy, policy_problems) = match policy {
        Ok(policy) => (policy, Vec::new()),
        Err(problems) => (LoadedPolicy::default(), problems),
    };
    let input_problems = inputs.as_ref().err().into_iter().flatten();
    let step = policy_problems.iter().chain(input_problems).map(check_problem).collect();
    let mut report = DoctorReport { step, ..DoctorReport::default() };
    let Ok(inputs) = inputs else {
        log_findings(host, "The step", &report.step);
        return ending(host, &report, Exit::BadInput);
    };
    if let Err(error) = run_checks(environment, host, &inputs, policy, &mut report, connect).await {
        return Ending::github_error(&error);
    }
    if !report.repositories.is_empty() {
        let exit = Exit::of(&report.outcomes(), &inputs.fail_on, inputs.wave_rules.tolerate);
        return ending(host, &report, exit);
    }
    let found = ending(host, &report, Exit::Concluded);
    if !report.lines(Status::Fail).is_empty() {
        return found;
    }
    let mut nothing = nothing_to_do(host, "Nothing to check", "there is no repository to check");
    nothing.annotations.extend(found.annotations);
    nothing.summary.push_str(&format!("\n{}", found.summary));
    nothing
}

/// Checks first what needs no request, then the token, then each repository.
async fn run_checks(
    environment: &Environment,
    host: &Host,
    inputs: &Inputs,
    policy: LoadedPolicy,
    report: &mut DoctorReport,
    connect: &Connect<'_>,
) -> Result<(), Error> {
    let Some(start) = inputs.request.start() else {
        return Ok(());
    };
    let token = token::check_kind(inputs.token.as_ref());
    let may_connect = token.status == Status::Pass && !inputs.dry_run;
    report.step.push(token);
    let clients = match may_connect {
        true => Clients::connect(host, inputs, connect)?,
        false => None,
    };
    let mut targets = match resolve_targets(host, inputs, clients.as_ref()).await {
        Ok(targets) => targets,
        Err(LoadError::BadInput(problems)) => {
            report.step.extend(problems.iter().map(check_problem));
            Vec::new()
        }
        Err(LoadError::GitHub(error)) => return Err(error),
    };
    if clients.is_some() {
        match load_follow_up(host, inputs, clients.as_ref(), &mut targets).await {
            Ok(pull) => report.step.extend(match pull.and_then(|pull| pull.obstacle) {
                Some(Event::Refused(refusal)) => Some(Check::HeadRef.fail(refusal.why)),
                Some(Event::Skipped(reason)) => Some(Check::HeadRef.warn(reason)),
                _ => None,
            }),
            Err(LoadError::BadInput(problems)) => report.step.extend(problems.iter().map(check_problem)),
            Err(LoadError::GitHub(error)) => report.step.push(Check::HeadRef.refused(&error)),
        }
    }
    let context = load_context(environment, host, inputs);
    let budget = StepBudget::default();
    let doctor = DoctorRun { inputs, start, targets: &targets, context: &context, host, budget };
    report.step.extend(doctor.check_class_prompts(&policy.trials));
    if let Some(prompt) = start.prompt.as_ref().filter(|_| !targets.is_empty()) {
        let of_class = policy.trials.into_iter().find(|trial| trial.rules.class() == inputs.rules.class());
        let template = match (prompt, of_class) {
            (PromptSource::Class(_), Some(of_class)) => of_class.template.ok(),
            _ => load_prompt(host, inputs, None).unwrap_or_else(|problems| {
                report.step.extend(problems.iter().map(check_problem));
                None
            }),
        };
        report.step.extend(doctor.check_start(template.as_ref()));
    }
    if let (Some(clients), Some(token)) = (&clients, &inputs.token) {
        report.step.extend(doctor.check_token(token, &clients.tasks).await?);
        if let Some(lookup) = &clients.lookup {
            report.step.extend(doctor.check_lookup_token(lookup).await);
        }
    }
    log_findings(host, "The step", &report.step);
    let is_known = report.step.iter().any(|finding| finding.check == Check::Login && finding.status == Status::Pass);
    report.repositories = match clients.as_ref().filter(|_| is_known) {
        Some(clients) => doctor.check_repositories(&clients.tasks, &clients.lookup_first()).await,
        None => {
            host.log("the repositories were not checked");
            targets.iter().map(|target| (target.clone(), Vec::new())).collect()
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
            lines.push(format!("and {more} more in the summary"));
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

/// A step whose inputs could be read.
struct DoctorRun<'a> {
    inputs: &'a Inputs,
    /// The inputs that a start has.
    start: &'a StartRequest,
    targets: &'a [Target],
    context: &'a Context,
    host: &'a Host,
    /// The work that its templates take.
    budget: StepBudget,
}

impl DoctorRun<'_> {
    /// Whether the policy and the actor check allow the start, and whether its prompt renders for each repository.
    fn check_start(&self, template: Option<&Template>) -> Vec<Finding> {
        let mut findings = Vec::new();
        match permitted(self.inputs, self.start, self.targets, self.host.now()) {
            Err(refusals) => findings.extend(refusals.iter().map(|refusal| Check::Start.fail(refusal.to_string()))),
            Ok(vars) => findings.extend(template.map(|template| {
                let (mut tasks, all) = (self.targets.iter().zip(&vars).enumerate(), self.targets.len());
                let render = |(at, (target, vars))| {
                    self.render(template, target, Some(vars), self.start.untrusted, (at, all)).err()
                };
                match tasks.find_map(render) {
                    Some(error) => Check::Prompt.fail(error),
                    None => Check::Prompt.pass(format!("`{}` renders", template.name)),
                }
            })),
        }
        // Another run can have another event or workflow.
        let mut warn = |reason: String| findings.push(Check::Start.warn(format!("in a run such as this, {reason}")));
        self.inputs.rules.forbid_run(self.context).into_iter().for_each(|refusal| warn(refusal.why));
        match actor::ActorCheck::of(self.context, &self.start.allowed) {
            actor::ActorCheck::Shut(reason) => warn(reason),
            actor::ActorCheck::Open(reason) => findings.push(Check::Start.pass(reason)),
            actor::ActorCheck::Ask(_) => {
                findings.push(Check::Start.pass("the actor needs write access, which a start looks up"));
            }
        }
        findings
    }

    /// Whether the prompts of the policy's classes render.
    fn check_class_prompts(&self, prompts: &[ClassPrompt]) -> Vec<Finding> {
        let Some(target) = self.targets.first() else {
            return Vec::new();
        };
        let check = |(at, prompt): (usize, &ClassPrompt)| {
            let place = prompt.rules.class().map_or("defaults".to_owned(), |class| format!("class `{class}`"));
            let rendered = prompt.template.as_ref().map_err(Clone::clone).and_then(|template| {
                let vars = prompt.rules.samples();
                let untrusted = prompt.rules.untrusted().unwrap_or(self.start.untrusted);
                let place = (at, prompts.len());
                self.render(template, target, vars.as_ref(), untrusted, place).map(|()| template.name.as_str())
            });
            match rendered {
                Ok(name) => Check::Prompt.pass(format!("{place}: `{name}` renders")),
                Err(error) => Check::Prompt.fail(format!("{place}: {error}")),
            }
        };
        prompts.iter().enumerate().map(check).collect()
    }

    /// Tries a template. `done` of `all` were tried before.
    fn render(
        &self,
        template: &Template,
        target: &Target,
        vars: Option<&Map<String, Value>>,
        untrusted: Untrusted,
        (done, all): (usize, usize),
    ) -> Result<(), String> {
        if self.budget.is_spent() {
            return Err(format!("`{}` {}", template.name, StepBudget::exhausted(done, all)));
        }
        let scope = Scope {
            context: self.context,
            vars,
            target: &target.repository,
            entry: target.name.as_deref(),
            pull_request: None,
            now: self.host.now(),
            zone: &self.start.timezone,
            untrusted,
            samples: true,
        };
        self.budget.render(template, &scope).map(drop).map_err(|error| error.to_string())
    }

    /// What GitHub says about the token.
    ///
    /// # Errors
    /// If GitHub does not answer.
    async fn check_token(&self, token: &Token, client: &LimitedClient<'_>) -> Result<Vec<Finding>, Error> {
        match self.user(client).await {
            Ok(user) => Ok(token::check_user(&user, token.kind(), self.host.now())),
            Err(error) if !error.is_refusal() => Err(error),
            Err(error) => Ok(vec![Check::Login.fail(error.to_string())]),
        }
    }

    /// A fault if GitHub does not accept `lookup-token`. Nothing else would show it, as `token` is tried after it.
    async fn check_lookup_token(&self, client: &LimitedClient<'_>) -> Option<Finding> {
        match self.user(client).await {
            Err(Error::BadToken { said }) => Some(Check::Login.fail(format!(
                "GitHub does not accept `lookup-token` ({said}): it is mistyped, expired or revoked; correct the secret, or \
                 leave the input out"
            ))),
            // The token of a workflow may not ask who it is.
            _ => None,
        }
    }

    async fn user(&self, client: &LimitedClient<'_>) -> Result<AuthenticatedUser, Error> {
        ask(&[client], async |client: &LimitedClient<'_>| client.user().await, self.host).await
    }

    /// Checks all repositories, and logs the findings about each as soon as they are complete. `pulls` are the clients
    /// that read pull requests.
    async fn check_repositories(
        &self,
        tasks: &LimitedClient<'_>,
        pulls: &[&LimitedClient<'_>],
    ) -> Vec<(Target, Vec<Finding>)> {
        let policy = self.inputs.rules.source();
        join_all(self.targets.iter().map(async |target| {
            let asked = self.start.settings(target);
            // Templates are rendered when a task is started, and another run can name other branches.
            let is_fixed = |branch: &&str| !is_template(branch);
            let has_fixed_base = asked.base_ref.as_deref().is_none_or(|branch| !is_template(branch));
            let settings = StepSettings {
                base_ref: asked.base_ref.as_deref().filter(is_fixed),
                head_ref: asked.head_ref.as_deref().filter(is_fixed).filter(|_| has_fixed_base),
                custom_agent: asked.custom_agent.as_deref(),
                models: asked.models.as_deref().unwrap_or_default(),
                // A step that does not wait looks up no pull request.
                needs_pull_request: self.inputs.wait.is_some()
                    && (self.start.create_pull_request || asked.head_ref.is_some()),
                needs_checks: self.inputs.expect.checks.is_some(),
                needs_stop: self.inputs.stop.can_stop(),
                cloud_agent: self.inputs.rules.cloud_agent(),
                policy: &policy,
            };
            let findings = RepositoryChecks { settings, host: self.host, tasks, pulls }.run(&target.repository).await;
            log_findings(self.host, &target.label(), &findings);
            (target.clone(), findings)
        }))
        .await
    }
}

/// Asks the clients in their order until one answers, and asks again where GitHub does not.
async fn ask<T>(
    clients: &[&LimitedClient<'_>],
    question: impl AsyncFn(&LimitedClient<'_>) -> Result<T, Error>,
    host: &Host,
) -> Result<T, Error> {
    retry::ask(clients, async |client: &&LimitedClient<'_>| question(client).await, host.pausing("checking")).await
}

fn log_findings(host: &Host, subject: &str, findings: &[Finding]) {
    let lines = findings.iter().map(|finding| format!("{} {finding}", finding.status.icon())).collect::<Vec<_>>();
    host.group(subject, lines.iter().map(String::as_str));
}
