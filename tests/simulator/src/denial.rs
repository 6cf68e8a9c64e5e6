//! The answers with which GitHub denies a request, each in its own words.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::Answer;

/// Why GitHub denies a request. Where no source is named, the text was seen in public bug reports.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Denial {
    /// 404: not there, not visible, or not there yet.
    NotFound,
    /// 403 `copilot_plan_required`.
    PlanRequired,
    /// 403: the repository is archived.
    RepositoryArchived,
    /// 403: the organization's IP allow list lacks the caller's address.
    IpAllowList,
    /// 403: the organization forbids fine-grained tokens that live longer than 366 days.
    TokenTooLongLived,
    /// 403: the organization forbids fine-grained tokens. Assumed: worded like the one for lifetimes.
    FineGrainedTokenForbidden,
    /// 403: the organization forbids classic tokens.
    ClassicTokenForbidden,
    /// 403 with `X-GitHub-SSO: required; url=...`: the token is not authorized for single sign-on.
    SsoRequired,
    /// 402. Assumed text.
    PaymentRequired,
    /// 409. Assumed text.
    Conflict,
    /// 451: the repository is blocked.
    LegalReasons,
    /// 500.
    ServerError,
    /// 403 whose text repeats the caller's token.
    EchoedToken {
        /// How many characters come before the token.
        before: usize,
        /// How many characters come after the token.
        after: usize,
    },
}

/// The message for a personal token that is not authorized for single sign-on.
pub(crate) const SSO_REQUIRED: &str = "Resource protected by organization SAML enforcement. You must grant your \
    Personal Access token access to this organization.";

impl Denial {
    /// The answer for a resource of this owner to a caller with this secret.
    pub(crate) fn answer(&self, owner: &str, secret: &str) -> Answer {
        match self {
            Denial::NotFound => Answer::not_found(),
            Denial::PlanRequired => Answer::json(
                403,
                &json!({
                    "code": "copilot_plan_required",
                    "error": "forbidden",
                    "message": "A Copilot licence is needed to use this API.",
                }),
            ),
            Denial::RepositoryArchived => Answer::error(403, "Repository was archived so is read-only."),
            Denial::IpAllowList => Answer::error(
                403,
                &format!(
                    "Although you appear to have the correct authorization credentials, the `{owner}` organization \
                     has an IP allow list enabled, and your IP address is not permitted to access this resource."
                ),
            ),
            Denial::TokenTooLongLived => Answer::error(
                403,
                &format!(
                    "The '{owner}' organization forbids access via a fine-grained personal access tokens if the \
                     token's lifetime is greater than 366 days. Please adjust your token's lifetime at the following \
                     URL: https://github.com/settings/personal-access-tokens/8341907"
                ),
            ),
            Denial::FineGrainedTokenForbidden => Answer::error(
                403,
                &format!("The '{owner}' organization forbids access via a fine-grained personal access tokens."),
            ),
            Denial::ClassicTokenForbidden => Answer::error(
                403,
                &format!(
                    "`{owner}` forbids access via a personal access token (classic). Please use a GitHub App, OAuth \
                     App, or a personal access token with fine-grained permissions."
                ),
            ),
            Denial::SsoRequired => {
                let page = format!("https://github.com/orgs/{owner}/sso?authorization_request=A5X2");
                Answer::error(403, SSO_REQUIRED).header("x-github-sso", format!("required; url={page}"))
            }
            Denial::PaymentRequired => Answer::error(402, "Payment Required"),
            Denial::Conflict => Answer::error(409, "Conflict"),
            Denial::LegalReasons => Answer::json(
                451,
                &json!({
                    "message": "Repository access blocked",
                    "block": {"reason": "dmca", "created_at": "2026-02-03T04:05:06Z", "html_url": Value::Null},
                }),
            ),
            Denial::ServerError => Answer::error(500, "Server Error"),
            Denial::EchoedToken { before, after } => {
                let filler = |length: usize| "Not allowed. ".chars().cycle().take(length).collect::<String>();
                Answer::error(403, &format!("{}{secret}{}", filler(*before), filler(*after)))
            }
        }
    }
}
