//! The doctor: it finds each planted fault, says what to do, and changes nothing.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::{Actions, Fault, Permission, Repository, Route, Simulator, Token};

use crate::step::{Ran, Step, TOKEN};

const POLICY: &str = "
require-class: true
defaults:
  cloud-agent: {firewall: true, workflow-approval: true, tools: [codeql, secret_scanning]}
tasks:
  prep:
    prompt: prompts/prep.md
    vars: {version: string, notes: {type: string, required: false}}
    create-pull-request: true
  triage:
    prompt: prompts/triage.md
";

/// A step in which all is well.
fn step(simulator: &Simulator) -> Step {
    let step = Step::new(simulator).with("command", "doctor").with("prompt", "").with("task", "prep");
    let step = step.with("vars", "version: 1.10").with("base-ref", "next").with("custom-agent", "fixer");
    let prep = "Release {{ vars.version }}{% if vars.notes is defined %}, {{ vars.notes }}{% endif %}";
    let triage = "{% for label in github.event.issue.labels %}{{ label.name | upper }}{% endfor %} of {{ \
                  github.event.issue.created_at | date('%Y') }}: {{ github.event.issue | tojson }} {{ vars.x }}";
    step.file(".github/agent-tasks.yml", POLICY).file("prompts/prep.md", prep).file("prompts/triage.md", triage)
}

fn repository() -> Repository {
    Repository { branches: vec!["next".to_owned()], custom_agents: vec!["fixer".to_owned()], ..Repository::default() }
}

/// Somebody whose token has no end, for the doctor looks at the real calendar.
fn holder() -> Token {
    Token { expires: None, ..Token::default() }
}

fn world() -> Simulator {
    let simulator = Simulator::new();
    simulator.token(TOKEN, holder());
    simulator.repository("octo/app", repository());
    simulator
}

impl Ran {
    /// Only reads, and each key is there.
    #[track_caller]
    fn assert_harmless(&self) {
        assert!(self.calls.iter().all(|call| call.method == "GET"), "{:?}", self.calls);
        assert!(self.record.is_empty(), "{}", self.record);
    }

    /// The doctor finds this, and nothing else that is wrong.
    #[track_caller]
    fn assert_fault(&self, check: &str, parts: &[&str]) {
        self.assert_harmless();
        assert_eq!((self.code, self.output("conclusion")), (1, "failure"), "{}", self.log);
        let faults = self.log.lines().filter(|line| line.trim_start().starts_with('❌')).collect::<Vec<_>>();
        let [fault] = faults.as_slice() else { panic!("{faults:#?} in {}", self.log) };
        assert!(fault.contains(&format!("❌ {check}: ")), "{fault}");
        let annotations = self.log.lines().filter(|line| line.starts_with("::error")).collect::<Vec<_>>();
        assert_eq!(annotations.len(), 1, "{}", self.log);
        assert!(annotations[0].contains("Doctor%3A 1 fault"), "{annotations:?}");
        for part in parts {
            assert!(fault.contains(part), "{part} in {fault}");
            assert!(self.output("error-message").contains(part), "{part} in {}", self.output("error-message"));
        }
        assert_eq!((self.output("succeeded"), self.output("failed")), ("0", "1"));
        assert!(self.summary.contains(&format!("| ❌ | {} | `{check}` |", self.whose(check))), "{}", self.summary);
    }

    fn whose(&self, check: &str) -> &'static str {
        match check {
            "inputs" | "policy" | "prompt" | "start" | "token" | "login" | "expiry" | "scopes" => "the step",
            _ => "octo/app",
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sound_step_passes_every_check() {
    let ran = step(&world()).run().await;
    ran.assert_harmless();
    assert_eq!((ran.code, ran.output("conclusion")), (0, "success"), "{}", ran.log);
    for check in [
        "token: `token` is a fine-grained personal access token",
        "login: the token belongs to octocat",
        "expiry: GitHub names no end of the token",
        "prompt: class `prep`: `prompts/prep.md` can be made",
        "prompt: class `triage`: `prompts/triage.md` can be made",
        "prompt: `prompts/prep.md` can be made",
        "repository: it is there",
        "base-ref: there is a branch `next`",
        "agent-tasks: they may be read",
        "pull-requests: they may be read",
        "custom-agent: `octo/app:.github/agents/fixer.agent.md` is there",
        "cloud-agent: firewall on, recommended allowlist on, workflow approval on; tools: codeql",
        "actions: GitHub Actions is enabled",
    ] {
        assert!(ran.log.contains(&format!("✅ {check}")), "{check} in {}", ran.log);
    }
    assert!(!ran.log.contains("::error") && !ran.log.contains("::warning"), "{}", ran.log);
    assert!(ran.summary.contains("Nothing found that keeps a task from starting"), "{}", ran.summary);
    let results = serde_json::from_str::<Value>(ran.output("results")).unwrap();
    assert_eq!(results[0]["conclusion"], "success");
}

/// Each of these is planted alone, and found alone.
#[tokio::test(start_paused = true)]
async fn every_planted_fault_is_found() {
    let changed = |change: &dyn Fn(&mut Repository)| {
        let simulator = world();
        let mut home = repository();
        change(&mut home);
        simulator.repository("octo/app", home);
        simulator
    };
    let held = |token: Token| {
        let simulator = world();
        simulator.token(TOKEN, token);
        simulator
    };
    let sound = world();
    sound.token("ghp_scopeless", holder().without(Permission::AgentTasksWrite));
    let lacking = |permission| step(&held(holder().without(permission)));
    let ended = Token { expires: Some("2020-01-01 00:00:00 UTC".to_owned()), ..Token::default() };
    let elsewhere = "---\ndescription: x\ntarget: vscode\n---\nDo.";
    let set = |name: &'static str, value: Value| {
        step(&changed(&move |it| drop(it.agent_settings.insert(name.to_owned(), value.clone()))))
    };
    let faults: [(Step, &str, &[&str]); 24] = [
        (step(&sound).with("token", "ghs_job"), "token", &["is an installation token", "fine-grained personal"]),
        (step(&sound).with("token", ""), "token", &["is missing or empty"]),
        (step(&sound).with("token", "github_pat_unknown"), "login", &["mistyped, expired or revoked"]),
        (step(&held(ended)), "expiry", &["has ended on 2020-01-01", "make a new one"]),
        (step(&sound).with("token", "ghp_scopeless"), "scopes", &["lacks the scope `repo`", "add it"]),
        (lacking(Permission::AgentTasksRead), "agent-tasks", &["agent_tasks=read", "Agent tasks: read and write"]),
        (lacking(Permission::PullRequestsRead), "pull-requests", &["cannot be looked up", "lookup-token"]),
        (step(&held(holder().without_licence())), "agent-tasks", &["no Copilot licence", "assign a licence"]),
        (step(&held(holder().seeing(&["octo/other"]))), "repository", &["the token does not reach it"]),
        (step(&changed(&|it| it.archived = true)), "repository", &["archived", "unarchive it"]),
        (step(&changed(&|it| it.disabled = true)), "repository", &["disabled"]),
        (
            step(&changed(&|it| drop(it.collaborators.insert("octocat".to_owned(), "read".to_owned())))),
            "repository",
            &["may not push", "give them write access"],
        ),
        (step(&changed(&|it| it.branches.clear())), "base-ref", &["no branch `next`", "correct `base-ref`"]),
        (
            step(&sound).with("head-ref", "copilot/old"),
            "head-ref",
            &["`copilot/old` has no open pull request onto `next`"],
        ),
        (
            step(&changed(&|it| it.custom_agents.clear())),
            "custom-agent",
            &["`.github/agents/fixer.agent.md`", "GitHub would go on without"],
        ),
        (
            step(&changed(&|it| {
                drop(it.files.insert(".github/agents/fixer.agent.md".to_owned(), elsewhere.to_owned()));
            })),
            "custom-agent",
            &["`target: vscode`", "write `github-copilot`"],
        ),
        (
            set("is_firewall_enabled", false.into()),
            "cloud-agent",
            &["`firewall` is false, not true", "`prep` of .github/agent-tasks.yml"],
        ),
        (
            set("require_actions_workflow_approval", false.into()),
            "cloud-agent",
            &["`workflow-approval` is false, not true"],
        ),
        (
            set("enabled_tools", json!({"codeql": false})),
            "cloud-agent",
            &["the tool `codeql` is off", "no tool `secret_scanning`"],
        ),
        (
            lacking(Permission::AgentSettingsRead),
            "cloud-agent",
            &["cannot be held against", "Copilot agent settings: read"],
        ),
        (step(&changed(&|it| it.actions.enabled = false)), "actions", &["GitHub Actions is disabled", "enable it"]),
        (
            step(&sound).file("prompts/triage.md", "{{ now.yeer }}"),
            "prompt",
            &["class `triage`", "prompts/triage.md:1:", "yeer"],
        ),
        (
            step(&sound).file(".github/agent-tasks.yml", "tasks: {prep: {promt: x.md}}"),
            "policy",
            &[".github/agent-tasks.yml:1:", "promt"],
        ),
        (step(&sound).with("vars", "version: [1]"), "start", &["`vars.version: [1]` is not a text"]),
    ];
    for (step, check, parts) in faults {
        step.run().await.assert_fault(check, parts);
    }
}

#[tokio::test(start_paused = true)]
async fn bad_inputs_are_told_before_anything_is_asked() {
    let ran = step(&world()).with("wait-timeout", "15").with("model", "a b").with("task-id", "t-1").run().await;
    assert_eq!((ran.code, ran.calls.len()), (2, 0), "{}", ran.log);
    for part in ["`wait-timeout: 15` has no unit", "`model: a b`", "`task-id: t-1` is for `command: wait`"] {
        ran.assert_log(&format!("❌ inputs: {part}"));
        assert!(ran.output("error-message").contains(part), "{}", ran.output("error-message"));
    }
    assert!(ran.summary.contains("🩺 3 faults"), "{}", ran.summary);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_not_enabled_is_found() {
    let simulator = world();
    simulator.repository("octo/app", Repository { agent_enabled: false, ..repository() });
    let ran = step(&simulator).run().await;
    assert_eq!(ran.code, 1, "{}", ran.log);
    ran.assert_log("❌ agent-tasks: ");
    ran.assert_log("cloud agent is not enabled for it");
}

#[tokio::test(start_paused = true)]
async fn what_is_odd_or_unknown_is_no_fault() {
    let simulator = world();
    let odd = Token { expires: Some("some day".to_owned()), ..Token::default() };
    simulator.token(TOKEN, odd.without(Permission::AdministrationRead));
    let actions = Actions { allowed: "selected".to_owned(), github_owned: false, ..Actions::default() };
    simulator
        .repository("octo/old", Repository { renamed_from: vec!["octo/older".to_owned()], actions, ..repository() });
    let ran = step(&simulator).run().await;
    assert_eq!((ran.code, ran.output("error-message")), (0, ""), "{}", ran.log);
    ran.assert_log("❔ expiry: GitHub says of the token's end `some day`");
    ran.assert_log("❔ actions: this could not be looked at");
    ran.assert_log("\"Administration: read\"");

    simulator.token(TOKEN, holder());
    let ran = step(&simulator).with("repository", "octo/older").run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
    ran.assert_log("⚠️ repository: it is called octo/old by now");
    ran.assert_log("⚠️ actions: GitHub's own actions are not allowed");
    assert_eq!(ran.log.lines().filter(|line| line.starts_with("::warning")).count(), 1, "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn the_owners_custom_agent_is_found() {
    let simulator = world();
    let profile = "---\nname: Shared\ndescription: For all\nmodel: gpt-5.4\n---\nDo it.".to_owned();
    let files = [("agents/shared.md".to_owned(), profile)].into();
    simulator.repository("octo/.github-private", Repository { files, private: true, ..Repository::default() });
    let ran = step(&simulator).with("custom-agent", "shared").run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
    ran.assert_log("✅ custom-agent: `octo/.github-private:agents/shared.md` is there");
    let ran = step(&simulator).with("custom-agent", "shared").with("model", "claude-sonnet-4.6").run().await;
    ran.assert_log("⚠️ custom-agent: `octo/.github-private:agents/shared.md` has `model: gpt-5.4`");
}

#[tokio::test(start_paused = true)]
async fn a_doctor_needs_no_prompt_and_may_be_told_to_ask_nothing() {
    let step = |simulator: &Simulator| Step::new(simulator).with("command", "doctor").with("prompt", "");
    let ran = step(&world()).run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
    assert!(!ran.log.contains("prompt:"), "{}", ran.log);
    let ran = step(&world()).with("dry-run", "true").run().await;
    assert_eq!((ran.code, ran.calls.len()), (0, 0), "{}", ran.log);
    ran.assert_log("GitHub was not asked about the repositories");
}

#[tokio::test(start_paused = true)]
async fn a_fleet_is_looked_at_whole() {
    let simulator = world();
    let names = (0..300).map(|at| format!("acme/service-{at}")).collect::<Vec<_>>();
    for (at, name) in names.iter().enumerate() {
        simulator.repository(name, Repository { archived: at % 10 == 3, ..Repository::default() });
    }
    let step = |names: &str| {
        let step = Step::new(&simulator).with("command", "doctor").with("prompt", "");
        step.with("repositories", names)
    };
    let ran = step(&names.join("\n")).run().await;
    ran.assert_harmless();
    assert_eq!((ran.code, ran.output("conclusion"), ran.output("failed")), (1, "failure", "30"), "{}", ran.log);
    assert_eq!(ran.log.matches("❌ repository: it is archived").count(), 30);
    let results = serde_json::from_str::<Vec<Value>>(ran.output("results")).unwrap();
    assert_eq!(results.iter().filter(|result| result["conclusion"] == "success").count(), 270);
    // One answer about the token, and six about each repository, none of them for nothing.
    assert_eq!(ran.calls.len(), 1 + 300 * 6);
    assert!(ran.calls.iter().all(|call| call.status == Some(200)));
    let ran = step(&names.join("\n")).with("tolerate", "10%").run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn github_out_of_reach_is_no_finding() {
    let simulator = world();
    simulator.fault_times(Route::Other, 100, Fault::unreachable());
    let ran = step(&simulator).run().await;
    assert_eq!(ran.code, 5, "{}", ran.log);
    // A limit passes, and the doctor waits for that.
    let simulator = world();
    simulator.fault_times(Route::Other, 2, Fault::rate_limit(Duration::from_secs(30)));
    let ran = step(&simulator).run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
    assert!(ran.took.as_secs() >= 30, "{:?}", ran.took);
}

#[tokio::test(start_paused = true)]
async fn a_policy_elsewhere_is_read_with_all_its_prompts() {
    let simulator = world();
    let policy = "tasks: {one: {prompt: one.md}, two: {prompt: two.md}, three: {prompt: three.md}}";
    let files = [("tasks.yml", policy), ("one.md", "Do {{ target.name }}"), ("two.md", "Do {{ target.nam }}")];
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    simulator.repository("acme/rules", Repository { files, ..Repository::default() });
    let step =
        Step::new(&simulator).with("command", "doctor").with("prompt", "").with("policy", "acme/rules:tasks.yml");
    let ran = step.run().await;
    assert_eq!(ran.code, 1, "{}", ran.log);
    ran.assert_log("✅ prompt: class `one`: `acme/rules:one.md` can be made");
    ran.assert_log("❌ prompt: class `two`: acme/rules:two.md:1:");
    ran.assert_log("❌ prompt: class `three`: `acme/rules:three.md` cannot be read: ");

    // The prompt of the defaults is elsewhere as well, and is told of once where it cannot be made.
    let policy = "defaults: {prompt: three.md}".to_owned();
    let files = [("tasks.yml".to_owned(), policy)].into();
    simulator.repository("acme/rules", Repository { files, ..Repository::default() });
    let ran =
        Step::new(&simulator).with("command", "doctor").with("prompt", "").with("policy", "acme/rules:tasks.yml").run();
    let ran = ran.await;
    assert_eq!(ran.log.matches('❌').count(), 1, "{}", ran.log);
    ran.assert_log("❌ prompt: defaults: `acme/rules:three.md` cannot be read: ");
}
