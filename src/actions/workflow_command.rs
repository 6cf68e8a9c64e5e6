//! Workflow commands such as `::error::`, and their escaping.
//!
//! The runner reads commands from both streams: `::name key=value::data` where only white space precedes it,
//! and the older `##[name]data` anywhere in a line
//! (<https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs>).

use std::fmt;

use crate::text::cut;

/// A command for the runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<'a> {
    /// Hide a value in everything that the job logs from here on.
    Mask(&'a str),
    /// Fold the lines up to [`Command::EndGroup`] under a title.
    Group(&'a str),
    /// The end of a group.
    EndGroup,
    /// Show a line only to those who switched debug logging on.
    Debug(&'a str),
    /// An annotation on the run's page.
    Annotate(&'a Annotation),
}

/// The severity of an annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Worth knowing.
    Notice,
    /// Something a person should look at; the step continues.
    Warning,
    /// Why the step failed.
    Error,
}

/// One message on the run's page: what happened, what it means and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// The severity.
    pub level: Level,
    /// A few words, shown in bold.
    pub title: String,
    /// The message; may have several lines.
    pub message: String,
}

/// The runner cuts an annotation's message here, in characters
/// (<https://github.com/actions/runner/blob/main/src/Runner.Worker/ExecutionContext.cs>).
pub const MAX_ANNOTATION: usize = 4096;

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mask(value) => write!(f, "::add-mask::{}", data(value)),
            Self::Group(title) => write!(f, "::group::{}", data(title)),
            Self::EndGroup => write!(f, "::endgroup::"),
            Self::Debug(text) => write!(f, "::debug::{}", data(text)),
            Self::Annotate(Annotation { level, title, message }) => {
                let message = cut(message, MAX_ANNOTATION);
                write!(f, "::{level} title={}::{}", property(title), data(&message))
            }
        }
    }
}

/// Escapes a command's data as the runner undoes it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a command's property, where a colon and a comma would end it as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use crate::text::{harmless, harmless_lines};

    use super::*;

    #[test]
    fn command_is_escaped_for_the_runner() {
        let annotation = Annotation {
            level: Level::Error,
            title: "a: b, c".to_owned(),
            message: "100 %\r\nof it: all, really".to_owned(),
        };
        assert_eq!(
            Command::Annotate(&annotation).to_string(),
            "::error title=a%3A b%2C c::100 %25%0D%0Aof it: all, really"
        );
        assert_eq!(Command::Mask("s%3").to_string(), "::add-mask::s%253");
        assert_eq!(Command::Group("a\nb").to_string(), "::group::a%0Ab");
    }

    #[test]
    fn foreign_text_cannot_become_a_command() {
        for (text, line) in [
            ("::error::x", ": :error::x"),
            ("  \t::set-output name=a::b", "   : :set-output name=a::b"),
            ("std::fmt::Display", "std::fmt::Display"),
            ("a ##[error]x", "a # #[error]x"),
            ("one\n::add-mask::e", "one ::add-mask::e"),
            ("\u{1b}[2Jgone", "\u{fffd}[2Jgone"),
            ("a\u{202e}b", "a\u{fffd}b"),
            ("\u{200b}::error::x", "\u{fffd}::error::x"),
            // The runner's own notion of white space is Unicode's.
            ("\u{a0}::error::x", "\u{a0}: :error::x"),
        ] {
            assert_eq!(harmless(text), line, "{text:?}");
        }
        assert_eq!(harmless_lines("a\n::b::").collect::<Vec<_>>(), ["a", ": :b::"]);
    }

    #[test]
    fn annotation_is_cut_at_a_character() {
        let annotation = Annotation { level: Level::Notice, title: String::new(), message: "ü".repeat(5000) };
        let shown = Command::Annotate(&annotation).to_string();
        assert!(shown.ends_with("ü…"));
        assert_eq!(shown.chars().filter(|c| *c == 'ü').count(), MAX_ANNOTATION - 1);
    }
}
