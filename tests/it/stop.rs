//! Stopping tasks, under virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_task::task::marker::{Key, Marker};
use insta::assert_snapshot;
use simulator::{
    Effect, ExistingRun, ExistingTask, Fault, OnCancel, Outage, Permission, PullContent, Repository, Route,
    RunSettings, Script, Settings, Simulator, Token,
};

use crate::support::{Finished, Step, TOKEN, seconds};

const CREDIT: u64 = 1_000_000_000;
/// The user of the token, as the simulator has it.
const USER: u64 = 583_231;

/// GitHub by the book, with runs that behave like this.
fn world(runs: RunSettings) -> Simulator {
    let simulator = Simulator::new();
    simulator.settings(|it| *it = Settings { runs, ..Settings::documented() });
    simulator.default_script(at_work(40 * CREDIT));
    simulator
}

/// A task that works for good and has used this much.
fn at_work(used: u64) -> Script {
    Script::runs_forever().effect(Effect::Usage(used))
}

/// A task of an earlier step that has run for a minute, and its id.
fn earlier(simulator: &Simulator, script: Script) -> String {
    let prompt = "Prepare the release".to_owned();
    simulator.add_task(ExistingTask { prompt, age: seconds(60), script, ..ExistingTask::default() })
}

fn cancels(ran: &Finished) -> usize {
    ran.calls.iter().filter(|call| call.path.ends_with("cancel")).count()
}

/// The types of the record's entries.
fn types(ran: &Finished) -> String {
    let types = ran.record.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["type"].clone());
    types.map(|it| it.as_str().unwrap().replace("agent-task.", "")).collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn stop_ends_all_runs_of_the_agent_and_no_other() {
    let simulator = world(RunSettings::default());
    let id = earlier(&simulator, at_work(40 * CREDIT));
    let head = simulator.tasks()[0].head.clone().unwrap();
    simulator.add_run(ExistingRun { task: Some(id.clone()), ..ExistingRun::agent(&head) });
    let spared = [
        ExistingRun::code_review(&head),
        ExistingRun::agent("copilot/other"),
        ExistingRun { branch: head.clone(), ..ExistingRun::default() },
        ExistingRun {
            event: "dynamic".to_owned(),
            path: "dynamic/pages/deploy".to_owned(),
            branch: head,
            ..ExistingRun::default()
        },
    ];
    let spared = spared.map(|run| simulator.add_run(run));
    let ran = Step::stopping(&simulator, &id).run().await;
    ran.assert(0, "cancelled", "cancelled");
    ran.gives("stopped", "true").gives("task-id", &id).gives("credits", "40.0").gives("started", "0");
    for run in simulator.runs() {
        let is_spared = spared.contains(&run.id);
        assert_eq!((run.cancels, run.force_cancels), (usize::from(!is_spared), 0), "{run:?}");
        assert_eq!(run.status == "completed", !is_spared, "{run:?}");
    }
    assert_eq!((cancels(&ran), ran.starts()), (2, 0));
    assert_snapshot!(ran.message(), @"stopped after 40.0 AI credits. Commits already pushed are kept on the branch `copilot/prepare-the-release`");
    assert_snapshot!(ran.annotations(), @"notice [Task stopped] octo/app: Stopped after 40.0 AI credits. Commits already pushed are kept on the branch `copilot/prepare-the-release`. See what it did: https://github.com/octo/app/tasks/[id]");
    assert_snapshot!(ran.headline(), @"### 🚫 Agent task stopped");
    assert_eq!(types(&ran), "planned stopping changed cancelled cancelled changed stopped");
    assert!(ran.record.contains(r#""cause":"asked""#) && ran.record.contains(r#""credits":"40.0""#), "{}", ran.record);
    assert_snapshot!(ran.progress(), @"
    stopping the task: `command: stop` asked for it
    state in_progress
    see https://github.com/octo/app/tasks/[id]
    GitHub accepts the cancel of run 19700000000
    GitHub accepts the cancel of run 19700000013
    state in_progress → cancelled
    the task is stopped
    concluded: cancelled
    ");
}

#[tokio::test(start_paused = true)]
async fn ended_tasks_are_left_alone() {
    for state in ["completed", "failed", "cancelled", "timed_out"] {
        let simulator = world(RunSettings::default());
        let id = earlier(&simulator, at_work(0).state(state, Duration::ZERO));
        let head = simulator.tasks()[0].head.clone().unwrap();
        // Another task's session on the same branch.
        simulator.add_run(ExistingRun::agent(head));
        let ran = Step::stopping(&simulator, &id).run().await;
        ran.assert(0, state, "skipped");
        ran.gives("stopped", "true").gives("failed", "0").annotates_nothing();
        assert_eq!(cancels(&ran), 0);
        insta::allow_duplicates! {
            assert_snapshot!(ran.message().replace(state, "[state]"), @"the task had ended before, as [state]");
            assert_snapshot!(ran.headline(), @"### ⏭️ Agent task had ended before");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn runs_that_go_on_are_told_and_forced_only_if_asked() {
    for (on_cancel, force, stopped, posts) in [
        (OnCancel::NeedsForce, "false", "false", 1),
        (OnCancel::NeedsForce, "true", "true", 2),
        (OnCancel::GoesOn, "true", "false", 2),
    ] {
        let simulator = world(RunSettings { on_cancel, ..RunSettings::default() });
        let id = earlier(&simulator, at_work(0));
        let ran = Step::stopping(&simulator, &id).with("force", force).run().await;
        ran.gives("stopped", stopped).exits(i32::from(stopped == "false"));
        ran.gives("conclusion", if stopped == "true" { "cancelled" } else { "failure" });
        assert_eq!(cancels(&ran), posts, "{}", ran.log);
        assert_eq!(simulator.runs()[0].force_cancels, usize::from(force == "true"));
        let took = ran.took.as_secs();
        assert!(if stopped == "true" { (30..60).contains(&took) } else { (120..130).contains(&took) }, "{took}");
    }
    let simulator = world(RunSettings { on_cancel: OnCancel::GoesOn, ..RunSettings::default() });
    let id = earlier(&simulator, at_work(0));
    let ran = Step::stopping(&simulator, &id).run().await;
    assert_snapshot!(ran.annotations(), @"error [Task not stopped] octo/app: The task was not stopped: run 19700000000 did not end after GitHub accepted the cancel; `force: true` cancels by force. Stop it: https://github.com/octo/app/tasks/[id]");
    assert_snapshot!(ran.headline(), @"### ❌ Agent task not stopped");
    let simulator = world(RunSettings { on_cancel: OnCancel::Refused, ..RunSettings::default() });
    let id = earlier(&simulator, at_work(0));
    let ran = Step::stopping(&simulator, &id).run().await;
    ran.exits(1).gives("stopped", "false");
    assert!(cancels(&ran) > 10, "a refused cancel is sent again");
    assert_snapshot!(ran.message(), @"the task was not stopped: GitHub refuses to cancel run 19700000000");
}

#[tokio::test(start_paused = true)]
async fn queued_task_is_stopped_as_soon_as_it_runs() {
    let simulator = world(RunSettings::default());
    let script = Script::new().wait(seconds(120)).state("in_progress", Duration::ZERO).effect(Effect::Branch);
    let id = earlier(&simulator, script);
    let ran = Step::stopping(&simulator, &id).run().await;
    ran.assert(0, "cancelled", "cancelled");
    assert!((60..80).contains(&ran.took.as_secs()), "{:?}", ran.took);

    let id = earlier(&simulator, Script::new());
    let ran = Step::stopping(&simulator, &id).run().await;
    ran.assert(1, "queued", "failure");
    ran.gives("stopped", "false");
    assert_eq!(ran.took.as_secs(), 120);
    assert_snapshot!(ran.message(), @"the task was not stopped: it is queued and has no run yet that could be canceled");
}

#[tokio::test(start_paused = true)]
async fn task_whose_run_is_gone_is_stopped_with_a_warning() {
    for is_cancelled_before in [false, true] {
        let simulator = world(RunSettings { task_after_cancel: None, ..RunSettings::default() });
        let id = earlier(&simulator, at_work(0));
        if is_cancelled_before {
            simulator.end_run(simulator.runs()[0].id, "cancelled");
        }
        let ran = Step::stopping(&simulator, &id).run().await;
        ran.assert(0, "in_progress", "cancelled");
        ran.gives("stopped", "true");
        assert_eq!(cancels(&ran), usize::from(!is_cancelled_before));
        assert!((30..60).contains(&ran.took.as_secs()), "{:?}", ran.took);
        insta::allow_duplicates! {
            assert_snapshot!(ran.annotations(), @"warning [Task stopped] octo/app: Stopped after 0.0 AI credits; GitHub still shows it as in_progress, although none of its runs continues. Commits already pushed are kept on the branch `copilot/prepare-the-release`. See what it did: https://github.com/octo/app/tasks/[id]");
        }
    }
    // Where GitHub shows no run at all, nothing is proved.
    let simulator = world(RunSettings::default());
    let id = earlier(&simulator, at_work(0));
    simulator.delete_run(simulator.runs()[0].id);
    let ran = Step::stopping(&simulator, &id).run().await;
    ran.assert(1, "in_progress", "failure");
    ran.gives("stopped", "false");
    assert_snapshot!(ran.message(), @"the task was not stopped: no run of the agent is on its branch `copilot/prepare-the-release`");
}

#[tokio::test(start_paused = true)]
async fn lookup_token_stops_and_then_token() {
    let may_not = |permission| Token::default().without(permission);
    for (lookup, token, used) in [
        (Token::default(), may_not(Permission::ActionsWrite), "ghs_…"),
        (may_not(Permission::ActionsWrite), Token::default(), "github_…"),
        (may_not(Permission::ActionsRead), Token::default(), "github_…"),
    ] {
        let simulator = world(RunSettings::default());
        simulator.token("ghs_job", lookup.without(Permission::AgentTasksRead));
        simulator.token(TOKEN, token);
        let id = earlier(&simulator, at_work(0));
        let ran = Step::stopping(&simulator, &id).with("lookup-token", "ghs_job").run().await;
        ran.exits(0).gives("stopped", "true");
        let mut accepted = ran.calls.iter().filter(|call| call.path.ends_with("/cancel") && call.status == Some(202));
        assert_eq!(accepted.next().unwrap().token.as_deref(), Some(used));
    }
}

#[tokio::test(start_paused = true)]
async fn missing_permission_is_told_and_changes_no_conclusion() {
    let simulator = world(RunSettings::default());
    simulator.token(TOKEN, Token::default().without(Permission::ActionsWrite));
    let id = earlier(&simulator, at_work(0));
    let asked = Step::stopping(&simulator, &id).run().await;
    asked.exits(4).gives("stopped", "false").gives("conclusion", "").gives("state", "in_progress");
    assert_snapshot!(asked.annotations(), @r#"error [Task not stopped] octo/app: The task was not stopped: the token lacks a permission (Resource not accessible by personal access token). Stopping a task needs "Actions: read and write" for its repository. Give `lookup-token` a token that has it: for the workflow's own repository `${{ github.token }}` with `permissions: actions: write` serves; or add it to `token`. Stop it: https://github.com/octo/app/tasks/[id]"#);
    let waited = |more: [(&str, &str); 2]| {
        let step = Step::waiting(&simulator, &id);
        more.into_iter().fold(step, |step, (input, value)| step.with(input, value)).run()
    };
    let late = waited([("wait-timeout", "5m"), ("on-timeout", "stop")]).await;
    late.assert(1, "in_progress", "timed_out");
    late.gives("stopped", "false");
    assert_snapshot!(late.message(), @r#"the task was still in_progress when `wait-timeout` passed, and it was not stopped: the token lacks a permission (Resource not accessible by personal access token). Stopping a task needs "Actions: read and write" for its repository. Give `lookup-token` a token that has it: for the workflow's own repository `${{ github.token }}` with `permissions: actions: write` serves; or add it to `token`"#);
    let long = waited([("wait-timeout", "2h"), ("max-duration", "1h")]).await;
    long.assert(1, "in_progress", "timed_out");
    long.gives("stopped", "false");
    let id = earlier(&simulator, at_work(2 * CREDIT));
    let costly = Step::waiting(&simulator, &id).with("max-credits", "1").run().await;
    costly.assert(1, "in_progress", "failure");
    costly.gives("stopped", "false");
    assert_snapshot!(costly.message(), @r#"the task has used more AI credits than `max-credits: 1`, and the task was not stopped: the token lacks a permission (Resource not accessible by personal access token). Stopping a task needs "Actions: read and write" for its repository. Give `lookup-token` a token that has it: for the workflow's own repository `${{ github.token }}` with `permissions: actions: write` serves; or add it to `token`"#);
    assert!(simulator.runs().iter().all(|run| run.cancels == 0));
}

#[tokio::test(start_paused = true)]
async fn wait_stops_a_task_at_its_ceilings_and_leaves_it_by_default() {
    let simulator = world(RunSettings::default());
    let step = || Step::new(&simulator).with("wait-timeout", "10m");
    let left = step().run().await;
    left.assert(1, "in_progress", "timed_out");
    left.gives("stopped", "");
    assert_eq!(cancels(&left), 0);

    let mut messages = Vec::new();
    for (input, value, after) in [("on-timeout", "stop", 600), ("max-duration", "7m", 420), ("max-credits", "39", 0)] {
        let ran = step().with(input, value).run().await;
        ran.assert(1, "cancelled", "cancelled");
        ran.gives("stopped", "true").gives("credits", "40.0").gives("created", "true");
        let took = ran.took.as_secs();
        assert!((after..after + 30).contains(&took), "{input}: {took}");
        messages.push(ran.message());
    }
    assert_snapshot!(messages.join("\n"), @"
    stopped after 40.0 AI credits, because `wait-timeout` has passed. Commits already pushed are kept on the branch `copilot/prepare-the-release-2`
    stopped after 40.0 AI credits, because the task runs for longer than `max-duration: 7m`. Commits already pushed are kept on the branch `copilot/prepare-the-release-3`
    stopped after 40.0 AI credits, because the task has used more AI credits than `max-credits: 39`. Commits already pushed are kept on the branch `copilot/prepare-the-release-4`
    ");
    let within = step().with("max-credits", "40").with("max-duration", "11m").run().await;
    within.assert(1, "in_progress", "timed_out");
    within.gives("stopped", "");
}

#[tokio::test(start_paused = true)]
async fn max_duration_counts_from_the_creation() {
    let simulator = world(RunSettings::default());
    let id = simulator.add_task(ExistingTask { age: seconds(3600), script: at_work(0), ..ExistingTask::default() });
    let ran = Step::waiting(&simulator, &id).with("max-duration", "65m").run().await;
    ran.assert(1, "cancelled", "cancelled");
    assert!((300..330).contains(&ran.took.as_secs()), "{:?}", ran.took);
}

#[tokio::test(start_paused = true)]
async fn task_that_ends_before_its_stop_is_what_it_is() {
    let simulator = world(RunSettings::default());
    simulator.default_script(Script::delivers(seconds(595), PullContent::default()));
    // No poll of the wait sees the end, and not the first poll of the stop.
    simulator.outage(Outage::new(Fault::status(502)).on(Route::Task).from(seconds(590)).lasting(seconds(13)));
    let ran = Step::new(&simulator).with("wait-timeout", "10m").with("on-timeout", "stop").run().await;
    ran.assert(0, "completed", "success");
    ran.gives("stopped", "").gives("pull-request-number", "12");
    assert_eq!(cancels(&ran), 0, "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn fleet_stops_exactly_the_tasks_above_max_credits() {
    let simulator = world(RunSettings::default());
    let names = (0..50).map(|at| format!("octo/r{at}")).collect::<Vec<_>>();
    for (at, name) in names.iter().enumerate() {
        simulator.repository(name, Repository::default());
        // It has used as many credits as its number after ten minutes, and completes after an hour.
        let script = Script::new().state("in_progress", Duration::ZERO).effect(Effect::Branch).wait(seconds(600));
        let script = script.effect(Effect::Usage(at as u64 * CREDIT)).wait(seconds(3000)).pull();
        simulator.script(name, script.state("completed", Duration::ZERO));
    }
    let ran = Step::new(&simulator).with("repositories", &names.join("\n")).with("max-credits", "42").run().await;
    ran.exits(1).gives("succeeded", "43").gives("failed", "7");
    for (at, result) in ran.results().iter().enumerate() {
        let (conclusion, stopped) =
            if at > 42 { ("cancelled", true.into()) } else { ("success", serde_json::Value::Null) };
        assert_eq!((&result["conclusion"], &result["stopped"]), (&conclusion.into(), &stopped), "{result}");
    }
    for run in simulator.runs() {
        let number = run.repository.trim_start_matches("octo/r").parse::<usize>().unwrap();
        assert_eq!(run.cancels, usize::from(number > 42), "{run:?}");
    }
    assert!(ran.calls.len() < 5000, "{}", ran.calls.len());
    assert!(ran.calls.iter().all(|call| !matches!(call.status, Some(403 | 429))));
}

/// A task of a class.
fn of_class(class: &str, age: u64) -> ExistingTask {
    let text = str::to_owned;
    let marker = Marker { key: Key::over([class]), name: text("Weekly/prep"), class: text(class), ..Marker::default() };
    let prompt = marker.put_under(&format!("Do {class} {age}"));
    ExistingTask { creator: USER, prompt, age: seconds(age * 60), script: at_work(0), ..ExistingTask::default() }
}

fn sweep(simulator: &Simulator, policy: &str) -> Step {
    let step = Step::stopping(simulator, "").with("task-class", "prep");
    step.file(".github/agent-tasks.yml", format!("task-classes:\n  prep: {policy}\n  other: {{}}\n"))
}

#[tokio::test(start_paused = true)]
async fn sweep_stops_what_is_ours_of_the_class_and_runs_for_too_long() {
    let simulator = world(RunSettings::default());
    simulator.repository("octo/lib", Repository::default());
    let overdue = [
        of_class("prep", 121),
        ExistingTask { repository: "octo/lib".to_owned(), ..of_class("prep", 500) },
        ExistingTask { creator_type: Some("Bot".to_owned()), ..of_class("prep", 300) },
    ];
    let overdue = overdue.map(|task| simulator.add_task(task));
    simulator.archive_task(&overdue[2]);
    for spared in [
        of_class("prep", 119),
        of_class("other", 300),
        ExistingTask { creator: 2, ..of_class("prep", 300) },
        ExistingTask { prompt: "Do prep".to_owned(), ..of_class("prep", 300) },
        ExistingTask { script: Script::branch_only(seconds(60)), ..of_class("prep", 300) },
        ExistingTask { visibility: simulator::Visibility::WithoutSessions, ..of_class("prep", 300) },
    ] {
        simulator.add_task(spared);
    }
    let step = || sweep(&simulator, "{max-duration: 2h}").with("repositories", "octo/app, octo/lib");
    let dry = step().with("dry-run", "true").run().await;
    dry.exits(0);
    assert_eq!(cancels(&dry), 0);
    assert_snapshot!(dry.headline(), @"### 🧪 Dry run, nothing was sent");
    let ran = step().run().await;
    ran.exits(0).gives("conclusion", "cancelled");
    let stopped = ran.results().iter().map(|it| it["task-id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(stopped.iter().collect::<std::collections::BTreeSet<_>>(), overdue.iter().collect());
    for task in simulator.tasks() {
        assert_eq!(task.state == "cancelled", overdue.contains(&task.id), "{task:?}");
    }
    assert_snapshot!(ran.annotations(), @"
    warning [agent-task] octo/app: 1 task left alone that may be of the class, because GitHub does not show the prompt, the creator or the age. Stop by task ID if necessary
    notice [Task stopped] octo/app: Stopped after 0.0 AI credits. Commits already pushed are kept on the branch `copilot/do-prep-121`. See what it did: https://github.com/octo/app/tasks/[id]
    notice [Task stopped] octo/app: Stopped after 0.0 AI credits. Commits already pushed are kept on the branch `copilot/do-prep-300`. See what it did: https://github.com/octo/app/tasks/[id]
    notice [Task stopped] octo/lib: Stopped after 0.0 AI credits. Commits already pushed are kept on the branch `copilot/do-prep-500`. See what it did: https://github.com/octo/lib/tasks/[id]
    ");
    let again = step().run().await;
    again.exits(0).gives("conclusion", "skipped").gives("results", "[]").gives("stopped", "");
}

#[tokio::test(start_paused = true)]
async fn sweep_of_one_repository_does_not_depend_on_another() {
    let simulator = world(RunSettings::default());
    let id = simulator.add_task(of_class("prep", 300));
    let step = sweep(&simulator, "{max-duration: 2h}").with("repositories", "octo/gone, octo/app");
    let ran = step.run().await;
    ran.exits(4).gives("failed", "1");
    assert_eq!(simulator.tasks()[0].state, "cancelled", "{id}");
    assert_eq!(
        ran.results().iter().map(|it| it["stopped"].clone()).collect::<Vec<_>>(),
        [true.into(), serde_json::Value::Null]
    );
}

#[tokio::test(start_paused = true)]
async fn stop_inputs_are_checked_before_anything_is_sent() {
    let simulator = world(RunSettings::default());
    let stop = |inputs: &[(&str, &str)]| {
        let step = Step::stopping(&simulator, "")
            .file(".github/agent-tasks.yml", "task-classes:\n  prep: {max-duration: 2h}\n  free: {}\n");
        inputs.iter().fold(step, |step, (input, value)| step.with(input, value)).run()
    };
    let start = |inputs: &[(&str, &str)]| {
        inputs.iter().fold(Step::new(&simulator), |step, (input, value)| step.with(input, value)).run()
    };
    let mut refusals = Vec::new();
    for ran in [
        stop(&[]).await,
        stop(&[("task-id", "t-1"), ("task-class", "prep"), ("max-duration", "1h"), ("repositories", "octo/app")]).await,
        stop(&[("task-class", "free")]).await,
        stop(&[("task-class", "prpe")]).await,
        stop(&[("task-id", "t-1"), ("on-timeout", "stop"), ("prompt", "x")]).await,
        start(&[
            ("wait", ""),
            ("on-timeout", "stop"),
            ("on-interrupt", "stop"),
            ("max-credits", "1"),
            ("max-duration", "1h"),
            ("force", "true"),
        ])
        .await,
        start(&[("on-timeout", "kill"), ("max-credits", "0"), ("max-duration", "7"), ("force", "yes")]).await,
        start(&[("force", "true")]).await,
    ] {
        ran.exits(2).sends_nothing();
        refusals.push(ran.refusal());
    }
    assert_snapshot!(refusals.join("\n"), @"
    task-id is missing; pass the output task-id or results of the step that started the task, or name a task-class and a max-duration to stop all of its tasks that run longer
    repositories has no effect with task-id; remove one of them
    task-class has no effect with task-id; remove one of them
    max-duration has no effect with task-id; remove one of them
    max-duration is missing; say how long tasks of the class may run, such as 2h
    task-class: prpe is not a task class of .github/agent-tasks.yml; did you mean `prep`?
    prompt has no effect with command: stop; it is for command: start
    on-timeout has no effect with command: stop; it is for command: start and wait
    on-timeout requires wait: true
    on-interrupt requires wait: true
    max-credits requires wait: true
    max-duration requires wait: true
    force requires wait: true
    on-timeout: expected leave or stop, got kill
    max-credits: 0 is not a whole number of credits; write 1 or more, in digits only
    max-duration: expected a duration with a unit such as 7s or 7m, got 7
    force: expected true or false, got yes
    force has no effect without on-timeout: stop, on-interrupt: stop, max-credits or max-duration
    ");
    let contradicted = stop(&[("task-class", "prep"), ("max-duration", "1h")]).await;
    contradicted.exits(3).sends_nothing();
    assert_snapshot!(contradicted.message(), @"`max-duration: 1h` contradicts the task class `prep` of .github/agent-tasks.yml, which has `max-duration: 2h`; leave the input out, or change the policy");
}

#[tokio::test(start_paused = true)]
async fn class_fixes_when_its_tasks_are_stopped() {
    let simulator = world(RunSettings { on_cancel: OnCancel::NeedsForce, ..RunSettings::default() });
    let policy = "task-classes:\n  prep: {wait: true, max-credits: 39, on-timeout: stop, on-interrupt: stop, max-duration: 1h, force: true}\n";
    let step = || Step::new(&simulator).file(".github/agent-tasks.yml", policy).with("task-class", "prep");
    let ran = step().run().await;
    ran.assert(1, "cancelled", "cancelled");
    ran.gives("stopped", "true");
    assert_eq!(simulator.runs()[0].force_cancels, 1);
    let refused = step().with("max-credits", "50").with("max-duration", "2h").run().await;
    refused.exits(3);
    assert_snapshot!(refused.message(), @"`max-credits: 50` contradicts the task class `prep` of .github/agent-tasks.yml, which has `max-credits: 39`; leave the input out, or change the policy; `max-duration: 2h` contradicts the task class `prep` of .github/agent-tasks.yml, which has `max-duration: 1h`; leave the input out, or change the policy");
    // A ceiling that nothing watches is refused.
    let policy = "task-classes:\n  prep: {max-credits: 39}\n";
    let blind =
        Step::new(&simulator).file(".github/agent-tasks.yml", policy).with("task-class", "prep").with("wait", "");
    let blind = blind.run().await;
    blind.exits(2);
    assert_snapshot!(blind.message(), @"max-credits requires wait: true");
}

#[tokio::test(start_paused = true)]
async fn failed_requests_of_a_stop_are_repeated() {
    for (route, fault) in [
        (Route::Task, Fault::status(502)),
        (Route::Runs, Fault::drop()),
        (Route::Runs, Fault::rate_limit(seconds(20))),
        (Route::Cancel, Fault::status(502)),
        (Route::Cancel, Fault::status(502).after_accepting()),
        (Route::Cancel, Fault::rate_limit(seconds(20))),
    ] {
        let simulator = world(RunSettings::default());
        let id = earlier(&simulator, at_work(0));
        simulator.fault(route, fault);
        let ran = Step::stopping(&simulator, &id).run().await;
        ran.assert(0, "cancelled", "cancelled");
        ran.gives("stopped", "true");
    }
}

#[tokio::test(start_paused = true)]
async fn rate_limit_that_outlasts_a_stop_is_named() {
    let mut messages = Vec::new();
    for (route, fault) in [
        (Route::Task, Fault::rate_limit(seconds(600))),
        (Route::Cancel, Fault::rate_limit(seconds(600))),
        (Route::Cancel, Fault::primary_limit(seconds(1800))),
    ] {
        let simulator = world(RunSettings::default());
        let id = earlier(&simulator, at_work(0));
        simulator.fault(route, fault);
        let ran = Step::stopping(&simulator, &id).run().await;
        ran.gives("stopped", "false");
        assert_eq!(simulator.runs()[0].cancels, 0);
        messages.push(ran.annotations());
    }
    assert_snapshot!(messages.join("\n"), @"
    error [Task not stopped] octo/app: The task was not stopped: GitHub limits the rate: secondary rate limit exceeded; the next request is allowed in 8m. Stop it: task [id] in octo/app
    error [Task not stopped] octo/app: The task was not stopped: GitHub limits the rate: secondary rate limit exceeded; the next request is allowed in 8m. Stop it: https://github.com/octo/app/tasks/[id]
    error [Task not stopped] octo/app: The task was not stopped: GitHub limits the rate: hourly rate limit exhausted; the next request is allowed in 28m 2s. Stop it: https://github.com/octo/app/tasks/[id]
    ");
}

#[tokio::test(start_paused = true)]
async fn renamed_repository_is_found_by_its_old_name() {
    let simulator = world(RunSettings::default());
    simulator.repository("octo/new", Repository { renamed_from: vec!["octo/old".to_owned()], ..Repository::default() });
    let task = ExistingTask {
        repository: "octo/new".to_owned(),
        age: seconds(60),
        script: at_work(0),
        ..ExistingTask::default()
    };
    let id = simulator.add_task(task);
    let ran = Step::stopping(&simulator, &id).with("repository", "octo/old").run().await;
    ran.assert(0, "cancelled", "cancelled");
}

#[tokio::test(start_paused = true)]
async fn unknown_task_is_not_found() {
    let simulator = world(RunSettings::default());
    let ran = Step::stopping(&simulator, "no-such-task").run().await;
    ran.exits(4).gives("stopped", "false").gives("state", "");
    assert_snapshot!(ran.headline(), @"### ❌ Agent task not found");
    // Results of a step that started nothing leave nothing to do.
    let ran = Step::stopping(&simulator, r#"[{"repository":"octo/app","task-id":null}]"#).run().await;
    ran.exits(0).gives("conclusion", "skipped");
}

#[tokio::test(start_paused = true)]
async fn outputs_are_written_before_a_cancel_is_sent() {
    let simulator = world(RunSettings::default());
    let step = Step::new(&simulator).with("max-credits", "1");
    let (folder, seen) = (Arc::clone(&step.folder), Arc::new(Mutex::new(String::new())));
    let kept = Arc::clone(&seen);
    simulator.observe(move |call| {
        if call.path.ends_with("/cancel") {
            *kept.lock().unwrap() = folder.read("output");
        }
    });
    step.run().await.gives("stopped", "true");
    let outputs = seen.lock().unwrap().clone();
    assert!(outputs.contains("stopped<<") && outputs.contains(&simulator.tasks()[0].id), "{outputs}");
    let last = outputs.rsplit("stopped<<").next().unwrap().lines().nth(1);
    assert_eq!(last, Some("false"), "nothing is hoped for");
}

#[tokio::test(start_paused = true)]
async fn doctor_tells_whether_tasks_can_be_stopped() {
    let simulator = world(RunSettings::default());
    let doctor = |token: Token, input: &str, value: &str| {
        simulator.token(TOKEN, token);
        Step::new(&simulator).with("command", "doctor").with(input, value).run()
    };
    let fine = doctor(Token::default(), "on-timeout", "stop").await;
    assert_snapshot!(fine.log_lines(" stop: "), @r#"✅ stop: the token can read workflow runs; whether it may cancel them ("Actions: write") GitHub does not reveal"#);
    let blind = Token::default().without(Permission::ActionsRead);
    let unfit = doctor(blind.clone(), "max-credits", "5").await;
    assert_snapshot!(unfit.log_lines(" stop: "), @r#"❌ stop: tasks cannot be stopped: the token lacks a permission (Resource not accessible by personal access token). Stopping a task needs "Actions: read and write" for its repository. Give `lookup-token` a token that has it: for the workflow's own repository `${{ github.token }}` with `permissions: actions: write` serves; or add it to `token`"#);
    unfit.exits(1);
    let silent = doctor(blind, "on-timeout", "leave").await;
    assert_eq!(silent.log_lines(" stop: "), "");
}
