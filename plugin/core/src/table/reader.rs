//! Reading a table's keys one by one, so that a large table need not hold up requests; or only which table it is.

use alloc::vec::Vec;

use serde::Deserialize;

use super::{DrawOrder, ENVELOPE, Key, Resource, Table, TableError, Tier};
use crate::{units::KeyHash, wire::WireError};

/// Which table it is: the first that a table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Heading {
    /// Epoch of the table.
    pub epoch: u64,
    /// Epoch of the snapshot that it builds on, 0 for a snapshot.
    pub base_epoch: u64,
}

impl Heading {
    /// Reads it; the rest of the table may still be anything.
    ///
    /// # Errors
    /// Says what is wrong with the bytes.
    pub fn read(table: &[u8]) -> Result<Self, WireError> {
        ENVELOPE.take(table, ENVELOPE.open(table)?).map(|(heading, _)| heading)
    }

    /// Whether it is a table on its own, not a delta.
    #[must_use]
    pub const fn is_snapshot(self) -> bool {
        self.base_epoch == 0
    }
}

/// Everything that a table says before its keys, in the order of [`Table`].
#[derive(Deserialize)]
struct Header {
    epoch: u64,
    base_epoch: u64,
    removed: Vec<KeyHash>,
    starts_at_ms: u64,
    step_ms: u32,
    steps: u16,
    valid_until_ms: u64,
    draw_order: DrawOrder,
    tiers: Vec<Tier>,
    default_tier: u8,
    resources: Vec<Resource>,
    keys: u32,
}

/// Where the next key begins, and how many there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader {
    at: usize,
    left: usize,
}

impl Reader {
    /// Reads everything but the keys.
    pub(crate) fn open(bytes: &[u8]) -> Result<(Table, Self), TableError> {
        let (header, rest): (Header, _) = ENVELOPE.take(bytes, ENVELOPE.open(bytes)?)?;
        let left = header.keys as usize;
        // Each key takes at least three bytes: whoever promises more than there is room for gets no memory for it.
        if left > rest.len() / 3 {
            return Err(WireError::Truncated(bytes.len()).into());
        }
        let table = Table {
            epoch: header.epoch,
            base_epoch: header.base_epoch,
            removed: header.removed,
            starts_at_ms: header.starts_at_ms,
            step_ms: header.step_ms,
            steps: header.steps,
            valid_until_ms: header.valid_until_ms,
            draw_order: header.draw_order,
            tiers: header.tiers,
            default_tier: header.default_tier,
            resources: header.resources,
            keys: Vec::new(),
        };
        Ok((table, Self { at: bytes.len() - rest.len(), left }))
    }

    /// Keys that have not been read.
    pub(crate) const fn left(&self) -> usize {
        self.left
    }

    /// The next key of the table in `bytes`, which must be those it was opened on; `None` after the last.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Result<Option<Key>, WireError> {
        let rest = bytes.get(self.at..).unwrap_or(&[]);
        if self.left == 0 {
            return if rest.is_empty() { Ok(None) } else { Err(WireError::TrailingBytes(rest.len())) };
        }
        let (key, after) = ENVELOPE.take(bytes, rest)?;
        self.left -= 1;
        self.at = bytes.len() - after.len();
        Ok(Some(key))
    }
}
