//! What happened to a pull request, for a report about tasks.

use jiff::Timestamp;
use serde_json::Value;

use crate::github::error::{CHECK_REMEDIES, Error, FILE_REMEDIES, PULL_REMEDIES, field_error};
use crate::github::pull_content::CheckResult;
use crate::github::pull_request::PullRequest;
use crate::github::repository::Repository;

/// What is asked about the pull requests with the ids `$ids`. The first fifty reviews and references are looked at: the
/// first review of a person and a revert are among them in nearly all cases, and a hundred pull requests with a
/// hundred of each are more than GitHub answers in its ten seconds,
/// <https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api#timeouts>.
pub(super) const QUERY: &str = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on PullRequest { number url title state \
    isDraft createdAt updatedAt mergedAt additions deletions changedFiles author { login } repository { databaseId \
    nameWithOwner } reviews(first: 50) { totalCount nodes { submittedAt author { __typename login } } } reviewThreads { \
    totalCount } commits(first: 100) { totalCount nodes { commit { author { name email user { login } } parents { \
    totalCount } } } } ready: timelineItems(first: 1, itemTypes: [READY_FOR_REVIEW_EVENT]) { nodes { ... on \
    ReadyForReviewEvent { createdAt } } } references: timelineItems(first: 50, itemTypes: [CROSS_REFERENCED_EVENT]) { \
    nodes { ... on CrossReferencedEvent { source { ... on PullRequest { merged body } } } } } statusCheckRollup { state \
    } } } }";

/// Whether a pull request is open, and how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullState {
    /// It is open.
    Open,
    /// It was closed and not merged.
    Closed,
    /// It was merged.
    Merged,
}

/// What happened to a pull request.
#[derive(Debug, Clone, PartialEq)]
pub struct PullHistory {
    /// The number in the repository.
    pub number: u64,
    /// Its page.
    pub url: String,
    /// Its title.
    pub title: String,
    /// Its repository, as `owner/name`.
    pub repository: String,
    /// The id of its repository.
    pub repository_id: Option<u64>,
    /// Whether it is open, and how it ended.
    pub state: PullState,
    /// Whether it is a draft.
    pub is_draft: bool,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was first marked as ready for review.
    pub ready_at: Option<Timestamp>,
    /// When it was merged.
    pub merged_at: Option<Timestamp>,
    /// When a person other than its author first reviewed it.
    pub first_review_at: Option<Timestamp>,
    /// How many files it changes.
    pub changed_files: u64,
    /// How many lines it adds and deletes.
    pub changed_lines: u64,
    /// How many reviews it has.
    pub reviews: u64,
    /// How many threads its reviews began.
    pub review_threads: u64,
    /// How many commits it has.
    pub commits: u64,
    /// How many commits of people follow the agent's first, merge commits left out. Absent if the commits may not be
    /// read, where there are more than GitHub lists, and where none is known as the agent's.
    pub rework_commits: Option<u64>,
    /// The checks of its head commit; `None` if it has none.
    pub checks: Result<Option<CheckResult>, Error>,
    /// Whether a merged pull request says that it reverts this one.
    pub is_reverted: bool,
}

impl PullState {
    /// The state with this word in the GraphQL API.
    fn of(word: &str) -> Self {
        match word {
            "OPEN" => Self::Open,
            "MERGED" => Self::Merged,
            _ => Self::Closed,
        }
    }
}

/// Where a pull request is between its opening and its merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullReview {
    /// The pull request.
    pub pull: PullRequest,
    /// Whether it is open, and how it ended.
    pub state: PullState,
    /// Whether it is a draft.
    pub is_draft: bool,
    /// Its repository, as `owner/name`, under its name of today.
    pub repository: String,
    /// The logins and the teams whose review is requested.
    pub reviewers: Vec<String>,
}

/// What is asked about where the pull requests with the ids `$ids` are.
pub(super) const REVIEW_QUERY: &str = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on PullRequest { id fullDatabaseId \
    number url state headRefName baseRefName isDraft repository { nameWithOwner } reviewRequests(first: 10) { nodes { \
    requestedReviewer { ... on User { login } ... on Team { combinedSlug } } } } } } }";

/// What an answer says about where the pull request at this place of the ids is.
pub(super) fn read_review(
    body: &Value,
    at: usize,
    pull: impl Fn(&Value) -> Option<PullRequest>,
) -> Result<PullReview, Error> {
    let node = node(body, at)?;
    let requests = node["reviewRequests"]["nodes"].as_array().into_iter().flatten();
    let reviewer = |request: &Value| {
        let reviewer = &request["requestedReviewer"];
        reviewer["login"].as_str().or(reviewer["combinedSlug"].as_str()).map(str::to_owned)
    };
    Ok(PullReview {
        pull: pull(node).ok_or_else(|| malformed("number"))?,
        state: PullState::of(node["state"].as_str().ok_or_else(|| malformed("state"))?),
        is_draft: node["isDraft"] == true,
        repository: node["repository"]["nameWithOwner"].as_str().ok_or_else(|| malformed("repository"))?.to_owned(),
        reviewers: requests.filter_map(reviewer).collect(),
    })
}

fn malformed(name: &str) -> Error {
    Error::Malformed { why: format!("the pull request has no `{name}`") }
}

fn errors(body: &Value, at: usize) -> impl Iterator<Item = &Value> {
    let all = body["errors"].as_array().into_iter().flatten();
    all.filter(move |error| error["path"][0] == "nodes" && error["path"][1] == at)
}

/// The pull request at this place of the ids.
fn node(body: &Value, at: usize) -> Result<&Value, Error> {
    let pull = &body["data"]["nodes"][at];
    if !pull["number"].is_null() {
        return Ok(pull);
    }
    let any = || body["errors"].as_array().and_then(|all| all.first());
    Err(match errors(body, at).next().or_else(any) {
        Some(error) => field_error(error, PULL_REMEDIES),
        None => Error::NotFound { said: "no such pull request".to_owned(), remedy: PULL_REMEDIES.not_found() },
    })
}

/// What an answer says about the pull request at this place of the ids.
pub(super) fn read(body: &Value, at: usize) -> Result<PullHistory, Error> {
    let pull = node(body, at)?;
    let of_field = |name: &str| errors(body, at).find(|error| error["path"][2] == name);
    let text = |name: &str| pull[name].as_str().ok_or_else(|| malformed(name));
    let number = |value: &Value, name: &str| value[name].as_u64().ok_or_else(|| malformed(name));
    let time = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let checks = match of_field("statusCheckRollup") {
        Some(error) => Err(field_error(error, CHECK_REMEDIES)),
        None => Ok(pull["statusCheckRollup"]["state"].as_str().map(CheckResult::of)),
    };
    let repository = pull["repository"]["nameWithOwner"].as_str().ok_or_else(|| malformed("repository"))?;
    let number_of_it = number(pull, "number")?;
    Ok(PullHistory {
        number: number_of_it,
        url: text("url")?.to_owned(),
        title: text("title")?.to_owned(),
        repository: repository.to_owned(),
        repository_id: pull["repository"]["databaseId"].as_u64(),
        state: PullState::of(text("state")?),
        is_draft: pull["isDraft"] == true,
        created_at: time(&pull["createdAt"]).ok_or_else(|| malformed("createdAt"))?,
        updated_at: time(&pull["updatedAt"]).ok_or_else(|| malformed("updatedAt"))?,
        ready_at: time(&pull["ready"]["nodes"][0]["createdAt"]),
        merged_at: time(&pull["mergedAt"]),
        first_review_at: first_review(pull).and_then(time),
        changed_files: number(pull, "changedFiles")?,
        changed_lines: number(pull, "additions")? + number(pull, "deletions")?,
        reviews: pull["reviews"]["totalCount"].as_u64().unwrap_or_default(),
        review_threads: number(&pull["reviewThreads"], "totalCount")?,
        commits: number(&pull["commits"], "totalCount")?,
        rework_commits: rework(&pull["commits"]),
        checks,
        is_reverted: is_reverted(&pull["references"]["nodes"], repository, number_of_it),
    })
}

/// When a person other than the author first reviewed it. GitHub lists the reviews in their order.
fn first_review(pull: &Value) -> Option<&Value> {
    let mut reviews = pull["reviews"]["nodes"].as_array()?.iter();
    let of_person = |review: &&Value| {
        let author = &review["author"];
        // The author is null if the account was deleted.
        author.is_null() || author["__typename"] == "User" && author["login"] != pull["author"]["login"]
    };
    Some(&reviews.find(|review| of_person(review) && !review["submittedAt"].is_null())?["submittedAt"])
}

fn rework(commits: &Value) -> Option<u64> {
    let nodes = commits["nodes"].as_array()?;
    if commits["totalCount"].as_u64()? > nodes.len() as u64 {
        return None;
    }
    let commits = nodes.iter().map(|node| &node["commit"]);
    let after = commits.skip_while(|commit| !is_by_bot(&commit["author"])).collect::<Vec<_>>();
    let (_, later) = after.split_first()?;
    let is_merge = |commit: &Value| commit["parents"]["totalCount"].as_u64().is_some_and(|parents| parents > 1);
    Some(later.iter().filter(|commit| !is_by_bot(&commit["author"]) && !is_merge(commit)).count() as u64)
}

/// A bot has no user in the GraphQL API, and its name or address ends with `[bot]`. The agent has signed as `Copilot` too.
fn is_by_bot(author: &Value) -> bool {
    let text = |name: &str| author[name].as_str().unwrap_or_default();
    let is_named = text("name").ends_with("[bot]") || text("name") == "Copilot" || text("email").contains("[bot]@");
    author["user"].is_null() && (is_named || text("email").contains("+Copilot@"))
}

/// Whether one of these references is a merged pull request with the sentence that GitHub writes into a revert,
/// <https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/incorporating-changes-from-a-pull-request/reverting-a-pull-request>.
fn is_reverted(references: &Value, repository: &str, number: u64) -> bool {
    let sentence = format!("reverts {repository}#{number}").to_ascii_lowercase();
    let reverts = |reference: &Value| {
        let body = reference["source"]["body"].as_str().unwrap_or_default().to_ascii_lowercase();
        let ends = |at: usize| !body[at + sentence.len()..].starts_with(|c: char| c.is_ascii_digit());
        reference["source"]["merged"] == true && body.match_indices(&sentence).any(|(at, _)| ends(at))
    };
    references.as_array().is_some_and(|references| references.iter().any(reverts))
}

/// A branch on which an agent may have worked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchQuery {
    /// Where it is.
    pub repository: Repository,
    /// Its name.
    pub head_ref: String,
    /// The branch that it is compared with; the default branch where none is known.
    pub base_ref: Option<String>,
}

/// What happened to a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchHistory {
    /// Its newest pull requests.
    pub pulls: Vec<PullRequest>,
    /// How many commits it has that its base has not; zero if the branch is gone.
    pub commits: Result<u64, Error>,
}

impl BranchQuery {
    /// The part of a query that asks about it, under an alias of its place. `fields` are those of a pull request.
    pub(super) fn text(&self, at: usize, fields: &str, most: usize) -> String {
        let text = |text: &str| Value::from(text).to_string();
        let (owner, name, head) = (text(self.repository.owner()), text(self.repository.name()), text(&self.head_ref));
        let base = match &self.base_ref {
            Some(base) => format!("ref(qualifiedName: {})", text(&format!("refs/heads/{base}"))),
            None => "defaultBranchRef".to_owned(),
        };
        format!(
            "r{at}: repository(owner: {owner}, name: {name}) {{ pullRequests(headRefName: {head}, last: {most}) {{ \
             nodes {{ {fields} }} }} base: {base} {{ compare(headRef: {head}) {{ aheadBy }} }} }} "
        )
    }

    /// What an answer says about it.
    pub(super) fn read(
        body: &Value,
        at: usize,
        pull: impl Fn(&Value) -> Option<PullRequest>,
    ) -> Result<BranchHistory, Error> {
        let alias = format!("r{at}");
        let repository = &body["data"][&alias];
        let errors = || {
            let all = body["errors"].as_array().into_iter().flatten();
            all.filter(|error| error["path"][0] == alias.as_str())
        };
        let Some(pulls) = repository["pullRequests"]["nodes"].as_array() else {
            let denied = errors().find(|error| error["path"][1] != "base");
            let absent = || Error::Malformed { why: "the answer lacks a branch".to_owned() };
            return Err(denied.map_or_else(absent, |error| field_error(error, PULL_REMEDIES)));
        };
        let denied = errors().find(|error| error["path"][1] == "base" && error["type"] != "NOT_FOUND");
        let commits = match denied {
            Some(error) => Err(field_error(error, FILE_REMEDIES)),
            None if repository["base"].is_null() => {
                Err(Error::NotFound { said: "no such base branch".to_owned(), remedy: FILE_REMEDIES.not_found() })
            }
            None => Ok(repository["base"]["compare"]["aheadBy"].as_u64().unwrap_or_default()),
        };
        Ok(BranchHistory { pulls: pulls.iter().filter_map(pull).collect(), commits })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pull() -> Value {
        json!({"number": 7, "url": "https://github.com/o/r/pull/7", "title": "<script>", "state": "MERGED",
            "isDraft": false, "createdAt": "2026-11-01T00:00:00Z", "updatedAt": "2026-11-02T00:00:00Z",
            "mergedAt": "2026-11-02T00:00:00Z", "additions": 3, "deletions": 4, "changedFiles": 2,
            "author": {"login": "copilot"}, "repository": {"databaseId": 1, "nameWithOwner": "o/r"},
            "reviews": {"totalCount": 0, "nodes": []}, "reviewThreads": {"totalCount": 0},
            "commits": {"totalCount": 0, "nodes": []}, "ready": {"nodes": []}, "references": {"nodes": []},
            "statusCheckRollup": null})
    }

    fn with(name: &str, value: Value) -> PullHistory {
        let mut pull = pull();
        pull[name] = value;
        read(&json!({"data": {"nodes": [pull]}}), 0).unwrap()
    }

    #[test]
    fn first_review_is_by_a_person_other_than_the_author() {
        let review = |kind: &str, login: &str, day: u8| json!({"submittedAt": format!("2026-11-{day:02}T00:00:00Z"), "author": {"__typename": kind, "login": login}});
        let pending = json!({"submittedAt": null, "author": {"__typename": "User", "login": "mona"}});
        let nodes =
            json!([review("Bot", "reviewer", 1), review("User", "copilot", 2), pending, review("User", "mona", 4)]);
        let found = with("reviews", json!({"totalCount": 4, "nodes": nodes}));
        assert_eq!(found.first_review_at, Some("2026-11-04T00:00:00Z".parse().unwrap()));
        assert_eq!((with("title", json!("x")).first_review_at, found.reviews), (None, 4));
    }

    #[test]
    fn rework_is_what_people_commit_after_the_agent() {
        let commit = |name: &str, user: Value, parents: u64| {
            let author = json!({"name": name, "email": "x@example.com", "user": user});
            json!({"commit": {"author": author, "parents": {"totalCount": parents}}})
        };
        let agent = || commit("copilot-swe-agent[bot]", Value::Null, 1);
        let person = |parents| commit("Mona", json!({"login": "mona"}), parents);
        let stranger = || commit("Not linked", Value::Null, 1);
        for (nodes, total, expected) in [
            (vec![person(1), agent(), person(1), person(2), stranger(), agent()], 6, Some(2)),
            (vec![agent(), agent()], 2, Some(0)),
            (vec![person(1)], 1, None),
            (vec![agent()], 101, None),
        ] {
            let found = with("commits", json!({"totalCount": total, "nodes": nodes}));
            assert_eq!(found.rework_commits, expected, "{nodes:?}");
        }
    }

    #[test]
    fn revert_is_merged_and_names_the_number() {
        for (body, merged, expected) in [
            ("Reverts o/r#7", true, true),
            ("reverts O/R#7 because of #9", true, true),
            ("Reverts o/r#7", false, false),
            ("Reverts o/r#70", true, false),
            ("See o/r#7", true, false),
        ] {
            let found = with("references", json!({"nodes": [{"source": {"merged": merged, "body": body}}, {}]}));
            assert_eq!(found.is_reverted, expected, "{body}");
        }
    }

    #[test]
    fn branch_without_a_base_has_no_known_number_of_commits() {
        let read = |base: Value, errors: Value| {
            let repository = json!({"pullRequests": {"nodes": []}, "base": base});
            BranchQuery::read(&json!({"data": {"r0": repository}, "errors": errors}), 0, |_| None)
        };
        let commits = |base: Value| read(base, json!([])).unwrap().commits;
        assert_eq!(commits(json!({"compare": {"aheadBy": 2}})), Ok(2));
        assert_eq!(commits(json!({"compare": null})), Ok(0));
        assert!(matches!(commits(Value::Null), Err(Error::NotFound { .. })));
        let denied = json!([{"type": "FORBIDDEN", "message": "no", "path": ["r0", "base"]}]);
        assert!(matches!(read(Value::Null, denied).unwrap().commits, Err(Error::MissingPermission { .. })));
        let hidden = json!({"errors": [{"type": "NOT_FOUND", "message": "no", "path": ["r0"]}], "data": {"r0": null}});
        assert!(matches!(BranchQuery::read(&hidden, 0, |_| None), Err(Error::NotFound { .. })));
    }

    #[test]
    fn denied_pull_request_is_not_an_absent_one() {
        let error = |kind: &str, path: Value| json!({"type": kind, "message": "no", "path": path});
        let body = json!({"data": {"nodes": [null, pull(), null]}, "errors": [error("FORBIDDEN", json!(["nodes", 0])),
            error("FORBIDDEN", json!(["nodes", 1, "statusCheckRollup"])), error("NOT_FOUND", json!(["nodes", 2]))]});
        assert!(matches!(read(&body, 0), Err(Error::MissingPermission { .. })));
        assert!(matches!(read(&body, 1).unwrap().checks, Err(Error::MissingPermission { .. })));
        assert!(matches!(read(&body, 2), Err(Error::NotFound { .. })));
        assert!(read(&json!({"errors": [{"message": "timeout"}]}), 0).unwrap_err().may_pass());
    }
}
