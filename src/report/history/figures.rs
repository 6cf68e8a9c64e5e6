//! The figures of a group of tasks. Each says how many tasks or pull requests it rests on.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::github::task::{Phase, State};
use crate::order::sorted;
use crate::report::history::task::{PullRow, PullWord, TaskRow, Unreadable};

/// How many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Share {
    /// How many.
    pub count: u64,
    /// Of how many.
    pub of: u64,
    /// The one divided by the other; null if there is none.
    pub share: Option<f64>,
}

impl Share {
    fn among<T>(items: impl IntoIterator<Item = T>, is: impl Fn(&T) -> bool) -> Self {
        let (mut count, mut of) = (0, 0);
        for item in items {
            of += 1;
            count += u64::from(is(&item));
        }
        #[expect(clippy::cast_precision_loss, reason = "there are not as many tasks")]
        let share = (of > 0).then(|| rounded(count as f64 / of as f64, 4));
        Self { count, of, share }
    }
}

/// A number with so many decimals.
pub(super) fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}

/// The middle of some numbers, and where nine of ten are at or below. Both by nearest rank, so that each is one of the
/// numbers, <https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method>.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Spread {
    /// How many numbers there are.
    pub of: u64,
    /// The median; null if there is no number.
    pub median: Option<f64>,
    /// The 90th percentile; null if there is no number.
    pub p90: Option<f64>,
}

impl Spread {
    /// The spread of these numbers.
    pub fn over(numbers: impl IntoIterator<Item = f64>) -> Self {
        let sorted = sorted(numbers.into_iter().collect(), &f64::total_cmp);
        let rank = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Self { of: sorted.len() as u64, median: rank(50), p90: rank(90) }
    }

    fn counts(numbers: impl IntoIterator<Item = u64>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "seconds and lines are far below 2^53")]
        let numbers = numbers.into_iter().map(|number| number as f64);
        Self::over(numbers)
    }
}

/// AI credits.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Credits {
    /// All together, with one decimal; null if no task says.
    pub total: Option<f64>,
    /// How many tasks say.
    pub of: u64,
    /// The median of a task.
    pub median: Option<f64>,
    /// The 90th percentile of a task.
    pub p90: Option<f64>,
    /// All credits, of all tasks, divided by the number of merged pull requests.
    pub per_merged: Option<f64>,
}

/// The figures of a group of tasks. Durations are seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Figures {
    /// How many tasks there are.
    pub tasks: u64,
    /// How many of them lack a part that could not be read, by the part.
    pub unreadable: BTreeMap<&'static str, u64>,
    /// The tasks in each state.
    pub states: BTreeMap<String, Share>,
    /// The tasks in each place of the list that people work from.
    pub places: BTreeMap<&'static str, u64>,
    /// Completed tasks, of those that have ended.
    pub success: Share,
    /// How many pull requests could be read.
    pub pull_requests: u64,
    /// Merged ones, of all pull requests.
    pub merged: Share,
    /// Those closed and not merged, of all pull requests.
    pub closed: Share,
    /// Merged ones, of those that a person has decided: merged or closed.
    pub accepted: Share,
    /// Those with commits of people after the agent's first.
    pub rework: Share,
    /// Those whose checks failed, of those whose checks have ended.
    pub failed_checks: Share,
    /// Those that were reverted, of the merged ones.
    pub reverted: Share,
    /// The time that the sessions of a task took.
    pub duration: Spread,
    /// The time to the first review of a person.
    pub first_review: Spread,
    /// The time from opening to merge.
    pub time_to_merge: Spread,
    /// The time from the task's creation to the merge.
    pub lead_time: Spread,
    /// Sessions of a task.
    pub sessions: Spread,
    /// Files of a pull request.
    pub files: Spread,
    /// Lines of a pull request.
    pub lines: Spread,
    /// Reviews of a pull request.
    pub reviews: Spread,
    /// AI credits.
    pub credits: Credits,
}

impl Figures {
    /// The figures of these tasks.
    pub fn of(tasks: &[&TaskRow]) -> Self {
        let pulls = || tasks.iter().filter_map(|task| task.pull_request.as_ref());
        let merged = |pull: &&PullRow| pull.state == PullWord::Merged;
        let mut unreadable = BTreeMap::new();
        let mut places = BTreeMap::new();
        let mut states = BTreeMap::<String, Share>::new();
        for task in tasks {
            task.unreadable.iter().for_each(|part| *unreadable.entry(part.as_str()).or_default() += 1);
            *places.entry(task.place.as_str()).or_default() += 1;
            states.entry(task.state.clone()).or_default();
        }
        for (state, share) in &mut states {
            *share = Share::among(tasks, |task| task.state == *state);
        }
        let ended = tasks.iter().filter(|task| State::from(task.state.as_str()).phase() == Phase::Settled);
        let checked = pulls().filter_map(|pull| pull.checks.as_deref());
        let known = tasks.iter().filter(|task| !task.unreadable.contains(&Unreadable::Sessions));
        let merged_share = Share::among(pulls(), merged);
        Self {
            tasks: tasks.len() as u64,
            unreadable,
            states,
            places,
            success: Share::among(ended, |task| task.state == State::Completed.as_str()),
            pull_requests: pulls().count() as u64,
            merged: merged_share,
            closed: Share::among(pulls(), |pull| pull.state == PullWord::Closed),
            accepted: Share::among(pulls().filter(|pull| pull.state != PullWord::Open), merged),
            rework: Share::among(pulls().filter_map(|pull| pull.rework_commits), |commits| *commits > 0),
            failed_checks: Share::among(checked.filter(|it| matches!(*it, "success" | "failure")), |it| {
                *it == "failure"
            }),
            reverted: Share::among(pulls().filter(merged), |pull| pull.reverted),
            duration: Spread::counts(tasks.iter().filter_map(|task| task.duration)),
            first_review: Spread::counts(pulls().filter_map(|pull| pull.first_review)),
            time_to_merge: Spread::counts(pulls().filter_map(|pull| pull.time_to_merge)),
            lead_time: Spread::counts(pulls().filter_map(|pull| pull.lead_time)),
            sessions: Spread::counts(known.map(|task| task.sessions.len() as u64)),
            files: Spread::counts(pulls().map(|pull| pull.files)),
            lines: Spread::counts(pulls().map(|pull| pull.lines)),
            reviews: Spread::counts(pulls().map(|pull| pull.reviews)),
            credits: Credits::of(tasks, merged_share.count),
        }
    }
}

impl Credits {
    fn of(tasks: &[&TaskRow], merged: u64) -> Self {
        let used = || tasks.iter().filter_map(|task| task.credits);
        let spread = Spread::over(used());
        let total = (spread.of > 0).then(|| used().sum::<f64>());
        #[expect(clippy::cast_precision_loss, reason = "there are not as many pull requests")]
        let per_merged = total.filter(|_| merged > 0).map(|total| total / merged as f64);
        let rounded = |credits: Option<f64>| credits.map(|credits| rounded(credits, 1));
        Self {
            total: rounded(total),
            of: spread.of,
            median: rounded(spread.median),
            p90: rounded(spread.p90),
            per_merged: rounded(per_merged),
        }
    }
}
