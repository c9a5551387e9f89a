//! Settling: what a request really cost reaches the database, to the token.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use serde_json::{Value, json};
use tidegate_e2e::{
    envoy::Extra,
    forecaster::Resource,
    load::{Ask, Random},
    ports,
    rig::Rig,
    wait,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use crate::world::{self, SOON};

#[tokio::test]
async fn actual_costs_reach_the_database() -> Result<()> {
    let _turn = world::turn().await?;
    let mut forecaster = world::forecaster()?;
    forecaster.resources.push(Resource {
        name: "llm_tokens".into(),
        capacity_per_s: 20_000.0,
        burst: 40_000,
        reservable_share: None,
    });
    let plugin = world::plugin(&json!({
        "requests": { "cost": 1, "safe_capacity_per_s": 50, "safe_burst": 30 },
        "llm_tokens": {
            "cost": { "header": "x-cost-tokens", "default": 100 },
            "settle": { "response_header": "x-total-tokens" },
            "safe_capacity_per_s": 20_000, "safe_burst": 40_000,
        },
    }));
    let rig = Rig::start(&world::plan("settle", plugin, forecaster)).await?;
    world::first_table(&rig, "globex").await?;

    let mut random = Random::new(11);
    let (mut estimated, mut actual, mut admitted) = (0, 0, 0);
    for _ in 0..60 {
        let cost = 100 + (random.unit() * 2_000.0) as u64;
        let answer = rig.client.ask(&Ask::of("acme").costing("tokens", cost, cost + cost / 3)).await?;
        estimated += cost;
        actual += answer.totals.get("tokens").copied().unwrap_or_default();
        admitted += u64::from(answer.admitted());
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert!((30..60).contains(&admitted), "{admitted} of 60: the tokens are meant to be scarce");
    let rig = &rig;
    let total = wait::until("everything is settled", SOON, || async {
        let total = rig.forecaster()?.usage().await?.of("acme", "llm_tokens");
        Ok(Some(total).filter(|total| total.requests_offered >= 60 && total.settled >= actual))
    })
    .await?;
    assert_eq!(total.settled, actual);
    assert_eq!(total.offered, estimated);
    assert_eq!((total.requests_admitted, total.requests_refused), (admitted, 60 - admitted));
    // Nobody told what the first request cost: its estimate stands.
    let first = wait::until("the first request is settled", SOON, || async {
        let total = rig.forecaster()?.usage().await?.of("globex", "llm_tokens");
        Ok(Some(total).filter(|total| total.settled > 0))
    })
    .await?;
    assert_eq!((first.offered, first.settled), (100, 100));
    Ok(())
}

/// An upstream that tells what a request cost when it is through with it: in a trailer. Its body is a document if the request says
/// `x-json`.
async fn telling_late() -> Result<SocketAddr> {
    let address = ports::free()?;
    let listener = TcpListener::bind(address).await?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (reader, mut writer) = stream.into_split();
                let mut lines = BufReader::new(reader).lines();
                let (mut actual, mut kind) = (None, "");
                while let Ok(Some(line)) = lines.next_line().await {
                    if let Some((name, value)) = line.split_once(": ")
                        && name.eq_ignore_ascii_case("x-actual-tokens")
                    {
                        actual = Some(value.to_owned());
                    }
                    if line.to_ascii_lowercase().starts_with("x-json:") {
                        kind = "content-type: application/json\r\n";
                    }
                    if line.is_empty() {
                        let trailer =
                            actual.take().map_or_else(String::new, |n| format!("x-total-tokens: {n}\r\n"));
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-total-tokens: 7\r\n{kind}\r\n\
                             7\r\nserved\n\r\n0\r\n{trailer}\r\n"
                        );
                        kind = "";
                        if writer.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    Ok(address)
}

/// Envoy with that upstream behind `/late`.
async fn late() -> Result<Extra> {
    let trailers = "    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http_protocol_options: { enable_trailers: true } }
";
    Ok(Extra {
        routes: "              - match: { prefix: /late }\n                route: { cluster: late }\n".into(),
        clusters: world::cluster("late", telling_late().await?) + trailers,
        ..Extra::default()
    })
}

fn tokens() -> Value {
    json!({
        "cost": { "header": "x-cost-tokens", "default": 60 },
        "settle": { "response_trailer": "x-total-tokens", "response_header": "x-total-tokens" },
        "safe_capacity_per_s": 0.001, "safe_burst": 100,
    })
}

/// Of 100 tokens 30 are used, then 7, then 10: every estimate of 60 fits only if the one before was settled.
async fn settles(rig: &Rig, special: impl Fn(Ask) -> Ask) -> Result<()> {
    let late = |cost, actual| special(Ask::of("acme").at("/late").costing("tokens", cost, actual));
    for (ask, status) in [
        (late(60, 30), 200),
        (special(Ask::of("acme").at("/late")), 200),
        (Ask::of("acme").costing("tokens", 60, 10), 200),
        (late(54, 1), 503),
        (late(53, 1), 200),
        (late(53, 0), 503),
        (late(52, 0), 200),
    ] {
        let answer = rig.client.ask(&ask).await?;
        assert_eq!(answer.status, status, "{ask:?}: {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_trailer_tells_the_actual_cost_and_the_header_where_there_is_none() -> Result<()> {
    let _turn = world::turn().await?;
    let plan = world::alone("trailers", &json!({ "tokens": tokens() }), &json!({}))?;
    let rig = Rig::start_with(&plan, &late().await?).await?;
    settles(&rig, |ask| ask).await
}

#[tokio::test]
async fn a_trailer_tells_it_where_bodies_are_read_too() -> Result<()> {
    let _turn = world::turn().await?;
    let by_body = json!({ "cost": { "llm": {} }, "safe_capacity_per_s": 1e6, "safe_burst": 1_000_000 });
    let resources = json!({ "tokens": tokens(), "llm_tokens": by_body });
    for (name, is_document) in [("trailers-llm", false), ("trailers-llm-document", true)] {
        let plan = world::alone(name, &resources, &json!({}))?;
        let rig = Rig::start_reading_bodies_with(&plan, true, &late().await?).await?;
        let special = |ask: Ask| if is_document { ask.with("x-json", "yes") } else { ask };
        settles(&rig, special).await?;
        let unread = rig.envoy.stats().await?.plugin_sum("tidegate_usage_missing_total", &[]);
        assert_eq!(unread, if is_document { 4 } else { 0 }, "documents were read, and told no usage");
    }
    Ok(())
}
