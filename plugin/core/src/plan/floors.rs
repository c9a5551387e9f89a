//! Floors that follow forecasts: what a tier leaves in the pool is what better tiers may come to need of it.
//!
//! A better tier needs the pool for what it asks for beyond its reservations: at the upper end of the 80 % interval, over
//! about a second, which is how long it takes until floors and refill have answered; and if anything, then at least one
//! of its largest requests. The floor that is configured for a tier is the most it ever leaves.

use alloc::vec::Vec;

use super::{PlanInput, Ranks, budget::Budget, claims::Claims, reserve::Reserved, want::clean};

/// Over how long the pool has to serve what better tiers ask for beyond their reservations, in seconds.
const WINDOW_S: f64 = 1.0;
const PERMILLE: f64 = 1000.0;

/// What one rank may come to need of a pool in one step.
#[derive(Clone, Copy, Debug, Default)]
struct Need {
    /// Tokens beyond reservations.
    tokens: f64,
    /// Largest request among those who may need any.
    largest: f64,
}

/// What floors are made from.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) input: &'a PlanInput,
    pub(super) claims: &'a Claims<'a>,
    pub(super) reserved: &'a Reserved,
    pub(super) ranks: &'a Ranks,
}

/// The floors of a resource in thousandths of the pool's cap, by tier and step; a tier without any keeps its constant one.
///
/// Nothing is foreseen, and every floor is as configured, in steps that no forecast reaches.
pub(super) fn floors(known: &Known<'_>, resource: usize, budget: &Budget) -> Vec<Vec<u16>> {
    let reach = known.claims.expected.get(resource).map_or(0, Vec::len);
    if reach == 0 {
        return Vec::new();
    }
    let needs = known.needs(resource, budget);
    let depths = known.reserved.depths.get(resource).map_or(&[][..], Vec::as_slice);
    let set_aside = budget.emergency().iter().map(|emergency| emergency.depth as f64);
    let cap = |(depths, emergency): (&f64, f64)| budget.burst as f64 - depths - emergency;
    let caps: Vec<f64> = depths.iter().zip(set_aside).map(cap).collect();
    let steps = known.input.tiers.iter().zip(&known.ranks.tiers).map(|(policy, rank)| {
        let most = policy.tier.floor_permille;
        if most == 0 {
            return Vec::new();
        }
        let floor = |(step, (needs, cap)): (usize, (&[Need], &f64))| {
            if step < reach { permille(needs.get(..*rank).unwrap_or_default(), *cap).min(most) } else { most }
        };
        needs.chunks(known.ranks.count).zip(&caps).enumerate().map(floor).collect()
    });
    steps.collect()
}

impl Known<'_> {
    /// What each rank may come to need, by step, then by rank.
    fn needs(&self, resource: usize, budget: &Budget) -> Vec<Need> {
        let ranks = self.ranks.count;
        let mut needs = alloc::vec![Need::default(); usize::from(self.input.steps) * ranks];
        let per = if budget.held { 1.0 } else { f64::from(self.input.step_ms) / 1e3 };
        let window = if budget.held { 1.0 } else { WINDOW_S };
        let claims = self.claims;
        for (index, (entry, forecast)) in claims.entries.iter().zip(&claims.forecasts).enumerate() {
            if claims.resources.get(index).map(|of| usize::from(*of)) != Some(resource) {
                continue;
            }
            let rank = usize::from(entry.rank_slot) - resource * ranks;
            let own = needs.iter_mut().skip(rank).step_by(ranks);
            for ((need, quantiles), reserved) in own.zip(*forecast).zip(claims.of(index)) {
                let [_, _, _, high, _] = clean(quantiles);
                let beyond = high / per - reserved;
                if beyond > 0.0 {
                    need.tokens += beyond * window;
                    need.largest = need.largest.max(entry.largest);
                }
            }
        }
        needs
    }
}

/// What better ranks need, as a part of the pool's cap, rounded up.
fn permille(better: &[Need], cap: f64) -> u16 {
    let tokens: f64 = better.iter().map(|need| need.tokens).sum();
    let largest = better.iter().map(|need| need.largest).fold(0.0, f64::max);
    let needed = tokens.max(largest);
    if needed <= 0.0 {
        return 0;
    }
    if needed < cap { libm::ceil(needed / cap * PERMILLE) as u16 } else { PERMILLE as u16 }
}
