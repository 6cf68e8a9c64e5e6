//! The signals that end the process.

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
