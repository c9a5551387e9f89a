//! What `forecast` and `backtest` have in common: options, reading series, choosing models, showing progress.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tidegate_backtest::{Frame, Freq, find_seasons, open, read};
use tidegate_model::{Entry, MODELS};

/// Options of both commands.
#[derive(Debug, Args)]
pub(crate) struct SeriesInput {
    /// Series in long format (`unique_id,ds,y`): CSV or JSON lines, gzip accepted; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Length of a step: 10s, 5min, 1h, 1d; a plain number when `ds` is one.
    #[arg(long, value_name = "FREQ")]
    pub(crate) freq: Freq,
    /// Steps to forecast.
    #[arg(long, value_name = "H")]
    pub(crate) horizon: usize,
    /// Steps per season, shortest first; found by itself when not given, 1 for none.
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    pub(crate) season: Vec<usize>,
    /// Intervals, in percent.
    #[arg(long, value_name = "P,..", value_delimiter = ',', default_value = "80,95")]
    pub(crate) levels: Vec<f64>,
    /// Where rows go (CSV); `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Draw a fan chart in the terminal.
    #[arg(long)]
    pub(crate) plot: bool,
    /// Draw the charts of this series; the first when not given.
    #[arg(long, value_name = "ID")]
    pub(crate) series: Option<String>,
    /// Write a drawing.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Write a page with drawings.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Longest horizon: further ahead nothing is learned.
const FURTHEST: usize = 20_000;

impl SeriesInput {
    pub(crate) fn read(&self) -> anyhow::Result<Frame> {
        ensure!(
            (1..=FURTHEST).contains(&self.horizon),
            "--horizon: give a number of steps from 1 to {FURTHEST}"
        );
        let is_level = |level: &f64| *level > 0.0 && *level < 100.0;
        ensure!(self.levels.iter().all(is_level), "--levels: give percents between 0 and 100");
        ensure!(!self.season.contains(&0), "--season: give steps per season, 1 for none");
        Ok(read(open(&self.input)?, &self.input, self.freq)?)
    }

    /// The seasons given, or found.
    pub(crate) fn seasons(&self, frame: &Frame) -> Vec<usize> {
        let mut seasons = if self.season.is_empty() { find_seasons(frame) } else { self.season.clone() };
        seasons.retain(|&season| season > 1);
        seasons.sort_unstable();
        seasons
    }

    /// Index of the series to be drawn.
    pub(crate) fn drawn(&self, frame: &Frame) -> anyhow::Result<usize> {
        let Some(id) = &self.series else { return Ok(0) };
        let found = frame.series.iter().position(|series| series.id == *id);
        found.with_context(|| format!("--series: there is no series `{id}` in {}", self.input.display()))
    }
}

/// The model with this name, or a sentence that names those there are.
pub(crate) fn model(name: &str) -> anyhow::Result<&'static Entry> {
    if let Some(found) = tidegate_model::find(name) {
        return Ok(found);
    }
    let names = MODELS.iter().map(|entry| entry.name);
    let near = names.clone().min_by_key(|known| strsim::levenshtein(known, name)).unwrap_or_default();
    let names: Vec<&str> = names.collect();
    bail!("there is no model `{name}`; did you mean `{near}`? The models are {}", names.join(", "))
}

/// A bar on standard error that counts series.
pub(crate) fn progress(count: usize, what: &str) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg} {bar:40} {pos} of {len} series, {eta} left")?;
    Ok(ProgressBar::new(count as u64).with_style(style).with_message(what.to_owned()))
}

/// Writes a file, or standard output for `-`.
pub(crate) fn write(
    path: &Path,
    rows: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    let written = || -> std::io::Result<()> {
        let plain: Box<dyn Write> = if path.as_os_str() == "-" {
            Box::new(std::io::stdout().lock())
        } else {
            Box::new(File::create(path)?)
        };
        let mut output = BufWriter::new(plain);
        rows(&mut output)?;
        output.flush()
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}
