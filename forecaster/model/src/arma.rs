//! What seasons leave, as ARMA of low order, differenced once if that is better.
//!
//! Orders up to (3, 1, 2) by the corrected Akaike criterion (Hyndman and Khandakar, *Automatic time series forecasting*,
//! Journal of Statistical Software 27, 2008); coefficients by the method of Hannan and Rissanen, *Recursive estimation of mixed
//! autoregressive-moving average order* (Biometrika 69, 1982): regression on past values and on the residuals of a
//! long autoregression.

use serde::{Deserialize, Serialize};

use crate::linear::{Normal, dot};

const AUTOREGRESSIVE: usize = 3;
const MOVING: usize = 2;
/// Order of the long autoregression.
const LONG: usize = 10;
/// Fewer values are not fitted.
pub(crate) const FEWEST: usize = 3 * LONG;

/// The model and the newest values and errors that it looks at.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Arma {
    differenced: bool,
    /// Of the values, if they are not differenced.
    mean: f64,
    order: Order,
    /// Newest first: values without their mean, or their differences, and the errors.
    rest: Vec<f64>,
    errors: Vec<f64>,
    /// The newest value.
    last: f64,
    /// Whether values have a trend, so that they are differenced whatever the criterion says: it compares fits, not what they
    /// would return to.
    has_trend: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Order {
    autoregressive: Vec<f64>,
    moving: Vec<f64>,
}

impl Order {
    fn expected(&self, rest: &[f64], errors: &[f64]) -> f64 {
        dot(&self.autoregressive, rest) + dot(&self.moving, errors)
    }
}

impl Arma {
    /// For values that may have a trend; before the first fit they go on as the newest.
    pub(crate) fn with_trend() -> Self {
        Self { has_trend: true, differenced: true, ..Self::default() }
    }

    /// Learns one value; its error.
    pub(crate) fn learn(&mut self, value: f64) -> f64 {
        let change = if self.differenced { value - self.last } else { value - self.mean };
        self.last = value;
        self.step(change)
    }

    fn step(&mut self, change: f64) -> f64 {
        let error = change - self.order.expected(&self.rest, &self.errors);
        self.rest.insert(0, change);
        self.rest.truncate(AUTOREGRESSIVE);
        self.errors.insert(0, error);
        self.errors.truncate(MOVING);
        error
    }

    /// Fills in what comes after the newest value.
    pub(crate) fn go_on(&self, ahead: &mut [f64]) {
        let (mut rest, mut errors) = (self.rest.clone(), self.errors.clone());
        let mut last = self.last;
        for value in ahead {
            let next = self.order.expected(&rest, &errors);
            rest.insert(0, next);
            rest.truncate(AUTOREGRESSIVE);
            errors.insert(0, 0.0);
            errors.truncate(MOVING);
            last = if self.differenced { last + next } else { self.mean + next };
            *value = last;
        }
    }

    /// Fits order and coefficients to values, and begins after the last of them.
    pub(crate) fn fit(&mut self, values: &[f64]) {
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let around: Vec<f64> = values.iter().map(|value| value - mean).collect();
        let changes: Vec<f64> = values.iter().skip(1).zip(values).map(|(now, before)| now - before).collect();
        let (whole, differenced) = (best_order(&around), best_order(&changes));
        self.differenced = self.has_trend
            || match (&whole, &differenced) {
                (Some((_, whole)), Some((_, differenced))) => differenced + 2.0 < *whole,
                _ => false,
            };
        self.mean = if self.differenced { 0.0 } else { mean };
        let chosen = if self.differenced { differenced } else { whole };
        self.order = chosen.map_or_else(Order::default, |(order, _)| order);
        self.rest.clear();
        self.errors.clear();
        self.last = values.last().copied().unwrap_or(0.0);
        for &change in if self.differenced { &changes } else { &around } {
            self.step(change);
        }
    }
}

/// The order with the least corrected Akaike criterion, and the criterion.
fn best_order(values: &[f64]) -> Option<(Order, f64)> {
    let long = regress(values, &[], LONG, 0)?;
    let errors = errors_of(values, &long);
    let mut best: Option<(Order, f64)> = None;
    for autoregressive in 0..=AUTOREGRESSIVE {
        for moving in 0..=MOVING {
            let Some(order) = regress(values, &errors, autoregressive, moving) else { continue };
            if !is_stable(&order) {
                continue;
            }
            let left = errors_of(values, &order);
            let count = left.len().saturating_sub(LONG) as f64;
            let variance = left.iter().skip(LONG).map(|error| error * error).sum::<f64>() / count;
            let size = (autoregressive + moving + 1) as f64;
            let criterion = count * variance.max(1e-300).ln()
                + 2.0 * size
                + 2.0 * size * (size + 1.0) / (count - size - 1.0).max(1.0);
            if criterion.is_finite() && best.as_ref().is_none_or(|(_, least)| criterion < *least) {
                best = Some((order, criterion));
            }
        }
    }
    best
}

/// Regression of values on those before, and on errors before.
fn regress(values: &[f64], errors: &[f64], autoregressive: usize, moving: usize) -> Option<Order> {
    if autoregressive + moving == 0 {
        return Some(Order::default());
    }
    let mut normal = Normal::new(autoregressive + moving);
    let mut row = Vec::with_capacity(autoregressive + moving);
    let spread = values.iter().map(|value| value * value).sum::<f64>();
    for index in (LONG + MOVING)..values.len() {
        row.clear();
        let before = |of: &[f64], lag: usize| of.get(index - lag).copied().unwrap_or(0.0);
        row.extend((1..=autoregressive).map(|lag| before(values, lag)));
        row.extend((1..=moving).map(|lag| before(errors, lag)));
        normal.add(&row, values.get(index).copied().unwrap_or(0.0), 1.0);
    }
    let mut found = normal.solve(|_| 1e-4 * spread + 1e-12)?;
    let moving = found.split_off(autoregressive);
    Some(Order { autoregressive: found, moving })
}

fn errors_of(values: &[f64], order: &Order) -> Vec<f64> {
    let mut errors: Vec<f64> = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let mut expected = 0.0;
        for (lag, coefficient) in (1..).zip(&order.autoregressive) {
            expected +=
                coefficient * index.checked_sub(lag).and_then(|at| values.get(at)).copied().unwrap_or(0.0);
        }
        for (lag, coefficient) in (1..).zip(&order.moving) {
            expected +=
                coefficient * index.checked_sub(lag).and_then(|at| errors.get(at)).copied().unwrap_or(0.0);
        }
        errors.push(value - expected);
    }
    errors
}

/// Whether the influence of a value dies away, tried out.
fn is_stable(order: &Order) -> bool {
    let dies = |coefficients: &[f64], sign: f64| {
        let mut newest = vec![0.0; coefficients.len()];
        let mut next = 1.0;
        for _ in 0..200 {
            newest.insert(0, next);
            newest.truncate(coefficients.len());
            next = sign * dot(coefficients, &newest);
        }
        next.abs() < 0.99
    };
    dies(&order.autoregressive, 1.0) && dies(&order.moving, -1.0)
}

/// Noise from a fixed sequence, about uniform on ±1.
#[cfg(test)]
pub(crate) fn noise(step: u64) -> f64 {
    let mixed = step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 40) as f64 / f64::from(1_u32 << 23) - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_autoregression_is_found() {
        let mut values = vec![0.0];
        for step in 1..2000 {
            values.push(0.8 * values[step - 1] + noise(step as u64));
        }
        let (order, _) = best_order(&values).unwrap();
        let mut newest = vec![1.0];
        let influence: Vec<f64> = (0..3)
            .map(|_| {
                let next = dot(&order.autoregressive, &newest);
                newest.insert(0, next);
                next
            })
            .collect();
        assert!((influence[0] - 0.8).abs() < 0.1 || !order.moving.is_empty(), "{order:?}");
        assert!(is_stable(&order));
        assert!(!is_stable(&Order { autoregressive: vec![1.02], moving: Vec::new() }));
    }

    #[test]
    fn values_with_a_trend_go_on_from_the_newest() {
        let mut model = Arma::with_trend();
        let mut ahead = [0.0; 2];
        model.learn(7.0);
        model.go_on(&mut ahead);
        assert_eq!(ahead, [7.0, 7.0], "before the first fit too");
        let values: Vec<f64> = (0..200).map(|step| 500.0 + noise(step)).collect();
        model.fit(&values);
        model.go_on(&mut ahead);
        assert!(ahead.iter().all(|value| (value - 500.0).abs() < 2.0), "{ahead:?}");
    }
}
