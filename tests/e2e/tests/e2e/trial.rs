//! A policy on trial: judges the same requests beside the live one, by the same tables, and decides none of them.

use anyhow::Result;
use serde_json::{Value, json};
use tidegate_e2e::{load::Ask, rig::Rig};

use crate::world;

/// How many requests the policy on trial would have admitted, and refused.
async fn tried(rig: &Rig) -> Result<(u64, u64)> {
    let stats = rig.envoy.stats().await?;
    let sum = |decision: &str| stats.plugin_sum("tidegate_trial_total", &[&format!(".decision.{decision}")]);
    Ok((sum("opportunistic") + sum("guaranteed"), sum("refused_pool") + sum("refused_contract")))
}

#[tokio::test]
async fn a_trial_settles_and_counts_what_it_would_have_done() -> Result<()> {
    let _turn = world::turn().await?;
    let resources = |cost: Value| {
        json!({ "tokens": { "cost": cost, "settle": { "response_header": "x-total-tokens" },
            "safe_capacity_per_s": 0.001, "safe_burst": 100 } })
    };
    let trial = json!({ "resources": resources(json!({ "header": "x-cost-tokens" })) });
    let plan = world::alone("trial", &resources(json!(1)), &json!({ "trial": trial }))?;
    let rig = Rig::start(&plan).await?;
    // The live policy estimates 1 and the one on trial 60; both learn that it was 20.
    for round in 0..4 {
        let answer = rig.client.ask(&Ask::of("acme").costing("tokens", 60, 20)).await?;
        assert_eq!(answer.status, 200, "round {round}");
    }
    assert_eq!(tried(&rig).await?, (3, 1), "60 do not fit into 40");
    let stats = rig.envoy.stats().await?;
    let apart = stats.plugin_sum("tidegate_trial_total", &[".decision.refused_pool", ".live.opportunistic"]);
    assert_eq!(apart, 1);
    Ok(())
}

#[tokio::test]
async fn a_trial_of_less_capacity_obeys_the_tables_too() -> Result<()> {
    let _turn = world::turn().await?;
    let mut forecaster = world::forecaster()?;
    for resource in &mut forecaster.resources {
        (resource.capacity_per_s, resource.burst, resource.reservable_share) = (0.1, 30, Some(0.0));
    }
    let mut plugin = world::plugin(&json!({ "requests": { "safe_capacity_per_s": 0.1, "safe_burst": 30 } }));
    plugin["trial"] = json!({ "capacity": 0.5 });
    let rig = Rig::start(&world::plan("trial-table", plugin, forecaster)).await?;
    world::first_table(&rig, "acme").await?;
    let before = tried(&rig).await?;
    let mut live = 0;
    for _ in 0..30 {
        live += u64::from(rig.client.ask(&Ask::of("batch")).await?.admitted());
    }
    let (admitted, refused) = tried(&rig).await?;
    let (admitted, refused) = (admitted - before.0, refused - before.1);
    assert_eq!(admitted + refused, 30);
    // Only the table tells that bronze leaves three tenths of the pool to others.
    assert!((19..=22).contains(&live), "29 less 9: {live}");
    assert!((9..=11).contains(&admitted), "14 less 4.5: {admitted}");
    Ok(())
}
