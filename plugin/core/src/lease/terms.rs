//! What the plan says about a pool and about a bucket, in the numbers that broker cells work with.

use crate::units::{Amount, Rate, Timestamp};

/// One resource in the current step of the plan. All workers that have the same table have the same terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Epoch of the table; a cell follows the newest that it has been told of.
    pub epoch: u64,
    /// Step of the plan; `u32::MAX` when the plan is over.
    pub step: u32,
    /// When the step began, on the clock of the calls' `now`.
    pub since: Timestamp,
    /// Refill of pool and buckets together.
    pub capacity: Rate,
    /// Burst of pool and buckets together.
    pub burst: Amount,
    /// Sum of the rates of all reserved buckets; at most the capacity.
    pub reserved_rate: Rate,
    /// Sum of their depths; at most the burst.
    pub reserved_depth: Amount,
    /// Workers that draw on the pool: none leases more than its part of what is there.
    pub workers: u32,
    /// How the cell begins where there is none.
    pub birth: Birth,
}

impl Terms {
    /// What the pool can hold at most when every bucket is full.
    #[must_use]
    pub const fn pool_cap(&self) -> Amount {
        let cap = self.burst.0.saturating_sub(self.reserved_depth.0);
        Amount(if cap < 0 { 0 } else { cap })
    }
}

/// What a missing pool cell is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Birth {
    /// Nobody has drawn yet: it starts full, as any bucket does. For the first start only.
    First,
    /// The books were lost: whatever was in them counts as spent, and the most that can be leased as leased.
    Lost,
}

/// How a reserved bucket refills: its reservation, step by step.
#[derive(Clone, Copy, Debug)]
pub struct Course<'a> {
    /// Since when the bucket has had a reservation without a break; it was empty then.
    pub reserved_since: Timestamp,
    /// When the first of the steps begins, on the clock of the calls' `now`.
    pub starts_at: Timestamp,
    /// Length of a step; the last one goes on.
    pub step_ns: u64,
    /// Rate and depth in each step.
    pub steps: &'a [(Rate, Amount)],
}

impl Course<'_> {
    /// Rate and depth at `now`.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> (Rate, Amount) {
        let index = now.since(self.starts_at) / self.step_ns.max(1);
        let index = usize::try_from(index).unwrap_or(usize::MAX).min(self.steps.len().saturating_sub(1));
        self.steps.get(index).copied().unwrap_or((Rate::ZERO, Amount::ZERO))
    }

    /// When the step that `now` lies in ends; `None` in the last one.
    #[must_use]
    pub fn step_end(&self, now: Timestamp) -> Option<Timestamp> {
        let next = now.since(self.starts_at) / self.step_ns.max(1) + 1;
        if next >= self.steps.len() as u64 {
            return None;
        }
        Some(self.starts_at.plus(next.saturating_mul(self.step_ns)))
    }
}
