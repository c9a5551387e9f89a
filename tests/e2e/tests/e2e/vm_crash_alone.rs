//! The only worker's VM dies while the forecaster is away: the new one has its table, its tiers and what is left of budgets from
//! shared data, since nobody else could tell.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use tidegate_e2e::{
    forecaster::{Bucket, ForecasterConfig},
    load::{Answer, Ask},
    rig::{Rig, TABLE_EPOCH},
};
use tokio::time::sleep;

use crate::world::{self, SOON};

const CAPACITY_PER_S: f64 = 2.0;
const BURST: u64 = 40;
/// Gold's contract: it does not come back while this lasts.
const CONTRACT: u64 = 8;
/// What nobody can have told the forecaster.
const UNTOLD: u64 = 5;

/// A long plan, with more capacity than is safe without one.
fn forecaster() -> Result<ForecasterConfig> {
    let mut forecaster = world::forecaster()?;
    forecaster.forecast.horizon_steps = 60;
    for resource in &mut forecaster.resources {
        (resource.capacity_per_s, resource.burst, resource.reservable_share) =
            (CAPACITY_PER_S, BURST, Some(0.0));
    }
    for tier in &mut forecaster.tiers {
        let burst = if tier.name == "gold" { CONTRACT } else { 1_000 };
        let rate_per_s = if tier.name == "gold" { 0.001 } else { 1_000.0 };
        tier.contract = vec![("requests", Bucket { rate_per_s, burst })];
        // Nobody borrows: all of it is too scarce for that.
        tier.floor = if tier.name == "bronze" { 0.9 } else { 0.0 };
    }
    Ok(forecaster)
}

/// What the client has seen of the plugin.
#[derive(Default)]
struct Seen {
    answers: u64,
    admitted: u64,
}

impl Seen {
    async fn ask(&mut self, rig: &Rig, customer: &str) -> Result<Answer> {
        let answer = rig.client.ask(&Ask::of(customer)).await?;
        // Envoy alone answers while there is no VM.
        self.answers += u64::from(answer.tier.is_some());
        self.admitted += u64::from(answer.admitted());
        Ok(answer)
    }

    /// Asks until it is refused, and by what.
    async fn exhaust(&mut self, rig: &Rig, customer: &str) -> Result<Answer> {
        for _ in 0..4 * BURST {
            let answer = self.ask(rig, customer).await?;
            if !answer.admitted() {
                return Ok(answer);
            }
        }
        bail!("{customer} is never refused")
    }
}

#[tokio::test]
async fn shared_data_alone_brings_back_table_tiers_and_budgets() -> Result<()> {
    let _turn = world::turn().await?;
    let resources = json!({ "requests": { "cost": 1, "safe_capacity_per_s": 0.1, "safe_burst": BURST } });
    let plan = world::plan("vm-crash-alone", world::plugin(&resources), forecaster()?);
    let mut rig = Rig::start_crashing(&plan, 1).await?;
    let (mut seen, since) = (Seen::default(), Instant::now());
    seen.ask(&rig, "globex").await?;
    rig.table_after(0, SOON).await?;
    let contract = seen.exhaust(&rig, "acme").await?;
    assert_eq!((contract.status, contract.tier.as_deref()), (429, Some("gold")), "{contract:?}");
    let shortage = seen.exhaust(&rig, "globex").await?;
    assert_eq!((shortage.status, shortage.tier.as_deref()), (503, Some("silver")), "{shortage:?}");
    rig.requests_in_database("requests", seen.answers, SOON).await?;
    rig.forecaster.as_mut().context("no forecaster")?.kill()?;
    let (told, epoch) = (seen.answers, rig.envoy.stats().await?.plugin(TABLE_EPOCH));
    for _ in 0..UNTOLD {
        seen.ask(&rig, "globex").await?;
    }

    let crash = Ask { numbers: vec![("x-tidegate-crash".into(), 1)], ..Ask::of("acme") };
    assert_eq!(rig.client.ask(&crash).await?.status, 503, "Envoy answers for the dead VM");
    // Envoy makes a new one a second after the death at the earliest.
    sleep(Duration::from_millis(1_200)).await;
    let end = Instant::now() + SOON;
    while seen.ask(&rig, "globex").await?.tier.as_deref() != Some("silver") {
        ensure!(Instant::now() < end, "globex is not silver again");
        sleep(Duration::from_millis(50)).await;
    }
    let contract = seen.ask(&rig, "acme").await?;
    assert_eq!((contract.status, contract.tier.as_deref()), (429, Some("gold")), "{contract:?}");
    assert_eq!(seen.ask(&rig, "batch").await?.tier.as_deref(), Some("bronze"));

    // The capacity is the plan's, and nothing of the burst came again.
    let (before, again) = (seen.admitted, Instant::now());
    while again.elapsed() < Duration::from_secs(4) {
        seen.exhaust(&rig, "globex").await?;
        sleep(Duration::from_millis(100)).await;
    }
    let fresh = (seen.admitted - before) as f64;
    assert!(fresh >= 0.7 * CAPACITY_PER_S * 4.0, "{fresh} in four seconds");
    let most = CAPACITY_PER_S * since.elapsed().as_secs_f64() + BURST as f64;
    assert!(seen.admitted as f64 <= most, "{} admitted, {most} were there", seen.admitted);
    println!("{} of {most:.1} admitted", seen.admitted);
    let stats = rig.envoy.stats().await?;
    let gauge = |name| stats.plugin(name);
    assert_eq!((gauge(TABLE_EPOCH), gauge("tidegate_table_stale")), (epoch, 0));
    assert_eq!((gauge("tidegate_connected"), gauge("tidegate_workers")), (0, 1));

    rig.forecaster.as_mut().context("no forecaster")?.restart().await?;
    rig.requests_in_database("requests", seen.answers - UNTOLD, SOON).await?;
    // Long enough for a report that is sent again to be counted twice, if it were.
    sleep(Duration::from_secs(4)).await;
    let usage = rig.forecaster()?.usage().await?;
    let counted = usage.sum("requests", |total| total.requests_offered);
    println!("{counted} of {} counted, {told} of them before", seen.answers);
    assert!((seen.answers - UNTOLD..=seen.answers).contains(&counted), "{counted} of {}", seen.answers);
    let admitted = usage.sum("requests", |total| total.requests_admitted);
    assert!((seen.admitted.saturating_sub(UNTOLD)..=seen.admitted).contains(&admitted), "{usage:?}");
    Ok(())
}
