//! ARIMA of low order around Fourier terms for the seasons.
//!
//! Hyndman and Athanasopoulos, *Forecasting: Principles and Practice* (3rd ed.), §10.5: long seasons as Fourier terms,
//! what is left as ARMA ([`Arma`]).

use serde::{Deserialize, Serialize};

use crate::{
    arma::{Arma, FEWEST},
    forecast::Settings,
    fourier,
    history::History,
    linear::Normal,
    member::Member,
};

/// Fitting looks at so many of the newest values, or seasons.
const FITTED: usize = 1500;
const FITTED_SEASONS: usize = 6;
/// Most waves of the first, second and third season.
const WAVES: [usize; 3] = [12, 12, 12];
const PENALTY: f64 = 0.1;

/// The regression, and what it leaves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Arima {
    seasons: Vec<usize>,
    /// Coefficients of the constant and the Fourier terms; none before the first fit.
    regression: Vec<f64>,
    rest: Arma,
}

impl Arima {
    fn row(&self, step: u64) -> Vec<f64> {
        let mut row = vec![1.0];
        for (&season, most) in self.seasons.iter().zip(WAVES) {
            fourier::push(&mut row, step, season, fourier::waves(season, most));
        }
        row
    }

    fn regress(&self, step: u64) -> f64 {
        let Some((constant, waves)) = self.regression.split_first() else { return 0.0 };
        constant + fourier::sum_of_all(waves, step, &self.seasons, &WAVES)
    }
}

impl Member for Arima {
    fn new(settings: &Settings) -> Self {
        Self {
            seasons: settings.seasons.iter().copied().filter(|&season| season > 1).take(3).collect(),
            regression: Vec::new(),
            rest: Arma::default(),
        }
    }

    fn is_ready(&self) -> bool {
        !self.regression.is_empty()
    }

    fn observe(&mut self, past: &History) {
        if self.is_ready() {
            self.rest.learn(past.newest() - self.regress(past.last_step()));
        }
    }

    fn path(&self, past: &History, ahead: &mut [f64]) {
        if !self.is_ready() {
            ahead.fill(past.newest());
            return;
        }
        self.rest.go_on(ahead);
        for (value, step) in ahead.iter_mut().zip(past.last_step() + 1..) {
            *value += self.regress(step);
        }
    }

    fn refit(&mut self, past: &History) {
        let longest = self.seasons.iter().copied().max().unwrap_or(1);
        let kept = FITTED.max(longest * FITTED_SEASONS).min(past.len());
        if kept < FEWEST {
            return;
        }
        let values = past.to_vec().split_off(past.len() - kept);
        let first = past.last_step() + 1 - kept as u64;
        let width = self.row(first).len();
        let mut normal = Normal::new(width);
        for (value, step) in values.iter().zip(first..) {
            normal.add(&self.row(step), *value, 1.0);
        }
        let Some(regression) = normal.solve(|index| if index == 0 { 1e-9 } else { PENALTY }) else { return };
        self.regression = regression;
        let left: Vec<f64> =
            values.iter().zip(first..).map(|(value, step)| value - self.regress(step)).collect();
        self.rest.fit(&left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arma::noise;

    #[test]
    fn waves_go_on() {
        let settings = Settings { seasons: vec![24], horizon: 24, history: 600 };
        let mut model = Arima::new(&settings);
        let mut past = History::new(600, false);
        let value =
            |step: u64| 100.0 + 30.0 * (step as f64 / 24.0 * std::f64::consts::TAU).cos() + noise(step);
        for step in 0..480 {
            past.push(step, value(step));
            model.observe(&past);
        }
        model.refit(&past);
        let mut ahead = [0.0; 24];
        model.path(&past, &mut ahead);
        for (got, step) in ahead.iter().zip(480..) {
            assert!((got - value(step)).abs() < 2.5, "{got} instead of {}", value(step));
        }
    }
}
