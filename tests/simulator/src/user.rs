//! An account: a user, a bot or an organization.

use serde_json::{Value, json};

use crate::pull::node_id;

/// A simple user, as other objects carry it. `base` is where the API is, and `kind` is `User`, `Bot` or
/// `Organization`.
pub(crate) fn show_user(base: &str, login: &str, id: u64, kind: &str) -> Value {
    let url = format!("{base}/users/{login}");
    json!({
        "login": login,
        "id": id,
        "node_id": node_id(&kind[..1], 0, id),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{id}?v=4"),
        "gravatar_id": "",
        "html_url": format!("https://github.com/{login}"),
        "followers_url": format!("{url}/followers"),
        "following_url": format!("{url}/following{{/other_user}}"),
        "gists_url": format!("{url}/gists{{/gist_id}}"),
        "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{url}/subscriptions"),
        "organizations_url": format!("{url}/orgs"),
        "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events{{/privacy}}"),
        "received_events_url": format!("{url}/received_events"),
        "url": url,
        "type": kind,
        "site_admin": false,
    })
}

/// The authenticated user.
pub(crate) fn show_authenticated_user(base: &str, login: &str, id: u64, kind: &str) -> Value {
    let mut shown = show_user(base, login, id, kind);
    for name in ["bio", "blog", "company", "email", "hireable", "location", "name"] {
        shown[name] = Value::Null;
    }
    for name in ["followers", "following", "public_gists", "public_repos"] {
        shown[name] = 0.into();
    }
    for name in ["created_at", "updated_at"] {
        shown[name] = "2026-01-02T03:04:05Z".into();
    }
    shown
}
