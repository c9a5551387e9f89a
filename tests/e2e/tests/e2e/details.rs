//! What reports tell beside counters: where requests come from, whose they are, what they took.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tidegate_e2e::{http, load::Ask, rig::Rig, wait};

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
