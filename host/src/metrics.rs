//! What a gate counts of itself. No key enters a name or a label.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::gate::{Gate, WORDS};

/// Tiers that are counted apart; a table has no more.
const TIERS: usize = 32;

/// Counters of a gate.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// By label of the decision and tier; the last row is of requests that the fail mode answered.
    decisions: [[AtomicU64; TIERS]; WORDS.len()],
    pub(crate) failures: AtomicU64,
    pub(crate) restarts: AtomicU64,
    pub(crate) swaps: AtomicU64,
    pub(crate) unavailable: AtomicU64,
    pub(crate) tables_applied: AtomicU64,
    pub(crate) tables_rejected: AtomicU64,
}

/// HTTP requests with the same outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The decision in a word.
    pub decision: &'static str,
    /// Name of the tier.
    pub tier: String,
    /// How many.
    pub requests: u64,
}

/// What a gate has counted since it was built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// HTTP requests by decision and tier, those that there were.
    pub decisions: Vec<Decided>,
    /// Instances that trapped, or ran out of time or memory.
    pub failures: u64,
    /// Instances made anew after that.
    pub restarts: u64,
    /// Times that the component or the configuration was replaced.
    pub swaps: u64,
    /// Requests that the fail mode answered.
    pub unavailable: u64,
    /// Tables put into force.
    pub tables_applied: u64,
    /// Tables refused.
    pub tables_rejected: u64,
    /// Epoch of the table in force, 0 for none.
    pub table_epoch: u64,
    /// Keys that the policy knows of.
    pub keys: u64,
    /// Requests that wait.
    pub waiting: u64,
}

impl Gate {
    /// What has been counted so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let counters = self.counters();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (keys, waiting) = self.held();
        Metrics {
            decisions: counters.decided(&self.tiers()),
            failures: read(&counters.failures),
            restarts: read(&counters.restarts),
            swaps: read(&counters.swaps),
            unavailable: read(&counters.unavailable),
            tables_applied: read(&counters.tables_applied),
            tables_rejected: read(&counters.tables_rejected),
            table_epoch: self.epochs().0,
            keys,
            waiting,
        }
    }
}

impl Counters {
    /// Counts an HTTP request.
    pub(crate) fn count(&self, word: &str, tier: u8) {
        let row = WORDS.iter().position(|candidate| *candidate == word);
        let row = row.and_then(|row| self.decisions.get(row));
        if let Some(counter) = row.and_then(|row| row.get(usize::from(tier))) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn decided(&self, tiers: &[String]) -> Vec<Decided> {
        let mut all = Vec::new();
        for (decision, row) in WORDS.into_iter().zip(&self.decisions) {
            for (tier, counter) in row.iter().enumerate() {
                let requests = counter.load(Ordering::Relaxed);
                if requests > 0 {
                    let tier = tiers.get(tier).map_or("default", String::as_str).to_owned();
                    all.push(Decided { decision, tier, requests });
                }
            }
        }
        all
    }
}

impl Metrics {
    /// The metrics in the text format of Prometheus.
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        let counters = [
            ("tidegate_policy_failures_total", self.failures),
            ("tidegate_policy_restarts_total", self.restarts),
            ("tidegate_policy_swaps_total", self.swaps),
            ("tidegate_unavailable_total", self.unavailable),
            ("tidegate_tables_applied_total", self.tables_applied),
            ("tidegate_tables_rejected_total", self.tables_rejected),
        ];
        let gauges = [
            ("tidegate_table_epoch", self.table_epoch),
            ("tidegate_keys", self.keys),
            ("tidegate_waiting", self.waiting),
        ];
        let mut text = String::new();
        for (kind, rows) in [("counter", &counters[..]), ("gauge", &gauges[..])] {
            for (name, value) in rows {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "# TYPE {name} {kind}\n{name} {value}");
            }
        }
        for Decided { decision, tier, requests } in &self.decisions {
            let tier = tier.replace(['\\', '"', '\n'], "_");
            let name = "tidegate_decisions_total";
            let _ = writeln!(text, "{name}{{decision=\"{decision}\",tier=\"{tier}\"}} {requests}");
        }
        text
    }
}
