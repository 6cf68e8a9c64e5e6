//! The files of the runner and of this program: what others left in them, links, and what keeps a task from starting.

#![expect(clippy::disallowed_methods, reason = "a test plays the runner, whose files these are")]

use agent_task::actions::context::Environment;
use agent_task::actions::host::Host;
use agent_task::report::crash;
use agent_task::report::outputs::{OUTPUTS, StepOutputs, outputs};
use insta::assert_snapshot;
use simulator::{Fault, Repository, Route, Simulator, Token};
use tempfile::TempDir;

use crate::grammar;
use crate::support::{Step, TOKEN};

fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn host(folder: &TempDir, variables: &[(&str, &str)]) -> (Host, Environment) {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let of_runner = [("GITHUB_OUTPUT", path("output")), ("GITHUB_STEP_SUMMARY", path("summary"))];
    let of_runner = of_runner.into_iter().map(|(name, value)| (name.to_owned(), value));
    let others = variables.iter().map(|(name, value)| ((*name).to_owned(), path(value)));
    let environment: Environment = of_runner.chain(others).collect();
    (Host::with_log(&environment, Box::new(std::io::sink())), environment)
}

fn read(folder: &TempDir, name: &str) -> String {
    std::fs::read_to_string(folder.path().join(name)).unwrap()
}

#[test]
fn files_without_a_final_line_break_are_continued_on_a_new_line() {
    let folder = folder();
    for name in ["output", "summary", "audit.jsonl"] {
        std::fs::write(folder.path().join(name), "foo=bar").unwrap();
    }
    let (host, _) = host(&folder, &[("GITHUB_WORKSPACE", "")]);
    for _ in 0..2 {
        host.write_outputs(&[("state", "queued".to_owned())]).unwrap();
        host.write_summary("### Title\n");
    }
    host.record_in(Some("audit.jsonl")).unwrap();
    host.write_record("{}").unwrap();
    let outputs = grammar::outputs(&read(&folder, "output"), true).unwrap();
    let outputs = outputs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>();
    assert_eq!(outputs, [("foo", "bar"), ("state", "queued"), ("state", "queued")]);
    assert_eq!(read(&folder, "summary"), "foo=bar\n\n### Title\n");
    assert_eq!(read(&folder, "audit.jsonl"), "foo=bar\n{}\n");
}

#[test]
fn panic_is_reported_with_all_outputs() {
    let folder = folder();
    let (host, environment) = host(&folder, &[]);
    host.write_outputs(&outputs(&[], &StepOutputs::default())).unwrap();
    crash::report(&environment, Some(std::panic::Location::caller()));
    let outputs = grammar::outputs(&read(&folder, "output"), false).unwrap();
    let last = outputs.iter().rev().find(|(name, _)| name == "error-message").unwrap();
    assert!(last.1.contains("tests/it/files.rs:"), "{}", last.1);
    assert!(OUTPUTS.iter().all(|name| outputs.iter().any(|(other, _)| other == name)));
}

/// A step with a file of outputs in which another program has left this.
fn after_another_program(simulator: &Simulator, left: &[u8]) -> Step {
    let step = Step::new(simulator);
    step.folder.write("left", left);
    let path = step.folder.path("left");
    step.variable("GITHUB_OUTPUT", &path)
}

#[tokio::test(start_paused = true)]
async fn outputs_that_the_runner_would_reject_start_nothing() {
    let utf16 = "foo=bar\n".encode_utf16().flat_map(u16::to_le_bytes);
    let utf16 = [0xff, 0xfe].into_iter().chain(utf16).collect::<Vec<_>>();
    let mut actual = Vec::new();
    for left in [b"garbage\n".as_slice(), b"a=1\nhello world\n", b"=x\n", b"<<EOF\nx\nEOF\n", b"a<<EOF\n", &utf16] {
        let simulator = Simulator::new();
        let ran = after_another_program(&simulator, left).run().await;
        assert_eq!((ran.code, ran.calls.len()), (2, 0), "{}", ran.log);
        if let Ok(text) = std::str::from_utf8(left) {
            assert!(grammar::outputs(text, false).is_err(), "{text}");
        }
        actual.push(ran.annotations());
    }
    assert_snapshot!(actual.join("\n"), @"
    error [Bad input, nothing was sent] cannot write the outputs to `[folder]/left`, which GITHUB_OUTPUT names: another program of this step left the line `garbage`, which is not an output; write `name=value`
    error [Bad input, nothing was sent] cannot write the outputs to `[folder]/left`, which GITHUB_OUTPUT names: another program of this step left the line `hello world`, which is not an output; write `name=value`
    error [Bad input, nothing was sent] cannot write the outputs to `[folder]/left`, which GITHUB_OUTPUT names: another program of this step left the line `=x`, which has no name; write `name=value`
    error [Bad input, nothing was sent] cannot write the outputs to `[folder]/left`, which GITHUB_OUTPUT names: another program of this step left the line `<<EOF`, which has no name; write `name=value`
    error [Bad input, nothing was sent] cannot write the outputs to `[folder]/left`, which GITHUB_OUTPUT names: another program of this step left the output `a` without an end; write its delimiter on its own line before this program runs
    error [Bad input, nothing was sent] cannot write the outputs to `[folder]/left`, which GITHUB_OUTPUT names: another program of this step left text in UTF-16; write UTF-8, in PowerShell with `-Encoding utf8`
    ");
    for left in [b"\xef\xbb\xbfa=1\n\nb<<X\n\nX\n".as_slice(), b"a=1"] {
        let ran = after_another_program(&Simulator::new(), left).run().await;
        assert_eq!((ran.code, ran.starts()), (0, 1), "{}", ran.log);
    }
}

#[tokio::test(start_paused = true)]
async fn secret_in_a_rejected_output_is_hidden() {
    let token = "github_pat_11ABCDEFG0_abcdefghijklmnopqrstuvwxyz0123456789";
    let left = format!("the token is {token}\n");
    let ran = after_another_program(&Simulator::new(), left.as_bytes()).with("token", token).run().await;
    assert_eq!(ran.code, 2, "{}", ran.log);
    let log = ran.log.replace(&format!("::add-mask::{token}"), "");
    assert!(log.contains("the line `the token is ") && !log.contains(&token[..12]), "{log}");
}

#[cfg(unix)]
#[test]
fn record_follows_no_link_and_stays_inside() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    for name in ["work", "temp", "outside"] {
        std::fs::create_dir(path(name)).unwrap();
    }
    std::fs::write(path("outside/file"), "").unwrap();
    std::os::unix::fs::symlink(path("outside/file"), path("work/link")).unwrap();
    std::os::unix::fs::symlink(path("outside"), path("work/folder")).unwrap();
    std::os::unix::fs::symlink(path("outside/gone"), path("work/dangling")).unwrap();
    let (host, _) = host(&folder, &[("GITHUB_WORKSPACE", "work"), ("RUNNER_TEMP", "temp")]);
    let write = |name: &str| host.record_in(Some(name)).and_then(|()| host.write_record("{}"));
    for name in ["link", "folder/file", "folder/new/file", "dangling"] {
        let error = format!("{:#}", write(name).unwrap_err());
        assert!(error.contains("symbolic link"), "{name}: {error}");
    }
    let outside = path("outside/file").display().to_string();
    for name in ["../outside/file", "a/../../outside/file", outside.as_str(), "/etc/agent-task"] {
        let error = format!("{:#}", write(name).unwrap_err());
        assert!(error.contains("outside of the workspace"), "{name}: {error}");
    }
    for name in [".git/config", ".github/workflows/ci.yml", "a/.GIT/hooks/x", ".github"] {
        let error = format!("{:#}", write(name).unwrap_err());
        assert!(error.contains("a folder that Git or GitHub reads"), "{name}: {error}");
    }
    assert_eq!(read(&folder, "outside/file"), "");
    assert_eq!(std::fs::read_dir(path("outside")).unwrap().count(), 1);
    for name in ["a/b/audit.jsonl", "./audit.jsonl", &path("temp/c/audit.jsonl").display().to_string()] {
        write(name).unwrap();
    }
    assert_eq!(read(&folder, "work/a/b/audit.jsonl"), "{}\n");

    std::os::unix::fs::symlink(path("outside"), path("temp/agent-task")).unwrap();
    let error = format!("{:#}", host.write_results("[]").unwrap_err());
    assert!(error.contains("symbolic link"), "{error}");
}

#[cfg(unix)]
#[test]
fn files_without_runner_temp_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    let folder = folder();
    let (first, _) = host(&folder, &[]);
    let (second, _) = host(&folder, &[]);
    let paths = [&first, &second].map(|host| {
        host.write_results("[]").unwrap();
        host.write_record("{}").unwrap();
        let results = PathBuf::from(host.results_file());
        assert_eq!(results.parent(), PathBuf::from(host.audit_log()).parent());
        let parent = results.parent().unwrap().to_owned();
        assert_eq!(parent.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::remove_dir_all(&parent).unwrap();
        parent
    });
    assert_ne!(paths[0], paths[1]);
}

#[tokio::test(start_paused = true)]
async fn missing_summary_is_a_warning() {
    let simulator = Simulator::new();
    let ran = Step::new(&simulator).variable("GITHUB_STEP_SUMMARY", "/dev/null/none").run().await;
    ran.assert(0, "completed", "success");
    assert_eq!(ran.log.matches("::warning title=Step summary not written::").count(), 1, "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn audit_log_outside_of_the_workspace_is_bad_input() {
    let simulator = Simulator::new();
    let ran = Step::new(&simulator).with("audit-log", "/etc/agent-task.jsonl").run().await;
    assert_eq!((ran.code, ran.starts()), (2, 0), "{}", ran.log);
    assert!(
        ran.output("error-message")
            .contains("audit-log: /etc/agent-task.jsonl cannot be used: it is outside of the workspace"),
        "{:?}",
        ran.outputs
    );
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn payload_that_is_a_pipe_is_not_waited_for() {
    let folder = folder();
    let pipe = folder.path().join("pipe").display().to_string();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let simulator = Simulator::new();
    let ran = Step::new(&simulator).variable("GITHUB_EVENT_PATH", &pipe).run().await;
    assert!(ran.log.contains("it is not a file"), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn rate_limit_has_its_own_title() {
    let simulator = Simulator::new();
    simulator.fault_times(Route::Start, 20, Fault::rate_limit(std::time::Duration::from_secs(7200)));
    let ran = Step::new(&simulator).run().await;
    assert_eq!(ran.code, 5, "{}", ran.log);
    assert!(ran.log.contains("::error title=Rate limit exceeded::octo/app: "), "{}", ran.log);
    assert!(!ran.log.contains("GitHub not reached"), "{}", ran.log);
}

#[tokio::test(start_paused = true)]
async fn refused_token_says_how_many_were_not_started() {
    let simulator = Simulator::new();
    let names = (0..20).map(|at| format!("octo/r{at}")).collect::<Vec<_>>();
    for name in &names {
        simulator.repository(name, Repository::default());
    }
    simulator.token(TOKEN, Token { licence: false, ..Token::default() });
    let ran = Step::new(&simulator).with("repositories", &names.join("\n")).run().await;
    assert_eq!((ran.code, ran.starts()), (4, 3), "{}", ran.log);
    assert!(
        ran.log.contains(
            "::error title=Not started::17 repositories not started: GitHub refuses all starts of this token"
        ),
        "{}",
        ran.log
    );
    let message = ran.output("error-message");
    assert!(message.starts_with("20 of 20 repositories did not succeed. octo/r0, octo/r1, octo/r2: "), "{message}");
    assert!(message.contains("octo/r3, octo/r4, octo/r5 and 14 more: not started: "), "{message}");
}

#[tokio::test(start_paused = true)]
async fn token_that_github_echoes_is_hidden_where_it_is_cut() {
    let token = "github_pat_11ABCDEFG0_abcdefghijklmnopqrstuvwxyz0123456789";
    for padding in [955, 960, 970, 985] {
        let simulator = Simulator::new();
        simulator.token(token, Token::default());
        let body = serde_json::json!({"message": format!("{}{token}", "x".repeat(padding))});
        simulator.fault(Route::Start, Fault::status(422).body(body));
        let ran = Step::new(&simulator).with("token", token).run().await;
        assert_eq!(ran.code, 4, "{}", ran.log);
        let log = ran.log.replace(&format!("::add-mask::{token}"), "");
        for text in [&log, &ran.summary, ran.output("error-message"), ran.output("results"), &ran.record] {
            let shown = text.replace('\\', "");
            assert!(!shown.contains(&token[..12]), "{shown}");
        }
    }
}
