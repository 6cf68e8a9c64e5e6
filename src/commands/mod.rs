//! The commands, one file each. A command returns an [`Ending`].

use serde_json::Value;

use crate::actions::context::{Context, Environment};
use crate::actions::host::Host;
use crate::actions::workflow_command::{Annotation, Level};
use crate::commands::load_policy::LoadedPolicy;
use crate::github::client::Connect;
use crate::inputs::problem::Problem;
use crate::inputs::request::{Inputs, Request};
use crate::report::ending::Ending;

pub mod doctor;
pub mod load_follow_up;
pub mod load_policy;
pub mod load_prompt;
pub mod plan;
pub mod report;
pub mod resolve_targets;
pub mod rollout;
pub mod start;
pub mod stop;
pub mod wait;

/// Runs the command that the inputs ask for. The doctor, which also takes inputs that are wrong, only comes here when
/// they are right.
pub async fn run(
    environment: &Environment,
    host: &Host,
    inputs: Inputs,
    policy: LoadedPolicy,
    connect: &Connect<'_>,
) -> Ending {
    match &inputs.request {
        Request::Start(_) | Request::Doctor(_) => start::run(environment, host, &inputs, policy, connect).await,
        Request::Wait(_) => wait::run(environment, host, &inputs, connect).await,
        Request::Stop(_) => stop::run(environment, host, inputs, connect).await,
        Request::Plan(_, parts) => plan::run(host, &inputs, *parts, connect).await,
        Request::Report(request) => report::run(host, &inputs, request, connect).await,
    }
}

/// Shows warnings on the run's page.
pub fn warn(host: &Host, warnings: &[String]) {
    for message in warnings {
        let title = "agent-task".to_owned();
        host.annotate(&Annotation { level: Level::Warning, title, message: message.clone() });
    }
}

/// The JSON that an earlier run kept in a file; null if there is no such file, or no JSON in it.
///
/// # Errors
/// If the path leads out of the workspace.
fn kept(host: &Host, input: &str, path: &str) -> Result<Value, Problem> {
    let refused = |error: anyhow::Error| Problem::shown(input, path, format!("cannot be used: {error:#}"));
    let text = host.kept(path).map_err(refused)?;
    Ok(text.and_then(|text| serde_json::from_slice(text.as_bytes()).ok()).unwrap_or_default())
}

/// Sets the file of the record.
///
/// # Errors
/// If the input names one that cannot be used.
fn record_in(host: &Host, inputs: &Inputs) -> Result<(), Problem> {
    let path = inputs.audit_log.as_deref();
    let refused = |error| Problem::shown("audit-log", path.unwrap_or_default(), format!("cannot be used: {error:#}"));
    host.record_in(path).map_err(refused)
}

/// The context of the run, with the event's payload where it can be read.
fn load_context(environment: &Environment, host: &Host, inputs: &Inputs) -> Context {
    let workflow_inputs = inputs.request.start().and_then(|start| start.inputs.clone());
    let event = host.event(environment).unwrap_or_else(|error| {
        warn(host, &[format!("{error:#}; templates see no `github.event`")]);
        None
    });
    Context::new(environment, event, workflow_inputs).fenced_by(host.random_id())
}
