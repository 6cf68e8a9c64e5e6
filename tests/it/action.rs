//! `action.yml` as the runner takes it: inputs and their defaults, each step's `env`, its script under the runner's
//! own shell line, its outputs, and the action's. The release and GitHub are served over loopback.
//!
//! The expressions that are understood here are those that `action.yml` uses; any other fails the test that meets it.
//! How the runner does each thing: <https://github.com/actions/runner/tree/main/src/Runner.Worker>, `Handlers` above
//! all.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test plays the runner, whose files and processes these are"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use agent_task::inputs::table::{INPUTS, Input, RENAMED};
use agent_task::report::outputs::OUTPUTS;
use serde::Deserialize;

/// The inputs that are for the installer, with their defaults.
pub(crate) const INSTALLER: [(&str, &str); 3] =
    [("binary-base-url", ""), ("binary-path", ""), ("binary-verify", "true")];
/// What an installer hands on.
const PATH: &str = "path";
/// The variable by which it reaches the step that runs the program.
const BINARY: &str = "BIN";

/// `action.yml`, of which nothing is ignored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    name: String,
    description: String,
    branding: BTreeMap<String, String>,
    inputs: BTreeMap<String, Declared>,
    outputs: BTreeMap<String, Output>,
    runs: Runs,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    description: String,
    #[serde(default)]
    default: String,
    #[serde(default, rename = "deprecationMessage")]
    deprecation_message: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    description: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Runs {
    using: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    name: String,
    id: String,
    shell: String,
    run: String,
    env: BTreeMap<String, String>,
}

impl Step {
    /// Whether this is the program's own step.
    fn runs_the_program(&self) -> bool {
        self.env.contains_key(BINARY)
    }

    /// The shell on a system, and the script that it runs there.
    fn on(&self, system: &str) -> [&str; 2] {
        [&self.shell, &self.run]
            .map(|text| choice(text).unwrap_or_else(|why| panic!("{why}"))[usize::from(system != "Windows")])
    }
}

/// The two constants that an expression chooses between, for Windows and for all other systems.
fn choice(text: &str) -> Result<[&str; 2], String> {
    let inner =
        text.trim_end().strip_prefix("${{ runner.os == 'Windows' && '").and_then(|text| text.strip_suffix("' }}"));
    let parts = inner.and_then(|inner| inner.split_once("' || '"));
    let (windows, others) =
        parts.ok_or_else(|| format!("`{text}` is not a choice by system that is understood here"))?;
    Ok([windows, others])
}

/// What an expression reads.
#[derive(Debug, PartialEq, Eq)]
enum Operand<'a> {
    Input(&'a str),
    Output { step: &'a str, name: &'a str },
}

impl<'a> Operand<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        let parts = text.trim().split('.').collect::<Vec<_>>();
        match parts[..] {
            ["inputs", name] => Ok(Self::Input(name)),
            ["steps", step, "outputs", name] => Ok(Self::Output { step, name }),
            _ => Err(format!("`{text}` is no expression that is understood here")),
        }
    }
}

/// The operands of a text that is nothing but one expression, `${{ a || b }}`.
fn operands(text: &str) -> Result<Vec<Operand<'_>>, String> {
    let inner = text.strip_prefix("${{").and_then(|text| text.strip_suffix("}}"));
    let inner = inner.ok_or_else(|| format!("`{text}` is no expression"))?;
    inner.split("||").map(Operand::parse).collect()
}

/// An expression's value: the first operand that is not empty.
fn evaluate(text: &str, look_up: impl Fn(&Operand<'_>) -> String) -> String {
    operands(text).unwrap().iter().map(look_up).find(|value| !value.is_empty()).unwrap_or_default()
}

fn committed() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text_of_action() -> String {
    std::fs::read_to_string(committed().join("action.yml")).unwrap()
}

fn parse(text: &str) -> Manifest {
    serde_saphyr::from_str(text).unwrap()
}

/// The names of the program's inputs, former ones included.
fn served() -> impl Iterator<Item = &'static str> {
    INPUTS.iter().map(|input| input.name).chain(RENAMED.iter().map(|(old, _)| *old))
}

fn variable(input: &str) -> String {
    input.to_uppercase().replace('-', "_")
}

/// Everything that is wrong with an `action.yml` and can be told without running it. The runner tells none of it: to
/// it a name that does not exist is an empty text.
fn faults(text: &str) -> Vec<String> {
    let action: Manifest = match serde_saphyr::from_str(text) {
        Ok(action) => action,
        Err(error) => return vec![error.to_string()],
    };
    let mut faults = Vec::new();
    let mut check = |so: bool, what: &str| {
        if !so {
            faults.push(what.to_owned());
        }
    };
    check(action.runs.using == "composite", "it is not composite");
    check(action.branding.contains_key("icon") && action.branding.contains_key("color"), "it has no branding");
    let texts = [&action.name, &action.description].into_iter();
    let texts = texts.chain(action.inputs.values().map(|input| &input.description));
    let texts = texts.chain(action.outputs.values().map(|output| &output.description));
    for text in texts.chain(action.runs.steps.iter().map(|step| &step.name)) {
        check(!text.is_empty() && !text.contains("${{"), &format!("`{text}` is no text for a person"));
    }

    let inputs = action.inputs.iter().map(|(name, input)| (name.as_str(), input.default.as_str()));
    let current = INPUTS.iter().map(|input| (input.name, input.default));
    let wanted = current.chain(RENAMED.iter().map(|(old, _)| (*old, ""))).chain(INSTALLER);
    check(inputs.collect::<BTreeSet<_>>() == wanted.collect(), "the inputs are not those of the program");
    for Input { name, help, .. } in INPUTS {
        let described = action.inputs.get(*name).map(|input| input.description.as_str());
        check(described == Some(help), &format!("input `{name}` is described otherwise than in the table"));
    }
    for (old, new) in RENAMED {
        let message = action.inputs.get(old).and_then(|input| input.deprecation_message.as_deref());
        check(message.is_some_and(|message| message.contains(new)), &format!("input `{old}` does not name `{new}`"));
    }
    let outputs = action.outputs.keys().map(String::as_str).collect::<BTreeSet<_>>();
    check(outputs == OUTPUTS.into(), "the outputs are not those of the program");

    let steps = &action.runs.steps;
    let programs = steps.iter().filter(|step| step.runs_the_program()).map(|step| step.id.as_str());
    let programs = programs.collect::<Vec<_>>();
    for (name, output) in &action.outputs {
        let wanted = programs.iter().map(|step| Operand::Output { step, name }).collect();
        check(operands(&output.value) == Ok(wanted), &format!("output `{name}`: {}", output.value));
    }
    for step in steps {
        let id = &step.id;
        check(steps.iter().filter(|other| other.id == *id).count() == 1, &format!("step `{id}` is there twice"));
        let mapped = step.env.iter().filter(|(variable, _)| *variable != BINARY);
        let mapped = mapped.map(|(variable, value)| (variable.clone(), operands(value)));
        let wanted = |name: &str, prefix: &str| format!("{prefix}{}", variable(name));
        let wanted = if step.runs_the_program() {
            served().map(|name| (wanted(name, "INPUT_"), Ok(vec![Operand::Input(name)]))).collect()
        } else {
            INSTALLER.map(|(name, _)| (wanted(name, ""), Ok(vec![Operand::Input(name)]))).into()
        };
        check(mapped.collect::<BTreeMap<_, _>>() == wanted, &format!("step `{id}` does not get the inputs"));
    }
    match &steps[..] {
        [install, run] if !install.runs_the_program() && run.runs_the_program() => {
            let wanted = vec![Operand::Output { step: &install.id, name: PATH }];
            check(operands(&run.env[BINARY]) == Ok(wanted), "where is the binary?");
        }
        _ => check(false, "not one step that installs and then one that runs"),
    }
    let windows = "powershell -NoProfile -ExecutionPolicy Bypass -Command \". ''{0}''\"";
    for (step, script) in steps.iter().zip(["install", "run"]) {
        check(choice(&step.shell) == Ok([windows, "sh"]), &format!("step `{}` has the wrong shells", step.id));
        let on_windows = format!("& \"$env:GITHUB_ACTION_PATH/dist/{script}.ps1\"; exit $LASTEXITCODE");
        let elsewhere = format!("exec sh \"$GITHUB_ACTION_PATH/dist/{script}.sh\"");
        check(choice(&step.run) == Ok([&on_windows, &elsewhere]), &format!("step `{}` runs the wrong script", step.id));
    }
    faults
}

#[test]
fn the_action_has_what_the_program_has() {
    assert_eq!(faults(&text_of_action()), [""; 0]);
}

#[test]
fn a_slip_in_the_action_is_caught() {
    let text = text_of_action();
    for (right, wrong) in [
        // An input: declared, mapped, named; and its default.
        ("\n  base-ref:\n", "\n  base-reff:\n"),
        ("INPUT_BASE_REF: ", "INPUT_BASE_REFF: "),
        ("${{ inputs.base-ref }}", "${{ inputs.base-reff }}"),
        ("${{ inputs.base-ref }}", "${{ input.base-ref }}"),
        ("        INPUT_BASE_REF: ${{ inputs.base-ref }}\n", ""),
        ("${{ inputs.base-ref }}", "${{ inputs.head-ref }}"),
        ("default: '75m'", "default: '57m'"),
        ("BINARY_VERIFY: ", "BINARY_VERFIY: "),
        // An output.
        ("\n  task-url:\n", "\n  task-ulr:\n"),
        ("steps.run.outputs.task-url", "steps.run.outputs.task-ulr"),
        ("steps.install.outputs.path", "steps.install.outputs.paht"),
        // A step's id, where it is given and where it is named.
        ("id: run\n", "id: runs\n"),
        ("id: run\n", "id: install\n"),
        ("steps.run.outputs.task-url", "steps.runs.outputs.task-url"),
        // What must not be.
        ("exec sh \"$GITHUB_ACTION_PATH", "exec sh \"${{ github.action_path }}"),
        ("        BINARY_PATH: ", "        TOKEN: ${{ inputs.token }}\n        BINARY_PATH: "),
        ("runner.os == 'Windows'", "runner.os == 'windows'"),
        ("|| 'sh' }}", "|| 'bash' }}"),
        ("dist/run.ps1", "dist/install.ps1"),
        ("\n      run: >-", "\n      timeout-minutes: 5\n      run: >-"),
    ] {
        assert!(text.contains(right), "{right}");
        assert!(!faults(&text.replacen(right, wrong, 1)).is_empty(), "{right} → {wrong}");
    }
}

#[cfg(unix)]
pub(crate) mod on_a_runner {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    use simulator::{Script, Settings, Simulator, serve};
    use tokio::net::TcpSocket;
    use tokio::runtime::Runtime;

    use super::*;

    const TOKEN: &str = "github_pat_simulated";
    /// How long anything may take before a test gives up on it. Nothing here takes a tenth of it.
    const PATIENCE: Duration = Duration::from_secs(60);
    /// How soon an interrupted step is gone. The runner grants 7.5 seconds.
    const AT_ONCE: Duration = Duration::from_secs(2);
    /// The tools of a usual machine.
    pub(crate) const USUAL: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
    /// The tools that the installer takes for granted.
    const BASIC: [&str; 13] =
        ["sh", "uname", "mkdir", "mktemp", "chmod", "mv", "rm", "rmdir", "sed", "tr", "dd", "gzip", "env"];
    /// What is released where the real program would only be slow: it leaves one output.
    const SMALL: &[u8] = b"#!/bin/sh\nprintf 'task-id=small\\n' >>\"$GITHUB_OUTPUT\"\n";

    /// A folder that is gone when nobody holds it any more.
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
        fn files(&self, name: &str) -> Vec<PathBuf> {
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
    struct Door {
        address: String,
        runtime: Option<Runtime>,
    }

    impl Door {
        fn open(simulator: &Simulator) -> Self {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            runtime.spawn(serve(listener, simulator.clone()));
            Self { address, runtime: Some(runtime) }
        }
    }

    impl Drop for Door {
        fn drop(&mut self) {
            // Some answers are still held back; nobody waits for them.
            self.runtime.take().unwrap().shutdown_background();
        }
    }

    /// A release over loopback, which counts what is asked of it.
    struct Release {
        address: String,
        asset: Vec<u8>,
        requests: Arc<Mutex<Vec<String>>>,
        closed: Arc<AtomicBool>,
    }

    impl Release {
        /// One that has this file for this machine, and under `/stalled` begins to send it and does not go on.
        fn of(asset: &[u8]) -> Self {
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

        fn requests(&self) -> Vec<String> {
            self.requests.lock().unwrap().clone()
        }

        /// The manifest of a commit that pins this release.
        fn manifest(&self) -> String {
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

    fn answer(mut stream: TcpStream, asset: &[u8], requests: &Mutex<Vec<String>>) -> std::io::Result<()> {
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
    fn target() -> String {
        let system = if cfg!(target_os = "macos") { "apple-darwin" } else { "unknown-linux-musl" };
        format!("{}-{system}", std::env::consts::ARCH)
    }

    fn asset_name() -> String {
        format!("agent-task-{}.gz", target())
    }

    fn sha256(bytes: &[u8]) -> String {
        let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What is released of a binary.
    fn packed(bytes: &[u8]) -> Vec<u8> {
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
        action: Manifest,
        with: BTreeMap<String, String>,
        variables: BTreeMap<String, String>,
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
            folder.write("action/Cargo.toml", "[package]\nname = \"agent-task\"\nversion = \"1.2.3\" # a comment\n");
            let action = parse(&folder.read("action/action.yml"));
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
            // Nobody waits here for a network to come back.
            folder.write_program("bin/sleep", "#!/bin/sh\n");
            Self { folder, action, with: BTreeMap::new(), variables }
        }

        /// One that runs the real program, without installing it, against this door.
        fn at(door: &Door) -> Self {
            let job = Self::new("").with("binary-path", env!("CARGO_BIN_EXE_agent-task"));
            job.with("binary-verify", "false").starting_at(door)
        }

        /// What a workflow writes to start a task and wait for it.
        fn starting_at(self, door: &Door) -> Self {
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
        fn tools(self, names: &[&str]) -> Self {
            for name in BASIC.iter().chain(names) {
                let tool = tool(name).unwrap_or_else(|| panic!("there is no {name} on this machine"));
                std::os::unix::fs::symlink(tool, self.folder.0.join("bin").join(name)).unwrap();
            }
            let bin = self.folder.path("bin");
            self.variable("PATH", &bin)
        }

        /// The same where this shell is called `sh`.
        fn shell(self, shell: &Path) -> Self {
            std::os::unix::fs::symlink(shell, self.folder.0.join("bin/sh")).unwrap();
            self
        }

        #[track_caller]
        fn run(&self) -> Ran {
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
                let [shell, run] = step.on(system);
                folder.write(&script, run);
                folder.write(&output, "");
                let file = File::create(folder.0.join(format!("runner/{id}.log"))).unwrap();
                let mut command = match shell {
                    // Whoever started these tests in the background may have them ignore SIGINT, and a shell cannot
                    // undo that; a runner's shells heed it.
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
    fn shells() -> Vec<PathBuf> {
        let shells = ["dash", "bash", "busybox", "sh"].into_iter().filter_map(tool).collect::<Vec<_>>();
        assert!(!shells.is_empty());
        shells
    }

    /// Where a tool is on this machine.
    fn tool(name: &str) -> Option<PathBuf> {
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

    /// What became of a job.
    pub(crate) struct Ran {
        folder: Arc<Folder>,
        pub(crate) codes: Vec<Option<i32>>,
        pub(crate) log: String,
        path: String,
        pub(crate) outputs: BTreeMap<String, String>,
    }

    impl Ran {
        /// Checks how the steps ended that ran.
        #[track_caller]
        fn exits(&self, codes: &[i32]) -> &Self {
            assert_eq!(self.codes, codes.iter().copied().map(Some).collect::<Vec<_>>(), "{}", self.log);
            self
        }

        #[track_caller]
        fn gives(&self, name: &str, value: &str) -> &Self {
            assert_eq!(self.outputs[name], value, "{name}:\n{}", self.log);
            self
        }

        #[track_caller]
        fn says(&self, part: &str) -> &Self {
            assert!(self.log.contains(part), "{part} in\n{}", self.log);
            self
        }

        #[track_caller]
        fn annotates_nothing(&self) -> &Self {
            let any = ["::error", "::warning", "::notice"].iter().any(|begin| self.log.contains(begin));
            assert!(!any, "{}", self.log);
            self
        }

        /// Checks that the program was not installed, that the log has one annotation and nothing else, and that this
        /// has the words of the snapshot.
        #[track_caller]
        fn refuses(&self, snapshot: &str) -> &Self {
            self.exits(&[1]).gives("task-id", "");
            assert!(self.log.starts_with("::error title=agent-task was not installed::"), "{}", self.log);
            assert_eq!((self.log.lines().count(), self.path.as_str()), (1, ""), "{}", self.log);
            insta::assert_snapshot!(format!("install_{snapshot}"), self.general());
            self
        }

        /// The log without what differs from run to run and from machine to machine.
        fn general(&self) -> String {
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
    fn world(script: Script) -> Simulator {
        let simulator = Simulator::new();
        simulator.settings(|settings| *settings = Settings::documented());
        simulator.default_script(script);
        simulator
    }

    /// A task that has opened a pull request and completed as soon as it exists.
    fn with_pull() -> Script {
        Script::new().state("in_progress", Duration::ZERO).pull().state("completed", Duration::ZERO)
    }

    /// Checks that a failed installation has left no file and no folder.
    #[track_caller]
    fn is_clean(job: &Job) {
        for name in ["cache", "temp", "tmp"] {
            assert_eq!(job.folder.files(name), Vec::<PathBuf>::new());
        }
    }

    #[test]
    fn a_cold_job_starts_a_task_and_a_warm_one_waits_for_it() {
        let program = std::fs::read(env!("CARGO_BIN_EXE_agent-task")).unwrap();
        let release = Release::of(&program);
        let simulator = world(with_pull());
        let door = Door::open(&simulator);
        let cold = Job::new(&release.manifest()).starting_at(&door).with("create-pull-request", "true");
        let ran = cold.run();
        let id = &simulator.tasks()[0].id;
        ran.exits(&[0, 0]).annotates_nothing().says("checked, fetched").says("concluded: success");
        ran.gives("task-id", id).gives("conclusion", "success").gives("pull-request-number", "12");
        ran.gives("created", "true").gives("started", "1").gives("error-message", "");
        assert_eq!(release.requests(), [format!("/{}", asset_name())]);
        assert!(cold.folder.read("runner/summary").contains("✅ Agent task completed"));
        // One file, under the hash that it was pinned by, in the tool cache.
        let manifest = release.manifest();
        let place = cold.folder.0.join("cache/agent-task/1.2.3").join(sha256(&program)).join("agent-task");
        assert_eq!((cold.folder.files("cache"), ran.path.as_str()), (vec![place.clone()], place.to_str().unwrap()));

        let warm = Job::new(&manifest).variable("RUNNER_TOOL_CACHE", &cold.folder.path("cache"));
        let warm = warm.starting_at(&door).with("prompt", "").with("command", "wait");
        let again = warm.with("task-id", &ran.outputs["results"]).run();
        again.exits(&[0, 0]).annotates_nothing().says("checked, from the cache");
        again.gives("task-id", id).gives("created", "false").gives("pull-request-number", "12");
        assert_eq!((again.path, release.requests().len()), (ran.path, 1));
    }

    #[test]
    fn a_failing_conclusion_fails_the_action_and_leaves_its_outputs() {
        let simulator = world(Script::new().state("failed", Duration::ZERO));
        let door = Door::open(&simulator);
        let ran = Job::at(&door).run();
        ran.exits(&[0, 1]).says("::error title=Task failed::");
        ran.gives("task-id", &simulator.tasks()[0].id).gives("conclusion", "failure").gives("failed", "1");
        let refused = Job::at(&door).with("wait-timeout", "15").run();
        refused.exits(&[0, 2]).gives("task-id", "").gives("results", "[]");
        assert!(refused.outputs["error-message"].contains("wait-timeout: expected a duration with a unit"));
    }

    #[test]
    fn an_interrupt_reaches_the_program_and_its_outputs_are_kept() {
        let simulator = world(Script::new().state("in_progress", Duration::ZERO));
        let door = Door::open(&simulator);
        let job = Job::at(&door);
        let folder = Arc::clone(&job.folder);
        let ran = job.run_and_interrupt("run", || folder.read("runner/summary").contains("`in_progress`"));
        ran.exits(&[0, 130]).gives("task-id", &simulator.tasks()[0].id).gives("conclusion", "");
        assert!(ran.outputs["error-message"].contains("nterrupt"), "{:?}", ran.outputs);
    }

    #[test]
    fn an_interrupt_ends_a_download_at_once_and_leaves_nothing() {
        let release = Release::of(SMALL);
        let stalled = format!("{}/stalled", release.address);
        let job = Job::new(&release.manifest()).with("binary-base-url", &stalled);
        let ran = job.run_and_interrupt("install", || !release.requests().is_empty());
        ran.exits(&[130]).annotates_nothing();
        is_clean(&job);
    }

    #[test]
    fn inputs_of_others_do_not_leak_in_and_the_token_does_not_leak_out() {
        let release = Release::of(SMALL);
        let job = Job::new(&release.manifest()).with("token", TOKEN);
        job.folder
            .write_program("bin/uname", "#!/bin/sh\nenv >\"$RUNNER_TEMP/seen\"\nPATH=/usr/bin:/bin uname \"$@\"\n");
        job.run().exits(&[0, 0]);
        let seen = job.folder.read("temp/seen");
        assert!(seen.contains("BINARY_VERIFY=true") && !seen.contains(TOKEN) && !seen.contains("INPUT_"), "{seen}");

        let door = Door::open(&world(with_pull()));
        for shell in shells() {
            let mut job = Job::at(&door).shell(&shell).with("dry-run", "true");
            job = job.with("prompt", "Mine\nINPUT_PROMPT=x\nINPUT_TOKEN=x\n$(exit 9)");
            for (name, value) in [
                ("INPUT_POLICY", "not available yet"),
                ("INPUT_BASE-REF", "no ref"),
                ("INPUT_base_ref", "no ref"),
                ("INPUT_HEAD_REF", "no ref"),
                ("INPUT_PROMPT", "theirs"),
                ("INPUT_COLOUR", "unknown"),
            ] {
                job = job.variable(name, value);
            }
            let ran = job.run();
            ran.exits(&[0, 0]).annotates_nothing();
            ran.says(r#"{"prompt":"Mine\nINPUT_PROMPT=x\nINPUT_TOKEN=x\n$(exit 9)"#);
        }
    }

    #[test]
    fn any_shell_will_do() {
        for shell in shells() {
            let release = Release::of(SMALL);
            let job = || Job::new(&release.manifest()).shell(&shell);
            let cold = job();
            cold.run().exits(&[0, 0]).gives("task-id", "small").says("fetched");
            cold.run().exits(&[0, 0]).gives("task-id", "small").says("from the cache");
            let absent = job().with("binary-base-url", &format!("{}/none", release.address));
            absent.run().refuses("absent");
            is_clean(&absent);
            let stalled = job().with("binary-base-url", &format!("{}/stalled", release.address));
            stalled.run_and_interrupt("install", || release.requests().len() == 3).exits(&[130]).annotates_nothing();
            is_clean(&stalled);
            let simulator = world(Script::new().state("in_progress", Duration::ZERO));
            let door = Door::open(&simulator);
            let waiting = Job::at(&door).shell(&shell);
            let folder = Arc::clone(&waiting.folder);
            let ran = waiting.run_and_interrupt("run", || folder.read("runner/summary").contains("`in_progress`"));
            ran.exits(&[0, 130]).gives("task-id", &simulator.tasks()[0].id);
        }
    }

    #[test]
    fn a_cached_file_that_was_changed_is_fetched_again() {
        let release = Release::of(SMALL);
        let job = Job::new(&release.manifest());
        let path = job.run().exits(&[0, 0]).gives("task-id", "small").path.clone();
        std::fs::write(&path, "#!/bin/sh\necho tampered\n").unwrap();
        let ran = job.run();
        ran.exits(&[0, 0]).gives("task-id", "small").says("fetched");
        assert_eq!((ran.path.as_str(), release.requests().len()), (path.as_str(), 2));
        assert_eq!((std::fs::read(&path).unwrap().as_slice(), job.folder.files("cache").len()), (SMALL, 1));
    }

    #[test]
    fn a_file_with_another_hash_is_thrown_away() {
        let (release, tampered) = (Release::of(SMALL), Release::of(b"#!/bin/sh\necho tampered\n"));
        let job = Job::new(&release.manifest()).with("binary-base-url", &tampered.address);
        let ran = job.run();
        ran.refuses("tampered");
        is_clean(&job);
        assert_eq!((release.requests().len(), tampered.requests().len()), (0, 1));
        // And it keeps nothing from working when the right file is there.
        job.with("binary-base-url", &release.address).run().exits(&[0, 0]).gives("task-id", "small");
    }

    #[test]
    fn a_file_that_is_not_there_is_told_after_one_request() {
        let release = Release::of(SMALL);
        let job = Job::new(&release.manifest()).with("binary-base-url", &format!("{}/v%0A1/", release.address));
        job.run().refuses("absent_at_an_odd_address");
        assert_eq!(release.requests(), [format!("/v%0A1/{}", asset_name())]);
        is_clean(&job);
    }

    #[test]
    fn a_network_that_is_not_there_is_told_after_three_attempts() {
        // Nobody listens there, and nobody else can take the port.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let nowhere = format!("http://{}", socket.local_addr().unwrap());
        let job = Job::new(&Release::of(SMALL).manifest()).with("binary-base-url", &nowhere);
        job.run().refuses("no_network");
        is_clean(&job);
    }

    #[test]
    fn an_address_must_be_encrypted_or_of_this_machine() {
        for (address, snapshot) in [
            ("http://192.0.2.1/x", "plain_http"),
            ("http://127.0.0.1:80@192.0.2.1/", "plain_http_with_a_password"),
            ("http://localhost.example/", "plain_http_to_a_name_like_localhost"),
            ("file:///etc", "no_http"),
        ] {
            let job = Job::new(&Release::of(SMALL).manifest()).with("binary-base-url", address);
            job.run().refuses(snapshot);
            is_clean(&job);
        }
    }

    #[test]
    fn a_proxy_is_used() {
        // A proxy gets the whole address; this one takes it for a path that it does not have.
        let release = Release::of(SMALL);
        let job = Job::new(&release.manifest()).with("binary-base-url", "http://localhost:1");
        let ran = job.variable("http_proxy", &release.address).run();
        ran.refuses("absent_behind_a_proxy");
        assert_eq!(release.requests(), [format!("http://localhost:1/{}", asset_name())]);
    }

    /// A cargo that notes how it was called and makes this program, slowly.
    const CARGO: &str = "#!/bin/sh
        printf '%s\\n' \"$* in $PWD, flags=$RUSTFLAGS\" >>\"$RUNNER_TEMP/cargo\"
        mkdir -p \"$CARGO_TARGET_DIR/release\"
        printf '#!/bin/sh\\nprintf \"task-id=built\\\\n\" >>\"$GITHUB_OUTPUT\"\\n' >\"$CARGO_TARGET_DIR/release/agent-task\"
        chmod +x \"$CARGO_TARGET_DIR/release/agent-task\"
        echo 'Compiling agent-task' >&2\n";

    /// The calls of that cargo.
    fn builds(job: &Job) -> usize {
        job.folder.read("temp/cargo").lines().count()
    }

    #[test]
    fn any_other_commit_is_built_once_from_its_sources() {
        for shell in shells() {
            // No release, and one of another version.
            for manifest in
                ["version 0.0.0\nbase none\n".to_owned(), Release::of(SMALL).manifest().replace("1.2.3", "1.2.2")]
            {
                let job = Job::new(&manifest).shell(&shell).variable("RUSTFLAGS", "-D warnings");
                job.folder.write_program("bin/cargo", CARGO);
                let cold = job.run();
                cold.exits(&[0, 0]).gives("task-id", "built").says("Compiling agent-task");
                insta::assert_snapshot!("install_built", cold.general());
                let folder = std::fs::canonicalize(job.folder.0.join("action")).unwrap();
                let called = format!("build --release --locked in {}, flags=\n", folder.display());
                assert_eq!(job.folder.read("temp/cargo"), called);
                let warm = job.run();
                warm.exits(&[0, 0]).gives("task-id", "built");
                insta::assert_snapshot!("install_built_before", warm.general());
                assert_eq!((builds(&job), &warm.path), (1, &cold.path));
                // Other sources, another binary.
                job.folder.write("action/src/main.rs", "fn main() { println!() }\n");
                let changed = job.run();
                changed.exits(&[0, 0]).gives("task-id", "built");
                assert_eq!((builds(&job), job.folder.files("cache").len()), (2, 2));
                assert_ne!(changed.path, cold.path);
            }
        }
    }

    #[test]
    fn builds_side_by_side_share_a_tool_cache() {
        let shared = Folder::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let job = Job::new("version 0.0.0\n").variable("RUNNER_TOOL_CACHE", &shared.path("cache"));
                job.folder.write_program("bin/cargo", CARGO);
                scope.spawn(move || job.run().exits(&[0, 0]).gives("task-id", "built").path.clone());
            }
        });
        assert_eq!(shared.files("cache").len(), 1);
    }

    #[test]
    fn a_commit_without_release_needs_cargo() {
        let job = Job::new("version 0.0.0\n").tools(&["sha256sum", "find", "sort", "xargs", "cat"]);
        job.run().refuses("no_cargo");
        is_clean(&job);
        job.folder.write_program("bin/cargo", "#!/bin/sh\necho 'error: linker `cc` not found' >&2\nexit 101\n");
        let failed = job.run();
        failed.exits(&[1]);
        insta::assert_snapshot!("install_cargo_fails", failed.general());
        is_clean(&job);
        job.folder.write_program("bin/cargo", "#!/bin/sh\n: >\"$RUNNER_TEMP/cargo\"\nexec tail -f /dev/null\n");
        std::os::unix::fs::symlink(tool("tail").unwrap(), job.folder.0.join("bin/tail")).unwrap();
        let ran = job.run_and_interrupt("install", || job.folder.0.join("temp/cargo").exists());
        ran.exits(&[130]);
        std::fs::remove_file(job.folder.0.join("temp/cargo")).unwrap();
        is_clean(&job);
    }

    #[test]
    fn a_machine_without_a_released_binary_builds_one() {
        let release = Release::of(SMALL);
        let job = Job::new(&release.manifest());
        job.folder.write_program("bin/cargo", CARGO);
        let uname = "#!/bin/sh\nif [ \"$1\" = -s ]; then echo Plan9; else echo 'a:b,c'; fi\n";
        job.folder.write_program("bin/uname", uname);
        let ran = job.run();
        ran.exits(&[0, 0])
            .gives("task-id", "built")
            .says("Release 1.2.3 has no binary for Plan9/a:b,c, so cargo builds");
        // A known machine that this release has nothing for.
        let job = Job::new(&release.manifest().replace(&target(), "riscv64-unknown-linux-musl"));
        let job = job.tools(&["sha256sum", "find", "sort", "xargs", "cat"]);
        job.run().refuses("no_binary_for_this_machine");
        assert_eq!(release.requests(), [""; 0]);
    }

    #[test]
    fn any_of_the_known_tools_will_do() {
        let mut tried = 0;
        for (fetcher, hasher) in [("curl", "sha256sum"), ("wget", "openssl"), ("curl", "shasum")] {
            if tool(fetcher).is_none() || tool(hasher).is_none() {
                continue;
            }
            tried += 1;
            let release = Release::of(SMALL);
            let job = Job::new(&release.manifest()).tools(&[fetcher, hasher]);
            job.run().exits(&[0, 0]).gives("task-id", "small");
            job.run().exits(&[0, 0]).says("from the cache");
            assert_eq!(release.requests().len(), 1);
            let job = Job::new(&release.manifest()).tools(&[fetcher, hasher]);
            let job = job.with("binary-base-url", &format!("{}/none", release.address));
            job.run().refuses("absent");
            is_clean(&job);
        }
        assert!(tried > 0);
    }

    #[test]
    fn a_tool_that_is_missing_is_named() {
        let manifest = Release::of(SMALL).manifest();
        let hasher = ["sha256sum", "shasum", "openssl"].into_iter().find(|name| tool(name).is_some()).unwrap();
        for (tools, snapshot) in [(vec![hasher], "no_curl_and_no_wget"), (vec!["curl"], "no_hasher")] {
            let job = Job::new(&manifest).tools(&tools);
            job.run().refuses(snapshot);
            is_clean(&job);
        }
    }

    #[test]
    fn a_full_disk_is_told() {
        let job = Job::new(&Release::of(SMALL).manifest());
        let curl = "#!/bin/sh\necho 'curl: (23) Failure writing output to destination' >&2\nexit 23\n";
        job.folder.write_program("bin/curl", curl);
        // The tool alone does not say that the disk is full.
        job.run().refuses("curl_cannot_write");
        job.folder.write_program("bin/dd", "#!/bin/sh\nexit 1\n");
        job.run().refuses("full_disk");
        is_clean(&job);
    }

    #[test]
    fn a_refusal_may_be_over_in_a_moment() {
        let release = Release::of(SMALL);
        for status in [403, 429, 500, 503] {
            let address = format!("{}/first-{status}", release.address);
            let job = Job::new(&release.manifest()).with("binary-base-url", &address);
            job.run().exits(&[0, 0]).gives("task-id", "small");
        }
        for status in [401, 403, 451] {
            let before = release.requests().len();
            let address = format!("{}/always-{status}", release.address);
            let job = Job::new(&release.manifest()).with("binary-base-url", &address);
            job.run().refuses(&format!("status_{status}"));
            assert_eq!(release.requests().len() - before, if status == 403 { 3 } else { 1 });
            is_clean(&job);
        }
    }

    #[test]
    fn settings_of_the_user_do_not_change_the_download() {
        for fetcher in ["curl", "wget"] {
            let release = Release::of(SMALL);
            let job = Job::new(&release.manifest()).tools(&[fetcher, "sha256sum"]);
            job.folder.write("runner/.curlrc", "include\nfail-with-body\nverbose\nwrite-out = \"::error::by curl\"\n");
            job.folder.write("runner/.wgetrc", "save_headers = on\nverbose = on\nserver_response = on\n");
            let wgetrc = job.folder.path("runner/.wgetrc");
            let job = job.variable("GZIP", "--verbose").variable("WGETRC", &wgetrc);
            let ran = job.run();
            ran.exits(&[0, 0]).gives("task-id", "small");
            insta::assert_snapshot!("install_fetched", ran.general());
        }
    }

    #[test]
    fn a_folder_that_does_not_execute_is_gone_round() {
        // What a file system that is mounted `noexec` does to a program, done here to those of one folder by a shell
        // that cannot be found.
        let release = Release::of(
            b"#!/bin/sh\ncase $0 in */cache/*) exit 126 ;; esac\nprintf 'task-id=small\\n' >>\"$GITHUB_OUTPUT\"\n",
        );
        let job = Job::new(&release.manifest());
        let ran = job.run();
        ran.exits(&[0, 0]).gives("task-id", "small");
        assert!(Path::new(&ran.path).starts_with(job.folder.0.join("temp")), "{}", ran.path);
        assert_eq!(job.folder.files("cache"), Vec::<PathBuf>::new());
        // Also where the file lies there already.
        let seeded = job.folder.path("cache/agent-task/1.2.3");
        std::fs::create_dir_all(&seeded).unwrap();
        std::fs::rename(
            job.folder.0.join("temp/agent-task/1.2.3").join(sha256(&release.asset)),
            format!("{seeded}/{}", sha256(&release.asset)),
        )
        .unwrap();
        let again = job.run();
        again.exits(&[0, 0]).says("fetched");
        assert_eq!(again.path, ran.path);
        job.folder.write_program("workspace/cannot", "#!/no/such/shell\n");
        let own = job.with("binary-path", "cannot").with("binary-verify", "false");
        own.run().refuses("own_binary_that_does_not_execute");
    }

    #[test]
    fn a_tool_cache_that_cannot_be_written_is_gone_round() {
        let release = Release::of(SMALL);
        let job = Job::new(&release.manifest());
        // No user can make a folder below a file, be it root.
        job.folder.write("file", "");
        let below = job.folder.path("file/below");
        let job = job.variable("RUNNER_TOOL_CACHE", &below);
        let ran = job.run();
        ran.exits(&[0, 0]).gives("task-id", "small");
        assert!(Path::new(&ran.path).starts_with(job.folder.0.join("temp")), "{}", ran.path);
        job.run().exits(&[0, 0]).says("from the cache");
        let job = job.variable("RUNNER_TEMP", &below);
        let ran = job.run();
        ran.exits(&[0, 0]).gives("task-id", "small");
        assert!(Path::new(&ran.path).starts_with(job.folder.0.join("tmp")), "{}", ran.path);
        job.variable("TMPDIR", &below).run().refuses("no_folder");
        // A machine that is none of GitHub's may name no tool cache.
        let job = Job::new(&release.manifest()).variable("RUNNER_TOOL_CACHE", "");
        job.run().exits(&[0, 0]).gives("task-id", "small");
        assert_eq!(job.folder.files("temp").len(), 1);
    }

    #[test]
    fn jobs_side_by_side_share_a_tool_cache() {
        let release = Release::of(SMALL);
        let shared = Folder::new();
        let job = || Job::new(&release.manifest()).variable("RUNNER_TOOL_CACHE", &shared.path("cache"));
        std::thread::scope(|scope| {
            for at in 0..6 {
                let job = job();
                // Some of them fail and clean up after themselves in the meantime.
                let (job, fails) =
                    if at % 3 == 2 { (job.with("binary-base-url", "http://[::1]:1"), true) } else { (job, false) };
                scope.spawn(move || {
                    let ran = job.run();
                    if fails && ran.codes == [Some(1)] {
                        ran.refuses("no_network_in_one_job_of_many");
                    } else {
                        ran.exits(&[0, 0]).gives("task-id", "small");
                    }
                });
            }
        });
        assert_eq!(shared.files("cache").len(), 1);
    }

    #[test]
    fn a_binary_of_ones_own_is_checked_unless_said_otherwise() {
        let release = Release::of(SMALL);
        let job = || {
            let job = Job::new(&release.manifest());
            job.folder.write_program("workspace/right", SMALL);
            job.folder.write_program("workspace/wr\nong%", "#!/bin/sh\necho 'task-id=own' >>\"$GITHUB_OUTPUT\"\n");
            job.folder.write("workspace/plain", SMALL);
            job
        };
        let right = job().with("binary-path", "right");
        assert_eq!(right.run().exits(&[0, 0]).gives("task-id", "small").path, right.folder.path("workspace/right"));
        let wrong = job().with("binary-path", "wr\nong%");
        wrong.run().refuses("own_binary_with_another_hash");
        let trusted = wrong.with("binary-verify", "false");
        assert_eq!(
            trusted.run().exits(&[0, 0]).gives("task-id", "own").path,
            trusted.folder.path("workspace/wr\nong%")
        );
        // A path that would end its own value and write another output, and that `env` would take for a variable.
        let forged = "x\nghadelimiter_agent_task\nforged=1";
        let nasty = job().with("binary-path", forged);
        nasty.folder.write_program(&format!("workspace/{forged}"), SMALL);
        let ran = nasty.run();
        ran.exits(&[0, 0]).gives("task-id", "small");
        assert_eq!(ran.path, nasty.folder.path(&format!("workspace/{forged}")));
        job().with("binary-path", "none").run().refuses("own_binary_that_does_not_exist");
        job().with("binary-path", ".").run().refuses("own_binary_that_is_a_folder");
        job().with("binary-path", "plain").run().refuses("own_binary_without_permission");
        job().with("binary-verify", "maybe").run().refuses("verify_is_not_a_boolean");
        // What is fetched is checked in any case.
        let tampered = Release::of(b"#!/bin/sh\n");
        let job = job().with("binary-verify", "false").with("binary-base-url", &tampered.address);
        job.run().refuses("tampered");
        is_clean(&job);
        assert_eq!(release.requests(), [""; 0]);
    }

    #[test]
    fn a_binary_of_ones_own_cannot_be_checked_without_a_release() {
        let job = Job::new("version 0.0.0\nbase none\n");
        job.folder.write_program("workspace/own", SMALL);
        let job = job.with("binary-path", "own");
        job.run().refuses("own_binary_without_release");
        job.with("binary-verify", "false").run().exits(&[0, 0]).gives("task-id", "small");
    }

    #[test]
    fn a_damaged_manifest_leads_nowhere() {
        let release = Release::of(SMALL);
        let right = release.manifest();
        let hash = sha256(SMALL);
        let odd = "1/../2";
        let version = (right.replace("1.2.3", odd), odd);
        for (manifest, version) in
            [version, (right.replace(&hash, &format!("{hash}0")), "1.2.3"), (right.replace(&hash, "../../x"), "1.2.3")]
        {
            assert_ne!(manifest, right);
            let job = Job::new(&manifest);
            job.folder.write("action/Cargo.toml", format!("[package]\nversion = \"{version}\"\n"));
            job.run().refuses("damaged_manifest");
            is_clean(&job);
        }
        assert_eq!(release.requests(), [""; 0]);
    }
}
