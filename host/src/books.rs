//! The books that shards keep in common: numbered cells. What is in them is the policy's business.
//!
//! They belong to the gate, so they outlive instances: one that fails takes along only what it had taken out.

use std::sync::{Mutex, PoisonError};

use crate::bindings::tidegate::admission::broker::{Host, Record};

/// Cells for budgets and for buckets below their depth.
pub(crate) const CELLS: u32 = 4_096;

/// A record, and how often it was written.
type Cell = (Record, u64);

/// All cells of a gate. A cell is locked for as long as it takes to copy twelve words.
pub(crate) struct Books {
    cells: Box<[Mutex<Cell>]>,
}

impl Books {
    pub(crate) fn new() -> Self {
        Self { cells: (0..CELLS).map(|_| Mutex::default()).collect() }
    }

    fn load(&self, cell: u32) -> Cell {
        let cell = self.cells.get(cell as usize);
        cell.map_or_else(Cell::default, |cell| *cell.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn store(&self, cell: u32, record: Record, loaded: u64) -> bool {
        let Some(cell) = self.cells.get(cell as usize) else { return false };
        let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
        let is_last = cell.1 == loaded;
        if is_last {
            *cell = (record, loaded.wrapping_add(1));
        }
        is_last
    }
}

/// What an instance can reach: the books of its gate, or none.
impl Host for crate::limits::Meter {
    fn load(&mut self, cell: u32) -> Cell {
        self.books.as_ref().map_or_else(Cell::default, |books| books.load(cell))
    }

    fn store(&mut self, cell: u32, record: Record, loaded: u64) -> bool {
        self.books.as_ref().is_some_and(|books| books.store(cell, record, loaded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_replaced_only_by_who_saw_its_last_record() {
        let books = Books::new();
        let mut record = Record::default();
        record.3 = 7;
        assert_eq!(books.load(1), (Record::default(), 0));
        assert!(books.store(1, record, 0));
        assert!(!books.store(1, Record::default(), 0), "somebody was faster");
        let (found, write) = books.load(1);
        assert_eq!(found, record);
        assert!(books.store(1, Record::default(), write));
        assert!(
            !books.store(CELLS, record, 0) && books.load(CELLS) == (Record::default(), 0),
            "no such cell"
        );
    }
}
