//! The step summary: a verdict, what needs attention first, and where to look further, as Markdown.
//!
//! GitHub's sanitizer keeps tables, lists, links, code, `<details>` and `<summary>`, and no styles.

use std::time::Duration;

use crate::actions::context::Context;
use crate::github::task::{State, Task};
use crate::order::sorted;
use crate::plan::{Action, Plan};
use crate::policy::evaluate::PolicyMetadata;
use crate::report::markdown::{details, fenced, inline, link, table};
use crate::report::rollout;
use crate::task::acceptance::{Acceptance, Comparison, Fit};
use crate::task::conclusion::{Conclusion, Exit, Trouble};
use crate::task::messages::{Explanation, named};
use crate::task::outcome::Outcome;
use crate::task::pull_request::NoPullRequest;
use crate::task::waves::StoppedWave;
use crate::text::{counted, cut, escaped, spelled};

/// GitHub drops a summary of more than 1 MiB,
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#step-isolation-and-limits>;
/// the rest is left for other commands of the same step.
const MAX_BYTES: usize = 1_000_000;
/// How many tasks the tables list; the results have them all.
pub(crate) const MAX_ROWS: usize = 200;
/// How many prompts and requests are shown; those of several repositories are much alike.
const MAX_PROMPTS: usize = 1;
/// How many different troubles are explained; more do not help a reader.
const MAX_TROUBLES: usize = 20;
/// From how many rows on those that need no attention are folded: more do not fit on a screen with the rest.
const MIN_FOLDED: usize = 10;
/// How much of a message is shown, in characters: about two lines. `error-message` has more.
const MAX_PROBLEM: usize = 300;
/// How much of one task's message is shown, in characters: there is nothing else to show.
const MAX_SINGLE_PROBLEM: usize = 2000;
/// How many steps a chart has.
const CHART_STEPS: u32 = 24;
/// A shorter run has nothing to show in a chart.
const MIN_CHART: Duration = Duration::from_secs(60);

/// What a summary says besides the outcomes.
#[derive(Debug, Clone, Copy)]
pub struct SummaryContext<'a> {
    /// How long the step has run.
    pub elapsed: Duration,
    /// Whether it is the last summary; another replaces it otherwise.
    pub ended: bool,
    /// The wave that did not succeed.
    pub stopped: Option<&'a StoppedWave>,
}

/// How a task fares at a glance. The order is that of the need for attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Unknown,
    Lost,
    Failed,
    NotStarted,
    Refused,
    Blocked,
    TimedOut,
    Cancelled,
    Unwatched,
    Running,
    Queued,
    Started,
    Adopted,
    HeldBack,
    Skipped,
    Succeeded,
}

impl Status {
    fn of(outcome: &Outcome, plan: &Plan, ended: bool) -> Self {
        match (outcome.trouble, outcome.conclusion) {
            (Some(Trouble::Unconfirmed | Trouble::Undecided), _) => Self::Unknown,
            (Some(Trouble::Refused(_)), _) => Self::Refused,
            (Some(_), _) if outcome.task_id.is_some() => Self::Lost,
            (Some(_), _) => Self::NotStarted,
            (None, Some(Conclusion::Failure)) => Self::Failed,
            (None, Some(Conclusion::ActionRequired)) => Self::Blocked,
            (None, Some(Conclusion::TimedOut)) => Self::TimedOut,
            (None, Some(Conclusion::Cancelled)) => Self::Cancelled,
            (None, Some(Conclusion::Skipped)) if outcome.held_back => Self::HeldBack,
            (None, Some(Conclusion::Skipped)) => Self::Skipped,
            (None, Some(Conclusion::Success)) => Self::Succeeded,
            (None, None) => match (ended, outcome.task_id.is_some()) {
                (true, true) if plan.wait.is_none() && outcome.stop.is_none() => match outcome.created {
                    Some(false) => Self::Adopted,
                    _ => Self::Started,
                },
                (true, true) => Self::Unwatched,
                (true, false) => Self::NotStarted,
                (false, true) => Self::Running,
                (false, false) => Self::Queued,
            },
        }
    }

    fn icon(self) -> &'static str {
        match self {
            Self::Unknown => "❓",
            Self::Lost | Self::Failed | Self::NotStarted => "❌",
            Self::Refused => "⛔",
            Self::Blocked => "🙋",
            Self::TimedOut => "⏰",
            Self::Cancelled => "🚫",
            Self::Unwatched => "⚠️",
            Self::Running => "⏳",
            Self::Queued => "🕒",
            Self::Started | Self::Adopted => "🚀",
            Self::HeldBack => "⏸️",
            Self::Skipped => "⏭️",
            Self::Succeeded => "✅",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Lost => "lost",
            Self::Failed => "failed",
            Self::NotStarted | Self::HeldBack => "not started",
            Self::Refused => "refused",
            Self::Blocked => "needs a person",
            Self::TimedOut => "timed out",
            Self::Cancelled => "cancelled",
            Self::Unwatched | Self::Running => "running",
            Self::Queued => "queued",
            Self::Started => "started",
            Self::Adopted => "adopted",
            Self::Skipped => "skipped",
            Self::Succeeded => "succeeded",
        }
    }

    /// The cell of a table, which a browser does not break.
    fn cell(self) -> String {
        format!("{} {}", self.icon(), self.word()).replace(' ', "\u{a0}")
    }

    /// How long it took; unknown if the task was not waited for, or had ended before.
    fn duration(self, took: Duration) -> Option<String> {
        (!matches!(self, Self::Started | Self::Adopted) && took >= Duration::from_secs(1)).then(|| spelled(took))
    }

    /// Whether a row can be folded.
    fn is_calm(self) -> bool {
        self >= Self::Started
    }
}

/// Makes the summary.
pub fn summary(plan: &Plan, outcomes: &[Outcome], context: &Context, run: &SummaryContext<'_>) -> String {
    let head = match outcomes {
        [outcome] => single(plan, outcome, run),
        many => fleet(plan, many, run),
    };
    with_prompts(format!("{head}{}", footer(&plan.policy, context)), plan)
}

/// The summary of a dry run. `requests` are those that would be sent: address and body.
pub fn dry_run(plan: &Plan, context: &Context, requests: &[(String, String)]) -> String {
    let mut text = DRY_RUN.to_owned();
    if let Some(view) = &plan.rollout {
        text.push_str(&rollout::body(view, &[]));
    }
    let one = |order: &str| format!("This step would {order}.\n\n");
    text.push_str(&match (plan.obstacle(), plan.tasks.as_slice()) {
        (Some(why), _) => one(&format!("start nothing: {}", sentence(&inline(&why)).trim_end_matches('.'))),
        (None, [order]) => match &order.action {
            Action::Start { .. } => one(&format!("start an agent task in **{}**", escaped(&order.label()))),
            Action::Wait(id) => one(&format!("wait for task {} in {}", escaped(id.as_str()), escaped(&order.label()))),
            Action::Skip(reason) => one(&format!(
                "start nothing in {}: {}",
                escaped(&order.label()),
                sentence(&escaped(reason)).trim_end_matches('.')
            )),
            Action::Stop(id) => one(&format!("stop task {} in {}", escaped(id.as_str()), escaped(&order.label()))),
            Action::NotListed(error) => format!("{}\n\n", sentence(&inline(&error.to_string()))),
        },
        (None, _) => one(&escaped(&plan.order())),
    });
    text.push_str(&waves(plan, &[], None));
    text.push_str(&footer(&plan.policy, context));
    let mut body =
        requests.iter().take(MAX_PROMPTS).map(|(to, body)| fenced(&format!("{to}\n{body}"))).collect::<String>();
    if requests.len() > MAX_PROMPTS {
        body.push_str(&format!("\nand {} more\n", requests.len() - MAX_PROMPTS));
    }
    if !requests.is_empty() {
        let title = if requests.len() == 1 { "Request".to_owned() } else { format!("{} requests", requests.len()) };
        text.push_str(&details(&title, &body, requests.len() == 1));
    }
    cut_to_fit(with_prompts(text, plan))
}

/// How the summary of a dry run begins.
pub const DRY_RUN: &str = "### 🧪 Dry run, nothing was sent\n\n";

/// The summary of a step that ended before there was a plan: a title, and one line for each reason.
pub fn note(title: &str, lines: &[String]) -> String {
    let mut text = format!("### {}\n\n", escaped(title));
    for line in lines {
        match line.trim().contains('\n') {
            true => text.push_str(&fenced(line)),
            false => text.push_str(&format!("- {}\n", inline(line))),
        }
    }
    cut_to_fit(text)
}

/// A summary that is too long, up to its last whole line that fits.
pub(crate) fn cut_to_fit(mut text: String) -> String {
    if text.len() > MAX_BYTES {
        let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_BYTES).last().unwrap_or_default();
        text.truncate(text[..end].rfind('\n').unwrap_or(end));
        text.push_str("\n\nThe rest does not fit into a summary; the log has it.\n");
    }
    text
}

fn single(plan: &Plan, outcome: &Outcome, run: &SummaryContext<'_>) -> String {
    let status = Status::of(outcome, plan, run.ended);
    let pull = outcome.pull.as_ref().map(|pull| link(&format!("#{}", pull.number), &pull.url));
    let title = heading(outcome, status);
    let heading = match &pull {
        Some(pull) => format!("### {title}: {pull}\n\n"),
        None => format!("### {title}\n\n"),
    };
    let task = outcome.task.as_ref();
    let asked = outcome.asked.as_ref();
    let model = task.and_then(Task::model).or(asked.and_then(|asked| asked.model.as_deref()));
    let base = task.and_then(Task::base_ref).or(asked.and_then(|asked| asked.base_ref.as_deref()));
    let branches = match (task.and_then(Task::head_ref), base) {
        (Some(head), Some(base)) => Some(format!("branch {} → {}", escaped(head), escaped(base))),
        (Some(head), None) => Some(format!("branch {}", escaped(head))),
        (None, Some(base)) => Some(format!("branch {}", escaped(base))),
        // Of a task that another step started, it is not known.
        (None, None) => asked.map(|_| "default branch".to_owned()),
    };
    let model = model.map(|model| format!("model {}", escaped(model)));
    let model = model.or_else(|| asked.map(|_| "model chosen by GitHub".to_owned()));
    let state = outcome.state().filter(|_| outcome.conclusion.is_none()).map(|state| match state {
        State::Unknown(word) => escaped(word),
        known => format!("`{known}`"),
    });
    let facts = [
        Some(format!("**{}**", escaped(&outcome.label()))),
        Some(match task_link(outcome) {
            id if outcome.link().is_empty() && !id.is_empty() => format!("task {id}"),
            link => link,
        }),
        state,
        model,
        asked.and_then(|asked| asked.custom_agent.as_deref()).map(|agent| format!("custom agent {}", escaped(agent))),
        branches,
        task.and_then(Task::credits).map(|credits| format!("{credits} AI credits")),
        status.duration(run.elapsed),
    ];
    let facts = facts.into_iter().flatten().filter(|fact| !fact.is_empty()).collect::<Vec<_>>();
    let mut text = format!("{heading}{}\n\n", facts.join(" · "));
    if let Some(acceptance) = &outcome.acceptance {
        text.push_str(&comparisons(acceptance));
    }
    let is_in_table = outcome.acceptance.as_ref().is_some_and(|it| it.unread.is_none());
    if let Some(explanation) = outcome.explain().filter(|_| is_in_table) {
        text.push_str(&format!("{}\n\n", remedy(&explanation, true).trim_start()));
    } else if let Some(explanation) = outcome.explain() {
        let problem = inline(&cut(&capital(&explanation.problem), MAX_SINGLE_PROBLEM));
        text.push_str(&format!("**{}**{}\n\n", sentence(&problem), remedy(&explanation, true)));
    }
    if let Some(why) = outcome.no_pull.as_ref().filter(|why| outcome.pull.is_none() && why.is_worth_a_word()) {
        text.push_str(&format!("{}\n\n", sentence(&inline(&capital(&why.to_string())))));
    }
    text
}

/// What was expected of a pull request beside what was found.
fn comparisons(acceptance: &Acceptance) -> String {
    let row = |it: &Comparison| {
        let icon = match it.fit {
            Fit::Met => "✅",
            Fit::Open => "⏳",
            Fit::Broken => "❌",
        };
        let found = inline(&cut(&it.found, MAX_PROBLEM));
        vec![icon.to_owned(), inline(&format!("`{}`", cut(&it.expected, MAX_PROBLEM))), found]
    };
    match acceptance.comparisons.as_slice() {
        [] => String::new(),
        all => table(&["", "Expected", "Found"], &all.iter().map(row).collect::<Vec<_>>()),
    }
}

/// Whether a pull request is accepted and how large it is, in the cell of a table.
fn accepted(outcome: &Outcome) -> String {
    let size = |acceptance: &Acceptance| {
        let content = acceptance.content.as_ref()?;
        let lines = counted(content.changed_lines as usize, "line");
        Some(format!(", {}, {lines}", counted(content.changed_files as usize, "file")))
    };
    let size = outcome.acceptance.as_ref().and_then(size).unwrap_or_default();
    let word = outcome.accepted().map(|accepted| if accepted { "yes" } else { "no" });
    word.map(|word| format!("{word}{size}")).unwrap_or_default()
}

fn heading(outcome: &Outcome, status: Status) -> String {
    let text = match (status, outcome.trouble) {
        (Status::Unknown, Some(Trouble::Unconfirmed)) => "It is not known whether the agent task was started",
        (Status::Unknown, _) => "No agent task was started, an earlier one may be it",
        (Status::Lost, Some(Trouble::RefusedByGitHub)) if outcome.task.is_none() => "Agent task not found",
        (Status::Lost, _) if outcome.stopped() == Some(false) => "Agent task not stopped",
        (Status::Lost, _) => "Lost sight of the agent task",
        (Status::NotStarted, Some(Trouble::Declined)) => "No agent task was started, one is still active",
        (Status::NotStarted | Status::HeldBack, _) => "No agent task was started",
        (Status::Refused, _) => "No agent task was started, your own rules refuse it",
        (Status::Cancelled, _) if outcome.stopped() == Some(true) => "Agent task stopped",
        (Status::Skipped, _) if outcome.stopped() == Some(true) => "Agent task had ended before",
        (Status::Failed, _) if outcome.stopped() == Some(false) => "Agent task not stopped",
        (Status::Failed, _) if outcome.acceptance.is_some() => "Agent task completed, its pull request is not accepted",
        (Status::Blocked, _) if outcome.acceptance.is_some() => "Agent task completed, its checks need approval",
        (Status::TimedOut, _) if outcome.acceptance.is_some() => {
            "Agent task completed, its pull request was not accepted in time"
        }
        (Status::Failed, _) if outcome.state() == Some(&State::Completed) => {
            match outcome.no_pull.as_ref().is_some_and(NoPullRequest::leaves_it_unknown) {
                true => "Agent task completed, its pull request is not known",
                false => "Agent task completed without a pull request",
            }
        }
        (Status::Failed, _) => "Agent task failed",
        (Status::Blocked, _) => "Agent task needs a person",
        (Status::TimedOut, _) if outcome.state() == Some(&State::TimedOut) => "Agent task timed out",
        (Status::TimedOut, _) => "Agent task still running when the wait ended",
        (Status::Cancelled, _) => "Agent task cancelled",
        (Status::Unwatched, _) => "Stopped waiting for the agent task",
        (Status::Running, _) => "Agent task is running",
        (Status::Queued, _) => "Agent task is about to start",
        (Status::Started, _) => "Agent task started",
        (Status::Adopted, _) => "Agent task adopted, as it was started before",
        (Status::Skipped, _) => "Agent task skipped",
        (Status::Succeeded, _) => "Agent task completed",
    };
    format!("{} {text}", status.icon())
}

fn fleet(plan: &Plan, outcomes: &[Outcome], run: &SummaryContext<'_>) -> String {
    let all = outcomes.iter().map(|it| (Status::of(it, plan, run.ended), it)).collect::<Vec<_>>();
    let all = sorted(all, &|(a, _), (b, _)| a.cmp(b));
    let mut text = format!("### {}\n\n", verdict(plan, &all, run));
    if let Some(stopped) = run.stopped {
        text.push_str(&format!("**{}**\n\n", sentence(&inline(&capital(&stopped.to_string())))));
    }
    text.push_str(&format!("{}\n\n", totals(outcomes, run.elapsed)));
    text.push_str(&waves(plan, outcomes, run.stopped));
    let shown = &all[..all.len().min(MAX_ROWS)];
    let count = |status: Status| shown.iter().filter(|(it, _)| *it == status).count();
    let is_folded = |status: Status| status.is_calm() && count(status) >= MIN_FOLDED;
    let (folded, open): (Vec<_>, Vec<_>) = shown.iter().partition(|(status, _)| is_folded(*status));
    if !open.is_empty() {
        text.push_str(&rows(&open, run.elapsed));
    }
    text.push_str(&troubles(&all, run.stopped.is_some()));
    for group in folded.chunk_by(|(one, _), (other, _)| one == other) {
        let status = group[0].0;
        let title = format!("{} {} {}", status.icon(), group.len(), status.word());
        // A table that is all there is to see is not hidden.
        text.push_str(&details(&title, &rows(group, run.elapsed), group.len() == all.len()));
    }
    if all.len() > MAX_ROWS {
        text.push_str(&format!("and {} more, in the file that `results-file` names\n\n", all.len() - MAX_ROWS));
    }
    text.push_str(&chart(outcomes, run.elapsed));
    text
}

/// The heading of a fleet: whether it went well, and how many tasks fare how.
fn verdict(plan: &Plan, all: &[(Status, &Outcome)], run: &SummaryContext<'_>) -> String {
    let count = all.len();
    let counts = all.chunk_by(|(one, _), (other, _)| one.word() == other.word());
    let counts = counts.map(|group| format!("{} {}", group.len(), group[0].0.word())).collect::<Vec<_>>();
    let counts = match counts.as_slice() {
        [_] => format!(", all {}", all[0].0.word()),
        several => format!(": {}", several.join(", ")),
    };
    let over = all.iter().filter(|(_, outcome)| outcome.is_over()).count();
    let outcomes = all.iter().map(|(_, outcome)| (*outcome).clone()).collect::<Vec<_>>();
    let fine = Exit::of(&outcomes, &plan.fail_on, plan.wave_rules.tolerate) == Exit::Fine;
    let worst = all.first().map_or(Status::Succeeded, |(status, _)| *status);
    match (run.stopped, run.ended) {
        (Some(_), _) => format!("⛔ Wave failed, {count} agent tasks{counts}"),
        (None, false) => format!("⏳ {over} of {count} agent tasks done{counts}"),
        (None, true) if matches!(worst, Status::Started | Status::Adopted) => format!("🚀 {count} agent tasks{counts}"),
        (None, true) if worst.is_calm() && worst != Status::HeldBack => format!("✅ {count} agent tasks{counts}"),
        (None, true) if fine => format!("⚠️ {count} agent tasks{counts}"),
        (None, true) => format!("❌ {count} agent tasks{counts}"),
    }
}

/// The results and the cost of all tasks together.
fn totals(outcomes: &[Outcome], elapsed: Duration) -> String {
    let mut parts = Vec::new();
    match outcomes.iter().filter(|outcome| outcome.pull.is_some()).count() {
        0 => {}
        1 => parts.push("1 pull request".to_owned()),
        pulls => parts.push(format!("{pulls} pull requests")),
    }
    let credits = outcomes.iter().filter_map(|outcome| outcome.task.as_ref()?.credits()?.parse::<f64>().ok());
    let credits = credits.sum::<f64>();
    if credits > 0.0 {
        let credits = format!("{credits:.1}");
        parts.push(format!("{} AI credits", credits.strip_suffix(".0").unwrap_or(&credits)));
    }
    parts.push(spelled(elapsed));
    parts.join(" · ")
}

/// The waves of a step; nothing if there is only one. Without outcomes only their sizes.
fn waves(plan: &Plan, outcomes: &[Outcome], stopped: Option<&StoppedWave>) -> String {
    if plan.waves.len() < 2 {
        return String::new();
    }
    let rows = plan.waves.iter().enumerate().map(|(at, range)| {
        let wave = outcomes.get(range.clone()).unwrap_or_default();
        let succeeded = wave.iter().filter(|it| it.conclusion == Some(Conclusion::Success)).count();
        let counted = wave.iter().filter(|it| it.conclusion != Some(Conclusion::Skipped)).count();
        let (status, result) = match stopped {
            _ if wave.is_empty() => ("", String::new()),
            Some(stopped) if at + 1 == stopped.wave => {
                ("⛔", format!("{succeeded} of {counted} succeeded, {} needed", stopped.needed))
            }
            Some(stopped) if at + 1 > stopped.wave => ("⏸️", "not started".to_owned()),
            _ if wave.iter().all(Outcome::is_over) => ("✅", format!("{succeeded} of {counted} succeeded")),
            _ if wave.iter().any(|it| it.task_id.is_some() || it.is_over()) => {
                ("⏳", format!("{succeeded} of {counted} succeeded so far"))
            }
            _ => ("🕒", "queued".to_owned()),
        };
        let result = if status.is_empty() { result } else { format!("{status} {result}") };
        vec![format!("{} of {}", at + 1, plan.waves.len()), range.len().to_string(), result]
    });
    table(&["Wave", "Repositories", "Result"], &rows.collect::<Vec<_>>())
}

fn rows(all: &[(Status, &Outcome)], elapsed: Duration) -> String {
    let row = |(status, outcome): &(Status, &Outcome)| {
        let took = outcome.began.map(|began| outcome.ended.unwrap_or(elapsed).saturating_sub(began));
        vec![
            status.cell(),
            escaped(&outcome.label()),
            outcome.pull.as_ref().map_or_else(String::new, |pull| link(&format!("#{}", pull.number), &pull.url)),
            accepted(outcome),
            match outcome.stopped() {
                Some(true) if *status == Status::Skipped => "had ended before",
                Some(true) => "yes",
                Some(false) => "no",
                None => "",
            }
            .to_owned(),
            task_link(outcome),
            outcome.task.as_ref().and_then(Task::credits).unwrap_or_default(),
            took.and_then(|took| status.duration(Duration::from_secs(took.as_secs()))).unwrap_or_default(),
        ]
    };
    let rows = all.iter().map(row).collect::<Vec<_>>();
    table(&["Status", "Repository", "Pull request", "Accepted", "Stopped", "Task", "AI credits", "Duration"], &rows)
}

/// A short link to the task, or the beginning of its id where it has no page yet.
fn task_link(outcome: &Outcome) -> String {
    match (outcome.link(), &outcome.task_id) {
        (_, None) => String::new(),
        ("", Some(id)) => escaped(&cut(id.as_str(), 13)),
        (page, Some(_)) => link("task", page),
    }
}

/// One sentence and its remedy for each trouble; tasks with the same one share it.
fn troubles(all: &[(Status, &Outcome)], stopped: bool) -> String {
    let mut groups = Vec::<(Status, Explanation, Vec<String>)>::new();
    // Which wave stopped the others is said above the table.
    for (status, outcome) in all.iter().filter(|(status, _)| !(stopped && *status == Status::HeldBack)) {
        let Some(explanation) = outcome.explain() else { continue };
        let same = |other: &&mut (Status, Explanation, Vec<String>)| {
            (other.0, &other.1.problem, &other.1.action) == (*status, &explanation.problem, &explanation.action)
        };
        match groups.iter_mut().find(same) {
            Some((_, _, names)) => names.push(outcome.label()),
            None => groups.push((*status, explanation, vec![outcome.label()])),
        }
    }
    let mut text = String::new();
    for (status, explanation, names) in groups.iter().take(MAX_TROUBLES) {
        let problem = inline(&cut(&capital(&explanation.problem), MAX_PROBLEM));
        let remedy = remedy(explanation, names.len() == 1);
        text.push_str(&format!("- {} **{}**: {}{remedy}\n", status.icon(), escaped(&named(names)), sentence(&problem)));
    }
    if groups.len() > MAX_TROUBLES {
        let more = counted(groups.len() - MAX_TROUBLES, "other problem");
        text.push_str(&format!("- and {more}, in the file that `results-file` names\n"));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// What to do, as one or two sentences with a space before them. Several tasks have no page in common.
fn remedy(explanation: &Explanation, single: bool) -> String {
    let mut text = String::new();
    if !explanation.action.is_empty() {
        let linked = link(explanation.action, &explanation.place);
        text.push_str(&match single {
            true if linked.starts_with('[') => format!(" {linked}."),
            true => format!(" {}: {}.", inline(explanation.action), inline(&explanation.place)),
            false => format!(" {}.", inline(explanation.action)),
        });
    }
    if !explanation.advice.is_empty() {
        text.push_str(&format!(" {}", sentence(&inline(&explanation.advice))));
    }
    text
}

/// The text with a full stop, unless it ends like a sentence.
pub(super) fn sentence(text: &str) -> String {
    if text.ends_with(['.', '!', '?', '…']) { text.to_owned() } else { format!("{text}.") }
}

pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// How many tasks had begun and how many had ended as time went by, as a Mermaid chart,
/// <https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/creating-diagrams>.
fn chart(outcomes: &[Outcome], elapsed: Duration) -> String {
    let moments = |of: fn(&Outcome) -> Option<Duration>| {
        let by =
            |moment: Duration| outcomes.iter().filter(|it| of(it).is_some_and(|at| at <= moment)).count().to_string();
        let steps = (0..=CHART_STEPS).map(|step| elapsed * step / CHART_STEPS);
        steps.map(by).collect::<Vec<_>>().join(", ")
    };
    if elapsed < MIN_CHART || outcomes.iter().all(|outcome| outcome.began.is_none()) {
        return String::new();
    }
    let minutes = elapsed.as_secs_f64() / 60.0;
    let chart = format!(
        "```mermaid\nxychart-beta\n    title \"Tasks begun and ended\"\n    x-axis \"minutes\" 0 --> {minutes:.1}\n    \
         y-axis \"tasks\" 0 --> {}\n    line [{}]\n    line [{}]\n```",
        outcomes.len(),
        moments(|outcome| outcome.began),
        moments(|outcome| outcome.ended.filter(|_| outcome.began.is_some())),
    );
    details("Timeline", &chart, false)
}

/// The run, its actor, and what the policy says of the task.
pub(super) fn footer(policy: &PolicyMetadata, context: &Context) -> String {
    let mut parts = Vec::new();
    if let Some(actor) = context.property("actor") {
        let workflow = context.property("workflow").unwrap_or("a workflow");
        let run = match (context.property("run_number"), context.property("run_attempt")) {
            (Some(number), Some("1") | None) => format!("{workflow} #{number}"),
            (Some(number), Some(attempt)) => format!("{workflow} #{number}, attempt {attempt}"),
            (None, _) => workflow.to_owned(),
        };
        let run = link(&run, &context.run_url().unwrap_or_default());
        parts.push(format!("Requested by {} in {run}", escaped(actor)));
    }
    parts.extend(policy.lines().iter().map(|(name, value)| format!("{name} {}", escaped(value))));
    if parts.is_empty() { String::new() } else { format!("{}\n\n", parts.join(" · ")) }
}

/// The text and the first prompts, as far as they fit.
fn with_prompts(mut text: String, plan: &Plan) -> String {
    let starts = plan.tasks.iter().filter_map(|order| match &order.action {
        Action::Start { task, template, prompt_sha256, .. } => Some((order, task, template, prompt_sha256)),
        Action::Wait(_) | Action::Skip(_) | Action::Stop(_) | Action::NotListed(_) => None,
    });
    for (order, task, template, prompt_sha256) in starts.take(MAX_PROMPTS) {
        let target = if plan.tasks.len() > 1 { format!(" for {}", order.label()) } else { String::new() };
        let length = task.prompt.chars().count();
        let from = if template == "prompt" { String::new() } else { format!(" from {template}") };
        let title = format!("Prompt{target}{from}, {length} characters, SHA-256 {}", cut(prompt_sha256, 13));
        let prompt = details(&title, &fenced(&task.prompt), false);
        if text.len() + prompt.len() <= MAX_BYTES {
            text.push_str(&prompt);
        }
    }
    text
}
