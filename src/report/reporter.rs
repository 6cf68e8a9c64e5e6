//! What is known of all orders, and the one place where something that happens becomes log, outputs and summary.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::actions::context::Context;
use crate::actions::host::Host;
use crate::actions::workflow_command::{Annotation, Level};
use crate::plan::{Action, Plan};
use crate::report::audit::{AuditEntry, AuditLog};
use crate::report::outputs;
use crate::report::outputs::StepOutputs;
use crate::report::summary::{SummaryContext, summary};
use crate::task::conclusion::Exit;
use crate::task::event::Event;
use crate::task::outcome::Outcome;
use crate::task::rollout::StoppedWave;
use crate::text::repositories;

/// GitHub shows ten annotations of a kind for a step; one is kept for saying that there are more,
/// <https://github.com/orgs/community/discussions/26680>.
const MOST_ANNOTATIONS: usize = 9;
/// How long at least between two writings of what is known, for each order there is: writing a thousand results takes
/// some milliseconds, and a thousand things happen within seconds.
const WRITING: Duration = Duration::from_millis(10);
/// How long at least between two writings of the outputs of many orders: the file only grows, by up to 130 KB each time.
const HANDING_ON: Duration = Duration::from_secs(5 * 60);
/// Up to so many orders, everything is written down when it happens.
const FEW: usize = 10;

/// What is known of all orders.
pub struct Reporter<'a> {
    host: &'a Host,
    plan: &'a Plan,
    context: &'a Context,
    journal: Option<&'a AuditLog>,
    outcomes: RefCell<Vec<Outcome>>,
    told: RefCell<Vec<Instant>>,
    published: RefCell<Vec<(&'static str, String)>>,
    /// When what is known was written last, and when it was handed on as outputs.
    written: Cell<Option<Instant>>,
    handed_on: Cell<Option<Instant>>,
    stopped: RefCell<Option<StoppedWave>>,
    /// Why no more starts are sent.
    closed: RefCell<Option<String>>,
    /// Whether the process was told to end.
    ending: Cell<bool>,
    /// How many warnings stand on the run's page.
    warnings: Cell<usize>,
    /// For each order, whether a start may have become a task of which nothing is known.
    open: RefCell<Vec<bool>>,
    broken: RefCell<Option<anyhow::Error>>,
}

impl<'a> Reporter<'a> {
    /// A board on which nothing has happened yet. Without a journal nothing is recorded.
    pub fn new(host: &'a Host, plan: &'a Plan, context: &'a Context, journal: Option<&'a AuditLog>) -> Self {
        let outcomes = plan.orders.iter().map(|order| {
            let mut outcome = Outcome::new(order.repository.clone());
            outcome.pull_required = plan.require_pull_request;
            outcome.owner.clone_from(&plan.facts.owner);
            match &order.action {
                Action::Start { task, prompt_sha256, .. } => {
                    outcome.asked = Some(task.without_prompt());
                    outcome.prompt_sha256 = Some(prompt_sha256.clone());
                }
                Action::Wait(id) => {
                    outcome.task_id = Some(id.clone());
                    outcome.created = Some(false);
                }
            }
            outcome
        });
        Self {
            host,
            plan,
            context,
            journal,
            outcomes: RefCell::new(outcomes.collect()),
            told: RefCell::new(vec![Instant::now(); plan.orders.len()]),
            published: RefCell::default(),
            written: Cell::default(),
            handed_on: Cell::default(),
            stopped: RefCell::default(),
            closed: RefCell::default(),
            ending: Cell::new(false),
            warnings: Cell::new(0),
            open: RefCell::new(vec![false; plan.orders.len()]),
            broken: RefCell::default(),
        }
    }

    /// The machine that we run on.
    pub fn host(&self) -> &'a Host {
        self.host
    }

    /// Takes in that something happened to an order.
    pub fn record(&self, order: usize, event: Event) {
        // A person wants to know when, and only the runner has a clock.
        let until = match &event {
            Event::Limited { wait, .. } | Event::NotSent { wait, .. } => self.host.clock_in(*wait),
            _ => String::new(),
        };
        let (lines, repository) = {
            let mut outcomes = self.outcomes.borrow_mut();
            let outcome = &mut outcomes[order];
            let entry = AuditEntry::of(&event, outcome);
            let lines = outcome.apply(event);
            if let Some(entry) = entry {
                self.write_entry(entry, order, outcome);
            }
            let elapsed = self.host.elapsed();
            if outcome.task_id.is_some() {
                outcome.began.get_or_insert(elapsed);
            }
            if outcome.is_over() {
                outcome.ended.get_or_insert(elapsed);
            }
            (lines, outcome.repository.to_string())
        };
        for line in lines {
            self.told.borrow_mut()[order] = Instant::now();
            let shown = self.warnings.get() < MOST_ANNOTATIONS;
            match line.level.filter(|_| shown) {
                Some(level) => {
                    self.warnings.set(self.warnings.get() + 1);
                    self.host.annotate(&Annotation { level, title: repository.clone(), message: line.text });
                }
                None if self.plan.orders.len() == 1 => self.host.log(&format!("{}{until}", line.text)),
                None => self.host.log(&format!("{repository}: {}{until}", line.text)),
            }
        }
        self.publish();
    }

    /// Records what is about to be done.
    pub fn announce(&self) {
        for (order, outcome) in self.outcomes.borrow().iter().enumerate() {
            self.write_entry(AuditEntry::planned(), order, outcome);
        }
    }

    fn write_entry(&self, entry: AuditEntry, order: usize, outcome: &Outcome) {
        let Some(journal) = self.journal else { return };
        let (id, now) = (self.host.random_id(), self.host.now());
        let line = journal.line(entry, self.plan.orders.get(order), outcome, &id, now);
        if let Err(error) = self.host.write_record(&line) {
            self.broken.borrow_mut().get_or_insert(error);
        }
    }

    /// Hands on what is known, if it has changed since the last time; for many orders only now and then.
    pub fn publish(&self) {
        let pause = WRITING.saturating_mul(u32::try_from(self.few_or_all()).unwrap_or(u32::MAX));
        if self.written.get().is_none_or(|written| written.elapsed() >= pause) {
            self.write(false);
        }
    }

    /// How many orders there are, where that is too many for each event to be written down at once.
    fn few_or_all(&self) -> usize {
        if self.plan.orders.len() > FEW { self.plan.orders.len() } else { 0 }
    }

    /// Writes down what is known; `last` where nothing more will be.
    fn write(&self, last: bool) {
        let outcomes = self.outcomes.borrow();
        let results_file = self.host.results_file();
        let audit_log = self.journal.map(|_| self.host.audit_log()).unwrap_or_default();
        let aside = StepOutputs { results_file: &results_file, audit_log: &audit_log, ..StepOutputs::default() };
        let outputs = outputs::outputs(&outcomes, &aside);
        if *self.published.borrow() == outputs {
            return;
        }
        self.written.set(Some(Instant::now()));
        let early = |handed_on: Instant| !last && self.few_or_all() > 0 && handed_on.elapsed() < HANDING_ON;
        let handed_on = !self.handed_on.get().is_some_and(early);
        // Each is written whatever becomes of the others, and what others build on comes first.
        let mut whole = true;
        for written in [
            if handed_on { self.host.write_outputs(&outputs) } else { Ok(()) },
            self.host.write_results(&outputs::all_results(&outcomes)),
            self.summarise(&outcomes, false),
        ] {
            if let Err(error) = written {
                self.broken.borrow_mut().get_or_insert(error);
                whole = false;
            }
        }
        if handed_on {
            self.handed_on.set(Some(Instant::now()));
        }
        if whole && handed_on {
            *self.published.borrow_mut() = outputs;
        }
    }

    /// What kept outputs, results or summary from being written, if anything did.
    pub fn broken(&self) -> Option<String> {
        self.broken.borrow().as_ref().map(|error| format!("{error:#}"))
    }

    /// Notes whether a start of this order may have become a task of which nothing is known.
    pub fn set_open(&self, order: usize, open: bool) {
        self.open.borrow_mut()[order] = open;
    }

    /// Whether a start may have become a task of which nothing is known.
    pub fn is_open(&self) -> bool {
        self.open.borrow().contains(&true)
    }

    /// Lets no more starts go out: the process was told to end.
    pub fn end(&self) {
        self.ending.set(true);
    }

    /// Whether the process was told to end.
    pub fn is_ending(&self) -> bool {
        self.ending.get()
    }

    /// Lets no more starts go out: GitHub would refuse each for the same reason.
    pub fn close(&self, why: &str) {
        let why = format!("nothing was sent, for GitHub refuses all starts of this token: {why}");
        self.closed.borrow_mut().get_or_insert(why);
    }

    /// Why no more starts go out, where that is so.
    pub fn closed(&self) -> Option<String> {
        self.closed.borrow().clone()
    }

    /// Notes that a wave was the last one, and holds back the orders behind it.
    pub fn stop(&self, stopped: StoppedWave, behind: impl Iterator<Item = usize>) {
        let why = format!("not started: {stopped}");
        self.host.log(&why.replacen("not started: ", "no further wave is started: ", 1));
        *self.stopped.borrow_mut() = Some(stopped);
        for order in behind {
            self.record(order, Event::HeldBack(why.clone()));
        }
    }

    /// Tells how far all orders are.
    pub fn progress(&self) {
        let outcomes = self.outcomes.borrow();
        let mut counts = BTreeMap::<&str, usize>::new();
        for outcome in outcomes.iter() {
            let word = match (outcome.conclusion, outcome.trouble) {
                (Some(conclusion), _) => conclusion.as_str(),
                (None, Some(_)) => "in trouble",
                (None, None) if outcome.task_id.is_some() => "running",
                (None, None) => "not started",
            };
            *counts.entry(word).or_default() += 1;
        }
        let counts = counts.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>();
        self.host.log(&format!("{}: {}", repositories(outcomes.len()), counts.join(", ")));
    }

    /// Tells each order that the process ends.
    pub fn interrupted(&self) {
        let open = self.outcomes.borrow().iter().map(|outcome| !outcome.is_over()).collect::<Vec<_>>();
        for (order, _) in open.iter().enumerate().filter(|(_, open)| **open) {
            let in_flight = self.open.borrow()[order];
            self.record(order, Event::Interrupted { in_flight });
        }
    }

    /// Writes the last summary and the annotations, and says what the process ends with.
    pub fn finish(&self, interrupted: bool) -> Exit {
        self.write(true);
        let outcomes = self.outcomes.borrow();
        if let Err(error) = self.summarise(&outcomes, true) {
            self.broken.borrow_mut().get_or_insert(error);
        }
        if let Some(stopped) = &*self.stopped.borrow() {
            let held_back = outcomes.iter().filter(|outcome| outcome.held_back).count();
            let message = format!("{} not started: {stopped}", repositories(held_back));
            self.host.annotate(&Annotation { level: Level::Error, title: "Rollout stopped".to_owned(), message });
        }
        let exit = Exit::of(&outcomes, &self.plan.fail_on, self.plan.rollout.tolerate);
        let annotations = outcomes.iter().filter_map(|outcome| match outcome.annotation(&self.plan.fail_on) {
            None if interrupted => outcome.interruption_annotation(),
            // What is tolerated fails nothing.
            Some(annotation) if exit == Exit::Fine && annotation.level == Level::Error => {
                Some(Annotation { level: Level::Warning, ..annotation })
            }
            annotation => annotation,
        });
        let annotations = annotations.collect::<Vec<_>>();
        let most = MOST_ANNOTATIONS - usize::from(self.stopped.borrow().is_some());
        for annotation in annotations.iter().take(most) {
            self.host.annotate(annotation);
        }
        if let Some(more) = annotations.get(most) {
            let left = annotations.len() - most;
            let message = format!("{left} more tasks need a look; the step summary lists them");
            self.host.annotate(&Annotation { message, ..more.clone() });
        }
        exit
    }

    fn summarise(&self, outcomes: &[Outcome], ended: bool) -> anyhow::Result<()> {
        let stopped = self.stopped.borrow();
        let told = SummaryContext { elapsed: self.host.elapsed(), ended, stopped: stopped.as_ref() };
        self.host.write_summary(&summary(self.plan, outcomes, self.context, &told))
    }

    /// Asks what is known of an order.
    pub fn know<T>(&self, order: usize, ask: impl FnOnce(&Outcome) -> T) -> T {
        ask(&self.outcomes.borrow()[order])
    }

    /// For how long nothing was told of an order.
    pub fn quiet(&self, order: usize) -> Duration {
        self.told.borrow()[order].elapsed()
    }
}
