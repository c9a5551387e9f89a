//! How long a step is.

use std::str::FromStr;

use crate::error::Error;

/// The length of a step: of time, or of numbers when steps are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freq {
    /// So many milliseconds.
    Time(i64),
    /// So much of a number.
    Number(i64),
}

impl Freq {
    /// Its length in milliseconds, or in numbers.
    #[must_use]
    pub const fn length(self) -> i64 {
        match self {
            Self::Time(length) | Self::Number(length) => length,
        }
    }

    /// Seasons that people's days and weeks have: those of a day and a week, or of an hour when a step is seconds, as
    /// far as they have at least three steps.
    #[must_use]
    pub fn usual_seasons(self) -> Vec<usize> {
        let Self::Time(step_ms) = self else { return Vec::new() };
        let whole = |span_ms: i64| (span_ms % step_ms == 0).then_some(span_ms / step_ms);
        let spans = [86_400_000, 604_800_000].into_iter().filter_map(whole);
        spans.filter(|&steps| steps >= 3).filter_map(|steps| usize::try_from(steps).ok()).collect()
    }
}

impl FromStr for Freq {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Freq(text.to_owned());
        let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (count, unit) = text.split_at(digits);
        let count: i64 = if count.is_empty() { 1 } else { count.parse().map_err(|_| wrong())? };
        let unit_ms = match unit {
            "" if digits > 0 => return if count > 0 { Ok(Self::Number(count)) } else { Err(wrong()) },
            "ms" | "L" => 1,
            "s" | "S" | "sec" => 1_000,
            "min" | "m" | "T" => 60_000,
            "h" | "H" => 3_600_000,
            "d" | "D" => 86_400_000,
            "w" | "W" => 604_800_000,
            _ => return Err(wrong()),
        };
        match count.checked_mul(unit_ms) {
            Some(length) if length > 0 => Ok(Self::Time(length)),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_are_numbers_and_units() {
        let length = |text: &str| text.parse::<Freq>().ok();
        assert_eq!(length("10min"), Some(Freq::Time(600_000)));
        assert_eq!(length("h"), Some(Freq::Time(3_600_000)));
        assert_eq!(length("1"), Some(Freq::Number(1)));
        for wrong in ["", "0s", "-1h", "1 month", "1.5h", "99999999999999999999s"] {
            assert_eq!(length(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn days_and_weeks_are_usual_seasons() {
        assert_eq!(Freq::Time(3_600_000).usual_seasons(), [24, 168]);
        assert_eq!(Freq::Time(86_400_000).usual_seasons(), [7]);
        assert!(Freq::Time(7_000_000).usual_seasons().is_empty());
    }
}
