//! The reference's arithmetic: one bucket of tokens, and reserved buckets that speak for a part of them. Floats, and
//! every bucket is visited each time: slow and plain, so that it can be seen to be right.

use super::{Admitted, Source};
use crate::scenario::SECOND;

/// Amounts this small are rounding.
const CRUMB: f64 = 1e-6;

/// A budget and the buckets reserved in it.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    capacity: f64,
    burst: f64,
    tokens: f64,
    at: u64,
    /// Level, rate and depth.
    reserved: Vec<(f64, f64, f64)>,
}

impl Budget {
    /// Full, with empty reserved buckets.
    pub(crate) fn new(capacity: f64, burst: f64, reserved: &[(f64, f64)]) -> Self {
        let reserved = reserved.iter().map(|(rate, depth)| (0.0, *rate, *depth)).collect();
        Self { capacity, burst, tokens: burst, at: 0, reserved }
    }

    /// Changes everything; what is in the buckets stays, as far as it fits.
    pub(crate) fn resize(&mut self, capacity: f64, burst: f64, reserved: &[(f64, f64)], now: u64) {
        self.pass(now);
        (self.capacity, self.burst) = (capacity, burst);
        self.tokens = self.tokens.min(burst);
        for (bucket, (rate, depth)) in self.reserved.iter_mut().zip(reserved) {
            *bucket = (bucket.0.min(*depth), *rate, *depth);
        }
    }

    /// Decides in the order pool, reserved bucket, both, neither. `floor` is a part of what the pool can hold.
    pub(crate) fn decide(&mut self, customer: usize, cost: f64, floor: f64, now: u64) -> Option<Admitted> {
        self.pass(now);
        let keep = floor * (self.burst - self.reserved.iter().map(|bucket| bucket.2).sum::<f64>()).max(0.0);
        let pool = self.tokens - self.reserved.iter().map(|bucket| bucket.0).sum::<f64>();
        let own = self.reserved.get(customer).map_or(0.0, |bucket| bucket.0);
        let from_reserved = if pool - cost >= keep - CRUMB {
            0.0
        } else if own >= cost - CRUMB {
            cost
        } else if own > 0.0 && pool - (cost - own) >= keep {
            own
        } else {
            return None;
        };
        self.tokens -= cost;
        if let Some(bucket) = self.reserved.get_mut(customer) {
            bucket.0 -= from_reserved;
        }
        Some((if from_reserved > 0.0 { Source::Reserved } else { Source::Pool }, from_reserved))
    }

    /// Charges, or refunds when negative; a refund goes to the reserved bucket as far as it paid.
    pub(crate) fn charge(&mut self, customer: usize, amount: f64, reserved: f64, now: u64) {
        self.pass(now);
        self.tokens = (self.tokens - amount).min(self.burst);
        if let Some(bucket) = self.reserved.get_mut(customer) {
            let part = if amount < 0.0 { amount.max(-reserved) } else { amount.min(bucket.0) };
            bucket.0 = (bucket.0 - part).min(bucket.2);
        }
    }

    fn pass(&mut self, now: u64) {
        let elapsed_s = now.saturating_sub(self.at) as f64 / SECOND as f64;
        self.at = self.at.max(now);
        self.tokens = (self.tokens + self.capacity * elapsed_s).min(self.burst);
        for (level, rate, depth) in &mut self.reserved {
            *level = (*level + *rate * elapsed_s).min(*depth);
        }
    }
}
