//! What is learned at one distance ahead: weights of methods, sample of errors, forecasts that wait for their step.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{
    errors::Errors,
    mix::Mix,
    panel::{Panel, Views},
    scale::Scale,
};
use crate::forecast::{BOUND_LEVELS, LEVELS, Settings, StepForecast};

/// At distance h a forecast is issued every h / this steps: neighbours would tell the same.
const ISSUED_AT_ONCE: usize = 8;

/// What one step counts for after as many more, in deciding between point and median.
const MEDIAN_DISCOUNT: f32 = 0.999;
/// The level of points.
const MEDIAN: f32 = 0.5;
/// What an error tells about how alike errors are, and where it is cut for that.
const NEWS: f32 = 0.02;
const CUT: f64 = 5.0;
/// Errors beyond so many units are taken for so many.
const LARGEST: f64 = 100.0;

/// One distance.
#[derive(Serialize, Deserialize)]
pub(super) struct Lead {
    ahead: usize,
    every: usize,
    mix: Mix,
    errors: Errors,
    /// None where there is one method, or no room.
    panel: Option<Box<Panel>>,
    /// By how much medians have been nearer than points, discounted, in units of the scale.
    median_gain: f32,
    /// The last error, and running means of squares and of products of one error and the next.
    last: f32,
    square: f32,
    product: f32,
    waiting: VecDeque<Issued>,
}

/// A forecast whose step has not come yet.
#[derive(Serialize, Deserialize)]
pub(super) struct Issued {
    due: u64,
    points: Box<[f32]>,
    mean: f32,
    bounds: [f32; BOUND_LEVELS.len()],
    /// The bounds that the combination's own errors make, where others were forecast.
    own: Option<[f32; BOUND_LEVELS.len()]>,
    unit: f32,
    /// By how much the mean is more than usual.
    uplift: f32,
}

/// The distances at which is learned: powers of two, and the horizon.
pub(super) fn grid(horizon: usize) -> impl Iterator<Item = usize> {
    let horizon = horizon.max(1);
    let powers = (0..usize::BITS - 1).map(|power| 1 << power);
    powers.take_while(move |&ahead| ahead < horizon).chain([horizon])
}

impl Lead {
    pub(super) fn new(ahead: usize, priors: &[f32], settings: &Settings) -> Self {
        Self {
            ahead,
            every: (ahead / ISSUED_AT_ONCE).max(1),
            mix: Mix::new(priors),
            errors: Errors::new(settings),
            panel: (priors.len() > 1 && !settings.is_light()).then(|| Box::new(Panel::new(priors))),
            median_gain: 0.0,
            last: 0.0,
            square: 0.0,
            product: 0.0,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn restored(&mut self) {
        self.errors.restored();
        if let Some(panel) = &mut self.panel {
            panel.restored();
        }
    }

    pub(super) fn ahead(&self) -> usize {
        self.ahead
    }

    pub(super) fn mix(&self) -> &Mix {
        &self.mix
    }

    pub(super) fn panel(&self) -> Option<&Panel> {
        self.panel.as_deref()
    }

    pub(super) fn offsets(&self) -> [f64; LEVELS.len()] {
        self.errors.quantiles()
    }

    /// How alike the errors of neighbouring steps are, from 0 to 1.
    pub(super) fn correlation(&self) -> f64 {
        let alike =
            if self.square > 0.0 { f64::from(self.product / self.square).clamp(0.0, 1.0) } else { 0.0 };
        // Errors that are so many steps apart are alike by that power of it.
        alike.powf(1.0 / self.every as f64)
    }

    /// By how much medians have been nearer than points.
    pub(super) const fn median_gain(&self) -> f32 {
        self.median_gain
    }

    pub(super) fn is_due(&self, step: u64) -> bool {
        step.is_multiple_of(self.every as u64)
    }

    pub(super) fn is_issued_each_step(&self) -> bool {
        self.every == 1
    }

    pub(super) fn push(&mut self, issued: Issued) {
        // There are never many, and as many at all times.
        self.waiting.reserve_exact(1);
        self.waiting.push_back(issued);
    }

    /// Learns from what was forecast of `step`, if anything was; gives it, and what the experts said.
    pub(super) fn settle(&mut self, step: u64, value: f64, scale: &Scale) -> Option<(Issued, Views)> {
        while self.waiting.front().is_some_and(|issued| issued.due < step) {
            self.waiting.pop_front();
        }
        let issued = self.waiting.pop_front_if(|issued| issued.due == step)?;
        if let Some(error) = issued.error(value) {
            let unit = f64::from(issued.unit);
            let [_, _, median, _, _] = issued.bounds.map(f64::from);
            let gain = ((value - issued.mean()).abs() - (value - median).abs()) / unit;
            self.median_gain = MEDIAN_DISCOUNT * self.median_gain + gain.clamp(-LARGEST, LARGEST) as f32;
            let cut = error.clamp(-CUT, CUT) as f32;
            self.square += NEWS * (cut * cut - self.square);
            self.product += NEWS * (cut * self.last - self.product);
            self.last = cut;
            self.errors.learn(error as f32, issued.own(), value as f32);
        }
        let mut views = Views::new();
        if let Some(panel) = &mut self.panel {
            let unit = |point: f64| scale.of(point, self.ahead);
            views = panel.views(&issued.points, issued.own(), unit);
            panel.learn(&issued.points, value, unit);
        }
        Some((issued, views))
    }

    /// Learns how well the methods did at this distance, or at one nearby, which then counts for its `share`;
    /// [`Lead::weigh`] draws the conclusion.
    pub(super) fn credit(&mut self, (issued, views): &(Issued, Views), value: f64, share: f32) {
        if issued.unit > 0.0 {
            if let Some(panel) = &mut self.panel {
                panel.credit(views, &issued.bounds, value as f32, issued.unit, share);
            }
            let uplift = issued.uplift.max(1e-3);
            let (mean, value) = (issued.mean / uplift, value as f32 / uplift);
            self.mix.learn(MEDIAN, &issued.points, mean, value, issued.unit, share);
        }
    }

    /// Makes what was learned of the methods count for less: it was of another level.
    pub(super) fn forget(&mut self) {
        self.mix.forget();
        if let Some(panel) = &mut self.panel {
            panel.forget();
        }
    }

    pub(super) fn weigh(&mut self) {
        self.mix.weigh();
        if let Some(panel) = &mut self.panel {
            panel.weigh();
        }
    }
}

impl Issued {
    /// `own` is the forecast by the combination's own errors.
    pub(super) fn new(
        due: u64,
        points: &[f64],
        forecast: &StepForecast,
        own: &StepForecast,
        unit: f64,
        uplift: f64,
    ) -> Self {
        let of = |forecast: &StepForecast| forecast.bounds().map(|bound| bound as f32);
        Self {
            due,
            points: points.iter().map(|&point| point as f32).collect(),
            mean: forecast.mean as f32,
            bounds: of(forecast),
            own: (of(own) != of(forecast)).then(|| of(own)),
            unit: unit as f32,
            uplift: uplift as f32,
        }
    }

    fn own(&self) -> &[f32; BOUND_LEVELS.len()] {
        self.own.as_ref().unwrap_or(&self.bounds)
    }

    pub(super) fn mean(&self) -> f64 {
        f64::from(self.mean)
    }

    /// What would have been forecast without events, and the unit.
    pub(super) fn usual(&self) -> (f64, f64) {
        (self.mean() / f64::from(self.uplift.max(1e-3)), f64::from(self.unit))
    }

    pub(super) fn forecast(&self) -> StepForecast {
        StepForecast::of_bounds(self.mean(), self.bounds.map(f64::from))
    }

    /// The error in units of the scale, if there is one.
    pub(super) fn error(&self, value: f64) -> Option<f64> {
        let unit = f64::from(self.unit);
        (unit > 0.0).then(|| ((value - self.mean()) / unit).clamp(-LARGEST, LARGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_double_up_to_the_horizon() {
        assert_eq!(grid(15).collect::<Vec<_>>(), [1, 2, 4, 8, 15]);
        assert_eq!(grid(0).collect::<Vec<_>>(), [1]);
        assert_eq!(grid(16).collect::<Vec<_>>(), [1, 2, 4, 8, 16]);
    }
}
