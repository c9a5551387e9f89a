//! Waiting: who goes first, who does not overtake, who gives up.

use proptest::prelude::*;

use super::{order::tiered, *};

fn waiting(max_delay_ms: [u32; 3]) -> Allocator {
    tiered(100.0, 100, |table| {
        for (tier, max_delay_ms) in table.tiers.iter_mut().zip(max_delay_ms) {
            tier.max_delay_ms = max_delay_ms;
            tier.floor_permille = 0;
        }
    })
}

fn ask_patiently(allocator: &mut Allocator, name: &str, cost: u64, now: Timestamp) -> Decision {
    let demands = [Demand { resource: 0, cost, estimated: false }];
    let request = Request {
        key: name.as_bytes(),
        class: Class::Standard,
        demands: &demands,
        may_wait: true,
        partial: false,
    };
    allocator.decide(&request, now)
}

fn ticket(decision: &Decision) -> Ticket {
    match decision {
        Decision::Wait(waiting) => waiting.ticket,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_better_priority_goes_first_whoever_came_first() {
    let mut allocator = waiting([1_000, 1_000, 1_000]);
    flood(&mut allocator, "bronze", 200, start());
    let bronze = ticket(&ask_patiently(&mut allocator, "bronze", 5, start()));
    let gold = ticket(&ask_patiently(&mut allocator, "gold", 5, start()));
    let later = after(SECOND / 10 + 1_000);
    assert_eq!(
        allocator.release(later).map(|(ticket, decision)| (ticket, admitted(&decision))),
        Some((gold, true))
    );
    assert_eq!(
        allocator.release(later).map(|(ticket, decision)| (ticket, admitted(&decision))),
        Some((bronze, true))
    );
    assert_eq!(allocator.release(later), None);
}

#[test]
fn nobody_overtakes_those_who_wait_except_a_better_priority() {
    let mut allocator = waiting([1_000, 1_000, 0]);
    flood(&mut allocator, "bronze", 200, start());
    ticket(&ask_patiently(&mut allocator, "silver", 10, start()));
    // 5 tokens have come; silver waits for 10.
    let now = after(SECOND / 20 + 1_000);
    assert!(!admitted(&ask(&mut allocator, "bronze", 1, now)));
    assert!(!admitted(&ask(&mut allocator, "silver", 1, now)));
    assert!(admitted(&ask(&mut allocator, "gold", 1, now)));
}

#[test]
fn keys_of_one_priority_take_turns() {
    let mut allocator = waiting([10_000, 0, 0]);
    let mut table = table(100.0, 100, 60);
    table.epoch = 2;
    table.tiers =
        vec![Tier { name: "gold".into(), max_delay_ms: 10_000, contracts: vec![None], ..Tier::default() }];
    table.default_tier = 0;
    table.resources[0].tier_reservations = vec![Schedule::default()];
    allocator.apply(&table.encode(), start()).unwrap();
    flood(&mut allocator, "x", 200, start());
    for _ in 0..10 {
        ask_patiently(&mut allocator, "greedy", 1, start());
    }
    let modest = ticket(&ask_patiently(&mut allocator, "modest", 1, start()));
    let mut order = Vec::new();
    for tick in 1..=110 {
        while let Some((ticket, decision)) = allocator.release(after(tick * SECOND / 1_000 + 1)) {
            assert!(admitted(&decision));
            order.push(ticket);
        }
    }
    assert_eq!(order.len(), 11);
    assert!(
        order.iter().position(|ticket| *ticket == modest).unwrap() <= 1,
        "one request does not wait behind ten"
    );
}

#[test]
fn who_waits_too_long_is_refused_and_told_when_to_come_again() {
    let mut allocator = waiting([1_000, 100, 0]);
    flood(&mut allocator, "bronze", 200, start());
    let silver = ticket(&ask_patiently(&mut allocator, "silver", 5, start()));
    // gold takes what comes.
    for tick in 1..=10 {
        let now = after(tick * SECOND / 100 + 1);
        flood(&mut allocator, "gold", 5, now);
        if tick < 10 {
            assert_eq!(allocator.release(now), None);
        }
    }
    let (ticket, decision) = allocator.release(after(SECOND / 10 + 1)).unwrap();
    let Decision::Refuse(refusal) = decision else { panic!("{decision:?}") };
    assert_eq!((ticket, refusal.reason), (silver, Reason::Pool));
    assert!(refusal.retry_after_ns.is_some_and(|nanos| nanos > 0));
    assert_eq!(allocator.waiting(), 0);
}

#[test]
fn a_client_that_has_gone_costs_nothing() {
    let mut allocator = waiting([1_000, 0, 0]);
    flood(&mut allocator, "bronze", 200, start());
    let gone = ticket(&ask_patiently(&mut allocator, "gold", 50, start()));
    assert!(allocator.cancel(gone));
    assert!(!allocator.cancel(gone), "once");
    assert_eq!(allocator.next_release_ns(start()), None);
    assert_eq!(flood(&mut allocator, "bronze", 200, after(SECOND / 10 + 1)), 10);
}

#[test]
fn the_queue_is_bounded_and_keeps_room_for_better_priorities() {
    let mut allocator = waiting([10_000, 10_000, 10_000]);
    flood(&mut allocator, "bronze", 200, start());
    let mut wait = |name: &str| {
        (0..200)
            .filter(|_| matches!(ask_patiently(&mut allocator, name, 1, start()), Decision::Wait(_)))
            .count()
    };
    assert_eq!((wait("bronze"), wait("silver"), wait("gold")), (16, 16, 32), "of 64: a quarter, a half, all");
}

#[test]
fn a_wait_that_would_be_too_long_is_refused_at_once() {
    let mut allocator = waiting([100, 0, 0]);
    flood(&mut allocator, "bronze", 200, start());
    assert!(matches!(ask_patiently(&mut allocator, "gold", 10, start()), Decision::Wait(_)), "100 ms");
    assert!(matches!(ask_patiently(&mut allocator, "gold", 1, start()), Decision::Refuse(_)), "110 ms");
}

#[test]
fn more_may_wait_than_the_burst_holds_and_are_told_the_truth() {
    let mut allocator = tiered(20.0, 5, |table| {
        for tier in &mut table.tiers {
            (tier.max_delay_ms, tier.floor_permille) = (2_000, 0);
        }
        table.tiers[2].max_delay_ms = 0;
    });
    flood(&mut allocator, "bronze", 50, start());
    let mut tickets = Vec::new();
    for place in 1..=30_u64 {
        let Decision::Wait(waiting) = ask_patiently(&mut allocator, "gold", 1, start()) else {
            panic!("{place} of 30 waits {} ms", place * 50)
        };
        assert!(waiting.expected_ns.abs_diff(place * SECOND / 20) < SECOND / 200, "{place}: {waiting:?}");
        tickets.push(waiting.ticket);
    }
    let Decision::Refuse(refusal) = ask(&mut allocator, "bronze", 1, start()) else {
        panic!("bronze is last")
    };
    let told = refusal.retry_after_ns.unwrap();
    assert!(told.abs_diff(31 * SECOND / 20) < SECOND / 200, "{told}");
    let mut released = Vec::new();
    for tick in 1..=160 {
        while let Some((ticket, decision)) = allocator.release(after(tick * SECOND / 100)) {
            assert!(admitted(&decision));
            released.push(ticket);
        }
    }
    assert_eq!(released, tickets, "in the order in which they came");
    assert!(admitted(&ask(&mut allocator, "bronze", 1, after(told))));
}

#[test]
fn a_new_table_gives_those_who_wait_their_new_place() {
    let mut allocator = waiting([1_000, 1_000, 0]);
    flood(&mut allocator, "bronze", 200, start());
    let gold = ticket(&ask_patiently(&mut allocator, "gold", 5, start()));
    let silver = ticket(&ask_patiently(&mut allocator, "silver", 5, start()));
    let mut table = table(100.0, 100, 60);
    table.epoch = 2;
    let tier = |name: &str, priority| Tier {
        name: name.into(),
        priority,
        max_delay_ms: 1_000,
        contracts: vec![None],
        ..Tier::default()
    };
    // silver and gold change places, in the list and in priority.
    table.tiers = vec![tier("silver", 0), tier("gold", 1)];
    table.keys = vec![
        key("silver", 0, None, Reservation::default(), 60),
        key("gold", 1, None, Reservation::default(), 60),
    ];
    allocator.apply(&table.encode(), start()).unwrap();
    let now = after(SECOND);
    assert_eq!(allocator.release(now).unwrap().0, silver);
    assert_eq!(allocator.release(now).unwrap().0, gold);
}

#[test]
fn the_wait_is_reported() {
    let mut allocator = waiting([1_000, 0, 0]);
    flood(&mut allocator, "bronze", 200, start());
    ask_patiently(&mut allocator, "gold", 20, start());
    allocator.report(1);
    allocator.release(after(SECOND / 5 + 1_000)).unwrap();
    let usage = allocator.report(1).unwrap().records[0].usage;
    assert_eq!((usage.delayed, usage.delay_ms, usage.opportunistic), (1, 200, 20));
    assert_eq!((usage.offered, usage.requests_admitted), (0, 1), "offered when it came");
}

proptest! {
    /// Whatever comes: conservation holds at release, kept tokens are accounted to the last, and everybody gets an answer.
    #[test]
    fn conservation_is_measured_at_release(
        events in prop::collection::vec((0_usize..3, 1_u64..40, 0_u64..200_000_000, any::<bool>()), 1..200),
    ) {
        let mut allocator = waiting([1_000, 500, 200]);
        let names = ["gold", "silver", "bronze"];
        let (mut now, mut level) = (start(), 100.0_f64);
        let mut costs = std::collections::HashMap::new();
        let mut answered = 0;
        for (who, cost, wait, cancel) in &events {
            for _ in 0..4 {
                now = now.plus(wait / 4);
                level = (level + *wait as f64 / 4.0 / 1e7).min(100.0);
                while let Some((ticket, decision)) = allocator.release(now) {
                    let cost: u64 = costs.remove(&ticket).unwrap();
                    answered += 1;
                    if admitted(&decision) {
                        level -= cost as f64;
                        prop_assert!(level > -1e-3, "{level}");
                    }
                }
            }
            match ask_patiently(&mut allocator, names[*who], *cost, now) {
                Decision::Admit(_) => {
                    answered += 1;
                    level -= *cost as f64;
                    prop_assert!(level > -1e-3, "{level}");
                }
                Decision::Refuse(_) => answered += 1,
                Decision::Wait(waiting) if *cancel => {
                    answered += 1;
                    prop_assert!(allocator.cancel(waiting.ticket));
                }
                Decision::Wait(waiting) => {
                    prop_assert!(allocator.next_release_ns(now).is_some());
                    costs.insert(waiting.ticket, *cost);
                }
            }
        }
        now = now.plus(2 * SECOND);
        while allocator.release(now).is_some() {
            answered += 1;
        }
        prop_assert_eq!(answered, events.len());
        prop_assert_eq!(allocator.waiting.kept(0, 2), Amount::ZERO);
        prop_assert_eq!(allocator.waiting(), 0);
    }
}
