//! The usage report: what was asked for, what was admitted, what it really cost, per key, resource and window.
//!
//! Counts are increments: the receiver adds them up, so a window may arrive in several reports. Each report is to be
//! counted once: the receiver remembers the highest sequence number per proxy and boot.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::wire::{Envelope, WireError};

const ENVELOPE: Envelope = Envelope { name: "report", magic: *b"TGR", version: Report::FORMAT };

/// Usage since the previous report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Differs at every start of the worker that wrote it, so that sequence numbers may begin again.
    pub boot: u64,
    /// Counts reports of one boot of one proxy, from 1, without gaps unless `dropped` says so.
    pub seq: u64,
    /// The epoch of the table in force, 0 for none.
    pub table_epoch: u64,
    /// Usage windows that had to be thrown away since boot because nobody took the reports.
    pub dropped: u64,
    /// Names of the resources that records refer to by index.
    pub resources: Vec<String>,
    /// Names of the keys that records refer to by index.
    pub keys: Vec<String>,
    /// The increments.
    pub records: Vec<Record>,
    /// What was missing, for whoever can add capacity.
    pub wishes: Vec<Wish>,
}

/// Demand of a resource that more capacity would have served: refused or delayed although its tier may ask for scaling
/// and it was within contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Index into [`Report::resources`].
    pub resource: u8,
    /// Tokens refused.
    pub refused: u64,
    /// Tokens delayed.
    pub delayed: u64,
}

/// Increments of one key on one resource in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Index into [`Report::keys`].
    pub key: u32,
    /// Index into [`Report::resources`].
    pub resource: u8,
    /// When the window began, in milliseconds since the Unix epoch; a multiple of the report interval.
    pub window_start_ms: u64,
    /// The key keeps exceeding its forecast.
    pub contended: bool,
    /// What happened.
    pub usage: Usage,
}

/// Counters of one window. Tokens are of the resource's unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Requests that asked.
    pub requests_offered: u64,
    /// Requests that were admitted.
    pub requests_admitted: u64,
    /// Tokens asked for (the estimate where the cost is only known later).
    pub offered: u64,
    /// Tokens admitted from a shadow bucket.
    pub guaranteed: u64,
    /// Tokens admitted from the pool.
    pub opportunistic: u64,
    /// Tokens admitted from the emergency pool.
    pub emergency: u64,
    /// Tokens asked for beyond the upper end of the key's forecast.
    pub beyond: u64,
    /// Requests that were admitted after waiting.
    pub delayed: u64,
    /// How long those waited in all, in milliseconds.
    pub delay_ms: u64,
    /// Actual cost of what was admitted, counted when it became known.
    pub settled: u64,
    /// The estimates that `settled` replaces: demand is `offered - settled_estimate + settled`.
    pub settled_estimate: u64,
    /// Largest single cost asked for.
    pub largest: u64,
}

impl Usage {
    /// Adds the increments of `other`.
    pub fn add(&mut self, other: &Self) {
        self.requests_offered = self.requests_offered.saturating_add(other.requests_offered);
        self.requests_admitted = self.requests_admitted.saturating_add(other.requests_admitted);
        self.offered = self.offered.saturating_add(other.offered);
        self.guaranteed = self.guaranteed.saturating_add(other.guaranteed);
        self.opportunistic = self.opportunistic.saturating_add(other.opportunistic);
        self.emergency = self.emergency.saturating_add(other.emergency);
        self.beyond = self.beyond.saturating_add(other.beyond);
        self.delayed = self.delayed.saturating_add(other.delayed);
        self.delay_ms = self.delay_ms.saturating_add(other.delay_ms);
        self.settled = self.settled.saturating_add(other.settled);
        self.settled_estimate = self.settled_estimate.saturating_add(other.settled_estimate);
        self.largest = self.largest.max(other.largest);
    }

    /// Demand in tokens: what was offered, corrected by what settled requests really cost.
    #[must_use]
    pub const fn demand(&self) -> u64 {
        self.offered.saturating_add(self.settled).saturating_sub(self.settled_estimate)
    }
}

impl Report {
    /// The report format that this build reads and writes.
    pub const FORMAT: u8 = 2;

    /// Serialises the report.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        ENVELOPE.encode(self)
    }

    /// Reads a report and checks that every index in it has a name.
    ///
    /// # Errors
    /// Says what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let report: Self = ENVELOPE.decode(bytes)?;
        let named = |record: &Record| {
            (record.key as usize) < report.keys.len() && usize::from(record.resource) < report.resources.len()
        };
        let known = |wish: &Wish| usize::from(wish.resource) < report.resources.len();
        if report.records.iter().all(named) && report.wishes.iter().all(known) {
            Ok(report)
        } else {
            Err(WireError::Malformed("report"))
        }
    }
}
