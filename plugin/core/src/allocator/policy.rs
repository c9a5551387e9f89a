//! What the table in force says beside what the buckets hold, and which of its steps is current.

use alloc::{string::String, vec::Vec};

use super::TableState;
use crate::{
    table::{DrawOrder, MAX_TIERS, Table},
    units::Timestamp,
};

const NANOS_PER_MILLI: u64 = 1_000_000;

/// Which step of which table a reservation is of. Tables are told apart by a number that comes round: by the time it
/// does, nothing of the older one is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) generation: u8,
    pub(super) step: u8,
}

impl Turn {
    /// The step once the plan is over: nothing is reserved.
    pub(super) const OVER: u8 = u8::MAX;
    /// Of no table.
    pub(super) const NONE: Self = Self { generation: 0, step: Self::OVER };

    /// Whether it is a step of the plan.
    pub(super) const fn is_planned(self) -> bool {
        self.step != Self::OVER
    }
}

/// The table in force.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) epoch: u64,
    /// Epoch of the snapshot that it is, or builds on.
    pub(super) snapshot_epoch: u64,
    pub(super) state: TableState,
    pub(super) tiers: Vec<TierState>,
    /// The tiers of keys that the table in force has not reached yet, by their tier in the one before.
    pub(super) former_tiers: [u8; MAX_TIERS],
    pub(super) default_tier: u8,
    pub(super) draw_order: DrawOrder,
    pub(super) turn: Turn,
    starts_at: Timestamp,
    step_ns: u64,
    steps: u16,
    valid_until: Timestamp,
    /// From when until when the current step is current.
    step_from: Timestamp,
    step_until: Timestamp,
    /// How far the sweep has got that brings shadow buckets to the current step; `None` once it is through.
    pub(super) swept: Option<Sweep>,
}

/// A round through the shadow buckets of each resource.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sweep {
    /// The next shadow bucket.
    pub(super) from: u32,
    /// All that shrink have shrunk: it is for those that had to wait for them.
    pub(super) is_second: bool,
}

/// A tier of the table in force.
#[derive(Clone, Debug)]
pub(super) struct TierState {
    pub(super) name: String,
    /// Position of its priority among those of the table, 0 for the best.
    pub(super) rank: u8,
    pub(super) weight: u32,
    pub(super) floor_permille: u16,
    pub(super) max_delay_ns: u64,
    pub(super) borrows: bool,
    pub(super) has_emergency: bool,
    pub(super) credit_permille: u16,
    pub(super) scales: bool,
}

impl TierState {
    fn unlimited() -> Self {
        Self {
            name: String::from("default"),
            rank: 0,
            weight: 1,
            floor_permille: 0,
            max_delay_ns: 0,
            borrows: true,
            has_emergency: false,
            credit_permille: 0,
            scales: false,
        }
    }
}

impl Policy {
    /// No table: one tier without limits.
    pub(super) fn absent() -> Self {
        Self {
            epoch: 0,
            snapshot_epoch: 0,
            state: TableState::Absent,
            tiers: alloc::vec![TierState::unlimited()],
            former_tiers: [0; MAX_TIERS],
            default_tier: 0,
            draw_order: DrawOrder::PoolFirst,
            turn: Turn::NONE,
            starts_at: Timestamp::default(),
            step_ns: 1,
            steps: 0,
            valid_until: Timestamp::default(),
            step_from: Timestamp::default(),
            step_until: Timestamp::from_nanos(u64::MAX),
            swept: None,
        }
    }

    /// The policy of `table` at `wall`, after this one.
    pub(super) fn next(&self, table: &Table, wall: Timestamp) -> Self {
        let mut priorities: Vec<u8> = table.tiers.iter().map(|tier| tier.priority).collect();
        priorities.sort_unstable();
        priorities.dedup();
        let tiers = table.tiers.iter().map(|tier| TierState {
            name: tier.name.clone(),
            rank: priorities.partition_point(|priority| *priority < tier.priority) as u8,
            weight: tier.weight,
            floor_permille: tier.floor_permille,
            max_delay_ns: u64::from(tier.max_delay_ms) * NANOS_PER_MILLI,
            borrows: tier.borrow,
            has_emergency: tier.emergency,
            credit_permille: tier.credit_permille,
            scales: tier.scales,
        });
        let mut former_tiers = [table.default_tier; MAX_TIERS];
        for (slot, former) in former_tiers.iter_mut().zip(&self.tiers) {
            let same = (0..).zip(&table.tiers).find(|(_, tier)| tier.name == former.name);
            *slot = same.map_or(table.default_tier, |(index, _)| index);
        }
        let mut policy = Self {
            epoch: table.epoch,
            snapshot_epoch: if table.base_epoch == 0 { table.epoch } else { table.base_epoch },
            tiers: tiers.collect(),
            former_tiers,
            default_tier: table.default_tier,
            draw_order: table.draw_order,
            turn: Turn { generation: self.turn.generation.wrapping_add(1), step: Turn::OVER },
            starts_at: Timestamp::from_millis(table.starts_at_ms),
            step_ns: u64::from(table.step_ms.max(1)) * NANOS_PER_MILLI,
            steps: table.steps,
            valid_until: Timestamp::from_millis(table.valid_until_ms),
            ..Self::absent()
        };
        policy.locate(wall);
        policy
    }

    /// Moves to the step that `wall` lies in; true when that changes anything.
    pub(super) fn move_to(&mut self, wall: Timestamp) -> bool {
        if wall >= self.step_from && wall < self.step_until {
            return false;
        }
        let before = (self.turn, self.state);
        self.locate(wall);
        (self.turn, self.state) != before
    }

    /// How many ranks the tiers have.
    pub(super) fn ranks(&self) -> u8 {
        self.tiers.iter().map(|tier| tier.rank + 1).max().unwrap_or(0)
    }

    /// Index of the current step, if it is planned.
    pub(super) const fn step(&self) -> Option<u8> {
        if self.turn.is_planned() { Some(self.turn.step) } else { None }
    }

    /// Number of the current step that grows as time goes on, before and after the plan too.
    pub(super) fn number(&self) -> u32 {
        match (self.state, self.step()) {
            (TableState::Stale, _) => u32::MAX,
            (_, Some(step)) => u32::from(step) + 1,
            (_, None) if self.step_from == Timestamp::default() => 0,
            (_, None) => u32::MAX - 1,
        }
    }

    /// When the current step began.
    pub(super) const fn step_from(&self) -> Timestamp {
        self.step_from
    }

    /// Length of a step.
    pub(super) const fn step_ns(&self) -> u64 {
        self.step_ns
    }

    /// When the current step ends.
    pub(super) const fn step_until(&self) -> Timestamp {
        self.step_until
    }

    /// When step 0 began or begins.
    pub(super) const fn starts_at(&self) -> Timestamp {
        self.starts_at
    }

    fn locate(&mut self, wall: Timestamp) {
        let forever = Timestamp::from_nanos(u64::MAX);
        if wall >= self.valid_until {
            (self.state, self.turn.step) = (TableState::Stale, Turn::OVER);
            (self.step_from, self.step_until) = (self.valid_until, forever);
            return;
        }
        self.state = TableState::Live;
        if wall < self.starts_at {
            self.turn.step = Turn::OVER;
            (self.step_from, self.step_until) = (Timestamp::default(), self.starts_at);
            return;
        }
        let step = wall.since(self.starts_at) / self.step_ns;
        let planned = step < u64::from(self.steps);
        self.turn.step = if planned { step as u8 } else { Turn::OVER };
        self.step_from = self.starts_at.plus(step.saturating_mul(self.step_ns));
        self.step_until =
            if planned { self.step_from.plus(self.step_ns).min(self.valid_until) } else { self.valid_until };
    }
}
