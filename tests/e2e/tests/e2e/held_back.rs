//! Requests of a tier that may wait: paused in the proxy until tokens are there, in Envoy and in a gateway alike.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tidegate_e2e::{
    arena::{Arena, ArmKind, ArmPlan, Proxy},
    forecaster::{Bucket, ForecasterConfig},
    load::{Answer, Ask, Client},
    rig::Rig,
    wait,
};
use tokio::{task::JoinSet, time::timeout};

use crate::world::{self, SOON};

const CAPACITY_PER_S: f64 = 20.0;
const BURST: u64 = 5;

/// Gold may wait for two seconds; bronze may not.
fn patient() -> Result<ForecasterConfig> {
    let mut forecaster = world::forecaster()?;
    for resource in &mut forecaster.resources {
        (resource.capacity_per_s, resource.burst) = (CAPACITY_PER_S, BURST);
        resource.reservable_share = Some(0.0);
    }
    for tier in &mut forecaster.tiers {
        tier.floor = 0.0;
        tier.contract = vec![("requests", Bucket { rate_per_s: 1000.0, burst: 1000 })];
        tier.max_delay_ms = if tier.name == "gold" { 2000 } else { 0 };
    }
    Ok(forecaster)
}

async fn rig(name: &str) -> Result<Rig> {
    let rig = Rig::start(&world::plan(name, world::plugin(&world::requests()), patient()?)).await?;
    world::first_table(&rig, "acme").await?;
    Ok(rig)
}

/// The same through a gateway.
async fn arena(name: &'static str) -> Result<Arena> {
    let (plugin, forecaster) = (world::plugin(&world::requests()), Box::new(patient()?));
    let kind = ArmKind::Tidegate { plugin, forecaster, proxy: Proxy::Gateway };
    let arena = Arena::start(&format!("e2e/{name}"), &[ArmPlan { name, kind }]).await?;
    let client = &arena.arms.first().context("one arm")?.client;
    wait::until("acme is gold", SOON, async || {
        Ok(client.ask(&Ask::of("acme")).await?.tier.filter(|tier| tier == "gold"))
    })
    .await?;
    // Nothing that was asked for meanwhile is owed.
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(arena)
}

/// So many requests of a customer at once, each with the time that it took.
async fn at_once(client: &Client, customer: &str, count: usize) -> Result<Vec<(Answer, Duration)>> {
    let mut asked = JoinSet::new();
    for _ in 0..count {
        let (client, ask) = (client.clone(), Ask::of(customer));
        asked.spawn(async move {
            let since = Instant::now();
            client.ask(&ask).await.map(|answer| (answer, since.elapsed()))
        });
    }
    let mut answers = Vec::new();
    while let Some(answer) = asked.join_next().await {
        answers.push(answer??);
    }
    Ok(answers)
}

/// Twenty-five of gold at once, of which those beyond the burst wait for their turn; returns how many.
async fn gold_waits(client: &Client) -> Result<u64> {
    let since = Instant::now();
    let (gold, bronze) = tokio::join!(at_once(client, "acme", 25), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        at_once(client, "batch", 3).await
    });
    let (gold, bronze) = (gold?, bronze?);
    let lasted_s = since.elapsed().as_secs_f64();
    assert!(gold.iter().all(|(answer, _)| answer.status == 200), "{gold:?}");
    assert!(bronze.iter().all(|(answer, _)| answer.status == 503), "nobody overtakes: {bronze:?}");
    let delayed = gold.iter().filter(|(answer, _)| answer.decision.as_deref() == Some("delayed")).count();
    assert!((15..=20).contains(&delayed), "{delayed} of 25 were delayed");
    // 25 requests are 5 at once and 20 at 20/s; a proxy looks every 50 ms at least.
    let longest_s = gold.iter().map(|(_, took)| took.as_secs_f64()).fold(0.0, f64::max);
    assert!((0.7..2.0).contains(&longest_s), "{longest_s}");
    assert!(lasted_s * CAPACITY_PER_S + BURST as f64 + 1.0 >= 25.0, "{lasted_s}");
    Ok(delayed as u64)
}

#[tokio::test]
async fn gold_waits_for_its_turn_and_bronze_is_refused_meanwhile() -> Result<()> {
    let _turn = world::turn().await?;
    let mut rig = rig("held-back").await?;
    let delayed = gold_waits(&rig.client).await?;
    let stats = rig.envoy.stats().await?;
    assert_eq!(stats.plugin_sum("tidegate_decisions_total", &[".decision.delayed", ".tier.gold"]), delayed);
    assert_eq!(stats.plugin_sum("tidegate_decisions_total", &[".decision.waiting"]), delayed);
    let log = {
        rig.envoy.process().stop()?;
        std::fs::read_to_string(rig.folder().join("access.log"))?
    };
    assert!(log.lines().any(|line| line.starts_with("200 acme delayed gold")), "{log}");
    Ok(())
}

#[tokio::test]
async fn whoever_hangs_up_leaves_the_queue() -> Result<()> {
    let _turn = world::turn().await?;
    let rig = rig("hung-up").await?;
    let held = async || -> Result<u64> { Ok(rig.envoy.stats().await?.plugin_sum("tidegate_held", &[])) };
    // Thirty-five wait for up to 1.75 s and hang up long before.
    let gone = timeout(Duration::from_millis(200), at_once(&rig.client, "acme", 40)).await;
    assert!(gone.is_err(), "some wait longer than that");
    wait::until("the queue is empty", SOON, async || Ok((held().await? == 0).then_some(()))).await?;
    let (_, took) = at_once(&rig.client, "acme", 1).await?.pop().context("one answer")?;
    assert!(took < Duration::from_millis(700), "{took:?} behind nobody");
    Ok(())
}

#[tokio::test]
async fn a_gateway_holds_gold_back_as_envoy_does() -> Result<()> {
    let _turn = world::turn().await?;
    let arena = arena("held-back-gateway").await?;
    let [arm] = arena.arms.as_slice() else { panic!("one arm") };
    let metrics = async || arm.gateway.as_ref().context("a gateway")?.metrics().await;
    let before = metrics().await?;
    let delayed = gold_waits(&arm.client).await?;
    let after = metrics().await?;
    let more = |labels: &[&str]| after.decided(labels) - before.decided(labels);
    assert_eq!(more(&["decision=\"delayed\"", "tier=\"gold\""]), delayed);
    assert_eq!(more(&["decision=\"waiting\""]), delayed);
    assert!(after.sum("tidegate_delay_seconds_count", &[]) >= delayed);

    // Thirty-five wait for up to 1.75 s and hang up long before.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let gone = timeout(Duration::from_millis(200), at_once(&arm.client, "acme", 40)).await;
    assert!(gone.is_err(), "some wait longer than that");
    wait::until("the queue is empty", SOON, async || {
        Ok((metrics().await?.sum("tidegate_waiting", &[]) == 0).then_some(()))
    })
    .await?;
    let (_, took) = at_once(&arm.client, "acme", 1).await?.pop().context("one answer")?;
    assert!(took < Duration::from_millis(700), "{took:?} behind nobody");
    Ok(())
}
