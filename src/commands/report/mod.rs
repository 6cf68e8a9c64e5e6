//! `command: report`: reports on the results of tasks. It only reads.

mod cache;
mod read;

use jiff::Timestamp;

use crate::actions::host::Host;
use crate::actions::workflow_command::{Annotation, Level};
use crate::commands::resolve_targets::resolve_targets;
use crate::commands::warn;
use crate::github::client::Connect;
use crate::inputs::problem::Problem;
use crate::inputs::request::{Inputs, ReportRequest};
use crate::inputs::targets::distinct_repositories;
use crate::report::ending::Ending;
use crate::report::history::csv::csv;
use crate::report::history::document::{Report, Scope};
use crate::report::history::page::page;
use crate::report::history::summary::{summary, title};
use crate::report::history::task::{TaskRow, Time, Unreadable};
use crate::report::outputs::{StepOutputs, outputs};
use crate::run::clients::Clients;
use crate::task::conclusion::Exit;
use crate::text::counted;

/// Reports on the tasks that the inputs name.
pub async fn run(host: &Host, inputs: &Inputs, request: &ReportRequest, connect: &Connect<'_>) -> Ending {
    let clients = match Clients::connect(host, inputs, connect) {
        Ok(Some(clients)) => clients,
        Ok(None) => return Ending::bad_input(&[Problem::new("token", "is missing")]),
        Err(error) => return Ending::github_error(&error),
    };
    let now = host.now();
    // The API is asked for whole seconds.
    let since = whole_seconds(request.since.moment(now));
    if since.0 > now {
        return Ending::bad_input(&[Problem::shown("since", &since.to_string(), "is in the future")]);
    }
    let targets = match resolve_targets(host, inputs, Some(&clients)).await {
        Ok(targets) => targets,
        Err(error) => return Ending::load_error(&error),
    };
    let repositories = distinct_repositories(targets);
    let repositories = request.list.is_some().then_some(repositories);
    let cache = match request.cache.as_deref().map(|path| cache::load(host, path)).transpose() {
        Ok(cache) => cache.unwrap_or_default(),
        Err(problem) => return Ending::bad_input(&[problem]),
    };
    let reader = read::Reader { host, tasks: &clients.tasks, pulls: clients.lookup_first(), since: since.0, cache };
    let read = match reader.read(repositories.as_deref()).await {
        Ok(read) => read,
        Err(error) => return Ending::github_error(&error),
    };
    let mut warnings = read.warnings;
    if let Some(path) = &request.cache
        && let Err(error) = cache::save(host, path, &read.answers)
    {
        warnings.push(format!("report-cache: {error:#}"));
    }
    let rows = read.tasks.into_iter().map(|task| task.placed(now, request.stale_after)).collect();
    let rows = filtered(rows, request, &mut warnings);
    let scope = Scope {
        generated_at: whole_seconds(now),
        since,
        timezone: request.timezone.clone(),
        stale_after: request.stale_after.as_secs(),
        repositories: repositories.iter().flatten().map(ToString::to_string).collect(),
        unreadable_repositories: read.unreadable.iter().map(ToString::to_string).collect(),
        task_class: request.task_class.clone(),
        rollout: request.rollout.clone(),
    };
    let report = Report::new(scope, rows, &request.fail_if, warnings);
    warn(host, &report.warnings);
    match written(host, &report) {
        Ok(paths) => ending(host, &report, &paths),
        Err(error) => Ending::error("Report not written", &[format!("{error:#}")], Exit::Concluded),
    }
}

fn whole_seconds(time: Timestamp) -> Time {
    Time(Timestamp::from_second(time.as_second()).unwrap_or(time))
}

/// The tasks of the class and the rollout that are asked for. Those whose sessions could not be read may belong to them.
fn filtered(rows: Vec<TaskRow>, request: &ReportRequest, warnings: &mut Vec<String>) -> Vec<TaskRow> {
    let is = |wanted: &Option<String>, actual: &Option<String>| wanted.is_none() || wanted == actual;
    let hidden = rows.iter().filter(|row| row.unreadable.contains(&Unreadable::Sessions)).count();
    if hidden > 0 && (request.task_class.is_some() || request.rollout.is_some()) {
        warnings.push(format!("left out: {}, whose class and rollout could not be read", counted(hidden, "task")));
    }
    let total = rows.len();
    let fits = |row: &TaskRow| is(&request.task_class, &row.class) && is(&request.rollout, &row.rollout);
    let rows = rows.into_iter().filter(fits).collect::<Vec<_>>();
    if rows.is_empty() && total > 0 {
        let asked = [("task-class", &request.task_class), ("rollout", &request.rollout)];
        let asked = asked.iter().filter_map(|(name, value)| Some(format!("`{name}: {}`", value.as_ref()?)));
        warnings.push(format!("none of {} has {}", counted(total, "task"), asked.collect::<Vec<_>>().join(" and ")));
    }
    rows
}

/// Writes the three files, and returns their paths.
fn written(host: &Host, report: &Report) -> anyhow::Result<[String; 3]> {
    let json = format!("{:#}\n", serde_json::to_value(report)?);
    Ok([
        host.write_report("report.json", &json)?,
        host.write_report("report.csv", &csv(&report.tasks))?,
        host.write_report("report.html", &page(report)?)?,
    ])
}

fn ending(host: &Host, report: &Report, paths: &[String; 3]) -> Ending {
    let crossed = report.conditions.iter().filter(|condition| condition.crossed);
    let crossed = crossed.map(|it| format!("{}: {}", it.condition, it.reason)).collect::<Vec<_>>();
    host.log(&title(report));
    let [json, csv, html] = paths.clone();
    host.log(&format!("the report for people is {html}"));
    let number = |number: Option<u64>| number.map(|it| it.to_string()).unwrap_or_default();
    let values = [
        ("report-json", json),
        ("report-csv", csv),
        ("report-html", html),
        ("tasks", report.all.tasks.to_string()),
        ("merged", number(report.merged())),
        ("credits", report.all.credits.total.map(|total| format!("{total:.1}")).unwrap_or_default()),
    ];
    let annotation = || Annotation {
        level: Level::Error,
        title: "Report: a condition is crossed".to_owned(),
        message: crossed.join("\n"),
    };
    Ending {
        annotations: (!crossed.is_empty()).then(annotation).into_iter().collect(),
        outputs: outputs(&[], &StepOutputs { own: &values, error: &crossed.join("; "), ..StepOutputs::default() }),
        results: None,
        summary: summary(report),
        exit: if crossed.is_empty() { Exit::Fine } else { Exit::Concluded },
    }
}
