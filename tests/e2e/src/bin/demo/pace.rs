//! Whether the client kept its schedule, and how fast the answers were: a machine that is too busy would show here.

use std::time::Duration;

use serde::Serialize;
use tidegate_e2e::load::Done;

/// Everything that was sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    lags: Vec<Duration>,
    answers: Vec<Duration>,
}

/// The same in four numbers, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct PaceFigures {
    /// The longest between a request's due time and its sending.
    pub(crate) worst_lag_ms: f64,
    /// 99 % of requests were sent within this.
    pub(crate) p99_lag_ms: f64,
    /// 99 % of answers came within this.
    pub(crate) p99_answer_ms: f64,
    /// The slowest answer.
    pub(crate) worst_answer_ms: f64,
}

impl Pace {
    /// Counts one request.
    pub(crate) fn count(&mut self, done: &Done) {
        self.lags.push(done.sent.saturating_sub(done.due));
        self.answers.push(done.took);
    }

    /// In numbers.
    pub(crate) fn figures(&self) -> PaceFigures {
        let ms = |times: &[Duration], part: f64| {
            let mut times = times.to_vec();
            times.sort_unstable();
            let place = (times.len().saturating_sub(1) as f64 * part) as usize;
            times.get(place).map_or(0.0, |time| (time.as_secs_f64() * 1e5).round() / 1e2)
        };
        PaceFigures {
            worst_lag_ms: ms(&self.lags, 1.0),
            p99_lag_ms: ms(&self.lags, 0.99),
            p99_answer_ms: ms(&self.answers, 0.99),
            worst_answer_ms: ms(&self.answers, 1.0),
        }
    }
}
