//! The contents of a pull request: its size, its files, and the checks of its head commit.

use serde::Deserialize;
use serde_json::Value;

use crate::github::error::{CHECK_REMEDIES, Error, PULL_REMEDIES, field_error};
use crate::github::repository::Repository;

/// How many files, checks and workflows of one pull request a query asks for, the most that GitHub gives,
/// <https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api#node-limit>.
const MAX_LISTED: usize = 100;

/// What is asked about pull requests besides their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContentQuery {
    /// Whether their files are asked for.
    pub files: bool,
    /// Whether the checks of their head commits are asked for.
    pub checks: bool,
}

/// The contents of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullContent {
    /// The head commit.
    pub head_sha: String,
    /// How many files it changes.
    pub changed_files: u64,
    /// How many lines it adds and deletes.
    pub changed_lines: u64,
    /// Its files. Absent if they were not asked for, where there are more than GraphQL lists, or where one was
    /// renamed, because GraphQL lacks its old path.
    pub files: Option<Vec<ChangedFile>>,
    /// The checks of the head commit; absent if they were not asked for.
    pub checks: Option<Result<CommitChecks, Error>>,
}

/// A file that a pull request changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFile {
    /// The path. Of a deleted file it is the one that it had.
    pub path: String,
    /// The path before, of a renamed file.
    pub old_path: Option<String>,
    /// Whether it was deleted.
    pub is_deleted: bool,
}

/// A file in the answers of the REST API, <https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files>.
#[derive(Debug, Deserialize)]
pub struct RestFile {
    filename: String,
    status: String,
    previous_filename: Option<String>,
}

impl TryFrom<RestFile> for ChangedFile {
    type Error = Error;

    fn try_from(file: RestFile) -> Result<Self, Error> {
        let is_renamed = file.status == "renamed";
        if is_renamed && file.previous_filename.is_none() {
            return Err(Error::Malformed { why: format!("it lacks the old path of {}", file.filename) });
        }
        Ok(Self {
            path: file.filename,
            old_path: file.previous_filename.filter(|_| is_renamed),
            is_deleted: file.status == "removed",
        })
    }
}

/// How a check fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckResult {
    /// It ended well.
    Success,
    /// It has not ended.
    Pending,
    /// It waits for a person.
    ActionRequired,
    /// It did not end well.
    Failure,
}

impl CheckResult {
    /// The result that a state or a conclusion means. A word that is not known has not ended well.
    pub(super) fn of(word: &str) -> Self {
        match word {
            "SUCCESS" | "NEUTRAL" | "SKIPPED" => Self::Success,
            "ACTION_REQUIRED" => Self::ActionRequired,
            "FAILURE" | "ERROR" | "TIMED_OUT" | "CANCELLED" | "STARTUP_FAILURE" | "STALE" => Self::Failure,
            _ => Self::Pending,
        }
    }
}

/// A check: a check run, a commit status, or a workflow that has no check run yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCheck {
    /// Its name.
    pub name: String,
    /// How it fares.
    pub result: CheckResult,
    /// The workflow run's page, of a workflow.
    pub run: Option<String>,
}

/// The checks of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommitChecks {
    /// How many there are of each result.
    pub counts: Vec<(CheckResult, u64)>,
    /// Those that GitHub lists.
    pub listed: Vec<NamedCheck>,
}

impl CommitChecks {
    /// How many there are with this result.
    pub fn count(&self, result: CheckResult) -> u64 {
        self.counts.iter().filter(|(it, _)| *it == result).map(|(_, count)| count).sum()
    }
}

impl ContentQuery {
    /// The query about these pull requests.
    pub(super) fn text(self, pulls: &[(Repository, u64)]) -> String {
        let text = |text: &str| Value::from(text).to_string();
        let asked = pulls.iter().enumerate().map(|(at, (repository, number))| {
            let (owner, name) = (text(repository.owner()), text(repository.name()));
            format!(
                "p{at}: repository(owner: {owner}, name: {name}) {{ pullRequest(number: {number}) {{ ...content }} }} "
            )
        });
        let asked = asked.collect::<String>();
        let files = if self.files {
            format!("files(first: {MAX_LISTED}) {{ nodes {{ path changeType }} }}")
        } else {
            String::new()
        };
        let checks = if self.checks {
            format!(
                "commits(last: 1) {{ nodes {{ commit {{ oid statusCheckRollup {{ contexts(first: {MAX_LISTED}) {{ \
                 checkRunCountsByState {{ state count }} statusContextCountsByState {{ state count }} nodes {{ \
                 ... on CheckRun {{ name status conclusion }} ... on StatusContext {{ context state }} }} }} }} \
                 checkSuites(first: {MAX_LISTED}) {{ totalCount nodes {{ status conclusion workflowRun {{ url workflow \
                 {{ name }} }} }} }} }} }} }}"
            )
        } else {
            String::new()
        };
        format!(
            "query {{ {asked}}} fragment content on PullRequest {{ headRefOid changedFiles additions deletions {files} \
             {checks} }}"
        )
    }

    /// What an answer says about the pull request at this place of the query. A field that is null with an error beside
    /// it was denied, and one that is null without an error is absent.
    pub(super) fn read(self, body: &Value, at: usize) -> Result<PullContent, Error> {
        let alias = format!("p{at}");
        let pull = &body["data"][&alias]["pullRequest"];
        let errors = body["errors"].as_array().into_iter().flatten().filter(|error| error["path"][0] == alias.as_str());
        let is_about_checks =
            |error: &&Value| error["path"].as_array().is_some_and(|path| path.contains(&"commits".into()));
        let (of_checks, others): (Vec<_>, Vec<_>) = errors.partition(is_about_checks);
        if let Some(error) = others.first() {
            return Err(field_error(error, PULL_REMEDIES));
        }
        let number = |name: &str| pull[name].as_u64().ok_or_else(|| malformed(name));
        let head_sha = pull["headRefOid"].as_str().ok_or_else(|| malformed("headRefOid"))?;
        let checks = self.checks.then(|| match of_checks.first() {
            Some(error) => Err(field_error(error, CHECK_REMEDIES)),
            None => read_checks(&pull["commits"]["nodes"][0]["commit"], head_sha),
        });
        let changed_files = number("changedFiles")?;
        Ok(PullContent {
            head_sha: head_sha.to_owned(),
            changed_files,
            changed_lines: number("additions")? + number("deletions")?,
            files: read_files(&pull["files"]["nodes"]).filter(|files| files.len() as u64 == changed_files),
            checks,
        })
    }
}

fn malformed(name: &str) -> Error {
    Error::Malformed { why: format!("the pull request has no `{name}`") }
}

fn read_files(nodes: &Value) -> Option<Vec<ChangedFile>> {
    let files = nodes.as_array()?.iter().map(|file| match file["changeType"].as_str()? {
        "RENAMED" => None,
        kind => {
            let path = file["path"].as_str()?.to_owned();
            Some(ChangedFile { path, old_path: None, is_deleted: kind == "DELETED" })
        }
    });
    files.collect()
}

fn read_checks(commit: &Value, head_sha: &str) -> Result<CommitChecks, Error> {
    if commit["oid"] != head_sha {
        return Err(Error::Malformed { why: "its last commit is not its head commit".to_owned() });
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut checks = CommitChecks::default();
    // Null without an error: there is neither a check run nor a status.
    let contexts = &commit["statusCheckRollup"]["contexts"];
    for counts in ["checkRunCountsByState", "statusContextCountsByState"] {
        for count in contexts[counts].as_array().into_iter().flatten() {
            let number = count["count"].as_u64().ok_or_else(|| malformed("count"))?;
            checks.counts.push((CheckResult::of(&text(&count["state"])), number));
        }
    }
    for context in contexts["nodes"].as_array().into_iter().flatten() {
        let name = context["name"].as_str().or(context["context"].as_str()).unwrap_or_default().to_owned();
        let state = [&context["conclusion"], &context["state"], &context["status"]].into_iter().find_map(Value::as_str);
        checks.listed.push(NamedCheck { name, result: CheckResult::of(state.unwrap_or_default()), run: None });
    }
    let suites = &commit["checkSuites"];
    let nodes = suites["nodes"].as_array().ok_or_else(|| malformed("checkSuites"))?;
    if suites["totalCount"].as_u64().is_none_or(|total| total > nodes.len() as u64) {
        return Err(Error::Unfit { why: format!("GitHub lists only {} of its check suites", nodes.len()) });
    }
    for suite in nodes {
        // The suite of an app without anything to say stays queued for ever.
        let workflow = &suite["workflowRun"];
        let result = match suite["conclusion"].as_str() {
            Some("ACTION_REQUIRED") => CheckResult::ActionRequired,
            // A workflow that cannot start, or has not started, has no check run that would say so.
            Some("STARTUP_FAILURE") => CheckResult::Failure,
            None if !workflow.is_null() => CheckResult::Pending,
            _ => continue,
        };
        let name = workflow["workflow"]["name"].as_str().unwrap_or("a workflow").to_owned();
        checks.counts.push((result, 1));
        checks.listed.push(NamedCheck { name, result, run: workflow["url"].as_str().map(str::to_owned) });
    }
    Ok(checks)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const QUERY: ContentQuery = ContentQuery { files: true, checks: true };

    fn body(commit: &Value, files: &Value, errors: &Value) -> Value {
        json!({"data": {"p0": {"pullRequest": {"headRefOid": "abc", "changedFiles": 2, "additions": 3, "deletions": 4,
            "files": {"nodes": files}, "commits": {"nodes": [{"commit": commit}]}}}}, "errors": errors})
    }

    fn commit(contexts: &Value, suites: &Value) -> Value {
        let count = suites.as_array().unwrap().len();
        let rollup = if contexts.is_null() { Value::Null } else { json!({"contexts": contexts}) };
        json!({"oid": "abc", "statusCheckRollup": rollup, "checkSuites": {"totalCount": count, "nodes": suites}})
    }

    fn checks(contexts: &Value, suites: &Value) -> CommitChecks {
        QUERY.read(&body(&commit(contexts, suites), &json!([]), &json!([])), 0).unwrap().checks.unwrap().unwrap()
    }

    #[test]
    fn content_has_files_only_where_graphql_shows_all() {
        let files = |files: &Value| QUERY.read(&body(&json!({}), files, &json!([])), 0).unwrap().files;
        let one = json!({"path": "a", "changeType": "DELETED"});
        let both = files(&json!([one, {"path": "b", "changeType": "ADDED"}])).unwrap();
        assert_eq!(both.iter().map(|file| file.is_deleted).collect::<Vec<_>>(), [true, false]);
        assert_eq!(files(&json!([one])), None, "there are two");
        assert_eq!(files(&json!([one, {"path": "b", "changeType": "RENAMED"}])), None);
    }

    #[test]
    fn checks_count_all_and_name_the_listed() {
        let contexts = json!({"checkRunCountsByState": [{"state": "SUCCESS", "count": 140}, {"state": "FAILURE", "count": 1}],
            "statusContextCountsByState": [{"state": "PENDING", "count": 1}, {"state": "ERROR", "count": 1}],
            "nodes": [{"name": "lint", "status": "COMPLETED", "conclusion": "FAILURE"}, {"context": "ci/x", "state": "PENDING"},
                {"name": "build", "status": "QUEUED", "conclusion": null}]});
        let found = checks(&contexts, &json!([]));
        assert_eq!((found.count(CheckResult::Success), found.count(CheckResult::Failure)), (140, 2));
        let listed = found.listed.iter().map(|it| (it.name.as_str(), it.result)).collect::<Vec<_>>();
        let (failure, pending) = (CheckResult::Failure, CheckResult::Pending);
        assert_eq!(listed, [("lint", failure), ("ci/x", pending), ("build", pending)]);
    }

    #[test]
    fn checks_of_workflows_without_runs_count() {
        let run = json!({"url": "https://github.com/o/r/actions/runs/1", "workflow": {"name": "CI"}});
        for (suite, result) in [
            (
                json!({"status": "COMPLETED", "conclusion": "ACTION_REQUIRED", "workflowRun": run}),
                Some(CheckResult::ActionRequired),
            ),
            (
                json!({"status": "COMPLETED", "conclusion": "STARTUP_FAILURE", "workflowRun": run}),
                Some(CheckResult::Failure),
            ),
            (json!({"status": "QUEUED", "conclusion": null, "workflowRun": run}), Some(CheckResult::Pending)),
            (json!({"status": "QUEUED", "conclusion": null, "workflowRun": null}), None),
            (json!({"status": "COMPLETED", "conclusion": "SUCCESS", "workflowRun": run}), None),
        ] {
            let found = checks(&Value::Null, &json!([suite]));
            assert_eq!(found.listed.first().map(|it| it.result), result, "{suite}");
        }
    }

    #[test]
    fn denied_field_is_not_an_absent_one() {
        let forbidden = |path: Value| json!([{"type": "FORBIDDEN", "message": "no", "path": path}]);
        let rollup = forbidden(json!(["p0", "pullRequest", "commits", "nodes", 0, "commit", "statusCheckRollup"]));
        let denied = QUERY.read(&body(&commit(&Value::Null, &json!([])), &json!([]), &rollup), 0).unwrap();
        assert!(matches!(denied.checks, Some(Err(Error::MissingPermission { .. }))), "{denied:?}");
        let pull = forbidden(json!(["p0", "pullRequest"]));
        assert!(matches!(
            QUERY.read(&json!({"data": {"p0": null}, "errors": pull}), 0),
            Err(Error::MissingPermission { .. })
        ));
        let other = forbidden(json!(["p1", "pullRequest"]));
        assert!(QUERY.read(&body(&commit(&Value::Null, &json!([])), &json!([]), &other), 0).is_ok());
        assert!(QUERY.read(&json!({"data": {"p0": null}}), 0).unwrap_err().may_pass());
    }
}
