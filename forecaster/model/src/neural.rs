//! Neural networks as correctors of a robust baseline, trained online.
//!
//! Learned models lose to simple ones on short and strange series, so a network only says by how much a baseline (the
//! same time of the last seasons, and the newest values) is going to be wrong, from what the last steps were like, and
//! says nothing where that has not helped lately. Values are logarithms over a running mean, so that weights mean the same whatever the size of
//! the series; gradients are cut and rates follow their size.

mod global;
mod lens;
mod weights;

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::{
    forecast::Settings,
    history::History,
    member::Member,
    tape::{At, Tape},
};
#[cfg(test)]
pub(crate) use global::tests::check_school;
pub(crate) use global::{Pupil, school};
use lens::Lens;
use weights::Weights;

/// Steps that a network looks at.
pub(crate) const WINDOW: usize = 16;
/// What it is told of each: the value, that of a season ago, and the time of the season.
pub(crate) const INPUTS: usize = 4;
/// Distances at which it corrects, as parts of the horizon in quarters; in between by interpolation.
pub(crate) const OUTPUTS: usize = 3;
const QUARTERS: [usize; OUTPUTS] = [0, 2, 4];
/// It learns at each so many steps, and so many times in a fit.
const EVERY: u64 = 4;
const FITTED: usize = 150;
/// Corrections and gradients are cut here.
const MOST: f64 = 1.0;
/// What one outcome tells about whether corrections help.
const NEWS: f64 = 0.03;
const SEASONS: usize = 3;

/// A network: how many weights, and what it makes of a window.
pub(crate) trait Network: Send + Sync + 'static {
    const WEIGHTS: usize;

    /// How many numbers it remembers from step to step.
    const STATE: usize;

    /// Goes through some steps from a state: what it remembers then, and what it says, [`OUTPUTS`] long, which is the last
    /// vector of the tape.
    fn advance(tape: &mut Tape<'_>, state: &[f64], window: &[[f64; INPUTS]]) -> (At, At);

    /// What it says of some steps of which it remembers nothing before.
    fn forward(tape: &mut Tape<'_>, window: &[[f64; INPUTS]]) -> At {
        Self::advance(tape, &vec![0.0; Self::STATE], window).1
    }
}

/// A baseline and a network that corrects it.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Corrector<N> {
    lens: Lens,
    weights: Weights,
    seen: u64,
    /// Running error of the baseline less that with correction.
    gain: f64,
    network: PhantomData<N>,
}

impl<N: Network> Corrector<N> {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            lens: Lens::new(settings),
            weights: Weights::new(N::WEIGHTS),
            seen: 0,
            gain: 0.0,
            network: PhantomData,
        }
    }

    /// Learns from what was known `origin` steps ago, at least the horizon.
    fn train(&mut self, past: &History, origin: usize) {
        if let Some(helped) = self.lens.train::<N>(&mut self.weights, past, origin, WINDOW) {
            self.gain += NEWS * (helped.clamp(-MOST, MOST) - self.gain);
        }
    }
}

impl<N: Network> Member for Corrector<N> {
    fn new(settings: &Settings) -> Self {
        Self::new(settings)
    }

    fn observe(&mut self, past: &History) {
        self.seen += 1;
        if self.seen.is_multiple_of(EVERY) && past.len() > self.lens.needed() {
            self.train(past, self.lens.horizon());
        }
    }

    fn path(&self, past: &History, ahead: &mut [f64]) {
        let value = self.lens.view(past, 0);
        let helps = self.gain > 0.0;
        let window = self.lens.window(&value, past.last_step(), WINDOW).filter(|_| helps);
        let said: Vec<f64> = window.map_or_else(Vec::new, |window| {
            let mut tape = Tape::new(&self.weights.values);
            let out = N::forward(&mut tape, &window);
            tape.value(out).iter().map(|said| said.clamp(-MOST, MOST)).collect()
        });
        self.lens.path(past, &said, ahead);
    }

    fn refit(&mut self, past: &History) {
        let room = past.len().saturating_sub(self.lens.needed());
        if room < WINDOW {
            return;
        }
        // From old to new, in strides that meet all places.
        for index in 0..FITTED {
            let back = room - 1 - index * 7919 % room;
            self.train(past, self.lens.horizon() + back);
        }
    }
}

/// Compares gradients with differences.
#[cfg(test)]
pub(crate) fn check_gradient<N: Network>() {
    let weights =
        Corrector::<N>::new(&Settings { seasons: vec![24], horizon: 12, history: 500 }).weights.values;
    let window: Vec<[f64; INPUTS]> = (0..WINDOW)
        .map(|back| [(back as f64).sin(), (back as f64 * 0.7).cos(), 0.3, -0.5 + back as f64 * 0.05])
        .collect();
    let targets = [0.4, -0.2, 0.1];
    let loss = |weights: &[f32]| {
        let mut tape = Tape::new(weights);
        let out = N::forward(&mut tape, &window);
        tape.value(out).iter().zip(targets).map(|(said, target)| (said - target).powi(2) / 2.0).sum::<f64>()
    };
    let mut tape = Tape::new(&weights);
    let out = N::forward(&mut tape, &window);
    assert_eq!(tape.value(out).len(), OUTPUTS);
    let slopes = tape.value(out).iter().zip(targets).map(|(said, target)| said - target).collect();
    let gradient = tape.gradient(slopes);
    assert_eq!((gradient.len(), weights.len()), (N::WEIGHTS, N::WEIGHTS));
    let mut moved = 0;
    for (place, slope) in gradient.iter().enumerate() {
        let at = |change: f32| {
            let mut other = weights.clone();
            other[place] += change;
            (f64::from(other[place]), loss(&other))
        };
        let ((high, above), (low, below)) = (at(1e-2), at(-1e-2));
        let difference = (above - below) / (high - low);
        assert!(
            (difference - slope).abs() < 1e-4 + 2e-3 * slope.abs(),
            "weight {place}: {slope} and {difference}"
        );
        moved += usize::from(slope.abs() > 1e-6);
    }
    assert!(moved * 10 > N::WEIGHTS * 8, "{moved} of {} weights matter", N::WEIGHTS);
}

/// A series whose next value the baseline cannot know, and the network can.
#[cfg(test)]
pub(crate) fn check_learning<N: Network>() {
    let settings = Settings { seasons: Vec::new(), horizon: 1, history: 600 };
    let mut corrector = Corrector::<N>::new(&settings);
    let mut past = History::new(600, false);
    let value = |step: u64| if step % 4 < 2 { 10.0 } else { 30.0 };
    for step in 0..600 {
        past.push(step, value(step));
        Member::observe(&mut corrector, &past);
    }
    (0..6).for_each(|_| corrector.refit(&past));
    let mut errors = 0.0;
    for step in 600..604 {
        let mut ahead = [0.0];
        corrector.path(&past, &mut ahead);
        errors += (ahead[0] - value(step)).abs() / 4.0;
        past.push(step, value(step));
    }
    assert!(errors < 5.0, "wrong by {errors} of 20");
}
