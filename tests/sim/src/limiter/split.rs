//! Every worker has a part of everything: a fixed one, or one that follows its requests.

use super::{Admitted, Limiter, Settlement, bucket::Budget, central::reservations};
use crate::{
    random::Random,
    scenario::{MILLI, Scenario},
    traffic::{Arrival, Fault},
};

/// How often a worker tells the others its load.
const BEAT: u64 = 250 * MILLI;
/// A worker without requests keeps this part of an equal one.
const IDLE_PART: f64 = 16.0;
/// Parts change by this much of the whole at least.
const CHANGE: f64 = 1.0 / 32.0;

/// Parts of one budget.
#[derive(Debug)]
pub(super) struct Split {
    scenario: Scenario,
    follows_load: bool,
    workers: Vec<Worker>,
    step: usize,
}

#[derive(Clone, Debug)]
struct Worker {
    budget: Budget,
    part: f64,
    /// Requests since the last beat, and per beat, smoothed, as the others see it.
    requests: f64,
    load: f64,
    next_beat: u64,
    is_alive: bool,
}

impl Split {
    pub(super) fn fixed(scenario: &Scenario) -> Self {
        Self::new(scenario, false, 0)
    }

    pub(super) fn by_load(scenario: &Scenario, seed: u64) -> Self {
        Self::new(scenario, true, seed)
    }

    fn new(scenario: &Scenario, follows_load: bool, seed: u64) -> Self {
        let mut random = Random::new(seed, 50);
        let part = 1.0 / scenario.workers as f64;
        let (capacity, burst, reserved) = parts(scenario, 0, part);
        let mut worker = || Worker {
            budget: Budget::new(capacity, burst, &reserved),
            part,
            requests: 0.0,
            load: 0.0,
            next_beat: (random.unit() * BEAT as f64) as u64,
            is_alive: true,
        };
        let workers = (0..scenario.workers).map(|_| worker()).collect();
        Self { scenario: scenario.clone(), follows_load, workers, step: 0 }
    }

    fn beat(&mut self, index: usize, now: u64) {
        let Some(worker) = self.workers.get_mut(index) else { return };
        worker.next_beat += BEAT;
        if !worker.is_alive {
            return;
        }
        worker.load = (worker.load + worker.requests) / 2.0;
        worker.requests = 0.0;
        let own = worker.load;
        let alive = self.workers.iter().filter(|worker| worker.is_alive);
        let (size, total) = alive.fold((0.0, 0.0), |(size, total), worker| (size + 1.0, total + worker.load));
        let by_load = if total > 0.0 { own / total } else { 1.0 / size };
        let part = 1.0 / IDLE_PART / size + (1.0 - 1.0 / IDLE_PART) * by_load;
        let Some(worker) = self.workers.get_mut(index) else { return };
        if (part - worker.part).abs() > CHANGE {
            worker.part = part;
            let (capacity, burst, reserved) = parts(&self.scenario, self.step, part);
            worker.budget.resize(capacity, burst, &reserved, now);
        }
    }
}

/// A part of capacity, burst and reservations.
fn parts(scenario: &Scenario, step: usize, part: f64) -> (f64, f64, Vec<(f64, f64)>) {
    let reserved =
        reservations(scenario, step).iter().map(|(rate, depth)| (rate * part, depth * part)).collect();
    (scenario.capacity * part, (scenario.burst * part).max(1.0), reserved)
}

impl Limiter for Split {
    fn decide(&mut self, arrival: &Arrival) -> Option<Admitted> {
        let step = self.scenario.step(arrival.at);
        if step != self.step {
            self.step = step;
            for worker in &mut self.workers {
                let (capacity, burst, reserved) = parts(&self.scenario, step, worker.part);
                worker.budget.resize(capacity, burst, &reserved, arrival.at);
            }
        }
        let customer = usize::from(arrival.customer);
        let floor = self.scenario.customers.get(customer)?.floor;
        let worker = self.workers.get_mut(usize::from(arrival.worker))?;
        worker.requests += 1.0;
        worker.budget.decide(customer, arrival.cost as f64, floor, arrival.at)
    }

    fn settle(&mut self, settlement: &Settlement, now: u64) {
        let amount = settlement.actual as f64 - settlement.estimate as f64;
        if let Some(worker) = self.workers.get_mut(settlement.worker) {
            worker.budget.charge(settlement.customer, amount, settlement.reserved, now);
        }
    }

    fn suffer(&mut self, fault: Fault, now: u64) {
        let (Fault::Crash(index) | Fault::Restart(index)) = fault else { return };
        let Some(worker) = self.workers.get_mut(index) else { return };
        worker.is_alive = matches!(fault, Fault::Restart(_));
        (worker.load, worker.requests) = (0.0, 0.0);
        // It starts with the budget that every limiter starts with: a full one.
        let (capacity, burst, reserved) = parts(&self.scenario, self.step, worker.part);
        worker.budget = Budget::new(capacity, burst, &reserved);
        worker.budget.resize(capacity, burst, &reserved, now);
    }

    fn due(&self) -> u64 {
        let beats = self.workers.iter().map(|worker| worker.next_beat).min();
        beats.filter(|_| self.follows_load).unwrap_or(u64::MAX)
    }

    fn act(&mut self, now: u64) {
        for index in 0..self.workers.len() {
            if self.workers.get(index).is_some_and(|worker| worker.next_beat <= now) {
                self.beat(index, now);
            }
        }
    }
}
