//! What a gate is made of.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, AtomicU64},
    mpsc,
};

use crate::{
    bindings::exports::tidegate::admission::allocation::{ResourceSetup, SafeBudget, Setup},
    books::Books,
    component::Component,
    error::Error,
    gate::{Gate, Inner, Origin, held, mend, tables::Tables},
    instance::{Crew, Instance, Start},
    limits::Limits,
    metrics::Counters,
    shard::Shard,
    time::Timestamp,
};

/// What limits a resource while no table is in force: a bucket for everybody.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Refill in tokens per second.
    pub per_s: f64,
    /// Most tokens at once.
    pub burst: u64,
}

/// What a gate answers for the moment in which its policy is being restarted after a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailMode {
    /// Everything passes.
    #[default]
    Open,
    /// Nothing passes.
    Closed,
}

/// Makes gates.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    component: Option<Component>,
    resources: Vec<ResourceSetup>,
    configuration: Option<Vec<u8>>,
    shards: Option<u16>,
    most_keys: Option<usize>,
    fail_mode: FailMode,
    limits: Limits,
}

impl Builder {
    /// The policy.
    #[must_use]
    pub fn component(mut self, component: &Component) -> Self {
        self.component = Some(component.clone());
        self
    }

    /// Limits a resource. Requests refer to resources by their order, from 0.
    #[must_use]
    pub fn resource(mut self, name: &str, budget: Budget) -> Self {
        let micro_per_s = (budget.per_s * 1e6) as u64;
        let safe = Some(SafeBudget { micro_per_s, burst: budget.burst });
        self.resources.push(ResourceSetup { name: name.to_owned(), safe });
        self
    }

    /// The configuration of the Envoy plugin, as JSON, instead of resources: rules for HTTP requests, and a forecaster.
    #[must_use]
    pub fn configuration(mut self, json: impl Into<Vec<u8>>) -> Self {
        self.configuration = Some(json.into());
        self
    }

    /// Instances to divide the keys among; 1 unless it is said. One serves a million decisions a second. More share every budget by
    /// leasing tokens from common books: together they never admit more than one would, and a lease that a shard holds is
    /// at most a few tens of milliseconds of its own demand.
    #[must_use]
    pub const fn shards(mut self, shards: u16) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Most keys that are interned in each shard, a million unless it is said.
    #[must_use]
    pub const fn most_keys(mut self, keys: usize) -> Self {
        self.most_keys = Some(keys);
        self
    }

    /// What is answered while the policy is being restarted.
    #[must_use]
    pub const fn fail_mode(mut self, fail_mode: FailMode) -> Self {
        self.fail_mode = fail_mode;
        self
    }

    /// What an instance may use.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Makes the gate. Its buckets are full.
    ///
    /// # Errors
    /// When something is missing, or the configuration has problems.
    pub fn build(self, now: Timestamp) -> Result<Gate, Error> {
        const MOST_KEYS: usize = 1_000_000;
        const MOST_SHARDS: u16 = 256;
        let component = self.component.ok_or(Error::Incomplete)?;
        let start = match self.configuration {
            Some(json) => Start::Configuration(json),
            None if self.resources.is_empty() => return Err(Error::Incomplete),
            None => Start::Setup(setup(self.resources)),
        };
        let has_rules = matches!(start, Start::Configuration(_));
        let origin = Origin { component, start };
        let count = self.shards.unwrap_or(1).clamp(1, MOST_SHARDS);
        let first_boot = now.nanos();
        let mut shards = Vec::with_capacity(usize::from(count));
        let crew = (count > 1).then(|| Crew { workers: u32::from(count), books: Arc::new(Books::new()) });
        for index in 0..count {
            let instance = Instance::new(&origin.component, &self.limits, &origin.start, crew.as_ref(), now)?;
            shards.push(Shard::new(index, instance, first_boot + u64::from(index), now)?);
        }
        let (failed, failures) = mpsc::channel();
        let inner = Inner {
            origin: Mutex::new(origin),
            limits: self.limits,
            fail_mode: self.fail_mode,
            shards: shards.into(),
            hasher: std::hash::RandomState::new(),
            most_keys: self.most_keys.unwrap_or(MOST_KEYS),
            has_rules,
            room: Arc::default(),
            tables: Mutex::new(Tables::default()),
            crew,
            next_boot: AtomicU64::new(first_boot + u64::from(count)),
            failed,
            report_interval_ms: AtomicU32::new(0),
            unsent: Mutex::default(),
            counters: Counters::default(),
        };
        let gate = Gate { inner: Arc::new(inner) };
        mend::watch(Arc::downgrade(&gate.inner), failures)?;
        if has_rules {
            held::watch(Arc::downgrade(&gate.inner), Arc::clone(&gate.inner.room))?;
        }
        Ok(gate)
    }
}

fn setup(resources: Vec<ResourceSetup>) -> Setup {
    Setup {
        resources,
        max_unknown_keys: 1_000_000,
        max_receipts: 100_000,
        max_waiting: 1_024,
        receipt_ttl_ms: 15 * 60 * 1_000,
        report_interval_ms: 10_000,
    }
}
