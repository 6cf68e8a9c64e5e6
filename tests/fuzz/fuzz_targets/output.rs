//! Whatever outputs are rendered, the runner reads what was put in; and no line that is made harmless is a command.

#![no_main]
#![expect(clippy::disallowed_methods, reason = "libFuzzer's macro can write what it gives into a file")]

use agent_task::actions::output_file::render;
use agent_task::report::outputs::OUTPUTS;
use agent_task::text::{harmless, harmless_lines};
use libfuzzer_sys::fuzz_target;

#[path = "../grammar.rs"]
mod grammar;

/// Parts the values from each other, and the last of them from the words that the poor source of chance gives.
const BETWEEN: char = '\u{1}';

fuzz_target!(|text: &str| {
    let (values, words) = text.rsplit_once(BETWEEN).unwrap_or((text, ""));
    let given = OUTPUTS.iter().copied().zip(values.split(BETWEEN).map(str::to_owned)).collect::<Vec<_>>();
    let mut words = words.split(' ').filter(|word| word.chars().all(|c| c.is_ascii_alphanumeric()));
    let mut count = 0;
    let rendered = render(&given, || {
        count += 1;
        words.next().map_or_else(|| format!("{count:032x}"), str::to_owned)
    });
    let expected = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<Vec<_>>();
    assert_eq!(grammar::outputs(&rendered, false).as_ref(), Ok(&expected), "{rendered}");
    // On Windows the runner takes a carriage return at the very end for a part of the line's.
    let bare = |value: &str| value.strip_suffix('\r').unwrap_or(value).to_owned();
    let expected = expected.iter().map(|(name, value)| (name.clone(), bare(value))).collect::<Vec<_>>();
    assert_eq!(grammar::outputs(&rendered, true).as_ref(), Ok(&expected), "{rendered}");

    for line in std::iter::once(harmless(text)).chain(harmless_lines(text)) {
        assert_eq!(grammar::lines(&line).len(), 1, "{line:?}");
        assert_eq!(grammar::command(&line), None, "{line:?}");
        assert_eq!(harmless(&line), line, "once is enough");
    }
});
