//! Weighted max-min fairness by water-filling, one priority after the other.
//!
//! Bertsekas and Gallager, *Data Networks* (1992), section 6.5.2: raise everybody's share in proportion to their weight;
//! who reaches what they asked for stops; the rest goes on until nothing is left. Exact in O(n log n).

use alloc::vec::Vec;

/// What one party asks for.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Who is served first, 0 before 1: the worse gets what the better leaves.
    pub priority: u8,
    /// Relative share among the same priority when there is not enough; must be above zero to get anything then.
    pub weight: f64,
    /// The most it can use.
    pub ceiling: f64,
}

/// Shares `capacity` among `claims`, in their order. The shares sum to the lesser of capacity and all ceilings.
///
/// Ceilings and weights that are negative or not a number count as zero.
#[must_use]
pub fn max_min_shares(capacity: f64, claims: Vec<Claim>) -> Vec<f64> {
    let ceiling = |claim: &Claim| if claim.ceiling > 0.0 { claim.ceiling } else { 0.0 };
    let weight = |claim: &Claim| if claim.weight > 0.0 { claim.weight } else { 0.0 };
    let mut left = if capacity > 0.0 { capacity } else { 0.0 };
    if claims.iter().map(ceiling).sum::<f64>() <= left {
        return claims.iter().map(ceiling).collect();
    }
    let mut order: Vec<(u8, f64, f64, usize)> = (0..)
        .zip(&claims)
        .filter(|(_, claim)| weight(claim) > 0.0)
        .map(|(position, claim)| (claim.priority, ceiling(claim), weight(claim), position))
        .collect();
    // Who is satisfied first within a priority: the least asked for per weight.
    order
        .sort_unstable_by(|a, b| a.0.cmp(&b.0).then((a.1 / a.2).total_cmp(&(b.1 / b.2))).then(a.3.cmp(&b.3)));
    let mut shares = alloc::vec![0.0; claims.len()];
    for equals in order.chunk_by(|a, b| a.0 == b.0) {
        let mut weights: f64 = equals.iter().map(|(_, _, weight, _)| weight).sum();
        for (_, ceiling, weight, position) in equals {
            let fair = if weights > 0.0 { (left * weight / weights).min(left) } else { left };
            let share = ceiling.min(fair);
            left -= share;
            weights -= weight;
            if let Some(slot) = shares.get_mut(*position) {
                *slot = share;
            }
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    fn claim(weight: f64, ceiling: f64) -> Claim {
        Claim { priority: 0, weight, ceiling }
    }

    #[test]
    fn a_better_priority_is_satisfied_first_whatever_the_weights() {
        let worse = Claim { priority: 1, ..claim(100.0, 9.0) };
        assert_eq!(max_min_shares(10.0, vec![worse, claim(1.0, 4.0), claim(1.0, 3.0)]), [3.0, 4.0, 3.0]);
        assert_eq!(max_min_shares(5.0, vec![worse, claim(1.0, 4.0), claim(1.0, 3.0)]), [0.0, 2.5, 2.5]);
    }

    #[test]
    fn all_get_what_they_ask_for_when_there_is_enough() {
        assert_eq!(max_min_shares(10.0, vec![claim(1.0, 4.0), claim(8.0, 5.0)]), [4.0, 5.0]);
    }

    #[test]
    fn scarcity_is_shared_by_weight_and_what_one_leaves_goes_to_the_others() {
        let shares = max_min_shares(10.0, vec![claim(1.0, 100.0), claim(1.0, 100.0), claim(8.0, 1.0)]);
        assert_eq!(shares, [4.5, 4.5, 1.0]);
    }

    #[test]
    fn nonsense_gets_nothing() {
        assert_eq!(max_min_shares(f64::NAN, vec![claim(1.0, 1.0)]), [0.0]);
        assert_eq!(
            max_min_shares(1.0, vec![claim(f64::NAN, 9.0), claim(1.0, 9.0), claim(1.0, -3.0)]),
            [0.0, 1.0, 0.0]
        );
    }

    proptest! {
        #[test]
        fn nobody_can_gain_but_from_somebody_with_less_per_weight(
            capacity in 0.0..1e4_f64,
            parties in prop::collection::vec((0.1..10.0_f64, 0.0..1e3_f64), 1..40),
        ) {
            let claims: Vec<Claim> = parties.iter().map(|(weight, ceiling)| claim(*weight, *ceiling)).collect();
            let shares = max_min_shares(capacity, claims.clone());
            let total: f64 = shares.iter().sum();
            let asked: f64 = claims.iter().map(|claim| claim.ceiling).sum();
            prop_assert!((total - capacity.min(asked)).abs() < 1e-6);
            let level = claims.iter().zip(&shares).map(|(claim, share)| share / claim.weight).fold(0.0, f64::max);
            for (claim, share) in claims.iter().zip(&shares) {
                prop_assert!(*share <= claim.ceiling + 1e-9);
                let satisfied = *share >= claim.ceiling - 1e-9;
                prop_assert!(satisfied || share / claim.weight >= level - 1e-6);
            }
        }
    }
}
