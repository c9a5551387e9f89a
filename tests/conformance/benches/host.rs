//! The component behind a gate, called directly and by the component model, beside the core in native code and `governor`'s keyed
//! limiter on the same keys in the same run.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "benchmarks are not an interface"
)]

use std::{
    env, fs,
    hint::black_box,
    num::NonZeroU32,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use governor::{Quota, RateLimiter};
use tidegate_conformance::plenty;
use tidegate_core::{
    Allocator, Class, Decision, Demand, Request as CoreRequest, ResourceSetup, SafeBudget, Setup,
    Timestamp as CoreTime,
    table::{Contract, Table},
    units::MicroRate,
};
use tidegate_host::{Budget, Component, Gate, Key, Request, Timestamp};

const START_MS: u64 = 1_767_225_600_000;
const COUNTS: [(usize, &str); 2] = [(1_000, "1000 hot keys"), (1_000_000, "1000000 random keys")];
const BATCH: usize = 64;
const PLENTY: Budget = Budget { per_s: 5e8, burst: 1 << 39 };

fn bytes() -> Vec<u8> {
    let file = env::var_os("TIDEGATE_COMPONENT").expect("`cargo xtask bench host` builds the component");
    fs::read(file).unwrap()
}

fn component() -> Component {
    Component::from_bytes(&bytes()).unwrap()
}

fn canonical() -> Component {
    Component::canonical_from_bytes(&bytes()).unwrap()
}

fn gate(component: &Component, shards: u16) -> Gate {
    let builder = Gate::builder().component(component).resource("requests", PLENTY).shards(shards);
    builder.build(Timestamp::from_millis(START_MS)).unwrap()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|key| format!("customer-{key:08}")).collect()
}

/// Visits positions below `count` in no order that a prefetcher knows.
fn next(at: &mut u64, count: usize) -> usize {
    *at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    ((*at >> 33) as usize) % count
}

fn allocator() -> Allocator {
    let safe = Some(SafeBudget { capacity: MicroRate::from_per_s(PLENTY.per_s), burst: PLENTY.burst });
    let setup = Setup {
        resources: vec![ResourceSetup { name: "requests".into(), safe }],
        max_unknown_keys: 1_000_000,
        max_receipts: 100_000,
        max_waiting: 1_024,
        receipt_ttl_ms: 900_000,
        report_interval_ms: 10_000,
    };
    Allocator::new(setup, CoreTime::from_millis(START_MS))
}

fn decide_native(allocator: &mut Allocator, name: &str, now: u64) -> Decision {
    let demands = [Demand { resource: 0, cost: 1, estimated: false }];
    let (key, class, demands) = (name.as_bytes(), Class::Standard, &demands[..]);
    let request = CoreRequest { key, class, demands, may_wait: false, partial: false };
    allocator.decide(&request, CoreTime::from_nanos(now))
}

fn native(criterion: &mut Criterion) {
    for (count, label) in COUNTS {
        let names = names(count);
        let mut allocator = allocator();
        let mut decide = |name: &str, now: u64| decide_native(&mut allocator, name, now);
        let (mut now, mut at) = (START_MS * 1_000_000, 1);
        for name in &names {
            let _ = black_box(decide(name, now));
        }
        criterion.bench_function(&format!("native decide/{label}"), |bencher| {
            bencher.iter(|| {
                now += 1_000;
                black_box(decide(&names[next(&mut at, count)], now))
            });
        });
        let limiter = RateLimiter::keyed(Quota::per_second(NonZeroU32::new(1_000_000).unwrap()));
        names.iter().for_each(|name| limiter.check_key(name).unwrap());
        criterion.bench_function(&format!("host governor/{label}"), |bencher| {
            bencher.iter(|| black_box(limiter.check_key(&names[next(&mut at, count)]).is_ok()));
        });
    }
}

/// The same policy by plain functions of its core module, as a gate calls it, and by the component model.
fn decide(criterion: &mut Criterion) {
    decide_by(criterion, "gate", &component());
    decide_by(criterion, "component model", &canonical());
}

fn decide_by(criterion: &mut Criterion, way: &str, component: &Component) {
    // What any call into the policy costs, whatever it does.
    let idle = gate(component, 1);
    criterion.bench_function(&format!("{way} call without work"), |bencher| {
        bencher.iter(|| idle.set_report_interval(black_box(10_000)));
    });
    for (count, label) in COUNTS {
        let gate = gate(component, 1);
        let keys: Vec<Key> = names(count).iter().map(|name| gate.key(name)).collect();
        let (mut now, mut at) = (START_MS * 1_000_000, 1);
        for some in keys.chunks(1_000) {
            let requests: Vec<Request<'_>> = some.iter().map(Request::new).collect();
            black_box(gate.decide_batch(&requests, Timestamp::from_nanos(now)));
        }
        criterion.bench_function(&format!("{way} decide/{label}"), |bencher| {
            bencher.iter(|| {
                now += 1_000;
                let request = Request::new(&keys[next(&mut at, count)]);
                black_box(gate.decide(&request, Timestamp::from_nanos(now)))
            });
        });
        // A batch counts as 64 decisions.
        criterion.bench_function(&format!("{way} batch of 64/{label}"), |bencher| {
            bencher.iter_custom(|decisions| {
                let batches = decisions.div_ceil(BATCH as u64);
                let started = Instant::now();
                for _ in 0..batches {
                    now += 64_000;
                    let requests: [Request<'_>; BATCH] =
                        std::array::from_fn(|_| Request::new(&keys[next(&mut at, count)]));
                    black_box(gate.decide_batch(&requests, Timestamp::from_nanos(now)));
                }
                started.elapsed().mul_f64(decisions as f64 / (batches * BATCH as u64) as f64)
            });
        });
        assert_eq!(gate.metrics().unavailable, 0, "every answer was the policy's");
    }
}

fn admit(criterion: &mut Criterion) {
    admit_by(criterion, "gate", &component());
    admit_by(criterion, "component model", &canonical());
}

fn admit_by(criterion: &mut Criterion, way: &str, component: &Component) {
    let configuration = r#"{"mode": "enforce", "key": [{"header": "x-customer"}],
        "resources": {"requests": {"safe_capacity_per_s": 500000000}}, "response_headers": true}"#;
    let builder = Gate::builder().component(component).configuration(configuration);
    let gate = builder.build(Timestamp::from_millis(START_MS)).unwrap();
    let names = names(1_000);
    let (mut now, mut at) = (START_MS * 1_000_000, 1);
    criterion.bench_function(&format!("{way} admit/1000 hot keys"), |bencher| {
        bencher.iter(|| {
            now += 1_000;
            let name = &names[next(&mut at, 1_000)];
            let find = |header: &str| (header == "x-customer").then_some(name.as_bytes());
            black_box(gate.admit(find, Timestamp::from_nanos(now)))
        });
    });
}

/// Nanoseconds from one decision of a thread to its next, while others decide too: by gates, by native code behind one lock, and by
/// `governor`.
fn threads(criterion: &mut Criterion) {
    let component = component();
    let names = names(1_000);
    for (count, shards) in [(1, 1), (2, 1), (2, 2), (2, 8), (4, 1), (4, 4)] {
        let gate = gate(&component, shards);
        let keys: Vec<Key> = names.iter().map(|name| gate.key(name)).collect();
        together(criterion, &format!("gate threads/{count} threads, {shards} shards"), count, |key, now| {
            let _ = black_box(gate.decide(&Request::new(&keys[key]), Timestamp::from_nanos(now)));
        });
    }
    for count in [2, 4] {
        let locked = Mutex::new(allocator());
        together(criterion, &format!("native threads/{count} threads"), count, |key, now| {
            let _ = black_box(decide_native(&mut locked.lock().unwrap(), &names[key], now));
        });
        let limiter = RateLimiter::keyed(Quota::per_second(NonZeroU32::new(1_000_000).unwrap()));
        together(criterion, &format!("governor threads/{count} threads"), count, |key, _| {
            let _ = black_box(limiter.check_key(&names[key]));
        });
    }
}

/// Threads that ask for keys in no order.
fn together(criterion: &mut Criterion, id: &str, count: u64, decide: impl Fn(usize, u64) + Sync) {
    let decide = &decide;
    let work = move |worker: u64, decisions: u64| {
        let (mut at, mut now) = (worker + 1, START_MS * 1_000_000);
        let started = Instant::now();
        for _ in 0..decisions {
            now += 1_000;
            decide(next(&mut at, 1_000), now);
        }
        started.elapsed()
    };
    criterion.bench_function(id, |bencher| {
        bencher.iter_custom(|decisions| {
            let took: Vec<Duration> = thread::scope(|scope| {
                let workers: Vec<_> =
                    (0..count).map(|worker| scope.spawn(move || work(worker, decisions))).collect();
                workers.into_iter().map(|worker| worker.join().unwrap()).collect()
            });
            took.iter().sum::<Duration>() / count as u32
        });
    });
}

fn build(criterion: &mut Criterion) {
    let component = component();
    criterion.bench_function("gate build", |bencher| bencher.iter(|| black_box(gate(&component, 1))));
    let names = names(100_000);
    let table = table(&names).encode();
    let mut group = criterion.benchmark_group("gate table");
    group.sample_size(10);
    group.bench_function("100000 keys, first table", |bencher| {
        let apply = |gate: Gate| gate.apply_table(&table, Timestamp::from_millis(START_MS)).unwrap();
        bencher.iter_batched(|| gate(&component, 1), apply, BatchSize::PerIteration);
    });
}

fn table(names: &[String]) -> Table {
    let all = Contract { rate: MicroRate::from_per_s(PLENTY.per_s), burst: PLENTY.burst };
    plenty(names, START_MS, all, None)
}

criterion_group!(benches, native, decide, admit, threads, build);
criterion_main!(benches);
