//! Rollouts by the built program, while the clock of GitHub advances between its runs.

use simulator::{Effect, Repository};

use crate::support::{Finished, Server};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// GitHub with so many repositories, where each pull request is merged so long after its task has completed.
fn world_of_rollouts(count: usize, merged_after: Duration) -> (Simulator, String) {
    let work = Script::new().state("in_progress", HOUR).pull().effect(Effect::Ready);
    let simulator = world(work.state("completed", merged_after).effect(Effect::Merge));
    let names = (0..count).map(|at| format!("octo/r{at}")).collect::<Vec<_>>();
    for name in &names {
        simulator.repository(name, Repository::default());
    }
    (simulator, names.join("\n"))
}

/// A run of the rollout, in the folder of the one before.
fn run(simulator: &Simulator, server: &Server, list: &str, before: Option<&Finished>) -> Step {
    let step = start(simulator).with("create-pull-request", "true").with("rollout", "baseline");
    let step = step.with("repositories", list).with("advance-on", "merged").with("rollout-cache", "rollout.json");
    let step =
        step.with("confirm-timeout", "20ms").with("poll-interval", "").variable("GITHUB_API_URL", &server.address);
    if let Some(before) = before { step.after(before) } else { step }
}

/// How many tasks each repository has.
fn tasks_each(simulator: &Simulator) -> Vec<usize> {
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for task in simulator.tasks() {
        *counts.entry(task.repository).or_default() += 1;
    }
    counts.into_values().collect()
}

#[test]
fn ten_days_of_hourly_runs_end_done_with_one_task_each() {
    let (simulator, list) = world_of_rollouts(8, 30 * HOUR);
    let server = Server::start(&simulator);
    let mut before = None;
    let mut took = Vec::new();
    for _ in 0..10 * 24 {
        let ran = run(&simulator, &server, &list, before.as_ref()).with("waves", "1, 3, *").run_process();
        ran.exits(0);
        took.push(ran.took);
        before = Some(ran);
        simulator.advance(HOUR);
    }
    before.unwrap().gives("rollout-state", "done").gives("succeeded", "8").gives("started", "0");
    assert_eq!(tasks_each(&simulator), [1; 8]);
    // On a machine that does nothing else no run comes near it.
    took.sort_unstable();
    assert!(took[took.len() / 2] < Duration::from_secs(2), "most runs took longer than {:?}", took[took.len() / 2]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a process of its own is killed after a while")]
fn kills_at_any_moment_leave_no_second_task_and_nothing_forgotten() {
    const WAVES: usize = 20;
    let (simulator, list) = world_of_rollouts(WAVES, Duration::ZERO);
    let server = Server::start(&simulator);
    let waves = vec!["1"; WAVES].join(",");
    let next = |before: Option<&Finished>| run(&simulator, &server, &list, before).with("waves", &waves);
    let mut before = next(None).run_process();
    let whole = before.took;
    // 100 kills, spread over the length of a run; the numbers have no common divisor.
    for at in 0..100_u32 {
        simulator.advance(HOUR);
        let mut running = next(Some(&before)).spawn();
        std::thread::sleep(whole * (at * 37 % 100) / 100);
        running.kill();
        before = running.end();
        assert!(tasks_each(&simulator).iter().all(|count| *count == 1), "after kill {at}");
    }
    for _ in 0..WAVES + 2 {
        simulator.advance(2 * HOUR);
        before = next(Some(&before)).run_process();
        before.exits(0);
    }
    before.gives("rollout-state", "done").gives("succeeded", &WAVES.to_string());
    assert_eq!(tasks_each(&simulator), [1; WAVES]);
}

#[test]
fn wave_that_cannot_reach_its_share_stops_with_what_to_do() {
    let (simulator, list) = world_of_rollouts(4, HOUR);
    simulator.script("octo/r1", Script::fails("the tests do not pass"));
    let server = Server::start(&simulator);
    let mut before = None;
    for _ in 0..6 {
        let ran = run(&simulator, &server, &list, before.as_ref()).with("waves", "1, 2, *").run_process();
        before = Some(ran);
        simulator.advance(3 * HOUR);
    }
    let ran = before.unwrap();
    ran.exits(1).gives("rollout-state", "stopped").gives("started", "0");
    insta::assert_snapshot!(ran.message(), @"Wave 2 cannot reach its share: 1 of 2 failed, and wave-success requires 100%. Failed: octo/r1 (the task ended as failed, https://github.com/octo/r1/tasks/[id]). No further task is started. To resume, continue these tasks or their pull requests on GitHub, raise attempts, lower wave-success, or take the repositories out of the list");
    assert_eq!(tasks_each(&simulator), [1; 3]);
}
