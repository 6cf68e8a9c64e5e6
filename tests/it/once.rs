//! Exactly one task per start, whatever breaks.

use std::time::Duration;

use insta::assert_snapshot;
use simulator::{ExistingTask, Fault, Outage, Route, Script, Simulator, Token};

use crate::fleet::{names, world};
use crate::support::{Finished, Step, seconds};

/// A step of a workflow run that can be repeated.
fn attempt(simulator: &Simulator, attempt: u32) -> Step {
    let run = [
        ("GITHUB_RUN_ID", "17"),
        ("GITHUB_JOB", "prep"),
        ("GITHUB_WORKFLOW", "Weekly"),
        ("GITHUB_ACTION", "a"),
        ("GITHUB_EVENT_NAME", "schedule"),
    ];
    let step = run.into_iter().fold(Step::new(simulator), |step, (name, value)| step.variable(name, value));
    step.variable("GITHUB_RUN_ATTEMPT", &attempt.to_string()).with("wait", "false")
}

/// How many of the simulator's tasks were started by us.
fn made(simulator: &Simulator) -> usize {
    simulator.tasks().iter().filter(|task| task.prompt.contains("agent-task key=")).count()
}

#[tokio::test(start_paused = true)]
async fn start_without_an_answer_is_adopted() {
    let mut actual = Vec::new();
    for fault in [
        Fault::status(502).after_accepting(),
        Fault::status(504).after_accepting(),
        Fault::drop().after_accepting(),
        Fault::time_out(seconds(300)).after_accepting(),
        Fault::cut_body(),
        Fault::garbage().after_accepting(),
        Fault::delay(seconds(90)).after_accepting(),
    ] {
        let simulator = Simulator::new();
        simulator.fault(Route::Start, fault.clone());
        let ran = attempt(&simulator, 1).with("wait", "true").run().await;
        ran.assert(0, "completed", "success");
        assert_eq!((ran.starts(), made(&simulator), ran.output("created")), (1, 1, "true"), "{fault:?}");
        actual.extend(ran.progress().lines().take(3).map(str::to_owned));
    }
    assert_snapshot!(actual.join("\n"), @"
    GitHub answered with status 502 Bad Gateway, request id [request]
    the start was sent but not confirmed; looking for its task for up to 1m
    the start arrived, and this is its task: [id]
    GitHub answered with status 504 Gateway Timeout, request id [request]
    the start was sent but not confirmed; looking for its task for up to 1m
    the start arrived, and this is its task: [id]
    GitHub did not answer: connection reset
    the start was sent but not confirmed; looking for its task for up to 1m
    the start arrived, and this is its task: [id]
    GitHub did not answer: nothing came within 60 s
    the start was sent but not confirmed; looking for its task for up to 1m
    the start arrived, and this is its task: [id]
    GitHub's answer cannot be read: EOF while parsing a string at line 1 column 80. A proxy between the runner and GitHub may have answered instead
    the start was sent but not confirmed; looking for its task for up to 1m
    the start arrived, and this is its task: [id]
    GitHub's answer cannot be read: expected value at line 1 column 1. A proxy between the runner and GitHub may have answered instead
    the start was sent but not confirmed; looking for its task for up to 1m
    the start arrived, and this is its task: [id]
    GitHub did not answer: nothing came within 60 s
    the start was sent but not confirmed; looking for its task for up to 1m
    the start arrived, and this is its task: [id]
    ");
}

#[tokio::test(start_paused = true)]
async fn start_that_did_not_take_is_sent_once_more() {
    let mut actual = Vec::new();
    for fault in [Fault::status(502), Fault::drop(), Fault::time_out(seconds(50)), Fault::garbage()] {
        let simulator = Simulator::new();
        simulator.fault(Route::Start, fault.clone());
        let ran = attempt(&simulator, 1).run().await;
        assert_eq!((ran.code, ran.starts(), made(&simulator)), (0, 2, 1), "{fault:?}\n{}", ran.log);
        actual.extend(ran.progress().lines().take(3).map(str::to_owned));

        let simulator = Simulator::new();
        simulator.fault_times(Route::Start, 5, fault.clone());
        let ran = attempt(&simulator, 1).with("fail-on", "never").run().await;
        assert_eq!((ran.code, ran.starts(), made(&simulator)), (6, 2, 0), "{fault:?}\n{}", ran.log);
        actual.push(ran.annotations());
    }
    assert_snapshot!(actual.join("\n"), @"
    GitHub answered with status 502 Bad Gateway, request id [request]
    the start was sent but not confirmed; looking for its task for up to 1m
    the start created no task; sending it once more
    error [Start not confirmed] octo/app: A start was sent, and it is not known whether it made a task: GitHub answered with status 502 Bad Gateway, request id [request]. It was sent twice, and no task of it has appeared since. Check the newest tasks of the repository. If none is this one, run the job again: it looks once more before it sends anything
    GitHub did not answer: connection reset
    the start was sent but not confirmed; looking for its task for up to 1m
    the start created no task; sending it once more
    error [Start not confirmed] octo/app: A start was sent, and it is not known whether it made a task: GitHub did not answer: connection reset. It was sent twice, and no task of it has appeared since. Check the newest tasks of the repository. If none is this one, run the job again: it looks once more before it sends anything
    GitHub did not answer: timed out
    the start was sent but not confirmed; looking for its task for up to 1m
    the start created no task; sending it once more
    error [Start not confirmed] octo/app: A start was sent, and it is not known whether it made a task: GitHub did not answer: timed out. It was sent twice, and no task of it has appeared since. Check the newest tasks of the repository. If none is this one, run the job again: it looks once more before it sends anything
    GitHub's answer cannot be read: expected value at line 1 column 1. A proxy between the runner and GitHub may have answered instead
    the start was sent but not confirmed; looking for its task for up to 1m
    the start created no task; sending it once more
    error [Start not confirmed] octo/app: A start was sent, and it is not known whether it made a task: GitHub's answer cannot be read: expected value at line 1 column 1. A proxy between the runner and GitHub may have answered instead. It was sent twice, and no task of it has appeared since. Check the newest tasks of the repository. If none is this one, run the job again: it looks once more before it sends anything
    ");
}

#[tokio::test(start_paused = true)]
async fn start_with_a_hidden_prompt_is_not_sent_again() {
    let simulator = Simulator::new();
    simulator.settings(|settings| settings.sessions_lag = seconds(600));
    simulator.fault(Route::Start, Fault::status(502).after_accepting());
    let ran = attempt(&simulator, 1).run().await;
    assert_eq!((ran.code, ran.starts(), made(&simulator), ran.output("task-id")), (6, 1, 1, ""), "{}", ran.log);
    assert!(ran.log.contains(&simulator.tasks()[0].id), "{}", ran.log);
    assert_snapshot!(ran.annotations(), @"error [Start not confirmed] octo/app: A start was sent, and it is not known whether it made a task: GitHub answered with status 502 Bad Gateway, request id [request]. GitHub does not show the prompt of these tasks, or whose they are, and one of them may be it: https://github.com/octo/app/tasks/[id]. Check them before starting another. Check the newest tasks of the repository. If none is this one, run the job again: it looks once more before it sends anything");
}

/// A task that cannot be read yet is asked for with its mark, and an answer that nothing has changed costs nothing.
#[tokio::test(start_paused = true)]
async fn unchanged_tasks_cost_no_requests() {
    let simulator = Simulator::new();
    simulator.settings(|settings| settings.sessions_lag = seconds(55));
    simulator.fault(Route::Start, Fault::status(502).after_accepting());
    let ran = attempt(&simulator, 1).run().await;
    assert_eq!((ran.code, made(&simulator)), (0, 1), "{}", ran.log);
    let reads = ran.calls.iter().filter(|call| call.path.contains("/tasks/")).collect::<Vec<_>>();
    let free = reads.iter().filter(|call| call.status == Some(304)).count();
    assert!(free >= 3 && free < reads.len(), "{free} of {}", reads.len());
}

#[tokio::test(start_paused = true)]
async fn tasks_of_strangers_are_not_adopted() {
    let simulator = Simulator::new();
    simulator.fault(Route::Start, Fault::status(502).after_accepting());
    let first = attempt(&simulator, 1).run().await;
    let prompt = simulator.tasks()[0].prompt.clone();
    assert_eq!(first.code, 0);

    // Another person copies the prompt with its marker, a moment before our own start comes to nothing.
    let simulator = Simulator::new();
    simulator.add_task(ExistingTask {
        repository: "octo/app".to_owned(),
        prompt,
        creator: 666,
        script: Script::stays("in_progress"),
        ..ExistingTask::default()
    });
    simulator.fault(Route::Start, Fault::status(502));
    let ran = attempt(&simulator, 1).run().await;
    assert_eq!((ran.code, ran.starts()), (0, 2), "{}", ran.log);
    let ours = simulator.tasks().into_iter().find(|task| task.creator != 666).unwrap();
    assert_eq!(ran.output("task-id"), ours.id);
}

#[tokio::test(start_paused = true)]
async fn rerun_starts_again_only_after_a_failure() {
    for (script, anew) in [
        (Script::stays("in_progress"), false),
        (Script::completes_with_pull(seconds(60)), false),
        (Script::waits_for_user(), false),
        (Script::fails("boom"), true),
        (Script::times_out(), true),
        (Script::cancelled(), true),
    ] {
        let simulator = Simulator::new();
        simulator.script("octo/app", script.clone());
        let first = attempt(&simulator, 1).run().await;
        tokio::time::sleep(seconds(7200)).await;
        let again = attempt(&simulator, 2).run().await;
        assert_eq!((again.code, made(&simulator)), (0, if anew { 2 } else { 1 }), "{script:?}\n{}", again.log);
        assert_eq!(again.output("created"), if anew { "true" } else { "false" }, "{script:?}");
        assert_eq!(again.output("task-id") == first.output("task-id"), !anew, "{script:?}");
    }
}

/// A completed task that cannot be read for a moment is no stranger's.
#[tokio::test(start_paused = true)]
async fn rerun_finds_a_task_that_it_cannot_read_at_once() {
    for fault in
        [Fault::status(502), Fault::drop(), Fault::garbage(), Fault::status(404), Fault::rate_limit(seconds(9))]
    {
        let simulator = Simulator::new();
        let first = attempt(&simulator, 1).run().await;
        tokio::time::sleep(seconds(7200)).await;
        simulator.fault(Route::Task, fault.clone());
        let again = attempt(&simulator, 2).run().await;
        assert_eq!((again.code, made(&simulator)), (0, 1), "{fault:?}\n{}", again.log);
        assert_eq!(again.output("task-id"), first.output("task-id"));
    }
}

#[tokio::test(start_paused = true)]
async fn idempotency_key_holds_across_runs() {
    let simulator = Simulator::new();
    let weekly = || attempt(&simulator, 1).with("idempotency-key", "release-2026-47");
    let first = weekly().run().await;
    tokio::time::sleep(seconds(3600)).await;
    let second = weekly().variable("GITHUB_RUN_ID", "18").with("prompt", "Something else").run().await;
    assert_eq!((made(&simulator), second.output("created")), (1, "false"), "{}", second.log);
    assert_eq!(first.output("task-id"), second.output("task-id"));
    let other = attempt(&simulator, 1).with("idempotency-key", "release-2026-48").run().await;
    assert_eq!((made(&simulator), other.output("created")), (2, "true"));
}

/// Two runs with one key, close to each other, while the list does not show the first one's task yet.
#[tokio::test(start_paused = true)]
async fn idempotency_key_holds_while_lists_lag() {
    let simulator = Simulator::new();
    simulator.settings(|settings| settings.list_lag = seconds(30));
    let weekly = |run: &str| attempt(&simulator, 1).variable("GITHUB_RUN_ID", run).with("idempotency-key", "2026-47");
    weekly("17").run().await;
    let second = weekly("18").run().await;
    assert_eq!((made(&simulator), second.output("created")), (1, "false"), "{}", second.log);
}

#[tokio::test(start_paused = true)]
async fn rerun_finds_an_archived_task() {
    let simulator = Simulator::new();
    let script = Script::new().state("in_progress", seconds(5)).state("completed", seconds(5));
    simulator.script("octo/app", script.effect(simulator::Effect::Archive));
    let first = attempt(&simulator, 1).run().await;
    tokio::time::sleep(seconds(7200)).await;
    let again = attempt(&simulator, 2).run().await;
    assert_eq!((made(&simulator), again.output("task-id")), (1, first.output("task-id")), "{}", again.log);
}

/// Searches that are answered late show a task that has grown older meanwhile.
#[tokio::test(start_paused = true)]
async fn slow_answers_hide_no_task() {
    for (route, fault) in [
        (Route::Other, Fault::time_out(seconds(60))),
        (Route::Other, Fault::delay(seconds(40))),
        (Route::List, Fault::delay(seconds(45))),
    ] {
        let simulator = Simulator::new();
        simulator.fault(Route::Start, Fault::status(502).after_accepting());
        simulator.fault_times(route, 9, fault.clone());
        let ran = attempt(&simulator, 1).run().await;
        assert_eq!(made(&simulator), 1, "{fault:?}: paid twice\n{}", ran.log);
    }
}

#[tokio::test(start_paused = true)]
async fn if_active_decides_about_a_task_of_the_same_name() {
    let mut actual = Vec::new();
    for (if_active, code, conclusion, tasks) in
        [("start", 0, "", 2), ("skip", 0, "skipped", 1), ("attach", 0, "", 1), ("fail", 3, "", 1)]
    {
        let simulator = Simulator::new();
        simulator.default_script(Script::stays("in_progress"));
        let first = attempt(&simulator, 1).run().await;
        tokio::time::sleep(seconds(600)).await;
        let next = attempt(&simulator, 1).variable("GITHUB_RUN_ID", "18").with("if-active", if_active).run().await;
        let found = (next.code, next.output("conclusion"), made(&simulator));
        assert_eq!(found, (code, conclusion, tasks), "{if_active}\n{}", next.log);
        let attached = next.output("task-id") == first.output("task-id");
        assert_eq!(attached, if_active == "attach", "{if_active}");
        assert_eq!(next.headline().contains("Agent task adopted"), attached, "{}", next.headline());
        let skipped = matches!(if_active, "skip" | "fail");
        assert_eq!(next.log.contains(&simulator.tasks()[0].id), skipped || attached, "{}", next.log);
        if skipped {
            actual.push(next.annotations());
        }
        // Another job of the same workflow has another name.
        let other = attempt(&simulator, 1).variable("GITHUB_JOB", "other").with("if-active", if_active).run().await;
        assert_eq!((other.code, other.output("created")), (0, "true"), "{if_active}\n{}", other.log);
    }
    assert_snapshot!(actual.join("\n"), @"
    notice [Task already active] octo/app: Nothing was started: a task of the same job is still in_progress. See that task: https://github.com/octo/app/tasks/[id]
    error [Task already active] octo/app: Nothing was started: a task of the same job is still in_progress. See that task: https://github.com/octo/app/tasks/[id]
    ");
}

#[tokio::test(start_paused = true)]
async fn active_task_is_found_behind_pages_of_others() {
    let simulator = Simulator::new();
    simulator.default_script(Script::stays("in_progress"));
    let first = attempt(&simulator, 1).run().await;
    for _ in 0..250 {
        simulator.add_task(ExistingTask {
            repository: "octo/app".to_owned(),
            prompt: "theirs".to_owned(),
            creator: 7,
            script: Script::completes_without_pull(seconds(60)),
            ..ExistingTask::default()
        });
    }
    tokio::time::sleep(seconds(600)).await;
    let next = attempt(&simulator, 2).run().await;
    assert_eq!(next.output("task-id"), first.output("task-id"), "{}", next.log);
}

/// One case of the walk below.
#[derive(Debug, Clone)]
struct Case {
    fault: Option<Fault>,
    second: Option<Fault>,
    search: Option<(Route, Fault)>,
    list_lag: Duration,
    sessions_lag: Duration,
    kill: Option<Duration>,
}

/// The faults that a start can meet, and whether GitHub has accepted the start nevertheless.
fn faults() -> [(Option<Fault>, bool); 13] {
    [
        (None, true),
        (Some(Fault::status(502)), false),
        (Some(Fault::status(502).after_accepting()), true),
        (Some(Fault::drop()), false),
        (Some(Fault::drop().after_accepting()), true),
        (Some(Fault::time_out(seconds(40))), false),
        (Some(Fault::time_out(seconds(40)).after_accepting()), true),
        (Some(Fault::cut_body()), true),
        (Some(Fault::garbage()), false),
        (Some(Fault::garbage().after_accepting()), true),
        (Some(Fault::unreachable()), false),
        (Some(Fault::rate_limit(seconds(7))), false),
        (Some(Fault::delay(seconds(20)).after_accepting()), true),
    ]
}

/// Every way in which a start, the lists and the process can fail together, as far as the simulator can make them:
/// never two tasks of one key while the lists lag no longer than `confirm-timeout`, never a green exit without a
/// task's id, and all outputs on every way. `share` halves the work for two processors.
async fn walk_share(share: usize) -> usize {
    let searches = [
        None,
        Some((Route::List, Fault::status(502))),
        Some((Route::List, Fault::rate_limit(seconds(20)))),
        Some((Route::Task, Fault::status(502))),
    ];
    let kills = [None, Some(0), Some(3), Some(35), Some(63)];
    let mut walked = 0;
    for (fault, taken) in faults().into_iter().skip(share).step_by(2) {
        // After a start that was taken there is no second one that could meet a fault, or two would have been made. And
        // one second fault is much like another, so that two ways to be killed will do for it.
        let seconds_too = [(None, &kills[..]), (Some(Fault::drop().after_accepting()), &kills[..2])];
        for (second, kills) in seconds_too.into_iter().take(if taken { 1 } else { 2 }) {
            for search in &searches {
                for (list_lag, sessions_lag) in [(0, 0), (2, 3), (31, 3), (2, 40), (55, 55)] {
                    for &kill in kills {
                        let case = Case {
                            fault: fault.clone(),
                            second: second.clone(),
                            search: search.clone(),
                            list_lag: seconds(list_lag),
                            sessions_lag: seconds(sessions_lag),
                            kill: kill.map(|kill| seconds(kill) + Duration::from_millis(500)),
                        };
                        walk(&case).await;
                        walked += 1;
                    }
                }
            }
        }
    }
    #[expect(clippy::print_stdout, reason = "how much was walked is what a reader wants to know")]
    {
        println!("{walked} interleavings walked");
    }
    walked
}

#[tokio::test(start_paused = true)]
async fn interleavings_never_pay_twice_nor_end_green_by_accident() {
    assert_eq!(walk_share(0).await, 4 * 5 * (5 * 5 + 2 * (5 + 2)));
}

#[tokio::test(start_paused = true)]
async fn interleavings_of_the_other_faults() {
    assert_eq!(walk_share(1).await, 4 * 5 * (2 * 5 + 4 * (5 + 2)));
}

async fn walk(case: &Case) {
    let simulator = Simulator::new();
    simulator.settings(|settings| {
        settings.list_lag = case.list_lag;
        settings.sessions_lag = case.sessions_lag;
    });
    simulator.faults(Route::Start, case.fault.clone().into_iter().chain(case.second.clone()));
    if let Some((route, fault)) = case.search.clone() {
        simulator.fault(route, fault);
    }
    let first = match case.kill {
        None => Some(attempt(&simulator, 1).run().await),
        // Nothing of a killed process continues, and it has said no last word.
        Some(kill) => attempt(&simulator, 1).run_for(kill).await,
    };
    check(case, &simulator, first.as_ref());
    let again = attempt(&simulator, 2).run().await;
    check(case, &simulator, Some(&again));
    if again.code == 0 {
        assert_eq!(made(&simulator), 1, "{case:?}\n{}", again.log);
    }
}

#[track_caller]
fn check(case: &Case, simulator: &Simulator, ran: Option<&Finished>) {
    assert!(made(simulator) <= 1, "{case:?}: paid twice\n{}", ran.map(|ran| ran.log.as_str()).unwrap_or_default());
    if let Some(ran) = ran {
        assert!(matches!(ran.code, 0 | 5 | 6), "{case:?}: {}\n{}", ran.code, ran.log);
        assert_eq!(ran.code == 0, !ran.output("task-id").is_empty(), "{case:?}\n{}", ran.log);
    }
}

/// Another run may start the task while this one waits for GitHub's limit.
#[tokio::test(start_paused = true)]
async fn tasks_are_searched_for_again_after_a_long_limit() {
    for (input, value) in [("idempotency-key", "2026-47"), ("if-active", "skip")] {
        let simulator = Simulator::new();
        simulator.default_script(Script::runs_forever());
        simulator.fault(Route::Start, Fault::rate_limit(seconds(600)));
        let run = |id: &str| attempt(&simulator, 1).variable("GITHUB_RUN_ID", id).with(input, value).run();
        let later = async {
            tokio::time::sleep(seconds(120)).await;
            run("18").await
        };
        let (limited, later) = tokio::join!(run("17"), later);
        assert_eq!((limited.code, later.code, made(&simulator)), (0, 0, 1), "{input}\n{}", limited.log);
    }
}

/// A world with so many repositories whose tasks go on, and a step over all of them.
fn fleet(count: usize) -> (Simulator, impl Fn(u32) -> Step) {
    let simulator = world(count);
    simulator.default_script(Script::runs_forever());
    let list = names(count).join("\n");
    (simulator.clone(), move |number| attempt(&simulator, number).with("repositories", &list))
}

/// The list of all tasks and that of one repository do the same.
#[tokio::test(start_paused = true)]
async fn task_that_is_not_shown_is_not_taken_for_absent() {
    for count in [10, 11] {
        let (simulator, step) = fleet(count);
        step(1).run().await.exits(0);
        tokio::time::sleep(seconds(600)).await;
        let hidden = Outage::new(Fault::status(404)).on(Route::Task).of("octo/r3");
        simulator.outage(hidden.from(simulator.elapsed()).lasting(seconds(75)));
        step(2).run().await.exits(6);
        assert_eq!(made(&simulator), count);
    }
}

#[tokio::test(start_paused = true)]
async fn list_that_fails_loses_no_task_that_cannot_be_read_yet() {
    let (simulator, step) = fleet(11);
    simulator.settings(|settings| settings.sessions_lag = seconds(240));
    step(1).run().await.exits(0);
    tokio::time::sleep(seconds(200)).await;
    // Newer tasks fill the first page, where the list is read to the next time.
    for _ in 0..120 {
        simulator.add_task(ExistingTask {
            creator: Token::default().id,
            repository: "octo/r0".to_owned(),
            age: seconds(130),
            script: Script::completes_without_pull(seconds(10)),
            ..ExistingTask::default()
        });
    }
    let soon = simulator.elapsed() + Duration::from_millis(500);
    simulator.outage(Outage::new(Fault::status(502)).on(Route::List).from(soon).lasting(seconds(1)));
    step(2).run().await;
    assert_eq!(made(&simulator), 11);
}
