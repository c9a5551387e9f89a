//! Who goes first among those who wait in Envoy: better priorities, strictly, and of the same priority each by its weight. And what the
//! histogram tells of it is what clients have waited.

#![allow(clippy::unwrap_used, reason = "a failed test should panic")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use tidegate_core::{
    KeyHash,
    table::{DrawOrder, Key, Resource, Schedule, Table, Tier},
    transfer,
    units::MicroRate,
};
use tidegate_e2e::{
    load::{Answer, Ask},
    ports,
    rig::{Plan, Rig},
    wait,
};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    line::{self, Line, Lines},
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
fn table() -> Table {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let tier = |name: &str, priority, weight, max_delay_ms| Tier {
        name: name.into(),
        priority,
        weight,
        max_delay_ms,
        contracts: vec![None],
        ..Tier::default()
    };
    let key = |key: &str, tier| Key { hash: KeyHash::of(key.as_bytes()), tier, grants: Vec::new() };
    let mut keys = vec![key("best", 0), key("heavy", 1), key("light", 2)];
    keys.sort_by_key(|key| key.hash);
    Table {
        epoch: 1,
        base_epoch: 0,
        removed: Vec::new(),
        starts_at_ms: now_ms,
        step_ms: 60_000,
        steps: 2,
        valid_until_ms: now_ms + 120_000,
        draw_order: DrawOrder::PoolFirst,
        tiers: vec![
            tier("best", 0, 1, 14_000),
            tier("heavy", 1, 3, 14_000),
            tier("light", 1, 1, 14_000),
            tier("hasty", 2, 1, 0),
        ],
        default_tier: 3,
        resources: vec![Resource {
            name: "requests".into(),
            capacity: MicroRate::from_per_s(PER_S),
            burst: BURST,
            safe_capacity: MicroRate::from_per_s(PER_S),
            tier_reservations: vec![Schedule::default(); 4],
            ..Resource::default()
        }],
        keys,
    }
}

/// A rig whose proxy obeys [`table`]; ends with its values.
async fn obeying() -> Result<(Rig, Lines, Line)> {
    let address = ports::free()?;
    let mut lines = Lines::open(address);
    let plan = Plan {
        folder: "e2e/queue-order".into(),
        plugin: world::plugin(&world::requests()),
        forecaster: None,
        forecaster_address: address,
        upstream_delay: Duration::ZERO,
    };
    let rig = Rig::start(&plan).await?;
    rig.client.ask(&Ask::of("somebody")).await?;
    let (mut line, _) = lines.welcome().await?;
    let ack = line.push(line::parcel(transfer::split(1, &table().encode(), |_| Vec::new()))).await?;
    assert_eq!((ack.epoch, ack.error), (1, None));
    Ok((rig, lines, line))
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
    let (rig, _lines, _line) = obeying().await?;
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
