//! Starts a GitHub Copilot cloud agent task from a workflow, waits for it if asked, and returns its ID, its state and the
//! number of its pull request.
//!
//! A folder is a layer. Imports go down, in this order: `text`, `json`, `order` and `join`, then `github` and `yaml`, `actions`,
//! `task` and `prompt`, `policy`, `inputs`, `plan`, `report`, `run`, `commands`.

pub mod actions;
pub mod commands;
pub mod github;
pub mod inputs;
pub mod join;
pub mod json;
pub mod order;
pub mod plan;
pub mod policy;
pub mod prompt;
pub mod report;
pub mod run;
pub mod task;
pub mod text;
pub mod yaml;

use anyhow::Context as _;
use futures_util::future::LocalBoxFuture;

use crate::actions::context::Environment;
use crate::actions::host::Host;
use crate::actions::signal::Signal;
use crate::commands::{doctor, load_policy, warn};
use crate::github::client::{Connect, GitHub};
use crate::github::token::Token;
use crate::github::url::ApiUrl;
use crate::inputs::parse::{Bootstrap, ParsedInputs};
use crate::inputs::problem::LoadError;
use crate::inputs::request::Inputs;
use crate::inputs::table::Command;
use crate::report::ending::{Ending, finish};
use crate::report::outputs::{StepOutputs, outputs};
use crate::task::conclusion::Exit;

/// Runs the command that the environment's inputs ask for, and returns what the process ends with. `connect` makes the
/// connection to GitHub: over the network, or to a simulator.
pub async fn run(
    environment: &Environment,
    host: &Host,
    connect: impl Fn(&ApiUrl, &Token) -> anyhow::Result<GitHub>,
) -> Exit {
    let bootstrap = Bootstrap::read(environment);
    host.mask(&bootstrap.secrets);
    // Every output exists from here on, whatever happens. An error here comes up again where the outputs are needed.
    let _ = host.write_outputs(&outputs(&[], &StepOutputs::default()));
    let connect = |address: &ApiUrl, token: &Token| {
        connect(address, token).with_context(|| match environment.get("SSL_CERT_FILE") {
            Some(path) => format!("`SSL_CERT_FILE` names `{path}`, from which no certificate can be read; correct it"),
            None => {
                "install the package `ca-certificates`, or let `SSL_CERT_FILE` name a file of certificates".to_owned()
            }
        })
    };
    if bootstrap.address.as_ref().is_some_and(|address| address.to_string().starts_with("https:")) {
        warn(host, &missing_certificates(environment, host));
    }
    let ending = boxed_command(environment, host, &bootstrap, &connect).await;
    finish(host, ending)
}

/// What the variables for trusted certificates name that is not there. TLS ignores it as long as it finds others, and
/// would trust other authorities than were meant. Other systems than Linux do not read these variables.
fn missing_certificates(environment: &Environment, host: &Host) -> Vec<String> {
    let named = |name| environment.get(name).filter(|_| cfg!(target_os = "linux"));
    let file = named("SSL_CERT_FILE").and_then(|path| {
        let why = host.certificate_file_problem(path)?;
        Some(format!("`SSL_CERT_FILE` names `{path}`, which {why} and is ignored; correct the variable or remove it"))
    });
    let folders = named("SSL_CERT_DIR").into_iter().flat_map(|paths| paths.split(':'));
    let folders = folders.filter(|path| !path.is_empty() && !host.is_folder(path)).map(|path| {
        format!(
            "`SSL_CERT_DIR` names `{path}`, which is not a folder and is ignored; correct the variable or remove it"
        )
    });
    file.into_iter().chain(folders).collect()
}

/// Ends a step that a signal interrupts before its command acts, so that nothing was started or stopped.
pub fn interrupted(environment: &Environment, signal: Signal) -> Exit {
    let message = match Bootstrap::read(environment).command {
        Some(Command::Report) => "interrupted before the report was written",
        Some(Command::Doctor) => "interrupted before everything was checked",
        _ => "interrupted before anything was started or stopped",
    };
    finish(&Host::new(environment), Ending::error("Interrupted", &[message.to_owned()], Exit::Signalled(signal)))
}

/// A command behind a pointer, so that this crate compiles it once, and not every caller for its own `connect`.
fn boxed_command<'a>(
    environment: &'a Environment,
    host: &'a Host,
    bootstrap: &'a Bootstrap,
    connect: &'a Connect<'a>,
) -> LocalBoxFuture<'a, Ending> {
    Box::pin(run_command(environment, host, bootstrap, connect))
}

async fn run_command(environment: &Environment, host: &Host, bootstrap: &Bootstrap, connect: &Connect<'_>) -> Ending {
    let policy = match load_policy::read(bootstrap, host, connect).await {
        Ok(policy) => Ok(policy),
        Err(LoadError::BadInput(problems)) => Err(problems),
        Err(LoadError::GitHub(error)) => return Ending::github_error(&error),
    };
    let rules = policy.as_ref().ok().map(|policy| &policy.rules);
    let ParsedInputs { inputs, warnings, .. } = Inputs::under(bootstrap, environment, rules);
    warn(host, &warnings);
    if bootstrap.command == Some(Command::Doctor) {
        return doctor::run(environment, host, inputs, policy, connect).await;
    }
    let (inputs, policy) = match (inputs, policy) {
        (Ok(inputs), Ok(policy)) => (inputs, policy),
        (inputs, policy) => {
            let problems = [policy.err(), inputs.err()].into_iter().flatten().flatten().collect::<Vec<_>>();
            return Ending::bad_input(&problems);
        }
    };
    commands::run(environment, host, inputs, policy, connect).await
}
