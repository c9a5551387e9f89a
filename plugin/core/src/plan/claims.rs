//! What customers want, step by step: one entry for each demand that is forecast, customers best priority first.
//!
//! Amounts lie together by step, since that is how they are shared out; a plan of a hundred thousand customers then
//! takes no memory but this for them.

use alloc::vec::Vec;

use super::{
    Customer, Demand, LEVELS, PlanInput, Ranks, TierPolicy,
    budget::Budget,
    depth::Load,
    dominant::{Party, Sharing},
    want::{Aim, clean},
};
use crate::{
    table::{Contract, Forecast, MAX_RATE, MAX_TOKENS},
    units::{KeyHash, MicroRate},
};

/// A customer on its way into the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed<'a> {
    pub(super) customer: &'a Customer,
    pub(super) hash: KeyHash,
    /// Position of its tier's priority among those of all tiers, 0 for the best.
    pub(super) rank: usize,
}

/// One customer's forecast demand on one resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Index of resource and rank, of those of all resources.
    pub(super) rank_slot: u16,
    /// Index of resource and tier, of those of all resources.
    pub(super) tier_slot: u16,
    held: bool,
    /// Largest single cost in tokens, at least 1.
    pub(super) largest: f64,
    /// Burst of its contract.
    most: f64,
}

impl Entry {
    /// What it puts into a bucket when it is granted so much.
    pub(super) fn load(&self, amount: f64) -> Load {
        if self.held { Load::level(amount) } else { Load::rate(amount, self.largest, self.most) }
    }
}

/// Everybody's claims.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    pub(super) entries: Vec<Entry>,
    pub(super) forecasts: Vec<&'a [[f64; LEVELS.len()]]>,
    /// What goes into the table of each entry's forecast.
    pub(super) intervals: Vec<Forecast>,
    parties: Vec<Party>,
    /// The resource of each entry.
    pub(super) resources: Vec<u8>,
    /// What each entry wants and, once it is shared out, gets: tokens per second, or tokens held. By step, then by entry.
    amounts: Vec<f64>,
    /// The sum of all medians, by resource and step, in tokens a step or tokens held, as far as anything is forecast.
    pub(super) expected: Vec<Vec<f64>>,
}

/// What the planner knows of a tier.
struct Terms<'a> {
    aim: Aim,
    weight: f64,
    contracts: &'a [Option<Contract>],
}

impl<'a> Claims<'a> {
    /// Gathers what `listed` customers want.
    pub(super) fn gather(
        input: &'a PlanInput,
        listed: &[Listed<'a>],
        ranks: &Ranks,
        budgets: &[Budget],
    ) -> Self {
        let terms = |policy: &'a TierPolicy| Terms {
            aim: Aim::new(policy.risk_quantile, policy.uncertainty_aversion),
            weight: policy.weight,
            contracts: &policy.tier.contracts,
        };
        let terms: Vec<Terms<'_>> = input.tiers.iter().map(terms).collect();
        let mut claims = Self {
            entries: Vec::with_capacity(listed.len()),
            forecasts: Vec::with_capacity(listed.len()),
            intervals: Vec::new(),
            parties: Vec::with_capacity(listed.len()),
            resources: Vec::with_capacity(listed.len()),
            amounts: Vec::new(),
            expected: budgets.iter().map(|_| Vec::new()).collect(),
        };
        // The most that each entry may want, and at what it aims.
        let mut limits: Vec<(f64, Aim)> = Vec::with_capacity(listed.len());
        for Listed { customer, rank, .. } in listed {
            let Some(terms) = terms.get(usize::from(customer.tier)) else { continue };
            let before = claims.entries.len();
            for demand in demands(customer, budgets.len()).filter(|demand| !demand.forecast.is_empty()) {
                let at = usize::from(demand.resource);
                let tiers_own = || terms.contracts.get(at).copied().flatten();
                let contract = demand.contract.or_else(tiers_own).map(limited);
                let held = budgets.get(at).is_some_and(|budget| budget.held);
                let most = contract.map_or(MAX_TOKENS, |contract| contract.burst) as f64;
                let rate = contract.map_or(MAX_RATE, |contract| contract.rate).per_s();
                claims.entries.push(Entry {
                    rank_slot: (at * ranks.count + rank) as u16,
                    tier_slot: (at * input.tiers.len() + usize::from(customer.tier)) as u16,
                    held,
                    largest: demand.largest_cost.max(1) as f64,
                    most,
                });
                claims.forecasts.push(&demand.forecast);
                claims.resources.push(demand.resource);
                limits.push((if held { most } else { rate }, terms.aim));
            }
            let wants = claims.entries.len() - before;
            claims.parties.push(Party { priority: *rank as u8, weight: terms.weight, wants });
        }
        claims.aim(input, budgets, &limits);
        claims
    }

    /// Finds out how much of everything is wanted.
    fn aim(&mut self, input: &PlanInput, budgets: &[Budget], limits: &[(f64, Aim)]) {
        let steps = usize::from(input.steps);
        let width = self.entries.len();
        let shared: Vec<Vec<f64>> = budgets.iter().map(|budget| budget.shared().collect()).collect();
        self.amounts = alloc::vec![0.0; width * steps];
        self.intervals.reserve(width);
        let forecasts = self.forecasts.iter().zip(&self.entries).zip(&self.resources).zip(limits);
        for (index, (((forecast, entry), resource), (limit, aim))) in forecasts.enumerate() {
            let at = usize::from(*resource);
            let (Some(shared), Some(expected)) = (shared.get(at), self.expected.get_mut(at)) else {
                continue;
            };
            let reach = forecast.len().min(steps);
            if expected.len() < reach {
                expected.resize(reach, 0.0);
            }
            let per = if entry.held { 1.0 } else { f64::from(input.step_ms) / 1e3 };
            let amounts = self.amounts.get_mut(index..).unwrap_or_default().iter_mut().step_by(width);
            let (mut lowest, mut highest) = (f64::INFINITY, 0.0_f64);
            for (((amount, quantiles), shared), expected) in amounts.zip(*forecast).zip(shared).zip(expected)
            {
                let quantiles = clean(quantiles);
                // What is not shared out at all holds nobody back.
                let want = aim.want(&quantiles) / per;
                let wanted = if want < *limit { want } else { *limit };
                *amount = if *shared > 0.0 { wanted } else { 0.0 };
                let [_, low, median, high, _] = quantiles;
                *expected += median;
                lowest = if low < lowest { low } else { lowest };
                highest = if high > highest { high } else { highest };
            }
            // Use is compared with rates: a level says nothing about it.
            let rate = |tokens: f64| MicroRate::from_per_s(tokens / per).min(MAX_RATE);
            let interval = Forecast { low: rate(lowest.min(highest)), high: rate(highest) };
            self.intervals.push(if entry.held { Forecast::default() } else { interval });
        }
    }

    /// Shares every step out.
    pub(super) fn share(&mut self, budgets: &[Budget]) {
        let mut sharing = Sharing::default();
        let mut shared: Vec<_> = budgets.iter().map(Budget::shared).collect();
        let mut capacities = Vec::with_capacity(budgets.len());
        for amounts in self.amounts.chunks_mut(self.entries.len().max(1)) {
            capacities.clear();
            capacities.extend(shared.iter_mut().filter_map(Iterator::next));
            sharing.share(&capacities, &self.parties, &self.resources, amounts);
        }
    }

    /// The amounts of all entries in one step.
    pub(super) fn step(&self, step: usize) -> &[f64] {
        let width = self.entries.len();
        self.amounts.get(step * width..(step + 1) * width).unwrap_or_default()
    }

    /// The amounts of one entry, step by step.
    pub(super) fn of(&self, entry: usize) -> impl Iterator<Item = f64> + '_ {
        self.amounts.get(entry..).unwrap_or_default().iter().step_by(self.entries.len().max(1)).copied()
    }
}

/// What counts of a customer's demands: the first on each resource that exists.
pub(super) fn demands(customer: &Customer, resources: usize) -> impl Iterator<Item = &Demand> {
    let all = &customer.demands;
    all.iter().enumerate().filter_map(move |(position, demand)| {
        let exists = usize::from(demand.resource) < resources;
        let again = all.iter().take(position).any(|other| other.resource == demand.resource);
        (exists && !again).then_some(demand)
    })
}

/// A contract by numbers that every table may carry.
pub(super) fn limited(contract: Contract) -> Contract {
    Contract { rate: contract.rate.min(MAX_RATE), burst: contract.burst.min(MAX_TOKENS) }
}
