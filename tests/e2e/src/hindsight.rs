//! The best limits that Envoy's own limiter could have had, found afterwards on the very traffic that it got.
//!
//! The objective: among limits that admit no more than the budget allows (rates sum to at most its capacity, bursts to at
//! most its burst; whole tokens), the fewest refusals of the first tier; among equals of the second; and so on. For
//! customers with a bucket each the search is exhaustive: buckets do not touch each other, so what each would refuse at
//! every limit is simulated, and the budget is divided among them by dynamic programming. One bucket for all has the
//! whole budget or less.

mod divide;

use std::time::Duration;

use crate::envoy::TokenBucket;

/// One request, as far as a limiter cares.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// When it comes.
    pub at: Duration,
    /// Index of the customer.
    pub who: usize,
    /// Whether its refusal counts.
    pub counts: bool,
}

/// Refusals by tier, best tier first; the order is the objective.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusals(pub Vec<u32>);

/// Limits, and what they would have refused.
#[derive(Clone, Debug)]
pub struct Found<T> {
    /// The limits.
    pub limits: T,
    /// Simulated refusals.
    pub refusals: Refusals,
}

/// The best bucket for each customer; `tiers` has the index of each customer's tier.
#[must_use]
pub fn per_customer(requests: &[Request], tiers: &[usize], budget: TokenBucket) -> Found<Vec<TokenBucket>> {
    let cost = |who: usize, limit: TokenBucket, times: &[(f64, bool)]| {
        let refused = simulate(limit, times.iter().copied()).filter(|counts| *counts).count();
        (refused as u128) << weight(tiers, who)
    };
    let mut costs = Vec::new();
    for who in 0..tiers.len() {
        let times: Vec<(f64, bool)> = requests
            .iter()
            .filter(|request| request.who == who)
            .map(|request| (request.at.as_secs_f64(), request.counts))
            .collect();
        costs.push(divide::Costs::of(budget, |limit| cost(who, limit, &times)));
    }
    let (limits, total) = divide::divide(&costs, budget);
    Found { limits, refusals: unpacked(total, tiers) }
}

/// The best bucket for everybody together.
#[must_use]
pub fn for_all(requests: &[Request], tiers: &[usize], budget: TokenBucket) -> Found<TokenBucket> {
    let times: Vec<(f64, &Request)> =
        requests.iter().map(|request| (request.at.as_secs_f64(), request)).collect();
    let rates = (budget.rate_per_s / 2..=budget.rate_per_s).rev().step_by(5);
    let bursts = (1..=budget.burst).rev().step_by(5);
    let limits =
        rates.flat_map(|rate_per_s| bursts.clone().map(move |burst| TokenBucket { rate_per_s, burst }));
    let judged = limits.map(|limit| {
        let refused = simulate(limit, times.iter().copied()).filter(|request| request.counts);
        (refused.map(|request| 1 << weight(tiers, request.who)).sum::<u128>(), limit)
    });
    // The first of equals is the largest.
    let best = judged.min_by_key(|(refused, _)| *refused);
    let (total, limits) = best.unwrap_or((0, budget));
    Found { limits, refusals: unpacked(total, tiers) }
}

/// What a bucket refuses of requests at these times (seconds), as Envoy does it: full at first, refilled continuously.
fn simulate<T>(limit: TokenBucket, requests: impl Iterator<Item = (f64, T)>) -> impl Iterator<Item = T> {
    let (rate_per_s, burst) = (f64::from(limit.rate_per_s), f64::from(limit.burst));
    let (mut level, mut last) = (burst, 0.0);
    requests.filter_map(move |(now, request)| {
        level = (level + (now - last) * rate_per_s).min(burst);
        last = now;
        if level >= 1.0 {
            level -= 1.0;
            None
        } else {
            Some(request)
        }
    })
}

/// Bits of a tier's count: sums of packed counts compare as the objective says, for up to four tiers.
const BITS: usize = 32;

/// How far a customer's refusals are shifted: the better its tier, the further.
fn weight(tiers: &[usize], who: usize) -> usize {
    let last = tiers.iter().copied().max().unwrap_or_default();
    (last - tiers.get(who).copied().unwrap_or(last)) * BITS
}

fn unpacked(total: u128, tiers: &[usize]) -> Refusals {
    let last = tiers.iter().copied().max().unwrap_or_default();
    Refusals((0..=last).map(|tier| (total >> ((last - tier) * BITS)) as u32).collect())
}

#[cfg(test)]
mod tests;
