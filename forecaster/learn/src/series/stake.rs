//! What is at stake in a series, and what follows: whether values are kept of it, and which bank it has.

use tidegate_model::{Entry, Model};

use super::{LEARNED_AHEAD, Series};
use crate::heavy::{Chosen, Verdict};

/// What forecasts lose, relative to the level, as long as none has been compared.
const UNTOLD: f64 = 0.2;

impl Series {
    /// What is at stake: demand, in tokens per step, times how badly it is forecast.
    pub(crate) fn at_stake(&self) -> f64 {
        self.level * self.loss.unwrap_or(UNTOLD)
    }

    pub(crate) fn learned_ahead(&self) -> usize {
        LEARNED_AHEAD
    }

    pub(crate) fn chosen(&self) -> Option<&Chosen> {
        self.chosen.as_deref()
    }

    /// Keeps values from now on, or does not any more, once its model is as it was before.
    pub(crate) fn choose(&mut self, is_worth_it: bool) {
        match &mut self.chosen {
            None if is_worth_it => self.chosen = Some(Box::new(Chosen::new(&*self.model))),
            Some(chosen) if is_worth_it || !chosen.is_as_before() => chosen.set_dropped(!is_worth_it),
            _ => self.chosen = None,
        }
    }

    /// Takes note of a trial of a bank, which has learned all values up to a step.
    pub(crate) fn conclude(
        &mut self,
        candidate: usize,
        entry: &'static Entry,
        (gain, is_certain): (f64, bool),
        (last, mut model): (u64, Box<dyn Model>),
    ) -> Verdict {
        let Some(chosen) = &mut self.chosen else { return Verdict::Stayed };
        let Some(verdict) = chosen.settle(candidate, gain, is_certain) else { return Verdict::Stayed };
        for (step, value) in chosen.since(last) {
            model.observe(step, value);
        }
        self.fitted_at = model.observed_steps();
        self.entry = entry;
        self.model = model;
        verdict
    }
}
