//! A time in a policy or a mapping, with a unit.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::text::{parse_duration, spelled};
use crate::yaml::de::Spelled;

/// A time, with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "Spelled")]
#[cfg_attr(test, schemars(!try_from))]
pub struct TimeSpan(#[cfg_attr(test, schemars(with = "String"))] pub Duration);

impl TryFrom<Spelled> for TimeSpan {
    type Error = &'static str;

    /// A number is a time without a unit, which the error says.
    fn try_from(Spelled(text): Spelled) -> Result<Self, &'static str> {
        let duration = parse_duration(&text);
        duration.map(Self).ok_or("expected a duration above zero with a unit, such as 45m or 1h30m")
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&spelled(self.0))
    }
}
