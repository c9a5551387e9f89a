//! Models whose weights are shared by all series: where these are learned.
//!
//! A model of one series cannot see the others. Whoever has them all keeps a school: it studies values of many series, a
//! few lessons at a time, and what it has learned is shown to their models ([`crate::Model::take`]), live after each
//! step, in a backtest once, from what came before the first forecast of any series.

use std::sync::Arc;

use crate::{forecast::Settings, registry::Entry, snapshot::SnapshotError};

/// What is shared. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shared(pub(crate) Arc<[f32]>);

/// Learns what models of one kind share.
pub trait School: Send + Sync {
    /// Fewer values than this cannot be learned from.
    fn needed(&self) -> usize;

    /// Takes so many lessons from consecutive values of one series, the last of them at a step. Each costs some hundred
    /// microseconds.
    fn study(&mut self, last_step: u64, values: &[f64], lessons: usize);

    /// What has been learned so far.
    fn shared(&self) -> Shared;

    /// Everything it has learned, in bytes.
    fn snapshot(&self) -> Vec<u8>;

    /// Goes on from what [`School::snapshot`] gave.
    ///
    /// # Errors
    /// When the bytes are no snapshot of such a school; nothing has changed then.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError>;
}

/// Lessons of a school that sees all series at once, and how often at most it goes through all of them.
const LESSONS: usize = 12_000;
const ROUNDS: usize = 200;
/// Lessons in a row from one series.
const AT_ONCE: usize = 2;

impl Entry {
    /// What its models share after going through a panel of series: consecutive values and the step of the last; nothing
    /// for models that share nothing. Whoever forecasts a past hands in nothing that came after the first forecast.
    #[must_use]
    pub fn schooled(&self, settings: &Settings, panel: &[(u64, &[f64])]) -> Option<Shared> {
        let mut school = (self.school?)(settings);
        let rounds = (LESSONS / (panel.len() * AT_ONCE).max(1)).clamp(1, ROUNDS);
        for round in 0..rounds {
            for (last_step, values) in panel {
                // Each round sees another part: it ends somewhat earlier.
                let cut = round * 37 % (values.len() / 2).max(1);
                let kept = values.get(..values.len() - cut).unwrap_or_default();
                school.study(last_step.saturating_sub(cut as u64), kept, AT_ONCE);
            }
        }
        Some(school.shared())
    }
}
