use serde_json::json;

use super::*;
use crate::actions::context::Environment;

/// A run for an event in `octo/app`, by mona.
fn run(event: &str, payload: Option<Value>, variables: &[(&str, &str)]) -> Context {
    let given = [("GITHUB_EVENT_NAME", event), ("GITHUB_REPOSITORY", "octo/app"), ("GITHUB_RUN_ID", "17")];
    let given = given.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Context::new(&given.collect::<Environment>(), payload, None)
}

fn allowing(users: &[&str], bots: &[&str]) -> ActorAllowlist {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    ActorAllowlist { users: owned(users), bots: owned(bots) }
}

/// The check of an event whose payload has this, where mallory and dependabot are let through.
fn checked(event: &str, payload: Value) -> String {
    ActorCheck::of(&run(event, Some(payload), &[]), &allowing(&["mallory"], &["dependabot"])).to_string()
}

/// The verdict of the check: its first words, and the part that says why.
#[track_caller]
fn expect(event: &str, payload: Value, verdict: &str, why: &str) {
    let shown = checked(event, payload.clone());
    let is_it = match verdict {
        "asks" => shown.contains(": passes if GitHub says that "),
        verdict => shown.starts_with(&format!("{verdict}: ")),
    };
    assert!(is_it && shown.contains(why), "{event} {payload}\nexpected {verdict}: {why}\n{shown}");
}

fn by(login: &str) -> Value {
    json!({"sender": {"login": login}, "repository": {"id": 1, "full_name": "octo/app"}})
}

/// A payload with more in it.
fn with(mut payload: Value, key: &str, value: Value) -> Value {
    payload[key] = value;
    payload
}

/// A repository as payloads have it.
fn repository(id: Option<u64>, name: Option<&str>) -> Value {
    json!({"id": id, "full_name": name})
}

#[test]
fn events_that_take_write_access_pass() {
    for event in ["schedule", "push", "workflow_dispatch", "repository_dispatch", "release"] {
        expect(event, json!({}), "passes", &format!("`{event}`, which takes write access"));
    }
    for event in ["issues", "issue_comment", "pull_request", "discussion", "an_event_of_tomorrow"] {
        expect(event, by("reader"), "asks", "reader can write to octo/app");
    }
    expect("", by("reader"), "asks", "an event without a name");
    let outside = Context::new(&Environment::default(), None, None);
    assert!(ActorCheck::of(&outside, &allowing(&[], &[])).to_string().starts_with("passes: outside a workflow run"));
}

#[test]
fn payload_that_cannot_be_read_lets_no_stranger_pass() {
    for payload in [None, Some(Value::Null), Some(json!("cut"))] {
        let check = ActorCheck::of(&run("issues", payload, &[("GITHUB_ACTOR", "mona")]), &allowing(&["mona"], &[]));
        assert!(matches!(&check, ActorCheck::Shut(why) if why.contains("no event payload")), "{check}");
    }
    for (payload, key) in [
        (json!({}), "sender"),
        (json!({"sender": {"login": ""}}), "sender"),
        (json!({"sender": {"id": 7}}), "sender"),
        (with(by("mona"), "workflow_run", json!({})), "workflow_run.actor"),
        (with(by("mona"), "workflow_run", json!({"actor": {"login": "mona"}})), "workflow_run.triggering_actor"),
    ] {
        expect("issues", payload, "refuses", &format!("names no `{key}`"));
    }
    expect("workflow_run", by("mona"), "refuses", "names no `workflow_run.actor`");
}

#[test]
fn bots_pass_only_where_they_are_named() {
    expect("issues", by("dependabot[bot]"), "passes", "an actor in `allow-users` or `allow-bots`");
    expect("issues", by("Dependabot[bot]"), "passes", "an actor in");
    expect(
        "issues",
        by("renovate[bot]"),
        "refuses",
        "was caused by renovate[bot]: a bot has no role; allow it with `allow-bots: renovate`",
    );
    expect("issues", json!({"sender": {"login": "robot", "type": "Bot"}}), "refuses", "`allow-bots: robot`");
    expect("issues", json!({"sender": {"login": "dependabot", "type": "User"}}), "asks", "dependabot can write");
    expect("issues", json!({"sender": {"login": "mallory", "type": "Bot"}}), "refuses", "a bot has no role");
    expect("issues", by("mallory"), "passes", "an actor in");
    expect("issues", by("MALLORY"), "passes", "an actor in");
}

#[test]
fn bots_never_pass_for_a_fork() {
    let base = repository(Some(1), Some("octo/app"));
    for (head, base, is_fork) in [
        (repository(Some(1), Some("octo/app")), base.clone(), false),
        (repository(Some(1), None), base.clone(), false),
        (repository(None, Some("octo/app")), base.clone(), false),
        (repository(Some(2), Some("octo/app")), base.clone(), true),
        (repository(Some(1), Some("eve/app")), base.clone(), true),
        (repository(None, None), base.clone(), true),
        (Value::Null, base, true),
        // Without a base the event's own repository counts.
        (repository(Some(1), Some("octo/app")), Value::Null, false),
        (repository(Some(2), Some("eve/app")), Value::Null, true),
    ] {
        let pull = json!({"head": {"repo": head}, "base": {"repo": base}});
        for event in ["pull_request", "pull_request_target", "pull_request_review", "pull_request_review_comment"] {
            let payload = |login: &str| with(by(login), "pull_request", pull.clone());
            if is_fork {
                expect(event, payload("dependabot[bot]"), "refuses", "a bot acts for the owner of the fork");
                expect(event, payload("reader"), "asks", "about a fork");
            } else {
                expect(event, payload("dependabot[bot]"), "passes", "an actor in");
            }
        }
    }
    // A run for a push is one for people with write access, unless it is about a fork.
    let pull = json!({"head": {"repo": repository(Some(2), None)}, "base": {"repo": repository(Some(1), None)}});
    expect("push", with(by("reader"), "pull_request", pull), "asks", "`push` about a fork");
}

#[test]
fn bots_pass_only_where_no_fork_can_be_behind_the_event() {
    const UNKNOWN: &str = "does not say whether it is about a fork";
    let bot = || by("dependabot[bot]");
    for event in
        ["discussion", "discussion_comment", "fork", "gollum", "issues", "milestone", "registry_package", "watch"]
    {
        expect(event, bot(), "passes", "an actor in");
    }
    for event in ["pull_request", "deployment", "page_build", "merge_group", "an_event_of_tomorrow"] {
        let shown = checked(event, bot());
        assert!(
            shown.starts_with("passes: `") && cause(event) == Trigger::Insiders || shown.contains(UNKNOWN),
            "{shown}"
        );
    }
    expect("issue_comment", with(bot(), "issue", json!({"number": 7})), "passes", "an actor in");
    expect("issue_comment", bot(), "refuses", UNKNOWN);
    let of_pull = json!({"number": 7, "pull_request": {"url": "x"}});
    expect("issue_comment", with(bot(), "issue", of_pull), "refuses", UNKNOWN);
    for (branch, verdict, why) in
        [(json!("main"), "passes", "an actor in"), (json!(""), "refuses", UNKNOWN), (Value::Null, "refuses", UNKNOWN)]
    {
        expect("check_suite", with(bot(), "check_suite", json!({"head_branch": branch})), verdict, why);
        expect("check_run", with(bot(), "check_run", json!({"check_suite": {"head_branch": branch}})), verdict, why);
    }
    expect("status", with(bot(), "branches", json!([{"name": "main"}])), "passes", "an actor in");
    expect("status", with(bot(), "branches", json!([])), "refuses", UNKNOWN);
}

#[test]
fn run_after_another_counts_by_the_one_before() {
    let after = |event: &str, login: &str, home: u64| {
        let actor = json!({"login": login});
        let run = json!({"event": event, "actor": actor, "triggering_actor": actor, "head_repository": {"id": home}});
        with(by(login), "workflow_run", run)
    };
    expect(
        "workflow_run",
        after("push", "reader", 1),
        "passes",
        "`workflow_run` after `push`, which takes write access",
    );
    expect("workflow_run", after("push", "reader", 2), "asks", "`workflow_run` about a fork");
    expect("workflow_run", after("issues", "reader", 1), "asks", "reader can write");
    expect("workflow_run", after("workflow_run", "reader", 1), "asks", "reader can write");
    expect("workflow_run", after("", "reader", 1), "asks", "reader can write");
    for (event, verdict, why) in [
        ("pull_request", "passes", "an actor in"),
        ("issues", "passes", "an actor in"),
        ("pull_request_target", "refuses", "does not say whether it is about a fork"),
        ("issue_comment", "refuses", "does not say whether it is about a fork"),
    ] {
        expect("workflow_run", after(event, "dependabot[bot]", 1), verdict, why);
        expect("workflow_run", after(event, "dependabot[bot]", 2), "refuses", "a bot acts for the owner of the fork");
    }
    let mut other = after("issues", "mallory", 1);
    other["workflow_run"]["triggering_actor"] = json!({"login": "eve"});
    expect("workflow_run", other, "asks", "eve can write");
}

#[test]
fn everyone_with_a_part_in_the_event_counts_once() {
    for (variables, payload, expected) in [
        (&[("GITHUB_ACTOR", "mona")][..], by("MONA"), "mona"),
        (&[("GITHUB_ACTOR", "mona"), ("GITHUB_ACTOR_ID", "5")], json!({"sender": {"login": "mona", "id": 5}}), "mona"),
        (&[("GITHUB_ACTOR", "mona"), ("GITHUB_ACTOR_ID", "5")], json!({"sender": {"login": "mona"}}), "mona"),
        // The login has passed to another account.
        (
            &[("GITHUB_ACTOR", "mona"), ("GITHUB_ACTOR_ID", "5")],
            json!({"sender": {"login": "mona", "id": 6}}),
            "mona and mona",
        ),
        (&[("GITHUB_ACTOR", "mona"), ("GITHUB_TRIGGERING_ACTOR", "eve")], by("mona"), "mona and eve"),
        (&[("GITHUB_ACTOR", "eve")], by("mona"), "eve and mona"),
    ] {
        let check = ActorCheck::of(&run("issues", Some(payload), variables), &allowing(&[], &[])).to_string();
        assert_eq!(check, format!("`issues`: passes if GitHub says that {expected} can write to octo/app"));
    }
    // What one of them says of the other is kept.
    let again = run("issues", Some(json!({"sender": {"login": "mona", "type": "Bot"}})), &[("GITHUB_ACTOR", "mona")]);
    assert!(matches!(ActorCheck::of(&again, &allowing(&["mona"], &[])), ActorCheck::Shut(_)));
    let nowhere = run("issues", Some(by("mona")), &[("GITHUB_REPOSITORY", "")]);
    let check = ActorCheck::of(&nowhere, &allowing(&[], &[])).to_string();
    assert!(check.contains("`GITHUB_REPOSITORY` does not name a repository"), "{check}");
}

#[test]
fn answer_of_github_decides_by_id_and_permission() {
    let context = run("issues", Some(json!({"sender": {"login": "mona", "id": 5}})), &[]);
    let ActorCheck::Ask(query) = ActorCheck::of(&context, &allowing(&[], &[])) else { panic!("it asks") };
    let answered = |id: Option<u64>, permission: &str, role: &str| {
        let access = CollaboratorAccess { id, permission: permission.to_owned(), role: role.to_owned() };
        query.answered(&query.people[0], &access).err().unwrap_or_default()
    };
    for (id, permission) in [(Some(5), "write"), (Some(5), "admin"), (None, "write")] {
        assert_eq!(answered(id, permission, ""), "");
    }
    assert_eq!(
        answered(Some(6), "write", ""),
        "`issues` was caused by mona: the login belongs to another user now; only an event caused by an actor with write \
         access can start tasks here"
    );
    assert_eq!(
        answered(Some(5), "read", "triage"),
        "`issues` was caused by mona: the role in octo/app is `triage`, which cannot write; allow it with write access, \
         or `allow-users: mona`"
    );
    assert!(answered(Some(5), "read", "").contains("is `read`, which cannot write"));
    assert_eq!(
        query.unanswered(&query.people[0], "It is hidden."),
        "`issues` was caused by mona: the access of this actor to octo/app cannot be read: It is hidden; allow it with \
         `lookup-token: ${{ github.token }}`, which may read it, or `allow-users: mona`"
    );
}

#[test]
fn logins_are_names_of_people_or_bots() {
    for (text, user, bot) in [
        ("mona", Some("mona"), Some("mona")),
        ("mona_acme", Some("mona_acme"), Some("mona_acme")),
        ("dependabot[bot]", None, Some("dependabot")),
        ("@mona", None, None),
        ("mona lisa", None, None),
        ("", None, None),
        ("[bot]", None, None),
    ] {
        assert_eq!(user_login(text).ok().as_deref(), user, "{text}");
        assert_eq!(bot_login(text).ok().as_deref(), bot, "{text}");
    }
    assert_eq!(bare("dependabot[bot]"), "dependabot");
    assert_eq!(bare("mona"), "mona");
}
