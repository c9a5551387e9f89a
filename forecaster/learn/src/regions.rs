//! Demand by region, where reports tell it: one series a region, and what part of each key's demand comes from where.
//!
//! Regions are one more way to cut up the same total. What is forecast of a region by a model of its own is combined with
//! what keys' forecasts and their parts make of it, by how each has erred, as sums of tiers are; then regions are moved to
//! add up to the total. Demand of which nobody told the region has one of its own, [`UNKNOWN`]. Nothing is kept until the
//! first region is told.

use std::collections::BTreeMap;

use tidegate_model::{Group, StepForecast, reconcile};

use crate::{
    groups::combination::Combination,
    learner::KeySeries,
    series::{Series, SeriesSettings},
    shares::Shares,
};

/// Where demand comes from of which nobody told.
pub const UNKNOWN: &str = "unknown";
/// Regions beyond the first so many are one.
const OTHER: &str = "other";
const MOST: usize = 32;
/// What is known of a key's regions counts for half after so many seasons.
const HALF_LIFE_SEASONS: f64 = 2.0;
/// Demand without a region is worth a series of its own once it is this part of all.
const NOTICED: f64 = 0.01;
/// The total does not move any more.
const SETTLED: f64 = 1e9;

/// Demand of one resource, by region.
#[derive(Default)]
pub(crate) struct Regions {
    of: BTreeMap<String, Region>,
    keys: BTreeMap<String, Shares>,
}

struct Region {
    series: Series,
    /// How far it is to be believed against its keys.
    combination: Combination,
    /// Demand in the step that is being closed.
    pending: f64,
}

impl Region {
    fn new(settings: &SeriesSettings) -> Self {
        Self { series: Series::sum(settings), combination: Combination::default(), pending: 0.0 }
    }
}

impl Regions {
    /// Adds what a key has asked for from a region in the step that is to be closed next.
    pub(crate) fn add(&mut self, settings: &SeriesSettings, key: &str, region: &str, demand: f64) {
        let has_room = self.of.contains_key(region) || self.of.len() < MOST;
        let region = if has_room { region } else { OTHER };
        if !self.of.contains_key(region) {
            self.of.insert(region.to_owned(), Region::new(settings));
        }
        if let Some(known) = self.of.get_mut(region) {
            known.pending += demand;
        }
        if !self.keys.contains_key(key) {
            self.keys.insert(key.to_owned(), Shares::default());
        }
        if let Some(shares) = self.keys.get_mut(key) {
            shares.add(region, demand);
        }
    }

    /// Hands the step over to the series, before they are closed; `total` is the demand of all.
    pub(crate) fn settle(&mut self, settings: &SeriesSettings, step: u64, total: u64) {
        if self.of.is_empty() {
            return;
        }
        let told: f64 = self.of.values().map(|region| region.pending).sum();
        let untold = (total as f64 - told).max(0.0);
        if untold > NOTICED * total as f64 && !self.of.contains_key(UNKNOWN) {
            self.of.insert(UNKNOWN.to_owned(), Region::new(settings));
        }
        if let Some(unknown) = self.of.get_mut(UNKNOWN) {
            unknown.pending += untold;
        }
        for region in self.of.values_mut() {
            let demand = std::mem::take(&mut region.pending).round();
            region.combination.settle(step, demand);
            region.series.add(demand as u64, 1);
        }
        let fading = 0.5_f64.powf(1.0 / (HALF_LIFE_SEASONS * settings.season_steps().max(60) as f64));
        self.keys.values_mut().for_each(|shares| shares.fade(fading));
    }

    /// Forgets regions that were silent for long, and keys that are not learned any more.
    pub(crate) fn forget(&mut self, settings: &SeriesSettings, keys: &BTreeMap<String, KeySeries>) {
        self.of.retain(|_, region| !region.series.is_forgotten(settings));
        self.keys.retain(|key, shares| keys.contains_key(key) && !shares.is_empty());
    }

    /// Makes the forecasts of regions agree with those of keys and of the total, which agree already.
    pub(crate) fn agree(&mut self, keys: &BTreeMap<String, KeySeries>, resource: usize, total: &Series) {
        if self.of.is_empty() {
            return;
        }
        let (from, ahead) = total.forecast();
        let mut parts = self.parts(keys, resource, ahead.len());
        let mut pairs: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for (step, total) in ahead.iter().enumerate() {
            let mut combined: Vec<StepForecast> = Vec::with_capacity(self.of.len());
            for (name, region) in &self.of {
                let own = region.series.ahead(step);
                let part = parts.get_mut(name).and_then(|steps| steps.get(step)).copied().unwrap_or(0.0);
                let weight = region.combination.weight();
                combined.push(own.moved_to(weight * own.mean + (1.0 - weight) * part));
                pairs.entry(name.clone()).or_default().push((own.mean, part));
            }
            let members = (0..combined.len()).collect();
            reconcile(&mut combined, &mut [Group { members, forecast: *total, trust: SETTLED }]);
            for (region, forecast) in self.of.values_mut().zip(combined) {
                region.series.correct(step, forecast);
            }
        }
        for (name, region) in &mut self.of {
            let pairs = pairs.remove(name).unwrap_or_default();
            region.combination.issue(from, pairs.into_iter());
        }
    }

    /// What keys' forecasts make of each region, step by step.
    fn parts(
        &self,
        keys: &BTreeMap<String, KeySeries>,
        resource: usize,
        steps: usize,
    ) -> BTreeMap<String, Vec<f64>> {
        let mut parts: BTreeMap<String, Vec<f64>> =
            self.of.keys().map(|name| (name.clone(), vec![0.0; steps])).collect();
        for (key, series) in keys {
            let Some(series) = series.get(resource).and_then(Option::as_ref) else { continue };
            let shares = self.keys.get(key).map(Shares::parts).unwrap_or_default();
            let known: f64 = shares.iter().map(|(_, share)| share).sum();
            let untold = (UNKNOWN, (1.0 - known).max(0.0));
            for (name, share) in shares.into_iter().chain([untold]).filter(|(_, share)| *share > 0.0) {
                let Some(sums) = parts.get_mut(name) else { continue };
                for (sum, forecast) in sums.iter_mut().zip(series.forecast().1) {
                    *sum += share * forecast.mean;
                }
            }
        }
        parts
    }

    /// The series of every region.
    pub(crate) fn all(&mut self) -> impl Iterator<Item = &mut Series> {
        self.of.values_mut().map(|region| &mut region.series)
    }

    /// The regions in order, each with its series.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Series)> {
        self.of.iter().map(|(name, region)| (name.as_str(), &region.series))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Series> {
        self.of.get(name).map(|region| &region.series)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Series> {
        self.of.get_mut(name).map(|region| &mut region.series)
    }

    /// Where a key's demand comes from.
    pub(crate) fn of_key(&self, key: &str) -> Option<&Shares> {
        self.keys.get(key)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Learner, Learning, NamedCustomer, Used};

    use super::*;

    const DAY: u64 = 48;

    /// Two keys: one from the west by day and the east by night, one from nowhere in particular.
    fn learner(steps: u64) -> Learner {
        let customers: BTreeMap<String, NamedCustomer> = BTreeMap::new();
        let model = tidegate_model::find("auto").unwrap();
        let mut learner = Learner::new(&Learning { model, season_steps: DAY as usize, max_keys: 9 }, 1);
        for step in 0..steps {
            let is_day = step % DAY < DAY / 2;
            learner.locate("travelling", 0, if is_day { "west" } else { "east" }, 100.0);
            let rows = [("travelling", 100), ("nowhere", 50 + step * 7919 % 5)];
            let rows = rows.map(|(key, demand)| Used { key, resource: 0, demand, largest: 1 });
            learner.observe(&customers, step, rows);
            learner.predict(step + 1, 8);
        }
        learner
    }

    #[test]
    fn regions_have_days_of_their_own_and_add_up_to_the_total() {
        let learner = learner(6 * DAY);
        let names: Vec<&str> = learner.regions(0).map(|(name, _)| name).collect();
        assert_eq!(names, ["east", UNKNOWN, "west"]);
        for step in 6 * DAY..6 * DAY + 8 {
            let mean = |series: &Series| series.at(step).unwrap().mean;
            let total = mean(learner.total(0).unwrap());
            let sum: f64 = learner.regions(0).map(|(_, series)| mean(series)).sum();
            assert!((sum - total).abs() < 1e-6 * total, "{sum} and {total}");
            let west = mean(learner.region(0, "west").unwrap());
            assert!(west > 60.0, "it is day in the west: {west} of 100");
        }
        let parts = learner.regions_of("travelling", 0).unwrap().parts();
        assert_eq!(parts.len(), 2);
        assert!(parts.iter().all(|(_, part)| (0.3..0.7).contains(part)), "{parts:?}");
        assert!(learner.regions_of("nowhere", 0).is_none());
    }

    #[test]
    fn without_regions_nothing_is_kept_and_too_many_are_one() {
        let settings =
            Learning { model: tidegate_model::find("seasonal-naive").unwrap(), season_steps: 4, max_keys: 9 };
        let mut learner = Learner::new(&settings, 1);
        learner.observe(&BTreeMap::new(), 0, [Used { key: "a", resource: 0, demand: 9, largest: 1 }]);
        assert_eq!(learner.regions(0).count(), 0);
        for number in 0..99 {
            learner.locate("a", 0, &format!("region-{number}"), 1.0);
        }
        learner.observe(&BTreeMap::new(), 1, [Used { key: "a", resource: 0, demand: 99, largest: 1 }]);
        learner.predict(2, 2);
        assert_eq!(learner.regions(0).count(), MOST + 1);
        let most = learner.regions(0).max_by_key(|(_, series)| series.at(2).unwrap().mean as u64).unwrap();
        assert_eq!(most.0, OTHER);
    }
}
