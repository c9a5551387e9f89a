//! Sets of `auto` together: how often values are in intervals, and how good probabilities of spikes are.

use serde_json::Value;

use super::{Set, figure, name, row};

/// Sums over sets.
#[derive(Default)]
pub(super) struct Pooled {
    inside_80: f64,
    inside_95: f64,
    placed_80: f64,
    placed_95: f64,
    values: f64,
    brier: f64,
    brier_base: f64,
    forecasts: f64,
}

/// The sets whose coverage counts together.
pub(super) const COVERED: [&str; 2] = ["m4", "servegen"];

impl Pooled {
    /// Adds the scores of a set's `auto`.
    pub(super) fn add(&mut self, set: &Set, models: &[Value]) {
        let Some(auto) = models.iter().find(|model| name(model) == "auto") else { return };
        let values = figure(auto, "windows") * f64::from(set.horizon);
        if COVERED.contains(&set.name) {
            self.inside_80 += values * figure(auto, "coverage_80");
            self.inside_95 += values * figure(auto, "coverage_95");
            self.placed_80 += values * figure(auto, "pit_80");
            self.placed_95 += values * figure(auto, "pit_95");
            self.values += values;
        }
        self.brier += values * figure(auto, "spike_brier");
        self.brier_base += values * figure(auto, "spike_brier_base");
        self.forecasts += values;
    }

    /// The Brier score of spikes beside that of their frequency.
    pub(super) fn spikes(&self) -> Value {
        let (brier, base) = (self.brier / self.forecasts, self.brier_base / self.forecasts);
        row("all: Brier score of spikes, base rate", brier, base, None)
    }

    /// How far coverage is from what it should be.
    pub(super) fn coverage(&self, of: &str) -> Vec<Value> {
        let off = |inside: f64, level: f64| (inside / self.values - level).abs();
        if self.values <= 0.0 {
            return Vec::new();
        }
        let pooled = [
            ("coverage_80", off(self.inside_80, 0.8)),
            ("coverage_95", off(self.inside_95, 0.95)),
            ("pit_80", off(self.placed_80, 0.8)),
            ("pit_95", off(self.placed_95, 0.95)),
        ];
        pooled
            .map(|(name, off)| row(&format!("m4 and servegen {name}{of}: distance"), off, 0.02, None))
            .into()
    }
}
