//! The models there are. Configuration, command line, documentation, backtests and tests iterate this list.

mod heavy;

use crate::{
    arima::Arima,
    autoregression::{Autoregression, LogAutoregression},
    bank::Bank,
    ets::{DampedTrend, HoltWinters, HoltWintersLog, SimpleSmoothing},
    forecast::{Model, Settings},
    lstm::{GlobalMemory, LongShortTermMemory, Lstm},
    member::{Member, Recipe},
    mstl::{Mstl, MstlArima},
    naive::Naive,
    neural::{Network, school},
    prophet::Prophet,
    school::School,
    seasonal_naive::SeasonalNaive,
    snapshot::SnapshotError,
    theta::Theta,
    transformer::{Attentive, GlobalAttention, Transformer},
    tsb::{Croston, Tsb},
    window::{WindowAverage, WindowMedian},
};

pub use heavy::{HEAVY, LIGHT};

/// A model from a snapshot, or why there is none.
pub type Restored = Result<Box<dyn Model>, SnapshotError>;

/// Makes a school that has learned nothing.
pub type Founder = fn(&Settings) -> Box<dyn School>;

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
    /// Where what its models share is learned, if they share anything.
    pub school: Option<Founder>,
    /// Its part in `auto`.
    recipe: Option<Recipe>,
    /// Whether it is a part of it for every key, and not only where there is time and memory.
    light: bool,
    /// Whether it is a part of it only where there is a season: without, it is what another member is.
    seasonal: bool,
}

impl Entry {
    /// The same, but no part of `auto`: what it adds there does not pay for what it costs.
    const fn alone(self) -> Self {
        Self { recipe: None, ..self }
    }

    /// The same, with weights that are learned of all series.
    const fn of_all<N: Network>(self) -> Self {
        Self { school: Some(school::<N>), ..self }
    }

    /// The same, in the bank of every key: what costs microseconds and keeps no season of its own.
    const fn light(self) -> Self {
        Self { light: true, ..self }
    }

    /// The same, in banks of series that have a season.
    const fn seasonal(self) -> Self {
        Self { seasonal: true, ..self }
    }
}

/// Every model, one line each.
pub const MODELS: &[Entry] = &[
    model::<SeasonalNaive>(
        "seasonal-naive",
        1.0,
        "as one season ago, with the quantiles of its recent errors",
    )
    .light()
    .seasonal(),
    model::<Naive>("naive", 0.3, "as the last step").light(),
    model::<WindowAverage>("window-average", 0.5, "the mean of the last values").light(),
    model::<WindowMedian>("window-median", 1.0, "the median of the last values").light(),
    model::<SimpleSmoothing>("ses", 0.4, "simple exponential smoothing").light(),
    model::<DampedTrend>("holt-damped", 0.3, "Holt's exponential smoothing with a damped trend"),
    model::<HoltWinters>("holt-winters", 1.0, "exponential smoothing with several additive seasons"),
    model::<HoltWintersLog>(
        "holt-winters-log",
        1.0,
        "exponential smoothing with several seasons that multiply",
    ),
    model::<Autoregression>(
        "autoregression",
        2.0,
        "ridge regression on newest values and those a season ago",
    )
    .light(),
    model::<LogAutoregression>("autoregression-log", 3.0, "the same on logarithms").light(),
    model::<Theta>("theta", 1.0, "seasonally adjusted smoothing with half the slope"),
    model::<Mstl>("mstl", 1.0, "several seasons by local regression, the rest by smoothing").seasonal(),
    model::<MstlArima>("mstl-arima", 1.0, "several seasons by local regression, the rest by ARIMA").alone(),
    model::<Arima>("arima", 1.5, "low-order ARIMA around Fourier terms"),
    model::<Prophet>("prophet", 1.0, "a trend with bends and waves of the seasons"),
    model::<LongShortTermMemory>("lstm", 0.5, "a recurrent network that corrects the last seasons").alone(),
    model::<Attentive>(
        "transformer",
        0.5,
        "a network that attends to the last steps and corrects the last seasons",
    ),
    model::<GlobalMemory>("lstm-global", 0.5, "a recurrent network that learns from all series at once")
        .alone()
        .of_all::<Lstm>(),
    model::<GlobalAttention>("transformer-global", 0.5, "a network that attends, and learns from all series")
        .alone()
        .of_all::<Transformer>(),
    model::<Croston>("croston", 0.2, "intermittent demand: size over interval"),
    model::<Tsb>("tsb", 0.2, "intermittent demand: size times likelihood").light(),
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
    build: |settings| Box::new(Bank::new(&recipes(settings), settings)),
    restore: |bytes| Ok(Box::new(Bank::restore(&recipes, bytes)?)),
    school: None,
    recipe: None,
    light: false,
    seasonal: false,
};

/// The members of `auto`.
fn recipes(settings: &Settings) -> Vec<Recipe> {
    MODELS
        .iter()
        .filter(|entry| entry.light || !settings.is_light())
        .filter(|entry| !entry.seasonal || settings.season() > 1)
        .filter_map(|entry| entry.recipe)
        .collect()
}

/// One method in a bank of its own; `prior` is its weight in `auto` before anything is known, relative to the others.
#[must_use]
pub const fn model<T: Member>(name: &'static str, prior: f32, summary: &'static str) -> Entry {
    Entry {
        name,
        summary,
        build: |settings| Box::new(Bank::new(&[Recipe::of::<T>(1.0)], settings)),
        restore: |bytes| Ok(Box::new(Bank::restore(&|_| vec![Recipe::of::<T>(1.0)], bytes)?)),
        school: None,
        recipe: Some(Recipe::of::<T>(prior)),
        light: false,
        seasonal: false,
    }
}

#[cfg(test)]
mod tests;
