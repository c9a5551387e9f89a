//! Whose shadow bucket is how deep: a customer has one of its own if that can hold a few of its largest requests, the
//! others share one per tier, since many shallow buckets would fragment the burst.

use alloc::vec::Vec;

use super::{
    Ranks,
    budget::Budget,
    claims::Claims,
    depth::{Load, scales},
};
use crate::{table::Reservation, units::MicroRate};

/// A bucket of one's own must hold this many of the customer's largest requests at its deepest.
const OWN_BUCKET_REQUESTS: f64 = 2.0;

/// What everybody is guaranteed.
#[derive(Debug)]
pub(super) struct Reserved {
    /// Whether an entry has a bucket of its own.
    owns: Vec<bool>,
    /// By what depths are multiplied to fit, by step, then by resource and rank.
    scales: Vec<f64>,
    slots: usize,
    /// The depths of all entries in one step.
    scratch: Vec<f64>,
    /// What tiers share, by resource and tier, step by step.
    shared: Vec<Vec<Reservation>>,
    /// All depths, by resource and step.
    pub(super) depths: Vec<Vec<f64>>,
}

impl Reserved {
    /// Turns what has been shared out into reservations.
    pub(super) fn new(claims: &Claims<'_>, budgets: &[Budget], ranks: &Ranks) -> Self {
        let slots = budgets.len() * ranks.count;
        let mut reserved = Self {
            owns: alloc::vec![false; claims.entries.len()],
            scales: Vec::new(),
            slots,
            scratch: alloc::vec![0.0; claims.entries.len()],
            shared: alloc::vec![Vec::new(); budgets.len() * ranks.tiers.len()],
            depths: alloc::vec![Vec::new(); budgets.len()],
        };
        let limits: Vec<Vec<f64>> = budgets.iter().map(|budget| budget.depths().collect()).collect();
        let steps = limits.first().map_or(0, Vec::len);
        for step in 0..steps {
            reserved.find_owners(claims, &limits, ranks, step);
        }
        for step in 0..steps {
            reserved.fund(claims, &limits, ranks, step);
        }
        reserved
    }

    /// Whose bucket holds enough in this step if everybody has one.
    fn find_owners(&mut self, claims: &Claims<'_>, limits: &[Vec<f64>], ranks: &Ranks, step: usize) {
        let mut needed = alloc::vec![0.0; self.slots];
        for ((entry, amount), depth) in claims.entries.iter().zip(claims.step(step)).zip(&mut self.scratch) {
            *depth = entry.load(*amount).depth();
            if let Some(needed) = needed.get_mut(usize::from(entry.rank_slot)) {
                *needed += *depth;
            }
        }
        let scales = fit(&needed, limits, ranks, step);
        for ((owns, depth), entry) in self.owns.iter_mut().zip(&self.scratch).zip(&claims.entries) {
            let scale = scales.get(usize::from(entry.rank_slot)).copied().unwrap_or(0.0);
            *owns |= depth * scale >= entry.largest * OWN_BUCKET_REQUESTS;
        }
    }

    /// Makes all depths of a step fit, and gives the tiers what they share.
    fn fund(&mut self, claims: &Claims<'_>, limits: &[Vec<f64>], ranks: &Ranks, step: usize) {
        let mut loads = alloc::vec![Load::default(); self.shared.len()];
        let needed = self.needed(claims, ranks, step, &mut loads);
        let scales = fit(&needed, limits, ranks, step);
        let tiers = ranks.tiers.len().max(1);
        let mut shared = self.shared.iter_mut().zip(&loads);
        let by_resource = needed.chunks(ranks.count).zip(scales.chunks(ranks.count));
        for (depths, (needed, scales)) in self.depths.iter_mut().zip(by_resource) {
            depths.push(needed.iter().zip(scales).map(|(needed, scale)| needed * scale).sum());
            for ((steps, load), rank) in shared.by_ref().take(tiers).zip(&ranks.tiers) {
                steps.push(reservation(load, scales.get(*rank).copied().unwrap_or(0.0)));
            }
        }
        self.scales.extend(scales);
    }

    /// The depths that are needed by resource and rank; what goes into the tiers' buckets is added to `loads`.
    fn needed(&self, claims: &Claims<'_>, ranks: &Ranks, step: usize, loads: &mut [Load]) -> Vec<f64> {
        let mut needed = alloc::vec![0.0; self.slots];
        for ((entry, amount), owns) in claims.entries.iter().zip(claims.step(step)).zip(&self.owns) {
            let load = entry.load(*amount);
            if *owns {
                if let Some(needed) = needed.get_mut(usize::from(entry.rank_slot)) {
                    *needed += load.depth();
                }
            } else if let Some(shared) = loads.get_mut(usize::from(entry.tier_slot)) {
                shared.add(load);
            }
        }
        for (needed, loads) in needed.chunks_mut(ranks.count).zip(loads.chunks(ranks.tiers.len().max(1))) {
            for (load, rank) in loads.iter().zip(&ranks.tiers) {
                if let Some(needed) = needed.get_mut(*rank) {
                    *needed += load.depth();
                }
            }
        }
        needed
    }

    /// Puts the reservations of an entry that has a bucket of its own into `steps`; leaves it empty otherwise.
    pub(super) fn own(&self, claims: &Claims<'_>, index: usize, steps: &mut Vec<Reservation>) {
        steps.clear();
        let Some(entry) = claims.entries.get(index).filter(|_| self.owns.get(index) == Some(&true)) else {
            return;
        };
        let scales = self.scales.iter().skip(usize::from(entry.rank_slot)).step_by(self.slots.max(1));
        steps.extend(
            claims.of(index).zip(scales).map(|(amount, scale)| reservation(&entry.load(amount), *scale)),
        );
    }

    /// What each tier's keys without a bucket of their own share of a resource.
    pub(super) fn shared(&self, resource: usize, tiers: usize) -> &[Vec<Reservation>] {
        self.shared.get(resource * tiers..(resource + 1) * tiers).unwrap_or_default()
    }
}

/// By what depths are multiplied to fit in one step, by resource and rank.
fn fit(needed: &[f64], limits: &[Vec<f64>], ranks: &Ranks, step: usize) -> Vec<f64> {
    let limit = |limits: &Vec<f64>| limits.get(step).copied().unwrap_or(0.0);
    needed
        .chunks(ranks.count)
        .zip(limits)
        .flat_map(|(needed, limits)| scales(needed, limit(limits)))
        .collect()
}

/// Rounded down, so that sums never exceed the whole.
fn reservation(load: &Load, scale: f64) -> Reservation {
    Reservation { rate: MicroRate((load.rate_per_s * 1e6) as u64), depth: (load.depth() * scale) as u64 }
}
