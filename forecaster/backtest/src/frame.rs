//! Series on a grid of steps.

use crate::{freq::Freq, stamp::Stamps};

/// Several series of one frequency.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The series, in the order in which the file first names them.
    pub series: Vec<Series>,
    /// The length of a step.
    pub freq: Freq,
    /// How the file writes times.
    pub stamps: Stamps,
}

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name.
    pub id: String,
    /// When its first step begins, in milliseconds since 1970 or as a plain number.
    pub first: i64,
    /// Its values, step by step; NaN where there is a gap. Neither first nor last is one.
    pub values: Vec<f64>,
}

impl Frame {
    /// When a step of a series begins, as the file writes times.
    #[must_use]
    pub fn stamp(&self, series: &Series, step: usize) -> String {
        let at = series.first.saturating_add(self.freq.length().saturating_mul(step as i64));
        self.stamps.write(at, matches!(self.freq, Freq::Number(_)))
    }

    /// The number of a series' first step, counted so that the same step of a day has the same number modulo a day in
    /// every series.
    #[must_use]
    pub fn first_step(&self, series: &Series) -> u64 {
        // 1970 began on a Thursday; far past it no step is negative, and weeks stay whole.
        const WEEKS_BEFORE: i64 = 604_800_000 * 5_200;
        let at = match self.freq {
            Freq::Time(_) => series.first.saturating_add(WEEKS_BEFORE),
            Freq::Number(_) => series.first,
        };
        u64::try_from(at.div_euclid(self.freq.length())).unwrap_or(0)
    }
}
