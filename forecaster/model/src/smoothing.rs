//! Exponential smoothing in its innovations form, for any number of seasons: what the ETS family is made of.
//!
//! De Livera, Hyndman and Snyder, *Forecasting time series with complex seasonal patterns using exponential smoothing*
//! (JASA 106, 2011), with additive seasons as in Taylor, *Short-term electricity demand forecasting using double
//! seasonal exponential smoothing* (2003) and first-order autocorrelation of errors:
//! `y(t) = l(t−1) + φ·b(t−1) + Σᵢ sᵢ(t−mᵢ) + ρ·d(t−1) + ε(t)`.
//! Parameters are found by coordinate search on the mean absolute error at a few distances up to the horizon, as
//! forecasts are used at all of them, and not only at the first.

use serde::{Deserialize, Serialize};

use crate::{
    forecast::Settings,
    history::History,
    seasonal::{place, profiles},
};

/// Fitting looks at no more than so many of the newest values and seasons.
const FITTED: usize = 1500;
const FITTED_SEASONS: usize = 6;
/// Periods of a season from which its first profile is made.
const FIRST_PERIODS: usize = 3;
const ROUNDS: usize = 3;

/// What a family allows to be fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Family {
    pub(crate) trend: bool,
    pub(crate) damped: bool,
    pub(crate) seasonal: bool,
    /// Errors may be autocorrelated.
    pub(crate) correlated: bool,
    /// Parts multiply: smoothing is of logarithms.
    pub(crate) multiplies: bool,
}

impl Family {
    pub(crate) const SIMPLE: Self =
        Self { trend: false, damped: false, seasonal: false, correlated: false, multiplies: false };
}

/// What is fitted.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Parameters {
    pub(crate) level: f64,
    pub(crate) trend: f64,
    pub(crate) damping: f64,
    pub(crate) season: f64,
    pub(crate) correlation: f64,
}

/// Level, trend, seasons and their smoothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Smoothing {
    family: Family,
    lengths: Vec<usize>,
    horizon: usize,
    parameters: Parameters,
    /// Added to values before logarithms are taken; there are none before it is known.
    offset: Option<f64>,
    state: Parts,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Parts {
    level: f64,
    trend: f64,
    error: f64,
    seasons: Vec<Vec<f32>>,
    begun: bool,
}

impl Parts {
    /// What is expected of the step that is `ahead` steps away; `trend_reach` is Σφⁱ and `fade` ρ^ahead.
    fn expected(&self, step: u64, trend_reach: f64, fade: f64) -> f64 {
        let parts = self
            .seasons
            .iter()
            .map(|season| season.get(place(step, season.len())).copied().map_or(0.0, f64::from));
        self.level + self.trend * trend_reach + parts.sum::<f64>() + self.error * fade
    }

    fn update(&mut self, parameters: &Parameters, step: u64, value: f64) -> f64 {
        let error = value - self.expected(step, parameters.damping, parameters.correlation);
        self.level += parameters.damping * self.trend + parameters.level * error;
        self.trend = parameters.damping * self.trend + parameters.trend * error;
        self.error = parameters.correlation * self.error + error;
        for season in &mut self.seasons {
            let length = season.len();
            if let Some(part) = season.get_mut(place(step, length)) {
                *part += (parameters.season * error) as f32;
            }
        }
        if parameters.correlation == 0.0 {
            self.error = 0.0;
        }
        error
    }
}

impl Smoothing {
    pub(crate) fn new(settings: &Settings, family: Family) -> Self {
        let lengths: Vec<usize> = if family.seasonal {
            settings.seasons.iter().copied().filter(|&one| one > 1).collect()
        } else {
            Vec::new()
        };
        Self {
            family,
            horizon: settings.horizon.max(1),
            parameters: Parameters { level: 0.2, trend: 0.0, damping: 1.0, season: 0.1, correlation: 0.0 },
            offset: None,
            state: Parts {
                seasons: lengths.iter().map(|&length| vec![0.0; length]).collect(),
                ..Parts::default()
            },
            lengths,
        }
    }

    fn scaled(&self, value: f64) -> f64 {
        self.offset.map_or(value, |offset| (value + offset).max(offset / 2.0).ln())
    }

    fn unscaled(&self, value: f64) -> f64 {
        self.offset.map_or(value, |offset| value.min(40.0).exp() - offset)
    }

    pub(crate) fn observe(&mut self, past: &History) {
        self.learn(past.last_step(), past.newest());
    }

    /// Learns one value; gives how far it was from what was expected.
    pub(crate) fn learn(&mut self, step: u64, value: f64) -> f64 {
        let value = self.scaled(value);
        if !self.state.begun {
            self.state.level = value;
            self.state.begun = true;
            return 0.0;
        }
        let parameters = self.parameters;
        self.state.update(&parameters, step, value)
    }

    pub(crate) fn path(&self, past: &History, ahead: &mut [f64]) {
        self.continue_from(past.last_step(), ahead);
    }

    /// Fills in the forecasts of the steps after `last`.
    pub(crate) fn continue_from(&self, last: u64, ahead: &mut [f64]) {
        let Parameters { damping, correlation, .. } = self.parameters;
        let (mut reach, mut damped, mut fade) = (0.0, 1.0, 1.0);
        for (value, step) in ahead.iter_mut().zip(last + 1..) {
            damped *= damping;
            reach += damped;
            fade *= correlation;
            *value = self.unscaled(self.state.expected(step, reach, fade));
        }
    }

    pub(crate) fn refit(&mut self, past: &History) {
        let longest = self.lengths.iter().copied().max().unwrap_or(1);
        let kept = FITTED.max(longest * FITTED_SEASONS).min(past.len());
        if kept < 12 {
            return;
        }
        let values = past.to_vec().split_off(past.len() - kept);
        self.fit(&values, past.last_step() + 1 - kept as u64);
    }

    /// Fits parameters to values, the first of which is of step `first`, and goes through them.
    pub(crate) fn fit(&mut self, values: &[f64], first: u64) {
        if self.family.multiplies {
            let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
            self.offset = Some((0.03 * mean).max(1e-9));
        }
        let own: Vec<f64> = values.iter().map(|&value| self.scaled(value)).collect();
        let start = self.start(&own, first);
        self.parameters = self.search(&own, first, &start);
        self.state = start;
        for (step, &value) in (first..).zip(&own) {
            self.state.update(&self.parameters, step, value);
        }
    }

    /// Level and seasons as the first values have them.
    fn start(&self, own: &[f64], first: u64) -> Parts {
        let longest =
            self.lengths.iter().copied().filter(|length| 2 * length <= own.len()).max().unwrap_or(1);
        let early = own.get(..(longest * FIRST_PERIODS).clamp(4, own.len())).unwrap_or(own);
        let found = profiles(early, first, &self.lengths);
        let level = early.iter().sum::<f64>() / early.len() as f64;
        Parts {
            level,
            seasons: found.iter().map(|one| one.iter().map(|&value| value as f32).collect()).collect(),
            begun: true,
            ..Parts::default()
        }
    }

    fn search(&self, own: &[f64], first: u64, start: &Parts) -> Parameters {
        const LEVELS: [f64; 8] = [0.01, 0.03, 0.07, 0.15, 0.3, 0.5, 0.75, 0.98];
        const TRENDS: [f64; 6] = [0.0, 0.002, 0.01, 0.05, 0.2, 0.4];
        const DAMPINGS: [f64; 4] = [0.8, 0.9, 0.97, 0.99];
        const SEASONS: [f64; 6] = [0.01, 0.04, 0.1, 0.18, 0.3, 0.45];
        const CORRELATIONS: [f64; 6] = [0.0, 0.3, 0.5, 0.7, 0.85, 0.95];
        // A slope that follows the newest values and soon levels off: going from one parameter to the next does not come there.
        const MOMENTA: [f64; 2] = [0.8, 0.9];
        let mut best = self.parameters;
        if self.family.damped && best.damping >= 1.0 {
            best.damping = 0.97;
        }
        let mut least = self.loss(own, first, start, &best);
        let mut tried = |best: &mut Parameters, change: &dyn Fn(&mut Parameters)| {
            let mut one = *best;
            change(&mut one);
            let loss = self.loss(own, first, start, &one);
            if loss < least {
                (*best, least) = (one, loss);
            }
        };
        for _ in 0..ROUNDS {
            LEVELS.iter().for_each(|&level| tried(&mut best, &|one| one.level = level));
            if self.family.correlated {
                CORRELATIONS.iter().for_each(|&value| tried(&mut best, &|one| one.correlation = value));
            }
            if !self.lengths.is_empty() {
                SEASONS.iter().for_each(|&season| tried(&mut best, &|one| one.season = season));
            }
            if self.family.trend {
                TRENDS.iter().for_each(|&trend| tried(&mut best, &|one| one.trend = trend));
            }
            if self.family.trend && self.family.damped {
                MOMENTA.iter().for_each(|&damping| {
                    tried(&mut best, &|one| {
                        *one = Parameters { level: 0.98, trend: 0.2, damping, correlation: 0.0, ..*one };
                    });
                });
            }
            if self.family.damped {
                DAMPINGS.iter().for_each(|&damping| tried(&mut best, &|one| one.damping = damping));
            }
        }
        best
    }

    /// Mean absolute error at a few distances, over all but the first values.
    fn loss(&self, own: &[f64], first: u64, start: &Parts, parameters: &Parameters) -> f64 {
        let leads = [(self.horizon / 6).max(1), self.horizon.div_ceil(2)];
        let reach =
            leads.map(|lead| (1..=lead).map(|power| parameters.damping.powi(power as i32)).sum::<f64>());
        let fade = leads.map(|lead| parameters.correlation.powi(lead as i32));
        let every = (own.len() / 400).max(1);
        let skipped = own.len() / 4;
        let mut parts = start.clone();
        let (mut sum, mut count) = (0.0, 0.0);
        for (index, &value) in own.iter().enumerate() {
            let step = first + index as u64;
            let error = parts.update(parameters, step, value);
            if index < skipped {
                continue;
            }
            sum += error.abs();
            count += 1.0;
            if index % every != 0 {
                continue;
            }
            for ((lead, reach), fade) in leads.iter().zip(reach).zip(fade) {
                if let Some(value) = own.get(index + lead) {
                    let weight = every as f64;
                    sum += weight * (value - parts.expected(step + *lead as u64, reach, fade)).abs();
                    count += weight;
                }
            }
        }
        if sum.is_finite() { sum / count } else { f64::INFINITY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(family: Family, value: impl Fn(u32) -> f64) -> Vec<f64> {
        let settings = Settings { seasons: vec![4, 12], horizon: 6, history: 200 };
        let mut smoothing = Smoothing::new(&settings, family);
        let values: Vec<f64> = (0..120).map(value).collect();
        smoothing.fit(&values, 0);
        let mut ahead = vec![0.0; 12];
        smoothing.continue_from(119, &mut ahead);
        ahead
    }

    #[test]
    fn two_seasons_that_add_up_go_on() {
        let family = Family { seasonal: true, ..Family::SIMPLE };
        let value = |step: u32| 50.0 + f64::from(step % 4) * 5.0 + f64::from(step / 4 % 3) * 8.0;
        for (value, wanted) in fitted(family, value).iter().zip((120..).map(value)) {
            assert!((value - wanted).abs() < 0.5, "{value} instead of {wanted}");
        }
    }

    #[test]
    fn seasons_that_multiply_follow_the_level() {
        let family = Family { seasonal: true, multiplies: true, ..Family::SIMPLE };
        let value =
            |step: u32| 10.0 * 1.02_f64.powi(step as i32) * if step.is_multiple_of(4) { 2.0 } else { 1.0 };
        let ahead = fitted(family, value);
        assert!((ahead[0] / ahead[1] - 2.0).abs() < 0.3, "{ahead:?}");
        assert!((ahead[0] / value(120) - 1.0).abs() < 0.2, "{} instead of {}", ahead[0], value(120));
    }

    #[test]
    fn momentum_is_found() {
        // Each change is nine tenths of the one before, with a push now and then, the last of which is the strongest.
        let (mut level, mut change) = (1_000.0, 0.0);
        let values: Vec<f64> = (0..300)
            .map(|step: u32| {
                let push = [12.0, -9.0, 0.0, 6.0, -13.0, 8.0][(step / 12 * 5 % 6) as usize];
                change = 0.9 * change + if step.is_multiple_of(12) { push } else { 0.0 };
                level += change;
                level
            })
            .collect();
        let settings = Settings { seasons: vec![1], horizon: 12, history: 400 };
        let family = Family { trend: true, damped: true, correlated: true, ..Family::SIMPLE };
        let mut smoothing = Smoothing::new(&settings, family);
        smoothing.fit(&values[..292], 0);
        let mut ahead = [0.0; 8];
        smoothing.continue_from(291, &mut ahead);
        let last = values[291];
        let (came, said) = (values[299] - last, ahead[7] - last);
        assert!(came.abs() > 10.0 && (said / came - 1.0).abs() < 0.25, "{said} instead of {came}");
    }

    #[test]
    fn a_damped_trend_goes_on_and_levels_off() {
        let family = Family { trend: true, damped: true, ..Family::SIMPLE };
        let ahead = fitted(family, |step| 10.0 + 2.0 * f64::from(step));
        assert!(ahead[0] > 248.0 && ahead[11] > ahead[0], "{ahead:?}");
        assert!(ahead[11] - ahead[10] < ahead[1] - ahead[0], "{ahead:?}");
    }
}
