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

/// A share with what it rests on: `62% (31 of 50)`.
pub(super) fn percent(share: Share) -> String {
    match share.share {
        Some(value) => format!("{}% ({} of {})", (value * 100.0).round(), share.count, share.of),
        None => UNKNOWN.to_owned(),
    }
}

/// A difference of shares in percentage points, with its sign.
pub(super) fn points(difference: f64) -> String {
    let points = (difference * 100.0).round();
    let sign = if points > 0.0 {
        "+"
    } else if points < 0.0 {
        "−"
    } else {
        ""
    };
    format!("{sign}{}", points.abs())
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
        assert_eq!([0.123, -0.05, 0.0].map(points), ["+12", "−5", "0"]);
    }
}
