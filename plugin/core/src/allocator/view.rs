//! What a decision depends on: one demand of one asker at one instant.

use super::{
    Allocator, Class, Demand, ResourceState, budget::ShadowId, decide::Asker, keys::Slot, retry::Needs,
};
use crate::units::{Amount, Rate, Timestamp};

/// One demand of one asker at one instant.
pub(super) struct View<'a> {
    pub(super) asker: &'a Asker,
    pub(super) resource: &'a ResourceState,
    pub(super) slot: &'a Slot,
    pub(super) shadow_id: ShadowId,
    pub(super) cost: Amount,
    /// What the shadow bucket has of the cost, and what is left of it then.
    pub(super) shadow: Amount,
    pub(super) rest: Amount,
    /// The pool without what is spoken for, and how much that is.
    pub(super) pool: Amount,
    pub(super) ahead: Amount,
    /// What the asker leaves in the pool, and what anybody leaves.
    pub(super) floor: Amount,
    pub(super) highest: Amount,
    pub(super) contract: Option<(Rate, Amount)>,
    /// What the contract leaves.
    pub(super) left: Amount,
}

impl View<'_> {
    /// Whether the pool is not below `floor` once `taken` is gone.
    pub(super) const fn has(&self, taken: Amount, floor: Amount) -> bool {
        self.pool.0.saturating_sub(taken.0) >= floor.0
    }

    /// How much of the cost the pool would pay from below the floor.
    pub(super) fn below_floor(&self) -> Amount {
        let left = self.pool.0.saturating_sub(self.cost.0);
        Amount(self.floor.0.saturating_sub(left).clamp(0, self.cost.0))
    }

    /// Burst credit: a part of what the key's reservation has overflowed and not got back.
    pub(super) fn credit(&self, now: Timestamp) -> Amount {
        let own = if self.asker.credit_permille > 0 { self.slot.own_shadow() } else { None };
        own.map_or(Amount::ZERO, |id| {
            self.resource.budget.credit(id, now).permille(self.asker.credit_permille)
        })
    }

    /// Whole tokens that guaranteed and opportunistic steps would grant.
    pub(super) fn available(&self) -> u64 {
        let plenty = if self.asker.borrows { self.pool.0.saturating_sub(self.highest.0) } else { 0 };
        let allowed = self.pool.0.saturating_sub(self.floor.0).min(self.left.0).max(plenty).max(0);
        Amount(self.shadow.0.saturating_add(allowed)).floor_tokens().max(0) as u64
    }

    pub(super) fn needs(&self, has_emergency: bool) -> Needs {
        Needs {
            shadow: self.shadow_id,
            cost: self.cost,
            floor: self.floor,
            highest: self.highest,
            ahead: self.ahead,
            contract: self.contract,
            left: if self.resource.budget.is_shared() { Some(self.left) } else { None },
            borrows: self.asker.borrows,
            has_emergency,
        }
    }
}

impl ResourceState {
    /// The pool levels that the asker leaves to better tiers, and that any tier leaves.
    pub(super) fn floors(&self, asker: &Asker) -> (Amount, Amount) {
        let cap = self.budget.pool_cap().max(Amount::ZERO);
        let part = |permille: u16| cap.permille(permille);
        let highest = part(self.highest_floor_permille);
        let own = self.floors_permille.get(usize::from(asker.tier)).copied().unwrap_or(0);
        match asker.class {
            Class::Critical => (Amount::ZERO, highest),
            Class::Standard => (part(own), highest),
            Class::Deferrable => (highest, highest),
        }
    }

    /// A key's contract: its own or its tier's.
    pub(super) fn contract(&self, slot: &Slot, tier: u8) -> Option<(Rate, Amount)> {
        slot.contract().or_else(|| self.contracts.get(usize::from(tier)).copied().flatten())
    }
}

impl Allocator {
    /// Brings what a demand depends on up to date: a key's own shadow bucket to the current step, if the sweep has not yet,
    /// and what others in a crew may have changed.
    pub(super) fn look(&mut self, asker: &Asker, demand: &Demand, now: Timestamp) {
        let own = self.keys.slot(asker.key, demand.resource).and_then(Slot::own_shadow);
        if let Some((own, resource)) = own.zip(self.resources.get_mut(usize::from(demand.resource))) {
            resource.budget.roll(own, self.policy.turn, now);
        }
        if self.crew.is_some() {
            self.look_around(asker, demand, now);
        }
    }

    /// What waits with the same or a better priority, and is spoken for.
    pub(super) fn ahead(&self, asker: &Asker, resource: u8) -> Amount {
        if self.waiting.is_empty() {
            Amount::ZERO
        } else if asker.queued {
            self.waiting.kept_before(resource, asker.rank)
        } else {
            self.waiting.kept(resource, asker.rank)
        }
    }

    /// Everything that matters for one demand; `None` when there is no such resource.
    pub(super) fn view<'a>(&'a self, asker: &'a Asker, demand: &Demand, now: Timestamp) -> Option<View<'a>> {
        let slot = self.keys.slot(asker.key, demand.resource)?;
        let resource = self.resources.get(usize::from(demand.resource))?;
        let shadow_id = slot.own_shadow().unwrap_or_else(|| u32::from(asker.tier));
        let ahead = self.ahead(asker, demand.resource);
        let cost = Amount::from_tokens(demand.cost);
        let shadow = Amount(resource.budget.shadow(shadow_id, now).0.clamp(0, cost.0));
        let (floor, highest) = resource.floors(asker);
        let contract = resource.contract(slot, asker.tier);
        Some(View {
            asker,
            resource,
            slot,
            shadow_id,
            cost,
            shadow,
            rest: Amount(cost.0 - shadow.0),
            pool: Amount(resource.budget.pool().0.saturating_sub(ahead.0)),
            ahead,
            floor,
            highest,
            contract,
            left: contract.map_or(Amount(i64::MAX), |contract| match resource.budget.is_shared() {
                // Not asked while there is plenty: nobody is taken to be within it then.
                true => resource.left_seen.unwrap_or(Amount(i64::MIN)),
                false => slot.standard.left(contract, now),
            }),
        })
    }
}
