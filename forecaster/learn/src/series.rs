//! One series: its model, its forecast, how good the last forecasts were.

mod stake;

use std::collections::VecDeque;

use tidegate_model::{Entry, Model, Outlook, Settings, Shared, StepForecast};

use crate::{heavy::Chosen, learner::Learning, load::LoadEffect, school::LOOKED_BACK, trial::pinball};

/// How many closed steps are kept beside their forecasts.
const PAST_STEPS: usize = 120;
/// How far ahead errors are learned, in steps; further on, intervals grow with the root of the distance.
const LEARNED_AHEAD: usize = 15;
/// Sums are few, so that they may have the models that take time and memory: seasons of history these are fitted to.
const SEASONS_OF_SUMS: usize = 4;
/// What one step tells about the level and about how wrong forecasts are.
const NEWS: f64 = 0.05;
/// Fewer values than this are not worth a fit, and a fit is due when this part of what is known is newer than the last.
const ENOUGH: u64 = 16;
const NEW_PART: f64 = 1.0 / 3.0;
/// A key that has been known for so many steps has half a day of its own, the other half is its tier's.
const KNOWN: f64 = 60.0;
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

    pub(crate) const fn model(&self) -> &'static Entry {
        self.model
    }

    pub(crate) const fn season_steps(&self) -> usize {
        self.season_steps
    }

    /// What the model of a key is built with.
    pub(crate) fn of_keys(&self) -> Settings {
        let light = Settings::light(self.season_steps, LEARNED_AHEAD);
        let history = if self.model.school.is_some() { self.season_steps + LOOKED_BACK } else { 0 };
        Settings { history, ..light }
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
    entry: &'static Entry,
    /// Number of the key's tier, what it asks for in the step that is being closed, and lately.
    tier: u8,
    tier_pending: u64,
    tier_level: f64,
    /// Steps that had been learned when the model was last fitted.
    fitted_at: u64,
    /// Demand lately, and by how much it has been forecast wrong, in tokens.
    level: f64,
    error: Option<f64>,
    /// What the load of the system tells; nothing while nobody tells it.
    load: Option<Box<LoadEffect>>,
    /// The pinball loss of forecasts lately, relative to the level; none before the first.
    loss: Option<f64>,
    season_steps: usize,
    /// Values kept, if it is worth a heavy model.
    chosen: Option<Box<Chosen>>,
}

impl Series {
    /// The demand of a key, learned by a small model.
    pub(crate) fn new(settings: &SeriesSettings, tier: u8) -> Self {
        Self { tier, ..Self::of(settings, &settings.of_keys()) }
    }

    /// The demand of many, learned by a model that may take time.
    pub(crate) fn sum(settings: &SeriesSettings) -> Self {
        let light = Settings::light(settings.season_steps, LEARNED_AHEAD);
        Self::of(settings, &Settings { history: SEASONS_OF_SUMS * settings.season_steps.max(64), ..light })
    }

    fn of(settings: &SeriesSettings, model: &Settings) -> Self {
        Self {
            model: (settings.model.build)(model),
            entry: settings.model,
            tier: 0,
            tier_pending: 0,
            tier_level: 0.0,
            fitted_at: 0,
            level: 0.0,
            error: None,
            load: None,
            loss: None,
            season_steps: settings.season_steps,
            chosen: None,
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
        if let Some(load) = &mut self.load {
            load.settle(step, demand as f64, self.level);
        }
        let news = NEWS.max(1.0 / (self.model.observed_steps() + 1) as f64);
        self.level += news * (demand as f64 - self.level);
        self.tier_level += news * (self.tier_pending as f64 - self.tier_level);
        self.model.observe(step, demand as f64);
        if let Some(chosen) = &mut self.chosen {
            chosen.push(step, demand as f64, self.season_steps);
        }
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
        let [_, lo_80, _, hi_80, _] = forecast.bounds();
        let wrong_by = (forecast.mean - demand as f64).abs();
        let loss = pinball(forecast, demand as f64) / self.level.max(1.0);
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
        self.loss = Some(self.loss.map_or(loss, |known| known + NEWS * (loss - known)));
        self.error = Some(self.error.map_or(wrong_by, |error| error + NEWS * (wrong_by - error)));
    }

    /// What it would be worth to fit the model now; `None` while it is not due.
    pub(crate) fn fit_value(&self, season_steps: usize) -> Option<f64> {
        let observed = self.model.observed_steps();
        let known = observed.min((season_steps as u64).max(MIN_MEMORY_STEPS));
        let new_part = observed.saturating_sub(self.fitted_at) as f64 / known.max(1) as f64;
        let is_due = observed >= ENOUGH && new_part >= NEW_PART;
        is_due.then(|| self.error.unwrap_or(self.level) * new_part.min(1.0))
    }

    /// The model once more, to be fitted elsewhere.
    pub(crate) fn copy_model(&self) -> Option<Box<dyn Model>> {
        (self.entry.restore)(&self.model.snapshot()).ok()
    }

    /// Takes a copy that has been fitted, if it has learned as much as the model.
    pub(crate) fn adopt(&mut self, model: Box<dyn Model>) -> bool {
        let is_level = model.observed_steps() == self.model.observed_steps();
        if is_level {
            self.fitted_at = model.observed_steps();
            self.model = model;
        }
        is_level
    }

    pub(crate) fn predict(&mut self, from: u64, horizon: usize) {
        self.from = from;
        self.forecast = self.model.forecast(from, horizon);
        if let Some(load) = &mut self.load {
            load.apply(from, &mut self.forecast);
        }
    }

    /// Takes note of how busy everything is now, or that nobody tells.
    pub(crate) fn measure(&mut self, load: Option<f64>) {
        if load.is_some() || self.load.is_some() {
            self.load.get_or_insert_default().measure(load);
        }
    }

    pub(crate) fn tier(&self) -> u8 {
        self.tier
    }

    /// Takes note of what its tier asks for in the step that is being closed.
    pub(crate) fn compare(&mut self, tier: u64) {
        self.tier_pending = tier;
    }

    pub(crate) fn pending(&self) -> u64 {
        self.pending
    }

    /// The forecast of a step by its place; nothing where it does not reach.
    pub(crate) fn ahead(&self, step: usize) -> StepForecast {
        self.forecast.get(step).copied().unwrap_or_default()
    }

    pub(crate) fn correct(&mut self, step: usize, forecast: StepForecast) {
        if let Some(slot) = self.forecast.get_mut(step) {
            *slot = forecast;
        }
    }

    /// Whether it leans on others more than on itself.
    pub(crate) fn is_young(&self) -> bool {
        self.model.observed_steps() as f64 <= KNOWN
    }

    /// Gives the forecast the shape of that of series like this one, as far as this one is hardly known.
    pub(crate) fn lean_on(&mut self, like: &Self) {
        let known = self.model.observed_steps() as f64;
        let own = known / (known + KNOWN);
        let better_known = like.model.observed_steps() > 2 * self.model.observed_steps();
        if !better_known || self.tier_level <= 0.0 || known >= like.memory_steps as f64 {
            return;
        }
        for (forecast, like_step) in self.forecast.iter_mut().zip(&like.forecast) {
            let leaned = own * forecast.mean + (1.0 - own) * self.level * like_step.mean / self.tier_level;
            if forecast.mean > 0.0 {
                *forecast = forecast.moved_to(leaned);
            }
        }
    }

    /// What the forecast means in words, and how likely each is.
    #[must_use]
    pub fn outlook(&self) -> Outlook {
        self.model.outlook(&self.forecast)
    }

    /// What any forecast of this series means in words.
    #[must_use]
    pub fn outlook_of(&self, ahead: &[StepForecast]) -> Outlook {
        self.model.outlook(ahead)
    }

    /// Forecasts on demand, further than is planned, and how alike errors of neighbouring steps are.
    #[must_use]
    pub fn look_ahead(&self, from: u64, horizon: usize) -> (Vec<StepForecast>, f64) {
        (self.model.forecast(from, horizon), self.model.correlation())
    }

    pub(crate) fn announce(&mut self, event: u64, from: u64, until: u64) {
        self.model.announce(event, from, until);
        if let Some(chosen) = &mut self.chosen {
            chosen.announce((event, from, until));
        }
    }

    /// The newest values that its model keeps, and the step of the last.
    pub(crate) fn recent(&self) -> (u64, Vec<f64>) {
        self.model.recent()
    }

    /// Shows its model what all keys have taught.
    pub(crate) fn take(&mut self, shared: &Shared) {
        self.model.take(shared);
    }

    /// The name of its model.
    #[must_use]
    pub fn model_name(&self) -> &'static str {
        self.entry.name
    }

    /// Whether the forecast of a step, by its place, is that of a peak that has come back before.
    pub(crate) fn expects_peak(&self, step: usize) -> bool {
        self.model.peak(self.from.saturating_add(step as u64)).is_some()
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

    /// What capacity should be there for in a step, if the forecast reaches so far: the mean, or a peak that comes back, if
    /// that is more.
    #[must_use]
    pub fn to_provide_for(&self, step: u64) -> Option<f64> {
        let mean = self.at(step)?.mean;
        Some(self.model.peak(step).map_or(mean, |peak| mean.max(peak)))
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
