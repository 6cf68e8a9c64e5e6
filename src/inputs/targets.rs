//! The repositories that a step is for: those the user lists, and the part of them that one job of several takes.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::github::repository::{Repository, RepositoryError, branch_name};
use crate::inputs::vars;
use crate::order::json_object;
use crate::policy::evaluate::{EntrySettings, is_template};
use crate::policy::values::{agent, model_name};
use crate::text::shown;
use crate::yaml::compose;

/// The most bytes of a list. GitHub's search finds at most 1,000 repositories for a query, and a list of ten thousand
/// with variables of their own has about a tenth of this.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The most jobs of a matrix, <https://docs.github.com/en/actions/reference/limits>.
pub const MAX_SHARDS: usize = 256;
/// The longest name of an entry, in characters, as for a task class; it travels in the marker of each prompt.
const MAX_NAME: usize = 100;
/// The fields of an entry beside its repository. Everything else on its line is a variable.
const FIELDS: [&str; 5] = ["name", "base-ref", "head-ref", "model", "custom-agent"];
/// The prefix of the part that a list is.
const PART: &str = "part:";
/// The prefix of a query.
const QUERY: &str = "query:";

/// An entry of the list: a repository, with what it has of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where the task runs.
    pub repository: Repository,
    /// What distinguishes it from other entries of the same repository.
    pub name: Option<String>,
    /// What it asks for in place of what the step asks for.
    pub settings: EntrySettings,
    /// What `vars` has for this entry alone; it goes before what `vars` has for all.
    pub vars: Map<String, Value>,
    /// Where its next task belongs in a rollout over days.
    pub place: Option<StartPlace>,
}

/// Where a task belongs in a rollout over days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartPlace {
    /// The number of its wave, counted from one.
    pub wave: usize,
    /// Which task of its entry it is, counted from one.
    pub attempt: usize,
}

impl Target {
    /// A repository without anything of its own.
    pub fn new(repository: Repository) -> Self {
        Self { repository, name: None, settings: EntrySettings::default(), vars: Map::new(), place: None }
    }

    /// The variables of all repositories, with those of this one in their place.
    pub fn with_own(&self, vars: &Map<String, Value>) -> Map<String, Value> {
        json_object(&mut vars.iter().chain(&self.vars).map(|(name, value)| (name.clone(), value.clone())))
    }

    /// What it is called: its repository and its name.
    pub fn label(&self) -> String {
        self.repository.labeled(self.name.as_deref())
    }

    /// Whether it has no variables and asks for nothing of its own.
    pub fn is_plain(&self) -> bool {
        self.vars.is_empty() && self.settings == EntrySettings::default()
    }

    /// The same with the values of these [`FIELDS`].
    fn with_fields(mut self, mut fields: Map<String, Value>) -> Result<Self, String> {
        let repository = self.repository.to_string();
        let mut text = |field: &str, check: &dyn Fn(&str) -> Result<String, String>| {
            let text = match fields.remove(field) {
                None => return Ok(None),
                Some(Value::String(text)) => text,
                Some(Value::Number(number)) => number.to_string(),
                Some(_) => return Err(format!("`{field}` of {repository} is not a text")),
            };
            let wrong = |why| format!("`{field}: {}` of {repository} {why}", shown(&text));
            check(text.trim()).map(Some).map_err(wrong)
        };
        let branch = |text: &str| if is_template(text) { Ok(text.to_owned()) } else { branch_name(text) };
        let model = |text: &str| model_name(text).map(str::to_owned);
        self.name = text("name", &entry_name)?;
        self.settings.base_ref = text("base-ref", &branch)?;
        self.settings.head_ref = text("head-ref", &branch)?;
        self.settings.custom_agent = text("custom-agent", &agent)?;
        let models = match fields.remove("model") {
            Some(Value::Array(models)) => models,
            one => one.into_iter().collect(),
        };
        for name in models {
            let name = match &name {
                Value::String(name) => {
                    model(name).map_err(|why| format!("`model: {}` of {repository} {why}", shown(name)))
                }
                _ => Err(format!("`model` of {repository} is not a text or a list of texts")),
            };
            let name = Some(name?).filter(|name| !name.eq_ignore_ascii_case("auto"));
            self.settings.models.get_or_insert_default().push(name);
        }
        Ok(self)
    }

    /// What [`Target::with_fields`] reads, with the repository.
    fn fields(&self) -> Map<String, Value> {
        let EntrySettings { base_ref, head_ref, models, custom_agent } = &self.settings;
        let name = |model: &Option<String>| Value::from(model.as_deref().unwrap_or("auto"));
        let models = models.as_ref().map(|models| models.iter().map(name).collect::<Value>());
        let texts = [&self.name, base_ref, head_ref].map(|text| text.as_deref().map(Value::from));
        let values = texts.into_iter().chain([models, custom_agent.as_deref().map(Value::from)]);
        let mut fields = FIELDS.into_iter().zip(values).filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let mut fields = json_object(&mut fields);
        fields.insert("repository".to_owned(), self.repository.to_string().into());
        fields
    }
}

/// The name of an entry, or of a rollout.
pub(super) fn entry_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(fits) && text.len() <= MAX_NAME {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "is not a name; begin it with a letter or digit, and write letters, digits, `.`, `_` and `-`, at most {MAX_NAME}"
        )),
    }
}

/// Where repositories are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Here.
    Named(Target),
    /// In a file of the workspace, which has a list of the same form.
    File(String),
    /// In what GitHub's search finds for a query.
    Query(String),
}

/// A list as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    /// Its items, in their order.
    pub sources: Vec<Source>,
    /// Which part of a larger list it is already, so that nothing is cut off it and the limits are shared.
    pub part: Option<Shard>,
    /// What YAML drops of it, see [`compose::warnings`].
    pub warnings: Vec<String>,
}

/// Reads a list: a repository, `@file` or `query: …` on each line, or a YAML list of these.
///
/// # Errors
/// All that is wrong with it, each as a predicate with its place.
pub fn read(text: &str) -> Result<List, Vec<String>> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (part, text) = match first.trim().strip_prefix(PART) {
        Some(part) => (
            Some(part.trim().parse::<Shard>().map_err(|why| vec![format!("has the line `{first}`, which {why}")])?),
            rest,
        ),
        None => (None, text),
    };
    let actual = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let yaml = actual.is_some_and(|line| line.starts_with('[') || line == "-" || line.starts_with("- "));
    let items = if yaml { items(text) } else { lines(text) };
    let warnings = if yaml { compose::warnings(text, false) } else { Vec::new() };
    let mut sources = Vec::new();
    let mut wrong = Vec::new();
    for item in items.map_err(|why| vec![why])? {
        match item {
            (_, Ok(source)) => sources.push(source),
            (place, Err(why)) => wrong.push(format!("has a mistake in {place}: {why}")),
        }
    }
    if wrong.is_empty() { Ok(List { sources, part, warnings }) } else { Err(wrong) }
}

/// An item with its place.
type Item = (String, Result<Source, String>);

fn lines(text: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        let place = || format!("line {}", at + 1);
        // A query can have commas of its own, so it needs its own line.
        let is_query = line.starts_with(QUERY);
        let line = match comment(line, is_query) {
            Ok(line) => line,
            Err(why) => {
                items.push((place(), Err(why)));
                continue;
            }
        };
        let words: Vec<&str> = if is_query { vec![line] } else { line.split(',').collect() };
        let words = words.into_iter().map(str::trim).filter(|word| !word.is_empty());
        items.extend(words.map(|word| (place(), source(word))));
    }
    Ok(items)
}

/// A line without the comment at its end. Where a `#` may belong to the line, it is an error: what is after it must not
/// get lost, least of all an exclusion of a query.
fn comment(line: &str, is_query: bool) -> Result<&str, String> {
    const OWN_LINE: &str = "write the comment on its own line";
    let mut is_quoted = false;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match c {
            '"' if is_query => is_quoted = !is_quoted,
            '#' if before.is_whitespace() && !is_quoted => {
                let (kept, after) = line.split_at(at);
                let is_comment = after[1..].is_empty() || after[1..].starts_with(char::is_whitespace);
                return match (is_query, is_comment) {
                    (false, true) => Ok(kept.trim_end()),
                    (true, _) => Err(format!("the query has a `#` outside of quotes; put it in quotes, or {OWN_LINE}")),
                    (false, false) => Err(format!("`{}` may be a comment or a value; {OWN_LINE}", shown(after))),
                };
            }
            _ => {}
        }
        before = c;
    }
    Ok(line)
}

fn items(text: &str) -> Result<Vec<Item>, String> {
    // To YAML ` #` begins a comment, so that what is after it is gone once it is read.
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#')) {
        if let Some((before, query)) = line.split_once(QUERY)
            && !before.ends_with(['"', '\''])
            && !query.trim_start().starts_with(['"', '\''])
            && query.contains(" #")
        {
            return Err(format!(
                "line {}: the query has a `#`, which begins a comment in YAML; put the whole query in single quotes, or \
                 write the comment on its own line",
                at + 1
            ));
        }
    }
    let Value::Array(listed) = vars::read(text, MAX_BYTES)? else {
        return Err("is not a list; write `- owner/name` on each line".to_owned());
    };
    let source = |item: Value| match item {
        Value::String(text) => source(text.trim()),
        Value::Object(fields) => object(fields),
        other => Err(format!("`{}` is not a repository; write `owner/name`", shown(&other.to_string()))),
    };
    Ok(listed.into_iter().enumerate().map(|(at, item)| (format!("item {}", at + 1), source(item))).collect())
}

/// An item in one line.
fn source(text: &str) -> Result<Source, String> {
    if let Some(query) = text.strip_prefix(QUERY) {
        return query_of(query);
    }
    if let Some(file) = text.strip_prefix('@') {
        return match file.trim() {
            "" => Err("`@` has no file after it; write `@` and a path in the workspace".to_owned()),
            file if file.contains("{{") => {
                Err(format!("`{}` contains {{{{, and a file name is not a template", shown(file)))
            }
            file => Ok(Source::File(file.to_owned())),
        };
    }
    let mut words = text.split_whitespace();
    let repository = named(words.next().unwrap_or_default())?;
    let (mut fields, mut vars) = (Map::new(), Map::new());
    for word in words {
        let pair = word.split_once('=').filter(|(name, _)| !name.is_empty());
        let (name, value) = pair.ok_or_else(|| match word.parse::<Repository>() {
            Ok(next) => format!("{next} is on the line of {repository}; write each repository on its own line"),
            Err(_) => {
                format!("`{}` after {repository} is not a variable; write `name=value` without spaces", shown(word))
            }
        })?;
        let is_field = FIELDS.contains(&name);
        // A field with a wrong name would be a variable that no template reads.
        let alike = name.to_ascii_lowercase().replace('_', "-");
        if !is_field && (name.contains('-') || FIELDS.contains(&alike.as_str())) {
            let (name, known) = (shown(name), FIELDS.join("`, `"));
            return Err(format!("`{name}` of {repository} is none of `{known}`; such a variable goes under `vars`"));
        }
        let value = match value {
            "true" if !is_field => Value::Bool(true),
            "false" if !is_field => Value::Bool(false),
            text => text.into(),
        };
        if (if is_field { &mut fields } else { &mut vars }).insert(name.to_owned(), value).is_some() {
            return Err(format!("{repository} has `{}` twice", shown(name)));
        }
    }
    Target { vars, ..Target::new(repository) }.with_fields(fields).map(Source::Named)
}

/// An item with fields.
fn object(mut fields: Map<String, Value>) -> Result<Source, String> {
    let query = fields.remove("query");
    let repository = fields.remove("repository");
    let vars = fields.remove("vars");
    if let Some(other) = fields.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        let known = FIELDS.join("`, `");
        return Err(format!(
            "`{}` is none of `repository`, `{known}`, `vars`, `query`; variables go under `vars`",
            shown(other)
        ));
    }
    match (repository, vars, query) {
        (Some(Value::String(name)), vars, None) => {
            let vars = match vars {
                Some(Value::Object(vars)) => vars,
                None | Some(Value::Null) => Map::new(),
                Some(_) => return Err(format!("`vars` of {} is not a mapping; write `name: value`", shown(&name))),
            };
            Target { vars, ..Target::new(named(&name)?) }.with_fields(fields).map(Source::Named)
        }
        (None, None, Some(Value::String(query))) if fields.is_empty() => query_of(&query),
        _ => Err("write `repository: owner/name`, with `vars` beside it if you like, or `query: …` alone".to_owned()),
    }
}

fn named(name: &str) -> Result<Repository, String> {
    let name = name.trim();
    name.parse().map_err(|why| {
        let query = name.strip_suffix("/*").map(|owner| format!("org:{owner}"));
        let query = query.or_else(|| (why == RepositoryError::Form && name.contains(':')).then(|| name.to_owned()));
        let name = shown(name);
        match query {
            Some(query) => format!("`{name}` is not a repository; to search, write `query: {}`", shown(&query)),
            None if why == RepositoryError::Form && name.contains('.') => {
                format!("`{name}` {why}; write `@{name}` to read a list from that file")
            }
            None => format!("`{name}` {why}"),
        }
    })
}

fn query_of(query: &str) -> Result<Source, String> {
    match query.trim() {
        "" => Err("`query:` is empty; write for example `query: org:acme topic:java -archived:true`".to_owned()),
        query if query.contains("{{") => {
            Err(format!("`{}` contains {{{{, and a query is not a template; write the value itself", shown(query)))
        }
        query if query.matches('"').count() % 2 == 1 => {
            Err(format!("`{}` has a quote without its partner; write `\"two words\"`", shown(query)))
        }
        query => Ok(Source::Query(query.to_owned())),
    }
}

/// Each repository and name once, where it was named first. One that is named again adds nothing, unless it has other
/// settings or variables.
///
/// # Errors
/// The entries that are named with different ones.
pub fn once(targets: Vec<Target>) -> Result<Vec<Target>, Vec<String>> {
    let mut places = HashMap::new();
    let mut kept: Vec<Target> = Vec::new();
    let mut wrong = Vec::new();
    for target in targets {
        let name = target.name.as_ref().map(|name| name.to_ascii_lowercase());
        let place = *places.entry((target.repository.clone(), name)).or_insert(kept.len());
        match kept.get_mut(place) {
            None => kept.push(target),
            Some(first) if first.is_plain() => (first.settings, first.vars) = (target.settings, target.vars),
            Some(first) if target.is_plain() || (&first.settings, &first.vars) == (&target.settings, &target.vars) => {}
            Some(first) => wrong.push(format!(
                "{} is named twice with different settings or variables; keep one, or give each a `name` of its own",
                first.label()
            )),
        }
    }
    if wrong.is_empty() { Ok(kept) } else { Err(wrong) }
}

/// The repositories of some entries, each once.
pub fn distinct_repositories(targets: Vec<Target>) -> Vec<Repository> {
    let mut repositories = Vec::new();
    for Target { repository, .. } in targets {
        if !repositories.contains(&repository) {
            repositories.push(repository);
        }
    }
    repositories
}

/// A list as [`read`] reads it, marked as a part.
pub fn written(targets: &[Target], part: Shard) -> String {
    let mut text = format!("{PART} {part}");
    let is_bare = |target: &Target| target.is_plain() && target.name.is_none();
    if targets.iter().all(is_bare) {
        for target in targets {
            text.push_str(&format!("\n{}", target.repository));
        }
    } else {
        let items = targets.iter().map(|target| {
            if is_bare(target) {
                return Value::String(target.repository.to_string());
            }
            let mut fields = target.fields();
            if !target.vars.is_empty() {
                fields.insert("vars".to_owned(), target.vars.clone().into());
            }
            Value::Object(fields)
        });
        text.push_str(&format!("\n{}", Value::Array(items.collect())));
    }
    text
}

/// One of several parts of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which it is, counted from one.
    pub number: usize,
    /// How many there are.
    pub count: usize,
}

/// Why a text is not a part of a list. Its `Display` names the remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a part; write its number and how many there are, such as `2/8`, with at most {MAX_SHARDS}")]
pub struct ShardError;

impl Shard {
    /// This part of a list: every eighth item where there are eight parts, so that parts differ by one at most.
    pub fn of<T>(self, list: impl IntoIterator<Item = T>) -> Vec<T> {
        list.into_iter().skip(self.number - 1).step_by(self.count).collect()
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let (number, count) = text.split_once('/').ok_or(ShardError)?;
        let read = |text: &str| text.trim().parse::<usize>().map_err(|_| ShardError);
        let (number, count) = (read(number)?, read(count)?);
        if number == 0 || number > count || count > MAX_SHARDS { Err(ShardError) } else { Ok(Self { number, count }) }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target(name: &str, vars: Value) -> Target {
        Target { vars: vars.as_object().unwrap().clone(), ..Target::new(name.parse().unwrap()) }
    }

    fn names(targets: &[Target]) -> Vec<String> {
        targets.iter().map(|target| target.repository.to_string()).collect()
    }

    #[test]
    fn list_has_a_repository_a_file_or_a_query_on_each_line() {
        let text = "# ours\nocto/app, octo/lib version=1.10 fast=true\n\n@teams/java.txt # theirs\nquery: org:acme topic:a,b\n";
        let read = read(text).unwrap();
        assert_eq!(
            read.sources,
            [
                Source::Named(target("octo/app", json!({}))),
                Source::Named(target("octo/lib", json!({"version": "1.10", "fast": true}))),
                Source::File("teams/java.txt".to_owned()),
                Source::Query("org:acme topic:a,b".to_owned()),
            ]
        );
        assert_eq!(read.part, None);
    }

    #[test]
    fn yaml_list_says_the_same_and_keeps_spellings() {
        for text in [
            "- octo/app\n- repository: octo/lib\n  vars:\n    version: 1.10\n    notes: two words\n- query: org:acme\n- '@more.txt'\n",
            r#"["octo/app", {"repository": "octo/lib", "vars": {"version": "1.10", "notes": "two words"}}, {"query": "org:acme"}, "@more.txt"]"#,
        ] {
            let read = read(text).unwrap().sources;
            assert_eq!(read[1], Source::Named(target("octo/lib", json!({"version": "1.10", "notes": "two words"}))));
            assert_eq!(read[2..], [Source::Query("org:acme".to_owned()), Source::File("more.txt".to_owned())]);
        }
    }

    #[test]
    fn problems_of_a_list_have_places() {
        let actual = read("octo\nocto/app\nocto/x/y, octo/b version\n@\nquery:\nocto/c a=1 a=2\n").unwrap_err();
        assert_eq!(actual.len(), 6, "{actual:#?}");
        for part in [
            "line 1: `octo` is not of the form",
            "line 3: `octo/x/y`",
            "line 3: `version` after octo/b",
            "line 4",
            "line 5",
            "line 6: octo/c has `a` twice",
        ] {
            assert!(actual.iter().any(|line| line.contains(part)), "{part} in {actual:#?}");
        }
        for (text, part) in [
            ("octo/app octo/lib", "octo/lib is on the line of octo/app; write each repository on its own line"),
            ("octo/*", "`octo/*` is not a repository; to search, write `query: org:octo`"),
            ("org:octo", "to search, write `query: org:octo`"),
            ("teams/list/java.txt", "write `@teams/list/java.txt` to read a list from that file"),
            ("octo/app.git", "without `.git`"),
        ] {
            let actual = read(text).unwrap_err().join("\n");
            assert!(actual.contains(part), "{text}: {actual}");
        }
        let actual =
            read("- 1\n- repo: octo/a\n- {repository: octo/b, vars: 1}\n- {query: x, vars: {}}\n").unwrap_err();
        assert_eq!(actual.len(), 4, "{actual:#?}");
        assert!(read("- a\n b: [").unwrap_err()[0].contains("line 2"));
    }

    #[test]
    fn queries_keep_everything_behind_a_number_sign() {
        for (text, query) in [
            (r##"query: org:a "team #1" -topic:frozen"##, r##"org:a "team #1" -topic:frozen"##),
            (r##"- 'query: org:a "team #1" -topic:frozen'"##, r##"org:a "team #1" -topic:frozen"##),
            (r##"- query: 'org:a "team #1" -topic:frozen'"##, r##"org:a "team #1" -topic:frozen"##),
            ("query: org:a topic:c#", "org:a topic:c#"),
        ] {
            assert_eq!(read(text).unwrap().sources, [Source::Query(query.to_owned())], "{text}");
        }
        for (text, part) in [
            ("query: org:a #1 -topic:frozen", "outside of quotes"),
            ("query: org:a # ours", "outside of quotes"),
            (r##"query: org:a "team #1 -topic:frozen"##, "without its partner"),
            (r##"- query: org:a "team #1" -topic:frozen"##, "begins a comment in YAML"),
            ("[{query: org:a #1}]", "begins a comment in YAML"),
            ("octo/app title=Fix #12", "may be a comment or a value"),
            ("@list #1.txt", "may be a comment or a value"),
            ("query: org:{{ vars.org }}", "not a template"),
        ] {
            let actual = read(text).unwrap_err().join("\n");
            assert!(actual.contains(part), "{text}: {actual}");
        }
    }

    #[test]
    fn repository_counts_once_in_any_case() {
        let targets = [("octo/app", json!({})), ("octo/lib", json!({})), ("OCTO/App", json!({"a": 1}))];
        let kept = once(targets.map(|(name, vars)| target(name, vars)).into()).unwrap();
        assert_eq!(kept, [target("octo/app", json!({"a": 1})), target("octo/lib", json!({}))]);
        let two = vec![target("octo/app", json!({"a": 1})), target("Octo/app", json!({"a": 2}))];
        assert!(once(two).unwrap_err()[0].contains("octo/app is named twice"));
    }

    #[test]
    fn parts_hold_every_repository_once_and_are_read_back() {
        let all = (0..23).map(|at| target(&format!("octo/r{at}"), json!({"n": at}))).collect::<Vec<_>>();
        let mut seen = Vec::new();
        for number in 1..=5 {
            let shard = format!("{number}/5").parse::<Shard>().unwrap();
            let part = shard.of(all.clone());
            assert!((4..=5).contains(&part.len()));
            let list = read(&written(&part, shard)).unwrap();
            assert_eq!(list.part, Some(shard));
            assert_eq!(list.sources, part.iter().cloned().map(Source::Named).collect::<Vec<_>>());
            seen.extend(names(&part));
        }
        seen.sort();
        let mut expected = names(&all);
        expected.sort();
        assert_eq!(seen, expected);
        let bare = written(&[target("octo/a", json!({}))], Shard { number: 1, count: 2 });
        assert_eq!(bare, "part: 1/2\nocto/a");
        for text in ["0/8", "9/8", "2", "1/257", "a/b"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn repositorys_own_variables_go_before_those_of_all() {
        let all = json!({"a": 1, "b": 2}).as_object().unwrap().clone();
        assert_eq!(Value::Object(target("o/r", json!({"b": 3})).with_own(&all)), json!({"a": 1, "b": 3}));
    }

    /// An entry with a setting of each kind.
    fn full() -> Target {
        let text = |text: &str| Some(text.to_owned());
        Target {
            name: text("api"),
            settings: EntrySettings {
                base_ref: text("release/2"),
                head_ref: text("copilot/{{vars.v}}"),
                models: Some(vec![text("gpt-5.4"), None]),
                custom_agent: text("fixer"),
            },
            ..target("octo/app", json!({"v": "1.2"}))
        }
    }

    #[test]
    fn entries_have_settings_and_variables() {
        let line =
            "octo/app base-ref=release/2 name=api head-ref=copilot/{{vars.v}} model=gpt-5.4 custom-agent=fixer v=1.2";
        let one = EntrySettings { models: Some(vec![Some("gpt-5.4".to_owned())]), ..full().settings };
        assert_eq!(read(line).unwrap().sources, [Source::Named(Target { settings: one, ..full() })]);
        let yaml = "- repository: octo/app\n  base-ref: release/2\n  name: api\n  head-ref: copilot/{{vars.v}}\n  \
                    model: [gpt-5.4, auto]\n  custom-agent: fixer\n  vars: {v: 1.2}\n- repository: octo/app\n  name: 7\n";
        let sources = read(yaml).unwrap().sources;
        assert_eq!(sources[0], Source::Named(full()));
        assert!(matches!(&sources[1], Source::Named(target) if target.label() == "octo/app (7)"), "{sources:?}");
        // A variable of that name goes under `vars`.
        let vars = read("- {repository: octo/app, vars: {name: x}}").unwrap().sources;
        assert_eq!(vars, [Source::Named(target("octo/app", json!({"name": "x"})))]);
    }

    #[test]
    fn settings_of_an_entry_are_checked() {
        for (text, part) in [
            ("octo/app name=a/b", "`name: a/b` of octo/app is not a name"),
            ("octo/app name=", "is not a name"),
            ("octo/app base-ref=a..b", "`base-ref: a..b` of octo/app is not a name that git allows"),
            ("octo/app head-ref=refs/tags/v1", "is not a branch"),
            ("octo/app model=gpt-*", "write each name"),
            ("octo/app custom-agent=.github/agents/fixer.agent.md", "without folder and extension"),
            ("octo/app name=a name=b", "octo/app has `name` twice"),
            ("octo/app base-ref=release/{{ vars.v }}", "without spaces"),
            ("octo/app base-rf=main", "`base-rf` of octo/app is none of `name`, `base-ref`,"),
            ("octo/app head_ref=main", "such a variable goes under `vars`"),
            ("octo/app Model=gpt-5.4", "such a variable goes under `vars`"),
            ("octo/app create-pull-request=true", "such a variable goes under `vars`"),
            ("- {repository: octo/app, model: [a, {b: c}]}", "`model` of octo/app is not a text or a list of texts"),
            ("- {repository: octo/app, base-ref: [a]}", "`base-ref` of octo/app is not a text"),
            ("- {repository: octo/app, version: 1}", "variables go under `vars`"),
            ("- {query: org:acme, name: x}", "`query: …` alone"),
        ] {
            let actual = read(text).unwrap_err().join("\n");
            assert!(actual.contains(part), "{text}: {actual}");
        }
    }

    #[test]
    fn name_makes_another_entry_of_a_repository() {
        let named = |name: &str, base: Option<&str>| {
            let settings = EntrySettings { base_ref: base.map(str::to_owned), ..EntrySettings::default() };
            Target { name: Some(name.to_owned()), settings, ..target("octo/app", json!({})) }
        };
        let all =
            vec![target("octo/app", json!({})), named("api", None), named("Web", None), named("API", Some("dev"))];
        let kept = once(all).unwrap();
        let labels = kept.iter().map(Target::label).collect::<Vec<_>>();
        assert_eq!(labels, ["octo/app", "octo/app (api)", "octo/app (Web)"]);
        assert_eq!(kept[1].settings.base_ref.as_deref(), Some("dev"));
        let two = once(vec![named("api", Some("main")), named("api", Some("dev"))]).unwrap_err();
        assert!(two[0].starts_with("octo/app (api) is named twice with different settings"), "{two:?}");
    }

    #[test]
    fn parts_keep_settings() {
        let part = Shard { number: 1, count: 1 };
        let all = [full(), target("octo/lib", json!({}))];
        let read = read(&written(&all, part)).unwrap();
        assert_eq!(read.sources, all.map(Source::Named));
    }
}
