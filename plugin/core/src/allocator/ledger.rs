//! Usage counters per key, resource and window, until a report takes them.

use alloc::{string::String, vec::Vec};

use hashbrown::HashMap;

use super::keys::{Keys, Slot};
use crate::{
    report::{Record, Report, Usage},
    units::Timestamp,
};

/// Most records between two reports; further windows are counted as dropped.
const MAX_RECORDS: usize = 1 << 18;

/// The counters since the last report.
#[derive(Debug)]
pub(super) struct Ledger {
    interval_ms: u64,
    window_start_ms: u64,
    /// Changes whenever a slot's record is no longer current.
    serial: u32,
    records: Vec<Record>,
    spare: Usage,
    dropped: u64,
    seq: u64,
}

impl Ledger {
    pub(super) const fn new(interval_ms: u32) -> Self {
        Self {
            interval_ms: if interval_ms == 0 { 1 } else { interval_ms as u64 },
            window_start_ms: 0,
            serial: 1,
            records: Vec::new(),
            spare: Usage {
                requests_offered: 0,
                requests_admitted: 0,
                offered: 0,
                guaranteed: 0,
                opportunistic: 0,
                settled: 0,
                settled_estimate: 0,
                largest: 0,
            },
            dropped: 0,
            seq: 0,
        }
    }

    /// An empty ledger whose windows, sequence numbers and losses go on from this one's.
    pub(super) fn successor(&self) -> Self {
        Self { seq: self.seq, dropped: self.dropped, ..Self::new(self.interval_ms as u32) }
    }

    pub(super) const fn set_interval(&mut self, interval_ms: u32) {
        let interval_ms = if interval_ms == 0 { 1 } else { interval_ms as u64 };
        if interval_ms != self.interval_ms {
            self.interval_ms = interval_ms;
            self.window_start_ms = 0;
            self.serial = self.serial.wrapping_add(1);
        }
    }

    /// Moves to the window that holds `wall`.
    pub(super) const fn turn(&mut self, wall: Timestamp) {
        let now_ms = wall.millis();
        if now_ms < self.window_start_ms || now_ms >= self.window_start_ms + self.interval_ms {
            self.window_start_ms = now_ms - now_ms % self.interval_ms;
            self.serial = self.serial.wrapping_add(1);
        }
    }

    /// The counters of `slot` in the current window.
    pub(super) fn usage(&mut self, key: u32, resource: u8, slot: &mut Slot) -> &mut Usage {
        if slot.record_serial != self.serial {
            if self.records.len() >= MAX_RECORDS {
                self.dropped = self.dropped.saturating_add(1);
                self.spare = Usage::default();
                return &mut self.spare;
            }
            slot.record = self.records.len() as u32;
            slot.record_serial = self.serial;
            self.records.push(Record {
                key,
                resource,
                window_start_ms: self.window_start_ms,
                usage: Usage::default(),
            });
        }
        self.records.get_mut(slot.record as usize).map_or(&mut self.spare, |record| &mut record.usage)
    }

    /// Everything counted since the last call; `None` when that is nothing.
    pub(super) fn take(
        &mut self,
        boot: u64,
        table_epoch: u64,
        resources: Vec<String>,
        keys: &mut Keys,
    ) -> Option<Report> {
        if self.records.is_empty() {
            return None;
        }
        self.serial = self.serial.wrapping_add(1);
        self.seq += 1;
        let capacity = self.records.len();
        let mut records = core::mem::replace(&mut self.records, Vec::with_capacity(capacity));
        let mut positions: HashMap<u32, u32> = HashMap::with_capacity(capacity);
        let mut names = Vec::new();
        for record in &mut records {
            let entry = record.key;
            record.key = *positions.entry(entry).or_insert_with(|| {
                let name = keys.entry_mut(entry).map_or(&[][..], |entry| {
                    entry.unreported = false;
                    &entry.name
                });
                names.push(String::from_utf8_lossy(name).into_owned());
                (names.len() - 1) as u32
            });
        }
        Some(Report {
            boot,
            seq: self.seq,
            table_epoch,
            dropped: self.dropped,
            resources,
            keys: names,
            records,
        })
    }
}
