//! The policy: what a class gives, what it refuses, what is counted, and where it is read from.

use std::time::Duration;

use agent_task::task::marker::{Key, Marker};
use insta::assert_snapshot;
use serde_json::{Value, json};
use simulator::{ExistingTask, Fault, Permission, Repository, Route, Script, Simulator, Token};

use crate::support::{Finished, Step};

const HOUR: Duration = Duration::from_secs(3600);

const POLICY: &str = "\
require-class: true
defaults:
  repositories: {allow: 'octo/*', deny: octo/secret}
task-classes:
  prep:
    prompt: prompts/prep.md
    version: 7
    vars: {version: string}
    model: gpt-5.4
    base-ref: [main, 'release/*']
    custom-agent: preparer
    create-pull-request: true
    wait: true
    fail-on: [failure, timed_out]
    owner: '@octo/releases'
    ticket: CHG-[0-9]+
";

/// A step under a policy, with nothing of its own that a class could contradict.
fn under(simulator: &Simulator, policy: &str) -> Step {
    let step = Step::new(simulator).with("prompt", "").with("wait", "").with("create-pull-request", "");
    step.file(".github/agent-tasks.yml", policy).file("prompts/prep.md", "Prepare {{ vars.version }}\n")
}

/// A step of the class that is as the class wants it.
fn prep(simulator: &Simulator) -> Step {
    under(simulator, POLICY).with("task-class", "prep").with("vars", "version: 1.10").with("ticket", "CHG-17")
}

/// A step with a prompt of its own under a policy that only limits.
fn limited(simulator: &Simulator, limits: &str) -> Step {
    let policy = format!("task-classes: {{bump: {{limits: {{{limits}}}}}, other: {{}}}}\n");
    under(simulator, &policy).with("prompt", "Bump it").with("task-class", "bump")
}

/// A task that was started for a class a while ago.
fn earlier(simulator: &Simulator, class: &str, age: Duration, script: Script) {
    let text = str::to_owned;
    let marker =
        Marker { key: Key::over([class, "earlier"]), name: text("w/j"), class: text(class), ..Marker::default() };
    simulator.add_task(ExistingTask { prompt: marker.put_under("Bump it"), age, script, ..ExistingTask::default() });
}

fn done() -> Script {
    Script::completes_with_pull(Duration::from_secs(60))
}

impl Finished {
    /// Asserts that the policy refused the step and nothing was sent, and gives the reasons.
    #[track_caller]
    fn forbidden(&self) -> String {
        assert_eq!((self.code, self.output("conclusion"), self.starts()), (3, "skipped", 0), "{}", self.log);
        self.refusal()
    }
}

#[tokio::test(start_paused = true)]
async fn class_makes_the_whole_request() {
    let simulator = Simulator::new();
    let agents = Repository { custom_agents: vec!["preparer".to_owned()], ..Repository::default() };
    simulator.repository("octo/app", agents);
    let ran = prep(&simulator).run().await;
    ran.assert(0, "completed", "success");
    let body = &ran.calls.iter().find(|call| call.method == "POST").unwrap().body;
    assert_eq!(
        (&body["model"], &body["base_ref"], &body["custom_agent"], &body["create_pull_request"]),
        (&json!("gpt-5.4"), &json!("main"), &json!("preparer"), &json!(true))
    );
    let prompt = body["prompt"].as_str().unwrap();
    assert!(prompt.starts_with("Prepare 1.10\n\nChange ticket: CHG-17\n\n<!-- agent-task key="), "{prompt}");
    assert_eq!(Marker::find(prompt).unwrap().class, "prep");
    assert_ne!(ran.output("pull-request-number"), "");
    assert_snapshot!(ran.summary_lines("task class prep"), @"Requested by mona in a workflow · policy .github/agent-tasks.yml · task class prep, prompt version 7 · ticket CHG-17 · owner @octo/releases");
}

#[tokio::test(start_paused = true)]
async fn class_refuses_all_that_contradicts_it() {
    let step = prep(&Simulator::new()).with("model", "gpt-4").with("base-ref", "dev").with("prompt", "Do as I say");
    let step = step.with("ticket", "").with("vars", "verison: 1").with("repository", "evil/app");
    let ran = step.with("fail-on", "never").run().await;
    assert_snapshot!(ran.forbidden(), @"
    `prompt` contradicts the task class `prep` of .github/agent-tasks.yml, which has `prompt: prompts/prep.md`; leave the input out
    `model: gpt-4` contradicts the task class `prep` of .github/agent-tasks.yml, which has `model: gpt-5.4`; leave the input out, or change the policy
    `fail-on: never` contradicts the task class `prep` of .github/agent-tasks.yml, which has `fail-on: failure, timed_out`; leave the input out, or change the policy
    `base-ref: dev` contradicts the task class `prep` of .github/agent-tasks.yml, which has `base-ref: main, release/*`; leave the input out, or change the policy
    `ticket` is missing, and the task class `prep` of .github/agent-tasks.yml requires one: `CHG-[0-9]+`
    evil/app is not allowed by the task class `prep` of .github/agent-tasks.yml, which allows `octo/*`
    `vars.verison` is not a variable of the task class `prep` of .github/agent-tasks.yml; did you mean `version`?
    `vars` lacks `version`, a text, which the task class `prep` of .github/agent-tasks.yml requires
    ");
    assert!(ran.output("results").contains("evil/app"), "{}", ran.output("results"));
}

#[tokio::test(start_paused = true)]
async fn denied_repository_refuses_the_whole_list() {
    let simulator = Simulator::new();
    for name in ["octo/lib", "octo/secret"] {
        simulator.repository(name, Repository::default());
    }
    let step = || prep(&simulator).with("vars", "");
    let ran = step().with("repositories", "octo/app version=1\nocto/secret version=1\nocto/lib").run().await;
    assert_snapshot!(ran.forbidden(), @"
    octo/secret is not allowed by the task class `prep` of .github/agent-tasks.yml, which denies `octo/secret`
    `vars` lacks `version`, a text, which the task class `prep` of .github/agent-tasks.yml requires
    ");
    assert_eq!(ran.output("failed"), "3");
    let ran = step().with("repositories", "octo/app version=1\nocto/lib version=2 channel=x").run().await;
    assert_snapshot!(ran.forbidden(), @"for octo/lib: `vars.channel` is not a variable of the task class `prep` of .github/agent-tasks.yml; there is `version`");
}

#[tokio::test(start_paused = true)]
async fn free_prompt_is_refused_where_a_class_is_required() {
    let step = under(&Simulator::new(), POLICY).with("prompt", "Do as I say");
    assert_snapshot!(step.run().await.forbidden(), @".github/agent-tasks.yml forbids free prompts (`require-class: true`); name one of its task classes by `task-class`: `prep`");
}

#[tokio::test(start_paused = true)]
async fn class_limits_event_workflow_and_date() {
    let policy = "task-classes: {it: {events: schedule, workflows: weekly.yml, limits: {not-after: 2020-12-31}}}";
    let step = || under(&Simulator::new(), policy).with("prompt", "x").with("task-class", "it");
    let run = |name: &str, file: &str| {
        let path = format!("octo/app/.github/workflows/{file}@refs/heads/main");
        step().on(name, &json!({})).variable("GITHUB_WORKFLOW_REF", &path).run()
    };
    let ran = run("push", "other.yml").await;
    assert_snapshot!(ran.forbidden(), @"
    today is [date] in UTC, and the task class `it` of .github/agent-tasks.yml has `not-after: 2020-12-31`
    the event `push` is not allowed by the task class `it` of .github/agent-tasks.yml, which allows `schedule`
    the workflow `octo/app/.github/workflows/other.yml` is not allowed by the task class `it` of .github/agent-tasks.yml, which allows `weekly.yml`
    ");
    let ran = run("schedule", "weekly.yml").await;
    assert_snapshot!(ran.forbidden(), @"today is [date] in UTC, and the task class `it` of .github/agent-tasks.yml has `not-after: 2020-12-31`");
}

#[tokio::test(start_paused = true)]
async fn max_starts_per_day_refuses_one_more() {
    let simulator = Simulator::new();
    for start in 1..=10 {
        let step = limited(&simulator, "max-starts-per-day: 10").on("schedule", &json!({}));
        let ran = step.variable("GITHUB_RUN_ID", &start.to_string()).run().await;
        assert_eq!((ran.code, ran.output("created")), (0, "true"), "{}", ran.log);
        // Tasks of other classes, of none, and from elsewhere do not count.
        earlier(&simulator, if start % 2 == 0 { "other" } else { "" }, HOUR, done());
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    let before = simulator.starts();
    let ran = limited(&simulator, "max-starts-per-day: 10").run().await;
    assert_eq!((ran.code, simulator.starts()), (3, before), "{}", ran.log);
    assert_snapshot!(ran.message(), @"10 tasks of the class `bump` were started within the last 24 hours, and the task class `bump` of .github/agent-tasks.yml has `max-starts-per-day: 10`");
    assert_eq!((ran.output("conclusion"), ran.output("task-id"), ran.output("prompt-sha256")), ("skipped", "", ""));
    let other = limited(&simulator, "max-starts-per-day: 10").with("task-class", "other").run().await;
    assert_eq!(other.code, 0, "{}", other.log);
    tokio::time::sleep(23 * HOUR).await;
    let ran = limited(&simulator, "max-starts-per-day: 10").run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn max_active_refuses_one_more() {
    let simulator = Simulator::new();
    earlier(&simulator, "bump", 40 * HOUR, Script::stays("in_progress"));
    earlier(&simulator, "bump", HOUR, done());
    earlier(&simulator, "other", HOUR, Script::stays("in_progress"));
    let ran = limited(&simulator, "max-active: 1").run().await;
    assert_eq!((ran.code, ran.starts()), (3, 0), "{}", ran.log);
    assert_snapshot!(ran.message(), @"1 task of the class `bump` has not settled, and the task class `bump` of .github/agent-tasks.yml has `max-active: 1`");
    let ran = limited(&simulator, "max-active: 2").run().await;
    assert_eq!((ran.code, ran.starts()), (0, 1), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn wait_refuses_what_contradicts_the_class() {
    let simulator = Simulator::new();
    let step = under(&simulator, POLICY).with("command", "wait").with("task-id", "t-1").with("task-class", "prep");
    let ran = step.with("fail-on", "never").run().await;
    assert_eq!((ran.code, simulator.log().len()), (3, 0), "{}", ran.log);
    assert_snapshot!(ran.annotations(), @"error [Refused by the policy, nothing was sent] `fail-on: never` contradicts the task class `prep` of .github/agent-tasks.yml, which has `fail-on: failure, timed_out`; leave the input out, or change the policy");
}

#[tokio::test(start_paused = true)]
async fn max_active_waits_for_prompts_to_appear() {
    let simulator = Simulator::new();
    simulator.settings(|it| it.sessions_lag = Duration::from_secs(40));
    earlier(&simulator, "other", Duration::from_secs(15), Script::stays("in_progress"));
    let ran = limited(&simulator, "max-active: 1").run().await;
    assert_eq!((ran.code, ran.starts()), (0, 1), "{}", ran.log);
    assert!(ran.took > Duration::from_secs(15), "{:?}", ran.took);

    let simulator = Simulator::new();
    simulator.settings(|it| it.sessions_lag = HOUR);
    earlier(&simulator, "other", Duration::from_secs(15), Script::stays("in_progress"));
    let ran = limited(&simulator, "max-active: 1").run().await;
    assert_eq!((ran.code, ran.starts()), (3, 0), "{}", ran.log);
    assert_snapshot!(ran.message(), @"0 tasks of the class `bump` have not settled, and the task class `bump` of .github/agent-tasks.yml has `max-active: 1`; there may be 1 more, whose prompts GitHub does not show yet. Run the job again later");
}

#[tokio::test(start_paused = true)]
async fn limit_that_cannot_be_counted_starts_nothing() {
    let simulator = Simulator::new();
    simulator.fault(Route::List, Fault::status(502));
    let ran = limited(&simulator, "max-active: 1").run().await;
    assert_eq!((ran.code, ran.starts()), (0, 1), "{}", ran.log);
    let simulator = Simulator::new();
    simulator.fault_times(Route::List, 100, Fault::status(502));
    let ran = limited(&simulator, "max-active: 1").run().await;
    assert_eq!((ran.code, ran.starts(), ran.output("task-id")), (5, 0, ""), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn count_waits_out_a_rate_limit() {
    for (wait, code) in [(60, 0), (600, 0), (3600, 5)] {
        let simulator = Simulator::new();
        simulator.fault(Route::List, Fault::rate_limit(Duration::from_secs(wait)));
        let ran = limited(&simulator, "max-active: 1").with("confirm-timeout", "10s").run().await;
        assert_eq!((ran.code, ran.starts()), (code, usize::from(code == 0)), "{wait}: {}", ran.log);
    }
}

#[tokio::test(start_paused = true)]
async fn limit_counts_tasks_that_the_list_leaves_out() {
    let run = |total: Value, limit: &'static str| {
        let simulator = Simulator::new();
        let body = json!({"tasks": [], "total_active_count": total, "total_archived_count": 0});
        simulator.fault_times(Route::List, 1000, Fault::status(200).body(body));
        async move { limited(&simulator, limit).with("wait", "").run().await }
    };
    for limit in ["max-active: 3", "max-starts-per-day: 1"] {
        let ran = run(json!(3), limit).await;
        assert_eq!((ran.code, ran.starts()), (3, 0), "{}", ran.log);
    }
    assert_snapshot!(run(json!(3), "max-active: 1").await.message(), @"0 tasks of the class `bump` have not settled, and the task class `bump` of .github/agent-tasks.yml has `max-active: 1`; there may be 3 more, because GitHub counts more tasks in the repository than it lists. Run the job again later");
    for (total, limit) in [(json!(3), "max-active: 4"), (json!(0), "max-active: 1"), (json!(null), "max-active: 1")] {
        let ran = run(total, limit).await;
        assert_eq!((ran.code, ran.starts()), (0, 1), "{}", ran.log);
    }
}

#[tokio::test(start_paused = true)]
async fn limit_holds_for_each_repository() {
    let simulator = Simulator::new();
    simulator.repository("octo/lib", Repository::default());
    earlier(&simulator, "bump", HOUR, Script::stays("in_progress"));
    let ran = limited(&simulator, "max-active: 1").with("repositories", "octo/app, octo/lib").run().await;
    assert_eq!((ran.code, ran.starts(), ran.output("started")), (3, 1, "1"), "{}", ran.log);
    let started = ran.calls.iter().find(|call| call.method == "POST").unwrap();
    assert_eq!(started.path, "/agents/repos/octo/lib/tasks");
}

#[tokio::test(start_paused = true)]
async fn limit_does_not_count_a_rerun() {
    let simulator = Simulator::new();
    let run = |attempt: &str| {
        let step = limited(&simulator, "max-starts-per-day: 1").on("schedule", &json!({}));
        step.variable("GITHUB_RUN_ATTEMPT", attempt).run()
    };
    let first = run("1").await;
    let again = run("2").await;
    assert_eq!((again.code, again.output("task-id")), (0, first.output("task-id")), "{}", again.log);
    assert_eq!(again.output("created"), "false");
}

#[tokio::test(start_paused = true)]
async fn owner_is_mentioned_when_the_agent_asks() {
    let simulator = Simulator::new();
    simulator
        .repository("octo/app", Repository { custom_agents: vec!["preparer".to_owned()], ..Repository::default() });
    simulator.default_script(Script::waits_for_user());
    let ran = prep(&simulator).run().await;
    // The class fails on other conclusions only.
    ran.assert(0, "waiting_for_user", "action_required");
    assert_snapshot!(ran.annotations(), @"warning [Task needs a person] octo/app: @octo/releases: The agent waits for an answer, which the API cannot give. Answer it: https://github.com/octo/app/tasks/[id]. Then wait for it again with `command: wait`");
    assert_snapshot!(ran.summary_lines("@octo/releases"), @"
    **@octo/releases: The agent waits for an answer, which the API cannot give.** [Answer it](https://github.com/octo/app/tasks/[id]). Then wait for it again with `command: wait`.
    Requested by mona in a workflow · policy .github/agent-tasks.yml · task class prep, prompt version 7 · ticket CHG-17 · owner @octo/releases
    ");

    let later = Step::waiting(&simulator, ran.output("task-id")).with("wait", "");
    let later = later.file(".github/agent-tasks.yml", POLICY).with("task-class", "prep").run().await;
    later.assert(0, "waiting_for_user", "action_required");
    assert_eq!(later.annotations(), ran.annotations());
}

/// A world in which an organization has its policy, and the prompts, in a repository of its own.
fn organization() -> Simulator {
    let simulator = Simulator::new();
    simulator
        .repository("octo/app", Repository { custom_agents: vec!["preparer".to_owned()], ..Repository::default() });
    let files = |version: &str| {
        let files =
            [("agents.yml", POLICY.replace("version: 7", version)), ("prompts/prep.md", format!("Do {version}"))];
        files.map(|(name, text)| (name.to_owned(), text)).into()
    };
    let files_at = [("v1".to_owned(), files("version: 1"))].into();
    simulator.repository("octo/rules", Repository { files: files("version: 9"), files_at, ..Repository::default() });
    simulator
}

fn by_organization(simulator: &Simulator, place: &str) -> Step {
    prep(simulator).with("policy", place)
}

#[tokio::test(start_paused = true)]
async fn policy_of_another_repository_is_read_at_one_commit() {
    for (place, version) in [("octo/rules:agents.yml", "version: 9"), ("octo/rules:agents.yml@v1", "version: 1")] {
        let ran = by_organization(&organization(), place).run().await;
        ran.assert(0, "completed", "success");
        let paths = ran.calls.iter().take(3).map(|call| call.path.as_str()).collect::<Vec<_>>();
        assert_eq!(
            paths,
            [
                "/repos/octo/rules/commits",
                "/repos/octo/rules/contents/agents.yml",
                "/repos/octo/rules/contents/prompts/prep.md"
            ]
        );
        let commit = &ran.calls[1].query[0].1;
        assert_eq!((commit.len(), commit), (40, &ran.calls[2].query[0].1));
        assert!(ran.log.contains(commit), "{}", ran.log);
        let start = ran.calls.iter().find(|call| call.method == "POST").unwrap();
        assert!(start.body["prompt"].as_str().unwrap().starts_with(&format!("Do {version}\n")), "{}", start.body);
    }
    let ran =
        by_organization(&organization(), "octo/rules:agents.yml").with("prompt-file", "prompts/prep.md").run().await;
    assert_snapshot!(ran.forbidden(), @"`prompt-file: prompts/prep.md` contradicts the task class `prep` of octo/rules:agents.yml, which has `prompt: prompts/prep.md` in the repository of the policy; leave the input out");
}

#[tokio::test(start_paused = true)]
async fn policy_is_read_with_either_token() {
    let simulator = organization();
    simulator.token("github_pat_reader", Token::default().without(Permission::AgentTasksRead));
    let blind = Token::default().seeing(&["octo/app"]).without(Permission::ContentsRead);
    simulator.token("github_pat_simulated", blind.clone());
    let ran =
        by_organization(&simulator, "octo/rules:agents.yml").with("lookup-token", "github_pat_reader").run().await;
    ran.assert(0, "completed", "success");

    simulator.token("github_pat_reader", blind);
    let ran =
        by_organization(&simulator, "octo/rules:agents.yml").with("lookup-token", "github_pat_reader").run().await;
    assert_eq!((ran.code, ran.starts()), (2, 2 - 1), "{}", ran.log);
    assert_snapshot!(ran.annotations(), @"error [Bad input, nothing was sent] policy: octo/rules:agents.yml cannot be read: GitHub finds nothing there for this token (Not Found). Either the token does not reach the repository, or there is no such file, branch, tag or commit");
}

#[tokio::test(start_paused = true)]
async fn policy_that_cannot_be_read_starts_nothing() {
    let mut actual = Vec::new();
    for place in ["octo/rules:none.yml", "octo/rules:agents.yml@gone", "octo/rules:prompts", "ci/none.yml", "../x.yml"]
    {
        let ran = by_organization(&organization(), place).run().await;
        assert_eq!((ran.code, ran.starts()), (2, 0), "{place}: {}", ran.log);
        actual.push(ran.message());
    }
    assert_snapshot!(actual.join("\n"), @"
    policy: octo/rules:none.yml cannot be read: GitHub finds nothing there for this token (Not Found). Either the token does not reach the repository, or there is no such file, branch, tag or commit
    policy: octo/rules:agents.yml@gone cannot be read: GitHub finds nothing there for this token (Not Found). Either the token does not reach the repository, or there is no such file, branch, tag or commit
    policy: octo/rules:prompts cannot be read: there is a folder or something else that is not a file
    policy: ci/none.yml cannot be read: there is no such file under `[folder]/workspace`; is `actions/checkout` missing before this step?
    policy: ../x.yml is not a path within a repository; write for example `.github/prompts/release.md`
    ");
    let simulator = organization();
    simulator.fault(Route::Other, Fault::status(502));
    by_organization(&simulator, "octo/rules:agents.yml").run().await.assert(0, "completed", "success");
    simulator.fault_times(Route::Other, 9, Fault::status(502));
    let ran = by_organization(&simulator, "octo/rules:agents.yml").run().await;
    assert_eq!((ran.code, ran.output("task-id")), (5, ""), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn policy_faults_are_shown_beside_input_faults() {
    let step = under(&Simulator::new(), "task-classes:\n  prep:\n    modle: x\n    repositories: octo\n")
        .with("task-class", "prep");
    let ran = step.with("wait-timeout", "5").with("require-pull-request", "true").run().await;
    assert_eq!((ran.code, ran.calls.len()), (2, 0));
    // Neither the missing prompt nor `require-pull-request` without `wait` is judged without the policy.
    assert_snapshot!(ran.message(), @"policy is wrong. .github/agent-tasks.yml:3:5: unknown key `modle`; did you mean `model`?; policy is wrong. .github/agent-tasks.yml:4:19: `octo` is not a pattern for repositories; write `owner/name`, such as `acme/*`; wait-timeout: expected a duration with a unit such as 5s or 5m, got 5");
}

#[tokio::test(start_paused = true)]
async fn class_that_does_not_exist_is_bad_input() {
    let ran = prep(&Simulator::new()).with("task-class", "perp").run().await;
    assert_eq!((ran.code, ran.calls.len()), (2, 0));
    assert_snapshot!(ran.message(), @"task-class: perp is not a task class of .github/agent-tasks.yml; did you mean `prep`?");
    let ran = Step::new(&Simulator::new()).with("task-class", "prep").run().await;
    assert_eq!(ran.code, 2);
    assert_snapshot!(ran.message(), @"task-class: prep needs a policy, and `.github/agent-tasks.yml` is not in the workspace. Run `actions/checkout` before this step, or name the file in `policy`");
}

#[tokio::test(start_paused = true)]
async fn dry_run_shows_the_policy() {
    let ran = prep(&Simulator::new()).with("dry-run", "true").with("token", "").run().await;
    assert_eq!((ran.code, ran.calls.len()), (0, 0), "{}", ran.log);
    assert_snapshot!(ran.log_lines("task class "), @"task class     prep, prompt version 7");
    assert_snapshot!(ran.log_lines("ticket "), @"ticket         CHG-17");
    assert!(ran.log.contains(r#""model":"gpt-5.4""#), "{}", ran.log);
    let ran = by_organization(&organization(), "octo/rules:agents.yml").with("dry-run", "true").with("token", "");
    let ran = ran.run().await;
    assert_eq!((ran.code, ran.calls.len()), (2, 0), "{}", ran.log);
    assert_snapshot!(ran.message(), @"policy: octo/rules:agents.yml needs a token to be read; give `token` or `lookup-token`");
}

#[tokio::test(start_paused = true)]
async fn class_values_count_as_inputs() {
    let policy = "task-classes: {it: {wait: true, create-pull-request: true}}";
    let step = || under(&Simulator::new(), policy).with("prompt", "x").with("require-pull-request", "true");
    step().with("task-class", "it").run().await.assert(0, "completed", "success");
    let ran = step().run().await;
    assert_eq!(ran.code, 2, "{}", ran.log);
    assert_snapshot!(ran.message(), @"require-pull-request requires create-pull-request: true, a head-ref or a follow-up; require-pull-request requires wait: true");
    let ran = under(&Simulator::new(), policy).with("prompt", "x").with("ticket", "CHG-1").run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
    assert!(ran.calls[0].body["prompt"].as_str().unwrap().contains("\n\nChange ticket: CHG-1\n\n"));
}

#[tokio::test(start_paused = true)]
async fn near_names_of_the_policy_file_start_nothing() {
    for path in [
        ".github/agent-tasks.yaml",
        ".github/agent_tasks.yml",
        ".github/Agent-Tasks.yml",
        "agent-tasks.yml",
        ".github/workflows/agent-tasks.yml",
        ".GitHub/agent-tasks.yml",
        "github/agent-tasks.yml",
        ".gitlab/agent-tasks.yml",
        "docs/agent-tasks.yml",
        ".github/policies/agent-tasks.yml",
        ".github/a/b/agent-tasks.yml",
        ".github/agent-tasks/policy.yml",
        ".github/agent-tasks-policy.yml",
        ".agents/agent-tasks.yml",
        ".github/agent-tasks",
        ".github/agents-task.yaml",
        ".github/agent-tasks.yml.bak",
        ".github/agent-tasks.yml~",
        ".github/agent-tasks.yml ",
    ] {
        for text in ["require-class: true\n", "tasks: {}\n", "defaults: [\n"] {
            let step = Step::new(&Simulator::new()).file(path, text);
            // To a file system that ignores case, as on Windows and macOS, this may be the policy's own name.
            let is_policy = step.folder.read("workspace/.github/agent-tasks.yml") == text;
            let ran = step.run().await;
            assert!(ran.code != 0 && ran.calls.is_empty(), "{path}: {}", ran.log);
            if is_policy {
                continue;
            }
            assert_eq!(ran.code, 2, "{path}: {}", ran.log);
            let why = format!("`{path}` would be ignored: a policy is read from `.github/agent-tasks.yml`");
            assert!(ran.output("error-message").contains(&why), "{}", ran.log);
        }
    }
    let both = under(&Simulator::new(), "defaults: {}").with("prompt", "x").file("agent-tasks.yaml", "defaults: {}");
    let ran = both.run().await;
    assert_eq!(ran.code, 2);
    assert_snapshot!(ran.message(), @"policy is not set, and `agent-tasks.yaml` would be ignored: a policy is read from `.github/agent-tasks.yml`. Delete one of the two, or write `policy: agent-tasks.yaml`");
    let backup = under(&Simulator::new(), "defaults: {}").with("prompt", "x");
    backup.file(".github/agent-tasks.yml.bak", "defaults: {}").run().await.exits(0);
    let workflow = "on: push\ndefaults: {run: {shell: sh}}\njobs: {}\n";
    let ran = Step::new(&Simulator::new()).file(".github/workflows/agent-tasks.yml", workflow).run().await;
    ran.assert(0, "completed", "success");
    let named = Step::new(&Simulator::new()).file("agent-tasks.yml", "defaults: {}").with("policy", "agent-tasks.yml");
    named.run().await.assert(0, "completed", "success");
    // The program itself, which `binary-path` may name.
    let program = Step::new(&Simulator::new()).file("agent-task", "\u{7f}ELF\0");
    program.run().await.assert(0, "completed", "success");
}

#[tokio::test(start_paused = true)]
async fn policy_of_a_checkout_below_the_workspace_starts_nothing() {
    let step = || Step::new(&Simulator::new()).file("app/.github/agent-tasks.yml", "require-class: true\n");
    let ran = step().file("app/README.md", "").run().await;
    assert_eq!((ran.code, ran.calls.len()), (2, 0), "{}", ran.log);
    assert_snapshot!(ran.message(), @"policy is not set, and `app/.github/agent-tasks.yml` would be ignored: a policy is read from `.github/agent-tasks.yml`. Check the repository out without `path`, or write `policy: app/.github/agent-tasks.yml`");
    step().with("policy", "app/.github/agent-tasks.yml").run().await.exits(3);
    // A repository beside the policy of the workspace, and one further down, may have their own.
    step().file(".github/agent-tasks.yml", "defaults: {}").run().await.assert(0, "completed", "success");
    let deep = Step::new(&Simulator::new()).file("vendor/x/.github/agent-tasks.yml", "require-class: true\n");
    deep.run().await.assert(0, "completed", "success");
}

#[tokio::test(start_paused = true)]
async fn text_that_yaml_drops_is_a_warning() {
    let policy = "task-classes:\n  it:\n    wait: true # always\n    vars:\n      t:\n        type: string\n        default: Fix #12\n";
    let list = "# The list.\n- repository: octo/app # the app\n  vars:\n    u: Fix #13 now\n    v: \"Fix\" #14\n";
    let step = || {
        let step = under(&Simulator::new(), policy).with("prompt", "{{ vars | tojson }}").with("dry-run", "true");
        step.with("create-pull-request", "true").with("wait", "true").with("expect", "paths: docs/** #x\n")
    };
    let ran = step().with("repositories", list).run().await;
    assert_snapshot!(ran.annotations(), @"
    warning [agent-task] `.github/agent-tasks.yml`, line 7, column 18: `#12` is a comment and is dropped; put the value in quotes
    warning [agent-task] `expect`, line 1, column 8: `#x` is a comment and is dropped; put the value in quotes
    warning [agent-task] `repositories`, line 4, column 8: `#13 now` is a comment and is dropped; put the value in quotes
    ");
    let ran = step().file("list.yml", list).with("repositories", "@list.yml").run().await;
    assert_snapshot!(ran.annotations(), @"
    warning [agent-task] `.github/agent-tasks.yml`, line 7, column 18: `#12` is a comment and is dropped; put the value in quotes
    warning [agent-task] `expect`, line 1, column 8: `#x` is a comment and is dropped; put the value in quotes
    warning [agent-task] `list.yml`, line 4, column 8: `#13 now` is a comment and is dropped; put the value in quotes
    ");
}

#[tokio::test(start_paused = true)]
async fn former_names_are_errors_with_the_new_ones() {
    let ran = under(&Simulator::new(), "tasks: {it: {}}").with("prompt", "x").run().await;
    assert_eq!((ran.code, ran.calls.len()), (2, 0), "{}", ran.log);
    assert!(ran.output("error-message").contains("the key `tasks` was renamed; write `task-classes`"), "{}", ran.log);
    let ran = prep(&Simulator::new()).with("task", "prep").run().await;
    assert_eq!((ran.code, ran.calls.len()), (2, 0), "{}", ran.log);
    assert!(ran.output("error-message").contains("task was renamed; write task-class"), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn limits_count_old_tasks_that_run() {
    let simulator = Simulator::new();
    earlier(&simulator, "bump", 24 * 60 * HOUR, Script::stays("in_progress"));
    let ran = limited(&simulator, "max-active: 1").run().await;
    assert_eq!((ran.code, ran.starts()), (3, 0), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn rendered_inputs_are_held_to_the_policy() {
    let policy = "task-classes: {it: {base-ref: 'm*', ticket: 'CHG-[0-9]+'}}";
    let run = |base: &str, ticket: &str| {
        let step = under(&Simulator::new(), policy).with("prompt", "x").with("task-class", "it");
        step.with("vars", "v: 7\nend: ain\nbad: dev").with("base-ref", base).with("ticket", ticket).run()
    };
    let ran = run("m{{ vars.end }}", "CHG-{{ vars.v }}").await;
    assert_eq!((ran.code, &ran.start_calls()[0].body["base_ref"]), (0, &json!("main")), "{}", ran.log);
    let ran = run("{{ vars.bad }}", "x{{ vars.v }}").await;
    let actual = ran.forbidden();
    assert!(actual.contains("base-ref: dev") && actual.contains("ticket: x7"), "{actual}");
}
