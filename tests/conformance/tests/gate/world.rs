//! The component, compiled once for all tests, and tables for it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use tidegate_core::{
    KeyHash,
    table::{DrawOrder, Forecast, Grant, Key, Reservation, Resource, Schedule, Table, Tier},
    units::MicroRate,
};
use tidegate_host::{Component, Timestamp};

/// The component that users get.
pub(crate) fn component() -> &'static Component {
    static COMPILED: OnceLock<Component> = OnceLock::new();
    COMPILED.get_or_init(|| Component::from_bytes(&bytes()).unwrap())
}

/// The same, called by the component model.
pub(crate) fn canonical() -> &'static Component {
    static COMPILED: OnceLock<Component> = OnceLock::new();
    COMPILED.get_or_init(|| Component::canonical_from_bytes(&bytes()).unwrap())
}

fn bytes() -> Vec<u8> {
    let built = || Path::new(env!("CARGO_TARGET_TMPDIR")).join("../wasm/tidegate.component.wasm");
    let path = env::var_os("TIDEGATE_COMPONENT").map_or_else(built, PathBuf::from);
    fs::read(path).expect("`cargo xtask test` builds the component")
}

/// 2026-01-01.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// A table of one tier, whose requests may wait for so long.
pub(crate) fn market(now: Timestamp, per_s: f64, burst: u64, max_delay_ms: u32) -> Table {
    let starts_at_ms = now.nanos() / 1_000_000;
    Table {
        epoch: 1,
        base_epoch: 0,
        removed: Vec::new(),
        starts_at_ms,
        step_ms: 60_000,
        steps: 15,
        valid_until_ms: starts_at_ms + 900_000,
        draw_order: DrawOrder::PoolFirst,
        tiers: vec![Tier { name: "gold".into(), max_delay_ms, contracts: vec![None], ..Tier::default() }],
        default_tier: 0,
        resources: vec![Resource {
            name: "requests".into(),
            capacity: MicroRate::from_per_s(per_s),
            burst,
            safe_capacity: MicroRate::from_per_s(per_s),
            tier_reservations: vec![Schedule::default()],
            ..Resource::default()
        }],
        keys: Vec::new(),
    }
}

/// Reserves something for a key, in every step.
pub(crate) fn reserve(table: &mut Table, hash: KeyHash, per_s: f64, depth: u64) {
    let steps = [Reservation { rate: MicroRate::from_per_s(per_s), depth }; 15];
    let forecast = Forecast { low: MicroRate::from_per_s(per_s), high: MicroRate::from_per_s(per_s) };
    let grant = Grant { resource: 0, contract: None, reservations: Schedule::from_steps(&steps), forecast };
    table.keys.push(Key { hash, tier: 0, grants: vec![grant] });
}

/// Waits until something holds, for a while.
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(60), "still not: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
