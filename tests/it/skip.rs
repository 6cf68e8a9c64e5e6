//! Prompts that start nothing, and templates that depend on the time.

use insta::assert_snapshot;
use serde_json::json;
use simulator::{Repository, Simulator};

use crate::support::Step;

/// Starts a task for a command, and nothing for another comment.
const COMMAND: &str =
    "{% if github.event.comment.body is not startingwith '/agent ' %}{{ skip('no command') }}{% endif %}Do it";

fn commented(simulator: &Simulator, login: &str, body: &str) -> Step {
    let user = json!({"login": login, "type": "User"});
    let event = json!({"comment": {"body": body, "user": user}, "sender": user});
    Step::new(simulator).with("prompt", COMMAND).on("issue_comment", &event).variable("GITHUB_ACTOR", login)
}

fn world() -> Simulator {
    let simulator = Simulator::new();
    let collaborators = [("mona".to_owned(), "write".to_owned())].into();
    simulator.repository("octo/app", Repository { collaborators, ..Repository::default() });
    simulator
}

#[tokio::test(start_paused = true)]
async fn skip_starts_nothing_and_is_green() {
    let simulator = world();
    let ran = commented(&simulator, "mona", "nice").run().await;
    ran.exits(0).posts(0).gives("conclusion", "skipped").gives("error-message", "no command");
    ran.gives("task-id", "").gives("created", "").gives("prompt-sha256", "").gives("failed", "0");
    assert_snapshot!(ran.annotations(), @"notice [Nothing was started] octo/app: Nothing was started: no command");
    assert_snapshot!(ran.headline(), @"### ⏭️ Agent task skipped");
    assert!(ran.record.contains("agent-task.skipped") && ran.record.contains("no command"), "{}", ran.record);
    commented(&simulator, "mona", "nice").with("fail-on", "skipped").run().await.exits(1).posts(0);
    commented(&simulator, "mona", "/agent fix").run().await.exits(0).posts(1);
}

#[tokio::test(start_paused = true)]
async fn skip_comes_after_the_actor_check() {
    let ran = commented(&world(), "mallory", "nice").run().await;
    ran.exits(3).posts(0).gives("conclusion", "skipped");
    assert!(ran.message().contains("mallory"), "{}", ran.message());
    let dry = Step::new(&world()).on("issues", &json!({"sender": "unknown"})).with("dry-run", "true").run().await;
    assert!(dry.summary.contains("This step would start nothing: the actor check refuses: "), "{}", dry.summary);
    assert!(!dry.log.contains("POST "), "{}", dry.log);
}

#[tokio::test(start_paused = true)]
async fn skip_leaves_out_one_repository_of_several() {
    let simulator = Simulator::new();
    for at in 0..3 {
        simulator.repository(&format!("octo/r{at}"), Repository::default());
    }
    let step =
        Step::new(&simulator).with("repositories", "octo/r0\nocto/r1 frozen=true\nocto/r2").with("waves", "2, *");
    let ran = step.with("prompt", "{{ skip('frozen') if vars.frozen is defined else 'Do it' }}").run().await;
    ran.exits(0).posts(2).gives("conclusion", "skipped").gives("started", "2").gives("succeeded", "2");
    let conclusions = ran.results().iter().map(|it| it["conclusion"].clone()).collect::<Vec<_>>();
    assert_eq!(conclusions, ["success", "skipped", "success"]);
    assert_eq!(ran.results()[1]["error-message"], "frozen");
    assert_snapshot!(ran.headline(), @"### ✅ 3 agent tasks: 1 skipped, 2 succeeded");
    let dry = Step::new(&simulator).with("repositories", "octo/r0\nocto/r1 frozen=true").with("dry-run", "true");
    let dry = dry.with("prompt", "{{ skip('frozen') if vars.frozen is defined else 'Do it' }}").run().await;
    assert_snapshot!(dry.summary_lines("This step"), @"This step would start a task in octo/r0, and skip 1.");
    let none = Step::new(&simulator).with("repositories", "octo/r0\nocto/r1").with("dry-run", "true");
    let none = none.with("prompt", "{{ skip('frozen') }}").run().await;
    assert_snapshot!(none.summary_lines("This step"), @"This step would start nothing in 2 repositories.");
}

#[tokio::test(start_paused = true)]
async fn dry_run_shows_what_is_skipped() {
    let ran = commented(&world(), "mona", "nice").with("dry-run", "true").run().await;
    ran.exits(0).sends_nothing();
    assert_snapshot!(ran.log_lines("no command"), @"skip           octo/app: no command");
    assert!(ran.summary.contains("This step would start nothing in octo/app: no command."), "{}", ran.summary);
}

#[tokio::test(start_paused = true)]
async fn time_zone_that_does_not_exist_is_refused() {
    let mut actual = Vec::new();
    for name in ["Europe/Berlni", "CEST+1", "../../etc/passwd", "{{ vars.zone }}"] {
        let ran = Step::new(&world()).with("timezone", name).run().await;
        ran.exits(2).sends_nothing();
        actual.push(ran.message());
    }
    assert_snapshot!(actual.join("\n"), @"
    timezone: Europe/Berlni is not a time zone of this system; write an IANA name such as Europe/Berlin
    timezone: CEST+1 is not a time zone of this system; write an IANA name such as Europe/Berlin
    timezone: ../../etc/passwd is not the name of a time zone; write an IANA name such as Europe/Berlin
    timezone contains {{, and it is not a template; write the value itself, or ${{ … }} for an expression of Actions. Templates are prompt, idempotency-key, base-ref, head-ref and ticket
    ");
}
