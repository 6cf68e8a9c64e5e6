//! The GraphQL endpoint, for what leads to pull requests.

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::clock::Moment;
use crate::pull::Pull;
use crate::query::{Document, Field, Selected};
use crate::repos::sha;
use crate::request::Request;
use crate::token::{Permission, Token};
use crate::world::{World, key};

impl World {
    pub(crate) fn graphql(&mut self, token: &Token, request: &Request) -> Answer {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let Some(text) = body.get("query").and_then(Value::as_str) else {
            self.report_unexpected("POST /graphql: no query in the body");
            return Answer::error(400, "A query attribute must be specified and must be a string.");
        };
        let nothing = Value::Null;
        let document = match Document::parse(text, body.get("variables").unwrap_or(&nothing)) {
            Ok(document) if !document.mutation => document,
            Ok(_) => {
                self.report_unexpected(format!("POST /graphql: no query, but {text}"));
                return refused("only queries are answered here");
            }
            Err(why) => {
                self.report_unexpected(format!("POST /graphql: {why}: {text}"));
                return refused(&format!("Parse error on the query: {why}"));
            }
        };

        let mut data = Map::new();
        let mut errors = Vec::new();
        let mut unknown = Vec::new();
        for field in document.fields(&document.selection, "Query") {
            let mut asking = Asking { document: &document, errors: &mut errors, unknown: &mut unknown };
            data.insert(field.alias.clone(), self.root(field, token, &mut asking));
        }
        if !unknown.is_empty() {
            // A query that names an unknown field is refused as a whole.
            let messages: Vec<Value> = unknown.iter().map(|why| json!({"message": why})).collect();
            self.report_unexpected(format!("POST /graphql: {}", unknown.join("; ")));
            return Answer::json(200, &json!({"errors": messages}));
        }
        let mut whole = json!({"data": data});
        if let (false, Some(fields)) = (errors.is_empty(), whole.as_object_mut()) {
            fields.insert("errors".to_owned(), Value::Array(errors));
        }
        Answer::json(200, &whole)
    }

    fn root(&self, field: &Field, token: &Token, asking: &mut Asking<'_>) -> Value {
        match field.name.as_str() {
            "node" => {
                let id = field.arguments.get("id").cloned().unwrap_or_default();
                self.node(field, &id, json!([field.alias]), token, asking)
            }
            "nodes" => {
                let ids = field.arguments.get("ids").and_then(Value::as_array);
                ids.into_iter()
                    .flatten()
                    .enumerate()
                    .map(|(at, id)| self.node(field, id, json!([field.alias, at]), token, asking))
                    .collect()
            }
            "repository" => self.branch_pulls(field, token, asking),
            "viewer" => {
                let viewer = json!({"__typename": "User", "login": token.login,
                    "databaseId": token.id});
                asking.select(&viewer, &field.selection)
            }
            "__typename" => json!("Query"),
            other => {
                asking.unknown.push(format!("Field '{other}' doesn't exist on type 'Query'"));
                Value::Null
            }
        }
    }

    /// A repository, of which only its pull requests from one branch can be asked for.
    fn branch_pulls(&self, field: &Field, token: &Token, asking: &mut Asking<'_>) -> Value {
        let text = |field: &Field, name: &str| field.arguments.get(name).and_then(Value::as_str).map(str::to_owned);
        let (owner, name) = (text(field, "owner").unwrap_or_default(), text(field, "name").unwrap_or_default());
        let full = key(&format!("{owner}/{name}"));
        if !self.repositories.contains_key(&full) || !token.can_see(&full) {
            let message = format!("Could not resolve to a Repository with the name '{owner}/{name}'.");
            asking.errors.push(json!({"type": "NOT_FOUND", "path": [field.alias], "message": message}));
            return Value::Null;
        }
        let mut shown = Map::new();
        for inner in asking.document.fields(&field.selection, "Repository") {
            if inner.name != "pullRequests" {
                asking.unknown.push(format!("Field '{}' doesn't exist on type 'Repository'", inner.name));
            } else if token.may(Permission::PullRequestsRead) {
                let head = text(inner, "headRefName");
                let here = self.pulls.iter().filter(|pull| pull.repository == full);
                let here = here.filter(|pull| head.as_deref().is_none_or(|head| pull.head == head));
                let most = inner.arguments.get("last").and_then(Value::as_u64).unwrap_or(0);
                let here = here.map(|pull| self.pull_node(pull)).collect::<Vec<_>>();
                let newest = here.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
                let nodes = here.get(newest..).unwrap_or_default();
                let connection =
                    json!({"__typename": "PullRequestConnection", "totalCount": here.len(), "nodes": nodes});
                shown.insert(inner.alias.clone(), asking.select(&connection, &inner.selection));
            } else {
                asking.errors.push(json!({"type": "FORBIDDEN", "path": [field.alias, inner.alias],
                    "message": "Resource not accessible by personal access token"}));
                shown.insert(inner.alias.clone(), Value::Null);
            }
        }
        Value::Object(shown)
    }

    fn node(&self, field: &Field, id: &Value, path: Value, token: &Token, asking: &mut Asking<'_>) -> Value {
        let found = self
            .pulls
            .iter()
            .find(|pull| Some(pull.node_id.as_str()) == id.as_str() && token.can_see(&pull.repository));
        match found {
            Some(pull) if token.may(Permission::PullRequestsRead) => {
                asking.select(&self.pull_node(pull), &field.selection)
            }
            Some(_) => {
                asking.errors.push(json!({
                    "type": "FORBIDDEN",
                    "path": path,
                    "extensions": {"saml_failure": false},
                    "message": "Resource not accessible by personal access token",
                }));
                Value::Null
            }
            None => {
                let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
                asking.errors.push(json!({
                    "type": "NOT_FOUND",
                    "path": path,
                    "message": format!("Could not resolve to a node with the global id of '{id}'"),
                }));
                Value::Null
            }
        }
    }

    /// All that can be asked about a pull request.
    fn pull_node(&self, pull: &Pull) -> Value {
        let date = |at: Moment| Value::String(self.clock.rfc3339(at));
        let full = self.name_of(&pull.repository);
        let (owner, name) = full.split_once('/').unwrap_or(("", &full));
        let id = self.repositories.get(&pull.repository).map_or(0, |record| record.id);
        let repository = json!({
            "__typename": "Repository",
            "nameWithOwner": full,
            "name": name,
            "databaseId": id,
            "owner": {"__typename": "Organization", "login": owner},
        });
        let count = |number: u64| json!({"__typename": "Connection", "totalCount": number});
        json!({
            "__typename": "PullRequest",
            "id": pull.node_id,
            // The old field is a 32-bit number, and the ids have outgrown it.
            "databaseId": i32::try_from(pull.id).ok(),
            "fullDatabaseId": pull.id.to_string(),
            "number": pull.number,
            "title": pull.title,
            "url": format!("https://github.com/{full}/pull/{}", pull.number),
            "state": pull.graphql_state(),
            "isDraft": pull.draft,
            "merged": pull.merged.is_some(),
            "closed": !pull.is_open(),
            "createdAt": date(pull.opened),
            "updatedAt": date(pull.updated),
            "closedAt": pull.closed.map_or(Value::Null, date),
            "mergedAt": pull.merged.map_or(Value::Null, date),
            "headRefName": pull.head,
            "headRefOid": sha(&pull.head),
            "baseRefName": pull.base,
            "baseRefOid": sha(&pull.base),
            "repository": repository,
            "baseRepository": repository,
            "headRepository": repository,
            "isCrossRepository": false,
            "author": {"__typename": "Bot", "login": pull.author},
            "additions": 40 + pull.number,
            "deletions": 7,
            "changedFiles": 4,
            "commits": count(3),
            "comments": count(1),
            "reviews": count(1),
            "reviewThreads": count(2),
        })
    }
}

/// A query on its way through the answer.
struct Asking<'a> {
    document: &'a Document,
    errors: &'a mut Vec<Value>,
    unknown: &'a mut Vec<String>,
}

impl Asking<'_> {
    /// The fields of an object that are asked for.
    fn select(&mut self, object: &Value, selection: &[Selected]) -> Value {
        if let Some(items) = object.as_array() {
            return items.iter().map(|item| self.select(item, selection)).collect();
        }
        let Some(fields) = object.as_object() else {
            return object.clone();
        };
        let kind = fields.get("__typename").and_then(Value::as_str).unwrap_or_default();
        let document = self.document;
        let mut chosen = Map::new();
        for field in document.fields(selection, kind) {
            match fields.get(&field.name) {
                Some(value) => {
                    chosen.insert(field.alias.clone(), self.select(value, &field.selection));
                }
                None => self.unknown.push(format!("Field '{}' doesn't exist on type '{kind}'", field.name)),
            }
        }
        Value::Object(chosen)
    }
}

fn refused(message: &str) -> Answer {
    Answer::json(200, &json!({"errors": [{"message": message}]}))
}
