//! Files to read: plain or gzip, told apart by their first bytes; `-` is standard input.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::error::Error;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Numbers from here on are milliseconds: as seconds they would be in the year 5138.
const MILLIS_FROM: u64 = 100_000_000_000;

/// Opens a file for reading.
pub(crate) fn open(path: &Path) -> Result<Box<dyn BufRead>, Error> {
    let file = |source| Error::File { path: path.to_owned(), source };
    let raw: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(path).map_err(file)?)
    };
    let mut input = BufReader::new(raw);
    let is_gzip = input.fill_buf().map_err(file)?.starts_with(&GZIP_MAGIC);
    Ok(if is_gzip { Box::new(BufReader::new(MultiGzDecoder::new(input))) } else { Box::new(input) })
}

/// Nanoseconds since the Unix epoch: a date and time in UTC or with a zone, or seconds or milliseconds since the epoch.
pub(crate) fn instant_ns(text: &str) -> Option<u64> {
    if let Some((whole, part)) = number(text) {
        let unit: u64 = if whole < MILLIS_FROM { 1_000_000_000 } else { 1_000_000 };
        return whole.checked_mul(unit)?.checked_add((part * unit as f64) as u64);
    }
    let zoned = text.parse::<Timestamp>().ok();
    let instant = zoned.or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        TimeZone::UTC.to_timestamp(civil).ok()
    })?;
    u64::try_from(instant.as_nanosecond()).ok()
}

/// A number from 0 on, its whole part apart: as one float it would lose the microseconds.
fn number(text: &str) -> Option<(u64, f64)> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let part = if digits(part) { format!("0.{part}").parse().ok()? } else { return None };
    Some((whole.parse().ok().filter(|_| digits(whole))?, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_seconds_or_milliseconds() {
        let ns = 1_767_225_600_500_000_000;
        for text in [
            "2026-01-01T00:00:00.5",
            "2026-01-01T00:00:00.5Z",
            "2026-01-01T01:00:00.5+01:00",
            "1767225600500",
        ] {
            assert_eq!(instant_ns(text), Some(ns), "{text}");
        }
        assert_eq!(instant_ns("1767225600"), Some(1_767_225_600_000_000_000));
        assert_eq!(instant_ns("1767225600.25"), Some(1_767_225_600_250_000_000));
        assert_eq!(instant_ns("1767225600500.5"), Some(ns + 500_000));
        for text in ["soon", "-5", "", "NaN", "1e300", "1.-5", "+5"] {
            assert_eq!(instant_ns(text), None, "{text}");
        }
    }
}
