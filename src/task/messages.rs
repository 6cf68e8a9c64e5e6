//! The words for what happens to a task.

use crate::actions::workflow_command::Level;

/// A line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it says.
    pub text: String,
    /// Set where it should also stand on the run's page.
    pub level: Option<Level>,
}

impl Line {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), level: None }
    }

    pub(super) fn warning(text: impl Into<String>) -> Self {
        Self { text: text.into(), level: Some(Level::Warning) }
    }
}
