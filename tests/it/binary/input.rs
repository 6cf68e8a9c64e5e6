use insta::assert_snapshot;

use crate::support::{Finished, TOKEN};

use super::*;

/// Checks that a step was refused for its input, with one annotation, and gives the reasons.
#[track_caller]
fn refused(ran: &Finished) -> String {
    ran.exits(2).sends_nothing().gives("results", "[]").gives("started", "0").gives("task-id", "");
    ran.refusal()
}

#[test]
fn token_that_cannot_start_tasks_is_refused() {
    let mut actual = Vec::new();
    for token in ["ghs_0123456789", "ghr_0123456789", "eyJhbGciOiJSUzI1NiJ9.e30.x", "Bearer ghp_0123456789", ""] {
        let ran = start(&world(with_pull())).with("token", token).run_process();
        actual.push(refused(&ran));
    }
    assert_snapshot!(actual.join("\n"), @r#"
    token is an installation token (`ghs_`), as `GITHUB_TOKEN` and the tokens of `actions/create-github-app-token` are; GitHub lets none of them start or read agent tasks. Store a fine-grained personal access token with the repository permission "Agent tasks: read and write" as a secret and give that
    token is a refresh token (`ghr_`), which only renews other tokens; give the user token (`ghu_`) that it renews, or a fine-grained personal access token
    token is a GitHub App's JSON web token (`eyJ…`), which belongs to the app itself and not to a user; give a user token of the app (`ghu_`) or a fine-grained personal access token
    token starts with the word `Bearer` or `token`; store only what comes after it
    token is missing or empty; store a fine-grained personal access token that has "Agent tasks: read and write" as a secret, and check the name of the secret in the workflow. Runs for pull requests from forks get no secrets, and runs for Dependabot only its own
    "#);
}

#[test]
fn inputs_are_refused_all_at_once() {
    let step = start(&world(with_pull())).with("wait", "maybe").with("wait-timeout", "15");
    let step = step.with("base-ref", &format!("a {TOKEN}")).with("repository", "octo").with("prompt", "");
    let ran = step.run_process();
    assert_snapshot!(refused(&ran), @"
    base-ref: a *** is not a name that git allows for a branch; write for example `main`
    wait: expected true or false, got maybe
    wait-timeout: expected a duration with a unit such as 15s or 15m, got 15
    repository: octo is not of the form `owner/name`
    prompt is missing; write the task for the agent, or name a file in prompt-file
    ");
    assert_snapshot!(ran.headline(), @"### ❌ Bad input, nothing was sent");
}

#[test]
fn input_that_is_unknown_is_warned_of() {
    let ran = start_and_wait(&world(with_pull())).with("base-reff", "main").run_process();
    assert_snapshot!(ran.exits(0).posts(1).annotations(), @"warning [agent-task] unknown input base-reff is ignored; did you mean `base-ref`?");
}

#[test]
fn prompt_file_is_rendered() {
    let simulator = world(with_pull());
    let text = "\u{feff}Release {{ github.repository }}\nfor {{ github.actor }}\n";
    let step = start_and_wait(&simulator).file("release.md", text).with("prompt", "").with("prompt-file", "release.md");
    let ran = step.run_process();
    assert!(simulator.tasks()[0].prompt.starts_with("Release octo/app\nfor mona"));
    assert_snapshot!(ran.exits(0).posts(1).log_lines("release.md"), @"prompt         release.md, 120 characters");
}

#[test]
fn prompt_file_that_cannot_be_used_is_refused() {
    let step = || {
        let step = start(&world(with_pull())).with("prompt", "");
        step.folder.write("outside.md", "Do it");
        step
    };
    let absolute = step();
    let path = absolute.folder.path("outside.md");
    let file = |name: &str, bytes: &[u8]| step().file(name, bytes).with("prompt-file", name);
    let mut actual = Vec::new();
    for step in [
        step().with("prompt-file", "none.md"),
        step().with("prompt-file", "docs/../none.md"),
        step().with("prompt-file", "../none.md"),
        step().with("prompt-file", "../outside.md"),
        absolute.with("prompt-file", &path),
        step().with("prompt-file", "."),
        file("latin.md", b"one\ncaf\xe9\n"),
        file("long.md", &[b'x'; 256 * 1024 + 1]),
        file("empty.md", b" \n"),
        file("both.md", b"Do it").with("prompt", "Do it"),
    ] {
        actual.push(refused(&step.run_process()));
    }
    assert_snapshot!(actual.join("\n"), @"
    prompt-file: none.md cannot be used: there is no such file under `[folder]/workspace`; is `actions/checkout` missing before this step?
    prompt-file: docs/../none.md cannot be used: there is no such file under `[folder]/workspace`; is `actions/checkout` missing before this step?
    prompt-file: ../none.md cannot be used: it leads out of the workspace, to `[folder]/none.md`; name a file inside
    prompt-file: ../outside.md cannot be used: it leads out of the workspace, to `[folder]/outside.md`; name a file inside
    prompt-file: [folder]/outside.md cannot be used: it leads out of the workspace, to `[folder]/outside.md`; name a file inside
    prompt-file: . cannot be used: it is not a file
    prompt-file: latin.md cannot be used: it is not valid UTF-8, first in line 2; save it in that encoding
    prompt-file: long.md cannot be used: it has more than 262144 bytes; shorten it
    prompt-file is empty once it is rendered; write what the agent should do
    prompt and prompt-file exclude each other; remove one
    ");
}

#[cfg(unix)]
#[test]
fn link_out_of_the_workspace_is_not_followed() {
    let step = start(&world(with_pull())).with("prompt", "").with("prompt-file", "link/secret.md");
    step.folder.write("outside/secret.md", "hush");
    std::os::unix::fs::symlink(step.folder.path("outside"), step.folder.path("workspace/link")).unwrap();
    let ran = step.run_process();
    assert_snapshot!(refused(&ran), @"prompt-file: link/secret.md cannot be used: it leads out of the workspace, to `[folder]/outside/secret.md`; name a file inside");
    assert!(!ran.log.contains("hush"), "{}", ran.log);
}

#[test]
fn policy_of_the_workspace_is_applied() {
    let policy = "task-classes:\n  prep:\n    prompt: prep.md\n    base-ref: main\n    model: gpt-5.4\n    wait: true\n    \
                  limits: {max-active: 1, max-starts-per-day: 1}\n";
    let simulator = world(at_once("completed"));
    let step = || {
        let step = start(&simulator).with("prompt", "").with("task-class", "prep");
        step.file(".github/agent-tasks.yml", policy).file("prep.md", "Prepare it")
    };
    let ran = step().with("base-ref", "dev").with("model", "gpt-4").run_process();
    ran.exits(3).posts(0).gives("conclusion", "skipped");
    assert_snapshot!(ran.annotations(), @"
    error [Refused by the policy, nothing was sent] `model: gpt-4` contradicts the task class `prep` of .github/agent-tasks.yml, which has `model: gpt-5.4`; leave the input out, or change the policy
    `base-ref: dev` contradicts the task class `prep` of .github/agent-tasks.yml, which has `base-ref: main`; leave the input out, or change the policy
    ");
    assert_snapshot!(ran.headline(), @"### ⛔ Refused by the policy, nothing was sent");

    let ran = step().run_process();
    ran.exits(0).posts(1).gives("conclusion", "success").gives("base-ref", "main");
    assert_snapshot!(ran.log_lines("task class "), @"task class     prep");
    assert_snapshot!(ran.summary_lines("task class "), @"Requested by mona in a workflow · policy .github/agent-tasks.yml · task class prep · max-active 1 · max-starts-per-day 1");
    assert!(simulator.tasks()[0].prompt.contains(" class=prep "), "{}", simulator.tasks()[0].prompt);

    let ran = step().run_process();
    ran.exits(3).posts(1).gives("conclusion", "skipped").gives("task-id", "");
    assert_snapshot!(ran.annotations(), @"error [Refused by the policy] octo/app: Nothing was started: 1 task of the class `prep` was started within the last 24 hours, and the task class `prep` of .github/agent-tasks.yml has `max-starts-per-day: 1`");
}

#[test]
fn policy_that_is_broken_is_refused_with_all_its_places() {
    let policy = "defaults:\n  modle: x\n  wait: yes\n";
    let ran = start(&world(with_pull())).with("policy", "rules.yml").file("rules.yml", policy).run_process();
    assert_snapshot!(refused(&ran), @"
    policy is wrong. rules.yml:2:3: unknown key `modle`; did you mean `model`?
    policy is wrong. rules.yml:3:9: expected true or false, got `yes`
    ");
}

#[test]
fn template_fault_has_its_place() {
    let step = start(&world(with_pull())).with("vars", "version: 1").with("prompt", "");
    let step = step.file("release.md", "one\nété {{ vars.versoin }}\n").with("prompt-file", "release.md");
    assert_snapshot!(refused(&step.run_process()), @"
    prompt-file cannot be rendered: release.md:2:8: `vars.versoin` is undefined; did you mean `vars.version`? `vars` has `version`
     2 | été {{ vars.versoin }}
       |        ^^^^^^^^^^^^
    ");
}

#[test]
fn prompt_with_a_token_in_it_is_refused() {
    for (name, token) in [("token", TOKEN), ("lookup-token", "ghs_lookup")] {
        let step = start(&world(with_pull())).with(name, token).with("vars", &format!("t: x{token}x"));
        let ran = step.with("prompt", "Use {{ vars.t }}").run_process();
        insta::allow_duplicates! {
            assert_snapshot!(refused(&ran), @"prompt or another part of the request contains a token, which the agent and all readers of the task could see; remove it");
        }
    }
}

#[test]
fn address_without_encryption_is_refused() {
    let mut actual = Vec::new();
    for step in [
        start(&world(with_pull())).with("github-api-url", "http://192.0.2.1"),
        start(&world(with_pull())).variable("GITHUB_API_URL", "http://192.0.2.1"),
    ] {
        actual.push(refused(&step.with("poll-interval", "").run_process()));
    }
    assert_snapshot!(actual.join("\n"), @"
    github-api-url: http://192.0.2.1 is not `https`, so the token would travel unencrypted; `http` is for a loopback address only
    GITHUB_API_URL: http://192.0.2.1 is not `https`, so the token would travel unencrypted; `http` is for a loopback address only
    ");
}

#[test]
fn command_line_answers_two_questions_and_nothing_else() {
    let ask = |argument: &str| start(&world(with_pull())).argument(argument).run_process();
    let version = ask("--version");
    assert_eq!(version.exits(0).log, format!("agent-task {}\n", env!("CARGO_PKG_VERSION")));
    assert!(ask("--help").exits(0).sends_nothing().log.contains("INPUT_DRY_RUN=true"));
    let refused = ask("start");
    refused.exits(2).sends_nothing();
    assert_eq!((refused.log.as_str(), refused.summary.as_str()), ("", ""));
    assert_snapshot!(refused.stderr, @"agent-task takes no arguments; see `agent-task --help`");
}
