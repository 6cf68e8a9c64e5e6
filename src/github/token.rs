//! The token, and its kind.

use std::fmt;

use ring::hmac;

use crate::text::hexadecimal;

/// A token for GitHub's API.
///
/// It has no `Display` and no `Serialize`, and its `Debug` shows the kind alone, so that it cannot end up in a log,
/// an error or a file by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// What a token's prefix says about it,
/// <https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github#githubs-token-formats>.
///
/// Only the prefix is looked at: GitHub changes the length and the alphabet of the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// `ghp_`: a classic personal access token.
    Classic,
    /// `github_pat_`: a fine-grained personal access token.
    FineGrained,
    /// `gho_`: of an OAuth app, the GitHub CLI's login among them.
    OAuth,
    /// `ghu_`: a GitHub App acting for a user.
    AppUser,
    /// `ghs_`: a GitHub App's installation; the workflow's own `GITHUB_TOKEN` is one.
    Installation,
    /// `ghr_`: only renews a token.
    Refresh,
    /// `eyJ…`: the signed claim with which a GitHub App authenticates itself.
    AppJwt,
    /// No known prefix, as tokens from before 2021.
    Unknown,
}

/// Why a text cannot be a token. Its `Display` names the remedy and never the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// White space inside it, or at an end, where a line break is easily pasted along.
    #[error("has white space or a line break in it; store the secret again without")]
    Space,
    /// A character that no HTTP header may carry.
    #[error("has a character that no token has; store the secret again")]
    Character,
    /// It begins with the scheme of the header.
    #[error("starts with the word `Bearer` or `token`; store only what comes after it")]
    Scheme,
    /// What a secret is called, such as `secrets.AGENT_TASK_TOKEN`.
    #[error("is the name of a secret, not its value; write `${{{{ secrets.NAME }}}}` with that name")]
    SecretName,
}

/// How long the shortest tokens are: 40 hexadecimal digits, as before 2021.
const MIN_TOKEN: usize = 40;

impl Token {
    /// Reads a token as the user gave it.
    ///
    /// # Errors
    /// If the text could not be sent in a header, or carries more than the token.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        if ["bearer ", "token "].iter().any(|scheme| starts_with_ignoring_case(text, scheme)) {
            return Err(TokenError::Scheme);
        }
        if text.chars().any(char::is_whitespace) {
            return Err(TokenError::Space);
        }
        if text.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(TokenError::Character);
        }
        if text.starts_with("secrets.") || is_upper_case_name(text) {
            return Err(TokenError::SecretName);
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret itself, for the one header it is sent in and the one line that masks it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What its prefix says.
    pub fn kind(&self) -> TokenKind {
        for (prefix, kind) in [
            ("ghp_", TokenKind::Classic),
            ("github_pat_", TokenKind::FineGrained),
            ("gho_", TokenKind::OAuth),
            ("ghu_", TokenKind::AppUser),
            ("ghs_", TokenKind::Installation),
            ("ghr_", TokenKind::Refresh),
            ("eyJ", TokenKind::AppJwt),
        ] {
            if self.0.starts_with(prefix) {
                return kind;
            }
        }
        TokenKind::Unknown
    }

    /// A signature of a text that only a holder of the token can make. It reveals nothing of the token.
    pub fn sign(&self, text: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes());
        hexadecimal(hmac::sign(&key, text.as_bytes()).as_ref())
    }

    /// Whether a text contains the secret.
    pub fn occurs_in(&self, text: &str) -> bool {
        text.contains(&self.0)
    }
}

/// `AGENT_TASK_TOKEN`: in capitals, with an underscore, and shorter than any token.
fn is_upper_case_name(text: &str) -> bool {
    let is_name = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    is_name && text.contains('_') && text.len() < MIN_TOKEN
}

fn starts_with_ignoring_case(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:?})", self.kind())
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classic => "classic personal access token",
            Self::FineGrained => "fine-grained personal access token",
            Self::OAuth => "OAuth app token",
            Self::AppUser => "GitHub App user token",
            Self::Installation => "installation token",
            Self::Refresh => "refresh token",
            Self::AppJwt => "GitHub App's JSON web token",
            Self::Unknown => "token of an unknown kind",
        })
    }
}

/// What is wrong with `token` where there is none, as a predicate.
pub const MISSING: &str = "is missing or empty; store a fine-grained personal access token that has \"Agent tasks: read and \
                           write\" as a secret, and check the name of the secret in the workflow. Runs for pull requests \
                           from forks get no secrets, and runs for Dependabot only its own";

impl TokenKind {
    /// Why a token of this kind cannot be used for agent tasks, with the remedy; `None` if it can, as far as its
    /// kind goes. Source: "GitHub App installation access tokens are not supported for this endpoint",
    /// <https://docs.github.com/en/rest/agent-tasks/agent-tasks>.
    pub fn unfit_for_tasks(self) -> Option<&'static str> {
        match self {
            Self::Installation => Some(
                "is an installation token (`ghs_`), as `GITHUB_TOKEN` and the tokens of \
                 `actions/create-github-app-token` are; GitHub lets none of them start or read agent tasks. Store a \
                 fine-grained personal access token with the repository permission \"Agent tasks: read and write\" \
                 as a secret and give that",
            ),
            Self::Refresh => Some(
                "is a refresh token (`ghr_`), which only renews other tokens; give the user token (`ghu_`) that it \
                 renews, or a fine-grained personal access token",
            ),
            Self::AppJwt => Some(
                "is a GitHub App's JSON web token (`eyJ…`), which belongs to the app itself and not to a user; give \
                 a user token of the app (`ghu_`) or a fine-grained personal access token",
            ),
            Self::Classic | Self::FineGrained | Self::OAuth | Self::AppUser | Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_secret_is_not_a_token() {
        for text in ["AGENT_TASK_TOKEN", "secrets.AGENT_TASK_TOKEN", "secrets.agent_token"] {
            assert_eq!(Token::parse(text), Err(TokenError::SecretName), "{text}");
        }
        for text in ["0123456789ABCDEF0123456789ABCDEF01234567", "ABCDEF", "github_pat_11AA_b"] {
            assert!(Token::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn kind_follows_from_the_prefix_alone() {
        for (text, kind) in [
            ("ghp_0123", TokenKind::Classic),
            ("github_pat_11AA_b", TokenKind::FineGrained),
            ("gho_x", TokenKind::OAuth),
            ("ghu_x", TokenKind::AppUser),
            ("ghs_2143_eyJhbGciOi.J9-_x", TokenKind::Installation),
            ("ghr_x", TokenKind::Refresh),
            ("eyJhbGciOiJSUzI1NiJ9.e30.x", TokenKind::AppJwt),
            ("0123456789abcdef0123456789abcdef01234567", TokenKind::Unknown),
        ] {
            assert_eq!(Token::parse(text).unwrap().kind(), kind, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_token_is_refused() {
        assert_eq!(Token::parse("ghp_x\n"), Err(TokenError::Space));
        assert_eq!(Token::parse("Bearer ghp_x"), Err(TokenError::Scheme));
        assert_eq!(Token::parse("token ghp_x"), Err(TokenError::Scheme));
        assert_eq!(Token::parse("ghp_ü"), Err(TokenError::Character));
        assert_eq!(Token::parse("ghp_\u{7}"), Err(TokenError::Character));
    }

    #[test]
    fn debug_does_not_show_the_secret() {
        let token = Token::parse("github_pat_s3cr3t").unwrap();
        assert_eq!(format!("{token:?}"), "Token(FineGrained)");
    }
}
