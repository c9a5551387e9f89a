//! Where brokers keep their books: numbered cells that several workers read and replace.
//!
//! A cell is a small record that is copied out, changed and put back if nobody else was faster. That is what Envoy's
//! shared data offers (get, and set with a compare-and-swap number), what atomics offer within a process, and all
//! that leases need.

use core::ops::Deref;

/// Words of a record.
pub const RECORD_WORDS: usize = 12;

/// What a cell holds. All zero: nothing yet.
pub type Record = [u64; RECORD_WORDS];

/// Which write a record came from. A cell that was never written has version 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version(pub u64);

/// A set of cells shared by the workers that draw on the same budgets.
///
/// Each cell is linearizable on its own; nothing is asked of several together. Losing them is allowed, see
/// [`Birth`](super::Birth).
pub trait Cells {
    /// Number of cells.
    fn count(&self) -> u32;

    /// The record of a cell and its version; zeros and version 0 when it was never written.
    fn load(&self, cell: u32) -> (Record, Version);

    /// Replaces a record if the cell still has the version that was loaded; false, changing nothing, if not.
    /// A cell that was never written must not be overwritten once somebody has written it.
    fn store(&self, cell: u32, record: &Record, loaded: Version) -> bool;
}

/// Whatever points at cells is as good as they are.
impl<P: Deref<Target: Cells>> Cells for P {
    fn count(&self) -> u32 {
        (**self).count()
    }

    fn load(&self, cell: u32) -> (Record, Version) {
        (**self).load(cell)
    }

    fn store(&self, cell: u32, record: &Record, loaded: Version) -> bool {
        (**self).store(cell, record, loaded)
    }
}
