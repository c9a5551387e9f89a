//! Tables that must not change anything: each breaks one rule.

use alloc::{vec, vec::Vec};

use tidegate_core::{
    report::Report,
    table::{Reservation, Schedule, Table},
    units::MicroRate,
};

use crate::choices::Choices;

/// Bytes that are no table, or an old one.
const BYTES: u64 = 5;
/// Rules that a table may break.
const RULES: u64 = 11;

/// The bytes of a table whose time has come, made bad; or those of the last one, which has had its time.
pub(super) fn spoiled(last: &[u8], table: Table, choices: &mut Choices<'_>) -> Vec<u8> {
    let kind = choices.below(BYTES + RULES);
    if kind >= BYTES {
        return broken(table, kind - BYTES).encode();
    }
    let mut bytes = table.encode();
    match kind {
        0 => bytes.truncate(choices.below(bytes.len() as u64) as usize),
        1 => bytes.extend_from_slice(b"more"),
        2 => {
            if let Some(version) = bytes.get_mut(3) {
                *version = choices.between(100, 255) as u8;
            }
        }
        3 => return Report::default().encode(),
        _ => return last.to_vec(),
    }
    bytes
}

fn broken(mut table: Table, rule: u64) -> Table {
    let too_long = usize::from(table.steps) + 1;
    match rule {
        0 => table.base_epoch = table.epoch - 1,
        1 => table.default_tier = 200,
        2 => table.steps += 1,
        // Seen only once the keys are read.
        3 => table.keys.extend_from_within(..1),
        4 => {
            if let Some(key) = table.keys.last_mut() {
                key.tier = 77;
            }
        }
        5 => table.tiers.iter_mut().for_each(|tier| tier.weight = 0),
        6 => table.tiers.iter_mut().for_each(|tier| tier.credit_permille = 1_001),
        rule => {
            if let Some(resource) = table.resources.first_mut() {
                match rule {
                    7 => resource.floors = vec![vec![0; too_long]; table.tiers.len()],
                    8 => resource.emergency = Schedule::from_steps(&vec![Reservation::default(); too_long]),
                    9 => resource.alternatives = vec![9],
                    _ => resource.capacity = MicroRate(u64::MAX),
                }
            }
        }
    }
    table
}
