//! The file of outputs.

/// The name of an output that another program began on several lines and did not end: what is appended would be part
/// of its value. Reads as the runner does,
/// <https://github.com/actions/runner/blob/main/src/Runner.Worker/FileCommandManager.cs>.
pub fn unended(text: &str) -> Option<&str> {
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((name, delimiter)) = line.split_once("<<").filter(|(name, _)| !name.contains('=')) else {
            continue;
        };
        if !lines.any(|line| line == delimiter) {
            return Some(name);
        }
    }
    None
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unended_value_is_found_as_the_runner_reads() {
        for (text, name) in [
            ("", None),
            ("a=1\nb=x<<EOF\n", None),
            ("a<<EOF\nhalf\n", Some("a")),
            ("a<<EOF\nhalf\nEOF", None),
            ("a<<EOF\r\nhalf\r\nEOF\r\nb<<END", Some("b")),
            ("a<<EOF\nb<<END\nEOF\n", None),
            ("a<<EOF\n EOF\n", Some("a")),
        ] {
            assert_eq!(unended(text), name, "{text:?}");
        }
        assert_eq!(unended(&render(&[("a", "x\ny<<z".to_owned())], || "1".to_owned())), None);
    }
}
