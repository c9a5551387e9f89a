//! What the allocator takes of memory: nothing on the path of a request, and little for a key.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests, outside of test functions"
)]

use std::{
    alloc::System,
    sync::{Arc, Mutex, PoisonError},
};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tidegate_core::{
    Allocator, Class, Crew, CrewCells, Decision, Demand, KeyHash, Request, ResourceSetup, SafeBudget, Setup,
    Timestamp,
    lease::{AtomicCells, Birth},
    table::{Contract, DrawOrder, Forecast, Grant, Key, Reservation, Resource, Schedule, Table, Tier},
    units::MicroRate,
};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The global allocator counts for all threads: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

const START_MS: u64 = 1_767_225_600_000;
const STEPS: u16 = 15;

fn name(key: usize) -> String {
    format!("customer-{key:08}")
}

fn table(keys: usize, capacity_per_s: f64, burst: u64) -> Table {
    let steps: Vec<Reservation> = (0..STEPS)
        .map(|step| Reservation { rate: MicroRate::from_per_s(1.0 + f64::from(step) / 100.0), depth: 10 })
        .collect();
    let key = |key| Key {
        hash: KeyHash::of(name(key).as_bytes()),
        tier: 0,
        grants: vec![Grant {
            resource: 0,
            contract: Some(Contract { rate: MicroRate::from_per_s(100.0), burst: 1_000 }),
            reservations: Schedule::from_steps(&steps),
            forecast: Forecast { low: MicroRate::from_per_s(0.5), high: MicroRate::from_per_s(2.0) },
        }],
    };
    Table {
        epoch: 1,
        base_epoch: 0,
        removed: Vec::new(),
        starts_at_ms: START_MS,
        step_ms: 1_000,
        steps: STEPS,
        valid_until_ms: START_MS + 3_600_000,
        draw_order: DrawOrder::PoolFirst,
        tiers: vec![Tier {
            name: "gold".into(),
            contracts: vec![None],
            floor_permille: 100,
            ..Tier::default()
        }],
        default_tier: 0,
        resources: vec![Resource {
            name: "requests".into(),
            capacity: MicroRate::from_per_s(capacity_per_s),
            burst,
            safe_capacity: MicroRate::from_per_s(capacity_per_s),
            tier_reservations: vec![Schedule::default()],
            ..Resource::default()
        }],
        keys: (0..keys).map(key).collect(),
    }
}

fn allocator() -> Allocator {
    let safe = Some(SafeBudget { capacity: MicroRate::from_per_s(1e6), burst: 1 << 30 });
    let setup = Setup {
        resources: vec![ResourceSetup { name: "requests".into(), safe }],
        max_unknown_keys: 1_000,
        max_receipts: 1_000,
        max_waiting: 100,
        receipt_ttl_ms: 60_000,
        report_interval_ms: 10_000,
    };
    Allocator::new(setup, Timestamp::from_millis(START_MS))
}

/// Asks for every key in turn, ten times a millisecond, through steps of the plan, and settles every second request.
fn traffic(allocator: &mut Allocator, names: &[String], rounds: u64, from_ms: u64) -> (u64, u64) {
    let (mut admitted, mut refused) = (0, 0);
    for round in 0..rounds {
        let now = Timestamp::from_nanos((START_MS + from_ms) * 1_000_000 + round * 100_000);
        let demands = [Demand { resource: 0, cost: 1 + round % 3, estimated: round % 2 == 0 }];
        let request = Request {
            key: names[round as usize % names.len()].as_bytes(),
            class: [Class::Standard, Class::Critical, Class::Deferrable][round as usize % 3],
            demands: &demands,
            may_wait: false,
            partial: round % 5 == 0,
        };
        match allocator.decide(&request, now) {
            Decision::Admit(admission) => {
                admitted += 1;
                if let Some(receipt) = admission.receipt {
                    allocator.settle(receipt, &[(0, round % 5)], now);
                }
            }
            _ => refused += 1,
        }
    }
    (admitted, refused)
}

#[test]
fn a_request_allocates_nothing_whether_admitted_settled_or_refused() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let names: Vec<String> = (0..500).map(name).collect();
    let mut allocator = allocator();
    // Far less than is asked for.
    allocator.apply(&table(500, 2_000.0, 8_000).encode(), Timestamp::from_millis(START_MS)).unwrap();
    // The first requests name the keys and open their records; reports leave room for as many again.
    for second in 0..2 {
        traffic(&mut allocator, &names, 10_000, second * 1_000);
        allocator.report(1).unwrap();
        allocator.advance(Timestamp::from_millis(START_MS + second * 1_000 + 999));
    }
    let region = Region::new(GLOBAL);
    let (admitted, refused) = traffic(&mut allocator, &names, 30_000, 2_000);
    let stats = region.change();
    assert!(admitted > 3_000 && refused > 3_000, "{admitted} admitted, {refused} refused");
    assert_eq!((stats.allocations, stats.reallocations), (0, 0));
}

#[test]
fn a_request_allocates_nothing_in_a_crew_either() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let names: Vec<String> = (0..500).map(name).collect();
    let mut allocator = allocator();
    let cells: CrewCells = Arc::new(AtomicCells::new(1 + 1_024));
    allocator.join_crew(&cells, Crew { workers: 4, birth: Birth::First }, Timestamp::from_millis(START_MS));
    // Far less than is asked for.
    allocator.apply(&table(500, 2_000.0, 8_000).encode(), Timestamp::from_millis(START_MS)).unwrap();
    // The first requests name the keys and open their records; reports leave room for as many again.
    for second in 0..2 {
        traffic(&mut allocator, &names, 10_000, second * 1_000);
        allocator.report(1).unwrap();
        allocator.advance(Timestamp::from_millis(START_MS + second * 1_000 + 999));
    }
    let region = Region::new(GLOBAL);
    let (admitted, refused) = traffic(&mut allocator, &names, 30_000, 2_000);
    let stats = region.change();
    assert!(admitted > 3_000 && refused > 3_000, "{admitted} admitted, {refused} refused");
    assert_eq!((stats.allocations, stats.reallocations), (0, 0));
}

#[test]
fn a_key_with_its_plan_of_fifteen_steps_takes_few_bytes() {
    // Just below a power of two, so that growing vectors have little room to spare.
    const KEYS: usize = 131_000;
    /// A key's standard bucket lies within its entry.
    const STANDARD: usize = 32;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = |table: &Table| {
        let bytes = table.encode();
        let mut allocator = allocator();
        let region = Region::new(GLOBAL);
        allocator.apply(&bytes, Timestamp::from_millis(START_MS)).unwrap();
        let stats = region.change();
        (stats.bytes_allocated - stats.bytes_deallocated) / KEYS
    };
    let mut table = table(KEYS, 1e6, 1 << 30);
    let whole = taken(&table);
    table.keys.iter_mut().for_each(|key| key.grants.clear());
    let named_only = taken(&table);
    let own = whole - named_only + STANDARD;
    println!(
        "{own} bytes for buckets and plan, {whole} bytes in all, {named_only} of a key without a reservation"
    );
    assert!(own <= 128, "{own} bytes");
    assert!(whole <= 192, "{whole} bytes");
}
