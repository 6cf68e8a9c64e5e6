//! A step of a job: its variables and files, and the program's own entry point against the simulator under virtual time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use agent_task::actions::context::Environment;
use agent_task::actions::host::Host;
use agent_task::github::client::GitHub;
use agent_task::report::outputs::OUTPUTS;
use serde_json::Value;
use simulator::Simulator;

use super::TOKEN;
use super::finished::{Finished, outputs};
use super::folder::Folder;

/// A step that is about to run: in this process by `run`, as a process of its own by `run_process` or `spawn`.
pub(crate) struct Step {
    pub(super) simulator: Simulator,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) arguments: Vec<String>,
    pub(crate) folder: Arc<Folder>,
}

impl Step {
    /// A step that starts a task in `octo/app`, asks for a pull request and waits.
    pub(crate) fn new(simulator: &Simulator) -> Self {
        let folder = Folder::new();
        let variables = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "octo/app"),
            ("GITHUB_ACTOR", "mona"),
            ("GITHUB_OUTPUT", &folder.path("output")),
            ("GITHUB_STEP_SUMMARY", &folder.path("summary")),
            ("GITHUB_WORKSPACE", &folder.path("workspace")),
            ("RUNNER_TEMP", &folder.path("temp")),
            ("INPUT_TOKEN", TOKEN),
            ("INPUT_PROMPT", "Prepare the release"),
            ("INPUT_WAIT", "true"),
            ("INPUT_CREATE_PULL_REQUEST", "true"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { simulator: simulator.clone(), variables, arguments: Vec::new(), folder }
    }

    /// The simulator that it is run against.
    pub(crate) fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    /// A step that waits for tasks that were started before.
    pub(crate) fn waiting(simulator: &Simulator, task_id: &str) -> Self {
        let step = Self::new(simulator).with("command", "wait").with("task-id", task_id);
        step.with("prompt", "").with("create-pull-request", "")
    }

    /// A step that stops tasks that were started before.
    pub(crate) fn stopping(simulator: &Simulator, task_id: &str) -> Self {
        Self::waiting(simulator, task_id).with("command", "stop").with("wait", "")
    }

    pub(crate) fn with(self, input: &str, value: &str) -> Self {
        self.variable(&format!("INPUT_{}", input.to_uppercase().replace('-', "_")), value)
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same step without a variable.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// The same step with an argument on its command line.
    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// The same step with a file in its workspace.
    pub(crate) fn file(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.folder.write(&format!("workspace/{name}"), bytes);
        self
    }

    /// The same step in a run for an event.
    pub(crate) fn on(self, name: &str, payload: &Value) -> Self {
        self.folder.write("event.json", payload.to_string());
        let path = self.folder.path("event.json");
        let run = self.variable("GITHUB_RUN_ID", "17").variable("GITHUB_EVENT_NAME", name);
        run.variable("GITHUB_EVENT_PATH", &path)
    }

    /// The same step in the folder of one that ran before it.
    pub(crate) fn after(mut self, ran: &Finished) -> Self {
        let old = std::mem::replace(&mut self.folder, Arc::clone(&ran.folder));
        for value in self.variables.values_mut() {
            *value = value.replace(&old.path(""), &ran.folder.path(""));
        }
        // The runner has a new file for each step.
        self.folder.write("output", "");
        self
    }

    /// Runs the step in this process, and kills it after a while if it has not ended by then.
    pub(crate) async fn run_for(self, while_: Duration) -> Option<Finished> {
        let folder = Arc::clone(&self.folder);
        if let Ok(ran) = tokio::time::timeout(while_, self.run()).await {
            return Some(ran);
        }
        let written = outputs(&folder.read("output"));
        for name in OUTPUTS {
            assert!(written.contains_key(name), "{name} is missing");
        }
        None
    }

    /// Runs the step in this process.
    #[track_caller]
    pub(crate) fn run(self) -> impl Future<Output = Finished> {
        let log = Log::default();
        let environment: Environment = self.variables.clone().into_iter().collect();
        async move {
            let began = tokio::time::Instant::now();
            let runner = Host::with_log(&environment, Box::new(log.clone()));
            let code = agent_task::run(&environment, &runner, |address, token| {
                Ok(GitHub::over(self.simulator.clone(), address, token))
            });
            let code = code.await.code().into();
            let log = String::from_utf8(log.0.take()).unwrap();
            Finished::new(&self, code, log, String::new(), began.elapsed())
        }
    }
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
