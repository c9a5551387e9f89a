//! A long soak of the plugin in a real Envoy: millions of requests of many thousand keys, every fiftieth of them hostile, and what
//! must hold after them.
//!
//! Load is closed and cheap, so that Envoy is what is busy: threads with a connection each, and bytes, two requests at once.

#![allow(missing_docs, reason = "a program, not a library")]

mod answers;
mod load;
mod place;
mod requests;
mod verdict;
mod watch;

use std::{
    fs,
    process::ExitCode,
    sync::{Arc, atomic::AtomicU64},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use tidegate_e2e::{
    folder,
    load::{Ask, Client},
    process,
    rig::TABLE_EPOCH,
    wait,
};

use crate::{
    load::{Load, Tally},
    place::Place,
    requests::Crowd,
    verdict::Seen,
};

const SOON: Duration = Duration::from_secs(20);

/// A long soak of the plugin in a real Envoy.
#[derive(Debug, Parser)]
struct Options {
    /// Requests to send.
    #[arg(long, default_value_t = 5_000_000)]
    requests: u64,
    /// Distinct keys that no table names, 200,000 at most; one for ten requests unless given.
    #[arg(long)]
    keys: Option<u64>,
    /// Connections, with two requests under way each.
    #[arg(long, default_value_t = 32)]
    connections: u64,
    /// Minutes after which nothing more is sent, which is a failure.
    #[arg(long, default_value_t = 40)]
    minutes: u64,
    /// Where configurations, logs and the summary go, below target/.
    #[arg(long, default_value = "soak")]
    folder: String,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    process::end_all_on_signal();
    let options = Options::parse();
    let folder = folder::fresh(&format!("{}/envoy", options.folder))?;
    let mut place = Place::start(&folder).await?;
    // The first request makes a worker ask for a table.
    Client::new(place.envoy.listen()).ask(&Ask::of(&place::customer(0))).await?;
    wait::until("a table for Envoy", SOON, || async {
        Ok(Some(place.envoy.stats().await?.plugin(TABLE_EPOCH)).filter(|epoch| *epoch > 0))
    })
    .await?;
    let before = place.envoy.stats().await?;
    let load = Arc::new(Load {
        target: place.envoy.listen(),
        requests: options.requests,
        crowd: Crowd { unknown: options.keys.unwrap_or(options.requests / 10).clamp(1, 200_000) },
        end: Instant::now() + Duration::from_secs(60 * options.minutes),
        taken: AtomicU64::new(0),
        done: AtomicU64::new(0),
    });
    let lanes: Vec<_> = (0..options.connections.max(1)).map(|seed| lane(&load, seed)).collect();
    let samples = watch::watch(&mut place, &load, || lanes.iter().all(JoinHandle::is_finished)).await?;
    let mut tally = Tally::default();
    for lane in lanes {
        tally.add(lane.join().map_err(|_| anyhow!("a lane has panicked"))??);
    }
    let seen = Seen {
        wanted: options.requests,
        tally,
        samples,
        before,
        after: place.envoy.stats().await?,
        envoy_log: place.envoy.log_text(),
        forecaster_log: place.forecaster.log_text(),
    };
    let checks = seen.checks();
    verdict::print(&seen, &checks);
    let path = folder::target()?.join(&options.folder).join("envoy.json");
    fs::write(&path, serde_json::to_string_pretty(&seen.summary(&checks))?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("\nsummary written to {}", path.display());
    let holds = checks.iter().all(|check| check.holds);
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn lane(load: &Arc<Load>, seed: u64) -> JoinHandle<Result<Tally>> {
    let load = Arc::clone(load);
    thread::spawn(move || load.run(seed))
}
