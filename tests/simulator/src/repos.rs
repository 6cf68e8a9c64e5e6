//! The endpoints of a repository: itself, its branches, commits and files, and its settings.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::pull::node_id;
use crate::request::Request;
use crate::token::Token;
use crate::user::show_user;
use crate::world::{RepositoryRecord, World};

/// The id of Copilot's account.
pub(crate) const COPILOT: u64 = 198_982_749;

impl World {
    pub(crate) fn repository(&self, record: &RepositoryRecord, token: &Token, request: &Request) -> Answer {
        let pushes = !record.spec.cannot_push(&token.login);
        let mut shown = show_repository(record, &request.base);
        shown["permissions"] = json!({
            "admin": record.spec.permission(&token.login) == "admin",
            "maintain": false,
            "push": pushes,
            "triage": pushes,
            "pull": true,
        });
        shown["has_discussions"] = false.into();
        shown["network_count"] = 0.into();
        shown["subscribers_count"] = 1.into();
        Answer::json(200, &shown)
    }

    pub(crate) fn branch(&self, record: &RepositoryRecord, name: &str, request: &Request) -> Answer {
        if !record.spec.has_branch(name) {
            return Answer::error(404, "Branch not found");
        }
        let url = format!("{}/repos/{}/branches/{name}", request.base, record.name);
        let html = format!("https://github.com/{}/tree/{name}", record.name);
        let branch = json!({
            "name": name,
            "commit": show_commit(record, name, request),
            "_links": {"self": url, "html": html},
            "protected": false,
            "protection": {"enabled": false},
            "protection_url": format!("{url}/protection"),
        });
        Answer::json(200, &branch)
    }

    /// A file, or a directory when the path is one. The content of a file beyond a megabyte is left out.
    pub(crate) fn contents(&self, record: &RepositoryRecord, path: &str, request: &Request) -> Answer {
        let given = request.parameter("ref");
        let Some(reference) = record.spec.reference(given) else {
            return Answer::error(404, &format!("No commit found for the ref {}", given.unwrap_or_default()));
        };
        let files = record.spec.files_of(reference);
        let show = |path: &str, text: &str| {
            let url = format!("{}/repos/{}/contents/{path}?ref={reference}", request.base, record.name);
            let git = format!("{}/repos/{}/git/blobs/{}", request.base, record.name, sha(text));
            let html = format!("https://github.com/{}/blob/{reference}/{path}", record.name);
            json!({
                "type": "file",
                "name": path.rsplit('/').next(),
                "path": path,
                "size": text.len(),
                "sha": sha(text),
                "url": url,
                "git_url": git,
                "html_url": html,
                "download_url": format!("https://raw.githubusercontent.com/{}/{reference}/{path}", record.name),
                "_links": {"self": url, "git": git, "html": html},
            })
        };
        // A custom agent is a file.
        let agent = path.strip_prefix(".github/agents/").and_then(|name| name.strip_suffix(".agent.md"));
        let agent = agent.filter(|agent| record.spec.custom_agents.iter().any(|known| known == agent));
        let agent = agent.map(|agent| format!("---\nname: {agent}\ndescription: Works on this\n---\nDo it.\n"));
        if let Some(text) = files.get(path).or(agent.as_ref()) {
            let mut file = show(path, text);
            let whole = text.len() <= MAX_SHOWN;
            file["encoding"] = if whole { "base64" } else { "none" }.into();
            file["content"] = if whole { wrapped(&STANDARD.encode(text)) } else { String::new() }.into();
            return Answer::json(200, &file);
        }
        let inside = format!("{}/", path.trim_end_matches('/'));
        let entries: Vec<Value> = files
            .iter()
            .filter(|(file, _)| file.strip_prefix(&inside).is_some_and(|rest| !rest.contains('/')))
            .map(|(file, text)| show(file, text))
            .collect();
        if entries.is_empty() { Answer::not_found() } else { Answer::json(200, &Value::Array(entries)) }
    }

    /// The newest commit of a branch or a tag; older ones are not simulated.
    pub(crate) fn commits(&self, record: &RepositoryRecord, request: &Request) -> Answer {
        let Some(reference) = record.spec.reference(request.parameter("sha")) else {
            return Answer::not_found();
        };
        Answer::json(200, &json!([show_commit(record, reference, request)]))
    }

    /// The permission of a collaborator. A personal token is answered only where its owner can push; an installation's is
    /// always.
    pub(crate) fn permission(
        &self,
        record: &RepositoryRecord,
        login: &str,
        request: &Request,
        asker: Option<&str>,
    ) -> Answer {
        if asker.is_some_and(|asker| record.spec.cannot_push(asker)) {
            return Answer::error(403, "Must have push access to view collaborator permission.");
        }
        let Some((permission, role)) = record.spec.access(login) else {
            return Answer::error(404, &format!("{login} is not a user"));
        };
        let id = self.tokens.values().find(|token| token.login.eq_ignore_ascii_case(login)).map(|token| token.id);
        let id = id.unwrap_or_else(|| login.bytes().fold(1, |id, byte| id * 31 % 100_000_007 + u64::from(byte)));
        let kind = if login.ends_with("[bot]") { "Bot" } else { "User" };
        let mut user = show_user(&request.base, login, id, kind);
        user["role_name"] = role.into();
        Answer::json(200, &json!({"permission": permission, "role_name": role, "user": user}))
    }

    /// The cloud agent's configuration, as documented.
    pub(crate) fn configuration(&self, record: &RepositoryRecord) -> Answer {
        if !record.spec.agent_enabled {
            return Answer::not_found();
        }
        let mut shown = json!({
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
            "is_automations_enabled": true,
            "require_write_access_for_automation_triggers": true,
        });
        for (name, value) in &record.spec.agent_settings {
            shown[name] = value.clone();
        }
        Answer::json(200, &shown)
    }

    /// What GitHub Actions may do; which actions are allowed is shown only where there are workflows at all.
    pub(crate) fn actions(&self, record: &RepositoryRecord, request: &Request) -> Answer {
        let actions = &record.spec.actions;
        let mut shown = json!({"enabled": actions.enabled});
        if actions.enabled {
            shown["allowed_actions"] = actions.allowed.clone().into();
            shown["sha_pinning_required"] = false.into();
        }
        if actions.enabled && actions.allowed == "selected" {
            let url = format!("{}/repositories/{}/actions/permissions/selected-actions", request.base, record.id);
            shown["selected_actions_url"] = url.into();
        }
        Answer::json(200, &shown)
    }

    /// Which actions are selected, where only those are allowed.
    pub(crate) fn selected_actions(&self, record: &RepositoryRecord) -> Answer {
        let actions = &record.spec.actions;
        if !actions.enabled || actions.allowed != "selected" {
            return Answer::error(409, "Conflict");
        }
        let (owned, patterns) = (actions.github_owned, &actions.patterns);
        let selected = json!({"github_owned_allowed": owned, "verified_allowed": false, "patterns_allowed": patterns});
        Answer::json(200, &selected)
    }
}

/// The newest commit of a branch or a tag.
fn show_commit(record: &RepositoryRecord, reference: &str, request: &Request) -> Value {
    let id = sha(reference);
    let api = format!("{}/repos/{}", request.base, record.name);
    let person = json!({"name": "Mona", "email": "mona@example.com", "date": "2026-11-01T08:00:00Z"});
    let verification = json!({"verified": false, "reason": "unsigned", "signature": null, "payload": null,
        "verified_at": null});
    json!({
        "sha": id,
        "node_id": format!("C_{id}"),
        "url": format!("{api}/commits/{id}"),
        "html_url": format!("https://github.com/{}/commit/{id}", record.name),
        "comments_url": format!("{api}/commits/{id}/comments"),
        "commit": {
            "url": format!("{api}/git/commits/{id}"),
            "author": person,
            "committer": person,
            "message": format!("The newest of {reference}"),
            "comment_count": 0,
            "tree": {"sha": sha(&id), "url": format!("{api}/git/trees/{}", sha(&id))},
            "verification": verification,
        },
        "author": null,
        "committer": null,
        "parents": [],
    })
}

/// Everything that GitHub says of a repository in passing.
pub(crate) fn show_repository(record: &RepositoryRecord, base: &str) -> Value {
    let web = format!("https://github.com/{}", record.name);
    let url = format!("{base}/repos/{}", record.name);
    let owner = record.owner();
    let mut shown = json!({
        "id": record.id,
        "node_id": node_id("R", record.owner_id, record.id),
        "name": record.name.split('/').next_back(),
        "full_name": record.name,
        "owner": show_user(base, owner, record.owner_id, "Organization"),
        "private": record.spec.private,
        "archived": record.spec.archived,
        "disabled": record.spec.disabled,
        "fork": false,
        "default_branch": record.spec.default_branch,
        "description": Value::Null,
        "homepage": Value::Null,
        "language": Value::Null,
        "license": Value::Null,
        "clone_url": format!("{web}.git"),
        "git_url": format!("git://github.com/{}.git", record.name),
        "ssh_url": format!("git@github.com:{}.git", record.name),
        "svn_url": web,
        "mirror_url": Value::Null,
        "html_url": web,
    });
    for name in ["downloads", "issues", "pages", "projects", "wiki"] {
        shown[format!("has_{name}")] = (name != "pages").into();
    }
    for name in ["forks", "open_issues", "watchers"] {
        shown[name] = 0.into();
        shown[format!("{name}_count")] = 0.into();
    }
    for name in ["size", "stargazers_count"] {
        shown[name] = 0.into();
    }
    for name in ["created_at", "pushed_at", "updated_at"] {
        shown[name] = "2026-01-02T03:04:05Z".into();
    }
    for (name, path) in ADDRESSES {
        shown[format!("{name}_url")] = format!("{url}{path}").into();
    }
    shown["url"] = url.into();
    shown
}

/// What a repository has addresses of, each with its path below that of the repository.
const ADDRESSES: [(&str, &str); 36] = [
    ("archive", "/{archive_format}{/ref}"),
    ("assignees", "/assignees{/user}"),
    ("blobs", "/git/blobs{/sha}"),
    ("branches", "/branches{/branch}"),
    ("collaborators", "/collaborators{/collaborator}"),
    ("comments", "/comments{/number}"),
    ("commits", "/commits{/sha}"),
    ("compare", "/compare/{base}...{head}"),
    ("contents", "/contents/{+path}"),
    ("contributors", "/contributors"),
    ("deployments", "/deployments"),
    ("downloads", "/downloads"),
    ("events", "/events"),
    ("forks", "/forks"),
    ("git_commits", "/git/commits{/sha}"),
    ("git_refs", "/git/refs{/sha}"),
    ("git_tags", "/git/tags{/sha}"),
    ("hooks", "/hooks"),
    ("issue_comment", "/issues/comments{/number}"),
    ("issue_events", "/issues/events{/number}"),
    ("issues", "/issues{/number}"),
    ("keys", "/keys{/key_id}"),
    ("labels", "/labels{/name}"),
    ("languages", "/languages"),
    ("merges", "/merges"),
    ("milestones", "/milestones{/number}"),
    ("notifications", "/notifications{?since,all,participating}"),
    ("pulls", "/pulls{/number}"),
    ("releases", "/releases{/id}"),
    ("stargazers", "/stargazers"),
    ("statuses", "/statuses/{sha}"),
    ("subscribers", "/subscribers"),
    ("subscription", "/subscription"),
    ("tags", "/tags"),
    ("teams", "/teams"),
    ("trees", "/git/trees{/sha}"),
];

/// The largest file that is shown whole, in bytes,
/// <https://docs.github.com/en/rest/repos/contents#get-repository-content>.
const MAX_SHOWN: usize = 1024 * 1024;

/// Base64 as GitHub gives it, in lines of sixty.
fn wrapped(base64: &str) -> String {
    let mut lines = String::new();
    let mut rest = base64;
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(60));
        lines.push_str(line);
        lines.push('\n');
        rest = more;
    }
    lines
}

/// Something of the form of a commit id.
pub(crate) fn sha(of: &str) -> String {
    let seed = of.bytes().fold(7, |sum: u64, byte| crate::world::split_mix(sum ^ u64::from(byte)));
    format!("{:016x}{:016x}{:08x}", seed, crate::world::split_mix(seed), seed >> 32)
}
