//! Where a policy is.

use std::fmt;
use std::str::FromStr;

use crate::github::repository::Repository;
use crate::policy::values::path;

/// Where the policy is if nobody says: a file of the workspace.
pub const USUAL_PLACE: &str = ".github/agent-tasks.yml";

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
