//! Whatever a prompt has in it, our stamp is found below it, and what is found can be put and found again.

#![no_main]
#![expect(clippy::disallowed_methods, reason = "libFuzzer's macro can write what it gives into a file")]

use agent_task::task::marker::{Key, Marker};
use libfuzzer_sys::fuzz_target;

/// Parts the fields of a stamp from each other and from the prompt.
const BETWEEN: char = '\u{1}';

fuzz_target!(|text: &str| {
    if let Some(found) = Marker::find(text) {
        assert_eq!(Marker::find(&found.to_string()), Some(found));
    }
    let mut parts = text.splitn(6, BETWEEN);
    let mut next = || parts.next().unwrap_or_default().to_owned();
    let marker = Marker { key: Key::over([next().as_str()]), name: next(), class: next(), run: next(), attempt: next(), actor: next() };
    let stamped = marker.put_under(&next());
    assert_eq!(Marker::find(&stamped), Some(marker.clone()), "{stamped}");
    assert_eq!(Marker::find(&marker.put_under(text)), Some(marker));
});
