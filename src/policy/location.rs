//! Where a policy is.

use std::fmt;
use std::str::FromStr;

use crate::github::repository::Repository;
use crate::policy::values::path;
use crate::yaml::compose;
use crate::yaml::compose::Kind;

/// The default location of the policy: a file of the workspace.
pub const USUAL_PLACE: &str = ".github/agent-tasks.yml";

/// The ends of names that people and editors give to backups.
const BACKUPS: [&str; 6] = ["~", ".bak", ".backup", ".old", ".orig", ".save"];
/// The ends of names that a policy could have.
const EXTENSIONS: [&str; 4] = [".txt", ".json", ".yaml", ".yml"];
/// How many letters may differ in a name that is almost the usual one: a letter is left out in one word, or added, or
/// both.
const MAX_TYPOS: usize = 2;

/// In how many folders at the top of the workspace a checkout with a policy is looked for. More than a few repositories
/// are hardly ever checked out side by side, and a folder of thousands must not take time.
pub const MAX_CHECKOUTS: usize = 100;

/// How many folders of `.github` are looked through. People have a few.
pub const MAX_FOLDERS: usize = 1000;

/// The letters of a name that is longer cannot be near: those of the usual name and the typos.
const MAX_STEM: usize = "agenttasks".len() + MAX_TYPOS;

/// Whether a folder at the top of the workspace is one in which a policy is looked for that would be ignored there.
pub fn is_near_folder(name: &str) -> bool {
    let name = name.to_lowercase();
    let plain = ["docs", "doc", "config", "policies", "policy", "ci", "agents", "workflows"];
    // Settings of tools are in folders with a dot, such as `.agents`.
    is_github(&name) || plain.contains(&name.as_str()) || name.starts_with('.') && name != ".git"
}

/// Whether a folder is `.github`, or has almost its name. Its folders are looked through as well.
pub fn is_github(name: &str) -> bool {
    let name = name.to_lowercase();
    let bare = name.trim_start_matches('.');
    bare.trim_end_matches('s') == "github" || bare == "gitlab"
}

/// Whether a file has almost the name of the policy file, or that name in a folder that is not `.github`. A backup counts
/// only if `has_usual` is false. In a folder of that name below `.github`, each YAML file counts. `agent-task` at the top
/// is this program, where `binary-path` names it.
pub fn is_near(folder: &str, name: &str, has_usual: bool) -> bool {
    let path = format!("{folder}/{name}");
    if path == USUAL_PLACE || path == concat!("/", env!("CARGO_PKG_NAME")) {
        return false;
    }
    let name = name.to_lowercase();
    if let Some((_, inner)) = folder.rsplit_once('/')
        && name.ends_with(".yml") | name.ends_with(".yaml")
        && is_near_stem(&inner.to_lowercase())
    {
        return true;
    }
    let mut stem = name.as_str();
    let mut has_extension = false;
    loop {
        let end = |ends: &[&str]| ends.iter().find_map(|end| stem.strip_suffix(end));
        if let Some(shorter) = end(&BACKUPS) {
            if has_usual {
                return false;
            }
            stem = shorter;
        } else if let Some(shorter) = end(&EXTENSIONS).or_else(|| misspelled_extension(stem)) {
            (stem, has_extension) = (shorter, true);
        } else if stem.trim_end() != stem {
            stem = stem.trim_end();
        } else {
            break;
        }
    }
    // Another extension is of another kind of file.
    if !has_extension && stem.trim_start_matches('.').contains('.') {
        return false;
    }
    is_near_stem(stem)
}

/// Whether a name without its extension is almost the usual one, also with `policy` or `copy` after it.
fn is_near_stem(stem: &str) -> bool {
    let letters = stem.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let letters = ["policy", "copy"].iter().find_map(|end| letters.strip_suffix(end)).unwrap_or(&letters);
    letters.chars().count() <= MAX_STEM && strsim::damerau_levenshtein(letters, "agenttasks") <= MAX_TYPOS
}

/// A name without its extension, where that is almost the one of a policy: `.ymal`, `.yam`.
fn misspelled_extension(name: &str) -> Option<&str> {
    let (stem, extension) = name.rsplit_once('.')?;
    ["yml", "yaml"].iter().any(|one| strsim::damerau_levenshtein(extension, one) == 1).then_some(stem)
}

/// Whether a text is a policy, or is so broken that it may be one.
pub fn may_be_policy(text: &str) -> bool {
    let keys = ["require-class", "defaults", "task-classes", "tasks"];
    match compose::parse(text).map(|(node, _)| node.kind) {
        // A workflow has `defaults` as well.
        Ok(Kind::Mapping(entries)) => {
            let has = |name: &str| entries.iter().any(|(key, _)| key.name == name);
            keys.iter().any(|key| has(key)) && !has("jobs")
        }
        Ok(_) => false,
        Err(_) => true,
    }
}

/// Where a policy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyLocation {
    /// In a file of the workspace.
    Workspace(String),
    /// In a file of a repository, as GitHub has it.
    Repository {
        /// The repository.
        repository: Repository,
        /// The file's path in it.
        path: String,
        /// The branch, tag or commit; the default branch if absent.
        at: Option<String>,
    },
}

impl PolicyLocation {
    /// The file's path.
    pub fn path(&self) -> &str {
        match self {
            Self::Workspace(path) | Self::Repository { path, .. } => path,
        }
    }
}

impl fmt::Display for PolicyLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace(path) => f.write_str(path),
            Self::Repository { repository, path, at: None } => write!(f, "{repository}:{path}"),
            Self::Repository { repository, path, at: Some(at) } => write!(f, "{repository}:{path}@{at}"),
        }
    }
}

impl FromStr for PolicyLocation {
    type Err = String;

    /// Reads `path`, `owner/name:path` or `owner/name:path@ref`.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((repository, rest)) = text.split_once(':') else {
            return path(text).map(|path| Self::Workspace(path.to_owned()));
        };
        let repository = repository.parse().map_err(|why| format!("names no repository before the colon: it {why}"))?;
        let (file, at) = match rest.rsplit_once('@') {
            Some((file, at)) => (file, Some(at)),
            None => (rest, None),
        };
        if at.is_some_and(|at| at.is_empty() || at.contains(|c: char| c.is_whitespace() || c.is_control())) {
            return Err("names no branch, tag or commit after the `@`".to_owned());
        }
        Ok(Self::Repository { repository, path: path(file)?.to_owned(), at: at.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_of_the_policy_file_are_known() {
        for (folder, name) in [
            (".github", "agent-tasks.yaml"),
            (".github", "agent_tasks.yml"),
            (".github", "Agent-Tasks.yml"),
            (".github", "agent-task.yml"),
            (".github", "agent-tasks.yml.txt"),
            (".github", "agent-tasks.json"),
            (".github", "agent-tasks"),
            (".github", "agent-tasks.yml "),
            (".github", "agents-task.yaml"),
            (".github", "agent-tasks.ymal"),
            (".github", "agent-tasks.yam"),
            ("docs", "agent-tasks.yml"),
            (".github/policies", "agent-tasks.yml"),
            (".github/a/b", "agent-tasks.yml"),
            (".github/agent-tasks", "policy.yml"),
            (".github", "agent-tasks-policy.yml"),
            (".github", "agent-tasks copy.yml"),
            (".github/workflows", "agent-tasks.yml"),
            ("", "agent-tasks.yml"),
            ("", ".agent-tasks.yaml"),
        ] {
            assert!(is_near(folder, name, true), "{folder}/{name}");
        }
        for name in ["agent-tasks.yml.bak", "agent-tasks.yml~", "Agent-Tasks.old.yaml"] {
            assert!(is_near(".github", name, false) && !is_near(".github", name, true), "{name}");
        }
        for (folder, name) in [
            (".github", "agent-tasks.yml"),
            (".github", "agents.yml"),
            (".github", "policy.yml"),
            (".github", "copy.yml"),
            (".github/prompts", "policy.yml"),
            (".github/agent-tasks", "prompt.md"),
            (".github", "agent-tasks.schema.json"),
            ("", "agent-tasks.md"),
            ("", "agent-task"),
            ("", "tasks.yml"),
        ] {
            assert!(!is_near(folder, name, false), "{folder}/{name}");
        }
        for name in
            [".github", ".GitHub", "github", ".gitlab", ".githubs", "docs", ".agents", ".circleci", "ci", "workflows"]
        {
            assert!(is_near_folder(name), "{name}");
        }
        assert!(!is_near_folder("src") && !is_near_folder(".git") && !is_github("docs"));
    }

    #[test]
    fn workflows_and_other_files_are_not_policies() {
        for text in ["require-class: true", "tasks: {}", "task-classes: {a: {}}", "a: [", "defaults: {wait: true}"] {
            assert!(may_be_policy(text), "{text}");
        }
        for text in ["on: push\ndefaults: {run: {shell: sh}}\njobs: {}", "name: x", "[]", ""] {
            assert!(!may_be_policy(text), "{text}");
        }
    }
}
