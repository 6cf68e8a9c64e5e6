//! The file of outputs.

use crate::text::{MAX_SHOWN_NAME, cut, harmless};

/// Why the runner would reject what another program left in the file, and with it what is appended, or take that for a
/// part of a value. Reads as the runner does, to which on Windows a carriage return is part of a line's end,
/// <https://github.com/actions/runner/blob/main/src/Runner.Worker/FileCommandManager.cs>.
pub fn rejection(text: &str, windows: bool) -> Option<String> {
    let end = if windows { "\r" } else { "" };
    let mut lines = text.split_terminator('\n').map(|line| line.strip_suffix(end).unwrap_or(line));
    while let Some(line) = lines.next() {
        let shown = |part: &str| harmless(&cut(part, MAX_SHOWN_NAME));
        let (name, delimiter) = match (line.split_once("<<"), line.split_once('=')) {
            _ if line.is_empty() => continue,
            (Some((name, delimiter)), _) if !name.contains('=') => (name, Some(delimiter)),
            (_, Some((name, _))) => (name, None),
            _ => return Some(format!("the line `{}`, which is not an output; write `name=value`", shown(line))),
        };
        if name.is_empty() || delimiter == Some("") {
            let what = if name.is_empty() { "name" } else { "delimiter" };
            return Some(format!("the line `{}`, which has no {what}; write `name=value`", shown(line)));
        }
        if delimiter.is_some_and(|delimiter| !lines.any(|line| line == delimiter)) {
            return Some(format!(
                "the output `{}` without an end; write its delimiter on its own line before this program runs",
                shown(name)
            ));
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
    fn rejection_is_that_of_the_runner() {
        for (text, part) in [
            ("", ""),
            ("a=1\n\nb=x<<EOF\n", ""),
            ("a<<EOF\nhalf\n", "the output `a` without an end"),
            ("a<<EOF\nhalf\nEOF", ""),
            ("a<<EOF\r\nhalf\r\nEOF\r\nb<<END", "the output `b` without an end"),
            ("a<<EOF\nb<<END\n=x\nEOF\n", ""),
            ("a<<EOF\n EOF\n", "the output `a` without an end"),
            ("a=1\ngarbage\n", "the line `garbage`, which is not an output"),
            ("hello world", "the line `hello world`, which is not an output"),
            ("   \n", "the line `   `, which is not an output"),
            ("=x\n", "the line `=x`, which has no name"),
            ("<<EOF\nx\nEOF\n", "the line `<<EOF`, which has no name"),
            ("a<<\nx\n\n", "the line `a<<`, which has no delimiter"),
        ] {
            for windows in [false, true] {
                let why = rejection(text, windows).unwrap_or_default();
                assert!(why.starts_with(part) && why.is_empty() == part.is_empty(), "{text:?}: {why}");
            }
        }
        assert!(rejection("a=1\r\n\r\n", false).is_some() && rejection("a=1\r\n\r\n", true).is_none());
        assert!(rejection(&"x".repeat(1000), false).unwrap().len() < 200);
        assert_eq!(rejection(&render(&[("a", "x\ny<<z".to_owned())], || "1".to_owned()), false), None);
    }
}
