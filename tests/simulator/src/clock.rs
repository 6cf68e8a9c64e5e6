//! Time inside the simulator: how long it has been running, and what a calendar would say.

use std::time::Duration;

use jiff::Timestamp;

/// A point in time, counted in microseconds from when the simulator was made.
///
/// It is signed because a task may be older than the simulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(i64);

impl Moment {
    pub(crate) fn since_start(elapsed: Duration) -> Moment {
        Moment(micros(elapsed))
    }

    pub(crate) fn plus(self, span: Duration) -> Moment {
        Moment(self.0.saturating_add(micros(span)))
    }

    pub(crate) fn minus(self, span: Duration) -> Moment {
        Moment(self.0.saturating_sub(micros(span)))
    }

    /// How long it is from here to `later`; nothing when that has passed.
    pub(crate) fn until(self, later: Moment) -> Duration {
        let span = later.0.saturating_sub(self.0);
        Duration::from_micros(u64::try_from(span).unwrap_or(0))
    }

    /// How long after the simulator was made this is.
    pub(crate) fn elapsed(self) -> Duration {
        Duration::from_micros(u64::try_from(self.0).unwrap_or(0))
    }
}

/// Turns moments into dates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    base: Timestamp,
}

impl Clock {
    pub(crate) fn new(base: Timestamp) -> Clock {
        Clock { base }
    }

    /// Seconds since 1970, cut and not rounded, as GitHub shows its timestamps: what it calls the
    /// moment of creation can lie up to a second before the request that caused it.
    pub(crate) fn epoch(self, at: Moment) -> i64 {
        self.base.as_microsecond().saturating_add(at.0).div_euclid(1_000_000)
    }

    pub(crate) fn rfc3339(self, at: Moment) -> String {
        self.at(at).to_string()
    }

    /// The form of the `Date` header.
    pub(crate) fn http_date(self, at: Moment) -> String {
        self.at(at).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    fn at(self, at: Moment) -> Timestamp {
        Timestamp::from_second(self.epoch(at)).unwrap_or(self.base)
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX / 4)
}
