//! Starts a GitHub Copilot cloud agent task from a workflow, waits for it if asked, and hands on its id, its state
//! and the number of its pull request.
//!
//! Each file is one noun. They are declared leaf first: a file imports only those above it.

pub mod actions;
pub mod commands;
pub mod github;
pub mod inputs;
pub mod plan;
pub mod policy;
pub mod prompt;
pub mod report;
pub mod run;
pub mod task;
pub mod text;
pub mod yaml;

use std::pin::pin;
use std::time::Duration;

use crate::actions::context::{Context, Environment};
use crate::actions::host::Host;
use crate::actions::workflow_command::{Annotation, Level};
use crate::commands::doctor::checks::{Check, DoctorReport, Status};
use crate::commands::doctor::{Case, checks};
use crate::commands::load_policy::{LoadedPolicy, read_template};
use crate::commands::resolve_targets::ResolvedTargets;
use crate::commands::{doctor, load_policy, resolve_targets};
use crate::github::client::GitHub;
use crate::github::error::Error;
use crate::github::limited;
use crate::github::limited::LimitedClient;
use crate::github::repository::Repository;
use crate::github::token::Token;
use crate::github::url::ApiUrl;
use crate::inputs::parse::{Bootstrap, ParsedInputs};
use crate::inputs::problem::{LoadError, Problem};
use crate::inputs::request::{Inputs, PromptSource, Request};
use crate::inputs::table::Command;
use crate::plan::{Plan, PlanContext, PlanError};
use crate::policy::actor;
use crate::prompt::render::Template;
use crate::report::audit::{AuditEntry, AuditLog};
use crate::report::outputs::StepOutputs;
use crate::report::reporter::Reporter;
use crate::report::{outputs, summary};
use crate::run::executor;
use crate::run::executor::Clients;
use crate::task::conclusion::{Exit, Refusal, RefusedBy};
use crate::task::event::Event;
use crate::task::outcome::Outcome;

/// How long an interrupted process waits for the answer to a start that is on its way. The runner sends SIGTERM 7.5
/// seconds after SIGINT, and the user was promised that all is written within one.
const LAST_ANSWER: Duration = Duration::from_millis(600);

/// How many requests a dry run shows.
const MOST_SHOWN: usize = 20;

/// Does what the environment's inputs ask for, and says what the process ends with. `connect` makes the connection
/// to GitHub: over the network, or to a simulator.
pub async fn run(
    environment: &Environment,
    host: &Host,
    connect: impl Fn(&ApiUrl, &Token) -> anyhow::Result<GitHub>,
) -> Exit {
    let opening = Bootstrap::read(environment);
    host.mask(&opening.secrets);
    let (ruling, mut problems) = match load_policy::read(&opening, host, &connect).await {
        Ok(ruling) => (Some(ruling), Vec::new()),
        Err(LoadError::BadInput(problems)) => (None, problems),
        Err(LoadError::GitHub(error)) => return give_up(host, &error),
    };
    let ParsedInputs { inputs, warnings, .. } = Inputs::under(environment, ruling.as_ref().map(|ruling| &ruling.rules));
    warn(host, &warnings);
    problems.extend(inputs.as_ref().err().cloned().unwrap_or_default());
    if opening.command == Some(Command::Doctor) {
        return examine(environment, host, (inputs.ok(), ruling, &problems), connect).await;
    }
    let (Ok(inputs), Some(ruling), []) = (inputs, ruling, problems.as_slice()) else {
        return refuse(host, &problems);
    };
    let clients = match ConnectedClients::open(&inputs, connect) {
        Ok(clients) => clients,
        Err(why) => return unreachable(host, &format!("{why:#}")),
    };
    let roster = match enlist(host, &inputs, &clients).await {
        Ok(roster) => roster,
        Err(LoadError::BadInput(problems)) => return refuse(host, &problems),
        Err(LoadError::GitHub(error)) => return give_up(host, &error),
    };
    if let Request::Plan(_, parts) = inputs.request {
        return part(host, roster, parts);
    }
    let repositories = roster.targets.iter().map(|target| target.repository.clone()).collect::<Vec<_>>();
    let context = gather(environment, host, &inputs);
    host.record_in(inputs.audit_log.as_deref());
    let journal = AuditLog::new(&context, inputs.token.as_ref(), &inputs.facts());
    let plan = match prepare(host, &inputs, ruling.template, roster, &context) {
        Ok(plan) => plan,
        Err(PlanError::BadInput(problems)) => return refuse(host, &problems),
        Err(PlanError::Refused(refusals)) => return decline(host, &journal, repositories, &refusals),
    };
    warn(host, &plan.warnings);
    show(host, &inputs, &plan);
    match (&clients.tasks, plan.dry_run) {
        (Some(tasks), false) => carry_out(host, &journal, &plan, &context, tasks, clients.lookup.as_ref()).await,
        _ => rehearse(host, &inputs, &plan, &context),
    }
}

/// The ways to GitHub, one for each token.
struct ConnectedClients {
    tasks: Option<LimitedClient>,
    /// For pull requests, where another token reads those.
    lookup: Option<LimitedClient>,
}

impl ConnectedClients {
    fn open(inputs: &Inputs, connect: impl Fn(&ApiUrl, &Token) -> anyhow::Result<GitHub>) -> anyhow::Result<Self> {
        let part = inputs.request.start().and_then(|start| start.list.part.or(start.shard));
        let parts = part.map_or(1, |part| part.count);
        let open = |token: &Token| connect(&inputs.address, token).map(|github| LimitedClient::new(github, parts));
        let lookup = inputs.lookup_token.as_ref().filter(|lookup| Some(*lookup) != inputs.token.as_ref());
        let tasks = match inputs.token.as_ref().map(open).transpose() {
            // A dry run may do without.
            Err(_) if inputs.dry_run => None,
            opened => opened?,
        };
        Ok(Self { tasks, lookup: lookup.and_then(|lookup| open(lookup).ok()) })
    }
}

/// Reads the repositories that the inputs list; none for a wait.
async fn enlist(host: &Host, inputs: &Inputs, clients: &ConnectedClients) -> Result<ResolvedTargets, LoadError> {
    let shard = inputs.request.start().and_then(|start| start.shard);
    match inputs.request.list() {
        Some(list) => resolve_targets::read(list, shard, host, clients.tasks.as_ref()).await,
        None => Ok(ResolvedTargets { targets: Vec::new(), part: None }),
    }
}

/// Looks for all that would keep the step from its tasks. Nothing is started.
async fn examine(
    environment: &Environment,
    host: &Host,
    (inputs, ruling, problems): (Option<Inputs>, Option<LoadedPolicy>, &[Problem]),
    connect: impl Fn(&ApiUrl, &Token) -> anyhow::Result<GitHub>,
) -> Exit {
    let mut report = DoctorReport { step: problems.iter().map(checks::problem).collect(), ..DoctorReport::default() };
    let Some(inputs) = inputs else {
        doctor::log_findings(host, "The step", &report.step);
        return conclude(host, &report, Exit::BadInput);
    };
    // What cannot be handed on in the end should be known at the beginning.
    write_outputs(host, &outputs::outputs(&[], &StepOutputs::default()));
    let done = {
        let work = pin!(look(environment, host, &inputs, ruling.unwrap_or_default(), &mut report, connect));
        tokio::select! {
            signal = host.interrupted() => {
                return stop(host, "Interrupted", "not all that there is was looked at", Exit::Signalled(signal));
            }
            done = work => done,
        }
    };
    if let Err(error) = done {
        return give_up(host, &error);
    }
    let exit = match report.repositories.as_slice() {
        [] => Exit::Concluded,
        _ => Exit::of(&report.outcomes(), &inputs.fail_on, inputs.rollout.tolerate),
    };
    conclude(host, &report, exit)
}

/// The doctor's rounds: first what is known without GitHub, then the token, then each repository.
async fn look(
    environment: &Environment,
    host: &Host,
    inputs: &Inputs,
    ruling: LoadedPolicy,
    report: &mut DoctorReport,
    connect: impl Fn(&ApiUrl, &Token) -> anyhow::Result<GitHub>,
) -> Result<(), Error> {
    let Some(start) = inputs.request.start() else {
        return Ok(());
    };
    let token = checks::token(inputs.token.as_ref());
    let asks = token.verdict == Status::Pass && !inputs.dry_run;
    report.step.push(token);
    let clients = match asks {
        true => {
            ConnectedClients::open(inputs, connect).map_err(|why| Error::Unreachable { why: format!("{why:#}") })?
        }
        false => ConnectedClients { tasks: None, lookup: None },
    };
    let targets = match enlist(host, inputs, &clients).await {
        Ok(roster) => roster.targets,
        Err(LoadError::BadInput(problems)) => {
            report.step.extend(problems.iter().map(checks::problem));
            Vec::new()
        }
        Err(LoadError::GitHub(error)) => return Err(error),
    };
    let context = gather(environment, host, inputs);
    let case = Case { inputs, start, targets: &targets, context: &context, host };
    report.step.extend(case.try_out(&ruling.trials));
    if let Some(prompt) = start.prompt.as_ref().filter(|_| !targets.is_empty()) {
        let tried = ruling.trials.into_iter().find(|trial| trial.rules.class() == inputs.rules.class());
        let template = match (prompt, tried) {
            (PromptSource::Class(_), Some(tried)) => tried.template.ok(),
            _ => fetch(host, inputs, None).unwrap_or_else(|problems| {
                report.step.extend(problems.iter().map(checks::problem));
                None
            }),
        };
        report.step.extend(case.rehearse(template.as_ref()));
    }
    if let (Some(tasks), Some(token)) = (&clients.tasks, &inputs.token) {
        report.step.extend(case.ask_about(token, tasks).await?);
    }
    doctor::log_findings(host, "The step", &report.step);
    let known = report.step.iter().any(|finding| finding.check == Check::Login && finding.verdict == Status::Pass);
    report.repositories = match clients.tasks.as_ref().filter(|_| known) {
        Some(tasks) => case.visit(tasks, &clients.lookup.iter().chain([tasks]).collect::<Vec<_>>()).await,
        None => {
            host.log("GitHub was not asked about the repositories");
            targets.iter().map(|target| (target.repository.clone(), Vec::new())).collect()
        }
    };
    Ok(())
}

/// Hands on what the doctor found.
fn conclude(host: &Host, report: &DoctorReport, exit: Exit) -> Exit {
    let title = report.title();
    for (level, verdict) in [(Level::Error, Status::Fail), (Level::Warning, Status::Warn)] {
        let mut lines = report.lines(verdict);
        let more = lines.len().saturating_sub(MOST_SHOWN);
        if more > 0 {
            lines.truncate(MOST_SHOWN);
            lines.push(format!("and {more} more, which the summary lists"));
        }
        if !lines.is_empty() {
            host.annotate(&Annotation { level, title: format!("Doctor: {title}"), message: lines.join("\n") });
        }
    }
    host.log(&title);
    let lost = write_all_outputs(host, &report.outcomes(), "", &report.lines(Status::Fail).join("; "));
    write_summary(host, &doctor::summary::checkup(report));
    match exit {
        Exit::Fine => lost.unwrap_or(Exit::Fine),
        exit => exit,
    }
}

/// Parts a list for the jobs of a matrix.
fn part(host: &Host, roster: ResolvedTargets, parts: Option<usize>) -> Exit {
    let repositories = roster.targets.iter().map(|target| target.repository.to_string()).collect::<Vec<_>>();
    let matrix = match plan::matrix(roster.targets, parts) {
        Ok(matrix) => matrix,
        Err(problems) => return refuse(host, &problems),
    };
    let jobs = matrix["include"].as_array().map_or(0, Vec::len);
    let title =
        format!("{} for {jobs} {}", text::repositories(repositories.len()), if jobs == 1 { "job" } else { "jobs" });
    host.group(&title, repositories.iter().map(String::as_str));
    let lost = write_outputs(
        host,
        &outputs::outputs(&[], &StepOutputs { matrix: &matrix.to_string(), ..StepOutputs::default() }),
    );
    write_summary(host, &summary::note(&format!("🗂️ {title}"), &[repositories.join("\n")]));
    lost.unwrap_or(Exit::Fine)
}

/// Gathers the context of the run.
fn gather(environment: &Environment, host: &Host, inputs: &Inputs) -> Context {
    let handed = inputs.request.start().and_then(|start| start.inputs.clone());
    let event = host.event(environment).unwrap_or_else(|why| {
        warn(host, &[format!("{why:#}; templates see no `github.event`")]);
        None
    });
    Context::new(environment, event, handed).fenced_by(host.random_id())
}

/// Reads what the inputs point to and makes the plan.
fn prepare(
    host: &Host,
    inputs: &Inputs,
    ruled: Option<Template>,
    roster: ResolvedTargets,
    context: &Context,
) -> Result<Plan, PlanError> {
    let template = fetch(host, inputs, ruled)?;
    let ResolvedTargets { targets, part } = roster;
    let brief = PlanContext { context, template: template.as_ref(), targets, part, now: host.now() };
    plan::plan(inputs, brief)
}

/// Reads the prompt's template; `ruled` is the one that came with the policy.
fn fetch(host: &Host, inputs: &Inputs, ruled: Option<Template>) -> Result<Option<Template>, Vec<Problem>> {
    let template = match inputs.request.start().and_then(|start| start.prompt.as_ref()) {
        None => return Ok(None),
        Some(PromptSource::Text(source)) => Template { name: "prompt".to_owned(), source: source.clone() },
        Some(PromptSource::File(name)) => read_template(host, name)
            .map_err(|why| vec![Problem::new("prompt-file", format!("`{name}` cannot be used: {why:#}"))])?,
        Some(PromptSource::Class(place)) => match ruled {
            Some(template) => template,
            None => read_template(host, place.path()).map_err(|why| {
                vec![Problem::new("task", format!("has a prompt `{place}` that cannot be used: {why:#}"))]
            })?,
        },
    };
    Ok(Some(template))
}

/// Ends a step whose input is bad. Nothing was sent.
fn refuse(host: &Host, problems: &[Problem]) -> Exit {
    let lines = problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let message = lines.join("\n");
    host.annotate(&Annotation { level: Level::Error, title: "Bad input, nothing was sent".to_owned(), message });
    write_outputs(host, &outputs::outputs(&[], &StepOutputs { error: &lines.join("; "), ..StepOutputs::default() }));
    write_summary(host, &summary::note("❌ Bad input, nothing was sent", &lines));
    Exit::BadInput
}

/// Ends a step that the user's own rules say no to. Nothing was sent.
fn decline(host: &Host, journal: &AuditLog, repositories: Vec<Repository>, refusals: &[Refusal]) -> Exit {
    let lines = refusals.iter().map(ToString::to_string).collect::<Vec<_>>();
    let title = refusals.first().map_or("Refused", |refusal| refusal.gate.title());
    let message = lines.join("\n");
    let title = format!("{title}, nothing was sent");
    host.annotate(&Annotation { level: Level::Error, title: title.clone(), message });
    let mut outcomes = repositories.into_iter().map(Outcome::new).collect::<Vec<_>>();
    let gate = refusals.first().map_or(RefusedBy::Policy, |refusal| refusal.gate);
    for outcome in &mut outcomes {
        let event = Event::Refused(Refusal { gate, why: lines.join("; ") });
        let entry = AuditEntry::of(&event, outcome);
        outcome.apply(event);
        let line = entry.map(|entry| journal.line(entry, None, outcome, &host.random_id(), host.now()));
        kept(host, line.map_or(Ok(()), |line| host.write_record(&line)));
    }
    write_all_outputs(host, &outcomes, &host.audit_log(), &lines.join("; "));
    write_summary(host, &summary::note(&format!("⛔ {title}"), &lines));
    Exit::Declined
}

/// Shows the plan.
fn show(host: &Host, inputs: &Inputs, plan: &Plan) {
    let mut lines = plan.lines(&inputs.address, inputs.token.as_ref());
    // The prompts of many repositories are much alike, and one shows what they are.
    if let Some(plan::Action::Start { task, .. }) = plan.orders.first().map(|order| &order.action) {
        lines.extend([String::new(), task.prompt.clone()]);
    }
    host.group(&plan.title(), lines.iter().map(String::as_str));
}

/// Ends a dry run. Nothing was sent.
fn rehearse(host: &Host, inputs: &Inputs, plan: &Plan, context: &Context) -> Exit {
    let mut lines = Vec::new();
    let requests = plan.requests(&inputs.address);
    for (to, body) in requests.iter().take(MOST_SHOWN) {
        host.group("Request", [to.as_str(), body.as_str()]);
        lines.push(format!("{to}\n{body}"));
    }
    if requests.len() > MOST_SHOWN {
        let more = format!("and {} more requests of this kind", requests.len() - MOST_SHOWN);
        host.print_line(&more);
        lines.push(more);
    }
    host.log("dry run: nothing was sent");
    let reporter = Reporter::new(host, plan, context, None);
    reporter.publish();
    write_summary(host, &summary::note("Dry run, nothing was sent", &lines));
    report(host, reporter.broken()).unwrap_or(Exit::Fine)
}

/// Carries out the plan, until it is done or the process is told to end.
async fn carry_out(
    host: &Host,
    journal: &AuditLog,
    plan: &Plan,
    context: &Context,
    tasks: &LimitedClient,
    lookup: Option<&LimitedClient>,
) -> Exit {
    let reporter = Reporter::new(host, plan, context, Some(journal));
    // What cannot be handed on later should not be started: an output that is lost is a task that is lost, and what is
    // not on record was never answered for.
    reporter.publish();
    reporter.announce();
    if let Some(message) = reporter.broken() {
        let title = "Bad input, nothing was sent".to_owned();
        host.annotate(&Annotation { level: Level::Error, title, message: message.clone() });
        // Where this fails as well, the annotation has said so already.
        let _ = host.write_outputs(&outputs::outputs(&[], &StepOutputs { error: &message, ..StepOutputs::default() }));
        return Exit::BadInput;
    }
    let pulls = lookup.into_iter().chain([tasks]).collect::<Vec<_>>();
    let clients = Clients { tasks, pulls: &pulls };
    let mut work = pin!(async {
        admit(host, plan, &clients).await?;
        executor::run(plan, &clients, &reporter).await;
        Ok(())
    });
    let signal = tokio::select! {
        signal = host.interrupted() => Some(signal),
        done = &mut work => match done {
            Ok(()) => None,
            Err(AuthorizationError::Refused(refusal)) => {
                let repositories = plan.orders.iter().map(|order| order.repository.clone()).collect();
                return decline(host, journal, repositories, &[refusal]);
            }
            Err(AuthorizationError::Unreachable(why)) => return unreachable(host, &why),
        },
    };
    reporter.end();
    if signal.is_some() && reporter.is_open() {
        let _ = tokio::time::timeout(LAST_ANSWER, work).await;
    }
    if signal.is_some() {
        reporter.interrupted();
    }
    let exit = reporter.finish(signal.is_some());
    let lost = report(host, reporter.broken());
    match (signal, exit) {
        (Some(signal), _) => Exit::Signalled(signal),
        (None, Exit::Fine) => lost.unwrap_or(Exit::Fine),
        (None, exit) => exit,
    }
}

/// Why nothing is carried out.
enum AuthorizationError {
    /// A gate says no.
    Refused(Refusal),
    /// A gate could not be asked, and may say something else another time.
    Unreachable(String),
}

/// Asks GitHub about those who caused the event, where the gate hangs on that. Nothing is started before.
async fn admit(host: &Host, plan: &Plan, clients: &Clients<'_>) -> Result<(), AuthorizationError> {
    let refused = |why: String| AuthorizationError::Refused(Refusal { gate: RefusedBy::Actor, why });
    let question = match &plan.gate {
        Some(actor::ActorCheck::Ask(question)) => question,
        Some(actor::ActorCheck::Shut(why)) => return Err(refused(why.clone())),
        Some(actor::ActorCheck::Open(_)) | None => return Ok(()),
    };
    for person in &question.people {
        let access = async |client: &&LimitedClient| {
            client.read(client.github().access(&question.repository, &person.login)).await
        };
        let rest = async |pause| host.sleep(pause, "asking who caused the event").await;
        match limited::ask(clients.pulls, access, rest).await {
            Ok(access) => question.answered(person, &access).map_err(refused)?,
            Err(why) if why.may_pass() => return Err(AuthorizationError::Unreachable(why.to_string())),
            Err(why) => return Err(refused(question.unanswered(person, &why.to_string()))),
        }
        host.log(&format!("{} has write access to {}", person.login, question.repository));
    }
    Ok(())
}

/// Ends a step that cannot speak to GitHub at all.
fn unreachable(host: &Host, why: &str) -> Exit {
    stop(host, "GitHub not reached, nothing was sent", why, Exit::Unreachable)
}

/// Ends a step whose questions GitHub does not answer.
fn give_up(host: &Host, error: &Error) -> Exit {
    match error.may_pass() {
        true => unreachable(host, &error.to_string()),
        false => stop(host, "GitHub refused, nothing was sent", &error.to_string(), Exit::RefusedByGitHub),
    }
}

fn stop(host: &Host, title: &str, why: &str, exit: Exit) -> Exit {
    host.annotate(&Annotation { level: Level::Error, title: title.to_owned(), message: why.to_owned() });
    write_outputs(host, &outputs::outputs(&[], &StepOutputs { error: why, ..StepOutputs::default() }));
    write_summary(host, &summary::note(&format!("❌ {title}"), &[why.to_owned()]));
    exit
}

fn warn(host: &Host, warnings: &[String]) {
    for message in warnings {
        let title = "agent-task".to_owned();
        host.annotate(&Annotation { level: Level::Warning, title, message: message.clone() });
    }
}

fn write_outputs(host: &Host, outputs: &[(&'static str, String)]) -> Option<Exit> {
    kept(host, host.write_outputs(outputs))
}

/// Hands on how it ended for each repository, where that is known at once.
fn write_all_outputs(host: &Host, outcomes: &[Outcome], audit_log: &str, error: &str) -> Option<Exit> {
    kept(host, host.write_results(&outputs::all_results(outcomes)));
    let aside = StepOutputs { results_file: &host.results_file(), audit_log, error, ..StepOutputs::default() };
    write_outputs(host, &outputs::outputs(outcomes, &aside))
}

fn write_summary(host: &Host, markdown: &str) {
    kept(host, host.write_summary(markdown));
}

fn kept(host: &Host, written: anyhow::Result<()>) -> Option<Exit> {
    report(host, written.err().map(|why| format!("{why:#}")))
}

/// Says that something could not be written. A step whose outputs are lost does not show green.
fn report(host: &Host, broken: Option<String>) -> Option<Exit> {
    let message = broken?;
    host.annotate(&Annotation { level: Level::Error, title: "Outputs lost".to_owned(), message });
    Some(Exit::Concluded)
}
