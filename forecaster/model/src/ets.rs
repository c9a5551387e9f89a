//! The ETS family: exponential smoothing of level, trend and seasons.
//!
//! Hyndman, Koehler, Ord and Snyder, *Forecasting with Exponential Smoothing* (2008); see [`crate::smoothing`].

use serde::{Deserialize, Serialize};

use crate::{
    forecast::Settings,
    history::History,
    member::Member,
    smoothing::{Family, Smoothing},
};

macro_rules! family {
    ($(#[$doc:meta])* $name:ident, $family:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub(crate) struct $name(Smoothing);

        impl Member for $name {
            fn new(settings: &Settings) -> Self {
                Self(Smoothing::new(settings, $family))
            }

            fn observe(&mut self, past: &History) {
                self.0.observe(past);
            }

            fn path(&self, past: &History, ahead: &mut [f64]) {
                self.0.path(past, ahead);
            }

            fn refit(&mut self, past: &History) {
                self.0.refit(past);
            }
        }
    };
}

family!(
    /// Simple exponential smoothing: a level.
    SimpleSmoothing,
    Family::SIMPLE
);
family!(
    /// Holt's method with a damped trend.
    DampedTrend,
    Family { trend: true, damped: true, ..Family::SIMPLE }
);
family!(
    /// Holt-Winters with additive seasons and correlated errors.
    HoltWinters,
    Family { trend: true, damped: true, seasonal: true, correlated: true, ..Family::SIMPLE }
);
family!(
    /// Holt-Winters with seasons that multiply.
    HoltWintersLog,
    Family { seasonal: true, correlated: true, multiplies: true, ..Family::SIMPLE }
);
