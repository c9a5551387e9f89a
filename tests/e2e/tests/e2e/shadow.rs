//! Shadow mode: the same traffic, decided and counted, and nobody is turned away.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tidegate_e2e::rig::Rig;

use crate::world::{self, Stream};

#[tokio::test]
async fn nothing_is_refused_and_what_would_have_been_is_counted() -> Result<()> {
    let _turn = world::turn().await?;
    let mut plugin = world::plugin(&world::requests());
    plugin["mode"] = json!("shadow");
    let rig = Rig::start(&world::plan("shadow", plugin, world::forecaster()?)).await?;
    world::first_table(&rig, "acme").await?;

    let streams = [Stream { customer: "acme", per_s: 15.0 }, Stream { customer: "batch", per_s: 150.0 }];
    let outcomes = world::traffic(&rig, &streams, Duration::from_secs(5)).await;
    let [gold, flood] = outcomes.as_slice() else { panic!("two streams") };
    for stream in [gold, flood] {
        assert!(stream.failures.is_empty(), "{:?}", stream.failures);
        assert_eq!(stream.admitted(), stream.answers.len(), "everybody passes");
    }
    let would_be = |answer: &&tidegate_e2e::load::Answer| {
        answer.decision.as_deref().is_some_and(|decision| decision.starts_with("refused"))
    };
    let told = flood.answers.iter().chain(&gold.answers).filter(would_be).count() as u64;
    assert!(told > 300, "only {told} of {} would have been refused", flood.answers.len());
    let stats = rig.envoy.stats().await?;
    let counted: u64 = ["refused_contract", "refused_pool"]
        .iter()
        .map(|decision| {
            stats.plugin_sum("tidegate_decisions_total", &[&format!(".decision.{decision}"), ".mode.shadow"])
        })
        .sum();
    assert_eq!(counted, told);
    assert_eq!(stats.plugin_sum("tidegate_decisions_total", &[".mode.enforce"]), 0);
    assert_eq!(rig.upstream.served(), (gold.answers.len() + flood.answers.len()) as u64 + 1);
    Ok(())
}
