//! Another component, or another configuration, without a pause.
//!
//! New instances are prepared beside the old ones, which go on deciding. Only when all are ready do they take over, each between
//! two decisions. What the old ones counted is reported; what was left in their pools is left in the new ones'. For that the table
//! is installed once more while the requests of the shard wait, a millisecond or so for a thousand keys.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use super::{Gate, Origin};
use crate::{
    component::Component,
    error::Error,
    instance::{FULL, Start},
    time::Timestamp,
};

impl Gate {
    /// Replaces the policy's code. Takes a moment: not for an async task. Receipts and tickets of the old instances are spent; who
    /// waits asks again.
    ///
    /// # Errors
    /// When the new one cannot be brought to where the old one is; that stays then.
    pub fn replace(&self, component: &Component, now: Timestamp) -> Result<(), Error> {
        self.swap(|origin| Origin { component: component.clone(), ..origin.clone() }, now)
    }

    /// Replaces the configuration of a gate that was built from one. Takes a moment: not for an async task.
    ///
    /// # Errors
    /// When it has problems; the old one stays in force then.
    pub fn reconfigure(&self, json: impl Into<Vec<u8>>, now: Timestamp) -> Result<(), Error> {
        let start = Start::Configuration(json.into());
        if matches!(self.origin().start, Start::Setup(_)) {
            return Err(Error::NoRules("configuration to replace"));
        }
        self.swap(|origin| Origin { start: start.clone(), ..origin.clone() }, now)
    }

    fn swap(&self, change: impl FnOnce(&Origin) -> Origin, now: Timestamp) -> Result<(), Error> {
        let mut origin = self.origin();
        let next = change(&origin);
        let tables = self.tables();
        let mut prepared = Vec::with_capacity(self.inner.shards.len());
        for shard in &self.inner.shards {
            let (names, share): (Vec<Arc<[u8]>>, _) = {
                let state = shard.lock();
                (state.names.clone(), state.share)
            };
            let mut instance = self.inner.fresh(&next, now)?;
            self.prepare(&mut instance, &names)?;
            // A first time, to see that it can.
            tables.take_over(&mut instance, FULL, share, now)?;
            prepared.push((shard, instance, names.len(), share));
        }
        *origin = next;
        for (shard, mut instance, known, share) in prepared {
            let entered = self.on(shard, |state| {
                let (boot, now) = (state.boot, state.in_order(now));
                let (left, report) = match &mut state.instance {
                    Some(former) => (former.fullness(now).unwrap_or(0), former.report(boot).ok().flatten()),
                    None => (0, None),
                };
                // Whatever fails from here on is made anew of what is new.
                state.instance = None;
                tables.take_over(&mut instance, left, share, now)?;
                self.enter(shard, state, instance, known)?;
                Ok(report)
            });
            let report = entered.ok().flatten();
            self.inner.unsent.lock().unwrap_or_else(PoisonError::into_inner).extend(report);
        }
        self.inner.counters.swaps.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
