//! What a pushed table changes, and what it must not: nothing is minted, nothing used is forgotten.

use alloc::format;

use super::*;

#[test]
fn a_stale_table_fades_to_the_safe_capacity() {
    let mut allocator = allocator(100.0, 100);
    let mut table = table(100.0, 100, 3);
    table.resources[0].safe_capacity = MicroRate::from_per_s(20.0);
    table.keys.push(key("acme", 0, None, reservation(80.0, 80), 3));
    allocator.apply(&table.encode(), start()).unwrap();
    assert_eq!(allocator.table_state(), TableState::Live);
    flood(&mut allocator, "acme", 1_000, after(3 * SECOND));
    assert_eq!(allocator.table_state(), TableState::Stale);
    let admitted: usize =
        (1..=20).map(|tick| flood(&mut allocator, "acme", 50, after(3 * SECOND + tick * SECOND / 2))).sum();
    assert!((198..=201).contains(&admitted), "20/s over 10 s: {admitted}");
}

#[test]
fn a_bad_or_old_table_changes_nothing() {
    let mut allocator = allocator(100.0, 100);
    let good = table(100.0, 100, 10);
    assert_eq!(allocator.apply(&good.encode(), start()), Ok(1));
    assert!(allocator.apply(&good.encode(), start()).is_err(), "the same epoch again");
    let mut bad = good.clone();
    bad.epoch = 2;
    bad.resources[0].tier_reservations[0] = Schedule::constant(reservation(1_000.0, 1), 10);
    assert!(allocator.apply(&bad.encode(), start()).is_err());
    assert_eq!(allocator.epoch(), 1);
    assert_eq!(flood(&mut allocator, "x", 1_000, start()), 70);
}

#[test]
fn a_pushed_table_keeps_what_was_used() {
    let mut allocator = allocator(100.0, 100);
    let mut pushed = table(100.0, 100, 10);
    pushed.keys.push(key("acme", 0, None, reservation(50.0, 50), 10));
    allocator.apply(&pushed.encode(), start()).unwrap();
    let first = flood(&mut allocator, "acme", 1_000, start());
    for epoch in 2..10 {
        pushed.epoch = epoch;
        allocator.apply(&pushed.encode(), start()).unwrap();
        assert_eq!(flood(&mut allocator, "acme", 1_000, start()), 0, "a push mints nothing");
    }
    assert_eq!(first, 100);
}

#[test]
fn a_pushed_table_keeps_what_was_used_of_a_contract() {
    // With and without a contract of the tier beside the key's own.
    for tiers in [None, contract(1.0, 70)] {
        let mut allocator = allocator(100.0, 1_000);
        let mut pushed = table(100.0, 1_000, 10);
        // Scarcity, so that contracts matter: some tier's floor is the whole pool.
        pushed.tiers[1].floor_permille = 1_000;
        pushed.tiers[0].contracts = vec![tiers];
        pushed.keys.push(key("acme", 0, contract(1.0, 50), Reservation::default(), 10));
        allocator.apply(&pushed.encode(), start()).unwrap();
        assert_eq!(flood(&mut allocator, "acme", 1_000, start()), 50);
        for epoch in 2..5 {
            pushed.epoch = epoch;
            allocator.apply(&pushed.encode(), start()).unwrap();
            assert_eq!(flood(&mut allocator, "acme", 1_000, start()), 0, "a push refills no contract");
        }
        // An upgrade grants the difference and no more.
        pushed.epoch = 9;
        pushed.keys[0].grants[0].contract = contract(1.0, 60);
        allocator.apply(&pushed.encode(), start()).unwrap();
        assert_eq!(flood(&mut allocator, "acme", 1_000, start()), 10);
    }
}

#[test]
fn rotating_keys_mints_nothing() {
    let mut allocator = allocator(100.0, 1_000_000);
    let mut table = table(100.0, 1_000_000, 10);
    table.tiers[1].contracts = vec![contract(1.0, 5)];
    // Scarcity, so that contracts matter: bronze's floor is the whole pool but a little.
    table.tiers[0].floor_permille = 1_000;
    table.default_tier = 1;
    table.tiers[1].floor_permille = 0;
    allocator.apply(&table.encode(), start()).unwrap();
    let passed: usize =
        (0..2_000).map(|key| flood(&mut allocator, &alloc::format!("rotating-{key}"), 10, start())).sum();
    assert_eq!(passed, 100 * 5 + 5, "a hundred entries and the common one, five tokens each");
}

#[test]
fn workers_that_share_a_budget_admit_no_more_than_one_that_has_it_alone() {
    for workers in [1, 2, 3, 8_u64] {
        let mut crew: Vec<Allocator> = (0..workers).map(|_| allocator(100.0, 100)).collect();
        let mut pushed = table(100.0, 100, 10);
        pushed.keys.push(key("acme", 0, None, reservation(50.0, 50), 10));
        for worker in &mut crew {
            worker.set_share(Share::new(1, workers), start());
            worker.apply(&pushed.encode(), start()).unwrap();
            assert!(worker.apply(&pushed.encode(), start()).is_err(), "once");
        }
        let admitted: usize = (0..=100)
            .map(|tick| {
                let now = after(tick * SECOND / 10);
                crew.iter_mut().map(|worker| flood(worker, "acme", 200, now)).sum::<usize>()
            })
            .sum();
        assert!(admitted <= 1_100, "{workers} workers admitted {admitted}");
        assert!(admitted >= 1_100 - 2 * workers as usize, "{workers} workers admitted only {admitted}");
    }
}

#[test]
fn what_grows_before_others_shrink_loses_no_tokens() {
    let tokens = |allocator: &mut Allocator, now| {
        let [a, b] = [b"a", b"b"].map(|key| allocator.explain(key, now).resources[0].clone());
        (a.reserved_left + b.reserved_left + a.pool.0, a.reserved_depth, b.reserved_depth)
    };
    for [shrinks, grows] in [["a", "b"], ["b", "a"]] {
        let mut allocator = allocator(100.0, 100);
        let mut pushed = table(100.0, 100, 2);
        let own = |name, first, second| Key {
            grants: vec![Grant {
                reservations: Schedule::from_steps(&[reservation(10.0, first), reservation(10.0, second)]),
                ..key(name, 0, None, reservation(1.0, 1), 2).grants.remove(0)
            }],
            ..key(name, 0, None, reservation(1.0, 1), 2)
        };
        pushed.keys = vec![own(shrinks, 60, 60), own(grows, 20, 20)];
        allocator.apply(&pushed.encode(), start()).unwrap();
        assert_eq!(tokens(&mut allocator, start()).0, 100.0);
        // By a push, and by a step whose growing key is touched before the other.
        pushed.epoch = 2;
        pushed.keys = vec![own(grows, 80, 20), own(shrinks, 20, 80)];
        allocator.apply(&pushed.encode(), start()).unwrap();
        let depths = if grows == "a" { (80.0, 20.0) } else { (20.0, 80.0) };
        assert_eq!(tokens(&mut allocator, start()), (100.0, depths.0, depths.1), "after a push");
        assert!(admitted(&ask(&mut allocator, shrinks, 1, after(SECOND))));
        allocator.advance(after(SECOND));
        allocator.advance(after(SECOND));
        assert_eq!(tokens(&mut allocator, after(SECOND)), (99.0, depths.1, depths.0), "after a step");
    }
}

#[test]
fn keys_that_tables_name_one_after_another_take_the_places_of_those_before() {
    let mut allocator = allocator(1_000.0, 1_000);
    for epoch in 1..=30 {
        let mut table = table(1_000.0, 1_000, 60);
        table.epoch = epoch;
        table.keys = (0..500)
            .map(|number| {
                let own = if number % 2 == 0 { reservation(1.0, 1) } else { Reservation::default() };
                key(&format!("key-{epoch}-{number}"), 0, contract(5.0, 5), own, 60)
            })
            .collect();
        table.keys.sort_by_key(|key| key.hash);
        let now = after(epoch * SECOND);
        assert_eq!(allocator.apply(&table.encode(), now), Ok(epoch));
        // Some of them ask, and a report is taken.
        for number in 0..50 {
            ask(&mut allocator, &format!("key-{epoch}-{number}"), 1, now);
        }
        allocator.report(1);
        let key = format!("key-{epoch}-7");
        let left = allocator.standing(key.as_bytes(), 0, now).map(|standing| standing.left);
        assert_eq!(left, Some(4), "whoever had the place before has left nothing in it");
    }
    // Those of the table, those of the one before, and as many as there is room for.
    let room = 1 + 100;
    assert!(allocator.key_count() <= 500 + 500 + room, "{} keys", allocator.key_count());
}
