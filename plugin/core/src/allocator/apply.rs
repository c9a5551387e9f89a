//! Installing a table and moving its buckets from step to step.
//!
//! A table changes reservations, it never mints tokens: what a bucket gains comes from the pool, what it loses returns.
//! A key moves to a new step when it is touched or when the sweep reaches it, a few per request.

use alloc::{string::String, vec::Vec};

use hashbrown::HashMap;

use super::{
    Allocator, ResourceState, TableState,
    keys::{COMMON, Standard},
    policy::Policy,
};
use crate::{
    table::{Contract, Grant, Reservation, Table, TableError},
    units::{Amount, Rate, Share, Timestamp},
};

/// What key-owned buckets held before a table, by (key, resource).
type Carried = HashMap<(u32, u8), Amount>;

/// A tier's share of one resource.
#[derive(Debug, Default)]
pub(super) struct TierShare {
    pub(super) contract: Option<(Rate, Amount)>,
    reservations: Vec<(Rate, Amount)>,
}

impl Allocator {
    /// Installs a table and returns its epoch. Nothing changes unless all of it is good.
    ///
    /// # Errors
    /// Says what is wrong with the table; the last good one stays in force.
    pub fn apply(&mut self, table: &[u8], now: Timestamp) -> Result<u64, TableError> {
        let mut table = Table::decode(table)?;
        if table.epoch <= self.policy.epoch {
            return Err(TableError::OldEpoch { found: table.epoch, current: self.policy.epoch });
        }
        self.check_base(&table)?;
        table.divide(self.share);
        let wall = now;
        let now = self.begin(wall, u32::MAX);
        let mut carried = self.release_reservations(now);
        let mut tier_levels = self.release_tiers(now);
        self.policy = Policy::of(&table, wall);
        self.install_resources(&table, &mut tier_levels, now);
        self.install_keys(&table, &mut carried, now);
        // New and deeper reservations are funded in order: tiers first, then keys as the table lists them.
        for resource in &mut self.resources {
            resource.budget.fund();
        }
        Ok(table.epoch)
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

    /// Moves to the step that `wall` lies in: tiers at once, keys as they are touched or swept.
    pub(super) fn move_to_step(&mut self, wall: Timestamp, now: Timestamp) {
        if !self.policy.turn(wall) {
            return;
        }
        self.policy.swept = 0;
        for resource in &mut self.resources {
            resource.budget.drain(now, u32::MAX);
            resource.set_capacity(self.policy.state, self.share, now);
            for (id, share) in (0..).zip(&resource.tiers) {
                let (rate, depth) = self.policy.current(&share.reservations);
                resource.budget.reserve(id, rate, depth, now);
            }
        }
    }

    /// Brings the shadow buckets of at most `limit` keys to the current step.
    pub(super) fn sweep(&mut self, limit: u32, now: Timestamp) {
        for _ in 0..limit {
            let Some(&(key, index)) = self.policy.owners.get(self.policy.swept) else { return };
            self.policy.swept += 1;
            let Some(slot) = self.keys.slot_mut(key, index) else { continue };
            let Some(ResourceState { budget, .. }) = self.resources.get_mut(usize::from(index)) else {
                continue;
            };
            self.policy.roll(slot, budget, now);
        }
    }

    /// Gives a key its tier: that tier's shadow bucket and contract on every resource, or the key's own contract
    /// where `own` has one. Its standard bucket starts anew when `fresh`; else what was used of it stays used.
    pub(super) fn join_tier(
        &mut self,
        key: u32,
        tier: u8,
        own: &[(u8, Contract)],
        fresh: bool,
        now: Timestamp,
    ) {
        if let Some(entry) = self.keys.entry_mut(key) {
            entry.tier = tier;
        }
        for (index, resource) in (0..).zip(&self.resources) {
            let own = own.iter().find(|(resource, _)| *resource == index).map(|(_, own)| contract(*own));
            let contract =
                own.or_else(|| resource.tiers.get(usize::from(tier)).and_then(|share| share.contract));
            let Some(slot) = self.keys.slot_mut(key, index) else { continue };
            slot.shadow = u32::from(tier);
            slot.owns_shadow = false;
            if fresh {
                slot.standard = Standard::new(contract, now);
            } else {
                slot.standard.set_contract(contract, now);
            }
        }
    }

    /// Notes what key-owned shadow buckets hold.
    fn release_reservations(&mut self, now: Timestamp) -> Carried {
        let mut carried = Carried::with_capacity(self.policy.owners.len());
        for &(key, index) in &self.policy.owners {
            let tier = self.keys.entry(key).map_or(self.policy.default_tier, |entry| entry.tier);
            let Some(slot) = self.keys.slot_mut(key, index) else { continue };
            let Some(ResourceState { budget, .. }) = self.resources.get(usize::from(index)) else { continue };
            carried.insert((key, index), budget.shadow(slot.shadow, now));
            slot.owns_shadow = false;
            slot.shadow = u32::from(tier);
        }
        carried
    }

    /// Notes what the tiers' shadow buckets hold, by resource, and returns every reservation to the pool.
    fn release_tiers(&mut self, now: Timestamp) -> Vec<HashMap<String, Amount>> {
        let tiers = &self.policy.tiers;
        let release = |resource: &mut ResourceState| {
            let budget = &mut resource.budget;
            let levels =
                (0..).zip(tiers).map(|(id, tier)| (tier.name.clone(), budget.shadow(id, now))).collect();
            budget.release_all(now);
            levels
        };
        self.resources.iter_mut().map(release).collect()
    }

    /// Sets budgets, tier contracts and tier reservations. A resource that the table lacks keeps its safe budget.
    fn install_resources(&mut self, table: &Table, levels: &mut [HashMap<String, Amount>], now: Timestamp) {
        for (resource, levels) in self.resources.iter_mut().zip(levels) {
            let position = table.resources.iter().position(|entry| entry.name == resource.name);
            let entry = position.and_then(|position| table.resources.get(position));
            resource.planned = entry.map(|entry| {
                (
                    Rate::from_micro_per_s(entry.capacity),
                    Amount::from_tokens(entry.burst),
                    Rate::from_micro_per_s(entry.safe_capacity),
                )
            });
            resource.set_capacity(self.policy.state, self.share, now);
            resource.tiers = (0..)
                .zip(&table.tiers)
                .map(|(index, tier)| TierShare {
                    contract: position.and_then(|at| tier.contracts.get(at).copied().flatten()).map(contract),
                    reservations: entry
                        .and_then(|entry| entry.tier_reservations.get::<usize>(index))
                        .map(|steps| steps.iter().map(reservation).collect())
                        .unwrap_or_default(),
                })
                .collect();
            for (tier, share) in table.tiers.iter().zip(&resource.tiers) {
                let (rate, depth) = self.policy.current(&share.reservations);
                resource.budget.open(rate, depth, levels.remove(&tier.name).unwrap_or_default(), now);
            }
        }
    }

    /// Sets tiers, contracts and own shadow buckets of all keys.
    fn install_keys(&mut self, table: &Table, carried: &mut Carried, now: Timestamp) {
        let indices: Vec<Option<u8>> =
            table.resources.iter().map(|resource| self.resource_index(&resource.name)).collect();
        let is_snapshot = table.base_epoch == 0;
        if is_snapshot {
            self.keys.forget_table();
        }
        for hash in &table.removed {
            if let Some(key) = self.keys.forget(*hash) {
                self.join_tier(key, table.default_tier, &[], false, now);
            }
        }
        for entry in &table.keys {
            let (key, fresh) = match self.keys.find(entry.hash) {
                Some(key) => (key, false),
                None => (self.keys.add_known(entry.hash), true),
            };
            if let Some(entry) = self.keys.entry_mut(key) {
                entry.known = true;
            }
            let local = |grant: &Grant| indices.get(usize::from(grant.resource)).copied().flatten();
            let own: Vec<(u8, Contract)> =
                entry.grants.iter().filter_map(|grant| Some((local(grant)?, grant.contract?))).collect();
            self.join_tier(key, entry.tier, &own, fresh, now);
            for grant in &entry.grants {
                if let Some(index) = local(grant) {
                    self.install_grant(key, index, grant, carried, now);
                }
            }
        }
        self.keys.settle_known();
        if !is_snapshot {
            return;
        }
        for key in self.keys.unknown() {
            self.join_tier(key, table.default_tier, &[], false, now);
        }
        self.join_tier(COMMON, table.default_tier, &[], false, now);
    }

    fn install_grant(&mut self, key: u32, index: u8, grant: &Grant, carried: &mut Carried, now: Timestamp) {
        let Some(slot) = self.keys.slot_mut(key, index) else { return };
        let Some(ResourceState { budget, .. }) = self.resources.get_mut(usize::from(index)) else { return };
        if grant.reservations.is_empty() {
            return;
        }
        let steps: Vec<(Rate, Amount)> = grant.reservations.iter().map(reservation).collect();
        let (rate, depth) = self.policy.current(&steps);
        slot.plan = self.policy.plan.len() as u32;
        slot.step = self.policy.step();
        slot.owns_shadow = true;
        slot.shadow = budget.open(rate, depth, carried.remove(&(key, index)).unwrap_or_default(), now);
        self.policy.plan.extend(steps);
        self.policy.owners.push((key, index));
    }
}

impl ResourceState {
    /// The planned budget while the table is live, else the safe one.
    pub(super) fn set_capacity(&mut self, state: TableState, share: Share, now: Timestamp) {
        let safe = self.safe.part(share);
        let safe = (Rate::from_micro_per_s(safe.capacity), Amount::from_tokens(safe.burst));
        let (capacity, burst) = match (self.planned, state) {
            (Some((capacity, burst, _)), TableState::Live) => (capacity, burst),
            (Some((_, burst, safe_capacity)), TableState::Stale) => (safe_capacity, burst),
            _ => safe,
        };
        self.budget.resize(capacity, burst, now);
    }
}

const fn contract(contract: Contract) -> (Rate, Amount) {
    (Rate::from_micro_per_s(contract.rate), Amount::from_tokens(contract.burst))
}

const fn reservation(reservation: &Reservation) -> (Rate, Amount) {
    (Rate::from_micro_per_s(reservation.rate), Amount::from_tokens(reservation.depth))
}
