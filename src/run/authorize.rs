//! The actor check, as far as GitHub has to be asked about the actors.

use crate::actions::host::Host;
use crate::github::error::{Error, ErrorKind};
use crate::github::limited::LimitedClient;
use crate::github::retry;
use crate::policy::actor::ActorCheck;
use crate::run::clients::Clients;
use crate::task::conclusion::{Refusal, RefusedBy};

/// Why nothing may be started.
#[derive(Debug)]
pub enum AuthorizationError {
    /// An actor may not start tasks.
    Refused(Refusal),
    /// GitHub could not be asked; the answer may differ at another time.
    Unanswered(Error),
}

/// Asks GitHub about the actors of the event, where the check depends on their access.
///
/// # Errors
/// If an actor may not start tasks, or if GitHub does not answer.
pub async fn authorize(
    check: Option<&ActorCheck>,
    clients: &Clients<'_>,
    host: &Host,
) -> Result<(), AuthorizationError> {
    let refused = |why| AuthorizationError::Refused(Refusal { gate: RefusedBy::Actor, why });
    let query = match check {
        Some(ActorCheck::Ask(query)) => query,
        Some(ActorCheck::Shut(why)) => return Err(refused(why.clone())),
        Some(ActorCheck::Open(_)) | None => return Ok(()),
    };
    let readers = clients.lookup_first();
    for actor in &query.people {
        let ask = async |client: &&LimitedClient<'_>| client.access(&query.repository, &actor.login).await;
        match retry::ask(&readers, ask, host.pausing("checking the actor's access")).await {
            Ok(access) => query.answered(actor, &access).map_err(refused)?,
            Err(error) if error.kind() != ErrorKind::Refused => return Err(AuthorizationError::Unanswered(error)),
            Err(error) => return Err(refused(query.unanswered(actor, &error.to_string()))),
        }
        host.log(&format!("{} has write access to {}", actor.login, query.repository));
    }
    Ok(())
}
