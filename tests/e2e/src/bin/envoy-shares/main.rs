//! What workers of one Envoy may share a budget by: a gauge or compare-and-swap on shared data. What each costs Envoy a take, how
//! often a take has to be tried again, and how exactly a fixed budget is given away.

#![allow(missing_docs, reason = "a program, not a library")]

mod place;
mod table;

use std::fs;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use tidegate_e2e::{folder, process};

use crate::{
    place::{Place, Takes, Way},
    table::Row,
};

/// What sharing a budget costs and how exact it is.
#[derive(Debug, Parser)]
struct Options {
    /// Numbers of worker threads, each in an Envoy of its own.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8")]
    workers: Vec<u32>,
    /// Rounds of measuring CPU time; each takes every way once, with takes and without.
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Requests in a round.
    #[arg(long, default_value_t = 600)]
    requests: usize,
    /// Connections with one request under way each.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Budgets that are given away with each way.
    #[arg(long, default_value_t = 100)]
    budgets: usize,
}

/// Takes of one request.
const EACH: u32 = 100;
/// A budget that nobody uses up, for measuring the time.
const PLENTY: u32 = 99_999_999;
/// A budget that is asked for three times over.
const BUDGET: u32 = 1_000;
/// Requests that ask for it.
const ASKING: usize = 32;

#[tokio::main]
async fn main() -> Result<()> {
    process::end_all_on_signal();
    let options = Options::parse();
    let root = folder::fresh("envoy-shares")?;
    let mut rows = Vec::new();
    for workers in options.workers.iter().copied() {
        eprint!("\rworkers: {workers} ");
        let mut place = Place::start(&root, workers).await?;
        for way in Way::ALL {
            // The first request makes connections, VMs and metrics.
            place.send(Takes { way, each: 1, budget: PLENTY, name: "warm" }, ASKING, ASKING).await?;
        }
        let times = times(&mut place, &options).await?;
        for (way, (cpu_ns, again)) in Way::ALL.into_iter().zip(times) {
            rows.push(exactness(&place, &options, Row::new(workers, way, cpu_ns, again)).await?);
        }
    }
    eprintln!();
    table::print(&rows);
    let path = folder::target()?.join("bench").join("shares.json");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::write(&path, serde_json::to_string_pretty(&rows)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!(
        "\n{} rounds of {} requests with {EACH} takes each; {} budgets of {BUDGET} tokens, {} takes of each; rows written to {}",
        options.rounds,
        options.requests,
        options.budgets,
        ASKING * EACH as usize,
        path.display()
    );
    Ok(())
}

/// For each way, the CPU time of a take in each round, and how many of all takes had to be tried again. The same requests
/// without takes are measured in each round too; takes are what the others cost more.
async fn times(place: &mut Place, options: &Options) -> Result<Vec<(Vec<f64>, f64)>> {
    let mut times: Vec<(Vec<f64>, u64)> = Way::ALL.map(|_| (Vec::new(), 0)).into();
    let takes = options.requests as u64 * u64::from(EACH);
    for _ in 0..options.rounds {
        for (way, (cpu_ns, again)) in Way::ALL.into_iter().zip(&mut times) {
            let mut spent = [0; 2];
            for (each, spent) in [0, EACH].into_iter().zip(&mut spent) {
                place.envoy.process().check()?;
                let (counted, clock) = (place.counts().await?, place.envoy.process().cpu_ns()?);
                let asked = Takes { way, each, budget: PLENTY, name: "plenty" };
                place.send(asked, options.requests, options.connections).await?;
                *spent = place.envoy.process().cpu_ns()?.saturating_sub(clock);
                let done = place.counts().await?.since(counted);
                ensure!(done.admitted == takes * u64::from(each > 0), "{done:?} of {takes} takes");
                *again += done.again;
            }
            let [without, with] = spent.map(|ns| ns as f64);
            cpu_ns.push((with - without) / takes as f64);
        }
    }
    let all = (takes * options.rounds as u64) as f64;
    Ok(times.into_iter().map(|(cpu_ns, again)| (cpu_ns, again as f64 / all)).collect())
}

/// Gives budgets away, one after the other, each to many requests at once.
async fn exactness(place: &Place, options: &Options, mut row: Row) -> Result<Row> {
    for number in 0..options.budgets {
        let before = place.counts().await?;
        let name = format!("budget_{:?}_{number}", row.way()).to_lowercase();
        let takes = Takes { way: row.way(), each: EACH, budget: BUDGET, name: &name };
        place.send(takes, ASKING, ASKING).await?;
        let counts = place.counts().await?.since(before);
        ensure!(counts.admitted + counts.refused == (ASKING as u64) * u64::from(EACH), "{counts:?}");
        row.gave(counts, BUDGET);
    }
    Ok(row)
}
