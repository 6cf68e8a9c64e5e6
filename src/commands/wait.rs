//! `command: wait`: waits for tasks that were started earlier.

use crate::actions::context::Environment;
use crate::actions::host::Host;
use crate::commands::start::{carry_out, refused, show};
use crate::commands::{load_context, warn};
use crate::github::client::Connect;
use crate::inputs::request::Inputs;
use crate::plan::{PlanContext, PlanError, plan};
use crate::report::ending::Ending;
use crate::run::clients::Clients;

/// Waits for the tasks that the inputs name.
pub async fn run(environment: &Environment, host: &Host, inputs: &Inputs, connect: &Connect<'_>) -> Ending {
    let clients = match Clients::connect(host, inputs, connect) {
        Ok(clients) => clients,
        Err(error) => return Ending::github_error(&error),
    };
    let context = load_context(environment, host, inputs);
    if !inputs.refusals.is_empty() {
        return refused(host, inputs, &context, Vec::new(), &inputs.refusals);
    }
    let given =
        PlanContext { context: &context, template: None, targets: Vec::new(), now: host.now(), follow_up: None };
    let plan = match plan(inputs, given) {
        Ok(plan) => plan,
        Err(PlanError::BadInput(problems)) => return Ending::bad_input(&problems),
        Err(PlanError::Refused(refusals)) => {
            return refused(host, inputs, &context, Vec::new(), &refusals);
        }
    };
    warn(host, &plan.warnings);
    show(host, inputs, &plan);
    carry_out(host, inputs, &plan, &context, clients.as_ref()).await
}
