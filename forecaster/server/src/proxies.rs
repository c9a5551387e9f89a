//! Who is connected, and what each of them has in force.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::metrics::{Metrics, gauge};

/// Most sync streams at once.
const MAX_STREAMS: usize = 1024;

/// One open sync stream.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    /// The proxy's name from its configuration.
    pub(crate) name: String,
    /// Differs at every start of the proxy.
    pub(crate) boot: u64,
    /// When it connected, in milliseconds since the Unix epoch.
    pub(crate) since_ms: u64,
    /// Epoch of the table that it says it has in force, 0 for none.
    pub(crate) table_epoch: u64,
    /// Why it refused the last table, if it did.
    pub(crate) table_error: Option<String>,
    /// The newest report that is durable.
    pub(crate) last_seq: u64,
    /// Usage windows it has thrown away since its start.
    pub(crate) dropped: u64,
}

/// Every open sync stream.
pub(crate) struct Proxies {
    streams: Mutex<Streams>,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Streams {
    open: BTreeMap<u64, Proxy>,
    last_id: u64,
    /// Since when at least one stream has been open.
    watched_since_ms: Option<u64>,
}

/// One open stream's place in the list; dropping it takes the proxy off.
pub(crate) struct Connected {
    id: u64,
    proxies: Arc<Proxies>,
}

impl Proxies {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { streams: Mutex::default(), metrics })
    }

    /// Adds a proxy; `None` when there are too many already.
    pub(crate) fn connect(self: &Arc<Self>, proxy: Proxy) -> Option<Connected> {
        let mut streams = self.lock();
        if streams.open.len() >= MAX_STREAMS {
            return None;
        }
        streams.last_id += 1;
        let id = streams.last_id;
        streams.watched_since_ms.get_or_insert(proxy.since_ms);
        streams.open.insert(id, proxy);
        self.note(&streams);
        drop(streams);
        Some(Connected { id, proxies: Arc::clone(self) })
    }

    /// Everyone who is connected.
    pub(crate) fn list(&self) -> Vec<Proxy> {
        self.lock().open.values().cloned().collect()
    }

    /// How many different proxies are connected.
    pub(crate) fn names(&self) -> usize {
        self.lock().open.values().map(|proxy| proxy.name.as_str()).collect::<BTreeSet<_>>().len()
    }

    /// Whether somebody has been there without a break since `instant_ms`.
    pub(crate) fn watched_since(&self, instant_ms: u64) -> bool {
        self.lock().watched_since_ms.is_some_and(|since_ms| since_ms <= instant_ms)
    }

    fn note(&self, streams: &Streams) {
        let dropped = streams.open.values().map(|proxy| proxy.dropped).fold(0, u64::saturating_add);
        self.metrics.proxies_connected.set(gauge(streams.open.len()));
        self.metrics.windows_dropped.set(i64::try_from(dropped).unwrap_or(i64::MAX));
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connected {
    /// Changes what is known of this proxy.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Proxy)) {
        let mut streams = self.proxies.lock();
        if let Some(proxy) = streams.open.get_mut(&self.id) {
            change(proxy);
        }
        self.proxies.note(&streams);
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut streams = self.proxies.lock();
        streams.open.remove(&self.id);
        if streams.open.is_empty() {
            streams.watched_since_ms = None;
        }
        self.proxies.note(&streams);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(name: &str, since_ms: u64) -> Proxy {
        Proxy {
            name: name.to_owned(),
            boot: 1,
            since_ms,
            table_epoch: 0,
            table_error: None,
            last_seq: 0,
            dropped: 0,
        }
    }

    #[test]
    fn the_list_follows_who_is_there() {
        let proxies = Proxies::new(Arc::new(Metrics::new()));
        let first = proxies.connect(proxy("a", 10)).unwrap();
        let second = proxies.connect(proxy("a", 20)).unwrap();
        second.update(|proxy| proxy.table_epoch = 7);
        assert_eq!((proxies.list().len(), proxies.names()), (2, 1));
        drop(first);
        assert_eq!(proxies.list()[0].table_epoch, 7);
        assert!(proxies.watched_since(10) && !proxies.watched_since(9));
        drop(second);
        assert!(proxies.list().is_empty() && !proxies.watched_since(u64::MAX));
    }

    #[test]
    fn streams_are_bounded() {
        let proxies = Proxies::new(Arc::new(Metrics::new()));
        let connected: Vec<_> = (0..=MAX_STREAMS).map(|_| proxies.connect(proxy("a", 1))).collect();
        assert!(connected.last().unwrap().is_none());
        assert_eq!(connected.iter().flatten().count(), MAX_STREAMS);
    }
}
