//! GraphQL: what the published schema allows, and what GitHub answers.

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{ChangedFile, CheckRun, CheckSuite, CommitStatus, Permission, PullContent, Review, Simulator, Token};

use super::pulls::with_pull;
use super::{request, secs, send};

async fn query(simulator: &Simulator, secret: &str, text: &str) -> Value {
    let body = json!({"query": text, "variables": {}}).to_string();
    let mut request = request("POST", "/graphql");
    request.headers_mut().unwrap().insert("authorization", format!("Bearer {secret}").parse().unwrap());
    send(simulator, request, &body).await.unwrap().body
}

/// Asks for these fields of pull request 12.
async fn pull(simulator: &Simulator, fields: &str) -> Value {
    let text = format!("{{ repository(owner: \"octo\", name: \"app\") {{ pullRequest(number: 12) {{ {fields} }} }} }}");
    let answer = query(simulator, super::TOKEN, &text).await;
    assert_eq!((answer.get("errors"), simulator.unexpected()), (None, Vec::new()), "{answer:#}");
    answer["data"]["repository"]["pullRequest"].clone()
}

#[tokio::test(start_paused = true)]
async fn size_files_and_merge_state_are_those_of_rest() {
    let files = [ChangedFile::renamed("a.rs", "b.rs"), ChangedFile::modified("c.rs", 4, 3)];
    let content = PullContent { mergeable: Some(false), merge_state: "dirty".to_owned(), ..PullContent::default() };
    let simulator = with_pull(content.files(files));
    let fields = "additions deletions changedFiles mergeable mergeStateStatus reviewDecision author { login __typename } \
        files(first: 1) { totalCount nodes { path changeType } pageInfo { hasNextPage endCursor } }";
    let first = pull(&simulator, fields).await;
    let cursor = first["files"]["pageInfo"]["endCursor"].as_str().unwrap();
    assert_eq!((&first["additions"], &first["changedFiles"]), (&json!(4), &json!(2)));
    assert_eq!(first["mergeable"], "CONFLICTING");
    assert_eq!(first["files"]["nodes"], json!([{"path": "b.rs", "changeType": "RENAMED"}]));
    assert_eq!(first["files"]["pageInfo"]["hasNextPage"], true);
    let second = pull(&simulator, &format!("files(first: 100, after: \"{cursor}\") {{ nodes {{ path }} }}")).await;
    assert_eq!(second["files"]["nodes"], json!([{"path": "c.rs"}]));
}

#[tokio::test(start_paused = true)]
async fn rollup_counts_check_runs_and_statuses() {
    let content = PullContent::default()
        .check(CheckRun::ending("test", "success", secs(60)))
        .check(CheckRun::ending("docs", "skipped", secs(0)))
        .status(CommitStatus::ending("ci/old", "success", secs(30)));
    let simulator = with_pull(content);
    let fields = "commits(last: 1) { nodes { commit { oid statusCheckRollup { state contexts(first: 100) { \
        checkRunCountsByState { state count } nodes { __typename \
        ... on CheckRun { name status conclusion isRequired(pullRequestNumber: 12) } \
        ... on StatusContext { context state } } } } } } }";
    let rollup = |pull: &Value| pull["commits"]["nodes"][0]["commit"]["statusCheckRollup"].clone();
    let early = rollup(&pull(&simulator, fields).await);
    assert_eq!(early["state"], "PENDING");
    sleep(secs(60)).await;
    let late = rollup(&pull(&simulator, fields).await);
    assert_eq!(late["state"], "SUCCESS");
    let kinds: Vec<&str> =
        late["contexts"]["nodes"].as_array().unwrap().iter().map(|it| it["__typename"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["CheckRun", "CheckRun", "StatusContext"]);
    assert_eq!(late["contexts"]["checkRunCountsByState"][0], json!({"state": "SKIPPED", "count": 1}));
}

#[tokio::test(start_paused = true)]
async fn rollup_does_not_show_what_waits_for_approval() {
    let simulator = with_pull(PullContent::default().suite(CheckSuite::waits_for_approval("CI")));
    let fields = "statusCheckRollup { state } commits(last: 1) { nodes { commit { checkSuites(first: 10) { nodes { \
        status conclusion app { slug } workflowRun { url workflow { name } } checkRuns { totalCount } } } } } }";
    let pull = pull(&simulator, fields).await;
    assert_eq!(pull["statusCheckRollup"], Value::Null);
    let suite = &pull["commits"]["nodes"][0]["commit"]["checkSuites"]["nodes"][0];
    assert_eq!((&suite["status"], &suite["conclusion"]), (&json!("COMPLETED"), &json!("ACTION_REQUIRED")));
    assert_eq!(suite["workflowRun"]["workflow"]["name"], "CI");
    assert_eq!(suite["checkRuns"]["totalCount"], 0);
}

#[tokio::test(start_paused = true)]
async fn reviews_commits_and_events_have_dates_and_actors() {
    let reviews = vec![Review { bot: true, ..Review::new("checker[bot]", "COMMENTED", secs(0)) }];
    let simulator = with_pull(PullContent { reviews, ..PullContent::default() });
    sleep(secs(10)).await;
    simulator.merge_pull("octo/app", 12);
    let fields = "reviews(first: 10) { nodes { state submittedAt author { login __typename } } } \
        mergedBy { login } mergeCommit { oid parents { totalCount } } \
        commits(first: 100) { nodes { commit { committedDate author { user { login } } } } } \
        timelineItems(first: 10, itemTypes: [MERGED_EVENT]) { filteredCount nodes { ... on MergedEvent { createdAt } } }";
    let pull = pull(&simulator, fields).await;
    assert_eq!(pull["reviews"]["nodes"][0]["author"], json!({"login": "checker", "__typename": "Bot"}));
    assert_eq!(pull["mergeCommit"]["parents"]["totalCount"], 2);
    assert_eq!(pull["commits"]["nodes"].as_array().unwrap().len(), 3);
    assert_eq!(pull["timelineItems"]["filteredCount"], 1);
    assert!(pull["timelineItems"]["nodes"][0]["createdAt"].is_string());
}

#[tokio::test(start_paused = true)]
async fn hundred_pull_requests_come_at_once() {
    let simulator = Simulator::new();
    for at in 0..101 {
        simulator.open_pull("octo/app", &format!("b{at}"), "main");
    }
    let ids: Vec<String> = simulator.pulls().into_iter().map(|pull| pull.node_id).collect();
    let text = |ids: &[String]| {
        format!(
            "{{ nodes(ids: {}) {{ ... on PullRequest {{ changedFiles files(first: 100) {{ nodes {{ path }} }} }} }} }}",
            json!(ids)
        )
    };
    let answer = query(&simulator, super::TOKEN, &text(&ids[..100])).await;
    assert_eq!(answer["data"]["nodes"].as_array().unwrap().len(), 100);
    let answer = query(&simulator, super::TOKEN, &text(&ids)).await;
    assert_eq!((&answer["errors"][0]["type"], answer.get("data")), (&json!("ARGUMENT_LIMIT"), None));
}

#[tokio::test(start_paused = true)]
async fn checks_and_single_sign_on_are_forbidden_field_by_field() {
    let simulator = with_pull(PullContent::default().check(CheckRun::endless("hang")));
    simulator.token("ghp_blind", Token::default().without(Permission::ChecksRead));
    simulator.token("ghp_half", Token::default().without_sso(&["octo"]));
    let id = simulator.pulls()[0].node_id.clone();
    let text = format!("{{ node(id: \"{id}\") {{ ... on PullRequest {{ number statusCheckRollup {{ state }} }} }} }}");
    let answer = query(&simulator, "ghp_blind", &text).await;
    assert_eq!(answer["data"]["node"], json!({"number": 12, "statusCheckRollup": null}));
    assert_eq!(answer["errors"][0]["path"], json!(["node", "statusCheckRollup"]));
    assert_eq!(answer["errors"][0]["type"], "FORBIDDEN");
    let answer = query(&simulator, "ghp_half", &text).await;
    assert_eq!(
        (&answer["data"]["node"], &answer["errors"][0]["extensions"]),
        (&Value::Null, &json!({"saml_failure": true}))
    );
    assert!(simulator.unexpected().is_empty());
}

#[tokio::test(start_paused = true)]
async fn query_against_the_schema_is_refused() {
    let simulator = Simulator::new();
    let pulls = |rest: &str| format!("{{ repository(owner: \"octo\", name: \"app\") {{ pullRequests{rest} }} }}");
    for text in [
        pulls("(head: \"x\", first: 1) { totalCount }"),
        pulls("(first: \"1\") { totalCount }"),
        pulls("(first: 1)"),
        pulls(" { nodes { id } }"),
        pulls("(first: 101) { nodes { id } }"),
        "{ node { id } }".to_owned(),
        "{ viewer { login ".to_owned(),
    ] {
        let before = simulator.unexpected().len();
        let answer = query(&simulator, super::TOKEN, &text).await;
        assert!(answer["errors"][0]["message"].is_string(), "{text}");
        assert_eq!((answer.get("data"), simulator.unexpected().len()), (None, before + 1), "{text}");
    }
    let fine = query(&simulator, super::TOKEN, &pulls(" { totalCount }")).await;
    assert_eq!(fine["data"]["repository"]["pullRequests"]["totalCount"], 0);
}

#[tokio::test(start_paused = true)]
async fn missing_repository_is_null_with_an_error() {
    let simulator = Simulator::new();
    let text = "{ a: repository(owner: \"octo\", name: \"gone\") { id } b: repository(owner: \"octo\", name: \"app\") { name } }";
    let answer = query(&simulator, super::TOKEN, text).await;
    assert_eq!(answer["data"], json!({"a": null, "b": {"name": "app"}}));
    assert_eq!((&answer["errors"][0]["type"], &answer["errors"][0]["path"]), (&json!("NOT_FOUND"), &json!(["a"])));
}
