//! `command: plan`: splits a list of repositories for the jobs of a matrix.

use crate::actions::host::Host;
use crate::commands::resolve_targets::resolve_targets;
use crate::github::client::Connect;
use crate::inputs::request::Inputs;
use crate::inputs::targets::Target;
use crate::plan::matrix;
use crate::report::ending::Ending;
use crate::report::outputs::StepOutputs;
use crate::report::{outputs, summary};
use crate::run::clients::Clients;
use crate::task::conclusion::Exit;
use crate::text;

/// Splits the list into `parts`, or into as many as it takes.
pub async fn run(host: &Host, inputs: &Inputs, parts: Option<usize>, connect: &Connect<'_>) -> Ending {
    let clients = match Clients::connect(host, inputs, connect) {
        Ok(clients) => clients,
        Err(error) => return Ending::github_error(&error),
    };
    let targets = match resolve_targets(host, inputs, clients.as_ref()).await {
        Ok(targets) => targets,
        Err(error) => return Ending::load_error(&error),
    };
    let repositories = targets.iter().map(Target::label).collect::<Vec<_>>();
    let matrix = match matrix(targets, parts) {
        Ok(matrix) => matrix,
        Err(problems) => return Ending::bad_input(&problems),
    };
    let output = match outputs::matrix(&matrix) {
        Ok(output) => output,
        Err(problem) => return Ending::bad_input(&[problem]),
    };
    let jobs = matrix["include"].as_array().map_or(0, Vec::len);
    let jobs = format!("{jobs} {}", if jobs == 1 { "job" } else { "jobs" });
    let title = format!("{} for {jobs}", text::repositories(repositories.len()));
    host.group(&title, repositories.iter().map(String::as_str));
    Ending {
        annotations: Vec::new(),
        outputs: outputs::outputs(&[], &StepOutputs { matrix: &output, ..StepOutputs::default() }),
        results: None,
        summary: summary::note(&format!("🗂️ {title}"), &[repositories.join("\n")]),
        exit: Exit::Fine,
    }
}
