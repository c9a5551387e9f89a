//! Samples while the load runs: memory of both processes, keys that the plugin remembers, progress.

use std::{
    fs,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::time::sleep;

use crate::{load::Load, place::Place};

const INTERVAL: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(100);
/// A short run is sampled so often at least.
const PARTS: u64 = 20;

/// One sample.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Sample {
    /// Seconds since the load began.
    pub(crate) at_s: f64,
    /// Requests dealt with.
    pub(crate) requests: u64,
    /// Resident memory of Envoy.
    pub(crate) envoy_kib: u64,
    /// The same of the forecaster.
    pub(crate) forecaster_kib: u64,
    /// Keys that one of the workers remembers.
    pub(crate) keys: u64,
}

/// Samples until `is_over`, and once more then.
///
/// # Errors
/// When a process has ended, or does not answer.
pub(crate) async fn watch(place: &mut Place, load: &Load, is_over: impl Fn() -> bool) -> Result<Vec<Sample>> {
    let began = Instant::now();
    let mut samples: Vec<Sample> = Vec::new();
    loop {
        let over = is_over();
        let last = samples.last().copied().unwrap_or_default();
        let requests = load.done.load(Ordering::Relaxed);
        let is_due = began.elapsed().as_secs_f64() >= last.at_s + INTERVAL.as_secs_f64()
            || requests >= last.requests + load.requests / PARTS;
        if over || samples.is_empty() || is_due {
            let sample = sample(place, requests, began).await?;
            eprint!("\r{}", progress(&sample, load.requests));
            samples.push(sample);
        }
        if over {
            eprintln!();
            return Ok(samples);
        }
        sleep(LOOK).await;
    }
}

/// How much more memory Envoy has at the end than when two fifths of the requests were done.
pub(crate) fn growth(samples: &[Sample]) -> Option<f64> {
    let last = samples.last()?;
    let settled = samples.iter().find(|sample| sample.requests * 5 >= last.requests * 2)?;
    Some(last.envoy_kib as f64 / settled.envoy_kib.max(1) as f64 - 1.0)
}

async fn sample(place: &mut Place, requests: u64, began: Instant) -> Result<Sample> {
    place.envoy.process().check()?;
    place.forecaster.process().check()?;
    Ok(Sample {
        at_s: began.elapsed().as_secs_f64(),
        requests,
        envoy_kib: resident_kib(place.envoy.process().id())?,
        forecaster_kib: resident_kib(place.forecaster.process().id())?,
        keys: place.envoy.stats().await?.plugin("tidegate_keys"),
    })
}

fn progress(sample: &Sample, requests: u64) -> String {
    let Sample { at_s, requests: done, envoy_kib, forecaster_kib, keys } = *sample;
    let per_s = done as f64 / at_s.max(0.1);
    format!(
        "{at_s:>6.0} s  {done} of {requests} requests, {per_s:.0} a second; Envoy {} MiB, forecaster {} MiB, {keys} keys  ",
        envoy_kib / 1024,
        forecaster_kib / 1024,
    )
}

/// Resident memory of a process.
fn resident_kib(process: u32) -> Result<u64> {
    let file = format!("/proc/{process}/status");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("{file} tells no VmRSS"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_counts_from_two_fifths_on() {
        let sample = |requests, envoy_kib| Sample { requests, envoy_kib, ..Sample::default() };
        let samples = [(0, 10), (20, 50), (39, 90), (41, 100), (70, 104), (100, 110)];
        let grown = growth(&samples.map(|(requests, kib)| sample(requests, kib))).unwrap();
        assert!((grown - 0.1).abs() < 1e-9, "{grown}");
    }

    #[test]
    fn this_process_has_memory() {
        assert!(resident_kib(std::process::id()).unwrap() > 100);
    }
}
