//! Tables: what the forecaster decides reaches running proxies, without a restart of theirs.

use anyhow::Result;
use tidegate_e2e::{load::Ask, rig::Rig, wait};

use crate::world::{self, SOON};

#[tokio::test]
async fn a_pushed_table_changes_decisions() -> Result<()> {
    let _turn = world::turn().await?;
    let plan = world::plan("tables", world::plugin(&world::requests()), world::forecaster()?);
    let mut rig = Rig::start(&plan).await?;
    let before = world::first_table(&rig, "batch").await?;
    assert_eq!(tier_of(&rig, "batch").await?.as_deref(), Some("bronze"));
    assert_eq!(tier_of(&rig, "somebody new").await?.as_deref(), Some("bronze"), "the default tier");

    // The customer buys gold: the operator edits the configuration and restarts the forecaster.
    if let Some(forecaster) = &mut rig.forecaster {
        forecaster.kill()?;
        forecaster.edit_config("batch: { tier: bronze }", "batch: { tier: gold }")?;
        forecaster.restart().await?;
    }
    let rig = &rig;
    wait::until("batch is gold", SOON, || async {
        Ok(tier_of(rig, "batch").await?.filter(|tier| tier == "gold"))
    })
    .await?;
    assert!(rig.table_after(before, SOON).await? > before, "epochs grow across restarts");
    assert_eq!(tier_of(rig, "somebody new").await?.as_deref(), Some("bronze"));
    let stats = rig.envoy.stats().await?;
    assert_eq!(stats.plugin("tidegate_tables_total.result.rejected"), 0);
    assert!(stats.plugin("tidegate_tables_total.result.applied") >= 2);
    Ok(())
}

#[tokio::test]
async fn a_proxy_with_the_wrong_token_is_turned_away_and_says_so() -> Result<()> {
    let _turn = world::turn().await?;
    let mut plugin = world::plugin(&world::requests());
    plugin["forecaster"]["token"] = "guessed".into();
    let rig = Rig::start(&world::plan("token", plugin, world::forecaster()?)).await?;
    let rig = &rig;
    rig.client.ask(&Ask::of("acme")).await?;
    wait::until("Envoy's log tells that the forecaster refused", SOON, || async {
        let log = rig.envoy.log_text();
        Ok(log.lines().find(|line| line.contains("gRPC status 16")).map(str::to_owned))
    })
    .await?;
    let stats = rig.envoy.stats().await?;
    assert_eq!(stats.plugin("tidegate_connected"), 0);
    assert_eq!(stats.plugin("tidegate_table_epoch"), 0);
    assert_eq!(rig.client.ask(&Ask::of("acme")).await?.status, 200, "safe capacity goes on");
    Ok(())
}

async fn tier_of(rig: &Rig, customer: &str) -> Result<Option<String>> {
    Ok(rig.client.ask(&Ask::of(customer)).await?.tier)
}
