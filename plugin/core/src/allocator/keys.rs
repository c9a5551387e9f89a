//! The bounded set of keys: who they are, which tier they have, and their standard (contract) buckets.
//!
//! Keys that a table names stay as long as it does, and their places after that are for those that another names. Unknown keys get the default tier and are bounded: when there is no
//! room, an idle one is forgotten (second chance, Corbató 1968); if none is idle, the newcomer shares one common
//! entry. Its standard bucket is shared too, so that rotating keys mints nothing.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};

use hashbrown::HashTable;

use super::{budget::ShadowId, packed::Packed};
use crate::{
    table::Contract,
    units::{Amount, KeyHash, Rate, Timestamp},
};

/// Index of the entry that unknown keys share when there is no room.
pub(super) const COMMON: u32 = 0;
const COMMON_NAME: &[u8] = b"(other)";
/// Entries looked at to find an idle one.
const CHANCES: usize = 8;
/// Longest key name kept for reports; longer ones are cut there.
const MAX_NAME: usize = 256;
const NONE: u32 = u32::MAX;

/// One key, with its first resource beside it: both are touched by every request, and lie in one cache line.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(super) struct Entry {
    first: Slot,
    pub(super) hash: KeyHash,
    /// Index of its name; [`NONE`] until the key's first request.
    name: u32,
    /// Receipts and waiting requests that refer to it.
    pub(super) outstanding: u32,
    /// Its tier in the table that `generation` stands for, if it is known.
    pub(super) tier: u8,
    pub(super) generation: u8,
    /// Named by the table in force.
    pub(super) known: bool,
    /// Usage that no report has taken yet.
    pub(super) unreported: bool,
}

/// One key on one resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) standard: Standard,
    /// Its own contract; both zero when it has its tier's.
    contract_rate: Packed,
    contract_burst: Packed,
    shadow: ShadowId,
    /// Perhaps the index of its record in the ledger.
    pub(super) record: u32,
}

impl Slot {
    const EMPTY: Self = Self {
        standard: Standard { used: 0, at: Timestamp::from_nanos(0) },
        contract_rate: Packed::ZERO,
        contract_burst: Packed::ZERO,
        shadow: NONE,
        record: NONE,
    };

    /// Its own shadow bucket, if it has one.
    pub(super) fn own_shadow(&self) -> Option<ShadowId> {
        (self.shadow != NONE).then_some(self.shadow)
    }

    pub(super) fn set_own_shadow(&mut self, shadow: Option<ShadowId>) {
        self.shadow = shadow.unwrap_or(NONE);
    }

    /// Its own contract.
    pub(super) fn contract(&self) -> Option<(Rate, Amount)> {
        let none = self.contract_rate == Packed::ZERO && self.contract_burst == Packed::ZERO;
        (!none).then(|| (self.contract_rate.rate(), self.contract_burst.amount()))
    }

    pub(super) fn set_contract(&mut self, contract: Option<Contract>) {
        (self.contract_rate, self.contract_burst) =
            contract.map_or((Packed::ZERO, Packed::ZERO), |contract| {
                let rate = Packed::of_rate(Rate::from_micro_per_s(contract.rate));
                (rate, Packed::of_amount(Amount::from_tokens(contract.burst)))
            });
    }
}

/// The standard bucket: what of a contract, rate and burst, has been used. It is told the contract each time, so that a
/// changed one keeps what was used. Use goes beyond the burst by one burst at most: that is the floor of its debt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standard {
    used: i64,
    at: Timestamp,
}

impl Standard {
    /// What may still be used.
    pub(super) fn left(&self, (rate, burst): (Rate, Amount), now: Timestamp) -> Amount {
        Amount(burst.0 - self.used_at(rate, burst, now))
    }

    pub(super) fn debit(&mut self, amount: Amount, (rate, burst): (Rate, Amount), now: Timestamp) {
        let most = burst.0.saturating_mul(2);
        self.used = self.used_at(rate, burst, now).saturating_add(amount.0).min(most);
        self.at = now;
    }

    pub(super) fn credit(&mut self, amount: Amount, (rate, burst): (Rate, Amount), now: Timestamp) {
        self.used = self.used_at(rate, burst, now).saturating_sub(amount.0).max(0);
        self.at = now;
    }

    /// In a crew it counts what this worker has not told the others yet, as much as `amount` more or, below zero, less.
    pub(super) const fn count(&mut self, amount: Amount) {
        self.used = self.used.saturating_add(amount.0);
    }

    /// What has not been told.
    pub(super) const fn counted(&self) -> Amount {
        Amount(self.used)
    }

    /// Forgets what was used, or has been told.
    pub(super) const fn forget(&mut self) {
        self.used = 0;
    }

    /// Time until `amount` may be used; `None` when it never may.
    pub(super) fn time_to(
        &self,
        amount: Amount,
        (rate, burst): (Rate, Amount),
        now: Timestamp,
    ) -> Option<u64> {
        if amount > burst {
            return None;
        }
        let due = rate.time_for(Amount(self.used.min(burst.0.saturating_mul(2)) - (burst.0 - amount.0)))?;
        Some(self.at.plus(due).since(now))
    }

    fn used_at(&self, rate: Rate, burst: Amount, now: Timestamp) -> i64 {
        if self.used == 0 {
            return 0;
        }
        let used = self.used.min(burst.0.saturating_mul(2));
        used.saturating_sub(rate.over(now.since(self.at)).0).max(0)
    }
}

/// All keys of an allocator.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// Entries by hash.
    index: HashTable<u32>,
    entries: Vec<Entry>,
    /// All resources but the first, `width` of each key.
    slots: Vec<Slot>,
    names: Vec<Box<[u8]>>,
    free_names: Vec<u32>,
    width: usize,
    unknown: VecDeque<u32>,
    max_unknown: usize,
}

impl Keys {
    pub(super) fn new(resources: usize, max_unknown: u32) -> Self {
        let mut keys = Self {
            index: HashTable::new(),
            entries: Vec::new(),
            slots: Vec::new(),
            names: Vec::new(),
            free_names: Vec::new(),
            width: resources.saturating_sub(1),
            unknown: VecDeque::new(),
            max_unknown: max_unknown as usize,
        };
        let common = keys.push(KeyHash::of(COMMON_NAME));
        keys.set_name(common, COMMON_NAME);
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

    pub(super) fn slot(&self, key: u32, resource: u8) -> Option<&Slot> {
        match usize::from(resource).checked_sub(1) {
            None => self.entries.get(key as usize).map(|entry| &entry.first),
            Some(other) if other < self.width => self.slots.get(key as usize * self.width + other),
            Some(_) => None,
        }
    }

    pub(super) fn slot_mut(&mut self, key: u32, resource: u8) -> Option<&mut Slot> {
        match usize::from(resource).checked_sub(1) {
            None => self.entries.get_mut(key as usize).map(|entry| &mut entry.first),
            Some(other) if other < self.width => self.slots.get_mut(key as usize * self.width + other),
            Some(_) => None,
        }
    }

    pub(super) fn find(&self, hash: KeyHash) -> Option<u32> {
        let is = |key: &u32| self.entries.get(*key as usize).is_some_and(|entry| entry.hash == hash);
        self.index.find(hash.0, is).copied()
    }

    /// The name of a key; empty until its first request.
    pub(super) fn name(&self, key: u32) -> &[u8] {
        let name = self.entry(key).map_or(NONE, |entry| entry.name);
        self.names.get(name as usize).map_or(&[], |name| name)
    }

    /// Keeps the name of a key that so far was only a hash.
    #[inline]
    pub(super) fn set_name(&mut self, key: u32, name: &[u8]) {
        if self.entry(key).is_some_and(|entry| entry.name == NONE) {
            self.keep_name(key, name);
        }
    }

    #[cold]
    fn keep_name(&mut self, key: u32, name: &[u8]) {
        let Some(entry) = self.entries.get_mut(key as usize) else { return };
        let kept: Box<[u8]> = name.get(..MAX_NAME).unwrap_or(name).into();
        entry.name = self.free_names.pop().unwrap_or(self.names.len() as u32);
        match self.names.get_mut(entry.name as usize) {
            Some(slot) => *slot = kept,
            None => self.names.push(kept),
        }
    }

    /// Takes memory for so many keys that a table names, beside those that none does.
    pub(super) fn make_room(&mut self, keys: usize) {
        let more = (keys + self.unknown.len() + 1).saturating_sub(self.entries.len());
        self.entries.reserve(more);
        self.slots.reserve(more * self.width);
        let entries = &self.entries;
        let hash_of = |key: &u32| entries.get(*key as usize).map_or(0, |entry| entry.hash.0);
        self.index.reserve(more, hash_of);
    }

    /// Adds a key that a table names. Where keys that tables do not name any more are beyond what there is room for, it takes the
    /// place of one of them.
    pub(super) fn add_known(&mut self, hash: KeyHash) -> u32 {
        let freed = if self.unknown.len() > self.max_unknown { self.evict() } else { None };
        let key = if let Some(key) = freed {
            self.begin(key, hash);
            key
        } else {
            self.push(hash)
        };
        self.enter(hash, key);
        key
    }

    /// Adds an unknown key, or returns the common entry when there is no room.
    pub(super) fn add_unknown(&mut self, hash: KeyHash, name: &[u8]) -> u32 {
        let key = if self.unknown.len() < self.max_unknown { Some(self.push(hash)) } else { self.evict() };
        let Some(key) = key else { return COMMON };
        self.begin(key, hash);
        self.set_name(key, name);
        self.enter(hash, key);
        self.unknown.push_back(key);
        key
    }

    /// A known key becomes an unknown one.
    pub(super) fn forget(&mut self, key: u32) {
        if let Some(entry) = self.entries.get_mut(key as usize)
            && core::mem::take(&mut entry.known)
        {
            self.unknown.push_back(key);
        }
    }

    /// The keys that a new table has come to name leave the ring of unknown ones.
    pub(super) fn settle_known(&mut self) {
        let entries = &self.entries;
        self.unknown.retain(|key| entries.get(*key as usize).is_some_and(|entry| !entry.known));
    }

    /// Makes an entry that of another key, of which nothing is known yet.
    fn begin(&mut self, key: u32, hash: KeyHash) {
        if let Some(entry) = self.entries.get_mut(key as usize) {
            *entry = Entry::new(hash);
        }
        let from = key as usize * self.width;
        self.slots.iter_mut().skip(from).take(self.width).for_each(|slot| *slot = Slot::EMPTY);
    }

    fn enter(&mut self, hash: KeyHash, key: u32) {
        let entries = &self.entries;
        let hash_of = |key: &u32| entries.get(*key as usize).map_or(0, |entry| entry.hash.0);
        self.index.insert_unique(hash.0, key, hash_of);
    }

    fn push(&mut self, hash: KeyHash) -> u32 {
        let key = self.entries.len() as u32;
        self.entries.push(Entry::new(hash));
        self.slots.resize(self.slots.len() + self.width, Slot::EMPTY);
        key
    }

    /// Frees the entry of an unknown key that was not used since the last report, looking at a few.
    fn evict(&mut self) -> Option<u32> {
        for _ in 0..CHANCES {
            let key = self.unknown.pop_front()?;
            let entry = self.entries.get(key as usize)?;
            if entry.known {
                // A table being installed has just come to name it.
                self.unknown.push_back(key);
                continue;
            }
            if entry.outstanding == 0 && !entry.unreported {
                if let Ok(found) = self.index.find_entry(entry.hash.0, |other| *other == key) {
                    found.remove();
                }
                if entry.name != NONE {
                    self.free_names.push(entry.name);
                }
                return Some(key);
            }
            self.unknown.push_back(key);
        }
        None
    }
}

impl Entry {
    const fn new(hash: KeyHash) -> Self {
        Self {
            first: Slot::EMPTY,
            hash,
            name: NONE,
            outstanding: 0,
            tier: 0,
            generation: 0,
            known: false,
            unreported: false,
        }
    }
}
