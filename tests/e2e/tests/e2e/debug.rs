//! Questions to the plugin itself: answered to whoever knows the token, and by nobody where that is not configured.

use anyhow::Result;
use serde_json::{Value, json};
use tidegate_e2e::{load::Ask, rig::Rig};

use crate::world;

const TOKEN: &str = "0123456789abcdef";

fn ask(path: &str, token: &str) -> Ask {
    Ask::of("acme").at(path).with("authorization", &format!("Bearer {token}"))
}

#[tokio::test]
async fn whoever_knows_the_token_is_told_where_a_key_stands() -> Result<()> {
    let _turn = world::turn().await?;
    let mut plugin = world::plugin(&world::requests());
    plugin["debug"] = json!({ "token": TOKEN });
    let rig = Rig::start(&world::plan("debug", plugin, world::forecaster()?)).await?;
    let epoch = world::first_table(&rig, "acme").await?;
    let served = rig.upstream.served();

    let version = rig.client.ask(&ask("/tidegate/version", TOKEN)).await?;
    assert_eq!((version.status, version.content_type.as_deref()), (200, Some("application/json")));
    let told: Value = serde_json::from_slice(&version.body)?;
    assert!(told["table_epoch"].as_u64() >= Some(epoch), "{told}");
    assert_eq!((&told["table_state"], &told["proxy"]), (&json!("live"), &json!("e2e")));

    let explained = rig.client.ask(&ask("/tidegate/explain?key=acme", TOKEN)).await?;
    let told: Value = serde_json::from_slice(&explained.body)?;
    assert_eq!((&told["tier"], &told["known"]), (&json!("gold"), &json!(true)), "{told}");
    assert_eq!(told["resources"][0]["resource"], "requests");

    for token in ["", "0123456789abcdeg", "0123456789abcdef0"] {
        let answer = rig.client.ask(&ask("/tidegate/explain?key=acme", token)).await?;
        assert_eq!(answer.status, 401, "{token}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("gold"), "{answer:?}");
    }
    assert_eq!(rig.client.ask(&ask("/tidegate/other", TOKEN)).await?.status, 404);
    assert_eq!(rig.upstream.served(), served, "the upstream saw none of it");
    let stats = rig.envoy.stats().await?;
    assert_eq!(stats.plugin_sum("tidegate_decisions_total", &[]), served, "and nothing was decided");
    Ok(())
}

#[tokio::test]
async fn without_configuration_its_paths_are_the_upstreams() -> Result<()> {
    let _turn = world::turn().await?;
    let rig = Rig::start(&world::alone("debug-off", &world::requests(), &json!({}))?).await?;
    let answer = rig.client.ask(&ask("/tidegate/version", TOKEN)).await?;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"served\n"[..]));
    assert_eq!(rig.upstream.served(), 1);
    Ok(())
}
