//! How the runner reads what a step writes, written anew from its sources and from nothing of ours, so that a mistake
//! of ours cannot hide in a test that shares it.

use std::collections::BTreeMap;

/// The outputs in a file that `GITHUB_OUTPUT` names, one after the other, or why the runner would fail the step. On
/// Windows it also takes a carriage return for a part of the line's end.
/// <https://github.com/actions/runner/blob/main/src/Runner.Worker/FileCommandManager.cs>
pub(crate) fn outputs(text: &str, windows: bool) -> Result<Vec<(String, String)>, String> {
    let mut rest = text;
    let mut found = Vec::new();
    while let Some((line, _)) = line(&mut rest, windows) {
        if line.is_empty() {
            continue;
        }
        match (line.find("<<"), line.find('=')) {
            (Some(at), equals) if equals.is_none_or(|equals| at < equals) => {
                let (name, delimiter) = (&line[..at], &line[at + 2..]);
                if name.is_empty() || delimiter.is_empty() {
                    return Err(format!("neither name nor delimiter may be empty: {line}"));
                }
                found.push((name.to_owned(), value(&mut rest, delimiter, windows)?));
            }
            (_, Some(0)) => return Err(format!("the name may not be empty: {line}")),
            (_, Some(equals)) => found.push((line[..equals].to_owned(), line[equals + 1..].to_owned())),
            _ => return Err(format!("no output: {line}")),
        }
    }
    Ok(found)
}

/// A value of several lines, up to its delimiter. The last end of a line before that is none of the value's.
fn value(rest: &mut &str, delimiter: &str, windows: bool) -> Result<String, String> {
    let start = *rest;
    let mut length = 0;
    loop {
        match line(rest, windows) {
            Some((found, _)) if found == delimiter => return Ok(start[..length].to_owned()),
            Some((_, end)) if end > 0 => length = start.len() - rest.len() - end,
            _ => return Err(format!("nothing ends with {delimiter}")),
        }
    }
}

/// The next line and the length of its end, which is nothing at the end of the text.
fn line<'a>(rest: &mut &'a str, windows: bool) -> Option<(&'a str, usize)> {
    if rest.is_empty() {
        return None;
    }
    let Some(at) = rest.find('\n') else {
        return Some((std::mem::take(rest), 0));
    };
    let (line, after) = (&rest[..at], &rest[at + 1..]);
    *rest = after;
    match line.strip_suffix('\r') {
        Some(line) if windows => Some((line, 2)),
        _ => Some((line, 1)),
    }
}

/// A workflow command as the runner understands it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// What it is called.
    pub(crate) name: String,
    /// The text between its name and its data.
    pub(crate) properties: BTreeMap<String, String>,
    /// The text at its end.
    pub(crate) data: String,
}

/// The command in a line of the log, in the present form or in the old one. The runner looks at the name too; a text
/// that is a command but for its name is one name away from being one, so it counts here.
/// <https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs>
pub(crate) fn command(line: &str) -> Option<Command> {
    present(line).or_else(|| old(line))
}

/// `::name key=value,key=value::data`, after nothing but white space.
fn present(line: &str) -> Option<Command> {
    let (head, data) = line.trim_start().strip_prefix("::")?.split_once("::")?;
    let ends = [("%0D", "\r"), ("%0A", "\n")];
    let marks = [("%3A", ":"), ("%2C", ",")];
    let data = undone(data, &ends);
    let both = [ends, marks].concat();
    Some(parts(head, ',', |text| undone(text, &both), data))
}

/// `##[name key=value;key=value]data`, anywhere in the line.
fn old(line: &str) -> Option<Command> {
    let (_, after) = line.split_once("##[")?;
    let (head, data) = after.split_once(']')?;
    let marks = [("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]")];
    Some(parts(head, ';', |text| undone(text, &marks), undone(data, &marks)))
}

fn parts(head: &str, between: char, undo: impl Fn(&str) -> String, data: String) -> Command {
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let pairs = properties.split(between).filter_map(|pair| pair.trim_start().split_once('='));
    let properties = pairs.map(|(key, value)| (key.to_owned(), undo(value))).collect();
    Command { name: name.to_owned(), properties, data }
}

/// The percent sign comes last, as in the runner.
fn undone(text: &str, marks: &[(&str, &str)]) -> String {
    marks.iter().fold(text.to_owned(), |text, (mark, plain)| text.replace(mark, plain)).replace("%25", "%")
}

/// The lines of a log. The runner reads them with .NET's stream reader, which ends a line at a line feed, at a carriage
/// return and at both together.
pub(crate) fn lines(log: &str) -> Vec<&str> {
    log.split(['\n', '\r']).collect()
}
