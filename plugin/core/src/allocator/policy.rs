//! What the table in force says beside what the buckets hold, and which of its steps is current.

use alloc::{string::String, vec::Vec};

use super::{TableState, budget::Budget, keys::Slot};
use crate::{
    table::{DrawOrder, Table},
    units::{Amount, Rate, Timestamp},
};

/// The step once the plan is over: nothing is reserved.
const NO_STEP: u32 = u32::MAX;
const NANOS_PER_MILLI: u64 = 1_000_000;

/// The table in force.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) epoch: u64,
    /// Epoch of the snapshot that it is, or builds on.
    pub(super) snapshot_epoch: u64,
    pub(super) state: TableState,
    pub(super) tiers: Vec<TierState>,
    pub(super) highest_floor_permille: u16,
    pub(super) default_tier: u8,
    pub(super) draw_order: DrawOrder,
    starts_at: Timestamp,
    step_ns: u64,
    steps: u32,
    valid_until: Timestamp,
    /// The current step, and from when until when it is current.
    step: u32,
    step_from: Timestamp,
    step_until: Timestamp,
    /// Own reservations, `steps` in a row per slot that has some.
    pub(super) plan: Vec<(Rate, Amount)>,
    /// Slots that own a shadow bucket, as (key, resource).
    pub(super) owners: Vec<(u32, u8)>,
    /// How many owners have been brought to the current step by the sweep.
    pub(super) swept: usize,
}

/// A tier of the table in force.
#[derive(Debug)]
pub(super) struct TierState {
    pub(super) name: String,
    pub(super) floor_permille: u16,
    pub(super) max_delay_ns: u64,
}

impl Policy {
    /// No table: one tier without limits.
    pub(super) fn absent() -> Self {
        let tier = TierState { name: String::from("default"), floor_permille: 0, max_delay_ns: 0 };
        Self {
            epoch: 0,
            snapshot_epoch: 0,
            state: TableState::Absent,
            tiers: alloc::vec![tier],
            highest_floor_permille: 0,
            default_tier: 0,
            draw_order: DrawOrder::PoolFirst,
            starts_at: Timestamp::default(),
            step_ns: 1,
            steps: 0,
            valid_until: Timestamp::default(),
            step: NO_STEP,
            step_from: Timestamp::default(),
            step_until: Timestamp::from_nanos(u64::MAX),
            plan: Vec::new(),
            owners: Vec::new(),
            swept: 0,
        }
    }

    /// The policy of `table` at `wall`, with an empty plan.
    pub(super) fn of(table: &Table, wall: Timestamp) -> Self {
        let tiers = table.tiers.iter().map(|tier| TierState {
            name: tier.name.clone(),
            floor_permille: tier.floor_permille,
            max_delay_ns: u64::from(tier.max_delay_ms) * NANOS_PER_MILLI,
        });
        let mut policy = Self {
            epoch: table.epoch,
            snapshot_epoch: if table.base_epoch == 0 { table.epoch } else { table.base_epoch },
            tiers: tiers.collect(),
            highest_floor_permille: table.tiers.iter().map(|tier| tier.floor_permille).max().unwrap_or(0),
            default_tier: table.default_tier,
            draw_order: table.draw_order,
            starts_at: Timestamp::from_millis(table.starts_at_ms),
            step_ns: u64::from(table.step_ms.max(1)) * NANOS_PER_MILLI,
            steps: u32::from(table.steps),
            valid_until: Timestamp::from_millis(table.valid_until_ms),
            ..Self::absent()
        };
        policy.locate(wall);
        policy
    }

    /// Moves to the step that `wall` lies in; true when that changes anything.
    pub(super) fn turn(&mut self, wall: Timestamp) -> bool {
        if wall >= self.step_from && wall < self.step_until {
            return false;
        }
        let before = (self.step, self.state);
        self.locate(wall);
        (self.step, self.state) != before
    }

    /// The reservation of the current step among `steps` in a row.
    pub(super) fn current(&self, steps: &[(Rate, Amount)]) -> (Rate, Amount) {
        steps.get(self.step as usize).copied().unwrap_or((Rate::ZERO, Amount::ZERO))
    }

    /// Brings a slot's own shadow bucket to the current step.
    pub(super) fn roll(&self, slot: &mut Slot, budget: &mut Budget, now: Timestamp) {
        if slot.owns_shadow && slot.step != self.step {
            slot.step = self.step;
            let (rate, depth) = self.current(
                self.plan.get(slot.plan as usize..).unwrap_or(&[]).get(..self.steps as usize).unwrap_or(&[]),
            );
            budget.reserve(slot.shadow, rate, depth, now);
        }
    }

    pub(super) const fn step(&self) -> u32 {
        self.step
    }

    fn locate(&mut self, wall: Timestamp) {
        let forever = Timestamp::from_nanos(u64::MAX);
        if wall >= self.valid_until {
            (self.state, self.step) = (TableState::Stale, NO_STEP);
            (self.step_from, self.step_until) = (self.valid_until, forever);
            return;
        }
        self.state = TableState::Live;
        if wall < self.starts_at {
            (self.step, self.step_from, self.step_until) = (NO_STEP, Timestamp::default(), self.starts_at);
            return;
        }
        let step = wall.since(self.starts_at) / self.step_ns;
        let planned = step < u64::from(self.steps);
        self.step = if planned { step as u32 } else { NO_STEP };
        self.step_from = self.starts_at.plus(step.saturating_mul(self.step_ns));
        self.step_until =
            if planned { self.step_from.plus(self.step_ns).min(self.valid_until) } else { self.valid_until };
    }
}
