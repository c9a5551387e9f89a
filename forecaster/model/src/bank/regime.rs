//! What is usual, how likely what is not, and whether the level has shifted.
//!
//! Probabilities of scenarios are read off the forecast's quantiles and corrected by what came of such readings before:
//! how often demand exceeded a bound when the reading was in the same bin (Zadrozny and Elkan, *Obtaining calibrated
//! probability estimates from decision trees and naive Bayesian classifiers*, ICML 2001), so that a probability means
//! a frequency, far out in the tail too. Shifts are found by cumulated sums of the errors one step ahead (Page,
//! *Continuous inspection schemes*, Biometrika 41, 1954), cut so that a single spike is no shift.

use serde::{Deserialize, Serialize};

use crate::{
    forecast::StepForecast,
    history::History,
    outlook::{Bounds, Outlook, ScenarioMix, above},
};

/// Bounds are made anew every so many steps.
const RENEWED: u64 = 32;
/// Scores that separate the bins.
const EDGES: [f64; BINS - 1] = [-2.0, -1.3, -0.7, -0.2, 0.2, 0.7, 1.3, 2.0, 3.0, 4.5];
const BINS: usize = 11;
/// How many outcomes the reading itself counts for, and what an outcome counts for after as many more.
const PRIOR: f64 = 8.0;
const DISCOUNT: f32 = 0.998;
/// Of what is expected before a bin has outcomes, the part that is read off the quantiles; the rest is how often the
/// bound has been exceeded whatever was read.
const READ: f64 = 0.3;
/// In units of the scale: errors are cut here, slack is taken from each, and from such a sum on there is a shift.
const CUT: f64 = 3.0;
const SLACK: f64 = 0.75;
const SHIFT: f64 = 12.0;

/// The state.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Regime {
    bounds: Bounds,
    low: Bins,
    high: Bins,
    spike: Bins,
    up: f32,
    down: f32,
    shifted_at: Option<u64>,
}

/// How often a bound was exceeded, by what had been read.
#[derive(Default, Serialize, Deserialize)]
struct Bins {
    outcomes: [f32; BINS],
    exceeded: [f32; BINS],
}

impl Bins {
    fn bin(score: f64) -> usize {
        EDGES.partition_point(|edge| *edge < score)
    }

    fn learn(&mut self, score: f64, exceeded: bool) {
        let bin = Self::bin(score);
        if let (Some(outcomes), Some(sum)) = (self.outcomes.get_mut(bin), self.exceeded.get_mut(bin)) {
            *outcomes = DISCOUNT * *outcomes + 1.0;
            *sum = DISCOUNT * *sum + f32::from(u8::from(exceeded));
        }
    }

    fn probability(&self, score: f64) -> f64 {
        let bin = Self::bin(score);
        let of = |sums: &[f32; BINS]| sums.get(bin).copied().map_or(0.0, f64::from);
        let all = |sums: &[f32; BINS]| f64::from(sums.iter().sum::<f32>());
        let usual = (all(&self.exceeded) + PRIOR * above(score)) / (all(&self.outcomes) + PRIOR);
        let expected = (1.0 - READ) * usual + READ * above(score);
        (of(&self.exceeded) + PRIOR * expected) / (of(&self.outcomes) + PRIOR)
    }
}

impl Regime {
    /// Learns what came of a forecast, at any distance.
    pub(super) fn settle(&mut self, forecast: &StepForecast, value: f64) {
        let Bounds { low, high, spike } = self.bounds;
        self.low.learn(forecast.score(low), value >= low);
        self.high.learn(forecast.score(high), value > high);
        self.spike.learn(forecast.score(spike), value > spike);
    }

    /// Learns an error one step ahead, in units of the scale; tells whether the level has shifted just now.
    pub(super) fn is_shift(&mut self, step: u64, error: f64) -> bool {
        let error = error.clamp(-CUT, CUT) as f32;
        self.up = (self.up + error - SLACK as f32).max(0.0);
        self.down = (self.down - error - SLACK as f32).max(0.0);
        let shifted = self.up.max(self.down) >= SHIFT as f32;
        if shifted {
            (self.up, self.down, self.shifted_at) = (0.0, 0.0, Some(step));
        }
        shifted
    }

    /// Takes what is usual from the history, now and then.
    pub(super) fn renew(&mut self, past: &History, observed: u64) {
        if observed <= RENEWED || observed.is_multiple_of(RENEWED) {
            self.bounds = Bounds::of(past.to_vec());
        }
    }

    pub(super) fn outlook(&self, ahead: &[StepForecast]) -> Outlook {
        let mix = |step: &StepForecast| {
            // As outcomes were read.
            let step = StepForecast::of_bounds(step.mean, step.bounds());
            let above_low = self.low.probability(step.score(self.bounds.low));
            let above_high = self.high.probability(step.score(self.bounds.high)).min(above_low);
            let spike = self.spike.probability(step.score(self.bounds.spike)).min(above_high);
            ScenarioMix {
                low: 1.0 - above_low,
                medium: above_low - above_high,
                high: above_high - spike,
                spike,
            }
        };
        Outlook { bounds: self.bounds, steps: ahead.iter().map(mix).collect(), shifted_at: self.shifted_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_become_frequencies() {
        let mut regime = Regime { bounds: Bounds { low: 1.0, high: 2.0, spike: 50.0 }, ..Regime::default() };
        let forecast = StepForecast::of_bounds(1.5, [0.0, 0.5, 1.5, 2.5, 3.0]);
        // The quantiles say that 50 is out of the question; it comes every tenth time all the same.
        for step in 0..2000 {
            regime.settle(&forecast, if step % 10 == 0 { 60.0 } else { 1.5 });
        }
        let [mix] = regime.outlook(&[forecast]).steps[..] else { panic!("one step") };
        assert!((mix.spike - 0.1).abs() < 0.01, "{mix:?}");
        assert!((mix.medium - 0.9).abs() < 0.02 && mix.high < 0.02, "{mix:?}");
        assert!((mix.low + mix.medium + mix.high + mix.spike - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_shift_is_noticed_and_a_spike_is_none() {
        let mut regime = Regime::default();
        let errors = |step: u64| if step == 50 { 40.0 } else { ((step * 7919 % 21) as f64 - 10.0) / 10.0 };
        assert!((0..400).all(|step| !regime.is_shift(step, errors(step))));
        let noticed = (400..420).find(|&step| regime.is_shift(step, errors(step) + 3.0)).unwrap();
        assert!(noticed < 410 && regime.outlook(&[]).shifted_at == Some(noticed), "{noticed}");
    }
}
