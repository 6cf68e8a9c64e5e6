//! Starts a GitHub Copilot cloud agent task from a workflow, waits for it if asked, and hands on its id, its state
//! and the number of its pull request.
//!
//! Each file is one noun. They are declared leaf first: a file imports only those above it.

pub mod repository;
pub mod token;
pub mod command;
pub mod key;
pub mod task;
pub mod pull;
pub mod github;
pub mod watch;
pub mod outcome;
pub mod claim;
pub mod yaml;
pub mod vars;
pub mod context;
pub mod gate;
pub mod policy;
pub mod prompt;
pub mod inputs;
pub mod plan;
pub mod output;
pub mod summary;
pub mod runner;
pub mod fleet;

use std::pin::pin;
use std::time::Duration;

use crate::command::Annotation;
use crate::command::Level;
use crate::context::Context;
use crate::context::Environment;
use crate::fleet::Board;
use crate::fleet::Speakers;
use crate::gate::Person;
use crate::gate::Question;
use crate::gate::Verdict;
use crate::github::Access;
use crate::github::Address;
use crate::github::Error;
use crate::github::GitHub;
use crate::inputs::Errand;
use crate::inputs::Inputs;
use crate::inputs::Problem;
use crate::inputs::PromptSource;
use crate::inputs::Read;
use crate::outcome::Event;
use crate::outcome::Exit;
use crate::outcome::Gate;
use crate::outcome::Outcome;
use crate::outcome::Refusal;
use crate::plan::No;
use crate::plan::Plan;
use crate::prompt::Template;
use crate::runner::Runner;
use crate::token::Token;

/// How long an interrupted process waits for the answer to a start that is on its way. The runner sends SIGTERM 7.5
/// seconds after SIGINT, and the user was promised that all is written within one.
const LAST_ANSWER: Duration = Duration::from_millis(600);

/// The pauses before a question to GitHub that brought no answer is put again.
const ASKED_AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// Does what the environment's inputs ask for, and says what the process ends with. `connect` makes the connection
/// to GitHub: over the network, or to a simulator.
pub async fn run(
    environment: &Environment,
    runner: &Runner,
    connect: impl Fn(&Address, &Token) -> anyhow::Result<GitHub>,
) -> Exit {
    let Read { inputs, secrets, warnings } = Inputs::read(environment);
    runner.keep(&secrets);
    warn(runner, &warnings);
    let inputs = match inputs {
        Ok(inputs) => inputs,
        Err(problems) => return refuse(runner, &problems),
    };
    let (plan, context) = match prepare(environment, runner, &inputs) {
        Ok(prepared) => prepared,
        Err(No::BadInput(problems)) => return refuse(runner, &problems),
        Err(No::Refused(refusals)) => return decline(runner, &inputs, &refusals),
    };
    warn(runner, &plan.warnings);
    show(runner, &inputs, &plan);
    match (&inputs.token, plan.dry_run) {
        (Some(token), false) => carry_out(runner, &inputs, token, &plan, &context, connect).await,
        _ => rehearse(runner, &inputs, &plan, &context),
    }
}

/// Reads what the inputs point to and makes the plan.
fn prepare(environment: &Environment, runner: &Runner, inputs: &Inputs) -> Result<(Plan, Context), No> {
    let mut handed = None;
    let mut template = None;
    if let Errand::Start(start) = &inputs.errand {
        handed.clone_from(&start.inputs);
        template = Some(match &start.prompt {
            PromptSource::Text(source) => Template { name: "prompt".to_owned(), source: source.clone() },
            PromptSource::File(name) => runner
                .template(name)
                .map_err(|why| vec![Problem::new("prompt-file", format!("`{name}` cannot be used: {why:#}"))])?,
        });
    }
    let event = runner.event(environment).unwrap_or_else(|why| {
        warn(runner, &[format!("{why:#}; templates see no `github.event`")]);
        None
    });
    let context = Context::new(environment, event, handed);
    Ok((plan::plan(inputs, &context, template.as_ref(), runner.now())?, context))
}

/// Ends a step whose input is bad. Nothing was sent.
fn refuse(runner: &Runner, problems: &[Problem]) -> Exit {
    let lines = problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let message = lines.join("\n");
    runner.annotate(&Annotation { level: Level::Error, title: "Bad input, nothing was sent".to_owned(), message });
    hand_on(runner, &output::outputs(&[], "", &lines.join("; ")));
    keep_summary(runner, &summary::note("❌ Bad input, nothing was sent", &lines));
    Exit::BadInput
}

/// Ends a step that the user's own rules say no to. Nothing was sent.
fn decline(runner: &Runner, inputs: &Inputs, refusals: &[Refusal]) -> Exit {
    let lines = refusals.iter().map(ToString::to_string).collect::<Vec<_>>();
    let title = refusals.first().map_or("Refused", |refusal| refusal.gate.title());
    let message = lines.join("\n");
    let title = format!("{title}, nothing was sent");
    runner.annotate(&Annotation { level: Level::Error, title: title.clone(), message });
    let mut outcomes = inputs.errand.repositories().into_iter().cloned().map(Outcome::new).collect::<Vec<_>>();
    for outcome in &mut outcomes {
        for refusal in refusals {
            outcome.hear(Event::Refused(refusal.clone()));
        }
    }
    hand_on(runner, &output::outputs(&outcomes, "", &lines.join("; ")));
    keep_summary(runner, &summary::note(&format!("⛔ {title}"), &lines));
    Exit::Declined
}

/// Shows the plan.
fn show(runner: &Runner, inputs: &Inputs, plan: &Plan) {
    let mut lines = plan.lines(&inputs.address, inputs.token.as_ref());
    for order in &plan.orders {
        if let plan::Deed::Start { task, .. } = &order.deed {
            lines.extend([String::new(), task.prompt.clone()]);
        }
    }
    runner.group(&plan.title(), lines.iter().map(String::as_str));
}

/// Ends a dry run. Nothing was sent.
fn rehearse(runner: &Runner, inputs: &Inputs, plan: &Plan, context: &Context) -> Exit {
    let mut lines = Vec::new();
    for (to, body) in plan.requests(&inputs.address) {
        runner.group("Request", [to.as_str(), body.as_str()]);
        lines.push(format!("{to}\n{body}"));
    }
    runner.tell("dry run: nothing was sent");
    let board = Board::new(runner, plan, context);
    board.publish();
    keep_summary(runner, &summary::note("Dry run, nothing was sent", &lines));
    report(runner, board.broken()).unwrap_or(Exit::Fine)
}

/// Carries out the plan, until it is done or the process is told to end.
async fn carry_out(
    runner: &Runner,
    inputs: &Inputs,
    token: &Token,
    plan: &Plan,
    context: &Context,
    connect: impl Fn(&Address, &Token) -> anyhow::Result<GitHub>,
) -> Exit {
    let board = Board::new(runner, plan, context);
    // What cannot be handed on later should not be started: an output that is lost is a task that is lost.
    board.publish();
    if let Some(message) = board.broken() {
        let title = "Bad input, nothing was sent".to_owned();
        runner.annotate(&Annotation { level: Level::Error, title, message: message.clone() });
        // Where this fails as well, the annotation has said so already.
        let _ = runner.write_outputs(&output::outputs(&[], "", &message));
        return Exit::BadInput;
    }
    let tasks = match connect(&inputs.address, token) {
        Ok(tasks) => tasks,
        Err(why) => return unreachable(runner, &format!("{why:#}")),
    };
    let lookup = inputs.lookup_token.as_ref().filter(|lookup| *lookup != token);
    let lookup = lookup.and_then(|lookup| connect(&inputs.address, lookup).ok());
    let pulls = lookup.iter().chain([&tasks]).collect::<Vec<_>>();
    let speakers = Speakers { tasks: &tasks, pulls: &pulls };
    let mut work = pin!(async {
        admit(runner, plan, &speakers).await?;
        fleet::run(plan, &speakers, &board).await;
        Ok(())
    });
    let signal = tokio::select! {
        signal = runner.interrupted() => Some(signal),
        done = &mut work => match done {
            Ok(()) => None,
            Err(Barred::Refused(refusal)) => return decline(runner, inputs, &[refusal]),
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
        Some(Verdict::Ask(question)) => question,
        Some(Verdict::Shut(why)) => return Err(refused(why.clone())),
        Some(Verdict::Open(_)) | None => return Ok(()),
    };
    for person in &question.people {
        match ask(runner, question, person, speakers).await {
            Ok(access) => question.answered(person, &access).map_err(refused)?,
            Err(why) if why.may_pass() => return Err(Barred::Unreachable(why.to_string())),
            Err(why) => return Err(refused(question.unanswered(person, &why.to_string()))),
        }
        runner.tell(&format!("{} has write access to {}", person.login, question.repository));
    }
    Ok(())
}

/// Asks about one person, with whichever token may ask. A question that brought no answer is put again.
async fn ask(runner: &Runner, question: &Question, person: &Person, speakers: &Speakers<'_>) -> Result<Access, Error> {
    let mut tries = ASKED_AGAIN.iter();
    loop {
        let mut last = None;
        for speaker in speakers.pulls {
            match speaker.access(&question.repository, &person.login).await {
                Ok(access) => return Ok(access),
                // One token may not ask, or does not reach GitHub for a moment; what counts most is whether that may
                // pass.
                Err(error) => last = last.filter(Error::may_pass).or(Some(error)),
            }
        }
        match (last, tries.next()) {
            (Some(error), Some(pause)) if error.may_pass() => runner.rest(*pause, "asking who caused the event").await,
            (Some(error), _) => return Err(error),
            (None, _) => unreachable!("somebody always speaks"),
        }
    }
}

/// Ends a step that cannot speak to GitHub at all.
fn unreachable(runner: &Runner, why: &str) -> Exit {
    let title = "GitHub not reached, nothing was sent";
    runner.annotate(&Annotation { level: Level::Error, title: title.to_owned(), message: why.to_owned() });
    hand_on(runner, &output::outputs(&[], "", why));
    keep_summary(runner, &summary::note(&format!("❌ {title}"), &[why.to_owned()]));
    Exit::Unreachable
}

fn warn(runner: &Runner, warnings: &[String]) {
    for message in warnings {
        let title = "agent-task".to_owned();
        runner.annotate(&Annotation { level: Level::Warning, title, message: message.clone() });
    }
}

fn hand_on(runner: &Runner, outputs: &[(&'static str, String)]) {
    let written = runner.write_outputs(outputs);
    report(runner, written.err().map(|why| format!("{why:#}")));
}

fn keep_summary(runner: &Runner, markdown: &str) {
    report(runner, runner.write_summary(markdown).err().map(|why| format!("{why:#}")));
}

/// Says that something could not be written. A step whose outputs are lost does not show green.
fn report(runner: &Runner, broken: Option<String>) -> Option<Exit> {
    let message = broken?;
    runner.annotate(&Annotation { level: Level::Error, title: "Outputs lost".to_owned(), message });
    Some(Exit::Concluded)
}
