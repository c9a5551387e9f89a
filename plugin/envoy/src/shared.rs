//! Tables in shared data, for the workers that do not hold the stream.
//!
//! Two slots, the last snapshot and the last delta on it: whoever has the first can take the second, so no worker
//! has to have seen every push. Bytes here come from this process's own leader, which has verified them.

use proxy_wasm::hostcalls;

/// The slot of the last snapshot.
pub(crate) const SNAPSHOT: &str = "snapshot";
/// The slot of the last delta on it.
pub(crate) const DELTA: &str = "delta";

/// What is in the slots, and what else the forecaster has told the leader; cheap to ask for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Notice {
    /// Epoch of the snapshot, 0 for none.
    pub(crate) snapshot: u64,
    /// Epoch of the newest table, the snapshot or a delta on it.
    pub(crate) newest: u64,
    /// Length of usage windows, 0 before it was told.
    pub(crate) report_interval_ms: u64,
}

/// The notice as the leader left it.
pub(crate) fn notice(plugin: &str) -> Notice {
    let bytes = get(&key(plugin, "notice")).unwrap_or_default();
    let mut numbers = bytes.chunks_exact(8).map(|bytes| bytes.try_into().map_or(0, u64::from_le_bytes));
    let mut next = || numbers.next().unwrap_or_default();
    Notice { snapshot: next(), newest: next(), report_interval_ms: next() }
}

/// The table in a slot.
pub(crate) fn load(plugin: &str, slot: &str) -> Option<Vec<u8>> {
    get(&key(plugin, slot))
}

/// Puts a table into a slot.
pub(crate) fn save(plugin: &str, slot: &str, table: &[u8]) {
    let _ = hostcalls::set_shared_data(&key(plugin, slot), Some(table), None);
}

/// Makes known what is in the slots; to be called after they have been filled.
pub(crate) fn post(plugin: &str, notice: Notice) {
    let numbers = [notice.snapshot, notice.newest, notice.report_interval_ms];
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let _ = hostcalls::set_shared_data(&key(plugin, "notice"), Some(&bytes), None);
}

fn get(key: &str) -> Option<Vec<u8>> {
    hostcalls::get_shared_data(key).ok().and_then(|(bytes, _)| bytes)
}

fn key(plugin: &str, what: &str) -> String {
    format!("tidegate.{plugin}.{what}")
}
