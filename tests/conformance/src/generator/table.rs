//! The tables of a script: snapshots, deltas on them, and every kind of bad one.

mod bad;
mod tiers;

use alloc::{vec, vec::Vec};

use tidegate_core::{
    KeyHash,
    table::{
        Baseline, Contract, DrawOrder, Forecast, Grant, Key, Reservation, Resource, Schedule, Table, Tier,
    },
    units::MicroRate,
};

use super::world::{self, World};
use crate::choices::Choices;

/// What the forecaster of a script knows.
#[derive(Clone, Debug, Default)]
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
            self.tiers = tiers::tiers(world, choices);
            self.customers = (0..world.customers).map(|number| self.customer(number, choices)).collect();
            world.change_budgets(choices);
        } else if choices.one_in(8) {
            tiers::shuffle(&mut self.tiers, choices);
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
            contract: choices.one_in(3).then(|| tiers::contract(choices)),
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

    /// Divides one resource among emergencies, tiers and customers, step by step, and never gives more than there is.
    fn plan(&self, table: &mut Table, index: u8, of: &world::Resource, choices: &mut Choices<'_>) {
        let steps = usize::from(table.steps);
        // What is held comes back by itself.
        let capacity = if of.held { 0 } else { of.capacity };
        let mut left = vec![(capacity, of.burst); steps];
        let owners = self.customers.iter().filter(|customer| customer.owns).count() as u64;
        let parts = owners + self.tiers.len() as u64 + 1;
        let mut reserve = |choices: &mut Choices<'_>| -> Schedule {
            let steps: Vec<Reservation> = left.iter_mut().map(|left| take(left, parts, choices)).collect();
            Schedule::from_steps(&steps)
        };
        let emergency = if choices.one_in(2) { reserve(choices) } else { Schedule::default() };
        let tier_reservations = self.tiers.iter().map(|_| match choices.below(4) {
            0 => Schedule::default(),
            _ => reserve(choices),
        });
        let tier_reservations = tier_reservations.collect();
        for (customer, key) in self.customers.iter().zip(&mut table.keys) {
            let (mut reservations, mut forecast) = (Schedule::default(), Forecast::default());
            if customer.owns {
                (reservations, forecast) = (reserve(choices), foresee(capacity / parts, choices));
            }
            if customer.contract.is_some() || !reservations.is_empty() {
                let contract = customer.contract;
                key.grants.push(Grant { resource: index, contract, reservations, forecast });
            }
        }
        table.resources.push(Resource {
            // A proxy may have other resources than the forecaster knows.
            name: if choices.one_in(40) { "cpu_ms".into() } else { of.name.clone() },
            capacity: MicroRate(capacity),
            burst: of.burst,
            safe_capacity: MicroRate(capacity / 3),
            held: of.held,
            emergency,
            emergency_key_permille: choices.pick(&[0, 100, 250, 1_000]),
            floors: self.floors(steps, choices),
            slack_permille: if choices.one_in(2) { by_step(steps, choices) } else { Vec::new() },
            alternatives: if choices.one_in(3) { vec![index] } else { Vec::new() },
            tier_reservations,
        });
    }

    fn floors(&self, steps: usize, choices: &mut Choices<'_>) -> Vec<Vec<u16>> {
        if choices.one_in(2) {
            return Vec::new();
        }
        let some = self.tiers.iter().map(|_| match choices.below(3) {
            0 => by_step(steps, choices),
            _ => Vec::new(),
        });
        some.collect()
    }

    /// Bytes that must not change anything.
    fn bad(&self, world: &World, now_ms: u64, choices: &mut Choices<'_>) -> Vec<u8> {
        let mut table = self.table(world, now_ms, choices);
        table.epoch = self.epoch + 1;
        bad::spoiled(&self.last, table, choices)
    }
}

fn by_step(steps: usize, choices: &mut Choices<'_>) -> Vec<u16> {
    (0..steps).map(|_| choices.pick(&[0, 0, 100, 500, 1_000])).collect()
}

/// A forecast that is often too low.
fn foresee(rate: u64, choices: &mut Choices<'_>) -> Forecast {
    let high = choices.below(rate + 1);
    Forecast { low: MicroRate(choices.below(high + 1)), high: MicroRate(high) }
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
