//! MSTL: several seasons by local regression, the rest by exponential smoothing with a damped trend.
//!
//! Bandara, Hyndman and Bergmeir, *MSTL: a seasonal-trend decomposition algorithm for time series with multiple seasonal
//! patterns* (International Journal of Operational Research, 2025): each season in turn, the values of each of its
//! places are smoothed along the periods by local linear regression (Cleveland et al., *STL*, 1990), with wider windows
//! for longer seasons, and what remains goes to the next; twice around. Between fits the seasons move slowly with the
//! errors.

use serde::{Deserialize, Serialize};

use crate::{
    forecast::Settings,
    history::History,
    member::Member,
    seasonal::place,
    smoothing::{Family, Smoothing},
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

/// The decomposition's newest seasons, and the smoothing of the rest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Mstl {
    lengths: Vec<usize>,
    seasons: Vec<Vec<f32>>,
    rest: Smoothing,
    fitted: bool,
}

impl Mstl {
    fn seasonal(&self, step: u64) -> f64 {
        self.seasons.iter().map(|one| one.get(place(step, one.len())).copied().map_or(0.0, f64::from)).sum()
    }
}

impl Member for Mstl {
    fn new(settings: &Settings) -> Self {
        let family = Family { trend: true, damped: true, correlated: true, ..Family::SIMPLE };
        Self {
            lengths: settings.seasons.iter().copied().filter(|&season| season > 1).collect(),
            seasons: Vec::new(),
            rest: Smoothing::new(settings, family),
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
        self.rest.continue_from(past.last_step(), ahead);
        for (value, step) in ahead.iter_mut().zip(past.last_step() + 1..) {
            *value += self.seasonal(step);
        }
    }

    fn refit(&mut self, past: &History) {
        let longest = self.lengths.iter().copied().max().unwrap_or(1);
        let kept = FITTED.max(longest * FITTED_SEASONS).min(past.len());
        if kept < 12 {
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
            *part = season_of(&rest, length, WIDTH + WIDER * index);
            rest.iter_mut().zip(part.iter()).for_each(|(value, seasonal)| *value -= seasonal);
        }
    }
    parts
}

/// The seasonal part of `values`: without the trend, smoothed along the periods, without its own mean.
fn season_of(values: &[f64], length: usize, width: usize) -> Vec<f64> {
    let trend = moving_mean(values, length);
    let mut part = vec![0.0; values.len()];
    for phase in 0..length {
        let along: Vec<f64> = values
            .iter()
            .zip(&trend)
            .skip(phase)
            .step_by(length)
            .map(|(value, trend)| value - trend)
            .collect();
        let smoothed = local_linear(&along, width);
        for (place, value) in part.iter_mut().skip(phase).step_by(length).zip(smoothed) {
            *place = value;
        }
    }
    let level = moving_mean(&part, length);
    part.iter_mut().zip(level).for_each(|(value, level)| *value -= level);
    part
}

/// The mean of `length` values around each; at the ends, that of the first or last `length`.
fn moving_mean(values: &[f64], length: usize) -> Vec<f64> {
    let mut sums = Vec::with_capacity(values.len() + 1);
    let mut sum = 0.0;
    sums.push(0.0);
    for value in values {
        sum += value;
        sums.push(sum);
    }
    let at = |index: usize| sums.get(index).copied().unwrap_or(sum);
    let count = length.min(values.len()).max(1);
    let last = values.len().saturating_sub(count);
    (0..values.len())
        .map(|index| {
            let from = index.saturating_sub(count / 2).min(last);
            (at(from + count) - at(from)) / count as f64
        })
        .collect()
}

/// Local linear regression with tricube weights over the `width` nearest values.
fn local_linear(values: &[f64], width: usize) -> Vec<f64> {
    let count = values.len();
    let width = width.min(count);
    (0..count)
        .map(|at| {
            let from = at.saturating_sub(width / 2).min(count - width);
            let reach = (at - from).max(from + width - 1 - at) as f64 + 1.0;
            let (mut weights, mut times, mut squares, mut sums, mut products) = (0.0, 0.0, 0.0, 0.0, 0.0);
            for (value, index) in values.iter().skip(from).take(width).zip(from..) {
                let time = index as f64 - at as f64;
                let weight = (1.0 - (time.abs() / reach).powi(3)).powi(3);
                weights += weight;
                times += weight * time;
                squares += weight * time * time;
                sums += weight * value;
                products += weight * time * value;
            }
            let spread = weights * squares - times * times;
            if width >= 5 && spread > 1e-9 {
                (squares * sums - times * products) / spread
            } else {
                sums / weights
            }
        })
        .collect()
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
    fn a_line_is_its_own_smoothing() {
        let line: Vec<f64> = (0..20).map(|index| 3.0 + 2.0 * f64::from(index)).collect();
        for (smooth, value) in local_linear(&line, 7).iter().zip(&line) {
            assert!((smooth - value).abs() < 1e-9, "{smooth} instead of {value}");
        }
    }

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
