//! What an operator can watch: counters, gauges and histograms in Prometheus' text format.
//!
//! Base units, no key in a label.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use tidegate_learn::Verdict;

/// A label that says how something ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ResultLabel {
    result: &'static str,
}

/// Labels of what is forecast of a region.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RegionLabels {
    pub(crate) resource: String,
    pub(crate) region: String,
}

/// Labels of what is told of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ResourceLabel {
    pub(crate) resource: String,
}

/// Labels of what more capacity would have served.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct WishLabels {
    pub(crate) resource: String,
    pub(crate) result: &'static str,
}

/// Labels of what requests take.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TakeLabels {
    pub(crate) resource: String,
    pub(crate) of: &'static str,
    pub(crate) quantile: &'static str,
}

/// A label that says why something did not happen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ReasonLabel {
    reason: &'static str,
}

/// Every metric.
pub(crate) struct Metrics {
    registry: Registry,
    reports: Family<ResultLabel, Counter>,
    streams_refused: Family<ReasonLabel, Counter>,
    unlearned_series: Family<ReasonLabel, Counter>,
    table_acks: Family<ResultLabel, Counter>,
    regions: Family<RegionLabels, Gauge<f64, AtomicU64>>,
    takes: Family<TakeLabels, Gauge>,
    wished_tokens: Family<WishLabels, Counter>,
    wanted_capacity: Family<ResourceLabel, Gauge<f64, AtomicU64>>,
    details: Counter,
    unprofiled: Counter,
    profiled_keys: Gauge,
    pub(crate) late_windows: Counter,
    pub(crate) future_windows: Counter,
    pub(crate) tables: Counter,
    pub(crate) tables_sent: Counter,
    pub(crate) steps: Counter,
    pub(crate) fits: Counter,
    trials: Family<ResultLabel, Counter>,
    trial_seconds: Counter<f64, AtomicU64>,
    heavy_series: Gauge,
    heavy_gain: Gauge<f64, AtomicU64>,
    pub(crate) step_failures: Counter,
    pub(crate) windows_deleted: Counter,
    /// Requests of the HTTP API without its token.
    pub(crate) requests_unauthorized: Counter,
    pub(crate) proxies_connected: Gauge,
    pub(crate) windows_dropped: Gauge,
    pub(crate) series: Gauge,
    pub(crate) schooled_steps: Gauge,
    pub(crate) table_epoch: Gauge,
    pub(crate) table_bytes: Gauge,
    pub(crate) commit_seconds: Histogram,
    pub(crate) step_seconds: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let millis_to_minutes = || Histogram::new(exponential_buckets(0.001, 4.0, 9));
        let mut metrics = Self {
            registry: Registry::with_prefix("tidegate"),
            reports: Family::default(),
            streams_refused: Family::default(),
            unlearned_series: Family::default(),
            table_acks: Family::default(),
            regions: Family::default(),
            takes: Family::default(),
            wished_tokens: Family::default(),
            wanted_capacity: Family::default(),
            details: Counter::default(),
            unprofiled: Counter::default(),
            profiled_keys: Gauge::default(),
            late_windows: Counter::default(),
            future_windows: Counter::default(),
            tables: Counter::default(),
            tables_sent: Counter::default(),
            steps: Counter::default(),
            fits: Counter::default(),
            trials: Family::default(),
            trial_seconds: Counter::default(),
            heavy_series: Gauge::default(),
            heavy_gain: Gauge::default(),
            step_failures: Counter::default(),
            windows_deleted: Counter::default(),
            requests_unauthorized: Counter::default(),
            proxies_connected: Gauge::default(),
            windows_dropped: Gauge::default(),
            series: Gauge::default(),
            schooled_steps: Gauge::default(),
            table_epoch: Gauge::default(),
            table_bytes: Gauge::default(),
            commit_seconds: millis_to_minutes(),
            step_seconds: millis_to_minutes(),
        };
        metrics.register_sync();
        metrics.register_forecast();
        metrics
    }

    fn register_sync(&mut self) {
        let r = &mut self.registry;
        r.register(
            "reports",
            "Usage reports by result: added, duplicate, malformed, failed",
            self.reports.clone(),
        );
        let help = "Usage windows that arrived after their step was closed: counted, but not learned";
        r.register("late_windows", help, self.late_windows.clone());
        let help = "Usage windows that begin in the future: a proxy's clock is ahead";
        r.register("future_windows", help, self.future_windows.clone());
        let help =
            "Usage windows that the connected proxies threw away since their start: no forecaster took them";
        r.register("windows_dropped_by_proxies", help, self.windows_dropped.clone());
        r.register(
            "streams_refused",
            "Sync streams refused at hello, by reason",
            self.streams_refused.clone(),
        );
        let help = "Windows of a key of which reports told more than counters: regions, versions, what requests take";
        r.register("details", help, self.details.clone());
        let help = "What was told of keys beyond max_keys: kept, but not shown";
        r.register("details_left_out", help, self.unprofiled.clone());
        let help = "Keys of which it is known what their requests are like";
        r.register("profiled_keys", help, self.profiled_keys.clone());
        r.register("proxies_connected", "Open sync streams", self.proxies_connected.clone());
        r.register("tables_sent", "Tables sent to proxies", self.tables_sent.clone());
        r.register("table_acks", "Answers of proxies to tables: applied, rejected", self.table_acks.clone());
        let help = "Time to make a batch of reports durable";
        r.register_with_unit("commit", help, Unit::Seconds, self.commit_seconds.clone());
    }

    fn register_forecast(&mut self) {
        let r = &mut self.registry;
        r.register("steps", "Steps closed and learned", self.steps.clone());
        r.register("fits", "Models fitted to what they have learned", self.fits.clone());
        let help = "Heavy models tried for keys, by what became of them: joined, left, stayed";
        r.register("heavy_trials", help, self.trials.clone());
        let help = "CPU time that trying heavy models took";
        r.register_with_unit("heavy", help, Unit::Seconds, self.trial_seconds.clone());
        r.register("heavy_series", "Series whose bank has a heavy model", self.heavy_series.clone());
        let help = "By what part their pinball loss was less when it joined, on average";
        r.register("heavy_gain", help, self.heavy_gain.clone());
        r.register("step_failures", "Steps whose closing or planning failed", self.step_failures.clone());
        let help = "Time to close a step: read usage, learn, forecast, plan";
        r.register_with_unit("step", help, Unit::Seconds, self.step_seconds.clone());
        r.register("series", "Series learned", self.series.clone());
        let help =
            "Steps that what all keys teach comes from, as far as it is kept; 0 where models share nothing";
        r.register("schooled_steps", help, self.schooled_steps.clone());
        let help = "Series of a step that were not learned, by reason: too_many_keys, unknown_resource";
        r.register("unlearned_series", help, self.unlearned_series.clone());
        let help = "What is forecast of each region that reports tell for the next step, in tokens";
        r.register("region_forecast", help, self.regions.clone());
        let help = "What requests take lately, of all keys, where reports tell: cpu_us, memory_bytes, network_bytes, duration_ms";
        r.register("request_takes", help, self.takes.clone());
        let help = "Tokens within contract for which there was no capacity, of tiers that may ask for more: refused, delayed";
        r.register("wished_tokens", help, self.wished_tokens.clone());
        let help = "Capacity that is expected to serve them too in the next step, in tokens per second";
        r.register("wanted_capacity_per_s", help, self.wanted_capacity.clone());
        r.register("tables", "Tables planned", self.tables.clone());
        r.register("table_epoch", "Epoch of the newest table", self.table_epoch.clone());
        r.register_with_unit("table", "Size of the newest table", Unit::Bytes, self.table_bytes.clone());
        let help = "Usage windows deleted because they were older than retention_days";
        r.register("windows_deleted", help, self.windows_deleted.clone());
        let help = "Requests of the HTTP API without its token";
        r.register("requests_unauthorized", help, self.requests_unauthorized.clone());
    }

    /// What is forecast of the regions there are; there is no other any more.
    pub(crate) fn forecast_regions(&self, of: Vec<(RegionLabels, f64)>) {
        self.regions.clear();
        for (labels, mean) in of {
            self.regions.get_or_create(&labels).set(mean);
        }
    }

    /// Tokens that more capacity would have served.
    pub(crate) fn wished(&self, labels: WishLabels, tokens: u64) {
        self.wished_tokens.get_or_create(&labels).inc_by(tokens);
    }

    /// What capacity would serve everybody in the next step.
    pub(crate) fn want(&self, of: Vec<(ResourceLabel, f64)>) {
        for (labels, capacity_per_s) in of {
            self.wanted_capacity.get_or_create(&labels).set(capacity_per_s);
        }
    }

    /// What requests take, as far as it is known.
    pub(crate) fn requests_take(&self, of: Vec<(TakeLabels, u64)>) {
        for (labels, value) in of {
            self.takes.get_or_create(&labels).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }

    pub(crate) fn report(&self, result: &'static str) {
        self.reports.get_or_create(&ResultLabel { result }).inc();
    }

    pub(crate) fn stream_refused(&self, reason: &'static str) {
        self.streams_refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// A trial's end, the CPU time it took, and the gains of the heavy models there are now.
    pub(crate) fn trial(&self, verdict: Verdict, seconds: f64, gains: &[f64]) {
        let result = match verdict {
            Verdict::Joined(_) => "joined",
            Verdict::Left => "left",
            Verdict::Stayed => "stayed",
        };
        self.trials.get_or_create(&ResultLabel { result }).inc();
        self.trial_seconds.inc_by(seconds);
        self.heavy_series.set(gauge(gains.len()));
        self.heavy_gain.set(gains.iter().sum::<f64>() / gains.len().max(1) as f64);
    }

    pub(crate) fn unlearned(&self, reason: &'static str, series: u64) {
        self.unlearned_series.get_or_create(&ReasonLabel { reason }).inc_by(series);
    }

    /// Windows of which more was told, what of that had no place, and the keys that have one now.
    pub(crate) fn details(&self, windows: u64, left_out: u64, keys: usize) {
        self.details.inc_by(windows);
        self.unprofiled.inc_by(left_out);
        self.profiled_keys.set(gauge(keys));
    }

    pub(crate) fn table_ack(&self, result: &'static str) {
        self.table_acks.get_or_create(&ResultLabel { result }).inc();
    }

    /// The text that a scrape gets.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

/// As a gauge shows it.
pub(crate) fn gauge(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
