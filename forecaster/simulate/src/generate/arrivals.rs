//! Bursty arrivals: a gamma renewal process on operational time.
//!
//! Requests of one LLM service customer come in bursts; gamma and Weibull distributions fit the time between them
//! (ServeGen, arXiv:2505.09999). Gaps of mean 1 are drawn from a gamma distribution and laid out on operational time, the
//! integral of the rate, so that the rate holds at every instant whatever the burstiness.

use crate::draw::Random;

/// The rate is taken as constant for so long, in seconds.
const PIECE_S: f64 = 30.0;

/// A renewal process.
pub(super) struct Renewals {
    random: Random,
    /// Shape of the gaps; their scale is its inverse.
    shape: f64,
    from_s: f64,
    until_s: f64,
}

impl Renewals {
    /// `burstiness` is the gaps' coefficient of variation: 1 is a Poisson process.
    pub(super) fn new(random: Random, burstiness: f64, from_s: f64, until_s: f64) -> Self {
        Self { random, shape: 1.0 / burstiness.max(0.05).powi(2), from_s, until_s }
    }

    /// Calls `arrive` for every arrival, in order.
    pub(super) fn run(mut self, rate_per_s: impl Fn(f64) -> f64, mut arrive: impl FnMut(f64)) {
        let mut at_s = self.from_s;
        // The first gap is entered somewhere in its middle.
        let mut gap = self.gap() * self.random.unit();
        while at_s < self.until_s {
            let piece_ends_s = (at_s + PIECE_S).min(self.until_s);
            let rate = rate_per_s(f64::midpoint(at_s, piece_ends_s)).max(0.0);
            while rate > 0.0 && at_s + gap / rate < piece_ends_s {
                at_s += gap / rate;
                gap = self.gap();
                arrive(at_s);
            }
            gap -= (piece_ends_s - at_s) * rate;
            at_s = piece_ends_s;
        }
    }

    fn gap(&mut self) -> f64 {
        self.random.gamma(self.shape) / self.shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(burstiness: f64, rate_per_s: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut counts = vec![0.0; 2000];
        let renewals = Renewals::new(Random::new(1, "arrivals"), burstiness, 0.0, 20_000.0);
        renewals.run(rate_per_s, |at_s| counts[(at_s / 10.0) as usize] += 1.0);
        counts
    }

    fn moments(counts: &[f64]) -> (f64, f64) {
        let mean = counts.iter().sum::<f64>() / counts.len() as f64;
        (mean, counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / counts.len() as f64)
    }

    #[test]
    fn counts_have_the_rate_as_mean_and_the_squared_burstiness_as_dispersion() {
        for (burstiness, tolerance) in [(1.0, 0.15), (2.0, 0.6)] {
            let (mean, variance) = moments(&counts(burstiness, |_| 20.0));
            assert!((mean - 200.0).abs() < 2.0 * burstiness, "{mean}");
            let dispersion = variance / mean;
            assert!((dispersion - burstiness * burstiness).abs() < tolerance, "{dispersion}");
        }
    }

    #[test]
    fn a_rate_that_changes_is_followed() {
        let counts = counts(2.0, |at_s| if at_s < 9_990.0 { 3.0 } else { 30.0 });
        let (before, after) = counts.split_at(999);
        assert!((moments(before).0 - 30.0).abs() < 1.5 && (moments(after).0 - 300.0).abs() < 6.0);
    }
}
