//! Time that never runs backwards.
//!
//! Buckets refill by elapsed time. A wall clock may be set back: without care that would stall refill, and set
//! forward again it would mint tokens twice. A backward jump is therefore no time at all, and time goes on from there.

use crate::units::Timestamp;

/// Longest time that may pass between two readings, about 417 days. A clock that once says the end of time costs no
/// more than that, and time goes on afterwards.
const LONGEST_NS: u64 = 1 << 55;

/// Rebases backward jumps of the caller's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// What the caller's clock last said.
    wall: Timestamp,
    now: Timestamp,
}

impl Clock {
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self { wall: now, now }
    }

    /// The time with every backward jump left out; never less than what it returned before.
    pub(crate) fn advance(&mut self, wall: Timestamp) -> Timestamp {
        self.now = self.now.plus(wall.since(self.wall).min(LONGEST_NS));
        self.wall = wall;
        self.now
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

    #[test]
    fn a_reading_of_the_end_of_time_stalls_nothing() {
        let mut clock = Clock::new(Timestamp::from_nanos(1_000));
        for _ in 0..100 {
            let late = clock.advance(Timestamp::from_nanos(u64::MAX));
            assert_eq!(clock.advance(Timestamp::from_nanos(2_000)), late);
            assert_eq!(clock.advance(Timestamp::from_nanos(2_500)).nanos(), late.nanos() + 500);
        }
    }
}
