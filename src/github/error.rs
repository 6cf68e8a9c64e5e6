//! What an answer of GitHub means: the errors, told apart as far as a caller acts differently.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;

use crate::github::url::ApiUrl;
use crate::text::cut;

/// How much of GitHub's own words goes into an error, in characters.
const LONGEST_QUOTE: usize = 1000;
/// "Wait for at least one minute before retrying" where GitHub limits the rate and does not say for how long,
/// <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately>.
const UNTOLD_LIMIT: Duration = Duration::from_secs(60);
/// The longest that GitHub's word is taken for how long to stay away; its limits last an hour at most.
const LONGEST_PATIENCE: Duration = Duration::from_secs(24 * 3600);

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

/// Why an answer of the GraphQL API has nothing in it. The status is 200 whatever happened; what is not found is null
/// with an error beside it, and that is no error here.
pub(crate) fn graphql_error(answer: &Value) -> Option<Error> {
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

/// What to do where something else than a task may not be read, or is not there.
#[derive(Clone, Copy)]
pub(crate) struct Remedies {
    permission: &'static str,
    not_found: &'static str,
}

pub(crate) const PULL_REMEDIES: Remedies = Remedies {
    permission: "Give `lookup-token` a token that may read pull requests: for the workflow's own repository \
                 `${{ github.token }}` with `permissions: pull-requests: read` serves",
    not_found: "The token does not reach the repository or may not read its pull requests; give `lookup-token` one that \
                does and may",
};
pub(crate) const ACCESS_REMEDIES: Remedies = Remedies {
    permission: "A personal token may ask this only where its owner can push",
    not_found: "Either the token does not reach the repository, or there is nobody of that name",
};
pub(crate) const FILE_REMEDIES: Remedies = Remedies {
    permission: "A fine-grained token needs \"Contents: read\" for that repository",
    not_found: "Either the token does not reach the repository, or there is no such file, branch, tag or commit",
};
pub(crate) const REPOSITORY_REMEDIES: Remedies = Remedies {
    permission: "A fine-grained token needs \"Metadata: read\" for that repository",
    not_found: "Either there is no repository of that name, or the token does not reach it: a fine-grained token lists \
                the repositories it is for, and an organisation may have to approve it",
};
pub(crate) const CONFIGURATION_REMEDIES: Remedies = Remedies {
    permission: "A fine-grained token needs \"Copilot agent settings: read\" for that repository, a classic one the \
                 scope `repo`; its owner may have to administer the repository",
    not_found: "Either the token may not see the settings of the Copilot cloud agent, or the agent is not enabled for \
                the repository",
};
pub(crate) const ACTIONS_REMEDIES: Remedies = Remedies {
    permission: "A fine-grained token needs \"Administration: read\" for that repository, and an owner who administers \
                 it",
    not_found: "The token may not see the settings of GitHub Actions in that repository",
};
const TASK_NOT_FOUND: &str = "Either the token does not reach the repository (a fine-grained token lists the \
                              repositories it is for, and an organisation may have to approve it), or the Copilot \
                              cloud agent is not enabled for it, or there is no such task";
const NO_AGENT_TASKS: &str = "A GitHub Enterprise Server has no agent tasks API; github.com and ghe.com have";

/// What an answer means; `None` for one that says yes. A pure function over all that an answer shows.
pub(crate) fn classify(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    address: &ApiUrl,
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
pub(crate) fn date(headers: &HeaderMap) -> Option<Timestamp> {
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

pub(crate) fn quote(said: &str) -> String {
    cut(said, LONGEST_QUOTE)
}
