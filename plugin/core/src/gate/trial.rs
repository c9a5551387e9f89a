//! A policy on trial: it judges every request beside the live one, with tables, budgets and a queue of its own, and decides
//! nothing.

use super::{Asked, Gate, Label};
use crate::{
    allocator::{Allocator, Receipt},
    attributes::Attributes,
    config::{Config, Mode},
    units::{Share, Timestamp},
};

/// What the policy on trial would have done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Its decision.
    pub label: Label,
    /// To be settled beside the live one.
    pub receipt: Option<Receipt>,
}

impl Gate {
    /// Begins a trial anew, or ends it, as the configuration says.
    pub(super) fn begin_trial(&mut self, share: Share, now: Timestamp) {
        self.trial = self.config.trial.as_ref().map(|trial| {
            let mut gate = Self::new(Config { mode: Mode::Shadow, ..Config::clone(&trial.config) }, now);
            gate.allocator.set_share(share.part(trial.capacity), now);
            alloc::boxed::Box::new(gate)
        });
    }

    /// What the policy on trial would do with a request; `None` without a trial.
    pub(super) fn try_out<A: Attributes + ?Sized>(
        &mut self,
        attributes: &A,
        holds: bool,
        now: Timestamp,
    ) -> Option<Trial> {
        let trial = self.trial.as_mut()?;
        // Whose turn has come in its queue goes first.
        while trial.release(now).is_some() {}
        let verdict = trial.judge(attributes, Asked { holds, again: false }, now);
        Some(Trial { label: verdict.label, receipt: verdict.receipt })
    }

    /// The allocator of the policy on trial.
    #[must_use]
    pub fn trial(&self) -> Option<&Allocator> {
        self.trial.as_ref().map(|trial| &trial.allocator)
    }

    /// The allocator of the policy on trial, which has to be given the tables too.
    pub fn trial_mut(&mut self) -> Option<&mut Allocator> {
        self.trial.as_mut().map(|trial| &mut trial.allocator)
    }

    /// Takes a part of every budget, in the trial its own part of that; tables have to be applied again then.
    pub fn set_share(&mut self, share: Share, now: Timestamp) {
        self.allocator.set_share(share, now);
        if let (Some(gate), Some(trial)) = (&mut self.trial, &self.config.trial) {
            gate.allocator.set_share(share.part(trial.capacity), now);
        }
    }

    /// Settles what the policy on trial admitted; without a response its estimate stands.
    pub fn settle_trial<A: Attributes + ?Sized>(
        &mut self,
        receipt: Receipt,
        response: Option<&A>,
        now: Timestamp,
    ) {
        let Some(trial) = &mut self.trial else { return };
        match response {
            Some(response) => trial.settle(receipt, response, now),
            None => {
                trial.allocator.settle(receipt, &[], now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{
        string::{String, ToString},
        vec::Vec,
    };

    use super::*;
    use crate::config::Shell;

    fn gate(trial: &str) -> Gate {
        let text = alloc::format!(
            r#"{{"mode": "enforce", "key": [{{"header": "x-customer"}}], "trial": {trial},
                "resources": {{"requests": {{"safe_capacity_per_s": 1, "safe_burst": 10}}}}}}"#
        );
        let shell = Shell { is_proxy: true, reads_bodies: false };
        Gate::new(Config::parse_for(text.as_bytes(), shell).unwrap(), Timestamp::from_millis(1))
    }

    fn ask(gate: &mut Gate, count: usize) -> Vec<(Label, Option<Label>)> {
        let request: Vec<(String, Vec<u8>)> = alloc::vec![("x-cost".to_string(), b"3".to_vec())];
        let judged = (0..count).map(|_| {
            let verdict = gate.admit(request.as_slice(), true, Timestamp::from_millis(1));
            assert_eq!(verdict.response.is_some(), verdict.label == Label::RefusedPool);
            (verdict.label, verdict.trial.map(|trial| trial.label))
        });
        judged.collect()
    }

    fn admitted(labels: &[(Label, Option<Label>)]) -> (usize, usize) {
        let live = labels.iter().filter(|(live, _)| *live == Label::Opportunistic).count();
        (live, labels.iter().filter(|(_, trial)| *trial == Some(Label::Opportunistic)).count())
    }

    #[test]
    fn another_cost_is_tried_beside_the_live_one_and_decides_nothing() {
        let cost = r#"{"resources": {"requests": {"cost": {"header": "x-cost"}, "safe_capacity_per_s": 1, "safe_burst": 10}}}"#;
        assert_eq!(admitted(&ask(&mut gate(cost), 12)), (10, 3));
    }

    #[test]
    fn a_part_of_the_capacity_is_tried_by_its_size_alone() {
        let mut gate = gate(r#"{"capacity": 0.5}"#);
        assert_eq!(admitted(&ask(&mut gate, 12)), (10, 5));
        gate.set_share(Share::new(1, 2), Timestamp::from_millis(1));
        let trial = gate.trial_mut().unwrap().share();
        assert_eq!((gate.allocator().share(), trial), (Share::new(1, 2), Share::new(1, 4)));
    }

    #[test]
    fn a_trial_ends_with_its_configuration_and_begins_full() {
        let mut gate = gate(r#"{"capacity": 0.25}"#);
        assert_eq!(admitted(&ask(&mut gate, 4)), (4, 2));
        let config = gate.config().clone();
        gate.reconfigure(config.clone(), 1, Timestamp::from_millis(1));
        assert_eq!(admitted(&ask(&mut gate, 1)).1, 0, "the same trial goes on");
        gate.reconfigure(Config { trial: None, ..config }, 1, Timestamp::from_millis(1));
        assert!(ask(&mut gate, 1).iter().all(|(_, trial)| trial.is_none()));
    }
}
