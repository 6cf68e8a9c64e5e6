//! Whether the pull request is what was expected: whole steps under virtual time, and as a process.

use insta::assert_snapshot;
use simulator::{
    Approval, Call, ChangedFile, CheckRun, CheckSuite, CommitStatus, Fault, Permission, PullContent, Repository, Route,
    Script, Simulator, Token,
};

use crate::support::{Finished, Step, TOKEN, redact, seconds};

/// How long the agent works.
const WORK: u64 = 120;

/// A world in which tasks deliver this.
fn world(content: PullContent) -> Simulator {
    let simulator = Simulator::new();
    simulator.script("octo/app", Script::delivers(seconds(WORK), content));
    simulator
}

/// A step with this expectation.
fn expecting(simulator: &Simulator, expect: &str) -> Step {
    Step::new(simulator).with("expect", expect)
}

/// A check that ends so long after the task.
fn check(name: &str, conclusion: &str, after: u64) -> CheckRun {
    CheckRun::ending(name, conclusion, seconds(WORK + after))
}

#[track_caller]
fn assert_found(ran: &Finished, accepted: &str, files: &str, lines: &str, checks: &str) {
    let found = ["accepted", "changed-files", "changed-lines", "checks"].map(|name| ran.output(name));
    assert_eq!(found, [accepted, files, lines, checks], "{}", ran.log);
}

/// How many requests read the pull request besides finding it.
fn requests(ran: &Finished) -> usize {
    let reads = |call: &&Call| call.path.ends_with("/files") || call.body.to_string().contains("headRefOid");
    ran.calls.iter().filter(reads).count()
}

/// The summary without its folded parts and its times, which have a random share.
fn summary(ran: &Finished) -> String {
    let open = redact(ran.summary.split("<details>").next().unwrap());
    regex_lite::Regex::new("[0-9]+m( [0-9]+s)?").unwrap().replace_all(&open, "[time]").into_owned()
}

#[tokio::test(start_paused = true)]
async fn pull_request_that_is_as_expected_is_accepted_with_one_request() {
    let expect = "max-changed-files: 4\nmax-changed-lines: 59\npaths: [src/**, tests/**, docs/**]\npaths-ignore: .github/**\n\
                  required-files: docs/**\nchecks: success";
    let status = CommitStatus::ending("ci/x", "success", seconds(9));
    let content = PullContent::default().check(CheckRun::ending("build", "success", seconds(60))).status(status);
    let ran = expecting(&world(content), expect).run().await;
    ran.assert(0, "completed", "success");
    assert_found(&ran, "true", "4", "59", "success");
    assert_eq!(requests(&ran), 1);
    assert_snapshot!(summary(&ran), @"
    ### ✅ Agent task completed: [#12](https://github.com/octo/app/pull/12)

    **octo/app** · [task](https://github.com/octo/app/tasks/[id]) · model Auto: GPT-5.4 · branch copilot/prepare-the-release → main · 33.6 AI credits · [time]

    |  | Expected | Found |
    |---|---|---|
    | ✅ | `max-changed-files: 4` | 4 files |
    | ✅ | `max-changed-lines: 59` | 59 lines |
    | ✅ | `paths: src/**, tests/**, docs/**` | none outside |
    | ✅ | `paths-ignore: .github/**` | none among them |
    | ✅ | `required-files: docs/**` | all changed |
    | ✅ | `checks: success` | 2 ended well |

    Requested by mona in a workflow
    ");
    let entry = ran.record.lines().find(|line| line.contains("agent-task.accepted")).unwrap();
    assert!(entry.contains(r#""changedFiles":4"#) && entry.contains(r#""checks":"success""#), "{entry}");
}

#[tokio::test(start_paused = true)]
async fn every_broken_expectation_is_named() {
    let files = (0..30).map(|at| ChangedFile::modified(format!("lib/{at}.rs"), 10, 1));
    let content = PullContent::default()
        .files(files.chain([ChangedFile::removed("CHANGELOG.md", 3), ChangedFile::added("a `b|c`.md", 1)]))
        .check(CheckRun::ending("build", "failure", seconds(60)))
        .check(CheckRun::endless("lint"));
    let expect = "max-changed-files: 20\nmax-changed-lines: 100\npaths: ['**', '!lib/**']\npaths-ignore: '*.md'\n\
                  required-files: [CHANGELOG.md, lib/1.rs]\nchecks: success";
    let ran = expecting(&world(content), expect).run().await;
    ran.assert(1, "completed", "failure");
    assert_found(&ran, "false", "32", "334", "failure");
    assert_snapshot!(ran.annotations(), @"error [Not accepted] octo/app: The pull request is not accepted: expected `max-changed-files: 20`, found 32 files; expected `max-changed-lines: 100`, found 334 lines; expected `paths: **, !lib/**`, found 30 outside: `lib/0.rs`, `lib/1.rs`, `lib/2.rs`, `lib/3.rs`, `lib/4.rs`, `lib/5.rs`, `lib/6.rs`, `lib/7.rs`, `lib/8.rs`, `lib/9.rs` and 20 more; expected `paths-ignore: *.md`, found 2 among them: `CHANGELOG.md`, `a `b|c`.md`; expected `required-files: CHANGELOG.md, lib/1.rs`, found 1 not changed: `CHANGELOG.md`; expected `checks: success`, found 1 of 3 failed: `build`. See the pull request: https://github.com/octo/app/pull/12");
    assert_snapshot!(ran.summary_lines("|"), @r"
    |  | Expected | Found |
    |---|---|---|
    | ❌ | `max-changed-files: 20` | 32 files |
    | ❌ | `max-changed-lines: 100` | 334 lines |
    | ❌ | `paths: **, !lib/**` | 30 outside: `lib/0.rs`, `lib/1.rs`, `lib/2.rs`, `lib/3.rs`, `lib/4.rs`, `lib/5.rs`, `lib/6.rs`, `lib/7.rs`, `lib/8.rs`, `lib/9.rs` and 20 more |
    | ❌ | `paths-ignore: *.md` | 2 among them: `CHANGELOG.md`, `a `b\|c`.md` |
    | ❌ | `required-files: CHANGELOG.md, lib/1.rs` | 1 not changed: `CHANGELOG.md` |
    | ❌ | `checks: success` | 1 of 3 failed: `build` |
    ");
    assert!(ran.record.contains("agent-task.not-accepted"));
}

#[tokio::test(start_paused = true)]
async fn renamed_file_counts_with_both_paths() {
    let content = PullContent::default().files([ChangedFile::renamed("secret/key.rs", "src/key.rs")]);
    for (expect, accepted) in [
        ("paths: src/**", "false"),
        ("paths-ignore: secret/**", "false"),
        ("paths: [src/**, secret/**]", "true"),
        ("required-files: src/**", "true"),
        ("required-files: secret/**", "false"),
    ] {
        let ran = expecting(&world(content.clone()), expect).run().await;
        assert_eq!((ran.output("accepted"), requests(&ran)), (accepted, 2), "{expect}");
    }
}

#[tokio::test(start_paused = true)]
async fn three_thousand_files_are_read_and_more_are_not_accepted() {
    let content =
        |count| PullContent::default().files((0..count).map(|at| ChangedFile::modified(format!("src/{at}.rs"), 1, 0)));
    let ran = expecting(&world(content(3000)), "paths: src/**").run().await;
    ran.assert(0, "completed", "success");
    assert_eq!((ran.output("changed-files"), requests(&ran)), ("3000", 31));
    let ran = expecting(&world(content(3001)), "paths: src/**").run().await;
    ran.assert(1, "completed", "failure");
    assert_snapshot!(ran.message(), @"the pull request is not accepted: expected `paths: src/**`, found only 3000 of 3001 files listed by GitHub");
    let size = expecting(&world(content(3001)), "max-changed-files: 3001").run().await;
    assert_eq!((size.output("accepted"), requests(&size)), ("true", 1));
}

#[tokio::test(start_paused = true)]
async fn checks_decide() {
    let waiting = CheckSuite::waits_for_approval("CI");
    let approved = CheckSuite {
        approval: Approval::After(seconds(WORK + 300)),
        runs: vec![CheckRun::ending("build", "success", seconds(60))],
        ..CheckSuite::default()
    };
    let queued = CheckSuite::default();
    let app = CheckSuite { app: "renovate".to_owned(), workflow: None, ..CheckSuite::default() };
    let none = PullContent::default;
    let mut actual = Vec::new();
    for (content, code, conclusion, checks) in [
        (none().check(check("build", "success", 600)), 0, "success", "success"),
        (none().check(check("build", "neutral", 0)).check(check("x", "skipped", 0)), 0, "success", "success"),
        (none().check(check("build", "failure", 600)), 1, "failure", "failure"),
        (none().check(CheckRun::endless("a")).check(check("b", "timed_out", 9)), 1, "failure", "failure"),
        (none().status(CommitStatus::ending("ci/x", "error", seconds(WORK + 60))), 1, "failure", "failure"),
        (none().check(CheckRun::endless("build")), 1, "failure", "pending"),
        (none(), 1, "failure", "none"),
        (none().suite(app), 1, "failure", "none"),
        (none().suite(queued), 1, "failure", "pending"),
        (none().suite(waiting), 1, "action_required", "action_required"),
        (none().suite(approved), 1, "action_required", "action_required"),
        (none().check(check("build", "action_required", 0)), 1, "action_required", "action_required"),
    ] {
        let ran = expecting(&world(content), "checks: success").run().await;
        ran.assert(code, "completed", conclusion);
        let accepted = if code == 0 { "true" } else { "false" };
        assert_found(&ran, accepted, "4", "59", checks);
        let minutes = (ran.took.as_secs() + 30) / 60;
        actual.push(format!("{conclusion} after {minutes} minutes: {}", ran.annotations()));
    }
    assert_snapshot!(actual.join("\n"), @"
    success after 12 minutes: 
    success after 2 minutes: 
    failure after 12 minutes: error [Not accepted] octo/app: The pull request is not accepted: expected `checks: success`, found 1 of 1 failed: `build`. See the pull request: https://github.com/octo/app/pull/12
    failure after 2 minutes: error [Not accepted] octo/app: The pull request is not accepted: expected `checks: success`, found 1 of 3 failed: `b`. See the pull request: https://github.com/octo/app/pull/12
    failure after 3 minutes: error [Not accepted] octo/app: The pull request is not accepted: expected `checks: success`, found 1 of 1 failed: `ci/x`. See the pull request: https://github.com/octo/app/pull/12
    failure after 32 minutes: error [Not accepted] octo/app: The pull request is not accepted: expected `checks: success`, found 2 of 2 still running: `build`, `CI`. See the pull request: https://github.com/octo/app/pull/12
    failure after 4 minutes: error [Not accepted] octo/app: The pull request is not accepted: expected `checks: success`, found no checks. See the pull request: https://github.com/octo/app/pull/12
    failure after 4 minutes: error [Not accepted] octo/app: The pull request is not accepted: expected `checks: success`, found no checks. See the pull request: https://github.com/octo/app/pull/12
    failure after 32 minutes: error [Not accepted] octo/app: The pull request is not accepted: expected `checks: success`, found 1 of 1 still running: `CI`. See the pull request: https://github.com/octo/app/pull/12
    action_required after 2 minutes: error [Checks need approval] octo/app: The pull request is not accepted: expected `checks: success`, found 1 of 1 waiting for approval: `CI`. Approve and run them: https://github.com/octo/app/actions/runs/21200000000. Everyone with write access can do that. Then wait for it later with `command: wait` and `task-id: [id]`
    action_required after 2 minutes: error [Checks need approval] octo/app: The pull request is not accepted: expected `checks: success`, found 1 of 1 waiting for approval: `CI`. Approve and run them: https://github.com/octo/app/actions/runs/21200000000. Everyone with write access can do that. Then wait for it later with `command: wait` and `task-id: [id]`
    action_required after 2 minutes: error [Checks need approval] octo/app: The pull request is not accepted: expected `checks: success`, found 2 of 2 waiting for approval: `build`, `CI`. Approve and run them: https://github.com/octo/app/actions/runs/21200000000. Everyone with write access can do that. Then wait for it later with `command: wait` and `task-id: [id]`
    ");
}

#[tokio::test(start_paused = true)]
async fn checks_are_waited_for_within_both_timeouts() {
    let slow = || world(PullContent::default().check(check("build", "success", 600)));
    let impatient = expecting(&slow(), "checks: success\nchecks-timeout: 5m").run().await;
    impatient.assert(1, "completed", "failure");
    let late = expecting(&slow(), "checks: success").with("wait-timeout", "6m").run().await;
    late.assert(1, "completed", "timed_out");
    assert_found(&late, "false", "4", "59", "pending");
    assert_eq!(late.took, seconds(360));
    assert_snapshot!(late.annotations(), @"error [Not accepted in time] octo/app: `wait-timeout` passed before the pull request was accepted: expected `checks: success`, found 2 of 2 still running: `build`, `CI`. See the pull request: https://github.com/octo/app/pull/12. Raise `wait-timeout`, or wait for it later with `command: wait` and `task-id: [id]`");
    let simulator = slow();
    let started = Step::new(&simulator).with("wait", "false").run().await;
    let waited = Step::waiting(&simulator, started.output("task-id")).with("expect", "checks: success").run().await;
    waited.assert(0, "completed", "success");
    assert_eq!(waited.output("accepted"), "true");
}

#[tokio::test(start_paused = true)]
async fn new_head_commit_is_judged_again() {
    let simulator = world(PullContent::default().check(CheckRun::endless("build")));
    let push = PullContent::default().files([ChangedFile::added("x", 1)]).check(CheckRun::ending(
        "build",
        "success",
        seconds(30),
    ));
    let pushed = async {
        tokio::time::sleep(seconds(WORK + 200)).await;
        simulator.push("octo/app", simulator.pulls()[0].number, push);
    };
    let step = expecting(&simulator, "checks: success\npaths: ['**']").run();
    let (ran, ()) = tokio::join!(step, pushed);
    ran.assert(0, "completed", "success");
    assert_found(&ran, "true", "1", "1", "success");
}

#[tokio::test(start_paused = true)]
async fn missing_permission_is_not_accepted_and_named() {
    let mut actual = Vec::new();
    for (permission, expect) in [
        (Permission::ChecksRead, "checks: success"),
        (Permission::StatusesRead, "checks: success\nmax-changed-files: 1"),
        (Permission::PullRequestsRead, "max-changed-files: 9"),
    ] {
        let simulator = world(PullContent::default().check(check("build", "success", 0)));
        simulator.token(TOKEN, Token::default().without(permission));
        let ran = expecting(&simulator, expect).run().await;
        ran.assert(1, "completed", "failure");
        assert_eq!(ran.output("accepted"), "false");
        actual.push(ran.message());
    }
    assert_snapshot!(actual.join("\n"), @r#"
    the pull request is not accepted: the token lacks a permission (Resource not accessible by personal access token). The token needs "Checks: read" and "Commit statuses: read". Give `lookup-token` one that has them: for the workflow's own repository `${{ github.token }}` with `permissions: checks: read, statuses: read, pull-requests: read` serves
    the pull request is not accepted: expected `max-changed-files: 1`, found 4 files; the token lacks a permission (Resource not accessible by personal access token). The token needs "Checks: read" and "Commit statuses: read". Give `lookup-token` one that has them: for the workflow's own repository `${{ github.token }}` with `permissions: checks: read, statuses: read, pull-requests: read` serves
    the task completed, `expect` asks for a pull request, and the pull request's number is not known: the token lacks a permission (Resource not accessible by personal access token). Give `lookup-token` a token that may read pull requests: for the workflow's own repository `${{ github.token }}` with `permissions: pull-requests: read` serves
    "#);
    let simulator = world(PullContent::default().check(check("build", "success", 0)));
    simulator.token(TOKEN, Token::default().without(Permission::ChecksRead));
    simulator.token("ghp_lookup", Token::default());
    let ran = expecting(&simulator, "checks: success").with("lookup-token", "ghp_lookup").run().await;
    ran.assert(0, "completed", "success");
}

#[tokio::test(start_paused = true)]
async fn failed_read_is_repeated() {
    for fault in [Fault::graphql_rate_limited(), Fault::status(502), Fault::drop()] {
        let simulator = world(PullContent::default());
        let struck = async {
            tokio::time::sleep(seconds(WORK - 5)).await;
            simulator.fault(Route::GraphQl, fault);
        };
        let (ran, ()) = tokio::join!(expecting(&simulator, "max-changed-files: 9").run(), struck);
        ran.assert(0, "completed", "success");
        assert_eq!(ran.output("accepted"), "true");
    }
}

#[tokio::test(start_paused = true)]
async fn task_that_delivers_nothing_is_not_accepted() {
    for (script, state, conclusion) in [
        (Script::completes_without_pull(seconds(79)), "completed", "failure"),
        (Script::fails("out of credits"), "failed", "failure"),
        (Script::waits_for_user(), "waiting_for_user", "action_required"),
        (Script::stays("queued"), "queued", "timed_out"),
    ] {
        let simulator = Simulator::new();
        simulator.script("octo/app", script);
        let ran = expecting(&simulator, "max-changed-files: 9").run().await;
        ran.assert(1, state, conclusion);
        assert_found(&ran, "false", "", "", "");
    }
    let ran = Step::new(&Simulator::new()).run().await;
    assert_found(&ran, "", "", "", "");
}

/// A policy whose class expects something.
const POLICY: &str = "task-classes:\n  small:\n    wait: true\n    create-pull-request: true\n    expect:\n      \
                      max-changed-files: 3\n      paths: src/**\n";

fn classed(simulator: &Simulator) -> Step {
    Step::new(simulator).file(".github/agent-tasks.yml", POLICY).with("task-class", "small")
}

#[tokio::test(start_paused = true)]
async fn class_fixes_what_it_expects_and_an_input_adds() {
    let ran = classed(&world(PullContent::default())).with("expect", "max-changed-lines: 5").run().await;
    ran.assert(1, "completed", "failure");
    assert_snapshot!(ran.message(), @"the pull request is not accepted: expected `max-changed-files: 3`, found 4 files; expected `max-changed-lines: 5`, found 59 lines; expected `paths: src/**`, found 2 outside: `tests/parse.rs`, `docs/parse.md`");
    let simulator = world(PullContent::default());
    let changed = classed(&simulator).with("expect", "max-changed-files: 30\npaths: ['**']").run().await;
    assert_snapshot!(changed.exits(3).posts(0).refusal(), @"
    `expect.max-changed-files: 30` contradicts the task class `small` of .github/agent-tasks.yml, which has `expect.max-changed-files: 3`; leave the input out, or change the policy
    `expect.paths: **` contradicts the task class `small` of .github/agent-tasks.yml, which has `expect.paths: src/**`; leave the input out, or change the policy
    ");
    let same = classed(&world(PullContent::default())).with("expect", "max-changed-files: 3").run().await;
    same.assert(1, "completed", "failure");
    let started = Step::new(&simulator).with("wait", "false").run().await;
    let waited = Step::waiting(&simulator, started.output("task-id")).file(".github/agent-tasks.yml", POLICY);
    let waited = waited.with("task-class", "small").run().await;
    waited.assert(1, "completed", "failure");
}

#[tokio::test(start_paused = true)]
async fn expectation_that_cannot_hold_is_refused() {
    let simulator = Simulator::new();
    let mut actual = Vec::new();
    for (expect, input, value) in [
        ("checks: success", "wait", "false"),
        ("checks: success", "create-pull-request", "false"),
        ("max-files: 3\npaths: [/src/**, '!a']\nchecks: green\nmax-changed-lines: few", "wait", "true"),
        ("checks: success\nchecks-timeout: 30", "wait", "true"),
        ("checks-timeout: 30m", "wait", "true"),
        ("checks: [", "wait", "true"),
        ("a text", "wait", "true"),
        ("paths: '{{ vars.x }}'", "wait", "true"),
    ] {
        let ran = expecting(&simulator, expect).with(input, value).run().await;
        actual.push(ran.exits(2).posts(0).refusal());
    }
    assert_snapshot!(actual.join("\n"), @"
    expect requires wait: true or rollout
    expect requires create-pull-request: true, a head-ref or a follow-up
    expect: max-files: 3 paths: [/src/**, '!a'] checks: green max-changed-lines: few is wrong. line 1, column 1: unknown key `max-files`; there is `max-changed-files`, `max-changed-lines`, `paths`, `paths-ignore`, `required-files`, `checks`, `checks-timeout`; line 2, column 9: `/src/**` does not begin at the top of the repository; write `src/**`; line 2, column 8: `!a` comes first, and `!` only takes out what a pattern before it lets in; write such a pattern before it, or `a` without `!`; line 3, column 9: unknown value `green`; there is `success`; line 4, column 20: expected a whole number from 0, got `few`
    expect: checks: success checks-timeout: 30 is wrong. line 2, column 17: expected a duration above zero with a unit, such as 45m or 1h30m
    expect has checks-timeout without checks: success; add it
    expect: checks: [ is wrong. line 1, column 9: unclosed bracket '['
    expect: a text is wrong. line 1, column 1: expected a mapping, got `a text`
    expect contains {{, and it is not a template; write the value itself, or ${{ … }} for an expression of Actions. Templates are prompt, idempotency-key, base-ref, head-ref and ticket
    ");
}

fn large() -> PullContent {
    PullContent::default().files((0..41).map(|at| ChangedFile::modified(format!("src/{at}.rs"), 1, 1)))
}

/// A world of many repositories in which the first delivers `first`.
fn fleet(count: usize, first: PullContent) -> (Simulator, String) {
    let simulator = Simulator::new();
    let names = (0..count).map(|at| format!("octo/r{at}")).collect::<Vec<_>>();
    for (at, name) in names.iter().enumerate() {
        simulator.repository(name, Repository::default());
        let content = if at == 0 { first.clone() } else { PullContent::default() };
        simulator.script(name, Script::delivers(seconds(WORK), content));
    }
    (simulator, names.join("\n"))
}

#[tokio::test(start_paused = true)]
async fn canary_that_is_too_large_stops_the_rollout() {
    let (simulator, names) = fleet(4, large());
    let step = Step::new(&simulator).with("repositories", &names).with("waves", "1, *");
    let ran = step.with("expect", "max-changed-files: 20").run().await;
    ran.exits(1).posts(1);
    assert_snapshot!(summary(&ran), @"
    ### ⛔ Wave failed, 4 agent tasks: 1 failed, 3 not started

    **In wave 1 of 2, 0 of 1 succeeded; `wave-success` requires 100%.**

    1 pull request · 33.6 AI credits · [time]

    | Wave | Repositories | Result |
    |---|---|---|
    | 1 of 2 | 1 | ⛔ 0 of 1 succeeded, 100% needed |
    | 2 of 2 | 3 | ⏸️ not started |

    | Status | Repository | Pull request | Accepted | Task | AI credits | Duration |
    |---|---|---|---|---|---|---|
    | ❌ failed | octo/r0 | [#12](https://github.com/octo/r0/pull/12) | no, 41 files, 82 lines | [task](https://github.com/octo/r0/tasks/[id]) | 33.6 | [time] |
    | ⏸️ not started | octo/r1 |  |  |  |  |  |
    | ⏸️ not started | octo/r2 |  |  |  |  |  |
    | ⏸️ not started | octo/r3 |  |  |  |  |  |

    - ❌ **octo/r0**: The pull request is not accepted: expected `max-changed-files: 20`, found 41 files. [See the pull request](https://github.com/octo/r0/pull/12).
    ");
    let accepted = ran.results().iter().map(|it| it["accepted"].to_string()).collect::<Vec<_>>();
    assert_eq!(accepted, ["false", "null", "null", "null"]);
}

#[tokio::test(start_paused = true)]
async fn tolerate_counts_what_is_not_accepted() {
    for (tolerate, code) in [("25%", 0), ("24%", 1)] {
        let (simulator, names) = fleet(4, large());
        let step = Step::new(&simulator).with("repositories", &names).with("tolerate", tolerate);
        let ran = step.with("expect", "max-changed-files: 20").run().await;
        ran.exits(code).gives("succeeded", "3");
    }
}

#[tokio::test(start_paused = true)]
async fn fleet_reads_a_hundred_pull_requests_with_one_request() {
    let (simulator, names) = fleet(300, PullContent::default());
    let step = Step::new(&simulator).with("repositories", &names).with("wait-timeout", "3h");
    let ran = step.with("expect", "max-changed-files: 20\npaths: ['**']").run().await;
    ran.exits(0).gives("succeeded", "300");
    // The tasks end as GitHub's limits let them begin: over four minutes.
    assert!(requests(&ran) <= 300 / 20, "{}", requests(&ran));
}

#[tokio::test(start_paused = true)]
async fn doctor_names_the_permission_that_acceptance_lacks() {
    let simulator = Simulator::new();
    let step = || expecting(&simulator, "checks: success").with("command", "doctor");
    let fine = step().run().await;
    assert_snapshot!(fine.exits(0).log_lines("checks:"), @"⚠️ checks: workflows of the agent's pull requests wait for a person's approval, so each task ends as `action_required`; change that under the repository's Settings > Copilot > Cloud agent, or remove `checks` from `expect`");
    simulator.token(TOKEN, Token::default().without(Permission::ChecksRead));
    assert_snapshot!(step().run().await.exits(1).log_lines("checks:"), @r#"❌ checks: `expect` cannot read them: the token lacks a permission (Resource not accessible by personal access token). The token needs "Checks: read" and "Commit statuses: read". Give `lookup-token` one that has them: for the workflow's own repository `${{ github.token }}` with `permissions: checks: read, statuses: read, pull-requests: read` serves"#);
    simulator.token(TOKEN, Token::default().without(Permission::StatusesRead));
    assert_snapshot!(step().run().await.exits(1).log_lines("checks:"), @r#"❌ checks: `expect` cannot read them: the token lacks a permission (Resource not accessible by personal access token). The token needs "Checks: read" and "Commit statuses: read". Give `lookup-token` one that has them: for the workflow's own repository `${{ github.token }}` with `permissions: checks: read, statuses: read, pull-requests: read` serves"#);
}
