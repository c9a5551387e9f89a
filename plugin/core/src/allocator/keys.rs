//! The bounded set of keys: who they are, which tier they have, and their standard (contract) buckets.
//!
//! Keys that a table names stay as long as it does. Unknown keys get the default tier and are bounded: when there is no
//! room, an idle one is forgotten (second chance, Corbató 1968); if none is idle, the newcomer shares one common
//! entry. Its standard bucket is shared too, so that rotating keys mints nothing.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};
use core::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use super::budget::ShadowId;
use crate::units::{Amount, KeyHash, Rate, Timestamp};

/// Index of the entry that unknown keys share when there is no room.
pub(super) const COMMON: u32 = 0;
const COMMON_NAME: &[u8] = b"(other)";
/// Entries looked at to find an idle one.
const CHANCES: usize = 8;
/// Longest key name kept for reports; longer ones are cut there.
const MAX_NAME: usize = 256;

/// One key.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) hash: KeyHash,
    /// Empty until the key's first request.
    pub(super) name: Box<[u8]>,
    pub(super) tier: u8,
    /// Named by the table in force.
    pub(super) known: bool,
    /// Receipts that refer to it.
    pub(super) outstanding: u32,
    /// Usage that no report has taken yet.
    pub(super) unreported: bool,
}

/// One key on one resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) standard: Standard,
    /// Its own shadow bucket or its tier's.
    pub(super) shadow: ShadowId,
    pub(super) owns_shadow: bool,
    /// The step whose reservation is installed.
    pub(super) step: u32,
    /// Where its reservations begin in the plan.
    pub(super) plan: u32,
    /// Its record in the ledger, if `record_serial` is the ledger's.
    pub(super) record: u32,
    pub(super) record_serial: u32,
}

/// The standard bucket: what the contract allows. Without a contract it is always full.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standard {
    level: i64,
    at: Timestamp,
    contract: Option<(Rate, Amount)>,
}

impl Standard {
    pub(super) fn new(contract: Option<(Rate, Amount)>, now: Timestamp) -> Self {
        Self { level: contract.map_or(0, |(_, burst)| burst.0), at: now, contract }
    }

    pub(super) fn level(&self, now: Timestamp) -> Amount {
        let Some((rate, burst)) = self.contract else { return Amount(i64::MAX) };
        Amount(self.level.saturating_add(rate.over(now.since(self.at)).0).min(burst.0))
    }

    /// Debits into debt, down to the floor of one burst.
    pub(super) fn debit(&mut self, amount: Amount, now: Timestamp) {
        let Some((_, burst)) = self.contract else { return };
        self.level = self.level(now).0.saturating_sub(amount.0).max(burst.0.saturating_neg());
        self.at = now;
    }

    pub(super) fn credit(&mut self, amount: Amount, now: Timestamp) {
        let Some((_, burst)) = self.contract else { return };
        self.level = self.level(now).0.saturating_add(amount.0).min(burst.0);
        self.at = now;
    }

    /// Time until `level` is there; `None` when it never is.
    pub(super) fn time_to(&self, level: Amount, now: Timestamp) -> Option<u64> {
        let Some((rate, burst)) = self.contract else { return Some(0) };
        if level > burst { None } else { rate.time_for(Amount(level.0.saturating_sub(self.level(now).0))) }
    }

    /// Changes the contract. A first one starts full; a changed one keeps what was used.
    pub(super) fn set_contract(&mut self, contract: Option<(Rate, Amount)>, now: Timestamp) {
        if self.contract == contract {
            return;
        }
        match (self.contract, contract) {
            (Some((_, old)), Some((_, new))) => {
                let used = old.0.saturating_sub(self.level(now).0);
                *self =
                    Self { level: new.0.saturating_sub(used).max(new.0.saturating_neg()), at: now, contract };
            }
            _ => *self = Self::new(contract, now),
        }
    }
}

/// All keys of an allocator.
#[derive(Debug)]
pub(super) struct Keys {
    index: HashMap<KeyHash, u32, BuildHasherDefault<AlreadyHashed>>,
    entries: Vec<Entry>,
    slots: Vec<Slot>,
    width: usize,
    unknown: VecDeque<u32>,
    max_unknown: usize,
}

impl Keys {
    pub(super) fn new(resources: usize, max_unknown: u32) -> Self {
        let mut keys = Self {
            index: HashMap::default(),
            entries: Vec::new(),
            slots: Vec::new(),
            width: resources,
            unknown: VecDeque::new(),
            max_unknown: max_unknown as usize,
        };
        keys.push(KeyHash::of(COMMON_NAME), COMMON_NAME);
        keys
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn entry(&self, key: u32) -> Option<&Entry> {
        self.entries.get(key as usize)
    }

    pub(super) fn entry_mut(&mut self, key: u32) -> Option<&mut Entry> {
        self.entries.get_mut(key as usize)
    }

    pub(super) fn slot_mut(&mut self, key: u32, resource: u8) -> Option<&mut Slot> {
        self.slots.get_mut(key as usize * self.width + usize::from(resource))
    }

    pub(super) fn find(&self, hash: KeyHash) -> Option<u32> {
        self.index.get(&hash).copied()
    }

    /// Keeps the name of a key that so far was only a hash.
    pub(super) fn name(&mut self, key: u32, name: &[u8]) {
        if let Some(entry) = self.entry_mut(key)
            && entry.name.is_empty()
        {
            entry.name = name.get(..MAX_NAME).unwrap_or(name).into();
        }
    }

    /// Adds a key that a table names; its slots must then be set.
    pub(super) fn add_known(&mut self, hash: KeyHash) -> u32 {
        let key = self.push(hash, &[]);
        self.index.insert(hash, key);
        key
    }

    /// Adds an unknown key, or returns the common entry when there is no room. `true`: its slots must be set.
    pub(super) fn add_unknown(&mut self, hash: KeyHash, name: &[u8]) -> (u32, bool) {
        let key =
            if self.unknown.len() < self.max_unknown { Some(self.push(hash, &[])) } else { self.evict() };
        let Some(key) = key else { return (COMMON, false) };
        if let Some(entry) = self.entries.get_mut(key as usize) {
            *entry = Entry {
                hash,
                name: Box::default(),
                tier: 0,
                known: false,
                outstanding: 0,
                unreported: false,
            };
        }
        self.name(key, name);
        self.index.insert(hash, key);
        self.unknown.push_back(key);
        (key, true)
    }

    /// Every key that the table no longer names becomes an unknown one.
    pub(super) fn forget_table(&mut self) {
        for (key, entry) in self.entries.iter_mut().enumerate() {
            if core::mem::take(&mut entry.known) {
                self.unknown.push_back(key as u32);
            }
        }
    }

    /// A known key becomes an unknown one.
    pub(super) fn forget(&mut self, hash: KeyHash) -> Option<u32> {
        let key = self.find(hash)?;
        if core::mem::take(&mut self.entries.get_mut(key as usize)?.known) {
            self.unknown.push_back(key);
        }
        Some(key)
    }

    /// The keys that a new table names leave the ring of unknown ones.
    pub(super) fn settle_known(&mut self) {
        let entries = &self.entries;
        self.unknown.retain(|key| entries.get(*key as usize).is_some_and(|entry| !entry.known));
    }

    /// The keys that no table names.
    pub(super) fn unknown(&self) -> Vec<u32> {
        self.unknown.iter().copied().collect()
    }

    fn push(&mut self, hash: KeyHash, name: &[u8]) -> u32 {
        let key = self.entries.len() as u32;
        self.entries.push(Entry {
            hash,
            name: name.into(),
            tier: 0,
            known: false,
            outstanding: 0,
            unreported: false,
        });
        let empty = Slot {
            standard: Standard::default(),
            shadow: 0,
            owns_shadow: false,
            step: 0,
            plan: 0,
            record: 0,
            record_serial: 0,
        };
        self.slots.resize(self.slots.len() + self.width, empty);
        key
    }

    /// Frees the entry of an unknown key that was not used since the last report, looking at a few.
    fn evict(&mut self) -> Option<u32> {
        for _ in 0..CHANCES {
            let key = self.unknown.pop_front()?;
            let entry = self.entries.get(key as usize)?;
            if entry.outstanding == 0 && !entry.unreported {
                self.index.remove(&entry.hash);
                return Some(key);
            }
            self.unknown.push_back(key);
        }
        None
    }
}

/// Hash-map hasher for keys that are already the output of SipHash.
#[derive(Default)]
pub(super) struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
