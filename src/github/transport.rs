//! How a request travels: TLS, time-outs, redirects, and the whole answer as it came.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use octocrab::OctoBody;
use rustls::SignatureScheme;
use rustls::crypto::ring::{cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use serde::de::DeserializeOwned;
use tower::Service;

use crate::github::error::{Error, Remedies, classify, quote};
use crate::github::token::Token;
use crate::github::url::ApiUrl;

/// The version of the API that this program was written against,
/// <https://docs.github.com/en/rest/about-the-rest-api/api-versions>.
pub const API_VERSION: &str = "2026-03-10";
/// How this program calls itself; GitHub refuses requests without a user agent.
const USER_AGENT: &str = concat!("agent-task/", env!("CARGO_PKG_VERSION"));
/// How long a connection may take, look-up and TLS handshake included. GitHub answers within tens of milliseconds;
/// proxies and far runners take longer, and after ten seconds it is quicker to try again.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long GitHub may stay silent in the middle of an answer. It gives up on a request of its own after ten seconds,
/// <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#timeouts>; gateways add to that.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a request may take in all.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer that is read, in bytes. A hundred tasks with long prompts stay well below.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// How many redirects are followed; a renamed repository takes one.
pub(crate) const MOST_REDIRECTS: usize = 3;

pub(crate) fn headers(token: &Token) -> Vec<(http::HeaderName, HeaderValue)> {
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
pub(crate) struct Wire(pub(super) reqwest::Client);

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
pub(crate) fn cryptography() -> CryptoProvider {
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
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
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
pub(crate) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: bytes::Bytes,
}

impl Answer {
    /// Waits for an answer and for all of its body.
    pub(super) async fn of<B>(sending: impl Future<Output = octocrab::Result<http::Response<B>>>) -> Result<Self, Error>
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
    pub(super) fn accepted(self, address: &ApiUrl, remedies: Option<Remedies>) -> Result<Self, Error> {
        match classify(self.status, &self.headers, &self.body, address, remedies) {
            None => Ok(self),
            Some(error) => Err(error),
        }
    }

    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
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
