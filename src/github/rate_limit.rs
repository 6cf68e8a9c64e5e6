//! How long each request has to wait so that GitHub's rate limits are kept. Pure: no clock and no network.
//!
//! The limits apply to a user and not to a process. Where several jobs share one list, each takes its part of them.

use std::collections::VecDeque;
use std::time::Duration;

use crate::github::error::RateLimit;

/// "In general, no more than 80 content-generating requests per minute and no more than 500 content-generating requests
/// per hour are allowed", <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits>.
const MAX_STARTS_PER_MINUTE: usize = 80;
/// See [`MAX_STARTS_PER_MINUTE`].
const MAX_STARTS_PER_HOUR: usize = 500;
/// "No more than 900 points per minute are allowed for REST API endpoints", the same page. A GET is one, a POST five.
const POINTS_PER_MINUTE: u64 = 900;
/// What a start or a cancel costs of the points.
const START_POINTS: u64 = 5;
/// Reads leave room for a minute's starts, so that polling never delays starting.
const READ_POINTS_PER_MINUTE: u64 = POINTS_PER_MINUTE - 60 * START_POINTS;
/// A personal token has 5,000 requests an hour, the same page.
const REQUESTS_PER_HOUR: usize = 5000;
/// "If you are making a large number of POST, PATCH, PUT, or DELETE requests, wait at least one second between each
/// request", <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api>.
const MIN_GAP: Duration = Duration::from_secs(1);
/// The same page allows a hundred requests at once; the rest is left to other users of the same token.
const MAX_AT_ONCE: usize = 64;
/// By how much the minute and the hour here are longer than GitHub's: requests can arrive closer together than they were
/// sent.
const MARGIN: Duration = Duration::from_secs(2);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// The longest gap between two starts after repeated limits: a start a minute is a sixtieth of the usual pace.
const MAX_GAP: Duration = Duration::from_secs(60);
/// The longest wait after repeated secondary limits that came without `retry-after`: the window of GitHub's limits.
const MAX_BACKOFF: Duration = HOUR;

/// What kind of request is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// One that starts a task.
    Start,
    /// One that cancels a run.
    Cancel,
    /// The same in the seconds before this process is killed: it keeps no distance to other requests.
    UrgentCancel,
    /// One that reads from the REST API.
    Read,
    /// One that reads from the GraphQL API.
    GraphQl,
}

/// The requests of the last hour, and how long the next one has to wait.
#[derive(Debug)]
pub struct RateLimiter {
    parts: usize,
    starts: VecDeque<Duration>,
    last_cancel: Option<Duration>,
    requests: VecDeque<(Duration, u64)>,
    /// The gap between two starts at present.
    gap: Duration,
    /// Nothing is sent before this moment.
    held: Duration,
    /// Whether that is because of the hourly limit.
    is_held_for_hour: bool,
    /// Nothing is sent to the GraphQL API before this moment: its hourly limit is one of its own.
    graphql_held: Duration,
    /// How many secondary limits came in a row for starts, and for everything else.
    strikes: [u32; 2],
}

impl RateLimiter {
    /// The limiter of one of `parts` jobs that share the limits.
    pub fn new(parts: usize) -> Self {
        let parts = parts.max(1);
        let gap = MIN_GAP * u32::try_from(parts).unwrap_or(u32::MAX);
        Self {
            parts,
            starts: VecDeque::new(),
            last_cancel: None,
            requests: VecDeque::new(),
            gap,
            held: Duration::ZERO,
            is_held_for_hour: false,
            graphql_held: Duration::ZERO,
            strikes: [0; 2],
        }
    }

    /// How many requests may be under way at once.
    pub fn at_once(parts: usize) -> usize {
        (MAX_AT_ONCE / parts.max(1)).max(1)
    }

    /// How long a request of this kind has to wait from `now` on, a time since the limiter was made. Zero means that it
    /// counts as sent.
    pub fn ask(&mut self, now: Duration, kind: RequestKind) -> Duration {
        self.forget(now);
        let points = |window: Duration, most: u64, cost: u64| {
            let mut used = 0;
            // The newest that has to be over before there is room; one that is over already delays none.
            let newest = self.requests.iter().rev().find(|(_, points)| {
                used += points;
                used + cost > most
            });
            newest.map(|(at, _)| *at + window)
        };
        let part = |most: u64| (most / self.parts as u64).max(START_POINTS);
        let mut free = self.held.max(
            match kind {
                RequestKind::Read | RequestKind::GraphQl => points(MINUTE + MARGIN, part(READ_POINTS_PER_MINUTE), 1),
                RequestKind::Start | RequestKind::Cancel | RequestKind::UrgentCancel => {
                    points(MINUTE + MARGIN, part(POINTS_PER_MINUTE), START_POINTS)
                }
            }
            .unwrap_or_default(),
        );
        free = free.max(self.capacity(&self.requests, |(at, _)| *at, HOUR + MARGIN, self.share(REQUESTS_PER_HOUR)));
        let usual = MIN_GAP * u32::try_from(self.parts).unwrap_or(u32::MAX);
        let last = self.starts.back().copied().max(self.last_cancel);
        if kind == RequestKind::Cancel {
            free = free.max(last.map_or(Duration::ZERO, |last| last + usual));
        }
        if kind == RequestKind::Start {
            free = free.max(last.map_or(Duration::ZERO, |last| last + self.gap));
            for (window, most) in [(MINUTE, MAX_STARTS_PER_MINUTE), (HOUR, MAX_STARTS_PER_HOUR)] {
                free = free.max(self.capacity(&self.starts, |at| *at, window + MARGIN, self.share(most)));
            }
        }
        let wait = free.saturating_sub(now);
        if wait.is_zero() {
            let is_cancel = matches!(kind, RequestKind::Cancel | RequestKind::UrgentCancel);
            let points = if is_cancel || kind == RequestKind::Start { START_POINTS } else { 1 };
            self.requests.push_back((now, points));
            if is_cancel {
                self.last_cancel = Some(now);
            }
            if kind == RequestKind::Start {
                self.starts.push_back(now);
                // Back to the usual gap step by step, because a limit lasts for a while.
                self.gap = (self.gap * 19 / 20).max(usual);
            }
        }
        wait
    }

    /// Notes that GitHub limited a request that was sent at the moment `sent`, and returns how long to send nothing.
    ///
    /// "If your request continues to fail due to a secondary rate limit, wait for an exponentially increasing amount of
    /// time between retries", <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately>.
    /// Requests that were under way together count as one.
    pub fn limited(&mut self, kind: RequestKind, sent: Duration, now: Duration, limit: &RateLimit) -> Duration {
        if kind != RequestKind::GraphQl || !limit.primary {
            self.is_held_for_hour = limit.primary;
        }
        if limit.primary {
            let held = if kind == RequestKind::GraphQl { &mut self.graphql_held } else { &mut self.held };
            *held = (*held).max(now.saturating_add(limit.wait));
            return limit.wait;
        }
        if sent >= self.held {
            let strikes = &mut self.strikes[usize::from(kind != RequestKind::Start)];
            let wait = limit.wait.saturating_mul(2_u32.saturating_pow(*strikes)).min(MAX_BACKOFF.max(limit.wait));
            *strikes = strikes.saturating_add(1);
            self.held = now.saturating_add(wait);
            self.gap = (self.gap * 2).min(MAX_GAP.max(self.gap));
        }
        self.held = self.held.max(now.saturating_add(limit.wait));
        self.held - now
    }

    /// Notes that GitHub answered a request that was sent at the moment `sent` without a limit.
    pub fn answered(&mut self, kind: RequestKind, sent: Duration) {
        if sent >= self.held {
            self.strikes[usize::from(kind != RequestKind::Start)] = 0;
        }
    }

    /// The limit for which nothing is sent at present.
    pub fn held(&self, now: Duration) -> Option<RateLimit> {
        let wait = self.held.saturating_sub(now);
        (!wait.is_zero()).then_some(RateLimit { wait, primary: self.is_held_for_hour })
    }

    /// How long the GraphQL API must not be asked.
    pub fn graphql_wait(&self, now: Duration) -> Duration {
        self.graphql_held.saturating_sub(now)
    }

    /// The shortest time between the first and the last of `starts` starts in one of `parts` jobs.
    pub fn min_duration(starts: usize, parts: usize) -> Duration {
        let whole = starts.saturating_mul(parts.max(1)).saturating_sub(1);
        let hours = u32::try_from(whole / MAX_STARTS_PER_HOUR).unwrap_or(u32::MAX);
        let rest = u32::try_from(whole % MAX_STARTS_PER_HOUR).unwrap_or(u32::MAX);
        HOUR.saturating_mul(hours) + MIN_GAP * rest
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

    /// When each of `count` requests of a kind is sent, by a client that waits as asked.
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
    fn starts_keep_every_limit_near_the_least_time() {
        for parts in [1, 2, 8] {
            let starts = sent(&mut RateLimiter::new(parts), RequestKind::Start, 1200 / parts);
            assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= MIN_GAP));
            assert!(most_within(&starts, MINUTE) <= MAX_STARTS_PER_MINUTE / parts);
            assert!(most_within(&starts, HOUR) <= MAX_STARTS_PER_HOUR / parts);
            let least = RateLimiter::min_duration(1200 / parts, parts);
            let last = *starts.last().unwrap();
            assert!(last >= least.mul_f64(0.95) && last <= least.mul_f64(1.05), "{parts}: {last:?} and {least:?}");
        }
    }

    #[test]
    fn cancels_keep_a_distance_unless_they_are_urgent() {
        let mut limiter = RateLimiter::new(2);
        let sent_at = sent(&mut limiter, RequestKind::Cancel, 5);
        assert_eq!(sent_at.iter().map(Duration::as_secs).collect::<Vec<_>>(), [0, 2, 4, 6, 8]);
        assert_eq!(limiter.ask(sent_at[4], RequestKind::Start), 2 * MIN_GAP);
        let urgent = sent(&mut RateLimiter::new(1), RequestKind::UrgentCancel, 181);
        assert_eq!((urgent[179].as_secs(), urgent[180].as_secs()), (0, 62), "900 points a minute");
    }

    #[test]
    fn reads_leave_room_for_starts() {
        let mut pace = RateLimiter::new(1);
        let reads = sent(&mut pace, RequestKind::Read, 2000);
        assert_eq!(most_within(&reads, MINUTE), usize::try_from(READ_POINTS_PER_MINUTE).unwrap());
        let now = *reads.last().unwrap();
        assert_eq!(pace.ask(now, RequestKind::Start), Duration::ZERO);
        let many = sent(&mut RateLimiter::new(1), RequestKind::Read, 6000);
        assert!(most_within(&many, HOUR) <= REQUESTS_PER_HOUR);
    }

    #[test]
    fn limits_have_their_values_and_are_shared() {
        assert_eq!([1, 3, 100].map(RateLimiter::at_once), [64, 21, 1]);
        for (parts, in_a_minute) in [(1, 600), (2, 300)] {
            let reads = sent(&mut RateLimiter::new(parts), RequestKind::Read, in_a_minute + 1);
            assert_eq!((reads[in_a_minute - 1].as_secs(), reads[in_a_minute].as_secs()), (0, 62), "{parts}");
        }
        let reads = sent(&mut RateLimiter::new(1), RequestKind::Read, 5001);
        assert_eq!((reads[4999].as_secs(), reads[5000].as_secs()), (8 * 62, 3602));
    }

    #[test]
    fn requests_are_forgotten_after_an_hour() {
        let mut limiter = RateLimiter::new(1);
        for (second, starts, requests) in [(0, 1, 1), (3602, 2, 2), (3603, 2, 2)] {
            assert_eq!(limiter.ask(Duration::from_secs(second), RequestKind::Start), Duration::ZERO, "{second}");
            assert_eq!((limiter.starts.len(), limiter.requests.len()), (starts, requests), "{second}");
        }
    }

    #[test]
    fn limit_holds_everything_and_slows_starts() {
        let mut pace = RateLimiter::new(1);
        assert_eq!(pace.ask(Duration::ZERO, RequestKind::Start), Duration::ZERO);
        let limit = RateLimit { wait: Duration::from_secs(30), primary: false };
        pace.limited(RequestKind::Start, Duration::ZERO, Duration::from_secs(1), &limit);
        assert_eq!(pace.ask(Duration::from_secs(1), RequestKind::Read), Duration::from_secs(30));
        assert_eq!(pace.ask(Duration::from_secs(31), RequestKind::Start), Duration::ZERO);
        let wait = pace.ask(Duration::from_secs(31), RequestKind::Start);
        assert!(wait > Duration::from_millis(1800) && wait < Duration::from_secs(2), "{wait:?}");
    }

    #[test]
    fn min_duration_follows_from_the_limits() {
        for (starts, parts, seconds) in
            [(0, 1, 0), (1, 1, 0), (60, 1, 59), (500, 1, 499), (501, 1, 3600), (1000, 1, 4099), (100, 8, 3600 + 299)]
        {
            assert_eq!(RateLimiter::min_duration(starts, parts).as_secs(), seconds, "{starts} in {parts}");
        }
    }

    #[test]
    fn repeated_secondary_limits_double_the_wait_until_an_answer() {
        let mut pace = RateLimiter::new(1);
        let limit = RateLimit { wait: Duration::from_secs(60), primary: false };
        let mut now = Duration::ZERO;
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = pace.limited(RequestKind::Start, now, now, &limit);
            // Those that were under way at the same time do not double it again.
            assert_eq!(pace.limited(RequestKind::Start, now, now, &limit), wait);
            // What is read meanwhile does not end it.
            pace.answered(RequestKind::Read, now);
            waits.push(wait.as_secs());
            now += wait;
        }
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
        pace.answered(RequestKind::Start, now);
        assert_eq!(pace.limited(RequestKind::Start, now, now, &limit).as_secs(), 60);
    }

    #[test]
    fn hourly_limit_of_graphql_does_not_hold_the_rest() {
        let mut pace = RateLimiter::new(1);
        let limit = RateLimit { wait: Duration::from_secs(1800), primary: true };
        pace.limited(RequestKind::GraphQl, Duration::ZERO, Duration::ZERO, &limit);
        assert_eq!(pace.ask(Duration::ZERO, RequestKind::Read), Duration::ZERO);
        assert_eq!(pace.graphql_wait(Duration::from_secs(60)).as_secs(), 1740);
    }
}
