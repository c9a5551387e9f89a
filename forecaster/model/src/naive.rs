//! Naive: a step will be as the last one was.

use serde::{Deserialize, Serialize};

use crate::{forecast::Settings, history::History, member::Member};

/// The naive method.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Naive;

impl Member for Naive {
    fn new(_settings: &Settings) -> Self {
        Self
    }

    fn observe(&mut self, _past: &History) {}

    fn path(&self, past: &History, ahead: &mut [f64]) {
        ahead.fill(past.newest());
    }
}
