//! What a resource's policy asks for: held tokens, an emergency reserve, floors that follow forecasts, slack.

use super::*;

const QUANTILES: [f64; LEVELS.len()] = [10.0, 20.0, 40.0, 60.0, 80.0];

/// A customer of the better tier whose reservation is the median, whatever its uncertainty.
fn uncertain(forecast: Vec<[f64; LEVELS.len()]>) -> PlanInput {
    let mut input = input(100.0, 100, 2);
    input.tiers[0] = TierPolicy { risk_quantile: 0.5, uncertainty_aversion: 0.0, ..tier("gold", 8.0) };
    input.tiers[1].tier.priority = 1;
    input.tiers[1].tier.floor_permille = 900;
    input.customers = vec![Customer { key: "acme".into(), tier: 0, demands: vec![demand(0, forecast)] }];
    input.resources[0].planned_floors = true;
    input
}

fn floors(input: &PlanInput) -> Vec<Vec<u16>> {
    let table = plan(input);
    assert_eq!(table.check(), Ok(()));
    table.resources[0].floors.clone()
}

#[test]
fn what_is_held_is_reserved_by_its_level_and_has_no_rate() {
    let mut input = input(0.0, 50, 2);
    input.resources[0].held = true;
    input.resources[0].emergency_share = 0.1;
    let contract = Some(Contract { rate: MicroRate(0), burst: 15 });
    input.customers =
        vec![customer("acme", 0, &[20.0, 10.0], 1, None), customer("small", 1, &[30.0, 4.0], 1, contract)];
    let table = plan(&input);
    assert_eq!(table.check(), Ok(()));
    assert_eq!(own(&table, 0), [(0.0, 20), (0.0, 10)]);
    assert_eq!(own(&table, 1), [(0.0, 15), (0.0, 4)]);
    assert_eq!(table.resources[0].emergency.step(0), Reservation { rate: MicroRate(0), depth: 5 });
    assert_eq!(table.keys[0].grants[0].forecast, Forecast::default(), "use cannot be compared with a level");
    assert_eq!(table.resources[0].slack_permille, [0, 720]);
}

#[test]
fn what_is_held_is_shared_when_it_is_short() {
    let mut input = input(0.0, 100, 1);
    input.resources[0].held = true;
    input.customers = vec![customer("acme", 0, &[200.0], 1, None), customer("batch", 1, &[200.0], 1, None)];
    let table = plan(&input);
    assert_eq!(table.check(), Ok(()));
    assert_eq!((own(&table, 0), own(&table, 1)), (vec![(0.0, 71)], vec![(0.0, 8)]));
}

#[test]
fn the_emergency_reserve_grows_with_the_probability_of_a_spike() {
    let mut input = input(100.0, 1000, 3);
    input.resources[0].emergency_share = 0.1;
    input.resources[0].emergency_max_share = 0.4;
    input.resources[0].emergency_key_share = 0.29;
    input.spike_probability = vec![0.0, 1.0];
    input.customers = vec![customer("acme", 0, &[90.0; 3], 1, None)];
    let table = plan(&input);
    assert_eq!(table.check(), Ok(()));
    let resource = &table.resources[0];
    let depths: Vec<u64> = resource.emergency.steps().map(|step| step.depth).collect();
    assert_eq!((depths[1], resource.emergency_key_permille), (400, 290));
    assert!(depths[0] <= 100 && depths[0] >= 97 && depths[0] == depths[2], "{depths:?}");
    // What is left of a step in which a spike is certain is the rest, no more.
    let rates: Vec<f64> = own(&table, 0).iter().map(|(rate, _)| *rate).collect();
    assert!((rates[0] - 80.0).abs() < 1e-3 && rates[1] < 60.0 && rates[1] > 58.0, "{rates:?}");
}

#[test]
fn floors_are_constant_unless_planning_them_is_asked_for() {
    let mut input = uncertain(vec![QUANTILES; 2]);
    input.resources[0].planned_floors = false;
    assert!(floors(&input).is_empty());
}

#[test]
fn a_floor_is_what_better_tiers_may_need_beyond_their_reservations() {
    // 40 are reserved, 1 + 3·√40 deep; 60 may come: 20 of a pool of 100 less that depth.
    let needed = (20.0_f64 / (100.0 - 1.0 - 3.0 * 40.0_f64.sqrt()) * 1000.0).ceil() as u16;
    assert_eq!(floors(&uncertain(vec![QUANTILES; 2])), [vec![], vec![needed, needed]]);
}

#[test]
fn no_floor_where_nothing_better_is_foreseen_and_never_more_than_is_configured() {
    let certain = [40.0; LEVELS.len()];
    let mut input = uncertain(vec![certain, QUANTILES]);
    input.tiers[1].tier.floor_permille = 100;
    assert_eq!(floors(&input), [vec![], vec![0, 100]]);
    // Its own demand is nothing to leave room for, nor is that of worse ones.
    input.customers[0].tier = 1;
    assert_eq!(floors(&input), [vec![], vec![0, 0]]);
}

#[test]
fn a_floor_has_room_for_one_of_the_largest_requests_that_may_come() {
    let mut input = uncertain(vec![[40.0, 40.0, 40.0, 40.5, 41.0]; 2]);
    input.customers[0].demands[0].largest_cost = 10;
    // The reservation is 10 + 3·√400 = 70 deep.
    assert_eq!(floors(&input), [vec![], vec![334, 334]]);
}

#[test]
fn floors_are_as_configured_where_nothing_is_forecast() {
    assert!(floors(&uncertain(Vec::new())).is_empty());
    assert_eq!(floors(&uncertain(vec![[40.0; LEVELS.len()]])), [vec![], vec![0, 900]]);
}

#[test]
fn slack_is_what_the_medians_leave_of_the_capacity() {
    let mut input = uncertain(vec![QUANTILES, [150.0; LEVELS.len()]]);
    input.customers.push(customer("batch", 1, &[35.0], 1, None));
    let other = ResourcePolicy { alternatives: vec![0], ..input.resources[0].clone() };
    add_resource(&mut input, other);
    input.resources[0].alternatives = vec![1];
    let table = plan(&input);
    assert_eq!(table.check(), Ok(()));
    assert_eq!(table.resources[0].slack_permille, [250, 0]);
    assert!(table.resources[1].slack_permille.is_empty(), "nothing is known of it");
    assert_eq!(
        (&table.resources[0].alternatives[..], &table.resources[1].alternatives[..]),
        (&[1][..], &[0][..])
    );
}

#[test]
fn no_slack_is_promised_beyond_the_forecasts() {
    assert_eq!(plan(&uncertain(vec![QUANTILES])).resources[0].slack_permille, [600, 0]);
}
