//! A proxy that takes any of the deltas decides as one that takes every snapshot.

use alloc::{string::String, vec};

use proptest::prelude::*;

use super::*;
use crate::{
    Allocator, Class, Decision, Demand, Request, ResourceSetup, SafeBudget, Setup, Timestamp,
    table::{Contract, DrawOrder, Forecast, Grant, Reservation, Resource, Schedule, Tier},
    units::MicroRate,
};

const START_MS: u64 = 1_767_225_600_000;
const KEYS: usize = 24;

/// Keys by number: absent, small (shares its tier's bucket), or with a reservation of its own.
fn table(epoch: u64, kinds: &[u8]) -> Table {
    let tier = |name: &str, floor_permille| Tier {
        name: String::from(name),
        floor_permille,
        contracts: vec![Some(Contract { rate: MicroRate::from_per_s(1.0), burst: 3 })],
        ..Tier::default()
    };
    let key = |(number, kind): (usize, &u8)| {
        let own = Reservation { rate: MicroRate::from_per_s(1.0), depth: 2 };
        let contract =
            (*kind >= 2).then_some(Contract { rate: MicroRate::from_per_s(2.0), burst: u64::from(*kind) });
        let reservations = if *kind == 4 { Schedule::constant(own, 1) } else { Schedule::default() };
        let grants = vec![Grant { resource: 0, contract, reservations, forecast: Forecast::default() }];
        (*kind > 0).then(|| Key { hash: hash(number), tier: u8::from(*kind == 3), grants })
    };
    Table {
        epoch,
        base_epoch: 0,
        removed: Vec::new(),
        starts_at_ms: START_MS,
        step_ms: 60_000,
        steps: 1,
        valid_until_ms: START_MS + 60_000,
        draw_order: DrawOrder::PoolFirst,
        tiers: vec![tier("gold", 0), tier("bronze", 900)],
        default_tier: 1,
        resources: vec![Resource {
            name: String::from("requests"),
            capacity: MicroRate::from_per_s(100.0),
            burst: 100,
            safe_capacity: MicroRate::from_per_s(100.0),
            tier_reservations: vec![Schedule::constant(Reservation::default(), 1); 2],
            ..Resource::default()
        }],
        keys: kinds.iter().enumerate().filter_map(key).collect(),
    }
}

fn name(number: usize) -> String {
    alloc::format!("customer-{number}")
}

fn hash(number: usize) -> KeyHash {
    KeyHash::of(name(number).as_bytes())
}

fn allocator() -> Allocator {
    let safe = Some(SafeBudget { capacity: MicroRate::from_per_s(100.0), burst: 100 });
    let setup = Setup {
        resources: vec![ResourceSetup { name: String::from("requests"), safe }],
        max_unknown_keys: 100,
        max_receipts: 10,
        max_waiting: 10,
        receipt_ttl_ms: 1_000,
        report_interval_ms: 1_000,
    };
    Allocator::new(setup, Timestamp::from_millis(START_MS))
}

fn tier(decision: &Decision) -> u8 {
    match decision {
        Decision::Admit(admission) => admission.tier,
        Decision::Wait(waiting) => waiting.tier,
        Decision::Refuse(refusal) => refusal.tier,
    }
}

proptest! {
    #[test]
    fn any_delta_on_its_snapshot_decides_like_the_whole_table(
        rounds in prop::collection::vec((prop::collection::vec(0_u8..5, KEYS), any::<bool>(), 0_u64..500), 2..12),
        requests in prop::collection::vec(0_usize..KEYS + 2, 1..60),
    ) {
        let (mut whole, mut lean) = (allocator(), allocator());
        let now = |offset| Timestamp::from_millis(START_MS + offset);
        let mut baseline: Option<Baseline> = None;
        let (mut kinds, mut skipped) = ([1; KEYS].to_vec(), false);
        for (epoch, (changes, missed, offset)) in (1..).zip(rounds) {
            // Few keys change, or there would be snapshots only; the first round is one.
            for (at, change) in changes.iter().enumerate().filter(|(at, _)| (at + epoch as usize).is_multiple_of(5)) {
                kinds[at] = *change;
            }
            let next = table(epoch, &kinds);
            whole.apply(&next.encode(), now(offset)).unwrap();
            match baseline.as_mut().and_then(|baseline| baseline.delta(&next)) {
                Some(_) if missed => {
                    skipped = true;
                    continue;
                }
                Some(delta) => {
                    prop_assert!(delta.keys.len() * 2 <= next.keys.len());
                    prop_assert_eq!(lean.apply(&delta.encode(), now(offset)), Ok(epoch));
                }
                None => {
                    prop_assert_eq!(lean.apply(&next.encode(), now(offset)), Ok(epoch));
                    baseline = Some(Baseline::new(next));
                }
            }
            for number in &requests {
                let demands = [Demand { resource: 0, cost: 1, estimated: false }];
                let name = name(*number);
                let request = Request { key: name.as_bytes(), class: Class::Standard, demands: &demands, may_wait: false, partial: false };
                let decisions = [&mut whole, &mut lean].map(|allocator| allocator.decide(&request, now(offset)));
                // Who missed a delta has another past, and the same standing.
                if skipped {
                    prop_assert_eq!(tier(&decisions[0]), tier(&decisions[1]), "{} in {}", name, epoch);
                } else {
                    prop_assert_eq!(decisions[0], decisions[1], "{} in {}", name, epoch);
                }
            }
        }
    }
}

#[test]
fn a_delta_on_another_snapshot_is_refused() {
    let kinds = [1; KEYS];
    let mut baseline = Baseline::new(table(5, &kinds));
    let mut delta = baseline.delta(&table(6, &kinds)).unwrap();
    assert!(delta.keys.is_empty() && delta.removed.is_empty(), "nothing changed");
    let mut allocator = allocator();
    let now = Timestamp::from_millis(START_MS);
    let refused = allocator.apply(&delta.encode(), now);
    assert_eq!(refused, Err(crate::table::TableError::WrongBase { base: 5, current: 0 }));
    allocator.apply(&table(5, &kinds).encode(), now).unwrap();
    assert_eq!(allocator.apply(&delta.encode(), now), Ok(6));
    assert_eq!((allocator.epoch(), allocator.snapshot_epoch()), (6, 5));
    delta.epoch = 7;
    assert_eq!(allocator.apply(&delta.encode(), now), Ok(7), "deltas may follow or skip one another");
}

#[test]
fn changed_tiers_need_a_snapshot() {
    let kinds = [1; KEYS];
    let mut baseline = Baseline::new(table(5, &kinds));
    let mut next = table(6, &kinds);
    next.tiers[0].floor_permille = 1;
    assert!(baseline.delta(&next).is_none());
}
