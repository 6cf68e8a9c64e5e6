//! Waiting for one task: a state machine that takes what each poll saw and the time since the wait began, and returns how
//! long to sleep or how the wait ended. It has no clock and no network.

use std::time::Duration;

use crate::github::answers::TaskAnswer;
use crate::github::error::{Error, RateLimit};
use crate::github::task::{Phase, State};
use crate::task::stop::StopReason;

/// The pause before the first poll. The answer to a start has the state already, and after a few seconds GitHub's other
/// answers have it too.
const FIRST_PAUSE: Duration = Duration::from_secs(3);
/// The factor by which pauses grow up to the poll interval.
const GROWTH: f64 = 1.5;
/// The share by which a pause is shortened at random, so that steps that started together do not poll together.
const JITTER: f64 = 0.1;
/// How long a task must be idle before that ends the wait: between two turns an agent is idle for a moment.
const IDLE_HOLDS: Duration = Duration::from_secs(120);
/// How many refusals in a row end the wait. One alone can be a short failure of GitHub.
pub(super) const MAX_REFUSALS: u32 = 2;

/// What the user asks of the wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitRules {
    /// How long to wait at most.
    pub timeout: Duration,
    /// The longest pause between two polls.
    pub interval: Duration,
    /// Whether a question of the agent ends the wait.
    pub stop_on_question: bool,
    /// Whether an idle task ends the wait, once it has been so for two minutes.
    pub stop_on_idle: bool,
    /// How long "not found" counts as GitHub's own delay, from the beginning of the wait.
    pub grace: Duration,
}

/// What one poll saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// The task is in this state.
    Seen(State),
    /// Nothing has changed since the last poll.
    Unchanged,
    /// GitHub finds no such task.
    NotFound,
    /// GitHub refuses, and another poll would not change that.
    Refused,
    /// GitHub limits the rate.
    Limited(RateLimit),
    /// No answer that could be read, and how long to wait, where GitHub says so.
    Failed(Option<Duration>),
}

impl Observation {
    /// Reads the answer to a poll as an observation.
    pub fn of(answer: &Result<TaskAnswer, Error>) -> Self {
        match answer {
            Ok(TaskAnswer::Seen(task, _)) => Self::Seen(task.state.clone()),
            Ok(TaskAnswer::Unchanged) => Self::Unchanged,
            Err(Error::NotFound { .. }) => Self::NotFound,
            Err(Error::RateLimited(limit)) => Self::Limited(limit.clone()),
            Err(Error::Unanswered { retry_after, .. }) => Self::Failed(*retry_after),
            Err(error) if error.may_pass() => Self::Failed(None),
            Err(_) => Self::Refused,
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitStep {
    /// Sleep so long, then poll again.
    Sleep(Duration),
    /// The wait is over.
    Ended(WaitEnd),
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitEnd {
    /// The task has ended.
    Settled,
    /// The task needs a person.
    NeedsPerson,
    /// The time is up, and the task still runs.
    DeadlinePassed,
    /// A rate limit lasts longer than the time that is left.
    LimitedPastDeadline(RateLimit),
    /// The time is up, and no poll was answered.
    LostSight,
    /// GitHub refused more than once.
    Refused,
    /// The task was stopped for this reason.
    Stopped(StopReason),
    /// The task should have been stopped for this reason, and continues or may do so.
    NotStopped(StopReason),
    /// The task had ended before it was to be stopped.
    EndedBefore,
}

/// The wait for one task.
#[derive(Debug)]
pub struct WaitMachine {
    rules: WaitRules,
    pace: Pace,
    state: Option<State>,
    idle_since: Option<Duration>,
    refusals: u32,
}

impl WaitMachine {
    /// A wait that has not begun. `seed` is for the jitter of the pauses.
    pub fn new(rules: WaitRules, seed: u64) -> Self {
        let pace = Pace::new(rules.interval, seed);
        Self { rules, pace, state: None, idle_since: None, refusals: 0 }
    }

    /// The pause before the first poll of a new task.
    pub fn first_pause(&mut self) -> Duration {
        self.pace.pause().min(self.rules.timeout)
    }

    /// What follows from an observation. `elapsed` is the time since the wait began.
    pub fn observe(&mut self, elapsed: Duration, seen: Observation) -> WaitStep {
        let left = self.rules.timeout.saturating_sub(elapsed);
        let mut pause = self.pace.pause();
        match &seen {
            Observation::Refused => self.refusals += 1,
            Observation::NotFound if elapsed >= self.rules.grace => self.refusals += 1,
            // Only an answer ends a run of refusals.
            Observation::Failed(_) | Observation::Limited(_) => {}
            _ => self.refusals = 0,
        }
        let is_answered = matches!(seen, Observation::Seen(_) | Observation::Unchanged);
        let mut asked = Duration::ZERO;
        match seen {
            Observation::Seen(state) => self.state = Some(state),
            Observation::Limited(limit) if limit.wait > left => {
                return WaitStep::Ended(WaitEnd::LimitedPastDeadline(limit));
            }
            Observation::Limited(limit) => asked = limit.wait,
            Observation::Failed(Some(retry_after)) => asked = retry_after,
            Observation::Unchanged | Observation::NotFound | Observation::Refused | Observation::Failed(None) => {}
        }
        if self.refusals >= MAX_REFUSALS {
            return WaitStep::Ended(WaitEnd::Refused);
        }
        match self.state.as_ref().map(State::phase) {
            Some(Phase::Settled) => return WaitStep::Ended(WaitEnd::Settled),
            Some(Phase::NeedsPerson) => {
                if let Some(left) = self.until_it_counts(elapsed) {
                    match left {
                        // Only a poll that saw it so can end the wait by it.
                        Duration::ZERO if is_answered => return WaitStep::Ended(WaitEnd::NeedsPerson),
                        Duration::ZERO => {}
                        left => pause = pause.min(left),
                    }
                }
            }
            Some(Phase::Running) | None => self.idle_since = None,
        }
        match (left, &self.state) {
            (Duration::ZERO, Some(_)) => WaitStep::Ended(WaitEnd::DeadlinePassed),
            (Duration::ZERO, None) => WaitStep::Ended(WaitEnd::LostSight),
            (left, _) => WaitStep::Sleep(pause.max(asked).min(left)),
        }
    }

    /// How much longer the task must need a person before that ends the wait; `None` if it never does.
    fn until_it_counts(&mut self, elapsed: Duration) -> Option<Duration> {
        if self.state == Some(State::WaitingForUser) {
            self.idle_since = None;
            return self.rules.stop_on_question.then_some(Duration::ZERO);
        }
        let since = *self.idle_since.get_or_insert(elapsed);
        self.rules.stop_on_idle.then(|| (since + IDLE_HOLDS).saturating_sub(elapsed))
    }
}

/// The pauses between polls.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    chance: fastrand::Rng,
    count: i32,
}

impl Pace {
    /// Pauses of at most `interval`. `seed` is for their jitter.
    pub fn new(interval: Duration, seed: u64) -> Self {
        Self { interval, chance: fastrand::Rng::with_seed(seed), count: 0 }
    }

    /// The next pause: it grows up to the interval, and is a little shorter at random.
    pub fn pause(&mut self) -> Duration {
        let first = FIRST_PAUSE.min(self.interval);
        let grown = first.mul_f64(GROWTH.powi(self.count.min(40)));
        self.count = self.count.saturating_add(1);
        grown.min(self.interval).mul_f64(1.0 - JITTER * self.chance.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rules() -> WaitRules {
        WaitRules {
            timeout: 3600 * SECOND,
            interval: 15 * SECOND,
            stop_on_question: true,
            stop_on_idle: true,
            grace: 60 * SECOND,
        }
    }

    fn machine() -> WaitMachine {
        WaitMachine::new(rules(), 7)
    }

    fn seen(word: &str) -> Observation {
        Observation::Seen(State::from(word))
    }

    fn limit(seconds: u32) -> Observation {
        Observation::Limited(RateLimit { wait: seconds * SECOND, primary: true })
    }

    #[track_caller]
    fn assert_sleeps(step: &WaitStep, from: Duration, to: Duration) {
        assert!(matches!(step, WaitStep::Sleep(pause) if (from..=to).contains(pause)), "{step:?}");
    }

    #[test]
    fn wait_pauses_grow_up_to_the_interval() {
        let mut machine = machine();
        assert_sleeps(&WaitStep::Sleep(machine.first_pause()), SECOND * 27 / 10, SECOND * 3);
        let mut last = Duration::ZERO;
        for second in 0..10 {
            let step = machine.observe(second * SECOND, seen("in_progress"));
            assert_sleeps(&step, SECOND * 3, SECOND * 15);
            if let WaitStep::Sleep(pause) = step {
                last = pause;
            }
        }
        assert!(last >= SECOND * 27 / 2);
    }

    #[test]
    fn wait_ends_in_settled_states() {
        for (word, ending) in [
            ("completed", Some(WaitEnd::Settled)),
            ("failed", Some(WaitEnd::Settled)),
            ("timed_out", Some(WaitEnd::Settled)),
            ("cancelled", Some(WaitEnd::Settled)),
            ("waiting_for_user", Some(WaitEnd::NeedsPerson)),
            ("idle", None),
            ("queued", None),
            ("in_progress", None),
            ("of_tomorrow", None),
        ] {
            match (machine().observe(SECOND, seen(word)), ending) {
                (WaitStep::Ended(found), Some(ending)) => assert_eq!(found, ending, "{word}"),
                (WaitStep::Sleep(_), None) => {}
                (step, ending) => panic!("{word}: {step:?} instead of {ending:?}"),
            }
        }
    }

    #[test]
    fn wait_idle_needs_two_minutes() {
        let mut machine = machine();
        assert_sleeps(&machine.observe(10 * SECOND, seen("idle")), SECOND, 15 * SECOND);
        assert_sleeps(&machine.observe(100 * SECOND, seen("in_progress")), SECOND, 15 * SECOND);
        assert_sleeps(&machine.observe(110 * SECOND, seen("idle")), SECOND, 15 * SECOND);
        assert_sleeps(&machine.observe(225 * SECOND, Observation::Unchanged), SECOND, 5 * SECOND);
        assert_eq!(machine.observe(230 * SECOND, Observation::Unchanged), WaitStep::Ended(WaitEnd::NeedsPerson));
    }

    #[test]
    fn wait_goes_on_where_stop_on_says_so() {
        let mut machine = WaitMachine::new(WaitRules { stop_on_question: false, stop_on_idle: false, ..rules() }, 7);
        assert_sleeps(&machine.observe(SECOND, seen("waiting_for_user")), SECOND, 15 * SECOND);
        assert_sleeps(&machine.observe(SECOND * 2, seen("idle")), SECOND, 15 * SECOND);
        assert_sleeps(&machine.observe(SECOND * 900, seen("idle")), SECOND, 15 * SECOND);
    }

    #[test]
    fn wait_polls_once_more_at_the_deadline() {
        let mut slow = machine();
        assert_eq!(slow.observe(3599 * SECOND, seen("in_progress")), WaitStep::Sleep(SECOND));
        assert_eq!(slow.observe(3600 * SECOND, seen("completed")), WaitStep::Ended(WaitEnd::Settled));
        let mut late = machine();
        assert_eq!(late.observe(3600 * SECOND, seen("in_progress")), WaitStep::Ended(WaitEnd::DeadlinePassed));
        let mut blind = machine();
        assert_eq!(blind.observe(3600 * SECOND, Observation::Failed(None)), WaitStep::Ended(WaitEnd::LostSight));
    }

    #[test]
    fn wait_survives_failed_polls() {
        let mut machine = machine();
        for second in 0..200 {
            assert_sleeps(&machine.observe(second * SECOND, Observation::Failed(None)), SECOND, 15 * SECOND);
        }
        let asked_to_stay_away = Observation::Failed(Some(90 * SECOND));
        assert_sleeps(&machine.observe(300 * SECOND, asked_to_stay_away), 90 * SECOND, 90 * SECOND);
        assert_eq!(machine.observe(400 * SECOND, seen("completed")), WaitStep::Ended(WaitEnd::Settled));
    }

    #[test]
    fn wait_ends_where_a_limit_outlasts_the_deadline() {
        let mut machine = machine();
        assert_sleeps(&machine.observe(SECOND, limit(300)), 300 * SECOND, 300 * SECOND);
        let step = machine.observe(3500 * SECOND, limit(300));
        assert!(matches!(step, WaitStep::Ended(WaitEnd::LimitedPastDeadline(_))), "{step:?}");
    }

    #[test]
    fn wait_polls_again_where_a_limit_ends_at_the_deadline() {
        assert_sleeps(&machine().observe(3590 * SECOND, limit(10)), 10 * SECOND, 10 * SECOND);
    }

    #[test]
    fn poll_that_failed_is_a_refusal_unless_it_may_pass() {
        let passing = Error::Malformed { why: "cut off".to_owned() };
        let final_ = Error::Unfit { why: "no".to_owned() };
        assert!(passing.may_pass() && !final_.may_pass());
        assert_eq!(Observation::of(&Err(passing)), Observation::Failed(None));
        assert_eq!(Observation::of(&Err(final_)), Observation::Refused);
    }

    #[test]
    fn wait_takes_not_found_for_delay_at_first() {
        let mut machine = machine();
        for second in 0..30 {
            assert_sleeps(&machine.observe(second * SECOND, Observation::NotFound), SECOND, 15 * SECOND);
        }
        assert_sleeps(&machine.observe(61 * SECOND, Observation::NotFound), SECOND, 15 * SECOND);
        assert_sleeps(&machine.observe(62 * SECOND, Observation::Failed(None)), SECOND, 15 * SECOND);
        assert_eq!(machine.observe(63 * SECOND, Observation::NotFound), WaitStep::Ended(WaitEnd::Refused));
    }

    #[test]
    fn wait_ends_at_the_second_refusal() {
        let mut machine = machine();
        assert_sleeps(&machine.observe(SECOND, Observation::Refused), SECOND, 15 * SECOND);
        assert_sleeps(&machine.observe(2 * SECOND, seen("queued")), SECOND, 15 * SECOND);
        assert_sleeps(&machine.observe(3 * SECOND, Observation::Refused), SECOND, 15 * SECOND);
        assert_eq!(machine.observe(4 * SECOND, Observation::Refused), WaitStep::Ended(WaitEnd::Refused));
    }

    #[test]
    fn wait_idle_ends_at_a_poll_that_sees_it() {
        let mut machine = machine();
        assert_sleeps(&machine.observe(10 * SECOND, seen("idle")), SECOND, 15 * SECOND);
        assert_sleeps(&machine.observe(20 * SECOND, limit(300)), 300 * SECOND, 300 * SECOND);
        assert_sleeps(&machine.observe(320 * SECOND, Observation::Failed(None)), SECOND, 15 * SECOND);
        assert_eq!(machine.observe(330 * SECOND, Observation::Unchanged), WaitStep::Ended(WaitEnd::NeedsPerson));
    }
}
