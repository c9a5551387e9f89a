//! Models whose weights are shared by all keys: trained between steps, on a few keys at a time.
//!
//! Each step pays for so many lessons and no more, however many keys there are; keys take turns in order. What has been
//! learned is shown to all models now and then, so that all of them use the same weights. It is saved with the last step
//! that taught, so that a restart, which learns some of the past again, neither loses a lesson nor takes one twice.

use serde::{Deserialize, Serialize};
use tidegate_model::{Entry, School, Settings, SnapshotError};

use crate::series::Series;

/// Lessons of one step, and from how many steps on what they taught is shown.
const LESSONS: usize = 16;
const SHOWN_EVERY: u64 = 16;
/// Values kept beside a season by models that share weights: lessons look that far back.
pub(crate) const LOOKED_BACK: usize = 128;

/// What a saved school begins with; the last byte changes whenever the others do.
const MAGIC: [u8; 3] = *b"tgl";
const VERSION: u8 = 1;

/// The school of a learner.
pub(crate) struct Schooling {
    school: Box<dyn School>,
    /// Whose models it is for.
    model: &'static str,
    season_steps: usize,
    /// Whose turn it is.
    next: usize,
    steps: u64,
    /// The last step that it has taken lessons from: one that is learned again after a restart gives none.
    until: Option<u64>,
}

/// A school as it is saved.
#[derive(Serialize, Deserialize)]
struct Saved {
    model: String,
    season_steps: usize,
    next: usize,
    steps: u64,
    until: Option<u64>,
    school: Vec<u8>,
}

impl Schooling {
    /// One for models that share weights.
    pub(crate) fn of(entry: &Entry, settings: &Settings) -> Option<Self> {
        Some(Self {
            school: (entry.school?)(settings),
            model: entry.name,
            season_steps: settings.season(),
            next: 0,
            steps: 0,
            until: None,
        })
    }

    /// Takes the lessons of a step from those whose turn it is; whether it is time to show what was learned.
    pub(crate) fn study(&mut self, step: u64, keys: &[&Series]) -> bool {
        if self.until.is_some_and(|until| step <= until) {
            return false;
        }
        self.until = Some(step);
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

    /// How many steps it has taken lessons from in all.
    pub(crate) const fn steps(&self) -> u64 {
        self.steps
    }

    /// Everything it knows, in bytes.
    pub(crate) fn save(&self) -> Vec<u8> {
        let saved = Saved {
            model: self.model.to_owned(),
            season_steps: self.season_steps,
            next: self.next,
            steps: self.steps,
            until: self.until,
            school: self.school.snapshot(),
        };
        let mut bytes = [MAGIC.as_slice(), &[VERSION]].concat();
        // Plain data always serialises; without a body the bytes would be refused on reading.
        bytes.extend(postcard::to_allocvec(&saved).unwrap_or_default());
        bytes
    }

    /// Goes on from what [`Schooling::save`] gave. Lessons said to be of a step that is not before `current` were taken
    /// while a clock was ahead: steps from now on give some again.
    pub(crate) fn restore(&mut self, bytes: &[u8], current: u64) -> Result<(), SnapshotError> {
        let body = bytes.strip_prefix(&MAGIC).ok_or(SnapshotError::Malformed)?;
        let saved: Saved = match body.split_first() {
            Some((&VERSION, body)) => postcard::from_bytes(body).map_err(|_| SnapshotError::Malformed)?,
            Some((&version, _)) => return Err(SnapshotError::Version(version)),
            None => return Err(SnapshotError::Malformed),
        };
        if saved.model != self.model || saved.season_steps != self.season_steps {
            return Err(SnapshotError::Malformed);
        }
        self.school.restore(&saved.school)?;
        (self.next, self.steps) = (saved.next, saved.steps);
        self.until = saved.until.filter(|step| *step < current);
        Ok(())
    }

    pub(crate) fn school(&self) -> &dyn School {
        &*self.school
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
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

    /// Learns steps of ten keys, each with a size of its own.
    fn learn(learner: &mut Learner, steps: std::ops::Range<u64>) {
        let names: Vec<String> = (0..10).map(|number| format!("k{number}")).collect();
        for step in steps {
            let used = names.iter().zip(0..).map(|(key, number)| Used {
                key,
                resource: 0,
                demand: (number + 1) * if (step + number) % 6 < 3 { 100 } else { 300 },
                largest: 1,
            });
            learner.observe(&BTreeMap::new(), step, used);
        }
    }

    fn new(model: &str, season_steps: usize) -> Learner {
        let model = tidegate_model::find(model).unwrap();
        Learner::new(&Learning { model, season_steps, max_keys: 99 }, 1)
    }

    #[test]
    fn a_restart_forgets_no_lesson_and_takes_none_twice() {
        let mut learner = new("lstm-global", 1);
        learn(&mut learner, 0..400);
        let saved = learner.save_school().unwrap();
        // What is left of the past is learned again, the school stays as it was.
        let mut restarted = new("lstm-global", 1);
        restarted.restore_school(&saved, 400).unwrap();
        learn(&mut restarted, 200..400);
        assert!(restarted.save_school().unwrap() == saved, "no lesson was taken twice");
        learn(&mut learner, 400..450);
        learn(&mut restarted, 400..450);
        assert!(restarted.save_school() == learner.save_school(), "both go on alike");
        assert_eq!(restarted.schooled_steps(), Some(450));
        let mut forgetful = new("lstm-global", 1);
        learn(&mut forgetful, 200..450);
        assert!(forgetful.save_school() != learner.save_school());
    }

    #[test]
    fn lessons_of_a_future_hold_up_none_and_what_others_saved_changes_nothing() {
        let mut learner = new("lstm-global", 1);
        learn(&mut learner, 1000..1100);
        let saved = learner.save_school().unwrap();
        let mut restarted = new("lstm-global", 1);
        restarted.restore_school(&saved, 600).unwrap();
        learn(&mut restarted, 500..610);
        assert_eq!(restarted.schooled_steps(), Some(210));

        let before = restarted.save_school();
        let mut newer = saved.clone();
        newer[3] += 1;
        assert_eq!(restarted.restore_school(&newer, 9), Err(SnapshotError::Version(2)));
        let of = |model: &str, season_steps| new(model, season_steps).save_school().unwrap();
        for bytes in [&saved[..9], &of("transformer-global", 1), &of("lstm-global", 2), b"tgl", b""] {
            assert_eq!(restarted.restore_school(bytes, 9), Err(SnapshotError::Malformed));
        }
        assert!(restarted.save_school() == before);
        assert!(
            new("naive", 1).restore_school(&saved, 9).is_err() && new("naive", 1).save_school().is_none()
        );
    }

    #[test]
    fn the_same_usage_leads_to_the_same_weights_and_others_have_no_school() {
        let snapshot =
            |learner: &Learner| learner.key("k03")[0].as_ref().unwrap().copy_model().unwrap().snapshot();
        assert!(snapshot(&learner("lstm-global").0) == snapshot(&learner("lstm-global").0));
        assert!(learner("naive").0.school().is_none());
    }
}
