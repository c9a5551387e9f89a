//! From the forecasts of 100,000 customers to a table that can be pushed: plan, check, encode, on one thread.

#![allow(missing_docs, clippy::unwrap_used, reason = "benchmarks are not an interface")]

use criterion::{Criterion, criterion_group, criterion_main};
use tidegate_core::{
    KeyHash,
    plan::{Customer, Demand, LEVELS, PlanInput, ResourcePolicy, TierPolicy, plan},
    table::{Contract, DrawOrder, Table, Tier},
    units::MicroRate,
};

const START_MS: u64 = 1_767_225_600_000;
const STEPS: u16 = 15;
const CUSTOMERS: usize = 100_000;
/// What all customers together are expected to ask for, in tokens per second.
const DEMAND_PER_S: f64 = 20.0 * CUSTOMERS as f64;

/// A number in [0, 1) that only `seed` decides.
fn noise(seed: usize) -> f64 {
    (KeyHash::of(&seed.to_le_bytes()).0 >> 11) as f64 / (1_u64 << 53) as f64
}

/// Every step differs from the one before, and so does the width of its interval.
fn forecast(customer: usize) -> Vec<[f64; LEVELS.len()]> {
    let mean = 40.0 * noise(customer) * 60.0;
    let step = |step: u16| {
        let seed = customer * usize::from(STEPS) + usize::from(step) + CUSTOMERS;
        let (median, spread) = (mean * (0.75 + 0.5 * noise(seed)), 0.6 * noise(seed + 1));
        [1.0 - spread, 1.0 - spread / 2.0, 1.0, 1.0 + spread / 2.0, 1.0 + spread].map(|part| part * median)
    };
    (0..STEPS).map(step).collect()
}

/// All customers own a reservation; capacity is so many times the demand.
fn input(capacity: f64) -> PlanInput {
    let tier = |(priority, (name, weight, risk_quantile)): (u8, (&str, f64, f64))| TierPolicy {
        tier: Tier { name: name.into(), priority, contracts: vec![None], ..Tier::default() },
        weight,
        risk_quantile,
        uncertainty_aversion: 0.5,
    };
    let tiers = [("platinum", 16.0, 0.95), ("gold", 8.0, 0.9), ("silver", 4.0, 0.7), ("bronze", 1.0, 0.5)];
    let contract = Some(Contract { rate: MicroRate::from_per_s(1e3), burst: 10_000 });
    PlanInput {
        epoch: 1,
        starts_at_ms: START_MS,
        step_ms: 60_000,
        steps: STEPS,
        valid_until_ms: START_MS + 3_600_000,
        draw_order: DrawOrder::PoolFirst,
        tiers: (0..).zip(tiers).map(tier).collect(),
        default_tier: 3,
        resources: vec![ResourcePolicy {
            name: "requests".into(),
            capacity_per_s: DEMAND_PER_S * capacity,
            burst: (DEMAND_PER_S * capacity * 10.0) as u64,
            safe_capacity_per_s: DEMAND_PER_S * capacity,
            reservable_share: 0.8,
            ..ResourcePolicy::default()
        }],
        customers: (0..CUSTOMERS)
            .map(|customer| Customer {
                key: format!("customer-{customer:08}"),
                tier: (customer % 4) as u8,
                demands: vec![Demand {
                    resource: 0,
                    contract,
                    forecast: forecast(customer),
                    largest_cost: 1,
                }],
            })
            .collect(),
        spike_probability: Vec::new(),
    }
}

fn planning(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    group.sample_size(10);
    for (name, capacity) in [("everything fits", 4.0), ("short in every step", 0.5)] {
        let input = input(capacity);
        let table = plan(&input);
        let owners =
            table.keys.iter().filter(|key| key.grants.iter().any(|grant| !grant.reservations.is_empty()));
        println!(
            "{name}: {} of {CUSTOMERS} own a reservation, {} bytes",
            owners.count(),
            table.encode().len()
        );
        group.bench_function(format!("100000 customers, 15 steps, {name}"), |bencher| {
            bencher.iter_with_large_drop(|| plan(&input));
        });
        group.bench_function(format!("check, {name}"), |bencher| bencher.iter(|| table.check().unwrap()));
        group.bench_function(format!("encode, {name}"), |bencher| bencher.iter(|| table.encode()));
        let bytes = table.encode();
        group.bench_function(format!("decode, {name}"), |bencher| {
            bencher.iter_with_large_drop(|| Table::decode(&bytes).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, planning);
criterion_main!(benches);
