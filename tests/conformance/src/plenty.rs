//! A table in which nobody is ever short: for what measures the way of a request that passes.

use alloc::{string::String, vec, vec::Vec};

use tidegate_core::{
    KeyHash,
    table::{Contract, DrawOrder, Forecast, Grant, Key, Reservation, Resource, Schedule, Table, Tier},
    units::MicroRate,
};

const STEP_MS: u32 = 60_000;
const STEPS: u16 = 15;
const VALID_MS: u64 = 3_600_000;

/// Of one resource there is as much as `all` says. Every name has a reservation and perhaps a contract.
#[must_use]
pub fn plenty(names: &[String], starts_at_ms: u64, all: Contract, contract: Option<Contract>) -> Table {
    let reservation = Reservation { rate: MicroRate::from_per_s(10.0), depth: 10 };
    let steps: Vec<Reservation> = (0..STEPS).map(|_| reservation).collect();
    let key = |name: &String| Key {
        hash: KeyHash::of(name.as_bytes()),
        tier: 0,
        grants: vec![Grant {
            resource: 0,
            contract,
            reservations: Schedule::from_steps(&steps),
            forecast: Forecast { low: MicroRate::from_per_s(5.0), high: MicroRate::from_per_s(1e6) },
        }],
    };
    Table {
        epoch: 1,
        base_epoch: 0,
        removed: Vec::new(),
        starts_at_ms,
        step_ms: STEP_MS,
        steps: STEPS,
        valid_until_ms: starts_at_ms.saturating_add(VALID_MS),
        draw_order: DrawOrder::PoolFirst,
        tiers: vec![Tier { name: "gold".into(), contracts: vec![contract], ..Tier::default() }],
        default_tier: 0,
        resources: vec![Resource {
            name: "requests".into(),
            capacity: all.rate,
            burst: all.burst,
            safe_capacity: all.rate,
            tier_reservations: vec![Schedule::default()],
            ..Resource::default()
        }],
        keys: names.iter().map(key).collect(),
    }
}
