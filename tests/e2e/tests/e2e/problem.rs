//! What customers and operators are told: ids of decisions, what could be had instead, and warnings before it is too late.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tidegate_e2e::{
    forecaster::Bucket,
    load::{Answer, Ask},
    rig::Rig,
};

use crate::world;

fn costing(customer: &str, cost: u64) -> Ask {
    let mut ask = Ask::of(customer);
    ask.numbers.push(("x-cost".into(), cost));
    ask
}

#[tokio::test]
async fn a_refusal_quotes_its_id_and_what_could_be_had_instead() -> Result<()> {
    let _turn = world::turn().await?;
    let resources = json!({
        "requests": { "cost": { "header": "x-cost" }, "safe_capacity_per_s": 0.1, "safe_burst": 100 },
    });
    let plan = world::alone("problem", &resources, &json!({ "alternatives": true, "decision_ids": true }))?;
    let mut rig = Rig::start(&plan).await?;
    let id = |answer: &Answer| answer.header("x-tidegate-decision-id").map(str::to_owned).context("no id");
    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        let admitted = rig.client.ask(&costing("acme", 20)).await?;
        assert_eq!(admitted.status, 200);
        ids.insert(id(&admitted)?);
    }
    let refused = rig.client.ask(&costing("acme", 80)).await?;
    assert_eq!(refused.status, 503);
    let problem: Value = serde_json::from_slice(&refused.body)?;
    assert_eq!(problem["decision"], Value::from(id(&refused)?), "{problem}");
    let smaller = problem["alternatives"]["smaller_cost"]["requests"].as_u64().context("nothing smaller")?;
    assert!((36..=40).contains(&smaller), "{problem}");
    assert_eq!(rig.client.ask(&costing("acme", smaller)).await?.status, 200, "what is told is true");
    ids.insert(id(&refused)?);
    assert_eq!(ids.len(), 4, "{ids:?}");

    rig.envoy.process().stop()?;
    let log = std::fs::read_to_string(rig.folder().join("access.log"))?;
    for id in ids {
        assert_eq!(log.lines().filter(|line| line.ends_with(&id)).count(), 1, "{id} in\n{log}");
    }
    Ok(())
}

#[tokio::test]
async fn only_refusals_are_in_the_access_log_unless_all_shall() -> Result<()> {
    let _turn = world::turn().await?;
    let resources = json!({ "requests": { "safe_capacity_per_s": 0.1, "safe_burst": 1 } });
    let mut rig = Rig::start(&world::alone("problem-ids", &resources, &json!({}))?).await?;
    let admitted = rig.client.ask(&Ask::of("acme")).await?;
    let refused = rig.client.ask(&Ask::of("acme")).await?;
    assert_eq!((admitted.status, refused.status), (200, 503));
    assert_eq!(refused.header("x-tidegate-decision-id"), None);
    let problem: Value = serde_json::from_slice(&refused.body)?;
    assert!(problem.get("alternatives").is_none(), "{problem}");
    let id = problem["decision"].as_str().context("no id")?;
    rig.envoy.process().stop()?;
    let log = std::fs::read_to_string(rig.folder().join("access.log"))?;
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines, ["200 acme - - -", &format!("503 acme refused_pool default {id}")]);
    Ok(())
}

#[tokio::test]
async fn every_decision_is_in_the_access_log_where_that_is_wanted() -> Result<()> {
    let _turn = world::turn().await?;
    let resources = json!({ "requests": { "safe_capacity_per_s": 0.1, "safe_burst": 1 } });
    let mut rig =
        Rig::start(&world::alone("problem-log", &resources, &json!({ "access_log": true }))?).await?;
    assert_eq!(rig.client.ask(&Ask::of("acme")).await?.status, 200);
    rig.envoy.process().stop()?;
    let log = std::fs::read_to_string(rig.folder().join("access.log"))?;
    assert_eq!(log, "200 acme opportunistic default -\n");
    Ok(())
}

#[tokio::test]
async fn a_customer_is_warned_before_its_contract_is_used_up() -> Result<()> {
    let _turn = world::turn().await?;
    let mut forecaster = world::forecaster()?;
    for tier in &mut forecaster.tiers {
        tier.contract = vec![("requests", Bucket { rate_per_s: 0.1, burst: 10 })];
    }
    let mut plugin = world::plugin(&world::requests());
    plugin["warn_above"] = json!(0.8);
    let rig = Rig::start(&world::plan("warning", plugin, forecaster)).await?;
    world::first_table(&rig, "globex").await?;
    let mut warned = Vec::new();
    for _ in 0..10 {
        let answer = rig.client.ask(&Ask::of("acme")).await?;
        assert_eq!(answer.status, 200);
        warned.push(answer.header("x-tidegate-warning").map(str::to_owned));
    }
    let (early, late) = warned.split_at(7);
    assert!(early.iter().all(Option::is_none), "{warned:?}");
    let last = late.last().cloned().flatten().context("no warning at the end")?;
    let usage = |warning: &str| -> Result<u64> {
        let (_, rest) = warning.split_once("\"requests\";usage=").context("not the resource")?;
        Ok(rest.split(';').next().unwrap_or_default().parse()?)
    };
    assert!((90..=100).contains(&usage(&last)?), "{last}");
    assert!(late.iter().filter(|warning| warning.is_some()).count() >= 2, "{warned:?}");
    let told = late.iter().flatten().count() as u64;
    assert_eq!(rig.envoy.stats().await?.plugin("tidegate_warnings_total"), told);
    Ok(())
}
