//! What one worker holds of one resource: a lease to spend without asking, and what it last saw of the pool.
//!
//! A lease doubles while it lasts less than ten milliseconds and halves when it lasts longer than forty, so it grows with
//! the worker's own rate, and is nothing at low rates. What is spent of it is checked against the tier's floor as if the
//! lease were still in the pool.

use super::{
    pool::{Pool, TERM_NS},
    terms::Terms,
};
use crate::units::{Amount, Timestamp};

/// A lease that lasted less than this was too small.
const SHORT_NS: u64 = 10_000_000;
/// A lease that lasted longer than this was too large.
const LONG_NS: u64 = 40_000_000;
/// A lease that was not used for this long goes back.
const IDLE_NS: u64 = 50_000_000;
/// A worker stops spending this long before the broker forgets the lease: a worker may be held up between
/// looking at the clock and spending.
const GRACE_NS: u64 = 20_000_000;
/// How long a worker may refuse on what it has seen: others may have given tokens back.
const SIGHT_NS: u64 = 10_000_000;
/// How long a worker leaves a short pool alone.
const PAUSE_NS: u64 = 1_000_000;

/// A pool from now on, if nobody draws on it, in 2⁻⁵² tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outlook {
    pub(crate) level: i128,
    /// What a nanosecond brings, and how much more once the reserved buckets are full.
    pub(crate) rate: i128,
    pub(crate) reserved: i128,
    pub(crate) full_in_ns: u64,
    /// How long the worker leaves it alone.
    pub(crate) pause_ns: u64,
}

/// One worker's lease of one resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lease {
    /// The term in which it was granted, and how much.
    pub(super) term: u64,
    pub(super) granted: Amount,
    pub(super) unspent: Amount,
    /// How much the worker would like to hold.
    pub(super) wish: Amount,
    /// The pool when the worker last asked.
    seen: Option<Pool>,
    seen_at: Timestamp,
    /// What the pool was short of then, as cost and what must be kept; nothing if it was not.
    short_of: Option<Amount>,
    granted_at: Timestamp,
    used_at: Timestamp,
}

impl Lease {
    /// Tokens left to spend.
    #[must_use]
    pub const fn unspent(&self) -> Amount {
        self.unspent
    }

    /// The pool's level when the worker last asked, before what the lease holds; `None` before it has.
    #[must_use]
    pub fn level_seen(&self) -> Option<Amount> {
        self.seen.map(|pool| pool.level())
    }

    /// What a draw that leaves `keep` could have taken when the worker last asked.
    #[must_use]
    pub fn available(&self, keep: Amount) -> Amount {
        let level = self.level_seen().unwrap_or(Amount::ZERO);
        Amount(level.0.saturating_add(self.unspent.0).saturating_sub(keep.0).max(0))
    }

    /// Whether the lease alone pays `cost` and leaves `keep`, with the pool as it was when the worker last asked.
    pub(crate) fn covers(&self, cost: Amount, keep: Amount) -> bool {
        let reach = |pool: &Pool| pool.level().0.saturating_add(self.unspent.0).saturating_sub(cost.0);
        self.unspent >= cost && self.seen.as_ref().is_some_and(|pool| reach(pool) >= keep.0)
    }

    /// The pool by now if nobody has drawn on it since this worker asked, what the lease holds included. Just after a refusal
    /// it is what it was then. `None` when that was too long ago, or in an earlier step, to go by.
    pub(crate) fn outlook(&self, terms: &Terms, now: Timestamp) -> Option<Outlook> {
        let mut pool = self.seen.filter(|pool| !pool.is_before(terms))?;
        let age = now.since(self.seen_at);
        if age >= SIGHT_NS {
            return None;
        }
        let pause_ns = if self.short_of.is_some() { PAUSE_NS.min(pool.patience_ns()) } else { 0 };
        if age >= pause_ns {
            pool.advance(terms, now);
        }
        Some(Outlook { pause_ns: pause_ns.saturating_sub(age), ..pool.outlook(self.unspent) })
    }

    /// Whether this worker has ever seen the pool's books.
    #[must_use]
    pub const fn has_seen(&self) -> bool {
        self.seen.is_some()
    }

    /// How long until a draw of `cost` that leaves `keep` can succeed if nobody else draws; `None` when it never can.
    #[must_use]
    pub fn time_to(&self, cost: Amount, keep: Amount, now: Timestamp) -> Option<u64> {
        let level = cost.0.saturating_add(keep.0).saturating_sub(self.unspent.0);
        let later = self.seen?.time_to(Amount(level))?;
        Some(later.saturating_sub(now.since(self.seen_at)))
    }

    /// Puts back what was paid too much, as far as the lease has room; returns what is left for the broker.
    pub fn refund(&mut self, amount: Amount, now: Timestamp) -> Amount {
        self.expire(now);
        let room = self.granted.0.saturating_sub(self.unspent.0).clamp(0, amount.0.max(0));
        self.unspent.0 += room;
        Amount(amount.0 - room)
    }

    /// Whether it is time to give the lease back: it was not used for a while, or its time is nearly over.
    #[must_use]
    pub fn is_idle(&self, now: Timestamp) -> bool {
        self.granted > Amount::ZERO
            && (now.since(self.used_at) >= IDLE_NS || now.nanos().saturating_add(IDLE_NS) >= self.ends_at())
    }

    /// Spends what the lease holds, if the pool, when last seen, was high enough for it.
    pub(super) fn spend(&mut self, cost: Amount, keep: Amount, now: Timestamp) -> bool {
        self.expire(now);
        if !self.covers(cost, keep) {
            return false;
        }
        self.unspent.0 -= cost.0;
        self.used_at = now;
        true
    }

    /// Whether asking is pointless: the pool was short a moment ago, or cannot have refilled enough since it was seen.
    pub(super) fn is_hopeless(&self, cost: Amount, keep: Amount, now: Timestamp) -> bool {
        let age = now.since(self.seen_at);
        let (Some(pool), Some(short_of)) = (&self.seen, self.short_of) else { return false };
        if age >= SIGHT_NS {
            return false;
        }
        let asks_less = cost.0.saturating_add(keep.0) < short_of.0;
        let pauses = !asks_less && age < PAUSE_NS.min(pool.patience_ns());
        pauses || self.time_to(cost, keep, now).is_none_or(|nanos| nanos > 0)
    }

    /// Notes the pool as it is, and what was granted of it.
    pub(super) fn grant(&mut self, pool: &Pool, holds: Amount, now: Timestamp) {
        (self.seen, self.seen_at, self.short_of) = (Some(*pool), now, None);
        (self.term, self.granted, self.unspent) = (pool.term(), holds, holds);
        (self.granted_at, self.used_at) = (now, now);
    }

    /// Notes the pool as it is.
    pub(super) const fn look(&mut self, pool: &Pool, now: Timestamp) {
        (self.seen, self.seen_at, self.short_of) = (Some(*pool), now, None);
    }

    /// Notes the pool as it is, too short for what was asked.
    pub(super) fn refuse(&mut self, pool: &Pool, cost: Amount, keep: Amount, now: Timestamp) {
        let short_of = Amount(cost.0.saturating_add(keep.0));
        (self.seen, self.seen_at, self.short_of) = (Some(*pool), now, Some(short_of));
    }

    /// Sets how much to ask for, by how long the last lease lasted.
    pub(super) fn adapt(&mut self, cost: Amount, most: Amount, now: Timestamp) {
        let lasted = now.since(self.granted_at);
        let wish = if lasted < SHORT_NS {
            self.wish.0.saturating_mul(2).max(cost.0)
        } else if lasted > LONG_NS {
            self.wish.0 / 2
        } else {
            self.wish.0
        };
        self.wish = Amount(wish.min(most.0));
    }

    /// The lease is with the broker again.
    pub(super) fn end(&mut self) {
        (self.granted, self.unspent) = (Amount::ZERO, Amount::ZERO);
    }

    /// Forgets a lease whose time is over.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        if now.nanos().saturating_add(GRACE_NS) >= self.ends_at() {
            self.end();
        }
    }

    /// When the broker forgets it.
    const fn ends_at(&self) -> u64 {
        self.term.saturating_add(2).saturating_mul(TERM_NS)
    }
}
