//! Usage counters per key, resource and window, until a report takes them.

use alloc::{string::String, vec::Vec};

use hashbrown::HashMap;

use super::{
    ResourceState,
    contention::Window,
    keys::{Keys, Slot},
};
use crate::{
    report::{Record, Report, Wish},
    table::MAX_RESOURCES,
    units::Timestamp,
};

/// Most records between two reports; further windows are counted as dropped.
const MAX_RECORDS: usize = 1 << 18;
const NANOS_PER_MILLI: u64 = 1_000_000;

/// The counters since the last report.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    interval_ms: u64,
    window_start_ms: u64,
    records: Vec<Record>,
    wishes: [Wish; MAX_RESOURCES],
    spare: Record,
    dropped: u64,
    seq: u64,
}

impl Ledger {
    pub(super) fn new(interval_ms: u32) -> Self {
        Self {
            interval_ms: u64::from(interval_ms.max(1)),
            window_start_ms: 0,
            records: Vec::new(),
            wishes: [Wish::default(); MAX_RESOURCES],
            spare: Record::default(),
            dropped: 0,
            seq: 0,
        }
    }

    /// An empty ledger whose windows, sequence numbers and losses go on from this one's.
    pub(super) fn successor(&self) -> Self {
        Self { seq: self.seq, dropped: self.dropped, ..Self::new(self.interval_ms as u32) }
    }

    pub(super) fn set_interval(&mut self, interval_ms: u32) {
        let interval_ms = u64::from(interval_ms.max(1));
        if interval_ms != self.interval_ms {
            self.interval_ms = interval_ms;
            self.window_start_ms = 0;
        }
    }

    /// When the present window began.
    pub(super) const fn window_start_ms(&self) -> u64 {
        self.window_start_ms
    }

    /// Moves to the window that holds `wall`.
    pub(super) const fn turn(&mut self, wall: Timestamp) {
        let now_ms = wall.millis();
        if now_ms < self.window_start_ms || now_ms >= self.window_start_ms + self.interval_ms {
            self.window_start_ms = now_ms - now_ms % self.interval_ms;
        }
    }

    const fn window_at(&self, start_ms: u64) -> Window {
        Window { number: (start_ms / self.interval_ms) as u16, length_ns: self.interval_ms * NANOS_PER_MILLI }
    }

    /// The record of a key on a resource in the current window; `hint` is where it was last.
    pub(super) fn record(&mut self, key: u32, resource: u8, hint: &mut u32) -> &mut Record {
        let start = self.window_start_ms;
        let is = |record: &Record| {
            record.key == key && record.resource == resource && record.window_start_ms == start
        };
        if !self.records.get(*hint as usize).is_some_and(is) {
            if self.records.len() >= MAX_RECORDS {
                self.dropped = self.dropped.saturating_add(1);
                self.spare = Record::default();
                return &mut self.spare;
            }
            *hint = self.records.len() as u32;
            self.records.push(Record { key, resource, window_start_ms: start, ..Record::default() });
        }
        self.records.get_mut(*hint as usize).unwrap_or(&mut self.spare)
    }

    /// Asks for capacity on behalf of demand that was refused or delayed.
    pub(super) fn wish(&mut self, resource: u8, refused: u64, delayed: u64) {
        if let Some(wish) = self.wishes.get_mut(usize::from(resource)) {
            wish.resource = resource;
            wish.refused = wish.refused.saturating_add(refused);
            wish.delayed = wish.delayed.saturating_add(delayed);
        }
    }

    /// Everything counted since the last call; `None` when that is nothing. What went beyond the forecasts is counted now,
    /// not with each request.
    pub(super) fn take(
        &mut self,
        boot: u64,
        table_epoch: u64,
        resources: &mut [ResourceState],
        keys: &mut Keys,
    ) -> Option<Report> {
        if self.records.is_empty() {
            return None;
        }
        self.seq += 1;
        let capacity = self.records.len();
        let mut records = core::mem::replace(&mut self.records, Vec::with_capacity(capacity));
        let mut positions: HashMap<u32, u32> = HashMap::with_capacity(capacity);
        let mut names = Vec::new();
        for record in &mut records {
            let entry = record.key;
            let own = keys.slot(entry, record.resource).and_then(Slot::own_shadow);
            if let Some((own, resource)) = own.zip(resources.get_mut(usize::from(record.resource))) {
                let window = self.window_at(record.window_start_ms);
                record.usage.beyond = resource.contention.ask(own, record.usage.offered, window);
                record.contended = resource.contention.is_sustained(own);
            }
            record.key = *positions.entry(entry).or_insert_with(|| {
                names.push(String::from_utf8_lossy(keys.name(entry)).into_owned());
                (names.len() - 1) as u32
            });
            if let Some(entry) = keys.entry_mut(entry) {
                entry.unreported = false;
            }
        }
        let wishes = core::mem::take(&mut self.wishes);
        Some(Report {
            boot,
            seq: self.seq,
            table_epoch,
            dropped: self.dropped,
            resources: resources.iter().map(|resource| resource.name.clone()).collect(),
            keys: names,
            records,
            wishes: wishes.into_iter().filter(|wish| wish.refused > 0 || wish.delayed > 0).collect(),
        })
    }
}
