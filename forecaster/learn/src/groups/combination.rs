//! One forecast of a sum from two: its own, and the sum of what is forecast of its parts.
//!
//! For a sum and its parts, the reconciliation of least trace (Wickramasuriya, Athanasopoulos and Hyndman, *Optimal
//! forecast reconciliation for hierarchical and grouped time series through trace minimization*, JASA 114, 2019) with the
//! errors' measured variances and covariance is the combination of Bates and Granger (*The combination of forecasts*,
//! Operational Research Quarterly 20, 1969): the weights are those that would have erred least. What intervals say is not
//! asked: keys err together, so that their sum is much less certain than their own intervals can tell.

use std::collections::VecDeque;

/// What own forecasts count for before anything is measured, and for how many outcomes that stands: what everybody
/// does together is seen in sums first.
const PRIOR: f64 = 0.95;
const PRIOR_OUTCOMES: f64 = 30.0;
/// Outcomes that are remembered: several for each step, a day of minutes and more.
const REMEMBERED: f64 = 10_000.0;

/// How the two have erred.
#[derive(Debug, Default)]
pub(crate) struct Combination {
    /// Mean squares of errors, and their mean product.
    own: f64,
    parts: f64,
    both: f64,
    outcomes: f64,
    waiting: VecDeque<Waiting>,
    /// The step before which the newest forecasts were made.
    from: u64,
}

/// Forecasts whose step has not come yet.
#[derive(Debug)]
struct Waiting {
    due: u64,
    own: f64,
    parts: f64,
}

impl Combination {
    /// Takes note of the forecasts of the steps from `from` on, to be compared with what comes. Distances double from one
    /// to the next: neighbours would tell the same.
    pub(crate) fn issue(&mut self, from: u64, forecasts: impl ExactSizeIterator<Item = (f64, f64)>) {
        if from <= self.from {
            return;
        }
        self.from = from;
        let last = forecasts.len();
        let told = (1..=last).zip(forecasts).filter(|(ahead, _)| ahead.is_power_of_two() || *ahead == last);
        let waiting = told.map(|(ahead, (own, parts))| Waiting { due: from + ahead as u64 - 1, own, parts });
        self.waiting.extend(waiting);
    }

    /// Learns what came.
    pub(crate) fn settle(&mut self, step: u64, value: f64) {
        for one in self.waiting.iter().filter(|one| one.due == step) {
            let (own, parts) = (one.own - value, one.parts - value);
            self.outcomes = (self.outcomes + 1.0).min(REMEMBERED);
            let learn = |mean: &mut f64, value: f64| *mean += (value - *mean) / self.outcomes;
            learn(&mut self.own, own * own);
            learn(&mut self.parts, parts * parts);
            learn(&mut self.both, own * parts);
        }
        self.waiting.retain(|one| one.due > step);
    }

    /// What the own forecast counts for, from 0 to 1; the rest is what that of the parts counts for.
    pub(crate) fn weight(&self) -> f64 {
        let apart = self.own + self.parts - 2.0 * self.both;
        let measured = if apart > 0.0 { (self.parts - self.both) / apart } else { PRIOR };
        let known = self.outcomes / (self.outcomes + PRIOR_OUTCOMES);
        known * measured.clamp(0.0, 1.0) + (1.0 - known) * PRIOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After 2000 steps of which one forecast is wrong by up to `own` and the other by up to `parts`, and by `common` both.
    fn weight(own: f64, parts: f64, common: f64) -> f64 {
        let mut combination = Combination::default();
        let noise = |step: u64, by: u64| (step * by % 1009) as f64 / 504.0 - 1.0;
        for step in 1..2000 {
            let shared = 1000.0 + common * noise(step, 331);
            let pair = (shared + own * noise(step, 7919), shared + parts * noise(step, 104_729));
            combination.issue(step, std::iter::once(pair));
            combination.settle(step, 1000.0);
        }
        combination.weight()
    }

    #[test]
    fn weights_are_those_of_least_variance() {
        assert!((weight(10.0, 10.0, 0.0) - 0.5).abs() < 0.03, "{}", weight(10.0, 10.0, 0.0));
        assert!((weight(10.0, 30.0, 0.0) - 0.9).abs() < 0.03, "{}", weight(10.0, 30.0, 0.0));
        assert!(weight(30.0, 10.0, 80.0) < 0.2, "{}", weight(30.0, 10.0, 80.0));
    }

    #[test]
    fn before_anything_is_known_sums_are_trusted_and_forecasts_are_compared_once() {
        let mut combination = Combination::default();
        assert_eq!(combination.weight(), PRIOR);
        combination.issue(5, [(9.0, 0.0), (9.0, 0.0), (9.0, 0.0)].into_iter());
        combination.issue(5, std::iter::once((0.0, 9.0)));
        combination.settle(4, 0.0);
        assert_eq!((combination.weight(), combination.waiting.len()), (PRIOR, 3));
        combination.settle(7, 0.0);
        assert_eq!((combination.outcomes, combination.waiting.len()), (1.0, 0));
        assert!(combination.weight() < PRIOR);
    }
}
