//! What more capacity would have served: from refusals in Envoy to what the forecaster says is wanted.

use std::time::Duration;

use anyhow::Result;
use tidegate_e2e::{http, rig::Rig, wait};

use crate::world::{self, SOON, Stream};

#[tokio::test]
async fn who_is_refused_for_want_of_capacity_makes_the_forecaster_want_more() -> Result<()> {
    let _turn = world::turn().await?;
    let mut forecaster = world::forecaster()?;
    // Half of what acme's contract promises.
    for resource in &mut forecaster.resources {
        (resource.capacity_per_s, resource.burst) = (20.0, 20);
    }
    let rig = Rig::start(&world::plan("wishes", world::plugin(&world::requests()), forecaster)).await?;
    world::first_table(&rig, "acme").await?;
    let streams = [Stream { customer: "acme", per_s: 35.0 }];
    let outcomes = world::traffic(&rig, &streams, Duration::from_secs(5)).await;
    let missing = outcomes
        .iter()
        .flat_map(|outcomes| &outcomes.answers)
        .filter(|answer| answer.decision.as_deref() == Some("refused_pool"))
        .count();
    assert!(missing > 20, "{outcomes:?}");

    let at = rig.forecaster()?.listen();
    let wished =
        format!("tidegate_wished_tokens_total{{resource=\"requests\",result=\"refused\"}} {missing}");
    let wanted = "tidegate_wanted_capacity_per_s{resource=\"requests\"} ";
    wait::until("each refusal is a wish, and more is wanted", SOON, || async {
        let (_, body) = http::get(at, "/metrics").await?;
        let metrics = String::from_utf8_lossy(&body).into_owned();
        let wanted = metrics.lines().find_map(|line| line.strip_prefix(wanted)?.parse::<f64>().ok());
        let is_more = wanted.is_some_and(|wanted| wanted > 20.5);
        Ok((is_more && metrics.lines().any(|line| line == wished)).then_some(()))
    })
    .await
}
