//! What the action's step costs on top of the program: from its first script being called to the start arriving.

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
    shell: String,
    run: String,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

/// The action with a release that is served over loopback.
pub(crate) struct Action {
    folder: PathBuf,
    scratch: PathBuf,
    steps: Vec<Step>,
}

impl Action {
    /// Copies the action to `scratch`, with a manifest that names this binary as its release.
    ///
    /// # Errors
    /// Where the action cannot be read, or there is no port left.
    pub(crate) fn releasing(binary: &Path, scratch: &Path, runtime: &Runtime) -> anyhow::Result<Self> {
        let (root, folder) = (Path::new(env!("CARGO_MANIFEST_DIR")), scratch.join("action"));
        std::fs::create_dir_all(folder.join("dist"))?;
        for file in ["action.yml", "dist/install.sh"] {
            std::fs::copy(root.join(file), folder.join(file))?;
        }
        let bytes = std::fs::read(binary)?;
        let hash = ring::digest::digest(&ring::digest::SHA256, &bytes);
        let hash = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let base = runtime.block_on(serve(bytes))?;
        let manifest = format!("version 1.0.0\nbase {base}\nx86_64-unknown-linux-musl {hash} agent-task\n");
        std::fs::write(folder.join("dist/manifest.txt"), manifest)?;
        let text = std::fs::read_to_string(folder.join("action.yml"))?;
        let Manifest { runs } = serde_saphyr::from_str(&text)?;
        let steps = runs.steps.into_iter().filter(|step| step.shell == "sh").collect();
        Ok(Self { folder, scratch: scratch.to_owned(), steps })
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

/// Answers every request with these bytes, and says where.
async fn serve(bytes: Vec<u8>) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") && client.read_buf(&mut request).await.is_ok_and(|read| read > 0) {}
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", bytes.len());
            // A client that has gone is seen by whoever waits for it.
            let _ = client.write_all(head.as_bytes()).await;
            let _ = client.write_all(&bytes).await;
        }
    });
    Ok(base)
}
