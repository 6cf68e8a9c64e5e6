//! From YAML text to a tree of nodes with their places.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::Value;

use crate::text::{MAX_SHOWN_NAME, cut, dropped_text, harmless};
use crate::yaml::de::{Removal, RemovedKeys};

/// The most values that a text may have once its aliases are expanded. The largest variable of the environment has room
/// for 65,536 of two characters each.
const MAX_NODES: usize = 100_000;
/// How many faults or warnings are reported; with more, the file is probably another one than was meant.
pub(crate) const MAX_FAULTS: usize = 50;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it begins.
    pub place: Place,
    /// A scalar as it was written. YAML reads `1.10` as the number 1.1 and `no` as a boolean.
    pub written: String,
}

/// The kind of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Keys and values, in the order of the text.
    Mapping(Vec<(Key, Node)>),
    /// Values.
    List(Vec<Node>),
    /// Anything else.
    Scalar(Value),
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The name.
    pub name: String,
    /// Where it begins.
    pub place: Place,
}

/// A place in a text; both count from one, and columns count characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

/// A fault of a text, and its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where it is.
    pub place: Place,
    /// What is wrong, and what to do.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.place.line, self.place.column, self.why)
    }
}

/// Reads a text. A key that a mapping has twice is a fault; the tree has the first of the two.
///
/// # Errors
/// If it is not YAML, or far too large once its aliases are expanded.
pub fn parse(text: &str) -> Result<(Node, Vec<Fault>), Fault> {
    let mut composer = Composer {
        text,
        events: Parser::new_from_str(text),
        anchors: BTreeMap::new(),
        left: MAX_NODES,
        duplicates: Vec::new(),
    };
    let mut root = None;
    loop {
        let (event, span) = composer.next()?;
        match event {
            Event::StreamStart | Event::DocumentEnd => {}
            Event::DocumentStart(..) if root.is_some() => {
                return Err(fault(span, "only one document is read; remove the `---`"));
            }
            Event::DocumentStart(..) => {
                let (event, span) = composer.next()?;
                root = Some(composer.node(event, span)?);
            }
            _ => break,
        }
    }
    let nothing =
        || Node { kind: Kind::Scalar(Value::Null), place: Place { line: 1, column: 1 }, written: String::new() };
    Ok((root.unwrap_or_else(nothing), composer.duplicates))
}

/// What the text probably means otherwise than YAML does, in sentences with line and column: comments after values
/// (`title: Fix #12 now` is only `Fix`), comments in the place of a value (`title: # 12` is empty), and anchors that no
/// alias names (`title: &x y` is only `y`). Quotes around the value keep it. With `is_free` a value can be text of anyone,
/// and each comment after it is suspect; otherwise a `#` with a space after it begins a comment that is meant as one.
pub fn warnings(text: &str, is_free: bool) -> Vec<String> {
    dropped_texts(text, is_free).iter().take(MAX_FAULTS).map(Fault::to_string).collect()
}

/// What [`warnings`] are about.
fn dropped_texts(text: &str, is_free: bool) -> Vec<Fault> {
    let events = Parser::new_from_str(text).map_while(Result::ok).collect::<Vec<_>>();
    let mut aliases = BTreeSet::new();
    aliases.extend(events.iter().filter_map(|(event, _)| event.alias_id()));
    let mut before = Span::default();
    let mut dropped = Vec::new();
    for (event, span) in &events {
        let key = std::mem::replace(&mut before, *span);
        let Event::Scalar(_, style, anchor, _) = event else { continue };
        let is_empty = span.slice(text).is_none_or(str::is_empty);
        let mut report = |span: Span, part: &str, noun: &str| {
            let part = harmless(&cut(part, MAX_SHOWN_NAME));
            dropped.push(fault(span, &format!("`{part}` is {noun} and is dropped; put the value in quotes")));
        };
        if *anchor > 0 && !aliases.contains(anchor) {
            let head = span.byte_range().and_then(|range| text.get(..range.start)).unwrap_or_default();
            let name = head.rfind('&').and_then(|at| head[at..].split_whitespace().next()).unwrap_or("&");
            report(*span, name, "an anchor");
        }
        if *style != ScalarStyle::Plain {
            continue;
        }
        let rest_after = |span: &Span| span.byte_range().and_then(|range| text.get(range.end..)).unwrap_or_default();
        let shown = |text: &str| harmless(&cut(text, MAX_SHOWN_NAME));
        if is_empty {
            // Where nothing is written, the comment is after the key or the dash.
            let rest = rest_after(&key).trim_start();
            let (name, rest) = match (rest.strip_prefix(':'), rest.strip_prefix('-')) {
                (Some(rest), _) => (format!("`{}`", shown(key.slice(text).unwrap_or_default())), rest),
                (None, Some(rest)) => ("an item".to_owned(), rest),
                (None, None) => continue,
            };
            let line = rest.lines().next().unwrap_or_default().trim();
            if line.starts_with('#') {
                let line = shown(line);
                let why =
                    format!("{name} is empty, because `{line}` is a comment; put the value in quotes, or write `''`");
                dropped.push(fault(key, &why));
            }
            continue;
        }
        let line = rest_after(span).lines().next().unwrap_or_default().trim();
        let is_cut = if is_free { line.starts_with('#') } else { dropped_text(line) == Some(line) };
        if is_cut {
            report(*span, line, "a comment");
        }
    }
    dropped
}

/// What to do about an error of the parser, which only says what it met.
fn remedy(why: &str) -> &'static str {
    match why {
        _ if why.starts_with("mapping values are not allowed") => {
            "; put a value that contains `: ` in quotes, and indent all keys of a mapping alike"
        }
        _ if why.starts_with("tab") || why.contains(" tab") => "; indent with spaces, not with tabs",
        _ if why.contains("anchor or alias") => "; put a value that begins with `*` or `&` in quotes",
        _ => "",
    }
}

/// Makes a tree of the parser's events.
struct Composer<'a> {
    text: &'a str,
    events: Parser<'a, StrInput<'a>>,
    anchors: BTreeMap<usize, Node>,
    /// How many more values the text may have.
    left: usize,
    duplicates: Vec<Fault>,
}

impl<'a> Composer<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        match self.events.next() {
            Some(Ok(known)) => Ok(known),
            Some(Err(error)) => {
                let why = error.to_string();
                // The fault has the place already.
                let why = why.split_once(" at char ").map_or(why.as_str(), |(why, _)| why);
                let why = format!("{why}{}", remedy(why));
                Err(Fault { place: place(*error.marker()), why })
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The value that begins with an event.
    fn node(&mut self, event: Event<'a>, span: Span) -> Result<Node, Fault> {
        self.take(1, span)?;
        let mut node = Node { kind: Kind::List(Vec::new()), place: place(span.start), written: String::new() };
        let anchor = match event {
            Event::Alias(anchor) => {
                let Some(size) = self.anchors.get(&anchor).map(Node::size) else {
                    return Err(fault(span, "the alias is inside its own anchor"));
                };
                self.take(size, span)?;
                return Ok(self.anchors[&anchor].clone());
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                // The parser reports a tilde where nothing is written.
                let text = if plain && span.slice(self.text) == Some("") { "".into() } else { text };
                node.kind = Kind::Scalar(scalar(&text, plain, tag.as_deref()).map_err(|why| fault(span, &why))?);
                node.written = text.into_owned();
                anchor
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.node(event, span)?),
                    }
                }
                node.kind = Kind::List(items);
                anchor
            }
            Event::MappingStart(_, anchor, _) => {
                node.kind = Kind::Mapping(self.mapping()?);
                anchor
            }
            _ => return Err(fault(span, "the text ends before a value")),
        };
        if anchor > 0 {
            self.take(node.size(), span)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// The keys and values up to the end of a mapping.
    fn mapping(&mut self) -> Result<Vec<(Key, Node)>, Fault> {
        let (mut entries, mut merged) = (Vec::new(), Vec::new());
        let mut names = BTreeSet::new();
        loop {
            let (event, span) = match self.next()? {
                (Event::MappingEnd, _) => break,
                known => known,
            };
            let merges = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, span)?;
            let Kind::Scalar(_) = key.kind else {
                return Err(fault(span, "a key must be a text"));
            };
            let (event, of_value) = self.next()?;
            let value = self.node(event, of_value)?;
            if merges {
                merged.push((value, of_value));
            } else if names.insert(key.written.clone()) {
                entries.push((Key { name: key.written, place: place(span.start) }, value));
            } else {
                self.duplicates.push(fault(span, "duplicate of a key above; keep one"));
            }
        }
        for (value, span) in merged {
            let mappings = match value.kind {
                Kind::List(items) => items.into_iter().map(|item| item.kind).collect(),
                kind => vec![kind],
            };
            for mapping in mappings {
                let Kind::Mapping(others) = mapping else {
                    return Err(fault(span, "only a mapping can be merged with `<<`"));
                };
                // Own keys rank above merged ones.
                entries.extend(others.into_iter().filter(|(key, _)| names.insert(key.name.clone())));
            }
        }
        Ok(entries)
    }

    /// Counts values.
    fn take(&mut self, values: usize, span: Span) -> Result<(), Fault> {
        let left = self.left.checked_sub(values).ok_or_else(|| {
            fault(span, &format!("the text has more than {MAX_NODES} values once its aliases are expanded; shorten it"))
        })?;
        self.left = left;
        Ok(())
    }
}

pub(crate) fn fault(span: Span, why: &str) -> Fault {
    Fault { place: place(span.start), why: why.to_owned() }
}

pub(crate) fn place(mark: Marker) -> Place {
    // The parser counts columns from zero.
    Place { line: mark.line() as u64, column: mark.col() as u64 + 1 }
}

/// What a scalar is, by the core schema of YAML 1.2, <https://yaml.org/spec/1.2.2/#103-core-schema>.
fn scalar(text: &str, plain: bool, tag: Option<&Tag>) -> Result<Value, String> {
    let tag = match tag {
        None if plain => None,
        None => Some("str"),
        Some(tag) if tag.handle().is_empty() && tag.suffix() == "!" => Some("str"),
        Some(tag) => Some(tag.core_suffix().ok_or_else(|| format!("unknown type `{}{}`", tag.handle(), tag.suffix()))?),
    };
    let read = match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        _ => number(text).unwrap_or_else(|| text.into()),
    };
    let fits = match (tag, &read) {
        (Some("str"), _) => return Ok(text.into()),
        (None, _) | (Some("null"), Value::Null) | (Some("bool"), Value::Bool(_)) => true,
        (Some("int"), Value::Number(number)) => !number.is_f64(),
        (Some("float"), Value::Number(_)) => true,
        _ => false,
    };
    if fits {
        Ok(read)
    } else {
        Err(format!("`{}` is not of the type of its tag", cut(&harmless(text), MAX_SHOWN_NAME)))
    }
}

/// The number that a text is. What JSON cannot write, such as `.inf`, stays a text.
pub(crate) fn number(text: &str) -> Option<Value> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().map(Value::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return u64::from_str_radix(digits, 8).ok().map(Value::from);
    }
    // Rust also takes words such as `inf` for numbers.
    if !text.bytes().any(|byte| byte.is_ascii_digit()) || text.bytes().any(|byte| !b"+-.eE0123456789".contains(&byte)) {
        return None;
    }
    let whole = text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from));
    whole.ok().or_else(|| serde_json::Number::from_f64(text.parse().ok()?).map(Value::from))
}

impl Node {
    /// How many values it is, itself included.
    fn size(&self) -> usize {
        1 + match &self.kind {
            Kind::Mapping(entries) => entries.iter().map(|(_, value)| value.size()).sum(),
            Kind::List(items) => items.iter().map(Self::size).sum(),
            Kind::Scalar(_) => 0,
        }
    }

    /// Removes a value from the tree; `path` has its steps from the innermost to the outermost.
    pub(super) fn remove(&mut self, path: &[usize], removed_keys: &mut RemovedKeys) -> Removal {
        let Some((step, inner)) = path.split_last() else {
            return Removal::Nothing;
        };
        let inside = match (&mut self.kind, inner) {
            (Kind::Scalar(_), _) => return Removal::Nothing,
            (_, []) => Removal::LastOfList,
            (Kind::Mapping(entries), inner) => entries[*step].1.remove(inner, removed_keys),
            (Kind::List(items), inner) => items[*step].remove(inner, removed_keys),
        };
        match (&mut self.kind, inside) {
            (Kind::Mapping(entries), Removal::LastOfList) => {
                removed_keys.push((self.place, entries.remove(*step).0.name));
                Removal::Value
            }
            (Kind::List(items), Removal::LastOfList) => {
                drop(items.remove(*step));
                if items.is_empty() { Removal::LastOfList } else { Removal::Value }
            }
            (_, removed) => removed,
        }
    }

    /// What it is where another type is needed, for people, and what to do.
    pub(super) fn instead_of(&self, wanted: &str) -> String {
        match &self.kind {
            Kind::Scalar(Value::String(text)) if is_quoted(text, wanted) => "a text; remove the quotes".to_owned(),
            Kind::Scalar(Value::Bool(_) | Value::Number(_)) if wanted.starts_with("a text") => {
                format!("{}; write it in quotes", self.shown())
            }
            _ => self.shown(),
        }
    }

    fn shown(&self) -> String {
        match &self.kind {
            Kind::Mapping(_) => "a mapping".to_owned(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Scalar(Value::Null) => "nothing".to_owned(),
            Kind::Scalar(_) => format!("`{}`", harmless(&cut(&self.written, MAX_SHOWN_NAME))),
        }
    }
}

/// Whether a text is what is wanted but for its quotes: without them it would be a boolean or a number.
fn is_quoted(text: &str, wanted: &str) -> bool {
    match scalar(text, true, None) {
        Ok(Value::Bool(_)) => wanted == "true or false",
        Ok(Value::Number(number)) => wanted.starts_with("a whole number") && number.is_u64(),
        _ => false,
    }
}

/// A short text that its aliases make very long, for tests.
#[cfg(test)]
pub(crate) fn bomb() -> String {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let items = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    bomb
}
