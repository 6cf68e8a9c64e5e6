//! The table of inputs: one row for each, from which the struct that envy fills, the parser, the checks of `action.yml`
//! and the table of the reference follow.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// What the step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Start tasks.
    Start,
    /// Wait for tasks that were started earlier.
    Wait,
    /// Stop tasks that were started earlier.
    Stop,
    /// Divide a list into parts for the jobs of a matrix.
    Plan,
    /// Check everything that could keep a start from working. It takes the inputs of a start.
    Doctor,
    /// Report on the results of tasks.
    Report,
}

impl Command {
    /// All commands by their names.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Start, "start"),
        (Self::Wait, "wait"),
        (Self::Stop, "stop"),
        (Self::Plan, "plan"),
        (Self::Doctor, "doctor"),
        (Self::Report, "report"),
    ];

    /// The name of the command.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(command, _)| *command == self).map_or("", |(_, name)| name)
    }
}

const ALL: &[Command] =
    &[Command::Start, Command::Wait, Command::Stop, Command::Plan, Command::Doctor, Command::Report];
const START: &[Command] = &[Command::Start, Command::Doctor];
const START_WAIT: &[Command] = &[Command::Start, Command::Wait, Command::Doctor];
const START_WAIT_STOP: &[Command] = &[Command::Start, Command::Wait, Command::Stop, Command::Doctor];
const START_PLAN: &[Command] = &[Command::Start, Command::Plan, Command::Doctor];
const START_REPORT: &[Command] = &[Command::Start, Command::Doctor, Command::Report];
const START_WAIT_STOP_REPORT: &[Command] =
    &[Command::Start, Command::Wait, Command::Stop, Command::Doctor, Command::Report];
const START_STOP_PLAN_REPORT: &[Command] =
    &[Command::Start, Command::Stop, Command::Plan, Command::Doctor, Command::Report];
const WAIT_STOP: &[Command] = &[Command::Wait, Command::Stop];
const REPORT: &[Command] = &[Command::Report];

/// An input.
#[derive(Debug, Clone, Copy)]
pub struct Input {
    /// The name, as a workflow writes it.
    pub name: &'static str,
    /// The value if it is not given; empty if it is absent then.
    pub default: &'static str,
    /// The commands that take it.
    pub commands: &'static [Command],
    /// Its value among those that were given.
    value: fn(&GivenInputs) -> Option<&str>,
}

impl Input {
    /// The text that was given, as it was written.
    pub(super) fn written<'a>(&self, inputs: &'a GivenInputs) -> Option<&'a str> {
        (self.value)(inputs)
    }
}

/// Inputs of earlier versions, with their names of today. Each is an error that says so.
pub const RENAMED: [(&str, &str); 1] = [("task", "task-class")];

/// By hand, because the derived code for each field takes 300 bytes of the binary.
impl<'de> Deserialize<'de> for GivenInputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct GivenVisitor;
        impl<'de> Visitor<'de> for GivenVisitor {
            type Value = GivenInputs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("inputs")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut inputs: A) -> Result<GivenInputs, A::Error> {
                let mut given = GivenInputs::default();
                while let Some((name, text)) = inputs.next_entry::<String, String>()? {
                    if let Some(field) = given.field(&name) {
                        *field = Some(text);
                    }
                }
                Ok(given)
            }
        }
        deserializer.deserialize_map(GivenVisitor)
    }
}

macro_rules! inputs {
    ($($field:ident $name:literal $default:literal $commands:ident $help:literal;)*) => {
        /// The inputs that are not blank, as envy reads them from the environment.
        #[derive(Default)]
        pub struct GivenInputs {
            $($field: Option<String>,)*
        }

        impl GivenInputs {
            fn field(&mut self, name: &str) -> Option<&mut Option<String>> {
                match name {
                    $($name => Some(&mut self.$field),)*
                    _ => None,
                }
            }
        }

        /// Each input by the name of its field.
        #[expect(non_upper_case_globals, reason = "each is named as the field that it reads")]
        pub(super) mod input {
            use super::*;

            $(pub(crate) const $field: &Input = &Input {
                name: $name,
                default: $default,
                commands: $commands,
                value: |given| given.$field.as_deref(),
            };)*
        }

        /// Every input.
        pub const INPUTS: &[&Input] = &[$(input::$field),*];

        /// The description of each input in `action.yml`, in the order of [`INPUTS`]. The program itself shows none.
        pub const DESCRIPTIONS: &[&str] = &[$($help),*];
    };
}

inputs! {
    command "command" "start" ALL
        "What to do: `start` tasks, `wait` for tasks that were started earlier, `stop` them, `plan` a matrix of jobs for many repositories, let `doctor` check everything that could keep a start from working, or `report` on the results of tasks.";
    token "token" "" ALL
        "A token that can start agent tasks: a fine-grained personal access token with \"Agent tasks: read and write\", or a user token of a GitHub App. `GITHUB_TOKEN` does not work: GitHub accepts no installation token here. Required unless `dry-run` is `true`, or `command: plan` has no query.";
    lookup_token "lookup-token" "" START_WAIT_STOP_REPORT
        "A second token that reads pull requests and stops tasks, for a `token` without these permissions. `github.token` works for the repository of the workflow, with `pull-requests: read`, and `actions: write` to stop.";
    prompt "prompt" "" START
        "The task for the agent. A template with `{{ github.* }}`, `{{ vars.* }}` and more. Linux cannot start a step with 131,072 bytes or more in one variable (\"Argument list too long\"), Windows allows 32,766 characters; use `prompt-file` for a long prompt. Either this or `prompt-file` is required.";
    prompt_file "prompt-file" "" START
        "A file with the prompt template, relative to the workspace and inside it. Check the repository out first.";
    vars "vars" "" START
        "YAML or JSON mapping of the values that the template reads as `vars`.";
    inputs "inputs" "" START
        "YAML or JSON mapping of the values that the template reads as `inputs`. Not needed for the inputs of a `workflow_dispatch`; a reusable workflow passes `toJSON(inputs)`.";
    repository "repository" "" START_WAIT_STOP
        "The repository of the task, as `owner/name`. Default: the repository of the workflow.";
    repositories "repositories" "" START_STOP_PLAN_REPORT
        "Many repositories, instead of `repository`: one on each line, with its own settings and variables if needed (`owner/name base-ref=release/2 version=1.10`), `@file` for a list in the workspace, or `query: org:acme topic:java` for the result of a search. A comment begins with `#`, on its own line.";
    allow_empty "allow-empty" "false" START_PLAN
        "Whether a list without any repository is fine: the step ends green and starts nothing. By default it is an error.";
    base_ref "base-ref" "" START
        "The branch to start from. Default: the default branch of the repository. A template without access to untrusted text.";
    head_ref "head-ref" "" START
        "The branch of an open pull request onto `base-ref` that the agent commits to. A template without access to untrusted text.";
    follow_up "follow-up" "" START
        "The number of an open pull request of the repository that the agent continues: the task gets its branches, and the template reads it as `pull_request`.";
    expected_head "expected-head" "" START
        "The commit that `follow-up` is about. If the pull request has another head by then, nothing is started.";
    max_follow_ups "max-follow-ups" "2" START
        "How many follow-ups a pull request can have.";
    model "model" "" START
        "The model, or a list of models to try in order. GitHub chooses if this is empty or `auto`.";
    custom_agent "custom-agent" "" START
        "The custom agent, by its file name in `.github/agents` without the extension: `fixer` for `fixer.agent.md`.";
    create_pull_request "create-pull-request" "false" START
        "Whether the agent opens a pull request.";
    wait "wait" "false" START_WAIT
        "Whether to wait until the task has ended or needs a person. `command: wait` always waits.";
    wait_timeout "wait-timeout" "75m" START_WAIT
        "The longest time to wait, with a unit: `30s`, `45m`, `1h30m`. Keep it below the job's `timeout-minutes`.";
    poll_interval "poll-interval" "15s" START_WAIT_STOP
        "The longest pause between two requests for a task's state, `1s` or more.";
    on_timeout "on-timeout" "leave" START_WAIT
        "What becomes of a task that has not ended when `wait-timeout` passes: `leave` it, or `stop` it. Requires `wait: true`.";
    on_interrupt "on-interrupt" "leave" START_WAIT
        "The same for a job that is canceled: `leave` or `stop`. Requires `wait: true`.";
    max_credits "max-credits" "" START_WAIT
        "The most AI credits that a task may use; one that has used more is stopped. Requires `wait: true`.";
    max_duration "max-duration" "" START_WAIT_STOP
        "How long a task may run, from its creation, such as `2h`; one that runs longer is stopped. Requires `wait: true`. For `command: stop` with `task-class`: which tasks to stop.";
    force "force" "false" START_WAIT_STOP
        "Whether to cancel a run of a stopped task by force if it continues although GitHub accepted the cancel.";
    stop_on "stop-on" "waiting_for_user, idle" START_WAIT
        "Which of the states `waiting_for_user` and `idle` end the wait, as a list; `never` for none.";
    fail_on "fail-on" "failure, timed_out, cancelled, action_required" START_WAIT
        "Which conclusions fail the step, as a list; `never` for none.";
    require_pull_request "require-pull-request" "false" START_WAIT
        "Whether a task that completes without a pull request is a `failure`. Requires `wait: true`.";
    expect "expect" "" START_WAIT
        "YAML mapping of what the pull request must be like for a success: `max-changed-files`, `max-changed-lines`, `paths`, `paths-ignore`, `required-files`, `checks: success`, `checks-timeout`. Requires `wait: true` or `rollout`.";
    idempotency_key "idempotency-key" "" START
        "Your own key for \"the same start\", instead of the one made from the run, the job, the step and the request. A template without access to untrusted text, such as `release-{{ now | date('%G-W%V') }}`.";
    if_active "if-active" "start" START
        "What to do if a task in `active-scope` has not ended yet: `start`, `skip`, `attach` or `fail`.";
    active_scope "active-scope" "job" START
        "Which tasks count for `if-active`: those of the same `job`, of the same task `class`, or all of the `repository`, by any creator.";
    confirm_timeout "confirm-timeout" "60s" START
        "How long to look for a task after a start without an answer, with a unit.";
    max_parallel "max-parallel" "" START
        "The most tasks that run at once. Requires `wait: true`.";
    waves "waves" "" START
        "How many repositories each wave has, such as `1, 5, *`: a wave begins once the one before has succeeded. Requires `wait: true` or `rollout`.";
    wave_success "wave-success" "100%" START
        "The share of a wave that must be a `success` before the next one begins.";
    rollout "rollout" "" START_REPORT
        "The name of a rollout over days: each run of the workflow starts what is due and ends, and the next wave begins once enough pull requests of the one before are merged or accepted. Requires `repositories`, and excludes `wait: true`. For `command: report`: the rollout that the tasks belong to.";
    advance_on "advance-on" "" START
        "What counts as a success in a `rollout`: `completed`, `accepted` (as `expect` says, or merged) or `merged`. Default: `accepted` if there is an `expect`, otherwise `completed`.";
    attempts "attempts" "1" START
        "How many tasks a repository can get in a `rollout`.";
    on_change "on-change" "stop" START
        "What to do if the prompt has changed since the newest task of the `rollout`: `stop`, or `continue` with the new prompt.";
    stall_after "stall-after" "3d" START
        "How long a repository of a `rollout` can wait for people before that is a warning, such as `3d`.";
    rollout_cache "rollout-cache" "" START
        "A file, relative to the workspace, that keeps which task belongs to which `rollout`. Keep it with `actions/cache`.";
    tolerate "tolerate" "0%" START_WAIT
        "The share of the tasks that may fail without failing the step.";
    shard "shard" "" START_PLAN
        "Which part of `repositories` to take, such as `2/8`; for `command: plan`, the number of parts.";
    allow_users "allow-users" "" START
        "Logins of people who can start a task by an event without write access, as a list. For events that outsiders can cause, all others need write access.";
    allow_bots "allow-bots" "" START
        "The same for bots, such as `dependabot`.";
    untrusted "untrusted" "fence" START
        "What to do with event text that an outsider can write: `fence` puts it into the prompt between marks that declare it data, `refuse` refuses a template that uses any.";
    timezone "timezone" "" START_REPORT
        "The time zone of `now` and of the filter `date` in the prompt, and of days and weeks in a report, as an IANA name such as `Europe/Berlin`. Default: UTC.";
    policy "policy" "" START_WAIT_STOP
        "The policy file with the rules for tasks: a file of the workspace, or one of another repository as `owner/name:path@ref`. Default: `.github/agent-tasks.yml`, if it exists.";
    task_class "task-class" "" START_WAIT_STOP_REPORT
        "The task class of the policy for this start. The values of the class are fixed. For `command: stop`: the class whose tasks are stopped, with `max-duration`. For `command: report`: the class that the tasks have.";
    ticket "ticket" "" START
        "The change ticket, which goes into the prompt and the summary. A task class can require one. A template without access to untrusted text.";
    dry_run "dry-run" "false" START_WAIT_STOP
        "Show the plan and the exact request, and change nothing.";
    task_id "task-id" "" WAIT_STOP
        "For `command: wait` and `command: stop`: task IDs, or the output `results` of an earlier step.";
    since "since" "30d" REPORT
        "For `command: report`: the greatest age of the tasks, such as `30d`, or the first day on which they were created, such as `2026-11-01`.";
    stale_after "stale-after" "3d" REPORT
        "For `command: report`: how long an open task may be untouched before it is listed as stale.";
    report_cache "report-cache" "" REPORT
        "For `command: report`: a file, relative to the workspace, that keeps what was read of tasks that have ended. Keep it with `actions/cache`.";
    report_fail_if "report-fail-if" "" REPORT
        "For `command: report`: conditions that fail the step, as a list, such as `merged < 50%, rework > 30%, credits > 1000`.";
    audit_log "audit-log" "" START_WAIT_STOP
        "The file of the audit log, relative to the workspace. Default: a file in the runner's temporary folder.";
    github_api_url "github-api-url" "" ALL
        "The address of GitHub's REST API. Default: the one of the runner.";
}
