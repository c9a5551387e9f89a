//! Where a distance lies between those at which is learned: in proportion to its logarithm, since these double.

use super::lead::Lead;

/// Which leads say what of a distance.
pub(super) struct Place {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) share: f64,
    /// What errors grow by beyond the last lead.
    pub(super) growth: f64,
}

impl Place {
    pub(super) fn of(ahead: usize, leads: &[Lead]) -> Self {
        let to = leads.partition_point(|lead| lead.ahead() < ahead);
        let (Some(before), Some(after)) = (leads.get(to.saturating_sub(1)), leads.get(to)) else {
            let last = leads.len().saturating_sub(1);
            let reach = leads.last().map_or(1, Lead::ahead);
            let growth = (ahead as f64 / reach as f64).sqrt();
            return Self { from: last, to: last, share: 0.0, growth };
        };
        if after.ahead() == ahead {
            return Self { from: to, to, share: 0.0, growth: 1.0 };
        }
        let span = (after.ahead() as f64 / before.ahead() as f64).ln();
        let share = if span > 0.0 { (ahead as f64 / before.ahead() as f64).ln() / span } else { 0.0 };
        Self { from: to.saturating_sub(1), to, share, growth: 1.0 }
    }
}
