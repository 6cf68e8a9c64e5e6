//! A stop in any world: what it cancels, and what it says.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use simulator::{
    AGENT_PATH, ExistingRun, ExistingTask, Fault, OnCancel, REVIEW_PATH, Route, RunSettings, Script, Simulator,
};

use crate::support::Step;

use super::{one_in, paused};

fn on_cancel() -> impl Strategy<Value = OnCancel> {
    select(vec![OnCancel::Ends, OnCancel::Ends, OnCancel::NeedsForce, OnCancel::GoesOn, OnCancel::Refused])
}

/// A run that is there already; the first number says on which of the branches.
fn run() -> impl Strategy<Value = (usize, ExistingRun)> {
    let paths =
        vec![AGENT_PATH, AGENT_PATH, REVIEW_PATH, "dynamic/copilot-swe-agent/other", ".github/workflows/ci.yml"];
    let statuses = vec!["in_progress", "queued", "waiting", "requested", "pending", "completed"];
    let what = (select(paths), select(vec!["dynamic", "dynamic", "push"]), select(statuses));
    let place = (0..3_usize, select(vec!["octo/app", "octo/app", "octo/lib"]));
    (what, place, on_cancel(), 0..90_u64).prop_map(|((path, event, status), (branch, repository), on_cancel, lag)| {
        let text = str::to_owned;
        let conclusion = (status == "completed").then(|| text("success"));
        let run = ExistingRun {
            repository: text(repository),
            path: text(path),
            event: text(event),
            status: text(status),
            conclusion,
            on_cancel,
            cancel_lag: Duration::from_secs(lag),
            ..ExistingRun::default()
        };
        (branch, run)
    })
}

fn script() -> impl Strategy<Value = Script> {
    prop_oneof![
        5 => Just(Script::runs_forever()),
        1 => Just(Script::new()),
        1 => Just(Script::branch_only(Duration::from_secs(90))),
        1 => Just(Script::idles_forever()),
        1 => Just(Script::completes_with_pull(Duration::from_secs(100))),
    ]
}

fn fault() -> impl Strategy<Value = (Route, Fault)> {
    let fault = prop_oneof![
        select(vec![404, 409, 500, 502]).prop_map(Fault::status),
        Just(Fault::status(502).after_accepting()),
        Just(Fault::drop()),
        (0..40_u64).prop_map(|wait| Fault::rate_limit(Duration::from_secs(wait))),
    ];
    (select(vec![Route::Task, Route::Runs, Route::Cancel]), fault)
}

proptest! {
    #![proptest_config(one_in(2))]

    #[test]
    fn stop_touches_only_the_runs_of_its_task(
        runs in vec(run(), 0..8),
        script in script(),
        age in 0..120_u64,
        own in (any::<bool>(), on_cancel(), 0..90_u64, any::<bool>()),
        force in any::<bool>(),
        faults in vec(fault(), 0..4),
    ) {
        let (exist, on_cancel, lag, follows) = own;
        let ran = std::cell::RefCell::new(None);
        let simulator = Simulator::new();
        simulator.repository("octo/lib", simulator::Repository::default());
        paused(async {
            simulator.settings(|it| it.runs = RunSettings {
                exist,
                on_cancel,
                cancel_lag: Duration::from_secs(lag),
                task_after_cancel: follows.then(|| "cancelled".to_owned()),
            });
            let id = simulator.add_task(ExistingTask { age: Duration::from_secs(age), script, ..ExistingTask::default() });
            let head = simulator.tasks()[0].head.clone().unwrap_or_else(|| "copilot/task".to_owned());
            for (branch, run) in runs {
                let branch = [head.as_str(), "main", "copilot/task-2"][branch].to_owned();
                simulator.add_run(ExistingRun { branch, ..run });
            }
            for (route, fault) in faults {
                simulator.fault(route, fault);
            }
            let step = Step::stopping(&simulator, &id).with("force", &force.to_string());
            *ran.borrow_mut() = Some(step.run().await);
        });
        let ran = ran.into_inner().unwrap();
        let head = simulator.tasks()[0].head.clone();
        let is_ours = |run: &simulator::RunView| {
            run.path == AGENT_PATH && run.repository == "octo/app" && Some(&run.branch) == head.as_ref()
        };
        for run in simulator.runs() {
            prop_assert!(is_ours(&run) || (run.cancels, run.force_cancels) == (0, 0), "{run:?}\n{}", ran.log);
            prop_assert!(force || run.force_cancels == 0, "{run:?}");
        }
        let stopped = ran.output("stopped");
        prop_assert!(["true", "false"].contains(&stopped), "{stopped}");
        prop_assert_eq!(stopped == "true", ran.code == 0, "{}", ran.log);
        prop_assert!(ran.took < Duration::from_secs(200), "{:?}", ran.took);
        if stopped == "true" && ran.output("conclusion") == "cancelled" {
            let live = simulator.runs().into_iter().filter(|run| is_ours(run) && run.status != "completed");
            // A run for another event is not one of the agent's sessions.
            let live = live.filter(|run| run.cancels > 0).collect::<Vec<_>>();
            prop_assert!(live.is_empty(), "{live:?}\n{}", ran.log);
        }
    }
}
