//! A customer's forecast band against what came, as a chart that moves to the left.

use tidegate_e2e::forecaster::{Closed, Prediction};

use super::ink::{Ink, Line};

const AXIS: usize = 5;
/// Coming steps that are shown.
const AHEAD: usize = 8;
const LEAST_TOP: f64 = 8.0;

/// One step: what was foreseen, and what came, if it is over.
#[derive(Clone, Copy, Default)]
struct Column {
    low: Option<f64>,
    high: Option<f64>,
    actual: Option<f64>,
}

/// The chart in so many rows; values are per second.
pub(super) fn chart(prediction: &Prediction, step_s: f64, width: usize, rows: usize) -> Vec<Line> {
    let columns = columns(prediction, step_s, width.saturating_sub(AXIS));
    let values = columns.iter().flat_map(|column| [column.high, column.actual]).flatten();
    let top = values.fold(LEAST_TOP, f64::max);
    let row_of = |value: f64| {
        let place = (value / top * rows as f64).floor().max(0.0) as usize;
        rows.saturating_sub(1) - place.min(rows.saturating_sub(1))
    };
    (0..rows)
        .map(|row| {
            let label = match row {
                0 => format!("{top:>3.0} ┤"),
                last if last + 1 == rows => "  0 ┤".into(),
                _ => "    │".into(),
            };
            let cells = columns.iter().map(|column| cell(column, row, row_of));
            cells.fold(Line::of(Ink::Dim, label), |line, (ink, cell)| line.add(ink, cell))
        })
        .collect()
}

fn columns(prediction: &Prediction, step_s: f64, width: usize) -> Vec<Column> {
    let per_s = |tokens: f64| tokens / step_s;
    let past = |closed: &Closed| Column {
        low: closed.low.map(per_s),
        high: closed.high.map(per_s),
        actual: Some(per_s(closed.actual)),
    };
    let ahead = prediction.steps.iter().take(AHEAD).map(|step| Column {
        low: Some(per_s(step.quantiles.low)),
        high: Some(per_s(step.quantiles.high)),
        actual: None,
    });
    let ahead: Vec<Column> = ahead.collect();
    let room = width.saturating_sub(ahead.len());
    let recent = prediction.recent.iter().skip(prediction.recent.len().saturating_sub(room)).map(past);
    let recent: Vec<Column> = recent.collect();
    let blank = std::iter::repeat_n(Column::default(), room - recent.len().min(room));
    blank.chain(recent).chain(ahead).collect()
}

fn cell(column: &Column, row: usize, row_of: impl Fn(f64) -> usize) -> (Ink, &'static str) {
    let band = column.low.zip(column.high);
    if let Some(actual) = column.actual.filter(|actual| row_of(*actual) == row) {
        return match band {
            Some((low, high)) if (low..=high).contains(&actual) => (Ink::Good, "●"),
            Some(_) => (Ink::Bad, "●"),
            None => (Ink::Dim, "●"),
        };
    }
    match band {
        Some((low, high)) if (row_of(high)..=row_of(low)).contains(&row) => {
            (Ink::Band, if column.actual.is_some() { "▒" } else { "░" })
        }
        _ => (Ink::Plain, " "),
    }
}
