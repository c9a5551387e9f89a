//! What proxy and forecaster say to each other beside tables and reports: hello, welcome, acknowledgements.
//!
//! Each travels as the payload of one frame of the sync stream (`forecaster/proto/sync.proto`).

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::wire::{Envelope, WireError, message};

/// The version of this conversation; [`Hello`] and [`Welcome`] carry it, an unequal one ends the stream.
pub const PROTOCOL: u16 = 1;

/// What a frame carries; the numbers are those of `Kind` in `sync.proto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Kind {
    /// Proxy → forecaster, first frame: [`Hello`].
    Hello = 1,
    /// Forecaster → proxy, first frame: [`Welcome`].
    Welcome = 2,
    /// Proxy → forecaster: [`Report`](crate::report::Report).
    Report = 3,
    /// Forecaster → proxy, once a report is durable: [`ReportAck`].
    ReportAck = 4,
    /// Forecaster → proxy: the [`Announcement`](crate::transfer::Announcement) of a table.
    Announcement = 5,
    /// Proxy → forecaster: [`TableAck`].
    TableAck = 6,
    /// Forecaster → proxy: a [`Chunk`](crate::transfer::Chunk) of the announced table.
    Chunk = 7,
}

impl Kind {
    /// The kind with this number, if there is one.
    #[must_use]
    pub const fn from_i32(number: i32) -> Option<Self> {
        match number {
            1 => Some(Self::Hello),
            2 => Some(Self::Welcome),
            3 => Some(Self::Report),
            4 => Some(Self::ReportAck),
            5 => Some(Self::Announcement),
            6 => Some(Self::TableAck),
            7 => Some(Self::Chunk),
            _ => None,
        }
    }
}

/// A proxy introduces itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the proxy.
    pub protocol: u16,
    /// The proxy's name from its configuration.
    pub proxy: String,
    /// Differs at every start of the proxy worker, so that sequence numbers may begin again.
    pub boot: u64,
    /// The shared secret, empty when none is configured.
    pub token: String,
    /// Epoch of the table in force, 0 for none.
    pub table_epoch: u64,
    /// Epoch of the snapshot that it builds on, 0 for none.
    pub snapshot_epoch: u64,
    /// The table format that the proxy reads.
    pub table_format: u8,
    /// The report format that the proxy writes.
    pub report_format: u8,
    /// Names of the resources that the proxy limits.
    pub resources: Vec<String>,
}

/// The forecaster's answer to [`Hello`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// [`PROTOCOL`] of the forecaster.
    pub protocol: u16,
    /// How often to report, and the length of usage windows, in milliseconds.
    pub report_interval_ms: u32,
}

/// A report is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportAck {
    /// The boot that the report names.
    pub boot: u64,
    /// The report's number.
    pub seq: u64,
}

/// What became of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableAck {
    /// Epoch now in force.
    pub epoch: u64,
    /// Epoch of the snapshot that it builds on.
    pub snapshot_epoch: u64,
    /// Why the pushed table was refused; `None` when it is in force.
    pub error: Option<String>,
}

message!(Hello, "hello", b"TGH");
message!(Welcome, "welcome", b"TGW");
message!(ReportAck, "report acknowledgement", b"TGK");
message!(TableAck, "table acknowledgement", b"TGA");
