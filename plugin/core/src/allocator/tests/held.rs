//! Tokens that are held while requests run: all of them come back, whatever tables say in the meantime.

use proptest::prelude::*;

use super::*;

/// An allocator of one held resource, `in_flight`, of which there are ten, with room for so many receipts.
fn in_flight(max_receipts: u32) -> Allocator {
    let setup = Setup {
        resources: vec![ResourceSetup { name: String::from("requests"), safe: None }],
        max_unknown_keys: 10,
        max_receipts,
        max_waiting: 0,
        receipt_ttl_ms: 60_000,
        report_interval_ms: 1_000,
    };
    let mut allocator = Allocator::new(setup, start());
    allocator.apply(&held(1, 10, &[]).encode(), start()).unwrap();
    allocator
}

/// A table in which there are so many of it, and keys reserve so many of them.
fn held(epoch: u64, burst: u64, reserved: &[(&str, u64)]) -> Table {
    let mut table = table(0.0, burst, 60);
    table.epoch = epoch;
    table.resources[0].held = true;
    table.tiers[1].floor_permille = 0;
    (table.step_ms, table.valid_until_ms) = (1_000_000, START_MS + 60_000_000);
    table.keys =
        reserved.iter().map(|(name, depth)| key(name, 0, None, reservation(0.0, *depth), 60)).collect();
    table
}

/// Starts so many requests, and returns the receipts of those that were admitted.
fn run(allocator: &mut Allocator, key: &str, count: usize, now: Timestamp) -> Vec<Receipt> {
    let decisions = (0..count).map(|_| ask(allocator, key, 1, now));
    let receipt = |decision| match decision {
        Decision::Admit(admission) => admission.receipt,
        _ => None,
    };
    decisions.filter_map(receipt).collect()
}

fn end(allocator: &mut Allocator, running: impl IntoIterator<Item = Receipt>, now: Timestamp) {
    running.into_iter().for_each(|receipt| assert!(allocator.settle(receipt, &[], now)));
}

/// What is in all buckets.
fn free(allocator: &Allocator, now: Timestamp) -> f64 {
    let budget = &allocator.resources[0].budget;
    (0..budget.shadow_count()).map(|id| budget.shadow(id, now).as_f64()).sum::<f64>() + budget.pool().as_f64()
}

#[test]
fn held_tokens_do_not_come_back_while_the_request_runs_however_many_receipts_there_are() {
    let mut allocator = in_flight(4);
    let running: Vec<Decision> = (0..30).map(|_| ask(&mut allocator, "a", 1, start())).collect();
    assert_eq!(running.iter().filter(|decision| admitted(decision)).count(), 4, "one for each receipt");
    let Decision::Refuse(refusal) = running[4] else { panic!("admitted") };
    assert_eq!(refusal.retry_after_ns, Some(60 * SECOND), "when the first is given up");
    assert_eq!(allocator.explain(b"a", start()).resources[0].pool.0, 6.0);
    let Decision::Admit(Admission { receipt: Some(receipt), .. }) = running[2] else { panic!("refused") };
    assert!(allocator.settle(receipt, &[], after(SECOND)));
    assert_eq!(flood(&mut allocator, "a", 9, after(SECOND)), 1);
    assert_eq!(flood(&mut allocator, "a", 9, after(60 * SECOND)), 3, "those of the beginning are given up");
}

#[test]
fn one_that_runs_long_is_not_given_up_for_many_that_were_settled() {
    let mut allocator = in_flight(4);
    let first = ask(&mut allocator, "a", 1, start());
    for tick in 1..100 {
        let Decision::Admit(Admission { receipt: Some(receipt), .. }) =
            ask(&mut allocator, "a", 1, after(tick))
        else {
            panic!("refused")
        };
        assert!(allocator.settle(receipt, &[], after(tick)));
    }
    let Decision::Admit(Admission { receipt: Some(receipt), .. }) = first else { panic!("refused") };
    assert!(allocator.settle(receipt, &[], after(SECOND)), "it is open");
}

#[test]
fn what_is_held_comes_back_when_it_is_settled() {
    let mut allocator = in_flight(100);
    let mut running = run(&mut allocator, "gold", 20, start());
    assert_eq!(running.len(), 10);
    assert!(!admitted(&ask(&mut allocator, "gold", 1, after(50 * SECOND))), "time frees nothing");
    end(&mut allocator, running.drain(..4), after(50 * SECOND));
    assert_eq!(flood(&mut allocator, "gold", 20, after(50 * SECOND)), 4);
}

#[test]
fn a_budget_that_shrinks_and_grows_again_has_lost_nothing() {
    let mut allocator = in_flight(100);
    let running = run(&mut allocator, "a", 6, start());
    allocator.apply(&held(2, 4, &[]).encode(), start()).unwrap();
    assert_eq!(flood(&mut allocator, "a", 20, start()), 0, "six run where there is room for four");
    allocator.apply(&held(3, 12, &[]).encode(), start()).unwrap();
    assert_eq!(free(&allocator, start()), 6.0, "twelve less six");
    end(&mut allocator, running, start());
    assert_eq!(flood(&mut allocator, "a", 20, start()), 12);
}

#[test]
fn what_becomes_held_begins_full_and_what_was_drawn_before_does_not_come_back() {
    let mut allocator = in_flight(100);
    let was_held = run(&mut allocator, "a", 4, start());
    let mut rate = table(10.0, 10, 60);
    (rate.epoch, rate.tiers[1].floor_permille) = (2, 0);
    rate.keys = vec![key("a", 1, contract(10.0, 20), Reservation::default(), 60)];
    allocator.apply(&rate.encode(), start()).unwrap();
    let Decision::Admit(estimate) = ask_estimate(&mut allocator, "a", 6, start()) else { panic!("refused") };
    assert_eq!(flood(&mut allocator, "a", 10, start()), 0, "six were left");
    end(&mut allocator, was_held, start());
    assert_eq!(flood(&mut allocator, "a", 10, start()), 0, "a token that was held is none that may be spent");
    let mut again = held(3, 10, &[]);
    again.keys = vec![key("a", 1, contract(0.0, 10), Reservation::default(), 60)];
    allocator.apply(&again.encode(), start()).unwrap();
    let running = run(&mut allocator, "a", 20, start());
    assert_eq!(running.len(), 10, "none is in use, neither of all nor of the contract");
    assert!(allocator.settle(estimate.receipt.unwrap(), &[(0, 1)], start()));
    assert_eq!(flood(&mut allocator, "a", 20, start()), 0, "nor was it spent of these");
    end(&mut allocator, running, start());
    assert_eq!(flood(&mut allocator, "a", 20, start()), 10);
}

#[test]
fn a_reservation_made_while_all_is_in_use_is_funded_when_it_comes_back() {
    let mut allocator = in_flight(100);
    let running = run(&mut allocator, "a", 10, start());
    allocator.apply(&held(2, 10, &[("acme", 4)]).encode(), start()).unwrap();
    end(&mut allocator, running, start());
    let next_step = after(1_001 * SECOND);
    allocator.advance(next_step);
    assert_eq!(flood(&mut allocator, "a", 20, next_step), 6);
    assert_eq!(flood(&mut allocator, "acme", 20, next_step), 4);
}

#[test]
fn tokens_return_to_the_bucket_that_paid_though_the_key_has_another_now() {
    let mut allocator = in_flight(100);
    let with_tier = |epoch: u64, reserved: &[(&str, u64)]| {
        let mut table = held(epoch, 10, reserved);
        table.draw_order = DrawOrder::ShadowFirst;
        table.resources[0].tier_reservations[1] = Schedule::constant(reservation(0.0, 3), 60);
        table
    };
    allocator.apply(&with_tier(2, &[]).encode(), start()).unwrap();
    let running = run(&mut allocator, "a", 3, start());
    allocator.apply(&with_tier(3, &[("a", 4)]).encode(), start()).unwrap();
    end(&mut allocator, running, start());
    assert_eq!(free(&allocator, start()), 10.0);
}

/// What may happen to what is held.
#[derive(Clone, Debug)]
enum Event {
    Start { key: usize, cost: u64 },
    End(usize),
    Push { burst: u64, parts: [u8; 3], is_held: bool },
    Share(u64),
    Wait(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let push = (10_u64..100, prop::array::uniform3(0_u8..30), prop::bool::weighted(0.8));
    let event = prop_oneof![
        8 => (0_usize..4, 1_u64..12).prop_map(|(key, cost)| Event::Start { key, cost }),
        6 => (0_usize..64).prop_map(Event::End),
        2 => push.prop_map(|(burst, parts, is_held)| Event::Push { burst, parts, is_held }),
        1 => (0_u64..3_000).prop_map(|seconds| Event::Wait(seconds * SECOND)),
        1 => (1_u64..3).prop_map(Event::Share),
    ];
    prop::collection::vec(event, 1..200)
}

const NAMES: [&str; 4] = ["a", "b", "c", "unknown"];

/// Three keys of which some reserve a part that differs from step to step.
fn pushed(epoch: u64, burst: u64, parts: &[u8; 3], is_held: bool, now: Timestamp) -> Table {
    let mut table = held(epoch, burst, &[]);
    table.starts_at_ms = now.millis();
    table.valid_until_ms = now.millis() + 600_000_000;
    if !is_held {
        (table.resources[0].held, table.resources[0].capacity) = (false, MicroRate::from_per_s(5.0));
    }
    table.resources[0].emergency = Schedule::constant(reservation(0.0, burst / 10), 60);
    table.resources[0].emergency_key_permille = 500;
    table.tiers[0].emergency = true;
    for (name, part) in NAMES.iter().zip(parts) {
        let mut named = key(name, part % 2, None, reservation(0.0, 1), 60);
        let depth = burst * u64::from(*part) / 100;
        let own = |step: u16| reservation(0.0, if step.is_multiple_of(2) { depth } else { depth / 3 });
        named.grants[0].reservations = Schedule::from_steps(&(0..60).map(own).collect::<Vec<_>>());
        table.keys.push(named);
    }
    table
}

/// Plays events; what is in the buckets and what requests hold is the burst at every moment.
fn keep(events: &[Event]) -> Result<(), TestCaseError> {
    let mut allocator = in_flight(1_000);
    let (mut now, mut epoch, mut is_held) = (start(), 1, true);
    let mut running: Vec<(Receipt, u64, Timestamp)> = Vec::new();
    let mut table = held(1, 10, &[]);
    for event in events {
        match event {
            Event::Start { key, cost } => {
                if let Decision::Admit(Admission { receipt: Some(receipt), granted, .. }) =
                    ask(&mut allocator, NAMES[*key], *cost, now)
                {
                    running.push((receipt, granted, now));
                }
            }
            Event::End(at) if !running.is_empty() => {
                let (receipt, ..) = running.swap_remove(at % running.len());
                allocator.settle(receipt, &[], now);
            }
            Event::End(_) => {}
            Event::Push { burst: of_all, parts, is_held: becomes } => {
                epoch += 1;
                table = pushed(epoch, *of_all, parts, *becomes, now);
                prop_assert_eq!(allocator.apply(&table.encode(), now), Ok(epoch));
                if is_held != *becomes {
                    running.clear();
                }
                is_held = *becomes;
            }
            Event::Share(parts) => {
                epoch += 1;
                table.epoch = epoch;
                allocator.set_share(Share::new(1, *parts), now);
                prop_assert_eq!(allocator.apply(&table.encode(), now), Ok(epoch));
            }
            Event::Wait(nanos) => {
                now = now.plus(*nanos);
                allocator.advance(now);
                running.retain(|(.., began)| now.since(*began) < 60 * SECOND);
            }
        }
        let mut divided = table.clone();
        divided.divide(allocator.share(), false);
        let burst = divided.resources[0].burst;
        allocator.resources[0].budget.check_invariants(now);
        if is_held {
            let in_use: u64 = running.iter().map(|(_, cost, _)| cost).sum();
            let all = free(&allocator, now) + in_use as f64;
            prop_assert!(
                (all - burst as f64).abs() < 1e-6,
                "{} free and {} in use are not {}",
                all,
                in_use,
                burst
            );
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_free_and_what_is_in_use_are_the_burst_whatever_tables_say(events in events()) {
        keep(&events)?;
    }
}
