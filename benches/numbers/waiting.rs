//! What waiting costs, and how late it is: the same timelines, watched by the program and by loops of a fixed pause.
//! The time is virtual.

use std::path::Path;
use std::time::Duration;

use agent_task::actions::context::Environment;
use agent_task::actions::host::Host;
use agent_task::github::client::GitHub;
use agent_task::github::transport::API_VERSION;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use serde::Deserialize;
use simulator::{Call, Script, Settings, Simulator};
use tower::Service as _;

/// The pauses of the loops, in seconds.
pub(crate) const PAUSES: [u64; 3] = [10, 15, 30];
/// The states that a loop continues after.
const RUNNING: [&str; 3] = ["queued", "in_progress", "idle"];

#[derive(Deserialize)]
struct Timelines {
    timelines: Vec<Vec<(String, u64)>>,
}

/// How long a wait took.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    watched: Duration,
    counted: u32,
    late: Vec<Duration>,
}

impl Wait {
    /// The requests that count against the rate limit, per hour of waiting.
    pub(crate) fn per_hour(&self) -> f64 {
        f64::from(self.counted) / self.watched.as_secs_f64() * 3600.0
    }

    /// How late a change of state is noticed, on average.
    pub(crate) fn late(&self) -> f64 {
        self.late.iter().sum::<Duration>().as_secs_f64() / self.late.len() as f64
    }

    /// How late a change of state is noticed at most.
    pub(crate) fn latest(&self) -> f64 {
        self.late.iter().max().copied().unwrap_or_default().as_secs_f64()
    }

    /// Takes in what was asked of the simulator while it went through a timeline.
    fn add(&mut self, calls: &[Call], timeline: &[(String, u64)]) {
        let Some(started) = calls.iter().find(|call| call.method == "POST").map(|call| call.at) else { return };
        let polls = calls.iter().filter(|call| call.method == "GET").collect::<Vec<_>>();
        self.watched += polls.last().map_or(Duration::ZERO, |poll| poll.at - started);
        self.counted += polls.iter().map(|poll| u32::from(poll.counted)).sum::<u32>();
        let mut at = started;
        for (_, seconds) in timeline {
            at += Duration::from_secs(*seconds);
            let seen = polls.iter().find(|poll| poll.at >= at).map(|poll| poll.at - at);
            // A state that was too short to be seen was not noticed late.
            self.late.extend(seen.filter(|_| *seconds > 0));
        }
    }
}

/// Ours, and those of a fixed pause each.
///
/// # Errors
/// If the timelines cannot be read, or a wait fails.
pub(crate) fn waits() -> anyhow::Result<(Wait, Vec<Wait>)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/timelines.json");
    let Timelines { timelines } = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let (mut ours, mut theirs) = (Wait::default(), PAUSES.map(|_| Wait::default()));
    for timeline in &timelines {
        ours.add(&in_virtual_time(timeline, our_wait)?, timeline);
        for (wait, pause) in theirs.iter_mut().zip(PAUSES) {
            let watched = |world| their_wait(world, Duration::from_secs(pause));
            wait.add(&in_virtual_time(timeline, watched)?, timeline);
        }
    }
    Ok((ours, theirs.into()))
}

fn in_virtual_time<W: Future<Output = anyhow::Result<()>>>(
    timeline: &[(String, u64)],
    wait: impl FnOnce(Simulator) -> W,
) -> anyhow::Result<Vec<Call>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(async {
        let simulator = Simulator::new();
        simulator.settings(|settings| *settings = Settings::documented());
        let script = timeline.iter().fold(Script::new(), |script, (state, seconds)| {
            script.state(state.as_str(), Duration::from_secs(*seconds))
        });
        simulator.default_script(script);
        wait(simulator.clone()).await?;
        Ok(simulator.log())
    })
}

async fn our_wait(simulator: Simulator) -> anyhow::Result<()> {
    let variables = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "octo/app"),
        ("INPUT_TOKEN", "github_pat_simulated"),
        ("INPUT_PROMPT", "Prepare the release"),
        ("INPUT_WAIT", "true"),
        ("INPUT_FAIL_ON", "never"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = variables.into_iter().collect::<Environment>();
    let runner = Host::with_log(&environment, Box::new(std::io::sink()));
    let connect = |address: &_, token: &_| Ok(GitHub::over(simulator.clone(), address, token));
    let exit = agent_task::run(&environment, &runner, connect).await;
    anyhow::ensure!(exit.code() == 0, "the wait ends with {}", exit.code());
    Ok(())
}

async fn their_wait(mut simulator: Simulator, pause: Duration) -> anyhow::Result<()> {
    let tasks = "/agents/repos/octo/app/tasks";
    let body = r#"{"prompt": "Prepare the release", "create_pull_request": false}"#;
    let mut task = ask(&mut simulator, "POST", tasks, body).await?;
    while task["state"].as_str().is_some_and(|state| RUNNING.contains(&state)) {
        tokio::time::sleep(pause).await;
        let id = task["id"].as_str().unwrap_or_default().to_owned();
        task = ask(&mut simulator, "GET", &format!("{tasks}/{id}"), "").await?;
    }
    Ok(())
}

async fn ask(
    simulator: &mut Simulator,
    method: &str,
    path: &str,
    body: &'static str,
) -> anyhow::Result<serde_json::Value> {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("accept", "application/vnd.github+json")
        .header("authorization", "Bearer github_pat_simulated")
        .header("user-agent", "a loop")
        .header("x-github-api-version", API_VERSION)
        .body(Full::new(Bytes::from_static(body.as_bytes())))?;
    let answer = simulator.call(request).await?;
    anyhow::ensure!(answer.status().is_success(), "{method} {path}: {}", answer.status());
    Ok(serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?)
}
