//! The models there are. Configuration, command line, documentation, backtests and tests iterate this list.

use crate::{
    autoregression::{Autoregression, LogAutoregression},
    bank::Bank,
    ets::{DampedTrend, HoltWinters, HoltWintersLog, SimpleSmoothing},
    forecast::{Model, Settings},
    member::{Member, Recipe},
    seasonal_naive::SeasonalNaive,
    snapshot::SnapshotError,
    window::{WindowAverage, WindowMedian},
};

/// A model from a snapshot, or why there is none.
pub type Restored = Result<Box<dyn Model>, SnapshotError>;

/// One model as the registry knows it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The name in configuration.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Makes an untrained model.
    pub build: fn(&Settings) -> Box<dyn Model>,
    /// Makes a model from what [`Model::snapshot`] gave.
    pub restore: fn(&[u8]) -> Restored,
    /// Its part in `auto`.
    recipe: Option<Recipe>,
}

/// Every model, one line each.
pub const MODELS: &[Entry] = &[
    model::<SeasonalNaive>("seasonal-naive", "as one season ago, with the quantiles of its recent errors"),
    model::<WindowAverage>("window-average", "the mean of the last values"),
    model::<WindowMedian>("window-median", "the median of the last values"),
    model::<SimpleSmoothing>("ses", "simple exponential smoothing"),
    model::<DampedTrend>("holt-damped", "Holt's exponential smoothing with a damped trend"),
    model::<HoltWinters>("holt-winters", "exponential smoothing with several additive seasons"),
    model::<HoltWintersLog>("holt-winters-log", "exponential smoothing with several seasons that multiply"),
    model::<Autoregression>("autoregression", "ridge regression on newest values and those a season ago"),
    model::<LogAutoregression>("autoregression-log", "the same on logarithms"),
    AUTO,
];

/// The model with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    MODELS.iter().find(|entry| entry.name == name)
}

const AUTO: Entry = Entry {
    name: "auto",
    summary: "all the others, weighted by how well each has done lately at each distance",
    build: |settings| Box::new(Bank::new(&recipes(), settings)),
    restore: |bytes| Ok(Box::new(Bank::restore(&recipes(), bytes)?)),
    recipe: None,
};

fn recipes() -> Vec<Recipe> {
    MODELS.iter().filter_map(|entry| entry.recipe).collect()
}

/// One method in a bank of its own.
const fn model<T: Member>(name: &'static str, summary: &'static str) -> Entry {
    Entry {
        name,
        summary,
        build: |settings| Box::new(Bank::new(&[Recipe::of::<T>()], settings)),
        restore: |bytes| Ok(Box::new(Bank::restore(&[Recipe::of::<T>()], bytes)?)),
        recipe: Some(Recipe::of::<T>()),
    }
}

#[cfg(test)]
mod tests;
