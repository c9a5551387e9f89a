//! Learning from rows of usage.

use super::*;
use crate::Past;

fn learner(max_keys: usize) -> (Learner, BTreeMap<String, NamedCustomer>) {
    let model = tidegate_model::find("seasonal-naive").unwrap();
    let customers = BTreeMap::from([("acme".to_owned(), NamedCustomer { tier: 0, contracts: vec![] })]);
    (Learner::new(&Learning { model, season_steps: 2, max_keys }, 2), customers)
}

const REQUESTS: usize = 0;
const TOKENS: usize = 1;
const UNKNOWN: usize = 2;

fn row(key: &str, resource: usize, demand: u64) -> Used<'_> {
    Used { key, resource, demand, largest: demand / 2 }
}

#[test]
fn silence_of_a_known_key_is_learned_as_zero() {
    let (mut learner, customers) = learner(10);
    learner.observe(&customers, 0, [row("a", REQUESTS, 6)]);
    learner.observe(&customers, 1, [row("b", TOKENS, 4)]);
    learner.predict(2, 2);
    let [Some(requests), None] = learner.key("a") else { panic!("a has used requests only") };
    assert_eq!(requests.observed_steps(), 2);
    assert_eq!(requests.largest_cost(), 3);
    assert_eq!((requests.at(2).unwrap().mean, requests.at(3).unwrap().mean), (6.0, 0.0));
    assert!(requests.at(1).is_none() && requests.at(4).is_none());
    assert_eq!(learner.series_count(), 2);
}

#[test]
fn what_was_predicted_is_kept_beside_what_happened() {
    let (mut learner, customers) = learner(10);
    for step in 0..300 {
        learner.observe(&customers, step, [row("a", REQUESTS, 10)]);
        learner.predict(step + 1, 1);
    }
    let [Some(series), _] = learner.key("a") else { panic!("a is known") };
    let past: Vec<&Past> = series.past().collect();
    assert_eq!((past.len(), past[0].step), (120, 180));
    assert!(past.iter().all(|past| past.actual == 10.0 && past.predicted == 10.0));
}

#[test]
fn beyond_the_limit_only_named_customers_are_learned_but_everything_counts_in_the_sum() {
    let (mut learner, customers) = learner(1);
    let rows = [row("a", REQUESTS, 1), row("b", REQUESTS, 2), row("acme", REQUESTS, 3), row("a", UNKNOWN, 9)];
    let unlearned = learner.observe(&customers, 0, rows);
    assert_eq!(unlearned, Unlearned { too_many_keys: 1, unknown_resource: 1 });
    assert_eq!(learner.keys().map(|(key, _)| key).collect::<Vec<_>>(), ["a", "acme"]);
    learner.predict(1, 1);
    assert_eq!(learner.total(0).unwrap().at(1).unwrap().mean, 6.0);
}

#[test]
fn keys_silent_for_long_are_forgotten_but_customers_are_not() {
    let (mut learner, customers) = learner(10);
    learner.observe(&customers, 0, [row("a", REQUESTS, 1), row("acme", REQUESTS, 1)]);
    for step in 1..=240 {
        learner.observe(&customers, step, []);
    }
    assert_eq!(learner.keys().map(|(key, _)| key).collect::<Vec<_>>(), ["acme"]);
}

#[test]
fn the_levels_of_models_and_of_the_planner_are_the_same() {
    assert_eq!(tidegate_model::BOUND_LEVELS, tidegate_core::plan::LEVELS);
}
