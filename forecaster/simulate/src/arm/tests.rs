//! Every arm on a small world.

use std::collections::BTreeMap;

use super::*;
use crate::{
    draw::Random,
    generate::{Generation, generate, tests},
    scenario::Scenario,
};

const SEED: u64 = 1;

fn world() -> (World, Policy) {
    let generation = Generation { scenario: Scenario::FloodingBronze, ..tests::generation(SEED) };
    generate(&tests::rates(), &generation).unwrap()
}

fn policy(world: &(World, Policy), capacity_per_s: f64) -> Policy {
    let mut policy = world.1.clone();
    for resource in &mut policy.resources {
        resource.capacity_per_s = capacity_per_s;
        resource.safe_capacity_per_s = capacity_per_s;
        resource.burst = capacity_per_s as u64;
    }
    policy
}

fn run(arm: &Arm, world: &(World, Policy), capacity_per_s: f64) -> Outcomes {
    let policy = policy(world, capacity_per_s);
    let future = Future::of(&world.0.trace, &policy);
    arm.run(&world.0, &policy, &future, SEED, &mut |_, _| ()).unwrap()
}

fn named(name: &str) -> Arm {
    Arm::all().into_iter().find(|arm| arm.name == name).unwrap()
}

#[test]
fn every_arm_is_offered_everything_and_none_admits_more_than_the_budget() {
    let world = world();
    let mut arms = Arm::all();
    arms.push(Arm::priority(vec![0, 0, 100, 300], false));
    let seconds =
        (world.0.trace.arrivals.last().unwrap().at_ns - world.0.starts_at_ms * 1_000_000) as f64 / 1e9;
    for arm in arms {
        let outcomes = run(&arm, &world, 20.0);
        let total = outcomes.total();
        assert_eq!(total.offered as usize, world.0.trace.arrivals.len(), "{}", arm.name);
        assert_eq!(total.admitted + total.refused(), total.offered, "{}", arm.name);
        assert!(outcomes.groups.iter().all(|group| group.admitted <= group.offered), "{}", arm.name);
        // Shares of under one token of burst are rounded up to one.
        let burst = if arm.rule == Rule::Static { 60.0 } else { 20.0 };
        let most = 20.0 * (seconds + 1.0) + burst;
        assert!((total.admitted as f64) <= most, "{}: {} of {most}", arm.name, total.admitted);
        assert_eq!(outcomes, run(&arm, &world, 20.0), "{} differs from itself", arm.name);
    }
}

#[test]
fn with_enough_capacity_perfect_foresight_refuses_nobody() {
    let world = world();
    let outcomes = run(&named("perfect"), &world, 400.0);
    assert_eq!((outcomes.total().refused(), outcomes.total().delayed), (0, 0));
    assert!(outcomes.total().offered > 50_000);
}

#[test]
fn global_is_a_token_bucket() {
    let world = world();
    let (rate, burst) = (30.0, 30.0);
    let (mut level, mut last_ns, mut admitted) = (burst, world.0.starts_at_ms * 1_000_000, 0);
    for arrival in &world.0.trace.arrivals {
        level = f64::min(level + (arrival.at_ns - last_ns) as f64 / 1e9 * rate, burst);
        last_ns = arrival.at_ns;
        if level >= 1.0 {
            level -= 1.0;
            admitted += 1;
        }
    }
    assert_eq!(run(&named("global"), &world, 30.0).total().admitted, admitted);
}

#[test]
fn priority_without_floors_is_global_and_floors_protect_the_upper_tiers() {
    let world = world();
    let none = run(&Arm::priority(vec![0; 4], false), &world, 30.0);
    assert_eq!(none, run(&named("global"), &world, 30.0));
    let floors = run(&Arm::priority(vec![0, 0, 200, 500], false), &world, 30.0);
    assert!(floors.upper().refused() * 5 < none.upper().refused(), "{:?}", floors.upper());
}

#[test]
fn reservations_change_what_is_guaranteed_and_shuffling_changes_whom_it_is_for() {
    let world = world();
    let guaranteed = |name: &str| {
        let by_group: BTreeMap<String, u64> = run(&named(name), &world, 20.0)
            .groups
            .into_iter()
            .map(|group| (group.name, group.guaranteed))
            .collect();
        by_group
    };
    let reserving = guaranteed("reservations");
    assert!(reserving["gold"] > 100, "{reserving:?}");
    assert_ne!(guaranteed("shuffled"), reserving);
    for name in ["reactive", "tidegate"] {
        assert!(guaranteed(name).values().all(|guaranteed| *guaranteed == 0), "{name}");
    }
}

#[test]
fn the_future_is_what_the_trace_brings() {
    let world = world();
    let policy = policy(&world, 20.0);
    let future = Future::of(&world.0.trace, &policy);
    let key = Random::new(SEED, "any").below(40) as u32;
    let step = policy.step_at(world.0.starts_at_ms) + 5;
    let asked = world
        .0
        .trace
        .arrivals
        .iter()
        .filter(|arrival| arrival.key == key && arrival.at_ns / 60_000_000_000 == step);
    assert_eq!(future.at(world.0.trace.keys.name(key), 0, step), asked.count() as u64);
}

#[test]
fn foresight_orders_late_capacity_in_time() {
    let generation = Generation { scenario: Scenario::LateCapacity, hours: 3, ..tests::generation(SEED) };
    let (made, mut policy) = generate(&tests::rates(), &generation).unwrap();
    policy.elastic = Scenario::LateCapacity.elastic(20.0, 0.65, 4.0);
    let world = (made, policy);
    let of = |name: &str| run(&named(name), &world, 25.0);
    let (reactive, perfect) = (of("reactive"), of("perfect-unreserved"));
    assert!(reactive.total().refused() > 500, "{}", reactive.total().refused());
    let (late, in_time) = (reactive.total().refused(), perfect.total().refused());
    assert!(in_time * 4 < late, "{in_time} of {late}");
    // Both paid for what they had.
    let (without, with) = (reactive.capacity_per_s, perfect.capacity_per_s);
    assert!(without > 20.0 && with > without && with < 1.5 * without, "{without} {with}");
}
