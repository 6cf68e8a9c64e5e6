//! The pace of requests: how long each has to wait so that GitHub's limits are kept. A machine of values, with no clock
//! and no network.
//!
//! The limits hold for a person and not for a process. Where several jobs share one list, each takes its part of them.

use std::collections::VecDeque;
use std::time::Duration;

use crate::github::error::RateLimit;

/// "In general, no more than 80 content-generating requests per minute and no more than 500 content-generating requests
/// per hour are allowed", <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits>.
const STARTS_PER_MINUTE: usize = 80;
/// See [`STARTS_PER_MINUTE`].
const STARTS_PER_HOUR: usize = 500;
/// "No more than 900 points per minute are allowed for REST API endpoints", the same page. A GET is one, a POST five.
const POINTS_PER_MINUTE: u64 = 900;
/// What a start costs of the points.
const START_POINTS: u64 = 5;
/// What is read leaves room for a minute's starts, so that looking never holds up starting.
const READ_POINTS_PER_MINUTE: u64 = POINTS_PER_MINUTE - 60 * START_POINTS;
/// A personal token has 5,000 requests an hour, the same page.
const REQUESTS_PER_HOUR: usize = 5000;
/// "If you are making a large number of POST, PATCH, PUT, or DELETE requests, wait at least one second between each
/// request", <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api>.
const GAP: Duration = Duration::from_secs(1);
/// The same page asks for no more than a hundred requests at once; the rest is left to others with the same token.
const AT_ONCE: usize = 64;
/// How much longer than GitHub's our minute and hour are: requests can come in closer together than they were sent.
const MARGIN: Duration = Duration::from_secs(2);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// The longest gap between two starts, after GitHub has limited the rate again and again.
const LONGEST_GAP: Duration = Duration::from_secs(60);

/// What kind of request is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// One that starts a task.
    Start,
    /// One that reads.
    Read,
}

/// The requests of the last while, and how long the next has to wait.
#[derive(Debug)]
pub struct RateLimiter {
    parts: usize,
    starts: VecDeque<Duration>,
    requests: VecDeque<(Duration, u64)>,
    /// The gap between two starts as it is now.
    gap: Duration,
    /// Nothing is sent before this moment.
    held: Duration,
}

impl RateLimiter {
    /// The pace of one of so many jobs that share the limits.
    pub fn new(parts: usize) -> Self {
        let parts = parts.max(1);
        let gap = GAP * u32::try_from(parts).unwrap_or(u32::MAX);
        Self { parts, starts: VecDeque::new(), requests: VecDeque::new(), gap, held: Duration::ZERO }
    }

    /// How many requests may be under way at once.
    pub fn at_once(parts: usize) -> usize {
        (AT_ONCE / parts.max(1)).max(1)
    }

    /// How long a request of this kind has to wait from `now` on, a time since the process began. One that need not is
    /// taken for sent.
    pub fn ask(&mut self, now: Duration, kind: RequestKind) -> Duration {
        self.forget(now);
        let points = |window: Duration, most: u64, cost: u64| {
            let mut used = 0;
            let recent = self.requests.iter().rev().take_while(|(at, _)| *at + window > now);
            // The newest that has to be over before there is room.
            recent
                .map(|(at, points)| {
                    (*at, {
                        used += points;
                        used
                    })
                })
                .find(|(_, used)| used + cost > most)
                .map(|(at, _)| at + window)
        };
        let part = |most: u64| (most / self.parts as u64).max(START_POINTS);
        let mut free = self.held.max(
            match kind {
                RequestKind::Read => points(MINUTE + MARGIN, part(READ_POINTS_PER_MINUTE), 1),
                RequestKind::Start => points(MINUTE + MARGIN, part(POINTS_PER_MINUTE), START_POINTS),
            }
            .unwrap_or_default(),
        );
        free = free.max(self.capacity(&self.requests, |(at, _)| *at, HOUR + MARGIN, self.share(REQUESTS_PER_HOUR)));
        if kind == RequestKind::Start {
            free = free.max(self.starts.back().map_or(Duration::ZERO, |last| *last + self.gap));
            for (window, most) in [(MINUTE, STARTS_PER_MINUTE), (HOUR, STARTS_PER_HOUR)] {
                free = free.max(self.capacity(&self.starts, |at| *at, window + MARGIN, self.share(most)));
            }
        }
        let wait = free.saturating_sub(now);
        if wait.is_zero() {
            self.requests.push_back((now, if kind == RequestKind::Start { START_POINTS } else { 1 }));
            if kind == RequestKind::Start {
                self.starts.push_back(now);
                // Back to the usual gap by and by, for a limit holds for a while.
                let usual = GAP * u32::try_from(self.parts).unwrap_or(u32::MAX);
                self.gap = (self.gap * 19 / 20).max(usual);
            }
        }
        wait
    }

    /// Slower from now on: GitHub limits the rate.
    pub fn limited(&mut self, now: Duration, limit: &RateLimit) {
        self.held = self.held.max(now + limit.wait);
        if !limit.primary {
            self.gap = (self.gap * 2).min(LONGEST_GAP.max(self.gap));
        }
    }

    /// The least time between the first and the last of so many starts, where this job is one of so many.
    pub fn least(starts: usize, parts: usize) -> Duration {
        let whole = starts.saturating_mul(parts.max(1)).saturating_sub(1);
        let hours = u32::try_from(whole / STARTS_PER_HOUR).unwrap_or(u32::MAX);
        let rest = u32::try_from(whole % STARTS_PER_HOUR).unwrap_or(u32::MAX);
        HOUR.saturating_mul(hours) + GAP * rest
    }

    fn share(&self, most: usize) -> usize {
        (most / self.parts).max(1)
    }

    /// When there is room for one more of at most `most` within the window.
    fn capacity<T>(&self, sent: &VecDeque<T>, at: impl Fn(&T) -> Duration, window: Duration, most: usize) -> Duration {
        let oldest = sent.len().checked_sub(most).and_then(|place| sent.get(place));
        oldest.map_or(Duration::ZERO, |sent| at(sent) + window)
    }

    fn forget(&mut self, now: Duration) {
        let opens = now.saturating_sub(HOUR + MARGIN);
        while self.starts.front().is_some_and(|at| *at < opens) {
            self.starts.pop_front();
        }
        while self.requests.front().is_some_and(|(at, _)| *at < opens) {
            self.requests.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of so many requests of a kind is sent, by somebody who waits as told.
    fn sent(pace: &mut RateLimiter, kind: RequestKind, count: usize) -> Vec<Duration> {
        let mut now = Duration::ZERO;
        let mut sent = Vec::new();
        while sent.len() < count {
            match pace.ask(now, kind) {
                Duration::ZERO => sent.push(now),
                wait => now += wait,
            }
        }
        sent
    }

    fn most_within(sent: &[Duration], window: Duration) -> usize {
        sent.iter()
            .enumerate()
            .map(|(at, first)| sent[at..].iter().take_while(|it| **it < *first + window).count())
            .max()
            .unwrap_or(0)
    }

    #[test]
    fn starts_stay_inside_every_limit_and_near_the_least_time() {
        for parts in [1, 2, 8] {
            let starts = sent(&mut RateLimiter::new(parts), RequestKind::Start, 1200 / parts);
            assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= GAP));
            assert!(most_within(&starts, MINUTE) <= STARTS_PER_MINUTE / parts);
            assert!(most_within(&starts, HOUR) <= STARTS_PER_HOUR / parts);
            let least = RateLimiter::least(1200 / parts, parts);
            let last = *starts.last().unwrap();
            assert!(last >= least.mul_f64(0.95) && last <= least.mul_f64(1.05), "{parts}: {last:?} and {least:?}");
        }
    }

    #[test]
    fn reading_leaves_room_for_starting() {
        let mut pace = RateLimiter::new(1);
        let reads = sent(&mut pace, RequestKind::Read, 2000);
        assert_eq!(most_within(&reads, MINUTE), usize::try_from(READ_POINTS_PER_MINUTE).unwrap());
        let now = *reads.last().unwrap();
        assert_eq!(pace.ask(now, RequestKind::Start), Duration::ZERO);
        let many = sent(&mut RateLimiter::new(1), RequestKind::Read, 6000);
        assert!(most_within(&many, HOUR) <= REQUESTS_PER_HOUR);
    }

    #[test]
    fn a_limit_holds_everything_and_slows_starting_down_for_a_while() {
        let mut pace = RateLimiter::new(1);
        assert_eq!(pace.ask(Duration::ZERO, RequestKind::Start), Duration::ZERO);
        let limit = RateLimit { wait: Duration::from_secs(30), primary: false };
        pace.limited(Duration::from_secs(1), &limit);
        assert_eq!(pace.ask(Duration::from_secs(1), RequestKind::Read), Duration::from_secs(30));
        assert_eq!(pace.ask(Duration::from_secs(31), RequestKind::Start), Duration::ZERO);
        let wait = pace.ask(Duration::from_secs(31), RequestKind::Start);
        assert!(wait > Duration::from_millis(1800) && wait < Duration::from_secs(2), "{wait:?}");
    }

    #[test]
    fn the_least_time_follows_from_the_limits() {
        for (starts, parts, seconds) in
            [(0, 1, 0), (1, 1, 0), (60, 1, 59), (500, 1, 499), (501, 1, 3600), (1000, 1, 4099), (100, 8, 3600 + 299)]
        {
            assert_eq!(RateLimiter::least(starts, parts).as_secs(), seconds, "{starts} in {parts}");
        }
    }
}
