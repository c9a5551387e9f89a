//! When tokens will be there if nobody else asks: what a refusal answers with and a wait goes by.
//!
//! A shadow bucket alone is a straight line. The pool is not: each shadow bucket that fills up on the way adds its rate from then on, and
//! what it overflowed until the calendar's next millisecond comes at once. The first few that fill are walked
//! through; with more of them on the way the answer is a time at which the tokens are certainly there.

use super::{Budget, ShadowId};
use crate::{
    allocator::decide::DRAIN_PER_REQUEST,
    units::{Amount, RATE_SHIFT, Timestamp},
};

/// Shadow buckets walked through on their way to being full: no more than the request that comes again will notice.
const MOST_FILLS: usize = DRAIN_PER_REQUEST as usize;
/// Improvements of one estimate; each gets nearer from below, most need two.
const MOST_ROUNDS: usize = 64;

/// Tokens wanted from the pool, perhaps together with a shadow bucket.
#[derive(Clone, Copy)]
struct Wanted {
    /// A shadow bucket that pays as much as it has of the cost, and must have something.
    shadow: Option<ShadowId>,
    cost: i64,
    /// What the pool must hold before, with what the shadow bucket pays counted in.
    level: i64,
    /// A part of that which others take before, as it comes: it need not be there at the same time.
    ahead: i64,
}

/// What a request leaves in the pool.
#[derive(Clone, Copy)]
pub(in crate::allocator) struct Keep {
    /// Its floor.
    pub(in crate::allocator) floor: Amount,
    /// What those who wait before it want.
    pub(in crate::allocator) ahead: Amount,
}

impl Keep {
    fn wanted(self, shadow: Option<ShadowId>, cost: Amount) -> Wanted {
        let (ahead, kept) = (self.ahead.0, self.floor.0.saturating_add(self.ahead.0));
        Wanted { shadow, cost: cost.0, level: kept.saturating_add(cost.0), ahead }
    }
}

/// From when on the pool holds `level` and grows at `rate`, in 2⁻⁵² tokens.
#[derive(Clone, Copy)]
struct Segment {
    from: Timestamp,
    level: i128,
    rate: i128,
}

/// A shadow bucket that is noticed to be full.
#[derive(Clone, Copy)]
struct Fill {
    noticed_at: Timestamp,
    overflow: i128,
    rate: i128,
}

impl Budget {
    /// Time until a shadow bucket alone holds `cost`; `None` when it never does.
    pub(in crate::allocator) fn shadow_time_to(
        &self,
        id: ShadowId,
        cost: Amount,
        now: Timestamp,
    ) -> Option<u64> {
        let shadow = self.shadows.get(id as usize)?;
        if cost.0 > shadow.depth() {
            return None;
        }
        // Counted from when it was last touched: rounding now and later must not add up.
        let due = shadow.rate.rate().time_for(Amount(cost.0.saturating_sub(shadow.level)))?;
        Some(shadow.at.plus(due).since(now))
    }

    /// Time until the pool has `cost` above `keep` once those who wait have taken what is theirs; `None` when it never does.
    pub(in crate::allocator) fn pool_time_to(&self, cost: Amount, keep: Keep, now: Timestamp) -> Option<u64> {
        self.walk(keep.wanted(None, cost), now)
    }

    /// Time until a shadow bucket has a part of `cost` and the pool the rest above `keep`, likewise; `None` when never.
    pub(in crate::allocator) fn joint_time_to(
        &self,
        id: ShadowId,
        cost: Amount,
        keep: Keep,
        now: Timestamp,
    ) -> Option<u64> {
        self.walk(keep.wanted(Some(id), cost), now)
    }

    fn walk(&self, wanted: Wanted, now: Timestamp) -> Option<u64> {
        if !self.can_ever(wanted) {
            return None;
        }
        let mut segment = Segment { from: now, level: self.pool_level, rate: self.pool_rate };
        let certain = self.solve(wanted, segment, None);
        // Nothing that fills after that can make it sooner.
        let until = certain.unwrap_or(Timestamp::from_nanos(u64::MAX));
        let mut fills = [None; MOST_FILLS];
        let due = self.calendar.due_by(until, MOST_FILLS).filter_map(|id| self.fill(id, now));
        fills.iter_mut().zip(due).for_each(|(slot, fill)| *slot = Some(fill));
        if let (Some((nanos, rate)), Some(slot)) = (self.later(), fills.first_mut()) {
            *slot = Some(Fill { noticed_at: now.plus(nanos), overflow: 0, rate });
        }
        fills.sort_unstable_by_key(|fill: &Option<Fill>| {
            fill.map_or(u64::MAX, |fill| fill.noticed_at.nanos())
        });
        for fill in fills.into_iter().flatten() {
            if let Some(found) = self.solve(wanted, segment, Some(fill.noticed_at)) {
                return Some(found.since(now));
            }
            let elapsed = i128::from(fill.noticed_at.since(segment.from));
            let level = (segment.level + segment.rate * elapsed + fill.overflow).min(self.cap(wanted));
            segment = Segment { from: fill.noticed_at, level, rate: segment.rate + fill.rate };
        }
        self.solve(wanted, segment, None).map(|found| found.since(now))
    }

    /// Whether full buckets would do.
    fn can_ever(&self, wanted: Wanted) -> bool {
        let most = wanted.shadow.map(|id| self.reserved(id).1.0.min(wanted.cost));
        most != Some(0) && self.most(wanted).saturating_add(most.unwrap_or(0)) >= wanted.level
    }

    /// What the pool holds at most, with what others take from it on the way counted in: while they wait it is never full.
    fn most(&self, wanted: Wanted) -> i64 {
        self.pool_cap().0.saturating_add(wanted.ahead)
    }

    fn cap(&self, wanted: Wanted) -> i128 {
        i128::from(self.most(wanted)) << RATE_SHIFT
    }

    /// When a refilling bucket is noticed to be full, and what it brings the pool then.
    fn fill(&self, id: ShadowId, now: Timestamp) -> Option<Fill> {
        let shadow = self.shadows.get(id as usize).filter(|shadow| shadow.refilling)?;
        let noticed_at = self.calendar.noticed_at(shadow.full_at()?).max(now);
        let rate = shadow.rate.rate();
        // Overflow from before the pool was last full is lost.
        let most = rate.over(noticed_at.since(self.pool_full_at)).0;
        // One unit less: that much may be lost to rounding, depending on when it is noticed.
        let overflow = shadow.raw_level(noticed_at).saturating_sub(shadow.depth()).min(most) - 1;
        Some(Fill { noticed_at, overflow: i128::from(overflow) << RATE_SHIFT, rate: i128::from(rate.0) })
    }

    /// The first instant of `segment` before `until` at which what is wanted is there.
    fn solve(&self, wanted: Wanted, segment: Segment, until: Option<Timestamp>) -> Option<Timestamp> {
        let (mut at, cap) = (segment.from, self.cap(wanted));
        if let Some(until) = until
            && !self.is_reached_by(wanted, segment, until)
        {
            return None;
        }
        for _ in 0..MOST_ROUNDS {
            if until.is_some_and(|until| at >= until) {
                return None;
            }
            let raw = segment.level + segment.rate * i128::from(at.since(segment.from));
            let pool = Growing { level: raw.min(cap), rate: if raw < cap { segment.rate.max(0) } else { 0 } };
            let paid = self.paid_by_shadow(wanted, at);
            let whole = (pool.level >> RATE_SHIFT) + (paid.level >> RATE_SHIFT);
            let needs_shadow = wanted.shadow.is_some() && paid.level >> RATE_SHIFT <= 0;
            if whole >= i128::from(wanted.level) && !needs_shadow {
                return Some(at);
            }
            // Never faster than this, so no estimate jumps over the first instant.
            let missing = (i128::from(wanted.level) << RATE_SHIFT) - pool.level - paid.level;
            let nanos = if missing > 0 {
                Growing { level: -missing, rate: pool.rate + paid.rate }.time_to(0)
            } else {
                // All but for rounding down: wait for the next unit of either.
                [pool, paid].into_iter().filter_map(Growing::time_to_next_unit).min()
            };
            at = at.plus(nanos.filter(|nanos| *nanos < u64::MAX / 2)?);
        }
        until.is_none().then_some(at)
    }

    /// Whether what is wanted may be there by `until`: nothing but the pool shrinks on the way, and then it was more before.
    fn is_reached_by(&self, wanted: Wanted, segment: Segment, until: Timestamp) -> bool {
        let gained = segment.rate.max(0).saturating_mul(i128::from(until.since(segment.from)));
        let pool = segment.level.saturating_add(gained).min(self.cap(wanted));
        let paid = self.paid_by_shadow(wanted, until).level;
        pool.saturating_add(paid) >= i128::from(wanted.level) << RATE_SHIFT
    }

    /// What the shadow bucket pays at `at`.
    fn paid_by_shadow(&self, wanted: Wanted, at: Timestamp) -> Growing {
        let nothing = Growing { level: 0, rate: 0 };
        let Some(shadow) = wanted.shadow.and_then(|id| self.shadows.get(id as usize)) else { return nothing };
        let rate = if shadow.refilling { i128::from(shadow.rate.rate().0) } else { 0 };
        let level = (i128::from(shadow.level) << RATE_SHIFT) + rate * i128::from(at.since(shadow.at));
        let most = i128::from(wanted.cost.min(shadow.depth())) << RATE_SHIFT;
        Growing { level: level.clamp(0, most.max(0)), rate: if level < most { rate } else { 0 } }
    }
}

/// Tokens in 2⁻⁵² at one instant, and how many a nanosecond brings.
#[derive(Clone, Copy)]
struct Growing {
    level: i128,
    rate: i128,
}

impl Growing {
    /// Nanoseconds until `level`, at least one; `None` when it does not grow.
    fn time_to(self, level: i128) -> Option<u64> {
        let missing = u128::try_from(level - self.level).unwrap_or(0);
        let rate = u128::try_from(self.rate).ok().filter(|rate| *rate > 0)?;
        let nanos = match (u64::try_from(missing), u64::try_from(rate)) {
            // Nearly always: dividing 128 bits costs several times as much.
            (Ok(missing), Ok(rate)) => missing.div_ceil(rate),
            _ => u64::try_from(missing.div_ceil(rate)).unwrap_or(u64::MAX),
        };
        Some(nanos.max(1))
    }

    /// Nanoseconds until it is a 2⁻²⁰ token more, rounded down.
    fn time_to_next_unit(self) -> Option<u64> {
        self.time_to(((self.level >> RATE_SHIFT) + 1) << RATE_SHIFT)
    }
}
