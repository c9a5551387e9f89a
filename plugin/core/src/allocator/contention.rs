//! Use beyond the forecast: counted as it happens, and called contention when it goes on.

use alloc::vec::Vec;

use super::{budget::ShadowId, packed::Packed};
use crate::{
    table::{Forecast, code, part},
    units::{Amount, Rate},
};

/// Windows in a row beyond the forecast after which a key is in contention.
const SUSTAINED_WINDOWS: u8 = 3;

/// A usage window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Counts windows; comes round.
    pub(super) number: u16,
    pub(super) length_ns: u64,
}

/// What is forecast for the owners of shadow buckets, and what they asked for in the current window.
#[derive(Clone, Debug, Default)]
pub(super) struct Contention {
    owners: Vec<Owner>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Owner {
    /// The upper end of the forecast, and the lower as a part of it.
    high: Packed,
    low: u8,
    /// Tokens asked for in the window with this number.
    asked: u32,
    window: u16,
    /// Windows in a row that went beyond the forecast.
    streak: u8,
}

impl Contention {
    /// Takes memory for so many owners in all, if there are some.
    pub(super) fn make_room(&mut self, owners: usize) {
        self.owners.reserve(owners.saturating_sub(self.owners.len()));
    }

    /// Notes the forecast of a new table; windows in a row go on counting.
    pub(super) fn expect(&mut self, owner: ShadowId, forecast: Forecast) {
        let index = owner as usize;
        if self.owners.len() <= index {
            self.owners.resize(index + 1, Owner::default());
        }
        let Some(owner) = self.owners.get_mut(index) else { return };
        owner.high = Packed::of_rate(Rate::from_micro_per_s(forecast.high));
        owner.low = code(forecast.high.0, forecast.low.0);
    }

    /// Forgets an owner whose shadow bucket has been given up.
    pub(super) fn forget(&mut self, owner: ShadowId) {
        if let Some(owner) = self.owners.get_mut(owner as usize) {
            *owner = Owner::default();
        }
    }

    /// Counts tokens asked for in a window; returns how many of them are beyond the forecast.
    pub(super) fn ask(&mut self, owner: ShadowId, cost: u64, window: Window) -> u64 {
        let Some(owner) = self.owners.get_mut(owner as usize) else { return 0 };
        if owner.high == Packed::ZERO {
            return 0;
        }
        let expected = owner.expected(window.length_ns);
        if owner.window != window.number {
            let beyond = u64::from(owner.asked) > expected;
            let adjacent = owner.window.wrapping_add(1) == window.number;
            owner.streak = if beyond && adjacent { owner.streak.saturating_add(1) } else { 0 };
            (owner.asked, owner.window) = (0, window.number);
        }
        let before = u64::from(owner.asked).saturating_sub(expected);
        owner.asked = owner.asked.saturating_add(u32::try_from(cost).unwrap_or(u32::MAX));
        u64::from(owner.asked).saturating_sub(expected) - before
    }

    /// Whether an owner keeps exceeding its forecast.
    pub(super) fn is_sustained(&self, owner: ShadowId) -> bool {
        self.owners.get(owner as usize).is_some_and(|owner| owner.streak >= SUSTAINED_WINDOWS)
    }

    /// The forecast of an owner, as rates.
    pub(super) fn forecast(&self, owner: ShadowId) -> Option<(Rate, Rate)> {
        let owner = self.owners.get(owner as usize).filter(|owner| owner.high != Packed::ZERO)?;
        let high = owner.high.rate();
        Some((Rate(part(high.0, owner.low)), high))
    }
}

impl Owner {
    /// The upper end of the forecast over a window, in tokens rounded up.
    fn expected(&self, window_ns: u64) -> u64 {
        let Amount(exact) = self.high.rate().over(window_ns);
        Amount(exact.saturating_add(Amount::from_tokens(1).0 - 1)).floor_tokens().max(0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MicroRate;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn use_beyond_the_forecast_is_counted_and_sustained_after_three_windows() {
        let mut contention = Contention::default();
        let per_s = MicroRate::from_per_s;
        contention.expect(3, Forecast { low: per_s(5.0), high: per_s(10.0) });
        let window = |number| Window { number, length_ns: SECOND };
        for number in 0..4 {
            assert_eq!(contention.ask(3, 8, window(number)), 0);
            assert_eq!(contention.is_sustained(3), number >= 3);
            assert_eq!(contention.ask(3, 5, window(number)), 3, "13 of 10 expected");
            assert_eq!(contention.ask(3, 5, window(number)), 5);
        }
        contention.ask(3, 1, window(4));
        contention.ask(3, 1, window(5));
        assert!(!contention.is_sustained(3), "a window within the forecast ends it");
        assert_eq!(contention.ask(9, 1_000, window(5)), 0, "who has no forecast exceeds none");
    }
}
