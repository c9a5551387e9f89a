//! What responses tell in structured fields (RFC 9651), read by a parser that is not ours, and the documents of refusals beside them.

#![allow(clippy::indexing_slicing, reason = "a failed test should panic")]

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use tidegate_e2e::{
    forecaster::{Bucket, Resource},
    load::{Answer, Ask},
    rig::Rig,
};

use crate::world;

/// Warnings begin here, in thousandths.
const WARN_ABOVE: u64 = 500;

/// The items of a list of strings, each with its parameters.
type Items = BTreeMap<String, BTreeMap<String, sfv::BareItem>>;

fn items(answer: &Answer, field: &str) -> Result<Items> {
    let text = answer.header(field).with_context(|| format!("no {field}: {answer:?}"))?;
    let list: sfv::List =
        sfv::Parser::new(text).parse().map_err(|error| anyhow!("{field}: {text}: {error}"))?;
    let item = |entry| {
        let sfv::ListEntry::Item(item) = entry else { bail!("{field}: {text}: no item") };
        let name = item.bare_item.as_string().with_context(|| format!("{field}: {text}: no string"))?;
        let parameters = item.params.into_iter().map(|(name, value)| (name.to_string(), value));
        Ok((name.to_string(), parameters.collect()))
    };
    list.into_iter().map(item).collect()
}

/// A parameter that has to be a whole number.
fn number(items: &Items, name: &str, parameter: &str) -> Result<u64> {
    let value = items.get(name).and_then(|parameters| parameters.get(parameter));
    let number = value.and_then(sfv::BareItem::as_integer).map(i64::from);
    number
        .and_then(|number| number.try_into().ok())
        .with_context(|| format!("{name};{parameter} in {items:?}"))
}

/// Gold's contracts come back at a token in ten seconds, and at two a second. Bronze has more than there is.
async fn rig() -> Result<Rig> {
    let mut forecaster = world::forecaster()?;
    for resource in &mut forecaster.resources {
        (resource.capacity_per_s, resource.burst, resource.reservable_share) = (0.2, 100, Some(0.0));
    }
    forecaster.resources.push(Resource {
        name: "tokens".into(),
        capacity_per_s: 1_000.0,
        burst: 10_000,
        reservable_share: Some(0.0),
    });
    for tier in &mut forecaster.tiers {
        let bucket = |rate_per_s, burst| Bucket { rate_per_s, burst };
        tier.contract = match tier.name {
            "gold" => vec![("requests", bucket(0.1, 10)), ("tokens", bucket(2.0, 1_000))],
            _ => vec![("requests", bucket(1_000.0, 1_000))],
        };
    }
    let mut plugin = world::plugin(&json!({
        "requests": { "cost": 1, "safe_capacity_per_s": 50, "safe_burst": 30 },
        "tokens": { "cost": 7, "safe_capacity_per_s": 50, "safe_burst": 30 },
    }));
    plugin["warn_above"] = json!(WARN_ABOVE as f64 / 1_000.0);
    let rig = Rig::start(&world::plan("fields", plugin, forecaster)).await?;
    world::first_table(&rig, "globex").await?;
    Ok(rig)
}

/// What is left of gold's requests, after all that its fields tell has been looked at.
fn gold_has(answer: &Answer) -> Result<u64> {
    let (policies, limits) = (items(answer, "ratelimit-policy")?, items(answer, "ratelimit")?);
    assert!(policies.keys().eq(["requests", "tokens"]) && policies.keys().eq(limits.keys()), "{answer:?}");
    let unit = policies["requests"].get("qu").and_then(sfv::BareItem::as_string).map(|unit| unit.as_str());
    assert_eq!(unit, Some("requests"));
    let warned =
        answer.header("x-tidegate-warning").map(|_| items(answer, "x-tidegate-warning")).transpose()?;
    let warned = warned.unwrap_or_default();
    for (name, quota, window_s, token_s) in [("requests", 10, 100, 10.0), ("tokens", 1_000, 500, 0.5)] {
        assert_eq!(number(&policies, name, "q")?, quota);
        // Rates of contracts are rounded down a little, and seconds up.
        assert!((window_s..=window_s + 1).contains(&number(&policies, name, "w")?), "{name}: {answer:?}");
        let (left, full_in_s) = (number(&limits, name, "r")?, number(&limits, name, "t")?);
        assert!(left < quota, "{name}: {answer:?}");
        let used = (quota - left) as f64;
        // Of what is borrowed beyond the contract, as much again at most, no more is left than nothing.
        let most_s = 1.0 + if left == 0 { 2.0 * window_s as f64 } else { used * token_s };
        let least_s = ((used - 1.0) * token_s).max(1.0);
        assert!((least_s..=most_s.ceil()).contains(&(full_in_s as f64)), "{name}: {answer:?}");
        let used_permille = (quota - left) * 1_000 / quota;
        assert_eq!(warned.contains_key(name), used_permille >= WARN_ABOVE, "{name}: {answer:?}");
        if warned.contains_key(name) {
            let told = (number(&warned, name, "usage")?, number(&warned, name, "t")?);
            assert_eq!(told, (used_permille / 10, full_in_s), "{answer:?}");
        }
    }
    number(&limits, "requests", "r")
}

/// The document of a refusal, which says the same as its status and its headers.
fn problem(answer: &Answer, status: u16, kind: &str, reason: &str) -> Result<Value> {
    assert!(answer.refused() && answer.status == status, "{answer:?}");
    let problem: Value = serde_json::from_slice(&answer.body)?;
    let kind = format!("https://iana.org/assignments/http-problem-types#{kind}");
    for (member, expected) in [
        ("type", json!(kind)),
        ("status", json!(status)),
        ("reason", json!(reason)),
        ("resource", json!("requests")),
        ("tier", json!(answer.tier)),
        ("retry_after_s", json!(answer.retry_after_s)),
    ] {
        assert_eq!(problem[member], expected, "{member}: {problem}");
    }
    assert!(answer.retry_after_s.is_some_and(|seconds| seconds >= 1), "{answer:?}");
    Ok(problem)
}

#[tokio::test]
async fn fields_are_lists_that_agree_with_one_another_and_with_refusals() -> Result<()> {
    let _turn = world::turn().await?;
    let rig = rig().await?;
    let mut left = 10;
    let refused = loop {
        let answer = rig.client.ask(&Ask::of("acme")).await?;
        let has = gold_has(&answer)?;
        assert!(has < left || has == 0, "{has} left of {left}: {answer:?}");
        left = has;
        if !answer.admitted() {
            break answer;
        }
    };
    assert_eq!(left, 0, "what it had is used up");
    let problem_of_gold = problem(&refused, 429, "quota-exceeded", "contract")?;
    let violated = problem_of_gold["violated-policies"].as_array().context("no policies")?;
    let policies = items(&refused, "ratelimit-policy")?;
    assert!(!violated.is_empty());
    for name in violated {
        let name = name.as_str().context("no name")?;
        assert!(policies.contains_key(name), "{name} is no policy of {policies:?}");
        assert_eq!(number(&items(&refused, "ratelimit")?, name, "r")?, 0, "{name} is violated");
    }
    let full_in_s = number(&items(&refused, "ratelimit")?, "requests", "t")?;
    assert!(refused.retry_after_s.is_some_and(|seconds| seconds <= full_in_s), "{refused:?}");

    // Whose contract has room is refused for want of capacity, and violates nothing.
    let refused = loop {
        let answer = rig.client.ask(&Ask::of("batch")).await?;
        if !answer.admitted() {
            break answer;
        }
    };
    let problem_of_bronze = problem(&refused, 503, "temporary-reduced-capacity", "pool")?;
    assert!(problem_of_bronze.get("violated-policies").is_none(), "{problem_of_bronze}");
    assert!(number(&items(&refused, "ratelimit")?, "requests", "r")? > 0, "{refused:?}");
    assert!(!items(&refused, "ratelimit-policy")?.contains_key("tokens"), "bronze has no contract there");
    assert_eq!(refused.header("x-tidegate-warning"), None);
    Ok(())
}
