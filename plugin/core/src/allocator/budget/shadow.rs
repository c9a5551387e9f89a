//! One shadow bucket: what it holds, how it refills, what it has overflowed.

use crate::{
    allocator::{packed::Packed, policy::Turn},
    units::{Amount, RATE_SHIFT, Timestamp},
};

/// A soft reservation: a bucket of its own whose overflow belongs to the pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shadow {
    pub(super) level: i64,
    pub(super) at: Timestamp,
    pub(super) rate: Packed,
    pub(super) depth: Packed,
    pub(super) peak_rate: Packed,
    pub(super) peak_depth: Packed,
    /// What it has overflowed up to `at`, at most its depth.
    pub(super) overflowed: Packed,
    /// The table and step that `rate` and `depth` are of.
    pub(super) turn: Turn,
    pub(super) refilling: bool,
}

impl Shadow {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self {
            level: 0,
            at: now,
            rate: Packed::ZERO,
            depth: Packed::ZERO,
            peak_rate: Packed::ZERO,
            peak_depth: Packed::ZERO,
            overflowed: Packed::ZERO,
            turn: Turn::NONE,
            refilling: false,
        }
    }

    pub(super) const fn depth(&self) -> i64 {
        self.depth.amount().0
    }

    pub(super) fn raw_level(&self, now: Timestamp) -> i64 {
        if self.refilling {
            self.level.saturating_add(self.rate.rate().over(now.since(self.at)).0)
        } else {
            self.level
        }
    }

    /// What it has overflowed by `now`, at most its depth.
    pub(super) fn overflowed_by(&self, now: Timestamp) -> Amount {
        let since = self.rate.rate().over(now.since(self.at)).0.saturating_sub(self.depth() - self.level);
        Amount(self.overflowed.amount().0.saturating_add(since.max(0)).min(self.depth()))
    }

    /// Moves a full bucket's time on.
    pub(super) fn touch(&mut self, now: Timestamp) {
        if !self.refilling {
            self.overflowed = Packed::of_amount(self.overflowed_by(now));
            self.at = now;
        }
    }

    /// Roughly when it is full; `None` when never.
    pub(super) fn full_at(&self) -> Option<Timestamp> {
        let deficit = self.depth().saturating_sub(self.level);
        if deficit <= 0 {
            return Some(self.at);
        }
        let deficit = deficit as u64;
        let shift = deficit.leading_zeros().min(RATE_SHIFT);
        let quotient = (deficit << shift).checked_div(self.rate.rate().0)?;
        let nanos = u128::from(quotient) << (RATE_SHIFT - shift);
        Some(self.at.plus(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}
