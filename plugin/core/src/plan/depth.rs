//! How deep a shadow bucket must be.
//!
//! A bucket refilled at the rate of its demand runs dry on the demand's jitter, not on its amount: within a second a
//! customer with Poisson arrivals of rate g and cost L differs from g by about √(g·L) tokens (variance equals mean). So
//! depth is one request plus three such deviations: a small steady customer needs far more depth per rate than a large
//! one, and many customers in one bucket need less than in as many.

/// Over how long jitter has to be ridden out, in seconds.
const WINDOW_S: f64 = 1.0;
/// How many standard deviations of the jitter are covered.
const DEVIATIONS: f64 = 3.0;

/// What shares one bucket in one step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    /// Guaranteed tokens per second.
    pub(super) rate_per_s: f64,
    /// Variance of the tokens asked for in a second.
    variance: f64,
    /// Largest single cost.
    largest: f64,
}

impl Load {
    pub(super) fn new(rate_per_s: f64, largest_cost: u64) -> Self {
        let largest = if rate_per_s > 0.0 { largest_cost.max(1) as f64 } else { 0.0 };
        Self { rate_per_s, variance: rate_per_s * largest, largest }
    }

    /// Puts `other` into the same bucket.
    pub(super) fn add(&mut self, other: Self) {
        self.rate_per_s += other.rate_per_s;
        self.variance += other.variance;
        self.largest = self.largest.max(other.largest);
    }

    /// The depth it needs in tokens.
    pub(super) fn depth(&self) -> f64 {
        self.largest + DEVIATIONS * libm::sqrt(self.variance * WINDOW_S)
    }
}

/// By what all depths have to be multiplied to fit into `budget`.
pub(super) fn scale(needed: f64, budget: f64) -> f64 {
    if needed > budget { budget / needed } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_customers_need_more_depth_per_rate_and_less_together() {
        let (small, large) = (Load::new(4.0, 1), Load::new(100.0, 1));
        assert_eq!((small.depth(), large.depth()), (7.0, 31.0));
        let mut together = Load::default();
        (0..25).for_each(|_| together.add(small));
        assert_eq!(together.depth(), large.depth());
        assert_eq!(Load::new(0.0, 50).depth(), 0.0, "what is not guaranteed needs no depth");
    }

    #[test]
    fn depths_shrink_together_to_fit() {
        assert_eq!((scale(50.0, 100.0), scale(200.0, 100.0)), (1.0, 0.5));
    }
}
