//! The report as one page for people: nothing in it is fetched, and foreign text stays text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use ring::digest::{SHA256, digest};
use serde::Serialize;

use crate::order::sorted;
use crate::report::history::chart::Chart;
use crate::report::history::comparison::Comparison;
use crate::report::history::document::{Condition, Group, Report, Scope};
use crate::report::history::figures::{Figures, Share, Spread};
use crate::report::history::show::{UNKNOWN, known, percent, points, span, spelled_number, spread, whole_percent};
use crate::report::history::task::{Place, TaskRow};
use crate::text::{counted, harmless, repositories};

const TEMPLATE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");
/// How many tasks the page lists; the files have all. A browser lays out and sorts so many rows without a pause.
const MAX_ROWS: usize = 2000;

/// What the template reads.
#[derive(Serialize)]
struct Page<'a> {
    since: String,
    about: String,
    warnings: &'a [String],
    conditions: &'a [Condition],
    /// Hashes of the style and the script, for the page's policy.
    policy: String,
    style: &'static str,
    script: &'static str,
    cards: Vec<Card>,
    charts: Vec<Chart>,
    comparisons: Vec<Compared>,
    groups: Vec<Table>,
    work: Table,
    tasks: Table,
    /// How many tasks are in the files and not on the page.
    unlisted: usize,
}

/// A figure of all tasks.
#[derive(Serialize)]
struct Card {
    label: &'static str,
    value: String,
    note: String,
}

#[derive(Serialize)]
struct Compared {
    title: String,
    warning: Option<String>,
    chart: Chart,
    table: Table,
}

#[derive(Serialize)]
struct Table {
    title: &'static str,
    /// Whether it lists tasks, whose names need room.
    is_list: bool,
    head: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

/// A cell, with what it is sorted by and where it leads.
#[derive(Serialize, Default)]
struct Cell {
    text: String,
    sort: String,
    url: Option<String>,
    /// The place that colors it.
    place: Option<&'static str>,
    is_number: bool,
}

impl Cell {
    fn text(text: impl Into<String>) -> Self {
        let text = harmless(&text.into());
        Self { sort: text.to_lowercase(), text, ..Self::default() }
    }

    fn optional(text: Option<&String>) -> Self {
        text.map_or_else(|| Self { text: UNKNOWN.to_owned(), ..Self::default() }, Self::text)
    }

    fn number(text: String, sort: Option<f64>) -> Self {
        // In a narrow column `62% (31 of 50)` breaks once at most, before the bracket, and `2h 5m / 1d` after the stroke.
        let text =
            text.replace(' ', "\u{a0}").replace("\u{a0}(", " (").replace("/\u{a0}", "/ ").replace(",\u{a0}", ", ");
        let sort = sort.map(|sort| sort.to_string()).unwrap_or_default();
        Self { text, sort, is_number: true, ..Self::default() }
    }

    /// The same as a link to a web page; any other address is left out.
    fn leading(self, url: Option<&String>) -> Self {
        let is_web = |url: &&String| url.starts_with("https://") || url.starts_with("http://");
        Self { url: url.filter(is_web).cloned(), ..self }
    }
}

/// The page.
///
/// # Errors
/// Those of the template engine, which a test rules out.
pub fn page(report: &Report) -> Result<String, minijinja::Error> {
    let mut open = report.tasks.iter().filter(|task| task.place.is_open()).take(MAX_ROWS);
    let all = report.tasks.iter().collect();
    let mut newest = sorted(all, &|a: &&TaskRow, b| b.created_at.cmp(&a.created_at));
    newest.truncate(MAX_ROWS);
    let groups = [
        ("By task class", &report.by_class),
        ("By prompt version", &report.by_version),
        ("By model", &report.by_model),
        ("By repository", &report.by_repository),
        ("By rollout", &report.by_rollout),
    ];
    let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
    let scope = &report.scope;
    let page = Page {
        since: report.since(),
        about: about(scope),
        warnings: &report.warnings,
        conditions: &report.conditions,
        policy: format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; \
             form-action 'none'",
            hash(STYLE),
            hash(SCRIPT)
        ),
        style: STYLE,
        script: SCRIPT,
        cards: cards(&report.all),
        charts: vec![
            Chart::tasks(&report.by_week),
            Chart::pulls(&report.by_week),
            Chart::time_to_merge(&report.by_week),
            Chart::credits(&report.by_week),
        ],
        comparisons: report.comparisons.iter().map(compared).collect(),
        groups: groups.iter().filter(|(_, all)| !all.is_empty()).map(|(title, all)| by_group(title, all)).collect(),
        work: listed(scope, "What to look at, oldest first", &mut open, &WORK),
        unlisted: report.tasks.len() - newest.len(),
        tasks: listed(scope, "All tasks, newest first", &mut newest.into_iter(), &COLUMNS),
    };
    let mut engine = Environment::new();
    engine.set_auto_escape_callback(|_| AutoEscape::Html);
    // By way of JSON, which the engine reads for prompts as well: another way for each type would weigh more.
    let page = serde_json::to_value(page).unwrap_or_else(|error| unreachable!("{error}"));
    engine.render_str(TEMPLATE, Serde(&page))
}

/// What the report is about, in a sentence.
fn about(scope: &Scope) -> String {
    let mut text = match scope.repositories.as_slice() {
        [] => "All tasks of the token's owner".to_owned(),
        [one] => one.clone(),
        many => repositories(many.len()),
    };
    let filters = [("class", &scope.task_class), ("rollout", &scope.rollout)];
    for (name, value) in filters.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        text.push_str(&format!(", {name} {}", harmless(value)));
    }
    let made = scope.local(scope.generated_at);
    let zone = scope.timezone.iana_name().unwrap_or_default();
    format!("{text}. Made on {} at {:02}:{:02} {zone}.", made.date(), made.hour(), made.minute())
}

fn cards(all: &Figures) -> Vec<Card> {
    let card = |label, value: String, note: String| Card { label, value, note };
    let median = |label, it: Spread| {
        card(label, known(it.median, span), format!("median of {}", counted(it.of as usize, "pull request")))
    };
    let share = |label, share: Share, of: &str| {
        let value = share.share.map_or(UNKNOWN.to_owned(), whole_percent);
        card(label, value, format!("{} of {} {of}", share.count, share.of))
    };
    vec![
        card("Tasks", all.tasks.to_string(), counted(all.pull_requests as usize, "pull request")),
        share("Success", all.success, "ended tasks completed"),
        share("Merged", all.merged, "pull requests"),
        share("Accepted", all.accepted, "decided pull requests"),
        share("Rework", all.rework, "pull requests with commits of people"),
        share("Failed checks", all.failed_checks, "checked pull requests"),
        median("First review", all.first_review),
        median("Time to merge", all.time_to_merge),
        card(
            "AI credits",
            known(all.credits.total, spelled_number),
            format!("of {} with known credits", counted(all.credits.of as usize, "task")),
        ),
        card(
            "AI credits per merge",
            known(all.credits.per_merged, spelled_number),
            "all credits, for each merge".to_owned(),
        ),
    ]
}

fn by_group(title: &'static str, groups: &[Group]) -> Table {
    let row = |group: &Group| {
        let it = &group.figures;
        let share = |share: Share| Cell::number(percent(share), share.share);
        let time = |it: Spread| Cell::number(spread(it, span), it.median);
        let count = |count: u64| Cell::number(count.to_string(), Some(count as f64));
        vec![
            Cell::optional(group.name.as_ref()),
            count(it.tasks),
            share(it.success),
            count(it.pull_requests),
            share(it.merged),
            share(it.accepted),
            share(it.rework),
            share(it.failed_checks),
            share(it.reverted),
            time(it.first_review),
            time(it.time_to_merge),
            Cell::number(spread(it.lines, spelled_number), it.lines.median),
            Cell::number(known(it.credits.total, spelled_number), it.credits.total),
            Cell::number(known(it.credits.per_merged, spelled_number), it.credits.per_merged),
        ]
    };
    let head = [
        "Name",
        "Tasks",
        "Success",
        "Pull requests",
        "Merged",
        "Accepted",
        "Rework",
        "Failed checks",
        "Reverted",
        "First review",
        "Time to merge",
        "Lines",
        "AI credits",
        "AI credits per merge",
    ];
    Table { title, is_list: false, head: owned(&head), rows: groups.iter().map(row).collect() }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn compared(comparison: &Comparison) -> Compared {
    let shares = comparison.shares.iter().map(|share| {
        let difference = match (share.first.share.zip(share.second.share), share.may_be_chance) {
            (None, _) => UNKNOWN.to_owned(),
            (Some((first, second)), true) => format!("{}, may be chance", points(first, second)),
            (Some((first, second)), false) => points(first, second),
        };
        vec![
            Cell::text(share.figure.replace('-', " ")),
            Cell::number(percent(share.first), share.first.share),
            Cell::number(percent(share.second), share.second.share),
            Cell::number(difference, share.difference),
        ]
    });
    let medians = comparison.medians.iter().map(|median| {
        let is_time = !matches!(median.figure, "lines" | "credits");
        let show = if is_time { span } else { spelled_number };
        let of = |it: Spread| Cell::number(format!("{} (of {})", known(it.median, show), it.of), it.median);
        let sign = |value: f64| if value < 0.0 { "−" } else { "+" };
        let difference =
            median.difference.map_or(UNKNOWN.to_owned(), |value| format!("{}{}", sign(value), show(value.abs())));
        vec![
            Cell::text(format!("{} (median)", median.figure.replace('-', " "))),
            of(median.first),
            of(median.second),
            Cell::number(difference, median.difference),
        ]
    });
    let by = if comparison.by == "version" { "Prompt version" } else { "Model" };
    let [first, second] = [&comparison.first, &comparison.second].map(|name| harmless(name));
    Compared {
        title: format!("{by}: {first} and {second}"),
        warning: comparison.warning.clone(),
        chart: Chart::shares(comparison),
        table: Table {
            title: "",
            is_list: false,
            head: vec!["Figure".to_owned(), first, second, "Difference".to_owned()],
            rows: shares.chain(medians).collect(),
        },
    }
}

/// The columns of a list of tasks.
const COLUMNS: [&str; 12] = [
    "Created",
    "Place",
    "Task",
    "Repository",
    "Class",
    "Version",
    "Model",
    "State",
    "Pull request",
    "Checks",
    "Time to merge",
    "Credits",
];
/// Those that matter for what is open.
const WORK: [&str; 8] = ["Created", "Place", "Task", "Repository", "Class", "State", "Pull request", "Checks"];

fn listed(
    scope: &Scope,
    title: &'static str,
    tasks: &mut dyn Iterator<Item = &TaskRow>,
    columns: &[&'static str],
) -> Table {
    let row = |task: &TaskRow| {
        let pull = task.pull_request.as_ref();
        let sort = task.created_at.map(|time| time.to_string()).unwrap_or_default();
        let day = task.created_at.map_or(UNKNOWN.to_owned(), |time| scope.local(time).date().to_string());
        let name = pull.map(|pull| &pull.title).or(task.name.as_ref()).unwrap_or(&task.id);
        let merge = pull.and_then(|pull| pull.time_to_merge).map(|seconds| seconds as f64);
        let place = Cell { place: Some(Place::as_str(task.place)), ..Cell::text(task.place.label()) };
        let cells = [
            Cell { text: day, sort, ..Cell::default() },
            place,
            Cell::text(name.as_str()).leading(task.url.as_ref()),
            Cell::optional(task.repository.as_ref()),
            Cell::optional(task.class.as_ref()),
            Cell::optional(task.prompt_version.as_ref()),
            Cell::optional(task.model.as_ref()),
            Cell::text(task.state.as_str()),
            match pull {
                Some(pull) => {
                    Cell::number(format!("#{}", pull.number), Some(pull.number as f64)).leading(Some(&pull.url))
                }
                None => Cell::optional(None),
            },
            Cell::optional(pull.and_then(|pull| pull.checks.as_ref())),
            Cell::number(known(merge, span), merge),
            Cell::number(known(task.credits, spelled_number), task.credits),
        ];
        let shown = COLUMNS.into_iter().zip(cells).filter(|(name, _)| columns.contains(name));
        shown.map(|(_, cell)| cell).collect()
    };
    Table { title, is_list: true, head: owned(columns), rows: tasks.map(row).collect() }
}
