//! The client's own count in one arm: one entry per answer, per customer.

use std::{collections::BTreeMap, iter::Sum, ops::Sub, time::Duration};

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
    /// Admitted in another way: by Envoy's own limiter.
    pub(crate) otherwise_admitted: u64,
    /// Refused by the customer's own contract or bucket (429).
    pub(crate) refused_contract: u64,
    /// Refused because capacity was short (503).
    pub(crate) refused_shortage: u64,
}

/// What the client counted.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Envoy's own limiter refuses without a problem document.
    native: bool,
    learning: Duration,
    customers: Vec<Counts>,
    measured: Vec<Counts>,
    admitted_at: Vec<Duration>,
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

    fn count(&mut self, answer: &Answer) {
        self.offered += 1;
        match (answer.status, answer.decision.as_deref()) {
            (200, Some("guaranteed")) => self.guaranteed += 1,
            (200, Some("opportunistic")) => self.opportunistic += 1,
            (200, _) => self.otherwise_admitted += 1,
            (429, _) => self.refused_contract += 1,
            _ => self.refused_shortage += 1,
        }
    }
}

impl Tally {
    /// Nothing counted yet; what is due within `learning` does not count as measured.
    pub(crate) fn new(customers: usize, learning: Duration, native: bool) -> Self {
        Self {
            native,
            learning,
            customers: vec![Counts::default(); customers],
            measured: vec![Counts::default(); customers],
            admitted_at: Vec::new(),
            settled: BTreeMap::new(),
            problems: BTreeMap::new(),
        }
    }

    /// Counts one outcome.
    pub(crate) fn count(&mut self, done: &Done) {
        match &done.outcome {
            Outcome::Answered(answer) => self.answer(done, answer),
            Outcome::Failed(why) => self.problem(format!("no response: {why}")),
            Outcome::NotSent => self.problem("not sent, too many under way".into()),
        }
    }

    /// The counts of each customer.
    pub(crate) fn customers(&self) -> &[Counts] {
        &self.customers
    }

    /// The counts of each customer since the end of the learning.
    pub(crate) fn measured(&self) -> &[Counts] {
        &self.measured
    }

    /// The counts of all customers.
    pub(crate) fn all(&self) -> Counts {
        self.customers.iter().copied().sum()
    }

    /// The most that was admitted within any second after the learning, by the time of sending.
    pub(crate) fn highest_in_a_second(&self) -> usize {
        let mut times = self.admitted_at.clone();
        times.sort_unstable();
        let (mut highest, mut first) = (0, times.iter().peekable());
        for (position, time) in times.iter().enumerate() {
            while first.next_if(|first| **first + Duration::from_secs(1) <= *time).is_some() {}
            highest = highest.max(position + 1 + first.len() - times.len());
        }
        highest
    }

    /// The actual cost of admitted requests, as the upstream told it, by header suffix.
    pub(crate) fn settled(&self, suffix: &str) -> u64 {
        self.settled.get(suffix).copied().unwrap_or_default()
    }

    /// What should never happen, and how often it did.
    pub(crate) fn problems(&self) -> impl Iterator<Item = (&str, u64)> {
        self.problems.iter().map(|(what, times)| (what.as_str(), *times))
    }

    fn answer(&mut self, done: &Done, answer: &Answer) {
        let refused = if self.native { answer.status == 429 } else { answer.refused() };
        if !answer.admitted() && !refused {
            self.problem(format!("status {} that is not the limiter's", answer.status));
        }
        let measured = done.due >= self.learning;
        if measured && answer.admitted() {
            self.admitted_at.push(done.sent);
        }
        let slots = [self.customers.get_mut(done.who), self.measured.get_mut(done.who).filter(|_| measured)];
        slots.into_iter().flatten().for_each(|counts| counts.count(answer));
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
