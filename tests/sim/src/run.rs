//! One limiter through one scenario's traffic.

use std::collections::BinaryHeap;

use crate::{
    audit::{Audit, Findings},
    limiter::{Candidate, Operations, Settlement},
    scenario::Scenario,
    traffic::Traffic,
};

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) findings: Findings,
    pub(crate) operations: Operations,
}

/// A settlement in the queue, by time and number.
struct Pending(u64, usize, Settlement);

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Pending {}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pending {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // First come first: the heap gives the greatest.
        (other.0, other.1).cmp(&(self.0, self.1))
    }
}

/// Plays arrivals, settlements, faults and what the limiter does by itself in the order of time.
pub(crate) fn run(scenario: &Scenario, traffic: &Traffic, candidate: &Candidate, seed: u64) -> Outcome {
    let mut limiter = (candidate.build)(scenario, seed);
    let mut audit = Audit::of(scenario);
    let mut pending: BinaryHeap<Pending> = BinaryHeap::new();
    let mut faults = traffic.faults.iter().peekable();
    for (number, arrival) in traffic.arrivals.iter().enumerate() {
        loop {
            let fault_at = faults.peek().map_or(u64::MAX, |(at, _)| *at);
            let settles_at = pending.peek().map_or(u64::MAX, |pending| pending.0);
            let due = limiter.due();
            let next = fault_at.min(settles_at).min(due);
            if next > arrival.at {
                break;
            }
            if next == due {
                limiter.act(next);
            } else if next == fault_at {
                if let Some((at, fault)) = faults.next() {
                    limiter.suffer(*fault, *at);
                }
            } else if let Some(Pending(at, _, settlement)) = pending.pop() {
                limiter.settle(&settlement, at);
                audit.settled(&settlement, at);
            }
        }
        let admitted = limiter.decide(arrival);
        audit.decided(arrival, admitted);
        if let (Some((_, reserved)), Some((actual, at))) = (admitted, arrival.settles) {
            let settlement = Settlement {
                worker: usize::from(arrival.worker),
                customer: usize::from(arrival.customer),
                estimate: arrival.cost,
                actual,
                reserved,
            };
            pending.push(Pending(at.max(arrival.at), number, settlement));
        }
    }
    Outcome { findings: audit.findings(), operations: limiter.operations() }
}
