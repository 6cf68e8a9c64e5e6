//! GitHub: one method per endpoint, and the one file that names octocrab and reqwest.
//!
//! Nothing here repeats a request by itself. octocrab's usual client would send a failed POST four times, and each
//! could be a task that somebody pays for; so octocrab gets a bare service to send with, and whoever calls decides.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use octocrab::{OctoBody, Octocrab, OctocrabBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::Service;
use tower::util::MapRequestLayer;

use crate::github::answers::{
    ActionsPermissions, AgentConfiguration, AuthenticatedUser, CollaboratorAccess, RepositoryInfo, SearchPage,
    TaskAnswer, TaskList, TaskPage,
};
use crate::github::error::{
    ACCESS_REMEDIES, ACTIONS_REMEDIES, CONFIGURATION_REMEDIES, Error, FILE_REMEDIES, PULL_REMEDIES,
    REPOSITORY_REMEDIES, Remedies, date, graphql_error, quote,
};
use crate::github::pull_request::{GraphQlPullRequest, PullRequest, RestPullRequest};
use crate::github::repository::Repository;
use crate::github::task::{NewTask, Task, TaskId};
use crate::github::token::Token;
use crate::github::transport::{
    Answer, CONNECT_TIMEOUT, MOST_REDIRECTS, READ_TIMEOUT, Wire, chain, cryptography, headers,
};
use crate::github::url::{ApiUrl, encoded, encoded_path};

/// How many items a page has, the most that GitHub gives.
pub const PAGE: usize = 100;

/// How many nodes one query of the GraphQL API may ask for,
/// <https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api#node-limit>.
pub const MOST_NODES: usize = 100;

/// A connection to GitHub's API that speaks for one token.
pub struct GitHub {
    api: Octocrab,
    address: ApiUrl,
}

impl GitHub {
    /// Speaks to GitHub over the network, with the proxies that the environment names and the system's certificates.
    ///
    /// # Errors
    /// Where the machine has no certificates to check GitHub's with.
    pub fn connect(address: &ApiUrl, token: &Token) -> anyhow::Result<Self> {
        // A second call finds the provider in place, which is just as good.
        let _ = cryptography().install_default();
        let mut client = reqwest::Client::builder();
        if address.is_loopback() {
            // `http` is for this machine alone; by way of a proxy the token would leave it unencrypted.
            client = client.no_proxy();
        }
        if address.rest.starts_with("http://") {
            // Nothing is encrypted on the way, so that a machine without certificates can go it as well.
            client = client.tls_certs_only([]);
        }
        let client = client
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(|error| anyhow::anyhow!(chain(&error)))
            .context(
                "cannot prepare encrypted connections: install the package `ca-certificates`, or let `SSL_CERT_FILE` \
                 name a file of certificates",
            )?;
        Ok(Self::over(Wire(client), address, token))
    }

    /// Speaks to GitHub over any service that carries HTTP requests. An error of kind
    /// [`io::ErrorKind::ConnectionRefused`] from it means that the request never left this machine.
    pub fn over<S, B>(service: S, address: &ApiUrl, token: &Token) -> Self
    where
        S: Service<http::Request<OctoBody>, Response = http::Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<tower::BoxError>,
        B: http_body::Body<Data = bytes::Bytes> + Send + Sync + 'static,
        B::Error: Into<tower::BoxError>,
    {
        let headers = headers(token);
        let set = move |mut request: http::Request<OctoBody>| {
            // `insert` and not `append`: octocrab brings an older API version of its own, and two are refused.
            for (name, value) in &headers {
                request.headers_mut().insert(name, value.clone());
            }
            request
        };
        let built = OctocrabBuilder::new_empty()
            .with_service(service)
            .with_layer(&MapRequestLayer::new(set))
            .with_auth(octocrab::AuthState::None)
            .build();
        let api = match built {
            Ok(api) => api,
            Err(never) => match never {},
        };
        Self { api, address: address.clone() }
    }

    /// Starts a task. This is the one request of this program that changes anything.
    ///
    /// <https://docs.github.com/en/rest/agent-tasks/agent-tasks#start-a-task>
    ///
    /// # Errors
    /// [`Error::Unanswered`] and [`Error::Malformed`] leave open whether the task exists.
    pub async fn start(&self, repository: &Repository, task: &NewTask) -> Result<Task, Error> {
        let path = format!("/agents/repos/{repository}/tasks");
        self.post(&format!("{}{path}", self.address.rest), task).await
    }

    /// Looks at a task. `etag` is the mark of an earlier look.
    ///
    /// <https://docs.github.com/en/rest/agent-tasks/agent-tasks#get-a-task-by-repository>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn task(&self, repository: &Repository, id: &TaskId, etag: Option<&str>) -> Result<TaskAnswer, Error> {
        let path = format!("/agents/repos/{repository}/tasks/{}", encoded(id.as_str()));
        let answer = self.get(&path, etag, None).await?;
        if answer.status == StatusCode::NOT_MODIFIED {
            return Ok(TaskAnswer::Unchanged);
        }
        let etag = answer.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        Ok(TaskAnswer::Seen(Box::new(answer.read()?), etag))
    }

    /// A page of a repository's tasks, newest first, a hundred at a time; without their sessions. A list lags behind
    /// the starts.
    ///
    /// <https://docs.github.com/en/rest/agent-tasks/agent-tasks#list-tasks-for-repository>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn tasks(&self, repository: &Repository, archived: bool, page: u32) -> Result<TaskPage, Error> {
        self.listed(&format!("/agents/repos/{repository}/tasks"), &format!("&is_archived={archived}"), page).await
    }

    /// A page of the tasks of the user whose token this is, in all repositories, newest first, a hundred at a time;
    /// without their sessions. `states` are the states that are asked for, with commas between them; all without it.
    ///
    /// <https://docs.github.com/en/rest/agent-tasks/agent-tasks#list-tasks>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn my_tasks(&self, states: Option<&str>, archived: bool, page: u32) -> Result<TaskPage, Error> {
        let states = states.map_or_else(String::new, |states| format!("&state={}", encoded(states)));
        self.listed("/agents/tasks", &format!("&is_archived={archived}{states}"), page).await
    }

    /// A task of the user whose token this is, wherever it runs.
    ///
    /// <https://docs.github.com/en/rest/agent-tasks/agent-tasks#get-a-task-by-id>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn my_task(&self, id: &TaskId) -> Result<Task, Error> {
        self.get(&format!("/agents/tasks/{}", encoded(id.as_str())), None, None).await?.read()
    }

    /// A page of what the search finds for a query, a hundred repositories at a time.
    ///
    /// <https://docs.github.com/en/rest/search/search#search-repositories>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn search(&self, query: &str, page: u32) -> Result<SearchPage, Error> {
        let path = format!("/search/repositories?q={}&per_page={PAGE}&page={page}", encoded(query));
        self.get(&path, None, None).await?.read()
    }

    /// The user whose token this is.
    ///
    /// <https://docs.github.com/en/rest/users/users#get-the-authenticated-user>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn me(&self) -> Result<AuthenticatedUser, Error> {
        let answer = self.get("/user", None, None).await?;
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(quote);
        let scopes = |text: String| text.split(',').map(|scope| scope.trim().to_owned()).collect();
        let user = answer.read::<Value>()?;
        Ok(AuthenticatedUser {
            id: user["id"].as_u64().ok_or_else(|| Error::Malformed { why: "it has no id".to_owned() })?,
            login: user["login"].as_str().map(quote).unwrap_or_default(),
            scopes: header("x-oauth-scopes").map(scopes),
            expires: header("github-authentication-token-expiration"),
        })
    }

    /// A repository.
    ///
    /// <https://docs.github.com/en/rest/repos/repos#get-a-repository>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn repository(&self, repository: &Repository) -> Result<RepositoryInfo, Error> {
        let home = self.value(&format!("/repos/{repository}"), REPOSITORY_REMEDIES).await?;
        let text = |name: &str| home[name].as_str().map(str::to_owned);
        let lacks = || Error::Malformed { why: "it has no name or no default branch".to_owned() };
        Ok(RepositoryInfo {
            full_name: text("full_name").ok_or_else(lacks)?,
            default_branch: text("default_branch").ok_or_else(lacks)?,
            archived: home["archived"] == true,
            disabled: home["disabled"] == true,
            may_push: home["permissions"]["push"].as_bool(),
        })
    }

    /// Whether there is such a branch: an error says that there is none.
    ///
    /// <https://docs.github.com/en/rest/branches/branches#get-a-branch>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn branch(&self, repository: &Repository, name: &str) -> Result<(), Error> {
        self.value(&format!("/repos/{repository}/branches/{}", encoded_path(name)), FILE_REMEDIES).await.map(drop)
    }

    /// The settings of the cloud agent.
    ///
    /// <https://docs.github.com/en/rest/copilot/copilot-cloud-agent-management#get-copilot-cloud-agent-configuration-for-a-repository>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn configuration(&self, repository: &Repository) -> Result<AgentConfiguration, Error> {
        let path = format!("/repos/{repository}/copilot/cloud-agent/configuration");
        let told = self.value(&path, CONFIGURATION_REMEDIES).await?;
        let tools = told["enabled_tools"].as_object().into_iter().flatten();
        Ok(AgentConfiguration {
            firewall: told["is_firewall_enabled"].as_bool(),
            recommended_allowlist: told["is_firewall_recommended_allowlist_enabled"].as_bool(),
            workflow_approval: told["require_actions_workflow_approval"].as_bool(),
            tools: tools.filter_map(|(name, on)| Some((name.clone(), on.as_bool()?))).collect(),
        })
    }

    /// What GitHub Actions may do.
    ///
    /// <https://docs.github.com/en/rest/actions/permissions#get-github-actions-permissions-for-a-repository>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn actions(&self, repository: &Repository) -> Result<ActionsPermissions, Error> {
        let told = self.value(&format!("/repos/{repository}/actions/permissions"), ACTIONS_REMEDIES).await?;
        let enabled = told["enabled"].as_bool();
        let enabled = enabled.ok_or_else(|| Error::Malformed { why: "it does not say `enabled`".to_owned() })?;
        Ok(ActionsPermissions { enabled, allowed: told["allowed_actions"].as_str().map(quote) })
    }

    /// Whether workflows may use the actions that GitHub makes, where only selected actions are allowed.
    ///
    /// <https://docs.github.com/en/rest/actions/permissions#get-allowed-actions-and-reusable-workflows-for-a-repository>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn allows_githubs_actions(&self, repository: &Repository) -> Result<bool, Error> {
        let path = format!("/repos/{repository}/actions/permissions/selected-actions");
        Ok(self.value(&path, ACTIONS_REMEDIES).await?["github_owned_allowed"] == true)
    }

    /// What somebody may do in a repository. A personal token may ask where its owner can push; the workflow's own may
    /// always ask about its repository.
    ///
    /// <https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn access(&self, repository: &Repository, login: &str) -> Result<CollaboratorAccess, Error> {
        let path = format!("/repos/{repository}/collaborators/{}/permission", encoded(login));
        let answer = self.value(&path, ACCESS_REMEDIES).await?;
        let text = |name: &str| answer[name].as_str().map(quote);
        let permission =
            text("permission").ok_or_else(|| Error::Malformed { why: "it has no permission".to_owned() })?;
        Ok(CollaboratorAccess {
            id: answer["user"]["id"].as_u64(),
            permission,
            role: text("role_name").unwrap_or_default(),
        })
    }

    /// The commit that a branch or a tag points to; the default branch if none is named.
    ///
    /// <https://docs.github.com/en/rest/commits/commits#list-commits>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn commit(&self, repository: &Repository, at: Option<&str>) -> Result<String, Error> {
        let at = at.map_or_else(String::new, |at| format!("&sha={}", encoded(at)));
        let commits = self.value(&format!("/repos/{repository}/commits?per_page=1{at}"), FILE_REMEDIES).await?;
        let commit = commits[0]["sha"].as_str();
        commit.map(str::to_owned).ok_or_else(|| Error::Malformed { why: "it has no commit".to_owned() })
    }

    /// A file of at most so many bytes, as it is at a commit.
    ///
    /// <https://docs.github.com/en/rest/repos/contents#get-repository-content>
    ///
    /// # Errors
    /// All of [`Error`]; [`Error::Unfit`] where there is something else than such a file.
    pub async fn file(&self, repository: &Repository, path: &str, at: &str, most: usize) -> Result<String, Error> {
        let path = format!("/repos/{repository}/contents/{}?ref={}", encoded_path(path), encoded(at));
        let file = self.value(&path, FILE_REMEDIES).await?;
        let unfit = |why: String| Error::Unfit { why };
        if file["type"] != "file" {
            return Err(unfit("there is a folder or something else that is no file".to_owned()));
        }
        // The content of a large file is left out, but never its size.
        let size = file["size"].as_u64().and_then(|size| usize::try_from(size).ok());
        if let Some(size) = size.filter(|size| *size > most) {
            return Err(unfit(format!("the file has {size} bytes, and at most {most} are read")));
        }
        let content = file["content"].as_str().filter(|_| file["encoding"] == "base64");
        let content =
            content.ok_or_else(|| Error::Malformed { why: "the file comes without its content".to_owned() })?;
        let content = content.split_ascii_whitespace().collect::<String>();
        let bytes = STANDARD.decode(content).map_err(|error| Error::Malformed { why: error.to_string() })?;
        let text = String::from_utf8(bytes).map_err(|_| unfit("the file is not valid UTF-8".to_owned()))?;
        // Some editors begin a file with a mark that nobody has a use for.
        Ok(text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned))
    }

    /// The pull requests with these ids of the GraphQL API, in their order and at most [`MOST_NODES`]; `None` for one
    /// that is not there, or that the token may not see.
    ///
    /// <https://docs.github.com/en/graphql/reference/queries#nodes>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn pulls_by_node_ids(&self, ids: &[String]) -> Result<Vec<Option<PullRequest>>, Error> {
        let query = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on PullRequest {{ {PULL_FIELDS} }} }} }}");
        let answer = self.graphql(&query, &serde_json::json!({"ids": ids})).await?;
        let nodes = answer["data"]["nodes"].as_array().into_iter().flatten();
        let mut pulls = nodes.map(graph_pull).collect::<Vec<_>>();
        if pulls.iter().all(Option::is_none) {
            graphql_error(&answer).map_or(Ok(()), Err)?;
        }
        pulls.resize(ids.len(), None);
        Ok(pulls)
    }

    /// The newest pull requests from each of these branches, open or not, in the order of the branches and at most
    /// [`MOST_NODES`] of them; `None` for a repository whose pull requests the token may not see.
    ///
    /// <https://docs.github.com/en/graphql/reference/queries#repository>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn pulls_by_branches(
        &self,
        branches: &[(Repository, String)],
    ) -> Result<Vec<Option<Vec<PullRequest>>>, Error> {
        let text = |text: &str| Value::from(text).to_string();
        let asked = branches.iter().enumerate().map(|(at, (repository, branch))| {
            let (owner, name, branch) = (text(repository.owner()), text(repository.name()), text(branch));
            format!(
                "r{at}: repository(owner: {owner}, name: {name}) {{ pullRequests(headRefName: {branch}, last: \
                 {MOST_OF_BRANCH}) {{ nodes {{ {PULL_FIELDS} }} }} }} "
            )
        });
        let query = format!("query {{ {}}}", asked.collect::<String>());
        let answer = self.graphql(&query, &serde_json::json!({})).await?;
        let found = |at: usize| {
            let nodes = answer["data"][format!("r{at}")]["pullRequests"]["nodes"].as_array()?;
            Some(nodes.iter().filter_map(graph_pull).collect())
        };
        let pulls = (0..branches.len()).map(found).collect::<Vec<_>>();
        if pulls.iter().all(Option::is_none) {
            graphql_error(&answer).map_or(Ok(()), Err)?;
        }
        Ok(pulls)
    }

    /// The newest pull requests of a repository, open or not, up to a hundred; from one branch, where one is given.
    ///
    /// <https://docs.github.com/en/rest/pulls/pulls#list-pull-requests>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn pulls(&self, repository: &Repository, head: Option<&str>) -> Result<Vec<PullRequest>, Error> {
        let head = head.map_or_else(String::new, |branch| {
            format!("&head={}", encoded(&format!("{}:{branch}", repository.owner())))
        });
        let path = format!("/repos/{repository}/pulls?state=all&sort=created&direction=desc&per_page=100{head}");
        let listed: Vec<RestPullRequest> = self.get(&path, None, Some(PULL_REMEDIES)).await?.read()?;
        Ok(listed.into_iter().map(PullRequest::from).collect())
    }

    async fn graphql(&self, query: &str, variables: &Value) -> Result<Value, Error> {
        self.post(&self.address.graphql, &serde_json::json!({"query": query, "variables": variables})).await
    }

    /// A page of a list of tasks, newest first.
    async fn listed(&self, path: &str, filter: &str, page: u32) -> Result<TaskPage, Error> {
        // The whole query stands on each page: the addresses that GitHub links to lose some of it.
        let query = format!("sort=created_at&direction=desc{filter}&per_page={PAGE}&page={page}");
        let answer = self.get(&format!("{path}?{query}"), None, None).await?;
        // A task that cannot be read must not pass for one that is not there, so the whole list is asked for.
        let TaskList { tasks } = answer.read()?;
        let next = answer.headers.get(header::LINK).and_then(|link| link.to_str().ok());
        let more = tasks.len() >= PAGE || next.is_some_and(|link| link.contains("rel=\"next\""));
        Ok(TaskPage { tasks, more, now: date(&answer.headers) })
    }

    /// An answer that is read by its fields.
    async fn value(&self, path: &str, remedies: Remedies) -> Result<Value, Error> {
        self.get(path, None, Some(remedies)).await?.read()
    }

    /// `remedies` are those of what is asked for, where that is no task.
    async fn get(&self, path: &str, etag: Option<&str>, remedies: Option<Remedies>) -> Result<Answer, Error> {
        let mut headers = HeaderMap::new();
        if let Some(value) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            headers.insert(header::IF_NONE_MATCH, value);
        }
        let mut uri = format!("{}{path}", self.address.rest);
        for _ in 0..=MOST_REDIRECTS {
            let answer = Answer::of(self.api._get_with_headers(uri.as_str(), Some(headers.clone()))).await?;
            match self.redirected(&answer, &[301, 302, 307, 308]) {
                Some(to) => uri = to,
                None => return answer.accepted(&self.address, remedies),
            }
        }
        Err(Error::Malformed { why: "it sends us from one address to the next".to_owned() })
    }

    async fn post<T: DeserializeOwned>(&self, uri: &str, body: &(impl Serialize + Sync)) -> Result<T, Error> {
        let mut uri = uri.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let answer = Answer::of(self.api._post(uri.as_str(), Some(body))).await?;
            // Only these two ask for the same request at another address. Such an answer means that nothing was done.
            match self.redirected(&answer, &[307, 308]) {
                Some(to) => uri = to,
                None => return answer.accepted(&self.address, None)?.read(),
            }
        }
        Err(Error::Refused { status: 307, said: "it sends us from one address to the next".to_owned() })
    }

    /// Where an answer sends us, provided that it is the same host: the token goes to no other.
    fn redirected(&self, answer: &Answer, statuses: &[u16]) -> Option<String> {
        let to = answer.headers.get(header::LOCATION)?.to_str().ok()?;
        if !statuses.contains(&answer.status.as_u16()) {
            return None;
        }
        let here: http::Uri = self.address.rest.parse().ok()?;
        let origin = format!("{}://{}", here.scheme_str()?, here.authority()?);
        // A path of this host, and not the `//host/path` that looks like one.
        let path = if to.starts_with("//") { None } else { to.strip_prefix('/') };
        let path = path.or_else(|| to.strip_prefix(&origin)?.strip_prefix('/'))?;
        Some(format!("{origin}/{path}"))
    }
}

/// What is asked of a pull request in the GraphQL API.
const PULL_FIELDS: &str = "id fullDatabaseId number url state headRefName baseRefName";
/// How many pull requests of one branch are asked for. Few have more than one.
const MOST_OF_BRANCH: usize = 10;

/// A pull request in an answer of the GraphQL API. A node of another type has none of the fields asked for.
fn graph_pull(node: &Value) -> Option<PullRequest> {
    serde_json::from_value::<GraphQlPullRequest>(node.clone()).ok().map(PullRequest::from)
}
