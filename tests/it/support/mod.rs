//! What the tests share: a step that runs in this process or as a process of its own, and what it leaves behind.

mod finished;
mod folder;
mod loopback;
mod process;
mod redact;
mod step;

pub(crate) use finished::Finished;
pub(crate) use finished::KILLED;
pub(crate) use finished::outputs;
pub(crate) use loopback::ClosedPort;
pub(crate) use loopback::Server;
#[cfg(unix)]
pub(crate) use process::PATIENCE;
pub(crate) use process::binary;
pub(crate) use redact::redact;
pub(crate) use step::Step;

/// The token that every simulator knows.
pub(crate) const TOKEN: &str = "github_pat_simulated";

pub(crate) fn seconds(seconds: u64) -> std::time::Duration {
    std::time::Duration::from_secs(seconds)
}

/// Runs the cases of a test side by side, since each of them mostly waits. What they return keeps their order.
pub(crate) fn side_by_side<C: Send, R: Send>(
    cases: impl IntoIterator<Item = C>,
    run: impl Fn(C) -> R + Sync,
) -> Vec<R> {
    let run = &run;
    std::thread::scope(|scope| {
        let running = cases.into_iter().map(|case| scope.spawn(move || run(case))).collect::<Vec<_>>();
        let ended = running.into_iter().map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ended.collect()
    })
}
