//! A large table: requests go on while it is checked and installed, and every worker has all of it in the end.

#![allow(clippy::unwrap_used, reason = "a failed test should panic")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Result, ensure};
use tidegate_core::{
    KeyHash,
    table::{DrawOrder, Forecast, Grant, Key, Reservation, Resource, Schedule, Table, Tier},
    transfer,
    units::MicroRate,
};
use tidegate_e2e::{
    load::{Ask, Client},
    rig::Rig,
    wait,
};
use tokio::task::JoinSet;

use crate::{
    line, made,
    world::{self, SOON},
};

const WORKERS: u32 = 2;
const KEYS: usize = 100_000;
const STEPS: u16 = 15;
/// The first table, and one on top of it.
const EPOCHS: [u64; 2] = [10, 11];
/// Connections of the load; Envoy spreads them over its workers.
const CLIENTS: usize = 12;
const PACE: Duration = Duration::from_millis(4);
/// How long the load goes on without a table, for comparison.
const BEFORE: Duration = Duration::from_secs(2);

fn name(number: usize) -> String {
    format!("customer-{number}")
}

/// All are gold, each with a reservation of its own; a delta names a few.
fn table(epoch: u64, base_epoch: u64) -> Vec<u8> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let tier = |name: &str| Tier { name: name.into(), contracts: vec![None], ..Tier::default() };
    let steps = (0..u64::from(STEPS))
        .map(|step| Reservation { depth: 2 + step % 3, rate: MicroRate::from_per_s(0.5) });
    let steps = Schedule::from_steps(&steps.collect::<Vec<_>>());
    let key = |number: usize| Key {
        hash: KeyHash::of(name(number).as_bytes()),
        tier: 0,
        grants: vec![Grant {
            resource: 0,
            contract: None,
            forecast: Forecast { low: MicroRate::from_per_s(0.1), high: MicroRate::from_per_s(1.0) },
            reservations: steps.clone(),
        }],
    };
    let table = Table {
        epoch,
        base_epoch,
        removed: Vec::new(),
        starts_at_ms: now_ms,
        step_ms: 60_000,
        steps: STEPS,
        valid_until_ms: now_ms + 900_000,
        draw_order: DrawOrder::PoolFirst,
        tiers: vec![tier("gold"), tier("bronze")],
        default_tier: 1,
        resources: vec![Resource {
            name: "requests".into(),
            capacity: MicroRate::from_per_s(1_000_000.0),
            burst: 1_000_000,
            safe_capacity: MicroRate::from_per_s(1_000_000.0),
            tier_reservations: vec![Schedule::default(); 2],
            ..Resource::default()
        }],
        keys: (0..if base_epoch == 0 { KEYS } else { 10 }).map(key).collect(),
    };
    table.encode()
}

/// When an answer came, how long it took, and whether its tier was that of the table.
type Seen = (Instant, Duration, bool);

/// Requests of one connection at a steady pace until there is `enough`.
async fn load(client: Client, number: usize, enough: Arc<AtomicBool>) -> Result<Vec<Seen>> {
    let ask = Ask::of(&name(number * (KEYS / CLIENTS)));
    let mut turns = tokio::time::interval(PACE);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = Vec::new();
    while !enough.load(Ordering::Relaxed) {
        turns.tick().await;
        let since = Instant::now();
        let answer = client.ask(&ask).await?;
        ensure!(answer.status == 200, "{answer:?}");
        seen.push((Instant::now(), since.elapsed(), answer.tier.as_deref() == Some("gold")));
    }
    Ok(seen)
}

/// The longest, and one of a hundred is longer than the other.
fn longest(seen: impl Iterator<Item = Duration>) -> (Duration, Duration) {
    let mut all: Vec<Duration> = seen.collect();
    all.sort_unstable();
    let at = |rank: usize| all.get(rank).copied().unwrap_or_default();
    (at(all.len().saturating_sub(1)), at(all.len() * 99 / 100))
}

/// When a table was pushed, how long until it was acknowledged, and until every worker had it.
type Push = (Instant, Duration, Duration);

/// No request took anything like as long as a table.
fn nobody_waited(all: &[Seen], (pushed, acknowledged, everywhere): &Push) {
    let within = |from: Instant, until: Instant| {
        longest(all.iter().filter(|(at, ..)| (from..until).contains(at)).map(|(_, took, _)| *took))
    };
    let before = within(*pushed - BEFORE, *pushed);
    let during = within(*pushed, *pushed + *everywhere);
    println!(
        "acknowledged after {acknowledged:?}, everywhere after {everywhere:?}; \
         longest and 99 % of requests before {before:?}, meanwhile {during:?}"
    );
    let most = (*acknowledged / 4).max(before.0 * 2);
    assert!(during.0 < most, "a request took {:?}, the table {acknowledged:?}", during.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_large_table_and_every_worker_has_it() -> Result<()> {
    let _turn = world::turn().await?;
    let resources =
        serde_json::json!({ "requests": { "safe_capacity_per_s": 1e6, "safe_burst": 1_000_000 } });
    let (plan, mut lines) = made::plan("large-table", world::plugin(&resources))?;
    let rig = Rig::start_workers(&plan, WORKERS).await?;
    world::meet_all(&rig, WORKERS).await?;
    let (mut line, _) = lines.welcome().await?;

    let parcels = EPOCHS.map(|epoch| line::parcel(transfer::split(epoch, &table(epoch, 0), |_| Vec::new())));
    let enough = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(load(world::afresh(&rig), number, Arc::clone(&enough)));
    }
    // Right behind the last table, as a forecaster sends it to who lacks both.
    let [.., last] = EPOCHS;
    let mut delta = Some(line::parcel(transfer::split(last + 1, &table(last + 1, last), |_| Vec::new())));
    let (mut pushes, mut tables): (Vec<Push>, u64) = (Vec::new(), 0);
    for (epoch, parcel) in EPOCHS.into_iter().zip(parcels) {
        tokio::time::sleep(BEFORE).await;
        let pushed = Instant::now();
        line.send(parcel).await?;
        let behind = delta.take_if(|_| epoch == last);
        let epochs = epoch..=epoch + u64::from(behind.is_some());
        if let Some(delta) = behind {
            line.send(delta).await?;
        }
        for next in epochs {
            let ack = line.verdict().await?;
            assert_eq!((ack.epoch, ack.snapshot_epoch, ack.error), (next, epoch, None));
            tables += u64::from(WORKERS);
        }
        let acknowledged = pushed.elapsed();
        wait::until("every worker has the table", SOON, async || {
            let applied = rig.envoy.stats().await?.plugin("tidegate_tables_total.result.applied");
            Ok((applied == tables).then_some(()))
        })
        .await?;
        pushes.push((pushed, acknowledged, pushed.elapsed()));
    }
    // All of them in both.
    wait::until("the keys of both workers are counted", SOON, async || {
        let keys = rig.envoy.stats().await?.plugin("tidegate_keys");
        Ok((keys >= u64::from(WORKERS) * KEYS as u64).then_some(()))
    })
    .await?;
    enough.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    while let Some(seen) = clients.join_next().await {
        let seen = seen??;
        assert!(seen.last().is_some_and(|(.., gold)| *gold), "a worker lacks the table");
        all.extend(seen);
    }
    pushes.iter().for_each(|push| nobody_waited(&all, push));
    let more = tokio::time::timeout(Duration::from_millis(300), line.verdict()).await;
    assert!(more.is_err(), "a table is acknowledged once: {more:?}");
    Ok(())
}
