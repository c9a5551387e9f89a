//! The contract of every model, tried on the whole registry.

use proptest::prelude::*;

use super::*;
use crate::{LEVELS, StepForecast, refit_is_due};

fn settings(season: usize) -> Settings {
    Settings { seasons: vec![season, season * 7], horizon: 12, history: 200 }
}

/// Learns `(skip, value)` pairs with fits on the way; gives the last step.
fn learn(model: &mut dyn Model, series: &[(u64, f64)]) -> u64 {
    let mut step = 1_000;
    for &(skip, value) in series {
        step += skip;
        model.observe(step, value);
        if refit_is_due(model.observed_steps()) {
            model.refit();
        }
    }
    step
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => 0.0..1e3,
        3 => Just(0.0),
        1 => prop_oneof![-1e3..1e15, Just(f64::MAX), Just(f64::NAN), Just(f64::NEG_INFINITY)],
    ]
}

fn any_series() -> impl Strategy<Value = Vec<(u64, f64)>> {
    prop::collection::vec((prop_oneof![9 => Just(1_u64), 1 => 1..300_u64], any_value()), 0..120)
}

fn is_sound(steps: &[StepForecast]) -> bool {
    steps.iter().all(|step| {
        let figures = step.quantiles.iter().chain([&step.mean]);
        step.quantiles.is_sorted() && figures.clone().all(|figure| figure.is_finite() && *figure >= 0.0)
    })
}

#[test]
fn names_are_unique_and_found() {
    for entry in MODELS {
        assert_eq!(find(entry.name).map(|found| found.summary), Some(entry.summary));
        assert_eq!(MODELS.iter().filter(|other| other.name == entry.name).count(), 1, "{}", entry.name);
    }
    assert!(find("no-such-model").is_none());
    assert!(LEVELS.is_sorted() && LEVELS.contains(&0.5));
}

#[test]
fn a_steady_series_is_forecast_as_it_is() {
    for entry in MODELS {
        let mut model = (entry.build)(&settings(4));
        assert!(model.forecast(0, 3).is_empty(), "{} forecasts from nothing", entry.name);
        let last = learn(&mut *model, &[(1, 40.0); 150]);
        for step in model.forecast(last + 1, 20) {
            assert!((step.mean - 40.0).abs() < 1.0, "{} forecasts {}", entry.name, step.mean);
        }
        assert_eq!(model.observed_steps(), 150);
    }
}

#[test]
fn silence_is_forecast_as_silence() {
    for entry in MODELS {
        let mut model = (entry.build)(&settings(5));
        let last = learn(&mut *model, &[(1, 0.0); 60]);
        let silent = model.forecast(last + 1, 9).iter().all(|step| *step == StepForecast::default());
        assert!(silent, "{}", entry.name);
    }
}

#[test]
fn steps_that_are_not_newer_and_values_that_are_none_change_nothing() {
    for entry in MODELS {
        let mut model = (entry.build)(&settings(4));
        let series: Vec<(u64, f64)> = (0..90).map(|step| (1, f64::from(step % 4))).collect();
        let last = learn(&mut *model, &series);
        let before = model.snapshot();
        for (step, value) in [(last, 9.0), (3, 9.0), (last + 1, f64::NAN), (last + 9, f64::INFINITY)] {
            model.observe(step, value);
        }
        assert!(model.snapshot() == before, "{}", entry.name);
    }
}

#[test]
fn intervals_hold_what_they_say_for_a_noisy_season() {
    let mut seed = 7_u64;
    let mut noise = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (0..6).map(|shift| (seed >> (8 + 8 * shift) & 0xff) as f64 / 255.0).sum::<f64>() - 3.0
    };
    let values: Vec<f64> =
        (0..1500).map(|step| 100.0 + f64::from(step % 6) * 30.0 + 12.0 * noise()).collect();
    for entry in MODELS {
        let mut model = (entry.build)(&Settings { seasons: vec![6], horizon: 6, history: 500 });
        let (mut inside_80, mut inside_95, mut count) = (0.0, 0.0, 0.0);
        for (step, &value) in (0..).zip(&values) {
            if step > 500 {
                let [lo_95, lo_80, _, hi_80, hi_95] = model.forecast(step, 1)[0].bounds();
                count += 1.0;
                inside_80 += f64::from(u8::from((lo_80..=hi_80).contains(&value)));
                inside_95 += f64::from(u8::from((lo_95..=hi_95).contains(&value)));
            }
            model.observe(step, value);
            if refit_is_due(model.observed_steps()) {
                model.refit();
            }
        }
        assert!((inside_80 / count - 0.8_f64).abs() < 0.04, "{}: {}", entry.name, inside_80 / count);
        assert!((inside_95 / count - 0.95_f64).abs() < 0.025, "{}: {}", entry.name, inside_95 / count);
    }
}

/// Whether means or medians are nearer is seen soonest by all distances together, and then it holds for all of them.
#[test]
fn what_mostly_does_not_come_has_a_median_of_nothing() {
    let mut model = (AUTO.build)(&Settings { seasons: Vec::new(), horizon: 8, history: 400 });
    let demand = |step: u64| if step * 7919 % 101 < 28 { 500.0 + (step * 31 % 97) as f64 } else { 0.0 };
    let (mut medians, mut inside, mut count) = (0, 0, 0);
    for step in 0..900 {
        if step > 500 {
            for (forecast, ahead) in model.forecast(step, 8).iter().zip(step..) {
                let [_, _, median, high, _] = forecast.bounds();
                medians += u32::from(median <= 0.0);
                inside += u32::from(demand(ahead) <= high);
                count += 1;
            }
        }
        model.observe(step, demand(step));
    }
    assert!(medians * 10 >= count * 9, "{medians} of {count} medians are nothing where 72 % of values are");
    assert!(inside * 100 >= count * 85, "{inside} of {count} are below the upper bound of nine tenths");
}

#[test]
fn means_or_medians_are_forecast_at_all_distances() {
    for first in 1..8_u64 {
        let mut seed = first;
        let mut model =
            (find("auto").unwrap().build)(&Settings { seasons: vec![1], horizon: 30, history: 300 });
        let series: Vec<(u64, f64)> = (0..120)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let chance = (seed >> 40) % 100;
                (1, if chance < 35 { 100.0 + (seed >> 33 & 0x7f) as f64 } else { chance as f64 / 10.0 })
            })
            .collect();
        let last = learn(&mut *model, &series);
        let steps = model.forecast(last + 1, 30);
        let by_median = steps.iter().filter(|step| step.mean.to_bits() == step.bounds()[2].to_bits()).count();
        assert!(by_median == 0 || by_median == 30, "{by_median} of 30 by the median, seed {first}");
    }
}

/// Noise, a peak that comes back each season, gaps, and as many announced events as are kept.
#[test]
fn a_light_snapshot_is_small() {
    let entry = find("auto").unwrap();
    for season in [96, 288, 1440] {
        let mut model = (entry.build)(&Settings::light(season, 15));
        for event in 0..40 {
            model.announce(event, 20 * event + 5, 20 * event + 15);
        }
        for step in (0..5 * season as u64).filter(|step| step % 37 != 5) {
            let peak = if (40..50).contains(&(step % season as u64)) { 400.0 } else { 0.0 };
            model.observe(step, peak + 100.123 + (step * 7919 % 1013) as f64 / 17.0);
            if refit_is_due(model.observed_steps()) {
                model.refit();
            }
        }
        let bytes = model.snapshot().len();
        println!("season {season}: {bytes} bytes");
        assert!(bytes <= 8 << 10, "{bytes} bytes with a season of {season} steps");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn forecasts_are_sound_whatever_comes(
        season in 1_usize..12,
        series in any_series(),
        ahead in prop_oneof![0_u64..50, Just(1 << 40)],
        horizon in 0_usize..40,
    ) {
        for entry in MODELS {
            let mut model = (entry.build)(&settings(season));
            let last = learn(&mut *model, &series);
            let steps = model.forecast(last.saturating_add(ahead), horizon);
            prop_assert!(steps.len() == horizon || model.observed_steps() == 0);
            prop_assert!(is_sound(&steps), "{}: {steps:?}", entry.name);
        }
    }

    #[test]
    fn a_restored_model_forecasts_and_learns_the_same(season in 1_usize..12, series in any_series(), cut in 0_usize..120) {
        let (before, after) = series.split_at(cut.min(series.len()));
        for entry in MODELS {
            let mut model = (entry.build)(&settings(season));
            learn(&mut *model, before);
            let mut restored = (entry.restore)(&model.snapshot()).unwrap();
            let mut step = 100_000;
            for &(skip, value) in after {
                step += skip;
                model.observe(step, value);
                restored.observe(step, value);
            }
            model.refit();
            restored.refit();
            prop_assert_eq!(model.forecast(step + 1, 15), restored.forecast(step + 1, 15), "{}", entry.name);
            prop_assert!(model.snapshot() == restored.snapshot(), "{}", entry.name);
        }
    }

    #[test]
    fn snapshots_cut_short_are_refused(at in 0_usize..4000) {
        for entry in MODELS {
            let mut model = (entry.build)(&settings(3));
            learn(&mut *model, &[(1, 5.0), (1, 6.0), (2, 7.0)].repeat(9));
            let bytes = model.snapshot();
            prop_assert!((entry.restore)(&bytes[..at % bytes.len()]).is_err(), "{}", entry.name);
        }
    }
}
