//! Where a policy is.

use std::fmt;
use std::str::FromStr;

use crate::github::repository::Repository;
use crate::policy::values::path;
use crate::yaml::compose;
use crate::yaml::compose::Kind;

/// The default location of the policy: a file of the workspace.
pub const USUAL_PLACE: &str = ".github/agent-tasks.yml";

/// The folders in which a policy is looked for that would be ignored where it is.
pub const NEAR_FOLDERS: [&str; 3] = ["", ".github", ".github/workflows"];

/// Whether a file of one of [`NEAR_FOLDERS`] has almost the name of the policy file.
pub fn is_near(folder: &str, name: &str) -> bool {
    if format!("{folder}/{name}") == USUAL_PLACE {
        return false;
    }
    let name = name.to_lowercase();
    let stem = [".txt", ".json", ".yaml", ".yml"].iter().fold(name.as_str(), |name, end| name.trim_end_matches(end));
    let letters = stem.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    stem != name && ["agenttasks", "agenttask", "agentstasks"].contains(&letters.as_str())
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
            return Err("names no branch, tag or commit behind the `@`".to_owned());
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
            (".github/workflows", "agent-tasks.yml"),
            ("", "agent-tasks.yml"),
            ("", ".agent-tasks.yaml"),
        ] {
            assert!(is_near(folder, name), "{folder}/{name}");
        }
        for (folder, name) in [(".github", "agent-tasks.yml"), (".github", "agents.yml"), ("", "agent-tasks.md")] {
            assert!(!is_near(folder, name), "{folder}/{name}");
        }
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
