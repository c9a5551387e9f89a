//! Drawing on shared budgets: every call is at most a few rounds of read, change, replace on one or two cells.
//!
//! Where two cells are concerned the reserved bucket comes first and the pool second. A worker that dies in between has
//! taken tokens from a bucket that nobody got: the books are behind by that, which costs its owner a moment and mints nothing.

use super::{
    bucket::Bucket,
    cells::{Cells, Version},
    held::Lease,
    pool::{Draw, Pool},
    terms::{Birth, Course, Terms},
};
use crate::units::{Amount, Timestamp};

/// Rounds after which a draw gives up: the others were faster each time.
const ATTEMPTS: u32 = 64;
/// Cells in which a bucket may be.
const PLACES: u32 = 8;

/// Draws on budgets whose books are in cells: the first cells are the pools, the rest holds reserved buckets.
#[derive(Clone, Debug)]
pub struct Broker<C> {
    cells: C,
    pools: u32,
}

/// What a request asks of the pool.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// What it costs.
    pub cost: Amount,
    /// What the pool must keep: the tier's floor, and what is promised to others.
    pub keep: Amount,
}

/// A bucket that all workers share: a reservation's, a contract's, an allowance's.
#[derive(Clone, Copy, Debug)]
pub struct SharedBucket<'a> {
    /// Unlike any other's and never 0: a hash of whose bucket it is and what for.
    pub name: u64,
    /// How it refills.
    pub course: Course<'a>,
}

impl<C: Cells> Broker<C> {
    /// A broker of `pools` resources.
    pub const fn new(cells: C, pools: u32) -> Self {
        Self { cells, pools }
    }

    /// The cells.
    pub const fn cells(&self) -> &C {
        &self.cells
    }

    /// Pays `ask` from the worker's lease, or else from the pool, with a new lease on top where there is plenty. False,
    /// taking nothing, when the pool is short; [`Lease::time_to`] then tells for how long.
    pub fn draw(&self, pool: u32, lease: &mut Lease, ask: Ask, terms: &Terms, now: Timestamp) -> bool {
        if lease.spend(ask.cost, ask.keep, now) {
            return true;
        }
        !lease.is_hopeless(ask.cost, ask.keep, now) && self.ask(pool, lease, ask, terms, now)
    }

    /// The same for who has looked, and knows better than the lease whether asking is hopeless.
    pub(crate) fn draw_seen(
        &self,
        pool: u32,
        lease: &mut Lease,
        ask: Ask,
        terms: &Terms,
        now: Timestamp,
    ) -> bool {
        lease.spend(ask.cost, ask.keep, now) || self.ask(pool, lease, ask, terms, now)
    }

    /// Looks at the pool's books without drawing.
    pub(crate) fn look(&self, pool: u32, lease: &mut Lease, terms: &Terms, now: Timestamp) {
        if let Some((books, _)) = self.change(pool, lease, terms, now, |_, _| None::<()>) {
            lease.look(&books, now);
        }
    }

    /// What a bucket holds.
    pub(crate) fn level(&self, bucket: &SharedBucket<'_>, now: Timestamp) -> Amount {
        self.find(bucket, now).bucket.level
    }

    fn ask(&self, pool: u32, lease: &mut Lease, ask: Ask, terms: &Terms, now: Timestamp) -> bool {
        lease.adapt(ask.cost, terms.pool_cap(), now);
        let granted = self.change(pool, lease, terms, now, |books, lease| {
            let draw = Draw { cost: ask.cost, held: lease.unspent, keep: ask.keep, wish: lease.wish };
            books.draw(&draw, (lease.term, lease.granted), terms.workers)
        });
        match granted {
            Some((books, Some(holds))) => {
                lease.grant(&books, holds, now);
                true
            }
            Some((books, None)) => {
                lease.refuse(&books, ask.cost, ask.keep, now);
                false
            }
            None => false,
        }
    }

    /// Gives a lease back. To be called when it [is idle](Lease::is_idle), and before a worker ends.
    pub fn give_back(&self, pool: u32, lease: &mut Lease, terms: &Terms, now: Timestamp) {
        lease.expire(now);
        if lease.granted > Amount::ZERO {
            self.change(pool, lease, terms, now, |books, lease| {
                books.give_back((lease.term, lease.granted), lease.unspent);
                Some(())
            });
        }
        lease.end();
    }

    /// Pays `amount` from a reserved bucket.
    ///
    /// # Errors
    /// What the bucket holds, when that is less, or when all reserved buckets together have no more to give; then
    /// nothing is taken.
    pub fn draw_reserved(
        &self,
        pool: u32,
        lease: &mut Lease,
        bucket: &SharedBucket<'_>,
        amount: Amount,
        terms: &Terms,
        now: Timestamp,
    ) -> Result<(), Amount> {
        self.take(bucket, amount, now)?;
        let paid = self.change(pool, lease, terms, now, |books, _| books.draw_reserved(amount).then_some(()));
        if matches!(paid, Some((_, Some(())))) {
            return Ok(());
        }
        self.put(bucket, amount, now);
        Err(Amount::ZERO)
    }

    /// Takes `amount` from a bucket that has no part in a pool: a contract, or an allowance.
    ///
    /// # Errors
    /// What the bucket holds, when that is less; then nothing is taken.
    pub fn take(&self, bucket: &SharedBucket<'_>, amount: Amount, now: Timestamp) -> Result<(), Amount> {
        let mut level = Amount::ZERO;
        let taken = self.change_bucket(bucket, now, |bucket| {
            level = bucket.level;
            bucket.level = Amount(level.0.saturating_sub(amount.0));
            level >= amount
        });
        if taken { Ok(()) } else { Err(level) }
    }

    /// Takes `amount` whatever is there, into debt down to `least`; returns what is left.
    pub fn owe(&self, bucket: &SharedBucket<'_>, amount: Amount, least: Amount, now: Timestamp) -> Amount {
        let mut left = Amount::ZERO;
        self.change_bucket(bucket, now, |bucket| {
            let level = bucket.level.0;
            bucket.level = Amount(level.saturating_sub(amount.0).max(least.0.min(level)));
            left = bucket.level;
            true
        });
        left
    }

    /// Puts `amount` back, as far as the bucket has room.
    pub fn put(&self, bucket: &SharedBucket<'_>, amount: Amount, now: Timestamp) {
        self.change_bucket(bucket, now, |bucket| bucket.refund(amount) > Amount::ZERO);
    }

    /// Charges what a request cost beyond its estimate, into debt if need be.
    pub fn charge(&self, pool: u32, lease: &mut Lease, amount: Amount, terms: &Terms, now: Timestamp) {
        lease.expire(now);
        let held = Amount(lease.unspent.0.clamp(0, amount.0.max(0)));
        lease.unspent.0 -= held.0;
        let rest = Amount(amount.0 - held.0);
        if rest > Amount::ZERO {
            self.change_own(pool, lease, terms, now, |books| books.charge(rest));
        }
    }

    /// Returns what was paid too much: to the reserved bucket what it paid of it, the rest to the lease and the pool.
    pub fn refund(
        &self,
        pool: u32,
        lease: &mut Lease,
        amount: Amount,
        bucket: Option<(&SharedBucket<'_>, Amount)>,
        terms: &Terms,
        now: Timestamp,
    ) {
        let mut reserved = Amount::ZERO;
        let mut rest = amount;
        if let Some((bucket, paid)) = bucket {
            let part = Amount(paid.0.clamp(0, amount.0.max(0)));
            self.change_bucket(bucket, now, |bucket| {
                reserved = bucket.refund(part);
                true
            });
            rest = Amount(amount.0 - part.0);
            if part > Amount::ZERO {
                self.change_own(pool, lease, terms, now, |books| books.refund(part, reserved));
            }
        }
        let rest = lease.refund(rest, now);
        if rest > Amount::ZERO {
            self.change_own(pool, lease, terms, now, |books| books.refund(rest, Amount::ZERO));
        }
    }

    /// Changes the books for a request that has been decided. The worker has seen them then: what it gave back is there for its next
    /// request.
    fn change_own(
        &self,
        pool: u32,
        lease: &mut Lease,
        terms: &Terms,
        now: Timestamp,
        change: impl Fn(&mut Pool),
    ) {
        let changed = self.change(pool, lease, terms, now, |books, _| {
            change(books);
            Some(())
        });
        if let Some((books, _)) = changed {
            lease.look(&books, now);
        }
    }

    /// Reads the books, changes them, puts them back; again if another worker was faster. Without a change nothing is
    /// written. `None` when the others were always faster.
    fn change<T>(
        &self,
        pool: u32,
        lease: &Lease,
        terms: &Terms,
        now: Timestamp,
        change: impl Fn(&mut Pool, &Lease) -> Option<T>,
    ) -> Option<(Pool, Option<T>)> {
        for _ in 0..ATTEMPTS {
            let (record, version) = self.cells.load(pool);
            let mut books = Pool::read(&record).unwrap_or_else(|| {
                // Who has seen the books knows that they were lost.
                let birth = if lease.has_seen() { Birth::Lost } else { terms.birth };
                Pool::born(&Terms { birth, ..*terms }, now)
            });
            books.advance(terms, now);
            let result = change(&mut books, lease);
            // Books that begin are written down even if nothing was drawn, or they would begin again and again.
            if result.is_none() && version != Version(0) {
                return Some((books, None));
            }
            if self.cells.store(pool, &books.record(), version) {
                return Some((books, result));
            }
        }
        None
    }

    /// The same for a bucket; `change` tells whether to write. True when it was written.
    fn change_bucket(
        &self,
        bucket: &SharedBucket<'_>,
        now: Timestamp,
        mut change: impl FnMut(&mut Bucket) -> bool,
    ) -> bool {
        for _ in 0..ATTEMPTS {
            let mut place = self.find(bucket, now);
            if !change(&mut place.bucket) {
                return false;
            }
            if self.cells.store(place.cell, &place.bucket.record(), place.version) {
                return true;
            }
        }
        false
    }

    /// Where a bucket is, or may be put: an empty cell, or else the one whose bucket is full first.
    fn find(&self, reserved: &SharedBucket<'_>, now: Timestamp) -> Place {
        let buckets = self.cells.count().saturating_sub(self.pools).max(1);
        let mut best: Option<(Timestamp, u32, Version)> = None;
        for probe in 0..PLACES.min(buckets) {
            let at = (reserved.name.wrapping_add(u64::from(probe)) % u64::from(buckets)) as u32;
            let cell = self.pools.saturating_add(at);
            let (record, version) = self.cells.load(cell);
            match Bucket::read(&record) {
                Some(found) if found.name == reserved.name => {
                    return Place { cell, version, bucket: found.refilled(&reserved.course, now) };
                }
                Some(found) => {
                    let full_at = found.full_at();
                    if best.is_none_or(|(earliest, ..)| full_at < earliest) {
                        best = Some((full_at, cell, version));
                    }
                }
                None => {
                    best = best.filter(|(full_at, ..)| *full_at <= now).or(Some((now, cell, version)));
                    break;
                }
            }
        }
        let bucket = Bucket::untouched(reserved.name, &reserved.course, now);
        let (_, cell, version) = best.unwrap_or((now, self.pools, Version(0)));
        Place { cell, version, bucket }
    }
}

/// A bucket and the cell that it is or may be in.
struct Place {
    cell: u32,
    version: Version,
    bucket: Bucket,
}

#[cfg(test)]
mod tests;
