//! How a network sees a series, and learns from it: logarithms over a running mean, beside a robust baseline.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

use super::{INPUTS, MOST, Network, OUTPUTS, QUARTERS, SEASONS, WINDOW, weights::Weights};
use crate::{forecast::Settings, history::History, tape::Tape};

/// What it takes to see a series: its season, and how far ahead is forecast.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Lens {
    season: usize,
    horizon: usize,
}

impl Lens {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { season: settings.season(), horizon: settings.horizon.max(1) }
    }

    pub(super) const fn horizon(&self) -> usize {
        self.horizon
    }

    /// How many values it takes to see a window and what came after it.
    pub(super) fn needed(&self) -> usize {
        self.horizon + self.season.max(WINDOW) + WINDOW
    }

    /// Mean of the last season, or of some values; what is added to values keeps logarithms of nothing finite.
    pub(super) fn mean(&self, past: &History) -> (f64, f64) {
        let mean = past.recent_mean(self.season.clamp(48, 400));
        (mean, 0.03 * mean + 1e-9)
    }

    /// What was known `origin` steps ago, as logarithms.
    pub(super) fn view<'a>(
        &self,
        past: &'a History,
        origin: usize,
    ) -> impl Fn(usize) -> Option<f64> + use<'a> {
        let (mean, offset) = self.mean(past);
        move |back: usize| Some(((past.back(origin + back)? + offset) / (mean + offset)).ln())
    }

    /// What the baseline says of the step `ahead` of the origin.
    pub(super) fn baseline(&self, value: &dyn Fn(usize) -> Option<f64>, ahead: usize) -> f64 {
        let newest = (0..6).filter_map(value).sum::<f64>() / (0..6).filter_map(value).count().max(1) as f64;
        if self.season < 2 {
            return newest;
        }
        let first = self.season - 1 - (ahead - 1) % self.season;
        let seasons = (0..SEASONS).filter_map(|season| value(first + season * self.season));
        let count = seasons.clone().count();
        if count == 0 {
            return newest;
        }
        // The level now against that of the same steps a season ago.
        let before: f64 = (0..6).filter_map(|back| value(back + self.season)).sum::<f64>() / 6.0;
        let fade = 0.5 / (1.0 + ahead as f64 / 6.0);
        seasons.sum::<f64>() / count as f64 + fade * (newest - before)
    }

    /// What a network is told of the steps up to one, oldest first.
    pub(super) fn window(
        &self,
        value: &dyn Fn(usize) -> Option<f64>,
        step: u64,
        steps: usize,
    ) -> Option<Vec<[f64; INPUTS]>> {
        let input = |back: usize| {
            let angle = TAU * ((step + (steps * self.season - back) as u64) % self.season as u64) as f64
                / self.season as f64;
            let before = if self.season > 1 { value(back + self.season).unwrap_or(0.0) } else { 0.0 };
            Some([value(back)?, before, angle.sin(), angle.cos()])
        };
        (0..steps).rev().map(input).collect()
    }

    pub(super) fn distances(&self) -> [usize; OUTPUTS] {
        QUARTERS.map(|quarter| (self.horizon * quarter / 4).max(1))
    }

    /// One step of gradient descent through a window of some steps, on what was known `origin` steps ago, at least the
    /// horizon; gives by how much corrections helped there, or nothing where too little is known.
    pub(super) fn train<N: Network>(
        &self,
        weights: &mut Weights,
        past: &History,
        origin: usize,
        steps: usize,
    ) -> Option<f64> {
        let value = self.view(past, origin);
        let step = past.last_step().saturating_sub(origin as u64);
        let window = self.window(&value, step, steps)?;
        let known = self.view(past, 0);
        let wrong =
            self.distances().map(|ahead| known(origin - ahead).unwrap_or(0.0) - self.baseline(&value, ahead));
        let mut tape = Tape::new(&weights.values);
        let out = N::forward(&mut tape, &window);
        let said = tape.value(out);
        let helped =
            said.iter().zip(wrong).map(|(said, wrong)| wrong.abs() - (wrong - said).abs()).sum::<f64>();
        let slopes = said.iter().zip(wrong).map(|(said, wrong)| (said - wrong).clamp(-MOST, MOST)).collect();
        let gradient = tape.gradient(slopes);
        weights.descend(gradient);
        Some(helped)
    }

    /// What the baseline and corrections of it at [`Lens::distances`] make of the next steps.
    pub(super) fn path(&self, past: &History, said: &[f64], ahead: &mut [f64]) {
        let (value, (mean, offset), distances) = (self.view(past, 0), self.mean(past), self.distances());
        for (slot, distance) in ahead.iter_mut().zip(1..) {
            let whole = self.baseline(&value, distance) + corrected(said, &distances, distance);
            *slot = whole.min(30.0).exp() * (mean + offset) - offset;
        }
    }
}

/// The correction at a distance, between those that are known.
fn corrected(said: &[f64], distances: &[usize], distance: usize) -> f64 {
    let to = distances.partition_point(|one| *one < distance).min(distances.len().saturating_sub(1));
    let from = to.saturating_sub(1);
    let at = |index: usize| said.get(index).copied().unwrap_or(0.0);
    let place = |index: usize| distances.get(index).copied().unwrap_or(1) as f64;
    let span = place(to) - place(from);
    let share = if span > 0.0 { ((distance as f64 - place(from)) / span).clamp(0.0, 1.0) } else { 1.0 };
    at(from) * (1.0 - share) + at(to) * share
}
