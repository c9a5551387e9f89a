//! The same limiter in Envoy and in a gateway, on the same requests: it must admit the same.

use anyhow::{Result, bail};
use serde::Serialize;

use crate::{
    arms::BESIDE,
    compare::{of_tier, tier_names},
    foresight::Played,
    table::Table,
};

/// How far apart the two may be in a tier, over all seeds.
const TOLERANCE: f64 = 0.01;

/// What became of a tier's requests in both.
#[derive(Debug, Serialize)]
pub(crate) struct Pair {
    arm: &'static str,
    tier: &'static str,
    offered: u64,
    envoy: u64,
    gateway: u64,
}

/// All tiers of all arms, over all runs.
pub(crate) fn pairs(runs: &[Played]) -> Vec<Pair> {
    let tiers = runs.first().map_or_else(Vec::new, |played| tier_names(&played.run));
    let mut pairs = Vec::new();
    for (arm, beside) in BESIDE {
        for tier in &tiers {
            let counts = |name| {
                let arms = runs.iter().filter_map(move |played| played.run.arm(name));
                arms.map(|arm| of_tier(arm, tier)).sum::<crate::tally::Counts>()
            };
            let (envoy, gateway) = (counts(arm), counts(beside));
            let (offered, envoy, gateway) = (envoy.offered, envoy.admitted(), gateway.admitted());
            pairs.push(Pair { arm, tier, offered, envoy, gateway });
        }
    }
    pairs
}

impl Pair {
    fn difference(&self) -> f64 {
        (self.gateway as f64 - self.envoy as f64) / self.envoy.max(1) as f64
    }
}

/// Shows them, and fails when the two are too far apart.
pub(crate) fn judge(pairs: &[Pair]) -> Result<()> {
    println!("\nAdmitted after the learning, through Envoy and through the gateway");
    let mut table = Table::new(&["tier", "arm", "offered", "Envoy", "gateway", "difference"]);
    for pair in pairs {
        table.row([
            pair.tier.to_owned(),
            pair.arm.to_owned(),
            pair.offered.to_string(),
            pair.envoy.to_string(),
            pair.gateway.to_string(),
            format!("{:.2} %", 100.0 * pair.difference()),
        ]);
    }
    table.print();
    let apart: Vec<String> = pairs
        .iter()
        .filter(|pair| pair.difference().abs() > TOLERANCE)
        .map(|pair| format!("{} of {}", pair.tier, pair.arm))
        .collect();
    if apart.is_empty() {
        println!("  the same within {:.0} %", 100.0 * TOLERANCE);
        return Ok(());
    }
    bail!("Envoy and the gateway are more than {:.0} % apart: {}", 100.0 * TOLERANCE, apart.join(", "))
}
