//! When to try again: twice as late each time, and never in step with other proxies.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(5);

/// Pauses between attempts.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    pause: Duration,
    /// A source of numbers that differ from process to process.
    hasher: RandomState,
    attempts: u64,
}

impl Backoff {
    /// Things are well: begin anew.
    pub(super) const fn reset(&mut self) {
        self.pause = Duration::ZERO;
    }

    /// The next pause: between a half and the whole of what is due.
    pub(super) fn next(&mut self) -> Duration {
        self.pause = (self.pause * 2).clamp(FIRST, LONGEST);
        self.attempts += 1;
        let half = self.pause / 2;
        let permille = self.hasher.hash_one(self.attempts) % 1_000;
        half + half * permille as u32 / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_begin_anew() {
        let mut backoff = Backoff::default();
        let mut due = FIRST;
        for _ in 0..10 {
            let pause = backoff.next();
            assert!(pause >= due / 2 && pause <= due, "{pause:?} of {due:?}");
            due = (due * 2).min(LONGEST);
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn proxies_do_not_come_back_in_step() {
        let pauses: std::collections::BTreeSet<Duration> =
            (0..50).map(|_| Backoff::default().next()).collect();
        assert!(pauses.len() > 10, "{pauses:?}");
    }
}
