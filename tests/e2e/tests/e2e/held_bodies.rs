//! Requests with bodies that are held back: all of a body reaches the upstream, whether the plugin reads it, only sees it pass or
//! neither; and who waits goes on waiting when all of its request is there, trailers too.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{
    envoy::Extra,
    forecaster::{Bucket, ForecasterConfig, Resource},
    load::{Answer, Ask},
    rig::{Plan, Rig},
    wait,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use crate::world::{self, SOON};

const BURST: u64 = 2;
const ASKED: usize = 6;

/// Everybody is gold and may wait for its turn; there are two requests a second.
fn patient() -> Result<ForecasterConfig> {
    let mut forecaster = world::forecaster()?;
    for resource in &mut forecaster.resources {
        (resource.capacity_per_s, resource.burst, resource.reservable_share) = (2.0, BURST, Some(0.0));
    }
    forecaster.resources.push(Resource {
        name: "llm_tokens".into(),
        capacity_per_s: 1e6,
        burst: 100_000_000,
        reservable_share: Some(0.0),
    });
    for tier in &mut forecaster.tiers {
        tier.floor = 0.0;
        tier.contract = vec![("requests", Bucket { rate_per_s: 1_000.0, burst: 1_000 })];
        tier.max_delay_ms = 10_000;
    }
    Ok(forecaster)
}

/// With costs by the body, or by headers alone.
fn plan(name: &str, reads_bodies: bool) -> Result<Plan> {
    let cost = if reads_bodies { json!({ "llm": {} }) } else { json!(1) };
    let resources = json!({
        "requests": { "cost": 1, "safe_capacity_per_s": 2, "safe_burst": BURST },
        "llm_tokens": { "cost": cost, "safe_capacity_per_s": 1e6, "safe_burst": 100_000_000 },
    });
    Ok(world::plan(name, world::plugin(&resources), patient()?))
}

/// A document of so many bytes that no other is like.
fn document(number: usize, bytes: usize) -> String {
    let words: String = (0..bytes / 8).map(|word| format!("{:07x} ", word * 31 + number)).collect();
    json!({ "max_tokens": 10, "messages": [words] }).to_string()
}

/// Many large ones at once: most of them wait, and every one comes back as it was sent.
async fn pass_whole(rig: &Rig, bytes: usize) -> Result<()> {
    world::first_table(rig, "acme").await?;
    let mut asked = JoinSet::new();
    for number in 0..ASKED {
        let (client, sent) = (rig.client.clone(), document(number, bytes));
        asked.spawn(async move {
            let ask = Ask { prompt: Some(sent.clone()), ..Ask::of("acme").with("x-echo-body", "yes") };
            anyhow::Ok((client.ask(&ask).await?, sent))
        });
    }
    let mut delayed = 0;
    while let Some(answer) = asked.join_next().await {
        let (answer, sent) = answer??;
        let Answer { status, decision, body, .. } = answer;
        ensure!(status == 200, "{status} {decision:?}: {}", String::from_utf8_lossy(&body));
        ensure!(body == sent.as_bytes(), "{} bytes were sent, {} came", sent.len(), body.len());
        delayed += usize::from(decision.as_deref() == Some("delayed"));
    }
    assert!(delayed + BURST as usize + 1 >= ASKED, "{delayed} of {ASKED} were held back");
    Ok(())
}

#[tokio::test]
async fn bodies_of_requests_that_waited_reach_the_upstream_whole() -> Result<()> {
    let _turn = world::turn().await?;
    // More than Envoy's buffer of a mebibyte, which stops reading until there is room.
    let rig = Rig::start(&plan("held-bodies", false)?).await?;
    pass_whole(&rig, 3_000_000).await
}

#[tokio::test]
async fn bodies_of_requests_that_waited_pass_a_plugin_that_reads_bodies() -> Result<()> {
    let _turn = world::turn().await?;
    for (name, reads_bodies) in [("held-bodies-read", true), ("held-bodies-seen", false)] {
        let rig = Rig::start_reading_bodies(&plan(name, reads_bodies)?, true).await?;
        pass_whole(&rig, 700_000).await.with_context(|| name.to_owned())?;
    }
    Ok(())
}

#[tokio::test]
async fn a_body_beyond_the_buffer_cannot_wait_where_bodies_are_read_and_takes_nothing() -> Result<()> {
    let _turn = world::turn().await?;
    let rig = Rig::start_reading_bodies(&plan("held-bodies-large", false)?, true).await?;
    world::first_table(&rig, "acme").await?;
    let mut asked = JoinSet::new();
    for number in 0..ASKED {
        let (client, sent) = (world::afresh(&rig), document(number, 2_000_000));
        asked.spawn(async move { client.ask(&Ask { prompt: Some(sent), ..Ask::of("acme") }).await });
    }
    let mut too_large = 0;
    while let Some(answer) = asked.join_next().await {
        let status = answer??.status;
        ensure!(matches!(status, 200 | 413), "{status}");
        too_large += u64::from(status == 413);
    }
    assert!(too_large >= 1, "some had to wait");
    let stats = rig.envoy.stats().await?;
    let decided = |label: &str| stats.plugin_sum("tidegate_decisions_total", &[label]);
    assert_eq!(decided(".decision.waiting") - decided(".decision.delayed"), too_large, "they left the queue");
    let passed = 1 + ASKED as u64 - too_large;
    wait::until(&format!("{passed} passed by the database"), SOON, async || {
        let total = rig.forecaster()?.usage().await?.of("acme", "requests");
        let told = (total.requests_offered, total.requests_admitted);
        Ok((told == (1 + ASKED as u64, passed)).then_some(()))
    })
    .await
}

/// Sends a request whose body has trailers, and returns how its answer begins.
async fn with_trailers(rig: &Rig, kind: &str) -> Result<String> {
    let mut connection = TcpStream::connect(rig.envoy.listen()).await?;
    let request = format!(
        "POST /trailers HTTP/1.1\r\nhost: e2e\r\nx-customer: acme\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\
         trailer: x-checksum\r\n\r\n8\r\n{{\"a\": 1}}\r\n0\r\nx-checksum: 7\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await?;
    let mut answer = [0; 2_048];
    let length = timeout(SOON, connection.read(&mut answer)).await.context("no answer")??;
    Ok(String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).to_ascii_lowercase())
}

#[tokio::test]
async fn trailers_let_nobody_go_who_waits() -> Result<()> {
    let _turn = world::turn().await?;
    let extra = Extra {
        options: "          http_protocol_options: { enable_trailers: true }\n".into(),
        ..Extra::default()
    };
    for (name, reads_bodies) in [("held-trailers-read", true), ("held-trailers-seen", false)] {
        let rig = Rig::start_reading_bodies_with(&plan(name, reads_bodies)?, true, &extra).await?;
        world::first_table(&rig, "acme").await?;
        for kind in ["text/plain", "application/json"] {
            let answers = tokio::try_join!(
                with_trailers(&rig, kind),
                with_trailers(&rig, kind),
                with_trailers(&rig, kind),
                with_trailers(&rig, kind),
            )?;
            let answers: [String; 4] = answers.into();
            for answer in &answers {
                assert!(answer.starts_with("http/1.1 200"), "{name}, {kind}: {answer}");
                // Who goes on before it is let go knows of no decision.
                assert!(answer.contains("x-tidegate-decision: "), "{name}, {kind}: {answer}");
            }
            let waited = answers.iter().filter(|answer| answer.contains("x-tidegate-decision: delayed"));
            assert!(waited.count() >= 1, "there are two tokens for four: {name}, {kind}");
        }
        let stats = rig.envoy.stats().await?;
        let waited = stats.plugin_sum("tidegate_decisions_total", &[".decision.waiting"]);
        assert_eq!(waited, stats.plugin_sum("tidegate_decisions_total", &[".decision.delayed"]));
    }
    Ok(())
}

/// Kept apart from the answers of the model: the upstream tells what it got.
#[tokio::test]
async fn the_upstream_echoes_what_it_gets() -> Result<()> {
    let upstream = tidegate_e2e::upstream::Upstream::start(Duration::ZERO).await?;
    let client = tidegate_e2e::load::Client::new(upstream.address());
    let sent = document(1, 1_000);
    let ask = Ask { prompt: Some(sent.clone()), ..Ask::of("acme").with("x-echo-body", "yes") };
    assert_eq!(client.ask(&ask).await?.body, sent.as_bytes());
    let model = Ask { prompt: Some(sent), ..Ask::of("acme") };
    let told: Value = serde_json::from_slice(&client.ask(&model).await?.body)?;
    assert!(told.get("choices").is_some(), "{told}");
    Ok(())
}
