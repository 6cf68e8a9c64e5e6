//! Text for people: truncated, sanitized, counted, escaped, compared.

use std::fmt::Write as _;
use std::str::FromStr as _;
use std::time::Duration;

use jiff::SignedDuration;
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

/// The mark of a text that was truncated.
pub const CUT: char = '…';

/// The beginning of a text, with a mark where it was truncated; `most` counts characters.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain([CUT]).collect(),
    }
}

/// One line of foreign text (from the API, an event or a file) without workflow commands and control sequences of
/// terminals. Otherwise it reads the same.
pub fn harmless(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => line.push(' '),
            // Control characters can move a terminal's cursor, and bidirectional marks reorder text.
            c if c.is_control() || is_unseen(c) => line.push('\u{fffd}'),
            c => line.push(c),
        }
    }
    // The runner reads a command only at the beginning of a line, after white space.
    let start = line.len() - line.trim_start().len();
    if line[start..].starts_with("::") {
        line.insert(start + 1, ' ');
    }
    line.replace("##[", "# #[")
}

/// The same for each line of a text.
pub fn harmless_lines(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split('\n').map(harmless)
}

/// Characters that a person does not see, and that can hide text from a person or turn its order around: the property
/// `Default_Ignorable_Code_Point`, <https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt>, and the
/// rest of the category `Cf`, <https://www.unicode.org/Public/UCD/latest/ucd/extracted/DerivedGeneralCategory.txt>.
/// Variation selectors and the plane of tags are among them, in which whole texts have been smuggled. Characters for
/// private use, noncharacters, the object replacement character and the empty pattern of Braille are here as well.
/// So are the joiners of scripts that are no longer in use, which have no form of their own. The planes without any
/// characters are here, other characters that are not assigned are not: a table of them takes kilobytes.
const INVISIBLE: [(char, char); 36] = [
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
    ('\u{2d7f}', '\u{2d7f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{e000}', '\u{f8ff}'),
    ('\u{fdd0}', '\u{fdef}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffc}'),
    ('\u{fffe}', '\u{ffff}'),
    ('\u{10a3f}', '\u{10a3f}'),
    ('\u{1107f}', '\u{1107f}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{11a47}', '\u{11a47}'),
    ('\u{11a99}', '\u{11a99}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{16fe4}', '\u{16fe4}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d159}', '\u{1d159}'),
    ('\u{1d173}', '\u{1d17a}'),
    // Planes without characters, the plane of tags, and both planes of private use.
    ('\u{40000}', '\u{10ffff}'),
];

/// Whether a person does not see a character, or sees its neighbors in another order than they have.
pub fn is_invisible(c: char) -> bool {
    !c.is_ascii() && INVISIBLE.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// The same for a line of the log, which keeps emoji of several characters.
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

/// A number of things for people: `1 task`, `2 tasks`.
pub fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
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

/// Reads a duration above zero, with a unit: `30s`, `45m`, `1h30m`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let duration = SignedDuration::from_str(text).ok().and_then(|it| Duration::try_from(it).ok());
    duration.filter(|duration| !duration.is_zero())
}

/// Reads a duration above zero, with a unit that can be days or weeks as well: `30d`, `2w`, `36h`.
pub fn parse_days(text: &str) -> Option<Duration> {
    let days = text.strip_suffix('d').map(|text| (text, 1)).or_else(|| Some((text.strip_suffix('w')?, 7)));
    match days.and_then(|(text, days)| Some((text.parse::<u32>().ok()?, days))) {
        Some((count, days)) => Some(Duration::from_secs(24 * 3600) * days * count).filter(|it| !it.is_zero()),
        None => parse_duration(text),
    }
}

/// The part of a line that a comment drops although it reads like text, such as `#12 now` in `Fix #12 now`. A comment
/// that is meant as one has a space after its `#`.
pub fn dropped_text(line: &str) -> Option<&str> {
    let starts_comment = |at: &usize| *at == 0 || line[..*at].ends_with([' ', '\t']);
    let at = line.match_indices('#').map(|(at, _)| at).find(starts_comment)?;
    line[at + 1..].starts_with(|c: char| !c.is_whitespace() && c != '#').then(|| line[at..].trim_end())
}

/// How much of a name a message shows, in characters. GitHub's logins have at most 39.
pub(crate) const MAX_SHOWN_NAME: usize = 60;
/// How much of a value a message shows, in characters.
pub(crate) const MAX_SHOWN_VALUE: usize = 120;

/// A foreign value as a message shows it.
pub(crate) fn shown(value: &str) -> String {
    harmless(&cut(value, MAX_SHOWN_VALUE))
}

/// One mistyped letter of this many is a misspelling, as in rustc's own suggestions; with more, two names merely share
/// letters.
const LETTERS_PER_TYPO: usize = 3;
/// The shortest beginning of a name that is taken for the name.
const MIN_PREFIX: usize = 3;

/// The known name that a name misspells, if there is one.
pub fn nearest_name<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a (impl AsRef<str> + ?Sized + 'a)>,
) -> Option<&'a str> {
    let length = name.chars().count();
    let typos = |other: &str| {
        if name.eq_ignore_ascii_case(other) {
            return Some(0);
        }
        let longest = length.max(other.chars().count());
        let is_prefix =
            name.len().min(other.len()) >= MIN_PREFIX && (other.starts_with(name) || name.starts_with(other));
        let allowed = longest.max(LETTERS_PER_TYPO) / LETTERS_PER_TYPO;
        // The distance takes the product of both lengths.
        let is_close = longest <= MAX_SHOWN_NAME && length.abs_diff(other.chars().count()) <= allowed;
        let typos = if is_close { strsim::damerau_levenshtein(name, other) } else { usize::MAX };
        match typos <= allowed {
            true => Some(typos),
            false => is_prefix.then_some(longest),
        }
    };
    let known = known.into_iter().map(AsRef::as_ref);
    known.filter_map(|other| Some((typos(other)?, other))).min_by_key(|(typos, _)| *typos).map(|(_, other)| other)
}

/// The known name that a name misspells, or all of them, as the end of a sentence.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a (impl AsRef<str> + 'a)>) -> String {
    let known = known.into_iter().map(AsRef::as_ref).collect::<Vec<&str>>();
    // A text with a comma is several names.
    match nearest_name(name, known.iter().copied()).filter(|_| !name.contains(',')) {
        Some(other) => format!("; did you mean `{other}`?"),
        None if known.is_empty() => String::new(),
        None => format!("; there is `{}`", known.join("`, `")),
    }
}
