//! Any answer of GitHub to any request is read without a panic, and distinguished from other answers as its status
//! demands.
//!
//! An answer is written as one is: a first line with status and request, headers, an empty line, the body.

#![no_main]
#![expect(clippy::disallowed_methods, reason = "libFuzzer's macro can write what it gives into a file")]

use std::convert::Infallible;

use agent_task::github::answers::TaskAnswer;
use agent_task::github::client::GitHub;
use agent_task::github::error::Error;
use agent_task::github::limited::LimitedClient;
use agent_task::github::repository::Repository;
use agent_task::github::task::{NewTask, Task, TaskId};
use agent_task::github::task_list::{TaskFilter, TaskQuery};
use agent_task::github::token::Token;
use agent_task::github::url::ApiUrl;
use agent_task::task::pull_request::PullRequestHints;
use bytes::Bytes;
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "github_pat_fuzzed";

/// An answer as it comes, and to which request.
struct Script {
    request: String,
    answer: http::Response<Full<Bytes>>,
}

/// Reads a script; what is no HTTP at all is left to those who read HTTP.
fn script(data: &[u8]) -> Option<Script> {
    let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &data[..0]),
    };
    let mut lines = std::str::from_utf8(head).ok()?.lines();
    let (status, request) = lines.next()?.split_once(' ')?;
    let mut builder = http::Response::builder().status(status.parse::<u16>().ok()?);
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        builder = builder.header(name, value);
    }
    let answer = builder.body(Full::new(Bytes::copy_from_slice(body))).ok()?;
    Some(Script { request: request.to_owned(), answer })
}

/// Reads every field of a task.
fn use_up(task: &Task) {
    let asked = NewTask {
        prompt: "x".to_owned(),
        model: Some("gpt-5.4".to_owned()),
        custom_agent: Some("fixer".to_owned()),
        create_pull_request: true,
        base_ref: Some("main".to_owned()),
        head_ref: Some("topic".to_owned()),
    };
    let _ = (task.departures(&asked), task.credits(), task.user(), PullRequestHints::of(task).promise_a_pull());
    let _ = (task.error_message(), task.model(), task.head_ref(), task.base_ref(), task.link());
}

async fn ask(client: &LimitedClient<'_>, repository: &Repository, request: &str) -> Result<(), Error> {
    match request {
        "start" => {
            let asked = NewTask {
                prompt: "x".to_owned(),
                model: None,
                custom_agent: None,
                create_pull_request: false,
                base_ref: None,
                head_ref: None,
            };
            use_up(&client.start(client.turn().await, repository, &asked).await?);
        }
        "task" => {
            let id = TaskId::parse("a1").unwrap_or_else(|why| unreachable!("{why}"));
            if let TaskAnswer::Seen(task, _) = client.task(repository, &id, Some("\"mark\"")).await? {
                use_up(&task);
            }
        }
        "tasks" => {
            for task in client.task_page(TaskQuery::Repository(repository), TaskFilter::default(), 1).await?.tasks {
                use_up(&task);
            }
        }
        "me" => drop(client.user().await?),
        "graphql" => {
            drop(client.pulls_by_node_ids(&["PR_x".to_owned()]).await?);
            drop(client.pulls_by_branches(&[(repository.clone(), "topic".to_owned())]).await?);
        }
        _ => drop(client.pulls(repository, Some("topic")).await?),
    }
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let Some(Script { request, answer }) = script(data) else { return };
    let status = answer.status();
    let limited =
        answer.headers().contains_key("retry-after") || answer.headers().contains_key("x-ratelimit-remaining");
    let redirect = answer.headers().contains_key("location");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.unwrap_or_else(|why| unreachable!("{why}"));
    let found = runtime.block_on(async move {
        let address = ApiUrl::parse("https://api.github.com", None).unwrap_or_else(|why| unreachable!("{why}"));
        let token = Token::parse(SECRET).unwrap_or_else(|why| unreachable!("{why}"));
        let repository = "octo/app".parse().unwrap_or_else(|why| unreachable!("{why}"));
        let service = tower::service_fn(move |_| std::future::ready(Ok::<_, Infallible>(answer.clone())));
        let client = LimitedClient::new(GitHub::over(service, &address, &token), 1);
        ask(&client, &repository, &request).await
    });
    let Err(error) = found else {
        assert!(status.is_success() || status == 304, "{status} passes for a yes");
        return;
    };
    // What may have become a task is never reported as what was refused or was not sent.
    let open = matches!(error, Error::Unanswered { .. } | Error::Malformed { .. });
    if status.is_success() || status.is_server_error() {
        let actual = matches!(error, Error::RateLimited(_) | Error::MissingPermission { .. }) && status.is_success();
        assert!(open || actual, "{status} is reported as {error:?}");
    } else if status.is_client_error() && status != 408 && !limited && !redirect {
        assert!(!open, "{status} is reported as {error:?}");
    }
    assert!(!matches!(error, Error::Unreachable { .. }), "{error:?} of an answer");
    let _ = error.to_string();
});
