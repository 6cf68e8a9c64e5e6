//! The machine that we run on: the one file that touches files, the standard output and the wall clock.

use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal as _, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::Value;
use tokio::time::Instant;

use crate::actions::context::Environment;
use crate::actions::output_file::render;
use crate::actions::signal::Signal;
use crate::actions::workflow_command::{Annotation, Command, Level};
use crate::github::error::Error;
use crate::github::limited::RequestLog;
use crate::github::token::Token;
use crate::text::{CUT, escaped, harmless, harmless_lines, hexadecimal, spelled};

/// GitHub cuts event payloads well below this; what is longer is no payload.
const MOST_EVENT_BYTES: u64 = 32 * 1024 * 1024;
/// A part of a token that is no longer than this tells nothing but its kind.
const SHORTEST_PART: usize = 12;

/// Who reads the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogReader {
    /// GitHub's runner, which understands workflow commands.
    Actions,
    /// A person at a terminal; `true` with colour.
    Terminal(bool),
    /// A file or another program.
    Plain,
}

/// The machine that we run on.
pub struct Host {
    reader: LogReader,
    log: RefCell<Box<dyn Write>>,
    live: Cell<bool>,
    debug: bool,
    /// Each with what the summary makes of it, which has escaped what Markdown would read as a sign, the underscores of
    /// tokens among it.
    secrets: RefCell<Vec<(Token, String)>>,
    output: Option<PathBuf>,
    summary: Option<PathBuf>,
    /// How long the summary was before us: another command of the same step may have written to it.
    summary_before: Cell<Option<u64>>,
    results: PathBuf,
    /// Where the record goes, which all steps of a job add to.
    record: RefCell<PathBuf>,
    workspace: PathBuf,
    random: SystemRandom,
    began: Instant,
}

impl Host {
    /// The machine, with its log on the standard output.
    pub fn new(environment: &Environment) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let mut host = Self::with_log(environment, Box::new(std::io::stdout()));
        if host.reader == LogReader::Plain && terminal {
            host.reader = LogReader::Terminal(environment.get("NO_COLOR").is_none());
        }
        host
    }

    /// The machine, with its log wherever the caller wants it.
    pub fn with_log(environment: &Environment, log: Box<dyn Write>) -> Self {
        let path = |name: &str| environment.get(name).map(PathBuf::from);
        // Only the runner hides what it is told to mask; elsewhere the command itself would show the secret.
        let actions = environment.get("GITHUB_ACTIONS") == Some("true");
        let random = SystemRandom::new();
        let folder = path("RUNNER_TEMP").unwrap_or_else(std::env::temp_dir).join("agent-task");
        Self {
            reader: if actions { LogReader::Actions } else { LogReader::Plain },
            log: RefCell::new(log),
            live: Cell::new(false),
            debug: environment.get("RUNNER_DEBUG") == Some("1"),
            secrets: RefCell::new(Vec::new()),
            output: path("GITHUB_OUTPUT"),
            summary: path("GITHUB_STEP_SUMMARY"),
            summary_before: Cell::new(None),
            // Several steps of one job each keep their own.
            results: folder.join(format!("results-{}.json", random_id(&random))),
            record: RefCell::new(folder.join("audit.jsonl")),
            workspace: path("GITHUB_WORKSPACE").unwrap_or_else(|| PathBuf::from(".")),
            random,
            began: Instant::now(),
        }
    }

    /// Takes secrets into keeping: the runner hides them from here on, and so does everything that this process
    /// writes.
    pub fn mask(&self, secrets: &[Token]) {
        for secret in secrets {
            if self.secrets.borrow().iter().any(|(kept, _)| kept == secret) {
                continue;
            }
            if self.reader == LogReader::Actions {
                // The one line that may hold a secret. It is written as it is, for what hides secrets comes after it.
                self.print(&Command::Mask(secret.expose()).to_string());
            }
            self.secrets.borrow_mut().push((secret.clone(), escaped(secret.expose())));
        }
    }

    /// How long this process has run.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the file that may look at the clock")]
        Timestamp::now()
    }

    /// The time of day at the end of a pause, to be put behind a line.
    pub fn clock_in(&self, pause: Duration) -> String {
        let then = self.now().checked_add(pause).unwrap_or(Timestamp::MAX);
        then.strftime(", at %H:%M:%S UTC").to_string()
    }

    /// A word that nobody can guess.
    pub fn random_id(&self) -> String {
        random_id(&self.random)
    }

    /// A number that differs from run to run.
    pub fn seed(&self) -> u64 {
        fastrand::u64(..)
    }

    /// A line in the log, with the time since the start.
    pub fn log(&self, text: &str) {
        self.print_line(&format!("[{}] {text}", spelled(Duration::from_secs(self.elapsed().as_secs()))));
    }

    /// A line in the log.
    pub fn print_line(&self, text: &str) {
        self.print(&harmless(&self.hidden(text)));
    }

    /// Lines under a title, folded where the log can fold.
    pub fn group<'a>(&self, title: &str, lines: impl IntoIterator<Item = &'a str>) {
        match self.reader {
            LogReader::Actions => self.print(&Command::Group(&harmless(&self.hidden(title))).to_string()),
            LogReader::Terminal(true) => self.print(&format!("\x1b[1m{}\x1b[0m", harmless(&self.hidden(title)))),
            _ => self.print_line(title),
        }
        for line in lines.into_iter().flat_map(|text| harmless_lines(text).collect::<Vec<_>>()) {
            self.print(format!("  {}", harmless(&self.hidden(&line))).trim_end());
        }
        if self.reader == LogReader::Actions {
            self.print(&Command::EndGroup.to_string());
        }
    }

    /// A message on the run's page, or a coloured line.
    pub fn annotate(&self, annotation: &Annotation) {
        let hidden = Annotation {
            level: annotation.level,
            title: self.hidden(&annotation.title),
            message: harmless_lines(&self.hidden(&annotation.message)).collect::<Vec<_>>().join("\n"),
        };
        let colour = match hidden.level {
            Level::Error => "31",
            Level::Warning => "33",
            Level::Notice => "36",
        };
        let Annotation { level, title, message } = &hidden;
        match self.reader {
            LogReader::Actions => self.print(&Command::Annotate(&hidden).to_string()),
            LogReader::Terminal(true) => self.print(&format!("\x1b[{colour}m{level}: {title}:\x1b[0m {message}")),
            _ => self.print(&format!("{level}: {title}: {message}")),
        }
    }

    /// A line for those who switched debug logging on.
    pub fn debug(&self, text: &str) {
        if self.debug {
            let text = harmless(&self.hidden(text));
            match self.reader {
                LogReader::Actions => self.print(&Command::Debug(&text).to_string()),
                _ => self.print(&format!("debug: {text}")),
            }
        }
    }

    /// Sleeps. A terminal shows meanwhile what is waited for.
    pub async fn sleep(&self, pause: Duration, status: &str) {
        let LogReader::Terminal(_) = self.reader else {
            return tokio::time::sleep(pause).await;
        };
        let until = Instant::now() + pause;
        while Instant::now() < until {
            let elapsed = spelled(Duration::from_secs(self.elapsed().as_secs()));
            let line = format!("\r\x1b[2K… {}, {elapsed}", harmless(&self.hidden(status)));
            self.live.set(true);
            self.write(line.as_bytes());
            let next = Instant::now() + Duration::from_secs(1);
            tokio::time::sleep_until(next.min(until)).await;
        }
    }

    /// Sleeps before a request is sent again, and logs why.
    pub async fn pause(&self, error: &Error, wait: Duration, status: &str) {
        let why = match error {
            Error::RateLimited(limit) => limit.name().to_owned(),
            error => error.to_string(),
        };
        self.log(&format!("{why}; retrying in {}", spelled(wait)));
        self.sleep(wait, status).await;
    }

    /// The path of the file with all results.
    pub fn results_file(&self) -> String {
        self.results.display().to_string()
    }

    /// Keeps all results in their file.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write_results(&self, json: &str) -> anyhow::Result<()> {
        let failed = || format!("cannot write `{}`", self.results.display());
        if let Some(folder) = self.results.parent() {
            std::fs::create_dir_all(folder).with_context(failed)?;
        }
        // Written beside and put in place whole, so that a kill leaves no half of it.
        let beside = self.results.with_extension("part");
        let mut file = create(&beside).with_context(failed)?;
        file.write_all(self.hidden(json).as_bytes()).with_context(failed)?;
        std::fs::rename(&beside, &self.results).with_context(failed)
    }

    /// Lets the record go to this file, relative to the workspace.
    pub fn record_in(&self, path: Option<&str>) {
        if let Some(path) = path {
            *self.record.borrow_mut() = self.workspace.join(path);
        }
    }

    /// The path of the record.
    pub fn audit_log(&self) -> String {
        self.record.borrow().display().to_string()
    }

    /// Adds a line to the record, at once and whole.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write_record(&self, line: &str) -> anyhow::Result<()> {
        let path = self.record.borrow();
        let failed = || format!("cannot write the record `{}`", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(failed)?;
        }
        let mut file = append(&path).with_context(failed)?;
        // One write for a line keeps those of several processes apart.
        file.write_all(format!("{}\n", self.hidden(line)).as_bytes()).with_context(failed)
    }

    /// Hands outputs to the runner. The last value of a name counts.
    ///
    /// # Errors
    /// Where the file that `GITHUB_OUTPUT` names cannot be written.
    pub fn write_outputs(&self, outputs: &[(&'static str, String)]) -> anyhow::Result<()> {
        let Some(path) = &self.output else {
            return Ok(());
        };
        let failed = || format!("cannot write the outputs to `{}`, which GITHUB_OUTPUT names", path.display());
        let mut file = append(path).with_context(failed)?;
        // Only the values are searched for secrets: a secret that reads like a name must not take that away.
        let outputs = outputs.iter().map(|(name, value)| (*name, self.hidden(value))).collect::<Vec<_>>();
        file.write_all(render(&outputs, || self.random_id()).as_bytes()).with_context(failed)
    }

    /// Hands the summary to the runner, in place of the one before.
    ///
    /// # Errors
    /// Where the file that `GITHUB_STEP_SUMMARY` names cannot be written.
    pub fn write_summary(&self, markdown: &str) -> anyhow::Result<()> {
        let Some(path) = &self.summary else {
            return Ok(());
        };
        let failed = || format!("cannot write the summary to `{}`, which GITHUB_STEP_SUMMARY names", path.display());
        #[expect(clippy::disallowed_methods, reason = "this is the file that may touch files")]
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path).with_context(failed)?;
        let before = match self.summary_before.get() {
            Some(before) => before,
            None => file.metadata().with_context(failed)?.len(),
        };
        self.summary_before.set(Some(before));
        let markdown = self.hidden(markdown);
        if !file.metadata().with_context(failed)?.is_file() {
            // A device or a pipe has no place to go back to.
            return file.write_all(markdown.as_bytes()).with_context(failed);
        }
        file.seek(SeekFrom::Start(before)).with_context(failed)?;
        // Written over the one before and shortened then, so that a kill in between leaves a summary.
        file.write_all(markdown.as_bytes()).with_context(failed)?;
        let end = file.stream_position().with_context(failed)?;
        file.set_len(end).with_context(failed)
    }

    /// Whether the workspace has such a file.
    pub fn has(&self, name: &str) -> bool {
        self.workspace.join(name).exists()
    }

    /// The names of the files in a folder of the workspace; none where it cannot be listed.
    pub fn files_in(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.workspace.join(folder)).into_iter().flatten().flatten();
        let files = entries.filter(|entry| entry.file_type().is_ok_and(|it| !it.is_dir()));
        files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// A text in the workspace, of at most so many bytes.
    ///
    /// # Errors
    /// Where there is no such file, where it or a link on the way to it leads out of the workspace, and where it is
    /// no text of that size.
    pub fn text(&self, name: &str, most: usize) -> anyhow::Result<String> {
        let workspace = self.workspace.canonicalize().with_context(|| {
            format!("the workspace `{}`, which GITHUB_WORKSPACE names, cannot be read", self.workspace.display())
        })?;
        let path = workspace.join(name).canonicalize().with_context(|| {
            format!(
                "there is no such file under `{}`; is `actions/checkout` missing before this step?",
                workspace.display()
            )
        })?;
        anyhow::ensure!(
            path.starts_with(&workspace),
            "it leads out of the workspace, to `{}`; name a file inside",
            path.display()
        );
        anyhow::ensure!(path.is_file(), "it is no file");
        let bytes = read(&path, u64::try_from(most).unwrap_or(u64::MAX))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            anyhow::anyhow!("it is not valid UTF-8, first in line {line}; save it in that encoding")
        })?;
        // Some editors begin a file with a mark that an agent has no use for.
        Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
    }

    /// The payload of the event that started the workflow; `None` where there is none.
    ///
    /// # Errors
    /// Where the file that `GITHUB_EVENT_PATH` names cannot be read or is no JSON.
    pub fn event(&self, environment: &Environment) -> anyhow::Result<Option<Value>> {
        let Some(path) = environment.get("GITHUB_EVENT_PATH") else {
            return Ok(None);
        };
        let failed = || format!("cannot read the event's payload `{path}`, which GITHUB_EVENT_PATH names");
        let bytes = read(Path::new(path), MOST_EVENT_BYTES).with_context(failed)?;
        serde_json::from_slice(&bytes).map(Some).with_context(failed)
    }

    /// Waits until the process is told to end.
    #[cfg(unix)]
    pub async fn interrupted(&self) -> Signal {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok((mut interrupt, mut terminate)) =
            signal(SignalKind::interrupt()).and_then(|one| Ok((one, signal(SignalKind::terminate())?)))
        else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => Signal::Interrupt,
            _ = terminate.recv() => Signal::Terminate,
        }
    }

    /// Waits until the process is told to end.
    #[cfg(not(unix))]
    pub async fn interrupted(&self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            Err(_) => std::future::pending().await,
        }
    }

    /// A text without the secrets that are kept, nor the beginning of one where the text was cut.
    fn hidden(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (secret, escaped) in self.secrets.borrow().iter() {
            let secret = secret.expose();
            text = text.replace(secret, "***").replace(escaped, "***");
            if text.contains(CUT) {
                for long in (SHORTEST_PART..secret.len()).rev() {
                    text = text.replace(&format!("{}{CUT}", &secret[..long]), &format!("***{CUT}"));
                }
            }
        }
        text
    }

    fn print(&self, line: &str) {
        let clear = if self.live.take() { "\r\x1b[2K" } else { "" };
        self.write(format!("{clear}{line}\n").as_bytes());
    }

    fn write(&self, bytes: &[u8]) {
        let mut log = self.log.borrow_mut();
        // Nobody reads the log any more where this fails, and the work goes on without.
        let _ = log.write_all(bytes).and_then(|()| log.flush());
    }
}

impl RequestLog for Host {
    fn log_request(&self, line: &str) {
        self.debug(line);
    }
}

fn random_id(random: &SystemRandom) -> String {
    let mut bytes = [0; 16];
    match random.fill(&mut bytes) {
        Ok(()) => hexadecimal(&bytes),
        // A machine without randomness is a machine without TLS, so nothing is sent from it; a word is still needed.
        Err(_) => format!("{:032x}", fastrand::u128(..)),
    }
}

fn read(path: &Path, most: u64) -> anyhow::Result<Vec<u8>> {
    #[expect(clippy::disallowed_methods, reason = "this is the file that may touch files")]
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    let long = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    anyhow::ensure!(long <= most, "it has more than {most} bytes; shorten it");
    Ok(bytes)
}

fn create(path: &Path) -> std::io::Result<File> {
    #[expect(clippy::disallowed_methods, reason = "this is the file that may touch files")]
    File::create(path)
}

fn append(path: &Path) -> std::io::Result<File> {
    #[expect(clippy::disallowed_methods, reason = "this is the file that may touch files")]
    OpenOptions::new().append(true).create(true).open(path)
}
