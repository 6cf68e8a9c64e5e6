//! The essentials of a report as the step summary.

use crate::report::history::comparison::Comparison;
use crate::report::history::document::{Group, Report};
use crate::report::history::figures::{Figures, Share};
use crate::report::history::show::{known, percent, points, span, spelled_number, spread};
use crate::report::history::task::{Place, TaskRow};
use crate::report::markdown::{details, inline, link, table};
use crate::report::summary::cut_to_fit;
use crate::text::{counted, cut, escaped};

/// How many open tasks are listed; the page has them all.
const MAX_OPEN: usize = 50;
/// How many groups of a kind are listed.
const MAX_GROUPS: usize = 20;
/// How many weeks the chart has; more do not fit beside each other.
const MAX_WEEKS: usize = 26;
/// How much of a name or a title is shown, in characters.
const MAX_NAME: usize = 100;

/// The summary.
pub fn summary(report: &Report) -> String {
    let mut text = format!("### 📊 {}\n\n", escaped(&title(report)));
    for warning in &report.warnings {
        text.push_str(&format!("- ⚠️ {}\n", inline(warning)));
    }
    for condition in &report.conditions {
        let mark = if condition.crossed { "❌" } else { "✅" };
        text.push_str(&format!("- {mark} `{}`: {}\n", condition.condition, inline(&condition.reason)));
    }
    text.push('\n');
    text.push_str(&figures(&report.all));
    text.push_str(&chart(report));
    text.push_str(&work(report));
    for comparison in &report.comparisons {
        text.push_str(&compared(comparison));
    }
    for (title, groups) in [
        ("By task class", &report.by_class),
        ("By prompt version", &report.by_version),
        ("By model", &report.by_model),
        ("By repository", &report.by_repository),
        ("By rollout", &report.by_rollout),
    ] {
        if !groups.is_empty() {
            text.push_str(&details(title, &by_group(groups), false));
        }
    }
    cut_to_fit(text)
}

/// A line that says it all.
pub fn title(report: &Report) -> String {
    let since = report.since();
    let tasks = counted(report.tasks.len(), "task");
    match report.merged() {
        Some(merged) => {
            let pulls = counted(report.all.pull_requests as usize, "pull request");
            format!("{tasks} since {since}, {merged} of {pulls} merged")
        }
        None => format!("{tasks} since {since}; their pull requests could not be read"),
    }
}

fn figures(all: &Figures) -> String {
    let share = |name: &str, share: Share| vec![name.to_owned(), percent(share)];
    let time = |name: &str, it| vec![format!("{name} (median / p90)"), spread(it, span)];
    let rows = vec![
        share("Success: completed, of ended tasks", all.success),
        share("Merged, of pull requests", all.merged),
        share("Accepted: merged, of decided pull requests", all.accepted),
        share("Rework by people, of pull requests", all.rework),
        share("Failed checks, of checked pull requests", all.failed_checks),
        share("Reverted, of merged pull requests", all.reverted),
        time("Time to the first review", all.first_review),
        time("Time to merge", all.time_to_merge),
        time("Work of the agent", all.duration),
        vec![
            "AI credits".to_owned(),
            format!("{} (of {})", known(all.credits.total, spelled_number), counted(all.credits.of as usize, "task")),
        ],
        vec!["AI credits per merged pull request".to_owned(), known(all.credits.per_merged, spelled_number)],
    ];
    table(&["Figure", "Value"], &rows)
}

/// Tasks of each week, and the merged ones as a line.
fn chart(report: &Report) -> String {
    let weeks = report.by_week.iter().rev().take(MAX_WEEKS).rev().collect::<Vec<_>>();
    if weeks.len() < 2 {
        return String::new();
    }
    let list = |of: &dyn Fn(usize) -> String| (0..weeks.len()).map(of).collect::<Vec<_>>().join(", ");
    format!(
        "```mermaid\nxychart-beta\n    title \"Tasks per week, and how many were merged\"\n    x-axis [{}]\n    y-axis \
         \"tasks\"\n    bar [{}]\n    line [{}]\n```\n\n",
        list(&|at| format!("\"{}\"", weeks[at].begins.get(5..).unwrap_or_default())),
        list(&|at| weeks[at].tasks.to_string()),
        list(&|at| weeks[at].merged.to_string()),
    )
}

/// The open tasks, oldest first.
fn work(report: &Report) -> String {
    let open = report.tasks.iter().filter(|task| task.place.is_open()).collect::<Vec<_>>();
    let counts = Place::ALL.iter().filter(|place| place.is_open()).filter_map(|place| {
        let count = open.iter().filter(|task| task.place == *place).count();
        (count > 0).then(|| format!("{count} {}", place.label()))
    });
    let counts = counts.collect::<Vec<_>>().join(", ");
    if open.is_empty() {
        return "Nothing is open.\n\n".to_owned();
    }
    let row = |task: &&TaskRow| {
        let pull = task.pull_request.as_ref();
        let name = pull.map(|pull| pull.title.as_str()).or(task.name.as_deref()).unwrap_or(&task.id);
        let number = pull.map(|pull| link(&format!("#{}", pull.number), &pull.url)).unwrap_or_default();
        vec![
            task.created_at.map(|time| report.scope.local(time).date().to_string()).unwrap_or_default(),
            task.place.label().replace(' ', "\u{a0}"),
            link(&cut(name, MAX_NAME), task.url.as_deref().unwrap_or_default()),
            escaped(task.repository.as_deref().unwrap_or_default()),
            number,
        ]
    };
    let rows = open.iter().take(MAX_OPEN).map(row).collect::<Vec<_>>();
    let head = ["Created", "Place", "Task", "Repository", "Pull request"];
    let mut body = table(&head, &rows);
    if open.len() > MAX_OPEN {
        body.push_str(&format!("and {} more in the report\n", open.len() - MAX_OPEN));
    }
    details(&format!("Open: {counts}"), &body, open.len() <= 10)
}

fn compared(comparison: &Comparison) -> String {
    let shares = comparison.shares.iter().map(|share| {
        let chance = if share.may_be_chance { ", may be chance" } else { "" };
        let both = share.first.share.zip(share.second.share);
        let difference = both.map(|(first, second)| format!("{}{chance}", points(first, second)));
        let difference = difference.unwrap_or_default();
        vec![share.figure.replace('-', " "), percent(share.first), percent(share.second), difference]
    });
    let name = |name: &str| escaped(&cut(name, MAX_NAME));
    let (first, second) = (name(&comparison.first), name(&comparison.second));
    let body = table(&["Figure", &first, &second, "Difference"], &shares.collect::<Vec<_>>());
    let warning = comparison.warning.as_ref().map(|why| format!("⚠️ {why}.\n\n")).unwrap_or_default();
    details(&format!("{} and {}", comparison.first, comparison.second), &format!("{warning}{body}"), true)
}

fn by_group(groups: &[Group]) -> String {
    let row = |group: &Group| {
        let it = &group.figures;
        vec![
            group.name.as_ref().map_or("–".to_owned(), |name| escaped(&cut(name, MAX_NAME))),
            it.tasks.to_string(),
            percent(it.success),
            percent(it.merged),
            percent(it.rework),
            spread(it.time_to_merge, span),
            known(it.credits.total, spelled_number),
        ]
    };
    let head = ["Name", "Tasks", "Success", "Merged", "Rework", "Time to merge (median / p90)", "AI credits"];
    let mut text = table(&head, &groups.iter().take(MAX_GROUPS).map(row).collect::<Vec<_>>());
    if groups.len() > MAX_GROUPS {
        text.push_str(&format!("and {} more in the report\n", groups.len() - MAX_GROUPS));
    }
    text
}
