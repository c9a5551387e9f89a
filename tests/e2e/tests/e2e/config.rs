//! A plugin configuration that is wrong: Envoy's log tells every problem at once, and traffic goes on.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tidegate_e2e::{
    load::Ask,
    ports,
    rig::{Plan, Rig},
};

use crate::world;

#[tokio::test]
async fn every_problem_is_in_the_log_with_line_and_key() -> Result<()> {
    let _turn = world::turn().await?;
    let plan = Plan {
        folder: "e2e/config".into(),
        plugin: json!({
            "mode": "strict",
            "mood": "shadow",
            "key": [{ "header": "x-customer" }],
            "resources": { "requests": { "cost": -1, "safe_capacity_per_s": "many" } },
        }),
        forecaster: None,
        forecaster_address: ports::free()?,
        upstream_delay: Duration::ZERO,
    };
    // The same text that Envoy passes on: keys in order, one member a line.
    let text = serde_json::to_string_pretty(&plan.plugin)?;
    let line_of = |member: &str| {
        text.lines().position(|line| line.contains(member)).map(|line| line + 1).unwrap_or_default()
    };
    let mut rig = Rig::start(&plan).await?;
    let log = rig.envoy.log_text();
    for (member, key) in [
        ("\"mode\"", "mode"),
        ("\"mood\"", "mood"),
        ("\"cost\"", "resources.requests.cost"),
        ("\"safe_capacity_per_s\"", "resources.requests.safe_capacity_per_s"),
    ] {
        let place = format!("line {}, {key}: ", line_of(member));
        assert!(log.contains(&place), "no {place:?} in Envoy's log:\n{log}");
    }
    for _ in 0..10 {
        assert_eq!(rig.client.ask(&Ask::of("acme")).await?.status, 200, "nothing is enforced");
    }
    assert!(rig.envoy.stats().await?.plugin("tidegate_config_errors_total") >= 4);
    rig.envoy.process().check()
}
