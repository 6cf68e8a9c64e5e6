//! One task, whatever breaks.

use std::ops::RangeInclusive;
use std::time::Duration;

use agent_task::task::marker::{Key, Marker};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use simulator::{ExistingTask, Fault, FaultKind, Route, Script, Settings, Simulator};

use crate::support::{Finished, Step};

use super::{one_in, paused, state};

fn seconds(range: RangeInclusive<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_secs)
}

/// What becomes of a task: states, each for a while, and a pull request at one of them.
#[derive(Debug, Clone)]
struct Timeline {
    states: Vec<(String, Duration)>,
    pull_at: Option<usize>,
}

impl Timeline {
    fn script(&self) -> Script {
        let mut script = Script::new();
        for (at, (state, lasting)) in self.states.iter().enumerate() {
            if self.pull_at == Some(at) {
                script = script.pull();
            }
            script = script.state(state.as_str(), *lasting);
        }
        script
    }

    /// Whether the task is in a state that a re-run does not take up, at some moment between two ages.
    fn is_spent_between(&self, from: Duration, to: Duration) -> bool {
        let mut begins = Duration::ZERO;
        for (at, (state, lasting)) in self.states.iter().enumerate() {
            let ends = if at + 1 == self.states.len() { Duration::MAX } else { begins + *lasting };
            if matches!(state.as_str(), "failed" | "timed_out" | "cancelled") && begins <= to && ends >= from {
                return true;
            }
            begins = ends;
        }
        false
    }
}

fn timeline() -> impl Strategy<Value = Timeline> {
    let states = vec((state(), seconds(0..=400)), 0..6);
    (states, option::of(0..6_usize)).prop_map(|(states, pull_at)| Timeline { states, pull_at })
}

/// A fault that leaves open what happened to the request, or that comes before it is looked at. GitHub's contract has no
/// others: an answer that says no after all was done would be a lie.
fn fault() -> impl Strategy<Value = Fault> {
    let silence = prop_oneof![
        select(vec![408, 500, 502, 503, 504, 599]).prop_map(Fault::status),
        select(vec![500, 502, 503]).prop_map(|code| Fault::status(code).html()),
        (0..200_u32).prop_map(|wait| Fault::status(503).header("retry-after", wait.to_string())),
        Just(Fault::drop()),
        Just(Fault::garbage()),
        seconds(0..=90).prop_map(Fault::time_out),
        seconds(0..=90).prop_map(Fault::delay),
    ];
    let refusal = prop_oneof![
        select(vec![400, 401, 403, 404, 409, 410, 422, 451]).prop_map(Fault::status),
        select(vec![422, 500]).prop_map(|code| Fault::status(code).body(json!([{"message": 1}, "errors"]))),
        seconds(0..=300).prop_map(Fault::rate_limit),
        seconds(0..=300).prop_map(Fault::primary_limit),
        Just(Fault::status(429)),
        Just(Fault::unreachable()),
    ];
    prop_oneof![
        4 => silence.clone(),
        4 => silence.prop_map(Fault::after_accepting),
        1 => Just(Fault::cut_body()),
        3 => refusal,
    ]
}

fn faults(most: usize) -> impl Strategy<Value = Vec<(Route, Fault)>> {
    let routes = vec![Route::Start, Route::Task, Route::List, Route::GraphQl, Route::Pulls, Route::Other];
    vec((select(routes), fault()), 0..=most)
}

/// One life of a start: what GitHub does, what the user asked for, and what happens to the runner.
#[derive(Debug, Clone)]
struct Life {
    timeline: Timeline,
    /// What becomes of the task of a second start.
    second: Timeline,
    faults: Vec<(Route, Fault)>,
    later_faults: Vec<(Route, Fault)>,
    confirm: Duration,
    /// The lags of list, sessions, single tasks and artifacts, in hundredths of `confirm`.
    lags: [u32; 4],
    kill: Option<Duration>,
    /// How long after the first attempt the run is repeated.
    gap: Duration,
    asked: Asked,
}

#[derive(Debug, Clone)]
struct Asked {
    wait: bool,
    timeout: Duration,
    interval: Duration,
    pull: bool,
    pull_required: bool,
    fail_on: Vec<&'static str>,
    stop_on: Vec<&'static str>,
    if_active: &'static str,
    /// Whether another run's task of the same name is active.
    kin: bool,
}

fn asked() -> impl Strategy<Value = Asked> {
    let fail_on = subsequence(vec!["failure", "timed_out", "cancelled", "action_required", "skipped"], 0..=5);
    let stop_on = subsequence(vec!["waiting_for_user", "idle"], 0..=2);
    let if_active = select(vec!["start", "start", "start", "skip", "attach", "fail"]);
    let flags = (prop::bool::weighted(0.8), any::<bool>(), any::<bool>(), prop::bool::weighted(0.2));
    (flags, seconds(10..=1200), seconds(5..=60), fail_on, stop_on, if_active).prop_map(
        |((wait, pull, required, kin), timeout, interval, fail_on, stop_on, if_active)| {
            let pull_required = wait && pull && required;
            Asked { wait, timeout, interval, pull, pull_required, fail_on, stop_on, if_active, kin }
        },
    )
}

fn life() -> impl Strategy<Value = Life> {
    let kill = option::weighted(0.5, prop_oneof![0..5_000_u64, 0..200_000_u64]);
    let github = (timeline(), timeline(), faults(5), faults(4));
    let lags = (seconds(5..=60), prop::array::uniform4(0..=95_u32));
    (github, lags, kill, prop_oneof![seconds(0..=3), seconds(0..=900)], asked()).prop_map(
        |((timeline, second, faults, later_faults), (confirm, lags), kill, gap, asked)| {
            let kill = kill.map(Duration::from_millis);
            Life { timeline, second, faults, later_faults, confirm, lags, kill, gap, asked }
        },
    )
}

/// The stamp of another run of the same workflow.
fn kin() -> Marker {
    let text = str::to_owned;
    Marker {
        key: Key::over(["kin"]),
        name: text("Weekly/prep"),
        class: text(""),
        entry: text(""),
        follow_up: text(""),
        run: text("r"),
        attempt: text("1"),
        actor: text("m"),
        ..Marker::default()
    }
}

impl Life {
    fn simulator(&self) -> Simulator {
        let simulator = Simulator::new();
        let [list, sessions, detail, artifact] = self.lags.map(|hundredths| self.confirm * hundredths / 100);
        simulator.settings(|settings| {
            settings.list_lag = list;
            settings.sessions_lag = sessions;
            settings.detail_lag = detail;
            settings.artifact_lag = artifact;
        });
        if self.asked.kin {
            simulator.add_task(ExistingTask {
                prompt: kin().put_under("Another week"),
                script: Script::stays("in_progress"),
                ..ExistingTask::default()
            });
        }
        simulator.script("octo/app", self.timeline.script());
        simulator.default_script(self.second.script());
        simulator
    }

    fn attempt(&self, simulator: &Simulator, attempt: u32) -> Step {
        let Asked { wait, timeout, interval, pull, pull_required, fail_on, stop_on, if_active, .. } = &self.asked;
        let list = |words: &[&str]| if words.is_empty() { "never".to_owned() } else { words.join(", ") };
        let step = [("RUN_ID", "17"), ("EVENT_NAME", "push"), ("JOB", "prep"), ("WORKFLOW", "Weekly"), ("ACTION", "a")]
            .iter()
            .fold(Step::new(simulator), |step, (name, value)| step.variable(&format!("GITHUB_{name}"), value));
        step.variable("GITHUB_RUN_ATTEMPT", &attempt.to_string())
            .with("confirm-timeout", &format!("{}s", self.confirm.as_secs()))
            .with("wait", &wait.to_string())
            .with("wait-timeout", &format!("{}s", timeout.as_secs()))
            .with("poll-interval", &format!("{}s", interval.as_secs()))
            .with("create-pull-request", &pull.to_string())
            .with("require-pull-request", &pull_required.to_string())
            .with("fail-on", &list(fail_on))
            .with("stop-on", &list(stop_on))
            .with("if-active", if_active)
    }

    /// Lives it, under a clock of its own.
    fn live(&self) {
        paused(async {
            let simulator = self.simulator();
            for (route, fault) in &self.faults {
                simulator.fault(*route, fault.clone());
            }
            let first = match self.kill {
                None => Some(self.attempt(&simulator, 1).run().await),
                Some(kill) => self.attempt(&simulator, 1).run_for(kill).await,
            };
            self.judge(&simulator, 1, first.as_ref(), Duration::ZERO);
            tokio::time::sleep(self.gap).await;
            for (route, fault) in &self.later_faults {
                simulator.fault(*route, fault.clone());
            }
            let began = simulator.elapsed();
            let again = self.attempt(&simulator, 2).run().await;
            self.judge(&simulator, 2, Some(&again), began);
        });
    }

    #[track_caller]
    fn judge(&self, simulator: &Simulator, attempt: u32, ran: Option<&Finished>, began: Duration) {
        let log = ran.map(|ran| ran.log.as_str()).unwrap_or_default();
        let tasks = simulator.tasks();
        let ours = tasks.iter().filter(|task| Marker::find(&task.prompt).is_some_and(|it| it.key != kin().key));
        let ours = ours.collect::<Vec<_>>();
        match ours.as_slice() {
            [] | [_] => {}
            // A task that failed, timed out or was cancelled is what a re-run is for.
            [first, second] if attempt == 2 => {
                let age = |at: Duration| at.saturating_sub(first.created_at);
                let spent = self.timeline.is_spent_between(age(began), age(second.created_at));
                assert!(spent, "paid twice:\n{log}");
            }
            _ => panic!("paid twice in attempt {attempt}:\n{log}"),
        }
        let Some(ran) = ran else { return };
        let ids = tasks.iter().map(|task| task.id.as_str()).collect::<Vec<_>>();
        self.judge_outputs(ran, &ids);
        self.judge_exit(ran);
        self.judge_time(ran, attempt);
    }

    /// The outputs agree with each other and with what exists.
    #[track_caller]
    fn judge_outputs(&self, ran: &Finished, ids: &[&str]) {
        let output = |name: &str| ran.output(name);
        assert!(output("task-id").is_empty() || ids.contains(&output("task-id")), "{}", ran.log);
        assert_eq!(output("task-id").is_empty(), output("created").is_empty(), "{}", ran.log);
        assert_eq!(output("started") == "1", output("created") == "true", "{}", ran.log);
        let results: Value = serde_json::from_str(output("results")).unwrap();
        assert_eq!(results.as_array().map(Vec::len), Some(1), "{results}");
        for name in ["task-id", "state", "conclusion", "created", "pull-request-number", "error-message"] {
            let value = match &results[0][name] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            // The harness reads lines as Rust has them, which leaves out a carriage return before a line feed.
            assert_eq!(value.replace('\r', ""), output(name).replace('\r', ""), "{name}");
        }
        let state = output("state");
        let with_pull = !output("pull-request-number").is_empty();
        let agrees = match output("conclusion") {
            "" => true,
            "success" => state == "completed" && (with_pull || !self.asked.pull_required),
            "failure" => state == "failed" || state == "completed" && self.asked.pull_required && !with_pull,
            "timed_out" => !matches!(state, "completed" | "failed" | "cancelled"),
            "cancelled" => state == "cancelled",
            "action_required" => self.asked.stop_on.contains(&state),
            "skipped" => self.asked.kin && self.asked.if_active == "skip" && output("task-id").is_empty(),
            other => panic!("no conclusion: {other}"),
        };
        assert!(agrees, "{} of state {state}:\n{}", output("conclusion"), ran.log);
    }

    /// The exit code agrees with the outputs and with what the user asked for.
    #[track_caller]
    fn judge_exit(&self, ran: &Finished) {
        let conclusion = ran.output("conclusion");
        let no_task = ran.output("task-id").is_empty();
        let fails = self.asked.fail_on.contains(&conclusion);
        let agrees = match ran.code {
            0 => {
                let waited = !self.asked.wait || !conclusion.is_empty();
                !fails && waited && (!no_task || conclusion == "skipped")
            }
            1 => fails,
            3 => self.asked.kin && self.asked.if_active == "fail" && no_task && conclusion.is_empty(),
            // A task that was never seen again until the deadline has both: what GitHub said last, and that time is up.
            4 | 5 => matches!(conclusion, "" | "timed_out"),
            6 => no_task && conclusion.is_empty(),
            _ => false,
        };
        assert!(agrees, "exit {} with conclusion {conclusion:?}:\n{}", ran.code, ran.log);
        assert!(ran.code == 0 || !ran.output("error-message").is_empty() || !conclusion.is_empty(), "{}", ran.log);
    }

    /// The wait ends at its deadline, but for answers that were held back and for what starting took.
    #[track_caller]
    fn judge_time(&self, ran: &Finished, attempt: u32) {
        let all = self.faults.iter().chain(self.later_faults.iter().filter(|_| attempt == 2));
        let mut most = self.asked.timeout + Duration::from_secs(1);
        let mut smooth = attempt == 1 && self.asked.if_active == "start";
        for (route, fault) in all {
            most += match fault.kind {
                FaultKind::Delay(span) | FaultKind::TimeOut(span) => span.min(Duration::from_secs(60)),
                _ => Duration::ZERO,
            };
            smooth &= !matches!(route, Route::Start | Route::List | Route::Other);
        }
        if !smooth {
            // A search first, and two for a start that was not answered; then the limits and outages on the way.
            most += self.confirm * 6 + Duration::from_secs(60);
            most += Duration::from_secs(300) * u32::try_from(self.faults.len() + self.later_faults.len()).unwrap();
        }
        assert!(ran.took <= most, "{:?} instead of {most:?}:\n{}", ran.took, ran.log);
    }
}

proptest! {
    #![proptest_config(one_in(2))]

    #[test]
    fn step_never_pays_twice_nor_lies(life in life()) {
        life.live();
    }
}

/// Found by the property: the horizon of a search was that of the moment at which the search before had been asked for, and
/// the task had grown older than it while that one's answers were held back.
#[test]
fn slow_answer_hides_no_task_from_the_next_request() {
    let slow = Duration::from_secs(36);
    for (route, fault) in [
        (Route::Task, Fault::time_out(slow)),
        (Route::List, Fault::delay(slow)),
        (Route::List, Fault::time_out(slow)),
        (Route::Other, Fault::delay(slow)),
    ] {
        paused(async {
            let simulator = Simulator::new();
            simulator.settings(|settings| *settings = Settings::documented());
            simulator.fault(Route::Start, Fault::status(502).after_accepting());
            simulator.fault(route, fault.clone());
            let ran = Step::new(&simulator).with("wait", "false").with("confirm-timeout", "5s").run().await;
            assert_eq!((ran.code, simulator.tasks().len()), (0, 1), "{route:?} {fault:?}: paid twice\n{}", ran.log);
        });
    }
}

/// Found by fuzzing: a list that is JSON and no object.
#[test]
fn list_that_is_not_an_object_is_not_an_answer() {
    for body in [json!([]), json!("x"), json!(1), json!(null), json!({"tasks": {}})] {
        paused(async {
            let simulator = Simulator::new();
            simulator.fault(Route::Start, Fault::status(502).after_accepting());
            simulator.fault(Route::List, Fault::status(200).body(body.clone()));
            let ran = Step::new(&simulator).with("wait", "false").run().await;
            assert_eq!((ran.code, simulator.tasks().len()), (0, 1), "{body}\n{}", ran.log);
        });
    }
}

/// Found by the property: a task that had settled was polled again for its pull request, and a person had opened
/// another session meanwhile.
#[test]
fn settled_task_stays_settled() {
    paused(async {
        let simulator = Simulator::new();
        let second = Duration::from_secs(1);
        let script = Script::new().state("in_progress", second * 60).state("completed", second * 20);
        simulator.default_script(script.state("in_progress", second));
        let ran = Step::new(&simulator).run().await;
        assert_eq!((ran.code, ran.output("conclusion")), (0, "success"), "{}", ran.log);
    });
}
