use alloc::{vec, vec::Vec};

use proptest::prelude::*;

use super::{super::max_min_shares, *};
use crate::plan::Claim;

/// A party of these priority and weight that wants so much of each resource.
type Asker = (u8, f64, Vec<f64>);

/// What each party gets of each resource.
fn share(capacities: &[f64], mut askers: Vec<Asker>) -> Vec<Vec<f64>> {
    askers.sort_by_key(|(priority, ..)| *priority);
    let parties: Vec<Party> = askers
        .iter()
        .map(|(priority, weight, wants)| Party { priority: *priority, weight: *weight, wants: wants.len() })
        .collect();
    let resources: Vec<u8> = askers.iter().flat_map(|(.., wants)| 0..wants.len() as u8).collect();
    let mut amounts: Vec<f64> = askers.iter().flat_map(|(.., wants)| wants.clone()).collect();
    Sharing::default().share(capacities, &parties, &resources, &mut amounts);
    amounts.chunks(capacities.len()).map(<[f64]>::to_vec).collect()
}

fn near(found: &[Vec<f64>], expected: &[&[f64]]) {
    let pairs = found.iter().flatten().zip(expected.iter().copied().flatten());
    assert!(pairs.clone().all(|(found, expected)| (found - expected).abs() < 1e-9), "{found:?}");
    assert_eq!(pairs.count(), expected.iter().copied().flatten().count());
}

#[test]
fn the_example_of_the_paper() {
    // 9 processors and 18 GB; tasks of one user need (1, 4), of the other (3, 1): three tasks against two.
    let endless = |cpu: f64, memory: f64| vec![cpu * 1e6, memory * 1e6];
    let found = share(&[9.0, 18.0], vec![(0, 1.0, endless(1.0, 4.0)), (0, 1.0, endless(3.0, 1.0))]);
    near(&found, &[&[3.0, 12.0], &[6.0, 2.0]]);
}

#[test]
fn who_needs_a_full_resource_stops_and_the_others_go_on() {
    let askers = vec![(0, 1.0, vec![10.0, 1.0]), (0, 1.0, vec![10.0, 0.0]), (0, 1.0, vec![0.0, 7.0])];
    // The first resource is full at 5 each; the first party keeps its proportion of the second.
    near(&share(&[10.0, 10.0], askers), &[&[5.0, 0.5], &[5.0, 0.0], &[0.0, 7.0]]);
}

#[test]
fn weights_count_per_dominant_share() {
    let askers = vec![(0, 3.0, vec![100.0, 10.0]), (0, 1.0, vec![10.0, 100.0])];
    let found = share(&[10.0, 10.0], askers);
    // Dominant shares of 3:1 until the first resource is full: 3x + 0.1x = 10.
    near(&found, &[&[30.0 / 3.1, 3.0 / 3.1], &[1.0 / 3.1, 10.0 / 3.1]]);
}

#[test]
fn a_better_priority_is_satisfied_first() {
    let askers = vec![(0, 1.0, vec![6.0, 3.0]), (1, 100.0, vec![8.0, 8.0]), (1, 1.0, vec![0.0, 4.0])];
    near(&share(&[10.0, 10.0], askers), &[&[6.0, 3.0], &[4.0, 4.0], &[0.0, 3.0]]);
}

#[test]
fn a_resource_without_capacity_holds_back_who_needs_it_and_nobody_else() {
    let askers = vec![(0, 1.0, vec![6.0, 3.0]), (0, 1.0, vec![8.0, 0.0])];
    near(&share(&[10.0, 0.0], askers), &[&[0.0, 0.0], &[8.0, 0.0]]);
}

#[test]
fn nonsense_gets_nothing_and_infinity_a_share() {
    let askers = vec![
        (0, f64::NAN, vec![6.0]),
        (0, 1.0, vec![f64::NAN]),
        (0, 1.0, vec![-1.0]),
        (0, 1.0, vec![f64::INFINITY]),
        (0, 1.0, vec![f64::MAX]),
    ];
    near(&share(&[10.0], askers), &[&[0.0], &[0.0], &[0.0], &[5.0], &[5.0]]);
    near(&share(&[f64::NAN], vec![(0, 1.0, vec![1.0])]), &[&[0.0]]);
    near(&share(&[f64::INFINITY], vec![(0, 1.0, vec![7.0])]), &[&[7.0]]);
}

fn amount() -> impl Strategy<Value = f64> {
    prop_oneof![1 => Just(0.0), 4 => 0.01..100.0_f64]
}

fn askers(resources: usize) -> impl Strategy<Value = Vec<Asker>> {
    let asker = (0_u8..3, 0.1..10.0_f64, prop::collection::vec(amount(), resources));
    prop::collection::vec(asker, 1..30).prop_map(|mut askers| {
        askers.sort_by_key(|(priority, ..)| *priority);
        askers
    })
}

/// The dominant share of a party per weight.
fn level(capacities: &[f64], got: &[f64], weight: f64) -> f64 {
    got.iter().zip(capacities).map(|(got, capacity)| got / capacity).fold(0.0, f64::max) / weight
}

proptest! {
    #[test]
    fn with_one_resource_it_is_max_min_fairness(capacity in 0.1..1000.0_f64, askers in askers(1)) {
        let claim = |(priority, weight, wants): &Asker| Claim { priority: *priority, weight: *weight, ceiling: wants[0] };
        let expected = max_min_shares(capacity, askers.iter().map(claim).collect());
        let found = share(&[capacity], askers).concat();
        for (found, expected) in found.iter().zip(expected) {
            prop_assert!((found - expected).abs() <= 1e-9 * capacity, "{found} {expected}");
        }
    }

    #[test]
    fn with_disjoint_resources_each_is_shared_by_itself(
        capacities in prop::collection::vec(0.1..500.0_f64, 3),
        askers in prop::collection::vec((0_u8..3, 0.1..10.0_f64, amount(), 0_usize..3), 1..30),
    ) {
        let mut askers = askers;
        askers.sort_by_key(|(priority, ..)| *priority);
        let vector = |(priority, weight, amount, resource): &(u8, f64, f64, usize)| {
            let mut wants = vec![0.0; 3];
            wants[*resource] = *amount;
            (*priority, *weight, wants)
        };
        let found = share(&capacities, askers.iter().map(vector).collect());
        for (resource, capacity) in capacities.iter().enumerate() {
            let own = || askers.iter().zip(&found).filter(|((.., of), _)| *of == resource);
            let claim = |((priority, weight, amount, _), _): (&(u8, f64, f64, usize), _)| Claim {
                priority: *priority, weight: *weight, ceiling: *amount,
            };
            let expected = max_min_shares(*capacity, own().map(claim).collect());
            for ((_, found), expected) in own().zip(expected) {
                prop_assert!((found[resource] - expected).abs() <= 1e-9 * capacity, "{found:?} {expected}");
            }
        }
    }

    #[test]
    fn no_resource_is_exceeded_and_nobody_gets_more_than_it_wants_or_out_of_proportion(
        capacities in prop::collection::vec(0.1..500.0_f64, 3),
        askers in askers(3),
    ) {
        let found = share(&capacities, askers.clone());
        for (resource, capacity) in capacities.iter().enumerate() {
            let used: f64 = found.iter().map(|got| got[resource]).sum();
            prop_assert!(used <= capacity * (1.0 + 1e-12), "{used} of {capacity}");
        }
        for ((.., wants), got) in askers.iter().zip(&found) {
            let parts: Vec<f64> =
                wants.iter().zip(got).filter(|(want, _)| **want > 0.0).map(|(want, got)| got / want).collect();
            prop_assert!(parts.iter().all(|part| (0.0..=1.0).contains(part)), "{got:?} of {wants:?}");
            prop_assert!(parts.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 1e-12), "{got:?} of {wants:?}");
            prop_assert!(wants.iter().zip(got).all(|(want, got)| *want > 0.0 || *got == 0.0));
        }
    }

    #[test]
    fn nobody_can_gain_but_from_somebody_with_no_more_per_weight_or_of_a_better_priority(
        capacities in prop::collection::vec(0.1..500.0_f64, 3),
        askers in askers(3),
    ) {
        let found = share(&capacities, askers.clone());
        for ((priority, weight, wants), got) in askers.iter().zip(&found) {
            let short = wants.iter().zip(got).any(|(want, got)| *got < want * (1.0 - 1e-9));
            if !short {
                continue;
            }
            // It is held back by a full resource of which nobody has more per weight, nor anybody worse anything.
            let own = level(&capacities, got, *weight);
            let holds_back = |resource: usize| {
                let used: f64 = found.iter().map(|got| got[resource]).sum();
                let others = askers.iter().zip(&found).filter(|(_, other)| other[resource] > 0.0);
                wants[resource] > 0.0
                    && used >= capacities[resource] * (1.0 - 1e-9)
                    && others.clone().all(|((other, ..), _)| other <= priority)
                    && others.filter(|((other, ..), _)| other == priority).all(|((_, weight, _), got)| {
                        level(&capacities, got, *weight) <= own * (1.0 + 1e-9) + 1e-12
                    })
            };
            prop_assert!((0..3).any(holds_back), "{wants:?} got {got:?}");
        }
    }
}
