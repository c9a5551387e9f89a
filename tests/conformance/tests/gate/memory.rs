//! What a shard takes of memory.

use tidegate_core::KeyHash;
use tidegate_host::{Budget, Gate};

use crate::world::{START, component, market, reserve};

const KEYS: u64 = 100_000;

#[test]
fn a_shard_is_small_and_a_key_is_smaller() {
    let builder = Gate::builder().component(component());
    let gate = builder.resource("requests", Budget { per_s: 1e6, burst: 1 << 30 }).build(START).unwrap();
    let empty = gate.metrics().memory_bytes;
    let mut table = market(START, 1e6, 1 << 30, 0);
    for key in 0..KEYS {
        reserve(&mut table, KeyHash::of(format!("customer-{key}").as_bytes()), 1.0, 10);
    }
    let bytes = table.encode();
    gate.apply_table(&bytes, START).unwrap();
    let metrics = gate.metrics();
    // The table itself is in there too, while it is being read.
    let a_key = (metrics.memory_bytes - empty) / KEYS;
    println!("{} KiB for an empty shard, {a_key} bytes a key", empty >> 10);
    assert!(metrics.keys >= KEYS);
    assert!(empty <= 4 << 20 && (32..=512).contains(&a_key), "{empty} {a_key}");
}
