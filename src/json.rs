//! Reading JSON that is a little broken.

use serde::de::DeserializeOwned;

/// Reads JSON of GitHub as far as it can be read: a byte order mark is left out, and text that is not valid UTF-8 or half
/// of a surrogate pair becomes U+FFFD. GitHub cuts long texts, and may cut a pair in two.
///
/// # Errors
/// If it is not JSON (cut off, empty, or nested too deep), or not what is read.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice(bytes).or_else(|error| match repaired(bytes) {
        Some(repaired) => serde_json::from_slice(repaired.as_bytes()).map_err(|_| error),
        None => Err(error),
    })
}

/// JSON without what is not valid UTF-8 and without halves of surrogate pairs; `None` if it has neither.
fn repaired(bytes: &[u8]) -> Option<String> {
    Some(with_whole_pairs(&String::from_utf8_lossy(bytes))).filter(|repaired| repaired.as_bytes() != bytes)
}

/// JSON in which each escape of half a surrogate pair is one of U+FFFD.
fn with_whole_pairs(json: &str) -> String {
    let unit = |text: &str| text.strip_prefix("\\u")?.get(..4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
    let mut repaired = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        repaired += before;
        let second = || escape.get(6..).and_then(unit).filter(|unit| (0xdc00..0xe000).contains(unit));
        let (kept, length) = match unit(escape) {
            Some(0xd800..=0xdbff) if second().is_some() => (&escape[..12], 12),
            Some(0xd800..=0xdfff) => ("\\ufffd", 6),
            // An escaped backslash does not begin another escape.
            _ => {
                let length = 1 + escape[1..].chars().next().map_or(0, char::len_utf8);
                (&escape[..length], length)
            }
        };
        repaired += kept;
        rest = &escape[length..];
    }
    repaired + rest
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn json_is_read_as_far_as_possible() {
        for (bytes, value) in [
            (&b"{\"a\": 1}"[..], json!({"a": 1})),
            (b"\xef\xbb\xbf{\"a\": 1}", json!({"a": 1})),
            (
                br#"{"a": "x\ud83dy", "b": "\udc00", "c": "\ud83d\ude00\ud83d"}"#,
                json!({"a": "x\u{fffd}y", "b": "\u{fffd}", "c": "😀\u{fffd}"}),
            ),
            (
                br#"{"a": "\\ud83d \ud83d\n \uD83D\u0041 \"\ud83d"}"#,
                json!({"a": "\\ud83d \u{fffd}\n \u{fffd}A \"\u{fffd}"}),
            ),
            (b"{\"a\": \"x\xff\"}", json!({"a": "x\u{fffd}"})),
            (b"\xef\xbb\xbf{\"a\": \"\\ud83d\"}", json!({"a": "\u{fffd}"})),
        ] {
            assert_eq!(read::<Value>(bytes).unwrap(), value, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn json_that_cannot_be_repaired_is_an_error() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for text in ["", "{\"a\": \"\\ud83d", "{\"a\": 1", "\\", "\\u", "\"\\é", "<html>", deep.as_str()] {
            assert!(read::<Value>(text.as_bytes()).is_err(), "{text}");
        }
    }
}
