//! Text for people: cut, made harmless, counted, spelled out, escaped.

use std::fmt::Write as _;
use std::time::Duration;

use ring::digest::SHA256;

/// Bytes in hexadecimal.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The SHA-256 of a text, in hexadecimal.
pub fn sha256(text: &str) -> String {
    hexadecimal(ring::digest::digest(&SHA256, text.as_bytes()).as_ref())
}

/// What stands where a text was cut.
pub const CUT: char = '…';

/// The beginning of a text, with a mark where something was left out; `most` counts characters.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain([CUT]).collect(),
    }
}

/// One line of foreign text (from the API, an event or a file) in which the runner finds no command and a terminal no
/// control sequence; what a person reads stays the same as far as that allows.
pub fn harmless(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => line.push(' '),
            // Control characters can move a terminal's cursor, and bidirectional marks show text in another order
            // than it has.
            c if c.is_control() || is_unseen(c) => line.push('\u{fffd}'),
            c => line.push(c),
        }
    }
    // A colon is parted from its twin only where the runner would read a command: nothing but space in front.
    let start = line.len() - line.trim_start().len();
    if line[start..].starts_with("::") {
        line.insert(start + 1, ' ');
    }
    line.replace("##[", "# #[")
}

/// The same for a text of several lines, which are kept.
pub fn harmless_lines(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split('\n').map(harmless)
}

/// Whether a character shows nothing by itself, or changes the order in which its neighbours are shown.
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Foreign text as plain text in one line of Markdown.
pub fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in harmless(text).chars() {
        match c {
            '<' => line.push_str("&lt;"),
            '>' => line.push_str("&gt;"),
            '&' => line.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' | '$' => line.extend(['\\', c]),
            c => line.push(c),
        }
    }
    line
}

/// A number of repositories for people: `1 repository`.
pub fn repositories(count: usize) -> String {
    format!("{count} {}", if count == 1 { "repository" } else { "repositories" })
}

/// A duration for people: `1h 5m 3s`.
pub fn spelled(duration: Duration) -> String {
    let mut seconds = duration.as_secs();
    if seconds == 0 && !duration.is_zero() {
        return format!("{}ms", duration.as_millis().max(1));
    }
    let hours = seconds / 3600;
    seconds %= 3600;
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    match (hours, minutes, seconds) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, 0) => format!("{minutes}m"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, 0, 0) => format!("{hours}h"),
        (hours, minutes, 0) => format!("{hours}h {minutes}m"),
        (hours, minutes, seconds) => format!("{hours}h {minutes}m {seconds}s"),
    }
}

/// From which likeness on a name is taken for a misspelt one; below it two words merely share letters.
const ALIKE: f64 = 0.8;
/// How much of a name an error shows, in characters.
pub(crate) const LONGEST_NAME: usize = 60;

/// The nearest of the names that there are, or all of them, as the end of a sentence.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a (impl AsRef<str> + 'a)>) -> String {
    let known = known.into_iter().map(AsRef::as_ref).collect::<Vec<&str>>();
    let likeness = |other: &str| strsim::jaro_winkler(name, other);
    match known.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other))) {
        Some(other) if likeness(other) > ALIKE => format!("; did you mean `{other}`?"),
        Some(_) => format!("; there is `{}`", known.join("`, `")),
        None => String::new(),
    }
}
