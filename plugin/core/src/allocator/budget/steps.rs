//! What a table reserves in each of its steps, for every shadow bucket, and moving from one to the next.

use alloc::vec::Vec;

use super::{Budget, ShadowId};
use crate::{
    allocator::{packed::Packed, policy::Turn},
    table::{Reservation, Schedule, part},
    units::{Amount, Rate, Timestamp},
};

impl Budget {
    /// Makes room for the schedules of a table of `steps` steps; those of the table before are no longer read.
    pub(in crate::allocator) fn begin_table(&mut self, steps: u16) {
        let stride = usize::from(steps) * 2;
        if stride != self.stride {
            self.stride = stride;
            self.codes = Vec::with_capacity(self.shadows.capacity() * stride);
            self.codes.resize(self.shadows.len() * stride, 0);
        }
    }

    /// Gives a shadow bucket the reservations of a new table, and those of the current step at once.
    pub(in crate::allocator) fn install(
        &mut self,
        id: ShadowId,
        schedule: &Schedule,
        turn: Turn,
        now: Timestamp,
    ) {
        let from = id as usize * self.stride;
        if self.codes.len() < from + self.stride {
            self.codes.resize(self.shadows.len().max(id as usize + 1) * self.stride, 0);
        }
        let Some(codes) = self.codes.get_mut(from..from + self.stride) else { return };
        if schedule.is_empty() {
            codes.fill(0);
        } else {
            codes.iter_mut().zip(schedule.codes()).for_each(|(slot, code)| *slot = *code);
        }
        let Some(shadow) = self.shadows.get_mut(id as usize) else { return };
        let Reservation { rate, depth } = schedule.peak();
        shadow.peak_rate = Packed::of_rate(Rate::from_micro_per_s(rate));
        shadow.peak_depth = Packed::of_amount(Amount::from_tokens(depth));
        self.note_since(id, depth > 0);
        self.turn_to(id, turn, now);
    }

    /// Brings a shadow bucket to the step of `turn`, if it has the reservations of that table.
    pub(in crate::allocator) fn roll(&mut self, id: ShadowId, turn: Turn, now: Timestamp) {
        let Some(shadow) = self.shadows.get(id as usize) else { return };
        if shadow.turn != turn && shadow.turn.generation == turn.generation {
            self.turn_to(id, turn, now);
        }
    }

    /// What grows waits for what shrinks: more depth than the burst would leave the pool a cap below zero, and cost it tokens.
    /// Of what is held it waits for the tokens too, since nothing else will fill it.
    fn turn_to(&mut self, id: ShadowId, turn: Turn, now: Timestamp) {
        let (rate, depth) = self.planned(id, turn.step);
        let room = self.burst.0.saturating_sub(self.reserved_depth);
        let room = if self.is_held { room.min(self.pool().0) } else { room }.max(0);
        let most = Amount(self.reserved(id).1.0.saturating_add(room));
        let is_short = depth > most && self.shared.is_none();
        let most = if is_short { most } else { depth };
        if let Some(shadow) = self.shadows.get_mut(id as usize) {
            shadow.turn = if is_short { Turn { step: Turn::OVER, ..turn } } else { turn };
        }
        self.is_short |= is_short;
        self.reserve(id, rate, most, now);
    }

    /// Whether a shadow bucket has had to wait for others to shrink since the last call.
    pub(in crate::allocator) const fn was_short(&mut self) -> bool {
        core::mem::replace(&mut self.is_short, false)
    }

    /// Rate and depth that the table in force reserves in a step; nothing beyond the last.
    pub(in crate::allocator) fn planned(&self, id: ShadowId, step: u8) -> (Rate, Amount) {
        let offset = usize::from(step) * 2;
        let at = id as usize * self.stride + offset;
        let codes = self.codes.get(at..).and_then(<[u8]>::first_chunk).filter(|_| offset < self.stride);
        let (Some([rate, depth]), Some(shadow)) = (codes, self.shadows.get(id as usize)) else {
            return (Rate::ZERO, Amount::ZERO);
        };
        let rate = Rate(part(shadow.peak_rate.rate().0, *rate));
        // Whole tokens, as in the sum that was checked: parts of finer units could exceed it.
        let peak = shadow.peak_depth.amount().floor_tokens().max(0) as u64;
        (rate, Amount::from_tokens(part(peak, *depth)))
    }
}
