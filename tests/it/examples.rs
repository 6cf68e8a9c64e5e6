//! The example workflows: every name in them exists, and the real binary runs every step that uses the action, with the
//! inputs of the workflow, against a simulator.
//!
//! Expressions are not evaluated in general. Outputs are known from running the step or job; the test gives the values of
//! all other expressions, and an unknown expression is an error.

#![expect(clippy::disallowed_methods, reason = "a test plays the runner, whose files and processes these are")]

mod fleet;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use agent_task::inputs::table::INPUTS;
use agent_task::report::outputs::OUTPUTS;
use serde_json::{Value, json};
use simulator::{
    ChangedFile, CheckRun, ExistingTask, Permission, PullContent, Repository, Script, Settings, Simulator, Token, serve,
};
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

use crate::grammar;
use crate::support::binary;

/// The action, as the examples name it.
const ACTION: &str = "octo-org/agent-task@";
/// Inputs of `action.yml` that the program does not read.
const OF_THE_ACTION: [&str; 3] = ["binary-base-url", "binary-path", "binary-verify"];
/// The value of the secret AGENT_TASK_TOKEN.
const TOKEN: &str = "github_pat_simulated";
/// The workflow's own token: it can read pull requests and no agent tasks.
const OWN_TOKEN: &str = "ghs_simulated";

/// The texts of the examples, by file name without the extension.
fn examples() -> BTreeMap<String, String> {
    let mut examples = BTreeMap::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "yml") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            examples.insert(name, std::fs::read_to_string(path).unwrap());
        }
    }
    examples
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/workflows")
}

#[track_caller]
fn example(name: &str) -> String {
    examples().remove(name).unwrap_or_else(|| panic!("there is no example `{name}`"))
}

/// A parsed workflow.
struct Workflow(Value);

impl Workflow {
    fn parse(text: &str) -> Self {
        let options = serde_saphyr::options! { with_snippet: false };
        Self(serde_saphyr::from_str_with_options(text, options).unwrap())
    }

    fn jobs(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0["jobs"].as_object().unwrap().iter().map(|(name, job)| (name.as_str(), job))
    }

    /// The steps that use the action, each with its job.
    fn uses(&self) -> Vec<(&str, &Value)> {
        self.jobs().flat_map(|(name, job)| steps(job).filter(|it| is_ours(it)).map(move |step| (name, step))).collect()
    }

    #[track_caller]
    fn step(&self, job: &str, id: &str) -> &Value {
        let found = self.uses().into_iter().find(|(name, step)| *name == job && step["id"] == id);
        found.unwrap_or_else(|| panic!("no step `{id}` of the job `{job}` uses the action")).1
    }

    /// Every name in it that does not exist.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, job) in self.jobs() {
            for step in steps(job).filter(|it| is_ours(it)) {
                if step["id"].as_str().is_none() {
                    faults.push(format!("{name}: a step that uses the action has no id"));
                }
                for input in step["with"].as_object().unwrap().keys() {
                    let known = INPUTS.iter().any(|it| it.name == input);
                    if !known && !OF_THE_ACTION.contains(&input.as_str()) {
                        faults.push(format!("{name}: not an input: {input}"));
                    }
                }
            }
            let mut texts = Vec::new();
            gather(job, &mut texts);
            for reference in texts.iter().flat_map(|text| references(text)) {
                if let Err(why) = self.resolve(job, &reference) {
                    faults.push(format!("{name}: `{}` {why}", reference.join(".")));
                }
            }
        }
        faults
    }

    /// Whether the name in an expression exists.
    fn resolve(&self, job: &Value, reference: &[&str]) -> Result<(), &'static str> {
        match *reference {
            ["steps", id, ref rest @ ..] => {
                let step = steps(job).find(|step| step["id"] == id).ok_or("is not a step of this job")?;
                let known = match *rest {
                    ["outcome" | "conclusion"] => true,
                    ["outputs", output] if is_ours(step) => OUTPUTS.contains(&output),
                    ["outputs", output] => step["run"].as_str().is_some_and(|it| it.contains(&format!("{output}="))),
                    _ => false,
                };
                if known { Ok(()) } else { Err("is not an output of this step") }
            }
            ["needs", other, ref rest @ ..] => {
                let needs = &job["needs"];
                let needed = needs == other || needs.as_array().is_some_and(|all| all.iter().any(|it| it == other));
                let known = match *rest {
                    ["result"] => true,
                    ["outputs", output] => self.0["jobs"][other]["outputs"].get(output).is_some(),
                    _ => false,
                };
                if !needed {
                    return Err("is not a job that this one needs");
                }
                if known { Ok(()) } else { Err("is not an output of this job") }
            }
            ["inputs", input] => {
                let known = self.0["on"]["workflow_dispatch"]["inputs"].get(input).is_some();
                if known { Ok(()) } else { Err("is not an input of this workflow") }
            }
            ["matrix", name] => {
                let matrix = &job["strategy"]["matrix"];
                let planned = matrix.as_str().is_some_and(|it| it.contains(".outputs.matrix"));
                let known = matrix.get(name).is_some() || planned && ["shard", "count", "repositories"].contains(&name);
                if known { Ok(()) } else { Err("is not in the matrix of this job") }
            }
            _ => Ok(()),
        }
    }
}

pub(crate) fn steps(job: &Value) -> impl Iterator<Item = &Value> {
    job["steps"].as_array().unwrap().iter()
}

fn is_ours(step: &Value) -> bool {
    step["uses"].as_str().is_some_and(|it| it.starts_with(ACTION))
}

/// Every text that can contain an expression; an `if:` without `${{ }}` is given one.
fn gather(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                match value.as_str() {
                    Some(text) if key == "if" && !text.contains("${{") => texts.push(format!("${{{{ {text} }}}}")),
                    _ => gather(value, texts),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, texts)),
        Value::String(text) => texts.push(text.clone()),
        _ => {}
    }
}

/// The expressions in a text, each with the text before it, and the text after the last one.
pub(crate) fn split(text: &str) -> (Vec<(&str, &str)>, &str) {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        let (expression, after) = after.split_once("}}").unwrap();
        parts.push((before, expression.trim()));
        rest = after;
    }
    (parts, rest)
}

/// The names in the expressions of a text: `steps.task.outputs.state` as its four words.
fn references(text: &str) -> Vec<Vec<&str>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let expressions = split(text).0.into_iter().map(|(_, expression)| expression);
    let words = expressions.flat_map(|it| it.split(move |c| !is_part(c))).filter(|word| word.contains('.'));
    words.map(|word| word.split('.').collect()).collect()
}

/// A run of a workflow, step by step.
struct Run {
    workflow: Workflow,
    simulator: Simulator,
    address: String,
    runtime: Option<Runtime>,
    folder: TempDir,
    /// The values of expressions.
    values: BTreeMap<String, String>,
    /// Inputs that replace those of the example.
    overrides: BTreeMap<String, String>,
    /// The event: its name and its payload.
    event: (String, Value),
    /// The steps that have run.
    done: Vec<(String, String)>,
}

impl Run {
    /// A run of this text against a simulator that follows the documentation. Each task opens a pull request and
    /// completes at once.
    fn of(text: &str, values: &[(&str, &str)]) -> Self {
        let simulator = Simulator::new();
        simulator.settings(|settings| *settings = Settings::documented());
        simulator.default_script(
            Script::new().state("in_progress", Duration::ZERO).pull().state("completed", Duration::ZERO),
        );
        simulator.token(OWN_TOKEN, Token::default().without(Permission::AgentTasksRead));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = {
            let _inside = runtime.enter();
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
            socket.listen(16).unwrap()
        };
        let address = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(serve(listener, simulator.clone()));
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::create_dir_all(folder.path().join("workspace/.github/prompts")).unwrap();
        let common = [("secrets.AGENT_TASK_TOKEN", TOKEN), ("github.token", OWN_TOKEN)];
        let values = common.iter().chain(values).map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self {
            workflow: Workflow::parse(text),
            simulator,
            address,
            runtime: Some(runtime),
            folder,
            values,
            overrides: BTreeMap::from([("poll-interval".to_owned(), "20ms".to_owned())]),
            event: ("schedule".to_owned(), json!({})),
            done: Vec::new(),
        }
    }

    #[track_caller]
    fn of_example(name: &str, values: &[(&str, &str)]) -> Self {
        Self::of(&example(name), values)
    }

    /// The same for a `workflow_dispatch` with these inputs.
    fn dispatched(mut self, inputs: Value) -> Self {
        self.event = ("workflow_dispatch".to_owned(), json!({"inputs": inputs}));
        self
    }

    /// The same for a comment on an issue.
    fn commented(mut self, login: &str, body: &str) -> Self {
        let issue = json!({"number": 3, "title": "Crash on start", "body": "It crashes.\n<!-- hidden -->\nReally."});
        let sender = json!({"login": login, "type": "User"});
        let comment = json!({"body": body, "user": sender});
        let payload = json!({"action": "created", "issue": issue, "comment": comment, "sender": sender});
        self.event = ("issue_comment".to_owned(), payload);
        self
    }

    /// Sets the script of the next task in a repository.
    fn next(&self, repository: &str, script: Script) -> &Self {
        self.simulator.script(repository, script);
        self
    }

    /// A text with its expressions replaced by their values.
    #[track_caller]
    fn evaluate(&self, text: &str) -> String {
        let (parts, rest) = split(text);
        let mut evaluated = String::new();
        for (before, expression) in parts {
            let value = self.values.get(expression);
            evaluated += before;
            evaluated += value.unwrap_or_else(|| panic!("the test gives no value for `{expression}`"));
        }
        evaluated + rest
    }

    /// Runs a step that uses the action, and keeps its outputs.
    #[track_caller]
    fn step(&mut self, job: &str, id: &str) -> Ran {
        let given = self.workflow.step(job, id)["with"].clone();
        let mut inputs = BTreeMap::new();
        for (name, value) in given.as_object().unwrap() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            inputs.insert(name.clone(), self.evaluate(&text));
        }
        // A plan does not poll.
        if inputs.get("command").is_none_or(|command| command != "plan") {
            inputs.extend(self.overrides.clone());
        }
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let (event, payload) = &self.event;
        std::fs::write(file("event.json"), payload.to_string()).unwrap();
        std::fs::write(file("output"), "").unwrap();
        let output = Command::new(binary())
            .env_clear()
            .envs(
                inputs.iter().map(|(name, value)| (format!("INPUT_{}", name.to_uppercase().replace('-', "_")), value)),
            )
            .env("GITHUB_ACTION", id)
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_ACTOR", payload["sender"]["login"].as_str().unwrap_or("mona"))
            .env("GITHUB_API_URL", &self.address)
            .env("GITHUB_EVENT_NAME", event)
            .env("GITHUB_EVENT_PATH", file("event.json"))
            .env("GITHUB_JOB", job)
            .env("GITHUB_OUTPUT", file("output"))
            .env("GITHUB_REPOSITORY", "octo/app")
            .env("GITHUB_RUN_ATTEMPT", "1")
            .env("GITHUB_RUN_ID", "17")
            .env("GITHUB_STEP_SUMMARY", file("summary"))
            .env("GITHUB_WORKFLOW", self.workflow.0["name"].as_str().unwrap())
            .env("GITHUB_WORKSPACE", file("workspace"))
            .env("RUNNER_TEMP", file("temp"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let outputs = outputs(&std::fs::read_to_string(file("output")).unwrap());
        for (name, value) in &outputs {
            self.values.insert(format!("steps.{id}.outputs.{name}"), value.clone());
        }
        assert_eq!(self.simulator.unexpected(), Vec::<String>::new());
        self.done.push((job.to_owned(), id.to_owned()));
        Ran { code: output.status.code(), log: String::from_utf8(output.stdout).unwrap(), outputs }
    }

    /// Ends a job: from here on its outputs are known, and its steps no longer.
    #[track_caller]
    fn end(&mut self, job: &str) {
        let outputs = self.workflow.0["jobs"][job]["outputs"].clone();
        for (name, value) in outputs.as_object().into_iter().flatten() {
            let value = self.evaluate(value.as_str().unwrap());
            self.values.insert(format!("needs.{job}.outputs.{name}"), value);
        }
        self.values.retain(|name, _| !name.starts_with("steps."));
    }

    /// The body of a start, the newest first.
    fn start(&self, back: usize) -> Value {
        let log = self.simulator.log();
        let mut starts = log.iter().rev().filter(|call| call.method == "POST" && call.path.ends_with("/tasks"));
        starts.nth(back).unwrap().body.clone()
    }

    /// The kinds of the tokens that read pull requests.
    fn readers(&self) -> Vec<String> {
        let log = self.simulator.log();
        let reads = log.iter().filter(|call| call.path == "/graphql" || call.path.ends_with("/pulls"));
        let mut kinds = reads.filter_map(|call| call.token.clone()).collect::<Vec<_>>();
        kinds.sort();
        kinds.dedup();
        kinds
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
        if !std::thread::panicking() {
            let all = self.workflow.uses();
            for (job, step) in all {
                let id = step["id"].as_str().unwrap();
                let done = self.done.iter().any(|(in_job, it)| in_job == job && it == id);
                assert!(done, "the step `{id}` of the job `{job}` was never run");
            }
        }
    }
}

/// A step that has run.
struct Ran {
    code: Option<i32>,
    log: String,
    outputs: BTreeMap<String, String>,
}

impl Ran {
    #[track_caller]
    fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}", self.log);
        self
    }

    #[track_caller]
    fn gives(&self, name: &str, value: &str) -> &Self {
        assert_eq!(self.outputs[name], value, "{name}:\n{}", self.log);
        self
    }
}

/// The outputs as the runner reads them: the last value of a name counts.
fn outputs(text: &str) -> BTreeMap<String, String> {
    grammar::outputs(text, false).unwrap().into_iter().collect()
}

#[test]
fn examples_use_only_names_that_exist() {
    for (name, text) in examples() {
        let workflow = Workflow::parse(&text);
        assert_eq!(workflow.faults(), Vec::<String>::new(), "{name}");
        assert!(!workflow.uses().is_empty(), "{name} does not use the action");
    }
}

#[test]
fn examples_are_all_in_the_recipes() {
    let recipes = std::fs::read_to_string(folder().join("../../docs/recipes.md")).unwrap();
    for name in examples().keys() {
        assert!(recipes.contains(&format!("(../examples/workflows/{name}.yml)")), "{name} is not in docs/recipes.md");
    }
}

#[test]
fn example_jobs_have_permissions_and_outlast_their_wait() {
    for (name, text) in examples() {
        let workflow = Workflow::parse(&text);
        assert_eq!(workflow.0["permissions"], json!({}), "{name}");
        for (job_name, job) in workflow.jobs() {
            let minutes = job["timeout-minutes"].as_u64().unwrap_or_else(|| panic!("{name}, {job_name}: no time-out"));
            assert!(job["permissions"].is_object(), "{name}, {job_name}: no permissions");
            for with in steps(job).filter(|it| is_ours(it)).map(|step| &step["with"]) {
                if with["wait"] == true || with["command"] == "wait" {
                    let timeout = with["wait-timeout"].as_str().unwrap_or("75m");
                    let waited = timeout.strip_suffix('m').map_or(0, |it| it.parse::<u64>().unwrap());
                    assert!(minutes > waited, "{name}, {job_name}: the job ends before `wait-timeout: {timeout}`");
                }
                if with["lookup-token"] == "${{ github.token }}" {
                    let may = job["permissions"]["pull-requests"].as_str();
                    assert!(may.is_some(), "{name}, {job_name}: `lookup-token` may not read pull requests");
                }
            }
        }
    }
}

#[test]
fn misspelled_names_are_found() {
    for (name, right, wrong, fault) in [
        (
            "start-now-wait-later",
            "require-pull-request:",
            "requires-pull-request:",
            "not an input: requires-pull-request",
        ),
        ("start-now-wait-later", "task-id: ${{ needs.start", "task-ids: ${{ needs.start", "not an input: task-ids"),
        (
            "start-now-wait-later",
            "steps.task.outputs.task-id",
            "steps.task.outputs.taskid",
            "not an output of this step",
        ),
        ("start-now-wait-later", "steps.task.outputs.task-id", "steps.tusk.outputs.task-id", "not a step of this job"),
        ("start-now-wait-later", "needs.start.outputs.task-id", "needs.start.outputs.id", "not an output of this job"),
        (
            "start-now-wait-later",
            "needs.start.outputs.task-id",
            "needs.begin.outputs.task-id",
            "not a job that this one needs",
        ),
        ("nightly-if-active-skip", "steps.task.outputs.conclusion", "steps.task.outputs.conclusions", "not an output"),
        ("react-later", "steps.pending.outputs.tasks", "steps.pending.outputs.count", "not an output of this step"),
        ("dispatch-button", "inputs.open-pull-request }}", "inputs.pull-request }}", "not an input of this workflow"),
        (
            "fan-out-matrix",
            "repositories: ${{ matrix.repositories",
            "repositories: ${{ matrix.repo",
            "not in the matrix",
        ),
        ("weekly-release-prep", "        id: task\n", "", "has no id"),
    ] {
        let text = example(name);
        assert!(text.contains(right), "{name} has no `{right}`");
        let faults = Workflow::parse(&text.replace(right, wrong)).faults();
        assert!(faults.iter().any(|it| it.contains(fault)), "{name}, `{wrong}`: {faults:?}");
    }
}

#[test]
fn misspelled_name_in_a_prompt_sends_nothing() {
    let text = example("plan-approve-implement").replace("{{ inputs.request }}", "{{ inputs.requests }}");
    let mut run = Run::of(&text, &[]).dispatched(json!({"request": "Sort by date"}));
    let ran = run.step("plan", "task");
    ran.exits(2);
    assert!(ran.outputs["error-message"].contains("requests"), "{:?}", ran.outputs["error-message"]);
    assert_eq!(run.simulator.starts(), 0);
    run.done.push(("implement".to_owned(), "task".to_owned()));
}

#[test]
fn weekly_release_prep_passes_the_pull_request_to_later_jobs() {
    let mut run = Run::of_example("weekly-release-prep", &[]);
    run.step("prepare", "task").exits(0).gives("conclusion", "success").gives("pull-request-number", "12");
    run.end("prepare");
    assert_eq!(run.values["needs.prepare.outputs.pull-request-number"], "12");
    assert!(run.start(0)["prompt"].as_str().unwrap().starts_with("Prepare the next release of octo/app."));
    assert_eq!(run.readers(), ["ghs_…"]);
}

#[test]
fn weekly_release_prep_explains_a_missing_pull_request() {
    let mut run = Run::of_example("weekly-release-prep", &[]);
    run.next("octo/app", Script::new().state("completed", Duration::ZERO));
    run.overrides.insert("wait-timeout".to_owned(), "300ms".to_owned()); // the wait for a late pull request
    run.step("prepare", "task").exits(1).gives("conclusion", "failure").gives("pull-request-number", "");
    run.end("prepare");
    let why = &run.values["needs.prepare.outputs.error-message"];
    assert!(why.contains("pull request"), "{why}");
}

#[test]
fn dispatch_button_puts_the_form_into_the_prompt_and_nothing_else() {
    let form = json!({
        "kind": "fix", "request": "Sort {{ secrets }} by \"date\"\n", "open-pull-request": "false", "ticket": "SHOP-17",
        "requested-by": "",
    });
    let values =
        [("toJSON(inputs.requested-by || github.actor)", "\"mona: \\\"x\\\"\""), ("inputs.open-pull-request", "false")];
    let mut run = Run::of_example("dispatch-button", &values).dispatched(form);
    run.step("start", "task").exits(0).gives("created", "true").gives("conclusion", "");
    let body = run.start(0);
    let prompt = body["prompt"].as_str().unwrap();
    let (prompt, marker) = prompt.rsplit_once("\n\n").unwrap();
    assert!(marker.starts_with("<!-- agent-task key="), "{marker}");
    assert_eq!(
        prompt,
        "Make this change (fix) in octo/app, with tests.\n\nRequest of mona: \"x\":\n\n\
         Sort {{ secrets }} by \"date\"\n\n\nPut the ticket SHOP-17 into the title of the pull request."
    );
    assert_eq!(body["create_pull_request"], false);

    // A portal omits empty fields.
    let form = json!({"kind": "documentation", "request": "Say how to log in", "open-pull-request": "true"});
    let values = [("toJSON(inputs.requested-by || github.actor)", "\"mona\""), ("inputs.open-pull-request", "true")];
    let mut run = Run::of_example("dispatch-button", &values).dispatched(form);
    run.step("start", "task").exits(0);
    let body = run.start(0);
    assert!(
        body["prompt"].as_str().unwrap().starts_with("Change only the documentation of octo/app.\n\nRequest of mona")
    );
    assert_eq!(body["create_pull_request"], true);
}

#[test]
fn start_now_wait_later_waits_for_the_task_that_was_started() {
    let mut run = Run::of_example("start-now-wait-later", &[]);
    run.step("start", "task").exits(0).gives("created", "true").gives("pull-request-number", "");
    run.end("start");
    let waited = run.step("wait", "settled");
    waited.exits(0).gives("created", "false").gives("conclusion", "success").gives("pull-request-number", "12");
    waited.gives("task-id", &run.simulator.tasks()[0].id);
    run.end("wait");
    assert_eq!(run.values["needs.wait.outputs.pull-request-number"], "12");
    assert_eq!((run.simulator.starts(), run.readers()), (1, vec!["ghs_…".to_owned()]));
}

#[test]
fn react_later_polls_the_stored_tasks_and_does_not_wait() {
    let mut first = Run::of_example("react-later-start", &[]);
    first.next("octo/app", Script::new().state("in_progress", Duration::ZERO));
    let mut records = Vec::new();
    for artifact in [5, 6] {
        let ran = first.step("start", "task");
        ran.exits(0);
        // The stored file, with the artifact id that the second workflow adds.
        let file = std::fs::read_to_string(&ran.outputs["results-file"]).unwrap();
        let mut record = serde_json::from_str::<Vec<Value>>(&file).unwrap().remove(0);
        record["artifact"] = artifact.into();
        records.push(record);
    }
    let results = serde_json::to_string(&records).unwrap();

    let mut second = Run::of_example("react-later", &[("steps.pending.outputs.results", &results)]);
    second.simulator = first.simulator.clone();
    second.address.clone_from(&first.address);
    second.overrides.insert("wait-timeout".to_owned(), "300ms".to_owned()); // one of them continues
    let ran = second.step("react", "poll");
    ran.exits(0).gives("conclusion", "timed_out").gives("started", "0").gives("succeeded", "1");
    let polled: Vec<Value> = serde_json::from_str(&ran.outputs["results"]).unwrap();
    assert_eq!(polled[0]["state"], "in_progress");
    assert_eq!((&polled[1]["state"], &polled[1]["pull-request-number"]), (&json!("completed"), &json!(12)));
    for (record, result) in records.iter().zip(&polled) {
        assert_eq!(record["task-id"], result["task-id"]);
    }
    assert_eq!(second.readers(), ["ghs_…"]);
}

#[test]
fn nightly_starts_nothing_while_a_task_is_active() {
    let mut run = Run::of_example("nightly-if-active-skip", &[]);
    let prompt = folder().join("prompts/nightly.md");
    std::fs::copy(prompt, run.folder.path().join("workspace/.github/prompts/nightly.md")).unwrap();
    run.next("octo/app", Script::new().state("in_progress", Duration::ZERO));
    run.step("nightly", "task").exits(0).gives("created", "true");
    let prompt = run.start(0)["prompt"].as_str().unwrap().to_owned();
    assert!(prompt.starts_with("Update the dependencies of octo/app ("), "{prompt}");
    // The next night is another run.
    let skipped = run.step("nightly", "task");
    skipped.exits(0).gives("conclusion", "skipped").gives("task-id", "").gives("created", "");
    assert!(!skipped.outputs["error-message"].is_empty());
    assert_eq!(run.simulator.starts(), 1);
}

#[test]
fn comment_command_starts_a_task_for_a_maintainer_and_none_for_a_stranger() {
    let of = |login: &str, body: &str| {
        let run = Run::of_example("comment-command", &[]).commented(login, body);
        let collaborators = [("mona", "write"), ("octocat", "admin")];
        let collaborators = collaborators.map(|(login, role)| (login.to_owned(), role.to_owned())).into();
        run.simulator.repository("octo/app", Repository { collaborators, ..Repository::default() });
        run
    };
    let mut run = of("mallory", "/agent fix");
    let ran = run.step("start", "task");
    ran.exits(3).gives("conclusion", "skipped").gives("task-id", "");
    assert!(ran.outputs["error-message"].contains("mallory"), "{}", ran.outputs["error-message"]);
    assert_eq!(run.simulator.starts(), 0);

    for (body, begins) in [
        ("/agent fix\nSince Monday.", "Find the cause of issue #3 of octo/app and fix it"),
        ("/agent reproduce", "Write a test that fails because of issue #3 of octo/app."),
    ] {
        let mut run = of("mona", body);
        run.step("start", "task").exits(0).gives("created", "true");
        let start = run.start(0);
        let prompt = start["prompt"].as_str().unwrap();
        assert!(prompt.starts_with(begins), "{prompt}");
        let boundary = prompt.split("Title of the issue: [untrusted text ").nth(1).unwrap();
        let (boundary, rest) = boundary.split_once(" begins] Crash on start [untrusted text ").unwrap();
        assert!(boundary.len() == 32 && rest.starts_with(&format!("{boundary} ends]")), "{prompt}");
        let opened = format!("[untrusted text {boundary} begins]");
        assert!(prompt.contains(&format!("{opened}\nIt crashes.\n\nReally.\n")), "{prompt}");
        assert!(
            prompt.contains(&format!("{opened}{}{body}", if body.contains('\n') { '\n' } else { ' ' })),
            "{prompt}"
        );
        assert_eq!(prompt.matches("<!--").count(), 1, "only our marker is left");
        // Each run has its own mark.
        assert_eq!(prompt.matches(&opened).count(), 4, "three texts, and the sentence below");
    }
}

#[test]
fn plan_approve_implement_works_on_one_pull_request() {
    let mut run = Run::of_example("plan-approve-implement", &[]).dispatched(json!({"request": "Sort by date"}));
    run.step("plan", "task").exits(0).gives("pull-request-number", "12").gives("base-ref", "main");
    run.end("plan");
    assert_eq!(run.values["needs.plan.outputs.pull-request-url"], "https://github.com/octo/app/pull/12");
    let plan = run.start(0);
    assert!(plan["prompt"].as_str().unwrap().contains("\n\nSort by date\n\n"));
    run.step("implement", "task").exits(0).gives("conclusion", "success").gives("pull-request-number", "12");
    let body = run.start(0);
    let head = run.simulator.pulls()[0].head.clone();
    assert_eq!((&body["head_ref"], &body["base_ref"]), (&json!(head), &json!("main")));
    assert_eq!((run.simulator.starts(), run.simulator.pulls().len()), (2, 1));
}

#[test]
fn nightly_sweep_stops_the_overdue_tasks_of_its_class() {
    let overdue = |simulator: &Simulator, minutes: u64, class: &str| {
        simulator.add_task(ExistingTask {
            creator: 583_231,
            age: Duration::from_secs(60 * minutes),
            prompt: format!("Update\n\n<!-- agent-task key=0123456789abcdef class={class} -->"),
            script: Script::runs_forever(),
            ..ExistingTask::default()
        })
    };
    for dry_run in ["true", "false"] {
        let mut run = Run::of_example("nightly-sweep", &[("inputs.dry-run || false", dry_run)]);
        let policy = "task-classes:\n  dependency-update: {}\n";
        std::fs::write(run.folder.path().join("workspace/.github/agent-tasks.yml"), policy).unwrap();
        run.simulator.settings(|settings| settings.runs.cancel_lag = Duration::ZERO);
        for (minutes, class) in [(150, "dependency-update"), (90, "dependency-update"), (150, "other")] {
            overdue(&run.simulator, minutes, class);
        }
        run.step("sweep", "sweep").exits(0);
        let states = run.simulator.tasks().into_iter().map(|task| task.state).collect::<Vec<_>>();
        let first = if dry_run == "true" { "in_progress" } else { "cancelled" };
        assert_eq!(states, [first, "in_progress", "in_progress"]);
    }
}

#[test]
fn stop_button_stops_the_task_that_is_named() {
    let simulator_task = |run: &Run| {
        run.simulator.settings(|settings| settings.runs.cancel_lag = Duration::ZERO);
        let script = Script::runs_forever();
        run.simulator.add_task(ExistingTask { age: Duration::from_secs(60), script, ..ExistingTask::default() })
    };
    let mut run = Run::of_example("stop-button", &[("inputs.force", "false")]);
    let id = simulator_task(&run);
    run.values.insert("inputs.task-id".to_owned(), id);
    run.step("stop", "stop").exits(0).gives("stopped", "true").gives("state", "cancelled");
    let cancels = run.simulator.log().into_iter().filter(|call| call.path.ends_with("/cancel"));
    assert_eq!(cancels.map(|call| call.token).collect::<Vec<_>>(), [Some("ghs_…".to_owned())]);
}

#[test]
fn doctor_finds_the_fault_in_one_repository_of_three() {
    let mut run = Run::of_example("doctor", &[]);
    run.simulator.token(TOKEN, Token { expires: None, ..Token::default() });
    let custom_agents = vec!["fixer".to_owned()];
    for (name, archived) in [("catalogue", false), ("checkout", true), ("shipping", false)] {
        let repository = Repository { archived, custom_agents: custom_agents.clone(), ..Repository::default() };
        run.simulator.repository(&format!("octo-org/{name}"), repository);
    }
    let ran = run.step("doctor", "doctor");
    ran.exits(1).gives("conclusion", "failure").gives("failed", "1").gives("succeeded", "2");
    let message = &ran.outputs["error-message"];
    assert!(message.starts_with("octo-org/checkout: repository: ") && !message.contains('\n'), "{message}");
    assert!(run.simulator.log().iter().all(|call| call.method == "GET"));
}

#[test]
fn weekly_report_crosses_a_line() {
    let mut run = Run::of_example("weekly-report", &[]);
    run.overrides.clear();
    for name in ["catalogue", "checkout", "shipping"] {
        run.simulator.repository(&format!("octo-org/{name}"), Repository::default());
    }
    for state in ["completed", "failed", "failed"] {
        let script = Script::new().state(state, Duration::ZERO);
        let repository = "octo-org/checkout".to_owned();
        run.simulator.add_task(ExistingTask { repository, script, ..ExistingTask::default() });
    }
    let ran = run.step("report", "report");
    ran.exits(1).gives("tasks", "3").gives("merged", "0");
    assert_eq!(ran.outputs["error-message"], "success < 80%: it is 33.3%");
    assert!(std::fs::read_to_string(&ran.outputs["report-html"]).unwrap().starts_with("<!doctype html>"));
}

#[test]
fn new_repository_is_set_up_by_its_class() {
    let policy = std::fs::read_to_string(folder().join("../prompts/agent-tasks.yml")).unwrap().replace("acme", "octo");
    let values = [
        ("github.repository_owner", "octo"),
        ("inputs.name", "orders"),
        ("toJSON(inputs.description)", "\"Takes orders: #1\""),
        ("toJSON(inputs.language)", "\"Rust\""),
        ("toJSON(inputs.owners)", "\"@octo/shop\""),
    ];
    let mut run = Run::of_example("new-repository", &values).dispatched(json!({}));
    let languages = &run.workflow.0["on"]["workflow_dispatch"]["inputs"]["language"]["options"];
    assert_eq!(&Workflow::parse(&policy).0["task-classes"]["new-repository"]["vars"]["language"]["options"], languages);
    let workspace = run.folder.path().join("workspace/.github");
    std::fs::write(workspace.join("agent-tasks.yml"), policy).unwrap();
    let prompt = folder().join("../prompts/new-repository.md");
    std::fs::copy(prompt, workspace.join("prompts/new-repository.md")).unwrap();
    run.simulator.repository("octo/orders", Repository::default());
    let files = ["README.md", ".github/CODEOWNERS", ".github/workflows/ci.yml"];
    let content = PullContent::default().files(files.map(|path| ChangedFile::added(path, 9)));
    run.next("octo/orders", Script::delivers(Duration::ZERO, content));
    run.step("set-up", "task").exits(0).gives("conclusion", "success").gives("accepted", "true");
    let prompt = run.start(0)["prompt"].as_str().unwrap().to_owned();
    for text in ["octo/orders", "Takes orders: #1", "Rust", "@octo/shop"] {
        assert!(prompt.contains(text), "{prompt}");
    }
}

#[test]
fn follow_up_fixes_a_failed_check_once_for_each_commit() {
    let bot = json!({"login": "Copilot", "type": "Bot"});
    let values = |head: &str| {
        [("github.event.workflow_run.pull_requests[0].number", "12"), ("github.event.workflow_run.head_sha", head)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let content = PullContent::default().check(CheckRun::ending("build", "failure", Duration::ZERO));
    let script =
        Script::new().state("in_progress", Duration::ZERO).pull_with(content).state("completed", Duration::ZERO);
    let body = json!({"create_pull_request": true});
    let mut run = Run::of_example("follow-up", &[]);
    run.simulator.add_task(ExistingTask { body, script, ..ExistingTask::default() });
    let head = run.simulator.pulls()[0].head_sha.clone();
    let repository = json!({"id": 1, "full_name": "octo/app"});
    let before = json!({"event": "pull_request", "conclusion": "failure", "head_sha": head, "actor": bot,
        "triggering_actor": bot, "head_repository": repository, "pull_requests": [{"number": 12}],
        "html_url": "https://github.com/octo/app/actions/runs/7"});
    run.event = (
        "workflow_run".to_owned(),
        json!({"action": "completed", "workflow_run": before, "repository": repository, "sender": bot}),
    );
    run.overrides.insert("confirm-timeout".to_owned(), "300ms".to_owned());
    run.values.extend(values(&head));
    run.step("follow-up", "task").exits(0).gives("created", "true");
    let start = run.start(0);
    let prompt = start["prompt"].as_str().unwrap();
    assert!(prompt.contains("Checks of pull request #12 fail.") && prompt.contains(" begins] build ["), "{prompt}");
    assert_eq!((&start["head_ref"], &start["base_ref"]), (&json!(run.simulator.pulls()[0].head), &json!("main")));
    // Another workflow that failed for the same commit.
    run.step("follow-up", "task").exits(0).gives("created", "false");
    assert_eq!(run.simulator.starts(), 1);
    // One for a commit that is no longer the head.
    let late = "0".repeat(40);
    run.values.extend(values(&late));
    run.event.1["workflow_run"]["head_sha"] = late.into();
    run.step("follow-up", "task").exits(0).gives("conclusion", "skipped");
    assert_eq!(run.simulator.starts(), 1);
}

#[test]
fn release_is_prepared_only_if_it_is_needed() {
    let commits = |count| [("steps.commits.outputs.count", count)];
    let mut run = Run::of_example("release-if-needed", &commits("0"));
    let ran = run.step("release", "task");
    ran.exits(0).gives("conclusion", "skipped").gives("error-message", "no commits since the last release");
    assert_eq!(run.simulator.starts(), 0);
    let mut run = Run::of_example("release-if-needed", &commits("7"));
    run.step("release", "task").exits(0).gives("created", "true");
    let prompt = run.start(0)["prompt"].as_str().unwrap().to_owned();
    assert!(prompt.starts_with("Prepare release 20") && prompt.contains(" It has 7 commits;"), "{prompt}");
    // While an agent of another person is at work.
    let mut run = Run::of_example("release-if-needed", &commits("7"));
    let script = Script::runs_forever();
    run.simulator.add_task(ExistingTask { creator: 7, script, ..ExistingTask::default() });
    run.step("release", "task").exits(0).gives("conclusion", "skipped");
    assert_eq!(run.simulator.starts(), 0);
}

#[test]
fn rollout_goes_on_from_run_to_run() {
    let mut run = Run::of_example("rollout", &[("vars.ROLLOUT_PAUSED || 'false'", "false")]);
    for name in ["catalogue", "checkout", "shipping"] {
        run.simulator.repository(&format!("octo-org/{name}"), Repository::default());
    }
    let done = Script::new().state("completed", Duration::ZERO).pull();
    run.simulator.default_script(done);
    run.overrides.insert("confirm-timeout".to_owned(), "10ms".to_owned());
    let states = (0..3).map(|_| run.step("rollout", "rollout").outputs["rollout-state"].clone()).collect::<Vec<_>>();
    assert_eq!(
        (states, run.simulator.tasks().len()),
        (["running", "waiting", "waiting"].map(str::to_owned).to_vec(), 1)
    );
}
