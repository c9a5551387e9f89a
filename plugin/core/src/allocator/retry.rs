//! The earliest time at which a refused request would be admitted if nobody else asked; while others wait with the same or
//! a better priority, when they are through if the pool pays for them.
//!
//! Exact within the current step while few reservations are filling up (see `budget/earliest`), to the millisecond or two
//! in which it is noticed that one is full; else a time at which it certainly is. Never too early. Burst credit, whose
//! growth nobody should wait for, is left out.

use super::{
    budget::{Budget, EMERGENCY, Keep, ShadowId},
    keys::Slot,
};
use crate::units::{Amount, Rate, Timestamp};

/// What a request needs of one resource.
pub(super) struct Needs {
    pub(super) shadow: ShadowId,
    pub(super) cost: Amount,
    /// What it leaves in the pool, what the highest floor leaves, and what those want who wait before it.
    pub(super) floor: Amount,
    pub(super) highest: Amount,
    pub(super) ahead: Amount,
    pub(super) contract: Option<(Rate, Amount)>,
    /// What the contract leaves, where the crew has to be asked.
    pub(super) left: Option<Amount>,
    pub(super) borrows: bool,
    /// The emergency pool may pay all of it in this step, once it has filled up.
    pub(super) has_emergency: bool,
}

/// Nanoseconds until the first of the ways to be admitted opens; `None` when none ever does.
pub(super) fn earliest(budget: &Budget, slot: &Slot, needs: &Needs, now: Timestamp) -> Option<u64> {
    let Needs { shadow, cost, floor, highest, ahead, contract, left, borrows, has_emergency } = *needs;
    let keep = |floor: Amount| Keep { floor, ahead };
    let both = |first: Option<u64>, second: Option<u64>| Some(first?.max(second?));
    let contract_to = |amount: Amount| match (contract, left) {
        (None, _) => Some(0),
        (Some((_, burst)), Some(_)) if amount > burst => None,
        (Some((rate, _)), Some(left)) => rate.time_for(Amount(amount.0.saturating_sub(left.0))),
        (Some(contract), None) => slot.standard.time_to(amount, contract, now),
    };
    let held = budget.shadow(shadow, now).0.clamp(0, cost.0);
    let covered = budget.shadow_time_to(shadow, cost, now);
    let joint =
        both(budget.joint_time_to(shadow, cost, keep(floor), now), contract_to(Amount(cost.0 - held)));
    let pool = both(budget.pool_time_to(cost, keep(floor), now), contract_to(cost));
    // Without a contract that is no sooner than the pool.
    let borrowed =
        if borrows && contract.is_some() { budget.pool_time_to(cost, keep(highest), now) } else { None };
    let emergency = if has_emergency {
        budget.shadow_time_to(EMERGENCY, cost, now).filter(|nanos| *nanos > 0)
    } else {
        None
    };
    // Never at once: what is due may wait to be noticed until the next request.
    [covered, joint, pool, borrowed, emergency]
        .into_iter()
        .flatten()
        .min()
        .map(|nanos| nanos.max(budget.pause_ns()).max(1))
}
