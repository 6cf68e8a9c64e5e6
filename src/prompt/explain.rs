//! Errors of templates: with file, line, column, the line itself, and what to do.

use std::ops::Range;

use minijinja::value::Value;
use minijinja::{Error, ErrorKind};

use crate::prompt::null::is_null;
use crate::prompt::render::Template;
use crate::prompt::sandbox;
use crate::prompt::syntax::RAW_REMEDY;
use crate::prompt::taint::Guarded;
use crate::text::{cut, nearest_name};

/// How many characters of a line an error shows; wider than any terminal that shows logs of Actions.
const MAX_LINE_CHARACTERS: usize = 160;
/// How many names an error lists.
const MAX_NAMES: usize = 8;

/// A reason with its place in the template, which is shown.
pub(super) fn at(template: &Template, range: Range<usize>, reason: &str) -> String {
    let source = &template.source;
    let start = (0..=range.start.min(source.len())).rev().find(|at| source.is_char_boundary(*at)).unwrap_or_default();
    let (line, begin) = line_of(source, start);
    let column = source.get(begin..start).map_or(0, |before| before.chars().count());
    let text = source.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    // Of a very long line only the neighborhood is shown.
    let skipped = column.saturating_sub(MAX_LINE_CHARACTERS / 2);
    let shown = text.chars().skip(skipped).take(MAX_LINE_CHARACTERS).collect::<String>();
    let before = column - skipped;
    let marks = "^".repeat(range.len().min(shown.chars().count().saturating_sub(before)).max(1));
    let gutter = " ".repeat(line.to_string().len());
    format!(
        "{name}:{line}:{column}: {reason}\n {line} | {shown}\n {gutter} | {space}{marks}",
        name = template.name,
        column = column + 1,
        space = " ".repeat(before),
    )
}

/// The line of a place, counted from one, and where it begins.
fn line_of(source: &str, at: usize) -> (usize, usize) {
    let before = source.get(..at).unwrap_or_default();
    (before.matches('\n').count() + 1, before.rfind('\n').map_or(0, |at| at + 1))
}

/// The places that show text from outside, a line each.
pub(super) fn untrusted_places(template: &Template, guarded: &Guarded) -> String {
    let places = guarded.places.iter().map(|range| {
        let shown = template.source.get(range.clone()).unwrap_or_default();
        let start = range.start + shown.len() - shown.trim_start().len();
        let (line, begin) = line_of(&template.source, start);
        let column = template.source.get(begin..start).unwrap_or_default().chars().count() + 1;
        let shown = shown.trim().lines().next().unwrap_or_default();
        format!("{}:{line}:{column}: `{}`", template.name, cut(shown, MAX_LINE_CHARACTERS))
    });
    places.collect::<Vec<_>>().join("\n")
}

/// An error of the engine with its place in the template, and a remedy where there is one.
pub(super) fn explain(error: &Error, template: &Template, guarded: &Guarded, scope: &Value) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let path = undefined_path(&what);
    let Some(range) = error.range() else {
        return format!("{}: {what}{}", template.name, remedy(error, path, None, scope));
    };
    let mut range = guarded.origin(range.start)..guarded.origin(range.end);
    // The range ends an expression; what is undefined is what people look for where the range holds several names.
    if let Some(path) = path {
        let found = template.source.get(..range.end).and_then(|before| before.rfind(path));
        // The range of a filter begins behind what it is applied to.
        if let Some(found) = found.filter(|found| found + MAX_LINE_CHARACTERS > range.start) {
            range = found..found + path.len();
        }
    }
    let hyphenated = hyphenated_name(&template.source, range.start);
    at(template, range, &format!("{what}{}", remedy(error, path, hyphenated, scope)))
}

/// What an error says is undefined, such as `vars.versoin`.
fn undefined_path(what: &str) -> Option<&str> {
    let (before, _) = what.split_once("` is undefined")?;
    before.rsplit('`').next()
}

/// What to do about an error, as far as that can be said.
fn remedy(error: &Error, path: Option<&str>, hyphenated: Option<&str>, scope: &Value) -> String {
    match (error.kind(), path) {
        (ErrorKind::SyntaxError, _) => format!("; {RAW_REMEDY}"),
        (ErrorKind::UndefinedError | ErrorKind::InvalidOperation, _) if hyphenated.is_some() => {
            let name = hyphenated.unwrap_or_default();
            let (parent, key) = name.rsplit_once('.').unwrap_or(("vars", name));
            format!("; `-` subtracts: write a name that contains it in brackets, as `{parent}['{key}']`")
        }
        (_, Some(path)) => near(path, scope),
        (ErrorKind::UnknownFilter, _) => match error.detail().and_then(unknown_filter) {
            Some(name) => format!("; did you mean `{name}`?"),
            None => "; see https://docs.rs/minijinja/latest/minijinja/filters/ for those that exist".to_owned(),
        },
        (ErrorKind::UnknownTest, _) => {
            "; see https://docs.rs/minijinja/latest/minijinja/tests/ for those that exist".to_owned()
        }
        (ErrorKind::UnknownMethod, _) => {
            let name = error.detail().and_then(|what| what.rsplit(' ').next()).unwrap_or_default();
            match sandbox::filter_names().any(|filter| filter == name) {
                true => format!("; values have filters instead of methods: `| {name}`"),
                false => "; values have filters instead of methods".to_owned(),
            }
        }
        _ => String::new(),
    }
}

/// The filter that an error of the engine, `filter uper is unknown`, most likely means.
fn unknown_filter(what: &str) -> Option<&'static str> {
    nearest_name(what.split(' ').nth(1)?, sandbox::filter_names())
}

/// The name with hyphens at a place, such as `inputs.requested-by`, where one is written there.
fn hyphenated_name(source: &str, at: usize) -> Option<&str> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    let (before, after) = source.split_at_checked(at)?;
    let start = before.len() - before.chars().rev().take_while(|c| is_part(*c)).map(char::len_utf8).sum::<usize>();
    let end = at + after.chars().take_while(|c| is_part(*c)).map(char::len_utf8).sum::<usize>();
    let name = source.get(start..end)?.trim_start_matches('-');
    let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.split('-').skip(1).all(|part| part.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
    (is_name && name.contains('-')).then_some(name)
}

/// The names that exist where an unknown one was looked for, the nearest first.
fn near(path: &str, scope: &Value) -> String {
    // Names in brackets are names as well: `vars['version']`.
    let path = path.replace("['", ".").replace("']", "");
    let mut found = scope.clone();
    let mut parent = String::new();
    for name in path.split('.') {
        let next = found.get_attr(name).ok().filter(|value| !value.is_undefined());
        if let Some(value) = next {
            found = value;
            parent = if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
            continue;
        }
        if parent == "github" && name == "event" {
            return "; the run has no event, or its payload could not be read (GITHUB_EVENT_PATH)".to_owned();
        }
        if parent.is_empty() && name == "inputs" {
            return "; the run was not dispatched, and the runner passes no inputs to a reusable workflow in the \
                    environment: pass them with `inputs: ${{ toJSON(inputs) }}`"
                .to_owned();
        }
        if is_null(&found) {
            return format!("; `{parent}` is null here; ask with `{{% if {parent} %}}` first");
        }
        let names = found.try_iter().map(|keys| keys.filter_map(|key| key.as_str().map(str::to_owned)).collect());
        let mut names: Vec<String> = names.unwrap_or_default();
        let nearest = nearest_name(name, &names).map(str::to_owned);
        if let Some(place) = names.iter().position(|other| nearest.as_ref() == Some(other)) {
            names[..=place].rotate_right(1);
        }
        let holder = if parent.is_empty() { "a template".to_owned() } else { format!("`{parent}`") };
        let listed = names.iter().take(MAX_NAMES).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let more = if names.len() > MAX_NAMES { ", …" } else { "" };
        let raw = if parent.is_empty() { format!("; {RAW_REMEDY}") } else { String::new() };
        return match nearest {
            _ if names.is_empty() => format!("; {holder} has no names"),
            Some(name) if parent.is_empty() => format!("; did you mean `{name}`? {holder} has {listed}{more}"),
            Some(name) => format!("; did you mean `{parent}.{name}`? {holder} has {listed}{more}"),
            None => format!("; {holder} has {listed}{more}{raw}"),
        };
    }
    String::new()
}
