//! The signals that end the process.

/// A signal that asks the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: a cancelled workflow, or Ctrl-C.
    Interrupt,
    /// SIGTERM: a workflow that was cancelled seconds ago, or a machine that shuts down.
    Terminate,
}
