//! Reservations of consecutive steps, quantised: the peak exactly, every step as a part of it in one byte.
//!
//! A byte is logarithmic: 32 codes an octave, so a step loses at most 2.2 % of itself, always downwards, whether it
//! is near the peak or a hundredth of it. What is below 1/245 of the peak becomes nothing.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::Reservation;
use crate::units::MicroRate;

/// Codes that halve a value.
const CODES_PER_OCTAVE: u32 = 32;
/// 2^(−r/32) in 2⁻³², rounded down.
const PARTS: [u64; CODES_PER_OCTAVE as usize] = [
    4_294_967_296,
    4_202_935_003,
    4_112_874_773,
    4_024_744_347,
    3_938_502_375,
    3_854_108_391,
    3_771_522_796,
    3_690_706_839,
    3_611_622_602,
    3_534_232_977,
    3_458_501_653,
    3_384_393_094,
    3_311_872_529,
    3_240_905_930,
    3_171_459_999,
    3_103_502_151,
    3_037_000_499,
    2_971_923_841,
    2_908_241_642,
    2_845_924_020,
    2_784_941_737,
    2_725_266_179,
    2_666_869_344,
    2_609_723_833,
    2_553_802_833,
    2_499_080_104,
    2_445_529_971,
    2_393_127_307,
    2_341_847_523,
    2_291_666_560,
    2_242_560_871,
    2_194_507_416,
];
/// Bits of the fraction in a float.
const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
const ABOVE_BITS: u32 = 8;
/// By how many codes a float is above the power of two below it, by the first bits of its fraction, rounded down.
const ABOVE: [u8; 1 << ABOVE_BITS] = above();

/// One reservation per step; the default has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The highest rate and the greatest depth of all steps.
    peak: Reservation,
    /// Rate and depth of each step in turn, as [`part`] reads them.
    #[serde(with = "bytes")]
    codes: Vec<u8>,
}

/// Bytes as one piece, not one by one.
mod bytes {
    use alloc::vec::Vec;
    use core::fmt;

    use serde::{Deserializer, Serializer, de::Visitor};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_bytes(Bytes)
    }

    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }
}

impl Schedule {
    /// Quantises `steps`, rounding down: the sum of many never exceeds what they were cut from.
    #[must_use]
    pub fn from_steps(steps: &[Reservation]) -> Self {
        let peak = steps.iter().fold(Reservation::default(), |peak, step| Reservation {
            rate: peak.rate.max(step.rate),
            depth: peak.depth.max(step.depth),
        });
        let (rate, depth) = (Coder::new(peak.rate.0), Coder::new(peak.depth));
        let mut codes = Vec::with_capacity(steps.len() * 2);
        for step in steps {
            codes.extend_from_slice(&[rate.code(step.rate.0), depth.code(step.depth)]);
        }
        Self { codes, peak }
    }

    /// The same reservation in each of `steps` steps.
    #[must_use]
    pub fn constant(reservation: Reservation, steps: u16) -> Self {
        Self::from_steps(&alloc::vec![reservation; usize::from(steps)])
    }

    /// What is reserved in a step; nothing beyond the last.
    #[must_use]
    pub fn step(&self, step: usize) -> Reservation {
        let Some(&[rate, depth]) = self.codes.get(step * 2..).and_then(<[u8]>::first_chunk) else {
            return Reservation::default();
        };
        Reservation { rate: MicroRate(part(self.peak.rate.0, rate)), depth: part(self.peak.depth, depth) }
    }

    /// Every step in turn.
    pub fn steps(&self) -> impl Iterator<Item = Reservation> + '_ {
        (0..self.len()).map(|step| self.step(step))
    }

    /// Number of steps.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.codes.len() / 2
    }

    /// Whether there is no step at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// The highest rate and the greatest depth of all steps.
    #[must_use]
    pub const fn peak(&self) -> Reservation {
        self.peak
    }

    pub(crate) const fn peak_mut(&mut self) -> &mut Reservation {
        &mut self.peak
    }

    /// Rate and depth of each step in turn, for [`part`].
    pub(crate) fn codes(&self) -> &[u8] {
        &self.codes
    }

    /// Whether the bytes are whole: two for each step.
    pub(super) const fn is_whole(&self) -> bool {
        self.codes.len().is_multiple_of(2)
    }
}

/// The part of `peak` that `code` stands for: 0 is nothing, 255 all of it, each code below 2^(−1/32) of the next.
pub(crate) fn part(peak: u64, code: u8) -> u64 {
    if code == 0 {
        return 0;
    }
    let below = u32::from(u8::MAX - code);
    let mantissa = PARTS.get((below % CODES_PER_OCTAVE) as usize).copied().unwrap_or(0);
    ((u128::from(peak) * u128::from(mantissa)) >> 32) as u64 >> (below / CODES_PER_OCTAVE)
}

/// The greatest code whose part of `peak` is not more than `value`; nothing is 0.
pub(crate) fn code(peak: u64, value: u64) -> u8 {
    Coder::new(peak).code(value)
}

/// Finds codes of parts of one peak.
#[derive(Clone, Copy)]
struct Coder {
    peak: u64,
    /// One over the peak.
    inverse: f64,
}

impl Coder {
    fn new(peak: u64) -> Self {
        Self { peak, inverse: 1.0 / peak.max(1) as f64 }
    }

    /// [`code`] for this peak.
    fn code(self, value: u64) -> u8 {
        if value == 0 || value >= self.peak {
            return if value == 0 { 0 } else { u8::MAX };
        }
        // The bits of a float say within a code or two which it is; integers decide.
        let bits = ((value + 1) as f64 * self.inverse).to_bits();
        let octaves = 1023_u64.saturating_sub(bits >> MANTISSA_BITS);
        let above =
            ABOVE.get((bits >> (MANTISSA_BITS - ABOVE_BITS)) as usize % ABOVE.len()).copied().unwrap_or(0);
        let guess = u64::from(u8::MAX) + u64::from(above);
        let mut code =
            guess.saturating_sub(octaves * u64::from(CODES_PER_OCTAVE)).min(u64::from(u8::MAX - 1)) as u8;
        while part(self.peak, code) > value {
            code -= 1;
        }
        while part(self.peak, code + 1) <= value {
            code += 1;
        }
        code
    }
}

const fn above() -> [u8; 1 << ABOVE_BITS] {
    let mut codes = [0; 1 << ABOVE_BITS];
    let (mut slots, mut float): (&mut [u8], u64) = (&mut codes, 1 << ABOVE_BITS);
    while let [slot, others @ ..] = slots {
        let mut parts: &[u64] = &PARTS;
        while let [part, smaller @ ..] = parts {
            // Twice 2^(−r/32) is 2^((32−r)/32), that is 32 − r codes above 1.
            if *part < 1 << 32 && *part * 2 <= float << (32 - ABOVE_BITS) {
                *slot += 1;
            }
            parts = smaller;
        }
        float += 1;
        slots = others;
    }
    codes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reservation(rate: u64, depth: u64) -> Reservation {
        Reservation { rate: MicroRate(rate), depth }
    }

    #[test]
    fn constant_reservations_are_exact() {
        let steady = reservation(123_456_789, 4_711);
        assert!(Schedule::constant(steady, 15).steps().all(|step| step == steady));
        assert_eq!(Schedule::constant(steady, 15).step(15), Reservation::default());
        assert_eq!(Schedule::constant(Reservation::default(), 3).steps().count(), 3);
    }

    #[test]
    fn golden_bytes_of_a_schedule() {
        let schedule = Schedule::from_steps(&[reservation(1_000, 8), reservation(500, 4), reservation(0, 1)]);
        let bytes = postcard::to_extend(&schedule, Vec::new()).unwrap();
        assert_eq!(bytes, [0xE8, 0x07, 8, 6, 255, 255, 223, 233, 0, 190]);
    }

    proptest! {
        #[test]
        fn a_step_is_rounded_down_by_little(
            steps in prop::collection::vec((0_u64..1 << 50, 0_u64..1 << 40), 1..64),
        ) {
            let steps: Vec<Reservation> = steps.into_iter().map(|(rate, depth)| reservation(rate, depth)).collect();
            let schedule = Schedule::from_steps(&steps);
            let peak = schedule.peak();
            for (wanted, got) in steps.iter().zip(schedule.steps()) {
                let pairs = [(peak.rate.0, wanted.rate.0, got.rate.0), (peak.depth, wanted.depth, got.depth)];
                for (peak, wanted, got) in pairs {
                    prop_assert!(got <= wanted, "{got} of {wanted}");
                    let least = if wanted < peak / 245 { 0.0 } else { wanted as f64 * 0.978 - 1.0 };
                    prop_assert!(got as f64 >= least, "{got} of {wanted}, peak {peak}");
                }
            }
        }

        #[test]
        fn a_code_is_the_greatest_that_fits(bits in 0_u32..64, peak in 1_u64..=u64::MAX, part_of_peak in 0.0..1.0_f64) {
            let peak = (peak >> bits).max(1);
            let value = (peak as f64 * part_of_peak * part_of_peak) as u64;
            let code = code(peak, value);
            prop_assert!(part(peak, code) <= value, "{code}");
            let least = code == u8::MAX || value == 0;
            prop_assert!(least || part(peak, code + 1) > value, "{code} is not the greatest");
        }

        #[test]
        fn codes_grow_with_values(peak in 1_u64..1 << 60) {
            let parts: Vec<u64> = (0..=u8::MAX).map(|code| part(peak, code)).collect();
            prop_assert!(parts.is_sorted());
            prop_assert_eq!(parts.last(), Some(&peak));
            let codes = [code(peak, 0), code(peak, peak / 2), code(peak, peak)];
            prop_assert!(codes.is_sorted());
        }
    }
}
