//! Random numbers with a fixed algorithm: the same seed draws the same traffic on every machine and in every version.

use tidegate_core::KeyHash;

/// A small generator (`SplitMix64`, Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A generator of its own for each purpose of a seed, so that one purpose more or less changes no other.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let mut random = Self(seed ^ KeyHash::of(purpose.as_bytes()).0);
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to but not including 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number from 0 up to but not including `end`; 0 when that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((self.unit() * end as f64) as usize).min(end.saturating_sub(1))
    }

    /// The standard normal distribution (Box and Muller 1958).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// The gamma distribution of this shape and scale 1 (Marsaglia and Tsang 2000, with their boost below shape 1).
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = (1.0 - self.unit()).powf(1.0 / shape);
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gamma_has_its_mean_and_variance() {
        for shape in [0.25, 1.0, 3.0] {
            let mut random = Random::new(1, "gamma");
            let sample: Vec<f64> = (0..200_000).map(|_| random.gamma(shape)).collect();
            let mean = sample.iter().sum::<f64>() / sample.len() as f64;
            let variance = sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / sample.len() as f64;
            assert!((mean - shape).abs() < 0.03 * shape.max(0.5), "mean {mean} of shape {shape}");
            assert!((variance - shape).abs() < 0.06 * shape.max(0.5), "variance {variance} of shape {shape}");
        }
    }

    #[test]
    fn purposes_and_seeds_differ_and_repeat() {
        let draw = |seed, purpose| Random::new(seed, purpose).unit();
        assert!((draw(1, "a") - draw(1, "a")).abs() < f64::EPSILON);
        assert!((draw(1, "a") - draw(1, "b")).abs() > 1e-9 && (draw(1, "a") - draw(2, "a")).abs() > 1e-9);
    }
}
