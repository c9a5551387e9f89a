//! The unit in which errors are counted: larger where the forecast is larger, and while the series is restless.

use serde::{Deserialize, Serialize};

/// How much of the mean level is added to a forecast before the root is taken, so that zero has a width too.
const FLOOR: f64 = 0.05;
/// The part that present unrest has in the unit one step ahead; it fades with the root of the distance.
const NOW: f64 = 0.5;
/// What one error tells about how restless the series is now, and usually.
const FAST: f64 = 0.03;
const SLOW: f64 = 0.003;
/// From this part of values on, nothing comes often.
const OFTEN: f64 = 0.4;

/// The running unit.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Scale {
    level: f64,
    /// Root of the error in units of the grown forecast: the root, so that a single spike does not rule for long.
    unrest: f64,
    usual_unrest: f64,
    /// How often there was nothing.
    nothing: f64,
    count: u64,
}

impl Scale {
    /// Takes the first value as the level, and its counting noise as unrest.
    pub(super) fn begin(&mut self, value: f64) {
        self.level = value;
        self.unrest = if value > 0.0 { (value.sqrt() / self.grown(value)).sqrt() } else { 0.0 };
        self.usual_unrest = self.unrest;
    }

    /// How errors grow with what is forecast: by its root, as counts do.
    fn grown(&self, forecast: f64) -> f64 {
        (forecast + FLOOR * self.level).sqrt()
    }

    /// The unit at a forecast so many steps ahead; zero as long as nothing but zeros came.
    pub(super) fn of(&self, forecast: f64, ahead: usize) -> f64 {
        if self.usual_unrest <= 0.0 {
            return 0.0;
        }
        let now = NOW / (ahead as f64).sqrt();
        let unrest = self.usual_unrest * (self.unrest / self.usual_unrest).powf(now);
        unrest * unrest * self.grown(forecast)
    }

    /// Whether there has often been nothing lately.
    pub(super) fn is_often_nothing(&self) -> bool {
        self.nothing > OFTEN
    }

    /// Learns what came of a forecast of one step.
    pub(super) fn learn(&mut self, value: f64, forecast: f64) {
        self.count += 1;
        let rate = |rate: f64| rate.max(1.0 / (self.count as f64 + 1.0));
        self.level += rate(SLOW) * (value - self.level);
        self.nothing += rate(SLOW) * (f64::from(u8::from(value <= 0.0)) - self.nothing);
        let grown = self.grown(forecast);
        let unrest = if grown > 0.0 { ((value - forecast).abs() / grown).sqrt() } else { 0.0 };
        self.unrest += rate(FAST) * (unrest - self.unrest);
        self.usual_unrest += rate(SLOW) * (unrest - self.usual_unrest);
    }
}
