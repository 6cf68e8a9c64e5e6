//! A rollout over days: what a run of the workflow does and where the rollout is, decided from what GitHub shows. It has no
//! clock, no network, and no memory.

pub mod standing;
pub mod view;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::task::waves::{Share, Waves};

/// What counts as the success of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdvanceOn {
    /// Its task completed.
    Completed,
    /// Its pull request is accepted, or merged.
    Accepted,
    /// Its pull request is merged.
    Merged,
}

impl AdvanceOn {
    /// All of them by their words.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Completed, "completed"), (Self::Accepted, "accepted"), (Self::Merged, "merged")];

    /// The word of the input.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(it, _)| *it == self).map_or("", |(_, word)| word)
    }
}

/// What to do where the prompt has changed since the newest task of the rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnChange {
    /// Start no further task.
    Stop,
    /// Go on with the new prompt.
    Continue,
}

impl OnChange {
    /// All of them by their words.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Stop, "stop"), (Self::Continue, "continue")];
}

/// How tasks are rolled out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutRules {
    /// What the rollout is called.
    pub name: String,
    /// How many repositories each wave has.
    pub waves: Waves,
    /// The share of a wave that must succeed before the next one begins.
    pub success: Share,
    /// What counts as a success.
    pub advance_on: AdvanceOn,
    /// How many tasks a repository can get.
    pub attempts: usize,
    /// How long a repository can wait before that is a warning.
    pub stall_after: Duration,
    /// What to do where the prompt has changed.
    pub on_change: OnChange,
}

/// How a task of the rollout fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is a success.
    Succeeded,
    /// It is at work.
    Running,
    /// It waits for a person or for checks, for this reason.
    Waiting(String),
    /// It is not a success, for this reason.
    Failed(String),
    /// What decides about it could not be read, for this reason.
    Unknown(String),
}

/// A task of the rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutTask {
    /// The number of the wave in which it was started, counted from one.
    pub wave: usize,
    /// How it fares.
    pub standing: Standing,
    /// When it last changed, by GitHub's clock.
    pub since: Option<Timestamp>,
}

/// An entry of the list with its tasks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// Its tasks, oldest first.
    pub tasks: Vec<RolloutTask>,
    /// Whether the template asks for no task.
    pub is_skipped: bool,
    /// Why GitHub refused its start in this run.
    pub refused: Option<String>,
}

/// How an entry of the list fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// One of its tasks is a success.
    Succeeded,
    /// A task is at work.
    Running,
    /// A task waits for a person or for checks.
    Waiting,
    /// What decides about a task could not be read.
    Unknown,
    /// Its tasks have failed, and it gets no other.
    Failed,
    /// The template asks for no task.
    Skipped,
    /// Its next task can be started.
    Due,
    /// Its next task waits for an earlier wave, or for the end of a stop.
    Queued,
}

impl Status {
    /// The word of the results and of the summary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Due => "due",
            Self::Queued => "queued",
        }
    }
}

/// Where a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutState {
    /// Tasks are at work, or about to be started.
    Running,
    /// Nothing is at work; people or checks are waited for.
    Waiting,
    /// No further task is started.
    Stopped,
    /// All waves have reached their share, and nothing is open.
    Done,
}

impl fmt::Display for RolloutState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
            Self::Done => "done",
        })
    }
}

/// Why a rollout is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutStop {
    /// The wave with this number cannot reach its share.
    Wave(usize),
    /// The prompt has changed.
    Changed,
}

/// A wave with its entries by their status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveStatus {
    /// Its number, counted from one.
    pub number: usize,
    /// Its entries, as places of the list.
    pub members: Vec<usize>,
    /// How many of them count for the share: all that are not skipped.
    pub counted: usize,
    /// How many have succeeded.
    pub succeeded: usize,
    /// How many have failed.
    pub failed: usize,
    /// Whether the share is reached.
    pub is_reached: bool,
}

/// What a run does, and where the rollout is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Where the rollout is.
    pub state: RolloutState,
    /// Why it is stopped.
    pub stop: Option<RolloutStop>,
    /// The number of the wave and the status of each entry of the list.
    pub places: Vec<(usize, Status)>,
    /// The waves that have entries.
    pub waves: Vec<WaveStatus>,
}

impl Decision {
    /// The entries whose next task is to be started, in the order of the list.
    pub fn due(&self) -> Vec<usize> {
        self.with(Status::Due).collect()
    }

    /// The entries with a status, in the order of the list.
    pub fn with(&self, status: Status) -> impl Iterator<Item = usize> {
        self.places.iter().enumerate().filter(move |(_, (_, it))| *it == status).map(|(at, _)| at)
    }

    /// The first wave that has not reached its share.
    pub fn current(&self) -> Option<&WaveStatus> {
        self.waves.iter().find(|wave| !wave.is_reached)
    }
}

impl Member {
    /// The task that decides about the entry: a success before one that is open, and the newest of these.
    pub fn leading(&self) -> Option<usize> {
        let rank = |task: &RolloutTask| match task.standing {
            Standing::Succeeded => 4,
            Standing::Unknown(_) => 3,
            Standing::Running => 2,
            Standing::Waiting(_) => 1,
            Standing::Failed(_) => 0,
        };
        (0..self.tasks.len()).max_by_key(|at| (rank(&self.tasks[*at]), *at))
    }

    /// The number of its next task, counted from one.
    pub fn next_attempt(&self) -> usize {
        self.tasks.len() + 1
    }

    /// Its status, where the wave may begin.
    fn status(&self, attempts: usize) -> Status {
        let leading = self.leading().map(|at| &self.tasks[at].standing);
        match leading {
            Some(Standing::Succeeded) => Status::Succeeded,
            Some(Standing::Unknown(_)) => Status::Unknown,
            Some(Standing::Running) => Status::Running,
            Some(Standing::Waiting(_)) => Status::Waiting,
            _ if self.refused.is_some() => Status::Failed,
            Some(Standing::Failed(_)) if self.tasks.len() >= attempts => Status::Failed,
            // What was started stays in the rollout, whatever the template asks for today.
            None if self.is_skipped => Status::Skipped,
            Some(Standing::Failed(_)) | None => Status::Due,
        }
    }
}

/// The number of the wave of each entry. One with a task stays in the wave in which it was started. The others fill the
/// waves in the order of the list, from the last one that has begun; those that are left over join the last wave.
fn numbers(waves: &Waves, members: &[Member]) -> Vec<usize> {
    let last = waves.count().max(1);
    let started = |member: &Member| member.tasks.first().map(|task| task.wave.clamp(1, last));
    let mut current = members.iter().filter_map(started).max().unwrap_or(1);
    let taken = |wave: usize| members.iter().filter(|member| started(member) == Some(wave)).count();
    let room_in = |wave: usize| waves.size(wave).saturating_sub(taken(wave));
    let mut room = room_in(current);
    let place = |member: &Member| {
        started(member).unwrap_or_else(|| {
            // The next entry takes its place.
            if member.is_skipped {
                return current;
            }
            while room == 0 && current < last {
                current += 1;
                room = room_in(current);
            }
            room = room.saturating_sub(1);
            current
        })
    };
    members.iter().map(place).collect()
}

/// What a run does, and where the rollout is. `is_changed`: the prompt is another one than that of the newest task.
pub fn decide(rules: &RolloutRules, members: &[Member], is_changed: bool) -> Decision {
    let numbers = numbers(&rules.waves, members);
    let mut places =
        numbers.iter().zip(members).map(|(wave, it)| (*wave, it.status(rules.attempts))).collect::<Vec<_>>();
    let mut waves = Vec::new();
    for number in 1..=rules.waves.count().max(1) {
        let members = (0..places.len()).filter(|at| places[*at].0 == number).collect::<Vec<_>>();
        let count = |status: Status| members.iter().filter(|at| places[**at].1 == status).count();
        let (counted, succeeded) = (members.len() - count(Status::Skipped), count(Status::Succeeded));
        let is_reached = rules.success.is_reached(succeeded, counted);
        waves.push(WaveStatus { number, counted, succeeded, failed: count(Status::Failed), is_reached, members });
    }
    waves.retain(|wave| !wave.members.is_empty());
    let is_lost = |wave: &&WaveStatus| !rules.success.is_reached(wave.counted - wave.failed, wave.counted);
    let lost = waves.iter().find(is_lost).map(|wave| RolloutStop::Wave(wave.number));
    let has = |places: &[(usize, Status)], status: Status| places.iter().any(|(_, it)| *it == status);
    let may_begin = waves.iter().find(|wave| !wave.is_reached).map_or(usize::MAX, |wave| wave.number);
    let is_open = |(wave, status): &(usize, Status)| *status == Status::Due && *wave <= may_begin;
    let changed = is_changed && rules.on_change == OnChange::Stop && places.iter().any(is_open);
    let stop = lost.or(changed.then_some(RolloutStop::Changed));
    let may_start = stop.is_none() && !has(&places, Status::Unknown);
    for place in &mut places {
        if place.1 == Status::Due && !(may_start && is_open(place)) {
            place.1 = Status::Queued;
        }
    }
    let state = match stop {
        Some(_) => RolloutState::Stopped,
        None if has(&places, Status::Running) || has(&places, Status::Due) => RolloutState::Running,
        None if [Status::Waiting, Status::Unknown, Status::Queued].iter().any(|it| has(&places, *it)) => {
            RolloutState::Waiting
        }
        None => RolloutState::Done,
    };
    Decision { state, stop, places, waves }
}

#[cfg(test)]
mod tests;
