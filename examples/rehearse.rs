//! A rehearsal: the weekly release preparation, from the template to the pull request's number, on a machine with only
//! Rust.
//!
//! ```text
//! cargo run --example rehearse
//! ```
//!
//! The simulator of the tests replaces GitHub, over loopback. The step is the real one, called as the binary calls
//! it, and its output is shown as on the run's page. It needs no token and does not read the environment, so the result
//! is the same everywhere. Arguments rehearse your own prompt, event and inputs
//! (`cargo run --example rehearse -- --help`).

#![expect(
    clippy::disallowed_methods,
    reason = "an example plays the runner, which writes the files that the step reads and reads those that it writes"
)]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use agent_task::actions::context::Environment;
use agent_task::actions::host::Host;
use agent_task::github::client::GitHub;
use agent_task::inputs::table::{Command, INPUTS};
use agent_task::task::conclusion::Exit;
use agent_task::text::spelled;
use anyhow::{Context as _, bail};
use serde_json::Value;
use simulator::{ChangedFile, Effect, ExistingTask, PullContent, Script, Simulator};

use crate::page::{Log, Page, say};

#[path = "rehearsal/history.rs"]
mod history;
#[path = "rehearsal/page.rs"]
mod page;
#[path = "rehearsal/rollout.rs"]
mod rollout;

const HELP: &str = "\
Rehearses a step of agent-task against a simulated GitHub: no token, no cost, nothing leaves this machine.

usage: cargo run --example rehearse -- [ARGUMENTS]

  --prompt-file FILE     your prompt template, in any folder; without it a sample is used
  --vars YAML|FILE       what the template reads as {{ vars.* }}
  --event FILE           the payload of an event, which the template reads as {{ github.event.* }}
  --event-name NAME      which event that is; by default the payload's file name without its extension
  --repository NAME      owner/name; by default the payload's repository
  --input NAME=VALUE     any input of the step, instead of the rehearsal's own; an empty VALUE removes it
  --end STATE            how the task ends: completed (the default), failed, timed_out, cancelled,
                         waiting_for_user, no-pull-request, out-of-scope or never
  --report               the report on a year of tasks, with the path of its page; the files are kept
  --rollout              ten days of a rollout in twelve repositories, an hourly run each, in half a minute
  --fleet                six repositories in two waves, a canary first; one of the others fails
  --slow                 let the agent's five minutes take 30 seconds instead of five
  --keep                 keep the files that the step has read and written, and say where they are
  --help                 show this text

The exit code is that of the step, or 2 if an argument is wrong. Some things to try:

  cargo run --example rehearse -- --event examples/rehearsal/workflow_dispatch.json
  cargo run --example rehearse -- --end waiting_for_user --input fail-on=never
  cargo run --example rehearse -- --end out-of-scope
  cargo run --example rehearse -- --report
  cargo run --example rehearse -- --rollout
  cargo run --example rehearse -- --fleet
  cargo run --example rehearse -- --fleet --end failed";

/// How a task can end.
const ENDS: &str = "completed, failed, timed_out, cancelled, waiting_for_user, no-pull-request, out-of-scope or never";
/// How long the simulated task takes by the simulated clock.
const WORK: Duration = Duration::from_secs(5 * 60);
/// The repositories of a fleet.
const FLEET: [&str; 6] =
    ["octo/catalogue", "octo/checkout", "octo/shipping", "octo/billing", "octo/search", "octo/web"];
/// The repository whose task fails; the others end as requested.
const FAILING: &str = "octo/shipping";
/// The token that the simulator accepts if the user gives none.
const TOKEN: &str = "github_pat_simulated";

fn main() -> ExitCode {
    let words = std::env::args_os().skip(1);
    let wishes = match Wishes::parse(words.map(|word| word.to_string_lossy().into_owned())) {
        Ok(wishes) => wishes,
        Err(why) => return complain(&why),
    };
    if wishes.help {
        say(HELP);
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.context("no runtime").and_then(|it| it.block_on(rehearse(&wishes))) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(why) => complain(&why),
    }
}

async fn rehearse(wishes: &Wishes) -> anyhow::Result<Exit> {
    let folder = Folder::make(wishes.keep || wishes.report)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let mut variables = variables(wishes, &folder.path, &address)?;
    let simulator = world(wishes, &mut variables);
    tokio::spawn(simulator::serve(listener, simulator.clone()));

    let story = match wishes.fleet {
        _ if wishes.rollout => {
            "Every hour for ten days, a run of a workflow continues a rollout: one repository first, then two, then the\nothers, each wave once the pull requests of the one before are merged."
        }
        _ if wishes.report => "A step of a workflow reports on a year of Copilot agent tasks.",
        true => {
            "A step of a workflow starts a Copilot agent task in each of six repositories, first in one and then\nin the others, and returns all of their pull requests' numbers."
        }
        false => "A step of a workflow starts a Copilot agent task, waits for it, and returns its pull request number.",
    };
    let over = match wishes.report {
        _ if wishes.rollout => "ten days pass in seconds".to_owned(),
        true => "a year passes at once".to_owned(),
        false => {
            format!("{} minutes of the agent's work pass in {}", WORK.as_secs() / 60, spelled(wishes.lasting()))
        }
    };
    say(&format!(
        "{story}\n\
         This is a rehearsal: a simulator at {address} takes the place of GitHub, so it\n\
         needs no token, costs nothing, and {over}.",
    ));
    let page = Page::new();
    if wishes.rollout {
        page.title("The runs that change something (✔ merged, ▶ at work, … waits for review, · not started)");
        let exit = rollout::play(&simulator, &variables).await;
        page.title("The summary of the last run");
        page.summary(&read(&variables["GITHUB_STEP_SUMMARY"]));
        page.title("Behind the scenes");
        behind_the_scenes(&simulator, &[], exit);
        return Ok(exit);
    }
    page.title("The log, as the run's page shows it");
    let mut log = Log::new(page);
    log.introduce(&shown_inputs(&variables));
    let environment = variables.clone().into_iter().collect::<Environment>();
    let runner = Host::with_log(&environment, Box::new(log));
    let exit = agent_task::run(&environment, &runner, GitHub::connect).await;

    page.title("The outputs, for the steps and jobs that follow");
    let outputs = page::outputs(&read(&variables["GITHUB_OUTPUT"]));
    page.outputs(&outputs);
    page.title("The summary, as the run's page shows it");
    page.summary(&read(&variables["GITHUB_STEP_SUMMARY"]));
    page.title("Behind the scenes");
    behind_the_scenes(&simulator, &outputs, exit);
    if let Some((_, page)) = outputs.iter().find(|(name, _)| name == "report-html").filter(|_| wishes.report) {
        say(&format!("Open the report in a browser: {page}"));
    }
    if wishes.keep || wishes.report {
        say(&format!("All files are kept in {}", folder.path.display()));
    }
    Ok(exit)
}

/// What the user requested.
#[derive(Default)]
struct Wishes {
    prompt_file: Option<PathBuf>,
    event: Option<PathBuf>,
    event_name: Option<String>,
    repository: Option<String>,
    inputs: BTreeMap<String, String>,
    end: Option<String>,
    fleet: bool,
    report: bool,
    rollout: bool,
    slow: bool,
    keep: bool,
    help: bool,
}

impl Wishes {
    fn parse(words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut wishes = Self::default();
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            let (name, attached) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            let alone = attached.is_none();
            let mut value = || {
                let next = attached.clone().or_else(|| words.next_if(|it| !it.starts_with("--")));
                next.with_context(|| format!("`{name}` needs a value"))
            };
            match name {
                "--prompt-file" => wishes.prompt_file = Some(file(value()?)?),
                "--event" => wishes.event = Some(file(value()?)?),
                "--event-name" => wishes.event_name = Some(value()?),
                "--vars" => drop(wishes.inputs.insert("vars".to_owned(), yaml(value()?)?)),
                "--repository" => {
                    let name = value()?;
                    let checked = name.parse::<agent_task::github::repository::Repository>();
                    checked.map_err(|why| anyhow::anyhow!("`--repository {name}` {why}"))?;
                    wishes.repository = Some(name);
                }
                "--input" => {
                    let text = value()?;
                    let (name, value) = text
                        .split_once('=')
                        .with_context(|| format!("`--input {text}` has no `=`; write NAME=VALUE"))?;
                    wishes.inputs.insert(name.to_lowercase().replace('_', "-"), value.to_owned());
                }
                "--end" => {
                    let end = value()?;
                    script(&end)
                        .with_context(|| format!("`--end {end}` is not a way for a task to end; write {ENDS}"))?;
                    wishes.end = Some(end);
                }
                "--fleet" if alone => wishes.fleet = true,
                "--rollout" if alone => wishes.rollout = true,
                "--report" if alone => wishes.report = true,
                "--slow" if alone => wishes.slow = true,
                "--keep" if alone => wishes.keep = true,
                "--help" | "-h" if alone => wishes.help = true,
                _ => bail!("unknown argument `{word}`"),
            }
        }
        if wishes.inputs.contains_key("github-api-url") {
            bail!("`--input github-api-url` would lead away from the simulator, and this is a rehearsal");
        }
        Ok(wishes)
    }

    fn end(&self) -> &str {
        self.end.as_deref().unwrap_or("completed")
    }

    /// How long the task takes in real time.
    fn lasting(&self) -> Duration {
        WORK / if self.slow { 10 } else { 60 }
    }

    /// The inputs of the step: those of the weekly job, unless the user gives others.
    fn step(&self) -> BTreeMap<String, String> {
        let said = |name: &str| self.inputs.contains_key(name);
        if self.report {
            let own = [("command", "report"), ("token", TOKEN), ("since", "365d"), ("report-fail-if", "rework > 90%")];
            let mut all = BTreeMap::from(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
            all.extend(self.inputs.clone());
            all.retain(|_, value| !value.is_empty());
            return all;
        }
        let mut own = BTreeMap::from([("token", TOKEN.to_owned()), ("wait", "true".to_owned())]);
        own.insert("create-pull-request", "true".to_owned());
        own.insert("poll-interval", spelled(self.lasting() / 10));
        if !said("prompt") || self.prompt_file.is_some() {
            own.insert("prompt-file", self.prompt_name());
        }
        if !said("prompt") && self.prompt_file.is_none() {
            own.insert("vars", "version: 1.10\nchecks:\n  - the changelog has a date".to_owned());
        }
        if self.fleet {
            own.insert("repositories", FLEET.join("\n"));
            own.insert("waves", "1, *".to_owned());
            own.insert("tolerate", "20%".to_owned());
        } else if !said("wait") && !said("create-pull-request") {
            own.insert("require-pull-request", "true".to_owned());
        }
        if self.rollout {
            own.extend(rollout::inputs());
            own.remove("require-pull-request");
            own.remove("poll-interval");
        }
        match self.end() {
            "never" => drop(own.insert("wait-timeout", format!("{}s", self.lasting().as_secs()))),
            "out-of-scope" => drop(own.insert("expect", "paths: [CHANGELOG.md, src/**]".to_owned())),
            // Without this the step would poll for a late pull request for half a minute.
            "no-pull-request" => drop(own.insert("wait-timeout", format!("{}s", self.lasting().as_secs() + 5))),
            _ => {}
        }
        if self.inputs.get("command").is_some_and(|command| command == "wait") {
            let starts = |name: &str| INPUTS.iter().any(|it| it.name == name && !it.commands.contains(&Command::Wait));
            own.retain(|name, _| !starts(name));
        }
        let mut all: BTreeMap<_, _> = own.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        all.extend(self.inputs.clone());
        all.retain(|_, value| !value.is_empty());
        all
    }

    fn event_name(&self) -> String {
        let stem = self.event.as_deref().and_then(Path::file_stem);
        let named = stem.map_or_else(|| "schedule".to_owned(), |it| it.to_string_lossy().into_owned());
        self.event_name.clone().unwrap_or(named)
    }

    fn prompt_name(&self) -> String {
        let name = self.prompt_file.as_deref().and_then(Path::file_name);
        name.map_or_else(|| "release-prep.md".to_owned(), |it| it.to_string_lossy().into_owned())
    }
}

/// A file that exists.
fn file(name: String) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(&name);
    let found = std::fs::metadata(&path).with_context(|| format!("`{name}` cannot be read"))?;
    anyhow::ensure!(found.is_file(), "`{name}` is not a file");
    Ok(path)
}

/// YAML as it was given, or the content of the named file.
fn yaml(text: String) -> anyhow::Result<String> {
    if text.contains([':', '{', '\n']) && !Path::new(&text).exists() {
        return Ok(text);
    }
    std::fs::read_to_string(file(text.clone())?).with_context(|| format!("`{text}` cannot be read"))
}

/// The environment that a runner gives to the step, and the files that it names.
fn variables(wishes: &Wishes, folder: &Path, address: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let inside = |name: &str| folder.join(name).display().to_string();
    for name in ["workspace", "temp"] {
        std::fs::create_dir(inside(name)).with_context(|| inside(name))?;
    }
    let prompt = folder.join("workspace").join(wishes.prompt_name());
    match &wishes.prompt_file {
        Some(theirs) => drop(std::fs::copy(theirs, prompt).with_context(|| theirs.display().to_string())?),
        None => std::fs::write(prompt, include_str!("rehearsal/release-prep.md"))?,
    }
    let payload = match &wishes.event {
        Some(theirs) => std::fs::read(theirs).with_context(|| theirs.display().to_string())?,
        None => include_bytes!("rehearsal/schedule.json").to_vec(),
    };
    std::fs::write(inside("event.json"), &payload)?;
    // The step reports a payload that is not JSON.
    let event = serde_json::from_slice::<Value>(&payload).unwrap_or_default();
    let actual = event["repository"]["full_name"].as_str().unwrap_or("octo/app");
    let repository = wishes.repository.as_deref().unwrap_or(actual);
    let actor = event["sender"]["login"].as_str().unwrap_or("mona");
    let fixed = include_str!("rehearsal/runner.env").lines();
    let mut variables = fixed
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect::<BTreeMap<_, _>>();
    for (name, value) in [
        ("ACTOR", actor),
        ("TRIGGERING_ACTOR", actor),
        ("API_URL", address),
        ("EVENT_NAME", &wishes.event_name()),
        ("EVENT_PATH", &inside("event.json")),
        ("OUTPUT", &inside("output")),
        ("REPOSITORY", repository),
        ("REPOSITORY_OWNER", repository.split('/').next().unwrap_or_default()),
        ("STEP_SUMMARY", &inside("summary.md")),
        ("WORKSPACE", &inside("workspace")),
    ] {
        variables.insert(format!("GITHUB_{name}"), value.to_owned());
    }
    variables.insert("RUNNER_TEMP".to_owned(), inside("temp"));
    variables.extend(wishes.step().into_iter().map(|(name, value)| (variable(&name), value)));
    Ok(variables)
}

/// The variable in which an action passes an input.
fn variable(input: &str) -> String {
    format!("INPUT_{}", input.to_uppercase().replace('-', "_"))
}

/// A GitHub with everything that the inputs name, so that an error is not the rehearsal's fault.
fn world(wishes: &Wishes, variables: &mut BTreeMap<String, String>) -> Simulator {
    let actual = |name: &str| variables.get(&variable(name)).cloned();
    let script = script(wishes.end()).unwrap_or_default();
    let simulator = Simulator::new();
    simulator.settings(|it| it.speed = WORK.div_duration_f64(wishes.lasting()));
    simulator.default_script(script.clone());
    if let Some(secret) = actual("token") {
        simulator.token(secret, simulator::Token::default());
    }
    if let Some(secret) = actual("lookup-token") {
        simulator.token(secret, simulator::Token::default());
    }
    let branch = |name: &str| actual(name).map(|it| it.trim_start_matches("refs/heads/").to_owned());
    let (base, head) = (branch("base-ref"), branch("head-ref"));
    let home = variables["GITHUB_REPOSITORY"].clone();
    let target = actual("repository").unwrap_or_else(|| home.clone());
    let repository = simulator::Repository {
        branches: base.iter().chain(&head).cloned().collect(),
        custom_agents: actual("custom-agent").into_iter().collect(),
        next_pull_number: 128,
        ..simulator::Repository::default()
    };
    for name in [home.as_str(), target.as_str()].into_iter().chain(FLEET.into_iter().filter(|_| wishes.fleet)) {
        simulator.repository(name, repository.clone());
    }
    if wishes.fleet {
        simulator.script(FAILING, self::script("failed").unwrap_or_default());
    }
    if wishes.report {
        history::add(&simulator);
    }
    if wishes.rollout {
        rollout::prepare(&simulator);
    }
    if let Some(head) = head {
        simulator.open_pull(&target, &head, base.as_deref().unwrap_or("main"));
    }
    if actual("command").is_some_and(|command| command == "wait") && actual("task-id").is_none() {
        let age = Duration::ZERO;
        let task = ExistingTask { repository: target, age, script, ..ExistingTask::default() };
        variables.insert(variable("task-id"), simulator.add_task(task));
    }
    simulator
}

/// What the simulated agent does until the task ends in this way.
fn script(end: &str) -> Option<Script> {
    let (early, late) = (WORK / 4, WORK / 2);
    let begun = Script::new().state("queued", early).state("in_progress", early);
    // The agent opens its pull request as a draft soon after it has begun.
    let drafted = begun.clone().pull().wait(late);
    let used = Effect::Usage(33_570_585_000);
    Some(match end {
        "completed" => drafted.effect(Effect::Ready).effect(used).state(end, Duration::ZERO),
        "out-of-scope" => {
            let files = [
                ChangedFile::modified("CHANGELOG.md", 12, 0),
                ChangedFile::modified("src/version.rs", 1, 1),
                ChangedFile::modified(".github/workflows/release.yml", 3, 9),
            ];
            let drafted = begun.pull_with(PullContent::default().files(files)).wait(late);
            drafted.effect(Effect::Ready).effect(used).state("completed", Duration::ZERO)
        }
        "no-pull-request" => begun.wait(late).effect(used).state("completed", Duration::ZERO),
        "failed" => {
            let why = "the tests fail on main, so there is nothing to release yet";
            drafted.effect(Effect::Error(why.to_owned())).state(end, Duration::ZERO)
        }
        "waiting_for_user" => drafted.effect(Effect::Ask("1.10 or 2.0?".to_owned())).state(end, Duration::ZERO),
        "timed_out" | "cancelled" => drafted.state(end, Duration::ZERO),
        "never" => drafted,
        _ => return None,
    })
}

/// The inputs as the runner shows them, in the order of the reference and without secrets.
fn shown_inputs(variables: &BTreeMap<String, String>) -> Vec<(&'static str, &str)> {
    let given = |name: &'static str| Some((name, variables.get(&variable(name))?.as_str()));
    let hidden = |(name, value)| (name, if name == "token" || name == "lookup-token" { "***" } else { value });
    INPUTS.iter().filter_map(|input| given(input.name)).map(hidden).collect()
}

/// Prints which requests the simulator received.
fn behind_the_scenes(simulator: &Simulator, outputs: &[(String, String)], exit: Exit) {
    let log = simulator.log();
    let plural = |many: usize, what: &str| format!("{many} {what}{}", if many == 1 { "" } else { "s" });
    let counted = log.iter().filter(|call| call.counted).count();
    let (seen, starts) = (plural(log.len(), "request"), plural(simulator.starts(), "start"));
    let saw = match log.len() {
        0 => "no request at all".to_owned(),
        _ => format!("{seen}, {counted} of which counted against the rate limit, and {starts}"),
    };
    say(&format!("The simulator saw {saw}. The step's exit code is {}.", exit.code()));
    let handed_on = |number: u64| outputs.contains(&("pull-request-number".to_owned(), number.to_string()));
    if let Some(pull) = simulator.pulls().iter().find(|pull| handed_on(pull.number)) {
        let (id, number) = (pull.id, pull.number);
        say(&format!("The API returned the pull request's internal id, {id}; the step found that this is #{number}."));
    }
    for fault in simulator.unexpected() {
        say(&format!("The step did what no client should, please report it: {fault}"));
    }
}

/// A temporary folder in place of the runner's disk, deleted at the end.
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    fn make(keep: bool) -> anyhow::Result<Self> {
        for number in 1.. {
            let path = std::env::temp_dir().join(format!("agent-task-rehearsal-{number}"));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, keep }),
                // Another rehearsal uses it, or its folder was kept.
                Err(why) if why.kind() == ErrorKind::AlreadyExists => {}
                Err(why) => return Err(why).with_context(|| format!("cannot make `{}`", path.display())),
            }
        }
        bail!("there is no name left for a folder")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

fn complain(why: &anyhow::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "rehearse: {why:#}\nSee `cargo run --example rehearse -- --help`.");
    ExitCode::from(Exit::BadInput.code())
}

/// What the step has written to a file; empty if there is none.
fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
