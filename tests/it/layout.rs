//! The folders of `src/`: imports go down only.

#![expect(clippy::disallowed_methods, reason = "a test reads the sources")]

use std::path::{Path, PathBuf};

/// The folders and files of `src/`, lowest first. Those of one line are on the same level and independent.
const LEVELS: [&[&str]; 12] = [
    &["text", "json", "order", "join"],
    &["github", "yaml"],
    &["actions"],
    &["task", "prompt"],
    &["policy"],
    &["inputs"],
    &["plan"],
    &["report"],
    &["run"],
    &["commands"],
    &["lib"],
    &["main"],
];

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().position(|modules| modules.contains(&module))
}

/// The sources below a folder, as paths from it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// The code of a source, without its comments and its modules of tests.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            code += line;
            code += "\n";
            continue;
        }
        // A module in another file ends with its line, and one in this file at the brace below its beginning.
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = format!("{indent}}}");
        if lines.next().is_some_and(|begin| begin.ends_with('{')) {
            lines.by_ref().find(|line| *line == end);
        }
    }
    code
}

/// The modules of this crate that a code names: `crate::a::b`, `crate::{a::b, c}` and `agent_task::a`.
fn named(code: &str) -> Vec<&str> {
    let mut named = Vec::new();
    for root in ["crate::", "agent_task::"] {
        for (at, _) in code.match_indices(root) {
            let rest = &code[at + root.len()..];
            match rest.strip_prefix('{') {
                Some(list) => named.extend(first_names(list)),
                None => named.push(word(rest)),
            }
        }
    }
    named
}

/// The first name of each item of an import list, whose opening brace has been read.
fn first_names(list: &str) -> Vec<&str> {
    let mut names = vec![word(list.trim_start())];
    let mut depth = 0;
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(word(list[at + 1..].trim_start())),
            _ => {}
        }
    }
    names
}

fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

#[test]
fn imports_go_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&root);
    assert!(!files.is_empty());
    for path in files {
        let module = path.strip_prefix(&root).unwrap().iter().next().unwrap().to_str().unwrap();
        let module = module.trim_end_matches(".rs");
        let own = level(module).unwrap_or_else(|| panic!("`{module}` has no level"));
        let text = std::fs::read_to_string(&path).unwrap();
        for name in named(&code(&text)) {
            // What is no module is an item of lib.rs.
            let other = level(name).unwrap_or(level("lib").unwrap());
            let down = other < own || name == module || own >= level("lib").unwrap();
            assert!(name.is_empty() || down, "{} names `{name}`, which is not below `{module}`", path.display());
        }
    }
}

#[test]
fn imports_are_read_in_every_form() {
    let source = "use crate::a::{b, c};\nuse crate::{d::{e, f}, g};\n// use crate::h;\nfn x() { crate::i::j() }\n\
                  #[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod tests {\n    use crate::k;\n}\nuse agent_task::l;\n";
    assert_eq!(named(&code(source)), ["a", "d", "g", "i", "l"]);
}
