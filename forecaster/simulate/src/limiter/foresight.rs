//! Where the planner's forecasts come from.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_core::{
    KeyHash,
    plan::{Customer, Demand, LEVELS, PlanInput},
};

use crate::{policy::Policy, trace::Trace};

/// What the planner is told of the future.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Foresight<'a> {
    /// Nothing.
    None,
    /// What the model forecasts.
    Model,
    /// What will be asked for, with certainty.
    Perfect(&'a Future),
    /// What the model forecasts for another key, by seed.
    Shuffled(u64),
}

/// What every key will ask for, step by step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Future {
    /// Steps and tokens in order, by key and resource.
    demands: BTreeMap<(String, u8), Vec<(u64, u64)>>,
    /// Tokens of all keys, by resource and step.
    totals: BTreeMap<(u8, u64), u64>,
}

impl Future {
    /// Sums up a trace; resources are those of the policy.
    pub(crate) fn of(trace: &Trace, policy: &Policy) -> Self {
        let resources = policy.resource_indices(&trace.resources);
        let mut sums: BTreeMap<(u32, u8), Vec<(u64, u64)>> = BTreeMap::new();
        for arrival in &trace.arrivals {
            let Some(resource) = resources.get(usize::from(arrival.resource)).copied().flatten() else {
                continue;
            };
            let step = policy.step_at(arrival.at_ns / 1_000_000);
            let tokens = arrival.actual.unwrap_or(arrival.cost);
            let steps = sums.entry((arrival.key, resource as u8)).or_default();
            match steps.last_mut() {
                Some((last, sum)) if *last == step => *sum += tokens,
                _ => steps.push((step, tokens)),
            }
        }
        let named =
            |((key, resource), steps): ((u32, u8), _)| ((trace.keys.name(key).to_owned(), resource), steps);
        let mut totals = BTreeMap::new();
        for ((_, resource), steps) in &sums {
            for (step, tokens) in steps {
                *totals.entry((*resource, *step)).or_default() += tokens;
            }
        }
        Self { demands: sums.into_iter().map(named).collect(), totals }
    }

    /// What all keys together ask for in a step.
    pub(crate) fn total(&self, resource: u8, step: u64) -> u64 {
        self.totals.get(&(resource, step)).copied().unwrap_or_default()
    }

    /// What a key asks for in a step.
    pub(crate) fn at(&self, key: &str, resource: u8, step: u64) -> u64 {
        let Some(steps) = self.demands.get(&(key.to_owned(), resource)) else { return 0 };
        let found = steps.binary_search_by_key(&step, |(step, _)| *step);
        found.ok().and_then(|at| steps.get(at)).map_or(0, |(_, tokens)| *tokens)
    }
}

impl Foresight<'_> {
    /// Whether the model's forecasts are used at all.
    pub(crate) const fn learns(self) -> bool {
        matches!(self, Self::Model | Self::Shuffled(_))
    }

    /// Turns the input made from the model's forecasts into what the planner is to be told.
    pub(crate) fn impose(self, input: &mut PlanInput, policy: &Policy) {
        match self {
            Self::Model => {}
            Self::None => {
                let demands = input.customers.iter_mut().flat_map(|customer| &mut customer.demands);
                demands.for_each(|demand| demand.forecast.clear());
            }
            Self::Perfect(future) => reveal(future, input, policy),
            Self::Shuffled(seed) => shuffle(seed, input),
        }
    }
}

fn reveal(future: &Future, input: &mut PlanInput, policy: &Policy) {
    let known: BTreeSet<&str> = input.customers.iter().map(|customer| customer.key.as_str()).collect();
    let unknown: BTreeSet<&String> =
        future.demands.keys().map(|(key, _)| key).filter(|key| !known.contains(key.as_str())).collect();
    let stranger =
        |key: &&String| Customer { key: (*key).clone(), tier: policy.tier_of(key), demands: Vec::new() };
    let strangers: Vec<Customer> = unknown.iter().map(stranger).collect();
    input.customers.extend(strangers);
    let first = input.starts_at_ms / u64::from(input.step_ms.max(1));
    for customer in &mut input.customers {
        for resource in 0..policy.resources.len() as u8 {
            let steps = first..first + u64::from(input.steps);
            let forecast: Vec<[f64; LEVELS.len()]> =
                steps.map(|step| [future.at(&customer.key, resource, step) as f64; LEVELS.len()]).collect();
            match customer.demands.iter_mut().find(|demand| demand.resource == resource) {
                Some(demand) => demand.forecast = forecast,
                None => customer.demands.push(Demand { resource, contract: None, forecast, largest_cost: 1 }),
            }
        }
    }
}

/// In an order that only seed and names decide, every key gets the forecast of the one after it.
fn shuffle(seed: u64, input: &mut PlanInput) {
    for resource in 0..input.resources.len() as u8 {
        let mut demands: Vec<(u64, &mut Demand)> = input
            .customers
            .iter_mut()
            .filter_map(|Customer { key, demands, .. }| {
                let place = KeyHash::of(format!("{seed} {key}").as_bytes()).0;
                Some((place, demands.iter_mut().find(|demand| demand.resource == resource)?))
            })
            .collect();
        demands.sort_by_key(|(place, _)| *place);
        let mut carried = demands.first().map(|(_, demand)| demand.forecast.clone()).unwrap_or_default();
        for (_, demand) in demands.iter_mut().rev() {
            std::mem::swap(&mut demand.forecast, &mut carried);
        }
    }
}
