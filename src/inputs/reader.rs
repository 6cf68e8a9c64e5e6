//! Reads one input after the other: a word, a list, a duration, a token.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::actions::context::Environment;
use crate::github::token::{Token, TokenKind};
use crate::inputs::problem::Problem;
use crate::inputs::table::{GivenInputs, INPUTS, Input, RENAMED};
use crate::policy::evaluate::is_template;
use crate::text::{nearest_name, parse_days, parse_duration, shown};

/// A shorter word is not a secret: the scheme before a token, such as `Bearer`.
const MIN_SECRET: usize = 8;
/// A word of another input that begins as a token does and is at least so long is taken for one: the shortest of
/// GitHub's own have 40 characters, and a name has fewer than half of that.
const MIN_STRAY: usize = 20;
/// The inputs whose list has a meaning of its own where it is empty: a `fail-on` without a conclusion fails nothing. The
/// other lists say themselves that they need an item.
const LISTS: [&str; 6] = ["model", "fail-on", "stop-on", "allow-users", "allow-bots", "report-fail-if"];

/// Reads one input after the other, and keeps what is wrong until the end. It holds tokens, so it has no `Debug`.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) given: Rc<GivenInputs>,
    /// Inputs of which one mistake is known already, so that no other check adds to it.
    pub(super) rejected: Vec<&'static str>,
    /// Whether the rules of the policy are known.
    pub(super) is_ruled: bool,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
    pub(super) secrets: Vec<Token>,
}

impl Reader {
    pub(super) fn new(environment: &Environment) -> Self {
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        let mut secrets = Vec::new();
        let mut given = BTreeMap::new();
        for name in environment.unreadable() {
            if name.starts_with("GITHUB_") || name.starts_with("RUNNER_") {
                problems.push(Problem::new(name, "is not valid UTF-8"));
            }
        }
        for name in environment.unreadable().iter().filter_map(|name| name.strip_prefix("INPUT_")) {
            let why = "is not valid UTF-8; save it in that encoding";
            problems.push(Problem::new(&name.to_lowercase().replace('_', "-"), why));
        }
        for (name, value) in environment.beginning_with("INPUT_").filter(|(_, value)| !value.trim().is_empty()) {
            // A composite action writes `INPUT_BASE_REF`, a Docker action gets `INPUT_BASE-REF`.
            let written = name.to_ascii_lowercase().replace(['_', ' '], "-");
            if let Some((old, new)) = RENAMED.iter().find(|(old, _)| *old == written) {
                problems.push(Problem::new(old, format!("was renamed; write {new}")));
            } else if !INPUTS.iter().any(|input| input.name == written) {
                warnings.push(unknown(&written));
            }
            if LISTS.contains(&written.as_str()) && listed(value).is_empty() {
                let why = "has commas and no item; write an item, or leave the input out";
                problems.push(Problem::new(&written, why));
            }
            secrets.extend(strays(value));
            if given.insert(written.clone(), value.to_owned()).is_some_and(|other| other != value) {
                let why = "has two values, one written with a hyphen and one with an underscore; remove one";
                problems.push(Problem::new(&written, why));
            }
        }
        // Every field is an optional text, so there is nothing that envy could refuse.
        let given = Rc::new(envy::from_iter(given).unwrap_or_else(|error| unreachable!("{error}")));
        Self { given, rejected: Vec::new(), is_ruled: true, problems, warnings, secrets }
    }

    /// Whether an input has another value than its default: an action passes all of its inputs.
    pub(super) fn is_set(&self, input: &Input) -> bool {
        self.text(input) != input.default
    }

    /// A word from a set; absent if it is the default, or none of them.
    pub(super) fn word<T: Copy>(&mut self, input: &Input, all: &[(T, &'static str)], expected: &str) -> Option<T> {
        let known = all.iter().find(|(_, word)| *word == self.text(input)).map(|(value, _)| *value);
        if known.is_none() {
            self.expected(input, expected);
        }
        known.filter(|_| self.is_set(input))
    }

    pub(super) fn logins(&mut self, input: &Input, read: impl Fn(&str) -> Result<String, String>) -> Vec<String> {
        let mut logins = Vec::new();
        for word in self.get(input).map(listed).unwrap_or_default() {
            match read(&word) {
                Ok(login) => logins.push(login),
                Err(why) => self.note(input, Problem::shown(input.name, &word, why)),
            }
        }
        logins
    }

    /// A list of words from a set, or `never` for none of them.
    pub(super) fn choices<T>(&mut self, input: &Input, known: impl Fn(&str) -> Option<T>, words: &str) -> Vec<T> {
        let written = listed(self.text(input));
        if written.len() == 1 && written.first().is_some_and(|word| word == "never") {
            return Vec::new();
        }
        let mut chosen = Vec::new();
        for word in written {
            match known(&word) {
                Some(choice) => chosen.push(choice),
                None => {
                    let expected = format!("a list of {words}, or never alone");
                    self.note(input, Problem::expected(input.name, &expected, &word));
                }
            }
        }
        chosen
    }

    /// A boolean as `@actions/core` reads it, <https://yaml.org/spec/1.2.2/#10212-boolean>.
    pub(super) fn flag(&mut self, input: &Input) -> bool {
        match self.text(input) {
            "true" | "True" | "TRUE" => true,
            "false" | "False" | "FALSE" => false,
            _ => {
                self.expected(input, "true or false");
                false
            }
        }
    }

    pub(super) fn duration(&mut self, input: &Input) -> Duration {
        self.span(input, parse_duration, ['s', 'm'], "30s, 45m or 1h30m, in hours, minutes and seconds")
    }

    /// A duration whose unit can be days or weeks as well.
    pub(super) fn age(&mut self, input: &Input) -> Duration {
        self.span(input, parse_days, ['h', 'd'], "3d or 12h")
    }

    fn span(
        &mut self,
        input: &Input,
        parse: fn(&str) -> Option<Duration>,
        units: [char; 2],
        examples: &str,
    ) -> Duration {
        let text = self.text(input);
        if let Some(duration) = parse(text) {
            return duration;
        }
        let is_bare = text.chars().all(|c| c.is_ascii_digit()) && text.chars().any(|c| c != '0');
        let [small, large] = units;
        let expected = match is_bare {
            true => format!("a duration with a unit such as {text}{small} or {text}{large}"),
            false => format!("a duration above zero such as {examples}"),
        };
        self.expected(input, &expected);
        Duration::ZERO
    }

    pub(super) fn token(&mut self, input: &Input) -> Option<Token> {
        match Token::parse(self.get(input)?) {
            Ok(token) => {
                self.secrets.push(token.clone());
                Some(token)
            }
            Err(why) => {
                // What is not a token as a whole may contain one, which is hidden as well.
                let words = self.get(input).unwrap_or_default().split_whitespace();
                let words = words.filter(|word| word.len() >= MIN_SECRET).filter_map(|word| Token::parse(word).ok());
                self.secrets.extend(words.collect::<Vec<_>>());
                self.refuse(input, why.to_string());
                None
            }
        }
    }

    pub(super) fn parsed<T>(&mut self, input: &Input, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        match parse(self.get(input)?) {
            Ok(value) => Some(value),
            Err(why) => {
                self.problem(input, why);
                None
            }
        }
    }

    /// The value of an input that can be a template, which is checked once it is rendered.
    pub(super) fn template(&mut self, input: &Input, parse: impl Fn(&str) -> Result<String, String>) -> Option<String> {
        match self.get(input) {
            Some(text) if is_template(text) => Some(text.to_owned()),
            _ => self.parsed(input, parse),
        }
    }

    /// The text of an input that is not blank, without white space around it.
    pub(super) fn get(&self, input: &Input) -> Option<&str> {
        input.written(&self.given).map(str::trim)
    }

    /// An input's text, or its default.
    pub(super) fn text(&self, input: &Input) -> &str {
        self.get(input).unwrap_or(input.default)
    }

    /// Notes a problem with an input, and shows its value.
    pub(super) fn problem(&mut self, input: &Input, why: impl Into<String>) {
        let problem = Problem::shown(input.name, self.text(input), why);
        self.note(input, problem);
    }

    /// Notes an input that has none of the values that it can have.
    pub(super) fn expected(&mut self, input: &Input, expected: &str) {
        let problem = Problem::expected(input.name, expected, self.text(input));
        self.note(input, problem);
    }

    /// Notes a problem with an input whose value does not matter, or must not be shown.
    pub(super) fn refuse(&mut self, input: &Input, why: impl Into<String>) {
        self.note(input, Problem::new(input.name, why));
    }

    pub(super) fn note(&mut self, input: &Input, problem: Problem) {
        if !self.rejected.contains(&input.name) {
            self.problems.push(problem);
        }
    }
}

/// The tokens in a text, as far as they can be known by how they begin. One that was written into the wrong input must
/// not be shown with what is wrong about that.
fn strays(text: &str) -> impl Iterator<Item = Token> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.'));
    let tokens = words.filter(|word| word.len() >= MIN_STRAY).filter_map(|word| Token::parse(word).ok());
    tokens.filter(|token| token.kind() != TokenKind::Unknown)
}

/// The items of a list, which newlines and commas part.
pub(super) fn listed(text: &str) -> Vec<String> {
    text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn unknown(name: &str) -> String {
    let known = INPUTS.iter().map(|input| input.name);
    let remedy = match nearest_name(name, known) {
        Some(other) => format!("did you mean `{other}`?"),
        None => "docs/reference.md lists the inputs".to_owned(),
    };
    format!("unknown input {} is ignored; {remedy}", shown(name))
}
