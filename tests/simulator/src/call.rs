//! The log: every request that came.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::seconds;

/// A request, and what happened to it. The token's secret is nowhere in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Call {
    /// When it came, counted from when the simulator was made.
    #[serde(with = "seconds")]
    pub at: Duration,
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The headers, names in lower case, without `authorization`.
    pub headers: Vec<(String, String)>,
    /// The scheme of the `Authorization` header in lower case (`bearer`, `token`, ...).
    pub authorization_kind: Option<String>,
    /// The token's prefix and an ellipsis (`ghp_…`).
    pub token: Option<String>,
    /// The login that the token belongs to, if it is known.
    pub login: Option<String>,
    /// The body, if it is JSON; as a string, if it is something else; null, if there is none.
    pub body: Value,
    /// The status that was answered; none if there was no answer (or is none yet).
    pub status: Option<u16>,
    /// Whether it counted against the primary limit.
    pub counted: bool,
    /// The fault that struck it.
    pub fault: Option<String>,
}

impl Call {
    /// All values of this header.
    pub fn header_values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    /// All values of this query parameter.
    pub fn query_values(&self, name: &str) -> Vec<&str> {
        self.query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }
}
