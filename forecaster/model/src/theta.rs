//! The Theta method: simple smoothing of the seasonally adjusted series, with half the slope of its trend.
//!
//! Assimakopoulos and Nikolopoulos, *The theta model* (International Journal of Forecasting 16, 2000), in the form of
//! Hyndman and Billah, *Unmasking the Theta method* (2003). Seasons are taken out as factors of the mean, the shortest
//! season first.

use serde::{Deserialize, Serialize};

use crate::{
    forecast::Settings,
    history::History,
    member::Member,
    seasonal::{place, profiles},
    smoothing::{Family, Smoothing},
};

/// Fitting looks at so many of the newest values, or seasons.
const FITTED: usize = 1500;
const FITTED_SEASONS: usize = 6;
/// Factors stay above this, so that dividing by them is safe.
const LEAST_FACTOR: f64 = 0.05;

/// The Theta method.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Theta {
    seasons: Vec<usize>,
    /// What each place of each season is, relative to the mean.
    factors: Vec<Vec<f32>>,
    slope: f64,
    rest: Smoothing,
    fitted: bool,
}

impl Theta {
    fn factor(&self, step: u64) -> f64 {
        let sum: f64 = self
            .factors
            .iter()
            .map(|one| one.get(place(step, one.len())).copied().map_or(0.0, f64::from))
            .sum();
        (1.0 + sum).max(LEAST_FACTOR)
    }
}

impl Member for Theta {
    fn new(settings: &Settings) -> Self {
        Self {
            seasons: settings.seasons.clone(),
            factors: Vec::new(),
            slope: 0.0,
            rest: Smoothing::new(settings, Family::SIMPLE),
            fitted: false,
        }
    }

    fn is_ready(&self) -> bool {
        self.fitted
    }

    fn observe(&mut self, past: &History) {
        let adjusted = past.newest() / self.factor(past.last_step());
        self.rest.learn(past.last_step(), adjusted);
    }

    fn path(&self, past: &History, ahead: &mut [f64]) {
        self.rest.continue_from(past.last_step(), ahead);
        for ((value, step), distance) in ahead.iter_mut().zip(past.last_step() + 1..).zip(1_u32..) {
            *value = (*value + self.slope / 2.0 * f64::from(distance)) * self.factor(step);
        }
    }

    fn refit(&mut self, past: &History) {
        let longest = self.seasons.iter().copied().max().unwrap_or(1);
        let kept = FITTED.max(longest * FITTED_SEASONS).min(past.len());
        if kept < 12 {
            return;
        }
        let values = past.to_vec().split_off(past.len() - kept);
        let first = past.last_step() + 1 - kept as u64;
        let mean = values.iter().sum::<f64>() / kept as f64;
        let scaled: Vec<f64> =
            values.iter().map(|value| if mean > 0.0 { value / mean } else { 0.0 }).collect();
        let found = profiles(&scaled, first, &self.seasons);
        self.factors = found.iter().map(|one| one.iter().map(|&value| value as f32).collect()).collect();
        let adjusted: Vec<f64> =
            values.iter().zip(first..).map(|(value, step)| value / self.factor(step)).collect();
        self.slope = slope(&adjusted);
        self.rest.fit(&adjusted, first);
        self.fitted = true;
    }
}

/// The least-squares slope.
fn slope(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let centred = values.iter().enumerate().map(|(index, value)| ((index as f64 - middle), value));
    let product: f64 = centred.map(|(time, value)| time * value).sum();
    let square = count * (count * count - 1.0) / 12.0;
    if square > 0.0 { product / square } else { 0.0 }
}
