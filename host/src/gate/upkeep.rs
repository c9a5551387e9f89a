//! What is due without a request, and reports.

use std::sync::{PoisonError, atomic::Ordering};

use super::Gate;
use crate::{
    error::Error,
    instance::{Instance, Purpose},
    time::Timestamp,
};

/// Usage of one instance since its last report, for the forecaster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Tells the instance from others.
    pub boot: u64,
    /// Counts its reports.
    pub seq: u64,
    /// What the forecaster reads.
    pub bytes: Vec<u8>,
}

/// What instances hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holding {
    pub(crate) keys: u64,
    pub(crate) waiting: u64,
    pub(crate) memory_bytes: u64,
}

impl Gate {
    /// Does what is due: expires receipts, moves to the current step of the table, gives back what idle shards hold. To be called
    /// every 50 ms or so; decisions are right without it, only later to notice.
    pub fn advance(&self, now: Timestamp) {
        for shard in &self.inner.shards {
            // Whoever fails here is replaced like any other.
            let _ = self.on(shard, |state| {
                state.timed(now, |instance, now| {
                    instance.call(Purpose::Upkeep, |policy, store| policy.upkeep().advance(store, now))
                })
            });
        }
    }

    /// Takes the usage since the last call, one report for each instance that has had some.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        let mut reports =
            std::mem::take(&mut *self.inner.unsent.lock().unwrap_or_else(PoisonError::into_inner));
        for shard in &self.inner.shards {
            let report = self.on(shard, |state| {
                let boot = state.boot;
                state.with(|instance| instance.report(boot))
            });
            reports.extend(report.ok().flatten());
        }
        reports
    }

    /// Sets the length of usage windows, as the forecaster asks for.
    pub fn set_report_interval(&self, interval_ms: u32) {
        self.inner.report_interval_ms.store(interval_ms, Ordering::Relaxed);
        for shard in &self.inner.shards {
            // One that is being made anew hears of it then.
            let _ = self.on(shard, |state| state.with(|instance| instance.set_report_interval(interval_ms)));
        }
    }

    /// What all instances hold.
    pub(crate) fn holding(&self) -> Holding {
        let mut all = Holding::default();
        for shard in &self.inner.shards {
            let standing = self.on(shard, |state| {
                state.with(|instance| {
                    all.memory_bytes += instance.memory_bytes() as u64;
                    instance.call(Purpose::Upkeep, |policy, store| policy.upkeep().describe(store))
                })
            });
            let Ok(standing) = standing else { continue };
            all.keys += standing.keys;
            all.waiting += standing.waiting;
        }
        all
    }
}

impl Instance {
    pub(super) fn set_report_interval(&mut self, interval_ms: u32) -> Result<(), Error> {
        self.call(Purpose::Upkeep, |policy, store| policy.upkeep().set_report_interval(store, interval_ms))
    }

    pub(crate) fn identify(&mut self, boot: u64) -> Result<(), Error> {
        self.call(Purpose::Upkeep, |policy, store| policy.upkeep().identify(store, boot))
    }

    pub(super) fn report(&mut self, boot: u64) -> Result<Option<Report>, Error> {
        let report = self.call(Purpose::Upkeep, |policy, store| policy.upkeep().report(store, boot))?;
        Ok(report.map(|report| Report { boot, seq: report.seq, bytes: report.bytes }))
    }

    pub(super) fn tiers(&mut self) -> Result<Vec<String>, Error> {
        self.call(Purpose::Upkeep, |policy, store| policy.upkeep().tiers(store))
    }
}
