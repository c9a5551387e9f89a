//! The structural rules of a table, and the errors that name the one that is broken.

use alloc::vec::Vec;

use hashbrown::HashSet;

use super::{Contract, Key, Reservation, Resource, Schedule, Table, Tier};
use crate::{
    units::{Amount, KeyHash, MicroRate},
    wire::WireError,
};

/// Most tiers in a table.
pub const MAX_TIERS: usize = 16;
/// Most resources in a table.
pub const MAX_RESOURCES: usize = 8;
/// Most steps in a table.
pub const MAX_STEPS: u16 = 64;
/// Most keys in a table.
pub const MAX_KEYS: usize = 1_000_000;
/// Largest rate: 10⁹ tokens per second.
pub(crate) const MAX_RATE: MicroRate = MicroRate(1_000_000_000_000_000);
/// Largest burst or depth: 2⁴⁰ tokens.
pub(crate) const MAX_TOKENS: u64 = 1 << 40;
/// Longest name of a tier or resource in bytes.
const MAX_NAME: usize = 64;
const PERMILLE: u16 = 1000;
const MAX_WEIGHT: u32 = 1_000_000;
/// Longest wait: one minute.
const MAX_DELAY_MS: u32 = 60_000;

/// Why a table was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The bytes are not a table of this format.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A count is zero or over its limit.
    #[error("{found} {what} where 1 to {limit} are allowed")]
    Count {
        /// What is counted.
        what: &'static str,
        /// The count found.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// An index points at nothing.
    #[error("{what} {index} does not exist")]
    Index {
        /// What the index should point at.
        what: &'static str,
        /// The index.
        index: usize,
    },
    /// A list is not as long as the steps, tiers or resources demand.
    #[error("{what}: {found} entries instead of {expected}")]
    Length {
        /// Which list.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it must have.
        expected: usize,
    },
    /// A number or name is beyond reason.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// Reservations exceed a resource's capacity or burst.
    #[error("resource {resource}, step {step}: the reserved {what} exceed what there is")]
    Overcommitted {
        /// Index of the resource.
        resource: usize,
        /// Index of the step.
        step: usize,
        /// `rates` or `depths`.
        what: &'static str,
    },
    /// Two keys, or two grants of a key, have the same identity.
    #[error("a {0} appears twice")]
    Duplicate(&'static str),
    /// A delta on a snapshot that is not in force here.
    #[error("the delta builds on epoch {base}, the snapshot in force is {current}")]
    WrongBase {
        /// Epoch that the delta builds on.
        base: u64,
        /// Epoch of the snapshot in force, 0 for none.
        current: u64,
    },
    /// Not newer than the table in force.
    #[error("epoch {found} is not newer than {current}")]
    OldEpoch {
        /// Epoch of the refused table.
        found: u64,
        /// Epoch in force.
        current: u64,
    },
}

/// Checks a table, its keys one by one; the first broken rule is the error.
#[derive(Clone, Debug)]
pub(crate) struct Checker {
    tiers: usize,
    /// What is reserved, by resource and step.
    sums: Vec<Vec<Sum>>,
    /// Keys that own reservations, by resource.
    owners: Vec<usize>,
    seen: HashSet<KeyHash>,
}

impl Checker {
    /// Checks everything but the keys, of which there will be `keys`.
    pub(crate) fn new(table: &Table, keys: usize) -> Result<Self, TableError> {
        count("tiers", table.tiers.len(), MAX_TIERS)?;
        count("resources", table.resources.len(), MAX_RESOURCES)?;
        count("steps", usize::from(table.steps), usize::from(MAX_STEPS))?;
        range(keys <= MAX_KEYS, "the number of keys")?;
        range(table.epoch > 0, "epoch")?;
        range(table.base_epoch < table.epoch, "base epoch")?;
        range(table.removed.len() <= MAX_KEYS, "the number of removed keys")?;
        range(table.step_ms > 0, "step_ms")?;
        range(table.valid_until_ms > table.starts_at_ms, "valid_until_ms")?;
        index("tier", usize::from(table.default_tier), table.tiers.len())?;
        for tier in &table.tiers {
            check_tier(tier, table.resources.len())?;
        }
        let sums: Result<Vec<_>, _> =
            table.resources.iter().map(|resource| check_resource(table, resource)).collect();
        let owners = alloc::vec![0; table.resources.len()];
        Ok(Self { tiers: table.tiers.len(), sums: sums?, owners, seen: HashSet::with_capacity(keys) })
    }

    /// Checks the next key.
    pub(crate) fn key(&mut self, key: &Key) -> Result<(), TableError> {
        if !self.seen.insert(key.hash) {
            return Err(TableError::Duplicate("key"));
        }
        index("tier", usize::from(key.tier), self.tiers)?;
        let mut named = 0_u64;
        let resources = self.sums.len();
        for grant in &key.grants {
            let at = usize::from(grant.resource);
            let Some(sums) = self.sums.get_mut(at) else {
                return index("resource", at, resources);
            };
            let bit = 1_u64 << (at % 64);
            if named & bit != 0 {
                return Err(TableError::Duplicate("grant"));
            }
            named |= bit;
            grant.contract.as_ref().map_or(Ok(()), check_contract)?;
            range(grant.forecast.high <= MAX_RATE && grant.forecast.low <= grant.forecast.high, "forecast")?;
            if !grant.reservations.is_empty() {
                add_steps(sums, &grant.reservations)?;
                self.owners.get_mut(at).into_iter().for_each(|owners| *owners += 1);
            }
        }
        Ok(())
    }

    /// How many keys there have been so far, and how many of them own reservations, by resource.
    pub(crate) fn counts(&self) -> (usize, &[usize]) {
        (self.seen.len(), &self.owners)
    }

    /// What has been reserved so far, as rates in micro-tokens per second and depths in tokens, by resource and step.
    pub(crate) fn reserved(&self) -> Vec<Vec<(u128, u128)>> {
        self.sums.iter().map(|steps| steps.iter().map(|sum| (sum.rate, sum.depth)).collect()).collect()
    }

    /// Checks that what all keys together have fits.
    pub(crate) fn finish(&self, table: &Table) -> Result<(), TableError> {
        for (resource, (budget, steps)) in table.resources.iter().zip(&self.sums).enumerate() {
            for (step, sum) in steps.iter().enumerate() {
                let over = |what| TableError::Overcommitted { resource, step, what };
                if sum.rate > u128::from(budget.capacity.0) {
                    return Err(over("rates"));
                }
                if sum.depth > u128::from(budget.burst) {
                    return Err(over("depths"));
                }
            }
        }
        Ok(())
    }
}

/// What a step reserves in all.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    rate: u128,
    depth: u128,
}

impl Sum {
    fn add(&mut self, reservation: Reservation) {
        self.rate += u128::from(reservation.rate.0);
        self.depth += u128::from(reservation.depth);
    }
}

fn check_tier(tier: &Tier, resources: usize) -> Result<(), TableError> {
    range(!tier.name.is_empty() && tier.name.len() <= MAX_NAME, "tier name")?;
    range(tier.floor_permille <= PERMILLE, "tier floor")?;
    range(tier.credit_permille <= PERMILLE, "burst credit")?;
    range(tier.weight >= 1 && tier.weight <= MAX_WEIGHT, "tier weight")?;
    range(tier.max_delay_ms <= MAX_DELAY_MS, "max_delay_ms")?;
    length("tier contracts", tier.contracts.len(), resources)?;
    tier.contracts.iter().flatten().try_for_each(check_contract)
}

fn check_contract(contract: &Contract) -> Result<(), TableError> {
    range(contract.rate <= MAX_RATE && contract.burst <= MAX_TOKENS, "contract")
}

fn check_resource(table: &Table, resource: &Resource) -> Result<Vec<Sum>, TableError> {
    range(!resource.name.is_empty() && resource.name.len() <= MAX_NAME, "resource name")?;
    range(resource.capacity <= MAX_RATE && resource.safe_capacity <= MAX_RATE, "capacity")?;
    let refills = resource.capacity > MicroRate(0) || resource.safe_capacity > MicroRate(0);
    range(!(resource.held && refills), "capacity of a held resource")?;
    range(resource.burst <= MAX_TOKENS && Amount::from_tokens(resource.burst) > Amount::ZERO, "burst")?;
    range(resource.emergency_key_permille <= PERMILLE, "emergency share of a key")?;
    length("tier reservations", resource.tier_reservations.len(), table.tiers.len())?;
    if !resource.floors.is_empty() {
        length("floors", resource.floors.len(), table.tiers.len())?;
    }
    for floors in resource.floors.iter().filter(|floors| !floors.is_empty()) {
        length("floors of a tier", floors.len(), usize::from(table.steps))?;
        range(floors.iter().all(|floor| *floor <= PERMILLE), "tier floor")?;
    }
    if !resource.slack_permille.is_empty() {
        length("slack", resource.slack_permille.len(), usize::from(table.steps))?;
    }
    count("alternatives", resource.alternatives.len() + 1, MAX_RESOURCES)?;
    for alternative in &resource.alternatives {
        index("alternative resource", usize::from(*alternative), table.resources.len())?;
    }
    let mut sums = alloc::vec![Sum::default(); usize::from(table.steps)];
    for schedule in resource.tier_reservations.iter().chain([&resource.emergency]) {
        if !schedule.is_empty() {
            add_steps(&mut sums, schedule)?;
        }
    }
    Ok(sums)
}

fn add_steps(sums: &mut [Sum], schedule: &Schedule) -> Result<(), TableError> {
    range(schedule.is_whole(), "a schedule")?;
    length("reservations", schedule.len(), sums.len())?;
    for (sum, step) in sums.iter_mut().zip(schedule.steps()) {
        sum.add(step);
    }
    Ok(())
}

const fn count(what: &'static str, found: usize, limit: usize) -> Result<(), TableError> {
    if found >= 1 && found <= limit { Ok(()) } else { Err(TableError::Count { what, found, limit }) }
}

const fn index(what: &'static str, index: usize, length: usize) -> Result<(), TableError> {
    if index < length { Ok(()) } else { Err(TableError::Index { what, index }) }
}

const fn length(what: &'static str, found: usize, expected: usize) -> Result<(), TableError> {
    if found == expected { Ok(()) } else { Err(TableError::Length { what, found, expected }) }
}

const fn range(holds: bool, what: &'static str) -> Result<(), TableError> {
    if holds { Ok(()) } else { Err(TableError::Range(what)) }
}

#[cfg(test)]
mod tests;
