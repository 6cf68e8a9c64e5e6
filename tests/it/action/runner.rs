//! A runner for the action: its folders, a release to fetch from, and what a step leaves.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use simulator::{Script, Settings, Simulator, serve};
use tokio::runtime::Runtime;

pub(super) use crate::support::TOKEN;
use crate::support::{PATIENCE, binary};

use super::*;

/// How soon an interrupted step is gone. The runner grants 7.5 seconds.
pub(super) const AT_ONCE: Duration = Duration::from_secs(2);
/// The tools of a usual machine.
pub(crate) const USUAL: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
/// The tools that the installer takes for granted.
pub(super) const BASIC: [&str; 13] =
    ["sh", "uname", "mkdir", "mktemp", "chmod", "mv", "rm", "rmdir", "sed", "tr", "dd", "gzip", "env"];
/// What is released where the real program would only be slow: it leaves one output.
pub(super) const SMALL: &[u8] = b"#!/bin/sh\nprintf 'task-id=small\\n' >>\"$GITHUB_OUTPUT\"\n";

/// The shell of a step on a system, and the script that it runs there.
fn shell_and_script<'a>(step: &'a Step, system: &str) -> [&'a str; 2] {
    let of_system = usize::from(system != "Windows");
    [&step.shell, &step.run].map(|text| choice(text).unwrap_or_else(|why| panic!("{why}"))[of_system])
}

/// An expression's value: the first operand that is not empty.
fn evaluate(text: &str, look_up: impl Fn(&Operand<'_>) -> String) -> String {
    operands(text).unwrap().iter().map(look_up).find(|value| !value.is_empty()).unwrap_or_default()
}

/// A folder that is removed when it is dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("action-{}-{count}", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        for name in ["action/dist", "bin", "cache", "runner", "temp", "tmp", "workspace"] {
            std::fs::create_dir_all(path.join(name)).unwrap();
        }
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.0.join(name), bytes).unwrap();
    }

    pub(crate) fn write_program(&self, name: &str, bytes: impl AsRef<[u8]>) {
        self.write(name, bytes);
        std::fs::set_permissions(self.0.join(name), PermissionsExt::from_mode(0o755)).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    /// All files in a folder of it; empty folders count, as something that was left behind.
    pub(super) fn files(&self, name: &str) -> Vec<PathBuf> {
        fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let before = files.len();
                if path.is_dir() {
                    gather(&path, files);
                }
                if files.len() == before {
                    files.push(path);
                }
            }
        }
        let mut files = Vec::new();
        gather(&self.0.join(name), &mut files);
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind is no reason to hide what the test found.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The simulator's door on the loopback interface, open as long as this lives.
pub(super) struct Door {
    pub(super) address: String,
    pub(super) runtime: Option<Runtime>,
}

impl Door {
    pub(super) fn open(simulator: &Simulator) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(serve(listener, simulator.clone()));
        Self { address, runtime: Some(runtime) }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // Some answers are still held back; nothing waits for them.
        self.runtime.take().unwrap().shutdown_background();
    }
}

/// A release over loopback, which counts what is asked of it.
pub(super) struct Release {
    pub(super) address: String,
    pub(super) asset: Vec<u8>,
    pub(super) requests: Arc<Mutex<Vec<String>>>,
    pub(super) closed: Arc<AtomicBool>,
}

impl Release {
    /// One that has this file for this machine, and under `/stalled` begins to send it and does not continue.
    pub(super) fn of(asset: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let release = Self { address, asset: asset.to_vec(), requests: Arc::default(), closed: Arc::default() };
        let (requests, closed) = (Arc::clone(&release.requests), Arc::clone(&release.closed));
        let asset = Arc::<[u8]>::from(packed(asset));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if closed.load(Ordering::Relaxed) {
                    break;
                }
                let (asset, requests) = (Arc::clone(&asset), Arc::clone(&requests));
                // A client that has gone away is no concern of a server's.
                std::thread::spawn(move || answer(stream?, &asset, &requests));
            }
        });
        release
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// The manifest of a commit that pins this release.
    pub(super) fn manifest(&self) -> String {
        format!("# A comment.\nversion 1.2.3\nbase {}\n{} {}\n", self.address, target(), sha256(&self.asset))
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Wakes the thread that listens.
        let _ = TcpStream::connect(self.address.trim_start_matches("http://"));
    }
}

pub(super) fn answer(mut stream: TcpStream, asset: &[u8], requests: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let path = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned();
    requests.lock().unwrap().push(path.clone());
    let length = asset.len();
    let found = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    match path.strip_suffix(&asset_name()) {
        Some("/") => {
            stream.write_all(found.as_bytes())?;
            stream.write_all(asset)
        }
        Some(refused) if refused.starts_with("/first-") || refused.starts_with("/always-") => {
            let count = requests.lock().unwrap().iter().filter(|it| **it == path).count();
            if refused.starts_with("/first-") && count > 1 {
                stream.write_all(found.as_bytes())?;
                return stream.write_all(asset);
            }
            let status = refused.trim_matches(|it: char| !it.is_ascii_digit());
            let head = format!("HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(head.as_bytes())
        }
        Some("/stalled/") => {
            stream.write_all(found.as_bytes())?;
            stream.write_all(&asset[..1])?;
            // Until the client goes away.
            stream.read(&mut [0]).map(drop)
        }
        _ => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    }
}

/// What the released binary for this machine is called.
pub(super) fn target() -> String {
    let system = if cfg!(target_os = "macos") { "apple-darwin" } else { "unknown-linux-musl" };
    format!("{}-{system}", std::env::consts::ARCH)
}

pub(super) fn asset_name() -> String {
    format!("agent-task-{}.gz", target())
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is released of a binary.
pub(super) fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = Command::new("gzip").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = gzip.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = gzip.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output.stdout
}

/// A job with one step, which uses the action.
pub(crate) struct Job {
    pub(crate) folder: Arc<Folder>,
    pub(super) action: Manifest,
    pub(super) with: BTreeMap<String, String>,
    pub(super) variables: BTreeMap<String, String>,
}

impl Job {
    /// A job whose action is at a commit with this `dist/manifest.txt`.
    pub(crate) fn new(manifest: &str) -> Self {
        let folder = Arc::new(Folder::new());
        folder.write("action/action.yml", text_of_action());
        folder.write("action/dist/manifest.txt", manifest);
        for name in ["dist/install.sh", "dist/run.sh", "dist/platforms.txt"] {
            folder.write(&format!("action/{name}"), std::fs::read(committed().join(name)).unwrap());
        }
        std::fs::create_dir_all(folder.0.join("action/src")).unwrap();
        folder.write("action/src/main.rs", "fn main() {}\n");
        folder.write("action/Cargo.lock", "# No crates.\n");
        folder.write("action/build.rs", "fn main() {}\n");
        folder.write("action/Cargo.toml", "[package]\nname = \"agent-task\"\nversion = \"1.2.3\" # a comment\n");
        let action = serde_saphyr::from_str::<Manifest>(&folder.read("action/action.yml")).unwrap();
        let variables = [
            ("GITHUB_ACTION", "__octo_agent-task"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_ACTION_PATH", &folder.path("action")),
            ("GITHUB_REPOSITORY", "octo/app"),
            ("GITHUB_STEP_SUMMARY", &folder.path("runner/summary")),
            ("GITHUB_WORKSPACE", &folder.path("workspace")),
            ("HOME", &folder.path("runner")),
            ("PATH", &format!("{}:{USUAL}", folder.path("bin"))),
            ("RUNNER_TEMP", &folder.path("temp")),
            ("RUNNER_TOOL_CACHE", &folder.path("cache")),
            ("TMPDIR", &folder.path("tmp")),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        // No test waits for a network to come back.
        folder.write_program("bin/sleep", "#!/bin/sh\n");
        Self { folder, action, with: BTreeMap::new(), variables }
    }

    /// One that runs the real program, without installing it, against this door.
    pub(super) fn at(door: &Door) -> Self {
        let job = Self::new("").with("binary-path", binary().to_str().unwrap());
        job.with("binary-verify", "false").starting_at(door)
    }

    /// What a workflow writes to start a task and wait for it.
    pub(super) fn starting_at(self, door: &Door) -> Self {
        let job = self.with("token", TOKEN).with("prompt", "Prepare the release").with("wait", "true");
        job.with("poll-interval", "20ms").with("github-api-url", &door.address)
    }

    pub(crate) fn with(mut self, input: &str, value: &str) -> Self {
        assert!(self.action.inputs.contains_key(input), "{input}");
        self.with.insert(input.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same on a machine with a few tools only.
    pub(super) fn tools(self, names: &[&str]) -> Self {
        for name in BASIC.iter().chain(names) {
            let tool = tool(name).unwrap_or_else(|| panic!("there is no {name} on this machine"));
            std::os::unix::fs::symlink(tool, self.folder.0.join("bin").join(name)).unwrap();
        }
        let bin = self.folder.path("bin");
        self.variable("PATH", &bin)
    }

    /// The same on a machine whose tools are all BusyBox's, as in a container of Alpine.
    pub(super) fn busybox(self, busybox: &Path) -> Self {
        let listed = Command::new(busybox).arg("--list").output().unwrap();
        for name in String::from_utf8(listed.stdout).unwrap().lines() {
            let link = self.folder.0.join("bin").join(name);
            // A tool of the test's own stays.
            if !link.exists() {
                std::os::unix::fs::symlink(busybox, link).unwrap();
            }
        }
        let bin = self.folder.path("bin");
        self.variable("PATH", &bin)
    }

    /// The same if this shell is called `sh`.
    pub(super) fn shell(self, shell: &Path) -> Self {
        std::os::unix::fs::symlink(shell, self.folder.0.join("bin/sh")).unwrap();
        self
    }

    #[track_caller]
    pub(super) fn run(&self) -> Ran {
        self.run_and_interrupt("", || true)
    }

    /// Runs it all, and sends SIGINT to the entry process of a step, as a cancelled workflow does, once it is time.
    #[track_caller]
    pub(crate) fn run_and_interrupt(&self, interrupted: &str, is_time: impl Fn() -> bool) -> Ran {
        let folder = &self.folder;
        let defaults = self.action.inputs.iter().map(|(name, input)| (name.clone(), input.default.clone()));
        let mut inputs = defaults.collect::<BTreeMap<_, _>>();
        inputs.extend(self.with.clone());
        let mut outputs = BTreeMap::<String, BTreeMap<String, String>>::new();
        let look_up = |operand: &Operand<'_>, outputs: &BTreeMap<String, BTreeMap<String, String>>| match *operand {
            Operand::Input(name) => inputs[name].clone(),
            Operand::Output { step, name } => {
                outputs.get(step).and_then(|outputs| outputs.get(name)).cloned().unwrap_or_default()
            }
        };
        let mut codes = Vec::new();
        let mut log = String::new();
        let system = if cfg!(target_os = "macos") { "macOS" } else { "Linux" };
        for step in &self.action.runs.steps {
            if codes.iter().any(|code| *code != Some(0)) {
                break;
            }
            let id = &step.id;
            let (script, output) = (format!("runner/{id}.sh"), format!("runner/{id}.output"));
            let [shell, run] = shell_and_script(step, system);
            folder.write(&script, run);
            folder.write(&output, "");
            let file = File::create(folder.0.join(format!("runner/{id}.log"))).unwrap();
            let mut command = match shell {
                // Tests that run in the background may ignore SIGINT, and a shell cannot undo that; a runner's
                // shells heed it.
                "sh" if cfg!(target_os = "linux") => {
                    let mut command = Command::new("/usr/bin/env");
                    command.args(["--default-signal=INT", "sh"]);
                    command
                }
                "sh" => Command::new("sh"),
                shell => panic!("how does the runner call {shell}?"),
            };
            command.arg("-e").arg(folder.path(&script)).env_clear().envs(&self.variables);
            command.env("GITHUB_OUTPUT", folder.path(&output));
            command.envs(step.env.iter().map(|(name, value)| (name, evaluate(value, |it| look_up(it, &outputs)))));
            command.current_dir(&self.variables["GITHUB_WORKSPACE"]).stdin(Stdio::null());
            let mut child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
            let began = Instant::now();
            let mut interrupted_at = None;
            let code = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break status.code();
                }
                if interrupted_at.is_none() && id == interrupted && is_time() {
                    let pid = child.id().to_string();
                    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
                    interrupted_at = Some(Instant::now());
                }
                if began.elapsed() > PATIENCE {
                    child.kill().unwrap();
                }
                std::thread::sleep(Duration::from_millis(2));
            };
            if let Some(at) = interrupted_at {
                assert!(at.elapsed() < AT_ONCE, "it took {:?}", at.elapsed());
            }
            log.push_str(&folder.read(&format!("runner/{id}.log")));
            codes.push(code);
            // They are read on every way out.
            outputs.insert(id.clone(), read_outputs(&folder.read(&output)));
        }
        let value = |output: &Output| evaluate(&output.value, |it| look_up(it, &outputs));
        let handed_on = self.action.outputs.iter().map(|(name, output)| (name.clone(), value(output)));
        let path = outputs["install"].get(PATH).cloned().unwrap_or_default();
        Ran { folder: Arc::clone(folder), codes, log, path, outputs: handed_on.collect() }
    }
}

/// The shells of this machine that may go by the name of `sh` on another.
pub(super) fn shells() -> Vec<PathBuf> {
    let shells = ["dash", "bash", "busybox", "sh"].into_iter().filter_map(tool).collect::<Vec<_>>();
    assert!(!shells.is_empty());
    shells
}

/// Where a tool is on this machine.
pub(super) fn tool(name: &str) -> Option<PathBuf> {
    USUAL.split(':').map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// Reads outputs as the runner does, and panics where it would fail the step,
/// <https://github.com/actions/runner/blob/main/src/Runner.Worker/FileCommandManager.cs>.
pub(crate) fn read_outputs(text: &str) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.split_inclusive('\n').filter(|line| *line != "\n" || text.contains("<<"));
    while let Some(line) = lines.next() {
        let line = line.trim_end_matches('\n');
        let (name, value) = match (line.find("<<"), line.find('=')) {
            (Some(at), equals) if equals.is_none_or(|equals| at < equals) => {
                let delimiter = &line[at + 2..];
                assert!(!delimiter.is_empty(), "bad line: {line}");
                let is_end = |line: &&str| line.trim_end_matches('\n') == delimiter;
                let mut value = String::new();
                loop {
                    let line = lines.next().unwrap_or_else(|| panic!("no {delimiter}"));
                    if is_end(&line) {
                        break;
                    }
                    assert!(line.ends_with('\n'), "no line end: {line}");
                    value.push_str(line);
                }
                (&line[..at], value.strip_suffix('\n').unwrap_or_default().to_owned())
            }
            (_, Some(at)) => (&line[..at], line[at + 1..].to_owned()),
            (_, None) if line.is_empty() => continue,
            _ => panic!("bad line: {line}"),
        };
        assert!(!name.is_empty(), "bad line: {line}");
        outputs.insert(name.to_owned(), value);
    }
    outputs
}

/// What happened to a job.
pub(crate) struct Ran {
    pub(super) folder: Arc<Folder>,
    pub(crate) codes: Vec<Option<i32>>,
    pub(crate) log: String,
    pub(super) path: String,
    pub(crate) outputs: BTreeMap<String, String>,
}

impl Ran {
    /// Checks how the steps ended that ran.
    #[track_caller]
    pub(super) fn exits(&self, codes: &[i32]) -> &Self {
        assert_eq!(self.codes, codes.iter().copied().map(Some).collect::<Vec<_>>(), "{}", self.log);
        self
    }

    #[track_caller]
    pub(super) fn gives(&self, name: &str, value: &str) -> &Self {
        assert_eq!(self.outputs[name], value, "{name}:\n{}", self.log);
        self
    }

    #[track_caller]
    pub(super) fn says(&self, part: &str) -> &Self {
        assert!(self.log.contains(part), "{part} in\n{}", self.log);
        self
    }

    #[track_caller]
    pub(super) fn annotates_nothing(&self) -> &Self {
        let any = ["::error", "::warning", "::notice"].iter().any(|begin| self.log.contains(begin));
        assert!(!any, "{}", self.log);
        self
    }

    /// Checks that the program was not installed, that the log has one annotation and nothing else, and that this
    /// has the words of the snapshot.
    #[track_caller]
    pub(super) fn refuses(&self, snapshot: &str) -> &Self {
        self.exits(&[1]).gives("task-id", "");
        assert!(self.log.starts_with("::error title=agent-task was not installed::"), "{}", self.log);
        assert_eq!((self.log.lines().count(), self.path.as_str()), (1, ""), "{}", self.log);
        insta::assert_snapshot!(format!("install_{snapshot}"), self.general());
        self
    }

    /// The log without what differs from run to run and from machine to machine.
    pub(super) fn general(&self) -> String {
        let mut log = self.log.replace(&self.folder.path(""), "[folder]/").replace(&target(), "[target]");
        for (pattern, general) in [
            ("[0-9a-f]{64}", "[sha256]"),
            (r"(127\.0\.0\.1):[0-9]+", "$1:[port]"),
            (r"\((curl|wget|gzip|openssl|shasum): [^\n]*?\)([.;,])", "([tool])$2"),
            ("(Linux|Darwin)(/| on )[a-z0-9_]+", "[machine]"),
        ] {
            log = regex_lite::Regex::new(pattern).unwrap().replace_all(&log, general).into_owned();
        }
        log
    }
}

/// GitHub by the book, where each new task goes this way.
pub(super) fn world(script: Script) -> Simulator {
    let simulator = Simulator::new();
    simulator.settings(|settings| *settings = Settings::documented());
    simulator.default_script(script);
    simulator
}

/// A task that has opened a pull request and completed as soon as it exists.
pub(super) fn with_pull() -> Script {
    Script::new().state("in_progress", Duration::ZERO).pull().state("completed", Duration::ZERO)
}

/// Checks that a failed installation has left no file and no folder.
#[track_caller]
pub(super) fn is_clean(job: &Job) {
    for name in ["cache", "temp", "tmp"] {
        assert_eq!(job.folder.files(name), Vec::<PathBuf>::new());
    }
}
