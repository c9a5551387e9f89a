//! Hot paths of the core, on one thread: decide on few and on many keys, settle, report, apply.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "benchmarks are not an interface"
)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tidegate_core::{
    Allocator, Class, Decision, Demand, KeyHash, Request, ResourceSetup, SafeBudget, Setup, Timestamp,
    table::{Contract, DrawOrder, Grant, Key, Reservation, Resource, Table, Tier},
    units::MicroRate,
};

const START_MS: u64 = 1_767_225_600_000;
const STEPS: u16 = 15;

fn names(keys: usize) -> Vec<Vec<u8>> {
    (0..keys).map(|key| format!("customer-{key:08}").into_bytes()).collect()
}

/// A table in which every key owns a reservation, and the pool is large enough that nothing is refused.
fn table(names: &[Vec<u8>]) -> Table {
    let per_key = Reservation { rate: MicroRate::from_per_s(10.0), depth: 10 };
    let key = |name: &Vec<u8>| Key {
        hash: KeyHash::of(name),
        tier: 0,
        grants: vec![Grant {
            resource: 0,
            contract: Some(Contract { rate: MicroRate::from_per_s(1e6), burst: 1_000_000 }),
            reservations: vec![per_key; usize::from(STEPS)],
        }],
    };
    Table {
        epoch: 1,
        base_epoch: 0,
        removed: Vec::new(),
        starts_at_ms: START_MS,
        step_ms: 60_000,
        steps: STEPS,
        valid_until_ms: START_MS + 3_600_000,
        draw_order: DrawOrder::ShadowFirst,
        tiers: vec![Tier {
            name: "gold".into(),
            floor_permille: 100,
            max_delay_ms: 0,
            contracts: vec![None],
        }],
        default_tier: 0,
        resources: vec![Resource {
            name: "requests".into(),
            capacity: MicroRate::from_per_s(5e8),
            burst: 1 << 39,
            safe_capacity: MicroRate::from_per_s(5e8),
            tier_reservations: vec![vec![Reservation::default(); usize::from(STEPS)]],
        }],
        keys: names.iter().map(key).collect(),
    }
}

fn allocator() -> Allocator {
    let safe = Some(SafeBudget { capacity: MicroRate::from_per_s(5e8), burst: 1 << 39 });
    let setup = Setup {
        resources: vec![ResourceSetup { name: "requests".into(), safe }],
        max_unknown_keys: 1_000,
        max_receipts: 100_000,
        receipt_ttl_ms: 60_000,
        report_interval_ms: 10_000,
    };
    Allocator::new(setup, Timestamp::from_millis(START_MS))
}

fn decide(criterion: &mut Criterion) {
    for keys in [1_000, 100_000] {
        let names = names(keys);
        let mut allocator = allocator();
        allocator.apply(&table(&names).encode(), Timestamp::from_millis(START_MS)).unwrap();
        let demands = [Demand { resource: 0, cost: 1, estimated: false }];
        let (mut now, mut at) = (START_MS * 1_000_000, 0);
        criterion.bench_function(&format!("decide/{keys} keys"), |bencher| {
            bencher.iter(|| {
                // A stride that visits the keys in no order.
                at = (at + 7_919) % keys;
                now += 1_000;
                let request =
                    Request { key: &names[at], class: Class::Standard, demands: &demands, may_wait: false };
                black_box(allocator.decide(&request, Timestamp::from_nanos(now)))
            });
        });
        allocator.report(1);
    }
}

fn settle(criterion: &mut Criterion) {
    let names = names(1_000);
    let mut allocator = allocator();
    allocator.apply(&table(&names).encode(), Timestamp::from_millis(START_MS)).unwrap();
    let demands = [Demand { resource: 0, cost: 100, estimated: true }];
    let (mut now, mut at) = (START_MS * 1_000_000, 0);
    criterion.bench_function("decide and settle/1000 keys", |bencher| {
        bencher.iter(|| {
            at = (at + 7_919) % names.len();
            now += 1_000;
            let request =
                Request { key: &names[at], class: Class::Standard, demands: &demands, may_wait: false };
            let decision = allocator.decide(&request, Timestamp::from_nanos(now));
            if let Decision::Admit(admission) = decision
                && let Some(receipt) = admission.receipt
            {
                black_box(allocator.settle(receipt, &[(0, 90)], Timestamp::from_nanos(now + 500)));
            }
        });
    });
}

fn apply(criterion: &mut Criterion) {
    let bytes = table(&names(100_000)).encode();
    println!("table of 100,000 keys: {} bytes", bytes.len());
    let mut group = criterion.benchmark_group("apply");
    group.sample_size(10);
    group.bench_function("100000 keys, first time", |bencher| {
        bencher.iter_batched(
            allocator,
            |mut allocator| allocator.apply(&bytes, Timestamp::from_millis(START_MS)).unwrap(),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, decide, settle, apply);
criterion_main!(benches);
