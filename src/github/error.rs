//! What an answer of GitHub means: the errors that callers distinguish.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;

use crate::github::repository::Repository;
use crate::json;
use crate::text::{cut, spelled};

/// How much of GitHub's own words goes into an error, in characters. Its messages are a few sentences long.
const MAX_QUOTE: usize = 1000;
/// "Wait for at least one minute before retrying" where GitHub limits the rate and does not say for how long,
/// <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately>.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// The longest wait that is taken from an answer. GitHub's limits last an hour at most.
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

/// What went wrong between this program and GitHub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// 401.
    #[error(
        "GitHub does not accept the token ({said}): it is mistyped, expired or revoked. Make a new one and store it \
         as the secret that `token` is given"
    )]
    BadToken {
        /// GitHub's message.
        said: String,
    },
    /// 403, because the token's owner lacks a Copilot license.
    #[error(
        "the token's owner has no Copilot license that includes the cloud agent ({said}). Use a token of a user who \
         has one, or assign a license under the organization's Copilot settings"
    )]
    NoLicense {
        /// GitHub's message.
        said: String,
    },
    /// 403 because a permission is missing, or for a reason that is not known.
    #[error("the token lacks a permission ({said}). {remedy}")]
    MissingPermission {
        /// GitHub's message.
        said: String,
        /// What to do.
        remedy: String,
    },
    /// 403 for a known reason that no permission of the token changes.
    #[error("GitHub refuses this ({said}). {remedy}")]
    Denied {
        /// GitHub's message.
        said: String,
        /// What to do.
        remedy: String,
    },
    /// 404.
    #[error("GitHub finds nothing there for this token ({said}). {remedy}")]
    NotFound {
        /// GitHub's message.
        said: String,
        /// What to do.
        remedy: &'static str,
    },
    /// 429, or 403 where a header, the message or the link to the documentation names a rate limit.
    #[error("GitHub limits the rate: {0}")]
    RateLimited(RateLimit),
    /// 400 or 422.
    #[error("GitHub refuses the request: {said}. Correct the input that this is about")]
    Invalid {
        /// GitHub's message.
        said: String,
    },
    /// A start was answered with a redirect, and nothing was done: the repository has another name.
    #[error("nothing was started: the repository was renamed or transferred{}", moved(to.as_ref()))]
    Moved {
        /// The repository's name today, if this token may see it.
        to: Option<Repository>,
    },
    /// Any other answer that refuses the request.
    #[error("GitHub refuses the request with status {status} ({said}). {remedy}")]
    Refused {
        /// The status.
        status: u16,
        /// GitHub's message.
        said: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The request never left this machine. Another try may succeed.
    #[error(
        "GitHub cannot be reached: {why}. Check the runner's network, its proxy settings and https://www.githubstatus.com"
    )]
    Unreachable {
        /// What the network reported.
        why: String,
    },
    /// The request never left this machine, and another try fails in the same way: an untrusted certificate, or a proxy
    /// that refuses.
    #[error("GitHub cannot be reached: {why}")]
    NoConnection {
        /// What is wrong, and what to do.
        why: String,
    },
    /// The request was sent, or may have been, and no answer says what happened to it.
    #[error("{why}")]
    Unanswered {
        /// What came instead of an answer, as a sentence.
        why: String,
        /// How long GitHub asks clients to wait.
        retry_after: Option<Duration>,
    },
    /// A list leaves something out, so that nothing follows from what is not in it.
    #[error("the list is not complete: {why}")]
    Incomplete {
        /// What is left out, and what to do.
        why: String,
    },
    /// A search gave up before it had looked everywhere.
    #[error("GitHub's search did not finish")]
    SearchUnfinished,
    /// There is something at the address, and it is not what was looked for.
    #[error("{why}")]
    Unfit {
        /// What there is.
        why: String,
    },
    /// An answer with a good status and a body that cannot be read.
    #[error("GitHub's answer cannot be read: {why}. A proxy between the runner and GitHub may have answered instead")]
    Malformed {
        /// What cannot be read.
        why: String,
    },
}

fn moved(to: Option<&Repository>) -> String {
    match to {
        Some(to) => format!("; it is now {to}. Use that name"),
        None => ". Use its new name, which this token may not see".to_owned(),
    }
}

/// The three kinds of errors that people act on differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// No connection, or no answer that can be read.
    Unreachable,
    /// A rate limit.
    RateLimited,
    /// GitHub answered and refused.
    Refused,
}

impl ErrorKind {
    /// The title of a message about such an error.
    pub fn title(self) -> &'static str {
        match self {
            Self::Unreachable => "GitHub not reached",
            Self::RateLimited => "Rate limit exceeded",
            Self::Refused => "GitHub refused",
        }
    }
}

impl Error {
    /// For a request that was sent, where something else came than an answer.
    pub fn unanswered(why: &str) -> Self {
        Self::Unanswered { why: format!("GitHub did not answer: {why}"), retry_after: None }
    }

    /// Which kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::RateLimited(_) => ErrorKind::RateLimited,
            Self::Unreachable { .. }
            | Self::NoConnection { .. }
            | Self::Unanswered { .. }
            | Self::Malformed { .. }
            | Self::SearchUnfinished => ErrorKind::Unreachable,
            Self::BadToken { .. }
            | Self::NoLicense { .. }
            | Self::MissingPermission { .. }
            | Self::Denied { .. }
            | Self::NotFound { .. }
            | Self::Invalid { .. }
            | Self::Moved { .. }
            | Self::Refused { .. }
            | Self::Incomplete { .. }
            | Self::Unfit { .. } => ErrorKind::Refused,
        }
    }

    /// Whether the same request may succeed at another time.
    pub fn may_pass(&self) -> bool {
        !self.is_refusal() && !matches!(self, Self::NoConnection { .. })
    }

    /// Whether GitHub answered and refused.
    pub fn is_refusal(&self) -> bool {
        self.kind() == ErrorKind::Refused
    }

    /// How long GitHub asks clients to wait, where it does and it is not a rate limit.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unanswered { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// A rate limit that GitHub reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// How long to send nothing.
    pub wait: Duration,
    /// Whether the hourly limit is exhausted, rather than a secondary limit exceeded.
    pub primary: bool,
}

impl RateLimit {
    /// Which limit it is.
    pub fn name(&self) -> &'static str {
        if self.primary { "hourly rate limit exhausted" } else { "secondary rate limit exceeded" }
    }

    /// The limit that an answer reports; `None` if it reports none. `text` is what the answer says, in lower case.
    ///
    /// A secondary limit can come as a plain 403 without any header; then the text or the link to the documentation names
    /// it.
    fn of(status: StatusCode, headers: &HeaderMap, body: &Value, text: &str) -> Option<Self> {
        let retry_after = retry_after(headers);
        let primary = number(headers, "x-ratelimit-remaining") == Some(0);
        let link = body["documentation_url"].as_str().unwrap_or_default();
        match status.as_u16() {
            429 => {}
            403 if retry_after.is_some() || primary || names_limit(text) || link.contains("rate-limit") => {}
            // The limit on content, which has no status of its own.
            422 if text.contains("submitted too quickly") => {}
            _ => return None,
        }
        Some(Self { wait: retry_after.or_else(|| until_reset(headers)).unwrap_or(DEFAULT_WAIT), primary })
    }

    /// The limit of the GraphQL API, which comes with status 200.
    fn of_graphql(headers: &HeaderMap) -> Self {
        let primary = number(headers, "x-ratelimit-remaining") == Some(0);
        Self { wait: retry_after(headers).or_else(|| until_reset(headers)).unwrap_or(DEFAULT_WAIT), primary }
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; the next request is allowed in {}", self.name(), spelled(self.wait))
    }
}

fn names_limit(said: &str) -> bool {
    ["rate limit", "abuse detection", "too many requests"].iter().any(|words| said.contains(words))
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    number(headers, "retry-after").map(|seconds| Duration::from_secs(seconds).min(MAX_WAIT))
}

/// How long until the hourly limit starts again, if it is exhausted. The reset is a time of GitHub's clock, so it is
/// compared with the time of the same answer.
fn until_reset(headers: &HeaderMap) -> Option<Duration> {
    number(headers, "x-ratelimit-remaining").filter(|remaining| *remaining == 0)?;
    let reset = i64::try_from(number(headers, "x-ratelimit-reset")?).unwrap_or(i64::MAX);
    let seconds = reset.saturating_sub(date(headers)?.as_second());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or_default().saturating_add(1)).min(MAX_WAIT))
}

/// Why an answer of the GraphQL API is empty. The status is 200 whatever happened. What is not found is null with an
/// error beside it, which is not an error here. `is_empty` says that nothing was found at all.
pub(super) fn graphql_error(answer: &Value, headers: &HeaderMap, is_empty: bool) -> Option<Error> {
    answer["errors"].as_array().into_iter().flatten().find_map(|error| {
        let said = quote(error["message"].as_str().unwrap_or_default());
        let is_limit = |kind: &str| ["RATE_LIMITED", "RATE_LIMIT"].iter().any(|one| kind.eq_ignore_ascii_case(one));
        match error["type"].as_str().unwrap_or_default() {
            // What a limit leaves out is not absent, so it counts beside answers as well.
            kind if is_limit(kind) || names_limit(&said.to_ascii_lowercase()) => {
                Some(Error::RateLimited(RateLimit::of_graphql(headers)))
            }
            "FORBIDDEN" | "INSUFFICIENT_SCOPES" if is_empty => Some(forbidden(said, headers, Some(PULL_REMEDIES))),
            _ => None,
        }
    })
}

/// Why a field of a GraphQL answer is null. What has no known type may pass.
pub(super) fn field_error(error: &Value, remedies: Remedies) -> Error {
    let said = quote(error["message"].as_str().unwrap_or_default());
    match error["type"].as_str().unwrap_or_default() {
        "FORBIDDEN" | "INSUFFICIENT_SCOPES" => forbidden(said, &HeaderMap::new(), Some(remedies)),
        "NOT_FOUND" => Error::NotFound { said, remedy: remedies.not_found },
        _ => Error::Malformed { why: said },
    }
}

/// What to do if something other than a task may not be read or is not there.
#[derive(Clone, Copy)]
pub(super) struct Remedies {
    permission: &'static str,
    not_found: &'static str,
}

impl Remedies {
    /// What to do if it is not there.
    pub(super) fn not_found(self) -> &'static str {
        self.not_found
    }
}

pub(super) const PULL_REMEDIES: Remedies = Remedies {
    permission: "Give `lookup-token` a token that may read pull requests: for the workflow's own repository \
                 `${{ github.token }}` with `permissions: pull-requests: read` serves",
    not_found: "The token does not reach the repository or may not read its pull requests; give `lookup-token` one that \
                does and may",
};
pub(super) const FOLLOW_UP_REMEDIES: Remedies = Remedies {
    permission: PULL_REMEDIES.permission,
    not_found: "There is no pull request with this number, or the token may not read it; correct `follow-up`, or give \
                `lookup-token` a token that reads the repository's pull requests",
};
pub(super) const CHECK_REMEDIES: Remedies = Remedies {
    permission: "The token needs \"Checks: read\" and \"Commit statuses: read\". Give `lookup-token` one that has them: \
                 for the workflow's own repository `${{ github.token }}` with `permissions: checks: read, statuses: read, \
                 pull-requests: read` serves",
    not_found: "The token does not reach the repository or may not read its checks; give `lookup-token` one that does \
                and may",
};
pub(super) const RUN_REMEDIES: Remedies = Remedies {
    permission: "Stopping a task needs \"Actions: read and write\" for its repository. Give `lookup-token` a token that \
                 has it: for the workflow's own repository `${{ github.token }}` with `permissions: actions: write` \
                 serves; or add it to `token`",
    not_found: "The token does not reach the repository or may not see its workflow runs; give `lookup-token` one that \
                does and has \"Actions: read and write\"",
};
pub(super) const ACCESS_REMEDIES: Remedies = Remedies {
    permission: "A personal token may ask this only where its owner can push",
    not_found: "Either the token does not reach the repository, or there is no user of that name",
};
pub(super) const FILE_REMEDIES: Remedies = Remedies {
    permission: "A fine-grained token needs \"Contents: read\" for that repository",
    not_found: "Either the token does not reach the repository, or there is no such file, branch, tag or commit",
};
pub(super) const REPOSITORY_REMEDIES: Remedies = Remedies {
    permission: "A fine-grained token needs \"Metadata: read\" for that repository",
    not_found: "Either there is no repository of that name, or the token does not reach it: a fine-grained token lists \
                the repositories it is for, and an organization may have to approve it",
};
pub(super) const CONFIGURATION_REMEDIES: Remedies = Remedies {
    permission: "A fine-grained token needs \"Copilot agent settings: read\" for that repository, a classic one the \
                 scope `repo`; its owner may have to administer the repository",
    not_found: "Either the token may not see the settings of the Copilot cloud agent, or the agent is not enabled for \
                the repository",
};
pub(super) const ACTIONS_REMEDIES: Remedies = Remedies {
    permission: "A fine-grained token needs \"Administration: read\" for that repository, and an owner who administers \
                 it",
    not_found: "The token may not see the settings of GitHub Actions in that repository",
};
const TASK_NOT_FOUND: &str = "Either there is no such repository or task, or the token does not reach the repository (a \
                              fine-grained token lists the repositories it is for, and an organization may have to \
                              approve it), or the Copilot cloud agent is not enabled for it";

/// Words of the messages with which GitHub denies access for a reason that is not a permission, in lower case, and what to
/// do about each. The first whose words all occur counts. The messages were observed; GitHub does not document them.
const DENIALS: [(&[&str], &str); 11] = [
    (&["archived"], "The repository is archived, and nothing in it can change. Unarchive it, or leave it out"),
    (&["repository has been disabled"], "GitHub has disabled the repository. Contact GitHub Support, or leave it out"),
    (&["access blocked"], "GitHub has blocked the repository. Contact GitHub Support, or leave it out"),
    (
        &["locked", "migration"],
        "The repository cannot be used while it is migrated, nor after it has moved. Try again once the migration has \
         ended, or use the repository's new place",
    ),
    (
        &["disabled", "copilot", "agent"],
        "The Copilot cloud agent is disabled. Ask the owners of the organization or enterprise to enable it in their \
         settings for Copilot",
    ),
    (
        &["ip allow list"],
        "The runner's address is not on the IP allow list of the organization or enterprise. Add the address, or use a \
         runner with an address that is on the list",
    ),
    (
        &["lifetime"],
        "The organization refuses tokens that live that long. Make a fine-grained token with an earlier expiration date",
    ),
    (
        &["forbids access via a fine-grained"],
        "The organization refuses fine-grained personal access tokens. Ask its owners to allow them, or use a token of \
         another kind",
    ),
    (
        &["forbids access via a personal access token (classic)"],
        "The organization refuses classic personal access tokens. Use a fine-grained one with \"Agent tasks: read and \
         write\" for this repository",
    ),
    (&["suspended"], "The account of the token's owner is suspended. Use a token of another user"),
    (&["saml"], "Authorize the token for single sign-on under https://github.com/settings/tokens"),
];

/// What to do where a web page came that GitHub has not sent.
const FOREIGN: &str = "The answer does not look like one of GitHub: a proxy or a firewall may have given it. Check the \
                       runner's network and its proxy settings";

/// What an answer means; `None` for one that accepts the request. A pure function of all that an answer has.
pub(super) fn classify(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    remedies: Option<Remedies>,
) -> Option<Error> {
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return None;
    }
    // GitHub puts its id on every answer.
    let is_foreign = !body.is_empty() && !headers.contains_key("x-github-request-id");
    let raw = String::from_utf8_lossy(body);
    let body: Value = json::read(body).unwrap_or_default();
    let said = words(status, &body);
    // What has not GitHub's form is searched as it came.
    let text = if body.is_object() { &said } else { &*raw };
    if let Some(limit) = RateLimit::of(status, headers, &body, &text.to_ascii_lowercase()) {
        return Some(Error::RateLimited(limit));
    }
    Some(match status.as_u16() {
        401 => Error::BadToken { said },
        403 if body["code"] == "copilot_plan_required" => Error::NoLicense { said },
        403 if is_foreign && !body.is_object() => Error::Denied { said, remedy: FOREIGN.to_owned() },
        403 => forbidden(said, headers, remedies),
        404 => Error::NotFound { said, remedy: remedies.map_or(TASK_NOT_FOUND, |remedies| remedies.not_found) },
        400 | 422 => Error::Invalid { said },
        // The gateway in front of GitHub gave up on the request; the service behind it may have accepted it. After a 303
        // it has, and the result would be elsewhere.
        303 | 408 | 500..=599 => {
            let id = headers.get("x-github-request-id").and_then(|id| id.to_str().ok());
            let id = id.map_or_else(String::new, |id| format!(", request id {}", cut(id, 100)));
            let adds = body["message"].as_str().is_some_and(|message| Some(message) != status.canonical_reason());
            let said = if adds { format!(" ({said})") } else { String::new() };
            Error::Unanswered {
                why: format!("GitHub answered with status {status}{said}{id}"),
                retry_after: retry_after(headers),
            }
        }
        other => Error::Refused { status: other, said, remedy: refusal_remedy(other) },
    })
}

fn refusal_remedy(status: u16) -> &'static str {
    match status {
        402 => {
            "The account that pays for Copilot has to pay or to raise its budget: look at the billing settings of the \
             token's owner and of the organization"
        }
        409 => {
            "The repository is in a state that does not allow this: it may be empty, or the Copilot cloud agent may not \
             be enabled for it"
        }
        451 => "GitHub has blocked the repository for legal reasons. Leave it out",
        _ => "Check `repository` and `github-api-url`",
    }
}

/// What a list leaves out because single sign-on is missing,
/// <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#saml-sso>.
pub(super) fn left_out(headers: &HeaderMap) -> Option<String> {
    let sso = headers.get("x-github-sso")?.to_str().ok()?;
    let sso = sso.trim().to_ascii_lowercase();
    let partial = sso.strip_prefix("partial-results")?;
    let organizations = partial.split_once("organizations=").map_or("", |(_, ids)| ids.trim());
    Some(format!(
        "GitHub leaves out organizations that require single sign-on (ids: {}). Authorize the token for them under \
         https://github.com/settings/tokens",
        cut(if organizations.is_empty() { "not given" } else { organizations }, MAX_QUOTE)
    ))
}

/// The time of an answer, by GitHub's own clock.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(date).ok().map(|date| date.timestamp())
}

/// What a 403 means that is not a rate limit: by its message, and by the headers in which GitHub names what is missing,
/// <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#insufficient-permissions>.
fn forbidden(said: String, headers: &HeaderMap, remedies: Option<Remedies>) -> Error {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty());
    if let Some(sso) = text("x-github-sso") {
        let url = sso.split_once("url=").map_or("the organization's single sign-on page", |(_, url)| url);
        return Error::Denied {
            said,
            remedy: format!("Authorize the token for single sign-on: {}", cut(url, MAX_QUOTE)),
        };
    }
    let lower = said.to_ascii_lowercase();
    if let Some((_, remedy)) = DENIALS.iter().find(|(words, _)| words.iter().all(|word| lower.contains(word))) {
        return Error::Denied { said, remedy: (*remedy).to_owned() };
    }
    let remedy = match remedies {
        Some(remedies) => remedies.permission.to_owned(),
        None => permission_remedy(text("x-accepted-github-permissions")),
    };
    Error::MissingPermission { said, remedy }
}

/// What to do if a request about tasks lacks a permission. `needed` is the permission that GitHub names.
fn permission_remedy(needed: Option<&str>) -> String {
    match needed {
        Some(needed) if needed.contains("pull") => PULL_REMEDIES.permission.to_owned(),
        Some(needed) => format!(
            "GitHub requires the permission `{}`; a fine-grained token needs \"Agent tasks: read and write\" for \
             this repository, and can do no more than its owner",
            cut(needed, MAX_QUOTE)
        ),
        None => "A fine-grained token needs \"Agent tasks: read and write\" for this repository, a classic one the \
                 scope `repo`; the token can do no more than its owner, and an organization's policy may forbid it"
            .to_owned(),
    }
}

/// GitHub's message, with what its list of errors adds.
fn words(status: StatusCode, body: &Value) -> String {
    let mut said = format!("status {status}");
    let text = |value: &Value| value["message"].as_str().or(value.as_str()).map(str::to_owned);
    if let Some(message) = text(body).or_else(|| text(&body["error"])).filter(|message| !message.is_empty()) {
        said = message;
    }
    let errors = &body["errors"];
    for error in errors.as_array().map_or(std::slice::from_ref(errors), Vec::as_slice) {
        let detail = match (text(error), error["field"].as_str(), error["code"].as_str()) {
            (Some(detail), ..) => detail,
            (None, Some(field), Some(code)) => format!("{field}: {code}"),
            (None, _, code) => code.unwrap_or_default().to_owned(),
        };
        if !detail.is_empty() {
            said = format!("{said}; {detail}");
        }
    }
    quote(&said)
}

pub(super) fn quote(said: &str) -> String {
    // It is shown within a sentence.
    cut(said.trim_end_matches('.'), MAX_QUOTE)
}
