//! What a limiter costs Envoy: CPU time a request beside the same Envoy without one, in rounds that take every limiter in turn.
//!
//! CPU time is the kernel's (`/proc/PID/task/*/schedstat`), of all of an Envoy's threads. Load is closed: a few connections, each
//! with one request under way.

#![allow(missing_docs, reason = "a program, not a library")]

mod arms;
mod meter;
mod table;

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use tidegate_e2e::{binaries::Binaries, folder, process, upstream::Upstream};

use crate::{
    arms::{Arm, Kind, Route},
    meter::Sample,
};

/// What a limiter costs Envoy.
#[derive(Debug, Parser)]
struct Options {
    /// Rounds; each takes every limiter once.
    #[arg(long, default_value_t = 25)]
    rounds: usize,
    /// Requests to each limiter and route in each round.
    #[arg(long, default_value_t = 1_600)]
    requests: usize,
    /// Requests to each limiter and route before the rounds, so that connections, code and tables are warm.
    #[arg(long, default_value_t = 40_000)]
    warm_up: usize,
    /// Connections with one request under way each.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Only limiters whose name has one of these words in it, beside no filter at all and those that decide nothing.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Folder below the target directory for the rows, `envoy.json`.
    #[arg(long, default_value = "bench")]
    folder: String,
}

impl Options {
    fn wants(&self, kind: Kind) -> bool {
        let is_named = |word: &String| kind.name().contains(word.as_str());
        kind.is_yardstick() || self.only.is_empty() || self.only.iter().any(is_named)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    process::end_all_on_signal();
    let options = Options::parse();
    let root = folder::fresh(&format!("{}/envoy", options.folder))?;
    let upstream = Upstream::start(Duration::ZERO).await?;
    let market = arms::market(&Binaries::find_forecaster()?, &root).await?;
    let mut arms = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| options.wants(*kind)) {
        arms.push(Arm::start(kind, &root, upstream.address(), market.listen()).await?);
    }
    let mut samples: Vec<(Kind, Route, Sample)> = Vec::new();
    for arm in &mut arms {
        let kind = arm.kind();
        for route in Route::ALL.into_iter().filter(|route| kind.takes(*route)) {
            eprint!("\r{:<70}", format!("warming up: {}, {}", kind.name(), route.name()));
            meter::measure(arm, route, options.warm_up, options.connections).await?;
        }
    }
    eprintln!();
    for round in 1..=options.rounds {
        eprint!("\rround {round} of {} ", options.rounds);
        for route in Route::ALL {
            for place in 0..arms.len() {
                let turn = (place + round) % arms.len();
                let Some(arm) = arms.get_mut(turn).filter(|arm| arm.kind().takes(route)) else { continue };
                let sample = meter::measure(arm, route, options.requests, options.connections).await?;
                samples.push((arm.kind(), route, sample));
            }
        }
    }
    eprintln!();
    let rows = table::rows(&samples)?;
    table::print(&rows);
    let path = folder::target()?.join(&options.folder).join("envoy.json");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::write(&path, serde_json::to_string_pretty(&rows)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!(
        "\nin one run, {} rounds of {} requests after {} to warm up; rows written to {}",
        options.rounds,
        options.requests,
        options.warm_up,
        path.display()
    );
    Ok(())
}
