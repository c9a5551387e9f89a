//! Enforcement: who is refused, how it is told, and whether waiting as told helps.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::json;
use tidegate_e2e::{
    forecaster::Bucket,
    load::{Answer, Ask},
    rig::Rig,
};
use tokio::time::sleep;

use crate::world::{self, SOON, Stream};

#[tokio::test]
async fn a_bronze_flood_is_refused_while_gold_is_served() -> Result<()> {
    let _turn = world::turn().await?;
    let mut plugin = world::plugin(&world::requests());
    plugin["access_log"] = json!(true);
    let plan = world::plan("enforcement", plugin, world::forecaster()?);
    let mut rig = Rig::start(&plan).await?;
    world::first_table(&rig, "acme").await?;

    let gold = Stream { customer: "acme", per_s: 15.0 };
    let flood = Stream { customer: "batch", per_s: 150.0 };
    let outcomes = world::traffic(&rig, &[gold, flood], Duration::from_secs(8)).await;
    let [gold, flood] = outcomes.as_slice() else { panic!("two streams") };
    assert_eq!(gold.failures, flood.failures, "nothing fails");
    assert!(gold.failures.is_empty(), "{:?}", gold.failures);
    assert!(gold.admitted_share() > 0.98, "gold: {} of {}", gold.admitted(), gold.answers.len());
    assert!(flood.admitted_share() < 0.5, "bronze: {} of {}", flood.admitted(), flood.answers.len());
    // Capacity is there to be used: 50/s for 8 s and the burst, less what gold took.
    assert!(flood.admitted() > 200, "bronze: {} of {}", flood.admitted(), flood.answers.len());

    assert_eq!(
        flood.admitted() + flood.refusals().count(),
        flood.answers.len(),
        "every refusal is a problem document"
    );
    let mut decisions = BTreeMap::new();
    for answer in gold.answers.iter().chain(&flood.answers) {
        *decisions.entry(answer.decision.clone().unwrap_or_default()).or_insert(0_u64) += 1;
    }
    flood.refusals().try_for_each(explained)?;

    // Envoy's statistics say the same as the responses did; the request that fetched the table is gold's.
    let stats = rig.envoy.stats().await?;
    for (decision, count) in decisions {
        let extra = u64::from(decision == "opportunistic");
        let counted = stats
            .plugin_sum("tidegate_decisions_total", &[&format!(".decision.{decision}"), ".mode.enforce"]);
        assert_eq!(counted, count + extra, "{decision}");
    }
    let metrics = rig.envoy.prometheus().await?;
    let labels =
        ["tidegate_decisions_total{", "decision=\"refused_pool\"", "tier=\"bronze\"", "mode=\"enforce\""];
    assert!(metrics.lines().any(|line| labels.iter().all(|label| line.contains(label))), "Prometheus labels");

    // Envoy writes its access log at the latest when it ends.
    rig.envoy.process().stop()?;
    let log = std::fs::read_to_string(rig.folder().join("access.log"))?;
    assert!(log.lines().any(|line| line.starts_with("503 batch refused_pool bronze")), "{log}");
    assert!(log.lines().any(|line| line.starts_with("200 acme ") && line.ends_with(" gold -")), "{log}");
    Ok(())
}

/// The body of a refusal (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    r#type: String,
    status: u16,
    tier: String,
    resource: String,
    retry_after_s: u64,
}

/// Status, Retry-After, headers and problem document of a refusal agree.
fn explained(answer: &Answer) -> Result<()> {
    let problem: Problem = serde_json::from_slice(&answer.body)?;
    let kind = if answer.status == 429 { "#quota-exceeded" } else { "#temporary-reduced-capacity" };
    assert!(problem.r#type.ends_with(kind), "{}", problem.r#type);
    assert_eq!(problem.status, answer.status);
    assert_eq!((problem.tier.as_str(), answer.tier.as_deref()), ("bronze", Some("bronze")));
    assert_eq!(problem.resource, "requests");
    assert!(problem.retry_after_s >= 1);
    assert_eq!(answer.retry_after_s, Some(problem.retry_after_s));
    Ok(())
}

#[tokio::test]
async fn whoever_waits_as_long_as_told_is_admitted() -> Result<()> {
    let _turn = world::turn().await?;
    let mut forecaster = world::forecaster()?;
    for resource in &mut forecaster.resources {
        (resource.capacity_per_s, resource.burst) = (2.0, 8);
    }
    // Gold's contract is smaller than the capacity, bronze's larger: one is refused by it, the other by shortage.
    for tier in &mut forecaster.tiers {
        let (rate_per_s, burst) = if tier.name == "gold" { (0.5, 2) } else { (20.0, 40) };
        tier.contract = vec![("requests", Bucket { rate_per_s, burst })];
    }
    let rig = Rig::start(&world::plan("retry-after", world::plugin(&world::requests()), forecaster)).await?;
    world::first_table(&rig, "acme").await?;
    for (customer, status) in [("acme", 429), ("batch", 503)] {
        for _ in 0..2 {
            let refusal = until_refused(&rig, customer).await?;
            assert_eq!(refusal.status, status, "{customer}: {refusal:?}");
            let wait_s = refusal.retry_after_s.context("no Retry-After")?;
            let (policy, left) = refusal.ratelimit.clone().context("no RateLimit fields")?;
            if customer == "acme" {
                assert_eq!(policy, r#""requests";q=2;w=4;qu="requests""#);
                let full_in_s: u64 =
                    left.strip_prefix(r#""requests";r=0;t="#).context("some are left")?.parse()?;
                // What was borrowed beyond it, at most as much again, is paid back first.
                assert!((wait_s..=8).contains(&full_in_s), "{left}, and to wait {wait_s} s");
            }
            assert!(wait_s <= SOON.as_secs(), "{refusal:?}");
            sleep(Duration::from_secs(wait_s)).await;
            let again = rig.client.ask(&Ask::of(customer)).await?;
            assert_eq!(again.status, 200, "{customer} waited {wait_s} s as told: {again:?}");
        }
    }
    Ok(())
}

async fn until_refused(rig: &Rig, customer: &str) -> Result<Answer> {
    for _ in 0..200 {
        let answer = rig.client.ask(&Ask::of(customer)).await?;
        if answer.refused() {
            return Ok(answer);
        }
    }
    anyhow::bail!("200 requests of {customer} in a row were admitted")
}
