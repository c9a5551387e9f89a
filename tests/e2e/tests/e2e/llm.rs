//! Language models: estimated by the prompt and what it may generate, settled by the usage in the answer's body.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use tidegate_e2e::{
    forecaster::Resource,
    load::{Answer, Ask},
    rig::Rig,
    wait,
};
use tokio::time::sleep;

use crate::world::{self, SOON};

const BURST: u64 = 10_000;

/// Tokens come back so slowly that only settling explains what is left.
pub(crate) async fn rig(name: &str, sees_bodies: bool) -> Result<Rig> {
    let mut forecaster = world::forecaster()?;
    forecaster.resources.push(Resource {
        name: "llm_tokens".into(),
        capacity_per_s: 1.0,
        burst: BURST,
        reservable_share: Some(0.0),
    });
    for tier in &mut forecaster.tiers {
        tier.floor = 0.0;
    }
    let plugin = world::plugin(&json!({
        "requests": { "cost": 1, "safe_capacity_per_s": 50, "safe_burst": 30 },
        "llm_tokens": {
            "cost": { "llm": { "bytes_per_token": 4, "default_output": 500 } },
            "safe_capacity_per_s": 1, "safe_burst": BURST,
        },
    }));
    let rig = Rig::start_reading_bodies(&world::plan(name, plugin, forecaster), sees_bodies).await?;
    // Without a body it is estimated, and settled with nothing: the estimate stands.
    world::first_table(&rig, "globex").await?;
    Ok(rig)
}

pub(crate) async fn ask(rig: &Rig, prompt: &Value) -> Result<Answer> {
    rig.client.ask(&Ask { prompt: Some(prompt.to_string()), ..Ask::of("acme") }).await
}

/// What of `acme`'s tokens the database has.
async fn settled(rig: &Rig, requests: u64) -> Result<(u64, u64)> {
    let total = wait::until("everything is settled", SOON, || async {
        let total = rig.forecaster()?.usage().await?.of("acme", "llm_tokens");
        Ok(Some(total).filter(|total| total.requests_offered >= requests && total.settled > 0))
    })
    .await?;
    Ok((total.offered, total.settled))
}

#[tokio::test]
async fn documents_and_streams_settle_what_they_used() -> Result<()> {
    let _turn = world::turn().await?;
    let rig = rig("llm", true).await?;
    let (mut estimated, mut used) = (0, 0);
    for round in 0_u64..40 {
        let usage = match round % 2 {
            0 => json!({ "prompt_tokens": 30, "completion_tokens": 20 + round, "total_tokens": 50 + round }),
            _ => json!({ "input_tokens": 10, "cache_read_input_tokens": 20, "output_tokens": 20 + round }),
        };
        // In several pieces now and then.
        let text = "max_tokens\": 9, ".repeat(if round % 10 == 3 { 1_000 } else { 3 });
        let stream = round % 4 >= 2;
        let prompt = json!({ "max_tokens": 1_000, "stream": stream, "messages": [text], "usage": usage });
        let answer = ask(&rig, &prompt).await?;
        // Forty estimates do not fit into the burst, so each is given back before the next.
        assert_eq!(answer.status, 200, "round {round}: {answer:?}");
        assert!(String::from_utf8_lossy(&answer.body).contains("words"), "{answer:?}");
        sleep(Duration::from_millis(25)).await;
        estimated += (prompt.to_string().len() as u64).div_ceil(4) + 1_000;
        used += 50 + round;
    }
    assert!(estimated > 4 * BURST && used < BURST / 2, "{estimated}, {used}");
    assert_eq!(settled(&rig, 40).await?, (estimated, used));
    Ok(())
}

#[tokio::test]
async fn without_usage_the_estimate_stands_and_an_error_has_used_nothing() -> Result<()> {
    let _turn = world::turn().await?;
    let rig = rig("llm-silent", true).await?;
    let broken = json!({ "max_tokens": 5_000, "status": 500 });
    for _ in 0..4 {
        assert_eq!(ask(&rig, &broken).await?.status, 500);
    }
    let silent = json!({ "max_tokens": 5_000, "stream": true });
    assert_eq!(ask(&rig, &silent).await?.status, 200);
    let refused = ask(&rig, &silent).await?;
    assert!(refused.refused(), "5000 of less than 10000 are gone: {refused:?}");
    let stats = rig.envoy.stats().await?;
    assert_eq!(stats.plugin_sum("tidegate_usage_missing_total", &[]), 1);
    let (_, used) = settled(&rig, 6).await?;
    assert_eq!(used, (silent.to_string().len() as u64).div_ceil(4) + 5_000);
    Ok(())
}

#[tokio::test]
async fn events_in_pieces_settle_what_they_used_and_compressed_answers_are_counted() -> Result<()> {
    let _turn = world::turn().await?;
    let rig = rig("llm-pieces", true).await?;
    let (mut estimated, mut used) = (0, 0);
    for round in 0_u64..6 {
        let usage = json!({ "input_tokens": 30, "output_tokens": 20 + round });
        let prompt = json!({
            "max_tokens": 3_000, "stream": true, "shape": "anthropic", "pace": "slow", "usage": usage,
        });
        let answer = ask(&rig, &prompt).await?;
        assert_eq!(answer.status, 200, "round {round}: {answer:?}");
        assert!(String::from_utf8_lossy(&answer.body).ends_with("\n\n"), "{answer:?}");
        sleep(Duration::from_millis(25)).await;
        estimated += (prompt.to_string().len() as u64).div_ceil(4) + 3_000;
        used += 50 + round;
    }
    wait::until("all of it is settled", SOON, || async {
        let total = rig.forecaster()?.usage().await?.of("acme", "llm_tokens");
        Ok(((total.offered, total.settled) == (estimated, used)).then_some(()))
    })
    .await?;
    let compressed = json!({ "max_tokens": 4_000, "encoding": "gzip", "usage": { "total_tokens": 7 } });
    assert_eq!(ask(&rig, &compressed).await?.status, 200);
    let refused = ask(&rig, &json!({ "max_tokens": 7_000 })).await?;
    assert!(refused.refused(), "the estimate stands: {refused:?}");
    wait::until("the compressed answer is counted", SOON, || async {
        let missing = rig.envoy.stats().await?.plugin_sum("tidegate_usage_missing_total", &[]);
        Ok((missing == 1).then_some(()))
    })
    .await
}

#[tokio::test]
async fn an_envoy_that_shows_no_bodies_is_found_out_and_holds_nobody_up_for_long() -> Result<()> {
    let _turn = world::turn().await?;
    let rig = rig("llm-blind", false).await?;
    let prompt = json!({ "max_tokens": 9_000, "usage": { "prompt_tokens": 5, "completion_tokens": 6 } });
    let since = Instant::now();
    assert_eq!(ask(&rig, &prompt).await?.status, 200, "it goes on late");
    let took = since.elapsed();
    assert!((2..8).contains(&took.as_secs()), "{took:?}");
    let answer = ask(&rig, &prompt).await?;
    assert_eq!((answer.status, answer.decision.as_deref()), (200, Some("opportunistic")));
    assert!(since.elapsed() < took + Duration::from_secs(1), "the next is not held");
    let stats = rig.envoy.stats().await?;
    assert_eq!(stats.plugin("tidegate_bodies_unread"), 1);
    assert!(rig.envoy.log_text().contains("allow_on_headers_stop_iteration"), "the log says what to do");
    // The first was shown when it went on; the next is estimated by its length. Answers do show their bodies.
    let (offered, used) = settled(&rig, 2).await?;
    let input = (prompt.to_string().len() as u64).div_ceil(4);
    assert_eq!((offered, used), (input + 9_000 + input + 500, 22));
    Ok(())
}
