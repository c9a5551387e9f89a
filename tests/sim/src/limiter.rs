//! The ways of sharing a budget that are compared.

mod bucket;
mod central;
mod crew;
mod leased;
mod split;

use crate::{
    fleet,
    scenario::Scenario,
    traffic::{Arrival, Fault},
};

/// Who paid for an admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The reserved bucket, at least in part.
    Reserved,
    /// The pool alone.
    Pool,
}

/// What the broker was asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Operations {
    pub(crate) reads: u64,
    pub(crate) writes: u64,
}

/// A request that was admitted and is to be settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settlement {
    pub(crate) worker: usize,
    pub(crate) customer: usize,
    pub(crate) estimate: u64,
    pub(crate) actual: u64,
    /// What the reserved bucket paid of the estimate.
    pub(crate) reserved: f64,
}

/// An admission: who paid, and how many tokens the reserved bucket did.
pub(crate) type Admitted = (Source, f64);

/// A way of sharing a budget among workers.
pub(crate) trait Limiter {
    /// Decides a request.
    fn decide(&mut self, arrival: &Arrival) -> Option<Admitted>;

    /// Replaces an estimate by the actual cost.
    fn settle(&mut self, settlement: &Settlement, now: u64);

    /// Something went wrong.
    fn suffer(&mut self, fault: Fault, now: u64);

    /// When it has something to do by itself.
    fn due(&self) -> u64;

    /// Does it.
    fn act(&mut self, now: u64);

    /// What the broker was asked so far.
    fn operations(&self) -> Operations {
        Operations::default()
    }
}

/// One of the limiters, by name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    /// What tables call it.
    pub(crate) name: &'static str,
    /// What it is, in a few words.
    pub(crate) about: &'static str,
    /// Whether it must reach the goals: the others are there for comparison.
    pub(crate) is_ours: bool,
    pub(crate) build: fn(&Scenario, u64) -> Box<dyn Limiter>,
}

/// What all others are measured against.
pub(crate) const CENTRAL: Candidate = Candidate {
    name: "central",
    about: "one exact bucket, asked for every request",
    is_ours: false,
    build: |scenario, _| Box::new(central::Central::of(scenario)),
};

const WORKERS: [Candidate; 7] = [
    Candidate {
        name: "fixed",
        about: "every worker has its part",
        is_ours: false,
        build: |scenario, _| Box::new(split::Split::fixed(scenario)),
    },
    Candidate {
        name: "by-load",
        about: "parts follow each worker's requests, every 250 ms",
        is_ours: false,
        build: |scenario, seed| Box::new(split::Split::by_load(scenario, seed)),
    },
    Candidate {
        name: "asked",
        about: "shared books, asked for every request",
        is_ours: false,
        build: |scenario, seed| Box::new(leased::Leased::asking_always(scenario, seed)),
    },
    Candidate {
        name: "leased-full",
        about: "leases; books that were lost begin full",
        is_ours: false,
        build: |scenario, seed| Box::new(leased::Leased::reborn_full(scenario, seed)),
    },
    Candidate {
        name: "leased-split",
        about: "leases from shared books, reserved buckets split among workers",
        is_ours: false,
        build: |scenario, seed| Box::new(leased::Leased::with_split_buckets(scenario, seed)),
    },
    Candidate {
        name: "leased",
        about: "leases from shared books, reserved buckets whole",
        is_ours: true,
        build: |scenario, seed| Box::new(leased::Leased::of(scenario, seed)),
    },
    Candidate {
        name: "crew",
        about: "the product's allocators with tables and receipts, on such leases",
        is_ours: true,
        build: |scenario, _| Box::new(crew::Crew::of(scenario)),
    },
];

/// What is compared in a scenario, the reference first.
pub(crate) fn candidates(scenario: &Scenario) -> Vec<Candidate> {
    let others: &[Candidate] = if scenario.fleet { &fleet::CANDIDATES } else { &WORKERS };
    std::iter::once(CENTRAL).chain(others.iter().copied()).collect()
}
