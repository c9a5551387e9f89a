//! What is known of every key: one series and one model for each key and resource.
//!
//! Steps come in order, from the database, live and after a restart alike. The number of keys is bounded: beyond the
//! limit only named customers are taken in, and keys that were silent for a whole season are forgotten.

mod series;

use std::collections::{BTreeMap, HashMap};

use tidegate_core::report::Usage;
use tidegate_store::{Counters, SeriesUsage};

use crate::config::Config;
use series::SeriesSettings;
pub(crate) use series::{Past, Series};

/// The series of one key, by resource index.
type KeySeries = Vec<Option<Series>>;

/// Every series and its model.
pub(crate) struct Learner {
    settings: SeriesSettings,
    resources: HashMap<String, usize>,
    max_keys: usize,
    keys: BTreeMap<String, KeySeries>,
    /// The sum over all keys, by resource index.
    totals: Vec<Series>,
}

/// What a step brought beside new values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unlearned {
    /// Series not learned because there are too many keys.
    pub(crate) too_many_keys: u64,
    /// Series of resources that the configuration does not name.
    pub(crate) unknown_resource: u64,
}

impl Learner {
    pub(crate) fn new(config: &Config) -> Self {
        let settings = SeriesSettings::new(&config.forecast);
        let names = config.resources.iter().enumerate();
        Self {
            resources: names.map(|(index, resource)| (resource.name.clone(), index)).collect(),
            totals: config.resources.iter().map(|_| Series::new(&settings)).collect(),
            settings,
            max_keys: config.max_keys,
            keys: BTreeMap::new(),
        }
    }

    /// Learns one step: what was used in it, and that every other key was silent.
    pub(crate) fn observe(&mut self, config: &Config, step: u64, usage: &[SeriesUsage]) -> Unlearned {
        let mut unlearned = Unlearned::default();
        for row in usage {
            let Some(&resource) = self.resources.get(&row.resource) else {
                unlearned.unknown_resource += 1;
                continue;
            };
            let demand = demand(&row.counters);
            if let Some(total) = self.totals.get_mut(resource) {
                total.add(demand, row.counters.largest);
            }
            match self.admit(config, &row.key, resource) {
                Some(series) => series.add(demand, row.counters.largest),
                None => unlearned.too_many_keys += 1,
            }
        }
        let all = self.keys.values_mut().flatten().flatten().chain(&mut self.totals);
        all.for_each(|series| series.close(step));
        let settings = &self.settings;
        self.keys.retain(|key, resources| {
            config.customers.contains_key(key)
                || !resources.iter().flatten().all(|one| one.is_forgotten(settings))
        });
        unlearned
    }

    fn admit(&mut self, config: &Config, key: &str, resource: usize) -> Option<&mut Series> {
        if !self.keys.contains_key(key) {
            if self.keys.len() >= self.max_keys && !config.customers.contains_key(key) {
                return None;
            }
            self.keys.insert(key.to_owned(), self.totals.iter().map(|_| None).collect());
        }
        let slot = self.keys.get_mut(key)?.get_mut(resource)?;
        Some(slot.get_or_insert_with(|| Series::new(&self.settings)))
    }

    /// Forecasts every series, `horizon` steps from step `from` on.
    pub(crate) fn predict(&mut self, from: u64, horizon: usize) {
        let all = self.keys.values_mut().flatten().flatten().chain(&mut self.totals);
        all.for_each(|series| series.predict(from, horizon));
    }

    /// The keys in order, each with its series by resource index.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&str, &[Option<Series>])> {
        self.keys.iter().map(|(key, series)| (key.as_str(), series.as_slice()))
    }

    /// The series of one key, by resource index; empty when the key is unknown.
    pub(crate) fn key(&self, key: &str) -> &[Option<Series>] {
        self.keys.get(key).map_or(&[], Vec::as_slice)
    }

    /// The sum over all keys, by resource index.
    pub(crate) fn total(&self, resource: usize) -> Option<&Series> {
        self.totals.get(resource)
    }

    /// Number of series learned, sums not counted.
    pub(crate) fn series_count(&self) -> usize {
        self.keys.values().flatten().flatten().count()
    }
}

/// Demand is what was offered, refusals included, corrected by what settled requests really cost.
fn demand(counters: &Counters) -> u64 {
    let usage = Usage {
        offered: counters.offered,
        settled: counters.settled,
        settled_estimate: counters.settled_estimate,
        ..Usage::default()
    };
    usage.demand()
}

#[cfg(test)]
mod tests;
