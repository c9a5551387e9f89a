//! Who is chosen, what joins, and what leaves again.

use std::collections::BTreeMap;

use super::*;
use crate::{Learning, Used};

const DAY: u64 = 96;

/// Something like a normal deviate, by seed.
fn noise(seed: u64, step: u64) -> f64 {
    let mut state = (seed << 32 ^ step).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut uniform = || {
        state ^= state >> 30;
        state = state.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state ^= state >> 27;
        (state >> 40) as f64 / (1_u64 << 24) as f64
    };
    (0..12).map(|_| uniform()).sum::<f64>() - 6.0
}

/// A day of several waves in much noise: who averages over waves knows it better than who copies yesterday's.
fn wavy(step: u64) -> f64 {
    day(step) + 90.0 * noise(1, step)
}

fn day(step: u64) -> f64 {
    let angle = (step % DAY) as f64 / DAY as f64 * std::f64::consts::TAU;
    600.0 + [1.0, 3.0, 5.0].map(|wave| 130.0 * (wave * angle + wave).sin()).iter().sum::<f64>()
}

/// Nothing but noise: nobody knows more than its mean.
fn noisy(step: u64) -> f64 {
    300.0 + 120.0 * noise(2, step)
}

fn learner(days: u64, most: usize, values: &[(&str, &dyn Fn(u64) -> f64)]) -> Learner {
    let model = tidegate_model::find("auto").unwrap();
    let mut learner = Learner::new(&Learning { model, season_steps: DAY as usize, max_keys: 10 }, 1);
    learn(&mut learner, 0..days * DAY, most, values);
    learner
}

fn learn(
    learner: &mut Learner,
    steps: std::ops::Range<u64>,
    most: usize,
    values: &[(&str, &dyn Fn(u64) -> f64)],
) {
    for step in steps {
        let used = values.iter().map(|(key, value)| {
            let demand = value(step).max(0.0).round() as u64;
            Used { key, resource: 0, demand, largest: 1 }
        });
        learner.observe(&BTreeMap::new(), step, used);
        learner.predict(step + 1, 1);
        learner.choose(most);
    }
}

/// Runs what is due; gives each candidate and what it led to.
fn try_all(learner: &mut Learner) -> Vec<(String, &'static str, Verdict)> {
    let mut verdicts = Vec::new();
    while let Some(mut trial) = learner.trial() {
        trial.run();
        let (key, candidate) = (trial.key().to_owned(), trial.candidate());
        verdicts.push((key, candidate, learner.conclude(trial, 0.1)));
    }
    verdicts
}

#[test]
fn a_heavy_model_joins_where_it_wins_makes_forecasts_better_and_leaves_where_it_does_not_any_more() {
    let mut with = learner(13, 5, &[("wavy", &wavy)]);
    let mut without = learner(13, 0, &[("wavy", &wavy)]);
    assert!(without.trial().is_none());
    let verdicts = try_all(&mut with);
    assert!(
        verdicts.iter().any(|(_, _, verdict)| matches!(verdict, Verdict::Joined(gain) if *gain > JOINS)),
        "{verdicts:?}"
    );
    let joined: Vec<_> =
        with.heavy().map(|(key, resource, name, _)| (key.to_owned(), resource, name)).collect();
    assert_eq!((joined.len(), joined[0].0.as_str()), (1, "wavy"));
    assert_eq!(with.key("wavy")[0].as_ref().unwrap().model_name(), joined[0].2);

    let error = |learner: &mut Learner| {
        let mut sum = 0.0;
        for step in 13 * DAY..15 * DAY {
            let forecast = learner.key("wavy")[0].as_ref().unwrap().look_ahead(step, 1).0[0].mean;
            let known = day(step);
            sum += (forecast - known).abs() / (2 * DAY) as f64;
            learn(learner, step..step + 1, 5, &[("wavy", &wavy)]);
        }
        sum
    };
    let (with_it, without_it) = (error(&mut with), error(&mut without));
    assert!(with_it < 0.9 * without_it, "wrong by {with_it} with it, by {without_it} without");

    // The day ends: nothing but a constant and noise from now on.
    let flat = |step: u64| 600.0 + 90.0 * noise(3, step);
    for day in 15..29 {
        learn(&mut with, day * DAY..(day + 1) * DAY, 5, &[("wavy", &flat)]);
        try_all(&mut with);
    }
    assert_eq!(with.heavy().count(), 0);
    assert_eq!(with.key("wavy")[0].as_ref().unwrap().model_name(), "auto");
}

#[test]
fn nothing_joins_where_nothing_can_be_gained() {
    let mut learner = learner(13, 5, &[("noisy", &noisy)]);
    let verdicts = try_all(&mut learner);
    assert_eq!(verdicts.len(), HEAVY.len(), "each is tried once");
    assert!(verdicts.iter().all(|(_, _, verdict)| *verdict == Verdict::Stayed), "{verdicts:?}");
    assert_eq!(learner.heavy().count(), 0);
    assert!(learner.trial().is_none(), "nothing is tried again before there is something new");
}

#[test]
fn those_with_most_at_stake_are_tried_first_and_only_those_chosen() {
    let small = |step: u64| noisy(step) / 20.0;
    let values: [(&str, &dyn Fn(u64) -> f64); 3] =
        [("noisy", &noisy), ("small", &small), ("calm", &|_| 500.0)];
    let mut learner = learner(4, 2, &values);
    let chosen: Vec<&str> =
        learner.of_keys().filter(|(_, _, series)| series.chosen().is_some()).map(|(key, ..)| key).collect();
    assert_eq!(chosen, ["noisy", "small"], "what is forecast well needs nothing");
    assert_eq!(learner.trial().unwrap().key(), "noisy");
    learner.choose(0);
    assert!(learner.trial().is_none());
}

#[test]
fn who_has_less_at_stake_than_others_gets_the_small_bank_back() {
    let mut learner = learner(13, 1, &[("wavy", &wavy)]);
    try_all(&mut learner);
    assert_eq!(learner.heavy().count(), 1);
    let size =
        |learner: &Learner| learner.key("wavy")[0].as_ref().unwrap().copy_model().unwrap().snapshot().len();
    let large = size(&learner);
    learner.choose(0);
    let verdicts = try_all(&mut learner);
    assert_eq!(verdicts, [("wavy".to_owned(), "auto", Verdict::Left)]);
    assert!(size(&learner) * 2 < large && size(&learner) <= 8 << 10, "{} of {large}", size(&learner));
    learner.choose(0);
    assert!(learner.key("wavy")[0].as_ref().unwrap().chosen().is_none());
}

#[test]
fn what_came_while_a_trial_ran_is_learned_too() {
    let mut learner = learner(6, 5, &[("wavy", &wavy)]);
    let mut trial = learner.trial().unwrap();
    trial.run();
    trial.outcome = trial.outcome.map(|outcome| Outcome { gain: 0.5, is_certain: true, ..outcome });
    learn(&mut learner, 6 * DAY..6 * DAY + 5, 5, &[("wavy", &wavy)]);
    assert_eq!(learner.conclude(trial, 0.1), Verdict::Joined(0.5));
    let (last, values) = learner.key_mut("wavy")[0].as_ref().unwrap().copy_model().unwrap().recent();
    assert_eq!(last, 6 * DAY + 4);
    let newest = wavy(6 * DAY + 4).round();
    assert!((values.last().unwrap() - newest).abs() < 1.0, "{:?} and {newest}", values.last());
}
