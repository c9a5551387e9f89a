//! Demand forecasting: a series in, quantiles per step out.
//!
//! Every model is online: it sees each step once, keeps a bounded state and forecasts from it whenever asked.
//! The crate is pure: no I/O, no clock, no randomness; steps are numbers that the caller derives from time.
//!
//! One engine surrounds every method: it fills gaps, weighs methods by how well each has done lately at each distance
//! ahead, learns quantiles from its own errors, and makes snapshots. A method only makes points out of values.
//!
//! # Adding a model
//!
//! A model is one file with a [`Member`], and one line in [`MODELS`]. Configuration, command line, backtests and the tests
//! of the contract find it there, and so does `auto`.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use tidegate_model::{Entry, History, Member, Settings, model};
//!
//! /// Halfway between the last value and that of a season ago.
//! #[derive(Serialize, Deserialize)]
//! struct Halfway {
//!     season: usize,
//! }
//!
//! impl Member for Halfway {
//!     fn new(settings: &Settings) -> Self {
//!         Self { season: settings.season() }
//!     }
//!
//!     fn observe(&mut self, _past: &History) {}
//!
//!     fn path(&self, past: &History, ahead: &mut [f64]) {
//!         for (index, value) in ahead.iter_mut().enumerate() {
//!             let before = past.back(self.season - 1 - index % self.season);
//!             *value = (past.newest() + before.unwrap_or(past.newest())) / 2.0;
//!         }
//!     }
//! }
//!
//! // The line of the registry.
//! const ENTRY: Entry = model::<Halfway>("halfway", 1.0, "halfway between now and a season ago");
//!
//! let mut model = (ENTRY.build)(&Settings::light(4, 15));
//! for step in 0..100 {
//!     model.observe(step, if step % 4 == 0 { 50.0 } else { 10.0 });
//! }
//! let ahead = model.forecast(100, 2);
//! assert_eq!((ahead[0].mean, ahead[1].mean), (30.0, 10.0));
//! assert!(ahead[0].quantiles.is_sorted());
//! ```

mod arima;
mod arma;
mod autoregression;
mod bank;
mod ets;
mod forecast;
mod fourier;
mod history;
mod linear;
mod lstm;
mod member;
mod mstl;
mod naive;
mod neural;
mod outlook;
mod prophet;
mod reconcile;
mod registry;
mod rollup;
mod room;
mod school;
mod seasonal;
mod seasonal_naive;
mod smoothing;
mod snapshot;
mod stl;
mod tape;
mod theta;
mod transformer;
mod tsb;
mod window;

pub use forecast::{BOUND_LEVELS, LEVELS, Model, Settings, StepForecast, refit_is_due};
pub use history::History;
pub use member::Member;
pub use outlook::{Bounds, Outlook, Scenario, ScenarioMix};
pub use reconcile::{Group, reconcile};
pub use registry::{Entry, Founder, HEAVY, LIGHT, MODELS, Restored, find, model};
pub use rollup::roll_up;
pub use school::{School, Shared};
pub use snapshot::SnapshotError;
