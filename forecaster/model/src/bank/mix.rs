//! Weights of methods at one distance, by Bernstein online aggregation.
//!
//! Wintenberger, *Optimal learning with Bernstein online aggregation* (Machine Learning 106, 2017): weights
//! `w ∝ π·exp(η·R − η²·V)` with R the sum of excess losses, V that of their squares and a learning rate per method
//! from V; the regret against the best method is of the order of √(V log K). Losses are the linearised pinball loss at
//! one level, the median for points, so the regret holds against the best convex combination too. Sums are discounted, so that what was
//! long ago does not count: the same bound over the effective window.

use serde::{Deserialize, Serialize};

/// What a loss counts for after as many more.
const DISCOUNT: f32 = 0.99;
/// How much of the loss is the linearised one; the rest is the method's own.
const LINEARISED: f32 = 0.5;
/// The highest learning rate, lest a few losses decide; else it is the one that is best in the worst case.
const HIGHEST_RATE: f32 = 0.2;
/// What all that was learned counts for after the level has shifted.
const REMEMBERED: f32 = 0.3;
/// Losses are cut here, in units of the scale.
const WORST: f32 = 10.0;

/// The weights of one distance.
#[derive(Serialize, Deserialize)]
pub(super) struct Mix {
    /// Logarithms of the weights before anything is known.
    priors: Vec<f32>,
    /// Discounted excess losses of the combination over each method.
    regrets: Vec<f32>,
    squares: Vec<f32>,
    weights: Vec<f32>,
}

impl Mix {
    pub(super) fn new(priors: &[f32]) -> Self {
        let members = priors.len();
        let mut new = Self {
            priors: priors.iter().map(|prior| prior.ln()).collect(),
            regrets: vec![0.0; members],
            squares: vec![0.0; members],
            weights: vec![0.0; members],
        };
        new.weigh();
        new
    }

    /// The weighted mean of the points there are; NaN stands for none.
    pub(super) fn combine(&self, points: &[f64]) -> Option<f64> {
        let (mut sum, mut weights) = (0.0, 0.0);
        for (&weight, point) in self.weights.iter().zip(points).filter(|(_, point)| !point.is_nan()) {
            sum += f64::from(weight) * point;
            weights += f64::from(weight);
        }
        (weights > 0.0).then(|| sum / weights)
    }

    /// The part of the weights whose points are at most this.
    pub(super) fn share_at_most(&self, points: &[f64], bound: f64) -> f64 {
        let (mut sum, mut weights) = (0.0, 0.0);
        for (&weight, point) in self.weights.iter().zip(points).filter(|(_, point)| !point.is_nan()) {
            sum += if *point <= bound { f64::from(weight) } else { 0.0 };
            weights += f64::from(weight);
        }
        if weights > 0.0 { sum / weights } else { 0.0 }
    }

    /// Learns what came of a forecast at a quantile level, which counts for its `share`.
    pub(super) fn learn(
        &mut self,
        level: f32,
        points: &[f32],
        combined: f32,
        value: f32,
        unit: f32,
        share: f32,
    ) {
        if points.len() < 2 {
            return;
        }
        let (above, below) = (2.0 * level, 2.0 * (1.0 - level));
        let loss = |point: f32| {
            let over = value - point;
            ((if over > 0.0 { above * over } else { -below * over }) / unit).min(WORST)
        };
        let own = loss(combined);
        let discount = 1.0 - share * (1.0 - DISCOUNT);
        let slope = if combined >= value { below } else { -above };
        let sums = self.regrets.iter_mut().zip(&mut self.squares).zip(points);
        for ((regret, square), &point) in sums {
            // Who had nothing to say did as well as all together.
            if point.is_nan() {
                continue;
            }
            let linear = (slope * (combined - point) / unit).clamp(-WORST, WORST);
            let excess = LINEARISED * linear + (1.0 - LINEARISED) * (own - loss(point));
            *regret = discount * *regret + share * excess;
            *square = discount * *square + share * excess * excess;
        }
    }

    pub(super) fn forget(&mut self) {
        self.regrets.iter_mut().chain(&mut self.squares).for_each(|sum| *sum *= REMEMBERED);
    }

    /// Weights from what has been learned.
    pub(super) fn weigh(&mut self) {
        if self.weights.len() < 2 {
            return self.weights.fill(1.0);
        }
        let log_methods = (self.weights.len() as f32).ln();
        let sums = self.priors.iter().zip(&self.regrets).zip(&self.squares);
        let exponents = sums.map(|((&prior, &regret), &square)| {
            let rate = (log_methods / (square + 1.0)).sqrt().min(HIGHEST_RATE);
            prior + rate * regret - rate * rate * square
        });
        for (weight, exponent) in self.weights.iter_mut().zip(exponents) {
            *weight = exponent;
        }
        let highest = self.weights.iter().copied().fold(f32::MIN, f32::max);
        let mut sum = 0.0;
        for weight in &mut self.weights {
            *weight = (*weight - highest).exp();
            sum += *weight;
        }
        for weight in &mut self.weights {
            *weight /= sum;
        }
    }
}
