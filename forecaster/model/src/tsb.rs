//! Intermittent demand: how likely there is any, times how much it then is.
//!
//! Teunter, Syntetos and Babai, *Intermittent demand: linking forecasting to inventory obsolescence* (European Journal of
//! Operational Research 214, 2011), which unlike Croston's method lets the forecast fall while nothing comes; and
//! Croston's method (1972) with the bias correction of Syntetos and Boylan (2005).

use serde::{Deserialize, Serialize};

use crate::{forecast::Settings, history::History, member::Member};

const SMOOTHING: f64 = 0.1;

/// The method of Teunter, Syntetos and Babai.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tsb {
    likely: f64,
    size: f64,
    count: u64,
}

impl Member for Tsb {
    fn new(_settings: &Settings) -> Self {
        Self { likely: 0.0, size: 0.0, count: 0 }
    }

    fn observe(&mut self, past: &History) {
        let value = past.newest();
        self.count += 1;
        let rate = SMOOTHING.max(1.0 / self.count as f64);
        self.likely += rate * (f64::from(u8::from(value > 0.0)) - self.likely);
        if value > 0.0 {
            let rate = if self.size > 0.0 { SMOOTHING } else { 1.0 };
            self.size += rate * (value - self.size);
        }
    }

    fn path(&self, _past: &History, ahead: &mut [f64]) {
        ahead.fill(self.likely * self.size);
    }
}

/// Croston's method, corrected.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Croston {
    size: f64,
    interval: f64,
    since: f64,
}

impl Member for Croston {
    fn new(_settings: &Settings) -> Self {
        Self { size: 0.0, interval: 1.0, since: 0.0 }
    }

    fn observe(&mut self, past: &History) {
        let value = past.newest();
        self.since += 1.0;
        if value > 0.0 {
            let rate = if self.size > 0.0 { SMOOTHING } else { 1.0 };
            self.size += rate * (value - self.size);
            self.interval += rate * (self.since - self.interval);
            self.since = 0.0;
        }
    }

    fn path(&self, _past: &History, ahead: &mut [f64]) {
        // The correction is for intermittent demand only: where there is demand in every step, there is no bias.
        let correction = if self.interval > 1.0 { 1.0 - SMOOTHING / 2.0 } else { 1.0 };
        ahead.fill(correction * self.size / self.interval.max(1.0));
    }
}
