//! Workers of a crew: together they are one allocator, whoever of them is asked.

mod properties;

use std::sync::{Arc, RwLock};

use super::*;
use crate::lease::{AtomicCells, Birth, Cells, Record, Version};

/// Cells that can be lost.
pub(super) struct Losable(RwLock<AtomicCells>);

const CELLS: u32 = 1 + 512;

impl Losable {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(RwLock::new(AtomicCells::new(CELLS))))
    }

    pub(super) fn lose(&self) {
        *self.0.write().unwrap() = AtomicCells::new(CELLS);
    }
}

impl Cells for Losable {
    fn count(&self) -> u32 {
        CELLS
    }

    fn load(&self, cell: u32) -> (Record, Version) {
        self.0.read().unwrap().load(cell)
    }

    fn store(&self, cell: u32, record: &Record, loaded: Version) -> bool {
        self.0.read().unwrap().store(cell, record, loaded)
    }
}

/// A worker of a crew of so many, with the given budget until there is a table.
pub(super) fn worker(
    per_s: f64,
    burst: u64,
    workers: u32,
    birth: Birth,
    cells: &Arc<Losable>,
    now: Timestamp,
) -> Allocator {
    let cells: CrewCells = Arc::<Losable>::clone(cells);
    let mut worker = allocator(per_s, burst);
    worker.join_crew(&cells, Crew { workers, birth }, now);
    worker
}

/// A crew of so many with a table of 100 tokens/s and burst 100, changed as said.
fn crew(workers: u32, change: impl FnOnce(&mut Table)) -> (Vec<Allocator>, Arc<Losable>, Table) {
    let cells = Losable::new();
    let mut table = table(100.0, 100, 60);
    (table.step_ms, table.valid_until_ms) = (1_000_000, START_MS + 60_000_000);
    change(&mut table);
    let make = |_| worker(100.0, 100, workers, Birth::First, &cells, start());
    let mut crew: Vec<Allocator> = (0..workers).map(make).collect();
    for worker in &mut crew {
        worker.apply(&table.encode(), start()).unwrap();
    }
    (crew, cells, table)
}

/// How many requests of cost 1 the workers admit in turn at one instant.
fn flood_all(crew: &mut [Allocator], key: &str, rounds: usize, now: Timestamp) -> usize {
    (0..rounds).map(|_| crew.iter_mut().map(|worker| flood(worker, key, 1, now)).sum::<usize>()).sum()
}

#[test]
fn a_burst_is_there_for_whichever_worker_is_asked_and_once() {
    let (mut crew, ..) = crew(4, |_| {});
    assert_eq!(flood(&mut crew[2], "x", 1_000, start()), 70, "above bronze's floor");
    assert_eq!(flood_all(&mut crew, "x", 100, start()), 0);
    let critical = |worker: &mut Allocator| {
        (0..100).filter(|_| admitted(&ask_as(worker, "x", 1, Class::Critical, start()))).count()
    };
    assert_eq!(critical(&mut crew[0]), 30);
    assert_eq!(critical(&mut crew[3]), 0);
}

#[test]
fn a_refusal_says_when_to_come_again_and_a_refused_request_debits_nothing() {
    let (mut crew, ..) = crew(2, |table| table.tiers[1].floor_permille = 0);
    assert!(!admitted(&ask(&mut crew[1], "x", 101, start())));
    assert_eq!(flood(&mut crew[0], "x", 1_000, start()), 100);
    let Decision::Refuse(refusal) = ask(&mut crew[1], "x", 3, start()) else { panic!("admitted") };
    let retry = refusal.retry_after_ns.unwrap();
    assert!((29_900_000..30_100_000).contains(&retry), "{retry}");
    assert!(!admitted(&ask(&mut crew[0], "x", 3, after(retry - 1))));
    assert!(admitted(&ask(&mut crew[1], "x", 3, after(retry))));
    let Decision::Refuse(never) = ask(&mut crew[1], "x", 101, after(retry)) else { panic!("admitted") };
    assert_eq!(never.retry_after_ns, None);
}

#[test]
fn a_reserved_bucket_is_whole_for_every_worker() {
    let (mut crew, ..) = crew(4, |table| {
        table.keys.push(key("acme", 0, None, reservation(20.0, 40), 60));
        table.resources[0].tier_reservations[0] = Schedule::constant(reservation(10.0, 10), 60);
    });
    // Both are filled by then, the pool of 50 with them.
    let now = after(10 * SECOND);
    flood_all(&mut crew, "x", 100, now);
    let one = |worker: &mut Allocator, name, cost| {
        let decision = ask(worker, name, cost, now);
        matches!(decision, Decision::Admit(Admission { source: Source::Guaranteed, .. }))
    };
    while admitted(&ask_as(&mut crew[0], "x", 1, Class::Critical, now)) {}
    assert!(one(&mut crew[1], "acme", 25));
    assert!(!one(&mut crew[2], "acme", 16));
    assert!(one(&mut crew[3], "acme", 15));
    assert_eq!(flood_all(&mut crew, "acme", 10, now), 0);
    // The emergency of others is not its own; a tick later it has what refill brought.
    let later = after(10 * SECOND + SECOND / 2);
    assert_eq!(flood(&mut crew[0], "acme", 10, later).min(10), 10, "half a second of 20/s");
}

#[test]
fn a_refund_returns_to_the_bucket_that_paid_whichever_worker_settles_first() {
    let (mut crew, ..) = crew(2, |table| {
        table.draw_order = DrawOrder::ShadowFirst;
        table.keys.push(key("acme", 0, None, reservation(20.0, 40), 60));
    });
    let now = after(10 * SECOND);
    let Decision::Admit(admission) = ask_estimate(&mut crew[0], "acme", 30, now) else { panic!("refused") };
    assert_eq!(admission.source, Source::Guaranteed);
    while admitted(&ask_as(&mut crew[1], "x", 1, Class::Critical, now)) {}
    assert!(!admitted(&ask(&mut crew[1], "acme", 11, now)));
    assert!(crew[0].settle(admission.receipt.unwrap(), &[(0, 5)], now));
    // Known within ten milliseconds.
    let then = now.plus(10_000_000);
    assert!(admitted(&ask(&mut crew[1], "acme", 30, then)), "ten were left, 25 have come back");
}

#[test]
fn a_contract_is_one_for_all_workers() {
    let (mut crew, ..) = crew(4, |table| {
        table.tiers[0].borrow = false;
        table.keys.push(key("acme", 0, contract(1.0, 12), Reservation::default(), 60));
    });
    assert_eq!(flood_all(&mut crew, "acme", 50, start()), 12);
    let Decision::Refuse(refusal) = ask(&mut crew[1], "acme", 1, start()) else { panic!("admitted") };
    assert_eq!(refusal.reason, Reason::Contract);
    let retry = refusal.retry_after_ns.unwrap();
    assert!((999_000_000..1_001_000_000).contains(&retry), "{retry}");
    assert!(admitted(&ask(&mut crew[3], "acme", 1, after(retry))));
}

#[test]
fn a_contract_that_did_not_matter_in_plenty_is_known_to_all_in_scarcity() {
    let (mut crew, ..) = crew(4, |table| {
        table.keys.push(key("acme", 0, contract(1.0, 8), Reservation::default(), 60));
    });
    // 70 above the highest floor, of which each worker tells all but half a token.
    assert_eq!(flood_all(&mut crew, "acme", 50, start()), 70);
    let Decision::Refuse(refusal) = ask(&mut crew[1], "acme", 1, start()) else { panic!("admitted") };
    assert_eq!(refusal.reason, Reason::Contract);
}

#[test]
fn the_emergency_pool_is_one_for_all_workers() {
    let (mut crew, ..) = crew(3, |table| {
        table.resources[0].emergency = Schedule::constant(reservation(5.0, 20), 60);
        table.resources[0].emergency_key_permille = 1000;
    });
    let now = after(10 * SECOND);
    let drain = |worker: &mut Allocator| {
        let mut sources = Vec::new();
        while let Decision::Admit(admission) = ask_as(worker, "x", 1, Class::Critical, now) {
            sources.push(admission.source);
        }
        sources.iter().filter(|source| **source == Source::Emergency).count()
    };
    let drawn: Vec<usize> = crew.iter_mut().map(drain).collect();
    assert_eq!(drawn, [20, 0, 0]);
}

#[test]
fn several_resources_are_all_or_nothing_in_a_crew() {
    let cells: CrewCells = Arc::new(AtomicCells::new(64));
    let safe = |burst| Some(SafeBudget { capacity: MicroRate::from_per_s(1.0), burst });
    let resources = [("requests", 10), ("llm_tokens", 100)]
        .map(|(name, burst)| ResourceSetup { name: String::from(name), safe: safe(burst) });
    let setup = Setup {
        resources: resources.to_vec(),
        max_unknown_keys: 10,
        max_receipts: 10,
        max_waiting: 10,
        receipt_ttl_ms: 1_000,
        report_interval_ms: 1_000,
    };
    let mut crew: Vec<Allocator> = (0..2)
        .map(|_| {
            let mut worker = Allocator::new(setup.clone(), start());
            worker.join_crew(&cells, Crew { workers: 2, birth: Birth::First }, start());
            worker
        })
        .collect();
    let decide = |worker: &mut Allocator, tokens| {
        let demand = |resource, cost| Demand { resource, cost, estimated: resource == 1 };
        let demands = [demand(0, 1), demand(1, tokens)];
        let request =
            Request { key: b"a", class: Class::Standard, demands: &demands, may_wait: false, partial: false };
        admitted(&worker.decide(&request, start()))
    };
    // The other worker has all of one resource, which this one learns when it pays for the second.
    assert!(decide(&mut crew[0], 1));
    assert!(decide(&mut crew[1], 99));
    assert_eq!((0..50).filter(|_| decide(&mut crew[0], 1)).count(), 0);
    crew[0].give_leases_back(start());
    let left = (0..50).filter(|_| {
        let demands = [Demand { resource: 0, cost: 1, estimated: false }];
        let request =
            Request { key: b"a", class: Class::Standard, demands: &demands, may_wait: false, partial: false };
        admitted(&crew[1].decide(&request, start()))
    });
    assert_eq!(left.count(), 8, "the refused ones took no request token");
}

#[test]
fn what_a_worker_took_along_comes_back_as_room_and_time_fills_it() {
    let (mut crew, cells, table) = crew(2, |table| table.tiers[1].floor_permille = 0);
    for tick in 0..20 {
        flood(&mut crew[0], "x", 2, after(tick * 2_000_000));
    }
    // It vanishes with what it holds.
    crew.remove(0);
    let now = after(SECOND);
    assert_eq!(flood(&mut crew[0], "x", 1_000, now), 100);
    let mut again = worker(100.0, 100, 2, Birth::First, &cells, now);
    again.apply(&table.encode(), now).unwrap();
    assert_eq!(flood(&mut again, "x", 1_000, now), 0, "who comes anew finds the books as they are");
    assert_eq!(flood(&mut again, "x", 1_000, after(SECOND * 3 / 2)), 50);
}

#[test]
fn leases_are_given_back_by_the_tick_or_at_the_end() {
    for ends in [false, true] {
        let (mut crew, ..) = crew(2, |table| table.tiers[1].floor_permille = 0);
        let busy = (0..50).map(|tick| flood(&mut crew[0], "x", 1, after(tick * 1_000_000))).sum::<usize>();
        assert_eq!(busy, 50);
        let now = after(SECOND / 20);
        if ends {
            crew[0].give_leases_back(now);
        } else {
            crew[0].advance(after(SECOND / 10));
        }
        let later = if ends { now } else { after(SECOND / 10) };
        let there = 100 - 50 + if ends { 5 } else { 10 };
        let got = flood(&mut crew[1], "x", 1_000, later);
        assert!((there - 1..=there).contains(&got), "{got} of {there}");
    }
}

#[test]
fn lost_books_begin_empty_for_who_has_seen_them() {
    let (mut crew, cells, _) = crew(2, |table| table.tiers[1].floor_permille = 0);
    assert_eq!(flood_all(&mut crew, "x", 10, start()), 20);
    cells.lose();
    let now = after(SECOND / 5);
    let at_once = flood_all(&mut crew, "x", 200, now);
    assert!(at_once <= 80 + 20, "what leases hold: {at_once}");
    let later = flood_all(&mut crew, "x", 200, after(SECOND * 7 / 10));
    assert!((35..=60).contains(&later), "half a second of refill: {later}");
}

#[test]
fn what_is_held_is_divided_and_nobody_takes_along_more_than_its_part() {
    let (mut crew, cells, table) = crew(4, |table| {
        table.resources[0].held = true;
        (table.resources[0].capacity, table.resources[0].burst) = (MicroRate(0), 12);
        table.resources[0].safe_capacity = MicroRate(0);
        table.tiers[1].floor_permille = 0;
        table.keys.push(key("acme", 0, None, reservation(0.0, 4), 60));
    });
    assert_eq!(flood_all(&mut crew, "x", 12, start()), 8, "each has two beside what is reserved");
    assert_eq!(flood(&mut crew[0], "acme", 9, start()), 1, "and one of that");
    let Decision::Admit(Admission { receipt: Some(receipt), .. }) = ask(&mut crew[1], "acme", 1, start())
    else {
        panic!("refused")
    };
    cells.lose();
    crew[3] = worker(100.0, 100, 4, Birth::Lost, &cells, after(SECOND));
    crew[3].apply(&table.encode(), after(SECOND)).unwrap();
    assert_eq!(flood(&mut crew[3], "x", 9, after(SECOND)), 2, "who comes in its place has the part anew");
    assert!(crew[1].settle(receipt, &[], after(SECOND)));
    assert!(admitted(&ask(&mut crew[1], "acme", 1, after(SECOND))), "it has come back");
    // Shared again by a table in which it is refilled.
    let mut rate = table;
    (rate.epoch, rate.resources[0].held) = (2, false);
    (rate.resources[0].capacity, rate.resources[0].burst) = (MicroRate::from_per_s(100.0), 100);
    let now = after(3 * SECOND);
    crew.iter_mut().for_each(|worker| assert_eq!(worker.apply(&rate.encode(), now), Ok(2)));
    assert_eq!(flood_all(&mut crew, "x", 100, now), 96, "the first books there are");
    assert_eq!(flood_all(&mut crew, "x", 100, after(7 * SECOND / 2)), 50);
}

#[test]
fn what_a_worker_gives_back_is_there_for_its_next_request() {
    let (mut crew, ..) = crew(1, |table| table.tiers[1].floor_permille = 0);
    // Of 100 tokens 30 are used, then 10: each estimate of 60 fits only if the one before was settled.
    for (step, (cost, actual)) in (0..).zip([(60, 30), (60, 10), (60, 0), (60, 60)]) {
        let now = after(step * 1_000_000);
        let Decision::Admit(Admission { receipt: Some(receipt), .. }) =
            ask_estimate(&mut crew[0], "x", cost, now)
        else {
            panic!("{cost} refused in step {step}")
        };
        assert!(crew[0].settle(receipt, &[(0, actual)], now));
    }
    assert!(!admitted(&ask(&mut crew[0], "x", 1, after(4_000_000))));
}

#[test]
fn a_contract_stands_as_all_workers_have_used_it_lately() {
    let (mut crew, ..) = crew(3, |table| {
        table.keys.push(key("acme", 0, contract(1.0, 40), Reservation::default(), 60));
    });
    let left = |worker: &mut Allocator, millis: u64| {
        let now = after(millis * 1_000_000);
        worker.standing(b"acme", 0, now).map(|standing| standing.left)
    };
    assert_eq!(left(&mut crew[0], 0), Some(40));
    for worker in &mut crew {
        assert_eq!(flood(worker, "acme", 5, start()), 5);
        assert!(left(worker, 0).is_some());
    }
    assert_eq!(left(&mut crew[0], 50), Some(35), "its own use at once");
    // Each tells the others when it is asked to show it anew.
    crew.iter_mut().for_each(|worker| assert!(left(worker, 110).is_some()));
    assert_eq!(left(&mut crew[0], 220), Some(25));
    assert_eq!(crew[0].standing(b"somebody", 0, start()), None, "no contract");
}
