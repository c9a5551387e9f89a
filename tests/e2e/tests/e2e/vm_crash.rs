//! A worker's VM dies, the leader's among them: Envoy makes a new one, the others take over the stream at once, and the new
//! one takes its table from them.

use std::time::Duration;

use anyhow::{Context, Result};
use tidegate_e2e::{load::Ask, rig::Rig, wait};
use tokio::time::sleep;

use crate::world::{self, SOON};

const WORKERS: u32 = 2;

#[tokio::test]
async fn the_others_go_on_and_it_comes_back() -> Result<()> {
    let _turn = world::turn().await?;
    let plan = world::plan("vm-crash", world::plugin(&world::requests()), world::forecaster()?);
    let rig = &Rig::start_crashing(&plan, WORKERS).await?;
    world::meet_all(rig, WORKERS).await?;
    let crash = Ask { numbers: vec![("x-tidegate-crash".into(), 1)], ..Ask::of("acme") };
    for round in 0..3 {
        let epoch = rig.envoy.stats().await?.plugin("tidegate_table_epoch");
        // Over new connections, so that by and by every worker is hit, the leader too.
        let crashed = world::afresh(rig).ask(&crash).await?;
        assert_eq!(crashed.status, 503, "Envoy answers for the dead VM");
        let fresh = rig.table_after(epoch, SOON).await.with_context(|| format!("after crash {round}"))?;
        assert!(fresh > epoch);
        // Envoy makes a new VM a second after the death at the earliest.
        sleep(Duration::from_millis(1_200)).await;
        world::meet_all(rig, WORKERS).await?;
        wait::until("gold is known everywhere", SOON, || async {
            for _ in 0..8 {
                let answer = world::afresh(rig).ask(&Ask::of("acme")).await?;
                if answer.tier.as_deref() != Some("gold") {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await?;
    }
    world::one_stream(rig).await
}
