//! The programs that are compared: ours, and what people write instead.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Runtime;

use crate::measure;
use crate::measure::Cost;
use crate::world::World;

/// The pause between two polls, for everybody.
const INTERVAL: Duration = Duration::from_millis(400);
/// When the task completes in a run that waits: after the second poll and before the third, also where the pauses
/// are a tenth shorter by chance, or each poll takes a tenth of a second.
const LASTING: Duration = Duration::from_millis(1030);
/// What the agent is asked.
const PROMPT: &str = "Prepare the release of octo/app for 2026-11-20. Update CHANGELOG.md.";
/// Where the commands of everybody are searched for.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program that starts a task, and may wait for it.
pub(crate) struct Contender {
    /// What people call it.
    pub(crate) name: &'static str,
    /// Its versions.
    pub(crate) versions: String,
    /// What a user writes, or `None` for ours, where it is the step's `uses` and `with`.
    script: Option<&'static str>,
    /// How it is run.
    command: Vec<String>,
    /// What a job downloads for it, in bytes, where its runner does not have it already.
    pub(crate) downloaded: Option<u64>,
}

impl Contender {
    /// How many lines a user keeps for it that are neither empty nor a comment.
    ///
    /// # Errors
    /// Where the script cannot be read.
    pub(crate) fn lines(&self) -> anyhow::Result<Option<usize>> {
        let Some(script) = self.script else { return Ok(None) };
        let text = std::fs::read_to_string(folder().join(script))?;
        let counts = |line: &&str| {
            let line = line.trim();
            !line.is_empty() && !["#", "//", "\"\"\""].iter().any(|mark| line.starts_with(mark))
        };
        Ok(Some(text.lines().filter(counts).count()))
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/alternatives")
}

/// Ours, of which a job downloads `packed` bytes, and those of the others that this machine has the tools for. What they
/// are made of is fetched into `cache` where it is not there yet.
///
/// # Errors
/// Where what they are made of cannot be fetched.
pub(crate) fn contenders(ours: &Path, packed: u64, cache: &Path) -> anyhow::Result<Vec<Contender>> {
    let script = |name: &str| folder().join(name).display().to_string();
    let mut all = vec![Contender {
        name: "agent-task",
        versions: version(&[&ours.display().to_string(), "--version"])?,
        script: None,
        command: vec![ours.display().to_string()],
        downloaded: Some(packed),
    }];
    if let (Ok(bash), Ok(curl), Ok(jq)) =
        (version(&["bash", "--version"]), version(&["curl", "--version"]), version(&["jq", "--version"]))
    {
        let (bash, curl) = (word(&bash, 3), word(&curl, 1));
        all.push(Contender {
            name: "curl and jq in bash",
            versions: format!("bash {bash}, curl {curl}, {jq}"),
            script: Some("bash-curl-jq.sh"),
            command: vec!["bash".to_owned(), script("bash-curl-jq.sh")],
            downloaded: None,
        });
    }
    if let Ok(gh) = version(&["gh", "--version"]) {
        all.push(Contender {
            name: "gh api",
            versions: format!("gh {}", word(&gh, 2)),
            script: Some("gh-api.sh"),
            command: vec!["bash".to_owned(), script("gh-api.sh")],
            downloaded: None,
        });
    }
    if let Ok(node) = version(&["node", "--version"]) {
        let bundle = node_bundle(cache)?;
        let octokit = std::fs::read_to_string(folder().join("package.json"))?;
        let octokit: serde_json::Value = serde_json::from_str(&octokit)?;
        all.push(Contender {
            name: "@octokit/core in Node",
            versions: format!("Node {node}, @octokit/core {}", octokit["dependencies"]["@octokit/core"]),
            script: Some("node-octokit.mjs"),
            downloaded: Some(std::fs::metadata(&bundle)?.len()),
            command: vec!["node".to_owned(), bundle.display().to_string()],
        });
    }
    if let Ok(python) = version(&["python3", "--version"]) {
        let (interpreter, downloaded) = python_with_httpx(cache)?;
        let httpx = version(&[&interpreter, "-c", "import httpx; print(httpx.__version__)"])?;
        all.push(Contender {
            name: "httpx in Python",
            versions: format!("{python}, httpx {httpx}"),
            script: Some("python-httpx.py"),
            command: vec![interpreter, script("python-httpx.py")],
            downloaded: Some(downloaded),
        });
    }
    Ok(all)
}

/// The first line that a command says.
///
/// # Errors
/// Where there is no such command.
pub(crate) fn version(command: &[&str]) -> anyhow::Result<String> {
    let (program, arguments) = command.split_first().context("no command")?;
    let output = Command::new(program).args(arguments).output().with_context(|| format!("`{program}`"))?;
    anyhow::ensure!(output.status.success(), "`{program}` fails");
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(said.lines().next().unwrap_or_default().trim().to_owned())
}

fn word(text: &str, at: usize) -> String {
    text.split_whitespace().nth(at).unwrap_or_default().to_owned()
}

fn done(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    anyhow::ensure!(output.status.success(), "{command:?} fails: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The script and what it imports in one file, as actions in JavaScript are published.
fn node_bundle(cache: &Path) -> anyhow::Result<PathBuf> {
    let build = cache.join("node");
    std::fs::create_dir_all(&build)?;
    for file in ["package.json", "package-lock.json", "node-octokit.mjs"] {
        std::fs::copy(folder().join(file), build.join(file))?;
    }
    if !build.join("node_modules/.bin/esbuild").exists() {
        let quiet = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        done(Command::new("npm").args(quiet).current_dir(&build))?;
    }
    let bundle = build.join("bundle.mjs");
    let flags = ["node-octokit.mjs", "--bundle", "--minify", "--platform=node", "--format=esm", "--log-level=warning"];
    let out = format!("--outfile={}", bundle.display());
    done(Command::new(build.join("node_modules/.bin/esbuild")).args(flags).arg(out).current_dir(&build))?;
    Ok(bundle)
}

/// An interpreter that has httpx, and the size of the packages that were downloaded for that.
fn python_with_httpx(cache: &Path) -> anyhow::Result<(String, u64)> {
    let (venv, wheels) = (cache.join("venv"), cache.join("wheels"));
    let interpreter = venv.join("bin/python3");
    if !interpreter.exists() {
        let requirements = folder().join("requirements.txt");
        std::fs::create_dir_all(&wheels)?;
        done(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        let pip = || {
            let mut pip = Command::new(&interpreter);
            pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check"]);
            pip
        };
        done(pip().args(["download", "--only-binary=:all:", "--dest"]).arg(&wheels).arg("-r").arg(&requirements))?;
        done(pip().args(["install", "--no-index", "--find-links"]).arg(&wheels).arg("-r").arg(&requirements))?;
    }
    let sizes = std::fs::read_dir(&wheels)?.map(|entry| Ok(entry?.metadata()?.len()));
    Ok((interpreter.display().to_string(), sizes.sum::<std::io::Result<u64>>()?))
}

/// What a contender took.
pub(crate) struct Figures {
    /// The middle of all runs.
    pub(crate) cost: Cost,
    /// How many requests it sent.
    pub(crate) requests: usize,
    /// How many bytes it sent, all requests and their headers together.
    pub(crate) bytes: u64,
}

/// Runs each of them so many times, one after the other and then all over again, so that a busy moment of the machine
/// meets all alike.
///
/// # Errors
/// Where one of them does not do what it is to do.
pub(crate) fn race(
    runtime: &Runtime,
    contenders: &[Contender],
    wait: bool,
    rounds: usize,
    scratch: &Path,
) -> anyhow::Result<Vec<Figures>> {
    let mut costs = vec![Vec::new(); contenders.len()];
    for round in 0..=rounds {
        for (contender, costs) in contenders.iter().zip(&mut costs) {
            let world = World::open(runtime, LASTING)?;
            let cost = run(contender, &world.address(), wait, scratch)?;
            world.requests()?;
            // The first run finds nothing in the caches of the machine.
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    let figures = contenders.iter().zip(&costs).map(|(contender, costs)| {
        let world = World::open(runtime, LASTING)?;
        run(contender, &world.counting_address(runtime)?, wait, scratch)?;
        let requests = world.requests()?;
        let polls = requests.iter().filter(|call| call.path.contains("/tasks/")).count();
        let wanted = if wait { 3 } else { 0 };
        anyhow::ensure!(polls == wanted, "{} polled {polls} times and not {wanted}", contender.name);
        let requests = requests.len();
        let bytes = world.bytes.load(std::sync::atomic::Ordering::Relaxed);
        Ok(Figures { cost: Cost::median(costs), requests, bytes })
    });
    figures.collect()
}

fn run(contender: &Contender, address: &str, wait: bool, scratch: &Path) -> anyhow::Result<Cost> {
    let output = scratch.join("output");
    std::fs::write(&output, "")?;
    let environment = environment(address, wait, scratch);
    let cost = measure::run(&contender.command, &environment, scratch).context(contender.name)?;
    let written = std::fs::read_to_string(&output)?;
    let state = if wait { "completed" } else { "queued" };
    anyhow::ensure!(
        written.contains("task-id") && written.contains(state),
        "{} returns no task in the state {state}: {written}",
        contender.name
    );
    Ok(cost)
}

/// What a runner hands to a step: the same to everybody, and each input under the names that the contenders know.
pub(crate) fn environment(address: &str, wait: bool, scratch: &Path) -> Vec<(String, String)> {
    let file = |name: &str| scratch.join(name).display().to_string();
    let seconds = INTERVAL.as_secs_f64().to_string();
    let milliseconds = format!("{}ms", INTERVAL.as_millis());
    [
        ("PATH", PATH),
        ("HOME", &file("")),
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_API_URL", address),
        ("GITHUB_REPOSITORY", "octo/app"),
        ("GITHUB_EVENT_NAME", "schedule"),
        ("GITHUB_RUN_ID", "16841037290"),
        ("GITHUB_RUN_ATTEMPT", "1"),
        ("GITHUB_OUTPUT", &file("output")),
        ("GITHUB_STEP_SUMMARY", &file("summary")),
        ("RUNNER_TEMP", &file("")),
        ("TOKEN", "github_pat_simulated"),
        ("REPOSITORY", "octo/app"),
        ("PROMPT", PROMPT),
        ("WAIT", if wait { "true" } else { "false" }),
        ("INTERVAL", &seconds),
        ("INPUT_TOKEN", "github_pat_simulated"),
        ("INPUT_PROMPT", PROMPT),
        ("INPUT_WAIT", if wait { "true" } else { "false" }),
        ("INPUT_POLL_INTERVAL", &milliseconds),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}
