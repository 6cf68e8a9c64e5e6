//! Figures as people read them.

use crate::report::history::figures::{Share, Spread};

/// In place of what is not known.
pub(super) const UNKNOWN: &str = "–";

/// Seconds in their two largest units: `3d 4h`.
pub(super) fn span(seconds: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(86_400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s")];
    let mut words = Vec::new();
    let mut rest = seconds.round();
    let first = UNITS.iter().position(|(unit, _)| rest >= *unit).unwrap_or(UNITS.len() - 1);
    for (unit, name) in UNITS.iter().skip(first).take(2) {
        let count = (rest / unit).floor();
        rest -= count * unit;
        if count > 0.0 || words.is_empty() {
            words.push(format!("{count}{name}"));
        }
    }
    words.join(" ")
}

/// A number with its thousands apart, and one decimal where it has any.
pub(super) fn spelled_number(value: f64) -> String {
    let text = ((value * 10.0).round() / 10.0).to_string();
    let (whole, decimals) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut spelled = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 && digit.is_ascii_digit() && !spelled.ends_with('-') {
            spelled.push(',');
        }
        spelled.push(digit);
    }
    decimals.map_or(spelled.clone(), |decimals| format!("{spelled}.{decimals}"))
}

/// A share in whole percent. Only all is 100%, and only none is 0%.
pub(super) fn whole_percent(share: f64) -> String {
    match (share * 100.0).round() {
        percent if percent >= 100.0 && share < 1.0 => ">99%".to_owned(),
        percent if percent <= 0.0 && share > 0.0 => "<1%".to_owned(),
        percent => format!("{percent}%"),
    }
}

/// A share with what it rests on: `62% (31 of 50)`.
pub(super) fn percent(share: Share) -> String {
    match share.share {
        Some(value) => format!("{} ({} of {})", whole_percent(value), share.count, share.of),
        None => UNKNOWN.to_owned(),
    }
}

/// By how many percentage points the second share is larger, with the sign: `+12 points`. It is the difference of the
/// percentages that are shown, so that they add up.
pub(super) fn points(first: f64, second: f64) -> String {
    let points = (second * 100.0).round() - (first * 100.0).round();
    let sign = match points {
        more if more > 0.0 => "+",
        less if less < 0.0 => "−",
        _ => "",
    };
    let unit = if points.abs() == 1.0 { "point" } else { "points" };
    format!("{sign}{} {unit}", points.abs())
}

/// A number, or a dash.
pub(super) fn known(value: Option<f64>, show: fn(f64) -> String) -> String {
    value.map_or(UNKNOWN.to_owned(), show)
}

/// Median and 90th percentile: `2h / 1d 4h`.
pub(super) fn spread(spread: Spread, show: fn(f64) -> String) -> String {
    match (spread.median, spread.p90) {
        (Some(median), Some(p90)) => format!("{} / {}", show(median), show(p90)),
        _ => UNKNOWN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_people_write_them() {
        let spans = [0.0, 59.0, 60.0, 3599.6, 7260.0, 100_000.0].map(span);
        assert_eq!(spans, ["0s", "59s", "1m", "1h", "2h 1m", "1d 3h"]);
        let numbers = [0.0, 12.34, 999.0, 1000.0, 1_234_567.89, -1234.0].map(spelled_number);
        assert_eq!(numbers, ["0", "12.3", "999", "1,000", "1,234,567.9", "-1,234"]);
        let shares = [0.0, 0.001, 0.5, 0.996, 1.0].map(whole_percent);
        assert_eq!(shares, ["0%", "<1%", "50%", ">99%", "100%"]);
        let differences = [(0.3, 0.423), (0.1, 0.05), (0.5, 0.5), (0.89, 0.9)];
        let differences = differences.map(|(first, second)| points(first, second));
        assert_eq!(differences, ["+12 points", "−5 points", "0 points", "+1 point"]);
    }
}
