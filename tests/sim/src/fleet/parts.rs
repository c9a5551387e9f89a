//! A proxy's own bucket, and the fleet in which each has a fixed one.

use crate::{
    limiter::{Admitted, Limiter, Settlement, Source},
    scenario::{SECOND, Scenario},
    traffic::{Arrival, Fault},
};

/// What clocks show at the beginning: far enough from zero that no jump goes below it.
pub(super) const EPOCH: u64 = 3_600 * SECOND;

/// A proxy's bucket, on the proxy's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    pub(super) capacity: f64,
    pub(super) burst: f64,
    pub(super) level: f64,
    at: u64,
}

impl Bucket {
    pub(super) const fn full(capacity: f64, burst: f64) -> Self {
        Self { capacity, burst, level: burst, at: EPOCH }
    }

    pub(super) fn pass(&mut self, clock: u64) {
        // A clock that was set back goes on from there.
        let elapsed_s = clock.saturating_sub(self.at) as f64 / SECOND as f64;
        self.at = clock;
        self.level = (self.level + self.capacity * elapsed_s).min(self.burst);
    }

    pub(super) const fn empty(capacity: f64, burst: f64) -> Self {
        Self { level: 0.0, ..Self::full(capacity, burst) }
    }

    /// Changes rate and burst; the level stays, as far as it fits.
    pub(super) fn resize(&mut self, capacity: f64, burst: f64, clock: u64) {
        self.pass(clock);
        (self.capacity, self.burst) = (capacity, burst);
        self.level = self.level.min(burst);
    }

    /// Takes `cost` if the floor, a part of the burst, is left.
    pub(super) fn take(&mut self, cost: f64, floor: f64, clock: u64) -> Option<Admitted> {
        self.pass(clock);
        if self.level - cost < floor * self.burst {
            return None;
        }
        self.level -= cost;
        Some((Source::Pool, 0.0))
    }
}

/// A fixed part for every proxy.
#[derive(Debug)]
pub(super) struct Parts {
    scenario: Scenario,
    proxies: Vec<Bucket>,
}

impl Parts {
    pub(super) fn of(scenario: &Scenario) -> Self {
        let part = 1.0 / scenario.workers as f64;
        let bucket = Bucket::full(scenario.capacity * part, scenario.burst * part);
        Self { scenario: scenario.clone(), proxies: vec![bucket; scenario.workers] }
    }
}

impl Limiter for Parts {
    fn decide(&mut self, arrival: &Arrival) -> Option<Admitted> {
        let floor = self.scenario.customers.get(usize::from(arrival.customer))?.floor;
        let bucket = self.proxies.get_mut(usize::from(arrival.worker))?;
        bucket.take(arrival.cost as f64, floor, EPOCH + arrival.at)
    }

    fn settle(&mut self, _: &Settlement, _: u64) {}

    fn suffer(&mut self, fault: Fault, now: u64) {
        // It starts empty: what it had is spent, as far as anybody knows.
        if let Fault::Restart(index) = fault
            && let Some(bucket) = self.proxies.get_mut(index)
        {
            bucket.pass(EPOCH + now);
            bucket.level = 0.0;
        }
    }

    fn due(&self) -> u64 {
        u64::MAX
    }

    fn act(&mut self, _: u64) {}
}
