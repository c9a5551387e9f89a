//! From reports to the database: one writer, as many queued reports per transaction as there are.
//!
//! A report is answered only once it is durable, so a proxy may forget what has been acknowledged.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use tidegate_core::report::{Report, Usage};
use tidegate_store::{Counters, NewReport, Recorded, Store, WindowUsage, WindowWish, Wished};
use tokio::sync::{mpsc, oneshot};

use crate::{clock, details::Beside, metrics::Metrics};

/// Reports waiting for the writer; streams wait when the queue is full.
const QUEUE: usize = 256;
/// Most reports in one transaction.
const BATCH: usize = 64;

/// The report could not be made durable; the proxy is to send it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotDurable;

struct Job {
    report: NewReport,
    done: oneshot::Sender<Result<Recorded, NotDurable>>,
}

/// The way of reports into the database.
pub(crate) struct Ingest {
    queue: mpsc::Sender<Job>,
    metrics: Arc<Metrics>,
    /// Usage of windows that began before this instant is learned already.
    closed_until_ms: AtomicU64,
    healthy: Arc<AtomicBool>,
}

/// The writing end; runs until every [`Ingest`] is gone and the queue is empty.
pub(crate) struct Writer {
    queue: mpsc::Receiver<Job>,
    store: Store,
    metrics: Arc<Metrics>,
    healthy: Arc<AtomicBool>,
}

pub(crate) fn channel(store: Store, metrics: Arc<Metrics>) -> (Ingest, Writer) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let healthy = Arc::new(AtomicBool::new(true));
    let ingest = Ingest {
        queue: sender,
        metrics: Arc::clone(&metrics),
        closed_until_ms: AtomicU64::new(0),
        healthy: Arc::clone(&healthy),
    };
    (ingest, Writer { queue: receiver, store, metrics, healthy })
}

impl Ingest {
    /// Records a report; returns once it is durable, or is known to have been before.
    pub(crate) async fn record(
        &self,
        proxy: &str,
        report: &Report,
        beside: &Beside,
    ) -> Result<Recorded, NotDurable> {
        let now_ms = clock::now_ms();
        let report = NewReport {
            proxy: proxy.to_owned(),
            boot: report.boot,
            seq: report.seq,
            received_at_ms: now_ms,
            windows: windows(report),
            details: beside.details.clone(),
            loads: beside.loads.clone(),
            wishes: wishes(report, now_ms),
        };
        let starts: Vec<u64> = report.windows.iter().map(|window| window.window_start_ms).collect();
        let (done, verdict) = oneshot::channel();
        self.queue.send(Job { report, done }).await.map_err(|_| NotDurable)?;
        let recorded = verdict.await.unwrap_or(Err(NotDurable))?;
        if recorded == Recorded::Added {
            let closed_until_ms = self.closed_until_ms.load(Ordering::Relaxed);
            let count =
                |matching: &dyn Fn(u64) -> bool| starts.iter().filter(|start| matching(**start)).count();
            self.metrics.late_windows.inc_by(count(&|start| start < closed_until_ms) as u64);
            self.metrics.future_windows.inc_by(count(&|start| start > now_ms) as u64);
        }
        Ok(recorded)
    }

    /// From now on, usage before `instant_ms` is late.
    pub(crate) fn close_until(&self, instant_ms: u64) {
        self.closed_until_ms.fetch_max(instant_ms, Ordering::Relaxed);
    }

    /// Whether the last attempt to write succeeded.
    pub(crate) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }
}

impl Writer {
    pub(crate) async fn run(mut self) {
        let mut jobs = Vec::with_capacity(BATCH);
        while self.queue.recv_many(&mut jobs, BATCH).await > 0 {
            let (reports, waiting): (Vec<NewReport>, Vec<_>) =
                jobs.drain(..).map(|job: Job| (job.report, job.done)).unzip();
            let started = Instant::now();
            let result = self.store.record(&reports).await;
            self.metrics.commit_seconds.observe(started.elapsed().as_secs_f64());
            self.note_health(result.as_ref().err());
            let verdicts = match result {
                Ok(verdicts) => verdicts.into_iter().map(Ok).collect(),
                Err(_) => vec![Err(NotDurable); waiting.len()],
            };
            for (verdict, done) in verdicts.into_iter().zip(waiting) {
                self.metrics.report(match verdict {
                    Ok(Recorded::Added) => "added",
                    Ok(Recorded::Duplicate) => "duplicate",
                    Err(NotDurable) => "failed",
                });
                // A stream that has ended meanwhile will learn from its next welcome what is durable.
                let _ = done.send(verdict);
            }
        }
    }

    fn note_health(&self, error: Option<&tidegate_store::Error>) {
        self.healthy.store(error.is_none(), Ordering::Relaxed);
        if let Some(error) = error {
            tracing::error!(%error, "reports are not durable; proxies keep them and send them again: check disk space and the database file");
        }
    }
}

fn windows(report: &Report) -> Vec<WindowUsage> {
    let window = |record: &tidegate_core::report::Record| {
        Some(WindowUsage {
            key: report.keys.get(usize::try_from(record.key).ok()?)?.clone(),
            resource: report.resources.get(usize::from(record.resource))?.clone(),
            window_start_ms: record.window_start_ms,
            counters: counters(&record.usage),
        })
    };
    report.records.iter().filter_map(window).collect()
}

/// What a report wishes for. It says no time, so that is the newest window which it tells of.
fn wishes(report: &Report, now_ms: u64) -> Vec<WindowWish> {
    let newest = report.records.iter().map(|record| record.window_start_ms).max();
    let wish = |wish: &tidegate_core::report::Wish| {
        Some(WindowWish {
            resource: report.resources.get(usize::from(wish.resource))?.clone(),
            window_start_ms: newest.unwrap_or(now_ms),
            wished: Wished { refused: wish.refused, delayed: wish.delayed },
        })
    };
    report.wishes.iter().filter_map(wish).collect()
}

fn counters(usage: &Usage) -> Counters {
    Counters {
        requests_offered: usage.requests_offered,
        requests_admitted: usage.requests_admitted,
        offered: usage.offered,
        guaranteed: usage.guaranteed,
        opportunistic: usage.opportunistic,
        emergency: usage.emergency,
        beyond: usage.beyond,
        delayed: usage.delayed,
        delay_ms: usage.delay_ms,
        settled: usage.settled,
        settled_estimate: usage.settled_estimate,
        largest: usage.largest,
    }
}
