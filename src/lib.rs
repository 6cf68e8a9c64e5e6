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
use crate::actions::host::Runner;
use crate::actions::workflow_command::{Annotation, Level};
use crate::commands::doctor::checks::{Check, Report, Verdict};
use crate::commands::doctor::{Case, checks};
use crate::commands::load_policy::Ruling;
use crate::commands::load_policy::read_template;
use crate::commands::resolve_targets::Roster;
use crate::commands::{doctor, load_policy, resolve_targets};
use crate::github::client::GitHub;
use crate::github::error::Error;
use crate::github::limited;
use crate::github::limited::Door;
use crate::github::repository::Repository;
use crate::github::token::Token;
use crate::github::url::Address;
use crate::inputs::parse::{Opening, Read};
use crate::inputs::problem::{Lack, Problem};
use crate::inputs::request::{Errand, Inputs, PromptSource};
use crate::inputs::table::Command;
use crate::plan::{Brief, No, Plan};
use crate::policy::actor;
use crate::prompt::render::Template;
use crate::report::audit::{Entry, Journal};
use crate::report::outputs::Aside;
use crate::report::reporter::Board;
use crate::report::{outputs, summary};
use crate::run::executor;
use crate::run::executor::Speakers;
use crate::task::conclusion::{Exit, Gate, Refusal};
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
    runner: &Runner,
    connect: impl Fn(&Address, &Token) -> anyhow::Result<GitHub>,
) -> Exit {
    let opening = Opening::read(environment);
    runner.keep(&opening.secrets);
    let (ruling, mut problems) = match load_policy::read(&opening, runner, &connect).await {
        Ok(ruling) => (Some(ruling), Vec::new()),
        Err(Lack::BadInput(problems)) => (None, problems),
        Err(Lack::GitHub(error)) => return give_up(runner, &error),
    };
    let Read { inputs, warnings, .. } = Inputs::under(environment, ruling.as_ref().map(|ruling| &ruling.rules));
    warn(runner, &warnings);
    problems.extend(inputs.as_ref().err().cloned().unwrap_or_default());
    if opening.command == Some(Command::Doctor) {
        return examine(environment, runner, (inputs.ok(), ruling, &problems), connect).await;
    }
    let (Ok(inputs), Some(ruling), []) = (inputs, ruling, problems.as_slice()) else {
        return refuse(runner, &problems);
    };
    let doors = match Doors::open(&inputs, connect) {
        Ok(doors) => doors,
        Err(why) => return unreachable(runner, &format!("{why:#}")),
    };
    let roster = match enlist(runner, &inputs, &doors).await {
        Ok(roster) => roster,
        Err(Lack::BadInput(problems)) => return refuse(runner, &problems),
        Err(Lack::GitHub(error)) => return give_up(runner, &error),
    };
    if let Errand::Plan(_, parts) = inputs.errand {
        return part(runner, roster, parts);
    }
    let repositories = roster.targets.iter().map(|target| target.repository.clone()).collect::<Vec<_>>();
    let context = gather(environment, runner, &inputs);
    runner.record_in(inputs.audit_log.as_deref());
    let journal = Journal::new(&context, inputs.token.as_ref(), &inputs.facts());
    let plan = match prepare(runner, &inputs, ruling.template, roster, &context) {
        Ok(plan) => plan,
        Err(No::BadInput(problems)) => return refuse(runner, &problems),
        Err(No::Refused(refusals)) => return decline(runner, &journal, repositories, &refusals),
    };
    warn(runner, &plan.warnings);
    show(runner, &inputs, &plan);
    match (&doors.tasks, plan.dry_run) {
        (Some(tasks), false) => carry_out(runner, &journal, &plan, &context, tasks, doors.lookup.as_ref()).await,
        _ => rehearse(runner, &inputs, &plan, &context),
    }
}

/// The ways to GitHub, one for each token.
struct Doors {
    tasks: Option<Door>,
    /// For pull requests, where another token reads those.
    lookup: Option<Door>,
}

impl Doors {
    fn open(inputs: &Inputs, connect: impl Fn(&Address, &Token) -> anyhow::Result<GitHub>) -> anyhow::Result<Self> {
        let part = inputs.errand.start().and_then(|start| start.list.part.or(start.shard));
        let parts = part.map_or(1, |part| part.count);
        let open = |token: &Token| connect(&inputs.address, token).map(|github| Door::new(github, parts));
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
async fn enlist(runner: &Runner, inputs: &Inputs, doors: &Doors) -> Result<Roster, Lack> {
    let shard = inputs.errand.start().and_then(|start| start.shard);
    match inputs.errand.list() {
        Some(list) => resolve_targets::read(list, shard, runner, doors.tasks.as_ref()).await,
        None => Ok(Roster { targets: Vec::new(), part: None }),
    }
}

/// Looks for all that would keep the step from its tasks. Nothing is started.
async fn examine(
    environment: &Environment,
    runner: &Runner,
    (inputs, ruling, problems): (Option<Inputs>, Option<Ruling>, &[Problem]),
    connect: impl Fn(&Address, &Token) -> anyhow::Result<GitHub>,
) -> Exit {
    let mut report = Report { step: problems.iter().map(checks::problem).collect(), ..Report::default() };
    let Some(inputs) = inputs else {
        doctor::tell(runner, "The step", &report.step);
        return conclude(runner, &report, Exit::BadInput);
    };
    // What cannot be handed on in the end should be known at the beginning.
    hand_on(runner, &outputs::outputs(&[], &Aside::default()));
    let done = {
        let work = pin!(look(environment, runner, &inputs, ruling.unwrap_or_default(), &mut report, connect));
        tokio::select! {
            signal = runner.interrupted() => {
                return stop(runner, "Interrupted", "not all that there is was looked at", Exit::Signalled(signal));
            }
            done = work => done,
        }
    };
    if let Err(error) = done {
        return give_up(runner, &error);
    }
    let exit = match report.repositories.as_slice() {
        [] => Exit::Concluded,
        _ => Exit::of(&report.outcomes(), &inputs.fail_on, inputs.rollout.tolerate),
    };
    conclude(runner, &report, exit)
}

/// The doctor's rounds: first what is known without GitHub, then the token, then each repository.
async fn look(
    environment: &Environment,
    runner: &Runner,
    inputs: &Inputs,
    ruling: Ruling,
    report: &mut Report,
    connect: impl Fn(&Address, &Token) -> anyhow::Result<GitHub>,
) -> Result<(), Error> {
    let Some(start) = inputs.errand.start() else {
        return Ok(());
    };
    let token = checks::token(inputs.token.as_ref());
    let asks = token.verdict == Verdict::Pass && !inputs.dry_run;
    report.step.push(token);
    let doors = match asks {
        true => Doors::open(inputs, connect).map_err(|why| Error::Unreachable { why: format!("{why:#}") })?,
        false => Doors { tasks: None, lookup: None },
    };
    let targets = match enlist(runner, inputs, &doors).await {
        Ok(roster) => roster.targets,
        Err(Lack::BadInput(problems)) => {
            report.step.extend(problems.iter().map(checks::problem));
            Vec::new()
        }
        Err(Lack::GitHub(error)) => return Err(error),
    };
    let context = gather(environment, runner, inputs);
    let case = Case { inputs, start, targets: &targets, context: &context, runner };
    report.step.extend(case.try_out(&ruling.trials));
    if let Some(prompt) = start.prompt.as_ref().filter(|_| !targets.is_empty()) {
        let tried = ruling.trials.into_iter().find(|trial| trial.rules.class() == inputs.rules.class());
        let template = match (prompt, tried) {
            (PromptSource::Class(_), Some(tried)) => tried.template.ok(),
            _ => fetch(runner, inputs, None).unwrap_or_else(|problems| {
                report.step.extend(problems.iter().map(checks::problem));
                None
            }),
        };
        report.step.extend(case.rehearse(template.as_ref()));
    }
    if let (Some(tasks), Some(token)) = (&doors.tasks, &inputs.token) {
        report.step.extend(case.ask_about(token, tasks).await?);
    }
    doctor::tell(runner, "The step", &report.step);
    let known = report.step.iter().any(|finding| finding.check == Check::Login && finding.verdict == Verdict::Pass);
    report.repositories = match doors.tasks.as_ref().filter(|_| known) {
        Some(tasks) => case.visit(tasks, &doors.lookup.iter().chain([tasks]).collect::<Vec<_>>()).await,
        None => {
            runner.tell("GitHub was not asked about the repositories");
            targets.iter().map(|target| (target.repository.clone(), Vec::new())).collect()
        }
    };
    Ok(())
}

/// Hands on what the doctor found.
fn conclude(runner: &Runner, report: &Report, exit: Exit) -> Exit {
    let title = report.title();
    for (level, verdict) in [(Level::Error, Verdict::Fail), (Level::Warning, Verdict::Warn)] {
        let mut lines = report.lines(verdict);
        let more = lines.len().saturating_sub(MOST_SHOWN);
        if more > 0 {
            lines.truncate(MOST_SHOWN);
            lines.push(format!("and {more} more, which the summary lists"));
        }
        if !lines.is_empty() {
            runner.annotate(&Annotation { level, title: format!("Doctor: {title}"), message: lines.join("\n") });
        }
    }
    runner.tell(&title);
    let lost = hand_on_all(runner, &report.outcomes(), "", &report.lines(Verdict::Fail).join("; "));
    keep_summary(runner, &doctor::summary::checkup(report));
    match exit {
        Exit::Fine => lost.unwrap_or(Exit::Fine),
        exit => exit,
    }
}

/// Parts a list for the jobs of a matrix.
fn part(runner: &Runner, roster: Roster, parts: Option<usize>) -> Exit {
    let repositories = roster.targets.iter().map(|target| target.repository.to_string()).collect::<Vec<_>>();
    let matrix = match plan::matrix(roster.targets, parts) {
        Ok(matrix) => matrix,
        Err(problems) => return refuse(runner, &problems),
    };
    let jobs = matrix["include"].as_array().map_or(0, Vec::len);
    let title =
        format!("{} for {jobs} {}", text::repositories(repositories.len()), if jobs == 1 { "job" } else { "jobs" });
    runner.group(&title, repositories.iter().map(String::as_str));
    let lost = hand_on(runner, &outputs::outputs(&[], &Aside { matrix: &matrix.to_string(), ..Aside::default() }));
    keep_summary(runner, &summary::note(&format!("🗂️ {title}"), &[repositories.join("\n")]));
    lost.unwrap_or(Exit::Fine)
}

/// Gathers the context of the run.
fn gather(environment: &Environment, runner: &Runner, inputs: &Inputs) -> Context {
    let handed = inputs.errand.start().and_then(|start| start.inputs.clone());
    let event = runner.event(environment).unwrap_or_else(|why| {
        warn(runner, &[format!("{why:#}; templates see no `github.event`")]);
        None
    });
    Context::new(environment, event, handed).fenced_by(runner.word())
}

/// Reads what the inputs point to and makes the plan.
fn prepare(
    runner: &Runner,
    inputs: &Inputs,
    ruled: Option<Template>,
    roster: Roster,
    context: &Context,
) -> Result<Plan, No> {
    let template = fetch(runner, inputs, ruled)?;
    let Roster { targets, part } = roster;
    let brief = Brief { context, template: template.as_ref(), targets, part, now: runner.now() };
    plan::plan(inputs, brief)
}

/// Reads the prompt's template; `ruled` is the one that came with the policy.
fn fetch(runner: &Runner, inputs: &Inputs, ruled: Option<Template>) -> Result<Option<Template>, Vec<Problem>> {
    let template = match inputs.errand.start().and_then(|start| start.prompt.as_ref()) {
        None => return Ok(None),
        Some(PromptSource::Text(source)) => Template { name: "prompt".to_owned(), source: source.clone() },
        Some(PromptSource::File(name)) => read_template(runner, name)
            .map_err(|why| vec![Problem::new("prompt-file", format!("`{name}` cannot be used: {why:#}"))])?,
        Some(PromptSource::Class(place)) => match ruled {
            Some(template) => template,
            None => read_template(runner, place.path()).map_err(|why| {
                vec![Problem::new("task", format!("has a prompt `{place}` that cannot be used: {why:#}"))]
            })?,
        },
    };
    Ok(Some(template))
}

/// Ends a step whose input is bad. Nothing was sent.
fn refuse(runner: &Runner, problems: &[Problem]) -> Exit {
    let lines = problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let message = lines.join("\n");
    runner.annotate(&Annotation { level: Level::Error, title: "Bad input, nothing was sent".to_owned(), message });
    hand_on(runner, &outputs::outputs(&[], &Aside { error: &lines.join("; "), ..Aside::default() }));
    keep_summary(runner, &summary::note("❌ Bad input, nothing was sent", &lines));
    Exit::BadInput
}

/// Ends a step that the user's own rules say no to. Nothing was sent.
fn decline(runner: &Runner, journal: &Journal, repositories: Vec<Repository>, refusals: &[Refusal]) -> Exit {
    let lines = refusals.iter().map(ToString::to_string).collect::<Vec<_>>();
    let title = refusals.first().map_or("Refused", |refusal| refusal.gate.title());
    let message = lines.join("\n");
    let title = format!("{title}, nothing was sent");
    runner.annotate(&Annotation { level: Level::Error, title: title.clone(), message });
    let mut outcomes = repositories.into_iter().map(Outcome::new).collect::<Vec<_>>();
    let gate = refusals.first().map_or(Gate::Policy, |refusal| refusal.gate);
    for outcome in &mut outcomes {
        let event = Event::Refused(Refusal { gate, why: lines.join("; ") });
        let entry = Entry::of(&event, outcome);
        outcome.hear(event);
        let line = entry.map(|entry| journal.line(entry, None, outcome, &runner.word(), runner.now()));
        kept(runner, line.map_or(Ok(()), |line| runner.write_record(&line)));
    }
    hand_on_all(runner, &outcomes, &runner.audit_log(), &lines.join("; "));
    keep_summary(runner, &summary::note(&format!("⛔ {title}"), &lines));
    Exit::Declined
}

/// Shows the plan.
fn show(runner: &Runner, inputs: &Inputs, plan: &Plan) {
    let mut lines = plan.lines(&inputs.address, inputs.token.as_ref());
    // The prompts of many repositories are much alike, and one shows what they are.
    if let Some(plan::Deed::Start { task, .. }) = plan.orders.first().map(|order| &order.deed) {
        lines.extend([String::new(), task.prompt.clone()]);
    }
    runner.group(&plan.title(), lines.iter().map(String::as_str));
}

/// Ends a dry run. Nothing was sent.
fn rehearse(runner: &Runner, inputs: &Inputs, plan: &Plan, context: &Context) -> Exit {
    let mut lines = Vec::new();
    let requests = plan.requests(&inputs.address);
    for (to, body) in requests.iter().take(MOST_SHOWN) {
        runner.group("Request", [to.as_str(), body.as_str()]);
        lines.push(format!("{to}\n{body}"));
    }
    if requests.len() > MOST_SHOWN {
        let more = format!("and {} more requests of this kind", requests.len() - MOST_SHOWN);
        runner.say(&more);
        lines.push(more);
    }
    runner.tell("dry run: nothing was sent");
    let board = Board::new(runner, plan, context, None);
    board.publish();
    keep_summary(runner, &summary::note("Dry run, nothing was sent", &lines));
    report(runner, board.broken()).unwrap_or(Exit::Fine)
}

/// Carries out the plan, until it is done or the process is told to end.
async fn carry_out(
    runner: &Runner,
    journal: &Journal,
    plan: &Plan,
    context: &Context,
    tasks: &Door,
    lookup: Option<&Door>,
) -> Exit {
    let board = Board::new(runner, plan, context, Some(journal));
    // What cannot be handed on later should not be started: an output that is lost is a task that is lost, and what is
    // not on record was never answered for.
    board.publish();
    board.announce();
    if let Some(message) = board.broken() {
        let title = "Bad input, nothing was sent".to_owned();
        runner.annotate(&Annotation { level: Level::Error, title, message: message.clone() });
        // Where this fails as well, the annotation has said so already.
        let _ = runner.write_outputs(&outputs::outputs(&[], &Aside { error: &message, ..Aside::default() }));
        return Exit::BadInput;
    }
    let pulls = lookup.into_iter().chain([tasks]).collect::<Vec<_>>();
    let speakers = Speakers { tasks, pulls: &pulls };
    let mut work = pin!(async {
        admit(runner, plan, &speakers).await?;
        executor::run(plan, &speakers, &board).await;
        Ok(())
    });
    let signal = tokio::select! {
        signal = runner.interrupted() => Some(signal),
        done = &mut work => match done {
            Ok(()) => None,
            Err(Barred::Refused(refusal)) => {
                let repositories = plan.orders.iter().map(|order| order.repository.clone()).collect();
                return decline(runner, journal, repositories, &[refusal]);
            }
            Err(Barred::Unreachable(why)) => return unreachable(runner, &why),
        },
    };
    board.end();
    if signal.is_some() && board.is_open() {
        let _ = tokio::time::timeout(LAST_ANSWER, work).await;
    }
    if signal.is_some() {
        board.interrupted();
    }
    let exit = board.finish(signal.is_some());
    let lost = report(runner, board.broken());
    match (signal, exit) {
        (Some(signal), _) => Exit::Signalled(signal),
        (None, Exit::Fine) => lost.unwrap_or(Exit::Fine),
        (None, exit) => exit,
    }
}

/// Why nothing is carried out.
enum Barred {
    /// A gate says no.
    Refused(Refusal),
    /// A gate could not be asked, and may say something else another time.
    Unreachable(String),
}

/// Asks GitHub about those who caused the event, where the gate hangs on that. Nothing is started before.
async fn admit(runner: &Runner, plan: &Plan, speakers: &Speakers<'_>) -> Result<(), Barred> {
    let refused = |why: String| Barred::Refused(Refusal { gate: Gate::Actor, why });
    let question = match &plan.gate {
        Some(actor::Verdict::Ask(question)) => question,
        Some(actor::Verdict::Shut(why)) => return Err(refused(why.clone())),
        Some(actor::Verdict::Open(_)) | None => return Ok(()),
    };
    for person in &question.people {
        let access = async |door: &&Door| door.read(door.github().access(&question.repository, &person.login)).await;
        let rest = async |pause| runner.rest(pause, "asking who caused the event").await;
        match limited::ask(speakers.pulls, access, rest).await {
            Ok(access) => question.answered(person, &access).map_err(refused)?,
            Err(why) if why.may_pass() => return Err(Barred::Unreachable(why.to_string())),
            Err(why) => return Err(refused(question.unanswered(person, &why.to_string()))),
        }
        runner.tell(&format!("{} has write access to {}", person.login, question.repository));
    }
    Ok(())
}

/// Ends a step that cannot speak to GitHub at all.
fn unreachable(runner: &Runner, why: &str) -> Exit {
    stop(runner, "GitHub not reached, nothing was sent", why, Exit::Unreachable)
}

/// Ends a step whose questions GitHub does not answer.
fn give_up(runner: &Runner, error: &Error) -> Exit {
    match error.may_pass() {
        true => unreachable(runner, &error.to_string()),
        false => stop(runner, "GitHub refused, nothing was sent", &error.to_string(), Exit::RefusedByGitHub),
    }
}

fn stop(runner: &Runner, title: &str, why: &str, exit: Exit) -> Exit {
    runner.annotate(&Annotation { level: Level::Error, title: title.to_owned(), message: why.to_owned() });
    hand_on(runner, &outputs::outputs(&[], &Aside { error: why, ..Aside::default() }));
    keep_summary(runner, &summary::note(&format!("❌ {title}"), &[why.to_owned()]));
    exit
}

fn warn(runner: &Runner, warnings: &[String]) {
    for message in warnings {
        let title = "agent-task".to_owned();
        runner.annotate(&Annotation { level: Level::Warning, title, message: message.clone() });
    }
}

fn hand_on(runner: &Runner, outputs: &[(&'static str, String)]) -> Option<Exit> {
    kept(runner, runner.write_outputs(outputs))
}

/// Hands on how it ended for each repository, where that is known at once.
fn hand_on_all(runner: &Runner, outcomes: &[Outcome], audit_log: &str, error: &str) -> Option<Exit> {
    kept(runner, runner.write_results(&outputs::all_results(outcomes)));
    let aside = Aside { results_file: &runner.results_file(), audit_log, error, ..Aside::default() };
    hand_on(runner, &outputs::outputs(outcomes, &aside))
}

fn keep_summary(runner: &Runner, markdown: &str) {
    kept(runner, runner.write_summary(markdown));
}

fn kept(runner: &Runner, written: anyhow::Result<()>) -> Option<Exit> {
    report(runner, written.err().map(|why| format!("{why:#}")))
}

/// Says that something could not be written. A step whose outputs are lost does not show green.
fn report(runner: &Runner, broken: Option<String>) -> Option<Exit> {
    let message = broken?;
    runner.annotate(&Annotation { level: Level::Error, title: "Outputs lost".to_owned(), message });
    Some(Exit::Concluded)
}
