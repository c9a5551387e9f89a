//! Prophet-style regression: a trend with bends, waves of the seasons, events.
//!
//! Taylor and Letham, *Forecasting at scale* (The American Statistician 72, 2018): a piecewise linear trend whose bends
//! are shrunk, Fourier terms for seasons, the most probable parameters. With normal priors these are a ridge regression,
//! solved exactly. What the newest values differ from the regression fades out over the first steps ahead.

use serde::{Deserialize, Serialize};

use crate::{
    forecast::Settings,
    fourier,
    history::History,
    linear::{Normal, dot},
    member::Member,
};

const FITTED: usize = 3000;
const FITTED_SEASONS: usize = 6;
/// Bends are spread over the first part of the history.
const BENDS: usize = 10;
const BENDING_PART: f64 = 0.9;
/// Most waves of the first, second and third season.
const WAVES: [usize; 3] = [10, 8, 8];
/// Precision of the priors of bends and of waves, relative to the noise.
const BEND_PENALTY: f64 = 30.0;
const WAVE_PENALTY: f64 = 0.3;
/// How much of the newest difference is left after each step.
const FADING: f64 = 0.9;
/// How fast the newest difference is learned.
const NEWEST: f64 = 0.4;

/// The regression.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Prophet {
    seasons: Vec<usize>,
    coefficients: Vec<f64>,
    /// First step and length of the history it was fitted to.
    first: u64,
    length: f64,
    difference: f64,
}

impl Prophet {
    /// The trend's columns: constant, slope and bends.
    fn trend(&self, step: u64) -> [f64; 2 + BENDS] {
        let time = step.saturating_sub(self.first) as f64 / self.length.max(1.0);
        let mut columns = [0.0; 2 + BENDS];
        for (column, index) in columns.iter_mut().zip(0_u32..) {
            *column = match index {
                0 => 1.0,
                1 => time,
                bend => (time - BENDING_PART * f64::from(bend - 1) / (BENDS + 1) as f64).max(0.0),
            };
        }
        columns
    }

    fn row(&self, step: u64) -> Vec<f64> {
        let mut row = self.trend(step).to_vec();
        for (&season, most) in self.seasons.iter().zip(WAVES) {
            fourier::push(&mut row, step, season, fourier::waves(season, most));
        }
        row
    }

    fn expected(&self, step: u64) -> f64 {
        let (trend, waves) =
            self.coefficients.split_at_checked(2 + BENDS).unwrap_or((&self.coefficients, &[]));
        dot(trend, &self.trend(step)) + fourier::sum_of_all(waves, step, &self.seasons, &WAVES)
    }
}

impl Member for Prophet {
    fn new(settings: &Settings) -> Self {
        Self {
            seasons: settings.seasons.iter().copied().filter(|&season| season > 1).take(3).collect(),
            coefficients: Vec::new(),
            first: 0,
            length: 1.0,
            difference: 0.0,
        }
    }

    fn is_ready(&self) -> bool {
        !self.coefficients.is_empty()
    }

    fn observe(&mut self, past: &History) {
        if self.is_ready() {
            let now = past.newest() - self.expected(past.last_step());
            self.difference += NEWEST * (now - self.difference);
        }
    }

    fn path(&self, past: &History, ahead: &mut [f64]) {
        if !self.is_ready() {
            ahead.fill(past.newest());
            return;
        }
        let mut left = self.difference;
        for (value, step) in ahead.iter_mut().zip(past.last_step() + 1..) {
            left *= FADING;
            *value = self.expected(step) + left;
        }
    }

    fn refit(&mut self, past: &History) {
        let longest = self.seasons.iter().copied().max().unwrap_or(1);
        let kept = FITTED.max(longest * FITTED_SEASONS).min(past.len());
        if kept < 2 * BENDS {
            return;
        }
        let values = past.to_vec().split_off(past.len() - kept);
        self.first = past.last_step() + 1 - kept as u64;
        self.length = kept as f64;
        let width = self.row(self.first).len();
        let mut normal = Normal::new(width);
        for (value, step) in values.iter().zip(self.first..) {
            normal.add(&self.row(step), *value, 1.0);
        }
        let found = normal.solve(|index| match index {
            0 | 1 => 1e-6,
            bend if bend < 2 + BENDS => BEND_PENALTY,
            _ => WAVE_PENALTY,
        });
        let Some(found) = found else { return };
        self.coefficients = found;
        self.difference = 0.0;
        for (value, step) in values.iter().zip(self.first..) {
            let now = value - self.expected(step);
            self.difference += NEWEST * (now - self.difference);
        }
    }
}
