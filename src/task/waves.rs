//! Waves of a fleet: each has to succeed before the next begins.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// A share of something, to a hundredth of a per cent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u64);

/// A text that is not a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a percentage between `0%` and `100%` with at most two decimals, such as `90%` or `99.5%`")]
pub struct ShareError;

/// Hundredths of a per cent in a whole.
const WHOLE: u64 = 10_000;

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// All of it.
    pub const ALL: Self = Self(WHOLE);

    /// Whether `part` of `whole` is at least this share.
    pub fn is_reached(self, part: usize, whole: usize) -> bool {
        part as u64 * WHOLE >= self.0 * whole as u64
    }

    /// How many more than `part` of `whole` it takes to reach this share.
    pub fn missing(self, part: usize, whole: usize) -> usize {
        (part..whole).take_while(|part| !self.is_reached(*part, whole)).count()
    }

    /// Whether `part` of `whole` is at most this share.
    pub fn has_room_for(self, part: usize, whole: usize) -> bool {
        part as u64 * WHOLE <= self.0 * whole as u64
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let number = text.trim().strip_suffix('%').ok_or(ShareError)?.trim();
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 2 {
            return Err(ShareError);
        }
        let read = |text: &str| text.parse::<u64>().map_err(|_| ShareError);
        let hundredths = read(&format!("{part:0<2}"))?;
        match read(whole)? * 100 + hundredths {
            share if share <= WHOLE => Ok(Self(share)),
            _ => Err(ShareError),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "{whole}%"),
            part => write!(f, "{whole}.{}%", format!("{part:02}").trim_end_matches('0')),
        }
    }
}

/// How many repositories each wave has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waves {
    sizes: Vec<usize>,
    rest: bool,
}

/// A text that is not a list of waves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not a list of waves; write how many repositories each wave has, with `*` at the end for all others: `1, 5, *`"
)]
pub struct WavesError;

impl Waves {
    /// All in one wave.
    pub fn one() -> Self {
        Self { sizes: Vec::new(), rest: true }
    }

    /// How many waves there can be.
    pub fn count(&self) -> usize {
        self.sizes.len() + usize::from(self.rest)
    }

    /// The most repositories that a wave can have. `number` is counted from one.
    pub fn size(&self, number: usize) -> usize {
        let is_rest = self.rest && number > self.sizes.len();
        self.sizes.get(number.wrapping_sub(1)).copied().unwrap_or(if is_rest { usize::MAX } else { 0 })
    }

    /// The waves of `count` repositories; empty waves are left out.
    ///
    /// # Errors
    /// If repositories are left over, with the remedy.
    pub fn over(&self, count: usize) -> Result<Vec<Range<usize>>, String> {
        let mut waves = Vec::new();
        let mut begin = 0;
        for size in self.sizes.iter().copied().chain(self.rest.then_some(count)) {
            let end = begin + size.min(count - begin);
            if end > begin {
                waves.push(begin..end);
            }
            begin = end;
        }
        if begin < count {
            let why = format!("has room for {begin} of {count} repositories; end it with `*` for the others");
            return Err(why);
        }
        Ok(waves)
    }
}

impl FromStr for Waves {
    type Err = WavesError;

    fn from_str(text: &str) -> Result<Self, WavesError> {
        let mut waves = Self { sizes: Vec::new(), rest: false };
        for word in text.split([',', '\n']).map(str::trim).filter(|word| !word.is_empty()) {
            match (word, word.parse::<usize>()) {
                _ if waves.rest => return Err(WavesError),
                ("*", _) => waves.rest = true,
                (_, Ok(size)) if size > 0 => waves.sizes.push(size),
                _ => return Err(WavesError),
            }
        }
        if waves.rest || !waves.sizes.is_empty() { Ok(waves) } else { Err(WavesError) }
    }
}

/// How a fleet is rolled out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveRules {
    /// The waves.
    pub waves: Waves,
    /// The share of a wave that has to succeed before the next begins.
    pub success: Share,
    /// The most tasks that run at once; absent if there is no bound.
    pub most_at_once: Option<usize>,
    /// The share of repositories that may fail without the step failing.
    pub tolerate: Share,
}

impl Default for WaveRules {
    fn default() -> Self {
        Self { waves: Waves::one(), success: Share::ALL, most_at_once: None, tolerate: Share::NONE }
    }
}

/// A wave that did not succeed, so that the next did not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedWave {
    /// The number of the wave, counted from one.
    pub wave: usize,
    /// How many waves there are.
    pub waves: usize,
    /// How many repositories it has.
    pub size: usize,
    /// How many of those succeeded.
    pub succeeded: usize,
    /// The share that should have succeeded.
    pub needed: Share,
}

impl fmt::Display for StoppedWave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "in wave {} of {}, {} of {} succeeded; `wave-success` requires {}",
            self.wave, self.waves, self.succeeded, self.size, self.needed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages() {
        for (text, shown) in [
            ("100%", "100%"),
            ("0%", "0%"),
            (" 99.5 %", "99.5%"),
            ("33.33%", "33.33%"),
            ("7%", "7%"),
            ("2.05%", "2.05%"),
        ] {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), shown);
        }
        for text in ["100", "101%", "-1%", "a%", "%", "1.234%", "1.%", "100.01%"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        let ninety = "90%".parse::<Share>().unwrap();
        assert!(ninety.is_reached(9, 10) && !ninety.is_reached(8, 9) && ninety.is_reached(0, 0));
        let tenth = "10%".parse::<Share>().unwrap();
        assert!(tenth.has_room_for(1, 10) && !tenth.has_room_for(1, 9) && Share::NONE.has_room_for(0, 5));
    }

    #[test]
    fn waves_are_sizes_and_the_rest() {
        let waves = |text: &str, count| text.parse::<Waves>().unwrap().over(count);
        assert_eq!(waves("1, 5, *", 20), Ok(vec![0..1, 1..6, 6..20]));
        assert_eq!(waves("1, 5, *", 6), Ok(vec![0..1, 1..6]));
        assert_eq!(waves("1, 5, *", 3), Ok(vec![0..1, 1..3]));
        assert_eq!(waves("*", 3).map(|waves| waves.len()), Ok(1));
        assert_eq!(Waves::one().over(0), Ok(vec![]));
        assert!(waves("1, 5", 20).unwrap_err().contains("room for 6 of 20"));
        for text in ["", "0, *", "*, 1", "1, x", "-1", "* *"] {
            assert!(text.parse::<Waves>().is_err(), "{text}");
        }
    }
}
