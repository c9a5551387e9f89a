//! What is known of every key: one series and one model for each key and resource.
//!
//! Steps come in order, live and after a restart alike. The number of keys is bounded: beyond the
//! limit only named customers are taken in, and keys that were silent for a whole season are forgotten.

use std::collections::BTreeMap;

use rayon::prelude::*;
use tidegate_model::{Entry, School, SnapshotError};

use crate::{
    groups::{Sums, agree},
    heavy::Book,
    policy::NamedCustomer,
    regions::Regions,
    school::Schooling,
    series::{Series, SeriesSettings},
    shares::Shares,
    wishes::Wishes,
};

/// The series of one key, by resource index; `None` where it has used nothing yet.
pub type KeySeries = Vec<Option<Series>>;

/// What a learner is built from.
#[derive(Clone, Copy, Debug)]
pub struct Learning {
    /// The model of every series.
    pub model: &'static Entry,
    /// Steps per season.
    pub season_steps: usize,
    /// At most this many keys are learned, named customers excepted.
    pub max_keys: usize,
}

/// What one key used of one resource in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used<'a> {
    /// The key.
    pub key: &'a str,
    /// Index of the resource.
    pub resource: usize,
    /// Tokens asked for, refusals included, corrected by what settled requests really cost.
    pub demand: u64,
    /// Largest single cost asked for.
    pub largest: u64,
}

/// Every series and its model.
pub struct Learner {
    settings: SeriesSettings,
    max_keys: usize,
    keys: BTreeMap<String, KeySeries>,
    /// Sums over keys, by resource index.
    sums: Vec<Sums>,
    /// The same by region, by resource index.
    regions: Vec<Regions>,
    wishes: Wishes,
    book: Book,
    schooling: Option<Schooling>,
}

/// What a step brought beside new values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unlearned {
    /// Series not learned because there are too many keys.
    pub too_many_keys: u64,
    /// Series of resources that do not exist.
    pub unknown_resource: u64,
}

impl Learner {
    /// A learner of so many resources that has seen nothing.
    #[must_use]
    pub fn new(learning: &Learning, resources: usize) -> Self {
        let settings = SeriesSettings::new(learning);
        Self {
            sums: (0..resources).map(|_| Sums::new(&settings)).collect(),
            schooling: Schooling::of(learning.model, &settings.of_keys()),
            regions: (0..resources).map(|_| Regions::default()).collect(),
            wishes: Wishes::new(resources),
            settings,
            book: Book::default(),
            max_keys: learning.max_keys,
            keys: BTreeMap::new(),
        }
    }

    /// Takes note of where a part of a key's demand comes from, in the step that is learned next.
    pub fn locate(&mut self, key: &str, resource: usize, region: &str, demand: f64) {
        if let Some(regions) = self.regions.get_mut(resource) {
            regions.add(&self.settings, key, region, demand);
        }
    }

    /// Takes note of what more of a resource would have served, in the step that is learned next.
    pub fn wish(&mut self, resource: usize, refused: u64) {
        self.wishes.add(&self.settings, resource, refused);
    }

    /// Learns one step: what was used in it, and that every other key was silent.
    pub fn observe<'a>(
        &mut self,
        customers: &BTreeMap<String, NamedCustomer>,
        step: u64,
        usage: impl IntoIterator<Item = Used<'a>>,
    ) -> Unlearned {
        let mut unlearned = Unlearned::default();
        self.sums.iter_mut().for_each(Sums::begin);
        for row in usage {
            let Some(sums) = self.sums.get_mut(row.resource) else {
                unlearned.unknown_resource += 1;
                continue;
            };
            sums.add(&self.settings, tier(customers, row.key), row.demand, row.largest);
            match self.admit(customers, row.key, row.resource) {
                Some(series) => series.add(row.demand, row.largest),
                None => {
                    unlearned.too_many_keys += 1;
                    if let Some(sums) = self.sums.get_mut(row.resource) {
                        sums.miss();
                    }
                }
            }
        }
        for (series, sums) in self.keys.values_mut().flat_map(|key| key.iter_mut().zip(&self.sums)) {
            if let Some(series) = series {
                series.compare(sums.tier(series.tier()).map_or(0, Series::pending));
            }
        }
        self.sums.iter_mut().for_each(|sums| sums.settle(step));
        for (regions, sums) in self.regions.iter_mut().zip(&self.sums) {
            regions.settle(&self.settings, step, sums.total.pending());
        }
        self.for_all(|series| series.close(step));
        let settings = &self.settings;
        self.keys.retain(|key, resources| {
            customers.contains_key(key) || !resources.iter().flatten().all(|one| one.is_forgotten(settings))
        });
        self.regions.iter_mut().for_each(|regions| regions.forget(settings, &self.keys));
        self.teach(step);
        unlearned
    }

    /// Trains what models share, for as long as one step allows.
    fn teach(&mut self, step: u64) {
        let Some(schooling) = &mut self.schooling else { return };
        let keys: Vec<&Series> = self.keys.values().flatten().flatten().collect();
        if schooling.study(step, &keys) {
            let shared = schooling.school().shared();
            self.for_all(|series| series.take(&shared));
        }
    }

    /// Where what models share is learned, if they share anything.
    #[must_use]
    pub fn school(&self) -> Option<&dyn School> {
        self.schooling.as_ref().map(Schooling::school)
    }

    /// What the school has learned, to go on from after a restart; nothing where models share nothing.
    #[must_use]
    pub fn save_school(&self) -> Option<Vec<u8>> {
        self.schooling.as_ref().map(Schooling::save)
    }

    /// Goes on from what [`Learner::save_school`] gave, in the step `current`. To be called before steps are learned again:
    /// those that the school has seen give no second lesson.
    ///
    /// # Errors
    /// When the bytes are of another version or of other models; nothing has changed then.
    pub fn restore_school(&mut self, bytes: &[u8], current: u64) -> Result<(), SnapshotError> {
        let schooling = self.schooling.as_mut().ok_or(SnapshotError::Malformed)?;
        schooling.restore(bytes, current)?;
        let shared = schooling.school().shared();
        self.for_all(|series| series.take(&shared));
        Ok(())
    }

    /// From how many steps the school has taken lessons in all; nothing where models share nothing.
    #[must_use]
    pub fn schooled_steps(&self) -> Option<u64> {
        self.schooling.as_ref().map(Schooling::steps)
    }

    fn admit(
        &mut self,
        customers: &BTreeMap<String, NamedCustomer>,
        key: &str,
        resource: usize,
    ) -> Option<&mut Series> {
        if !self.keys.contains_key(key) {
            if self.keys.len() >= self.max_keys && !customers.contains_key(key) {
                return None;
            }
            self.keys.insert(key.to_owned(), self.sums.iter().map(|_| None).collect());
        }
        let slot = self.keys.get_mut(key)?.get_mut(resource)?;
        Some(slot.get_or_insert_with(|| {
            let mut series = Series::new(&self.settings, tier(customers, key));
            if let Some(schooling) = &self.schooling {
                series.take(&schooling.school().shared());
            }
            series
        }))
    }

    /// Forecasts every series, `horizon` steps from step `from` on, so that sums are the sums of their keys.
    pub fn predict(&mut self, from: u64, horizon: usize) {
        self.for_all(|series| series.predict(from, horizon));
        for (resource, sums) in self.sums.iter_mut().enumerate() {
            agree(&mut self.keys, resource, sums);
            if let Some(regions) = self.regions.get_mut(resource) {
                regions.agree(&self.keys, resource, &sums.total);
            }
        }
    }

    /// Takes note of an event of the calendar that concerns one key, and with it the sums that it is in, or everybody, by
    /// a number of its kind, from one step to before another. To tell the same again changes nothing.
    pub fn announce(&mut self, key: Option<&str>, event: u64, from: u64, until: u64) {
        match key {
            Some(key) => {
                let Some(own) = self.keys.get_mut(key) else { return };
                for (series, sums) in own.iter_mut().zip(&mut self.sums) {
                    if let Some(series) = series {
                        series.announce(event, from, until);
                        sums.announce(series.tier(), event, from, until);
                    }
                }
            }
            None => self.for_all(|series| series.announce(event, from, until)),
        }
    }

    /// Takes note of how busy what a resource stands for was in the newest step that has been learned, 1 being all there
    /// is, or that it is not known. What that tells about demand is learned, and told in the next forecasts.
    pub fn measure(&mut self, resource: usize, load: Option<f64>) {
        let of_key = |(_, own): (&String, &mut KeySeries)| {
            if let Some(series) = own.get_mut(resource).and_then(Option::as_mut) {
                series.measure(load);
            }
        };
        self.keys.par_iter_mut().for_each(of_key);
        let sums = self.sums.get_mut(resource).into_iter().flat_map(Sums::all);
        let regions = self.regions.get_mut(resource).into_iter().flat_map(Regions::all);
        sums.chain(regions).for_each(|series| series.measure(load));
    }

    /// Does the same with every series, on all cores.
    fn for_all(&mut self, work: impl Fn(&mut Series) + Sync) {
        let of_key = |(_, series): (&String, &mut KeySeries)| series.iter_mut().flatten().for_each(&work);
        self.keys.par_iter_mut().for_each(of_key);
        let of_sums: Vec<&mut Series> = self.sums.iter_mut().flat_map(Sums::all).collect();
        of_sums.into_par_iter().for_each(&work);
        let of_regions: Vec<&mut Series> = self.regions.iter_mut().flat_map(Regions::all).collect();
        of_regions.into_par_iter().for_each(&work);
        self.wishes.all().for_each(&work);
    }

    /// The keys in order, each with its series by resource index.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &[Option<Series>])> {
        self.keys.iter().map(|(key, series)| (key.as_str(), series.as_slice()))
    }

    /// The series of one key, by resource index; empty when the key is unknown.
    #[must_use]
    pub fn key(&self, key: &str) -> &[Option<Series>] {
        self.keys.get(key).map_or(&[], Vec::as_slice)
    }

    /// The sum over all keys, by resource index.
    #[must_use]
    pub fn total(&self, resource: usize) -> Option<&Series> {
        self.sums.get(resource).map(|sums| &sums.total)
    }

    /// The sum over the keys of a tier.
    #[must_use]
    pub fn tier(&self, resource: usize, tier: u8) -> Option<&Series> {
        self.sums.get(resource)?.tier(tier)
    }

    /// What more of a resource would serve; nothing where there has always been enough.
    #[must_use]
    pub fn wished(&self, resource: usize) -> Option<&Series> {
        self.wishes.get(resource)
    }

    pub(crate) fn wished_mut(&mut self, resource: usize) -> Option<&mut Series> {
        self.wishes.get_mut(resource)
    }

    /// The sums over the requests of each region that was told, which add up to the total.
    pub fn regions(&self, resource: usize) -> impl Iterator<Item = (&str, &Series)> {
        self.regions.get(resource).into_iter().flat_map(Regions::iter)
    }

    /// The sum over the requests of one region.
    #[must_use]
    pub fn region(&self, resource: usize, name: &str) -> Option<&Series> {
        self.regions.get(resource)?.get(name)
    }

    pub(crate) fn region_mut(&mut self, resource: usize, name: &str) -> Option<&mut Series> {
        self.regions.get_mut(resource)?.get_mut(name)
    }

    /// Where a key's demand comes from, lately; `None` where nobody told.
    #[must_use]
    pub fn regions_of(&self, key: &str, resource: usize) -> Option<&Shares> {
        self.regions.get(resource)?.of_key(key)
    }

    /// The sums over keys, by resource index.
    pub(crate) fn sums(&self) -> &[Sums] {
        &self.sums
    }

    pub(crate) fn sums_mut(&mut self, resource: usize) -> Option<&mut Sums> {
        self.sums.get_mut(resource)
    }

    pub(crate) fn key_mut(&mut self, key: &str) -> &mut [Option<Series>] {
        self.keys.get_mut(key).map_or(&mut [], Vec::as_mut_slice)
    }

    /// Every key's series.
    pub(crate) fn series_mut(&mut self) -> impl Iterator<Item = &mut Series> {
        self.keys.values_mut().flat_map(|own| own.iter_mut().flatten())
    }

    pub(crate) fn book(&self) -> &Book {
        &self.book
    }

    pub(crate) fn book_mut(&mut self) -> &mut Book {
        &mut self.book
    }

    /// The model of every series that has no heavy member.
    pub(crate) fn light_model(&self) -> &'static Entry {
        self.settings.model()
    }

    pub(crate) fn season_steps(&self) -> usize {
        self.settings.season_steps()
    }

    /// Number of series learned, sums not counted.
    #[must_use]
    pub fn series_count(&self) -> usize {
        self.keys.values().flatten().flatten().count()
    }
}

/// The tier of a key; those that are no customers have one of their own.
fn tier(customers: &BTreeMap<String, NamedCustomer>, key: &str) -> u8 {
    customers.get(key).map_or(u8::MAX, |named| named.tier)
}

#[cfg(test)]
mod tests;
