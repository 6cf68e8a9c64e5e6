//! The conditions of `report-fail-if`: `merged < 50%`.

use std::fmt;
use std::str::FromStr;

/// A figure of a report that can have a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The share of ended tasks that completed.
    Success,
    /// The share of pull requests that were merged.
    Merged,
    /// The share of decided pull requests that were merged.
    Accepted,
    /// The share of pull requests with commits of people.
    Rework,
    /// The share of pull requests whose checks failed.
    FailedChecks,
    /// The share of merged pull requests that were reverted.
    Reverted,
    /// All AI credits.
    Credits,
    /// AI credits by merged pull request.
    CreditsPerMerged,
}

impl Measure {
    /// All of them by their names.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Success, "success"),
        (Self::Merged, "merged"),
        (Self::Accepted, "accepted"),
        (Self::Rework, "rework"),
        (Self::FailedChecks, "failed-checks"),
        (Self::Reverted, "reverted"),
        (Self::Credits, "credits"),
        (Self::CreditsPerMerged, "credits-per-merged"),
    ];

    /// Whether it is a share, and not a number of credits.
    pub fn is_share(self) -> bool {
        !matches!(self, Self::Credits | Self::CreditsPerMerged)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(measure, _)| *measure == self).map_or("", |(_, name)| name)
    }
}

/// A condition that fails the step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// The figure.
    pub measure: Measure,
    /// Whether a figure below the limit fails, or one above it.
    pub below: bool,
    /// The limit: a share between 0 and 1, or credits.
    pub limit: f64,
}

impl Threshold {
    /// Whether a figure fails.
    pub fn is_crossed(self, figure: f64) -> bool {
        if self.below { figure < self.limit } else { figure > self.limit }
    }

    /// A figure as people write it: `62.5%`, or `1200`.
    pub fn shown(self, figure: f64) -> String {
        if self.measure.is_share() { format!("{}%", (figure * 1000.0).round() / 10.0) } else { figure.to_string() }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.below { '<' } else { '>' };
        write!(f, "{} {sign} {}", self.measure.as_str(), self.shown(self.limit))
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Measure::ALL.map(|(_, name)| name).join(", ");
        let form = || format!("is not a condition; write a figure, < or >, and a limit, such as merged < 50%: {names}");
        let at = text.find(['<', '>']).ok_or_else(form)?;
        let (name, rest) = text.split_at(at);
        let (name, limit) = (name.trim(), rest[1..].trim());
        let measure = Measure::ALL.iter().find(|(_, known)| *known == name).map(|(measure, _)| *measure);
        let measure = measure.ok_or_else(form)?;
        let number = match (measure.is_share(), limit.strip_suffix('%')) {
            (true, Some(number)) => number,
            (true, None) => return Err(format!("needs a percentage, such as {name} < 50%")),
            (false, Some(_)) => return Err(format!("needs a number of credits, such as {name} > 1000")),
            (false, None) => limit,
        };
        let is_plain = number.starts_with(|c: char| c.is_ascii_digit());
        let limit = number.parse::<f64>().ok().filter(|limit| is_plain && limit.is_finite()).ok_or_else(form)?;
        if measure.is_share() && limit > 100.0 {
            return Err("has a limit above 100%".to_owned());
        }
        let limit = if measure.is_share() { limit / 100.0 } else { limit };
        Ok(Self { measure, below: rest.starts_with('<'), limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threshold_is_read_and_shown() {
        for text in ["merged < 50%", "rework > 12.5%", "credits > 1000", "credits-per-merged > 99.5"] {
            assert_eq!(text.parse::<Threshold>().unwrap().to_string(), text);
        }
        let below = "merged<50%".parse::<Threshold>().unwrap();
        assert_eq!((below.is_crossed(0.49), below.is_crossed(0.5)), (true, false));
        let above = "credits>10".parse::<Threshold>().unwrap();
        assert_eq!((above.is_crossed(10.0), above.is_crossed(10.1)), (false, true));
    }

    #[test]
    fn threshold_that_is_none_is_refused() {
        for text in [
            "",
            "merged",
            "merged < x%",
            "merged < 101%",
            "merged < 50",
            "credits > 5%",
            "mergd < 5%",
            "credits > inf",
            "credits > -1",
        ] {
            assert!(text.parse::<Threshold>().is_err(), "{text}");
        }
    }
}
