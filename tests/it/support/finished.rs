//! A step that has ended, however it was run, and what holds for every one.

#![expect(clippy::disallowed_methods, reason = "a test plays the runner, whose files these are")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agent_task::report::outputs::OUTPUTS;
use serde_json::Value;
use simulator::Call;

use crate::grammar;

use super::folder::Folder;
use super::step::Step;
use super::{TOKEN, redact};

/// In place of the exit code of a process that a signal ended.
pub(crate) const KILLED: i32 = -1;

pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) log: String,
    pub(crate) stderr: String,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) summary: String,
    /// The record, a line each.
    pub(crate) record: String,
    /// All that the simulator was asked so far, by this step and those before it.
    pub(crate) calls: Vec<Call>,
    pub(crate) took: Duration,
    pub(crate) folder: Arc<Folder>,
}

impl Finished {
    #[track_caller]
    pub(super) fn new(step: &Step, code: i32, log: String, stderr: String, took: Duration) -> Self {
        let folder = Arc::clone(&step.folder);
        let ran = Self {
            code,
            log,
            stderr,
            outputs: outputs(&whole(&folder.read("output"), code)),
            summary: folder.read("summary"),
            record: folder.read("temp/agent-task/audit.jsonl"),
            calls: step.simulator.log(),
            took,
            folder,
        };
        ran.check_requests(step);
        ran.check_secrets(step);
        ran.check_commands(step);
        if step.arguments.is_empty() {
            ran.check_end(step);
        }
        ran
    }

    /// The simulator understood every request.
    #[track_caller]
    fn check_requests(&self, step: &Step) {
        assert_eq!(step.simulator.unexpected(), Vec::<String>::new(), "{}", self.log);
    }

    /// A token is masked before anything else is written, and is nowhere else.
    #[track_caller]
    fn check_secrets(&self, step: &Step) {
        let log = &self.log;
        for secret in secrets(step) {
            let mask = format!("::add-mask::{secret}\n");
            if let Some(at) = log.find(&mask) {
                let first = log[..at].lines().all(|line| line.starts_with("::add-mask::"));
                assert!(first, "the mask comes late:\n{log}");
            }
            let shown = [&log.replace(&mask, ""), &self.stderr].iter().any(|text| has(text, &secret));
            assert!(!shown, "the log shows the token:\n{log}{}", self.stderr);
            let files = [&self.summary, &self.record, &self.folder.read("output")];
            assert!(!files.iter().any(|text| has(text, &secret)), "a file shows the token:\n{log}");
        }
    }

    /// No file of the step has a token in it, and the results are in their file.
    #[track_caller]
    pub(super) fn check_files(&self, step: &Step) {
        for path in self.folder.files() {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).into_owned();
            assert!(!secrets(step).iter().any(|secret| has(&text, secret)), "the token is in {}", path.display());
        }
        if self.outputs.contains_key("results-file") {
            let kept = match self.output("results-file") {
                "" => Vec::new(),
                path => serde_json::from_str::<Vec<Value>>(&std::fs::read_to_string(path).unwrap()).unwrap(),
            };
            // An output has no room for the results of thousands. A kill can come after the file and before the output.
            assert!(self.code == KILLED || kept.starts_with(&self.results()), "{kept:?}");
        }
    }

    /// The runner takes no line of the log for a command but those that the program means.
    #[track_caller]
    fn check_commands(&self, step: &Step) {
        let on_a_runner = step.variables.contains_key("GITHUB_ACTIONS");
        let own = ["group", "endgroup", "error", "warning", "notice"];
        for line in grammar::lines(&self.log).into_iter().chain(grammar::lines(&self.stderr)) {
            if let Some(command) = grammar::command(line) {
                let mask = command.name == "add-mask"
                    && given_tokens(step).chain([TOKEN]).any(|token| token.contains(&command.data));
                assert!(on_a_runner && (mask || own.contains(&command.name.as_str())), "a command in the log: {line}");
            }
        }
    }

    /// All outputs are written, and an annotation says why a step fails.
    #[track_caller]
    fn check_end(&self, step: &Step) {
        assert_eq!(self.stderr, "", "{}", self.log);
        let failed = self.log.lines().any(|line| line.starts_with("::error ") || line.starts_with("error: "));
        // The doctor shows what is wrong even where it is tolerated.
        let is_doctor = step.variables.get("INPUT_COMMAND").is_some_and(|command| command == "doctor");
        let fails = !matches!(self.code, 0 | KILLED);
        assert!(failed == fails || failed && is_doctor, "{}:\n{}", self.code, self.log);
        // A killed process may have written none of them, but never a part.
        let none_yet = self.code == KILLED && self.outputs.is_empty();
        if !none_yet && step.variables.get("GITHUB_OUTPUT") == Some(&self.folder.path("output")) {
            let mut names = OUTPUTS.to_vec();
            names.sort_unstable();
            assert_eq!(self.outputs.keys().map(String::as_str).collect::<Vec<_>>(), names, "{}", self.log);
        }
    }

    pub(crate) fn output(&self, name: &str) -> &str {
        &self.outputs[name]
    }

    /// The output `results`.
    pub(crate) fn results(&self) -> Vec<Value> {
        serde_json::from_str(self.output("results")).unwrap()
    }

    #[track_caller]
    pub(crate) fn assert(&self, code: i32, state: &str, conclusion: &str) {
        let found = (self.code, self.output("state"), self.output("conclusion"));
        assert_eq!(found, (code, state, conclusion), "{}", self.log);
    }

    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{}{}", self.log, self.stderr);
        self
    }

    /// Checks an output.
    #[track_caller]
    pub(crate) fn gives(&self, name: &str, value: &str) -> &Self {
        assert_eq!(self.output(name), value, "{name}:\n{}", self.log);
        self
    }

    /// Checks how many starts were sent.
    #[track_caller]
    pub(crate) fn posts(&self, count: usize) -> &Self {
        assert_eq!(self.starts(), count, "{:#?}", self.calls);
        self
    }

    #[track_caller]
    pub(crate) fn sends_nothing(&self) -> &Self {
        assert_eq!(self.calls, []);
        self
    }

    #[track_caller]
    pub(crate) fn annotates_nothing(&self) -> &Self {
        assert_eq!(self.annotations(), "");
        self
    }

    /// The starts that were sent.
    pub(crate) fn start_calls(&self) -> Vec<&Call> {
        self.calls.iter().filter(|call| call.method == "POST" && call.path.ends_with("/tasks")).collect()
    }

    pub(crate) fn starts(&self) -> usize {
        self.start_calls().len()
    }

    /// How often a single task was read.
    pub(crate) fn polls(&self) -> usize {
        self.calls.iter().filter(|call| call.method == "GET" && call.path.contains("/tasks/")).count()
    }

    // ---- Words, for snapshots --------------------------------------------------------------------------------------

    /// What is on the page of the run: level, title and message of each annotation.
    pub(crate) fn annotations(&self) -> String {
        let commands = grammar::lines(&self.log).into_iter().filter_map(grammar::command);
        let annotations = commands.filter(|it| ["error", "warning", "notice"].contains(&it.name.as_str()));
        let texts = annotations.map(|it| {
            assert_eq!(it.properties.keys().collect::<Vec<_>>(), ["title"], "{}", self.log);
            format!("{} [{}] {}", it.name, it.properties["title"], it.data)
        });
        redact(&texts.collect::<Vec<_>>().join("\n"))
    }

    /// The reasons of the one annotation of a step that was refused, which are its `error-message` as well.
    #[track_caller]
    pub(crate) fn refusal(&self) -> String {
        let annotations = self.annotations();
        let reasons = annotations.strip_prefix("error [").and_then(|rest| rest.split_once("] ")).unwrap().1;
        assert_eq!(reasons.replace('\n', "; "), self.message().replace('\n', "; "));
        reasons.to_owned()
    }

    /// The output `error-message`.
    pub(crate) fn message(&self) -> String {
        redact(self.output("error-message"))
    }

    /// The first line of the summary.
    pub(crate) fn headline(&self) -> String {
        redact(self.summary.lines().next().unwrap_or_default())
    }

    /// The lines of the summary with a word in them.
    pub(crate) fn summary_lines(&self, word: &str) -> String {
        lines(&self.summary, word)
    }

    /// The lines about the progress of the step, without their times.
    pub(crate) fn progress(&self) -> String {
        redact(&progress(&self.log))
    }

    /// The lines of the log with a word in them, without their times. Annotations are left to `annotations`.
    pub(crate) fn log_lines(&self, word: &str) -> String {
        let is_annotation = |line: &str| ["::error ", "::warning ", "::notice "].iter().any(|it| line.starts_with(it));
        let rest = self.log.lines().filter(|line| !is_annotation(line)).collect::<Vec<_>>();
        lines(&rest.join("\n"), word)
    }
}

/// A file of outputs without what a kill cut off: Linux ends a write of several pages between two of them.
fn whole(text: &str, code: i32) -> String {
    let mut lines = text.split_inclusive('\n').collect::<Vec<_>>();
    while code == KILLED && grammar::outputs(&lines.concat(), false).is_err() {
        lines.pop();
    }
    lines.concat()
}

/// Reads outputs as the runner does, and panics where it would fail the step.
#[track_caller]
pub(crate) fn outputs(text: &str) -> BTreeMap<String, String> {
    grammar::outputs(text, false).unwrap().into_iter().collect()
}

/// The lines of a log that begin with how long the step has run.
pub(super) fn progress(log: &str) -> String {
    log.lines()
        .filter_map(|line| line.strip_prefix('[')?.split_once("] "))
        .map(|(_, it)| it.to_owned() + "\n")
        .collect()
}

fn lines(text: &str, word: &str) -> String {
    let lines = text.lines().filter(|line| line.contains(word));
    let without_time = |line: &'_ str| match line.strip_prefix('[').and_then(|line| line.split_once("] ")) {
        Some((_, line)) => line.to_owned(),
        None => line.trim_start().to_owned(),
    };
    redact(&lines.map(without_time).collect::<Vec<_>>().join("\n"))
}

/// Whether a text shows a secret, be it behind the backslashes of Markdown or JSON.
fn has(text: &str, secret: &str) -> bool {
    text.contains(secret) || text.replace('\\', "").contains(secret)
}

fn given_tokens(step: &Step) -> impl Iterator<Item = &str> {
    let tokens = step.variables.iter().filter(|(name, _)| name.to_ascii_uppercase().contains("TOKEN"));
    tokens.map(|(_, value)| value.as_str())
}

/// What must be found nowhere: every token of the step that looks like one. A property gives common words as well.
fn secrets(step: &Step) -> Vec<String> {
    let given = given_tokens(step).map(|token| token.trim_start_matches("Bearer "));
    let starts = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "eyJ"];
    let real = given.filter(|token| token.len() >= 8 && starts.iter().any(|start| token.starts_with(start)));
    real.chain([TOKEN]).map(str::to_owned).collect()
}
