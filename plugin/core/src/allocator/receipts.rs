//! Admitted requests whose cost is still an estimate.
//!
//! Each holds what its buckets paid, so that settling returns tokens to where they came from. A receipt settles once:
//! its generation is spent then. Receipts are bounded in number and in time; what is abandoned stays charged with its
//! estimate.

use alloc::{collections::VecDeque, vec::Vec};

use super::decide::Draw;
use crate::units::Timestamp;

const NONE: u32 = u32::MAX;
const NANOS_PER_MILLI: u64 = 1_000_000;

/// Proof of an admission whose cost was an estimate; hand it to `settle` once the cost is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    index: u32,
    generation: u32,
}

/// What one request drew of one resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outstanding {
    pub(super) key: u32,
    pub(super) draw: Draw,
}

#[derive(Clone, Debug)]
struct Cell {
    generation: u32,
    outstanding: Option<Outstanding>,
    /// The same request's next resource.
    next: u32,
}

/// All receipts that are not settled yet.
#[derive(Clone, Debug)]
pub(super) struct Receipts {
    cells: Vec<Cell>,
    free: Vec<u32>,
    by_age: VecDeque<(Timestamp, Receipt)>,
    max: usize,
    ttl_ns: u64,
    /// The generation that new cells begin with.
    first_generation: u32,
}

impl Receipts {
    pub(super) fn new(max: u32, ttl_ms: u64) -> Self {
        Self {
            cells: Vec::new(),
            free: Vec::new(),
            by_age: VecDeque::new(),
            max: max.max(1) as usize,
            ttl_ns: ttl_ms.saturating_mul(NANOS_PER_MILLI),
            first_generation: 0,
        }
    }

    /// No receipts, and none to come that could be taken for one of these.
    pub(super) fn successor(&self, next: Self) -> Self {
        let latest = self.cells.iter().map(|cell| cell.generation).fold(self.first_generation, u32::max);
        Self { first_generation: latest.wrapping_add(1), ..next }
    }

    /// Keeps the draws of one request; the caller has made room by [`Receipts::oldest`].
    pub(super) fn open(
        &mut self,
        outstanding: impl Iterator<Item = Outstanding>,
        now: Timestamp,
    ) -> Option<Receipt> {
        let mut next = NONE;
        for item in outstanding {
            let index = self.free.pop().unwrap_or_else(|| {
                self.cells.push(Cell { generation: self.first_generation, outstanding: None, next: NONE });
                (self.cells.len() - 1) as u32
            });
            let cell = self.cells.get_mut(index as usize)?;
            cell.outstanding = Some(item);
            cell.next = next;
            next = index;
        }
        let receipt = Receipt { index: next, generation: self.cells.get(next as usize)?.generation };
        self.by_age.push_back((now.plus(self.ttl_ns), receipt));
        Some(receipt)
    }

    /// Gives up one resource of a receipt and the receipt of the rest; `None` once it is spent.
    pub(super) fn close(&mut self, receipt: Receipt) -> Option<(Outstanding, Option<Receipt>)> {
        let cell = self.cells.get_mut(receipt.index as usize)?;
        if cell.generation != receipt.generation {
            return None;
        }
        let outstanding = cell.outstanding.take()?;
        cell.generation = cell.generation.wrapping_add(1);
        let next = core::mem::replace(&mut cell.next, NONE);
        self.free.push(receipt.index);
        let rest =
            self.cells.get(next as usize).map(|cell| Receipt { index: next, generation: cell.generation });
        Some((outstanding, rest))
    }

    /// The next receipt to give up: one that is too old, or the oldest when there is no room for so many more.
    pub(super) fn oldest(&mut self, more: usize, now: Timestamp) -> Option<Receipt> {
        loop {
            let &(expires_at, receipt) = self.by_age.front()?;
            let open = self
                .cells
                .get(receipt.index as usize)
                .is_some_and(|cell| cell.generation == receipt.generation && cell.outstanding.is_some());
            if open && now < expires_at && self.by_age.len() + more <= self.max {
                return None;
            }
            self.by_age.pop_front();
            if open {
                return Some(receipt);
            }
        }
    }
}
