//! How many instructions the program takes, which does not depend on how busy the machine is. Compares them with
//! those in `benches/instructions.json`, and fails if one has grown by more than a twentieth:
//!
//! ```text
//! cargo bench --bench instructions
//! cargo bench --bench instructions -- --write
//! ```
//!
//! The second form writes the figures down. It needs valgrind.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark has its own files, processes and clocks"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use agent_task::actions::context::{Context, Environment};
use agent_task::github::client::GitHub;
use agent_task::github::limited::LimitedClient;
use agent_task::github::repository::Repository;
use agent_task::github::task_list::{TaskFilter, TaskQuery};
use agent_task::github::token::Token;
use agent_task::github::url::ApiUrl;
use agent_task::prompt::fence::Untrusted;
use agent_task::prompt::render::{Rendered, Scope, Template, render};
use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use serde_json::json;
use simulator::{Script, Settings, Simulator};
use tokio::net::TcpListener;

/// The argument that makes this program do one thing so many times, to be counted.
const CASE: &str = "--case";
/// How often a thing is done beyond the first time, whose preparations are not counted.
const TIMES: u64 = 10;
/// By how much a figure may grow where compiler and valgrind are those that it was made with.
const GROWTH: f64 = 0.05;
/// By how much it may grow where they are others: a compiler makes other code of the same source.
const GROWTH_ELSEWHERE: f64 = 0.20;
/// The size of the prompt that is rendered, in bytes.
const PROMPT: usize = 64 * 1024;
/// How many tasks a page has, the most that GitHub gives.
const TASKS: usize = 100;

/// The figures, and what they were made with.
#[derive(Debug, Serialize, Deserialize)]
struct Figures {
    rustc: String,
    valgrind: String,
    instructions: BTreeMap<String, u64>,
}

fn main() -> ExitCode {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let arguments = arguments.iter().map(String::as_str).collect::<Vec<_>>();
    let done = match arguments[..] {
        [CASE, name, times] => times.parse().map_err(anyhow::Error::from).and_then(|times| case(name, times)),
        _ => compare(arguments.contains(&"--write")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("instructions: {why:#}");
            ExitCode::FAILURE
        }
    }
}

fn compare(write: bool) -> anyhow::Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.json");
    let instructions = BTreeMap::from([
        ("one start, the whole process".to_owned(), start()?),
        ("a prompt of 64 KiB rendered".to_owned(), once("prompt")?),
        ("a list of 100 tasks read".to_owned(), once("list")?),
    ]);
    let now = Figures { rustc: version("rustc")?, valgrind: version("valgrind")?, instructions };
    if write {
        return Ok(std::fs::write(file, format!("{}\n", serde_json::to_string_pretty(&now)?))?);
    }
    let then: Figures = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let same = (&then.rustc, &then.valgrind) == (&now.rustc, &now.valgrind);
    let allowed = if same { GROWTH } else { GROWTH_ELSEWHERE };
    if !same {
        println!("made with {} and {}, here are {} and {}", then.rustc, then.valgrind, now.rustc, now.valgrind);
    }
    let mut grown = Vec::new();
    for (what, now) in &now.instructions {
        let then = *then.instructions.get(what).with_context(|| format!("there is no figure for {what}"))?;
        let growth = *now as f64 / then as f64 - 1.0;
        println!("{what}: {now} instructions, {:+.1} % to {then}", growth * 100.0);
        if growth > allowed {
            grown.push(what.as_str());
        }
    }
    anyhow::ensure!(
        grown.is_empty(),
        "grown by more than {:.0} %: {}. Find out why; if it is worth it, write the figures down with \
         `cargo bench --bench instructions -- --write`",
        allowed * 100.0,
        grown.join(", ")
    );
    Ok(())
}

fn version(program: &str) -> anyhow::Result<String> {
    let output = Command::new(program).arg("--version").output().with_context(|| format!("`{program}`"))?;
    let said = String::from_utf8(output.stdout)?;
    Ok(said.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

/// Runs a command under valgrind, and says how many instructions it took.
fn counted(command: &mut Command) -> anyhow::Result<u64> {
    let output = command.output().context("`valgrind`")?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{command:?} ended with {}: {said}", output.status);
    let line = said.lines().find_map(|line| line.split_once("Collected : ")).context("valgrind counted nothing")?;
    Ok(line.1.trim().parse()?)
}

fn valgrind(program: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    command
}

/// What doing a thing once takes.
fn once(case: &str) -> anyhow::Result<u64> {
    let program = std::env::current_exe()?;
    let times = |times: u64| counted(valgrind(&program).args([CASE, case, &times.to_string()]));
    Ok((times(1 + TIMES)? - times(1)?) / TIMES)
}

/// What the program takes to start one task.
fn start() -> anyhow::Result<u64> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let address = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(simulator::serve(listener, world()));
        anyhow::Ok(address)
    })?;
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    std::fs::create_dir_all(&scratch)?;
    let mut command = valgrind(Path::new(env!("CARGO_BIN_EXE_agent-task")));
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").envs([
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "octo/app"),
        ("GITHUB_EVENT_NAME", "schedule"),
        ("GITHUB_RUN_ID", "16841037290"),
        ("INPUT_TOKEN", "github_pat_simulated"),
        ("INPUT_PROMPT", "Prepare the release of {{ target.full_name }}"),
    ]);
    for (name, file) in [("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary"), ("RUNNER_TEMP", "")] {
        let file = scratch.join(file);
        if name != "RUNNER_TEMP" {
            std::fs::write(&file, "")?;
        }
        command.env(name, file);
    }
    counted(command.env("GITHUB_API_URL", format!("http://{address}")))
}

fn world() -> Simulator {
    let simulator = Simulator::new();
    simulator.settings(|settings| *settings = Settings::documented());
    simulator.default_script(Script::new());
    simulator
}

/// Does one thing so many times.
fn case(name: &str, times: u64) -> anyhow::Result<()> {
    let environment = [("GITHUB_REPOSITORY".to_owned(), "octo/app".to_owned())].into_iter().collect::<Environment>();
    let target = "octo/app".parse::<Repository>()?;
    match name {
        "prompt" => {
            let context = Context::new(&environment, None, None);
            let vars = serde_json::Map::from_iter([("version".to_owned(), json!("1.10"))]);
            let line = "- {{ loop.index }}. In {{ target.name | upper }} {{ vars.version }}, look at what has changed \
                        since the last release, and write for people what it means to them.\n";
            let source = format!("{{% for change in range({}) %}}\n{line}{{% endfor %}}\n", PROMPT / 128);
            let template = Template { name: "release.md".to_owned(), source };
            for _ in 0..times {
                let now = jiff::Timestamp::from_second(1_795_161_600)?;
                let scope = Scope {
                    context: &context,
                    vars: Some(&vars),
                    target: &target,
                    entry: None,
                    pull_request: None,
                    now,
                    zone: &jiff::tz::TimeZone::UTC,
                    untrusted: Untrusted::Fence,
                    samples: false,
                };
                let Rendered::Prompt(prompt) = render(black_box(&template), &scope)? else {
                    anyhow::bail!("skipped");
                };
                anyhow::ensure!((PROMPT / 2..PROMPT * 2).contains(&prompt.len()), "{} bytes", prompt.len());
                black_box(prompt);
            }
            Ok(())
        }
        "list" => {
            let body = Bytes::from(serde_json::to_vec(&json!({"tasks": vec![task(); TASKS]}))?);
            let service = tower::service_fn(move |_: http::Request<octocrab::OctoBody>| {
                let body = body.clone();
                async move { Ok::<_, std::io::Error>(http::Response::new(Full::new(body))) }
            });
            let address = ApiUrl::parse("https://api.github.com", None)?;
            let token = Token::parse("github_pat_simulated")?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                for _ in 0..times {
                    let client = LimitedClient::new(GitHub::over(service.clone(), &address, &token), 1);
                    let listing = client.task_page(TaskQuery::Repository(&target), TaskFilter::default(), 1).await?;
                    anyhow::ensure!(listing.tasks.len() == TASKS, "{} tasks", listing.tasks.len());
                }
                Ok(())
            })
        }
        _ => anyhow::bail!("unknown case `{name}`"),
    }
}

/// A task as a list shows it.
fn task() -> serde_json::Value {
    json!({
        "id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "url": "https://api.github.com/agents/repos/octo/app/tasks/a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "html_url": "https://github.com/octo/app/copilot/tasks/a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "name": "Prepare the release", "creator": {"id": 1}, "creator_type": "user", "owner": {"id": 1},
        "repository": {"id": 1_296_269}, "state": "completed", "session_count": 1,
        "artifacts": [
            {"provider": "github", "type": "pull", "data": {"id": 4_164_924_791_u64, "global_id": "PR_kwDOTf4x3s74P7V3"}},
            {"provider": "github", "type": "branch", "data": {"head_ref": "copilot/release", "base_ref": "main"}}
        ],
        "archived_at": null, "created_at": "2026-11-20T08:00:00Z", "updated_at": "2026-11-20T08:10:00Z"
    })
}
