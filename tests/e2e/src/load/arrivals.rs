//! Random arrivals with a fixed seed: a Poisson process whose rate may change with time (thinning, Lewis and
//! Shedler 1979).

use std::time::Duration;

/// A small generator of random numbers (`SplitMix64`, Steele et al. 2014): the same seed, the same traffic.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that depends on nothing but the seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 up to but not including 1.
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The time to the next arrival of a process of `per_s` arrivals a second.
    pub fn pause_s(&mut self, per_s: f64) -> f64 {
        -(1.0 - self.unit()).ln() / per_s
    }
}

/// Arrival times, in order and without end, of one customer whose rate is a function of time.
#[derive(Clone, Debug)]
pub struct Arrivals<R> {
    rate_per_s: R,
    highest_per_s: f64,
    random: Random,
    now_s: f64,
}

impl<R: Fn(f64) -> f64> Arrivals<R> {
    /// `rate_per_s` takes seconds since the start and never exceeds `highest_per_s`.
    pub const fn new(rate_per_s: R, highest_per_s: f64, seed: u64) -> Self {
        Self { rate_per_s, highest_per_s, random: Random::new(seed), now_s: 0.0 }
    }
}

impl<R: Fn(f64) -> f64> Iterator for Arrivals<R> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        loop {
            self.now_s += self.random.pause_s(self.highest_per_s);
            if self.random.unit() * self.highest_per_s < (self.rate_per_s)(self.now_s) {
                return Duration::try_from_secs_f64(self.now_s).ok();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_follow_the_rate_and_the_seed() {
        let step = |seconds: f64| if seconds < 50.0 { 10.0 } else { 40.0 };
        let times: Vec<f64> =
            Arrivals::new(step, 40.0, 7).map(|at| at.as_secs_f64()).take_while(|at| *at < 100.0).collect();
        let before = times.iter().filter(|at| **at < 50.0).count() as f64;
        let after = times.len() as f64 - before;
        // Five standard deviations of a Poisson count.
        assert!((before - 500.0).abs() < 5.0 * 500_f64.sqrt(), "{before}");
        assert!((after - 2000.0).abs() < 5.0 * 2000_f64.sqrt(), "{after}");
        let again: Vec<f64> =
            Arrivals::new(step, 40.0, 7).map(|at| at.as_secs_f64()).take(times.len()).collect();
        assert_eq!(times, again);
    }
}
