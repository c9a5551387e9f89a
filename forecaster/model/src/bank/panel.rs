//! Quantiles of one distance from those of every method, level by level.
//!
//! Berrisch and Ziel, *CRPS learning* (Journal of Econometrics 237, 2023): each method has quantiles of its own, read
//! from its own errors, and each level has weights of its own, learned from the pinball loss at that level by the same
//! rule that weighs points ([`Mix`]). So who knows the middle need not know the tails. The quantiles of the weighted
//! points are one expert more. Only for banks that may be large: it keeps a sample of errors per method.

use serde::{Deserialize, Serialize};

use super::{errors::Errors, mix::Mix};
use crate::forecast::{BOUND_LEVELS, LEVELS};

/// Which bound's weights each level has.
const BOUND_OF: [usize; LEVELS.len()] = [0, 0, 1, 1, 2, 3, 3, 4, 4];
/// Where the bounds are among the levels.
const BOUNDS: [usize; BOUND_LEVELS.len()] = [1, 2, 4, 6, 7];
/// Below the median, a quantile of less than so many units is zero if the combination's own is, and the outermost are
/// whatever they would be: a mean of some zeros and a few values that are hardly more is a bound that no zero keeps.
const NOTHING: f64 = 1.0;
const LEVELS_BELOW: usize = LEVELS.len() / 2;
const OUTERMOST: usize = 2;
/// Where values are often nothing, a quantile is nothing if experts with more than this part of the weight see less than so
/// many units: the mean of them, which is never quite nothing, is a value that does not come.
const MAJORITY: f64 = 0.5;
const NEARLY: f64 = 0.5;

/// Quantiles, one of each expert at each bound: the methods', and the combination's last.
pub(super) type Views = Vec<Vec<f32>>;

/// The experts of one distance.
#[derive(Serialize, Deserialize)]
pub(super) struct Panel {
    samples: Vec<Errors>,
    mixes: Vec<Mix>,
    /// The quantiles of the samples.
    #[serde(skip)]
    offsets: Vec<[f64; LEVELS.len()]>,
}

impl Panel {
    pub(super) fn new(priors: &[f32]) -> Self {
        let sum: f32 = priors.iter().sum();
        let experts: Vec<f32> = priors.iter().map(|prior| prior / sum).chain([1.0]).collect();
        let mut new = Self {
            samples: priors.iter().map(|_| Errors::plain()).collect(),
            mixes: BOUND_LEVELS.iter().map(|_| Mix::new(&experts)).collect(),
            offsets: Vec::new(),
        };
        new.read();
        new
    }

    pub(super) fn restored(&mut self) {
        self.samples.iter_mut().for_each(Errors::restored);
        self.read();
    }

    fn read(&mut self) {
        self.offsets = self.samples.iter().map(Errors::quantiles).collect();
    }

    /// The quantiles at methods' `points`, of which the combination says `own`; errors are `growth` times as large as at
    /// this distance, and values are `often_nothing` or not. One level may come out beyond the next.
    pub(super) fn quantiles(
        &self,
        points: &[f64],
        own: &[f64; LEVELS.len()],
        growth: f64,
        unit: impl Fn(f64) -> f64,
        often_nothing: bool,
    ) -> [f64; LEVELS.len()] {
        let units: Vec<f64> = points.iter().map(|&point| growth * unit(point)).collect();
        let nothing = NOTHING * unit(own.get(LEVELS_BELOW).copied().unwrap_or_default());
        let mut quantiles = *own;
        let mut views = Vec::with_capacity(points.len() + 1);
        for ((level, quantile), bound) in quantiles.iter_mut().enumerate().zip(BOUND_OF) {
            views.clear();
            let offsets = self.offsets.iter().filter_map(|offsets| offsets.get(level));
            views.extend(
                points
                    .iter()
                    .zip(&units)
                    .zip(offsets)
                    .map(|((point, unit), by)| at_least_0(point + by * unit)),
            );
            views.push(*quantile);
            let combined = self.mixes.get(bound).and_then(|mix| mix.combine(&views)).unwrap_or(*quantile);
            let is_nothing =
                *quantile <= 0.0 && level < LEVELS_BELOW && (level < OUTERMOST || combined < nothing);
            let nearly = NEARLY * nothing;
            let is_voted = often_nothing
                && self.mixes.get(bound).is_some_and(|mix| mix.share_at_most(&views, nearly) > MAJORITY);
            *quantile = if is_nothing || is_voted { 0.0 } else { combined };
        }
        quantiles
    }

    /// What each expert says of a step that has come, from all that was known before it.
    pub(super) fn views(
        &self,
        points: &[f32],
        own: &[f32; BOUND_LEVELS.len()],
        unit: impl Fn(f64) -> f64,
    ) -> Views {
        let units: Vec<f64> = points.iter().map(|&point| unit(f64::from(point))).collect();
        let of = |(level, own): (usize, &f32)| {
            let offsets = self.offsets.iter().filter_map(|offsets| offsets.get(level));
            let methods = points.iter().zip(&units).zip(offsets);
            let methods = methods.map(|((&point, unit), by)| at_least_0(f64::from(point) + by * unit) as f32);
            methods.chain([*own]).collect()
        };
        BOUNDS.into_iter().zip(own).map(of).collect()
    }

    /// Learns the methods' errors.
    pub(super) fn learn(&mut self, points: &[f32], value: f64, unit: impl Fn(f64) -> f64) {
        for (sample, &point) in self.samples.iter_mut().zip(points) {
            let point = f64::from(point);
            let unit = unit(point);
            if unit > 0.0 && !point.is_nan() {
                sample.add(((value - point) / unit) as f32);
            }
        }
        self.read();
    }

    /// Learns how well experts did, here or at a distance nearby, which counts for its `share`.
    pub(super) fn credit(
        &mut self,
        views: &Views,
        bounds: &[f32; BOUND_LEVELS.len()],
        value: f32,
        unit: f32,
        share: f32,
    ) {
        let levels = self.mixes.iter_mut().zip(BOUND_LEVELS).zip(views).zip(bounds);
        for (((mix, level), views), &bound) in levels {
            mix.learn(level as f32, views, bound, value, unit, share);
        }
    }

    pub(super) fn weigh(&mut self) {
        self.mixes.iter_mut().for_each(Mix::weigh);
    }

    pub(super) fn forget(&mut self) {
        self.mixes.iter_mut().for_each(Mix::forget);
    }
}

/// Demand is never negative; NaN stays what it is.
fn at_least_0(value: f64) -> f64 {
    if value < 0.0 { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One method is near the middle and sometimes far off, the other a little off and always the same.
    #[test]
    fn each_level_follows_who_knows_it() {
        let mut panel = Panel::new(&[1.0, 1.0]);
        let own = [40.0, 60.0, 100.0, 140.0, 160.0];
        let wide = [30.0, 40.0, 60.0, 80.0, 100.0, 120.0, 140.0, 160.0, 170.0];
        for step in 0..600_u32 {
            let value = 100.0 + f64::from(step * 7 % 21) - 10.0;
            let points = [100.0, 100.0 + if step % 2 == 0 { 60.0 } else { -60.0 }];
            let views = panel.views(&points, &own, |_| 10.0);
            let all = panel.quantiles(&points.map(f64::from), &wide, 1.0, |_| 10.0, false);
            let bounds = BOUNDS.map(|level| all[level] as f32);
            panel.credit(&views, &bounds, value as f32, 10.0, 1.0);
            panel.learn(&points, value, |_| 10.0);
            panel.weigh();
        }
        let [.., lo_80, _, median, _, hi_80, _, _] =
            panel.quantiles(&[100.0, 160.0], &wide, 1.0, |_| 10.0, false);
        assert!((88.0..96.0).contains(&lo_80) && (104.0..112.0).contains(&hi_80), "{lo_80} to {hi_80}");
        assert!((median - 100.0).abs() < 4.0, "{median}");
    }

    #[test]
    fn where_nothing_is_often_the_majority_says_when_it_comes() {
        let panel = Panel::new(&[1.0, 1.0, 1.0]);
        let own = [0.0, 0.0, 0.0, 0.0, 1.0, 3.0, 40.0, 50.0, 60.0];
        let more = own.map(|quantile| quantile * 20.0);
        let [.., often, _, _, _, _] = panel.quantiles(&[0.0, 1.0, 30.0], &own, 1.0, |_| 10.0, true);
        assert!(often == 0.0, "all but one see less than half a unit: {often}");
        let [.., seldom, _, _, _, _] = panel.quantiles(&[0.0, 1.0, 30.0], &own, 1.0, |_| 10.0, false);
        let [.., few, _, _, _, _] = panel.quantiles(&[0.0, 1.0, 30.0], &more, 1.0, |_| 10.0, true);
        assert!(seldom > 1.0 && few > 1.0, "{seldom}, {few}");
    }

    #[test]
    fn a_bound_that_is_hardly_more_than_nothing_is_nothing() {
        let panel = Panel::new(&[1.0]);
        let own = [0.0, 0.0, 0.0, 0.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let quantiles = panel.quantiles(&[13.0], &own, 1.0, |_| 10.0, false);
        assert_eq!(quantiles[..3], [0.0; 3], "{quantiles:?}");
        assert!(quantiles[4] > 2.0, "{quantiles:?}");
    }
}
