//! Keys and the tiers they belong to: new keys lean on those like them, and what is forecast of all adds up.
//!
//! A key that is hardly known has a level of its own, but no day of its own yet: it takes the shape of its tier's demand
//! until its own data suffice. Then what is forecast is made to agree, level by level. Upwards, the forecast of a tier, by
//! a model of its own, is combined with the sum of its keys', and that of the total with the sum of the tiers', by how each
//! has erred ([`combination`]); but where a sum expects a peak that comes back, it is no less than that: keys may be too small to know of it, and how
//! both erred in other hours says nothing of that. Downwards, the tiers are moved to what adds up to the total, and the keys to what adds up
//! to their tiers, the most uncertain most ([`tidegate_model::reconcile`]).

pub(crate) mod combination;

use std::collections::BTreeMap;

use tidegate_model::{Group, StepForecast, reconcile};

use crate::{
    learner::KeySeries,
    series::{Series, SeriesSettings},
};
use combination::Combination;

/// What young keys ask for, once it is such a part of a sum, is news to its model: it counts for so much then.
const NEWS: f64 = 0.05;
const DOUBT: f64 = 0.02;
/// What adds up does not move any more.
const SETTLED: f64 = 1e9;

/// The sums of one resource: over all keys, and over those of each tier.
pub(crate) struct Sums {
    pub(crate) total: Series,
    tiers: BTreeMap<u8, Series>,
    /// How far each is to be believed against its parts.
    of_total: Combination,
    of_tiers: BTreeMap<u8, Combination>,
    /// Whether the last step had demand of keys that are not learned: sums are of more than the keys then.
    is_partial: bool,
}

impl Sums {
    pub(crate) fn new(settings: &SeriesSettings) -> Self {
        Self {
            total: Series::sum(settings),
            tiers: BTreeMap::new(),
            of_total: Combination::default(),
            of_tiers: BTreeMap::new(),
            is_partial: false,
        }
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

    /// Learns how forecasts of a step have erred; before it is closed.
    pub(crate) fn settle(&mut self, step: u64) {
        self.of_total.settle(step, self.total.pending() as f64);
        for (tier, combination) in &mut self.of_tiers {
            combination.settle(step, self.tiers.get(tier).map_or(0, Series::pending) as f64);
        }
    }

    /// Takes note of an event that concerns a key of a tier.
    pub(crate) fn announce(&mut self, tier: u8, event: u64, from: u64, until: u64) {
        self.total.announce(event, from, until);
        if let Some(series) = self.tiers.get_mut(&tier) {
            series.announce(event, from, until);
        }
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
    let mut tiers: Vec<Tier> = Vec::new();
    for (index, series) in own.iter().enumerate() {
        match tiers.iter_mut().find(|tier| tier.number == series.tier()) {
            Some(tier) => tier.members.push(index),
            None => tiers.push(Tier { number: series.tier(), members: vec![index], pairs: Vec::new() }),
        }
    }
    let is_young: Vec<bool> = own.iter().map(|series| series.is_young()).collect();
    let mut totals = Vec::new();
    for step in 0..sums.total.forecast().1.len() {
        let mut of_keys: Vec<StepForecast> = own.iter().map(|series| series.ahead(step)).collect();
        totals.push(sums.agree_on(step, &mut of_keys, &mut tiers, &is_young));
        own.iter_mut().zip(&of_keys).for_each(|(series, forecast)| series.correct(step, *forecast));
    }
    sums.issue(&tiers, &totals);
}

/// A tier while forecasts are made to agree.
struct Tier {
    number: u8,
    /// Its keys, by place.
    members: Vec<usize>,
    /// Its own forecast of each step, and the sum of its keys'.
    pairs: Vec<(f64, f64)>,
}

impl Sums {
    /// Makes the forecasts of one step agree; gives the total's own and the sum of the tiers' before they did.
    fn agree_on(
        &mut self,
        step: usize,
        keys: &mut [StepForecast],
        tiers: &mut [Tier],
        is_young: &[bool],
    ) -> (f64, f64) {
        let mean = |key: &usize| keys.get(*key).map_or(0.0, |key| key.mean);
        let young = |key: &&usize| is_young.get(**key).copied().unwrap_or_default();
        let mut combined = Vec::with_capacity(tiers.len());
        let mut all_news = 0.0;
        for tier in tiers.iter_mut() {
            let own = self.tiers.get(&tier.number).map(|series| series.ahead(step)).unwrap_or_default();
            let parts = tier.members.iter().map(mean).sum::<f64>();
            let news = tier.members.iter().filter(young).map(mean).sum::<f64>();
            tier.pairs.push((own.mean, parts));
            all_news += news;
            let weight = self.of_tiers.entry(tier.number).or_default().weight();
            let is_peak = self.tiers.get(&tier.number).is_some_and(|series| series.expects_peak(step));
            combined.push(own.moved_to(between((own.mean, parts), weight, news, is_peak)));
        }
        let (own, parts) = (self.total.ahead(step), combined.iter().map(|tier| tier.mean).sum::<f64>());
        let (weight, is_peak) = (self.of_total.weight(), self.total.expects_peak(step));
        let total = own.moved_to(between((own.mean, parts), weight, all_news, is_peak));
        let group = |members, forecast| Group { members, forecast, trust: SETTLED };
        reconcile(&mut combined, &mut [group((0..tiers.len()).collect(), total)]);
        let of_tier = |(tier, forecast): (&Tier, &StepForecast)| group(tier.members.clone(), *forecast);
        let mut groups: Vec<Group> = tiers.iter().zip(&combined).map(of_tier).collect();
        reconcile(keys, &mut groups);
        for (tier, group) in tiers.iter().zip(&groups) {
            if let Some(series) = self.tiers.get_mut(&tier.number) {
                series.correct(step, group.forecast);
            }
        }
        // Keys that cannot become negative may have more than was theirs.
        self.total.correct(step, total.moved_to(groups.iter().map(|group| group.forecast.mean).sum()));
        (own.mean, parts)
    }

    /// Takes note of what was forecast on each side.
    fn issue(&mut self, tiers: &[Tier], totals: &[(f64, f64)]) {
        let (from, _) = self.total.forecast();
        self.of_total.issue(from, totals.iter().copied());
        for tier in tiers {
            self.of_tiers.entry(tier.number).or_default().issue(from, tier.pairs.iter().copied());
        }
    }
}

/// A sum from its own forecast, which counts for `weight`, and that of its parts, of which `news` is by young keys.
fn between((own, parts): (f64, f64), weight: f64, news: f64, is_peak: bool) -> f64 {
    let weight = if news > NEWS * own { DOUBT } else { weight };
    let least = if is_peak { own } else { 0.0 };
    (weight * own + (1.0 - weight) * parts).max(least)
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

    #[test]
    fn a_peak_that_only_sums_know_of_is_not_lost_in_keys() {
        // Every day another fifth of the keys asks for ten times as much: no key knows it, together they do it always.
        const LONG_DAY: u64 = 200;
        let names: Vec<String> = (0..20).map(|number| format!("k{number:02}")).collect();
        let customer = |name: &String| (name.clone(), NamedCustomer { tier: 0, contracts: vec![] });
        let customers = names.iter().skip(10).map(customer).collect();
        let model = tidegate_model::find("auto").unwrap();
        let mut learner =
            Learner::new(&Learning { model, season_steps: LONG_DAY as usize, max_keys: 100 }, 1);
        let is_peak = |step: u64| (100..108).contains(&(step % LONG_DAY));
        let now = 6 * LONG_DAY + 95;
        for step in 0..now {
            let used = names.iter().enumerate().map(|(number, key)| {
                let number = number as u64;
                let takes_part = is_peak(step) && (step / LONG_DAY + number).is_multiple_of(5);
                let demand = if takes_part { 500 } else { 50 } + (step + number) * 7919 % 11;
                Used { key, resource: 0, demand, largest: 1 }
            });
            learner.observe(&customers, step, used);
            learner.predict(step + 1, 15);
        }
        let at = now + 8;
        let keys = || learner.keys().filter_map(|(_, series)| series[0].as_ref());
        let alone: f64 = keys().map(|key| key.look_ahead(at, 1).0[0].mean).sum();
        let total = learner.total(0).unwrap().at(at).unwrap().mean;
        assert!(alone < 2000.0 && total > 2400.0, "of 2900, {alone} by keys alone, {total} together");
        let together: f64 = keys().map(|key| key.at(at).unwrap().mean).sum();
        assert!((together - total).abs() < 1e-6 * total, "{together} and {total}");
    }
}
