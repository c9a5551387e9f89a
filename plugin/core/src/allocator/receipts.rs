//! Admitted requests whose cost is still an estimate, or whose tokens are held until they end.
//!
//! Each keeps what its buckets paid, so that settling returns tokens to where they came from. A receipt settles once:
//! its generation is spent then. Receipts are bounded in number and in time; what is abandoned stays charged with its
//! estimate. One that holds tokens makes room for no other, since its request still runs: only its time ends it.

use alloc::vec::Vec;

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

impl Receipt {
    /// The receipt as a number, for callers across a border.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The receipt with this number. One that was never given settles nothing.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self { index: number as u32, generation: (number >> 32) as u32 }
    }
}

/// What one request drew of one resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outstanding {
    pub(super) key: u32,
    pub(super) draw: Draw,
}

/// Why a receipt is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    /// Its cost is an estimate.
    Estimate = 0,
    /// It holds tokens that come back.
    Held = 1,
}

#[derive(Clone, Debug)]
struct Cell {
    generation: u32,
    outstanding: Option<Outstanding>,
    /// The same request's next resource.
    next: u32,
    /// The rest is of the first cell of a receipt: its place in the row by age.
    row: Option<Keeps>,
    older: u32,
    newer: u32,
    expires_at: Timestamp,
}

/// All receipts that are not settled yet.
#[derive(Clone, Debug)]
pub(super) struct Receipts {
    cells: Vec<Cell>,
    free: Vec<u32>,
    /// Estimates and what is held, each by age.
    rows: [Row; 2],
    /// Receipts that are open.
    open: usize,
    max: usize,
    ttl_ns: u64,
    /// The generation that new cells begin with.
    first_generation: u32,
}

/// The ends of a row of receipts by age.
#[derive(Clone, Copy, Debug)]
struct Row {
    oldest: u32,
    newest: u32,
}

impl Receipts {
    pub(super) fn new(max: u32, ttl_ms: u64) -> Self {
        Self {
            cells: Vec::new(),
            free: Vec::new(),
            rows: [Row { oldest: NONE, newest: NONE }; 2],
            open: 0,
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

    /// How long until there is room for a receipt that holds tokens; nothing when there is.
    pub(super) fn full_for(&self, now: Timestamp) -> Option<u64> {
        let [estimates, held] = self.rows;
        if self.open < self.max || estimates.oldest != NONE {
            return None;
        }
        let expires_at = self.cells.get(held.oldest as usize)?.expires_at;
        Some(expires_at.since(now)).filter(|nanos| *nanos > 0)
    }

    /// Keeps the draws of one request. The caller has made room by [`Receipts::oldest`]; `None` when there was none to make.
    pub(super) fn open(
        &mut self,
        outstanding: impl Iterator<Item = Outstanding>,
        keeps: Keeps,
        now: Timestamp,
    ) -> Option<Receipt> {
        if self.open >= self.max {
            return None;
        }
        let mut next = NONE;
        for item in outstanding {
            let index = self.free.pop().unwrap_or_else(|| {
                self.cells.push(Cell::new(self.first_generation));
                (self.cells.len() - 1) as u32
            });
            let cell = self.cells.get_mut(index as usize)?;
            (cell.outstanding, cell.next, cell.row) = (Some(item), next, None);
            next = index;
        }
        let row = self.rows.get_mut(keeps as usize)?;
        let older = core::mem::replace(&mut row.newest, next);
        match self.cells.get_mut(older as usize) {
            Some(cell) => cell.newer = next,
            None => row.oldest = next,
        }
        let cell = self.cells.get_mut(next as usize)?;
        (cell.row, cell.older, cell.newer) = (Some(keeps), older, NONE);
        cell.expires_at = now.plus(self.ttl_ns);
        self.open += 1;
        Some(Receipt { index: next, generation: cell.generation })
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
        let (row, older, newer) = (cell.row.take(), cell.older, cell.newer);
        self.free.push(receipt.index);
        if let Some(keeps) = row {
            self.unlink(keeps, older, newer);
            self.open -= 1;
        }
        let rest =
            self.cells.get(next as usize).map(|cell| Receipt { index: next, generation: cell.generation });
        Some((outstanding, rest))
    }

    /// The next receipt to give up: one that is too old, or the oldest estimate when there is no room for so many more.
    pub(super) fn oldest(&self, more: usize, now: Timestamp) -> Option<Receipt> {
        let is_full = self.open + more > self.max;
        self.rows.iter().zip([is_full, false]).find_map(|(row, makes_room)| {
            let cell = self.cells.get(row.oldest as usize)?;
            let goes = makes_room || now >= cell.expires_at;
            goes.then_some(Receipt { index: row.oldest, generation: cell.generation })
        })
    }

    /// Takes a receipt that stood between these two out of its row.
    fn unlink(&mut self, keeps: Keeps, older: u32, newer: u32) {
        let Some(row) = self.rows.get_mut(keeps as usize) else { return };
        match self.cells.get_mut(older as usize) {
            Some(cell) => cell.newer = newer,
            None => row.oldest = newer,
        }
        match self.cells.get_mut(newer as usize) {
            Some(cell) => cell.older = older,
            None => row.newest = older,
        }
    }
}

impl Cell {
    const fn new(generation: u32) -> Self {
        Self {
            generation,
            outstanding: None,
            next: NONE,
            row: None,
            older: NONE,
            newer: NONE,
            expires_at: Timestamp::from_nanos(0),
        }
    }
}
