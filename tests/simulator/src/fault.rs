//! What can go wrong on the way.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::denial::Denial;
use crate::seconds;

/// A kind of request, for faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// Starting a task.
    Start,
    /// Reading one task.
    Task,
    /// Listing tasks.
    List,
    /// GraphQL.
    GraphQl,
    /// Pull requests by REST, one or many.
    Pulls,
    /// Searching repositories.
    Search,
    /// The permission of a collaborator.
    CollaboratorPermission,
    /// A repository itself, by name or by id.
    Repository,
    /// Branches, commits and files.
    Contents,
    /// Check runs, check suites and commit statuses.
    Checks,
    /// Workflow runs, one or many.
    Runs,
    /// Cancelling a workflow run, by force or not.
    Cancel,
    /// The authenticated user.
    User,
    /// Everything that is known, but starts, tasks, lists, GraphQL and pull requests. A fault for a narrower kind
    /// comes first.
    Other,
    /// Whatever comes next.
    Any,
}

/// Something that goes wrong with one request.
///
/// If it strikes *before accepting* (the default), the request is not looked at: no task comes into
/// being. If it strikes *after accepting*, all is done as asked, and only the answer is spoilt.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// Whether the request is carried out.
    #[serde(default)]
    pub after_accepting: bool,
}

/// What happens to a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// It is answered with this status.
    Status(Status),
    /// The connection is closed without an answer.
    Drop,
    /// It never leaves the client's machine. Over loopback this cannot be had, and is a drop.
    Unreachable,
    /// It is answered as it should be, but so much later. Before accepting, the waiting comes
    /// first; after accepting, the work does.
    Delay(#[serde(with = "seconds")] Duration),
    /// It is never answered; after so long the connection ends.
    TimeOut(#[serde(with = "seconds")] Duration),
    /// It is carried out, and the answer breaks off in the middle.
    CutBody,
    /// It is answered with a success whose body is a web page.
    Garbage,
    /// A secondary rate limit, to be tried again after so long.
    RateLimit {
        /// What `retry-after` says.
        #[serde(with = "seconds")]
        retry_after: Duration,
    },
    /// The primary rate limit.
    PrimaryLimit {
        /// How long until `x-ratelimit-reset`.
        #[serde(with = "seconds")]
        reset_in: Duration,
    },
    /// A secondary rate limit that only its text and its link reveal: a 403 without `retry-after`, and with
    /// `x-ratelimit-remaining` above zero.
    PlainLimit(PlainLimit),
    /// GraphQL's own form of a rate limit: a 200 with an error of the type `RATE_LIMITED`, and nothing else.
    GraphQlRateLimited,
    /// It is denied in GitHub's words.
    Denied(Denial),
    /// It is carried out, and the answer has one header more.
    ExtraHeader {
        /// The header's name.
        name: String,
        /// The header's value.
        value: String,
    },
    /// A redirect: 301 to a GET, 307 to anything else.
    Redirect {
        /// Where to.
        to: String,
    },
}

/// The words of a secondary rate limit that comes as a plain 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlainLimit {
    /// "You have exceeded a secondary rate limit", and a link to `secondary-rate-limits`.
    Secondary,
    /// "... temporarily blocked from content creation", and a link to `secondary-rate-limits`.
    ContentCreation,
    /// The words of old: "abuse detection mechanism", and a link to `abuse-rate-limits`.
    Abuse,
}

/// An answer as a fault gives it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The status code.
    pub code: u16,
    /// Headers to go with it.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body; one in GitHub's manner when absent.
    #[serde(default)]
    pub body: Option<Value>,
    /// Whether the body is a web page, as gateways like to send.
    #[serde(default)]
    pub html: bool,
}

impl Fault {
    /// This kind, before accepting.
    pub fn new(kind: FaultKind) -> Fault {
        Fault { kind, after_accepting: false }
    }

    /// Answered with this status.
    pub fn status(code: u16) -> Fault {
        Fault::new(FaultKind::Status(Status { code, ..Status::default() }))
    }

    /// Closed without an answer.
    pub fn drop() -> Fault {
        Fault::new(FaultKind::Drop)
    }

    /// Never sent.
    pub fn unreachable() -> Fault {
        Fault::new(FaultKind::Unreachable)
    }

    /// Answered so much later.
    pub fn delay(span: Duration) -> Fault {
        Fault::new(FaultKind::Delay(span))
    }

    /// Never answered; the connection ends after so long.
    pub fn time_out(span: Duration) -> Fault {
        Fault::new(FaultKind::TimeOut(span))
    }

    /// Carried out, but the answer breaks off.
    pub fn cut_body() -> Fault {
        Fault::new(FaultKind::CutBody)
    }

    /// A success with a web page in it.
    pub fn garbage() -> Fault {
        Fault::new(FaultKind::Garbage)
    }

    /// A secondary rate limit.
    pub fn rate_limit(retry_after: Duration) -> Fault {
        Fault::new(FaultKind::RateLimit { retry_after })
    }

    /// The primary rate limit.
    pub fn primary_limit(reset_in: Duration) -> Fault {
        Fault::new(FaultKind::PrimaryLimit { reset_in })
    }

    /// A secondary rate limit as a plain 403.
    pub fn plain_limit(words: PlainLimit) -> Fault {
        Fault::new(FaultKind::PlainLimit(words))
    }

    /// GraphQL's 200 with an error of the type `RATE_LIMITED`.
    pub fn graphql_rate_limited() -> Fault {
        Fault::new(FaultKind::GraphQlRateLimited)
    }

    /// Denied in GitHub's words.
    pub fn denied(denial: Denial) -> Fault {
        Fault::new(FaultKind::Denied(denial))
    }

    /// Carried out, and answered with one header more.
    pub fn extra_header(name: impl Into<String>, value: impl Into<String>) -> Fault {
        Fault::new(FaultKind::ExtraHeader { name: name.into(), value: value.into() })
    }

    /// A redirect.
    pub fn redirect(to: impl Into<String>) -> Fault {
        Fault::new(FaultKind::Redirect { to: to.into() })
    }

    /// The same, but the request is carried out.
    #[must_use]
    pub fn after_accepting(mut self) -> Fault {
        self.after_accepting = true;
        self
    }

    /// The same status with another header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Fault {
        if let FaultKind::Status(status) = &mut self.kind {
            status.headers.insert(name.into(), value.into());
        }
        self
    }

    /// The same status with this body.
    #[must_use]
    pub fn body(mut self, body: Value) -> Fault {
        if let FaultKind::Status(status) = &mut self.kind {
            status.body = Some(body);
        }
        self
    }

    /// The same status with a web page for a body.
    #[must_use]
    pub fn html(mut self) -> Fault {
        if let FaultKind::Status(status) = &mut self.kind {
            status.html = true;
        }
        self
    }

    /// One word for the log.
    pub(crate) fn name(&self) -> String {
        let kind = match &self.kind {
            FaultKind::Status(status) => format!("status {}", status.code),
            FaultKind::Drop => "drop".to_owned(),
            FaultKind::Unreachable => "unreachable".to_owned(),
            FaultKind::Delay(_) => "delay".to_owned(),
            FaultKind::TimeOut(_) => "time_out".to_owned(),
            FaultKind::CutBody => "cut_body".to_owned(),
            FaultKind::Garbage => "garbage".to_owned(),
            FaultKind::RateLimit { .. } => "rate_limit".to_owned(),
            FaultKind::PrimaryLimit { .. } => "primary_limit".to_owned(),
            FaultKind::PlainLimit(_) => "plain_limit".to_owned(),
            FaultKind::GraphQlRateLimited => "graphql_rate_limited".to_owned(),
            FaultKind::Denied(denial) => format!("denied {denial:?}"),
            FaultKind::ExtraHeader { name, .. } => format!("extra_header {name}"),
            FaultKind::Redirect { .. } => "redirect".to_owned(),
        };
        if self.after_accepting { format!("{kind} after accepting") } else { kind }
    }
}

/// The faults to come, in order, per kind of request.
#[derive(Debug, Default)]
pub(crate) struct Faults(BTreeMap<Route, VecDeque<Fault>>);

impl Faults {
    pub(crate) fn push(&mut self, route: Route, fault: Fault) {
        self.0.entry(route).or_default().push_back(fault);
    }

    /// The fault for a request of these kinds, if one is due. The narrowest kind comes first.
    pub(crate) fn take(&mut self, routes: &[Route]) -> Option<Fault> {
        routes.iter().find_map(|route| self.0.get_mut(route)?.pop_front())
    }

    /// How many have not happened yet.
    pub(crate) fn left(&self) -> usize {
        self.0.values().map(VecDeque::len).sum()
    }
}
