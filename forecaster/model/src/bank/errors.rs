//! The sample of errors that intervals of one distance are made of, kept honest by adaptive conformal inference.
//!
//! Gibbs and Candès, *Adaptive conformal inference under distribution shift* (NeurIPS 2021): the level at which the
//! sample's quantile is read moves by γ(level − covered) with each outcome, so that coverage is right in the long run
//! whatever the series does. Quantiles by definition 6 of Hyndman and Fan, *Sample quantiles in statistical packages*
//! (The American Statistician 50, 1996), which holds for small samples.

use serde::{Deserialize, Serialize};

use crate::{
    forecast::{BOUND_LEVELS, LEVELS, NORMAL, Settings, normal_quantile},
    room::make_room,
};

/// Errors kept when the model is to be small, and otherwise.
const FEW: usize = 48;
const MANY: usize = 300;
/// Fewer errors than this say nothing about the tails.
const ENOUGH: usize = 8;
/// γ: how far a level moves with each outcome.
const STEP: f32 = 0.01;
/// Levels stay this far from 0 and 1.
const MARGIN: f32 = 0.002;
/// Beyond the sample, its shape from here to its end goes on.
const TAIL: f32 = 0.1;
/// Errors beyond so many units are taken for so many.
const LARGEST: f32 = 100.0;
/// What the 99 % interval leaves out, of what the 95 % interval does; how far the 50 % bounds are from the median, of how
/// far the 80 % bounds are.
const OUTER: f32 = 0.2;
const INNER: f32 = 0.625;
const MEDIAN: usize = BOUND_LEVELS.len() / 2;

/// Errors at one distance, in units of the scale.
#[derive(Serialize, Deserialize)]
pub(super) struct Errors {
    newest: Vec<f32>,
    oldest: usize,
    capacity: usize,
    /// Where the sample is read for the bounds; other levels keep their places between them.
    levels: [f32; BOUND_LEVELS.len()],
    #[serde(skip)]
    sorted: Vec<f32>,
}

impl Errors {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            newest: Vec::new(),
            oldest: 0,
            capacity: if settings.is_light() { FEW } else { MANY },
            levels: BOUND_LEVELS.map(|level| level as f32),
            sorted: Vec::new(),
        }
    }

    /// A sample that is read as it is, whatever came of that.
    pub(super) fn plain() -> Self {
        let levels = BOUND_LEVELS.map(|level| level as f32);
        Self { newest: Vec::new(), oldest: 0, capacity: MANY, levels, sorted: Vec::new() }
    }

    pub(super) fn restored(&mut self) {
        self.sorted.clone_from(&self.newest);
        self.sorted.sort_unstable_by(f32::total_cmp);
    }

    /// Learns an error, and whether the value lay below the bounds that had been forecast.
    pub(super) fn learn(&mut self, error: f32, bounds: &[f32; BOUND_LEVELS.len()], value: f32) {
        if self.newest.len() >= ENOUGH {
            let outer = self.levels.iter_mut().zip(BOUND_LEVELS).zip(bounds);
            for ((level, wanted), &bound) in outer {
                let below = if value <= bound { 1.0 } else { 0.0 };
                *level = (*level + STEP * (wanted as f32 - below)).clamp(MARGIN, 1.0 - MARGIN);
            }
            if let Some(median) = self.levels.get_mut(MEDIAN) {
                *median = 0.5;
            }
        }
        self.add(error);
    }

    /// Takes an error into the sample.
    pub(super) fn add(&mut self, error: f32) {
        let error = error.clamp(-LARGEST, LARGEST);
        if self.newest.len() < self.capacity {
            make_room(&mut self.newest, self.capacity);
            self.newest.push(error);
            self.sort_in(error);
            return;
        }
        if let Some(slot) = self.newest.get_mut(self.oldest) {
            let left = std::mem::replace(slot, error);
            let place = self.sorted.partition_point(|&other| other < left);
            if place < self.sorted.len() {
                self.sorted.remove(place);
            }
            self.sort_in(error);
        }
        self.oldest = (self.oldest + 1) % self.capacity.max(1);
    }

    fn sort_in(&mut self, error: f32) {
        make_room(&mut self.sorted, self.capacity);
        let place = self.sorted.partition_point(|&other| other < error);
        self.sorted.insert(place, error);
    }

    /// The quantiles of the error.
    pub(super) fn quantiles(&self) -> [f64; LEVELS.len()] {
        if self.sorted.len() < ENOUGH {
            let squares: f32 = self.sorted.iter().map(|error| error * error).sum();
            let deviation = f64::from(squares / (self.sorted.len() as f32).max(1.0)).sqrt().max(1.0);
            return NORMAL.map(|normal| normal * deviation);
        }
        let [lo_95, lo_80, median, hi_80, hi_95] = self.levels;
        let outer = |bound: f32| bound * OUTER;
        let inner = |bound: f32| median + (bound - median) * INNER;
        let levels = [
            outer(lo_95),
            lo_95,
            lo_80,
            inner(lo_80),
            median,
            inner(hi_80),
            hi_80,
            hi_95,
            1.0 - outer(1.0 - hi_95),
        ];
        levels.map(|level| f64::from(self.quantile(level)))
    }

    /// The quantile at a level; beyond the sample, as a normal distribution would go on from its outermost parts.
    fn quantile(&self, level: f32) -> f32 {
        let outermost = 1.0 / (self.sorted.len() as f32 + 1.0);
        let (inner, edge) = if level < 0.5 { (TAIL, outermost) } else { (1.0 - TAIL, 1.0 - outermost) };
        if (level - 0.5).abs() <= (edge - 0.5).abs() || outermost >= TAIL {
            return self.within(level);
        }
        let score = |level: f32| normal_quantile(f64::from(level)) as f32;
        let (from, to) = (self.within(inner), self.within(edge));
        to + (to - from) * (score(level) - score(edge)) / (score(edge) - score(inner))
    }

    fn within(&self, level: f32) -> f32 {
        let last = self.sorted.len().saturating_sub(1);
        let position = level * (self.sorted.len() as f32 + 1.0) - 1.0;
        let at = |index: usize| self.sorted.get(index.min(last)).copied().unwrap_or_default();
        let below = position.max(0.0).floor();
        let (low, high) = (at(below as usize), at(below as usize + 1));
        low + (high - low) * (position.max(0.0) - below).min(1.0)
    }
}
