//! Times as files write them: read, and written back the same way.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// How the times of a file are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stamps {
    /// `2026-01-31T12:00:00`, taken for UTC.
    #[default]
    Civil,
    /// The same with a space in between.
    Spaced,
    /// The same with a zone or offset; written as UTC.
    Zoned,
    /// A number: of a step, or of seconds since 1970, or of milliseconds from 100000000000 on.
    Number,
}

/// From here on a number of a time is of milliseconds.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

impl Stamps {
    /// Reads a time in milliseconds since 1970, or a plain number.
    pub(crate) fn parse(text: &str, plain_numbers: bool) -> Option<(Self, i64)> {
        if let Ok(number) = text.parse::<i64>() {
            let scaled = plain_numbers || number.abs() >= MILLISECONDS_FROM;
            return Some((Self::Number, if scaled { number } else { number.checked_mul(1000)? }));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Some((Self::Zoned, time.as_millisecond()));
        }
        let civil: DateTime = text.parse().ok()?;
        let style = if text.contains(' ') { Self::Spaced } else { Self::Civil };
        Some((style, civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond()))
    }

    /// Writes a time.
    #[must_use]
    pub fn write(self, at: i64, plain_numbers: bool) -> String {
        if self == Self::Number {
            let seconds = !plain_numbers && at % 1000 == 0 && (at / 1000).abs() < MILLISECONDS_FROM;
            return if seconds { (at / 1000).to_string() } else { at.to_string() };
        }
        let Ok(time) = Timestamp::from_millisecond(at) else { return at.to_string() };
        let civil = time.to_zoned(TimeZone::UTC).datetime();
        let pattern = match (self, civil.millisecond()) {
            (Self::Spaced, 0) => "%Y-%m-%d %H:%M:%S",
            (Self::Spaced, _) => "%Y-%m-%d %H:%M:%S%.3f",
            (_, 0) => "%Y-%m-%dT%H:%M:%S",
            (_, _) => "%Y-%m-%dT%H:%M:%S%.3f",
        };
        let zone = if self == Self::Zoned { "Z" } else { "" };
        format!("{}{zone}", civil.strftime(pattern))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_they_were_read() {
        for (text, plain) in [
            ("2020-01-30T04:00:00", false),
            ("2020-01-30 04:00:00", false),
            ("2020-01-30T04:00:00Z", false),
            ("2020-01-30T04:00:00.250", false),
            ("1580356800", false),
            ("1580356800250", false),
            ("17", true),
        ] {
            let (style, at) = Stamps::parse(text, plain).unwrap();
            assert_eq!(style.write(at, plain), text);
        }
        assert_eq!(Stamps::parse("2020-01-30", false), Some((Stamps::Civil, 1_580_342_400_000)));
        assert_eq!(
            Stamps::parse("2020-01-30T06:00:00+02:00", false),
            Some((Stamps::Zoned, 1_580_356_800_000))
        );
        assert_eq!(Stamps::parse("yesterday", false), None);
    }
}
