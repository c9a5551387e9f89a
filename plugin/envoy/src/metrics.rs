//! Envoy metrics. No key ever enters a name: metrics never expire.
//!
//! Labels stand in the name as `.label.value` pairs, for `stats_tags` to turn into Prometheus labels.

use std::collections::HashMap;

use proxy_wasm::{hostcalls, types::MetricType};
use tidegate_core::{config::Mode, gate::Label};

/// The metrics of one VM; Envoy adds those of all VMs together.
#[derive(Default)]
pub(crate) struct Metrics {
    ids: HashMap<String, Option<u32>>,
    /// By mode and tier: one counter per label. Rebuilt with each table.
    decisions: [Vec<Vec<Option<u32>>>; 2],
}

impl Metrics {
    /// Counts a decision. The tier's name is only asked for the first time.
    pub(crate) fn count_decision(
        &mut self,
        label: Label,
        tier: u8,
        mode: Mode,
        tier_name: impl Fn(u8) -> String,
    ) {
        let [shadow, enforce] = &mut self.decisions;
        let (decisions, mode) = if mode == Mode::Enforce { (enforce, "enforce") } else { (shadow, "shadow") };
        while decisions.len() <= usize::from(tier) {
            let name = tier_name(decisions.len() as u8);
            let define = |label: &Label| {
                define(
                    MetricType::Counter,
                    &format!(
                        "tidegate_decisions_total.decision.{}.tier.{}.mode.{mode}",
                        label.as_str(),
                        safe(&name)
                    ),
                )
            };
            decisions.push(Label::ALL.iter().map(define).collect());
        }
        let position = Label::ALL.iter().position(|candidate| *candidate == label).unwrap_or_default();
        if let Some(Some(id)) = decisions.get(usize::from(tier)).and_then(|row| row.get(position)) {
            let _ = hostcalls::increment_metric(*id, 1);
        }
    }

    /// Counts what the policy on trial would have done with a request, beside what the live one did.
    pub(crate) fn count_trial(&mut self, trial: Label, live: Label, tier: &str) {
        let (trial, live) = (trial.as_str(), live.as_str());
        self.add(&format!("tidegate_trial_total.decision.{trial}.live.{live}.tier.{}", safe(tier)), 1);
    }

    /// Tiers may have changed their names.
    pub(crate) fn forget_tiers(&mut self) {
        self.decisions.iter_mut().for_each(Vec::clear);
    }

    pub(crate) fn add(&mut self, name: &str, amount: u64) {
        if amount > 0
            && let Some(id) = self.id(MetricType::Counter, name)
        {
            let _ = hostcalls::increment_metric(id, i64::try_from(amount).unwrap_or(i64::MAX));
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: u64) {
        if let Some(id) = self.id(MetricType::Gauge, name) {
            let _ = hostcalls::record_metric(id, value);
        }
    }

    /// Adds one value to a histogram.
    pub(crate) fn observe(&mut self, name: &str, value: u64) {
        if let Some(id) = self.id(MetricType::Histogram, name) {
            let _ = hostcalls::record_metric(id, value);
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

fn define(kind: MetricType, name: &str) -> Option<u32> {
    hostcalls::define_metric(kind, name).ok()
}

/// A tier's name without characters that would break a metric's name.
pub(crate) fn safe(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}
