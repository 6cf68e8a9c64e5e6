//! The built program as a process of its own, against the simulator over loopback, in real time.
//!
//! A process gets the variables of its step and no others.

#![expect(clippy::disallowed_methods, reason = "a test plays the runner, whose processes these are")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::finished::{Finished, KILLED, progress};
use super::loopback::Server;
use super::step::Step;
use crate::grammar;

/// How long anything may take before a test gives up on it. Nothing takes a tenth of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How soon an interrupted process must be gone. It promises one second, and the runner grants 7.5.
#[cfg(unix)]
const AT_ONCE: Duration = Duration::from_secs(2);

/// The program under test: `AGENT_TASK_BINARY`, absolute or relative to the repository, or else the build of this test.
pub(crate) fn binary() -> PathBuf {
    match std::env::var_os("AGENT_TASK_BINARY") {
        Some(path) if !path.is_empty() => Path::new(env!("CARGO_MANIFEST_DIR")).join(path),
        _ => env!("CARGO_BIN_EXE_agent-task").into(),
    }
}

impl Step {
    /// Starts the program. Without a `GITHUB_API_URL` its simulator is served for it alone.
    pub(crate) fn spawn(self) -> Running {
        self.spawn_with(true)
    }

    fn spawn_with(self, reader: bool) -> Running {
        let server = (!self.variables.contains_key("GITHUB_API_URL")).then(|| Server::start(&self.simulator));
        let mut command = Command::new(binary());
        command.env_clear().envs(server.iter().map(|server| ("GITHUB_API_URL", &server.address)));
        command.args(&self.arguments).envs(&self.variables).current_dir(self.folder.path(""));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().filter(|_| reader).map(Stream::of).unwrap_or_default();
        let stderr = Stream::of(child.stderr.take().unwrap());
        Running {
            child: KilledOnDrop(child),
            stdout,
            stderr,
            began: Instant::now(),
            is_killed: false,
            step: self,
            _server: server,
        }
    }

    /// Starts the program with a log whose reader is gone.
    pub(crate) fn spawn_unread(self) -> Running {
        self.spawn_with(false)
    }

    /// Runs the program to its end.
    #[track_caller]
    pub(crate) fn run_process(self) -> Finished {
        self.spawn().end()
    }
}

/// What a process writes, gathered while it runs.
#[derive(Default)]
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
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
        Self { bytes, reader: Some(reader) }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    fn whole(self) -> String {
        if let Some(reader) = self.reader {
            reader.join().unwrap();
        }
        String::from_utf8(std::mem::take(&mut self.bytes.lock().unwrap())).unwrap()
    }
}

/// A process that does not outlive its test.
struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        // It has mostly ended by now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A step whose process runs.
pub(crate) struct Running {
    child: KilledOnDrop,
    stdout: Stream,
    stderr: Stream,
    began: Instant,
    is_killed: bool,
    step: Step,
    _server: Option<Server>,
}

impl Running {
    /// Waits until something is so.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut so: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !so(self) {
            assert!(began.elapsed() < PATIENCE, "{what} takes too long:\n{}", self.log());
            let ended = self.has_ended();
            // It may have become so in the very last moment.
            assert!(!ended || so(self), "it ended before {what}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// Waits until an output has a value. What is read while the program writes can be half of it.
    #[track_caller]
    pub(crate) fn until_output(&mut self, name: &str, value: &str) {
        let written = |it: &Self| grammar::outputs(&it.step.folder.read("output"), false).unwrap_or_default();
        self.until(value, |it| written(it).iter().any(|output| output == &(name.to_owned(), value.to_owned())));
    }

    /// Waits until the log has so many lines about the progress of the step.
    #[track_caller]
    pub(crate) fn until_progress(&mut self, lines: usize) {
        self.until("progress", |it| progress(&it.stdout.so_far()).lines().count() >= lines);
    }

    fn log(&self) -> String {
        self.stdout.so_far() + &self.stderr.so_far()
    }

    /// What was written to a file of the step by now.
    pub(crate) fn read(&self, name: &str) -> String {
        self.step.folder.read(name)
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.0.try_wait().unwrap().is_some()
    }

    pub(crate) fn kill(&mut self) {
        self.is_killed = !self.has_ended();
        self.child.0.kill().unwrap();
    }

    /// Sends a signal and waits for the end, which must come at once.
    #[cfg(unix)]
    #[track_caller]
    pub(crate) fn end_by(self, signal: &str) -> Finished {
        self.end_within(signal, AT_ONCE)
    }

    /// The same for an end that may take as long as this.
    #[cfg(unix)]
    #[track_caller]
    pub(crate) fn end_within(self, signal: &str, longest: Duration) -> Finished {
        let began = Instant::now();
        let process = self.child.0.id().to_string();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "kill -s \"$0\" \"$1\"", signal, &process]);
        assert!(shell.status().unwrap().success());
        let ran = self.end();
        assert!(began.elapsed() < longest, "took {:?}", began.elapsed());
        ran
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Finished {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.0.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "does not end:\n{}", self.stdout.so_far());
            std::thread::sleep(Duration::from_millis(3));
        };
        let took = self.began.elapsed();
        // Windows gives a process that is killed an exit code.
        let code = status.code().filter(|_| !self.is_killed).unwrap_or(KILLED);
        let ran = Finished::new(&self.step, code, self.stdout.whole(), self.stderr.whole(), took);
        ran.check_files(&self.step);
        ran
    }
}
