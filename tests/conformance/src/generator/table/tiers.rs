//! The tiers of a script's tables: what they entitle to, and how they change from table to table.

use alloc::{string::String, vec::Vec};

use tidegate_core::{
    table::{Contract, Tier},
    units::MicroRate,
};

use crate::{choices::Choices, generator::world::World};

const NAMES: [&str; 5] = ["gold", "silver", "bronze", "stone", "dust"];

/// Tiers to begin with, the one with the lowest floor first.
pub(super) fn tiers(world: &World, choices: &mut Choices<'_>) -> Vec<Tier> {
    let count = choices.between(1, 4);
    let mut tiers: Vec<Tier> = (0..count).map(|_| tier(world, choices)).collect();
    tiers.sort_by_key(|tier| tier.floor_permille);
    for (tier, name) in tiers.iter_mut().zip(NAMES) {
        tier.name = String::from(name);
    }
    tiers
}

/// Renumbers the tiers or renames one, which keys that are not reached yet and requests that wait have to follow.
pub(super) fn shuffle(tiers: &mut [Tier], choices: &mut Choices<'_>) {
    let count = tiers.len() as u64;
    if choices.one_in(2) {
        tiers.rotate_left(choices.below(count) as usize);
    } else if let Some(tier) = tiers.get_mut(choices.below(count) as usize) {
        tier.name = String::from(NAMES[4]);
    }
}

pub(super) fn contract(choices: &mut Choices<'_>) -> Contract {
    Contract { rate: MicroRate(choices.between(0, 100_000_000)), burst: choices.between(0, 60) }
}

fn tier(world: &World, choices: &mut Choices<'_>) -> Tier {
    let contracts = world.resources().iter().map(|_| choices.one_in(2).then(|| contract(choices)));
    Tier {
        contracts: contracts.collect(),
        name: String::new(),
        priority: choices.pick(&[0, 0, 1, 2, 7, 255]),
        weight: choices.pick(&[1, 2, 5, 100, 1_000_000]).max(1),
        floor_permille: choices.pick(&[0, 0, 0, 50, 100, 300, 700, 1_000]),
        max_delay_ms: choices.pick(&[0, 20, 400, 5_000, 60_000]),
        borrow: !choices.one_in(3),
        emergency: choices.one_in(3),
        credit_permille: choices.pick(&[0, 0, 100, 500, 1_000]),
        scales: choices.one_in(2),
    }
}
