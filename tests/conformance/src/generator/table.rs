//! The tables of a script: snapshots, deltas on them, and every kind of bad one.

use alloc::{format, string::String, vec, vec::Vec};

use tidegate_core::{
    KeyHash,
    report::Report,
    table::{Baseline, Contract, DrawOrder, Grant, Key, Reservation, Resource, Table, Tier},
    units::MicroRate,
};

use super::world::{self, World};
use crate::choices::Choices;

/// What the forecaster of a script knows.
#[derive(Debug, Default)]
pub(super) struct Tables {
    epoch: u64,
    tiers: Vec<Tier>,
    customers: Vec<Customer>,
    baseline: Option<Baseline>,
    last: Vec<u8>,
}

/// A customer as tables tell of it.
#[derive(Clone, Debug)]
struct Customer {
    number: u64,
    tier: u8,
    contract: Option<Contract>,
    owns: bool,
}

impl Tables {
    /// Whoever is to take the next table has no snapshot.
    pub(super) fn forget(&mut self) {
        self.baseline = None;
    }

    /// The bytes of the next table.
    pub(super) fn next(&mut self, world: &mut World, now_ms: u64, choices: &mut Choices<'_>) -> Vec<u8> {
        if !self.last.is_empty() && choices.one_in(4) {
            return self.bad(world, now_ms, choices);
        }
        if self.tiers.is_empty() || choices.one_in(6) {
            self.tiers = tiers(world, choices);
            self.customers = (0..world.customers).map(|number| self.customer(number, choices)).collect();
            world.change_budgets(choices);
        }
        for _ in 0..choices.below(4) {
            let at = choices.below(self.customers.len() as u64) as usize;
            let number = choices.below(world.customers);
            let changed = self.customer(number, choices);
            // A customer that becomes another one leaves, unless that one is there already.
            if self.customers.get(at).is_some_and(|old| old.number == number)
                || self.customers.iter().all(|known| known.number != number)
            {
                self.customers.splice(at..=at, [changed]);
            }
        }
        self.epoch += choices.between(1, 3);
        let whole = self.table(world, now_ms, choices);
        let delta = self.baseline.as_mut().and_then(|baseline| baseline.delta(&whole));
        if delta.is_none() {
            self.baseline = Some(Baseline::new(whole.clone()));
        }
        self.last = delta.unwrap_or(whole).encode();
        self.last.clone()
    }

    fn customer(&self, number: u64, choices: &mut Choices<'_>) -> Customer {
        Customer {
            number,
            tier: choices.below(self.tiers.len() as u64) as u8,
            contract: choices.one_in(3).then(|| contract(choices)),
            owns: choices.one_in(if number < 4 { 2 } else { 5 }),
        }
    }

    fn table(&self, world: &World, now_ms: u64, choices: &mut Choices<'_>) -> Table {
        let steps = choices.between(1, 6) as u16;
        let step_ms = choices.between(50, 1_500) as u32;
        let starts_at_ms = match choices.below(8) {
            0 => now_ms.saturating_add(choices.below(500)),
            1..4 => now_ms.saturating_sub(choices.below(2_000)),
            _ => now_ms,
        };
        let length_ms = u64::from(steps) * u64::from(step_ms);
        let valid_ms =
            if choices.one_in(6) { choices.between(1, length_ms) } else { length_ms + choices.below(8_000) };
        let mut table = Table {
            epoch: self.epoch,
            base_epoch: 0,
            removed: Vec::new(),
            starts_at_ms,
            step_ms,
            steps,
            valid_until_ms: starts_at_ms.saturating_add(valid_ms).max(1),
            draw_order: if choices.one_in(2) { DrawOrder::PoolFirst } else { DrawOrder::ShadowFirst },
            default_tier: choices.below(self.tiers.len() as u64) as u8,
            tiers: self.tiers.clone(),
            resources: Vec::new(),
            keys: Vec::new(),
        };
        // Only tables that share it can be deltas, so it rarely is another one.
        if !choices.one_in(10) {
            table.default_tier = 0;
        }
        for customer in &self.customers {
            let hash = KeyHash::of(&World::customer(customer.number));
            table.keys.push(Key { hash, tier: customer.tier, grants: Vec::new() });
        }
        for (index, resource) in (0..).zip(world.resources()) {
            self.plan(&mut table, index, resource, choices);
        }
        table
    }

    /// Divides one resource among tiers and customers, step by step, and never gives more than there is.
    fn plan(&self, table: &mut Table, index: u8, of: &world::Resource, choices: &mut Choices<'_>) {
        let steps = usize::from(table.steps);
        let mut left = vec![(of.capacity, of.burst); steps];
        let owners = self.customers.iter().filter(|customer| customer.owns).count() as u64;
        let parts = owners + self.tiers.len() as u64;
        let mut reserve = |choices: &mut Choices<'_>| -> Vec<Reservation> {
            left.iter_mut().map(|left| take(left, parts, choices)).collect()
        };
        let tier_reservations = self.tiers.iter().map(|_| reserve(choices)).collect();
        for (customer, key) in self.customers.iter().zip(&mut table.keys) {
            let reservations = if customer.owns { reserve(choices) } else { Vec::new() };
            let granted = customer.contract.is_some() || !reservations.is_empty();
            if granted {
                key.grants.push(Grant { resource: index, contract: customer.contract, reservations });
            }
        }
        table.resources.push(Resource {
            name: of.name.clone(),
            capacity: MicroRate(of.capacity),
            burst: of.burst,
            safe_capacity: MicroRate(of.capacity / 3),
            tier_reservations,
        });
    }

    /// Bytes that must not change anything.
    fn bad(&self, world: &World, now_ms: u64, choices: &mut Choices<'_>) -> Vec<u8> {
        let mut bytes = self.last.clone();
        let mut table = self.table(world, now_ms, choices);
        match choices.below(9) {
            0 => bytes.truncate(choices.below(bytes.len() as u64) as usize),
            1 => bytes.extend_from_slice(b"more"),
            2 => return bytes,
            3 => {
                if let Some(version) = bytes.get_mut(3) {
                    *version = choices.between(100, 255) as u8;
                }
            }
            4 => return Report::default().encode(),
            kind => {
                table.epoch = self.epoch + 1;
                spoil(&mut table, kind);
                return table.encode();
            }
        }
        bytes
    }
}

/// Breaks a rule of tables.
fn spoil(table: &mut Table, kind: u64) {
    match kind {
        5 => table.base_epoch = table.epoch - 1,
        6 => table.default_tier = 200,
        7 => table.steps += 1,
        _ => {
            if let Some(resource) = table.resources.first_mut() {
                resource.capacity = MicroRate(u64::MAX);
            }
        }
    }
}

/// A part of what is left of one step; now and then all of it.
fn take(left: &mut (u64, u64), parts: u64, choices: &mut Choices<'_>) -> Reservation {
    let (rate, depth) = match choices.below(30) {
        0 => *left,
        1..5 => (0, 0),
        _ => (choices.below(left.0 / parts * 2 + 1), choices.below(left.1 / parts * 2 + 1)),
    };
    let (rate, depth) = (rate.min(left.0), depth.min(left.1));
    *left = (left.0 - rate, left.1 - depth);
    Reservation { rate: MicroRate(rate), depth }
}

fn tiers(world: &World, choices: &mut Choices<'_>) -> Vec<Tier> {
    let count = choices.between(1, 4);
    let mut tiers = Vec::new();
    for number in 0..count {
        let contracts = world.resources().iter().map(|_| choices.one_in(2).then(|| contract(choices)));
        tiers.push(Tier {
            contracts: contracts.collect(),
            name: format!("tier-{number}"),
            floor_permille: choices.pick(&[0, 0, 0, 50, 100, 300, 700, 1_000]),
            max_delay_ms: choices.pick(&[0, 0, 20, 400, 5_000]),
        });
    }
    tiers.sort_by_key(|tier| tier.floor_permille);
    for (number, tier) in tiers.iter_mut().enumerate() {
        tier.name =
            String::from(["gold", "silver", "bronze", "stone"].get(number).copied().unwrap_or("none"));
    }
    tiers
}

fn contract(choices: &mut Choices<'_>) -> Contract {
    Contract { rate: MicroRate(choices.between(0, 100_000_000)), burst: choices.between(0, 60) }
}
