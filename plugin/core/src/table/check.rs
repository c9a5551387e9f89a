//! The structural rules of a table, and the errors that name the one that is broken.

use alloc::vec::Vec;

use hashbrown::HashSet;

use super::{Key, Reservation, Resource, Table};
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
const MAX_RATE: MicroRate = MicroRate(1_000_000_000_000_000);
/// Largest burst or depth: 2⁴⁰ tokens.
const MAX_TOKENS: u64 = 1 << 40;
/// Longest name of a tier or resource in bytes.
const MAX_NAME: usize = 64;
const PERMILLE: u16 = 1000;

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

/// Checks every rule; the first broken one is the error.
pub(super) fn check(table: &Table) -> Result<(), TableError> {
    count("tiers", table.tiers.len(), MAX_TIERS)?;
    count("resources", table.resources.len(), MAX_RESOURCES)?;
    count("steps", usize::from(table.steps), usize::from(MAX_STEPS))?;
    range(table.keys.len() <= MAX_KEYS, "the number of keys")?;
    range(table.epoch > 0, "epoch")?;
    range(table.base_epoch < table.epoch, "base epoch")?;
    range(table.removed.len() <= MAX_KEYS, "the number of removed keys")?;
    range(table.step_ms > 0, "step_ms")?;
    range(table.valid_until_ms > table.starts_at_ms, "valid_until_ms")?;
    index("tier", usize::from(table.default_tier), table.tiers.len())?;
    for tier in &table.tiers {
        range(!tier.name.is_empty() && tier.name.len() <= MAX_NAME, "tier name")?;
        range(tier.floor_permille <= PERMILLE, "tier floor")?;
        length("tier contracts", tier.contracts.len(), table.resources.len())?;
        for contract in tier.contracts.iter().flatten() {
            range(contract.rate <= MAX_RATE && contract.burst <= MAX_TOKENS, "tier contract")?;
        }
    }
    let mut sums = Vec::with_capacity(table.resources.len());
    for resource in &table.resources {
        sums.push(check_resource(table, resource)?);
    }
    check_keys(table, &mut sums)?;
    for (resource, (budget, steps)) in table.resources.iter().zip(&sums).enumerate() {
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

/// What a step reserves in all.
#[derive(Clone, Copy, Default)]
struct Sum {
    rate: u128,
    depth: u128,
}

impl Sum {
    fn add(&mut self, reservation: &Reservation) {
        self.rate += u128::from(reservation.rate.0);
        self.depth += u128::from(reservation.depth);
    }
}

fn check_resource(table: &Table, resource: &Resource) -> Result<Vec<Sum>, TableError> {
    range(!resource.name.is_empty() && resource.name.len() <= MAX_NAME, "resource name")?;
    range(resource.capacity <= MAX_RATE && resource.safe_capacity <= MAX_RATE, "capacity")?;
    range(resource.burst <= MAX_TOKENS && Amount::from_tokens(resource.burst) > Amount::ZERO, "burst")?;
    length("tier reservations", resource.tier_reservations.len(), table.tiers.len())?;
    let mut sums = alloc::vec![Sum::default(); usize::from(table.steps)];
    for steps in &resource.tier_reservations {
        add_steps(&mut sums, steps)?;
    }
    Ok(sums)
}

fn check_keys(table: &Table, sums: &mut [Vec<Sum>]) -> Result<(), TableError> {
    let mut seen: HashSet<KeyHash> = HashSet::with_capacity(table.keys.len());
    for key in &table.keys {
        if !seen.insert(key.hash) {
            return Err(TableError::Duplicate("key"));
        }
        index("tier", usize::from(key.tier), table.tiers.len())?;
        check_grants(key, sums)?;
    }
    Ok(())
}

fn check_grants(key: &Key, sums: &mut [Vec<Sum>]) -> Result<(), TableError> {
    let mut named = 0_u64;
    let resources = sums.len();
    for grant in &key.grants {
        let at = usize::from(grant.resource);
        let Some(sums) = sums.get_mut(at) else {
            return index("resource", at, resources);
        };
        let bit = 1_u64 << (at % 64);
        if named & bit != 0 {
            return Err(TableError::Duplicate("grant"));
        }
        named |= bit;
        if let Some(contract) = &grant.contract {
            range(contract.rate <= MAX_RATE && contract.burst <= MAX_TOKENS, "contract")?;
        }
        if !grant.reservations.is_empty() {
            add_steps(sums, &grant.reservations)?;
        }
    }
    Ok(())
}

fn add_steps(sums: &mut [Sum], steps: &[Reservation]) -> Result<(), TableError> {
    length("reservations", steps.len(), sums.len())?;
    for (sum, step) in sums.iter_mut().zip(steps) {
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
