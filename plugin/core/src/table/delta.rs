//! Deltas: between two snapshots only what changed travels.
//!
//! Every delta builds on the last snapshot, never on another delta: whoever has the snapshot can take any of its deltas
//! and may miss all others. For that a delta names every key that has differed from the snapshot since it was
//! made, even one that is back to what it was. Keys with a reservation of their own are always named, since their
//! steps move on with time; what is saved are the many small customers that share their tier's bucket.

use alloc::vec::Vec;

use hashbrown::{HashMap, HashSet};

use super::{Key, Table};
use crate::units::KeyHash;

/// A snapshot that deltas are made against.
#[derive(Clone, Debug)]
pub struct Baseline {
    snapshot: Table,
    positions: HashMap<KeyHash, usize>,
    /// Keys that a delta has named or removed.
    touched: HashSet<KeyHash>,
}

impl Baseline {
    /// A baseline on `snapshot`, which every receiver of its deltas must have applied.
    #[must_use]
    pub fn new(snapshot: Table) -> Self {
        let positions =
            snapshot.keys.iter().enumerate().map(|(position, key)| (key.hash, position)).collect();
        Self { snapshot, positions, touched: HashSet::new() }
    }

    /// Epoch of the snapshot.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.snapshot.epoch
    }

    /// What turns the snapshot into `next`; `None` when a new snapshot is needed or would hardly be larger.
    pub fn delta(&mut self, next: &Table) -> Option<Table> {
        let base = &self.snapshot;
        let names = |table: &Table| -> Vec<_> {
            table.resources.iter().map(|resource| resource.name.clone()).collect()
        };
        let same =
            base.tiers == next.tiers && base.default_tier == next.default_tier && names(base) == names(next);
        if !same || next.epoch <= base.epoch {
            return None;
        }
        let owns = |key: &Key| key.grants.iter().any(|grant| !grant.reservations.is_empty());
        let before = |key: &Key| self.positions.get(&key.hash).and_then(|position| base.keys.get(*position));
        let changed = |key: &&Key| {
            owns(key)
                || self.touched.contains(&key.hash)
                || before(key).is_none_or(|before| owns(before) || before != *key)
        };
        let keys: Vec<Key> = next.keys.iter().filter(changed).cloned().collect();
        if keys.len() * 2 > next.keys.len() {
            return None;
        }
        let present: HashSet<KeyHash> = next.keys.iter().map(|key| key.hash).collect();
        let once = base.keys.iter().map(|key| key.hash).chain(self.touched.iter().copied());
        let mut removed: Vec<KeyHash> = once.filter(|hash| !present.contains(hash)).collect();
        removed.sort_unstable();
        removed.dedup();
        self.touched.extend(keys.iter().map(|key| key.hash).chain(removed.iter().copied()));
        Some(next.with_keys(self.snapshot.epoch, keys, removed))
    }
}

#[cfg(test)]
mod tests;
