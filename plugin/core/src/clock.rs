//! Time that never runs backwards.
//!
//! Buckets refill by elapsed time. A wall clock may be set back: without care that would stall refill, and set
//! forward again it would mint tokens twice. A backward jump therefore adds an offset and time goes on from there.

use crate::units::Timestamp;

/// Rebases backward jumps of the caller's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    latest: Timestamp,
    offset: u64,
}

impl Clock {
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self { latest: now, offset: 0 }
    }

    /// `now` plus every backward jump so far; never less than what it returned before.
    pub(crate) fn advance(&mut self, now: Timestamp) -> Timestamp {
        let rebased = now.plus(self.offset);
        if rebased < self.latest {
            self.offset = self.offset.saturating_add(self.latest.since(rebased));
            return self.latest;
        }
        self.latest = rebased;
        rebased
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backward_jump_neither_mints_nor_stalls() {
        let mut clock = Clock::new(Timestamp::from_nanos(1_000));
        assert_eq!(clock.advance(Timestamp::from_nanos(1_500)).nanos(), 1_500);
        assert_eq!(clock.advance(Timestamp::from_nanos(200)).nanos(), 1_500, "the jump itself takes no time");
        assert_eq!(clock.advance(Timestamp::from_nanos(300)).nanos(), 1_600, "time goes on at once");
        assert_eq!(clock.advance(Timestamp::from_nanos(250)).nanos(), 1_600, "a second jump adds up");
        assert_eq!(clock.advance(Timestamp::from_nanos(350)).nanos(), 1_700);
    }
}
