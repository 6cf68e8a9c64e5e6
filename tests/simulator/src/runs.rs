//! Workflow runs of GitHub Actions, and how they are cancelled.
//!
//! Each session of a task that has a branch has a run: the agent works in it. Other runs are added by the test.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::checks::{SuiteOf, show_head_commit, suite_run_id};
use crate::clock::Moment;
use crate::page::Page;
use crate::pull::{Pull, node_id};
use crate::repos::{COPILOT, sha, show_repository};
use crate::request::Request;
use crate::seconds;
use crate::task::is_terminal;
use crate::user::show_user;
use crate::world::{RepositoryRecord, World, key};

/// The path of the workflow that the cloud agent runs in.
pub const AGENT_PATH: &str = "dynamic/copilot-swe-agent/copilot";

/// The path of the workflow that reviews pull requests.
pub const REVIEW_PATH: &str = "dynamic/agents/copilot-pull-request-reviewer";

const FIRST_RUN_ID: u64 = 19_700_000_000;

/// GitHub lists no more runs than this of any search,
/// <https://docs.github.com/en/rest/actions/workflow-runs#list-workflow-runs-for-a-repository>.
const MAX_RUNS: usize = 1000;

/// What becomes of a run that is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCancel {
    /// 202, and it ends.
    Ends,
    /// 202, and it continues; it ends when it is cancelled by force.
    NeedsForce,
    /// 202, also by force, and it continues.
    GoesOn,
    /// 409, also by force, and it continues: "has not been queued yet". Seen after outages.
    Refused,
}

/// How the runs of tasks behave.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunSettings {
    /// Whether there are runs at all.
    pub exist: bool,
    /// What becomes of one that is cancelled.
    pub on_cancel: OnCancel,
    /// How long it takes to end after that.
    #[serde(with = "seconds")]
    pub cancel_lag: Duration,
    /// The state of the task once its last run is cancelled. Not established; when absent, it stays as it is.
    pub task_after_cancel: Option<String>,
}

impl Default for RunSettings {
    fn default() -> RunSettings {
        RunSettings {
            exist: true,
            on_cancel: OnCancel::Ends,
            cancel_lag: Duration::from_secs(5),
            task_after_cancel: Some("cancelled".to_owned()),
        }
    }
}

/// A run that a test adds.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExistingRun {
    /// `owner/name`.
    pub repository: String,
    /// The branch it runs for.
    pub branch: String,
    /// The path of its workflow.
    pub path: String,
    /// Its name.
    pub name: String,
    /// What triggered it.
    pub event: String,
    /// `queued`, `in_progress`, `waiting`, `requested`, `pending` or `completed`.
    pub status: String,
    /// How it ended, if it is completed.
    pub conclusion: Option<String>,
    /// How long ago it was made.
    #[serde(with = "seconds")]
    pub age: Duration,
    /// What becomes of it when it is cancelled.
    pub on_cancel: OnCancel,
    /// How long it takes to end after that.
    #[serde(with = "seconds")]
    pub cancel_lag: Duration,
    /// The id of the task that it belongs to, if it belongs to one.
    pub task: Option<String>,
}

impl Default for ExistingRun {
    fn default() -> ExistingRun {
        ExistingRun {
            repository: "octo/app".to_owned(),
            branch: "main".to_owned(),
            path: ".github/workflows/ci.yml".to_owned(),
            name: "CI".to_owned(),
            event: "pull_request".to_owned(),
            status: "in_progress".to_owned(),
            conclusion: None,
            age: Duration::from_secs(60),
            on_cancel: OnCancel::Ends,
            cancel_lag: Duration::ZERO,
            task: None,
        }
    }
}

impl ExistingRun {
    /// A code review on this branch: the same event as the agent's, another path.
    pub fn code_review(branch: impl Into<String>) -> ExistingRun {
        ExistingRun {
            branch: branch.into(),
            path: REVIEW_PATH.to_owned(),
            name: "Running Copilot code review".to_owned(),
            event: "dynamic".to_owned(),
            ..ExistingRun::default()
        }
    }

    /// A session of the agent on this branch.
    pub fn agent(branch: impl Into<String>) -> ExistingRun {
        ExistingRun {
            branch: branch.into(),
            path: AGENT_PATH.to_owned(),
            name: "Addressing comment on PR #12".to_owned(),
            event: "dynamic".to_owned(),
            ..ExistingRun::default()
        }
    }
}

/// A run as tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunView {
    /// The id.
    pub id: u64,
    /// `owner/name`.
    pub repository: String,
    /// The branch it runs for.
    pub branch: String,
    /// The path of its workflow.
    pub path: String,
    /// Its status.
    pub status: String,
    /// How it ended.
    pub conclusion: Option<String>,
    /// How often it was cancelled, whatever was answered.
    pub cancels: usize,
    /// How often it was cancelled by force, whatever was answered.
    pub force_cancels: usize,
    /// The id of the task that it belongs to.
    pub task: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) id: u64,
    /// The repository's key.
    repository: String,
    branch: String,
    head_sha: String,
    check_suite: u64,
    path: String,
    name: String,
    event: String,
    created: Moment,
    updated: Moment,
    status: String,
    conclusion: Option<String>,
    /// The task's place in the world's list.
    task: Option<usize>,
    on_cancel: OnCancel,
    cancel_lag: Duration,
    /// When a cancelled run ends.
    pub(crate) ends: Option<Moment>,
    cancels: usize,
    force_cancels: usize,
}

impl Run {
    fn is_live(&self) -> bool {
        self.status != "completed"
    }

    fn end(&mut self, conclusion: &str, at: Moment) {
        "completed".clone_into(&mut self.status);
        self.conclusion = Some(conclusion.to_owned());
        self.updated = at;
        self.ends = None;
    }
}

impl World {
    pub(crate) fn add_run(&mut self, new: ExistingRun, now: Moment) -> u64 {
        let id = FIRST_RUN_ID + 13 * self.runs_made;
        self.runs_made += 1;
        let created = now.minus(self.settings.scaled(new.age));
        let task = new.task.and_then(|id| self.tasks.iter().position(|task| task.id == id));
        let repository = key(&new.repository);
        let pull = self.pulls.iter().rev().find(|pull| pull.repository == repository && pull.head == new.branch);
        self.runs.push(Run {
            id,
            repository,
            head_sha: pull.map_or_else(|| sha(&new.branch), Pull::head_sha),
            check_suite: id + 22_000_000_000,
            branch: new.branch,
            path: new.path,
            name: new.name,
            event: new.event,
            created,
            updated: created,
            status: new.status,
            conclusion: new.conclusion,
            task,
            on_cancel: new.on_cancel,
            cancel_lag: new.cancel_lag,
            ends: None,
            cancels: 0,
            force_cancels: 0,
        });
        id
    }

    /// Ends a run, and leaves its task as it is.
    pub(crate) fn end_run(&mut self, id: u64, conclusion: &str, now: Moment) {
        if let Some(run) = self.runs.iter_mut().find(|run| run.id == id) {
            run.end(conclusion, now);
        }
    }

    /// Begins and ends the runs of a task, after something happened to it.
    pub(crate) fn follow_task(&mut self, index: usize, at: Moment) {
        let Some(task) = self.tasks.get(index) else {
            return;
        };
        if task.state != "in_progress" {
            let state = task.state.clone();
            if let Some(task) = self.tasks.get_mut(index) {
                task.has_run = false;
            }
            // A session that waits has no run: the next one begins when it continues.
            let conclusion = match state.as_str() {
                "queued" => return,
                "failed" => "failure",
                "cancelled" => "cancelled",
                "timed_out" => "timed_out",
                _ => "success",
            };
            for run in self.runs.iter_mut().filter(|run| run.task == Some(index) && run.is_live()) {
                run.end(conclusion, at);
            }
            return;
        }
        let live = self.runs.iter().any(|run| run.task == Some(index) && run.is_live());
        let settings = self.run_settings(&task.repository);
        if !task.branch_made || live || task.has_run || !settings.exist {
            return;
        }
        let first = !self.runs.iter().any(|run| run.task == Some(index));
        let new = ExistingRun {
            repository: task.repository.clone(),
            name: if first { "Running Copilot cloud agent" } else { "Addressing comment on PR #12" }.to_owned(),
            age: Duration::ZERO,
            on_cancel: settings.on_cancel,
            cancel_lag: settings.cancel_lag,
            task: Some(task.id.clone()),
            ..ExistingRun::agent(task.head.clone())
        };
        self.add_run(new, at);
        if let Some(task) = self.tasks.get_mut(index) {
            task.has_run = true;
        }
    }

    fn run_settings(&self, repository: &str) -> RunSettings {
        let own = self.repositories.get(repository).and_then(|record| record.spec.runs.clone());
        own.unwrap_or_else(|| self.settings.runs.clone())
    }

    /// Ends a run that was cancelled, and with the last one its task.
    pub(crate) fn end_cancelled(&mut self, index: usize, at: Moment) {
        let Some(run) = self.runs.get_mut(index) else {
            return;
        };
        run.end("cancelled", at);
        let Some(task) = run.task else {
            return;
        };
        if self.runs.iter().any(|run| run.task == Some(task) && run.is_live()) {
            return;
        }
        let Some(repository) = self.tasks.get(task).map(|task| task.repository.clone()) else {
            return;
        };
        let state = self.run_settings(&repository).task_after_cancel;
        if let Some(task) = self.tasks.get_mut(task)
            && !is_terminal(&task.state)
        {
            task.timeline.clear();
            if let Some(state) = state {
                task.enter(&state, at);
            }
        }
    }

    pub(crate) fn run_views(&self) -> Vec<RunView> {
        self.runs
            .iter()
            .map(|run| RunView {
                id: run.id,
                repository: self.name_of(&run.repository),
                branch: run.branch.clone(),
                path: run.path.clone(),
                status: run.status.clone(),
                conclusion: run.conclusion.clone(),
                cancels: run.cancels,
                force_cancels: run.force_cancels,
                task: run.task.and_then(|task| self.tasks.get(task)).map(|task| task.id.clone()),
            })
            .collect()
    }

    /// The runs of a repository: those that were added, and those that the suites of its pull requests belong to.
    fn runs_in(&self, record: &RepositoryRecord, now: Moment) -> Vec<Run> {
        let repository = key(&record.name);
        let pulls = self.pulls.iter().filter(|pull| pull.repository == repository);
        let of_suite = |suite: SuiteOf<'_>| {
            let workflow = suite.suite.workflow.as_ref()?;
            let state = self.suite_state(suite, now);
            Some(Run {
                id: suite_run_id(suite),
                repository: repository.clone(),
                branch: suite.pull.head.clone(),
                head_sha: suite.pull.head_sha(),
                check_suite: suite.id,
                path: format!(".github/workflows/{}.yml", workflow.to_lowercase()),
                name: workflow.clone(),
                event: "pull_request".to_owned(),
                created: suite.pull.pushed,
                updated: state.completed.unwrap_or(suite.pull.pushed),
                status: state.status.to_owned(),
                conclusion: state.conclusion,
                task: None,
                on_cancel: OnCancel::Refused,
                cancel_lag: Duration::ZERO,
                ends: None,
                cancels: 0,
                force_cancels: 0,
            })
        };
        let of_suites = pulls.flat_map(|pull| self.suites_of(pull)).filter_map(of_suite);
        self.runs.iter().filter(|run| run.repository == repository).cloned().chain(of_suites).collect()
    }

    pub(crate) fn list_runs(&self, now: Moment, record: &RepositoryRecord, request: &Request) -> Answer {
        let is = |name: &str, value: &str| request.parameter(name).is_none_or(|wanted| wanted == value);
        let mut found: Vec<Run> = self
            .runs_in(record, now)
            .into_iter()
            .filter(|run| is("branch", &run.branch) && is("event", &run.event))
            .filter(|run| is("status", &run.status) || run.conclusion.as_deref().is_some_and(|it| is("status", it)))
            .filter(|run| is("head_sha", &run.head_sha) && is("check_suite_id", &run.check_suite.to_string()))
            .filter(|run| is("actor", actor_of(run).0))
            .collect();
        found.sort_by_key(|run| std::cmp::Reverse((run.created, run.id)));
        let total = found.len();
        found.truncate(MAX_RUNS);
        let page = Page::of(request);
        let shown: Vec<Value> = page.cut(found).iter().map(|run| self.show_run(run, record, &request.base)).collect();
        page.answer(request, total.min(MAX_RUNS), &json!({"total_count": total, "workflow_runs": shown}))
    }

    pub(crate) fn get_run(&self, now: Moment, record: &RepositoryRecord, id: &str, request: &Request) -> Answer {
        match self.runs_in(record, now).iter().find(|run| run.id.to_string() == id) {
            Some(run) => Answer::json(200, &self.show_run(run, record, &request.base)),
            None => Answer::not_found(),
        }
    }

    pub(crate) fn cancel_run(&mut self, now: Moment, record: &RepositoryRecord, id: &str, force: bool) -> Answer {
        let repository = key(&record.name);
        let settings = &self.settings;
        let Some(run) = self.runs.iter_mut().find(|run| run.repository == repository && run.id.to_string() == id)
        else {
            return Answer::not_found();
        };
        *(if force { &mut run.force_cancels } else { &mut run.cancels }) += 1;
        if !run.is_live() {
            return Answer::error(409, "Cannot cancel a workflow run that is completed.");
        }
        let ends = match run.on_cancel {
            OnCancel::Refused => {
                return Answer::error(409, "Cannot cancel a workflow run that has not been queued yet.");
            }
            OnCancel::Ends => true,
            OnCancel::NeedsForce => force,
            OnCancel::GoesOn => false,
        };
        if ends && run.ends.is_none() {
            run.ends = Some(now.plus(settings.scaled(run.cancel_lag)));
        }
        Answer::json(202, &json!({}))
    }

    fn show_run(&self, run: &Run, record: &RepositoryRecord, base: &str) -> Value {
        let id = run.id;
        let api = format!("{base}/repos/{}", record.name);
        let url = format!("{api}/actions/runs/{id}");
        let created = self.clock.rfc3339(run.created);
        let workflow = run.path.bytes().fold(1, |id: u64, byte| id * 31 % 100_000_007 + u64::from(byte));
        let suite = run.check_suite;
        let (login, kind) = actor_of(run);
        let actor = show_user(base, login, COPILOT, kind);
        let repository = show_repository(record, base);
        let mut shown = json!({
            "id": id,
            "name": run.name,
            "node_id": node_id("WFR", record.id, id),
            "check_suite_id": suite,
            "check_suite_node_id": node_id("CS", record.id, suite),
            "head_branch": run.branch,
            "head_sha": run.head_sha,
            "path": run.path,
            "run_number": id % 1000 + 1,
            "run_attempt": 1,
            "referenced_workflows": [],
            "event": run.event,
            "status": run.status,
            "conclusion": run.conclusion,
            "workflow_id": workflow,
            "url": url,
            "html_url": format!("https://github.com/{}/actions/runs/{id}", record.name),
            "pull_requests": [],
            "created_at": created,
            "updated_at": self.clock.rfc3339(run.updated),
            "run_started_at": created,
            "actor": actor,
            "triggering_actor": actor,
            "previous_attempt_url": Value::Null,
            "workflow_url": format!("{api}/actions/workflows/{workflow}"),
            "check_suite_url": format!("{api}/check-suites/{suite}"),
            "head_commit": show_head_commit(&run.head_sha, &created),
            "repository": repository,
            "head_repository": repository,
            "display_title": run.name,
        });
        for name in ["jobs", "logs", "artifacts", "cancel", "rerun"] {
            shown[format!("{name}_url")] = format!("{url}/{name}").into();
        }
        shown
    }
}

/// Who triggered a run, and what kind of account that is.
fn actor_of(run: &Run) -> (&'static str, &'static str) {
    if run.event == "dynamic" { ("Copilot", "Bot") } else { ("octocat", "User") }
}
