//! The models there are. Configuration, documentation and tests iterate this list.

use crate::{
    forecast::{Model, Settings},
    seasonal_naive::SeasonalNaive,
};

/// One model as the registry knows it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The name in configuration.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Makes an untrained model.
    pub build: fn(&Settings) -> Box<dyn Model>,
}

/// Every model, one line each.
pub const MODELS: &[Entry] = &[SeasonalNaive::ENTRY];

/// The model with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    MODELS.iter().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LEVELS;

    #[test]
    fn every_model_is_found_by_its_name_and_keeps_the_contract() {
        for entry in MODELS {
            assert_eq!(find(entry.name).map(|found| found.name), Some(entry.name));
            let mut model = (entry.build)(&Settings { season_steps: 4 });
            assert!(model.forecast(0, 3).is_empty(), "{} forecasts from nothing", entry.name);
            for step in 0..40 {
                model.observe(step, (step % 4) as f64);
            }
            let steps = model.forecast(40, 6);
            assert_eq!((steps.len(), model.observed_steps()), (6, 40), "{}", entry.name);
            assert!(steps.iter().all(|step| step.quantiles.is_sorted()), "{}", entry.name);
        }
        assert!(find("no-such-model").is_none());
    }

    #[test]
    fn levels_ascend_and_hold_the_median() {
        assert!(LEVELS.is_sorted() && LEVELS.contains(&0.5));
    }
}
