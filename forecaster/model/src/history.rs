//! The newest values of a series, shared by every part of a bank.

use serde::{Deserialize, Serialize};

/// A bounded run of values of consecutive steps. Gaps have been filled in before a value comes here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct History {
    values: Vec<f32>,
    /// Where the oldest value is, once all places are taken.
    oldest: usize,
    capacity: usize,
    last_step: u64,
}

impl History {
    /// An empty history of at most so many values.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { values: Vec::new(), oldest: 0, capacity: capacity.max(1), last_step: 0 }
    }

    pub(crate) fn push(&mut self, step: u64, value: f64) {
        let value = value as f32;
        self.last_step = step;
        if self.values.len() < self.capacity {
            self.values.push(value);
            return;
        }
        if let Some(place) = self.values.get_mut(self.oldest) {
            *place = value;
        }
        self.oldest = (self.oldest + 1) % self.capacity;
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
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
        self.values.get(place).copied().map(f64::from)
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
        let (head, tail) = self.values.split_at(self.oldest.min(self.values.len()));
        tail.iter().chain(head).map(|&value| f64::from(value)).collect()
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
        let mut history = History::new(3);
        assert_eq!((history.newest(), history.back(0)), (0.0, None));
        (1_u8..=5).for_each(|value| history.push(u64::from(value), f64::from(value)));
        assert_eq!(history.to_vec(), [3.0, 4.0, 5.0]);
        assert_eq!((history.back(0), history.back(2), history.back(3)), (Some(5.0), Some(3.0), None));
        assert_eq!((history.first_step(), history.last_step()), (3, 5));
        assert_eq!(history.recent_mean(2), 4.5);
    }
}
