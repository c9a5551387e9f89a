//! A refusal tells the truth: the very request passes at that time if nobody else asks, and not before.

use proptest::prelude::*;

use super::{
    order::{reserve, tiered},
    *,
};

proptest! {
    /// To the two ticks of the calendar in which it may be noticed that a reservation is full; never too early.
    #[test]
    fn retry_after_is_exact_while_reservations_fill_up(
        per_s in 1.0..300.0_f64,
        parts in prop::collection::vec((1_u64..20, 1_u64..10), 3),
        used in prop::collection::vec((0_usize..3, 1_u64..40), 1..30),
        who in 0_usize..3,
        cost in 1_u64..60,
    ) {
        let mut allocator = tiered(per_s, 100, |table| {
            // A step as long as the test, so that nothing changes on the way.
            table.step_ms = 1_000_000;
            table.valid_until_ms = START_MS + 60_000_000;
            for (key, (rate, depth)) in parts.iter().enumerate() {
                reserve(table, key, per_s * *rate as f64 / 100.0, *depth);
            }
        });
        let names = ["gold", "silver", "bronze"];
        let mut now = start();
        for (key, cost) in used {
            now = now.plus(7_000_000);
            ask_as(&mut allocator, names[key], cost, Class::Critical, now);
        }
        let Decision::Refuse(refusal) = ask(&mut allocator, names[who], cost, now) else { return Ok(()) };
        let Some(retry) = refusal.retry_after_ns else {
            let much_later = now.plus(10_000 * SECOND);
            allocator.advance(much_later);
            prop_assert!(!admitted(&ask(&mut allocator, names[who], cost, much_later)), "it never can");
            return Ok(());
        };
        let mut early = allocator.clone();
        let too_early = now.plus(retry.saturating_sub(2 << 20));
        prop_assert!(!admitted(&ask(&mut early, names[who], cost, too_early)), "{retry} is too late");
        prop_assert!(admitted(&ask(&mut allocator, names[who], cost, now.plus(retry))), "{retry} is too early");
    }

    #[test]
    fn retry_after_minds_the_contract(
        rate in 1.0..50.0_f64,
        burst in 1_u64..30,
        cost in 1_u64..30,
        asked in 1_usize..60,
    ) {
        let mut allocator = tiered(200.0, 100, |table| {
            table.step_ms = 1_000_000;
            table.valid_until_ms = START_MS + 60_000_000;
            table.tiers[0].borrow = false;
            table.keys[0].grants[0].contract = contract(rate, burst);
        });
        flood(&mut allocator, "gold", asked, start());
        let Decision::Refuse(refusal) = ask(&mut allocator, "gold", cost, start()) else { return Ok(()) };
        prop_assert_eq!(refusal.retry_after_ns.is_none(), cost > burst);
        let Some(retry) = refusal.retry_after_ns else { return Ok(()) };
        let mut early = allocator.clone();
        prop_assert!(!admitted(&ask(&mut early, "gold", cost, after(retry - 1))));
        prop_assert!(admitted(&ask(&mut allocator, "gold", cost, after(retry))));
    }
}

#[test]
fn nobody_is_sent_to_an_emergency_pool_whose_part_for_the_step_is_used_up() {
    let mut allocator = tiered(1.0, 100, |table| {
        (table.step_ms, table.valid_until_ms) = (1_000_000, START_MS + 60_000_000);
        table.resources[0].emergency = Schedule::constant(reservation(0.5, 20), 60);
        table.resources[0].emergency_key_permille = 250;
    });
    while admitted(&ask_as(&mut allocator, "gold", 1, Class::Critical, start())) {}
    let decision = ask_as(&mut allocator, "gold", 1, Class::Critical, start());
    let Decision::Refuse(Refusal { retry_after_ns: Some(retry), .. }) = decision else {
        panic!("{decision:?}")
    };
    let then = after(retry);
    let source = match ask_as(&mut allocator, "gold", 1, Class::Critical, then) {
        Decision::Admit(admission) => admission.source,
        other => panic!("{other:?}"),
    };
    assert_eq!(source, Source::Opportunistic, "the pool has refilled by then");
}

#[test]
fn a_refusal_is_never_told_to_come_again_at_once_nor_too_early_however_many_fills_wait_to_be_noticed() {
    for cost in [400, 600, 900] {
        let mut allocator = tiered(1_000.0, 1_000, |table| {
            (table.step_ms, table.valid_until_ms) = (1_000_000, START_MS + 60_000_000);
            for number in 0..30 {
                let name = alloc::format!("customer-{number}");
                table.keys.push(key(&name, 0, None, reservation(30.0, 3), 60));
            }
        });
        assert_eq!(flood(&mut allocator, "gold", 1_000, start()), 910);
        for number in 0..30 {
            assert_eq!(flood(&mut allocator, &alloc::format!("customer-{number}"), 4, start()), 3);
        }
        // All are full again after a tenth of a second, and nobody has noticed.
        let Decision::Refuse(refusal) = ask(&mut allocator, "gold", cost, after(SECOND)) else {
            panic!("admitted")
        };
        let retry = refusal.retry_after_ns.unwrap();
        assert!(retry > 0, "{cost} was refused");
        let then = after(SECOND + retry);
        assert!(admitted(&ask(&mut allocator, "gold", cost, then)), "{cost}: {retry} ns is too early");
    }
}
