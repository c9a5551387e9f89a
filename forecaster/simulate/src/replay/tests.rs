//! The order of events, with a limiter made of nothing but a queue.

use std::collections::VecDeque;

use tidegate_core::{Class, Source};

use super::*;

/// Lets everybody wait, and releases one request every so often; the last ones never.
struct Queue {
    waiting: VecDeque<Ticket>,
    tickets: u64,
    every_ns: u64,
    next: Timestamp,
    lost: usize,
}

impl Limiter for Queue {
    fn decide(&mut self, _arrival: &Arrival, _key: &str, now: Timestamp) -> Verdict {
        self.tickets += 1;
        if self.waiting.is_empty() {
            self.next = now.plus(self.every_ns);
        }
        self.waiting.push_back(Ticket(self.tickets));
        Verdict::Wait(Ticket(self.tickets))
    }

    fn release(&mut self, now: Timestamp) -> Option<(Ticket, Verdict)> {
        if now < self.next || self.waiting.len() <= self.lost {
            return None;
        }
        self.next = self.next.plus(self.every_ns);
        let passed = Passed { source: Source::Opportunistic, receipt: None };
        self.waiting.pop_front().map(|ticket| (ticket, Verdict::Admit(passed)))
    }

    fn next_release(&mut self, _now: Timestamp) -> Option<Timestamp> {
        (self.waiting.len() > self.lost).then_some(self.next)
    }

    fn tick(&mut self, now: Timestamp) -> Result<Timestamp, Error> {
        Ok(now.plus(1_000))
    }
}

fn trace(times_ns: &[u64]) -> Trace {
    let mut trace = Trace::default();
    trace.keys.index("k");
    trace.resources.index("requests");
    let arrival = |at_ns: &u64| Arrival {
        at_ns: *at_ns,
        cost: 1,
        actual: None,
        key: 0,
        resource: 0,
        class: Class::Standard,
    };
    trace.arrivals = times_ns.iter().map(arrival).collect();
    trace
}

fn outcomes(times_ns: &[u64], lost: usize) -> Vec<(u64, Option<u64>)> {
    let mut queue =
        Queue { waiting: VecDeque::new(), tickets: 0, every_ns: 100, next: Timestamp::default(), lost };
    let mut noted = Vec::new();
    let mut note = |arrival: &Arrival, outcome: Outcome| {
        let wait_ns = match outcome {
            Outcome::Admitted { wait_ns, .. } => Some(wait_ns),
            Outcome::Refused(_) => None,
        };
        noted.push((arrival.at_ns, wait_ns));
    };
    replay(&trace(times_ns), &mut queue, Timestamp::from_nanos(0), &mut note).unwrap();
    noted
}

#[test]
fn who_waits_is_released_when_its_time_has_come_even_after_the_last_request() {
    assert_eq!(outcomes(&[10, 20, 150], 0), [(10, Some(100)), (20, Some(190)), (150, Some(160))]);
}

#[test]
fn who_would_wait_for_ever_is_refused() {
    assert_eq!(outcomes(&[10, 20, 150], 1), [(10, Some(100)), (20, Some(190)), (150, None)]);
}
