//! Learning from rows of usage.

use std::path::Path;

use super::*;

fn config(max_keys: usize) -> Config {
    let text = format!(
        "report_interval_s: 1\nmax_keys: {max_keys}\nforecast: {{ step_s: 1, season_s: 2 }}\n\
         resources: {{ requests: {{ capacity_per_s: 10, burst: 10 }}, tokens: {{ capacity_per_s: 9, burst: 9 }} }}\n\
         tiers: {{ gold: {{}} }}\ncustomers: {{ acme: {{ tier: gold }} }}\n"
    );
    crate::config::parse(&text, Path::new("/"), &|_| None).unwrap()
}

fn row(key: &str, resource: &str, offered: u64) -> SeriesUsage {
    let counters = Counters { offered, largest: offered / 2, ..Counters::default() };
    SeriesUsage { key: key.to_owned(), resource: resource.to_owned(), counters }
}

#[test]
fn silence_of_a_known_key_is_learned_as_zero() {
    let config = config(10);
    let mut learner = Learner::new(&config);
    learner.observe(&config, 0, &[row("a", "requests", 6)]);
    learner.observe(&config, 1, &[row("b", "tokens", 4)]);
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
    let config = config(10);
    let mut learner = Learner::new(&config);
    for step in 0..300 {
        learner.observe(&config, step, &[row("a", "requests", 10)]);
        learner.predict(step + 1, 1);
    }
    let [Some(series), _] = learner.key("a") else { panic!("a is known") };
    let past: Vec<&Past> = series.past().collect();
    assert_eq!((past.len(), past[0].step), (120, 180));
    assert!(past.iter().all(|past| past.actual == 10.0 && past.predicted == 10.0));
}

#[test]
fn beyond_the_limit_only_named_customers_are_learned_but_everything_counts_in_the_sum() {
    let config = config(1);
    let mut learner = Learner::new(&config);
    let rows =
        [row("a", "requests", 1), row("b", "requests", 2), row("acme", "requests", 3), row("a", "cpu", 9)];
    let unlearned = learner.observe(&config, 0, &rows);
    assert_eq!(unlearned, Unlearned { too_many_keys: 1, unknown_resource: 1 });
    assert_eq!(learner.keys().map(|(key, _)| key).collect::<Vec<_>>(), ["a", "acme"]);
    learner.predict(1, 1);
    assert_eq!(learner.total(0).unwrap().at(1).unwrap().mean, 6.0);
}

#[test]
fn keys_silent_for_long_are_forgotten_but_customers_are_not() {
    let config = config(10);
    let mut learner = Learner::new(&config);
    learner.observe(&config, 0, &[row("a", "requests", 1), row("acme", "requests", 1)]);
    for step in 1..=240 {
        learner.observe(&config, step, &[]);
    }
    assert_eq!(learner.keys().map(|(key, _)| key).collect::<Vec<_>>(), ["acme"]);
}

#[test]
fn demand_is_offered_corrected_by_settlement() {
    let counters = Counters { offered: 100, settled: 30, settled_estimate: 50, ..Counters::default() };
    assert_eq!(demand(&counters), 80);
}

#[test]
fn the_levels_of_models_and_of_the_planner_are_the_same() {
    assert_eq!(tidegate_model::LEVELS, tidegate_core::plan::LEVELS);
}
