//! The script of a task: its states and effects, and their times.

use std::time::Duration;

use serde::Deserialize;

use crate::pull_content::PullContent;
use crate::seconds;
use crate::settings::GlobalId;

/// What becomes of a task: a list of steps, taken one after the other.
///
/// ```
/// use std::time::Duration;
/// use simulator::Script;
///
/// let script = Script::new()
///     .state("queued", Duration::from_secs(2))
///     .state("in_progress", Duration::from_secs(90))
///     .pull()
///     .state("completed", Duration::ZERO);
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "ScriptJson")]
pub struct Script {
    pub(crate) steps: Vec<Step>,
    /// How long after the last step the next one is to come.
    pending: Duration,
}

/// One step of a script.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    /// How long after the step before (or after the task's creation, for the first).
    #[serde(with = "seconds")]
    pub after: Duration,
    /// How long after the task's creation; takes precedence over `after`.
    #[serde(with = "seconds::optional")]
    pub at: Option<Duration>,
    /// The state that the newest session goes into. Any text: GitHub may invent new ones.
    pub state: Option<String>,
    /// What else happens, before the state changes.
    pub effects: Vec<Effect>,
}

/// Something that happens to a task beside a change of its state.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// Make the branch, with its artifact.
    Branch,
    /// Open a pull request (and make the branch, if there is none yet).
    Pull(OpenPull),
    /// Turn the draft into a pull request that can be reviewed.
    Ready,
    /// Push another head commit to the task's pull request, which then has these contents.
    Push(PullContent),
    /// Merge the task's pull request.
    Merge,
    /// Close the task's pull request without merging it.
    Close,
    /// The newest session says this as its error.
    Error(String),
    /// The newest session used this much, in billionths of a credit.
    Usage(u64),
    /// The newest session used this many premium requests, as sessions did before June 2026.
    PremiumRequests(f64),
    /// The agent asks this and waits. The public API shows only the state, never the question.
    Ask(String),
    /// Another session begins with the same prompt, as it does when the agent picks the task up again.
    Session,
    /// Another session begins with this prompt, as it does when a person steers the task on the web.
    Steer(String),
    /// All sessions are deleted, which people can do.
    ForgetSessions,
    /// An artifact of this type appears, whatever it may be.
    Artifact(String),
    /// The task gets another name.
    Rename(String),
    /// The task is archived.
    Archive,
}

/// How a pull request is opened.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenPull {
    /// Whether it is a draft.
    pub draft: bool,
    /// Whether it is opened although the request said not to.
    pub unasked: bool,
    /// How long after the opening the task shows it; the setting when absent.
    #[serde(with = "seconds::optional")]
    pub artifact_lag: Option<Duration>,
    /// Whether the artifact carries a node id; the setting when absent.
    pub global_id: Option<GlobalId>,
    /// The contents of the pull request; something small when absent.
    pub content: Option<PullContent>,
}

impl Default for OpenPull {
    fn default() -> OpenPull {
        OpenPull { draft: true, unasked: false, artifact_lag: None, global_id: None, content: None }
    }
}

/// How long the ready-made scripts leave a task in the queue.
const QUEUE: Duration = Duration::from_secs(2);

/// How long the ready-made scripts that are given no time let the agent work.
const WORK: Duration = Duration::from_secs(60);

/// What a session of the ready-made scripts uses: 33.6 credits, the cheapest that was observed.
const USED: u64 = 33_570_585_000;

impl Script {
    /// A script without any step: a task that stays queued.
    pub fn new() -> Script {
        Script::default()
    }

    /// Go into `state` now, and let the next step come after `lasting`.
    #[must_use]
    pub fn state(mut self, state: impl Into<String>, lasting: Duration) -> Script {
        let after = self.pending;
        self.steps.push(Step { after, state: Some(state.into()), ..Step::default() });
        self.pending = lasting;
        self
    }

    /// Let the next step come later by this much.
    #[must_use]
    pub fn wait(mut self, span: Duration) -> Script {
        self.pending += span;
        self
    }

    /// Let this apply_due now.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Script {
        match self.steps.last_mut() {
            Some(last) if self.pending.is_zero() => last.effects.push(effect),
            _ => {
                let after = std::mem::take(&mut self.pending);
                self.steps.push(Step { after, effects: vec![effect], ..Step::default() });
            }
        }
        self
    }

    /// Open a draft pull request now, if the request asked for one or did not say.
    #[must_use]
    pub fn pull(self) -> Script {
        self.effect(Effect::Pull(OpenPull::default()))
    }

    /// Open a draft pull request with these contents now, if the request asked for one or did not say.
    #[must_use]
    pub fn pull_with(self, content: PullContent) -> Script {
        self.effect(Effect::Pull(OpenPull { content: Some(content), ..OpenPull::default() }))
    }

    /// Add a step as it is.
    #[must_use]
    pub fn step(mut self, mut step: Step) -> Script {
        step.after += std::mem::take(&mut self.pending);
        self.steps.push(step);
        self
    }

    /// Go on as `next` does.
    #[must_use]
    pub fn then(mut self, next: Script) -> Script {
        for step in next.steps {
            self = self.step(step);
        }
        self.pending += next.pending;
        self
    }

    fn working(total: Duration) -> Script {
        let queue = QUEUE.min(total / 10);
        Script::new().state("queued", queue).state("in_progress", total.saturating_sub(queue))
    }

    /// Completed after `total`. The pull request is opened just before that, so that its artifact
    /// comes after the state.
    pub fn completes_with_pull(total: Duration) -> Script {
        let last = Duration::from_secs(1).min(total / 10);
        Script::working(total.saturating_sub(last))
            .pull()
            .wait(last)
            .effect(Effect::Ready)
            .effect(Effect::Usage(USED))
            .state("completed", Duration::ZERO)
    }

    /// Completed after `total` with a pull request that has these contents. The pull request is opened when the work begins,
    /// so that there is a branch with a workflow run all the time.
    pub fn delivers(total: Duration, content: PullContent) -> Script {
        Script::at_work()
            .pull_with(content)
            .wait(total.saturating_sub(QUEUE))
            .effect(Effect::Ready)
            .effect(Effect::Usage(USED))
            .state("completed", Duration::ZERO)
    }

    /// At work for good, with a branch and a workflow run, but without a pull request.
    pub fn runs_forever() -> Script {
        Script::at_work().effect(Effect::Branch)
    }

    fn at_work() -> Script {
        Script::new().state("queued", QUEUE).state("in_progress", Duration::ZERO).wait(Duration::from_millis(1))
    }

    /// Completed after `total` with nothing to show: neither a branch nor a pull request.
    pub fn completes_without_pull(total: Duration) -> Script {
        Script::working(total).effect(Effect::Usage(USED)).state("completed", Duration::ZERO)
    }

    /// Completed after `total` with a branch, but no pull request.
    pub fn branch_only(total: Duration) -> Script {
        Script::working(total).effect(Effect::Branch).effect(Effect::Usage(USED)).state("completed", Duration::ZERO)
    }

    /// Failed after a minute, saying why.
    pub fn fails(message: impl Into<String>) -> Script {
        Script::working(WORK)
            .effect(Effect::Error(message.into()))
            .effect(Effect::Usage(USED))
            .state("failed", Duration::ZERO)
    }

    /// Timed out after the 59 minutes that a session is given.
    pub fn times_out() -> Script {
        Script::working(Duration::from_secs(59 * 60)).state("timed_out", Duration::ZERO)
    }

    /// Stopped by a person after a minute.
    pub fn cancelled() -> Script {
        Script::working(WORK).state("cancelled", Duration::ZERO)
    }

    /// Asks after a minute, and waits for an answer that never comes.
    pub fn waits_for_user() -> Script {
        Script::working(WORK)
            .effect(Effect::Ask("Which of the two?".to_owned()))
            .state("waiting_for_user", Duration::ZERO)
    }

    /// Idle for a while after a minute of work, then at work again, then completed with a pull
    /// request.
    pub fn idles_then_completes(idle_for: Duration) -> Script {
        Script::working(WORK)
            .state("idle", idle_for)
            .state("in_progress", WORK)
            .pull()
            .effect(Effect::Usage(USED))
            .state("completed", Duration::ZERO)
    }

    /// Idle after a minute of work, for good.
    pub fn idles_forever() -> Script {
        Script::working(WORK).state("idle", Duration::ZERO)
    }

    /// In this state after the queue, for good.
    pub fn stays(state: impl Into<String>) -> Script {
        Script::new().state("queued", QUEUE).state(state, Duration::ZERO)
    }

    /// A minute in an undocumented state, then on as `then` does.
    pub fn unknown_state(name: impl Into<String>, then: Script) -> Script {
        Script::new().state("queued", QUEUE).state(name, WORK).then(then)
    }
}

/// A script as a scenario writes it: ready-made, or step by step.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ScriptJson {
    Steps(Vec<Step>),
    CompletesWithPull(#[serde(with = "seconds")] Duration),
    CompletesWithoutPull(#[serde(with = "seconds")] Duration),
    RunsForever,
    BranchOnly(#[serde(with = "seconds")] Duration),
    Fails(String),
    TimesOut,
    Cancelled,
    WaitsForUser,
    IdlesThenCompletes(#[serde(with = "seconds")] Duration),
    IdlesForever,
    Stays(String),
    UnknownState(NamedState),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedState {
    name: String,
    then: Box<Script>,
}

impl From<ScriptJson> for Script {
    fn from(written: ScriptJson) -> Script {
        match written {
            ScriptJson::Steps(steps) => Script { steps, pending: Duration::ZERO },
            ScriptJson::CompletesWithPull(total) => Script::completes_with_pull(total),
            ScriptJson::CompletesWithoutPull(total) => Script::completes_without_pull(total),
            ScriptJson::RunsForever => Script::runs_forever(),
            ScriptJson::BranchOnly(total) => Script::branch_only(total),
            ScriptJson::Fails(message) => Script::fails(message),
            ScriptJson::TimesOut => Script::times_out(),
            ScriptJson::Cancelled => Script::cancelled(),
            ScriptJson::WaitsForUser => Script::waits_for_user(),
            ScriptJson::IdlesThenCompletes(idle_for) => Script::idles_then_completes(idle_for),
            ScriptJson::IdlesForever => Script::idles_forever(),
            ScriptJson::Stays(state) => Script::stays(state),
            ScriptJson::UnknownState(it) => Script::unknown_state(it.name, *it.then),
        }
    }
}
