//! A repository.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::denial::Denial;
use crate::repos::sha;
use crate::runs::RunSettings;

/// A repository as a test or a scenario describes it. Names are compared without regard to case.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Repository {
    /// Where a task starts from when its request names no base.
    pub default_branch: String,
    /// The branches beside the default one.
    pub branches: Vec<String>,
    /// Whether the cloud agent is switched on; if not, its endpoints answer 404.
    pub agent_enabled: bool,
    /// Whether the repository is private.
    pub private: bool,
    /// Whether the repository is archived; if so, what would change it is denied.
    pub archived: bool,
    /// Whether GitHub has disabled the repository.
    pub disabled: bool,
    /// What GitHub Actions may do.
    pub actions: Actions,
    /// Settings of the cloud agent that are not GitHub's own defaults, by their names in the API.
    pub agent_settings: Map<String, Value>,
    /// Its topics, in lower case as GitHub keeps them.
    pub topics: Vec<String>,
    /// The custom agents that exist here, as file names without the extension.
    pub custom_agents: Vec<String>,
    /// The models that may be used; any when absent.
    pub models: Option<Vec<String>>,
    /// The number that the next pull request gets.
    pub next_pull_number: u64,
    /// Names this repository had before. They answer with a redirect.
    pub renamed_from: Vec<String>,
    /// Every request for this repository is denied like this.
    pub denial: Option<Denial>,
    /// Only starts in this repository are denied, like this.
    pub start_denial: Option<Denial>,
    /// How the workflow runs of tasks here behave; the setting when absent.
    pub runs: Option<RunSettings>,
    /// Role per login: `admin`, `maintain`, `write`, `triage`, `read`, `none`, or a custom one with the role that it
    /// builds on, as in `releaser=write`. `unknown` is an account that does not exist. Others can read a public
    /// repository, and are not found for a private one.
    pub collaborators: BTreeMap<String, String>,
    /// Files on the default branch and on those of `branches`, by path.
    pub files: BTreeMap<String, String>,
    /// The files of other branches and of tags, by the branch or the tag.
    pub files_at: BTreeMap<String, BTreeMap<String, String>>,
}

/// Which actions workflows may use.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Actions {
    /// Whether there are workflows at all.
    pub enabled: bool,
    /// `all`, `local_only` or `selected`.
    pub allowed: String,
    /// Whether those that GitHub makes are among the selected ones.
    pub github_owned: bool,
    /// Patterns of selected actions, as `actions/*`.
    pub patterns: Vec<String>,
}

impl Default for Actions {
    fn default() -> Actions {
        Actions { enabled: true, allowed: "all".to_owned(), github_owned: true, patterns: Vec::new() }
    }
}

impl Default for Repository {
    fn default() -> Repository {
        Repository {
            default_branch: "main".to_owned(),
            branches: Vec::new(),
            agent_enabled: true,
            private: false,
            archived: false,
            disabled: false,
            actions: Actions::default(),
            agent_settings: Map::new(),
            topics: Vec::new(),
            custom_agents: Vec::new(),
            models: None,
            next_pull_number: 12,
            renamed_from: Vec::new(),
            denial: None,
            start_denial: None,
            runs: None,
            collaborators: BTreeMap::new(),
            files: BTreeMap::new(),
            files_at: BTreeMap::new(),
        }
    }
}

impl Repository {
    pub(crate) fn has_branch(&self, name: &str) -> bool {
        name == self.default_branch || self.branches.iter().any(|branch| branch == name)
    }

    /// The branch or tag that a reference means: its name, its full name or its commit.
    pub(crate) fn reference(&self, given: Option<&str>) -> Option<&str> {
        let given = given.filter(|given| !given.is_empty() && *given != "HEAD").unwrap_or(&self.default_branch);
        let bare = ["refs/heads/", "refs/tags/", "heads/", "tags/"].iter().find_map(|start| given.strip_prefix(start));
        let name = bare.unwrap_or(given);
        let all = [&self.default_branch].into_iter().chain(&self.branches).chain(self.files_at.keys());
        all.map(String::as_str).find(|known| *known == name || sha(known) == given)
    }

    /// The files at a branch or a tag.
    pub(crate) fn files_of(&self, reference: &str) -> &BTreeMap<String, String> {
        self.files_at.get(reference).unwrap_or(&self.files)
    }

    /// The role of this person here; none for a stranger.
    fn role(&self, login: &str) -> Option<&str> {
        self.collaborators.iter().find(|(name, _)| name.eq_ignore_ascii_case(login)).map(|(_, role)| role.as_str())
    }

    /// What this person may do here and under which name, in the words of the collaborators endpoint; none for
    /// an account that the endpoint does not find.
    pub(crate) fn access(&self, login: &str) -> Option<(&str, &str)> {
        let role = match self.role(login) {
            Some("unknown") => return None,
            Some(role) => role,
            None if self.private => return None,
            None => "read",
        };
        let (name, base) = role.split_once('=').unwrap_or((role, role));
        Some((
            if base == "maintain" {
                "write"
            } else if base == "triage" {
                "read"
            } else {
                base
            },
            name,
        ))
    }

    /// The same in one of the four words.
    pub(crate) fn permission(&self, login: &str) -> &str {
        self.access(login).map_or("none", |(permission, _)| permission)
    }

    /// Whether this person is known to be unable to push. A person who is not listed owns the token of a test.
    pub(crate) fn cannot_push(&self, login: &str) -> bool {
        self.role(login).is_some() && !matches!(self.permission(login), "admin" | "write")
    }
}
