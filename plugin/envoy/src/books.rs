//! Budgets shared by the workers of one Envoy: the core's books in cells of shared data.
//!
//! Most requests never get here: a worker decides them from what it has leased.

use std::{fmt::Write, sync::Arc};

use tidegate_core::{
    CrewCells,
    lease::{Cells, RECORD_WORDS, Record, Version},
};

use crate::{era, host};

/// Cells for buckets that are below their depth, of all customers together.
const BUCKETS: u32 = 4_096;
const WORD_BYTES: usize = 8;

/// The cells of one plugin's resources in one era of the clock. Another era, or other resources, have other books.
pub(crate) fn cells(plugin: &str, resources: &[String], era: u64) -> CrewCells {
    Arc::new(SharedCells {
        prefix: era::books(plugin, resources, era),
        count: resources.len() as u32 + BUCKETS,
    })
}

struct SharedCells {
    prefix: String,
    count: u32,
}

impl SharedCells {
    fn name(&self, cell: u32) -> String {
        const DIGITS: usize = 10;
        let mut name = String::with_capacity(self.prefix.len() + DIGITS);
        name.push_str(&self.prefix);
        let _ = write!(name, "{cell}");
        name
    }
}

impl Cells for SharedCells {
    fn count(&self) -> u32 {
        self.count
    }

    fn load(&self, cell: u32) -> (Record, Version) {
        let mut record = Record::default();
        let Some((bytes, cas)) = host::shared_data(&self.name(cell)) else { return (record, Version(0)) };
        for (word, bytes) in record.iter_mut().zip(bytes.chunks_exact(WORD_BYTES)) {
            *word = bytes.try_into().map_or(0, u64::from_le_bytes);
        }
        (record, Version(u64::from(cas)))
    }

    fn store(&self, cell: u32, record: &Record, loaded: Version) -> bool {
        let mut bytes = [0; RECORD_WORDS * WORD_BYTES];
        for (bytes, word) in bytes.chunks_exact_mut(WORD_BYTES).zip(record) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let read = u32::try_from(loaded.0).ok().filter(|cas| *cas > 0);
        host::set_shared_data(&self.name(cell), &bytes, read)
    }
}
