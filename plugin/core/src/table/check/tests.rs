use alloc::{string::String, vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::table::{Contract, DrawOrder, Forecast, Grant, Reservation, Schedule, Tier};

fn reservation(per_s: u64, depth: u64) -> Reservation {
    Reservation { rate: MicroRate(per_s * 1_000_000), depth }
}

/// A small table that holds every rule.
fn good() -> Table {
    let tier = |name: &str, floor_permille| Tier {
        name: String::from(name),
        floor_permille,
        contracts: vec![None],
        ..Tier::default()
    };
    Table {
        epoch: 7,
        base_epoch: 0,
        removed: Vec::new(),
        starts_at_ms: 1_000,
        step_ms: 1_000,
        steps: 2,
        valid_until_ms: 5_000,
        draw_order: DrawOrder::PoolFirst,
        tiers: vec![tier("gold", 0), tier("bronze", 300)],
        default_tier: 1,
        resources: vec![Resource {
            name: String::from("requests"),
            capacity: MicroRate(100_000_000),
            burst: 50,
            safe_capacity: MicroRate(80_000_000),
            tier_reservations: vec![
                Schedule::constant(reservation(10, 5), 2),
                Schedule::constant(Reservation::default(), 2),
            ],
            ..Resource::default()
        }],
        keys: vec![Key {
            hash: KeyHash::of(b"acme"),
            tier: 0,
            grants: vec![Grant {
                resource: 0,
                contract: Some(Contract { rate: MicroRate(60_000_000), burst: 60 }),
                reservations: Schedule::from_steps(&[reservation(90, 45), reservation(20, 10)]),
                forecast: Forecast::default(),
            }],
        }],
    }
}

fn broken(change: impl FnOnce(&mut Table)) -> TableError {
    let mut table = good();
    change(&mut table);
    Table::decode(&table.encode()).unwrap_err()
}

#[test]
fn a_good_table_survives_the_wire() {
    assert_eq!(Table::decode(&good().encode()), Ok(good()));
}

#[test]
fn every_broken_rule_has_its_own_error() {
    let errors = [
        broken(|table| table.tiers.clear()),
        broken(|table| table.steps = 0),
        broken(|table| table.epoch = 0),
        broken(|table| table.base_epoch = 7),
        broken(|table| table.step_ms = 0),
        broken(|table| table.valid_until_ms = 1_000),
        broken(|table| table.default_tier = 2),
        broken(|table| table.tiers[0].name.clear()),
        broken(|table| table.tiers[0].floor_permille = 1_001),
        broken(|table| table.tiers[0].contracts.clear()),
        broken(|table| table.resources[0].capacity = MicroRate(u64::MAX)),
        broken(|table| table.resources[0].burst = 0),
        broken(|table| table.resources[0].tier_reservations[1] = Schedule::constant(reservation(0, 0), 3)),
        broken(|table| table.keys[0].tier = 9),
        broken(|table| table.keys[0].grants[0].resource = 1),
        broken(|table| table.keys.push(good().keys.remove(0))),
        broken(|table| table.keys[0].grants.push(good().keys.remove(0).grants.remove(0))),
    ];
    for (position, error) in errors.iter().enumerate() {
        assert!(!errors[..position].contains(error), "{error} does not tell what is wrong");
    }
}

#[test]
fn reservations_beyond_capacity_or_burst_are_refused() {
    let own = |steps: [Reservation; 2]| Schedule::from_steps(&steps);
    let rates = broken(|table| {
        table.keys[0].grants[0].reservations = own([reservation(91, 45), reservation(20, 10)]);
    });
    assert_eq!(rates, TableError::Overcommitted { resource: 0, step: 0, what: "rates" });
    let depths = broken(|table| {
        table.keys[0].grants[0].reservations = own([reservation(90, 45), reservation(20, 46)]);
    });
    assert_eq!(depths, TableError::Overcommitted { resource: 0, step: 1, what: "depths" });
}

#[test]
fn another_version_or_kind_is_refused_by_name() {
    let mut bytes = good().encode();
    bytes[3] = 9;
    let unknown = WireError::UnknownVersion { found: 9, supported: Table::FORMAT };
    assert_eq!(Table::decode(&bytes), Err(TableError::Wire(unknown)));
    bytes[0] = b'X';
    assert_eq!(Table::decode(&bytes), Err(TableError::Wire(WireError::WrongKind("table"))));
    bytes = good().encode();
    bytes.push(0);
    assert_eq!(Table::decode(&bytes), Err(TableError::Wire(WireError::TrailingBytes(1))));
}

proptest! {
    #[test]
    fn no_bytes_whatever_panic_or_pass_unchecked(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Table::decode(&noise);
        let head: Vec<u8> = b"TGT\x01".iter().copied().chain(noise).collect();
        if let Ok(table) = Table::decode(&head) {
            prop_assert_eq!(table.check(), Ok(()));
        }
    }

    #[test]
    fn a_truncated_table_is_never_accepted(cut in 0_usize..200) {
        let bytes = good().encode();
        prop_assert!(Table::decode(&bytes[..cut % bytes.len()]).is_err());
    }

    #[test]
    fn flipped_bits_give_an_error_or_a_table_that_holds_every_rule(at in 4_usize..200, bit in 0_u8..8) {
        let mut bytes = good().encode();
        let at = 4 + at % (bytes.len() - 4);
        bytes[at] ^= 1 << bit;
        if let Ok(table) = Table::decode(&bytes) {
            prop_assert_eq!(table.check(), Ok(()));
        }
    }
}
