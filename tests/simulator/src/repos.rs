//! The endpoints of a repository: itself, its pull requests, branches, files and people.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::json;

use crate::answer::Answer;
use crate::clock::Moment;
use crate::page::Page;
use crate::pull::Pull;
use crate::pull::node_id;
use crate::request::Request;
use crate::token::Token;
use crate::world::Home;
use crate::world::World;
use crate::world::key;

impl World {
    pub(crate) fn repository(&self, home: &Home, token: &Token, request: &Request) -> Answer {
        let permission = home.spec.permission(&token.login);
        let (owner, name) = home.name.split_once('/').unwrap_or(("", &home.name));
        Answer::json(
            200,
            &json!({
                "id": home.id,
                "node_id": node_id("R", home.owner_id, home.id),
                "name": name,
                "full_name": home.name,
                "private": home.spec.private,
                "archived": home.spec.archived,
                "owner": {"login": owner, "id": home.owner_id, "type": "Organization"},
                "html_url": format!("https://github.com/{}", home.name),
                "url": format!("{}/repos/{}", request.base, home.name),
                "default_branch": home.spec.default_branch,
                "permissions": {
                    "admin": permission == "admin",
                    "push": matches!(permission, "admin" | "write"),
                    "pull": permission != "none",
                },
            }),
        )
    }

    pub(crate) fn pulls(&self, home: &Home, request: &Request) -> Answer {
        let state = request.parameter("state").unwrap_or("open");
        let base = request.parameter("base");
        let owner = home.name.split('/').next().unwrap_or_default();
        let head = request.parameter("head").filter(|head| !head.is_empty());
        let mut found: Vec<&Pull> = self
            .pulls
            .iter()
            .filter(|pull| pull.repository == key(&home.name))
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
            page.cut(found).into_iter().map(|pull| self.show_pull(pull, home, &request.base)).collect();
        let answer = Answer::json(200, &Value::Array(list));
        match page.links(request, total, &[]) {
            Some(links) => answer.header("link", links),
            None => answer,
        }
    }

    pub(crate) fn pull(&self, home: &Home, number: &str, request: &Request) -> Answer {
        let found =
            self.pulls.iter().find(|pull| pull.repository == key(&home.name) && pull.number.to_string() == number);
        let Some(pull) = found else {
            return Answer::not_found();
        };
        let mut shown = self.show_pull(pull, home, &request.base);
        if let Some(fields) = shown.as_object_mut() {
            let more = json!({
                "merged": pull.merged.is_some(),
                "mergeable": Value::Null,
                "comments": 1,
                "review_comments": 2,
                "commits": 3,
                "additions": 40 + pull.number,
                "deletions": 7,
                "changed_files": 4,
            });
            if let Value::Object(more) = more {
                fields.extend(more);
            }
        }
        Answer::json(200, &shown)
    }

    fn show_pull(&self, pull: &Pull, home: &Home, base_url: &str) -> Value {
        let date = |at: Moment| Value::String(self.clock.rfc3339(at));
        let (owner, name) = home.name.split_once('/').unwrap_or(("", &home.name));
        let repository = json!({
            "id": home.id,
            "name": name,
            "full_name": home.name,
            "owner": {"login": owner, "id": home.owner_id},
        });
        let side = |branch: &str| {
            json!({
                "label": format!("{owner}:{branch}"),
                "ref": branch,
                "sha": sha(branch),
                "repo": repository,
                "user": {"login": owner, "id": home.owner_id},
            })
        };
        json!({
            "id": pull.id,
            "node_id": pull.node_id,
            "number": pull.number,
            "state": if pull.is_open() { "open" } else { "closed" },
            "draft": pull.draft,
            "title": pull.title,
            "user": {"login": pull.author},
            "html_url": format!("https://github.com/{}/pull/{}", home.name, pull.number),
            "url": format!("{base_url}/repos/{}/pulls/{}", home.name, pull.number),
            "created_at": date(pull.opened),
            "updated_at": date(pull.updated),
            "closed_at": pull.closed.map_or(Value::Null, date),
            "merged_at": pull.merged.map_or(Value::Null, date),
            "head": side(&pull.head),
            "base": side(&pull.base),
        })
    }

    pub(crate) fn branch(&self, home: &Home, name: &str) -> Answer {
        if !home.spec.has_branch(name) {
            return Answer::error(404, "Branch not found");
        }
        Answer::json(200, &json!({"name": name, "commit": {"sha": sha(name)}, "protected": false}))
    }

    /// A file, or a directory when the path is one.
    pub(crate) fn contents(&self, home: &Home, path: &str) -> Answer {
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        if let Some(text) = home.spec.files.get(path) {
            return Answer::json(
                200,
                &json!({"type": "file", "name": name(path), "path": path, "size": text.len(),
                    "encoding": "base64", "content": STANDARD.encode(text), "sha": sha(text)}),
            );
        }
        let inside = format!("{}/", path.trim_end_matches('/'));
        let entries: Vec<Value> = home
            .spec
            .files
            .keys()
            .filter(|file| file.strip_prefix(&inside).is_some_and(|rest| !rest.contains('/')))
            .map(|file| json!({"type": "file", "name": name(file), "path": file}))
            .collect();
        if entries.is_empty() { Answer::not_found() } else { Answer::json(200, &Value::Array(entries)) }
    }

    /// What somebody may do here. A personal token is answered only where its owner can push; an installation's is
    /// always.
    pub(crate) fn permission(&self, home: &Home, login: &str, asker: Option<&str>) -> Answer {
        if asker.is_some_and(|asker| home.spec.cannot_push(asker)) {
            return Answer::error(403, "Must have push access to view collaborator permission.");
        }
        let Some((permission, role)) = home.spec.access(login) else {
            return Answer::error(404, &format!("{login} is not a user"));
        };
        let id = self.tokens.values().find(|token| token.login.eq_ignore_ascii_case(login)).map(|token| token.id);
        let id = id.unwrap_or_else(|| login.bytes().fold(1, |id, byte| id * 31 % 100_000_007 + u64::from(byte)));
        let kind = if login.ends_with("[bot]") { "Bot" } else { "User" };
        let user = json!({"login": login, "id": id, "type": kind, "role_name": role});
        Answer::json(200, &json!({"permission": permission, "role_name": role, "user": user}))
    }

    /// The cloud agent's configuration, as documented.
    pub(crate) fn configuration(&self, home: &Home) -> Answer {
        if !home.spec.agent_enabled {
            return Answer::not_found();
        }
        Answer::json(
            200,
            &json!({
                "mcp_configuration": Value::Null,
                "enabled_tools": {
                    "codeql": true,
                    "copilot_code_review": true,
                    "secret_scanning": true,
                    "dependency_vulnerability_checks": false,
                },
                "require_actions_workflow_approval": true,
                "is_firewall_enabled": true,
                "is_firewall_recommended_allowlist_enabled": true,
                "custom_allowlist": [],
            }),
        )
    }
}

/// Something of the form of a commit id.
pub(crate) fn sha(of: &str) -> String {
    let seed = of.bytes().fold(7, |sum: u64, byte| crate::world::scramble(sum ^ u64::from(byte)));
    format!("{:016x}{:016x}{:08x}", seed, crate::world::scramble(seed), seed >> 32)
}
