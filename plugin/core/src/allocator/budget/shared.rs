//! A budget whose tokens are in books that several workers share.
//!
//! The budget itself keeps only what is planned, and what this worker knows: the pool as its lease last saw it, and each
//! bucket's level when it was last looked at. Looking is a matter of reading, and only where what is known does not
//! answer; paying is what the books agree to. Whoever is refused by the books has seen them then, and decides again.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use super::{Budget, EMERGENCY, Shadow, ShadowId, sight::Sights};
use crate::{
    allocator::{crew::CrewCells, decide::Draw, packed::Packed},
    lease::{Ask, Broker, Course, Lease, SharedBucket, Terms},
    units::{Amount, KeyHash, RATE_SHIFT, Rate, Timestamp},
};

/// How long a bucket's level is known from having been looked at: others only take from it, and then the books refuse.
const SIGHT_NS: u64 = 10_000_000;
/// Never looked at.
const UNSEEN: Timestamp = Timestamp::from_nanos(0);
/// Not reserved.
const NEVER: Timestamp = Timestamp::from_nanos(u64::MAX);

/// What a worker has of a shared budget.
pub(in crate::allocator) struct Shared {
    broker: Broker<CrewCells>,
    /// The cell of the books.
    pool: u32,
    lease: Lease,
    terms: Terms,
    /// Number of the table in force, start of its first step, and how long a step is.
    generation: u8,
    starts_at: Timestamp,
    step_ns: u64,
    /// Since when each shadow bucket has had a reservation without a break.
    since: Vec<Timestamp>,
    /// What the pool gains more, once the reserved buckets are full.
    later: (u64, i128),
    pause_ns: u64,
    sights: Sights,
}

/// What a bucket is for: part of its name.
#[derive(Clone, Copy)]
enum Purpose {
    Reservation,
    Contract,
}

impl Shared {
    pub(in crate::allocator) fn new(broker: Broker<CrewCells>, pool: u32, terms: Terms) -> Self {
        Self {
            broker,
            pool,
            lease: Lease::default(),
            terms,
            generation: 0,
            starts_at: UNSEEN,
            step_ns: u64::MAX,
            since: Vec::new(),
            later: (0, 0),
            pause_ns: 0,
            sights: Sights::default(),
        }
    }

    pub(super) const fn pool_cap(&self) -> Amount {
        self.terms.pool_cap()
    }

    fn name(&self, purpose: Purpose, whose: u64) -> u64 {
        // Steele, Lea and Flood 2014: every bit of each part reaches every bit of the name.
        let place = u64::from(self.pool) << 1 | purpose as u64;
        let mut mixed = whose ^ (place + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).max(1)
    }
}

/// A copy holds nothing: a lease is spent once.
impl Clone for Shared {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.broker.clone(), self.pool, self.terms);
        (copy.generation, copy.starts_at, copy.step_ns) = (self.generation, self.starts_at, self.step_ns);
        copy.since.clone_from(&self.since);
        copy
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("lease", &self.lease).field("terms", &self.terms).finish()
    }
}

/// Whether a bucket has been looked at lately.
pub(super) fn is_known(shadow: &Shadow, now: Timestamp) -> bool {
    shadow.at != UNSEEN && now.since(shadow.at) < SIGHT_NS
}

impl Budget {
    /// From now on the tokens are those of the books in a crew's cells.
    pub(in crate::allocator) fn share(&mut self, shared: Shared) {
        self.shared = Some(Box::new(shared));
        for shadow in &mut self.shadows {
            (shadow.level, shadow.at, shadow.refilling) = (0, UNSEEN, true);
        }
    }

    pub(in crate::allocator) const fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// What the plan says about the books of this step.
    pub(in crate::allocator) fn set_terms(&mut self, terms: impl FnOnce(&Terms) -> Terms) {
        if let Some(shared) = &mut self.shared {
            shared.terms = terms(&shared.terms);
        }
    }

    /// Sets when the steps of a new table are.
    pub(in crate::allocator) fn set_steps(&mut self, generation: u8, starts_at: Timestamp, step_ns: u64) {
        if let Some(shared) = &mut self.shared {
            (shared.generation, shared.starts_at, shared.step_ns) = (generation, starts_at, step_ns);
        }
    }

    /// Gives the lease back if it is idle, or in any case.
    pub(in crate::allocator) fn give_back(&mut self, only_if_idle: bool, now: Timestamp) {
        if let Some(shared) = &mut self.shared
            && (!only_if_idle || shared.lease.is_idle(now))
        {
            shared.broker.give_back(shared.pool, &mut shared.lease, &shared.terms, now);
        }
    }

    /// Level of the pool for a request of `cost`, for which it would do to leave `keep`: as it is known where that answers,
    /// else as the books have it.
    pub(in crate::allocator) fn look_at_pool(
        &mut self,
        cost: Amount,
        keep: Amount,
        now: Timestamp,
    ) -> Amount {
        let Some(shared) = &mut self.shared else { return self.pool() };
        let Shared { broker, pool, lease, terms, .. } = &mut **shared;
        lease.expire(now);
        if lease.covers(cost, keep) {
            let level = lease.available(Amount::ZERO);
            (self.pool_level, shared.pause_ns) = (i128::from(level.0) << RATE_SHIFT, 0);
            return level;
        }
        let outlook = lease.outlook(terms, now).or_else(|| {
            broker.look(*pool, lease, terms, now);
            lease.outlook(terms, now)
        });
        if let Some(outlook) = outlook {
            (self.pool_level, self.pool_rate) = (outlook.level, outlook.rate);
            (shared.later, shared.pause_ns) = ((outlook.full_in_ns, outlook.reserved), outlook.pause_ns);
        } else {
            (self.pool_level, self.pool_rate) = (i128::from(lease.unspent().0) << RATE_SHIFT, 0);
            (shared.later, shared.pause_ns) = ((0, 0), 0);
        }
        self.pool()
    }

    /// Brings what is known of a shadow bucket up to date.
    pub(in crate::allocator) fn look_at_shadow(&mut self, id: ShadowId, key: KeyHash, now: Timestamp) {
        let Some(shadow) = self.shadows.get(id as usize) else { return };
        if is_known(shadow, now) || shadow.depth() == 0 {
            return;
        }
        let level = self.with_bucket(id, key, |shared, bucket| shared.broker.level(bucket, now));
        self.know(id, level.unwrap_or(Amount::ZERO), now);
    }

    /// Tells the books what was used of a contract, or given back if less than nothing; returns what is left of it.
    pub(in crate::allocator) fn tell_contract(
        &mut self,
        key: KeyHash,
        contract: (Rate, Amount),
        used: Amount,
        now: Timestamp,
    ) -> Amount {
        let Some(shared) = &mut self.shared else { return Amount::ZERO };
        let course =
            Course { reserved_since: UNSEEN, starts_at: UNSEEN, step_ns: u64::MAX, steps: &[contract] };
        let bucket = SharedBucket { name: shared.name(Purpose::Contract, key.0), course };
        let left = if used > Amount::ZERO {
            shared.broker.owe(&bucket, used, Amount(-contract.1.0), now)
        } else {
            if used < Amount::ZERO {
                shared.broker.put(&bucket, Amount(-used.0), now);
            }
            shared.broker.level(&bucket, now)
        };
        shared.sights.note(key, contract, left, now);
        left
    }

    /// What is left of a contract to be shown, without what is told to nobody yet, if the books have told it lately.
    pub(in crate::allocator) fn recall_contract(
        &mut self,
        key: KeyHash,
        contract: (Rate, Amount),
        now: Timestamp,
    ) -> Option<Amount> {
        let shared = self.shared.as_mut()?;
        shared.sights.open();
        shared.sights.left(key, contract, shared.terms.workers, now)
    }

    /// How much use of a contract a worker may keep to itself.
    pub(in crate::allocator) fn untold(&self, burst: Amount) -> Amount {
        let workers = self.shared.as_ref().map_or(1, |shared| shared.terms.workers);
        Amount(burst.0 / (4 * i64::from(workers.max(1))))
    }

    /// Pays a draw; false, having paid nothing, when others were faster. What is known is up to date then.
    pub(in crate::allocator) fn pay(
        &mut self,
        draw: &Draw,
        id: ShadowId,
        key: KeyHash,
        now: Timestamp,
    ) -> bool {
        if !self.pay_reserved(id, key, draw.shadow, now) {
            return false;
        }
        if !self.pay_reserved(EMERGENCY, key, draw.emergency, now) {
            self.give(Some(id), key, draw.shadow, now);
            return false;
        }
        let Some(shared) = &mut self.shared else { return false };
        let ask = Ask { cost: draw.pool, keep: draw.keep };
        if draw.pool <= Amount::ZERO
            || shared.broker.draw_seen(shared.pool, &mut shared.lease, ask, &shared.terms, now)
        {
            return true;
        }
        self.give(Some(id), key, draw.shadow, now);
        self.give(Some(EMERGENCY), key, draw.emergency, now);
        false
    }

    /// Returns what was paid, to a shadow bucket or to the pool.
    pub(in crate::allocator) fn give(
        &mut self,
        id: Option<ShadowId>,
        key: KeyHash,
        amount: Amount,
        now: Timestamp,
    ) {
        if amount <= Amount::ZERO {
            return;
        }
        if let Some(id) = id {
            self.with_bucket(id, key, |shared, bucket| {
                let Shared { broker, pool, lease, terms, .. } = shared;
                broker.refund(*pool, lease, amount, Some((bucket, amount)), terms, now);
            });
            self.forget(id);
        } else if let Some(shared) = &mut self.shared {
            let Shared { broker, pool, lease, terms, .. } = &mut **shared;
            broker.refund(*pool, lease, amount, None, terms, now);
        }
    }

    /// Charges what a request cost beyond its draw, or returns what it cost less: to the buckets that paid, first.
    pub(in crate::allocator) fn settle_shared(
        &mut self,
        draw: &Draw,
        id: ShadowId,
        key: KeyHash,
        actual: u64,
        now: Timestamp,
    ) {
        if let Some(shared) = &mut self.shared
            && actual > draw.cost
        {
            let charge = Amount::from_tokens(actual - draw.cost);
            return shared.broker.charge(shared.pool, &mut shared.lease, charge, &shared.terms, now);
        }
        let mut rest = Amount::from_tokens(draw.cost.saturating_sub(actual));
        for (id, paid) in [(EMERGENCY, draw.emergency), (id, draw.shadow)] {
            let part = rest.min(paid);
            self.give(Some(id), key, part, now);
            rest = Amount(rest.0 - part.0);
        }
        self.give(None, key, rest, now);
    }

    /// Notes a reservation: no tokens move, the books fill it.
    pub(super) fn expect(&mut self, id: ShadowId, rate: Rate, depth: Amount) {
        if let Some(shadow) = self.shadows.get_mut(id as usize) {
            shadow.rate = Packed::of_rate(rate);
            shadow.depth = Packed::of_amount(depth);
            (shadow.level, shadow.at, shadow.refilling) = (shadow.level.min(depth.0), UNSEEN, true);
        }
    }

    /// Notes whether a table reserves anything for a shadow bucket, and if so, since when.
    pub(super) fn note_since(&mut self, id: ShadowId, is_reserved: bool) {
        let Some(shared) = &mut self.shared else { return };
        if shared.since.len() <= id as usize {
            shared.since.resize(self.shadows.len().max(id as usize + 1), NEVER);
        }
        if let Some(since) = shared.since.get_mut(id as usize) {
            *since = if is_reserved { shared.starts_at.min(*since) } else { NEVER };
        }
    }

    /// When the reserved buckets are full, and what the pool gains more from then on.
    pub(super) fn later(&self) -> Option<(u64, i128)> {
        self.shared.as_ref().map(|shared| shared.later)
    }

    /// How long this worker leaves a short pool alone.
    pub(in crate::allocator) fn pause_ns(&self) -> u64 {
        self.shared.as_ref().map_or(0, |shared| shared.pause_ns)
    }

    fn pay_reserved(&mut self, id: ShadowId, key: KeyHash, amount: Amount, now: Timestamp) -> bool {
        if amount <= Amount::ZERO {
            return true;
        }
        let paid = self.with_bucket(id, key, |shared, bucket| {
            let Shared { broker, pool, lease, terms, .. } = shared;
            broker.draw_reserved(*pool, lease, bucket, amount, terms, now)
        });
        match paid {
            Some(Ok(())) => {
                if let Some(shadow) = self.shadows.get_mut(id as usize) {
                    shadow.level = shadow.level.saturating_sub(amount.0);
                }
                true
            }
            Some(Err(level)) => {
                self.know(id, level, now);
                false
            }
            None => false,
        }
    }

    fn know(&mut self, id: ShadowId, level: Amount, now: Timestamp) {
        if let Some(shadow) = self.shadows.get_mut(id as usize) {
            (shadow.level, shadow.at) = (level.0, now);
        }
    }

    fn forget(&mut self, id: ShadowId) {
        if let Some(shadow) = self.shadows.get_mut(id as usize) {
            shadow.at = UNSEEN;
        }
    }

    /// The bucket behind a shadow bucket, as all workers know it.
    fn with_bucket<T>(
        &mut self,
        id: ShadowId,
        key: KeyHash,
        act: impl FnOnce(&mut Shared, &SharedBucket<'_>) -> T,
    ) -> Option<T> {
        let turn = self.shadows.get(id as usize)?.turn;
        let before = turn.step.saturating_sub(1);
        // A table on its way in has not reached everybody: until then a reservation goes on as it was.
        let is_planned = turn.is_planned() && turn.generation == self.shared.as_ref()?.generation;
        let steps = if is_planned {
            [self.planned(id, before), self.planned(id, turn.step)]
        } else {
            [self.reserved(id); 2]
        };
        let shared = self.shared.as_deref_mut()?;
        let starts_at = shared.starts_at.plus(shared.step_ns.saturating_mul(u64::from(before)));
        let starts_at = if is_planned { starts_at } else { UNSEEN };
        let reserved_since = shared.since.get(id as usize).copied().filter(|since| *since != NEVER);
        // The first step has none before it.
        let steps = if before == turn.step { steps.get(1..)? } else { &steps };
        let course = Course {
            reserved_since: reserved_since.unwrap_or(UNSEEN),
            starts_at,
            step_ns: shared.step_ns,
            steps,
        };
        let whose = if id <= EMERGENCY { u64::from(id) } else { key.0 };
        let name = shared.name(Purpose::Reservation, whose);
        Some(act(shared, &SharedBucket { name, course }))
    }
}
