//! Tests of this folder.

use http::{HeaderValue, StatusCode};

use crate::github::error::{Error, FILE_REMEDIES, REPOSITORY_REMEDIES, Remedies, classify};
use crate::github::url::{ApiUrl, ApiUrlError};

fn class(status: u16, headers: &[(&'static str, &str)], body: &str) -> &'static str {
    let headers = headers
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    let status = StatusCode::from_u16(status).unwrap();
    match classify(status, &headers.collect(), body.as_bytes(), None) {
        None => "accepted",
        Some(Error::BadToken { .. }) => "bad token",
        Some(Error::NoLicense { .. }) => "no license",
        Some(Error::MissingPermission { .. }) => "missing permission",
        Some(Error::NotFound { .. }) => "not found",
        Some(Error::RateLimited(_)) => "rate limited",
        Some(Error::Invalid { .. }) => "invalid",
        Some(Error::Refused { .. }) => "refused",
        Some(Error::Unanswered { .. }) => "unanswered",
        Some(error) => panic!("{status}: {error}"),
    }
}

/// Found by reading: what is asked of a repository had its own remedies put over the one that leads somewhere.
#[test]
fn single_sign_on_is_named_for_every_request() {
    let sso = [("x-github-sso", "required; url=https://github.com/orgs/octo/sso?x=1")];
    for remedies in [None, Some(FILE_REMEDIES), Some(REPOSITORY_REMEDIES)] {
        let actual = told_of(remedies, 403, &sso, "").to_string();
        assert!(actual.contains("https://github.com/orgs/octo/sso?x=1"), "{actual}");
    }
    let actual = told_of(Some(FILE_REMEDIES), 403, &[], "").to_string();
    assert!(actual.contains("Contents: read"), "{actual}");
}

#[test]
fn classify_knows_every_status() {
    let limits: [&[(&str, &str)]; 2] = [&[("retry-after", "12")], &[("x-ratelimit-remaining", "0")]];
    for status in 100..600 {
        let bare = match status {
            200..=299 | 304 => "accepted",
            400 | 422 => "invalid",
            401 => "bad token",
            403 => "missing permission",
            404 => "not found",
            429 => "rate limited",
            303 | 408 | 500..=599 => "unanswered",
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
    assert_eq!(class(403, &[], plan), "no license");
    assert_eq!(class(403, &[("retry-after", "1")], plan), "rate limited");
}

fn actual(status: u16, headers: &[(&'static str, &str)], body: &str) -> Error {
    told_of(None, status, headers, body)
}

fn told_of(remedies: Option<Remedies>, status: u16, headers: &[(&'static str, &str)], body: &str) -> Error {
    let headers = headers
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    let status = StatusCode::from_u16(status).unwrap();
    classify(status, &headers.collect(), body.as_bytes(), remedies).unwrap()
}

#[test]
fn limit_lasts_as_long_as_the_headers_say() {
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
        let Error::RateLimited(limit) = actual(403, headers, "") else { panic!("{headers:?}") };
        assert_eq!((limit.wait.as_secs(), limit.primary), (seconds, primary), "{headers:?}");
    }
}

#[test]
fn error_has_githubs_message_and_the_remedy() {
    let cut_off = r#"{"message": "Validation Failed", "errors": [{"code": "custom", "message": "base_ref gone"}, {"code": "invalid"}]}"#;
    assert!(actual(422, &[], cut_off).to_string().contains("Validation Failed; base_ref gone; invalid. Correct"));
    let accepted = [("x-accepted-github-permissions", "agent_tasks=write")];
    assert!(actual(403, &accepted, "").to_string().contains("`agent_tasks=write`"));
    let sso = [("x-github-sso", "required; url=https://github.com/orgs/octo/sso?x=1")];
    assert!(actual(403, &sso, "").to_string().contains("https://github.com/orgs/octo/sso?x=1"));
    assert!(actual(404, &[], "").to_string().contains("cloud agent is not enabled"));
    let long = format!(r#"{{"message": "{}"}}"#, "x".repeat(100_000));
    assert!(actual(422, &[], &long).to_string().len() < 1200);
}

#[test]
fn api_url_is_github_or_this_machine() {
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
        ("https://API.GitHub.com", true),
        ("https://git.example.com/api/v3", false),
        ("https://gitea.example.com/api/v1", false),
        ("https://proxy.example.com", false),
        ("https://github.com", false),
        ("https://api.github.com.example.com", false),
        ("https://ghe.com", false),
        ("http://127.0.0.1:4010/api/v3", false),
        ("http://localhost:3000/api/v1", false),
        ("https://user@api.github.com", false),
        ("https://api.github.com?x=1", false),
        ("", false),
    ] {
        assert_eq!(ApiUrl::parse(text, None).is_ok(), good, "{text}");
    }
}

#[test]
fn graphql_url_is_on_the_same_host() {
    let graphql = |rest, actual| ApiUrl::parse(rest, actual).unwrap().graphql;
    assert_eq!(graphql("https://api.github.com/", None), "https://api.github.com/graphql");
    let actual = Some("https://api.octo.ghe.com/graphql");
    assert_eq!(graphql("https://api.octo.ghe.com", actual), "https://api.octo.ghe.com/graphql");
    let elsewhere = Some("https://elsewhere.example/graphql");
    assert_eq!(graphql("https://api.github.com", elsewhere), "https://api.github.com/graphql");
}

#[test]
fn limit_is_known_by_its_words_alone() {
    let left = [("x-ratelimit-remaining", "4711")];
    for (body, limited) in [
        (r#"{"message": "You have exceeded a secondary rate limit."}"#, true),
        (r#"{"message": "You have triggered an abuse detection mechanism."}"#, true),
        (r#"{"message": "API rate limit exceeded for user ID 1."}"#, true),
        (r#"{"documentation_url": "https://docs.github.com/rest/x#secondary-rate-limits"}"#, true),
        (r#"{"documentation_url": "https://docs.github.com/rest/x#abuse-rate-limits"}"#, true),
        ("<html>You have exceeded a secondary rate limit</html>", true),
        (r#"{"message": "Resource not accessible by personal access token"}"#, false),
        (r#"{"message": "Forbidden", "documentation_url": "https://docs.github.com/rest/agent-tasks"}"#, false),
    ] {
        let expected = if limited { "rate limited" } else { "missing permission" };
        assert_eq!(class(403, &left, body), expected, "{body}");
    }
    let Error::RateLimited(limit) = actual(403, &left, r#"{"message": "secondary rate limit"}"#) else { panic!() };
    assert_eq!((limit.wait.as_secs(), limit.primary), (60, false));
    insta::assert_snapshot!(limit, @"secondary rate limit exceeded; the next request is allowed in 1m");
}

#[test]
fn denial_has_its_own_remedy() {
    let remedy = |status, message: &str| match actual(status, &[], &format!(r#"{{"message": "{message}"}}"#)) {
        Error::MissingPermission { remedy, .. } => remedy,
        Error::Refused { remedy, .. } => remedy.to_owned(),
        error => panic!("{error}"),
    };
    let fine_grained = "The 'octo' organization forbids access via a fine-grained personal access tokens";
    let all = [
        remedy(403, "Repository was archived so is read-only."),
        remedy(
            403,
            "Although you appear to have the correct authorization credentials, the `octo` organization has an \
                     IP allow list enabled, and your IP address is not permitted to access this resource.",
        ),
        remedy(403, &format!("{fine_grained} if the token's lifetime is greater than 366 days.")),
        remedy(403, &format!("{fine_grained}.")),
        remedy(403, "`octo` forbids access via a personal access token (classic). Please use a GitHub App."),
        remedy(402, "Payment Required"),
        remedy(409, "Conflict"),
        remedy(451, "Repository access blocked"),
    ];
    let unique = all.iter().collect::<std::collections::HashSet<_>>();
    assert_eq!(unique.len(), all.len(), "{all:#?}");
    assert!(all.iter().all(|remedy| !remedy.contains("Agent tasks: read and write\" for this repository, a classic")));
}

#[test]
fn server_error_names_status_and_request_id() {
    let error = actual(500, &[("x-github-request-id", "AB12:34")], "<html>");
    insta::assert_snapshot!(error, @"GitHub did not answer: status 500 Internal Server Error came instead, request id AB12:34");
}

#[test]
fn api_url_names_the_hosts_that_have_agent_tasks() {
    let refused = ApiUrl::parse("https://git.example.com/api/v3", None).unwrap_err();
    assert_eq!(refused, ApiUrlError::NoAgentTasks);
    assert!(refused.to_string().contains("GitHub Enterprise Server does not"));
}
