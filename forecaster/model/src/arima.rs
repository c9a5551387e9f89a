//! ARIMA of low order around Fourier terms for the seasons.
//!
//! Hyndman and Athanasopoulos, *Forecasting: Principles and Practice* (3rd ed.), §10.5: long seasons as Fourier terms,
//! what is left as ARMA. Orders up to (3, 1, 2) by the corrected Akaike criterion; coefficients by the method of Hannan
//! and Rissanen, *Recursive estimation of mixed autoregressive-moving average order* (Biometrika 69, 1982): regression on
//! past values and on the residuals of a long autoregression.

use serde::{Deserialize, Serialize};

use crate::{
    forecast::Settings,
    fourier,
    history::History,
    linear::{Normal, dot},
    member::Member,
};

/// Fitting looks at so many of the newest values, or seasons.
const FITTED: usize = 1500;
const FITTED_SEASONS: usize = 6;
/// Most waves of the first, second and third season.
const WAVES: [usize; 3] = [12, 12, 12];
const AUTOREGRESSIVE: usize = 3;
const MOVING: usize = 2;
/// Order of the long autoregression.
const LONG: usize = 10;
const PENALTY: f64 = 0.1;

/// The model and the newest values and errors that it looks at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Arima {
    seasons: Vec<usize>,
    /// Coefficients of the constant and the Fourier terms; none before the first fit.
    regression: Vec<f64>,
    differenced: bool,
    order: Order,
    /// Newest first: what the regression leaves, differenced if need be, and the errors.
    rest: Vec<f64>,
    errors: Vec<f64>,
    /// What the regression left of the newest value.
    last: f64,
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

impl Arima {
    fn row(&self, step: u64) -> Vec<f64> {
        let mut row = vec![1.0];
        for (&season, most) in self.seasons.iter().zip(WAVES) {
            fourier::push(&mut row, step, season, fourier::waves(season, most));
        }
        row
    }

    fn regress(&self, step: u64) -> f64 {
        let Some((constant, waves)) = self.regression.split_first() else { return 0.0 };
        constant + fourier::sum_of_all(waves, step, &self.seasons, &WAVES)
    }

    /// Learns one value of the rest: the value itself, or its difference.
    fn step(&mut self, value: f64) {
        let error = value - self.order.expected(&self.rest, &self.errors);
        self.rest.insert(0, value);
        self.rest.truncate(AUTOREGRESSIVE);
        self.errors.insert(0, error);
        self.errors.truncate(MOVING);
    }
}

impl Member for Arima {
    fn new(settings: &Settings) -> Self {
        Self {
            seasons: settings.seasons.iter().copied().filter(|&season| season > 1).take(3).collect(),
            regression: Vec::new(),
            differenced: false,
            order: Order::default(),
            rest: Vec::new(),
            errors: Vec::new(),
            last: 0.0,
        }
    }

    fn is_ready(&self) -> bool {
        !self.regression.is_empty()
    }

    fn observe(&mut self, past: &History) {
        if self.regression.is_empty() {
            return;
        }
        let left = past.newest() - self.regress(past.last_step());
        let value = if self.differenced { left - self.last } else { left };
        self.last = left;
        self.step(value);
    }

    fn path(&self, past: &History, ahead: &mut [f64]) {
        if self.regression.is_empty() {
            ahead.fill(past.newest());
            return;
        }
        let (mut rest, mut errors) = (self.rest.clone(), self.errors.clone());
        let mut left = self.last;
        for (value, step) in ahead.iter_mut().zip(past.last_step() + 1..) {
            let next = self.order.expected(&rest, &errors);
            rest.insert(0, next);
            rest.truncate(AUTOREGRESSIVE);
            errors.insert(0, 0.0);
            errors.truncate(MOVING);
            left = if self.differenced { left + next } else { next };
            *value = self.regress(step) + left;
        }
    }

    fn refit(&mut self, past: &History) {
        let longest = self.seasons.iter().copied().max().unwrap_or(1);
        let kept = FITTED.max(longest * FITTED_SEASONS).min(past.len());
        if kept < 3 * LONG {
            return;
        }
        let values = past.to_vec().split_off(past.len() - kept);
        let first = past.last_step() + 1 - kept as u64;
        let width = self.row(first).len();
        let mut normal = Normal::new(width);
        for (value, step) in values.iter().zip(first..) {
            normal.add(&self.row(step), *value, 1.0);
        }
        let Some(regression) = normal.solve(|index| if index == 0 { 1e-9 } else { PENALTY }) else { return };
        self.regression = regression;
        let left: Vec<f64> =
            values.iter().zip(first..).map(|(value, step)| value - self.regress(step)).collect();
        let changes: Vec<f64> = left.iter().skip(1).zip(&left).map(|(now, before)| now - before).collect();
        let (whole, differenced) = (best_order(&left), best_order(&changes));
        self.differenced = match (&whole, &differenced) {
            (Some((_, whole)), Some((_, differenced))) => differenced + 2.0 < *whole,
            _ => false,
        };
        let chosen = if self.differenced { differenced } else { whole };
        self.order = chosen.map_or_else(Order::default, |(order, _)| order);
        self.rest.clear();
        self.errors.clear();
        self.last = left.last().copied().unwrap_or(0.0);
        for &value in if self.differenced { &changes } else { &left } {
            self.step(value);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise from a fixed sequence, about uniform on ±1.
    fn noise(step: u64) -> f64 {
        let mixed = step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 40) as f64 / f64::from(1_u32 << 23) - 1.0
    }

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
    fn waves_go_on() {
        let settings = Settings { seasons: vec![24], horizon: 24, history: 600 };
        let mut model = Arima::new(&settings);
        let mut past = History::new(600, false);
        let value =
            |step: u64| 100.0 + 30.0 * (step as f64 / 24.0 * std::f64::consts::TAU).cos() + noise(step);
        for step in 0..480 {
            past.push(step, value(step));
            model.observe(&past);
        }
        model.refit(&past);
        let mut ahead = [0.0; 24];
        model.path(&past, &mut ahead);
        for (got, step) in ahead.iter().zip(480..) {
            assert!((got - value(step)).abs() < 2.5, "{got} instead of {}", value(step));
        }
    }
}
