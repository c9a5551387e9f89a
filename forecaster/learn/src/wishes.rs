//! What will be missing of each resource: a series of what was refused for want of capacity, beside the one of demand.
//!
//! It is apart from demand, which holds what was refused already: whoever added it there would count it twice. What it
//! foretells is for whoever can add capacity. There is none of a resource of which nothing has ever been missing.

use crate::series::{Series, SeriesSettings};

/// What is wished for, by resource index.
#[derive(Default)]
pub(crate) struct Wishes {
    series: Vec<Option<Series>>,
}

impl Wishes {
    pub(crate) fn new(resources: usize) -> Self {
        Self { series: (0..resources).map(|_| None).collect() }
    }

    /// Adds what was missing in the step that is closed next.
    pub(crate) fn add(&mut self, settings: &SeriesSettings, resource: usize, tokens: u64) {
        if let Some(slot) = self.series.get_mut(resource).filter(|slot| slot.is_some() || tokens > 0) {
            slot.get_or_insert_with(|| Series::sum(settings)).add(tokens, 0);
        }
    }

    pub(crate) fn all(&mut self) -> impl Iterator<Item = &mut Series> {
        self.series.iter_mut().flatten()
    }

    pub(crate) fn get(&self, resource: usize) -> Option<&Series> {
        self.series.get(resource)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, resource: usize) -> Option<&mut Series> {
        self.series.get_mut(resource)?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::{Learner, Learning, Used};

    #[test]
    fn what_is_missing_every_season_is_expected_and_changes_no_demand() {
        let model = tidegate_model::find("seasonal-naive").unwrap();
        let learn = |is_told: bool| {
            let mut learner = Learner::new(&Learning { model, season_steps: 6, max_keys: 9 }, 2);
            for step in 0..60 {
                let missing = if step % 6 < 2 { 30 } else { 0 };
                if is_told {
                    learner.wish(0, missing);
                    learner.wish(7, 1);
                }
                let used = Used { key: "a", resource: 0, demand: 100 + missing, largest: 1 };
                learner.observe(&BTreeMap::new(), step, [used]);
            }
            learner.predict(60, 6);
            learner
        };
        let (told, untold) = (learn(true), learn(false));
        let means = |series: &crate::Series| -> Vec<f64> {
            series.forecast().1.iter().map(|step| step.mean).collect()
        };
        assert_eq!(means(told.wished(0).unwrap()), [30.0, 30.0, 0.0, 0.0, 0.0, 0.0]);
        assert!(told.wished(1).is_none() && untold.wished(0).is_none() && told.wished(7).is_none());
        assert_eq!(means(told.total(0).unwrap()), means(untold.total(0).unwrap()));
    }
}
