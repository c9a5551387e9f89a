use alloc::{format, string::ToString, vec};

use proptest::prelude::*;

use super::*;

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

proptest! {
    #[test]
    fn every_plan_is_a_table_that_proxies_accept(
        capacity in 0.1..1e6_f64,
        burst in 1_u64..1_000_000,
        customers in prop::collection::vec((0_u8..2, prop::collection::vec(prop::num::f64::ANY, 3), 0_u64..1_000), 0..60),
    ) {
        let mut input = input(capacity, burst, 3);
        input.customers = customers
            .iter()
            .enumerate()
            .map(|(number, (tier, forecast, largest))| customer(&format!("{number}"), *tier, forecast, *largest, None))
            .collect();
        let table = plan(&input);
        prop_assert_eq!(table.check(), Ok(()));
        prop_assert_eq!(Table::decode(&table.encode()), Ok(table));
    }
}
