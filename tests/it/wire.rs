//! What goes over the wire: method, path, headers and body of each call, and the answers that GitHub publishes.

use std::collections::BTreeMap;
use std::io;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_task::github::answers::TaskAnswer;
use agent_task::github::client::GitHub;
use agent_task::github::error::Error;
use agent_task::github::limited::LimitedClient;
use agent_task::github::task::{NewTask, State};
use agent_task::github::task_list::TaskQuery;
use agent_task::github::token::Token;
use agent_task::github::transport::API_VERSION;
use agent_task::github::url::ApiUrl;
use agent_task::task::marker::Marker;
use agent_task::task::start::{
    ActiveScope, IfActive, MAX_LIMIT_WAIT, Precheck, StartEnd, StartMachine, StartOptions, StartStep,
};
use simulator::{Fault, Route, Simulator};

/// A request as it reached the other end.
struct Seen {
    line: String,
    headers: BTreeMap<String, Vec<String>>,
}

/// A GitHub that gives one answer after the other, and what it was asked.
fn scripted(answers: Vec<http::Response<String>>) -> (LimitedClient<'static>, Arc<Mutex<Vec<Seen>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    let kept = Arc::clone(&seen);
    let service = tower::service_fn(move |request: http::Request<octocrab::OctoBody>| {
        let mut headers = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in request.headers() {
            headers.entry(name.to_string()).or_default().push(String::from_utf8_lossy(value.as_bytes()).into_owned());
        }
        kept.lock().unwrap().push(Seen { line: format!("{} {}", request.method(), request.uri()), headers });
        let answer = answers.lock().unwrap().next();
        async move { answer.ok_or_else(|| io::Error::other("no more answers")) }
    });
    let address = ApiUrl::parse("https://api.github.com", None).unwrap();
    (LimitedClient::new(GitHub::over(service, &address, &Token::parse("github_pat_wire").unwrap()), 1), seen)
}

/// A client of a simulator.
fn client(simulator: &Simulator, address: &str) -> LimitedClient<'static> {
    let address = ApiUrl::parse(address, None).unwrap();
    let token = Token::parse("github_pat_simulated").unwrap();
    LimitedClient::new(GitHub::over(simulator.clone(), &address, &token), 1)
}

async fn start(client: &LimitedClient<'_>) -> Result<agent_task::github::task::Task, Error> {
    client.start(client.turn().await, &repository(), &new_task()).await
}

fn answer(status: u16, body: &str) -> http::Response<String> {
    http::Response::builder().status(status).body(body.to_owned()).unwrap()
}

fn redirect(status: u16, to: &str) -> http::Response<String> {
    http::Response::builder().status(status).header("location", to).body(String::new()).unwrap()
}

fn new_task() -> NewTask {
    NewTask {
        prompt: "Fix the login button on the homepage".to_owned(),
        model: None,
        custom_agent: None,
        create_pull_request: false,
        base_ref: Some("main".to_owned()),
        head_ref: None,
    }
}

fn repository() -> agent_task::github::repository::Repository {
    "octocat/hello-world".parse().unwrap()
}

#[tokio::test]
async fn start_is_one_request_with_each_header_once() {
    let (github, seen) = scripted(vec![answer(201, include_str!("recorded/docs_create_201.json"))]);
    let task = start(&github).await.unwrap();
    assert_eq!((task.id.as_str(), &task.state), ("a1b2c3d4-e5f6-7890-abcd-ef1234567890", &State::Queued));
    assert!(task.link().ends_with("/copilot/tasks/a1b2c3d4-e5f6-7890-abcd-ef1234567890"));
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].line, "POST https://api.github.com/agents/repos/octocat/hello-world/tasks");
    for (name, value) in [
        ("x-github-api-version", API_VERSION),
        ("accept", "application/vnd.github+json"),
        ("authorization", "Bearer github_pat_wire"),
        ("user-agent", concat!("agent-task/", env!("CARGO_PKG_VERSION"))),
        ("content-type", "application/json"),
    ] {
        assert_eq!(seen[0].headers[name], [value], "{name}");
    }
}

#[tokio::test]
async fn examples_of_github_are_understood() {
    let (github, seen) = scripted(vec![
        answer(201, include_str!("recorded/docs_create_201_custom_agent.json")),
        answer(200, include_str!("recorded/docs_get_repo_task_200.json")),
    ]);
    let started = start(&github).await.unwrap();
    assert_eq!(started.custom_agent.unwrap().id, "my-custom-agent");
    let TaskAnswer::Seen(task, etag) = github.task(&repository(), &started.id, None).await.unwrap() else { panic!() };
    assert_eq!((&task.state, task.model(), etag), (&State::Completed, Some("claude-sonnet-4.6"), None));
    assert_eq!(agent_task::task::pull_request::PullRequestHints::of(&task).database_ids, [42]);
    let id = "a1b2c3d4-e5f6-7890-abcd-ef1234567890";
    let get = format!("GET https://api.github.com/agents/repos/octocat/hello-world/tasks/{id}");
    assert_eq!(seen.lock().unwrap()[1].line, get);
}

#[tokio::test]
async fn etag_asks_for_changes_only() {
    let (github, seen) = scripted(vec![answer(304, "")]);
    let id = agent_task::github::task::TaskId::parse("t-1").unwrap();
    assert_eq!(github.task(&repository(), &id, Some("W/\"abc\"")).await, Ok(TaskAnswer::Unchanged));
    assert_eq!(seen.lock().unwrap()[0].headers["if-none-match"], ["W/\"abc\""]);
    // Without an ETag there is nothing that could be unchanged.
    let (github, _) = scripted(vec![answer(304, "")]);
    assert!(matches!(github.task(&repository(), &id, None).await, Err(Error::Malformed { .. })));
}

#[tokio::test]
async fn answer_that_is_a_little_broken_is_read() {
    let (github, _) =
        scripted(vec![answer(201, "\u{feff}{\"id\": \"t-1\", \"state\": \"queued\", \"name\": \"\\ud83d\"}")]);
    assert_eq!(start(&github).await.unwrap().id.as_str(), "t-1");
}

#[tokio::test]
async fn branch_is_sent_with_owner_and_encoded() {
    let (github, seen) = scripted(vec![answer(200, "[]")]);
    github.pulls(&repository(), Some("copilot/fix #1&x")).await.unwrap();
    assert_eq!(
        seen.lock().unwrap()[0].line,
        "GET https://api.github.com/repos/octocat/hello-world/pulls?state=all&sort=created&direction=desc\
         &per_page=100&head=octocat%3Acopilot%2Ffix%20%231%26x"
    );
}

#[tokio::test]
async fn start_does_not_follow_a_redirect() {
    let task = include_str!("recorded/docs_create_201.json");
    let renamed = r#"{"full_name":"octocat/renamed","default_branch":"main"}"#;
    let same = r#"{"full_name":"octocat/hello-world","default_branch":"main"}"#;
    for (status, to) in [
        (307, "https://api.github.com/agents/repos/octocat/renamed/tasks"),
        (308, "/repositories/17/agents/tasks"),
        (301, "https://api.github.com/agents/repos/octocat/renamed/tasks"),
        (307, "https://elsewhere.example/agents/repos/octocat/renamed/tasks"),
        (307, "//elsewhere.example/x"),
    ] {
        let (github, seen) = scripted(vec![redirect(status, to), answer(200, renamed), answer(201, task)]);
        let to = Some("octocat/renamed".parse().unwrap());
        assert_eq!(start(&github).await, Err(Error::Moved { to }), "{status}");
        let lines = seen.lock().unwrap().iter().map(|seen| seen.line.clone()).collect::<Vec<_>>();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[1], "GET https://api.github.com/repos/octocat/hello-world");

        let (github, _) = scripted(vec![redirect(status, "/x"), answer(200, same), answer(201, task)]);
        let refused = start(&github).await.unwrap_err();
        assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
    }
}

#[tokio::test]
async fn read_follows_a_redirect_on_the_same_host_only() {
    let renamed = r#"{"full_name":"octocat/renamed","default_branch":"main"}"#;
    let (github, seen) = scripted(vec![redirect(301, "/repositories/17"), answer(200, renamed)]);
    assert_eq!(github.repository(&repository()).await.unwrap().full_name, "octocat/renamed");
    assert_eq!(seen.lock().unwrap()[1].line, "GET https://api.github.com/repositories/17");
    for to in ["https://elsewhere.example/x", "http://api.github.com/x", "//elsewhere.example/x"] {
        let (github, seen) = scripted(vec![redirect(301, to), answer(200, renamed)]);
        let refused = github.repository(&repository()).await.unwrap_err();
        assert!(matches!(refused, Error::Refused { .. }), "{to}: {refused:?}");
        assert_eq!(seen.lock().unwrap().len(), 1, "{to}");
    }
}

#[tokio::test]
async fn redirects_without_end_are_given_up() {
    let (github, seen) = scripted((0..20).map(|_| redirect(301, "/repositories/17")).collect());
    assert!(matches!(github.repository(&repository()).await, Err(Error::Malformed { .. })));
    assert_eq!(seen.lock().unwrap().len(), 4);
}

/// The token is longer than what is left of the quote, so cutting first would leave a part of it.
#[tokio::test]
async fn quote_of_an_answer_never_has_a_part_of_the_token() {
    for before in 970..1000 {
        let said = format!(r#"{{"message":"{}github_pat_wire and more"}}"#, "x".repeat(before));
        let (github, _) = scripted(vec![answer(422, &said)]);
        let error = start(&github).await.unwrap_err().to_string();
        assert!(!error.contains("github"), "{before}: {error}");
    }
    let model = format!("{}github_pat_wire", "x".repeat(250));
    let (github, _) = scripted(vec![answer(201, &format!(r#"{{"id":"t","state":"{model}"}}"#))]);
    assert!(!start(&github).await.unwrap().state.as_str().contains("github"));
}

/// A server for the simulator's answers as a plain list, page by page.
fn page(tasks: &[(u32, &str)], more: bool, sso: Option<&str>) -> http::Response<String> {
    let tasks = tasks
        .iter()
        .map(|(id, created)| serde_json::json!({"id": format!("t-{id}"), "state": "queued", "created_at": created}));
    let body = serde_json::json!({"tasks": tasks.collect::<Vec<_>>()}).to_string();
    let mut page = http::Response::builder().status(200).header("date", "Fri, 20 Nov 2026 08:00:00 GMT");
    if more {
        page = page.header("link", "<https://api.github.com/x>; rel=\"next\"");
    }
    if let Some(sso) = sso {
        page = page.header("x-github-sso", sso);
    }
    page.body(body).unwrap()
}

#[tokio::test]
async fn task_pages_stop_at_old_tasks_only_where_the_list_is_in_order() {
    const NEW: &str = "2026-11-20T07:00:00Z";
    const OLD: &str = "2026-09-01T00:00:00Z";
    const OLDER: &str = "2026-08-01T00:00:00Z";
    let day = Duration::from_secs(24 * 3600);
    for (first, expected) in [
        // In order: nothing new can follow.
        (vec![(1, OLD), (2, OLDER)], vec!["t-1", "t-2"]),
        // An old task before a new one, and a page of old ones out of order.
        (vec![(1, OLD), (2, NEW)], vec!["t-1", "t-2", "t-3"]),
        (vec![(1, OLDER), (2, OLD)], vec!["t-1", "t-2", "t-3"]),
    ] {
        // The second page repeats a task, as when another was started meanwhile.
        let (github, _) = scripted(vec![page(&first, true, None), page(&[(2, NEW), (3, NEW)], false, None)]);
        let mut pages = github.tasks(TaskQuery::Own, None, false).younger_than(day);
        let mut found = Vec::new();
        while let Some(page) = pages.next().await.unwrap() {
            found.extend(page.tasks.iter().map(|task| task.id.to_string()));
        }
        assert_eq!(found, expected, "{first:?}");
    }
}

#[tokio::test]
async fn task_pages_end_with_an_error_where_something_is_left_out() {
    let created = "2026-11-20T07:00:00Z";
    let partial = "partial-results; organizations=21955855,20582480";
    let (github, _) = scripted(vec![page(&[(1, created)], true, Some(partial)), page(&[(2, created)], false, None)]);
    let mut pages = github.tasks(TaskQuery::Own, None, false);
    assert_eq!(pages.next().await.unwrap().unwrap().tasks.len(), 1);
    assert_eq!(pages.next().await.unwrap().unwrap().tasks.len(), 1);
    let error = pages.next().await.unwrap_err();
    assert!(matches!(&error, Error::Incomplete { why } if why.contains("21955855,20582480")), "{error}");

    let (github, _) = scripted((0..60).map(|id| page(&[(id, created)], true, None)).collect());
    let mut pages = github.tasks(TaskQuery::Own, None, false);
    for _ in 0..50 {
        assert!(pages.next().await.unwrap().is_some());
    }
    assert!(matches!(pages.next().await, Err(Error::Incomplete { .. })));
}

#[tokio::test(start_paused = true)]
async fn graphql_limit_is_a_limit_beside_answers_too() {
    let body = r#"{"data":{"nodes":[{"number":1,"url":"u","id":"PR_1","state":"OPEN","headRefName":"h","baseRefName":"b"},
        null]},"errors":[{"type":"RATE_LIMITED","message":"API rate limit exceeded"}]}"#;
    let (github, seen) = scripted(vec![answer(200, body), answer(200, body)]);
    let ids = ["PR_1".to_owned(), "PR_2".to_owned()];
    assert!(
        matches!(github.pulls_by_node_ids(&ids).await, Err(Error::RateLimited(limit)) if limit.wait.as_secs() == 60)
    );
    let began = tokio::time::Instant::now();
    assert!(github.pulls_by_node_ids(&ids).await.is_err());
    assert_eq!((began.elapsed().as_secs(), seen.lock().unwrap().len()), (60, 2));
}

#[tokio::test(start_paused = true)]
async fn plain_403_limit_holds_every_request_back_for_a_minute() {
    for (message, link) in [
        ("You have exceeded a secondary rate limit. Please wait a few minutes before you try again.", ""),
        ("You have triggered an abuse detection mechanism. Please wait.", ""),
        ("Forbidden", "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"),
        ("Forbidden", "https://docs.github.com/rest/overview/resources-in-the-rest-api#abuse-rate-limits"),
    ] {
        let body = serde_json::json!({"message": message, "documentation_url": link}).to_string();
        let limited = || {
            let limited = http::Response::builder().status(403).header("x-ratelimit-remaining", "4711");
            limited.body(body.clone()).unwrap()
        };
        let (github, _) = scripted(vec![limited(), limited(), answer(200, r#"{"id":1,"login":"mona"}"#)]);
        let began = tokio::time::Instant::now();
        for wait in [60, 120] {
            let error = start(&github).await.unwrap_err();
            assert!(matches!(&error, Error::RateLimited(limit) if limit.wait.as_secs() == wait), "{message} {error}");
        }
        github.user().await.unwrap();
        assert_eq!(began.elapsed().as_secs(), 180, "{message}");
    }
}

#[tokio::test]
async fn answer_without_end_is_not_read() {
    let (github, _) = scripted(vec![answer(201, &" ".repeat(17 * 1024 * 1024))]);
    assert!(matches!(start(&github).await, Err(Error::Unanswered { .. })));
}

#[tokio::test]
async fn start_is_never_repeated_by_the_client() {
    for fault in [Fault::status(502), Fault::status(500), Fault::drop(), Fault::unreachable(), Fault::status(429)] {
        let simulator = Simulator::new();
        simulator.fault_times(Route::Any, 10, fault.clone());
        let github = client(&simulator, "http://127.0.0.1:9");
        let _ = github.start(github.turn().await, &"octo/app".parse().unwrap(), &new_task()).await.unwrap_err();
        assert_eq!(simulator.log().len(), 1, "{fault:?}");
    }
}

/// What a start machine makes of an answer, in a word.
fn meaning(answer: Result<agent_task::github::task::Task, Error>) -> &'static str {
    let marker = Marker::find("<!-- agent-task key=0123456789abcdef -->").unwrap();
    let confirm = Duration::from_secs(60);
    let options = StartOptions {
        marker,
        confirm,
        first: Precheck::Nothing,
        if_active: IfActive::Start,
        active_scope: ActiveScope::Job,
        max_limit_wait: MAX_LIMIT_WAIT,
    };
    let mut machine = StartMachine::new(options, &[None], Duration::ZERO);
    assert!(matches!(machine.begin(), StartStep::Send(None, None)));
    match machine.answered(Duration::ZERO, answer) {
        StartStep::Ended(StartEnd::Started(_)) => "started",
        StartStep::Ended(StartEnd::Refused(_)) => "refused",
        StartStep::Sleep(..) => "sent again",
        StartStep::Search { .. } => "searched for",
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn start_gives_each_answer_one_meaning() {
    let task = include_str!("recorded/docs_create_201.json");
    let limits: [&[(&str, &str)]; 4] =
        [&[], &[("retry-after", "9")], &[("x-ratelimit-remaining", "0")], &[("x-ratelimit-remaining", "8")]];
    for status in 200..600 {
        for headers in limits {
            for body in [task, "<html>", "", "{\"id\":", "{}"] {
                let mut answered = http::Response::builder().status(status);
                for (name, value) in headers {
                    answered = answered.header(*name, *value);
                }
                let (github, seen) = scripted(vec![answered.body(body.to_owned()).unwrap()]);
                let limited =
                    headers.contains(&("retry-after", "9")) || headers.contains(&("x-ratelimit-remaining", "0"));
                let expected = match status {
                    200..=299 | 304 if body == task => "started",
                    // It says yes and shows no task: there may be one.
                    200..=299 | 303 | 304 | 408 | 500..=599 => "searched for",
                    429 => "sent again",
                    403 if limited => "sent again",
                    _ => "refused",
                };
                let found = meaning(start(&github).await);
                assert_eq!(found, expected, "{status} {headers:?} {body}");
                // A redirected start is followed by the question which repository it is.
                let requests = if [301, 302, 307, 308].contains(&status) { 2 } else { 1 };
                assert_eq!(seen.lock().unwrap().len(), requests, "{status}");
            }
        }
    }
}

/// A server on this machine that does one thing with the first connection, and its address.
fn server(scheme: &str, serve: impl FnOnce(TcpStream) + Send + 'static) -> ApiUrl {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("{scheme}://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || serve(listener.accept().unwrap().0));
    ApiUrl::parse(&address, None).unwrap()
}

fn read_request(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    let mut part = [0; 4096];
    while !seen.ends_with(b"}") {
        let long = stream.read(&mut part).unwrap();
        assert_ne!(long, 0, "the request is whole");
        seen.extend_from_slice(&part[..long]);
    }
}

#[tokio::test]
async fn broken_connection_means_where_it_broke() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        ApiUrl::parse(&format!("http://{}", listener.local_addr().unwrap()), None).unwrap()
    };
    let answers = |text: &'static str| {
        server("http", move |mut stream| {
            read_request(&mut stream);
            stream.write_all(text.as_bytes()).unwrap();
        })
    };
    for (what, address, expected) in [
        ("a closed port", closed, "sent again"),
        (
            "no TLS at the other end",
            server("https", |mut stream| stream.write_all(b"HTTP/1.1 400\r\n\r\n").unwrap()),
            "sent again",
        ),
        ("a hang-up before TLS", server("https", drop), "sent again"),
        ("a hang-up after the request", server("http", |mut stream| read_request(&mut stream)), "searched for"),
        ("half a status line", answers("HTTP/1.1 2"), "searched for"),
        (
            "a body cut off",
            answers("HTTP/1.1 201 Created\r\ncontent-length: 90\r\n\r\n{\"id\": \"t-1\", "),
            "searched for",
        ),
        ("JSON cut off", answers("HTTP/1.1 201 Created\r\ncontent-length: 8\r\n\r\n{\"id\": 1"), "searched for"),
        ("something else than HTTP", answers("220 mail.example.com\r\n"), "searched for"),
        ("a refusal", answers("HTTP/1.1 422 Unprocessable\r\ncontent-length: 2\r\n\r\n{}"), "refused"),
    ] {
        let github = GitHub::connect(&address, &Token::parse("github_pat_wire").unwrap()).unwrap();
        let github = LimitedClient::new(github, 1);
        assert_eq!(meaning(start(&github).await), expected, "{what}");
    }
}

#[tokio::test]
async fn file_is_read_at_one_commit() {
    let text = "require-class: true\n".repeat(20);
    let simulator = Simulator::new();
    let at = |text: &str| [("policy/agents.yml".to_owned(), text.to_owned())].into();
    let files_at = [("release/v1".to_owned(), at("\u{feff}# ö\n"))].into();
    simulator.repository("octo/rules", simulator::Repository { files: at(&text), files_at, ..Default::default() });
    let github = client(&simulator, "https://api.github.com");
    let rules = "octo/rules".parse().unwrap();
    for (reference, content) in [(None, text.as_str()), (Some("main"), &text), (Some("release/v1"), "# ö\n")] {
        let commit = github.commit(&rules, reference).await.unwrap();
        assert_eq!(commit.len(), 40);
        assert_eq!(github.file(&rules, "policy/agents.yml", &commit, 1000).await.as_deref(), Ok(content));
        let again = github.commit(&rules, Some(&commit)).await.unwrap();
        assert_eq!(again, commit);
    }
    let calls = simulator.log();
    assert_eq!(calls[6].path, "/repos/octo/rules/commits");
    assert_eq!(calls[6].query[1], ("sha".to_owned(), "release/v1".to_owned()));
    assert_eq!(calls[7].path, "/repos/octo/rules/contents/policy/agents.yml");

    let small = github.file(&rules, "policy/agents.yml", "main", 100).await;
    insta::assert_snapshot!(small.unwrap_err(), @"the file has 400 bytes, and at most 100 are read");
    let folder = github.file(&rules, "policy", "main", 100).await.unwrap_err();
    assert!(matches!(folder, Error::Unfit { .. }), "{folder}");
    for (reference, path) in [("main", "policy/none.yml"), ("gone", "policy/agents.yml")] {
        let missing = github.file(&rules, path, reference, 100).await.unwrap_err();
        assert!(matches!(missing, Error::NotFound { .. }), "{missing:?}");
    }
    assert!(matches!(github.commit(&rules, Some("gone")).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn answer_without_a_file_is_an_error() {
    let bare = |content: &str| format!(r#"{{"type":"file","size":3,"encoding":"{content}","content":"%%%"}}"#);
    let (github, _) = scripted(vec![
        answer(200, "[]"),
        answer(200, &bare("none")),
        answer(200, &bare("base64")),
        answer(200, r#"{"type":"file","size":1,"encoding":"base64","content":"/w=="}"#),
        answer(200, r#"{"type":"submodule","size":0}"#),
        answer(200, "{}"),
    ]);
    assert!(matches!(github.commit(&repository(), None).await, Err(Error::Malformed { .. })));
    for malformed in [true, true, false, false, false] {
        let error = github.file(&repository(), "a.yml", "main", 10).await.unwrap_err();
        assert_eq!(matches!(error, Error::Malformed { .. }), malformed, "{error}");
    }
}
