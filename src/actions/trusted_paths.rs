//! The texts of an event that no outsider can write.

use crate::actions::context::PROPERTIES;

/// What no outsider can write in the `github` context. GitHub lists
/// [`title`, `body` and a few more](https://docs.github.com/en/actions/concepts/security/script-injections) that an
/// outsider typically can write. This list has what is trusted, so that an unknown text of an event is not: names,
/// times, hashes and addresses that GitHub makes, words from a short list of GitHub's, and what takes write access.
/// Numbers and booleans are never fenced.
///
/// A branch or a tag of the repository itself takes write access; the head of a pull request does not.
pub const TRUSTED: [&str; 74] = [
    "event.action",
    "event.after",
    "event.before",
    "event.check_run.conclusion",
    "event.check_run.head_sha",
    "event.check_run.html_url",
    "event.check_run.status",
    "event.check_suite.conclusion",
    "event.check_suite.head_sha",
    "event.check_suite.status",
    // A dispatch takes write access. Where its sender took the values from is unknown.
    "event.client_payload",
    "event.comment.author_association",
    "event.comment.commit_id",
    "event.comment.created_at",
    "event.comment.html_url",
    "event.comment.updated_at",
    "event.comment.user.login",
    "event.discussion.author_association",
    "event.discussion.created_at",
    "event.discussion.html_url",
    "event.discussion.state",
    "event.discussion.updated_at",
    "event.discussion.user.login",
    "event.enterprise",
    "event.head_commit.id",
    "event.head_commit.timestamp",
    "event.inputs",
    "event.issue.author_association",
    "event.issue.closed_at",
    "event.issue.created_at",
    "event.issue.html_url",
    "event.issue.state",
    "event.issue.state_reason",
    "event.issue.updated_at",
    "event.issue.user.login",
    "event.organization",
    "event.pull_request.author_association",
    "event.pull_request.base.ref",
    "event.pull_request.base.sha",
    "event.pull_request.closed_at",
    "event.pull_request.created_at",
    "event.pull_request.head.sha",
    "event.pull_request.html_url",
    "event.pull_request.merge_commit_sha",
    "event.pull_request.merged_at",
    "event.pull_request.state",
    "event.pull_request.updated_at",
    "event.pull_request.user.login",
    "event.release.author.login",
    "event.release.created_at",
    "event.release.html_url",
    "event.release.published_at",
    "event.release.tag_name",
    "event.release.target_commitish",
    // Its administrators write its name, its description and its default branch.
    "event.repository",
    "event.review.author_association",
    "event.review.commit_id",
    "event.review.html_url",
    "event.review.state",
    "event.review.submitted_at",
    "event.review.user.login",
    "event.schedule",
    "event.sender.login",
    "event.sender.type",
    "event.workflow_run.actor.login",
    "event.workflow_run.conclusion",
    "event.workflow_run.created_at",
    "event.workflow_run.event",
    "event.workflow_run.head_sha",
    "event.workflow_run.html_url",
    "event.workflow_run.run_started_at",
    "event.workflow_run.status",
    "event.workflow_run.triggering_actor.login",
    "event.workflow_run.updated_at",
];

/// Whether no outsider can write the value at a path of the `github` context, or anything below it.
pub fn is_trusted(path: &[&str]) -> bool {
    match path {
        [] | ["event" | "head_ref"] => false,
        ["event", ..] => TRUSTED.iter().any(|trusted| {
            let trusted = trusted.split('.').collect::<Vec<_>>();
            path.starts_with(&trusted)
        }),
        [property, ..] => PROPERTIES.contains(property) && *property != "head_ref",
    }
}
