//! How a request is sent: TLS, time-outs, and the whole answer.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Limited};
use octocrab::OctoBody;
use rustls::CertificateError;
use serde::de::DeserializeOwned;
use tower::Service;

use crate::github::error::{Error, quote};
use crate::github::token::Token;
use crate::json;

/// The version of the API that this program was written against,
/// <https://docs.github.com/en/rest/about-the-rest-api/api-versions>.
pub const API_VERSION: &str = "2026-03-10";
/// GitHub refuses requests without a user agent.
const USER_AGENT: &str = concat!("agent-task/", env!("CARGO_PKG_VERSION"));
/// How long a connection may take, name lookup and TLS handshake included. GitHub answers within tens of milliseconds;
/// proxies and distant runners take longer, and after ten seconds it is quicker to try again.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long GitHub may stay silent in the middle of an answer. It gives up on a request of its own after ten seconds,
/// <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#timeouts>; gateways add to that.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a request may take in all: twice [`READ_TIMEOUT`], so that an answer in two parts is still read.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer that is read, in bytes. A hundred tasks with long prompts stay well below.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// How many redirects are followed; a renamed repository takes one.
pub(super) const MAX_REDIRECTS: usize = 3;

pub(super) fn headers(token: &Token) -> Vec<(http::HeaderName, HeaderValue)> {
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

/// The network below octocrab.
#[derive(Clone)]
pub(super) struct Wire(pub(super) reqwest::Client);

impl Service<http::Request<OctoBody>> for Wire {
    type Response = http::Response<reqwest::Body>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<OctoBody>) -> Self::Future {
        let client = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            let uri = parts.uri.clone();
            let request = http::Request::from_parts(parts, body).try_into().map_err(io::Error::other)?;
            match client.execute(request).await {
                Ok(answer) => Ok(answer.into()),
                Err(error) => Err(broken(error, &uri).await),
            }
        })
    }
}

/// Separates a request that never left this machine from one that may have arrived. The address is left out of the text:
/// it is known, and some addresses contain secrets.
async fn broken(error: reqwest::Error, uri: &http::Uri) -> io::Error {
    let error = error.without_url();
    if let Some(why) = certificate_error(&error) {
        return io::Error::new(io::ErrorKind::PermissionDenied, why);
    }
    let why = chain(&error);
    if error.is_connect() && why.contains("tunnel error") {
        let status = tokio::time::timeout(CONNECT_TIMEOUT, proxy_status(uri)).await.ok().flatten();
        return match status.or(why.contains("authorization required").then_some(407)) {
            // A proxy that refuses will refuse again; one that is in trouble may recover.
            Some(status @ 400..=499) => io::Error::new(io::ErrorKind::PermissionDenied, proxy_refusal(status)),
            Some(status) => {
                io::Error::new(io::ErrorKind::ConnectionRefused, format!("the proxy answers {status}; {why}"))
            }
            None => io::Error::new(io::ErrorKind::ConnectionRefused, why),
        };
    }
    let kind = match (error.is_connect(), error.is_timeout()) {
        (true, _) => io::ErrorKind::ConnectionRefused,
        (false, true) => io::ErrorKind::TimedOut,
        (false, false) => io::ErrorKind::Other,
    };
    io::Error::new(kind, why)
}

fn proxy_refusal(status: u16) -> String {
    let remedy = match status {
        407 => {
            "it asks for a login. Write `HTTPS_PROXY` as `http://USER:PASSWORD@HOST:PORT`, with the password from a secret"
        }
        _ => "ask its administrators to allow GitHub's API, or correct `HTTPS_PROXY` and `NO_PROXY`",
    };
    format!("the proxy refuses the connection with status {status}: {remedy}")
}

/// Whether the HTTP client can use this address of a proxy. It ignores what it cannot read, and would go past the proxy.
pub fn is_proxy(address: &str) -> bool {
    let proxy = hyper_util::client::proxy::matcher::Matcher::builder().all(address).build();
    let proxy = proxy.intercept(&http::Uri::from_static("https://api.github.com"));
    // The matcher knows SOCKS, and the client does not.
    proxy.is_some_and(|proxy| matches!(proxy.uri().scheme_str(), Some("http" | "https")))
}

/// The status with which the proxy for an address answers CONNECT. The HTTP client keeps it to itself, so the proxy is
/// asked once more. Nothing but the host's name and the login for the proxy is sent.
async fn proxy_status(uri: &http::Uri) -> Option<u16> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let proxy = hyper_util::client::proxy::matcher::Matcher::from_system().intercept(uri)?;
    if proxy.uri().scheme_str() != Some("http") {
        return None;
    }
    let (host, port) = (proxy.uri().host()?.trim_matches(['[', ']']), proxy.uri().port_u16().unwrap_or(80));
    let mut stream = tokio::net::TcpStream::connect((host, port)).await.ok()?;
    let to = format!("{}:{}", uri.host()?, uri.port_u16().unwrap_or(443));
    let login = proxy.basic_auth().and_then(|login| login.to_str().ok());
    let login = login.map_or_else(String::new, |login| format!("Proxy-Authorization: {login}\r\n"));
    stream.write_all(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{login}\r\n").as_bytes()).await.ok()?;
    // `HTTP/1.1 403`
    let mut line = [0; 12];
    stream.read_exact(&mut line).await.ok()?;
    std::str::from_utf8(&line).ok()?.strip_prefix("HTTP/1.")?.get(2..)?.parse().ok()
}

/// What is wrong with the certificate of the other end, if that is what broke the connection.
fn certificate_error(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut source = Some(error);
    while let Some(cause) = source {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = cause.downcast_ref().or_else(|| inner.and_then(|inner| inner.downcast_ref()));
        if let Some(rustls::Error::InvalidCertificate(fault)) = found {
            return Some(format!(
                "its certificate is not trusted ({}). Where a proxy inspects encrypted connections, let \
                 `SSL_CERT_FILE` name a file that contains the proxy's certificate authority; otherwise look at the \
                 runner's clock and its package `ca-certificates`",
                certificate_fault(fault)
            ));
        }
        source = cause.source().or_else(|| inner.map(|inner| inner as &(dyn std::error::Error + 'static)));
    }
    None
}

/// What is wrong with a certificate, in plain words.
fn certificate_fault(fault: &CertificateError) -> String {
    match fault {
        CertificateError::UnknownIssuer => "this machine does not know its authority".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another host".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        CertificateError::Revoked => "it was revoked".to_owned(),
        // The verifier's own error is not among the types that can be named here.
        fault if format!("{fault:?}").contains("CaUsedAsEndEntity") => {
            "it is the certificate of an authority, not of a server".to_owned()
        }
        fault => fault.to_string(),
    }
}

/// An error and its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
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

/// A request on its way. It is boxed, so that what waits for it is compiled once and not for each method.
pub(super) type Sending<'a> = LocalBoxFuture<'a, octocrab::Result<http::Response<BoxBody<Bytes, octocrab::Error>>>>;

/// An answer as it came, without the token.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// Waits for an answer and for all of its body. Where the answer contains the token, `***` replaces it: what is
    /// quoted from an answer is cut, and a part of a token is not found any more.
    pub(super) async fn of(token: &Token, sending: Sending<'_>) -> Result<Self, Error> {
        let whole = async {
            let (parts, body) = sending.await.map_err(|error| no_answer(&error))?.into_parts();
            // A body that breaks off comes after the request was accepted, so its outcome is unknown.
            let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| {
                let why = format!("GitHub's answer broke off after status {}: {}", parts.status, chain(&*error));
                Error::Unanswered { why, retry_after: None }
            })?;
            Ok(Self { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        let late = || Error::unanswered(&format!("nothing came within {} s", ANSWER_TIMEOUT.as_secs()));
        let mut answer = tokio::time::timeout(ANSWER_TIMEOUT, whole).await.unwrap_or_else(|_| Err(late()))?;
        answer.hide(token);
        Ok(answer)
    }

    fn hide(&mut self, token: &Token) {
        let hides = |text: &[u8]| token.occurs_in(&String::from_utf8_lossy(text));
        for value in self.headers.values_mut().filter(|value| hides(value.as_bytes())) {
            *value = HeaderValue::from_static("***");
        }
        let body = String::from_utf8_lossy(&self.body);
        if token.occurs_in(&body) {
            self.body = body.replace(token.expose(), "***").into();
        }
    }

    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        json::read(&self.body).map_err(|error| Error::Malformed { why: quote(&error.to_string()) })
    }

    /// Whether the answer asks for the same request at another address.
    pub(super) fn is_redirect(&self) -> bool {
        matches!(self.status.as_u16(), 301 | 302 | 307 | 308)
    }

    /// The error for a redirect that is not followed.
    pub(super) fn refusal(&self) -> Error {
        let said = format!("a redirect to {}", quote(self.header("location").unwrap_or("nowhere")));
        Error::Refused { status: self.status.as_u16(), said, remedy: "Check `repository` and `github-api-url`" }
    }

    /// A header, if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The error for a request without an answer.
fn no_answer(error: &octocrab::Error) -> Error {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            let why = io.to_string();
            return match io.kind() {
                io::ErrorKind::ConnectionRefused => Error::Unreachable { why },
                io::ErrorKind::PermissionDenied => Error::NoConnection { why },
                _ => Error::unanswered(&why),
            };
        }
        source = cause.source();
    }
    Error::unanswered(&chain(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_in_an_answer_of_any_bytes_is_hidden() {
        let token = Token::parse("github_pat_11ABCDEFG0123456789").unwrap();
        let body = Bytes::from_static(b"\xff\xfe said github_pat_11ABCDEFG0123456789");
        let mut answer = Answer { status: StatusCode::FORBIDDEN, headers: HeaderMap::new(), body };
        answer.hide(&token);
        assert_eq!(String::from_utf8_lossy(&answer.body), "\u{fffd}\u{fffd} said ***");
    }

    #[test]
    fn certificate_fault_is_named_in_plain_words() {
        #[derive(Debug, thiserror::Error)]
        #[error("CaUsedAsEndEntity")]
        struct CaUsedAsEndEntity;
        let other = CertificateError::Other(rustls::OtherError(std::sync::Arc::new(CaUsedAsEndEntity)));
        let faults =
            [CertificateError::UnknownIssuer, CertificateError::NotValidForName, CertificateError::Expired, other];
        insta::assert_snapshot!(faults.iter().map(certificate_fault).collect::<Vec<_>>().join("\n"), @"
        this machine does not know its authority
        it is for another host
        it has expired
        it is the certificate of an authority, not of a server
        ");
    }

    #[test]
    fn certificate_error_names_ssl_cert_file() {
        let unknown = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, unknown());
        assert!(certificate_error(&wrapped).is_some_and(|why| why.contains("`SSL_CERT_FILE`")));
        assert!(certificate_error(&io::Error::other(wrapped)).is_some());
        assert!(certificate_error(&unknown()).is_some());
        assert_eq!(certificate_error(&io::Error::other(rustls::Error::DecryptError)), None);
    }
}
