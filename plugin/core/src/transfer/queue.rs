//! Tables that have come while another is still on its way into force.
//!
//! They have their turn in the order in which they came, each with an answer of its own. Where more come than there is room for,
//! what the last but one makes superfluous goes without one: a snapshot stands in for everything before it, a delta for all deltas
//! since the snapshot, because each names what any before it did. The newest may turn out to be bad, and then the last but one is as
//! good as there is.

use alloc::{collections::VecDeque, vec::Vec};

use super::MAX_TABLE_BYTES;
use crate::table::Heading;

/// So many snapshots, and so many deltas after each.
const MOST: usize = 2;
/// So many bytes, unless a single snapshot and its newest delta have more, which they cannot.
const MOST_BYTES: usize = 3 * MAX_TABLE_BYTES;

/// Tables waiting for their turn.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    tables: VecDeque<Vec<u8>>,
}

impl Queue {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self { tables: VecDeque::new() }
    }

    /// A table has come.
    pub fn push(&mut self, table: Vec<u8>) {
        self.push_within(table, MOST_BYTES);
    }

    fn push_within(&mut self, table: Vec<u8>, most_bytes: usize) {
        let last_snapshot = self.tables.iter().rposition(|table| is_snapshot(table));
        if is_snapshot(&table) {
            let snapshots = self.tables.iter().filter(|table| is_snapshot(table)).count();
            if snapshots >= MOST {
                self.tables.drain(..last_snapshot.unwrap_or(0));
            }
        } else {
            let first = last_snapshot.map_or(0, |position| position + 1);
            if self.tables.len() - first >= MOST {
                self.tables.remove(first);
            }
        }
        self.tables.push_back(table);
        while self.tables.iter().map(Vec::len).sum::<usize>() > most_bytes {
            match self.tables.iter().rposition(|table| is_snapshot(table)) {
                // The newest delta has all that those before it have.
                Some(0) if self.tables.len() > 2 => drop(self.tables.remove(1)),
                Some(0) => break,
                Some(last) => drop(self.tables.drain(..last)),
                None if self.tables.len() > 1 => drop(self.tables.pop_front()),
                None => break,
            }
        }
    }

    /// A table is back that had left: it is the next again.
    pub fn put_back(&mut self, table: Vec<u8>) {
        self.tables.push_front(table);
    }

    /// The next table.
    #[must_use]
    pub fn next(&self) -> Option<&[u8]> {
        self.tables.front().map(Vec::as_slice)
    }

    /// The next table leaves.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        self.tables.pop_front()
    }

    /// Whether the table of this epoch waits.
    #[must_use]
    pub fn has(&self, epoch: u64) -> bool {
        self.tables.iter().any(|table| Heading::read(table).is_ok_and(|heading| heading.epoch == epoch))
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// All leave.
    pub fn clear(&mut self) {
        self.tables.clear();
    }
}

/// What cannot be read will be refused in its turn.
fn is_snapshot(table: &[u8]) -> bool {
    Heading::read(table).is_ok_and(Heading::is_snapshot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{DrawOrder, Table};

    fn table(epoch: u64, base_epoch: u64) -> Vec<u8> {
        let table = Table {
            epoch,
            base_epoch,
            removed: Vec::new(),
            starts_at_ms: 0,
            step_ms: 1,
            steps: 1,
            valid_until_ms: 1,
            draw_order: DrawOrder::PoolFirst,
            tiers: Vec::new(),
            default_tier: 0,
            resources: Vec::new(),
            keys: Vec::new(),
        };
        table.encode()
    }

    /// What is left of tables with these epochs and bases, in the order in which they have their turn.
    fn left(tables: &[(u64, u64)]) -> Vec<u64> {
        let mut queue = Queue::new();
        tables.iter().for_each(|(epoch, base)| queue.push(table(*epoch, *base)));
        core::iter::from_fn(|| queue.pop()).map(|table| Heading::read(&table).unwrap().epoch).collect()
    }

    #[test]
    fn a_snapshot_and_its_delta_both_have_their_turn() {
        assert_eq!(left(&[(20, 0), (21, 20)]), [20, 21]);
        assert_eq!(left(&[(15, 10), (20, 0)]), [15, 20]);
    }

    #[test]
    fn where_more_come_the_last_two_stay_with_the_snapshots_that_they_need() {
        assert_eq!(left(&[(20, 0), (21, 20), (22, 20), (23, 20)]), [20, 22, 23]);
        assert_eq!(left(&[(15, 10), (16, 10), (17, 10)]), [16, 17]);
        assert_eq!(left(&[(15, 10), (20, 0), (30, 0), (40, 0)]), [30, 40]);
        assert_eq!(left(&[(20, 0), (21, 20), (30, 0), (31, 30), (40, 0), (41, 40)]), [30, 31, 40, 41]);
    }

    #[test]
    fn the_newest_takes_no_place_before_it_is_known_to_be_good() {
        // If 30 is refused, 20 and 21 have come into force.
        assert_eq!(left(&[(20, 0), (21, 20), (30, 0)]), [20, 21, 30]);
        assert_eq!(left(&[(20, 0), (21, 20), (22, 20)]), [20, 21, 22]);
        assert_eq!(left(&[(15, 10), (20, 0), (30, 0)]), [15, 20, 30]);
    }

    #[test]
    fn however_many_come_few_wait() {
        let mut queue = Queue::new();
        for epoch in 0..200_u64 {
            queue.push(table(epoch, if epoch % 7 == 0 { 0 } else { epoch - epoch % 7 }));
            assert!(queue.tables.len() <= MOST * (1 + MOST) + MOST, "{}", queue.tables.len());
        }
    }

    #[test]
    fn large_tables_that_come_make_those_go_that_they_stand_in_for() {
        let left = |tables: &[(u64, u64)], room: usize| {
            let mut queue = Queue::new();
            let most = room * table(20, 0).len();
            tables.iter().for_each(|(epoch, base)| queue.push_within(table(*epoch, *base), most));
            core::iter::from_fn(|| queue.pop())
                .map(|table| Heading::read(&table).unwrap().epoch)
                .collect::<Vec<_>>()
        };
        let all = [(20, 0), (21, 20), (22, 20), (30, 0), (31, 30), (32, 30)];
        assert_eq!(left(&all, 6), [20, 21, 22, 30, 31, 32]);
        assert_eq!(left(&all, 5), [30, 31, 32]);
        assert_eq!(left(&all, 3), [30, 31, 32]);
        assert_eq!(left(&all, 2), [30, 32]);
        assert_eq!(left(&all, 1), [30, 32], "the newest state of all that has come");
        assert_eq!(left(&[(15, 10), (16, 10)], 1), [16]);
    }

    #[test]
    fn what_is_no_table_has_its_turn_too_but_takes_nobodys_place() {
        let mut queue = Queue::new();
        for bytes in [table(20, 0), b"noise".to_vec(), b"more".to_vec(), b"more noise".to_vec()] {
            queue.push(bytes);
        }
        assert!(queue.has(20) && !queue.has(21));
        assert_eq!(queue.pop(), Some(table(20, 0)));
        queue.put_back(table(20, 0));
        assert_eq!(queue.next(), Some(table(20, 0).as_slice()));
        assert_eq!(queue.pop(), Some(table(20, 0)));
        assert_eq!(queue.pop(), Some(b"more".to_vec()));
        assert_eq!(queue.pop(), Some(b"more noise".to_vec()));
        assert!(queue.is_empty());
    }
}
