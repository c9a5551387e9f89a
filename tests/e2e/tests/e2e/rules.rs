//! What is different for some requests: which a rule is for, and what becomes of their costs, keys, classes and modes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test should panic")]

use anyhow::Result;
use serde_json::{Value, json};
use tidegate_core::{
    table::{Reservation, Schedule, Table, Tier},
    units::MicroRate,
};
use tidegate_e2e::{
    envoy::Extra,
    load::{Answer, Ask},
    rig::Rig,
    wait,
};
use tokio::task::JoinSet;

use crate::{
    line::{Line, Lines},
    made,
    world::{self, SOON},
};

/// No budget has as much.
const TOO_MUCH: u64 = 1_000;
const BURST: u64 = 100;

/// Routes with a name, and with metadata.
const ROUTES: &str = "              - name: chat
                match: { prefix: /named }
                route: { cluster: upstream }
              - match: { prefix: /described }
                route: { cluster: upstream }
                metadata: { filter_metadata: { tidegate: { limit: strict, weight: 7 } } }
";

fn ask(path: &str) -> Ask {
    Ask::of("acme").at(path)
}

fn prompt(bytes: usize) -> Ask {
    let text = format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    Ask { prompt: Some(text), ..Ask::of("acme") }
}

/// Nothing costs anything unless a rule or a header says so, and what a rule says is more than there is.
fn rules() -> (Value, Value) {
    let resources = json!({
        "requests": { "cost": { "header": "x-cost-requests", "default": 0 },
            "safe_capacity_per_s": 0.001, "safe_burst": BURST },
        "bytes": { "cost": 0, "safe_capacity_per_s": 0.001, "safe_burst": BURST },
    });
    let costs = json!({ "requests": TOO_MUCH });
    let metadata = |name: &str| json!(["xds", "route_metadata", "filter_metadata", "tidegate", name]);
    let rules = json!([
        { "name": "probes", "match": { "path_prefix": "/health" }, "skip": true },
        { "name": "watched", "match": { "path_prefix": "/watched" }, "costs": costs, "mode": "shadow" },
        { "name": "route", "match": { "route": "chat" }, "costs": costs },
        { "name": "metadata", "costs": costs,
          "match": { "path_prefix": "/described/strictly", "properties": [{ "path": metadata("limit"), "exact": "strict" }] } },
        { "name": "elsewhere", "costs": costs,
          "match": { "path_prefix": "/described", "properties": [{ "path": metadata("limit"), "exact": "loose" }] } },
        { "name": "header", "match": { "headers": [{ "name": "x-model", "prefix": "large-" }] }, "costs": costs },
        { "name": "authority", "match": { "authorities": ["Slow.example"] }, "costs": costs },
        { "name": "template", "match": { "path_templates": ["/users/{id}/orders"] }, "costs": costs },
        { "name": "body", "match": { "methods": ["POST"], "path_templates": ["/v1/chat/{rest...}"] },
          "costs": { "bytes": { "body_bytes_per_token": 4, "plus": 10 } } },
        { "name": "never", "match": { "route": "nobody calls one so" }, "costs": costs },
    ]);
    (resources, rules)
}

#[tokio::test]
async fn a_rule_is_for_the_requests_that_it_describes() -> Result<()> {
    let _turn = world::turn().await?;
    let (resources, rules) = rules();
    let plan = world::alone("rules", &resources, &json!({ "rules": rules }))?;
    let rig = Rig::start_with(&plan, &Extra { routes: ROUTES.into(), ..Extra::default() }).await?;
    let status = async |ask: Ask| anyhow::Ok(rig.client.ask(&ask).await?.status);
    for (rule, meant, other) in [
        ("route", ask("/named"), ask("/other")),
        ("metadata", ask("/described/strictly"), ask("/described")),
        ("header", ask("/").with("x-model", "large-2"), ask("/").with("x-model", "small-large-2")),
        ("authority", ask("/").with("host", "slow.example"), ask("/").with("host", "fast.example")),
        ("template", ask("/users/7/orders?page=2"), ask("/users/7/orders/2")),
    ] {
        assert_eq!((status(meant).await?, status(other).await?), (503, 200), "{rule}");
        matched(&rig, rule, 1).await?;
    }
    // 360 bytes and ten tokens are all of the burst, which four bytes more exceed; then there is nothing left for ten.
    for (bytes, expected) in [(364, 503), (360, 200), (8, 503)] {
        assert_eq!(status(prompt(bytes)).await?, expected, "{bytes}");
    }
    assert_eq!(status(ask("/v1/chat/completions")).await?, 200, "another method");
    matched(&rig, "body", 3).await?;

    let dear = |path| Ask { numbers: vec![("x-cost-requests".into(), TOO_MUCH)], ..ask(path) };
    assert_eq!(status(dear("/")).await?, 503);
    let skipped = rig.client.ask(&dear("/health")).await?;
    assert_eq!((skipped.status, skipped.decision.as_deref()), (200, Some("skipped")));
    let watched = rig.client.ask(&ask("/watched")).await?;
    assert_eq!((watched.status, watched.decision.as_deref()), (200, Some("refused_pool")));
    let stats = rig.envoy.stats().await?;
    let shadow = [".decision.refused_pool", ".mode.shadow"];
    assert_eq!(stats.plugin_sum("tidegate_decisions_total", &shadow), 1, "of a rule alone");
    Ok(())
}

/// How often a rule has matched; `None` where Envoy has no such counter.
async fn matches(rig: &Rig, rule: &str) -> Result<Option<u64>> {
    let stats = rig.envoy.stats().await?;
    Ok(stats.plugin_beginning("tidegate_rule_matches_total.rule.").get(rule).copied())
}

/// Waits until a rule is counted to have matched so often.
async fn matched(rig: &Rig, rule: &str, times: u64) -> Result<()> {
    wait::until(&format!("`{rule}` has matched {times} times"), SOON, || async {
        Ok(matches(rig, rule).await?.filter(|count| *count == times).map(drop))
    })
    .await
}

/// Keys that are gold, each built by a rule of its own.
const GOLD: [&str; 6] = ["GET|k", "/a/b", "/v1/chat", "/users/{id}", "gold.example", "acme"];

/// Gold may use the pool; bronze and iron may not.
fn table() -> Result<Table> {
    let floor = |name: &str, floor_permille| Tier { floor_permille, ..made::tier(name) };
    let tiers = vec![floor("gold", 0), floor("iron", 1_000), floor("bronze", 1_000)];
    let mut keys: Vec<(&str, u8)> = GOLD.iter().map(|name| (*name, 0)).collect();
    keys.push(("rusty", 1));
    let mut table = made::table(tiers, (5.0, BURST), &keys)?;
    let set_aside = Reservation { rate: MicroRate::from_per_s(4.0), depth: 10 };
    for resource in &mut table.resources {
        resource.emergency = Schedule::constant(set_aside, 2);
        resource.emergency_key_permille = 1_000;
    }
    Ok(table)
}

/// A rig whose proxy obeys [`table`]; ends with its values.
async fn obeying() -> Result<(Rig, Lines, Line)> {
    let by = |part: &str, key: Value| json!({ "name": part, "match": { "headers": [{ "name": "x-by", "exact": part }] }, "key": key });
    let mut plugin = world::plugin(&world::requests());
    plugin["shadow_tiers"] = json!(["iron"]);
    plugin["rules"] = json!([
        { "name": "vital", "match": { "path_prefix": "/vital" }, "class": "critical" },
        by("method", json!([{ "method": true }, { "constant": "k" }])),
        by("path", json!([{ "path": true }])),
        by("segments", json!([{ "path_segments": 2 }])),
        by("templates", json!([{ "path_templates": ["/users/{id}"] }])),
        by("authority", json!([{ "authority": true }])),
    ]);
    made::obeying("rules-table", plugin, &table()?).await
}

#[tokio::test]
async fn keys_classes_and_tiers_are_what_rules_make_of_them() -> Result<()> {
    let _turn = world::turn().await?;
    let (rig, _lines, _line) = obeying().await?;
    let told = |answer: &Answer| {
        (answer.status, answer.decision.clone().unwrap_or_default(), answer.tier.clone().unwrap_or_default())
    };
    let gold = (200, "opportunistic".to_owned(), "gold".to_owned());
    let bronze = (503, "refused_pool".to_owned(), "bronze".to_owned());
    let by = |part: &str, path: &str| Ask::of("nobody").at(path).with("x-by", part);
    for (known, unknown) in [
        (by("method", "/"), Ask { prompt: Some("{}".into()), ..by("method", "/") }),
        (by("path", "/a/b?c"), by("path", "/a/b/")),
        (by("segments", "/v1/chat/42"), by("segments", "/v1/chats/42")),
        (by("templates", "/users/7?page=1"), by("templates", "/users/7/orders")),
        (by("authority", "/").with("host", "gold.example"), by("authority", "/").with("host", "b.example")),
    ] {
        assert_eq!(told(&rig.client.ask(&known).await?), gold, "{known:?}");
        assert_eq!(told(&rig.client.ask(&unknown).await?), bronze, "{unknown:?}");
    }

    // Bronze may not touch the pool. What a rule calls critical may, and what is set aside for emergencies when that is empty.
    assert_eq!(told(&rig.client.ask(&Ask::of("batch")).await?), bronze);
    let vital = Ask::of("batch").at("/vital");
    assert_eq!(told(&rig.client.ask(&vital).await?), (200, "opportunistic".into(), "bronze".into()));
    wait::until("the pool is empty, and what is set aside is not", SOON, || async {
        while rig.client.ask(&Ask::of("acme")).await?.admitted() {}
        let answer = rig.client.ask(&vital).await?;
        Ok((told(&answer) == (200, "emergency".into(), "bronze".into())).then_some(()))
    })
    .await?;
    assert_eq!(told(&rig.client.ask(&Ask::of("batch")).await?), bronze, "it is not for everybody");

    let let_pass = rig.client.ask(&Ask::of("rusty")).await?;
    assert_eq!(told(&let_pass), (200, "refused_pool".into(), "iron".into()), "a tier in shadow");
    let stats = rig.envoy.stats().await?;
    let counted = |tier: &str, mode: &str| {
        stats.plugin_sum("tidegate_decisions_total", &[".decision.refused_pool", tier, mode])
    };
    assert_eq!((counted(".tier.iron", ".mode.shadow"), counted(".tier.iron", ".mode.enforce")), (1, 0));
    assert_eq!(counted(".tier.bronze", ".mode.shadow"), 0);
    Ok(())
}

#[tokio::test]
async fn a_rule_that_never_matches_is_counted_from_the_beginning_and_told_of() -> Result<()> {
    let _turn = world::turn().await?;
    let (resources, rules) = rules();
    let rig = Rig::start(&world::alone("rules-unused", &resources, &json!({ "rules": rules }))?).await?;
    assert_eq!(matches(&rig, "never").await?, Some(0), "from the beginning");
    assert_eq!(rig.upstream.served(), 0, "before any request");

    let mut asking = JoinSet::new();
    for _ in 0..32 {
        let client = rig.client.clone();
        asking.spawn(async move {
            for _ in 0..320 {
                client.ask(&Ask::of("acme").at("/watched")).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked??;
    }
    let warning = "rule `never` has matched none of 1";
    wait::until("the log tells of it", SOON, || async {
        Ok(rig.envoy.log_text().contains(warning).then_some(()))
    })
    .await?;
    assert!(!rig.envoy.log_text().contains("rule `watched` has matched none"), "that one has");
    matched(&rig, "watched", 10_240).await?;
    matched(&rig, "never", 0).await
}
