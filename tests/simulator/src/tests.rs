//! The simulator as a client meets it, as a service inside the process.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::time::sleep;
use tower_service::Service;

use crate::{ExistingTask, Fault, Permission, Repository, Route, Script, Settings, Simulator, Token};

mod denials;
mod graphql;
mod hosts;
mod pulls;
mod runs;
mod tasks;

const TOKEN: &str = "github_pat_simulated";
const TASKS: &str = "/agents/repos/octo/app/tasks";

/// An answer, read to its end.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: http::HeaderMap,
    body: Value,
    text: String,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A request as a well-behaved client makes it.
fn request(method: &str, path: &str) -> http::request::Builder {
    http::Request::builder()
        .method(method)
        .uri(format!("https://api.test{path}"))
        .header("user-agent", "tests")
        .header("accept", "application/vnd.github+json")
        .header("x-github-api-version", "2026-03-10")
        .header("authorization", format!("Bearer {TOKEN}"))
}

async fn send(simulator: &Simulator, request: http::request::Builder, body: &str) -> std::io::Result<Reply> {
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let (parts, body) = simulator.clone().call(request).await?.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Ok(Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
        text: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

async fn get(simulator: &Simulator, path: &str) -> Reply {
    send(simulator, request("GET", path), "").await.unwrap()
}

async fn start(simulator: &Simulator, body: Value) -> Reply {
    send(simulator, request("POST", TASKS), &body.to_string()).await.unwrap()
}

/// Starts a task and returns its id.
async fn started(simulator: &Simulator, body: Value) -> String {
    let reply = start(simulator, body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.body["id"].as_str().unwrap().to_owned()
}

async fn as_token(simulator: &Simulator, secret: &str, method: &str, path: &str) -> Reply {
    let mut request = request(method, path);
    request.headers_mut().unwrap().insert("authorization", format!("token {secret}").parse().unwrap());
    let body = if method == "POST" { r#"{"prompt": "Do it"}"# } else { "" };
    send(simulator, request, body).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn new_task_comes_into_view_bit_by_bit() {
    let simulator = Simulator::new();
    let stub = start(&simulator, json!({"prompt": "Fix the parser"})).await;
    let fields: Vec<&String> = stub.body.as_object().unwrap().keys().collect();
    assert_eq!(stub.status, 201);
    assert_eq!(fields.len(), 6, "{fields:?}");
    assert_eq!(stub.body["session_count"], 0);
    let id = stub.body["id"].as_str().unwrap();
    let path = format!("{TASKS}/{id}");

    assert_eq!(get(&simulator, &path).await.status, 404);
    assert_eq!(get(&simulator, TASKS).await.body["tasks"], json!([]));

    sleep(Duration::from_millis(600)).await;
    let queued = get(&simulator, &path).await.body;
    assert_eq!(queued["session_count"], 1);
    assert_eq!(queued["sessions"], json!([]));
    assert_eq!(queued["html_url"], Value::Null);
    let placeholder = json!([{"provider": "github", "type": "pull", "data": {}}]);
    assert_eq!(queued["artifacts"], placeholder);
    assert_eq!(get(&simulator, TASKS).await.body["tasks"], json!([]));

    sleep(secs(3)).await;
    let running = get(&simulator, &path).await.body;
    assert_eq!(running["state"], "in_progress");
    assert_eq!(running["sessions"][0]["prompt"], "Fix the parser");
    assert_eq!(running["sessions"][0]["model"], "Auto: GPT-5.4");
    assert_eq!(running["html_url"], format!("https://github.com/octo/app/tasks/{id}"));
    assert_ne!(running["name"], stub.body["name"]);
    let listed = get(&simulator, TASKS).await.body;
    assert_eq!(listed["tasks"][0]["id"], id);
    assert_eq!(listed["tasks"][0]["sessions"], Value::Null);
    assert!(simulator.unexpected().is_empty());
}

#[tokio::test(start_paused = true)]
async fn pull_artifact_comes_after_the_end() {
    let simulator = Simulator::new();
    let id = started(&simulator, json!({"prompt": "x", "create_pull_request": true})).await;
    let path = format!("{TASKS}/{id}");
    let kinds = |task: &Value| -> Vec<String> {
        let artifacts = task["artifacts"].as_array().unwrap();
        artifacts.iter().map(|it| it["type"].as_str().unwrap().to_owned()).collect()
    };

    sleep(secs(120)).await;
    let ended = get(&simulator, &path).await.body;
    assert_eq!(ended["state"], "completed");
    assert_eq!(kinds(&ended), ["github_resource", "branch"]);

    sleep(secs(2)).await;
    let settled = get(&simulator, &path).await.body;
    assert_eq!(kinds(&settled), ["github_resource", "pull", "branch"]);
    let pull = &simulator.pulls()[0];
    assert_eq!(settled["artifacts"][1]["data"]["id"], pull.id);
    assert_ne!(pull.id, pull.number);
    assert_eq!(pull.number, 12);

    let query = "query($id: ID!) { node(id: $id) { ... on PullRequest { number isDraft \
        merged state base: baseRepository { nameWithOwner } fullDatabaseId } } }";
    let body = json!({"query": query, "variables": {"id": pull.node_id}}).to_string();
    let reply = send(&simulator, request("POST", "/graphql"), &body).await.unwrap();
    assert_eq!(
        reply.body,
        json!({"data": {"node": {"number": 12, "isDraft": false, "merged": false, "state": "OPEN",
            "base": {"nameWithOwner": "octo/app"}, "fullDatabaseId": pull.id.to_string()}}})
    );

    let found = get(&simulator, &format!("/repos/OCTO/App/pulls?head=octo:{}&state=all&per_page=100", pull.head)).await;
    assert_eq!(found.body[0]["number"], 12);
    assert_eq!(found.body[0]["id"], pull.id);
}

#[tokio::test(start_paused = true)]
async fn quirks_go_round_from_task_to_task() {
    let simulator = Simulator::new();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let id = started(&simulator, json!({"prompt": "x", "create_pull_request": true})).await;
        seen.push(id);
    }
    sleep(secs(130)).await;
    let mut ids = Vec::new();
    let mut usages = Vec::new();
    for id in &seen {
        let task = get(&simulator, &format!("/agents/tasks/{id}")).await.body;
        ids.push(task["artifacts"][1]["data"].get("global_id").cloned());
        usages.push(task["sessions"][0]["usage"].clone());
    }
    assert!(ids[0].as_ref().unwrap().as_str().unwrap().starts_with("PR_kw"));
    assert_eq!(ids[1], Some(json!("")));
    assert_eq!(ids[2], None);
    assert!(usages[0]["amount"].is_u64());
    assert!(usages[1]["credits"].is_u64());
}

#[tokio::test(start_paused = true)]
async fn pull_request_is_opened_unless_refused() {
    for (asked, opened) in [(Some(true), 1), (Some(false), 0), (None, 1)] {
        let simulator = Simulator::new();
        let mut body = json!({"prompt": "x"});
        if let Some(asked) = asked {
            body["create_pull_request"] = json!(asked);
        }
        started(&simulator, body).await;
        sleep(secs(130)).await;
        assert_eq!(simulator.pulls().len(), opened, "{asked:?}");
        assert!(simulator.tasks()[0].head.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn head_is_taken_only_with_an_open_pull_request_to_the_base() {
    let simulator = Simulator::new();
    let number = simulator.open_pull("octo/app", "feature", "main");
    let body = json!({"prompt": "x", "head_ref": "feature", "base_ref": "main"});
    started(&simulator, body.clone()).await;
    sleep(secs(130)).await;
    assert_eq!(simulator.tasks()[0].head.as_deref(), Some("feature"));
    assert_eq!(simulator.tasks()[0].pull, Some(number));

    simulator.close_pull("octo/app", number);
    started(&simulator, body).await;
    sleep(secs(130)).await;
    assert_eq!(simulator.tasks()[1].head.as_deref(), Some("copilot/x"));
}

#[tokio::test(start_paused = true)]
async fn starts_that_cannot_be() {
    let simulator = Simulator::new();
    let models = Some(vec!["gpt-5.4".to_owned()]);
    let custom_agents = vec!["reviewer".to_owned()];
    simulator.repository("octo/app", Repository { models, custom_agents, ..Repository::default() });
    for body in
        [json!({"prompt": "x", "base_ref": "gone"}), json!({"prompt": "x", "model": "gpt-1"}), json!({"prompt": " "})]
    {
        let reply = start(&simulator, body).await;
        assert_eq!(reply.status, 422);
        assert_eq!(reply.body["errors"][0]["code"], "custom");
    }
    assert!(simulator.unexpected().is_empty());
    assert_eq!(start(&simulator, json!({"model": 1})).await.status, 422);
    assert_eq!(simulator.unexpected().len(), 1);
    assert_eq!(simulator.starts(), 0);

    for (agent, echoed) in [("reviewer", json!({"id": "reviewer"})), ("nobody", Value::Null)] {
        let id = started(&simulator, json!({"prompt": "x", "custom_agent": agent})).await;
        sleep(secs(5)).await;
        assert_eq!(get(&simulator, &format!("{TASKS}/{id}")).await.body["custom_agent"], echoed);
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_are_refused_in_githubs_ways() {
    let simulator = Simulator::new();
    let without = Token::default().without(Permission::AgentTasksWrite);
    simulator.token("github_pat_reads", without);
    simulator.token("ghp_poor", Token::default().without_licence());
    simulator.token("ghs_job", Token::default());
    simulator.token("ghp_blind", Token::default().seeing(&["octo/other"]));
    simulator.token("ghp_nopulls", Token::default().without(Permission::PullRequestsRead));

    let unknown = as_token(&simulator, "ghp_unknown", "POST", TASKS).await;
    assert_eq!((unknown.status, &unknown.body["message"]), (401, &json!("Bad credentials")));
    let reading = as_token(&simulator, "github_pat_reads", "POST", TASKS).await;
    assert_eq!(reading.status, 403);
    assert_eq!(reading.header("x-accepted-github-permissions"), "agent_tasks=write");
    assert_eq!(as_token(&simulator, "github_pat_reads", "GET", TASKS).await.status, 200);
    let poor = as_token(&simulator, "ghp_poor", "POST", TASKS).await;
    assert_eq!((poor.status, &poor.body["code"]), (403, &json!("copilot_plan_required")));
    let job = as_token(&simulator, "ghs_job", "GET", TASKS).await;
    assert_eq!(job.body["message"], "Resource not accessible by integration");
    assert_eq!(as_token(&simulator, "ghs_job", "GET", "/repos/octo/app/pulls").await.status, 200);
    assert_eq!(as_token(&simulator, "ghp_blind", "GET", TASKS).await.status, 404);
    let pulls = as_token(&simulator, "ghp_nopulls", "GET", "/repos/octo/app/pulls").await;
    assert_eq!(pulls.header("x-accepted-github-permissions"), "pull_requests=read");

    simulator.open_pull("octo/app", "feature", "main");
    let node = simulator.pulls()[0].node_id.clone();
    let query = json!({"query": format!("{{ a: node(id: \"{node}\") {{ id }} }}")}).to_string();
    let mut request = request("POST", "/graphql");
    request.headers_mut().unwrap().insert("authorization", "Bearer ghp_nopulls".parse().unwrap());
    let reply = send(&simulator, request, &query).await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body["data"]["a"], Value::Null);
    assert_eq!(reply.body["errors"][0]["type"], "FORBIDDEN");
    assert_eq!(simulator.starts(), 0);

    let shown = format!("{:?}", simulator.log());
    assert!(shown.contains("ghp_…") && !shown.contains("ghp_poor"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn what_no_client_should_do_is_remembered() {
    let simulator = Simulator::new();
    let odd = [
        (request("GET", "/teapots"), "", 501),
        (request("POST", "/agents/repos/octo/app/tasks/1"), "{}", 405),
        (request("DELETE", "/repos/octo/app"), "", 405),
        (request("GET", TASKS).header("x-github-api-version", "2022-11-28"), "", 400),
        (request("POST", "/graphql"), r#"{"query": "mutation { closeIssue { id } }"}"#, 200),
        (request("GET", "/agents/tasks?is_archive=true"), "", 200),
        (request("POST", "/graphql"), r#"{"query": "{ viewer { shoeSize } }"}"#, 200),
        (request("POST", TASKS), r#"{"prompt": "x", "event_content": "y"}"#, 201),
    ];
    for (count, (request, body, status)) in odd.into_iter().enumerate() {
        let reply = send(&simulator, request, body).await.unwrap();
        assert_eq!(reply.status, status, "{}", reply.text);
        assert_eq!(simulator.unexpected().len(), count + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn unchanged_answer_is_free() {
    let simulator = Simulator::new();
    let id = started(&simulator, json!({"prompt": "x"})).await;
    sleep(secs(10)).await;
    let path = format!("/agents/tasks/{id}");
    let first = get(&simulator, &path).await;
    assert_eq!(first.header("x-ratelimit-used"), "2");
    let again = request("GET", &path).header("if-none-match", first.header("etag"));
    let again = send(&simulator, again, "").await.unwrap();
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    assert_eq!(again.header("x-ratelimit-used"), "2");
    assert!(!simulator.log()[2].counted);
    sleep(secs(120)).await;
    let changed = request("GET", &path).header("if-none-match", first.header("etag"));
    assert_eq!(send(&simulator, changed, "").await.unwrap().status, 200);
}

#[tokio::test(start_paused = true)]
async fn limits_hold() {
    let simulator = Simulator::new();
    for _ in 0..80 {
        started(&simulator, json!({"prompt": "x"})).await;
    }
    let refused = start(&simulator, json!({"prompt": "x"})).await;
    assert_eq!((refused.status, refused.header("retry-after")), (403, "60"));
    assert_eq!(simulator.starts(), 80);
    sleep(secs(60)).await;
    started(&simulator, json!({"prompt": "x"})).await;

    simulator.settings(|it| it.limits.requests_per_hour = 81);
    let refused = get(&simulator, TASKS).await;
    assert_eq!((refused.status, refused.header("x-ratelimit-remaining")), (403, "0"));
    let reset: i64 = refused.header("x-ratelimit-reset").parse().unwrap();
    let wait = reset - simulator.timestamp().as_second();
    assert!((3539..=3541).contains(&wait), "{wait}");
    sleep(secs(wait as u64)).await;
    assert_eq!(get(&simulator, TASKS).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn too_many_at_once() {
    let simulator = Simulator::new();
    simulator.settings(|it| it.limits.concurrent = 1);
    simulator.fault(Route::Other, Fault::delay(secs(5)).after_accepting());
    let slow = tokio::spawn({
        let simulator = simulator.clone();
        async move { get(&simulator, "/user").await.status }
    });
    sleep(secs(1)).await;
    assert_eq!(get(&simulator, "/user").await.status, 403);
    assert_eq!(slow.await.unwrap(), 200);
    assert_eq!(get(&simulator, "/user").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn faults_strike_before_or_after_the_work() {
    let body = r#"{"prompt": "x"}"#;
    let status: fn() -> Fault = || Fault::status(502).html();
    for (fault, outcome, starts) in [
        (status(), Ok(502), 0),
        (status().after_accepting(), Ok(502), 1),
        (Fault::drop(), Err(ErrorKind::ConnectionReset), 0),
        (Fault::drop().after_accepting(), Err(ErrorKind::ConnectionReset), 1),
        (Fault::unreachable(), Err(ErrorKind::ConnectionRefused), 0),
        (Fault::time_out(secs(30)), Err(ErrorKind::TimedOut), 0),
        (Fault::time_out(secs(30)).after_accepting(), Err(ErrorKind::TimedOut), 1),
        (Fault::delay(secs(30)), Ok(201), 1),
        (Fault::garbage(), Ok(201), 0),
        (Fault::cut_body(), Ok(201), 1),
        (Fault::rate_limit(secs(7)), Ok(403), 0),
        (Fault::primary_limit(secs(7)), Ok(403), 0),
        (Fault::redirect("https://elsewhere.test/"), Ok(307), 0),
    ] {
        let simulator = Simulator::new();
        let name = format!("{fault:?}");
        simulator.fault(Route::Start, fault);
        assert_eq!(get(&simulator, TASKS).await.status, 200);
        let reply = send(&simulator, request("POST", TASKS), body).await;
        let reply = reply.map(|reply| reply.status).map_err(|why| why.kind());
        assert_eq!(reply, outcome, "{name}");
        assert_eq!(simulator.starts(), starts, "{name}");
        assert_eq!(simulator.log()[1].status, outcome.ok(), "{name}");
        started(&simulator, json!({"prompt": "x"})).await;
        assert_eq!(simulator.faults_left(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn lists_are_filtered_sorted_and_cut() {
    let simulator = Simulator::new();
    for age in 1..=5 {
        simulator.add_task(ExistingTask {
            prompt: format!("task {age}"),
            creator: age,
            age: secs(3600 * age),
            script: if age < 5 { Script::completes_with_pull(secs(60)) } else { Script::stays("in_progress") },
            ..ExistingTask::default()
        });
    }
    let ages = |reply: &Reply| -> Vec<u64> {
        let tasks = reply.body["tasks"].as_array().unwrap();
        tasks.iter().map(|task| task["creator"]["id"].as_u64().unwrap()).collect()
    };
    let since = simulator.timestamp() - jiff::SignedDuration::from_secs(3600 * 2);
    for (query, expected) in [
        ("", vec![1, 2, 3, 4, 5]),
        ("?sort=created_at&direction=asc", vec![5, 4, 3, 2, 1]),
        ("?state=in_progress,queued", vec![5]),
        ("?creator_id=2&creator_id=4", vec![2, 4]),
        ("?is_archived=true", vec![]),
        ("?per_page=2&page=2", vec![3, 4]),
        (&format!("?since={since}"), vec![1, 2]),
    ] {
        let reply = get(&simulator, &format!("{TASKS}{query}")).await;
        assert_eq!(ages(&reply), expected, "{query}");
    }
    let page = get(&simulator, &format!("{TASKS}?per_page=2&is_archived=false&state=completed")).await;
    let next = page.header("link").split(';').next().unwrap();
    assert_eq!(next, format!("<https://api.test{TASKS}?per_page=2&page=2>"));
    assert!(simulator.unexpected().is_empty());
    let mine = get(&simulator, "/agents/tasks").await;
    assert_eq!(ages(&mine), Vec::<u64>::new());
}

#[tokio::test(start_paused = true)]
async fn renamed_repository_redirects() {
    let simulator = Simulator::new();
    let renamed_from = vec!["octo/old".to_owned()];
    simulator.repository("octo/app", Repository { renamed_from, ..Repository::default() });
    let reply = get(&simulator, "/agents/repos/Octo/Old/tasks?page=2").await;
    assert_eq!(reply.status, 301);
    assert_eq!(reply.header("location"), format!("https://api.test{TASKS}?page=2"));
    let post = || request("POST", "/agents/repos/octo/old/tasks");
    assert_eq!(send(&simulator, post(), r#"{"prompt": "x"}"#).await.unwrap().status, 307);
    simulator.settings(|it| it.write_redirect = 308);
    assert_eq!(send(&simulator, post(), r#"{"prompt": "x"}"#).await.unwrap().status, 308);
    assert_eq!(simulator.starts(), 0);

    let reply = get(&simulator, "/repos/octo/old/pulls?state=all").await;
    assert_eq!(reply.status, 301);
    let there = reply.header("location").strip_prefix("https://api.test").unwrap();
    assert!(there.starts_with("/repositories/"), "{there}");
    assert_eq!(get(&simulator, there).await.status, 200);
    let repository = get(&simulator, there.split("/pulls").next().unwrap()).await;
    assert_eq!(repository.body["full_name"], "octo/app");
    simulator.settings(|it| it.old_names = crate::OldNames::RedirectToName);
    let reply = get(&simulator, "/repos/octo/old/pulls").await;
    assert_eq!(reply.header("location"), "https://api.test/repos/octo/app/pulls");
}

#[tokio::test(start_paused = true)]
async fn start_under_an_old_name_has_the_real_repository() {
    let simulator = Simulator::new();
    let renamed_from = vec!["octo/old".to_owned()];
    simulator.repository("octo/app", Repository { renamed_from, ..Repository::default() });
    simulator.settings(|it| it.old_names = crate::OldNames::Serve);
    let post = request("POST", "/agents/repos/octo/old/tasks");
    assert_eq!(send(&simulator, post, r#"{"prompt": "x"}"#).await.unwrap().status, 201);
    assert_eq!(simulator.tasks()[0].repository, "octo/app");
}

#[tokio::test(start_paused = true)]
async fn scripts_say_what_happens_when() {
    for (script, expected) in [
        (json!({"fails": "out of tea"}), [(30, "in_progress"), (70, "failed")]),
        (json!("waits_for_user"), [(30, "in_progress"), (70, "waiting_for_user")]),
        (json!({"idles_then_completes": 60}), [(70, "idle"), (200, "completed")]),
        (
            json!({"unknown_state": {"name": "pondering", "then": {"completes_without_pull": 20}}}),
            [(30, "pondering"), (90, "completed")],
        ),
        (
            json!({"steps": [
                {"state": "in_progress", "after": 1.5, "effects": [{"pull": {}}, {"usage": 5}]},
                {"state": "completed", "after": 8},
                {"at": 20, "effects": ["merge", "session"]},
                {"state": "failed", "after": 10, "effects": [{"error": "no"}]},
            ]}),
            [(21, "queued"), (31, "failed")],
        ),
    ] {
        let scenario = json!({"scripts": {"octo/app": [script]}});
        let simulator = Simulator::from_scenario(scenario).unwrap();
        let id = started(&simulator, json!({"prompt": "x"})).await;
        let mut now = 0;
        for (at, state) in expected {
            sleep(secs(at - now)).await;
            now = at;
            let task = get(&simulator, &format!("/agents/tasks/{id}")).await.body;
            assert_eq!(task["state"], state, "{script} at {at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn speed_divides_durations() {
    let scenario = json!({
        "speed": 100,
        "now": "2026-11-01T12:00:00Z",
        "default_script": {"completes_with_pull": 300},
        "faults": [{"route": "start", "kind": {"rate_limit": {"retry_after": 60}}, "times": 2}],
    });
    let simulator = Simulator::from_scenario(scenario).unwrap();
    assert_eq!(start(&simulator, json!({"prompt": "x"})).await.header("retry-after"), "1");
    assert_eq!(start(&simulator, json!({"prompt": "x"})).await.status, 403);
    let stub = start(&simulator, json!({"prompt": "x"})).await;
    assert_eq!(stub.header("date"), "Sun, 01 Nov 2026 12:00:00 GMT");
    sleep(Duration::from_millis(3100)).await;
    assert_eq!(simulator.tasks()[0].state, "completed");
}

#[test]
fn wrong_scenario_is_refused() {
    for (scenario, word) in [
        (json!({"sped": 1}), "sped"),
        (json!({"speed": 0}), "speed"),
        (json!({"settings": {"nice": true}}), "nice"),
        (json!({"scripts": {"octo/nowhere": []}}), "octo/nowhere"),
        (json!({"default_script": {"completes_with_pull": -1}}), "-1"),
    ] {
        let why = Simulator::from_scenario(scenario).unwrap_err();
        assert!(why.contains(word), "{why}");
    }
}

/// The published schemas are in the OpenAPI 3.0 dialect, where `nullable` says what a list of types
/// says in JSON Schema.
fn validator(schema: &str) -> jsonschema::Validator {
    fn translate(schema: &mut Value) {
        match schema {
            Value::Object(fields) => {
                let nullable = fields.remove("nullable") == Some(Value::Bool(true));
                if let (true, Some(kind)) = (nullable, fields.get_mut("type")) {
                    *kind = json!([kind.take(), "null"]);
                }
                fields.values_mut().for_each(translate);
            }
            Value::Array(list) => list.iter_mut().for_each(translate),
            _ => {}
        }
    }
    let mut schema = serde_json::from_str(schema).unwrap();
    translate(&mut schema);
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

#[track_caller]
fn assert_valid(validator: &jsonschema::Validator, body: &Value) {
    let errors: Vec<String> =
        validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{body:#}");
}

#[tokio::test(start_paused = true)]
async fn by_the_book_all_answers_fit_the_published_schemas() {
    let task = validator(include_str!("../schema/task.json"));
    let list = validator(include_str!("../schema/list.json"));
    let error = validator(include_str!("../schema/error.json"));
    let scripts = [
        Script::completes_with_pull(secs(60)),
        Script::branch_only(secs(60)),
        Script::fails("no"),
        Script::times_out(),
        Script::cancelled(),
        Script::waits_for_user(),
        Script::idles_forever(),
    ];
    let simulator = Simulator::new();
    simulator.settings(|it| *it = Settings::documented());
    for script in scripts {
        simulator.script("octo/app", script);
        let body = json!({"prompt": "x", "model": "gpt-5.4", "create_pull_request": true});
        let stub = start(&simulator, body).await.body;
        assert_valid(&task, &stub);
        let path = format!("{TASKS}/{}", stub["id"].as_str().unwrap());
        for _ in 0..3 {
            assert_valid(&task, &get(&simulator, &path).await.body);
            sleep(secs(31)).await;
        }
    }
    assert_valid(&list, &get(&simulator, TASKS).await.body);
    assert_valid(&list, &get(&simulator, "/agents/tasks").await.body);
    assert_valid(&error, &get(&simulator, &format!("{TASKS}/none")).await.body);
    assert_valid(&error, &start(&simulator, json!({"prompt": "x", "base_ref": "gone"})).await.body);
    assert!(simulator.unexpected().is_empty());
}

#[tokio::test]
async fn simulator_is_cheap() {
    let began = std::time::Instant::now();
    for _ in 0..1000 {
        let simulator = Simulator::new();
        started(&simulator, json!({"prompt": "x"})).await;
    }
    // Thousands are made in a second; the bound leaves room for a slow machine.
    assert!(began.elapsed() < secs(3), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn permissions_are_shown_to_those_who_can_push() {
    let simulator = Simulator::new();
    let roles = [("mona", "maintain"), ("tim", "triage"), ("rel", "releaser=write"), ("gone", "unknown")];
    let collaborators = roles.map(|(login, role)| (login.to_owned(), role.to_owned())).into();
    simulator.repository("octo/app", Repository { collaborators, ..Default::default() });
    simulator.token("github_pat_tim", Token::default().of("tim", 5));
    simulator.token("ghs_job", Token::default().of("tim", 5));
    simulator.token("github_pat_blind", Token::default().without(Permission::MetadataRead));

    let path = |login: &str| format!("/repos/octo/app/collaborators/{login}/permission");
    for (login, permission, role) in [
        ("Mona", "write", "maintain"),
        ("tim", "read", "triage"),
        ("rel", "write", "releaser"),
        ("you", "read", "read"),
    ] {
        let reply = as_token(&simulator, "ghs_job", "GET", &path(login)).await;
        assert_eq!((reply.status, &reply.body["permission"]), (200, &json!(permission)), "{login}");
        assert_eq!(reply.body["role_name"], role);
        assert!(reply.body["user"]["id"].is_u64());
    }
    assert_eq!(as_token(&simulator, "ghs_job", "GET", &path("tim")).await.body["user"]["id"], 5);
    assert_eq!(as_token(&simulator, "ghs_job", "GET", &path("gone")).await.body["message"], "gone is not a user");
    let reply = as_token(&simulator, "github_pat_tim", "GET", &path("mona")).await;
    assert_eq!(
        (reply.status, &reply.body["message"]),
        (403, &json!("Must have push access to view collaborator permission."))
    );
    let reply = as_token(&simulator, "github_pat_blind", "GET", &path("mona")).await;
    assert_eq!((reply.status, reply.header("x-accepted-github-permissions")), (403, "metadata=read"));

    simulator.repository("octo/app", Repository { private: true, ..Default::default() });
    assert_eq!(as_token(&simulator, "ghs_job", "GET", &path("you")).await.status, 404);
}

#[tokio::test]
async fn file_is_shown_as_github_shows_it() {
    let simulator = Simulator::new();
    let files = |text: String| [("a/b.yml".to_owned(), text)].into();
    let files_at =
        [("v1".to_owned(), files("x".repeat(100))), ("large".to_owned(), files("x".repeat(1_048_577)))].into();
    simulator.repository("octo/app", Repository { files: files("y".to_owned()), files_at, ..Default::default() });
    let file = |at: &str| format!("/repos/octo/app/contents/a/b.yml?ref={at}");
    let small = get(&simulator, &file("v1")).await.body;
    assert_eq!((&small["size"], &small["encoding"]), (&json!(100), &json!("base64")));
    let lines = small["content"].as_str().unwrap().lines().map(str::len).collect::<Vec<_>>();
    assert_eq!(lines, [60, 60, 16]);
    let large = get(&simulator, &file("large")).await.body;
    assert_eq!(
        (&large["size"], &large["encoding"], &large["content"]),
        (&json!(1_048_577), &json!("none"), &json!(""))
    );
    let folder = get(&simulator, "/repos/octo/app/contents/a").await.body;
    assert_eq!(folder[0]["path"], "a/b.yml");
    assert_eq!(get(&simulator, &file("v2")).await.status, 404);
    let commits = get(&simulator, "/repos/octo/app/commits?sha=v1&per_page=1").await.body;
    let commit = commits[0]["sha"].as_str().unwrap();
    assert_eq!(get(&simulator, &file(commit)).await.body["size"], 100);
    assert_eq!(get(&simulator, "/repos/octo/app/commits?sha=v2").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn search_finds_by_qualifiers_page_by_page_and_has_a_limit_of_its_own() {
    let simulator = Simulator::new();
    for at in 0..130 {
        let topics = if at < 120 { vec!["java".to_owned()] } else { Vec::new() };
        let repository = Repository { topics, archived: at == 0, ..Default::default() };
        simulator.repository(&format!("acme/r{at}"), repository);
    }
    let path =
        |page: u32| format!("/search/repositories?q=org%3Aacme+topic%3Ajava+-archived%3Atrue&per_page=100&page={page}");
    let (first, second) = (get(&simulator, &path(1)).await, get(&simulator, &path(2)).await);
    let names = [&first, &second].map(|reply| {
        let items = reply.body["items"].as_array().unwrap();
        items.iter().map(|item| item["full_name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    });
    assert_eq!((names[0].len(), names[1].len(), &first.body["total_count"]), (100, 19, &json!(119)));
    assert!(!names[0].is_sorted() && !names.concat().contains(&"acme/r0".to_owned()));
    assert!(first.header("link").contains("rel=\"next\""));
    assert_eq!(get(&simulator, "/search/repositories?q=stars:3").await.status, 422);
    assert_eq!(first.header("x-ratelimit-limit"), "30");
    for _ in 0..27 {
        assert_eq!(get(&simulator, &path(1)).await.status, 200);
    }
    let limited = get(&simulator, &path(1)).await;
    assert_eq!((limited.status, limited.header("x-ratelimit-resource")), (403, "search"));
    assert_eq!(get(&simulator, "/user").await.status, 200);
    sleep(secs(61)).await;
    assert_eq!(get(&simulator, &path(1)).await.status, 200);
}
