//! Forecasts as rows of a file.

use std::{
    collections::HashMap,
    io::{BufRead, Write},
    path::Path,
};

use tidegate_model::{LEVELS, Outlook, StepForecast};

use crate::{
    error::Error,
    frame::{Frame, Series},
    plan::{Plan, Window},
    replay::{Forecasts, Outcome},
};

/// Writes `unique_id,ds,mean,median,lo-80,hi-80,..`, one row per step ahead; `levels` are percents.
///
/// # Errors
/// When writing fails.
pub fn write_forecast(
    output: &mut dyn Write,
    frame: &Frame,
    ahead: &[Vec<StepForecast>],
    levels: &[f64],
) -> std::io::Result<()> {
    writeln!(output, "unique_id,ds,{}", columns(levels))?;
    for (series, steps) in frame.series.iter().zip(ahead) {
        for (forecast, step) in steps.iter().zip(series.values.len()..) {
            writeln!(
                output,
                "{},{},{}",
                quoted(&series.id),
                frame.stamp(series, step),
                figures(forecast, levels)
            )?;
        }
    }
    Ok(())
}

/// Writes `unique_id,ds,cutoff,y,mean,..` (and `model` when there are several), one row per forecast of a known value.
///
/// # Errors
/// When writing fails.
pub fn write_backtest(
    output: &mut dyn Write,
    frame: &Frame,
    outcomes: &[Outcome],
    levels: &[f64],
) -> std::io::Result<()> {
    let several = outcomes.len() > 1;
    writeln!(output, "unique_id,ds,cutoff,y,{}{}", if several { "model," } else { "" }, columns(levels))?;
    for outcome in outcomes {
        let model = if several { format!("{},", outcome.model) } else { String::new() };
        for (series, windows) in frame.series.iter().zip(&outcome.series) {
            for forecasts in windows {
                let cutoff = frame.stamp(series, forecasts.window.cutoff);
                let first = forecasts.window.cutoff + 1;
                let after = series.values.get(first..).unwrap_or_default();
                for ((forecast, &y), step) in forecasts.steps.iter().zip(after).zip(first..) {
                    if y.is_finite() {
                        let (id, ds) = (quoted(&series.id), frame.stamp(series, step));
                        writeln!(output, "{id},{ds},{cutoff},{y},{model}{}", figures(forecast, levels))?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn columns(levels: &[f64]) -> String {
    let bounds: Vec<String> = levels.iter().map(|level| format!("lo-{level},hi-{level}")).collect();
    [vec!["mean".to_owned(), "median".to_owned()], bounds].concat().join(",")
}

fn figures(forecast: &StepForecast, levels: &[f64]) -> String {
    let mut text = format!("{},{}", rounded(forecast.mean), rounded(forecast.quantile(0.5)));
    for level in levels {
        let tail = (1.0 - level / 100.0) / 2.0;
        text += &format!(",{},{}", rounded(forecast.quantile(tail)), rounded(forecast.quantile(1.0 - tail)));
    }
    text
}

/// Seven significant digits, as many as models keep.
fn rounded(value: f64) -> f64 {
    let text = format!("{value:.6e}");
    text.parse().unwrap_or(value)
}

fn quoted(id: &str) -> String {
    let plain = !id.contains([',', '"', '\n', '\r']);
    if plain { id.to_owned() } else { format!("\"{}\"", id.replace('"', "\"\"")) }
}

/// Reads forecasts of other tools for the same windows: `unique_id,ds,cutoff,model,mean,lo-80,hi-80,lo-95,hi-95` and,
/// if known, `median`, where bounds that are missing or infinite are taken for the mean, and `ds` and `cutoff` are written as in the series' file.
///
/// # Errors
/// Names the line and column that make no sense, or a window that was not planned.
pub fn read_rows(
    input: impl BufRead,
    path: &Path,
    frame: &Frame,
    plan: &Plan,
) -> Result<Vec<Outcome>, Error> {
    let wrong = |line: u64, column: &str, says: &str| Error::Line {
        path: path.to_owned(),
        line,
        column: Some(column.to_owned()),
        says: says.to_owned(),
    };
    let mut rows = csv::Reader::from_reader(input);
    let header = rows.headers().map_err(|error| wrong(1, "unique_id", &error.to_string()))?.clone();
    let place = |name: &str| header.iter().position(|column| column == name);
    let stamps: HashMap<(&str, String), (usize, usize)> = planned(frame, plan);
    let cutoffs: HashMap<(&str, String), usize> =
        stamps.iter().map(|((id, stamp), &(_, step))| ((*id, stamp.clone()), step)).collect();
    let mut outcomes: Vec<Outcome> = Vec::new();
    for row in rows.records() {
        let row = row.map_err(|error| {
            wrong(error.position().map_or(0, csv::Position::line), "unique_id", &error.to_string())
        })?;
        let line = row.position().map_or(0, csv::Position::line);
        let text = |name: &str| {
            place(name).and_then(|at| row.get(at)).ok_or_else(|| wrong(line, name, "is missing"))
        };
        let number = |name: &str| {
            text(name)?
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite())
                .ok_or_else(|| wrong(line, name, "is no number"))
        };
        let (id, model) = (text("unique_id")?, text("model")?);
        let unknown = |column: &str| wrong(line, column, "is no step of that series in the input");
        let &(series, step) = stamps.get(&(id, text("ds")?.to_owned())).ok_or_else(|| unknown("ds"))?;
        let &cutoff = cutoffs.get(&(id, text("cutoff")?.to_owned())).ok_or_else(|| unknown("cutoff"))?;
        let mean = number("mean")?;
        let or_mean = |name: &str| match place(name).and_then(|at| row.get(at)) {
            None | Some("" | "inf" | "-inf") => Ok(mean),
            Some(_) => number(name),
        };
        let quantiles = ["lo-95", "lo-80", "median", "hi-80", "hi-95"].map(or_mean);
        let [lo_95, lo_80, median, hi_80, hi_95] = quantiles;
        let forecast = StepForecast::of_bounds(mean, [lo_95?, lo_80?, median?, hi_80?, hi_95?]);
        if !outcomes.iter().any(|outcome| outcome.model == model) {
            let series = frame.series.iter().map(|one| empty(plan, one)).collect();
            outcomes.push(Outcome { model: model.to_owned(), series, ..Outcome::default() });
        }
        let slot = outcomes
            .iter_mut()
            .find(|outcome| outcome.model == model)
            .and_then(|outcome| outcome.series.get_mut(series))
            .and_then(|windows| windows.iter_mut().find(|one| one.window.cutoff == cutoff))
            .and_then(|window| window.steps.get_mut(step.checked_sub(cutoff + 1)?));
        *slot.ok_or_else(|| wrong(line, "cutoff", "is not the cutoff of a window that was asked for"))? =
            forecast;
    }
    Ok(outcomes)
}

fn planned<'a>(frame: &'a Frame, _plan: &Plan) -> HashMap<(&'a str, String), (usize, usize)> {
    let of_series = |(index, series): (usize, &'a Series)| {
        (0..series.values.len())
            .map(move |step| ((series.id.as_str(), frame.stamp(series, step)), (index, step)))
    };
    frame.series.iter().enumerate().flat_map(of_series).collect()
}

fn empty(plan: &Plan, series: &Series) -> Vec<Forecasts> {
    let unknown = StepForecast { mean: f64::NAN, quantiles: [f64::NAN; LEVELS.len()] };
    let windows = plan.windows(series.values.len());
    windows
        .into_iter()
        .map(|window: Window| Forecasts {
            window,
            steps: vec![unknown; plan.horizon],
            outlook: Outlook::default(),
        })
        .collect()
}
