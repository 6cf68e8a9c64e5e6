//! Properties that hold for all timelines, faults and lags, and for all texts, inputs and answers.
//!
//! Each property takes a share of proptest's 256 cases, as many as fit into a second or two; `PROPTEST_CASES` says how
//! many each is to take instead. A case that fails is printed in its smallest form, to be kept as a test of its own; nothing is written
//! into the tree.

mod input;
mod life;
mod pattern;
mod stop;
mod text;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// One case in so many of proptest's 256. `PROPTEST_CASES` takes precedence.
fn one_in(share: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = (usual.cases / share).max(1);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 2000, ..usual }
}

/// A text with all that this program, the runner, a terminal or a reader of HTML may take for more than text.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => select(vec![
            "::", ":", "##[", "#", "[", "]", "\n", "\r", "\r\n", "\t", " ", "  ", "\u{a0}", "\u{85}", "\u{2028}",
            "\u{200b}", "\u{ad}", "\u{feff}", "\u{202e}", "\u{1b}[2J", "\0", "=", "<<", "<<E", "E", "%", "%0A", "%0D",
            "%25", "%3A", "-", "--", "-->", "<!--", "<", ">", "\"", "'", "`", "|", "&", ",", ";", "error", "add-mask",
            "set-output name=state", "::error::x", "::endgroup::", "##[error]x", "##[endgroup]", "ghadelimiter_",
            "ghadelimiter_0", "state", "task-id", "<!-- agent-task ", "key=", "key=0123456789abcdef", "name=x",
            " -->", "***", "\u{fffd}", "ü", "ſ", "🦀",
        ])
        .prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "\\PC{0,12}",
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// The states of the API, and words that it may have tomorrow.
fn state() -> impl Strategy<Value = String> {
    let known = ["queued", "in_progress", "completed", "failed", "idle", "waiting_for_user", "timed_out", "cancelled"];
    prop_oneof![
        6 => select(known.to_vec()).prop_map(str::to_owned),
        1 => "[a-z_]{0,12}",
        1 => nasty(),
    ]
}

fn paused(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(test);
}
