//! Cells that count how often they are read and written.

use std::cell::Cell;

use tidegate_core::lease::{Cells, Record, Version};

/// Cells, and how often they were used.
#[derive(Debug)]
pub(crate) struct Counted<C> {
    cells: C,
    reads: Cell<u64>,
    writes: Cell<u64>,
}

impl<C> Counted<C> {
    pub(crate) const fn new(cells: C) -> Self {
        Self { cells, reads: Cell::new(0), writes: Cell::new(0) }
    }

    /// Reads and writes so far.
    pub(crate) const fn counts(&self) -> (u64, u64) {
        (self.reads.get(), self.writes.get())
    }
}

impl<C: Cells> Cells for Counted<C> {
    fn count(&self) -> u32 {
        self.cells.count()
    }

    fn load(&self, cell: u32) -> (Record, Version) {
        self.reads.set(self.reads.get() + 1);
        self.cells.load(cell)
    }

    fn store(&self, cell: u32, record: &Record, loaded: Version) -> bool {
        self.writes.set(self.writes.get() + 1);
        self.cells.store(cell, record, loaded)
    }
}
