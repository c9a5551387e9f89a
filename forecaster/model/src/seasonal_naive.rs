//! Seasonal naive: a step will be as it was one season ago, give or take what that was wrong by lately.
//!
//! Hyndman and Athanasopoulos, *Forecasting: Principles and Practice* (3rd ed.): the point forecast of §5.2,
//! `ŷ(T+h) = y(T+h−m(k+1))` with `m` steps per season and `k = ⌊(h−1)/m⌋`; intervals from the empirical quantiles of
//! the residuals `e(t) = y(t) − y(t−m)` as in §5.5 (no normality assumed), widened by `√(k+1)` beyond one season as in
//! its table of benchmark deviations; the mean residual corrects the mean for bias (§5.4). Nothing is ever negative.
//!
//! Before a step of the season has been seen once, its point forecast is the mean of the last few values, with the
//! residuals of that. Before there are enough residuals, their spread is taken as normal with the deviation seen so
//! far, and at least that of a Poisson count. A gap leaves the value of the season before in place.
//!
//! State: 4 bytes per step of the season and at most 2 KiB beside it.

use crate::{
    forecast::{LEVELS, Model, Settings, StepForecast},
    quantile,
    registry::Entry,
    ring::Ring,
};

/// Most residuals kept; the oldest leave first.
const RESIDUALS: usize = 256;
/// Most residuals of the mean of recent values, needed only for the first season.
const EARLY_RESIDUALS: usize = 64;
/// Fewer residuals than this say nothing about the tails.
const ENOUGH_RESIDUALS: usize = 8;
/// How many values make up the mean of recent values.
const RECENT: usize = 12;
/// Quantiles of the standard normal distribution at [`LEVELS`].
const NORMAL: [f64; LEVELS.len()] = [-1.959_964, -1.281_552, 0.0, 1.281_552, 1.959_964];

/// The seasonal naive model with empirical residual quantiles.
#[derive(Clone, Debug)]
pub struct SeasonalNaive {
    season_steps: u64,
    /// The newest value of each step of the season, from the first observed step on; NaN where there was none.
    season: Vec<f32>,
    first_step: u64,
    last_step: Option<u64>,
    observed: u64,
    residuals: Ring,
    early_residuals: Ring,
    recent: Ring,
}

/// Where and how wide the distribution of a step is.
struct Spread {
    mean: f64,
    quantiles: [f64; LEVELS.len()],
}

impl SeasonalNaive {
    /// The registry's line for this model.
    pub const ENTRY: Entry = Entry {
        name: "seasonal-naive",
        summary: "as one season ago, with the quantiles of its recent errors",
        build: |settings| Box::new(Self::new(settings)),
    };

    /// An untrained model.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            season_steps: settings.season_steps.max(1) as u64,
            season: Vec::new(),
            first_step: 0,
            last_step: None,
            observed: 0,
            residuals: Ring::new(RESIDUALS),
            early_residuals: Ring::new(EARLY_RESIDUALS),
            recent: Ring::new(RECENT),
        }
    }

    fn slot(&self, step: u64) -> usize {
        (step.saturating_sub(self.first_step) % self.season_steps) as usize
    }

    /// The newest value at the same place in the season as `step`.
    fn one_season_ago(&self, step: u64) -> Option<f32> {
        self.season.get(self.slot(step)).copied().filter(|value| !value.is_nan())
    }

    /// The mean of the last few values.
    fn level(&self) -> Option<f32> {
        let values = self.recent.values();
        (!values.is_empty()).then(|| values.iter().sum::<f32>() / values.len() as f32)
    }

    fn store(&mut self, step: u64, value: f32) {
        let slot = self.slot(step);
        if self.season.len() <= slot {
            self.season.resize(slot + 1, f32::NAN);
        }
        if let Some(place) = self.season.get_mut(slot) {
            *place = value;
        }
    }

    /// Makes room for skipped steps: after a whole season without values every place of the season exists.
    fn skip_to(&mut self, step: u64) {
        let passed = step.saturating_sub(self.first_step).min(self.season_steps) as usize;
        if self.season.len() < passed {
            self.season.resize(passed, f32::NAN);
        }
    }

    fn spread(&self) -> Spread {
        let ring =
            if self.residuals.len() >= ENOUGH_RESIDUALS { &self.residuals } else { &self.early_residuals };
        if ring.len() >= ENOUGH_RESIDUALS {
            let mut sample = ring.values().to_vec();
            let mean = sample.iter().map(|&value| f64::from(value)).sum::<f64>() / sample.len() as f64;
            return Spread { mean, quantiles: quantile::at_levels(&mut sample) };
        }
        let squares = || ring.values().iter().map(|&value| f64::from(value).powi(2));
        let variance = squares().sum::<f64>() / (ring.len() as f64).max(1.0);
        let poisson = self.level().map_or(0.0, f64::from);
        let deviation = variance.max(poisson).sqrt();
        Spread { mean: 0.0, quantiles: NORMAL.map(|normal| normal * deviation) }
    }

    fn step_forecast(&self, step: u64, last_step: u64, spread: &Spread) -> StepForecast {
        let ahead = step.saturating_sub(last_step).max(1);
        let seasons = (ahead - 1) / self.season_steps + 1;
        let width = (seasons as f64).sqrt();
        let point = self.one_season_ago(step).or_else(|| self.level()).map_or(0.0, f64::from);
        StepForecast {
            mean: (point + spread.mean).max(0.0),
            quantiles: spread.quantiles.map(|offset| (point + offset * width).max(0.0)),
        }
    }
}

impl Model for SeasonalNaive {
    fn observe(&mut self, step: u64, value: f64) {
        if !value.is_finite() || self.last_step.is_some_and(|last| step <= last) {
            return;
        }
        let value = value.clamp(0.0, f64::from(f32::MAX) / 1e6) as f32;
        if self.last_step.is_none() {
            self.first_step = step;
        }
        self.skip_to(step);
        if let Some(before) = self.one_season_ago(step) {
            self.residuals.push(value - before);
            if self.residuals.len() == ENOUGH_RESIDUALS {
                self.early_residuals.clear();
            }
        } else if let Some(level) = self.level() {
            self.early_residuals.push(value - level);
        }
        self.store(step, value);
        self.recent.push(value);
        self.last_step = Some(step);
        self.observed += 1;
    }

    fn forecast(&self, from: u64, horizon: usize) -> Vec<StepForecast> {
        let Some(last_step) = self.last_step else { return Vec::new() };
        let spread = self.spread();
        (from..).take(horizon).map(|step| self.step_forecast(step, last_step, &spread)).collect()
    }

    fn observed_steps(&self) -> u64 {
        self.observed
    }
}

#[cfg(test)]
mod tests;
