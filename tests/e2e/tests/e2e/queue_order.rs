//! Who goes first among those who wait in Envoy: better priorities, strictly, and of the same priority each by its weight. And what the
//! histogram tells of it is what clients have waited.

#![allow(clippy::unwrap_used, reason = "a failed test should panic")]

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tidegate_core::table::{Table, Tier};
use tidegate_e2e::{
    load::{Answer, Ask},
    rig::Rig,
    wait,
};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    made,
    world::{self, SOON},
};

/// A token in four tenths of a second: slow enough for everybody to be there before the next is given.
const PER_S: f64 = 2.5;
const BURST: u64 = 2;
/// Of each tier.
const ASKED: usize = 6;
/// Tokens that may have been given before the last of them came.
const EARLY: usize = 2;

/// Best waits before the two others, whose weights differ; hasty does not wait.
fn table() -> Result<Table> {
    let waits = |name: &str, priority, weight, max_delay_ms| Tier {
        priority,
        weight,
        max_delay_ms,
        ..made::tier(name)
    };
    let tiers = vec![
        waits("best", 0, 1, 14_000),
        waits("heavy", 1, 3, 14_000),
        waits("light", 1, 1, 14_000),
        waits("hasty", 2, 1, 0),
    ];
    made::table(tiers, (PER_S, BURST), &[("best", 0), ("heavy", 1), ("light", 2)])
}

/// An answer, when it came, and how long it took.
type Met = (Instant, Duration, Answer);

/// All of a tier ask at once.
fn ask_at_once(rig: &Rig, customer: &str, asking: &mut JoinSet<Result<Met>>) {
    for _ in 0..ASKED {
        let (client, ask) = (rig.client.clone(), Ask::of(customer));
        asking.spawn(async move {
            let since = Instant::now();
            let answer = client.ask(&ask).await?;
            Ok((Instant::now(), since.elapsed(), answer))
        });
    }
}

/// The histogram of delays: how many, and their sum in milliseconds.
async fn delays(rig: &Rig) -> Result<(u64, f64)> {
    let metrics = rig.envoy.prometheus().await?;
    let told = |suffix: &str| {
        let line = metrics.lines().find(|line| line.contains(&format!("tidegate_delay_ms_{suffix}")));
        line.and_then(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
    };
    Ok((told("count").unwrap_or_default() as u64, told("sum").unwrap_or_default()))
}

#[tokio::test]
async fn priorities_go_first_and_weights_divide_what_is_left() -> Result<()> {
    let _turn = world::turn().await?;
    let (rig, _lines, _line) =
        made::obeying("queue-order", world::plugin(&world::requests()), &table()?).await?;
    wait::until("nothing is left", SOON, async || {
        Ok((rig.client.ask(&Ask::of("somebody")).await?.status == 503).then_some(()))
    })
    .await?;
    let mut asking = JoinSet::new();
    // The worst come first.
    for customer in ["light", "heavy", "best"] {
        ask_at_once(&rig, customer, &mut asking);
        sleep(Duration::from_millis(100)).await;
    }
    let mut met = Vec::new();
    while let Some(one) = asking.join_next().await {
        met.push(one??);
    }
    met.sort_by_key(|(at, ..)| *at);
    let order: Vec<&str> =
        met.iter().map(|(_, _, answer)| answer.tier.as_deref().unwrap_or("nobody")).collect();
    println!("{order:?}");
    assert!(met.iter().all(|(_, _, answer)| answer.status == 200), "{met:?}");

    let last = |tier: &str| order.iter().rposition(|other| *other == tier).context("never");
    assert!(last("best")? < ASKED + EARLY, "best waits for nobody: {order:?}");
    let rest: Vec<&&str> = order.iter().skip(EARLY).filter(|tier| **tier != "best").collect();
    let last_heavy = rest.iter().rposition(|tier| **tier == "heavy").context("never")?;
    let light = rest.iter().take(last_heavy).filter(|tier| ***tier == "light").count();
    // By weight three of heavy go for one of light; one after the other it would be as many.
    assert!(light <= ASKED / 2, "{light} of light went before the last of heavy: {order:?}");
    assert!(light >= 1, "light is not starved: {order:?}");

    let delayed = met.iter().filter(|(_, _, answer)| answer.decision.as_deref() == Some("delayed"));
    let (count, seen_ms) =
        delayed.fold((0, 0.0), |(count, sum), (_, took, _)| (count + 1, sum + took.as_secs_f64() * 1_000.0));
    assert!(count >= 3 * ASKED as u64 - EARLY as u64, "{count} were delayed");
    // Envoy brings histograms up to date now and then.
    let told_ms = wait::until("the histogram has them all", SOON, async || {
        let (told, sum_ms) = delays(&rig).await?;
        Ok((told == count).then_some(sum_ms))
    })
    .await?;
    println!("{count} delays of {told_ms} ms by the histogram, {seen_ms:.0} ms by clients");
    // Its buckets are as wide as a tenth; clients have the way there and back on top.
    assert!((0.8 * seen_ms..=1.1 * seen_ms).contains(&told_ms), "{told_ms} of {seen_ms}");
    Ok(())
}
