//! Whatever a prompt has in it, our stamp is found below it, and what is found can be put and found again.

#![no_main]
#![expect(clippy::disallowed_methods, reason = "libFuzzer's macro can write what it gives into a file")]

use agent_task::task::marker::Key;
use agent_task::task::marker::Stamp;
use libfuzzer_sys::fuzz_target;

/// Parts the fields of a stamp from each other and from the prompt.
const BETWEEN: char = '\u{1}';

fuzz_target!(|text: &str| {
    if let Some(found) = Stamp::find(text) {
        assert_eq!(Stamp::find(&found.to_string()), Some(found));
    }
    let mut parts = text.splitn(6, BETWEEN);
    let mut next = || parts.next().unwrap_or_default().to_owned();
    let stamp = Stamp { key: Key::over([next().as_str()]), name: next(), class: next(), run: next(), attempt: next(), actor: next() };
    let stamped = stamp.put_under(&next());
    assert_eq!(Stamp::find(&stamped), Some(stamp.clone()), "{stamped}");
    assert_eq!(Stamp::find(&stamp.put_under(text)), Some(stamp));
});
