//! A VM dies while requests are held back in it: nobody can resume them, so Envoy ends them when its idle timeout is over, and the VM that
//! it makes in its place counts none of them.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tidegate_e2e::{
    envoy::Extra,
    forecaster::{Bucket, ForecasterConfig},
    load::Ask,
    rig::Rig,
    wait,
};
use tokio::task::JoinSet;

use crate::world::{self, SOON};

const BURST: u64 = 2;
const ASKED: usize = 5;
const IDLE: &str = "          stream_idle_timeout: 3s\n";

/// A token in two seconds, for which everybody may wait.
fn slow() -> Result<ForecasterConfig> {
    let mut forecaster = world::forecaster()?;
    for resource in &mut forecaster.resources {
        (resource.capacity_per_s, resource.burst, resource.reservable_share) = (0.5, BURST, Some(0.0));
    }
    for tier in &mut forecaster.tiers {
        tier.floor = 0.0;
        tier.contract = vec![("requests", Bucket { rate_per_s: 1_000.0, burst: 1_000 })];
        tier.max_delay_ms = 10_000;
    }
    Ok(forecaster)
}

#[tokio::test]
async fn envoy_ends_what_was_held_back_in_a_vm_that_died() -> Result<()> {
    let _turn = world::turn().await?;
    let resources = json!({ "requests": { "cost": 1, "safe_capacity_per_s": 0.5, "safe_burst": BURST } });
    let plan = world::plan("vm-crash-held", world::plugin(&resources), slow()?);
    let extra = Extra { options: IDLE.into(), ..Extra::default() };
    let rig = Rig::start_crashing_with(&plan, 1, &extra).await?;
    world::first_table(&rig, "acme").await?;
    let mut asked = JoinSet::new();
    for _ in 0..ASKED {
        let client = world::afresh(&rig);
        asked.spawn(async move { client.ask(&Ask::of("acme")).await });
    }
    let held = async || anyhow::Ok(rig.envoy.stats().await?.plugin("tidegate_held"));
    wait::until("some wait", SOON, async || Ok((held().await? >= 2).then_some(()))).await?;
    let crash = Ask { numbers: vec![("x-tidegate-crash".into(), 1)], ..Ask::of("acme") };
    assert_eq!(world::afresh(&rig).ask(&crash).await?.status, 503, "Envoy answers for the dead VM");

    let since = Instant::now();
    let mut ended = 0;
    while let Some(answer) = asked.join_next().await {
        let answer = answer??;
        assert!(matches!(answer.status, 200 | 408 | 503 | 504), "{answer:?}");
        ended += usize::from(answer.status != 200);
    }
    assert!(ended >= 2, "{ended} had been held back");
    assert!(since.elapsed() < Duration::from_secs(12), "{:?}", since.elapsed());
    wait::until("the next VM knows globex", SOON, async || {
        let tier = world::afresh(&rig).ask(&Ask::of("globex")).await?.tier;
        Ok((tier.as_deref() == Some("silver")).then_some(()))
    })
    .await?;
    wait::until("it counts none that is held back", SOON, async || Ok((held().await? == 0).then_some(())))
        .await
}
