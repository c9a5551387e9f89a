//! Neural networks as correctors of a robust baseline, trained online.
//!
//! Learned models lose to simple ones on short and strange series, so a network only says by how much a baseline (the
//! same time of the last seasons, and the newest values) is going to be wrong, from what the last steps were like, and
//! says nothing where that has not helped lately. Values are logarithms over a running mean, so that weights mean the same whatever the size of
//! the series; gradients are cut and rates follow their size (Kingma and Ba, *Adam*, ICLR 2015).

use std::{f64::consts::TAU, marker::PhantomData};

use serde::{Deserialize, Serialize};

use crate::{
    forecast::Settings,
    history::History,
    member::Member,
    tape::{At, Tape},
};

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
const RATE: f64 = 0.004;
const MOMENTUM: f64 = 0.9;
const SQUARES: f64 = 0.99;
/// Corrections and gradients are cut here.
const MOST: f64 = 1.0;
/// What one outcome tells about whether corrections help.
const NEWS: f64 = 0.03;
const SEASONS: usize = 3;

/// A network: how many weights, and what it makes of a window.
pub(crate) trait Network: Send + Sync + 'static {
    const WEIGHTS: usize;

    /// The last vector of the tape, [`OUTPUTS`] long.
    fn forward(tape: &mut Tape<'_>, window: &[[f64; INPUTS]]) -> At;
}

/// A baseline and a network that corrects it.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Corrector<N> {
    season: usize,
    horizon: usize,
    weights: Vec<f32>,
    momenta: Vec<f32>,
    squares: Vec<f32>,
    trained: u64,
    seen: u64,
    /// Running error of the baseline less that with correction.
    gain: f64,
    network: PhantomData<N>,
}

impl<N: Network> Corrector<N> {
    pub(crate) fn new(settings: &Settings) -> Self {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut small = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            ((seed >> 40) as f32 / (1_u32 << 24) as f32 - 0.5) * 0.4
        };
        Self {
            season: settings.season(),
            horizon: settings.horizon.max(1),
            weights: (0..N::WEIGHTS).map(|_| small()).collect(),
            momenta: vec![0.0; N::WEIGHTS],
            squares: vec![0.0; N::WEIGHTS],
            trained: 0,
            seen: 0,
            gain: 0.0,
            network: PhantomData,
        }
    }

    /// Mean of the last season, or of some values.
    fn mean(&self, past: &History) -> f64 {
        past.recent_mean(self.season.clamp(48, 400))
    }

    /// What was known `origin` steps ago, as logarithms.
    fn view<'a>(&self, past: &'a History, origin: usize) -> impl Fn(usize) -> Option<f64> + use<'a, N> {
        let mean = self.mean(past);
        let offset = 0.03 * mean + 1e-9;
        move |back: usize| Some(((past.back(origin + back)? + offset) / (mean + offset)).ln())
    }

    /// What the baseline says of the step `ahead` of the origin.
    fn baseline(&self, value: &dyn Fn(usize) -> Option<f64>, ahead: usize) -> f64 {
        let newest = (0..6).filter_map(value).sum::<f64>() / (0..6).filter_map(value).count().max(1) as f64;
        if self.season < 2 {
            return newest;
        }
        let first = self.season - 1 - (ahead - 1) % self.season;
        let seasons = (0..SEASONS).filter_map(|season| value(first + season * self.season));
        let count = seasons.clone().count();
        if count == 0 {
            return newest;
        }
        // The level now against that of the same steps a season ago.
        let before: f64 = (0..6).filter_map(|back| value(back + self.season)).sum::<f64>() / 6.0;
        let fade = 0.5 / (1.0 + ahead as f64 / 6.0);
        seasons.sum::<f64>() / count as f64 + fade * (newest - before)
    }

    fn window(&self, value: &dyn Fn(usize) -> Option<f64>, step: u64) -> Option<Vec<[f64; INPUTS]>> {
        let input = |back: usize| {
            let angle = TAU * ((step + (WINDOW * self.season - back) as u64) % self.season as u64) as f64
                / self.season as f64;
            let before = if self.season > 1 { value(back + self.season).unwrap_or(0.0) } else { 0.0 };
            Some([value(back)?, before, angle.sin(), angle.cos()])
        };
        (0..WINDOW).rev().map(input).collect()
    }

    fn distances(&self) -> [usize; OUTPUTS] {
        QUARTERS.map(|quarter| (self.horizon * quarter / 4).max(1))
    }

    /// One step of gradient descent on what was known `origin` steps ago, at least the horizon.
    fn train(&mut self, past: &History, origin: usize) {
        let value = self.view(past, origin);
        let step = past.last_step().saturating_sub(origin as u64);
        let Some(window) = self.window(&value, step) else { return };
        let known = self.view(past, 0);
        let wrong =
            self.distances().map(|ahead| known(origin - ahead).unwrap_or(0.0) - self.baseline(&value, ahead));
        let mut tape = Tape::new(&self.weights);
        let out = N::forward(&mut tape, &window);
        let said = tape.value(out);
        let slopes = said.iter().zip(wrong).map(|(said, wrong)| (said - wrong).clamp(-MOST, MOST)).collect();
        let helped =
            said.iter().zip(wrong).map(|(said, wrong)| wrong.abs() - (wrong - said).abs()).sum::<f64>();
        self.gain += NEWS * (helped.clamp(-MOST, MOST) - self.gain);
        let gradient = tape.gradient(slopes);
        self.trained += 1;
        let warm = |part: f64| 1.0 - part.powf(self.trained as f64);
        let sums = self.momenta.iter_mut().zip(&mut self.squares);
        for ((weight, (momentum, square)), slope) in self.weights.iter_mut().zip(sums).zip(gradient) {
            *momentum += ((1.0 - MOMENTUM) * (slope - f64::from(*momentum))) as f32;
            *square += ((1.0 - SQUARES) * (slope * slope - f64::from(*square))) as f32;
            let size = (f64::from(*square) / warm(SQUARES)).sqrt() + 1e-6;
            *weight -= (RATE * f64::from(*momentum) / warm(MOMENTUM) / size) as f32;
        }
    }

    fn needed(&self) -> usize {
        self.horizon + self.season.max(WINDOW) + WINDOW
    }
}

impl<N: Network> Member for Corrector<N> {
    fn new(settings: &Settings) -> Self {
        Self::new(settings)
    }

    fn observe(&mut self, past: &History) {
        self.seen += 1;
        if self.seen.is_multiple_of(EVERY) && past.len() > self.needed() {
            self.train(past, self.horizon);
        }
    }

    fn path(&self, past: &History, ahead: &mut [f64]) {
        let value = self.view(past, 0);
        let helps = self.gain > 0.0;
        let window = self.window(&value, past.last_step()).filter(|_| helps);
        let said: Vec<f64> = window.map_or_else(Vec::new, |window| {
            let mut tape = Tape::new(&self.weights);
            let out = N::forward(&mut tape, &window);
            tape.value(out).iter().map(|said| said.clamp(-MOST, MOST)).collect()
        });
        let (mean, distances) = (self.mean(past), self.distances());
        let offset = 0.03 * mean + 1e-9;
        for (slot, distance) in ahead.iter_mut().zip(1..) {
            let whole = self.baseline(&value, distance) + corrected(&said, &distances, distance);
            *slot = whole.min(30.0).exp() * (mean + offset) - offset;
        }
    }

    fn refit(&mut self, past: &History) {
        let room = past.len().saturating_sub(self.needed());
        if room < WINDOW {
            return;
        }
        // From old to new, in strides that meet all places.
        for index in 0..FITTED {
            let back = room - 1 - index * 7919 % room;
            self.train(past, self.horizon + back);
        }
    }
}

/// The correction at a distance, between those that are known.
fn corrected(said: &[f64], distances: &[usize], distance: usize) -> f64 {
    let to = distances.partition_point(|one| *one < distance).min(distances.len().saturating_sub(1));
    let from = to.saturating_sub(1);
    let at = |index: usize| said.get(index).copied().unwrap_or(0.0);
    let place = |index: usize| distances.get(index).copied().unwrap_or(1) as f64;
    let span = place(to) - place(from);
    let share = if span > 0.0 { ((distance as f64 - place(from)) / span).clamp(0.0, 1.0) } else { 1.0 };
    at(from) * (1.0 - share) + at(to) * share
}

/// Compares gradients with differences.
#[cfg(test)]
pub(crate) fn check_gradient<N: Network>() {
    let weights = Corrector::<N>::new(&Settings { seasons: vec![24], horizon: 12, history: 500 }).weights;
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
