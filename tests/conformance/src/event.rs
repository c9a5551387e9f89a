//! What a script consists of.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::text::Bytes;

/// One thing that happens to an allocator. All times are of the caller's wall clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A new allocator, without a table.
    SetUp(SetUp),
    /// Another set-up whose reports go on where the last one's end.
    Succeed(SetUp),
    /// Time goes on until this many nanoseconds since the Unix epoch; no time passes when it is later already.
    Until(u64),
    /// The wall clock is set, forward or back.
    SetClock(u64),
    /// The bytes of a table, good or bad, in one piece.
    Apply(Bytes),
    /// The bytes of a table, to be installed piece by piece.
    Stage(Bytes),
    /// The next piece of the table on its way: so many keys at most.
    Install(u32),
    /// A request.
    Decide(Ask),
    /// The request that was refused last comes again when it was told to, if that is soon, right after a tick.
    Retry,
    /// Whoever waits and can go now, or has waited too long, leaves the queue.
    Release,
    /// When to look at the queue next.
    NextRelease,
    /// A client that waits, or has waited of late, goes away.
    Cancel {
        /// How many younger ones there are.
        back: u32,
    },
    /// Where a key stands.
    Explain(Bytes),
    /// What the request that was refused last could have instead.
    Alternatives,
    /// A request that somebody else lets pass or not.
    Count {
        /// The request.
        ask: Ask,
        /// Whether it passes.
        admitted: bool,
    },
    /// A receipt of the recent past is settled, perhaps for the second time.
    Settle {
        /// How many younger ones there are.
        back: u32,
        /// Tokens by resource.
        actual: Vec<(u8, u64)>,
    },
    /// The housekeeping tick.
    Advance,
    /// The worker's part of every budget becomes `part` of `whole`.
    Share {
        /// The part.
        part: u64,
        /// The whole.
        whole: u64,
    },
    /// The length of usage windows in milliseconds.
    ReportInterval(u32),
    /// A report is taken.
    Report,
}

/// What an allocator is built from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetUp {
    /// Names of the resources, and their budgets without a table.
    pub resources: Vec<(String, Option<SafeBucket>)>,
    /// Most keys that no table names.
    pub max_unknown_keys: u32,
    /// Most open receipts.
    pub max_receipts: u32,
    /// Most requests that wait.
    pub max_waiting: u32,
    /// How long a receipt lives, in ms.
    pub receipt_ttl_ms: u64,
    /// Length of usage windows in ms.
    pub report_interval_ms: u32,
}

/// A budget without a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafeBucket {
    /// Micro-tokens per second.
    pub capacity: u64,
    /// Tokens.
    pub burst: u64,
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The throttling key.
    pub key: Bytes,
    /// 0 critical, 1 standard, else deferrable.
    pub class: u8,
    /// What it asks for.
    pub parts: Vec<Part>,
    /// Whether it may be held back.
    pub may_wait: bool,
    /// Whether less is welcome.
    pub partial: bool,
}

/// What a request asks of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Index of the resource.
    pub resource: u8,
    /// Tokens.
    pub cost: u64,
    /// The cost is to be settled.
    pub estimated: bool,
}
