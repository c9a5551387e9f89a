//! What is measured while a limiter decides, by books of its own: nothing here believes the limiter.

use crate::{
    limiter::{Admitted, Settlement, Source},
    scenario::{MILLI, SECOND, Scenario},
    traffic::Arrival,
};

/// Two decisions this close are at the same instant.
const INSTANT: u64 = MILLI;
/// Amounts this small are rounding.
const CRUMB: f64 = 1e-3;

/// What a run has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Findings {
    pub(crate) requests: u64,
    pub(crate) offered: f64,
    pub(crate) admitted: f64,
    /// Tokens of the best tier, and what was refused of them.
    pub(crate) best_offered: f64,
    pub(crate) best_refused: f64,
    /// *conservation*: most tokens admitted beyond C·t + B in any interval, net of refunds and of charges beyond estimates.
    pub(crate) overshoot: f64,
    /// *guarantee*: demand within funded reservations, what was refused of it, and the most of one customer in a row.
    pub(crate) conforming: f64,
    pub(crate) broken: f64,
    pub(crate) broken_in_a_row: f64,
    /// *priority*: pool tokens that went to a lower tier while a better one was refused as much.
    pub(crate) inverted: f64,
}

/// The books of one run.
#[derive(Debug)]
pub(crate) struct Audit {
    scenario: Scenario,
    findings: Findings,
    /// The bucket (C, B) that all admissions must fit into.
    level: f64,
    at: u64,
    /// Charges beyond estimates that may not have been made good.
    debt: f64,
    customers: Vec<Customer>,
    /// When each floor was last refused the pool, and how much.
    refusals: Vec<(f64, u64, f64)>,
}

/// A customer's reservation, by the letter: what conforms to it.
#[derive(Clone, Copy, Debug, Default)]
struct Customer {
    level: f64,
    at: u64,
    /// Refused in a row.
    broken: f64,
}

impl Audit {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        Self {
            level: scenario.burst,
            at: 0,
            debt: 0.0,
            findings: Findings::default(),
            customers: vec![Customer::default(); scenario.customers.len()],
            refusals: Vec::new(),
            scenario: scenario.clone(),
        }
    }

    pub(crate) const fn findings(&self) -> Findings {
        self.findings
    }

    /// Notes a decision.
    pub(crate) fn decided(&mut self, arrival: &Arrival, admitted: Option<Admitted>) {
        self.pass(arrival.at);
        let cost = arrival.cost as f64;
        let index = usize::from(arrival.customer);
        let floor = self.scenario.customers.get(index).map_or(0.0, |customer| customer.floor);
        let best = self.scenario.customers.iter().map(|customer| customer.floor).fold(1.0, f64::min);
        self.findings.requests += 1;
        self.findings.offered += cost;
        if floor <= best {
            self.findings.best_offered += cost;
            self.findings.best_refused += if admitted.is_some() { 0.0 } else { cost };
        }
        self.conforms(index, arrival.at, cost, admitted.is_some());
        match admitted {
            None => self.refused(floor, arrival.at, cost),
            Some((source, _)) => {
                if source == Source::Pool {
                    self.inverts(floor, arrival.at, cost);
                }
                self.findings.admitted += cost;
                self.spend(cost);
            }
        }
    }

    /// Notes that an actual cost became known.
    pub(crate) fn settled(&mut self, settlement: &Settlement, now: u64) {
        self.pass(now);
        let beyond = settlement.actual as f64 - settlement.estimate as f64;
        self.findings.admitted += beyond;
        if beyond > 0.0 {
            // Nobody could have refused it; it is owed and must hold the next ones back.
            self.level -= beyond;
            self.debt += beyond;
        } else {
            self.level = (self.level - beyond).min(self.scenario.burst);
            let step = self.scenario.step(now);
            let own =
                self.scenario.customers.get(settlement.customer).map(|customer| customer.reserved_at(step));
            if let (Some(customer), Some((_, depth))) = (self.customers.get_mut(settlement.customer), own) {
                customer.level = (customer.level - beyond).min(depth);
            }
        }
    }

    fn spend(&mut self, cost: f64) {
        self.level -= cost;
        let beyond = -self.level - self.debt;
        if beyond > CRUMB {
            self.findings.overshoot = self.findings.overshoot.max(beyond);
        }
    }

    fn pass(&mut self, now: u64) {
        let gained = self.scenario.capacity * now.saturating_sub(self.at) as f64 / SECOND as f64;
        self.at = self.at.max(now);
        self.level = (self.level + gained).min(self.scenario.burst);
        // Reserved buckets may be drawn on while the pool works off a debt. With this much there, no bucket and no lease
        // can hide that it has not.
        let reserved = self.scenario.reserved_depth(self.scenario.step(now));
        if self.level >= reserved + (self.scenario.burst - reserved) / 4.0 {
            self.debt = 0.0;
        }
    }

    fn conforms(&mut self, index: usize, now: u64, cost: f64, admitted: bool) {
        let step = self.scenario.step(now);
        let Some(own) = self.scenario.customers.get(index) else { return };
        let Some(customer) = self.customers.get_mut(index) else { return };
        // Step by step: rates and depths are those of the time.
        let step_ns = self.scenario.faults.step_s.map_or(u64::MAX, |step_s| (step_s * SECOND as f64) as u64);
        let mut at = customer.at;
        while at < now {
            let current = self.scenario.step(at);
            let until = if current == step { now } else { (current as u64 + 1) * step_ns };
            let (rate, depth) = own.reserved_at(current);
            customer.level = (customer.level + rate * (until - at) as f64 / SECOND as f64).min(depth);
            at = until;
        }
        customer.at = now;
        customer.level = customer.level.min(own.reserved_at(step).1);
        if own.reserved.is_empty() || customer.level < cost + CRUMB {
            customer.level -= if admitted { cost.min(customer.level) } else { 0.0 };
            return;
        }
        self.findings.conforming += cost;
        if admitted {
            customer.level -= cost;
            customer.broken = 0.0;
        } else {
            customer.broken += cost;
            self.findings.broken += cost;
            self.findings.broken_in_a_row = self.findings.broken_in_a_row.max(customer.broken);
        }
    }

    fn refused(&mut self, floor: f64, now: u64, cost: f64) {
        match self.refusals.iter_mut().find(|(refused, ..)| (refused - floor).abs() < 1e-9) {
            Some(refusal) => *refusal = (floor, now, cost),
            None => self.refusals.push((floor, now, cost)),
        }
    }

    fn inverts(&mut self, floor: f64, now: u64, cost: f64) {
        let inverts = self
            .refusals
            .iter()
            .any(|(better, at, refused)| *better < floor && now - at < INSTANT && *refused <= cost);
        if inverts {
            self.findings.inverted += cost;
        }
    }
}
