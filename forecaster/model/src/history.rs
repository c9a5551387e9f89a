//! The newest values of a series, shared by every part of a bank.

use serde::{Deserialize, Serialize};

use crate::room::make_room;

/// A bounded run of values of consecutive steps, none negative. Gaps have been filled in before a value comes here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct History {
    values: Values,
    /// Where the oldest value is, once all places are taken.
    oldest: usize,
    capacity: usize,
    last_step: u64,
}

/// Values as they are, or in half the room, rounded to the nearest 512th of their power of two.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Values {
    Exact(Vec<f32>),
    Rounded(Vec<[u8; 2]>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Exact(values) => values.len(),
            Self::Rounded(values) => values.len(),
        }
    }

    fn get(&self, place: usize) -> Option<f32> {
        match self {
            Self::Exact(values) => values.get(place).copied(),
            Self::Rounded(values) => values.get(place).map(|&bytes| widened(bytes)),
        }
    }

    /// Takes the place if there is one, else the next of at most so many.
    fn put(&mut self, place: Option<usize>, value: f32, most: usize) {
        match self {
            Self::Exact(values) => put(values, place, value, most),
            Self::Rounded(values) => put(values, place, rounded(value), most),
        }
    }
}

fn put<T>(values: &mut Vec<T>, place: Option<usize>, value: T, most: usize) {
    match place.and_then(|place| values.get_mut(place)) {
        Some(slot) => *slot = value,
        None => {
            make_room(values, most);
            values.push(value);
        }
    }
}

/// Exponent and the first eight bits of the fraction; there is no sign.
fn rounded(value: f32) -> [u8; 2] {
    let bits = value.to_bits() + (1 << 14);
    ((bits >> 15) as u16).to_le_bytes()
}

fn widened(bytes: [u8; 2]) -> f32 {
    f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 15)
}

impl History {
    /// An empty history of at most so many values; a light one rounds them to save memory.
    #[must_use]
    pub fn new(capacity: usize, light: bool) -> Self {
        let values = if light { Values::Rounded(Vec::new()) } else { Values::Exact(Vec::new()) };
        Self { values, oldest: 0, capacity: capacity.max(1), last_step: 0 }
    }

    pub(crate) fn push(&mut self, step: u64, value: f64) {
        self.last_step = step;
        let full = self.values.len() >= self.capacity;
        self.values.put(full.then_some(self.oldest), value as f32, self.capacity);
        if full {
            self.oldest = (self.oldest + 1) % self.capacity;
        }
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.len() == 0
    }

    /// The step of the newest value.
    #[must_use]
    pub fn last_step(&self) -> u64 {
        self.last_step
    }

    /// The value so many steps before the newest one.
    #[must_use]
    pub fn back(&self, steps: usize) -> Option<f64> {
        let from_oldest = self.values.len().checked_sub(steps + 1)?;
        let at = self.oldest + from_oldest;
        let place = if at >= self.values.len() { at - self.values.len() } else { at };
        self.values.get(place).map(f64::from)
    }

    /// The newest value; 0 when there is none.
    #[must_use]
    pub fn newest(&self) -> f64 {
        self.back(0).unwrap_or(0.0)
    }

    /// The mean of the newest `steps` values; 0 when there is none.
    #[must_use]
    pub fn recent_mean(&self, steps: usize) -> f64 {
        let count = steps.min(self.len()).max(1);
        (0..count).filter_map(|steps| self.back(steps)).sum::<f64>() / count as f64
    }

    /// All values, oldest first.
    #[must_use]
    pub fn to_vec(&self) -> Vec<f64> {
        (0..self.len()).rev().filter_map(|steps| self.back(steps)).collect()
    }

    /// The step of the oldest value.
    #[must_use]
    pub fn first_step(&self) -> u64 {
        (self.last_step + 1).saturating_sub(self.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_values_stay_in_order() {
        let mut history = History::new(3, false);
        assert_eq!((history.newest(), history.back(0)), (0.0, None));
        (1_u8..=5).for_each(|value| history.push(u64::from(value), f64::from(value)));
        assert_eq!(history.to_vec(), [3.0, 4.0, 5.0]);
        assert_eq!((history.back(0), history.back(2), history.back(3)), (Some(5.0), Some(3.0), None));
        assert_eq!((history.first_step(), history.last_step()), (3, 5));
        assert_eq!(history.recent_mean(2), 4.5);
    }

    #[test]
    fn a_light_history_rounds_what_has_many_digits() {
        let mut history = History::new(9, true);
        for (step, value) in (0..).zip([0.0, 1.0, 255.0, 510.0, 100.3, 12_345.0, 1e18, 1e-9]) {
            history.push(step, value);
            assert!((history.newest() - value).abs() <= value / 512.0, "{value} became {}", history.newest());
        }
        assert_eq!((history.back(7), history.back(6), history.back(4)), (Some(0.0), Some(1.0), Some(510.0)));
    }
}
