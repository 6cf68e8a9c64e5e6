//! What the action's steps cost on top of the program: the installation alone, and from the first script being called to
//! the start arriving.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::contenders;
use crate::measure::{self, Cost};
use crate::world::World;

#[derive(Deserialize)]
struct Manifest {
    runs: Runs,
}

#[derive(Deserialize)]
struct Runs {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    run: String,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

/// A shell that the installer runs in.
pub(crate) struct Shell {
    command: String,
    /// Where it looks for tools.
    path: String,
    /// What downloads an address to the standard output with these tools.
    fetch: &'static str,
}

impl Shell {
    /// Those that are measured: dash and BusyBox's shell with the tools of this machine, and BusyBox with its own tools
    /// and no others, as in a container of Alpine. Links to its tools are made in `folder`.
    ///
    /// # Errors
    /// Where there is no BusyBox.
    pub(crate) fn all(folder: &Path) -> anyhow::Result<[Self; 3]> {
        std::fs::create_dir_all(folder)?;
        output(Command::new("busybox").args(["--install", "-s"]).arg(folder))?;
        let busybox = folder.join("sh").display().to_string();
        let with_tools = |command: &str| Self {
            command: command.to_owned(),
            path: contenders::PATH.to_owned(),
            fetch: "curl -fsSL",
        };
        let alone = Self { command: busybox.clone(), path: folder.display().to_string(), fetch: "wget -qO-" };
        Ok([with_tools("dash"), with_tools(&busybox), alone])
    }
}

/// What an installation in a shell takes of the processors.
pub(crate) struct Installation {
    /// The binary's hash alone, which each installation contains once, with the shell's tool.
    pub(crate) hash: Duration,
    /// With nothing installed.
    pub(crate) cold: Duration,
    /// With what the run before has installed.
    pub(crate) warm: Duration,
    /// `curl | tar` or `wget | tar` for the same binary, which check nothing.
    pub(crate) piped: Duration,
}

impl Installation {
    /// The middle of each after some rounds. They take turns, because a machine is faster in one minute than in the
    /// next, and the hash is subtracted from the others.
    ///
    /// # Errors
    /// If one of them fails.
    pub(crate) fn median(action: &Action, shell: &Shell, rounds: usize) -> anyhow::Result<Self> {
        let (mut hash, mut cold, mut warm, mut piped) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            hash.push(action.hash(shell)?);
            cold.push(action.installation(shell, true)?);
            warm.push(action.installation(shell, false)?);
            piped.push(action.fetch_and_unpack(shell)?);
        }
        let [hash, cold, warm, piped] = [hash, cold, warm, piped].map(|costs| Cost::median(&costs).cpu);
        Ok(Self { hash, cold, warm, piped })
    }
}

/// The action with a release that is served over loopback.
pub(crate) struct Action {
    folder: PathBuf,
    scratch: PathBuf,
    steps: Vec<Step>,
    binary: PathBuf,
    base: String,
}

impl Action {
    /// Copies the action to `scratch`, with a manifest that names this binary as its release.
    ///
    /// # Errors
    /// Where the action cannot be read, or there is no port left.
    pub(crate) fn releasing(binary: &Path, scratch: &Path, runtime: &Runtime) -> anyhow::Result<Self> {
        let (root, folder) = (Path::new(env!("CARGO_MANIFEST_DIR")), scratch.join("action"));
        std::fs::create_dir_all(folder.join("dist"))?;
        for file in ["Cargo.toml", "action.yml", "dist/install.sh", "dist/platforms.txt", "dist/run.sh"] {
            std::fs::copy(root.join(file), folder.join(file))?;
        }
        let name = binary.file_name().context("no file")?;
        let hash = ring::digest::digest(&ring::digest::SHA256, &std::fs::read(binary)?);
        let hash = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let packed = output(Command::new("gzip").arg("-9c").arg(binary))?;
        let tar =
            output(Command::new("tar").arg("-czC").arg(binary.parent().context("no folder")?).arg("-f-").arg(name))?;
        let base = runtime.block_on(serve(packed, tar))?;
        let version = env!("CARGO_PKG_VERSION");
        let manifest = format!("version {version}\nbase {base}\nx86_64-unknown-linux-musl {hash}\n");
        std::fs::write(folder.join("dist/manifest.txt"), manifest)?;
        let text = std::fs::read_to_string(folder.join("action.yml"))?;
        let Manifest { runs } = serde_saphyr::from_str(&text)?;
        let mut steps = runs.steps;
        for step in &mut steps {
            // `${{ runner.os == 'Windows' && '…' || '…' }}`: the second is for this system.
            let script = step.run.trim_end().strip_suffix("' }}").and_then(|run| run.rsplit_once("|| '"));
            step.run = script.context("action.yml chooses its scripts otherwise")?.1.to_owned();
        }
        Ok(Self { folder, scratch: scratch.to_owned(), steps, binary: binary.to_owned(), base })
    }

    /// The cost of the installation in a shell: `cold` with nothing installed, else with what the run before has
    /// installed.
    ///
    /// # Errors
    /// Where it fails.
    fn installation(&self, shell: &Shell, cold: bool) -> anyhow::Result<Cost> {
        let cache = self.scratch.join("tools");
        if cold && cache.exists() {
            std::fs::remove_dir_all(&cache)?;
        }
        let command = [shell.command.clone(), self.folder.join("dist/install.sh").display().to_string()];
        let environment = [
            ("GITHUB_OUTPUT", self.scratch.join("output")),
            ("PATH", PathBuf::from(&shell.path)),
            ("RUNNER_TEMP", self.scratch.clone()),
            ("RUNNER_TOOL_CACHE", cache),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.display().to_string()));
        measure::run(&command, &environment, &self.scratch)
    }

    fn fetch_and_unpack(&self, shell: &Shell) -> anyhow::Result<Cost> {
        // The program has a folder of its own name in the scratch folder.
        std::fs::create_dir_all(self.scratch.join("tar"))?;
        let script = format!("{} {}/agent-task.tar.gz | tar -xzC tar", shell.fetch, self.base);
        self.script(shell, &script)
    }

    fn hash(&self, shell: &Shell) -> anyhow::Result<Cost> {
        self.script(shell, &format!("exec sha256sum '{}'", self.binary.display()))
    }

    fn script(&self, shell: &Shell, script: &str) -> anyhow::Result<Cost> {
        let command = [&shell.command, "-c", script].map(str::to_owned);
        measure::run(&command, &[("PATH".to_owned(), shell.path.clone())], &self.scratch)
    }

    /// Runs the action once, and says how long the start took to arrive: `cold` with nothing installed, else with
    /// what the run before has installed.
    ///
    /// # Errors
    /// Where the action fails.
    pub(crate) fn overhead(&self, runtime: &Runtime, cold: bool) -> anyhow::Result<Duration> {
        let cache = self.scratch.join("tools");
        if cold && cache.exists() {
            std::fs::remove_dir_all(&cache)?;
        }
        let world = World::open(runtime, Duration::from_secs(1))?;
        let output = self.scratch.join("output");
        let mut path = String::new();
        let began = Instant::now();
        for step in &self.steps {
            std::fs::write(&output, "")?;
            let script = self.scratch.join("step.sh");
            std::fs::write(&script, &step.run)?;
            let given = contenders::environment(&world.address(), false, &self.scratch);
            let mapped = step.env.iter().map(|(name, value)| {
                // What a workflow gives, and the defaults of what it leaves out.
                let value = match value.as_str() {
                    value if value.contains("outputs.path") => path.clone(),
                    "${{ inputs.binary-verify }}" => "true".to_owned(),
                    _ => String::new(),
                };
                given.iter().find(|(other, _)| other == name).cloned().unwrap_or_else(|| (name.clone(), value))
            });
            let mapped = mapped.collect::<Vec<_>>();
            let plain = given.iter().filter(|(name, _)| !name.starts_with("INPUT_")).cloned();
            let status = Command::new("sh")
                .arg("-e")
                .arg(&script)
                .env_clear()
                .envs(plain.chain(mapped))
                .env("RUNNER_TOOL_CACHE", &cache)
                .env("GITHUB_ACTION_PATH", &self.folder)
                .current_dir(&self.scratch)
                .stdout(Stdio::null())
                .status()?;
            anyhow::ensure!(status.success(), "a step of the action ends with {status}");
            let written = std::fs::read_to_string(&output)?;
            if let Some(found) = written.lines().find(|line| line.starts_with('/')) {
                found.clone_into(&mut path);
            }
        }
        let arrived = world.started().context("no start arrived")?;
        Ok(arrived.duration_since(began))
    }
}

/// What a program prints.
fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let output = command.stderr(Stdio::inherit()).output()?;
    anyhow::ensure!(output.status.success(), "{command:?} ends with {}", output.status);
    Ok(output.stdout)
}

/// Answers every request for a `.tar.gz` with `tar` and any other with `packed`, and says where.
async fn serve(packed: Vec<u8>, tar: Vec<u8>) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") && client.read_buf(&mut request).await.is_ok_and(|read| read > 0) {}
            let bytes = if String::from_utf8_lossy(&request).contains(".tar.gz ") { &tar } else { &packed };
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", bytes.len());
            // The task that waits for the client sees that it has gone.
            let _ = client.write_all(head.as_bytes()).await;
            let _ = client.write_all(bytes).await;
        }
    });
    Ok(base)
}
