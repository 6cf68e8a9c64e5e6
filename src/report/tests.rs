//! The step summaries, each as a whole.

use std::time::Duration;

use serde_json::{Value, json};

use crate::actions::context::{Context, Environment};
use crate::github::error::Error;
use crate::github::pull_request::PullRequest;
use crate::github::task::{NewTask, Task, TaskId};
use crate::inputs::problem::Problem;
use crate::plan::{Action, Plan, PlannedTask};
use crate::policy::evaluate::PolicyMetadata;
use crate::report::summary::{SummaryContext, dry_run, note, summary};
use crate::task::acceptance::Expect;
use crate::task::conclusion::Conclusion;
use crate::task::event::Event;
use crate::task::marker::Marker;
use crate::task::outcome::Outcome;
use crate::task::pull_request::NoPullRequest;
use crate::task::start::{ActiveScope, IfActive, MAX_LIMIT_WAIT, Precheck, StartOptions};
use crate::task::stop::StopRules;
use crate::task::wait::{WaitEnd, WaitRules};
use crate::task::waves::{Share, StoppedWave, WaveRules};

fn order(repository: &str) -> PlannedTask {
    let task = NewTask {
        prompt: "Prepare release `1.10`.\n\nUpdate the changelog.".to_owned(),
        model: Some("gpt-5.4".to_owned()),
        custom_agent: None,
        create_pull_request: true,
        base_ref: None,
        head_ref: None,
    };
    let action = Action::Start {
        task: Box::new(task),
        models: vec![None],
        template: "release.md".to_owned(),
        prompt_sha256: "ba7816bf8f01cfea".to_owned(),
        options: Box::new(StartOptions {
            marker: Marker::find("<!-- agent-task key=0123456789abcdef -->").unwrap(),
            confirm: Duration::ZERO,
            first: Precheck::Nothing,
            if_active: IfActive::Start,
            active_scope: ActiveScope::Job,
            max_limit_wait: MAX_LIMIT_WAIT,
        }),
    };
    PlannedTask { repository: repository.parse().unwrap(), entry: None, action }
}

fn plan(repositories: &[String], waves: &[usize]) -> Plan {
    let mut begin = 0;
    let waves = waves.iter().map(|size| {
        begin += size;
        begin - size..begin
    });
    Plan {
        expect: Expect::default(),
        stop: StopRules::default(),
        tasks: repositories.iter().map(|name| order(name)).collect(),
        wait: Some(WaitRules {
            timeout: Duration::from_secs(3600),
            interval: Duration::from_secs(15),
            stop_on_question: true,
            stop_on_idle: true,
            grace: Duration::ZERO,
        }),
        fail_on: vec![Conclusion::Failure, Conclusion::TimedOut, Conclusion::ActionRequired],
        require_pull_request: false,
        waves: waves.collect(),
        wave_rules: WaveRules::default(),
        sharing_jobs: 1,
        actor_check: None,
        policy: PolicyMetadata::default(),
        has_repository_rules: false,
        limit_counter: None,
        follow_up: None,
        rollout: None,
        dry_run: false,
        warnings: Vec::new(),
    }
}

fn one() -> Plan {
    plan(&["octo/app".to_owned()], &[1])
}

fn context() -> Context {
    let pairs = [
        ("GITHUB_ACTOR", "mona"),
        ("GITHUB_WORKFLOW", "Release"),
        ("GITHUB_RUN_NUMBER", "3"),
        ("GITHUB_RUN_ATTEMPT", "2"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_REPOSITORY", "octo/ops"),
        ("GITHUB_RUN_ID", "17"),
    ];
    let environment: Environment = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Context::new(&environment, None, None)
}

fn task(repository: &str, state: &str, session: Value) -> Box<Task> {
    let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let value = json!({"id": id, "state": state, "html_url": format!("https://github.com/{repository}/tasks/{id}"),
        "sessions": [session]});
    Box::new(serde_json::from_value(value).unwrap())
}

fn session() -> Value {
    json!({"model": "sweagent-capi:gpt-5.4", "head_ref": "copilot/prepare-release", "base_ref": "main",
        "usage": {"type": "ai_credits", "amount": 4_500_000_000_u64}})
}

fn pull(repository: &str, number: u64) -> PullRequest {
    PullRequest { head_ref: "copilot/prepare-release".to_owned(), ..PullRequest::sample(repository, number) }
}

/// A task that was started in a repository, and what happened to it then.
fn started(repository: &str, events: &[Event]) -> Outcome {
    let mut outcome = Outcome::new(repository.parse().unwrap());
    outcome.apply(&Event::Started(task(repository, "queued", session())));
    outcome.began = Some(Duration::from_secs(2));
    for event in events {
        outcome.apply(event);
    }
    if outcome.is_over() {
        outcome.ended = Some(Duration::from_secs(184));
    }
    outcome
}

fn ended(repository: &str, state: &str, ending: WaitEnd) -> Outcome {
    started(repository, &[Event::Saw(task(repository, state, session())), Event::Ended(ending)])
}

fn succeeded(repository: &str, number: u64) -> Outcome {
    let found = Event::PullFound(pull(repository, number));
    let seen = Event::Saw(task(repository, "completed", session()));
    started(repository, &[seen, found, Event::Ended(WaitEnd::Settled)])
}

fn failed(repository: &str, error: &str) -> Outcome {
    let mut session = session();
    session["error"] = json!({"message": error});
    started(repository, &[Event::Saw(task(repository, "failed", session)), Event::Ended(WaitEnd::Settled)])
}

fn without_task(repository: &str, event: &Event) -> Outcome {
    let mut outcome = Outcome::new(repository.parse().unwrap());
    outcome.apply(event);
    outcome
}

fn run_of(seconds: u64) -> SummaryContext<'static> {
    SummaryContext { elapsed: Duration::from_secs(seconds), ended: true, stopped: None }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("octo/service-{at}")).collect()
}

fn single(outcome: Outcome) -> String {
    summary(&one(), &[outcome], &context(), &run_of(190))
}

#[test]
fn summary_of_a_running_task() {
    let outcome = started("octo/app", &[Event::Saw(task("octo/app", "in_progress", session()))]);
    let text = summary(&one(), &[outcome], &context(), &SummaryContext { ended: false, ..run_of(62) });
    insta::assert_snapshot!(text, @r"
    ### ⏳ Agent task is running

    **octo/app** · [task](https://github.com/octo/app/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) · `in_progress` · model gpt-5.4 · branch copilot/prepare-release → main · 4.5 AI credits · 1m 2s

    Requested by mona in [Release #3, attempt 2](https://github.com/octo/ops/actions/runs/17)

    <details><summary>Prompt from release.md, 46 characters, SHA-256 ba7816bf8f01…</summary>

    ```text
    Prepare release `1.10`.

    Update the changelog.
    ```

    </details>
    ");
}

#[test]
fn summary_of_a_success() {
    insta::assert_snapshot!(single(succeeded("octo/app", 42)), @r"
    ### ✅ Agent task completed: [#42](https://github.com/octo/app/pull/42)

    **octo/app** · [task](https://github.com/octo/app/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) · model gpt-5.4 · branch copilot/prepare-release → main · 4.5 AI credits · 3m 10s

    Requested by mona in [Release #3, attempt 2](https://github.com/octo/ops/actions/runs/17)

    <details><summary>Prompt from release.md, 46 characters, SHA-256 ba7816bf8f01…</summary>

    ```text
    Prepare release `1.10`.

    Update the changelog.
    ```

    </details>
    ");
}

#[test]
fn summary_of_a_failure() {
    let why = "The job was not started: `copilot-setup-steps` failed in step \"Install\" | exit code 1\nSee <the log>.";
    insta::assert_snapshot!(single(failed("octo/app", why)), @r#"
    ### ❌ Agent task failed

    **octo/app** · [task](https://github.com/octo/app/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) · model gpt-5.4 · branch copilot/prepare-release → main · 4.5 AI credits · 3m 10s

    **The task failed: The job was not started: `copilot-setup-steps` failed in step "Install" \| exit code 1 See &lt;the log&gt;.** [Read its log](https://github.com/octo/app/tasks/0f8fad5b-d9cb-469f-a165-70867728950e).

    Requested by mona in [Release #3, attempt 2](https://github.com/octo/ops/actions/runs/17)

    <details><summary>Prompt from release.md, 46 characters, SHA-256 ba7816bf8f01…</summary>

    ```text
    Prepare release `1.10`.

    Update the changelog.
    ```

    </details>
    "#);
}

#[test]
fn summary_of_a_question() {
    let mut outcome = ended("octo/app", "waiting_for_user", WaitEnd::NeedsPerson);
    outcome.owner = Some("@octo/releases".to_owned());
    insta::assert_snapshot!(single(outcome), @r"
    ### 🙋 Agent task needs a person

    **octo/app** · [task](https://github.com/octo/app/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) · model gpt-5.4 · branch copilot/prepare-release → main · 4.5 AI credits · 3m 10s

    **@octo/releases: The agent waits for an answer, which the API cannot give.** [Answer it](https://github.com/octo/app/tasks/0f8fad5b-d9cb-469f-a165-70867728950e). Then wait for it again with `command: wait`.

    Requested by mona in [Release #3, attempt 2](https://github.com/octo/ops/actions/runs/17)

    <details><summary>Prompt from release.md, 46 characters, SHA-256 ba7816bf8f01…</summary>

    ```text
    Prepare release `1.10`.

    Update the changelog.
    ```

    </details>
    ");
}

#[test]
fn summary_of_a_fleet() {
    let names = names(12);
    let mut all = (0..7).map(|at| succeeded(&names[at], 40 + at as u64)).collect::<Vec<_>>();
    all.push(failed(&names[7], "The agent ran out of disk space"));
    all.push(ended(&names[8], "waiting_for_user", WaitEnd::NeedsPerson));
    all.push(ended(&names[9], "in_progress", WaitEnd::DeadlinePassed));
    let refused = || Event::Failed(Error::BadToken { said: "Bad credentials".to_owned() });
    all.push(without_task(&names[10], &refused()));
    all.push(without_task(&names[11], &refused()));
    insta::assert_snapshot!(summary(&plan(&names, &[12]), &all, &context(), &run_of(754)), @r#"
    ### ❌ 12 agent tasks: 1 failed, 2 not started, 1 needs a person, 1 timed out, 7 succeeded

    7 pull requests · 45 AI credits · 12m 34s

    | Status | Repository | Pull request | Task | AI credits | Duration |
    |---|---|---|---|---|---|
    | ❌ failed | octo/service-7 |  | [task](https://github.com/octo/service-7/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |
    | ❌ not started | octo/service-10 |  |  |  |  |
    | ❌ not started | octo/service-11 |  |  |  |  |
    | 🙋 needs a person | octo/service-8 |  | [task](https://github.com/octo/service-8/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |
    | ⏰ timed out | octo/service-9 |  | [task](https://github.com/octo/service-9/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |
    | ✅ succeeded | octo/service-0 | [#40](https://github.com/octo/service-0/pull/40) | [task](https://github.com/octo/service-0/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |
    | ✅ succeeded | octo/service-1 | [#41](https://github.com/octo/service-1/pull/41) | [task](https://github.com/octo/service-1/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |
    | ✅ succeeded | octo/service-2 | [#42](https://github.com/octo/service-2/pull/42) | [task](https://github.com/octo/service-2/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |
    | ✅ succeeded | octo/service-3 | [#43](https://github.com/octo/service-3/pull/43) | [task](https://github.com/octo/service-3/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |
    | ✅ succeeded | octo/service-4 | [#44](https://github.com/octo/service-4/pull/44) | [task](https://github.com/octo/service-4/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |
    | ✅ succeeded | octo/service-5 | [#45](https://github.com/octo/service-5/pull/45) | [task](https://github.com/octo/service-5/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |
    | ✅ succeeded | octo/service-6 | [#46](https://github.com/octo/service-6/pull/46) | [task](https://github.com/octo/service-6/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |

    - ❌ **octo/service-7**: The task failed: The agent ran out of disk space. [Read its log](https://github.com/octo/service-7/tasks/0f8fad5b-d9cb-469f-a165-70867728950e).
    - ❌ **octo/service-10, octo/service-11**: GitHub does not accept the token (Bad credentials): it is mistyped, expired or revoked. Make a new one and store it as the secret that `token` is given.
    - 🙋 **octo/service-8**: The agent waits for an answer, which the API cannot give. [Answer it](https://github.com/octo/service-8/tasks/0f8fad5b-d9cb-469f-a165-70867728950e). Then wait for it again with `command: wait`.
    - ⏰ **octo/service-9**: The task was still in\_progress when `wait-timeout` passed. It continues. [See the task](https://github.com/octo/service-9/tasks/0f8fad5b-d9cb-469f-a165-70867728950e). Raise `wait-timeout`, stop it with `command: stop`, or wait for it later with `command: wait`.

    <details><summary>Timeline</summary>

    ```mermaid
    xychart-beta
        title "Tasks begun and ended"
        x-axis "minutes" 0 --> 12.6
        y-axis "tasks" 0 --> 12
        line [0, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10]
        line [0, 0, 0, 0, 0, 0, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10]
    ```

    </details>

    Requested by mona in [Release #3, attempt 2](https://github.com/octo/ops/actions/runs/17)

    <details><summary>Prompt for octo/service-0 from release.md, 46 characters, SHA-256 ba7816bf8f01…</summary>

    ```text
    Prepare release `1.10`.

    Update the changelog.
    ```

    </details>
    "#);
}

#[test]
fn summary_of_a_stopped_rollout() {
    let names = names(20);
    let stopped = StoppedWave { wave: 2, waves: 3, size: 5, succeeded: 4, needed: Share::ALL };
    let mut all = (0..5).map(|at| succeeded(&names[at], 40 + at as u64)).collect::<Vec<_>>();
    all.push(failed(&names[5], ""));
    all.extend(names[6..].iter().map(|name| without_task(name, &Event::HeldBack(stopped.to_string()))));
    let run = SummaryContext { stopped: Some(&stopped), ..run_of(433) };
    insta::assert_snapshot!(summary(&plan(&names, &[1, 5, 14]), &all, &context(), &run), @r#"
    ### ⛔ Wave failed, 20 agent tasks: 1 failed, 14 not started, 5 succeeded

    **In wave 2 of 3, 4 of 5 succeeded; `wave-success` requires 100%.**

    5 pull requests · 27 AI credits · 7m 13s

    | Wave | Repositories | Result |
    |---|---|---|
    | 1 of 3 | 1 | ✅ 1 of 1 succeeded |
    | 2 of 3 | 5 | ⛔ 4 of 5 succeeded, 100% needed |
    | 3 of 3 | 14 | ⏸️ not started |

    | Status | Repository | Pull request | Task | AI credits | Duration |
    |---|---|---|---|---|---|
    | ❌ failed | octo/service-5 |  | [task](https://github.com/octo/service-5/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |
    | ✅ succeeded | octo/service-0 | [#40](https://github.com/octo/service-0/pull/40) | [task](https://github.com/octo/service-0/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |
    | ✅ succeeded | octo/service-1 | [#41](https://github.com/octo/service-1/pull/41) | [task](https://github.com/octo/service-1/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |
    | ✅ succeeded | octo/service-2 | [#42](https://github.com/octo/service-2/pull/42) | [task](https://github.com/octo/service-2/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |
    | ✅ succeeded | octo/service-3 | [#43](https://github.com/octo/service-3/pull/43) | [task](https://github.com/octo/service-3/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |
    | ✅ succeeded | octo/service-4 | [#44](https://github.com/octo/service-4/pull/44) | [task](https://github.com/octo/service-4/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |

    - ❌ **octo/service-5**: The task failed and gives no reason. [Read its log](https://github.com/octo/service-5/tasks/0f8fad5b-d9cb-469f-a165-70867728950e).

    <details><summary>⏸️ 14 not started</summary>

    | Status | Repository |
    |---|---|
    | ⏸️ not started | octo/service-6 |
    | ⏸️ not started | octo/service-7 |
    | ⏸️ not started | octo/service-8 |
    | ⏸️ not started | octo/service-9 |
    | ⏸️ not started | octo/service-10 |
    | ⏸️ not started | octo/service-11 |
    | ⏸️ not started | octo/service-12 |
    | ⏸️ not started | octo/service-13 |
    | ⏸️ not started | octo/service-14 |
    | ⏸️ not started | octo/service-15 |
    | ⏸️ not started | octo/service-16 |
    | ⏸️ not started | octo/service-17 |
    | ⏸️ not started | octo/service-18 |
    | ⏸️ not started | octo/service-19 |

    </details>

    <details><summary>Timeline</summary>

    ```mermaid
    xychart-beta
        title "Tasks begun and ended"
        x-axis "minutes" 0 --> 7.2
        y-axis "tasks" 0 --> 20
        line [0, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6]
        line [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6]
    ```

    </details>

    Requested by mona in [Release #3, attempt 2](https://github.com/octo/ops/actions/runs/17)

    <details><summary>Prompt for octo/service-0 from release.md, 46 characters, SHA-256 ba7816bf8f01…</summary>

    ```text
    Prepare release `1.10`.

    Update the changelog.
    ```

    </details>
    "#);
}

#[test]
fn summary_of_a_fleet_that_is_running() {
    let names = names(5);
    let all = vec![
        succeeded(&names[0], 40),
        failed(&names[1], "boom"),
        started(&names[2], &[]),
        Outcome::new(names[3].parse().unwrap()),
        Outcome::new(names[4].parse().unwrap()),
    ];
    let run = SummaryContext { ended: false, ..run_of(50) };
    insta::assert_snapshot!(summary(&plan(&names, &[3, 2]), &all, &context(), &run), @r"
    ### ⏳ 2 of 5 agent tasks done: 1 failed, 1 running, 2 queued, 1 succeeded

    1 pull request · 13.5 AI credits · 50s

    | Wave | Repositories | Result |
    |---|---|---|
    | 1 of 2 | 3 | ⏳ 1 of 3 succeeded so far |
    | 2 of 2 | 2 | 🕒 queued |

    | Status | Repository | Pull request | Task | AI credits | Duration |
    |---|---|---|---|---|---|
    | ❌ failed | octo/service-1 |  | [task](https://github.com/octo/service-1/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |
    | ⏳ running | octo/service-2 |  | [task](https://github.com/octo/service-2/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 48s |
    | 🕒 queued | octo/service-3 |  |  |  |  |
    | 🕒 queued | octo/service-4 |  |  |  |  |
    | ✅ succeeded | octo/service-0 | [#40](https://github.com/octo/service-0/pull/40) | [task](https://github.com/octo/service-0/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | 4.5 | 3m 2s |

    - ❌ **octo/service-1**: The task failed: boom. [Read its log](https://github.com/octo/service-1/tasks/0f8fad5b-d9cb-469f-a165-70867728950e).

    Requested by mona in [Release #3, attempt 2](https://github.com/octo/ops/actions/runs/17)

    <details><summary>Prompt for octo/service-0 from release.md, 46 characters, SHA-256 ba7816bf8f01…</summary>

    ```text
    Prepare release `1.10`.

    Update the changelog.
    ```

    </details>
    ");
}

#[test]
fn summary_of_a_dry_run() {
    let requests =
        [("POST https://api.github.com/agents/repos/octo/app/tasks".to_owned(), "{\"prompt\":\"x\"}".to_owned())];
    insta::assert_snapshot!(dry_run(&one(), &context(), &requests), @r#"
    ### 🧪 Dry run, nothing was sent

    This step would start an agent task in **octo/app**.

    Requested by mona in [Release #3, attempt 2](https://github.com/octo/ops/actions/runs/17)

    <details open><summary>Request</summary>

    ```text
    POST https://api.github.com/agents/repos/octo/app/tasks
    {"prompt":"x"}
    ```

    </details>

    <details><summary>Prompt from release.md, 46 characters, SHA-256 ba7816bf8f01…</summary>

    ```text
    Prepare release `1.10`.

    Update the changelog.
    ```

    </details>
    "#);
}

#[test]
fn summary_of_bad_input() {
    let problems = [
        Problem::shown("wait", "maybe", "is not a boolean; use `true` or `false`"),
        Problem::new("token", "is missing. Runs for pull requests from forks get no secrets"),
    ];
    let lines = problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    insta::assert_snapshot!(note("❌ Bad input, nothing was sent", &lines), @r"
    ### ❌ Bad input, nothing was sent

    - wait: maybe is not a boolean; use `true` or `false`
    - token is missing. Runs for pull requests from forks get no secrets
    ");
}

#[test]
fn summary_names_a_missing_pull_request() {
    let why = Event::NoPull(NoPullRequest::MayNotRead(
        "the token lacks a permission. Give `lookup-token` a token".to_owned(),
    ));
    let seen = Event::Saw(task("octo/app", "completed", session()));
    let text = single(started("octo/app", &[seen, why, Event::Ended(WaitEnd::Settled)]));
    assert!(text.contains("number is not known: the token lacks a permission. Give `lookup-token` a token."), "{text}");
}

#[test]
fn summary_of_a_start_without_a_wait_has_no_duration() {
    let text = summary(&Plan { wait: None, ..one() }, &[started("octo/app", &[])], &context(), &run_of(2));
    assert!(text.contains("Agent task started") && !text.contains("2s"), "{text}");
    let two = names(2);
    let all = two.iter().map(|name| started(name, &[])).collect::<Vec<_>>();
    let text = summary(&Plan { wait: None, ..plan(&two, &[2]) }, &all, &context(), &run_of(20));
    assert!(!text.contains("Duration"), "{text}");
}

#[test]
fn summary_of_a_task_that_was_never_seen_claims_nothing_about_it() {
    let mut outcome = without_task("octo/app", &Event::Failed(Error::BadToken { said: "Bad credentials".to_owned() }));
    outcome.task_id = TaskId::parse("0f8fad5b-d9cb-469f-a165-70867728950e").ok();
    let text = single(outcome);
    assert!(text.contains("**octo/app** · task 0f8fad5b-d9c… · 3m 10s\n\n**GitHub"), "{text}");
}

#[test]
fn summary_keeps_foreign_text_as_text() {
    let nasty = "a | b\n| x | <img src=x> [link](javascript:1) *code* @mona";
    let text = single(failed("octo/app", nasty));
    assert!(text.contains(r"a \| b \| x \| &lt;img src=x&gt; \[link\](javascript:1) \*code\* @mona"), "{text}");
}

#[test]
fn summary_stays_inside_githubs_limit() {
    let names = names(2000);
    let mut plan = plan(&names, &[2000]);
    if let Some(PlannedTask { action: Action::Start { task, .. }, .. }) = plan.tasks.first_mut() {
        task.prompt = "x".repeat(2_000_000);
    }
    let many = names.iter().map(|name| failed(name, &format!("{name} é|").repeat(500))).collect::<Vec<_>>();
    let text = summary(&plan, &many, &context(), &run_of(0));
    assert!(text.len() < 1024 * 1024, "{}", text.len());
    assert!(text.contains("and 1800 more, in the file"));
    let long = note("x", &vec!["y".repeat(1000); 2000]);
    assert!(long.len() < 1024 * 1024 && long.contains("does not fit"), "{}", long.len());
}
