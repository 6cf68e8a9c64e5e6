//! Pull requests: files, commits, checks and reviews by REST.

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    Approval, ChangedFile, CheckRun, CheckSuite, CommitStatus, Permission, PullContent, Review, Script, Simulator,
    Token,
};

use super::{as_token, get, secs, started};

/// A simulator whose pull request 12 of `octo/app` has these contents.
pub(super) fn with_pull(content: PullContent) -> Simulator {
    let simulator = Simulator::new();
    let number = simulator.open_pull("octo/app", "feature", "main");
    simulator.push("octo/app", number, content);
    simulator
}

fn names(list: &Value, field: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|it| it[field].as_str().unwrap().to_owned()).collect()
}

async fn head(simulator: &Simulator) -> String {
    get(simulator, "/repos/octo/app/pulls/12").await.body["head"]["sha"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn files_come_in_pages_of_a_hundred_up_to_three_thousand() {
    let files = (0..3100).map(|at| ChangedFile::added(format!("src/{at}.rs"), 2));
    let simulator = with_pull(PullContent::default().files(files));
    let pull = get(&simulator, "/repos/octo/app/pulls/12").await.body;
    assert_eq!((&pull["changed_files"], &pull["additions"]), (&json!(3100), &json!(6200)));
    let page = |number: u32| format!("/repos/octo/app/pulls/12/files?per_page=100&page={number}");
    let first = get(&simulator, &page(1)).await;
    assert!(first.header("link").contains("page=30>; rel=\"last\""), "{}", first.header("link"));
    assert_eq!(first.body.as_array().unwrap().len(), 100);
    assert_eq!(get(&simulator, &page(30)).await.body.as_array().unwrap().len(), 100);
    assert_eq!(get(&simulator, &page(31)).await.body, json!([]));
}

#[tokio::test(start_paused = true)]
async fn renamed_file_has_both_paths() {
    let files = [ChangedFile::renamed("a.rs", "b.rs"), ChangedFile::removed("c.rs", 3)];
    let simulator = with_pull(PullContent::default().files(files));
    let files = get(&simulator, "/repos/octo/app/pulls/12/files").await.body;
    assert_eq!((&files[0]["filename"], &files[0]["previous_filename"]), (&json!("b.rs"), &json!("a.rs")));
    assert_eq!((&files[1]["status"], files[1].get("previous_filename")), (&json!("removed"), None));
}

#[tokio::test(start_paused = true)]
async fn checks_turn_green_late_or_never_end() {
    let content = PullContent::default()
        .check(CheckRun { starts: secs(10), ..CheckRun::ending("test", "success", secs(300)) })
        .check(CheckRun::endless("hang"));
    let simulator = with_pull(content);
    let path = format!("/repos/octo/app/commits/{}/check-runs", head(&simulator).await);
    let mut seen = Vec::new();
    for wait in [0, 10, 290] {
        sleep(secs(wait)).await;
        let runs = get(&simulator, &path).await.body["check_runs"].clone();
        seen.push((names(&runs, "status"), runs[0]["conclusion"].clone()));
    }
    assert_eq!(seen[0].0, ["queued", "in_progress"]);
    assert_eq!(seen[1].0, ["in_progress", "in_progress"]);
    assert_eq!(seen[2], (vec!["completed".to_owned(), "in_progress".to_owned()], json!("success")));
    let by_branch = get(&simulator, "/repos/octo/app/commits/feature/check-runs").await;
    assert_eq!(by_branch.body["total_count"], 2);
    assert_eq!(get(&simulator, "/repos/octo/app/commits/gone/check-runs").await.status, 422);
    assert!(simulator.unexpected().is_empty());
}

#[tokio::test(start_paused = true)]
async fn workflow_waits_for_approval() {
    let approved = CheckSuite {
        approval: Approval::After(secs(60)),
        runs: vec![CheckRun::ending("test", "failure", secs(30))],
        ..CheckSuite::default()
    };
    let simulator = with_pull(PullContent::default().suite(CheckSuite::waits_for_approval("CI")).suite(approved));
    let path = format!("/repos/octo/app/commits/{}", head(&simulator).await);
    let suites = |reply: super::Reply| names(&reply.body["check_suites"], "conclusion");
    assert_eq!(suites(get(&simulator, &format!("{path}/check-suites")).await), ["action_required"; 2]);
    assert_eq!(get(&simulator, &format!("{path}/check-runs")).await.body["total_count"], 0);
    let waiting = get(&simulator, "/repos/octo/app/actions/runs?status=action_required").await.body;
    assert_eq!((&waiting["total_count"], &waiting["workflow_runs"][0]["name"]), (&json!(2), &json!("CI")));
    sleep(secs(90)).await;
    assert_eq!(suites(get(&simulator, &format!("{path}/check-suites")).await), ["action_required", "failure"]);
    assert_eq!(get(&simulator, &format!("{path}/check-runs")).await.body["total_count"], 1);
}

#[tokio::test(start_paused = true)]
async fn statuses_count_beside_check_runs() {
    let content = PullContent::default().status(CommitStatus::ending("ci/old", "error", secs(20)));
    let simulator = with_pull(content);
    let path = format!("/repos/octo/app/commits/{}/status", head(&simulator).await);
    assert_eq!(get(&simulator, &path).await.body["state"], "pending");
    sleep(secs(20)).await;
    let combined = get(&simulator, &path).await.body;
    assert_eq!((&combined["state"], &combined["statuses"][0]["state"]), (&json!("failure"), &json!("error")));
    assert_eq!(get(&simulator, "/repos/octo/app/commits/main/status").await.body["state"], "pending");
    assert_eq!(get(&simulator, "/repos/octo/app/commits/main/statuses").await.body, json!([]));
}

#[tokio::test(start_paused = true)]
async fn reading_checks_needs_a_permission() {
    let simulator = with_pull(PullContent::default());
    simulator.token("github_pat_blind", Token::default().without(Permission::ChecksRead));
    for (path, status) in [("check-runs", 403), ("check-suites", 403), ("status", 200)] {
        let path = format!("/repos/octo/app/commits/feature/{path}");
        let reply = as_token(&simulator, "github_pat_blind", "GET", &path).await;
        assert_eq!(reply.status, status, "{path}");
        if status == 403 {
            assert_eq!(reply.header("x-accepted-github-permissions"), "checks=read");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn push_brings_another_head_and_other_checks() {
    let simulator = with_pull(PullContent::default().check(CheckRun::ending("test", "success", secs(0))));
    let before = head(&simulator).await;
    sleep(secs(100)).await;
    simulator.push("octo/app", 12, PullContent::default().check(CheckRun::ending("test", "failure", secs(50))));
    let after = head(&simulator).await;
    assert_ne!(before, after);
    let runs = |sha: &str| format!("/repos/octo/app/commits/{sha}/check-runs");
    assert_eq!(get(&simulator, &runs(&after)).await.body["check_runs"][0]["conclusion"], Value::Null);
    sleep(secs(50)).await;
    assert_eq!(get(&simulator, &runs(&after)).await.body["check_runs"][0]["conclusion"], "failure");
    let commits = get(&simulator, "/repos/octo/app/pulls/12/commits").await.body;
    assert_eq!(commits[2]["sha"], after);
}

#[tokio::test(start_paused = true)]
async fn reviews_come_when_they_are_submitted() {
    let reviews = vec![Review::new("mona", "APPROVED", secs(60))];
    let simulator = with_pull(PullContent { reviews, mergeable: Some(true), ..PullContent::default() });
    let path = "/repos/octo/app/pulls/12/reviews";
    assert_eq!(get(&simulator, path).await.body, json!([]));
    sleep(secs(60)).await;
    let review = get(&simulator, path).await.body[0].clone();
    assert_eq!((&review["state"], &review["user"]["login"]), (&json!("APPROVED"), &json!("mona")));
    assert_eq!(get(&simulator, "/repos/octo/app/pulls/12").await.body["mergeable"], true);
}

#[tokio::test(start_paused = true)]
async fn task_delivers_what_its_script_says() {
    let simulator = Simulator::new();
    let content = PullContent::default().files([ChangedFile::added("secret.txt", 1)]);
    simulator.script("octo/app", Script::delivers(secs(60), content));
    started(&simulator, json!({"prompt": "x", "create_pull_request": true})).await;
    sleep(secs(61)).await;
    let task = &simulator.tasks()[0];
    assert_eq!((task.state.as_str(), task.pull), ("completed", Some(12)));
    let files = get(&simulator, "/repos/octo/app/pulls/12/files").await.body;
    assert_eq!(names(&files, "filename"), ["secret.txt"]);
}
