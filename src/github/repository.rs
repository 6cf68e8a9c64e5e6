//! A repository's name.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// The name of a repository on GitHub, `owner/name`.
///
/// GitHub ignores case in both parts, and so do equality and hashing here. The spelling is kept for people to read.
#[derive(Clone)]
pub struct Repository {
    owner: String,
    name: String,
}

/// Why a text is not a repository's name. Its `Display` names the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryError {
    /// The text is an address rather than a name.
    #[error("is an address; write only `owner/name`, without `.git`")]
    Address,
    /// There is not exactly one slash with something on both sides.
    #[error("is not of the form `owner/name`")]
    Form,
    /// The owner has a character or a length that GitHub does not allow.
    #[error("has an owner that GitHub does not allow: letters, digits, `-` and `_`, at most 39 of them")]
    Owner,
    /// The name has a character or a length that GitHub does not allow.
    #[error("has a name that GitHub does not allow: letters, digits, `.`, `-` and `_`, at most 100 of them")]
    Name,
}

/// The longest login, <https://docs.github.com/en/enterprise-cloud@latest/admin/concepts/identity-and-access-management/username-considerations-for-external-authentication>.
const MAX_OWNER: usize = 39;
/// The longest repository name that GitHub's form for new repositories takes.
const MAX_NAME: usize = 100;

impl Repository {
    /// The login of the user or the organization that owns the repository.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The part after the slash.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name for people, with that of the entry of a list, if it has one: `octo/app (api)`.
    pub fn labeled(&self, entry: Option<&str>) -> String {
        entry.map_or_else(|| self.to_string(), |entry| format!("{self} ({entry})"))
    }
}

impl FromStr for Repository {
    type Err = RepositoryError;

    fn from_str(text: &str) -> Result<Self, RepositoryError> {
        // GitHub allows no repository whose name ends as the address for git does.
        if text.contains("://") || text.starts_with("git@") || text.starts_with("github.com/") || text.ends_with(".git")
        {
            return Err(RepositoryError::Address);
        }
        let (owner, name) = text.split_once('/').ok_or(RepositoryError::Form)?;
        if owner.is_empty() || name.is_empty() || name.contains('/') {
            return Err(RepositoryError::Form);
        }
        // Logins of managed users carry an underscore and their enterprise's short code.
        let owner_fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if owner.len() > MAX_OWNER || !owner.chars().all(owner_fits) {
            return Err(RepositoryError::Owner);
        }
        let name_fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.len() > MAX_NAME || !name.chars().all(name_fits) || name == "." || name == ".." {
            return Err(RepositoryError::Name);
        }
        Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Repository {
    fn eq(&self, other: &Self) -> bool {
        self.owner.eq_ignore_ascii_case(&other.owner) && self.name.eq_ignore_ascii_case(&other.name)
    }
}

impl Eq for Repository {}

impl Hash for Repository {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_string().to_ascii_lowercase().hash(state);
    }
}

/// A branch's name. `refs/heads/…` is what `github.ref` has, and means the same.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn branch_name(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("refs/heads/").unwrap_or(text);
    if name.starts_with("refs/") {
        return Err("is not a branch; write the name of a branch, for example `main`".to_owned());
    }
    // What git itself refuses, <https://git-scm.com/docs/git-check-ref-format>.
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    let broken = name.is_empty()
        || name.chars().any(odd)
        || name.contains("..")
        || name.contains("@{")
        || name.contains("//")
        || name == "@"
        || name.starts_with(['-', '/'])
        || name.ends_with(['/', '.'])
        || name.split('/').any(|part| part.starts_with('.') || part.ends_with(".lock"));
    match broken {
        true => Err("is not a name that git allows for a branch; write for example `main`".to_owned()),
        false => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_equality_ignores_case() {
        let written: Repository = "Octo/App".parse().unwrap();
        assert_eq!(written, "octo/app".parse().unwrap());
        assert_eq!(written.to_string(), "Octo/App");
    }

    #[test]
    fn repository_names_that_github_refuses_have_reasons() {
        for (text, why) in [
            ("https://github.com/octo/app", RepositoryError::Address),
            ("git@github.com:octo/app", RepositoryError::Address),
            ("github.com/octo/app", RepositoryError::Address),
            ("octo/app.git", RepositoryError::Address),
            ("octo", RepositoryError::Form),
            ("octo/", RepositoryError::Form),
            ("/app", RepositoryError::Form),
            ("octo/app/extra", RepositoryError::Form),
            ("oc to/app", RepositoryError::Owner),
            ("octo/a%2fb", RepositoryError::Name),
            ("octo/..", RepositoryError::Name),
        ] {
            assert_eq!(text.parse::<Repository>().unwrap_err(), why, "{text}");
        }
        assert!("octo_corp/my.app-2_x".parse::<Repository>().is_ok());
    }

    #[test]
    fn branch_name_is_one_that_git_allows() {
        assert_eq!(branch_name("refs/heads/main").as_deref(), Ok("main"));
        for text in ["refs/pull/3/merge", "refs/tags/v1", "a..b", "-x", "a b", "x.lock", "a~1"] {
            assert!(branch_name(text).is_err(), "{text}");
        }
    }
}
