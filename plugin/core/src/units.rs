//! Time, rates and amounts in integers.
//!
//! Decisions must be bit-identical in native code, V8 and wasmtime, and refill must be exact over any interval, so
//! the decision path knows no floats: time is nanoseconds, an [`Amount`] counts 2⁻²⁰ tokens, a [`Rate`] counts
//! 2⁻⁵² tokens per nanosecond, and `rate × elapsed >> 32` is an amount.

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

/// Fractional bits of an [`Amount`].
const AMOUNT_BITS: u32 = 20;
/// Fractional bits of a [`Rate`] beyond those of an [`Amount`].
pub(crate) const RATE_SHIFT: u32 = 32;
const NANOS_PER_MILLI: u64 = 1_000_000;

/// Nanoseconds since the Unix epoch. The core never reads a clock: every call gets its `now`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The instant `nanos` nanoseconds after the Unix epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The instant `millis` milliseconds after the Unix epoch, saturating.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(NANOS_PER_MILLI))
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the Unix epoch.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0 / NANOS_PER_MILLI
    }

    /// Nanoseconds from `earlier` to `self`; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The instant `nanos` later, saturating.
    #[must_use]
    pub const fn plus(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

/// An amount of tokens in units of 2⁻²⁰ token; negative is debt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(pub(crate) i64);

impl Amount {
    /// No tokens.
    pub const ZERO: Self = Self(0);

    /// A whole number of tokens, saturating at about 8.8 · 10¹².
    #[must_use]
    pub const fn from_tokens(tokens: u64) -> Self {
        if tokens > (i64::MAX as u64) >> AMOUNT_BITS {
            Self(i64::MAX)
        } else {
            Self((tokens << AMOUNT_BITS) as i64)
        }
    }

    /// So many thousandths of it, rounded towards zero.
    #[must_use]
    pub(crate) const fn permille(self, permille: u16) -> Self {
        // In two parts, so that nothing overflows and nothing but the last unit is lost.
        let factor = permille as i64;
        Self(self.0 / 1000 * factor + self.0 % 1000 * factor / 1000)
    }

    /// The whole of which it is so many thousandths, rounded towards zero; itself when that is none.
    #[must_use]
    pub(crate) const fn out_of_permille(self, permille: u16) -> Self {
        let part = if permille == 0 { 1000 } else { permille as i64 };
        Self((self.0 / part).saturating_mul(1000).saturating_add(self.0 % part * 1000 / part))
    }

    /// Whole tokens, rounded towards minus infinity.
    #[must_use]
    pub const fn floor_tokens(self) -> i64 {
        self.0 >> AMOUNT_BITS
    }

    /// Tokens as a float, for people and metrics; never on the decision path.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / f64::from(1_u32 << AMOUNT_BITS)
    }
}

/// A refill rate in units of 2⁻⁵² token per nanosecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(pub(crate) u64);

impl Rate {
    /// No refill.
    pub const ZERO: Self = Self(0);

    /// The rate of `micro` micro-tokens per second, rounded to nearest but never from something down to nothing.
    #[must_use]
    pub const fn from_micro_per_s(micro: MicroRate) -> Self {
        const MICRO_NANOS: u128 = 1_000_000_000_000_000;
        let exact = ((micro.0 as u128) << (AMOUNT_BITS + RATE_SHIFT)) + MICRO_NANOS / 2;
        let units = exact / MICRO_NANOS;
        if units == 0 && micro.0 > 0 {
            Self(1)
        } else if units > i64::MAX as u128 {
            Self(i64::MAX as u64)
        } else {
            Self(units as u64)
        }
    }

    /// Tokens per second, to a millionth, for people; never on the decision path.
    #[must_use]
    pub fn per_s(self) -> f64 {
        const PER_UNIT: f64 = 1e9 / (1_u64 << (AMOUNT_BITS + RATE_SHIFT)) as f64;
        libm::round(self.0 as f64 * PER_UNIT * 1e6) / 1e6
    }

    /// What this rate refills in `nanos` nanoseconds, rounded down, saturating.
    #[must_use]
    pub const fn over(self, nanos: u64) -> Amount {
        let units = ((self.0 as u128) * (nanos as u128)) >> RATE_SHIFT;
        if units > i64::MAX as u128 { Amount(i64::MAX) } else { Amount(units as i64) }
    }

    /// The shortest time in nanoseconds in which this rate refills `amount`; `None` when it never does.
    #[must_use]
    pub const fn time_for(self, amount: Amount) -> Option<u64> {
        if amount.0 <= 0 {
            return Some(0);
        }
        if self.0 == 0 {
            return None;
        }
        if amount.0 >> (u64::BITS - RATE_SHIFT) == 0 {
            // WebAssembly divides 64 bits by an instruction, 128 by a call of hundreds.
            return Some(((amount.0 as u64) << RATE_SHIFT).div_ceil(self.0));
        }
        let needed = (amount.0 as u128) << RATE_SHIFT;
        let nanos = needed.div_ceil(self.0 as u128);
        if nanos > u64::MAX as u128 { None } else { Some(nanos as u64) }
    }
}

/// A rate as it travels: micro-tokens per second. `500 requests/s` is `500_000_000`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicroRate(pub u64);

impl MicroRate {
    /// From tokens per second: rounds to nearest; negative and NaN become zero, the rest saturates.
    #[must_use]
    pub fn from_per_s(tokens_per_s: f64) -> Self {
        let micro = libm::round(tokens_per_s * 1e6);
        if micro > 0.0 { Self(micro as u64) } else { Self(0) }
    }

    /// A part of it; never rounded down to nothing.
    #[must_use]
    pub fn part(self, share: Share) -> Self {
        Self(share.of(self.0).max(self.0.min(1)))
    }

    /// Tokens per second.
    #[must_use]
    pub fn per_s(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

/// A part of a whole, in 1/65536; what one worker has of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// Everything.
    pub const WHOLE: Self = Self(1 << 16);

    /// `part` of `whole`, rounded down but never to nothing; everything when `part` is the larger.
    #[must_use]
    pub fn new(part: u64, whole: u64) -> Self {
        let units = (u128::from(part) << 16) / u128::from(whole.max(1));
        Self(u32::try_from(units).unwrap_or(u32::MAX).clamp(1, Self::WHOLE.0))
    }

    /// The part in 65536ths.
    #[must_use]
    pub const fn units(self) -> u32 {
        self.0
    }

    /// A part of this part, in thousandths, rounded down but never to nothing.
    #[must_use]
    pub fn part(self, permille: u16) -> Self {
        Self::new(u64::from(self.0) * u64::from(permille), u64::from(Self::WHOLE.0) * 1_000)
    }

    /// This part of `amount`, rounded down.
    #[must_use]
    pub fn of(self, amount: u64) -> u64 {
        ((u128::from(amount) * u128::from(self.0)) >> 16) as u64
    }

    /// How far apart two shares are, as a part of the whole.
    #[must_use]
    pub const fn distance(self, other: Self) -> Self {
        Self(self.0.abs_diff(other.0))
    }
}

/// The 64-bit name of a throttling key: SipHash-1-3 (Aumasson and Bernstein 2012) of its bytes under a zero key.
///
/// The forecaster and every proxy compute the same hash, so tables need not carry key strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyHash(pub u64);

impl KeyHash {
    /// Hashes the bytes of a key.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self(SipHasher13::new().hash(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_refills_its_tokens_in_a_second() {
        let rate = Rate::from_micro_per_s(MicroRate::from_per_s(500.0));
        let got = rate.over(1_000_000_000).as_f64();
        assert!((got - 500.0).abs() < 1e-4, "{got}");
    }

    #[test]
    fn a_rate_under_one_token_per_day_never_rounds_to_zero() {
        let rate = Rate::from_micro_per_s(MicroRate(1));
        assert!(rate > Rate::ZERO);
        assert!(rate.time_for(Amount::from_tokens(1)).is_some());
    }

    #[test]
    fn time_for_is_the_first_nanosecond_that_suffices() {
        let rate = Rate::from_micro_per_s(MicroRate::from_per_s(3.7));
        let want = Amount::from_tokens(11);
        let nanos = rate.time_for(want).unwrap();
        assert!(rate.over(nanos) >= want);
        assert!(rate.over(nanos - 1) < want);
    }

    #[test]
    fn small_amounts_take_as_long_as_large_ones_would_say() {
        let rate = Rate::from_micro_per_s(MicroRate::from_per_s(3.7));
        for amount in [1, (1 << 32) - 1, 1 << 32, (1 << 32) + 1] {
            let exact = (u128::from(amount as u64) << RATE_SHIFT).div_ceil(u128::from(rate.0));
            assert_eq!(rate.time_for(Amount(amount)).map(u128::from), Some(exact), "{amount}");
        }
    }

    #[test]
    fn amounts_and_rates_saturate() {
        assert_eq!(Amount::from_tokens(u64::MAX), Amount(i64::MAX));
        assert_eq!(Rate::from_micro_per_s(MicroRate(u64::MAX)).over(u64::MAX), Amount(i64::MAX));
        assert_eq!(Rate::ZERO.time_for(Amount::from_tokens(1)), None);
        assert_eq!(MicroRate::from_per_s(f64::NAN), MicroRate(0));
    }
}
