//! MSTL: several seasons by local regression, the rest by exponential smoothing with a damped trend, or by ARIMA.
//!
//! Bandara, Hyndman and Bergmeir, *MSTL: a seasonal-trend decomposition algorithm for time series with multiple seasonal
//! patterns* (International Journal of Operational Research, 2025): each season in turn is taken out ([`stl`]), with wider
//! windows for longer seasons, and what remains goes to the next; twice around. Between fits the seasons move slowly with
//! the errors.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    arma::{Arma, FEWEST},
    forecast::Settings,
    history::History,
    member::Member,
    seasonal::place,
    smoothing::{Family, Smoothing},
    stl,
};

/// Fitting looks at so many of the newest values, or seasons.
const FITTED: usize = 1500;
const FITTED_SEASONS: usize = 8;
/// Width of the local regression for the first season, in periods, and how much wider it is for each further one.
const WIDTH: usize = 11;
const WIDER: usize = 4;
const ROUNDS: usize = 2;
/// How seasons move with an error.
const DRIFT: f64 = 0.05;

/// What forecasts the rest.
pub(crate) trait Rest: Serialize + DeserializeOwned + Send + Sync + 'static {
    fn new(settings: &Settings) -> Self;
    /// Learns what the seasons leave of a step; its error.
    fn learn(&mut self, step: u64, value: f64) -> f64;
    fn fit(&mut self, values: &[f64], first: u64);
    /// Fills in the steps after `last`.
    fn go_on(&self, last: u64, ahead: &mut [f64]);
}

/// The decomposition's newest seasons, and what forecasts the rest.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Decomposed<R: Rest> {
    lengths: Vec<usize>,
    seasons: Vec<Vec<f32>>,
    rest: R,
    fitted: bool,
}

/// With exponential smoothing.
pub(crate) type Mstl = Decomposed<Smoothing>;
/// With ARIMA.
pub(crate) type MstlArima = Decomposed<Arma>;

impl Rest for Smoothing {
    fn new(settings: &Settings) -> Self {
        let family = Family { trend: true, damped: true, correlated: true, ..Family::SIMPLE };
        Self::new(settings, family)
    }

    fn learn(&mut self, step: u64, value: f64) -> f64 {
        self.learn(step, value)
    }

    fn fit(&mut self, values: &[f64], first: u64) {
        self.fit(values, first);
    }

    fn go_on(&self, last: u64, ahead: &mut [f64]) {
        self.continue_from(last, ahead);
    }
}

impl Rest for Arma {
    fn new(_: &Settings) -> Self {
        Self::with_trend()
    }

    fn learn(&mut self, _: u64, value: f64) -> f64 {
        self.learn(value)
    }

    fn fit(&mut self, values: &[f64], _: u64) {
        self.fit(values);
    }

    fn go_on(&self, _: u64, ahead: &mut [f64]) {
        self.go_on(ahead);
    }
}

impl<R: Rest> Decomposed<R> {
    fn seasonal(&self, step: u64) -> f64 {
        self.seasons.iter().map(|one| one.get(place(step, one.len())).copied().map_or(0.0, f64::from)).sum()
    }
}

impl<R: Rest> Member for Decomposed<R> {
    fn new(settings: &Settings) -> Self {
        Self {
            lengths: settings.seasons.iter().copied().filter(|&season| season > 1).collect(),
            seasons: Vec::new(),
            rest: R::new(settings),
            fitted: false,
        }
    }

    fn is_ready(&self) -> bool {
        self.fitted
    }

    fn observe(&mut self, past: &History) {
        let step = past.last_step();
        let error = self.rest.learn(step, past.newest() - self.seasonal(step));
        for season in &mut self.seasons {
            let length = season.len();
            if let Some(part) = season.get_mut(place(step, length)) {
                *part += (DRIFT * error) as f32;
            }
        }
    }

    fn path(&self, past: &History, ahead: &mut [f64]) {
        self.rest.go_on(past.last_step(), ahead);
        for (value, step) in ahead.iter_mut().zip(past.last_step() + 1..) {
            *value += self.seasonal(step);
        }
    }

    fn refit(&mut self, past: &History) {
        let longest = self.lengths.iter().copied().max().unwrap_or(1);
        let kept = FITTED.max(longest * FITTED_SEASONS).min(past.len());
        if kept < FEWEST {
            return;
        }
        let values = past.to_vec().split_off(past.len() - kept);
        let first = past.last_step() + 1 - kept as u64;
        let parts = decompose(&values, &self.lengths);
        self.seasons =
            self.lengths.iter().zip(&parts).map(|(&length, part)| newest(part, length, first)).collect();
        let mut rest = values;
        for part in &parts {
            rest.iter_mut().zip(part).for_each(|(value, seasonal)| *value -= seasonal);
        }
        self.rest.fit(&rest, first);
        self.fitted = true;
    }
}

/// The seasonal part of each value, one series per season.
fn decompose(values: &[f64], lengths: &[usize]) -> Vec<Vec<f64>> {
    let mut parts: Vec<Vec<f64>> = vec![vec![0.0; values.len()]; lengths.len()];
    let mut rest = values.to_vec();
    for _ in 0..ROUNDS {
        for ((part, &length), index) in parts.iter_mut().zip(lengths).zip(0..) {
            if values.len() < 2 * length {
                continue;
            }
            rest.iter_mut().zip(part.iter()).for_each(|(value, seasonal)| *value += seasonal);
            *part = stl::seasonal(&rest, length, WIDTH + WIDER * index);
            rest.iter_mut().zip(part.iter()).for_each(|(value, seasonal)| *value -= seasonal);
        }
    }
    parts
}

/// The last period, by place.
fn newest(part: &[f64], length: usize, first: u64) -> Vec<f32> {
    let mut season = vec![0.0; length];
    let from = part.len().saturating_sub(length);
    for (value, step) in part.iter().skip(from).zip(first + from as u64..) {
        if let Some(slot) = season.get_mut(place(step, length)) {
            *slot = *value as f32;
        }
    }
    season
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seasons_come_apart_from_a_trend() {
        let values: Vec<f64> = (0..160)
            .map(|step| f64::from(step) * 0.5 + f64::from(step % 4) * 10.0 + f64::from(step / 4 % 5) * 7.0)
            .collect();
        let parts = decompose(&values, &[4, 20]);
        let day = newest(&parts[0], 4, 0);
        assert!((day[3] - day[0] - 30.0).abs() < 2.5, "{day:?}");
        let week = newest(&parts[1], 20, 0);
        assert!((week[16] - week[0] - 28.0).abs() < 4.0, "{week:?}");
    }
}
