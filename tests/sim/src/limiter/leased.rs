//! Leases from shared books: the product's own code, with everything that may happen to it.

use tidegate_core::{
    Amount, Rate, Timestamp,
    lease::{Ask, AtomicCells, Birth, Broker, Course, Lease, SharedBucket, Terms},
    units::MicroRate,
};

use super::{Admitted, Limiter, Operations, Settlement, Source};
use crate::{
    counted::Counted,
    random::Random,
    scenario::{MILLI, SECOND, Scenario},
    traffic::{Arrival, Fault},
};

/// How often a worker looks whether its lease is idle.
const TICK: u64 = 50 * MILLI;
/// Cells for reserved buckets.
const CELLS: u32 = 1_024;

/// Workers with leases.
pub(super) struct Leased {
    scenario: Scenario,
    seed: u64,
    broker: Broker<Counted<AtomicCells>>,
    workers: Vec<Worker>,
    next_tick: u64,
    /// Whether every worker has its part of each reserved bucket.
    splits_buckets: bool,
    /// Whether workers lease at all, or ask for every request.
    leases: bool,
    /// Whether there have been books: the mark that a proxy keeps elsewhere.
    were_there: bool,
    /// Whether books that were lost begin full.
    is_reborn_full: bool,
    /// What was counted before the books were lost.
    before: Operations,
}

#[derive(Clone, Default)]
struct Worker {
    lease: Lease,
    /// Until when a customer's bucket cannot cover a request.
    short_until: Vec<u64>,
    is_alive: bool,
}

impl Leased {
    pub(super) fn of(scenario: &Scenario, seed: u64) -> Self {
        let worker = Worker {
            lease: Lease::default(),
            short_until: vec![0; scenario.customers.len()],
            is_alive: true,
        };
        Self {
            scenario: scenario.clone(),
            seed,
            broker: Broker::new(Counted::new(AtomicCells::new(1 + CELLS)), 1),
            workers: vec![worker; scenario.workers],
            next_tick: TICK,
            splits_buckets: false,
            leases: true,
            were_there: false,
            is_reborn_full: false,
            before: Operations::default(),
        }
    }

    pub(super) fn with_split_buckets(scenario: &Scenario, seed: u64) -> Self {
        Self { splits_buckets: true, ..Self::of(scenario, seed) }
    }

    pub(super) fn asking_always(scenario: &Scenario, seed: u64) -> Self {
        Self { leases: false, ..Self::of(scenario, seed) }
    }

    pub(super) fn reborn_full(scenario: &Scenario, seed: u64) -> Self {
        Self { is_reborn_full: true, ..Self::of(scenario, seed) }
    }

    /// The step of the plan that a worker has heard of: 0.1 to 5 ms after it began.
    fn step(&self, worker: usize, now: u64) -> usize {
        let step = self.scenario.step(now);
        let mut random = Random::new(self.seed, 10_000 + (step * 64 + worker) as u64);
        let heard = (random.between(0.1, 5.0) * MILLI as f64) as u64;
        if self.scenario.faults.step_s.is_some() { self.scenario.step(now.saturating_sub(heard)) } else { 0 }
    }

    fn began(&self, step: usize) -> Timestamp {
        Timestamp::from_nanos(self.scenario.began(step))
    }

    fn terms(&self, step: usize) -> Terms {
        let scenario = &self.scenario;
        Terms {
            epoch: 1,
            step: step as u32,
            since: self.began(step),
            capacity: rate(scenario.capacity),
            burst: amount(scenario.burst),
            reserved_rate: rate(scenario.reserved_rate(step)),
            reserved_depth: amount(scenario.reserved_depth(step)),
            workers: if self.leases { scenario.workers as u32 } else { u32::MAX },
            birth: if self.were_there && !self.is_reborn_full { Birth::Lost } else { Birth::First },
        }
    }

    /// The steps of a customer's reservation, one after the other.
    fn steps(&self, customer: usize, step: usize) -> Vec<(Rate, Amount)> {
        let part = if self.splits_buckets { 1.0 / self.scenario.workers as f64 } else { 1.0 };
        let from = step.saturating_sub(3);
        let reserved = |step| {
            let found = self.scenario.customers.get(customer).map(|customer| customer.reserved_at(step));
            let (per_s, depth) = found.unwrap_or_default();
            (rate(per_s * part), amount(depth * part))
        };
        (from..=step).map(reserved).collect()
    }

    fn with_bucket<T>(
        &mut self,
        worker: usize,
        customer: usize,
        step: usize,
        act: impl FnOnce(&Broker<Counted<AtomicCells>>, &mut Lease, &SharedBucket<'_>) -> T,
    ) -> Option<T> {
        let steps = self.steps(customer, step);
        if steps.iter().all(|(_, depth)| *depth == Amount::ZERO) {
            return None;
        }
        let course = Course {
            reserved_since: Timestamp::default(),
            starts_at: self.began(step.saturating_sub(3)),
            step_ns: self.scenario.faults.step_s.map_or(u64::MAX, |step_s| (step_s * SECOND as f64) as u64),
            steps: &steps,
        };
        let name = 1 + customer as u64 + if self.splits_buckets { 100 * worker as u64 } else { 0 };
        let lease = &mut self.workers.get_mut(worker)?.lease;
        Some(act(
            &self.broker,
            lease,
            &SharedBucket { name: name.wrapping_mul(0x9e37_79b9_7f4a_7c15), course },
        ))
    }

    /// From the reserved bucket, alone or together with the pool.
    fn decide_reserved(
        &mut self,
        arrival: &Arrival,
        ask: Ask,
        terms: &Terms,
        step: usize,
    ) -> Option<Admitted> {
        let (worker, customer) = (usize::from(arrival.worker), usize::from(arrival.customer));
        let clock = Timestamp::from_nanos(arrival.clock);
        if self.workers.get(worker)?.short_until.get(customer).is_some_and(|until| arrival.clock < *until) {
            return None;
        }
        let (paid, level) = self.with_bucket(worker, customer, step, |broker, lease, bucket| {
            let Err(level) = broker.draw_reserved(0, lease, bucket, ask.cost, terms, clock) else {
                return (Some(ask.cost), ask.cost);
            };
            // Together with the pool, where it has the rest.
            let rest = Ask { cost: amount(ask.cost.as_f64() - level.as_f64()), ..ask };
            if level <= Amount::ZERO
                || lease.time_to(rest.cost, rest.keep, clock) != Some(0)
                || broker.draw_reserved(0, lease, bucket, level, terms, clock).is_err()
            {
                return (None, level);
            }
            if broker.draw(0, lease, rest, terms, clock) {
                return (Some(level), level);
            }
            broker.refund(0, lease, level, Some((bucket, level)), terms, clock);
            (None, level)
        })?;
        if let Some(paid) = paid {
            return Some((Source::Reserved, paid.as_f64()));
        }
        let (per_s, _) = self.scenario.customers.get(customer)?.reserved_at(step);
        let part = if self.splits_buckets { self.scenario.workers as f64 } else { 1.0 };
        let missing = (ask.cost.as_f64() - level.as_f64()).max(0.0);
        let pause = (missing * part / per_s.max(1e-9) * SECOND as f64).min(10.0 * MILLI as f64);
        *self.workers.get_mut(worker)?.short_until.get_mut(customer)? = arrival.clock + pause as u64;
        None
    }
}

impl Limiter for Leased {
    fn decide(&mut self, arrival: &Arrival) -> Option<Admitted> {
        let (worker, customer) = (usize::from(arrival.worker), usize::from(arrival.customer));
        let step = self.step(worker, arrival.clock);
        let terms = self.terms(step);
        let floor = self.scenario.customers.get(customer)?.floor;
        let keep = amount(terms.pool_cap().as_f64() * floor);
        self.were_there = true;
        let ask = Ask { cost: Amount::from_tokens(arrival.cost), keep };
        let clock = Timestamp::from_nanos(arrival.clock);
        if self.broker.draw(0, &mut self.workers.get_mut(worker)?.lease, ask, &terms, clock) {
            return Some((Source::Pool, 0.0));
        }
        self.decide_reserved(arrival, ask, &terms, step)
    }

    fn settle(&mut self, settlement: &Settlement, now: u64) {
        let Settlement { worker, customer, estimate, actual, reserved } = *settlement;
        if !self.workers.get(worker).is_some_and(|worker| worker.is_alive) {
            return;
        }
        let step = self.step(worker, now);
        let terms = self.terms(step);
        let clock = Timestamp::from_nanos(now);
        if actual >= estimate {
            let charge = Amount::from_tokens(actual - estimate);
            if let Some(worker) = self.workers.get_mut(worker) {
                self.broker.charge(0, &mut worker.lease, charge, &terms, clock);
            }
            return;
        }
        let refund = Amount::from_tokens(estimate - actual);
        let paid = amount(reserved);
        let done = self.with_bucket(worker, customer, step, |broker, lease, bucket| {
            broker.refund(0, lease, refund, Some((bucket, paid)), &terms, clock);
        });
        if let (None, Some(worker)) = (done, self.workers.get_mut(worker)) {
            self.broker.refund(0, &mut worker.lease, refund, None, &terms, clock);
        }
    }

    fn suffer(&mut self, fault: Fault, _: u64) {
        match fault {
            Fault::Crash(index) | Fault::Restart(index) => {
                let customers = self.scenario.customers.len();
                if let Some(worker) = self.workers.get_mut(index) {
                    let is_alive = matches!(fault, Fault::Restart(_));
                    *worker = Worker { lease: Lease::default(), short_until: vec![0; customers], is_alive };
                }
            }
            Fault::Reset => {
                self.before = self.operations();
                self.broker = Broker::new(Counted::new(AtomicCells::new(1 + CELLS)), 1);
                if self.is_reborn_full {
                    // Nobody remembers that there were books.
                    self.workers.iter_mut().for_each(|worker| worker.lease = Lease::default());
                }
            }
            Fault::Jump(..) => {}
        }
    }

    fn due(&self) -> u64 {
        self.next_tick
    }

    fn act(&mut self, now: u64) {
        self.next_tick = now + TICK;
        for index in 0..self.workers.len() {
            let terms = self.terms(self.step(index, now));
            let clock = Timestamp::from_nanos(now);
            let Some(worker) = self.workers.get_mut(index) else { continue };
            if worker.is_alive && worker.lease.is_idle(clock) {
                self.broker.give_back(0, &mut worker.lease, &terms, clock);
            }
        }
    }

    fn operations(&self) -> Operations {
        let (reads, writes) = self.broker.cells().counts();
        Operations { reads: self.before.reads + reads, writes: self.before.writes + writes }
    }
}

fn rate(per_s: f64) -> Rate {
    Rate::from_micro_per_s(MicroRate::from_per_s(per_s))
}

/// Fractions of a token below a millionth are cut.
fn amount(tokens: f64) -> Amount {
    rate(tokens).over(SECOND)
}
