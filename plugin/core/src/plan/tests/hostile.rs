//! Whatever the numbers, a plan is a table that proxies accept.

use proptest::prelude::*;

use super::*;

/// Any float: those that break arithmetic as often as those that make sense.
fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        prop::num::f64::ANY,
        0.0..2.0_f64,
        0.0..1e6_f64,
        prop::sample::select(vec![
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            -1.0,
            0.0,
            f64::MIN_POSITIVE
        ]),
    ]
}

fn whole() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0_u64..1000, prop::sample::select(vec![0, 1, u64::MAX])]
}

fn resource(resources: usize) -> impl Strategy<Value = ResourcePolicy> {
    let shares = [float(), float(), float(), float()];
    let alternatives = prop::collection::vec(0..resources as u8, 0..3);
    (float(), float(), whole(), shares, any::<bool>(), any::<bool>(), alternatives).prop_map(
        |(capacity_per_s, safe_capacity_per_s, burst, shares, held, planned_floors, alternatives)| {
            let [reservable_share, emergency_share, emergency_max_share, emergency_key_share] = shares;
            ResourcePolicy {
                name: "any".into(),
                capacity_per_s,
                burst,
                safe_capacity_per_s,
                reservable_share,
                emergency_share,
                emergency_max_share,
                emergency_key_share,
                held,
                hold_s: 0.0,
                planned_floors,
                alternatives,
            }
        },
    )
}

fn any_tier(resources: usize) -> impl Strategy<Value = TierPolicy> {
    let contract =
        (0..1_u64 << 49, 0..1_u64 << 40).prop_map(|(rate, burst)| Contract { rate: MicroRate(rate), burst });
    let contracts = prop::collection::vec(prop::option::of(contract), resources);
    (0_u8..4, 0_u16..1001, contracts, [float(), float(), float()]).prop_map(
        |(priority, floor_permille, contracts, [weight, risk_quantile, uncertainty_aversion])| TierPolicy {
            tier: table::Tier { priority, floor_permille, contracts, ..table::Tier::default() },
            weight,
            risk_quantile,
            uncertainty_aversion,
        },
    )
}

fn any_customer() -> impl Strategy<Value = Customer> {
    let contract = prop::option::of((whole(), whole()));
    let forecast = prop::collection::vec([float(), float(), float(), float(), float()], 0..6);
    let demand =
        (0_u8..5, contract, forecast, whole()).prop_map(|(resource, contract, forecast, largest_cost)| {
            let contract = contract.map(|(rate, burst)| Contract { rate: MicroRate(rate), burst });
            Demand { resource, contract, forecast, largest_cost }
        });
    (0_u32..200, 0_u8..6, prop::collection::vec(demand, 0..4)).prop_map(|(number, tier, demands)| Customer {
        key: format!("{number}"),
        tier,
        demands,
    })
}

fn any_input() -> impl Strategy<Value = PlanInput> {
    (1_usize..5, 1_usize..6).prop_flat_map(|(resources, tiers)| {
        let policies = (
            prop::collection::vec(resource(resources), resources),
            prop::collection::vec(any_tier(resources), tiers),
        );
        let customers = prop::collection::vec(any_customer(), 0..40);
        let spikes = prop::collection::vec(float(), 0..6);
        (policies, customers, spikes, 1_u16..6, prop_oneof![Just(1), Just(u32::MAX), 1..100_000_u32])
            .prop_map(|((resources, tiers), customers, spike_probability, steps, step_ms)| PlanInput {
                steps,
                step_ms,
                default_tier: 0,
                resources,
                tiers,
                customers,
                spike_probability,
                ..input(1.0, 1, 1)
            })
    })
}

proptest! {
    #[test]
    fn every_plan_is_a_table_that_proxies_accept(input in any_input()) {
        let table = plan(&input);
        prop_assert_eq!(table.check(), Ok(()));
        prop_assert_eq!(Table::decode(&table.encode()), Ok(table));
    }

    #[test]
    fn a_plan_without_tiers_resources_steps_or_time_is_no_panic(
        input in any_input(),
        (tiers, resources, steps) in (any::<bool>(), any::<bool>(), any::<bool>()),
    ) {
        let mut input = PlanInput { step_ms: 0, ..input };
        if tiers {
            input.tiers.clear();
        }
        if resources {
            input.resources.clear();
        }
        if steps {
            input.steps = 0;
        }
        prop_assert!(plan(&input).check().is_err());
    }
}

#[test]
fn certain_demand_of_everybody_for_everything_fits() {
    for (capacity_per_s, burst) in [(1e9, 1 << 40), (1e-6, 1), (1.0, 1), (333.3, 997)] {
        let mut input = input(capacity_per_s, burst, 3);
        for (share, emergency) in [(1.0, 0.0), (1.0, 0.3), (0.999_999_999, 1e-9)] {
            input.resources[0].reservable_share = share;
            input.resources[0].emergency_share = emergency;
            input.customers = (0..1000)
                .map(|number| customer(&format!("{number}"), number as u8 % 2, &[1e300; 3], number, None))
                .collect();
            let table = plan(&input);
            assert_eq!(table.check(), Ok(()));
        }
    }
}
