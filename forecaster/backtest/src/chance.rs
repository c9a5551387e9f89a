//! How good probabilities were: of a spike, and of low, medium, high and spike.
//!
//! Brier, *Verification of forecasts expressed in terms of probability* (Monthly Weather Review 78, 1950), and the
//! logarithmic score. Each is compared with that of the base rate: how often the same had happened in all that was
//! known at the cutoff, by the same bounds.

use tidegate_model::{Outlook, Scenario, ScenarioMix};

/// A probability is not taken for smaller, or one surprise would rule the log loss.
const LEAST: f64 = 1e-4;

/// Sums over forecasts.
#[derive(Default)]
pub(crate) struct Chance {
    pub(crate) brier: Mean,
    pub(crate) brier_base: Mean,
    pub(crate) log_loss: Mean,
    pub(crate) log_loss_base: Mean,
}

/// A running mean of what is finite.
#[derive(Default)]
pub(crate) struct Mean {
    pub(crate) sum: f64,
    pub(crate) count: f64,
}

impl Mean {
    pub(crate) fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.sum += value;
            self.count += 1.0;
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    pub(crate) fn get(&self) -> f64 {
        self.sum / self.count
    }
}

impl Chance {
    /// Adds one window.
    pub(crate) fn add(&mut self, outlook: &Outlook, known: &[f64], after: &[f64]) {
        if outlook.steps.is_empty() {
            return;
        }
        let base = base_rates(outlook, known);
        for (mix, &value) in outlook.steps.iter().zip(after).filter(|(_, value)| value.is_finite()) {
            let came = outlook.bounds.scenario(value);
            let spike = f64::from(u8::from(came == Scenario::Spike));
            let log_loss = |mix: &ScenarioMix| -mix.of(came).max(LEAST).ln();
            self.brier.add((mix.spike - spike).powi(2));
            self.brier_base.add((base.spike - spike).powi(2));
            self.log_loss.add(log_loss(mix));
            self.log_loss_base.add(log_loss(&base));
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.brier.merge(&other.brier);
        self.brier_base.merge(&other.brier_base);
        self.log_loss.merge(&other.log_loss);
        self.log_loss_base.merge(&other.log_loss_base);
    }
}

/// How often each has happened, as if each had happened once more.
fn base_rates(outlook: &Outlook, known: &[f64]) -> ScenarioMix {
    let rate = |scenario: Scenario| {
        let values = known.iter().filter(|value| value.is_finite());
        let happened = values.clone().filter(|&&value| outlook.bounds.scenario(value) == scenario).count();
        (happened as f64 + 1.0) / (values.count() as f64 + 4.0)
    };
    ScenarioMix {
        low: rate(Scenario::Low),
        medium: rate(Scenario::Medium),
        high: rate(Scenario::High),
        spike: rate(Scenario::Spike),
    }
}

#[cfg(test)]
mod tests {
    use tidegate_model::Bounds;

    use super::*;

    #[test]
    fn certainty_that_is_right_costs_nothing_and_the_base_rate_is_of_the_past() {
        let known = [1.0, 1.0, 1.0, 9.0, 1.0, 1.0];
        let bounds = Bounds { low: 0.5, high: 2.0, spike: 5.0 };
        let mix = |spike: f64| ScenarioMix { low: 0.0, medium: 1.0 - spike, high: 0.0, spike };
        let outlook = Outlook { bounds, steps: vec![mix(1.0), mix(0.0)], shifted_at: None };
        let mut chance = Chance::default();
        chance.add(&outlook, &known, &[9.0, 1.0]);
        assert_eq!((chance.brier.get(), chance.log_loss.get()), (0.0, 0.0));
        assert!((chance.brier_base.get() - (0.8_f64.powi(2) + 0.2_f64.powi(2)) / 2.0).abs() < 1e-12);
        let mut unknown = Chance::default();
        unknown.add(&Outlook::default(), &known, &[9.0]);
        assert!(unknown.brier.get().is_nan());
    }
}
