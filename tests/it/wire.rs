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
use agent_task::github::task::{NewTask, State};
use agent_task::github::token::Token;
use agent_task::github::transport::API_VERSION;
use agent_task::github::url::ApiUrl;
use agent_task::task::marker::Marker;
use agent_task::task::start::{IfActive, LONGEST_LIMIT, Precheck, StartMachine, StartOptions, StartStep};
use simulator::{Fault, Route, Simulator};

/// A request as it reached the other end.
struct Seen {
    line: String,
    headers: BTreeMap<String, Vec<String>>,
}

/// A GitHub that gives one answer after the other, and what it was asked.
fn scripted(answers: Vec<http::Response<String>>) -> (GitHub, Arc<Mutex<Vec<Seen>>>) {
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
    (GitHub::over(service, &address, &Token::parse("github_pat_wire").unwrap()), seen)
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
    let task = github.start(&repository(), &new_task()).await.unwrap();
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
    let started = github.start(&repository(), &new_task()).await.unwrap();
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
async fn redirect_is_followed_on_the_same_host_only() {
    let task = include_str!("recorded/docs_create_201.json");
    let (github, seen) =
        scripted(vec![redirect(307, "https://api.github.com/agents/repos/octocat/renamed/tasks"), answer(201, task)]);
    github.start(&repository(), &new_task()).await.unwrap();
    assert_eq!(seen.lock().unwrap()[1].line, "POST https://api.github.com/agents/repos/octocat/renamed/tasks");

    for (status, to) in [
        (307, "https://elsewhere.example/agents/repos/octocat/renamed/tasks"),
        (307, "http://api.github.com/agents/repos/octocat/renamed/tasks"),
        (307, "//elsewhere.example/x"),
        // These two would turn the start into a look, and a look's answer is no task.
        (301, "https://api.github.com/agents/repos/octocat/renamed/tasks"),
        (302, "https://api.github.com/agents/repos/octocat/renamed/tasks"),
    ] {
        let (github, seen) = scripted(vec![redirect(status, to), answer(201, task)]);
        let refused = github.start(&repository(), &new_task()).await.unwrap_err();
        assert!(matches!(refused, Error::Refused { .. }), "{to}: {refused:?}");
        assert_eq!(seen.lock().unwrap().len(), 1, "{to}");
    }
}

#[tokio::test]
async fn redirects_have_a_limit() {
    let to = "https://api.github.com/agents/repos/octocat/hello-world/tasks";
    let (github, seen) = scripted((0..20).map(|_| redirect(307, to)).collect());
    assert!(matches!(github.start(&repository(), &new_task()).await, Err(Error::Refused { .. })));
    assert_eq!(seen.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn answer_has_a_size_limit() {
    let (github, _) = scripted(vec![answer(201, &" ".repeat(17 * 1024 * 1024))]);
    assert!(matches!(github.start(&repository(), &new_task()).await, Err(Error::Unanswered { .. })));
}

#[tokio::test]
async fn fault_causes_no_second_request() {
    for fault in [Fault::status(502), Fault::status(500), Fault::drop(), Fault::unreachable(), Fault::status(429)] {
        let simulator = Simulator::new();
        simulator.fault_times(Route::Any, 10, fault.clone());
        let address = ApiUrl::parse("http://127.0.0.1:9", None).unwrap();
        let github = GitHub::over(simulator.clone(), &address, &Token::parse("github_pat_simulated").unwrap());
        let _ = github.start(&"octo/app".parse().unwrap(), &new_task()).await.unwrap_err();
        assert_eq!(simulator.log().len(), 1, "{fault:?}");
    }
}

/// What a claim makes of an answer, in a word.
fn meaning(answer: Result<agent_task::github::task::Task, Error>) -> &'static str {
    let marker = Marker::find("<!-- agent-task key=0123456789abcdef -->").unwrap();
    let confirm = Duration::from_secs(60);
    let terms =
        StartOptions { marker, confirm, first: Precheck::Nothing, if_active: IfActive::Start, patience: LONGEST_LIMIT };
    let mut claim = StartMachine::new(terms, &[None], Duration::ZERO);
    assert!(matches!(claim.begin(), StartStep::Send(None, None)));
    match claim.answered(Duration::ZERO, answer) {
        StartStep::Held(_) => "held",
        StartStep::Refused(_) => "refused",
        StartStep::Sleep(..) => "sent again",
        StartStep::Look { .. } => "looked for",
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn answer_to_a_start_has_one_meaning() {
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
                    200..=299 | 304 if body == task => "held",
                    // It says yes and shows no task: there may be one.
                    200..=299 | 304 | 408 | 500..=599 => "looked for",
                    429 => "sent again",
                    403 if limited => "sent again",
                    _ => "refused",
                };
                let found = meaning(github.start(&repository(), &new_task()).await);
                assert_eq!(found, expected, "{status} {headers:?} {body}");
                assert_eq!(seen.lock().unwrap().len(), 1, "{status}");
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
        ("a hang-up after the request", server("http", |mut stream| read_request(&mut stream)), "looked for"),
        ("half a status line", answers("HTTP/1.1 2"), "looked for"),
        (
            "a body cut off",
            answers("HTTP/1.1 201 Created\r\ncontent-length: 90\r\n\r\n{\"id\": \"t-1\", "),
            "looked for",
        ),
        ("JSON cut off", answers("HTTP/1.1 201 Created\r\ncontent-length: 8\r\n\r\n{\"id\": 1"), "looked for"),
        ("something else than HTTP", answers("220 mail.example.com\r\n"), "looked for"),
        ("a refusal", answers("HTTP/1.1 422 Unprocessable\r\ncontent-length: 2\r\n\r\n{}"), "refused"),
    ] {
        let github = GitHub::connect(&address, &Token::parse("github_pat_wire").unwrap()).unwrap();
        assert_eq!(meaning(github.start(&repository(), &new_task()).await), expected, "{what}");
    }
}

#[tokio::test]
async fn file_is_read_at_one_commit() {
    let text = "require-class: true\n".repeat(20);
    let simulator = Simulator::new();
    let at = |text: &str| [("policy/agents.yml".to_owned(), text.to_owned())].into();
    let files_at = [("release/v1".to_owned(), at("\u{feff}# ö\n"))].into();
    simulator.repository("octo/rules", simulator::Repository { files: at(&text), files_at, ..Default::default() });
    let address = ApiUrl::parse("https://api.github.com", None).unwrap();
    let github = GitHub::over(simulator.clone(), &address, &Token::parse("github_pat_simulated").unwrap());
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
