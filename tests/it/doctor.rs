//! The doctor: it finds each planted fault, says what to do, changes nothing, and raises no false alarm.

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

/// A step without faults.
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

/// A token that never expires, because the doctor compares dates with the real calendar.
fn token() -> Token {
    Token { expires: None, ..Token::default() }
}

fn world() -> Simulator {
    let simulator = Simulator::new();
    simulator.token(TOKEN, token());
    simulator.repository("octo/app", repository());
    simulator
}

impl Finished {
    /// Asserts that the doctor only reads, and writes no record.
    #[track_caller]
    fn assert_reads_only(&self) {
        assert!(self.calls.iter().all(|call| call.method == "GET"), "{:?}", self.calls);
        assert!(self.record.is_empty(), "{}", self.record);
    }

    /// Asserts that the doctor finds this and nothing else that is wrong, and gives what it says.
    #[track_caller]
    fn fault(&self, check: &str) -> String {
        self.assert_reads_only();
        assert_eq!((self.code, self.output("conclusion")), (1, "failure"), "{}", self.log);
        let faults = self.log.lines().filter(|line| line.trim_start().starts_with('❌')).collect::<Vec<_>>();
        let [fault] = faults.as_slice() else { panic!("{faults:#?} in {}", self.log) };
        assert!(fault.contains(&format!("❌ {check}: ")), "{fault}");
        assert!(self.annotations().starts_with("error [Doctor: 1 fault"), "{}", self.annotations());
        let (_, what) = fault.split_once("❌ ").unwrap();
        assert!(self.output("error-message").contains(what), "{what} in {}", self.output("error-message"));
        assert_eq!((self.output("succeeded"), self.output("failed")), ("0", "1"));
        assert!(self.summary.contains(&format!("| ❌ | {} | `{check}` |", self.subject(check))), "{}", self.summary);
        redact(fault.trim())
    }

    fn subject(&self, check: &str) -> &'static str {
        match check {
            "inputs" | "policy" | "prompt" | "start" | "token" | "login" | "expiry" | "scopes" => "the step",
            _ => "octo/app",
        }
    }
}

#[tokio::test(start_paused = true)]
async fn doctor_finds_nothing_in_a_sound_step() {
    let ran = step(&world()).run().await;
    ran.assert_reads_only();
    assert_eq!((ran.code, ran.output("conclusion")), (0, "success"), "{}", ran.log);
    ran.annotates_nothing();
    assert_snapshot!(ran.log_lines("✅"), @"
    ✅ token: fine-grained personal access token
    ✅ prompt: class `prep`: `prompts/prep.md` renders
    ✅ prompt: class `triage`: `prompts/triage.md` renders
    ✅ prompt: `prompts/prep.md` renders
    ✅ start: outside a workflow run, the user of this program is trusted
    ✅ login: the token belongs to octocat
    ✅ expiry: GitHub gives no expiration date
    ✅ repository: the token reaches it
    ✅ base-ref: the branch `next` exists
    ✅ pull-requests: the token can read them
    ✅ agent-tasks: the token can read them
    ✅ custom-agent: `octo/app:.github/agents/fixer.agent.md` exists
    ✅ cloud-agent: firewall on, recommended allowlist on, workflow approval on; tools: codeql, copilot_code_review, secret_scanning
    ✅ actions: GitHub Actions is enabled
    ");
    assert_snapshot!(ran.headline(), @"### 🩺 No faults found");
    assert_eq!(ran.results()[0]["conclusion"], "success");
}

/// Each fault is planted alone and found alone.
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
    sound.token("ghp_scopeless", token().without(Permission::AgentTasksWrite));
    let lacking = |permission| step(&held(token().without(permission)));
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
        (step(&held(token().without_licence())), "agent-tasks"),
        (step(&held(token().seeing(&["octo/other"]))), "repository"),
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
    let mut actual = Vec::new();
    for (step, check) in faults {
        actual.push(step.run().await.fault(check));
    }
    assert_snapshot!(actual.join("\n"), @r#"
    ❌ token: `token` is an installation token (`ghs_`), as `GITHUB_TOKEN` and the tokens of `actions/create-github-app-token` are; GitHub lets none of them start or read agent tasks. Store a fine-grained personal access token with the repository permission "Agent tasks: read and write" as a secret and give that
    ❌ token: `token` is missing or empty; store a fine-grained personal access token that has "Agent tasks: read and write" as a secret, and check the name of the secret in the workflow. Runs for pull requests from forks get no secrets, and runs for Dependabot only its own
    ❌ login: GitHub does not accept the token (Bad credentials): it is mistyped, expired or revoked. Make a new one and store it as the secret that `token` is given
    ❌ expiry: the token expired on 2020-01-01 [time]; create a new one and store it
    ❌ scopes: the token lacks the scope `repo` (it has none); add it in the token's settings
    ❌ agent-tasks: the token lacks a permission (Resource not accessible by personal access token). GitHub requires the permission `agent_tasks=read`; a fine-grained token needs "Agent tasks: read and write" for this repository, and can do no more than its owner
    ❌ pull-requests: numbers cannot be looked up: the token lacks a permission (Resource not accessible by personal access token). Give `lookup-token` a token that may read pull requests: for the workflow's own repository `${{ github.token }}` with `permissions: pull-requests: read` serves
    ❌ agent-tasks: the token's owner has no Copilot license that includes the cloud agent (A Copilot licence is needed to use this API). Use a token of a user who has one, or assign a license under the organization's Copilot settings
    ❌ repository: GitHub finds nothing there for this token (Not Found). Either there is no repository of that name, or the token does not reach it: a fine-grained token lists the repositories it is for, and an organization may have to approve it
    ❌ repository: archived; unarchive it, or leave it out
    ❌ repository: disabled by GitHub; contact GitHub Support
    ❌ repository: the token's owner cannot push to it; give the owner write access
    ❌ base-ref: the branch `next` does not exist; correct `base-ref`, or create the branch
    ❌ head-ref: `copilot/old` has no open pull request onto `next`, and GitHub would create a new branch instead; open one, or correct `head-ref` or `base-ref`
    ❌ custom-agent: the token finds neither `.github/agents/fixer.agent.md` on `next` nor `agents/fixer.agent.md` in `octo/.github-private`, and GitHub would work without the agent. Correct `custom-agent` or add the file; if it is in `octo/.github-private`, give the token access to that repository
    ❌ custom-agent: `octo/app:.github/agents/fixer.agent.md` has `target: vscode`, which hides it from the cloud agent; write `target: github-copilot`, or remove the line
    ❌ cloud-agent: the settings differ from `cloud-agent` of the task class `prep` of .github/agent-tasks.yml: `firewall` is false, required is true. Change them under the repository's Settings > Copilot > Cloud agent, or change the policy
    ❌ cloud-agent: the settings differ from `cloud-agent` of the task class `prep` of .github/agent-tasks.yml: `workflow-approval` is false, required is true. Change them under the repository's Settings > Copilot > Cloud agent, or change the policy
    ❌ cloud-agent: the settings differ from `cloud-agent` of the task class `prep` of .github/agent-tasks.yml: the tool `codeql` is off; the tool `secret_scanning` does not exist; name one of `codeql` in the policy. Change them under the repository's Settings > Copilot > Cloud agent, or change the policy
    ❌ cloud-agent: the settings cannot be compared with the task class `prep` of .github/agent-tasks.yml: the token lacks a permission (Resource not accessible by personal access token). A fine-grained token needs "Copilot agent settings: read" for that repository, a classic one the scope `repo`; its owner may have to administer the repository
    ❌ actions: GitHub Actions is disabled, and the cloud agent runs on it; enable it under the repository's Settings > Actions > General
    ❌ prompt: class `triage`: prompts/triage.md:1:4: `now.yeer` is undefined; did you mean `now.year`? `now` has `year`, `date`, `time`, `month`, `day`, `hour`, `minute`, `weekday`, …
    ❌ policy: policy is wrong. .github/agent-tasks.yml:1:23: unknown key `promt`; did you mean `prompt`?
    ❌ start: `vars.version: [1]` is not a text; see the task class `prep` of .github/agent-tasks.yml
    "#);
}

#[tokio::test(start_paused = true)]
async fn doctor_reports_bad_inputs_before_it_asks() {
    let ran = step(&world()).with("wait-timeout", "15").with("model", "a b").with("task-id", "t-1").run().await;
    assert_eq!((ran.code, ran.calls.len()), (2, 0), "{}", ran.log);
    assert_snapshot!(ran.log_lines("❌ inputs: "), @"
    ❌ inputs: task-id has no effect with command: doctor; it is for command: wait and stop
    ❌ inputs: model: a b is not a model's name; write names such as `gpt-5.4`, several as a list
    ❌ inputs: wait-timeout: expected a duration with a unit such as 15s or 15m, got 15
    ");
    assert_snapshot!(ran.message(), @"inputs: task-id has no effect with command: doctor; it is for command: wait and stop; inputs: model: a b is not a model's name; write names such as `gpt-5.4`, several as a list; inputs: wait-timeout: expected a duration with a unit such as 15s or 15m, got 15");
    assert_snapshot!(ran.headline(), @"### 🩺 3 faults");
}

#[tokio::test(start_paused = true)]
async fn doctor_finds_an_agent_that_is_not_enabled() {
    let simulator = world();
    simulator.repository("octo/app", Repository { agent_enabled: false, ..repository() });
    let ran = step(&simulator).run().await;
    assert_eq!(ran.code, 1, "{}", ran.log);
    assert_snapshot!(ran.log_lines("❌ "), @"
    ❌ agent-tasks: GitHub finds nothing there for this token (Not Found). Either there is no such repository or task, or the token does not reach the repository (a fine-grained token lists the repositories it is for, and an organization may have to approve it), or the Copilot cloud agent is not enabled for it
    ❌ cloud-agent: the settings cannot be compared with the task class `prep` of .github/agent-tasks.yml: GitHub finds nothing there for this token (Not Found). Either the token may not see the settings of the Copilot cloud agent, or the agent is not enabled for the repository
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
    ❔ expiry: GitHub gives an expiration date that cannot be read: `some day`
    ❔ actions: cannot be checked: the token lacks a permission (Resource not accessible by personal access token). A fine-grained token needs "Administration: read" for that repository, and an owner who administers it
    "#);

    simulator.token(TOKEN, token());
    let ran = step(&simulator).with("repository", "octo/older").run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
    assert_snapshot!(ran.log_lines("⚠️"), @"
    ⚠️ repository: renamed to octo/old; use that name
    ⚠️ actions: the actions that GitHub makes are not allowed, and tasks whose cloud agent could not use them stayed in progress forever; allow them under the repository's Settings > Actions > General
    ");
    assert_eq!(ran.annotations().matches("warning [").count(), 1, "{}", ran.annotations());

    let patterns = vec!["octo/*".to_owned(), "actions/*".to_owned()];
    let actions = Actions { allowed: "selected".to_owned(), github_owned: false, patterns, ..Actions::default() };
    simulator.repository("octo/old", Repository { actions, ..repository() });
    let ran = step(&simulator).with("repository", "octo/old").run().await;
    assert_eq!(ran.log_lines("⚠️"), "", "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn doctor_finds_the_owners_custom_agent() {
    let simulator = world();
    let profile = "---\nname: Shared\ndescription: For all\nmodel: gpt-5.4\n---\nDo it.".to_owned();
    let files = [("agents/shared.md".to_owned(), profile)].into();
    simulator.repository("octo/.github-private", Repository { files, private: true, ..Repository::default() });
    let ran = step(&simulator).with("custom-agent", "shared").run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
    assert_snapshot!(ran.log_lines("custom-agent: "), @"✅ custom-agent: `octo/.github-private:agents/shared.md` exists");
    let ran = step(&simulator).with("custom-agent", "shared").with("model", "claude-sonnet-4.6").run().await;
    assert_snapshot!(ran.log_lines("⚠️"), @"⚠️ custom-agent: `octo/.github-private:agents/shared.md` has `model: gpt-5.4`, and sessions ended when `model` requested another one; set the model in one place");
}

#[tokio::test(start_paused = true)]
async fn doctor_needs_no_prompt() {
    let step = |simulator: &Simulator| Step::new(simulator).with("command", "doctor").with("prompt", "");
    let ran = step(&world()).run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
    assert!(!ran.log.contains("prompt:"), "{}", ran.log);
    let ran = step(&world()).with("dry-run", "true").run().await;
    assert_eq!((ran.code, ran.calls.len()), (0, 0), "{}", ran.log);
    assert_snapshot!(ran.log_lines("repositories"), @"the repositories were not checked");
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
    ran.assert_reads_only();
    assert_eq!((ran.code, ran.output("conclusion"), ran.output("failed")), (1, "failure", "30"), "{}", ran.log);
    assert_eq!(ran.log.matches("❌ repository: archived").count(), 30);
    assert_eq!(ran.results().iter().filter(|result| result["conclusion"] == "success").count(), 270);
    // One request for the token, and six for each repository, all answered.
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
    // A rate limit is waited out.
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
    ✅ prompt: class `one`: `acme/rules:one.md` renders
    ❌ prompt: class `three`: `acme/rules:three.md` cannot be read: GitHub finds nothing there for this token (Not Found). Either the token does not reach the repository, or there is no such file, branch, tag or commit
    ❌ prompt: class `two`: acme/rules:two.md:1:7: `target.nam` is undefined; did you mean `target.name`? `target` has `name`, `entry`, `full_name`, `owner`
    ");

    // So is the prompt of the defaults, whose fault is reported once.
    let policy = "defaults: {prompt: three.md}".to_owned();
    let files = [("tasks.yml".to_owned(), policy)].into();
    simulator.repository("acme/rules", Repository { files, ..Repository::default() });
    let ran =
        Step::new(&simulator).with("command", "doctor").with("prompt", "").with("policy", "acme/rules:tasks.yml").run();
    let ran = ran.await;
    assert_snapshot!(ran.log_lines("❌"), @"❌ prompt: defaults: `acme/rules:three.md` cannot be read: GitHub finds nothing there for this token (Not Found). Either the token does not reach the repository, or there is no such file, branch, tag or commit");
}

/// The checks of a step that works, less those that passed.
async fn complaints(step: Step) -> String {
    let ran = step.run().await;
    ran.assert_reads_only();
    assert_eq!((ran.code, ran.output("conclusion")), (0, "success"), "{}", ran.log);
    let lines =
        ran.log.lines().map(str::trim).filter(|line| ["❌", "⚠️", "❔"].iter().any(|icon| line.starts_with(icon)));
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(start_paused = true)]
async fn doctor_checks_a_transferred_repository_under_its_new_name() {
    let simulator = world();
    let files = [("agents/shared.md".to_owned(), "---\ndescription: For all\n---\nDo it.".to_owned())].into();
    simulator.repository("octo/.github-private", Repository { files, ..Repository::default() });
    simulator.repository("octo/app", Repository { renamed_from: vec!["old/app".to_owned()], ..repository() });
    simulator.open_pull("octo/app", "copilot/fix", "next");
    let step = step(&simulator).with("repository", "old/app").with("custom-agent", "shared");
    assert_snapshot!(complaints(step.with("head-ref", "copilot/fix")).await, @"⚠️ repository: renamed to octo/app; use that name");
}

#[tokio::test(start_paused = true)]
async fn doctor_requires_pull_requests_only_for_a_step_that_waits() {
    let simulator = world();
    simulator.token(TOKEN, token().without(Permission::PullRequestsRead));
    let step = step(&simulator).with("wait", "false").with("head-ref", "copilot/fix");
    assert_snapshot!(complaints(step).await, @"
    ⚠️ pull-requests: numbers cannot be looked up: the token lacks a permission (Resource not accessible by personal access token). Give `lookup-token` a token that may read pull requests: for the workflow's own repository `${{ github.token }}` with `permissions: pull-requests: read` serves
    ❔ head-ref: cannot be checked: the token lacks a permission (Resource not accessible by personal access token). Give `lookup-token` a token that may read pull requests: for the workflow's own repository `${{ github.token }}` with `permissions: pull-requests: read` serves
    ");
}

#[tokio::test(start_paused = true)]
async fn doctor_says_when_it_could_not_see_all_pull_requests_of_a_branch() {
    let simulator = world();
    simulator.open_pull("octo/app", "copilot/fix", "next");
    for at in 0..100 {
        simulator.open_pull("octo/app", "copilot/fix", &format!("release/{at}"));
    }
    let step = step(&simulator).with("head-ref", "copilot/fix");
    assert_snapshot!(complaints(step).await, @"❔ head-ref: the newest 100 pull requests of `copilot/fix` were checked, and none is open onto `next`; look for an older one");
}

#[tokio::test(start_paused = true)]
async fn doctor_goes_on_where_one_request_stays_unanswered() {
    let simulator = world();
    simulator.fault_times(Route::List, 3, Fault::status(502));
    simulator.fault_times(Route::Pulls, 2, Fault::rate_limit(Duration::from_secs(30)));
    assert_snapshot!(complaints(step(&simulator)).await, @"❔ agent-tasks: cannot be checked: GitHub answered with status 502 Bad Gateway, request id 51D0:000008");
}

#[tokio::test(start_paused = true)]
async fn doctor_does_not_judge_refs_that_are_templates() {
    let step = step(&world()).with("base-ref", "{{ github.ref_name }}").with("head-ref", "copilot/fix");
    assert_snapshot!(complaints(step).await, @"");
}

#[tokio::test(start_paused = true)]
async fn doctor_of_an_empty_list_has_nothing_to_check() {
    let step = || Step::new(&world()).with("command", "doctor").with("prompt", "");
    for step in [
        step().with("repositories", "octo/app, octo/b").with("shard", "3/3"),
        step().with("repositories", "[]").with("allow-empty", "true"),
    ] {
        let ran = step.run().await;
        assert_eq!(
            (ran.code, ran.output("conclusion"), ran.output("error-message")),
            (0, "skipped", ""),
            "{}",
            ran.log
        );
        insta::allow_duplicates! {
            assert_snapshot!(ran.annotations(), @"notice [Nothing to check] there is no repository to check");
            assert_snapshot!(ran.summary, @"
            ### ⏭️ Nothing to check

            - there is no repository to check

            ### 🩺 No faults found

            <details open><summary>✅ 3 in order</summary>

            |  | Where | Check | Finding |
            |---|---|---|---|
            | ✅ | the step | `token` | fine-grained personal access token |
            | ✅ | the step | `login` | the token belongs to octocat |
            | ✅ | the step | `expiry` | GitHub gives no expiration date |

            </details>
            ");
        }
    }
    let ran = step().with("repositories", "[]").with("allow-empty", "true").with("token", "ghs_job").run().await;
    assert_eq!(ran.code, 1, "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn doctor_warns_of_a_list_of_tasks_that_is_not_complete() {
    let simulator = world();
    let header = Fault::extra_header("X-GitHub-SSO", "partial-results; organizations=21955855");
    simulator.fault(Route::List, header);
    let ran = step(&simulator).run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
    assert_snapshot!(ran.log_lines("⚠️"), @"⚠️ agent-tasks: the list is not complete, and a start that has to search it fails: GitHub leaves out organizations that require single sign-on (ids: 21955855). Authorize the token for them under https://github.com/settings/tokens");
}

#[tokio::test(start_paused = true)]
async fn prompts_of_a_fleet_are_bounded_together() {
    let prompt = "{% set ns = namespace(t='xxxxxxxxxxxxxxxx') %}{% for i in range(17) %}{% set ns.t = ns.t ~ ns.t %}\
                  {% endfor %}{% for i in range(300) %}{% if ns.t == 'y' %}{% endif %}{% endfor %}done";
    let list = (0..40).map(|at| format!("octo/r{at}\n")).collect::<String>();
    let step = Step::new(&Simulator::new()).with("command", "doctor").with("dry-run", "true").with("prompt", prompt);
    let ran = step.with("repositories", &list).run().await;
    assert_snapshot!(ran.message(), @"prompt: `prompt` takes too much to render: the 200 million instructions that a step has for all its prompts are used up after 20 of 40. Loop, sort or show less in the template, or split the list with `command: plan`");
}

/// A start would read with `token` instead, without a word.
#[tokio::test(start_paused = true)]
async fn lookup_token_must_be_accepted() {
    let ran = step(&world()).with("lookup-token", "github_pat_unknown").run().await;
    assert_snapshot!(ran.fault("login"), @"❌ login: GitHub does not accept `lookup-token` (Bad credentials): it is mistyped, expired or revoked; correct the secret, or leave the input out");
    // A workflow's own token may not ask whose it is.
    let simulator = world();
    simulator.token("ghs_own", token());
    step(&simulator).with("lookup-token", "ghs_own").run().await.exits(0);
}
