//! What is counted before a start.

use std::collections::HashSet;
use std::time::Duration;

use crate::github::task::{Phase, Task, TaskId};
use crate::policy::schema::Limits;
use crate::task::conclusion::{Refusal, RefusedBy};
use crate::task::marker::Marker;

/// How long a start counts for `max-starts-per-day`.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A count of the tasks in a repository, for the limits of a class.
#[derive(Debug, Clone)]
pub struct LimitCounter {
    pub(super) limits: Limits,
    pub(super) class: String,
    pub(super) source: String,
    pub(super) active: u32,
    pub(super) started: u32,
    /// Tasks whose prompt cannot be read, so that they may be of the class.
    pub(super) hidden_active: u32,
    /// See `hidden_active`.
    pub(super) hidden_started: u32,
    /// Tasks that GitHub counts and does not list, so that they may be of the class.
    pub(super) unlisted: u32,
    /// The tasks that were counted.
    pub(super) counted: HashSet<TaskId>,
}

/// What a count says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capacity {
    /// One more may be started.
    Free,
    /// No more may be started, or the list of tasks is too long to say so.
    Full(Refusal),
    /// The pull request has had all its follow-ups, for this reason.
    Used(String),
    /// Tasks that cannot be read yet decide. Until they can, nothing may be started.
    Hidden(Refusal),
}

impl LimitCounter {
    /// The age from which on a task counts only if it is known not to have settled.
    pub fn horizon(&self, memory: Duration) -> Duration {
        if self.limits.max_active.is_some() { memory } else { DAY }
    }

    /// Whether unsettled tasks count, however old they are.
    pub fn counts_active(&self) -> bool {
        self.limits.max_active.is_some()
    }

    /// Whether a task counts if it is of the class. It counts archived or not, and whatever its age where it has not
    /// settled.
    pub fn wants(&self, task: &Task, age: Option<Duration>) -> bool {
        self.limits.max_active.is_some() && is_active(task)
            || self.limits.max_starts_per_day.is_some() && is_of_today(age)
    }

    /// Counts a task, with its sessions where they could be read.
    pub fn take(&mut self, task: &Task, age: Option<Duration>) {
        let prompt = task.prompt();
        let (active, started) = (u32::from(is_active(task)), u32::from(is_of_today(age)));
        // A list that grows while it is read has a task on two pages.
        if !self.counted.insert(task.id.clone()) {
            return;
        }
        match prompt.map(|prompt| Marker::find(prompt).is_some_and(|marker| marker.class == self.class)) {
            Some(true) => {
                self.active += active;
                self.started += started;
            }
            Some(false) => {}
            None => {
                self.hidden_active += active;
                self.hidden_started += started;
            }
        }
    }

    /// Counts tasks that this step has just started, and that the list does not have yet.
    pub fn add_started(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.active = self.active.saturating_add(count);
        self.started = self.started.saturating_add(count);
    }

    /// Counts tasks that GitHub does not list, although its total has them.
    pub fn leave_out(&mut self, count: u64) {
        self.unlisted = self.unlisted.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
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
            let counted = if count == 1 {
                format!("1 task of {class} {}", did[0])
            } else {
                format!("{count} tasks of {class} {}", did[1])
            };
            let within = if key == "max-active" { "" } else { " within the last 24 hours" };
            let has = format!("{source} has `{key}: {limit}`");
            if count >= limit {
                return Capacity::Full(refusal(format!("{counted}{within}, and {has}")));
            }
            if capacity != Capacity::Free {
                continue;
            }
            if count.saturating_add(self.unlisted) >= limit {
                capacity = Capacity::Hidden(refusal(format!(
                    "{counted}{within}, and {has}; there may be {} more, because GitHub counts more tasks in \
                     the repository than it lists. Run the job again later",
                    self.unlisted
                )));
            } else if count.saturating_add(hidden).saturating_add(self.unlisted) >= limit {
                capacity = Capacity::Hidden(refusal(format!(
                    "{counted}{within}, and {has}; there may be {hidden} more, whose prompts GitHub does not show \
                     yet. Run the job again later"
                )));
            }
        }
        capacity
    }
}

fn is_active(task: &Task) -> bool {
    task.state.phase() != Phase::Settled
}

/// A task of unknown age counts.
fn is_of_today(age: Option<Duration>) -> bool {
    age.is_none_or(|age| age < DAY)
}
