//! The client's own count: one entry per answer, per customer.

use std::{collections::BTreeMap, iter::Sum, ops::Sub};

use serde::Serialize;
use tidegate_e2e::load::{Answer, Done, Outcome};

/// What became of the requests of one customer, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Requests that got an answer.
    pub(crate) offered: u64,
    /// Admitted from a reservation.
    pub(crate) guaranteed: u64,
    /// Admitted from the pool.
    pub(crate) opportunistic: u64,
    /// Admitted in another way.
    pub(crate) otherwise_admitted: u64,
    /// Refused by the customer's own contract (429).
    pub(crate) refused_contract: u64,
    /// Refused because capacity was short (503).
    pub(crate) refused_shortage: u64,
}

/// What the client counted.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    customers: Vec<Counts>,
    settled: BTreeMap<String, u64>,
    problems: BTreeMap<String, u64>,
}

impl Counts {
    /// Requests that reached the upstream.
    pub(crate) fn admitted(&self) -> u64 {
        self.guaranteed + self.opportunistic + self.otherwise_admitted
    }

    /// Requests that did not.
    pub(crate) fn refused(&self) -> u64 {
        self.refused_contract + self.refused_shortage
    }
}

impl Tally {
    /// Nothing counted yet.
    pub(crate) fn new(customers: usize) -> Self {
        Self {
            customers: vec![Counts::default(); customers],
            settled: BTreeMap::new(),
            problems: BTreeMap::new(),
        }
    }

    /// Counts one outcome.
    pub(crate) fn count(&mut self, done: Done) {
        match done.outcome {
            Outcome::Answered(answer) => self.answer(done.who, &answer),
            Outcome::Failed(why) => self.problem(format!("no response: {why}")),
            Outcome::NotSent => self.problem("not sent, too many under way".into()),
        }
    }

    /// The counts of one customer.
    pub(crate) fn of(&self, who: usize) -> Counts {
        self.customers.get(who).copied().unwrap_or_default()
    }

    /// The counts of all customers.
    pub(crate) fn all(&self) -> Counts {
        self.customers.iter().copied().sum()
    }

    /// The actual cost of admitted requests, as the upstream told it, by header suffix.
    pub(crate) fn settled(&self, suffix: &str) -> u64 {
        self.settled.get(suffix).copied().unwrap_or_default()
    }

    /// What should never happen, and how often it did.
    pub(crate) fn problems(&self) -> impl Iterator<Item = (&str, u64)> {
        self.problems.iter().map(|(what, times)| (what.as_str(), *times))
    }

    fn answer(&mut self, who: usize, answer: &Answer) {
        let Some(counts) = self.customers.get_mut(who) else { return };
        counts.offered += 1;
        let decision = answer.decision.as_deref().unwrap_or_default();
        match answer.status {
            200 if decision == "guaranteed" => counts.guaranteed += 1,
            200 if decision == "opportunistic" => counts.opportunistic += 1,
            200 => counts.otherwise_admitted += 1,
            429 if answer.refused() => counts.refused_contract += 1,
            503 if answer.refused() => counts.refused_shortage += 1,
            status => self.problem(format!("status {status} that is not the plugin's")),
        }
        for (name, total) in &answer.totals {
            *self.settled.entry(name.clone()).or_default() += total;
        }
    }

    fn problem(&mut self, what: String) {
        *self.problems.entry(what).or_default() += 1;
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            offered: self.offered - earlier.offered,
            guaranteed: self.guaranteed - earlier.guaranteed,
            opportunistic: self.opportunistic - earlier.opportunistic,
            otherwise_admitted: self.otherwise_admitted - earlier.otherwise_admitted,
            refused_contract: self.refused_contract - earlier.refused_contract,
            refused_shortage: self.refused_shortage - earlier.refused_shortage,
        }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            offered: sum.offered + one.offered,
            guaranteed: sum.guaranteed + one.guaranteed,
            opportunistic: sum.opportunistic + one.opportunistic,
            otherwise_admitted: sum.otherwise_admitted + one.otherwise_admitted,
            refused_contract: sum.refused_contract + one.refused_contract,
            refused_shortage: sum.refused_shortage + one.refused_shortage,
        })
    }
}
