//! The books of one resource: one bucket of capacity C and burst B, and how much of it is spoken for.
//!
//! `tokens` is that one bucket, and *conservation* rests on it alone. Part of it is spoken for by reserved buckets: what
//! they hold now is their depths less their deficits, and the pool is what is left of the tokens. A draw on a reserved
//! bucket takes tokens and adds to the deficit, so the pool feels nothing at first and loses refill while the deficit
//! is made good: reservations are soft, and full buckets cost nobody anything.
//!
//! The books know only the sum of the deficits, and let it shrink at the sum of *all* reserved rates. That is never
//! slower than the buckets really refill, so the pool is never thought larger than it is, and no bucket has to be watched.
//!
//! Leased tokens are out of `tokens`, and its cap is lower by them, so that unspent leases and tokens never exceed B.
//! Leases are booked under the term in which they were granted and are void two terms later: those of a dead worker are
//! forgotten with their term, and so is what was unspent of them.

use super::{
    cells::Record,
    held::Outlook,
    terms::{Birth, Terms},
};
use crate::units::{Amount, RATE_SHIFT, Rate, Timestamp};

/// Length of a term. A lease lives for the rest of its own and the next.
pub(super) const TERM_NS: u64 = 100_000_000;
/// Most of the pool's cap that may be leased at a time, as a divisor.
const LEASABLE_PART: i64 = 4;

/// The books of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pool {
    tokens: i64,
    /// 2⁻³² of the smallest amount: refill is exact however often it is counted.
    fraction: u32,
    at: Timestamp,
    /// What the reserved buckets are short of their depths, at least.
    deficit: i64,
    epoch: u64,
    step: u32,
    capacity: Rate,
    burst: i64,
    reserved_rate: Rate,
    reserved_depth: i64,
    /// Granted in the current term and in the one before.
    leased: [i64; 2],
    /// Number of the current term.
    term: u64,
}

/// What a draw asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    pub(super) cost: Amount,
    /// Unspent tokens of the asker's lease.
    pub(super) held: Amount,
    /// What the pool must keep.
    pub(super) keep: Amount,
    /// How much the asker would like to hold afterwards.
    pub(super) wish: Amount,
}

impl Pool {
    /// The books as they begin.
    pub(super) fn born(terms: &Terms, now: Timestamp) -> Self {
        let mut pool = Self {
            tokens: 0,
            fraction: 0,
            at: now,
            deficit: 0,
            epoch: 0,
            step: 0,
            capacity: Rate::ZERO,
            burst: 0,
            reserved_rate: Rate::ZERO,
            reserved_depth: 0,
            leased: [0; 2],
            term: now.nanos() / TERM_NS,
        };
        pool.adopt(terms);
        match terms.birth {
            Birth::First => pool.tokens = pool.burst,
            // Reserved buckets have nothing to give either, whatever their cells say, and unknown leases may be about,
            // granted a moment ago at the latest.
            Birth::Lost => (pool.deficit, pool.leased) = (pool.reserved_depth, [pool.leasable(), 0]),
        }
        pool
    }

    /// Reads a record; `None` when it holds no books.
    pub(super) fn read(record: &Record) -> Option<Self> {
        let [tokens, fraction_step, at, deficit, epoch, capacity, burst, rate, depth, now, before, term] =
            *record;
        let term = term.checked_sub(1)?;
        Some(Self {
            tokens: tokens as i64,
            fraction: (fraction_step >> 32) as u32,
            at: Timestamp::from_nanos(at),
            deficit: deficit as i64,
            epoch,
            step: fraction_step as u32,
            capacity: Rate(capacity),
            burst: burst as i64,
            reserved_rate: Rate(rate),
            reserved_depth: depth as i64,
            leased: [now as i64, before as i64],
            term,
        })
    }

    pub(super) fn record(&self) -> Record {
        let [now, before] = self.leased;
        [
            self.tokens as u64,
            u64::from(self.fraction) << 32 | u64::from(self.step),
            self.at.nanos(),
            self.deficit as u64,
            self.epoch,
            self.capacity.0,
            self.burst as u64,
            self.reserved_rate.0,
            self.reserved_depth as u64,
            now as u64,
            before as u64,
            self.term + 1,
        ]
    }

    /// Brings the books to `now`, and to the step of `terms` if that is newer. Time never goes back.
    pub(super) fn advance(&mut self, terms: &Terms, now: Timestamp) {
        if self.is_before(terms) {
            self.pass(terms.since.min(now));
            self.turn(terms);
        }
        self.pass(now);
    }

    /// Whether the books are of an earlier step than `terms`.
    pub(super) fn is_before(&self, terms: &Terms) -> bool {
        (self.epoch, self.step) < (terms.epoch, terms.step)
    }

    /// What becomes of it, with `held` counted in.
    pub(super) fn outlook(&self, held: Amount) -> Outlook {
        let level = self.level().0.saturating_add(held.0);
        let full_in_ns = self.reserved_rate.time_for(Amount(self.deficit)).unwrap_or(u64::MAX);
        let (capacity, reserved) = (i128::from(self.capacity.0), i128::from(self.reserved_rate.0));
        let reserved = if full_in_ns > 0 { reserved } else { 0 };
        Outlook {
            level: i128::from(level) << RATE_SHIFT | i128::from(self.fraction),
            rate: capacity - reserved,
            reserved,
            full_in_ns,
            pause_ns: 0,
        }
    }

    /// Tokens that nobody has reserved; below zero while charges are not made good.
    pub(super) const fn level(&self) -> Amount {
        Amount(self.tokens.saturating_sub(self.reserved_depth).saturating_add(self.deficit))
    }

    /// How long until the pool holds `level` if nobody draws; `None` when it never does.
    pub(super) fn time_to(&self, level: Amount) -> Option<u64> {
        let missing = level.0.saturating_sub(self.level().0);
        if missing <= 0 {
            return Some(0);
        }
        if level.0 > self.burst.saturating_sub(self.reserved_depth) {
            return None;
        }
        // While there is a deficit, its refill is not the pool's.
        let restored_ns = self.reserved_rate.time_for(Amount(self.deficit)).unwrap_or(0);
        let residual = Rate(self.capacity.0 - self.reserved_rate.0);
        let early = residual.over(restored_ns).0;
        if missing <= early {
            return residual.time_for(Amount(missing));
        }
        let late = self.capacity.time_for(Amount(missing.saturating_sub(early)))?;
        Some(restored_ns.saturating_add(late))
    }

    /// How long the pool can be left alone without losing refill to its cap.
    pub(super) fn patience_ns(&self) -> u64 {
        let cap = self.burst.saturating_sub(self.reserved_depth).max(0);
        self.capacity.time_for(Amount(cap / 16)).unwrap_or(0)
    }

    /// The current term.
    pub(super) const fn term(&self) -> u64 {
        self.term
    }

    /// Takes what a draw lacks and a lease for later; what the asker holds then, or `None` when the pool is short.
    pub(super) fn draw(&mut self, draw: &Draw, lease: (u64, Amount), workers: u32) -> Option<Amount> {
        let Draw { cost, keep, wish, .. } = *draw;
        // A worker that is late may believe in a lease that is void.
        let held = if self.has_booked(lease.0) { draw.held } else { Amount::ZERO };
        let reach = self.level().0.saturating_add(held.0).saturating_sub(cost.0);
        let spare = reach.saturating_sub(keep.0);
        if spare < 0 {
            return None;
        }
        self.close(lease);
        let left = held.0.saturating_sub(cost.0);
        // No more than this worker's part of half of what is to spare, and in whole requests.
        let part = spare / (2 * i64::from(workers.max(1)));
        let room = self.leasable().saturating_sub(self.leased_sum());
        let most = part.min(wish.0).min(room).max(0);
        let whole = if cost.0 > 0 { most - most % cost.0 } else { most };
        let holds = whole.max(left.clamp(0, room.max(0)));
        self.tokens = self.tokens.saturating_sub(holds.saturating_sub(left));
        self.clip();
        let [now, _] = &mut self.leased;
        *now = now.saturating_add(holds);
        Some(Amount(holds))
    }

    /// Ends a lease, given as its term and what was granted, and returns what is unspent of it.
    pub(super) fn give_back(&mut self, lease: (u64, Amount), unspent: Amount) {
        if self.close(lease) {
            self.tokens = self.tokens.saturating_add(unspent.0);
            self.clip();
        }
    }

    /// Takes what a reserved bucket has paid; false when all of them together have no more to give.
    pub(super) fn draw_reserved(&mut self, amount: Amount) -> bool {
        let deficit = self.deficit.saturating_add(amount.0);
        if deficit > self.reserved_depth {
            return false;
        }
        self.deficit = deficit;
        self.tokens = self.tokens.saturating_sub(amount.0);
        true
    }

    /// Takes an amount whatever is there: a cost beyond its estimate.
    pub(super) const fn charge(&mut self, amount: Amount) {
        self.tokens = self.tokens.saturating_sub(amount.0);
    }

    /// Puts back what was paid too much, of it `reserved` by a reserved bucket.
    pub(super) fn refund(&mut self, amount: Amount, reserved: Amount) {
        self.tokens = self.tokens.saturating_add(amount.0);
        self.deficit = self.deficit.saturating_sub(reserved.0).max(0);
        self.clip();
    }

    fn has_booked(&self, term: u64) -> bool {
        matches!(self.term.checked_sub(term), Some(0 | 1))
    }

    fn leased_sum(&self) -> i64 {
        let [now, before] = self.leased;
        now.saturating_add(before)
    }

    const fn leasable(&self) -> i64 {
        let cap = self.burst.saturating_sub(self.reserved_depth);
        (if cap < 0 { 0 } else { cap }) / LEASABLE_PART
    }

    /// Strikes a lease off; false when it is void already.
    fn close(&mut self, (term, granted): (u64, Amount)) -> bool {
        let [now, before] = &mut self.leased;
        let booked = match self.term.checked_sub(term) {
            Some(0) => now,
            Some(1) => before,
            _ => return false,
        };
        *booked = booked.saturating_sub(granted.0).max(0);
        true
    }

    fn adopt(&mut self, terms: &Terms) {
        self.epoch = terms.epoch;
        self.step = terms.step;
        self.capacity = terms.capacity;
        self.burst = terms.burst.0.max(0);
        self.reserved_depth = terms.reserved_depth.0.clamp(0, self.burst);
        self.reserved_rate = terms.reserved_rate.min(terms.capacity);
    }

    /// Changes the plan. Buckets keep what they hold: what is newly reserved is a deficit first, and what is no
    /// longer reserved belongs to the pool.
    fn turn(&mut self, terms: &Terms) {
        let before = self.reserved_depth;
        self.adopt(terms);
        let grown = self.reserved_depth - before;
        self.deficit = self.deficit.saturating_add(grown).clamp(0, self.reserved_depth);
        self.clip();
    }

    /// Lets time pass, term by term.
    fn pass(&mut self, now: Timestamp) {
        while self.leased != [0; 2] {
            let end = Timestamp::from_nanos((self.term + 1).saturating_mul(TERM_NS));
            if now < end {
                break;
            }
            self.refill(end);
            self.term += 1;
            let [granted, _] = self.leased;
            self.leased = [0, granted];
        }
        self.refill(now);
        self.term = self.at.nanos() / TERM_NS;
    }

    fn refill(&mut self, now: Timestamp) {
        let elapsed = u128::from(now.since(self.at));
        if elapsed == 0 {
            return self.clip();
        }
        self.at = now;
        let gained = u128::from(self.capacity.0) * elapsed + u128::from(self.fraction);
        self.fraction = gained as u32;
        let gained = i64::try_from(gained >> RATE_SHIFT).unwrap_or(i64::MAX);
        self.tokens = self.tokens.saturating_add(gained);
        // Rounded up: the pool is never thought larger than it is.
        let restored = (u128::from(self.reserved_rate.0) * elapsed).div_ceil(1 << RATE_SHIFT);
        let restored = i64::try_from(restored).unwrap_or(i64::MAX);
        self.deficit = self.deficit.saturating_sub(restored).max(0);
        self.clip();
    }

    /// Tokens above the cap are lost. Where reserved buckets lose some of theirs, that is a deficit.
    fn clip(&mut self) {
        let cap = self.burst.saturating_sub(self.leased_sum());
        if self.tokens < cap {
            return;
        }
        let lost = self.tokens - cap;
        (self.tokens, self.fraction) = (cap, 0);
        let unfunded = lost.min(self.level().0.saturating_neg());
        if unfunded > 0 {
            self.deficit = self.deficit.saturating_add(unfunded).min(self.reserved_depth);
        }
    }
}

#[cfg(test)]
mod tests;
