//! Two gates, one called directly and one by the component model, under a plan and with shards that share it: the same answers.

use std::time::Duration;

use tidegate_core::KeyHash;
use tidegate_host::{Decision, Gate, Key, Request, Ticket, Timestamp};

use crate::world::{START, canonical, component, market, reserve};

/// A gate, its keys, and who waits.
struct Side {
    gate: Gate,
    keys: Vec<Key>,
    tickets: Vec<Ticket>,
}

impl Side {
    fn new(component: &tidegate_host::Component) -> Self {
        let safe = tidegate_host::Budget { per_s: 100.0, burst: 10 };
        let builder = Gate::builder().component(component).resource("requests", safe);
        let gate = builder.build(START).unwrap();
        let mut table = market(START, 100.0, 10, 200);
        for number in 0..8 {
            reserve(&mut table, KeyHash::of(format!("customer-{number}").as_bytes()), 5.0, 1);
        }
        gate.apply_table(&table.encode(), START).unwrap();
        let keys = (0..24).map(|number| gate.key(format!("customer-{number}"))).collect();
        Self { gate, keys, tickets: Vec::new() }
    }

    /// What is decided now, and who is let go.
    fn step(&mut self, key: usize, cost: u64, now: Timestamp) -> (Decision, Vec<(usize, Decision)>) {
        let request = Request::new(&self.keys[key]).cost(0, cost).may_wait();
        let decision = self.gate.decide(&request, now);
        if let Decision::Wait(waiting) = &decision {
            self.tickets.push(waiting.ticket);
        }
        let released = self.gate.release(now).into_iter().map(|released| {
            let place = self.tickets.iter().position(|ticket| *ticket == released.ticket);
            (place.expect("nobody else waits"), released.decision)
        });
        let released = released.collect();
        (decision, released)
    }
}

#[test]
fn a_gate_decides_the_same_by_either_way() {
    let (mut direct, mut model) = (Side::new(component()), Side::new(canonical()));
    let (mut random, mut nanos) = (7_u64, 0_u64);
    let (mut admitted, mut waited, mut refused) = (0, 0, 0);
    for _ in 0..4_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        nanos += (random >> 40) % 15_000_000;
        let now = START.plus(Duration::from_nanos(nanos));
        let (key, cost) = ((random >> 33) as usize % 24, 1 + (random >> 50) % 3);
        let answer = direct.step(key, cost, now);
        assert_eq!(answer, model.step(key, cost, now), "after {nanos} ns");
        match answer.0 {
            Decision::Admit(_) => admitted += 1,
            Decision::Wait(_) => waited += 1,
            Decision::Refuse(_) => refused += 1,
            Decision::Unavailable { .. } => panic!("the policy failed"),
        }
    }
    assert!(admitted > 100 && waited > 100 && refused > 100, "{admitted}, {waited}, {refused}");
}
