//! The pull request that a start follows up on.

use serde_json::{Value, json};

use crate::actions::host::Host;
use crate::commands::warn;
use crate::github::error::Error;
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
use crate::task::follow_up::FollowUpCounter;

/// Why there is no pull request to follow up on.
#[derive(Debug)]
pub enum FollowUpError {
    /// It could not be read.
    Load(LoadError),
    /// It cannot be continued.
    Refused(Refusal),
}

/// Reads the pull request that the inputs name, and puts its branches into the target.
///
/// # Errors
/// Where it cannot be read, is closed, or comes from a fork.
pub async fn load_follow_up(
    host: &Host,
    inputs: &Inputs,
    clients: Option<&Clients<'_>>,
    targets: &mut [Target],
) -> Result<Option<FollowedPull>, FollowUpError> {
    let follow_up = inputs.request.start().and_then(|start| start.follow_up.as_ref());
    let (Some(follow_up), [target]) = (follow_up, targets) else {
        return Ok(None);
    };
    let Some(clients) = clients else {
        let why = "is missing, and `follow-up` needs one to read the pull request";
        return Err(FollowUpError::Load(vec![Problem::new("token", why)].into()));
    };
    let question = async |client: &&LimitedClient<'_>| client.pull_details(&target.repository, follow_up.number).await;
    let pause = async |error: &Error, wait| host.pause(error, wait, "reading the pull request").await;
    let readers = clients.lookup_first();
    let pull = retry::ask(&readers, question, pause).await;
    let pull = pull.map_err(|error| FollowUpError::Load(LoadError::GitHub(error)))?;
    check(&pull, follow_up.number)
        .map_err(|why| FollowUpError::Refused(Refusal { gate: RefusedBy::PullRequest, why }))?;
    if let Err(error) = &pull.failed_checks {
        warn(
            host,
            &[format!(
                "the checks of the pull request cannot be read. {error}. `pull_request.failed_checks` is undefined"
            )],
        );
    }
    target.settings.base_ref = Some(pull.base_ref.clone());
    target.settings.head_ref = Some(pull.head_ref.clone());
    Ok(Some(FollowedPull {
        skip: superseded(&pull, follow_up),
        counter: FollowUpCounter::new(follow_up.number, follow_up.max, pull.created_at),
        value: value(&pull, follow_up.number),
    }))
}

/// Whether the agent can continue a pull request.
fn check(pull: &PullDetails, number: u64) -> Result<(), String> {
    if !pull.is_open {
        Err(format!(
            "pull request #{number} is closed, so GitHub would create a new branch; open it again, or start a task without `follow-up`"
        ))
    } else if pull.is_from_fork {
        Err(format!("pull request #{number} comes from a fork, whose branch an agent cannot push to"))
    } else if [&pull.head_ref, &pull.base_ref].into_iter().any(|branch| is_template(branch)) {
        Err(format!("pull request #{number} has a branch whose name reads as a template; rename the branch"))
    } else {
        Ok(())
    }
}

/// Why nothing is started, where another commit is the head by now.
fn superseded(pull: &PullDetails, follow_up: &FollowUp) -> Option<String> {
    let expected =
        follow_up.expected_head.as_ref().filter(|expected| !expected.eq_ignore_ascii_case(&pull.head_sha))?;
    let number = follow_up.number;
    Some(format!("the head of pull request #{number} is {}, and no longer {expected}", pull.head_sha))
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
        let check = |FailedCheck { name, url, conclusion }: &FailedCheck| json!({"name": name, "url": url, "conclusion": conclusion});
        value["failed_checks"] = checks.iter().map(check).collect();
    }
    value
}
