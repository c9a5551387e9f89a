//! What the parts of a running forecaster share.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tidegate_learn::{Learner, Profiles};
use tidegate_store::Store;
use tokio::sync::{RwLock, watch};
use tokio_util::sync::CancellationToken;

use crate::{config::Config, ingest::Ingest, metrics::Metrics, planning::Plan, proxies::Proxies};

/// A running forecaster.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) proxies: Arc<Proxies>,
    pub(crate) ingest: Ingest,
    pub(crate) learner: RwLock<Learner>,
    profiles: Mutex<Profiles>,
    /// The plan in force. A subscriber sees the newest one only: a slow proxy skips plans, none is queued for it.
    pub(crate) plan: watch::Sender<Option<Arc<Plan>>>,
    /// Cancelled once, when the process is to end.
    pub(crate) shutdown: CancellationToken,
    loaded: AtomicBool,
}

impl App {
    pub(crate) fn new(config: Config, store: Store, metrics: Arc<Metrics>, ingest: Ingest) -> Arc<Self> {
        Arc::new(Self {
            proxies: Proxies::new(Arc::clone(&metrics)),
            learner: RwLock::new(Learner::new(&config.learning(), config.resources.len())),
            profiles: Mutex::new(Profiles::new(config.max_keys, config.resources.len())),
            plan: watch::Sender::new(None),
            shutdown: CancellationToken::new(),
            loaded: AtomicBool::new(false),
            config,
            store,
            metrics,
            ingest,
        })
    }

    /// The plan in force, if there is one yet.
    pub(crate) fn current_plan(&self) -> Option<Arc<Plan>> {
        self.plan.borrow().clone()
    }

    /// What requests of each key are like.
    pub(crate) fn profiles(&self) -> MutexGuard<'_, Profiles> {
        self.profiles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The models have learned what the database knew.
    pub(crate) fn set_loaded(&self) {
        self.loaded.store(true, Ordering::Release);
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }
}
