//! The signals that end the process, and who ends it.

use std::future::poll_fn;
use std::task::Poll;

use tokio::sync::watch;

/// A signal that asks the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: the terminal or the connection that the process belongs to is gone.
    Hangup,
    /// SIGINT: a cancelled workflow, or Ctrl-C.
    Interrupt,
    /// SIGTERM: the runner's second signal for a cancelled workflow, or a machine that shuts down.
    Terminate,
}

/// What the thread that receives the signal and the command know of each other. Until a command acts, the thread ends the
/// process; then the command does, because it knows what it has started.
#[derive(Debug, Clone, Default)]
pub struct Signals(watch::Sender<State>);

#[derive(Debug, Default)]
struct State {
    signal: Option<Signal>,
    /// Whether a command acts, and ends the process itself.
    acts: bool,
}

impl Signals {
    /// Notes a signal, and returns whether a command acts.
    pub fn note(&self, signal: Signal) -> bool {
        let mut acts = false;
        self.0.send_modify(|state| {
            state.signal = Some(signal);
            acts = state.acts;
        });
        acts
    }

    /// Notes that a command acts from here on, and waits for a signal. Does not return where one came before.
    pub fn act(&self) -> impl Future<Output = Signal> + use<> {
        let mut is_ending = false;
        self.0.send_modify(|state| {
            state.acts = state.acts || state.signal.is_none();
            is_ending = !state.acts;
        });
        if is_ending {
            loop {
                std::thread::park();
            }
        }
        let mut states = self.0.subscribe();
        async move {
            let received = states.wait_for(|state| state.signal.is_some()).await;
            match received.ok().and_then(|state| state.signal) {
                Some(signal) => signal,
                None => std::future::pending().await,
            }
        }
    }
}

/// Waits for the next signal from now on. Must be called in a runtime.
#[cfg(unix)]
pub fn received() -> impl Future<Output = Signal> + Send {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [
        (SignalKind::hangup(), Signal::Hangup),
        (SignalKind::interrupt(), Signal::Interrupt),
        (SignalKind::terminate(), Signal::Terminate),
    ];
    let mut streams = kinds.map(|(kind, name)| (signal(kind).ok(), name));
    poll_fn(move |context| {
        let mut ready = streams
            .iter_mut()
            .filter_map(|(stream, name)| stream.as_mut()?.poll_recv(context).is_ready().then_some(*name));
        ready.next().map_or(Poll::Pending, Poll::Ready)
    })
}

/// Waits for the next signal from now on. Must be called in a runtime.
#[cfg(windows)]
pub fn received() -> impl Future<Output = Signal> + Send {
    let mut stream = tokio::signal::windows::ctrl_c().ok();
    poll_fn(move |context| match &mut stream {
        Some(stream) => stream.poll_recv(context).map(|_| Signal::Interrupt),
        None => Poll::Pending,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn signal_is_left_to_a_command_that_acts() {
        let signals = Signals::default();
        let waiting = signals.act();
        assert!(signals.note(Signal::Terminate));
        assert_eq!(waiting.await, Signal::Terminate);
        assert_eq!(signals.act().await, Signal::Terminate, "a command that acts twice");
    }

    #[test]
    fn signal_before_a_command_acts_ends_the_process() {
        let signals = Signals::default();
        assert!(!signals.note(Signal::Hangup));
        let acts = std::thread::spawn(move || drop(signals.act()));
        std::thread::yield_now();
        assert!(!acts.is_finished());
    }
}
