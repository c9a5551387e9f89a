//! A rate or an amount in four bytes, rounded down in its 26th binary digit: what millions of reservations are kept in.

use crate::units::{Amount, Rate};

const MANTISSA_BITS: u32 = 26;
const MANTISSA: u32 = (1 << MANTISSA_BITS) - 1;

/// A 26-bit number and by how much it is shifted to the left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Packed(u32);

impl Packed {
    pub(super) const ZERO: Self = Self(0);

    const fn of(value: u64) -> Self {
        let shift = (u64::BITS - value.leading_zeros()).saturating_sub(MANTISSA_BITS);
        Self((value >> shift) as u32 | shift << MANTISSA_BITS)
    }

    const fn value(self) -> u64 {
        ((self.0 & MANTISSA) as u64) << (self.0 >> MANTISSA_BITS)
    }

    pub(super) const fn of_rate(rate: Rate) -> Self {
        Self::of(rate.0)
    }

    pub(super) const fn rate(self) -> Rate {
        Rate(self.value())
    }

    /// A negative amount becomes nothing.
    pub(super) const fn of_amount(amount: Amount) -> Self {
        Self::of(if amount.0 > 0 { amount.0 as u64 } else { 0 })
    }

    pub(super) const fn amount(self) -> Amount {
        // 26 bits shifted by at most 37: below 2⁶³ whenever it came from an amount.
        let value = self.value();
        Amount(if value > i64::MAX as u64 { i64::MAX } else { value as i64 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_packed_number_is_rounded_down_in_its_26th_digit(value in any::<u64>(), shift in 0_u32..64) {
            let value = value >> shift;
            let packed = Packed::of(value).value();
            prop_assert!(packed <= value);
            prop_assert!(value - packed <= value >> (MANTISSA_BITS - 1));
        }
    }

    #[test]
    fn numbers_of_26_bits_are_exact() {
        for value in [0, 1, 4_711, u64::from(MANTISSA), 50 << 20, 1 << 60] {
            assert_eq!(Packed::of(value).value(), value);
        }
    }
}
