//! Envoy dies (SIGKILL) and comes back: the new one introduces itself as another, gets the table, and what the old one had
//! reported is still there, once.

use std::time::Duration;

use anyhow::Result;
use tidegate_e2e::rig::Rig;
use tokio::time::sleep;

use crate::world::{self, SOON, Stream};

#[tokio::test]
async fn what_was_reported_stays_and_decisions_go_on() -> Result<()> {
    let _turn = world::turn().await?;
    let plan = world::plan("envoy-restart", world::plugin(&world::requests()), world::forecaster()?);
    let mut rig = Rig::start(&plan).await?;
    world::first_table(&rig, "acme").await?;
    let streams = [Stream { customer: "acme", per_s: 20.0 }];
    let mut sent = 1;
    for round in 0..3 {
        let outcomes = world::traffic(&rig, &streams, Duration::from_secs(2)).await;
        for stream in &outcomes {
            assert!(stream.failures.is_empty(), "{:?}", stream.failures);
            assert!(stream.admitted_share() > 0.95, "round {round}: {}", stream.admitted());
            sent += stream.answers.len() as u64;
        }
        // Everything is durable before Envoy dies, so nothing may be missing afterwards.
        rig.requests_in_database("requests", sent, SOON).await?;
        rig.restart_envoy().await?;
        world::first_table(&rig, "acme").await?;
        sent += 1;
    }
    rig.requests_in_database("requests", sent, SOON).await?;
    sleep(Duration::from_secs(2)).await;
    let usage = rig.forecaster()?.usage().await?;
    assert_eq!(usage.sum("requests", |total| total.requests_offered), sent, "{usage:?}");
    Ok(())
}
