//! What the tests share: a step that runs in this process or as a process of its own, and what it leaves behind.

mod finished;
mod folder;
mod loopback;
mod process;
mod redact;
mod step;

pub(crate) use finished::Finished;
pub(crate) use finished::KILLED;
pub(crate) use loopback::ClosedPort;
pub(crate) use loopback::Server;
#[cfg(unix)]
pub(crate) use process::PATIENCE;
pub(crate) use redact::redact;
pub(crate) use step::Step;

/// The token that every simulator knows.
pub(crate) const TOKEN: &str = "github_pat_simulated";

pub(crate) fn seconds(seconds: u64) -> std::time::Duration {
    std::time::Duration::from_secs(seconds)
}
