//! The one place that reads the clock and that knows how time is written.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// The wall clock may jump; a long sleep looks again this often.
const LONGEST_NAP_MS: u64 = 500;

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Sleeps until the wall clock shows `instant_ms`.
pub(crate) async fn sleep_until(instant_ms: u64) {
    loop {
        let left_ms = instant_ms.saturating_sub(now_ms());
        if left_ms == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(left_ms.min(LONGEST_NAP_MS))).await;
    }
}

/// Milliseconds since the Unix epoch as RFC 3339 in UTC.
pub(crate) fn rfc3339(instant_ms: u64) -> String {
    let millis = i64::try_from(instant_ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX).to_string()
}

/// Reads an RFC 3339 instant, with any offset, as milliseconds since the Unix epoch.
pub(crate) fn parse_rfc3339(text: &str) -> Option<u64> {
    let instant: Timestamp = text.parse().ok()?;
    u64::try_from(instant.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_and_read_back() {
        assert_eq!(rfc3339(1_700_000_000_250), "2023-11-14T22:13:20.25Z");
        assert_eq!(parse_rfc3339("2023-11-14T23:13:20.250+01:00"), Some(1_700_000_000_250));
        assert_eq!(parse_rfc3339("yesterday"), None);
        assert!(!rfc3339(u64::MAX).is_empty());
    }
}
