//! The endpoints of pull requests.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::clock::Moment;
use crate::page::Page;
use crate::pull::{Pull, node_id};
use crate::pull_content::{ChangedFile, CommitContent, Review};
use crate::repos::{COPILOT, sha, show_repository};
use crate::request::Request;
use crate::user::show_user;
use crate::world::{RepositoryRecord, World, key};

impl World {
    fn pull_of(&self, record: &RepositoryRecord, number: &str) -> Option<&Pull> {
        self.pulls.iter().find(|pull| pull.repository == key(&record.name) && pull.number.to_string() == number)
    }

    pub(crate) fn pulls(&self, record: &RepositoryRecord, request: &Request) -> Answer {
        let state = request.parameter("state").unwrap_or("open");
        let base = request.parameter("base");
        let owner = record.owner();
        let head = request.parameter("head").filter(|head| !head.is_empty());
        let mut found: Vec<&Pull> = self
            .pulls
            .iter()
            .filter(|pull| pull.repository == key(&record.name))
            .filter(|pull| state == "all" || (state == "open") == pull.is_open())
            .filter(|pull| base.is_none_or(|base| pull.base == base))
            .filter(|pull| match head {
                // Without the owner in front GitHub takes no notice of the filter.
                Some(head) => head
                    .split_once(':')
                    .is_none_or(|(whose, branch)| whose.eq_ignore_ascii_case(owner) && pull.head == branch),
                None => true,
            })
            .collect();
        if request.parameter("sort") == Some("updated") {
            found.sort_by_key(|pull| pull.updated);
        }
        if request.parameter("direction") != Some("asc") {
            found.reverse();
        }
        let total = found.len();
        let page = Page::of(request);
        let list: Vec<Value> =
            page.cut(found).into_iter().map(|pull| self.show_pull(pull, record, &request.base)).collect();
        page.answer(request, total, &Value::Array(list))
    }

    pub(crate) fn pull(&self, record: &RepositoryRecord, number: &str, request: &Request) -> Answer {
        let Some(pull) = self.pull_of(record, number) else {
            return Answer::not_found();
        };
        let mut shown = self.show_pull(pull, record, &request.base);
        if let Some(fields) = shown.as_object_mut() {
            let more = json!({
                "merged": pull.merged.is_some(),
                "merged_by": pull.merged.map(|_| show_user(&request.base, "mona", 9, "User")),
                "mergeable": pull.content.mergeable,
                "mergeable_state": pull.content.merge_state,
                "rebaseable": pull.content.mergeable,
                "maintainer_can_modify": false,
                "comments": pull.content.comments,
                "review_comments": pull.content.review_comments,
                "commits": pull.content.commits.len(),
                "additions": pull.content.additions(),
                "deletions": pull.content.deletions(),
                "changed_files": pull.content.files.len(),
            });
            if let Value::Object(more) = more {
                fields.extend(more);
            }
        }
        Answer::json(200, &shown)
    }

    fn show_pull(&self, pull: &Pull, record: &RepositoryRecord, base_url: &str) -> Value {
        let date = |at: Moment| Value::String(self.clock.rfc3339(at));
        let owner = record.owner();
        let repository = show_repository(record, base_url);
        let side = |branch: &str, sha: String| {
            json!({
                "label": format!("{owner}:{branch}"),
                "ref": branch,
                "sha": sha,
                "repo": repository,
                "user": repository["owner"],
            })
        };
        let number = pull.number;
        let web = format!("https://github.com/{}/pull/{number}", record.name);
        let url = format!("{base_url}/repos/{}", record.name);
        let mut shown = json!({
            "id": pull.id,
            "node_id": pull.node_id,
            "number": number,
            "state": if pull.is_open() { "open" } else { "closed" },
            "locked": false,
            "draft": pull.draft,
            "title": pull.title,
            "body": (!pull.content.body.is_empty()).then_some(&pull.content.body),
            "user": show_user(base_url, &pull.author, COPILOT, "Bot"),
            "author_association": "CONTRIBUTOR",
            "assignee": Value::Null,
            "assignees": [],
            "labels": [],
            "milestone": Value::Null,
            "auto_merge": Value::Null,
            "created_at": date(pull.opened),
            "updated_at": date(pull.updated),
            "closed_at": pull.closed.map_or(Value::Null, date),
            "merged_at": pull.merged.map_or(Value::Null, date),
            "merge_commit_sha": sha(&web),
            "head": side(&pull.head, pull.head_sha()),
            "base": side(&pull.base, sha(&pull.base)),
            "diff_url": format!("{web}.diff"),
            "patch_url": format!("{web}.patch"),
        });
        for (name, address) in [
            ("self", format!("{url}/pulls/{number}")),
            ("html", web),
            ("issue", format!("{url}/issues/{number}")),
            ("comments", format!("{url}/issues/{number}/comments")),
            ("commits", format!("{url}/pulls/{number}/commits")),
            ("review_comments", format!("{url}/pulls/{number}/comments")),
            ("review_comment", format!("{url}/pulls/comments{{/number}}")),
            ("statuses", format!("{url}/statuses/{}", pull.head_sha())),
        ] {
            let field = if name == "self" { "url".to_owned() } else { format!("{name}_url") };
            shown[field] = address.clone().into();
            shown["_links"][name] = json!({"href": address});
        }
        shown
    }

    /// The files of a pull request, <https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files>.
    pub(crate) fn pull_files(&self, record: &RepositoryRecord, number: &str, request: &Request) -> Answer {
        let Some(pull) = self.pull_of(record, number) else {
            return Answer::not_found();
        };
        let files = pull.content.listed_files();
        let page = Page::of(request);
        let shown: Vec<Value> = page
            .cut(files.iter().collect())
            .into_iter()
            .map(|file| show_file(file, pull, record, &request.base))
            .collect();
        page.answer(request, files.len(), &Value::Array(shown))
    }

    /// The commits of a pull request, oldest first.
    pub(crate) fn pull_commits(&self, record: &RepositoryRecord, number: &str, request: &Request) -> Answer {
        let Some(pull) = self.pull_of(record, number) else {
            return Answer::not_found();
        };
        let commits: Vec<Value> =
            (0..pull.content.commits.len()).map(|at| self.show_pull_commit(pull, at, record, &request.base)).collect();
        let page = Page::of(request);
        page.answer(request, commits.len(), &Value::Array(page.cut(commits.clone())))
    }

    /// The reviews of a pull request, oldest first.
    pub(crate) fn pull_reviews(
        &self,
        now: Moment,
        record: &RepositoryRecord,
        number: &str,
        request: &Request,
    ) -> Answer {
        let Some(pull) = self.pull_of(record, number) else {
            return Answer::not_found();
        };
        let web = format!("https://github.com/{}/pull/{number}", record.name);
        let address = format!("{}/repos/{}/pulls/{number}", request.base, record.name);
        let show = |(review, id): (&Review, u64)| {
            let kind = if review.bot { "Bot" } else { "User" };
            let page = format!("{web}#pullrequestreview-{id}");
            json!({
                "id": id,
                "node_id": node_id("PRR", record.id, id),
                "user": show_user(&request.base, &review.author, id, kind),
                "body": "",
                "state": review.state,
                "html_url": page,
                "pull_request_url": address,
                "_links": {"html": {"href": page}, "pull_request": {"href": address}},
                "submitted_at": self.clock.rfc3339(self.reviewed_at(pull, review)),
                "commit_id": pull.head_sha(),
                "author_association": "MEMBER",
            })
        };
        let shown: Vec<Value> = self.reviews_of(pull, now).map(show).collect();
        let page = Page::of(request);
        page.answer(request, shown.len(), &Value::Array(page.cut(shown.clone())))
    }

    /// The reviews that were submitted by now, each with its id.
    pub(crate) fn reviews_of<'a>(&self, pull: &'a Pull, now: Moment) -> impl Iterator<Item = (&'a Review, u64)> {
        let ids = (FIRST_REVIEW_ID + 1000 * pull.ordinal)..;
        let at = |review: &Review| self.reviewed_at(pull, review);
        pull.content.reviews.iter().zip(ids).filter(move |(review, _)| at(review) <= now)
    }

    pub(crate) fn reviewed_at(&self, pull: &Pull, review: &Review) -> Moment {
        pull.pushed.plus(self.settings.scaled(review.after))
    }

    /// When a commit of a pull request counts as committed.
    pub(crate) fn committed_at(&self, pull: &Pull, commit: &CommitContent) -> Moment {
        pull.pushed.plus(self.settings.scaled(commit.after))
    }

    fn show_pull_commit(&self, pull: &Pull, at: usize, record: &RepositoryRecord, base: &str) -> Value {
        let Some(commit) = pull.content.commits.get(at) else {
            return Value::Null;
        };
        let id = commit_sha(pull, at);
        let api = format!("{base}/repos/{}", record.name);
        let date = self.clock.rfc3339(self.committed_at(pull, commit));
        let signature = json!({"name": commit.author, "email": author_email(commit), "date": date});
        let kind = if commit.bot { "Bot" } else { "User" };
        let parents: Vec<Value> = (0..commit.parents)
            .map(|parent| {
                let parent = sha(&format!("{id}^{parent}"));
                json!({"sha": parent, "url": format!("{api}/commits/{parent}"),
                    "html_url": format!("https://github.com/{}/commit/{parent}", record.name)})
            })
            .collect();
        json!({
            "sha": id,
            "node_id": format!("C_{id}"),
            "url": format!("{api}/commits/{id}"),
            "html_url": format!("https://github.com/{}/commit/{id}", record.name),
            "comments_url": format!("{api}/commits/{id}/comments"),
            "commit": {
                "url": format!("{api}/git/commits/{id}"),
                "author": signature,
                "committer": signature,
                "message": commit.message,
                "comment_count": 0,
                "tree": {"sha": sha(&id), "url": format!("{api}/git/trees/{}", sha(&id))},
                "verification": {"verified": false, "reason": "unsigned", "signature": null, "payload": null,
                    "verified_at": null},
            },
            "author": show_user(base, &commit.author, COPILOT, kind),
            "committer": show_user(base, &commit.author, COPILOT, kind),
            "parents": parents,
        })
    }
}

/// Where the ids of reviews begin. Each pull request has a thousand of them.
const FIRST_REVIEW_ID: u64 = 3_310_000_000;

/// The id of a pull request's commit. The last one is its head commit.
pub(crate) fn commit_sha(pull: &Pull, at: usize) -> String {
    let head = pull.head_sha();
    if at + 1 == pull.content.commits.len() { head } else { sha(&format!("{head}~{at}")) }
}

pub(crate) fn author_email(commit: &CommitContent) -> String {
    format!("{}@users.noreply.github.com", commit.author)
}

fn show_file(file: &ChangedFile, pull: &Pull, record: &RepositoryRecord, base: &str) -> Value {
    let head = pull.head_sha();
    let web = format!("https://github.com/{}", record.name);
    let path = &file.path;
    let mut shown = json!({
        "sha": sha(path),
        "filename": path,
        "status": file.status.rest(),
        "additions": file.additions,
        "deletions": file.deletions,
        "changes": file.additions + file.deletions,
        "blob_url": format!("{web}/blob/{head}/{path}"),
        "raw_url": format!("{web}/raw/{head}/{path}"),
        "contents_url": format!("{base}/repos/{}/contents/{path}?ref={head}", record.name),
    });
    if let Some(previous) = &file.previous {
        shown["previous_filename"] = json!(previous);
    }
    shown
}
