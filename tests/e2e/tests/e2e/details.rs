//! What reports tell beside counters: where requests come from, whose they are, what they took.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tidegate_core::details::MAX_ENTRIES;
use tidegate_e2e::{http, load::Ask, rig::Rig, wait};
use tokio::task::JoinSet;

use crate::world::{self, SOON};

#[tokio::test]
async fn the_forecaster_learns_where_requests_come_from_and_what_they_take() -> Result<()> {
    let _turn = world::turn().await?;
    let mut plugin = world::plugin(&world::requests());
    plugin["details"] = json!({
        "region": { "header": "x-region" },
        "account_type": { "constant": "trial" },
        "client_version": { "header": "user-agent" },
        "cpu_us": { "response_header": "x-total-cpu" },
        "memory_bytes": { "response_header": "x-total-memory" },
        "network_bytes": true,
        "duration_ms": true,
    });
    let mut plan = world::plan("details", plugin, world::forecaster()?);
    plan.upstream_delay = std::time::Duration::from_millis(60);
    let rig = &Rig::start(&plan).await?;
    world::first_table(rig, "acme").await?;

    let ask = |region: &str, agent: &str| {
        let took = Ask::of("acme").costing("cpu", 1, 900).costing("memory", 1, 3_000_000);
        took.with("x-region", region).with("user-agent", agent)
    };
    let at = rig.forecaster()?.listen();
    let path = "/predictUsage?key=acme&resource=requests";
    let profile = wait::until("a profile of some rounds of four requests", SOON, || async {
        // What is reported after its step is over is late, and not learned: one round might be.
        for (region, agent) in [("west", "sdk/2"), ("east", "sdk/1"), ("west", "sdk/2"), ("west", "sdk/2")] {
            assert!(rig.client.ask(&ask(region, agent)).await?.admitted());
        }
        // Nobody knows the key before the first step is over.
        let Ok(answer) = http::get_json::<Value>(at, path).await else { return Ok(None) };
        let profile = &answer["profile"];
        let told = profile["cpu_us"]["requests"].as_f64().unwrap_or_default();
        Ok((told > 30.0).then(|| profile.clone()))
    })
    .await?;
    let share = |of: &str, name: &str| -> Result<f64> {
        let shares = profile[of].as_array().with_context(|| format!("{profile:#}"))?;
        let one = shares.iter().find(|one| one["name"] == name).with_context(|| format!("{profile:#}"))?;
        one["share"].as_f64().context("no share")
    };
    assert!((share("regions", "west")? - 0.75).abs() < 0.1, "{profile:#}");
    assert!((share("client_versions", "sdk/1")? - 0.25).abs() < 0.1, "{profile:#}");
    assert!((share("account_types", "trial")? - 1.0).abs() < 0.01, "{profile:#}");
    let half = |of: &str| profile[of]["p50"].as_u64().with_context(|| format!("{profile:#}"));
    assert!((840..=960).contains(&half("cpu_us")?), "{profile:#}");
    assert!((55..=200).contains(&half("duration_ms")?), "{profile:#}");
    // No value is told more wrongly than by a sixteenth, and small ones as they are.
    assert!((2_812_500..=3_187_500).contains(&half("memory_bytes")?), "{profile:#}");
    assert_eq!(half("network_bytes")?, "served\n".len() as u64, "{profile:#}");
    assert_eq!(rig.envoy.stats().await?.plugin("tidegate_details_left_out_total"), 0);
    Ok(())
}

const WORKERS: u32 = 2;
const CLIENTS: u64 = 64;
const ASKED: u64 = 256;

#[tokio::test]
async fn what_finds_no_room_is_counted_over_all_workers() -> Result<()> {
    let _turn = world::turn().await?;
    let details = json!({ "details": { "region": { "constant": "here" } } });
    // Nobody takes reports, so what is told of keys is never told.
    let rig =
        Rig::start_workers(&world::alone("details-room", &world::requests(), &details)?, WORKERS).await?;
    let met = world::meet_all(&rig, WORKERS).await?;
    let mut asking = JoinSet::new();
    for number in 0..CLIENTS {
        let client = world::afresh(&rig);
        asking.spawn(async move {
            for ask in 0..ASKED {
                client.ask(&Ask::of(&format!("{number}-{ask}"))).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked??;
    }
    let room = u64::from(WORKERS) * MAX_ENTRIES as u64;
    wait::until("what both leave out is counted", SOON, async || {
        let left_out = rig.envoy.stats().await?.plugin("tidegate_details_left_out_total");
        // Who came first has taken some of the room, too.
        Ok((CLIENTS * ASKED - room..=CLIENTS * ASKED + met - room).contains(&left_out).then_some(()))
    })
    .await
}
