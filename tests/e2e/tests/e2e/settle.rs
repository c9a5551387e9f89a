//! Settling: what a request really cost reaches the database, to the token.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tidegate_e2e::{
    forecaster::Resource,
    load::{Ask, Random},
    rig::Rig,
    wait,
};

use crate::world::{self, SOON};

#[tokio::test]
async fn actual_costs_reach_the_database() -> Result<()> {
    let _turn = world::turn().await?;
    let mut forecaster = world::forecaster()?;
    forecaster.resources.push(Resource {
        name: "llm_tokens".into(),
        capacity_per_s: 20_000.0,
        burst: 40_000,
        reservable_share: None,
    });
    let plugin = world::plugin(&json!({
        "requests": { "cost": 1, "safe_capacity_per_s": 50, "safe_burst": 30 },
        "llm_tokens": {
            "cost": { "header": "x-cost-tokens", "default": 100 },
            "settle": { "response_header": "x-total-tokens" },
            "safe_capacity_per_s": 20_000, "safe_burst": 40_000,
        },
    }));
    let rig = Rig::start(&world::plan("settle", plugin, forecaster)).await?;
    world::first_table(&rig, "globex").await?;

    let mut random = Random::new(11);
    let (mut estimated, mut actual, mut admitted) = (0, 0, 0);
    for _ in 0..60 {
        let cost = 100 + (random.unit() * 2_000.0) as u64;
        let answer = rig.client.ask(&Ask::of("acme").costing("tokens", cost, cost + cost / 3)).await?;
        estimated += cost;
        actual += answer.totals.get("tokens").copied().unwrap_or_default();
        admitted += u64::from(answer.admitted());
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert!((30..60).contains(&admitted), "{admitted} of 60: the tokens are meant to be scarce");
    let rig = &rig;
    let total = wait::until("everything is settled", SOON, || async {
        let total = rig.forecaster()?.usage().await?.of("acme", "llm_tokens");
        Ok(Some(total).filter(|total| total.requests_offered >= 60 && total.settled >= actual))
    })
    .await?;
    assert_eq!(total.settled, actual);
    assert_eq!(total.offered, estimated);
    assert_eq!((total.requests_admitted, total.requests_refused), (admitted, 60 - admitted));
    // Nobody told what the first request cost: its estimate stands.
    let first = wait::until("the first request is settled", SOON, || async {
        let total = rig.forecaster()?.usage().await?.of("globex", "llm_tokens");
        Ok(Some(total).filter(|total| total.settled > 0))
    })
    .await?;
    assert_eq!((first.offered, first.settled), (100, 100));
    Ok(())
}
