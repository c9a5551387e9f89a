//! Sines and cosines of seasons, as columns of a regression.

use std::f64::consts::TAU;

/// How many waves a season of so many steps gets: at most `most`, and none that steps cannot follow.
pub(crate) fn waves(season: usize, most: usize) -> usize {
    (season / 2).min(most)
}

/// Appends sine and cosine of each wave of a season at `step`.
pub(crate) fn push(row: &mut Vec<f64>, step: u64, season: usize, waves: usize) {
    let angle = TAU * (step % season.max(1) as u64) as f64 / season.max(1) as f64;
    let (sine, cosine) = angle.sin_cos();
    let (mut now_sine, mut now_cosine) = (0.0, 1.0);
    for _ in 0..waves {
        (now_sine, now_cosine) =
            (now_sine * cosine + now_cosine * sine, now_cosine * cosine - now_sine * sine);
        row.extend([now_sine, now_cosine]);
    }
}

/// The sum of a season's waves at `step`, for coefficients in the order of [`push`].
pub(crate) fn sum(coefficients: &[f64], step: u64, season: usize) -> f64 {
    let angle = TAU * (step % season.max(1) as u64) as f64 / season.max(1) as f64;
    let (sine, cosine) = angle.sin_cos();
    let (mut now_sine, mut now_cosine) = (0.0, 1.0);
    let mut sum = 0.0;
    for pair in coefficients.chunks_exact(2) {
        (now_sine, now_cosine) =
            (now_sine * cosine + now_cosine * sine, now_cosine * cosine - now_sine * sine);
        if let [of_sine, of_cosine] = pair {
            sum += of_sine * now_sine + of_cosine * now_cosine;
        }
    }
    sum
}

/// The sum of the waves of several seasons, whose coefficients follow one another.
pub(crate) fn sum_of_all(coefficients: &[f64], step: u64, seasons: &[usize], most: &[usize]) -> f64 {
    let mut rest = coefficients;
    let mut total = 0.0;
    for (&season, &most) in seasons.iter().zip(most) {
        let (own, others) = rest.split_at_checked(2 * waves(season, most)).unwrap_or((rest, &[]));
        total += sum(own, step, season);
        rest = others;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_products_with_the_columns() {
        let (seasons, most) = ([24, 168], [3, 2]);
        let coefficients: Vec<f64> = (1..=10).map(f64::from).collect();
        for step in [0, 7, 100_000] {
            let mut row = Vec::new();
            push(&mut row, step, 24, 3);
            push(&mut row, step, 168, 2);
            let product: f64 = row.iter().zip(&coefficients).map(|(column, factor)| column * factor).sum();
            assert!((sum_of_all(&coefficients, step, &seasons, &most) - product).abs() < 1e-9);
        }
        assert_eq!(waves(3, 9), 1);
    }
}
