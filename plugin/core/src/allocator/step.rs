//! Moving from step to step of the table in force: tiers and budgets at once, keys as they are touched or swept.

use alloc::vec::Vec;
use core::ops::Range;

use super::{
    Allocator, ResourceState, TableState,
    budget::EMERGENCY,
    policy::{Policy, Sweep},
};
use crate::{
    lease::Terms,
    units::{Amount, Rate, Share, Timestamp},
};

impl Allocator {
    /// Moves to the step that `wall` lies in: tiers at once, keys as they are touched or swept.
    pub(super) fn move_to_step(&mut self, wall: Timestamp, now: Timestamp) {
        if !self.policy.move_to(wall) {
            return;
        }
        self.policy.swept = Some(Sweep::default());
        for resource in &mut self.resources {
            resource.set_capacity(&self.policy, self.share, now);
            (0..=EMERGENCY).for_each(|id| resource.budget.roll(id, self.policy.turn, now));
            resource.set_floors(&self.policy);
        }
    }

    /// Brings at most `limit` shadow buckets of each resource to the current step: in a first round what shrinks and what
    /// has room to grow, in a second what had to wait for it.
    pub(super) fn sweep(&mut self, limit: u32, now: Timestamp) {
        let Some(Sweep { from, is_second }) = self.policy.swept else { return };
        let most = self.most_shadows();
        let until = from.saturating_add(limit).min(most);
        self.roll_shadows(from..until, now);
        self.policy.swept = if until < most {
            Some(Sweep { from: until, is_second })
        } else {
            (self.was_short() && !is_second).then_some(Sweep { from: 0, is_second: true })
        };
    }

    pub(super) fn most_shadows(&self) -> u32 {
        self.resources.iter().map(|resource| resource.budget.shadow_count()).max().unwrap_or(0)
    }

    pub(super) fn roll_shadows(&mut self, ids: Range<u32>, now: Timestamp) {
        for resource in &mut self.resources {
            ids.clone().for_each(|id| resource.budget.roll(id, self.policy.turn, now));
        }
    }

    /// Whether some shadow bucket has had to wait for others to shrink since the last call.
    pub(super) fn was_short(&mut self) -> bool {
        self.resources.iter_mut().fold(false, |short, resource| resource.budget.was_short() | short)
    }
}

impl ResourceState {
    /// The planned budget while the table is live, else the safe one.
    pub(super) fn set_capacity(&mut self, policy: &Policy, share: Share, now: Timestamp) {
        let safe = self.safe.part(share);
        let safe = (Rate::from_micro_per_s(safe.capacity), Amount::from_tokens(safe.burst));
        let (capacity, burst) = match (self.planned, policy.state) {
            (Some((capacity, burst, _)), TableState::Live) => (capacity, burst),
            (Some((_, burst, safe_capacity)), TableState::Stale) => (safe_capacity, burst),
            _ => safe,
        };
        if !self.budget.is_shared() {
            return self.budget.resize(capacity, burst, now);
        }
        let step = policy.step().and_then(|step| self.reserved.get(usize::from(step)));
        let (reserved_rate, reserved_depth) = step.copied().unwrap_or((Rate::ZERO, Amount::ZERO));
        let (epoch, step, since) = (policy.epoch, policy.number(), policy.step_from());
        self.budget.set_terms(|terms| Terms {
            epoch,
            step,
            since,
            capacity,
            burst,
            reserved_rate,
            reserved_depth,
            ..*terms
        });
    }

    /// The floors of the current step.
    pub(super) fn set_floors(&mut self, policy: &Policy) {
        let step = policy.step().map(usize::from);
        let planned = |floors: &Vec<u16>| floors.get(step?).copied();
        self.floors_permille.clear();
        for (tier, state) in policy.tiers.iter().enumerate() {
            let floor = self.floor_steps.get(tier).and_then(planned).unwrap_or(state.floor_permille);
            self.floors_permille.push(floor);
        }
        self.highest_floor_permille = self.floors_permille.iter().copied().max().unwrap_or(0);
    }
}
