//! `.github/workflows/selftest.yml` as the runner takes it: each `uses: ./` by what `action.yml` says, each script under
//! the job's shell, the outputs from step to step and from job to job. Only the simulator is another one, in this
//! process, and nothing is built.

#![expect(clippy::disallowed_methods, reason = "a test plays the runner, whose files and processes these are")]

use std::collections::BTreeSet;

use agent_task::inputs::table::INPUTS;
use agent_task::report::outputs::OUTPUTS;
use serde_json::Value;

use crate::action::INSTALLER;
use crate::examples::{split, steps};

fn text_of_workflow() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.github/workflows/selftest.yml")).unwrap()
}

fn parse(text: &str) -> Value {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).unwrap()
}

fn is_ours(step: &Value) -> bool {
    step["uses"] == "./"
}

/// What a step, or the outputs of a job, name.
fn expressions(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(entries) => entries.values().flat_map(expressions).collect(),
        Value::Array(items) => items.iter().flat_map(expressions).collect(),
        Value::String(text) => split(text).0.into_iter().map(|(_, expression)| expression).collect(),
        _ => Vec::new(),
    }
}

/// Everything that is named and not there. The runner reports none of it: to it an unknown input is a warning, and
/// anything else an empty text.
fn faults(text: &str) -> Vec<String> {
    let workflow = parse(text);
    let mut faults = Vec::new();
    for (name, job) in workflow["jobs"].as_object().unwrap() {
        let mut ids = BTreeSet::new();
        for step in steps(job) {
            for (key, _) in step["with"].as_object().into_iter().flatten().filter(|_| is_ours(step)) {
                let known = INPUTS.iter().any(|input| input.name == key);
                if !known && !INSTALLER.iter().any(|(input, _)| input == key) {
                    faults.push(format!("{name}: `{key}` is no input"));
                }
            }
            for expression in expressions(step) {
                faults.extend(fault(&workflow, name, &ids, expression));
            }
            match step["id"].as_str() {
                Some(id) if !ids.insert(id) => faults.push(format!("{name}: step `{id}` is there twice")),
                None if is_ours(step) => faults.push(format!("{name}: a step has no id")),
                _ => {}
            }
        }
        for expression in expressions(&job["outputs"]) {
            faults.extend(fault(&workflow, name, &ids, expression));
        }
        // A step whose outcome no condition reads may do anything.
        let text = job.to_string();
        let unseen = |id: &&&str| !text.contains(&format!("steps.{id}.out"));
        faults.extend(
            ids.iter().filter(unseen).map(|id| format!("{name}: no condition reads the outcome of step `{id}`")),
        );
    }
    faults
}

/// What is wrong with an expression in a job, where these steps have gone before.
fn fault(workflow: &Value, job: &str, ids: &BTreeSet<&str>, expression: &str) -> Option<String> {
    let needed = |other: &str| {
        let needs = &workflow["jobs"][job]["needs"];
        needs == other || needs.as_array().is_some_and(|all| all.iter().any(|it| it == other))
    };
    let good = match expression.split('.').collect::<Vec<_>>()[..] {
        ["steps", id, "outcome"] => ids.contains(id),
        ["steps", id, "outputs", output] => {
            let step = steps(&workflow["jobs"][job]).find(|step| step["id"] == id && ids.contains(id));
            step.is_some_and(|step| match step["run"].as_str() {
                Some(script) => script.contains(&format!("echo \"{output}=")),
                None => OUTPUTS.contains(&output),
            })
        }
        ["needs", other, "outputs", output] => {
            needed(other) && workflow["jobs"][other]["outputs"].get(output).is_some()
        }
        ["matrix", name] => workflow["jobs"][job]["strategy"]["matrix"]["include"][0].get(name).is_some(),
        _ => ["github.actor", "github.triggering_actor", "join(needs.*.result, ' ')"].contains(&expression),
    };
    (!good).then(|| format!("{job}: `{expression}` names what is not there"))
}

#[test]
fn selftest_names_what_is_there() {
    assert_eq!(faults(&text_of_workflow()), [""; 0]);
}

#[test]
fn slip_in_the_selftest_is_caught() {
    let text = text_of_workflow();
    for (right, wrong) in [
        ("          poll-interval: ", "          pol-interval: "),
        ("          binary-verify: ", "          binary-verfiy: "),
        ("          require-pull-request: ", "          require_pull_request: "),
        ("        id: waits\n", "        id: wait\n"),
        ("        id: fails\n", "        id: never\n"),
        ("        id: dry\n", ""),
        ("steps.succeeds.outputs.task-id }}", "steps.suceeds.outputs.task-id }}"),
        ("steps.succeeds.outputs.results }}", "steps.succeeds.outputs.result }}"),
        ("steps.who.outputs.users", "steps.who.outputs.user"),
        ("echo \"bots=", "echo \"bot="),
        ("steps.fails.outcome", "steps.fails.outcom"),
        ("steps.fails.outputs.error-message }}", "steps.fails.outputs.error_message }}"),
        ("matrix.exe", "matrix.ext"),
        ("needs.suite.outputs.conclusion", "needs.suite.outputs.conclusions"),
        ("needs.suite.outputs.conclusion", "needs.alpine.outputs.conclusion"),
        ("join(needs.*.result, ' ')", "join(need.*.result, ' ')"),
    ] {
        assert!(text.contains(right), "{right}");
        assert!(!faults(&text.replacen(right, wrong, 1)).is_empty(), "{right} → {wrong}");
    }
}

#[cfg(unix)]
mod on_a_runner {
    use std::collections::BTreeMap;
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::net::TcpListener;
    use std::process::{Command, Stdio};
    use std::sync::Arc;

    use serde_json::json;
    use simulator::{Simulator, serve};
    use tokio::runtime::Runtime;

    use crate::action::runner::{Folder, Job, USUAL, read_outputs};
    use crate::support::binary;

    use super::*;

    /// The address in the workflow.
    const ADDRESS: &str = "127.0.0.1:4010";
    /// The actions of others, which are of no concern here.
    const OTHERS: [&str; 3] = ["actions/checkout@", "actions/download-artifact@", "actions/upload-artifact@"];

    /// A scalar as the runner hands it on.
    fn text(value: &Value) -> String {
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    /// A run of the workflow.
    struct Run {
        workflow: Value,
        address: String,
        listener: Option<TcpListener>,
        runtime: Option<Runtime>,
        folder: Folder,
        /// What expressions are worth.
        values: BTreeMap<String, String>,
    }

    impl Run {
        /// One for a pull request by this person, where the simulator listens on a port that is free.
        fn by(actor: &str) -> Self {
            let text = text_of_workflow();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let folder = Folder::new();
            // Nothing is built, and what was built is handed out under either name that the jobs know.
            folder.write_program("bin/cargo", "#!/bin/sh\n");
            let simulator = "#!/bin/sh\nprintf '%s\\n' \"$@\" >\"$RUNNER_TEMP/arguments\"\necho \"http://$2\"\n";
            for name in ["workspace/target/debug", "workspace/static"] {
                std::fs::create_dir_all(folder.0.join(name)).unwrap();
                folder.write_program(&format!("{name}/simulator"), simulator);
                let program = folder.0.join(name).join("agent-task");
                std::os::unix::fs::symlink(binary(), program).unwrap();
            }
            Self {
                workflow: parse(&text.replace(ADDRESS, &address)),
                address,
                listener: Some(listener),
                runtime: None,
                folder,
                values: [("github.actor", actor), ("github.triggering_actor", "lead")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
            }
        }

        #[track_caller]
        fn evaluate(&self, text: &str) -> String {
            let (parts, rest) = split(text);
            let value = |name| self.values.get(name).unwrap_or_else(|| panic!("no value is known for `{name}`"));
            parts.into_iter().map(|(before, expression)| before.to_owned() + value(expression)).collect::<String>()
                + rest
        }

        /// Runs a job, and keeps its outputs.
        #[track_caller]
        fn job(&mut self, name: &str) {
            let job = self.workflow["jobs"][name].clone();
            for (key, value) in job["strategy"]["matrix"]["include"][0].as_object().into_iter().flatten() {
                self.values.insert(format!("matrix.{key}"), text(value));
            }
            for step in steps(&job) {
                match step["uses"].as_str() {
                    Some("./") => self.action(name, step),
                    Some(uses) => assert!(OTHERS.iter().any(|it| uses.starts_with(it)), "{uses}"),
                    None => self.script(&job, step),
                }
            }
            for (key, value) in job["outputs"].as_object().into_iter().flatten() {
                self.values.insert(format!("needs.{name}.outputs.{key}"), self.evaluate(&text(value)));
            }
            self.values.retain(|name, _| !name.starts_with("steps.") && !name.starts_with("matrix."));
        }

        /// Runs a step that uses the action.
        #[track_caller]
        fn action(&mut self, job: &str, step: &Value) {
            let id = step["id"].as_str().unwrap();
            let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/dist/manifest.txt")).unwrap();
            let mut runs = Job::new(&manifest).variable("GITHUB_WORKSPACE", &self.folder.path("workspace"));
            let (actor, again) = (&self.values["github.actor"], &self.values["github.triggering_actor"]);
            for (name, value) in [
                ("GITHUB_ACTION", id),
                ("GITHUB_ACTOR", actor),
                ("GITHUB_EVENT_NAME", "pull_request"),
                ("GITHUB_JOB", job),
                ("GITHUB_RUN_ATTEMPT", "1"),
                ("GITHUB_RUN_ID", "17"),
                ("GITHUB_TRIGGERING_ACTOR", again),
            ] {
                runs = runs.variable(name, value);
            }
            // The event itself, of which only what the actor check reads.
            let (user, repo) = (json!({"login": actor}), json!({"full_name": "octo/app"}));
            let pull = json!({"user": user, "head": {"repo": repo}, "base": {"repo": repo}});
            let event = json!({"action": "opened", "pull_request": pull, "repository": repo, "sender": user});
            runs.folder.write("runner/event.json", event.to_string());
            let path = runs.folder.path("runner/event.json");
            runs = runs.variable("GITHUB_EVENT_PATH", &path);
            let cargo =
                "#!/bin/sh\nmkdir -p \"$CARGO_TARGET_DIR/release\"\ncp {} \"$CARGO_TARGET_DIR/release/agent-task\"\n";
            runs.folder.write_program("bin/cargo", cargo.replace("{}", binary().to_str().unwrap()));
            for (input, value) in step["with"].as_object().unwrap() {
                runs = runs.with(input, &self.evaluate(&text(value)));
            }
            let summary = Arc::clone(&runs.folder);
            let stops = !step["timeout-minutes"].is_null();
            let is_time = || stops && summary.read("runner/summary").contains("`in_progress`");
            let ran = runs.run_and_interrupt("run", is_time);
            let succeeded = ran.codes.iter().all(|code| *code == Some(0));
            assert!(succeeded || step["continue-on-error"] == true, "{id}: {}", ran.log);
            let outcome = if succeeded { "success" } else { "failure" };
            self.values.insert(format!("steps.{id}.outcome"), outcome.to_owned());
            for (name, value) in ran.outputs {
                self.values.insert(format!("steps.{id}.outputs.{name}"), value);
            }
        }

        /// Runs a step that is a script, which must succeed.
        #[track_caller]
        fn script(&mut self, job: &Value, step: &Value) {
            let (succeeded, said) = self.try_script(job, step);
            assert!(succeeded, "{step}:\n{said}");
            if let Some(id) = step["id"].as_str() {
                for (name, value) in read_outputs(&self.folder.read("runner/output")) {
                    self.values.insert(format!("steps.{id}.outputs.{name}"), value);
                }
            }
            let arguments = self.folder.read("temp/arguments");
            if self.runtime.is_none() && !arguments.is_empty() {
                self.simulate(&arguments);
            }
        }

        /// Runs a step that is a script: whether it succeeded, and its log.
        #[track_caller]
        fn try_script(&self, job: &Value, step: &Value) -> (bool, String) {
            self.folder.write("runner/script", step["run"].as_str().unwrap());
            self.folder.write("runner/output", "");
            let mut command = match job["defaults"]["run"]["shell"].as_str() {
                Some("sh") => Command::new("sh"),
                // Without a word, it is the same on Linux and macOS, but for a failure in a pipe.
                Some("bash") | None => Command::new("bash"),
                Some(shell) => panic!("how does the runner call {shell}?"),
            };
            if job["defaults"]["run"]["shell"] == "bash" {
                command.args(["--noprofile", "--norc", "-o", "pipefail"]);
            }
            command.arg("-e").arg(self.folder.path("runner/script")).env_clear();
            command.env("PATH", format!("{}:{USUAL}", self.folder.path("bin")));
            command
                .env("GITHUB_OUTPUT", self.folder.path("runner/output"))
                .env("RUNNER_TEMP", self.folder.path("temp"));
            for (name, value) in step["env"].as_object().into_iter().flatten() {
                command.env(name, self.evaluate(&text(value)));
            }
            let output = command.current_dir(self.folder.0.join("workspace")).stdin(Stdio::null()).output().unwrap();
            (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
        }

        /// Serves the simulator as its binary would with these arguments.
        #[track_caller]
        fn simulate(&mut self, arguments: &str) {
            let path = |name: &str| self.folder.path(&format!("temp/{name}"));
            let [scenario, log] = [path("world.json"), path("requests.jsonl")];
            let expected = ["--listen", &self.address, "--scenario", &scenario, "--log", &log];
            assert_eq!(arguments.lines().collect::<Vec<_>>(), expected);
            let scenario = std::fs::read_to_string(scenario).unwrap();
            let simulator = Simulator::from_scenario(serde_json::from_str(&scenario).unwrap()).unwrap();
            let mut log = OpenOptions::new().create(true).append(true).open(log).unwrap();
            simulator.observe(move |call| writeln!(log, "{}", serde_json::to_string(call).unwrap()).unwrap());
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let listener = self.listener.take().unwrap();
            runtime.spawn(async { serve(tokio::net::TcpListener::from_std(listener).unwrap(), simulator).await });
            self.runtime = Some(runtime);
        }
    }

    impl Drop for Run {
        fn drop(&mut self) {
            if let Some(runtime) = self.runtime.take() {
                runtime.shutdown_background();
            }
        }
    }

    #[test]
    fn suite_passes_and_hands_its_outputs_on() {
        let mut run = Run::by("mona");
        run.job("suite");
        run.job("chained");
        run.values.insert("join(needs.*.result, ' ')".to_owned(), "success success success success".to_owned());
        run.job("selftest");
    }

    #[test]
    fn steps_in_an_alpine_container_pass() {
        Run::by("dependabot[bot]").job("alpine");
    }

    #[test]
    fn job_that_did_not_succeed_fails_the_selftest() {
        let mut run = Run::by("mona");
        let job = run.workflow["jobs"]["selftest"].clone();
        for (results, passes) in [("success success", true), ("success skipped", false), ("failure success", false)] {
            run.values.insert("join(needs.*.result, ' ')".to_owned(), results.to_owned());
            assert_eq!(run.try_script(&job, &job["steps"][0]).0, passes, "{results}");
        }
    }
}
