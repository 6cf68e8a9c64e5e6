//! The address of the API, and so the only host that the token is sent to.

use std::fmt;
use std::net::IpAddr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but RFC 3986's unreserved characters is encoded in a path segment or a query value.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiUrl {
    pub(super) rest: String,
    pub(super) graphql: String,
}

/// Why a text is not an address that the token may be sent to. Its `Display` names the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiUrlError {
    /// It is not an address at all.
    #[error("is not an address; write for example `https://api.github.com`")]
    Form,
    /// The token would be readable on the way.
    #[error("is not `https`, so the token would travel unencrypted; `http` is for a loopback address only")]
    Unencrypted,
    /// It has a user name, a query or a fragment.
    #[error("has a user name, a query or a fragment; write the scheme, the host and the path alone")]
    Extra,
    /// The host is neither GitHub's nor this machine.
    #[error(
        "is not an API with agent tasks: only github.com and ghe.com have it, GitHub Enterprise Server does not. Set \
         `github-api-url` to `https://api.github.com` or `https://api.SUBDOMAIN.ghe.com`"
    )]
    NoAgentTasks,
}

impl ApiUrl {
    /// Reads the address of the REST API and, if given, of the GraphQL API. A GraphQL address on another host is
    /// ignored, since the token goes to one host only.
    ///
    /// Token and prompt go to github.com, ghe.com and this machine alone. Any other host, a proxy in front of github.com
    /// among them, cannot be distinguished from one that collects tokens.
    ///
    /// # Errors
    /// If the text is not an address, or one that the token may not be sent to.
    pub fn parse(rest: &str, graphql: Option<&str>) -> Result<Self, ApiUrlError> {
        let rest = rest.trim_end_matches('/');
        let uri: http::Uri = rest.parse().map_err(|_| ApiUrlError::Form)?;
        let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return Err(ApiUrlError::Form);
        };
        if rest.contains(['@', '?', '#']) {
            return Err(ApiUrlError::Extra);
        }
        match scheme {
            "https" => {}
            "http" if is_loopback(host) => {}
            "http" => return Err(ApiUrlError::Unencrypted),
            _ => return Err(ApiUrlError::Form),
        }
        let host = host.to_ascii_lowercase();
        let is_github = host == "api.github.com" || host.ends_with(".ghe.com");
        // A GitHub Enterprise Server has its API below `/api/v3`, a Gitea below `/api/v1`.
        if !(is_github || is_loopback(&host)) || uri.path().starts_with("/api/") {
            return Err(ApiUrlError::NoAgentTasks);
        }
        let same_host = |text: &&str| {
            text.parse::<http::Uri>().is_ok_and(|other| {
                other.scheme() == uri.scheme() && other.authority() == uri.authority() && other.query().is_none()
            })
        };
        let beside = || format!("{rest}/graphql");
        Ok(Self { rest: rest.to_owned(), graphql: graphql.filter(same_host).map_or_else(beside, str::to_owned) })
    }

    /// The address of the REST API of a server, as `GITHUB_SERVER_URL` names one; `None` if it has no agent tasks.
    pub fn of_server(server: &str) -> Option<String> {
        let uri = server.parse::<http::Uri>().ok()?;
        let host = uri.host()?.to_ascii_lowercase();
        (host == "github.com" || host.ends_with(".ghe.com")).then(|| format!("https://api.{host}"))
    }

    /// Whether the address is of this machine, as the simulator's is.
    pub fn is_loopback(&self) -> bool {
        self.rest.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some_and(is_loopback))
    }
}

impl fmt::Display for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rest)
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

pub(super) fn encoded(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, SEGMENT)
}

/// The same for a path of several segments.
pub(super) fn encoded_path(path: &str) -> String {
    path.split('/').map(|segment| encoded(segment).to_string()).collect::<Vec<_>>().join("/")
}
