//! The actor check: whose event starts a task, and what is sent before GitHub has said so.

use std::collections::{BTreeMap, BTreeSet};

use agent_task::policy::actor::Trigger;
use insta::assert_snapshot;
use serde_json::{Value, json};
use simulator::{Fault, Permission, Repository, Route, Simulator, Token};

use crate::support::{Finished, Step};

/// A world in which mona can write and others can do less.
fn world() -> Simulator {
    let simulator = Simulator::new();
    let roles = [
        ("octocat", "admin"),
        ("mona", "write"),
        ("lead", "maintain"),
        ("releaser", "releaser=write"),
        ("sorter", "triage"),
        ("reader", "reviewer=read"),
        ("gone", "unknown"),
        ("banned", "none"),
    ];
    let collaborators = roles.map(|(login, role)| (login.to_owned(), role.to_owned())).into();
    simulator.repository("octo/app", Repository { collaborators, ..Repository::default() });
    simulator
}

/// A comment by a person.
fn comment(login: &str) -> Value {
    json!({
        "action": "created",
        "comment": {"body": "/agent fix this", "user": {"login": login}},
        "sender": {"login": login, "type": "User"},
    })
}

fn commented(simulator: &Simulator, login: &str) -> Step {
    Step::new(simulator).with("wait", "").on("issue_comment", &comment(login)).variable("GITHUB_ACTOR", login)
}

impl Finished {
    /// Asserts that the actor check refused the step, and gives the reason.
    #[track_caller]
    fn refused(&self) -> String {
        assert_eq!((self.code, self.output("conclusion"), self.starts()), (3, "skipped", 0), "{}", self.log);
        assert!(self.calls.iter().all(|call| !call.path.starts_with("/agents")), "{:?}", self.calls);
        assert_eq!(self.results()[0]["conclusion"], "skipped");
        self.refusal()
    }
}

#[tokio::test(start_paused = true)]
async fn stranger_starts_nothing() {
    let mut actual = Vec::new();
    for login in ["mallory", "sorter", "reader", "banned"] {
        let ran = commented(&world(), login).run().await;
        actual.push(ran.refused());
        assert_eq!(ran.calls.len(), 1);
    }
    assert_snapshot!(actual.join("\n"), @"
    `issue_comment` was caused by mallory: the role in octo/app is `read`, which cannot write; allow it with write access, or `allow-users: mallory`
    `issue_comment` was caused by sorter: the role in octo/app is `triage`, which cannot write; allow it with write access, or `allow-users: sorter`
    `issue_comment` was caused by reader: the role in octo/app is `reviewer`, which cannot write; allow it with write access, or `allow-users: reader`
    `issue_comment` was caused by banned: the role in octo/app is `none`, which cannot write; allow it with write access, or `allow-users: banned`
    ");
}

#[tokio::test(start_paused = true)]
async fn maintainer_starts_a_task() {
    let mut actual = Vec::new();
    for login in ["mona", "lead", "releaser", "octocat"] {
        let ran = commented(&world(), login).run().await;
        assert_eq!((ran.code, ran.starts()), (0, 1), "{}", ran.log);
        actual.push(ran.log_lines("write access"));
        assert_eq!(ran.calls[0].path, format!("/repos/octo/app/collaborators/{login}/permission"));
    }
    assert_snapshot!(actual.join("\n"), @"
    mona has write access to octo/app
    lead has write access to octo/app
    releaser has write access to octo/app
    octocat has write access to octo/app
    ");
}

#[tokio::test(start_paused = true)]
async fn allow_list_needs_no_request() {
    let ran = commented(&world(), "Mallory").with("allow-users", "bob, mallory").run().await;
    assert_eq!((ran.code, ran.calls.len()), (0, 1), "{}", ran.log);

    let bot = |allowed: &str| {
        let payload = json!({"sender": {"login": "dependabot[bot]", "type": "Bot"}});
        let step = Step::new(&world()).with("wait", "").on("issues", &payload).with("allow-bots", allowed);
        step.variable("GITHUB_ACTOR", "dependabot[bot]").run()
    };
    for name in ["dependabot", "Dependabot[bot]"] {
        assert_eq!(bot(name).await.code, 0, "{name}");
    }
    assert_snapshot!(bot("").await.refused(), @"`issues` was caused by dependabot[bot]: a bot has no role; allow it with `allow-bots: dependabot`");
}

#[tokio::test(start_paused = true)]
async fn event_that_takes_write_access_needs_no_request() {
    for event in ["schedule", "workflow_dispatch", "repository_dispatch", "push", "merge_group"] {
        let step = Step::new(&world()).with("wait", "").on(event, &json!({"sender": {"login": "mallory"}}));
        let ran = step.variable("GITHUB_ACTOR", "mallory").run().await;
        assert_eq!((ran.code, ran.calls.len()), (0, 1), "{event}: {}", ran.log);
    }
}

#[tokio::test(start_paused = true)]
async fn actors_of_a_rerun_are_all_checked() {
    let again = commented(&world(), "mallory").variable("GITHUB_TRIGGERING_ACTOR", "mona").run().await;
    assert_snapshot!(again.refused(), @"`issue_comment` was caused by mallory: the role in octo/app is `read`, which cannot write; allow it with write access, or `allow-users: mallory`");
    let again = commented(&world(), "mona").variable("GITHUB_TRIGGERING_ACTOR", "sorter").run().await;
    assert_snapshot!(again.refused(), @"`issue_comment` was run again by sorter: the role in octo/app is `triage`, which cannot write; allow it with write access, or `allow-users: sorter`");
    let twice = commented(&world(), "mona").variable("GITHUB_TRIGGERING_ACTOR", "lead").run().await;
    assert_eq!((twice.code, twice.calls.len()), (0, 3), "{}", twice.log);
}

#[tokio::test(start_paused = true)]
async fn login_that_changed_hands_starts_nothing() {
    let simulator = world();
    simulator.token("github_pat_mona", Token::default().of("mona", 17));
    let ran = commented(&simulator, "mona").variable("GITHUB_ACTOR_ID", "17").run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
    let ran = commented(&simulator, "mona").variable("GITHUB_ACTOR_ID", "18").run().await;
    assert_eq!((ran.code, ran.output("conclusion")), (3, "skipped"), "{}", ran.log);
    assert_snapshot!(ran.message(), @"`issue_comment` was caused by mona: the login belongs to another user now; only an event caused by an actor with write access can start tasks here");
}

#[tokio::test(start_paused = true)]
async fn lookup_token_reads_roles() {
    let simulator = world();
    simulator.token("ghs_job", Token::default());
    simulator.token("github_pat_reader", Token::default().of("reader", 9));
    simulator.token("github_pat_simulated", Token::default().without(Permission::MetadataRead));
    simulator.token("github_pat_elsewhere", Token::default().seeing(&["octo/other"]));
    let mut actual = Vec::new();
    for (lookup, asked) in [("ghs_job", 1), ("", 1), ("github_pat_reader", 2), ("github_pat_elsewhere", 2)] {
        let before = simulator.log().len();
        let ran = commented(&simulator, "mona").with("lookup-token", lookup).run().await;
        let asked_for = &ran.calls[before..];
        if lookup == "ghs_job" {
            assert_eq!((ran.code, asked_for.len()), (0, asked + 1), "{}", ran.log);
        } else {
            assert_eq!((ran.code, asked_for.len()), (3, asked), "{lookup}: {}", ran.log);
            actual.push(ran.message());
        }
    }
    assert_snapshot!(actual.join("\n"), @"
    `issue_comment` was caused by mona: the access of this actor to octo/app cannot be read: the token lacks a permission (Resource not accessible by personal access token). A personal token may ask this only where its owner can push; allow it with `lookup-token: ${{ github.token }}`, which may read it, or `allow-users: mona`
    `issue_comment` was caused by mona: the access of this actor to octo/app cannot be read: the token lacks a permission (Resource not accessible by personal access token). A personal token may ask this only where its owner can push; allow it with `lookup-token: ${{ github.token }}`, which may read it, or `allow-users: mona`
    `issue_comment` was caused by mona: the access of this actor to octo/app cannot be read: the token lacks a permission (Resource not accessible by personal access token). A personal token may ask this only where its owner can push; allow it with `lookup-token: ${{ github.token }}`, which may read it, or `allow-users: mona`
    ");
}

#[tokio::test(start_paused = true)]
async fn unknown_user_starts_nothing() {
    assert_snapshot!(commented(&world(), "gone").run().await.refused(), @"`issue_comment` was caused by gone: the access of this actor to octo/app cannot be read: GitHub finds nothing there for this token (gone is not a user). Either the token does not reach the repository, or there is no user of that name; allow it with `lookup-token: ${{ github.token }}`, which may read it, or `allow-users: gone`");
    let private = world();
    private.repository("octo/app", Repository { private: true, ..Repository::default() });
    assert_snapshot!(commented(&private, "mallory").run().await.refused(), @"`issue_comment` was caused by mallory: the access of this actor to octo/app cannot be read: GitHub finds nothing there for this token (mallory is not a user). Either the token does not reach the repository, or there is no user of that name; allow it with `lookup-token: ${{ github.token }}`, which may read it, or `allow-users: mallory`");
}

#[tokio::test(start_paused = true)]
async fn role_that_cannot_be_read_starts_nothing() {
    let simulator = world();
    simulator.fault_times(Route::Other, 2, Fault::status(502));
    let ran = commented(&simulator, "mona").run().await;
    assert_eq!((ran.code, ran.starts()), (0, 1), "{}", ran.log);

    let down = world();
    down.fault_times(Route::Other, 9, Fault::status(502));
    let ran = commented(&down, "mona").run().await;
    assert_eq!((ran.code, ran.starts(), ran.calls.len()), (5, 0, 3), "{}", ran.log);
    assert_snapshot!(ran.message(), @"GitHub answered with status 502 Bad Gateway, request id [request]");
}

#[tokio::test(start_paused = true)]
async fn dry_run_shows_the_actor_check() {
    let dry = |login: &str| commented(&world(), login).with("dry-run", "true").run();
    let ran = dry("mallory").await;
    assert_eq!((ran.code, ran.calls.len()), (0, 0));
    assert_snapshot!(ran.log_lines("mallory can"), @"actor check    `issue_comment`: passes if GitHub says that mallory can write to octo/app");
    assert_snapshot!(dry("evil[bot]").await.log_lines("caused by evil"), @"actor check    refuses: `issue_comment` was caused by evil[bot]: the event does not say whether it is about a fork, where a bot acts for the owner of the fork; only an event caused by an actor with write access can start tasks here");
    let ran = Step::new(&world()).with("dry-run", "true").on("schedule", &json!({})).run().await;
    assert_snapshot!(ran.log_lines("`schedule`"), @"actor check    passes: `schedule`, which takes write access");
}

/// A pull request from a fork, or from a fork that is gone, by a person.
fn from_fork(login: &str, fork: Value) -> Value {
    let base = json!({"repo": {"id": 1, "full_name": "octo/app"}});
    json!({
        "pull_request": {"head": {"repo": fork}, "base": base, "user": {"login": "mallory"}},
        "repository": {"id": 1, "full_name": "octo/app"},
        "sender": {"login": login},
    })
}

#[tokio::test(start_paused = true)]
async fn fork_is_an_outsiders_whatever_the_event() {
    let fork = json!({"id": 2, "full_name": "mallory/app"});
    let mut actual = BTreeSet::new();
    // None of these events would be asked about by itself.
    for event in ["push", "merge_group", "release", "workflow_dispatch", "pull_request_target"] {
        for fork in [fork.clone(), Value::Null] {
            let run = |login: &str, bots: &str| {
                let step = Step::new(&world()).with("wait", "").on(event, &from_fork(login, fork.clone()));
                step.variable("GITHUB_ACTOR", login).with("allow-bots", bots).run()
            };
            actual.insert(run("mallory", "").await.refused().replace(event, "[event]"));
            assert_eq!(run("mona", "").await.code, 0);
            // A bot pushes to a fork at its owner's behest.
            actual.insert(run("dependabot[bot]", "dependabot").await.refused().replace(event, "[event]"));
        }
    }
    assert_snapshot!(actual.into_iter().collect::<Vec<_>>().join("\n"), @"
    `[event]` about a fork was caused by dependabot[bot]: a bot acts for the owner of the fork; only an event caused by an actor with write access can start tasks here
    `[event]` about a fork was caused by mallory: the role in octo/app is `read`, which cannot write; allow it with write access, or `allow-users: mallory`
    ");
}

#[tokio::test(start_paused = true)]
async fn bot_on_a_pull_request_starts_nothing() {
    let run = |login: &str, is_pull: bool| {
        let mut payload = comment(login);
        payload["issue"] = match is_pull {
            true => json!({"number": 3, "pull_request": {"url": "https://api.github.com/repos/octo/app/pulls/3"}}),
            false => json!({"number": 3}),
        };
        let step = Step::new(&world()).with("wait", "").with("allow-bots", "helper").on("issue_comment", &payload);
        step.variable("GITHUB_ACTOR", login).run()
    };
    assert_snapshot!(run("helper[bot]", true).await.refused(), @"`issue_comment` was caused by helper[bot]: the event does not say whether it is about a fork, where a bot acts for the owner of the fork; only an event caused by an actor with write access can start tasks here");
    run("mallory", true).await.refused();
    assert_eq!(run("helper[bot]", false).await.code, 0);
    assert_eq!(run("mona", true).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn workflow_run_counts_as_the_run_before() {
    let run = |event: &str, head: &str, actor: &str| {
        let payload = json!({
            "workflow_run": {
                "event": event,
                "head_repository": {"full_name": head},
                "actor": {"login": actor},
                "triggering_actor": {"login": "mona"},
            },
            "repository": {"full_name": "octo/app"},
            "sender": {"login": "mona"},
        });
        Step::new(&world()).with("wait", "").on("workflow_run", &payload).run()
    };
    assert_eq!(run("push", "octo/app", "mallory").await.calls.len(), 1);
    let mut actual = Vec::new();
    for (event, head) in [("pull_request", "octo/app"), ("push", "mallory/app"), ("workflow_run", "octo/app")] {
        actual.push(run(event, head, "mallory").await.refused());
    }
    assert_snapshot!(actual.join("\n"), @"
    `workflow_run` was after a run that was caused by mallory: the role in octo/app is `read`, which cannot write; allow it with write access, or `allow-users: mallory`
    `workflow_run` about a fork was after a run that was caused by mallory: the role in octo/app is `read`, which cannot write; allow it with write access, or `allow-users: mallory`
    `workflow_run` was after a run that was caused by mallory: the role in octo/app is `read`, which cannot write; allow it with write access, or `allow-users: mallory`
    ");
    assert_eq!(run("pull_request", "octo/app", "mona").await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn unknown_event_counts_as_an_outsiders() {
    let mut actual = Vec::new();
    for event in ["unheard_of", "PUSH", "workflow_call", ""] {
        let step = Step::new(&world()).with("wait", "").on(event, &comment("mallory"));
        actual.push(step.variable("GITHUB_ACTOR", "mallory").run().await.refused());
    }
    assert_snapshot!(actual.join("\n"), @"
    `unheard_of` was caused by mallory: the role in octo/app is `read`, which cannot write; allow it with write access, or `allow-users: mallory`
    `PUSH` was caused by mallory: the role in octo/app is `read`, which cannot write; allow it with write access, or `allow-users: mallory`
    `workflow_call` was caused by mallory: the role in octo/app is `read`, which cannot write; allow it with write access, or `allow-users: mallory`
    an event without a name was caused by mallory: the role in octo/app is `read`, which cannot write; allow it with write access, or `allow-users: mallory`
    ");
}

#[tokio::test(start_paused = true)]
async fn events_without_a_sender_start_nothing() {
    let outsiders = agent_task::policy::actor::EVENTS.iter().filter(|(_, cause)| *cause == Trigger::Anybody);
    for event in outsiders.map(|(name, _)| *name).chain(["workflow_run", "unheard_of", ""]) {
        for payload in [json!({}), json!({"sender": null}), json!({"sender": {"login": "", "type": "User"}})] {
            for login in ["mona", "dependabot[bot]"] {
                let step = Step::new(&world()).with("wait", "").with("allow-bots", "dependabot").on(event, &payload);
                let actual = step.variable("GITHUB_ACTOR", login).run().await.refused();
                assert!(actual.contains("`sender`"), "{actual}");
            }
        }
    }
    let step = Step::new(&world()).with("wait", "").on("issues", &json!({"sender": null}));
    assert_snapshot!(step.variable("GITHUB_ACTOR", "mona").run().await.refused(), @"`issues` has a payload that names no `sender`, so the actor is unknown, and only events that take write access can start tasks; the account may be deleted, or the file that `GITHUB_EVENT_PATH` names is cut");
}

/// A run after one of this event, by a bot that `allow-bots` names.
fn after(event: &str, run: &Value) -> Step {
    let bot = json!({"login": "dependabot[bot]", "type": "Bot"});
    let mut before = json!({
        "event": event,
        "head_repository": {"full_name": "octo/app"},
        "actor": bot,
        "triggering_actor": bot,
    });
    before.as_object_mut().unwrap().extend(run.as_object().unwrap().clone());
    let payload = json!({"workflow_run": before, "repository": {"full_name": "octo/app"}, "sender": bot});
    let step = Step::new(&world()).with("wait", "").with("allow-bots", "dependabot").on("workflow_run", &payload);
    step.variable("GITHUB_ACTOR", "dependabot[bot]")
}

#[tokio::test(start_paused = true)]
async fn bot_after_a_run_starts_nothing_if_a_fork_is_possible() {
    let outsiders = agent_task::policy::actor::EVENTS.iter().filter(|(_, cause)| *cause != Trigger::Insiders);
    let mut passed = Vec::new();
    for event in outsiders.map(|(name, _)| *name).chain(["unheard_of", ""]) {
        let ran = after(event, &json!({})).run().await;
        if ran.code == 0 {
            passed.push(event);
        } else {
            ran.refused();
        }
        after(event, &json!({"head_repository": {"full_name": "mallory/app"}})).run().await.refused();
    }
    assert_snapshot!(passed.join(" "), @"discussion discussion_comment fork gollum issues milestone pull_request registry_package watch");
    assert_snapshot!(after("issue_comment", &json!({})).run().await.refused(), @"`workflow_run` was caused by dependabot[bot]: the event does not say whether it is about a fork, where a bot acts for the owner of the fork; only an event caused by an actor with write access can start tasks here");
}

#[tokio::test(start_paused = true)]
async fn run_with_an_unknown_actor_starts_nothing() {
    let mut actual = BTreeSet::new();
    for event in ["issues", "pull_request", "workflow_run"] {
        for part in ["actor", "triggering_actor"] {
            for user in [Value::Null, json!({}), json!({"login": null})] {
                let payload = json!({
                    "workflow_run": {
                        "event": event,
                        "head_repository": {"full_name": "octo/app"},
                        "actor": {"login": "mona"},
                        "triggering_actor": {"login": "mona"},
                    },
                    "repository": {"full_name": "octo/app"},
                    "sender": {"login": "mona"},
                });
                let run = |payload: &Value| Step::new(&world()).with("wait", "").on("workflow_run", payload).run();
                let mut cut = payload.clone();
                cut["workflow_run"][part] = user;
                actual.insert(run(&cut).await.refused());
                cut["workflow_run"].as_object_mut().unwrap().remove(part);
                actual.insert(run(&cut).await.refused());
                assert_eq!(run(&payload).await.code, 0);
            }
        }
    }
    assert_snapshot!(actual.into_iter().collect::<Vec<_>>().join("\n"), @"
    `workflow_run` has a payload that names no `workflow_run.actor`, so the actor is unknown, and only events that take write access can start tasks; the account may be deleted, or the file that `GITHUB_EVENT_PATH` names is cut
    `workflow_run` has a payload that names no `workflow_run.triggering_actor`, so the actor is unknown, and only events that take write access can start tasks; the account may be deleted, or the file that `GITHUB_EVENT_PATH` names is cut
    ");
}

#[tokio::test(start_paused = true)]
async fn bot_on_a_commit_needs_a_branch_of_the_repository() {
    for (event, own, other) in [
        ("check_suite", json!({"check_suite": {"head_branch": "main"}}), json!({"check_suite": {"head_branch": null}})),
        (
            "check_run",
            json!({"check_run": {"check_suite": {"head_branch": "main"}}}),
            json!({"check_run": {"check_suite": {"head_branch": ""}}}),
        ),
        ("status", json!({"branches": [{"name": "main"}]}), json!({"branches": []})),
    ] {
        for (mut payload, code) in [(own, 0), (other, 3), (json!({}), 3)] {
            payload["sender"] = json!({"login": "dependabot[bot]", "type": "Bot"});
            let step = Step::new(&world()).with("wait", "").with("allow-bots", "dependabot").on(event, &payload);
            let ran = step.variable("GITHUB_ACTOR", "dependabot[bot]").run().await;
            assert_eq!(ran.code, code, "{event}: {}", ran.log);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn wait_needs_no_actor_check() {
    let simulator = world();
    let started = Step::new(&simulator).with("wait", "").run().await;
    let step = Step::waiting(&simulator, started.output("task-id")).on("issue_comment", &comment("mallory"));
    let ran = step.variable("GITHUB_ACTOR", "mallory").run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
    assert!(!ran.calls.iter().any(|call| call.path.contains("collaborators")));
}

#[test]
fn events_are_decided_once() {
    let events = agent_task::policy::actor::EVENTS;
    let once = events.iter().copied().map(|(name, _)| (name, ())).collect::<BTreeMap<_, _>>();
    assert_eq!(once.len(), events.len());
}

#[tokio::test(start_paused = true)]
async fn unreadable_payloads_start_only_what_takes_write_access() {
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    for text in [None, Some(r#"{"sender": "#), Some(&*deep), Some("[]"), Some("null"), Some("")] {
        for event in ["pull_request_target", "issue_comment", "workflow_run", "unheard_of"] {
            for login in ["dependabot[bot]", "mona"] {
                let step = Step::new(&world()).with("wait", "").with("allow-bots", "dependabot");
                let step = step.with("allow-users", "mona").on(event, &json!({})).variable("GITHUB_ACTOR", login);
                let step = match text {
                    Some(text) => step.file("../event.json", text),
                    None => step.variable("GITHUB_EVENT_PATH", ""),
                };
                let ran = step.run().await;
                assert_eq!((ran.code, ran.calls.len()), (3, 0), "{}", ran.log);
                assert!(ran.message().contains("no event payload that can be read"), "{}", ran.message());
            }
        }
        let step = Step::new(&world()).with("wait", "").on("schedule", &json!({}));
        assert_eq!(step.file("../event.json", text.unwrap_or_default()).run().await.code, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn payloads_without_their_subject_let_no_bot_pass() {
    for event in
        ["pull_request", "pull_request_target", "pull_request_review", "issue_comment", "deployment", "unheard_of"]
    {
        let payload = json!({"sender": {"login": "dependabot[bot]", "type": "Bot"}});
        let step = Step::new(&world()).with("wait", "").with("allow-bots", "dependabot").on(event, &payload);
        let actual = step.variable("GITHUB_ACTOR", "dependabot[bot]").run().await.refused();
        assert!(actual.contains("dependabot[bot]"), "{actual}");
    }
}
