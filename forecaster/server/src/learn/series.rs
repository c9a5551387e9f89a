//! One series: its model, its forecast, how good the last forecasts were.

use std::collections::VecDeque;

use tidegate_model::{Entry, Model, Settings, StepForecast};

use crate::config::ForecastConfig;

/// How many closed steps are kept beside their forecasts.
const PAST_STEPS: usize = 120;
/// A key is not forgotten sooner, however short the season is.
const MIN_MEMORY_STEPS: u64 = 240;

/// What all series share.
#[derive(Clone, Copy)]
pub(super) struct SeriesSettings {
    model: &'static Entry,
    season_steps: usize,
}

impl SeriesSettings {
    pub(super) fn new(config: &ForecastConfig) -> Self {
        Self { model: config.model, season_steps: config.season_steps }
    }

    fn memory_steps(&self) -> u64 {
        (self.season_steps as u64).max(MIN_MEMORY_STEPS)
    }
}

/// A closed step and what had been forecast for it just before it began, in tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Past {
    /// Number of the step since the Unix epoch.
    pub(crate) step: u64,
    pub(crate) actual: f32,
    pub(crate) predicted: f32,
    /// The 80 % interval.
    pub(crate) lo_80: f32,
    pub(crate) hi_80: f32,
}

/// Demand of one key on one resource, in tokens per step.
pub(crate) struct Series {
    model: Box<dyn Model>,
    memory_steps: u64,
    /// Demand of the step that is being closed.
    pending: u64,
    /// Largest single cost of this season and of the one before.
    largest: [u64; 2],
    /// Steps since `largest` moved on.
    largest_age: u64,
    silent_steps: u64,
    /// First step of `forecast`.
    from: u64,
    forecast: Vec<StepForecast>,
    past: VecDeque<Past>,
}

impl Series {
    pub(super) fn new(settings: &SeriesSettings) -> Self {
        Self {
            model: (settings.model.build)(&Settings { season_steps: settings.season_steps }),
            memory_steps: settings.memory_steps(),
            pending: 0,
            largest: [0, 0],
            largest_age: 0,
            silent_steps: 0,
            from: 0,
            forecast: Vec::new(),
            past: VecDeque::new(),
        }
    }

    pub(super) fn add(&mut self, demand: u64, largest: u64) {
        self.pending = self.pending.saturating_add(demand);
        let [now, _] = &mut self.largest;
        *now = largest.max(*now);
    }

    /// Learns what has been added as the demand of `step`.
    pub(super) fn close(&mut self, step: u64) {
        let demand = std::mem::take(&mut self.pending);
        self.remember(step, demand);
        self.model.observe(step, demand as f64);
        self.silent_steps = if demand == 0 { self.silent_steps.saturating_add(1) } else { 0 };
        self.largest_age += 1;
        if self.largest_age >= self.memory_steps {
            let [now, _] = self.largest;
            self.largest = [0, now];
            self.largest_age = 0;
        }
    }

    fn remember(&mut self, step: u64, demand: u64) {
        let Some(forecast) = self.at(step) else { return };
        let [_, lo_80, _, hi_80, _] = forecast.quantiles;
        let past = Past {
            step,
            actual: demand as f32,
            predicted: forecast.mean as f32,
            lo_80: lo_80 as f32,
            hi_80: hi_80 as f32,
        };
        if self.past.len() >= PAST_STEPS {
            self.past.pop_front();
        }
        self.past.push_back(past);
    }

    pub(super) fn predict(&mut self, from: u64, horizon: usize) {
        self.from = from;
        self.forecast = self.model.forecast(from, horizon);
    }

    /// Silent for so long that nothing but silence is forecast any more.
    pub(super) fn is_forgotten(&self, settings: &SeriesSettings) -> bool {
        self.silent_steps >= settings.memory_steps()
    }

    /// The newest forecast of one step, if it reaches so far.
    pub(crate) fn at(&self, step: u64) -> Option<&StepForecast> {
        let ahead = usize::try_from(step.checked_sub(self.from)?).ok()?;
        self.forecast.get(ahead)
    }

    /// The newest forecast and the number of its first step.
    pub(crate) fn forecast(&self) -> (u64, &[StepForecast]) {
        (self.from, &self.forecast)
    }

    /// The last closed steps, oldest first.
    pub(crate) fn past(&self) -> impl Iterator<Item = &Past> {
        self.past.iter()
    }

    /// Steps learned so far.
    pub(crate) fn observed_steps(&self) -> u64 {
        self.model.observed_steps()
    }

    /// Largest single cost seen lately, in tokens; at least 1.
    pub(crate) fn largest_cost(&self) -> u64 {
        let [now, before] = self.largest;
        now.max(before).max(1)
    }
}
