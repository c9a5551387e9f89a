//! Costs that are known later: receipts, what they return, and when they are given up.

use super::*;

#[test]
fn concurrent_requests_cannot_all_pass_on_one_remaining_token() {
    let mut allocator = allocator(10.0, 100);
    let passed = (0..50).filter(|_| admitted(&ask_estimate(&mut allocator, "a", 30, start()))).count();
    assert_eq!(passed, 3);
}

#[test]
fn a_refund_returns_to_the_buckets_that_paid() {
    let mut allocator = allocator(100.0, 100);
    let mut table = table(100.0, 100, 10);
    table.draw_order = DrawOrder::ShadowFirst;
    table.keys.push(key("acme", 0, None, reservation(50.0, 50), 10));
    allocator.apply(&table.encode(), start()).unwrap();
    let Decision::Admit(admission) = ask_estimate(&mut allocator, "acme", 80, start()) else {
        panic!("refused")
    };
    assert!(allocator.settle(admission.receipt.unwrap(), &[(0, 10)], start()));
    // The shadow paid 50 and has them back, the pool paid 30 and has 20 back.
    assert_eq!(flood(&mut allocator, "batch", 100, start()), 25);
    assert_eq!(flood(&mut allocator, "acme", 100, start()), 15 + 50);
}

#[test]
fn an_abandoned_receipt_stays_charged_and_expires() {
    let mut allocator = allocator(10.0, 100);
    let Decision::Admit(admission) = ask_estimate(&mut allocator, "a", 60, start()) else {
        panic!("refused")
    };
    allocator.advance(after(61 * SECOND));
    assert!(!allocator.settle(admission.receipt.unwrap(), &[(0, 0)], after(61 * SECOND)), "it was given up");
    let report = allocator.report(1).unwrap();
    assert_eq!(report.records.iter().map(|record| record.usage.settled).sum::<u64>(), 60);
}

#[test]
fn a_receipt_of_before_a_new_set_up_settles_nothing_of_it() {
    let mut old = allocator(10.0, 100);
    let receipt = |decision: Decision| match decision {
        Decision::Admit(admission) => admission.receipt.unwrap(),
        other => panic!("{other:?}"),
    };
    let earlier = receipt(ask_estimate(&mut old, "a", 60, start()));
    let setup = Setup {
        resources: vec![ResourceSetup { name: String::from("requests"), safe: None }],
        max_unknown_keys: 100,
        max_receipts: 10,
        max_waiting: 10,
        receipt_ttl_ms: 60_000,
        report_interval_ms: 1_000,
    };
    let mut new = old.successor(setup, start());
    let later = receipt(ask_estimate(&mut new, "b", 60, start()));
    assert!(!new.settle(earlier, &[(0, 0)], start()));
    assert!(new.settle(later, &[(0, 60)], start()));
}

#[test]
fn as_many_receipts_as_are_allowed_outlive_the_tick() {
    let setup = Setup {
        resources: vec![ResourceSetup { name: String::from("requests"), safe: None }],
        max_unknown_keys: 10,
        max_receipts: 2,
        max_waiting: 0,
        receipt_ttl_ms: 60_000,
        report_interval_ms: 1_000,
    };
    let mut allocator = Allocator::new(setup, start());
    let receipts = [1, 2, 3].map(|cost| match ask_estimate(&mut allocator, "a", cost, start()) {
        Decision::Admit(admission) => admission.receipt.unwrap(),
        other => panic!("{other:?}"),
    });
    allocator.advance(after(SECOND));
    let open = receipts.map(|receipt| allocator.settle(receipt, &[(0, 1)], after(SECOND)));
    assert_eq!(open, [false, true, true]);
}
