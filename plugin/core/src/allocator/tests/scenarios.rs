//! Single cases, each named after what must hold.

use super::*;

fn gold_and_flood(order: DrawOrder) -> (Allocator, usize) {
    let mut allocator = allocator(100.0, 100);
    let mut table = table(100.0, 100, 10);
    table.draw_order = order;
    table.keys.push(key("acme", 0, contract(60.0, 60), reservation(50.0, 50), 10));
    allocator.apply(&table.encode(), start()).unwrap();
    let stolen = flood(&mut allocator, "batch", 1_000, start());
    (allocator, stolen)
}

#[test]
fn a_flooding_bronze_key_takes_the_pool_above_its_floor_and_nothing_reserved() {
    let (mut allocator, stolen) = gold_and_flood(DrawOrder::PoolFirst);
    // The pool's cap is 100 - 50 reserved; bronze leaves 30 % of it.
    assert_eq!(stolen, 35);
    assert_eq!(
        flood(&mut allocator, "acme", 1_000, start()),
        15 + 50,
        "gold has the rest of the pool and its own"
    );
}

#[test]
fn an_idle_reservation_overflows_into_the_pool_at_once() {
    let (mut allocator, _) = gold_and_flood(DrawOrder::PoolFirst);
    // acme stays idle: bronze has all of the capacity, not the half that is not reserved.
    let admitted: usize =
        (1..=50).map(|tick| flood(&mut allocator, "batch", 100, after(tick * SECOND / 10))).sum();
    assert!((498..=500).contains(&admitted), "{admitted}");
}

#[test]
fn shadow_first_spends_the_reservation_before_the_pool() {
    for (order, source) in
        [(DrawOrder::ShadowFirst, Source::Guaranteed), (DrawOrder::PoolFirst, Source::Opportunistic)]
    {
        let mut allocator = allocator(100.0, 100);
        let mut table = table(100.0, 100, 10);
        table.draw_order = order;
        table.keys.push(key("acme", 0, None, reservation(50.0, 50), 10));
        allocator.apply(&table.encode(), start()).unwrap();
        let Decision::Admit(admission) = ask(&mut allocator, "acme", 1, start()) else { panic!("refused") };
        assert_eq!(admission.source, source);
    }
}

#[test]
fn shadow_and_pool_together_cover_what_neither_does_alone() {
    let mut allocator = allocator(100.0, 100);
    let mut table = table(100.0, 100, 10);
    table.keys.push(key("acme", 0, None, reservation(50.0, 50), 10));
    allocator.apply(&table.encode(), start()).unwrap();
    assert!(admitted(&ask(&mut allocator, "acme", 80, start())));
    assert!(!admitted(&ask(&mut allocator, "acme", 21, start())));
    assert!(admitted(&ask(&mut allocator, "acme", 20, start())));
}

#[test]
fn a_contract_gates_only_when_tokens_are_scarce() {
    let mut allocator = allocator(100.0, 100);
    let mut table = table(100.0, 100, 10);
    table.keys.push(key("acme", 0, contract(10.0, 10), Reservation::default(), 10));
    allocator.apply(&table.encode(), start()).unwrap();
    // Down to the highest floor (30) the contract of 10 does not matter; the contract is in debt to its floor then.
    assert_eq!(flood(&mut allocator, "acme", 1_000, start()), 70);
    let Decision::Refuse(refusal) = ask(&mut allocator, "acme", 1, start()) else { panic!("admitted") };
    assert_eq!(refusal.reason, Reason::Contract);
    // Tokens are plentiful again long before the contract has paid its debt of one burst.
    let retry = refusal.retry_after_ns.unwrap();
    assert!((9_900_000..10_100_000).contains(&retry), "one token above the highest floor: {retry}");
    assert!(!admitted(&ask(&mut allocator, "acme", 1, after(retry - 1))));
    assert!(admitted(&ask(&mut allocator, "acme", 1, after(retry))));
}

#[test]
fn who_may_not_borrow_waits_for_its_own_contract() {
    let mut allocator = allocator(100.0, 100);
    let mut table = table(100.0, 100, 10);
    table.tiers[0].borrow = false;
    table.keys.push(key("acme", 0, contract(10.0, 10), Reservation::default(), 10));
    allocator.apply(&table.encode(), start()).unwrap();
    assert_eq!(flood(&mut allocator, "acme", 1_000, start()), 10, "whatever the pool holds");
    let Decision::Refuse(refusal) = ask(&mut allocator, "acme", 1, start()) else { panic!("admitted") };
    assert_eq!(refusal.reason, Reason::Contract);
    let retry = refusal.retry_after_ns.unwrap();
    assert!((99_900_000..100_100_000).contains(&retry), "{retry}");
    assert!(!admitted(&ask(&mut allocator, "acme", 1, after(retry - 1))));
    assert!(admitted(&ask(&mut allocator, "acme", 1, after(retry))));
}

#[test]
fn retry_after_is_the_time_after_which_it_is_admitted_and_not_before() {
    let mut allocator = allocator(7.0, 20);
    assert_eq!(flood(&mut allocator, "a", 100, start()), 20);
    let Decision::Refuse(refusal) = ask(&mut allocator, "a", 3, start()) else { panic!("admitted") };
    let retry = refusal.retry_after_ns.unwrap();
    assert!(!admitted(&ask(&mut allocator, "a", 3, after(retry - 1))));
    assert!(admitted(&ask(&mut allocator, "a", 3, after(retry))));
    let Decision::Refuse(never) = ask(&mut allocator, "a", 21, after(retry)) else { panic!("admitted") };
    assert_eq!(never.retry_after_ns, None, "more than the burst never fits");
}

#[test]
fn critical_requests_pass_the_floor_and_deferrable_ones_stop_at_the_highest() {
    let mut allocator = allocator(100.0, 100);
    allocator.apply(&table(100.0, 100, 10).encode(), start()).unwrap();
    let count = |allocator: &mut Allocator, class| {
        (0..200).filter(|_| admitted(&ask_as(allocator, "x", 1, class, start()))).count()
    };
    assert_eq!(count(&mut allocator, Class::Deferrable), 70);
    assert_eq!(count(&mut allocator, Class::Standard), 0);
    assert_eq!(count(&mut allocator, Class::Critical), 30);
}

#[test]
fn a_tier_that_may_wait_borrows_the_near_future_and_no_more() {
    let mut allocator = allocator(10.0, 10);
    let mut table = table(10.0, 10, 10);
    table.tiers[0].max_delay_ms = 501;
    table.keys.push(key("acme", 0, None, Reservation::default(), 10));
    allocator.apply(&table.encode(), start()).unwrap();
    let demands = [Demand { resource: 0, cost: 1, estimated: false }];
    let request =
        Request { key: b"acme", class: Class::Standard, demands: &demands, may_wait: true, partial: false };
    let answers: Vec<Decision> = (0..20).map(|_| allocator.decide(&request, start())).collect();
    assert!(answers[..10].iter().all(admitted), "{answers:?}");
    let expected: Vec<u64> = answers[10..15]
        .iter()
        .map(|answer| match answer {
            Decision::Wait(waiting) => waiting.expected_ns.next_multiple_of(1_000) / 1_000_000,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(expected, [100, 200, 300, 400, 500]);
    assert!(answers[15..].iter().all(|answer| matches!(answer, Decision::Refuse(_))), "{answers:?}");
    // Served in order, as the tokens come.
    for number in 1..=5 {
        let due = start().plus(number * SECOND / 10 + 1_000);
        assert!(allocator.next_release_ns(due).is_some());
        let (_, decision) = allocator.release(due).unwrap();
        assert!(admitted(&decision), "{decision:?}");
        assert_eq!(allocator.release(due), None);
    }
    assert_eq!(allocator.waiting(), 0);
}

#[test]
fn several_resources_are_all_or_nothing() {
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
    let mut allocator = Allocator::new(setup, start());
    let mut decide = |tokens| {
        let demands = [
            Demand { resource: 0, cost: 1, estimated: false },
            Demand { resource: 1, cost: tokens, estimated: true },
        ];
        allocator.decide(
            &Request {
                key: b"a",
                class: Class::Standard,
                demands: &demands,
                may_wait: false,
                partial: false,
            },
            start(),
        )
    };
    for _ in 0..50 {
        let Decision::Refuse(refusal) = decide(101) else { panic!("admitted") };
        assert_eq!((refusal.resource, refusal.reason), (1, Reason::Pool));
    }
    assert_eq!(
        (0..50).filter(|_| admitted(&decide(1))).count(),
        10,
        "the refused ones took no request token"
    );
}

#[test]
fn a_request_that_names_a_resource_twice_or_wrongly_is_refused() {
    let mut allocator = allocator(10.0, 10);
    let one = Demand { resource: 0, cost: 1, estimated: false };
    for demands in [[one, one], [one, Demand { resource: 7, ..one }]] {
        let request =
            Request { key: b"a", class: Class::Standard, demands: &demands, may_wait: false, partial: false };
        let Decision::Refuse(refusal) = allocator.decide(&request, start()) else { panic!("admitted") };
        assert_eq!(refusal.reason, Reason::Malformed);
    }
}

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
fn reports_count_what_was_offered_admitted_and_settled() {
    let mut allocator = allocator(10.0, 10);
    flood(&mut allocator, "a", 25, after(SECOND / 2));
    ask(&mut allocator, "b", 1, after(SECOND * 3 / 2));
    let report = allocator.report(1).unwrap();
    assert_eq!((report.seq, report.keys.as_slice()), (1, &[String::from("a"), String::from("b")][..]));
    let [a, b] = report.records.as_slice() else { panic!("{report:?}") };
    assert_eq!((a.usage.requests_offered, a.usage.requests_admitted, a.usage.demand()), (25, 10, 25));
    assert_eq!((a.window_start_ms, b.window_start_ms), (START_MS, START_MS + 1_000));
    assert_eq!(allocator.report(1), None, "taken once");
    ask(&mut allocator, "b", 1, after(SECOND * 3 / 2));
    assert_eq!(allocator.report(1).unwrap().seq, 2, "increments of the same window come in the next report");
}

#[test]
fn a_flood_of_refusals_does_not_starve_refill() {
    let mut allocator = allocator(10.0, 10);
    flood(&mut allocator, "a", 100, start());
    let passed = (1..=1_000_100_u64)
        .filter(|tick| admitted(&ask(&mut allocator, "a", 1, after(tick * 1_000))))
        .count();
    assert_eq!(passed, 10, "a second of refill, asked for a million times");
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
