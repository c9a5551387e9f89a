//! Seasons that series have by themselves.
//!
//! A usual season of the frequency (a day, a week) counts when there are enough of it and when, after the shorter ones
//! have been taken out, the values a season apart are clearly alike: by the autocorrelation at that lag, averaged over
//! series.

use crate::frame::Frame;

/// So many seasons a series needs before one can be seen in it.
const ENOUGH_SEASONS: usize = 3;
/// From this autocorrelation on there is a season.
const ALIKE: f64 = 0.15;
/// So many series are looked at.
const LOOKED_AT: usize = 50;

/// The seasons of a frame, shortest first.
#[must_use]
pub fn find_seasons(frame: &Frame) -> Vec<usize> {
    let every = frame.series.len().div_ceil(LOOKED_AT).max(1);
    let mut looked_at: Vec<Vec<f64>> =
        frame.series.iter().step_by(every).map(|series| series.values.clone()).collect();
    let mut found = Vec::new();
    for season in frame.freq.usual_seasons() {
        let alike: Vec<f64> = looked_at
            .iter()
            .filter(|values| values.len() >= season * ENOUGH_SEASONS)
            .map(|values| autocorrelation(values, season))
            .filter(|alike| alike.is_finite())
            .collect();
        if alike.iter().sum::<f64>() / alike.len() as f64 >= ALIKE {
            found.push(season);
            looked_at.iter_mut().for_each(|values| take_out(values, season));
        }
    }
    found
}

fn autocorrelation(values: &[f64], lag: usize) -> f64 {
    let known = values.iter().filter(|value| value.is_finite());
    let mean = known.clone().sum::<f64>() / known.count() as f64;
    let (mut product, mut square) = (0.0, 0.0);
    for (value, before) in values.iter().skip(lag).zip(values) {
        if value.is_finite() && before.is_finite() {
            product += (value - mean) * (before - mean);
            square += ((value - mean).powi(2) + (before - mean).powi(2)) / 2.0;
        }
    }
    product / square
}

/// Subtracts from each value the mean of its place in the season.
fn take_out(values: &mut [f64], season: usize) {
    for place in 0..season {
        let known = values.iter().skip(place).step_by(season).filter(|value| value.is_finite());
        let mean = known.clone().sum::<f64>() / known.count().max(1) as f64;
        values.iter_mut().skip(place).step_by(season).for_each(|value| *value -= mean);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Freq, Series, Stamps};

    fn frame(value: impl Fn(usize) -> f64) -> Frame {
        let values = (0..24 * 7 * 5).map(value).collect();
        Frame {
            series: vec![Series { id: "a".into(), first: 0, values }],
            freq: Freq::Time(3_600_000),
            stamps: Stamps::Civil,
        }
    }

    #[test]
    fn days_and_weeks_are_found_where_they_are() {
        let noise = |step: usize| (step * 7919 % 101) as f64;
        let day = |step: usize| if step % 24 < 8 { 0.0 } else { 100.0 };
        let weekend = |step: usize| if step / 24 % 7 < 2 { 0.3 } else { 1.0 };
        assert!(find_seasons(&frame(noise)).is_empty());
        assert_eq!(find_seasons(&frame(|step| noise(step) + day(step))), [24]);
        assert_eq!(find_seasons(&frame(|step| noise(step) / 3.0 + day(step) * weekend(step))), [24, 168]);
    }
}
