//! How many follow-ups a pull request has had, so that an agent and a check do not continue forever.

use std::time::Duration;

use jiff::Timestamp;

use crate::github::task::{Phase, Task};
use crate::task::marker::Marker;

/// How long a task may be without a prompt because it is new. Prompts were seen after seconds.
const NO_PROMPT_YET: Duration = Duration::from_secs(120);

/// A count of the tasks that follow up on a pull request, by the marker of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUpCounter {
    number: u64,
    max: u32,
    /// When the pull request was opened: an older task cannot follow up on it.
    opened: Timestamp,
    found: u32,
    hidden: u32,
}

/// What a count says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FollowUps {
    /// One more may be started.
    Free,
    /// There were as many as there may be, for the reason.
    Used(String),
    /// Tasks that cannot be read yet decide, for the reason.
    Hidden(String),
}

impl FollowUpCounter {
    /// A count that has not begun.
    pub fn new(number: u64, max: u32, opened: Timestamp) -> Self {
        Self { number, max, opened, found: 0, hidden: 0 }
    }

    /// Whether a task can be a follow-up, so that it has to be read.
    pub fn wants(&self, task: &Task) -> bool {
        task.created_at.is_none_or(|created| created >= self.opened)
    }

    /// Counts a task that was read.
    pub fn take(&mut self, task: &Task, age: Option<Duration>) {
        match task.prompt() {
            Some(prompt) => {
                let number = Marker::find(prompt).map(|marker| marker.follow_up);
                self.found += u32::from(number.is_some_and(|number| number == self.number.to_string()));
            }
            // One that has ended without showing a prompt will never show one.
            None if task.state.phase() == Phase::Settled && age.is_some_and(|age| age > NO_PROMPT_YET) => {}
            None => self.hidden += 1,
        }
    }

    /// What the tasks that were counted say.
    pub fn result(&self) -> FollowUps {
        let Self { number, max, found, hidden, .. } = self;
        let has = format!("pull request #{number} has had {found} of {max} follow-ups");
        if found >= max {
            FollowUps::Used(format!("{has}, so the next step is a person's; to continue, raise `max-follow-ups`"))
        } else if found.saturating_add(*hidden) >= *max {
            FollowUps::Hidden(format!(
                "{has}, and perhaps {hidden} more, whose prompts GitHub does not show yet. Run the job again later"
            ))
        } else {
            FollowUps::Free
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::task::marker::Key;

    use super::*;

    fn task(state: &str, follow_up: Option<&str>) -> Task {
        let marker =
            Marker { key: Key::over(["x"]), follow_up: follow_up.unwrap_or_default().to_owned(), ..Marker::default() };
        let sessions = follow_up.map(|_| json!([{"prompt": marker.put_under("Fix it")}])).unwrap_or_default();
        serde_json::from_value(
            json!({"id": "t-1", "state": state, "sessions": sessions, "created_at": "2026-11-20T09:00:00Z"}),
        )
        .unwrap()
    }

    fn counted(max: u32, tasks: &[(&str, Option<&str>, u64)]) -> FollowUps {
        let mut counter = FollowUpCounter::new(7, max, "2026-11-20T08:00:00Z".parse().unwrap());
        for (state, follow_up, age) in tasks {
            counter.take(&task(state, *follow_up), Some(Duration::from_secs(*age)));
        }
        counter.result()
    }

    #[test]
    fn follow_ups_count_in_any_state() {
        let (failed, other, none) = (("failed", Some("7"), 9), ("idle", Some("8"), 9), ("idle", Some(""), 9));
        assert_eq!(counted(2, &[failed, other, none]), FollowUps::Free);
        let FollowUps::Used(why) = counted(2, &[failed, ("queued", Some("7"), 9)]) else { panic!("not used") };
        assert!(why.starts_with("pull request #7 has had 2 of 2 follow-ups"), "{why}");
    }

    #[test]
    fn follow_up_that_is_hidden_may_be_the_last() {
        assert!(matches!(counted(1, &[("queued", None, 9)]), FollowUps::Hidden(_)));
        assert_eq!(counted(2, &[("queued", None, 9)]), FollowUps::Free);
        assert_eq!(counted(1, &[("completed", None, 500)]), FollowUps::Free, "it shows none any more");
    }

    #[test]
    fn task_older_than_the_pull_request_is_none_of_its_follow_ups() {
        let wants = |opened: &str| FollowUpCounter::new(7, 2, opened.parse().unwrap()).wants(&task("idle", None));
        assert_eq!((wants("2026-11-20T09:00:00Z"), wants("2026-11-20T09:00:01Z")), (true, false));
    }
}
