//! What every model takes and gives.

/// The quantile levels of every forecast, ascending; 0.1 and 0.9 bound the 80 % interval, 0.025 and 0.975 the 95 % one.
pub const LEVELS: [f64; 5] = [0.025, 0.1, 0.5, 0.9, 0.975];

/// The forecast of one step, in the unit of the observed values. Finite and never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepForecast {
    /// Expected value.
    pub mean: f64,
    /// The value at each of [`LEVELS`], non-decreasing.
    pub quantiles: [f64; LEVELS.len()],
}

/// What a model must know before its first observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Steps per season, such as 1440 for a day of minutes; 0 is taken as 1.
    pub season_steps: usize,
}

/// A forecasting model of one series.
pub trait Model: Send + Sync {
    /// Learns the value of one step.
    ///
    /// Steps come in ascending order; one that is not newer than the last is ignored. Steps left out are gaps: unknown,
    /// not zero. A negative value counts as zero, a value that is not finite as a gap.
    fn observe(&mut self, step: u64, value: f64);

    /// Forecasts `horizon` steps from step `from` on; empty before the first observation.
    fn forecast(&self, from: u64, horizon: usize) -> Vec<StepForecast>;

    /// How many steps have been learned, gaps not counted.
    fn observed_steps(&self) -> u64;
}
