//! Another component, or another configuration, without a pause.
//!
//! New instances are prepared beside the old ones, which go on deciding. Only when all are ready do they take over, each between
//! two decisions. What the old ones counted is reported; what was left in their pools is left in the new ones'. For that the table
//! of a gate of one shard is installed once more while its requests wait, a millisecond or so for a thousand keys; several keep what
//! is left in common books.

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
            let names: Vec<Arc<[u8]>> = shard.lock().names.clone();
            let mut instance = self.inner.fresh(&next, now)?;
            self.prepare(&mut instance, &names)?;
            tables.apply_to(&mut instance, now)?;
            prepared.push((shard, instance, names.len()));
        }
        *origin = next;
        for (shard, mut instance, known) in prepared {
            let entered = self.on(shard, |state| {
                let (boot, now) = (state.boot, state.in_order(now));
                let (left, report) = match &mut state.instance {
                    Some(former) => {
                        let left = former.fullness(now).unwrap_or(0);
                        let report = former.report(boot).ok().flatten();
                        // What it cannot give back comes back by itself.
                        let _ = former.give_back(now);
                        (left, report)
                    }
                    None => (0, None),
                };
                // Whatever fails from here on is made anew of what is new.
                state.instance = None;
                if left < FULL && self.inner.crew.is_none() {
                    tables.take_over(&mut instance, left, now)?;
                }
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
