//! The forecaster hangs (SIGSTOP: its connections stay open and nothing answers): the plan runs out, the safe capacity
//! rules, and when it comes back everything is caught up and every request counted once.

use std::{process::Command, time::Duration};

use anyhow::{Result, ensure};
use tidegate_e2e::{rig::Rig, wait};
use tokio::time::sleep;

use crate::world::{self, SOON, Stream};

#[tokio::test]
async fn the_plan_runs_out_and_comes_back() -> Result<()> {
    let _turn = world::turn().await?;
    let mut forecaster = world::forecaster()?;
    forecaster.forecast.horizon_steps = 3;
    let plan = world::plan("partition", world::plugin(&world::requests()), forecaster);
    let mut rig = Rig::start(&plan).await?;
    let epoch = world::first_table(&rig, "acme").await?;
    let id = rig.forecaster.as_mut().map(|forecaster| forecaster.process().id()).unwrap_or_default();
    let rig = &rig;

    let streams = [Stream { customer: "acme", per_s: 20.0 }, Stream { customer: "globex", per_s: 10.0 }];
    let (outcomes, hung) = tokio::join!(world::traffic(rig, &streams, Duration::from_secs(14)), async {
        sleep(Duration::from_secs(2)).await;
        signal("STOP", id)?;
        let stale = wait::until("the plan is over", SOON, || async {
            Ok((rig.envoy.stats().await?.plugin("tidegate_table_stale") == 1).then_some(()))
        })
        .await;
        sleep(Duration::from_secs(2)).await;
        signal("CONT", id)?;
        stale
    });
    hung?;
    let mut sent = 1;
    for stream in &outcomes {
        assert!(stream.failures.is_empty(), "{:?}", stream.failures);
        assert!(stream.admitted_share() > 0.95, "{} of {}", stream.admitted(), stream.answers.len());
        sent += stream.answers.len() as u64;
    }
    assert!(rig.table_after(epoch, SOON).await? > epoch);
    wait::until("a plan is in force again", SOON, || async {
        Ok((rig.envoy.stats().await?.plugin("tidegate_table_stale") == 0).then_some(()))
    })
    .await?;
    rig.requests_in_database("requests", sent, SOON).await?;
    // Long enough for a report that is sent again to be counted twice, if it were.
    sleep(Duration::from_secs(4)).await;
    let usage = rig.forecaster()?.usage().await?;
    assert_eq!(usage.sum("requests", |total| total.requests_offered), sent, "{usage:?}");
    Ok(())
}

fn signal(name: &str, id: u32) -> Result<()> {
    let status = Command::new("kill").args([format!("-{name}"), id.to_string()]).status()?;
    ensure!(status.success(), "kill -{name} {id}: {status}");
    Ok(())
}
