//! What the doctor checks, and what a check finds.

use std::fmt;

use crate::github::error::Error;
use crate::inputs::problem::Problem;

/// The result of a check, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// A start fails, or does something other than the inputs ask for.
    Fail,
    /// A start works in this run, but perhaps not for long, not in every run, or not as expected.
    Warn,
    /// GitHub did not give this token the answer.
    Unknown,
    /// Nothing is wrong.
    Pass,
}

impl Status {
    /// An icon for people.
    pub(super) fn icon(self) -> &'static str {
        match self {
            Self::Fail => "❌",
            Self::Warn => "⚠️",
            Self::Unknown => "❔",
            Self::Pass => "✅",
        }
    }
}

/// The subject of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Whether the inputs can be read.
    Inputs,
    /// Whether the policy can be read.
    Policy,
    /// Whether a prompt can be rendered.
    Prompt,
    /// Whether the policy and the actor check allow the start.
    Start,
    /// Whether the token's kind can start tasks.
    Token,
    /// The user of the token.
    Login,
    /// When the token expires.
    Expiry,
    /// The scopes of a token that has scopes.
    Scopes,
    /// Whether the token reaches the repository, and its owner can push there.
    Repository,
    /// Whether the branch to start from exists.
    BaseRef,
    /// Whether the pull request to work on exists.
    HeadRef,
    /// Whether the token can read agent tasks, its owner has a license, and the agent is enabled.
    AgentTasks,
    /// Whether pull requests can be read.
    PullRequests,
    /// Whether the checks of pull requests can be read, where the step expects them to succeed.
    Checks,
    /// Whether the runs of tasks can be read, where the step can stop tasks.
    Stop,
    /// Whether the custom agent exists.
    CustomAgent,
    /// Whether the cloud agent is configured as the policy requires.
    CloudAgent,
    /// Whether GitHub Actions, which the cloud agent runs on, is enabled.
    Actions,
}

impl Check {
    /// All checks, in the order of the reference.
    pub const ALL: [Self; 18] = [
        Self::Inputs,
        Self::Policy,
        Self::Prompt,
        Self::Start,
        Self::Token,
        Self::Login,
        Self::Expiry,
        Self::Scopes,
        Self::Repository,
        Self::BaseRef,
        Self::HeadRef,
        Self::AgentTasks,
        Self::PullRequests,
        Self::Checks,
        Self::Stop,
        Self::CustomAgent,
        Self::CloudAgent,
        Self::Actions,
    ];

    /// The name in the log, the summary and the outputs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inputs => "inputs",
            Self::Policy => "policy",
            Self::Prompt => "prompt",
            Self::Start => "start",
            Self::Token => "token",
            Self::Login => "login",
            Self::Expiry => "expiry",
            Self::Scopes => "scopes",
            Self::Repository => "repository",
            Self::BaseRef => "base-ref",
            Self::HeadRef => "head-ref",
            Self::AgentTasks => "agent-tasks",
            Self::PullRequests => "pull-requests",
            Self::Checks => "checks",
            Self::Stop => "stop",
            Self::CustomAgent => "custom-agent",
            Self::CloudAgent => "cloud-agent",
            Self::Actions => "actions",
        }
    }

    /// A finding with this status.
    pub(super) fn finding(self, status: Status, message: impl Into<String>) -> Finding {
        Finding { check: self, status, message: message.into() }
    }

    /// A fault.
    pub(super) fn fail(self, message: impl Into<String>) -> Finding {
        self.finding(Status::Fail, message)
    }

    /// A warning.
    pub(super) fn warn(self, message: impl Into<String>) -> Finding {
        self.finding(Status::Warn, message)
    }

    /// A check that nothing is known about.
    pub(super) fn unknown(self, message: impl Into<String>) -> Finding {
        self.finding(Status::Unknown, message)
    }

    /// A check without objection.
    pub(super) fn pass(self, message: impl Into<String>) -> Finding {
        self.finding(Status::Pass, message)
    }

    /// A check whose answer GitHub did not give.
    pub(super) fn unanswered(self, error: &Error) -> Finding {
        self.unknown(format!("cannot be checked: {error}"))
    }

    /// A check whose answer a start needs as well. What GitHub did not answer, for example because of a rate limit, is not a
    /// fault.
    pub(super) fn refused(self, error: &Error) -> Finding {
        if error.is_refusal() { self.fail(error.to_string()) } else { self.unanswered(error) }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check.
    pub check: Check,
    /// Its result.
    pub status: Status,
    /// What was found and, unless the check passed, what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check.as_str(), self.message)
    }
}

/// A problem with an input, or with the policy that it names.
pub(super) fn check_problem(problem: &Problem) -> Finding {
    let check = if problem.is_about("policy") { Check::Policy } else { Check::Inputs };
    check.fail(problem.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn check_names_are_unique() {
        assert_eq!(Check::ALL.map(Check::as_str).into_iter().collect::<BTreeSet<_>>().len(), Check::ALL.len());
    }
}
