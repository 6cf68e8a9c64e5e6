//! Which product answers: GitHub itself, or a server that only looks like it.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::request::Request;
use crate::world::World;

/// The product that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Host {
    /// github.com or ghe.com.
    #[default]
    GitHub,
    /// GitHub Enterprise Server of this version, with its REST API below `/api/v3` and GraphQL at `/api/graphql`.
    /// There are no agent tasks: their addresses answer 404. Each answer has `x-github-enterprise-version`.
    EnterpriseServer(String),
    /// Gitea of this version, with its API below `/api/v1`. It has `/version` and nothing else of interest.
    Gitea(String),
}

impl Host {
    /// What can come before the path of an endpoint.
    pub(crate) fn prefixes(&self) -> &'static [&'static str] {
        match self {
            Host::GitHub => &[],
            Host::EnterpriseServer(_) => &["/api/v3", "/api"],
            Host::Gitea(_) => &["/api/v1"],
        }
    }

    pub(crate) fn has_agents(&self) -> bool {
        *self == Host::GitHub
    }
}

impl World {
    /// The addresses of the API, <https://docs.github.com/en/rest/meta/meta#github-api-root>. It needs no token.
    pub(crate) fn api_root(&self, request: &Request) -> Answer {
        let base = &request.base;
        let mut shown: Value =
            ROOT.iter().map(|(name, path)| ((*name).to_owned(), json!(format!("{base}{path}")))).collect();
        shown["current_user_authorizations_html_url"] =
            json!("https://github.com/settings/connections/applications{/client_id}");
        Answer::json(200, &shown)
    }

    /// What the host is, <https://docs.github.com/en/rest/meta/meta#get-apiname-meta-information>. It needs no token.
    pub(crate) fn meta(&self) -> Answer {
        match &self.settings.host {
            Host::EnterpriseServer(version) => {
                Answer::json(200, &json!({"verifiable_password_authentication": true, "installed_version": version}))
            }
            _ => Answer::json(200, &json!({"verifiable_password_authentication": false, "api": ["192.0.2.0/24"]})),
        }
    }

    /// What Gitea answers.
    pub(crate) fn gitea(&self, version: &str, request: &Request) -> Answer {
        if request.is_get() && request.segments == ["version"] {
            return Answer::json(200, &json!({"version": version}));
        }
        let documentation = format!("{}/swagger", request.base.trim_end_matches("/v1"));
        Answer::json(404, &json!({"errors": Value::Null, "message": "Not Found", "url": documentation}))
    }
}

/// The addresses that the root names, each with its path.
const ROOT: [(&str, &str); 31] = [
    ("authorizations_url", "/authorizations"),
    ("code_search_url", "/search/code?q={query}{&page,per_page,sort,order}"),
    ("commit_search_url", "/search/commits?q={query}{&page,per_page,sort,order}"),
    ("current_user_repositories_url", "/user/repos{?type,page,per_page,sort}"),
    ("current_user_url", "/user"),
    ("emails_url", "/user/emails"),
    ("emojis_url", "/emojis"),
    ("events_url", "/events"),
    ("feeds_url", "/feeds"),
    ("followers_url", "/user/followers"),
    ("following_url", "/user/following{/target}"),
    ("gists_url", "/gists{/gist_id}"),
    ("issue_search_url", "/search/issues?q={query}{&page,per_page,sort,order}"),
    ("issues_url", "/issues"),
    ("keys_url", "/user/keys"),
    ("label_search_url", "/search/labels?q={query}&repository_id={repository_id}{&page,per_page}"),
    ("notifications_url", "/notifications"),
    ("organization_repositories_url", "/orgs/{org}/repos{?type,page,per_page,sort}"),
    ("organization_teams_url", "/orgs/{org}/teams"),
    ("organization_url", "/orgs/{org}"),
    ("public_gists_url", "/gists/public"),
    ("rate_limit_url", "/rate_limit"),
    ("repository_search_url", "/search/repositories?q={query}{&page,per_page,sort,order}"),
    ("repository_url", "/repos/{owner}/{repo}"),
    ("starred_gists_url", "/gists/starred"),
    ("starred_url", "/user/starred{/owner}{/repo}"),
    ("topic_search_url", "/search/topics?q={query}{&page,per_page}"),
    ("user_organizations_url", "/user/orgs"),
    ("user_repositories_url", "/users/{user}/repos{?type,page,per_page,sort}"),
    ("user_search_url", "/search/users?q={query}{&page,per_page,sort,order}"),
    ("user_url", "/users/{user}"),
];
