//! `tidegate backtest`: how good forecasts of a file's series would have been.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::Args;
use serde_json::json;
use tidegate_backtest::{
    Chart, Frame, Outcome, Plan, open, page, read_rows, run as replay, score, table, write_backtest,
};
use tidegate_model::{Entry, MODELS};

use crate::series_input::{self, SeriesInput, progress, write};

const HELP: &str = "\
The last window ends at the end of each series, each earlier one --step steps before; `cutoff` is the last `ds` that the \
model knew. Each series is replayed once: a model learns one value after the other, and forecasts at the cutoffs.

Rows are `unique_id,ds,cutoff,y,mean,median,lo-80,hi-80,..`, with a column `model` when several were asked for. In the \
table, spikes and scenarios are the Brier score of a spike's probability and the log loss of the scenario mix, each over \
that of the base rate (below 1 is better than to know how often it happened); PIT is coverage that counts a value equal \
to several quantiles, as zeros often are, by the levels of those that lie inside; MASE, RMSSE, MSIS and sMAPE are means over series, WQL and intervals are pooled; µs/window is CPU time of \
forecasting and fitting. Naive models are always in the table.";

/// Options of `tidegate backtest`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct BacktestOptions {
    #[command(flatten)]
    input: SeriesInput,
    /// How many windows of each series are forecast.
    #[arg(long, value_name = "W", default_value_t = 1)]
    windows: usize,
    /// Steps from one window to the next; the horizon when not given.
    #[arg(long, value_name = "S")]
    step: Option<usize>,
    /// The models, or `all`.
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', default_value = "auto")]
    model: Vec<String>,
    /// Forecasts of other tools for the same windows, scored beside ours: `unique_id,ds,cutoff,model,mean,lo-80,..`.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
}

/// Always in the table.
const BASELINES: [&str; 2] = ["naive", "seasonal-naive"];
const DRAWINGS: usize = 100;
const PLOT_WIDTH: usize = 100;
const PLOT_HEIGHT: usize = 14;

/// Replays every series through every model.
pub(crate) fn run(options: &BacktestOptions) -> anyhow::Result<()> {
    let input = &options.input;
    let step = options.step.unwrap_or(input.horizon);
    ensure!(options.windows > 0 && step > 0, "--windows and --step must be at least 1");
    let asked = asked(&options.model)?;
    let frame = input.read()?;
    let drawn = input.drawn(&frame)?;
    let seasons = input.seasons(&frame);
    let plan = Plan { horizon: input.horizon, windows: options.windows, step, seasons };
    let mut outcomes = Vec::new();
    for entry in &asked {
        outcomes.push(one(&frame, &plan, entry)?);
    }
    let mut scores: Vec<_> = outcomes.iter().map(|outcome| score(&frame, &plan, outcome)).collect();
    for name in BASELINES.into_iter().filter(|name| !asked.iter().any(|entry| entry.name == *name)) {
        scores.push(score(&frame, &plan, &one(&frame, &plan, series_input::model(name)?)?));
    }
    if let Some(path) = &options.against {
        let others = read_rows(open(path)?, path, &frame, &plan)?;
        scores.extend(others.iter().map(|outcome| score(&frame, &plan, outcome)));
    }
    if let Some(path) = &input.output {
        write(path, |output| write_backtest(output, &frame, &outcomes, &input.levels))?;
    }
    draw(options, &frame, &outcomes, drawn, &scores)?;
    if input.json {
        let all = json!({
            "series": frame.series.len(), "horizon": plan.horizon, "windows": plan.windows, "step": plan.step,
            "seasons": plan.seasons, "models": scores,
        });
        return write(Path::new("-"), |output| writeln!(output, "{all}"));
    }
    if input.output.as_deref() != Some(Path::new("-")) {
        let seasons: Vec<String> = plan.seasons.iter().map(usize::to_string).collect();
        let seasons = if seasons.is_empty() { "none".to_owned() } else { seasons.join(", ") };
        let head =
            format!("{} series, {} steps ahead, seasons: {seasons}\n", frame.series.len(), plan.horizon);
        write(Path::new("-"), |output| output.write_all((head + &table(&scores)).as_bytes()))?;
    }
    Ok(())
}

fn asked(names: &[String]) -> anyhow::Result<Vec<&'static Entry>> {
    if names.iter().any(|name| name == "all") {
        return Ok(MODELS.iter().collect());
    }
    names.iter().map(|name| series_input::model(name)).collect()
}

fn one(frame: &Frame, plan: &Plan, entry: &Entry) -> anyhow::Result<Outcome> {
    let bar = progress(frame.series.len(), entry.name)?;
    let outcome = replay(frame, plan, entry, &|| bar.inc(1));
    bar.finish_and_clear();
    Ok(outcome?)
}

/// Draws the last window of the first model.
fn draw(
    options: &BacktestOptions,
    frame: &Frame,
    outcomes: &[Outcome],
    drawn: usize,
    scores: &[tidegate_backtest::Score],
) -> anyhow::Result<()> {
    let input = &options.input;
    let Some(outcome) = outcomes.first() else { return Ok(()) };
    let pairs = frame.series.iter().zip(&outcome.series);
    let charts: Vec<Option<Chart<'_>>> = pairs
        .map(|(series, windows)| {
            let last = windows.last()?;
            Some(Chart { frame, series, from: last.window.cutoff + 1, ahead: &last.steps })
        })
        .collect();
    let chosen = charts.get(drawn).and_then(Option::as_ref);
    if let (Some(path), Some(chart)) = (&input.svg, chosen) {
        write(path, |output| output.write_all(chart.svg().as_bytes()))?;
    }
    if let Some(path) = &input.html {
        let drawings: Vec<String> = charts.iter().flatten().take(DRAWINGS).map(Chart::svg).collect();
        let title = format!("Backtest of {}", input.input.display());
        write(path, |output| output.write_all(page(&title, scores, &drawings).as_bytes()))?;
    }
    if let (true, Some(chart)) = (input.plot, chosen) {
        write(Path::new("-"), |output| output.write_all(chart.text(PLOT_WIDTH, PLOT_HEIGHT).as_bytes()))?;
    }
    Ok(())
}
