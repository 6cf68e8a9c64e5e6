//! The step summary: what was asked, of whom, with which prompt, and how it ended, as Markdown.

use std::time::Duration;

use crate::actions::context::Context;
use crate::github::pull_request::PullRequest;
use crate::github::task::{State, Task};
use crate::plan::{Action, Plan};
use crate::task::conclusion::{Conclusion, Exit, Trouble};
use crate::task::outcome::Outcome;
use crate::task::pull_request::NoPullRequest;
use crate::task::rollout::StoppedWave;
use crate::text::{cut, escaped, harmless_lines, repositories, spelled};

/// GitHub drops a summary of more than 1 MiB altogether,
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#step-isolation-and-limits>;
/// the rest is left for what other commands of the same step write.
const MOST_BYTES: usize = 1_000_000;
/// How many tasks the table lists; the results have them all.
pub(crate) const MOST_ROWS: usize = 200;
/// How many prompts are shown; those of many repositories are much alike.
const MOST_PROMPTS: usize = 3;
/// How many marks the bar of a fleet has at most.
const BAR: usize = 40;
/// What stands for an order that goes on.
const GOING_ON: &str = "⏳";
/// How many steps a chart has.
const CHART_STEPS: u32 = 24;
/// Below this a chart has nothing to show.
const SHORTEST_CHART: Duration = Duration::from_secs(60);
/// How much of an error stands in a cell, in characters.
const LONGEST_CELL: usize = 500;

/// What a summary tells besides the outcomes.
#[derive(Debug, Clone, Copy)]
pub struct SummaryContext<'a> {
    /// How long the step has run.
    pub elapsed: Duration,
    /// Whether it is the last one; another replaces it otherwise.
    pub ended: bool,
    /// The wave that did not succeed.
    pub stopped: Option<&'a StoppedWave>,
}

/// Makes the summary.
pub fn summary(plan: &Plan, outcomes: &[Outcome], context: &Context, told: &SummaryContext<'_>) -> String {
    let head = match outcomes {
        [outcome] => single(plan, outcome, told.elapsed, told.ended),
        many => executor(plan, many, told),
    };
    let mut text = format!("{head}\n{}{}{}", call(outcomes), facts(plan), origin(context));
    for prompt in prompts(plan) {
        if text.len() + prompt.len() <= MOST_BYTES {
            text.push_str(&prompt);
        }
    }
    text
}

/// The summary of a step that ended before there was a plan, or of one that only shows it.
pub fn note(title: &str, lines: &[String]) -> String {
    let mut text = format!("### {}\n\n", escaped(title));
    for line in lines {
        text.push_str(&fenced(line));
    }
    cut(&text, MOST_BYTES / 4)
}

fn single(plan: &Plan, outcome: &Outcome, elapsed: Duration, ended: bool) -> String {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push(format!("| {name} | {value} |\n"));
    let task = outcome.task.as_ref();
    if let Some(id) = &outcome.task_id {
        row("Task", linked(id.as_str(), outcome.link()));
    }
    row("Repository", escaped(&outcome.repository.to_string()));
    if let Some(state) = outcome.state() {
        row(
            "State",
            match state {
                State::Unknown(word) => escaped(word),
                known => format!("`{known}`"),
            },
        );
    }
    if let Some(pull) = &outcome.pull {
        row("Pull request", pull_link(pull));
    } else if let Some(why) = outcome.no_pull.as_ref().filter(|why| **why != NoPullRequest::NotAskedFor) {
        row("Pull request", escaped(&why.to_string()));
    }
    if let Some(why) = &outcome.error_message {
        row("Message", escaped(&cut(why, LONGEST_CELL)));
    }
    let asked = outcome.asked.as_ref();
    let model = task.and_then(Task::model).or(asked.and_then(|asked| asked.model.as_deref()));
    row("Model", escaped(model.unwrap_or("chosen by GitHub")));
    if let Some(agent) = asked.and_then(|asked| asked.custom_agent.as_deref()) {
        row("Custom agent", escaped(agent));
    }
    let base = task.and_then(Task::base_ref).or(asked.and_then(|asked| asked.base_ref.as_deref()));
    row("Base ref", escaped(base.unwrap_or("the default branch")));
    if let Some(head) = task.and_then(Task::head_ref) {
        row("Head ref", escaped(head));
    }
    if let Some(credits) = task.and_then(Task::credits) {
        row("AI credits", credits);
    }
    row(if ended { "Duration" } else { "So far" }, spelled(elapsed));
    format!("### {}\n\n| | |\n|---|---|\n{}", heading(plan, outcome, ended), rows.concat())
}

fn heading(plan: &Plan, outcome: &Outcome, ended: bool) -> String {
    let text = match (outcome.trouble, outcome.conclusion, outcome.state()) {
        (Some(Trouble::RefusedByGitHub), _, None) if outcome.task_id.is_some() => "❌ Agent task not found",
        (Some(_), _, _) if outcome.task_id.is_some() => "❌ Lost sight of the agent task",
        (Some(Trouble::Unconfirmed), _, _) => "❓ Nobody can say whether the agent task was started",
        (Some(Trouble::Undecided), _, _) => "❓ No agent task was started, an earlier one may be it",
        (Some(Trouble::Declined), _, _) => "❌ No agent task was started, one is still active",
        (Some(Trouble::Refused(_)), _, _) => "⛔ No agent task was started, a rule of yours says no",
        (Some(_), _, _) => "❌ No agent task was started",
        (None, Some(Conclusion::Success), _) => "✅ Agent task completed",
        (None, Some(Conclusion::Failure), Some(State::Completed)) => "❌ Agent task completed without a pull request",
        (None, Some(Conclusion::Failure), _) => "❌ Agent task failed",
        (None, Some(Conclusion::TimedOut), Some(State::TimedOut)) => "⏰ Agent task timed out",
        (None, Some(Conclusion::TimedOut), _) => "⏰ Agent task still running when the wait ended",
        (None, Some(Conclusion::Cancelled), _) => "🚫 Agent task cancelled",
        (None, Some(Conclusion::ActionRequired), _) => "🙋 Agent task needs a person",
        (None, Some(Conclusion::Skipped), _) => "⏭️ Agent task skipped",
        (None, None, Some(_)) if ended && plan.wait.is_some() => "⚠️ Stopped waiting for the agent task",
        (None, None, Some(_)) if ended => "🚀 Agent task started",
        (None, None, _) if ended => "⚠️ No agent task was started",
        (None, None, _) => "⏳ Agent task under way",
    };
    text.to_owned()
}

/// What stands for a conclusion; nothing for an order that goes on.
fn mark(outcome: &Outcome) -> Option<&'static str> {
    Some(match (outcome.conclusion, outcome.trouble) {
        (Some(Conclusion::Success), _) => "🟩",
        (Some(Conclusion::Failure), _) => "🟥",
        (Some(Conclusion::TimedOut), _) => "🟧",
        (Some(Conclusion::ActionRequired), _) => "🟦",
        (Some(Conclusion::Cancelled), _) => "🟫",
        (_, Some(_)) => "🟪",
        (Some(Conclusion::Skipped), None) => "⬜",
        (None, None) => return None,
    })
}

fn executor(plan: &Plan, outcomes: &[Outcome], told: &SummaryContext<'_>) -> String {
    let count = outcomes.len();
    let over = outcomes.iter().filter(|outcome| mark(outcome).is_some()).count();
    let good =
        outcomes.iter().all(|outcome| outcome.trouble.is_none() && outcome.conclusion == Some(Conclusion::Success));
    let started = outcomes.iter().all(|outcome| outcome.trouble.is_none() && outcome.task_id.is_some() && over == 0);
    let heading = match (told.ended, told.stopped) {
        (_, Some(_)) => format!("⛔ Rollout stopped, {count} agent tasks"),
        (false, _) => format!("⏳ {over} of {count} agent tasks done"),
        (true, _) if good => format!("✅ {count} agent tasks"),
        (true, _) if started => format!("🚀 {count} agent tasks"),
        (true, _) if Exit::of(outcomes, &plan.fail_on, plan.rollout.tolerate) == Exit::Fine => {
            format!("⚠️ {count} agent tasks")
        }
        (true, _) => format!("❌ {count} agent tasks"),
    };
    let mut text = format!("### {heading}\n\n");
    if let Some(stopped) = told.stopped {
        let held_back = outcomes.iter().filter(|outcome| outcome.held_back).count();
        let stopped = escaped(&stopped.to_string());
        text.push_str(&format!("> {stopped}. {} not started.\n\n", repositories(held_back)));
    }
    text.push_str(&format!("{}\n\n{}\n\n", bar(outcomes), counter(outcomes, told.elapsed)));
    text.push_str("| Repository | Task | State | Conclusion | Pull request | Message |\n|---|---|---|---|---|---|\n");
    for outcome in outcomes.iter().take(MOST_ROWS) {
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            escaped(&outcome.repository.to_string()),
            outcome.task_id.as_ref().map_or_else(String::new, |id| linked(id.as_str(), outcome.link())),
            escaped(outcome.state().map_or("", State::as_str)),
            outcome.conclusion.map_or("", Conclusion::as_str),
            outcome.pull.as_ref().map_or_else(String::new, pull_link),
            escaped(&cut(outcome.error_message.as_deref().unwrap_or_default(), LONGEST_CELL)),
        ));
    }
    if count > MOST_ROWS {
        text.push_str(&format!("\n{} more are in the file that `results-file` names.\n", count - MOST_ROWS));
    }
    text.push_str(&chart(outcomes, told.elapsed));
    text
}

/// A bar of what became of all orders; what is there at all has one mark at least.
fn bar(outcomes: &[Outcome]) -> String {
    let marks = ["🟩", "🟥", "🟧", "🟦", "🟫", "🟪", "⬜", GOING_ON];
    let count = |mark_of: &str| outcomes.iter().filter(|outcome| mark(outcome).unwrap_or(GOING_ON) == mark_of).count();
    let width = outcomes.len().min(BAR);
    let widths = marks.map(|mark| (mark, count(mark)));
    let widths = widths.iter().filter(|(_, count)| *count > 0);
    widths.map(|(mark, count)| mark.repeat((count * width / outcomes.len()).max(1))).collect()
}

fn counter(outcomes: &[Outcome], elapsed: Duration) -> String {
    let mut parts = Vec::new();
    let mut part = |count: usize, what: &str| {
        if count > 0 {
            parts.push(format!("{count} × {what}"));
        }
    };
    let count = |is: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| is(outcome)).count();
    for conclusion in Conclusion::ALL {
        part(count(&|it| it.conclusion == Some(conclusion) && !it.held_back), &format!("`{conclusion}`"));
    }
    part(count(&|it| it.held_back), "not started");
    part(count(&|it| it.conclusion.is_none() && it.trouble.is_some()), "in trouble");
    part(count(&|it| mark(it).is_none() && it.task_id.is_some()), "running");
    part(count(&|it| mark(it).is_none() && it.task_id.is_none()), "waiting");
    parts.push(spelled(elapsed));
    parts.join(" · ")
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
    if elapsed < SHORTEST_CHART || outcomes.iter().all(|outcome| outcome.began.is_none()) {
        return String::new();
    }
    let minutes = elapsed.as_secs_f64() / 60.0;
    format!(
        "\n```mermaid\nxychart-beta\n    title \"Tasks begun and ended\"\n    x-axis \"minutes\" 0 --> {minutes:.1}\n    \
         y-axis \"tasks\" 0 --> {}\n    line [{}]\n    line [{}]\n```\n",
        outcomes.len(),
        moments(|outcome| outcome.began),
        moments(|outcome| outcome.ended.filter(|_| outcome.began.is_some())),
    )
}

/// Calls for whoever is to answer an agent. A login or a team has no sign in it that Markdown would read.
fn call(outcomes: &[Outcome]) -> String {
    let asking = outcomes.iter().filter(|outcome| outcome.conclusion == Some(Conclusion::ActionRequired));
    let owner = asking.filter_map(|outcome| outcome.owner.as_ref()).next();
    owner.map_or_else(String::new, |owner| format!("🙋 {owner}, the agent needs an answer.\n\n"))
}

/// What the policy says, and the change ticket.
fn facts(plan: &Plan) -> String {
    let lines = plan.policy.lines();
    let facts = lines.iter().map(|(name, value)| format!("{name} {}", escaped(value))).collect::<Vec<_>>().join(" · ");
    if facts.is_empty() { facts } else { format!("By policy: {facts}.\n\n") }
}

/// Who started this and from where.
fn origin(context: &Context) -> String {
    let Some(actor) = context.property("actor") else {
        return String::new();
    };
    let workflow = context.property("workflow").unwrap_or("a workflow");
    let run = match (context.property("run_number"), context.property("run_attempt")) {
        (Some(number), Some("1") | None) => format!(" #{number}"),
        (Some(number), Some(attempt)) => format!(" #{number}, attempt {attempt}"),
        (None, _) => String::new(),
    };
    let run = match context.run_url() {
        Some(url) => format!("[{}]({url})", escaped(&format!("{workflow}{run}"))),
        None => escaped(&format!("{workflow}{run}")),
    };
    format!("Asked by {} in {run}.\n\n", escaped(actor))
}

/// The prompts, as far as they are shown.
fn prompts(plan: &Plan) -> Vec<String> {
    let starts = plan.tasks.iter().filter_map(|order| match &order.action {
        Action::Start { task, template, prompt_sha256, .. } => Some((order, task, template, prompt_sha256)),
        Action::Wait(_) => None,
    });
    let shown = starts.take(MOST_PROMPTS).map(|(order, task, template, prompt_sha256)| {
        let whose = if plan.tasks.len() > 1 { format!(" for {}", order.repository) } else { String::new() };
        format!(
            "<details><summary>Prompt{} from {}, {} characters, SHA-256 {}</summary>\n\n{}\n</details>\n",
            escaped(&whose),
            escaped(template),
            task.prompt.chars().count(),
            cut(prompt_sha256, 13),
            fenced(&task.prompt)
        )
    });
    shown.collect()
}

fn pull_link(pull: &PullRequest) -> String {
    linked(&format!("#{}", pull.number), &pull.url)
}

/// A link, or the bare text where there is no address that is safe to set.
fn linked(text: &str, address: &str) -> String {
    let fits = address.starts_with("https://") || address.starts_with("http://");
    if fits && !address.contains(|c: char| c.is_whitespace() || "()<>|\"`".contains(c)) {
        format!("[{}]({address})", escaped(text))
    } else {
        escaped(text)
    }
}

/// Foreign text of several lines as it is, in a fence that it cannot close.
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let body = harmless_lines(text).collect::<Vec<_>>().join("\n");
    format!("{fence}text\n{}\n{fence}\n", body.trim_end())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::actions::context::Environment;
    use crate::github::task::NewTask;
    use crate::plan::PlannedTask;
    use crate::policy::evaluate::PolicyMetadata;
    use crate::task::event::Event;
    use crate::task::marker::Marker;
    use crate::task::rollout::{Rollout, Share};
    use crate::task::start::{IfActive, LONGEST_LIMIT, Precheck, StartOptions};
    use crate::task::wait::WaitEnd;

    use super::*;

    fn plan(prompt: &str) -> Plan {
        let task = NewTask {
            prompt: prompt.to_owned(),
            model: None,
            custom_agent: None,
            create_pull_request: true,
            base_ref: None,
            head_ref: None,
        };
        let action = Action::Start {
            task: Box::new(task),
            models: vec![None],
            template: "release.md".to_owned(),
            prompt_sha256: "ba7816bf8f01cfea".to_owned(),
            options: Box::new(StartOptions {
                marker: Marker::find("<!-- agent-task key=0123456789abcdef -->").unwrap(),
                confirm: Duration::ZERO,
                first: Precheck::Nothing,
                if_active: IfActive::Start,
                patience: LONGEST_LIMIT,
            }),
        };
        Plan {
            tasks: vec![PlannedTask { repository: "octo/app".parse().unwrap(), action }],
            wait: None,
            fail_on: Vec::new(),
            require_pull_request: false,
            waves: Vec::new(),
            rollout: Rollout::default(),
            sharing_jobs: 1,
            actor_check: None,
            policy: PolicyMetadata::default(),
            has_repository_rules: false,
            limit_counter: None,
            dry_run: false,
            warnings: Vec::new(),
        }
    }

    fn outcome(state: &str, error: &str) -> Outcome {
        let mut outcome = Outcome::new("octo/app".parse().unwrap());
        let task = json!({"id": "t-1", "state": state, "html_url": "https://github.com/octo/app/tasks/t-1",
            "sessions": [{"error": {"message": error}, "model": "sweagent-capi:gpt-5.4"}]});
        outcome.apply(Event::Started(Box::new(serde_json::from_value(task).unwrap())));
        outcome.apply(Event::Ended(WaitEnd::Settled));
        outcome
    }

    fn context() -> Context {
        let pairs = [
            ("GITHUB_ACTOR", "mona"),
            ("GITHUB_WORKFLOW", "Release"),
            ("GITHUB_RUN_NUMBER", "3"),
            ("GITHUB_RUN_ATTEMPT", "2"),
        ];
        let environment: Environment = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Context::new(&environment, None, None)
    }

    fn told(seconds: u64) -> SummaryContext<'static> {
        SummaryContext { elapsed: Duration::from_secs(seconds), ended: true, stopped: None }
    }

    #[test]
    fn a_fleet_has_a_bar_a_tally_a_table_and_a_chart() {
        let mut all = vec![outcome("completed", ""), outcome("completed", ""), outcome("failed", "boom")];
        for (at, outcome) in all.iter_mut().enumerate() {
            outcome.began = Some(Duration::from_secs(at as u64));
            outcome.ended = Some(Duration::from_secs(120 * (at as u64 + 1)));
        }
        let mut held = Outcome::new("octo/lib".parse().unwrap());
        held.apply(Event::HeldBack("not started".to_owned()));
        all.push(held);
        let stopped = StoppedWave { wave: 1, waves: 2, size: 3, succeeded: 2, needed: Share::ALL };
        let told = SummaryContext { stopped: Some(&stopped), ..told(480) };
        let text = summary(&plan("x"), &all, &context(), &told);
        for part in [
            "### ⛔ Rollout stopped, 4 agent tasks",
            "> wave 1 of 2 has 2 of 3 succeeded, and \\`wave-success\\` asks for 100%. 1 repository not started.",
            "2 × `success` · 1 × `failure` · 1 × not started · 8m",
            "| octo/lib |  |  | skipped |  | not started |",
            "```mermaid\nxychart-beta",
            "x-axis \"minutes\" 0 --> 8.0",
            "line [1, 3, 3,",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        let bar = text.lines().find(|line| line.starts_with('🟩')).unwrap();
        assert_eq!((bar.matches('🟩').count(), bar.matches('🟥').count(), bar.matches('⬜').count()), (2, 1, 1));
    }

    #[test]
    fn it_says_what_was_asked_and_how_it_ended() {
        let text = summary(&plan("Do `it`"), &[outcome("failed", "boom")], &context(), &told(61));
        for part in [
            "### ❌ Agent task failed",
            "| Task | [t-1](https://github.com/octo/app/tasks/t-1) |",
            "| Message | boom |",
            "| Model | gpt-5.4 |",
            "| Duration | 1m 1s |",
            "Asked by mona in Release #3, attempt 2.",
            "<summary>Prompt from release.md, 7 characters, SHA-256 ba7816bf8f01…</summary>\n\n```text\nDo `it`\n```",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn foreign_text_stays_text() {
        let nasty = "a | b\n| x | <img src=x> [link](javascript:1) `code` @mona";
        let text = summary(&plan("```\n</details>\n````"), &[outcome("failed", nasty)], &context(), &told(0));
        assert!(
            text.contains(r"| Message | a \| b \| x \| &lt;img src=x&gt; \[link\](javascript:1) \`code\` @mona |"),
            "{text}"
        );
        assert!(text.contains("`````text\n```\n</details>\n````\n`````"), "{text}");
        assert!(!linked("x", "https://x/ (y)").contains("]("));
    }

    #[test]
    fn a_summary_stays_inside_githubs_limit() {
        let many = vec![outcome("completed", &"é|".repeat(2000)); 2000];
        let text = summary(&plan(&"x".repeat(200_000)), &many, &context(), &told(0));
        assert!(text.len() < 1024 * 1024, "{}", text.len());
        assert!(text.contains("1800 more are in the file"));
    }
}
