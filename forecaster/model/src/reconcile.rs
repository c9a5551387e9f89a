//! Forecasts of keys, and of the tiers, regions and totals they add up to, made to agree.
//!
//! Wickramasuriya, Athanasopoulos and Hyndman, *Optimal forecast reconciliation for hierarchical and grouped time series
//! through trace minimization* (JASA 114, 2019), with the errors' variances as weights (WLS): of all forecasts that add
//! up, those nearest to the ones that were made, where what is uncertain moves most. Written as a projection onto what
//! adds up, ỹ = ŷ − W Cᵀ (C W Cᵀ)⁻¹ C ŷ, it takes one small system of equations, as large as the number of groups, and
//! a pass over the keys: a million keys are no problem.

use crate::{forecast::StepForecast, linear::Normal};

/// A group of keys that has a forecast of its own.
#[derive(Clone, Debug)]
pub struct Group {
    /// Which keys it is the sum of, by index.
    pub members: Vec<usize>,
    /// Its forecast.
    pub forecast: StepForecast,
    /// For how many times as certain it counts as its interval says: 1 is right where errors of keys have nothing to do
    /// with each other, more where keys err together, which their own intervals cannot tell.
    pub trust: f64,
}

/// Changes the forecasts of keys and of groups, all of the same step, so that each group's mean is the sum of its
/// members'. Quantiles move with the mean, in proportion. Nothing becomes negative.
pub fn reconcile(keys: &mut [StepForecast], groups: &mut [Group]) {
    let variances: Vec<f64> = keys.iter().map(variance).collect();
    let of = |values: &[f64], key: &usize| values.get(*key).copied().unwrap_or(0.0);
    let means: Vec<f64> = keys.iter().map(|key| key.mean).collect();
    // How far each group is from the sum of its members, and how the groups' sums vary together.
    let gaps: Vec<f64> = groups
        .iter()
        .map(|group| group.forecast.mean - group.members.iter().map(|key| of(&means, key)).sum::<f64>())
        .collect();
    let mut of_key: Vec<Vec<usize>> = vec![Vec::new(); keys.len()];
    for (index, group) in groups.iter().enumerate() {
        for key in &group.members {
            if let Some(groups) = of_key.get_mut(*key) {
                groups.push(index);
            }
        }
    }
    let mut system = Normal::new(groups.len());
    for (in_groups, variance) in of_key.iter().zip(&variances) {
        system.add_sparse(in_groups, *variance);
    }
    let own: Vec<f64> =
        groups.iter().map(|group| variance(&group.forecast) / group.trust.max(1e-9)).collect();
    let Some(pull) = system.with_targets(gaps).solve(|group| of(&own, &group) + 1e-9) else {
        return;
    };
    for ((key, in_groups), variance) in keys.iter_mut().zip(&of_key).zip(&variances) {
        let change: f64 = in_groups.iter().map(|group| of(&pull, group)).sum();
        *key = key.moved_to(key.mean + variance * change);
    }
    // Exactly what the keys add up to, where one could not become negative too.
    for group in groups {
        let sum = group.members.iter().filter_map(|key| keys.get(*key)).map(|key| key.mean).sum();
        group.forecast = group.forecast.moved_to(sum);
    }
}

/// Of the error, as the 80 % interval has it; at least that of a count.
fn variance(forecast: &StepForecast) -> f64 {
    let [_, low, _, high, _] = forecast.bounds();
    ((high - low) / 2.563).powi(2).max(forecast.mean).max(1e-6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(mean: f64, deviation: f64) -> StepForecast {
        let quantiles = [-1.96, -1.2815, 0.0, 1.2815, 1.96];
        StepForecast::of_bounds(mean, quantiles.map(|normal: f64| (mean + normal * deviation).max(0.0)))
    }

    #[test]
    fn sums_agree_and_what_is_uncertain_moves() {
        let mut keys = [step(100.0, 10.0), step(100.0, 20.0), step(50.0, 10.0)];
        let mut groups = [
            Group { members: vec![0, 1], forecast: step(230.0, 10.0), trust: 1.0 },
            Group { members: vec![0, 1, 2], forecast: step(300.0, 100.0), trust: 1.0 },
        ];
        reconcile(&mut keys, &mut groups);
        assert!((keys[0].mean + keys[1].mean - groups[0].forecast.mean).abs() < 1e-9);
        assert!((groups[0].forecast.mean + keys[2].mean - groups[1].forecast.mean).abs() < 1e-9);
        let moved = [keys[0].mean - 100.0, keys[1].mean - 100.0];
        assert!(moved[0] > 1.0 && (moved[1] / moved[0] - 4.0).abs() < 0.2, "{moved:?}");
        assert!((groups[0].forecast.mean - 230.0).abs() < 10.0, "{:?}", groups[0]);
        assert!(keys[1].quantiles.is_sorted() && keys[1].bounds()[2] > 100.0);
    }

    #[test]
    fn it_is_the_textbook_s_weighted_least_squares() {
        // Two keys and their sum: S = [1 1; 1 0; 0 1], and S (Sᵀ W⁻¹ S)⁻¹ Sᵀ W⁻¹ ŷ by hand for variances 4, 1, 1:
        // each key moves by a sixth of the gap of 6 … 1·6/(1+1+4).
        let (one, other) = (step(400.0, 30.0), step(500.0, 30.0));
        let mut keys = [one, other];
        let mut groups = [Group { members: vec![0, 1], forecast: step(906.0, 60.0), trust: 1.0 }];
        reconcile(&mut keys, &mut groups);
        assert!((keys[0].mean - 401.0).abs() < 0.01 && (keys[1].mean - 501.0).abs() < 0.01, "{keys:?}");
        assert!((groups[0].forecast.mean - 902.0).abs() < 0.02);
    }

    #[test]
    fn nothing_becomes_negative() {
        let mut keys = [step(1.0, 1.0), step(1000.0, 1.0)];
        let mut groups = [Group { members: vec![0, 1], forecast: step(0.0, 0.1), trust: 1.0 }];
        reconcile(&mut keys, &mut groups);
        assert!(keys.iter().all(|key| key.mean >= 0.0 && key.quantiles.iter().all(|one| *one >= 0.0)));
        reconcile(&mut [], &mut []);
    }
}
