//! The shape of the house: imports go one way, effects stay in their files, and nothing is lost on the way.

#![expect(clippy::disallowed_methods, reason = "a test reads the sources")]

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The modules in the order in which lib.rs declares them.
fn modules() -> Vec<String> {
    let lib = read("src/lib.rs");
    lib.lines().filter_map(|line| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned())).collect()
}

fn source(module: &str) -> String {
    read(&format!("src/{module}.rs"))
}

/// A source without its tests and without its comments.
fn code(path: &str) -> String {
    let text = read(path);
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

#[test]
fn imports_go_one_way() {
    let order = modules();
    for (at, module) in order.iter().enumerate() {
        let text = source(module);
        for below in &order[at..] {
            let named = format!("crate::{below}::");
            assert!(!text.contains(&named), "{module} names {below}, which is not above it in lib.rs");
        }
        assert!(!text.contains("use crate::{"), "{module}: one import a line keeps this test honest");
        let outside_tests = code(&format!("src/{module}.rs"));
        assert!(!outside_tests.contains("super::"), "{module} names its parent");
    }
}

#[test]
fn src_is_flat_and_lib_declares_all_of_it() {
    let declared = modules().into_iter().chain(["lib".to_owned(), "main".to_owned()]).collect::<BTreeSet<_>>();
    let found =
        files("src").iter().inspect(|path| assert!(path.is_file(), "{path:?}")).map(|path| stem(path)).collect();
    assert_eq!(declared, found);
    for vague in ["utils", "util", "helpers", "common", "types", "misc"] {
        assert!(!declared.contains(vague), "{vague} is no noun of this field");
    }
}

#[test]
fn effects_stay_in_their_files() {
    let rules: [(&str, &[&str]); 8] = [
        ("octocrab", &["github"]),
        ("reqwest", &["github"]),
        ("std::fs", &["runner"]),
        ("std::env", &["runner", "main"]),
        ("Timestamp::now", &["runner"]),
        ("stdout", &["runner", "main"]),
        ("tokio::", &["github", "door", "runner", "roster", "lookout", "board", "fleet", "lib", "main"]),
        (".await", &["github", "door", "runner", "roster", "ruling", "doctor", "lookout", "fleet", "lib", "main"]),
    ];
    for module in modules().iter().map(String::as_str).chain(["lib", "main"]) {
        let text = code(&format!("src/{module}.rs"));
        // `env!` reads the package's own version when it is built, and no environment when it runs.
        let text = text.replace("env!(", "");
        for (effect, homes) in rules {
            assert!(homes.contains(&module) || !text.contains(effect), "{module} uses {effect}");
        }
    }
}

#[test]
fn the_spine_fits_a_screen() {
    let lib = read("src/lib.rs");
    let spine = lib.split("pub async fn run(").nth(1).and_then(|rest| rest.split("\n}\n").next()).unwrap();
    assert!(spine.lines().count() <= 60);
}

#[test]
fn every_endpoint_links_its_documentation() {
    let text = source("github");
    for (at, _) in text.match_indices("    pub async fn ") {
        let name = text[at..].lines().next().unwrap();
        let before = text[..at].lines().rev().take_while(|line| line.trim_start().starts_with("///"));
        assert!(before.collect::<String>().contains("<https://docs.github.com/"), "{name}");
    }
}

#[test]
fn one_request_changes_anything() {
    let text = code("src/github.rs");
    assert_eq!(text.matches("_post(").count(), 1, "one place sends a body");
    assert_eq!(text.matches("self.post(").count(), 2, "a start, and a query of the GraphQL API");
    for other in ["_put(", "_patch(", "_delete(", "mutation"] {
        assert!(!text.contains(other), "{other}");
    }
}

/// A paused clock jumps while bytes are on their way through a socket, and time-outs fire falsely.
#[test]
fn no_test_pauses_the_clock_beside_a_socket() {
    for path in files("tests/it").into_iter().chain(files("tests/simulator/src")).filter(|path| path.is_file()) {
        if stem(&path) == "tidy" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let both = text.contains("start_paused = true") && text.contains("TcpListener::bind");
        assert!(!both, "{path:?}");
    }
}

#[test]
fn the_simulator_knows_none_of_our_types() {
    assert!(!read("tests/simulator/Cargo.toml").contains("agent-task"));
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    for path in files("src").into_iter().chain(files("tests/simulator/src")).filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(&path).unwrap();
        for mark in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimplemented", "!(")] {
            assert!(!text.contains(mark), "{path:?} has {mark}");
        }
    }
}
