use std::collections::HashSet;

use jiff::Timestamp;

use crate::actions::context::Environment;
use crate::github::pull_request::PullRequest;
use crate::github::task::Task;
use crate::task::rollout::view::concluded;
use crate::task::rollout::{AdvanceOn, Member, OnChange, RolloutRules, RolloutTask};

use super::*;

fn at(day: u8) -> Timestamp {
    format!("2026-11-{day:02}T00:00:00Z").parse().unwrap()
}

fn review(name: &str, state: PullState) -> PullReview {
    let pull = PullRequest {
        number: 12,
        url: format!("https://github.com/{name}/pull/12"),
        database_id: None,
        node_id: None,
        head_ref: "copilot/a".to_owned(),
        base_ref: "main".to_owned(),
        open: state == PullState::Open,
    };
    PullReview { pull, state, is_draft: false, repository: name.to_owned(), reviewers: vec!["mona".to_owned()] }
}

fn outcome(name: &str, review: Option<&PullReview>) -> Outcome {
    let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let task = json!({"id": id, "state": "completed", "html_url": format!("https://github.com/{name}/tasks/{id}")});
    let task: Task = serde_json::from_value(task).unwrap();
    let pull = review.map(|review| review.pull.clone());
    Outcome { task_id: Some(task.id.clone()), task: Some(task), pull, ..Outcome::new(name.parse().unwrap()) }
}

/// A rollout with an entry for each of these.
fn view(waves: &str, entries: &[(usize, Option<Standing>)]) -> RolloutView {
    let rules = RolloutRules {
        name: "baseline".to_owned(),
        waves: waves.parse().unwrap(),
        success: "50%".parse().unwrap(),
        advance_on: AdvanceOn::Merged,
        attempts: 1,
        stall_after: Duration::from_secs(3 * 24 * 3600),
        on_change: OnChange::Stop,
    };
    let mut view = RolloutView {
        rules,
        members: Vec::new(),
        outcomes: Vec::new(),
        pulls: Vec::new(),
        removed: vec![outcome("octo/gone", None)],
        change: None,
        started: Vec::new(),
        refused: None,
        known: HashSet::new(),
        now: at(20),
    };
    for (index, (wave, standing)) in entries.iter().enumerate() {
        let name = format!("octo/r{index}");
        let tasks = standing.iter().map(|it| RolloutTask { wave: *wave, standing: it.clone(), since: Some(at(10)) });
        view.members.push(Member { tasks: tasks.collect(), ..Member::default() });
        let state = if *standing == Some(Standing::Succeeded) { PullState::Merged } else { PullState::Open };
        let review = standing.as_ref().map(|_| review(&name, state));
        view.outcomes.push(match standing {
            Some(standing) => concluded(outcome(&name, review.as_ref()), standing),
            None => Outcome::new(name.parse().unwrap()),
        });
        view.pulls.push(review);
    }
    view
}

fn waiting() -> Option<Standing> {
    Some(Standing::Waiting("pull request #12 is open".to_owned()))
}

#[test]
fn summary_shows_waves_repositories_and_what_is_next() {
    let failed = Some(Standing::Failed("the task ended as failed".to_owned()));
    let entries = [
        (1, Some(Standing::Succeeded)),
        (2, waiting()),
        (2, failed),
        (2, Some(Standing::Running)),
        (2, None),
        (3, None),
    ];
    let view = view("1, 4, *", &entries);
    let context = Context::new(&Environment::default(), None, None);
    insta::assert_snapshot!(summary(&view, &[], &PolicyMetadata::default(), &context), @"
    ### ⏳ Rollout baseline: running

    **The next run starts the next task of 1 repository: octo/r4.**

    ⚠️ 1 repository has waited for longer than 3 days.

    | Wave | Progress | Repositories | Counts |
    |---|---|---|---|
    | 1 ✅ | 🟩 | 1 | 1 succeeded |
    | 2 | 🟦🟨🟥⬜ | 4 | 1 running, 1 waiting, 1 failed, 1 due |
    | 3 | ⬜ | 1 | 1 queued |

    | Status | Repository | Wave | Pull request | Task | Note |
    |---|---|---|---|---|---|
    | 🟥 failed | octo/r2 | 2 | [#12](https://github.com/octo/r2/pull/12) | [task](https://github.com/octo/r2/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | The task ended as failed |
    | 🟨 waiting | octo/r1 | 2 | [#12](https://github.com/octo/r1/pull/12) | [task](https://github.com/octo/r1/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) | Pull request #12 is open, review requested from mona |
    | 🟦 running | octo/r3 | 2 | [#12](https://github.com/octo/r3/pull/12) | [task](https://github.com/octo/r3/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) |  |
    | ⬜ due | octo/r4 | 2 |  |  |  |
    | 🟩 succeeded | octo/r0 | 1 | [#12](https://github.com/octo/r0/pull/12) merged | [task](https://github.com/octo/r0/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) |  |
    | ⬜ queued | octo/r5 | 3 |  |  |  |

    <details><summary>1 repository no longer in the list, left alone</summary>

    | Repository | Task |
    |---|---|
    | octo/gone | [task](https://github.com/octo/gone/tasks/0f8fad5b-d9cb-469f-a165-70867728950e) |

    </details>
    ");
}

#[test]
fn messages_say_what_stops_and_what_waits() {
    let messages = |view: &RolloutView| {
        let (decision, outcomes) = view.after(&[]);
        let all = annotations(view, &decision, &outcomes);
        let all = all.iter().map(|it| format!("{:?} {}: {}", it.level, it.title, it.message)).collect::<Vec<_>>();
        format!("{:?} {}\n{}", exit(&decision), title(view, &decision), all.join("\n"))
    };
    insta::assert_snapshot!(messages(&view("1, *", &[(1, waiting()), (2, None)])), @"
    Fine rollout baseline: waiting, 0 of 2 repositories succeeded
    Warning Rollout waits: These have waited for longer than 3 days:
    octo/r0: https://github.com/octo/r0/pull/12, review requested from mona
    ");
    let failed = || Some(Standing::Failed("the task ended as failed".to_owned()));
    insta::assert_snapshot!(messages(&view("3, *", &[(1, failed()), (1, failed()), (1, failed()), (2, None)])), @"
    Concluded rollout baseline: stopped, 0 of 4 repositories succeeded
    Error Rollout stopped: Wave 1 cannot reach its share: 3 of 3 failed, and wave-success requires 50%. Failed: octo/r0 (the task ended as failed, https://github.com/octo/r0/tasks/0f8fad5b-d9cb-469f-a165-70867728950e), octo/r1 (the task ended as failed, https://github.com/octo/r1/tasks/0f8fad5b-d9cb-469f-a165-70867728950e), octo/r2 (the task ended as failed, https://github.com/octo/r2/tasks/0f8fad5b-d9cb-469f-a165-70867728950e). No further task is started. To resume, continue these tasks or their pull requests on GitHub, raise attempts, lower wave-success, or take the repositories out of the list
    ");
    insta::assert_snapshot!(messages(&view("1, *", &[(1, Some(Standing::Unknown("no access".to_owned()))), (2, None)])), @"
    RefusedByGitHub rollout baseline: waiting, 0 of 2 repositories succeeded
    Error Rollout cannot be read: Nothing is started until octo/r0 can be read: no access. If a repository is gone for good, take it out of the list
    ");
    let mut changed = view("1, *", &[(1, Some(Standing::Succeeded)), (2, None)]);
    changed.change =
        Some("its newest task has version 7 (template a), and the prompt is now version 8 (template b)".to_owned());
    insta::assert_snapshot!(messages(&changed), @"
    Concluded rollout baseline: stopped, 1 of 2 repositories succeeded
    Error Rollout stopped: The prompt has changed: its newest task has version 7 (template a), and the prompt is now version 8 (template b). No further task is started. Write `on-change: continue` to use the new prompt, or another rollout name to begin anew
    ");
}

fn said_next(view: &RolloutView) -> String {
    let (decision, outcomes) = view.after(&[]);
    next(view, &decision, &outcomes)
}

#[test]
fn summary_says_what_keeps_the_next_run_from_starting() {
    let mut changed = view("1, *", &[(1, waiting()), (2, None)]);
    changed.change = Some("its newest task has template a, and the prompt is now template b".to_owned());
    insta::assert_snapshot!(said_next(&changed), @"Once 1 more of wave 1 is merged, the rollout stops, because the prompt has changed: its newest task has template a, and the prompt is now template b. Write `on-change: continue` to use the new prompt, or another rollout name to begin anew");
    changed.rules.on_change = OnChange::Continue;
    insta::assert_snapshot!(said_next(&changed), @"Once 1 more of wave 1 is merged, the next run starts wave 2 with 1 repository: octo/r1");
    // A repository of the first wave is at work again.
    let back = [(1, Some(Standing::Running)), (2, waiting()), (2, None), (3, None)];
    insta::assert_snapshot!(said_next(&view("1, 2, *", &back)), @"Once 1 more of wave 1 is merged, the next run starts wave 2 with 1 repository: octo/r2");
    insta::assert_snapshot!(said_next(&view("1, *", &[(1, Some(Standing::Running)), (2, waiting())])), @"Once 1 more of wave 1 is merged, and nothing is open any more, the rollout is done");
    let mut refused = view("1, *", &[(1, None), (2, None)]);
    refused.refused = Some("today is 2026-11-20 in UTC, and the class has `not-after: 2026-11-01`".to_owned());
    insta::assert_snapshot!(said_next(&refused), @"The next run tries again to start the next task of 1 repository: octo/r0. The policy refuses these starts: today is 2026-11-20 in UTC, and the class has `not-after: 2026-11-01`");
    // A limit of the policy refuses the start of this run.
    let mut limited = view("1, *", &[(1, None), (2, None)]);
    limited.outcomes[0].conclusion = Some(Conclusion::Skipped);
    insta::assert_snapshot!(said_next(&limited), @"The next run tries again to start the next task of 1 repository: octo/r0");
}

#[test]
fn refused_starts_are_tried_again() {
    let mut view =
        view("2, *", &[(1, None), (1, Some(Standing::Failed("the task ended as failed".to_owned()))), (2, None)]);
    view.rules.success = "100%".parse().unwrap();
    view.members[0].refused = Some("archived".to_owned());
    view.outcomes[0] = concluded(view.outcomes[0].clone(), &Standing::Failed("archived".to_owned()));
    insta::assert_snapshot!(said_next(&view), @"Wave 1 cannot reach its share: 2 of 2 failed, and wave-success requires 100%. Failed: octo/r0 (archived), octo/r1 (the task ended as failed, https://github.com/octo/r1/tasks/0f8fad5b-d9cb-469f-a165-70867728950e). No further task is started. To resume, continue these tasks or their pull requests on GitHub, raise attempts, lower wave-success, or take the repositories out of the list; the next run tries the starts again that GitHub has refused");
    view.members[1] = Member::default();
    insta::assert_snapshot!(said_next(&view), @"Wave 1 cannot reach its share: 1 of 2 failed, and wave-success requires 100%. Failed: octo/r0 (archived). No further task is started. To resume, remove the cause, lower wave-success, or take the repositories out of the list; the next run tries these starts again");
}

#[test]
fn next_task_of_a_repository_has_no_pull_request_of_the_one_before() {
    let mut view = view("*", &[(1, Some(Standing::Failed("pull request #12 was closed without a merge".to_owned())))]);
    view.rules.attempts = 2;
    view.started = vec![0];
    view.pulls[0].as_mut().unwrap().state = PullState::Closed;
    let text = body(&view, &[outcome("octo/r0", None)]);
    assert!(text.contains("octo/r0 | 1 | [task]"), "{text}");
    assert!(!text.contains("closed"), "{text}");
}

#[test]
fn question_of_the_agent_is_not_for_the_reviewers() {
    let asked = Standing::Waiting("the agent waits for an answer on GitHub".to_owned());
    let context = Context::new(&Environment::default(), None, None);
    let view = view("*", &[(1, Some(asked))]);
    let text = summary(&view, &[], &PolicyMetadata::default(), &context);
    assert!(text.contains("| The agent waits for an answer on GitHub |"), "{text}");
}

#[test]
fn bar_has_a_square_for_each_entry_or_share() {
    let bar_of = |succeeded: usize, count: usize| {
        let standing = |at: usize| if at < succeeded { Some(Standing::Succeeded) } else { waiting() };
        let view = view("*", &(0..count).map(|at| (1, standing(at))).collect::<Vec<_>>());
        let decision = view.decide();
        let bar = bar(&decision, &decision.waves[0]);
        (bar.matches("🟩").count(), bar.matches("🟨").count())
    };
    assert_eq!((bar_of(1, 3), bar_of(20, 20)), ((1, 2), (20, 0)));
    assert_eq!((bar_of(500, 1000), bar_of(999, 1000), bar_of(0, 1000)), ((10, 10), (19, 1), (0, 20)));
    let failed = Some(Standing::Failed("the task ended as failed".to_owned()));
    let rare = [failed, Some(Standing::Running), waiting()].map(|standing| (1, standing));
    let entries = [vec![(1, Some(Standing::Succeeded)); 997], rare.to_vec()].concat();
    let decision = view("*", &entries).decide();
    assert_eq!(bar(&decision, &decision.waves[0]), format!("{}🟦🟨🟥", "🟩".repeat(17)));
}

#[test]
fn waves_are_an_output_with_their_counts() {
    let view = view("1, *", &[(1, Some(Standing::Succeeded)), (2, waiting()), (2, None)]);
    let [(_, state), (_, waves)] = values(&view.decide());
    assert_eq!(state, "running");
    let waves: Value = serde_json::from_str(&waves).unwrap();
    let expected = json!({"wave": 2, "repositories": 2, "reached": false, "succeeded": 0, "running": 0, "waiting": 1,
        "unknown": 0, "failed": 0, "skipped": 0, "due": 1, "queued": 0});
    assert_eq!(waves[1], expected);
}
