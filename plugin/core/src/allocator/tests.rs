//! Invariants of the allocator, by their ids in ARCHITECTURE.md, and the cases that made them necessary.

mod crew;
mod held;
mod invariants;
mod order;
mod pitfalls;
mod pushes;
mod queue;
mod receipts;
mod reference;
mod retry;
mod scenarios;
mod staged;

use alloc::{string::String, vec, vec::Vec};

use super::*;
use crate::{
    table::{Contract, DrawOrder, Forecast, Grant, Key, Reservation, Resource, Schedule, Table, Tier},
    units::KeyHash,
};

pub(super) const SECOND: u64 = 1_000_000_000;
/// 2026-01-01, where test time begins.
pub(super) const START_MS: u64 = 1_767_225_600_000;

pub(super) fn start() -> Timestamp {
    Timestamp::from_millis(START_MS)
}

pub(super) fn after(nanos: u64) -> Timestamp {
    start().plus(nanos)
}

/// One resource, `requests`, with the given safe budget.
pub(super) fn allocator(per_s: f64, burst: u64) -> Allocator {
    let safe = Some(SafeBudget { capacity: MicroRate::from_per_s(per_s), burst });
    let setup = Setup {
        resources: vec![ResourceSetup { name: String::from("requests"), safe }],
        max_unknown_keys: 100,
        max_receipts: 1_000,
        max_waiting: 64,
        receipt_ttl_ms: 60_000,
        report_interval_ms: 1_000,
    };
    Allocator::new(setup, start())
}

pub(super) fn reservation(per_s: f64, depth: u64) -> Reservation {
    Reservation { rate: MicroRate::from_per_s(per_s), depth }
}

pub(super) fn contract(per_s: f64, burst: u64) -> Option<Contract> {
    Some(Contract { rate: MicroRate::from_per_s(per_s), burst })
}

/// A table of one resource with the tiers gold (floor 0) and bronze (floor 30 %, the default), without keys.
pub(super) fn table(per_s: f64, burst: u64, steps: u16) -> Table {
    let tier = |name: &str, floor_permille| Tier {
        name: String::from(name),
        floor_permille,
        contracts: vec![None],
        ..Tier::default()
    };
    Table {
        epoch: 1,
        base_epoch: 0,
        removed: Vec::new(),
        starts_at_ms: START_MS,
        step_ms: 1_000,
        steps,
        valid_until_ms: START_MS + 1_000 * u64::from(steps),
        draw_order: DrawOrder::PoolFirst,
        tiers: vec![tier("gold", 0), tier("bronze", 300)],
        default_tier: 1,
        resources: vec![Resource {
            name: String::from("requests"),
            capacity: MicroRate::from_per_s(per_s),
            burst,
            safe_capacity: MicroRate::from_per_s(per_s),
            tier_reservations: vec![Schedule::constant(Reservation::default(), steps); 2],
            ..Resource::default()
        }],
        keys: Vec::new(),
    }
}

/// A key of the table with its own shadow bucket, the same in every step.
pub(super) fn key(name: &str, tier: u8, contract: Option<Contract>, own: Reservation, steps: u16) -> Key {
    let reservations =
        if own == Reservation::default() { Schedule::default() } else { Schedule::constant(own, steps) };
    Key {
        hash: KeyHash::of(name.as_bytes()),
        tier,
        grants: vec![Grant { resource: 0, contract, reservations, forecast: Forecast::default() }],
    }
}

pub(super) fn ask(allocator: &mut Allocator, key: &str, cost: u64, now: Timestamp) -> Decision {
    ask_as(allocator, key, cost, Class::Standard, now)
}

pub(super) fn ask_as(
    allocator: &mut Allocator,
    key: &str,
    cost: u64,
    class: Class,
    now: Timestamp,
) -> Decision {
    let demands = [Demand { resource: 0, cost, estimated: false }];
    allocator.decide(
        &Request { key: key.as_bytes(), class, demands: &demands, may_wait: false, partial: false },
        now,
    )
}

pub(super) fn ask_estimate(allocator: &mut Allocator, key: &str, cost: u64, now: Timestamp) -> Decision {
    let demands = [Demand { resource: 0, cost, estimated: true }];
    allocator.decide(
        &Request {
            key: key.as_bytes(),
            class: Class::Standard,
            demands: &demands,
            may_wait: false,
            partial: false,
        },
        now,
    )
}

pub(super) const fn admitted(decision: &Decision) -> bool {
    matches!(decision, Decision::Admit(_))
}

/// How many of `count` requests of cost 1 are admitted at one instant.
pub(super) fn flood(allocator: &mut Allocator, key: &str, count: usize, now: Timestamp) -> usize {
    (0..count).filter(|_| admitted(&ask(allocator, key, 1, now))).count()
}
