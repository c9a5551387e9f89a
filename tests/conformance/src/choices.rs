//! Where a script's choices come from: a seed, or the bytes of a fuzzer.
//!
//! Both are the same on every engine: integers only, and no source of randomness but the argument.

/// A sequence of choices.
#[derive(Clone, Debug)]
pub struct Choices<'a> {
    source: Source<'a>,
}

#[derive(Clone, Debug)]
enum Source<'a> {
    /// SplitMix64 (Steele, Lea and Flood 2014).
    Seed(u64),
    /// Consumed from the front; zeros once they are used up.
    Bytes(&'a [u8]),
}

impl<'a> Choices<'a> {
    /// Endless choices from a seed.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self { source: Source::Seed(seed) }
    }

    /// Choices until the bytes are used up.
    #[must_use]
    pub const fn of_bytes(bytes: &'a [u8]) -> Self {
        Self { source: Source::Bytes(bytes) }
    }

    /// Whether nothing is left to choose by.
    #[must_use]
    pub const fn is_exhausted(&self) -> bool {
        matches!(self.source, Source::Bytes([]))
    }

    /// A number below `bound`; zero when the bound is zero. Small bounds take few bytes.
    pub fn below(&mut self, bound: u64) -> u64 {
        match &mut self.source {
            Source::Seed(state) => {
                let random = split_mix(state);
                ((u128::from(random) * u128::from(bound)) >> 64) as u64
            }
            Source::Bytes(bytes) => {
                let width = (u64::BITS - bound.saturating_sub(1).leading_zeros()).div_ceil(8) as usize;
                let mut number = 0_u64;
                for _ in 0..width {
                    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
                    number = number << 8 | u64::from(*first);
                    *bytes = rest;
                }
                number.checked_rem(bound).unwrap_or(0)
            }
        }
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least.saturating_add(self.below(most.saturating_sub(least).saturating_add(1)))
    }

    /// True once in `many` times.
    pub fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 1 % many.max(1)
    }

    /// One of a list; the default when it is empty.
    pub fn pick<T: Copy + Default>(&mut self, list: &[T]) -> T {
        let at = self.below(list.len() as u64) as usize;
        list.get(at).copied().unwrap_or_default()
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // The reference implementation's first outputs for the seed 1234567.
        let mut state = 1_234_567;
        let first: [u64; 3] = core::array::from_fn(|_| split_mix(&mut state));
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn choices_are_within_bounds_and_reach_them() {
        let bytes: [u8; 64] = core::array::from_fn(|at| at as u8);
        for mut choices in [Choices::seeded(7), Choices::of_bytes(&bytes)] {
            let mut seen = [false; 3];
            for _ in 0..40 {
                seen[choices.below(3) as usize] = true;
            }
            assert_eq!((seen, choices.below(0)), ([true; 3], 0));
            assert_eq!(choices.between(5, 5), 5);
            assert!(choices.between(1 << 63, u64::MAX) >= 1 << 63);
        }
    }

    #[test]
    fn bytes_run_out_and_leave_zeros() {
        let mut choices = Choices::of_bytes(&[9, 1, 2]);
        assert_eq!((choices.below(256), choices.below(1 << 16)), (9, 0x0102));
        assert!(choices.is_exhausted());
        assert_eq!((choices.below(10), choices.one_in(10)), (0, false));
    }
}
