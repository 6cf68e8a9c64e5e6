//! How a command ends: the [`Ending`] that every command returns, and [`finish`], which writes it.

use crate::actions::host::Host;
use crate::actions::workflow_command::{Annotation, Level};
use crate::github::error::Error;
use crate::inputs::problem::{LoadError, Problem};
use crate::report::outputs::{StepOutputs, outputs};
use crate::report::summary;
use crate::task::conclusion::Exit;

/// How a command ends: everything that is written last.
#[derive(Debug)]
pub struct Ending {
    /// The messages on the run's page.
    pub annotations: Vec<Annotation>,
    /// The values of all outputs.
    pub outputs: Vec<(&'static str, String)>,
    /// The results of all tasks, as JSON; absent if there are none.
    pub results: Option<String>,
    /// The step summary, in Markdown.
    pub summary: String,
    /// What the process ends with.
    pub exit: Exit,
}

impl Ending {
    /// The end of a step that sent nothing, with what is wrong, a line each.
    pub fn error(title: &str, lines: &[String], exit: Exit) -> Self {
        let mark = if exit == Exit::Declined { "⛔" } else { "❌" };
        Self {
            annotations: vec![Annotation { level: Level::Error, title: title.to_owned(), message: lines.join("\n") }],
            outputs: outputs(&[], &StepOutputs { error: &lines.join("; "), ..StepOutputs::default() }),
            results: None,
            summary: summary::note(&format!("{mark} {title}"), lines),
            exit,
        }
    }

    /// The end of a step with bad input.
    pub fn bad_input(problems: &[Problem]) -> Self {
        let lines = problems.iter().map(ToString::to_string).collect::<Vec<_>>();
        Self::error("Bad input, nothing was sent", &lines, Exit::BadInput)
    }

    /// The end of a step whose question GitHub did not answer, before anything was started.
    pub fn github_error(error: &Error) -> Self {
        let exit = if error.is_refusal() { Exit::RefusedByGitHub } else { Exit::Unreachable };
        Self::error(&format!("{}, nothing was started", error.kind().title()), &[error.to_string()], exit)
    }

    /// The end of a step that could not load what its inputs name.
    pub fn load_error(error: &LoadError) -> Self {
        match error {
            LoadError::BadInput(problems) => Self::bad_input(problems),
            LoadError::GitHub(error) => Self::github_error(error),
        }
    }
}

/// Writes an ending. A step whose outputs are lost does not end well.
pub fn finish(host: &Host, ending: Ending) -> Exit {
    for annotation in &ending.annotations {
        host.annotate(annotation);
    }
    let results = ending.results.map_or(Ok(()), |results| host.write_results(&results));
    // Each is written whatever becomes of the others.
    let written = [results, host.write_outputs(&ending.outputs)];
    host.write_summary(&ending.summary);
    let errors = written.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect::<Vec<_>>();
    if errors.is_empty() {
        return ending.exit;
    }
    let (title, message) = ("Outputs lost".to_owned(), errors.join("\n"));
    // It can be what ended the step.
    if ending.annotations.iter().all(|annotation| annotation.message != message) {
        host.annotate(&Annotation { level: Level::Error, title, message });
    }
    match ending.exit {
        Exit::Fine => Exit::Concluded,
        exit => exit,
    }
}
