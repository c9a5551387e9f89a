use alloc::{format, string::ToString, vec};

use super::*;
use crate::{
    table::{Contract, DrawOrder},
    units::MicroRate,
};

mod honest;
mod hostile;
mod policies;

fn tier(name: &str, weight: f64) -> TierPolicy {
    let tier = table::Tier { name: name.into(), contracts: vec![None], ..table::Tier::default() };
    TierPolicy { tier, weight, risk_quantile: 0.9, uncertainty_aversion: 0.5 }
}

fn input(capacity_per_s: f64, burst: u64, steps: u16) -> PlanInput {
    PlanInput {
        epoch: 1,
        starts_at_ms: 1_000,
        step_ms: 1_000,
        steps,
        valid_until_ms: 100_000,
        draw_order: DrawOrder::PoolFirst,
        tiers: vec![tier("gold", 8.0), tier("bronze", 1.0)],
        default_tier: 1,
        resources: vec![ResourcePolicy {
            name: "requests".into(),
            capacity_per_s,
            burst,
            safe_capacity_per_s: capacity_per_s,
            reservable_share: 0.8,
            ..ResourcePolicy::default()
        }],
        customers: Vec::new(),
        spike_probability: Vec::new(),
    }
}

fn customer(key: &str, tier: u8, certain: &[f64], largest_cost: u64, contract: Option<Contract>) -> Customer {
    let forecast = certain.iter().map(|value| [*value; LEVELS.len()]).collect();
    Customer {
        key: key.to_string(),
        tier,
        demands: vec![Demand { resource: 0, contract, forecast, largest_cost }],
    }
}

/// Adds a resource of which no tier has a contract.
fn add_resource(input: &mut PlanInput, policy: ResourcePolicy) {
    input.resources.push(policy);
    input.tiers.iter_mut().for_each(|tier| tier.tier.contracts.push(None));
}

/// A demand without a contract.
fn demand(resource: u8, forecast: Vec<[f64; LEVELS.len()]>) -> Demand {
    Demand { resource, contract: None, forecast, largest_cost: 1 }
}

fn own(table: &Table, key: usize) -> Vec<(f64, u64)> {
    table.keys[key].grants[0].reservations.steps().map(|own| (own.rate.per_s(), own.depth)).collect()
}

#[test]
fn a_certain_forecast_becomes_a_reservation_step_by_step() {
    let mut input = input(100.0, 100, 2);
    input.customers = vec![customer("acme", 0, &[20.0, 40.0], 1, None)];
    let table = plan(&input);
    assert_eq!(table.check(), Ok(()));
    // One request and three times the square root of what comes in a second.
    assert_eq!(own(&table, 0), [(20.0, 14), (40.0, 19)]);
}

#[test]
fn scarcity_is_shared_by_weight_below_the_reservable_share() {
    let mut input = input(100.0, 100, 1);
    input.customers = vec![customer("acme", 0, &[500.0], 1, None), customer("batch", 1, &[500.0], 1, None)];
    let table = plan(&input);
    let [(gold, _), (bronze, _)] = [own(&table, 0)[0], own(&table, 1)[0]];
    assert!((gold / bronze - 8.0).abs() < 1e-3 && (gold + bronze - 80.0).abs() < 1e-3, "{gold} {bronze}");
}

#[test]
fn a_reservation_never_exceeds_the_contract() {
    let mut input = input(100.0, 100, 1);
    let contract = Some(Contract { rate: MicroRate::from_per_s(5.0), burst: 5 });
    input.customers = vec![customer("flooder", 1, &[500.0], 1, contract)];
    assert_eq!(own(&plan(&input), 0)[0].0, 5.0);
}

#[test]
fn tiny_customers_share_their_tiers_bucket() {
    let mut input = input(100.0, 100, 1);
    input.customers =
        (0..40).map(|number| customer(&format!("tiny-{number}"), 1, &[1.0], 10, None)).collect();
    let table = plan(&input);
    assert_eq!(table.check(), Ok(()));
    assert!(table.keys.iter().all(|key| key.grants[0].reservations.is_empty()));
    let shared = table.resources[0].tier_reservations[1].step(0);
    assert!((shared.rate.per_s() - 40.0).abs() < 1e-3 && shared.depth == 70, "{shared:?}");
}

#[test]
fn without_a_forecast_nothing_is_reserved() {
    let mut input = input(100.0, 100, 3);
    input.customers = vec![customer("new", 0, &[], 1, None)];
    let table = plan(&input);
    assert_eq!(table.check(), Ok(()));
    assert!(table.keys[0].grants[0].reservations.is_empty());
}

#[test]
fn what_is_wanted_together_is_raised_together() {
    let mut input = input(100.0, 1000, 1);
    let tokens = ResourcePolicy { name: "llm_tokens".into(), ..input.resources[0].clone() };
    add_resource(&mut input, tokens);
    input.customers = vec![
        customer("both", 0, &[60.0], 1, None),
        customer("first", 0, &[60.0], 1, None),
        customer("second", 0, &[], 1, None),
    ];
    input.customers[0].demands.push(demand(1, vec![[30.0; LEVELS.len()]]));
    input.customers[2].demands[0] = demand(1, vec![[70.0; LEVELS.len()]]);
    let table = plan(&input);
    assert_eq!(table.check(), Ok(()));
    let rate = |key: usize, grant: usize| table.keys[key].grants[grant].reservations.step(0).rate.per_s();
    let found = [rate(0, 0), rate(0, 1), rate(1, 0), rate(2, 0)];
    // 80 can be reserved of each: the first is shared in halves, of the second the customer that stops at 40 of 60 takes 20.
    let expected = [40.0, 20.0, 40.0, 60.0];
    assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-3), "{found:?}");
}

#[test]
fn a_resource_of_which_nothing_may_be_reserved_holds_nobody_back() {
    let mut input = input(100.0, 100, 1);
    let unreserved = ResourcePolicy { reservable_share: 0.0, ..input.resources[0].clone() };
    add_resource(&mut input, unreserved);
    input.customers = vec![customer("acme", 0, &[20.0], 1, None)];
    input.customers[0].demands.push(demand(1, vec![[30.0; LEVELS.len()]]));
    let table = plan(&input);
    assert_eq!(table.check(), Ok(()));
    assert_eq!(own(&table, 0), [(20.0, 14)]);
    assert!(table.keys[0].grants[1].reservations.is_empty());
}

#[test]
fn keys_come_best_priority_first_and_once() {
    let mut input = input(100.0, 100, 1);
    input.tiers[0].tier.priority = 5;
    input.tiers[1].tier.priority = 2;
    let names = ["a", "b", "c", "d", "a"];
    let tiers = [0, 1, 0, 1, 1];
    input.customers =
        names.iter().zip(tiers).map(|(name, tier)| customer(name, tier, &[5.0], 1, None)).collect();
    input.customers.push(customer("of no tier", 9, &[5.0], 1, None));
    let table = plan(&input);
    assert_eq!(table.check(), Ok(()));
    let found: Vec<(KeyHash, u8)> = table.keys.iter().map(|key| (key.hash, key.tier)).collect();
    let expected = [("b", 1), ("d", 1), ("a", 1), ("c", 0)];
    assert_eq!(found, expected.map(|(name, tier)| (KeyHash::of(name.as_bytes()), tier)));
    assert_eq!(table, plan(&input));
}

#[test]
fn only_the_first_demand_on_a_resource_counts_and_only_if_there_is_one() {
    let mut input = input(100.0, 100, 1);
    input.customers = vec![customer("acme", 0, &[20.0], 1, None), customer("other", 0, &[5.0], 1, None)];
    let more = [(0, 70.0), (3, 5.0)].map(|(resource, value)| demand(resource, vec![[value; LEVELS.len()]]));
    input.customers[0].demands.extend(more);
    let table = plan(&input);
    assert_eq!(table.check(), Ok(()));
    assert_eq!(own(&table, 0), [(20.0, 14)]);
    assert_eq!(table.keys[0].grants.len(), 1);
    assert_eq!(own(&table, 1), [(5.0, 7)]);
}
