//! What a table promises as a whole: the budget of each resource, until when, and when its steps begin.

use tidegate_core::{Share, table::Table, units::MicroRate};

const MILLI: u64 = 1_000_000;

/// The table in force, for this worker's part.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    table: Table,
    share: Share,
}

impl Plan {
    pub(super) fn of(bytes: &[u8], share: Share) -> Option<Self> {
        Table::decode(bytes).ok().map(|table| Self { table, share })
    }

    /// Micro-tokens per second and tokens of a resource; none if the table does not know it.
    pub(super) fn budget(&self, name: &str, wall_ns: u64) -> Option<(u64, u64)> {
        let resource = self.table.resources.iter().find(|resource| resource.name == name)?;
        let capacity = if self.is_stale(wall_ns) { resource.safe_capacity } else { resource.capacity };
        Some(part(capacity.0, resource.burst, self.share))
    }

    /// Whether the tokens of a resource are held until requests settle.
    pub(super) fn is_held(&self, name: &str) -> bool {
        self.table.resources.iter().find(|resource| resource.name == name).is_some_and(|found| found.held)
    }

    /// A number that changes whenever reservations may.
    pub(super) fn step(&self, wall_ns: u64) -> u64 {
        let from_start = wall_ns.checked_sub(self.table.starts_at_ms.saturating_mul(MILLI));
        match from_start {
            _ if self.is_stale(wall_ns) => u64::MAX,
            Some(nanos) => (nanos / (u64::from(self.table.step_ms) * MILLI)).min(u64::from(self.table.steps)),
            None => u64::MAX - 1,
        }
    }

    fn is_stale(&self, wall_ns: u64) -> bool {
        wall_ns >= self.table.valid_until_ms.saturating_mul(MILLI)
    }
}

/// A part of a budget; never rounded down to nothing.
pub(super) fn part(capacity: u64, burst: u64, share: Share) -> (u64, u64) {
    (MicroRate(capacity).part(share).0, share.of(burst).max(burst.min(1)))
}
