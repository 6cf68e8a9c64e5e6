//! What a class fixes about who starts a task and while which others, and which tasks count as active.

use insta::assert_snapshot;
use serde_json::json;
use simulator::{ExistingTask, Repository, Script, Simulator};

use crate::support::{Finished, Step, TOKEN, seconds};

/// A repository in which a person has a task at work.
fn world() -> Simulator {
    let simulator = Simulator::new();
    let collaborators = [("mona".to_owned(), "write".to_owned())].into();
    simulator.repository("octo/app", Repository { collaborators, ..Repository::default() });
    let body = json!({"prompt": "Tidy up", "create_pull_request": false});
    simulator.add_task(ExistingTask { body, script: Script::stays("in_progress"), ..ExistingTask::default() });
    simulator
}

fn step(simulator: &Simulator) -> Step {
    Step::new(simulator).with("wait", "false").with("if-active", "skip")
}

/// A step of a class, in a run for a comment.
fn of_class(simulator: &Simulator, class: &str, login: &str) -> Step {
    let policy = format!("task-classes: {{it: {{{class}}}}}");
    let user = json!({"login": login, "type": "User"});
    let event = json!({"comment": {"body": "/agent", "user": user}, "sender": user});
    let step = Step::new(simulator).with("wait", "false").with("task-class", "it");
    step.file(".github/agent-tasks.yml", policy).on("issue_comment", &event).variable("GITHUB_ACTOR", login)
}

#[tokio::test(start_paused = true)]
async fn task_of_a_person_is_active_in_the_repository_only() {
    let simulator = world();
    step(&simulator).run().await.exits(0).posts(1);
    let simulator = world();
    tokio::time::sleep(seconds(10)).await;
    let ran = step(&simulator).with("active-scope", "repository").run().await;
    ran.exits(0).posts(0).gives("conclusion", "skipped");
    assert!(ran.message().starts_with("a task of the repository is still in_progress: https://"), "{}", ran.message());
    let ran = step(&simulator).with("active-scope", "repository").with("if-active", "fail").run().await;
    ran.exits(3).posts(0);
}

#[tokio::test(start_paused = true)]
async fn task_of_the_class_is_active_whatever_job_started_it() {
    let simulator = Simulator::new();
    simulator.default_script(Script::stays("in_progress"));
    let class = |workflow: &str| {
        let step = of_class(&simulator, "if-active: skip, active-scope: class, allow-users: mona", "mona");
        step.variable("GITHUB_WORKFLOW", workflow)
    };
    class("one").run().await.exits(0).posts(1);
    tokio::time::sleep(seconds(120)).await;
    class("two").run().await.exits(0).posts(1).gives("conclusion", "skipped");
}

#[tokio::test(start_paused = true)]
async fn class_decides_who_may_start_and_what_is_shown() {
    let comment = "{{ github.event.comment.body }}";
    let message = |ran: &Finished| ran.message().replace(TOKEN, "");
    let mut actual = Vec::new();
    for (class, login, prompt, input, code) in [
        ("allow-users: hubot", "hubot", "x", ("wait", "false"), 0),
        ("allow-users: never", "hubot", "x", ("allow-users", "hubot"), 3),
        ("allow-users: never", "hubot", "x", ("wait", "false"), 3),
        ("untrusted: refuse", "mona", comment, ("wait", "false"), 3),
        ("untrusted: fence", "mona", comment, ("untrusted", "refuse"), 3),
        ("head-ref: 'copilot/*'", "mona", "x", ("head-ref", "main"), 3),
        ("description: free", "mona", comment, ("untrusted", "refuse"), 2),
    ] {
        let step = of_class(&world(), class, login).with("prompt", prompt).with(input.0, input.1);
        let ran = step.run().await;
        ran.exits(code).posts(usize::from(code == 0));
        actual.push(message(&ran));
    }
    assert_snapshot!(actual.join("\n"), @"

    `allow-users: hubot` contradicts the task class `it` of .github/agent-tasks.yml, which has `allow-users: never`; leave the input out, or change the policy
    `issue_comment` was caused by hubot: the role in octo/app is `read`, which cannot write; allow it with write access, or `allow-users: hubot`
    the template shows text that an outsider can write, and the task class `it` of .github/agent-tasks.yml has `untrusted: refuse`; leave it out
    prompt:1:4: `github.event.comment.body`
    `untrusted: refuse` contradicts the task class `it` of .github/agent-tasks.yml, which has `untrusted: fence`; leave the input out, or change the policy
    `head-ref: main` contradicts the task class `it` of .github/agent-tasks.yml, which has `head-ref: copilot/*`; leave the input out, or change the policy
    prompt cannot be rendered: the template shows text that an outsider can write, and `untrusted: refuse` allows none; leave it out, or write `untrusted: fence`
    prompt:1:4: `github.event.comment.body`
    ");
}
