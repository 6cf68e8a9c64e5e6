//! Tests of this folder.

use http::{HeaderValue, StatusCode};
use rustls::crypto::{SupportedKxGroup, WebPkiSupportedAlgorithms};
use rustls::pki_types::SignatureVerificationAlgorithm;
use rustls::{NamedGroup, SignatureScheme};

use crate::github::error::{Error, FILE_REMEDIES, REPOSITORY_REMEDIES, Remedies, classify};
use crate::github::transport::cryptography;
use crate::github::url::ApiUrl;

fn address() -> ApiUrl {
    ApiUrl::parse("https://api.github.com", None).unwrap()
}

fn class(status: u16, headers: &[(&'static str, &str)], body: &str) -> &'static str {
    let headers = headers
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    let status = StatusCode::from_u16(status).unwrap();
    match classify(status, &headers.collect(), body.as_bytes(), &address(), None) {
        None => "accepted",
        Some(Error::BadToken { .. }) => "bad token",
        Some(Error::NoLicence { .. }) => "no licence",
        Some(Error::MissingPermission { .. }) => "missing permission",
        Some(Error::NotFound { .. }) => "not found",
        Some(Error::RateLimited(_)) => "rate limited",
        Some(Error::Invalid { .. }) => "invalid",
        Some(Error::Refused { .. }) => "refused",
        Some(Error::Unfit { .. }) => "unfit",
        Some(Error::Unreachable { .. }) => "unreachable",
        Some(Error::Unanswered { .. }) => "unanswered",
        Some(Error::Malformed { .. }) => "malformed",
    }
}

/// Found by reading: what is asked of a repository had its own remedies put over the one that leads somewhere.
#[test]
fn single_sign_on_is_told_whatever_was_asked_for() {
    let sso = [("x-github-sso", "required; url=https://github.com/orgs/octo/sso?x=1")];
    for remedies in [None, Some(FILE_REMEDIES), Some(REPOSITORY_REMEDIES)] {
        let told = told_of(remedies, 403, &sso, "", &address()).to_string();
        assert!(told.contains("https://github.com/orgs/octo/sso?x=1"), "{told}");
    }
    let told = told_of(Some(FILE_REMEDIES), 403, &[], "", &address()).to_string();
    assert!(told.contains("Contents: read"), "{told}");
}

/// What each status means by itself, and what a header changes about it.
#[test]
fn the_cryptography_is_that_of_rustls_without_chacha20_and_25519() {
    let (ours, theirs) = (cryptography(), rustls::crypto::ring::default_provider());
    let is_kept = |suite: &rustls::SupportedCipherSuite| !format!("{:?}", suite.suite()).contains("CHACHA20");
    let kept = theirs.cipher_suites.into_iter().filter(is_kept).collect::<Vec<_>>();
    assert_eq!(ours.cipher_suites, kept);
    let groups = |all: &[&dyn SupportedKxGroup]| all.iter().map(|group| group.name()).collect::<Vec<_>>();
    let kept = groups(&theirs.kx_groups).into_iter().filter(|name| *name != NamedGroup::X25519);
    assert_eq!(groups(&ours.kx_groups), kept.collect::<Vec<_>>());
    let ids = |algorithms: &[&dyn SignatureVerificationAlgorithm]| {
        algorithms.iter().map(|it| (it.public_key_alg_id(), it.signature_alg_id())).collect::<Vec<_>>()
    };
    let schemes = |checked: &WebPkiSupportedAlgorithms| {
        checked.mapping.iter().map(|(scheme, algorithms)| (*scheme, ids(algorithms))).collect::<Vec<_>>()
    };
    let (ours, theirs) = (ours.signature_verification_algorithms, theirs.signature_verification_algorithms);
    let ed25519 = ids(&[webpki::ring::ED25519]);
    let mut kept = schemes(&theirs);
    kept.retain(|(scheme, _)| *scheme != SignatureScheme::ED25519);
    assert_eq!(schemes(&ours), kept);
    let mut kept = ids(theirs.all);
    kept.retain(|id| !ed25519.contains(id));
    assert_eq!(ids(ours.all), kept);
}

#[test]
fn every_status_has_its_class() {
    let limits: [&[(&str, &str)]; 2] = [&[("retry-after", "12")], &[("x-ratelimit-remaining", "0")]];
    for status in 100..600 {
        let bare = match status {
            200..=299 | 304 => "accepted",
            400 | 422 => "invalid",
            401 => "bad token",
            403 => "missing permission",
            404 => "not found",
            429 => "rate limited",
            408 | 500..=599 => "unanswered",
            _ => "refused",
        };
        let limited = if status == 403 { "rate limited" } else { bare };
        assert_eq!(class(status, &[], ""), bare, "{status}");
        assert_eq!(class(status, &[("x-ratelimit-remaining", "17")], "<html>"), bare, "{status}");
        for headers in limits {
            assert_eq!(class(status, headers, "{}"), limited, "{status} {headers:?}");
        }
    }
    let plan = r#"{"code": "copilot_plan_required", "message": "no"}"#;
    assert_eq!(class(403, &[], plan), "no licence");
    assert_eq!(class(403, &[("retry-after", "1")], plan), "rate limited");
}

fn told(status: u16, headers: &[(&'static str, &str)], body: &str, address: &ApiUrl) -> Error {
    told_of(None, status, headers, body, address)
}

fn told_of(
    remedies: Option<Remedies>,
    status: u16,
    headers: &[(&'static str, &str)],
    body: &str,
    address: &ApiUrl,
) -> Error {
    let headers = headers
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    let status = StatusCode::from_u16(status).unwrap();
    classify(status, &headers.collect(), body.as_bytes(), address, remedies).unwrap()
}

#[test]
fn a_limit_lasts_as_long_as_the_headers_say() {
    let date = ("date", "Fri, 20 Nov 2026 08:00:00 GMT");
    // 08:05:00 on that day.
    let reset = ("x-ratelimit-reset", "1795161900");
    for (headers, seconds, primary) in [
        (&[("retry-after", "12"), ("x-ratelimit-remaining", "0")][..], 12, true),
        (&[("x-ratelimit-remaining", "0"), reset, date], 301, true),
        (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "17"), date], 1, true),
        (&[("x-ratelimit-remaining", "0"), reset], 60, true),
        (&[("retry-after", "Fri, 20 Nov 2026 08:00:00 GMT"), ("x-ratelimit-remaining", "0")], 60, true),
        (&[("retry-after", "9"), ("x-ratelimit-remaining", "44")], 9, false),
    ] {
        let Error::RateLimited(limit) = told(403, headers, "", &address()) else { panic!("{headers:?}") };
        assert_eq!((limit.wait.as_secs(), limit.primary), (seconds, primary), "{headers:?}");
    }
}

#[test]
fn messages_hold_githubs_words_and_the_remedy() {
    let cut_off = r#"{"message": "Validation Failed", "errors": [{"code": "custom", "message": "base_ref gone"}, {"code": "invalid"}]}"#;
    assert!(
        told(422, &[], cut_off, &address()).to_string().contains("Validation Failed; base_ref gone; invalid. Correct")
    );
    let accepted = [("x-accepted-github-permissions", "agent_tasks=write")];
    assert!(told(403, &accepted, "", &address()).to_string().contains("`agent_tasks=write`"));
    let sso = [("x-github-sso", "required; url=https://github.com/orgs/octo/sso?x=1")];
    assert!(told(403, &sso, "", &address()).to_string().contains("https://github.com/orgs/octo/sso?x=1"));
    assert!(told(404, &[], "", &address()).to_string().contains("cloud agent is not enabled"));
    let server = ApiUrl::parse("https://git.example.com/api/v3", None).unwrap();
    assert!(told(404, &[], "", &server).to_string().contains("Enterprise Server has no agent tasks"));
    let long = format!(r#"{{"message": "{}"}}"#, "x".repeat(100_000));
    assert!(told(422, &[], &long, &address()).to_string().len() < 1200);
}

#[test]
fn a_token_goes_to_https_or_to_this_machine() {
    for (text, good) in [
        ("https://api.github.com", true),
        ("https://api.octo.ghe.com/", true),
        ("http://127.0.0.1:4010", true),
        ("http://[::1]:4010", true),
        ("http://localhost:4010", true),
        ("http://api.github.com", false),
        ("http://127.0.0.1.example.com", false),
        ("ftp://api.github.com", false),
        ("api.github.com", false),
        ("https://user@api.github.com", false),
        ("https://api.github.com?x=1", false),
        ("", false),
    ] {
        assert_eq!(ApiUrl::parse(text, None).is_ok(), good, "{text}");
    }
}

#[test]
fn the_graphql_api_is_beside_the_rest_api_on_the_same_host() {
    let graphql = |rest, told| ApiUrl::parse(rest, told).unwrap().graphql;
    assert_eq!(graphql("https://api.github.com/", None), "https://api.github.com/graphql");
    assert_eq!(graphql("https://git.example.com/api/v3", None), "https://git.example.com/api/graphql");
    let told = Some("https://api.octo.ghe.com/graphql");
    assert_eq!(graphql("https://api.octo.ghe.com", told), "https://api.octo.ghe.com/graphql");
    let elsewhere = Some("https://elsewhere.example/graphql");
    assert_eq!(graphql("https://api.github.com", elsewhere), "https://api.github.com/graphql");
}
