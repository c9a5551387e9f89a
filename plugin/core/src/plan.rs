//! Planning: from forecasts, tiers and capacity to the table that guarantees each customer its share, step by step.
//!
//! Runs in the forecaster for the whole fleet; pure, so anyone may run it natively. Floats are fine here: the result
//! is quantised into the table, and only the table decides.

mod depth;
mod share;
mod want;

use alloc::{string::String, vec::Vec};

use depth::Load;
pub use share::{Claim, max_min_shares};
pub use want::want;

use crate::{
    table::{self, Contract, DrawOrder, Forecast, Grant, Reservation, Schedule, Table},
    units::{KeyHash, MicroRate},
};

/// The quantile levels that a forecast carries, in this order.
pub const LEVELS: [f64; 5] = [0.025, 0.1, 0.5, 0.9, 0.975];

/// A bucket of one's own must hold this many of the customer's largest requests at its deepest.
const OWN_BUCKET_REQUESTS: f64 = 2.0;

/// Everything that a plan is made from.
#[derive(Clone, Debug)]
pub struct PlanInput {
    /// Epoch of the table to make.
    pub epoch: u64,
    /// Start of the first step, ms since the Unix epoch.
    pub starts_at_ms: u64,
    /// Step length in milliseconds.
    pub step_ms: u32,
    /// Number of steps to plan.
    pub steps: u16,
    /// When the table goes stale, ms since the Unix epoch.
    pub valid_until_ms: u64,
    /// See [`DrawOrder`].
    pub draw_order: DrawOrder,
    /// The tiers.
    pub tiers: Vec<TierPolicy>,
    /// Index of the tier of unknown keys.
    pub default_tier: u8,
    /// The resources.
    pub resources: Vec<ResourcePolicy>,
    /// The customers with a forecast or a contract.
    pub customers: Vec<Customer>,
}

/// A tier as the planner sees it.
#[derive(Clone, Debug)]
pub struct TierPolicy {
    /// The part that travels in the table.
    pub tier: table::Tier,
    /// Share by weight when capacity is short.
    pub weight: f64,
    /// The quantile of the forecast that this tier's reservations aim at, in (0, 1).
    pub risk_quantile: f64,
    /// How much an 80 % interval as wide as the median shrinks a reservation: to 1 / (1 + this); 0 or more.
    pub uncertainty_aversion: f64,
}

/// A resource as the planner sees it.
#[derive(Clone, Debug, Default)]
pub struct ResourcePolicy {
    /// Name.
    pub name: String,
    /// Capacity in tokens per second.
    pub capacity_per_s: f64,
    /// Burst in tokens.
    pub burst: u64,
    /// Capacity in tokens per second once the table is stale.
    pub safe_capacity_per_s: f64,
    /// At most this part of capacity and burst, in [0, 1], is reserved; the rest always feeds the pool.
    pub reservable_share: f64,
    /// This part of capacity and burst, in [0, 1], is set aside for emergencies; the rest may be reserved.
    pub emergency_share: f64,
    /// The most that one key may draw of the emergency pool in a step, as a part of its depth.
    pub emergency_key_share: f64,
    /// Tokens are held until a request settles: concurrency, memory. `burst` is all there is of it then.
    pub held: bool,
    /// Indices of the resources that could serve the same requests.
    pub alternatives: Vec<u8>,
}

/// One customer as the planner sees it.
#[derive(Clone, Debug)]
pub struct Customer {
    /// The throttling key.
    pub key: String,
    /// Index of its tier.
    pub tier: u8,
    /// What is known of it, per resource.
    pub demands: Vec<Demand>,
}

/// One customer's expected demand on one resource.
#[derive(Clone, Debug)]
pub struct Demand {
    /// Index of the resource.
    pub resource: u8,
    /// Its own contract; the tier's when absent.
    pub contract: Option<Contract>,
    /// Tokens per step at each of [`LEVELS`], one row per step; empty when there is no forecast yet.
    pub forecast: Vec<[f64; LEVELS.len()]>,
    /// Largest single cost seen, in tokens; at least 1.
    pub largest_cost: u64,
}

/// Plans every step.
///
/// Per resource and step: each customer wants its forecast at the tier's risk quantile, shrunk by its uncertainty and
/// capped by its contract; reservable capacity goes to better priorities first, and is shared within one by weighted
/// max-min fairness; a reservation is as
/// deep as its demand jitters. Customers whose bucket could hardly hold their largest request share one bucket per
/// tier, since many shallow buckets would fragment the burst.
///
/// The result passes [`Table::check`] when the input's indices and limits are in range: in every step reservations
/// fit capacity and burst.
#[must_use]
pub fn plan(input: &PlanInput) -> Table {
    let steps = usize::from(input.steps);
    let mut keys: Vec<table::Key> = input
        .customers
        .iter()
        .map(|customer| table::Key {
            hash: KeyHash::of(customer.key.as_bytes()),
            tier: customer.tier,
            grants: Vec::with_capacity(customer.demands.len()),
        })
        .collect();
    let mut resources = Vec::with_capacity(input.resources.len());
    for (index, policy) in (0_u8..).zip(&input.resources) {
        let mut demands = Vec::new();
        for (customer, key) in input.customers.iter().zip(&mut keys) {
            let Some(tier) = input.tiers.get(usize::from(customer.tier)) else { continue };
            if let Some(demand) = customer.demands.iter().find(|demand| demand.resource == index) {
                demands.push(Claimant { key, demand, tier, tier_index: customer.tier });
            }
        }
        let tier_reservations = reserve(policy, input, &mut demands);
        debug_assert!(tier_reservations.iter().all(|row| row.len() == steps));
        resources.push(table::Resource {
            name: policy.name.clone(),
            capacity: MicroRate::from_per_s(policy.capacity_per_s),
            burst: policy.burst,
            safe_capacity: MicroRate::from_per_s(policy.safe_capacity_per_s),
            held: policy.held,
            emergency: emergency(policy, input.steps),
            emergency_key_permille: (policy.emergency_key_share.clamp(0.0, 1.0) * 1000.0) as u16,
            floors: Vec::new(),
            slack_permille: Vec::new(),
            alternatives: policy.alternatives.clone(),
            tier_reservations: tier_reservations.iter().map(|steps| Schedule::from_steps(steps)).collect(),
        });
    }
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
        resources,
        keys,
    }
}

/// A customer's demand on the resource being planned, and where its grant goes.
struct Claimant<'a> {
    key: &'a mut table::Key,
    demand: &'a Demand,
    tier: &'a TierPolicy,
    tier_index: u8,
}

/// Plans one resource: writes the grants of those with a bucket of their own, returns what tiers share.
fn reserve(
    policy: &ResourcePolicy,
    input: &PlanInput,
    claimants: &mut [Claimant<'_>],
) -> Vec<Vec<Reservation>> {
    let steps = usize::from(input.steps);
    let step_s = f64::from(input.step_ms) / 1e3;
    // The margin keeps rounding from ever exceeding the whole.
    let unreserved = 1.0 - policy.emergency_share.clamp(0.0, 1.0);
    let share = policy.reservable_share.clamp(0.0, unreserved) * (1.0 - 1e-9);
    let budget = policy.burst as f64 * share;
    // By step, then by claimant.
    let loads: Vec<Vec<Load>> = (0..steps)
        .map(|step| {
            let claim = |claimant: &Claimant<'_>| Claim {
                priority: claimant.tier.tier.priority,
                weight: claimant.tier.weight,
                ceiling: want_per_s(claimant, step, step_s),
            };
            let rates = max_min_shares(policy.capacity_per_s * share, claimants.iter().map(claim).collect());
            let load =
                |(claimant, rate): (&Claimant<'_>, &f64)| Load::new(*rate, claimant.demand.largest_cost);
            claimants.iter().zip(&rates).map(load).collect()
        })
        .collect();
    let owns = owners(&loads, claimants, budget);

    let mut shared: Vec<Vec<Reservation>> = alloc::vec![Vec::with_capacity(steps); input.tiers.len()];
    let mut own: Vec<Vec<Reservation>> = claimants.iter().map(|_| Vec::new()).collect();
    for row in &loads {
        let mut tiers = alloc::vec![Load::default(); input.tiers.len()];
        for ((load, claimant), _) in row.iter().zip(&*claimants).zip(&owns).filter(|(_, owns)| !**owns) {
            if let Some(tier) = tiers.get_mut(usize::from(claimant.tier_index)) {
                tier.add(*load);
            }
        }
        let owned = || row.iter().zip(&owns).filter(|(_, owns)| **owns).map(|(load, _)| load);
        let needed: f64 = owned().chain(&tiers).map(Load::depth).sum();
        let scale = depth::scale(needed, budget);
        shared.iter_mut().zip(&tiers).for_each(|(steps, load)| steps.push(reservation(load, scale)));
        let rows = own.iter_mut().zip(row).zip(&owns).filter(|(_, owns)| **owns);
        rows.for_each(|((steps, load), _)| steps.push(reservation(load, scale)));
    }
    for (claimant, reservations) in claimants.iter_mut().zip(own) {
        let Demand { resource, contract, .. } = *claimant.demand;
        let reservations = Schedule::from_steps(&reservations);
        let forecast = if reservations.is_empty() { Forecast::default() } else { interval(claimant, step_s) };
        claimant.key.grants.push(Grant { resource, contract, reservations, forecast });
    }
    shared
}

/// What is set aside for emergencies, the same in every step.
fn emergency(policy: &ResourcePolicy, steps: u16) -> Schedule {
    let share = policy.emergency_share.clamp(0.0, 1.0);
    let rate = MicroRate(libm::floor(policy.capacity_per_s * share * 1e6) as u64);
    let depth = libm::floor(policy.burst as f64 * share) as u64;
    if depth == 0 { Schedule::default() } else { Schedule::constant(Reservation { rate, depth }, steps) }
}

/// The 80 % interval of a claimant's forecast over all steps, as rates.
fn interval(claimant: &Claimant<'_>, step_s: f64) -> Forecast {
    let ends = |[_, low, _, high, _]: &[f64; LEVELS.len()]| (low.max(0.0) / step_s, high.max(0.0) / step_s);
    let all = claimant.demand.forecast.iter().map(ends);
    let (low, high) =
        all.fold((f64::INFINITY, 0.0_f64), |(low, high), step| (low.min(step.0), high.max(step.1)));
    let rate = |per_s: f64| MicroRate::from_per_s(per_s).min(table::MAX_RATE);
    Forecast { low: rate(low.min(high)), high: rate(high) }
}

/// Who gets a bucket of its own: it must hold a few of the customer's largest requests in some step.
fn owners(loads: &[Vec<Load>], claimants: &[Claimant<'_>], budget: f64) -> Vec<bool> {
    let mut owns = alloc::vec![false; claimants.len()];
    for row in loads {
        let scale = depth::scale(row.iter().map(Load::depth).sum(), budget);
        for ((owns, load), claimant) in owns.iter_mut().zip(row).zip(claimants) {
            let least = claimant.demand.largest_cost.max(1) as f64 * OWN_BUCKET_REQUESTS;
            *owns |= load.rate_per_s > 0.0 && load.depth() * scale >= least;
        }
    }
    owns
}

/// What a customer is to be guaranteed in a step, in tokens per second.
fn want_per_s(claimant: &Claimant<'_>, step: usize, step_s: f64) -> f64 {
    let Some(quantiles) = claimant.demand.forecast.get(step) else { return 0.0 };
    let contract = claimant.demand.contract.or_else(|| {
        claimant.tier.tier.contracts.get(usize::from(claimant.demand.resource)).copied().flatten()
    });
    let ceiling = contract.map_or(f64::INFINITY, |contract| contract.rate.per_s());
    (want::want(quantiles, claimant.tier.risk_quantile, claimant.tier.uncertainty_aversion) / step_s)
        .min(ceiling)
}

/// Rounded down, so that sums never exceed the whole.
fn reservation(load: &Load, scale: f64) -> Reservation {
    let rate = MicroRate(libm::floor(load.rate_per_s * 1e6) as u64);
    Reservation { rate, depth: libm::floor(load.depth() * scale) as u64 }
}

#[cfg(test)]
mod tests;
