//! The address of the API: which host the token may be sent to.

use std::fmt;
use std::net::IpAddr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but what RFC 3986 calls unreserved is encoded in a path segment or a query value.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where the API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiUrl {
    pub(super) rest: String,
    pub(super) graphql: String,
}

/// Why a text is no address of the API. Its `Display` names the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiUrlError {
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

impl ApiUrl {
    /// Reads the address of the REST API and, where the runner tells it, of the GraphQL API. A GraphQL address on
    /// another host is left aside, since the token goes to one host only.
    ///
    /// # Errors
    /// Where the text is no address, or one that a token may not be sent to.
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
    pub(super) fn has_agent_tasks(&self) -> bool {
        let host = self.rest.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        self.is_loopback() || host.is_some_and(|host| host == "api.github.com" || host.ends_with(".ghe.com"))
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

pub(crate) fn encoded(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, SEGMENT)
}

/// The same for a path of several segments.
pub(crate) fn encoded_path(path: &str) -> String {
    path.split('/').map(|segment| encoded(segment).to_string()).collect::<Vec<_>>().join("/")
}
