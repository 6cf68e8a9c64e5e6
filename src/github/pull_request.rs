//! A pull request in the answers of the REST and the GraphQL API.
//!
//! The agent tasks API does not have a pull request's number: an artifact has the id in GitHub's database and, mostly, the
//! id in the GraphQL API. `run/pull_request.rs` looks up the number.

use serde::Deserialize;

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// The number in the repository.
    pub number: u64,
    /// Its page.
    pub url: String,
    /// The id in GitHub's database, which a task's artifact has.
    pub database_id: Option<u64>,
    /// The id in the GraphQL API.
    pub node_id: Option<String>,
    /// The branch with the changes.
    pub head_ref: String,
    /// The branch that it is to be merged into.
    pub base_ref: String,
    /// Whether it is open.
    pub open: bool,
}

#[cfg(test)]
impl PullRequest {
    /// A pull request of a repository, for tests.
    pub(crate) fn sample(repository: &str, number: u64) -> Self {
        Self {
            number,
            url: format!("https://github.com/{repository}/pull/{number}"),
            database_id: None,
            node_id: None,
            head_ref: "copilot/a".to_owned(),
            base_ref: "main".to_owned(),
            open: true,
        }
    }
}

/// A pull request in the answers of the REST API, <https://docs.github.com/en/rest/pulls/pulls>.
#[derive(Debug, Deserialize)]
pub struct RestPullRequest {
    number: u64,
    html_url: String,
    id: Option<u64>,
    node_id: Option<String>,
    state: String,
    head: RestBranch,
    base: RestBranch,
}

#[derive(Debug, Deserialize)]
struct RestBranch {
    #[serde(rename = "ref")]
    name: String,
}

impl From<RestPullRequest> for PullRequest {
    fn from(actual: RestPullRequest) -> Self {
        Self {
            number: actual.number,
            url: actual.html_url,
            database_id: actual.id,
            node_id: actual.node_id,
            head_ref: actual.head.name,
            base_ref: actual.base.name,
            open: actual.state == "open",
        }
    }
}

/// A pull request in the answers of the GraphQL API.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphQlPullRequest {
    number: u64,
    url: String,
    id: Option<String>,
    /// A text, because it exceeds GraphQL's integers.
    full_database_id: Option<String>,
    state: String,
    head_ref_name: String,
    base_ref_name: String,
}

impl From<GraphQlPullRequest> for PullRequest {
    fn from(actual: GraphQlPullRequest) -> Self {
        Self {
            number: actual.number,
            url: actual.url,
            database_id: actual.full_database_id.and_then(|id| id.parse().ok()),
            node_id: actual.id,
            head_ref: actual.head_ref_name,
            base_ref: actual.base_ref_name,
            open: actual.state == "OPEN",
        }
    }
}
