//! Entries of a list with settings and names of their own.

use insta::assert_snapshot;
use serde_json::{Value, json};
use simulator::{ExistingTask, Repository, Script, Simulator, Token};

use crate::support::{Step, seconds};

const LIST: &str = "octo/app name=api base-ref=release/{{vars.v}} v=2\nocto/app name=web model=gpt-5.4 v=1\nocto/app";

fn world() -> Simulator {
    let simulator = Simulator::new();
    let branches = ["main", "release/2"].map(str::to_owned).into();
    simulator.repository("octo/app", Repository { branches, ..Repository::default() });
    simulator
}

fn step(simulator: &Simulator, list: &str) -> Step {
    let step = Step::new(simulator).with("repositories", list).with("vars", "v: 0");
    step.with("prompt", "Fix {{ target.entry | default('all', true) }} {{ vars.v }}")
}

/// The body of each start, by the first line of its prompt.
fn bodies(simulator: &Simulator) -> Vec<Value> {
    let log = simulator.log();
    let starts = log.iter().filter(|call| call.method == "POST" && call.path.ends_with("/tasks"));
    let mut bodies = starts.map(|call| call.body.clone()).collect::<Vec<_>>();
    bodies.sort_by_key(|body| body["prompt"].as_str().unwrap().to_owned());
    bodies
}

#[tokio::test(start_paused = true)]
async fn repository_has_a_task_for_each_of_its_entries() {
    let simulator = world();
    let ran = step(&simulator, LIST).run().await;
    ran.exits(0).posts(3).gives("succeeded", "3").gives("conclusion", "success");
    let bodies = bodies(&simulator);
    let seen = bodies.iter().map(|body| {
        let prompt = body["prompt"].as_str().unwrap();
        (prompt.lines().next().unwrap(), body["base_ref"].clone(), body["model"].clone(), prompt.contains(" entry="))
    });
    let expected = [
        ("Fix all 0", json!(null), json!(null), false),
        ("Fix api 2", json!("release/2"), json!(null), true),
        ("Fix web 1", json!(null), json!("gpt-5.4"), true),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
    let results = ran.results();
    let named = results.iter().map(|it| (it["name"].clone(), it["repository"].clone())).collect::<Vec<_>>();
    let app = json!("octo/app");
    assert_eq!(named, [(json!("api"), app.clone()), (json!("web"), app.clone()), (Value::Null, app)]);
    assert!(ran.summary.contains("| octo/app (web) |"), "{}", ran.summary);
    assert!(ran.record.contains("\"name\":\"api\""), "{}", ran.record);
    assert_snapshot!(ran.log_lines("Plan: "), @"::group::Plan: start 3 tasks in 1 repository");
    assert_snapshot!(ran.log_lines("repository  "), @"
    repository     octo/app (api), key [key], base ref release/2, model auto
    repository     octo/app (web), key [key], base ref the default branch, model gpt-5.4
    repository     octo/app, key [key], base ref the default branch, model auto
    ");
    assert_eq!(ran.log.matches("octo/app (api): started task").count(), 1, "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn rerun_adopts_the_task_of_each_entry() {
    let simulator = world();
    let attempt = |number: &str| {
        let step = step(&simulator, LIST).variable("GITHUB_RUN_ID", "17").variable("GITHUB_EVENT_NAME", "schedule");
        step.variable("GITHUB_RUN_ATTEMPT", number)
    };
    let first = attempt("1").run().await;
    let second = attempt("2").run().await;
    second.exits(0).posts(3).gives("started", "0");
    let ids = |results: Vec<Value>| results.iter().map(|it| it["task-id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(first.results()), ids(second.results()));
    // A later step waits for them under their names.
    let waited = Step::waiting(&simulator, first.output("results")).run().await;
    assert_eq!(waited.exits(0).results()[1]["name"], "web");
}

#[tokio::test(start_paused = true)]
async fn entries_are_judged_by_the_policy_one_by_one() {
    let policy = "task-classes: {it: {base-ref: [main, 'release/*'], model: gpt-5.4, custom-agent: fixer}}";
    let of_class = |simulator: &Simulator, list: &str| {
        step(simulator, list).with("task-class", "it").file(".github/agent-tasks.yml", policy)
    };
    let ran =
        of_class(&world(), "octo/app name=a base-ref=dev\nocto/app name=b model=other\nocto/app name=c").run().await;
    ran.exits(3).posts(0);
    assert_eq!(ran.results()[1]["name"], "b");
    assert_snapshot!(ran.message(), @"for octo/app (a): `base-ref: dev` contradicts the task class `it` of .github/agent-tasks.yml, which has `base-ref: main, release/*`; leave the input out, or change the policy; for octo/app (b): `model: other` contradicts the task class `it` of .github/agent-tasks.yml, which has `model: gpt-5.4`; leave the input out, or change the policy");
    let ran = of_class(&world(), "octo/app name=a base-ref=x/{{vars.v}}").run().await;
    ran.exits(3).posts(0);
    assert!(ran.message().contains("`base-ref: x/0` contradicts"), "{}", ran.message());
    of_class(&world(), "octo/app name=a base-ref=release/2\nocto/app name=b").run().await.exits(0).posts(2);
}

#[tokio::test(start_paused = true)]
async fn entries_of_one_repository_share_its_limit() {
    let simulator = world();
    simulator.default_script(Script::stays("in_progress"));
    let list = (0..4).map(|at| format!("octo/app name=n{at}\n")).collect::<String>();
    let policy = "task-classes: {it: {limits: {max-active: 2}}}";
    let step = step(&simulator, &list).with("task-class", "it").with("wait", "false");
    let ran = step.file(".github/agent-tasks.yml", policy).run().await;
    ran.exits(3).posts(2);
    assert_eq!(simulator.starts(), 2);
    let refused = ran.results().iter().filter(|it| it["conclusion"] == "skipped").count();
    assert_eq!(refused, 2, "{:?}", ran.results());
}

#[tokio::test(start_paused = true)]
async fn entries_that_contradict_each_other_are_refused() {
    let mut actual = Vec::new();
    for (list, scope) in [
        ("octo/app name=api\nocto/app name=API base-ref=dev\nocto/app name=api base-ref=main", "job"),
        ("octo/app name=api\nocto/app name=web", "repository"),
    ] {
        let ran = step(&world(), list).with("if-active", "skip").with("active-scope", scope).run().await;
        ran.exits(2).sends_nothing();
        actual.push(ran.message());
    }
    assert_snapshot!(actual.join("\n"), @"
    repositories octo/app (api) is named twice with different settings or variables; keep one, or give each a `name` of its own
    active-scope counts tasks of the repository, and octo/app is in the list several times; write active-scope: job
    ");
}

#[tokio::test(start_paused = true)]
async fn entry_is_active_for_itself_only() {
    let simulator = world();
    simulator.default_script(Script::stays("in_progress"));
    let night = |list: &str| step(&simulator, list).with("if-active", "skip").with("wait", "false");
    night("octo/app name=api\nocto/app name=web").run().await.exits(0).posts(2);
    tokio::time::sleep(seconds(120)).await;
    let ran = night("octo/app name=api\nocto/app name=docs").run().await;
    ran.exits(0).posts(3);
    let conclusions = ran.results().iter().map(|it| it["conclusion"].clone()).collect::<Vec<_>>();
    assert_eq!(conclusions, [json!("skipped"), Value::Null]);
}

#[tokio::test(start_paused = true)]
async fn plan_hands_on_the_settings_of_entries() {
    let simulator = world();
    let plan = Step::new(&simulator).with("command", "plan").with("repositories", LIST).with("shard", "2");
    let plan = ["prompt", "wait", "create-pull-request"].into_iter().fold(plan, |step, input| step.with(input, ""));
    let ran = plan.run().await;
    let matrix: Value = serde_json::from_str(ran.exits(0).output("matrix")).unwrap();
    for part in matrix["include"].as_array().unwrap() {
        step(&simulator, part["repositories"].as_str().unwrap()).run().await.exits(0);
    }
    let bases = bodies(&simulator).iter().map(|body| body["base_ref"].clone()).collect::<Vec<_>>();
    assert_eq!(bases, [Value::Null, json!("release/2"), Value::Null]);
}

#[tokio::test(start_paused = true)]
async fn doctor_checks_each_entry() {
    let list = "octo/app name=api base-ref=release/2\nocto/app name=web base-ref=gone";
    let ran = step(&world(), list).with("command", "doctor").run().await;
    ran.exits(1).gives("failed", "1");
    assert_eq!(ran.results()[1]["name"], "web");
    assert!(
        ran.message().starts_with("octo/app (web): base-ref: the branch `gone` does not exist"),
        "{}",
        ran.message()
    );
}

#[tokio::test(start_paused = true)]
async fn entries_of_one_repository_are_stopped_and_reported_once() {
    let simulator = world();
    let marker = "Fix it\n\n<!-- agent-task key=0123456789abcdef class=it -->";
    let (prompt, age, script) = (marker.to_owned(), seconds(9000), Script::runs_forever());
    simulator.add_task(ExistingTask { creator: Token::default().id, prompt, age, script, ..ExistingTask::default() });
    let list = "octo/app name=api\nocto/app name=web v=1\nocto/app";
    let policy = "task-classes: {it: {}}";
    let sweep = Step::stopping(&simulator, "").with("task-class", "it").with("max-duration", "1h");
    let ran =
        sweep.with("repositories", list).with("dry-run", "true").file(".github/agent-tasks.yml", policy).run().await;
    ran.exits(0);
    assert_eq!(ran.results().len(), 1, "{}", ran.log);
    let report = Step::new(&simulator).with("command", "report").with("repositories", list);
    let report = ["prompt", "wait", "create-pull-request"].into_iter().fold(report, |step, input| step.with(input, ""));
    let ran = report.run().await;
    ran.exits(0).gives("tasks", "1");
    let lists = ran.calls.iter().filter(|call| call.path == "/agents/repos/octo/app/tasks");
    assert_eq!(lists.count(), 4, "each command reads the list once, and that of archived tasks");
}
