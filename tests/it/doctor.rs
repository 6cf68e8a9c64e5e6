//! The doctor: it finds each planted fault, says what to do, and changes nothing.

use std::time::Duration;

use insta::assert_snapshot;
use serde_json::{Value, json};
use simulator::{Actions, Fault, Permission, Repository, Route, Simulator, Token};

use crate::support::{Finished, Step, TOKEN, redact};

const POLICY: &str = "
require-class: true
defaults:
  cloud-agent: {firewall: true, workflow-approval: true, tools: [codeql, secret_scanning]}
task-classes:
  prep:
    prompt: prompts/prep.md
    vars: {version: string, notes: {type: string, required: false}}
    create-pull-request: true
  triage:
    prompt: prompts/triage.md
";

/// A step in which all is well.
fn step(simulator: &Simulator) -> Step {
    let step = Step::new(simulator).with("command", "doctor").with("prompt", "").with("task-class", "prep");
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

impl Finished {
    /// Only reads, and each key is there.
    #[track_caller]
    fn assert_harmless(&self) {
        assert!(self.calls.iter().all(|call| call.method == "GET"), "{:?}", self.calls);
        assert!(self.record.is_empty(), "{}", self.record);
    }

    /// Asserts that the doctor finds this and nothing else that is wrong, and gives what it says.
    #[track_caller]
    fn fault(&self, check: &str) -> String {
        self.assert_harmless();
        assert_eq!((self.code, self.output("conclusion")), (1, "failure"), "{}", self.log);
        let faults = self.log.lines().filter(|line| line.trim_start().starts_with('❌')).collect::<Vec<_>>();
        let [fault] = faults.as_slice() else { panic!("{faults:#?} in {}", self.log) };
        assert!(fault.contains(&format!("❌ {check}: ")), "{fault}");
        assert!(self.annotations().starts_with("error [Doctor: 1 fault"), "{}", self.annotations());
        let (_, what) = fault.split_once("❌ ").unwrap();
        assert!(self.output("error-message").contains(what), "{what} in {}", self.output("error-message"));
        assert_eq!((self.output("succeeded"), self.output("failed")), ("0", "1"));
        assert!(self.summary.contains(&format!("| ❌ | {} | `{check}` |", self.whose(check))), "{}", self.summary);
        redact(fault.trim())
    }

    fn whose(&self, check: &str) -> &'static str {
        match check {
            "inputs" | "policy" | "prompt" | "start" | "token" | "login" | "expiry" | "scopes" => "the step",
            _ => "octo/app",
        }
    }
}

#[tokio::test(start_paused = true)]
async fn doctor_finds_nothing_in_a_sound_step() {
    let ran = step(&world()).run().await;
    ran.assert_harmless();
    assert_eq!((ran.code, ran.output("conclusion")), (0, "success"), "{}", ran.log);
    ran.annotates_nothing();
    assert_snapshot!(ran.log_lines("✅"), @"
    ✅ token: `token` is a fine-grained personal access token
    ✅ prompt: class `prep`: `prompts/prep.md` can be made
    ✅ prompt: class `triage`: `prompts/triage.md` can be made
    ✅ prompt: `prompts/prep.md` can be made
    ✅ start: no workflow run, so whoever started this program is trusted
    ✅ login: the token belongs to octocat
    ✅ expiry: GitHub names no end of the token
    ✅ repository: it is there
    ✅ base-ref: there is a branch `next`
    ✅ pull-requests: they may be read
    ✅ agent-tasks: they may be read
    ✅ custom-agent: `octo/app:.github/agents/fixer.agent.md` is there
    ✅ cloud-agent: firewall on, recommended allowlist on, workflow approval on; tools: codeql, copilot_code_review, secret_scanning
    ✅ actions: GitHub Actions is enabled
    ");
    assert_snapshot!(ran.headline(), @"### 🩺 Nothing found that keeps a task from starting");
    assert_eq!(ran.results()[0]["conclusion"], "success");
}

/// Each of these is planted alone, and found alone.
#[tokio::test(start_paused = true)]
async fn doctor_finds_every_planted_fault() {
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
    let faults: [(Step, &str); 24] = [
        (step(&sound).with("token", "ghs_job"), "token"),
        (step(&sound).with("token", ""), "token"),
        (step(&sound).with("token", "github_pat_unknown"), "login"),
        (step(&held(ended)), "expiry"),
        (step(&sound).with("token", "ghp_scopeless"), "scopes"),
        (lacking(Permission::AgentTasksRead), "agent-tasks"),
        (lacking(Permission::PullRequestsRead), "pull-requests"),
        (step(&held(holder().without_licence())), "agent-tasks"),
        (step(&held(holder().seeing(&["octo/other"]))), "repository"),
        (step(&changed(&|it| it.archived = true)), "repository"),
        (step(&changed(&|it| it.disabled = true)), "repository"),
        (step(&changed(&|it| drop(it.collaborators.insert("octocat".to_owned(), "read".to_owned())))), "repository"),
        (step(&changed(&|it| it.branches.clear())), "base-ref"),
        (step(&sound).with("head-ref", "copilot/old"), "head-ref"),
        (step(&changed(&|it| it.custom_agents.clear())), "custom-agent"),
        (
            step(&changed(&|it| {
                drop(it.files.insert(".github/agents/fixer.agent.md".to_owned(), elsewhere.to_owned()));
            })),
            "custom-agent",
        ),
        (set("is_firewall_enabled", false.into()), "cloud-agent"),
        (set("require_actions_workflow_approval", false.into()), "cloud-agent"),
        (set("enabled_tools", json!({"codeql": false})), "cloud-agent"),
        (lacking(Permission::AgentSettingsRead), "cloud-agent"),
        (step(&changed(&|it| it.actions.enabled = false)), "actions"),
        (step(&sound).file("prompts/triage.md", "{{ now.yeer }}"), "prompt"),
        (step(&sound).file(".github/agent-tasks.yml", "task-classes: {prep: {promt: x.md}}"), "policy"),
        (step(&sound).with("vars", "version: [1]"), "start"),
    ];
    let mut told = Vec::new();
    for (step, check) in faults {
        told.push(step.run().await.fault(check));
    }
    assert_snapshot!(told.join("\n"), @r#"
    ❌ token: `token` is an installation token (`ghs_`), as `GITHUB_TOKEN` and the tokens of `actions/create-github-app-token` are; GitHub lets none of them start or read agent tasks. Store a fine-grained personal access token with the repository permission "Agent tasks: read and write" as a secret and give that
    ❌ token: `token` is missing or empty, so GitHub is not asked anything. Give the secret with the token that starts the tasks; runs for pull requests from forks get no secrets
    ❌ login: GitHub does not accept the token (Bad credentials): it is mistyped, expired or revoked. Make a new one and store it as the secret that `token` is given
    ❌ expiry: the token has ended on 2020-01-01 [time]; make a new one and store it
    ❌ scopes: the token lacks the scope `repo` (it has none); add it on the token's page
    ❌ agent-tasks: the token may not do this (Resource not accessible by personal access token). GitHub asks for the permission `agent_tasks=read`; a fine-grained token needs "Agent tasks: read and write" for this repository, and can do no more than its owner
    ❌ pull-requests: the number of a pull request cannot be looked up. the token may not do this (Resource not accessible by personal access token). Give `lookup-token` a token that may read pull requests: for the workflow's own repository `${{ github.token }}` with `permissions: pull-requests: read` serves
    ❌ agent-tasks: the token's owner has no Copilot licence that includes the cloud agent (A Copilot licence is needed to use this API.). Give a token of somebody who has, or assign a licence under the organisation's Copilot settings
    ❌ repository: GitHub finds nothing there for this token (Not Found). Either there is no repository of that name, or the token does not reach it: a fine-grained token lists the repositories it is for, and an organisation may have to approve it
    ❌ repository: it is archived; unarchive it, or leave it out
    ❌ repository: GitHub has disabled it; ask GitHub's support
    ❌ repository: the token's owner may not push to it; give them write access
    ❌ base-ref: there is no branch `next`; correct `base-ref`, or make the branch
    ❌ head-ref: `copilot/old` has no open pull request onto `next`, and GitHub would make a new branch in its place; open one, or correct `head-ref` or `base-ref`
    ❌ custom-agent: there is no `.github/agents/fixer.agent.md` on `next`, and no `agents/fixer.agent.md` in the owner's `.github-private` that this token could see; GitHub would go on without the agent. Correct `custom-agent`, or add the file
    ❌ custom-agent: `octo/app:.github/agents/fixer.agent.md` has `target: vscode`, and so is not there for the cloud agent; write `github-copilot`, or leave it out
    ❌ cloud-agent: the settings are not what the task class `prep` of .github/agent-tasks.yml has under `cloud-agent`: `firewall` is false, not true. Change them under the repository's Settings > Copilot > Cloud agent, or change the policy
    ❌ cloud-agent: the settings are not what the task class `prep` of .github/agent-tasks.yml has under `cloud-agent`: `workflow-approval` is false, not true. Change them under the repository's Settings > Copilot > Cloud agent, or change the policy
    ❌ cloud-agent: the settings are not what the task class `prep` of .github/agent-tasks.yml has under `cloud-agent`: the tool `codeql` is off; there is no tool `secret_scanning`; there is `codeql`. Change them under the repository's Settings > Copilot > Cloud agent, or change the policy
    ❌ cloud-agent: its settings cannot be held against the task class `prep` of .github/agent-tasks.yml. the token may not do this (Resource not accessible by personal access token). A fine-grained token needs "Copilot agent settings: read" for that repository, a classic one the scope `repo`; its owner may have to administer the repository
    ❌ actions: GitHub Actions is disabled, and the cloud agent works on it; enable it under the repository's Settings > Actions > General
    ❌ prompt: class `triage`: prompts/triage.md:1:4: `now.yeer` is undefined; did you mean `now.year`? `now` has `year`, `date`, `time`, `month`, `day`
    ❌ policy: `policy` is wrong. .github/agent-tasks.yml:1:16: unknown key `promt`; did you mean `prompt`?
    ❌ start: `vars.version: [1]` is not a text, as the task class `prep` of .github/agent-tasks.yml has it
    "#);
}

#[tokio::test(start_paused = true)]
async fn doctor_reports_bad_inputs_before_it_asks() {
    let ran = step(&world()).with("wait-timeout", "15").with("model", "a b").with("task-id", "t-1").run().await;
    assert_eq!((ran.code, ran.calls.len()), (2, 0), "{}", ran.log);
    assert_snapshot!(ran.log_lines("❌ inputs: "), @"
    ❌ inputs: `task-id: t-1` is for `command: wait`; leave it out, or write `command: wait` to wait for that task
    ❌ inputs: `model: a b` is no model's name; write names such as `gpt-5.4`, with commas between them
    ❌ inputs: `wait-timeout: 15` has no unit; write for example `15s` or `15m`
    ");
    assert_snapshot!(ran.message(), @"inputs: `task-id: t-1` is for `command: wait`; leave it out, or write `command: wait` to wait for that task; inputs: `model: a b` is no model's name; write names such as `gpt-5.4`, with commas between them; inputs: `wait-timeout: 15` has no unit; write for example `15s` or `15m`");
    assert_snapshot!(ran.headline(), @"### 🩺 3 faults");
}

#[tokio::test(start_paused = true)]
async fn doctor_finds_an_agent_that_is_not_enabled() {
    let simulator = world();
    simulator.repository("octo/app", Repository { agent_enabled: false, ..repository() });
    let ran = step(&simulator).run().await;
    assert_eq!(ran.code, 1, "{}", ran.log);
    assert_snapshot!(ran.log_lines("❌ "), @"
    ❌ agent-tasks: GitHub finds nothing there for this token (Not Found). Either the token does not reach the repository (a fine-grained token lists the repositories it is for, and an organisation may have to approve it), or the Copilot cloud agent is not enabled for it, or there is no such task
    ❌ cloud-agent: its settings cannot be held against the task class `prep` of .github/agent-tasks.yml. GitHub finds nothing there for this token (Not Found). Either the token may not see the settings of the Copilot cloud agent, or the agent is not enabled for the repository
    ");
}

#[tokio::test(start_paused = true)]
async fn doctor_warns_of_what_is_odd_or_unknown() {
    let simulator = world();
    let odd = Token { expires: Some("some day".to_owned()), ..Token::default() };
    simulator.token(TOKEN, odd.without(Permission::AdministrationRead));
    let actions = Actions { allowed: "selected".to_owned(), github_owned: false, ..Actions::default() };
    simulator
        .repository("octo/old", Repository { renamed_from: vec!["octo/older".to_owned()], actions, ..repository() });
    let ran = step(&simulator).run().await;
    assert_eq!((ran.code, ran.output("error-message")), (0, ""), "{}", ran.log);
    assert_snapshot!(ran.log_lines("❔"), @r#"
    ❔ expiry: GitHub says of the token's end `some day`
    ❔ actions: this could not be looked at. the token may not do this (Resource not accessible by personal access token). A fine-grained token needs "Administration: read" for that repository, and an owner who administers it
    "#);

    simulator.token(TOKEN, holder());
    let ran = step(&simulator).with("repository", "octo/older").run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
    assert_snapshot!(ran.log_lines("⚠️"), @"
    ⚠️ repository: it is called octo/old by now; write that name
    ⚠️ actions: GitHub's own actions are not allowed, and tasks were seen to stay in progress for good where the cloud agent could not use them; allow them under the repository's Settings > Actions > General
    ");
    assert_eq!(ran.annotations().matches("warning [").count(), 1, "{}", ran.annotations());
}

#[tokio::test(start_paused = true)]
async fn doctor_finds_the_owners_custom_agent() {
    let simulator = world();
    let profile = "---\nname: Shared\ndescription: For all\nmodel: gpt-5.4\n---\nDo it.".to_owned();
    let files = [("agents/shared.md".to_owned(), profile)].into();
    simulator.repository("octo/.github-private", Repository { files, private: true, ..Repository::default() });
    let ran = step(&simulator).with("custom-agent", "shared").run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
    assert_snapshot!(ran.log_lines("custom-agent: "), @"✅ custom-agent: `octo/.github-private:agents/shared.md` is there");
    let ran = step(&simulator).with("custom-agent", "shared").with("model", "claude-sonnet-4.6").run().await;
    assert_snapshot!(ran.log_lines("⚠️"), @"⚠️ custom-agent: `octo/.github-private:agents/shared.md` has `model: gpt-5.4`, and another one in `model` was seen to end the session; name one of them alone");
}

#[tokio::test(start_paused = true)]
async fn doctor_needs_no_prompt() {
    let step = |simulator: &Simulator| Step::new(simulator).with("command", "doctor").with("prompt", "");
    let ran = step(&world()).run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
    assert!(!ran.log.contains("prompt:"), "{}", ran.log);
    let ran = step(&world()).with("dry-run", "true").run().await;
    assert_eq!((ran.code, ran.calls.len()), (0, 0), "{}", ran.log);
    assert_snapshot!(ran.log_lines("GitHub"), @"GitHub was not asked about the repositories");
}

#[tokio::test(start_paused = true)]
async fn doctor_checks_every_repository_of_a_fleet() {
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
    assert_eq!(ran.results().iter().filter(|result| result["conclusion"] == "success").count(), 270);
    // One answer about the token, and six about each repository, none of them for nothing.
    assert_eq!(ran.calls.len(), 1 + 300 * 6);
    assert!(ran.calls.iter().all(|call| call.status == Some(200)));
    let ran = step(&names.join("\n")).with("tolerate", "10%").run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn doctor_ends_without_findings_when_github_is_out_of_reach() {
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
async fn doctor_reads_all_prompts_of_a_policy_elsewhere() {
    let simulator = world();
    let policy = "task-classes: {one: {prompt: one.md}, two: {prompt: two.md}, three: {prompt: three.md}}";
    let files = [("tasks.yml", policy), ("one.md", "Do {{ target.name }}"), ("two.md", "Do {{ target.nam }}")];
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    simulator.repository("acme/rules", Repository { files, ..Repository::default() });
    let step =
        Step::new(&simulator).with("command", "doctor").with("prompt", "").with("policy", "acme/rules:tasks.yml");
    let ran = step.run().await;
    assert_eq!(ran.code, 1, "{}", ran.log);
    assert_snapshot!(ran.log_lines("prompt: "), @"
    ✅ prompt: class `one`: `acme/rules:one.md` can be made
    ❌ prompt: class `three`: `acme/rules:three.md` cannot be read: GitHub finds nothing there for this token (Not Found). Either the token does not reach the repository, or there is no such file, branch, tag or commit
    ❌ prompt: class `two`: acme/rules:two.md:1:7: `target.nam` is undefined; did you mean `target.name`? `target` has `name`, `full_name`, `owner`
    ");

    // The prompt of the defaults is elsewhere as well, and is told of once where it cannot be made.
    let policy = "defaults: {prompt: three.md}".to_owned();
    let files = [("tasks.yml".to_owned(), policy)].into();
    simulator.repository("acme/rules", Repository { files, ..Repository::default() });
    let ran =
        Step::new(&simulator).with("command", "doctor").with("prompt", "").with("policy", "acme/rules:tasks.yml").run();
    let ran = ran.await;
    assert_snapshot!(ran.log_lines("❌"), @"❌ prompt: defaults: `acme/rules:three.md` cannot be read: GitHub finds nothing there for this token (Not Found). Either the token does not reach the repository, or there is no such file, branch, tag or commit");
}
