//! No forecaster at all: an honest limiter near the safe capacity, and a gauge that says so.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tidegate_e2e::{
    ports,
    rig::{Plan, Rig},
};

use crate::world::{self, Stream};

const SAFE_PER_S: f64 = 30.0;
const SAFE_BURST: f64 = 15.0;
const SECONDS: f64 = 6.0;

#[tokio::test]
async fn the_safe_capacity_rules() -> Result<()> {
    let _turn = world::turn().await?;
    let resources =
        json!({ "requests": { "safe_capacity_per_s": SAFE_PER_S, "safe_burst": SAFE_BURST as u64 } });
    let plan = Plan {
        folder: "e2e/absent".into(),
        plugin: world::plugin(&resources),
        forecaster: None,
        forecaster_address: ports::free()?,
        upstream_delay: Duration::ZERO,
    };
    let rig = Rig::start(&plan).await?;
    let streams = [Stream { customer: "acme", per_s: 60.0 }, Stream { customer: "batch", per_s: 60.0 }];
    let outcomes = world::traffic(&rig, &streams, Duration::from_secs_f64(SECONDS)).await;
    let mut admitted = 0.0;
    for stream in &outcomes {
        assert!(stream.failures.is_empty(), "{:?}", stream.failures);
        assert_eq!(stream.admitted() + stream.refusals().count(), stream.answers.len());
        admitted += stream.admitted() as f64;
    }
    let most = SAFE_PER_S * SECONDS + SAFE_BURST;
    assert!((0.9 * most..=1.02 * most).contains(&admitted), "{admitted} admitted, {most} expected");
    let stats = rig.envoy.stats().await?;
    assert_eq!(stats.plugin("tidegate_table_epoch"), 0);
    assert_eq!(stats.plugin("tidegate_table_stale"), 1);
    assert_eq!(stats.plugin("tidegate_connected"), 0);
    assert!(rig.envoy.log_text().contains("forecaster"), "the log says what is missing");
    Ok(())
}
