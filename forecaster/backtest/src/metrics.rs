//! How wrong forecasts were.
//!
//! MASE: Hyndman and Koehler, *Another look at measures of forecast accuracy* (International Journal of Forecasting
//! 22, 2006), the mean absolute error over the in-sample mean absolute error of the seasonal naive method up to the
//! window's cutoff; RMSSE likewise with squares. WQL: twice the pinball loss at [`BOUND_LEVELS`] over the sum of values,
//! averaged over levels, pooled over all forecasts of a series. MSIS: Makridakis et al., *The M4 Competition* (2020),
//! the interval score of the 95 % interval over the same scale. sMAPE as in M4, in percent. Probabilities of scenarios
//! are scored by [`super::chance`].
//!
//! Where many values are the same, as zeros are, a bound may be that very value, and then no interval has the coverage
//! that it says. So coverage is told once more by the probability integral transform of discrete values, without its
//! random part (Czado, Gneiting and Held, *Predictive model assessment for count data*, Biometrics 65, 2009): a value
//! that several quantiles are equal to is as much inside as of their levels lies inside.

use serde::Serialize;
use tidegate_model::{BOUND_LEVELS, LEVELS, StepForecast};

use crate::{
    chance::{Chance, Mean},
    frame::{Frame, Series},
    plan::Plan,
    replay::{Forecasts, Outcome},
};

/// A model's figures: of each series over its windows, then the mean and the median over series.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Score {
    /// The model.
    pub model: String,
    /// Mean over series.
    pub mase: f64,
    /// Median over series.
    pub mase_median: f64,
    /// Mean over series.
    pub rmsse: f64,
    /// Pooled over all forecasts of all series.
    pub wql: f64,
    /// Median over series.
    pub wql_median: f64,
    /// Share of values in the 50 % interval, its bounds included, pooled.
    pub coverage_50: f64,
    /// Share of values in the 80 % interval.
    pub coverage_80: f64,
    /// Share of values in the 90 % interval.
    pub coverage_90: f64,
    /// Share of values in the 95 % interval.
    pub coverage_95: f64,
    /// Share of values in the 99 % interval.
    pub coverage_99: f64,
    /// Share of the places that values have in the distribution that is within the 80 % interval; differs from
    /// `coverage_80` where values are equal to a bound.
    pub pit_80: f64,
    /// The same of the 95 % interval.
    pub pit_95: f64,
    /// Median over series of how far `pit_80` is from 0.8, and the share of series for which that is at most 0.05.
    pub pit_80_off: f64,
    /// See above.
    pub pit_80_near: f64,
    /// The same of 95 %.
    pub pit_95_off: f64,
    /// See above.
    pub pit_95_near: f64,
    /// Mean over series.
    pub msis: f64,
    /// Mean over series, percent.
    pub smape: f64,
    /// Brier score of the probability of a spike, pooled, and that of its frequency before.
    pub spike_brier: f64,
    /// See above.
    pub spike_brier_base: f64,
    /// Log loss of the probabilities of low, medium, high and spike, pooled, and that of their frequencies before.
    pub scenario_log_loss: f64,
    /// See above.
    pub scenario_log_loss_base: f64,
    /// CPU time to learn a value, in microseconds.
    pub update_us: f64,
    /// CPU time to forecast a window, in microseconds.
    pub forecast_us: f64,
    /// CPU time of all fits over the number of windows, in milliseconds.
    pub refit_ms: f64,
    /// Windows forecast.
    pub windows: usize,
}

/// What the 50, 80, 90, 95 and 99 % intervals leave out on each side.
const COVERED: [f64; 5] = [0.25, 0.1, 0.05, 0.025, 0.005];

/// What the 80 and 95 % intervals leave out on each side.
const PLACED: [f64; 2] = [0.1, 0.025];
/// A series is covered as it should be if it is no further off.
const NEAR: f64 = 0.05;

/// Sums over the forecasts of a series.
#[derive(Default)]
struct Sums {
    mase: Mean,
    rmsse: Mean,
    msis: Mean,
    smape: Mean,
    pinball: f64,
    values: f64,
    inside: [Mean; COVERED.len()],
    placed: [Mean; PLACED.len()],
    chance: Chance,
}

/// The figures of a model.
#[must_use]
pub fn score(frame: &Frame, plan: &Plan, outcome: &Outcome) -> Score {
    let season = plan.settings().season();
    let sums: Vec<Sums> = frame
        .series
        .iter()
        .zip(&outcome.series)
        .filter(|(_, windows)| !windows.is_empty())
        .map(|(series, windows)| of_series(series, windows, season))
        .collect();
    let over_series = |of: &dyn Fn(&Sums) -> f64| {
        let mut mean = Mean::default();
        sums.iter().for_each(|sums| mean.add(of(sums)));
        mean.get()
    };
    let median =
        |of: &dyn Fn(&Sums) -> f64| median(sums.iter().map(of).filter(|one| one.is_finite()).collect());
    let pooled = |of: &dyn Fn(&Sums) -> (f64, f64)| {
        let (sum, count) = sums.iter().map(of).fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d));
        sum / count
    };
    let covered =
        |at: usize| pooled(&|sums| sums.inside.get(at).map_or((0.0, 0.0), |one| (one.sum, one.count)));
    let [coverage_50, coverage_80, coverage_90, coverage_95, coverage_99] = [0, 1, 2, 3, 4].map(covered);
    let placed =
        |at: usize| pooled(&|sums| sums.placed.get(at).map_or((0.0, 0.0), |one| (one.sum, one.count)));
    let off = |at: usize| {
        let wanted = PLACED.get(at).map_or(f64::NAN, |tail| 1.0 - 2.0 * tail);
        let of = |sums: &Sums| sums.placed.get(at).map_or(f64::NAN, |one| (one.get() - wanted).abs());
        let near = sums.iter().filter(|sums| of(sums) <= NEAR).count() as f64;
        (median(&of), near / sums.len() as f64)
    };
    let ((pit_80_off, pit_80_near), (pit_95_off, pit_95_near)) = (off(0), off(1));
    let wql = |sums: &Sums| sums.pinball / sums.values;
    let mut chance = Chance::default();
    sums.iter().for_each(|sums| chance.merge(&sums.chance));
    let windows: usize = outcome.series.iter().map(Vec::len).sum();
    let per = |time: std::time::Duration, count: f64| time.as_secs_f64() * 1e6 / count.max(1.0);
    Score {
        model: outcome.model.clone(),
        mase: over_series(&|sums| sums.mase.get()),
        mase_median: median(&|sums| sums.mase.get()),
        rmsse: over_series(&|sums| sums.rmsse.get()),
        wql: pooled(&|sums| (sums.pinball, sums.values)),
        wql_median: median(&wql),
        coverage_50,
        coverage_80,
        coverage_90,
        coverage_95,
        coverage_99,
        pit_80: placed(0),
        pit_95: placed(1),
        pit_80_off,
        pit_80_near,
        pit_95_off,
        pit_95_near,
        msis: over_series(&|sums| sums.msis.get()),
        smape: over_series(&|sums| sums.smape.get()),
        spike_brier: chance.brier.get(),
        spike_brier_base: chance.brier_base.get(),
        scenario_log_loss: chance.log_loss.get(),
        scenario_log_loss_base: chance.log_loss_base.get(),
        update_us: per(outcome.update, outcome.updates as f64),
        forecast_us: per(outcome.forecast, windows as f64),
        refit_ms: per(outcome.refit, windows as f64) / 1e3,
        windows,
    }
}

fn of_series(series: &Series, windows: &[Forecasts], season: usize) -> Sums {
    let mut sums = Sums::default();
    for forecasts in windows {
        let known = series.values.get(..=forecasts.window.cutoff).unwrap_or_default();
        let after = series.values.get(forecasts.window.cutoff + 1..).unwrap_or_default();
        sums.chance.add(&forecasts.outlook, known, after);
        let (absolute, square) = scales(known, season);
        let (mut errors, mut squares, mut intervals) = (Mean::default(), Mean::default(), Mean::default());
        for (step, &value) in forecasts.steps.iter().zip(after).filter(|(_, value)| value.is_finite()) {
            let [lo_95, .., hi_95] = step.bounds();
            errors.add((value - step.mean).abs());
            squares.add((value - step.mean).powi(2));
            intervals.add((hi_95 - lo_95) + 40.0 * ((lo_95 - value).max(0.0) + (value - hi_95).max(0.0)));
            sums.smape.add(if value + step.mean > 0.0 {
                200.0 * (value - step.mean).abs() / (value + step.mean)
            } else {
                0.0
            });
            for (mean, tail) in sums.inside.iter_mut().zip(COVERED) {
                let interval = step.quantile(tail)..=step.quantile(1.0 - tail);
                mean.add(f64::from(u8::from(interval.contains(&value))));
            }
            for (mean, tail) in sums.placed.iter_mut().zip(PLACED) {
                mean.add(placed_within(step, value, tail));
            }
            sums.values += value.abs();
            let losses = BOUND_LEVELS
                .iter()
                .zip(step.bounds())
                .map(|(level, quantile)| pinball(*level, value, quantile));
            sums.pinball += 2.0 * losses.sum::<f64>() / BOUND_LEVELS.len() as f64;
        }
        sums.mase.add(errors.get() / absolute);
        sums.rmsse.add((squares.get() / square).sqrt());
        sums.msis.add(intervals.get() / absolute);
    }
    sums
}

/// How much of the place that a value has in the distribution lies between two levels, `tail` from either end.
fn placed_within(step: &StepForecast, value: f64, tail: f64) -> f64 {
    let (low, high) = (step.quantile(tail), step.quantile(1.0 - tail));
    if value != low && value != high {
        return f64::from(u8::from((low..=high).contains(&value)));
    }
    let [first, .., last] = step.quantiles;
    let mut equal = LEVELS.iter().zip(step.quantiles).filter(|(_, quantile)| *quantile == value);
    let from = equal.next().map_or(tail, |(level, _)| *level);
    let to = equal.next_back().map_or(from, |(level, _)| *level);
    let (from, to) = (if first == value { 0.0 } else { from }, if last == value { 1.0 } else { to });
    if to > from { (to.min(1.0 - tail) - from.max(tail)).max(0.0) / (to - from) } else { 1.0 }
}

/// Mean absolute and mean square difference between values a season apart.
fn scales(known: &[f64], season: usize) -> (f64, f64) {
    let (mut absolute, mut square) = (Mean::default(), Mean::default());
    for (value, before) in known.iter().skip(season).zip(known) {
        absolute.add((value - before).abs());
        square.add((value - before).powi(2));
    }
    (absolute.get(), square.get())
}

fn pinball(level: f64, value: f64, quantile: f64) -> f64 {
    let over = value - quantile;
    if over >= 0.0 { level * over } else { (level - 1.0) * over }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    if values.len().is_multiple_of(2) { (at(middle.wrapping_sub(1)) + at(middle)) / 2.0 } else { at(middle) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_many_quantiles_are_equal_to_is_as_much_inside_as_their_levels_are() {
        let step = StepForecast { mean: 1.0, quantiles: [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 4.0, 5.0, 9.0] };
        let within = |value| placed_within(&step, value, 0.1);
        // Of the half that zeros are, the lowest tenth of all is outside.
        assert!((within(0.0) - 0.8).abs() < 1e-12);
        assert_eq!((within(2.0), within(4.0), within(4.1)), (1.0, 1.0, 0.0));
        let silent = placed_within(&StepForecast::default(), 0.0, 0.1);
        assert!((silent - 0.8).abs() < 1e-12, "{silent}");
    }
}
