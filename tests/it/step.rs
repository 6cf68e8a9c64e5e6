//! A step that runs in this process under virtual time: the program's own entry point against the simulator.

#![expect(clippy::disallowed_methods, reason = "a test plays the runner, whose files these are")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use agent_task::actions::context::Environment;
use agent_task::actions::host::Host;
use agent_task::github::client::GitHub;
use agent_task::report::outputs::OUTPUTS;
use serde_json::Value;
use simulator::{Call, Simulator};

use crate::grammar;

pub(crate) const TOKEN: &str = "github_pat_simulated";

/// A step that is about to run.
pub(crate) struct Step {
    simulator: Simulator,
    variables: BTreeMap<String, String>,
    folder: PathBuf,
}

/// A step that has run.
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) log: String,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) summary: String,
    /// The record, a line each.
    pub(crate) record: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) took: Duration,
}

#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Step {
    /// A step that starts a task and waits for it.
    pub(crate) fn new(simulator: &Simulator) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("flow-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = |name: &str| folder.join(name).display().to_string();
        let variables = [
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("GITHUB_REPOSITORY", "octo/app".to_owned()),
            ("GITHUB_ACTOR", "mona".to_owned()),
            ("GITHUB_OUTPUT", path("output")),
            ("GITHUB_STEP_SUMMARY", path("summary")),
            ("GITHUB_WORKSPACE", path("")),
            ("RUNNER_TEMP", path("temp")),
            ("INPUT_TOKEN", TOKEN.to_owned()),
            ("INPUT_PROMPT", "Prepare the release".to_owned()),
            ("INPUT_WAIT", "true".to_owned()),
            ("INPUT_CREATE_PULL_REQUEST", "true".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        Self { simulator: simulator.clone(), variables, folder }
    }

    /// A step that waits for a task that was started before.
    pub(crate) fn waiting(simulator: &Simulator, task_id: &str) -> Self {
        let step = Self::new(simulator).with("command", "wait").with("task-id", task_id);
        step.with("prompt", "").with("create-pull-request", "")
    }

    pub(crate) fn with(mut self, input: &str, value: &str) -> Self {
        self.variables.insert(format!("INPUT_{}", input.to_uppercase().replace('-', "_")), value.to_owned());
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same step with a file in its workspace.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// The same step in a run for an event.
    pub(crate) fn on(self, name: &str, payload: &Value) -> Self {
        let path = self.folder.join("event.json");
        std::fs::write(&path, payload.to_string()).unwrap();
        let run = self.variable("GITHUB_RUN_ID", "17").variable("GITHUB_EVENT_NAME", name);
        run.variable("GITHUB_EVENT_PATH", &path.display().to_string())
    }

    /// Runs the step and kills it after a while, if it has not ended by then. What it wrote until then is checked all
    /// the same.
    pub(crate) async fn run_for(self, while_: Duration) -> Option<Ran> {
        let folder = self.folder.clone();
        if let Ok(ran) = tokio::time::timeout(while_, self.run()).await {
            return Some(ran);
        }
        let written = outputs(&std::fs::read_to_string(folder.join("output")).unwrap());
        for name in OUTPUTS {
            assert!(written.contains_key(name), "{name} is missing");
        }
        std::fs::remove_dir_all(&folder).unwrap();
        None
    }

    #[track_caller]
    pub(crate) fn run(self) -> impl Future<Output = Ran> {
        let log = Log::default();
        let environment: Environment = self.variables.clone().into_iter().collect();
        async move {
            let began = tokio::time::Instant::now();
            let runner = Host::with_log(&environment, Box::new(log.clone()));
            let code = agent_task::run(&environment, &runner, |address, token| {
                Ok(GitHub::over(self.simulator.clone(), address, token))
            });
            let code = code.await.code();
            let read = |name: &str| std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
            let ran = Ran {
                code,
                log: String::from_utf8(log.0.take()).unwrap(),
                outputs: outputs(&read("output")),
                summary: read("summary"),
                record: read("temp/agent-task/audit.jsonl"),
                calls: self.simulator.log(),
                took: began.elapsed(),
            };
            assert_eq!(self.simulator.unexpected(), Vec::<String>::new());
            for name in OUTPUTS {
                assert!(ran.outputs.contains_key(name), "{name} is missing");
            }
            let unmasked = ran.log.replace(&format!("::add-mask::{TOKEN}\n"), "");
            assert!(
                ![&unmasked, &ran.summary, &ran.record, &read("output")]
                    .iter()
                    .any(|text| text.replace('\\', "").contains(TOKEN))
            );
            std::fs::remove_dir_all(&self.folder).unwrap();
            ran
        }
    }
}

impl Ran {
    pub(crate) fn output(&self, name: &str) -> &str {
        &self.outputs[name]
    }

    #[track_caller]
    pub(crate) fn assert(&self, code: u8, state: &str, conclusion: &str) {
        let found = (self.code, self.output("state"), self.output("conclusion"));
        assert_eq!(found, (code, state, conclusion), "{}", self.log);
    }

    #[track_caller]
    pub(crate) fn assert_log(&self, part: &str) {
        assert!(self.log.contains(part), "{part} in\n{}", self.log);
    }

    pub(crate) fn starts(&self) -> usize {
        self.calls.iter().filter(|call| call.method == "POST" && call.path.ends_with("/tasks")).count()
    }

    pub(crate) fn looks(&self) -> usize {
        self.calls.iter().filter(|call| call.method == "GET" && call.path.contains("/tasks/")).count()
    }
}

/// The outputs as the runner reads them: the last value of a name counts.
fn outputs(text: &str) -> BTreeMap<String, String> {
    grammar::outputs(text, false).unwrap().into_iter().collect()
}
