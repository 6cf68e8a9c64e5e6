//! The table of inputs.

/// Which commands an input is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// `start` alone.
    Start,
    /// `wait` alone.
    Wait,
    /// `start` and `wait`.
    Both,
    /// `start` and `plan`.
    Lists,
    /// All of them.
    All,
}

/// What the user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Start tasks.
    Start,
    /// Wait for tasks that were started earlier.
    Wait,
    /// Part a list for the jobs of a matrix.
    Plan,
    /// Look for what would keep a start from working. It takes the inputs of a start.
    Doctor,
}

impl Command {
    pub(super) const ALL: [(Self, &'static str); 4] =
        [(Self::Start, "start"), (Self::Wait, "wait"), (Self::Plan, "plan"), (Self::Doctor, "doctor")];
}

/// An input, as `action.yml` and the reference list it.
#[derive(Debug, Clone, Copy)]
pub struct Input {
    /// Its name, as a workflow writes it.
    pub name: &'static str,
    /// What it is when it is not given; empty where it is simply absent.
    pub default: &'static str,
    /// Which command it is for.
    pub serves: Serves,
}

/// Every input there is.
pub const INPUTS: &[Input] = &[
    input("command", "start", Serves::All),
    input("token", "", Serves::All),
    input("lookup-token", "", Serves::Both),
    input("prompt", "", Serves::Start),
    input("prompt-file", "", Serves::Start),
    input("vars", "", Serves::Start),
    input("inputs", "", Serves::Start),
    input("repository", "", Serves::Both),
    input("repositories", "", Serves::Lists),
    input("base-ref", "", Serves::Start),
    input("head-ref", "", Serves::Start),
    input("model", "", Serves::Start),
    input("custom-agent", "", Serves::Start),
    input("create-pull-request", "false", Serves::Start),
    input("wait", "false", Serves::Both),
    input("wait-timeout", "75m", Serves::Both),
    input("poll-interval", "15s", Serves::Both),
    input("stop-on", "waiting_for_user, idle", Serves::Both),
    input("fail-on", "failure, timed_out, cancelled, action_required", Serves::Both),
    input("require-pull-request", "false", Serves::Both),
    input("idempotency-key", "", Serves::Start),
    input("if-active", "start", Serves::Start),
    input("confirm-timeout", "60s", Serves::Start),
    input("dry-run", "false", Serves::Both),
    input("task-id", "", Serves::Wait),
    input("policy", "", Serves::Both),
    input("task", "", Serves::Both),
    input("ticket", "", Serves::Start),
    input("max-parallel", "", Serves::Start),
    input("waves", "", Serves::Start),
    input("wave-success", "100%", Serves::Start),
    input("tolerate", "0%", Serves::Both),
    input("shard", "", Serves::Lists),
    input("allow-users", "", Serves::Start),
    input("allow-bots", "", Serves::Start),
    input("untrusted", "fence", Serves::Start),
    input("audit-log", "", Serves::Both),
    input("github-api-url", "", Serves::All),
];
pub(super) const fn input(name: &'static str, default: &'static str, serves: Serves) -> Input {
    Input { name, default, serves }
}

/// What an input is when it is not given.
pub(crate) fn default(name: &str) -> &'static str {
    INPUTS.iter().find(|input| input.name == name).map_or("", |input| input.default)
}
