//! What a gate counts of itself. No key enters a name or a label.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::gate::{Gate, Holding, Verdict, WORDS};

/// Tiers that are counted apart; a table has no more.
const TIERS: usize = 32;

/// Rules that are counted; a configuration has no more.
const RULES: usize = 256;

/// Counters of a gate.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// By label of the decision, whether it bites, and tier; the last row is of requests that the fail mode answered.
    decisions: [[[AtomicU64; TIERS]; 2]; WORDS.len()],
    /// By rule.
    matches: Matches,
    key_missing: AtomicU64,
    delayed: AtomicU64,
    delay_us: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) restarts: AtomicU64,
    pub(crate) swaps: AtomicU64,
    pub(crate) unavailable: AtomicU64,
    pub(crate) tables_applied: AtomicU64,
    pub(crate) tables_rejected: AtomicU64,
}

#[derive(Debug)]
struct Matches([AtomicU64; RULES]);

impl Default for Matches {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// HTTP requests with the same outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The decision in a word.
    pub decision: &'static str,
    /// Name of the tier.
    pub tier: String,
    /// Whether it bit.
    pub is_enforced: bool,
    /// How many.
    pub requests: u64,
}

/// What a gate has counted since it was built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// HTTP requests by decision and tier, those that there were.
    pub decisions: Vec<Decided>,
    /// Requests that matched each rule of the configuration. A rule that never matches is a mistake that nobody would notice
    /// otherwise.
    pub rule_matches: Vec<(String, u64)>,
    /// Requests without a part of what the key is built from.
    pub key_missing: u64,
    /// Requests that were held back and are not any more, and how long they were in all.
    pub delayed: (u64, Duration),
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
    /// Linear memory of all instances.
    pub memory_bytes: u64,
}

impl Gate {
    /// What has been counted so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let counters = self.counters();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Holding { keys, waiting, memory_bytes } = self.holding();
        Metrics {
            decisions: counters.decided(&self.tiers()),
            rule_matches: self.rules().iter().cloned().zip(counters.matches.0.iter().map(read)).collect(),
            key_missing: read(&counters.key_missing),
            delayed: (read(&counters.delayed), Duration::from_micros(read(&counters.delay_us))),
            failures: read(&counters.failures),
            restarts: read(&counters.restarts),
            swaps: read(&counters.swaps),
            unavailable: read(&counters.unavailable),
            tables_applied: read(&counters.tables_applied),
            tables_rejected: read(&counters.tables_rejected),
            table_epoch: self.epochs().0,
            keys,
            waiting,
            memory_bytes,
        }
    }
}

impl Counters {
    /// Counts an HTTP request.
    pub(crate) fn count(&self, verdict: &Verdict) {
        let rows = self.decisions.get(verdict.label.map_or(WORDS.len() - 1, |label| label as usize));
        let row = rows.and_then(|rows| rows.get(usize::from(verdict.is_enforced)));
        let tier = row.and_then(|row| row.get(usize::from(verdict.tier)));
        let rule = verdict.rule.and_then(|rule| self.matches.0.get(rule as usize));
        let key_missing = verdict.anonymous.then_some(&self.key_missing);
        for counter in [tier, rule, key_missing].into_iter().flatten() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a request that was held back and is not any more.
    pub(crate) fn count_delay(&self, delay: Duration) {
        self.delayed.fetch_add(1, Ordering::Relaxed);
        self.delay_us.fetch_add(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn decided(&self, tiers: &[String]) -> Vec<Decided> {
        let mut all = Vec::new();
        for (decision, rows) in WORDS.into_iter().zip(&self.decisions) {
            for (is_enforced, row) in [false, true].into_iter().zip(rows) {
                for (tier, counter) in row.iter().enumerate() {
                    let requests = counter.load(Ordering::Relaxed);
                    if requests > 0 {
                        let tier = tiers.get(tier).map_or("default", String::as_str).to_owned();
                        all.push(Decided { decision, tier, is_enforced, requests });
                    }
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
            ("tidegate_key_missing_total", self.key_missing),
        ];
        let gauges = [
            ("tidegate_table_epoch", self.table_epoch),
            ("tidegate_keys", self.keys),
            ("tidegate_waiting", self.waiting),
            ("tidegate_memory_bytes", self.memory_bytes),
        ];
        let mut text = String::new();
        for (kind, rows) in [("counter", &counters[..]), ("gauge", &gauges[..])] {
            for (name, value) in rows {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "# TYPE {name} {kind}\n{name} {value}");
            }
        }
        let (delayed, delay) = self.delayed;
        let name = "tidegate_delay_seconds";
        let _ = writeln!(
            text,
            "# TYPE {name} summary\n{name}_sum {}\n{name}_count {delayed}",
            delay.as_secs_f64()
        );
        let label = |name: &str| name.replace(['\\', '"', '\n'], "_");
        for (rule, matches) in &self.rule_matches {
            let _ = writeln!(text, "tidegate_rule_matches_total{{rule=\"{}\"}} {matches}", label(rule));
        }
        for Decided { decision, tier, is_enforced, requests } in &self.decisions {
            let (tier, mode) = (label(tier), if *is_enforced { "enforce" } else { "shadow" });
            let name = "tidegate_decisions_total";
            let labels = format!("decision=\"{decision}\",tier=\"{tier}\",mode=\"{mode}\"");
            let _ = writeln!(text, "{name}{{{labels}}} {requests}");
        }
        text
    }
}
