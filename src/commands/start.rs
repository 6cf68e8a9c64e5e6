//! `command: start`: starts tasks, and waits for them if asked.

use std::collections::BTreeSet;
use std::pin::pin;

use tokio::sync::mpsc::unbounded_channel;

use crate::actions::context::{Context, Environment};
use crate::actions::host::Host;
use crate::actions::workflow_command::{Annotation, Level};
use crate::commands::load_follow_up::load_follow_up;
use crate::commands::load_policy::LoadedPolicy;
use crate::commands::load_prompt::load_prompt;
use crate::commands::resolve_targets::resolve_targets;
use crate::commands::{load_context, record_in, rollout, warn};
use crate::github::client::Connect;
use crate::github::repository::Repository;
use crate::inputs::request::Inputs;
use crate::plan::{Action, Plan, PlanContext, PlanError, plan};
use crate::report::audit::{AuditEntry, AuditLog};
use crate::report::ending::Ending;
use crate::report::outputs::{StepOutputs, all_results, outputs};
use crate::report::reporter::Reporter;
use crate::report::summary;
use crate::run::authorize::{AuthorizationError, authorize};
use crate::run::clients::Clients;
use crate::run::executor;
use crate::task::conclusion::{Conclusion, Exit, Refusal, RefusedBy};
use crate::task::event::Event;
use crate::task::outcome::Outcome;
use crate::text::counted;

/// How many requests a dry run shows in full, so that its log stays readable.
const MAX_SHOWN: usize = 20;

/// Starts the tasks that the inputs ask for.
pub async fn run(
    environment: &Environment,
    host: &Host,
    inputs: &Inputs,
    policy: LoadedPolicy,
    connect: &Connect<'_>,
) -> Ending {
    let clients = match Clients::connect(host, inputs, connect) {
        Ok(clients) => clients,
        Err(error) => return Ending::github_error(&error),
    };
    let mut targets = match resolve_targets(host, inputs, clients.as_ref()).await {
        Ok(targets) => targets,
        Err(error) => return Ending::load_error(&error),
    };
    if targets.is_empty() {
        return nothing_to_do(host, "Nothing started", "there is no repository to start a task in");
    }
    let template = match load_prompt(host, inputs, policy.template) {
        Ok(template) => template,
        Err(problems) => return Ending::bad_input(&problems),
    };
    let context = load_context(environment, host, inputs);
    if let Err(problem) = record_in(host, inputs) {
        return Ending::bad_input(&[problem]);
    }
    let entries = targets.iter().map(|it| (it.repository.clone(), it.name.clone())).collect();
    let follow_up = match load_follow_up(host, inputs, clients.as_ref(), &mut targets).await {
        Ok(follow_up) => follow_up,
        Err(error) => return Ending::load_error(&error),
    };
    let rollout = inputs.request.start().and_then(|start| Some((start, start.rollout.as_ref()?)));
    if let Some((start, request)) = rollout {
        let run = rollout::RolloutRun { host, inputs, start, request, clients: clients.as_ref(), context: &context };
        return run.run(targets, template.as_ref()).await;
    }
    let given = PlanContext {
        context: &context,
        template: template.as_ref(),
        targets,
        now: host.now(),
        follow_up: follow_up.as_ref(),
    };
    let plan = match plan(inputs, given) {
        Ok(plan) => plan,
        Err(PlanError::BadInput(problems)) => return Ending::bad_input(&problems),
        Err(PlanError::Refused(refusals)) => return refused(host, inputs, &context, entries, &refusals),
    };
    warn(host, &plan.warnings);
    show(host, inputs, &plan);
    carry_out(host, inputs, &plan, &context, clients.as_ref()).await
}

/// Shows the plan.
pub fn show(host: &Host, inputs: &Inputs, plan: &Plan) {
    let mut lines = plan.lines(&inputs.address, inputs.token.as_ref());
    // The prompts of many repositories differ little, so one is checked for all.
    let prompt = plan.tasks.iter().find_map(|order| match &order.action {
        Action::Start { task, .. } => Some(&task.prompt),
        Action::Wait(_) | Action::Skip(_) | Action::Stop(_) | Action::NotListed(_) => None,
    });
    if let Some(prompt) = prompt {
        lines.extend([String::new(), prompt.clone()]);
    }
    host.group(&format!("Plan: {}", plan.order()), lines.iter().map(String::as_str));
}

/// Carries out the plan until it is done or the process is interrupted. A dry run ends here.
pub async fn carry_out(
    host: &Host,
    inputs: &Inputs,
    plan: &Plan,
    context: &Context,
    clients: Option<&Clients<'_>>,
) -> Ending {
    let Some(clients) = clients.filter(|_| !plan.dry_run) else {
        return dry_run(host, inputs, plan, context);
    };
    let audit = AuditLog::new(context, inputs.token.as_ref(), &plan.policy);
    let mut reporter = Reporter::new(host, plan, context, Some(&audit));
    // What cannot be written later must not be started: a lost output is a lost task, and every start is on record.
    if let Err(error) = reporter.prepare() {
        return Ending::error("Bad input, nothing was sent", &[format!("{error:#}")], Exit::BadInput);
    }
    let mut interrupted = pin!(host.interrupted());
    let authorized = tokio::select! {
        signal = &mut interrupted => {
            reporter.interrupt(&BTreeSet::new());
            return reporter.ending(Some(signal));
        }
        authorized = authorize(plan.actor_check.as_ref(), clients, host) => authorized,
    };
    match authorized {
        Ok(()) => {}
        Err(AuthorizationError::Unanswered(error)) => return Ending::github_error(&error),
        Err(AuthorizationError::Refused(refusal)) => {
            let entries = plan.tasks.iter().map(|it| (it.repository.clone(), it.entry.clone())).collect();
            return refused(host, inputs, context, entries, &[refusal]);
        }
    }
    let (sender, updates) = unbounded_channel();
    let (signal, ()) = tokio::join!(executor::run(plan, clients, host, sender, interrupted), reporter.run(updates));
    reporter.ending(signal)
}

/// The end of a step that the policy or the actor check refuses. Nothing was sent. `entries` are the repositories with the
/// names of their entries.
pub fn refused(
    host: &Host,
    inputs: &Inputs,
    context: &Context,
    entries: Vec<(Repository, Option<String>)>,
    refusals: &[Refusal],
) -> Ending {
    let lines = refusals.iter().map(ToString::to_string).collect::<Vec<_>>();
    let gate = refusals.first().map_or(RefusedBy::Policy, |refusal| refusal.gate);
    let mut ending = Ending::error(&format!("{}, nothing was sent", gate.title()), &lines, Exit::Declined);
    let audit = AuditLog::new(context, inputs.token.as_ref(), &inputs.facts());
    let outcome = |(repository, entry)| Outcome { entry, ..Outcome::new(repository) };
    let mut outcomes = entries.into_iter().map(outcome).collect::<Vec<_>>();
    let mut errors = Vec::new();
    for outcome in &mut outcomes {
        let event = Event::Refused(Refusal { gate, why: lines.join("; ") });
        let entry = AuditEntry::of(&event, outcome);
        outcome.apply(&event);
        let line = entry.map(|entry| audit.line(entry, None, outcome, &host.random_id(), host.now()));
        errors.extend(line.and_then(|line| host.write_record(&line).err()).map(|error| format!("{error:#}")));
    }
    if !errors.is_empty() {
        errors.dedup();
        ending.annotations.extend(Ending::error("Record lost", &errors, Exit::Declined).annotations);
    }
    let (results_file, audit_log, error) = (host.results_file(), host.audit_log(), lines.join("; "));
    let more =
        StepOutputs { results_file: &results_file, audit_log: &audit_log, error: &error, ..StepOutputs::default() };
    ending.outputs = outputs(&outcomes, &more);
    ending.results = Some(all_results(&outcomes));
    ending
}

/// The end of a step that has nothing to do, if that is fine.
pub(super) fn nothing_to_do(host: &Host, title: &str, message: &str) -> Ending {
    let message = message.to_owned();
    let results_file = host.results_file();
    let mut outputs = outputs(&[], &StepOutputs { results_file: &results_file, ..StepOutputs::default() });
    for (_, value) in outputs.iter_mut().filter(|(name, _)| *name == "conclusion") {
        *value = Conclusion::Skipped.to_string();
    }
    Ending {
        annotations: vec![Annotation { level: Level::Notice, title: title.to_owned(), message: message.clone() }],
        outputs,
        results: Some(all_results(&[])),
        summary: summary::note(&format!("⏭️ {title}"), &[message]),
        exit: Exit::Fine,
    }
}

/// The end of a dry run. Nothing was sent.
fn dry_run(host: &Host, inputs: &Inputs, plan: &Plan, context: &Context) -> Ending {
    let requests = if plan.obstacle().is_none() { plan.requests(&inputs.address) } else { Vec::new() };
    for (to, body) in requests.iter().take(MAX_SHOWN) {
        host.group("Request", [to.as_str(), body.as_str()]);
    }
    if requests.len() > MAX_SHOWN {
        host.print_line(&format!("and {} of this kind", counted(requests.len() - MAX_SHOWN, "more request")));
    }
    host.log("dry run: nothing was sent");
    let ending = Reporter::new(host, plan, context, None).ending(None);
    Ending { annotations: Vec::new(), summary: summary::dry_run(plan, context, &requests), exit: Exit::Fine, ..ending }
}
