//! What people and later steps see of a rollout over days.

use std::time::Duration;

use serde_json::{Value, json};

use crate::actions::context::Context;
use crate::actions::workflow_command::{Annotation, Level};
use crate::github::pull_history::{PullReview, PullState};
use crate::order::sorted;
use crate::policy::evaluate::PolicyMetadata;
use crate::report::markdown::{details, inline, link, table};
use crate::report::summary::{DRY_RUN, MAX_ROWS, capital, cut_to_fit, footer, sentence};
use crate::task::conclusion::{Conclusion, Exit};
use crate::task::messages::named;
use crate::task::outcome::Outcome;
use crate::task::rollout::view::RolloutView;
use crate::task::rollout::{Decision, OnChange, RolloutState, RolloutStop, Standing, Status, WaveStatus};
use crate::text::{cut, escaped, repositories, spelled};

/// How many squares the bar of a wave has at most: as many as fit beside its counts.
const BAR: usize = 20;
/// From how many rows on those that need no attention are folded: more do not fit on a screen with the rest.
const MIN_FOLDED: usize = 10;
/// How much of a message is shown, in characters: about two lines.
const MAX_NOTE: usize = 300;
/// How many repositories that wait for too long a warning lists.
const MAX_STALLED: usize = 20;
/// What to do about a prompt that has changed.
const CHANGED: &str = "Write `on-change: continue` to use the new prompt, or another rollout name to begin anew";
/// What to do about tasks that have failed.
const CONTINUE: &str = "continue these tasks or their pull requests on GitHub, raise attempts";

impl Status {
    /// All of them in the order of a bar, the ones that are done first.
    const BAR: [Self; 8] = [
        Self::Succeeded,
        Self::Running,
        Self::Waiting,
        Self::Unknown,
        Self::Failed,
        Self::Skipped,
        Self::Due,
        Self::Queued,
    ];

    /// Its square in the bar of a wave.
    fn square(self) -> &'static str {
        match self {
            Self::Succeeded => "🟩",
            Self::Running => "🟦",
            Self::Waiting => "🟨",
            Self::Unknown => "🟪",
            Self::Failed => "🟥",
            Self::Skipped => "⬛",
            Self::Due | Self::Queued => "⬜",
        }
    }

    /// The place of a row in the table: what needs attention first.
    fn rank(self) -> usize {
        let order = [Self::Failed, Self::Unknown, Self::Waiting, Self::Running, Self::Due, Self::Succeeded];
        order.iter().position(|it| *it == self).unwrap_or(order.len())
    }

    /// Whether a row can be folded.
    fn is_calm(self) -> bool {
        matches!(self, Self::Succeeded | Self::Skipped | Self::Queued)
    }
}

impl RolloutState {
    fn icon(self) -> &'static str {
        match self {
            Self::Running => "⏳",
            Self::Waiting => "🙋",
            Self::Stopped => "⛔",
            Self::Done => "✅",
        }
    }
}

fn count(decision: &Decision, wave: &WaveStatus, status: Status) -> usize {
    wave.members.iter().filter(|at| decision.places[**at].1 == status).count()
}

/// The outputs that a rollout has.
pub fn values(decision: &Decision) -> [(&'static str, String); 2] {
    let waves = decision.waves.iter().map(|wave| {
        let mut counts = json!({"wave": wave.number, "repositories": wave.members.len(), "reached": wave.is_reached});
        for status in Status::BAR {
            counts[status.as_str()] = count(decision, wave, status).into();
        }
        counts
    });
    let waves = Value::from_iter(waves);
    [("rollout-state", decision.state.to_string()), ("rollout-waves", waves.to_string())]
}

/// A line that says where the rollout is.
pub fn title(view: &RolloutView, decision: &Decision) -> String {
    let done = decision.with(Status::Succeeded).count();
    let all = decision.places.len() - decision.with(Status::Skipped).count();
    format!("rollout {}: {}, {done} of {} succeeded", view.rules.name, decision.state, repositories(all))
}

/// The exit code of a run in which no start went wrong.
pub fn exit(decision: &Decision) -> Exit {
    match decision.state {
        _ if decision.with(Status::Unknown).next().is_some() => Exit::RefusedByGitHub,
        RolloutState::Stopped => Exit::Concluded,
        RolloutState::Running | RolloutState::Waiting | RolloutState::Done => Exit::Fine,
    }
}

/// The messages on the run's page: why the rollout is stopped, what cannot be read, and what has waited for too long.
pub fn annotations(view: &RolloutView, decision: &Decision, outcomes: &[Outcome]) -> Vec<Annotation> {
    let new = |level, title: &str, message: String| Annotation { level, title: title.to_owned(), message };
    let mut annotations = Vec::new();
    if decision.stop.is_some() {
        annotations.push(new(Level::Error, "Rollout stopped", next(view, decision, outcomes)));
    }
    let labels = |status| decision.with(status).map(|at| outcomes[at].label()).collect::<Vec<_>>();
    let unknown = labels(Status::Unknown);
    if !unknown.is_empty() {
        let why = decision.with(Status::Unknown).find_map(|at| outcomes[at].error_message()).unwrap_or_default();
        let message = format!(
            "Nothing is started until {} can be read: {why}. If a repository is gone for good, take it out of the list",
            named(&unknown)
        );
        annotations.push(new(Level::Error, "Rollout cannot be read", message));
    }
    let stalled = stalled(view, decision, outcomes);
    if !stalled.is_empty() {
        let lead = format!("These have waited for longer than {}:", spelled_days(view));
        let more = stalled.len().saturating_sub(MAX_STALLED);
        let mut lines = [vec![lead], stalled].concat();
        lines.truncate(MAX_STALLED + 1);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        annotations.push(new(Level::Warning, "Rollout waits", lines.join("\n")));
    }
    annotations
}

fn spelled_days(view: &RolloutView) -> String {
    let hours = view.rules.stall_after.as_secs() / 3600;
    match hours {
        hours if hours >= 48 && hours.is_multiple_of(24) => format!("{} days", hours / 24),
        _ => spelled(view.rules.stall_after),
    }
}

/// A line for each entry that has waited for too long: its pull request and who is asked to review it.
fn stalled(view: &RolloutView, decision: &Decision, outcomes: &[Outcome]) -> Vec<String> {
    let is_late = |at: &usize| {
        let member = &view.members[*at];
        let since = member.leading().and_then(|it| member.tasks[it].since);
        since.is_some_and(|since| {
            Duration::try_from(view.now.duration_since(since)).is_ok_and(|it| it > view.rules.stall_after)
        })
    };
    let line = |at: usize| match &view.pulls[at] {
        Some(review) => format!("{}: {}, {}", outcomes[at].label(), review.pull.url, reviewers(review)),
        None => format!("{}: {}", outcomes[at].label(), outcomes[at].place()),
    };
    decision.with(Status::Waiting).filter(is_late).map(line).collect()
}

fn reviewers(review: &PullReview) -> String {
    match review.reviewers.as_slice() {
        _ if review.is_draft => "still a draft".to_owned(),
        [] => "no review requested".to_owned(),
        logins => format!("review requested from {}", logins.join(", ")),
    }
}

/// What the next run will do, or what a person has to do.
fn next(view: &RolloutView, decision: &Decision, outcomes: &[Outcome]) -> String {
    let rules = &view.rules;
    let refused = view.refused.as_ref();
    let refused = refused.map(|why| format!(". The policy refuses these starts: {}", cut(why, MAX_NOTE)));
    let refused = refused.unwrap_or_default();
    let labels = |places: &[usize]| named(&places.iter().map(|at| outcomes[*at].label()).collect::<Vec<_>>());
    let due = decision.due();
    match (decision.stop, decision.state) {
        (Some(RolloutStop::Changed), _) => {
            let change = view.change.as_deref().unwrap_or_default();
            format!("The prompt has changed: {change}. No further task is started. {CHANGED}")
        }
        (Some(RolloutStop::Wave(number)), _) => {
            let wave = decision.waves.iter().find(|wave| wave.number == number);
            let failed = wave.map(|wave| wave.members.clone()).unwrap_or_default();
            let failed = failed.into_iter().filter(|at| decision.places[*at].1 == Status::Failed).collect::<Vec<_>>();
            let has_task = |at: &&usize| outcomes[**at].task_id.is_some();
            let reasons = failed.iter().map(|at| {
                let why = cut(&outcomes[*at].error_message().unwrap_or_default(), MAX_NOTE);
                let page = Some(at).filter(has_task).map(|at| format!(", {}", outcomes[*at].place()));
                format!("{} ({why}{})", outcomes[*at].label(), page.unwrap_or_default())
            });
            let counted = wave.map_or(0, |wave| wave.counted);
            let lead = format!(
                "Wave {number} cannot reach its share: {} of {counted} failed, and wave-success requires {}. Failed: {}",
                failed.len(),
                rules.success,
                named(&reasons.collect::<Vec<_>>()),
            );
            let (mend, again) = match failed.iter().filter(has_task).count() {
                with_task if with_task == failed.len() => (CONTINUE, ""),
                0 => ("remove the cause", "; the next run tries these starts again"),
                _ => (CONTINUE, "; the next run tries the starts again that GitHub has refused"),
            };
            format!(
                "{lead}. No further task is started. To resume, {mend}, lower wave-success, or take the repositories out of \
                 the list{again}"
            )
        }
        (None, RolloutState::Done) => "All waves have reached their share. Further runs start nothing".to_owned(),
        _ if decision.with(Status::Unknown).next().is_some() => {
            let unknown = decision.with(Status::Unknown).collect::<Vec<_>>();
            format!("The next run starts nothing unless {} can be read", labels(&unknown))
        }
        _ if !due.is_empty() => {
            // A limit of the policy has refused them one by one.
            let is_held_back = due.iter().all(|at| outcomes[*at].conclusion == Some(Conclusion::Skipped));
            let starts = if is_held_back || view.refused.is_some() { "tries again to start" } else { "starts" };
            format!("The next run {starts} the next task of {}: {}{refused}", repositories(due.len()), labels(&due))
        }
        _ => match decision.current() {
            Some(wave) => {
                let missing = rules.success.missing(wave.succeeded, wave.counted);
                let queued = |wave: &WaveStatus| {
                    let members = wave.members.iter().copied();
                    members.filter(|at| decision.places[*at].1 == Status::Queued).collect::<Vec<_>>()
                };
                let later = decision.waves.iter().filter(|it| it.number > wave.number);
                let later = later.map(|it| (it.number, queued(it))).find(|(_, queued)| !queued.is_empty());
                let changed = view.change.as_ref().filter(|_| rules.on_change == OnChange::Stop);
                let (number, verb) = (wave.number, if missing == 1 { "is" } else { "are" });
                let once = format!("Once {missing} more of wave {number} {verb} {}", rules.advance_on.as_str());
                match (later, changed) {
                    (Some(_), Some(change)) => {
                        format!("{once}, the rollout stops, because the prompt has changed: {change}. {CHANGED}")
                    }
                    (Some((later, queued)), None) => format!(
                        "{once}, the next run starts wave {later} with {}: {}{refused}",
                        repositories(queued.len()),
                        labels(&queued)
                    ),
                    (None, _) => format!("{once}, and nothing is open any more, the rollout is done"),
                }
            }
            None => "All waves have reached their share. The rollout is done once nothing is open any more".to_owned(),
        },
    }
}

/// The summary of a run. `run` has the tasks that it starts.
pub fn summary(view: &RolloutView, run: &[Outcome], policy: &PolicyMetadata, context: &Context) -> String {
    cut_to_fit(format!("{}{}", body(view, run), footer(policy, context)))
}

/// The summary of a run that starts nothing.
pub fn unstarted(is_dry_run: bool, view: &RolloutView, policy: &PolicyMetadata, context: &Context) -> String {
    let lead = if is_dry_run { DRY_RUN } else { "" };
    cut_to_fit(format!("{lead}{}{}", body(view, &[]), footer(policy, context)))
}

/// The summary without its last line.
pub fn body(view: &RolloutView, run: &[Outcome]) -> String {
    let (decision, outcomes) = view.after(run);
    let state = decision.state;
    let mut text = format!("### {} Rollout {}: {state}\n\n", state.icon(), escaped(&view.rules.name));
    text.push_str(&format!("**{}**\n\n", sentence(&inline(&next(view, &decision, &outcomes)))));
    let stalled = stalled(view, &decision, &outcomes);
    if !stalled.is_empty() {
        let verb = if stalled.len() == 1 { "has" } else { "have" };
        let lead = format!("⚠️ {} {verb} waited for longer than {}", repositories(stalled.len()), spelled_days(view));
        text.push_str(&format!("{lead}.\n\n"));
    }
    let waves = decision.waves.iter().map(|wave| {
        let counts = Status::BAR.iter().filter_map(|status| match count(&decision, wave, *status) {
            0 => None,
            count => Some(format!("{count} {}", status.as_str())),
        });
        let mark = if wave.is_reached { " ✅" } else { "" };
        let counts = counts.collect::<Vec<_>>().join(", ");
        vec![format!("{}{mark}", wave.number), bar(&decision, wave), wave.members.len().to_string(), counts]
    });
    if !decision.waves.is_empty() {
        text.push_str(&table(&["Wave", "Progress", "Repositories", "Counts"], &waves.collect::<Vec<_>>()));
    }
    let places = (0..outcomes.len()).collect::<Vec<_>>();
    let key = |at: &usize| (decision.places[*at].1.rank(), decision.places[*at].0);
    let places = sorted(places, &|a, b| key(a).cmp(&key(b)));
    let shown = &places[..places.len().min(MAX_ROWS)];
    let rows = |places: &[usize]| rows(view, &decision, &outcomes, places);
    let same = |status: Status| shown.iter().filter(|at| decision.places[**at].1 == status).count();
    let is_folded = |status: Status| status.is_calm() && same(status) >= MIN_FOLDED;
    let (folded, open): (Vec<_>, Vec<_>) = shown.iter().copied().partition(|at| is_folded(decision.places[*at].1));
    if !open.is_empty() {
        text.push_str(&rows(&open));
    }
    for group in folded.chunk_by(|a, b| decision.places[*a].1 == decision.places[*b].1) {
        let status = decision.places[group[0]].1;
        text.push_str(&details(
            &format!("{} {} {}", status.square(), group.len(), status.as_str()),
            &rows(group),
            group.len() == places.len(),
        ));
    }
    if places.len() > MAX_ROWS {
        let more = places.len() - MAX_ROWS;
        text.push_str(&format!("and {more} more, in the file that `results-file` names\n\n"));
    }
    if !view.removed.is_empty() {
        let row = |outcome: &Outcome| vec![escaped(&outcome.label()), pull_link(outcome), link("task", outcome.link())];
        let rows = view.removed.iter().take(MAX_ROWS).map(row).collect::<Vec<_>>();
        let title = format!("{} no longer in the list, left alone", repositories(view.removed.len()));
        text.push_str(&details(&title, &table(&["Repository", "Pull request", "Task"], &rows), false));
    }
    text
}

/// The bar of a wave: a square for each entry, or for a share of them.
fn bar(decision: &Decision, wave: &WaveStatus) -> String {
    let size = wave.members.len();
    let squares = size.min(BAR);
    let mut text = String::new();
    let counts = |status: Status| count(decision, wave, status);
    let mut left = Status::BAR.into_iter().filter(|status| counts(*status) > 0).count();
    let (mut seen, mut drawn) = (0, 0);
    for status in Status::BAR {
        let count = counts(status);
        if count == 0 {
            continue;
        }
        seen += count;
        left -= 1;
        // Each status that is there at all has a square, so that one failure among hundreds shows.
        let until = (seen * squares / size).clamp(drawn + 1, squares - left);
        text.push_str(&status.square().repeat(until - drawn));
        drawn = until;
    }
    text
}

fn pull_link(outcome: &Outcome) -> String {
    outcome.pull.as_ref().map_or_else(String::new, |pull| link(&format!("#{}", pull.number), &pull.url))
}

fn rows(view: &RolloutView, decision: &Decision, outcomes: &[Outcome], places: &[usize]) -> String {
    let row = |at: &usize| {
        let ((wave, status), outcome) = (decision.places[*at], &outcomes[*at]);
        // The pull request can be that of an earlier task.
        let review = view.pulls[*at].as_ref().filter(|_| outcome.pull.is_some());
        let pull = match review {
            Some(review) if review.state == PullState::Merged => format!("{}\u{a0}merged", pull_link(outcome)),
            Some(review) if review.state == PullState::Closed => format!("{}\u{a0}closed", pull_link(outcome)),
            _ => pull_link(outcome),
        };
        let member = &view.members[*at];
        let waiting = member.leading().map(|it| &member.tasks[it].standing);
        let note = match (status, waiting, review) {
            // A question of the agent is not for the reviewers.
            (Status::Waiting, Some(Standing::Waiting(why)), Some(review)) if why.starts_with("pull request") => {
                format!("{why}, {}", reviewers(review))
            }
            (Status::Waiting, Some(Standing::Waiting(why)), _) => why.clone(),
            (Status::Succeeded | Status::Running, ..) => String::new(),
            _ => outcome.error_message().unwrap_or_default(),
        };
        vec![
            format!("{} {}", status.square(), status.as_str()).replace(' ', "\u{a0}"),
            escaped(&outcome.label()),
            wave.to_string(),
            pull,
            link_of(outcome),
            if view.rules.attempts > 1 {
                outcome.rollout.map_or(0, |it| it.attempts).to_string()
            } else {
                String::new()
            },
            inline(&cut(&capital(&note), MAX_NOTE)),
        ]
    };
    let rows = places.iter().map(row).collect::<Vec<_>>();
    table(&["Status", "Repository", "Wave", "Pull request", "Task", "Attempts", "Note"], &rows)
}

fn link_of(outcome: &Outcome) -> String {
    match (outcome.link(), &outcome.task_id) {
        (_, None) => String::new(),
        ("", Some(id)) => escaped(&cut(id.as_str(), 13)),
        (page, Some(_)) => link("task", page),
    }
}

#[cfg(test)]
mod tests;
