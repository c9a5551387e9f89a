//! The calendar of shadow buckets that are refilling: who is to be looked at when.
//!
//! A timing wheel (Varghese and Lauck 1987) with one bit a slot to skip empty ones, and links held beside the
//! buckets, so that neither adding nor taking allocates. A deadline is a hint: whoever is taken is measured exactly and
//! put back if it is early; deadlines beyond the wheel's span are simply looked at sooner.

use alloc::{boxed::Box, vec::Vec};

use crate::units::Timestamp;

const SLOTS: u64 = 1024;
const WORDS: usize = (SLOTS / 64) as usize;
/// 2²⁰ ns ≈ 1.05 ms a slot; the wheel spans about 1.07 s.
const TICK_SHIFT: u32 = 20;
const NONE: u32 = u32::MAX;

/// A timing wheel over small integer ids.
#[derive(Debug)]
pub(super) struct Calendar {
    heads: Box<[u32]>,
    occupied: [u64; WORDS],
    next: Vec<u32>,
    /// Tick up to which everything has been taken.
    cursor: u64,
}

impl Calendar {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            heads: alloc::vec![NONE; SLOTS as usize].into_boxed_slice(),
            occupied: [0; WORDS],
            next: Vec::new(),
            cursor: now.nanos() >> TICK_SHIFT,
        }
    }

    /// Makes room for ids below `ids`; the only call that allocates.
    pub(super) fn grow(&mut self, ids: usize) {
        if self.next.len() < ids {
            self.next.resize(ids, NONE);
        }
    }

    /// Adds `id`, which must not be in the calendar, to be taken at `deadline` or sooner.
    pub(super) fn add(&mut self, id: u32, deadline: Timestamp) {
        // Rounded up: whoever is taken is full by then, and never due in the tick that is being emptied.
        let tick = ((deadline.nanos() >> TICK_SHIFT) + 1).clamp(self.cursor + 1, self.cursor + SLOTS - 1);
        let slot = tick % SLOTS;
        if let (Some(head), Some(link)) = (self.heads.get_mut(slot as usize), self.next.get_mut(id as usize))
        {
            *link = *head;
            *head = id;
            self.mark(slot, true);
        }
    }

    /// Takes one id whose deadline has passed by `now`, if any.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<u32> {
        let target = now.nanos() >> TICK_SHIFT;
        while self.cursor < target {
            let Some(tick) = self.next_occupied(self.cursor + 1).filter(|tick| *tick <= target) else {
                self.cursor = target;
                return None;
            };
            // Stay one tick before an occupied slot until it is empty.
            self.cursor = tick - 1;
            let slot = tick % SLOTS;
            let head = self.heads.get_mut(slot as usize)?;
            let id = *head;
            if id == NONE {
                self.mark(slot, false);
                continue;
            }
            *head = self.next.get(id as usize).copied().unwrap_or(NONE);
            if *head == NONE {
                self.mark(slot, false);
            }
            return Some(id);
        }
        None
    }

    /// The first tick from `from` on whose slot is occupied, within one turn of the wheel.
    fn next_occupied(&self, from: u64) -> Option<u64> {
        let start = from % SLOTS;
        let word = |index: u64| self.occupied.get((index % SLOTS / 64) as usize).copied().unwrap_or(0);
        let first = word(start) >> (start % 64);
        if first != 0 {
            return Some(from + u64::from(first.trailing_zeros()));
        }
        let mut tick = from + (64 - start % 64);
        for _ in 0..WORDS {
            let bits = word(tick);
            if bits != 0 {
                return Some(tick + u64::from(bits.trailing_zeros()));
            }
            tick += 64;
        }
        None
    }

    fn mark(&mut self, slot: u64, occupied: bool) {
        if let Some(word) = self.occupied.get_mut((slot / 64) as usize) {
            let bit = 1_u64 << (slot % 64);
            if occupied { *word |= bit } else { *word &= !bit }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn drain(calendar: &mut Calendar, now: Timestamp) -> Vec<u32> {
        let mut taken: Vec<u32> = core::iter::from_fn(|| calendar.take_due(now)).collect();
        taken.sort_unstable();
        taken
    }

    #[test]
    fn ids_come_out_when_due_and_not_before() {
        let mut calendar = Calendar::new(at(1_000));
        calendar.grow(4);
        calendar.add(0, at(1_010));
        calendar.add(1, at(1_010));
        calendar.add(2, at(1_500));
        assert!(drain(&mut calendar, at(1_005)).is_empty());
        assert_eq!(drain(&mut calendar, at(1_012)), [0, 1]);
        assert!(drain(&mut calendar, at(1_400)).is_empty());
        assert_eq!(drain(&mut calendar, at(1_502)), [2]);
    }

    #[test]
    fn far_deadlines_are_looked_at_early_and_past_ones_at_once() {
        let mut calendar = Calendar::new(at(1_000));
        calendar.grow(2);
        calendar.add(0, at(100_000));
        calendar.add(1, at(5));
        assert_eq!(drain(&mut calendar, at(1_003)), [1]);
        assert_eq!(drain(&mut calendar, at(2_500)), [0]);
    }

    #[test]
    fn an_empty_calendar_costs_nothing_over_any_gap() {
        let mut calendar = Calendar::new(at(0));
        calendar.grow(1);
        assert_eq!(calendar.take_due(at(u64::MAX / 2_000_000)), None);
        calendar.add(0, at(u64::MAX / 2_000_000 + 3));
        assert_eq!(drain(&mut calendar, at(u64::MAX / 2_000_000 + 2_000)), [0]);
    }

    #[test]
    fn every_id_comes_out_exactly_once_per_add() {
        let mut calendar = Calendar::new(at(0));
        calendar.grow(500);
        let mut now = 0;
        for round in 0..50_u64 {
            for id in 0..500_u32 {
                calendar.add(id, at(now + (u64::from(id) * 7 + round) % 900));
            }
            now += 1_100;
            assert_eq!(drain(&mut calendar, at(now)).len(), 500);
        }
    }
}
