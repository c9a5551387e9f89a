//! Planning: from forecasts, tiers and capacity to the table that guarantees each customer its share, step by step.
//!
//! Runs in the forecaster for the whole fleet; pure, so anyone may run it natively. Floats are fine here: the result
//! is quantised into the table, and only the table decides.

mod budget;
mod claims;
mod depth;
mod dominant;
mod floors;
mod input;
mod reserve;
mod share;
mod want;

use alloc::vec::Vec;

use hashbrown::HashSet;

use budget::Budget;
use claims::{Claims, Listed};
pub use input::{Customer, Demand, PlanInput, ResourcePolicy, TierPolicy};
use reserve::Reserved;
pub use share::{Claim, max_min_shares};
pub use want::want;

use crate::{
    table::{self, Forecast, Grant, Reservation, Schedule, Table},
    units::KeyHash,
};

/// The quantile levels that a forecast carries, in this order.
pub const LEVELS: [f64; 5] = [0.025, 0.1, 0.5, 0.9, 0.975];

const PERMILLE: f64 = 1000.0;

/// Plans every step.
///
/// Each customer wants its forecast at the tier's risk quantile, shrunk by its uncertainty and capped by its contract; what
/// it wants of several resources it wants together. Reservable capacity goes to better priorities first, and is shared
/// within one by weighted dominant-resource fairness; a reservation is as deep as its demand jitters, at most as its
/// contract's burst. So no forecast whatever costs a better priority anything. Customers whose bucket could hardly hold
/// their largest request share one bucket per tier, since many shallow buckets would fragment the burst.
///
/// Keys come best priority first, then in the order of the input; of two with the same hash the first one stays. Customers
/// of a tier that does not exist are left out, and so are demands on a resource that does not.
///
/// The result passes [`Table::check`] when the input's times, counts, names and tiers do: whatever the numbers in
/// forecasts, contracts and budgets, in every step reservations and emergency reserve fit capacity and burst.
#[must_use]
pub fn plan(input: &PlanInput) -> Table {
    let ranks = Ranks::of(&input.tiers);
    let listed = listed(input, &ranks);
    let budget = |policy: &ResourcePolicy| Budget::new(policy, &input.spike_probability, input.steps);
    let budgets: Vec<Budget> = input.resources.iter().map(budget).collect();
    let mut claims = Claims::gather(input, &listed, &ranks, &budgets);
    claims.share(&budgets);
    let reserved = Reserved::new(&claims, &budgets, &ranks);
    let resource = |(index, (policy, budget)): (usize, (&ResourcePolicy, &Budget))| {
        let shared = reserved.shared(index, input.tiers.len());
        let all = floors::Known { input, claims: &claims, reserved: &reserved, ranks: &ranks };
        table::Resource {
            name: policy.name.clone(),
            capacity: budget.capacity,
            burst: budget.burst,
            safe_capacity: budget.safe_capacity,
            held: policy.held,
            emergency: emergency(budget.emergency()),
            emergency_key_permille: libm::round(policy.emergency_key_share.clamp(0.0, 1.0) * PERMILLE) as u16,
            floors: if policy.planned_floors { floors::floors(&all, index, budget) } else { Vec::new() },
            slack_permille: slack(claims.expected.get(index), budget.whole(input.step_ms), input.steps),
            alternatives: policy.alternatives.clone(),
            tier_reservations: shared.iter().map(|steps| Schedule::from_steps(steps)).collect(),
        }
    };
    Table {
        epoch: input.epoch,
        base_epoch: 0,
        removed: Vec::new(),
        starts_at_ms: input.starts_at_ms,
        step_ms: input.step_ms,
        steps: input.steps,
        valid_until_ms: input.valid_until_ms,
        draw_order: input.draw_order,
        tiers: input.tiers.iter().map(|policy| policy.tier.clone()).collect(),
        default_tier: input.default_tier,
        resources: input.resources.iter().zip(&budgets).enumerate().map(resource).collect(),
        keys: keys(&listed, &claims, &reserved, budgets.len()),
    }
}

/// The priorities of the tiers.
#[derive(Debug)]
struct Ranks {
    /// How many there are, at least 1.
    count: usize,
    /// The position of each tier's among them, 0 for the best.
    tiers: Vec<usize>,
}

impl Ranks {
    fn of(tiers: &[TierPolicy]) -> Self {
        let mut priorities: Vec<u8> = tiers.iter().map(|policy| policy.tier.priority).collect();
        priorities.sort_unstable();
        priorities.dedup();
        let rank =
            |policy: &TierPolicy| priorities.partition_point(|priority| *priority < policy.tier.priority);
        Self { count: priorities.len().max(1), tiers: tiers.iter().map(rank).collect() }
    }
}

/// The customers in the order of the table.
fn listed<'a>(input: &'a PlanInput, ranks: &Ranks) -> Vec<Listed<'a>> {
    let list = |customer: &'a Customer| {
        let rank = *ranks.tiers.get(usize::from(customer.tier))?;
        Some(Listed { customer, hash: KeyHash::of(customer.key.as_bytes()), rank })
    };
    let mut listed: Vec<Listed<'_>> = input.customers.iter().filter_map(list).collect();
    listed.sort_by_key(|listed| listed.rank);
    let mut seen = HashSet::with_capacity(listed.len());
    listed.retain(|listed| seen.insert(listed.hash));
    listed
}

/// What everybody gets, each grant with a reservation where there is a bucket of one's own.
fn keys(
    listed: &[Listed<'_>],
    claims: &Claims<'_>,
    reserved: &Reserved,
    resources: usize,
) -> Vec<table::Key> {
    let mut entries = 0..claims.entries.len();
    let mut steps = Vec::new();
    let mut grant = |demand: &Demand| {
        let entry = if demand.forecast.is_empty() { None } else { entries.next() };
        steps.clear();
        if let Some(entry) = entry {
            reserved.own(claims, entry, &mut steps);
        }
        let interval = entry.filter(|_| !steps.is_empty()).and_then(|entry| claims.intervals.get(entry));
        Grant {
            resource: demand.resource,
            contract: demand.contract.map(claims::limited),
            reservations: Schedule::from_steps(&steps),
            forecast: interval.copied().unwrap_or_else(Forecast::default),
        }
    };
    let key = |Listed { customer, hash, .. }: &Listed<'_>| {
        let mut grants = Vec::with_capacity(customer.demands.len());
        grants.extend(claims::demands(customer, resources).map(&mut grant));
        table::Key { hash: *hash, tier: customer.tier, grants }
    };
    listed.iter().map(key).collect()
}

/// What is set aside for emergencies; no schedule at all where that is nothing.
fn emergency(steps: &[Reservation]) -> Schedule {
    if steps.iter().all(|step| step.depth == 0) { Schedule::default() } else { Schedule::from_steps(steps) }
}

/// What is expected to be left of a resource in each step, in thousandths, as far as anything is forecast: nothing is
/// promised beyond. Empty when nothing is forecast at all.
fn slack(expected: Option<&Vec<f64>>, whole: f64, steps: u16) -> Vec<u16> {
    let left = |expected: &f64| {
        let part = if whole > 0.0 { 1.0 - expected / whole } else { 0.0 };
        (part.max(0.0) * PERMILLE) as u16
    };
    match expected {
        Some(expected) if !expected.is_empty() => {
            expected.iter().map(left).chain(core::iter::repeat(0)).take(usize::from(steps)).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
