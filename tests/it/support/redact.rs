//! Snapshots hold words; what differs from run to run is replaced before.

use std::sync::LazyLock;

use regex_lite::Regex;

/// Replaces paths, addresses, ids, hashes, times and errors of the system by what they are.
pub(crate) fn redact(text: &str) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        // A drive comes first where the tests were built on another system than Windows.
        let folder = format!(r"([A-Z]:)?{}[/\\][.]tmp\w+", escaped(env!("CARGO_TARGET_TMPDIR")));
        [
            (folder.as_str(), "[folder]"),
            (r"http://127\.0\.0\.1:\d+", "[address]"),
            (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[id]"),
            (r"\b[0-9a-f]{64}\b", "[sha256]"),
            (r"\b[0-9a-f]{40}\b", "[commit]"),
            (r"\b[0-9a-f]{32}\b", "[random]"),
            (r"\b[0-9a-f]{16}\b", "[key]"),
            (r"\d\d:\d\d:\d\d UTC", "[time]"),
            (r"request id [0-9A-F]{4}:[0-9A-F]+", "request id [request]"),
            (r"today is \d{4}-\d\d-\d\d", "today is [date]"),
            (r": [A-Z][A-Za-z ,']+\.? \(os error \d+\)", ": [error of the system]"),
        ]
        .map(|(pattern, name)| (Regex::new(pattern).unwrap(), name))
        .into()
    });
    let text =
        PATTERNS.iter().fold(text.to_owned(), |text, (pattern, name)| pattern.replace_all(&text, *name).into_owned());
    static BELOW: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\[folder\][^`\s]+").unwrap());
    BELOW.replace_all(&text, |found: &regex_lite::Captures<'_>| found[0].replace('\\', "/")).into_owned()
}

/// A pattern that matches this text, with the separators of any system, and nothing else.
fn escaped(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let part = |c: char| match c {
        '/' | '\\' => r"[/\\]".to_owned(),
        c if is_plain(c) => c.to_string(),
        c => format!("\\{c}"),
    };
    text.chars().map(part).collect()
}
