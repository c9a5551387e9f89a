//! No leakage, and what is known of simple series.

use tidegate_model::MODELS;

use super::*;
use crate::{Freq, Stamps, score};

fn frame(values: Vec<f64>) -> Frame {
    Frame {
        series: vec![Series { id: "a".into(), first: 0, values }],
        freq: Freq::Time(3_600_000),
        stamps: Stamps::Civil,
    }
}

fn noisy_day(step: usize) -> f64 {
    50.0 + 30.0 * (step as f64 / 24.0 * std::f64::consts::TAU).sin() + (step * 7919 % 23) as f64
}

#[test]
fn changing_the_future_changes_no_forecast() {
    let plan = Plan { horizon: 12, windows: 3, step: 10, seasons: vec![24] };
    let values: Vec<f64> = (0..260).map(noisy_day).collect();
    for window in plan.windows(values.len()) {
        let mut other = values.clone();
        for (index, value) in other.iter_mut().enumerate().skip(window.cutoff + 1) {
            *value = (index * 31 % 977) as f64 * 1e3;
        }
        for entry in MODELS {
            let of = |values: &Vec<f64>| {
                let outcome = run(&frame(values.clone()), &plan, entry, &|| ()).unwrap();
                outcome.series[0].iter().find(|one| one.window == window).unwrap().clone()
            };
            assert_eq!(of(&values), of(&other), "{} at {}", entry.name, window.cutoff);
        }
    }
}

#[test]
fn changing_what_came_after_the_first_forecast_in_another_series_changes_none() {
    // One ends earlier than the other: its first forecast comes first.
    let plan = Plan { horizon: 6, windows: 2, step: 6, seasons: vec![24] };
    let both = |late: f64| {
        let mut values: Vec<f64> = (0..260).map(noisy_day).collect();
        let origin = plan.windows(200)[0].cutoff;
        values.iter_mut().skip(origin + 1).for_each(|value| *value += late);
        let mut frame = frame((0..200).map(|step| noisy_day(step + 7)).collect());
        frame.series.push(Series { id: "b".into(), first: 0, values });
        frame
    };
    for entry in MODELS {
        let of = |late: f64| run(&both(late), &plan, entry, &|| ()).unwrap().series[0].clone();
        assert_eq!(of(0.0), of(1e4), "{}", entry.name);
    }
    let shared = MODELS.iter().filter(|entry| entry.school.is_some()).map(|entry| {
        let alone = run(&frame((0..200).map(|step| noisy_day(step + 7)).collect()), &plan, entry, &|| ());
        (alone.unwrap().series[0].clone(), run(&both(0.0), &plan, entry, &|| ()).unwrap().series[0].clone())
    });
    assert!(shared.clone().count() > 0 && shared.into_iter().any(|(alone, taught)| alone != taught));
}

#[test]
fn forecasting_ahead_is_what_a_window_at_the_end_would_have_had() {
    let plan = Plan { horizon: 12, windows: 1, step: 1, seasons: vec![24] };
    let values: Vec<f64> = (0..200).map(noisy_day).collect();
    let entry = tidegate_model::find("auto").unwrap();
    let mut longer = values.clone();
    longer.extend([1.0; 12]);
    let backtest = run(&frame(longer), &plan, entry, &|| ()).unwrap();
    assert_eq!(forecast(&frame(values), &plan, entry, &|| ())[0], backtest.series[0][0].steps);
}

#[test]
fn the_scores_of_a_known_forecast_are_right() {
    // Seasonal naive on a line: wrong by the season's length at every step within it.
    let plan = Plan { horizon: 4, windows: 2, step: 4, seasons: vec![4] };
    let frame = frame((0..100).map(f64::from).collect());
    let entry = tidegate_model::find("seasonal-naive").unwrap();
    let outcome = run(&frame, &plan, entry, &|| ()).unwrap();
    let score = score(&frame, &plan, &outcome);
    assert!((score.mase - 1.0).abs() < 1e-9 && (score.rmsse - 1.0).abs() < 1e-9, "{score:?}");
    let smape = (92..100).map(|value| 200.0 * 4.0 / f64::from(2 * value - 4)).sum::<f64>() / 8.0;
    assert!((score.smape - smape).abs() < 1e-9, "{score:?}");
    assert_eq!(score.windows, 2);
}
