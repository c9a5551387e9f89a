//! What there is of one resource in each step: what is set aside for emergencies, and what may be reserved of the rest.
//!
//! A spike that may come raises the emergency reserve, step by step with its probability. Reservations then find less,
//! never more: nobody's forecast of a spike becomes somebody's share.

use alloc::vec::Vec;

use super::ResourcePolicy;
use crate::{
    table::{MAX_RATE, MAX_TOKENS, Reservation},
    units::MicroRate,
};

/// Keeps the rounding of many sums from ever exceeding the whole.
const MARGIN: f64 = 1e-9;

/// One resource, by numbers that every table may carry.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) held: bool,
    pub(super) capacity: MicroRate,
    pub(super) safe_capacity: MicroRate,
    pub(super) burst: u64,
    /// What is set aside for emergencies, by step.
    emergency: Vec<Reservation>,
    /// The part of capacity and burst that may be reserved, by step.
    reservable: Vec<f64>,
}

impl Budget {
    pub(super) fn new(policy: &ResourcePolicy, spike_probability: &[f64], steps: u16) -> Self {
        let rate = |per_s: f64| {
            if policy.held { MicroRate(0) } else { MicroRate::from_per_s(per_s).min(MAX_RATE) }
        };
        let (capacity, burst) = (rate(policy.capacity_per_s), policy.burst.clamp(1, MAX_TOKENS));
        let base = part(policy.emergency_share);
        let growth = (part(policy.emergency_max_share) - base).max(0.0);
        let probabilities = spike_probability.iter().copied().chain(core::iter::repeat(0.0));
        let shares: Vec<f64> = probabilities
            .take(usize::from(steps))
            .map(|probability| (base + growth * part(probability)).min(1.0))
            .collect();
        let emergency = |share: &f64| Reservation {
            rate: MicroRate(libm::floor(capacity.per_s() * share * 1e6) as u64).min(capacity),
            depth: libm::floor(burst as f64 * share) as u64,
        };
        let reservable = |share: &f64| part(policy.reservable_share).min(1.0 - share) * (1.0 - MARGIN);
        Self {
            held: policy.held,
            capacity,
            safe_capacity: rate(policy.safe_capacity_per_s),
            burst,
            emergency: shares.iter().map(emergency).collect(),
            reservable: shares.iter().map(reservable).collect(),
        }
    }

    /// What customers share out of in each step: tokens per second, or the tokens of a held resource.
    pub(super) fn shared(&self) -> impl Iterator<Item = f64> + '_ {
        let whole = if self.held { self.burst as f64 } else { self.capacity.per_s() };
        self.reservable.iter().map(move |share| whole * share)
    }

    /// Tokens of the burst that shadow buckets may hold in each step.
    pub(super) fn depths(&self) -> impl Iterator<Item = f64> + '_ {
        self.reservable.iter().map(|share| self.burst as f64 * share)
    }

    /// What is set aside for emergencies.
    pub(super) fn emergency(&self) -> &[Reservation] {
        &self.emergency
    }

    /// All that demand could have in a step: what is refilled, or the tokens of a held resource.
    pub(super) fn whole(&self, step_ms: u32) -> f64 {
        if self.held { self.burst as f64 } else { self.capacity.per_s() * f64::from(step_ms) / 1e3 }
    }
}

/// A number between 0 and 1; what is not a number is 0.
fn part(number: f64) -> f64 {
    if number > 0.0 { number.min(1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> ResourcePolicy {
        ResourcePolicy {
            capacity_per_s: 100.0,
            burst: 1000,
            reservable_share: 0.8,
            emergency_share: 0.1,
            emergency_max_share: 0.5,
            ..ResourcePolicy::default()
        }
    }

    fn emergency_depths(policy: &ResourcePolicy, spikes: &[f64]) -> Vec<u64> {
        Budget::new(policy, spikes, 4).emergency().iter().map(|step| step.depth).collect()
    }

    #[test]
    fn the_reserve_grows_with_the_probability_of_a_spike_and_reservations_find_what_it_leaves() {
        let budget = Budget::new(&policy(), &[0.0, 0.5, 1.0], 4);
        assert_eq!(emergency_depths(&policy(), &[0.0, 0.5, 1.0]), [100, 300, 500, 100]);
        assert_eq!(budget.emergency().iter().map(|step| step.rate.per_s()).sum::<f64>(), 100.0);
        let left: Vec<f64> = budget.shared().map(libm::round).collect();
        assert_eq!(left, [80.0, 70.0, 50.0, 80.0]);
        let left: Vec<f64> = budget.depths().map(libm::round).collect();
        assert_eq!(left, [800.0, 700.0, 500.0, 800.0]);
    }

    #[test]
    fn a_lower_maximum_and_a_nonsensical_probability_leave_the_reserve_as_it_is() {
        let lower = ResourcePolicy { emergency_max_share: 0.05, ..policy() };
        assert_eq!(emergency_depths(&lower, &[1.0; 4]), [100; 4]);
        assert_eq!(emergency_depths(&policy(), &[f64::NAN, -3.0, f64::NEG_INFINITY]), [100; 4]);
        assert_eq!(emergency_depths(&policy(), &[7.0, f64::INFINITY]), [500, 500, 100, 100]);
        assert_eq!(
            emergency_depths(&ResourcePolicy { emergency_max_share: f64::NAN, ..policy() }, &[1.0]),
            [100; 4]
        );
    }

    #[test]
    fn a_held_resource_shares_out_its_burst_and_has_no_rate() {
        let held = Budget::new(&ResourcePolicy { held: true, ..policy() }, &[], 2);
        assert_eq!((held.capacity, held.safe_capacity, held.whole(50)), (MicroRate(0), MicroRate(0), 1000.0));
        assert_eq!(held.emergency()[0], Reservation { rate: MicroRate(0), depth: 100 });
        assert!(held.shared().eq(held.depths()));
    }

    #[test]
    fn absurd_numbers_become_the_least_or_the_most_that_a_table_may_say() {
        let huge = ResourcePolicy { capacity_per_s: f64::INFINITY, burst: u64::MAX, ..policy() };
        let huge = Budget::new(&huge, &[], 1);
        assert_eq!((huge.capacity, huge.burst), (MAX_RATE, MAX_TOKENS));
        let none = ResourcePolicy { capacity_per_s: f64::NAN, burst: 0, reservable_share: -1.0, ..policy() };
        let none = Budget::new(&none, &[], 1);
        assert_eq!((none.capacity, none.burst, none.shared().sum::<f64>()), (MicroRate(0), 1, 0.0));
    }
}
