//! Autoregression on the newest values and on those a season ago, by ridge regression.
//!
//! Montero-Manso and Hyndman, *Principles and algorithms for forecasting groups of time series* (International Journal
//! of Forecasting 37, 2021), find linear autoregression on long lags among the best for seasonal series. How much
//! coefficients are shrunk is chosen by forecasting the end of the history in several places as far as the horizon.

use serde::{Deserialize, Serialize};

use crate::{forecast::Settings, history::History, linear::Normal, member::Member};

/// Newest values that are looked at.
const SHORT: usize = 6;
/// Fitting looks at no more than so many values.
const FITTED: usize = 3000;
const PENALTIES: [f64; 4] = [0.003, 0.03, 0.3, 3.0];
/// Places at which the end of the history is forecast to choose the penalty.
const TRIED: usize = 8;

/// Autoregression on values as they are, or on their logarithms.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Regression<const LOGARITHMIC: bool> {
    seasons: Vec<usize>,
    horizon: usize,
    /// Lags looked at, ascending, and the coefficient of each; none before the first fit.
    lags: Vec<usize>,
    coefficients: Vec<f64>,
    mean: f64,
    offset: f64,
}

/// Autoregression on values as they are.
pub(crate) type Autoregression = Regression<false>;
/// Autoregression on logarithms.
pub(crate) type LogAutoregression = Regression<true>;

impl<const LOGARITHMIC: bool> Regression<LOGARITHMIC> {
    fn scaled(&self, value: f64) -> f64 {
        if LOGARITHMIC { (value + self.offset).max(self.offset / 2.0).ln() } else { value }
    }

    fn unscaled(&self, value: f64) -> f64 {
        if LOGARITHMIC { value.min(40.0).exp() - self.offset } else { value }
    }

    /// Lags for a history of so many values: no lag takes more than half of it.
    fn choose(&self, count: usize) -> Vec<usize> {
        let mut lags: Vec<usize> = (1..=SHORT).collect();
        for &season in &self.seasons {
            lags.extend([season - 1, season, season + 1, 2 * season]);
        }
        lags.retain(|&lag| lag > 0 && lag * 2 <= count);
        lags.sort_unstable();
        lags.dedup();
        lags
    }

    /// Mean absolute error of forecasts from several places after `from`.
    fn loss(&self, centred: &[f64], lags: &[usize], coefficients: &[f64], from: usize) -> f64 {
        let room = centred.len().saturating_sub(from);
        let reach = self.horizon.min(room / 2).max(1);
        let (mut sum, mut count) = (0.0, 0.0);
        for start in (from..centred.len().saturating_sub(reach)).step_by((room / TRIED).max(1)) {
            let mut known: Vec<f64> = centred.get(..start).unwrap_or_default().to_vec();
            for index in start..start + reach {
                let terms = lags.iter().zip(coefficients);
                let back = |lag: usize| known.get(index.wrapping_sub(lag)).copied().unwrap_or(0.0);
                let next = terms.map(|(&lag, coefficient)| coefficient * back(lag)).sum();
                known.push(next);
                sum += (next - centred.get(index).copied().unwrap_or(0.0)).abs();
                count += 1.0;
            }
        }
        if f64::is_finite(sum) { sum / f64::max(count, 1.0) } else { f64::INFINITY }
    }
}

impl<const LOGARITHMIC: bool> Member for Regression<LOGARITHMIC> {
    fn new(settings: &Settings) -> Self {
        Self {
            seasons: settings.seasons.iter().copied().filter(|&season| season > 1).collect(),
            horizon: settings.horizon.max(1),
            lags: Vec::new(),
            coefficients: Vec::new(),
            mean: 0.0,
            offset: 0.0,
        }
    }

    fn is_ready(&self) -> bool {
        !self.coefficients.is_empty()
    }

    fn observe(&mut self, _past: &History) {}

    fn path(&self, past: &History, ahead: &mut [f64]) {
        if self.coefficients.is_empty() {
            ahead.fill(past.recent_mean(SHORT));
            return;
        }
        for index in 0..ahead.len() {
            let own = |lag: usize| {
                let known = if lag <= index {
                    ahead.get(index - lag).copied()
                } else {
                    past.back(lag - index - 1).map(|value| self.scaled(value))
                };
                known.unwrap_or(self.mean) - self.mean
            };
            let terms = self.lags.iter().zip(&self.coefficients);
            let next = self.mean + terms.map(|(&lag, coefficient)| coefficient * own(lag)).sum::<f64>();
            if let Some(value) = ahead.get_mut(index) {
                *value = next;
            }
        }
        ahead.iter_mut().for_each(|value| *value = self.unscaled(*value));
    }

    fn refit(&mut self, past: &History) {
        let values = past.to_vec();
        let kept = FITTED.max(self.seasons.iter().copied().max().unwrap_or(1) * 5).min(values.len());
        let values = values.get(values.len() - kept..).unwrap_or_default();
        let lags = self.choose(kept);
        let longest = lags.last().copied().unwrap_or(1);
        if kept < longest + 2 * lags.len() + 8 {
            return;
        }
        self.offset = (0.03 * values.iter().sum::<f64>() / kept as f64).max(1e-9);
        let own: Vec<f64> = values.iter().map(|&value| self.scaled(value)).collect();
        let mean = own.iter().sum::<f64>() / kept as f64;
        let centred: Vec<f64> = own.iter().map(|value| value - mean).collect();
        let held_out = (kept - longest) / 4;
        let early = normal(&centred, &lags, longest, kept - held_out);
        let variance = centred.iter().map(|value| value * value).sum::<f64>();
        let tried = PENALTIES.iter().filter_map(|&penalty| {
            let coefficients = early.solve(|_| penalty * variance * 0.01 + 1e-9)?;
            let loss = self.loss(&centred, &lags, &coefficients, kept - held_out);
            Some((penalty, loss))
        });
        let Some((penalty, _)) = tried.min_by(|(_, left), (_, right)| left.total_cmp(right)) else { return };
        let all = normal(&centred, &lags, longest, kept);
        if let Some(coefficients) = all.solve(|_| penalty * variance * 0.01 + 1e-9) {
            (self.lags, self.coefficients, self.mean) = (lags, coefficients, mean);
        }
    }
}

fn normal(centred: &[f64], lags: &[usize], longest: usize, until: usize) -> Normal {
    let mut normal = Normal::new(lags.len());
    let mut row = vec![0.0; lags.len()];
    for index in longest..until {
        for (place, &lag) in row.iter_mut().zip(lags) {
            *place = centred.get(index - lag).copied().unwrap_or(0.0);
        }
        normal.add(&row, centred.get(index).copied().unwrap_or(0.0), 1.0);
    }
    normal
}
