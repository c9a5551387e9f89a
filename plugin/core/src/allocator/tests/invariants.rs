//! Property tests: random tables, random traffic, random time.

use proptest::prelude::*;

use super::*;

/// What an asker puts up with.
#[derive(Clone, Copy, Debug)]
enum Manner {
    AllAtOnce,
    Waits,
    TakesLess,
}

/// What may happen next in a random run.
#[derive(Clone, Debug)]
enum Event {
    /// Time goes on.
    Wait(u64),
    /// A request of key 0..6 (beyond the table's keys: unknown) with a cost and a class.
    Ask { key: usize, cost: u64, class: u8, estimated: bool, manner: Manner },
    /// Settles the oldest open receipt with this actual cost.
    Settle(u64),
    /// A new table: reservations of the table's four keys as (rate, depth) parts of the whole, in percent.
    Push { parts: [(u8, u8); 4], steps: u16 },
    /// The housekeeping tick.
    Tick,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let parts = prop::array::uniform4((0_u8..23, 0_u8..23));
    let manner = prop_oneof![Just(Manner::AllAtOnce), Just(Manner::Waits), Just(Manner::TakesLess)];
    let event = prop_oneof![
        4 => (0_u64..400_000_000).prop_map(Event::Wait),
        1 => (0_u64..5 * SECOND).prop_map(Event::Wait),
        10 => (0_usize..6, 0_u64..30, 0_u8..3, any::<bool>(), manner)
            .prop_map(|(key, cost, class, estimated, manner)| Event::Ask { key, cost, class, estimated, manner }),
        3 => (0_u64..60).prop_map(Event::Settle),
        1 => (parts, 1_u16..5).prop_map(|(parts, steps)| Event::Push { parts, steps }),
        1 => Just(Event::Tick),
    ];
    prop::collection::vec(event, 1..300)
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "unknown-1", "unknown-2"];
const BURST: u64 = 100;

fn pushed(
    epoch: u64,
    now: Timestamp,
    per_s: f64,
    parts: &[(u8, u8); 4],
    steps: u16,
    order: DrawOrder,
) -> Table {
    let mut table = table(per_s, BURST, steps);
    table.epoch = epoch;
    table.starts_at_ms = now.millis();
    table.valid_until_ms = now.millis() + 1_000 * u64::from(steps) + 500;
    table.draw_order = order;
    for tier in &mut table.tiers {
        (tier.max_delay_ms, tier.credit_permille) = (400, 500);
    }
    (table.tiers[1].priority, table.tiers[0].emergency) = (1, true);
    table.resources[0].emergency = Schedule::constant(reservation(per_s * 0.05, BURST / 20), steps);
    table.resources[0].emergency_key_permille = 600;
    for (name, (rate, depth)) in NAMES.iter().zip(parts) {
        let mut key =
            key(name, u8::from(*rate > 12), contract(per_s / 2.0, BURST), reservation(1.0, 1), steps);
        // Steps differ, so that reservations shrink and grow on the way.
        let own = |step: u16| {
            let share = f64::from(*rate) / 100.0 / if step.is_multiple_of(2) { 1.0 } else { 3.0 };
            reservation(per_s * share, BURST * u64::from(*depth) / 100)
        };
        key.grants[0].reservations = Schedule::from_steps(&(0..steps).map(own).collect::<Vec<_>>());
        table.keys.push(key);
    }
    table
}

fn class(number: u8) -> Class {
    [Class::Critical, Class::Standard, Class::Deferrable][usize::from(number % 3)]
}

/// Runs events and checks *conservation* at every admission: in no interval is more admitted, net of refunds, than
/// the bucket (capacity, burst) allows, plus what settling added beyond the estimates.
fn conserve(per_s: f64, order: DrawOrder, events: &[Event]) -> Result<(), TestCaseError> {
    let mut allocator = allocator(per_s, BURST);
    let mut now = start();
    let mut open = alloc::collections::VecDeque::new();
    let mut epoch = 0;
    // Level of the one bucket that all of it must fit into, in tokens; it may not fall below zero.
    let mut level = BURST as f64;
    let mut waiting = std::collections::HashMap::new();
    for event in events {
        while let Some((ticket, decision)) = allocator.release(now) {
            let cost: u64 = waiting.remove(&ticket).unwrap();
            let Decision::Admit(admission) = decision else { continue };
            level -= cost as f64;
            prop_assert!(level > -1e-3, "{level} tokens over after releasing {cost}");
            open.extend(admission.receipt.map(|receipt| (receipt, cost)));
        }
        match event {
            Event::Wait(nanos) => {
                now = now.plus(*nanos);
                level = (level + per_s * *nanos as f64 / SECOND as f64).min(BURST as f64);
            }
            Event::Ask { key, cost, class: number, estimated, manner } => {
                let demands = [Demand { resource: 0, cost: *cost, estimated: *estimated }];
                let request = Request {
                    key: NAMES[*key].as_bytes(),
                    class: class(*number),
                    demands: &demands,
                    may_wait: matches!(manner, Manner::Waits),
                    partial: matches!(manner, Manner::TakesLess),
                };
                match allocator.decide(&request, now) {
                    Decision::Admit(admission) => {
                        prop_assert!(admission.granted <= *cost);
                        level -= admission.granted as f64;
                        prop_assert!(level > -1e-3, "{level} tokens over after admitting {cost}");
                        open.extend(admission.receipt.map(|receipt| (receipt, admission.granted)));
                    }
                    Decision::Wait(ticket) => {
                        waiting.insert(ticket.ticket, *cost);
                    }
                    Decision::Refuse(_) => {}
                }
            }
            Event::Settle(actual) => {
                let Some((receipt, estimate)) = open.pop_front() else { continue };
                prop_assert!(allocator.settle(receipt, &[(0, *actual)], now));
                prop_assert!(!allocator.settle(receipt, &[(0, 0)], now), "a receipt settles once");
                level = (level + estimate as f64 - *actual as f64).min(BURST as f64);
            }
            Event::Push { parts, steps } => {
                epoch += 1;
                let table = pushed(epoch, now, per_s, parts, *steps, order);
                prop_assert_eq!(allocator.apply(&table.encode(), now), Ok(epoch));
            }
            Event::Tick => allocator.advance(now),
        }
        allocator.resources[0].budget.check_invariants(now);
    }
    Ok(())
}

proptest! {
    #[test]
    fn conservation_whatever_is_asked_settled_or_pushed(events in events(), per_s in 0.5..200.0_f64) {
        // A charge beyond the estimate may push the pool into debt; then nothing passes until it is paid.
        let within: Vec<Event> = events
            .into_iter()
            .map(|event| match event {
                Event::Settle(actual) => Event::Settle(actual.min(29)),
                event => event,
            })
            .collect();
        let cheaper: Vec<Event> = within
            .iter()
            .map(|event| match event {
                Event::Ask { key, class, estimated: true, .. } =>
                    Event::Ask { key: *key, cost: 29, class: *class, estimated: true, manner: Manner::Waits },
                event => event.clone(),
            })
            .collect();
        conserve(per_s, DrawOrder::PoolFirst, &cheaper)?;
        conserve(per_s, DrawOrder::ShadowFirst, &cheaper)?;
    }

    /// Debt is carried: whatever settling adds beyond the estimates, nothing is admitted until refill has paid for it.
    #[test]
    fn conservation_counts_actual_costs_above_the_estimate(
        rounds in prop::collection::vec((1_u64..10, 0_u64..80, 0_u64..2 * SECOND), 1..80),
    ) {
        let (per_s, mut now) = (50.0, start());
        let mut allocator = allocator(per_s, BURST);
        let mut level = BURST as f64;
        for (estimate, actual, wait) in rounds {
            now = now.plus(wait);
            level = (level + per_s * wait as f64 / SECOND as f64).min(BURST as f64);
            let Decision::Admit(admission) = ask_estimate(&mut allocator, "a", estimate, now) else { continue };
            prop_assert!(level - estimate as f64 > -1e-3, "admitted {estimate} at a level of {level}");
            prop_assert!(allocator.settle(admission.receipt.unwrap(), &[(0, actual)], now));
            level = (level - actual as f64).min(BURST as f64);
        }
    }

    #[test]
    fn guarantee_conforming_demand_is_never_refused(
        others in prop::collection::vec((0_usize..6, 1_u64..30, 0_u8..3, 0_u64..50_000_000), 50..400),
        rate in 5.0..40.0_f64,
        depth in 5_u64..40,
        cost in 1_u64..5,
        shadow_first in any::<bool>(),
    ) {
        let mut allocator = allocator(100.0, BURST);
        let mut table = table(100.0, BURST, 60);
        table.draw_order = if shadow_first { DrawOrder::ShadowFirst } else { DrawOrder::PoolFirst };
        table.tiers[0].floor_permille = 900;
        table.keys.push(key("a", 0, contract(1.0, 1), reservation(rate, depth), 60));
        allocator.apply(&table.encode(), start()).unwrap();
        // Funded at once: the pool was full. A bucket of our own says what conforms.
        let (mut now, mut level) = (start(), depth as f64);
        for (who, other, number, wait) in others {
            now = now.plus(wait);
            level = (level + rate * wait as f64 / SECOND as f64).min(depth as f64);
            if who > 0 {
                let demands = [Demand { resource: 0, cost: other, estimated: false }];
                let name = NAMES[who].as_bytes();
                allocator.decide(&Request { key: name, class: class(number), demands: &demands, may_wait: false, partial: false }, now);
            } else if level >= cost as f64 + 1e-3 {
                prop_assert!(admitted(&ask(&mut allocator, "a", cost, now)), "{level} reserved, {cost} refused");
                level -= cost as f64;
            }
        }
    }

    /// In the instant in which somebody within contract is refused, nobody of a worse tier gets as much from the pool,
    /// and nobody is refused what the pool has above every floor.
    #[test]
    fn priority_and_work_conservation_hold_in_every_instant(
        events in prop::collection::vec((0_usize..2, 1_u64..30, 0_u64..80_000_000), 20..200),
        floors in (0_u16..200, 200_u16..600),
    ) {
        let mut allocator = allocator(100.0, BURST);
        let mut table = table(100.0, BURST, 60);
        (table.tiers[0].floor_permille, table.tiers[1].floor_permille) = floors;
        table.keys.push(key("gold", 0, None, reservation(10.0, 10), 60));
        table.keys.push(key("bronze", 1, None, reservation(10.0, 10), 60));
        allocator.apply(&table.encode(), start()).unwrap();
        let mut now = start();
        for (who, cost, wait) in events {
            now = now.plus(wait);
            let name = ["gold", "bronze"][who];
            let before = allocator.explain(name.as_bytes(), now).resources[0].clone();
            let decision = ask(&mut allocator, name, cost, now);
            if let Decision::Refuse(refusal) = &decision {
                prop_assert_eq!(refusal.reason, Reason::Pool);
                let highest = f64::from(floors.1) / 1000.0 * before.pool.1;
                prop_assert!(before.pool.0 - (cost as f64) < highest + 1e-3, "{before:?} refused {cost}");
                prop_assert!((cost as f64) > before.available_now - 1e-3, "{before:?} refused {cost}");
            }
            if who == 0 && !admitted(&decision) {
                let worse = ask(&mut allocator, "bronze", cost, now);
                let took_pool_only = matches!(&worse, Decision::Admit(admission) if admission.source == Source::Opportunistic);
                prop_assert!(!took_pool_only, "bronze got {cost} that gold was refused");
            }
        }
    }

    #[test]
    fn fallback_equals_one_bucket(
        per_s in 0.1..500.0_f64,
        burst in 1_u64..100,
        requests in prop::collection::vec((0_usize..6, 0_u64..20, 0_u64..SECOND / 4), 1..400),
    ) {
        let mut allocator = allocator(per_s, burst);
        let rate = Rate::from_micro_per_s(MicroRate::from_per_s(per_s));
        // Exact: levels in 2^-52 tokens.
        let full = i128::from(burst) << 52;
        let (mut level, mut now) = (full, start());
        for (key, cost, wait) in requests {
            now = now.plus(wait);
            level = (level + i128::from(rate.0) * i128::from(wait)).min(full);
            let fits = level >= i128::from(cost) << 52;
            prop_assert_eq!(admitted(&ask(&mut allocator, NAMES[key], cost, now)), fits);
            if fits {
                level -= i128::from(cost) << 52;
            }
        }
    }

    #[test]
    fn monotone_a_backward_clock_jump_mints_nothing_and_stalls_nothing(
        jumps in prop::collection::vec((0_u64..SECOND, 0_u64..3_600 * SECOND, any::<bool>()), 1..60),
    ) {
        let mut allocator = allocator(10.0, 20);
        let rate = i128::from(Rate::from_micro_per_s(MicroRate::from_per_s(10.0)).0);
        let mut wall = start().nanos() + 100_000 * SECOND;
        allocator.advance(Timestamp::from_nanos(wall));
        flood(&mut allocator, "a", 40, Timestamp::from_nanos(wall));
        // Exact: levels in 2^-52 tokens.
        let mut level = 0_i128;
        for (elapsed, jump, back) in jumps {
            if back {
                wall -= jump.min(wall - start().nanos());
                // The jump itself is no time at all.
                let taken = flood(&mut allocator, "a", 40, Timestamp::from_nanos(wall));
                prop_assert_eq!(taken, 0, "the jump minted tokens");
            }
            wall += elapsed;
            level = (level + rate * i128::from(elapsed)).min(20 << 52);
            let taken = flood(&mut allocator, "a", 40, Timestamp::from_nanos(wall));
            prop_assert_eq!(taken as i128, level >> 52, "refill goes on at once");
            level -= (taken as i128) << 52;
        }
    }

    #[test]
    fn bounded_keys_receipts_and_records(keys in prop::collection::vec(any::<u64>(), 500..1_500)) {
        let mut allocator = allocator(1e6, 1_000_000);
        for (step, key) in keys.iter().enumerate() {
            let now = after(step as u64 * SECOND / 100);
            ask_estimate(&mut allocator, &alloc::format!("{key}"), 1, now);
            prop_assert!(allocator.key_count() <= 101);
        }
    }

    #[test]
    fn a_refused_decision_debits_nothing(cost in 60_u64..1_000) {
        let mut allocator = allocator(10.0, 50);
        for _ in 0..5 {
            prop_assert!(!admitted(&ask(&mut allocator, "a", cost, start())));
        }
        prop_assert_eq!(flood(&mut allocator, "a", 100, start()), 50);
    }
}
