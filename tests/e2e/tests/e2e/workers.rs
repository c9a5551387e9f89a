//! Several workers of one Envoy: one of them holds the stream, all have the table, together they have one budget.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use tidegate_e2e::{envoy::Envoy, load::Ask, rig::Rig};
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
    println!("{admitted} of {bound} admitted");
    assert!(admitted >= 0.95 * CAPACITY_PER_S * time.as_secs_f64(), "{admitted} of {bound} admitted");

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

/// Customers that ask over connections of their own, together far more than there is.
const CLIENTS: u32 = 24;
const RATE_PER_S: f64 = 100.0;
const DEPTH: u32 = 20;
const FLOOD: Duration = Duration::from_secs(6);

#[tokio::test]
async fn a_budget_is_the_same_whoever_and_however_many_spend_it() -> Result<()> {
    let _turn = world::turn().await?;
    for workers in [1, 2, 4, 8] {
        let resources = json!({ "requests": { "safe_capacity_per_s": RATE_PER_S, "safe_burst": DEPTH } });
        let plan = world::alone(&format!("workers-{workers}"), &resources, &json!({}))?;
        let rig = Rig::start_workers(&plan, workers).await?;
        world::meet_all(&rig, workers).await?;
        // The pool is full again.
        sleep(Duration::from_secs(1)).await;

        let started = Instant::now();
        let clients = (0..CLIENTS).map(|client| {
            let own = world::afresh(&rig);
            // They come one after another, and never together.
            let first = tokio::time::Instant::now() + Duration::from_micros(700) * client;
            tokio::spawn(async move {
                let mut turns = tokio::time::interval_at(first, Duration::from_millis(50));
                let mut admitted = 0;
                while started.elapsed() < FLOOD {
                    turns.tick().await;
                    let answer = own.ask(&Ask::of(&format!("customer-{client}"))).await?;
                    admitted += u32::from(answer.admitted());
                }
                anyhow::Ok(admitted)
            })
        });
        let mut admitted = 0;
        for client in clients.collect::<Vec<_>>() {
            admitted += client.await??;
        }
        let (admitted, most) =
            (f64::from(admitted), RATE_PER_S * started.elapsed().as_secs_f64() + f64::from(DEPTH));
        println!("{workers} workers: {admitted} of {most:.0}");
        assert!(admitted <= most, "{workers} workers admit {admitted}, {most} are there");
        assert!(admitted >= 0.97 * most, "{workers} workers admit {admitted} of {most}");
    }
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
