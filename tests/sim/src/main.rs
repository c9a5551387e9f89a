//! `cargo xtask sim`: plays the scenarios and prints what every limiter did; fails when ours misses a goal.

use std::{collections::BTreeSet, process::ExitCode};

use anyhow::{Result, bail};
use clap::Parser;
use tidegate_sim::{Scenario, compare, legend, table};

/// Compare ways of sharing a budget among workers and proxies, on virtual time.
#[derive(Parser)]
#[command(name = "cargo xtask sim", bin_name = "cargo xtask sim")]
struct Cli {
    /// Seed of traffic and faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, from that one on
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Only this scenario, or those whose names begin so
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// One JSON object per row instead of tables
    #[arg(long)]
    json: bool,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let seeds: Vec<u64> = (0..cli.seeds.max(1)).map(|index| cli.seed.wrapping_add(index)).collect();
    let name = cli.scenario.unwrap_or_default();
    let scenarios: Vec<Scenario> =
        Scenario::all().into_iter().filter(|scenario| scenario.name.starts_with(&name)).collect();
    if scenarios.is_empty() {
        let names: Vec<&str> = Scenario::all().iter().map(|scenario| scenario.name).collect();
        bail!("there is no scenario \"{name}\"; there are {}", names.join(", "));
    }
    let mut missed = Vec::new();
    let mut told = BTreeSet::new();
    for scenario in &scenarios {
        let legend = legend(scenario);
        if !cli.json && told.insert(legend.clone()) {
            print!("\n{legend}");
        }
        let rows = compare(scenario, &seeds);
        for row in &rows {
            if cli.json {
                println!("{}", serde_json::to_string(row)?);
            }
            if row.met == Some(false) {
                missed.push(scenario.name);
            }
        }
        if !cli.json {
            print!("{}", table(scenario, &rows));
        }
    }
    if missed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("goals missed in {}", missed.join(", "));
    Ok(ExitCode::FAILURE)
}
