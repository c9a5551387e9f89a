//! Traffic and faults of a scenario, drawn once per seed, so that every limiter meets the very same.
//!
//! A proxy balances connections, not requests: a connection stays with a worker for its life and sends in bursts, so a
//! worker's load is what its few heavy connections do just now.

use std::collections::BinaryHeap;

use crate::{
    random::Random,
    scenario::{Cost, Customer, MILLI, SECOND, Scenario},
};

/// A worker that crashed is back after this.
const RESTART: u64 = SECOND / 2;

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// When it is decided.
    pub(crate) at: u64,
    /// When the worker read the clock for it; before `at` if it was held up in between.
    pub(crate) clock: u64,
    pub(crate) worker: u16,
    pub(crate) customer: u16,
    pub(crate) cost: u64,
    /// The actual cost, and when it is known.
    pub(crate) settles: Option<(u64, u64)>,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// A worker dies with what it holds.
    Crash(usize),
    /// It is back, with nothing.
    Restart(usize),
    /// The broker forgets everything.
    Reset,
    /// A proxy's wall clock jumps, by ns.
    Jump(usize, i64),
}

/// Everything that happens in a scenario.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// In the order of `at`.
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) faults: Vec<(u64, Fault)>,
}

/// A connection's next request, first come first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Next(std::cmp::Reverse<u64>, usize);

struct Connection {
    customer: usize,
    worker: usize,
    closes: u64,
    /// The present spell and whether it sends.
    turns: u64,
    sends: bool,
    random: Random,
}

impl Traffic {
    pub(crate) fn of(scenario: &Scenario, seed: u64) -> Self {
        let faults = faults(scenario, seed);
        let mut arrivals = arrivals(scenario, &outages(&faults), seed);
        if let Some(every_s) = scenario.faults.stall_every_s {
            stall(&mut arrivals, scenario, every_s, seed);
        }
        Self { arrivals, faults }
    }
}

fn faults(scenario: &Scenario, seed: u64) -> Vec<(u64, Fault)> {
    let mut random = Random::new(seed, 1);
    let mut found = Vec::new();
    let end = scenario.end();
    let times = |every_s: Option<f64>, random: &mut Random| {
        let mut times = Vec::new();
        let mut now = 0;
        while let Some(every_s) = every_s {
            now += (random.exponential(every_s) * SECOND as f64) as u64;
            if now >= end {
                break;
            }
            times.push(now);
        }
        times
    };
    let mut back = vec![0; scenario.workers];
    for at in times(scenario.faults.crash_every_s, &mut random) {
        let worker = random.below(scenario.workers);
        if let Some(back) = back.get_mut(worker).filter(|back| **back <= at) {
            *back = at + RESTART;
            found.extend([(at, Fault::Crash(worker)), (at + RESTART, Fault::Restart(worker))]);
        }
    }
    found.extend(times(scenario.faults.reset_every_s, &mut random).into_iter().map(|at| (at, Fault::Reset)));
    for at in times(scenario.faults.jump_every_s, &mut random) {
        let by = random.between(-10.0, 10.0) * SECOND as f64;
        found.push((at, Fault::Jump(random.below(scenario.workers), by as i64)));
    }
    found.sort_by_key(|(at, _)| *at);
    found
}

/// Per worker, from when until when it is not there.
fn outages(faults: &[(u64, Fault)]) -> Vec<(usize, u64, u64)> {
    let crash = |(at, fault): &(u64, Fault)| match fault {
        Fault::Crash(worker) => Some((*worker, *at, *at + RESTART)),
        _ => None,
    };
    faults.iter().filter_map(crash).collect()
}

fn arrivals(scenario: &Scenario, outages: &[(usize, u64, u64)], seed: u64) -> Vec<Arrival> {
    let is_out = |worker: usize, now: u64| {
        outages.iter().any(|(out, from, until)| *out == worker && (*from..*until).contains(&now))
    };
    // Which connections die when: a crash closes them.
    let mut dispatch = Random::new(seed, 2);
    let mut place = |now: u64| {
        for _ in 0..64 {
            let worker = dispatch.below(scenario.workers);
            if !is_out(worker, now) {
                return worker;
            }
        }
        0
    };
    let mut connections = Vec::new();
    for (index, customer) in scenario.customers.iter().enumerate() {
        for _ in 0..customer.connections {
            let random = Random::new(seed, 1_000 + connections.len() as u64);
            let mut connection =
                Connection { customer: index, worker: place(0), closes: 0, turns: 0, sends: false, random };
            connection.sends = connection.random.unit() < customer.duty;
            connection.closes = connection.lifetime(scenario, 0);
            connections.push(connection);
        }
    }
    let mut queue: BinaryHeap<Next> =
        (0..connections.len()).map(|index| Next(std::cmp::Reverse(0), index)).collect();
    let mut arrivals = Vec::new();
    while let Some(Next(std::cmp::Reverse(at), index)) = queue.pop() {
        let Some(connection) = connections.get_mut(index) else { continue };
        let Some(customer) = scenario.customers.get(connection.customer) else { continue };
        if at > 0 {
            if at >= connection.closes || is_out(connection.worker, at) {
                connection.worker = place(at);
                connection.closes = connection.lifetime(scenario, at);
            }
            arrivals.push(connection.request(customer, at));
        }
        let next = connection.next_request(customer, at);
        if next < scenario.end() {
            queue.push(Next(std::cmp::Reverse(next), index));
        }
    }
    arrivals
}

impl Connection {
    fn lifetime(&mut self, scenario: &Scenario, now: u64) -> u64 {
        now + (self.random.exponential(scenario.connection_s) * SECOND as f64) as u64
    }

    fn request(&mut self, customer: &Customer, at: u64) -> Arrival {
        let cost = customer.cost.estimate();
        let settles = match customer.cost {
            Cost::One => None,
            Cost::Settled { estimate, least, most } => {
                let actual = (estimate as f64 * self.random.between(least, most)) as u64;
                Some((actual, at + (self.random.exponential(0.5) * SECOND as f64) as u64))
            }
        };
        Arrival { at, clock: at, worker: self.worker as u16, customer: self.customer as u16, cost, settles }
    }

    /// Poisson while it sends, nothing while it does not; spells of a second on average when it does.
    fn next_request(&mut self, customer: &Customer, now: u64) -> u64 {
        let per_s =
            customer.rate / customer.cost.estimate() as f64 / customer.connections as f64 / customer.duty;
        let mut at = now;
        loop {
            if self.turns <= at && customer.duty < 1.0 {
                self.sends = !self.sends;
                let spell_s = if self.sends { 1.0 } else { (1.0 - customer.duty) / customer.duty };
                self.turns = at + (self.random.exponential(spell_s) * SECOND as f64) as u64 + 1;
            }
            if customer.duty < 1.0 && !self.sends {
                at = self.turns;
                continue;
            }
            let next = at + (self.random.exponential(1.0 / per_s) * SECOND as f64) as u64 + 1;
            if customer.duty >= 1.0 || next <= self.turns {
                return next;
            }
            at = self.turns;
        }
    }
}

/// Holds workers up: whatever falls into a stall is decided at its end, the first of it by a clock read before.
fn stall(arrivals: &mut [Arrival], scenario: &Scenario, every_s: f64, seed: u64) {
    for worker in 0..scenario.workers {
        let mut random = Random::new(seed, 100 + worker as u64);
        let mut draw = |after: u64| {
            let from = after + (random.exponential(every_s) * SECOND as f64) as u64;
            (from, from + (random.between(0.1, 5.0) * MILLI as f64) as u64)
        };
        let (mut from, mut until) = draw(0);
        let mut is_first = true;
        for arrival in arrivals.iter_mut().filter(|arrival| usize::from(arrival.worker) == worker) {
            while arrival.at >= until {
                (from, until) = draw(until);
                is_first = true;
            }
            if arrival.at >= from {
                arrival.clock = if is_first { arrival.at } else { until };
                arrival.at = until;
                is_first = false;
            }
        }
    }
    arrivals.sort_by_key(|arrival| arrival.at);
}
