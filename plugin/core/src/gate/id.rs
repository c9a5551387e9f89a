//! Names of decisions: what a customer quotes from a refusal, and an operator finds in the access log.
//!
//! A name is the worker that decided and a number that it gives once. The number is scrambled, so that nobody reads from two
//! refusals how much traffic there was between them.

use core::fmt;

use crate::units::Timestamp;

/// The name of one decision: 24 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecisionId {
    worker: u32,
    number: u64,
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}{:016x}", self.worker, self.number)
    }
}

/// Gives names.
#[derive(Debug)]
pub(super) struct Ids {
    boot: u64,
    given: u64,
}

impl Ids {
    /// For a worker that nobody has told apart from others yet than by when it began.
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { boot: scrambled(now.nanos()), given: 0 }
    }

    /// From now on, names of the worker with this number.
    pub(super) const fn identify(&mut self, boot: u64) {
        self.boot = scrambled(boot);
    }

    pub(super) const fn next(&mut self) -> DecisionId {
        self.given = self.given.wrapping_add(1);
        DecisionId { worker: self.boot as u32, number: scrambled(self.boot.wrapping_add(self.given)) }
    }
}

/// A number for each number, none twice (the finalizer of SplitMix64).
const fn scrambled(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeSet, string::ToString};

    use super::*;

    #[test]
    fn no_name_is_given_twice_nor_by_two_workers() {
        let mut seen = BTreeSet::new();
        for boot in [1, 2, u64::MAX] {
            let mut ids = Ids::new(Timestamp::default());
            ids.identify(boot);
            for _ in 0..10_000 {
                let name = ids.next().to_string();
                assert!(name.len() == 24 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
                assert!(seen.insert(name));
            }
        }
    }
}
