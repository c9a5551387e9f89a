//! What is learned at one distance ahead: weights of methods, sample of errors, forecasts that wait for their step.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{errors::Errors, mix::Mix};
use crate::forecast::{LEVELS, Settings, StepForecast};

/// At distance h a forecast is issued every h / this steps: neighbours would tell the same.
const ISSUED_AT_ONCE: usize = 8;

/// What one step counts for after as many more, in deciding between point and median.
const MEDIAN_DISCOUNT: f32 = 0.995;
/// Errors beyond so many units are taken for so many.
const LARGEST: f64 = 100.0;

/// One distance.
#[derive(Serialize, Deserialize)]
pub(super) struct Lead {
    ahead: usize,
    every: usize,
    mix: Mix,
    errors: Errors,
    /// By how much medians have been nearer than points, discounted, in units of the scale.
    median_gain: f32,
    waiting: VecDeque<Issued>,
}

/// A forecast whose step has not come yet.
#[derive(Serialize, Deserialize)]
pub(super) struct Issued {
    due: u64,
    points: Vec<f32>,
    mean: f32,
    quantiles: [f32; LEVELS.len()],
    unit: f32,
}

/// The distances at which is learned: powers of two, and the horizon.
pub(super) fn grid(horizon: usize) -> impl Iterator<Item = usize> {
    let horizon = horizon.max(1);
    let powers = (0..usize::BITS - 1).map(|power| 1 << power);
    powers.take_while(move |&ahead| ahead < horizon).chain([horizon])
}

impl Lead {
    pub(super) fn new(ahead: usize, priors: &[f32], settings: &Settings) -> Self {
        Self {
            ahead,
            every: (ahead / ISSUED_AT_ONCE).max(1),
            mix: Mix::new(priors),
            errors: Errors::new(settings),
            median_gain: 0.0,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn restored(&mut self) {
        self.errors.restored();
    }

    pub(super) fn ahead(&self) -> usize {
        self.ahead
    }

    pub(super) fn mix(&self) -> &Mix {
        &self.mix
    }

    pub(super) fn offsets(&self) -> [f64; LEVELS.len()] {
        self.errors.quantiles()
    }

    pub(super) fn median_is_nearer(&self) -> bool {
        self.median_gain > 0.0
    }

    pub(super) fn is_due(&self, step: u64) -> bool {
        step.is_multiple_of(self.every as u64)
    }

    pub(super) fn push(&mut self, issued: Issued) {
        self.waiting.push_back(issued);
    }

    /// Learns from what was forecast of `step`, if anything was.
    pub(super) fn settle(&mut self, step: u64, value: f64) -> Option<Issued> {
        while self.waiting.front().is_some_and(|issued| issued.due < step) {
            self.waiting.pop_front();
        }
        let issued = self.waiting.pop_front_if(|issued| issued.due == step)?;
        if let Some(error) = issued.error(value) {
            let unit = f64::from(issued.unit);
            let [_, _, median, ..] = issued.quantiles;
            let gain = ((value - issued.mean()).abs() - (value - f64::from(median)).abs()) / unit;
            self.median_gain = MEDIAN_DISCOUNT * self.median_gain + gain.clamp(-LARGEST, LARGEST) as f32;
            self.errors.learn(error as f32, &issued.quantiles, value as f32);
        }
        Some(issued)
    }

    /// Learns how well the methods did at this distance, or at one nearby, which then counts for its `share`;
    /// [`Lead::weigh`] draws the conclusion.
    pub(super) fn credit(&mut self, issued: &Issued, value: f64, share: f32) {
        if issued.unit > 0.0 {
            self.mix.learn(&issued.points, issued.mean, value as f32, issued.unit, share);
        }
    }

    /// Makes what was learned of the methods count for less: it was of another level.
    pub(super) fn forget(&mut self) {
        self.mix.forget();
    }

    pub(super) fn weigh(&mut self) {
        self.mix.weigh();
    }
}

impl Issued {
    pub(super) fn new(due: u64, points: &[f64], forecast: &StepForecast, unit: f64) -> Self {
        Self {
            due,
            points: points.iter().map(|&point| point as f32).collect(),
            mean: forecast.mean as f32,
            quantiles: forecast.quantiles.map(|quantile| quantile as f32),
            unit: unit as f32,
        }
    }

    pub(super) fn mean(&self) -> f64 {
        f64::from(self.mean)
    }

    pub(super) fn forecast(&self) -> StepForecast {
        StepForecast { mean: self.mean(), quantiles: self.quantiles.map(f64::from) }
    }

    /// The error in units of the scale, if there is one.
    pub(super) fn error(&self, value: f64) -> Option<f64> {
        let unit = f64::from(self.unit);
        (unit > 0.0).then(|| ((value - self.mean()) / unit).clamp(-LARGEST, LARGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_double_up_to_the_horizon() {
        assert_eq!(grid(15).collect::<Vec<_>>(), [1, 2, 4, 8, 15]);
        assert_eq!(grid(0).collect::<Vec<_>>(), [1]);
        assert_eq!(grid(16).collect::<Vec<_>>(), [1, 2, 4, 8, 16]);
    }
}
