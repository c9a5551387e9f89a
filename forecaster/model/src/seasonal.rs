//! Seasonal profiles: how each place of a season differs from the mean.

/// The profiles of several seasons over `values`, whose first is of step `first`; each value is taken apart into a mean
/// and one part per season, the shorter seasons first. A season with less than two periods has no profile.
pub(crate) fn profiles(values: &[f64], first: u64, seasons: &[usize]) -> Vec<Vec<f64>> {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let mut rest: Vec<f64> = values.iter().map(|value| value - mean).collect();
    seasons
        .iter()
        .map(|&season| {
            let season = season.max(1);
            if season < 2 || values.len() < 2 * season {
                return vec![0.0; season];
            }
            let mut sums = vec![(0.0, 0.0); season];
            let phase = (first % season as u64) as usize;
            for (value, place) in rest.iter().zip((0..season).cycle().skip(phase)) {
                if let Some((sum, count)) = sums.get_mut(place) {
                    *sum += value;
                    *count += 1.0;
                }
            }
            let profile: Vec<f64> = sums.iter().map(|(sum, count)| sum / f64::max(*count, 1.0)).collect();
            for (value, place) in rest.iter_mut().zip(profile.iter().cycle().skip(phase)) {
                *value -= place;
            }
            profile
        })
        .collect()
}

/// The place of `step` in a season of so many steps.
pub(crate) fn place(step: u64, season: usize) -> usize {
    (step % season.max(1) as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seasons_come_apart() {
        let value = |step: u64| {
            10.0 + if step % 4 == 1 { 3.0 } else { -1.0 } + if step / 4 % 3 == 2 { 2.0 } else { -1.0 }
        };
        let values: Vec<f64> = (5..5 + 48).map(value).collect();
        let [day, week] = &profiles(&values, 5, &[4, 12])[..] else { panic!("two seasons") };
        assert!((day[1] - 3.0).abs() < 1e-9 && (day[0] + 1.0).abs() < 1e-9, "{day:?}");
        assert!((week[8] - 2.0).abs() < 1e-9 && (week[0] + 1.0).abs() < 1e-9, "{week:?}");
        assert_eq!(profiles(&values, 5, &[30]), [vec![0.0; 30]]);
    }
}
