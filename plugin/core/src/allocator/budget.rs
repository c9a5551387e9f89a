//! The token budget of one resource: shadow buckets and the opportunistic pool, which together are one bucket.
//!
//! The pool is the residual. Its refill is the capacity less the rates of all shadow buckets that are *refilling*, its
//! cap is the burst less all shadow depths, and both are signed, never clamped at zero. A full shadow bucket is simply
//! not refilling, so its rate flows into the pool. Levels therefore grow by exactly the capacity and never sum to more than
//! the burst, whatever the table says and in whatever order buckets are touched: that is *conservation*.
//!
//! Idle buckets are never visited: a calendar holds those that are refilling, a bounded number is drained per call, and
//! one that is found late credits the pool with what it overflowed in the meantime. That is exact if overflow from before
//! the pool was last full is left out: a full pool would have lost it.

use alloc::vec::Vec;

use super::calendar::Calendar;
use crate::units::{Amount, RATE_SHIFT, Rate, Timestamp};

/// Index of a shadow bucket in its budget.
pub(super) type ShadowId = u32;

/// Longest refill counted at once, about 13 days: keeps products within 128 bits.
const MAX_ELAPSED: u64 = 1 << 50;

/// The budget of one resource.
#[derive(Debug)]
pub(super) struct Budget {
    capacity: Rate,
    burst: Amount,
    /// 2⁻⁵² tokens: fine enough that refill is exact.
    pool_level: i128,
    pool_at: Timestamp,
    /// When the pool was last at its cap.
    pool_full_at: Timestamp,
    /// 2⁻⁵² tokens per nanosecond.
    pool_rate: i128,
    reserved_depth: i64,
    shadows: Vec<Shadow>,
    calendar: Calendar,
}

/// A soft reservation: a bucket of its own whose overflow belongs to the pool.
#[derive(Clone, Copy, Debug)]
struct Shadow {
    level: i64,
    at: Timestamp,
    rate: Rate,
    depth: i64,
    refilling: bool,
}

impl Shadow {
    fn raw_level(&self, now: Timestamp) -> i64 {
        if self.refilling {
            self.level.saturating_add(self.rate.over(now.since(self.at)).0)
        } else {
            self.level
        }
    }

    /// Roughly when it is full; `None` when never.
    fn full_at(&self) -> Option<Timestamp> {
        let deficit = self.depth.saturating_sub(self.level);
        if deficit <= 0 {
            return Some(self.at);
        }
        let deficit = deficit as u64;
        let shift = deficit.leading_zeros().min(RATE_SHIFT);
        let quotient = (deficit << shift).checked_div(self.rate.0)?;
        let nanos = u128::from(quotient) << (RATE_SHIFT - shift);
        Some(self.at.plus(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

impl Budget {
    /// A budget without reservations, full: exactly the bucket (`capacity`, `burst`).
    pub(super) fn new(capacity: Rate, burst: Amount, now: Timestamp) -> Self {
        Self {
            capacity,
            burst,
            pool_level: i128::from(burst.0) << RATE_SHIFT,
            pool_at: now,
            pool_full_at: now,
            pool_rate: i128::from(capacity.0),
            reserved_depth: 0,
            shadows: Vec::new(),
            calendar: Calendar::new(now),
        }
    }

    /// Credits the pool with what at most `limit` due shadow buckets have overflowed.
    pub(super) fn drain(&mut self, now: Timestamp, limit: u32) {
        for _ in 0..limit {
            let Some(id) = self.calendar.take_due(now) else { break };
            self.settle(id, now);
            self.watch(id);
        }
        self.settle_pool(now);
    }

    /// Level of the pool as of the last [`Budget::drain`].
    pub(super) fn pool(&self) -> Amount {
        Amount(i64::try_from(self.pool_level >> RATE_SHIFT).unwrap_or(if self.pool_level < 0 {
            i64::MIN
        } else {
            i64::MAX
        }))
    }

    /// The pool's cap; negative while outdated reservations exceed the burst.
    pub(super) const fn pool_cap(&self) -> Amount {
        Amount(self.burst.0.saturating_sub(self.reserved_depth))
    }

    /// Time until the pool reaches `level` at its present refill; `None` when it never does.
    pub(super) fn pool_time_to(&self, level: Amount) -> Option<u64> {
        if level > self.pool_cap() {
            return None;
        }
        let missing = (i128::from(level.0) << RATE_SHIFT) - self.pool_level;
        if missing <= 0 {
            return Some(0);
        }
        if self.pool_rate <= 0 {
            return None;
        }
        u64::try_from((missing as u128).div_ceil(self.pool_rate as u128)).ok()
    }

    /// Level of a shadow bucket.
    pub(super) fn shadow(&self, id: ShadowId, now: Timestamp) -> Amount {
        self.shadows
            .get(id as usize)
            .map_or(Amount::ZERO, |shadow| Amount(shadow.raw_level(now).min(shadow.depth)))
    }

    /// Time until a shadow bucket reaches `level`; `None` when it never does.
    pub(super) fn shadow_time_to(&self, id: ShadowId, level: Amount, now: Timestamp) -> Option<u64> {
        let shadow = self.shadows.get(id as usize)?;
        if level.0 > shadow.depth {
            None
        } else {
            shadow.rate.time_for(Amount(level.0.saturating_sub(shadow.raw_level(now))))
        }
    }

    /// Number of shadow buckets; ids are below it.
    pub(super) const fn shadow_count(&self) -> ShadowId {
        self.shadows.len() as ShadowId
    }

    /// Takes `amount` from the pool, into debt if need be.
    pub(super) fn debit_pool(&mut self, amount: Amount) {
        self.pool_level -= i128::from(amount.0) << RATE_SHIFT;
    }

    /// Gives `amount` back to the pool.
    pub(super) fn credit_pool(&mut self, amount: Amount) {
        self.pool_level += i128::from(amount.0) << RATE_SHIFT;
        self.clip_pool();
    }

    /// Takes `amount` from a shadow bucket.
    pub(super) fn debit_shadow(&mut self, id: ShadowId, amount: Amount, now: Timestamp) {
        self.settle(id, now);
        self.settle_pool(now);
        if let Some(shadow) = self.shadows.get_mut(id as usize) {
            shadow.level = shadow.level.saturating_sub(amount.0);
            shadow.at = now;
        }
        self.start_refill(id);
    }

    /// Gives `amount` back to a shadow bucket; what does not fit overflows into the pool.
    pub(super) fn credit_shadow(&mut self, id: ShadowId, amount: Amount, now: Timestamp) {
        self.settle(id, now);
        self.settle_pool(now);
        let Some(shadow) = self.shadows.get_mut(id as usize) else { return self.credit_pool(amount) };
        let level = shadow.level.saturating_add(amount.0);
        shadow.level = level.min(shadow.depth);
        shadow.at = now;
        let overflow = level.saturating_sub(shadow.depth);
        if overflow >= 0 {
            self.stop_refill(id);
            self.credit_pool(Amount(overflow));
        } else {
            self.watch(id);
        }
    }

    /// Closes every shadow bucket; their levels, debts too, go to the pool.
    pub(super) fn release_all(&mut self, now: Timestamp) {
        for id in 0..self.shadows.len() as ShadowId {
            self.settle(id, now);
        }
        self.settle_pool(now);
        for shadow in self.shadows.drain(..) {
            let level = if shadow.refilling { shadow.raw_level(now) } else { shadow.level };
            self.pool_level += i128::from(level) << RATE_SHIFT;
        }
        self.pool_rate = i128::from(self.capacity.0);
        self.reserved_depth = 0;
        self.calendar = Calendar::new(now);
        self.clip_pool();
    }

    /// Opens a shadow bucket that holds `carried` out of the pool, or its debt. Belongs between
    /// [`Budget::release_all`] and [`Budget::fund`] of the same instant.
    pub(super) fn open(&mut self, rate: Rate, depth: Amount, carried: Amount, now: Timestamp) -> ShadowId {
        let id = self.shadows.len() as ShadowId;
        let level = carried.0.min(depth.0);
        self.shadows.push(Shadow { level, at: now, rate, depth: depth.0, refilling: false });
        self.calendar.grow(self.shadows.len());
        self.reserved_depth = self.reserved_depth.saturating_add(depth.0);
        self.pool_level -= i128::from(level) << RATE_SHIFT;
        self.start_refill(id);
        id
    }

    /// Fills the shadow buckets from the pool, in order, as far as the pool is above zero. Debts stay where they are.
    pub(super) fn fund(&mut self) {
        for id in 0..self.shadow_count() {
            let available = self.pool().0.max(0);
            let Some(shadow) = self.shadows.get_mut(id as usize) else { continue };
            let moved =
                if shadow.level < 0 { 0 } else { shadow.depth.saturating_sub(shadow.level).min(available) };
            shadow.level += moved;
            self.pool_level -= i128::from(moved) << RATE_SHIFT;
            if shadow.level >= shadow.depth {
                self.stop_refill(id);
            }
        }
        self.clip_pool();
    }

    /// Changes a reservation: a deeper one is funded from the pool as far as the pool is above zero, what shrinks
    /// returns to it.
    pub(super) fn reserve(&mut self, id: ShadowId, rate: Rate, depth: Amount, now: Timestamp) {
        self.settle(id, now);
        self.settle_pool(now);
        self.stop_refill(id);
        let available = i64::try_from((self.pool_level >> RATE_SHIFT).max(0)).unwrap_or(i64::MAX);
        let Some(shadow) = self.shadows.get_mut(id as usize) else { return };
        self.reserved_depth = self.reserved_depth.saturating_sub(shadow.depth).saturating_add(depth.0);
        let moved = depth.0.saturating_sub(shadow.level).min(available);
        // A debt stays with its bucket and is refilled there; only a deeper bucket draws on the pool.
        let moved = if shadow.level < 0 && moved > 0 {
            depth.0.saturating_sub(shadow.depth).clamp(0, moved)
        } else {
            moved
        };
        shadow.level = shadow.level.saturating_add(moved);
        shadow.at = now;
        shadow.rate = rate;
        shadow.depth = depth.0;
        self.pool_level -= i128::from(moved) << RATE_SHIFT;
        self.start_refill(id);
        self.clip_pool();
    }

    /// Changes capacity and burst; tokens are neither made nor lost, except above a smaller burst.
    pub(super) fn resize(&mut self, capacity: Rate, burst: Amount, now: Timestamp) {
        self.settle_pool(now);
        self.pool_rate += i128::from(capacity.0) - i128::from(self.capacity.0);
        self.capacity = capacity;
        self.burst = burst;
        self.clip_pool();
    }

    /// Brings a shadow bucket to `now` if it is full by then, and credits the pool with its overflow.
    fn settle(&mut self, id: ShadowId, now: Timestamp) {
        let Some(shadow) = self.shadows.get_mut(id as usize) else { return };
        let raw = shadow.raw_level(now);
        if raw < shadow.depth {
            if shadow.refilling && raw > shadow.level {
                shadow.level = raw;
                shadow.at = now;
            }
            return;
        }
        let (overflow, rate) = (raw.saturating_sub(shadow.depth), shadow.rate);
        shadow.level = shadow.depth;
        shadow.at = now;
        self.settle_pool(now);
        self.stop_refill(id);
        let overflow = overflow.min(rate.over(now.since(self.pool_full_at)).0);
        self.pool_level += i128::from(overflow) << RATE_SHIFT;
        self.clip_pool();
    }

    fn settle_pool(&mut self, now: Timestamp) {
        let elapsed = now.since(self.pool_at).min(MAX_ELAPSED);
        self.pool_at = now.max(self.pool_at);
        self.pool_level += self.pool_rate * i128::from(elapsed);
        self.clip_pool();
    }

    fn clip_pool(&mut self) {
        let cap = i128::from(self.pool_cap().0) << RATE_SHIFT;
        if self.pool_level >= cap {
            self.pool_level = cap;
            self.pool_full_at = self.pool_at;
        }
    }

    /// A bucket below its depth claims its rate from the pool. The pool must be settled to the bucket's time.
    fn start_refill(&mut self, id: ShadowId) {
        let Some(shadow) = self.shadows.get_mut(id as usize) else { return };
        if !shadow.refilling && shadow.level < shadow.depth {
            shadow.refilling = true;
            self.pool_rate -= i128::from(shadow.rate.0);
        }
        self.watch(id);
    }

    fn stop_refill(&mut self, id: ShadowId) {
        let Some(shadow) = self.shadows.get_mut(id as usize) else { return };
        if shadow.refilling {
            shadow.refilling = false;
            self.pool_rate += i128::from(shadow.rate.0);
        }
    }

    fn watch(&mut self, id: ShadowId) {
        let Some(shadow) = self.shadows.get(id as usize) else { return };
        if shadow.refilling
            && let Some(deadline) = shadow.full_at()
        {
            self.calendar.schedule(id, deadline);
        }
    }
}

#[cfg(test)]
mod tests;
