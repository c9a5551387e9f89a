//! Demand forecasting: a series in, quantiles per step out.
//!
//! Every model is online: it sees each step once, keeps a bounded state and forecasts from it whenever asked.
//! The crate is pure: no I/O, no clock, no randomness; steps are numbers that the caller derives from time.
//!
//! A model is one file and one line in [`MODELS`].

mod arima;
mod autoregression;
mod bank;
mod ets;
mod forecast;
mod fourier;
mod history;
mod linear;
mod member;
mod mstl;
mod naive;
mod prophet;
mod registry;
mod seasonal;
mod seasonal_naive;
mod smoothing;
mod snapshot;
mod theta;
mod tsb;
mod window;

pub use forecast::{LEVELS, Model, Settings, StepForecast, refit_is_due};
pub use history::History;
pub use member::Member;
pub use registry::{Entry, MODELS, Restored, find};
pub use snapshot::SnapshotError;
