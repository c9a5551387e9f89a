//! How good the forecasts were, against the simplest forecast there is: the next step will be like the last one.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tidegate_e2e::forecaster::Closed;

/// One-step-ahead forecasts, judged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Accuracy {
    /// Steps judged.
    pub(crate) steps: usize,
    /// Share of steps inside the 80 % interval.
    pub(crate) coverage_80: f64,
    /// Mean absolute error.
    pub(crate) mae: f64,
    /// Mean absolute error of the last value as the forecast, on the same steps.
    pub(crate) mae_last_value: f64,
}

impl Accuracy {
    /// Judges the steps that lie within `from` and `to`; `None` when there are none.
    pub(crate) fn of(recent: &[Closed], step: Duration, from: Timestamp, to: Timestamp) -> Option<Self> {
        let within = |closed: &Closed| closed.starts_at >= from && closed.starts_at + step <= to;
        let mut judged = Self { steps: 0, coverage_80: 0.0, mae: 0.0, mae_last_value: 0.0 };
        for (last, closed) in recent.iter().zip(recent.iter().skip(1)).filter(|(_, closed)| within(closed)) {
            let (Some(predicted), Some(low), Some(high)) = (closed.predicted, closed.low, closed.high) else {
                continue;
            };
            judged.steps += 1;
            judged.coverage_80 += f64::from(u8::from((low..=high).contains(&closed.actual)));
            judged.mae += (closed.actual - predicted).abs();
            judged.mae_last_value += (closed.actual - last.actual).abs();
        }
        let steps = judged.steps as f64;
        judged.coverage_80 /= steps;
        judged.mae /= steps;
        judged.mae_last_value /= steps;
        (judged.steps > 0).then_some(judged)
    }
}
