//! A request, taken apart.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::call::Call;
use crate::clock::Moment;
use crate::token;

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// What stood before the path, where the API is not at the root.
    prefix: String,
    /// The path's segments, decoded.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Scheme and host of the address that was asked, for the links in the answer.
    pub(crate) base: String,
}

impl Request {
    pub(crate) fn new(parts: Parts, body: Bytes) -> Request {
        let path = parts.uri.path().to_owned();
        let segments = path
            .split('/')
            .skip(1)
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let query = parts.uri.query().unwrap_or_default();
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let host = parts.headers.get("host").and_then(|host| host.to_str().ok());
        let base = match (parts.uri.scheme_str(), parts.uri.authority(), host) {
            (Some(scheme), Some(authority), _) => format!("{scheme}://{authority}"),
            (_, _, Some(host)) => format!("http://{host}"),
            _ => "https://api.github.com".to_owned(),
        };
        Request {
            method: parts.method,
            path,
            prefix: String::new(),
            segments,
            query,
            headers: parts.headers,
            body,
            base,
        }
    }

    /// The same request to an API that is below one of these paths; its path is counted from there.
    pub(crate) fn below(mut self, prefixes: &[&str]) -> Request {
        let found = prefixes.iter().find_map(|prefix| Some((*prefix, self.path.strip_prefix(prefix)?)));
        if let Some((prefix, rest)) = found.filter(|(_, rest)| rest.starts_with('/')) {
            self.path = rest.to_owned();
            self.segments.drain(..prefix.matches('/').count());
            self.base.push_str(prefix);
            self.prefix = prefix.to_owned();
        }
        self
    }

    pub(crate) fn is_get(&self) -> bool {
        self.method == Method::GET
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Scheme and secret of the `Authorization` header.
    pub(crate) fn authorization(&self) -> Option<(&str, &str)> {
        let value = self.header("authorization")?;
        let (scheme, secret) = value.split_once(' ').unwrap_or(("", value));
        Some((scheme, secret.trim()))
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The entry for the log.
    pub(crate) fn call(&self, at: Moment) -> Call {
        let headers = self
            .headers
            .iter()
            .filter(|(name, _)| *name != "authorization")
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let body = if self.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&self.body)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&self.body).into_owned()))
        };
        Call {
            at: at.elapsed(),
            method: self.method.to_string(),
            path: format!("{}{}", self.prefix, self.path),
            query: self.query.clone(),
            headers,
            authorization_kind: self.authorization().map(|(scheme, _)| scheme.to_ascii_lowercase()),
            token: self.authorization().map(|(_, secret)| token::shown(secret)),
            login: None,
            body,
            status: None,
            counted: false,
            fault: None,
        }
    }
}
