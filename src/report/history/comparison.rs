//! Two groups of tasks side by side: what differs, and whether that can be chance.

use serde::Serialize;

use crate::report::history::figures::{Figures, Share, Spread, rounded};
use crate::text::counted;

/// The 97.5th percentile of the normal distribution, for intervals of 95 %.
const Z: f64 = 1.96;

/// Two groups side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Comparison {
    /// What the groups are: `version` or `model`.
    pub by: &'static str,
    /// The first group.
    pub first: String,
    /// The second group.
    pub second: String,
    /// The shares.
    pub shares: Vec<ShareDifference>,
    /// The medians.
    pub medians: Vec<MedianDifference>,
    /// Why nothing can be concluded, if so.
    pub warning: Option<String>,
}

/// A share of two groups.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ShareDifference {
    /// Which share.
    pub figure: &'static str,
    /// Of the first group.
    pub first: Share,
    /// Of the second group.
    pub second: Share,
    /// By how much the second is larger.
    pub difference: Option<f64>,
    /// The least and the largest difference with a confidence of 95 %.
    pub interval: Option<[f64; 2]>,
    /// Whether the difference can be chance: the interval has zero in it, or there is none.
    pub may_be_chance: bool,
}

/// A median of two groups.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MedianDifference {
    /// Which median.
    pub figure: &'static str,
    /// Of the first group.
    pub first: Spread,
    /// Of the second group.
    pub second: Spread,
    /// By how much the second is larger.
    pub difference: Option<f64>,
}

impl Comparison {
    /// Compares two groups.
    pub fn of(by: &'static str, first: (&str, &Figures), second: (&str, &Figures)) -> Self {
        let ((first_name, first), (second_name, second)) = (first, second);
        let shares = [
            ("success", first.success, second.success),
            ("merged", first.merged, second.merged),
            ("accepted", first.accepted, second.accepted),
            ("rework", first.rework, second.rework),
            ("failed-checks", first.failed_checks, second.failed_checks),
        ];
        let shares = shares.map(|(figure, first, second)| ShareDifference::of(figure, first, second)).to_vec();
        let of_credits = |it: &Figures| Spread { of: it.credits.of, median: it.credits.median, p90: it.credits.p90 };
        let medians = [
            ("duration", first.duration, second.duration),
            ("first-review", first.first_review, second.first_review),
            ("time-to-merge", first.time_to_merge, second.time_to_merge),
            ("lines", first.lines, second.lines),
            ("credits", of_credits(first), of_credits(second)),
        ];
        let medians = medians.map(|(figure, first, second)| MedianDifference::of(figure, first, second)).to_vec();
        let warning = shares.iter().all(|share| share.may_be_chance).then(|| {
            format!(
                "With {} and {}, each difference in a share can be chance: too few to say that one is better",
                first.tasks,
                counted(second.tasks as usize, "task")
            )
        });
        Self { by, first: first_name.to_owned(), second: second_name.to_owned(), shares, medians, warning }
    }
}

impl ShareDifference {
    fn of(figure: &'static str, first: Share, second: Share) -> Self {
        let interval = interval(first, second);
        Self {
            figure,
            first,
            second,
            difference: first.share.zip(second.share).map(|(first, second)| rounded(second - first, 4)),
            interval: interval.map(|ends| ends.map(|end| rounded(end, 4))),
            may_be_chance: interval.is_none_or(|[low, high]| low <= 0.0 && high >= 0.0),
        }
    }
}

impl MedianDifference {
    fn of(figure: &'static str, first: Spread, second: Spread) -> Self {
        let difference = first.median.zip(second.median).map(|(first, second)| rounded(second - first, 1));
        Self { figure, first, second, difference }
    }
}

/// The interval of the difference of two shares: method 10 of Newcombe, "Interval estimation for the difference between
/// independent proportions", 1998, <https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8%3C873::AID-SIM779%3E3.0.CO;2-I>.
/// It holds for few tasks and for shares of 0 and 100 % as well.
fn interval(first: Share, second: Share) -> Option<[f64; 2]> {
    let ([low_1, p_1, high_1], [low_2, p_2, high_2]) = (wilson(first)?, wilson(second)?);
    let difference = p_2 - p_1;
    let below = (p_2 - low_2).hypot(high_1 - p_1);
    let above = (high_2 - p_2).hypot(p_1 - low_1);
    Some([difference - below, difference + above])
}

/// The interval of one share, with the share in the middle, <https://doi.org/10.1080/01621459.1927.10502953>.
fn wilson(share: Share) -> Option<[f64; 3]> {
    #[expect(clippy::cast_precision_loss, reason = "there are not as many tasks")]
    let (count, of) = (share.count as f64, share.of as f64);
    if share.of == 0 {
        return None;
    }
    let (p, z2) = (count / of, Z * Z);
    let middle = 2.0 * count + z2;
    let half = Z * (z2 + 4.0 * count * (1.0 - p)).sqrt();
    let scale = 2.0 * (of + z2);
    Some([(middle - half) / scale, p, (middle + half) / scale])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_is_that_of_the_paper() {
        // Table II of the paper: 56 of 70 and 48 of 80, and the extremes 10 of 10 and 0 of 10.
        let share = |count, of| Share { count, of, share: None };
        for (second, first, low, high) in [
            (share(56, 70), share(48, 80), 0.0524, 0.3339),
            (share(9, 10), share(3, 10), 0.1705, 0.8090),
            (share(10, 10), share(0, 10), 0.6075, 1.0),
        ] {
            let [actual_low, actual_high] = interval(first, second).unwrap();
            assert!((actual_low - low).abs() < 1e-4 && (actual_high - high).abs() < 1e-4, "{actual_low} {actual_high}");
        }
        assert_eq!(interval(share(0, 0), share(1, 1)), None);
    }
}
