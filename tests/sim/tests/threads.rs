//! Real threads on the cells of one process: nothing is torn, nothing is minted.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tidegate_core::{
    Amount, Rate, Timestamp,
    lease::{Ask, AtomicCells, Birth, Broker, Cells, Lease, RECORD_WORDS, Terms},
    units::MicroRate,
};

const THREADS: usize = 4;

#[test]
fn records_are_never_torn_and_no_write_is_lost() {
    const ROUNDS: u64 = 20_000;
    let cells = Arc::new(AtomicCells::new(1));
    let count = |cells: &AtomicCells| {
        let mut done = 0;
        while done < ROUNDS {
            let (record, version) = cells.load(0);
            assert!(record.iter().all(|word| *word == record[0]), "a torn record: {record:?}");
            if cells.store(0, &[record[0] + 1; RECORD_WORDS], version) {
                done += 1;
            }
        }
    };
    thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(|| count(&cells)))));
    assert_eq!(cells.load(0).0[0], ROUNDS * THREADS as u64);
}

#[test]
fn conservation_under_real_contention() {
    let per_s = 20_000.0;
    let burst = 500;
    let terms = Terms {
        epoch: 1,
        step: 0,
        since: Timestamp::default(),
        capacity: Rate::from_micro_per_s(MicroRate::from_per_s(per_s)),
        burst: Amount::from_tokens(burst),
        reserved_rate: Rate::ZERO,
        reserved_depth: Amount::ZERO,
        workers: THREADS as u32,
        birth: Birth::First,
    };
    let cells = AtomicCells::new(1);
    let start = Instant::now();
    // The broker's clock, a minute after its epoch.
    let now = || Timestamp::from_millis(60_000).plus(start.elapsed().as_nanos() as u64);
    let work = || {
        let broker = Broker::new(&cells, 1);
        let mut lease = Lease::default();
        let mut admitted = 0_u64;
        while start.elapsed() < Duration::from_millis(400) {
            let ask = Ask { cost: Amount::from_tokens(1), keep: Amount::ZERO };
            admitted += u64::from(broker.draw(0, &mut lease, ask, &terms, now()));
        }
        broker.give_back(0, &mut lease, &terms, now());
        admitted
    };
    let admitted: u64 = thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    let bound = per_s * start.elapsed().as_secs_f64() + burst as f64;
    assert!(admitted as f64 <= bound, "{admitted} admitted, {bound} are allowed");
    assert!(admitted as f64 >= 0.9 * (per_s * 0.4), "{admitted} admitted of {bound}");
}
