//! Dividing a budget of rate and burst among customers, exactly.

use crate::envoy::TokenBucket;

/// What one customer loses at every limit: at least one token per second and one token.
pub(super) struct Costs {
    budget: TokenBucket,
    cells: Vec<u128>,
}

impl Costs {
    /// Asks `cost` for every limit within the budget.
    pub(super) fn of(budget: TokenBucket, cost: impl Fn(TokenBucket) -> u128) -> Self {
        let cells = limits(budget).map(cost).collect();
        Self { budget, cells }
    }

    fn at(&self, limit: TokenBucket) -> u128 {
        let place = (limit.rate_per_s - 1) * self.budget.burst + limit.burst - 1;
        self.cells.get(place as usize).copied().unwrap_or(u128::MAX)
    }
}

/// Every limit within a budget, in the order of [`Costs::at`].
fn limits(budget: TokenBucket) -> impl Iterator<Item = TokenBucket> {
    (1..=budget.rate_per_s)
        .flat_map(move |rate_per_s| (1..=budget.burst).map(move |burst| TokenBucket { rate_per_s, burst }))
}

/// A limit for each customer, within the budget together, so that the costs sum to the least; and that sum.
pub(super) fn divide(customers: &[Costs], budget: TokenBucket) -> (Vec<TokenBucket>, u128) {
    let Some((last, others)) = customers.split_last() else { return (Vec::new(), 0) };
    // The best that the first so many customers can do with every budget, the last of them with which limit.
    let mut best: Vec<Vec<(u128, TokenBucket)>> = Vec::new();
    for (position, own) in others.iter().enumerate() {
        let before = position.checked_sub(1).and_then(|before| best.get(before));
        let row = limits(budget).map(|total| cheapest(own, before, total)).collect();
        best.push(row);
    }
    let (cost, limit) = cheapest(last, best.last(), budget);
    let mut found = vec![limit];
    let mut left = minus(budget, limit);
    for row in best.iter().rev() {
        let Some((_, limit)) = left.and_then(|left| row.get(place(budget, left))) else { break };
        found.push(*limit);
        left = left.and_then(|left| minus(left, *limit));
    }
    found.reverse();
    (found, cost)
}

fn place(budget: TokenBucket, limit: TokenBucket) -> usize {
    ((limit.rate_per_s - 1) * budget.burst + limit.burst - 1) as usize
}

/// What is left for those before, if anything.
fn minus(total: TokenBucket, limit: TokenBucket) -> Option<TokenBucket> {
    let rate_per_s = total.rate_per_s.checked_sub(limit.rate_per_s).filter(|rate| *rate > 0)?;
    let burst = total.burst.checked_sub(limit.burst).filter(|burst| *burst > 0)?;
    Some(TokenBucket { rate_per_s, burst })
}

/// The cheapest way for a customer and those before it to live on `total`.
fn cheapest(
    own: &Costs,
    before: Option<&Vec<(u128, TokenBucket)>>,
    total: TokenBucket,
) -> (u128, TokenBucket) {
    let Some(before) = before else { return (own.at(total), total) };
    let cost = |limit: TokenBucket| {
        let rest = minus(total, limit).and_then(|rest| before.get(place(own.budget, rest)));
        rest.map_or(u128::MAX, |(rest, _)| own.at(limit).saturating_add(*rest))
    };
    limits(total)
        .map(|limit| (cost(limit), limit))
        .min_by_key(|(cost, _)| *cost)
        .unwrap_or((u128::MAX, total))
}
