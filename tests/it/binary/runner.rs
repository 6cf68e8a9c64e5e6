use insta::assert_snapshot;
use simulator::Effect;

use super::*;

/// An error message that tries everything: commands in both forms, another output, HTML, Markdown.
const HOSTILE: &str = "boom\n::set-output name=state::forged\n  ::error::forged\n##[error]forged\r\n\
                       ghadelimiter_x\nstate<<E\nforged\nE\n%0A::add-mask::e <img src=x> `code` | [x](https://x/)";

/// A task that fails with this message.
fn fails_with(message: &str) -> Script {
    Script::new().effect(Effect::Error(message.to_owned())).then(at_once("failed"))
}

#[test]
fn message_that_is_hostile_is_written_whole_and_does_nothing() {
    let simulator = world(fails_with(HOSTILE));
    let ran = start_and_wait(&simulator).with("prompt", HOSTILE).run_process();
    ran.exits(1).gives("state", "failed").gives("conclusion", "failure").gives("error-message", HOSTILE);
    assert_snapshot!(ran.annotations(), @r"
    error [Task failed] octo/app: The task failed: boom
    : :set-output name=state::forged
      : :error::forged
    # #[error]forged 
    ghadelimiter_x
    state<<E
    forged
    E
    %0A::add-mask::e <img src=x> `code` | [x](https://x/). Read its log: https://github.com/octo/app/tasks/[id]
    ");
    assert!(simulator.tasks()[0].prompt.starts_with(HOSTILE));
    let (table, _) = ran.summary.split_once("<details>").unwrap();
    assert!(table.contains("&lt;img src=x&gt;") && table.contains("`code`"), "{table}");
    assert!(!table.contains("<img") && !table.contains("[x]("), "{table}");
}

#[test]
fn outputs_that_cannot_be_written_prevent_a_start() {
    let mut actual = Vec::new();
    for name in ["GITHUB_OUTPUT", "RUNNER_TEMP"] {
        let step = start_and_wait(&world(with_pull()));
        step.folder.write("file", "");
        // No user can make a file below a file, be it root.
        let path = step.folder.path("file/below");
        let ran = step.variable(name, &path).run_process();
        actual.push(ran.exits(2).sends_nothing().annotations());
    }
    let step = start_and_wait(&world(with_pull()));
    step.folder.write("unended", "notes<<EOF\nhalf of it\n");
    let path = step.folder.path("unended");
    let ran = step.variable("GITHUB_OUTPUT", &path).run_process();
    actual.push(ran.exits(2).sends_nothing().annotations());
    assert_snapshot!(actual.join("\n"), @"
    error [Bad input, nothing was sent] cannot write the outputs to `[folder]/file/below`, which GITHUB_OUTPUT names: [error of the system]
    error [Bad input, nothing was sent] cannot write `[folder]/file/below/agent-task/results-[random].json`: [error of the system]
    error [Bad input, nothing was sent] cannot write the outputs to `[folder]/unended`, which GITHUB_OUTPUT names: another program of this step left the output `notes` without an end; write its delimiter on its own line before this program runs
    ");
}

#[test]
fn program_outside_of_a_runner_writes_no_commands() {
    let simulator = world(fails_with(HOSTILE));
    let step = start_and_wait(&simulator).with("prompt", HOSTILE).with("lookup-token", "ghs_lookup");
    let ran = step.without("GITHUB_ACTIONS").variable("RUNNER_DEBUG", "1").run_process();
    assert_snapshot!(ran.exits(1).log_lines("error: "), @r"error: Task failed: octo/app: The task failed: boom");
    assert!(!ran.log.contains("add-mask::g") && !ran.log.contains('\u{1b}'), "{}", ran.log);
}

#[test]
fn program_outside_of_a_runner_writes_no_files() {
    let bare = start_and_wait(&world(with_pull())).without("GITHUB_ACTIONS").without("GITHUB_OUTPUT");
    let ran = bare.without("GITHUB_STEP_SUMMARY").without("GITHUB_WORKSPACE").run_process();
    ran.exits(0).posts(1);
    assert!(ran.outputs.is_empty() && ran.summary.is_empty());
}

#[test]
fn steps_share_the_runners_files() {
    let simulator = world(with_pull());
    let step = start_and_wait(&simulator);
    step.folder.write("summary", "### Before\n");
    step.folder.write("output", "task-id=before\n");
    let first = step.run_process();
    first.exits(0).gives("task-id", &simulator.tasks()[0].id);
    let (before, own) = first.summary.split_at("### Before\n\n".len());
    assert_eq!(before, "### Before\n\n");
    let second = start_and_wait(&simulator).after(&first).run_process();
    second.exits(0).gives("task-id", &simulator.tasks()[1].id);
    let added = second.summary.strip_prefix(&first.summary).unwrap();
    assert_eq!(added.trim_start().lines().next(), own.lines().next());
}

#[test]
fn log_without_a_reader_does_no_harm() {
    let running = start_and_wait(&world(with_pull())).spawn_unread();
    running.end().exits(0).gives("conclusion", "success");
}
