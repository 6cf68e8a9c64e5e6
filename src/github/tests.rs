//! Tests of this folder.

use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use crate::github::error::{Error, FILE_REMEDIES, REPOSITORY_REMEDIES, Remedies, classify, field_error, graphql_error};
use crate::github::transport::is_proxy;
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
        Some(Error::Denied { .. }) => "denied",
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
        let page = if status == 403 { "denied" } else { bare };
        assert_eq!(class(status, &[("x-ratelimit-remaining", "17")], "<html>"), page, "{status}");
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
        (r#"{"message": "Too many requests"}"#, true),
        (r#"{"message": "Forbidden", "errors": [{"message": "secondary rate limit"}]}"#, true),
        (r#""You have exceeded a secondary rate limit""#, true),
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
fn refusal_says_all_that_the_answer_says() {
    for (body, said) in [
        (
            r#"{"message": "V", "errors": [{"resource": "Task", "field": "base_ref", "code": "invalid"}]}"#,
            "V; base_ref: invalid",
        ),
        (r#"{"message": "V", "errors": "model is unknown"}"#, "V; model is unknown"),
        (r#"{"message": "V", "errors": [{"code": "missing"}, "x"]}"#, "V; missing; x"),
        (r#"{"error": {"message": "model is unknown"}}"#, "model is unknown"),
        (r#"{"error": "model is unknown"}"#, "model is unknown"),
        (r#"{"message": ""}"#, "status 422 Unprocessable Entity"),
    ] {
        let Error::Invalid { said: actual } = actual(422, &[], body) else { panic!("{body}") };
        assert_eq!(actual, said, "{body}");
    }
}

#[test]
fn page_of_a_proxy_is_not_called_a_missing_permission() {
    let page = "<html><title>Blocked by policy</title></html>";
    assert!(matches!(actual(403, &[], page), Error::Denied { remedy, .. } if remedy.contains("proxy")));
    let github = [("x-github-request-id", "AB:12")];
    assert!(matches!(actual(403, &github, page), Error::MissingPermission { .. }));
    assert!(matches!(actual(403, &[], ""), Error::MissingPermission { .. }));
    assert_eq!(
        class(422, &[], r#"{"message": "V", "errors": [{"message": "was submitted too quickly"}]}"#),
        "rate limited"
    );
}

#[test]
fn denial_is_not_called_a_missing_permission() {
    let fine_grained = "The 'octo' organization forbids access via a fine-grained personal access tokens";
    let messages = [
        "Repository was archived so is read-only.".to_owned(),
        "This repository has been disabled.".to_owned(),
        "Repository is locked due to migration.".to_owned(),
        "Repository access blocked".to_owned(),
        "Organization has disabled Copilot coding agent".to_owned(),
        "Although you appear to have the correct authorization credentials, the `octo` organization has an IP allow list \
         enabled, and your IP address is not permitted to access this resource."
            .to_owned(),
        format!("{fine_grained} if the token's lifetime is greater than 366 days."),
        format!("{fine_grained}."),
        "`octo` forbids access via a personal access token (classic). Please use a GitHub App.".to_owned(),
        "Sorry. Your account was suspended.".to_owned(),
        "Resource protected by organization SAML enforcement.".to_owned(),
    ];
    let denied = |message: &String| told_of(Some(FILE_REMEDIES), 403, &[], &json!({"message": message}).to_string());
    let denied = messages.iter().map(denied).collect::<Vec<_>>();
    for (error, message) in denied.iter().zip(messages) {
        // The GraphQL API says the same with status 200.
        let answer = json!({"errors": [{"type": "FORBIDDEN", "message": message}]});
        assert_eq!(graphql_error(&answer, &HeaderMap::new(), true).as_ref(), Some(error));
        assert_eq!(&field_error(&answer["errors"][0], FILE_REMEDIES), error);
        assert!(error.is_refusal());
    }
    let remedies = denied.iter().map(|error| error.to_string().split_once(". ").unwrap().1.to_owned());
    insta::assert_snapshot!(denied.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r#"
    GitHub refuses this (Repository was archived so is read-only). The repository is archived, and nothing in it can change. Unarchive it, or leave it out
    GitHub refuses this (This repository has been disabled). GitHub has disabled the repository. Contact GitHub Support, or leave it out
    GitHub refuses this (Repository is locked due to migration). The repository cannot be used while it is migrated, nor after it has moved. Try again once the migration has ended, or use the repository's new place
    GitHub refuses this (Repository access blocked). GitHub has blocked the repository. Contact GitHub Support, or leave it out
    GitHub refuses this (Organization has disabled Copilot coding agent). The Copilot cloud agent is disabled. Ask the owners of the organization or enterprise to enable it in their settings for Copilot
    GitHub refuses this (Although you appear to have the correct authorization credentials, the `octo` organization has an IP allow list enabled, and your IP address is not permitted to access this resource). The runner's address is not on the IP allow list of the organization or enterprise. Add the address, or use a runner with an address that is on the list
    GitHub refuses this (The 'octo' organization forbids access via a fine-grained personal access tokens if the token's lifetime is greater than 366 days). The organization refuses tokens that live that long. Make a fine-grained token with an earlier expiration date
    GitHub refuses this (The 'octo' organization forbids access via a fine-grained personal access tokens). The organization refuses fine-grained personal access tokens. Ask its owners to allow them, or use a token of another kind
    GitHub refuses this (`octo` forbids access via a personal access token (classic). Please use a GitHub App). The organization refuses classic personal access tokens. Use a fine-grained one with "Agent tasks: read and write" for this repository
    GitHub refuses this (Sorry. Your account was suspended). The account of the token's owner is suspended. Use a token of another user
    GitHub refuses this (Resource protected by organization SAML enforcement). Authorize the token for single sign-on under https://github.com/settings/tokens
    "#);
    assert_eq!(remedies.collect::<std::collections::HashSet<_>>().len(), denied.len());
}

#[test]
fn refusal_with_a_status_of_its_own_has_its_own_remedy() {
    let refusal = |status| actual(status, &[], "{}").to_string();
    insta::assert_snapshot!([402, 409, 451].map(refusal).join("\n"), @"
    GitHub refuses the request with status 402 (status 402 Payment Required). The account that pays for Copilot has to pay or to raise its budget: look at the billing settings of the token's owner and of the organization
    GitHub refuses the request with status 409 (status 409 Conflict). The repository is in a state that does not allow this: it may be empty, or the Copilot cloud agent may not be enabled for it
    GitHub refuses the request with status 451 (status 451 Unavailable For Legal Reasons). GitHub has blocked the repository for legal reasons. Leave it out
    ");
}

#[test]
fn server_error_names_status_and_request_id() {
    let error = actual(500, &[("x-github-request-id", "AB12:34")], "<html>");
    insta::assert_snapshot!(error, @"GitHub answered with status 500 Internal Server Error, request id AB12:34");
}

#[test]
fn api_url_names_the_hosts_that_have_agent_tasks() {
    let refused = ApiUrl::parse("https://git.example.com/api/v3", None).unwrap_err();
    assert_eq!(refused, ApiUrlError::NoAgentTasks);
    assert!(refused.to_string().contains("GitHub Enterprise Server does not"));
}

#[test]
fn server_leads_to_its_api() {
    for (server, api) in [
        ("https://github.com", Some("https://api.github.com")),
        ("https://GitHub.com/", Some("https://api.github.com")),
        ("https://octo.ghe.com", Some("https://api.octo.ghe.com")),
        ("https://ghes.example.com", None),
        ("https://github.com.example.com", None),
        ("https://ghe.com", None),
        ("github", None),
    ] {
        assert_eq!(ApiUrl::of_server(server).as_deref(), api, "{server}");
    }
}

#[test]
fn proxy_is_an_address_that_the_client_can_read() {
    for (address, good) in [
        ("http://proxy:3128", true),
        ("https://u:p@proxy", true),
        ("proxy:3128", true),
        ("ht!tp://u:p@x", false),
        ("ftp://proxy", false),
        ("socks5://proxy:1080", false),
        ("http://", false),
    ] {
        assert_eq!(is_proxy(address), good, "{address}");
    }
}
