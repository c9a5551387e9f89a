//! The Tidegate forecaster: learns usage, plans capacity, pushes tables to proxies.
//!
//! Data flows one way: sync → ingest → store → learning → planning → sync. Only this crate reads configuration,
//! environment and clock.

mod app;
mod backtest;
mod check;
mod cli;
mod clock;
mod config;
mod details;
mod forecast;
mod generate;
mod heavy;
mod http;
mod ingest;
mod key;
mod metrics;
mod planning;
mod proxies;
mod school;
mod series_input;
mod serve;
mod session;
mod simulate;
mod steps;
mod sync;
mod wishes;

use std::{io::IsTerminal, path::Path, process::ExitCode};

use anyhow::Context;
use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command};
use config::{Config, Problem};

fn main() -> anyhow::Result<ExitCode> {
    let filter = EnvFilter::try_from_env("TIDEGATE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match Cli::parse().command {
        Command::Serve { config } => serve::run(&config),
        Command::Forecast(options) => forecast::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Backtest(options) => backtest::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Simulate(asked) => simulate::run(&asked).map(|()| ExitCode::SUCCESS),
        Command::Check { config, json } => check::run(&config, json),
        Command::Gen(options) => generate::run(&options),
        Command::Key { file, new } => key::run(&file, new).map(|()| ExitCode::SUCCESS),
    }
}

/// Reads and understands a configuration file.
fn read_config(path: &Path) -> anyhow::Result<Result<Config, Vec<Problem>>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    Ok(config::parse(&text, folder, &|name| std::env::var(name).ok()))
}
