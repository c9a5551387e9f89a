//! Replays series through a model and forecasts on the way.
//!
//! A model sees each value once, in order, and is asked for a window's forecasts when it has seen the window's cutoff
//! and nothing beyond it. Fits happen as [`refit_is_due`] says and at each cutoff.

use std::time::Duration;

use rayon::prelude::*;
use tidegate_model::{Entry, Outlook, Shared, StepForecast, refit_is_due};

use crate::{
    cpu::thread_time,
    error::Error,
    frame::{Frame, Series},
    plan::{Plan, Window},
};

/// What was forecast for one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecasts {
    /// The window.
    pub window: Window,
    /// One forecast per step after its cutoff.
    pub steps: Vec<StepForecast>,
    /// What they mean in words; without steps where only quantiles are known.
    pub outlook: Outlook,
}

/// What a model forecast for every window of every series.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The model's name.
    pub model: String,
    /// By series of the frame, by window.
    pub series: Vec<Vec<Forecasts>>,
    /// CPU time of learning values.
    pub update: Duration,
    /// Values learned.
    pub updates: u64,
    /// CPU time of forecasting windows.
    pub forecast: Duration,
    /// CPU time of fitting.
    pub refit: Duration,
}

/// Replays every series, on all cores; `done` is told each finished series.
///
/// # Errors
/// When no series is long enough for a window.
pub fn run(frame: &Frame, plan: &Plan, entry: &Entry, done: &(dyn Fn() + Sync)) -> Result<Outcome, Error> {
    let (schooling, shared) = timed(|| schooled(frame, plan, entry));
    let replayed: Vec<Outcome> = frame
        .series
        .par_iter()
        .map(|series| {
            let windows = plan.windows(series.values.len());
            let outcome = replay_windows(frame, series, plan, (entry, shared.as_ref()), &windows);
            done();
            outcome
        })
        .collect();
    let mut sum = Outcome { model: entry.name.to_owned(), refit: schooling, ..Outcome::default() };
    for one in replayed {
        sum.series.extend(one.series);
        sum.update += one.update;
        sum.updates += one.updates;
        sum.forecast += one.forecast;
        sum.refit += one.refit;
    }
    if sum.series.iter().all(Vec::is_empty) {
        return Err(Error::TooShort { horizon: plan.horizon });
    }
    Ok(sum)
}

/// What comes after the end of each series, on all cores; `done` is told each finished series.
pub fn forecast(
    frame: &Frame,
    plan: &Plan,
    entry: &Entry,
    done: &(dyn Fn() + Sync),
) -> Vec<Vec<StepForecast>> {
    let panel: Vec<(u64, &[f64])> =
        frame.series.iter().map(|series| (last_step(frame, series), &series.values[..])).collect();
    let shared = entry.schooled(&plan.settings(), &panel);
    let ahead = |series: &Series| {
        let window = Window { cutoff: series.values.len().saturating_sub(1) };
        let outcome = replay_windows(frame, series, plan, (entry, shared.as_ref()), &[window]);
        done();
        outcome.series.into_iter().flatten().flat_map(|forecasts| forecasts.steps).collect()
    };
    frame.series.par_iter().map(ahead).collect()
}

/// What models that share anything learn of all series before the first forecast of any: nothing that came after that, in
/// whichever series, is known to a forecast.
fn schooled(frame: &Frame, plan: &Plan, entry: &Entry) -> Option<Shared> {
    let first_origin = |series: &Series| {
        let first = plan.windows(series.values.len()).first()?.cutoff as u64;
        Some(frame.first_step(series) + first)
    };
    let origin = frame.series.iter().filter_map(first_origin).min()?;
    let panel: Vec<(u64, &[f64])> =
        frame.series.iter().map(|series| known_at(frame, series, origin)).collect();
    entry.schooled(&plan.settings(), &panel)
}

/// The values of a series up to a step, and the step of the last.
fn known_at<'a>(frame: &Frame, series: &'a Series, origin: u64) -> (u64, &'a [f64]) {
    let count = (origin + 1).saturating_sub(frame.first_step(series)) as usize;
    let values = series.values.get(..count.min(series.values.len())).unwrap_or_default();
    (last_step(frame, series).min(origin), values)
}

fn last_step(frame: &Frame, series: &Series) -> u64 {
    (frame.first_step(series) + series.values.len() as u64).saturating_sub(1)
}

fn replay_windows(
    frame: &Frame,
    series: &Series,
    plan: &Plan,
    (entry, shared): (&Entry, Option<&Shared>),
    windows: &[Window],
) -> Outcome {
    let mut model = (entry.build)(&plan.settings());
    if let Some(shared) = shared {
        model.take(shared);
    }
    let mut outcome = Outcome::default();
    let first = frame.first_step(series);
    let mut known = 0;
    let mut forecasts = Vec::with_capacity(windows.len());
    for &window in windows {
        let newly = series.values.get(known..=window.cutoff).unwrap_or_default();
        for (step, &value) in (first + known as u64..).zip(newly) {
            outcome.update += timed(|| model.observe(step, value)).0;
            outcome.updates += 1;
            if refit_is_due(model.observed_steps()) && value.is_finite() {
                outcome.refit += timed(|| model.refit()).0;
            }
        }
        known = window.cutoff + 1;
        outcome.refit += timed(|| model.refit()).0;
        let (took, steps) = timed(|| model.forecast(first + known as u64, plan.horizon));
        outcome.forecast += took;
        let outlook = model.outlook(&steps);
        forecasts.push(Forecasts { window, steps, outlook });
    }
    outcome.series.push(forecasts);
    outcome
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begun = thread_time();
    let result = work();
    (thread_time().saturating_sub(begun), result)
}

#[cfg(test)]
mod tests;
