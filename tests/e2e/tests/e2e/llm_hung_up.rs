//! Clients of language models that hang up, in the middle of an answer or of a question: what they were estimated to use is gone, and
//! nothing else is.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{rig::Rig, wait};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    llm,
    world::{self, SOON},
};

/// A question as it goes over the wire.
fn question(prompt: &Value) -> String {
    let body = prompt.to_string();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: e2e\r\nx-customer: acme\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What a question is estimated to cost.
fn estimate(prompt: &Value) -> u64 {
    let output = prompt["max_tokens"].as_u64().unwrap_or_default();
    (prompt.to_string().len() as u64).div_ceil(4) + output
}

/// Asks, and hangs up as soon as the answer has got so far.
async fn hang_up_at(rig: &Rig, prompt: &Value, words: &str) -> Result<()> {
    let mut connection = TcpStream::connect(rig.envoy.listen()).await?;
    connection.write_all(question(prompt).as_bytes()).await?;
    let mut heard = String::new();
    let mut piece = [0; 1_024];
    while !heard.contains(words) {
        let length = timeout(SOON, connection.read(&mut piece)).await.context("no answer")??;
        ensure!(length > 0, "the answer ended: {heard}");
        heard += &String::from_utf8_lossy(piece.get(..length).unwrap_or_default());
    }
    ensure!(!heard.contains("[DONE]") && !heard.contains("message_stop"), "all of it came: {heard}");
    Ok(())
}

/// The customers that the table names, and what stands for those that find no room.
const KEYS: u64 = 4;

/// Requests that are held back, and keys.
async fn holds(rig: &Rig) -> Result<(u64, u64)> {
    let stats = rig.envoy.stats().await?;
    Ok((stats.plugin("tidegate_held"), stats.plugin("tidegate_keys")))
}

#[tokio::test]
async fn who_hangs_up_pays_the_estimate_and_leaves_nothing_behind() -> Result<()> {
    let _turn = world::turn().await?;
    let mut rig = llm::rig("llm-hung-up", true).await?;
    wait::until("the table's keys are there", SOON, async || {
        Ok((holds(&rig).await? == (0, KEYS)).then_some(()))
    })
    .await?;
    let usage = json!({ "input_tokens": 30, "output_tokens": 20 });
    let endless = |shape: &str| json!({ "max_tokens": 3_000, "stream": true, "shape": shape, "pace": "crawl", "usage": usage });
    // One has told no usage yet, the other what it has read, and a first word of what it will write.
    let (openai, anthropic) = (endless("openai"), endless("anthropic"));
    tokio::try_join!(
        hang_up_at(&rig, &openai, "data: {"),
        hang_up_at(&rig, &anthropic, "\"output_tokens\":1")
    )?;
    wait::until("both are counted", SOON, async || {
        let missing = rig.envoy.stats().await?.plugin("tidegate_usage_missing_total");
        Ok((missing == 2).then_some(()))
    })
    .await?;

    // Half a question asks for nothing.
    let mut connection = TcpStream::connect(rig.envoy.listen()).await?;
    let half = question(&json!({ "max_tokens": 9_000, "messages": ["x".repeat(2_000)] }));
    connection.write_all(half.as_bytes().get(..1_000).context("it is longer")?).await?;
    wait::until("Envoy has its headers", SOON, async || {
        Ok((rig.envoy.stats().await?.get("http.ingress.downstream_rq_active") == 1).then_some(()))
    })
    .await?;
    drop(connection);
    wait::until("Envoy has none", SOON, async || {
        Ok((rig.envoy.stats().await?.get("http.ingress.downstream_rq_active") == 0).then_some(()))
    })
    .await?;

    // Of 10,000 tokens 6,000 and a little are gone, and 500 that were globex's.
    let (dear, fair) = (json!({ "max_tokens": 3_600 }), json!({ "max_tokens": 3_300, "usage": usage }));
    assert_eq!(llm::ask(&rig, &dear).await?.status, 503);
    assert_eq!(llm::ask(&rig, &fair).await?.status, 200);
    let settled = estimate(&openai) + estimate(&anthropic) + 50;
    let offered = [&openai, &anthropic, &dear, &fair].map(estimate).iter().sum::<u64>();
    let total = wait::until("everything is settled", SOON, async || {
        let total = rig.forecaster()?.usage().await?.of("acme", "llm_tokens");
        Ok((total.requests_offered >= 4 && total.settled >= settled).then_some(total))
    })
    .await?;
    assert_eq!((total.offered, total.settled), (offered, settled), "{total:?}");
    assert_eq!((total.requests_offered, total.requests_admitted), (4, 3), "{total:?}");
    let stats = rig.envoy.stats().await?;
    assert_eq!(holds(&rig).await?, (0, KEYS));
    assert_eq!(stats.plugin("tidegate_usage_missing_total"), 2);
    rig.envoy.process().check()?;
    let log = rig.envoy.log_text();
    assert!(!log.contains("panicked") && !log.contains("Proxy-Wasm VM failed"), "{log}");
    Ok(())
}
