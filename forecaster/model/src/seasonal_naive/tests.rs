//! Known answers, then what holds for any series.

use proptest::prelude::*;

use super::*;

fn model(season_steps: usize) -> SeasonalNaive {
    SeasonalNaive::new(&Settings { season_steps })
}

fn learned(season_steps: usize, values: impl IntoIterator<Item = f64>) -> SeasonalNaive {
    let mut model = model(season_steps);
    for (step, value) in values.into_iter().enumerate() {
        model.observe(step as u64, value);
    }
    model
}

#[test]
fn a_perfect_season_repeats_with_no_width() {
    let model = learned(4, (0..40).map(|step| [10.0, 20.0, 0.0, 5.0][step % 4]));
    let forecast = model.forecast(40, 4);
    assert_eq!(forecast.iter().map(|step| step.mean).collect::<Vec<_>>(), [10.0, 20.0, 0.0, 5.0]);
    assert!(forecast.iter().all(|step| step.quantiles == [step.mean; 5]));
}

#[test]
fn residual_quantiles_become_the_interval() {
    // Season of one step: residuals are +1, -1, +1, ... around a value of 100 or 101.
    let model = learned(1, (0..201).map(|step| 100.0 + f64::from(step % 2)));
    let [step] = model.forecast(201, 1)[..] else { panic!("one step was asked for") };
    assert!((step.mean - 100.0).abs() < 0.02, "{}", step.mean);
    assert_eq!(step.quantiles[0], 99.0);
    assert_eq!(step.quantiles[4], 101.0);
}

#[test]
fn beyond_one_season_the_interval_widens_with_the_root_of_the_seasons() {
    let model = learned(2, (0..100).map(|step| if (step / 2) % 2 == 0 { 100.0 } else { 104.0 }));
    let forecast = model.forecast(100, 8);
    let width = |index: usize| forecast[index].quantiles[4] - forecast[index].quantiles[0];
    assert!((width(6) / width(0) - 2.0).abs() < 1e-9, "{} and {}", width(0), width(6));
}

#[test]
fn before_a_season_is_over_the_recent_mean_serves() {
    let model = learned(1000, [10.0, 20.0, 30.0]);
    let [step] = model.forecast(3, 1)[..] else { panic!("one step was asked for") };
    assert_eq!((step.mean, step.quantiles[2]), (20.0, 20.0));
    assert!(step.quantiles[0] < 10.0 && step.quantiles[4] > 30.0, "{:?}", step.quantiles);
}

#[test]
fn one_value_gives_a_poisson_interval_and_none_gives_nothing() {
    assert!(model(10).forecast(0, 5).is_empty());
    let [step] = learned(10, [100.0]).forecast(1, 1)[..] else { panic!("one step was asked for") };
    assert!((step.quantiles[3] - 112.8).abs() < 0.1, "{:?}", step.quantiles);
}

#[test]
fn silence_is_forecast_as_silence() {
    let model = learned(5, std::iter::repeat_n(0.0, 30));
    assert!(model.forecast(30, 9).iter().all(|step| *step == StepForecast::default()));
}

#[test]
fn a_gap_keeps_the_value_of_the_season_before() {
    let mut model = learned(3, [1.0, 2.0, 3.0]);
    model.observe(5, 3.0);
    let means: Vec<f64> = model.forecast(6, 3).iter().map(|step| step.quantiles[2]).collect();
    assert_eq!(means, [1.0, 2.0, 3.0]);
    assert_eq!(model.observed_steps(), 4);
}

#[test]
fn a_gap_in_the_first_season_is_filled_with_the_recent_mean() {
    let mut model = model(4);
    model.observe(0, 8.0);
    model.observe(3, 4.0);
    let means: Vec<f64> = model.forecast(4, 4).iter().map(|step| step.quantiles[2]).collect();
    assert_eq!(means, [8.0, 6.0, 6.0, 4.0]);
}

#[test]
fn old_steps_and_broken_values_change_nothing() {
    let mut model = learned(3, [1.0, 2.0, 3.0]);
    let before = model.forecast(3, 3);
    model.observe(1, 1000.0);
    model.observe(3, f64::NAN);
    model.observe(4, f64::INFINITY);
    assert_eq!(model.forecast(3, 3), before);
}

proptest! {
    #[test]
    fn forecasts_are_finite_sorted_and_never_negative_whatever_comes(
        season_steps in 0_usize..50,
        series in prop::collection::vec((1_u64..20, prop_oneof![
            Just(0.0), 0.0..1e3, -1e3..1e15, Just(f64::MAX), Just(f64::NAN), Just(f64::NEG_INFINITY)
        ]), 0..300),
        ahead in 0_u64..200,
        horizon in 0_usize..70,
    ) {
        let mut model = model(season_steps);
        let mut step = 0;
        for (skip, value) in series {
            step += skip;
            model.observe(step, value);
        }
        let forecast = model.forecast(step + ahead, horizon);
        prop_assert!(forecast.len() == horizon || model.observed_steps() == 0);
        for step in forecast {
            prop_assert!(step.mean.is_finite() && step.mean >= 0.0);
            prop_assert!(step.quantiles.is_sorted(), "{:?}", step.quantiles);
            prop_assert!(step.quantiles.iter().all(|value| value.is_finite() && *value >= 0.0));
        }
    }

    #[test]
    fn state_is_bounded_by_the_season_and_the_rings(
        season_steps in 1_usize..40,
        steps in prop::collection::vec(1_u64..1_000_000_000, 0..600),
    ) {
        let mut model = model(season_steps);
        let mut step = 0;
        for skip in steps {
            step += skip;
            model.observe(step, (skip % 7) as f64);
        }
        prop_assert!(model.season.len() <= season_steps);
        prop_assert!(model.residuals.len() <= RESIDUALS);
        prop_assert!(model.early_residuals.len() <= EARLY_RESIDUALS);
        prop_assert!(model.recent.len() <= RECENT);
    }
}
