//! The seasonal part of a series by local regression.
//!
//! Cleveland, Cleveland, McRae and Terpenning, *STL: A Seasonal-Trend Decomposition Procedure Based on Loess* (Journal of
//! Official Statistics 6, 1990), its inner loop: the values of each place in the season are smoothed along the periods and
//! carried on by one at either end, what varies more slowly than the season is taken out of that by a low-pass filter, and
//! a trend is smoothed from what is left. Long smoothers are worked out at some points, with straight lines between
//! them.

/// Times around.
const ROUNDS: usize = 2;
/// Long smoothers are worked out at so many points of their width.
const POINTS: usize = 10;
/// Nearer than this part of a window counts as there, and further as outside.
const HERE: f64 = 0.001;
const OUTSIDE: f64 = 0.999;

/// The part of each value that is of a season of `period` steps, smoothed over `width` periods. Needs two periods.
pub(crate) fn seasonal(values: &[f64], period: usize, width: usize) -> Vec<f64> {
    let count = values.len();
    let trend_width = odd((1.5 * period as f64 / (1.0 - 1.5 / width.max(2) as f64)).ceil() as usize);
    let mut trend = vec![0.0; count];
    let mut seasonal = vec![0.0; count];
    for _ in 0..ROUNDS {
        let left: Vec<f64> = values.iter().zip(&trend).map(|(value, trend)| value - trend).collect();
        let along = along_periods(&left, period, width);
        let slow = running_mean(&running_mean(&running_mean(&along, period), period), 3);
        let slow = smooth(&slow, odd(period), period.div_ceil(POINTS));
        let parts = along.iter().skip(period).zip(&slow);
        seasonal.iter_mut().zip(parts).for_each(|(part, (along, slow))| *part = along - slow);
        let left: Vec<f64> = values.iter().zip(&seasonal).map(|(value, part)| value - part).collect();
        trend = smooth(&left, trend_width, trend_width.div_ceil(POINTS));
    }
    seasonal
}

fn odd(width: usize) -> usize {
    width | 1
}

/// Each place of the season smoothed along the periods, with a period more before the first and after the last value.
fn along_periods(values: &[f64], period: usize, width: usize) -> Vec<f64> {
    let mut along = vec![0.0; values.len() + 2 * period];
    for place in 0..period {
        let own: Vec<f64> = values.iter().skip(place).step_by(period).copied().collect();
        let times = (0..own.len() + 2).map(|index| index as f64 - 1.0);
        for (slot, time) in along.iter_mut().skip(place).step_by(period).zip(times) {
            *slot = Degree::Constant.regress(&own, time, width);
        }
    }
    along
}

/// Means of `length` values in a row.
fn running_mean(values: &[f64], length: usize) -> Vec<f64> {
    let mut sum: f64 = values.iter().take(length).sum();
    let mut means = vec![sum / length as f64];
    for (new, old) in values.iter().skip(length).zip(values) {
        sum += new - old;
        means.push(sum / length as f64);
    }
    means
}

/// Local regression at every `jump`th value, and between them in a straight line.
fn smooth(values: &[f64], width: usize, jump: usize) -> Vec<f64> {
    let last = values.len().saturating_sub(1);
    let at = |index: usize| Degree::Linear.regress(values, index as f64, width);
    let mut smooth = Vec::with_capacity(values.len());
    let (mut from, mut low) = (0, at(0));
    while from < last {
        let to = (from + jump.max(1)).min(last);
        let high = at(to);
        let rise = (high - low) / (to - from) as f64;
        smooth.extend((0..to - from).map(|step| low + rise * step as f64));
        (from, low) = (to, high);
    }
    smooth.push(low);
    smooth.truncate(values.len());
    smooth
}

/// What is fitted to the values around. Along the periods it is a constant: a line through a few weeks would carry on
/// what one of them was like.
#[derive(Clone, Copy, PartialEq)]
enum Degree {
    Constant,
    Linear,
}

impl Degree {
    /// Local regression at a time, with tricube weights over the `width` values that are nearest.
    fn regress(self, values: &[f64], time: f64, width: usize) -> f64 {
        let count = values.len();
        let taken = width.min(count).max(1);
        let from = (time - (taken as f64 - 1.0) / 2.0).ceil().max(0.0) as usize;
        let from = from.min(count.saturating_sub(taken));
        let reach = (time - from as f64).max((from + taken) as f64 - 1.0 - time).max(0.5)
            + width.saturating_sub(count) as f64 / 2.0;
        let weight = |index: usize| {
            let away = (index as f64 - time).abs() / reach;
            match away {
                _ if away <= HERE => 1.0,
                _ if away >= OUTSIDE => 0.0,
                _ => (1.0 - away.powi(3)).powi(3),
            }
        };
        let (mut weights, mut times, mut squares, mut sums, mut products) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (index, value) in (from..).zip(values.iter().skip(from).take(taken)) {
            let (weight, away) = (weight(index), index as f64 - time);
            weights += weight;
            times += weight * away;
            squares += weight * away * away;
            sums += weight * value;
            products += weight * away * value;
        }
        let spread = weights * squares - times * times;
        let is_wide = self == Self::Linear && spread > (HERE * count as f64 * weights).powi(2);
        if is_wide {
            (squares * sums - times * products) / spread
        } else if weights > 0.0 {
            sums / weights
        } else {
            values.get(from).copied().unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_its_own_smoothing_and_goes_on() {
        let line: Vec<f64> = (0..40).map(|index| 3.0 + 2.0 * f64::from(index)).collect();
        for (smooth, value) in smooth(&line, 15, 4).iter().zip(&line) {
            assert!((smooth - value).abs() < 1e-9, "{smooth} instead of {value}");
        }
        assert!(
            (Degree::Linear.regress(&line, -1.0, 7) - 1.0).abs() < 1e-9
                && (Degree::Linear.regress(&line, 40.0, 7) - 83.0).abs() < 1e-9
        );
    }

    #[test]
    fn a_season_comes_apart_from_a_trend_up_to_both_ends() {
        let season = [4.0, -1.0, -6.0, 3.0];
        let values: Vec<f64> =
            (0..60).map(|step| 0.5 * f64::from(step) + season[step as usize % 4]).collect();
        for (step, part) in seasonal(&values, 4, 11).iter().enumerate() {
            assert!((part - season[step % 4]).abs() < 0.1, "{part} at {step}");
        }
    }

    #[test]
    fn the_shortest_series_have_a_part_too() {
        assert_eq!(seasonal(&[1.0, 5.0, 1.0, 5.0], 2, 11).len(), 4);
        assert!(seasonal(&[3.0; 10], 5, 15).iter().all(|part| part.abs() < 1e-9));
    }
}
