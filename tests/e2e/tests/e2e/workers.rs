//! Several workers of one Envoy: one of them holds the stream, all have the table, together they have one budget.

use std::time::Duration;

use anyhow::{Context, Result};
use tidegate_e2e::{envoy::Envoy, rig::Rig};
use tokio::time::sleep;

use crate::world::{self, BURST, CAPACITY_PER_S, SOON, Stream};

const WORKERS: u32 = 4;

#[tokio::test]
async fn they_share_one_stream_one_table_and_one_budget() -> Result<()> {
    let _turn = world::turn().await?;
    let mut forecaster = world::forecaster()?;
    forecaster.forecast.step_s = 1;
    let plan = world::plan("workers", world::plugin(&world::requests()), forecaster);
    let rig = &Rig::start_workers(&plan, WORKERS).await?;
    let met = world::meet_all(rig, WORKERS).await?;

    world::one_stream(rig).await?;
    // Whoever joined has the table by now, and the whole crew has agreed on its size.
    sleep(Duration::from_secs(2)).await;

    let time = Duration::from_secs(10);
    let flood = [Stream { customer: "batch", per_s: 150.0 }, Stream { customer: "acme", per_s: 20.0 }];
    let outcomes = world::traffic(rig, &flood, time).await;
    let [batch, acme] = outcomes.as_slice() else { panic!("two streams were sent") };
    assert!(batch.failures.is_empty() && acme.failures.is_empty(), "{:?}", batch.failures);
    let admitted = (batch.admitted() + acme.admitted()) as f64;
    let bound = CAPACITY_PER_S * time.as_secs_f64() + BURST as f64;
    assert!(admitted <= bound, "{admitted} admitted by {WORKERS} workers, {bound} are allowed");
    // What the division leaves idle: the least that a worker keeps, and what load that moves between workers outruns.
    println!("{admitted} of {bound} admitted");
    assert!(
        admitted >= 0.6 * CAPACITY_PER_S * time.as_secs_f64(),
        "{admitted} admitted, the split strands too much"
    );

    let sent = met + (batch.answers.len() + acme.answers.len()) as u64;
    assert_eq!(rig.envoy.stats().await?.requests(), sent);
    rig.requests_in_database("requests", sent, SOON).await?;
    sleep(Duration::from_secs(4)).await;
    let usage = rig.forecaster()?.usage().await?;
    assert_eq!(
        usage.sum("requests", |total| total.requests_offered),
        sent,
        "resent reports count once: {usage:?}"
    );
    assert_eq!(rig.envoy.stats().await?.plugin("tidegate_tables_total.result.rejected"), 0);

    let (pushes, late) = push_to_effect(&rig.envoy).await?;
    println!(
        "{pushes} tables took effect in a worker, {late} of them more than 50 ms after the forecaster made them"
    );
    assert!(pushes >= u64::from(WORKERS) * 10, "{pushes} pushes reached workers");
    // A push that meets a busy machine is late in all workers at once.
    assert!(late * 4 <= pushes, "{late} of {pushes} pushes took longer than 50 ms to take effect");
    Ok(())
}

/// How often a table took effect in a worker, and how often that was more than 50 ms after it was made.
async fn push_to_effect(envoy: &Envoy) -> Result<(u64, u64)> {
    let metrics = envoy.prometheus().await?;
    let histogram = |suffix: &str| {
        let line = metrics.lines().find(|line| line.contains("push_to_effect_ms") && line.contains(suffix));
        let count =
            line.and_then(|line| line.rsplit_once(' ')).and_then(|(_, count)| count.parse::<u64>().ok());
        count.with_context(|| format!("no {suffix} in the histogram"))
    };
    let all = histogram("_count")?;
    Ok((all, all - histogram("le=\"50\"")?))
}
