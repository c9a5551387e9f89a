//! Cells in the memory of one process, for workers that are threads.
//!
//! A cell is a version and the words of its record. An odd version says that somebody is writing; a reader takes the
//! words between two equal even versions, a writer is whoever moves the version that was read to the odd one after it. All words
//! are atomics, so no reader ever sees a torn word, and a torn record never passes the second look at the version
//! (a sequence lock, Lameter 2005).

use alloc::{boxed::Box, vec::Vec};
use core::{
    hint,
    sync::atomic::{AtomicU64, Ordering, fence},
};

use super::cells::{Cells, RECORD_WORDS, Record, Version};

/// Cells over atomics; share them by reference or `Arc`.
#[derive(Debug)]
pub struct AtomicCells {
    cells: Box<[Cell]>,
}

#[derive(Debug, Default)]
struct Cell {
    version: AtomicU64,
    words: [AtomicU64; RECORD_WORDS],
}

impl AtomicCells {
    /// Cells that were never written.
    #[must_use]
    pub fn new(count: u32) -> Self {
        let cells: Vec<Cell> = (0..count).map(|_| Cell::default()).collect();
        Self { cells: cells.into_boxed_slice() }
    }
}

impl Cells for AtomicCells {
    fn count(&self) -> u32 {
        self.cells.len() as u32
    }

    fn load(&self, cell: u32) -> (Record, Version) {
        let Some(cell) = self.cells.get(cell as usize) else { return (Record::default(), Version(0)) };
        loop {
            let before = cell.version.load(Ordering::Acquire);
            if before % 2 == 1 {
                hint::spin_loop();
                continue;
            }
            let mut record = Record::default();
            for (word, atomic) in record.iter_mut().zip(&cell.words) {
                *word = atomic.load(Ordering::Relaxed);
            }
            fence(Ordering::Acquire);
            if cell.version.load(Ordering::Relaxed) == before {
                return (record, Version(before));
            }
        }
    }

    fn store(&self, cell: u32, record: &Record, loaded: Version) -> bool {
        let Some(cell) = self.cells.get(cell as usize) else { return false };
        let writing = loaded.0.wrapping_add(1);
        if cell.version.compare_exchange(loaded.0, writing, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return false;
        }
        fence(Ordering::Release);
        for (word, atomic) in record.iter().zip(&cell.words) {
            atomic.store(*word, Ordering::Relaxed);
        }
        cell.version.store(writing.wrapping_add(1), Ordering::Release);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_replaced_only_by_who_saw_its_last_record() {
        let cells = AtomicCells::new(2);
        let (record, born) = cells.load(1);
        assert_eq!((record, born), (Record::default(), Version(0)));
        let mut next = record;
        next[3] = 7;
        assert!(cells.store(1, &next, born));
        assert!(!cells.store(1, &record, born), "somebody was faster");
        let (found, version) = cells.load(1);
        assert_eq!(found, next);
        assert!(cells.store(1, &record, version));
        assert!(!cells.store(2, &record, Version(0)), "there is no such cell");
    }
}
