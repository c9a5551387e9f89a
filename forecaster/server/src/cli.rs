//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{backtest::BacktestOptions, forecast::ForecastOptions, generate::GenerateOptions};

const AFTER_HELP: &str =
    "TIDEGATE_LOG sets what is logged: warn, info (default), debug, or a filter such as tidegate=debug.";

/// Learns what each customer will need, plans who gets what, and pushes the plan into the proxies.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the forecaster: sync stream for proxies and HTTP API on one port.
    Serve {
        /// The configuration file.
        #[arg(long, value_name = "FILE", default_value = "tidegate.yaml")]
        config: PathBuf,
    },
    /// Print the public key of a signing key, for the plugin's `forecaster.public_key`.
    Key {
        /// The file of the signing key.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Make the key first.
        #[arg(long)]
        new: bool,
    },
    /// Write the configuration that loads the plugin into a proxy.
    Gen(Box<GenerateOptions>),
    /// Forecast series from a file, with intervals.
    Forecast(Box<ForecastOptions>),
    /// Backtest models on series from a file: rolling origins, scored beside naive models.
    Backtest(Box<BacktestOptions>),
    /// Compare limiters on virtual time: static and global buckets, buckets with floors, and Tidegate with and without
    /// foresight.
    Simulate(Box<Simulate>),
    /// Check a configuration file: prints what it means, or everything that is wrong with it.
    Check {
        /// The configuration file.
        #[arg(long, value_name = "FILE", default_value = "tidegate.yaml")]
        config: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

const SIMULATE_HELP: &str = "\
Requests are made from rates (--rates: bursty arrivals of every customer, tiers drawn by seed), or recorded (--trace). \
Each arm sees the same requests, and decides them with the real allocator on virtual time; forecasts come from the model, \
which knows what was used before.

A trace has the columns ts,key,resource,cost and, if known, actual,class,region, in any order, or one JSON object a line \
with these names. ts is a date and time (UTC unless it has a zone), or seconds since 1970, or, from 100000000000 on, \
milliseconds; actual is what a request turned out to cost when cost was an estimate; class is critical, standard or \
deferrable. In --history, a unique_id is a key, or resource:key for a resource that is not the trace's first.

Resources, capacities, tiers and customers of a trace are those of --policy; made customers have their own, drawn by \
seed, and only take their tiers' terms from it.

Figures are means over seeds, with the least and the most below. `priority` is one bucket with a constant floor for each \
tier: all points of a grid are tried afterwards on the very same requests, and the best of those that admit 99 % of \
`global` is shown, with the frontier below the table.";

#[derive(Debug, Args)]
#[command(after_help = SIMULATE_HELP)]
pub(crate) struct Simulate {
    /// Make requests from rates in long format (`unique_id,ds,y`; gzip accepted): demand of each customer per window.
    #[arg(long, value_name = "FILE", required_unless_present = "trace")]
    pub(crate) rates: Option<PathBuf>,
    /// Replay recorded requests: CSV or JSON lines (gzip accepted; `-` is standard input).
    #[arg(long, value_name = "FILE", conflicts_with = "rates", requires = "policy")]
    pub(crate) trace: Option<PathBuf>,
    /// With --trace: what was used before it, in long format.
    #[arg(long, value_name = "FILE", requires = "trace")]
    pub(crate) history: Option<PathBuf>,
    /// A policy under test: a forecaster's configuration file; several are shown side by side.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Vec<PathBuf>,
    /// Write one row per request and run (CSV; gzipped when the name ends in .gz).
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Mean demand over capacity, one or several.
    #[arg(long, value_name = "RATIO,..", value_delimiter = ',', default_value = "0.9,1.0,1.2")]
    pub(crate) capacity: Vec<f64>,
    /// How many worlds of each kind.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) seeds: u64,
    /// What happens: plain, surging-equal, flooding-bronze, late-capacity, or all.
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', default_value = "all")]
    pub(crate) scenario: Vec<String>,
    /// The upper tiers alone fit the capacity, exceed it, or all (both).
    #[arg(long, value_name = "fitting|overfull|all", value_delimiter = ',', default_value = "fitting")]
    pub(crate) cast: Vec<String>,
    /// The limiters; all when not given.
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    pub(crate) arms: Vec<String>,
    /// Leaves out the search for the best floors of `priority`.
    #[arg(long)]
    pub(crate) no_frontier: bool,
    /// Tries `priority` with the waiting of Tidegate's tiers too.
    #[arg(long, conflicts_with = "no_frontier")]
    pub(crate) waiting_priority: bool,
    /// The forecasting model.
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub(crate) model: String,
    /// Length of the span in hours.
    #[arg(long, value_name = "H", default_value_t = 4)]
    pub(crate) hours: u64,
    /// How much before the span the model knows, in hours.
    #[arg(long, value_name = "H", default_value_t = 48)]
    pub(crate) history_hours: u64,
    /// Mean requests per second of all customers together.
    #[arg(long, value_name = "N", default_value_t = 100.0)]
    pub(crate) rate: f64,
    /// Coefficient of variation of the time between two requests of a customer; 1 is a Poisson process.
    #[arg(long, value_name = "CV", default_value_t = 2.0)]
    pub(crate) burstiness: f64,
    /// The burst of every budget, in seconds of its capacity.
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    pub(crate) burst_s: f64,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
