//! The gate: whose event starts a task, and what is sent before GitHub has said so.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use simulator::{Fault, Permission, Repository, Route, Simulator, Token};

use crate::step::{Ran, Step};

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

/// A comment by somebody.
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

impl Ran {
    #[track_caller]
    fn assert_refused(&self, parts: &[&str]) {
        assert_eq!((self.code, self.output("conclusion"), self.starts()), (3, "skipped", 0), "{}", self.log);
        assert!(self.calls.iter().all(|call| !call.path.starts_with("/agents")), "{:?}", self.calls);
        let annotations = self.log.lines().filter(|line| line.starts_with("::error")).collect::<Vec<_>>();
        assert_eq!(annotations.len(), 1, "{}", self.log);
        for part in parts {
            assert!(annotations[0].contains(part), "{part} in {}", annotations[0]);
            assert!(self.output("error-message").contains(part), "{part} in {}", self.output("error-message"));
            assert!(self.output("results").contains("\"conclusion\":\"skipped\""), "{}", self.output("results"));
        }
        assert!(self.summary.contains("nothing was sent"), "{}", self.summary);
    }
}

#[tokio::test(start_paused = true)]
async fn a_strangers_comment_starts_nothing() {
    for (login, role) in [("mallory", "read"), ("sorter", "triage"), ("reader", "reviewer"), ("banned", "none")] {
        let ran = commented(&world(), login).run().await;
        let role = format!("their role in octo/app is `{role}`");
        let remedy = format!("`allow-users: {login}`");
        ran.assert_refused(&["`issue_comment`", login, &role, "write access", &remedy]);
        assert_eq!(ran.calls.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_maintainers_comment_starts_a_task() {
    for login in ["mona", "lead", "releaser", "octocat"] {
        let ran = commented(&world(), login).run().await;
        assert_eq!((ran.code, ran.starts()), (0, 1), "{}", ran.log);
        ran.assert_log(&format!("{login} has write access to octo/app"));
        assert_eq!(ran.calls[0].path, format!("/repos/octo/app/collaborators/{login}/permission"));
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_on_the_list_is_not_asked_about() {
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
    bot("").await.assert_refused(&["dependabot[bot]", "`allow-bots: dependabot`"]);
}

#[tokio::test(start_paused = true)]
async fn who_must_have_write_access_is_never_asked_about() {
    for event in ["schedule", "workflow_dispatch", "repository_dispatch", "push", "merge_group"] {
        let step = Step::new(&world()).with("wait", "").on(event, &json!({"sender": {"login": "mallory"}}));
        let ran = step.variable("GITHUB_ACTOR", "mallory").run().await;
        assert_eq!((ran.code, ran.calls.len()), (0, 1), "{event}: {}", ran.log);
    }
}

#[tokio::test(start_paused = true)]
async fn everybody_who_had_a_part_is_asked_about() {
    let again = commented(&world(), "mallory").variable("GITHUB_TRIGGERING_ACTOR", "mona").run().await;
    again.assert_refused(&["caused by mallory"]);
    let again = commented(&world(), "mona").variable("GITHUB_TRIGGERING_ACTOR", "sorter").run().await;
    again.assert_refused(&["run again by sorter"]);
    let twice = commented(&world(), "mona").variable("GITHUB_TRIGGERING_ACTOR", "lead").run().await;
    assert_eq!((twice.code, twice.calls.len()), (0, 3), "{}", twice.log);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_changed_hands_opens_nothing() {
    let simulator = world();
    simulator.token("github_pat_mona", Token::default().of("mona", 17));
    let ran = commented(&simulator, "mona").variable("GITHUB_ACTOR_ID", "17").run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
    let ran = commented(&simulator, "mona").variable("GITHUB_ACTOR_ID", "18").run().await;
    assert_eq!((ran.code, ran.output("conclusion")), (3, "skipped"), "{}", ran.log);
    assert!(ran.output("error-message").contains("belongs to somebody else by now"));
}

#[tokio::test(start_paused = true)]
async fn whichever_token_may_ask_asks() {
    let simulator = world();
    simulator.token("ghs_job", Token::default());
    simulator.token("github_pat_reader", Token::default().of("reader", 9));
    simulator.token("github_pat_simulated", Token::default().without(Permission::MetadataRead));
    simulator.token("github_pat_elsewhere", Token::default().seeing(&["octo/other"]));
    for (lookup, asked) in [("ghs_job", 1), ("", 1), ("github_pat_reader", 2), ("github_pat_elsewhere", 2)] {
        let before = simulator.log().len();
        let ran = commented(&simulator, "mona").with("lookup-token", lookup).run().await;
        let asked_for = &ran.calls[before..];
        if lookup == "ghs_job" {
            assert_eq!((ran.code, asked_for.len()), (0, asked + 1), "{}", ran.log);
        } else {
            assert_eq!((ran.code, asked_for.len()), (3, asked), "{lookup}: {}", ran.log);
            let message = ran.output("error-message");
            assert!(message.contains("cannot be asked"), "{message}");
            assert!(message.contains("`lookup-token: ${{ github.token }}`"), "{message}");
            assert!(message.contains("Resource not accessible by personal access token"), "{message}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whom_github_does_not_find_opens_nothing() {
    commented(&world(), "gone").run().await.assert_refused(&["nobody of that name", "`allow-users: gone`"]);
    let private = world();
    private.repository("octo/app", Repository { private: true, ..Repository::default() });
    commented(&private, "mallory").run().await.assert_refused(&["mallory is not a user"]);
}

#[tokio::test(start_paused = true)]
async fn a_question_without_an_answer_starts_nothing() {
    let simulator = world();
    simulator.fault_times(Route::Other, 2, Fault::status(502));
    let ran = commented(&simulator, "mona").run().await;
    assert_eq!((ran.code, ran.starts()), (0, 1), "{}", ran.log);

    let down = world();
    down.fault_times(Route::Other, 9, Fault::status(502));
    let ran = commented(&down, "mona").run().await;
    assert_eq!((ran.code, ran.starts(), ran.calls.len()), (5, 0, 3), "{}", ran.log);
    assert!(ran.output("error-message").contains("Bad Gateway"), "{}", ran.output("error-message"));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_tells_what_the_gate_would_do() {
    let dry = |login: &str| commented(&world(), login).with("dry-run", "true").run();
    let ran = dry("mallory").await;
    assert_eq!((ran.code, ran.calls.len()), (0, 0));
    ran.assert_log("`issue_comment`: opens if GitHub says that mallory can write to octo/app");
    dry("evil[bot]").await.assert_log("shut: `issue_comment` was caused by evil[bot]");
    let ran = Step::new(&world()).with("dry-run", "true").on("schedule", &json!({})).run().await;
    ran.assert_log("open: `schedule`, which takes write access");
}

/// A pull request from a fork, or from a fork that is gone, by somebody.
fn from_fork(login: &str, fork: Value) -> Value {
    let base = json!({"repo": {"id": 1, "full_name": "octo/app"}});
    json!({
        "pull_request": {"head": {"repo": fork}, "base": base, "user": {"login": "mallory"}},
        "repository": {"id": 1, "full_name": "octo/app"},
        "sender": {"login": login},
    })
}

#[tokio::test(start_paused = true)]
async fn a_pull_request_from_a_fork_is_an_outsiders_whatever_the_event() {
    let fork = json!({"id": 2, "full_name": "mallory/app"});
    // None of these events would be asked about by itself.
    for event in ["push", "merge_group", "release", "workflow_dispatch", "pull_request_target"] {
        for fork in [fork.clone(), Value::Null] {
            let run = |login: &str, bots: &str| {
                let step = Step::new(&world()).with("wait", "").on(event, &from_fork(login, fork.clone()));
                step.variable("GITHUB_ACTOR", login).with("allow-bots", bots).run()
            };
            run("mallory", "").await.assert_refused(&["about a fork", "mallory"]);
            assert_eq!(run("mona", "").await.code, 0);
            // A bot pushes to a fork at its owner's behest.
            run("dependabot[bot]", "dependabot").await.assert_refused(&["whoever owns the fork"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bots_comment_on_a_pull_request_opens_nothing() {
    let run = |login: &str, is_pull: bool| {
        let mut payload = comment(login);
        payload["issue"] = match is_pull {
            true => json!({"number": 3, "pull_request": {"url": "https://api.github.com/repos/octo/app/pulls/3"}}),
            false => json!({"number": 3}),
        };
        let step = Step::new(&world()).with("wait", "").with("allow-bots", "helper").on("issue_comment", &payload);
        step.variable("GITHUB_ACTOR", login).run()
    };
    run("helper[bot]", true).await.assert_refused(&["does not tell whether the pull request is from a fork"]);
    run("mallory", true).await.assert_refused(&["mallory"]);
    assert_eq!(run("helper[bot]", false).await.code, 0);
    assert_eq!(run("mona", true).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_after_a_run_is_as_good_as_that_one() {
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
    run("pull_request", "octo/app", "mallory").await.assert_refused(&["after a run that was caused by mallory"]);
    run("push", "mallory/app", "mallory").await.assert_refused(&["`workflow_run` about a fork"]);
    run("workflow_run", "octo/app", "mallory").await.assert_refused(&["mallory"]);
    assert_eq!(run("pull_request", "octo/app", "mona").await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_counts_as_an_outsiders() {
    for event in ["unheard_of", "PUSH", "workflow_call", ""] {
        let step = Step::new(&world()).with("wait", "").on(event, &json!({})).variable("GITHUB_ACTOR", "mallory");
        step.run().await.assert_refused(&["mallory"]);
    }
    let nobody = Step::new(&world()).with("wait", "").on("issues", &json!({})).variable("GITHUB_ACTOR", "");
    nobody.run().await.assert_refused(&["nobody can say who caused `issues`"]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_starts_nothing_and_asks_about_nobody() {
    let simulator = world();
    let started = Step::new(&simulator).with("wait", "").run().await;
    let step = Step::waiting(&simulator, started.output("task-id")).on("issue_comment", &comment("mallory"));
    let ran = step.variable("GITHUB_ACTOR", "mallory").run().await;
    assert_eq!(ran.code, 0, "{}", ran.log);
    assert!(!ran.calls.iter().any(|call| call.path.contains("collaborators")));
}

#[test]
fn every_event_is_decided_once() {
    let events = agent_task::policy::actor::EVENTS;
    let once = events.iter().copied().map(|(name, _)| (name, ())).collect::<BTreeMap<_, _>>();
    assert_eq!(once.len(), events.len());
}
