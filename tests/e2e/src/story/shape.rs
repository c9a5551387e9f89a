//! How a customer's rate changes with time.

use std::f64::consts::TAU;

use serde::Deserialize;

use crate::load::Random;

/// A rate as a function of time.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Shape {
    /// Always the same.
    Steady { per_s: f64 },
    /// Up and down with a period.
    Wave { mean_per_s: f64, swing_per_s: f64, period_s: f64 },
    /// More every second, up to a limit.
    Growth { from_per_s: f64, to_per_s: f64, by_per_s: f64 },
    /// One flood in every span of time, somewhere in it.
    Floods { idle_per_s: f64, flood_per_s: f64, span_s: f64, begins_s: f64, lasts_s: [f64; 2] },
}

impl Shape {
    /// Requests per second, `now_s` after the start.
    pub(super) fn rate_per_s(&self, now_s: f64, seed: u64) -> f64 {
        match *self {
            Self::Steady { per_s } => per_s,
            Self::Wave { mean_per_s, swing_per_s, period_s } => {
                mean_per_s + swing_per_s * (TAU * now_s / period_s).sin()
            }
            Self::Growth { from_per_s, to_per_s, by_per_s } => (from_per_s + by_per_s * now_s).min(to_per_s),
            Self::Floods { idle_per_s, flood_per_s, span_s, begins_s, lasts_s: [least_s, most_s] } => {
                let span = (now_s / span_s).floor();
                let mut random = Random::new(seed.wrapping_add(span as u64));
                let begins = begins_s * random.unit();
                let lasts = least_s + (most_s - least_s) * random.unit();
                let since = now_s - span * span_s - begins;
                if (0.0..lasts).contains(&since) { flood_per_s } else { idle_per_s }
            }
        }
    }

    /// The most that it ever asks for, in requests per second.
    pub(super) fn highest_per_s(&self) -> f64 {
        match *self {
            Self::Steady { per_s } => per_s,
            Self::Wave { mean_per_s, swing_per_s, .. } => mean_per_s + swing_per_s,
            Self::Growth { from_per_s, to_per_s, .. } => from_per_s.max(to_per_s),
            Self::Floods { idle_per_s, flood_per_s, .. } => idle_per_s.max(flood_per_s),
        }
    }
}
