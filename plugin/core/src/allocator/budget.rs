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

mod earliest;
mod held;
mod shadow;
mod shared;
mod sight;
mod steps;

use alloc::{boxed::Box, vec::Vec};

use self::shadow::Shadow;
pub(super) use self::{earliest::Keep, shared::Shared};
use super::{calendar::Calendar, decide::Draw, packed::Packed};
use crate::{
    table::MAX_TIERS,
    units::{Amount, RATE_SHIFT, Rate, Timestamp},
};

/// Index of a shadow bucket in its budget.
pub(super) type ShadowId = u32;

/// The emergency pool is a shadow bucket that nobody owns; those before it are the tiers'.
pub(super) const EMERGENCY: ShadowId = MAX_TIERS as ShadowId;
/// Shadow buckets that are always there: one per tier, and the emergency pool.
const FIXED: usize = MAX_TIERS + 1;

/// Longest refill counted at once, about 13 days: keeps products within 128 bits.
const MAX_ELAPSED: u64 = 1 << 50;

/// The budget of one resource.
#[derive(Clone, Debug)]
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
    /// A shadow bucket waits for others to shrink.
    is_short: bool,
    /// Nothing is refilled: what was taken comes back when its request ends.
    is_held: bool,
    /// Counts how often that has changed; comes round.
    era: u16,
    shadows: Vec<Shadow>,
    /// Shadow buckets that nobody owns any more.
    free: Vec<ShadowId>,
    calendar: Calendar,
    /// What the table in force reserves in each step, `stride` bytes a shadow bucket, as schedules have them.
    codes: Vec<u8>,
    stride: usize,
    /// Where the tokens are when several workers share them; what is above is what this worker knows then.
    shared: Option<Box<Shared>>,
    /// The same, while this worker has a part of its own.
    apart: Option<Box<Shared>>,
}

impl Budget {
    /// A budget without reservations, full: exactly the bucket (`capacity`, `burst`).
    pub(super) fn new(capacity: Rate, burst: Amount, now: Timestamp) -> Self {
        // Room that grows by doubling stays close to what is used when it begins with a power of two.
        let mut shadows = Vec::with_capacity(FIXED.next_power_of_two());
        shadows.resize(FIXED, Shadow::new(now));
        Self {
            capacity,
            burst,
            pool_level: i128::from(burst.0) << RATE_SHIFT,
            pool_at: now,
            pool_full_at: now,
            pool_rate: i128::from(capacity.0),
            reserved_depth: 0,
            is_short: false,
            is_held: false,
            era: 0,
            shadows,
            free: Vec::new(),
            calendar: Calendar::new(now, FIXED),
            codes: Vec::new(),
            stride: 0,
            shared: None,
            apart: None,
        }
    }

    /// Takes memory for the shadow buckets of so many keys in all; returns how many buckets that makes.
    pub(super) fn make_room(&mut self, keys: usize) -> usize {
        let more = (keys + FIXED).saturating_sub(self.shadows.len());
        self.shadows.reserve(more);
        let codes = (self.shadows.len() + more) * self.stride;
        self.codes.reserve(codes.saturating_sub(self.codes.len()));
        self.shadows.len() + more
    }

    /// A shadow bucket for a key, empty and without a reservation.
    pub(super) fn add(&mut self, now: Timestamp) -> ShadowId {
        if let Some(id) = self.free.pop() {
            return id;
        }
        self.shadows.push(Shadow::new(now));
        if self.shared.is_none() {
            self.calendar.grow(self.shadows.len());
        }
        self.shadows.len() as ShadowId - 1
    }

    /// Gives up a key's shadow bucket; its level, a debt too, goes to the pool.
    pub(super) fn remove(&mut self, id: ShadowId, now: Timestamp) {
        self.reserve(id, Rate::ZERO, Amount::ZERO, now);
        self.note_since(id, false);
        let Some(shadow) = self.shadows.get_mut(id as usize) else { return };
        if self.shared.is_some() {
            *shadow = Shadow::new(now);
            return self.free.push(id);
        }
        self.pool_level += i128::from(shadow.level) << RATE_SHIFT;
        if shadow.refilling {
            self.pool_rate += i128::from(shadow.rate.rate().0);
        }
        *shadow = Shadow::new(now);
        self.free.push(id);
        self.clip_pool();
    }

    /// Credits the pool with what at most `limit` due shadow buckets have overflowed.
    pub(super) fn drain(&mut self, now: Timestamp, limit: u32) {
        if self.shared.is_some() {
            return;
        }
        for _ in 0..limit {
            let Some(id) = self.calendar.take_due(now) else { break };
            self.settle(id, now);
            self.watch(id);
        }
        self.settle_pool(now);
    }

    /// Level of the pool as of the last [`Budget::drain`], or as it was looked at.
    pub(super) fn pool(&self) -> Amount {
        Amount(i64::try_from(self.pool_level >> RATE_SHIFT).unwrap_or(if self.pool_level < 0 {
            i64::MIN
        } else {
            i64::MAX
        }))
    }

    /// All of it.
    pub(super) const fn burst(&self) -> Amount {
        self.burst
    }

    /// Throws away what the pool holds.
    pub(super) fn drain_pool(&mut self) {
        self.pool_level = self.pool_level.min(0);
    }

    /// The pool's cap; negative while outdated reservations exceed a burst that has become smaller.
    pub(super) fn pool_cap(&self) -> Amount {
        if let Some(shared) = &self.shared {
            return shared.pool_cap();
        }
        Amount(self.burst.0.saturating_sub(self.reserved_depth))
    }

    /// Level of a shadow bucket; of a shared one that has not been looked at lately, nothing.
    pub(super) fn shadow(&self, id: ShadowId, now: Timestamp) -> Amount {
        self.shadows
            .get(id as usize)
            .filter(|shadow| self.shared.is_none() || shared::is_known(shadow, now))
            .map_or(Amount::ZERO, |shadow| Amount(shadow.raw_level(now).min(shadow.depth())))
    }

    /// Number of shadow buckets; ids are below it.
    pub(super) const fn shadow_count(&self) -> ShadowId {
        self.shadows.len() as ShadowId
    }

    /// Rate and depth of a shadow bucket.
    pub(super) fn reserved(&self, id: ShadowId) -> (Rate, Amount) {
        self.shadows
            .get(id as usize)
            .map_or((Rate::ZERO, Amount::ZERO), |shadow| (shadow.rate.rate(), shadow.depth.amount()))
    }

    /// What a shadow bucket has overflowed into the pool and nobody has had credit for, at most its depth.
    pub(super) fn credit(&self, id: ShadowId, now: Timestamp) -> Amount {
        let own = self.shadows.get(id as usize).filter(|_| self.shared.is_none());
        own.map_or(Amount::ZERO, |shadow| shadow.overflowed_by(now))
    }

    /// Takes `amount` of the credit.
    pub(super) fn spend_credit(&mut self, id: ShadowId, amount: Amount, now: Timestamp) {
        self.settle(id, now);
        if let Some(shadow) = self.shadows.get_mut(id as usize) {
            shadow.touch(now);
            shadow.overflowed = Packed::of_amount(Amount(shadow.overflowed.amount().0 - amount.0));
        }
    }

    /// Takes all of a draw from where it is quoted to come from.
    pub(super) fn debit(&mut self, draw: &Draw, now: Timestamp) {
        self.debit_pool(draw.pool);
        if draw.shadow > Amount::ZERO {
            self.debit_shadow(draw.shadow_id, draw.shadow, now);
        }
        if draw.emergency > Amount::ZERO {
            self.debit_shadow(EMERGENCY, draw.emergency, now);
        }
        if draw.credit > Amount::ZERO {
            self.spend_credit(draw.shadow_id, draw.credit, now);
        }
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
            shadow.touch(now);
            shadow.level = shadow.level.saturating_sub(amount.0);
        }
        self.start_refill(id);
    }

    /// Gives `amount` back to a shadow bucket; what does not fit overflows into the pool.
    pub(super) fn credit_shadow(&mut self, id: ShadowId, amount: Amount, now: Timestamp) {
        self.settle(id, now);
        self.settle_pool(now);
        let Some(shadow) = self.shadows.get_mut(id as usize) else { return self.credit_pool(amount) };
        let level = shadow.level.saturating_add(amount.0);
        let depth = shadow.depth();
        shadow.level = level.min(depth);
        shadow.at = now;
        let overflow = level.saturating_sub(depth);
        if overflow >= 0 {
            self.stop_refill(id);
            self.credit_pool(Amount(overflow));
        } else {
            self.watch(id);
        }
    }

    /// Changes a reservation: a deeper one is funded from the pool as far as the pool is above zero, what shrinks
    /// returns to it.
    pub(super) fn reserve(&mut self, id: ShadowId, rate: Rate, depth: Amount, now: Timestamp) {
        if self.shared.is_some() {
            return self.expect(id, rate, depth);
        }
        self.settle(id, now);
        self.settle_pool(now);
        self.stop_refill(id);
        let available = i64::try_from((self.pool_level >> RATE_SHIFT).max(0)).unwrap_or(i64::MAX);
        let Some(shadow) = self.shadows.get_mut(id as usize) else { return };
        let (rate, depth) = (Packed::of_rate(rate), Packed::of_amount(depth));
        let (before, after) = (shadow.depth(), depth.amount().0);
        self.reserved_depth = self.reserved_depth.saturating_sub(before).saturating_add(after);
        // Only what is deeper draws on the pool: a bucket that was empty, or in debt, is refilled as before.
        let moved = if after > before {
            (after - before).min(available)
        } else {
            after.saturating_sub(shadow.level).min(0)
        };
        shadow.touch(now);
        shadow.level = shadow.level.saturating_add(moved);
        shadow.at = now;
        shadow.rate = rate;
        shadow.depth = depth;
        self.pool_level -= i128::from(moved) << RATE_SHIFT;
        self.start_refill(id);
        self.watch(id);
        self.clip_pool();
    }

    /// Changes capacity and burst; tokens are neither made nor lost, except above a smaller burst. Of what is held there are
    /// as many more or fewer at once: nothing would refill them later.
    pub(super) fn resize(&mut self, capacity: Rate, burst: Amount, now: Timestamp) {
        self.settle_pool(now);
        if self.is_held {
            self.pool_level += i128::from(burst.0.saturating_sub(self.burst.0)) << RATE_SHIFT;
        }
        self.pool_rate += i128::from(capacity.0) - i128::from(self.capacity.0);
        self.capacity = capacity;
        self.burst = burst;
        self.clip_pool();
    }

    /// Brings a shadow bucket to `now`, and credits the pool with its overflow if it is full by then.
    fn settle(&mut self, id: ShadowId, now: Timestamp) {
        let Some(shadow) = self.shadows.get_mut(id as usize) else { return };
        if !shadow.refilling {
            return;
        }
        let raw = shadow.raw_level(now);
        let depth = shadow.depth();
        if raw < depth {
            // Time is only used up together with what it brought, or slow refill would be rounded away.
            if raw > shadow.level {
                shadow.level = raw;
                shadow.at = now;
            }
            return;
        }
        let (overflow, rate) = (raw.saturating_sub(depth), shadow.rate.rate());
        shadow.overflowed = Packed::of_amount(shadow.overflowed_by(now));
        shadow.level = depth;
        shadow.at = now;
        self.settle_pool(now);
        self.stop_refill(id);
        let overflow = overflow.min(rate.over(now.since(self.pool_full_at)).0);
        self.pool_level += i128::from(overflow) << RATE_SHIFT;
        self.clip_pool();
    }

    fn settle_pool(&mut self, now: Timestamp) {
        let elapsed = now.since(self.pool_at).min(MAX_ELAPSED);
        if elapsed == 0 {
            return;
        }
        self.pool_at = now;
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
        let starts = !shadow.refilling && shadow.level < shadow.depth();
        if starts {
            shadow.refilling = true;
            self.pool_rate -= i128::from(shadow.rate.rate().0);
        }
        // Whoever has been refilling is looked at in time: what was taken since only makes it later. Whoever starts may
        // have a place in the calendar from when more was missing.
        if starts || !self.calendar.contains(id) {
            self.watch(id);
        }
    }

    fn stop_refill(&mut self, id: ShadowId) {
        let Some(shadow) = self.shadows.get_mut(id as usize) else { return };
        if shadow.refilling {
            shadow.refilling = false;
            self.pool_rate += i128::from(shadow.rate.rate().0);
        }
    }

    /// Puts a refilling bucket into the calendar, or moves it to when it is full now if that is sooner.
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
