//! Demand forecasting: a series in, quantiles per step out.
//!
//! Every model is online: it sees each step once, keeps a bounded state and forecasts from it whenever asked.
//! The crate is pure: no I/O, no clock, no randomness; steps are numbers that the caller derives from time.
//!
//! A model is one file and one line in [`MODELS`].

mod forecast;
mod quantile;
mod registry;
mod ring;
mod seasonal_naive;

pub use forecast::{LEVELS, Model, Settings, StepForecast};
pub use registry::{Entry, MODELS, find};
pub use seasonal_naive::SeasonalNaive;
