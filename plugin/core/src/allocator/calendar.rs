//! The calendar of shadow buckets that are refilling: who is to be looked at when.
//!
//! A timing wheel (Varghese and Lauck 1987) with one bit a slot to skip empty ones, and links held in arrays, so that
//! neither adding nor taking allocates. A deadline is a hint: whoever is taken is measured exactly and put back if it is
//! early; deadlines beyond the wheel's span are simply looked at sooner.

use alloc::{boxed::Box, vec::Vec};

use crate::units::Timestamp;

const SLOTS: u64 = 1024;
const WORDS: usize = (SLOTS / 64) as usize;
/// 2²⁰ ns ≈ 1.05 ms a slot; the wheel spans about 1.07 s.
const TICK_SHIFT: u32 = 20;
const NONE: u32 = u32::MAX;

/// A timing wheel over small integer ids.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    heads: Box<[u32]>,
    occupied: [u64; WORDS],
    links: Vec<Link>,
    /// Tick up to which everything has been taken.
    cursor: u64,
}

/// An id's place in the list of its slot.
#[derive(Clone, Copy, Debug)]
struct Link {
    next: u32,
    previous: u32,
    /// [`NOWHERE`] when it is not in the calendar.
    slot: u16,
}

const NOWHERE: u16 = u16::MAX;

impl Calendar {
    /// A calendar for ids below `ids`.
    pub(super) fn new(now: Timestamp, ids: usize) -> Self {
        let mut calendar = Self {
            heads: alloc::vec![NONE; SLOTS as usize].into_boxed_slice(),
            occupied: [0; WORDS],
            links: Vec::with_capacity(ids.next_power_of_two()),
            cursor: now.nanos() >> TICK_SHIFT,
        };
        calendar.grow(ids);
        calendar
    }

    /// Makes room for ids below `ids`; the only call that allocates.
    pub(super) fn grow(&mut self, ids: usize) {
        if self.links.len() < ids {
            self.links.resize(ids, Link { next: NONE, previous: NONE, slot: NOWHERE });
        }
    }

    /// Has `id` taken at `deadline` or sooner. If it is to be taken sooner already, that stays.
    pub(super) fn schedule(&mut self, id: u32, deadline: Timestamp) {
        // Rounded up: whoever is taken is full by then, and never due in the tick that is being emptied.
        let tick = ((deadline.nanos() >> TICK_SHIFT) + 1).clamp(self.cursor + 1, self.cursor + SLOTS - 1);
        let Some(link) = self.links.get(id as usize).copied() else { return };
        if link.slot != NOWHERE {
            if self.tick_of(link) <= tick {
                return;
            }
            self.unlink(id, link);
        }
        let slot = tick % SLOTS;
        let Some(head) = self.heads.get_mut(slot as usize) else { return };
        let next = core::mem::replace(head, id);
        self.set(next, |link| link.previous = id);
        self.set(id, |link| *link = Link { next, previous: NONE, slot: slot as u16 });
        self.mark(slot, true);
    }

    /// Whether `id` is going to be taken.
    pub(super) fn contains(&self, id: u32) -> bool {
        self.links.get(id as usize).is_some_and(|link| link.slot != NOWHERE)
    }

    /// Ids that are to be taken by `until`, in no particular order within a millisecond; stops at `limit` of them.
    pub(super) fn due_by(&self, until: Timestamp, limit: usize) -> impl Iterator<Item = u32> + '_ {
        let last = ((until.nanos() >> TICK_SHIFT) + 1).min(self.cursor + SLOTS - 1);
        let mut tick = self.cursor;
        let mut id = NONE;
        core::iter::from_fn(move || {
            while id == NONE {
                tick = self.next_occupied(tick + 1).filter(|tick| *tick <= last)?;
                id = self.heads.get((tick % SLOTS) as usize).copied()?;
            }
            let taken = id;
            id = self.links.get(id as usize).map_or(NONE, |link| link.next);
            Some(taken)
        })
        .take(limit)
    }

    /// When an id that is due at `deadline` is taken at the soonest.
    pub(super) fn noticed_at(&self, deadline: Timestamp) -> Timestamp {
        let tick = ((deadline.nanos() >> TICK_SHIFT) + 1).max(self.cursor + 1);
        Timestamp::from_nanos(tick << TICK_SHIFT)
    }

    /// The tick of an id that is in the calendar: the one of its slot that is still to come.
    const fn tick_of(&self, link: Link) -> u64 {
        let first = self.cursor + 1;
        first + (link.slot as u64).wrapping_sub(first) % SLOTS
    }

    fn set(&mut self, id: u32, change: impl FnOnce(&mut Link)) {
        if let Some(link) = self.links.get_mut(id as usize) {
            change(link);
        }
    }

    fn unlink(&mut self, id: u32, link: Link) {
        let slot = u64::from(link.slot);
        if link.previous == NONE {
            if let Some(head) = self.heads.get_mut(slot as usize) {
                *head = link.next;
            }
            self.mark(slot, link.next != NONE);
        } else {
            self.set(link.previous, |before| before.next = link.next);
        }
        self.set(link.next, |after| after.previous = link.previous);
        self.set(id, |link| link.slot = NOWHERE);
    }

    /// Takes one id whose deadline has passed by `now`, if any.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<u32> {
        let target = now.nanos() >> TICK_SHIFT;
        if self.cursor >= target {
            return None;
        }
        let Some(tick) = self.next_occupied(self.cursor + 1).filter(|tick| *tick <= target) else {
            self.cursor = target;
            return None;
        };
        // Stay one tick before an occupied slot until it is empty.
        self.cursor = tick - 1;
        let id = self.heads.get((tick % SLOTS) as usize).copied()?;
        let link = self.links.get(id as usize).copied()?;
        self.unlink(id, link);
        Some(id)
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
        let mut calendar = Calendar::new(at(1_000), 4);
        calendar.schedule(0, at(1_010));
        calendar.schedule(1, at(1_010));
        calendar.schedule(2, at(1_500));
        assert!(drain(&mut calendar, at(1_005)).is_empty());
        assert_eq!(drain(&mut calendar, at(1_012)), [0, 1]);
        assert!(drain(&mut calendar, at(1_400)).is_empty());
        assert_eq!(drain(&mut calendar, at(1_502)), [2]);
    }

    #[test]
    fn far_deadlines_are_looked_at_early_and_past_ones_at_once() {
        let mut calendar = Calendar::new(at(1_000), 2);
        calendar.schedule(0, at(100_000));
        calendar.schedule(1, at(5));
        assert_eq!(drain(&mut calendar, at(1_003)), [1]);
        assert_eq!(drain(&mut calendar, at(2_500)), [0]);
    }

    #[test]
    fn an_earlier_deadline_moves_an_id_and_a_later_one_does_not() {
        let mut calendar = Calendar::new(at(1_000), 3);
        for id in 0..3 {
            calendar.schedule(id, at(1_500));
        }
        calendar.schedule(1, at(1_100));
        calendar.schedule(2, at(1_900));
        assert_eq!(drain(&mut calendar, at(1_103)), [1]);
        assert_eq!(drain(&mut calendar, at(1_503)), [0, 2]);
        assert!(drain(&mut calendar, at(3_000)).is_empty());
    }

    #[test]
    fn an_empty_calendar_costs_nothing_over_any_gap() {
        let mut calendar = Calendar::new(at(0), 1);
        assert_eq!(calendar.take_due(at(u64::MAX / 2_000_000)), None);
        calendar.schedule(0, at(u64::MAX / 2_000_000 + 3));
        assert_eq!(drain(&mut calendar, at(u64::MAX / 2_000_000 + 2_000)), [0]);
    }

    #[test]
    fn what_is_due_by_then_can_be_looked_at_without_taking_it() {
        let mut calendar = Calendar::new(at(1_000), 4);
        for (id, due) in [(0, 1_010), (1, 1_010), (2, 1_500), (3, 1_900)] {
            calendar.schedule(id, at(due));
        }
        let mut due: Vec<u32> = calendar.due_by(at(1_600), 8).collect();
        due.sort_unstable();
        assert_eq!(due, [0, 1, 2]);
        assert_eq!(calendar.due_by(at(9_000), 8).count(), 4);
        assert_eq!(calendar.due_by(at(9_000), 3).count(), 3);
        assert_eq!(calendar.due_by(at(1_005), 3).count(), 0);
        assert_eq!(drain(&mut calendar, at(2_500)), [0, 1, 2, 3]);
    }

    #[test]
    fn every_id_comes_out_exactly_once_per_add() {
        let mut calendar = Calendar::new(at(0), 500);
        let mut now = 0;
        for round in 0..50_u64 {
            for id in 0..500_u32 {
                calendar.schedule(id, at(now + (u64::from(id) * 7 + round) % 900));
            }
            now += 1_100;
            assert_eq!(drain(&mut calendar, at(now)).len(), 500);
        }
    }
}
