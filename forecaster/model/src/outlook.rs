//! What may come, in words: low, medium, high, or a spike, and how likely each is.

use serde::{Deserialize, Serialize};

use crate::forecast::{NORMAL, StepForecast};

/// What separates low, medium, high and spikes: by what has been usual.
///
/// Quartiles, and Tukey's outer fence (*Exploratory Data Analysis*, 1977): three interquartile ranges above the upper
/// quartile. Where both quartiles are the same, the mean stands for their range, so that rare demand is no spike just
/// because it is rare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// Demand below is low.
    pub low: f64,
    /// Demand above is high.
    pub high: f64,
    /// Demand above is a spike.
    pub spike: f64,
}

/// What one step's demand is in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Below the lower quartile.
    Low,
    /// Between the quartiles.
    Medium,
    /// Above the upper quartile, but no spike.
    High,
    /// Above the fence.
    Spike,
}

/// How likely each scenario is in a step; the sum is 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScenarioMix {
    /// Probability of low demand.
    pub low: f64,
    /// Probability of usual demand.
    pub medium: f64,
    /// Probability of high demand that is no spike.
    pub high: f64,
    /// Probability of a spike.
    pub spike: f64,
}

/// What forecasts mean: bounds, probabilities by step, and since when the level has been what it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlook {
    /// What the words mean now.
    pub bounds: Bounds,
    /// The probabilities of each step.
    pub steps: Vec<ScenarioMix>,
    /// The step at which the last shift of the level was noticed, if there has been one.
    pub shifted_at: Option<u64>,
}

impl Bounds {
    /// Bounds by these values, in any order.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Self {
        let count = values.len();
        if count == 0 {
            return Self::default();
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let (_, &mut low, above) = values.select_nth_unstable_by(count / 4, f64::total_cmp);
        let within = (count * 3 / 4).saturating_sub(count / 4 + 1);
        let high = if above.is_empty() {
            low
        } else {
            *above.select_nth_unstable_by(within.min(above.len() - 1), f64::total_cmp).1
        };
        let range = if high > low { high - low } else { mean };
        Self { low, high, spike: high + 3.0 * range }
    }

    /// What a step's demand is in words.
    #[must_use]
    pub fn scenario(&self, value: f64) -> Scenario {
        match value {
            value if value > self.spike => Scenario::Spike,
            value if value > self.high => Scenario::High,
            value if value >= self.low => Scenario::Medium,
            _ => Scenario::Low,
        }
    }
}

impl ScenarioMix {
    /// The probability of a scenario.
    #[must_use]
    pub const fn of(&self, scenario: Scenario) -> f64 {
        match scenario {
            Scenario::Low => self.low,
            Scenario::Medium => self.medium,
            Scenario::High => self.high,
            Scenario::Spike => self.spike,
        }
    }
}

impl StepForecast {
    /// How many standard deviations of a normal distribution a value lies above the median, if the forecast is bent
    /// into one: linear between its quantiles, and beyond them.
    pub(crate) fn score(&self, value: f64) -> f64 {
        let knots = NORMAL.iter().zip(self.quantiles);
        let pairs = knots.clone().zip(knots.skip(1));
        let last = NORMAL.len() - 2;
        for (index, ((from, low), (to, high))) in pairs.enumerate() {
            if value < high || index == last {
                let width = (high - low).max(1e-9 * (1.0 + high.abs()));
                return (from + (to - from) * (value - low) / width).clamp(-6.0, 6.0);
            }
        }
        0.0
    }

    /// The probability that a value is exceeded, by the quantiles alone.
    #[must_use]
    pub fn probability_above(&self, value: f64) -> f64 {
        above(self.score(value))
    }
}

/// The probability that a standard normal variable is larger.
pub(crate) fn above(score: f64) -> f64 {
    libm::erfc(score / std::f64::consts::SQRT_2) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_quartiles_and_the_outer_fence() {
        let bounds = Bounds::of((0..=100).rev().map(f64::from).collect());
        assert_eq!((bounds.low, bounds.high, bounds.spike), (25.0, 75.0, 225.0));
        let words = [24.0, 25.0, 76.0, 226.0].map(|value| bounds.scenario(value));
        assert_eq!(words, [Scenario::Low, Scenario::Medium, Scenario::High, Scenario::Spike]);
        let rare = Bounds::of([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 10.0].into());
        assert_eq!(rare, Bounds { low: 0.0, high: 0.0, spike: 3.0 });
        assert_eq!(Bounds::of(vec![7.0]), Bounds { low: 7.0, high: 7.0, spike: 28.0 });
        assert_eq!(Bounds::of(Vec::new()), Bounds::default());
    }

    #[test]
    fn the_probability_above_a_quantile_is_what_its_level_leaves() {
        let step = StepForecast::of_bounds(5.0, [1.0, 2.0, 5.0, 9.0, 12.0]);
        for (level, quantile) in crate::LEVELS.into_iter().zip(step.quantiles) {
            assert!((step.probability_above(quantile) - (1.0 - level)).abs() < 1e-6, "{level}");
        }
        assert!(step.probability_above(30.0) < 0.001 && step.probability_above(0.0) > 0.98);
        let certain = StepForecast { mean: 5.0, quantiles: [5.0; crate::LEVELS.len()] };
        assert!(certain.probability_above(4.9) > 0.99 && certain.probability_above(5.1) < 0.01);
    }
}
