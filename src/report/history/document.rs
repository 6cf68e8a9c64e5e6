//! The whole report: figures of all tasks and of groups, weeks, comparisons, conditions, and the tasks themselves.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use crate::github::task::State;
use crate::inputs::threshold::{Measure, Threshold};
use crate::order::sorted;
use crate::report::history::comparison::Comparison;
use crate::report::history::figures::{Credits, Figures, Share, Spread};
use crate::report::history::task::{TaskRow, Time, Unreadable};
use crate::text::counted;

/// How many digits of a template's hash name a group: enough to tell the texts of one prompt apart.
const HASH_DIGITS: usize = 8;

/// What a report is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Scope {
    /// When it was made, in RFC 3339.
    pub generated_at: Time,
    /// The creation time from which on tasks count, in RFC 3339.
    pub since: Time,
    /// The time zone of the weeks, and of the days that people read, by its IANA name.
    #[serde(serialize_with = "zone_name")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub timezone: TimeZone,
    /// How long an open task may be untouched before it is stale, in seconds.
    pub stale_after: u64,
    /// The repositories; empty for all tasks of the token's owner.
    pub repositories: Vec<String>,
    /// Those among them whose tasks could not be listed.
    pub unreadable_repositories: Vec<String>,
    /// The class that the tasks have; null for any.
    pub task_class: Option<String>,
    /// The rollout that the tasks belong to; null for any.
    pub rollout: Option<String>,
}

impl Scope {
    /// What calendar and clock show at a moment.
    pub(super) fn local(&self, time: Time) -> DateTime {
        self.timezone.to_datetime(time.0)
    }
}

fn zone_name<S: Serializer>(zone: &TimeZone, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(zone.iana_name().unwrap_or_default())
}

/// A group of tasks.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Group {
    /// What the tasks share; null if it is not known.
    pub name: Option<String>,
    /// Their figures.
    pub figures: Figures,
    /// When the newest of them was created, to put versions in their order.
    #[serde(skip)]
    newest: Option<Timestamp>,
    /// The class of them, where they are of one version.
    #[serde(skip)]
    class: Option<String>,
}

/// The tasks that were created in a week.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Week {
    /// The Monday that it begins with.
    pub begins: String,
    /// How many tasks there are.
    pub tasks: u64,
    /// Those in each state.
    pub states: BTreeMap<String, Share>,
    /// How many pull requests they have.
    pub pull_requests: u64,
    /// How many of those were merged.
    pub merged: u64,
    /// How many of those were closed and not merged.
    pub closed: u64,
    /// The time from opening to merge of those.
    pub time_to_merge: Spread,
    /// Their credits.
    pub credits: Credits,
}

/// A condition of `report-fail-if`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Condition {
    /// The condition as it was written.
    pub condition: String,
    /// The figure: a share between 0 and 1, or credits; null if it is not known.
    pub figure: Option<f64>,
    /// Whether it fails the step.
    pub crossed: bool,
    /// What was found, for people.
    pub reason: String,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report {
    /// The version of this format.
    pub version: u64,
    /// What the report is about.
    pub scope: Scope,
    /// What the reader should know.
    pub warnings: Vec<String>,
    /// The figures of all tasks.
    pub all: Figures,
    /// By task class.
    pub by_class: Vec<Group>,
    /// By class and version of the prompt; by the hash of its template if it has no version.
    pub by_version: Vec<Group>,
    /// By model.
    pub by_model: Vec<Group>,
    /// By repository.
    pub by_repository: Vec<Group>,
    /// By rollout.
    pub by_rollout: Vec<Group>,
    /// By the week of creation.
    pub by_week: Vec<Week>,
    /// Two versions of a class, or two models, side by side.
    pub comparisons: Vec<Comparison>,
    /// The conditions of `report-fail-if`.
    pub conditions: Vec<Condition>,
    /// The tasks: those with something left to do first, and the oldest of each place first.
    pub tasks: Vec<TaskRow>,
}

impl Report {
    /// The report about these tasks.
    pub fn new(scope: Scope, tasks: Vec<TaskRow>, thresholds: &[Threshold], warnings: Vec<String>) -> Self {
        let key = |task: &TaskRow| (!task.place.is_open(), task.created_at);
        let tasks = sorted(tasks, &|a, b| key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id)));
        let rows = tasks.iter().collect::<Vec<_>>();
        let all = Figures::of(&rows);
        let by_version = groups(&rows, &version);
        let by_model = groups(&rows, &|task| task.model.clone());
        Self {
            version: 1,
            by_class: groups(&rows, &|task| task.class.clone()),
            by_repository: groups(&rows, &|task| task.repository.clone()),
            by_rollout: groups(&rows, &|task| task.rollout.clone()),
            by_week: weeks(&rows, &scope.timezone),
            comparisons: versions_compared(&by_version).into_iter().chain(models_compared(&by_model)).collect(),
            conditions: thresholds.iter().map(|threshold| condition(*threshold, &all)).collect(),
            by_version,
            by_model,
            all,
            tasks,
            scope,
            warnings,
        }
    }

    /// The day from which on tasks count.
    pub(super) fn since(&self) -> String {
        self.scope.local(self.scope.since).date().to_string()
    }

    /// How many pull requests were merged; `None` where none could be read although there are some.
    pub fn merged(&self) -> Option<u64> {
        let hidden = self.all.unreadable.contains_key(Unreadable::PullRequest.as_str());
        (!hidden || self.all.pull_requests > 0).then_some(self.all.merged.count)
    }
}

/// The version of a task's prompt, with its class.
fn version(task: &TaskRow) -> Option<String> {
    let version = match (&task.prompt_version, &task.template) {
        (Some(version), _) => version.clone(),
        (None, Some(template)) => format!("template {}", template.chars().take(HASH_DIGITS).collect::<String>()),
        (None, None) => return None,
    };
    Some(task.class.as_ref().map_or(version.clone(), |class| format!("{class} {version}")))
}

/// The groups, the one with the most tasks first. Nothing where no task has such a name.
fn groups(tasks: &[&TaskRow], name: &dyn Fn(&TaskRow) -> Option<String>) -> Vec<Group> {
    let mut by_name = BTreeMap::<Option<String>, Vec<&TaskRow>>::new();
    for task in tasks {
        by_name.entry(name(task)).or_default().push(task);
    }
    if by_name.keys().all(Option::is_none) {
        return Vec::new();
    }
    let group = |(name, tasks): (Option<String>, Vec<&TaskRow>)| Group {
        name,
        newest: tasks.iter().filter_map(|task| task.created_at).max().map(|time| time.0),
        class: tasks.first().and_then(|task| task.class.clone()),
        figures: Figures::of(&tasks),
    };
    sorted(by_name.into_iter().map(group).collect(), &|a, b| b.figures.tasks.cmp(&a.figures.tasks))
}

/// The two newest versions of each class that has two.
fn versions_compared(groups: &[Group]) -> Vec<Comparison> {
    let mut compared_all = Vec::new();
    let named = groups.iter().filter(|group| group.name.is_some()).collect();
    let mut left = sorted(named, &|a: &&Group, b| b.newest.cmp(&a.newest));
    while let Some(newest) = left.first().copied() {
        let before = left.iter().skip(1).find(|group| group.class == newest.class);
        compared_all.extend(before.and_then(|before| compared("version", before, newest)));
        left.retain(|group| group.class != newest.class);
    }
    compared_all
}

/// The two models with the most tasks.
fn models_compared(groups: &[Group]) -> Option<Comparison> {
    let mut named = groups.iter().filter(|group| group.name.is_some());
    let (first, second) = (named.next()?, named.next()?);
    compared("model", first, second)
}

fn compared(by: &'static str, first: &Group, second: &Group) -> Option<Comparison> {
    let named = |group| -> Option<(&str, &Figures)> {
        let group: &Group = group;
        Some((group.name.as_deref()?, &group.figures))
    };
    Some(Comparison::of(by, named(first)?, named(second)?))
}

/// All weeks from the first to the last, also those without a task.
fn weeks(tasks: &[&TaskRow], zone: &TimeZone) -> Vec<Week> {
    const WEEK: i64 = 7 * 24 * 3600;
    // The first day of Unix time was a Thursday.
    const MONDAY: i64 = 4 * 24 * 3600;
    let monday = |task: &TaskRow| {
        let created = task.created_at?.0;
        let second = created.as_second() + i64::from(zone.to_offset(created).seconds());
        Some((second - MONDAY).div_euclid(WEEK) * WEEK + MONDAY)
    };
    let mondays = || tasks.iter().filter_map(|task| monday(task));
    let (Some(first), Some(last)) = (mondays().min(), mondays().max()) else {
        return Vec::new();
    };
    let week = |begins: i64| {
        let tasks = tasks.iter().copied().filter(|task| monday(task) == Some(begins)).collect::<Vec<_>>();
        let figures = Figures::of(&tasks);
        Week {
            begins: Timestamp::from_second(begins).unwrap_or_default().strftime("%Y-%m-%d").to_string(),
            tasks: figures.tasks,
            states: figures.states,
            pull_requests: figures.pull_requests,
            merged: figures.merged.count,
            closed: figures.closed.count,
            time_to_merge: figures.time_to_merge,
            credits: figures.credits,
        }
    };
    (0..=(last - first) / WEEK).map(|number| week(first + number * WEEK)).collect()
}

impl Week {
    /// How many tasks are in one of these states.
    pub(super) fn count(&self, states: &[State]) -> u64 {
        let counts = self.states.iter().filter(|(name, _)| states.iter().any(|state| state.as_str() == *name));
        counts.map(|(_, share)| share.count).sum()
    }
}

/// Holds a figure against its limit. One that is unknown because something could not be read fails; one that is unknown
/// because there is nothing to count does not.
fn condition(threshold: Threshold, all: &Figures) -> Condition {
    let (figure, parts): (_, &[Unreadable]) = match threshold.measure {
        Measure::Success => (all.success.share, &[]),
        Measure::Merged => (all.merged.share, &[Unreadable::PullRequest, Unreadable::Sessions]),
        Measure::Accepted => (all.accepted.share, &[Unreadable::PullRequest, Unreadable::Sessions]),
        Measure::Rework => (all.rework.share, &[Unreadable::PullRequest, Unreadable::Commits]),
        Measure::FailedChecks => (all.failed_checks.share, &[Unreadable::PullRequest, Unreadable::Checks]),
        Measure::Reverted => (all.reverted.share, &[Unreadable::PullRequest]),
        Measure::Credits => (all.credits.total, &[Unreadable::Sessions]),
        Measure::CreditsPerMerged => (all.credits.per_merged, &[Unreadable::Sessions, Unreadable::PullRequest]),
    };
    let unread = parts.iter().filter_map(|part| all.unreadable.get(part.as_str())).max();
    let hidden = |tasks: u64| counted(tasks as usize, "task");
    let (crossed, reason) = match (figure, unread) {
        (Some(figure), None) => (threshold.is_crossed(figure), format!("it is {}", threshold.shown(figure))),
        (Some(figure), Some(tasks)) => {
            let reason = format!("it is {} without {} that could not be read", threshold.shown(figure), hidden(*tasks));
            (threshold.is_crossed(figure), reason)
        }
        (None, Some(tasks)) => (true, format!("it is not known, because {} could not be read", hidden(*tasks))),
        (None, None) => (false, "there is nothing to count".to_owned()),
    };
    Condition { condition: threshold.to_string(), figure, crossed, reason }
}
