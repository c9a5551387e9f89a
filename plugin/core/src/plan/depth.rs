//! How deep a shadow bucket must be.
//!
//! A bucket refilled at the rate of its demand runs dry on the demand's jitter, not on its amount: within a second a
//! customer with Poisson arrivals of rate g and cost L differs from g by about √(g·L) tokens (variance equals mean). So
//! depth is one request plus three such deviations: a small steady customer needs far more depth per rate than a large
//! one, and many customers in one bucket need less than in as many. It is never more than the contracts' burst.
//!
//! What is held is not refilled: its bucket is as deep as the level that is expected.
//!
//! Where the burst is short, better priorities have their depth first: what a worse one is forecast costs them nothing.

/// Over how long jitter has to be ridden out, in seconds.
const WINDOW_S: f64 = 1.0;
/// How many standard deviations of the jitter are covered.
const DEVIATIONS: f64 = 3.0;

/// What shares one bucket in one step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    /// Guaranteed tokens per second.
    pub(super) rate_per_s: f64,
    /// Guaranteed tokens that are held.
    level: f64,
    /// Variance of the tokens asked for in a second.
    variance: f64,
    /// Largest single cost.
    largest: f64,
    /// Burst of all contracts.
    most: f64,
}

impl Load {
    /// A demand that is refilled, with costs of at most `largest` tokens and a contract of `most` tokens at once.
    pub(super) fn rate(per_s: f64, largest: f64, most: f64) -> Self {
        let largest = if per_s > 0.0 { largest } else { 0.0 };
        Self { rate_per_s: per_s, level: 0.0, variance: per_s * largest, largest, most }
    }

    /// A demand that is held.
    pub(super) fn level(tokens: f64) -> Self {
        Self { level: tokens, most: tokens, ..Self::default() }
    }

    /// Puts `other` into the same bucket.
    pub(super) fn add(&mut self, other: Self) {
        self.rate_per_s += other.rate_per_s;
        self.level += other.level;
        self.variance += other.variance;
        self.largest = self.largest.max(other.largest);
        self.most += other.most;
    }

    /// The depth it needs in tokens.
    pub(super) fn depth(&self) -> f64 {
        let jitter = self.largest + DEVIATIONS * libm::sqrt(self.variance * WINDOW_S);
        let needed = self.level + jitter;
        if needed < self.most { needed } else { self.most }
    }
}

/// By what the depths of each priority, best first, have to be multiplied to fit into `budget`.
pub(super) fn scales<'a>(needed: &'a [f64], budget: f64) -> impl Iterator<Item = f64> + 'a {
    needed.iter().scan(budget, |left, needed| {
        let scale = if *needed <= *left { 1.0 } else { *left / needed };
        *left = (*left - needed).max(0.0);
        Some(scale)
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn small_customers_need_more_depth_per_rate_and_less_together() {
        let rate = |per_s| Load::rate(per_s, 1.0, f64::INFINITY);
        let (small, large) = (rate(4.0), rate(100.0));
        assert_eq!((small.depth(), large.depth()), (7.0, 31.0));
        let mut together = Load::default();
        (0..25).for_each(|_| together.add(small));
        assert_eq!(together.depth(), large.depth());
        assert_eq!(Load::rate(0.0, 50.0, 100.0).depth(), 0.0, "what is not guaranteed needs no depth");
    }

    #[test]
    fn no_depth_exceeds_the_contracts() {
        let mut two = Load::rate(100.0, 1.0, 10.0);
        assert_eq!(two.depth(), 10.0);
        two.add(Load::rate(100.0, 1.0, 5.0));
        assert_eq!(two.depth(), 15.0);
    }

    #[test]
    fn what_is_held_needs_its_level() {
        let mut held = Load::level(20.0);
        held.add(Load::level(5.0));
        assert_eq!((held.depth(), held.rate_per_s), (25.0, 0.0));
    }

    #[test]
    fn depths_shrink_to_fit_the_worst_priority_first() {
        let scales = |needed: &[f64], budget| scales(needed, budget).collect::<Vec<f64>>();
        assert_eq!(scales(&[50.0], 100.0), [1.0]);
        assert_eq!(scales(&[200.0], 100.0), [0.5]);
        assert_eq!(scales(&[60.0, 80.0, 10.0], 100.0), [1.0, 0.5, 0.0]);
        assert_eq!(scales(&[0.0, 0.0], 0.0), [1.0, 1.0]);
    }
}
