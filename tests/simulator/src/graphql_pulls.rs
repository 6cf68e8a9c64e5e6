//! Repositories and pull requests in answers of GraphQL.

use std::cell::RefCell;

use apollo_compiler::resolvers::FieldError;
use apollo_compiler::response::{JsonMap, JsonValue};
use serde_json::{Value, json};

use crate::checks::{CheckOf, SuiteOf, check_page, suite_run_id};
use crate::clock::Moment;
use crate::denial::SSO_REQUIRED;
use crate::graphql::{Field, Object, Resolved, connection, leaf, typed_error};
use crate::handler::Caller;
use crate::limit::Hour;
use crate::pull::{Pull, node_id};
use crate::pull_content::CommitStatus;
use crate::pulls::{author_email, commit_sha};
use crate::repos::sha;
use crate::token::Permission;
use crate::world::{RepositoryRecord, World, key, owner_of};

/// The most ids that `nodes` takes.
const MAX_IDS: usize = 100;

/// A query on its way: the world, and who asks when.
#[derive(Clone, Copy)]
pub(crate) struct Graph<'w> {
    pub(crate) world: &'w World,
    pub(crate) now: Moment,
    pub(crate) caller: &'w Caller,
    pub(crate) hour: Hour,
    /// The items of `nodes` that are null for an error, by their places. The executor would let one take the whole list
    /// with it, and GitHub does not.
    pub(crate) denied: &'w RefCell<Vec<(usize, FieldError)>>,
}

/// The text of an argument.
fn text(arguments: &JsonMap, name: &str) -> Option<String> {
    arguments.get(name).and_then(JsonValue::as_str).map(str::to_owned)
}

/// The texts of an argument that is a list.
fn texts(arguments: &JsonMap, name: &str) -> Option<Vec<String>> {
    let list = arguments.get(name)?.as_array()?;
    Some(list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
}

/// Older ids are 32-bit numbers; those that have outgrown it are null.
fn int(id: u64) -> Option<i32> {
    i32::try_from(id).ok()
}

fn actor<'w>(login: &str, kind: &'static str) -> Object<'w> {
    let id = login.bytes().fold(1, |id: u64, byte| id * 31 % 100_000_007 + u64::from(byte));
    let url = format!("https://github.com/{login}");
    Object::plain(kind, json!({"id": node_id(&kind[..1], 0, id), "login": login, "databaseId": id, "url": url}))
}

/// A bot's login lacks the suffix that it has in REST.
fn account<'w>(login: &str, bot: bool) -> Object<'w> {
    match login {
        "Copilot" => actor("copilot-swe-agent", "Bot"),
        _ if bot => actor(login.trim_end_matches("[bot]"), "Bot"),
        _ => actor(login, "User"),
    }
}

/// The reviews that are requested and not given yet.
fn review_requests<'w>(pull: &'w Pull, arguments: &JsonMap) -> Field<'w> {
    let requested = &pull.content.requested_reviewers;
    connection("ReviewRequestConnection", requested.len(), arguments, json!({}), move |at| {
        let login = requested.get(at).cloned().unwrap_or_default();
        let id = format!("RR_{}_{at}", pull.ordinal);
        Object::new("ReviewRequest", move |name, _| {
            Some(match (name, login.split_once('/')) {
                ("id", _) => leaf(id.clone()),
                ("requestedReviewer", Some((_, slug))) => {
                    let fields = json!({"id": format!("T_{slug}"), "combinedSlug": login, "name": slug, "slug": slug});
                    Object::plain("Team", fields).field()
                }
                ("requestedReviewer", None) => account(&login, false).field(),
                _ => return None,
            })
        })
        .field()
    })
}

impl<'w> Graph<'w> {
    /// The root.
    pub(crate) fn query(self) -> Object<'w> {
        Object::new("Query", move |name, arguments| {
            Some(match name {
                "node" => self.node(&text(arguments, "id").unwrap_or_default()),
                "nodes" => self.nodes(&texts(arguments, "ids").unwrap_or_default()),
                "repository" => self.repository_named(arguments),
                "viewer" => {
                    let token = &self.caller.token;
                    let url = format!("https://github.com/{}", token.login);
                    Object::plain(
                        "User",
                        json!({"id": node_id("U", 0, token.id), "login": token.login, "databaseId": int(token.id),
                            "url": url}),
                    )
                    .field()
                }
                "rateLimit" => {
                    let limit = self.world.settings.limits.requests_per_hour;
                    let remaining = limit.saturating_sub(self.hour.used);
                    let reset = self.date(self.hour.ends);
                    Object::plain(
                        "RateLimit",
                        json!({"cost": 1, "limit": limit, "remaining": remaining, "used": self.hour.used,
                            "resetAt": reset, "nodeCount": 1}),
                    )
                    .field()
                }
                _ => return None,
            })
        })
    }

    fn date(&self, at: Moment) -> String {
        self.world.clock.rfc3339(at)
    }

    fn may(&self, permission: Permission) -> bool {
        self.caller.token.may(permission)
    }

    fn forbidden(&self) -> Field<'w> {
        Err(typed_error("FORBIDDEN", self.caller.refusal()))
    }

    fn nodes(self, ids: &[String]) -> Field<'w> {
        if ids.len() > MAX_IDS {
            let message = format!("You may not provide more than {MAX_IDS} node ids; you provided {}.", ids.len());
            return Err(typed_error("ARGUMENT_LIMIT", &message));
        }
        let node = |(at, id): (usize, &String)| {
            self.node(id).or_else(|error| {
                self.denied.borrow_mut().push((at, error));
                leaf(Value::Null)
            })
        };
        Ok(Resolved::List(ids.iter().enumerate().map(node).collect()))
    }

    fn node(self, id: &str) -> Field<'w> {
        let token = &self.caller.token;
        let pull = self.world.pulls.iter().find(|pull| pull.node_id == id && token.can_see(&pull.repository));
        match pull {
            Some(pull) if token.lacks_sso(owner_of(&pull.repository)) => Err(typed_error("SAML", SSO_REQUIRED)),
            Some(_) if !self.may(Permission::PullRequestsRead) => self.forbidden(),
            Some(pull) => self.pull(pull).field(),
            None => Err(typed_error("NOT_FOUND", &format!("Could not resolve to a node with the global id of '{id}'"))),
        }
    }

    fn repository_named(self, arguments: &JsonMap) -> Field<'w> {
        let name =
            format!("{}/{}", text(arguments, "owner").unwrap_or_default(), text(arguments, "name").unwrap_or_default());
        let follow = arguments.get("followRenames").and_then(JsonValue::as_bool).unwrap_or(true);
        let renamed = self.world.renamed(&name).filter(|_| follow);
        let token = &self.caller.token;
        match renamed.or_else(|| self.world.repositories.get(&key(&name))).filter(|it| token.can_see(&it.name)) {
            Some(record) if token.lacks_sso(record.owner()) => Err(typed_error("SAML", SSO_REQUIRED)),
            Some(record) => self.repository(record).field(),
            None => {
                Err(typed_error("NOT_FOUND", &format!("Could not resolve to a Repository with the name '{name}'.")))
            }
        }
    }

    fn repository(self, record: &'w RepositoryRecord) -> Object<'w> {
        Object::new("Repository", move |name, arguments| {
            let spec = &record.spec;
            Some(match name {
                "id" => leaf(node_id("R", record.owner_id, record.id)),
                "databaseId" => leaf(int(record.id)),
                "name" => leaf(record.name.split('/').next_back()),
                "nameWithOwner" => leaf(record.name.clone()),
                "owner" => actor(record.owner(), "Organization").field(),
                "url" => leaf(format!("https://github.com/{}", record.name)),
                "isArchived" => leaf(spec.archived),
                "isDisabled" => leaf(spec.disabled),
                "isPrivate" => leaf(spec.private),
                "isFork" => leaf(false),
                "defaultBranchRef" => self.branch(record, &spec.default_branch).field(),
                "ref" => {
                    let name = text(arguments, "qualifiedName").unwrap_or_default();
                    match name.strip_prefix("refs/heads/").filter(|name| spec.has_branch(name)) {
                        Some(name) => self.branch(record, name).field(),
                        None => leaf(Value::Null),
                    }
                }
                "pullRequest" | "pullRequests" if !self.may(Permission::PullRequestsRead) => self.forbidden(),
                "pullRequest" => {
                    let number = arguments.get("number").and_then(JsonValue::as_u64).unwrap_or(0);
                    let mut here = self.world.pulls.iter().filter(|pull| pull.repository == key(&record.name));
                    match here.find(|pull| pull.number == number) {
                        Some(pull) => self.pull(pull).field(),
                        None => Err(typed_error(
                            "NOT_FOUND",
                            &format!("Could not resolve to a PullRequest with the number of {number}."),
                        )),
                    }
                }
                "pullRequests" => self.pull_requests(record, arguments),
                _ => return None,
            })
        })
    }

    fn branch(self, record: &'w RepositoryRecord, name: &str) -> Object<'w> {
        let (name, oid) = (name.to_owned(), sha(name));
        Object::new("Ref", move |field, arguments| {
            Some(match field {
                "id" => leaf(format!("REF_{oid}")),
                "name" => leaf(name.clone()),
                "target" => leaf(Value::Null),
                "compare" => match text(arguments, "headRef").filter(|head| record.spec.has_branch(head)) {
                    // A branch that an agent made has commits of its own.
                    Some(head) => {
                        let id = format!("CMP_{oid}_{head}");
                        Object::plain("Comparison", json!({"id": id, "aheadBy": 3, "behindBy": 0})).field()
                    }
                    None => leaf(Value::Null),
                },
                _ => return None,
            })
        })
    }

    fn pull_requests(self, record: &RepositoryRecord, arguments: &JsonMap) -> Field<'w> {
        let (head, base) = (text(arguments, "headRefName"), text(arguments, "baseRefName"));
        let states = texts(arguments, "states");
        let mut found: Vec<&'w Pull> = self
            .world
            .pulls
            .iter()
            .filter(|pull| pull.repository == key(&record.name))
            .filter(|pull| head.as_ref().is_none_or(|head| pull.head == *head))
            .filter(|pull| base.as_ref().is_none_or(|base| pull.base == *base))
            .filter(|pull| states.as_ref().is_none_or(|states| states.iter().any(|it| it == pull.graphql_state())))
            .collect();
        if let Some(order) = arguments.get("orderBy").and_then(JsonValue::as_object) {
            if order.get("field").and_then(JsonValue::as_str) == Some("UPDATED_AT") {
                found.sort_by_key(|pull| pull.updated);
            }
            if order.get("direction").and_then(JsonValue::as_str) == Some("DESC") {
                found.reverse();
            }
        }
        connection("PullRequestConnection", found.len(), arguments, json!({}), move |at| match found.get(at) {
            Some(pull) => self.pull(pull).field(),
            None => leaf(Value::Null),
        })
    }

    /// All that can be asked about a pull request.
    fn pull(self, pull: &'w Pull) -> Object<'w> {
        let full = self.world.name_of(&pull.repository);
        Object::new("PullRequest", move |name, arguments| {
            let content = &pull.content;
            let date = |at: Option<Moment>| leaf(at.map(|at| self.date(at)));
            let count = |kind: &'static str, total: u64| {
                let total = usize::try_from(total).unwrap_or(usize::MAX);
                connection(kind, total, arguments, json!({}), |_| leaf(Value::Null))
            };
            Some(match name {
                "id" => leaf(pull.node_id.clone()),
                "databaseId" => leaf(int(pull.id)),
                "fullDatabaseId" => leaf(pull.id.to_string()),
                "number" => leaf(pull.number),
                "title" => leaf(pull.title.clone()),
                "body" => leaf(content.body.clone()),
                "url" => leaf(format!("https://github.com/{full}/pull/{}", pull.number)),
                "state" => leaf(pull.graphql_state()),
                "isDraft" => leaf(pull.draft),
                "merged" => leaf(pull.merged.is_some()),
                "closed" => leaf(!pull.is_open()),
                "createdAt" => date(Some(pull.opened)),
                "updatedAt" => date(Some(pull.updated)),
                "closedAt" => date(pull.closed),
                "mergedAt" => date(pull.merged),
                "mergedBy" if pull.merged.is_some() => actor("mona", "User").field(),
                "mergeCommit" if pull.merged.is_some() => self.commit(pull, None).field(),
                "mergedBy" | "mergeCommit" => leaf(Value::Null),
                "headRefName" => leaf(pull.head.clone()),
                "headRefOid" => leaf(pull.head_sha()),
                "baseRefName" => leaf(pull.base.clone()),
                "baseRefOid" => leaf(sha(&pull.base)),
                "repository" | "baseRepository" | "headRepository" => {
                    match self.world.repositories.get(&pull.repository) {
                        Some(record) => self.repository(record).field(),
                        None => leaf(Value::Null),
                    }
                }
                "isCrossRepository" => leaf(content.from_fork),
                "author" => account(&pull.author, false).field(),
                "additions" => leaf(content.additions()),
                "deletions" => leaf(content.deletions()),
                "changedFiles" => leaf(content.files.len()),
                "commits" => {
                    connection("PullRequestCommitConnection", content.commits.len(), arguments, json!({}), move |at| {
                        self.pull_commit(pull, at)
                    })
                }
                "comments" => count("IssueCommentConnection", content.comments),
                "reviewThreads" => count("PullRequestReviewThreadConnection", content.review_comments),
                "totalCommentsCount" => leaf(content.comments + content.review_comments),
                "reviews" => self.reviews(pull, arguments),
                "reviewRequests" => review_requests(pull, arguments),
                "files" => {
                    let files = content.listed_files();
                    connection("PullRequestChangedFileConnection", files.len(), arguments, json!({}), move |at| {
                        let Some(file) = files.get(at) else {
                            return leaf(Value::Null);
                        };
                        Object::plain(
                            "PullRequestChangedFile",
                            json!({"path": file.path, "additions": file.additions, "deletions": file.deletions,
                                "changeType": file.status.graphql()}),
                        )
                        .field()
                    })
                }
                "mergeable" => leaf(match content.mergeable {
                    Some(true) => "MERGEABLE",
                    Some(false) => "CONFLICTING",
                    None => "UNKNOWN",
                }),
                "mergeStateStatus" => leaf(content.merge_state.to_uppercase()),
                "reviewDecision" => {
                    let states: Vec<&str> =
                        self.world.reviews_of(pull, self.now).map(|(review, _)| review.state.as_str()).collect();
                    let verdict = ["CHANGES_REQUESTED", "APPROVED"].into_iter().find(|it| states.contains(it));
                    leaf(verdict)
                }
                "statusCheckRollup" => self.rollup(pull),
                "timelineItems" => self.timeline(pull, arguments),
                _ => return None,
            })
        })
    }

    fn reviews(self, pull: &'w Pull, arguments: &JsonMap) -> Field<'w> {
        let (states, author) = (texts(arguments, "states"), text(arguments, "author"));
        let found: Vec<_> = self
            .world
            .reviews_of(pull, self.now)
            .filter(|(review, _)| states.as_ref().is_none_or(|states| states.contains(&review.state)))
            .filter(|(review, _)| author.as_ref().is_none_or(|author| review.author == *author))
            .collect();
        connection("PullRequestReviewConnection", found.len(), arguments, json!({}), move |at| {
            let Some(&(review, id)) = found.get(at) else {
                return leaf(Value::Null);
            };
            let submitted = self.date(self.world.reviewed_at(pull, review));
            Object::new("PullRequestReview", move |name, _| {
                Some(match name {
                    "id" => leaf(node_id("PRR", 0, id)),
                    "author" => account(&review.author, review.bot).field(),
                    "authorAssociation" => leaf("MEMBER"),
                    "state" => leaf(review.state.clone()),
                    "submittedAt" | "createdAt" => leaf(submitted.clone()),
                    "body" => leaf(""),
                    "url" => leaf(format!("https://github.com/pulls#pullrequestreview-{id}")),
                    _ => return None,
                })
            })
            .field()
        })
    }

    fn timeline(self, pull: &'w Pull, arguments: &JsonMap) -> Field<'w> {
        let wanted = texts(arguments, "itemTypes");
        let reference = format!("{}#{}", pull.repository, pull.number);
        let mut events = vec![
            ("ReadyForReviewEvent", "READY_FOR_REVIEW_EVENT", pull.ready.filter(|at| *at > pull.opened), None),
            ("MergedEvent", "MERGED_EVENT", pull.merged, None),
            ("ClosedEvent", "CLOSED_EVENT", pull.closed, None),
        ];
        let is_wanted = |kind: &str| wanted.as_ref().is_none_or(|it| it.iter().any(|it| it == kind));
        if is_wanted("CROSS_REFERENCED_EVENT") {
            let others = self.world.pulls.iter().filter(|other| !other.content.body.is_empty());
            let naming = others.filter(|other| other.content.body.to_ascii_lowercase().contains(&reference));
            events
                .extend(naming.map(|it| ("CrossReferencedEvent", "CROSS_REFERENCED_EVENT", Some(it.opened), Some(it))));
        }
        events.retain(|(_, kind, at, _)| at.is_some() && is_wanted(kind));
        let extra = json!({"filteredCount": events.len()});
        connection("PullRequestTimelineItemsConnection", events.len(), arguments, extra, move |at| {
            match events.get(at) {
                Some((kind, _, Some(at), source)) => self.event(kind, pull, self.date(*at), *source),
                _ => leaf(Value::Null),
            }
        })
    }

    /// An event of a timeline; `source` is the pull request that refers to this one.
    fn event(self, kind: &'static str, pull: &Pull, at: String, source: Option<&'w Pull>) -> Field<'w> {
        let id = node_id(&kind[..2].to_uppercase(), 0, pull.id);
        Object::new(kind, move |name, _| {
            Some(match name {
                "id" => leaf(id.clone()),
                "createdAt" => leaf(at.clone()),
                "actor" => actor("mona", "User").field(),
                "source" => self.pull(source?).field(),
                _ => return None,
            })
        })
        .field()
    }

    fn pull_commit(self, pull: &'w Pull, at: usize) -> Field<'w> {
        Object::new("PullRequestCommit", move |name, _| {
            Some(match name {
                "id" => leaf(format!("PURC_{}", commit_sha(pull, at))),
                "commit" => self.commit(pull, Some(at)).field(),
                _ => return None,
            })
        })
        .field()
    }

    /// A commit of a pull request, or the one that merged it.
    fn commit(self, pull: &'w Pull, at: Option<usize>) -> Object<'w> {
        let found = at.and_then(|at| pull.content.commits.get(at));
        let oid = at.map_or_else(|| sha(&pull.node_id), |at| commit_sha(pull, at));
        let is_head = oid == pull.head_sha();
        let when = found.map_or(pull.merged.unwrap_or(pull.pushed), |commit| self.world.committed_at(pull, commit));
        let date = self.date(when);
        let name_of = self.world.name_of(&pull.repository);
        let author = move || {
            let date = date.clone();
            let (login, bot) = found.map_or(("mona", false), |commit| (commit.author.as_str(), commit.bot));
            let email = found.map_or_else(|| "mona@example.com".to_owned(), author_email);
            Object::new("GitActor", move |name, _| {
                Some(match name {
                    "name" => leaf(login),
                    "email" => leaf(email.clone()),
                    "date" => leaf(date.clone()),
                    // A bot has no user.
                    "user" if bot => leaf(Value::Null),
                    "user" => actor(login, "User").field(),
                    _ => return None,
                })
            })
        };
        let date = self.date(when);
        Object::new("Commit", move |name, arguments| {
            let message = found.map_or("Merge pull request", |commit| commit.message.as_str());
            let size = |lines: u64| leaf(if is_head { lines } else { 0 });
            Some(match name {
                "id" => leaf(format!("C_{oid}")),
                "oid" => leaf(oid.clone()),
                "message" => leaf(message),
                "messageHeadline" => leaf(message.lines().next().unwrap_or_default()),
                "committedDate" | "authoredDate" => leaf(date.clone()),
                "author" | "committer" => author().field(),
                "authors" => {
                    let author = author.clone();
                    connection("GitActorConnection", 1, arguments, json!({}), move |_| author().field())
                }
                "parents" => {
                    let parents = found.map_or(2, |commit| commit.parents);
                    let parents = usize::try_from(parents).unwrap_or(usize::MAX);
                    connection("CommitConnection", parents, arguments, json!({}), |_| leaf(Value::Null))
                }
                "additions" => size(pull.content.additions()),
                "deletions" => size(pull.content.deletions()),
                "url" => leaf(format!("https://github.com/{name_of}/commit/{oid}")),
                "statusCheckRollup" if is_head => self.rollup(pull),
                "statusCheckRollup" => leaf(Value::Null),
                "checkSuites" if is_head => self.suites(pull, arguments),
                "checkSuites" => leaf(Value::Null),
                _ => return None,
            })
        })
    }

    fn suites(self, pull: &'w Pull, arguments: &JsonMap) -> Field<'w> {
        if !self.may(Permission::ChecksRead) {
            return self.forbidden();
        }
        let suites = self.world.suites_of(pull);
        connection("CheckSuiteConnection", suites.len(), arguments, json!({}), move |at| match suites.get(at) {
            Some(suite) => self.suite(*suite).field(),
            None => leaf(Value::Null),
        })
    }

    fn suite(self, suite: SuiteOf<'w>) -> Object<'w> {
        let state = self.world.suite_state(suite, self.now);
        let name_of = self.world.name_of(&suite.pull.repository);
        Object::new("CheckSuite", move |name, arguments| {
            Some(match name {
                "id" => leaf(node_id("CS", 0, suite.id)),
                "databaseId" => leaf(int(suite.id)),
                "status" => leaf(state.status.to_uppercase()),
                "conclusion" => leaf(state.conclusion.as_ref().map(|it| it.to_uppercase())),
                "app" => {
                    let slug = &suite.suite.app;
                    Object::plain(
                        "App",
                        json!({"id": format!("A_{slug}"), "databaseId": 1, "slug": slug, "name": slug}),
                    )
                    .field()
                }
                "workflowRun" => match &suite.suite.workflow {
                    Some(workflow) => self.suite_run(suite, workflow).field(),
                    None => leaf(Value::Null),
                },
                "checkRuns" => {
                    let checks = self.world.checks_of(suite, self.now);
                    connection("CheckRunConnection", checks.len(), arguments, json!({}), move |at| {
                        match checks.get(at) {
                            Some(check) => self.check_run(check.clone()).field(),
                            None => leaf(Value::Null),
                        }
                    })
                }
                "createdAt" => leaf(self.date(suite.pull.pushed)),
                "updatedAt" => leaf(self.date(state.completed.or(state.started).unwrap_or(suite.pull.pushed))),
                "url" => leaf(format!(
                    "https://github.com/{name_of}/commit/{}/checks?check_suite_id={}",
                    suite.pull.head_sha(),
                    suite.id
                )),
                _ => return None,
            })
        })
    }

    fn suite_run(self, suite: SuiteOf<'w>, workflow: &'w str) -> Object<'w> {
        let id = suite_run_id(suite);
        let url = format!("https://github.com/{}/actions/runs/{id}", self.world.name_of(&suite.pull.repository));
        Object::new("WorkflowRun", move |name, _| {
            Some(match name {
                "id" => leaf(node_id("WFR", 0, id)),
                "databaseId" => leaf(int(id)),
                "event" => leaf("pull_request"),
                "runNumber" => leaf(1),
                "url" => leaf(url.clone()),
                "workflow" => {
                    let id = format!("W_{workflow}");
                    Object::plain("Workflow", json!({"id": id, "databaseId": 1, "name": workflow})).field()
                }
                _ => return None,
            })
        })
    }

    /// All checks of the head commit in one; null when it has none.
    fn rollup(self, pull: &'w Pull) -> Field<'w> {
        if !self.may(Permission::ChecksRead) || !self.may(Permission::StatusesRead) {
            return self.forbidden();
        }
        let suites = self.world.suites_of(pull);
        let checks: Vec<CheckOf<'w>> =
            suites.into_iter().flat_map(|suite| self.world.checks_of(suite, self.now)).collect();
        let statuses = &pull.content.statuses;
        if checks.is_empty() && statuses.is_empty() {
            return leaf(Value::Null);
        }
        let check_states: Vec<String> = checks
            .iter()
            .map(|check| check.state.conclusion.as_deref().unwrap_or(check.state.status).to_uppercase())
            .collect();
        let status_states: Vec<String> =
            statuses.iter().map(|status| self.world.status_state(pull, status, self.now).to_uppercase()).collect();
        let all = || check_states.iter().chain(&status_states).map(String::as_str);
        let state = if all().any(|it| FAILED.contains(&it)) {
            "FAILURE"
        } else if all().all(|it| ["SUCCESS", "NEUTRAL", "SKIPPED"].contains(&it)) {
            "SUCCESS"
        } else {
            "PENDING"
        };
        Object::new("StatusCheckRollup", move |name, arguments| {
            Some(match name {
                "id" => leaf(format!("SCR_{}", pull.head_sha())),
                "state" => leaf(state),
                "contexts" => {
                    let (checks, statuses) = (checks.clone(), &pull.content.statuses);
                    let counts = (check_states.clone(), status_states.clone());
                    self.contexts(pull, checks, statuses, counts, arguments)
                }
                _ => return None,
            })
        })
        .field()
    }

    fn contexts(
        self,
        pull: &'w Pull,
        checks: Vec<CheckOf<'w>>,
        statuses: &'w [CommitStatus],
        (check_states, status_states): (Vec<String>, Vec<String>),
        arguments: &JsonMap,
    ) -> Field<'w> {
        let total = checks.len() + statuses.len();
        let extra = json!({"checkRunCount": checks.len(), "statusContextCount": statuses.len()});
        let inner = connection("StatusCheckRollupContextConnection", total, arguments, extra, move |at| {
            match (checks.get(at), at.checked_sub(checks.len()).and_then(|at| statuses.get(at))) {
                (Some(check), _) => self.check_run(check.clone()).field(),
                (None, Some(status)) => self.status(pull, status).field(),
                (None, None) => leaf(Value::Null),
            }
        })?;
        let Resolved::Object(inner) = inner else {
            return Ok(inner);
        };
        let by_state = |kind: &'static str, states: &[String]| {
            let mut names = states.to_vec();
            names.sort();
            names.dedup();
            let count = |name: &String| {
                let count = states.iter().filter(|state| *state == name).count();
                Object::plain(kind, json!({"count": count, "state": name})).field()
            };
            Ok(Resolved::List(names.iter().map(count).collect()))
        };
        Object::new("StatusCheckRollupContextConnection", move |name, arguments| match name {
            "checkRunCountsByState" => Some(by_state("CheckRunStateCount", &check_states)),
            "statusContextCountsByState" => Some(by_state("StatusContextStateCount", &status_states)),
            _ => inner.resolve(name, arguments),
        })
        .field()
    }

    fn check_run(self, check: CheckOf<'w>) -> Object<'w> {
        let page = check_page(&self.world.name_of(&check.suite.pull.repository), &check);
        Object::new("CheckRun", move |name, _| {
            let date = |at: Option<Moment>| leaf(at.map(|at| self.date(at)));
            Some(match name {
                "id" => leaf(node_id("CR", 0, check.id)),
                "databaseId" => leaf(int(check.id)),
                "name" => leaf(check.run.name.clone()),
                "status" => leaf(check.state.status.to_uppercase()),
                "conclusion" => leaf(check.state.conclusion.as_ref().map(|it| it.to_uppercase())),
                "startedAt" => date(check.state.started),
                "completedAt" => date(check.state.completed),
                "detailsUrl" | "url" | "permalink" => leaf(page.clone()),
                "isRequired" => leaf(check.run.required),
                "checkSuite" => self.suite(check.suite).field(),
                _ => return None,
            })
        })
    }

    fn status(self, pull: &'w Pull, status: &'w CommitStatus) -> Object<'w> {
        Object::new("StatusContext", move |name, _| {
            Some(match name {
                "id" => leaf(format!("SC_{}", sha(&status.context))),
                "context" => leaf(status.context.clone()),
                "state" => leaf(self.world.status_state(pull, status, self.now).to_uppercase()),
                "description" => leaf(Value::Null),
                "targetUrl" => leaf("https://ci.example.com/builds"),
                "createdAt" => leaf(self.date(pull.pushed)),
                "isRequired" => leaf(status.required),
                "creator" => actor("builder", "User").field(),
                _ => return None,
            })
        })
    }
}

/// The states that fail a commit.
const FAILED: [&str; 7] = ["FAILURE", "ERROR", "TIMED_OUT", "CANCELLED", "ACTION_REQUIRED", "STARTUP_FAILURE", "STALE"];
