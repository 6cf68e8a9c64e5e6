//! Ten days of a rollout: hourly runs of the step, while the clock of the simulated GitHub advances between them.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_task::actions::context::Environment;
use agent_task::actions::host::Host;
use agent_task::github::client::GitHub;
use agent_task::task::conclusion::Exit;
use serde_json::Value;
use simulator::{Effect, Repository, Script, Settings, Simulator};

use crate::page::{outputs, say};
use crate::read;

const HOUR: Duration = Duration::from_secs(3600);
/// How long the rehearsal lasts by the simulated clock, in hours.
const HOURS: u32 = 10 * 24;
/// The repositories. More would take longer than ten seconds, as GitHub asks for a second between two starts.
const REPOSITORIES: [&str; 6] =
    ["octo/catalogue", "octo/checkout", "octo/shipping", "octo/billing", "octo/search", "octo/web"];
/// One whose first task fails, so that it gets a second one.
const FAILING: &str = "octo/shipping";

/// The inputs of the step.
pub(crate) fn inputs() -> [(&'static str, String); 9] {
    [
        ("rollout", "security-baseline".to_owned()),
        ("repositories", REPOSITORIES.join("\n")),
        ("waves", "1, 2, *".to_owned()),
        ("advance-on", "merged".to_owned()),
        ("attempts", "2".to_owned()),
        ("stall-after", "2d".to_owned()),
        ("rollout-cache", "rollout.json".to_owned()),
        ("confirm-timeout", "10ms".to_owned()),
        ("wait", String::new()),
    ]
}

/// Gives the simulated GitHub its repositories, and people who merge a day or two after the agent is done.
pub(crate) fn prepare(simulator: &Simulator) {
    simulator.settings(|settings| *settings = Settings::documented());
    for (at, name) in (0..).zip(REPOSITORIES) {
        simulator.repository(name, Repository::default());
        let work = Script::new().state("queued", HOUR / 10).state("in_progress", HOUR * (1 + at % 3)).pull();
        let work = work.effect(Effect::Ready).state("completed", HOUR * (20 + 11 * at % 30)).effect(Effect::Merge);
        if name == FAILING {
            simulator.script(name, Script::fails("the tests fail on main"));
        }
        simulator.script(name, work);
    }
}

/// Runs the step every hour, and shows each run that changes something.
pub(crate) async fn play(simulator: &Simulator, variables: &BTreeMap<String, String>) -> Exit {
    let environment = variables.clone().into_iter().collect::<Environment>();
    let mut shown = (String::new(), String::new());
    let mut exit = Exit::Fine;
    for hour in 0..HOURS {
        // Each run has files of its own; one that cannot be emptied shows more.
        for file in ["GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"] {
            let _ = std::fs::write(&variables[file], "");
        }
        let host = Host::with_log(&environment, Box::new(std::io::sink()));
        exit = agent_task::run(&environment, &host, GitHub::connect).await;
        let outputs = outputs(&read(&variables["GITHUB_OUTPUT"]));
        let value = |name: &str| {
            outputs.iter().rev().find(|(other, _)| other == name).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let now = (value("rollout-state"), value("rollout-waves"));
        if now != shown {
            say(&format!("day {:>2}, {:02}:17  {:<8} {}", hour / 24 + 1, hour % 24, now.0, bars(&now.1)));
            shown = now;
        }
        simulator.advance(HOUR);
    }
    exit
}

/// The waves as a letter for each repository.
fn bars(waves: &str) -> String {
    let waves: Vec<Value> = serde_json::from_str(waves).unwrap_or_default();
    let letters = [
        ("succeeded", "✔"),
        ("running", "▶"),
        ("waiting", "…"),
        ("unknown", "?"),
        ("failed", "✘"),
        ("due", "·"),
        ("queued", "·"),
    ];
    let bar = |wave: &Value| {
        let part = |(name, letter): &(&str, &str)| {
            letter.repeat(wave[*name].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_default())
        };
        format!("[{}]", letters.iter().map(part).collect::<String>())
    };
    waves.iter().map(bar).collect::<Vec<_>>().join(" ")
}
