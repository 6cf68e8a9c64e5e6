//! The prompts to start with: each has a class, each renders, and its class accepts what the prompt asks for and refuses
//! what it forbids.

#![expect(clippy::disallowed_methods, reason = "a test reads the examples and the documents")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use simulator::{ChangedFile, CheckRun, PullContent, Script, Simulator, Token};

use crate::support::{Step, TOKEN, seconds};

const POLICY: &str = include_str!("../../examples/prompts/agent-tasks.yml");

/// The parts that every prompt has, in this order.
const PARTS: [&str; 5] =
    ["\n## Scope\n", "\n## Leave alone\n", "\n## Done when\n", "\n## Verify\n", "\n## Pull request\n"];

struct Case {
    class: &'static str,
    /// The variables that it requires, and all that it takes, as JSON.
    vars: [&'static str; 2],
    /// The files of a pull request that is as the prompt says, and of one that is not.
    accepted: &'static [&'static str],
    refused: &'static [&'static str],
}

const CASES: [Case; 8] = [
    Case {
        class: "api-migration",
        vars: [
            r#"{"from": "time.old()", "to": "clock.new()"}"#,
            r#"{"from": "time.old()", "to": "clock.new()", "guide": "docs/migrate.md", "folders": ["core", "web/api"]}"#,
        ],
        accepted: &["core/time.rs", "web/api/clock.ts", "README.md"],
        refused: &["core/time.rs", "web/vendor/time.js"],
    },
    Case {
        class: "dependency-bump",
        vars: ["{}", r#"{"dependency": "serde", "to": "2.1.0"}"#],
        accepted: &["Cargo.toml", "Cargo.lock", "src/lib.rs"],
        refused: &["Cargo.toml"],
    },
    Case {
        class: "docs-refresh",
        vars: ["{}", r#"{"documents": ["guide/", "INSTALL.md"]}"#],
        accepted: &["README.md", "docs/img/flow.svg", "web/README.rst"],
        refused: &["README.md", "src/main.rs"],
    },
    Case {
        class: "new-repository",
        vars: [r#"{"description": "Takes orders.", "language": "Rust", "owners": "@octo/shop"}"#; 2],
        accepted: &["README.md", ".github/CODEOWNERS", ".github/workflows/ci.yml", "src/main.rs"],
        refused: &["README.md", ".github/workflows/ci.yml", "src/main.rs"],
    },
    Case {
        class: "new-service",
        vars: [r#"{"name": "cart", "purpose": "Keeps carts.", "like": "services/orders", "team": "@octo/shop"}"#; 2],
        accepted: &["services/cart/README.md", "services/cart/main.go", ".github/CODEOWNERS", "go.work"],
        refused: &["services/cart/README.md", "CODEOWNERS", "libs/money/money.go"],
    },
    Case {
        class: "release",
        vars: [r#"{"version": "2.4.0"}"#; 2],
        accepted: &["CHANGELOG.md", "package.json", "package-lock.json"],
        refused: &["CHANGELOG.md", ".github/workflows/release.yml"],
    },
    Case {
        class: "security-fix",
        vars: [
            r#"{"alert": "CVE-2026-1", "component": "lodash", "severity": "high"}"#,
            r#"{"alert": "CVE-2026-1", "component": "lodash", "severity": "high", "fixed_in": "4.18.1"}"#,
        ],
        accepted: &["package-lock.json", "src/merge.js", "test/merge.test.js"],
        refused: &["package-lock.json", ".snyk"],
    },
    Case {
        class: "test-modernization",
        vars: [r#"{"folder": "web/test", "to": "Vitest"}"#; 2],
        accepted: &[
            "web/test/cart.js",
            "web/src/cart.test.ts",
            "pkg/cart_test.go",
            "package.json",
            "web/vite.config.ts",
        ],
        refused: &["web/test/cart.js", "web/src/cart.ts"],
    },
];

/// The prompts by file name without the extension.
fn prompts() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/prompts");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|it| it == "md"));
    files
        .map(|it| (it.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(it).unwrap()))
        .collect()
}

/// The classes of the policy.
fn classes() -> serde_json::Map<String, Value> {
    let options = serde_saphyr::options! { with_snippet: false };
    let policy: Value = serde_saphyr::from_str_with_options(POLICY, options).unwrap();
    policy["task-classes"].as_object().unwrap().clone()
}

/// A step of a repository that has copied the prompts and the policy.
fn step(simulator: &Simulator) -> Step {
    let step = Step::new(simulator).with("prompt", "").with("wait", "").with("create-pull-request", "");
    let step = step.on("workflow_dispatch", &json!({"inputs": {}}));
    let step = step.file(".github/agent-tasks.yml", POLICY.replace("acme", "octo"));
    prompts().into_iter().fold(step, |step, (name, text)| step.file(&format!(".github/prompts/{name}.md"), text))
}

/// A world in which tasks change these files, and all checks succeed.
fn world(files: &[&str]) -> Simulator {
    let simulator = Simulator::new();
    let files = files.iter().map(|path| ChangedFile::modified(*path, 3, 2));
    let content = PullContent::default().files(files).check(CheckRun::ending("ci", "success", seconds(60)));
    simulator.script("octo/app", Script::delivers(seconds(60), content));
    simulator
}

/// The texts in variables.
fn texts(vars: &str) -> Vec<String> {
    let vars: BTreeMap<String, Value> = serde_json::from_str(vars).unwrap();
    let texts = vars.into_values().flat_map(|value| match value {
        Value::Array(items) => items,
        value => vec![value],
    });
    texts.map(|value| value.as_str().unwrap().to_owned()).collect()
}

#[test]
fn prompts_have_a_class_each_and_a_row_in_the_recipes() {
    let recipes = include_str!("../../docs/recipes.md");
    let classes = classes();
    let names = prompts().into_keys().collect::<Vec<_>>();
    assert_eq!(classes.keys().collect::<BTreeSet<_>>(), names.iter().collect());
    assert_eq!(names, CASES.map(|case| case.class));
    for case in CASES {
        let class = &classes[case.class];
        assert_eq!(class["prompt"], format!(".github/prompts/{}.md", case.class));
        assert!(class["expect"].is_object(), "{} expects nothing", case.class);
        let given: BTreeMap<String, Value> = serde_json::from_str(case.vars[1]).unwrap();
        let declared = class["vars"].as_object().unwrap().keys().collect::<BTreeSet<_>>();
        assert_eq!(declared, given.keys().collect(), "{}", case.class);
        let row = recipes.lines().find(|line| line.contains(&format!("(../examples/prompts/{}.md) |", case.class)));
        let row = row.unwrap_or_else(|| panic!("{} is not in the recipes", case.class));
        for name in declared {
            assert!(row.contains(&format!("`{name}`")), "{}: `{name}` is not in the recipes", case.class);
        }
    }
}

#[test]
fn prompts_render_with_required_and_with_all_variables() {
    for case in CASES {
        for vars in case.vars {
            let simulator = Simulator::new();
            let ran = step(&simulator).with("task-class", case.class).with("vars", vars).with("dry-run", "true");
            let ran = ran.run_process();
            assert_eq!((ran.code, ran.annotations(), ran.calls.len()), (0, String::new(), 0), "{}", ran.log);
            let request = ran.log.lines().find_map(|line| line.trim_start().strip_prefix(r#"{"prompt":"#));
            let body: Value = serde_json::from_str(&format!(r#"{{"prompt":{}"#, request.unwrap())).unwrap();
            let prompt = body["prompt"].as_str().unwrap();
            assert!(prompt.lines().next().unwrap().contains("octo/app"), "{prompt}");
            assert!(!prompt.contains("{%") && !prompt.contains("{{") && !prompt.contains("\n\n\n"), "{prompt}");
            assert!(PARTS.map(|part| prompt.find(part).unwrap_or_else(|| panic!("no {part}"))).is_sorted(), "{prompt}");
            for text in texts(vars) {
                assert!(prompt.contains(&text), "{}: `{text}` is not in the prompt", case.class);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn classes_accept_what_their_prompts_ask_for_and_refuse_the_rest() {
    for case in CASES {
        for (files, accepted) in [(case.accepted, true), (case.refused, false)] {
            let ran = step(&world(files)).with("task-class", case.class).with("vars", case.vars[0]).run().await;
            let (code, conclusion) = if accepted { (0, "success") } else { (1, "failure") };
            ran.assert(code, "completed", conclusion);
            assert_eq!(ran.output("accepted"), accepted.to_string(), "{}: {files:?}\n{}", case.class, ran.log);
        }
    }
}

#[test]
fn doctor_renders_every_prompt_and_finds_an_unknown_variable() {
    let simulator = Simulator::new();
    simulator.token(TOKEN, Token { expires: None, ..Token::default() });
    let step = || step(&simulator).with("command", "doctor").with("task-class", "docs-refresh");
    let ran = step().run_process();
    assert_eq!(ran.code, 0, "{}", ran.log);
    assert_eq!(ran.log.matches("✅ prompt: class `").count(), CASES.len(), "{}", ran.log);

    let broken = prompts().into_iter().fold(step(), |step, (name, text)| {
        step.file(&format!(".github/prompts/{name}.md"), text + "{{ vars.unknown }}\n")
    });
    let ran = broken.run_process();
    assert_eq!(ran.code, 1, "{}", ran.log);
    for name in prompts().keys() {
        assert!(ran.log.contains(&format!("❌ prompt: class `{name}`: .github/prompts/{name}.md:")), "{}", ran.log);
    }
}
