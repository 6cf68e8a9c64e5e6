//! Denials, limits that do not look like limits, and outages.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::{Denial, ExistingTask, Fault, Outage, PlainLimit, Repository, Route, Simulator, Token};

use super::{TASKS, TOKEN, as_token, get, request, secs, send, start};

#[tokio::test(start_paused = true)]
async fn plain_limit_shows_only_in_its_text() {
    let simulator = Simulator::new();
    for (words, link) in [
        (PlainLimit::Secondary, "secondary-rate-limits"),
        (PlainLimit::ContentCreation, "secondary-rate-limits"),
        (PlainLimit::Abuse, "abuse-rate-limits"),
    ] {
        simulator.fault(Route::Start, Fault::plain_limit(words));
        let reply = start(&simulator, json!({"prompt": "x"})).await;
        assert_eq!((reply.status, reply.header("retry-after")), (403, ""));
        assert!(reply.body["documentation_url"].as_str().unwrap().contains(link));
        assert_eq!(reply.header("x-ratelimit-remaining"), "5000");
    }
    assert_eq!(simulator.starts(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_route_can_be_limited() {
    let simulator = Simulator::new();
    for (route, path) in [
        (Route::List, TASKS),
        (Route::Task, "/agents/tasks/1"),
        (Route::Search, "/search/repositories?q=a"),
        (Route::CollaboratorPermission, "/repos/octo/app/collaborators/a/permission"),
        (Route::Repository, "/repos/octo/app"),
        (Route::User, "/user"),
        (Route::Contents, "/repos/octo/app/contents/a"),
        (Route::Pulls, "/repos/octo/app/pulls/1/files"),
        (Route::Checks, "/repos/octo/app/commits/main/check-runs"),
        (Route::Runs, "/repos/octo/app/actions/runs"),
    ] {
        simulator.fault(route, Fault::plain_limit(PlainLimit::Secondary));
        assert_eq!(
            get(&simulator, "/repos/octo/app/branches/gone").await.status,
            404 - u16::from(route == Route::Contents),
            "{route:?}"
        );
        let expected = if route == Route::Contents { 404 } else { 403 };
        assert_eq!(get(&simulator, path).await.status, expected, "{route:?}");
        assert_eq!(simulator.faults_left(), 0, "{route:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn graphql_has_a_limit_of_its_own_form() {
    let simulator = Simulator::new();
    simulator.fault(Route::GraphQl, Fault::graphql_rate_limited());
    let reply = send(&simulator, request("POST", "/graphql"), "{}").await.unwrap();
    assert_eq!((reply.status, &reply.body["errors"][0]["type"]), (200, &json!("RATE_LIMITED")));
    simulator.fault(Route::GraphQl, Fault::plain_limit(PlainLimit::Secondary));
    assert_eq!(send(&simulator, request("POST", "/graphql"), "{}").await.unwrap().status, 403);
}

#[tokio::test(start_paused = true)]
async fn one_repository_alone_can_be_denied() {
    let simulator = Simulator::new();
    simulator.repository("octo/poor", Repository { start_denial: Some(Denial::PlanRequired), ..Repository::default() });
    let reply = as_token(&simulator, TOKEN, "POST", "/agents/repos/octo/poor/tasks").await;
    assert_eq!((reply.status, &reply.body["code"]), (403, &json!("copilot_plan_required")));
    assert_eq!(get(&simulator, "/agents/repos/octo/poor/tasks").await.status, 200);
    assert_eq!(start(&simulator, json!({"prompt": "x"})).await.status, 201);

    simulator.repository("octo/shut", Repository { denial: Some(Denial::IpAllowList), ..Repository::default() });
    let reply = get(&simulator, "/repos/octo/shut").await;
    assert!(reply.text.contains("the `octo` organization has an IP allow list"), "{}", reply.text);
}

#[tokio::test(start_paused = true)]
async fn archived_repository_takes_no_start() {
    let simulator = Simulator::new();
    simulator.repository("octo/app", Repository { archived: true, ..Repository::default() });
    let reply = start(&simulator, json!({"prompt": "x"})).await;
    assert_eq!((reply.status, &reply.body["message"]), (403, &json!("Repository was archived so is read-only.")));
    assert_eq!(get(&simulator, TASKS).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn denials_have_their_own_status() {
    let simulator = Simulator::new();
    for (denial, status) in [
        (Denial::NotFound, 404),
        (Denial::PlanRequired, 403),
        (Denial::RepositoryArchived, 403),
        (Denial::IpAllowList, 403),
        (Denial::TokenTooLongLived, 403),
        (Denial::FineGrainedTokenForbidden, 403),
        (Denial::ClassicTokenForbidden, 403),
        (Denial::SsoRequired, 403),
        (Denial::PaymentRequired, 402),
        (Denial::Conflict, 409),
        (Denial::LegalReasons, 451),
        (Denial::ServerError, 500),
    ] {
        simulator.fault(Route::Start, Fault::denied(denial.clone()));
        let reply = start(&simulator, json!({"prompt": "x"})).await;
        assert_eq!(reply.status, status, "{denial:?}");
        assert!(!reply.header("x-github-request-id").is_empty());
        assert!(reply.body["message"].is_string(), "{denial:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn denial_can_repeat_the_token() {
    let simulator = Simulator::new();
    simulator.fault(Route::Start, Fault::denied(Denial::EchoedToken { before: 990, after: 50_000 }));
    let reply = start(&simulator, json!({"prompt": "x"})).await;
    let message = reply.body["message"].as_str().unwrap();
    assert_eq!(message.find(TOKEN), Some(990));
    assert_eq!(message.len(), 990 + TOKEN.len() + 50_000);
}

#[tokio::test(start_paused = true)]
async fn outage_strikes_until_it_ends() {
    let simulator = Simulator::new();
    let hours = secs(3 * 3600);
    let outage = Outage::new(Fault::denied(Denial::NotFound)).on(Route::Task).of("octo/app").from(secs(60));
    simulator.outage(outage.lasting(hours));
    let id = simulator.add_task(ExistingTask::default());
    let path = format!("{TASKS}/{id}");
    assert_eq!(get(&simulator, &path).await.status, 200);
    sleep(secs(61)).await;
    assert_eq!(get(&simulator, &path).await.status, 404);
    assert_eq!(get(&simulator, TASKS).await.status, 200);
    sleep(hours).await;
    assert_eq!(get(&simulator, &path).await.status, 200);

    simulator.outage(Outage::default());
    assert_eq!(get(&simulator, "/user").await.status, 503);
    simulator.end_outages();
    assert_eq!(get(&simulator, "/user").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn new_task_can_be_missing_for_hours() {
    let simulator = Simulator::new();
    simulator.settings(|it| it.detail_lag = secs(7200));
    let id = super::started(&simulator, json!({"prompt": "x"})).await;
    sleep(Duration::from_secs(7199)).await;
    assert_eq!(get(&simulator, &format!("{TASKS}/{id}")).await.status, 404);
    sleep(secs(1)).await;
    assert_eq!(get(&simulator, &format!("{TASKS}/{id}")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn missing_single_sign_on_leaves_out_and_denies() {
    let simulator = Simulator::new();
    simulator.repository("acme/app", Repository::default());
    simulator.token("ghp_half", Token::default().without_sso(&["Acme"]));
    simulator.add_task(ExistingTask { repository: "acme/app".to_owned(), creator: 583_231, ..Default::default() });
    simulator.add_task(ExistingTask { creator: 583_231, ..ExistingTask::default() });

    let list = as_token(&simulator, "ghp_half", "GET", "/agents/tasks").await;
    assert!(list.header("x-github-sso").starts_with("partial-results; organizations="), "{list:?}");
    assert_eq!(list.body["tasks"].as_array().unwrap().len(), 1);
    let found = as_token(&simulator, "ghp_half", "GET", "/search/repositories?q=app").await;
    assert!(found.header("x-github-sso").starts_with("partial-results;"));
    assert_eq!(found.body["total_count"], 1);
    let denied = as_token(&simulator, "ghp_half", "GET", "/agents/repos/acme/app/tasks").await;
    assert_eq!(denied.status, 403);
    assert!(denied.header("x-github-sso").starts_with("required; url=https://github.com/orgs/acme/sso?"));
    assert_eq!(get(&simulator, "/agents/tasks").await.header("x-github-sso"), "");
}

#[tokio::test(start_paused = true)]
async fn header_can_be_added_to_a_success() {
    let simulator = Simulator::new();
    simulator.fault(Route::List, Fault::extra_header("x-github-sso", "partial-results; organizations=7"));
    let reply = get(&simulator, TASKS).await;
    assert_eq!((reply.status, reply.header("x-github-sso")), (200, "partial-results; organizations=7"));
}
