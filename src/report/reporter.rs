//! The owner of all that is known of a step's tasks. Events come in over a channel; log, annotations, outputs, results,
//! summary and record go out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use crate::actions::context::Context;
use crate::actions::host::Host;
use crate::actions::signal::Signal;
use crate::actions::workflow_command::{Annotation, Level};
use crate::plan::{Action, Plan};
use crate::report::audit::{AuditEntry, AuditLog};
use crate::report::ending::Ending;
use crate::report::outputs::StepOutputs;
use crate::report::summary::{SummaryContext, summary};
use crate::report::{outputs, rollout};
use crate::task::conclusion::Exit;
use crate::task::event::Event;
use crate::task::messages;
use crate::task::outcome::{Outcome, Stop};
use crate::task::stop::StopReason;
use crate::task::waves::StoppedWave;
use crate::text::repositories;

/// GitHub shows ten annotations of a kind for a step; one is kept for the count of the others,
/// <https://github.com/orgs/community/discussions/26680>.
const MAX_ANNOTATIONS: usize = 9;
/// Up to this many tasks, everything is written as soon as it happens.
const FEW_TASKS: usize = 10;
/// The least time between two writes of outputs, results and summary, for each task: writing a thousand results takes
/// milliseconds, and a thousand events arrive within seconds.
const WRITE_INTERVAL_PER_TASK: Duration = Duration::from_millis(10);
/// The least time between two writes of the outputs of many tasks: the file only grows, by up to 130 KB each time.
const OUTPUTS_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// How often what was held back by these intervals is written.
const CATCH_UP_INTERVAL: Duration = Duration::from_secs(10);
/// After this long without a line, the log says that the wait continues, so that the job does not look stuck.
const HEARTBEAT: Duration = Duration::from_secs(5 * 60);

/// What the executor reports.
#[derive(Debug)]
pub enum Update {
    /// Something happened to the task at this index of the plan.
    Task(usize, Event),
    /// The process was interrupted, and the starts of these tasks were not answered.
    Interrupted(BTreeSet<usize>),
    /// A wave begins: its number, how many waves there are, and how many repositories it has.
    WaveBegins(usize, usize, usize),
    /// A wave stopped the step before the tasks of this range.
    WaveStopped(StoppedWave, Range<usize>),
}

/// All that is known of a step's tasks.
pub struct Reporter<'a> {
    host: &'a Host,
    plan: &'a Plan,
    context: &'a Context,
    audit: Option<&'a AuditLog>,
    outcomes: Vec<Outcome>,
    /// The outputs as they were written last.
    outputs: Vec<(&'static str, String)>,
    /// The results as they were written last.
    results: String,
    written_at: Option<Instant>,
    outputs_written_at: Option<Instant>,
    /// When the last line about a task was logged.
    logged_at: Instant,
    /// When the progress of many tasks was logged.
    progress_at: Instant,
    stopped: Option<StoppedWave>,
    /// How many annotations were shown while the tasks ran.
    warnings: usize,
    /// The first error of a write.
    error: Option<anyhow::Error>,
}

impl<'a> Reporter<'a> {
    /// A reporter of tasks to which nothing has happened yet. Without an audit log nothing is recorded.
    pub fn new(host: &'a Host, plan: &'a Plan, context: &'a Context, audit: Option<&'a AuditLog>) -> Self {
        let outcomes = plan.tasks.iter().map(|order| {
            let mut outcome = Outcome::new(order.repository.clone());
            outcome.entry.clone_from(&order.entry);
            outcome.pull_required = plan.require_pull_request;
            outcome.expects = !plan.expect.is_empty();
            outcome.owner.clone_from(&plan.policy.owner);
            match &order.action {
                Action::Start { task, prompt_sha256, .. } => {
                    outcome.asked = Some(task.without_prompt());
                    outcome.prompt_sha256 = Some(prompt_sha256.clone());
                }
                Action::Wait(id) | Action::Stop(id) => {
                    outcome.task_id = Some(id.clone());
                    outcome.created = Some(false);
                    if matches!(order.action, Action::Stop(_)) {
                        outcome.stop = Some(Stop { reason: StopReason::Asked, end: None });
                    }
                }
                Action::Skip(_) | Action::NotListed(_) => {}
            }
            outcome
        });
        Self {
            host,
            plan,
            context,
            audit,
            outcomes: outcomes.collect(),
            outputs: Vec::new(),
            results: String::new(),
            written_at: None,
            outputs_written_at: None,
            logged_at: Instant::now(),
            progress_at: Instant::now(),
            stopped: None,
            warnings: 0,
            error: None,
        }
    }

    /// Writes outputs, results and summary for the first time, and records what is about to be done.
    ///
    /// # Errors
    /// If one of them cannot be written.
    pub fn prepare(&mut self) -> anyhow::Result<()> {
        self.write(false);
        for index in 0..self.outcomes.len() {
            self.record(AuditEntry::planned(), index);
        }
        self.error.take().map_or(Ok(()), Err)
    }

    /// Takes in updates until the executor has ended.
    pub async fn run(&mut self, mut updates: UnboundedReceiver<Update>) {
        let mut catch_up = tokio::time::interval(CATCH_UP_INTERVAL);
        loop {
            tokio::select! {
                update = updates.recv() => match update {
                    Some(update) => self.apply(update),
                    None => return,
                },
                _ = catch_up.tick() => {
                    self.write_if_due();
                    // Of many tasks there is always one with news, so their progress is logged in any case.
                    let since = if self.outcomes.len() == 1 { self.logged_at } else { self.progress_at };
                    if since.elapsed() >= HEARTBEAT {
                        self.log_progress();
                    }
                }
            }
        }
    }

    fn apply(&mut self, update: Update) {
        match update {
            Update::Task(index, event) => self.apply_event(index, event),
            Update::Interrupted(unanswered) => {
                self.interrupt(&unanswered);
                // What is known comes before anything else that is still done.
                self.write(true);
            }
            Update::WaveBegins(wave, waves, size) => {
                self.host.log(&format!("wave {wave} of {waves}: {}", repositories(size)));
            }
            Update::WaveStopped(stopped, held_back) => {
                self.host.log(&format!("no further wave is started: {stopped}"));
                let why = stopped.to_string();
                self.stopped = Some(stopped);
                for index in held_back {
                    self.apply_event(index, Event::HeldBack(why.clone()));
                }
            }
        }
    }

    fn apply_event(&mut self, index: usize, event: Event) {
        // People want to know when, and only the host has a clock.
        let until = match &event {
            Event::Limited { wait, .. } | Event::NotSent { wait, .. } => self.host.clock_in(*wait),
            _ => String::new(),
        };
        let outcome = &mut self.outcomes[index];
        let entry = AuditEntry::of(&event, outcome);
        let changes = outcome.apply(&event);
        let lines = messages::lines(&event, outcome, &changes);
        let elapsed = self.host.elapsed();
        if outcome.task_id.is_some() {
            outcome.began.get_or_insert(elapsed);
        }
        if outcome.is_over() {
            outcome.ended.get_or_insert(elapsed);
        }
        let repository = outcome.label();
        if let Some(entry) = entry {
            self.record(entry, index);
        }
        // What the log says is in the outputs already, in case the process is killed.
        self.write_if_due();
        for line in lines {
            self.logged_at = Instant::now();
            match line.level.filter(|_| self.warnings < MAX_ANNOTATIONS) {
                Some(level) => {
                    self.warnings += 1;
                    self.host.annotate(&Annotation { level, title: repository.clone(), message: line.text });
                }
                None if self.outcomes.len() == 1 => self.host.log(&format!("{}{until}", line.text)),
                None => self.host.log(&format!("{repository}: {}{until}", line.text)),
            }
        }
    }

    fn record(&mut self, entry: AuditEntry, index: usize) {
        let Some(audit) = self.audit else { return };
        let (id, now) = (self.host.random_id(), self.host.now());
        let line = audit.line(entry, self.plan.tasks.get(index), &self.outcomes[index], &id, now);
        self.keep_error(self.host.write_record(&line));
    }

    fn keep_error(&mut self, written: anyhow::Result<()>) -> bool {
        let is_written = written.is_ok();
        if let Err(error) = written {
            self.error.get_or_insert(error);
        }
        is_written
    }

    /// Writes what is known; for many tasks only now and then.
    fn write_if_due(&mut self) {
        let interval = WRITE_INTERVAL_PER_TASK.saturating_mul(u32::try_from(self.many()).unwrap_or(u32::MAX));
        if self.written_at.is_none_or(|written| written.elapsed() >= interval) {
            self.write(false);
        }
    }

    /// How many tasks there are, if they are too many for each event to be written at once; otherwise zero.
    fn many(&self) -> usize {
        if self.outcomes.len() > FEW_TASKS { self.outcomes.len() } else { 0 }
    }

    fn write(&mut self, is_last: bool) {
        let (outputs, results) = (self.outputs(), self.results());
        let is_early = |at: Instant| !is_last && self.many() > 0 && at.elapsed() < OUTPUTS_INTERVAL;
        let has_outputs = self.outputs != outputs && !self.outputs_written_at.is_some_and(is_early);
        // The output `results` may have no room for all of them.
        let has_results = self.results != results;
        if !has_outputs && !has_results {
            return;
        }
        self.written_at = Some(Instant::now());
        // Each is written whatever becomes of the others. The outputs name the file of the results, so it comes first: a
        // kill in between must not leave a name without a file.
        if has_results && self.keep_error(self.host.write_results(&results)) {
            self.results = results;
        }
        if has_outputs {
            self.outputs_written_at = self.written_at;
            if self.keep_error(self.host.write_outputs(&outputs)) {
                self.outputs = outputs;
            }
        }
        self.host.write_summary(&self.summary(false));
    }

    fn outputs(&self) -> Vec<(&'static str, String)> {
        let results_file = self.host.results_file();
        let audit_log = self.audit.map(|_| self.host.audit_log()).unwrap_or_default();
        let more = StepOutputs { results_file: &results_file, audit_log: &audit_log, ..StepOutputs::default() };
        match &self.plan.rollout {
            Some(view) => {
                let (decision, outcomes) = view.after(&self.outcomes);
                let own = &rollout::values(&decision);
                outputs::outputs(&outcomes, &StepOutputs { own, ..more })
            }
            None => outputs::outputs(&self.outcomes, &more),
        }
    }

    fn results(&self) -> String {
        match &self.plan.rollout {
            Some(view) => outputs::all_results(&view.after(&self.outcomes).1),
            None => outputs::all_results(&self.outcomes),
        }
    }

    fn summary(&self, ended: bool) -> String {
        if let Some(view) = &self.plan.rollout {
            return rollout::summary(view, &self.outcomes, &self.plan.policy, self.context);
        }
        let context = SummaryContext { elapsed: self.host.elapsed(), ended, stopped: self.stopped.as_ref() };
        summary(self.plan, &self.outcomes, self.context, &context)
    }

    fn log_progress(&mut self) {
        self.progress_at = Instant::now();
        if self.outcomes.len() == 1 {
            return self.apply_event(0, Event::StillWaiting);
        }
        let mut counts = BTreeMap::<&str, usize>::new();
        for outcome in &self.outcomes {
            *counts.entry(messages::progress_word(outcome)).or_default() += 1;
        }
        let counts = counts.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>();
        self.host.log(&format!("{}: {}", repositories(self.outcomes.len()), counts.join(", ")));
    }

    /// Takes in that the process was interrupted. `unanswered` are the tasks whose start was on its way.
    pub fn interrupt(&mut self, unanswered: &BTreeSet<usize>) {
        for index in 0..self.outcomes.len() {
            if !self.outcomes[index].is_over() {
                let in_flight = unanswered.contains(&index);
                self.apply_event(index, Event::Interrupted { in_flight });
            }
        }
    }

    /// How the step ends. `signal` is the one that interrupted it.
    pub fn ending(mut self, signal: Option<Signal>) -> Ending {
        let exit = Exit::of(&self.outcomes, &self.plan.fail_on, self.plan.wave_rules.tolerate);
        let mut annotations = messages::held_back(&self.outcomes, self.stopped.as_ref());
        for annotation in &annotations {
            self.host.log(&annotation.message);
        }
        let of_tasks = self.outcomes.iter().filter_map(|outcome| match outcome.annotation(&self.plan.fail_on) {
            // What is tolerated does not fail the step.
            Some(annotation) if signal.is_none() && exit == Exit::Fine && annotation.level == Level::Error => {
                Some(Annotation { level: Level::Warning, ..annotation })
            }
            annotation => annotation,
        });
        annotations.extend(of_tasks);
        if let Some(next) = annotations.get(MAX_ANNOTATIONS) {
            let left = annotations.len() - MAX_ANNOTATIONS;
            let message = format!("{left} more tasks did not go well; the step summary lists them");
            let more = Annotation { message, ..next.clone() };
            annotations.truncate(MAX_ANNOTATIONS);
            annotations.push(more);
        }
        let exit = match &self.plan.rollout {
            Some(view) => {
                let (decision, outcomes) = view.after(&self.outcomes);
                self.host.log(&rollout::title(view, &decision));
                annotations.extend(rollout::annotations(view, &decision, &outcomes));
                if exit == Exit::Fine { rollout::exit(&decision) } else { exit }
            }
            None => exit,
        };
        let error = self.error.take();
        if let Some(error) = &error {
            let message = format!("{error:#}");
            annotations.push(Annotation { level: Level::Error, title: "Outputs lost".to_owned(), message });
        }
        Ending {
            outputs: self.outputs(),
            results: Some(self.results()),
            summary: self.summary(true),
            exit: match (signal, exit) {
                (Some(signal), _) => Exit::Signalled(signal),
                // A step whose outputs were lost does not show green.
                (None, Exit::Fine) if error.is_some() => Exit::Concluded,
                (None, exit) => exit,
            },
            annotations,
        }
    }
}
