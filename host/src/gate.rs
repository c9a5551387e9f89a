//! The gate: a policy for many threads.
//!
//! | file | idea |
//! |---|---|
//! | `builder` | what a gate is made of |
//! | `decide` | requests, by interned keys |
//! | `verdict` | requests by their attributes, and the answers that clients see |
//! | `held` | requests that wait for their turn, as futures |
//! | `queue` | requests that wait, receipts that are settled |
//! | `tables` | tables in, slice by slice; the last good ones |
//! | `mend` | failed instances are made anew |
//! | `swap` | another component, or another configuration, without a pause |
//! | `upkeep` | what is due without a request, and reports |

mod builder;
mod decide;
mod held;
mod mend;
mod queue;
mod swap;
mod tables;
mod upkeep;
mod verdict;

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
        mpsc::Sender,
    },
};

pub use builder::{Budget, Builder, FailMode};
pub use held::Held;
pub use queue::{Alternatives, Released};
pub(crate) use upkeep::Holding;
pub use upkeep::Report;
pub use verdict::{Header, Label, Response, Verdict};
pub(crate) use verdict::{Rules, WORDS};

use crate::{
    component::Component,
    decision::Key,
    error::Error,
    instance::{Crew, Instance, Start},
    limits::Limits,
    metrics::Counters,
    shard::{Shard, State},
    time::Timestamp,
};
use tables::Tables;

/// Decides requests. Clones share one policy; every method may be called from any thread or task at any time.
#[derive(Clone)]
pub struct Gate {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    /// What instances are made of; locked while they are.
    origin: Mutex<Origin>,
    limits: Limits,
    fail_mode: FailMode,
    shards: Box<[Shard]>,
    /// Chooses a key's shard; nobody outside can aim at one.
    hasher: RandomState,
    most_keys: usize,
    /// Built from a configuration.
    has_rules: bool,
    room: Arc<held::Room>,
    tables: Mutex<Tables>,
    /// With more than one shard.
    crew: Option<Crew>,
    next_boot: AtomicU64,
    /// Shards that need another instance.
    failed: Sender<u16>,
    /// As the forecaster asks for; 0 before it has.
    report_interval_ms: AtomicU32,
    /// What instances that were replaced had not reported yet.
    unsent: Mutex<Vec<Report>>,
    counters: Counters,
}

/// What instances are made of.
#[derive(Clone)]
struct Origin {
    component: Component,
    start: Start,
}

impl Gate {
    /// A gate is made of a component and either resources or a configuration.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Interns a key, to ask by number from now on. A gate holds so many keys as its builder says; those beyond are passed by
    /// name, which costs a little more and changes no decision.
    #[must_use]
    pub fn key(&self, name: impl AsRef<[u8]>) -> Key {
        let name: Arc<[u8]> = Arc::from(name.as_ref());
        let shard = self.shard_of(&name);
        Key { id: shard.intern(&name, self.inner.most_keys), shard: shard.index, name }
    }

    /// Names of the tiers of the table in force, by the index that decisions give; empty without one.
    #[must_use]
    pub fn tiers(&self) -> Arc<[String]> {
        Arc::clone(&self.shard(0).lock().tiers)
    }

    /// Number of shards.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.inner.shards.len()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    /// An instance beside those that decide.
    #[cfg(feature = "sync")]
    pub(crate) fn spare(&self, now: Timestamp) -> Result<Instance, Error> {
        let origin = self.origin().clone();
        Instance::new(&origin.component, &self.inner.limits, &origin.start, None, now)
    }

    /// Times that the component or the configuration was replaced.
    #[cfg(feature = "sync")]
    pub(crate) fn swaps(&self) -> u64 {
        self.inner.counters.swaps.load(Ordering::Relaxed)
    }

    /// A number that no instance has had.
    #[cfg(feature = "sync")]
    pub(crate) fn next_boot(&self) -> u64 {
        self.inner.boot()
    }

    fn shard_of(&self, name: &[u8]) -> &Shard {
        self.shard(self.index_of(name))
    }

    fn index_of(&self, name: &[u8]) -> u16 {
        match self.inner.shards.len() {
            0 | 1 => 0,
            shards => (self.inner.hasher.hash_one(name) % shards as u64) as u16,
        }
    }

    #[allow(
        clippy::indexing_slicing,
        reason = "builders make at least one shard, and the index is taken modulo their number"
    )]
    fn shard(&self, index: u16) -> &Shard {
        let shards = &self.inner.shards;
        &shards[usize::from(index) % shards.len()]
    }

    /// Runs `act` on a shard's instance; one that fails is replaced in the background.
    fn on<T>(&self, shard: &Shard, act: impl FnOnce(&mut State) -> Result<T, Error>) -> Result<T, Error> {
        let mut state = shard.lock();
        let result = act(&mut state);
        if state.instance.is_none() && !state.is_failed {
            state.is_failed = true;
            drop(state);
            self.inner.room.lose(shard.index);
            self.inner.counters.failures.fetch_add(1, Ordering::Relaxed);
            // The receiver lives as long as the gate.
            let _ = self.inner.failed.send(shard.index);
        }
        result
    }

    fn origin(&self) -> MutexGuard<'_, Origin> {
        self.inner.origin.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn boot(&self) -> u64 {
        self.next_boot.fetch_add(1, Ordering::Relaxed)
    }

    fn fresh(&self, origin: &Origin, now: Timestamp) -> Result<Instance, Error> {
        Instance::new(&origin.component, &self.limits, &origin.start, self.crew.as_ref(), now)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.room.close();
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("shards", &self.inner.shards.len()).finish_non_exhaustive()
    }
}
