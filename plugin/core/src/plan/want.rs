//! What to guarantee on an uncertain forecast.
//!
//! A reservation is soft (what is not used overflows at once), but it holds down others while tokens are scarce. So a
//! tier states which quantile of demand it wants covered, and the less certain the forecast, the smaller the part of it
//! that is set aside ahead of time: the remainder is served from the pool, where it competes by floor and contract.

use super::LEVELS;

/// Tokens to guarantee in one step, from its forecast at [`LEVELS`] and the tier's risk quantile. An 80 % interval as wide
/// as the median shrinks that to 1 / (1 + `uncertainty_aversion`).
///
/// Quantiles that are not a number or negative count as zero.
#[must_use]
pub fn want(quantiles: &[f64; LEVELS.len()], risk_quantile: f64, uncertainty_aversion: f64) -> f64 {
    let [_, low, median, high, _] = quantiles.map(|quantile| if quantile > 0.0 { quantile } else { 0.0 });
    let spread = (high - low).max(0.0);
    let aimed = interpolate(quantiles, risk_quantile);
    let doubt = uncertainty_aversion.max(0.0) * spread;
    if doubt > 0.0 { aimed * median / (median + doubt) } else { aimed }
}

/// The quantile at `level`, linear between the known ones and constant beyond them.
fn interpolate(quantiles: &[f64; LEVELS.len()], level: f64) -> f64 {
    let mut below = (0.0, quantiles.first().copied().unwrap_or(0.0));
    for (at, value) in LEVELS.iter().zip(quantiles) {
        let value = if *value > 0.0 { *value } else { 0.0 };
        if level <= *at {
            let (from, start) = below;
            let part = if *at > from { ((level - from) / (at - from)).clamp(0.0, 1.0) } else { 1.0 };
            return start + (value - start) * part;
        }
        below = (*at, value);
    }
    below.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certain_forecast_is_guaranteed_in_full() {
        assert_eq!(want(&[40.0; 5], 0.9, 0.5), 40.0);
    }

    #[test]
    fn a_wider_interval_reserves_less() {
        let mut last = f64::INFINITY;
        for spread in [0.0, 5.0, 10.0, 20.0, 40.0] {
            let quantiles = [40.0 - spread, 40.0 - spread * 0.7, 40.0, 40.0 + spread * 0.7, 40.0 + spread];
            let wanted = want(&quantiles, 0.5, 0.5);
            assert!(wanted < last || spread == 0.0, "{wanted} at spread {spread}");
            last = wanted;
        }
    }

    #[test]
    fn a_higher_risk_quantile_reserves_more() {
        let quantiles = [10.0, 20.0, 40.0, 60.0, 80.0];
        assert!(want(&quantiles, 0.9, 0.5) > want(&quantiles, 0.5, 0.5));
        assert!(want(&quantiles, 0.5, 0.5) > want(&quantiles, 0.2, 0.5));
    }

    #[test]
    fn nonsense_reserves_nothing() {
        assert_eq!(want(&[f64::NAN; 5], 0.9, 0.5), 0.0);
        assert_eq!(want(&[-1.0; 5], 0.5, 0.5), 0.0);
    }
}
