//! Check runs, check suites and commit statuses of a commit.

use std::time::Duration;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::clock::Moment;
use crate::page::Page;
use crate::pull::{Pull, node_id};
use crate::pull_content::{CheckRun, CheckSuite, CommitStatus};
use crate::repos::show_repository;
use crate::request::Request;
use crate::user::show_user;
use crate::world::{RepositoryRecord, World, key};

/// Where the ids of suites, check runs and statuses begin. Each pull request has a thousand of each.
const FIRST_SUITE_ID: u64 = 41_200_000_000;
const FIRST_CHECK_ID: u64 = 58_300_000_000;
const FIRST_STATUS_ID: u64 = 36_400_000_000;
/// More than any real number of check runs in a suite.
const CHECKS_PER_SUITE: u64 = 100;

/// A check run or a check suite as it is now.
#[derive(Clone, Debug)]
pub(crate) struct CheckState {
    /// `queued`, `in_progress` or `completed`.
    pub(crate) status: &'static str,
    pub(crate) conclusion: Option<String>,
    pub(crate) started: Option<Moment>,
    pub(crate) completed: Option<Moment>,
}

impl CheckState {
    fn queued() -> CheckState {
        CheckState { status: "queued", conclusion: None, started: None, completed: None }
    }
}

/// A suite of a pull request's head commit, and its place among them.
#[derive(Clone, Copy)]
pub(crate) struct SuiteOf<'a> {
    pub(crate) pull: &'a Pull,
    pub(crate) suite: &'a CheckSuite,
    pub(crate) id: u64,
}

/// A check run that exists by now.
#[derive(Clone)]
pub(crate) struct CheckOf<'a> {
    pub(crate) suite: SuiteOf<'a>,
    pub(crate) run: &'a CheckRun,
    pub(crate) id: u64,
    pub(crate) state: CheckState,
}

impl World {
    /// The newest pull request whose head commit a reference means.
    fn pull_at(&self, record: &RepositoryRecord, reference: &str) -> Option<&Pull> {
        let branch = reference.strip_prefix("heads/").unwrap_or(reference);
        let here = self.pulls.iter().filter(|pull| pull.repository == key(&record.name));
        here.rev().find(|pull| pull.head_sha() == reference || pull.head == branch)
    }

    /// Whether a repository has the commit, branch or tag.
    fn has_commit(&self, record: &RepositoryRecord, reference: &str) -> bool {
        self.pull_at(record, reference).is_some() || record.spec.reference(Some(reference)).is_some()
    }

    pub(crate) fn suites_of<'a>(&self, pull: &'a Pull) -> Vec<SuiteOf<'a>> {
        let ids = (FIRST_SUITE_ID + 1000 * pull.ordinal)..;
        pull.content.suites.iter().zip(ids).map(|(suite, id)| SuiteOf { pull, suite, id }).collect()
    }

    /// The check runs that exist by now: those of a workflow that waits for approval do not.
    pub(crate) fn checks_of<'a>(&self, suite: SuiteOf<'a>, now: Moment) -> Vec<CheckOf<'a>> {
        let Some(begins) = suite.suite.begins().map(|span| self.after_push(suite.pull, span)) else {
            return Vec::new();
        };
        if now < begins {
            return Vec::new();
        }
        let ids = (FIRST_CHECK_ID + (suite.id - FIRST_SUITE_ID) * CHECKS_PER_SUITE)..;
        suite
            .suite
            .runs
            .iter()
            .zip(ids)
            .map(|(run, id)| CheckOf { suite, run, id, state: self.check_state(run, begins, now) })
            .collect()
    }

    fn after_push(&self, pull: &Pull, span: Duration) -> Moment {
        pull.pushed.plus(self.settings.scaled(span))
    }

    fn check_state(&self, run: &CheckRun, begins: Moment, now: Moment) -> CheckState {
        let starts = begins.plus(self.settings.scaled(run.starts));
        let ends = run.ends.map(|span| begins.plus(self.settings.scaled(span)).max(starts));
        match ends {
            Some(ends) if ends <= now => CheckState {
                status: "completed",
                conclusion: Some(run.conclusion.clone()),
                started: Some(starts),
                completed: Some(ends),
            },
            _ if starts <= now => {
                CheckState { status: "in_progress", conclusion: None, started: Some(starts), completed: None }
            }
            _ => CheckState::queued(),
        }
    }

    /// A suite's state: the worst of its check runs, once all have ended.
    pub(crate) fn suite_state(&self, suite: SuiteOf<'_>, now: Moment) -> CheckState {
        let waits = suite.suite.begins().is_none_or(|span| now < self.after_push(suite.pull, span));
        if waits {
            return CheckState {
                status: "completed",
                conclusion: Some("action_required".to_owned()),
                started: None,
                completed: Some(suite.pull.pushed),
            };
        }
        let checks = self.checks_of(suite, now);
        let started = checks.iter().filter_map(|check| check.state.started).min();
        if checks.is_empty() || started.is_none() {
            return CheckState::queued();
        }
        let conclusions: Option<Vec<&str>> = checks.iter().map(|check| check.state.conclusion.as_deref()).collect();
        let Some(conclusions) = conclusions else {
            return CheckState { status: "in_progress", conclusion: None, started, completed: None };
        };
        let worst = SUITE_CONCLUSIONS.iter().find(|worst| conclusions.contains(worst)).unwrap_or(&"success");
        let completed = checks.iter().filter_map(|check| check.state.completed).max();
        CheckState { status: "completed", conclusion: Some((*worst).to_owned()), started, completed }
    }

    /// The state of a commit status now.
    pub(crate) fn status_state<'a>(&self, pull: &Pull, status: &'a CommitStatus, now: Moment) -> &'a str {
        match status.ends {
            Some(span) if self.after_push(pull, span) <= now => &status.state,
            _ => "pending",
        }
    }

    pub(crate) fn check_runs(
        &self,
        now: Moment,
        record: &RepositoryRecord,
        reference: &str,
        request: &Request,
    ) -> Answer {
        if !self.has_commit(record, reference) {
            return Answer::invalid(&[format!("No commit found for SHA: {reference}")]);
        }
        let suites = self.pull_at(record, reference).map(|pull| self.suites_of(pull)).unwrap_or_default();
        let name = request.parameter("check_name");
        let status = request.parameter("status");
        let checks: Vec<CheckOf<'_>> = suites
            .into_iter()
            .flat_map(|suite| self.checks_of(suite, now))
            .filter(|check| name.is_none_or(|name| check.run.name == name))
            .filter(|check| status.is_none_or(|status| check.state.status == status))
            .collect();
        let total = checks.len();
        let page = Page::of(request);
        let shown: Vec<Value> =
            page.cut(checks).iter().map(|check| self.show_check_run(check, record, &request.base)).collect();
        page.answer(request, total, &json!({"total_count": total, "check_runs": shown}))
    }

    pub(crate) fn check_suites(
        &self,
        now: Moment,
        record: &RepositoryRecord,
        reference: &str,
        request: &Request,
    ) -> Answer {
        if !self.has_commit(record, reference) {
            return Answer::invalid(&[format!("No commit found for SHA: {reference}")]);
        }
        let suites = self.pull_at(record, reference).map(|pull| self.suites_of(pull)).unwrap_or_default();
        let total = suites.len();
        let page = Page::of(request);
        let shown: Vec<Value> =
            page.cut(suites).into_iter().map(|suite| self.show_suite(suite, now, record, &request.base)).collect();
        page.answer(request, total, &json!({"total_count": total, "check_suites": shown}))
    }

    /// All statuses of a commit in one word. Without any status the word is `pending`,
    /// <https://docs.github.com/en/rest/commits/statuses#get-the-combined-status-for-a-specific-reference>.
    pub(crate) fn combined_status(
        &self,
        now: Moment,
        record: &RepositoryRecord,
        reference: &str,
        request: &Request,
    ) -> Answer {
        if !self.has_commit(record, reference) {
            return Answer::not_found();
        }
        let pull = self.pull_at(record, reference);
        let states: Vec<&str> = pull
            .into_iter()
            .flat_map(|pull| pull.content.statuses.iter().map(|status| self.status_state(pull, status, now)))
            .collect();
        let state = if states.iter().any(|state| ["failure", "error"].contains(state)) {
            "failure"
        } else if states.is_empty() || states.contains(&"pending") {
            "pending"
        } else {
            "success"
        };
        let total = states.len();
        let page = Page::of(request);
        let shown = page.cut(self.show_statuses(pull, now, record, request, false));
        let sha = pull.map_or_else(|| crate::repos::sha(reference), Pull::head_sha);
        let url = format!("{}/repos/{}/commits/{sha}", request.base, record.name);
        let body = json!({
            "state": state,
            "statuses": shown,
            "sha": sha,
            "total_count": total,
            "repository": show_repository(record, &request.base),
            "commit_url": url,
            "url": format!("{url}/status"),
        });
        page.answer(request, total, &body)
    }

    pub(crate) fn statuses(
        &self,
        now: Moment,
        record: &RepositoryRecord,
        reference: &str,
        request: &Request,
    ) -> Answer {
        if !self.has_commit(record, reference) {
            return Answer::not_found();
        }
        let shown = self.show_statuses(self.pull_at(record, reference), now, record, request, true);
        let total = shown.len();
        let page = Page::of(request);
        page.answer(request, total, &Value::Array(page.cut(shown)))
    }

    fn show_statuses(
        &self,
        pull: Option<&Pull>,
        now: Moment,
        record: &RepositoryRecord,
        request: &Request,
        with_creator: bool,
    ) -> Vec<Value> {
        let Some(pull) = pull else {
            return Vec::new();
        };
        let pushed = self.clock.rfc3339(pull.pushed);
        let ids = (FIRST_STATUS_ID + 1000 * pull.ordinal)..;
        let show = |(status, id): (&CommitStatus, u64)| {
            let mut shown = json!({
                "id": id,
                "node_id": node_id("SC", record.id, id),
                "url": format!("{}/repos/{}/statuses/{}", request.base, record.name, pull.head_sha()),
                "avatar_url": "https://avatars.githubusercontent.com/u/7?v=4",
                "state": self.status_state(pull, status, now),
                "context": status.context,
                "description": Value::Null,
                "target_url": format!("https://ci.example.com/builds/{id}"),
                "created_at": pushed,
                "updated_at": pushed,
            });
            if with_creator {
                shown["creator"] = show_user(&request.base, "builder", 7, "User");
            }
            shown
        };
        pull.content.statuses.iter().zip(ids).map(show).collect()
    }

    fn show_check_run(&self, check: &CheckOf<'_>, record: &RepositoryRecord, base: &str) -> Value {
        let date = |at: Option<Moment>| at.map_or(Value::Null, |at| Value::String(self.clock.rfc3339(at)));
        let id = check.id;
        let url = format!("{base}/repos/{}/check-runs/{id}", record.name);
        let page = check_page(&record.name, check);
        json!({
            "id": id,
            "name": check.run.name,
            "node_id": node_id("CR", record.id, id),
            "head_sha": check.suite.pull.head_sha(),
            "external_id": "",
            "url": url,
            "html_url": page,
            "details_url": page,
            "status": check.state.status,
            "conclusion": check.state.conclusion,
            "started_at": date(check.state.started),
            "completed_at": date(check.state.completed),
            "output": {
                "title": Value::Null,
                "summary": Value::Null,
                "text": Value::Null,
                "annotations_count": 0,
                "annotations_url": format!("{url}/annotations"),
            },
            "check_suite": {"id": check.suite.id},
            "app": show_app(&check.suite.suite.app, base),
            "pull_requests": [],
        })
    }

    fn show_suite(&self, suite: SuiteOf<'_>, now: Moment, record: &RepositoryRecord, base: &str) -> Value {
        let state = self.suite_state(suite, now);
        let id = suite.id;
        let sha = suite.pull.head_sha();
        let url = format!("{base}/repos/{}/check-suites/{id}", record.name);
        let pushed = self.clock.rfc3339(suite.pull.pushed);
        json!({
            "id": id,
            "node_id": node_id("CS", record.id, id),
            "head_branch": suite.pull.head,
            "head_sha": sha,
            "status": state.status,
            "conclusion": state.conclusion,
            "url": url,
            "before": Value::Null,
            "after": sha,
            "pull_requests": [],
            "app": show_app(&suite.suite.app, base),
            "repository": show_repository(record, base),
            "created_at": pushed,
            "updated_at": state.completed.or(state.started).map_or(pushed.clone(), |at| self.clock.rfc3339(at)),
            "head_commit": show_head_commit(&sha, &pushed),
            "latest_check_runs_count": self.checks_of(suite, now).len(),
            "check_runs_url": format!("{url}/check-runs"),
            "rerequestable": true,
            "runs_rerequestable": true,
        })
    }
}

/// Conclusions of check runs, worst first.
const SUITE_CONCLUSIONS: [&str; 7] =
    ["failure", "timed_out", "cancelled", "action_required", "neutral", "skipped", "success"];

/// Where a person looks at a check run.
pub(crate) fn check_page(repository: &str, check: &CheckOf<'_>) -> String {
    format!("https://github.com/{repository}/actions/runs/{}/job/{}", suite_run_id(check.suite), check.id)
}

/// The workflow run that a suite belongs to.
pub(crate) fn suite_run_id(suite: SuiteOf<'_>) -> u64 {
    suite.id - 20_000_000_000
}

/// The commit as other objects carry it.
pub(crate) fn show_head_commit(sha: &str, at: &str) -> Value {
    let person = json!({"name": "Mona", "email": "mona@example.com"});
    json!({
        "id": sha,
        "tree_id": crate::repos::sha(sha),
        "message": "Change it",
        "timestamp": at,
        "author": person,
        "committer": person,
    })
}

fn show_app(slug: &str, base: &str) -> Value {
    let id = slug.bytes().fold(1, |id: u64, byte| id * 31 % 1_000_003 + u64::from(byte));
    json!({
        "id": id,
        "slug": slug,
        "node_id": node_id("A", 0, id),
        "client_id": format!("Iv1.{id:016x}"),
        "owner": show_user(base, "github", 9919, "Organization"),
        "name": slug,
        "description": Value::Null,
        "external_url": "https://example.com",
        "html_url": format!("https://github.com/apps/{slug}"),
        "created_at": "2026-01-02T03:04:05Z",
        "updated_at": "2026-01-02T03:04:05Z",
        "permissions": {"checks": "write", "metadata": "read"},
        "events": ["check_suite"],
    })
}
