//! What must be so for anything that may come: timelines, faults and lags; texts, inputs and answers.
//!
//! Each property takes a share of proptest's 256 cases, as many as fit into a second or two; `PROPTEST_CASES` says how
//! many each is to take instead. A case that fails is printed in its smallest form, to be kept as a test of its own; nothing is written
//! into the tree.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

use agent_task::actions::context::Environment;
use agent_task::actions::host::Host;
use agent_task::actions::output_file::render;
use agent_task::actions::workflow_command::{Annotation, Level};
use agent_task::github::task::{NewTask, State, Task};
use agent_task::github::token::Token;
use agent_task::inputs::request::Inputs;
use agent_task::inputs::table::INPUTS;
use agent_task::report::outputs::OUTPUTS;
use agent_task::task::marker::{Key, Marker};
use agent_task::task::pull_request::PullRequestHints;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use simulator::{ExistingTask, Fault, FaultKind, Route, Script, Settings, Simulator};

use crate::grammar;
use crate::step::{Ran, Step, TOKEN};

/// One case in so many of proptest's 256. `PROPTEST_CASES` stands above this.
fn one_in(share: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = (usual.cases / share).max(1);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 2000, ..usual }
}

fn seconds(range: RangeInclusive<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_secs)
}

/// A text with all that this program, the runner, a terminal or a reader of HTML may take for more than text.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => select(vec![
            "::", ":", "##[", "#", "[", "]", "\n", "\r", "\r\n", "\t", " ", "  ", "\u{a0}", "\u{85}", "\u{2028}",
            "\u{200b}", "\u{ad}", "\u{feff}", "\u{202e}", "\u{1b}[2J", "\0", "=", "<<", "<<E", "E", "%", "%0A", "%0D",
            "%25", "%3A", "-", "--", "-->", "<!--", "<", ">", "\"", "'", "`", "|", "&", ",", ";", "error", "add-mask",
            "set-output name=state", "::error::x", "::endgroup::", "##[error]x", "##[endgroup]", "ghadelimiter_",
            "ghadelimiter_0", "state", "task-id", "<!-- agent-task ", "key=", "key=0123456789abcdef", "name=x",
            " -->", "***", "\u{fffd}", "ü", "ſ", "🦀",
        ])
        .prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "\\PC{0,12}",
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

// ---- One task, whatever breaks --------------------------------------------------------------------------------------

/// The states of the API, and words that it may have tomorrow.
fn state() -> impl Strategy<Value = String> {
    let known = ["queued", "in_progress", "completed", "failed", "idle", "waiting_for_user", "timed_out", "cancelled"];
    prop_oneof![
        6 => select(known.to_vec()).prop_map(str::to_owned),
        1 => "[a-z_]{0,12}",
        1 => nasty(),
    ]
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

/// A fault that leaves open what became of the request, or that comes before it is looked at. GitHub's contract has no
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
        run: text("r"),
        attempt: text("1"),
        actor: text("m"),
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
    fn judge(&self, simulator: &Simulator, attempt: u32, ran: Option<&Ran>, began: Duration) {
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
    fn judge_outputs(&self, ran: &Ran, ids: &[&str]) {
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
    fn judge_exit(&self, ran: &Ran) {
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
        assert_eq!(ran.code != 0, ran.log.contains("::error title="), "{}", ran.log);
        assert!(ran.code == 0 || !ran.output("error-message").is_empty() || !conclusion.is_empty(), "{}", ran.log);
    }

    /// The wait ends at its deadline, but for answers that were held back and for what starting took.
    #[track_caller]
    fn judge_time(&self, ran: &Ran, attempt: u32) {
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
            // Looking first, and twice for a start that was not answered; then the limits and outages on the way.
            most += self.confirm * 6 + Duration::from_secs(60);
            most += Duration::from_secs(300) * u32::try_from(self.faults.len() + self.later_faults.len()).unwrap();
        }
        assert!(ran.took <= most, "{:?} instead of {most:?}:\n{}", ran.took, ran.log);
    }
}

proptest! {
    #![proptest_config(one_in(2))]

    #[test]
    fn no_life_pays_twice_or_lies(life in life()) {
        life.live();
    }
}

fn paused(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(test);
}

/// Found by the property: the horizon of a look was that of the moment at which the look before had been asked for, and
/// the task had grown older than it while that one's answers were held back.
#[test]
fn a_look_that_is_held_back_does_not_hide_the_task_from_the_next() {
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
fn a_list_that_is_no_object_is_no_answer() {
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

/// Found by the property: a task that had settled was looked at again for its pull request, and somebody had opened
/// another session meanwhile.
#[test]
fn a_settled_task_stays_settled_while_its_pull_request_is_sought() {
    paused(async {
        let simulator = Simulator::new();
        let second = Duration::from_secs(1);
        let script = Script::new().state("in_progress", second * 60).state("completed", second * 20);
        simulator.default_script(script.state("in_progress", second));
        let ran = Step::new(&simulator).run().await;
        assert_eq!((ran.code, ran.output("conclusion")), (0, "success"), "{}", ran.log);
    });
}

// ---- What the runner reads ------------------------------------------------------------------------------------------

/// A value that may have whole lines in it by which a value ends and another output begins.
fn hostile() -> impl Strategy<Value = String> {
    let end = select(vec!["", "\nghadelimiter_\n", "\nghadelimiter_0\n", "ghadelimiter_1\nstate<<E\nforged\nE\n"]);
    (nasty(), end, nasty()).prop_map(|(before, end, after)| [before.as_str(), end, &after].concat())
}

proptest! {
    #![proptest_config(one_in(1))]

    #[test]
    fn outputs_are_read_as_they_were_given(
        values in vec((select(OUTPUTS.to_vec()), hostile()), 0..8),
        words in vec(select(vec!["", "0", "0", "1", "a0"]), 0..6),
    ) {
        // A poor source of chance: words that are short, come twice, and stand in the values.
        let mut count = 0;
        let mut words = words.into_iter();
        let text = render(&values, || {
            count += 1;
            words.next().map_or_else(|| format!("{count:032x}"), str::to_owned)
        });
        let given = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Vec<_>>();
        prop_assert_eq!(grammar::outputs(&text, false), Ok(given.clone()), "{}", text);
        // On Windows the runner takes a carriage return at the very end for a part of the line's.
        let given = given.into_iter().map(|(name, value)| (name, value.strip_suffix('\r').unwrap_or(&value).to_owned()));
        prop_assert_eq!(grammar::outputs(&text, true), Ok(given.collect()), "{}", text);
    }
}

#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<u8>>>);

impl Log {
    fn taken(&self) -> String {
        String::from_utf8(self.0.take()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn commands(log: &str) -> Vec<grammar::Command> {
    grammar::lines(log).into_iter().filter_map(grammar::command).collect()
}

proptest! {
    #![proptest_config(one_in(1))]

    #[test]
    fn no_text_becomes_a_command(text in nasty(), title in nasty(), secret in select(vec!["s3cr3t", "::", "##[", "%0A"])) {
        let variables = [("GITHUB_ACTIONS", "true"), ("RUNNER_DEBUG", "1")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let log = Log::default();
        let runner = Host::with_log(&Environment::from_iter(variables), Box::new(log.clone()));
        runner.mask(&[Token::parse(secret).unwrap()]);
        let masks = commands(&log.taken());
        prop_assert_eq!(masks.iter().map(|it| (it.name.as_str(), it.data.as_str())).collect::<Vec<_>>(), [("add-mask", secret)]);

        runner.print_line(&text);
        runner.log(&text);
        let said = log.taken();
        prop_assert_eq!(commands(&said), []);
        prop_assert_eq!(grammar::lines(&said).len(), 3, "two lines and what stands behind them: {:?}", said);
        prop_assert!(!said.contains(secret), "{}", said);

        runner.group(&title, [text.as_str(), &title]);
        let folded = commands(&log.taken());
        prop_assert_eq!(folded.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["group", "endgroup"]);
        prop_assert!(folded.iter().all(|it| it.properties.is_empty() && !it.data.contains(['\n', '\r'])));

        for (level, name) in [(Level::Notice, "notice"), (Level::Warning, "warning"), (Level::Error, "error")] {
            runner.annotate(&Annotation { level, title: title.clone(), message: text.clone() });
            let found = commands(&log.taken());
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(&found[0].name, name);
            prop_assert!(found[0].properties.keys().all(|key| key == "title"), "{:?}", found);
            // What the runner shows of it is lines of the log again.
            prop_assert_eq!(commands(&found[0].data), [], "{:?}", found);
        }

        runner.debug(&text);
        let found = commands(&log.taken());
        prop_assert_eq!(found.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["debug"]);
        prop_assert_eq!(commands(&found[0].data), [], "{:?}", found);
    }
}

// ---- Stamps ---------------------------------------------------------------------------------------------------------

fn marker() -> impl Strategy<Value = Marker> {
    (nasty(), nasty(), nasty(), nasty(), nasty(), nasty()).prop_map(|(key, name, class, run, attempt, actor)| Marker {
        class,
        key: Key::over([key.as_str()]),
        name,
        run,
        attempt,
        actor,
    })
}

proptest! {
    #![proptest_config(one_in(1))]

    #[test]
    fn a_stamp_is_found_under_any_prompt(marker in marker(), other in marker(), prompt in nasty()) {
        let stamped = marker.put_under(&prompt);
        prop_assert!(stamped.starts_with(prompt.trim_end()));
        prop_assert_eq!(Marker::find(&stamped), Some(marker.clone()));
        // Who quotes a prompt with its stamp does not take the place of the one who puts his own below.
        prop_assert_eq!(Marker::find(&marker.put_under(&other.put_under(&prompt))), Some(marker.clone()));
        let line = marker.to_string();
        let inside = line.strip_prefix("<!--").and_then(|line| line.strip_suffix("-->")).unwrap();
        prop_assert!(line.is_ascii() && !inside.contains("--") && !inside.contains(['\n', '<', '>']), "{}", line);
    }

    #[test]
    fn any_text_has_a_stamp_or_none(text in nasty()) {
        for text in [text.clone(), format!("<!-- agent-task key=0123456789abcdef {text} -->")] {
            if let Some(found) = Marker::find(&text) {
                prop_assert_eq!(Marker::find(&found.to_string()), Some(found));
            }
        }
    }
}

// ---- Inputs ---------------------------------------------------------------------------------------------------------

/// An input's name as a runner or a person may write it.
fn input_name() -> impl Strategy<Value = String> {
    let known = select(INPUTS).prop_map(|input| input.name.to_uppercase());
    prop_oneof![
        6 => known.clone().prop_map(|name| name.replace('-', "_")),
        2 => known.clone(),
        1 => known.prop_map(|name| name.to_lowercase()),
        1 => nasty(),
    ]
    .prop_map(|name| format!("INPUT_{name}"))
}

fn input_value() -> impl Strategy<Value = String> {
    let typical = select(vec![
        "",
        " ",
        "true",
        "false",
        "TRUE",
        "yes",
        "start",
        "wait",
        "doctor",
        "skip",
        "attach",
        "fail",
        "never",
        "idle",
        "failure",
        "success",
        "30s",
        "0s",
        "30",
        "1h30m",
        "-1s",
        "999999999999999999999h",
        "P1Y",
        "octo/app",
        "octo/other",
        "octo",
        "https://github.com/octo/app",
        "main",
        "HEAD",
        "a b",
        "..",
        "/",
        "../x",
        "x\0y",
        "auto",
        "gpt-5.4, auto,",
        "a: 1\nb: [x, {c: d}]",
        "a: &a [*a]",
        "{\"a\": 1.10}",
        "[]",
        "{{ vars.a }}",
        "{{",
        "{% for i in range(9) %}{{ i }}{% endfor %}",
        "{{ 1/0 }}",
        "${{ x }}",
        "abc",
        "abc, def",
        "[{\"task-id\": 1}]",
        "[{\"repository\": \"octo/app\", \"task-id\": \"abc\"}]",
        "https://api.github.com",
        "http://api.github.com",
        "http://127.0.0.1:1",
        "http://[::1]/x",
        "ghs_x",
        "Bearer ghp_x",
        "ghp_another",
        TOKEN,
    ]);
    prop_oneof![4 => typical.prop_map(str::to_owned), 1 => nasty()]
}

fn inputs() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(input_name(), input_value(), 0..5)
}

proptest! {
    #![proptest_config(one_in(1))]

    #[test]
    fn any_inputs_are_read_or_refused(variables in inputs(), bare in any::<bool>()) {
        let mut given = BTreeMap::new();
        if !bare {
            for (name, value) in [("TOKEN", TOKEN), ("REPOSITORY", "octo/app"), ("PROMPT", "Fix it")] {
                given.insert(format!("INPUT_{name}"), value.to_owned());
            }
        }
        given.extend(variables);
        let read = Inputs::read(&given.clone().into_iter().collect());
        if let Err(problems) = &read.inputs {
            prop_assert!(!problems.is_empty());
            for problem in problems {
                let _ = problem.to_string();
            }
        }
        // Whatever else is wrong, a token that was given is known as one, or it could not be masked.
        let mut tokens = given.iter().filter(|(name, _)| name.eq_ignore_ascii_case("INPUT_TOKEN"));
        if let (Some((_, token)), None) = (tokens.next(), tokens.next())
            && let Ok(token) = Token::parse(token.trim())
        {
            prop_assert!(token.expose().is_empty() || read.secrets.contains(&token), "{:?}", read.inputs);
        }
        let shown = format!("{:?}", read.secrets);
        prop_assert!(read.secrets.iter().all(|secret| !secret.occurs_in(&shown) || secret.expose().len() < 8), "{}", shown);
    }
}

proptest! {
    #![proptest_config(one_in(2))]

    #[test]
    fn refused_inputs_send_nothing(variables in inputs()) {
        paused(async {
            let simulator = Simulator::new();
            simulator.default_script(Script::new().pull().state("completed", Duration::ZERO));
            // An address with a path of its own leads past all that the simulator knows.
            let leads_past = |name: &str| name.to_ascii_uppercase().replace('-', "_") == "INPUT_GITHUB_API_URL";
            let kept = variables.iter().filter(|(name, _)| !leads_past(name));
            let step = kept.fold(Step::new(&simulator), |step, (name, value)| step.variable(name, value));
            let ran = step.run().await;
            // The doctor tells of bad input in its own way.
            let doctor = ran.log.contains("::error title=Doctor%3A ");
            let refused = ran.log.contains("::error title=Bad input%2C nothing was sent::");
            assert!(refused == (ran.code == 2) || doctor, "{}", ran.log);
            if ran.code == 2 {
                assert!(ran.calls.is_empty(), "{}", ran.log);
                assert!(!ran.output("error-message").is_empty(), "{}", ran.log);
            }
        });
    }
}

/// Found by the property: hiding a secret took the names of outputs for it.
#[test]
fn a_token_that_is_a_common_word_takes_no_output_away() {
    for token in ["start", "task", "e", "true"] {
        // The harness looks for every output.
        paused(async { drop(Step::new(&Simulator::new()).with("token", token).run().await) });
    }
}

/// Found by the property: what is wrong with an input shows its value, and that can be a token that went astray.
#[test]
fn a_token_in_the_wrong_input_is_hidden() {
    for value in [TOKEN.to_owned(), format!("[{TOKEN}]"), format!("{{\"a\": \"{TOKEN}\"")] {
        paused(async {
            let ran = Step::new(&Simulator::new()).with("token", "").with("vars", &value).run().await;
            assert_eq!(ran.code, 2, "{}", ran.log);
            assert!(ran.output("error-message").contains("`vars: "), "{}", ran.log);
        });
    }
}

/// Found by the property: nothing was masked where the command was none.
#[test]
fn a_token_is_masked_whatever_else_is_wrong() {
    paused(async {
        let ran = Step::new(&Simulator::new()).with("command", TOKEN).run().await;
        assert_eq!(ran.code, 2, "{}", ran.log);
    });
}

// ---- Answers --------------------------------------------------------------------------------------------------------

/// Any JSON at all.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        nasty().prop_map(Value::from),
        select(vec!["pull", "branch", "ai_credits", "user", "2026-11-20T12:00:00Z", "https://github.com/x", "main"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(field(), inner, 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The fields that we read, and others.
fn field() -> impl Strategy<Value = String> {
    let known = vec![
        "id",
        "type",
        "data",
        "global_id",
        "head_ref",
        "base_ref",
        "prompt",
        "model",
        "error",
        "message",
        "usage",
        "amount",
        "credits",
        "name",
        "login",
        "state",
    ];
    prop_oneof![5 => select(known).prop_map(str::to_owned), 1 => nasty()]
}

/// An object in whose fields anything may stand.
fn object(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    btree_map(select(names), anything(), 0..=names.len())
        .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn task() -> impl Strategy<Value = Value> {
    let session = object(&["prompt", "head_ref", "base_ref", "model", "error", "usage", "state", "id"]);
    let artifact = object(&["type", "data", "provider"]);
    let sessions = prop_oneof![anything(), vec(session, 0..4).prop_map(Value::from)];
    let artifacts = prop_oneof![anything(), vec(artifact, 0..4).prop_map(Value::from)];
    let rest = object(&["created_at", "creator", "creator_type", "html_url", "custom_agent", "name", "repository"]);
    (option::of(sessions), option::of(artifacts), rest, state(), "[A-Za-z0-9_:=~-][A-Za-z0-9_.:=~-]{0,40}").prop_map(
        |(sessions, artifacts, mut task, state, id)| {
            task["id"] = id.into();
            task["state"] = state.into();
            task["sessions"] = sessions.unwrap_or_default();
            task["artifacts"] = artifacts.unwrap_or_default();
            task
        },
    )
}

proptest! {
    #![proptest_config(one_in(1))]

    #[test]
    fn a_task_with_id_and_state_is_read_whatever_else_it_has(given in task()) {
        let read = |given: &str| serde_json::from_str::<Task>(given);
        let task = read(&given.to_string()).map_err(|why| TestCaseError::fail(why.to_string()))?;
        prop_assert_eq!(Some(task.id.as_str()), given["id"].as_str());
        prop_assert_eq!(Some(task.state.clone()), given["state"].as_str().map(State::from));
        let asked = NewTask {
            prompt: "x".to_owned(),
            model: Some("gpt-5.4".to_owned()),
            custom_agent: Some("fixer".to_owned()),
            create_pull_request: true,
            base_ref: Some("main".to_owned()),
            head_ref: Some("topic".to_owned()),
        };
        // All that is made of a task is made without a panic.
        let _ = (task.departures(&asked), task.credits(), task.user(), PullRequestHints::of(&task).promise_a_pull());
        let _ = (task.error_message(), task.head_ref(), task.base_ref(), task.link());
        let names = task.sessions.iter().filter_map(|session| session.model_name()).collect::<BTreeSet<_>>();
        prop_assert!(names.iter().all(|name| !name.is_empty()));
    }
}
