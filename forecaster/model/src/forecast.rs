//! What every model takes and gives.

use serde::{Deserialize, Serialize};

use crate::{outlook::Outlook, school::Shared};

/// The quantile levels of every forecast, ascending: the median and the bounds of the 50, 80, 95 and 99 % intervals.
pub const LEVELS: [f64; 9] = [0.005, 0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975, 0.995];

/// The levels of [`StepForecast::bounds`]: the 95 % interval, the 80 % interval and the median.
pub const BOUND_LEVELS: [f64; 5] = [0.025, 0.1, 0.5, 0.9, 0.975];

/// Quantiles of the standard normal distribution at [`LEVELS`].
pub(crate) const NORMAL: [f64; LEVELS.len()] =
    [-2.575_829, -1.959_964, -1.281_552, -0.674_490, 0.0, 0.674_490, 1.281_552, 1.959_964, 2.575_829];

/// How far the 50 % bound of a normal distribution lies from the median, in 80 % bounds, and the 99 % bound from the 95 %
/// bound, in what that is from the 80 % bound.
const WITHIN: f64 = 0.674_490 / 1.281_552;
const BEYOND: f64 = (2.575_829 - 1.959_964) / (1.959_964 - 1.281_552);
/// Levels that are nearer are the same.
const SAME: f64 = 1e-9;

/// The forecast of one step, in the unit of the observed values. Finite and never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepForecast {
    /// The point forecast.
    pub mean: f64,
    /// The value at each of [`LEVELS`], non-decreasing.
    pub quantiles: [f64; LEVELS.len()],
}

impl StepForecast {
    /// The same around another mean, at least 0: quantiles move in proportion.
    #[must_use]
    pub fn moved_to(&self, mean: f64) -> Self {
        let mean = mean.max(0.0);
        let factor = if self.mean > 0.0 { mean / self.mean } else { 1.0 };
        Self { mean, quantiles: self.quantiles.map(|quantile| quantile * factor) }
    }

    /// One of which only the 95 and 80 % intervals and the median are known, ascending; the other levels lie between
    /// and beyond them as those of a normal distribution would.
    #[must_use]
    pub const fn of_bounds(mean: f64, bounds: [f64; BOUND_LEVELS.len()]) -> Self {
        let [lo_95, lo_80, median, hi_80, hi_95] = bounds;
        let [lo_99, _, lo_50, hi_50, _, hi_99] = [
            lo_95 + (lo_95 - lo_80) * BEYOND,
            lo_80,
            median + (lo_80 - median) * WITHIN,
            median + (hi_80 - median) * WITHIN,
            hi_80,
            hi_95 + (hi_95 - hi_80) * BEYOND,
        ];
        let quantiles = [lo_99.max(0.0), lo_95, lo_80, lo_50, median, hi_50, hi_80, hi_95, hi_99];
        Self { mean, quantiles }
    }

    /// The bounds of the 95 and 80 % intervals around the median, ascending: the values at [`BOUND_LEVELS`].
    #[must_use]
    pub const fn bounds(&self) -> [f64; BOUND_LEVELS.len()] {
        let [_, lo_95, lo_80, _, median, _, hi_80, hi_95, _] = self.quantiles;
        [lo_95, lo_80, median, hi_80, hi_95]
    }

    /// The value at any level: that of the model at [`LEVELS`], between them linear in the quantile of the normal
    /// distribution, and so beyond them, so that any interval may be asked for.
    #[must_use]
    pub fn quantile(&self, level: f64) -> f64 {
        let known = LEVELS.iter().zip(self.quantiles).find(|(known, _)| (*known - level).abs() < SAME);
        if let Some((_, quantile)) = known {
            return quantile;
        }
        let at = normal_quantile(level);
        let knots = NORMAL.iter().zip(self.quantiles);
        let pairs = knots.clone().zip(knots.skip(1));
        let count = NORMAL.len() - 1;
        for (index, ((from, low), (to, high))) in pairs.enumerate() {
            if at <= *to || index + 1 == count {
                return (low + (high - low) * (at - from) / (to - from)).max(0.0);
            }
        }
        self.mean
    }
}

/// What a model must know before its first observation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Steps per season, shortest first, such as `[24, 168]` for hours; empty when there is none.
    pub seasons: Vec<usize>,
    /// How far ahead intervals and weights are learned, in steps. Forecasts may go further.
    pub horizon: usize,
    /// How many values are kept to fit on; at least the longest season is. With 0 the model is light.
    pub history: usize,
}

impl Settings {
    /// For a small and fast model per key: one season, as far ahead as planning looks, and no more history than the season needs.
    #[must_use]
    pub fn light(season_steps: usize, horizon: usize) -> Self {
        let seasons = if season_steps > 1 { vec![season_steps] } else { Vec::new() };
        Self { seasons, horizon, history: 0 }
    }

    /// Whether models are to be small and fast: nothing is kept for fits but what the season needs, and a bank has
    /// its light members only.
    #[must_use]
    pub fn is_light(&self) -> bool {
        self.history == 0
    }

    /// Steps of the shortest season; 1 when there is none.
    #[must_use]
    pub fn season(&self) -> usize {
        self.seasons.first().copied().unwrap_or(1).max(1)
    }

    /// Steps of the longest season; 1 when there is none.
    #[must_use]
    pub fn longest_season(&self) -> usize {
        self.seasons.iter().copied().max().unwrap_or(1).max(1)
    }
}

/// A forecasting model of one series.
pub trait Model: Send + Sync {
    /// Learns the value of one step in constant time.
    ///
    /// Steps come in ascending order; one that is not newer than the last is ignored. Steps left out are gaps: unknown,
    /// not zero. A negative value counts as zero, a value that is not finite as a gap.
    fn observe(&mut self, step: u64, value: f64);

    /// Forecasts `horizon` steps from step `from` on; empty before the first observation.
    fn forecast(&self, from: u64, horizon: usize) -> Vec<StepForecast>;

    /// Takes note of an event of the calendar, by a number of its kind, from one step to before another. What demand is
    /// like during events of a kind is learned, and expected of the next.
    fn announce(&mut self, event: u64, from: u64, until: u64);

    /// What a peak that has come back before would reach in a step after the last one learned, where one is expected: once in
    /// a while it does not come, so this is no point forecast, but what to provide for.
    fn peak(&self, step: u64) -> Option<f64>;

    /// What a forecast of this model means in words, and how likely each is.
    fn outlook(&self, ahead: &[StepForecast]) -> Outlook;

    /// How alike the errors of neighbouring steps of one forecast are, from 0 to 1: sums of steps are as uncertain as
    /// that, see [`roll_up`](crate::roll_up).
    fn correlation(&self) -> f64;

    /// The newest values that are kept and the step of the last one, oldest first, gaps filled in.
    fn recent(&self) -> (u64, Vec<f64>);

    /// How many steps have been learned, gaps not counted.
    fn observed_steps(&self) -> u64;

    /// Fits parameters to the values kept. Costs milliseconds where [`Model::observe`] costs microseconds, so the
    /// caller says when: [`refit_is_due`] tells when it pays in a replay.
    fn refit(&mut self);

    /// Takes what a [`School`](crate::School) has learned of all series; models that share nothing leave it.
    fn take(&mut self, shared: &Shared);

    /// Everything it has learned, in bytes that the entry of the registry that built it can restore.
    fn snapshot(&self) -> Vec<u8>;
}

/// Whether a model that has learned so many steps is worth fitting anew: at every step count that is half as much
/// again as the one before, so that replaying a series costs only a few fits.
#[must_use]
pub fn refit_is_due(observed_steps: u64) -> bool {
    let mut due = 16;
    while due < observed_steps {
        due += due / 2;
    }
    due == observed_steps
}

/// The standard normal quantile function, to 1e-9 relative: Acklam's rational approximation.
pub(crate) fn normal_quantile(level: f64) -> f64 {
    const A: [f64; 6] = [
        -39.696_830_286_653_8,
        220.946_098_424_521,
        -275.928_510_446_969,
        138.357_751_867_269,
        -30.664_798_066_147_2,
        2.506_628_277_459_24,
    ];
    const B: [f64; 6] = [
        -54.476_098_798_224_1,
        161.585_836_858_041,
        -155.698_979_859_887,
        66.801_311_887_719_7,
        -13.280_681_552_885_7,
        1.0,
    ];
    const C: [f64; 6] = [
        -0.007_784_894_002_430_29,
        -0.322_396_458_041_136,
        -2.400_758_277_161_84,
        -2.549_732_539_343_73,
        4.374_664_141_464_97,
        2.938_163_982_698_78,
    ];
    const D: [f64; 5] =
        [0.007_784_695_709_041_46, 0.322_467_129_070_04, 2.445_134_137_143, 3.754_408_661_907_42, 1.0];
    let polynomial = |terms: &[f64], x: f64| terms.iter().fold(0.0, |sum, term| sum * x + term);
    let level = level.clamp(1e-9, 1.0 - 1e-9);
    let tail = |level: f64| {
        let q = (-2.0 * level.ln()).sqrt();
        polynomial(&C, q) / polynomial(&D, q)
    };
    if level < 0.024_25 {
        tail(level)
    } else if level > 1.0 - 0.024_25 {
        -tail(1.0 - level)
    } else {
        let q = level - 0.5;
        q * polynomial(&A, q * q) / polynomial(&B, q * q)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_levels_come_back_and_others_lie_between() {
        let step = StepForecast::of_bounds(5.0, [1.0, 2.0, 5.0, 9.0, 12.0]);
        assert!(step.quantiles.is_sorted() && step.bounds() == [1.0, 2.0, 5.0, 9.0, 12.0]);
        for (level, quantile) in LEVELS.into_iter().zip(step.quantiles) {
            assert_eq!(step.quantile(level), quantile, "{level}");
            assert_eq!(step.quantile(1.0 - (1.0 - level)), quantile, "{level}");
        }
        assert!((6.9..7.2).contains(&step.quantile(0.75)), "{}", step.quantile(0.75));
        assert!((10.0..10.7).contains(&step.quantile(0.95)), "{}", step.quantile(0.95));
        assert!(step.quantile(0.999) > step.quantile(0.995) && step.quantile(1e-12) == 0.0);
    }

    #[test]
    fn the_normal_quantile_is_right() {
        for (level, normal) in LEVELS.into_iter().zip(NORMAL) {
            assert!((normal_quantile(level) - normal).abs() < 1e-6, "{level}");
        }
        assert!((normal_quantile(0.001) + 3.090_232_306).abs() < 1e-6);
    }

    #[test]
    fn refits_thin_out() {
        let due: Vec<u64> = (0..200).filter(|&steps| refit_is_due(steps)).collect();
        assert_eq!(due, [16, 24, 36, 54, 81, 121, 181]);
    }
}
