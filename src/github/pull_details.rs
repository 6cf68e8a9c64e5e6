//! What a follow-up needs to know of a pull request: whether it can be continued, and what it says.

use jiff::Timestamp;
use serde_json::Value;

use crate::github::error::{CHECK_REMEDIES, Error, FOLLOW_UP_REMEDIES, field_error};
use crate::github::pull_content::CheckResult;

/// The question. It asks for a hundred checks, the most that GitHub gives at a time.
pub(super) const QUERY: &str = "query($owner: String!, $name: String!, $number: Int!) { \
    repository(owner: $owner, name: $name) { pullRequest(number: $number) { \
    title body url state isCrossRepository headRefName headRefOid baseRefName createdAt \
    commits(last: 1) { nodes { commit { statusCheckRollup { contexts(first: 100) { nodes { \
    ... on CheckRun { name conclusion detailsUrl } ... on StatusContext { context state targetUrl } \
    } } } } } } } } }";

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullDetails {
    /// The title.
    pub title: String,
    /// The description.
    pub body: String,
    /// Its page.
    pub url: String,
    /// Whether it is open.
    pub is_open: bool,
    /// Whether its branch is in another repository.
    pub is_from_fork: bool,
    /// The branch with the changes.
    pub head_ref: String,
    /// The newest commit of that branch.
    pub head_sha: String,
    /// The branch that it is to be merged into.
    pub base_ref: String,
    /// When it was opened.
    pub created_at: Timestamp,
    /// The checks of the newest commit that did not end well, up to a hundred of all.
    pub failed_checks: Result<Vec<FailedCheck>, Error>,
}

/// A check run or a commit status that did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCheck {
    /// Its name.
    pub name: String,
    /// The page with its log; empty if there is none.
    pub url: String,
    /// How it ended, in lower case.
    pub conclusion: String,
}

/// What an answer to [`QUERY`] says.
///
/// # Errors
/// If the pull request is not there or may not be read. Checks that may not be read are an error of their own.
pub(super) fn read(body: &Value) -> Result<PullDetails, Error> {
    let pull = &body["data"]["repository"]["pullRequest"];
    let errors = body["errors"].as_array().into_iter().flatten();
    let is_about_checks =
        |error: &&Value| error["path"].as_array().is_some_and(|path| path.contains(&"commits".into()));
    let (of_checks, others): (Vec<_>, Vec<_>) = errors.partition(is_about_checks);
    if let Some(error) = others.first() {
        return Err(field_error(error, FOLLOW_UP_REMEDIES));
    }
    let lacks = |name: &str| Error::Malformed { why: format!("the pull request has no `{name}`") };
    let text = |name: &str| pull[name].as_str().map(str::to_owned).ok_or_else(|| lacks(name));
    let contexts = &pull["commits"]["nodes"][0]["commit"]["statusCheckRollup"]["contexts"]["nodes"];
    let failed_checks = match of_checks.first() {
        Some(error) => Err(field_error(error, CHECK_REMEDIES)),
        // Null without an error: there is no check.
        None => Ok(contexts.as_array().into_iter().flatten().filter_map(failed_check).collect()),
    };
    Ok(PullDetails {
        title: text("title")?,
        body: text("body")?,
        url: text("url")?,
        is_open: text("state")? == "OPEN",
        is_from_fork: pull["isCrossRepository"].as_bool().ok_or_else(|| lacks("isCrossRepository"))?,
        head_ref: text("headRefName")?,
        head_sha: text("headRefOid")?,
        base_ref: text("baseRefName")?,
        created_at: text("createdAt")?.parse().map_err(|_| lacks("createdAt"))?,
        failed_checks,
    })
}

fn failed_check(context: &Value) -> Option<FailedCheck> {
    let first = |names: [&str; 2]| names.into_iter().find_map(|name| context[name].as_str());
    let conclusion = first(["conclusion", "state"]).filter(|word| CheckResult::of(word) == CheckResult::Failure)?;
    Some(FailedCheck {
        name: first(["name", "context"])?.to_owned(),
        url: first(["detailsUrl", "targetUrl"]).unwrap_or_default().to_owned(),
        conclusion: conclusion.to_ascii_lowercase(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(contexts: &Value, errors: &Value) -> Value {
        let rollup = json!({"contexts": {"nodes": contexts}});
        json!({"data": {"repository": {"pullRequest": {"title": "Fix", "body": "", "url": "https://github.com/o/r/pull/7",
            "state": "OPEN", "isCrossRepository": false, "headRefName": "copilot/x", "headRefOid": "abc",
            "baseRefName": "main", "createdAt": "2026-11-20T08:00:00Z",
            "commits": {"nodes": [{"commit": {"statusCheckRollup": rollup}}]}}}}, "errors": errors})
    }

    #[test]
    fn details_name_the_checks_that_failed() {
        let contexts = json!([
            {"name": "build", "conclusion": "FAILURE", "detailsUrl": "https://github.com/o/r/runs/1"},
            {"name": "lint", "conclusion": "SUCCESS", "detailsUrl": "https://github.com/o/r/runs/2"},
            {"name": "slow", "conclusion": null, "detailsUrl": null},
            {"context": "ci/x", "state": "ERROR", "targetUrl": null},
        ]);
        let details = read(&body(&contexts, &json!([]))).unwrap();
        let failed = details.failed_checks.unwrap();
        let failed = failed.iter().map(|it| (it.name.as_str(), it.conclusion.as_str())).collect::<Vec<_>>();
        assert_eq!(failed, [("build", "failure"), ("ci/x", "error")]);
        assert_eq!(read(&body(&Value::Null, &json!([]))).unwrap().failed_checks, Ok(Vec::new()));
    }

    #[test]
    fn denied_checks_leave_the_rest_readable() {
        let error = |path: Value| json!([{"type": "FORBIDDEN", "message": "no", "path": path}]);
        let of_checks =
            error(json!(["repository", "pullRequest", "commits", "nodes", 0, "commit", "statusCheckRollup"]));
        let details = read(&body(&Value::Null, &of_checks)).unwrap();
        assert!(matches!(details.failed_checks, Err(Error::MissingPermission { .. })), "{details:?}");
        let of_pull = error(json!(["repository", "pullRequest"]));
        assert!(matches!(read(&body(&Value::Null, &of_pull)), Err(Error::MissingPermission { .. })));
        assert!(read(&json!({"data": {"repository": null}})).unwrap_err().may_pass());
    }
}
