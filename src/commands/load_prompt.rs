//! The prompt's template, from the input, a file of the workspace, or the file that a task class names.

use crate::actions::host::Host;
use crate::inputs::problem::Problem;
use crate::inputs::request::{Inputs, PromptSource};
use crate::prompt::render::{MAX_BYTES, Template};

/// Reads the prompt's template. `from_policy` is the one that was read with the policy, from its repository.
///
/// # Errors
/// If the file cannot be used.
pub fn load_prompt(
    host: &Host,
    inputs: &Inputs,
    from_policy: Option<Template>,
) -> Result<Option<Template>, Vec<Problem>> {
    let Some(source) = inputs.request.start().and_then(|start| start.prompt.as_ref()) else {
        return Ok(None);
    };
    let template = match source {
        PromptSource::Text(source) => Ok(Template { name: "prompt".to_owned(), source: source.clone() }),
        PromptSource::File(name) => read_template(host, name)
            .map_err(|error| Problem::shown("prompt-file", name, format!("cannot be used: {error:#}"))),
        PromptSource::Class(location) => match from_policy {
            Some(template) => Ok(template),
            None => read_template(host, location.path()).map_err(|error| {
                Problem::new(source.input(), format!("has a prompt `{location}` that cannot be used: {error:#}"))
            }),
        },
    };
    template.map(Some).map_err(|problem| vec![problem])
}

/// A template in the workspace.
///
/// # Errors
/// Those of [`Host::text`].
pub fn read_template(host: &Host, name: &str) -> anyhow::Result<Template> {
    Ok(Template { name: name.to_owned(), source: host.text(name, MAX_BYTES)? })
}
