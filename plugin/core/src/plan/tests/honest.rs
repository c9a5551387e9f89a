//! What forecasts cannot buy: no forecast exceeds a contract, and none costs a better priority anything.

use proptest::prelude::*;

use super::*;

/// Any quantiles: numbers that make sense more often than not.
fn quantile() -> impl Strategy<Value = f64> {
    prop_oneof![3 => 0.0..500.0_f64, 1 => 0.0..1e12_f64, 1 => prop::num::f64::ANY]
}

fn forecasts(steps: usize) -> impl Strategy<Value = Vec<[f64; LEVELS.len()]>> {
    prop::collection::vec([quantile(), quantile(), quantile(), quantile(), quantile()], steps)
}

/// What one key has, over all resources and steps.
fn guaranteed(table: &Table, key: &str) -> Vec<(u8, Vec<Reservation>)> {
    let hash = KeyHash::of(key.as_bytes());
    let grants = table.keys.iter().filter(|key| key.hash == hash).flat_map(|key| &key.grants);
    grants.map(|grant| (grant.resource, grant.reservations.steps().collect())).collect()
}

/// Two resources, rate and held, a gold customer with some of both and small ones that share gold's bucket.
fn crowd(steps: usize) -> PlanInput {
    let mut input = input(100.0, 100, steps as u16);
    input.tiers[1].tier.priority = 1;
    let in_flight = ResourcePolicy {
        name: "in_flight".into(),
        burst: 40,
        reservable_share: 0.9,
        held: true,
        ..ResourcePolicy::default()
    };
    add_resource(&mut input, in_flight);
    let values: Vec<f64> = (0..steps).map(|step| 20.0 + 10.0 * step as f64).collect();
    input.customers = vec![customer("gold", 0, &values, 1, None)];
    input.customers.extend((0..5).map(|number| customer(&format!("small-{number}"), 0, &values, 100, None)));
    input.customers[0]
        .demands
        .push(demand(1, values.iter().map(|value| [*value / 4.0; LEVELS.len()]).collect()));
    input
}

proptest! {
    #[test]
    fn a_flooding_bronze_key_gains_no_guarantee(
        rates in forecasts(3),
        levels in forecasts(3),
        contract in prop::option::of((0_u64..50, 0_u64..50)),
        largest_cost in any::<u64>(),
        weight in prop::num::f64::ANY,
    ) {
        let mut input = crowd(3);
        let before = plan(&input);
        let contract =
            contract.map(|(per_s, burst)| Contract { rate: MicroRate::from_per_s(per_s as f64), burst });
        let flood = |resource, forecast| Demand { resource, contract, forecast, largest_cost };
        input.tiers[1].weight = weight;
        input.customers.insert(0, Customer {
            key: "bronze".into(),
            tier: 1,
            demands: vec![flood(0, rates), flood(1, levels)],
        });
        let after = plan(&input);
        prop_assert_eq!(after.check(), Ok(()));
        for key in ["gold", "small-0", "small-4"] {
            prop_assert_eq!(guaranteed(&before, key), guaranteed(&after, key));
        }
        for (before, after) in before.resources.iter().zip(&after.resources) {
            prop_assert_eq!(&before.tier_reservations[0], &after.tier_reservations[0]);
            prop_assert_eq!(&before.emergency, &after.emergency);
        }
        // What it has, it has within its contract and of what the others leave; so has its tier, which is it alone.
        let own = guaranteed(&after, "bronze");
        for (resource, policy) in input.resources.iter().enumerate() {
            let shared = &after.resources[resource].tier_reservations;
            for step in 0..3 {
                let mut all: Vec<Reservation> = shared.iter().map(|tier| tier.step(step)).collect();
                let bronze = own.iter().filter(|(of, _)| usize::from(*of) == resource);
                let bronze: Vec<Reservation> =
                    bronze.filter_map(|(_, steps)| steps.get(step).copied()).chain([all[1]]).collect();
                for reservation in &bronze {
                    let (rate, burst) =
                        contract.map_or((u64::MAX, u64::MAX), |contract| (contract.rate.0, contract.burst));
                    prop_assert!(reservation.rate.0 <= rate && reservation.depth <= burst, "{reservation:?}");
                }
                let keys = after.keys.iter().flat_map(|key| &key.grants);
                let keys = keys.filter(|grant| usize::from(grant.resource) == resource);
                all.extend(keys.map(|grant| grant.reservations.step(step)));
                let rates: f64 = all.iter().map(|one| one.rate.per_s()).sum();
                let depths: f64 = all.iter().map(|one| one.depth as f64).sum();
                prop_assert!(rates <= policy.capacity_per_s * policy.reservable_share);
                prop_assert!(depths <= policy.burst as f64 * policy.reservable_share);
            }
        }
    }

    #[test]
    fn the_probability_of_a_spike_raises_nobodys_share(
        spikes in prop::collection::vec(prop::num::f64::ANY, 0..4),
        forecast in forecasts(3),
        base in 0.0..1.0_f64,
        most in 0.0..1.0_f64,
    ) {
        let mut input = crowd(3);
        input.customers.push(Customer { key: "bronze".into(), tier: 1, demands: vec![demand(0, forecast)] });
        for resource in &mut input.resources {
            (resource.emergency_share, resource.emergency_max_share) = (base, most);
        }
        let calm = plan(&input);
        input.spike_probability = spikes;
        let alarmed = plan(&input);
        prop_assert_eq!(alarmed.check(), Ok(()));
        for (calm, alarmed) in calm.resources.iter().zip(&alarmed.resources) {
            for step in 0..3 {
                // A step is rounded by up to one code of its schedule's peak.
                let (calm, alarmed) = (calm.emergency.step(step), alarmed.emergency.step(step));
                prop_assert!(alarmed.depth as f64 >= calm.depth as f64 * 0.978 - 1.0, "{calm:?} {alarmed:?}");
            }
        }
        for step in 0..3 {
            let rates = |table: &Table| -> f64 {
                let shared = table.resources[0].tier_reservations.iter().map(|tier| tier.step(step).rate.per_s());
                let keys = table.keys.iter().flat_map(|key| &key.grants).filter(|grant| grant.resource == 0);
                shared.chain(keys.map(|grant| grant.reservations.step(step).rate.per_s())).sum()
            };
            prop_assert!(rates(&alarmed) <= rates(&calm) * 1.03 + 1e-3, "{} {}", rates(&alarmed), rates(&calm));
        }
    }
}

#[test]
fn a_reservation_is_no_deeper_than_its_contract() {
    let mut input = input(100.0, 1000, 1);
    let contract = Some(Contract { rate: MicroRate::from_per_s(30.0), burst: 12 });
    input.customers = vec![customer("own", 0, &[500.0], 1, contract)];
    assert_eq!(own(&plan(&input), 0), [(30.0, 12)]);
    input.customers = vec![customer("shares", 0, &[500.0], 10, contract)];
    let table = plan(&input);
    assert!(table.keys[0].grants[0].reservations.is_empty());
    let shared = table.resources[0].tier_reservations[0].step(0);
    assert_eq!((shared.rate.per_s(), shared.depth), (30.0, 12));
}

#[test]
fn the_depth_of_a_better_priority_comes_first() {
    let mut input = input(1000.0, 50, 1);
    input.tiers[1].tier.priority = 1;
    input.customers = vec![customer("bronze", 1, &[500.0], 1, None), customer("gold", 0, &[100.0], 1, None)];
    let table = plan(&input);
    assert_eq!(table.check(), Ok(()));
    // Of the 40 that may be reserved gold has the 31 it needs.
    assert_eq!((own(&table, 0), own(&table, 1)), (vec![(100.0, 31)], vec![(500.0, 8)]));
}
