//! Faults that last.

use std::time::Duration;

use serde::Deserialize;

use crate::clock::Moment;
use crate::fault::{Fault, Route};
use crate::seconds;
use crate::settings::Settings;

/// A fault that strikes every matching request for a while, where [`Fault`]s in a queue strike one request each.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outage {
    /// The kinds of request it strikes; all when empty.
    pub routes: Vec<Route>,
    /// The repository whose requests it strikes, as `owner/name`; all requests when absent.
    pub repository: Option<String>,
    /// When it begins, counted from when the simulator was made.
    #[serde(with = "seconds")]
    pub from: Duration,
    /// How long it lasts; for good when absent.
    #[serde(with = "seconds::optional")]
    pub lasts: Option<Duration>,
    /// What happens to each request.
    pub fault: Fault,
}

impl Default for Outage {
    fn default() -> Outage {
        Outage { routes: Vec::new(), repository: None, from: Duration::ZERO, lasts: None, fault: Fault::status(503) }
    }
}

impl Outage {
    /// This fault for every request, for good.
    pub fn new(fault: Fault) -> Outage {
        Outage { fault, ..Outage::default() }
    }

    /// The same for this kind of request. May be called several times.
    #[must_use]
    pub fn on(mut self, route: Route) -> Outage {
        self.routes.push(route);
        self
    }

    /// The same for requests that name this repository in their path.
    #[must_use]
    pub fn of(mut self, repository: impl Into<String>) -> Outage {
        self.repository = Some(repository.into());
        self
    }

    /// The same from this moment on, counted from when the simulator was made.
    #[must_use]
    pub fn from(mut self, from: Duration) -> Outage {
        self.from = from;
        self
    }

    /// The same for so long.
    #[must_use]
    pub fn lasting(mut self, lasts: Duration) -> Outage {
        self.lasts = Some(lasts);
        self
    }

    /// Whether it strikes a request of these kinds, for this repository, now.
    pub(crate) fn strikes(&self, routes: &[Route], repository: Option<&str>, now: Moment, settings: &Settings) -> bool {
        let begins = Moment::since_start(settings.scaled(self.from));
        let on = begins <= now && self.lasts.is_none_or(|lasts| now < begins.plus(settings.scaled(lasts)));
        let route = self.routes.is_empty() || self.routes.iter().any(|route| routes.contains(route));
        let here = self
            .repository
            .as_deref()
            .is_none_or(|wanted| repository.is_some_and(|name| name.eq_ignore_ascii_case(wanted)));
        on && route && here
    }
}
