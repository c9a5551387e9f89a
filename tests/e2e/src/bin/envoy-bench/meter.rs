//! One measurement: so many requests to one Envoy, and the CPU time that they took there.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tidegate_e2e::load::Client;

use crate::arms::{Arm, Route};

/// What some requests took.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// CPU time of Envoy a request.
    pub(crate) cpu_us: f64,
    /// How long each answer took.
    pub(crate) took: Vec<Duration>,
}

/// Sends requests over so many connections and looks at Envoy's clock before and after.
pub(crate) async fn measure(
    arm: &mut Arm,
    route: Route,
    requests: usize,
    connections: usize,
) -> Result<Sample> {
    arm.envoy.process().check()?;
    let before = arm.envoy.process().cpu_ns()?;
    let lanes = (0..connections).map(|lane| {
        let client = arm.client.clone();
        tokio::spawn(lane_of(client, route, (lane..requests).step_by(connections.max(1)).collect()))
    });
    let mut took = Vec::with_capacity(requests);
    for lane in lanes.collect::<Vec<_>>() {
        took.extend(lane.await??);
    }
    let spent = arm.envoy.process().cpu_ns()?.saturating_sub(before);
    Ok(Sample { cpu_us: spent as f64 / 1e3 / took.len().max(1) as f64, took })
}

async fn lane_of(client: Client, route: Route, numbers: Vec<usize>) -> Result<Vec<Duration>> {
    let mut took = Vec::with_capacity(numbers.len());
    for number in numbers {
        let started = Instant::now();
        let answer = client.ask(&route.ask(number)).await?;
        ensure!(answer.admitted(), "a request did not pass: {answer:?}");
        took.push(started.elapsed());
    }
    Ok(took)
}
