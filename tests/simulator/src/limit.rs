//! GitHub's rate limits.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Deserialize;

use crate::clock::Moment;

/// The limits that are enforced. The numbers are those of
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests per person and hour; 304 answers are free. GraphQL has as many of its own.
    pub requests_per_hour: u64,
    /// Searches per person and minute.
    pub searches_per_minute: u64,
    /// Points per person and minute: a GET costs one, a POST five.
    pub points_per_minute: u64,
    /// Requests that make something, per person and minute.
    pub creations_per_minute: u64,
    /// Requests that make something, per person and hour.
    pub creations_per_hour: u64,
    /// Requests at the same moment, over all tokens.
    pub concurrent: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            requests_per_hour: 5000,
            searches_per_minute: 30,
            points_per_minute: 900,
            creations_per_minute: 80,
            creations_per_hour: 500,
            concurrent: 100,
        }
    }
}

/// The resource that searches count for; its hour is a minute.
pub(crate) const SEARCH: &str = "search";

impl Limits {
    /// The requests of this resource that a person has in its hour.
    pub(crate) fn of(&self, resource: &str) -> u64 {
        if resource == SEARCH { self.searches_per_minute } else { self.requests_per_hour }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Why a request is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The primary limit.
    Primary,
    /// A secondary limit; try again after so long.
    Secondary(Duration),
}

/// How much of the hour's requests is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hour {
    pub(crate) used: u64,
    pub(crate) ends: Moment,
}

/// What everybody has used so far.
#[derive(Debug, Default)]
pub(crate) struct RateLimiter {
    hours: BTreeMap<(String, &'static str), Hour>,
    points: BTreeMap<String, Recent>,
    creations: BTreeMap<String, Recent>,
}

/// What was used in the last while, and when.
#[derive(Debug, Default)]
struct Recent(VecDeque<(Moment, u64)>);

impl Recent {
    /// How long until `more` fit under `limit` in a window of this length; nothing if they do now.
    fn wait(&self, now: Moment, window: Duration, more: u64, limit: u64) -> Option<Duration> {
        let opens = now.minus(window);
        let inside = || self.0.iter().filter(|(at, _)| *at > opens);
        let mut used: u64 = inside().map(|(_, amount)| amount).sum();
        if used + more <= limit {
            return None;
        }
        for (at, amount) in inside() {
            used -= amount;
            if used + more <= limit {
                return Some(now.until(at.plus(window)));
            }
        }
        Some(window)
    }

    fn add(&mut self, now: Moment, keep: Duration, amount: u64) {
        let opens = now.minus(keep);
        while self.0.front().is_some_and(|(at, _)| *at <= opens) {
            self.0.pop_front();
        }
        self.0.push_back((now, amount));
    }
}

impl RateLimiter {
    /// Lets a request through and books it under the secondary limits, or says why not.
    pub(crate) fn admit(
        &mut self,
        who: &str,
        resource: &'static str,
        now: Moment,
        points: u64,
        creates: bool,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        if self.hour(who, resource, now).used >= limits.of(resource) {
            return Err(Refusal::Primary);
        }
        let spent = self.points.entry(who.to_owned()).or_default();
        let mut wait = spent.wait(now, MINUTE, points, limits.points_per_minute);
        let made = self.creations.entry(who.to_owned()).or_default();
        if creates {
            wait = wait.max(made.wait(now, MINUTE, 1, limits.creations_per_minute)).max(made.wait(
                now,
                HOUR,
                1,
                limits.creations_per_hour,
            ));
        }
        if let Some(wait) = wait {
            return Err(Refusal::Secondary(wait));
        }
        spent.add(now, MINUTE, points);
        if creates {
            made.add(now, HOUR, 1);
        }
        Ok(())
    }

    /// Books a request under the primary limit.
    pub(crate) fn count(&mut self, who: &str, resource: &'static str, now: Moment) {
        self.hour(who, resource, now).used += 1;
    }

    /// The hour that is running for this person: it begins with the first request in it.
    pub(crate) fn hour(&mut self, who: &str, resource: &'static str, now: Moment) -> &mut Hour {
        let fresh = Hour { used: 0, ends: now.plus(if resource == SEARCH { MINUTE } else { HOUR }) };
        let hour = self.hours.entry((who.to_owned(), resource)).or_insert(fresh);
        if hour.ends <= now {
            *hour = fresh;
        }
        hour
    }
}
