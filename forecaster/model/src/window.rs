//! Windows: the mean or the median of the last few values.

use serde::{Deserialize, Serialize};

use crate::{forecast::Settings, history::History, member::Member};

/// How many values a mean is of.
const AVERAGED: usize = 12;
/// How many values a median is of.
const RANKED: usize = 60;

/// The mean of the last twelve values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WindowAverage;

impl Member for WindowAverage {
    fn new(_settings: &Settings) -> Self {
        Self
    }

    fn observe(&mut self, _past: &History) {}

    fn path(&self, past: &History, ahead: &mut [f64]) {
        ahead.fill(past.recent_mean(AVERAGED));
    }
}

/// The median of the last sixty values: what most steps are like, whatever spikes there were.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WindowMedian {
    sorted: Vec<f32>,
}

impl Member for WindowMedian {
    fn new(_settings: &Settings) -> Self {
        Self { sorted: Vec::new() }
    }

    fn observe(&mut self, past: &History) {
        if self.sorted.len() >= RANKED {
            let left = past.back(RANKED).unwrap_or(0.0) as f32;
            let place = self.sorted.partition_point(|&other| other < left).min(self.sorted.len() - 1);
            self.sorted.remove(place);
        }
        let value = past.newest() as f32;
        let place = self.sorted.partition_point(|&other| other < value);
        self.sorted.insert(place, value);
    }

    fn path(&self, _past: &History, ahead: &mut [f64]) {
        let middle = self.sorted.len() / 2;
        let at = |index: usize| self.sorted.get(index).copied().map_or(0.0, f64::from);
        let below = if self.sorted.len().is_multiple_of(2) { middle.saturating_sub(1) } else { middle };
        ahead.fill((at(below) + at(middle)) / 2.0);
    }
}
