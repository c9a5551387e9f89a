//! Budgets shared with other instances: the host's cells, where the core keeps its books.

use std::sync::Arc;

use tidegate_core::{
    CrewCells,
    lease::{Cells, Record, Version},
};

use crate::bindings::tidegate::admission::broker;

/// The first `count` cells of the host.
pub(crate) fn cells(count: u32) -> CrewCells {
    Arc::new(HostCells { count })
}

struct HostCells {
    count: u32,
}

impl Cells for HostCells {
    fn count(&self) -> u32 {
        self.count
    }

    fn load(&self, cell: u32) -> (Record, Version) {
        let ((a, b, c, d, e, f, g, h, i, j, k, l), version) = broker::load(cell);
        ([a, b, c, d, e, f, g, h, i, j, k, l], Version(version))
    }

    fn store(&self, cell: u32, record: &Record, loaded: Version) -> bool {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *record;
        broker::store(cell, (a, b, c, d, e, f, g, h, i, j, k, l), loaded.0)
    }
}
