//! The order of a decision, step by step, as it was asked for.

use super::*;

/// gold (best), silver and bronze with rising floors; `gold`, `silver` and `bronze` are their customers.
pub(super) fn tiered(per_s: f64, burst: u64, change: impl FnOnce(&mut Table)) -> Allocator {
    let mut allocator = allocator(per_s, burst);
    let tier = |name: &str, priority, floor_permille| Tier {
        name: String::from(name),
        priority,
        floor_permille,
        contracts: vec![None],
        ..Tier::default()
    };
    let mut table = Table {
        tiers: vec![tier("gold", 0, 0), tier("silver", 1, 100), tier("bronze", 2, 300)],
        default_tier: 2,
        ..table(per_s, burst, 60)
    };
    table.resources[0].tier_reservations = vec![Schedule::default(); 3];
    for (tier, name) in (0..).zip(["gold", "silver", "bronze"]) {
        table.keys.push(key(name, tier, None, Reservation::default(), 60));
    }
    change(&mut table);
    allocator.apply(&table.encode(), start()).unwrap();
    allocator
}

fn source(decision: &Decision) -> Source {
    match decision {
        Decision::Admit(admission) => admission.source,
        other => panic!("{other:?}"),
    }
}

pub(super) fn reserve(table: &mut Table, key: usize, per_s: f64, depth: u64) {
    table.keys[key].grants[0].reservations = Schedule::constant(reservation(per_s, depth), table.steps);
}

#[test]
fn bronze_is_throttled_when_tokens_are_short_and_gold_goes_on() {
    let mut allocator = tiered(100.0, 100, |_| {});
    assert_eq!(flood(&mut allocator, "bronze", 200, start()), 70);
    assert_eq!(flood(&mut allocator, "silver", 200, start()), 20);
    assert_eq!(flood(&mut allocator, "gold", 200, start()), 10);
}

#[test]
fn silver_asks_for_scaling_and_is_then_admitted() {
    let mut allocator = tiered(100.0, 100, |table| table.tiers[1].scales = true);
    flood(&mut allocator, "bronze", 200, start());
    assert_eq!(flood(&mut allocator, "silver", 25, start()), 20);
    let report = allocator.report(1).unwrap();
    assert_eq!(report.wishes.len(), 1, "bronze's refusals ask for nothing");
    assert_eq!((report.wishes[0].resource, report.wishes[0].refused), (0, 5));
    // The pool has been scaled: twice the capacity and burst.
    let mut scaled = tiered(100.0, 100, |_| {});
    flood(&mut scaled, "bronze", 200, start());
    let mut table = table(200.0, 200, 60);
    table.epoch = 2;
    table.tiers = vec![Tier { name: "silver".into(), contracts: vec![None], ..Tier::default() }];
    table.default_tier = 0;
    table.resources[0].tier_reservations = vec![Schedule::default()];
    scaled.apply(&table.encode(), start()).unwrap();
    assert_eq!(flood(&mut scaled, "silver", 25, after(SECOND / 10)), 25);
}

#[test]
fn a_sufficient_shadow_is_debited_together_with_the_standard_bucket() {
    let mut allocator = tiered(100.0, 100, |table| {
        table.draw_order = DrawOrder::ShadowFirst;
        reserve(table, 0, 20.0, 20);
        table.keys[0].grants[0].contract = contract(10.0, 30);
    });
    for _ in 0..10 {
        assert_eq!(source(&ask(&mut allocator, "gold", 1, start())), Source::Guaranteed);
    }
    let resource = &allocator.explain(b"gold", start()).resources[0];
    assert_eq!((resource.reserved_left, resource.standard_left), (10.0, Some(20.0)));
}

#[test]
fn an_insufficient_shadow_falls_back_to_the_pool_and_what_goes_beyond_the_forecast_is_reported() {
    let mut allocator = tiered(100.0, 100, |table| {
        table.draw_order = DrawOrder::ShadowFirst;
        reserve(table, 0, 10.0, 10);
        let per_s = MicroRate::from_per_s;
        table.keys[0].grants[0].forecast = Forecast { low: per_s(5.0), high: per_s(12.0) };
    });
    assert_eq!(flood(&mut allocator, "gold", 30, start()), 30, "10 reserved, 20 from the pool");
    let report = allocator.report(1).unwrap();
    assert_eq!(report.records[0].usage.guaranteed, 10);
    assert_eq!(report.records[0].usage.opportunistic, 20);
    assert_eq!(report.records[0].usage.beyond, 18, "30 asked for, 12 forecast for the window of a second");
    assert!(!report.records[0].contended);
    for second in 1..4 {
        flood(&mut allocator, "gold", 30, after(second * SECOND));
        assert_eq!(allocator.report(1).unwrap().records[0].contended, second == 3, "sustained");
    }
}

#[test]
fn an_overestimate_is_returned_at_once() {
    let mut allocator = tiered(100.0, 100, |table| reserve(table, 0, 50.0, 50));
    // gold asks for nothing: everybody has all of the capacity, second by second.
    flood(&mut allocator, "bronze", 200, start());
    let later: usize =
        (1..=40).map(|tick| flood(&mut allocator, "bronze", 50, after(tick * SECOND / 20))).sum();
    assert!((199..=201).contains(&later), "{later} of 200 in two seconds");
}

#[test]
fn a_grant_is_the_lesser_of_the_request_and_what_is_there() {
    let mut allocator = tiered(100.0, 100, |table| reserve(table, 0, 40.0, 40));
    let part = |allocator: &mut Allocator, name: &str, cost| {
        let demands = [Demand { resource: 0, cost, estimated: false }];
        let request = Request {
            key: name.as_bytes(),
            class: Class::Standard,
            demands: &demands,
            may_wait: false,
            partial: true,
        };
        allocator.decide(&request, start())
    };
    let granted = |decision: &Decision| match decision {
        Decision::Admit(admission) => admission.granted,
        other => panic!("{other:?}"),
    };
    // The pool's cap is 60; bronze leaves 30 % of it.
    assert_eq!(granted(&part(&mut allocator, "bronze", 500)), 42);
    assert!(matches!(part(&mut allocator, "bronze", 500), Decision::Refuse(_)));
    assert_eq!(granted(&part(&mut allocator, "gold", 500)), 40 + 18, "pre-allocated and pool");
    assert!(matches!(part(&mut allocator, "gold", 1), Decision::Refuse(_)));
    let report = allocator.report(1).unwrap();
    let admitted: u64 =
        report.records.iter().map(|record| record.usage.guaranteed + record.usage.opportunistic).sum();
    assert_eq!(admitted, 100, "only what was granted is counted");
}

#[test]
fn a_part_of_several_resources_cannot_be_granted() {
    let mut allocator = tiered(100.0, 100, |_| {});
    let one = Demand { resource: 0, cost: 1, estimated: false };
    let demands = [one, Demand { resource: 1, ..one }];
    let request =
        Request { key: b"gold", class: Class::Standard, demands: &demands, may_wait: false, partial: true };
    let Decision::Refuse(refusal) = allocator.decide(&request, start()) else { panic!("granted") };
    assert_eq!(refusal.reason, Reason::Malformed);
}

#[test]
fn the_emergency_pool_is_for_critical_requests_and_tiers_with_access_up_to_a_cap_per_key_and_step() {
    let mut allocator = tiered(100.0, 100, |table| {
        table.tiers[0].emergency = true;
        table.resources[0].emergency = Schedule::constant(reservation(10.0, 20), 60);
        table.resources[0].emergency_key_permille = 250;
    });
    // The pool's cap is 80.
    assert_eq!(flood(&mut allocator, "gold", 200, start()), 80 + 5);
    assert_eq!(source(&ask_as(&mut allocator, "bronze", 1, Class::Critical, start())), Source::Emergency);
    let critical =
        (0..50).filter(|_| admitted(&ask_as(&mut allocator, "silver", 1, Class::Critical, start()))).count();
    assert_eq!(critical, 5, "each key has its own share");
    assert!(!admitted(&ask(&mut allocator, "silver", 1, start())), "not without being critical");
    // A new step, a new share; the pool is drained first.
    let later = after(SECOND);
    let gold = flood(&mut allocator, "gold", 200, later);
    assert_eq!(gold, 80 + 5, "the pool is full again");
}

#[test]
fn an_idle_emergency_pool_overflows_like_any_reservation() {
    let mut allocator = tiered(100.0, 100, |table| {
        table.resources[0].emergency = Schedule::constant(reservation(30.0, 20), 60);
    });
    flood(&mut allocator, "gold", 200, start());
    let later: usize =
        (1..=40).map(|tick| flood(&mut allocator, "gold", 50, after(tick * SECOND / 20))).sum();
    assert!((199..=201).contains(&later), "{later} of 200 in two seconds");
}

#[test]
fn a_burst_credit_moves_pool_tokens_and_creates_none() {
    let with = |credit_permille| {
        let mut allocator = tiered(100.0, 100, |table| {
            table.tiers[2].credit_permille = credit_permille;
            reserve(table, 2, 5.0, 10);
        });
        // bronze was idle for a second, in which its reservation overflowed 5 tokens.
        let now = after(SECOND + SECOND / 100);
        (flood(&mut allocator, "bronze", 200, now), flood(&mut allocator, "gold", 200, now))
    };
    // The pool's cap is 90; bronze leaves 30 % of it.
    assert_eq!(with(0), (63 + 10, 27));
    assert_eq!(with(1_000), (63 + 10 + 5, 22));
    assert_eq!(with(500), (63 + 10 + 2, 25), "half of it is credit");
}

#[test]
fn floors_of_the_plan_change_from_step_to_step() {
    let mut allocator = tiered(100.0, 100, |table| {
        let step = |tier| if tier == 2 { [vec![800], vec![0; 59]].concat() } else { Vec::new() };
        table.resources[0].floors = (0..3).map(step).collect();
    });
    assert_eq!(flood(&mut allocator, "bronze", 200, start()), 20);
    assert_eq!(flood(&mut allocator, "bronze", 200, after(SECOND)), 100);
}

#[test]
fn who_is_refused_learns_what_could_be_had_instead() {
    let mut allocator = tiered(100.0, 100, |table| {
        let steps = [vec![reservation(1.0, 10); 1], vec![reservation(40.0, 60); 59]].concat();
        table.keys[2].grants[0].reservations = Schedule::from_steps(&steps);
        table.resources[0].emergency = Schedule::constant(reservation(5.0, 20), 60);
        table.resources[0].emergency_key_permille = 1_000;
    });
    flood(&mut allocator, "silver", 40, start());
    let demands = [Demand { resource: 0, cost: 50, estimated: false }];
    let request = Request {
        key: b"bronze",
        class: Class::Standard,
        demands: &demands,
        may_wait: false,
        partial: false,
    };
    let Decision::Refuse(refusal) = allocator.decide(&request, start()) else { panic!("admitted") };
    let instead = allocator.alternatives(b"bronze", Class::Standard, &demands, &refusal, start());
    // 30 in the pool of 70 above a floor of 21, and 10 reserved.
    assert_eq!(instead.smaller_permille, Some(399), "19 of 50, rounded down");
    assert_eq!(instead.next_step_ns, Some(SECOND));
    assert!(!instead.as_critical, "40 and 20 for emergencies, but 50 at once come from one");
    assert_eq!(allocator.report(1).unwrap().records.len(), 2, "asking is not counted");
}

#[test]
fn explain_says_where_a_key_stands() {
    let mut allocator = tiered(100.0, 100, |table| {
        reserve(table, 0, 20.0, 20);
        table.keys[0].grants[0].contract = contract(10.0, 30);
        let per_s = MicroRate::from_per_s;
        table.keys[0].grants[0].forecast = Forecast { low: per_s(5.0), high: per_s(12.0) };
    });
    flood(&mut allocator, "bronze", 200, start());
    let gold = allocator.explain(b"gold", after(SECOND / 2));
    assert_eq!((gold.tier.as_str(), gold.known, gold.table_state), ("gold", true, "live"));
    assert_eq!((gold.table_epoch, gold.table_age_ms, gold.step), (1, 500, Some(0)));
    let resource = &gold.resources[0];
    assert!(resource.owns_reservation, "{resource:?}");
    let (low, high) = resource.forecast.unwrap();
    assert!(high == 12.0 && (4.9..=5.0).contains(&low), "{low} to {high}");
    assert_eq!((resource.reserved_left, resource.reserved_rate), (20.0, 20.0));
    assert_eq!((resource.contract, resource.standard_left), (Some((10.0, 30.0)), Some(30.0)));
    let stranger = allocator.explain(b"nobody-yet", after(SECOND / 2));
    assert_eq!((stranger.tier.as_str(), stranger.known), ("bronze", false));
    assert_eq!(allocator.key_count(), 4, "asking creates no key");
}
