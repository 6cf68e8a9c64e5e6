//! Rollouts over days, run after run, under virtual time.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::{
    ChangedFile, CheckRun, Effect, ExistingTask, Fault, OpenPull, Permission, PullContent, Repository, Route, Script,
    Settings, Simulator, Token,
};

use crate::support::{Finished, Step, TOKEN};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// GitHub by the book with these repositories, where each new task goes this way.
fn world(names: &[&str], script: Script) -> Simulator {
    let simulator = Simulator::new();
    simulator.settings(|settings| *settings = Settings::documented());
    simulator.default_script(script);
    for name in names {
        simulator.repository(name, Repository::default());
    }
    simulator
}

/// A task that works for an hour and has a pull request then.
fn delivers() -> Script {
    Script::new()
        .state("in_progress", Duration::ZERO)
        .wait(HOUR / 2)
        .pull()
        .effect(Effect::Ready)
        .state("completed", HOUR / 2)
}

/// A task whose pull request is merged so long after it was opened.
fn merged_after(span: Duration) -> Script {
    delivers().wait(span).effect(Effect::Merge)
}

/// A run of the rollout.
fn run(simulator: &Simulator, list: &str) -> Step {
    let step = Step::new(simulator).with("wait", "").with("rollout", "baseline").with("repositories", list);
    let step = step.with("waves", "1, 2, *").with("advance-on", "merged").variable("GITHUB_REPOSITORY_ID", "812340001");
    step.with("confirm-timeout", "1s").with("rollout-cache", "rollout.json")
}

const LIST: &str = "octo/a\nocto/b\nocto/c\nocto/d";
const NAMES: [&str; 4] = ["octo/a", "octo/b", "octo/c", "octo/d"];

/// The statuses of all repositories, a letter each.
fn statuses(ran: &Finished) -> String {
    let results: Vec<Value> = serde_json::from_str(ran.output("results")).unwrap();
    let words = results.iter().map(|it| format!("{}{}", it["wave"], it["rollout-status"].as_str().unwrap()));
    words.collect::<Vec<_>>().join(" ")
}

/// The state and all statuses of a run.
#[track_caller]
fn shows(ran: &Finished, code: i32, state: &str, expected: &str) {
    ran.exits(code).gives("rollout-state", state);
    assert_eq!(statuses(ran), expected);
}

#[tokio::test(start_paused = true)]
async fn rollout_goes_on_from_run_to_run_until_it_is_done() {
    let simulator = world(&NAMES, merged_after(8 * HOUR));
    let mut before: Option<Finished> = None;
    let mut states = Vec::new();
    for _ in 0..36 {
        let mut step = run(&simulator, LIST);
        if let Some(before) = &before {
            step = step.after(before);
        }
        let ran = step.run().await;
        ran.exits(0);
        if states.last() != Some(&ran.output("rollout-state").to_owned()) {
            states.push(ran.output("rollout-state").to_owned());
        }
        before = Some(ran);
        tokio::time::sleep(HOUR).await;
    }
    assert_eq!(states, ["running", "waiting", "running", "waiting", "running", "waiting", "done"]);
    let last = before.unwrap();
    shows(&last, 0, "done", "1succeeded 2succeeded 2succeeded 3succeeded");
    last.posts(4).gives("started", "0").gives("succeeded", "4").gives("conclusion", "success");
    let waves: Vec<Value> = serde_json::from_str(last.output("rollout-waves")).unwrap();
    assert_eq!(
        (&waves[1]["repositories"], &waves[1]["succeeded"], &waves[1]["reached"]),
        (&json!(2), &json!(2), &json!(true))
    );
    assert!(last.summary.contains("✅ Rollout baseline: done"), "{}", last.summary);
}

#[tokio::test(start_paused = true)]
async fn run_without_a_cache_does_the_same() {
    for is_by_the_book in [true, false] {
        let simulator = world(&NAMES, merged_after(HOUR));
        if !is_by_the_book {
            simulator.settings(|settings| *settings = Settings::default());
        }
        for hour in 0..16 {
            let step = run(&simulator, LIST).with("rollout-cache", "").with("confirm-timeout", "60s");
            let ran = step.run().await;
            ran.exits(0);
            if hour == 15 {
                shows(ran.posts(4), 0, "done", "1succeeded 2succeeded 2succeeded 3succeeded");
            }
            tokio::time::sleep(HOUR).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn second_run_at_the_same_time_starts_no_second_task() {
    let simulator = world(&["octo/a", "octo/b"], delivers());
    let run = || run(&simulator, "octo/a\nocto/b").with("confirm-timeout", "60s");
    let later = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        run().run().await
    };
    let (first, second) = tokio::join!(run().run(), later);
    shows(&first, 0, "running", "1running 2queued");
    shows(&second, 0, "running", "1running 2queued");
    let started = [&first, &second].map(|ran| ran.output("started").parse::<usize>().unwrap());
    assert_eq!((simulator.tasks().len(), started.iter().sum::<usize>()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn runs_at_the_same_moment_start_each_task_once() {
    // Which start waits how long; by chance two could be sent in the same millisecond.
    fastrand::seed(1);
    for gap in [0, 1, 50, 300, 1000].map(Duration::from_millis) {
        let simulator = world(&NAMES, delivers());
        simulator.settings(|settings| *settings = Settings { list_lag: Duration::ZERO, ..Settings::default() });
        let run = || run(&simulator, LIST).with("waves", "*").with("rollout-cache", "").with("confirm-timeout", "60s");
        let later = async {
            tokio::time::sleep(gap).await;
            run().run().await
        };
        let (first, second) = tokio::join!(run().run(), later);
        shows(&first, 0, "running", "1running 1running 1running 1running");
        shows(&second, 0, "running", "1running 1running 1running 1running");
        assert_eq!(simulator.tasks().len(), 4, "{gap:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn list_can_grow_shrink_and_turn() {
    let simulator = world(&[&NAMES[..], &["octo/0", "octo/new"]].concat(), delivers());
    let ran = run(&simulator, LIST).run().await;
    shows(&ran, 0, "running", "1running 2queued 2queued 3queued");
    tokio::time::sleep(2 * HOUR).await;
    simulator.merge_pull("octo/a", 12);
    let ran = run(&simulator, LIST).after(&ran).run().await;
    shows(ran.posts(3), 0, "running", "1succeeded 2running 2running 3queued");
    tokio::time::sleep(2 * HOUR).await;
    // The wave that has begun is full, wherever the new ones are.
    let ran = run(&simulator, "octo/0\nocto/d\nocto/c\nocto/b\nocto/a\nocto/new").after(&ran).run().await;
    shows(ran.posts(3), 0, "waiting", "3queued 3queued 2waiting 2waiting 1succeeded 3queued");
    // What is removed no longer counts, and is shown.
    simulator.merge_pull("octo/c", 12);
    let ran = run(&simulator, "octo/a\nocto/c\nocto/d").after(&ran).run().await;
    shows(ran.posts(4), 0, "running", "1succeeded 2succeeded 2running");
    assert!(
        ran.summary.contains("1 repository no longer in the list") && ran.summary.contains("octo/b"),
        "{}",
        ran.summary
    );
}

#[tokio::test(start_paused = true)]
async fn renamed_repository_gets_no_other_task() {
    let simulator = world(&["octo/a", "octo/b"], delivers());
    let ran = run(&simulator, "octo/a\nocto/b").run().await;
    shows(ran.posts(1), 0, "running", "1running 2queued");
    // The list has the new name, as a query does, and then the old one again.
    simulator.rename_repository("octo/a", "octo/z");
    for list in ["octo/z\nocto/b", "octo/a\nocto/b"] {
        for cache in ["rollout.json", ""] {
            let ran = run(&simulator, list).with("rollout-cache", cache).after(&ran).run().await;
            shows(ran.posts(1), 0, "running", "1running 2queued");
        }
    }
    tokio::time::sleep(2 * HOUR).await;
    simulator.merge_pull("octo/z", 12);
    // A repository that is started under its new name is found under its old one, and counts once.
    simulator.rename_repository("octo/b", "octo/y");
    let ran = run(&simulator, "octo/z\nocto/y\nocto/b").after(&ran).run().await;
    shows(ran.posts(2), 0, "running", "1succeeded 2running");
    let ran = run(&simulator, "octo/a\nocto/b").after(&ran).run().await;
    shows(ran.posts(2), 0, "running", "1succeeded 2running");
}

#[tokio::test(start_paused = true)]
async fn old_name_of_a_renamed_repository_can_be_that_of_another() {
    let simulator = world(&["octo/a", "octo/b"], delivers());
    let ran = run(&simulator, "octo/a\nocto/b").with("waves", "*").run().await;
    shows(ran.posts(2), 0, "running", "1running 1running");
    simulator.rename_repository("octo/a", "octo/z");
    simulator.repository("octo/a", Repository::default());
    let ran = run(&simulator, "octo/b\nocto/a\nocto/z").with("waves", "*").after(&ran).run().await;
    shows(ran.posts(3), 0, "running", "1running 1running 1running");
    let started = simulator.tasks().iter().map(|task| task.repository.clone()).collect::<Vec<_>>();
    assert_eq!(started[2], "octo/a", "{started:?}");
}

#[tokio::test(start_paused = true)]
async fn failed_task_gets_another_until_its_attempts_are_used() {
    let simulator = world(&["octo/a", "octo/b"], delivers());
    simulator.script("octo/a", Script::fails("no space left"));
    let attempts = |count: &str| run(&simulator, "octo/a\nocto/b").with("attempts", count);
    let ran = attempts("2").run().await;
    shows(ran.posts(1), 0, "running", "1running 2queued");
    tokio::time::sleep(HOUR).await;
    // One attempt less than the rollout began with.
    let stopped = attempts("1").after(&ran).run().await;
    shows(stopped.posts(1), 1, "stopped", "1failed 2queued");
    let message = stopped.annotations();
    for part in [
        "Wave 1 cannot reach its share: 1 of 1 failed",
        "octo/a (the task ended as failed, https://github.com/",
        "raise attempts",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(stopped.output("error-message").contains("Wave 1 cannot reach its share"));
    let ran = attempts("2").after(&ran).run().await;
    shows(ran.posts(2), 0, "running", "1running 2queued");
    assert_eq!(ran.results()[0]["attempts"], 2);
    tokio::time::sleep(2 * HOUR).await;
    simulator.merge_pull("octo/a", 12);
    let ran = attempts("2").after(&ran).run().await;
    shows(ran.posts(3), 0, "running", "1succeeded 2running");
}

#[tokio::test(start_paused = true)]
async fn closed_pull_request_fails_and_waits_again_once_reopened() {
    let simulator = world(&["octo/a", "octo/b"], delivers());
    let next = |before: &Finished| run(&simulator, "octo/a\nocto/b").after(before);
    let ran = run(&simulator, "octo/a\nocto/b").run().await;
    tokio::time::sleep(2 * HOUR).await;
    let ran = next(&ran).run().await;
    shows(&ran, 0, "waiting", "1waiting 2queued");
    assert!(
        ran.summary.contains("Once 1 more of wave 1 is merged, the next run starts wave 2 with 1 repository: octo/b"),
        "{}",
        ran.summary
    );
    simulator.close_pull("octo/a", 12);
    let ran = next(&ran).run().await;
    shows(&ran, 1, "stopped", "1failed 2queued");
    assert!(ran.annotations().contains("pull request #12 was closed without a merge"), "{}", ran.annotations());
    simulator.reopen_pull("octo/a", 12);
    let ran = next(&ran).run().await;
    shows(&ran, 0, "waiting", "1waiting 2queued");
    simulator.merge_pull("octo/a", 12);
    shows(next(&ran).run().await.posts(2), 0, "running", "1succeeded 2running");
}

#[tokio::test(start_paused = true)]
async fn continued_task_counts_by_what_comes_of_it() {
    let simulator = world(&["octo/a", "octo/b"], delivers());
    let failing = Script::new().state("failed", HOUR);
    simulator.script(
        "octo/a",
        failing
            .wait(DAY)
            .effect(Effect::Steer("Try again".to_owned()))
            .state("in_progress", DAY)
            .pull()
            .state("completed", HOUR)
            .effect(Effect::Merge),
    );
    let next = |before: &Finished| run(&simulator, "octo/a\nocto/b").after(before);
    let ran = run(&simulator, "octo/a\nocto/b").run().await;
    tokio::time::sleep(2 * HOUR).await;
    let ran = next(&ran).run().await;
    shows(&ran, 1, "stopped", "1failed 2queued");
    tokio::time::sleep(DAY).await;
    let ran = next(&ran).run().await;
    shows(&ran, 0, "running", "1running 2queued");
    tokio::time::sleep(DAY + 2 * HOUR).await;
    shows(next(&ran).run().await.posts(2), 0, "running", "1succeeded 2running");
}

#[tokio::test(start_paused = true)]
async fn changed_prompt_stops_before_the_next_start() {
    let simulator = world(&["octo/a", "octo/b"], delivers());
    let ran = run(&simulator, "octo/a\nocto/b").run().await;
    tokio::time::sleep(2 * HOUR).await;
    let changed = |before: &Finished| run(&simulator, "octo/a\nocto/b").with("prompt", "Something else").after(before);
    // Nothing is due, so nothing is lost.
    let ran = changed(&ran).run().await;
    shows(&ran, 0, "waiting", "1waiting 2queued");
    simulator.merge_pull("octo/a", 12);
    let ran = changed(&ran).run().await;
    shows(ran.posts(1), 1, "stopped", "1succeeded 2queued");
    assert!(ran.annotations().contains("its newest task has template "), "{}", ran.annotations());
    let ran = changed(&ran).with("on-change", "continue").run().await;
    shows(ran.posts(2), 0, "running", "1succeeded 2running");
}

#[tokio::test(start_paused = true)]
async fn copied_marker_of_another_user_counts_for_nothing() {
    let simulator = world(&["octo/a", "octo/b"], delivers());
    let ran = run(&simulator, "octo/a\nocto/b").run().await;
    let prompt = simulator.tasks()[0].prompt.clone();
    simulator.add_task(ExistingTask {
        repository: "octo/b".to_owned(),
        creator: 99,
        prompt: prompt.replace("repository=octo/a", "repository=octo/b"),
        script: delivers().effect(Effect::Merge),
        age: DAY,
        ..ExistingTask::default()
    });
    // Another rollout, class or workflow of the same owner counts for nothing either.
    for (old, new) in [
        ("rollout=baseline", "rollout=other"),
        ("origin=812340001", "origin=1"),
        ("rollout=baseline", "rollout=baseline class=x"),
    ] {
        simulator.add_task(ExistingTask {
            repository: "octo/b".to_owned(),
            creator: Token::default().id,
            prompt: prompt.replace("repository=octo/a", "repository=octo/b").replace(old, new),
            script: delivers(),
            ..ExistingTask::default()
        });
    }
    tokio::time::sleep(2 * HOUR).await;
    simulator.merge_pull("octo/a", 12);
    let ran = run(&simulator, "octo/a\nocto/b").after(&ran).run().await;
    shows(ran.posts(2), 0, "running", "1succeeded 2running");
}

#[tokio::test(start_paused = true)]
async fn pull_request_that_cannot_be_read_starts_nothing() {
    let simulator = world(&["octo/a", "octo/b"], delivers());
    let ran = run(&simulator, "octo/a\nocto/b").run().await;
    tokio::time::sleep(2 * HOUR).await;
    simulator.merge_pull("octo/a", 12);
    simulator.token(TOKEN, Token::default().without(Permission::PullRequestsRead));
    let ran = run(&simulator, "octo/a\nocto/b").after(&ran).run().await;
    shows(ran.posts(1), 4, "waiting", "1unknown 2queued");
    assert!(ran.annotations().contains("Nothing is started until octo/a can be read"), "{}", ran.annotations());
    // A second token that may.
    simulator.token("ghs_lookup", Token::default());
    let ran = run(&simulator, "octo/a\nocto/b").with("lookup-token", "ghs_lookup").after(&ran).run().await;
    shows(ran.posts(2), 0, "running", "1succeeded 2running");
}

#[tokio::test(start_paused = true)]
async fn refused_start_counts_as_failed_and_is_tried_again() {
    let simulator = world(&["octo/a", "octo/b"], delivers());
    simulator.repository("octo/a", Repository { archived: true, ..Repository::default() });
    let ran = run(&simulator, "octo/a\nocto/b").run().await;
    shows(&ran, 4, "stopped", "1failed 2queued");
    simulator.repository("octo/a", Repository::default());
    let ran = run(&simulator, "octo/a\nocto/b").after(&ran).run().await;
    shows(&ran, 0, "running", "1running 2queued");
    assert_eq!(simulator.tasks().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn stalled_review_is_a_warning_with_its_reviewers() {
    let simulator = world(&["octo/a", "octo/b"], delivers());
    let ran = run(&simulator, "octo/a\nocto/b").run().await;
    tokio::time::sleep(2 * DAY).await;
    let ran = run(&simulator, "octo/a\nocto/b").after(&ran).run().await;
    shows(&ran, 0, "waiting", "1waiting 2queued");
    ran.annotates_nothing();
    tokio::time::sleep(2 * DAY).await;
    let ran = run(&simulator, "octo/a\nocto/b").after(&ran).run().await;
    shows(&ran, 0, "waiting", "1waiting 2queued");
    let warning = ran.annotations();
    assert!(warning.contains("octo/a: https://github.com/octo/a/pull/12, review requested from mona"), "{warning}");
}

#[tokio::test(start_paused = true)]
async fn accepted_pull_requests_advance_the_rollout() {
    let with = |content: PullContent| {
        let pull = Effect::Pull(OpenPull { content: Some(content), ..OpenPull::default() });
        Script::new().state("in_progress", HOUR).effect(pull).state("completed", HOUR)
    };
    let small = || PullContent::default().files([ChangedFile::modified("a", 3, 4)]);
    let simulator =
        world(&["octo/a", "octo/b", "octo/c"], with(small().check(CheckRun::ending("build", "success", HOUR))));
    let step = |before: Option<&Finished>| {
        let step = run(&simulator, "octo/a\nocto/b\nocto/c").with("advance-on", "").with("waves", "1, 1, *");
        let step = step.with("expect", "max-changed-lines: 10\nchecks: success\nchecks-timeout: 5h");
        if let Some(before) = before { step.after(before) } else { step }
    };
    let large = PullContent::default().files([ChangedFile::modified("a", 300, 4)]);
    simulator.script("octo/b", with(large));
    let ran = step(None).run().await;
    tokio::time::sleep(HOUR * 3 / 2).await;
    let ran = step(Some(&ran)).run().await;
    shows(&ran, 0, "waiting", "1waiting 2queued 3queued");
    assert!(ran.summary.contains("still running"), "{}", ran.summary);
    tokio::time::sleep(HOUR).await;
    let ran = step(Some(&ran)).run().await;
    shows(ran.posts(2), 0, "running", "1succeeded 2running 3queued");
    assert_eq!(ran.results()[0]["accepted"], true);
    tokio::time::sleep(3 * HOUR).await;
    let ran = step(Some(&ran)).run().await;
    shows(ran.posts(2), 1, "stopped", "1succeeded 2failed 3queued");
    assert!(ran.annotations().contains("expected `max-changed-lines: 10`, found 304 lines"), "{}", ran.annotations());
    // A person merges it in spite of that.
    simulator.merge_pull("octo/b", 12);
    shows(step(Some(&ran)).run().await.posts(3), 0, "running", "1succeeded 2succeeded 3running");
}

#[tokio::test(start_paused = true)]
async fn dry_run_shows_the_rollout_and_starts_nothing() {
    let simulator = world(&NAMES, delivers());
    let dry = run(&simulator, LIST).with("dry-run", "true").run().await;
    shows(dry.posts(0), 0, "running", "1due 2queued 2queued 3queued");
    assert!(dry.summary.contains("The next run starts the next task of 1 repository: octo/a"), "{}", dry.summary);
    let ran = run(&simulator, LIST).after(&dry).run().await;
    tokio::time::sleep(2 * HOUR).await;
    let dry = run(&simulator, LIST).with("dry-run", "true").after(&ran).run().await;
    shows(dry.posts(1), 0, "waiting", "1waiting 2queued 2queued 3queued");
    assert!(dry.summary.contains("🧪 Dry run, nothing was sent"), "{}", dry.summary);
}

#[tokio::test(start_paused = true)]
async fn rules_of_the_policy_hold_for_each_start() {
    let simulator = world(&["octo/a", "octo/b"], delivers());
    let policy = |last: &str| format!("defaults:\n  limits:\n    not-after: {last}\n");
    let at = |last: &str| run(&simulator, "octo/a\nocto/b").file(".github/agent-tasks.yml", policy(last));
    let refused = at("2020-01-01").run().await;
    shows(refused.posts(0), 3, "running", "1due 2queued");
    for part in
        ["tries again to start the next task of 1 repository: octo/a", "The policy refuses these starts: today is"]
    {
        assert!(refused.summary.contains(part), "{}", refused.summary);
    }
    let ran = at("2099-01-01").after(&refused).file(".github/agent-tasks.yml", policy("2099-01-01")).run().await;
    shows(ran.posts(1), 0, "running", "1running 2queued");
    tokio::time::sleep(2 * HOUR).await;
    // Nothing is due.
    let ran = at("2020-01-01").after(&ran).file(".github/agent-tasks.yml", policy("2020-01-01")).run().await;
    shows(ran.posts(1), 0, "waiting", "1waiting 2queued");
}

#[tokio::test(start_paused = true)]
async fn skipped_repositories_count_neither_way() {
    let simulator = world(&NAMES, delivers());
    let prompt = "{% if target.name == 'a' %}{{ skip('has it already') }}{% endif %}Add it";
    let ran = run(&simulator, LIST).with("prompt", prompt).run().await;
    // The next one takes its place.
    shows(ran.posts(1), 0, "running", "1skipped 1running 2queued 2queued");
}

#[tokio::test(start_paused = true)]
async fn entries_of_one_repository_have_their_own_tasks() {
    let simulator = world(&["octo/a"], delivers());
    let list = "octo/a name=api\nocto/a name=web\nocto/a name=cli";
    let step = |before: Option<&Finished>| {
        let step = run(&simulator, list).with("waves", "1, *").with("advance-on", "completed");
        if let Some(before) = before { step.after(before) } else { step }
    };
    let mut ran = step(None).run().await;
    for _ in 0..4 {
        tokio::time::sleep(2 * HOUR).await;
        ran = step(Some(&ran)).run().await;
    }
    shows(ran.posts(3), 0, "done", "1succeeded 2succeeded 2succeeded");
}

#[tokio::test(start_paused = true)]
async fn list_that_cannot_be_read_starts_nothing() {
    let simulator = world(&["octo/a", "octo/b"], delivers());
    simulator.fault_times(Route::List, 3, Fault::status(502));
    let ran = run(&simulator, "octo/a\nocto/b").run().await;
    ran.exits(5).posts(0).gives("rollout-state", "");
    shows(run(&simulator, "octo/a\nocto/b").run().await.posts(1), 0, "running", "1running 2queued");
}

#[tokio::test(start_paused = true)]
async fn cache_that_is_something_else_is_ignored() {
    let simulator = world(&["octo/a", "octo/b"], delivers());
    let ran = run(&simulator, "octo/a\nocto/b").run().await;
    for text in ["", "{", "[]", "{\"user\": 1, \"markers\": {\"x\": \"y\"}}"] {
        let ran = run(&simulator, "octo/a\nocto/b").after(&ran).file("rollout.json", text).run().await;
        shows(ran.posts(1), 0, "running", "1running 2queued");
    }
    let outside = run(&simulator, "octo/a").with("rollout-cache", "../x.json").run().await;
    outside.exits(2);
}

#[tokio::test(start_paused = true)]
async fn cache_that_was_changed_is_ignored() {
    let simulator = world(&["octo/a", "octo/b", "octo/x"], delivers());
    let merged = ExistingTask {
        repository: "octo/x".to_owned(),
        creator: Token::default().id,
        script: merged_after(Duration::ZERO),
        age: DAY,
        ..ExistingTask::default()
    };
    simulator.add_task(merged);
    let started = run(&simulator, "octo/a\nocto/b").run().await;
    tokio::time::sleep(2 * HOUR).await;
    let ran = run(&simulator, "octo/a\nocto/b").after(&started).run().await;
    shows(ran.posts(1), 0, "waiting", "1waiting 2queued");
    let kept = ran.folder.read("workspace/rollout.json");
    let cache: Value = serde_json::from_str(&kept).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut cache = cache.clone();
        change(&mut cache);
        cache.to_string()
    };
    let ours = cache["markers"].as_object().unwrap().values().find(|it| it.as_str().unwrap().contains("baseline"));
    let ours = ours.unwrap().clone();
    for text in [
        // The task of the rollout is of another one.
        kept.replace("rollout=baseline", "rollout=other"),
        // A merged pull request of another task opens the second wave.
        changed(&|it| it["markers"].as_object_mut().unwrap().values_mut().for_each(|marker| *marker = ours.clone())),
        changed(&|it| it["read-at"] = "2099-01-01T00:00:00Z".into()),
        changed(&|it| drop(it.as_object_mut().unwrap().remove("signature"))),
    ] {
        assert_ne!(text, kept);
        let ran = run(&simulator, "octo/a\nocto/b").after(&ran).file("rollout.json", text).run().await;
        shows(ran.posts(1), 0, "waiting", "1waiting 2queued");
        assert!(ran.log.contains("rollout-cache was changed"), "{}", ran.log);
        assert_eq!(ran.folder.read("workspace/rollout.json"), kept);
    }
    let same = run(&simulator, "octo/a\nocto/b").after(&ran).run().await;
    assert!(!same.log.contains("rollout-cache"), "{}", same.log);
}

#[tokio::test(start_paused = true)]
async fn rollout_refuses_what_has_no_meaning() {
    let simulator = world(&["octo/a"], delivers());
    for (inputs, part) in [
        (&[("wait", "true")][..], "rollout excludes wait: true"),
        (&[("repositories", ""), ("waves", "")], "rollout requires repositories"),
        (&[("rollout", "a/b")], "is not a name"),
        (&[("attempts", "0")], "attempts: 0 is not a number of tasks; write 1 to 10"),
        (&[("shard", "1/2")], "shard has no effect with rollout"),
        (&[("tolerate", "10%")], "tolerate has no effect with rollout"),
        (&[("idempotency-key", "k")], "idempotency-key has no effect with rollout"),
        (&[("if-active", "attach")], "attach excludes rollout"),
        (&[("advance-on", "accepted")], "advance-on accepted requires expect"),
        (&[("advance-on", "soon")], "expected completed, accepted or merged"),
        (&[("create-pull-request", "")], "advance-on merged requires create-pull-request: true"),
        (&[("stall-after", "0d")], "stall-after: expected a duration"),
        (&[("rollout", ""), ("wave-success", ""), ("waves", "")], "advance-on requires rollout"),
        (&[("rollout", ""), ("advance-on", "")], "waves requires wait: true or rollout"),
        (&[("max-parallel", "2")], "max-parallel requires wait: true"),
        (&[("waves", "1, 1"), ("repositories", "octo/a\nocto/b\nocto/c")], "has room for 2 of 3"),
    ] {
        let step = inputs.iter().fold(run(&simulator, "octo/a"), |step, (name, value)| step.with(name, value));
        let ran = step.run().await;
        ran.exits(2).posts(0);
        assert!(ran.refusal().contains(part), "{inputs:?}: {}", ran.refusal());
    }
}
