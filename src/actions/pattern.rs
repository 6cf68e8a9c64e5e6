//! Patterns of repositories, branches, workflows, events and files, and lists of them.
//!
//! `*` is anything but `/`, `**` any number of parts, `?` one character, `[ab]` one of several, and `{a,b}` is one pattern
//! for each alternative, as in a shell. As in the filters of a workflow, `!` in front takes out what the patterns before it
//! let in, so that the order counts. A pattern that can match nothing is an error: a `deny` that never matches denies
//! nothing. Patterns of files are those of `on.push.paths` in every sign.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use glob::{MatchOptions, Pattern};
use regex_lite::Regex;
use serde::{Deserialize, Deserializer, de};

use crate::github::repository::{Repository, RepositoryError, branch_name};
use crate::text::{MAX_SHOWN_VALUE, cut, is_invisible};
use crate::yaml::de::OneOrMany;

/// The most alternatives of one pattern. A policy of 256 KiB has room for lists, and nested braces multiply.
const MAX_ALTERNATIVES: usize = 256;
/// The most parts of a path that are compared for `**`. Few names have more than ten, and the work grows with the square.
const MAX_PARTS: usize = 32;
/// What has a meaning beside itself in one alternative of a pattern.
const SIGNS: [char; 5] = ['*', '?', '+', '[', '\\'];
/// The folder of a repository that has its workflows,
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax>.
const WORKFLOW_FOLDER: [&str; 2] = [".github", "workflows"];
/// The parts of a workflow's path with its repository in front: `owner/name/.github/workflows/file`.
const WORKFLOW_PARTS: usize = 5;

/// What a pattern is for.
pub trait Subject: fmt::Debug + Clone {
    /// The regular expression of one pattern in the JSON Schema.
    const SCHEMA: &'static str;
    /// Whether upper and lower case differ.
    const CASE_SENSITIVE: bool;
    /// Whether a value can have spaces.
    const HAS_SPACES: bool = false;

    /// One alternative as it is compiled.
    ///
    /// # Errors
    /// Why it can match nothing, and what to write.
    fn check(text: &str) -> Result<String, String>;

    /// Compiles one alternative.
    ///
    /// # Errors
    /// As for [`Subject::check`].
    fn compile(text: &str) -> Result<Matcher, String> {
        compile_glob(text, Self::check)
    }

    /// What is compared with a pattern.
    fn subject(pattern: &str, value: &str) -> String {
        let _ = pattern;
        value.to_owned()
    }
}

/// Repositories, by `owner/name`.
#[derive(Debug, Clone)]
pub struct RepositoryName;
/// Branches, by their names.
#[derive(Debug, Clone)]
pub struct BranchName;
/// Workflows, by the names of their files, or by their paths with the repository in front.
#[derive(Debug, Clone)]
pub struct WorkflowPath;

/// Files, by their paths from the top of the repository.
#[derive(Debug, Clone)]
pub struct FilePath;

/// A compiled alternative of a pattern.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// For names, in which a sign has the meaning of a shell.
    Glob(Pattern),
    /// For files, in which a sign has the meaning of Actions; with the pattern as it is written.
    Regex(Regex, String),
}

impl Matcher {
    fn text(&self) -> &str {
        match self {
            Self::Glob(glob) => glob.as_str(),
            Self::Regex(_, text) => text,
        }
    }
}

/// One pattern of a list.
#[derive(Debug, Clone)]
pub struct ListPattern<S> {
    text: String,
    is_negative: bool,
    alternatives: Vec<Matcher>,
    subject: PhantomData<S>,
}

/// A list of patterns. The last one that matches decides.
#[derive(Debug, Clone)]
pub struct PatternList<S>(Vec<ListPattern<S>>);

impl<S: Subject> FromStr for ListPattern<S> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let alternatives = alternatives(text, S::HAS_SPACES, S::compile);
        let alternatives = alternatives.map_err(|why| format!("`{}` {why}", cut(text, MAX_SHOWN_VALUE)))?;
        let is_negative = text.starts_with('!');
        Ok(Self { text: text.to_owned(), is_negative, alternatives, subject: PhantomData })
    }
}

impl<S: Subject> ListPattern<S> {
    fn matches(&self, value: &str) -> bool {
        let options = MatchOptions {
            case_sensitive: S::CASE_SENSITIVE,
            require_literal_separator: true,
            require_literal_leading_dot: false,
        };
        self.alternatives.iter().any(|one| match one {
            Matcher::Glob(glob) => glob.matches_with(&S::subject(glob.as_str(), value), options),
            Matcher::Regex(regex, _) => regex.is_match(value),
        })
    }

    /// Whether every value that an alternative of another pattern can match is sure to match this one.
    fn covers(&self, other: &str) -> bool {
        let is_same = |one: &Matcher| match S::CASE_SENSITIVE {
            true => one.text() == other,
            false => one.text().eq_ignore_ascii_case(other),
        };
        let is_out = |samples: Vec<String>| samples.iter().all(|it| self.matches(it));
        self.alternatives.iter().any(is_same) || samples(other, &self.text).is_some_and(is_out)
    }

    /// The value itself, where the pattern is one value and not a set of them.
    fn literal(&self) -> Option<&str> {
        let is_literal = !self.text.contains(SIGNS) && !self.text.contains(['{', '!']);
        is_literal.then_some(self.text.as_str())
    }
}

impl<S: Subject> PatternList<S> {
    fn new(patterns: Vec<ListPattern<S>>) -> Result<Self, String> {
        let list = Self(patterns);
        if let Some(first) = list.0.first().filter(|first| first.is_negative) {
            let bare = first.text.trim_start_matches('!');
            return Err(format!(
                "`{}` comes first, and `!` only takes out what a pattern before it lets in; write such a pattern before \
                 it, or `{bare}` without `!`",
                cut(&first.text, MAX_SHOWN_VALUE)
            ));
        }
        let dead = list.0.iter().filter_map(ListPattern::literal).find(|value| !list.matches(value));
        match dead.or_else(|| list.nothing()) {
            Some(value) => {
                Err(format!("`{}` is taken out again by a pattern after it; keep one", cut(value, MAX_SHOWN_VALUE)))
            }
            None => Ok(list),
        }
    }

    /// The first pattern of a list that matches nothing, because a pattern is taken out again by those after it.
    fn nothing(&self) -> Option<&str> {
        let is_dead = |(at, pattern): (usize, &ListPattern<S>)| {
            let after = &self.0[at + 1..];
            let is_out = |one: &Matcher| after.iter().any(|other| other.is_negative && other.covers(one.text()));
            pattern.is_negative || pattern.alternatives.iter().all(is_out)
        };
        let first = self.0.first().map(|pattern| pattern.text.as_str());
        first.filter(|_| self.0.iter().enumerate().all(is_dead))
    }

    /// Whether the list lets a value in.
    pub fn matches(&self, value: &str) -> bool {
        self.0.iter().rev().find(|pattern| pattern.matches(value)).is_some_and(|pattern| !pattern.is_negative)
    }

    /// The patterns that let in none of these values, without those that only take out.
    pub fn unmatched(&self, values: &[&str]) -> Vec<&str> {
        let let_in = values.iter().filter(|value| self.matches(value)).collect::<Vec<_>>();
        let patterns = self.0.iter().filter(|pattern| !pattern.is_negative);
        let unmatched = patterns.filter(|pattern| !let_in.iter().any(|value| pattern.matches(value)));
        unmatched.map(|pattern| pattern.text.as_str()).collect()
    }

    /// The first entry, if that is one value and not a set of them.
    pub fn first_literal(&self) -> Option<&str> {
        self.0.first().and_then(ListPattern::literal)
    }
}

impl<S> PartialEq for PatternList<S> {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().map(|pattern| &pattern.text).eq(other.0.iter().map(|pattern| &pattern.text))
    }
}

impl<S> Eq for PatternList<S> {}

impl<S: Subject> fmt::Display for PatternList<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.0.iter().map(|pattern| pattern.text.as_str()).collect::<Vec<_>>();
        f.write_str(&texts.join(", "))
    }
}

impl<'de, S: Subject> Deserialize<'de> for ListPattern<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<'de, S: Subject> Deserialize<'de> for PatternList<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(OneOrMany::deserialize(deserializer)?.0).map_err(de::Error::custom)
    }
}

#[cfg(test)]
impl<S: Subject> schemars::JsonSchema for ListPattern<S> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": S::SCHEMA})
    }
}

#[cfg(test)]
impl<S: Subject> schemars::JsonSchema for PatternList<S> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Patterns".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = serde_json::json!({"type": "string", "pattern": S::SCHEMA});
        schemars::json_schema!({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]})
    }
}

/// The compiled alternatives of a pattern.
fn alternatives(
    text: &str,
    has_spaces: bool,
    compile: fn(&str) -> Result<Matcher, String>,
) -> Result<Vec<Matcher>, String> {
    let alternatives = expand(text.strip_prefix('!').unwrap_or(text))?;
    if alternatives.iter().any(|one| one.replace("[,]", "").contains(',')) {
        return Err(format!("has a comma; write a list, such as `{}`, or `[,]` for a comma in a name", list_of(text)));
    }
    if text.contains(|c: char| c.is_control() || c.is_whitespace() && !has_spaces) {
        return Err("has white space, so it matches nothing; take it out".to_owned());
    }
    if let Some(odd) = text.chars().find(|c| is_invisible(*c)) {
        return Err(format!("has the invisible character U+{:04X}; take it out", u32::from(odd)));
    }
    alternatives.iter().map(|one| compile(one)).collect()
}

/// A text with commas as the list that was meant. In YAML `*`, `!` and others have a meaning at the beginning of a text.
fn list_of(text: &str) -> String {
    let items = text.trim_matches(['[', ']']).split(',').map(str::trim).filter(|item| !item.is_empty());
    let quoted =
        items.map(|item| match item.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '/')) {
            true => item.to_owned(),
            false => format!("'{item}'"),
        });
    format!("[{}]", quoted.collect::<Vec<_>>().join(", "))
}

fn compile_glob(text: &str, check: fn(&str) -> Result<String, String>) -> Result<Matcher, String> {
    check_glob(text)?;
    let checked = check(text)?;
    Pattern::new(&checked).map(Matcher::Glob).map_err(|error| match error.msg {
        msg if msg.contains("recursive") || msg.contains("wildcards") => {
            "has `**` beside something else; write it alone between slashes, such as `release/**`".to_owned()
        }
        msg => format!("is not a pattern: {msg} at character {}", error.pos + 1),
    })
}

/// A pattern for each alternative of `{a,b}`.
fn expand(text: &str) -> Result<Vec<String>, String> {
    const UNBALANCED: &str = "has a brace without its partner; write `{a,b}`";
    let mut done = Vec::new();
    let mut left = vec![text.to_owned()];
    while let Some(text) = left.pop() {
        // The innermost pair first, so that what is between the braces has none.
        let Some(close) = text.find('}') else {
            match text.contains('{') {
                true => return Err(UNBALANCED.to_owned()),
                false => done.push(text),
            }
            continue;
        };
        let (before, after) = (&text[..close], &text[close + 1..]);
        let open = before.rfind('{').ok_or(UNBALANCED)?;
        let (before, inside) = (&before[..open], &before[open + 1..]);
        if !inside.contains(',') {
            return Err("has braces around one alternative; write `{a,b}`, or leave the braces out".to_owned());
        }
        // In reverse, so that the first alternative is taken from the end first.
        left.extend(inside.rsplit(',').map(|one| format!("{before}{one}{after}")));
        if left.len() + done.len() > MAX_ALTERNATIVES {
            return Err(format!("has more than {MAX_ALTERNATIVES} alternatives; write several patterns"));
        }
    }
    Ok(done)
}

/// What the signs of a pattern must be like, whatever it is for.
fn check_glob(text: &str) -> Result<(), String> {
    if text.contains("]+") || text.contains("*+") || text.contains("?+") {
        return Err("has a `+` that repeats; only `*` repeats here".to_owned());
    }
    let mut rest = text;
    while let Some((_, class)) = rest.split_once('[') {
        let negated = class.starts_with('!');
        let class = class.strip_prefix('!').unwrap_or(class);
        // A bracket that comes first is one of the characters.
        let end = class.char_indices().skip(1).find(|(_, c)| *c == ']').map(|(at, _)| at);
        let Some((inside, after)) = end.map(|end| (&class[..end], &class[end + 1..])) else {
            return Err("has `[` without its `]`; write `[ab]`".to_owned());
        };
        if inside.starts_with('^') && !negated {
            return Err("has `[^`; write `[!` for every other character".to_owned());
        }
        let characters = inside.chars().collect::<Vec<_>>();
        if characters.windows(3).any(|range| range[1] == '-' && range[0] > range[2]) {
            return Err(format!("has the range `[{inside}]`, which runs backwards"));
        }
        rest = after;
    }
    Ok(())
}

/// The regular expression for a pattern of a file in the filters of a workflow,
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet>.
fn file_regex(text: &str) -> Result<String, String> {
    // A name can have line breaks.
    const START: &str = "(?s)^";
    let mut regex = START.to_owned();
    let mut rest = text;
    // What `?` and `+` repeat: one character or one class.
    let mut can_repeat = false;
    while let Some(sign) = rest.chars().next() {
        let after = &rest[sign.len_utf8()..];
        let at_start = regex == START || regex.ends_with('/');
        let repeats = std::mem::replace(&mut can_repeat, !matches!(sign, '*' | '?' | '+' | '/'));
        rest = after;
        match sign {
            '*' if after.starts_with("*/") && at_start => {
                regex += "(?:.*/)?";
                rest = &after[2..];
            }
            '*' if after.starts_with('*') => {
                regex += ".*";
                rest = after.trim_start_matches('*');
            }
            '*' => regex += "[^/]*",
            '?' | '+' if repeats => regex.push(sign),
            '?' | '+' => return Err(format!("has `{sign}` without a character before it; it repeats that character")),
            '[' => {
                let (class, after) = after.split_once(']').ok_or("has `[` without its `]`; write `[ab]`")?;
                let fits = class.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
                if !fits || class.is_empty() || class.starts_with('-') || class.ends_with('-') {
                    return Err(format!("has `[{class}]`; write letters, digits and ranges such as `[a-z]`"));
                }
                regex += &format!("[{class}]");
                rest = after;
            }
            '\\' => {
                let escaped = after.chars().next().filter(|c| "*?+[]!\\".contains(*c));
                let escaped = escaped.ok_or("has `\\`; write `/` between folders")?;
                regex += &regex_lite::escape(&escaped.to_string());
                rest = &after[1..];
            }
            plain => regex += &regex_lite::escape(&plain.to_string()),
        }
    }
    Ok(regex + "$")
}

/// Texts for all that one alternative of a pattern can match: a negative pattern that matches each of them takes out all
/// of it. `None` if that does not follow.
fn samples(text: &str, negative: &str) -> Option<Vec<String>> {
    // In a sample, one character is in the place of any text. These signs match just one.
    if text.contains(SIGNS) && (negative.contains('?') || negative[1..].contains("[!")) {
        return None;
    }
    let most = match text.matches("**").count() {
        0 => 0,
        // With more parts than the negative pattern has itself, a `**` of its own takes at least one, and so any number.
        1 => Some(negative.matches('/').count() + 2).filter(|most| *most <= MAX_PARTS)?,
        _ if negative == "!**" => 0,
        _ => return None,
    };
    Some((0..=most).map(|parts| sample(text, parts)).collect())
}

/// A text in which a character that no pattern has is in the place of each sign, and so many such parts in that of `**`.
fn sample(text: &str, parts: usize) -> String {
    const ANY: &str = "\0";
    let mut sample = String::new();
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        rest = &rest[sign.len_utf8()..];
        match sign {
            '*' if rest.starts_with('*') => {
                rest = rest.trim_start_matches('*');
                if parts == 0 && (sample.is_empty() || sample.ends_with('/')) {
                    rest = rest.strip_prefix('/').unwrap_or(rest);
                }
                sample += &vec![ANY; parts].join("/");
            }
            '*' => sample += ANY,
            '?' | '+' => {
                // For files, the sign is about the character before it.
                if !sample.ends_with('/') {
                    sample.pop();
                }
                sample += ANY;
            }
            '[' => {
                rest = after_class(rest);
                sample += ANY;
            }
            // An escaped sign.
            '\\' => {
                sample.extend(rest.chars().next());
                rest = rest.get(1..).unwrap_or_default();
            }
            plain => sample.push(plain),
        }
    }
    sample
}

/// What follows `[ab]`, given the text after its `[`. A bracket that comes first is one of the characters.
fn after_class(class: &str) -> &str {
    let skip = usize::from(class.starts_with('!')) + 1;
    class.char_indices().skip(skip).find(|(_, c)| *c == ']').map_or("", |(at, _)| &class[at + 1..])
}

/// A pattern with a plain character for each of its signs.
fn filled(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, class)) = rest.split_once('[') {
        plain += before;
        plain.push('x');
        rest = after_class(class);
    }
    (plain + rest).replace(['*', '?'], "x")
}

impl Subject for RepositoryName {
    const SCHEMA: &'static str = r"^[^\s/@:]+(/[^\s/@:]+)+$";
    const CASE_SENSITIVE: bool = false;

    fn check(text: &str) -> Result<String, String> {
        const FORM: &str = "is not a pattern for repositories; write `owner/name`, such as `acme/*`";
        let write = |bare: &str| match filled(bare).parse::<Repository>() {
            Ok(_) if !bare.ends_with(".git") => format!("write `{bare}`"),
            _ => "write `owner/name`, such as `acme/*`".to_owned(),
        };
        let bare = text.strip_prefix('@').unwrap_or(text);
        // `https://host/owner/name`, or `git@host:owner/name`.
        if let Some((_, rest)) = text.split_once("://").or_else(|| text.split_once('@')?.1.split_once(':')) {
            let host = usize::from(text.contains("://"));
            let parts = rest.split('/').skip(host).take(2).collect::<Vec<_>>().join("/");
            return Err(format!("is an address; {}", write(parts.strip_suffix(".git").unwrap_or(&parts))));
        }
        if bare != text {
            return Err(format!("begins with `@`; {}", write(bare)));
        }
        if let Some(bare) = text.strip_suffix(".git") {
            return Err(format!("ends with `.git`, and no repository's name does; {}", write(bare)));
        }
        if text.split('/').count() != 2 || text.split('/').any(str::is_empty) {
            return Err(FORM.to_owned());
        }
        // A name has two parts, so that `**` can only be one.
        let read = |part| if part == "**" { "*" } else { part };
        match filled(text).parse::<Repository>() {
            Ok(_) => Ok(text.split('/').map(read).collect::<Vec<_>>().join("/")),
            Err(RepositoryError::Address | RepositoryError::Form) => Err(FORM.to_owned()),
            Err(why) => Err(why.to_string()),
        }
    }
}

impl Subject for BranchName {
    const SCHEMA: &'static str = r"^[^\s~^:\\]+$";
    const CASE_SENSITIVE: bool = true;

    fn check(text: &str) -> Result<String, String> {
        if let Some(bare) = text.strip_prefix("refs/") {
            let branch = bare.strip_prefix("heads/").filter(|bare| branch_name(&filled(bare)).is_ok());
            let bare = branch.unwrap_or("release/*");
            return Err(format!("begins with `refs/`; write a branch's bare name, such as `{bare}`"));
        }
        branch_name(&filled(text)).map(|_| text.to_owned())
    }
}

impl Subject for WorkflowPath {
    const SCHEMA: &'static str = r"(\.ya?ml|[*}])$";
    const CASE_SENSITIVE: bool = true;

    fn check(text: &str) -> Result<String, String> {
        const FORM: &str = "is not a workflow's file; write its name, such as `release.yml`";
        let parts = text.split('/').collect::<Vec<_>>();
        let file = parts.last().copied().unwrap_or_default();
        // `release.yml@main`, as under `uses:`.
        let has_ref = [".yml@", ".yaml@"].iter().any(|end| file.contains(end));
        if has_ref || !(file.ends_with(".yml") || file.ends_with(".yaml") || file.ends_with('*')) {
            return Err(FORM.to_owned());
        }
        if parts.len() == 1 {
            return Ok(text.to_owned());
        }
        let whole = || {
            format!(
                "matches no workflow; write the file's name, or its whole path as \
                 `owner/name/.github/workflows/{}`",
                if file.contains("**") { "release.yml" } else { file }
            )
        };
        // The parts before the first `**` are counted from the front, and those after the last one from the end.
        let first = parts.iter().position(|part| *part == "**").unwrap_or(parts.len());
        let last = parts.iter().rposition(|part| *part == "**").map_or(parts.len(), |at| at + 1);
        let after = parts.len() - last;
        if first + after > WORKFLOW_PARTS || first == parts.len() && first != WORKFLOW_PARTS {
            return Err(whole());
        }
        // A name that GitHub does not allow matches no repository.
        if first >= 2 && filled(&parts[..2].join("/")).parse::<Repository>().is_err() {
            return Err(whole());
        }
        let mut read = parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        for (at, part) in parts.iter().enumerate() {
            let place = match at {
                at if at < first => at,
                at if at >= last => WORKFLOW_PARTS - (parts.len() - at),
                _ => continue,
            };
            match place {
                // GitHub knows owners and repositories without regard to case, and files with it.
                0 | 1 => read[at] = part.to_lowercase(),
                2 | 3 if !Pattern::new(part).is_ok_and(|part| part.matches(WORKFLOW_FOLDER[place - 2])) => {
                    return Err(whole());
                }
                _ => {}
            }
        }
        Ok(read.join("/"))
    }

    fn subject(pattern: &str, path: &str) -> String {
        if !pattern.contains('/') {
            return path.rsplit('/').next().unwrap_or(path).to_owned();
        }
        let mut parts = path.split('/').map(str::to_owned).collect::<Vec<_>>();
        parts.iter_mut().take(2).for_each(|part| *part = part.to_lowercase());
        parts.join("/")
    }
}

impl Subject for FilePath {
    const SCHEMA: &'static str = r"^!?[^/]";
    const CASE_SENSITIVE: bool = true;
    const HAS_SPACES: bool = true;

    fn check(text: &str) -> Result<String, String> {
        let is_path = |text: &str| text.trim() == text && !text.split('/').any(|part| matches!(part, "" | "." | ".."));
        let write = |path: &str| format!("write `{}`", if is_path(path) { path } else { "docs/**" });
        let bare = text.trim_start_matches("./").trim_start_matches('/');
        if bare != text {
            return Err(format!("does not begin at the top of the repository; {}", write(bare)));
        }
        if text.ends_with('/') {
            return Err(format!("is a folder, and only files change; {}", write(&format!("{text}**"))));
        }
        match is_path(text) {
            true => Ok(text.to_owned()),
            false => Err("is not the path of a file; write for example `docs/**`".to_owned()),
        }
    }

    fn compile(text: &str) -> Result<Matcher, String> {
        let regex = file_regex(&Self::check(text)?)?;
        let regex = Regex::new(&regex).map_err(|why| format!("is not a pattern: {why}"))?;
        Ok(Matcher::Regex(regex, text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list<S: Subject>(patterns: &[&str]) -> Result<PatternList<S>, String> {
        let patterns = patterns.iter().map(|pattern| pattern.parse()).collect::<Result<Vec<_>, _>>()?;
        PatternList::new(patterns)
    }

    #[track_caller]
    fn matches<S: Subject>(patterns: &[&str], value: &str) -> bool {
        list::<S>(patterns).unwrap().matches(value)
    }

    #[test]
    fn negated_patterns_take_out_in_order() {
        let patterns = ["acme/*", "!acme/secret*", "acme/secretary"];
        for (name, fits) in [("acme/app", true), ("Acme/SECRETS", false), ("acme/secretary", true), ("octo/app", false)]
        {
            assert_eq!(matches::<RepositoryName>(&patterns, name), fits, "{name}");
        }
        assert!(matches::<BranchName>(&["**", "!main"], "release/1"));
        assert!(!matches::<BranchName>(&["**", "!main"], "main"));
        assert!(!matches::<WorkflowPath>(&["*.yml", "!release.yml"], "o/r/.github/workflows/release.yml"));
    }

    #[test]
    fn braces_are_alternatives() {
        for name in ["acme/secrets", "acme/keys", "octo/KEYS"] {
            assert!(matches::<RepositoryName>(&["{acme,octo}/{secrets,keys}"], name), "{name}");
        }
        assert!(!matches::<RepositoryName>(&["acme/{secrets,keys}"], "acme/other"));
        assert!(matches::<BranchName>(&["release/{1,2{a,b}}"], "release/2b"));
        assert!(matches::<WorkflowPath>(&["release.{yml,yaml}"], "o/r/.github/workflows/release.yaml"));
        assert!(!matches::<RepositoryName>(&["acme/*", "!acme/{a,b}"], "acme/b"));
    }

    #[test]
    fn workflow_paths_ignore_case_in_the_repository_only() {
        let path = "ACME/App/.github/workflows/Release.yml";
        assert!(matches::<WorkflowPath>(&["acme/APP/.github/workflows/Release.yml"], path));
        assert!(!matches::<WorkflowPath>(&["acme/app/.github/workflows/release.yml"], path));
        for pattern in ["acme/**", "acme/*/.github/workflows/*.yml", "**/Release.yml", "*/App/**/Release.yml"] {
            assert!(matches::<WorkflowPath>(&[pattern], path), "{pattern}");
        }
    }

    #[test]
    fn file_patterns_are_those_of_actions() {
        // The examples of GitHub's own table, see `file_regex`.
        for (pattern, matched, other) in [
            ("*", &["README.md", "server.rb"][..], "docs/a.md"),
            ("*.jsx?", &["page.js", "page.jsx"], "page.jsxx"),
            ("all/**", &["all/the/files.md", "all/the\n"], "al/x"),
            ("*.js", &["app.js", "index.js"], "js/index.js"),
            ("**.js", &["index.js", "js/index.js", "src/js/app.js"], "index.jsx"),
            ("docs/*", &["docs/README.md", "docs/file.txt"], "docs/a/b.md"),
            ("docs/**", &["docs/README.md", "docs/mona/octocat.txt"], "docs"),
            ("docs/**/*.md", &["docs/README.md", "docs/mona/hello-world.md", "docs/a/markdown/file.md"], "docs/a.txt"),
            ("**/docs/**", &["docs/hello.md", "dir/docs/my-file.txt", "space/docs/plan/space.doc"], "docs.md"),
            ("**/README.md", &["README.md", "js/README.md"], "xREADME.md"),
            ("**/*src/**", &["a/src/app.js", "my-src/code/js/app.js"], "a/srcs/app.js"),
            ("**/*-post.md", &["my-post.md", "path/their-post.md"], "my-post.mdx"),
            ("**/migrate-*.sql", &["migrate-10909.sql", "db/sept/migrate-v1.sql"], "migrate.sql"),
            ("v[12].[0-9]+.txt", &["v1.10.txt", "v2.9.txt"], "v1..txt"),
            ("[CB]at", &["Cat", "Bat"], "cat"),
            ("a file (1).{md,txt}", &["a file (1).md", "a file (1).txt"], "a file 1.md"),
            (r"app/\[id\]/page\+.ts", &["app/[id]/page+.ts"], "app/i/page+.ts"),
        ] {
            for path in matched {
                assert!(matches::<FilePath>(&[pattern], path), "{pattern}: {path}");
            }
            assert!(!matches::<FilePath>(&[pattern], other), "{pattern}: {other}");
        }
        assert!(!matches::<FilePath>(&["*.md", "!README.md"], "README.md"));
        assert!(matches::<FilePath>(&["*.md", "!README.md", "README*"], "README.md"));
    }

    #[test]
    fn file_patterns_that_can_match_nothing_are_errors() {
        for (pattern, part) in [
            ("/src/**", "write `src/**`"),
            ("./src/**", "write `src/**`"),
            ("src/", "write `src/**`"),
            ("src//a", "not the path of a file"),
            ("../a", "not the path of a file"),
            (" a", "not the path of a file"),
            (r"src\main.rs", "write `/` between folders"),
            ("!src/**", "comes first"),
            ("?.md", "`?` without a character"),
            ("src/+", "`+` without a character"),
            ("a[", "without its `]`"),
            ("a[!b]", "letters, digits and ranges"),
            ("a[z-a]", "is not a pattern"),
            ("a{b", "without its partner"),
            ("a\nb", "white space"),
        ] {
            let why = list::<FilePath>(&[pattern]).unwrap_err();
            assert!(why.contains(part), "{pattern}: {why}");
        }
    }

    #[test]
    fn required_patterns_each_need_a_value() {
        let required = list::<FilePath>(&["CHANGELOG.md", "docs/**", "!docs/internal/**"]).unwrap();
        assert_eq!(required.unmatched(&["CHANGELOG.md", "docs/internal/a.md"]), ["docs/**"]);
        assert_eq!(required.unmatched(&["docs/a.md"]), ["CHANGELOG.md"]);
    }

    #[test]
    fn lists_that_can_match_nothing_are_errors() {
        for patterns in [
            &["acme/*", "!acme/*"][..],
            &["octo/*", "!*/*"],
            &["octo/*", "!OCTO/*"],
            &["octo/{app,lib}", "!octo/app", "!octo/lib"],
            &["octo/a*", "octo/b", "!octo/*"],
            &["octo/a?", "!octo/a?"],
            &["octo/a*", "!octo/[a-z]*"],
            &["octo/**", "!octo/*"],
            &["octo/a", "!octo/?"],
            &["octo/a*", "!octo/b", "!octo/{b,a*}"],
        ] {
            let why = list::<RepositoryName>(patterns).unwrap_err();
            assert!(why.contains("is taken out again"), "{patterns:?}: {why}");
        }
        for patterns in [
            &["**", "!**"][..],
            &["*", "!*"],
            &["*", "!**"],
            &["release/**", "!release/**"],
            &["release/**", "!rel*/**"],
            &["**/x", "!**"],
            &["**/a/**", "!**"],
        ] {
            assert!(list::<BranchName>(patterns).is_err(), "{patterns:?}");
        }
        for patterns in
            [&["release.yml", "!*.yml"][..], &["*.yml", "!*"], &["acme/**", "!*/**"], &["a*.yml", "!**/*.yml"]]
        {
            assert!(list::<WorkflowPath>(patterns).is_err(), "{patterns:?}");
        }
        for patterns in
            [&["x", "!**"][..], &["docs/*.md", "!docs/**"], &["**.js", "!**"], &["src/[a-c]?+.x", "!src/**"]]
        {
            assert!(list::<FilePath>(patterns).is_err(), "{patterns:?}");
        }
    }

    #[test]
    fn lists_that_can_match_something_are_read() {
        // With a value that matches.
        for (patterns, value) in [
            (&["acme/*", "!acme/a*"][..], "acme/b"),
            (&["acme/*", "!acme/?"], "acme/ab"),
            (&["acme/a*", "!acme/a?"], "acme/abc"),
            (&["acme/*", "!acme/[!a]*"], "acme/a"),
            (&["acme/*", "!acme/*", "acme/app"], "acme/app"),
            (&["acme/*", "octo/*", "!acme/*"], "octo/app"),
            (&["acme/[ab]", "!acme/a"], "acme/b"),
            (&["acme/{a,b}", "!acme/a"], "acme/b"),
            (&["acme/*-x", "!acme/*-x-*"], "acme/a-x"),
        ] {
            assert!(matches::<RepositoryName>(patterns, value), "{patterns:?}");
        }
        for (patterns, value) in [
            (&["**", "!*"][..], "a/b"),
            (&["**", "!*/**"], "a"),
            (&["release/**", "!release/*"], "release/a/b"),
            (&["release/**", "!release/*/**"], "release/a"),
            (&["a/**/b", "!a/*/**/b"], "a/b"),
            (&["**/a/**", "!*/a/**"], "a/b"),
            (&["*", "!?"], "ab"),
        ] {
            assert!(matches::<BranchName>(patterns, value), "{patterns:?}");
        }
        for (patterns, value) in [
            (&["*.jsx?", "!*.jsx"][..], "a.js"),
            (&["a+", "!a"], "aa"),
            (&["**.js", "!*.js"], "a/b.js"),
            (&["**/x", "!*/**/x"], "x"),
            (&[r"\[a\]", "!a"], "[a]"),
        ] {
            assert!(matches::<FilePath>(patterns, value), "{patterns:?}");
        }
        let path = "o/r/.github/workflows/a.yml";
        assert!(matches::<WorkflowPath>(&["*.yml", "!acme/**"], path));
        assert!(matches::<WorkflowPath>(&["o/**", "!b.yml"], path));
    }

    #[test]
    fn remedies_are_patterns() {
        for text in
            ["acme/.git", "@acme", "@acme/.git", "https://github.com/acme/.git", "https://github.com/acme", "a.git.git"]
        {
            let why = list::<RepositoryName>(&[text]).unwrap_err();
            assert!(why.ends_with("write `owner/name`, such as `acme/*`"), "{why}");
        }
        for text in ["refs/tags/v1", "refs/", "refs/heads/", "refs/**"] {
            let why = list::<BranchName>(&[text]).unwrap_err();
            assert!(why.ends_with("such as `release/*`"), "{why}");
        }
        for text in ["/", "./", ".//./x", "src//", "../"] {
            let why = list::<FilePath>(&[text]).unwrap_err();
            assert!(why.ends_with("write `docs/**`"), "{why}");
        }
    }

    #[test]
    fn patterns_that_can_match_nothing_are_errors() {
        for (patterns, part) in [
            (&["!acme/secrets"][..], "comes first"),
            (&["acme/app", "!acme/app"], "taken out again"),
            (&["@acme/secrets"], "write `acme/secrets`"),
            (&["acme/secrets.git"], "write `acme/secrets`"),
            (&["https://github.com/acme/secrets.git"], "write `acme/secrets`"),
            (&["git@github.com:acme/secrets.git"], "write `acme/secrets`"),
            (&["ssh://git@github.com/acme/secrets.git"], "write `acme/secrets`"),
            (&["git@github.com:acme/secrets"], "write `acme/secrets`"),
            (&["acme"], "write `owner/name`"),
            (&["acme/a/b"], "write `owner/name`"),
            (&["acme/{a"], "without its partner"),
            (&["acme/{a}"], "one alternative"),
            (&["acme/{a,}"], "write `owner/name`"),
            (&["acme/a b"], "white space"),
            (&["acme/[a"], "without its `]`"),
            (&["acme/[^a]"], "write `[!`"),
            (&["acme/[z-a]"], "runs backwards"),
            (&["acme/a,b"], "write a list, such as `[acme/a, b]`"),
            (&["acme/a, acme/b"], "write a list, such as `[acme/a, acme/b]`"),
            (&["{acme/a,acme/b},!acme/c"], "write a list"),
            (&["acme/**b"], "alone between slashes"),
            (&["acme/[0-9]+"], "only `*` repeats"),
        ] {
            let actual = list::<RepositoryName>(patterns).unwrap_err();
            assert!(actual.contains(part), "{patterns:?}: {actual}");
        }
        for pattern in
            ["refs/heads/*", "refs/heads/main", "a b", "main~1", "release/**x", "x.lock", "*/", "v[12].[0-9]+"]
        {
            assert!(list::<BranchName>(&[pattern]).is_err(), "{pattern}");
        }
        for pattern in [
            ".github/workflows/release.yml",
            "./release.yml",
            "workflows/*",
            "acme/app/release.yml",
            "acme/app/.github/workflow/release.yml",
            "acme/app/.github/workflows/sub/release.yml",
            "acme/app/x/**",
            "Release",
            "release.yml@main",
        ] {
            assert!(list::<WorkflowPath>(&[pattern]).is_err(), "{pattern}");
        }
        let many = "{a,b}".repeat(9);
        assert!(list::<BranchName>(&[&many]).unwrap_err().contains("more than 256"));
    }

    #[test]
    fn patterns_of_names_that_cannot_be_are_refused() {
        for text in [".x", "x/.hidden", "feature/.x/y", "@", "a.lock/b", "main\u{200b}"] {
            assert!(list::<BranchName>(&["**", &format!("!{text}")]).is_err(), "{text}");
        }
        for text in ["release.yml@*", "@octo/app/.github/workflows/release.yml", "octo/a b/.github/workflows/x.yml"] {
            assert!(list::<WorkflowPath>(&["*.yml", &format!("!{text}")]).is_err(), "{text}");
        }
        assert!(
            list::<WorkflowPath>(&["*/*/.github/workflows/*.yml", "**/x.yml", "octo/{a,b}/.github/workflows/x.yml"])
                .is_ok()
        );
        assert!(list::<BranchName>(&["release/v1.2", "a.b/*"]).is_ok());
    }
}
