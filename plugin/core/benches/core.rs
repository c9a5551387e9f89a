//! Hot paths of the core, on one thread, beside `governor`'s keyed limiter on the same keys in the same run.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "benchmarks are not an interface"
)]

use std::{hint::black_box, num::NonZeroU32};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use governor::{Quota, RateLimiter};
use tidegate_core::{
    Allocator, Class, Decision, Demand, KeyHash, Progress, Request, ResourceSetup, SafeBudget, Setup,
    Timestamp,
    table::{Contract, DrawOrder, Forecast, Grant, Key, Reservation, Resource, Schedule, Table, Tier},
    units::MicroRate,
};

const START_MS: u64 = 1_767_225_600_000;
const STEPS: u16 = 15;
const REPORT_INTERVAL_MS: u64 = 10_000;
/// Keys installed at a time, as the shells do it.
const SLICE: u32 = 1_000;

type Name = [u8; 17];

fn names(keys: usize) -> Vec<Name> {
    (0..keys).map(|key| format!("customer-{key:08}").into_bytes().try_into().unwrap()).collect()
}

/// A table in which every key owns a reservation that changes from step to step.
fn table(names: &[Name], order: DrawOrder) -> Table {
    let steps: Vec<Reservation> = (0..STEPS)
        .map(|step| Reservation { rate: MicroRate::from_per_s(10.0 + f64::from(step)), depth: 10 })
        .collect();
    let key = |name: &Name| Key {
        hash: KeyHash::of(name),
        tier: 0,
        grants: vec![Grant {
            resource: 0,
            contract: Some(Contract { rate: MicroRate::from_per_s(1e6), burst: 1_000_000 }),
            reservations: Schedule::from_steps(&steps),
            forecast: Forecast { low: MicroRate::from_per_s(5.0), high: MicroRate::from_per_s(1e6) },
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
        draw_order: order,
        tiers: vec![Tier {
            name: "gold".into(),
            floor_permille: 100,
            contracts: vec![None],
            ..Tier::default()
        }],
        default_tier: 0,
        resources: vec![Resource {
            name: "requests".into(),
            capacity: MicroRate::from_per_s(5e8),
            burst: 1 << 39,
            safe_capacity: MicroRate::from_per_s(5e8),
            tier_reservations: vec![Schedule::default()],
            ..Resource::default()
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
        max_waiting: 1_000,
        receipt_ttl_ms: 60_000,
        report_interval_ms: REPORT_INTERVAL_MS as u32,
    };
    Allocator::new(setup, Timestamp::from_millis(START_MS))
}

/// Visits positions below `count` in no order that a prefetcher knows.
fn next(at: &mut u64, count: usize) -> usize {
    *at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    ((*at >> 33) as usize) % count
}

fn decide(criterion: &mut Criterion) {
    let orders = [(DrawOrder::PoolFirst, "pool-first"), (DrawOrder::ShadowFirst, "shadow-first")];
    for (count, label) in [(1_000, "1000 hot keys"), (1_000_000, "1000000 random keys")] {
        let names = names(count);
        for (order, order_name) in orders {
            let mut allocator = allocator();
            allocator.apply(&table(&names, order).encode(), Timestamp::from_millis(START_MS)).unwrap();
            let demands = [Demand { resource: 0, cost: 1, estimated: false }];
            let (mut now, mut at) = (START_MS * 1_000_000, 1);
            let mut report_at = now;
            criterion.bench_function(&format!("decide {order_name}/{label}"), |bencher| {
                bencher.iter(|| {
                    now += 1_000;
                    // A worker pays for its reports too.
                    if now >= report_at {
                        report_at += REPORT_INTERVAL_MS * 1_000_000;
                        black_box(allocator.report(1));
                    }
                    let key = names[next(&mut at, count)].as_slice();
                    let request = Request {
                        key,
                        class: Class::Standard,
                        demands: &demands,
                        may_wait: false,
                        partial: false,
                    };
                    black_box(allocator.decide(&request, Timestamp::from_nanos(now)))
                });
            });
        }
        let quota = Quota::per_second(NonZeroU32::new(1_000_000).unwrap());
        let limiter = RateLimiter::keyed(quota);
        for name in &names {
            limiter.check_key(name).unwrap();
        }
        let mut at = 1;
        criterion.bench_function(&format!("governor keyed/{label}"), |bencher| {
            bencher.iter(|| black_box(limiter.check_key(&names[next(&mut at, count)]).is_ok()));
        });
    }
}

/// Refusing, which says when to come again, must not cost more than admitting: it is what a flood is answered with.
fn refuse(criterion: &mut Criterion) {
    let names = names(1_000);
    let mut allocator = allocator();
    let mut table = table(&names, DrawOrder::PoolFirst);
    table.resources[0].capacity = MicroRate::from_per_s(25_000.0);
    table.resources[0].burst = 20_000;
    for key in &mut table.keys {
        key.grants[0].contract = None;
    }
    allocator.apply(&table.encode(), Timestamp::from_millis(START_MS)).unwrap();
    let demands = [Demand { resource: 0, cost: 1, estimated: false }];
    let (mut now, mut at) = (START_MS * 1_000_000, 1);
    criterion.bench_function("refuse/1000 hot keys", |bencher| {
        bencher.iter(|| {
            // Ten times more than there is.
            now += 4_000;
            let key = names[next(&mut at, 1_000)].as_slice();
            let request =
                Request { key, class: Class::Standard, demands: &demands, may_wait: false, partial: false };
            black_box(allocator.decide(&request, Timestamp::from_nanos(now)))
        });
    });
}

fn settle(criterion: &mut Criterion) {
    let names = names(1_000);
    let mut allocator = allocator();
    let table = table(&names, DrawOrder::PoolFirst);
    allocator.apply(&table.encode(), Timestamp::from_millis(START_MS)).unwrap();
    let demands = [Demand { resource: 0, cost: 100, estimated: true }];
    let (mut now, mut at) = (START_MS * 1_000_000, 1);
    criterion.bench_function("decide and settle/1000 hot keys", |bencher| {
        bencher.iter(|| {
            now += 1_000;
            let key = names[next(&mut at, 1_000)].as_slice();
            let request =
                Request { key, class: Class::Standard, demands: &demands, may_wait: false, partial: false };
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
    let names = names(100_000);
    let bytes = table(&names, DrawOrder::PoolFirst).encode();
    let mut later = table(&names, DrawOrder::PoolFirst);
    later.epoch = 2;
    let later = later.encode();
    let now = Timestamp::from_millis(START_MS);
    let mut group = criterion.benchmark_group("apply");
    group.sample_size(10);
    group.bench_function("100000 keys, first table", |bencher| {
        bencher.iter_batched(
            allocator,
            |mut allocator| allocator.apply(&bytes, now).unwrap(),
            BatchSize::PerIteration,
        );
    });
    let ready = || {
        let mut allocator = allocator();
        allocator.apply(&bytes, now).unwrap();
        allocator
    };
    group.bench_function("100000 keys, next table", |bencher| {
        bencher.iter_batched(
            ready,
            |mut allocator| {
                allocator.apply(&later, now).unwrap();
                allocator
            },
            BatchSize::PerIteration,
        );
    });
    // The longest of all slices, beginnings and ends included.
    group.bench_function("100000 keys, longest slice", |bencher| {
        bencher.iter_custom(|rounds| {
            let pause = |_| {
                let (mut allocator, bytes) = (ready(), later.clone());
                let began = std::time::Instant::now();
                allocator.stage(bytes, now).unwrap();
                let mut longest = began.elapsed();
                loop {
                    let began = std::time::Instant::now();
                    let progress = allocator.install(SLICE, now);
                    longest = longest.max(began.elapsed());
                    if progress != Progress::Working {
                        break longest;
                    }
                }
            };
            (0..rounds).map(pause).sum()
        });
    });
    group.finish();
}

criterion_group!(benches, decide, refuse, settle, apply);
criterion_main!(benches);
