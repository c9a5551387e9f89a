//! How much memory the filter takes at the very most, and what becomes of it where there is no more.

use std::{env, mem, ops::Range};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tidegate_conformance::plenty;
use tidegate_core::{
    sync::Kind,
    table::{Contract, Table},
    transfer::{self, CHUNK_BYTES, Chunk, MAX_TABLE_BYTES},
    units::MicroRate,
};
use wasmtime::{Config, StoreLimitsBuilder};

use super::{CONTEXT, Filter, PLENTY, PLENTY_PER_S, ROOT, START_MS};

const PAGE: u64 = 64 << 10;
const MIB: u64 = 1 << 20;
/// Longest part of a key that is told apart.
const LONGEST: usize = 256;
/// More than the unknown keys that are remembered.
const FLOOD: usize = 55_000;
/// What it may take without tables, flooded.
const BESIDE_TABLES: u64 = 48 * MIB;
/// What it may take for tables, in lengths of the longest: one in force, six waiting, one of them on its way into force, and one that
/// comes. Vectors and hash tables that grow have up to twice what they need.
const LENGTHS: u64 = 17;
/// Of the longest tables that there are no six wait, but three.
const LENGTHS_OF_LONGEST: u64 = LENGTHS - 3;
/// Keys of each table; a measurement with the most that fit into one, 900,000, takes minutes.
const KEYS: &str = "TIDEGATE_MEMORY_KEYS";

impl Filter {
    fn flooded() -> Result<Self> {
        let mut filter = Self::new(&Config::new())?;
        filter.configure(&json!({
            "mode": "enforce",
            "proxy": "flooded",
            "key": [{ "header": "x-customer" }],
            "resources": { "requests": { "cost": 1, "settle": { "response_header": "x-cost" },
                "safe_capacity_per_s": PLENTY, "safe_burst": PLENTY } },
            "forecaster": { "cluster": "tidegate", "token": "secret" },
            "details": { "region": { "header": "x-region" }, "account_type": { "header": "x-account" },
                "client_version": { "header": "x-version" }, "duration_ms": true },
        }))?;
        filter.flood(0..FLOOD)?;
        Ok(filter)
    }

    fn memory_bytes(&mut self) -> Result<u64> {
        let memory = self.instance.get_memory(&mut self.store, "memory").context("no memory")?;
        Ok(memory.size(&self.store) * PAGE)
    }

    /// Requests of customers that nobody knows, each with the longest name there is, also of its region and the like.
    fn flood(&mut self, customers: Range<usize>) -> Result<()> {
        for number in customers {
            let host = self.store.data_mut();
            host.header = format!("{number:0LONGEST$}");
            host.now_ns += 10_000;
            self.call::<_, ()>("proxy_on_context_create", (CONTEXT, ROOT))?;
            let action: u32 = self.call("proxy_on_request_headers", (CONTEXT, 5_u32, 1_u32))?;
            ensure!(action == 0, "customer {number} is held up");
            let _: u32 = self.call("proxy_on_response_headers", (CONTEXT, 3_u32, 1_u32))?;
            self.call::<_, ()>("proxy_on_delete", CONTEXT)?;
        }
        Ok(())
    }

    fn metric(&self, name: &str) -> i64 {
        self.store.data().values.get(name).copied().unwrap_or_default()
    }

    fn decisions(&self) -> i64 {
        let values = self.store.data().values.iter();
        values.filter(|(name, _)| name.starts_with("tidegate_decisions_total")).map(|(_, count)| count).sum()
    }
}

/// A table that shares no key with that of another epoch.
fn table(epoch: u64, base_epoch: u64, keys: usize) -> Table {
    let all = Contract { rate: MicroRate::from_per_s(PLENTY_PER_S), burst: PLENTY };
    let names: Vec<String> = (0..keys).map(|key| format!("key-{epoch}-{key}")).collect();
    Table { epoch, base_epoch, ..plenty(&names, START_MS, all, Some(all)) }
}

#[test]
fn a_flood_of_keys_and_tables_of_any_length_stay_below_the_declared_maximum() -> Result<()> {
    let keys = env::var(KEYS).ok().and_then(|keys| keys.parse().ok()).unwrap_or(50_000);
    let mut filter = Filter::flooded()?;
    let memory = filter.instance.get_memory(&mut filter.store, "memory").context("no memory")?;
    let maximum = memory.ty(&filter.store).maximum().context("the module declares no maximum")? * PAGE;
    let flooded = filter.memory_bytes()?;
    filter.flood(FLOOD..FLOOD + 10_000)?;
    assert_eq!(filter.memory_bytes()?, flooded, "keys beyond the most take nothing");
    assert!(flooded <= BESIDE_TABLES, "{flooded}");

    let mut longest = 0;
    // One is in force. Then come, before anybody looks, as many as may wait: two snapshots, each with two deltas.
    for (epoch, base) in [(1, 0), (2, 0), (3, 2), (4, 2), (5, 0), (6, 5), (7, 5)] {
        let table = table(epoch, base, keys);
        longest = longest.max(table.encode().len() as u64);
        filter.hear_table(&table)?;
        if epoch == 1 {
            (0..3).try_for_each(|_| filter.tick())?;
            ensure!(filter.metric("tidegate_table_epoch") == 1, "{:?}", filter.store.data().log);
        }
    }
    (0..20).try_for_each(|_| filter.tick())?;
    ensure!(filter.metric("tidegate_table_epoch") == 7, "{:?}", filter.store.data().log);
    let most = filter.memory_bytes()?;
    println!(
        "flooded {:.0} MiB, tables of {:.1} MiB {:.0} MiB, {:.1} lengths; at most {} MiB",
        flooded as f64 / MIB as f64,
        longest as f64 / MIB as f64,
        most as f64 / MIB as f64,
        (most - flooded) as f64 / longest as f64,
        maximum / MIB
    );
    assert!(most <= flooded + LENGTHS * longest && most < maximum, "{most}");
    let at_most = BESIDE_TABLES + LENGTHS_OF_LONGEST * MAX_TABLE_BYTES as u64;
    assert!(at_most <= maximum, "the longest tables may take {at_most} bytes, {maximum} are declared");

    let before = filter.decisions();
    filter.flood(0..1_000)?;
    filter.tick()?;
    assert_eq!(filter.decisions(), before + 1_000, "it goes on deciding");
    Ok(())
}

#[test]
fn messages_that_no_table_needs_are_not_kept() -> Result<()> {
    let mut filter = Filter::flooded()?;
    let (announcement, _) = transfer::split(1, &table(1, 0, 10_000).encode(), |_| Vec::new());
    filter.hear(Kind::Announcement, announcement.encode())?;
    let before = filter.memory_bytes()?;
    for index in 0..100 {
        let bytes = vec![7; 16 * CHUNK_BYTES];
        filter.hear(Kind::Chunk, Chunk { epoch: 1, index, bytes }.encode())?;
    }
    assert!(filter.memory_bytes()? < before + 8 * MIB, "{}", filter.memory_bytes()?);
    assert!(filter.store.data().log.iter().any(|line| line.contains("longer than")), "it says so");
    Ok(())
}

#[test]
fn where_memory_is_refused_the_machine_stops_and_the_next_begins_with_what_was_shared() -> Result<()> {
    let mut filter = Filter::flooded()?;
    filter.tick()?;
    let decided = filter.decisions();
    let limit = filter.memory_bytes()? + 4 * MIB;
    filter.store.data_mut().limits = StoreLimitsBuilder::new().memory_size(limit as usize).build();
    let refused =
        filter.hear_table(&table(1, 0, 50_000)).and_then(|()| (0..20).try_for_each(|_| filter.tick()));
    // A trap, which Envoy takes for the end of this machine: with FAIL_RELOAD the next request makes another.
    assert!(refused.is_err_and(|error| error.is::<wasmtime::Trap>()));
    assert!(filter.memory_bytes()? <= limit);
    assert_eq!(filter.decisions(), decided, "no decision was made on the way there");

    let shared = mem::take(&mut filter.store.data_mut().shared);
    assert!(!shared.is_empty());
    let mut next = Filter::new(&Config::new())?;
    next.store.data_mut().shared = shared;
    next.store.data_mut().now_ns = filter.store.data().now_ns;
    next.configure(&json!({
        "mode": "enforce",
        "proxy": "flooded",
        "key": [{ "header": "x-customer" }],
        "resources": { "requests": { "cost": 1, "safe_capacity_per_s": PLENTY, "safe_burst": PLENTY } },
        "forecaster": { "cluster": "tidegate", "token": "secret" },
    }))?;
    next.flood(0..1_000)?;
    next.tick()?;
    // With the one of the set-up.
    assert_eq!(next.decisions(), 1_001);
    Ok(())
}
