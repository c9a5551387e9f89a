//! The structural rules of a table, and the errors that name the one that is broken.

use super::Table;
use crate::wire::WireError;

/// Most tiers in a table.
pub const MAX_TIERS: usize = 16;
/// Most resources in a table.
pub const MAX_RESOURCES: usize = 8;
/// Most steps in a table.
pub const MAX_STEPS: u16 = 64;
/// Most keys in a table.
pub const MAX_KEYS: usize = 1_000_000;

/// Why a table was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The bytes are not a table of this format.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A count is zero or over its limit.
    #[error("{what}: {found} is not within 1..={limit}")]
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
    /// A number is beyond reason.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// Reservations exceed a resource's capacity or burst.
    #[error("resource {resource}, step {step}: reserved {what} exceed what there is")]
    Overcommitted {
        /// Index of the resource.
        resource: usize,
        /// Index of the step.
        step: usize,
        /// `rates` or `depths`.
        what: &'static str,
    },
    /// Two keys, or two grants of a key, have the same identity.
    #[error("{0} appears twice")]
    Duplicate(&'static str),
    /// Not newer than the table in force.
    #[error("epoch {found} is not newer than {current}")]
    OldEpoch {
        /// Epoch of the refused table.
        found: u64,
        /// Epoch in force.
        current: u64,
    },
}

pub(super) fn check(_table: &Table) -> Result<(), TableError> {
    Ok(())
}
