//! Tiers and contracts as they would be sold to generated customers.

use std::{collections::BTreeMap, ops::Range};

use tidegate_core::{
    plan::{ResourcePolicy, TierPolicy},
    table::{Contract, DrawOrder, Tier},
    units::MicroRate,
};
use tidegate_learn::{Learning, NamedCustomer};

use super::STEP_S;
use crate::{
    policy::{Policy, Terms},
    rates::Rates,
};

/// The resource of generated requests; each costs one.
pub(super) const RESOURCE: &str = "requests";
/// Names of the tiers, best first.
pub const TIERS: [&str; 4] = ["platinum", "gold", "silver", "bronze"];
/// How many of them are called the upper tiers.
pub const UPPER_TIERS: usize = 2;

/// What a tier is sold with.
struct Term {
    name: &'static str,
    weight: u32,
    floor_permille: u16,
    risk_quantile: f64,
    max_delay_ms: u32,
}

const TERMS: [Term; TIERS.len()] = [
    Term { name: TIERS[0], weight: 16, floor_permille: 0, risk_quantile: 0.95, max_delay_ms: 1000 },
    Term { name: TIERS[1], weight: 8, floor_permille: 0, risk_quantile: 0.9, max_delay_ms: 1000 },
    Term { name: TIERS[2], weight: 4, floor_permille: 50, risk_quantile: 0.7, max_delay_ms: 0 },
    Term { name: TIERS[3], weight: 1, floor_permille: 50, risk_quantile: 0.5, max_delay_ms: 0 },
];
/// A contract is so many times the busiest window that is known of a customer: it is to bind who misbehaves, nobody else.
const CONTRACT_MARGIN: f64 = 3.0;
/// Smallest contract in tokens per second.
const SMALLEST_CONTRACT_PER_S: f64 = 0.5;
const CONTRACT_BURST_S: f64 = 30.0;
const REPORT_INTERVAL_MS: u32 = 10_000;
const HORIZON_STEPS: u16 = 15;
/// Nothing: reservations cost more than they protect where better tiers may wait.
const RESERVABLE_SHARE: f64 = 0.0;
const UNCERTAINTY_AVERSION: f64 = 0.5;

impl Terms {
    /// The terms on which generated customers are served unless others are asked for.
    #[must_use]
    pub fn usual() -> Self {
        let tier = |(priority, term): (u8, &Term)| TierPolicy {
            tier: Tier {
                name: term.name.to_owned(),
                priority,
                weight: term.weight,
                floor_permille: term.floor_permille,
                max_delay_ms: term.max_delay_ms,
                contracts: vec![None],
                ..Tier::default()
            },
            weight: f64::from(term.weight),
            risk_quantile: term.risk_quantile,
            uncertainty_aversion: UNCERTAINTY_AVERSION,
        };
        Self {
            name: "usual".to_owned(),
            tiers: (0..).zip(&TERMS).map(tier).collect(),
            draw_order: DrawOrder::PoolFirst,
            reservable_share: RESERVABLE_SHARE,
            emergency_share: 0.0,
            emergency_key_share: 0.0,
        }
    }
}

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
    let terms = Terms::usual();
    Policy {
        name: terms.name,
        learning: *learning,
        report_interval_ms: REPORT_INTERVAL_MS,
        step_ms: STEP_S as u32 * 1000,
        horizon_steps: HORIZON_STEPS,
        draw_order: terms.draw_order,
        tiers: terms.tiers,
        default_tier: TIERS.len() as u8 - 1,
        resources: vec![ResourcePolicy {
            name: RESOURCE.to_owned(),
            capacity_per_s: 1.0,
            burst: 1,
            safe_capacity_per_s: 1.0,
            reservable_share: terms.reservable_share,
            emergency_share: terms.emergency_share,
            emergency_key_share: terms.emergency_key_share,
            ..ResourcePolicy::default()
        }],
        customers: tiers.iter().map(customer).collect(),
        elastic: None,
    }
}
