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
