//! Tables that have come while another is still on its way into force.
//!
//! They have their turn in the order in which they came, each with an answer of its own. Where more come than there is room for,
//! what the newest makes superfluous goes without one: a snapshot stands in for everything before it, a delta for all deltas, since
//! each names what any before it did.

use alloc::{collections::VecDeque, vec::Vec};

use crate::table::Heading;

/// As many as a forecaster has to say at once: a snapshot and a delta on it.
const MOST: usize = 2;

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
        if self.tables.len() >= MOST {
            if is_snapshot(&table) {
                self.tables.clear();
            } else {
                // The snapshot that it probably builds on has to stay.
                let last = self.tables.iter().rposition(|table| is_snapshot(table));
                let snapshot = last.and_then(|position| self.tables.remove(position));
                self.tables.clear();
                self.tables.extend(snapshot);
            }
        }
        self.tables.push_back(table);
    }

    /// A table is back that had left: it is the next again.
    pub fn put_back(&mut self, table: Vec<u8>) {
        self.tables.push_front(table);
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
    fn where_more_come_the_newest_wins_with_the_snapshot_that_it_needs() {
        assert_eq!(left(&[(20, 0), (21, 20), (22, 20), (23, 20)]), [20, 23]);
        assert_eq!(left(&[(15, 10), (16, 10), (17, 10)]), [17]);
        assert_eq!(left(&[(20, 0), (21, 20), (30, 0), (31, 30)]), [30, 31]);
        assert_eq!(left(&[(20, 0), (30, 0), (31, 30)]), [30, 31]);
        assert_eq!(left(&[(15, 10), (20, 0), (21, 20)]), [20, 21]);
    }

    #[test]
    fn what_is_no_table_has_its_turn_too_but_takes_nobodys_place() {
        let mut queue = Queue::new();
        for bytes in [table(20, 0), b"noise".to_vec(), b"more noise".to_vec()] {
            queue.push(bytes);
        }
        assert!(queue.has(20) && !queue.has(21));
        assert_eq!(queue.pop(), Some(table(20, 0)));
        queue.put_back(table(20, 0));
        assert_eq!(queue.pop(), Some(table(20, 0)));
        assert_eq!(queue.pop(), Some(b"more noise".to_vec()));
        assert!(queue.is_empty());
    }
}
