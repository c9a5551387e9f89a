//! Tables in, slice by slice; the last good ones are kept for instances to come.
//!
//! Bytes are all that a gate knows of a table. It keeps two, as they build on one another: the last snapshot and the last delta
//! on it.

use std::sync::{Arc, MutexGuard, PoisonError, atomic::Ordering};

use super::Gate;
use crate::{
    error::Error,
    instance::{FULL, Instance, Purpose},
    shard::Shard,
    time::Timestamp,
};

/// The last good tables.
#[derive(Clone, Default)]
pub(super) struct Tables {
    snapshot: Option<Arc<[u8]>>,
    delta: Option<Arc<[u8]>>,
    /// Epochs of what is in force and of the snapshot.
    epochs: (u64, u64),
}

impl Tables {
    /// Brings a new instance to where its predecessor was, which has left so many 65536ths in its pools. What it has given must
    /// not be given twice: a small share clips the buckets, and the whole after it mints nothing.
    pub(super) fn take_over(&self, instance: &mut Instance, left: u64, now: Timestamp) -> Result<(), Error> {
        if left < FULL {
            instance.set_share(left, now)?;
            self.apply_to(instance, now)?;
            if left == 0 {
                instance.drain(now)?;
            }
        }
        instance.set_share(FULL, now)?;
        self.apply_to(instance, now)
    }

    /// Brings a new instance to where others are.
    pub(super) fn apply_to(&self, instance: &mut Instance, now: Timestamp) -> Result<(), Error> {
        [&self.snapshot, &self.delta].into_iter().flatten().try_for_each(|table| instance.apply(table, now))
    }
}

impl Gate {
    /// Puts a table into force and returns its epoch. Requests go on meanwhile; none waits for more than a slice of it. Takes a
    /// moment for a large table: not for an async task.
    ///
    /// # Errors
    /// Says what is wrong with the table; the last good one stays in force.
    pub fn apply_table(&self, table: &[u8], now: Timestamp) -> Result<u64, Error> {
        let mut tables = self.tables();
        let counters = &self.inner.counters;
        let mut epochs = Err(Error::Restarting);
        for shard in &self.inner.shards {
            match self.install(shard, table, now) {
                Ok(reached) => epochs = Ok(reached),
                // It will be brought there with the tables that are kept.
                Err(Error::Restarting) => {}
                Err(error) => {
                    counters.tables_rejected.fetch_add(1, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        let (epoch, snapshot_epoch) = epochs?;
        if snapshot_epoch == tables.epochs.1 {
            tables.delta = Some(Arc::from(table));
        } else {
            (tables.snapshot, tables.delta) = (Some(Arc::from(table)), None);
        }
        tables.epochs = (epoch, snapshot_epoch);
        counters.tables_applied.fetch_add(1, Ordering::Relaxed);
        Ok(epoch)
    }

    /// Epochs of the table in force and of the snapshot that it builds on; 0 for none.
    #[must_use]
    pub fn epochs(&self) -> (u64, u64) {
        self.tables().epochs
    }

    pub(super) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.inner.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the shard go between slices.
    fn install(&self, shard: &Shard, table: &[u8], now: Timestamp) -> Result<(u64, u64), Error> {
        self.on(shard, |state| {
            state.timed(now, |instance, now| instance.stage(table, Timestamp::from_nanos(now)))
        })?;
        while self.on(shard, |state| {
            state.timed(now, |instance, now| instance.install(Timestamp::from_nanos(now)))
        })? {}
        self.on(shard, |state| {
            let tiers = state.with(|instance| {
                instance.call(Purpose::Upkeep, |policy, store| policy.upkeep().tiers(store))
            })?;
            state.tiers = tiers.into();
            state.with(Instance::epochs)
        })
    }
}
