//! Staying connected, and what is due beside it.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::{sleep, timeout};

use super::{backoff::Backoff, clerk::Clerk, courier::Courier, stream};
use crate::{gate::Gate, time::Timestamp};

/// How often a gate is looked after.
const TICK: Duration = Duration::from_millis(50);
/// How often usage is cut into reports before the forecaster has said.
const UNTOLD_INTERVAL_MS: u32 = 10_000;
/// How often the configuration is asked for a forecaster while it names none.
const LONELY: Duration = Duration::from_secs(5);
/// How long the last reports may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// The link between a gate and the forecaster that its configuration names.
#[derive(Debug)]
pub struct Link {
    shared: Shared,
}

/// What the parts of a link have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) gate: Gate,
    /// Certificates of those who vouch for the forecaster; the system's when there are none.
    pub(super) authority: Option<Vec<u8>>,
    courier: Mutex<Courier>,
    interval_ms: AtomicU32,
    is_connected: AtomicBool,
    /// There is nobody to send reports to.
    is_alone: AtomicBool,
    is_stopping: AtomicBool,
}

impl Link {
    /// A link for `gate`. Its address is `forecaster.cluster` of the configuration: `http://…`, or `https://…` for TLS. Without one
    /// it only does what is due in the gate.
    #[must_use]
    pub fn new(gate: &Gate) -> Self {
        let shared = Shared {
            gate: gate.clone(),
            authority: None,
            courier: Mutex::default(),
            interval_ms: AtomicU32::new(UNTOLD_INTERVAL_MS),
            is_connected: AtomicBool::new(false),
            is_alone: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
        };
        Self { shared }
    }

    /// Trusts who has a certificate by these, in PEM, instead of those that the system trusts.
    #[must_use]
    pub fn authority(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.shared.authority = Some(pem.into());
        self
    }

    /// Keeps the gate and the forecaster in touch until `stop`, then sends the last reports. Also does what is due in the gate
    /// without a request ([`Gate::advance`]).
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let shared = &self.shared;
        let mut connection = pin!(shared.stay_connected());
        tokio::select! {
            () = stop => {}
            () = &mut connection => {}
            () = shared.look_after() => {}
        }
        shared.cut();
        shared.is_stopping.store(true, Ordering::Relaxed);
        if shared.is_connected.load(Ordering::Relaxed) {
            // Without an answer in time the usage of the last seconds is lost.
            let _ = timeout(FAREWELL, connection).await;
        }
    }
}

impl Shared {
    pub(super) fn courier(&self) -> MutexGuard<'_, Courier> {
        self.courier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// The forecaster takes reports now.
    pub(super) fn welcome(&self, interval_ms: u32) {
        tracing::info!("connected to the forecaster");
        self.gate.set_report_interval(interval_ms);
        self.interval_ms.store(interval_ms.max(1), Ordering::Relaxed);
        self.courier().start_over();
        self.is_connected.store(true, Ordering::Relaxed);
    }

    /// Whether the configuration in force names one. While the policy fails that is unknown, and found out by talking.
    fn has_forecaster(&self) -> bool {
        let address = Clerk::new(&self.gate, Timestamp::now()).and_then(|mut clerk| clerk.address());
        !matches!(address, Ok(None))
    }

    async fn stay_connected(&self) {
        let mut backoff = Backoff::default();
        loop {
            let is_alone = !self.has_forecaster();
            self.is_alone.store(is_alone, Ordering::Relaxed);
            if is_alone {
                // Another configuration may name one.
                sleep(LONELY).await;
                continue;
            }
            let ended = stream::converse(self).await;
            let was_connected = self.is_connected.swap(false, Ordering::Relaxed);
            let Err(reason) = ended else { return };
            if self.is_stopping() {
                return;
            }
            if was_connected {
                backoff.reset();
            }
            let pause = backoff.next();
            tracing::warn!("no stream to the forecaster ({reason}); again in {} ms", pause.as_millis());
            sleep(pause).await;
        }
    }

    async fn look_after(&self) {
        let mut next_cut = 0;
        let mut dropped = 0;
        loop {
            sleep(TICK).await;
            let (gate, now) = (self.gate.clone(), Timestamp::now());
            // Dividing the budget may install a table.
            if tokio::task::spawn_blocking(move || gate.advance(now)).await.is_err() {
                return;
            }
            let interval_ms = u64::from(self.interval_ms.load(Ordering::Relaxed));
            let window = now.nanos() / 1_000_000 / interval_ms;
            if window != next_cut {
                next_cut = window;
                self.cut();
            }
            let now_dropped = self.courier().dropped();
            if now_dropped > dropped {
                tracing::warn!(
                    "{} reports dropped: the forecaster does not take them",
                    now_dropped - dropped
                );
                dropped = now_dropped;
            }
        }
    }

    /// Cuts usage into reports.
    fn cut(&self) {
        let reports = self.gate.reports();
        if self.is_alone.load(Ordering::Relaxed) {
            return;
        }
        let mut courier = self.courier();
        reports.into_iter().for_each(|report| courier.keep(report));
    }
}
