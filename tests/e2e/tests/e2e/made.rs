//! Tables made by a test, and a rig whose proxy obeys one of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use serde_json::Value;
use tidegate_core::{
    KeyHash,
    table::{DrawOrder, Key, Resource, Schedule, Table, Tier},
    transfer,
    units::MicroRate,
};
use tidegate_e2e::{
    load::Ask,
    ports,
    rig::{Plan, Rig},
};

use crate::line::{self, Line, Lines};

/// A tier without a contract.
pub(crate) fn tier(name: &str) -> Tier {
    Tier { name: name.into(), contracts: vec![None], ..Tier::default() }
}

/// A table for the next two minutes: who is of which tier, everybody else of the last; `requests` are all there is.
pub(crate) fn table(tiers: Vec<Tier>, (per_s, burst): (f64, u64), keys: &[(&str, u8)]) -> Result<Table> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
    let key =
        |(key, tier): &(&str, u8)| Key { hash: KeyHash::of(key.as_bytes()), tier: *tier, grants: Vec::new() };
    let mut keys: Vec<Key> = keys.iter().map(key).collect();
    keys.sort_by_key(|key| key.hash);
    Ok(Table {
        epoch: 1,
        base_epoch: 0,
        removed: Vec::new(),
        starts_at_ms: now_ms,
        step_ms: 60_000,
        steps: 2,
        valid_until_ms: now_ms + 120_000,
        draw_order: DrawOrder::PoolFirst,
        default_tier: u8::try_from(tiers.len())?.saturating_sub(1),
        resources: vec![Resource {
            name: "requests".into(),
            capacity: MicroRate::from_per_s(per_s),
            burst,
            safe_capacity: MicroRate::from_per_s(per_s),
            tier_reservations: vec![Schedule::default(); tiers.len()],
            ..Resource::default()
        }],
        tiers,
        keys,
    })
}

/// A rig without a forecaster, and where its proxy looks for one.
pub(crate) fn plan(name: &str, plugin: Value) -> Result<(Plan, Lines)> {
    let forecaster_address = ports::free()?;
    let lines = Lines::open(forecaster_address);
    let folder = format!("e2e/{name}");
    Ok((Plan { folder, plugin, forecaster: None, forecaster_address, upstream_delay: Duration::ZERO }, lines))
}

/// A rig whose proxy obeys a table; ends with its values.
pub(crate) async fn obeying(name: &str, plugin: Value, table: &Table) -> Result<(Rig, Lines, Line)> {
    let (plan, mut lines) = plan(name, plugin)?;
    let rig = Rig::start(&plan).await?;
    rig.client.ask(&Ask::of("somebody")).await?;
    let (mut line, _) = lines.welcome().await?;
    let ack = line.push(line::parcel(transfer::split(table.epoch, &table.encode(), |_| Vec::new()))).await?;
    ensure!((ack.epoch, &ack.error) == (table.epoch, &None), "{ack:?}");
    Ok((rig, lines, line))
}
