//! Real threads on the cells of one process: nothing is torn, nothing is minted.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tidegate_core::{
    Allocator, Amount, Class, Crew, CrewCells, Decision, Demand, KeyHash, Rate, Request, ResourceSetup,
    SafeBudget, Setup, Timestamp,
    lease::{Ask, AtomicCells, Birth, Broker, Cells, Lease, RECORD_WORDS, Terms},
    table::{DrawOrder, Forecast, Grant, Key, Reservation, Resource, Schedule, Table, Tier},
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

/// Allocators that are threads: one reserves and keeps to it, all are flooded.
#[test]
fn conservation_and_guarantee_of_a_crew_under_real_contention() {
    let (per_s, burst, reserved_per_s) = (20_000.0, 2_000_u64, 200.0);
    let cells: CrewCells = Arc::new(AtomicCells::new(1 + 256));
    let table = table(per_s, burst, reserved_per_s).encode();
    let start = Instant::now();
    let now = || Timestamp::from_millis(60_000).plus(start.elapsed().as_nanos() as u64);
    let work = |name: String| {
        let mut worker = Allocator::new(setup(per_s, burst), now());
        worker.join_crew(&cells, Crew { workers: THREADS as u32, birth: Birth::First }, now());
        worker.apply(&table, now()).unwrap();
        let mut ask = |key: &str| {
            let demands = [Demand { resource: 0, cost: 1, estimated: false }];
            let key = key.as_bytes();
            let request =
                Request { key, class: Class::Standard, demands: &demands, may_wait: false, partial: false };
            matches!(worker.decide(&request, now()), Decision::Admit(_))
        };
        let (mut admitted, mut broken, mut own) = (0_u64, 0_u64, 0_u64);
        while start.elapsed() < Duration::from_millis(600) {
            admitted += u64::from(ask(&name));
            // Its part of what is reserved, from when the bucket has filled.
            let due = start.elapsed().saturating_sub(Duration::from_millis(300)).as_secs_f64();
            if (own as f64) < due * reserved_per_s / THREADS as f64 {
                own += 1;
                let passes = ask("acme");
                admitted += u64::from(passes);
                broken += u64::from(!passes);
            }
        }
        worker.give_leases_back(now());
        (admitted, broken, own)
    };
    let results: Vec<(u64, u64, u64)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|number| {
                scope.spawn({
                    let work = &work;
                    move || work(format!("flood-{number}"))
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let admitted: u64 = results.iter().map(|(admitted, ..)| admitted).sum();
    let bound = per_s * start.elapsed().as_secs_f64() + burst as f64;
    assert!(admitted as f64 <= bound, "{admitted} admitted, {bound} are allowed");
    assert!(admitted as f64 >= 0.9 * (per_s * 0.6), "{admitted} admitted of {bound}");
    assert!(results.iter().all(|(_, broken, own)| *broken == 0 && *own > 0), "{results:?}");
}

fn setup(per_s: f64, burst: u64) -> Setup {
    let safe = Some(SafeBudget { capacity: MicroRate::from_per_s(per_s), burst });
    Setup {
        resources: vec![ResourceSetup { name: "requests".into(), safe }],
        max_unknown_keys: 16,
        max_receipts: 16,
        max_waiting: 0,
        receipt_ttl_ms: 60_000,
        report_interval_ms: 60_000,
    }
}

fn table(per_s: f64, burst: u64, reserved_per_s: f64) -> Table {
    let own = Reservation { rate: MicroRate::from_per_s(reserved_per_s), depth: 50 };
    Table {
        epoch: 1,
        base_epoch: 0,
        removed: Vec::new(),
        starts_at_ms: 60_000,
        step_ms: 600_000,
        steps: 1,
        valid_until_ms: 660_000,
        draw_order: DrawOrder::PoolFirst,
        tiers: vec![Tier { name: "gold".into(), contracts: vec![None], ..Tier::default() }],
        default_tier: 0,
        resources: vec![Resource {
            name: "requests".into(),
            capacity: MicroRate::from_per_s(per_s),
            burst,
            safe_capacity: MicroRate::from_per_s(per_s),
            tier_reservations: vec![Schedule::default()],
            ..Resource::default()
        }],
        keys: vec![Key {
            hash: KeyHash::of(b"acme"),
            tier: 0,
            grants: vec![Grant {
                resource: 0,
                contract: None,
                reservations: Schedule::constant(own, 1),
                forecast: Forecast::default(),
            }],
        }],
    }
}
