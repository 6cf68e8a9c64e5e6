//! The real binary against the simulator over loopback, in real time: what only a whole process can show.
//!
//! A child has no variable but those that its test gives it, a folder of its own and a simulator of its own, so the
//! tests run side by side and in any order. No test hangs on how fast the machine is: where the order of things
//! matters, the test waits for one before it brings about the next.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test plays the runner, whose files and processes these are"
)]

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use agent_task::report::outputs::OUTPUTS;
use serde_json::{Value, json};
use simulator::{
    Call, ExistingTask, Fault, GlobalId, Permission, Repository, Route, Script, Settings, Simulator, Token, serve,
};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

use crate::grammar;

/// The token that every simulator knows.
const TOKEN: &str = "github_pat_simulated";
/// How long anything may take before a test gives up on it. Nothing here takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(60);
/// How soon an interrupted process is gone. It promises one second; the runner grants 7.5.
const AT_ONCE: Duration = Duration::from_secs(2);
/// An error message that tries everything: commands in both forms, another output, HTML, Markdown.
const HOSTILE: &str = "boom\n::set-output name=state::forged\n  ::error::forged\n##[error]forged\r\n\
                       ghadelimiter_x\nstate<<E\nforged\nE\n%0A::add-mask::e <img src=x> `code` | [x](https://x/)";

/// A folder that is gone when nobody holds it any more.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Arc<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("binary-{}-{count}", std::process::id()));
        for name in ["workspace", "temp"] {
            std::fs::create_dir_all(path.join(name)).unwrap();
        }
        Arc::new(Self(path))
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.0.join(name), bytes).unwrap();
    }

    /// A file's text; nothing where there is no file.
    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    /// Every file in it.
    fn files(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.0.clone()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_symlink() || path.is_file() {
                    files.push(path);
                } else {
                    folders.push(path);
                }
            }
        }
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
        ClosedDoor::new().open(simulator)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // Some answers are still held back; nobody waits for them.
        self.runtime.take().unwrap().shutdown_background();
    }
}

/// An address at which nobody listens, and which nobody else can take.
struct ClosedDoor {
    address: String,
    socket: TcpSocket,
}

impl ClosedDoor {
    fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = format!("http://{}", socket.local_addr().unwrap());
        Self { address, socket }
    }

    fn open(self, simulator: &Simulator) -> Door {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = {
            let _inside = runtime.enter();
            self.socket.listen(64).unwrap()
        };
        runtime.spawn(serve(listener, simulator.clone()));
        Door { address: self.address, runtime: Some(runtime) }
    }
}

/// A step that is about to run.
struct Step {
    simulator: Simulator,
    door: Door,
    variables: BTreeMap<String, String>,
    arguments: Vec<String>,
    folder: Arc<Folder>,
}

impl Step {
    /// A step as the runner prepares it, which starts a task in `octo/app`.
    fn new(simulator: &Simulator) -> Self {
        let folder = Folder::new();
        let door = Door::open(simulator);
        let variables = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_ACTOR", "mona"),
            ("GITHUB_API_URL", &door.address),
            ("GITHUB_OUTPUT", &folder.path("output")),
            ("GITHUB_REPOSITORY", "octo/app"),
            ("GITHUB_STEP_SUMMARY", &folder.path("summary")),
            ("GITHUB_WORKSPACE", &folder.path("workspace")),
            ("RUNNER_TEMP", &folder.path("temp")),
            ("INPUT_POLL_INTERVAL", "20ms"),
            ("INPUT_PROMPT", "Prepare the release"),
            ("INPUT_TOKEN", TOKEN),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { simulator: simulator.clone(), door, variables: variables.into(), arguments: Vec::new(), folder }
    }

    /// One that waits for what it starts.
    fn waited(simulator: &Simulator) -> Self {
        Self::new(simulator).input("wait", "true")
    }

    /// One that waits for tasks that were started earlier.
    fn waiting_for(simulator: &Simulator, task_id: &str) -> Self {
        let step = Self::new(simulator).input("command", "wait").input("task-id", task_id);
        step.input("prompt", "")
    }

    fn input(self, name: &str, value: &str) -> Self {
        let name = format!("INPUT_{}", name.to_uppercase().replace('-', "_"));
        self.variable(&name, value)
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same without this variable.
    fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// A file of the workspace, and the input that names it.
    fn prompt_file(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.folder.write(&format!("workspace/{name}"), bytes);
        self.input("prompt", "").input("prompt-file", name)
    }

    /// The same in the folder of a step that ran before it.
    fn after(mut self, ran: &Ran) -> Self {
        let old = std::mem::replace(&mut self.folder, Arc::clone(&ran.folder));
        for value in self.variables.values_mut() {
            *value = value.replace(&old.path(""), &ran.folder.path(""));
        }
        self
    }

    fn spawn(self) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent-task"));
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.variables)
            .current_dir(&self.folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = Stream::of(child.stdout.take().unwrap());
        let stderr = Stream::of(child.stderr.take().unwrap());
        Running { child: Killed(child), stdout, stderr, step: self }
    }

    #[track_caller]
    fn run(self) -> Ran {
        self.spawn().end()
    }

    /// What must be found nowhere.
    fn secrets(&self) -> Vec<&str> {
        ["INPUT_TOKEN", "INPUT_LOOKUP_TOKEN"]
            .iter()
            .filter_map(|name| Some(self.variables.get(*name)?.trim_start_matches("Bearer ")))
            .filter(|secret| !secret.is_empty())
            .collect()
    }

    fn on_a_runner(&self) -> bool {
        self.variables.contains_key("GITHUB_ACTIONS")
    }
}

/// What a child writes, gathered while it runs.
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Stream {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                kept.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { bytes, reader }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    fn whole(self) -> String {
        self.reader.join().unwrap();
        String::from_utf8(std::mem::take(&mut self.bytes.lock().unwrap())).unwrap()
    }
}

/// A child that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It has mostly ended by now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A step on its way.
struct Running {
    child: Killed,
    stdout: Stream,
    stderr: Stream,
    step: Step,
}

impl Running {
    /// Waits until something is so.
    #[track_caller]
    fn until(&mut self, what: &str, mut so: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !so(self) {
            let log = || format!("{}{}", self.stdout.so_far(), self.stderr.so_far());
            assert!(began.elapsed() < PATIENCE, "{what} takes too long:\n{}", log());
            let ended = self.child.0.try_wait().unwrap();
            // It may have become so in the very last moment.
            assert!(ended.is_none() || so(self), "it ended before {what}:\n{}", log());
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// Waits until the log has this in it.
    #[track_caller]
    fn says(&mut self, part: &str) {
        self.until(part, |running| running.stdout.so_far().contains(part));
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let process = self.child.0.id().to_string();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "kill -s \"$0\" \"$1\"", name, &process]);
        assert!(shell.status().unwrap().success());
    }

    /// Sends a signal and waits for the end, which must come at once.
    #[cfg(unix)]
    #[track_caller]
    fn end_by(self, signal: &str) -> Ran {
        let began = Instant::now();
        self.signal(signal);
        let ran = self.end();
        assert!(ran.ended - began < AT_ONCE, "took {:?}", ran.ended - began);
        ran
    }

    /// Waits for the end.
    #[track_caller]
    fn end(mut self) -> Ran {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.0.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "does not end:\n{}", self.stdout.so_far());
            std::thread::sleep(Duration::from_millis(3));
        };
        let ended = Instant::now();
        let Self { stdout, stderr, step, .. } = self;
        let ran = Ran {
            code: status.code(),
            ended,
            stdout: stdout.whole(),
            stderr: stderr.whole(),
            outputs: outputs(&step.folder.read("output")),
            summary: step.folder.read("summary"),
            calls: step.simulator.log(),
            folder: Arc::clone(&step.folder),
        };
        ran.keeps_the_promises(&step);
        ran
    }
}

/// A step that has run.
struct Ran {
    /// None for one that was killed.
    code: Option<i32>,
    ended: Instant,
    stdout: String,
    stderr: String,
    outputs: BTreeMap<String, String>,
    summary: String,
    calls: Vec<Call>,
    folder: Arc<Folder>,
}

impl Ran {
    /// What is so for every step, however it ends.
    #[track_caller]
    fn keeps_the_promises(&self, step: &Step) {
        let stdout = &self.stdout;
        assert_eq!(step.simulator.unexpected(), Vec::<String>::new(), "{stdout}");
        for secret in step.secrets() {
            let mask = format!("::add-mask::{secret}\n");
            let rest = match stdout.find(&mask) {
                Some(at) if step.on_a_runner() => {
                    let before = stdout[..at].lines().all(|line| line.starts_with("::add-mask::"));
                    assert!(before, "the mask comes late:\n{stdout}");
                    stdout.replacen(&mask, "", 1)
                }
                _ => stdout.clone(),
            };
            assert!(!rest.contains(secret), "the log shows the token:\n{stdout}");
            assert!(!self.stderr.contains(secret), "{}", self.stderr);
            for path in self.folder.files() {
                let bytes = std::fs::read(&path).unwrap_or_default();
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "the token is in {}", path.display());
            }
        }
        for line in stdout.lines().chain(self.stderr.lines()) {
            let own = is_own_command(line, &step.secrets()) && step.on_a_runner();
            assert!(own || !may_be_a_command(line), "a command in the log: {line}");
        }
        if !step.arguments.is_empty() {
            return;
        }
        assert_eq!(self.stderr, "", "{stdout}");
        let grave = stdout.lines().any(|line| line.starts_with("::error ") || line.starts_with("error: "));
        assert_eq!(grave, !matches!(self.code, Some(0) | None), "{:?}:\n{stdout}", self.code);
        if step.variables.get("GITHUB_OUTPUT") == Some(&self.folder.path("output")) {
            let mut names = OUTPUTS.to_vec();
            names.sort_unstable();
            let given = self.outputs.keys().map(String::as_str).collect::<Vec<_>>();
            assert_eq!(given, names, "{stdout}");
            let results: Value = serde_json::from_str(&self.outputs["results"]).unwrap();
            let kept = match self.outputs["results-file"].as_str() {
                "" => "[]".to_owned(),
                path => std::fs::read_to_string(path).unwrap(),
            };
            assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), results, "{kept}");
        }
    }

    #[track_caller]
    fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}", self.stdout);
        self
    }

    /// Checks an output.
    #[track_caller]
    fn gives(&self, name: &str, value: &str) -> &Self {
        assert_eq!(self.outputs[name], value, "{name}:\n{}", self.stdout);
        self
    }

    /// Checks that the log, as the runner shows it, has this in it.
    #[track_caller]
    fn says(&self, part: &str) -> &Self {
        assert!(self.stdout.contains(part), "{part} in\n{}", self.stdout);
        self
    }

    /// Checks that there is an error on the run's page with this title and these words.
    #[track_caller]
    fn errs(&self, title: &str, words: &[&str]) -> &Self {
        self.annotates("error", title, words)
    }

    #[track_caller]
    fn annotates(&self, level: &str, title: &str, words: &[&str]) -> &Self {
        let begin = format!("::{level} title=");
        // The runner ends the title at the first colons, and then undoes the escaping.
        let undone = |text: &str| {
            let text = text.replace("%3A", ":").replace("%2C", ",").replace("%0D", "\r").replace("%0A", "\n");
            text.replace("%25", "%")
        };
        let all = self.stdout.lines().filter_map(|line| line.strip_prefix(&begin)?.split_once("::"));
        let message = all.map(|(title, message)| (undone(title), undone(message))).find(|(it, _)| it == title);
        let (_, message) = message.unwrap_or_else(|| panic!("{level} `{title}` in\n{}", self.stdout));
        for word in words {
            assert!(message.contains(word), "{word} in {message}");
        }
        self
    }

    /// Checks that nothing stands on the run's page.
    #[track_caller]
    fn annotates_nothing(&self) -> &Self {
        let any = ["::error ", "::warning ", "::notice "].iter().any(|begin| self.stdout.contains(begin));
        assert!(!any, "{}", self.stdout);
        self
    }

    #[track_caller]
    fn summarises(&self, part: &str) -> &Self {
        assert!(self.summary.contains(part), "{part} in\n{}", self.summary);
        self
    }

    /// Checks how many starts were sent.
    #[track_caller]
    fn posts(&self, count: usize) -> &Self {
        assert_eq!(self.starts().len(), count, "{:#?}", self.calls);
        self
    }

    #[track_caller]
    fn sends_nothing(&self) -> &Self {
        assert_eq!(self.calls, []);
        self
    }

    /// The starts that were sent.
    fn starts(&self) -> Vec<&Call> {
        let is_start = |call: &&Call| call.method == "POST" && call.path.ends_with("/tasks");
        self.calls.iter().filter(is_start).collect()
    }

    /// The `results` output.
    fn results(&self) -> Vec<Value> {
        serde_json::from_str(&self.outputs["results"]).unwrap()
    }
}

/// Reads outputs as the runner does, and panics where it would fail the step.
#[track_caller]
fn outputs(text: &str) -> BTreeMap<String, String> {
    grammar::outputs(text, false).unwrap().into_iter().collect()
}

/// Whether the runner could take a line for a command, were there one of that name,
/// <https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs>.
fn may_be_a_command(line: &str) -> bool {
    line.trim_start().starts_with("::") || line.contains("##[")
}

/// Whether a line is a command that this program gives.
fn is_own_command(line: &str, secrets: &[&str]) -> bool {
    let own = ["::group::Plan: ", "::group::Request", "::error title=", "::warning title="];
    let mask = line.strip_prefix("::add-mask::").is_some_and(|it| secrets.contains(&it));
    let known = line == "::endgroup::" || own.iter().any(|begin| line.starts_with(begin));
    mask || known && !line.contains("##[")
}

/// GitHub by the book, where each new task goes this way.
fn world(script: Script) -> Simulator {
    let simulator = Simulator::new();
    simulator.settings(|settings| *settings = Settings::documented());
    simulator.default_script(script);
    simulator
}

/// A task that is in this state as soon as it exists, and stays.
fn at_once(state: &str) -> Script {
    Script::new().state(state, Duration::ZERO)
}

/// A task that has opened a pull request and completed as soon as it exists.
fn with_pull() -> Script {
    Script::new().state("in_progress", Duration::ZERO).pull().state("completed", Duration::ZERO)
}

/// A task of an earlier step, and its id.
fn earlier(simulator: &Simulator, script: Script) -> String {
    simulator.add_task(ExistingTask { body: json!({"create_pull_request": true}), script, ..ExistingTask::default() })
}

#[test]
fn a_task_completes_with_a_pull_request_on_a_nasty_github() {
    let simulator = Simulator::new();
    simulator.settings(|settings| settings.speed = 50.0);
    simulator.default_script(Script::completes_with_pull(Duration::from_secs(10)));
    let ran = Step::waited(&simulator).input("create-pull-request", "true").run();
    let id = &simulator.tasks()[0].id;
    ran.exits(0).posts(1).annotates_nothing();
    ran.gives("task-id", id).gives("state", "completed").gives("conclusion", "success");
    ran.gives("pull-request-number", "12").gives("created", "true").gives("credits", "33.6");
    ran.gives("task-url", &format!("https://github.com/octo/app/tasks/{id}"));
    ran.gives("pull-request-url", "https://github.com/octo/app/pull/12");
    ran.gives("head-ref", "copilot/prepare-the-release").gives("base-ref", "main");
    ran.gives("started", "1").gives("succeeded", "1").gives("failed", "0").gives("error-message", "");
    ran.says("pull request #12: https://github.com/octo/app/pull/12").says("concluded: success");
    ran.summarises("✅ Agent task completed").summarises("[#12](https://github.com/octo/app/pull/12)");
    ran.summarises("Asked by mona").summarises("```text\nPrepare the release\n");
}

#[test]
fn a_task_completes_without_a_pull_request() {
    let ran = Step::waited(&world(at_once("completed"))).run();
    ran.exits(0).annotates_nothing();
    ran.gives("conclusion", "success").gives("pull-request-number", "").gives("pull-request-url", "");
    ran.says("none was asked for").summarises("✅ Agent task completed");
}

#[test]
fn a_missing_pull_request_fails_the_step_where_one_is_required() {
    let step = Step::waited(&world(at_once("completed"))).input("create-pull-request", "true");
    // There is no time left for looking whether one comes late.
    let ran = step.input("require-pull-request", "true").input("wait-timeout", "1s").run();
    ran.exits(1).gives("state", "completed").gives("conclusion", "failure").gives("failed", "1");
    ran.errs("No pull request", &["`require-pull-request`", "https://github.com/octo/app/tasks/"]);
    ran.summarises("❌ Agent task completed without a pull request");
}

#[test]
fn a_hostile_message_is_handed_on_whole_and_does_nothing() {
    let simulator = world(Script::new().effect(simulator::Effect::Error(HOSTILE.to_owned())).then(at_once("failed")));
    let ran = Step::waited(&simulator).input("prompt", HOSTILE).run();
    ran.exits(1).gives("state", "failed").gives("conclusion", "failure").gives("error-message", HOSTILE);
    ran.errs("Task failed", &["The task failed: boom", ": :set-output name=state::forged", "Read its log: https://"]);
    ran.summarises("❌ Agent task failed").summarises("&lt;img src=x&gt;").summarises("\\`code\\`");
    assert!(simulator.tasks()[0].prompt.starts_with(HOSTILE));
    let (table, _) = ran.summary.split_once("<details>").unwrap();
    assert!(!table.contains("<img") && !table.contains("[x]("), "{table}");
}

#[test]
fn each_other_end_has_its_conclusion_annotation_and_summary() {
    for (state, conclusion, title, words, heading) in [
        ("failed", "failure", "Task failed", "gives no reason", "❌ Agent task failed"),
        ("timed_out", "timed_out", "Task timed out", "GitHub's own limit", "⏰ Agent task timed out"),
        ("cancelled", "cancelled", "Task cancelled", "Somebody cancelled", "🚫 Agent task cancelled"),
        ("waiting_for_user", "action_required", "Task needs a person", "Answer it at https://", "🙋 Agent task needs"),
    ] {
        let ran = Step::waited(&world(at_once(state))).run();
        ran.exits(1).gives("state", state).gives("conclusion", conclusion).gives("failed", "1");
        ran.errs(title, &[words, "https://github.com/octo/app/tasks/"]).summarises(heading);
        let mild = Step::waited(&world(at_once(state))).input("fail-on", "never").run();
        mild.exits(0).gives("conclusion", conclusion).gives("failed", "1");
        mild.annotates("warning", title, &[words]).summarises(heading);
    }
}

#[test]
fn a_wait_that_is_too_short_times_out_and_the_task_goes_on() {
    for (state, stop_on) in [("in_progress", "idle"), ("idle", "idle"), ("waiting_for_user", "never")] {
        let step = Step::waited(&world(at_once(state))).input("stop-on", stop_on);
        let ran = step.input("wait-timeout", "200ms").run();
        ran.exits(1).gives("state", state).gives("conclusion", "timed_out");
        let still = format!("still {state} when `wait-timeout` passed");
        let later = format!("`task-id: {}`", ran.outputs["task-id"]);
        ran.errs("Task timed out", &[&still, "It goes on", &later]);
        ran.summarises("⏰ Agent task still running when the wait ended");
    }
}

#[test]
fn an_unknown_state_is_warned_of_and_counts_as_running() {
    let simulator = world(at_once("dreaming"));
    let mut running = Step::waited(&simulator).spawn();
    running.says("GitHub names a state");
    simulator.set_state(&simulator.tasks()[0].id, "completed");
    let ran = running.end();
    ran.exits(0).gives("state", "completed").gives("conclusion", "success");
    ran.annotates("warning", "octo/app", &["`dreaming`", "counts as running"]);
    ran.says("state dreaming → completed").summarises("✅ Agent task completed");
}

#[test]
fn a_step_that_does_not_wait_looks_at_nothing() {
    let ran = Step::new(&world(at_once("in_progress"))).run();
    assert_eq!(ran.calls.len(), 1);
    ran.exits(0).posts(1).annotates_nothing();
    ran.gives("state", "queued").gives("conclusion", "").gives("created", "true").gives("started", "1");
    ran.says("started task ").summarises("🚀 Agent task started");
}

#[test]
fn a_later_step_waits_for_what_an_earlier_one_started() {
    let simulator = world(with_pull());
    let started = Step::new(&simulator).input("create-pull-request", "true").run();
    let id = &started.exits(0).outputs["task-id"];
    for handed_on in [id, &started.outputs["results"]] {
        let ran = Step::waiting_for(&simulator, handed_on).run();
        ran.exits(0).posts(1).gives("task-id", id).gives("created", "false").gives("started", "0");
        ran.gives("conclusion", "success").gives("pull-request-number", "12");
        ran.says(&format!("Plan: wait for task {id} in octo/app")).summarises("✅ Agent task completed");
    }
}

#[test]
fn a_wait_for_an_unknown_task_is_refused() {
    let ran = Step::waiting_for(&world(with_pull()), "no-such-task").input("wait-timeout", "200ms").run();
    ran.exits(4).posts(0).gives("task-id", "no-such-task").gives("state", "").gives("failed", "1");
    ran.errs("Task not found", &["GitHub finds nothing there", "no such task"]);
    ran.summarises("❌ Agent task not found");
}

#[test]
fn a_wait_for_two_tasks_tells_of_each_and_of_the_gravest() {
    let simulator = world(Script::new());
    let ids = [earlier(&simulator, with_pull()), earlier(&simulator, at_once("failed"))];
    let ran = Step::waiting_for(&simulator, &ids.join("\n")).run();
    ran.exits(1).posts(0).gives("conclusion", "failure").gives("succeeded", "1").gives("failed", "1");
    for name in ["task-id", "task-url", "state", "created", "pull-request-number", "error-message"] {
        ran.gives(name, "");
    }
    let told = ran.results().iter().map(|it| (it["task-id"].clone(), it["conclusion"].clone())).collect::<Vec<_>>();
    assert_eq!(json!(told), json!([[ids[0], "success"], [ids[1], "failure"]]));
    assert_eq!(ran.results()[0]["pull-request-number"], 12);
    ran.errs("Task failed", &[&ids[1]]).says("octo/app: concluded: success").summarises("### ❌ 2 agent tasks");
}

#[test]
fn a_token_that_cannot_serve_is_refused_before_anything_is_sent() {
    for (token, words) in [
        ("ghs_0123456789", "is an installation token"),
        ("ghr_0123456789", "is a refresh token"),
        ("eyJhbGciOiJSUzI1NiJ9.e30.x", "JSON web token"),
        ("Bearer ghp_0123456789", "starts with the word `Bearer`"),
        ("", "Runs for pull requests from forks get no secrets"),
    ] {
        let ran = Step::new(&world(with_pull())).input("token", token).run();
        ran.exits(2).sends_nothing().errs("Bad input, nothing was sent", &["`token` ", words]);
        assert!(ran.outputs["error-message"].contains(words), "{:?}", ran.outputs);
        ran.gives("task-id", "").gives("results", "[]").gives("started", "0");
        ran.summarises("### ❌ Bad input, nothing was sent").summarises(words);
    }
}

#[test]
fn what_github_refuses_is_told_with_its_words_and_a_remedy() {
    let agent_off = Repository { agent_enabled: false, ..Repository::default() };
    for (token, repository, words) in [
        (None, Repository::default(), ["Bad credentials", "Make a new one"]),
        (Some(Token::default().without_licence()), Repository::default(), ["A Copilot licence", "assign a licence"]),
        (
            Some(Token::default().without(Permission::AgentTasksWrite)),
            Repository::default(),
            ["not accessible by personal access token", "`agent_tasks=write`"],
        ),
        (
            Some(Token::default().seeing(&["octo/other"])),
            Repository::default(),
            ["Not Found", "the token does not reach the repository"],
        ),
        (Some(Token::default()), agent_off, ["Not Found", "agent is not enabled"]),
    ] {
        let simulator = world(with_pull());
        simulator.repository("octo/app", repository);
        if let Some(token) = token {
            simulator.token("ghp_other", token);
        }
        let ran = Step::waited(&simulator).input("token", "ghp_other").run();
        ran.exits(4).posts(1).errs("GitHub refused", &words);
        ran.gives("task-id", "").gives("conclusion", "").gives("failed", "1").gives("started", "0");
        assert!(words.iter().all(|part| ran.outputs["error-message"].contains(part)));
        ran.summarises("### ❌ No agent task was ");
        assert_eq!(simulator.starts(), 0);
    }
}

#[test]
fn a_bad_base_ref_is_refused_in_githubs_words() {
    let ran = Step::waited(&world(with_pull())).input("base-ref", "gone").run();
    ran.exits(4).posts(1).gives("task-id", "");
    ran.errs("GitHub refused", &["octo/app: ", "Validation Failed; base_ref `gone` does not exist"]);
    ran.summarises("base\\_ref \\`gone\\` does not exist");
}

#[test]
fn a_refused_model_is_followed_by_the_next() {
    let simulator = world(with_pull());
    let models = Some(vec!["b".to_owned()]);
    simulator.repository("octo/app", Repository { models, ..Repository::default() });
    let ran = Step::waited(&simulator).input("model", "a, b").run();
    ran.exits(0).posts(2).gives("model", "b").gives("conclusion", "success");
    let models = ran.starts().iter().map(|call| call.body["model"].clone()).collect::<Vec<_>>();
    assert_eq!((models, simulator.starts()), (vec![json!("a"), json!("b")], 1));
    ran.annotates("warning", "octo/app", &["refuses model `a`", "model `a` is not available", "trying `b`"]);
    let ran = Step::waited(&simulator).input("model", "a, c").run();
    ran.exits(4).errs("GitHub refused", &["model `c` is not available"]);
}

#[test]
fn a_start_without_a_clear_answer_makes_one_task_all_the_same() {
    for (fault, exists) in [
        (Fault::status(502).html(), false),
        (Fault::status(502).html().after_accepting(), true),
        (Fault::drop(), false),
        (Fault::drop().after_accepting(), true),
        (Fault::time_out(Duration::from_millis(50)).after_accepting(), true),
        (Fault::cut_body(), true),
        (Fault::garbage(), false),
        (Fault::garbage().after_accepting(), true),
    ] {
        let told = format!("{fault:?}");
        let simulator = world(with_pull());
        simulator.fault(Route::Start, fault);
        let ran = Step::waited(&simulator).input("confirm-timeout", "900ms").run();
        assert_eq!(simulator.starts(), 1, "{told}");
        ran.exits(0).posts(if exists { 1 } else { 2 }).gives("created", "true").gives("conclusion", "success");
    }
}

#[test]
fn a_start_that_is_never_answered_is_sent_twice_and_not_confirmed() {
    let simulator = world(with_pull());
    simulator.fault_times(Route::Start, 9, Fault::status(502).html());
    let ran = Step::waited(&simulator).input("confirm-timeout", "900ms").run();
    ran.exits(6).posts(2).errs("Start not confirmed", &["GitHub"]);
    ran.gives("task-id", "").gives("created", "").gives("conclusion", "").gives("failed", "1");
    assert_ne!(ran.outputs["error-message"], "");
    ran.summarises("❓ Nobody can say whether the agent task was started");
}

#[test]
fn a_start_that_never_left_is_sent_once_somebody_listens() {
    let simulator = world(with_pull());
    let closed = ClosedDoor::new();
    let mut running = Step::waited(&simulator).variable("GITHUB_API_URL", &closed.address).spawn();
    running.says("nothing was sent: ");
    let _door = closed.open(&simulator);
    let ran = running.end();
    ran.exits(0).posts(1).gives("conclusion", "success").says("trying again in 1s");
    assert_eq!(simulator.starts(), 1);
}

#[cfg(unix)]
#[test]
fn a_start_that_never_leaves_can_be_interrupted() {
    let closed = ClosedDoor::new();
    let step = Step::waited(&world(with_pull())).variable("GITHUB_API_URL", &closed.address);
    let mut running = step.spawn();
    running.says("trying again in 2s");
    let ran = running.end_by("TERM");
    ran.exits(143).sends_nothing().gives("task-id", "");
    ran.gives("error-message", "interrupted before a task was started");
    ran.errs("Interrupted", &["before a task was started"]).summarises("⚠️ No agent task was started");
}

#[test]
fn a_rate_limit_on_a_start_is_waited_out() {
    let simulator = world(with_pull());
    simulator.fault(Route::Start, Fault::rate_limit(Duration::from_secs(1)));
    let ran = Step::waited(&simulator).run();
    ran.exits(0).posts(2).gives("conclusion", "success").gives("error-message", "");
    ran.says("GitHub limits the rate").says("going on in 1s").annotates_nothing();
    let starts = ran.starts();
    assert!(starts[1].at - starts[0].at >= Duration::from_secs(1), "{starts:?}");
    assert_eq!(simulator.starts(), 1);
}

#[test]
fn faults_on_looks_do_not_end_the_wait() {
    let simulator = world(with_pull());
    let faults = [
        Fault::status(502).html(),
        Fault::status(500),
        Fault::status(403),
        Fault::drop(),
        Fault::garbage(),
        Fault::cut_body(),
        Fault::rate_limit(Duration::from_secs(1)),
    ];
    simulator.faults(Route::Task, faults);
    let ran = Step::waited(&simulator).input("create-pull-request", "true").run();
    assert_eq!(simulator.faults_left(), 0);
    ran.exits(0).posts(1).gives("conclusion", "success").gives("pull-request-number", "12");
    ran.says("could not look at the task").says("GitHub answers again").gives("error-message", "").annotates_nothing();
}

#[test]
fn a_renamed_repository_is_followed() {
    let simulator = world(with_pull());
    let renamed_from = vec!["octo/old".to_owned()];
    simulator.repository("octo/app", Repository { renamed_from, ..Repository::default() });
    let ran = Step::waited(&simulator).input("repository", "octo/old").input("create-pull-request", "true").run();
    ran.exits(0).posts(2).gives("conclusion", "success").gives("pull-request-number", "12");
    assert_eq!((ran.starts()[0].status, ran.starts()[1].status), (Some(307), Some(201)));
    assert_eq!(simulator.starts(), 1);
}

#[test]
fn a_redirect_to_another_host_is_not_followed() {
    let elsewhere = world(with_pull());
    let door = Door::open(&elsewhere);
    let other_name = door.address.replace("127.0.0.1", "localhost");
    for to in [&door.address, &other_name, "https://example.com", "//example.com"] {
        let simulator = world(with_pull());
        let path = "/agents/repos/octo/app/tasks";
        simulator.fault(Route::Start, Fault::redirect(format!("{to}{path}")));
        let ran = Step::waited(&simulator).run();
        ran.exits(4).posts(1).gives("task-id", "").errs("GitHub refused", &["307"]);
        simulator.fault(Route::Task, Fault::redirect(format!("{to}{path}/x")));
        Step::waited(&simulator).run().exits(0).gives("conclusion", "success");
        assert_eq!(elsewhere.log(), [], "{to}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_wait_hands_on_all_it_knows() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let simulator = world(at_once("in_progress"));
        let mut running = Step::waited(&simulator).spawn();
        running.says("→ in_progress");
        let ran = running.end_by(signal);
        let id = &simulator.tasks()[0].id;
        ran.exits(code).posts(1).gives("task-id", id).gives("state", "in_progress");
        ran.gives("conclusion", "").gives("created", "true").gives("started", "1");
        let words = ["the task itself goes on", "the API cannot stop it", &format!("`task-id: {id}`"), "https://"];
        ran.errs("Interrupted", &words).summarises("⚠️ Stopped waiting for the agent task").summarises(id);
        assert!(ran.outputs["error-message"].contains("the task itself goes on"));
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_start_says_that_a_task_may_exist() {
    for after in [false, true] {
        let simulator = world(with_pull());
        let fault = Fault::delay(2 * PATIENCE);
        simulator.fault(Route::Start, if after { fault.after_accepting() } else { fault });
        let mut running = Step::waited(&simulator).spawn();
        running.until("the start", |_| !simulator.log().is_empty());
        let ran = running.end_by("INT");
        ran.exits(130).posts(1).gives("task-id", "").gives("conclusion", "");
        ran.errs("Interrupted", &["a task may exist", "octo/app", "before starting another"]);
        assert!(ran.outputs["error-message"].contains("a task may exist"));
        ran.summarises("a task may exist");
    }
}

#[test]
fn a_killed_wait_has_handed_on_the_task() {
    let simulator = world(at_once("in_progress"));
    let mut running = Step::waited(&simulator).spawn();
    running.says("→ in_progress");
    // What is said is written down a moment later, and the summary comes last.
    running.until("the summary", |it| it.step.folder.read("summary").contains("`in_progress`"));
    running.child.0.kill().unwrap();
    let ran = running.end();
    assert_eq!(ran.code, None);
    let id = &simulator.tasks()[0].id;
    ran.gives("task-id", id).gives("state", "in_progress").gives("created", "true").summarises(id);
}

#[test]
fn a_dry_run_shows_the_request_and_sends_nothing() {
    let simulator = world(with_pull());
    let step = || {
        let step = Step::waited(&simulator).input("prompt", "Release {{ vars.version }}\nof {{ target.name }}");
        let step = step.input("vars", "version: '1.10'").input("model", "gpt-5.4").input("custom-agent", "fixer");
        step.input("base-ref", "main").input("create-pull-request", "true")
    };
    let rehearsed = step().input("dry-run", "true").without("INPUT_TOKEN");
    let head = format!("::group::Request\n  POST {}/agents/repos/octo/app/tasks\n  ", rehearsed.door.address);
    let ran = rehearsed.run();
    ran.exits(0).sends_nothing().annotates_nothing().says(&head).says("dry run: nothing was sent");
    ran.gives("task-id", "").gives("started", "0").gives("created", "").summarises("### Dry run, nothing was sent");
    let (_, shown) = ran.stdout.split_once(&head).unwrap();
    let shown = shown.lines().next().unwrap();
    assert!(shown.starts_with(r#"{"prompt":"Release 1.10\nof app"#), "{shown}");
    ran.summarises(shown);
    step().input("dry-run", "true").run().exits(0).sends_nothing().says(shown);
    let sent = step().run();
    let body = &sent.exits(0).gives("prompt-sha256", &ran.outputs["prompt-sha256"]).starts()[0].body;
    assert_eq!(*body, serde_json::from_str::<Value>(shown).unwrap());
    let rest = json!({"prompt": body["prompt"], "model": "gpt-5.4", "custom_agent": "fixer",
        "create_pull_request": true, "base_ref": "main"});
    assert_eq!(*body, rest);
}

#[test]
fn all_that_is_wrong_with_the_input_is_told_at_once() {
    let step = Step::new(&world(with_pull())).input("wait", "maybe").input("wait-timeout", "15");
    let ran = step.input("base-ref", &format!("a {TOKEN}")).input("repository", "octo").input("prompt", "").run();
    ran.exits(2).sends_nothing().gives("results", "[]").gives("started", "0");
    let words = [
        "is no boolean; write `true` or `false`",
        "has no unit; write for example `15s` or `15m`",
        "is not a name that git allows",
        "is not of the form `owner/name`",
        "`prompt` is missing",
        // Each is named, with its value.
        "`wait",
        "maybe",
        "`wait-timeout",
        "15`",
        "`base-ref",
        "a ***`",
        "`repository",
        "octo`",
    ];
    ran.errs("Bad input, nothing was sent", &words).summarises("### ❌ Bad input, nothing was sent");
    for part in words {
        assert!(ran.outputs["error-message"].contains(part), "{part}");
        ran.summarises(part);
    }
    assert_eq!(ran.stdout.matches("::error ").count(), 1, "{}", ran.stdout);
}

#[test]
fn an_unknown_input_is_warned_of_and_the_step_goes_on() {
    let ran = Step::waited(&world(with_pull())).input("base-reff", "main").run();
    ran.exits(0).posts(1).annotates("warning", "agent-task", &["`base-reff` is no input", "`base-ref`"]);
}

#[test]
fn a_prompt_comes_from_a_file_of_the_workspace() {
    let simulator = world(with_pull());
    let text = "\u{feff}Release {{ github.repository }}\nfor {{ github.actor }}\n";
    let ran = Step::waited(&simulator).prompt_file("release.md", text).run();
    ran.exits(0).posts(1).says("release.md, ").summarises("Prompt from release.md");
    assert!(simulator.tasks()[0].prompt.starts_with("Release octo/app\nfor mona"));
}

#[test]
fn a_prompt_file_that_cannot_be_used_is_refused() {
    let step = || Step::new(&world(with_pull()));
    let outside = |step: Step| {
        step.folder.write("outside.md", "Do it");
        step
    };
    let absolute = outside(step());
    let path = absolute.folder.path("outside.md");
    for (step, words) in [
        (step().input("prompt", "").input("prompt-file", "none.md"), "there is no such file"),
        (outside(step()).input("prompt", "").input("prompt-file", "../outside.md"), "it leads out of the workspace"),
        (absolute.input("prompt", "").input("prompt-file", &path), "it leads out of the workspace"),
        (step().input("prompt", "").input("prompt-file", "."), "it is no file"),
        (step().prompt_file("latin.md", b"one\ncaf\xe9\n"), "not valid UTF-8, first in line 2"),
        (step().prompt_file("long.md", "x".repeat(256 * 1024 + 1)), "more than 262144 bytes"),
        (step().prompt_file("empty.md", " \n"), "the prompt is empty"),
        (step().prompt_file("both.md", "Do it").input("prompt", "Do it"), "keep one"),
    ] {
        let ran = step.run();
        ran.exits(2).sends_nothing().errs("Bad input, nothing was sent", &["`prompt", words]).summarises(words);
        assert!(ran.outputs["error-message"].contains(words), "{:?}", ran.outputs);
    }
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_workspace_is_not_followed() {
    let step = Step::new(&world(with_pull())).input("prompt", "").input("prompt-file", "link/secret.md");
    std::fs::create_dir(step.folder.0.join("outside")).unwrap();
    step.folder.write("outside/secret.md", "hush");
    std::os::unix::fs::symlink(step.folder.path("outside"), step.folder.path("workspace/link")).unwrap();
    let ran = step.run();
    ran.exits(2).sends_nothing().errs("Bad input, nothing was sent", &["it leads out of the workspace"]);
    assert!(!ran.stdout.contains("hush"), "{}", ran.stdout);
}

#[test]
fn a_policy_of_the_workspace_makes_the_request_and_refuses_what_contradicts_it() {
    let policy = "tasks:\n  prep:\n    prompt: prep.md\n    base-ref: main\n    model: gpt-5.4\n    wait: true\n    \
                  limits: {max-active: 1, max-starts-per-day: 1}\n";
    let simulator = world(at_once("completed"));
    let step = || {
        let step = Step::new(&simulator).input("prompt", "").input("task", "prep");
        std::fs::create_dir(step.folder.0.join("workspace/.github")).unwrap();
        step.folder.write("workspace/.github/agent-tasks.yml", policy);
        step.folder.write("workspace/prep.md", "Prepare it");
        step
    };
    let words = ["`base-ref: dev` contradicts", "`base-ref: main`", "`model: gpt-4` contradicts", "`model: gpt-5.4`"];
    let ran = step().input("base-ref", "dev").input("model", "gpt-4").run();
    ran.exits(3).posts(0).errs("Refused by the policy, nothing was sent", &words).gives("conclusion", "skipped");
    ran.summarises("⛔ Refused by the policy, nothing was sent");

    let ran = step().run();
    ran.exits(0).posts(1).gives("conclusion", "success").gives("base-ref", "main");
    ran.says("task class     prep").summarises("task class prep");
    assert!(simulator.tasks()[0].prompt.contains(" class=prep "), "{}", simulator.tasks()[0].prompt);

    let ran = step().run();
    let words = ["1 task of the class `prep` was started within the last 24 hours"];
    ran.exits(3).posts(1).errs("Refused by the policy", &words).gives("conclusion", "skipped").gives("task-id", "");
}

#[test]
fn a_broken_policy_is_told_with_all_its_places() {
    let step = Step::new(&world(with_pull())).input("policy", "rules.yml");
    step.folder.write("workspace/rules.yml", "defaults:\n  modle: x\n  wait: yes\n");
    let ran = step.run();
    let words = ["rules.yml:2:3: `modle` is no key here", "rules.yml:3:9: this is a text, and a boolean is wanted"];
    ran.exits(2).sends_nothing().errs("Bad input, nothing was sent", &words).summarises("rules.yml:2:3");
}

#[test]
fn a_fault_in_a_template_is_told_with_its_place() {
    let step = Step::new(&world(with_pull())).input("vars", "version: 1");
    let ran = step.prompt_file("release.md", "one\nété {{ vars.versoin }}\n").run();
    let words = ["release.md:2:8: `vars.versoin` is undefined", "did you mean `vars.version`?", "^^^^^^^^^^^^"];
    ran.exits(2).sends_nothing().errs("Bad input, nothing was sent", &words).summarises("release.md:2:8");
}

#[test]
fn a_prompt_with_a_token_in_it_is_refused() {
    for (name, prompt) in [("token", TOKEN), ("lookup-token", "ghs_lookup")] {
        let step = Step::new(&world(with_pull())).input(name, prompt).input("vars", &format!("t: x{prompt}x"));
        let ran = step.input("prompt", "Use {{ vars.t }}").run();
        ran.exits(2).sends_nothing().errs("Bad input, nothing was sent", &["has a token in it"]);
    }
}

#[test]
fn outputs_that_cannot_be_written_keep_a_task_from_being_started() {
    for name in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "RUNNER_TEMP"] {
        let step = Step::waited(&world(with_pull()));
        step.folder.write("file", "");
        // No user can make a file below a file, be it root.
        let path = step.folder.path("file/below");
        let ran = step.variable(name, &path).run();
        ran.exits(2).sends_nothing().says("cannot write").says(&path);
    }
}

#[test]
fn an_unencrypted_way_to_another_machine_is_refused() {
    for step in [
        Step::new(&world(with_pull())).input("github-api-url", "http://192.0.2.1"),
        Step::new(&world(with_pull())).variable("GITHUB_API_URL", "http://192.0.2.1"),
    ] {
        let ran = step.input("poll-interval", "").run();
        ran.exits(2).sends_nothing().errs("Bad input, nothing was sent", &["http://192.0.2.1", "unencrypted"]);
    }
}

#[test]
fn the_command_line_has_two_questions_and_nothing_else() {
    let ask = |argument: &str| Step::new(&world(with_pull())).argument(argument).run();
    let version = ask("--version");
    assert_eq!(version.exits(0).stdout, format!("agent-task {}\n", env!("CARGO_PKG_VERSION")));
    ask("--help").exits(0).sends_nothing().says("INPUT_DRY_RUN=true");
    let refused = ask("start");
    refused.exits(2).sends_nothing();
    assert_eq!((refused.stdout.as_str(), refused.summary.as_str()), ("", ""));
    assert!(refused.stderr.contains("takes no arguments"), "{}", refused.stderr);
}

#[test]
fn a_second_token_reads_pull_requests() {
    let simulator = world(with_pull());
    simulator.token(TOKEN, Token::default().without(Permission::PullRequestsRead));
    simulator.token("ghs_lookup", Token::default());
    let step = Step::waited(&simulator).input("create-pull-request", "true");
    let ran = step.input("lookup-token", "ghs_lookup").run();
    ran.exits(0).gives("pull-request-number", "12").gives("conclusion", "success").annotates_nothing();
    for call in &ran.calls {
        let about_tasks = call.path.starts_with("/agents/");
        assert_eq!(call.token.as_deref(), Some(if about_tasks { "github_…" } else { "ghs_…" }));
    }
}

#[test]
fn a_number_that_nobody_may_read_is_told_and_fails_nothing() {
    let blind = || Token::default().without(Permission::PullRequestsRead);
    for conclusion in ["success", "failure"] {
        let simulator = world(with_pull());
        simulator.token(TOKEN, blind());
        simulator.token("ghs_lookup", blind());
        let step = Step::waited(&simulator).input("create-pull-request", "true").input("lookup-token", "ghs_lookup");
        let step = step.input("require-pull-request", if conclusion == "failure" { "true" } else { "" });
        // There is no time left for looking whether it can be read later.
        let ran = step.input("wait-timeout", "1s").run();
        ran.exits(i32::from(conclusion == "failure")).gives("conclusion", conclusion);
        ran.gives("state", "completed")
            .gives("pull-request-number", "")
            .gives("head-ref", "copilot/prepare-the-release");
        ran.says("the pull request's number is not known").says("lookup-token").summarises("number is not known");
    }
}

#[test]
fn the_number_is_that_of_the_pull_request_and_not_its_id() {
    for (form, graphql) in [(GlobalId::Present, true), (GlobalId::Empty, false), (GlobalId::Absent, false)] {
        let simulator = world(Script::new());
        simulator.settings(|settings| settings.global_id = form);
        let id = earlier(&simulator, with_pull());
        let head = simulator.pulls()[0].head.clone();
        // Another pull request of the same branch, so that the branch alone decides nothing.
        let other = simulator.open_pull("octo/app", &head, "main");
        let ran = Step::waiting_for(&simulator, &id).run();
        assert_eq!((simulator.pulls()[0].number, other), (12, 13));
        ran.exits(0).gives("pull-request-number", "12").gives("head-ref", &head);
        assert!(!ran.stdout.contains(&simulator.pulls()[0].id.to_string()), "{}", ran.stdout);
        assert_eq!(ran.calls.iter().any(|call| call.path == "/graphql"), graphql);
    }
}

#[test]
fn outside_of_a_runner_there_are_no_commands() {
    let simulator = world(Script::new().effect(simulator::Effect::Error(HOSTILE.to_owned())).then(at_once("failed")));
    let step = Step::waited(&simulator).input("prompt", HOSTILE).input("lookup-token", "ghs_lookup");
    let ran = step.without("GITHUB_ACTIONS").variable("RUNNER_DEBUG", "1").run();
    ran.exits(1).says("error: Task failed: The task failed: boom").says("Plan: start a task in octo/app");
    assert!(!ran.stdout.contains("add-mask::g") && !ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
    let bare = Step::waited(&world(with_pull())).without("GITHUB_ACTIONS").without("GITHUB_OUTPUT");
    let ran = bare.without("GITHUB_STEP_SUMMARY").without("GITHUB_WORKSPACE").run();
    ran.exits(0).posts(1).says("concluded: success");
    assert!(ran.outputs.is_empty() && ran.summary.is_empty());
}

#[test]
fn steps_share_the_runners_files() {
    let simulator = world(with_pull());
    let step = Step::waited(&simulator);
    step.folder.write("summary", "### Before\n");
    step.folder.write("output", "task-id=before\n");
    let first = step.run();
    first.exits(0).gives("task-id", &simulator.tasks()[0].id);
    assert!(first.summary.starts_with("### Before\n### ✅ Agent task completed"), "{}", first.summary);
    let second = Step::waited(&simulator).after(&first).run();
    second.exits(0).gives("task-id", &simulator.tasks()[1].id);
    assert_eq!(second.summary.matches("✅ Agent task completed").count(), 2);
    assert!(second.summary.starts_with(&first.summary));
}

#[test]
fn a_log_that_nobody_reads_keeps_nothing_from_being_done() {
    let simulator = world(with_pull());
    let step = Step::waited(&simulator);
    let folder = Arc::clone(&step.folder);
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-task"));
    command.env_clear().envs(&step.variables).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Killed(command.spawn().unwrap());
    drop(child.0.stdout.take());
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    assert_eq!(outputs(&folder.read("output"))["conclusion"], "success");
}
