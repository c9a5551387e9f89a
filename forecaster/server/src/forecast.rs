//! `tidegate forecast`: what comes next in series from a file.

use std::path::Path;

use clap::Args;
use serde_json::{Map, Value, json};
use tidegate_backtest::{Chart, Frame, Plan, forecast, page, write_forecast};
use tidegate_model::StepForecast;

use crate::series_input::{self, SeriesInput, progress, write};

const HELP: &str = "\
Rows are `unique_id,ds,mean,median,lo-80,hi-80,..` with the levels asked for. Demand is never negative. Without --output, \
--plot, --svg, --html or --json rows are printed.";

/// Options of `tidegate forecast`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct ForecastOptions {
    #[command(flatten)]
    input: SeriesInput,
    /// The model; `auto` weighs all others by how well each did lately.
    #[arg(long, value_name = "NAME", default_value = "auto")]
    model: String,
}

/// How many drawings a page has at most.
const DRAWINGS: usize = 100;
const PLOT_WIDTH: usize = 100;
const PLOT_HEIGHT: usize = 14;

/// Forecasts every series.
pub(crate) fn run(options: &ForecastOptions) -> anyhow::Result<()> {
    let ForecastOptions { input, model } = options;
    let entry = series_input::model(model)?;
    let frame = input.read()?;
    let drawn = input.drawn(&frame)?;
    let plan = Plan { horizon: input.horizon, windows: 1, step: 1, seasons: input.seasons(&frame) };
    let bar = progress(frame.series.len(), entry.name)?;
    let ahead = forecast(&frame, &plan, entry, &|| bar.inc(1));
    bar.finish_and_clear();
    let charts = charts(&frame, &ahead);
    if let Some(path) = &input.output {
        write(path, |output| write_forecast(output, &frame, &ahead, &input.levels))?;
    }
    if let (Some(path), Some(chart)) = (&input.svg, charts.get(drawn)) {
        write(path, |output| output.write_all(chart.svg().as_bytes()))?;
    }
    if let Some(path) = &input.html {
        let drawings: Vec<String> = charts.iter().take(DRAWINGS).map(Chart::svg).collect();
        let title = format!("Forecast of {} by {}", input.input.display(), entry.name);
        write(path, |output| output.write_all(page(&title, &[], &drawings).as_bytes()))?;
    }
    if let (true, Some(chart)) = (input.plot, charts.get(drawn)) {
        write(Path::new("-"), |output| output.write_all(chart.text(PLOT_WIDTH, PLOT_HEIGHT).as_bytes()))?;
    }
    if input.json {
        let rows = json_rows(&frame, &ahead, &input.levels);
        write(Path::new("-"), |output| writeln!(output, "{rows}"))?;
    }
    let silent = input.output.is_none() && input.svg.is_none() && input.html.is_none();
    if silent && !input.plot && !input.json {
        write(Path::new("-"), |output| write_forecast(output, &frame, &ahead, &input.levels))?;
    }
    Ok(())
}

fn charts<'a>(frame: &'a Frame, ahead: &'a [Vec<StepForecast>]) -> Vec<Chart<'a>> {
    let pairs = frame.series.iter().zip(ahead);
    pairs.map(|(series, ahead)| Chart { frame, series, from: series.values.len(), ahead }).collect()
}

fn json_rows(frame: &Frame, ahead: &[Vec<StepForecast>], levels: &[f64]) -> Value {
    let mut rows = Vec::new();
    for (series, steps) in frame.series.iter().zip(ahead) {
        for (forecast, step) in steps.iter().zip(series.values.len()..) {
            let mut row = Map::new();
            row.insert("unique_id".into(), json!(series.id));
            row.insert("ds".into(), json!(frame.stamp(series, step)));
            row.insert("mean".into(), json!(forecast.mean));
            row.insert("median".into(), json!(forecast.quantile(0.5)));
            for level in levels {
                let tail = (1.0 - level / 100.0) / 2.0;
                row.insert(format!("lo-{level}"), json!(forecast.quantile(tail)));
                row.insert(format!("hi-{level}"), json!(forecast.quantile(1.0 - tail)));
            }
            rows.push(Value::Object(row));
        }
    }
    Value::Array(rows)
}
