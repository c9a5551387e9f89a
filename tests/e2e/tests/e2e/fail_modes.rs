//! What the plugin does while no valid plan is in force, where it shall not fall back on the safe capacity: before the first plan has
//! come, and after the last one has run out.

#![allow(clippy::indexing_slicing, reason = "a failed test should panic")]

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tidegate_e2e::{
    envoy::INGRESS,
    load::{Answer, Ask},
    rig::Rig,
    wait,
};

use crate::world::{self, SOON};

/// So little that a limiter on the safe capacity refuses almost everything.
fn resources() -> Value {
    json!({ "requests": { "cost": 1, "safe_capacity_per_s": 0.001, "safe_burst": 1 } })
}

const ASKED: u64 = 30;

/// What becomes of requests in a fail mode.
#[derive(Clone, Copy)]
struct Fate {
    fail_mode: &'static str,
    status: u16,
    decision: &'static str,
}

const OPEN: Fate = Fate { fail_mode: "open", status: 200, decision: "fail_open" };
const CLOSED: Fate = Fate { fail_mode: "closed", status: 503, decision: "fail_closed" };

impl Fate {
    /// Asks for a customer that would be refused otherwise.
    async fn meets(self, rig: &Rig, customer: &str) -> Result<()> {
        for _ in 0..ASKED {
            let answer = rig.client.ask(&Ask::of(customer)).await?;
            let told = (answer.status, answer.decision.as_deref());
            assert_eq!(told, (self.status, Some(self.decision)), "{answer:?}");
            if !answer.admitted() {
                explained(&answer)?;
            }
        }
        Ok(())
    }
}

/// Waits until the gauge tells that no plan is in force, or that one is.
async fn stale(rig: &Rig, is: u64) -> Result<()> {
    wait::until(&format!("tidegate_table_stale is {is}"), SOON, async || {
        Ok((rig.envoy.stats().await?.plugin("tidegate_table_stale") == is).then_some(()))
    })
    .await
}

/// A refusal says that there is no plan, and asks to come again soon.
fn explained(answer: &Answer) -> Result<()> {
    assert!(answer.refused() && answer.retry_after_s == Some(1), "{answer:?}");
    let problem: Value = serde_json::from_slice(&answer.body)?;
    let kind = problem["type"].as_str().context("no type")?;
    assert!(kind.ends_with("#temporary-reduced-capacity"), "{problem}");
    assert_eq!((&problem["reason"], &problem["status"]), (&json!("no_table"), &json!(503)), "{problem}");
    assert!(problem.get("violated-policies").is_none() && problem.get("resource").is_none(), "{problem}");
    Ok(())
}

#[tokio::test]
async fn before_any_plan_everything_passes_or_nothing() -> Result<()> {
    let _turn = world::turn().await?;
    for (mode, fate, passing) in
        [("enforce", OPEN, ASKED), ("enforce", CLOSED, 0), ("shadow", Fate { status: 200, ..CLOSED }, ASKED)]
    {
        let Fate { fail_mode, decision, .. } = fate;
        let extra = json!({ "mode": mode, "fail_mode": fail_mode });
        let rig = Rig::start(&world::alone("fail-modes-before", &resources(), &extra)?).await?;
        fate.meets(&rig, "acme").await?;
        assert_eq!(rig.upstream.served(), passing, "{mode}, {fail_mode}");
        let stats = rig.envoy.stats().await?;
        let labels = [format!(".decision.{decision}"), format!(".mode.{mode}")];
        let labelled = stats.plugin_sum("tidegate_decisions_total", &labels.each_ref().map(String::as_str));
        assert_eq!(labelled, ASKED);
        assert_eq!(stats.plugin_sum("tidegate_decisions_total", &[]), ASKED);
    }
    Ok(())
}

#[tokio::test]
async fn after_the_plan_has_run_out_everything_passes_or_nothing_until_there_is_another() -> Result<()> {
    let _turn = world::turn().await?;
    for fate in [OPEN, CLOSED] {
        let mut plugin = world::plugin(&resources());
        plugin["fail_mode"] = json!(fate.fail_mode);
        let mut forecaster = world::forecaster()?;
        forecaster.forecast.horizon_steps = 3;
        let mut rig = Rig::start(&world::plan("fail-modes-after", plugin, forecaster)).await?;
        world::first_table(&rig, "acme").await?;
        let planned = rig.client.ask(&Ask::of("acme")).await?;
        assert_eq!((planned.status, planned.tier.as_deref()), (200, Some("gold")), "{planned:?}");
        assert_ne!(planned.decision.as_deref(), Some(fate.decision));

        rig.forecaster.as_mut().context("no forecaster")?.kill()?;
        stale(&rig, 1).await?;
        fate.meets(&rig, "batch").await?;
        fate.meets(&rig, "acme").await?;

        rig.forecaster.as_mut().context("no forecaster")?.restart().await?;
        stale(&rig, 0).await?;
        let planned = rig.client.ask(&Ask::of("batch")).await?;
        assert_eq!((planned.status, planned.tier.as_deref()), (200, Some("bronze")), "{planned:?}");
        // Who was not decided about was counted all the same.
        let stats = rig.envoy.stats().await?;
        let (sent, passed) = (stats.requests(), stats.responses_of(INGRESS, "2xx"));
        rig.requests_in_database("requests", sent, SOON).await?;
        let usage = rig.forecaster()?.usage().await?;
        assert_eq!(usage.sum("requests", |total| total.requests_offered), sent, "{usage:?}");
        assert_eq!(usage.sum("requests", |total| total.requests_admitted), passed, "{usage:?}");
        assert_eq!(usage.of("batch", "requests").requests_offered, ASKED + 1);
    }
    Ok(())
}
