//! Cells that count how often they are read and written, and that can be lost.

use std::sync::{
    PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use tidegate_core::lease::{Cells, Record, Version};

/// Cells, and how often they were used.
#[derive(Debug)]
pub(crate) struct Counted<C> {
    cells: RwLock<C>,
    reads: AtomicU64,
    writes: AtomicU64,
}

impl<C> Counted<C> {
    pub(crate) const fn new(cells: C) -> Self {
        Self { cells: RwLock::new(cells), reads: AtomicU64::new(0), writes: AtomicU64::new(0) }
    }

    /// Reads and writes so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.reads.load(Ordering::Relaxed), self.writes.load(Ordering::Relaxed))
    }

    /// Loses what was in them: others take their place.
    pub(crate) fn lose(&self, fresh: C) {
        *self.cells.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }
}

impl<C: Cells> Cells for Counted<C> {
    fn count(&self) -> u32 {
        self.cells.read().unwrap_or_else(PoisonError::into_inner).count()
    }

    fn load(&self, cell: u32) -> (Record, Version) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.cells.read().unwrap_or_else(PoisonError::into_inner).load(cell)
    }

    fn store(&self, cell: u32, record: &Record, loaded: Version) -> bool {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.cells.read().unwrap_or_else(PoisonError::into_inner).store(cell, record, loaded)
    }
}
