//! Envoy metrics. No key ever enters a name: metrics never expire.
//!
//! Labels stand in the name as `.label.value` pairs, for `stats_tags` to turn into Prometheus labels. Requests only count in the
//! VM's own memory; Envoy hears of it with the next tick.

use std::collections::{BTreeMap, HashMap};

use proxy_wasm::types::MetricType;
use tidegate_core::{config::Mode, gate::Label};

use crate::host;

const LABELS: usize = Label::ALL.len();

/// The metrics of one VM; Envoy adds those of all VMs together.
#[derive(Default)]
pub(crate) struct Metrics {
    ids: HashMap<String, Option<u32>>,
    /// By tier; rows are made anew with each table, since tiers may have changed their names.
    decisions: Vec<Decisions>,
    /// What the policy on trial would have done, what the live one did, and the tier.
    trials: BTreeMap<(Label, Label, u8), u64>,
    /// Requests without a key, and with a warning.
    anonymous: u64,
    warned: u64,
}

/// The decisions of one tier, by mode and label.
#[derive(Default)]
struct Decisions {
    counts: [[u64; LABELS]; 2],
    ids: [[Option<u32>; LABELS]; 2],
}

impl Metrics {
    /// Counts a decision.
    pub(crate) fn count_decision(&mut self, label: Label, tier: u8, mode: Mode) {
        let tier = usize::from(tier);
        if self.decisions.len() <= tier {
            self.decisions.resize_with(tier + 1, Decisions::default);
        }
        let row = self.decisions.get_mut(tier).and_then(|row| row.counts.get_mut(mode as usize));
        if let Some(count) = row.and_then(|row| row.get_mut(label as usize)) {
            *count += 1;
        }
    }

    /// Counts a request without a key.
    pub(crate) const fn count_anonymous(&mut self) {
        self.anonymous += 1;
    }

    /// Counts a response that warns.
    pub(crate) const fn count_warning(&mut self) {
        self.warned += 1;
    }

    /// Counts what the policy on trial would have done with a request, beside what the live one did.
    pub(crate) fn count_trial(&mut self, trial: Label, live: Label, tier: u8) {
        *self.trials.entry((trial, live, tier)).or_default() += 1;
    }

    /// Tells Envoy what has been counted.
    pub(crate) fn flush(&mut self, tier_name: impl Fn(u8) -> String) {
        for (tier, row) in (0..).zip(&mut self.decisions) {
            for (mode, name) in [(Mode::Shadow, "shadow"), (Mode::Enforce, "enforce")] {
                let (counts, ids) = (row.counts.get_mut(mode as usize), row.ids.get_mut(mode as usize));
                let (Some(counts), Some(ids)) = (counts, ids) else { continue };
                for ((label, count), id) in Label::ALL.iter().zip(counts).zip(ids) {
                    let amount = std::mem::take(count);
                    if amount == 0 {
                        continue;
                    }
                    let name = || {
                        let (label, tier) = (label.as_str(), safe(&tier_name(tier)));
                        format!("tidegate_decisions_total.decision.{label}.tier.{tier}.mode.{name}")
                    };
                    *id = id.or_else(|| define(MetricType::Counter, &name()));
                    id.iter().for_each(|id| host::increment_metric(*id, signed(amount)));
                }
            }
        }
        for ((trial, live, tier), amount) in std::mem::take(&mut self.trials) {
            let (trial, live, tier) = (trial.as_str(), live.as_str(), safe(&tier_name(tier)));
            self.add(&format!("tidegate_trial_total.decision.{trial}.live.{live}.tier.{tier}"), amount);
        }
        let (anonymous, warned) = (std::mem::take(&mut self.anonymous), std::mem::take(&mut self.warned));
        self.add("tidegate_key_missing_total", anonymous);
        self.add("tidegate_warnings_total", warned);
    }

    /// Tiers are about to change their names: tells Envoy what has been counted under the old ones.
    pub(crate) fn forget_tiers(&mut self, tier_name: impl Fn(u8) -> String) {
        self.flush(tier_name);
        self.decisions.clear();
    }

    /// Lets a counter be there before anything is counted.
    pub(crate) fn declare(&mut self, name: &str) {
        let _ = self.id(MetricType::Counter, name);
    }

    pub(crate) fn add(&mut self, name: &str, amount: u64) {
        if amount > 0
            && let Some(id) = self.id(MetricType::Counter, name)
        {
            host::increment_metric(id, signed(amount));
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: u64) {
        if let Some(id) = self.id(MetricType::Gauge, name) {
            host::record_metric(id, value);
        }
    }

    /// Adds one value to a histogram.
    pub(crate) fn observe(&mut self, name: &str, value: u64) {
        if let Some(id) = self.id(MetricType::Histogram, name) {
            host::record_metric(id, value);
        }
    }

    fn id(&mut self, kind: MetricType, name: &str) -> Option<u32> {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = define(kind, name);
        self.ids.insert(name.to_owned(), id);
        id
    }
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

fn define(kind: MetricType, name: &str) -> Option<u32> {
    host::define_metric(kind, name)
}

/// A tier's name without characters that would break a metric's name.
pub(crate) fn safe(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}
