//! Seasonal naive: a step will be as it was one season ago.
//!
//! Hyndman and Athanasopoulos, *Forecasting: Principles and Practice* (3rd ed.), §5.2: `ŷ(T+h) = y(T+h−m(k+1))` with
//! `m` steps per season and `k = ⌊(h−1)/m⌋`. Before a whole season has been seen, the mean of the last few values.

use serde::{Deserialize, Serialize};

use crate::{forecast::Settings, history::History, member::Member};

/// How many values make up the mean of recent values.
const RECENT: usize = 12;

/// The seasonal naive method, for the shortest season.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SeasonalNaive {
    season: usize,
}

impl Member for SeasonalNaive {
    fn new(settings: &Settings) -> Self {
        Self { season: settings.season() }
    }

    fn observe(&mut self, _past: &History) {}

    fn path(&self, past: &History, ahead: &mut [f64]) {
        let early = if past.len() < self.season { past.recent_mean(RECENT) } else { 0.0 };
        for (index, value) in ahead.iter_mut().enumerate() {
            *value = past.back(self.season - 1 - index % self.season).unwrap_or(early);
        }
    }
}
