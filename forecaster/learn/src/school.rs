//! Models whose weights are shared by all keys: trained between steps, on a few keys at a time.
//!
//! Each step pays for so many lessons and no more, however many keys there are; keys take turns in order. What has been
//! learned is shown to all models now and then, so that all of them use the same weights.

use tidegate_model::{Entry, School, Settings};

use crate::series::Series;

/// Lessons of one step, and from how many steps on what they taught is shown.
const LESSONS: usize = 16;
const SHOWN_EVERY: u64 = 16;
/// Values kept beside a season by models that share weights: lessons look that far back.
pub(crate) const LOOKED_BACK: usize = 128;

/// The school of a learner.
pub(crate) struct Schooling {
    school: Box<dyn School>,
    /// Whose turn it is.
    next: usize,
    steps: u64,
}

impl Schooling {
    /// One for models that share weights.
    pub(crate) fn of(entry: &Entry, settings: &Settings) -> Option<Self> {
        Some(Self { school: (entry.school?)(settings), next: 0, steps: 0 })
    }

    /// Takes the lessons of one step from those whose turn it is; whether it is time to show what was learned.
    pub(crate) fn study(&mut self, keys: &[&Series]) -> bool {
        for _ in 0..LESSONS.min(keys.len()) {
            self.next %= keys.len().max(1);
            if let Some(series) = keys.get(self.next) {
                let (last, values) = series.recent();
                self.school.study(last, &values, 1);
            }
            self.next += 1;
        }
        self.steps += 1;
        self.steps.is_multiple_of(SHOWN_EVERY)
    }

    pub(crate) fn school(&self) -> &dyn School {
        &*self.school
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::{Learner, Learning, Used};

    /// Twenty keys that rise for three steps and fall for three, each with a size of its own, and one that comes late.
    fn learner(model: &str) -> (Learner, f64) {
        let model = tidegate_model::find(model).unwrap();
        let mut learner = Learner::new(&Learning { model, season_steps: 1, max_keys: 99 }, 1);
        let value =
            |key: u64, step: u64| if (step + key) % 6 < 3 { 100 * (key + 1) } else { 300 * (key + 1) };
        let names: Vec<String> = (0..21).map(|number| format!("k{number:02}")).collect();
        let (mut sum, steps) = (0.0, 700);
        for step in 0..steps {
            let shown = if step < 500 { 20 } else { 21 };
            if step > 620 {
                let mean = learner.key("k20")[0].as_ref().unwrap().look_ahead(step, 1).0[0].mean;
                let came = value(20, step) as f64;
                sum += (mean - came).abs() / came / 80.0;
            }
            let used = names.iter().take(shown).enumerate().map(|(number, key)| Used {
                key,
                resource: 0,
                demand: value(number as u64, step),
                largest: 1,
            });
            learner.observe(&BTreeMap::new(), step, used);
        }
        (learner, sum)
    }

    #[test]
    fn a_key_that_came_late_is_forecast_by_what_others_have_shown() {
        let (_, taught) = learner("lstm-global");
        let (_, untaught) = learner("naive");
        assert!(taught < 0.6 * untaught, "wrong by {taught} of all, by {untaught} as the last step");
    }

    #[test]
    fn the_same_usage_leads_to_the_same_weights_and_others_have_no_school() {
        let snapshot =
            |learner: &Learner| learner.key("k03")[0].as_ref().unwrap().copy_model().unwrap().snapshot();
        assert!(snapshot(&learner("lstm-global").0) == snapshot(&learner("lstm-global").0));
        assert!(learner("naive").0.school().is_none());
    }
}
