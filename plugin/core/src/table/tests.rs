//! The bytes of format 2: whoever changes them changes the format's number too.

use alloc::{string::String, vec, vec::Vec};

use super::*;

fn reservation(rate: u64, depth: u64) -> Reservation {
    Reservation { rate: MicroRate(rate), depth }
}

/// A delta of one tier, one resource and one key in which every field is there and tells itself from its neighbours.
fn small() -> Table {
    let tier = Tier {
        name: String::from("gold"),
        priority: 1,
        weight: 300,
        floor_permille: 50,
        max_delay_ms: 400,
        borrow: true,
        emergency: false,
        credit_permille: 500,
        scales: true,
        contracts: vec![Some(Contract { rate: MicroRate(5_000), burst: 6 })],
    };
    let resource = Resource {
        name: String::from("requests"),
        capacity: MicroRate(100_000),
        burst: 80,
        safe_capacity: MicroRate(50_000),
        held: false,
        emergency: Schedule::from_steps(&[reservation(1_000, 8), reservation(500, 4)]),
        emergency_key_permille: 250,
        floors: vec![vec![10, 20]],
        slack_permille: vec![30, 40],
        alternatives: vec![0],
        tier_reservations: vec![Schedule::default()],
    };
    let grant = Grant {
        resource: 0,
        contract: None,
        reservations: Schedule::constant(reservation(2_000, 9), 2),
        forecast: Forecast { low: MicroRate(7), high: MicroRate(11) },
    };
    Table {
        epoch: 5,
        base_epoch: 4,
        removed: vec![KeyHash(0x0102)],
        starts_at_ms: 1_000,
        step_ms: 60,
        steps: 2,
        valid_until_ms: 2_000,
        draw_order: DrawOrder::ShadowFirst,
        tiers: vec![tier],
        default_tier: 0,
        resources: vec![resource],
        keys: vec![Key { hash: KeyHash(3), tier: 0, grants: vec![grant] }],
    }
}

#[test]
fn golden_bytes_of_format_2() {
    let head: &[u8] = &[5, 4, 1, 130, 2, 232, 7, 60, 2, 208, 15, 1];
    let tier: &[u8] = &[1, 172, 2, 50, 144, 3, 1, 0, 244, 3, 1, 1, 1, 136, 39, 6];
    let budget: &[u8] = &[160, 141, 6, 80, 208, 134, 3, 0];
    let emergency: &[u8] = &[232, 7, 8, 4, 255, 255, 223, 233, 250, 1];
    let by_step: &[u8] = &[1, 2, 10, 20, 2, 30, 40, 1, 0, 1, 0, 0, 0];
    let key: &[u8] = &[1, 3, 0, 1, 0, 0, 208, 15, 9, 4, 255, 255, 255, 255, 7, 11];
    let golden: Vec<u8> = [
        &b"TGT\x02"[..],
        head,
        b"\x01\x04gold",
        tier,
        b"\x00\x01\x08requests",
        budget,
        emergency,
        by_step,
        key,
    ]
    .concat();
    assert_eq!(small().encode(), golden);
    assert_eq!(Table::decode(&golden), Ok(small()));
}
