//! Installing a table, a few keys at a time.
//!
//! A table changes reservations, it never mints tokens: what a bucket gains comes from the pool, what it loses returns.
//! First every key is read and checked; nothing changes unless all of it is good. Then policy, tiers and budgets change at
//! once, and keys one by one: those that the table has not reached yet keep the reservation they have. Then
//! those that it does not name give up theirs, and in the end who had to wait for that gets the rest of his. Each part takes as
//! many keys as the caller allows.

use alloc::vec::Vec;

use super::{Allocator, ResourceState, budget::EMERGENCY, keys::Slot};
use crate::{
    table::{Checker, Contract, Heading, Key, Reader, Schedule, Table, TableError},
    units::{Amount, MicroRate, Rate, Timestamp},
};

/// A table on its way into force.
#[derive(Clone, Debug)]
pub(super) struct Installation {
    /// Everything but the keys.
    table: Table,
    bytes: Vec<u8>,
    reader: Reader,
    phase: Phase,
}

#[derive(Clone, Debug)]
enum Phase {
    Checking(Checker),
    /// All of it is good.
    Checked(Checker),
    /// Local resource index by that of the table.
    Installing(Vec<Option<u8>>),
    /// Entries up to here have been looked at.
    Releasing(u32),
    /// Shadow buckets up to here have all of their reservation.
    Growing(u32),
}

/// A table on its way into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staged<'a> {
    /// Which table it is.
    pub heading: Heading,
    /// The table.
    pub bytes: &'a [u8],
    /// How far it has got.
    pub stage: Stage,
}

/// How far a table on its way has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It may still turn out to be bad; nothing has changed.
    Checking,
    /// All of it is good; nothing has changed. The next call of [`Allocator::install`] puts its tiers and budgets into force.
    Checked,
    /// Its tiers and budgets are in force, of its keys not all.
    Installing,
}

/// How far a table has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is nothing to do.
    Idle,
    /// There is more to do.
    Working,
    /// The table of this epoch is wholly in force.
    Installed(u64),
    /// The table breaks a rule; the last good one stays in force.
    Refused(TableError),
}

impl Allocator {
    /// Installs a table and returns its epoch, all at once. Nothing changes unless all of it is good.
    ///
    /// # Errors
    /// Says what is wrong with the table; the last good one stays in force.
    pub fn apply(&mut self, table: &[u8], now: Timestamp) -> Result<u64, TableError> {
        self.stage(table.to_vec(), now)?;
        loop {
            match self.install(u32::MAX, now) {
                Progress::Working => {}
                Progress::Installed(epoch) => return Ok(epoch),
                Progress::Refused(error) => return Err(error),
                Progress::Idle => return Ok(self.policy.epoch),
            }
        }
    }

    /// Takes a table to be installed by calls of [`Allocator::install`]. One that is being checked is dropped for it,
    /// one that is partly in force is finished first.
    ///
    /// # Errors
    /// Says what is wrong with what the table says before its keys; nothing but the time changes then, for a table on
    /// its way neither.
    pub fn stage(&mut self, bytes: Vec<u8>, now: Timestamp) -> Result<(), TableError> {
        self.begin(now, 0);
        let (table, reader) = Reader::open(&bytes)?;
        if table.epoch <= self.policy.epoch {
            return Err(TableError::OldEpoch { found: table.epoch, current: self.policy.epoch });
        }
        self.check_base(&table)?;
        let checker = Checker::new(&table, reader.left())?;
        while self.staged().is_some_and(|staged| staged.stage == Stage::Installing) {
            self.install(u32::MAX, now);
        }
        self.installation = Some(Installation { table, bytes, reader, phase: Phase::Checking(checker) });
        Ok(())
    }

    /// The table on its way, if there is one.
    #[must_use]
    pub fn staged(&self) -> Option<Staged<'_>> {
        let Installation { table, bytes, phase, .. } = self.installation.as_ref()?;
        let stage = match phase {
            Phase::Checking(_) => Stage::Checking,
            Phase::Checked(_) => Stage::Checked,
            Phase::Installing(_) | Phase::Releasing(_) | Phase::Growing(_) => Stage::Installing,
        };
        let heading = Heading { epoch: table.epoch, base_epoch: table.base_epoch };
        Some(Staged { heading, bytes, stage })
    }

    /// Goes on with the staged table, `keys` keys at most. A thousand keys take well under a millisecond.
    pub fn install(&mut self, keys: u32, now: Timestamp) -> Progress {
        let Some(mut staged) = self.installation.take() else { return Progress::Idle };
        let wall = now;
        let now = self.begin(wall, super::decide::DRAIN_PER_REQUEST);
        let next = match staged.phase {
            Phase::Checking(checker) => {
                match check(&mut staged.reader, &staged.bytes, checker, &staged.table, keys) {
                    Err(error) => return Progress::Refused(error),
                    Ok((checker, false)) => Phase::Checking(checker),
                    Ok((checker, true)) => Phase::Checked(checker),
                }
            }
            Phase::Checked(checker) => {
                let Ok((_, reader)) = Reader::open(&staged.bytes) else { return Progress::Idle };
                staged.reader = reader;
                let (share, only_held) = self.part();
                staged.table.divide(share, only_held);
                let locals = self.switch(&staged.table, &checker.reserved(), wall, now);
                self.make_room(&checker, &locals);
                Phase::Installing(locals)
            }
            Phase::Installing(locals) => {
                let mut left = keys;
                let (share, only_held) = self.part();
                while let Some(mut key) = next_key(&mut staged.reader, &staged.bytes, &mut left) {
                    key.divide(share, &staged.table.resources, only_held);
                    self.install_key(&key, &locals, now);
                }
                if staged.reader.left() > 0 { Phase::Installing(locals) } else { Phase::Releasing(0) }
            }
            Phase::Releasing(from) => {
                let until = from.saturating_add(keys).min(self.keys.len() as u32);
                (from..until).for_each(|key| self.release_unnamed(key, &staged.table, now));
                if until < self.keys.len() as u32 {
                    Phase::Releasing(until)
                } else {
                    self.keys.settle_known();
                    if !self.was_short() {
                        return Progress::Installed(staged.table.epoch);
                    }
                    Phase::Growing(0)
                }
            }
            Phase::Growing(from) => {
                let (until, most) = (from.saturating_add(keys), self.most_shadows());
                self.roll_shadows(from..until.min(most), now);
                if until >= most {
                    self.was_short();
                    return Progress::Installed(staged.table.epoch);
                }
                Phase::Growing(until)
            }
        };
        staged.phase = next;
        self.installation = Some(staged);
        Progress::Working
    }

    /// Ends what is on its way: a table that is partly in force by finishing it, since keys know only the one before; any other is
    /// dropped.
    pub(super) fn end_installation(&mut self, now: Timestamp) {
        if self.staged().is_some_and(|staged| staged.stage != Stage::Installing) {
            self.installation = None;
        }
        while self.installation.is_some() {
            self.install(u32::MAX, now);
        }
    }

    /// A delta must build on the snapshot in force, and leave the tiers as they are.
    fn check_base(&self, table: &Table) -> Result<(), TableError> {
        if table.base_epoch == 0 {
            return Ok(());
        }
        if table.base_epoch != self.policy.snapshot_epoch {
            return Err(TableError::WrongBase {
                base: table.base_epoch,
                current: self.policy.snapshot_epoch,
            });
        }
        let (found, expected) = (table.tiers.len(), self.policy.tiers.len());
        if found == expected {
            Ok(())
        } else {
            Err(TableError::Length { what: "tiers of a delta", found, expected })
        }
    }

    /// Puts policy, tiers and budgets of a table into force; returns which local resource each of its resources is.
    /// A resource that the table lacks keeps its safe budget.
    fn switch(
        &mut self,
        table: &Table,
        reserved: &[Vec<(u128, u128)>],
        wall: Timestamp,
        now: Timestamp,
    ) -> Vec<Option<u8>> {
        self.policy = self.policy.next(table, wall);
        let (policy, share) = (&self.policy, self.share);
        for resource in &mut self.resources {
            let position = table.resources.iter().position(|entry| entry.name == resource.name);
            let entry = position.and_then(|position| table.resources.get(position));
            resource.planned = entry.map(|entry| {
                (
                    Rate::from_micro_per_s(entry.capacity),
                    Amount::from_tokens(entry.burst),
                    Rate::from_micro_per_s(entry.safe_capacity),
                )
            });
            let others = entry.map_or(&[][..], |entry| &entry.alternatives);
            let others = others.iter().filter_map(|other| table.resources.get(usize::from(*other)));
            resource.alternatives = others.map(|other| other.name.clone()).collect();
            let steps = position.and_then(|position| reserved.get(position)).map_or(&[][..], Vec::as_slice);
            resource.reserved = steps.iter().map(|(rate, depth)| sum(*rate, *depth)).collect();
            resource.is_another = resource.budget.set_held(entry.is_some_and(|entry| entry.held), now);
            resource.set_capacity(policy, share, now);
            resource.budget.set_steps(policy.turn.generation, policy.starts_at(), policy.step_ns());
            let contract = |at: usize, tier: usize| {
                table.tiers.get(tier).and_then(|tier| tier.contracts.get(at).copied().flatten()).map(contract)
            };
            let tiers = 0..table.tiers.len();
            resource.contracts = tiers.clone().map(|tier| contract(position?, tier)).collect();
            resource.floor_steps = tiers
                .map(|tier| entry.and_then(|entry| entry.floors.get(tier)).cloned().unwrap_or_default())
                .collect();
            resource.emergency_use.set_key_permille(entry.map_or(0, |entry| entry.emergency_key_permille));
            resource.budget.begin_table(table.steps);
            let none = Schedule::default();
            let shared = |tier: u32| entry.and_then(|entry| entry.tier_reservations.get(tier as usize));
            let emergency = entry.map_or(&none, |entry| &entry.emergency);
            for id in 0..EMERGENCY {
                resource.budget.install(id, shared(id).unwrap_or(&none), policy.turn, now);
            }
            resource.budget.install(EMERGENCY, emergency, policy.turn, now);
            resource.set_floors(policy);
        }
        let tiers = &policy.tiers;
        let former = policy.former_tiers;
        self.waiting.reorder(|tier| {
            let tier = former.get(usize::from(tier)).copied().unwrap_or(policy.default_tier);
            tiers.get(usize::from(tier)).map_or((tier, 0, 1), |state| (tier, state.rank, state.weight))
        });
        table.resources.iter().map(|resource| self.resource_index(&resource.name)).collect()
    }

    /// Takes the memory that a table needs in one go: growing bit by bit would move all keys now and then, and that takes
    /// longer than many keys together.
    fn make_room(&mut self, checker: &Checker, locals: &[Option<u8>]) {
        let (keys, owners) = checker.counts();
        self.keys.make_room(keys);
        for (local, owners) in locals.iter().zip(owners) {
            let resource = local.and_then(|local| self.resources.get_mut(usize::from(local)));
            let Some(resource) = resource else { continue };
            let shadows = resource.budget.make_room(*owners);
            resource.contention.make_room(if *owners > 0 { shadows } else { 0 });
        }
    }

    fn install_key(&mut self, named: &Key, locals: &[Option<u8>], now: Timestamp) {
        let key = match self.keys.find(named.hash) {
            Some(key) => key,
            None => self.keys.add_known(named.hash),
        };
        let Some(entry) = self.keys.entry_mut(key) else { return };
        (entry.known, entry.tier, entry.generation) = (true, named.tier, self.policy.turn.generation);
        for (index, resource) in (0..).zip(&mut self.resources) {
            let Some(slot) = self.keys.slot_mut(key, index) else { continue };
            let mut grants = named.grants.iter();
            let grant = grants.find(|grant| locals.get(usize::from(grant.resource)) == Some(&Some(index)));
            resource.begin_contract(slot);
            slot.set_contract(grant.and_then(|grant| grant.contract));
            match (grant.filter(|grant| !grant.reservations.is_empty()), slot.own_shadow()) {
                (Some(grant), own) => {
                    let own = own.unwrap_or_else(|| resource.budget.add(now));
                    slot.set_own_shadow(Some(own));
                    resource.budget.install(own, &grant.reservations, self.policy.turn, now);
                    resource.contention.expect(own, grant.forecast);
                }
                (None, Some(own)) => {
                    resource.give_up(own, now);
                    slot.set_own_shadow(None);
                }
                (None, None) => {}
            }
        }
    }

    /// A key that the table has not named: in a snapshot it is no longer known, in a delta it is as in the snapshot,
    /// unless it has been removed since; either way it has no reservation of its own.
    fn release_unnamed(&mut self, key: u32, table: &Table, now: Timestamp) {
        let generation = self.policy.turn.generation;
        let Some(entry) = self.keys.entry_mut(key) else { return };
        if entry.generation == generation {
            return;
        }
        entry.generation = generation;
        let former = self.policy.former_tiers.get(usize::from(entry.tier)).copied();
        entry.tier = former.unwrap_or(self.policy.default_tier);
        // The list of a delta is sorted.
        let is_removed = table.base_epoch == 0 || table.removed.binary_search(&entry.hash).is_ok();
        for (index, resource) in (0..).zip(&mut self.resources) {
            let Some(slot) = self.keys.slot_mut(key, index) else { continue };
            resource.begin_contract(slot);
            if let Some(own) = slot.own_shadow() {
                resource.give_up(own, now);
                slot.set_own_shadow(None);
            }
            if is_removed {
                slot.set_contract(None);
            }
        }
        if is_removed {
            self.keys.forget(key);
        }
    }

    /// The tier of a key in the table in force.
    pub(super) fn tier_of(&self, key: u32) -> u8 {
        let Some(entry) = self.keys.entry(key).filter(|entry| entry.known) else {
            return self.policy.default_tier;
        };
        if entry.generation == self.policy.turn.generation {
            return entry.tier;
        }
        self.policy.former_tiers.get(usize::from(entry.tier)).copied().unwrap_or(self.policy.default_tier)
    }
}

/// Checks up to `keys` keys; tells whether that was all.
fn check(
    reader: &mut Reader,
    bytes: &[u8],
    mut checker: Checker,
    table: &Table,
    keys: u32,
) -> Result<(Checker, bool), TableError> {
    for _ in 0..keys {
        match reader.next(bytes)? {
            Some(key) => checker.key(&key)?,
            None => return checker.finish(table).map(|()| (checker, true)),
        }
    }
    Ok((checker, false))
}

/// The next key, unless as many as were allowed have been read. All of them have been read before, to check them.
fn next_key(reader: &mut Reader, bytes: &[u8], left: &mut u32) -> Option<Key> {
    *left = left.checked_sub(1)?;
    reader.next(bytes).ok().flatten()
}

impl ResourceState {
    /// What was used of a contract while tokens were refilled says nothing about tokens that are held, and the other way round.
    const fn begin_contract(&self, slot: &mut Slot) {
        if self.is_another {
            slot.standard.forget();
        }
    }

    fn give_up(&mut self, own: u32, now: Timestamp) {
        self.budget.remove(own, now);
        self.contention.forget(own);
    }
}

/// What a step reserves in all.
fn sum(rate: u128, depth: u128) -> (Rate, Amount) {
    let whole = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
    (Rate::from_micro_per_s(MicroRate(whole(rate))), Amount::from_tokens(whole(depth)))
}

const fn contract(contract: Contract) -> (Rate, Amount) {
    (Rate::from_micro_per_s(contract.rate), Amount::from_tokens(contract.burst))
}
