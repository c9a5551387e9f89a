use super::*;
use crate::units::MicroRate;

const SECOND: u64 = 1_000_000_000;
const MILLI: u64 = 1_000_000;

fn rate(per_s: f64) -> Rate {
    Rate::from_micro_per_s(MicroRate::from_per_s(per_s))
}

fn tokens(tokens: u64) -> Amount {
    Amount::from_tokens(tokens)
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_nanos(1_000 * SECOND + millis * MILLI)
}

/// 100 tokens/s, burst 100, of which 10/s and 40 are reserved.
fn terms() -> Terms {
    Terms {
        epoch: 1,
        step: 0,
        since: at(0),
        capacity: rate(100.0),
        burst: tokens(100),
        reserved_rate: rate(10.0),
        reserved_depth: tokens(40),
        workers: 1,
        birth: Birth::First,
    }
}

fn ask(cost: u64, wish: u64) -> Draw {
    Draw { cost: tokens(cost), held: Amount::ZERO, keep: Amount::ZERO, wish: tokens(wish) }
}

const NO_LEASE: (u64, Amount) = (0, Amount::ZERO);

fn level(pool: &Pool) -> f64 {
    (pool.level().as_f64() * 1e3).round() / 1e3
}

#[test]
fn the_first_books_are_full_and_lost_ones_empty() {
    assert_eq!(level(&Pool::born(&terms(), at(0))), 60.0);
    let mut lost = Pool::born(&Terms { birth: Birth::Lost, ..terms() }, at(0));
    assert_eq!(level(&lost), 0.0);
    assert!(!lost.draw_reserved(tokens(1)), "reserved buckets have nothing to give either");
    lost.advance(&terms(), at(10_000));
    assert_eq!(level(&lost), 60.0);
}

#[test]
fn lost_books_leave_room_for_leases_that_may_be_about() {
    let fast =
        Terms { birth: Birth::Lost, capacity: rate(10_000.0), reserved_rate: rate(10_000.0), ..terms() };
    let mut lost = Pool::born(&fast, at(0));
    lost.advance(&fast, at(190));
    assert_eq!(level(&lost), 45.0, "a quarter of the pool's cap is not there yet");
    lost.advance(&fast, at(210));
    assert_eq!(level(&lost), 60.0);
}

#[test]
fn what_a_reserved_bucket_pays_the_pool_misses_only_while_it_is_refilled() {
    let mut pool = Pool::born(&terms(), at(0));
    assert_eq!(pool.draw(&ask(60, 0), NO_LEASE, 1), Some(Amount::ZERO));
    assert!(pool.draw_reserved(tokens(20)));
    assert_eq!(level(&pool), 0.0);
    pool.advance(&terms(), at(100));
    assert_eq!(level(&pool), 9.0, "the bucket takes its 10/s");
    pool.advance(&terms(), at(300));
    assert_eq!(level(&pool), 27.0);
    assert_eq!(pool.draw(&ask(20, 0), NO_LEASE, 1), Some(Amount::ZERO));
    pool.advance(&terms(), at(2_000));
    assert_eq!(level(&pool), 60.0, "all is full again");
}

#[test]
fn reserved_buckets_together_give_no_more_than_their_depths() {
    let mut pool = Pool::born(&terms(), at(0));
    assert!(pool.draw_reserved(tokens(40)));
    assert!(!pool.draw_reserved(tokens(1)));
    pool.advance(&terms(), at(200));
    assert!(pool.draw_reserved(tokens(2)));
    assert!(!pool.draw_reserved(tokens(1)));
}

#[test]
fn leased_tokens_are_out_of_the_pool_and_its_cap() {
    let mut pool = Pool::born(&terms(), at(0));
    let holds = pool.draw(&ask(2, 30), NO_LEASE, 1).unwrap();
    assert_eq!(holds, tokens(14), "a quarter of the pool's cap, in whole requests");
    assert_eq!(level(&pool), 44.0);
    pool.advance(&terms(), at(90));
    assert_eq!(level(&pool), 46.0, "60 less what is leased");
    let mut returned = pool;
    returned.give_back((pool.term(), holds), tokens(4));
    assert_eq!(level(&returned), 50.0);
    returned.advance(&terms(), at(190));
    assert_eq!(level(&returned), 60.0);
}

#[test]
fn a_lease_that_nobody_returns_is_void_after_two_terms() {
    let mut pool = Pool::born(&terms(), at(0));
    let term = pool.term();
    let holds = pool.draw(&ask(2, 30), NO_LEASE, 1).unwrap();
    pool.advance(&terms(), at(199));
    assert_eq!(level(&pool), 46.0);
    pool.advance(&terms(), at(201));
    assert_eq!(level(&pool), 46.1, "the cap is back, and time alone fills it");
    pool.give_back((term, holds), holds);
    assert_eq!(level(&pool), 46.1, "what is void stays void");
    let late = Draw { held: holds, ..ask(2, 0) };
    pool.draw(&late, (term, holds), 1).unwrap();
    assert_eq!(level(&pool), 44.1, "and pays nothing");
}

#[test]
fn workers_lease_no_more_than_their_part_of_what_is_above_the_floor() {
    let mut pool = Pool::born(&terms(), at(0));
    let draw = Draw { keep: tokens(30), ..ask(1, 30) };
    assert_eq!(pool.draw(&draw, NO_LEASE, 4), Some(tokens(3)), "an eighth of the 29 that are to spare");
    let mut low = Pool::born(&terms(), at(0));
    assert_eq!(low.draw(&Draw { keep: tokens(57), ..draw }, NO_LEASE, 4), Some(Amount::ZERO));
    assert_eq!(low.draw(&Draw { keep: tokens(60), ..draw }, NO_LEASE, 4), None);
}

#[test]
fn a_new_plan_moves_no_tokens() {
    let mut pool = Pool::born(&terms(), at(0));
    pool.draw(&ask(50, 0), NO_LEASE, 1).unwrap();
    assert_eq!(level(&pool), 10.0);
    let deeper =
        Terms { step: 1, since: at(0), reserved_depth: tokens(60), reserved_rate: rate(50.0), ..terms() };
    pool.advance(&deeper, at(0));
    assert_eq!(level(&pool), 10.0, "new depth starts empty");
    pool.advance(&terms(), at(100));
    assert_eq!(level(&pool), 15.0, "and is filled at its rate, whoever asks with an older plan");
    let shallower = Terms { step: 2, since: at(100), reserved_depth: tokens(20), ..deeper };
    pool.advance(&shallower, at(100));
    assert_eq!(level(&pool), 40.0, "what is no longer reserved is the pool's");
}

#[test]
fn a_smaller_burst_takes_from_reserved_buckets_only_what_it_must() {
    let mut pool = Pool::born(&terms(), at(0));
    let small = Terms { step: 1, burst: tokens(40), ..terms() };
    pool.advance(&small, at(0));
    assert_eq!(level(&pool), 0.0);
    assert!(pool.draw_reserved(tokens(40)), "they hold what they did");
    let mut full = Pool::born(&terms(), at(0));
    full.advance(&Terms { step: 1, burst: tokens(10), ..terms() }, at(0));
    assert!(!full.draw_reserved(tokens(11)));
}

#[test]
fn a_debt_is_paid_by_the_pool_alone() {
    let mut pool = Pool::born(&terms(), at(0));
    pool.draw(&ask(60, 0), NO_LEASE, 1).unwrap();
    pool.charge(tokens(50));
    assert_eq!(level(&pool), -50.0);
    assert!(pool.draw_reserved(tokens(40)), "reserved buckets go on");
    assert_eq!(pool.time_to(tokens(1)), Some(566_666_666));
    pool.advance(&terms(), at(567));
    assert_eq!(pool.draw(&ask(1, 0), NO_LEASE, 1), Some(Amount::ZERO));
}

#[test]
fn time_never_goes_back() {
    let mut pool = Pool::born(&terms(), at(100));
    pool.draw(&ask(60, 0), NO_LEASE, 1).unwrap();
    pool.advance(&terms(), at(0));
    assert_eq!(level(&pool), 0.0);
    pool.advance(&terms(), at(100));
    assert_eq!(level(&pool), 0.0, "the same time does not count twice");
    pool.advance(&terms(), at(200));
    assert_eq!(level(&pool), 10.0);
}

#[test]
fn refill_is_exact_however_often_it_is_counted() {
    let odd = Terms { capacity: rate(0.37), reserved_depth: Amount::ZERO, ..terms() };
    let (mut often, mut once) = (Pool::born(&odd, at(0)), Pool::born(&odd, at(0)));
    often.draw(&ask(100, 0), NO_LEASE, 1).unwrap();
    once.draw(&ask(100, 0), NO_LEASE, 1).unwrap();
    for millis in 1..5_000 {
        often.advance(&odd, at(millis));
    }
    once.advance(&odd, at(4_999));
    assert_eq!(often, once);
}

#[test]
fn records_keep_everything() {
    let mut pool = Pool::born(&terms(), at(0));
    pool.draw(&ask(3, 9), NO_LEASE, 1).unwrap();
    pool.draw_reserved(tokens(7));
    pool.advance(&terms(), at(33));
    assert_eq!(Pool::read(&pool.record()), Some(pool));
    assert_eq!(Pool::read(&Record::default()), None);
}
