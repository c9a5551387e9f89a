//! The planner's input: policy, and what is forecast of every key that matters.

use std::collections::BTreeSet;

use tidegate_core::plan::{Customer, Demand, PlanInput};

use crate::{learner::Learner, policy::Policy, series::Series};

/// Gathers what is to be planned from step `from` on.
#[must_use]
pub fn plan_input(policy: &Policy<'_>, learner: &Learner, epoch: u64, from: u64) -> PlanInput {
    let step_ms = u64::from(policy.step_ms);
    let starts_at_ms = from * step_ms;
    PlanInput {
        epoch,
        starts_at_ms,
        step_ms: policy.step_ms,
        steps: policy.horizon_steps,
        valid_until_ms: starts_at_ms + step_ms * u64::from(policy.horizon_steps),
        draw_order: policy.draw_order,
        tiers: policy.tiers.clone(),
        default_tier: policy.default_tier,
        resources: policy.resources.to_vec(),
        customers: customers(policy, learner),
    }
}

/// Named customers, and every other key that is expected to ask for anything.
fn customers(policy: &Policy<'_>, learner: &Learner) -> Vec<Customer> {
    let active = learner.keys().filter(|(_, series)| series.iter().flatten().any(expects_demand));
    let keys: BTreeSet<&str> =
        policy.customers.keys().map(String::as_str).chain(active.map(|(key, _)| key)).collect();
    let customer = |key: &str| {
        let named = policy.customers.get(key);
        Customer {
            key: key.to_owned(),
            tier: named.map_or(policy.default_tier, |named| named.tier),
            demands: demands(policy, learner, key),
        }
    };
    keys.into_iter().map(customer).collect()
}

fn expects_demand(series: &Series) -> bool {
    let (_, forecast) = series.forecast();
    forecast.iter().any(|step| step.quantiles.iter().any(|&tokens| tokens > 0.0))
}

fn demands(policy: &Policy<'_>, learner: &Learner, key: &str) -> Vec<Demand> {
    let contracts = policy.customers.get(key).map_or(&[][..], |named| &named.contracts);
    let known = learner.key(key);
    let demand = |index: usize| {
        let series = known.get(index).and_then(Option::as_ref);
        let contract = contracts.get(index).copied().flatten();
        (series.is_some() || contract.is_some()).then_some(())?;
        let forecast = series.map_or(&[][..], |series| series.forecast().1);
        Some(Demand {
            resource: u8::try_from(index).ok()?,
            contract,
            forecast: forecast.iter().map(|step| step.quantiles).collect(),
            largest_cost: series.map_or(1, Series::largest_cost),
        })
    };
    (0..policy.resources.len()).filter_map(demand).collect()
}
