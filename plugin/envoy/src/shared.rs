//! Tables in shared data, for the workers that do not hold the stream.
//!
//! Two slots, the last snapshot and the last delta on it: whoever has the first can take the second, so no worker
//! has to have seen every push. Bytes here come from this process's own leader, which has verified and checked them. They lie in
//! pieces, since each value is copied as a whole; those that a larger table has left behind a smaller one stay, and nobody reads them.

use tidegate_core::{
    table::Heading,
    transfer::{Pieces, piece},
};

use crate::host;

/// Where a table lies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The last snapshot.
    Snapshot,
    /// The last delta on it.
    Delta,
}

impl Slot {
    fn piece(self, plugin: &str, position: usize) -> String {
        let name = match self {
            Self::Snapshot => "snapshot",
            Self::Delta => "delta",
        };
        key(plugin, &format!("{name}.{position}"))
    }
}

/// What is in the slots, and what else the forecaster has told the leader; cheap to ask for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Notice {
    /// Epoch of the snapshot, 0 for none.
    pub(crate) snapshot: u64,
    /// Epoch of the newest table, the snapshot or a delta on it.
    pub(crate) newest: u64,
    /// Length of usage windows, 0 before it was told.
    pub(crate) report_interval_ms: u64,
}

impl Notice {
    /// As the leader left it.
    pub(crate) fn read(plugin: &str) -> Self {
        let bytes = host::shared_data(&key(plugin, "notice")).map(|(bytes, _)| bytes).unwrap_or_default();
        let mut numbers = bytes.chunks_exact(8).map(|bytes| bytes.try_into().map_or(0, u64::from_le_bytes));
        let mut next = || numbers.next().unwrap_or_default();
        Self { snapshot: next(), newest: next(), report_interval_ms: next() }
    }

    /// With a table that is in its slot now.
    pub(crate) const fn with(self, table: Heading) -> Self {
        let snapshot = if table.is_snapshot() { table.epoch } else { table.base_epoch };
        Self { snapshot, newest: table.epoch, ..self }
    }

    /// Makes known what is in the slots; to be called after they have been filled.
    pub(crate) fn post(self, plugin: &str) {
        let numbers = [self.snapshot, self.newest, self.report_interval_ms];
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        host::put_shared_data(&key(plugin, "notice"), &bytes);
    }

    /// The next table for who has these epochs in force.
    pub(crate) fn after(self, snapshot: u64, newest: u64) -> Option<(Slot, u64)> {
        if self.snapshot > snapshot {
            return Some((Slot::Snapshot, self.snapshot));
        }
        // A delta on another snapshot is of no use.
        (self.snapshot == snapshot && self.newest > newest).then_some((Slot::Delta, self.newest))
    }
}

/// Puts one piece of a table into its slot. False when it has no such piece.
pub(crate) fn save(plugin: &str, table: Heading, bytes: &[u8], position: usize) -> bool {
    let slot = if table.is_snapshot() { Slot::Snapshot } else { Slot::Delta };
    let Some(piece) = piece(table.epoch, bytes, position) else { return false };
    host::put_shared_data(&slot.piece(plugin, position), &piece);
    true
}

/// A table that is being read.
pub(crate) struct Reading {
    slot: Slot,
    pieces: Pieces,
}

/// How far it has got.
pub(crate) enum Read {
    /// There is more.
    More,
    /// That was all.
    Whole(Vec<u8>),
    /// Another is being written there.
    Broken,
}

impl Reading {
    pub(crate) const fn of(slot: Slot, epoch: u64) -> Self {
        Self { slot, pieces: Pieces::of(epoch) }
    }

    /// Reads one piece.
    pub(crate) fn next(&mut self, plugin: &str) -> Read {
        let piece = host::shared_data(&self.slot.piece(plugin, self.pieces.next()));
        match piece.map(|(piece, _)| self.pieces.add(&piece)) {
            Some(Ok(None)) => Read::More,
            Some(Ok(Some(table))) => Read::Whole(table),
            Some(Err(_)) | None => Read::Broken,
        }
    }
}

fn key(plugin: &str, what: &str) -> String {
    format!("tidegate.{plugin}.{what}")
}
