//! One network for all series: a school that trains it, and pupils that use it.
//!
//! Salinas, Flunkert, Gasthaus and Januschowski, *DeepAR: Probabilistic forecasting with autoregressive recurrent networks*
//! (International Journal of Forecasting 36, 2020): series are normalised, each by its own size, and one network learns from
//! all of them, so that a short one gains by what others have shown. The weights are the school's; a series keeps the
//! state of the network (some numbers), and by how much it has helped at each distance: where it has not, the baseline is
//! left alone. Lessons are single steps of gradient descent through some dozens of steps of one series.

use std::{marker::PhantomData, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{MOST, NEWS, Network, OUTPUTS, WINDOW, lens::Lens, weights::Weights};
use crate::{
    forecast::Settings,
    history::History,
    member::Member,
    school::{School, Shared},
    snapshot::{self, SnapshotError},
    tape::Tape,
};

/// A lesson goes through so many steps: what a network remembers from before hardly matters then.
const LESSON: usize = 2 * WINDOW;

/// Trains the network.
pub(crate) struct Teacher<N> {
    lens: Lens,
    weights: Weights,
    network: PhantomData<N>,
}

/// A series with the network as it was last shown.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Pupil<N> {
    lens: Lens,
    #[serde(serialize_with = "as_list", deserialize_with = "from_list")]
    weights: Arc<[f32]>,
    /// What the network remembers of this series, and what it says now.
    state: Vec<f32>,
    said: [f32; OUTPUTS],
    /// Running error of the baseline less that with correction, by distance.
    gains: [f32; OUTPUTS],
    asked: [Option<Asked>; OUTPUTS],
    network: PhantomData<N>,
}

/// What was said of a step that has not come yet: logarithms with and without correction.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Asked {
    due: u64,
    without: f32,
    with: f32,
}

/// A school of this network, of series with these settings.
pub(crate) fn school<N: Network>(settings: &Settings) -> Box<dyn School> {
    Box::new(Teacher::<N> {
        lens: Lens::new(settings),
        weights: Weights::new(N::WEIGHTS),
        network: PhantomData,
    })
}

impl<N: Network> School for Teacher<N> {
    fn needed(&self) -> usize {
        self.lens.needed() + LESSON
    }

    fn study(&mut self, last_step: u64, values: &[f64], lessons: usize) {
        let Some(room) = (values.len() + 1).checked_sub(self.needed()).filter(|room| *room > 0) else {
            return;
        };
        let mut past = History::new(values.len(), false);
        let first = (last_step + 1).saturating_sub(values.len() as u64);
        // A gap is as what was before it.
        let mut newest = 0.0;
        for (step, value) in (first..).zip(values) {
            newest = if value.is_finite() { value.max(0.0) } else { newest };
            past.push(step, newest);
        }
        // From old to new, in strides that meet all places; the newest when there is but one.
        for index in (0..lessons).rev() {
            let origin = self.lens.horizon() + index * 7919 % room;
            self.lens.train::<N>(&mut self.weights, &past, origin, LESSON);
        }
    }

    fn shared(&self) -> Shared {
        Shared(self.weights.values.clone().into())
    }

    fn snapshot(&self) -> Vec<u8> {
        snapshot::write(&(&self.lens, &self.weights))
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let (lens, weights): (Lens, Weights) = snapshot::read(bytes)?;
        if weights.values.len() != N::WEIGHTS {
            return Err(SnapshotError::Malformed);
        }
        (self.lens, self.weights) = (lens, weights);
        Ok(())
    }
}

impl<N: Network> Pupil<N> {
    /// What the network says now, and remembers.
    fn listen(&mut self, past: &History) {
        let value = self.lens.view(past, 0);
        let steps = if N::STATE > 0 { 1 } else { LESSON };
        let Some(window) = self.lens.window(&value, past.last_step(), steps) else { return };
        let mut tape = Tape::new(&self.weights);
        let state: Vec<f64> = self.state.iter().copied().map(f64::from).collect();
        let (state, out) = N::advance(&mut tape, &state, &window);
        if N::STATE > 0 {
            self.state = tape.value(state).iter().map(|value| *value as f32).collect();
        }
        for (slot, said) in self.said.iter_mut().zip(tape.value(out)) {
            *slot = said.clamp(-MOST, MOST) as f32;
        }
    }

    /// Compares what was said of the newest step with what came, and says something of the next ones.
    fn compare(&mut self, past: &History) {
        let (step, (mean, offset), value) = (past.last_step(), self.lens.mean(past), self.lens.view(past, 0));
        let size = (mean + offset).ln();
        let came = (past.newest() + offset).ln();
        let places = self.asked.iter_mut().zip(&mut self.gains).zip(self.said).zip(self.lens.distances());
        for (((asked, gain), said), distance) in places {
            if let Some(one) = asked.filter(|one| one.due <= step) {
                let (with, without) = (came - f64::from(one.with), came - f64::from(one.without));
                let helped = (without.abs() - with.abs()).clamp(-MOST, MOST);
                if one.due == step {
                    *gain += (NEWS * (helped - f64::from(*gain))) as f32;
                }
                *asked = None;
            }
            if asked.is_none() {
                let without = (self.lens.baseline(&value, distance) + size) as f32;
                *asked = Some(Asked { due: step + distance as u64, without, with: without + said });
            }
        }
    }
}

impl<N: Network> Member for Pupil<N> {
    fn new(settings: &Settings) -> Self {
        Self {
            lens: Lens::new(settings),
            weights: Weights::new(N::WEIGHTS).values.into(),
            state: vec![0.0; N::STATE],
            said: [0.0; OUTPUTS],
            gains: [0.0; OUTPUTS],
            asked: [None; OUTPUTS],
            network: PhantomData,
        }
    }

    fn observe(&mut self, past: &History) {
        self.listen(past);
        self.compare(past);
    }

    fn path(&self, past: &History, ahead: &mut [f64]) {
        let helps = |(said, gain): (&f32, &f32)| if *gain > 0.0 { f64::from(*said) } else { 0.0 };
        let said: Vec<f64> = self.said.iter().zip(&self.gains).map(helps).collect();
        self.lens.path(past, &said, ahead);
    }

    fn take(&mut self, shared: &Shared) {
        if shared.0.len() == N::WEIGHTS {
            self.weights = Arc::clone(&shared.0);
        }
    }
}

fn as_list<S: Serializer>(weights: &Arc<[f32]>, serializer: S) -> Result<S::Ok, S::Error> {
    (**weights).serialize(serializer)
}

fn from_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[f32]>, D::Error> {
    Vec::deserialize(deserializer).map(Arc::from)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Pairs of steps that go up and down together: what comes next depends on the last three values, and there is no
    /// season that tells.
    fn value(series: u64, step: u64) -> f64 {
        let size = 10.0 * (1 + series) as f64;
        if (step + series) % 6 < 3 { size } else { 3.0 * size }
    }

    /// Trains on some series and shows the weights to another, of which nothing was trained on.
    pub(crate) fn check_school<N: Network>() {
        let settings = Settings { seasons: Vec::new(), horizon: 1, history: 200 };
        let mut school = school::<N>(&settings);
        for round in 0..40 {
            for series in 0..10 {
                let values: Vec<f64> = (0..120).map(|step| value(series, step)).collect();
                school.study(119 + round % 3, &values, 4);
            }
        }
        let error = |shared: Option<&Shared>| {
            let mut pupil = Pupil::<N>::new(&settings);
            let mut past = History::new(200, false);
            let mut sum = 0.0;
            if let Some(shared) = shared {
                pupil.take(shared);
            }
            for step in 0..150 {
                let mut ahead = [0.0];
                if step >= 100 {
                    pupil.path(&past, &mut ahead);
                    sum += (ahead[0] - value(30, step)).abs() / value(30, step) / 50.0;
                }
                past.push(step, value(30, step));
                pupil.observe(&past);
            }
            sum
        };
        let (taught, untaught) = (error(Some(&school.shared())), error(None));
        assert!(taught < 0.5 * untaught, "wrong by {taught}, by {untaught} without a school");

        let mut again = super::school::<N>(&settings);
        again.restore(&school.snapshot()).unwrap();
        let values: Vec<f64> = (0..120).map(|step| value(3, step)).collect();
        school.study(119, &values, 5);
        again.study(119, &values, 5);
        assert!(school.shared().0 == again.shared().0, "a school goes on where it was");
        assert!(again.restore(&[1, 2, 3]).is_err());
        let before = again.shared().0;
        again.study(20, &values[..20], 5);
        assert!(again.shared().0 == before, "too little to learn from");
    }
}
