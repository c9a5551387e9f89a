//! What other limiters are known to get wrong, one test each, named after the mistake.

use super::{order::tiered, *};

#[test]
fn refusals_that_still_debit() {
    let mut allocator = tiered(10.0, 50, |_| {});
    for _ in 0..1_000 {
        assert!(!admitted(&ask(&mut allocator, "gold", 51, start())));
    }
    assert_eq!(flood(&mut allocator, "gold", 100, start()), 50);
}

#[test]
fn checks_of_several_buckets_that_are_not_all_or_nothing() {
    let mut allocator = tiered(10.0, 50, |table| {
        // The contract would allow 40, the shadow has 5, the pool 45: nobody has 46.
        table.tiers[0].borrow = false;
        table.keys[0].grants[0].contract = contract(1.0, 40);
    });
    for _ in 0..100 {
        assert!(!admitted(&ask(&mut allocator, "gold", 41, start())));
    }
    let resource = &allocator.explain(b"gold", start()).resources[0];
    assert_eq!((resource.standard_left, resource.pool.0), (Some(40.0), 50.0));
}

#[test]
fn a_share_below_one_token_that_rounds_to_zero_capacity() {
    // A token a minute, divided among eight workers; none of them can hold a whole burst.
    let mut allocator = allocator(1.0 / 60.0, 1);
    allocator.set_share(Share::new(1, 8), start());
    assert_eq!(flood(&mut allocator, "a", 5, start()), 1);
    assert_eq!(flood(&mut allocator, "a", 5, after(7 * 60 * SECOND)), 0);
    assert_eq!(flood(&mut allocator, "a", 5, after(9 * 60 * SECOND)), 1);
}

#[test]
fn a_window_that_every_request_prolongs() {
    let mut allocator = allocator(1.0, 10);
    assert_eq!(flood(&mut allocator, "a", 10, start()), 10);
    // Refused a thousand times a second, and still as much comes as if nobody had asked.
    let passed = (1..=10_000)
        .filter(|tick| admitted(&ask(&mut allocator, "a", 1, after(tick * SECOND / 1_000))))
        .count();
    assert_eq!(passed, 10);
}

#[test]
fn charges_over_the_limit_that_are_skipped_so_that_the_debt_is_lost() {
    let mut allocator = allocator(10.0, 100);
    let Decision::Admit(admission) = ask_estimate(&mut allocator, "a", 10, start()) else {
        panic!("refused")
    };
    assert!(allocator.settle(admission.receipt.unwrap(), &[(0, 500)], start()));
    assert!(!admitted(&ask(&mut allocator, "a", 1, after(40 * SECOND))), "400 of debt, 10 a second");
    assert!(admitted(&ask(&mut allocator, "a", 1, after(40 * SECOND + SECOND / 5))));
}

#[test]
fn parallel_requests_that_all_pass_because_charging_comes_after_the_fact() {
    let mut allocator = allocator(10.0, 1_000);
    let passed = (0..100).filter(|_| admitted(&ask_estimate(&mut allocator, "a", 400, start()))).count();
    assert_eq!(passed, 2, "two estimates of 400 fit into 1,000, before anyone has settled");
}

#[test]
fn a_clock_that_jumps_back() {
    let mut allocator = allocator(10.0, 10);
    let late = after(3_600 * SECOND);
    assert_eq!(flood(&mut allocator, "a", 50, late), 10);
    assert_eq!(flood(&mut allocator, "a", 50, start()), 0, "an hour back mints nothing");
    assert_eq!(flood(&mut allocator, "a", 50, after(SECOND / 2 + 1_000)), 5, "and stalls nothing");
}

#[test]
fn refill_by_a_timer_instead_of_elapsed_time() {
    // Nobody ticks; 3 tokens in 1.1 s are 1.1 s worth, not one timer's.
    let mut allocator = allocator(3.0, 3);
    assert_eq!(flood(&mut allocator, "a", 10, start()), 3);
    assert!(!admitted(&ask(&mut allocator, "a", 1, after(SECOND / 3 - 1_000))));
    assert!(admitted(&ask(&mut allocator, "a", 1, after(SECOND / 3 + 1_000))));
}

#[test]
fn a_retry_time_that_is_wrong() {
    let mut allocator = tiered(8.0, 40, |table| super::order::reserve(table, 1, 2.0, 10));
    flood(&mut allocator, "gold", 100, start());
    flood(&mut allocator, "silver", 100, start());
    for (name, cost) in [("gold", 3), ("silver", 2), ("bronze", 1), ("bronze", 20)] {
        let Decision::Refuse(refusal) = ask(&mut allocator, name, cost, start()) else { panic!("admitted") };
        let retry = refusal.retry_after_ns.unwrap();
        let mut later = allocator.clone();
        assert!(admitted(&ask(&mut later, name, cost, after(retry))), "{name} {cost} at {retry}");
    }
    let Decision::Refuse(never) = ask(&mut allocator, "bronze", 29, start()) else { panic!("admitted") };
    assert_eq!(never.retry_after_ns, None, "the pool is 30, bronze leaves 9 of it");
}
