//! Errors of templates: with file, line, column, the line itself, and what to do.

use std::ops::Range;

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

use crate::prompt::budget::MAX_INSTRUCTIONS;
use crate::prompt::compare::{noun, noun_of};
use crate::prompt::null::is_null;
use crate::prompt::render::Template;
use crate::prompt::sandbox;
use crate::prompt::sandbox::MAX_RECURSION;
use crate::prompt::syntax::RAW_REMEDY;
use crate::prompt::taint::Guarded;
use crate::text::{counted, cut, is_invisible, nearest_name};

/// How many characters of a line an error shows; wider than any terminal that shows logs of Actions.
const MAX_LINE_CHARACTERS: usize = 160;
/// How many names an error lists.
const MAX_NAMES: usize = 8;
/// How many characters of such a name an error shows; the longest name in an event has half of them.
const MAX_NAME_CHARACTERS: usize = 80;
/// How deep the engine's parser nests, `MAX_RECURSION` of `compiler/parser.rs` of minijinja.
const MAX_SYNTAX_DEPTH: usize = 150;
/// The functions of a template.
pub(super) const FUNCTIONS: [&str; 4] = ["dict", "namespace", "range", "skip"];
/// The contexts of Actions that a template does not have,
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/contexts>.
const ACTIONS_CONTEXTS: [&str; 7] = ["env", "job", "matrix", "needs", "runner", "steps", "strategy"];

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

/// An error of the engine with its place in the template, and a remedy if there is one.
pub(super) fn explain(error: &Error, template: &Template, guarded: &Guarded, scope: &Value) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let path = undefined_path(&what);
    // Some instructions have no place, as those of `{% set %}`; a name can be found.
    let named = || path.and_then(|path| template.source.find(path).map(|at| at..at + path.len()));
    let place = error.range().map(|range| guarded.origin(range.start)..guarded.origin(range.end));
    let Some(mut range) = place.or_else(named) else {
        return format!("{}: {}", template.name, reason(error, &what, path, None, scope));
    };
    let place = Place::new(&template.source, &range);
    // The range ends an expression; what is undefined is what people look for where the range holds several names.
    if let Some(path) = path {
        let found = template.source.get(..range.end).and_then(|before| before.rfind(path));
        // The range of a filter begins after what it is applied to.
        if let Some(found) = found.filter(|found| found + MAX_LINE_CHARACTERS > range.start) {
            range = found..found + path.len();
        }
    }
    let hyphenated = hyphenated_name(&template.source, range.start);
    at(template, range, &reason(error, &what, path, Some((&place, hyphenated)), scope))
}

/// What an error says is undefined, such as `vars.versoin`.
fn undefined_path(what: &str) -> Option<&str> {
    let (before, _) = what.split_once("` is undefined")?;
    before.rsplit('`').next()
}

/// What is written where an error is.
struct Place<'a> {
    before: &'a str,
    from: &'a str,
    whole: &'a str,
}

impl<'a> Place<'a> {
    fn new(source: &'a str, range: &Range<usize>) -> Self {
        Self {
            before: source.get(..range.start).unwrap_or_default(),
            from: source.get(range.start..).unwrap_or_default(),
            whole: source.get(range.clone()).unwrap_or_default(),
        }
    }

    /// The filter, the test, the function or the method that is called there.
    fn callee(&self) -> Option<&'a str> {
        let from = self.from.trim_start_matches('.');
        let length = from.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(from.len());
        let (name, rest) = from.split_at_checked(length)?;
        let before = self.before.trim_end();
        let is_called =
            rest.trim_start().starts_with('(') || [" is", " not", " filter", "|"].iter().any(|it| before.ends_with(it));
        (is_called && !name.is_empty()).then_some(name)
    }

    /// How to write what another language writes in this way.
    fn syntax(&self) -> Option<&'static str> {
        match self.from {
            it if it.starts_with("||") || it.starts_with('|') && self.before.ends_with('|') || it.starts_with("??") => {
                Some("write `or`, or `| default('…')` for what may be missing")
            }
            it if it.starts_with("elseif") || it.starts_with("if") && self.before.ends_with("else ") => {
                Some("write `elif`")
            }
            it if it.starts_with("&&") => Some("write `and`"),
            it if it.starts_with('!') => Some("write `not`"),
            it if it.starts_with('?') => Some("write `a if condition else b`"),
            it if it.starts_with('=') => Some("write `==` to compare"),
            it if it.starts_with('%') => Some("put a text such as a format in quotes"),
            _ => None,
        }
    }

    /// What is missing before the end of the template, which the engine also reports before a character that it does
    /// not know.
    fn missing(&self, what: &str) -> Option<&'static str> {
        let after = self.from.get(self.whole.len()..)?.trim_start();
        if !after.is_empty() {
            return Place { before: "", from: after, whole: "" }.syntax();
        }
        let is_open = |begin: &str, end: &str| {
            let last = self.before.rfind(begin).and_then(|at| self.before.get(at..));
            last.is_some_and(|last| !last.contains(end)) && !self.from.contains(end)
        };
        Some(match what.ends_with("end of variable block") || is_open("{{", "}}") {
            true => "close the expression with `}}`",
            false if is_open("{%", "%}") => "close the tag with `%}`",
            false => "end each `{% if %}` with `{% endif %}`, and each `{% for %}` with `{% endfor %}`",
        })
    }
}

/// What is wrong, and what to do, as far as that can be said. It may name what an outsider wrote, which is shown
/// without invisible characters.
fn reason(
    error: &Error,
    what: &str,
    path: Option<&str>,
    place: Option<(&Place<'_>, Option<String>)>,
    scope: &Value,
) -> String {
    let (place, hyphenated) = place.unzip();
    let reason = match (hyphenated.flatten(), path) {
        (Some(name), _)
            if matches!(error.kind(), ErrorKind::UndefinedError | ErrorKind::InvalidOperation)
                && !path.is_some_and(|path| ACTIONS_CONTEXTS.contains(&path)) =>
        {
            format!("{what}; `-` subtracts: write a name that contains it in brackets, as `{name}`")
        }
        (_, Some(path)) => format!("{what}{}", near(path, scope)),
        _ => engine_reason(error, what, place),
    };
    reason.chars().filter(|c| !c.is_control() && !is_invisible(*c)).collect()
}

/// The same for what the engine says about everything but names.
fn engine_reason(error: &Error, what: &str, place: Option<&Place<'_>>) -> String {
    let callee = place.and_then(Place::callee);
    let of = callee.map_or_else(|| "this".to_owned(), |name| format!("`{name}`"));
    match error.kind() {
        ErrorKind::OutOfFuel => {
            format!("the template takes more than {MAX_INSTRUCTIONS} instructions; loop less, or over less")
        }
        _ if what == "recursion limit exceeded" => format!(
            "macros, blocks and loops are in one another, or call one another, more than {MAX_RECURSION} deep; end the \
             recursion, or nest less"
        ),
        ErrorKind::SyntaxError if what.starts_with("template exceeds") => {
            format!("tags and brackets are in one another more than {MAX_SYNTAX_DEPTH} deep; nest less")
        }
        ErrorKind::SyntaxError => {
            let is_end = what.starts_with("unexpected end of input");
            match place.and_then(|place| if is_end { place.missing(what) } else { place.syntax() }) {
                Some(remedy) => format!("{what}; {remedy}; {RAW_REMEDY}"),
                None => format!("{what}; {RAW_REMEDY}"),
            }
        }
        ErrorKind::TemplateNotFound => {
            "a prompt has no `include`, `extends`, `import` and `from`; write the text itself".to_owned()
        }
        ErrorKind::UnknownFilter => match what.split(' ').nth(1).and_then(nearest_filter) {
            Some(name) => format!("{what}; did you mean `{name}`?"),
            None => format!("{what}; see https://docs.rs/minijinja/latest/minijinja/filters/ for those that exist"),
        },
        ErrorKind::UnknownTest => {
            format!("{what}; see https://docs.rs/minijinja/latest/minijinja/tests/ for those that exist")
        }
        ErrorKind::UnknownFunction => match callee.map(str::to_ascii_lowercase).as_deref() {
            Some("contains") => format!("there is no function {of}; write `'part' in value`"),
            Some("startswith") => format!("there is no function {of}; write `value is startingwith 'part'`"),
            Some("endswith") => format!("there is no function {of}; write `value is endingwith 'part'`"),
            Some(name) if is_filter(name) => {
                format!("there is no function {of}; write the filter, as `value | {name}`")
            }
            _ => format!("there is no function {of} here; there is `{}`", FUNCTIONS.join("`, `")),
        },
        ErrorKind::UnknownMethod => no_method(noun_of(what.split(" has no").next().unwrap_or_default()), callee),
        _ if what.ends_with("not callable") => match place {
            Some(place) if place.from.starts_with('.') => no_method("a value", callee),
            _ => format!("{of} is not a function"),
        },
        ErrorKind::MissingArgument if error.detail().is_none() => format!("{of} needs another argument"),
        ErrorKind::TooManyArguments if error.detail().is_none() => format!("{of} takes fewer arguments"),
        ErrorKind::UndefinedError if error.detail().is_none() => {
            let what = match (callee, place) {
                (Some(name), _) => format!("the result of `{name}`"),
                (None, Some(place)) => format!("`{}`", cut(place.whole, MAX_LINE_CHARACTERS)),
                (None, None) => "a value".to_owned(),
            };
            format!("{what} is undefined; write `| default('')` after it if it may be missing")
        }
        ErrorKind::InvalidOperation if error.detail().is_none() => format!("{of} does not take this argument"),
        _ if what == "value is not a string" => format!("{of} takes a text, and was given something else"),
        _ if what.starts_with("invalid ") && what.ends_with(" literal") => {
            format!("{of} takes a number, and the text is not one; write a default, as `int(default=0)`")
        }
        _ => match (conversion(what), what.strip_suffix(" is not iterable"), callee) {
            (Some((given, wanted)), ..) => format!("{of} takes {wanted}, and was given {given}"),
            (_, Some(kind), _) => format!("{} has no items; loop over a list or a mapping", noun_of(kind)),
            (_, _, Some(name)) if !what.contains('`') => format!("`{name}`: {what}"),
            _ => what.to_owned(),
        },
    }
}

/// What the engine had and what it wanted, of `cannot convert string to isize`.
fn conversion(what: &str) -> Option<(String, &'static str)> {
    if let Some(given) = what.strip_prefix("can only sum numbers, got ") {
        return Some((format!("{}; write `| map('float')` before it", noun_of(given)), "numbers"));
    }
    let (given, wanted) = what.strip_prefix("cannot convert ")?.split_once(" to ")?;
    let wanted = match wanted {
        "f32" | "f64" | "float" => "a number",
        "bool" => "`true` or `false`",
        "string" => "a text",
        "integer" | "isize" | "usize" | "i32" | "i64" | "u32" | "u64" => "a whole number",
        _ => return None,
    };
    let remedy = if given == "string" && wanted.ends_with("number") { "; write `| int` after it" } else { "" };
    Some((format!("{}{remedy}", noun_of(given)), wanted))
}

fn no_method(noun: &str, name: Option<&str>) -> String {
    let name = name.unwrap_or_default();
    match is_filter(name) {
        true => format!("{noun} has no methods; use the filter: `| {name}`"),
        false => format!("{noun} has no method `{name}`; values have filters instead of methods"),
    }
}

fn is_filter(name: &str) -> bool {
    sandbox::filter_names().any(|filter| filter == name)
}

/// The filter that a misspelled one, such as `uper`, most likely means.
fn nearest_filter(name: &str) -> Option<&'static str> {
    nearest_name(name, sandbox::filter_names())
}

/// How the name with hyphens at a place, such as `inputs.requested-by`, has to be written, if one is there.
fn hyphenated_name(source: &str, at: usize) -> Option<String> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    let (before, after) = source.split_at_checked(at)?;
    let start = before.len() - before.chars().rev().take_while(|c| is_part(*c)).map(char::len_utf8).sum::<usize>();
    let end = at + after.chars().take_while(|c| is_part(*c)).map(char::len_utf8).sum::<usize>();
    let name = source.get(start..end)?.trim_start_matches('-');
    let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.split('-').skip(1).all(|part| part.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
    if !is_name || !name.contains('-') {
        return None;
    }
    let first = name.split('.').next().unwrap_or_default();
    let mut written = if first.contains('-') { "vars".to_owned() } else { String::new() };
    for part in name.split('.') {
        written += &match part.contains('-') {
            true => format!("['{part}']"),
            false if written.is_empty() => part.to_owned(),
            false => format!(".{part}"),
        };
    }
    Some(written)
}

/// The parts of a path such as `vars.list[0]['a-b']`, each with where it ends. A part that is not known, which the
/// engine writes as `[...]`, ends the list.
fn path_parts(path: &str) -> Vec<(Value, usize)> {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(rest) = path.get(at..).filter(|rest| !rest.is_empty()) {
        let (key, length) = if let Some(inner) = rest.strip_prefix("['") {
            let Some(end) = inner.find("']") else { break };
            (Value::from(&inner[..end]), end + 4)
        } else if let Some(inner) = rest.strip_prefix('[') {
            let Some(end) = inner.find(']') else { break };
            let Ok(index) = inner[..end].parse::<i64>() else { break };
            (index.into(), end + 2)
        } else {
            let dot = usize::from(rest.starts_with('.'));
            let end = rest[dot..].find(['.', '[']).map_or(rest.len(), |end| dot + end);
            if end == dot {
                break;
            }
            (Value::from(&rest[dot..end]), end)
        };
        at += length;
        parts.push((key, at));
    }
    parts
}

/// The names that exist where an unknown one was looked for, the nearest first.
fn near(path: &str, scope: &Value) -> String {
    let mut found = scope.clone();
    let mut parent = "";
    for (key, end) in path_parts(path) {
        if let Some(value) = found.get_item(&key).ok().filter(|value| !value.is_undefined()) {
            found = value;
            parent = path.get(..end).unwrap_or_default();
            continue;
        }
        let name = key.as_str().unwrap_or_default();
        if parent == "github" && name == "event" {
            return "; the run has no event, or its payload could not be read (GITHUB_EVENT_PATH)".to_owned();
        }
        if parent.is_empty() && name == "inputs" {
            return "; the run was not dispatched, and the runner passes no inputs to a reusable workflow in the \
                    environment: pass them with `inputs: ${{ toJSON(inputs) }}`"
                .to_owned();
        }
        if parent.is_empty() && ACTIONS_CONTEXTS.contains(&name) {
            return format!(
                "; a template does not have this context of Actions: pass the value in the input `vars`, as in `name: \
                 ${{{{ {name}.… }}}}`"
            );
        }
        if parent.is_empty() && name == "secrets" {
            return "; a template has no secrets, because everyone who can see the task can read its prompt".to_owned();
        }
        if parent.is_empty() && end < path.len() {
            // The template gives this name a value itself, which is not known here. `range .Items` is of Go.
            return if FUNCTIONS.contains(&name) { format!("; {RAW_REMEDY}") } else { String::new() };
        }
        if is_null(&found) {
            return format!("; `{parent}` is null here; ask with `{{% if {parent} %}}` first");
        }
        return match found.kind() {
            ValueKind::Map => near_names(name, parent, &found),
            ValueKind::Seq | ValueKind::Iterable => match found.len() {
                Some(0) => format!("; `{parent}` is a list without items"),
                Some(len) if key.is_integer() => {
                    format!("; `{parent}` has {}, the first is `[0]`", counted(len, "item"))
                }
                _ => format!("; `{parent}` is a list and has no names: write `{parent}[0]`, or loop over it"),
            },
            _ => format!("; `{parent}` is {} and has no names", noun(&found)),
        };
    }
    String::new()
}

/// The names of a mapping, the nearest first.
fn near_names(name: &str, parent: &str, mapping: &Value) -> String {
    let names = mapping.try_iter().map(|keys| keys.filter_map(|key| key.as_str().map(str::to_owned)).collect());
    let mut names: Vec<String> = names.unwrap_or_default();
    let nearest = nearest_name(name, &names).map(str::to_owned);
    if let Some(place) = names.iter().position(|other| nearest.as_ref() == Some(other)) {
        names[..=place].rotate_right(1);
    }
    let holder = if parent.is_empty() { "a template".to_owned() } else { format!("`{parent}`") };
    let shown = names.iter().take(MAX_NAMES).map(|name| format!("`{}`", cut(name, MAX_NAME_CHARACTERS)));
    let listed = shown.collect::<Vec<_>>().join(", ");
    let more = if names.len() > MAX_NAMES { ", …" } else { "" };
    let raw = if parent.is_empty() { format!("; {RAW_REMEDY}") } else { String::new() };
    let is_name = |name: &str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
    match nearest {
        _ if names.is_empty() && parent == "vars" => {
            format!(
                "; the input `vars` is empty, and the variables of Actions are not in it: pass `{name}: ${{{{ vars.{name} }}}}`"
            )
        }
        _ if names.is_empty() && parent == "github.event" => "; the payload of this event is empty".to_owned(),
        _ if names.is_empty() => format!("; {holder} has no names"),
        Some(name) if parent.is_empty() => format!("; did you mean `{name}`? {holder} has {listed}{more}"),
        Some(name) if is_name(&name) => format!("; did you mean `{parent}.{name}`? {holder} has {listed}{more}"),
        Some(name) => {
            let name = cut(&name, MAX_NAME_CHARACTERS);
            format!("; did you mean `{parent}['{name}']`? {holder} has {listed}{more}")
        }
        None => format!("; {holder} has {listed}{more}{raw}"),
    }
}
