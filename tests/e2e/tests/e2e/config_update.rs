//! A new configuration for an Envoy that is serving: what was learned stays, and nobody is forgotten in a queue that is no more.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tidegate_e2e::{
    binaries::Binaries,
    envoy::{Envoy, EnvoyConfig, INGRESS, Limiter, Listener, Plugin},
    folder,
    forecaster::{Bucket, Forecaster, ForecasterConfig},
    load::{Answer, Ask, Client},
    ports,
    upstream::Upstream,
    wait,
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::world::{self, SOON};

const BURST: u64 = 4;

/// Gold may wait for eight seconds, and tokens come slowly.
fn slow() -> Result<ForecasterConfig> {
    let mut forecaster = world::forecaster()?;
    for resource in &mut forecaster.resources {
        (resource.capacity_per_s, resource.burst, resource.reservable_share) = (1.0, BURST, Some(0.0));
    }
    for tier in &mut forecaster.tiers {
        tier.floor = 0.0;
        tier.contract = vec![("requests", Bucket { rate_per_s: 1000.0, burst: 1000 })];
        tier.max_delay_ms = if tier.name == "gold" { 8000 } else { 0 };
    }
    Ok(forecaster)
}

/// A static configuration in two: a bootstrap that watches `lds`, and what stands in that file.
fn divided(yaml: &str, lds: &Path) -> Result<(String, String)> {
    let (head, rest) = yaml.split_once("static_resources:\n  listeners:\n").context("no listeners")?;
    let (listeners, clusters) = rest.split_once("  clusters:\n").context("no clusters")?;
    let lds = lds.display();
    let bootstrap = format!(
        "node: {{ id: e2e, cluster: e2e }}\ndynamic_resources:\n  lds_config:\n    path_config_source: {{ path: '{lds}' }}\n\
         {head}static_resources:\n  clusters:\n{clusters}"
    );
    let kind = "- '@type': type.googleapis.com/envoy.config.listener.v3.Listener\n    name: ";
    Ok((bootstrap, format!("resources:\n{}", listeners.replacen("- name: ", kind, 1))))
}

/// Envoy notices files that are moved to where it watches.
fn put(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, text)?;
    Ok(fs::rename(beside, path)?)
}

#[tokio::test]
async fn who_waits_is_asked_again_when_the_budgets_are_others() -> Result<()> {
    let _turn = world::turn().await?;
    let binaries = Binaries::find()?;
    let folder = folder::fresh("e2e/config-update")?;
    let upstream = Upstream::start(Duration::ZERO).await?;
    let forecaster = slow()?;
    let _forecaster = Forecaster::start(&binaries.forecaster, &forecaster, &folder).await?;
    let (listen, admin) = (ports::free()?, ports::free()?);
    let yaml = |safe_burst: u64| {
        let mut plugin: Value =
            world::plugin(&json!({ "requests": { "safe_capacity_per_s": 1, "safe_burst": safe_burst } }));
        if let Some(members) = plugin.as_object_mut() {
            members.insert("on_refusal".into(), json!({ "tag": { "x-over": "yes" } }));
        }
        let limiter = Limiter::Tidegate(Plugin {
            name: "tidegate".into(),
            module: binaries.plugin.clone(),
            configuration: plugin,
            cluster: "tidegate".into(),
            forecaster: forecaster.listen,
            sees_bodies: false,
        });
        let listener = Listener { name: INGRESS.into(), listen, limiter, access_log: None };
        EnvoyConfig { admin, upstream: upstream.address(), listeners: vec![listener] }.to_yaml()
    };
    let lds = folder.join("lds.yaml");
    let (bootstrap, listeners) = divided(&yaml(BURST), &lds)?;
    put(&lds, &listeners)?;
    let envoy = Envoy::start_with(&binaries.envoy, &bootstrap, listen, admin, &folder).await?;
    let client = Client::new(listen);
    wait::until("acme is gold", SOON, || async {
        Ok(client.ask(&Ask::of("acme")).await?.tier.filter(|tier| tier == "gold"))
    })
    .await?;
    sleep(Duration::from_secs(1)).await;

    let mut asked = JoinSet::new();
    for _ in 0..10 {
        let client = client.clone();
        asked.spawn(async move { client.ask(&Ask::of("acme").with("x-echo", "x-over")).await });
    }
    let held = || async {
        let held = envoy.stats().await?.plugin("tidegate_held");
        Ok(Some(held).filter(|held| *held >= 4))
    };
    wait::until("some wait", SOON, held).await?;
    let (_, listeners) = divided(&yaml(BURST + 1), &lds)?;
    put(&lds, &listeners)?;
    let answers = timeout(Duration::from_secs(3), async {
        let mut answers = Vec::new();
        while let Some(answer) = asked.join_next().await {
            answers.push(answer??);
        }
        anyhow::Ok(answers)
    });
    let answers = answers.await.context("some are forgotten in the queue")??;
    // Who does not get a token now passes on marked, although it had been paused.
    let tagged = |answer: &&Answer| answer.decision.as_deref() == Some("tagged");
    assert!(answers.iter().any(|answer| tagged(&answer)), "{answers:?}");
    for answer in &answers {
        let seen = answer.header("x-seen-x-over").is_some();
        assert_eq!((answer.status, seen), (200, tagged(&answer)), "{answer:?}");
    }
    // The tables are there at once, although the budgets began anew.
    let next = client.ask(&Ask::of("acme")).await?;
    assert_eq!(next.tier.as_deref(), Some("gold"), "{next:?}");
    wait::until("nobody waits", SOON, || async {
        Ok((envoy.stats().await?.plugin("tidegate_held") == 0).then_some(()))
    })
    .await
}
