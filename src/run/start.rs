//! Starting a task.

use tokio::time::Instant;

use crate::github::error::Error;
use crate::github::repository::Repository;
use crate::github::task::{NewTask, TaskId};
use crate::plan::{Action, PlannedTask};
use crate::run::search::EtagCache;
use crate::run::task_run::TaskRun;
use crate::task::event::{Adoption, Event};
use crate::task::marker::Marker;
use crate::task::start::{ActiveScope, StartEnd, StartMachine, StartOptions, StartStep};

impl TaskRun<'_> {
    /// Starts the task, or adopts the one that this start has already made; returns its ID and whether it is new.
    pub(super) async fn start(
        &mut self,
        task: &NewTask,
        models: &[Option<String>],
        options: &StartOptions,
    ) -> Option<(TaskId, bool)> {
        // The semaphore is never closed.
        let _place = self.executor.start_permits.acquire().await;
        let (host, plan, refused) = (self.executor.host, self.executor.plan, &self.executor.refused);
        if let Some(reason) = refused.get() {
            self.record(Event::HeldBack(reason.clone()));
            return None;
        }
        let mut machine = StartMachine::new(options.clone(), models, host.elapsed()).delayed_by(host.seed());
        let mut task = task.clone();
        let began = Instant::now();
        let mut etags = EtagCache::new();
        let has_limits = plan.limit_counter.is_some() || plan.follow_up.is_some();
        // What this step has started in the repository, once the limits were checked.
        let mut others = None;
        // The turn of a start for which tasks are searched once more before it is sent.
        let mut kept_turn = None;
        let mut searched_at = began;
        let mut step = machine.begin();
        let end = loop {
            step = match step {
                StartStep::Search { pause, event } => {
                    self.record_if_any(event);
                    let step = self.search(&mut machine, pause, began, &mut etags).await;
                    searched_at = Instant::now();
                    step
                }
                StartStep::Sleep(pause, event) => {
                    self.set_unanswered(machine.is_open());
                    self.record(event);
                    host.sleep(pause, "waiting to start the task").await;
                    machine.resumed(began.elapsed())
                }
                StartStep::Send(model, event) => {
                    self.record_if_any(event);
                    let kept = kept_turn.take();
                    let has_searched = kept.is_some();
                    // What is not started takes no turn.
                    let turn = tokio::select! {
                        biased;
                        reason = refused.wait(), if !machine.is_open() => Err(reason),
                        turn = async { match kept { Some(turn) => turn, None => self.tasks().turn().await } } => Ok(turn),
                    };
                    if self.executor.is_interrupted.get() {
                        return None;
                    }
                    let turn = match turn {
                        Ok(turn) => turn,
                        Err(reason) => {
                            self.record(Event::HeldBack(reason.clone()));
                            break None;
                        }
                    };
                    if !has_searched && machine.must_search_again(searched_at.elapsed()) {
                        kept_turn = Some(turn);
                        machine.search_again(began.elapsed())
                    } else {
                        // Once: what is sent after this is the same start.
                        if has_limits && others.is_none() {
                            let started = self.executor.started_in(self.repository()).await;
                            let capacity = self.capacity(options, &mut etags, &started).await;
                            others = Some(started);
                            if let Err(event) = capacity {
                                self.record(event);
                                break None;
                            }
                        }
                        // The count may have taken long.
                        if self.executor.is_interrupted.get() {
                            return None;
                        }
                        task.model = model;
                        self.set_unanswered(true);
                        machine.sending(began.elapsed());
                        let answer = self.tasks().start(turn, self.repository(), &task).await;
                        self.executor.note_answer(self.index, &answer);
                        let step = machine.answered(began.elapsed(), answer);
                        self.set_unanswered(machine.is_open());
                        step
                    }
                }
                // No rule of a policy is about the repository's name, so the start goes where it would have gone.
                StartStep::Ended(StartEnd::Refused(Error::Moved { to: Some(to) }))
                    if !plan.has_repository_rules && self.moved.is_none() =>
                {
                    if !self.follow_move(to) {
                        break None;
                    }
                    machine.resumed(began.elapsed())
                }
                StartStep::Ended(end) => break Some(end),
            }
        };
        self.set_unanswered(false);
        let found = end.and_then(|end| self.conclude(end, options.active_scope));
        if let Some(mut started) = others {
            started.ids.extend(found.iter().map(|(id, _)| id.clone()));
            started.unconfirmed += usize::from(found.is_none() && machine.is_open());
        }
        found
    }

    /// Takes the new name of the repository; `false` if the plan has a task for it already, so that nothing is started.
    fn follow_move(&mut self, to: Repository) -> bool {
        let name = (to.clone(), self.planned.entry.clone());
        let other = *self.executor.names.borrow_mut().entry(name).or_insert(self.index);
        let is_listed = other != self.index;
        let differs = is_listed && self.differs_from(&self.executor.plan.tasks[other]);
        self.record(Event::Moved { from: self.repository().clone(), to: to.clone(), is_listed, differs });
        if !is_listed {
            self.moved = Some(to);
        }
        !is_listed
    }

    /// Whether another start of the plan has another prompt or other settings, apart from the repository's name.
    fn differs_from(&self, other: &PlannedTask) -> bool {
        let request = |planned: &PlannedTask| match &planned.action {
            Action::Start { task, .. } => {
                let text = Marker::strip(&task.prompt);
                let text = text.replace(&planned.repository.to_string(), "");
                Some((text, task.without_prompt()))
            }
            Action::Wait(_) | Action::Skip(_) | Action::Stop(_) | Action::NotListed(_) => None,
        };
        request(self.planned) != request(other)
    }

    /// Records how the start ended; returns the ID of its task and whether that is new, if there is one.
    fn conclude(&mut self, end: StartEnd, scope: ActiveScope) -> Option<(TaskId, bool)> {
        let (found, event) = match end {
            StartEnd::Started(task) => (Some((task.id.clone(), true)), Event::Started(task)),
            StartEnd::Adopted(task, why) => {
                (Some((task.id.clone(), why == Adoption::Unanswered)), Event::Adopted(task, why))
            }
            StartEnd::Declined(task, failing) => (None, Event::Declined { task, failing, scope }),
            StartEnd::Refused(error) => (None, Event::Failed(error)),
            StartEnd::Unconfirmed(why) => (None, Event::Unconfirmed(why)),
            StartEnd::Undecided(why) => (None, Event::Undecided(why)),
        };
        self.record(event);
        found
    }

    fn record_if_any(&mut self, event: Option<Event>) {
        if let Some(event) = event {
            self.record(event);
        }
    }

    /// Notes whether the start was sent and not answered.
    fn set_unanswered(&self, is_unanswered: bool) {
        self.executor.unanswered.send_modify(|unanswered| {
            match is_unanswered {
                true => unanswered.insert(self.index),
                false => unanswered.remove(&self.index),
            };
        });
    }
}
