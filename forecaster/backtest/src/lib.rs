//! Rolling-origin backtests: how good would a model's forecasts have been?
//!
//! [`read`] takes series in long format, [`Plan`] says which windows are forecast, [`run`] replays every series once
//! through a model and forecasts at each cutoff from what was known then, and [`Score`] says how wrong that was.
//! What other tools forecast for the same windows is scored by the same code ([`read_rows`]).

mod chance;
mod chart;
mod cpu;
mod error;
mod frame;
mod freq;
mod metrics;
mod plan;
mod read;
mod replay;
mod rows;
mod season;
mod stamp;
mod table;

pub use chart::Chart;
pub use error::Error;
pub use frame::{Frame, Series};
pub use freq::Freq;
pub use metrics::{Score, score};
pub use plan::{Plan, Window};
pub use read::{open, read};
pub use replay::{Forecasts, Outcome, forecast, run};
pub use rows::{read_rows, write_backtest, write_forecast};
pub use season::find_seasons;
pub use stamp::Stamps;
pub use table::{page, table};
