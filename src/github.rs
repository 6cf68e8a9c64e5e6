//! GitHub: one method per endpoint, and the one file that names octocrab and reqwest.
//!
//! Nothing here repeats a request by itself. octocrab's usual client would send a failed POST four times, and each
//! could be a task that somebody pays for; so octocrab gets a bare service to send with, and whoever calls decides.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use http_body_util::BodyExt as _;
use http_body_util::Limited;
use jiff::Timestamp;
use octocrab::OctoBody;
use octocrab::Octocrab;
use octocrab::OctocrabBuilder;
use percent_encoding::AsciiSet;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;
use rustls::SignatureScheme;
use rustls::crypto::CryptoProvider;
use rustls::crypto::GetRandomFailed;
use rustls::crypto::KeyProvider;
use rustls::crypto::SecureRandom;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::crypto::ring::cipher_suite;
use rustls::crypto::ring::kx_group;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::Service;
use tower::util::MapRequestLayer;

use crate::command::cut;
use crate::pull::GraphPull;
use crate::pull::Pull;
use crate::pull::RestPull;
use crate::repository::Repository;
use crate::task::NewTask;
use crate::task::Task;
use crate::task::TaskId;
use crate::token::Token;

/// The version of the API that this program was written against,
/// <https://docs.github.com/en/rest/about-the-rest-api/api-versions>.
pub const API_VERSION: &str = "2026-03-10";
/// How this program calls itself; GitHub refuses requests without a user agent.
const USER_AGENT: &str = concat!("agent-task/", env!("CARGO_PKG_VERSION"));
/// How long a connection may take, look-up and TLS handshake included. GitHub answers within tens of milliseconds;
/// proxies and far runners take longer, and after ten seconds it is quicker to try again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long GitHub may stay silent in the middle of an answer. It gives up on a request of its own after ten seconds,
/// <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#timeouts>; gateways add to that.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a request may take in all.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer that is read, in bytes. A hundred tasks with long prompts stay well below.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// How many redirects are followed; a renamed repository takes one.
const MOST_REDIRECTS: usize = 3;
/// How much of GitHub's own words goes into an error, in characters.
const LONGEST_QUOTE: usize = 1000;
/// "Wait for at least one minute before retrying" where GitHub limits the rate and does not say for how long,
/// <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately>.
const UNTOLD_LIMIT: Duration = Duration::from_secs(60);

/// The longest that GitHub's word is taken for how long to stay away; its limits last an hour at most.
const LONGEST_PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// How many items a page has, the most that GitHub gives.
pub const PAGE: usize = 100;
/// How many nodes one query of the GraphQL API may ask for,
/// <https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api#node-limit>.
pub const MOST_NODES: usize = 100;

/// Everything but what RFC 3986 calls unreserved is encoded in a path segment or a query value.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where the API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    rest: String,
    graphql: String,
}

/// Why a text is no address of the API. Its `Display` names the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// It is not an address at all.
    #[error("is not an address; write for example `https://api.github.com`")]
    Form,
    /// The token would travel readable for everybody on the way.
    #[error("is not `https`, so the token would travel unencrypted; `http` is for a loopback address only")]
    Unencrypted,
    /// It carries a user name, a query or a fragment.
    #[error("has a user name, a query or a fragment; write the scheme, the host and the path alone")]
    Extra,
}

impl Address {
    /// Reads the address of the REST API and, where the runner tells it, of the GraphQL API. A GraphQL address on
    /// another host is left aside, since the token goes to one host only.
    ///
    /// # Errors
    /// Where the text is no address, or one that a token may not be sent to.
    pub fn parse(rest: &str, graphql: Option<&str>) -> Result<Self, BadAddress> {
        let rest = rest.trim_end_matches('/');
        let uri: http::Uri = rest.parse().map_err(|_| BadAddress::Form)?;
        let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return Err(BadAddress::Form);
        };
        if rest.contains(['@', '?', '#']) {
            return Err(BadAddress::Extra);
        }
        match scheme {
            "https" => {}
            "http" if is_loopback(host) => {}
            "http" => return Err(BadAddress::Unencrypted),
            _ => return Err(BadAddress::Form),
        }
        let same_host = |text: &&str| {
            text.parse::<http::Uri>().is_ok_and(|other| {
                other.scheme() == uri.scheme() && other.authority() == uri.authority() && other.query().is_none()
            })
        };
        // A GitHub Enterprise Server has its REST API at `/api/v3` and its GraphQL API at `/api/graphql`.
        let beside = || format!("{}/graphql", rest.strip_suffix("/v3").unwrap_or(rest));
        Ok(Self { rest: rest.to_owned(), graphql: graphql.filter(same_host).map_or_else(beside, str::to_owned) })
    }

    /// Whether it leads to this very machine, as the simulator's does.
    pub fn is_loopback(&self) -> bool {
        self.rest.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some_and(is_loopback))
    }

    /// Whether it is that of github.com or of a subdomain of ghe.com, the two places that have agent tasks.
    fn has_agent_tasks(&self) -> bool {
        let host = self.rest.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        self.is_loopback() || host.is_some_and(|host| host == "api.github.com" || host.ends_with(".ghe.com"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rest)
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What went wrong between GitHub and us, told apart as far as a caller acts differently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// 401.
    #[error(
        "GitHub does not accept the token ({said}): it is mistyped, expired or revoked. Make a new one and store it \
         as the secret that `token` is given"
    )]
    BadToken {
        /// GitHub's own words.
        said: String,
    },
    /// 403 for want of a Copilot licence.
    #[error(
        "the token's owner has no Copilot licence that includes the cloud agent ({said}). Give a token of somebody \
         who has, or assign a licence under the organisation's Copilot settings"
    )]
    NoLicence {
        /// GitHub's own words.
        said: String,
    },
    /// 403 for any other reason than the rate.
    #[error("the token may not do this ({said}). {remedy}")]
    MissingPermission {
        /// GitHub's own words.
        said: String,
        /// What to do, as far as the answer tells.
        remedy: String,
    },
    /// 404.
    #[error("GitHub finds nothing there for this token ({said}). {remedy}")]
    NotFound {
        /// GitHub's own words.
        said: String,
        /// What to do.
        remedy: &'static str,
    },
    /// 429, or 403 with headers that say so.
    #[error("GitHub limits the rate: {0}")]
    RateLimited(RateLimit),
    /// 400 or 422.
    #[error("GitHub refuses the request: {said}. Correct the input that this is about")]
    Invalid {
        /// GitHub's own words.
        said: String,
    },
    /// Any other answer that says no, final as it stands.
    #[error("GitHub refuses the request with status {status} ({said}). Look at `repository` and `github-api-url`")]
    Refused {
        /// The status.
        status: u16,
        /// GitHub's own words.
        said: String,
    },
    /// The request never left this machine.
    #[error(
        "GitHub cannot be reached: {why}. Look at the runner's network, its proxy settings and https://www.githubstatus.com"
    )]
    Unreachable {
        /// What the network said.
        why: String,
    },
    /// The request was sent, or may have been, and no answer tells what became of it.
    #[error("GitHub did not answer: {why}")]
    Unanswered {
        /// What came instead of an answer.
        why: String,
        /// How long GitHub asks us to stay away, where it does.
        retry_after: Option<Duration>,
    },
    /// There is something at the address, and not what was looked for.
    #[error("{why}")]
    Unfit {
        /// What there is.
        why: String,
    },
    /// An answer that says yes in words we do not understand.
    #[error("GitHub's answer cannot be read: {why}. Something between here and GitHub may have answered in its place")]
    Malformed {
        /// What was not understood.
        why: String,
    },
}

impl Error {
    /// Whether the same request may fare better at another time.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Unanswered { .. } | Self::Malformed { .. } | Self::RateLimited(_) => true,
            Self::BadToken { .. }
            | Self::NoLicence { .. }
            | Self::MissingPermission { .. }
            | Self::NotFound { .. }
            | Self::Invalid { .. }
            | Self::Unfit { .. }
            | Self::Refused { .. } => false,
        }
    }

    /// How long GitHub asks us to stay away, where it does and it is no limit.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unanswered { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// A limit that GitHub put on us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// How long to stay away.
    pub wait: Duration,
    /// Whether the hourly allowance is used up, rather than too much having come at once.
    pub primary: bool,
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let which = if self.primary { "the token's hourly allowance is used up" } else { "too much came at once" };
        write!(f, "{which}, and it asks for {} s of patience", self.wait.as_secs())
    }
}

/// What a look at a task brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The task, and the mark by which the next look can ask for changes only.
    Seen(Box<Task>, Option<String>),
    /// Nothing has changed since the mark that was sent. Such an answer does not count against the rate limit.
    Unchanged,
}

#[derive(Deserialize)]
struct Listed {
    tasks: Vec<Task>,
}

/// A page of tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The tasks, newest first.
    pub tasks: Vec<Task>,
    /// Whether there may be another page.
    pub more: bool,
    /// The time of the answer by GitHub's clock, where it tells.
    pub now: Option<Timestamp>,
}

impl Listing {
    /// How old a task was when GitHub answered, where it tells.
    pub fn age(&self, task: &Task) -> Option<Duration> {
        let age = self.now?.duration_since(task.created_at?);
        Some(Duration::try_from(age).unwrap_or_default())
    }
}

/// A page of what the search found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Found {
    /// How many repositories there are in all. No more than a thousand can be read.
    #[serde(rename = "total_count")]
    pub total: u64,
    /// Whether the search gave up before it had looked everywhere.
    #[serde(rename = "incomplete_results", default)]
    pub is_incomplete: bool,
    /// The repositories of this page.
    pub items: Vec<FoundRepository>,
}

/// A repository as the search tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FoundRepository {
    /// Its name, `owner/name`.
    pub full_name: String,
}

/// What somebody may do in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The id behind the login, where GitHub tells it.
    pub id: Option<u64>,
    /// `admin`, `write`, `read` or `none`. Roles in between and custom ones count as the one that they build on.
    pub permission: String,
    /// The role's own name, for people to read.
    pub role: String,
}

impl Access {
    /// Whether that is enough to push to the repository.
    pub fn may_write(&self) -> bool {
        matches!(self.permission.as_str(), "admin" | "write")
    }
}

/// Somebody as GitHub tells them of themselves, with what it says of the token that they came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The id behind the login.
    pub id: u64,
    /// The login.
    pub login: String,
    /// The scopes of the token, where it is of a kind that has scopes.
    pub scopes: Option<Vec<String>>,
    /// When the token ends, as GitHub spells it; absent where it does not say.
    pub expires: Option<String>,
}

/// A repository as it is asked for by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Its name, `owner/name`; another than was asked for where it was renamed.
    pub full_name: String,
    /// The branch that is meant where none is named.
    pub default_branch: String,
    /// Whether it is archived, so that nothing in it can change.
    pub archived: bool,
    /// Whether GitHub has disabled it.
    pub disabled: bool,
    /// Whether whoever asks may push to it, where GitHub tells.
    pub may_push: Option<bool>,
}

/// The settings of a repository's cloud agent; each is absent where GitHub does not tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Whether its firewall is on.
    pub firewall: Option<bool>,
    /// Whether the firewall lets the hosts through that GitHub recommends.
    pub recommended_allowlist: Option<bool>,
    /// Whether the workflows of its pull requests wait for somebody's approval.
    pub workflow_approval: Option<bool>,
    /// Its tools by their names, and whether they are on.
    pub tools: Vec<(String, bool)>,
}

/// What GitHub Actions may do in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actions {
    /// Whether there are workflows at all.
    pub enabled: bool,
    /// Which actions they may use: `all`, `local_only` or `selected`.
    pub allowed: Option<String>,
}

/// A connection to GitHub's API that speaks for one token.
pub struct GitHub {
    api: Octocrab,
    address: Address,
}

impl GitHub {
    /// Speaks to GitHub over the network, with the proxies that the environment names and the system's certificates.
    ///
    /// # Errors
    /// Where the machine has no certificates to check GitHub's with.
    pub fn connect(address: &Address, token: &Token) -> anyhow::Result<Self> {
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
    pub fn over<S, B>(service: S, address: &Address, token: &Token) -> Self
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
    pub async fn task(&self, repository: &Repository, id: &TaskId, etag: Option<&str>) -> Result<Look, Error> {
        let path = format!("/agents/repos/{repository}/tasks/{}", encoded(id.as_str()));
        let answer = self.get(&path, etag, None).await?;
        if answer.status == StatusCode::NOT_MODIFIED {
            return Ok(Look::Unchanged);
        }
        let etag = answer.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        Ok(Look::Seen(Box::new(answer.read()?), etag))
    }

    /// A page of a repository's tasks, newest first, a hundred at a time; without their sessions. A list lags behind
    /// the starts.
    ///
    /// <https://docs.github.com/en/rest/agent-tasks/agent-tasks#list-tasks-for-repository>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn tasks(&self, repository: &Repository, archived: bool, page: u32) -> Result<Listing, Error> {
        self.listed(&format!("/agents/repos/{repository}/tasks"), &format!("&is_archived={archived}"), page).await
    }

    /// A page of the tasks of the user whose token this is, in all repositories, newest first, a hundred at a time;
    /// without their sessions. `states` are the states that are asked for, with commas between them; all without it.
    ///
    /// <https://docs.github.com/en/rest/agent-tasks/agent-tasks#list-tasks>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn my_tasks(&self, states: Option<&str>, archived: bool, page: u32) -> Result<Listing, Error> {
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
    pub async fn search(&self, query: &str, page: u32) -> Result<Found, Error> {
        let path = format!("/search/repositories?q={}&per_page={PAGE}&page={page}", encoded(query));
        self.get(&path, None, None).await?.read()
    }

    /// The user whose token this is.
    ///
    /// <https://docs.github.com/en/rest/users/users#get-the-authenticated-user>
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn me(&self) -> Result<Holder, Error> {
        let answer = self.get("/user", None, None).await?;
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(quote);
        let scopes = |text: String| text.split(',').map(|scope| scope.trim().to_owned()).collect();
        let user = answer.read::<Value>()?;
        Ok(Holder {
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
    pub async fn repository(&self, repository: &Repository) -> Result<Home, Error> {
        let home = self.value(&format!("/repos/{repository}"), REPOSITORY_REMEDIES).await?;
        let text = |name: &str| home[name].as_str().map(str::to_owned);
        let lacks = || Error::Malformed { why: "it has no name or no default branch".to_owned() };
        Ok(Home {
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
    pub async fn configuration(&self, repository: &Repository) -> Result<Configuration, Error> {
        let path = format!("/repos/{repository}/copilot/cloud-agent/configuration");
        let told = self.value(&path, CONFIGURATION_REMEDIES).await?;
        let tools = told["enabled_tools"].as_object().into_iter().flatten();
        Ok(Configuration {
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
    pub async fn actions(&self, repository: &Repository) -> Result<Actions, Error> {
        let told = self.value(&format!("/repos/{repository}/actions/permissions"), ACTIONS_REMEDIES).await?;
        let enabled = told["enabled"].as_bool();
        let enabled = enabled.ok_or_else(|| Error::Malformed { why: "it does not say `enabled`".to_owned() })?;
        Ok(Actions { enabled, allowed: told["allowed_actions"].as_str().map(quote) })
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
    pub async fn access(&self, repository: &Repository, login: &str) -> Result<Access, Error> {
        let path = format!("/repos/{repository}/collaborators/{}/permission", encoded(login));
        let answer = self.value(&path, ACCESS_REMEDIES).await?;
        let text = |name: &str| answer[name].as_str().map(quote);
        let permission =
            text("permission").ok_or_else(|| Error::Malformed { why: "it has no permission".to_owned() })?;
        Ok(Access { id: answer["user"]["id"].as_u64(), permission, role: text("role_name").unwrap_or_default() })
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
    pub async fn pulls_by_node_ids(&self, ids: &[String]) -> Result<Vec<Option<Pull>>, Error> {
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
    pub async fn pulls_by_branches(&self, branches: &[(Repository, String)]) -> Result<Vec<Option<Vec<Pull>>>, Error> {
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
    pub async fn pulls(&self, repository: &Repository, head: Option<&str>) -> Result<Vec<Pull>, Error> {
        let head = head.map_or_else(String::new, |branch| {
            format!("&head={}", encoded(&format!("{}:{branch}", repository.owner())))
        });
        let path = format!("/repos/{repository}/pulls?state=all&sort=created&direction=desc&per_page=100{head}");
        let listed: Vec<RestPull> = self.get(&path, None, Some(PULL_REMEDIES)).await?.read()?;
        Ok(listed.into_iter().map(Pull::from).collect())
    }

    async fn graphql(&self, query: &str, variables: &Value) -> Result<Value, Error> {
        self.post(&self.address.graphql, &serde_json::json!({"query": query, "variables": variables})).await
    }

    /// A page of a list of tasks, newest first.
    async fn listed(&self, path: &str, filter: &str, page: u32) -> Result<Listing, Error> {
        // The whole query stands on each page: the addresses that GitHub links to lose some of it.
        let query = format!("sort=created_at&direction=desc{filter}&per_page={PAGE}&page={page}");
        let answer = self.get(&format!("{path}?{query}"), None, None).await?;
        // A task that cannot be read must not pass for one that is not there, so the whole list is asked for.
        let Listed { tasks } = answer.read()?;
        let next = answer.headers.get(header::LINK).and_then(|link| link.to_str().ok());
        let more = tasks.len() >= PAGE || next.is_some_and(|link| link.contains("rel=\"next\""));
        Ok(Listing { tasks, more, now: date(&answer.headers) })
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
fn graph_pull(node: &Value) -> Option<Pull> {
    serde_json::from_value::<GraphPull>(node.clone()).ok().map(Pull::from)
}

/// Why an answer of the GraphQL API has nothing in it. The status is 200 whatever happened; what is not found is null
/// with an error beside it, and that is no error here.
fn graphql_error(answer: &Value) -> Option<Error> {
    answer["errors"].as_array().into_iter().flatten().find_map(|error| {
        let said = quote(error["message"].as_str().unwrap_or_default());
        match error["type"].as_str().unwrap_or_default() {
            "RATE_LIMITED" => Some(Error::RateLimited(RateLimit { wait: UNTOLD_LIMIT, primary: true })),
            "FORBIDDEN" | "INSUFFICIENT_SCOPES" => {
                Some(Error::MissingPermission { said, remedy: PULL_REMEDIES.permission.to_owned() })
            }
            _ => None,
        }
    })
}

fn encoded(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, SEGMENT)
}

/// The same for a path of several segments.
fn encoded_path(path: &str) -> String {
    path.split('/').map(|segment| encoded(segment).to_string()).collect::<Vec<_>>().join("/")
}

fn headers(token: &Token) -> Vec<(http::HeaderName, HeaderValue)> {
    let mut headers = vec![
        (header::ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
        (header::USER_AGENT, HeaderValue::from_static(USER_AGENT)),
        (http::HeaderName::from_static("x-github-api-version"), HeaderValue::from_static(API_VERSION)),
    ];
    // `Token::parse` lets nothing through that a header cannot carry.
    if let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", token.expose())) {
        value.set_sensitive(true);
        headers.push((header::AUTHORIZATION, value));
    }
    headers
}

/// The network beneath octocrab.
#[derive(Clone)]
struct Wire(reqwest::Client);

impl Service<http::Request<OctoBody>> for Wire {
    type Response = http::Response<reqwest::Body>;
    type Error = io::Error;
    type Future = futures_util::future::BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<OctoBody>) -> Self::Future {
        let client = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            let request = http::Request::from_parts(parts, body).try_into().map_err(broken)?;
            client.execute(request).await.map(http::Response::from).map_err(broken)
        })
    }
}

/// Tells a request that never left this machine from one that may have arrived. The address is left out of the text:
/// it is known, and some carry what a log should not.
fn broken(error: reqwest::Error) -> io::Error {
    let kind = match (error.is_connect(), error.is_timeout()) {
        (true, _) => io::ErrorKind::ConnectionRefused,
        (false, true) => io::ErrorKind::TimedOut,
        (false, false) => io::ErrorKind::Other,
    };
    io::Error::new(kind, chain(&error.without_url()))
}

/// What rustls' own provider has, less what is large and not needed: ChaCha20, which is for speed where a processor knows
/// no AES, and the curve 25519. Every server has ciphers with AES and the curve P-256, for TLS 1.3 demands both,
/// <https://www.rfc-editor.org/rfc/rfc8446#section-9.1>, and no authority of the web signs by Ed25519. And there are no
/// client certificates here, so that nothing is signed.
fn cryptography() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ],
        kx_groups: vec![kx_group::SECP256R1, kx_group::SECP384R1],
        signature_verification_algorithms: SIGNATURES,
        secure_random: &Ring,
        key_provider: &Ring,
    }
}

/// The signatures that are checked: the list of rustls' own provider, which it gives to nobody by itself.
static SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        webpki::ring::ECDSA_P256_SHA256,
        webpki::ring::ECDSA_P256_SHA384,
        webpki::ring::ECDSA_P384_SHA256,
        webpki::ring::ECDSA_P384_SHA384,
        webpki::ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        webpki::ring::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        webpki::ring::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        webpki::ring::RSA_PKCS1_2048_8192_SHA256,
        webpki::ring::RSA_PKCS1_2048_8192_SHA384,
        webpki::ring::RSA_PKCS1_2048_8192_SHA512,
        webpki::ring::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        webpki::ring::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        webpki::ring::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    ],
    mapping: &[
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[webpki::ring::ECDSA_P384_SHA384, webpki::ring::ECDSA_P256_SHA384]),
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[webpki::ring::ECDSA_P256_SHA256, webpki::ring::ECDSA_P384_SHA256]),
        (SignatureScheme::RSA_PSS_SHA512, &[webpki::ring::RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA384, &[webpki::ring::RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA256, &[webpki::ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[webpki::ring::RSA_PKCS1_2048_8192_SHA512]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[webpki::ring::RSA_PKCS1_2048_8192_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[webpki::ring::RSA_PKCS1_2048_8192_SHA256]),
    ],
};

/// What makes random bytes, and takes no keys.
#[derive(Debug)]
struct Ring;

impl SecureRandom for Ring {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), bytes).map_err(|_| GetRandomFailed)
    }
}

impl KeyProvider for Ring {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("there are no client certificates here".to_owned()))
    }
}

/// An error and all that caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// An answer as it came.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: bytes::Bytes,
}

impl Answer {
    /// Waits for an answer and for all of its body.
    async fn of<B>(sending: impl Future<Output = octocrab::Result<http::Response<B>>>) -> Result<Self, Error>
    where
        B: http_body::Body<Data = bytes::Bytes>,
        B::Error: Into<tower::BoxError>,
    {
        let unanswered = |why: String| Error::Unanswered { why, retry_after: None };
        let whole = async {
            let (parts, body) = sending.await.map_err(|error| no_answer(&error))?.into_parts();
            // A body that breaks off comes after the request was taken, so what became of it is open.
            let body = Limited::new(body, LARGEST_ANSWER).collect().await.map_err(|error| {
                unanswered(format!("the answer broke off after status {}: {}", parts.status, chain(&*error)))
            })?;
            Ok(Self { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        let late = || unanswered(format!("nothing came within {} s", ANSWER_TIMEOUT.as_secs()));
        tokio::time::timeout(ANSWER_TIMEOUT, whole).await.unwrap_or_else(|_| Err(late()))
    }

    /// The answer, if it says yes.
    fn accepted(self, address: &Address, remedies: Option<Remedies>) -> Result<Self, Error> {
        match classify(self.status, &self.headers, &self.body, address, remedies) {
            None => Ok(self),
            Some(error) => Err(error),
        }
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::Malformed { why: quote(&error.to_string()) })
    }
}

/// What a request that got no answer is.
fn no_answer(error: &octocrab::Error) -> Error {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            let why = io.to_string();
            return match io.kind() {
                io::ErrorKind::ConnectionRefused => Error::Unreachable { why },
                _ => Error::Unanswered { why, retry_after: None },
            };
        }
        source = cause.source();
    }
    Error::Unanswered { why: chain(error), retry_after: None }
}

/// What to do where something else than a task may not be read, or is not there.
#[derive(Clone, Copy)]
struct Remedies {
    permission: &'static str,
    not_found: &'static str,
}

const PULL_REMEDIES: Remedies = Remedies {
    permission: "Give `lookup-token` a token that may read pull requests: for the workflow's own repository \
                 `${{ github.token }}` with `permissions: pull-requests: read` serves",
    not_found: "The token does not reach the repository or may not read its pull requests; give `lookup-token` one that \
                does and may",
};
const ACCESS_REMEDIES: Remedies = Remedies {
    permission: "A personal token may ask this only where its owner can push",
    not_found: "Either the token does not reach the repository, or there is nobody of that name",
};
const FILE_REMEDIES: Remedies = Remedies {
    permission: "A fine-grained token needs \"Contents: read\" for that repository",
    not_found: "Either the token does not reach the repository, or there is no such file, branch, tag or commit",
};
const REPOSITORY_REMEDIES: Remedies = Remedies {
    permission: "A fine-grained token needs \"Metadata: read\" for that repository",
    not_found: "Either there is no repository of that name, or the token does not reach it: a fine-grained token lists \
                the repositories it is for, and an organisation may have to approve it",
};
const CONFIGURATION_REMEDIES: Remedies = Remedies {
    permission: "A fine-grained token needs \"Copilot agent settings: read\" for that repository, a classic one the \
                 scope `repo`; its owner may have to administer the repository",
    not_found: "Either the token may not see the settings of the Copilot cloud agent, or the agent is not enabled for \
                the repository",
};
const ACTIONS_REMEDIES: Remedies = Remedies {
    permission: "A fine-grained token needs \"Administration: read\" for that repository, and an owner who administers \
                 it",
    not_found: "The token may not see the settings of GitHub Actions in that repository",
};
const TASK_NOT_FOUND: &str = "Either the token does not reach the repository (a fine-grained token lists the \
                              repositories it is for, and an organisation may have to approve it), or the Copilot \
                              cloud agent is not enabled for it, or there is no such task";
const NO_AGENT_TASKS: &str = "A GitHub Enterprise Server has no agent tasks API; github.com and ghe.com have";

/// What an answer means; `None` for one that says yes. A pure function over all that an answer shows.
fn classify(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    address: &Address,
    remedies: Option<Remedies>,
) -> Option<Error> {
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return None;
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = words(status, &body);
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name: &str| text(name).and_then(|value| value.trim().parse::<u64>().ok());
    let retry_after = number("retry-after").map(|seconds| Duration::from_secs(seconds).min(LONGEST_PATIENCE));
    Some(match status.as_u16() {
        // A 403 is a limit only where a header says so; without one it is a matter of permission.
        403 | 429 if status == 429 || retry_after.is_some() || number("x-ratelimit-remaining") == Some(0) => {
            let primary = number("x-ratelimit-remaining") == Some(0);
            // The reset is a time of GitHub's clock, so it is compared with the time of the same answer.
            let now = date(headers);
            let until_reset = number("x-ratelimit-reset").zip(now).filter(|_| primary).map(|(reset, now)| {
                let seconds = i64::try_from(reset).unwrap_or(i64::MAX).saturating_sub(now.as_second());
                Duration::from_secs(u64::try_from(seconds).unwrap_or_default().saturating_add(1)).min(LONGEST_PATIENCE)
            });
            Error::RateLimited(RateLimit { wait: retry_after.or(until_reset).unwrap_or(UNTOLD_LIMIT), primary })
        }
        401 => Error::BadToken { said },
        403 if body["code"] == "copilot_plan_required" => Error::NoLicence { said },
        403 => Error::MissingPermission { said, remedy: permission_remedy(headers, remedies) },
        404 if let Some(remedies) = remedies => Error::NotFound { said, remedy: remedies.not_found },
        404 if !address.has_agent_tasks() => Error::NotFound { said, remedy: NO_AGENT_TASKS },
        404 => Error::NotFound { said, remedy: TASK_NOT_FOUND },
        400 | 422 => Error::Invalid { said },
        // The gateway in front of GitHub gave up on the request; what is behind it may have taken it.
        408 | 500..=599 => Error::Unanswered { why: format!("{said} came instead"), retry_after },
        other => Error::Refused { status: other, said },
    })
}

/// The time of an answer, by GitHub's own clock.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(date).ok().map(|date| date.timestamp())
}

/// What to do about a missing permission, from the headers in which GitHub names it,
/// <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#insufficient-permissions>.
fn permission_remedy(headers: &HeaderMap, remedies: Option<Remedies>) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty());
    if let Some(sso) = text("x-github-sso") {
        let url = sso.split_once("url=").map_or("the organisation's single sign-on page", |(_, url)| url);
        return format!("Authorise the token for single sign-on: {}", cut(url, LONGEST_QUOTE));
    }
    if let Some(remedies) = remedies {
        return remedies.permission.to_owned();
    }
    match text("x-accepted-github-permissions") {
        Some(needed) if needed.contains("pull") => PULL_REMEDIES.permission.to_owned(),
        Some(needed) => format!(
            "GitHub asks for the permission `{}`; a fine-grained token needs \"Agent tasks: read and write\" for \
             this repository, and can do no more than its owner",
            cut(needed, LONGEST_QUOTE)
        ),
        None => "A fine-grained token needs \"Agent tasks: read and write\" for this repository, a classic one the \
                 scope `repo`; the token can do no more than its owner, and an organisation's policy may forbid it"
            .to_owned(),
    }
}

/// GitHub's own words, with what its list of errors adds.
fn words(status: StatusCode, body: &Value) -> String {
    let mut said = format!("status {status}");
    if let Some(message) = body["message"].as_str().filter(|message| !message.is_empty()) {
        message.clone_into(&mut said);
    }
    for error in body["errors"].as_array().into_iter().flatten() {
        let detail = error["message"].as_str().or(error["code"].as_str()).or(error.as_str()).unwrap_or_default();
        if !detail.is_empty() {
            said = format!("{said}; {detail}");
        }
    }
    quote(&said)
}

fn quote(said: &str) -> String {
    cut(said, LONGEST_QUOTE)
}

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;
    use rustls::crypto::SupportedKxGroup;
    use rustls::pki_types::SignatureVerificationAlgorithm;

    use super::*;

    fn address() -> Address {
        Address::parse("https://api.github.com", None).unwrap()
    }

    fn class(status: u16, headers: &[(&'static str, &str)], body: &str) -> &'static str {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        let status = StatusCode::from_u16(status).unwrap();
        match classify(status, &headers.collect(), body.as_bytes(), &address(), None) {
            None => "accepted",
            Some(Error::BadToken { .. }) => "bad token",
            Some(Error::NoLicence { .. }) => "no licence",
            Some(Error::MissingPermission { .. }) => "missing permission",
            Some(Error::NotFound { .. }) => "not found",
            Some(Error::RateLimited(_)) => "rate limited",
            Some(Error::Invalid { .. }) => "invalid",
            Some(Error::Refused { .. }) => "refused",
            Some(Error::Unfit { .. }) => "unfit",
            Some(Error::Unreachable { .. }) => "unreachable",
            Some(Error::Unanswered { .. }) => "unanswered",
            Some(Error::Malformed { .. }) => "malformed",
        }
    }

    /// Found by reading: what is asked of a repository had its own remedies put over the one that leads somewhere.
    #[test]
    fn single_sign_on_is_told_whatever_was_asked_for() {
        let sso = [("x-github-sso", "required; url=https://github.com/orgs/octo/sso?x=1")];
        for remedies in [None, Some(FILE_REMEDIES), Some(REPOSITORY_REMEDIES)] {
            let told = told_of(remedies, 403, &sso, "", &address()).to_string();
            assert!(told.contains("https://github.com/orgs/octo/sso?x=1"), "{told}");
        }
        let told = told_of(Some(FILE_REMEDIES), 403, &[], "", &address()).to_string();
        assert!(told.contains("Contents: read"), "{told}");
    }

    /// What each status means by itself, and what a header changes about it.
    #[test]
    fn the_cryptography_is_that_of_rustls_without_chacha20_and_25519() {
        let (ours, theirs) = (cryptography(), rustls::crypto::ring::default_provider());
        let is_kept = |suite: &rustls::SupportedCipherSuite| !format!("{:?}", suite.suite()).contains("CHACHA20");
        let kept = theirs.cipher_suites.into_iter().filter(is_kept).collect::<Vec<_>>();
        assert_eq!(ours.cipher_suites, kept);
        let groups = |all: &[&dyn SupportedKxGroup]| all.iter().map(|group| group.name()).collect::<Vec<_>>();
        let kept = groups(&theirs.kx_groups).into_iter().filter(|name| *name != NamedGroup::X25519);
        assert_eq!(groups(&ours.kx_groups), kept.collect::<Vec<_>>());
        let ids = |algorithms: &[&dyn SignatureVerificationAlgorithm]| {
            algorithms.iter().map(|it| (it.public_key_alg_id(), it.signature_alg_id())).collect::<Vec<_>>()
        };
        let schemes = |checked: &WebPkiSupportedAlgorithms| {
            checked.mapping.iter().map(|(scheme, algorithms)| (*scheme, ids(algorithms))).collect::<Vec<_>>()
        };
        let (ours, theirs) = (ours.signature_verification_algorithms, theirs.signature_verification_algorithms);
        let ed25519 = ids(&[webpki::ring::ED25519]);
        let mut kept = schemes(&theirs);
        kept.retain(|(scheme, _)| *scheme != SignatureScheme::ED25519);
        assert_eq!(schemes(&ours), kept);
        let mut kept = ids(theirs.all);
        kept.retain(|id| !ed25519.contains(id));
        assert_eq!(ids(ours.all), kept);
    }

    #[test]
    fn every_status_has_its_class() {
        let limits: [&[(&str, &str)]; 2] = [&[("retry-after", "12")], &[("x-ratelimit-remaining", "0")]];
        for status in 100..600 {
            let bare = match status {
                200..=299 | 304 => "accepted",
                400 | 422 => "invalid",
                401 => "bad token",
                403 => "missing permission",
                404 => "not found",
                429 => "rate limited",
                408 | 500..=599 => "unanswered",
                _ => "refused",
            };
            let limited = if status == 403 { "rate limited" } else { bare };
            assert_eq!(class(status, &[], ""), bare, "{status}");
            assert_eq!(class(status, &[("x-ratelimit-remaining", "17")], "<html>"), bare, "{status}");
            for headers in limits {
                assert_eq!(class(status, headers, "{}"), limited, "{status} {headers:?}");
            }
        }
        let plan = r#"{"code": "copilot_plan_required", "message": "no"}"#;
        assert_eq!(class(403, &[], plan), "no licence");
        assert_eq!(class(403, &[("retry-after", "1")], plan), "rate limited");
    }

    fn told(status: u16, headers: &[(&'static str, &str)], body: &str, address: &Address) -> Error {
        told_of(None, status, headers, body, address)
    }

    fn told_of(
        remedies: Option<Remedies>,
        status: u16,
        headers: &[(&'static str, &str)],
        body: &str,
        address: &Address,
    ) -> Error {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        let status = StatusCode::from_u16(status).unwrap();
        classify(status, &headers.collect(), body.as_bytes(), address, remedies).unwrap()
    }

    #[test]
    fn a_limit_lasts_as_long_as_the_headers_say() {
        let date = ("date", "Fri, 20 Nov 2026 08:00:00 GMT");
        // 08:05:00 on that day.
        let reset = ("x-ratelimit-reset", "1795161900");
        for (headers, seconds, primary) in [
            (&[("retry-after", "12"), ("x-ratelimit-remaining", "0")][..], 12, true),
            (&[("x-ratelimit-remaining", "0"), reset, date], 301, true),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "17"), date], 1, true),
            (&[("x-ratelimit-remaining", "0"), reset], 60, true),
            (&[("retry-after", "Fri, 20 Nov 2026 08:00:00 GMT"), ("x-ratelimit-remaining", "0")], 60, true),
            (&[("retry-after", "9"), ("x-ratelimit-remaining", "44")], 9, false),
        ] {
            let Error::RateLimited(limit) = told(403, headers, "", &address()) else { panic!("{headers:?}") };
            assert_eq!((limit.wait.as_secs(), limit.primary), (seconds, primary), "{headers:?}");
        }
    }

    #[test]
    fn messages_hold_githubs_words_and_the_remedy() {
        let cut_off = r#"{"message": "Validation Failed", "errors": [{"code": "custom", "message": "base_ref gone"}, {"code": "invalid"}]}"#;
        assert!(
            told(422, &[], cut_off, &address())
                .to_string()
                .contains("Validation Failed; base_ref gone; invalid. Correct")
        );
        let accepted = [("x-accepted-github-permissions", "agent_tasks=write")];
        assert!(told(403, &accepted, "", &address()).to_string().contains("`agent_tasks=write`"));
        let sso = [("x-github-sso", "required; url=https://github.com/orgs/octo/sso?x=1")];
        assert!(told(403, &sso, "", &address()).to_string().contains("https://github.com/orgs/octo/sso?x=1"));
        assert!(told(404, &[], "", &address()).to_string().contains("cloud agent is not enabled"));
        let server = Address::parse("https://git.example.com/api/v3", None).unwrap();
        assert!(told(404, &[], "", &server).to_string().contains("Enterprise Server has no agent tasks"));
        let long = format!(r#"{{"message": "{}"}}"#, "x".repeat(100_000));
        assert!(told(422, &[], &long, &address()).to_string().len() < 1200);
    }

    #[test]
    fn a_token_goes_to_https_or_to_this_machine() {
        for (text, good) in [
            ("https://api.github.com", true),
            ("https://api.octo.ghe.com/", true),
            ("http://127.0.0.1:4010", true),
            ("http://[::1]:4010", true),
            ("http://localhost:4010", true),
            ("http://api.github.com", false),
            ("http://127.0.0.1.example.com", false),
            ("ftp://api.github.com", false),
            ("api.github.com", false),
            ("https://user@api.github.com", false),
            ("https://api.github.com?x=1", false),
            ("", false),
        ] {
            assert_eq!(Address::parse(text, None).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn the_graphql_api_is_beside_the_rest_api_on_the_same_host() {
        let graphql = |rest, told| Address::parse(rest, told).unwrap().graphql;
        assert_eq!(graphql("https://api.github.com/", None), "https://api.github.com/graphql");
        assert_eq!(graphql("https://git.example.com/api/v3", None), "https://git.example.com/api/graphql");
        let told = Some("https://api.octo.ghe.com/graphql");
        assert_eq!(graphql("https://api.octo.ghe.com", told), "https://api.octo.ghe.com/graphql");
        let elsewhere = Some("https://elsewhere.example/graphql");
        assert_eq!(graphql("https://api.github.com", elsewhere), "https://api.github.com/graphql");
    }
}
