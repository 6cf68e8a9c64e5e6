//! Acceptance over loopback. The cases under virtual time are in `tests/it/acceptance.rs`.

use std::time::Duration;

use simulator::{
    ChangedFile, CheckRun, CheckSuite, Effect, OpenPull, Permission, PullContent, Script, Simulator, Token,
};

use crate::support::{TOKEN, side_by_side};

use super::*;

/// A world in which a task delivers this at once.
fn delivering(content: PullContent) -> Simulator {
    let pull = Effect::Pull(OpenPull { content: Some(content), ..OpenPull::default() });
    world(Script::new().effect(pull).state("completed", Duration::ZERO))
}

#[test]
fn pull_request_is_compared_over_loopback() {
    let renamed = || PullContent::default().files([ChangedFile::renamed("secret/key", "src/key")]);
    let many = || PullContent::default().files((0..3000).map(|at| ChangedFile::modified(format!("src/{at}"), 1, 0)));
    let removed = || PullContent::default().files([ChangedFile::removed("CHANGELOG.md", 1)]);
    let late = CheckRun::ending("build", "success", Duration::from_secs(3));
    let checked = |run: CheckRun| PullContent::default().check(run);
    let cases = [
        (PullContent::default(), "paths: src/**", "false", "failure"),
        (PullContent::default(), "max-changed-files: 4", "true", "success"),
        (renamed(), "paths: src/**", "false", "failure"),
        (removed(), "required-files: CHANGELOG.md", "false", "failure"),
        (many(), "paths: src/**", "true", "success"),
        (checked(late), "checks: success", "true", "success"),
        (checked(CheckRun::endless("build")), "checks: success\nchecks-timeout: 2s", "false", "failure"),
        (
            PullContent::default().suite(CheckSuite::waits_for_approval("CI")),
            "checks: success",
            "false",
            "action_required",
        ),
        (PullContent::default(), "checks: success\nchecks-timeout: 2s", "false", "failure"),
    ];
    side_by_side(cases, |(content, expect, accepted, conclusion)| {
        let step = start_and_wait(&delivering(content)).with("create-pull-request", "true");
        let ran = step.with("expect", expect).run_process();
        ran.exits(i32::from(accepted == "false")).gives("accepted", accepted).gives("conclusion", conclusion);
        let errors = ran.annotations().lines().filter(|line| line.starts_with("error")).count();
        assert_eq!(errors, usize::from(accepted == "false"), "{}", ran.log);
    });
}

#[test]
fn missing_permission_is_named_over_loopback() {
    for (permission, expect, part) in [
        (Permission::ChecksRead, "checks: success", "\"Checks: read\""),
        (Permission::PullRequestsRead, "max-changed-files: 9", "pull-requests: read"),
    ] {
        let simulator = delivering(PullContent::default());
        simulator.token(TOKEN, Token::default().without(permission));
        let step = start_and_wait(&simulator).with("create-pull-request", "true");
        let ran = step.with("expect", expect).run_process();
        ran.exits(1).gives("accepted", "false").gives("conclusion", "failure");
        assert!(ran.message().contains(part), "{}", ran.message());
    }
}
