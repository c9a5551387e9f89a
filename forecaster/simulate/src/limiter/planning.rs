//! The forecaster's side of the loop on virtual time: reports in, one step learned, forecast and planned, a table out.
//!
//! As in the running forecaster, a step is closed a moment after its end, when its last reports have come; until the
//! new table is there the one before it rules.

use std::collections::BTreeMap;

use tidegate_core::{
    Allocator, Timestamp,
    plan::plan,
    report::{Report, Usage},
};
use tidegate_learn::{Learner, Used, plan_input};

use super::foresight::Foresight;
use crate::{error::Error, policy::Policy, world::World};

/// A step's last report comes, and its table is pushed, so long after its end.
const GRACE_MS: u64 = 2000;
/// After each step at most so many models are fitted.
const FITS: usize = 64;

/// A forecaster.
pub(crate) struct Planning<'a> {
    policy: Policy,
    foresight: Foresight<'a>,
    learner: Learner,
    /// Usage of steps that are not closed, by step, key and resource.
    open: BTreeMap<(u64, String, usize), Usage>,
    /// The first step that has not been learned.
    next_step: u64,
    epoch: u64,
}

impl<'a> Planning<'a> {
    /// A forecaster that knows what was used before the trace.
    pub(crate) fn new(policy: &Policy, foresight: Foresight<'a>, world: &World) -> Self {
        let mut learner = Learner::new(&policy.learning, policy.resources.len());
        let resources = policy.resource_indices(&world.trace.resources);
        let learned = if foresight.learns() { &world.history[..] } else { &[] };
        for past in learned {
            let used = past.used.iter().filter_map(|(key, resource, demand)| {
                let resource = resources.get(usize::from(*resource)).copied().flatten()?;
                Some(Used { key: world.trace.keys.name(*key), resource, demand: *demand, largest: 1 })
            });
            learner.observe(&policy.customers, past.step, used);
            learner.refit(FITS);
        }
        let next_step = policy.step_at(world.starts_at_ms);
        Self { policy: policy.clone(), foresight, learner, open: BTreeMap::new(), next_step, epoch: 0 }
    }

    /// Takes a report; closes a step and pushes a table when it is time to. Returns when to call again.
    pub(crate) fn tick(&mut self, allocator: &mut Allocator, now: Timestamp) -> Result<Timestamp, Error> {
        if let Some(report) = allocator.report(1) {
            self.take(&report);
        }
        let step_ms = u64::from(self.policy.step_ms);
        if self.epoch == 0 {
            self.push(allocator, now)?;
        }
        let mut learned = false;
        while now.millis() >= (self.next_step + 1) * step_ms + self.grace_ms() {
            self.learn();
            learned = true;
        }
        if learned {
            self.push(allocator, now)?;
        }
        let report_at_ms = (now.millis() / u64::from(self.policy.report_interval_ms) + 1)
            * u64::from(self.policy.report_interval_ms);
        let closes_at_ms = (self.next_step + 1) * step_ms + self.grace_ms();
        Ok(Timestamp::from_millis(report_at_ms.min(closes_at_ms)))
    }

    /// What everybody together is expected to ask of the first resource in a step: the mean, or a peak that
    /// comes back.
    pub(crate) fn expected(&self, step: u64) -> Option<f64> {
        match self.foresight {
            Foresight::None => None,
            Foresight::Perfect(future) => Some(future.total(0, step) as f64),
            Foresight::Model | Foresight::Shuffled(_) => self.learner.total(0)?.to_provide_for(step),
        }
    }

    /// Plans anew for another capacity of the first resource.
    pub(crate) fn resize(
        &mut self,
        allocator: &mut Allocator,
        capacity_per_s: f64,
        burst: u64,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.policy.resize(capacity_per_s, burst);
        self.push(allocator, now)
    }

    fn grace_ms(&self) -> u64 {
        (u64::from(self.policy.step_ms) * 3 / 10).min(GRACE_MS)
    }

    fn take(&mut self, report: &Report) {
        let resources: Vec<Option<usize>> = report
            .resources
            .iter()
            .map(|name| self.policy.resources.iter().position(|resource| resource.name == *name))
            .collect();
        for record in &report.records {
            let Some(key) = report.keys.get(record.key as usize) else { continue };
            let Some(resource) = resources.get(usize::from(record.resource)).copied().flatten() else {
                continue;
            };
            let step = self.policy.step_at(record.window_start_ms);
            self.open.entry((step, key.clone(), resource)).or_default().add(&record.usage);
        }
    }

    /// Closes the next step. What is reported later of it is left out.
    fn learn(&mut self) {
        let later = self.open.split_off(&(self.next_step + 1, String::new(), 0));
        let closed = std::mem::replace(&mut self.open, later);
        let used = closed.iter().filter(|((step, ..), _)| *step == self.next_step).map(
            |((_, key, resource), usage)| Used {
                key,
                resource: *resource,
                demand: usage.demand(),
                largest: usage.largest,
            },
        );
        if self.foresight.learns() {
            self.learner.observe(&self.policy.customers, self.next_step, used);
            self.learner.refit(FITS);
        }
        self.next_step += 1;
    }

    fn push(&mut self, allocator: &mut Allocator, now: Timestamp) -> Result<(), Error> {
        self.epoch += 1;
        let step = self.next_step;
        if self.foresight.learns() {
            self.learner.predict(step, usize::from(self.policy.horizon_steps));
        }
        let mut input = plan_input(&self.policy.view(), &self.learner, self.epoch, step);
        self.foresight.impose(&mut input, &self.policy);
        let table = plan(&input).encode();
        allocator.apply(&table, now).map_err(|source| Error::Table { step, source })?;
        Ok(())
    }
}
