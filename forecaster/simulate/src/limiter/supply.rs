//! Capacity that follows demand, minutes late: an autoscaler beside a limiter.
//!
//! After each step it wants what was asked for in that step, divided by the utilisation it aims at, and if somebody
//! forecasts, what is expected until an order placed now would have come, if that is more. More capacity comes a lead time
//! after it was ordered; less is at once, once it has been enough for some steps (as the stabilisation window of
//! Kubernetes' HorizontalPodAutoscaler). A forecast alone never takes capacity away.

use std::collections::VecDeque;

use tidegate_core::{Receipt, Timestamp};

use super::{Limiter, Ticket, Verdict};
use crate::{error::Error, policy::Elastic, trace::Arrival};

/// A step's last report has come, and the limiter's forecaster has learned it, so long after its end.
const CLOSED_MS: u64 = 3000;
/// Capacity goes when it has not been wanted for so many steps.
const STABLE_STEPS: usize = 5;

/// A limiter whose capacity changes.
pub(crate) struct Supplied<'a> {
    limiter: Box<dyn Limiter + 'a>,
    elastic: Elastic,
    step_ms: u64,
    /// The step whose demand is being counted, and what has been asked for.
    step: u64,
    asked: u64,
    /// What was asked for in the step before, once one has been seen from its beginning to its end.
    asked_before: Option<u64>,
    in_force_per_s: f64,
    /// The step in which an order comes, and the capacity there is then.
    ordered: VecDeque<(u64, f64)>,
    /// What the last steps wanted.
    wanted_per_s: VecDeque<f64>,
    /// Capacity times seconds, until `paid_until`.
    paid: f64,
    paid_until: Timestamp,
    began: Timestamp,
}

impl<'a> Supplied<'a> {
    /// A limiter whose capacity is `capacity_per_s` to begin with.
    pub(crate) fn new(
        limiter: Box<dyn Limiter + 'a>,
        elastic: Elastic,
        step_ms: u32,
        capacity_per_s: f64,
        now: Timestamp,
    ) -> Self {
        let step_ms = u64::from(step_ms.max(1));
        Self {
            limiter,
            elastic,
            step_ms,
            step: now.millis() / step_ms,
            asked: 0,
            asked_before: None,
            in_force_per_s: capacity_per_s,
            ordered: VecDeque::new(),
            wanted_per_s: VecDeque::new(),
            paid: 0.0,
            paid_until: now,
            began: now,
        }
    }

    fn pay(&mut self, now: Timestamp) {
        self.paid += self.in_force_per_s * now.since(self.paid_until) as f64 / 1e9;
        self.paid_until = now;
    }

    /// Counts the steps that have ended before `now`.
    fn turn(&mut self, now: Timestamp) {
        while self.step < now.millis() / self.step_ms {
            self.asked_before = Some(std::mem::take(&mut self.asked));
            self.step += 1;
        }
    }

    /// Orders what is wanted in step `self.step`, and returns the capacity in force from now on.
    fn order(&mut self) -> f64 {
        let Some(seen) = self.asked_before else { return self.in_force_per_s };
        let seen = seen as f64;
        let lead = self.elastic.lead_steps;
        let foreseen = (self.step..=self.step + lead + 1).filter_map(|step| self.limiter.expected(step));
        let asked = foreseen.fold(seen, f64::max) * 1000.0 / self.step_ms as f64;
        let units = (asked / self.elastic.utilisation / self.elastic.unit_per_s).ceil().max(1.0);
        self.wanted_per_s.push_back(units * self.elastic.unit_per_s);
        if self.wanted_per_s.len() > STABLE_STEPS {
            self.wanted_per_s.pop_front();
        }
        let wanted = self.wanted_per_s.iter().copied().fold(0.0, f64::max);
        let mut in_force = self.in_force_per_s;
        while let Some((_, capacity)) = self.ordered.pop_front_if(|(step, _)| *step <= self.step) {
            in_force = capacity;
        }
        let coming = self.ordered.back().map_or(in_force, |(_, capacity)| *capacity);
        if wanted > coming {
            self.ordered.push_back((self.step + lead, wanted));
        } else if self.ordered.is_empty() {
            in_force = wanted;
        }
        in_force
    }
}

impl Limiter for Supplied<'_> {
    fn decide(&mut self, arrival: &Arrival, key: &str, now: Timestamp) -> Verdict {
        self.turn(now);
        self.asked += arrival.cost;
        self.limiter.decide(arrival, key, now)
    }

    fn settle(&mut self, receipt: Receipt, resource: u8, actual: u64, now: Timestamp) {
        self.limiter.settle(receipt, resource, actual, now);
    }

    fn release(&mut self, now: Timestamp) -> Option<(Ticket, Verdict)> {
        self.limiter.release(now)
    }

    fn next_release(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.limiter.next_release(now)
    }

    fn tick(&mut self, now: Timestamp) -> Result<Timestamp, Error> {
        let next = self.limiter.tick(now)?;
        self.turn(now);
        let closed_ms = self.step * self.step_ms + CLOSED_MS.min(self.step_ms / 2);
        if now.millis() < closed_ms {
            return Ok(next.min(Timestamp::from_millis(closed_ms)));
        }
        if self.paid_until.millis() < closed_ms {
            self.pay(now);
            let capacity_per_s = self.order();
            if capacity_per_s != self.in_force_per_s {
                self.in_force_per_s = capacity_per_s;
                let burst = (capacity_per_s * self.elastic.burst_s).round().max(1.0) as u64;
                self.limiter.resize(capacity_per_s, burst, now)?;
            }
        }
        Ok(next.min(Timestamp::from_millis(closed_ms + self.step_ms)))
    }

    fn mean_capacity_per_s(&mut self, now: Timestamp) -> Option<f64> {
        self.pay(now);
        Some(self.paid * 1e9 / now.since(self.began).max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limiter::Refused;

    /// Refuses everything, foresees what it is told, and remembers its size.
    struct Recorder<'a> {
        expected: &'a dyn Fn(u64) -> Option<f64>,
        sizes: &'a std::cell::RefCell<Vec<(u64, f64, u64)>>,
    }

    impl Limiter for Recorder<'_> {
        fn decide(&mut self, _: &Arrival, _: &str, _: Timestamp) -> Verdict {
            Verdict::Refuse(Refused::Short)
        }

        fn tick(&mut self, _: Timestamp) -> Result<Timestamp, Error> {
            Ok(Timestamp::from_nanos(u64::MAX))
        }

        fn expected(&self, step: u64) -> Option<f64> {
            (self.expected)(step)
        }

        fn resize(&mut self, capacity_per_s: f64, burst: u64, now: Timestamp) -> Result<(), Error> {
            self.sizes.borrow_mut().push((now.millis() / 60_000, capacity_per_s, burst));
            Ok(())
        }
    }

    /// Demand of 600 tokens a minute, 1800 from minute 10 to 20; the capacity fits it exactly to begin with.
    fn sizes(expected: &dyn Fn(u64) -> Option<f64>) -> (Vec<(u64, f64, u64)>, f64) {
        let sizes = std::cell::RefCell::new(Vec::new());
        let elastic = Elastic { utilisation: 1.0, lead_steps: 3, unit_per_s: 5.0, burst_s: 2.0 };
        let limiter = Box::new(Recorder { expected, sizes: &sizes });
        let mut supplied = Supplied::new(limiter, elastic, 60_000, 10.0, Timestamp::from_millis(0));
        let mut next = Timestamp::from_millis(0);
        for minute in 0..40_u64 {
            let cost = if (10..20).contains(&minute) { 30 } else { 10 };
            for second in 0..60 {
                let now = Timestamp::from_millis((minute * 60 + second) * 1000);
                while next <= now {
                    next = supplied.tick(next).unwrap().max(next.plus(1));
                }
                let arrival = Arrival {
                    at_ns: now.nanos(),
                    cost,
                    actual: None,
                    key: 0,
                    resource: 0,
                    class: tidegate_core::Class::Standard,
                };
                supplied.decide(&arrival, "key", now);
            }
        }
        let mean_per_s = supplied.mean_capacity_per_s(Timestamp::from_millis(40 * 60_000)).unwrap();
        drop(supplied);
        (sizes.into_inner(), mean_per_s)
    }

    #[test]
    fn what_is_ordered_when_it_is_short_comes_a_lead_time_later_and_goes_when_it_was_idle_for_a_while() {
        let (sizes, mean_per_s) = sizes(&|_| None);
        assert_eq!(sizes, [(14, 30.0, 60), (25, 10.0, 20)]);
        let expected = (40.0 * 10.0 + 11.0 * 20.0) / 40.0;
        assert!((mean_per_s - expected).abs() < 1e-6, "{mean_per_s} instead of {expected}");
    }

    #[test]
    fn what_is_foreseen_is_there_when_it_is_needed() {
        let foreseen = |step| Some(if (10..20).contains(&step) { 1800.0 } else { 600.0 });
        assert_eq!(sizes(&foreseen).0, [(9, 30.0, 60), (25, 10.0, 20)]);
    }

    #[test]
    fn a_forecast_takes_no_capacity_away() {
        assert_eq!(sizes(&|_| Some(0.0)).0, sizes(&|_| None).0);
    }
}
