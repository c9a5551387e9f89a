//! The planner's input: policy, and what is forecast of every key that matters.

use std::collections::BTreeSet;

use tidegate_core::plan::{Customer, Demand, LEVELS, PlanInput, ResourcePolicy};
use tidegate_model::StepForecast;

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
        spike_probability: spike_probability(policy, learner),
    }
}

/// How probable it is that everybody together asks for a spike, of the resource where that is most likely.
fn spike_probability(policy: &Policy<'_>, learner: &Learner) -> Vec<f64> {
    let mut highest = vec![0.0; usize::from(policy.horizon_steps)];
    for total in (0..policy.resources.len()).filter_map(|resource| learner.total(resource)) {
        for (highest, mix) in highest.iter_mut().zip(total.outlook().steps) {
            *highest = mix.spike.max(*highest);
        }
    }
    highest
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
    let demand = |(index, resource): (usize, &ResourcePolicy)| {
        let series = known.get(index).and_then(Option::as_ref);
        let contract = contracts.get(index).copied().flatten();
        (series.is_some() || contract.is_some()).then_some(())?;
        let forecast = match (series, levels(resource, policy.step_ms)) {
            (Some(series), Some(factor)) => series.forecast().1.iter().map(scaled(factor)).collect(),
            _ => Vec::new(),
        };
        Some(Demand {
            resource: u8::try_from(index).ok()?,
            contract,
            forecast,
            largest_cost: series.map_or(1, Series::largest_cost),
        })
    };
    policy.resources.iter().enumerate().filter_map(demand).collect()
}

/// By what the tokens asked for in a step are multiplied to have what the planner wants to know.
///
/// Usage counts what is asked for, which for a held resource is a flow, while the plan is of levels: by Little's law
/// (1961) a flow times how long each of it stays. `None` when that is not known: nothing is forecast then.
fn levels(resource: &ResourcePolicy, step_ms: u32) -> Option<f64> {
    if !resource.held {
        return Some(1.0);
    }
    let steps = resource.hold_s * 1e3 / f64::from(step_ms.max(1));
    (steps > 0.0).then_some(steps)
}

fn scaled(factor: f64) -> impl Fn(&StepForecast) -> [f64; LEVELS.len()] {
    move |step| step.bounds().map(|quantile| quantile * factor)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tidegate_core::table::DrawOrder;

    use super::*;
    use crate::{Learning, Used};

    const STEP_MS: u32 = 10_000;

    /// What is forecast of a key that asks for 40 tokens a step.
    fn forecast(resource: ResourcePolicy) -> Vec<[f64; LEVELS.len()]> {
        let resources = [resource];
        let customers = BTreeMap::new();
        let policy = Policy {
            step_ms: STEP_MS,
            horizon_steps: 2,
            draw_order: DrawOrder::PoolFirst,
            tiers: Vec::new(),
            default_tier: 0,
            resources: &resources,
            customers: &customers,
        };
        let model = tidegate_model::find("seasonal-naive").unwrap();
        let mut learner = Learner::new(&Learning { model, season_steps: 2, max_keys: 10 }, 1);
        for step in 0..200 {
            learner.observe(&customers, step, [Used { key: "busy", resource: 0, demand: 40, largest: 7 }]);
        }
        learner.predict(200, 2);
        let input = plan_input(&policy, &learner, 1, 200);
        let [customer] = &input.customers[..] else { panic!("one key is known: {:?}", input.customers) };
        assert_eq!((&customer.key[..], customer.demands[0].largest_cost), ("busy", 7));
        customer.demands[0].forecast.clone()
    }

    #[test]
    fn a_rate_is_forecast_in_tokens_per_step() {
        assert_eq!(forecast(ResourcePolicy::default()), [[40.0; LEVELS.len()]; 2]);
    }

    #[test]
    fn what_is_held_is_forecast_as_a_level_if_it_is_known_for_how_long() {
        let held = ResourcePolicy { held: true, ..ResourcePolicy::default() };
        assert!(forecast(held.clone()).is_empty());
        // 4 tokens a second that stay for 2.5 seconds.
        assert_eq!(forecast(ResourcePolicy { hold_s: 2.5, ..held }), [[10.0; LEVELS.len()]; 2]);
    }
}
