//! Sums over many steps: hours, days and weeks out of steps, and coherent with them.
//!
//! The mean of a sum is the sum of means, whatever depends on what. How wide its interval is depends on how alike errors
//! of neighbouring steps are: with correlation ρ^|i−j| between the errors of steps i and j, and σ the distance of a
//! quantile from the median, the sum's distance is √(Σᵢ Σⱼ ρ^|i−j| σᵢ σⱼ). With ρ = 1 quantiles add up, with ρ = 0
//! they grow with the root of the number of steps.

use crate::forecast::{LEVELS, StepForecast};

const MEDIAN: usize = LEVELS.len() / 2;

/// The sums of each `steps` forecasts in a row, the last ones of fewer if they do not divide; `correlation` is that of
/// the errors of two neighbouring steps, between 0 and 1 ([`Model::correlation`](crate::Model::correlation)).
#[must_use]
pub fn roll_up(ahead: &[StepForecast], steps: usize, correlation: f64) -> Vec<StepForecast> {
    ahead.chunks(steps.max(1)).map(|chunk| sum(chunk, correlation.clamp(0.0, 1.0))).collect()
}

fn sum(steps: &[StepForecast], correlation: f64) -> StepForecast {
    let mean = steps.iter().map(|step| step.mean).sum::<f64>();
    let at = |step: &StepForecast, level: usize| step.quantiles.get(level).copied().unwrap_or(step.mean);
    let median: f64 = steps.iter().map(|step| at(step, MEDIAN)).sum();
    let mut quantiles = [0.0; LEVELS.len()];
    for (level, quantile) in quantiles.iter_mut().enumerate() {
        let distances = steps.iter().map(|step| at(step, level) - at(step, MEDIAN));
        // Σᵢ Σⱼ ρ^|i−j| σᵢ σⱼ in one pass: what a step shares with all before it fades by ρ.
        let (mut square, mut shared, mut sign) = (0.0, 0.0, 0.0);
        for distance in distances {
            square += distance * distance + 2.0 * distance * shared;
            shared = (shared + distance) * correlation;
            sign += distance;
        }
        *quantile = (median + f64::max(square, 0.0).sqrt().copysign(sign)).max(0.0);
    }
    StepForecast { mean, quantiles }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: StepForecast = StepForecast::of_bounds(10.0, [4.0, 6.0, 9.0, 15.0, 20.0]);

    #[test]
    fn means_add_up_and_intervals_grow_between_the_root_and_the_number() {
        let sums = |correlation: f64| roll_up(&[STEP; 9], 4, correlation);
        for correlation in [0.0, 0.5, 1.0] {
            assert_eq!(sums(correlation).iter().map(|sum| sum.mean).collect::<Vec<_>>(), [40.0, 40.0, 10.0]);
            assert_eq!(sums(correlation)[2], STEP);
            assert!(sums(correlation)[0].quantiles.is_sorted());
        }
        let upper = |correlation: f64| sums(correlation)[0].bounds()[4];
        assert!((upper(1.0) - 80.0).abs() < 1e-9 && (upper(0.0) - (36.0 + 22.0)).abs() < 1e-9);
        assert!(upper(0.0) < upper(0.5) && upper(0.5) < upper(1.0));
    }

    #[test]
    fn hours_and_days_of_the_same_steps_agree() {
        let ahead: Vec<StepForecast> =
            (1..=96).map(|step| StepForecast { mean: f64::from(step), ..STEP }).collect();
        let hours = roll_up(&ahead, 4, 0.3);
        let [day] = roll_up(&ahead, 96, 0.3)[..] else { panic!("one day") };
        assert!((hours.iter().map(|hour| hour.mean).sum::<f64>() - day.mean).abs() < 1e-9);
    }
}
