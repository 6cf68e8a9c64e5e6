//! Many repositories in one step, under virtual time and with GitHub's limits enforced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use insta::assert_snapshot;
use serde_json::Value;
use simulator::{Denial, Fault, Permission, Repository, Route, Script, Simulator, Token};

use crate::support::{Finished, Step, TOKEN, outputs, seconds};

/// A world with so many repositories, `octo/r0` and on.
pub(crate) fn world(count: usize) -> Simulator {
    let simulator = Simulator::new();
    for name in names(count) {
        simulator.repository(&name, Repository::default());
    }
    simulator
}

pub(crate) fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("octo/r{at}")).collect()
}

/// A step over these repositories.
fn fleet(simulator: &Simulator, repositories: &str) -> Step {
    Step::new(simulator).with("repositories", repositories).with("prompt", "Bump {{ target.name }}")
}

fn over(simulator: &Simulator, count: usize) -> Step {
    fleet(simulator, &names(count).join("\n"))
}

fn each(ran: &Finished, key: &str) -> Vec<String> {
    ran.results().iter().map(|result| result[key].to_string().trim_matches('"').to_owned()).collect()
}

/// How many tasks each repository has.
fn tasks(simulator: &Simulator) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for task in simulator.tasks() {
        *counts.entry(task.repository).or_default() += 1;
    }
    counts
}

#[track_caller]
fn assert_one_each(simulator: &Simulator, count: usize) {
    let counts = tasks(simulator);
    assert_eq!(counts.len(), count, "{counts:?}");
    assert!(counts.values().all(|tasks| *tasks == 1), "{counts:?}");
}

/// GitHub never had to limit the rate.
#[track_caller]
fn assert_never_limited(ran: &Finished) {
    let limited = ran.calls.iter().filter(|call| matches!(call.status, Some(403 | 429))).count();
    assert_eq!(limited, 0, "of {} requests", ran.calls.len());
}

fn count(ran: &Finished, method: &str, is: impl Fn(&str) -> bool) -> usize {
    ran.calls.iter().filter(|call| call.method == method && is(&call.path)).count()
}

#[tokio::test(start_paused = true)]
async fn fleet_has_a_prompt_task_and_result_for_each_repository() {
    let simulator = world(3);
    let list = "octo/r0 v=1.10, OCTO/R1\n# not this one\nocto/r2\nocto/r1 v=2";
    let ran = fleet(&simulator, list).with("prompt", "{{ target.name }} {{ vars.v }}").with("vars", "v: 0").run().await;
    ran.assert(0, "", "success");
    assert_eq!(each(&ran, "repository"), ["octo/r0", "OCTO/R1", "octo/r2"]);
    let prompts = simulator.tasks().into_iter().map(|task| task.prompt.lines().next().unwrap().to_owned());
    assert_eq!(prompts.collect::<BTreeSet<_>>(), ["r0 1.10", "R1 2", "r2 0"].map(str::to_owned).into());
    for (name, pull) in each(&ran, "repository").iter().zip(each(&ran, "pull-request-number")) {
        let pulls = simulator.pulls();
        let made = pulls.iter().find(|pull| pull.repository.eq_ignore_ascii_case(name)).unwrap();
        assert_eq!(pull, made.number.to_string(), "{name}");
    }
    assert_eq!((ran.output("started"), ran.output("succeeded"), ran.output("failed")), ("3", "3", "0"));
    assert!(ran.summary.contains("```mermaid"), "{}", ran.summary);
    assert_snapshot!(ran.headline(), @r"### ✅ 3 agent tasks, all succeeded");
}

#[tokio::test(start_paused = true)]
async fn list_comes_from_a_file_and_from_a_search() {
    let simulator = world(0);
    for at in 0..150 {
        let java = Repository { topics: vec!["java".to_owned()], archived: at % 10 == 0, ..Repository::default() };
        simulator.repository(&format!("acme/j{at:03}"), java);
    }
    simulator.repository("acme/other", Repository::default());
    let list = "@more.txt\nquery: org:acme topic:java -archived:true";
    let step = fleet(&simulator, list).with("wait", "false").file("more.txt", "octo/app x=1\nacme/j001\n");
    let ran = step.run().await;
    ran.assert(0, "", "");
    let found = each(&ran, "repository");
    assert_eq!(
        (found.len(), found[0].as_str(), found[1].as_str(), found[2].as_str()),
        (136, "octo/app", "acme/j001", "acme/j002")
    );
    assert_snapshot!(ran.log_lines("org:acme topic:java"), @"`org:acme topic:java -archived:true` finds 135 repositories");
    assert_eq!(count(&ran, "GET", |path| path == "/search/repositories"), 2);
    assert_one_each(&simulator, 136);
}

#[tokio::test(start_paused = true)]
async fn list_that_is_wrong_is_refused_with_all_its_faults() {
    let simulator = world(1);
    let mut actual = Vec::new();
    for list in [
        "octo\nocto/r0\na/b/c",
        "@gone.txt",
        "@list.txt",
        "octo/r0 a=1\nOCTO/r0 a=2",
        "query: org:nobody",
        "query: sort:stars",
        "# nothing",
    ] {
        let ran = fleet(&simulator, list).file("list.txt", "octo/r0\nx\n").run().await;
        assert_eq!(ran.code, 2, "{list}: {}", ran.log);
        assert_eq!(ran.starts(), 0);
        actual.push(ran.message());
    }
    assert_snapshot!(actual.join("\n"), @"
    repositories has a mistake in line 1: `octo` is not of the form `owner/name`; repositories has a mistake in line 3: `a/b/c` is not of the form `owner/name`
    repositories cannot use the file `gone.txt`: there is no such file under `[folder]/workspace`; is `actions/checkout` missing before this step?
    repositories names `list.txt`, which has a mistake in line 2: `x` is not of the form `owner/name`
    repositories octo/r0 is named twice with different settings or variables; keep one, or give each a `name` of its own
    repositories has no repository; check its queries and files, or write allow-empty: true if that is fine
    repositories `query: sort:stars` is refused by GitHub: Validation Failed; `sort:stars` is not understood
    repositories has no repository; check its queries and files, or write allow-empty: true if that is fine
    ");
}

#[tokio::test(start_paused = true)]
async fn list_from_an_incomplete_search_is_refused() {
    let simulator = world(5);
    let half = serde_json::json!({"total_count": 5, "incomplete_results": true, "items": [{"full_name": "octo/r0"}]});
    simulator.fault(Route::Other, Fault::status(200).body(half.clone()));
    let ran = fleet(&simulator, "query: org:octo r").with("wait", "false").run().await;
    assert_eq!((ran.code, ran.output("started")), (0, "5"), "{}", ran.log);
    simulator.fault_times(Route::Other, 3, Fault::status(200).body(half));
    let ran = fleet(&simulator, "query: org:octo r").with("wait", "false").run().await;
    assert_eq!((ran.code, ran.output("started")), (2, "0"), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn canary_that_fails_stops_the_rollout() {
    let simulator = world(20);
    simulator.script("octo/r0", Script::fails("boom"));
    let ran = over(&simulator, 20).with("waves", "1, 5, *").run().await;
    assert_eq!((ran.code, ran.output("started"), ran.output("conclusion")), (1, "1", "failure"), "{}", ran.log);
    assert_eq!(each(&ran, "conclusion")[..2], ["failure", "skipped"]);
    assert_snapshot!(ran.results()[19]["error-message"].as_str().unwrap(), @"not started: in wave 1 of 3, 0 of 1 succeeded; `wave-success` requires 100%");
    assert_snapshot!(ran.annotations(), @"
    error [Wave failed] 19 repositories not started: in wave 1 of 3, 0 of 1 succeeded; `wave-success` requires 100%
    error [Task failed] octo/r0: The task failed: boom. Read its log: https://github.com/octo/r0/tasks/[id]
    ");
    assert_snapshot!(ran.headline(), @"### ⛔ Wave failed, 20 agent tasks: 1 failed, 19 not started");
    assert_snapshot!(ran.summary_lines("19 ×"), @"");
}

#[tokio::test(start_paused = true)]
async fn wave_succeeds_at_the_share_that_is_asked_for() {
    for (share, started, code) in [("80%", "20", 1), ("81%", "6", 1)] {
        let simulator = world(20);
        simulator.script("octo/r3", Script::fails("boom"));
        let ran = over(&simulator, 20).with("waves", "1, 5, *").with("wave-success", share).run().await;
        assert_eq!((ran.code, ran.output("started")), (code, started), "{share}: {}", ran.log);
    }
}

#[tokio::test(start_paused = true)]
async fn wave_begins_when_the_one_before_has_ended() {
    let simulator = world(3);
    let ran = over(&simulator, 3).with("waves", "1, *").run().await;
    let starts = simulator.tasks().into_iter().map(|task| task.created_at).collect::<Vec<_>>();
    assert!(starts[1] - starts[0] >= seconds(120), "{starts:?}");
    assert_snapshot!(ran.log_lines("wave 2"), @"wave 2 of 2: 2 repositories");
}

/// Its task is that of the other name, so it is no failure.
#[tokio::test(start_paused = true)]
async fn repository_under_two_names_does_not_stop_the_waves() {
    let simulator = world(2);
    let renamed = Repository { renamed_from: vec!["octo/old".to_owned()], ..Repository::default() };
    simulator.repository("octo/new", renamed);
    let step = fleet(&simulator, "octo/old\nocto/r0\nocto/new\nocto/r1").with("prompt", "Bump it");
    let ran = step.with("waves", "2, *").run().await;
    ran.exits(0);
    assert_eq!((simulator.tasks().len(), each(&ran, "conclusion")[0].as_str()), (3, "skipped"));
}

#[tokio::test(start_paused = true)]
async fn stale_list_does_not_hide_that_a_task_is_idle() {
    let simulator = world(11);
    simulator.script("octo/r3", Script::idles_forever());
    let stale_once_read = async {
        loop {
            tokio::time::sleep(seconds(1)).await;
            let mut tasks = simulator.tasks().into_iter();
            let Some(task) = tasks.find(|task| task.repository == "octo/r3" && task.state == "idle") else { continue };
            if simulator.log().iter().any(|call| call.method == "GET" && call.path.ends_with(&task.id)) {
                let stale = serde_json::json!({"tasks": [{"id": task.id, "state": "in_progress"}]});
                return simulator.fault(Route::List, Fault::status(200).body(stale));
            }
        }
    };
    let (ran, ()) = tokio::join!(over(&simulator, 11).with("wait-timeout", "60m").run(), stale_once_read);
    assert_eq!((each(&ran, "conclusion")[3].as_str(), simulator.faults_left()), ("action_required", 0), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn failure_of_one_stops_no_other_and_a_share_is_tolerated() {
    let mut actual = Vec::new();
    for (tolerate, code) in [("0%", 4), ("10%", 4), ("15%", 0)] {
        let simulator = world(20);
        simulator.script("octo/r1", Script::fails("boom"));
        simulator.script("octo/r2", Script::waits_for_user());
        simulator.repository("octo/r3", Repository { agent_enabled: false, ..Repository::default() });
        let ran = over(&simulator, 20).with("tolerate", tolerate).run().await;
        assert_eq!((ran.code, ran.output("succeeded"), ran.output("failed")), (code, "17", "3"), "{}", ran.log);
        assert_eq!(each(&ran, "conclusion")[..4], ["success", "failure", "action_required", "null"]);
        assert!(ran.results()[3]["error-message"].is_string());
        assert_eq!(ran.results()[1]["error-message"], "boom");
        actual.push(ran.headline());
    }
    assert_snapshot!(actual.join("\n"), @"
    ### ❌ 20 agent tasks: 1 failed, 1 not started, 1 needs a person, 17 succeeded
    ### ❌ 20 agent tasks: 1 failed, 1 not started, 1 needs a person, 17 succeeded
    ### ⚠️ 20 agent tasks: 1 failed, 1 not started, 1 needs a person, 17 succeeded
    ");
}

#[tokio::test(start_paused = true)]
async fn max_parallel_limits_the_running_tasks() {
    let simulator = world(30);
    let ran = over(&simulator, 30).with("max-parallel", "4").run().await;
    assert_eq!((ran.code, ran.output("succeeded")), (0, "30"), "{}", ran.log);
    // Each runs for two minutes, and is seen to have ended some seconds later.
    let starts = simulator.tasks().into_iter().map(|task| task.created_at).collect::<Vec<_>>();
    for window in starts.windows(5) {
        assert!(window[4] - window[0] >= seconds(120), "{window:?}");
    }
    assert_never_limited(&ran);
}

#[tokio::test(start_paused = true)]
async fn token_without_a_license_is_tried_three_times() {
    let simulator = world(50);
    simulator.token(TOKEN, Token { licence: false, ..Token::default() });
    let ran = over(&simulator, 50).run().await;
    assert_eq!((ran.code, ran.starts()), (4, 3), "{}", ran.log);
    // What is not started takes no turn.
    assert!(ran.took < seconds(4), "{:?}", ran.took);
    assert_snapshot!(ran.results()[49]["error-message"].as_str().unwrap(), @"not started: GitHub refuses all starts of this token: the token's owner has no Copilot license that includes the cloud agent (A Copilot licence is needed to use this API). Use a token of a user who has one, or assign a license under the organization's Copilot settings");
}

#[tokio::test(start_paused = true)]
async fn repository_without_a_license_does_not_stop_others() {
    let denied = || Repository { start_denial: Some(Denial::PlanRequired), ..Repository::default() };
    for accepts in 0..3 {
        let simulator = world(5);
        for (_, name) in names(5).iter().enumerate().filter(|(index, _)| *index != accepts) {
            simulator.repository(name, denied());
        }
        let ran = over(&simulator, 5).run().await;
        assert_eq!((ran.code, ran.starts(), ran.output("started")), (4, 5, "1"), "{accepts}: {}", ran.log);
    }
}

#[tokio::test(start_paused = true)]
async fn owner_without_a_license_does_not_stop_another() {
    let simulator = world(5);
    for name in names(5) {
        simulator.repository(&name, Repository { start_denial: Some(Denial::PlanRequired), ..Repository::default() });
    }
    simulator.repository("acme/licensed", Repository::default());
    let listed = format!("{}\nacme/licensed", names(5).join("\n"));
    let ran = over(&simulator, 5).with("repositories", &listed).run().await;
    assert_eq!((ran.code, ran.starts(), ran.output("started")), (4, 6, "1"), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn fleet_of_hundreds_stays_inside_githubs_limits() {
    let simulator = world(600);
    let ran = over(&simulator, 600).with("wait-timeout", "3h").run().await;
    assert_eq!((ran.code, ran.output("succeeded")), (0, "600"), "{}", &ran.log[ran.log.len() - 3000..]);
    assert_one_each(&simulator, 600);
    assert_never_limited(&ran);
    // 500 at a second each, and 100 more in the next hour.
    assert!(ran.took >= seconds(3600) && ran.took < seconds(3600 + 400), "{:?}", ran.took);
    let lists = count(&ran, "GET", |path| path == "/agents/tasks");
    let single = count(&ran, "GET", |path| path.contains("/tasks/"));
    assert!(single <= 2 * 600, "{single} polls of single tasks and {lists} lists");
    // The list of up to 150 running tasks has two pages, every 15 seconds.
    assert!(lists <= 2 * usize::try_from(ran.took.as_secs() / 15).unwrap() + 10, "{lists}");
    let queries = count(&ran, "POST", |path| path == "/graphql");
    let rest = count(&ran, "GET", |path| path.ends_with("/pulls"));
    assert!(queries + rest <= 600 / 5, "{queries} queries and {rest} lists for 600 pull requests");
    let numbers = each(&ran, "pull-request-number");
    assert!(numbers.iter().all(|number| number != "null"), "a number is missing");
    assert_eq!(each(&ran, "repository"), names(each(&ran, "repository").len()));
    assert!(ran.summary.len() < 1024 * 1024);
    assert_snapshot!(ran.summary_lines("400 more"), @"and 400 more, in the file that `results-file` names");
}

/// However the artifact names it: by its id, or not at all, so that the branch has to lead to it.
#[tokio::test(start_paused = true)]
async fn pull_requests_are_looked_up_in_batches() {
    let simulator = world(30);
    let blind = || Token::default().without(Permission::PullRequestsRead);
    simulator.token(TOKEN, blind());
    simulator.token("ghp_reader", Token::default());
    let ran = over(&simulator, 30).with("lookup-token", "ghp_reader").run().await;
    assert_eq!((ran.code, ran.output("succeeded")), (0, "30"), "{}", ran.log);
    let pulls = simulator.pulls();
    for (name, number) in each(&ran, "repository").iter().zip(each(&ran, "pull-request-number")) {
        assert_eq!(number, pulls.iter().find(|pull| pull.repository == *name).unwrap().number.to_string());
    }
    assert!(count(&ran, "POST", |path| path == "/graphql") <= 12);
    simulator.token("ghp_reader", blind());
    let ran = over(&simulator, 30).with("lookup-token", "ghp_reader").with("vars", "again: 1").run().await;
    assert_eq!((ran.code, ran.output("succeeded")), (0, "30"), "{}", ran.log);
    assert!(each(&ran, "pull-request-number").iter().all(|number| number == "null"));
    let annotations = ran.annotations();
    let messages = annotations.lines().map(|line| line.split_once("] ").unwrap().1).collect::<BTreeSet<_>>();
    assert_snapshot!(messages.into_iter().collect::<Vec<_>>().join("\n"), @"the pull request's number is not known: the token lacks a permission (Resource not accessible by personal access token). Give `lookup-token` a token that may read pull requests: for the workflow's own repository `${{ github.token }}` with `permissions: pull-requests: read` serves");
}

#[tokio::test(start_paused = true)]
async fn tasks_that_may_not_be_listed_are_read_one_by_one() {
    let simulator = world(15);
    simulator.fault_times(Route::List, 1, Fault::status(404));
    let ran = over(&simulator, 15).run().await;
    assert_eq!((ran.code, ran.output("succeeded")), (0, "15"), "{}", ran.log);
    assert_snapshot!(ran.log_lines("list"), @"cannot list the tasks: GitHub finds nothing there for this token (Not Found). Either there is no such repository or task, or the token does not reach the repository (a fine-grained token lists the repositories it is for, and an organization may have to approve it), or the Copilot cloud agent is not enabled for it; polling each by itself");
    assert_eq!(count(&ran, "GET", |path| path == "/agents/tasks"), 1);
}

#[tokio::test(start_paused = true)]
async fn lists_that_fail_for_a_while_lose_nothing() {
    let simulator = world(15);
    simulator.faults(Route::List, [Fault::status(502), Fault::status(503), Fault::garbage()]);
    let ran = over(&simulator, 15).run().await;
    assert_eq!((ran.code, ran.output("succeeded")), (0, "15"), "{}", ran.log);
    assert_snapshot!(ran.log_lines("GitHub"), @"
    at least       14s of starting, by GitHub's limits
    could not list the tasks: GitHub answered with status 502 Bad Gateway, request id [request]; trying again
    GitHub answers again
    ");
}

#[tokio::test(start_paused = true)]
async fn unknown_state_is_waited_for_in_a_fleet() {
    let simulator = world(15);
    simulator.script("octo/r4", Script::unknown_state("pondering", Script::completes_with_pull(seconds(60))));
    simulator.script("octo/r5", Script::idles_forever());
    simulator.script("octo/r6", Script::stays("in_progress"));
    let ran = over(&simulator, 15).run().await;
    let conclusions = each(&ran, "conclusion");
    assert_eq!(conclusions[4..7], ["success", "action_required", "timed_out"], "{}", ran.log);
    assert_eq!((ran.code, ran.output("succeeded")), (1, "13"));
}

#[tokio::test(start_paused = true)]
async fn fleet_that_was_killed_is_continued_by_a_rerun() {
    for after in [1, 10, 30, 70, 260] {
        let simulator = world(40);
        let step = |attempt: &str| {
            let step = over(&simulator, 40).variable("GITHUB_RUN_ID", "17").variable("GITHUB_RUN_ATTEMPT", attempt);
            step.variable("GITHUB_EVENT_NAME", "workflow_dispatch")
        };
        let killed = step("1").run_for(seconds(after)).await;
        let before = simulator.starts();
        let ran = step("2").run().await;
        assert_eq!((ran.code, ran.output("succeeded")), (0, "40"), "killed after {after} s: {}", ran.log);
        assert_one_each(&simulator, 40);
        assert_eq!(ran.output("started"), (40 - before).to_string(), "killed after {after} s");
        assert!(killed.is_none() || before == 40);
        let listed =
            ran.calls.iter().filter(|call| call.path.starts_with("/agents/repos") && call.path.ends_with("/tasks"));
        let listed = listed.filter(|call| call.method == "GET").count();
        assert!(listed < 40, "killed after {after} s: {listed} lists of single repositories");
        assert_never_limited(&ran);
    }
}

/// Only the file has all of them: the output ends before the last ones.
#[tokio::test(start_paused = true)]
async fn results_file_of_a_killed_fleet_has_what_the_output_has_no_room_for() {
    let simulator = world(40);
    simulator.default_script(Script::fails("x".repeat(4000)));
    simulator.script("octo/r39", Script::new().state("queued", seconds(800)).then(Script::stays("in_progress")));
    let step = over(&simulator, 40);
    let folder = Arc::clone(&step.folder);
    assert!(step.run_for(seconds(1200)).await.is_none());
    let outputs = outputs(&folder.read("output"));
    assert!(!outputs["results"].contains("octo/r39"));
    let results = folder.read(&outputs["results-file"]);
    let results: Vec<Value> = serde_json::from_str(&results).unwrap();
    assert_eq!((&results[39]["repository"], &results[39]["state"]), (&"octo/r39".into(), &"in_progress".into()));
}

#[tokio::test(start_paused = true)]
async fn starts_without_an_answer_make_one_task_each() {
    let simulator = world(12);
    simulator.faults(
        Route::Start,
        [Fault::status(502).after_accepting(), Fault::drop(), Fault::status(502), Fault::drop().after_accepting()],
    );
    let ran = over(&simulator, 12).run().await;
    assert_eq!((ran.code, ran.output("succeeded"), ran.output("started")), (0, "12", "12"), "{}", ran.log);
    assert_one_each(&simulator, 12);
}

#[tokio::test(start_paused = true)]
async fn rate_limit_slows_a_fleet_and_loses_nothing() {
    let simulator = world(20);
    simulator.fault(Route::Start, Fault::rate_limit(seconds(90)));
    let ran = over(&simulator, 20).run().await;
    assert_eq!((ran.code, ran.output("succeeded")), (0, "20"), "{}", ran.log);
    let limited = ran.calls.iter().position(|call| call.status == Some(403)).unwrap();
    let next = ran.calls[limited + 1].at;
    assert!(next - ran.calls[limited].at >= seconds(90), "{next:?}");
    assert_one_each(&simulator, 20);
}

#[tokio::test(start_paused = true)]
async fn shards_cover_the_list_once() {
    let simulator = world(50);
    let mut all = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let ran = over(&simulator, 50).with("shard", shard).run().await;
        assert_eq!(ran.code, 0, "{}", ran.log);
        insta::allow_duplicates! {
            assert_snapshot!(ran.log_lines("shared by"), @"shared by      3 jobs, so that each has that part of GitHub's limits");
        }
        all.extend(each(&ran, "repository"));
    }
    all.sort();
    let mut expected = names(50);
    expected.sort();
    assert_eq!(all, expected);
    assert_one_each(&simulator, 50);
    let ran = over(&simulator, 2).with("shard", "3/3").run().await;
    assert_eq!((ran.code, ran.output("conclusion")), (0, "skipped"));
}

#[tokio::test(start_paused = true)]
async fn plan_gives_each_job_its_part() {
    let simulator = world(25);
    let plan = || {
        let step = Step::new(&simulator).with("command", "plan").with("repositories", "query: org:octo r");
        let step = step.with("prompt", "").with("wait", "").with("create-pull-request", "");
        step.with("shard", "4")
    };
    let ran = plan().run().await;
    assert_eq!((ran.code, ran.starts()), (0, 0), "{}", ran.log);
    let matrix: Value = serde_json::from_str(ran.output("matrix")).unwrap();
    let jobs = matrix["include"].as_array().unwrap();
    assert_eq!(jobs.iter().map(|job| job["count"].as_u64().unwrap()).collect::<Vec<_>>(), [7, 6, 6, 6]);
    for job in jobs {
        let ran = fleet(&simulator, job["repositories"].as_str().unwrap()).with("wait", "false").run().await;
        assert_eq!(ran.output("started"), job["count"].to_string());
        insta::allow_duplicates! {
            assert_snapshot!(ran.log_lines("shared by"), @"shared by      4 jobs, so that each has that part of GitHub's limits");
        }
    }
    assert_one_each(&simulator, 25);
    // The workflow's own token is enough to search.
    simulator.token("ghs_simulated", Token::default());
    let ran = plan().with("token", "ghs_simulated").run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn dry_run_of_a_fleet_shows_its_pace() {
    let simulator = world(0);
    let ran = over(&simulator, 700).with("waves", "1, 5, *").with("dry-run", "true").run().await;
    assert_eq!((ran.code, ran.calls.len()), (0, 0), "{}", ran.log);
    assert_snapshot!(ran.log_lines("Plan"), @"::group::Plan: start a task in each of 700 repositories");
    assert_snapshot!(ran.log_lines("waves "), @"waves          1, 5, 694; the next starts at 100% success");
    assert_snapshot!(ran.log_lines("at least "), @"at least       1h 3m 19s of starting, by GitHub's limits");
    assert_snapshot!(ran.log_lines("680 more"), @"and 680 more requests of this kind");
}

#[tokio::test(start_paused = true)]
async fn idempotency_key_holds_for_each_repository() {
    let simulator = world(15);
    for started in ["15", "0"] {
        let ran = over(&simulator, 15).with("idempotency-key", "2026-48").run().await;
        assert_eq!((ran.code, ran.output("started"), ran.output("succeeded")), (0, started, "15"), "{}", ran.log);
    }
    assert_one_each(&simulator, 15);
}

#[tokio::test(start_paused = true)]
async fn if_active_holds_for_each_repository() {
    let simulator = world(15);
    let run = |id: &str| over(&simulator, 15).variable("GITHUB_RUN_ID", id).variable("GITHUB_EVENT_NAME", "schedule");
    let first = run("1").with("wait", "false").run().await;
    assert_eq!(first.output("started"), "15");
    tokio::time::sleep(seconds(10)).await;
    let second = run("2").with("if-active", "skip").with("waves", "1, *").run().await;
    assert_eq!(
        (second.code, second.output("started"), second.output("conclusion")),
        (0, "0", "skipped"),
        "{}",
        second.log
    );
    assert_one_each(&simulator, 15);
}

#[tokio::test(start_paused = true)]
async fn empty_lists_are_fine_where_that_is_said() {
    let step = || Step::new(&Simulator::new()).with("repositories", "query: org:nobody");
    assert_eq!(step().run().await.code, 2);
    let ran = step().with("allow-empty", "true").run().await;
    assert_eq!((ran.code, ran.output("conclusion"), ran.output("started"), ran.starts()), (0, "skipped", "0", 0));
    assert_eq!(ran.output("results"), "[]");
    assert!(ran.log.contains("::notice title=Nothing started::"), "{}", ran.log);
    // A part of a list that has fewer repositories than parts.
    let three = Step::new(&Simulator::new()).with("repositories", "octo/a\nocto/b\nocto/c");
    let ran = three.with("shard", "4/8").run().await;
    assert_eq!((ran.code, ran.output("conclusion"), ran.starts()), (0, "skipped", 0), "{}", ran.log);

    let plan = Step::new(&Simulator::new()).with("command", "plan").with("prompt", "").with("wait", "");
    let plan = plan.with("create-pull-request", "").with("repositories", "query: org:nobody");
    let ran = plan.with("allow-empty", "true").run().await;
    let matrix: Value = serde_json::from_str(ran.output("matrix")).unwrap();
    assert_eq!((ran.code, &matrix["include"][0]["count"]), (0, &serde_json::json!(0)), "{}", ran.log);
    let job = Step::new(&Simulator::new()).with("repositories", matrix["include"][0]["repositories"].as_str().unwrap());
    assert_eq!(job.run().await.output("conclusion"), "skipped");
}
