use super::*;
use crate::{
    lease::AtomicCells,
    units::{MicroRate, Rate},
};

const MILLI: u64 = 1_000_000;

fn rate(per_s: f64) -> Rate {
    Rate::from_micro_per_s(MicroRate::from_per_s(per_s))
}

fn tokens(tokens: u64) -> Amount {
    Amount::from_tokens(tokens)
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + millis)
}

/// 1,000 tokens/s, burst 400, two workers.
fn terms() -> Terms {
    Terms {
        epoch: 1,
        step: 0,
        since: at(0),
        capacity: rate(1_000.0),
        burst: tokens(400),
        reserved_rate: rate(10.0),
        reserved_depth: tokens(100),
        workers: 2,
        birth: Birth::First,
    }
}

const ONE: Ask = Ask { cost: Amount::from_tokens(1), keep: Amount::ZERO };

fn course(steps: &[(Rate, Amount)]) -> Course<'_> {
    Course { reserved_since: at(0), starts_at: at(0), step_ns: u64::MAX, steps }
}

/// Draws until it is refused; how often it was not.
fn flood(broker: &Broker<&AtomicCells>, lease: &mut Lease, now: Timestamp) -> u64 {
    (0..10_000).take_while(|_| broker.draw(0, lease, ONE, &terms(), now)).count() as u64
}

#[test]
fn a_burst_is_there_for_whichever_worker_needs_it() {
    let cells = AtomicCells::new(1);
    let broker = Broker::new(&cells, 1);
    let (mut first, mut second) = (Lease::default(), Lease::default());
    assert_eq!(flood(&broker, &mut first, at(0)), 300, "all that is not reserved");
    assert_eq!(flood(&broker, &mut second, at(0)), 0);
    assert_eq!(flood(&broker, &mut second, at(21)), 20, "and refill for whoever asks first");
}

#[test]
fn a_busy_worker_seldom_asks_and_an_idle_one_holds_nothing() {
    let cells = AtomicCells::new(1);
    let broker = Broker::new(&cells, 1);
    let mut lease = Lease::default();
    let mut writes = 0;
    let mut version = cells.load(0).1;
    for step in 0..200 {
        assert!(broker.draw(0, &mut lease, ONE, &terms(), at(0).plus(step * 2 * MILLI)));
        writes += u64::from(core::mem::replace(&mut version, cells.load(0).1) != version);
    }
    assert!(writes < 50, "{writes} calls for 200 requests");
    let later = at(400 + 60);
    assert!(lease.is_idle(later));
    broker.give_back(0, &mut lease, &terms(), later);
    assert_eq!(lease.unspent(), Amount::ZERO);
    assert!(!lease.is_idle(later), "it is given back once");
    let mut other = Lease::default();
    assert_eq!(flood(&broker, &mut other, at(1_000)), 300);
}

#[test]
fn a_refused_worker_knows_when_to_come_back_and_does_not_ask_before() {
    let cells = AtomicCells::new(1);
    let broker = Broker::new(&cells, 1);
    let mut lease = Lease::default();
    flood(&broker, &mut lease, at(0));
    let ask = Ask { cost: tokens(5), keep: tokens(1) };
    assert!(!broker.draw(0, &mut lease, ask, &terms(), at(0)));
    assert_eq!(lease.time_to(ask.cost, ask.keep, at(0)), Some(6 * MILLI + 1));
    assert_eq!(lease.time_to(ask.cost, ask.keep, at(4)), Some(2 * MILLI + 1));
    assert_eq!(lease.time_to(tokens(400), Amount::ZERO, at(0)), None, "the pool never holds as much");
    assert!(!broker.draw(0, &mut lease, ask, &terms(), at(5)));
    assert!(broker.draw(0, &mut lease, ask, &terms(), at(6).plus(1)));
}

#[test]
fn a_worse_tier_that_is_refused_does_not_keep_a_better_one_from_asking() {
    let cells = AtomicCells::new(1);
    let broker = Broker::new(&cells, 1);
    let mut lease = Lease::default();
    let worse = Ask { keep: tokens(290), ..ONE };
    while broker.draw(0, &mut lease, worse, &terms(), at(0)) {}
    assert!(broker.draw(0, &mut lease, ONE, &terms(), at(0)));
    assert!(!broker.draw(0, &mut lease, worse, &terms(), at(0)));
}

#[test]
fn a_reserved_bucket_is_whole_for_every_worker() {
    let cells = AtomicCells::new(9);
    let broker = Broker::new(&cells, 1);
    let (mut first, mut second) = (Lease::default(), Lease::default());
    let steps = [(rate(10.0), tokens(100))];
    let bucket = SharedBucket { name: 77, course: course(&steps) };
    let later = at(60_000);
    flood(&broker, &mut first, later);
    assert_eq!(broker.draw_reserved(0, &mut second, &bucket, tokens(60), &terms(), later), Ok(()));
    assert_eq!(broker.draw_reserved(0, &mut first, &bucket, tokens(40), &terms(), later), Ok(()));
    let refused = broker.draw_reserved(0, &mut first, &bucket, tokens(1), &terms(), later);
    assert_eq!(refused, Err(Amount::ZERO));
    broker.refund(0, &mut first, tokens(20), Some((&bucket, tokens(15))), &terms(), later);
    assert_eq!(broker.draw_reserved(0, &mut second, &bucket, tokens(15), &terms(), later), Ok(()));
    assert!(broker.draw(0, &mut second, Ask { cost: tokens(5), ..ONE }, &terms(), later.plus(10 * MILLI)));
}

#[test]
fn contracts_and_allowances_touch_no_pool() {
    let cells = AtomicCells::new(9);
    let broker = Broker::new(&cells, 1);
    let steps = [(rate(1.0), tokens(10))];
    let always = Course { reserved_since: Timestamp::default(), ..course(&steps) };
    let contract = SharedBucket { name: 5, course: always };
    assert_eq!(broker.take(&contract, tokens(7), at(0)), Ok(()));
    assert_eq!(broker.take(&contract, tokens(4), at(0)), Err(tokens(3)));
    broker.owe(&contract, tokens(50), Amount(-tokens(10).0), at(0));
    assert_eq!(broker.take(&contract, tokens(1), at(0)), Err(Amount(-tokens(10).0)));
    broker.put(&contract, tokens(12), at(0));
    assert_eq!(broker.take(&contract, tokens(2), at(0)), Ok(()));
    assert_eq!(cells.load(0).1, Version(0), "the pool's cell was never written");
}

#[test]
fn buckets_that_are_full_again_make_room() {
    let cells = AtomicCells::new(1 + 4);
    let broker = Broker::new(&cells, 1);
    let steps = [(rate(10.0), tokens(5))];
    for round in 1..40_u64 {
        // Two new buckets a second, each full again half a second later.
        let now = at(1_000 * round);
        for name in [2 * round, 2 * round + 1] {
            let bucket = SharedBucket { name, course: course(&steps) };
            assert_eq!(broker.take(&bucket, tokens(5), now), Ok(()));
            assert_eq!(broker.take(&bucket, tokens(1), now), Err(Amount::ZERO), "{name} is remembered");
        }
    }
}

#[test]
fn where_there_is_no_room_the_bucket_that_is_full_first_is_forgotten() {
    let cells = AtomicCells::new(1 + 2);
    let broker = Broker::new(&cells, 1);
    let steps = [(rate(10.0), tokens(50))];
    let bucket = |name| SharedBucket { name, course: course(&steps) };
    let now = at(60_000);
    assert_eq!(broker.take(&bucket(1), tokens(50), now), Ok(()));
    assert_eq!(broker.take(&bucket(2), tokens(10), now), Ok(()));
    assert_eq!(broker.take(&bucket(3), tokens(50), now), Ok(()));
    assert_eq!(broker.take(&bucket(1), tokens(1), now), Err(Amount::ZERO));
    assert_eq!(broker.take(&bucket(3), tokens(1), now), Err(Amount::ZERO));
}
