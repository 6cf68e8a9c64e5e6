//! The clients of a step: one for each token.

use crate::actions::host::Host;
use crate::github::client::Connect;
use crate::github::error::Error;
use crate::github::limited::LimitedClient;
use crate::github::token::Token;
use crate::inputs::request::Inputs;

/// The clients of a step.
pub struct Clients<'a> {
    /// Starts and reads tasks.
    pub tasks: LimitedClient<'a>,
    /// Reads pull requests and stops tasks, where `lookup-token` is another token.
    pub lookup: Option<LimitedClient<'a>>,
}

impl<'a> Clients<'a> {
    /// Connects one client for each token. A dry run without a usable token has none.
    ///
    /// # Errors
    /// [`Error::NoConnection`] if no connection can be set up, for example because the certificate authorities are missing.
    pub fn connect(host: &'a Host, inputs: &Inputs, connect: &Connect<'_>) -> Result<Option<Self>, Error> {
        let jobs = inputs.request.sharing_jobs();
        let open = |token: &Token| {
            connect(&inputs.address, token).map(|github| LimitedClient::new(github, jobs).logging_to(host))
        };
        let tasks = match inputs.token.as_ref().map(open).transpose() {
            Err(_) if inputs.dry_run => None,
            opened => opened.map_err(|why| Error::NoConnection { why: format!("{why:#}") })?,
        };
        let lookup = inputs.lookup_token.as_ref().filter(|lookup| Some(*lookup) != inputs.token.as_ref());
        let lookup = lookup.and_then(|lookup| open(lookup).ok());
        Ok(tasks.map(|tasks| Self { tasks, lookup }))
    }

    /// The clients that may read pull requests and runs, in the order in which they are asked.
    pub fn lookup_first(&self) -> Vec<&LimitedClient<'a>> {
        self.lookup.iter().chain([&self.tasks]).collect()
    }
}
