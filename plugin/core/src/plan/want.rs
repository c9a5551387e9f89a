//! What to guarantee on an uncertain forecast.
//!
//! A reservation is soft (what is not used overflows at once), but it holds down others while tokens are scarce. So a
//! tier states which quantile of demand it wants covered, and the less certain the forecast, the smaller the part of it
//! that is set aside ahead of time: the remainder is served from the pool, where it competes by floor and contract.

use super::LEVELS;

/// More tokens than any table can speak of: forecasts beyond it count as this.
const MOST: f64 = 1e18;

/// Tokens to guarantee in one step, from its forecast at [`LEVELS`] and the tier's risk quantile. An 80 % interval as wide
/// as the median shrinks that to 1 / (1 + `uncertainty_aversion`).
///
/// Quantiles that are not a number or negative count as zero.
#[must_use]
pub fn want(quantiles: &[f64; LEVELS.len()], risk_quantile: f64, uncertainty_aversion: f64) -> f64 {
    Aim::new(risk_quantile, uncertainty_aversion).want(&clean(quantiles))
}

/// What one tier aims at: [`want`] for many forecasts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aim {
    /// The risk quantile lies between the levels at this index and the next, so far on the way.
    below: usize,
    part: f64,
    aversion: f64,
}

impl Aim {
    pub(super) fn new(risk_quantile: f64, uncertainty_aversion: f64) -> Self {
        let aversion = if uncertainty_aversion > 0.0 { uncertainty_aversion } else { 0.0 };
        let pairs = LEVELS.iter().zip(LEVELS.iter().skip(1));
        let aim = |(below, (from, to)): (usize, (&f64, &f64))| {
            let part = ((risk_quantile - from) / (to - from)).clamp(0.0, 1.0);
            (risk_quantile <= *to).then_some(Self { below, part, aversion })
        };
        // Constant beyond the last level, and beyond the first.
        let last = Self { below: LEVELS.len() - 2, part: 1.0, aversion };
        pairs.enumerate().find_map(aim).unwrap_or(last)
    }

    /// Tokens to guarantee, from [`clean`] quantiles.
    pub(super) fn want(&self, quantiles: &[f64; LEVELS.len()]) -> f64 {
        let [lowest, low, median, high, highest] = *quantiles;
        let (start, end) = match self.below {
            0 => (lowest, low),
            1 => (low, median),
            2 => (median, high),
            _ => (high, highest),
        };
        let aimed = start + (end - start) * self.part;
        let doubt = self.aversion * (high - low);
        if doubt > 0.0 { aimed * (median / (median + doubt)) } else { aimed }
    }
}

/// Quantiles that can be reckoned with: what is not a number or negative is zero, and nothing is infinite.
pub(super) fn clean(quantiles: &[f64; LEVELS.len()]) -> [f64; LEVELS.len()] {
    // Comparisons are one instruction each; `min` and `max` mind NaN and are several.
    let finite = |quantile: f64| if quantile < MOST { quantile } else { MOST };
    quantiles.map(|quantile| if quantile > 0.0 { finite(quantile) } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certain_forecast_is_guaranteed_in_full() {
        assert_eq!(want(&[40.0; 5], 0.9, 0.5), 40.0);
    }

    #[test]
    fn the_risk_quantile_is_met_between_levels_and_constant_beyond_them() {
        let quantiles = [10.0, 20.0, 40.0, 60.0, 80.0];
        let wants =
            [0.001, 0.025, 0.1, 0.3, 0.5, 0.9, 0.9375, 0.975, 0.999].map(|risk| want(&quantiles, risk, 0.0));
        assert_eq!(wants, [10.0, 10.0, 20.0, 30.0, 40.0, 60.0, 70.0, 80.0, 80.0]);
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
    fn nonsense_reserves_nothing_and_everything_is_finite() {
        for risk_quantile in [f64::NAN, -1.0, 0.01, 0.5, 0.9, 2.0] {
            assert_eq!(want(&[f64::NAN; 5], risk_quantile, 0.5), 0.0);
            assert_eq!(want(&[-1.0; 5], risk_quantile, 0.5), 0.0);
            for aversion in [f64::NAN, -1.0, 0.5, f64::INFINITY] {
                assert!(want(&[f64::INFINITY; 5], risk_quantile, aversion).is_finite());
                assert!(want(&[0.0, 0.0, 1.0, f64::INFINITY, f64::NAN], risk_quantile, aversion).is_finite());
            }
        }
    }
}
