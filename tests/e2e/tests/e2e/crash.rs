//! The forecaster dies (SIGKILL) and comes back, six times, while traffic goes on: nobody notices, and every request is counted once.

use std::time::Duration;

use anyhow::{Context, Result};
use tidegate_e2e::rig::Rig;
use tokio::time::sleep;

use crate::world::{self, SOON, Stream};

#[tokio::test]
async fn nothing_is_lost_or_counted_twice() -> Result<()> {
    let _turn = world::turn().await?;
    let plan = world::plan("crash", world::plugin(&world::requests()), world::forecaster()?);
    let mut rig = Rig::start(&plan).await?;
    let epoch = world::first_table(&rig, "acme").await?;

    let mut forecaster = rig.forecaster.take().context("no forecaster")?;
    let streams = [Stream { customer: "acme", per_s: 20.0 }, Stream { customer: "globex", per_s: 15.0 }];
    let (outcomes, crashed) = tokio::join!(world::traffic(&rig, &streams, Duration::from_secs(14)), async {
        for _ in 0..6 {
            sleep(Duration::from_millis(1_300)).await;
            forecaster.kill()?;
            sleep(Duration::from_millis(500)).await;
            forecaster.restart().await?;
        }
        anyhow::Ok(forecaster)
    });
    rig.forecaster = Some(crashed?);

    let mut sent = 1;
    let mut admitted = 1;
    for stream in &outcomes {
        assert!(stream.failures.is_empty(), "{:?}", stream.failures);
        assert!(stream.admitted_share() > 0.95, "{} of {}", stream.admitted(), stream.answers.len());
        sent += stream.answers.len() as u64;
        admitted += stream.admitted() as u64;
    }
    assert_eq!(rig.envoy.stats().await?.requests(), sent);
    rig.requests_in_database("requests", sent, SOON).await?;
    // Long enough for a report that is counted twice to show.
    sleep(Duration::from_secs(2)).await;
    let usage = rig.forecaster()?.usage().await?;
    assert_eq!(usage.sum("requests", |total| total.requests_offered), sent, "{usage:?}");
    assert_eq!(usage.sum("requests", |total| total.requests_admitted), admitted, "{usage:?}");
    let stats = rig.envoy.stats().await?;
    assert_eq!(stats.plugin("tidegate_reports_dropped_total"), 0);
    assert!(rig.table_after(epoch, SOON).await? > epoch, "tables go on");
    Ok(())
}
