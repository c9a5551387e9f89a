//! Tiers and contracts as they would be sold to generated customers.

use std::{collections::BTreeMap, ops::Range};

use tidegate_core::{
    plan::{ResourcePolicy, TierPolicy},
    table::{Contract, DrawOrder, Tier},
    units::MicroRate,
};
use tidegate_learn::{Learning, NamedCustomer};

use super::STEP_S;
use crate::{policy::Policy, rates::Rates};

/// The resource of generated requests; each costs one.
pub(super) const RESOURCE: &str = "requests";
/// Names of the tiers, best first.
pub const TIERS: [&str; 4] = ["platinum", "gold", "silver", "bronze"];
/// How many of them are called the upper tiers.
pub const UPPER_TIERS: usize = 2;

/// By tier: weight, floor in thousandths, risk quantile, longest wait in milliseconds.
const TERMS: [(f64, u16, f64, u32); 4] =
    [(16.0, 0, 0.95, 1000), (8.0, 0, 0.9, 1000), (4.0, 100, 0.7, 0), (1.0, 300, 0.5, 0)];
/// A contract is so many times the busiest window that is known of a customer.
const CONTRACT_MARGIN: f64 = 1.5;
/// Smallest contract in tokens per second.
const SMALLEST_CONTRACT_PER_S: f64 = 0.5;
const CONTRACT_BURST_S: f64 = 10.0;
const REPORT_INTERVAL_MS: u32 = 10_000;
const HORIZON_STEPS: u16 = 15;
const RESERVABLE_SHARE: f64 = 0.8;
const UNCERTAINTY_AVERSION: f64 = 0.5;

/// The policy; its capacity is still to be set.
pub(super) fn make(
    rates: &Rates,
    known: Range<usize>,
    scale: f64,
    tiers: &BTreeMap<&str, u8>,
    learning: &Learning,
) -> Policy {
    let contract = |key: &str| {
        let windows = rates.keys.get(key).and_then(|windows| windows.get(known.clone())).unwrap_or_default();
        let busiest = windows.iter().copied().fold(0.0, f64::max) * scale;
        let rate_per_s = (busiest * CONTRACT_MARGIN).max(SMALLEST_CONTRACT_PER_S);
        let burst = (rate_per_s * CONTRACT_BURST_S).ceil() as u64;
        Contract { rate: MicroRate::from_per_s(rate_per_s), burst }
    };
    let customer = |(key, tier): (&&str, &u8)| {
        ((*key).to_owned(), NamedCustomer { tier: *tier, contracts: vec![Some(contract(key))] })
    };
    let tier = |(priority, (name, (weight, floor_permille, risk_quantile, max_delay_ms))): (
        u8,
        (&str, (f64, u16, f64, u32)),
    )| {
        TierPolicy {
            tier: Tier {
                name: name.to_owned(),
                priority,
                weight: weight as u32,
                floor_permille,
                max_delay_ms,
                contracts: vec![None],
                ..Tier::default()
            },
            weight,
            risk_quantile,
            uncertainty_aversion: UNCERTAINTY_AVERSION,
        }
    };
    Policy {
        name: "generated".to_owned(),
        learning: *learning,
        report_interval_ms: REPORT_INTERVAL_MS,
        step_ms: STEP_S as u32 * 1000,
        horizon_steps: HORIZON_STEPS,
        draw_order: DrawOrder::PoolFirst,
        tiers: (0..).zip(TIERS.into_iter().zip(TERMS)).map(tier).collect(),
        default_tier: TIERS.len() as u8 - 1,
        resources: vec![ResourcePolicy {
            name: RESOURCE.to_owned(),
            capacity_per_s: 1.0,
            burst: 1,
            safe_capacity_per_s: 1.0,
            reservable_share: RESERVABLE_SHARE,
            ..ResourcePolicy::default()
        }],
        customers: tiers.iter().map(customer).collect(),
    }
}
