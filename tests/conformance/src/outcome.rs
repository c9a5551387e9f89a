//! What comes of an event: everything that an engine could get wrong, in a form that has bytes and reads well.
//!
//! Receipts are opaque, so only their presence counts; what they hold shows when they are settled.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Serialize};
use tidegate_core::{Alternatives, Decision, Progress, Reason, Source};

use crate::text::Bytes;

/// What came of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Nothing to tell: time went on, or there is no allocator yet.
    Nothing,
    /// The request passes.
    Admitted {
        /// Index of the key's tier.
        tier: u8,
        /// Who paid.
        payer: Payer,
        /// Whether there is a receipt.
        receipt: bool,
        /// Tokens of the first part.
        granted: u64,
    },
    /// The request waits.
    Waiting {
        /// Index of the key's tier.
        tier: u8,
        /// Its ticket as a number.
        ticket: u64,
        /// How long, if nobody better comes.
        expected_ns: u64,
    },
    /// The request is turned away.
    Refused {
        /// Index of the key's tier.
        tier: u8,
        /// Index of the resource that was short.
        resource: u8,
        /// What was short.
        shortage: Shortage,
        /// When to come again.
        retry_after_ns: Option<u64>,
    },
    /// Index of the tier of a request that was only counted.
    Counted(u8),
    /// Whether a receipt was still open.
    Settled(bool),
    /// Who left the queue, by ticket, and how.
    Released(Vec<(u64, Outcome)>),
    /// When to look at the queue next.
    NextRelease(Option<u64>),
    /// Whether somebody still waited.
    Cancelled(bool),
    /// Where a key stands, as JSON.
    Explained(String),
    /// What a refused request could have instead.
    Instead {
        /// A part of its cost in thousandths.
        smaller_permille: Option<u16>,
        /// The same, if it were critical.
        as_critical: bool,
        /// The same, once the next step has begun.
        next_step_ns: Option<u64>,
    },
    /// A table is in force, or the reason why it is not.
    Applied(Result<u64, String>),
    /// A table is on its way, or the reason why it is not.
    Staged(Result<(), String>),
    /// How far the table on its way has got.
    Installing(Stretch),
    /// What the allocator says of itself.
    Standing {
        /// Epoch of the table in force.
        epoch: u64,
        /// Epoch of its snapshot.
        snapshot_epoch: u64,
        /// Whether the table is absent, live or stale.
        table: String,
        /// Keys held.
        keys: u64,
        /// Requests that wait.
        waiting: u64,
        /// Requests so far.
        requests: u64,
        /// Name of the best tier.
        tier: String,
    },
    /// The bytes of a report.
    Reported(Option<Bytes>),
}

/// Who paid for an admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payer {
    /// A shadow bucket, at least in part.
    Guaranteed,
    /// The pool.
    Opportunistic,
    /// The emergency pool, at least in part.
    Emergency,
}

/// How far a table has got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stretch {
    /// There is none.
    Idle,
    /// There is more to do.
    Working,
    /// The table of this epoch is wholly in force.
    Installed(u64),
    /// Refused for this reason.
    Refused(String),
}

/// What a refused request was short of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shortage {
    /// The customer's contract.
    Contract,
    /// The shared tokens.
    Pool,
    /// Sense.
    Malformed,
}

impl From<&Decision> for Outcome {
    fn from(decision: &Decision) -> Self {
        match decision {
            Decision::Admit(admission) => Self::Admitted {
                tier: admission.tier,
                payer: match admission.source {
                    Source::Guaranteed => Payer::Guaranteed,
                    Source::Opportunistic => Payer::Opportunistic,
                    Source::Emergency => Payer::Emergency,
                },
                receipt: admission.receipt.is_some(),
                granted: admission.granted,
            },
            Decision::Wait(waiting) => Self::Waiting {
                tier: waiting.tier,
                ticket: waiting.ticket.to_u64(),
                expected_ns: waiting.expected_ns,
            },
            Decision::Refuse(refusal) => Self::Refused {
                tier: refusal.tier,
                resource: refusal.resource,
                shortage: match refusal.reason {
                    Reason::Contract => Shortage::Contract,
                    Reason::Pool => Shortage::Pool,
                    Reason::Malformed => Shortage::Malformed,
                },
                retry_after_ns: refusal.retry_after_ns,
            },
        }
    }
}

impl From<Progress> for Outcome {
    fn from(progress: Progress) -> Self {
        Self::Installing(match progress {
            Progress::Idle => Stretch::Idle,
            Progress::Working => Stretch::Working,
            Progress::Installed(epoch) => Stretch::Installed(epoch),
            Progress::Refused(error) => Stretch::Refused(error.to_string()),
        })
    }
}

impl From<Alternatives> for Outcome {
    fn from(instead: Alternatives) -> Self {
        let Alternatives { smaller_permille, as_critical, next_step_ns } = instead;
        Self::Instead { smaller_permille, as_critical, next_step_ns }
    }
}
