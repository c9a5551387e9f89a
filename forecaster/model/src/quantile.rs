//! Quantiles of a sample.
//!
//! Definition 6 of Hyndman and Fan, *Sample quantiles in statistical packages* (The American Statistician 50, 1996):
//! the p-quantile of n sorted values lies at position p(n + 1), between its neighbours by linear interpolation, at the
//! extremes beyond them. A new value exchangeable with the sample lies below it with probability p, so that intervals
//! made of it are not too narrow when the sample is small.

use crate::forecast::LEVELS;

/// The quantiles at [`LEVELS`] of `sample`, which gets sorted; zeros for an empty one.
pub(crate) fn at_levels(sample: &mut [f32]) -> [f64; LEVELS.len()] {
    sample.sort_unstable_by(f32::total_cmp);
    LEVELS.map(|level| of_sorted(sample, level))
}

fn of_sorted(sorted: &[f32], level: f64) -> f64 {
    let position =
        (level * (sorted.len() as f64 + 1.0) - 1.0).clamp(0.0, (sorted.len() as f64 - 1.0).max(0.0));
    let below = position.floor();
    let value = |index: usize| sorted.get(index).map(|&value| f64::from(value));
    let (Some(low), high) = (value(below as usize), value(below as usize + 1)) else { return 0.0 };
    low + (high.unwrap_or(low) - low) * (position - below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate_and_stop_at_the_extremes() {
        let mut sample: Vec<f32> = (1_u8..=99).rev().map(f32::from).collect();
        let [lowest, low, median, high, highest] = at_levels(&mut sample);
        for (got, want) in [(lowest, 2.5), (low, 10.0), (median, 50.0), (high, 90.0), (highest, 97.5)] {
            assert!((got - want).abs() < 1e-9, "{got} instead of {want}");
        }
        assert_eq!(at_levels(&mut [2.0, 1.0]), [1.0, 1.0, 1.5, 2.0, 2.0]);
        assert_eq!(at_levels(&mut []), [0.0; 5]);
    }
}
