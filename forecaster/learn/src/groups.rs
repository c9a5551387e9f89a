//! Keys and the tiers they belong to: new keys lean on those like them, and what is forecast of all adds up.
//!
//! A key that is hardly known has a level of its own, but no day of its own yet: it takes the shape of its tier's demand
//! until its own data suffice. Then the forecasts of keys, of their tiers and of the total, each by a model of its own,
//! are made to agree ([`tidegate_model::reconcile`]).

use std::collections::BTreeMap;

use tidegate_model::{Group, StepForecast, reconcile};

use crate::{
    learner::KeySeries,
    series::{Series, SeriesSettings},
};

/// Keys err together: a peak that everybody has is seen in sums long before it is seen in one key. So the sums' models
/// count for so many times as certain as they say.
const TRUST: f64 = 50.0;
/// But what young keys ask for, once it is such a part, is news to them: they count for little then.
const NEWS: f64 = 0.05;
const DOUBT: f64 = 0.02;

/// The sums of one resource: over all keys, and over those of each tier.
pub(crate) struct Sums {
    pub(crate) total: Series,
    tiers: BTreeMap<u8, Series>,
    /// Whether the last step had demand of keys that are not learned: sums are of more than the keys then.
    is_partial: bool,
}

impl Sums {
    pub(crate) fn new(settings: &SeriesSettings) -> Self {
        Self { total: Series::sum(settings), tiers: BTreeMap::new(), is_partial: false }
    }

    pub(crate) fn begin(&mut self) {
        self.is_partial = false;
    }

    /// Takes note that a key is not learned.
    pub(crate) fn miss(&mut self) {
        self.is_partial = true;
    }

    /// Adds what a key of a tier has used.
    pub(crate) fn add(&mut self, settings: &SeriesSettings, tier: u8, demand: u64, largest: u64) {
        self.total.add(demand, largest);
        self.tiers.entry(tier).or_insert_with(|| Series::sum(settings)).add(demand, largest);
    }

    /// The total and the tiers.
    pub(crate) fn all(&mut self) -> impl Iterator<Item = &mut Series> {
        std::iter::once(&mut self.total).chain(self.tiers.values_mut())
    }

    pub(crate) fn tier(&self, tier: u8) -> Option<&Series> {
        self.tiers.get(&tier)
    }

    /// Numbers of the tiers and their sums.
    pub(crate) fn tiers(&self) -> impl Iterator<Item = (u8, &Series)> {
        self.tiers.iter().map(|(tier, series)| (*tier, series))
    }

    pub(crate) fn tier_mut(&mut self, tier: u8) -> Option<&mut Series> {
        self.tiers.get_mut(&tier)
    }
}

/// Makes the forecasts of one resource agree.
pub(crate) fn agree(keys: &mut BTreeMap<String, KeySeries>, resource: usize, sums: &mut Sums) {
    let mut own: Vec<&mut Series> =
        keys.values_mut().filter_map(|key| key.get_mut(resource)?.as_mut()).collect();
    for series in &mut own {
        if let Some(like) = sums.tiers.get(&series.tier()) {
            series.lean_on(like);
        }
    }
    if sums.is_partial {
        return;
    }
    let mut members: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
    for (index, series) in own.iter().enumerate() {
        members.entry(series.tier()).or_default().push(index);
    }
    let all: Vec<usize> = (0..own.len()).collect();
    let young: Vec<usize> =
        all.iter().copied().filter(|&key| own.get(key).is_some_and(|one| one.is_young())).collect();
    for step in 0..sums.total.forecast().1.len() {
        let mut steps: Vec<StepForecast> = own.iter().map(|series| series.ahead(step)).collect();
        let of_tiers = members.iter().filter_map(|(tier, members)| {
            let forecast = sums.tiers.get(tier)?.forecast().1.get(step)?;
            let young = young.iter().filter(|key| members.binary_search(key).is_ok());
            let trust = trust(forecast, &steps, young);
            Some((*tier, Group { members: members.clone(), forecast: *forecast, trust }))
        });
        let (tiers, mut groups): (Vec<u8>, Vec<Group>) = of_tiers.unzip();
        // One tier alone is the total.
        if groups.len() > 1 {
            let forecast = sums.total.ahead(step);
            let trust = trust(&forecast, &steps, young.iter());
            groups.push(Group { members: all.clone(), forecast, trust });
        }
        reconcile(&mut steps, &mut groups);
        own.iter_mut().zip(&steps).for_each(|(series, forecast)| series.correct(step, *forecast));
        for (tier, group) in tiers.iter().zip(&groups) {
            if let Some(series) = sums.tiers.get_mut(tier) {
                series.correct(step, group.forecast);
            }
        }
        if let Some(last) = groups.last() {
            sums.total.correct(step, last.forecast);
        }
    }
}

/// For how many times as certain as it says the forecast of a sum counts.
fn trust<'a>(sum: &StepForecast, keys: &[StepForecast], young: impl Iterator<Item = &'a usize>) -> f64 {
    let news: f64 = young.filter_map(|key| keys.get(*key)).map(|key| key.mean).sum();
    if news > NEWS * sum.mean { DOUBT } else { TRUST }
}

#[cfg(test)]
mod tests {
    use crate::{Learner, Learning, NamedCustomer, Used};

    use super::*;

    const DAY: u64 = 48;

    fn wave(step: u64) -> u64 {
        let angle = (step % DAY) as f64 / DAY as f64 * std::f64::consts::TAU;
        (200.0 + 180.0 * angle.sin()) as u64
    }

    /// Twenty keys with the same day, half of them of a tier of their own; a new one comes on the fifth.
    fn learner() -> (Learner, BTreeMap<String, NamedCustomer>) {
        let names: Vec<String> = (0..21).map(|number| format!("k{number:02}")).collect();
        let customer = |name: &String| (name.clone(), NamedCustomer { tier: 0, contracts: vec![] });
        let customers = names.iter().skip(10).map(customer).collect();
        let model = tidegate_model::find("auto").unwrap();
        let learning = Learning { model, season_steps: DAY as usize, max_keys: 100 };
        let mut learner = Learner::new(&learning, 1);
        for step in 0..DAY * 5 + 6 {
            let shown = if step >= DAY * 5 { 21 } else { 20 };
            let used = names.iter().take(shown).enumerate().map(|(number, key)| {
                let noise = (step + number as u64) * 7919 % 23;
                Used { key, resource: 0, demand: wave(step) * (1 + number as u64 % 3) + noise, largest: 1 }
            });
            learner.observe(&customers, step, used);
            learner.refit(99);
        }
        (learner, customers)
    }

    #[test]
    fn a_new_key_has_the_day_of_its_tier_and_everything_adds_up() {
        let (mut learner, _) = learner();
        let from = DAY * 5 + 6;
        learner.predict(from, 15);
        let error = |learner: &Learner| {
            let [Some(new)] = learner.key("k20") else { panic!("the new key is known") };
            let wrong = |step: u64| (new.at(step).unwrap().mean - 3.0 * wave(step) as f64).abs();
            (from..from + 15).map(wrong).sum::<f64>() / 15.0
        };
        let leaning = error(&learner);
        assert!(leaning < 300.0, "wrong by {leaning} of about 1000");
        for step in from..from + 15 {
            let keys: f64 =
                learner.keys().map(|(_, series)| series[0].as_ref().unwrap().at(step).unwrap().mean).sum();
            let total = learner.total(0).unwrap().at(step).unwrap().mean;
            assert!((keys - total).abs() < 1e-6 * total, "{keys} and {total}");
        }
    }
}
