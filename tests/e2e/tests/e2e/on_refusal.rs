//! What refusals may become instead of an answer: requests that pass on, marked or to another cluster.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tidegate_e2e::{
    envoy::Extra,
    load::{Answer, Ask},
    rig::Rig,
    upstream::Upstream,
};

use crate::world;

/// Who carries the header goes where it says.
const BY_HEADER: &str =
    "              - match: { prefix: /, headers: [{ name: x-tidegate-cluster, present_match: true }] }
                route: { cluster_header: x-tidegate-cluster }
";

async fn rig(name: &str, mode: &str, cheap: &Upstream) -> Result<Rig> {
    let resources = json!({ "requests": { "safe_capacity_per_s": 0.1, "safe_burst": 3 } });
    let extra = json!({
        "mode": mode,
        "on_refusal": { "reroute": { "cluster": "cheap" } },
        "rules": [
            { "name": "models", "match": { "path_prefix": "/models" },
              "on_refusal": { "downgrade": { "cluster": "cheap" }, "tag": { "x-model": "small" } } },
            { "name": "tagged", "match": { "path_prefix": "/tagged" }, "on_refusal": { "tag": { "x-over": "yes" } } },
        ],
    });
    let amid = Extra {
        routes: BY_HEADER.into(),
        clusters: world::cluster("cheap", cheap.address()),
        ..Extra::default()
    };
    Rig::start_with(&world::alone(name, &resources, &extra)?, &amid).await
}

fn ask(path: &str) -> Ask {
    Ask::of("acme").at(path).with("x-echo", "x-over,x-model,x-tidegate-cluster")
}

fn seen(answer: &Answer) -> [Option<&str>; 3] {
    ["x-seen-x-over", "x-seen-x-model", "x-seen-x-tidegate-cluster"].map(|name| answer.header(name))
}

#[tokio::test]
async fn a_refused_request_goes_where_its_rule_says() -> Result<()> {
    let _turn = world::turn().await?;
    let cheap = Upstream::start(Duration::ZERO).await?;
    let mut rig = rig("on-refusal", "enforce", &cheap).await?;
    for path in ["/models", "/tagged", "/"] {
        let answer = rig.client.ask(&ask(path)).await?;
        assert_eq!((answer.status, seen(&answer)), (200, [None; 3]), "{path}");
    }
    assert_eq!((rig.upstream.served(), cheap.served()), (3, 0), "there were three tokens");
    for (path, decision, marks, served) in [
        ("/models", "downgraded", [None, Some("small"), Some("cheap")], (3, 1)),
        ("/tagged", "tagged", [Some("yes"), None, None], (4, 1)),
        ("/", "rerouted", [None, None, Some("cheap")], (4, 2)),
    ] {
        let answer = rig.client.ask(&ask(path)).await?;
        assert_eq!((answer.status, answer.decision.as_deref()), (200, Some(decision)), "{answer:?}");
        assert_eq!(seen(&answer), marks, "{path}");
        assert_eq!((rig.upstream.served(), cheap.served()), served, "{path}");
    }
    let stats = rig.envoy.stats().await?;
    for decision in ["downgraded", "tagged", "rerouted"] {
        let counted = stats
            .plugin_sum("tidegate_decisions_total", &[&format!(".decision.{decision}"), ".mode.enforce"]);
        assert_eq!(counted, 1, "{decision}");
    }
    rig.envoy.process().stop()?;
    let log = std::fs::read_to_string(rig.folder().join("access.log"))?;
    assert!(log.lines().any(|line| line.starts_with("200 acme rerouted default ")), "{log}");
    Ok(())
}

#[tokio::test]
async fn clients_cannot_mark_their_own_requests() -> Result<()> {
    let _turn = world::turn().await?;
    let cheap = Upstream::start(Duration::ZERO).await?;
    let rig = rig("on-refusal-forged", "enforce", &cheap).await?;
    let forged = ask("/").with("x-tidegate-cluster", "cheap").with("x-over", "no");
    let answer = rig.client.ask(&forged).await?;
    assert_eq!((answer.status, seen(&answer)), (200, [None; 3]));
    assert_eq!((rig.upstream.served(), cheap.served()), (1, 0));
    Ok(())
}

#[tokio::test]
async fn shadow_mode_counts_and_marks_nobody() -> Result<()> {
    let _turn = world::turn().await?;
    let cheap = Upstream::start(Duration::ZERO).await?;
    let rig = rig("on-refusal-shadow", "shadow", &cheap).await?;
    for _ in 0..5 {
        let answer = rig.client.ask(&ask("/")).await?;
        assert_eq!((answer.status, seen(&answer)), (200, [None; 3]));
    }
    assert_eq!((rig.upstream.served(), cheap.served()), (5, 0));
    let stats = rig.envoy.stats().await?;
    let counted = stats.plugin_sum("tidegate_decisions_total", &[".decision.rerouted", ".mode.shadow"]);
    assert_eq!(counted, 2);
    Ok(())
}
