//! The values of a policy: names, patterns, dates, lists.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use regex_lite::Regex;
use serde::Deserialize;

use crate::github::task::agent_name;
use crate::policy::actor::{EVENTS, bot_login, user_login};
use crate::task::conclusion::Conclusion;
use crate::text::{MAX_SHOWN_VALUE, cut, is_invisible, nearest};
use crate::yaml::de::OneOrMany;

/// The longest change ticket, in characters: the address of one in an issue tracker fits.
pub(crate) const MAX_TICKET: usize = 200;
/// The longest name of a class, in characters; it is in the marker of every prompt.
const MAX_NAME: usize = 100;

/// Makes a type of a text that is checked once.
macro_rules! texts {
    ($($(#[doc = $doc:literal])* $name:ident $schema:literal $check:expr;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema), schemars(extend("pattern" = $schema)))]
        #[serde(try_from = "String")]
        pub struct $name(pub(super) String);

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                let check: fn(&str) -> Result<String, String> = $check;
                check(&text).map(Self).map_err(|why| format!("`{}` {why}", cut(&text, MAX_SHOWN_VALUE)))
            }
        }

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

/// Makes a type of a pattern that is compiled once.
macro_rules! patterns {
    ($($(#[doc = $doc:literal])* $name:ident $schema:literal $inner:ty, $compile:expr;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema), schemars(extend("pattern" = $schema)))]
        #[serde(try_from = "String")]
        pub struct $name {
            pub(super) text: String,
            #[cfg_attr(test, schemars(skip))]
            pub(super) compiled: $inner,
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let compile: fn(&str) -> Result<$inner, String> = $compile;
                let compiled = compile(text).map_err(|why| format!("`{}` {why}", cut(text, MAX_SHOWN_VALUE)))?;
                Ok(Self { text: text.to_owned(), compiled })
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }
    )*};
}

texts! {
    /// The name of a task class.
    ClassName r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$" |text| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        match begins && text.chars().all(fits) && text.len() <= MAX_NAME {
            true => Ok(text.to_owned()),
            false => Err(format!("is not a name for a class; write letters, digits, `.`, `_` and `-`, at most {MAX_NAME}")),
        }
    };
    /// The name of a variable.
    VarName r"^[A-Za-z_][A-Za-z0-9_-]*$" |text| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        match text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(fits) {
            true => Ok(text.to_owned()),
            false => Err("is not a name for a variable; write letters, digits and `_`".to_owned()),
        }
    };
    /// The path of a file, from the top of a repository.
    PromptFile r"^[^/]" |text| path(text).map(str::to_owned);
    /// The name of a model; `auto` leaves the choice to GitHub.
    Model r"^[^\s,*?!{}\[\]]+$" |text| model_name(text).map(str::to_owned);
    /// The name of a custom agent.
    AgentName r"^[^\s/*?!{}\[\]]+$" |text| agent(text);
    /// The name of an event that starts workflows.
    EventName r"^[a-z][a-z_]*$" |text| match text {
        // No run has one of these two, <https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows>.
        "workflow_call" => Err("is not the event of any run; a called workflow has the event of its caller".to_owned()),
        "pull_request_comment" => Err("is not the event of any run; write `issue_comment`".to_owned()),
        _ if EVENTS.iter().any(|(name, _)| *name == text) => Ok(text.to_owned()),
        _ => {
            let remedy = nearest(text, &EVENTS.map(|(name, _)| name));
            Err(format!("is not an event; write it as under `on:` in a workflow{remedy}"))
        }
    };
    /// The name of one of the cloud agent's tools.
    ToolName r"^[a-z][a-z0-9_]*$" |text| match !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        true => Ok(text.to_owned()),
        false => Err("is not a tool's name; write it as the API does, such as `secret_scanning`".to_owned()),
    };
    /// The login of a person; `never` for none.
    UserLogin r"^[A-Za-z0-9_-]+$" |text| user_login(text);
    /// The name of a bot, with `[bot]` or without; `never` for none.
    BotLogin r"^[A-Za-z0-9_-]+(\[bot\])?$" |text| bot_login(text);
    /// A login or a team.
    Owner r"^@?[A-Za-z0-9_-]+(/[A-Za-z0-9._-]+)?$" |text| {
        let bare = text.strip_prefix('@').unwrap_or(text);
        let fits = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        };
        match bare.split('/').count() <= 2 && bare.split('/').all(fits) {
            true => Ok(format!("@{bare}")),
            false => Err("is neither a login nor a team; write for example `@octocat` or `@acme/release`".to_owned()),
        }
    };
}

patterns! {
    /// A regular expression.
    TicketPattern r"." Regex, |text| match text.is_empty() {
        true => Err("is empty; write a regular expression, such as `CHG-[0-9]+`".to_owned()),
        // All of the ticket counts, or `x CHG-1 y` would do. By itself it is read first, for what is put around it could
        // make something right of it.
        false => Regex::new(text)
            .and_then(|_| Regex::new(&format!(r"\A(?:{text})\z")))
            .map_err(|why| format!("is not a regular expression: {why}")),
    };
    /// A day, as `2026-12-31`.
    DayText r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$" Date, |text| {
        text.parse().map_err(|_| "is not a day; write it as `2026-12-31`".to_owned())
    };
}

/// A day, as `2026-12-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "DayText")]
pub struct Day(#[cfg_attr(test, schemars(with = "DayText"))] pub(super) Date);

impl From<DayText> for Day {
    fn from(text: DayText) -> Self {
        Self(text.compiled)
    }
}

/// A word of `fail-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailOnWord {
    Failure,
    TimedOut,
    Cancelled,
    ActionRequired,
    Skipped,
    Never,
}

/// A word of `stop-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum StopOnWord {
    WaitingForUser,
    Idle,
    Never,
}

/// The conclusions that fail a step.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMany<FailOnWord>")]
pub struct FailOn(pub(super) Vec<Conclusion>);

/// Whether a question and idleness end a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMany<StopOnWord>")]
pub struct StopOn {
    pub(super) question: bool,
    pub(super) idle: bool,
}

/// The word for none of a list.
const NEVER: &str = "never";
const NEVER_ALONE: &str = "`never` means none of them, so it must be alone";

impl TryFrom<OneOrMany<FailOnWord>> for FailOn {
    type Error = &'static str;

    fn try_from(words: OneOrMany<FailOnWord>) -> Result<Self, Self::Error> {
        if words.0 == [FailOnWord::Never] {
            return Ok(Self(Vec::new()));
        }
        let conclusions = words.0.into_iter().map(|word| match word {
            FailOnWord::Failure => Ok(Conclusion::Failure),
            FailOnWord::TimedOut => Ok(Conclusion::TimedOut),
            FailOnWord::Cancelled => Ok(Conclusion::Cancelled),
            FailOnWord::ActionRequired => Ok(Conclusion::ActionRequired),
            FailOnWord::Skipped => Ok(Conclusion::Skipped),
            FailOnWord::Never => Err(NEVER_ALONE),
        });
        conclusions.collect::<Result<_, _>>().map(Self)
    }
}

/// Logins; `never` alone is none.
///
/// # Errors
/// If `never` is one of several.
fn logins<T: ToString>(listed: &OneOrMany<T>) -> Result<Vec<String>, &'static str> {
    let listed = listed.0.iter().map(ToString::to_string).collect::<Vec<_>>();
    match (listed.as_slice(), listed.iter().any(|login| login == NEVER)) {
        ([_], true) => Ok(Vec::new()),
        (_, true) => Err(NEVER_ALONE),
        (_, false) => Ok(listed),
    }
}

/// People who need no write access.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMany<UserLogin>")]
pub struct AllowedUsers(pub(super) Vec<String>);

impl TryFrom<OneOrMany<UserLogin>> for AllowedUsers {
    type Error = &'static str;

    fn try_from(listed: OneOrMany<UserLogin>) -> Result<Self, Self::Error> {
        logins(&listed).map(Self)
    }
}

/// Bots that need no write access.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMany<BotLogin>")]
pub struct AllowedBots(pub(super) Vec<String>);

impl TryFrom<OneOrMany<BotLogin>> for AllowedBots {
    type Error = &'static str;

    fn try_from(listed: OneOrMany<BotLogin>) -> Result<Self, Self::Error> {
        logins(&listed).map(Self)
    }
}

impl TryFrom<OneOrMany<StopOnWord>> for StopOn {
    type Error = &'static str;

    fn try_from(words: OneOrMany<StopOnWord>) -> Result<Self, Self::Error> {
        let has = |word: StopOnWord| words.0.contains(&word);
        match has(StopOnWord::Never) && words.0.len() > 1 {
            true => Err(NEVER_ALONE),
            false => Ok(Self { question: has(StopOnWord::WaitingForUser), idle: has(StopOnWord::Idle) }),
        }
    }
}

/// A path within a repository or a workspace, which cannot lead out of it.
pub(crate) fn path(text: &str) -> Result<&str, String> {
    let text = text.strip_prefix("./").unwrap_or(text);
    let broken = |part: &str| part.is_empty() || part == "." || part == "..";
    match text.split('/').any(broken) || text.contains(|c: char| c.is_control() || c == '\\') {
        true => Err("is not a path within a repository; write for example `.github/prompts/release.md`".to_owned()),
        false => Ok(text),
    }
}

/// A list for people; `never` if it is empty.
pub(crate) fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words = words.into_iter().collect::<Vec<_>>();
    if words.is_empty() { NEVER.to_owned() } else { words.join(", ") }
}

/// A name as it is, and not a pattern for several.
fn exact(text: &str) -> Result<&str, String> {
    match text.contains(['*', '?', '!', '[', ']', '{', '}']) {
        true => Err("is a pattern, and only whole names are compared here; write each name".to_owned()),
        false => Ok(text),
    }
}

/// Reads the name of a custom agent.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn agent(text: &str) -> Result<String, String> {
    exact(text).and_then(agent_name)
}

/// Reads the name of a model.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn model_name(text: &str) -> Result<&str, String> {
    match text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c) || c == ',')
    {
        true => Err("is not a model's name; write names such as `gpt-5.4`, several as a list".to_owned()),
        false => exact(text),
    }
}

/// Reads a change ticket: one word, for it goes into the prompt, in which a person must see all of it.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn ticket(text: &str) -> Result<String, String> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) || text.contains("<!--") {
        return Err("is not a ticket; write its number or its address, without white space".to_owned());
    }
    if let Some(c) = text.chars().find(|c| is_invisible(*c)) {
        return Err(format!("has the invisible character U+{:04X}; write its number or its address", u32::from(c)));
    }
    match text.chars().count() > MAX_TICKET {
        true => Err(format!("has more than {MAX_TICKET} characters; write its number or its address")),
        false => Ok(text.to_owned()),
    }
}
