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

use agent_task::inputs::table::{DESCRIPTIONS, INPUTS, RENAMED};
use agent_task::report::outputs::OUTPUTS;
use serde::Deserialize;

/// The inputs that are for the installer, with their defaults.
pub(crate) const INSTALLER: [(&str, &str); 3] =
    [("binary-base-url", ""), ("binary-path", ""), ("binary-verify", "true")];
/// What an installer passes to the next step.
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

fn committed() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text_of_action() -> String {
    std::fs::read_to_string(committed().join("action.yml")).unwrap()
}

/// The names of the program's inputs, former ones included.
fn served() -> impl Iterator<Item = &'static str> {
    INPUTS.iter().map(|input| input.name).chain(RENAMED.iter().map(|(old, _)| *old))
}

fn variable(input: &str) -> String {
    input.to_uppercase().replace('-', "_")
}

/// Everything that is wrong with an `action.yml` and can be found without running it. The runner reports none of it: to
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
    for (name, description) in INPUTS.iter().map(|input| input.name).zip(DESCRIPTIONS) {
        let described = action.inputs.get(name).map(|input| input.description.as_str());
        check(described == Some(description), &format!("input `{name}` is described otherwise than in the table"));
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
fn action_has_what_the_program_has() {
    assert_eq!(faults(&text_of_action()), [""; 0]);
}

#[test]
fn slip_in_the_action_is_caught() {
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

/// What an installer says at every failure: of each text the longest part without variables.
fn failures(script: &str, pattern: &str) -> BTreeSet<String> {
    let joined = regex_lite::Regex::new(r#"["'] *[\\+]\n\s*["']"#).unwrap().replace_all(script, " ");
    let variable = regex_lite::Regex::new(r"\$\{[^}]*\}|\$\w+(?::\w+)?|\$\([^)]*\)").unwrap();
    let texts = regex_lite::Regex::new(pattern).unwrap();
    let plain = |text: &str| text.replace(['\\', '`'], "").split_whitespace().collect::<Vec<_>>().join(" ");
    let longest = |text: &str| variable.split(text).map(plain).max_by_key(String::len).unwrap_or_default();
    texts.captures_iter(&joined).map(|text| longest(&text[1])).collect()
}

#[test]
fn both_installers_fail_for_the_same_reasons() {
    let read = |name: &str| std::fs::read_to_string(committed().join("dist").join(name)).unwrap();
    let unix = failures(&read("install.sh"), r#"(?:fail|next_scratch) "((?:[^"\\]|\\.)*)""#);
    let windows = failures(&read("install.ps1"), r#"Stop-Step \(?["']([^"\n]*)["']"#);
    let list = |only: Vec<&String>| only.into_iter().map(|text| format!("{text}\n")).collect::<String>();
    let only_unix = list(unix.difference(&windows).collect());
    let only_windows = list(windows.difference(&unix).collect());
    insta::assert_snapshot!(format!("install.sh alone:\n{only_unix}\ninstall.ps1 alone:\n{only_windows}"));
}

#[cfg(unix)]
mod installed;
#[cfg(unix)]
pub(crate) mod runner;
