//! Fits of models, beside the path on which steps are learned.
//!
//! Learning a step never fits anything. Between steps the caller takes the fits that are worth most
//! ([`Learner::fits`]), runs them on copies ([`Fit::run`], wherever and as long as it likes), and gives them back
//! ([`Learner::adopt`]); what has learned another step in the meantime is not replaced. What a fit is worth is how wrong
//! the series has been forecast lately, in tokens, times how much of what it knows is newer than its last fit.

use std::{cmp::Ordering, mem};

use rayon::prelude::*;
use tidegate_model::Model;

use crate::{learner::Learner, series::Series};

/// One series whose model is to be fitted.
pub struct Fit {
    place: Place,
    model: Box<dyn Model>,
}

/// Where a series is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Key(String, usize),
    Total(usize),
    Tier(u8, usize),
    Region(String, usize),
    Wished(usize),
}

/// What a series is of, and what a fit of it is worth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Of<'a> {
    Total,
    Tier(u8),
    Region(&'a str),
    Wished,
    Key(&'a str),
}

type Due<'a> = (f64, Of<'a>, usize);

impl Fit {
    /// Fits the copy; takes milliseconds.
    pub fn run(&mut self) {
        self.model.refit();
    }
}

impl Learner {
    /// Copies of the series whose fits are worth most now, at most so many, best first.
    #[must_use]
    pub fn fits(&self, most: usize) -> Vec<Fit> {
        let of_keys = self.keys().flat_map(|(key, resources)| {
            let known = resources.iter().enumerate().filter_map(|(at, series)| Some((at, series.as_ref()?)));
            known.map(move |(resource, series)| (Of::Key(key), resource, series))
        });
        let of_sums = self.sums().iter().enumerate().flat_map(|(resource, sums)| {
            let tiers = sums.tiers().map(move |(tier, series)| (Of::Tier(tier), resource, series));
            tiers.chain([(Of::Total, resource, &sums.total)])
        });
        let of_regions = (0..self.sums().len()).flat_map(|resource| {
            self.regions(resource).map(move |(name, series)| (Of::Region(name), resource, series))
        });
        let of_wishes = (0..self.sums().len())
            .filter_map(|resource| Some((Of::Wished, resource, self.wished(resource)?)));
        let valued = |(of, resource, series): (_, _, &'_ Series)| {
            Some((series.fit_value(self.season_steps())?, of, resource))
        };
        let of_all = of_keys.chain(of_sums).chain(of_regions).chain(of_wishes);
        let mut due: Vec<Due<'_>> = of_all.filter_map(valued).collect();
        let by_value = |left: &Due<'_>, right: &Due<'_>| -> Ordering {
            right.0.total_cmp(&left.0).then_with(|| (left.1, left.2).cmp(&(right.1, right.2)))
        };
        if due.len() > most && most > 0 {
            due.select_nth_unstable_by(most - 1, by_value);
        }
        due.truncate(most);
        due.sort_by(by_value);
        let copy = |(_, of, resource): Due<'_>| {
            let place = match of {
                Of::Key(key) => Place::Key(key.to_owned(), resource),
                Of::Tier(tier) => Place::Tier(tier, resource),
                Of::Region(name) => Place::Region(name.to_owned(), resource),
                Of::Total => Place::Total(resource),
                Of::Wished => Place::Wished(resource),
            };
            let model = self.find(&place)?.copy_model()?;
            Some(Fit { place, model })
        };
        due.into_iter().filter_map(copy).collect()
    }

    /// Takes fitted copies in place of the models they were made of; gives how many.
    pub fn adopt(&mut self, fits: Vec<Fit>) -> usize {
        let adopt = |fit: Fit| {
            let Fit { place, model } = fit;
            let series = match &place {
                Place::Key(key, resource) => self.key_mut(key).get_mut(*resource).and_then(Option::as_mut),
                Place::Region(name, resource) => self.region_mut(*resource, name),
                Place::Total(resource) => self.sums_mut(*resource).map(|sums| &mut sums.total),
                Place::Wished(resource) => self.wished_mut(*resource),
                Place::Tier(tier, resource) => self.sums_mut(*resource).and_then(|sums| sums.tier_mut(*tier)),
            };
            series.is_some_and(|series| series.adopt(model))
        };
        fits.into_iter().map(adopt).filter(|adopted| *adopted).count()
    }

    /// Runs the fits that are worth most, at most so many, on all cores; gives how many.
    pub fn refit(&mut self, most: usize) -> usize {
        let mut fits = self.fits(most);
        fits.par_iter_mut().for_each(Fit::run);
        self.adopt(mem::take(&mut fits))
    }

    fn find(&self, place: &Place) -> Option<&Series> {
        match place {
            Place::Key(key, resource) => self.key(key).get(*resource)?.as_ref(),
            Place::Region(name, resource) => self.region(*resource, name),
            Place::Total(resource) => self.total(*resource),
            Place::Wished(resource) => self.wished(*resource),
            Place::Tier(tier, resource) => self.tier(*resource, *tier),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{Learning, Used};

    fn learner(steps: u64) -> Learner {
        let model = tidegate_model::find("auto").unwrap();
        let mut learner = Learner::new(&Learning { model, season_steps: 24, max_keys: 10 }, 1);
        for step in 0..steps {
            let wild = 1000 + step * 7919 % 900;
            let rows = [("wild", wild), ("calm", 10 + step % 3)];
            let rows = rows.map(|(key, demand)| Used { key, resource: 0, demand, largest: 1 });
            learner.observe(&BTreeMap::new(), step, rows);
            learner.predict(step + 1, 3);
        }
        learner
    }

    #[test]
    fn what_is_wrong_by_most_comes_first_and_nothing_is_fitted_twice_at_once() {
        assert!(learner(9).fits(10).is_empty(), "nothing can be fitted to so little");
        let mut learner = learner(60);
        let places =
            |learner: &Learner| learner.fits(10).into_iter().map(|fit| fit.place).collect::<Vec<_>>();
        let last = Place::Key("calm".into(), 0);
        assert_eq!((places(&learner).len(), places(&learner).last()), (4, Some(&last)));
        assert_eq!(learner.refit(3), 3);
        assert_eq!(places(&learner), [last]);
        assert_eq!((learner.refit(10), learner.refit(10)), (1, 0));
    }

    #[test]
    fn a_fit_that_comes_late_is_left_out() {
        let mut learner = learner(60);
        let mut fits = learner.fits(10);
        fits.iter_mut().for_each(Fit::run);
        learner.observe(&BTreeMap::new(), 60, []);
        assert_eq!(learner.adopt(fits), 0);
    }

    #[test]
    fn fits_change_forecasts_for_the_better() {
        // Twice as much in every other step, which only regression knows of: there is no season of two steps.
        let error = |fits: usize| {
            let model = tidegate_model::find("auto").unwrap();
            let mut learner = Learner::new(&Learning { model, season_steps: 7, max_keys: 10 }, 1);
            let mut sum = 0.0;
            for step in 0..400_u64 {
                let demand = 100 + 100 * (step % 2) + step * 7919 % 5;
                if step > 300 {
                    sum += (learner.total(0).unwrap().at(step).unwrap().mean - demand as f64).abs();
                }
                let used = Used { key: "a", resource: 0, demand, largest: 1 };
                learner.observe(&BTreeMap::new(), step, [used]);
                learner.refit(fits);
                learner.predict(step + 1, 1);
            }
            sum
        };
        assert!(error(9) * 3.0 < error(0), "{} and {}", error(9), error(0));
    }
}
