//! Stopping a task: a state machine that takes what each poll saw and the time since the stop began, and returns which
//! runs to cancel, or how it ended. It has no clock and no network.
//!
//! GitHub's API for agent tasks cannot stop one. But each session works in a run of GitHub Actions, for the task's branch,
//! and "stopping a session ends the GitHub Actions run and preserves any commits already pushed",
//! <https://docs.github.com/en/copilot/how-tos/copilot-on-github/use-copilot-agents/manage-and-track-agents#stop-a-session>.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use serde::Deserialize;

use crate::github::answers::WorkflowRun;
use crate::github::error::Error;
use crate::github::task::{Phase, State, Task};
use crate::task::conclusion::Conclusion;
use crate::task::marker::Marker;
use crate::text::spelled;

/// The path of the workflow that a session of the cloud agent runs in. Its name has changed over time, and other runs of
/// Copilot have other paths, such as `dynamic/agents/copilot-pull-request-reviewer` for a code review.
pub const AGENT_PATH: &str = "dynamic/copilot-swe-agent/copilot";
/// How long runs are polled before a stop is given up. A cancelled run ends within seconds.
const BOUND: Duration = Duration::from_secs(120);
/// How long nothing must run before a task that is not shown as ended counts as stopped: its state follows its runs, and
/// a session that was just queued begins its run.
const QUIET: Duration = Duration::from_secs(30);
/// The same bound for an interrupted process. The runner kills it ten seconds after its first signal, and repeats the
/// signal after 7.5, <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-cancellation>.
const URGENT_BOUND: Duration = Duration::from_secs(4);
/// How long a run has after an accepted cancel before it is cancelled by force: "only use this endpoint to cancel a
/// workflow run when the workflow run is not responding",
/// <https://docs.github.com/en/rest/actions/workflow-runs#force-cancel-a-workflow-run>.
const FORCE_AFTER: Duration = Duration::from_secs(30);
/// How long "not found" counts as GitHub's own delay.
const GRACE: Duration = Duration::from_secs(10);

/// What happens to a task when a wait ends before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum UnfinishedTask {
    /// It continues.
    #[default]
    Leave,
    /// It is stopped.
    Stop,
}

impl fmt::Display for UnfinishedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leave => "leave",
            Self::Stop => "stop",
        })
    }
}

/// When a step stops tasks, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StopRules {
    /// What becomes of a task that is not done when `wait-timeout` passes.
    pub on_timeout: UnfinishedTask,
    /// What becomes of it when the process is interrupted.
    pub on_interrupt: UnfinishedTask,
    /// The most AI credits that a task may use.
    pub max_credits: Option<NonZeroU64>,
    /// How long a task may run, from its creation.
    pub max_duration: Option<Duration>,
    /// Whether a run that continues after a cancel is cancelled by force.
    pub force: bool,
    /// The longest pause between two polls.
    pub interval: Duration,
}

impl StopRules {
    /// Whether a task can be stopped during a wait.
    pub fn can_stop(&self) -> bool {
        self.on_timeout == UnfinishedTask::Stop
            || self.on_interrupt == UnfinishedTask::Stop
            || self.max_credits.is_some()
            || self.max_duration.is_some()
    }

    /// The settings that are not those of every wait, as people write them.
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        let word = |it: UnfinishedTask| (it != UnfinishedTask::Leave).then(|| it.to_string());
        let entries = [
            ("on timeout", word(self.on_timeout)),
            ("on interrupt", word(self.on_interrupt)),
            ("max credits", self.max_credits.map(|it| it.to_string())),
            ("max duration", self.max_duration.map(spelled)),
            ("by force", self.force.then(|| "if a run continues".to_owned())),
        ];
        entries.into_iter().filter_map(|(setting, value)| Some((setting, value?))).collect()
    }

    /// The ceiling that a task of this age has exceeded.
    pub fn exceeded(&self, task: Option<&Task>, age: Duration) -> Option<StopReason> {
        let credits = self.max_credits.filter(|most| task.is_some_and(|task| task.has_used_more_than(*most)));
        let duration = self.max_duration.filter(|longest| age >= *longest);
        credits.map(StopReason::Credits).or(duration.map(StopReason::Duration))
    }
}

/// Why a task is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// `wait-timeout` has passed.
    Timeout,
    /// It runs for longer than this.
    Duration(Duration),
    /// It has used more AI credits than this.
    Credits(NonZeroU64),
    /// The process was interrupted.
    Interrupt,
    /// `command: stop`.
    Asked,
}

impl StopReason {
    /// One word, for the record.
    pub fn word(self) -> &'static str {
        match self {
            Self::Timeout | Self::Duration(_) => "time",
            Self::Credits(_) => "credits",
            Self::Interrupt => "interrupt",
            Self::Asked => "asked",
        }
    }

    /// The conclusion of a task that should have been stopped and continues.
    pub fn unstopped(self) -> Conclusion {
        match self {
            Self::Timeout | Self::Duration(_) => Conclusion::TimedOut,
            Self::Credits(_) | Self::Interrupt | Self::Asked => Conclusion::Failure,
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("`wait-timeout` has passed"),
            Self::Duration(longest) => write!(f, "the task runs for longer than `max-duration: {}`", spelled(*longest)),
            Self::Credits(most) => write!(f, "the task has used more AI credits than `max-credits: {most}`"),
            Self::Interrupt => f.write_str("the job was interrupted"),
            Self::Asked => f.write_str("`command: stop` asked for it"),
        }
    }
}

/// How a stop ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopEnd {
    /// None of the task's runs runs any more.
    Stopped,
    /// The task had ended before anything was cancelled.
    EndedBefore,
    /// It continues, or may do so.
    Failed(StopProblem),
}

/// Why a task is not stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopProblem {
    /// It has no branch yet, or a session that has no run yet.
    NoRunYet(Option<State>),
    /// No run of the agent was ever seen on this branch.
    NoRun(String),
    /// GitHub accepted the cancels of these runs, and they continue. If force was asked for, whether it was used.
    GoesOn(BTreeSet<u64>, Option<bool>),
    /// GitHub refuses to cancel these runs.
    Refused(BTreeSet<u64>),
    /// GitHub refused, or did not answer.
    GitHub(Error),
}

impl fmt::Display for StopProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |runs: &BTreeSet<u64>| {
            let ids = runs.iter().map(u64::to_string).collect::<Vec<_>>();
            format!("{} {}", if ids.len() == 1 { "run" } else { "runs" }, ids.join(", "))
        };
        match self {
            Self::NoRunYet(state) => {
                let state = state.as_ref().map_or("not seen", State::as_str);
                write!(f, "it is {state} and has no run yet that could be canceled")
            }
            Self::NoRun(branch) => write!(f, "no run of the agent is on its branch `{branch}`"),
            Self::GoesOn(runs, None) => {
                write!(
                    f,
                    "{} did not end after GitHub accepted the cancel; `force: true` cancels by force",
                    named(runs)
                )
            }
            Self::GoesOn(runs, Some(false)) => {
                write!(f, "{} did not end yet, although GitHub accepted the cancel", named(runs))
            }
            Self::GoesOn(runs, Some(true)) => {
                write!(f, "{} did not end, not even after a cancel by force", named(runs))
            }
            Self::Refused(runs) => write!(f, "GitHub refuses to cancel {}", named(runs)),
            Self::GitHub(error) => error.fmt(f),
        }
    }
}

/// The times of a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopTimes {
    /// How long to poll at most.
    pub bound: Duration,
    /// How long nothing must run before a task that is not shown as ended counts as stopped.
    pub quiet: Duration,
}

impl StopTimes {
    /// Those of a stop that has time.
    pub const USUAL: Self = Self { bound: BOUND, quiet: QUIET };
    /// Those of a process that is about to be killed.
    pub const URGENT: Self = Self { bound: URGENT_BOUND, quiet: Duration::ZERO };
}

/// What one poll saw.
#[derive(Debug, Clone, Copy)]
pub struct StopObservation<'a> {
    /// The task's state, if it is known.
    pub state: Option<&'a State>,
    /// The branch that the task commits to, once it has one.
    pub branch: Option<&'a str>,
    /// The runs that GitHub lists for the branch.
    pub runs: &'a [WorkflowRun],
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopStep {
    /// Cancel these runs, those with `true` by force; then poll again after a pause.
    Cancel(Vec<(u64, bool)>),
    /// Poll again after a pause.
    Pause,
    /// The stop is over.
    Ended(StopEnd),
}

/// What happened to the cancels of a run.
#[derive(Debug, Clone, Copy, Default)]
struct Cancelled {
    /// When GitHub accepted one.
    accepted: Option<Duration>,
    is_refused: bool,
    by_force: bool,
}

/// The stop of one task.
#[derive(Debug)]
pub struct StopMachine {
    times: StopTimes,
    force: bool,
    runs: BTreeMap<u64, Cancelled>,
    /// Those that were live at the last poll.
    live: Vec<u64>,
    /// Whether the branch has or had a run of the agent.
    has_seen_run: bool,
    quiet_since: Option<Duration>,
}

impl StopMachine {
    /// A stop that has not begun. `force`: whether runs that continue after a cancel are cancelled by force.
    pub fn new(times: StopTimes, force: bool) -> Self {
        Self { times, force, runs: BTreeMap::new(), live: Vec::new(), has_seen_run: false, quiet_since: None }
    }

    /// What follows from a poll. `elapsed` is the time since the stop began.
    pub fn observe(&mut self, elapsed: Duration, seen: StopObservation<'_>) -> StopStep {
        let is_settled = seen.state.is_some_and(|state| state.phase() == Phase::Settled);
        if is_settled && self.runs.is_empty() {
            return StopStep::Ended(StopEnd::EndedBefore);
        }
        let is_ours =
            |run: &&WorkflowRun| run.path == AGENT_PATH && run.branch.is_some() && run.branch.as_deref() == seen.branch;
        self.has_seen_run |= seen.runs.iter().any(|run| is_ours(&run));
        // A run that begins after the task has ended is another task's on the same branch.
        let live = seen.runs.iter().filter(is_ours).filter(|run| run.is_live());
        let live = live.map(|run| run.id).filter(|id| !is_settled || self.runs.contains_key(id)).collect::<Vec<_>>();
        let is_late = elapsed >= self.times.bound;
        self.live.clone_from(&live);
        if live.is_empty() {
            return self.observe_quiet(elapsed, seen, is_settled, is_late);
        }
        self.quiet_since = None;
        if is_late {
            return StopStep::Ended(StopEnd::Failed(self.problem()));
        }
        let due = live.into_iter().filter_map(|id| match self.runs.get(&id).copied().unwrap_or_default() {
            Cancelled { accepted: None, .. } => Some((id, false)),
            Cancelled { accepted: Some(at), by_force: false, .. } if self.force && elapsed >= at + FORCE_AFTER => {
                Some((id, true))
            }
            Cancelled { .. } => None,
        });
        let due = due.collect::<Vec<_>>();
        // From here on they are known to have been cancelled, whatever the answers are.
        for (id, _) in &due {
            self.runs.entry(*id).or_default();
        }
        if due.is_empty() { StopStep::Pause } else { StopStep::Cancel(due) }
    }

    /// What follows if no run is live.
    fn observe_quiet(
        &mut self,
        elapsed: Duration,
        seen: StopObservation<'_>,
        is_settled: bool,
        is_late: bool,
    ) -> StopStep {
        let is_queued = seen.state == Some(&State::Queued);
        let open = match seen.branch {
            None => Some(StopProblem::NoRunYet(seen.state.cloned())),
            Some(_) if is_queued => Some(StopProblem::NoRunYet(seen.state.cloned())),
            // Where GitHub shows no run at all, the agent may work where nothing is known of.
            Some(branch) if !self.has_seen_run => Some(StopProblem::NoRun(branch.to_owned())),
            Some(_) => None,
        };
        if let Some(problem) = open {
            return if is_late { StopStep::Ended(StopEnd::Failed(problem)) } else { StopStep::Pause };
        }
        let since = *self.quiet_since.get_or_insert(elapsed);
        match is_settled || elapsed >= since + self.times.quiet || is_late {
            true => StopStep::Ended(StopEnd::Stopped),
            false => StopStep::Pause,
        }
    }

    /// Notes GitHub's answer to a cancel.
    pub fn answered(&mut self, elapsed: Duration, run: u64, by_force: bool, is_accepted: bool) {
        let cancelled = self.runs.entry(run).or_default();
        if is_accepted {
            cancelled.accepted.get_or_insert(elapsed);
        }
        cancelled.is_refused |= !is_accepted;
        cancelled.by_force |= by_force;
    }

    /// What follows from a request without a good answer.
    pub fn failed(&self, elapsed: Duration, error: Error) -> StopStep {
        let may_pass = error.may_pass() || matches!(error, Error::NotFound { .. }) && elapsed < GRACE;
        StopStep::Ended(StopEnd::Failed(match may_pass {
            true if elapsed < self.times.bound => return StopStep::Pause,
            // What was seen says more than that one more poll failed.
            true if self.is_answered() => self.problem(),
            _ => StopProblem::GitHub(error),
        }))
    }

    /// Whether GitHub answered a cancel of each live run.
    fn is_answered(&self) -> bool {
        let is_answered = |id: &u64| self.runs.get(id).is_some_and(|run| run.accepted.is_some() || run.is_refused);
        !self.live.is_empty() && self.live.iter().all(is_answered)
    }

    /// Why runs are still live.
    fn problem(&self) -> StopProblem {
        let is_accepted = |id: &u64| self.runs.get(id).is_some_and(|run| run.accepted.is_some());
        let (accepted, refused): (BTreeSet<_>, BTreeSet<_>) = self.live.iter().copied().partition(is_accepted);
        if !refused.is_empty() {
            return StopProblem::Refused(refused);
        }
        let by_force = accepted.iter().all(|id| self.runs.get(id).is_some_and(|run| run.by_force));
        StopProblem::GoesOn(accepted, self.force.then_some(by_force))
    }
}

/// Whether a sweep stops a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// It does.
    Selected,
    /// It does not.
    Spared,
    /// Something about the task is hidden, so that it is not touched.
    Unknown,
}

/// Whether a sweep for tasks of a class stops this one: it has not ended, `user` started it with our marker of the class,
/// and it runs for longer than `longest`.
pub fn select(task: &Task, age: Option<Duration>, user: u64, class: &str, longest: Duration) -> Selection {
    let is_of_class = task.prompt().map(|prompt| Marker::find(prompt).is_some_and(|marker| marker.class == class));
    let facts = [
        Some(task.state.phase() != Phase::Settled),
        age.map(|age| age > longest),
        task.is_created_by(user),
        is_of_class,
    ];
    if facts.contains(&Some(false)) {
        Selection::Spared
    } else if facts.contains(&None) {
        Selection::Unknown
    } else {
        Selection::Selected
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select as any_of;
    use serde_json::json;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const BRANCH: &str = "copilot/a";

    fn run(id: u64, path: &str, branch: &str, status: &str) -> WorkflowRun {
        let repository = json!({"full_name": "octo/app"});
        let run = json!({"id": id, "path": path, "head_branch": branch, "status": status, "repository": repository});
        serde_json::from_value(run).unwrap()
    }

    fn agent(id: u64, status: &str) -> WorkflowRun {
        run(id, AGENT_PATH, BRANCH, status)
    }

    fn machine(force: bool) -> StopMachine {
        StopMachine::new(StopTimes::USUAL, force)
    }

    fn poll(machine: &mut StopMachine, second: u32, state: &str, runs: &[WorkflowRun]) -> StopStep {
        let state = State::from(state);
        machine.observe(second * SECOND, StopObservation { state: Some(&state), branch: Some(BRANCH), runs })
    }

    fn failed(problem: StopProblem) -> StopStep {
        StopStep::Ended(StopEnd::Failed(problem))
    }

    #[test]
    fn stop_cancels_each_live_run_once() {
        let mut machine = machine(true);
        let runs = [
            agent(1, "in_progress"),
            agent(2, "queued"),
            agent(3, "completed"),
            run(4, "dynamic/agents/copilot-pull-request-reviewer", BRANCH, "in_progress"),
            run(5, AGENT_PATH, "copilot/b", "in_progress"),
            run(6, ".github/workflows/copilot.yml", BRANCH, "in_progress"),
        ];
        assert_eq!(poll(&mut machine, 0, "in_progress", &runs), StopStep::Cancel(vec![(1, false), (2, false)]));
        machine.answered(SECOND, 1, false, true);
        machine.answered(SECOND, 2, false, false);
        // A refused cancel is sent again, an accepted one is not.
        assert_eq!(poll(&mut machine, 5, "in_progress", &runs), StopStep::Cancel(vec![(2, false)]));
        machine.answered(6 * SECOND, 2, false, true);
        assert_eq!(poll(&mut machine, 10, "in_progress", &runs), StopStep::Pause);
        // Half a minute after the cancel was accepted it is sent by force, once.
        assert_eq!(poll(&mut machine, 31, "in_progress", &runs), StopStep::Cancel(vec![(1, true)]));
        machine.answered(32 * SECOND, 1, true, true);
        assert_eq!(poll(&mut machine, 35, "in_progress", &runs), StopStep::Pause);
        assert_eq!(poll(&mut machine, 40, "cancelled", &runs[2..]), StopStep::Ended(StopEnd::Stopped));
    }

    #[test]
    fn stop_ends_at_its_bound() {
        let live = [agent(1, "in_progress")];
        for (force, accepted) in [(false, true), (true, true), (false, false)] {
            let mut machine = machine(force);
            for second in (0..120).step_by(5) {
                match poll(&mut machine, second, "in_progress", &live) {
                    StopStep::Cancel(due) => {
                        due.iter().for_each(|(id, force)| machine.answered(second * SECOND, *id, *force, accepted));
                    }
                    step => assert_eq!(step, StopStep::Pause),
                }
            }
            let runs = BTreeSet::from([1]);
            let problem =
                if accepted { StopProblem::GoesOn(runs, force.then_some(true)) } else { StopProblem::Refused(runs) };
            assert_eq!(poll(&mut machine, 120, "in_progress", &live), failed(problem));
        }
    }

    #[test]
    fn stop_needs_proof_that_nothing_runs() {
        // Where the agent runs is not known if no run of it was ever seen.
        let mut unseen = machine(false);
        let others = [run(4, "dynamic/agents/other", BRANCH, "in_progress")];
        assert_eq!(poll(&mut unseen, 0, "in_progress", &others), StopStep::Pause);
        assert_eq!(poll(&mut unseen, 120, "in_progress", &others), failed(StopProblem::NoRun(BRANCH.to_owned())));
        // A task whose run is gone is stopped once nothing has run for half a minute.
        let ended = [agent(1, "completed")];
        for state in ["in_progress", "idle", "waiting_for_user", "of_tomorrow"] {
            let mut gone = machine(false);
            assert_eq!(poll(&mut gone, 0, state, &ended), StopStep::Pause, "{state}");
            assert_eq!(poll(&mut gone, 10, state, &[agent(2, "queued")]), StopStep::Cancel(vec![(2, false)]));
            assert_eq!(poll(&mut gone, 30, state, &ended), StopStep::Pause, "{state}");
            assert_eq!(poll(&mut gone, 60, state, &ended), StopStep::Ended(StopEnd::Stopped), "{state}");
        }
        // A queued session will begin a run.
        let mut queued = machine(false);
        assert_eq!(poll(&mut queued, 60, "queued", &ended), StopStep::Pause);
        let state = Some(State::Queued);
        assert_eq!(poll(&mut queued, 120, "queued", &ended), failed(StopProblem::NoRunYet(state.clone())));
        let no_branch = StopObservation { state: state.as_ref(), branch: None, runs: &[] };
        assert_eq!(machine(false).observe(SECOND, no_branch), StopStep::Pause);
        assert_eq!(machine(false).observe(BOUND, no_branch), failed(StopProblem::NoRunYet(state.clone())));
    }

    #[test]
    fn stop_leaves_the_branch_of_an_ended_task_alone() {
        let live = [agent(1, "in_progress")];
        for state in ["completed", "failed", "cancelled", "timed_out"] {
            assert_eq!(poll(&mut machine(true), 0, state, &live), StopStep::Ended(StopEnd::EndedBefore));
        }
        // What begins on the branch after the task has ended is another task's.
        let mut machine = machine(true);
        poll(&mut machine, 0, "in_progress", &live);
        let both = [agent(1, "in_progress"), agent(2, "in_progress")];
        machine.answered(SECOND, 1, false, true);
        assert_eq!(poll(&mut machine, 5, "cancelled", &both), StopStep::Pause);
        assert_eq!(poll(&mut machine, 10, "cancelled", &both[1..]), StopStep::Ended(StopEnd::Stopped));
    }

    #[test]
    fn stop_goes_on_after_what_may_pass() {
        let unanswered = || Error::Unanswered { why: String::new(), retry_after: None };
        let refused = || Error::MissingPermission { said: String::new(), remedy: String::new() };
        let not_found = || Error::NotFound { said: String::new(), remedy: "" };
        let ended = |error| failed(StopProblem::GitHub(error));
        let machine = machine(false);
        assert_eq!(machine.failed(SECOND, unanswered()), StopStep::Pause);
        assert_eq!(machine.failed(BOUND, unanswered()), ended(unanswered()));
        assert_eq!(machine.failed(SECOND, refused()), ended(refused()));
        assert_eq!(machine.failed(SECOND, not_found()), StopStep::Pause);
        assert_eq!(machine.failed(GRACE, not_found()), ended(not_found()));
    }

    #[test]
    fn ceilings_are_exceeded_by_more_than_they_allow() {
        let task = |nano: u64| -> Task {
            let session = json!({"usage": {"type": "ai_credits", "amount": nano}});
            serde_json::from_value(json!({"id": "t", "state": "in_progress", "sessions": [session, session]})).unwrap()
        };
        let rules =
            StopRules { max_credits: NonZeroU64::new(100), max_duration: Some(60 * SECOND), ..StopRules::default() };
        let credits = StopReason::Credits(NonZeroU64::new(100).unwrap());
        assert_eq!(rules.exceeded(Some(&task(50_000_000_000)), SECOND), None);
        assert_eq!(rules.exceeded(Some(&task(50_000_000_001)), SECOND), Some(credits));
        assert_eq!(rules.exceeded(None, 59 * SECOND), None);
        assert_eq!(rules.exceeded(None, 60 * SECOND), Some(StopReason::Duration(60 * SECOND)));
    }

    #[test]
    fn sweep_selects_only_what_is_known_to_be_ours() {
        let marker = "<!-- agent-task key=0123456789abcdef class=prep -->";
        let task = |state: &str, creator: Option<u64>, prompt: Option<&str>| -> Task {
            let creator = creator.map(|id| json!({"id": id}));
            let sessions = json!([{"prompt": prompt}]);
            serde_json::from_value(json!({"id": "t", "state": state, "creator": creator, "sessions": sessions}))
                .unwrap()
        };
        let old = Some(3601 * SECOND);
        for (task, age, expected) in [
            (task("in_progress", Some(1), Some(marker)), old, Selection::Selected),
            (task("idle", Some(1), Some(marker)), old, Selection::Selected),
            (task("in_progress", Some(1), Some(marker)), Some(3600 * SECOND), Selection::Spared),
            (task("completed", Some(1), Some(marker)), old, Selection::Spared),
            (task("in_progress", Some(2), Some(marker)), old, Selection::Spared),
            (task("in_progress", Some(2), None), old, Selection::Spared),
            (task("in_progress", Some(1), Some("Fix it")), old, Selection::Spared),
            (
                task("in_progress", Some(1), Some("<!-- agent-task key=0123456789abcdef class=x -->")),
                old,
                Selection::Spared,
            ),
            (task("in_progress", None, Some(marker)), old, Selection::Unknown),
            (task("in_progress", Some(1), None), old, Selection::Unknown),
            (task("in_progress", Some(1), Some(marker)), None, Selection::Unknown),
        ] {
            assert_eq!(select(&task, age, 1, "prep", 3600 * SECOND), expected, "{task:?}");
        }
    }

    fn any_run() -> impl Strategy<Value = WorkflowRun> {
        let paths = vec![
            AGENT_PATH,
            "dynamic/agents/copilot-pull-request-reviewer",
            "dynamic/copilot-swe-agent/copilot@refs/heads/main",
            "dynamic/copilot-swe-agent",
            "DYNAMIC/copilot-swe-agent/copilot",
            ".github/workflows/ci.yml",
        ];
        let branches = vec![Some(BRANCH), Some("main"), Some("copilot/ab"), Some("Copilot/a"), None];
        let statuses = vec!["in_progress", "queued", "waiting", "requested", "pending", "completed", "new"];
        (0..8_u64, any_of(paths.clone()), any_of(branches.clone()), any_of(statuses)).prop_map(
            move |(id, path, branch, status)| {
                // An id belongs to one run.
                let place = |at: Option<usize>| at.unwrap_or_default() as u64;
                let path_at = place(paths.iter().position(|it| *it == path));
                let id = id + 10 * path_at + 100 * place(branches.iter().position(|it| *it == branch));
                WorkflowRun { branch: branch.map(str::to_owned), ..run(id, path, "", status) }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn stop_touches_no_run_of_another_path_or_branch(
            polls in vec((any_of(vec!["queued", "in_progress", "idle", "cancelled", "x"]), vec(any_run(), 0..12)), 1..12),
            answers in vec(any::<bool>(), 12),
            force in any::<bool>(),
            branch in any_of(vec![Some(BRANCH), Some("main"), None]),
        ) {
            let mut machine = machine(force);
            for (at, ((state, runs), accepted)) in polls.iter().zip(answers).enumerate() {
                // GitHub's ids are unique.
                let mut seen = std::collections::HashSet::new();
                let runs = runs.iter().filter(|run| seen.insert(run.id)).cloned().collect::<Vec<_>>();
                let elapsed = SECOND * 11 * u32::try_from(at).unwrap();
                let state = State::from(*state);
                match machine.observe(elapsed, StopObservation { state: Some(&state), branch, runs: &runs }) {
                    StopStep::Cancel(due) => {
                        for (id, by_force) in due {
                            let run = runs.iter().find(|run| run.id == id).unwrap();
                            prop_assert!(run.path == AGENT_PATH && run.branch.as_deref() == branch && branch.is_some());
                            prop_assert!(run.is_live() && (force || !by_force));
                            machine.answered(elapsed, id, by_force, accepted);
                        }
                    }
                    StopStep::Ended(end) => {
                        let ours = |run: &&WorkflowRun| run.path == AGENT_PATH && run.branch.as_deref() == branch;
                        let live = runs.iter().filter(ours).any(|run| run.is_live() && machine.runs.contains_key(&run.id));
                        prop_assert!(end != StopEnd::Stopped || !live);
                        break;
                    }
                    StopStep::Pause => {}
                }
            }
        }
    }
}
