//! The file of outputs.

/// The outputs in the form that the runner reads from `GITHUB_OUTPUT`,
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#multiline-strings>.
/// `random` gives a fresh word each time: a value that contains its delimiter could write outputs of its own.
pub fn render(outputs: &[(&str, String)], mut random: impl FnMut() -> String) -> String {
    let mut text = String::new();
    for (name, value) in outputs {
        let mut delimiter = format!("ghadelimiter_{}", random());
        while value.contains(&delimiter) {
            delimiter = format!("ghadelimiter_{}", random());
        }
        text.push_str(&format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"));
    }
    text
}
