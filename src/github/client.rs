//! The endpoints: one method each.
//!
//! Nothing here repeats a request. octocrab's usual client would send a failed POST four times, and each could be a
//! task that is paid for; so octocrab gets a bare service, and the caller decides.

use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, header};
use octocrab::{OctoBody, Octocrab, OctocrabBuilder};
use rustls::crypto::{CryptoProvider, KeyProvider};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use serde_json::Value;
use tower::Service;
use tower::util::MapRequestLayer;

use crate::github::answers::{
    ActionsPermissions, AgentConfiguration, AuthenticatedUser, CollaboratorAccess, RepositoryInfo, RunPage, SearchPage,
    TaskAnswer, TaskList, TaskPage, WorkflowRun,
};
use crate::github::error::{
    ACCESS_REMEDIES, ACTIONS_REMEDIES, CHECK_REMEDIES, CONFIGURATION_REMEDIES, Error, FILE_REMEDIES, PULL_REMEDIES,
    REPOSITORY_REMEDIES, RUN_REMEDIES, date, graphql_error, left_out, quote,
};
use crate::github::limited::{LimitedClient, StartTurn};
use crate::github::pull_content::{ChangedFile, ContentQuery, PullContent, RestFile};
use crate::github::pull_details;
use crate::github::pull_details::PullDetails;
use crate::github::pull_history;
use crate::github::pull_history::{BranchHistory, BranchQuery, PullHistory, PullReview};
use crate::github::pull_request::{GraphQlPullRequest, PullRequest, RestPullRequest};
use crate::github::rate_limit::RequestKind;
use crate::github::repository::{Repository, RepositoryError};
use crate::github::task::{NewTask, Task, TaskId};
use crate::github::task_list::{TaskFilter, TaskPages, TaskQuery};
use crate::github::token::Token;
use crate::github::transport::{CONNECT_TIMEOUT, READ_TIMEOUT, Wire, chain, headers};
use crate::github::url::{ApiUrl, encoded, encoded_path};

/// How many items a page has, the most that GitHub gives.
pub const PAGE_SIZE: usize = 100;

/// How many nodes one query of the GraphQL API may ask for,
/// <https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api#node-limit>.
pub const MAX_NODES: usize = 100;

/// Makes the connection to GitHub: over the network, or to a simulator.
pub type Connect<'a> = dyn Fn(&ApiUrl, &Token) -> anyhow::Result<GitHub> + 'a;

/// A connection to GitHub's API with one token.
///
/// It sends nothing by itself: [`LimitedClient`] does, at the pace that GitHub's rate limits allow.
pub struct GitHub {
    pub(super) api: Octocrab,
    pub(super) address: ApiUrl,
    pub(super) token: Token,
}

/// Reads no private keys: this program has no certificate of its own, and signing is 30 kB of the binary.
#[derive(Debug)]
struct NoClientKeys;

impl KeyProvider for NoClientKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("client certificates are not supported".to_owned()))
    }
}

impl GitHub {
    /// A connection over the network, with the proxies of the environment and the system's certificates.
    ///
    /// # Errors
    /// If the machine has no certificate authorities.
    pub fn connect(address: &ApiUrl, token: &Token) -> anyhow::Result<Self> {
        let provider = CryptoProvider { key_provider: &NoClientKeys, ..rustls::crypto::ring::default_provider() };
        // A second call finds the provider in place.
        let _ = provider.install_default();
        let mut client = reqwest::Client::builder();
        if address.is_loopback() {
            // A proxy would take the token off this machine unencrypted.
            client = client.no_proxy();
        }
        if address.rest.starts_with("http://") {
            // Nothing is encrypted, so a machine without certificates can connect as well.
            client = client.tls_certs_only([]);
        }
        let client = client
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(|error| anyhow::anyhow!(chain(&error)))
            .context("cannot prepare encrypted connections")?;
        Ok(Self::over(Wire(client), address, token))
    }

    /// A connection over any service that carries HTTP requests. An error of the kinds
    /// [`ConnectionRefused`](std::io::ErrorKind::ConnectionRefused) and
    /// [`PermissionDenied`](std::io::ErrorKind::PermissionDenied) means that the request never left this machine; the
    /// latter that another try would fail as well.
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
            // `insert` and not `append`: octocrab sends an older API version of its own, and two are refused.
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
        Self { api, address: address.clone(), token: token.clone() }
    }
}

impl<'a> LimitedClient<'a> {
    /// Starts a task.
    ///
    /// <https://docs.github.com/en/rest/agent-tasks/agent-tasks#start-a-task>
    ///
    /// # Errors
    /// [`Error::Unanswered`] and [`Error::Malformed`] leave open whether the task exists. [`Error::Moved`] where the
    /// repository has another name: a start does not follow a redirect.
    pub async fn start(&self, turn: StartTurn, repository: &Repository, task: &NewTask) -> Result<Task, Error> {
        let answer = self.post(turn, &format!("/agents/repos/{repository}/tasks"), task).await?;
        if !answer.is_redirect() {
            return answer.read();
        }
        // Only GitHub's own answer says which repository it is; the redirect may name it by its id alone.
        let info = match self.repository(repository).await {
            // The redirect did nothing, so the same start is sent once the limit has passed.
            Err(error @ Error::RateLimited(_)) => return Err(error),
            info => info.ok(),
        };
        let to = info.and_then(|info| info.full_name.parse().ok()).filter(|to| to != repository);
        Err(if to.is_some() { Error::Moved { to } } else { answer.refusal() })
    }

    /// A task. `etag` is that of an earlier answer.
    ///
    /// <https://docs.github.com/en/rest/agent-tasks/agent-tasks#get-a-task-by-repository>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn task(&self, repository: &Repository, id: &TaskId, etag: Option<&str>) -> Result<TaskAnswer, Error> {
        let path = format!("/agents/repos/{repository}/tasks/{}", encoded(id.as_str()));
        let answer = self.get(&path, etag, None).await?;
        if answer.status == StatusCode::NOT_MODIFIED && etag.is_some() {
            return Ok(TaskAnswer::Unchanged);
        }
        let etag = answer.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        let mut task: Task = answer.read()?;
        task.seen_at = date(&answer.headers);
        Ok(TaskAnswer::Seen(Box::new(task), etag))
    }

    /// The pages of a list of tasks, newest first and without their sessions. A list lags behind the starts. `states`
    /// are separated by commas; all without it.
    pub fn tasks(&'a self, query: TaskQuery<'a>, states: Option<&'a str>, archived: bool) -> TaskPages<'a> {
        TaskPages::new(self, query, TaskFilter { states, archived, since: None })
    }

    /// One page of a list of tasks, see [`LimitedClient::tasks`].
    ///
    /// <https://docs.github.com/en/rest/agent-tasks/agent-tasks#list-tasks-for-repository>,
    /// <https://docs.github.com/en/rest/agent-tasks/agent-tasks#list-tasks>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn task_page(&self, query: TaskQuery<'_>, filter: TaskFilter<'_>, page: u32) -> Result<TaskPage, Error> {
        let TaskFilter { states, archived, since } = filter;
        let path = match query {
            TaskQuery::Repository(repository) => format!("/agents/repos/{repository}/tasks"),
            TaskQuery::Own => "/agents/tasks".to_owned(),
        };
        let states = states.map_or_else(String::new, |states| format!("&state={}", encoded(states)));
        let since = since.map_or_else(String::new, |since| format!("&since={}", encoded(&since.to_string())));
        // Each page gets the whole query: the addresses that GitHub links to lose some of it.
        let query = format!(
            "sort=created_at&direction=desc&is_archived={archived}{states}{since}&per_page={PAGE_SIZE}&page={page}"
        );
        let answer = self.get(&format!("{path}?{query}"), None, None).await?;
        // One task that cannot be read fails the whole list: left out, it would seem not to exist.
        let TaskList { mut tasks, total_active_count, total_archived_count } = answer.read()?;
        let total = if archived { total_archived_count } else { total_active_count };
        let more = tasks.len() >= PAGE_SIZE || answer.header("link").is_some_and(|link| link.contains("rel=\"next\""));
        let now = date(&answer.headers);
        tasks.iter_mut().for_each(|task| task.seen_at = now);
        Ok(TaskPage { tasks, total, more, now, left_out: left_out(&answer.headers) })
    }

    /// A task of the user whose token this is, in any repository.
    ///
    /// <https://docs.github.com/en/rest/agent-tasks/agent-tasks#get-a-task-by-id>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn own_task(&self, id: &TaskId) -> Result<Task, Error> {
        self.get(&format!("/agents/tasks/{}", encoded(id.as_str())), None, None).await?.read()
    }

    /// A page of what the search finds for a query, a hundred repositories at a time.
    ///
    /// <https://docs.github.com/en/rest/search/search#search-repositories>
    ///
    /// # Errors
    /// All of [`Error`]; [`Error::Incomplete`] and [`Error::SearchUnfinished`] where there may be more.
    pub async fn search(&self, query: &str, page: u32) -> Result<SearchPage, Error> {
        let path = format!("/search/repositories?q={}&per_page={PAGE_SIZE}&page={page}", encoded(query));
        let answer = self.get(&path, None, None).await?;
        if let Some(why) = left_out(&answer.headers) {
            return Err(Error::Incomplete { why });
        }
        let page = answer.read::<SearchPage>()?;
        if page.is_incomplete { Err(Error::SearchUnfinished) } else { Ok(page) }
    }

    /// The user whose token this is.
    ///
    /// <https://docs.github.com/en/rest/users/users#get-the-authenticated-user>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn user(&self) -> Result<AuthenticatedUser, Error> {
        let answer = self.get("/user", None, None).await?;
        let scopes = |text: &str| text.split(',').map(|scope| quote(scope.trim())).collect();
        let user = answer.read::<Value>()?;
        Ok(AuthenticatedUser {
            id: user["id"].as_u64().ok_or_else(|| Error::Malformed { why: "it has no id".to_owned() })?,
            login: user["login"].as_str().map(quote).unwrap_or_default(),
            scopes: answer.header("x-oauth-scopes").map(scopes),
            expires: answer.header("github-authentication-token-expiration").map(quote),
        })
    }

    /// The id of the user whose token this is, asked for until GitHub answers once.
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn user_id(&self) -> Result<u64, Error> {
        if let Some(id) = self.user.get() {
            return Ok(id);
        }
        let id = self.user().await?.id;
        self.user.set(Some(id));
        Ok(id)
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
            id: home["id"].as_u64(),
            full_name: text("full_name").ok_or_else(lacks)?,
            default_branch: text("default_branch").ok_or_else(lacks)?,
            archived: home["archived"] == true,
            disabled: home["disabled"] == true,
            may_push: home["permissions"]["push"].as_bool(),
        })
    }

    /// Succeeds if there is such a branch.
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
        let actual = self.value(&path, CONFIGURATION_REMEDIES).await?;
        let tools = actual["enabled_tools"].as_object().into_iter().flatten();
        Ok(AgentConfiguration {
            firewall: actual["is_firewall_enabled"].as_bool(),
            recommended_allowlist: actual["is_firewall_recommended_allowlist_enabled"].as_bool(),
            workflow_approval: actual["require_actions_workflow_approval"].as_bool(),
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
        let actual = self.value(&format!("/repos/{repository}/actions/permissions"), ACTIONS_REMEDIES).await?;
        let enabled = actual["enabled"].as_bool();
        let enabled = enabled.ok_or_else(|| Error::Malformed { why: "it does not say `enabled`".to_owned() })?;
        Ok(ActionsPermissions { enabled, allowed: actual["allowed_actions"].as_str().map(quote) })
    }

    /// Whether workflows may use the actions that GitHub makes, where only selected actions are allowed.
    ///
    /// <https://docs.github.com/en/rest/actions/permissions#get-allowed-actions-and-reusable-workflows-for-a-repository>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn allows_githubs_actions(&self, repository: &Repository) -> Result<bool, Error> {
        let path = format!("/repos/{repository}/actions/permissions/selected-actions");
        let selected = self.value(&path, ACTIONS_REMEDIES).await?;
        let mut patterns = selected["patterns_allowed"].as_array().into_iter().flatten().filter_map(Value::as_str);
        // The organization `actions` has nearly all of them. A pattern can end with a tag or a commit.
        let is_covered = patterns.any(|pattern| pattern.starts_with("actions/*"));
        Ok(selected["github_owned_allowed"] == true || is_covered)
    }

    /// What a user may do in a repository. A personal token may ask where its owner can push; the workflow's own token
    /// may always ask about its repository.
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

    /// A file of at most `most` bytes, as it is at a commit.
    ///
    /// <https://docs.github.com/en/rest/repos/contents#get-repository-content>
    ///
    /// # Errors
    /// All of [`Error`]; [`Error::Unfit`] if there is something else.
    pub async fn file(&self, repository: &Repository, path: &str, at: &str, most: usize) -> Result<String, Error> {
        let path = format!("/repos/{repository}/contents/{}?ref={}", encoded_path(path), encoded(at));
        let file = self.value(&path, FILE_REMEDIES).await?;
        let unfit = |why: String| Error::Unfit { why };
        if file["type"] != "file" {
            return Err(unfit("there is a folder or something else that is not a file".to_owned()));
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
        // Some editors put a byte order mark in front.
        Ok(text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned))
    }

    /// The pull requests with these ids of the GraphQL API, in their order and at most [`MAX_NODES`]; `None` for one
    /// that is not there, or that the token may not see.
    ///
    /// <https://docs.github.com/en/graphql/reference/queries#nodes>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn pulls_by_node_ids(&self, ids: &[String]) -> Result<Vec<Option<PullRequest>>, Error> {
        let query = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on PullRequest {{ {PULL_FIELDS} }} }} }}");
        let found = |body: &Value| body["data"]["nodes"].as_array().into_iter().flatten().map(graph_pull).collect();
        let mut pulls = self.query(&query, serde_json::json!({"ids": ids}), found).await?;
        pulls.resize(ids.len(), None);
        Ok(pulls)
    }

    /// The newest pull requests from each of these branches, open or not, in the order of the branches and at most
    /// [`MAX_NODES`] of them; `None` for a repository whose pull requests the token may not see.
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
                 {MAX_OF_BRANCH}) {{ nodes {{ {PULL_FIELDS} }} }} }} "
            )
        });
        let query = format!("query {{ {}}}", asked.collect::<String>());
        let of_branch = |body: &Value, at: usize| {
            let nodes = body["data"][format!("r{at}")]["pullRequests"]["nodes"].as_array()?;
            Some(nodes.iter().filter_map(graph_pull).collect())
        };
        let found = |body: &Value| (0..branches.len()).map(|at| of_branch(body, at)).collect();
        self.query(&query, serde_json::json!({}), found).await
    }

    /// The contents of these pull requests, in their order and at most [`MAX_NODES`].
    ///
    /// <https://docs.github.com/en/graphql/reference/objects#pullrequest>
    ///
    /// # Errors
    /// All of [`Error`], for all of them or for each by itself.
    pub async fn pull_contents(
        &self,
        pulls: &[(Repository, u64)],
        query: ContentQuery,
    ) -> Result<Vec<Result<PullContent, Error>>, Error> {
        let found = |body: &Value| (0..pulls.len()).map(|at| Some(query.read(body, at))).collect();
        let found = self.query(&query.text(pulls), serde_json::json!({}), found).await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// A pull request with its text and the checks that failed.
    ///
    /// <https://docs.github.com/en/graphql/reference/objects#pullrequest>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn pull_details(&self, repository: &Repository, number: u64) -> Result<PullDetails, Error> {
        let variables = serde_json::json!({"owner": repository.owner(), "name": repository.name(), "number": number});
        let found = |body: &Value| vec![Some(pull_details::read(body))];
        let found = self.query(pull_details::QUERY, variables, found).await?;
        found.into_iter().flatten().next().unwrap_or_else(|| unreachable!("it is read or an error"))
    }

    /// What happened to the pull requests with these ids of the GraphQL API, in their order and at most [`MAX_NODES`].
    ///
    /// <https://docs.github.com/en/graphql/reference/objects#pullrequest>
    ///
    /// # Errors
    /// All of [`Error`], for all of them or for each by itself.
    pub async fn pull_histories(&self, ids: &[String]) -> Result<Vec<Result<PullHistory, Error>>, Error> {
        let found = |body: &Value| (0..ids.len()).map(|at| Some(pull_history::read(body, at))).collect();
        let found = self.query(pull_history::QUERY, serde_json::json!({"ids": ids}), found).await?;
        each_or_none(found.into_iter().flatten().collect())
    }

    /// Where the pull requests with these ids of the GraphQL API are, in their order and at most [`MAX_NODES`].
    ///
    /// <https://docs.github.com/en/graphql/reference/objects#pullrequest>
    ///
    /// # Errors
    /// All of [`Error`], for all of them or for each by itself.
    pub async fn pull_reviews(&self, ids: &[String]) -> Result<Vec<Result<PullReview, Error>>, Error> {
        let found =
            |body: &Value| (0..ids.len()).map(|at| Some(pull_history::read_review(body, at, graph_pull))).collect();
        let found = self.query(pull_history::REVIEW_QUERY, serde_json::json!({"ids": ids}), found).await?;
        each_or_none(found.into_iter().flatten().collect())
    }

    /// The pull requests and the commits of these branches, in their order and at most [`MAX_NODES`].
    ///
    /// <https://docs.github.com/en/graphql/reference/queries#repository>
    ///
    /// # Errors
    /// All of [`Error`], for all of them or for each by itself.
    pub async fn branch_histories(&self, branches: &[BranchQuery]) -> Result<Vec<Result<BranchHistory, Error>>, Error> {
        let asked = branches.iter().enumerate().map(|(at, branch)| branch.text(at, PULL_FIELDS, MAX_OF_BRANCH));
        let query = format!("query {{ {}}}", asked.collect::<String>());
        let found =
            |body: &Value| (0..branches.len()).map(|at| Some(BranchQuery::read(body, at, graph_pull))).collect();
        let found = self.query(&query, serde_json::json!({}), found).await?;
        each_or_none(found.into_iter().flatten().collect())
    }

    /// The name of the repository with this id. It serves where lists of tasks name a repository by its id alone.
    ///
    /// <https://docs.github.com/en/rest/repos/repos#get-a-repository>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn repository_name(&self, id: u64) -> Result<Repository, Error> {
        let home = self.value(&format!("/repositories/{id}"), REPOSITORY_REMEDIES).await?;
        let name = home["full_name"].as_str().unwrap_or_default();
        name.parse().map_err(|_| Error::Malformed { why: "it has no name".to_owned() })
    }

    /// The files of a pull request that changes `count` of them, as far as GitHub lists them.
    ///
    /// <https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn pull_files(
        &self,
        repository: &Repository,
        number: u64,
        count: u64,
    ) -> Result<Vec<ChangedFile>, Error> {
        let mut files = Vec::new();
        for page in 1..=count.div_ceil(PAGE_SIZE as u64).min(MAX_FILE_PAGES) {
            let path = format!("/repos/{repository}/pulls/{number}/files?per_page={PAGE_SIZE}&page={page}");
            let listed: Vec<RestFile> = self.get(&path, None, Some(PULL_REMEDIES)).await?.read()?;
            for file in listed {
                files.push(file.try_into()?);
            }
        }
        Ok(files)
    }

    /// Succeeds if the token may read the check runs of a branch.
    ///
    /// <https://docs.github.com/en/rest/checks/runs#list-check-runs-for-a-git-reference>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn check_runs(&self, repository: &Repository, branch: &str) -> Result<(), Error> {
        let path = format!("/repos/{repository}/commits/{}/check-runs?per_page=1", encoded(branch));
        self.value(&path, CHECK_REMEDIES).await.map(drop)
    }

    /// Succeeds if the token may read the commit statuses of a branch.
    ///
    /// <https://docs.github.com/en/rest/commits/statuses#get-the-combined-status-for-a-specific-reference>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn commit_statuses(&self, repository: &Repository, branch: &str) -> Result<(), Error> {
        let path = format!("/repos/{repository}/commits/{}/status?per_page=1", encoded(branch));
        self.value(&path, CHECK_REMEDIES).await.map(drop)
    }

    /// The runs for a branch that GitHub began by itself, such as those of the cloud agent, newest first. Only `path` says
    /// what a run is.
    ///
    /// <https://docs.github.com/en/rest/actions/workflow-runs#list-workflow-runs-for-a-repository>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn dynamic_runs(&self, repository: &Repository, branch: &str) -> Result<Vec<WorkflowRun>, Error> {
        let mut runs = Vec::new();
        for page in 1..=MAX_RUN_PAGES {
            let path = format!(
                "/repos/{repository}/actions/runs?branch={}&event=dynamic&per_page={PAGE_SIZE}&page={page}",
                encoded(branch)
            );
            let RunPage { workflow_runs } = self.get(&path, None, Some(RUN_REMEDIES)).await?.read()?;
            let is_last = workflow_runs.len() < PAGE_SIZE;
            runs.extend(workflow_runs);
            if is_last {
                break;
            }
        }
        Ok(runs)
    }

    /// Cancels a run, by force where an ordinary cancel had no effect, and returns whether GitHub accepts that: it refuses
    /// for a run that has ended, and for one that has not been queued yet. `is_urgent` keeps no distance to other requests.
    ///
    /// <https://docs.github.com/en/rest/actions/workflow-runs#cancel-a-workflow-run>,
    /// <https://docs.github.com/en/rest/actions/workflow-runs#force-cancel-a-workflow-run>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn cancel_run(&self, run: &WorkflowRun, by_force: bool, is_urgent: bool) -> Result<bool, Error> {
        let WorkflowRun { id: run_id, repository, .. } = run;
        let malformed = |why: RepositoryError| Error::Malformed { why: format!("`{}` {why}", repository.full_name) };
        let repository = repository.full_name.parse::<Repository>().map_err(malformed)?;
        let path = match by_force {
            false => format!("/repos/{repository}/actions/runs/{run_id}/cancel"),
            true => format!("/repos/{repository}/actions/runs/{run_id}/force-cancel"),
        };
        match self.cancel(&path, is_urgent).await {
            Ok(answer) if answer.is_redirect() => Err(answer.refusal()),
            Ok(_) => Ok(true),
            Err(Error::Refused { status: 409, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The newest pull requests of a repository, open or not, up to a hundred; from one branch, if one is given.
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

    /// What `found` reads from the answer to a query.
    async fn query<T>(
        &self,
        query: &str,
        variables: Value,
        found: impl Fn(&Value) -> Vec<Option<T>>,
    ) -> Result<Vec<Option<T>>, Error> {
        let mut read = None;
        self.check_query(query, &variables, &mut |body| read.insert(found(body)).iter().all(Option::is_none)).await?;
        Ok(read.unwrap_or_default())
    }

    /// Sends a query. `read` reads the answer, and says whether nothing was found in it.
    async fn check_query(
        &self,
        query: &str,
        variables: &Value,
        read: &mut dyn FnMut(&Value) -> bool,
    ) -> Result<(), Error> {
        let sent = self.elapsed();
        let answer = self.graphql(query, variables).await?;
        if answer.is_redirect() {
            return Err(answer.refusal());
        }
        let body = answer.read::<Value>()?;
        match graphql_error(&body, &answer.headers, read(&body)) {
            Some(Error::RateLimited(limit)) => Err(self.limited(RequestKind::GraphQl, sent, &limit)),
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// The answers one by one, unless all lack because the query as a whole was not answered.
fn each_or_none<T>(found: Vec<Result<T, Error>>) -> Result<Vec<Result<T, Error>>, Error> {
    let errors = found.iter().map(|it| it.as_ref().err()).collect::<Option<Vec<_>>>();
    match errors.as_deref().and_then(<[_]>::first) {
        Some(error) if error.may_pass() => Err((*error).clone()),
        _ => Ok(found),
    }
}

/// What is asked of a pull request in the GraphQL API.
const PULL_FIELDS: &str = "id fullDatabaseId number url state headRefName baseRefName";
/// How many pages of files GitHub has for one pull request: 3,000 files in all,
/// <https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files>.
const MAX_FILE_PAGES: u64 = 30;
/// How many pages of runs are read. GitHub lists at most 1,000 runs of a search,
/// <https://docs.github.com/en/rest/actions/workflow-runs#list-workflow-runs-for-a-repository>.
const MAX_RUN_PAGES: usize = 10;
/// How many pull requests of one branch are asked for. Few have more than one.
const MAX_OF_BRANCH: usize = 10;

/// A pull request in an answer of the GraphQL API. A node of another type has none of the fields asked for.
fn graph_pull(node: &Value) -> Option<PullRequest> {
    serde_json::from_value::<GraphQlPullRequest>(node.clone()).ok().map(PullRequest::from)
}
