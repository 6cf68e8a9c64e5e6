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

/// Characters without a visible form of their own, which can hide text from a person or change its order: the property
/// `Default_Ignorable_Code_Point`, <https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt>, and the
/// rest of the category `Cf`, <https://www.unicode.org/Public/UCD/latest/ucd/extracted/DerivedGeneralCategory.txt>.
/// Variation selectors and the plane of tags are among them, in which whole texts have been smuggled. Characters for
/// private use, those that are none, and the empty pattern of Braille stand here as well.
const INVISIBLE: [(char, char); 31] = [
    ('\u{00ad}', '\u{00ad}'),
    ('\u{034f}', '\u{034f}'),
    ('\u{0600}', '\u{0605}'),
    ('\u{061c}', '\u{061c}'),
    ('\u{06dd}', '\u{06dd}'),
    ('\u{070f}', '\u{070f}'),
    ('\u{0890}', '\u{0891}'),
    ('\u{08e2}', '\u{08e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{e000}', '\u{f8ff}'),
    ('\u{fdd0}', '\u{fdef}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{fffe}', '\u{ffff}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d159}', '\u{1d159}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
    // Both planes of private use, and what ends them.
    ('\u{f0000}', '\u{10ffff}'),
];

/// Whether a character has no visible form of its own, so that text can hide in it or behind it.
pub fn is_invisible(c: char) -> bool {
    !c.is_ascii() && INVISIBLE.iter().any(|(first, last)| (*first..=*last).contains(&c))
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
