//! What a lease saves, on one thread: spending what is held, asking cells in the memory of the process, a reserved bucket.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "benchmarks are not an interface"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tidegate_core::{
    Amount, Rate, Timestamp,
    lease::{Ask, AtomicCells, Birth, Broker, Course, Lease, SharedBucket, Terms},
    units::MicroRate,
};

fn rate(per_s: f64) -> Rate {
    Rate::from_micro_per_s(MicroRate::from_per_s(per_s))
}

fn terms(workers: u32) -> Terms {
    Terms {
        epoch: 1,
        step: 0,
        since: Timestamp::from_millis(1),
        capacity: rate(1e9),
        burst: Amount::from_tokens(1 << 40),
        reserved_rate: rate(5e8),
        reserved_depth: Amount::from_tokens(1 << 39),
        workers,
        birth: Birth::First,
    }
}

fn lease(criterion: &mut Criterion) {
    let ask = Ask { cost: Amount::from_tokens(1), keep: Amount::ZERO };
    // With a worker of very many nothing is leased.
    for (name, workers) in [("spend what is held", 1), ("ask for every request", u32::MAX)] {
        let (broker, mut lease, terms) =
            (Broker::new(AtomicCells::new(2), 1), Lease::default(), terms(workers));
        let mut nanos = 1_000_000_000;
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                nanos += 1_000;
                broker.draw(0, &mut lease, black_box(ask), &terms, Timestamp::from_nanos(nanos))
            });
        });
    }
    let (broker, mut lease, terms) = (Broker::new(AtomicCells::new(65), 1), Lease::default(), terms(1));
    let steps = [(rate(1e8), Amount::from_tokens(1 << 30))];
    let start = Timestamp::from_millis(1);
    let course = Course { reserved_since: start, starts_at: start, step_ns: u64::MAX, steps: &steps };
    let mut nanos = 1_000_000_000;
    criterion.bench_function("draw on a reserved bucket", |bencher| {
        bencher.iter(|| {
            nanos += 1_000;
            let bucket = SharedBucket { name: 7, course };
            broker.draw_reserved(
                0,
                &mut lease,
                &bucket,
                black_box(ask.cost),
                &terms,
                Timestamp::from_nanos(nanos),
            )
        });
    });
}

criterion_group!(benches, lease);
criterion_main!(benches);
