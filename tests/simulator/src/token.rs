//! Who may do what.

use std::collections::BTreeSet;

use serde::Deserialize;

/// A thing that a token can be without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Read agent tasks.
    AgentTasksRead,
    /// Start agent tasks.
    AgentTasksWrite,
    /// Read pull requests, by REST or by GraphQL.
    PullRequestsRead,
    /// Read files and branches.
    ContentsRead,
    /// Read the permission of a collaborator.
    MetadataRead,
    /// Read the settings of GitHub Actions.
    AdministrationRead,
    /// Read the settings of the cloud agent.
    AgentSettingsRead,
    /// Read check runs and check suites.
    ChecksRead,
    /// Read commit statuses.
    StatusesRead,
    /// Read workflow runs.
    ActionsRead,
    /// Cancel workflow runs.
    ActionsWrite,
}

impl Permission {
    /// The form of the `X-Accepted-GitHub-Permissions` header.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Permission::AgentTasksRead => "agent_tasks=read",
            Permission::AgentTasksWrite => "agent_tasks=write",
            Permission::PullRequestsRead => "pull_requests=read",
            Permission::ContentsRead => "contents=read",
            Permission::MetadataRead => "metadata=read",
            Permission::AdministrationRead => "administration=read",
            Permission::ChecksRead => "checks=read",
            Permission::StatusesRead => "statuses=read",
            Permission::ActionsRead => "actions=read",
            Permission::ActionsWrite => "actions=write",
            // Assumed: the documentation calls the permission "Copilot agent settings".
            Permission::AgentSettingsRead => "copilot_agent_settings=read",
        }
    }
}

/// The owner and the permissions of a token. By default: a licensed person who may do everything, everywhere.
///
/// Its kind is known by the prefix it is registered under (`ghp_`, `github_pat_`, `ghs_`, ...).
/// A token that GitHub does not know is one that was never registered.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Token {
    /// The person's login. Tokens of one person share that person's primary limit.
    pub login: String,
    /// The person's id, which tasks carry as their creator.
    pub id: u64,
    /// What it may not do.
    pub lacks: BTreeSet<Permission>,
    /// Whether the person has a Copilot licence.
    pub licence: bool,
    /// The repositories it can see; all when absent.
    pub sees: Option<Vec<String>>,
    /// Organizations with single sign-on that the token is not authorized for. What is theirs is missing from lists
    /// over several organizations and from searches, which then say `X-GitHub-SSO: partial-results`, and asking for
    /// it is denied with `X-GitHub-SSO: required`.
    pub without_sso: Vec<String>,
    /// What `github-authentication-token-expiration` says; absent for one that never expires.
    pub expires: Option<String>,
}

impl Default for Token {
    fn default() -> Token {
        Token {
            login: "octocat".to_owned(),
            id: 583_231,
            lacks: BTreeSet::new(),
            licence: true,
            sees: None,
            without_sso: Vec::new(),
            expires: Some("2027-06-30 12:00:00 UTC".to_owned()),
        }
    }
}

impl Token {
    /// The same without this permission.
    #[must_use]
    pub fn without(mut self, permission: Permission) -> Token {
        self.lacks.insert(permission);
        self
    }

    /// The same for a person without a Copilot licence.
    #[must_use]
    pub fn without_licence(mut self) -> Token {
        self.licence = false;
        self
    }

    /// The same for another person.
    #[must_use]
    pub fn of(mut self, login: impl Into<String>, id: u64) -> Token {
        self.login = login.into();
        self.id = id;
        self
    }

    /// The same, blind to all repositories but these.
    #[must_use]
    pub fn seeing(mut self, repositories: &[&str]) -> Token {
        self.sees = Some(repositories.iter().map(|&name| name.to_owned()).collect());
        self
    }

    /// The same, not authorized for the single sign-on of these organizations.
    #[must_use]
    pub fn without_sso(mut self, organizations: &[&str]) -> Token {
        self.without_sso = organizations.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// Whether single sign-on keeps this token from what is the owner's.
    pub(crate) fn lacks_sso(&self, owner: &str) -> bool {
        self.without_sso.iter().any(|name| name.eq_ignore_ascii_case(owner))
    }

    pub(crate) fn may(&self, permission: Permission) -> bool {
        // Write access includes read access, so a token without the latter has none of the former.
        let reading = match permission {
            Permission::AgentTasksWrite => Permission::AgentTasksRead,
            Permission::ActionsWrite => Permission::ActionsRead,
            other => other,
        };
        !self.lacks.contains(&reading) && !self.lacks.contains(&permission)
    }

    pub(crate) fn can_see(&self, repository: &str) -> bool {
        self.sees.as_ref().is_none_or(|names| names.iter().any(|name| name.eq_ignore_ascii_case(repository)))
    }
}

/// What of a token may be shown: its prefix, which names its kind.
pub(crate) fn shown(secret: &str) -> String {
    match secret.split_once('_') {
        Some((prefix, _)) => format!("{prefix}_…"),
        None => "…".to_owned(),
    }
}
