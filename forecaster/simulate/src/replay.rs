//! The clock: requests, releases, settlements and ticks in the order of their times.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use tidegate_core::{Receipt, Timestamp};

use crate::{
    error::Error,
    limiter::{Limiter, Passed, Refused, Ticket, Verdict},
    trace::{Arrival, Trace},
};

/// A request whose cost was an estimate is settled so long after it passed.
const SERVICE_NS: u64 = 1_000_000_000;

/// What became of a request in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Admitted, after waiting so long.
    Admitted {
        passed: Passed,
        wait_ns: u64,
    },
    Refused(Refused),
}

/// Replays a trace against a limiter; `note` hears of every request once.
pub(crate) fn replay(
    trace: &Trace,
    limiter: &mut dyn Limiter,
    starts_at: Timestamp,
    note: &mut dyn FnMut(&Arrival, Outcome),
) -> Result<(), Error> {
    let mut clock = Clock {
        trace,
        limiter,
        note,
        waiting: HashMap::new(),
        settlements: BinaryHeap::new(),
        next_release: None,
        next_tick: starts_at,
    };
    for (index, arrival) in trace.arrivals.iter().enumerate() {
        let now = Timestamp::from_nanos(arrival.at_ns);
        clock.run_until(now)?;
        clock.arrive(index, arrival, now);
    }
    clock.finish()
}

struct Clock<'a> {
    trace: &'a Trace,
    limiter: &'a mut dyn Limiter,
    note: &'a mut dyn FnMut(&Arrival, Outcome),
    /// Requests that wait, by index.
    waiting: HashMap<Ticket, usize>,
    settlements: BinaryHeap<Reverse<Settlement>>,
    next_release: Option<Timestamp>,
    next_tick: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Settlement {
    at: Timestamp,
    index: usize,
    receipt: Receipt,
}

impl Ord for Settlement {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.index).cmp(&(other.at, other.index))
    }
}

impl PartialOrd for Settlement {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Clock<'_> {
    fn arrive(&mut self, index: usize, arrival: &Arrival, now: Timestamp) {
        let verdict = self.limiter.decide(arrival, self.trace.keys.name(arrival.key), now);
        self.settle_with(index, verdict, now, 0);
        self.next_release = self.limiter.next_release(now);
    }

    /// Does everything that is due up to and including `until`.
    fn run_until(&mut self, until: Timestamp) -> Result<(), Error> {
        loop {
            let settlement = self.settlements.peek().map(|Reverse(next)| next.at);
            let due = [Some(self.next_tick), settlement, self.next_release].into_iter().flatten().min();
            let Some(now) = due.filter(|due| *due <= until) else { return Ok(()) };
            self.turn(now)?;
        }
    }

    fn turn(&mut self, now: Timestamp) -> Result<(), Error> {
        while let Some(Reverse(next)) =
            self.settlements.peek().copied().filter(|Reverse(next)| next.at <= now)
        {
            self.settlements.pop();
            if let Some(arrival) = self.trace.arrivals.get(next.index) {
                let actual = arrival.actual.unwrap_or(arrival.cost);
                self.limiter.settle(next.receipt, arrival.resource, actual, now);
            }
        }
        if self.next_tick <= now {
            let next = self.limiter.tick(now)?;
            self.next_tick = next.max(now.plus(1));
        }
        while let Some((ticket, verdict)) = self.limiter.release(now) {
            if let Some(index) = self.waiting.remove(&ticket) {
                let arrived_ns = self.trace.arrivals.get(index).map_or(0, |arrival| arrival.at_ns);
                self.settle_with(index, verdict, now, now.nanos().saturating_sub(arrived_ns));
            }
        }
        self.next_release = self.limiter.next_release(now).map(|next| next.max(now.plus(1)));
        Ok(())
    }

    /// Files a verdict on the request with this index that has waited so long.
    fn settle_with(&mut self, index: usize, verdict: Verdict, now: Timestamp, waited_ns: u64) {
        let Some(arrival) = self.trace.arrivals.get(index) else { return };
        match verdict {
            Verdict::Wait(ticket) => {
                self.waiting.insert(ticket, index);
            }
            Verdict::Refuse(why) => (self.note)(arrival, Outcome::Refused(why)),
            Verdict::Admit(passed) => {
                if let Some(receipt) = passed.receipt {
                    let at = now.plus(SERVICE_NS);
                    self.settlements.push(Reverse(Settlement { at, index, receipt }));
                }
                (self.note)(arrival, Outcome::Admitted { passed, wait_ns: waited_ns });
            }
        }
    }

    /// Until nobody waits any more; who would wait for ever is refused.
    fn finish(mut self) -> Result<(), Error> {
        while let Some(next) = self.next_release.filter(|_| !self.waiting.is_empty()) {
            self.run_until(next)?;
        }
        let mut left: Vec<usize> = self.waiting.drain().map(|(_, index)| index).collect();
        left.sort_unstable();
        for arrival in left.into_iter().filter_map(|index| self.trace.arrivals.get(index)) {
            (self.note)(arrival, Outcome::Refused(Refused::Short));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
