//! One instance of the policy. A call that fails leaves it unusable: whoever holds it has to let it go.

use std::{sync::Arc, time::Duration};

use wasmtime::Store;

use crate::{
    bindings::exports::tidegate::admission::upkeep::Progress,
    books::{Books, CELLS},
    component::Component,
    error::Error,
    limits::{Limits, Meter, look},
    policy::Policy,
    time::Timestamp,
};

pub(crate) use crate::bindings::exports::tidegate::admission::allocation::Setup;

/// Keys of a table installed in one call: what a request waits for at most.
const SLICE: u32 = 1_000;

/// A full pool, in the units of [`Instance::fullness`].
pub(crate) const FULL: u64 = 1 << 16;

/// What an instance begins with.
#[derive(Clone, Debug)]
pub(crate) enum Start {
    /// Resources alone.
    Setup(Setup),
    /// The plugin's configuration.
    Configuration(Vec<u8>),
}

/// Instances that share their budgets.
pub(crate) struct Crew {
    pub(crate) workers: u32,
    pub(crate) books: Arc<Books>,
}

/// An instance and the meter of its calls.
pub(crate) struct Instance {
    store: Store<Meter>,
    policy: Policy,
    limits: Limits,
}

/// What a call is for; the one on the request path has less time.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// A request waits for it.
    Decision,
    /// Nobody does.
    Upkeep,
}

impl Instance {
    /// An instance that has been started. It begins with full buckets; one of a crew, with what is in the books.
    pub(crate) fn new(
        component: &Component,
        limits: &Limits,
        start: &Start,
        crew: Option<&Crew>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let books = crew.map(|crew| Arc::clone(&crew.books));
        let mut store = Store::new(component.engine(), Meter::new(limits, books));
        store.limiter(|meter| meter);
        store.epoch_deadline_callback(look);
        store.data_mut().begin(limits.upkeep_time);
        store.set_epoch_deadline(1);
        let policy = component.instantiate(&mut store).map_err(Error::Policy)?;
        let mut instance = Self { store, policy, limits: *limits };
        match start {
            Start::Setup(setup) => instance.call(Purpose::Upkeep, |policy, store| {
                policy.allocation().start(store, setup, now.nanos())
            })?,
            Start::Configuration(json) => {
                let configured = instance.call(Purpose::Upkeep, |policy, store| {
                    policy.http().configure(store, json, now.nanos())
                })?;
                configured.map_err(Error::Configuration)?;
            }
        }
        if let Some(crew) = crew {
            instance.call(Purpose::Upkeep, |policy, store| {
                policy.upkeep().join_crew(store, crew.workers, CELLS, now.nanos())
            })?;
        }
        Ok(instance)
    }

    /// Gives back what it has taken of the crew's books for requests to come.
    pub(crate) fn give_back(&mut self, now: Timestamp) -> Result<(), Error> {
        self.call(Purpose::Upkeep, |policy, store| policy.upkeep().give_back(store, now.nanos()))
    }

    /// Calls the policy.
    pub(crate) fn call<T>(
        &mut self,
        purpose: Purpose,
        act: impl FnOnce(&mut Policy, &mut Store<Meter>) -> wasmtime::Result<T>,
    ) -> Result<T, Error> {
        let allowed: Duration = match purpose {
            Purpose::Decision => self.limits.decision_time,
            Purpose::Upkeep => self.limits.upkeep_time,
        };
        self.store.data_mut().begin(allowed);
        self.store.set_epoch_deadline(1);
        act(&mut self.policy, &mut self.store).map_err(Error::Policy)
    }

    /// Takes so many 65536ths of every budget; an instance of a crew has no parts.
    pub(crate) fn set_share(&mut self, part: u64, now: Timestamp) -> Result<(), Error> {
        self.call(Purpose::Upkeep, |policy, store| policy.upkeep().set_share(store, part, FULL, now.nanos()))
    }

    /// Empties every pool.
    pub(crate) fn drain(&mut self, now: Timestamp) -> Result<(), Error> {
        self.call(Purpose::Upkeep, |policy, store| policy.upkeep().drain(store, now.nanos()))
    }

    /// How full the emptiest pool is, in 65536ths.
    pub(crate) fn fullness(&mut self, now: Timestamp) -> Result<u64, Error> {
        let left =
            self.call(Purpose::Upkeep, |policy, store| policy.upkeep().fullness(store, now.nanos()))?;
        Ok(u64::from(left).min(FULL))
    }

    /// Takes a table to be installed by [`Instance::install`].
    pub(crate) fn stage(&mut self, table: &[u8], now: Timestamp) -> Result<(), Error> {
        let staged =
            self.call(Purpose::Upkeep, |policy, store| policy.upkeep().stage(store, table, now.nanos()))?;
        staged.map_err(Error::Table)
    }

    /// Installs a slice of the table on its way; true when there is more to do.
    pub(crate) fn install(&mut self, now: Timestamp) -> Result<bool, Error> {
        let progress =
            self.call(Purpose::Upkeep, |policy, store| policy.upkeep().install(store, SLICE, now.nanos()))?;
        match progress {
            Progress::Working => Ok(true),
            Progress::Installed(_) | Progress::Idle => Ok(false),
            Progress::Refused(reason) => Err(Error::Table(reason)),
        }
    }

    /// Installs a whole table.
    pub(crate) fn apply(&mut self, table: &[u8], now: Timestamp) -> Result<(), Error> {
        self.stage(table, now)?;
        while self.install(now)? {}
        Ok(())
    }

    /// Epochs of the table in force and of the snapshot it builds on.
    pub(crate) fn epochs(&mut self) -> Result<(u64, u64), Error> {
        let standing = self.call(Purpose::Upkeep, |policy, store| policy.upkeep().describe(store))?;
        Ok((standing.epoch, standing.snapshot_epoch))
    }

    /// How it is called.
    #[cfg(test)]
    pub(crate) const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Linear memory in use.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.data().memory_bytes
    }

    /// Names keys.
    pub(crate) fn intern(&mut self, keys: &[Vec<u8>]) -> Result<u32, Error> {
        self.call(Purpose::Upkeep, |policy, store| policy.allocation().intern(store, keys))
    }
}
