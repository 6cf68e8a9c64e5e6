//! The pull request that a start follows up on.

use serde_json::{Value, json};

use crate::actions::host::Host;
use crate::commands::warn;
use crate::github::limited::LimitedClient;
use crate::github::pull_details::{FailedCheck, PullDetails};
use crate::github::retry;
use crate::inputs::problem::{LoadError, Problem};
use crate::inputs::request::{FollowUp, Inputs};
use crate::inputs::targets::Target;
use crate::plan::FollowedPull;
use crate::policy::evaluate::is_template;
use crate::run::clients::Clients;
use crate::task::conclusion::{Refusal, RefusedBy};
use crate::task::event::Event;
use crate::task::follow_up::FollowUpCounter;

/// Reads the pull request that the inputs name, and puts its branches into the target.
///
/// # Errors
/// If it cannot be read.
pub async fn load_follow_up(
    host: &Host,
    inputs: &Inputs,
    clients: Option<&Clients<'_>>,
    targets: &mut [Target],
) -> Result<Option<FollowedPull>, LoadError> {
    let follow_up = inputs.request.start().and_then(|start| start.follow_up.as_ref());
    let (Some(follow_up), [target]) = (follow_up, targets) else {
        return Ok(None);
    };
    let number = follow_up.number;
    let Some(clients) = clients else {
        let why = "is missing, and `follow-up` needs one to read the pull request";
        return Err(vec![Problem::new("token", why)].into());
    };
    let question = async |client: &&LimitedClient<'_>| client.pull_details(&target.repository, number).await;
    let pull = retry::ask(&clients.lookup_first(), question, host.pausing("reading the pull request"))
        .await
        .map_err(LoadError::GitHub)?;
    if [&pull.head_ref, &pull.base_ref].into_iter().any(|branch| is_template(branch)) {
        let why = format!("{number} has a branch whose name reads as a template; rename the branch");
        return Err(vec![Problem::new("follow-up", why)].into());
    }
    if let Err(error) = &pull.failed_checks {
        let why = "the checks of the pull request cannot be read, so `pull_request.failed_checks` is undefined";
        warn(host, &[format!("{why}: {error}")]);
    }
    target.settings.base_ref = Some(pull.base_ref.clone());
    target.settings.head_ref = Some(pull.head_ref.clone());
    Ok(Some(FollowedPull {
        obstacle: obstacle(&pull, follow_up),
        counter: FollowUpCounter::new(number, follow_up.max, pull.created_at),
        value: value(&pull, number),
    }))
}

/// Why no task is started for a pull request.
fn obstacle(pull: &PullDetails, FollowUp { number, expected_head, .. }: &FollowUp) -> Option<Event> {
    let refused = |why: String| Some(Event::Refused(Refusal { gate: RefusedBy::PullRequest, why }));
    let head = &pull.head_sha;
    match expected_head.as_ref().filter(|expected| !expected.eq_ignore_ascii_case(head)) {
        _ if !pull.is_open => refused(format!(
            "pull request #{number} is closed, so GitHub would create a new branch; open it again, or start a task without \
             `follow-up`"
        )),
        _ if pull.is_from_fork => {
            refused(format!("pull request #{number} comes from a fork, whose branch an agent cannot push to"))
        }
        Some(expected) => {
            Some(Event::Skipped(format!("the head of pull request #{number} is {head}, and no longer {expected}")))
        }
        None => None,
    }
}

/// What a template reads as `pull_request`.
fn value(pull: &PullDetails, number: u64) -> Value {
    let mut value = json!({
        "number": number,
        "title": pull.title,
        "body": pull.body,
        "url": pull.url,
        "head_ref": pull.head_ref,
        "head_sha": pull.head_sha,
        "base_ref": pull.base_ref,
    });
    if let Ok(checks) = &pull.failed_checks {
        let check = |it: &FailedCheck| json!({"name": it.name, "url": it.url, "conclusion": it.conclusion});
        value["failed_checks"] = checks.iter().map(check).collect();
    }
    value
}
