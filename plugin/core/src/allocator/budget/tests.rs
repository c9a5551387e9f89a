use super::*;
use crate::allocator::policy::Turn;

impl Budget {
    /// *conservation*: levels never sum to more than the burst, and the books agree with the buckets.
    pub(in crate::allocator) fn check_invariants(&self, now: Timestamp) {
        let depths: i64 = self.shadows.iter().map(|shadow| shadow.depth()).sum();
        assert_eq!(depths, self.reserved_depth, "reserved depth");
        let refilling = self.shadows.iter().filter(|shadow| shadow.refilling);
        let claimed: i128 = refilling.map(|shadow| i128::from(shadow.rate.rate().0)).sum();
        assert_eq!(i128::from(self.capacity.0) - claimed, self.pool_rate, "the pool has the residual rate");
        for (id, shadow) in (0..).zip(&self.shadows) {
            assert!(shadow.level <= shadow.depth(), "a level above its depth");
            assert!(shadow.refilling || shadow.level == shadow.depth(), "a bucket below its depth refills");
            let watched = self.calendar.contains(id);
            assert!(!shadow.refilling || watched || shadow.rate == Packed::ZERO, "and is in the calendar");
        }
        let levels: i128 = (0..self.shadow_count()).map(|id| i128::from(self.shadow(id, now).0)).sum();
        assert!(
            levels + (self.pool_level >> RATE_SHIFT) <= i128::from(self.burst.0),
            "more tokens than the burst"
        );
    }
}

const SECOND: u64 = 1_000_000_000;

/// A shadow bucket with a reservation, funded as far as the pool allows.
fn reserved(budget: &mut Budget, per_s: f64, depth: u64, now: Timestamp) -> ShadowId {
    let id = budget.add(now);
    budget.reserve(id, rate(per_s), Amount::from_tokens(depth), now);
    id
}

fn rate(per_s: f64) -> Rate {
    Rate::from_micro_per_s(crate::units::MicroRate::from_per_s(per_s))
}

#[test]
fn refill_goes_to_the_shadow_until_it_is_full_and_then_to_the_pool_whenever_that_is_noticed() {
    for noticed_after in [SECOND, 60 * SECOND] {
        let now = Timestamp::from_millis(1_000_000);
        let mut budget = Budget::new(rate(100.0), Amount::from_tokens(10_000), now);
        let id = reserved(&mut budget, 50.0, 20, now);
        budget.debit_pool(Amount::from_tokens(10_000));
        let later = now.plus(noticed_after);
        budget.drain(later, 8);
        budget.check_invariants(later);
        // 100/s in all, of which the first 20 tokens fill the shadow.
        let total = 100.0 * (noticed_after / SECOND) as f64;
        assert!((budget.pool().as_f64() - (total - 20.0)).abs() < 1e-3, "{:?}", budget.pool().as_f64());
        assert_eq!(budget.shadow(id, later), Amount::from_tokens(20));
    }
}

#[test]
fn a_shrinking_reservation_returns_its_tokens() {
    let now = Timestamp::from_millis(1_000_000);
    let mut budget = Budget::new(rate(100.0), Amount::from_tokens(100), now);
    let id = reserved(&mut budget, 50.0, 60, now);
    assert_eq!((budget.pool(), budget.shadow(id, now)), (Amount::from_tokens(40), Amount::from_tokens(60)));
    budget.reserve(id, rate(10.0), Amount::from_tokens(10), now);
    assert_eq!((budget.pool(), budget.shadow(id, now)), (Amount::from_tokens(90), Amount::from_tokens(10)));
    budget.check_invariants(now);
}

#[test]
fn an_empty_pool_funds_nothing_and_refill_does() {
    let now = Timestamp::from_millis(1_000_000);
    let mut budget = Budget::new(rate(100.0), Amount::from_tokens(100), now);
    budget.debit_pool(Amount::from_tokens(150));
    let id = reserved(&mut budget, 50.0, 0, now);
    budget.reserve(id, rate(50.0), Amount::from_tokens(60), now);
    assert_eq!((budget.pool(), budget.shadow(id, now)), (Amount(-Amount::from_tokens(50).0), Amount::ZERO));
    let later = now.plus(SECOND);
    budget.drain(later, 8);
    assert_eq!(budget.shadow(id, later).as_f64().round(), 50.0);
    assert!(budget.pool().as_f64().abs() < 1e-3, "the other half paid the debt");
}

#[test]
fn what_a_full_pool_would_have_lost_is_not_credited_when_it_is_noticed_later() {
    let start = Timestamp::from_millis(1_000_000);
    let micros = |micros: u64| start.plus(micros * 1_000);
    let mut budget = Budget::new(rate(100.0), Amount::from_tokens(100), start);
    let id = reserved(&mut budget, 50.0, 20, start);
    // Full again after 20 ms, which the calendar notices at its next tick only; the pool is full all the time.
    budget.debit_shadow(id, Amount::from_tokens(1), start);
    budget.drain(micros(20_300), 8);
    budget.debit_pool(Amount::from_tokens(10));
    let later = micros(30_300);
    budget.drain(later, 8);
    budget.check_invariants(later);
    let gained = budget.pool().as_f64() - 70.0;
    let expected = "10 ms of 100/s, not what overflowed before the pool had room";
    assert!((gained - 1.0).abs() < 1e-3, "{expected}: {gained}");
}

#[test]
fn a_refund_beyond_the_depth_goes_to_the_pool() {
    let now = Timestamp::from_millis(1_000_000);
    let mut budget = Budget::new(rate(100.0), Amount::from_tokens(100), now);
    let id = reserved(&mut budget, 50.0, 20, now);
    budget.debit_shadow(id, Amount::from_tokens(5), now);
    budget.debit_pool(Amount::from_tokens(50));
    budget.credit_shadow(id, Amount::from_tokens(12), now);
    assert_eq!((budget.shadow(id, now), budget.pool()), (Amount::from_tokens(20), Amount::from_tokens(37)));
    budget.check_invariants(now);
}

#[test]
fn a_bucket_that_was_given_back_what_it_had_lent_is_noticed_to_be_full_in_time() {
    let now = Timestamp::from_millis(1_000_000);
    let mut budget = Budget::new(rate(100.0), Amount::from_tokens(100), now);
    let id = reserved(&mut budget, 50.0, 20, now);
    budget.debit_pool(Amount::from_tokens(50));
    // Full in 400 ms, full again at once by a refund, and then full in 20 ms.
    budget.debit_shadow(id, Amount::from_tokens(20), now);
    budget.credit_shadow(id, Amount::from_tokens(20), now);
    budget.debit_shadow(id, Amount::from_tokens(1), now);
    let later = now.plus(SECOND / 5);
    budget.drain(later, 8);
    budget.check_invariants(later);
    assert!((budget.pool().as_f64() - 49.0).abs() < 1e-3, "20 tokens came, 1 went to the reservation");
}

#[test]
fn what_a_full_pool_has_lost_is_not_promised() {
    let start = Timestamp::from_millis(1_000_000);
    let now = start.plus(20_300_000);
    let mut budget = Budget::new(rate(100.0), Amount::from_tokens(100), start);
    let id = reserved(&mut budget, 50.0, 20, start);
    // Full again after 20 ms, not noticed yet; the pool has been full all the time.
    budget.debit_shadow(id, Amount::from_tokens(1), start);
    budget.drain(now, 8);
    budget.debit_pool(Amount::from_tokens(10));
    for hundredth in 1..200 {
        let wanted = Amount(Amount::from_tokens(70).0 + Amount::from_tokens(hundredth).0 / 100);
        let nanos =
            budget.pool_time_to(wanted, Keep { floor: Amount::ZERO, ahead: Amount::ZERO }, now).unwrap();
        let mut then = budget.clone();
        then.drain(now.plus(nanos), 8);
        assert!(then.pool() >= wanted, "{wanted:?} after {nanos} ns");
    }
}

#[test]
fn a_planned_depth_is_whole_tokens_as_in_the_sum_that_was_checked() {
    let now = Timestamp::from_millis(1_000_000);
    let mut budget = Budget::new(rate(100.0), Amount::from_tokens(100), now);
    let id = budget.add(now);
    let own = |depth| crate::table::Reservation { rate: crate::units::MicroRate::from_per_s(1.0), depth };
    let schedule = crate::table::Schedule::from_steps(&[own(8), own(5), own(4)]);
    budget.begin_table(3);
    budget.install(id, &schedule, Turn { generation: 1, step: 0 }, now);
    for (step, checked) in (0..).zip(schedule.steps()) {
        assert_eq!(budget.planned(id, step).1, Amount::from_tokens(checked.depth), "step {step}");
    }
}

#[test]
fn a_push_does_not_top_up_reservations() {
    let now = Timestamp::from_millis(1_000_000);
    let mut budget = Budget::new(rate(100.0), Amount::from_tokens(100), now);
    let id = reserved(&mut budget, 50.0, 20, now);
    budget.debit_shadow(id, Amount::from_tokens(20), now);
    for _ in 0..3 {
        budget.reserve(id, rate(50.0), Amount::from_tokens(20), now);
    }
    assert_eq!((budget.shadow(id, now), budget.pool()), (Amount::ZERO, Amount::from_tokens(80)));
    // Only what is deeper comes from the pool.
    budget.reserve(id, rate(50.0), Amount::from_tokens(25), now);
    assert_eq!((budget.shadow(id, now), budget.pool()), (Amount::from_tokens(5), Amount::from_tokens(75)),);
    budget.check_invariants(now);
}

#[test]
fn reserve_re_watches_the_calendar() {
    let now = Timestamp::from_millis(1_000_000);
    let mut budget = Budget::new(rate(100.0), Amount::from_tokens(100), now);
    let id = reserved(&mut budget, 20.0, 20, now);
    budget.debit_shadow(id, Amount::from_tokens(20), now);
    budget.debit_pool(Amount::from_tokens(80));
    // Full in a second as it was; with the faster rate in a fifth of that.
    budget.reserve(id, rate(100.0), Amount::from_tokens(20), now);
    let later = now.plus(SECOND / 4);
    budget.drain(later, 8);
    budget.check_invariants(later);
    assert!((budget.pool().as_f64() - 5.0).abs() < 1e-3, "what it overflowed: {}", budget.pool().as_f64());
}
