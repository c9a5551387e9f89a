//! What the load of the system tells about demand to come: learned as events are, from what forecasts without it missed.
//!
//! For a few distances ahead, the relative error of the forecast is regressed on how much more than usual the load was
//! when the forecast was made (ridge regression with forgetting). Only that load is ever looked at: that of the step
//! itself is not known when it is forecast. What is learned counts once it is certain (by its t statistic), and moves no
//! forecast by more than a factor of two.

use std::collections::VecDeque;

use tidegate_model::StepForecast;

/// Distances at which it is learned; between them it is interpolated, beyond them it is that of the last.
const AHEAD: [usize; 4] = [1, 3, 7, 15];
/// What a step tells about what load is usual.
const NEWS: f64 = 0.01;
/// What a pair counts for, one step later: two thousand are remembered.
const KEEP: f64 = 1.0 - 1.0 / 2000.0;
/// Squared loads that are as if seen without effect.
const RIDGE: f64 = 0.1;
/// Fewer pairs say nothing, nor do effects less than so many standard errors.
const ENOUGH: f64 = 30.0;
const CERTAIN: f64 = 4.0;
/// Neighbouring errors tell much the same: the number of pairs counts for so much.
const INDEPENDENT: f64 = 0.5;
/// Bounds of relative errors, of loads beside the usual, and of what is made of them.
const WRONG_BY: f64 = 3.0;
const BUSY_BY: f64 = 2.0;
const FACTOR: f64 = 2.0;
/// Forecasts below this part of the usual level say nothing relative.
const LEAST: f64 = 0.05;

/// What load tells of one series.
#[derive(Debug, Default)]
pub(crate) struct LoadEffect {
    usual: Option<f64>,
    /// How much more than usual it is now, if it is known.
    now: Option<f64>,
    at: [Regression; AHEAD.len()],
    waiting: VecDeque<Waiting>,
}

/// A forecast whose step has not come yet.
#[derive(Debug)]
struct Waiting {
    due: u64,
    distance: usize,
    mean: f64,
    load: f64,
}

/// Sums of one regression through the origin.
#[derive(Debug, Default)]
struct Regression {
    pairs: f64,
    loads: f64,
    both: f64,
    wrong: f64,
}

impl Regression {
    fn learn(&mut self, load: f64, wrong: f64) {
        self.pairs = KEEP * self.pairs + 1.0;
        self.loads = KEEP * self.loads + load * load;
        self.both = KEEP * self.both + load * wrong;
        self.wrong = KEEP * self.wrong + wrong * wrong;
    }

    /// By what part demand differs for each unit of load; 0 while that is not certain.
    fn slope(&self) -> f64 {
        let slope = self.both / (self.loads + RIDGE);
        let rest = (self.wrong - slope * self.both).max(0.0) / (self.pairs * INDEPENDENT).max(1.0);
        let certain = slope * slope * self.loads >= CERTAIN * CERTAIN * rest;
        if self.pairs >= ENOUGH && certain { slope } else { 0.0 }
    }
}

impl LoadEffect {
    /// Takes note of how busy everything is, 1 being all there is, or that nobody tells.
    pub(crate) fn measure(&mut self, load: Option<f64>) {
        self.now = load.filter(|load| load.is_finite()).map(|load| {
            let usual = self.usual.get_or_insert(load);
            let more = load - *usual;
            *usual += NEWS * more;
            more.clamp(-BUSY_BY, BUSY_BY)
        });
    }

    /// Learns from the forecasts of a step what load had to do with their errors; `level` is what is usual.
    pub(crate) fn settle(&mut self, step: u64, demand: f64, level: f64) {
        while let Some(first) = self.waiting.iter().position(|one| one.due == step) {
            let Some(one) = self.waiting.remove(first) else { break };
            if let Some(regression) = self.at.get_mut(one.distance).filter(|_| one.mean > LEAST * level) {
                let wrong = ((demand - one.mean) / one.mean).clamp(-WRONG_BY, WRONG_BY);
                regression.learn(one.load, wrong);
            }
        }
        self.waiting.retain(|one| one.due > step);
    }

    /// Takes note of forecasts from step `from` on, and makes of them what the load now tells.
    pub(crate) fn apply(&mut self, from: u64, ahead: &mut [StepForecast]) {
        let Some(load) = self.now else { return };
        for (distance, steps) in AHEAD.into_iter().enumerate() {
            let due = from + steps as u64 - 1;
            // One at a time is enough to learn from, and little to remember.
            let is_told = self.waiting.iter().any(|one| one.distance == distance);
            if let Some(forecast) = ahead.get(steps - 1).filter(|_| !is_told) {
                self.waiting.push_back(Waiting { due, distance, mean: forecast.mean, load });
            }
        }
        let slopes: Vec<f64> = self.at.iter().map(Regression::slope).collect();
        if slopes.iter().all(|slope| *slope == 0.0) {
            return;
        }
        for (forecast, distance) in ahead.iter_mut().zip(1..) {
            let factor = (1.0 + slope_at(&slopes, distance) * load).clamp(1.0 / FACTOR, FACTOR);
            *forecast = forecast.moved_to(forecast.mean * factor);
        }
    }
}

fn slope_at(slopes: &[f64], distance: usize) -> f64 {
    let to = AHEAD.partition_point(|one| *one < distance).min(AHEAD.len() - 1);
    let from = to.saturating_sub(1);
    let slope = |index: usize| slopes.get(index).copied().unwrap_or(0.0);
    let place = |index: usize| AHEAD.get(index).copied().unwrap_or(1) as f64;
    let span = place(to) - place(from);
    let share = if span > 0.0 { ((distance as f64 - place(from)) / span).clamp(0.0, 1.0) } else { 1.0 };
    slope(from) * (1.0 - share) + slope(to) * share
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{Learner, Learning, Used};

    /// Something between -1 and 1.
    fn noise(step: u64) -> f64 {
        let mixed =
            (step.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 40) as f64 / (1_u64 << 23) as f64 - 1.0
    }

    /// Errors of forecasts one step ahead over the last steps, when demand follows the load of the step before by
    /// `effect`, and load is told or not.
    fn error(effect: f64, is_told: bool) -> f64 {
        let model = tidegate_model::find("seasonal-naive").unwrap();
        let mut learner = Learner::new(&Learning { model, season_steps: 24, max_keys: 9 }, 1);
        let (mut sum, steps) = (0.0, 1200);
        for step in 0..steps {
            let load = |step: u64| 0.5 + 0.4 * noise(step);
            let season = 100.0 + 50.0 * (step % 24) as f64 / 24.0;
            let before = if step > 0 { load(step - 1) - 0.5 } else { 0.0 };
            let demand = (season * (1.0 + effect * before + 0.02 * noise(step + 1_000_000))).round();
            if step > 600 {
                sum += (learner.key("a")[0].as_ref().unwrap().at(step).unwrap().mean - demand).abs();
            }
            let used = Used { key: "a", resource: 0, demand: demand as u64, largest: 1 };
            learner.observe(&BTreeMap::new(), step, [used]);
            if is_told {
                learner.measure(0, Some(load(step)));
            }
            learner.predict(step + 1, 4);
        }
        sum / 600.0
    }

    #[test]
    fn load_that_explains_demand_makes_forecasts_better_and_other_load_changes_nothing() {
        let (told, untold) = (error(0.8, true), error(0.8, false));
        assert!(told < 0.75 * untold, "wrong by {told} with load, by {untold} without");
        let (told, untold) = (error(0.0, true), error(0.0, false));
        assert!((told / untold - 1.0).abs() < 0.01, "wrong by {told} with load, by {untold} without");
    }

    #[test]
    fn only_the_load_before_a_forecast_is_looked_at() {
        // Twice the same until the forecast is made, then everything is different.
        let forecast = |later: f64| {
            let mut effect = LoadEffect::default();
            let mut told = Vec::new();
            for step in 0..400_u64 {
                let is_later = step >= 300;
                effect.measure(Some(if is_later { later } else { 0.5 + 0.4 * noise(step) }));
                let mut ahead = [StepForecast { mean: 10.0, ..StepForecast::default() }; 15];
                effect.apply(step + 1, &mut ahead);
                if !is_later {
                    told.push(ahead.map(|step| step.mean));
                }
                let demand = if is_later { later * 50.0 } else { 10.0 * (1.0 + 0.5 * noise(step)) };
                effect.settle(step + 1, demand, 10.0);
            }
            told
        };
        let told = forecast(0.0);
        assert_eq!(told, forecast(9.0));
        assert!(told.iter().flatten().any(|mean| (mean - 10.0).abs() > 1.0), "there was something to learn");
    }

    #[test]
    fn no_load_moves_a_forecast_far_and_what_is_no_number_is_none() {
        let mut effect = LoadEffect::default();
        effect.measure(None);
        assert!(effect.usual.is_none());
        for step in 0..500 {
            let load = if step % 2 == 0 { 5.0 } else { -5.0 };
            effect.measure(Some(load));
            let mut ahead = [StepForecast { mean: 10.0, ..StepForecast::default() }];
            effect.apply(step, &mut ahead);
            assert!((5.0..=20.0).contains(&ahead[0].mean), "{}", ahead[0].mean);
            effect.settle(step, if step % 2 == 0 { 1000.0 } else { 0.0 }, 10.0);
        }
        effect.measure(Some(f64::NAN));
        let mut ahead = [StepForecast { mean: 10.0, ..StepForecast::default() }];
        effect.apply(501, &mut ahead);
        assert_eq!(ahead[0].mean, 10.0);
    }
}
