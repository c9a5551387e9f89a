//! One shard: an instance of the policy behind a lock, and what has to be known to make it anew.
//!
//! The lock is held for one call into the policy, less than a microsecond on the request path and about a millisecond for a
//! slice of a table; so a task that decides never has to be moved off its runtime.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError},
};

use crate::{decision::Place, error::Error, gate::Rules, instance::Instance, time::Timestamp};

/// A worker.
pub(crate) struct Shard {
    pub(crate) index: u16,
    state: Mutex<State>,
    ids: RwLock<HashMap<Arc<[u8]>, u32>>,
}

/// What the lock protects.
pub(crate) struct State {
    pub(crate) instance: Option<Instance>,
    /// Another instance is on its way.
    pub(crate) is_failed: bool,
    /// The time of the last request: an instance made anew begins then.
    pub(crate) now: Timestamp,
    /// Counts instances; receipts and tickets are of one.
    pub(crate) generation: u32,
    /// Tells the instance's reports from those of others.
    pub(crate) boot: u64,
    /// Interned keys by number.
    pub(crate) names: Vec<Arc<[u8]>>,
    /// Names of the tiers of the table in force.
    pub(crate) tiers: Arc<[String]>,
    /// What the instance wants to see of messages.
    pub(crate) rules: Arc<Rules>,
}

impl Shard {
    pub(crate) fn new(index: u16, mut instance: Instance, boot: u64, now: Timestamp) -> Result<Self, Error> {
        instance.identify(boot)?;
        let rules = Arc::new(Rules::of(&mut instance)?);
        let state = State {
            instance: Some(instance),
            is_failed: false,
            now,
            generation: 0,
            boot,
            names: Vec::new(),
            tiers: Arc::new([]),
            rules,
        };
        let (state, ids) = (Mutex::new(state), RwLock::default());
        Ok(Self { index, state, ids })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A decision is short: whoever has to wait for one is served sooner by trying again than by going to sleep.
        const ATTEMPTS: u32 = 100;
        for _ in 0..ATTEMPTS {
            match self.state.try_lock() {
                Ok(state) => return state,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
        }
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a key; a new one while there are fewer than `most`.
    pub(crate) fn intern(&self, name: &Arc<[u8]>, most: usize) -> Option<u32> {
        if let Some(id) = self.ids.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Some(*id);
        }
        // Whoever holds both locks takes this one first.
        let mut state = self.lock();
        let mut ids = self.ids.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = ids.get(name) {
            return Some(*id);
        }
        if state.names.len() >= most {
            return None;
        }
        let id = u32::try_from(state.names.len()).ok()?;
        state.names.push(Arc::clone(name));
        // An instance that fails here is found out by the next decision, and its successor is told all names.
        if let Some(instance) = &mut state.instance
            && instance.intern(&[name.to_vec()]).ok() != Some(id)
        {
            state.instance = None;
        }
        ids.insert(Arc::clone(name), id);
        Some(id)
    }
}

impl State {
    /// Runs `act` on the instance at `now`, or a little later: threads that took their time in one order may come in another, and
    /// the policy would take each step back for a clock that was set, after which time goes on, and so count it twice.
    pub(crate) fn timed<T>(
        &mut self,
        now: Timestamp,
        act: impl FnOnce(&mut Instance, u64) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let now = self.in_order(now);
        self.with(|instance| act(instance, now.nanos()))
    }

    /// `now` without small steps back. A large one is a clock that was set, and passed on.
    pub(crate) fn in_order(&mut self, now: Timestamp) -> Timestamp {
        const DISORDER_NS: u64 = 1_000_000_000;
        let back = self.now.nanos().saturating_sub(now.nanos());
        if back == 0 || back > DISORDER_NS {
            self.now = now;
        }
        self.now
    }

    /// Runs `act` on the instance. One that fails is let go.
    pub(crate) fn with<T>(
        &mut self,
        act: impl FnOnce(&mut Instance) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let instance = self.instance.as_mut().ok_or(Error::Restarting)?;
        let result = act(instance);
        if let Err(Error::Policy(_)) = &result {
            self.instance = None;
        }
        result
    }

    /// Where numbers of this instance come from.
    pub(crate) const fn place(&self, shard: u16) -> Place {
        Place { shard, generation: self.generation, number: 0 }
    }

    /// The instance that gave a number, if it is still there.
    pub(crate) fn of(&mut self, place: Place) -> Option<&mut Self> {
        (self.generation == place.generation).then_some(self)
    }
}
