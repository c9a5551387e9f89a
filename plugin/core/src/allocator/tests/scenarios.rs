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
