//! The reference: one budget for all workers, always up to date, never failing.

use super::{Admitted, Limiter, Settlement, bucket::Budget};
use crate::{
    scenario::Scenario,
    traffic::{Arrival, Fault},
};

/// One exact budget.
#[derive(Debug)]
pub(super) struct Central {
    scenario: Scenario,
    budget: Budget,
    step: usize,
}

impl Central {
    pub(super) fn of(scenario: &Scenario) -> Self {
        let budget = Budget::new(scenario.capacity, scenario.burst, &reservations(scenario, 0));
        Self { scenario: scenario.clone(), budget, step: 0 }
    }

    fn turn(&mut self, now: u64) {
        while self.step < self.scenario.step(now) {
            self.step += 1;
            let reserved = reservations(&self.scenario, self.step);
            let began = self.scenario.began(self.step);
            self.budget.resize(self.scenario.capacity, self.scenario.burst, &reserved, began);
        }
    }
}

/// Rates and depths of all customers in a step.
pub(super) fn reservations(scenario: &Scenario, step: usize) -> Vec<(f64, f64)> {
    scenario.customers.iter().map(|customer| customer.reserved_at(step)).collect()
}

impl Limiter for Central {
    fn decide(&mut self, arrival: &Arrival) -> Option<Admitted> {
        self.turn(arrival.at);
        let customer = usize::from(arrival.customer);
        let floor = self.scenario.customers.get(customer)?.floor;
        self.budget.decide(customer, arrival.cost as f64, floor, arrival.at)
    }

    fn settle(&mut self, settlement: &Settlement, now: u64) {
        let amount = settlement.actual as f64 - settlement.estimate as f64;
        self.budget.charge(settlement.customer, amount, settlement.reserved, now);
    }

    fn suffer(&mut self, _: Fault, _: u64) {}

    fn due(&self) -> u64 {
        u64::MAX
    }

    fn act(&mut self, _: u64) {}
}
