//! One series: its model, its forecast, how good the last forecasts were.

use std::collections::VecDeque;

use tidegate_model::{Entry, Model, Settings, StepForecast};

use crate::learner::Learning;

/// How many closed steps are kept beside their forecasts.
const PAST_STEPS: usize = 120;
/// How far ahead errors are learned, in steps; further on, intervals grow with the root of the distance.
const LEARNED_AHEAD: usize = 15;
/// A key is not forgotten sooner, however short the season is.
const MIN_MEMORY_STEPS: u64 = 240;

/// What all series share.
#[derive(Clone, Copy)]
pub(crate) struct SeriesSettings {
    model: &'static Entry,
    season_steps: usize,
}

impl SeriesSettings {
    pub(crate) const fn new(learning: &Learning) -> Self {
        Self { model: learning.model, season_steps: learning.season_steps }
    }

    fn memory_steps(&self) -> u64 {
        (self.season_steps as u64).max(MIN_MEMORY_STEPS)
    }
}

/// A closed step and what had been forecast for it just before it began, in tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Past {
    /// Number of the step since the Unix epoch.
    pub step: u64,
    /// Demand.
    pub actual: f32,
    /// Its forecast mean.
    pub predicted: f32,
    /// Lower end of the 80 % interval.
    pub lo_80: f32,
    /// Upper end of the 80 % interval.
    pub hi_80: f32,
}

/// Demand of one key on one resource, in tokens per step.
pub struct Series {
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
    pub(crate) fn new(settings: &SeriesSettings) -> Self {
        Self {
            model: (settings.model.build)(&Settings::light(settings.season_steps, LEARNED_AHEAD)),
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

    pub(crate) fn add(&mut self, demand: u64, largest: u64) {
        self.pending = self.pending.saturating_add(demand);
        let [now, _] = &mut self.largest;
        *now = largest.max(*now);
    }

    /// Learns what has been added as the demand of `step`.
    pub(crate) fn close(&mut self, step: u64) {
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

    pub(crate) fn predict(&mut self, from: u64, horizon: usize) {
        self.from = from;
        self.forecast = self.model.forecast(from, horizon);
    }

    /// Silent for so long that nothing but silence is forecast any more.
    pub(crate) fn is_forgotten(&self, settings: &SeriesSettings) -> bool {
        self.silent_steps >= settings.memory_steps()
    }

    /// The newest forecast of one step, if it reaches so far.
    #[must_use]
    pub fn at(&self, step: u64) -> Option<&StepForecast> {
        let ahead = usize::try_from(step.checked_sub(self.from)?).ok()?;
        self.forecast.get(ahead)
    }

    /// The newest forecast and the number of its first step.
    #[must_use]
    pub fn forecast(&self) -> (u64, &[StepForecast]) {
        (self.from, &self.forecast)
    }

    /// The last closed steps, oldest first.
    pub fn past(&self) -> impl Iterator<Item = &Past> {
        self.past.iter()
    }

    /// Steps learned so far.
    #[must_use]
    pub fn observed_steps(&self) -> u64 {
        self.model.observed_steps()
    }

    /// Largest single cost seen lately, in tokens; at least 1.
    #[must_use]
    pub fn largest_cost(&self) -> u64 {
        let [now, before] = self.largest;
        now.max(before).max(1)
    }
}
