//! What is counted before a start.

use std::time::Duration;

use crate::github::task::{Phase, Task};
use crate::policy::schema::Limits;
use crate::task::conclusion::{Refusal, RefusedBy};
use crate::task::marker::Marker;

/// How long a start counts for `max-starts-per-day`.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long a task may have no sessions because it is new. They were seen after seconds.
const YOUTH: Duration = Duration::from_secs(120);

/// A count of the tasks in a repository, for the limits of a class.
#[derive(Debug, Clone)]
pub struct LimitCounter {
    pub(super) limits: Limits,
    pub(super) class: String,
    pub(super) source: String,
    pub(super) active: u32,
    pub(super) started: u32,
    /// Those whose prompt cannot be seen, so that nobody can say of which class they are.
    pub(super) hidden_active: u32,
    pub(super) hidden_started: u32,
}

/// What a count says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capacity {
    /// One more may be started.
    Free,
    /// No more may be started.
    Full(Refusal),
    /// It hangs on tasks that cannot be read yet.
    Hidden(Refusal),
}

impl LimitCounter {
    /// From which age on a task does not count. With `max-active` those that have not settled count for longer.
    pub fn horizon(&self, memory: Duration) -> Duration {
        if self.limits.max_active.is_some() { memory } else { DAY }
    }

    /// Whether archived tasks count.
    pub fn wants_archived(&self) -> bool {
        self.limits.max_starts_per_day.is_some()
    }

    /// Whether a task counts if it is of the class.
    pub fn wants(&self, task: &Task, age: Option<Duration>) -> bool {
        self.limits.max_active.is_some() && is_active(task)
            || self.limits.max_starts_per_day.is_some() && is_of_today(age)
    }

    /// Counts a task. `read` says whether its sessions could be read.
    pub fn take(&mut self, task: &Task, age: Option<Duration>, read: bool) {
        let prompts = task.sessions.iter().filter_map(|session| session.prompt.as_deref()).collect::<Vec<_>>();
        // A prompt that is gone, because the sessions were deleted, does not come back.
        let is_hidden = prompts.is_empty() && (!read || age.is_none_or(|age| age < YOUTH));
        let is_ours = prompts.iter().filter_map(|prompt| Marker::find(prompt)).any(|marker| marker.class == self.class);
        let (active, started) = (u32::from(is_active(task)), u32::from(is_of_today(age)));
        if is_ours {
            self.active += active;
            self.started += started;
        } else if is_hidden {
            self.hidden_active += active;
            self.hidden_started += started;
        }
    }

    /// Whether the limits are reached, so that nothing more has to be counted.
    pub fn is_full(&self) -> bool {
        matches!(self.capacity(), Capacity::Full(_))
    }

    /// Whether one more may be started.
    pub fn capacity(&self) -> Capacity {
        let Limits { max_active, max_starts_per_day, .. } = self.limits;
        let active = (self.active, self.hidden_active);
        let started = (self.started, self.hidden_started);
        let counts = [
            ("max-active", max_active, active, ["has not settled", "have not settled"]),
            ("max-starts-per-day", max_starts_per_day, started, ["was started", "were started"]),
        ];
        let class = if self.class.is_empty() { "no class".to_owned() } else { format!("the class `{}`", self.class) };
        let refusal = |why: String| Refusal { gate: RefusedBy::Policy, why };
        let mut capacity = Capacity::Free;
        for (key, limit, (count, hidden), did) in counts {
            let Some(limit) = limit else { continue };
            let source = &self.source;
            let told = if count == 1 {
                format!("1 task of {class} {}", did[0])
            } else {
                format!("{count} tasks of {class} {}", did[1])
            };
            let within = if key == "max-active" { "" } else { " within the last 24 hours" };
            let has = format!("{source} has `{key}: {limit}`");
            if count >= limit {
                return Capacity::Full(refusal(format!("{told}{within}, and {has}")));
            }
            if count + hidden >= limit && capacity == Capacity::Free {
                capacity = Capacity::Hidden(refusal(format!(
                    "{told}{within}, and {has}; {hidden} more may be of it, for GitHub does not show their prompts yet. \
                     Run the job again later"
                )));
            }
        }
        capacity
    }
}

fn is_active(task: &Task) -> bool {
    task.state.phase() != Phase::Settled
}

/// A task whose age nobody knows counts.
fn is_of_today(age: Option<Duration>) -> bool {
    age.is_none_or(|age| age < DAY)
}
