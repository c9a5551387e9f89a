//! Dominant-resource fairness: max-min fairness of those who want several resources together.
//!
//! Ghodsi et al., *Dominant Resource Fairness* (NSDI 2011), weighted, with ceilings, one priority after the other: raise
//! everybody in all the resources it wants, in proportion to what it wants of each, such that everybody's dominant share
//! (the greatest part that it has of any resource) per weight is the same; who has what it wants stops, and so does who
//! needs a resource that is full. With one resource this is [`max_min_shares`](super::max_min_shares).
//!
//! Nobody is raised bit by bit: the level at which a resource is full is found by halving those who may be satisfied
//! before it, in O(n), and there are as many such levels as resources at most. Where everything fits nothing is sought.

use alloc::vec::Vec;
use core::{mem, ops::Range};

/// Amounts beyond this count as this, so that sums, quotients and products stay finite.
const MOST: f64 = 1e18;
/// Amounts and capacities below this count as nothing.
const LEAST: f64 = 1e-12;

/// Somebody who wants some of one or several resources, together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Party {
    /// Who is served first, 0 before 1: the worse gets what the better leaves.
    pub(super) priority: u8,
    /// Relative share among the same priority when there is not enough; must be above zero to get anything then.
    pub(super) weight: f64,
    /// How many wants it has.
    pub(super) wants: usize,
}

/// Shares out again and again, with the same memory.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// What is left of each resource.
    left: Vec<f64>,
    /// What those of one priority want of each resource.
    asked: Vec<f64>,
    rising: Vec<Rising>,
    /// By resource: what those who rise want of it.
    stakes: Vec<Vec<Stake>>,
}

/// A party that is not held back yet.
#[derive(Clone, Debug)]
struct Rising {
    wants: Range<usize>,
    /// Dominant share per weight at which it has what it wants.
    satisfied_at: f64,
}

/// What a party that rises wants of one resource.
#[derive(Clone, Copy, Debug)]
struct Stake {
    satisfied_at: f64,
    amount: f64,
}

impl Sharing {
    /// Shares `capacities`: what each party wants becomes what it gets. Parties come best priority first, the wants of all
    /// in their order: `resources` says of what, at most once per party, and `amounts` how much.
    ///
    /// Capacities, weights and amounts that are negative or not a number count as zero. A resource without capacity is
    /// full from the start.
    pub(super) fn share(
        &mut self,
        capacities: &[f64],
        parties: &[Party],
        resources: &[u8],
        amounts: &mut [f64],
    ) {
        self.left.clear();
        self.left.extend(capacities.iter().map(|capacity| clean(*capacity)));
        self.stakes.resize_with(capacities.len(), Vec::new);
        let (mut resources, mut amounts) = (resources, amounts);
        for equals in parties.chunk_by(|a, b| a.priority == b.priority) {
            let wants: usize = equals.iter().map(|party| party.wants).sum();
            let Some((own, rest)) = resources.split_at_checked(wants) else { return };
            let Some((given, others)) = mem::take(&mut amounts).split_at_mut_checked(wants) else { return };
            if !self.satisfy(own, given) {
                self.ration(capacities, equals, own, given);
            }
            (resources, amounts) = (rest, others);
        }
    }

    /// Gives all of one priority what they want, if there is as much.
    fn satisfy(&mut self, resources: &[u8], amounts: &mut [f64]) -> bool {
        self.asked.clear();
        self.asked.resize(self.left.len(), 0.0);
        for (resource, amount) in resources.iter().zip(amounts) {
            *amount = clean(*amount);
            if let Some(asked) = self.asked.get_mut(usize::from(*resource)) {
                *asked += *amount;
            }
        }
        let fits = self.asked.iter().zip(&self.left).all(|(asked, left)| asked <= left);
        if fits {
            self.left.iter_mut().zip(&self.asked).for_each(|(left, asked)| *left -= asked);
        }
        fits
    }

    /// Raises all of one priority until they are satisfied or held back.
    fn ration(&mut self, capacities: &[f64], parties: &[Party], resources: &[u8], amounts: &mut [f64]) {
        self.rise(capacities, parties, resources, amounts);
        while let Some((full, level)) = self.next_full(resources, amounts) {
            let left = &mut self.left;
            self.rising.retain(|party| {
                let wants = resources.get(party.wants.clone()).unwrap_or_default();
                let given = amounts.get_mut(party.wants.clone()).unwrap_or_default();
                if !wants.iter().zip(&*given).any(|(resource, amount)| *resource == full && *amount > 0.0) {
                    return true;
                }
                let part = if level >= party.satisfied_at { 1.0 } else { level / party.satisfied_at };
                for (resource, amount) in wants.iter().zip(given) {
                    *amount *= part;
                    if let Some(left) = left.get_mut(usize::from(*resource)) {
                        *left = (*left - *amount).max(0.0);
                    }
                }
                false
            });
            if let Some(left) = left.get_mut(usize::from(full)) {
                *left = 0.0;
            }
        }
        for party in self.rising.drain(..) {
            let wants = resources.get(party.wants.clone()).unwrap_or_default();
            for (resource, amount) in wants.iter().zip(amounts.get(party.wants).unwrap_or_default()) {
                if let Some(left) = self.left.get_mut(usize::from(*resource)) {
                    *left = (*left - amount).max(0.0);
                }
            }
        }
    }

    /// Finds who can rise at all; the others get nothing.
    fn rise(&mut self, capacities: &[f64], parties: &[Party], resources: &[u8], amounts: &mut [f64]) {
        self.rising.clear();
        let mut from = 0;
        for party in parties {
            let wants = from..from + party.wants;
            from = wants.end;
            let given = amounts.get_mut(wants.clone()).unwrap_or_default();
            let (mut dominant, mut held_back) = (0.0_f64, false);
            for (resource, amount) in resources.get(wants.clone()).unwrap_or_default().iter().zip(&*given) {
                let at = usize::from(*resource);
                let left = self.left.get(at).is_some_and(|left| *left > 0.0);
                held_back |= *amount > 0.0 && !left;
                dominant =
                    dominant.max(*amount / clean(capacities.get(at).copied().unwrap_or(0.0)).max(LEAST));
            }
            let weight = clean(party.weight);
            if held_back || weight <= 0.0 {
                given.fill(0.0);
            } else if dominant > 0.0 {
                self.rising.push(Rising { wants, satisfied_at: dominant / weight });
            }
        }
    }

    /// The next resource to be full while all who rise do, and the level at which it is; `None` when none ever is.
    fn next_full(&mut self, resources: &[u8], amounts: &[f64]) -> Option<(u8, f64)> {
        self.stakes.iter_mut().for_each(Vec::clear);
        for party in &self.rising {
            let wants = resources.get(party.wants.clone()).unwrap_or_default();
            for (resource, amount) in wants.iter().zip(amounts.get(party.wants.clone()).unwrap_or_default()) {
                if let Some(stakes) = self.stakes.get_mut(usize::from(*resource)).filter(|_| *amount > 0.0) {
                    stakes.push(Stake { satisfied_at: party.satisfied_at, amount: *amount });
                }
            }
        }
        let levels = self.stakes.iter_mut().zip(&self.left).map(|(stakes, left)| full_at(stakes, *left));
        let full = (0..).zip(levels).filter_map(|(resource, level)| Some((resource, level?)));
        full.min_by(|(_, a), (_, b)| a.total_cmp(b))
    }
}

/// The level at which all who have a stake in a resource have used up what is left of it; `None` when that never happens.
fn full_at(stakes: &mut [Stake], left: f64) -> Option<f64> {
    // What the satisfied have, and what the others take for each bit that the level rises.
    let (mut used, mut speed) = (0.0, 0.0);
    let mut open = stakes;
    while !open.is_empty() {
        let middle = open.len() / 2;
        let (sooner, pivot, later) =
            open.select_nth_unstable_by(middle, |a, b| a.satisfied_at.total_cmp(&b.satisfied_at));
        let sooner_amount = sooner.iter().map(|stake| stake.amount).sum::<f64>() + pivot.amount;
        let later_speed: f64 = later.iter().map(|stake| stake.amount / stake.satisfied_at).sum();
        if used + sooner_amount + (speed + later_speed) * pivot.satisfied_at <= left {
            used += sooner_amount;
            open = later;
        } else {
            speed += later_speed + pivot.amount / pivot.satisfied_at;
            open = sooner;
        }
    }
    (speed > 0.0).then(|| (left - used).max(0.0) / speed)
}

/// An amount that can be reckoned with.
fn clean(amount: f64) -> f64 {
    if amount >= LEAST { amount.min(MOST) } else { 0.0 }
}

#[cfg(test)]
mod tests;
